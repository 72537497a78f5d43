"""What a page shows, as values: frozen, the same in every language."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction

from secscan.model import Range, Reason, Severity, Text
from secscan.report.views.shown_over_time import (
    AttestedView,
    EndingView,
    GlanceView,
    SinceView,
    TrendView,
    WayView,
)

#: Gravest first, the order of every page.
GRAVEST_FIRST = tuple(sorted(Severity, reverse=True))


@dataclass(frozen=True, slots=True)
class Named:
    """An agency as it is called: its names by language, all fit to be shown."""

    id: str
    names: Mapping[str, str]


class Shortfall(enum.Enum):
    """Why an agency does not meet the baseline."""

    NO_HOSTS = enum.auto()
    SCORE = enum.auto()
    CRITICAL_OPEN = enum.auto()
    CRITICAL_UNSEEN = enum.auto()


@dataclass(frozen=True, slots=True)
class AdjustedView:
    """A group's score without what is waived; ``waived`` is the share of all weight that is, 0 to 1.

    ``is_much``: so much is waived that the page says so before all else.
    """

    range: Range
    grade: str
    meets: bool
    waived: Fraction
    is_much: bool


@dataclass(frozen=True, slots=True)
class ScoreView:
    """A group's score. ``range`` is None where there is nothing to assess; ``coverage`` is a share, 0 to 1.

    ``adjusted`` is None where nothing is waived.
    """

    range: Range | None
    grade: str
    meets: bool
    coverage: Fraction
    is_enough: bool
    shortfalls: tuple[Shortfall, ...]
    adjusted: AdjustedView | None


@dataclass(frozen=True, slots=True)
class DomainView:
    """A domain of the baseline. ``range`` is None where nothing of it applies to any host."""

    id: str
    range: Range | None
    failed: int
    unseen: int
    passed: int


@dataclass(frozen=True, slots=True)
class FindingView:
    """One failure on one subject. ``anchor`` is its id, empty where another finding of the page has it already.

    ``first_seen`` and ``due`` are days in the zone of the page, None where they are not known or there is none.
    """

    id: str
    anchor: str
    host: str
    host_anchor: str
    port: str
    server_name: str
    addresses: tuple[str, ...]
    object: str
    evidence: Text
    seen_at: datetime | None
    first_seen: date | None
    due: date | None
    is_overdue: bool
    is_waived: bool


@dataclass(frozen=True, slots=True)
class LateView:
    """A finding that is past its deadline. ``has_anchor``: the page tells more of it."""

    id: str
    has_anchor: bool
    host: str
    port: str
    check: str
    severity: Severity
    due: date


@dataclass(frozen=True, slots=True)
class OverdueView:
    """What is past its deadline: how many findings, and those that have been for longest, the gravest first."""

    findings: int
    longest: tuple[LateView, ...]


@dataclass(frozen=True, slots=True)
class WaiverView:
    """Leave that covers findings of the agency. All but ``findings`` is empty where it was withdrawn since."""

    what: str
    reason: str
    owner: str
    approver: str
    approved_by: str
    expires: date | None
    findings: int


@dataclass(frozen=True, slots=True)
class FailureView:
    """The failures of one check at one severity, and its documentation."""

    anchor: str
    check: str
    severity: Severity
    claim: str
    why: str
    fix: str
    findings: tuple[FindingView, ...]
    hosts: tuple[str, ...]
    #: The same findings by what was seen: those that look alike in every way are told once, with all their places.
    alike: tuple[tuple[FindingView, ...], ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule that a cause breaks. ``anchor`` is the finding's id, empty where the page has it already."""

    id: str
    anchor: str
    check: str


@dataclass(frozen=True, slots=True)
class CausePlace:
    """One subject on which a cause breaks rules, each of them a finding."""

    seen: FindingView
    broken: tuple[Broken, ...]


@dataclass(frozen=True, slots=True)
class CauseView:
    """What breaks many rules at once. ``severity`` is that of the gravest, ``evidence`` the words of one place."""

    anchor: str
    severity: Severity
    evidence: Text
    places: tuple[CausePlace, ...]
    hosts: tuple[str, ...]
    failures: Mapping[Severity, int]
    rules: int


@dataclass(frozen=True, slots=True)
class FixView:
    """One thing to do that mends findings on some hosts, as it is typed there; ``due`` is the earliest day it is due, if that is known."""

    command: str
    severity: Severity
    hosts: tuple[str, ...]
    findings: int
    due: date | None


