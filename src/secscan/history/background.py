"""What a scorecard tells beside one judgement: how it came to it, what to do next, what ends soon, what hosts are."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from secscan.history.advice import Advice
from secscan.history.difference import Changed
from secscan.history.waterfall import Waterfall
from secscan.model import GroupScore, HostScore, Range, Service, Stamp


@dataclass(frozen=True, slots=True)
class Point:
    """A score at one judgement. ``range`` is None where there was nothing to assess.

    ``is_break``: it was made by another baseline or other rules than the one before, and does not compare with it.
    """

    run: int | None
    at: datetime
    range: Range | None
    is_break: bool


@dataclass(frozen=True, slots=True)
class Ending:
    """A certificate, when it ends, and where the agency serves it. Text is the host's."""

    holder: str
    issuer: str
    ends: datetime
    services: tuple[Service, ...]


@dataclass(frozen=True, slots=True)
class Listening:
    """A service on a host. ``what``: as it was recognised, or as it is declared. Text is the host's."""

    service: Service
    what: str
    is_declared: bool


@dataclass(frozen=True, slots=True)
class Glance:
    """A host's facts in short; empty and None where nobody could see. Text is the host's."""

    system: str = ""
    kernel: str = ""
    booted_at: datetime | None = None
    seen_at: datetime | None = None
    services: tuple[Listening, ...] = ()


@dataclass(frozen=True, slots=True)
class Background:
    """Of one agency. Nothing is known of what is empty: an audit of one host keeps no history.

    ``trend`` and that of each host have the oldest first. ``since`` is the judgement that ``changes`` and
    ``waterfall`` compare with.
    """

    trend: tuple[Point, ...] = ()
    of_hosts: Mapping[str, tuple[Point, ...]] = field(default_factory=dict)
    since: Stamp | None = None
    changes: tuple[Changed, ...] = ()
    waterfall: Waterfall | None = None
    advice: Advice | None = None
    endings: tuple[Ending, ...] = ()
    glances: Mapping[str, Glance] = field(default_factory=dict)


def points(scores: Iterable[tuple[Stamp, GroupScore | HostScore | None]]) -> tuple[Point, ...]:
    """A trend, from scores in the order of time; one of None was not judged then, and leaves no point."""
    found: list[Point] = []
    before: Stamp | None = None
    for stamp, score in scores:
        if score is None:
            continue
        is_break = before is not None and judged_by(before) != judged_by(stamp)
        found.append(Point(stamp.run, stamp.at, score.range, is_break))
        before = stamp
    return tuple(found)


def judged_by(stamp: Stamp) -> tuple[str, int, str]:
    """What two scores must have in common to compare: the baseline, the way of scoring, the rules.

    Feeds are not among it: they change with every import, and what they bring is news about the hosts.
    """
    return stamp.baseline_hash, stamp.scoring_version, stamp.secscan_version
