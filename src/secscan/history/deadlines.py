"""Until when a finding is to be fixed, and which ones are late."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeAlias

from secscan.history.lifecycle import Lifecycle

#: How long a finding may stay open by what its host is held to; None: for ever. See ``Baseline.time_to_fix``.
TimeToFix: TypeAlias = Callable[[Lifecycle], timedelta | None]

#: The values of a finding's evidence. A check may say there ``advised``, the day of the advisory (ISO 8601), and
#: ``due``, the day by which somebody else (a catalogue of what is known to be exploited) wants it mended.
Said: TypeAlias = Mapping[str, str | int]

NOTHING_SAID: Said = {}


@dataclass(frozen=True, slots=True)
class Aged:
    """What time has made of a finding: its life, when it is due (None: never), and whether that has passed."""

    life: Lifecycle
    due: datetime | None
    is_overdue: bool


def due(life: Lifecycle, time_to_fix: TimeToFix, said: Said = NOTHING_SAID) -> datetime | None:
    """When it is due: so long after its advisory, or where none is named after it was first seen; and no later than
    the day that its evidence names as ``due``. A day lasts until its end, in UTC.

    A relapse, and a finding whose waiver has run out, are given the whole time again from their reopening, however
    old the advisory is; a ``due`` of somebody else's stands. None where there is no deadline: it is closed, waived,
    or too mild and nobody names a day.
    """
    if not life.is_open or life.waiver:
        return None
    allowed, advised, wanted = time_to_fix(life), _day(said, "advised"), _day(said, "due")
    ends = []
    if allowed is not None:
        ends.append(
            life.opened_at + allowed if advised is None or life.reopened else _end_of(advised) + allowed
        )
    if wanted is not None:
        ends.append(_end_of(wanted))
    return min(ends, default=None)


def is_overdue(life: Lifecycle, time_to_fix: TimeToFix, at: datetime, said: Said = NOTHING_SAID) -> bool:
    """Whether its last moment has passed; at the very moment it has not."""
    return aged(life, time_to_fix, at, said).is_overdue


def aged(life: Lifecycle, time_to_fix: TimeToFix, at: datetime, said: Said = NOTHING_SAID) -> Aged:
    """What time has made of it by ``at``."""
    last = due(life, time_to_fix, said)
    return Aged(life, last, last is not None and last < at)


def overdue(
    lives: Iterable[Lifecycle],
    time_to_fix: TimeToFix,
    at: datetime,
    said: Mapping[str, Said] | None = None,
) -> tuple[tuple[Lifecycle, datetime], ...]:
    """The findings that are late, each with when it was due; the longest first. ``said`` is by finding id."""
    by_id = said or {}
    every = (aged(life, time_to_fix, at, by_id.get(life.finding, NOTHING_SAID)) for life in lives)
    late = [(one.life, one.due) for one in every if one.due is not None and one.is_overdue]
    return tuple(sorted(late, key=lambda one: (one[1], one[0].finding)))


def _day(said: Said, name: str) -> date | None:
    """None too where it is no day: evidence is of a check, which may be anybody's."""
    value = said.get(name)
    try:
        return date.fromisoformat(value) if isinstance(value, str) and value else None
    except ValueError:
        return None


def _end_of(day: date) -> datetime:
    return datetime.combine(day, time.max, UTC)
