"""The patch checks, by table: at each limit and either side, not applicable, unknown, and what hostile hosts say."""

import dataclasses
import inspect
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from secscan.check import Check, Limits, Verdict
from secscan.checks import patch as checks
from secscan.checks._kernel_release import age_key, flavour
from secscan.checks._missing import fix_of
from secscan.facts import (
    Facts,
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
ALL = [value for value in vars(checks).values() if isinstance(value, Check)]

#: The instant of judging, and of the look at the host where a case says nothing else.
AT = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
TODAY = AT.date()
UNREAD = Gap(Reason.UNREADABLE, "permission denied")


# --- A host, and the world -----------------------------------------------------------------------------


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


# --- What of which has no end ---------------------------------------------------------------------------

EOL, SOON = checks.end_of_life, checks.end_of_life_soon
PAID = linux(release=msgspec.structs.replace(BOOKWORM, support="esm"))

LIFETIMES = [
    Case(EOL, "long", [], PASS, "Debian 12 (bookworm) gets security updates until 2029-02-25"),
    Case(EOL, "its last day", [ends(TODAY)], PASS),
    Case(
        EOL,
        "the day after",
        [ends(TODAY - DAY)],
        FAIL,
        "got its last security updates on 2026-05-31; a release",
    ),
    Case(EOL, "no end", [ends(None)], PASS, "no known end"),
    Case(EOL, "paid for, not this host", [ends(TODAY - DAY, TODAY)], FAIL),
    Case(EOL, "paid for", [PAID, ends(TODAY - DAY, TODAY)], PASS, "until 2026-06-01"),
    Case(EOL, "paid for and over", [PAID, ends(TODAY - 9 * DAY, TODAY - DAY)], FAIL, "on 2026-05-31"),
    Case(EOL, "paid for, where nobody can", [PAID, ends(TODAY - DAY)], FAIL),
    Case(EOL, "paid for, shorter", [PAID, ends(TODAY, TODAY - DAY)], PASS),
    Case(EOL, "Windows", [windows(), ends(TODAY - DAY)], FAIL),
    Case(EOL, "no such release", [Dates(None)], UNKNOWN, "secscan feeds import", reason=Reason.NOT_COLLECTED),
    Case(EOL, "release unread", [linux(release=UNREAD)], UNKNOWN, reason=Reason.UNREADABLE),
    Case(
        EOL,
        "a rolling release",
        [linux(release=Release(id="arch", name="Arch Linux"))],
        NOT_APPLICABLE,
        "Arch Linux has",
    ),
    Case(
        EOL,
        "stale table, over when it was made",
        [Dates(Lifetime("Debian 12 (bookworm)", TODAY - 500 * DAY), AT - 401 * DAY)],
        FAIL,
    ),
    Case(
        EOL,
        "stale table, over since",
        [Dates(Lifetime("Debian 12 (bookworm)", TODAY - 401 * DAY), AT - 401 * DAY)],
        UNKNOWN,
        reason=Reason.STALE_FEED,
    ),
    Case(EOL, "old table", [Dates(made=AT - 400 * DAY)], PASS),
    Case(
        EOL,
        "stale table",
        [Dates(made=AT - 400 * DAY - SECOND)],
        UNKNOWN,
        "of 2025-04-27, older than allowed (days: 400); by them Debian 12 (bookworm) ends on 2029-02-25",
        reason=Reason.STALE_FEED,
    ),
    Case(EOL, "stale table, limit", [Dates(made=AT - 2 * DAY)], UNKNOWN, limits={"table_days": 1}),
    Case(EOL, "stale table, no end", [Dates(Lifetime("Arch", None), AT - 401 * DAY)], UNKNOWN, "ends on -"),
    Case(SOON, "long", [], PASS, "until 2029-02-25"),
    Case(SOON, "181 days", [ends(TODAY + 181 * DAY)], PASS),
    Case(
        SOON,
        "180 days",
        [ends(TODAY + 180 * DAY)],
        FAIL,
        "on 2026-11-28; a later end is expected (days: more than 180)",
    ),
    Case(SOON, "over", [ends(TODAY - DAY)], FAIL),
    Case(SOON, "no end", [ends(None)], PASS, "no known end"),
    Case(SOON, "limit", [ends(TODAY + 180 * DAY)], PASS, limits={"days": 179}),
    Case(SOON, "no such release", [Dates(None)], UNKNOWN, reason=Reason.NOT_COLLECTED),
    Case(SOON, "stale table", [Dates(made=AT - 401 * DAY)], UNKNOWN, reason=Reason.STALE_FEED),
]

# --- What the advisories say -----------------------------------------------------------------------------

GRAVE, OTHER, USED = checks.critical_updates, checks.other_updates, checks.known_exploited
LIKELY, LATE, OFFERED = checks.exploit_likelihood, checks.overdue, checks.updates_offered
BY_ADVISORIES = (GRAVE, OTHER, USED, LIKELY, LATE, OFFERED)


def _by_advisories() -> list[Case]:
    """What all of these share: no feed, a stale one, and a host that they can't speak of."""
    cases = []
    for check in BY_ADVISORIES:
        cases += [
            Case(check, "nothing missing", [], PASS),
            Case(
                check, "no feed", [advised(made=None)], UNKNOWN, "Packages file", reason=Reason.NOT_COLLECTED
            ),
            Case(check, "old feed", [advised(made=AT - 14 * DAY)], PASS),
            Case(
                check,
                "stale feed",
                [advised(made=AT - 14 * DAY - SECOND)],
                UNKNOWN,
                "of 2026-05-18, older than allowed (days: 14), and nobody knows what has become known since (packages that lack a "
                "security update by them: 0)",
                reason=Reason.STALE_FEED,
            ),
            Case(
                check,
                "not covered",
                [advised(uncovered=("appstream", "epel"))],
                UNKNOWN,
                "Of appstream, epel no imported advisories speak",
                reason=Reason.NOT_COLLECTED,
            ),
            Case(
                check,
                "not covered in part",
                [advised(uncovered=("appstream", "epel"))],
                UNKNOWN,
                "Of appstream no imported",
                limits={"unadvised": {"ep*"}},
            ),
            Case(
                check,
                "looked after otherwise",
                [advised(uncovered=("appstream", "epel"))],
                PASS,
                limits={"unadvised": {"ep*", "appstream"}},
            ),
            Case(
                check,
                "sources unread",
                [kept(repositories=UNREAD)],
                UNKNOWN,
                "permission denied",
                reason=Reason.UNREADABLE,
            ),
            Case(check, "feed, limit", [advised(made=AT - 2 * DAY)], UNKNOWN, limits={"feed_days": 1}),
            Case(check, "uncompared", [advised(undecided=("odd",))], UNKNOWN, "odd", reason=Reason.UNPARSED),
            Case(
                check,
                "Windows",
                [windows()],
                UNKNOWN,
                "nobody knows what it lacks: it is judged by its last update",
                reason=Reason.NOT_COLLECTED,
            ),
            Case(
                check,
                "a list without its own manager",
                [installed(packages=(package("bash"),))],
                UNKNOWN,
                "package manager's own, dpkg",
                reason=Reason.CONTRADICTORY,
            ),
            Case(check, "release unread", [linux(release=UNREAD)], UNKNOWN, reason=Reason.UNREADABLE),
            Case(
                check,
                "no package",
                [installed(packages=())],
                UNKNOWN,
                "no package",
                reason=Reason.CONTRADICTORY,
            ),
        ]
    for check in (GRAVE, OTHER, USED, LIKELY, LATE):
        cases += [
            Case(
                check,
                "after its end",
                [ends(TODAY - DAY)],
                UNKNOWN,
                "got its last security updates on 2026-05-31",
                reason=Reason.NOT_COLLECTED,
            ),
            Case(check, "on its last day", [ends(TODAY)], PASS),
            Case(check, "after its end, unknown to all", [Dates(None)], PASS),
        ]
    for check in (GRAVE, OTHER, LATE, OFFERED):
        cases.append(Case(check, "no fix yet", [advised(update("openssl", flaw(), fixed=""))], PASS))
    for manager, wanted in (("rpm", "updateinfo.xml"), ("apk", "secdb"), ("pacman", "where there is any")):
        cases.append(
            Case(
                GRAVE,
                f"no feed, {manager}",
                [advised(made=None), installed(manager=manager)],
                UNKNOWN,
                wanted,
                reason=Reason.NOT_COLLECTED,
            )
        )
    return cases


def rated(*severities: Severity | None, **changes: Any) -> Advised:
    flaws = tuple(flaw(number, severity) for number, severity in enumerate(severities, 1))
    return advised(update("openssl", *flaws, **changes))


UPDATES = [
    Case(
        GRAVE,
        "critical",
        [rated(LOW, CRITICAL)],
        FAIL,
        "openssl 1.0 (openssl) is older than its fix 2.0 of 2026-05-02: CVE-2026-2, CVE-2026-1. Run: apt-get install --only-upgrade '?source-package(^openssl$)'",
        CRITICAL,
        object="openssl",
    ),
    Case(GRAVE, "high", [rated(HIGH, None)], FAIL, severity=HIGH, object="openssl"),
    Case(GRAVE, "medium", [rated(MEDIUM, None)], PASS, "(packages: 4)"),
    Case(GRAVE, "not rated", [rated(None)], PASS),
    Case(
        GRAVE,
        "without a date",
        [rated(HIGH, published=None)],
        FAIL,
        "than its fix 2.0: CVE",
        HIGH,
        object="openssl",
    ),
    Case(
        GRAVE,
        "a kernel that waits",
        [rated(HIGH, awaits_reboot=True)],
        FAIL,
        "openssl 2.0 is installed and 1.0 runs until a reboot: CVE-2026-1. Reboot.",
        HIGH,
        object="openssl",
    ),
    Case(OTHER, "high", [rated(HIGH, LOW)], PASS, "(packages: 4)"),
    Case(OTHER, "medium", [rated(MEDIUM, LOW)], FAIL, "CVE-2026-1, CVE-2026-2", MEDIUM, object="openssl"),
    Case(OTHER, "low", [rated(LOW)], FAIL, severity=LOW, object="openssl"),
    Case(OTHER, "low, and one not rated", [rated(LOW, None)], FAIL, severity=MEDIUM, object="openssl"),
    Case(OTHER, "negligible", [rated(Severity.INFO)], FAIL, severity=Severity.INFO, object="openssl"),
    Case(OTHER, "not rated", [rated(None)], FAIL, severity=MEDIUM, object="openssl"),
    Case(
        OTHER,
        "no flaw named",
        [rated(advisories=("DSA-1", "DSA-2"))],
        FAIL,
        ": DSA-1, DSA-2.",
        MEDIUM,
        object="openssl",
    ),
    Case(OTHER, "nothing named", [rated()], FAIL, "is older than its fix 2.0. Run", MEDIUM, object="openssl"),
]

EXPLOITED = Exploitation(added=TODAY - 21 * DAY, due=TODAY)
EXPLOITED_1 = catalogue(CVE_2026_1=EXPLOITED)


def exploited(due: date, added: date = TODAY - 100 * DAY, *, ransomware: bool = False) -> KnownExploited:
    return catalogue(CVE_2026_1=Exploitation(added, due, ransomware))


#: An update of which nobody says what it mends could mend anything.
NAMELESS = [
    Case(
        check,
        "missing, and nobody says what it mends",
        [advised(update("openssl", published=None)), EXPLOITED_1, predictions(CVE_2026_1=0.5)],
        UNKNOWN,
        "Security updates are missing (1), and nothing that was imported names what they mend: openssl",
        reason=Reason.NOT_COLLECTED,
    )
    for check in (GRAVE, USED, LIKELY)
]

IN_USE = [
    Case(
        USED, "another", [advised(update("openssl", flaw(2))), EXPLOITED_1], PASS, "catalogue of 2026-06-01"
    ),
    Case(
        USED,
        "due today",
        [advised(update("openssl", flaw(2), flaw(1))), EXPLOITED_1],
        FAIL,
        "openssl 1.0 has CVE-2026-1, known to be exploited; it is due by 2026-06-01 (fix: 2.0).",
        HIGH,
        object="openssl",
    ),
    Case(
        USED,
        "due yesterday",
        [advised(update("openssl", flaw())), exploited(TODAY - DAY)],
        FAIL,
        "known to be exploited; it was due on 2026-05-31",
        CRITICAL,
        object="openssl",
    ),
    Case(
        USED,
        "ransomware, the seventh day",
        [advised(update("openssl", flaw())), exploited(TODAY + DAY, TODAY - 7 * DAY, ransomware=True)],
        FAIL,
        "which ransomware uses; it is due by 2026-06-01",
        HIGH,
        object="openssl",
    ),
    Case(
        USED,
        "ransomware, the eighth day",
        [advised(update("openssl", flaw())), exploited(TODAY + DAY, TODAY - 8 * DAY, ransomware=True)],
        FAIL,
        "which ransomware uses; it was due on 2026-05-31",
        CRITICAL,
        object="openssl",
    ),
    Case(
        USED,
        "ransomware, due sooner by itself",
        [advised(update("openssl", flaw())), exploited(TODAY - 3 * DAY, TODAY - 6 * DAY, ransomware=True)],
        FAIL,
        "was due on 2026-05-29",
        CRITICAL,
        object="openssl",
    ),
    Case(
        USED,
        "ransomware, limit",
        [advised(update("openssl", flaw())), exploited(TODAY + DAY, TODAY - 8 * DAY, ransomware=True)],
        FAIL,
        "is due by 2026-06-01",
        HIGH,
        object="openssl",
        limits={"ransomware_days": 8},
    ),
    Case(
        USED,
        "two, the sooner counts",
        [
            advised(update("openssl", flaw(1), flaw(2))),
            catalogue(CVE_2026_1=EXPLOITED, CVE_2026_2=Exploitation(TODAY - 21 * DAY, TODAY - DAY)),
        ],
        FAIL,
        "CVE-2026-1, CVE-2026-2, known to be exploited; it was due on 2026-05-31",
        CRITICAL,
        object="openssl",
    ),
    Case(
        USED,
        "no fix yet",
        [advised(update("openssl", flaw(), fixed="")), EXPLOITED_1],
        FAIL,
        "(fix: -)",
        HIGH,
        object="openssl",
    ),
    Case(USED, "old catalogue", [catalogue(AT - 14 * DAY)], PASS),
    Case(
        USED,
        "stale catalogue",
        [catalogue(AT - 14 * DAY - SECOND, CVE_2026_1=EXPLOITED)],
        UNKNOWN,
        "known exploited vulnerabilities is of 2026-05-18, older than allowed (days: 14)",
        reason=Reason.STALE_FEED,
    ),
    Case(LIKELY, "at the limit", [advised(update("openssl", flaw())), predictions(CVE_2026_1=0.1)], PASS),
    Case(
        LIKELY,
        "above the limit",
        [
            advised(update("openssl", flaw(1), flaw(2), flaw(3))),
            predictions(CVE_2026_1=0.2, CVE_2026_2=0.91234),
        ],
        FAIL,
        "openssl 1.0 has CVE-2026-2, CVE-2026-1; the likeliest is used within 30 days with a probability of 91.2 %, "
        "and at most 10 %",
        object="openssl",
    ),
    Case(
        LIKELY,
        "just above the limit",
        [advised(update("openssl", flaw())), predictions(CVE_2026_1=0.10001)],
        FAIL,
        object="openssl",
    ),
    Case(
        LIKELY,
        "limit",
        [advised(update("openssl", flaw())), predictions(CVE_2026_1=0.29)],
        PASS,
        limits={"percent": 29},
    ),
    Case(LIKELY, "not predicted", [advised(update("openssl", flaw()))], PASS),
    Case(
        LIKELY,
        "no fix yet",
        [advised(update("openssl", flaw(), fixed="")), predictions(CVE_2026_1=0.5)],
        FAIL,
        object="openssl",
    ),
    Case(LIKELY, "old predictions", [predictions(AT - 14 * DAY)], PASS),
    Case(
        LIKELY,
        "stale predictions",
        [advised(update("openssl", flaw())), predictions(AT - 14 * DAY - SECOND, CVE_2026_1=0.5)],
        UNKNOWN,
        reason=Reason.STALE_FEED,
    ),
]


def since(days: int, severity: Severity | None) -> Advised:
    return advised(update("openssl", flaw(1, severity), published=TODAY - days * DAY))


OVERDUE = [
    Case(LATE, "critical, due", [since(15, CRITICAL)], PASS, "No security update is overdue"),
    Case(
        LATE,
        "critical, overdue",
        [since(16, CRITICAL)],
        FAIL,
        "openssl 1.0 was due for 2.0 on 2026-05-31: CVE-2026-1. Run: apt-get install --only-upgrade '?source-package(^openssl$)'",
        HIGH,
        object="openssl",
    ),
    Case(LATE, "high, due", [since(30, HIGH)], PASS),
    Case(LATE, "high, overdue", [since(31, HIGH)], FAIL, severity=HIGH, object="openssl"),
    Case(LATE, "medium, due", [since(90, MEDIUM)], PASS),
    Case(LATE, "medium, overdue", [since(91, MEDIUM)], FAIL, severity=MEDIUM, object="openssl"),
    Case(LATE, "low, overdue", [since(91, LOW)], FAIL, severity=MEDIUM, object="openssl"),
    Case(LATE, "not rated, due", [since(90, None)], PASS),
    Case(LATE, "not rated, overdue", [since(91, None)], FAIL, severity=MEDIUM, object="openssl"),
    Case(LATE, "limit, critical", [since(16, CRITICAL)], PASS, limits={"critical_days": 16}),
    Case(LATE, "limit, high", [since(31, HIGH)], PASS, limits={"high_days": 31}),
    Case(LATE, "limit, other", [since(91, LOW)], PASS, limits={"other_days": 91}),
    Case(LATE, "exploited, due today", [since(0, HIGH), EXPLOITED_1], PASS),
    Case(
        LATE,
        "exploited, due before",
        [since(0, HIGH), exploited(TODAY - DAY)],
        FAIL,
        "on 2026-05-31",
        HIGH,
        object="openssl",
    ),
    Case(
        LATE,
        "exploited, due after",
        [since(31, HIGH), exploited(TODAY + DAY)],
        FAIL,
        "on 2026-05-31",
        HIGH,
        object="openssl",
    ),
    Case(
        LATE,
        "without a date",
        [rated(HIGH, published=None)],
        UNKNOWN,
        "no advisory says since when",
        reason=Reason.NOT_COLLECTED,
        object="openssl",
    ),
    Case(
        LATE,
        "without a date, exploited",
        [rated(HIGH, published=None), exploited(TODAY - DAY)],
        FAIL,
        severity=HIGH,
        object="openssl",
    ),
    Case(
        LATE, "stale catalogue", [since(0, LOW), catalogue(AT - 15 * DAY)], UNKNOWN, reason=Reason.STALE_FEED
    ),
    Case(LATE, "stale catalogue, nothing missing", [catalogue(AT - 15 * DAY)], PASS),
    Case(LATE, "no catalogue, nothing missing", [], PASS, without=(KnownExploited,)),
    Case(
        LATE,
        "no catalogue, something missing",
        [since(0, LOW)],
        UNKNOWN,
        "was not imported",
        reason=Reason.NOT_COLLECTED,
        without=(KnownExploited,),
    ),
    Case(
        LATE,
        "a grave flaw of yesterday beside a mild one of spring",
        [
            advised(
                update(
                    "openssl",
                    Flaw("CVE-2026-1", LOW, TODAY - 80 * DAY),
                    Flaw("CVE-2026-2", CRITICAL, TODAY - DAY),
                    published=TODAY - 80 * DAY,
                )
            )
        ],
        PASS,
    ),
    Case(
        LATE,
        "a grave flaw is overdue beside a mild one",
        [
            advised(
                update(
                    "openssl",
                    Flaw("CVE-2026-1", LOW, TODAY - 80 * DAY),
                    Flaw("CVE-2026-2", CRITICAL, TODAY - 16 * DAY),
                    published=TODAY - 80 * DAY,
                )
            )
        ],
        FAIL,
        "on 2026-05-31",
        HIGH,
        object="openssl",
    ),
]

# --- What the package manager offers ----------------------------------------------------------------------

FIXED = advised(update("openssl", binaries=("libssl3", "openssl"), published=TODAY - 7 * DAY))
BOTH = (pending("libssl3"), pending("openssl"))
KERNEL = "linux-image-6.1.0-21-amd64"
KERNEL_FIX = advised(update("linux", binaries=(KERNEL,)))
WITH_KERNEL = installed(package(KERNEL, source="linux"))


def offers(*updates: PendingUpdate) -> UpdateFacts:
    return kept(pending=updates)


OFFERS = [
    Case(OFFERED, "all", [FIXED, offers(*BOTH)], PASS, "missing by the advisories (1)"),
    Case(OFFERED, "nothing is missing", [], PASS, "no update is missing"),
    Case(
        OFFERED,
        "nothing",
        [FIXED],
        FAIL,
        "that the package manager does not offer: openssl (1 of 1).",
    ),
    Case(OFFERED, "an older version", [FIXED, offers(pending("openssl", "1.9"))], FAIL),
    Case(OFFERED, "a newer version", [FIXED, offers(pending("openssl", "2.1"))], PASS),
    Case(OFFERED, "another package", [FIXED, offers(pending("bash"))], FAIL),
    Case(
        OFFERED,
        "one of two",
        [
            advised(update("openssl"), update("bash")),
            offers(pending("bash")),
        ],
        FAIL,
        "that the package manager does not offer: openssl (1 of 2).",
    ),
    Case(
        OFFERED,
        "held, all of it",
        [FIXED, installed(held=("libssl3", "openssl"))],
        PASS,
        "no update is missing",
    ),
    Case(OFFERED, "held in part", [FIXED, installed(held=("openssl",))], FAIL),
    Case(OFFERED, "what is held unread", [FIXED, installed(held=UNREAD)], FAIL),
    Case(OFFERED, "pending unread", [FIXED, kept(pending=UNREAD)], UNKNOWN, reason=Reason.UNREADABLE),
    Case(
        OFFERED, "published within the grace", [advised(update("openssl", published=TODAY - 6 * DAY))], PASS
    ),
    Case(
        OFFERED,
        "published after the look",
        [FIXED],
        PASS,
        looked=AT - DAY,
    ),
    Case(OFFERED, "grace, limit", [FIXED], PASS, limits={"grace_days": 8}),
    Case(
        OFFERED,
        "without a date, in a feed before the grace",
        [advised(update("openssl", published=None), made=AT - 7 * DAY)],
        FAIL,
    ),
    Case(
        OFFERED,
        "without a date",
        [advised(update("openssl", published=None), made=AT - 6 * DAY)],
        UNKNOWN,
        "openssl",
        reason=Reason.NOT_COLLECTED,
    ),
    Case(
        OFFERED, "without a date, offered", [advised(update("openssl", published=None)), offers(*BOTH)], PASS
    ),
    Case(OFFERED, "waits for a reboot", [advised(update("openssl", awaits_reboot=True))], PASS),
    Case(
        OFFERED,
        "a kernel beside it",
        [KERNEL_FIX, WITH_KERNEL, offers(pending("linux-image-6.1.0-22-amd64"))],
        PASS,
    ),
    Case(
        OFFERED,
        "a kernel by its metapackage",
        [KERNEL_FIX, WITH_KERNEL, offers(pending("linux-image-amd64"))],
        PASS,
    ),
    Case(
        OFFERED,
        "a kernel of another flavour",
        [KERNEL_FIX, WITH_KERNEL, offers(pending("linux-image-6.1.0-22-rt-amd64"))],
        FAIL,
    ),
    Case(
        OFFERED,
        "a kernel, too old",
        [KERNEL_FIX, WITH_KERNEL, offers(pending("linux-image-6.1.0-22-amd64", "1.5"))],
        FAIL,
    ),
    Case(
        OFFERED,
        "built again",
        [
            FIXED,
            installed(package("openssl", "1.0+b1", source_version="1.0")),
            offers(pending("openssl", "2.0+b2")),
        ],
        PASS,
    ),
    Case(
        OFFERED,
        "built again, too old",
        [
            FIXED,
            installed(package("openssl", "1.0+b1", source_version="1.0")),
            offers(pending("openssl", "1.9+b2")),
        ],
        FAIL,
    ),
    Case(
        OFFERED,
        "a source without epoch",
        [
            FIXED,
            installed(package("openssl", "1:1.0", source_version="1.0")),
            offers(pending("openssl", "1:1.9")),
        ],
        FAIL,
    ),
    Case(
        OFFERED,
        "a source with another version",
        [
            FIXED,
            installed(package("openssl", "3.7", source_version="1.0")),
            offers(pending("openssl", "3.8")),
        ],
        PASS,
    ),
]

# --- What the host says of itself --------------------------------------------------------------------------

WAITS, FETCHED, CHANGED = checks.pending_security, checks.metadata_age, checks.last_change
SOURCES, AUTO = checks.security_repository, checks.automatic_updates

OWN_WORDS = [
    Case(WAITS, "nothing", [], PASS, "(pending: 0)"),
    Case(WAITS, "others", [offers(pending("vim", security=False))], PASS, "(pending: 1)"),
    Case(WAITS, "one", [offers(pending("vim"))], FAIL, "vim 1.0 waits for 2.0 from Mirror; no", object="vim"),
    Case(
        WAITS,
        "one that is new",
        [offers(pending("vim", old="", origin=""))],
        FAIL,
        "vim - waits for 2.0 from -; no",
        object="vim",
    ),
    Case(
        WAITS,
        "one that can't be told",
        [offers(pending("vim", security=UNREAD))],
        UNKNOWN,
        "vim",
        reason=Reason.NOT_COLLECTED,
    ),
    Case(
        WAITS,
        "where repositories tell nothing",
        [linux(release=Release(id="centos", version="7")), offers(pending("vim", security=False))],
        UNKNOWN,
        "vim",
        reason=Reason.NOT_COLLECTED,
    ),
    Case(WAITS, "unread", [kept(pending=UNREAD)], UNKNOWN, reason=Reason.UNREADABLE),
    Case(FETCHED, "today", [], PASS, "on 2026-06-01"),
    Case(FETCHED, "seven days", [kept(metadata_at=AT - 7 * DAY)], PASS),
    Case(
        FETCHED,
        "longer",
        [kept(metadata_at=AT - 7 * DAY - SECOND)],
        FAIL,
        "on 2026-05-25, longer before the host was looked at than allowed (days: 7)",
    ),
    Case(FETCHED, "limit", [kept(metadata_at=AT - 8 * DAY)], PASS, limits={"days": 8}),
    Case(FETCHED, "by the look, not by today", [kept(metadata_at=AT - 8 * DAY)], PASS, looked=AT - DAY),
    Case(FETCHED, "an hour ahead", [kept(metadata_at=AT + HOUR)], PASS),
    Case(
        FETCHED, "in the future", [kept(metadata_at=AT + HOUR + SECOND)], UNKNOWN, reason=Reason.CONTRADICTORY
    ),
    Case(FETCHED, "next week", [kept(metadata_at=AT + 7 * DAY)], UNKNOWN, reason=Reason.CONTRADICTORY),
    Case(FETCHED, "unread", [kept(metadata_at=UNREAD)], UNKNOWN, reason=Reason.UNREADABLE),
    Case(CHANGED, "today", [], PASS, "on 2026-06-01"),
    Case(CHANGED, "sixty days", [kept(changed_at=AT - 60 * DAY)], PASS),
    Case(
        CHANGED,
        "longer",
        [kept(changed_at=AT - 60 * DAY - SECOND)],
        FAIL,
        "since 2026-04-02, longer before the host was looked at than allowed (days: 60)",
    ),
    Case(CHANGED, "limit", [kept(changed_at=AT - 61 * DAY)], PASS, limits={"days": 61}),
    Case(
        CHANGED, "in the future", [kept(changed_at=AT + HOUR + SECOND)], UNKNOWN, reason=Reason.CONTRADICTORY
    ),
    Case(CHANGED, "unread", [kept(changed_at=UNREAD)], UNKNOWN, reason=Reason.UNREADABLE),
    Case(SOURCES, "there", [], PASS, "from http://mirror.example.vn/debian bookworm-security."),
    Case(
        SOURCES,
        "there, and one unread",
        [kept(repositories=(repository(security=UNREAD), repository(security=True)))],
        PASS,
    ),
    Case(SOURCES, "not there", [kept(repositories=(repository("bookworm"),))], FAIL, "No repository brings"),
    Case(
        SOURCES,
        "one unread",
        [kept(repositories=(repository(security=UNREAD),))],
        UNKNOWN,
        reason=Reason.UNREADABLE,
    ),
    Case(SOURCES, "none", [kept(repositories=())], FAIL, "No package repository"),
    Case(SOURCES, "unread", [kept(repositories=UNREAD)], UNKNOWN, reason=Reason.UNREADABLE),
    Case(
        SOURCES,
        "one for all",
        [linux(release=ROCKY), kept(repositories=(repository("baseos"),))],
        PASS,
        "Rocky Linux 9.4 (Blue Onyx) gets",
    ),
    Case(SOURCES, "one for all, and none", [linux(release=ROCKY), kept(repositories=())], FAIL),
    Case(
        SOURCES,
        "unstable",
        [linux(release=Release(id="debian", codename="sid")), kept(repositories=(repository("sid"),))],
        UNKNOWN,
        "can't be told",
        reason=Reason.NOT_COLLECTED,
    ),
    Case(
        SOURCES,
        "no version told",
        [
            linux(release=Release(id="debian", codename="bookworm")),
            kept(repositories=(repository("bookworm"),)),
        ],
        UNKNOWN,
        reason=Reason.NOT_COLLECTED,
    ),
    Case(
        SOURCES,
        "no version told, and there",
        [linux(release=Release(id="debian", codename="bookworm"))],
        PASS,
    ),
    Case(
        SOURCES,
        "neither version nor code name",
        [linux(release=Release(id="debian"))],
        UNKNOWN,
        reason=Reason.NOT_COLLECTED,
    ),
    Case(
        SOURCES,
        "in capitals",
        [linux(release=Release(id="Debian", version="12")), kept(repositories=(repository("bookworm"),))],
        FAIL,
    ),
    *(
        Case(
            SOURCES,
            f"of {id}, unknown",
            [linux(release=Release(id=id, version="12")), kept(repositories=(where,))],
            UNKNOWN,
            "can't be told",
            reason=Reason.NOT_COLLECTED,
        )
        for id, where in (
            ("arch", repository("bookworm")),
            ("raspbian", repository("bookworm")),
            ("acmeos", repository("bookworm")),
            ("acmeos", Repository(address="file:///nothing", suite="./")),
            ("acmeos", repository("bookworm-security", security=True)),
        )
    ),
    *(
        Case(SOURCES, f"of {id}", [linux(release=Release(id=id)), kept(repositories=(where,))], PASS)
        for id, where in (
            ("arch", repository("core")),
            ("fedora", repository("updates")),
            ("amzn", repository("amazonlinux")),
            ("sles", repository("SLE-Module-Basesystem15-SP5-Updates")),
            ("alpine", Repository(address="https://dl.example/alpine/v3.20/main")),
        )
    ),
    Case(SOURCES, "release unread", [linux(release=UNREAD)], UNKNOWN, reason=Reason.UNREADABLE),
    Case(
        SOURCES,
        "of another release",
        [kept(repositories=(repository("bullseye-security", security=True),))],
        FAIL,
        "bullseye-security, which is of another release; one of Debian GNU/Linux 12 (bookworm) is expected",
    ),
    Case(
        SOURCES,
        "by the name stable",
        [kept(repositories=(repository("stable-security", security=True),))],
        PASS,
    ),
    Case(
        SOURCES,
        "only another maker's",
        [linux(release=ROCKY), kept(repositories=(repository("epel"),))],
        UNKNOWN,
        "security updates of Rocky Linux 9.4 (Blue Onyx)",
        reason=Reason.NOT_COLLECTED,
    ),
    Case(SOURCES, "Windows", [windows(), kept(repositories=UNREAD)], NOT_APPLICABLE),
    Case(AUTO, "on", [], PASS),
    Case(AUTO, "off", [kept(automatic=False)], FAIL),
    Case(AUTO, "unread", [kept(automatic=UNREAD)], UNKNOWN, reason=Reason.UNREADABLE),
]

# --- What is not in use yet ---------------------------------------------------------------------------------

REBOOT, RUNS, PROGRAMS = checks.reboot, checks.running_kernel, checks.outdated_programs
EL_OLD, EL_NEW = "5.14.0-427.5.1.el9_4.x86_64", "5.14.0-427.13.1.el9_4.x86_64"
CUSTOM = kernel("6.9.0-ours", "")


def runs(running: str, *kernels: Kernel | str) -> SystemFacts:
    return linux(kernel=running, kernels=tuple(kernel(k) if isinstance(k, str) else k for k in kernels))


IN_FORCE = [
    Case(REBOOT, "not asked for", [], PASS),
    Case(REBOOT, "asked for", [linux(reboot_required=True)], FAIL, "It asks for a reboot; until"),
    Case(
        REBOOT,
        "by whom",
        [linux(reboot_required=True, reboot_packages=("libc6", "linux-image"))],
        FAIL,
        "because of libc6, linux-image; until",
    ),
    Case(
        REBOOT,
        "by whom unread",
        [linux(reboot_required=True, reboot_packages=UNREAD)],
        FAIL,
        "for a reboot; until",
    ),
    Case(REBOOT, "unread", [linux(reboot_required=UNREAD)], UNKNOWN, reason=Reason.UNREADABLE),
    Case(REBOOT, "Windows", [windows(reboot_required=True)], FAIL),
    Case(RUNS, "the newest", [], PASS, "runs: 6.1.0-22-amd64."),
    Case(
        RUNS,
        "the one before",
        [runs("6.1.0-9-amd64", "6.1.0-9-amd64", "6.1.0-10-amd64")],
        FAIL,
        "6.1.0-9-amd64 runs; installed is 6.1.0-10-amd64",
    ),
    Case(RUNS, "the one before, of Red Hat", [runs(EL_OLD, EL_OLD, EL_NEW)], FAIL, EL_NEW),
    Case(RUNS, "the newest, of Red Hat", [runs(EL_NEW, EL_OLD, EL_NEW)], PASS),
    Case(
        RUNS,
        "another flavour is newer",
        [runs("6.1.0-21-amd64", "6.1.0-21-amd64", "6.1.0-22-rt-amd64")],
        PASS,
    ),
    Case(RUNS, "a rescue image", [runs(EL_NEW, EL_NEW, "9-rescue-0123456789abcdef")], PASS),
    Case(
        RUNS,
        "in the rescue image",
        [runs("0-rescue-0123456789abcdef", "0-rescue-0123456789abcdef", EL_NEW)],
        FAIL,
        f"installed is {EL_NEW}",
    ),
    Case(
        RUNS,
        "in the rescue image, and nothing newer",
        [runs("9-rescue-0123456789abcdef", EL_NEW)],
        FAIL,
        "A rescue kernel runs",
    ),
    Case(
        RUNS,
        "a custom one",
        [runs("6.9.0-ours", CUSTOM, "6.10.0-22-amd64")],
        UNKNOWN,
        "No package is known",
        reason=Reason.NOT_COLLECTED,
    ),
    Case(
        RUNS,
        "a custom one is newer",
        [runs("6.1.0-22-amd64", "6.1.0-22-amd64", kernel("6.9.0-amd64", ""))],
        PASS,
    ),
    Case(
        RUNS,
        "removed by its update",
        [runs("6.9.3-arch1-1", "6.9.4-arch1-1")],
        FAIL,
        "installed is 6.9.4-arch1-1",
    ),
    Case(
        RUNS,
        "not installed",
        [runs("6.9.5-arch1-1", "6.9.4-arch1-1")],
        UNKNOWN,
        "installed are 6.9.4-arch1-1",
        reason=Reason.CONTRADICTORY,
    ),
    Case(
        RUNS,
        "not installed, of its own flavour",
        [runs("6.1.0-22-cloud-amd64", "6.1.0-30-amd64")],
        UNKNOWN,
        reason=Reason.CONTRADICTORY,
    ),
    Case(
        RUNS,
        "none is told, as in a container",
        [runs("6.1.0-22-amd64")],
        UNKNOWN,
        "A container runs that of its host",
        reason=Reason.NOT_COLLECTED,
    ),
    Case(
        RUNS,
        "only a rescue image",
        [runs("6.1.0-22-amd64", "0-rescue-0123")],
        UNKNOWN,
        reason=Reason.NOT_COLLECTED,
    ),
    Case(RUNS, "unread", [linux(kernels=UNREAD)], UNKNOWN, reason=Reason.UNREADABLE),
    Case(RUNS, "Windows", [windows()], NOT_APPLICABLE, "Windows has one kernel"),
    Case(PROGRAMS, "none", [], PASS),
    Case(
        PROGRAMS,
        "two",
        [linux(outdated_programs=("nginx", "sshd"))],
        FAIL,
        "Programs that run on replaced files: nginx, sshd (2).",
    ),
    Case(PROGRAMS, "one", [linux(outdated_programs=("sshd",))], FAIL, "files: sshd (1)."),
    Case(PROGRAMS, "unread", [linux(outdated_programs=UNREAD)], UNKNOWN, reason=Reason.UNREADABLE),
]

# --- What no update reaches, and the clock -------------------------------------------------------------------

FOREIGN, HELD, CLOCK, KEPT = (
    checks.foreign_packages,
    checks.held_packages,
    checks.clock,
    checks.clock_synchronised,
)

REST = [
    Case(FOREIGN, "none", [], PASS, "(packages: 4)"),
    Case(
        FOREIGN,
        "one",
        [installed(foreign=("agent",))],
        FAIL,
        "Packages that come from no configured repository and get no updates: agent (1).",
    ),
    Case(
        FOREIGN,
        "allowed",
        [installed(foreign=("agent",))],
        PASS,
        "(packages: 1)",
        limits={"allowed": {"agent"}},
    ),
    Case(
        FOREIGN,
        "allowed by its beginning",
        [installed(foreign=("agent",))],
        PASS,
        limits={"allowed": {"ag*"}},
    ),
    Case(FOREIGN, "another beginning", [installed(foreign=("agent",))], FAIL, limits={"allowed": {"ax*"}}),
    Case(
        FOREIGN,
        "not by the beginning alone",
        [installed(foreign=("agent",))],
        FAIL,
        limits={"allowed": {"ag"}},
    ),
    Case(
        FOREIGN,
        "one of two allowed",
        [installed(foreign=("a", "b"))],
        FAIL,
        ": b (1).",
        limits={"allowed": {"a"}},
    ),
    Case(FOREIGN, "unread", [installed(foreign=UNREAD)], UNKNOWN, reason=Reason.UNREADABLE),
    Case(HELD, "none", [], PASS, "No package is held."),
    Case(
        HELD,
        "one",
        [installed(held=("nginx",))],
        FAIL,
        "Packages that are held and get no updates: nginx (1).",
    ),
    Case(HELD, "allowed", [installed(held=("nginx",))], PASS, "(packages: 1)", limits={"allowed": {"nginx"}}),
    Case(
        HELD, "one of two allowed", [installed(held=("a", "b"))], FAIL, ": b (1).", limits={"allowed": {"a*"}}
    ),
    Case(HELD, "unread", [installed(held=UNREAD)], UNKNOWN, reason=Reason.UNREADABLE),
    Case(CLOCK, "right", [], PASS),
    Case(CLOCK, "30 seconds fast", [linux(clock_offset=30)], PASS),
    Case(CLOCK, "35 seconds fast", [linux(clock_offset=35)], FAIL, "off by 35 s; at most 30 s"),
    Case(CLOCK, "30 seconds slow", [linux(clock_offset=-30)], PASS),
    Case(CLOCK, "35 seconds slow", [linux(clock_offset=-35)], FAIL),
    Case(CLOCK, "limit", [linux(clock_offset=35)], PASS, limits={"seconds": 35}),
    Case(CLOCK, "unread", [linux(clock_offset=UNREAD)], UNKNOWN, reason=Reason.UNREADABLE),
    Case(KEPT, "on", [], PASS),
    Case(KEPT, "off", [linux(clock_synchronised=False)], FAIL),
    Case(KEPT, "unread", [linux(clock_synchronised=UNREAD)], UNKNOWN, reason=Reason.UNREADABLE),
]

CASES = [
    *LIFETIMES,
    *_by_advisories(),
    *UPDATES,
    *NAMELESS,
    *IN_USE,
    *OVERDUE,
    *OFFERS,
    *OWN_WORDS,
    *IN_FORCE,
    *REST,
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.check.id}-{case.label}")
def test_verdict(case: Case) -> None:
    said = verdicts(case)
    if isinstance(said, NotSeen):
        assert case.outcome is UNKNOWN
        assert said.gap.reason is case.reason
        return
    [only] = said
    assert (only.outcome, only.severity, only.object) == (case.outcome, case.severity, case.object)
    assert case.says in str(only.evidence)
    if case.reason is not None:
        assert only.reason is case.reason


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.id)
def test_every_check_is_seen_to_pass_to_fail_and_to_be_unknown(check: Check) -> None:
    assert {PASS, FAIL, UNKNOWN} <= {case.outcome for case in CASES if case.check is check}


