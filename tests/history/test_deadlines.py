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


ADVISED, WANTED = {"advised": "2026-10-10"}, {"due": "2026-11-05"}


@pytest.mark.parametrize(
    ("said", "last_day"),
    [
        ({}, DAY + timedelta(days=30)),
        (ADVISED, datetime(2026, 11, 9, 23, 59, 59, 999999, tzinfo=UTC)),
        (WANTED, datetime(2026, 11, 5, 23, 59, 59, 999999, tzinfo=UTC)),
        ({**ADVISED, **WANTED}, datetime(2026, 11, 5, 23, 59, 59, 999999, tzinfo=UTC)),
        ({**ADVISED, "due": "2026-12-24"}, datetime(2026, 11, 9, 23, 59, 59, 999999, tzinfo=UTC)),
        ({"advised": "", "due": ""}, DAY + timedelta(days=30)),
        ({"advised": "long ago", "due": "soon"}, DAY + timedelta(days=30)),
        ({"due": 20261105}, DAY + timedelta(days=30)),
    ],
)
def test_days_count_from_the_advisory_and_a_named_day_stands(
    said: dict[str, str | int], last_day: datetime
) -> None:
    assert due(life(), deadlines, said) == last_day


@pytest.mark.parametrize(("at", "late"), [("2026-11-05T23:59:59", False), ("2026-11-06T00:00:00", True)])
def test_the_day_it_is_due_is_not_too_late(at: str, late: bool) -> None:
    assert is_overdue(life(), deadlines, datetime.fromisoformat(at + "+00:00"), WANTED) is late


def test_a_relapse_is_given_the_whole_time_again_whatever_the_advisory() -> None:
    again = DAY + timedelta(days=50)
    assert due(life(opened_at=again, reopened=1), deadlines, ADVISED) == again + timedelta(days=30)


def test_a_named_day_holds_where_the_severity_has_no_deadline() -> None:
    assert due(life(severity=Severity.INFO), deadlines, WANTED) is not None


def test_what_was_said_of_each_finding_is_looked_up() -> None:
    (only,) = overdue([life(), life(finding="F-B")], deadlines, DAY + timedelta(days=6), {"F-B": WANTED})
    assert only[0].finding == "F-B"
