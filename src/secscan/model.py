"""The shared nouns: who is looked at, what was seen, how it is judged. Imports nothing of ours."""

import base64
import enum
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from fractions import Fraction
from typing import Any, Generic, TypeAlias, TypeVar

FactsT = TypeVar("FactsT", covariant=True)


class Severity(enum.IntEnum):
    """How grave a failure is; ordered, so that ``max()`` finds the gravest."""

    INFO = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @property
    def word(self) -> str:
        """The severity as it is written in profiles, options and exports."""
        return self.name.lower()


class Outcome(enum.StrEnum):
    """What a check says of its subject. NOT_APPLICABLE: the subject does not exist; ERROR: our own bug."""

    PASS = "pass"  # noqa: S105 - an outcome, not a password
    FAIL = "fail"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not-applicable"
    ERROR = "error"


class Reason(enum.StrEnum):
    """Why something was not seen."""

    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    TIMED_OUT = "timed-out"
    NOT_RESOLVED = "not-resolved"
    NEEDS_CREDENTIALS = "needs-credentials"
    AUTH_FAILED = "auth-failed"
    HOST_KEY_CHANGED = "host-key-changed"
    OUT_OF_SCOPE = "out-of-scope"
    OUT_OF_WINDOW = "out-of-window"
    NOT_ATTEMPTED = "not-attempted"
    NOT_COLLECTED = "not-collected"
    UNREADABLE = "unreadable"
    UNPARSED = "unparsed"
    MALFORMED = "malformed"
    CONTRADICTORY = "contradictory"
    RATE_LIMITED = "rate-limited"
    TARPIT = "tarpit"
    TOOL_MISSING = "tool-missing"
    STALE = "stale"
    STALE_FEED = "stale-feed"
    INTERRUPTED = "interrupted"
    BUG = "bug"


#: Reasons that mean no packet was sent: they never supersede what was seen before.
NOT_AN_ATTEMPT = frozenset({Reason.NOT_ATTEMPTED, Reason.OUT_OF_WINDOW, Reason.INTERRUPTED})