def test_how_grave_each_check_is_at_most() -> None:
    by_severity = {
        severity: {check.id.removeprefix("patch.") for check in ALL if check.severity is severity}
        for severity in Severity
    }
    assert by_severity == {
        CRITICAL: {"end-of-life", "critical-updates", "known-exploited"},
        HIGH: {"exploit-likelihood", "overdue", "updates-offered", "pending-security", "security-repository"},
        MEDIUM: {
            *("end-of-life-soon", "other-updates", "metadata-age", "reboot", "running-kernel"),
            *("outdated-programs", "held-packages", "clock"),
        },
        LOW: {"last-change", "automatic-updates", "foreign-packages", "clock-synchronised"},
        Severity.INFO: set(),
    }


# --- More than one finding ------------------------------------------------------------------------------------


def outcomes(case: Case) -> list[tuple[str, Outcome]]:
    said = verdicts(case)
    assert not isinstance(said, NotSeen)
    return [(v.object, v.outcome) for v in said]


@pytest.mark.parametrize(
    "check",
    [GRAVE, USED, LIKELY, LATE],
    ids=lambda check: check.id,
)
def test_each_package_is_a_finding_of_its_own(check: Check) -> None:
    both = advised(
        update("bash", flaw(1, HIGH), published=TODAY - 90 * DAY),
        update("openssl", flaw(2, HIGH), published=TODAY - 90 * DAY),
    )
    world = [
        both,
        catalogue(CVE_2026_1=EXPLOITED, CVE_2026_2=EXPLOITED),
        predictions(CVE_2026_1=0.5, CVE_2026_2=0.5),
    ]
    case = Case(check, "", world, FAIL)
    assert outcomes(case) == [("bash", FAIL), ("openssl", FAIL)]


