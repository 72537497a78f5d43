"""Findings as SARIF 2.1.0, for tools that gather what scanners found."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from secscan.check import Check
from secscan.history import State
from secscan.language import _, in_use
from secscan.model import Outcome, Severity, Stamp, SubjectLevel
from secscan.report.exported import Exported
from secscan.report.json_export import shown_json
from secscan.report.text import sentence, visible

VERSION = "2.1.0"

#: Names the identity of a finding (Finding.id); rises if that is ever made of something else.
FINGERPRINT = "secscanFinding/v1"

# SARIF 2.1.0, section 3.27.9: "open" is what a tool could not decide for want of information, and "review" is left to
# people. Only a failure has a level (section 3.27.10).
_KINDS = {
    Outcome.PASS: "pass",
    Outcome.FAIL: "fail",
    Outcome.UNKNOWN: "open",
    Outcome.NOT_APPLICABLE: "notApplicable",
    Outcome.ERROR: "open",
}
_LEVELS = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.INFO: "note",
}


def sarif_pieces(rows: Iterable[Exported], stamp: Stamp, checks: Mapping[str, Check]) -> Iterator[str]:
    """One log of one run, a finding at a time; together one JSON document, safe on a terminal.

    ``checks`` become its rules, whether or not a finding names them. Texts are in the language in use.
    """
    driver = {
        "name": "secscan",
        "version": stamp.secscan_version,
        "language": "vi" if in_use() == "vi" else "en",
        "rules": [_rule(checks[id]) for id in sorted(checks)],
    }
    run = {
        "tool": {"driver": driver},
        # Instead of what was probed when, which is many moments: the instant as of which it was judged.
        "automationDetails": {"id": f"secscan/{stamp.run or 0}/"},
        "invocations": [{"executionSuccessful": True, "endTimeUtc": _instant(stamp.at)}],
        "columnKind": "unicodeCodePoints",
        "properties": {"baseline": stamp.baseline, "baselineHash": stamp.baseline_hash},
    }
    head = f'{{"version":"{VERSION}","runs":[{shown_json(run)[:-1]},"results":['
    yield head
    comma = ""
    for row in rows:
        yield f"{comma}\n{shown_json(_result(row))}"
        comma = ","
    yield "\n]}]}\n"


def _rule(check: Check) -> dict[str, Any]:
    return {
        "id": check.id,
        "shortDescription": {"text": _plain(_(check.claim))},
        "fullDescription": {"text": _plain(_(check.why))},
        "help": {"text": _plain(_(check.fix))},
        "defaultConfiguration": {"level": _LEVELS[check.severity]},
        "properties": {"severity": check.severity.word},
    }


def _result(row: Exported) -> dict[str, Any]:
    finding, aged = row.finding, row.aged
    failed = finding.outcome is Outcome.FAIL
    told: dict[str, Any] = {
        "ruleId": finding.check,
        "kind": _KINDS[finding.outcome],
        "level": _LEVELS[finding.severity] if failed else "none",
        "message": {"text": _plain(sentence(finding.evidence)) or finding.check},
        "locations": [{"logicalLocations": [_location(row)]}],
        "partialFingerprints": {FINGERPRINT: finding.id},
        "properties": _properties(row),
    }
    if aged is not None and aged.life.waiver:
        told["suppressions"] = [
            {"kind": "external", "status": "accepted", "properties": {"waiver": aged.life.waiver}}
        ]
    if aged is not None and aged.life.state in (State.RESOLVED, State.RETIRED):
        told["baselineState"] = "absent"
    return told


def _location(row: Exported) -> dict[str, Any]:
    subject = row.finding.subject
    name = subject.id or subject.level.value
    if subject.level is SubjectLevel.SERVICE:
        name = f"{subject.id}:{subject.port}/{subject.transport}"
    owned = f"{row.agency}/" if row.agency else ""
    # A kind that SARIF lists none for may be of our own (section 3.33.7).
    return {
        "name": visible(name),
        "fullyQualifiedName": visible(owned + subject.key),
        "kind": subject.level.value,
    }


def _properties(row: Exported) -> dict[str, Any]:
    finding, aged = row.finding, row.aged
    every = {
        "severity": finding.severity.word,
        "outcome": finding.outcome.value,
        "reason": finding.reason.value if finding.reason else None,
        "object": visible(finding.object),
        "agency": row.agency,
        "host": finding.subject.host,
        "addresses": [visible(address) for address in finding.addresses],
        "serverName": visible(finding.subject.server_name),
        "observedAt": _optional(finding.observed_at),
        "firstSeen": _optional(aged.life.first_seen if aged else None),
        "lastSeen": _optional(aged.life.last_seen if aged else None),
        "due": _optional(aged.due if aged else None),
        "overdue": aged.is_overdue if aged else None,
        "state": aged.life.state.value if aged else None,
    }
    return {name: value for name, value in every.items() if value not in (None, "", [])}


def _plain(text: str) -> str:
    """As a plain text message: braces are doubled, lest they be placeholders (SARIF 2.1.0, section 3.11.5), and what
    would end the text of a link is escaped (3.11.6), so that no host can plant one."""
    return text.replace("{", "{{").replace("}", "}}").replace("](", "\\](")


def _optional(at: datetime | None) -> str | None:
    return _instant(at) if at is not None else None


def _instant(at: datetime) -> str:
    """Section 3.9: UTC, with a "Z"."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