class TlsPolicy(enum.StrEnum):
    """What the inventory says of TLS on a declared service. UNSTATED: the profile's port list decides."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    NONE = "none"
    UNSTATED = "unstated"


# --- Who is looked at -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Contact:
    """Whom to write to about an agency."""

    name: str
    email: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True)
class Agency:
    """One body that answers for its hosts. ``id`` is an ASCII slug; ``names`` maps language to NFC text."""

    id: str
    names: Mapping[str, str]
    tier: str = ""
    parent: str | None = None
    zone: str = ""
    contacts: tuple[Contact, ...] = ()

    def name(self, language: str = "en") -> str:
        """The name in ``language``, else in any language the inventory gives, else the id."""
        return self.names.get(language) or next(iter(self.names.values()), self.id)


@dataclass(frozen=True, slots=True, order=True)
class Service:
    """Host, transport, port and server name (empty: none sent). Virtual hosts are different services."""

    host: str
    transport: str
    port: int
    server_name: str = ""


@dataclass(frozen=True, slots=True)
class ExpectedService:
    """A service the inventory declares, and what it says of it."""

    service: Service
    tls: TlsPolicy = TlsPolicy.UNSTATED
    what: str = ""


@dataclass(frozen=True, slots=True)
class RestoreTest:
    """A restore that somebody says was tested: attested with a name and evidence, never observed."""

    on: date
    by: str
    evidence: str


@dataclass(frozen=True, slots=True)
class DeclaredBackup:
    """A backup that the inventory says there is, and what it must be. None and empty: the baseline's word counts.

    It is found by ``tool``, by ``name`` (a repository, a stanza, a server of the tool's), or by ``path``, a pattern
    of the files it leaves on the host it is looked for on; ``on`` is that host's id ("" for the host itself: a
    backup server sees what its clients can't).
    """

    name: str = ""
    tool: str = ""
    path: str = ""
    on: str = ""
    must_contain: tuple[str, ...] = ()
    recovery_point_hours: int | None = None
    minimum_bytes: int | None = None
    keep_days: int | None = None
    off_site: str = ""
    immutable: bool | None = None
    restore_tests: tuple[RestoreTest, ...] = ()


class Canary(enum.StrEnum):
    """A host that is known to be well protected, or known not to be: a run that says otherwise is not believed."""

    GOOD = "good"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Host:
    """A machine. ``id`` is unique in the whole inventory and never contains the agency."""

    id: str
    addresses: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    role: str = ""
    zone: str = ""
    level: int | None = None
    criticality: int = 1
    credential: str = ""
    services: tuple[ExpectedService, ...] = ()
    ports: str = ""
    #: False: the names are what certificates must be good for, and are not looked up.
    resolve: bool = True
    backups: tuple[DeclaredBackup, ...] = ()
    canary: Canary | None = None
    #: TCP ports that are not to answer, such as ``"23,3306-3310"``.
    closed: str = ""

    @property
    def server_name(self) -> str:
        """The name to ask for where a service declares none: the host's first name, or none."""
        return self.names[0] if self.names else ""


@dataclass(frozen=True, slots=True)
class Membership:
    """Which agency a host belongs to, from ``since`` (inclusive) until ``until`` (exclusive)."""

    host: str
    agency: str
    since: date | None = None
    until: date | None = None

    def covers(self, day: date) -> bool:
        return (self.since is None or self.since <= day) and (self.until is None or day < self.until)


@dataclass(frozen=True, slots=True)
class Inventory:
    """All agencies, all hosts and who owned what when."""

    agencies: Mapping[str, Agency]
    hosts: Mapping[str, Host]
    memberships: tuple[Membership, ...]

    def hosts_of(self, agency: str, day: date) -> tuple[Host, ...]:
        """The agency's own hosts on ``day``, by id; those of its children are left out."""
        owned = {m.host for m in self.memberships if m.agency == agency and m.covers(day)}
        return tuple(self.hosts[host] for host in sorted(owned))

    def agency_of(self, host: str, day: date) -> str | None:
        return next((m.agency for m in self.memberships if m.host == host and m.covers(day)), None)


# --- What one collector call is about -----------------------------------------------------------------


class Level(enum.StrEnum):
    """What one observation of a kind is about."""

    HOST = "host"
    ADDRESS = "address"
    ENDPOINT = "endpoint"


@dataclass(frozen=True, slots=True, order=True)
class HostTarget:
    """A host as a whole."""

    host: str

    @property
    def key(self) -> str:
        return self.host


@dataclass(frozen=True, slots=True, order=True)
class AddressTarget:
    """One address of a host, in canonical text."""

    host: str
    address: str

    @property
    def key(self) -> str:
        return f"{self.host} {self.address}"


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """A service at one address."""

    service: Service
    address: str

    @property
    def host(self) -> str:
        return self.service.host

    @property
    def key(self) -> str:
        s = self.service
        return f"{s.host} {self.address} {s.transport}/{s.port}/{s.server_name}"


Target: TypeAlias = HostTarget | AddressTarget | Endpoint


def parse_target(key: str) -> Target:
    """The target whose ``key`` this is. Raises ValueError on anything else."""
    host, *rest = key.split(" ")
    match rest:
        case []:
            return HostTarget(host)
        case [address]:
            return AddressTarget(host, address)
        case [address, service]:
            transport, port, server_name = service.split("/", 2)
            return Endpoint(Service(host, transport, int(port), server_name), address)
    raise ValueError(f"not a target key: {key!r}")


# --- What was seen --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Observation(Generic[FactsT]):
    """Facts about a target at an instant. ``volatile`` readings are shown, never judged, never compared."""

    target: Target
    collector: str
    kind: str
    observed_at: datetime
    facts: FactsT
    volatile: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unobserved:
    """What could not be seen, why, and in plain words what happened."""

    target: Target
    collector: str
    kind: str
    observed_at: datetime
    reason: Reason
    detail: str = ""


Record: TypeAlias = Observation[Any] | Unobserved


@dataclass(frozen=True, slots=True)
class Look(Generic[FactsT]):
    """Facts that earlier runs saw of a target, and when they were last seen so."""

    facts: FactsT
    observed_at: datetime


@dataclass(frozen=True, slots=True)
class Earlier(Generic[FactsT]):
    """What earlier runs saw of a target that is otherwise than what is seen of it now; the newest first.

    Each content is there once, at the last instant that it was seen: facts that stay as they are leave one look,
    however many runs saw them. So a difference stays visible until it is older than a check cares for, and not only
    in the one run that met it first. See ``Evidence.earlier`` for how far back this reaches.
    """

    looks: tuple[Look[FactsT], ...] = ()


# --- How it is judged -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Text:
    """A translatable sentence: an English ``str.format`` template and its values, still to be escaped.

    Values come from hosts: whoever shows them bounds and escapes them for where they are shown.
    """

    template: str
    values: Mapping[str, str | int] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.template.format_map(self.values) if self.values else self.template


class SubjectLevel(enum.StrEnum):
    FLEET = "fleet"
    AGENCY = "agency"
    HOST = "host"
    SERVICE = "service"


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """What a finding is about. ``id`` is the agency's or the host's; empty for the fleet."""

    level: SubjectLevel
    id: str = ""
    transport: str = ""
    port: int = 0
    server_name: str = ""

    @classmethod
    def of_host(cls, host: str) -> "Subject":
        return cls(SubjectLevel.HOST, host)

    @classmethod
    def of_service(cls, service: Service) -> "Subject":
        return cls(SubjectLevel.SERVICE, service.host, service.transport, service.port, service.server_name)

    @property
    def host(self) -> str | None:
        return self.id if self.level in (SubjectLevel.HOST, SubjectLevel.SERVICE) else None

    @property
    def key(self) -> str:
        """Stable text, stored: ``host/web1``, ``service/web1/tcp/443/www.example.vn``."""
        if self.level is SubjectLevel.SERVICE:
            return f"service/{self.id}/{self.transport}/{self.port}/{self.server_name}"
        return f"{self.level.value}/{self.id}"

    @classmethod
    def parse(cls, key: str) -> "Subject":
        """The subject whose ``key`` this is. Raises ValueError on anything else."""
        level, _, rest = key.partition("/")
        if SubjectLevel(level) is not SubjectLevel.SERVICE:
            return cls(SubjectLevel(level), rest)
        host, transport, port, server_name = rest.split("/", 3)
        return cls(SubjectLevel.SERVICE, host, transport, int(port), server_name)


@dataclass(frozen=True, slots=True)
class Finding:
    """One verdict on one object of one subject. Identity = subject + check + object; nothing else."""

    subject: Subject
    check: str
    object: str
    outcome: Outcome
    severity: Severity
    evidence: Text
    reason: Reason | None = None
    observed_at: datetime | None = None
    addresses: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """A short stable name for the identity: ``F-`` and ten base-32 digits of its SHA-256."""
        return finding_id(self.subject, self.check, self.object)


def finding_id(subject: Subject, check: str, object: str) -> str:
    identity = "\x1f".join((subject.key, check, object))
    digest = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).digest()
    return "F-" + base64.b32encode(digest[:10])[:10].decode("ascii")


