"""secscan show: one run."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from secscan.cli import options
from secscan.cli.console import write
from secscan.language import _

if TYPE_CHECKING:
    from secscan.model import Misjudged


@click.command("show")
@click.argument("run", type=int, required=False)
@options.workspace
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def command(run: int | None, workspace: str | None, form: str) -> None:
    """Show RUN (default: the newest that was finished): agencies, grades, coverage."""
    from secscan.cli import assessment
    from secscan.cli.parts import clock, open_store, open_workspace, quarantine_words, state_word, stored

    place = open_workspace(workspace)
    with open_store(place) as store:
        wrong = store.run(run).quarantine if run is not None else ()
        if run is not None and wrong:
            if form == "json":
                write(_quarantine_json(run, wrong))
            else:
                click.echo(quarantine_words(run, wrong))
            return
        shown = stored(store, place, run)
        info = store.run(shown.judgement.stamp.run or 0)
    if form == "json":
        write(assessment.as_json(shown))
        return
    when = clock(place)
    ended = when(info.finished_at) if info.finished_at else "-"
    click.echo(
        _("Run {run}: {state}, began {began}, ended {ended}, profile {profile}").format(
            run=info.id,
            state=state_word(info.state),
            began=when(info.started_at),
            ended=ended,
            profile=info.profile,
        )
    )
    assessment.print_agencies(shown)


def _quarantine_json(run: int, misjudged: "Sequence[Misjudged]") -> str:
    from secscan.report.json_export import to_json

    told = [
        {"host": wrong.host, "canary": wrong.canary.value, "failing": list(wrong.failing)}
        for wrong in misjudged
    ]
    return to_json({"run": run, "quarantine": told})
