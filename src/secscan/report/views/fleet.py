"""What the fleet's pages are made of: a digest of each agency, small enough to hold a country's at once."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo

from secscan.baseline import Baseline
from secscan.check import Check
from secscan.history import Aged
from secscan.ladder import standing
from secscan.model import (
    Adjusted,
    Agency,
    Finding,
    GroupScore,
    Host,
    Inventory,
    Judgement,
    Outcome,
    Severity,
    Stamp,
)
from secscan.report.text import parse_date, visible
from secscan.report.views.given import NOT_AGED
from secscan.report.views.parts import failures_by_severity

#: Rules about what a host shows to the network that are not about a service being exposed: one that is missing,
#: one that is outdated (it has a page of its own), and mere counts.
NOT_AN_EXPOSURE = frozenset(
    {"port.expected-service", "port.end-of-life", "port.count", "port.misplaced", "port.new"}
)

#: Rules that tell of software which gets no more updates, and the names of what is it in their evidence.
END_OF_LIFE: Mapping[str, tuple[str, ...]] = {
    "patch.end-of-life": ("system",),
    "patch.end-of-life-soon": ("system",),
    "port.end-of-life": ("product", "version"),
}

_SEEN = (Outcome.PASS, Outcome.FAIL)


@dataclass(frozen=True, slots=True)
class HostRung:
    """Where a host stands on the ladder of backups: as far as was verified, and possibly; 0 is the ground."""

    host: str
    criticality: int
    verified: int
    possible: int


@dataclass(frozen=True, slots=True)
class Exposure:
    """A service that a rule says nobody should reach. ``place`` is its port, as the rule names it."""

    check: str
    severity: Severity
    host: str
    place: str


@dataclass(frozen=True, slots=True)
class Outdated:
    """Software on a host that gets no more updates, or soon none; ``ends`` is None where the rule names no day."""

    check: str
    what: str
    ends: date | None
    host: str


@dataclass(frozen=True, slots=True)
class OpenPort:
    """A port that is open; ``service`` is what answers there, as far as it was recognised."""

    transport: str
    port: int
    service: str


@dataclass(frozen=True, slots=True)
class Ending:
    """A certificate that an agency serves, and until when it is good. ``places`` are services, as they are typed."""

    sha256: str
    name: str
    ends: datetime
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """How often a rule fails at an agency; ``severity`` is that of the gravest failure."""

    severity: Severity
    findings: int
    hosts: int


@dataclass(frozen=True, slots=True)
class Digest:
    """What the fleet's pages tell of one agency. Texts are fit to be shown; instants are aware."""

    failures: Mapping[Severity, int]
    overdue: int
    roles: tuple[str, ...]
    zones: tuple[str, ...]
    broken: Mapping[str, Broken]
    rungs: tuple[HostRung, ...]
    exposures: tuple[Exposure, ...]
    outdated: tuple[Outdated, ...]
    #: Hosts of which nobody could tell whether their system is looked after.
    unknown_systems: int
    #: When each host was last seen; one that never was is left out.
    last_seen: Mapping[str, datetime]
    #: None where certificates were not read for the report.
    endings: tuple[Ending, ...] | None = None
    #: How many hosts have each port open; None where ports were not read for the report.
    open_ports: Mapping[OpenPort, int] | None = None


@dataclass(frozen=True, slots=True)
class Before:
    """The scores of an earlier judgement."""

    stamp: Stamp
    agencies: Mapping[str, GroupScore]
    whole: GroupScore


@dataclass(frozen=True, slots=True)
class FleetData:
    """What the centre sees of a judgement: every agency's score and digest, and the scores of the time before."""

    agencies: Mapping[str, Agency]
    scores: Mapping[str, GroupScore]
    tiers: Mapping[str, GroupScore]
    whole: GroupScore
    digests: Mapping[str, Digest]
    baseline: Baseline
    stamp: Stamp
    tz: tzinfo
    checks: Mapping[str, Check] = field(default_factory=dict)
    adjusted: Adjusted | None = None
    before: Before | None = None


