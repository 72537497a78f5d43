"""What an agency's owner is told in the next letter: what is new, what is due, what is overdue, what was fixed. Pure.

A finding is told when it is first seen, halfway to its deadline, on the day before it, and every so often after it: each of
these once. A stretch of failing that begins anew, after a fix or a waiver, is told anew.
"""

import enum
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from secscan.history.deadlines import Aged
from secscan.history.lifecycle import State
from secscan.model import Severity

#: So long before its deadline a finding is told once more, while there is time.
LAST_CALL = timedelta(days=1)

#: The steps of a finding: the later ones are numbered on from OVERDUE, one for each time it is told again.
FIRST, HALFWAY, LAST_DAY, OVERDUE = 0, 1, 2, 3

#: The step of a finding that was thanked for; below every other, so that it is never taken for a reminder.
FIXED = -1


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a finding is told. ``every``: how long after its deadline, and after each time it was told since.

    ``half``: whether it is told halfway, too.
    """

    half: bool = True
    every: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True, order=True)
class Told:
    """That a letter told of a finding: which, of the stretch of failing that began then, at which step."""

    finding: str
    opened_at: datetime
    step: int


class Occasion(enum.Enum):
    """Why a letter tells of a finding."""

    NEW = enum.auto()
    REOPENED = enum.auto()
    REMINDER = enum.auto()
    OVERDUE = enum.auto()
    FIXED = enum.auto()


@dataclass(frozen=True, slots=True)
class Item:
    """A finding in a letter, and what is to be kept of it once the letter is out."""

    aged: Aged
    occasion: Occasion
    told: Told


def due_items(
    aged: Iterable[Aged], told: Collection[Told], at: datetime, pace: Pace = Pace()
) -> tuple[Item, ...]:
    """What the letter of ``at`` tells, the earliest deadline first; nothing: there is no letter to write.

    ``aged`` are the agency's findings that ever failed, ``told`` what earlier letters said. What is waived, gone, or
    only for information is left out.
    """
    steps = _last_steps(told)
    items = (_item(one, steps, at, pace) for one in aged if one.life.severity > Severity.INFO)
    return tuple(sorted((item for item in items if item is not None), key=_order))


def _last_steps(told: Collection[Told]) -> Mapping[tuple[str, datetime], set[int]]:
    steps: dict[tuple[str, datetime], set[int]] = {}
    for one in told:
        steps.setdefault((one.finding, one.opened_at), set()).add(one.step)
    return steps


def _item(one: Aged, steps: Mapping[tuple[str, datetime], set[int]], at: datetime, pace: Pace) -> Item | None:
    life = one.life
    known = steps.get((life.finding, life.opened_at), set())
    if life.state is State.RESOLVED:
        # Only what a letter asked for is thanked for, and once.
        if not known or FIXED in known:
            return None
        return Item(one, Occasion.FIXED, Told(life.finding, life.opened_at, FIXED))
    if not life.is_open or life.waiver:
        return None
    step = step_at(life.opened_at, one.due, at, pace)
    if known and step <= max(known):
        return None
    return Item(
        one, _occasion(one, is_new=not known, step=step, at=at), Told(life.finding, life.opened_at, step)
    )


def step_at(opened_at: datetime, due: datetime | None, at: datetime, pace: Pace) -> int:
    """The last step that a finding has come to by ``at``; without a deadline there is but the first."""
    if due is None:
        return FIRST
    if at >= due + pace.every:
        return OVERDUE - 1 + (at - due) // pace.every
    if at >= due - LAST_CALL:
        return LAST_DAY
    return HALFWAY if pace.half and at >= opened_at + (due - opened_at) / 2 else FIRST


def _occasion(one: Aged, *, is_new: bool, step: int, at: datetime) -> Occasion:
    if is_new:
        return Occasion.REOPENED if one.life.reopened else Occasion.NEW
    # At the very moment it is due it is not late yet.
    late = step >= OVERDUE or (one.due is not None and at > one.due)
    return Occasion.OVERDUE if late else Occasion.REMINDER


def _order(item: Item) -> tuple[bool, datetime, int, str]:
    due = item.aged.due
    life = item.aged.life
    return (due is None, due or life.opened_at, -life.severity, life.finding)
