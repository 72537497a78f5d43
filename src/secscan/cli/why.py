"""secscan why: what moved an agency's score."""

from typing import TYPE_CHECKING

import click

from secscan.cli import options
from secscan.cli.console import out, table, write
from secscan.language import _

if TYPE_CHECKING:
    from secscan.store import Store


@click.command("why")
@click.argument("agency")
@click.argument("before", type=int, required=False, metavar="[A]")
@click.argument("after", type=int, required=False, metavar="[B]")
@options.workspace
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def command(agency: str, before: int | None, after: int | None, workspace: str | None, form: str) -> None:
    """Why the score of AGENCY changed from run A to run B (default: the two newest), cause by cause.

    The parts sum to the change exactly; they are told in one order, the same for every agency.
    """
    from secscan.baseline import load_baseline
    from secscan.cli.parts import find_all_checks, open_store, open_workspace
    from secscan.engine.comparison import why
    from secscan.engine.replay import Sources
    from secscan.report import formats
    from secscan.report.words import cause_word

    place = open_workspace(workspace)
    checks = find_all_checks(None, place)
    with open_store(place) as store:
        runs = _runs(store, before, after)
        told = why(
            store,
            agency,
            runs,
            baseline_of=lambda name: load_baseline(name, checks, folder=place.profiles),
            sources=Sources(place.load_anchors(), place.feeds),
        )
    if form == "json":
        from secscan.report.json_export import to_json

        write(
            to_json(
                {
                    "agency": agency,
                    "before": runs[0],
                    "after": runs[1],
                    "start": str(told.start),
                    "end": str(told.end),
                    "parts": {cause.value: str(part) for cause, part in told.parts.items()},
                }
            )
        )
        return
    rows = [(_("run {run}").format(run=runs[0]), formats.score(told.start))]
    for cause, part in told.parts.items():
        if part:
            sign = "+" if part > 0 else "−"
            rows.append((cause_word(cause), sign + formats.score(abs(part))))
    rows.append((_("run {run}").format(run=runs[1]), formats.score(told.end)))
    out().print(table("", [_("Cause"), _("Points")], rows, right=[1]))


def _runs(store: "Store", before: int | None, after: int | None) -> tuple[int, int]:
    """The runs named; else the newest that was judged, and the one before it."""
    judged = [run.id for run in store.runs() if run.judged_at is not None]
    last = after if after is not None else next(iter(judged), store.newest_judged_run())
    if before is not None:
        return before, last
    earlier = [run for run in judged if run < last]
    if not earlier:
        raise click.UsageError(
            _("Run {run} is the first that was judged: there is nothing to compare it with.").format(run=last)
        )
    return earlier[0], last