@dataclass(frozen=True, slots=True)
class Gap:
    """What one host did not show: the services it is about, what happened, and the checks by domain it left open."""

    host: str
    host_anchor: str
    places: tuple[str, ...]
    evidence: Text
    domains: tuple[tuple[str, int], ...]
    checks: int


@dataclass(frozen=True, slots=True)
class UnseenView:
    """Everything that could not be seen for one reason."""

    reason: Reason
    gaps: tuple[Gap, ...]
    checks: int
    hosts: int


@dataclass(frozen=True, slots=True)
class Tally:
    """How many subjects a claim is true of, or does not apply to."""

    check: str
    claim: str
    domain: str
    subjects: int
    hosts: int


@dataclass(frozen=True, slots=True)
class CapView:
    """A cap that holds a host down. ``is_open``: a failure was seen; else one could not be ruled out."""

    severity: Severity | None
    name: str
    limit: Fraction | None
    is_open: bool


@dataclass(frozen=True, slots=True)
class RungView:
    """A rung of the ladder of backups, and how many hosts stand on it or above: as far as was verified, and possibly.

    ``standing`` is how many stand on this very rung, as far as was verified.
    """

    number: int
    check: str
    is_attested: bool
    reached: int
    possible: int
    standing: int


@dataclass(frozen=True, slots=True)
class LadderView:
    """The ladder, its highest rung first. ``is_critical``: only critical hosts are counted; where there are none, all.

    ``ground`` is how many hosts stand on no rung.
    """

    rungs: tuple[RungView, ...]
    hosts: int
    ground: int
    is_critical: bool


@dataclass(frozen=True, slots=True)
class HostView:
    """One host. ``range`` is None where it was not scored."""

    anchor: str
    id: str
    names: tuple[str, ...]
    addresses: tuple[str, ...]
    role: str
    zone: str
    level: int | None
    criticality: int
    range: Range | None
    coverage: Fraction
    failures: Mapping[Severity, int]
    unseen: int
    caps: tuple[CapView, ...]
    #: The rung of the ladder of backups that it stands on, verified and possible; None where none was judged.
    rung: tuple[int, int] | None
    glance: GlanceView | None
    #: Its failures by severity, the gravest first: id, whether the page tells more of it, check.
    failing: tuple[tuple[Severity, tuple[tuple[str, bool, str], ...]], ...]


@dataclass(frozen=True, slots=True)
class Method:
    """What the numbers rest on, printed on every page."""

    titles: Mapping[str, str]
    baseline: str
    baseline_hash: str
    domains: tuple[tuple[str, Fraction], ...]
    grades: tuple[tuple[str, Fraction], ...]
    caps: tuple[tuple[Severity, Fraction], ...]
    weights: tuple[tuple[Severity, Fraction], ...]
    meets: Fraction
    enough_coverage: Fraction
    mean_share: Fraction
    carry: timedelta
    at: datetime
    zone: str
    run: int | None
    scoring_version: int
    secscan_version: str
    inventory_hash: str
    #: What had been imported, and until when it knows.
    feeds: tuple[tuple[str, datetime], ...]


@dataclass(frozen=True, slots=True)
class AgencyView:
    """The scorecard of one agency."""

    agency: Named
    parent: Named | None
    tier: str
    zone: str
    score: ScoreView
    domains: tuple[DomainView, ...]
    failures: Mapping[Severity, int]
    first: tuple[FailureView | CauseView, ...]
    causes: tuple[CauseView, ...]
    fixes: tuple[FixView, ...]
    by_severity: tuple[tuple[Severity, tuple[FailureView, ...]], ...]
    unseen: tuple[UnseenView, ...]
    passed: tuple[Tally, ...]
    not_applicable: tuple[Tally, ...]
    hosts: tuple[HostView, ...]
    #: None where the baseline asks for no backups.
    ladder: LadderView | None
    overdue: OverdueView
    waivers: tuple[WaiverView, ...]
    method: Method
    #: None where there is nothing to compare with.
    trend: TrendView | None
    since: SinceView | None
    #: None where no way to a better grade is known; then ``first`` says what to mend first.
    way: WayView | None
    endings: tuple[EndingView, ...]
    attested: tuple[AttestedView, ...]
    #: So much is told that findings leave out what is said of their host further down.
    is_brief: bool
