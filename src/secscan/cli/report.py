"""secscan report: write the scorecards."""

from pathlib import Path

import click

from secscan.cli import options
from secscan.language import _, in_use


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
@click.option("--lang", "language", type=click.Choice(["en", "vi"]), help="Default: the language in use.")
@click.option("--run", type=int, help="The run; default: the newest that was finished.")
def command(
    workspace: str | None, agencies: tuple[str, ...], folder: Path, language: str | None, run: int | None
) -> None:
    """Write one HTML scorecard per agency and an index into DIR. Pages that did not change are left alone."""
    from secscan.baseline import load_baseline
    from secscan.cli.parts import (
        find_all_checks,
        open_store,
        open_workspace,
        warn_of_another,
        with_children,
        workers_by_default,
    )
    from secscan.engine.background import compared_with_before
    from secscan.engine.replay import Sources
    from secscan.inventory import inventory_from_documents
    from secscan.publication import Edition, Issue, publish
    from secscan.scope import utc_now

    place = open_workspace(workspace)
    with open_store(place) as store:
        judged = store.newest_judged_run() if run is None else run
        stamp = store.stamp(judged)
        checks = find_all_checks(None, place)
        baseline = load_baseline(stamp.baseline, checks, folder=place.profiles)
        warn_of_another(baseline, stamp)
        chosen = None
        if agencies:
            # Who is below whom is all that is asked; ten thousand hosts are left where they are.
            documents = store.inventory_of(judged).values()
            tree = inventory_from_documents([{**one, "hosts": [], "members": []} for one in documents])
            chosen = with_children(tree, agencies)
        pages = publish(
            store,
            Issue(
                run=judged,
                baseline=baseline,
                checks=checks,
                tz=place.time_zone(),
                waivers={waiver.key: waiver for waiver in place.load_waivers(utc_now().date())},
                compared=compared_with_before(
                    store,
                    judged,
                    baseline_of=lambda name: load_baseline(name, checks, folder=place.profiles),
                    sources=Sources(place.load_anchors(), place.feeds),
                    agencies=chosen,
                ),
            ),
            [Edition(language or in_use(), folder)],
            agencies=chosen,
            processes=workers_by_default(),
        )
    click.echo(_("Wrote the scorecards: {index}").format(index=pages[0]))
