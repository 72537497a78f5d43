"""Findings as CSV that a spreadsheet opens as it is: UTF-8 with a byte-order mark, and no cell a formula."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from secscan.history import Aged
from secscan.ladder import RUNG_OF
from secscan.language import _
from secscan.model import Outcome, SubjectLevel
from secscan.report.exported import Exported
from secscan.report.text import cell, sentence
from secscan.spreadsheet import plain_lines

#: What a column holds; programs read them by these names, so they are the same in every language.
COLUMNS = (
    "finding",
    "agency",
    "host",
    "transport",
    "port",
    "server_name",
    "addresses",
    "check",
    "object",
    "severity",
    "outcome",
    "reason",
    "claim",
    "evidence",
    "fix",
    "observed_at",
    # The rung of the ladder of backups that the check stands for; empty for all others.
    "rung",
    # What time has made of it; empty where it never failed. ``overdue`` is yes or no.
    "state",
    "first_seen",
    "last_seen",
    "reopened",
    "due",
    "overdue",
    "waiver",
)


def csv_lines(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> Iterator[str]:
    """A table, a row at a time, as ``plain_lines``; no cell is a formula, or holds what can't be seen."""
    return plain_lines(columns, ({column: cell(row[column]) for column in columns} for row in rows))


def findings_lines(rows: Iterable[Exported]) -> Iterator[str]:
    """One line a finding, in the order given; texts are in the language in use."""
    return csv_lines(COLUMNS, (_row(row) | _aged(row.aged) for row in rows))


def instant_cell(at: datetime) -> str:
    """An instant in UTC, written so that spreadsheets of every language read a date and a time."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if at.year >= 1000 else at.isoformat()


def _row(row: Exported) -> dict[str, str]:
    finding, check = row.finding, row.check
    subject = finding.subject
    return {
        "finding": finding.id,
        "agency": row.agency or "",
        "host": subject.host or "",
        "transport": subject.transport,
        "port": str(subject.port) if subject.level is SubjectLevel.SERVICE else "",
        "server_name": subject.server_name,
        "addresses": " ".join(finding.addresses),
        "check": finding.check,
        "object": finding.object,
        "severity": finding.severity.word,
        "outcome": finding.outcome.value,
        "reason": finding.reason.value if finding.reason else "",
        "claim": _(check.claim) if check else "",
        "evidence": sentence(finding.evidence),
        "fix": _(check.fix) if check and finding.outcome is Outcome.FAIL else "",
        "observed_at": instant_cell(finding.observed_at) if finding.observed_at else "",
        "rung": str(RUNG_OF.get(finding.check, "")),
    }


def _aged(aged: Aged | None) -> dict[str, str]:
    if aged is None:
        return dict.fromkeys(("state", "first_seen", "last_seen", "reopened", "due", "overdue", "waiver"), "")
    life = aged.life
    return {
        "state": life.state.value,
        "first_seen": instant_cell(life.first_seen),
        "last_seen": instant_cell(life.last_seen),
        "reopened": str(life.reopened),
        "due": instant_cell(aged.due) if aged.due else "",
        "overdue": "yes" if aged.is_overdue else "no",
        "waiver": life.waiver,
    }