@pytest.mark.parametrize("check", [GRAVE, USED, LIKELY, LATE], ids=lambda check: check.id)
def test_what_fails_is_told_beside_what_is_not_known(check: Check) -> None:
    some = advised(update("openssl", flaw(1, HIGH), published=TODAY - 90 * DAY), undecided=("odd",))
    case = Case(check, "", [some, EXPLOITED_1, predictions(CVE_2026_1=0.5), ends(TODAY - DAY)], FAIL)
    assert outcomes(case) == [("openssl", FAIL), ("", UNKNOWN)]


def test_pending_updates_fail_one_by_one_beside_those_that_cannot_be_told() -> None:
    case = Case(WAITS, "", [offers(pending("a"), pending("b"), pending("c", security=UNREAD))], FAIL)
    assert outcomes(case) == [("a", FAIL), ("b", FAIL), ("", UNKNOWN)]


def test_an_update_without_a_date_is_unknown_beside_one_that_is_overdue() -> None:
    some = advised(update("bash", published=TODAY - 99 * DAY), update("openssl", published=None))
    assert outcomes(Case(LATE, "", [some], FAIL)) == [("bash", FAIL), ("openssl", UNKNOWN)]


@pytest.mark.parametrize("check", [GRAVE, USED, LIKELY, LATE], ids=lambda check: check.id)
def test_a_package_is_one_finding_whatever_has_to_be_done_about_it(check: Check) -> None:
    old = TODAY - 90 * DAY
    three = advised(
        update("linux", Flaw("CVE-2026-1", HIGH, old), published=old),
        update("linux", Flaw("CVE-2026-2", CRITICAL), fixed="", published=None),
        update("linux", Flaw("CVE-2026-3", HIGH, old), published=old, awaits_reboot=True),
    )
    world = [
        three,
        installed(package("linux")),
        catalogue(CVE_2026_1=EXPLOITED, CVE_2026_2=EXPLOITED, CVE_2026_3=EXPLOITED),
        predictions(CVE_2026_1=0.5, CVE_2026_2=0.5, CVE_2026_3=0.5),
    ]
    said = the(Case(check, "", world, FAIL))
    assert (said.object, said.outcome) == ("linux", FAIL)
    assert "CVE-2026-3" in str(said.evidence)
    assert ("CVE-2026-2" in str(said.evidence)) is (check in (USED, LIKELY))


