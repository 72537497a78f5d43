"""Deadlines: by severity and from the opening, at the limit and either side."""

from datetime import UTC, datetime, timedelta

import pytest

from secscan.history import Lifecycle, State
from secscan.history.deadlines import due, is_overdue, overdue
from secscan.model import Severity, Subject

DAY = datetime(2026, 11, 1, tzinfo=UTC)
DAYS = {Severity.CRITICAL: 15, Severity.HIGH: 30, Severity.LOW: 3}


def deadlines(life: Lifecycle) -> timedelta | None:
    days = DAYS.get(life.severity)
    return None if days is None else timedelta(days=days)


def life(check: str = "port.telnet", severity: Severity = Severity.HIGH, **changes: object) -> Lifecycle:
    plain: dict[str, object] = {
        "finding": "F-A",
        "subject": Subject.of_host("h"),
        "check": check,
        "object": "",
        "state": State.OPEN,
        "severity": severity,
        "first_seen": DAY,
        "last_seen": DAY,
        "opened_at": DAY,
    }
    return Lifecycle(**{**plain, **changes})  # type: ignore[arg-type]  # the fields of the dataclass


@pytest.mark.parametrize(
    ("one", "days"),
    [
        (life(severity=Severity.CRITICAL), 15),
        (life(), 30),
        (life(state=State.UNVERIFIED), 30),
    ],
)
def test_the_days_to_fix(one: Lifecycle, days: int) -> None:
    assert due(one, deadlines) == DAY + timedelta(days=days)


@pytest.mark.parametrize(
    "one",
    [
        life(severity=Severity.INFO),
        life(state=State.RESOLVED, resolved_at=DAY),
        life(state=State.RETIRED, resolved_at=DAY),
        life(waiver="w"),
    ],
)
def test_what_has_no_deadline(one: Lifecycle) -> None:
    assert due(one, deadlines) is None
    assert not is_overdue(one, deadlines, DAY + timedelta(days=1000))


def test_a_relapse_has_a_deadline_of_its_own() -> None:
    opened = DAY + timedelta(days=50)
    assert due(life(opened_at=opened), deadlines) == opened + timedelta(days=30)


@pytest.mark.parametrize(("seconds", "late"), [(-1, False), (0, False), (1, True)])
def test_it_is_late_after_its_last_moment(seconds: int, late: bool) -> None:
    assert is_overdue(life(), deadlines, DAY + timedelta(days=30, seconds=seconds)) is late


def test_the_longest_overdue_comes_first() -> None:
    first, second = life(severity=Severity.LOW, finding="F-Z"), life()
    listed = overdue([life(waiver="w"), second, first], deadlines, DAY + timedelta(days=31))
    assert [one.finding for one, _ in listed] == ["F-Z", "F-A"]
