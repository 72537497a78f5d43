"""Findings as CSV that a spreadsheet opens as it is: UTF-8 with a byte-order mark, and no cell a formula."""

import csv
import io
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from secscan.check import Check
from secscan.history import Aged
from secscan.ladder import RUNG_OF
from secscan.language import _
from secscan.model import Finding, Outcome, SubjectLevel
from secscan.report.text import cell, sentence

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

NOT_AGED: Mapping[str, Aged] = {}

#: Before all, so that a spreadsheet reads UTF-8.
BYTE_ORDER_MARK = "\ufeff"


def findings_csv(
    findings: Iterable[Finding],
    owners: Mapping[str, str],
    checks: Mapping[str, Check],
    aged: Mapping[str, Aged] = NOT_AGED,
) -> str:
    """One line a finding, in the order given, with lines ended as RFC 4180 asks and a byte-order mark before all.

    ``owners`` maps host id to agency id, ``aged`` finding id to what is known of its life; texts are in the language in use. To be written as UTF-8 with
    ``newline=""``.
    """
    lines = io.StringIO()
    lines.write(BYTE_ORDER_MARK)
    writer = csv.writer(lines)
    writer.writerow(COLUMNS)
    for finding in findings:
        row = _row(finding, checks.get(finding.check), owners.get(finding.subject.id, ""))
        row |= _aged(aged.get(finding.id))
        writer.writerow([cell(row[column]) for column in COLUMNS])
    return lines.getvalue()


def _row(finding: Finding, check: Check | None, agency: str) -> dict[str, str]:
    subject = finding.subject
    return {
        "finding": finding.id,
        "agency": agency,
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
        "observed_at": _instant(finding.observed_at) if finding.observed_at else "",
        "rung": str(RUNG_OF.get(finding.check, "")),
    }


def _aged(aged: Aged | None) -> dict[str, str]:
    if aged is None:
        return dict.fromkeys(("state", "first_seen", "last_seen", "reopened", "due", "overdue", "waiver"), "")
    life = aged.life
    return {
        "state": life.state.value,
        "first_seen": _instant(life.first_seen),
        "last_seen": _instant(life.last_seen),
        "reopened": str(life.reopened),
        "due": _instant(aged.due) if aged.due else "",
        "overdue": "yes" if aged.is_overdue else "no",
        "waiver": life.waiver,
    }


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")