def test_two_long_names_that_begin_alike_are_two_findings() -> None:
    some = [update("x" * 200 + end, flaw(1, HIGH)) for end in "ab"]
    here = installed(*(package(u.package) for u in some))
    assert len({object for object, _outcome in outcomes(Case(GRAVE, "", [advised(*some), here], FAIL))}) == 2


@pytest.mark.parametrize("check", [GRAVE, USED, LIKELY, LATE, OFFERED], ids=lambda check: check.id)
def test_what_old_data_shows_to_be_missing_still_fails(check: Check) -> None:
    old = TODAY - 90 * DAY
    some = advised(
        update("openssl", Flaw("CVE-2026-1", HIGH, old), published=old),
        made=AT - 20 * DAY,
        uncovered=("epel",),
    )
    said = verdicts(Case(check, "", [some, EXPLOITED_1, predictions(CVE_2026_1=0.5)], FAIL))
    assert not isinstance(said, NotSeen)
    assert said[0].outcome is FAIL
    assert [v.reason for v in said[1:]] in ([Reason.STALE_FEED], [])


def test_an_old_catalogue_still_shows_what_it_has() -> None:
    old = catalogue(AT - 15 * DAY, CVE_2026_1=EXPLOITED)
    case = Case(USED, "", [advised(update("openssl", flaw())), old], FAIL)
    assert outcomes(case) == [("openssl", FAIL), ("", UNKNOWN)]