@dataclass(frozen=True, slots=True)
class Waiver:
    """Leave to keep a failure until the end of a day: a finding, or every one that fits the patterns.

    Patterns are of the shell's kind (``tls.*``); an empty one fits everything. ``evidence`` is what the finding looked
    like when leave was given (see ``secscan.history.waivers``), or empty. ``line`` is where it was written.
    """

    reason: str
    owner: str
    approver: str
    expires: date
    approved_by: str = ""
    finding: str = ""
    agency: str = ""
    role: str = ""
    check: str = ""
    object: str = ""
    evidence: str = ""
    line: int | None = field(default=None, compare=False)

    @property
    def key(self) -> str:
        """Names the waiver by what it says: one that is renewed or reworded is another, and given anew."""
        said = (
            self.reason,
            self.owner,
            self.approver,
            self.expires.isoformat(),
            self.approved_by,
            self.evidence,
        )
        what = (self.finding, self.agency, self.role, self.check, self.object)
        return hashlib.sha256("\x1f".join((*said, *what)).encode("utf-8", "surrogatepass")).hexdigest()[:16]


# --- How it adds up ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Range:
    """*Verified* (the worst case over everything unknown) to *possible* (the best case); 0 to 100, exact."""

    verified: Fraction
    possible: Fraction


@dataclass(frozen=True, slots=True)
class Coverage:
    """Evaluated and expected weight; the share is a headline of its own."""

    evaluated: Fraction
    expected: Fraction

    @property
    def share(self) -> Fraction:
        """0 to 1; where nothing was expected, nothing was seen: 0."""
        return self.evaluated / self.expected if self.expected else Fraction(0)


