"""Until when a finding is to be fixed, and which ones are late."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TypeAlias

from secscan.history.lifecycle import Lifecycle

#: How long a finding may stay open by what its host is held to; None: for ever. See ``Baseline.time_to_fix``.
TimeToFix: TypeAlias = Callable[[Lifecycle], timedelta | None]


def due(life: Lifecycle, time_to_fix: TimeToFix) -> datetime | None:
    """When it is due: so long after it was first seen, or seen again after it had been closed.

    None where it has no deadline: it is closed, waived, or too mild.
    """
    if not life.is_open or life.waiver:
        return None
    allowed = time_to_fix(life)
    return None if allowed is None else life.opened_at + allowed


def is_overdue(life: Lifecycle, time_to_fix: TimeToFix, at: datetime) -> bool:
    """Whether its last moment has passed; at the very moment it has not."""
    last = due(life, time_to_fix)
    return last is not None and last < at


def overdue(
    lives: Iterable[Lifecycle], time_to_fix: TimeToFix, at: datetime
) -> tuple[tuple[Lifecycle, datetime], ...]:
    """The findings that are late, each with when it was due; the latest first."""
    dated = [(life, due(life, time_to_fix)) for life in lives]
    late = [(life, last) for life, last in dated if last is not None and last < at]
    return tuple(sorted(late, key=lambda one: (one[1], one[0].finding)))