def test_without_the_catalogue_what_is_overdue_still_fails() -> None:
    case = Case(LATE, "", [since(31, HIGH)], FAIL, without=(KnownExploited,))
    assert outcomes(case) == [("openssl", FAIL), ("", UNKNOWN)]


def test_one_package_of_two_architectures_waits_once() -> None:
    both = [msgspec.structs.replace(pending("libc6"), architecture=a) for a in ("amd64", "i386")]
    assert outcomes(Case(WAITS, "", [offers(*both)], FAIL)) == [("libc6", FAIL)]


# --- What holds for all ---------------------------------------------------------------------------------------


def hostile(text: str) -> Sequence[Any]:
    """Facts and feeds in which every word is ``text``."""
    release = Release(id=text, version=text, name=text)
    odd = MissingUpdate(
        package=text,
        binaries=(text,) * 50,
        installed=text,
        fixed=text,
        flaws=tuple(Flaw(f"{text}{n}", CRITICAL) for n in range(50)),
        advisories=(text,) * 50,
        published=TODAY - 300 * DAY,
    )

    milder = dataclasses.replace(
        odd, package=f"{text}2", flaws=tuple(Flaw(flaw.id, LOW) for flaw in odd.flaws)
    )

    @dataclass(frozen=True)
    class Everything(Advised):
        def _is_missing(self, update: MissingUpdate, packages: PackageFacts) -> bool:
            return True

    return (
        linux(
            release=release,
            kernel=text,
            kernels=(Kernel(release=text + "1", package=text), Kernel(release=text, package=text)),
            reboot_required=True,
            reboot_packages=(text,) * 50,
            outdated_programs=(text,) * 50,
        ),
        installed(package(text), held=(text,) * 50, foreign=(text,) * 50),
        kept(
            pending=tuple(pending(f"{text}{n}", text, old=text, origin=text) for n in range(50)),
            repositories=(Repository(address=text, suite=text, security=True),) * 50,
        ),
        Everything((odd, milder), undecided=(text,) * 50),
        catalogue(**{f"{text}{n}": EXPLOITED for n in range(50)}),
        ExploitPrediction({f"{text}{n}": 1.0 for n in range(50)}, AT),
        Dates(Lifetime(text, TODAY - DAY)),
    )


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.id)
@pytest.mark.parametrize(
    "text",
    [
        "{0.__class__}",
        "<script>alert(1)</script>",
        "\x1b[2J\r\n",
        "%s%n",
        "9" * 200,
        "x" * 5000,
        "\ud800",
        "",
    ],
    ids=["format", "html", "terminal", "percent", "digits", "long", "surrogate", "empty"],
)
def test_what_a_host_says_is_quoted_and_bounded(check: Check, text: str) -> None:
    said = verdicts(Case(check, "", hostile(text), FAIL))
    assert not isinstance(said, NotSeen)
    assert 0 < len(said) <= 53
    for verdict in said:
        assert len(str(verdict.evidence)) < 2500
        assert len(verdict.object) <= 100
        assert text not in verdict.evidence.template or not text


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.id)
@pytest.mark.parametrize(
    "given", [(), (windows(),), (linux(release=UNREAD),)], ids=["well", "windows", "unread"]
)
def test_nothing_claims_more_than_the_check_declares(check: Check, given: Iterable[Any]) -> None:
    said = verdicts(Case(check, "", [*hostile("x"), *given], FAIL))
    assert isinstance(said, NotSeen) or all((v.severity or LOW) <= check.severity for v in said)


