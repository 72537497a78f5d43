"""secscan findings: list findings."""

import sys

import click

from secscan.cli import options
from secscan.language import _


@click.command("findings")
@options.workspace
@options.agencies
@click.option("--host", "hosts", multiple=True, metavar="ID", help="Only this host; repeatable.")
@click.option("--check", metavar="ID", help="Only this check, or a family such as tls.")
@click.option(
    "--severity",
    type=click.Choice(["critical", "high", "medium", "low", "info"]),
    default="info",
    show_default=True,
    help="This severity and graver.",
)
@click.option(
    "--outcome",
    "outcomes",
    type=click.Choice(["fail", "unknown", "error", "pass", "not-applicable"]),
    multiple=True,
    help="Only this outcome; repeatable; default: fail.",
)
@click.option("--run", type=int, help="The run; default: the newest that was finished.")
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True
)
def command(
    workspace: str | None,
    agencies: tuple[str, ...],
    hosts: tuple[str, ...],
    check: str | None,
    severity: str,
    outcomes: tuple[str, ...],
    run: int | None,
    form: str,
) -> None:
    """List findings of a run, the gravest first."""
    from secscan.cli import assessment
    from secscan.cli.parts import open_store, open_workspace, stored, with_children
    from secscan.model import Outcome, Severity

    place = open_workspace(workspace)
    with open_store(place) as store:
        shown = stored(store, place, run)
    wanted = {Outcome(outcome) for outcome in outcomes} or {Outcome.FAIL}
    least = Severity[severity.upper()]
    among = set(shown.judgement.hosts)
    if agencies:
        chosen = with_children(shown.inventory, agencies)
        among = {host for agency in chosen for host in shown.judgement.agencies[agency].members}
    if hosts:
        for host in hosts:
            if host not in shown.inventory.hosts:
                raise click.UsageError(_("There is no host {id!r} in the run's inventory.").format(id=host))
        among &= set(hosts)
    findings = [
        finding
        for host in sorted(among)
        for finding in shown.judgement.findings.get(host, ())
        if finding.outcome in wanted
        and finding.severity >= least
        and (check is None or finding.check == check or finding.check.startswith(f"{check}."))
    ]
    match form:
        case "json":
            click.echo(assessment.findings_json(shown, findings), nl=False)
        case "csv":
            sys.stdout.write(assessment.findings_csv(shown, findings))
        case _:
            assessment.print_findings(shown, findings)
