"""secscan diff: what changed between two runs."""

from typing import TYPE_CHECKING, Any

import click

from secscan.cli import options
from secscan.cli.console import out, table, write
from secscan.language import _, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secscan.history.difference import Changed
    from secscan.model import Finding
    from secscan.store import Store

#: What a column of the CSV holds; the same in every language.
COLUMNS = (
    *("change", "finding", "severity", "check", "host", "subject", "object", "state", "first_seen"),
    *("evidence_before", "evidence_after"),
)


@click.command("diff")
@click.argument("before", type=int, metavar="A")
@click.argument("after", type=int, required=False, metavar="[B]")
@options.workspace
@options.agencies
@click.option("--host", "hosts", multiple=True, metavar="ID", help="Only this host; repeatable.")
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True
)
def command(
    before: int,
    after: int | None,
    workspace: str | None,
    agencies: tuple[str, ...],
    hosts: tuple[str, ...],
    form: str,
) -> None:
    """What changed from run A to run B (default: the newest): new, reopened, fixed, out of sight, retired.

    The two ends are compared; what came and went in between is not told.
    """
    from secscan.cli.parts import open_store, open_workspace
    from secscan.history.difference import difference

    place = open_workspace(workspace)
    with open_store(place) as store:
        after = store.newest_judged_run() if after is None else after
        among = _hosts(store, (before, after), agencies, hosts)
        changed = difference(*store.moments(before, after, hosts=among))
    match form:
        case "json":
            from secscan.report.json_export import to_json

            write(to_json(_document(changed, before, after)))
        case "csv":
            write(_csv(changed))
        case _:
            _print(changed, before, after)


def _hosts(
    store: "Store", runs: tuple[int, int], agencies: tuple[str, ...], hosts: tuple[str, ...]
) -> set[str] | None:
    """The hosts asked for; None: all. A host that moved in between counts in both agencies."""
    from secscan.cli.parts import with_children
    from secscan.inventory import inventory_from_documents

    if not agencies:
        return set(hosts) or None
    among: set[str] = set()
    for run in runs:
        # Who is below whom is all that is asked; ten thousand hosts are left where they are.
        documents = store.inventory_of(run).values()
        inventory = inventory_from_documents([{**one, "hosts": [], "members": []} for one in documents])
        known = [agency for agency in agencies if agency in inventory.agencies]
        if run == runs[1] or known:
            # An agency that has been dissolved since is known to the earlier run alone.
            for agency in with_children(inventory, known or agencies):
                among |= set(store.members(run, agency))
    return among & set(hosts) if hosts else among


def _print(changed: "Sequence[Changed]", before: int, after: int) -> None:
    from secscan.report.words import change_word, severity_word

    rows = [
        (
            change_word(one.change),
            one.life.finding,
            severity_word(one.life.severity),
            one.life.check,
            _where(one),
            one.life.object,
            _evidence(one.after or one.before),
        )
        for one in changed
    ]
    columns = [_("Change"), _("Finding"), _("Severity"), _("Check"), _("Where"), _("Object"), _("Evidence")]
    if rows:
        out().print(table("", columns, rows))
    said = plural("{n} finding changed", "{n} findings changed", len(rows))
    click.echo(
        _("{findings} from run {before} to run {after}.").format(findings=said, before=before, after=after)
    )
    for word, count in _counts(changed).items():
        click.echo(f"  {word}: {count}")


def _counts(changed: "Sequence[Changed]") -> dict[str, int]:
    from secscan.report.words import change_word

    counts: dict[str, int] = {}
    for one in changed:
        word = change_word(one.change)
        counts[word] = counts.get(word, 0) + 1
    return counts


def _where(one: "Changed") -> str:
    subject = one.life.subject
    return f"{subject.id}:{subject.port}" if subject.port else subject.id


def _evidence(finding: "Finding | None") -> str:
    from secscan.report.text import sentence

    return sentence(finding.evidence) if finding else ""


def _document(changed: "Sequence[Changed]", before: int, after: int) -> dict[str, Any]:
    return {"before": before, "after": after, "changes": [_entry(one) for one in changed]}


def _entry(one: "Changed") -> dict[str, Any]:
    life = one.life
    return {
        "change": one.change.value,
        "finding": life.finding,
        "check": life.check,
        "severity": life.severity.word,
        "subject": life.subject.key,
        "host": life.subject.host,
        "object": life.object,
        "state": life.state.value,
        "first_seen": life.first_seen.isoformat(),
        "last_seen": life.last_seen.isoformat(),
        "resolved_at": life.resolved_at.isoformat() if life.resolved_at else None,
        "reopened": life.reopened,
        "evidence_before": _evidence(one.before) or None,
        "evidence_after": _evidence(one.after) or None,
    }


def _csv(changed: "Sequence[Changed]") -> str:
    from secscan.report.csv_export import csv_lines

    rows = (
        {name: "" if value is None else str(value) for name, value in _entry(one).items()} for one in changed
    )
    return "".join(csv_lines(COLUMNS, rows))