def test_only_what_can_change_with_time_asks_for_it() -> None:
    assert {check.id for check in ALL if check.asks_time} == {
        check.id for check in (*BY_ADVISORIES, EOL, SOON)
    }


def test_a_stale_feed_hides_no_host_that_was_well_either() -> None:
    """Never a pass from old data, whatever it says."""
    for check in BY_ADVISORIES:
        assert the(Case(check, "", [advised(made=AT - 15 * DAY)], UNKNOWN)).outcome is UNKNOWN


# --- Kernel releases ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("6.1.0-9-amd64", "6.1.0-10-amd64"),
        ("6.1.0-0.deb11.21-amd64", "6.1.0-0.deb11.22-amd64"),
        ("6.1.0-37-amd64", "6.12.38+deb13-amd64"),
        ("5.14.0-427.el9.x86_64", "5.14.0-427.5.1.el9_4.x86_64"),
        ("5.14.0-427.5.1.el9_4.x86_64", "5.14.0-427.13.1.el9_4.x86_64"),
        ("5.14.0-427.13.1.el9_4.x86_64", "5.14.0-503.11.1.el9_5.x86_64"),
        ("6.1.90-99.173.amzn2023.x86_64", "6.1.91-99.172.amzn2023.x86_64"),
        ("5.15.0-107-generic", "6.5.0-35-generic"),
        ("5.14.21-150500.55.59-default", "5.14.21-150500.55.62-default"),
        ("6.9.3-arch1-1", "6.9.3-arch1-2"),
        ("6.9.3-arch1-2", "6.9.3-arch2-1"),
        ("6.6.31-0-lts", "6.6.31-1-lts"),
        ("6.8.9-300.fc39.x86_64", "6.8.9-301.fc40.x86_64"),
        ("6.10.0-rc1", "6.10.0-rc2"),
        ("6.10.0-rc7", "6.10.0"),
    ],
)
def test_kernel_releases_of_one_flavour_have_an_order(older: str, newer: str) -> None:
    assert flavour(older) == flavour(newer)
    assert age_key(older) < age_key(newer)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("6.1.0-22-amd64", "6.1.0-22-rt-amd64"),
        ("6.1.0-22-amd64", "6.1.0-22-cloud-amd64"),
        ("5.15.0-107-generic", "5.15.0-1061-aws"),
        ("6.9.3-arch1-1", "6.6.32-1-lts"),
        ("5.14.0-427.el9.x86_64", "5.14.0-427.el9.x86_64+debug"),
        ("6.6.31-0-lts", "6.6.31-0-virt"),
    ],
)
def test_kernels_of_different_flavours_are_told_apart(one: str, other: str) -> None:
    assert flavour(one) != flavour(other)