@dataclass(frozen=True, slots=True)
class HostScore:
    """One host. ``caps`` names the caps that hold *verified* down; ``domains`` leaves out what is not applicable."""

    host: str
    range: Range
    coverage: Coverage
    domains: Mapping[str, Range]
    caps: tuple[str, ...] = ()
    #: A critical failure is open, or a critical rule could not be verified.
    critical: bool = False
    #: The weight of rules that are waived; an inherent score has none.
    waived: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class GroupScore:
    """An agency, a tier or the whole: a blend of the mean and the worst part of its members.

    ``range`` is None where there is nothing to assess (an agency without hosts).
    """

    id: str
    range: Range | None
    grade: str
    meets_baseline: bool
    coverage: Coverage
    domains: Mapping[str, Range]
    members: tuple[str, ...] = ()
    #: A member has a critical failure open, or a critical rule that could not be verified.
    critical: bool = False
    #: The weight of rules that are waived on its members; an inherent score has none.
    waived: Fraction = Fraction(0)

    @property
    def waived_share(self) -> Fraction:
        """The part of all weight that is waived, 0 to 1."""
        every = self.coverage.expected + self.waived
        return self.waived / every if every else Fraction(0)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a score depends on besides facts; printed on every page, compared before a trend is drawn."""

    run: int | None
    at: datetime
    baseline: str
    baseline_hash: str
    scoring_version: int
    secscan_version: str
    inventory_hash: str = ""
    #: What had been imported, such as ``packages debian 12``, and until when it knows; sorted.
    feeds: tuple[tuple[str, datetime], ...] = ()


@dataclass(frozen=True, slots=True)
class Adjusted:
    """The scores with waived rules left out, of those hosts and groups alone that have any; see ``scoring``."""

    hosts: Mapping[str, HostScore]
    agencies: Mapping[str, GroupScore]
    tiers: Mapping[str, GroupScore]
    whole: GroupScore


@dataclass(frozen=True, slots=True)
class Judgement:
    """Every finding and every score at one instant. ``findings`` and ``hosts`` are by host id."""

    stamp: Stamp
    findings: Mapping[str, tuple[Finding, ...]]
    hosts: Mapping[str, HostScore]
    agencies: Mapping[str, GroupScore]
    tiers: Mapping[str, GroupScore]
    whole: GroupScore
    #: None: nothing is waived. The scores above are inherent: no waiver ever changes them.
    adjusted: Adjusted | None = None


@dataclass(frozen=True, slots=True)
class Misjudged:
    """A canary that a run judged wrongly. ``failing``: the checks that failed gravely, of which a bad one has none."""

    host: str
    canary: Canary
    failing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Each(Generic[FactsT]):
    """The newest records of every address of a host, or of every service at every address; in one order.

    What was never looked at is there as an Unobserved.
    """

    records: tuple[Observation[FactsT] | Unobserved, ...] = ()


#: How far back evidence reaches beyond the newest look: a year of any schedule, and a month to spare.
EARLIER_DAYS = 400

#: Of how many contents at most. Facts that differ with every run must not fill the memory.
EARLIER_LOOKS = 16


@dataclass(frozen=True, slots=True)
class Evidence:
    """The newest evidence about one host as of an instant.

    ``newest`` holds the newest record per target and kind, leaving out those that were no attempt; where that
    is an Unobserved, ``seen`` holds the newest Observation before it, if there ever was one.

    ``earlier`` holds what runs before that of the newest record saw otherwise, newest first, each content once: of
    the kinds that are ``recalled``, and of any kind where the newest record says that there is nothing of it any
    more (then only what was there). At most ``EARLIER_LOOKS`` of each, as far back as ``EARLIER_DAYS``.
    """

    newest: Mapping[tuple[Target, str], Record]
    seen: Mapping[tuple[Target, str], Observation[Any]] = field(default_factory=dict)
    earlier: Mapping[tuple[Target, str], tuple[Look[Any], ...]] = field(default_factory=dict)
    #: Names all of it, but for instants and volatile readings: evidence of one store with the same print is the
    #: same. Empty where nobody made one.
    print: bytes = field(default=b"", compare=False)

    def last_seen(self, target: Target, kind: str) -> Observation[Any] | None:
        """The newest Observation, however many attempts have failed since."""
        record = self.newest.get((target, kind))
        return record if isinstance(record, Observation) else self.seen.get((target, kind))
