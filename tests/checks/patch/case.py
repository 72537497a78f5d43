"""A host, the world that it is held against, and a case: what one check says of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from secscan.check import Check, Limits, Verdict
from secscan.facts import (
    Gap,
    Kernel,
    NotSeen,
    Package,
    PackageFacts,
    PendingUpdate,
    Reading,
    Release,
    Repository,
    SystemFacts,
    UpdateFacts,
)
from secscan.model import HostTarget, Observation, Outcome, Reason, Severity
from secscan.reference import (
    Advisories,
    Comparison,
    Coverage,
    EndOfLife,
    Exploitation,
    ExploitPrediction,
    Flaw,
    KnownExploited,
    Lifetime,
    MissingUpdate,
)

PASS, FAIL, UNKNOWN, NOT_APPLICABLE = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN, Outcome.NOT_APPLICABLE
CRITICAL, HIGH, MEDIUM, LOW = Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW


#: The instant of judging, and of the look at the host where a case says nothing else.
AT = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
TODAY = AT.date()
UNREAD = Gap(Reason.UNREADABLE, "permission denied")


BOOKWORM = Release(id="debian", version="12", codename="bookworm", name="Debian GNU/Linux 12 (bookworm)")
ROCKY = Release(
    id="rocky", version="9.4", name="Rocky Linux 9.4 (Blue Onyx)", like=("rhel", "centos", "fedora")
)
WINDOWS = Release(id="windows", version="2022", name="Windows Server 2022", build="20348.2527")


def linux(**changes: Any) -> SystemFacts:
    """A Debian on which all that is asked is well."""
    sound: dict[str, Any] = {
        "family": "linux",
        "release": BOOKWORM,
        "architecture": "x86_64",
        "kernel": "6.1.0-22-amd64",
        "kernels": (kernel("6.1.0-21-amd64"), kernel("6.1.0-22-amd64")),
        "reboot_required": False,
        "reboot_packages": (),
        "outdated_programs": (),
        "clock_offset": 0,
        "clock_synchronised": True,
    }
    return SystemFacts(**{**sound, **changes})


def windows(**changes: Any) -> SystemFacts:
    return linux(family="windows", release=WINDOWS, kernel="10.0.20348.2527", kernels=(), **changes)


def kernel(release: str, package: str | None = None) -> Kernel:
    return Kernel(release=release, package=f"linux-image-{release}" if package is None else package)


def package(name: str, version: str = "1.0", source: str = "", source_version: str = "") -> Package:
    return Package(
        name=name,
        version=version,
        architecture="amd64",
        source=source or name,
        source_version=source_version or version,
    )


def installed(*packages: Package, **changes: Any) -> PackageFacts:
    some = packages or (package("bash"), package("libssl3", source="openssl"), package("openssl"))
    manager = changes.get("manager", "dpkg")
    some += (package({"apk": "apk-tools"}.get(manager, manager)),)
    return PackageFacts(**{"manager": manager, "packages": some, "held": (), "foreign": (), **changes})


def kept(**changes: Any) -> UpdateFacts:
    """A host whose updates are in order."""
    sound: dict[str, Any] = {
        "pending": (),
        "repositories": (repository(security=True), repository("main")),
        "metadata_at": AT,
        "automatic": True,
        "changed_at": AT,
    }
    return UpdateFacts(**{**sound, **changes})


def repository(suite: str = "bookworm-security", *, security: bool | Gap = False) -> Repository:
    return Repository(address="http://mirror.example.vn/debian", suite=suite, security=security)


def pending(
    name: str,
    candidate: str = "2.0",
    *,
    security: bool | Gap = True,
    old: str = "1.0",
    origin: str = "Mirror",
) -> PendingUpdate:
    return PendingUpdate(
        name=name, architecture="amd64", installed=old, candidate=candidate, origin=origin, security=security
    )


def update(source: str = "openssl", *flaws: Flaw, **changes: Any) -> MissingUpdate:
    """An update of ``openssl`` 1.0 to 2.0, published thirty days ago."""
    some: dict[str, Any] = {
        "package": source,
        "binaries": (source,),
        "installed": "1.0",
        "fixed": "2.0",
        "flaws": flaws,
        "published": TODAY - 30 * DAY,
    }
    return MissingUpdate(**{**some, **changes})


@dataclass(frozen=True)
class Advised(Advisories):
    """Advisories that fit in a table: an update is missing where any package of its source is below its fix.

    Versions are numbers with dots and an epoch, which is all that the checks' own part needs.
    """

    updates: tuple[MissingUpdate, ...] = ()
    undecided: tuple[str, ...] = ()
    made: datetime | None = AT
    uncovered: tuple[str, ...] = ()

    def coverage(
        self, packages: PackageFacts, system: SystemFacts, repositories: Reading[tuple[Repository, ...]]
    ) -> Coverage:
        assert not isinstance(system.release, Gap)
        unread = repositories if isinstance(repositories, Gap) else None
        return Coverage(self.made, self.uncovered, unread)

    def compare(self, packages: PackageFacts, system: SystemFacts) -> Comparison:
        return Comparison(
            tuple(u for u in self.updates if self._is_missing(u, packages)), tuple(self.undecided)
        )

    def _is_missing(self, update: MissingUpdate, packages: PackageFacts) -> bool:
        of_it = [p for p in packages.packages if p.source == update.package]
        if not update.fixed or update.awaits_reboot:
            return bool(of_it)
        return any(_numbers(p.source_version) < _numbers(update.fixed) for p in of_it)


def _numbers(version: str) -> tuple[int, ...]:
    epoch, _, rest = version.rpartition(":")
    return (int(epoch or 0), *(int(n) for n in rest.split(".")))


def advised(*updates: MissingUpdate, **changes: Any) -> Advised:
    return Advised(updates, **changes)


SUPPORTED = Lifetime("Debian 12 (bookworm)", TODAY + 1000 * DAY)


@dataclass(frozen=True)
class Dates(EndOfLife):
    known: Lifetime | None = SUPPORTED
    made: datetime | None = AT

    def as_of(self, release: Release) -> datetime | None:
        return self.made

    def lifetime(self, release: Release) -> Lifetime | None:
        return self.known


def ends(day: date | None, extended: date | None = None) -> Dates:
    return Dates(Lifetime("Debian 12 (bookworm)", day, extended))


def catalogue(made: datetime = AT, /, **entries: Exploitation) -> KnownExploited:
    """``catalogue(CVE_2026_1=...)``"""
    return KnownExploited({id.replace("_", "-"): entry for id, entry in entries.items()}, made)


def predictions(made: datetime = AT, /, **chances: float) -> ExploitPrediction:
    return ExploitPrediction({id.replace("_", "-"): chance for id, chance in chances.items()}, made)


WORLD: dict[type, Any] = {
    Advisories: advised(),
    EndOfLife: Dates(),
    KnownExploited: catalogue(),
    ExploitPrediction: predictions(),
}


@dataclass(frozen=True)
class Case:
    """What a check says of a host. A gap that it meets is UNKNOWN, as evaluation has it."""

    check: Check
    label: str
    given: Sequence[Any]
    outcome: Outcome
    says: str = ""
    severity: Severity | None = None
    reason: Reason | None = None
    object: str = ""
    limits: dict[str, Any] = field(default_factory=dict)
    #: The look at the host.
    looked: datetime = AT
    #: Reference data that was not imported, and that the check does without.
    without: tuple[type, ...] = ()


def verdicts(case: Case) -> list[Verdict] | NotSeen:
    """``given`` holds facts and references that differ from a host in order, in any order."""
    facts = {SystemFacts: linux(), PackageFacts: installed(), UpdateFacts: kept()}
    world = dict(WORLD)
    for thing in case.given:
        if isinstance(thing, SystemFacts | PackageFacts | UpdateFacts):
            facts[type(thing)] = thing
        else:
            world[next(kind for kind in world if isinstance(thing, kind))] = thing
    asked: dict[str, Any] = {
        name: Observation(HostTarget("h"), "test", kind.kind, case.looked, facts[kind])
        for name, kind in case.check.observes.items()
    }
    for name, wanted in case.check.asks.items():
        if issubclass(wanted, Limits):
            asked[name] = wanted(**case.limits)
        else:
            asked[name] = AT if wanted is datetime else world[wanted]
        if name in case.check.optional and wanted in case.without:
            asked[name] = None
    try:
        return list(case.check(**asked))
    except NotSeen as e:
        return e


def the(case: Case) -> Verdict:
    said = verdicts(case)
    assert not isinstance(said, NotSeen)
    [only] = said
    return only


def flaw(number: int = 1, severity: Severity | None = None) -> Flaw:
    return Flaw(f"CVE-2026-{number}", severity)