def digest(
    hosts: Sequence[Host],
    findings: Mapping[str, Sequence[Finding]],
    *,
    zone: str = "",
    aged: Mapping[str, Sequence[Aged]] = NOT_AGED,
    last_seen: Mapping[str, datetime] | None = None,
) -> Digest:
    """Of an agency's hosts; ``findings``, ``aged`` and ``last_seen`` are by host.

    Where ``last_seen`` is None, the findings tell when a host was last seen: for those alone of which anything was.
    """
    own = [finding for host in hosts for finding in findings.get(host.id, ())]
    every = [one for host in hosts for one in aged.get(host.id, ())]
    return Digest(
        failures=failures_by_severity(own),
        overdue=sum(one.is_overdue for one in every),
        roles=_words(host.role for host in hosts),
        zones=_words((zone, *(host.zone for host in hosts))),
        broken=_broken(own),
        rungs=tuple(_rungs(hosts, findings)),
        exposures=tuple(_exposures(own)),
        outdated=tuple(_outdated(own)),
        unknown_systems=sum(
            f.check == "patch.end-of-life" and f.outcome in (Outcome.UNKNOWN, Outcome.ERROR) for f in own
        ),
        last_seen=_seen(hosts, findings) if last_seen is None else _of(hosts, last_seen),
    )


def fleet_data(
    judgement: Judgement,
    inventory: Inventory,
    baseline: Baseline,
    *,
    tz: tzinfo,
    aged: Mapping[str, Sequence[Aged]] = NOT_AGED,
    checks: Mapping[str, Check] | None = None,
    before: Before | None = None,
) -> FleetData:
    """Every agency that the judgement scored, where the whole judgement is at hand; ``aged`` is by host."""
    known = [id for id in judgement.agencies if id in inventory.agencies]
    return FleetData(
        agencies={id: inventory.agencies[id] for id in known},
        scores=judgement.agencies,
        tiers=judgement.tiers,
        whole=judgement.whole,
        digests={
            id: digest(
                hosts_of(judgement.agencies[id].members, inventory),
                judgement.findings,
                zone=inventory.agencies[id].zone,
                aged=aged,
            )
            for id in known
        },
        baseline=baseline,
        stamp=judgement.stamp,
        tz=tz,
        checks=checks or {},
        adjusted=judgement.adjusted,
        before=before,
    )


def hosts_of(members: Iterable[str], inventory: Inventory) -> tuple[Host, ...]:
    """Those that the inventory still knows."""
    return tuple(inventory.hosts[host] for host in members if host in inventory.hosts)


def _words(said: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({visible(word) for word in said if word}))


def _broken(findings: Iterable[Finding]) -> dict[str, Broken]:
    failing: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.outcome is Outcome.FAIL:
            failing.setdefault(finding.check, []).append(finding)
    return {
        check: Broken(
            severity=max(f.severity for f in found),
            findings=len(found),
            hosts=len({f.subject.id for f in found}),
        )
        for check, found in sorted(failing.items())
    }


def _rungs(hosts: Iterable[Host], findings: Mapping[str, Sequence[Finding]]) -> Iterable[HostRung]:
    for host in hosts:
        stands = standing(findings.get(host.id, ()))
        if stands is not None:
            yield HostRung(visible(host.id), host.criticality, stands.verified, stands.possible)


def _exposures(findings: Iterable[Finding]) -> Iterable[Exposure]:
    for f in findings:
        family = f.check.partition(".")[0]
        if f.outcome is Outcome.FAIL and family == "port" and f.check not in NOT_AN_EXPOSURE:
            port = f"{f.subject.transport}/{f.subject.port}" if f.subject.port else ""
            yield Exposure(f.check, f.severity, visible(f.subject.id), visible(f.object or port))


def _outdated(findings: Iterable[Finding]) -> Iterable[Outdated]:
    for f in findings:
        names = END_OF_LIFE.get(f.check)
        if names is None or f.outcome is not Outcome.FAIL:
            continue
        values = f.evidence.values
        said = [visible(values[name]) for name in names if name in values]
        ends = parse_date(values.get("date"))
        yield Outdated(f.check, " ".join(said), ends.date() if ends else None, visible(f.subject.id))


def _seen(hosts: Iterable[Host], findings: Mapping[str, Sequence[Finding]]) -> dict[str, datetime]:
    seen: dict[str, datetime] = {}
    for host in hosts:
        instants = [
            f.observed_at
            for f in findings.get(host.id, ())
            if f.outcome in _SEEN and f.observed_at is not None
        ]
        if instants:
            seen[host.id] = max(instants)
    return seen


def _of(hosts: Collection[Host], last_seen: Mapping[str, datetime]) -> dict[str, datetime]:
    return {host.id: last_seen[host.id] for host in hosts if host.id in last_seen}
