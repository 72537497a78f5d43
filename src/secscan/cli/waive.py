"""secscan waive: leave a failure as it is until a day."""

from datetime import datetime

import click

from secscan.cli import options
from secscan.language import _


@click.command("waive")
@click.argument("finding")
@options.workspace
@click.option("--reason", required=True, help="Why it may stay for now.")
@click.option("--owner", required=True, help="Who answers for it.")
@click.option("--approver", required=True, help="Who gave leave.")
@click.option(
    "--expires",
    required=True,
    metavar="YYYY-MM-DD",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The last day; at most 365 days from today.",
)
@click.option(
    "--approved-by",
    type=click.Choice(["agency", "central"]),
    help="On which level; only central leave lifts the cap of a critical failure.",
)
def command(
    finding: str,
    workspace: str | None,
    reason: str,
    owner: str,
    approver: str,
    expires: datetime,
    approved_by: str | None,
) -> None:
    """Write a waiver of FINDING into waivers.toml; it counts from the next judgement on.

    Should the finding come to look otherwise than today, the waiver is void. Waivers of many findings at once are
    patterns, written by hand: see secscan waivers.
    """
    from secscan.cli.parts import open_store, open_workspace
    from secscan.history.waivers import CENTRAL, evidence_of
    from secscan.model import Outcome, Severity, Waiver
    from secscan.scope import utc_now
    from secscan.toml_source import shown_path

    place = open_workspace(workspace)
    with open_store(place) as store:
        found = store.finding(finding)
    if found is None:
        raise click.UsageError(_("There is no finding {id!r}. See: secscan findings").format(id=finding))
    if found.outcome is not Outcome.FAIL:
        raise click.UsageError(
            _("{id} does not fail: there is nothing to waive. See: secscan findings").format(id=finding)
        )
    today = utc_now().date()
    if expires.date() < today:
        raise click.UsageError(_("{date} is past; a waiver needs a day to come.").format(date=expires.date()))
    waiver = Waiver(
        reason=reason,
        owner=owner,
        approver=approver,
        expires=expires.date(),
        approved_by=approved_by or "",
        finding=finding,
        evidence=evidence_of(found),
    )
    place.add_waiver(waiver, today)
    click.echo(
        _("{id} is waived until {date}, from the next judgement on: {path}").format(
            id=finding, date=waiver.expires.isoformat(), path=shown_path(place.waivers)
        )
    )
    if found.severity is Severity.CRITICAL and approved_by != CENTRAL:
        click.echo(
            _(
                "It is critical: its cap on the score stays, as only central leave lifts it (--approved-by central)."
            ),
            err=True,
        )
