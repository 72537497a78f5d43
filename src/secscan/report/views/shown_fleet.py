"""What the fleet's pages show, as values: frozen, the same in every language."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction

from secscan.model import Severity
from secscan.report.views.shown import LadderView, Method, Named, ScoreView

#: A group of fewer agencies is never ranked: in so small a one a rank says nothing.
RANKED_FROM = 5


@dataclass(frozen=True, slots=True)
class AgencyRow:
    """An agency on the index; ``depth`` is its place in the tree, 0 for those without a parent.

    ``change`` is what its verified score moved since the time before, None where the two can't be compared.
    """

    agency: Named
    depth: int
    tier: str
    roles: tuple[str, ...]
    zones: tuple[str, ...]
    score: ScoreView
    change: Fraction | None
    hosts: int
    failures: Mapping[Severity, int]
    overdue: int


@dataclass(frozen=True, slots=True)
class GradeCount:
    """Agencies of one grade: those of which enough was seen, and the others."""

    grade: str
    enough: int
    not_enough: int


@dataclass(frozen=True, slots=True)
class TierRow:
    """How many agencies of a tier meet the baseline. Those not assessed count among ``agencies``."""

    tier: str
    score: ScoreView
    meeting: int
    assessed: int
    agencies: int
    distribution: tuple[GradeCount, ...]


@dataclass(frozen=True, slots=True)
class Issue:
    """A rule that fails in many places. ``claim`` is empty for a rule that is not installed any more."""

    check: str
    claim: str
    severity: Severity
    findings: int
    hosts: int
    agencies: int


@dataclass(frozen=True, slots=True)
class UnseenRow:
    """An agency some of whose hosts were not seen for long; ``last`` is when any of its hosts was, None: never."""

    agency: Named
    hosts: int
    unseen: int
    last: datetime | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the change of scores is measured from. ``is_comparable`` is False where the rules are others since.

    ``is_other_reference``: reference data was brought in between, which moves scores too.
    """

    at: datetime
    run: int | None
    is_comparable: bool
    is_other_reference: bool
    #: What the score of the whole moved.
    whole: Fraction | None


@dataclass(frozen=True, slots=True)
class Choices:
    """What the list of agencies can be narrowed down to."""

    tiers: tuple[str, ...]
    zones: tuple[str, ...]
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IndexView:
    """All agencies, for the centre."""

    whole: ScoreView
    rows: tuple[AgencyRow, ...]
    tiers: tuple[TierRow, ...]
    choices: Choices
    meeting: int
    assessed: int
    hosts: int
    failures: Mapping[Severity, int]
    distribution: tuple[GradeCount, ...]
    overdue: int
    ladder: LadderView | None
    comparison: Comparison | None
    #: The agencies that rose most, best first; none where fewer than ``RANKED_FROM`` can be compared.
    improved: tuple[AgencyRow, ...]
    compared: int
    issues: tuple[Issue, ...]
    #: How many rules fail anywhere, beside those that are told.
    other_issues: int
    unseen: tuple[UnseenRow, ...]
    method: Method


# --- Certificates ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EndingView:
    """A certificate of an agency: when it ends, in the zone of the page, and where it is served."""

    name: str
    ends: datetime
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AgencyEndings:
    """An agency's certificates that end in one stretch of time, the first to end on top; ``more`` are not named."""

    agency: Named
    endings: tuple[EndingView, ...]
    more: int

    @property
    def count(self) -> int:
        return len(self.endings) + self.more


@dataclass(frozen=True, slots=True)
class Stretch:
    """A week, from ``begins`` to ``ends`` (inclusive), and the certificates that end in it, by agency.

    ``begins`` is None for all that ended before today.
    """

    begins: date | None
    ends: date
    certificates: int
    agencies: tuple[AgencyEndings, ...]


@dataclass(frozen=True, slots=True)
class MonthCount:
    """How many certificates end in a month, given by its first day, and at how many agencies."""

    month: date
    certificates: int
    agencies: int


@dataclass(frozen=True, slots=True)
class CalendarView:
    """When the fleet's certificates end. ``stretches``: what has ended, then week by week."""

    certificates: int
    agencies: int
    ended: int
    months: tuple[MonthCount, ...]
    later: int
    stretches: tuple[Stretch, ...]
    #: The last day of the last week that is told.
    until: date
    #: False where certificates were not read for this report.
    was_read: bool
    method: Method


# --- Exposed services -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HostPlace:
    """A host, and where on it, such as a port."""

    host: str
    place: str


@dataclass(frozen=True, slots=True)
class AgencyPlaces:
    """Places of an agency; ``more`` are not named."""

    agency: Named
    places: tuple[HostPlace, ...]
    more: int
    hosts: int


@dataclass(frozen=True, slots=True)
class ExposureView:
    """One rule about what should not be reachable, and where it is; ``others`` are agencies that are not named."""

    anchor: str
    check: str
    claim: str
    fix: str
    severity: Severity
    hosts: int
    agencies: int
    by_agency: tuple[AgencyPlaces, ...]
    others: int


@dataclass(frozen=True, slots=True)
class PortView:
    """A port that is open in the fleet, what answers there, on how many hosts and at how many agencies."""

    port: str
    services: tuple[str, ...]
    hosts: int
    agencies: int


@dataclass(frozen=True, slots=True)
class ExposedView:
    """What the fleet shows to the network. ``ports`` is None where ports were not read for this report."""

    hosts: int
    exposed_hosts: int
    exposed_agencies: int
    exposures: tuple[ExposureView, ...]
    ports: tuple[PortView, ...] | None
    other_ports: int
    method: Method


# --- End of life --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OutdatedView:
    """A release of a system or a program that gets no more updates after ``ends``."""

    anchor: str
    check: str
    what: str
    ends: date | None
    has_ended: bool
    hosts: int
    agencies: int
    by_agency: tuple[AgencyPlaces, ...]
    others: int


@dataclass(frozen=True, slots=True)
class OutdatedPage:
    """Systems, and programs that the network shows, without updates or soon without."""

    hosts: int
    ended_hosts: int
    soon_hosts: int
    #: Hosts of which nobody could tell, and None where the baseline does not ask.
    unknown_hosts: int | None
    systems: tuple[OutdatedView, ...]
    programs: tuple[OutdatedView, ...]
    method: Method


# --- Backups ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RungCells:
    """A rung, 0 for the ground, and how many hosts of each column stand on it: as far as was verified, and possibly."""

    number: int
    check: str
    is_attested: bool
    cells: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class GroundRow:
    """An agency with hosts on the ground, those of them that are critical, and those that may stand higher."""

    agency: Named
    hosts: int
    ground: int
    critical: int
    doubtful: int


@dataclass(frozen=True, slots=True)
class BackupsView:
    """How many hosts stand on each rung, by tier. ``columns`` are the tiers, with how many hosts were judged."""

    columns: tuple[tuple[str, int], ...]
    rungs: tuple[RungCells, ...]
    #: Over all tiers, the critical hosts, or all where none is; None where no rung was judged on any.
    ladder: LadderView | None
    ground: tuple[GroundRow, ...]
    other_ground: int
    hosts: int
    method: Method
