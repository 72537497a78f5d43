"""secscan report: write the scorecards."""

from pathlib import Path

import click

from secscan.cli import options
from secscan.language import _, in_use, plural, use


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
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "json", "csv", "sarif", "ocsf"]),
    default="html",
    show_default=True,
    help="Anything but html writes one file per agency, with what is of that agency alone.",
)
@click.option("--lang", "language", type=click.Choice(["en", "vi"]), help="Default: the language in use.")
@click.option("--run", type=int, help="The run; default: the newest that was finished.")
def command(
    workspace: str | None,
    agencies: tuple[str, ...],
    folder: Path,
    form: str,
    language: str | None,
    run: int | None,
) -> None:
    """Write one HTML scorecard per agency and an index into DIR. Pages that did not change are left alone."""
    if form != "html":
        _export(workspace, agencies, folder, form=form, language=language, run=run)
        return
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


def _export(
    workspace: str | None,
    agencies: tuple[str, ...],
    folder: Path,
    *,
    form: str,
    language: str | None,
    run: int | None,
) -> None:
    from secscan.cli.exporting import write_exports
    from secscan.cli.listing import read_judged
    from secscan.cli.parts import open_store, open_workspace, with_children
    from secscan.inventory import inventory_from_documents
    from secscan.scope import utc_now

    place = open_workspace(workspace)
    if language is not None:
        use(language)
    waivers = {waiver.key: waiver for waiver in place.load_waivers(utc_now().date())}
    with open_store(place) as store:
        judged = read_judged(store, place, store.newest_judged_run() if run is None else run)
        tree = inventory_from_documents(
            [{**one, "hosts": [], "members": []} for one in judged.documents.values()]
        )
        chosen = with_children(tree, agencies)
        paths = write_exports(store, judged, folder, form=form, agencies=chosen, waivers=waivers)
    click.echo(plural("{n} file written.", "{n} files written.", len(paths)), err=True)
