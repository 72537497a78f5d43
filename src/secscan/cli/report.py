"""secscan report: write the scorecards."""

from pathlib import Path

import click

from secscan.cli import options
from secscan.language import LANGUAGES, _, in_use


@click.command("report")
@options.workspace
@options.agencies
@click.option(
    "--out",
    "folder",
    required=True,
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to.",
)
@click.option("--lang", "language", type=click.Choice(LANGUAGES), help="Default: the language in use.")
@click.option("--run", type=int, help="The run; default: the newest that was finished.")
def command(
    workspace: str | None, agencies: tuple[str, ...], folder: Path, language: str | None, run: int | None
) -> None:
    """Write one HTML scorecard per agency and an index into DIR. Pages that did not change are left alone."""
    from secscan.cli import assessment
    from secscan.cli.parts import open_store, open_workspace, stored, with_children

    place = open_workspace(workspace)
    with open_store(place) as store:
        shown = stored(store, place, run)
    chosen = with_children(shown.inventory, agencies) if agencies else None
    index = assessment.write_pages(
        shown, folder, language=language or in_use(), agencies=chosen, tz=place.time_zone()
    )
    click.echo(_("Wrote the scorecards: {index}").format(index=index))
