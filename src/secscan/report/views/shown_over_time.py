"""What a scorecard shows of how an agency came here and where it goes, as values: frozen, the same in every language."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction

from secscan.history.difference import Change
from secscan.history.waterfall import Cause
from secscan.model import Range, Severity, Text


@dataclass(frozen=True, slots=True)
class PointView:
    """A score at one run, on a day in the zone of the page. ``is_break``: it does not compare with the one before."""

    run: int | None
    day: date
    range: Range
    is_break: bool


@dataclass(frozen=True, slots=True)
class TrendView:
    """The last runs, oldest first, and the medians of the country and of the tier, where they may be told.

    ``breaks`` are the days from which scores don't compare with those before.
    """

    points: tuple[PointView, ...]
    country: Fraction | None
    tier: Fraction | None

    @property
    def breaks(self) -> tuple[date, ...]:
        return tuple(point.day for point in self.points if point.is_break)


@dataclass(frozen=True, slots=True)
class PartView:
    """What one cause moved, in points."""

    cause: Cause
    points: Fraction


@dataclass(frozen=True, slots=True)
class ChangeView:
    """A finding that changed. ``anchor`` is its id where the page tells more of it, else empty."""

    id: str
    anchor: str
    host: str
    port: str
    check: str
    claim: str
    severity: Severity


@dataclass(frozen=True, slots=True)
class ChangesView:
    """Findings that changed in one way: how many there are, and the gravest of them."""

    change: Change
    count: int
    gravest: tuple[ChangeView, ...]


@dataclass(frozen=True, slots=True)
class SinceView:
    """What changed since an earlier run. ``parts`` are told in their order, and sum to ``end - start``.

    ``start``, ``end`` and ``parts`` are of the adjusted score, where anything is waived.
    """

    run: int | None
    day: date
    start: Fraction | None
    end: Fraction | None
    parts: tuple[PartView, ...]
    better: tuple[ChangesView, ...]
    worse: tuple[ChangesView, ...]


class Unlock(enum.Enum):
    """What a step gains: points at once; points only once others are made; or none by itself."""

    NOW = enum.auto()
    LATER = enum.auto()
    NOTHING = enum.auto()


@dataclass(frozen=True, slots=True)
class StepView:
    """One of the things to do next. ``evidence`` where a cause says more than the rule it breaks, else ``claim``.

    ``also`` are the claims of rules that are mended in the same step. ``anchor`` leads to the first of its findings.
    """

    anchor: str
    claim: str
    check: str
    fix: str
    evidence: Text | None
    also: tuple[str, ...]
    severity: Severity
    hosts: tuple[str, ...]
    findings: int
    unlock: Unlock
    gain: Fraction
    score: Fraction
    grade: str


@dataclass(frozen=True, slots=True)
class WayView:
    """The first steps towards a grade. ``rest`` counts those that follow; ``end`` is the score after all of them."""

    steps: tuple[StepView, ...]
    rest: int
    target: str
    reaches: bool
    end: Fraction
    end_grade: str


@dataclass(frozen=True, slots=True)
class EndingView:
    """A certificate that ends soon or has ended; ``days`` are left, below zero once it has."""

    holder: str
    issuer: str
    ends: date
    days: int
    places: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class AttestedView:
    """What somebody vouches for and nobody can see: a copy off-site, a restore that was tested (``on`` is its day)."""

    host: str
    host_anchor: str
    backup: str
    on: date | None
    by: str
    evidence: str


@dataclass(frozen=True, slots=True)
class ServiceView:
    """A service of a host, and what answers there as far as it was recognised."""

    port: str
    server_name: str
    what: str
    is_declared: bool


@dataclass(frozen=True, slots=True)
class GlanceView:
    """A host's facts in short, and what became of it over the last runs."""

    system: str
    kernel: str
    booted_at: datetime | None
    seen_at: datetime | None
    services: tuple[ServiceView, ...]
    points: tuple[PointView, ...]
    changes: Mapping[Change, int]
