"""secscan show: one run."""

import click

from secscan.cli import options
from secscan.language import _


@click.command("show")
@click.argument("run", type=int, required=False)
@options.workspace
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def command(run: int | None, workspace: str | None, form: str) -> None:
    """Show RUN (default: the newest that was finished): agencies, grades, coverage."""
    from secscan.cli import assessment
    from secscan.cli.parts import clock, open_store, open_workspace, state_word, stored

    place = open_workspace(workspace)
    with open_store(place) as store:
        shown = stored(store, place, run)
        info = store.run(shown.judgement.stamp.run or 0)
    if form == "json":
        click.echo(assessment.as_json(shown), nl=False)
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
