from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from secscan.history import Aged, Lifecycle, State
from secscan.history.letters import (
    FIRST,
    FIXED,
    HALFWAY,
    LAST_DAY,
    OVERDUE,
    Item,
    Occasion,
    Pace,
    Told,
    due_items,
    step_at,
)
from secscan.model import Severity, Subject

OPENED = datetime(2026, 1, 1, 8, tzinfo=UTC)
DUE = OPENED + timedelta(days=30)
WEEKLY = Pace()


def days(n: float) -> datetime:
    return OPENED + timedelta(days=n)


def a_life(finding: str = "F-1", **changes: object) -> Lifecycle:
    life = Lifecycle(
        finding=finding,
        subject=Subject.of_host("web1"),
        check="port.telnet",
        object="",
        state=State.OPEN,
        severity=Severity.HIGH,
        first_seen=OPENED,
        last_seen=OPENED,
        opened_at=OPENED,
    )
    return replace(life, **changes)  # type: ignore[arg-type]


def an_aged(finding: str = "F-1", due: datetime | None = DUE, **changes: object) -> Aged:
    return Aged(a_life(finding, **changes), due, False)


def told(*steps: int, opened_at: datetime = OPENED) -> set[Told]:
    return {Told("F-1", opened_at, step) for step in steps}


def occasions(items: tuple[Item, ...]) -> list[tuple[Occasion, int]]:
    return [(item.occasion, item.told.step) for item in items]


@pytest.mark.parametrize(
    ("day", "step"),
    [
        (0, FIRST),
        (14.99, FIRST),
        (15, HALFWAY),
        (28.99, HALFWAY),
        (29, LAST_DAY),
        (36.99, LAST_DAY),
        (37, OVERDUE),
        (43.99, OVERDUE),
        (44, OVERDUE + 1),
        (100, OVERDUE + 9),
    ],
)
def test_the_steps_of_a_month(day: float, step: int) -> None:
    assert step_at(OPENED, DUE, days(day), WEEKLY) == step


def test_halfway_can_be_left_out() -> None:
    assert step_at(OPENED, DUE, days(20), Pace(half=False)) == FIRST


def test_a_letter_every_day_for_two_months_says_nothing_twice() -> None:
    kept: set[Told] = set()
    said = []
    for day in range(60):
        for item in due_items([an_aged()], kept, days(day), WEEKLY):
            assert item.told not in kept
            kept.add(item.told)
            said.append((day, item.occasion))
    assert said == [
        (0, Occasion.NEW),
        (15, Occasion.REMINDER),
        (29, Occasion.REMINDER),
        (37, Occasion.OVERDUE),
        (44, Occasion.OVERDUE),
        (51, Occasion.OVERDUE),
        (58, Occasion.OVERDUE),
    ]


def test_letters_that_come_late_remind_once() -> None:
    assert occasions(due_items([an_aged()], told(FIRST), days(50))) == [(Occasion.OVERDUE, OVERDUE + 1)]


def test_what_is_new_and_late_at_once_is_told_as_new() -> None:
    assert occasions(due_items([an_aged()], (), days(40))) == [(Occasion.NEW, OVERDUE)]


def test_what_has_no_deadline_is_told_once() -> None:
    assert occasions(due_items([an_aged(due=None)], (), days(0))) == [(Occasion.NEW, FIRST)]
    assert due_items([an_aged(due=None)], told(FIRST), days(400)) == ()


def test_a_fix_is_thanked_for_once() -> None:
    fixed = an_aged(due=None, state=State.RESOLVED, resolved_at=days(3))
    assert occasions(due_items([fixed], told(FIRST), days(4))) == [(Occasion.FIXED, FIXED)]
    assert due_items([fixed], told(FIRST, FIXED), days(9)) == ()


def test_a_fix_that_no_letter_asked_for_is_not_thanked_for() -> None:
    assert due_items([an_aged(state=State.RESOLVED, resolved_at=days(3))], (), days(4)) == ()


def test_a_relapse_is_told_anew() -> None:
    again = an_aged(due=days(80), opened_at=days(50), reopened=1)
    assert occasions(due_items([again], told(FIRST, FIXED), days(51))) == [(Occasion.REOPENED, FIRST)]


@pytest.mark.parametrize(
    "changes",
    [
        {"waiver": "a-waiver"},
        {"state": State.RETIRED, "resolved_at": OPENED},
        {"severity": Severity.INFO},
    ],
)
def test_what_is_left_out(changes: dict[str, object]) -> None:
    assert due_items([an_aged(**changes)], (), days(0)) == ()  # type: ignore[arg-type]


def test_what_could_not_be_looked_at_again_is_reminded_of() -> None:
    unseen = an_aged(state=State.UNVERIFIED)
    assert occasions(due_items([unseen], told(FIRST), days(38))) == [(Occasion.OVERDUE, OVERDUE)]


def test_the_earliest_deadline_comes_first() -> None:
    items = due_items([an_aged("F-3", None), an_aged("F-2", days(9)), an_aged("F-1", days(3))], (), days(0))
    assert [item.told.finding for item in items] == ["F-1", "F-2", "F-3"]