def test_a_number_without_end_is_compared_in_bounded_time() -> None:
    assert age_key("9" * 100_000 + "-amd64") == age_key("9" * 18)


@pytest.mark.parametrize(
    ("held", "shown"),
    [
        ("abcde", ": a, b, c, d, e (5)."),
        ("abcdef", ": a, b, c, d, e (+1) (6)."),
        ("abcdefg", ": a, b, c, d, e (+2) (7)."),
    ],
)
def test_a_list_shows_five_and_says_how_many_more(held: str, shown: str) -> None:
    assert str(the(Case(HELD, "", [installed(held=tuple(held))], FAIL)).evidence).endswith(shown)


@pytest.mark.parametrize("length", [99, 100, 101, 5000])
def test_a_name_in_a_list_is_cut_short(length: int) -> None:
    said = the(Case(HELD, "", [installed(held=("x" * length,))], FAIL))
    assert len(str(said.evidence.values["packages"])) == min(length, 100)


def readings(kind: type[Facts]) -> Iterable[str]:
    """The fields that may have stayed unread."""
    return (name for name, hint in get_type_hints(kind).items() if Gap in get_args(hint))


UNREADABLE = [
    (check, kind, name) for check in ALL for kind in check.observes.values() for name in readings(kind)
]


@pytest.mark.parametrize(
    ("check", "kind", "name"), UNREADABLE, ids=lambda v: getattr(v, "id", None) or str(v)
)
def test_no_host_does_better_for_what_could_not_be_read(check: Check, kind: type[Facts], name: str) -> None:
    bad = [
        *hostile("x"),
        installed(package("x"), held=("y",), foreign=("y",)),
        linux(
            release=BOOKWORM,
            kernel="6.1.0-21-amd64",
            reboot_required=True,
            outdated_programs=("x",),
            clock_offset=90,
            clock_synchronised=False,
        ),
        kept(
            pending=(pending("bash"),),
            repositories=(repository("bookworm"),),
            metadata_at=AT - 900 * DAY,
            automatic=False,
            changed_at=AT - 900 * DAY,
        ),
    ]
    before = verdicts(Case(check, "", bad, FAIL))
    assert not isinstance(before, NotSeen)
    assert any(v.outcome is FAIL for v in before)
    facts = next(thing for thing in reversed(bad) if isinstance(thing, kind))
    after = verdicts(Case(check, "", [*bad, msgspec.structs.replace(facts, **{name: UNREAD})], FAIL))
    assert isinstance(after, NotSeen) or any(v.outcome in (FAIL, UNKNOWN) for v in after)


