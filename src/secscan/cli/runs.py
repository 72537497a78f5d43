"""secscan runs: what was scanned when."""

import click

from secscan.cli import options
from secscan.cli.console import out, table
from secscan.language import _


@click.command("runs")
@options.workspace
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="The newest so many.")
def command(workspace: str | None, limit: int) -> None:
    """List the runs in the store, the newest first."""
    from secscan.cli.parts import clock, open_store, open_workspace, state_word

    place = open_workspace(workspace)
    when = clock(place)
    with open_store(place) as store:
        rows = [
            (
                str(run.id),
                _("in quarantine") if run.quarantine else state_word(run.state),
                when(run.started_at),
                when(run.finished_at) if run.finished_at else "",
                run.profile,
                run.secscan_version,
            )
            for run in store.runs(limit)
        ]
    columns = [_("Run"), _("State"), _("Began"), _("Ended"), _("Profile"), _("secscan")]
    out().print(table("", columns, rows, right=[0]))
