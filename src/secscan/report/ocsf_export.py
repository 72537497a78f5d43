"""Findings as OCSF 1.6.0 compliance findings (class 2003), one JSON object a line, for security event stores."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from secscan.history import State
from secscan.language import _
from secscan.model import Outcome, Severity, Stamp, SubjectLevel
from secscan.report.exported import Exported
from secscan.report.json_export import shown_json
from secscan.report.text import sentence, visible

VERSION = "1.6.0"

_CLASS, _CATEGORY = 2003, 2

# OCSF 1.6.0, severity_id of every event, and status_id of the object "compliance".
_SEVERITIES = {
    Severity.INFO: (1, "Informational"),
    Severity.LOW: (2, "Low"),
    Severity.MEDIUM: (3, "Medium"),
    Severity.HIGH: (4, "High"),
    Severity.CRITICAL: (5, "Critical"),
}
_STATUSES = {
    Outcome.PASS: (1, "Pass"),
    Outcome.FAIL: (3, "Fail"),
    Outcome.UNKNOWN: (0, "Unknown"),
    Outcome.ERROR: (0, "Unknown"),
    Outcome.NOT_APPLICABLE: (99, "Not applicable"),
}
_CREATE, _UPDATE, _CLOSE = (1, "Create"), (2, "Update"), (3, "Close")


def ocsf_lines(rows: Iterable[Exported], stamp: Stamp) -> Iterator[str]:
    """One event a line (JSON Lines), safe on a terminal. Texts are in the language in use."""
    for row in rows:
        yield shown_json(_event(row, stamp)) + "\n"


def _event(row: Exported, stamp: Stamp) -> dict[str, Any]:
    finding, check = row.finding, row.check
    activity_id, activity = _activity(row, stamp)
    severity_id, severity = _SEVERITIES[finding.severity]
    told: dict[str, Any] = {
        "class_uid": _CLASS,
        "class_name": "Compliance Finding",
        "category_uid": _CATEGORY,
        "category_name": "Findings",
        "activity_id": activity_id,
        "activity_name": activity,
        "type_uid": _CLASS * 100 + activity_id,
        "type_name": f"Compliance Finding: {activity}",
        "severity_id": severity_id,
        "severity": severity,
        "time": _milliseconds(stamp.at),
        "message": sentence(finding.evidence),
        "metadata": {
            "version": VERSION,
            "product": {"name": "secscan", "vendor_name": "secscan", "version": stamp.secscan_version},
            "uid": f"{stamp.run or 0}/{finding.id}",
        },
        "finding_info": _finding_info(row),
        "compliance": _compliance(row, stamp),
        "resources": [_resource(row)],
        "unmapped": _unmapped(row),
    }
    if check is not None and finding.outcome is Outcome.FAIL:
        told["remediation"] = {"desc": _(check.fix)}
    status = _status(row)
    if status is not None:
        told["status_id"], told["status"] = status
    return told


def _activity(row: Exported, stamp: Stamp) -> tuple[int, str]:
    """What became of the finding with this judgement; what never failed is told anew each time."""
    if row.aged is None:
        return _CREATE
    life = row.aged.life
    if life.state in (State.RESOLVED, State.RETIRED):
        return _CLOSE
    return _CREATE if life.first_seen == stamp.at else _UPDATE


def _status(row: Exported) -> tuple[int, str] | None:
    """Of the finding, as its owner treats it; nothing where it never failed."""
    if row.aged is None:
        return None
    if row.aged.life.state in (State.RESOLVED, State.RETIRED):
        return 4, "Resolved"
    return (3, "Suppressed") if row.aged.life.waiver else (1, "New")


def _finding_info(row: Exported) -> dict[str, Any]:
    finding, check, aged = row.finding, row.check, row.aged
    told: dict[str, Any] = {
        "uid": finding.id,
        "title": _(check.claim) if check else finding.check,
        "analytic": {"name": finding.check, "uid": finding.check, "type_id": 1, "type": "Rule"},
    }
    if check is not None:
        told["desc"] = _(check.why)
    if aged is not None:
        told["first_seen_time"] = _milliseconds(aged.life.first_seen)
        told["last_seen_time"] = _milliseconds(aged.life.last_seen)
    elif finding.observed_at is not None:
        told["last_seen_time"] = _milliseconds(finding.observed_at)
    return told


def _compliance(row: Exported, stamp: Stamp) -> dict[str, Any]:
    status_id, status = _STATUSES[row.finding.outcome]
    told: dict[str, Any] = {
        "control": row.finding.check,
        "standards": [stamp.baseline],
        "status_id": status_id,
        "status": status,
    }
    if row.finding.reason is not None:
        told["status_code"] = row.finding.reason.value
    return told


def _resource(row: Exported) -> dict[str, Any]:
    subject = row.finding.subject
    told: dict[str, Any] = {"uid": visible(subject.key), "type": subject.level.value}
    if subject.host:
        told["name"] = subject.host
    if subject.server_name:
        told["hostname"] = visible(subject.server_name)
    if row.finding.addresses:
        told["ip"] = visible(row.finding.addresses[0])
    if row.agency:
        told["group"] = {"name": row.agency, "uid": row.agency}
    return told


def _unmapped(row: Exported) -> dict[str, Any]:
    """What OCSF has no word for, under our own."""
    finding, aged = row.finding, row.aged
    every = {
        "outcome": finding.outcome.value,
        "object": visible(finding.object),
        "addresses": [visible(address) for address in finding.addresses],
        "transport": finding.subject.transport,
        "port": finding.subject.port if finding.subject.level is SubjectLevel.SERVICE else None,
        "state": aged.life.state.value if aged else None,
        "due_time": _milliseconds(aged.due) if aged and aged.due else None,
        "overdue": aged.is_overdue if aged else None,
        "waiver": aged.life.waiver if aged else None,
    }
    return {name: value for name, value in every.items() if value not in (None, "", [])}


def _milliseconds(at: datetime) -> int:
    """Since 1970 in UTC: what OCSF's timestamps are."""
    return int(at.timestamp() * 1000)
