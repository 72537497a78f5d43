"""secscan findings: list findings."""

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import click

from secscan.cli import options
from secscan.cli.console import write
from secscan.language import _

if TYPE_CHECKING:
    from secscan.history import Aged


#: Hosts that are read at a time.
HOSTS_AT_ONCE = 250


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
@click.option("--overdue", is_flag=True, help="Only those that are past their deadline.")
@click.option(
    "--state",
    "states",
    type=click.Choice(["open", "unverified", "reopened", "waived", "resolved", "retired"]),
    multiple=True,
    help="Only those that once failed and stand so now; repeatable. Whatever their outcome, if none is asked for.",
)
@click.option("--run", type=int, help="The run; default: the newest that was finished.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv", "sarif", "ocsf"]),
    default="table",
    show_default=True,
)
def command(
    workspace: str | None,
    agencies: tuple[str, ...],
    hosts: tuple[str, ...],
    check: str | None,
    severity: str,
    outcomes: tuple[str, ...],
    overdue: bool,
    states: tuple[str, ...],
    run: int | None,
    form: str,
) -> None:
    """List findings of a run, the gravest first: since when they are open, and until when they are to be fixed.

    Age and deadlines are as of the judgement.
    """
    from secscan.cli import assessment
    from secscan.cli.listing import list_findings, read_judged
    from secscan.cli.parts import clock, open_store, open_workspace, require_check, with_children
    from secscan.inventory import inventory_from_documents
    from secscan.model import Outcome, Severity
    from secscan.report.exported import Exported, exported

    place = open_workspace(workspace)
    by_life = bool(states) or overdue
    wanted = {Outcome(outcome) for outcome in outcomes} or (set(Outcome) if by_life else {Outcome.FAIL})
    with open_store(place) as store:
        number = store.newest_judged_run() if run is None else run
        judged = read_judged(store, place, number)
        owners = store.owners(number)
        among = set(owners)
        if agencies:
            # The tree alone: what ten thousand hosts are costs more to read than what is asked for.
            tree = [{**one, "hosts": [], "members": []} for one in judged.documents.values()]
            chosen = set(with_children(inventory_from_documents(tree), agencies))
            among = {host for host, agency in owners.items() if agency in chosen}
        for host in hosts:
            if host not in owners:
                raise click.UsageError(_("There is no host {id!r} in the run's inventory.").format(id=host))
        among = among & set(hosts) if hosts else among
        if check is not None and not _is_installed(check, judged.checks):
            # A check that judged the run may be installed no more.
            told = {finding.check for finding in store.findings(number)}
            told |= {life.check for life in store.lifecycles(sorted(among), run=number).values()}
            require_check(check, {*judged.checks, *told}, families=True)
        least = Severity[severity.upper()]

        def rows() -> "Iterator[Exported]":
            # Some hosts at a time: the findings of a large fleet would fill the memory.
            for some in _by_some(sorted(among)):
                listing = list_findings(
                    store,
                    judged,
                    hosts=some,
                    owners=owners,
                    outcomes=None if by_life else wanted,
                    with_unnamed=by_life,
                )
                every = (*listing.findings, *listing.named_no_more)
                for row in exported(every, listing.checks, owners=owners, aged=listing.aged):
                    finding = row.finding
                    if (
                        finding.outcome in wanted
                        and finding.severity >= least
                        and (check is None or _is_of(check, finding.check))
                        and (not by_life or _stands(row.aged, states, overdue=overdue))
                    ):
                        yield row

        if form == "table":
            assessment.print_listing(list(rows()), judged.stamp, clock(place))
        else:
            write(assessment.finding_pieces(form, rows(), judged.stamp, judged.checks))


def _by_some(hosts: Iterable[str]) -> Iterator[list[str]]:
    left = iter(hosts)
    while some := list(islice(left, HOSTS_AT_ONCE)):
        yield some


def _is_installed(check: str, installed: Iterable[str]) -> bool:
    return any(_is_of(check, id) for id in installed)


def _is_of(asked: str, check: str) -> bool:
    """Whether a check is the one asked for, or of its family."""
    return check == asked or check.startswith(f"{asked}.")


def _stands(aged: "Aged | None", states: Collection[str], *, overdue: bool) -> bool:
    """Whether it stands as asked; what never failed does not."""
    if aged is None or (overdue and not aged.is_overdue):
        return False
    life = aged.life
    return not states or any(
        (state == "reopened" and life.reopened > 0 and life.is_open)
        or (state == "waived" and life.waiver != "")
        or state == life.state.value
        for state in states
    )