def test_evidence_of_an_update_can_be_grouped_by_its_fix() -> None:
    said = the(Case(GRAVE, "", [rated(HIGH)], FAIL))
    assert {"package", "fixed", "binaries"} <= set(said.evidence.values)


@pytest.mark.parametrize(
    ("manager", "release", "fix"),
    [
        ("dpkg", BOOKWORM, "apt-get install --only-upgrade '?source-package(^openssl$)'"),
        ("rpm", ROCKY, "dnf upgrade openssl"),
        ("rpm", Release(id="sles", version="15.6"), "zypper update openssl"),
        ("apk", Release(id="alpine", version="3.20.3"), "apk upgrade openssl"),
    ],
)
def test_every_missing_update_tells_its_fix_and_its_day(manager: str, release: Release, fix: str) -> None:
    old = TODAY - 90 * DAY
    here = [linux(release=release), installed(manager=manager), EXPLOITED_1, predictions(CVE_2026_1=0.5)]
    some = advised(update("openssl", Flaw("CVE-2026-1", HIGH, old), published=old))
    for check in (GRAVE, USED, LIKELY, LATE):
        values = the(Case(check, "", [*here, some], FAIL)).evidence.values
        assert (values["fix"], values["advised"]) == (fix, str(old))


@pytest.mark.parametrize("days", [0, 7, 366])
def test_a_date_at_the_end_of_the_calendar_is_bounded(days: int) -> None:
    last = date.max
    for added in (last, last - 7 * DAY, last - 8 * DAY):
        used = [advised(update("openssl", flaw())), exploited(last, added, ransomware=True)]
        assert the(Case(USED, "", used, FAIL, limits={"ransomware_days": days})).outcome is FAIL
    late = Flaw("CVE-2026-1", LOW, last)
    given = [advised(update("openssl", late, published=last)), EXPLOITED_1]
    assert outcomes(Case(LATE, "", given, PASS)) == [("", PASS)]
    undated = [advised(update("openssl", flaw(2), published=last)), EXPLOITED_1]
    assert outcomes(Case(LATE, "", undated, PASS)) == [("", PASS)]


@pytest.mark.parametrize("check", [GRAVE, USED, LIKELY], ids=lambda check: check.id)
def test_what_a_list_that_is_not_whole_shows_to_be_missing_still_fails(check: Check) -> None:
    here = [
        installed(packages=(package("openssl"),)),
        advised(update("openssl", flaw(1, HIGH))),
        EXPLOITED_1,
        predictions(CVE_2026_1=0.5),
    ]
    assert outcomes(Case(check, "", here, FAIL)) == [("openssl", FAIL), ("", UNKNOWN)]


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.id)
def test_no_number_stands_before_a_word_in_the_plural(check: Check) -> None:
    source = inspect.getsource(check.function)
    assert not re.search(r"\{(?:count|days|seconds)\} [a-z]{2,}", source)


def test_references_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(catalogue(), "as_of", AT)  # noqa: B010 - an assignment is what mypy would refuse


@pytest.mark.parametrize(
    ("source", "pattern"),
    [("openssl", "^openssl$"), ("libsigc++-2.0", r"^libsigc\+\+-2\.0$"), ("linux", "^linux(-signed-.*)?$")],
)
def test_apt_is_told_what_to_update_by_the_source(source: str, pattern: str) -> None:
    command = "apt-get install --only-upgrade"
    assert fix_of(update(source), command) == f"{command} '?source-package({pattern})'"


def test_other_package_managers_are_told_the_packages_there_are() -> None:
    missing = update("glibc", binaries=("glibc", "glibc-common"))
    assert fix_of(missing, "dnf upgrade") == "dnf upgrade glibc glibc-common"


def _sources(*repositories: Repository) -> UpdateFacts:
    return UpdateFacts(repositories=repositories)


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        (Release(id="Debian", version="12", codename="bookworm"), FAIL),
        (Release(id="debian", codename="bookworm"), UNKNOWN),
        (Release(id="debian", codename="sid"), UNKNOWN),
        (Release(id="arch"), UNKNOWN),
        (Release(id="acmeos", version="1"), UNKNOWN),
        (Release(id="raspbian", version="12"), UNKNOWN),
    ],
    ids=lambda value: f"{value.id} {value.codename}" if isinstance(value, Release) else "",
)
def test_a_host_does_no_better_by_another_name(release: Release, expected: Outcome) -> None:
    plain = Repository(address="http://mirror.example/debian", suite="bookworm", security=False)
    case = Case(SOURCES, "", [linux(release=release), _sources(plain)], expected)
    said = verdicts(case)
    assert not isinstance(said, NotSeen)
    assert [verdict.outcome for verdict in said] == [expected]
