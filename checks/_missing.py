"""Installed packages against advisories: what is missing, since when, and what can't be told."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Annotated

import msgspec
from pydantic import Field

from secscan.check import Limits, Verdict, failed, unknown
from secscan.checks._words import called, day, identity, listed, named, short
from secscan.facts import Package, PackageFacts, PendingUpdate, Release, SystemFacts, UpdateFacts, known
from secscan.model import Reason, Severity
from secscan.reference import (
    Advisories,
    Comparison,
    EndOfLife,
    Exploitation,
    Flaw,
    KnownExploited,
    MissingUpdate,
)

Name = Annotated[str, Field(min_length=1, max_length=100)]


class FeedLimits(Limits):
    feed_days: int = Field(
        default=14,
        ge=1,
        le=366,
        description="Days after which imported data no longer shows that nothing is missing; what it shows to be "
        "missing still fails.",
    )
    unadvised: frozenset[Name] = Field(
        default=frozenset(),
        description="Repositories, sources and packages that no imported advisories speak of and that are looked after "
        "otherwise; an asterisk at the end stands for any ending.",
    )


class ExploitedLimits(FeedLimits):
    ransomware_days: int = Field(
        default=7,
        ge=0,
        le=366,
        description="Days after it came into the catalogue in which to mend what ransomware uses, "
        "where CISA's date is later.",
    )


class OverdueLimits(ExploitedLimits):
    critical_days: int = Field(
        default=15, ge=0, le=366, description="Days after the advisory for critical updates."
    )
    high_days: int = Field(default=30, ge=0, le=366, description="Days after the advisory for high updates.")
    other_days: int = Field(
        default=90, ge=0, le=1830, description="Days after the advisory for all other security updates."
    )


# --- Packages against advisories ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Compared:
    """What a host lacks for certain, and why the rest of it may lack something as well."""

    missing: tuple[MissingUpdate, ...]
    #: The gravest reason why nothing can pass; None: all that is not missing is there.
    doubt: Verdict | None
    as_of: datetime
    #: What installs updates here, but for their names: ``dnf upgrade``.
    command: str


def compare(
    system: SystemFacts,
    packages: PackageFacts,
    updates: UpdateFacts,
    advisories: Advisories,
    dates: EndOfLife | None,
    limits: FeedLimits,
    at: datetime,
) -> Compared | Verdict:
    """What the packages lack, or why that can't be told at all.

    ``dates`` is None where it is of no matter that a release has ended.
    """
    if system.family == "windows":
        # A greeting alone makes a host Windows: what nobody compared is never taken for what lacks nothing.
        return unknown(
            Reason.NOT_COLLECTED,
            "No imported advisories speak of Windows' updates, and nobody knows what it lacks: it is judged by its last "
            "update, its last search for updates and what waits for a reboot alone.",
        )
    release = known(system.release)
    if not packages.packages:
        return unknown(Reason.CONTRADICTORY, "The package manager lists no package at all.")
    coverage = advisories.coverage(packages, system, updates.repositories)
    if coverage.as_of is None:
        return _not_imported(packages.manager, called(release))
    compared = advisories.compare(packages, system)
    uncovered = [name for name in coverage.uncovered if not named(name, limits.unadvised)]
    doubt: Verdict | None = None
    if not _lists_itself(packages):
        doubt = unknown(
            Reason.CONTRADICTORY,
            "The list of packages does not have the package manager's own, {manager}: it can't be all that is installed.",
            manager=short(packages.manager),
        )
    elif is_stale(coverage.as_of, limits.feed_days, at):
        doubt = _stale(release, coverage.as_of, limits.feed_days, compared)
    elif coverage.unread is not None:
        doubt = unknown(
            coverage.unread.reason,
            "It was not read where its packages come from, so that nobody knows whether the imported advisories speak of "
            "all of them: {detail}.",
            detail=short(coverage.unread.detail or coverage.unread.reason.value),
        )
    elif uncovered:
        doubt = unknown(
            Reason.NOT_COLLECTED,
            "Of {uncovered} no imported advisories speak; bring theirs and run: secscan feeds import FILE, or name them "
            "in the profile as unadvised where they are looked after otherwise.",
            uncovered=listed(uncovered),
        )
    elif compared.undecided:
        doubt = uncompared(compared)
    elif dates is not None:
        doubt = _ended(release, dates, at)
    return Compared(compared.missing, doubt, coverage.as_of, _command(packages.manager, release))


#: The packages that the package managers themselves are in: a list without is not the whole list.
_MANAGERS_OWN = {"dpkg": "dpkg", "rpm": "rpm", "apk": "apk-tools", "pacman": "pacman"}


def _lists_itself(packages: PackageFacts) -> bool:
    own = _MANAGERS_OWN.get(packages.manager)
    return own is None or any(package.name == own for package in packages.packages)


def _stale(release: Release, as_of: datetime, days: int, compared: Comparison) -> Verdict:
    return unknown(
        Reason.STALE_FEED,
        "The advisories for {system} are of {date}, older than allowed (days: {days}), and nobody knows what has become known since "
        "(packages that lack a security update by them: {count}). Bring newer ones and run: secscan feeds import FILE",
        system=called(release),
        date=day(as_of),
        days=days,
        count=len({update.package for update in compared.missing if update.fixed}),
    )


def _ended(release: Release, dates: EndOfLife, at: datetime) -> Verdict | None:
    ends = last_day(release, dates)
    if ends is None or at.date() <= ends:
        return None
    return unknown(
        Reason.NOT_COLLECTED,
        "{system} got its last security updates on {date}; nobody says what it lacks since.",
        system=called(release),
        date=str(ends),
    )


def _not_imported(manager: str, system: str) -> Verdict:
    match manager:
        case "dpkg":
            return unknown(
                Reason.NOT_COLLECTED,
                "No advisories for {system} were imported; bring the Packages file of its security suite, or OSV's "
                "data for it, and run: secscan feeds import FILE",
                system=system,
            )
        case "rpm":
            return unknown(
                Reason.NOT_COLLECTED,
                "No advisories for {system} were imported; bring updateinfo.xml of its repositories, or OSV's data "
                "for it, and run: secscan feeds import FILE",
                system=system,
            )
        case "apk":
            return unknown(
                Reason.NOT_COLLECTED,
                "No advisories for {system} were imported; bring Alpine's secdb of its release, or OSV's data for it, "
                "and run: secscan feeds import FILE",
                system=system,
            )
    return unknown(
        Reason.NOT_COLLECTED,
        "No advisories for {system} were imported; bring OSV's data for it, where there is any, and run: "
        "secscan feeds import FILE",
        system=system,
    )


def fixable(missing: Iterable[MissingUpdate]) -> list[MissingUpdate]:
    """Those that an update or a reboot mends, one of each package; what nobody has mended yet is no missing update."""
    return by_package(update for update in missing if update.fixed)


def by_package(missing: Iterable[MissingUpdate]) -> list[MissingUpdate]:
    """One of each package, with all of its flaws: a finding is about a package, whatever has to be done about it.

    Where one part has a fix and another has none, or waits for a reboot, the fix is told.
    """
    grouped: dict[str, list[MissingUpdate]] = {}
    for update in missing:
        grouped.setdefault(identity(update.package), []).append(update)
    return [_merged(updates) for updates in grouped.values()]


def _merged(updates: Sequence[MissingUpdate]) -> MissingUpdate:
    first = min(updates, key=lambda update: (not update.fixed, update.awaits_reboot))
    flaws: dict[str, Flaw] = {}
    for update in updates:
        for flaw in update.flaws:
            if flaw.id not in flaws or _rating(flaws[flaw.id]) < _rating(flaw):
                flaws[flaw.id] = flaw
    return replace(
        first,
        binaries=tuple(sorted({binary for update in updates for binary in update.binaries})),
        flaws=tuple(flaws[id] for id in sorted(flaws)),
        advisories=tuple(sorted({name for update in updates for name in update.advisories})),
        published=min((u.published for u in updates if u.published is not None), default=None),
    )


def uncompared(compared: Comparison) -> Verdict:
    return unknown(
        Reason.UNPARSED,
        "Packages that can't be compared with the advisories, by their version, module or source: {packages} ({count}).",
        count=len(compared.undecided),
        packages=listed(compared.undecided),
    )


def lacks(update: MissingUpdate, command: str) -> Verdict:
    values = facts_of(update, command)
    name = identity(update.package)
    if update.awaits_reboot:
        return failed(
            "{package} {fixed} is installed and {installed} runs until a reboot: {flaws}. Reboot.",
            object=name,
            severity=gravity_of(update),
            **values,
        )
    if not update.flaws and not update.advisories:
        return failed(
            "{package} {installed} ({binaries}) is older than its fix {fixed}. Run: {fix}",
            object=name,
            severity=gravity_of(update),
            **values,
        )
    if update.published is None:
        return failed(
            "{package} {installed} ({binaries}) is older than its fix {fixed}: {flaws}. Run: {fix}",
            object=name,
            severity=gravity_of(update),
            **values,
        )
    return failed(
        "{package} {installed} ({binaries}) is older than its fix {fixed} of {date}: {flaws}. Run: {fix}",
        object=name,
        severity=gravity_of(update),
        date=str(update.published),
        **values,
    )


def facts_of(update: MissingUpdate, command: str) -> dict[str, str | int]:
    """What is told of every missing update, and what others count by: ``fix`` groups what one command mends,
    ``advised`` is the day of the oldest advisory, from which it is due, empty where none bears a date."""
    return {
        "package": short(update.package),
        "binaries": listed(update.binaries),
        "installed": short(update.installed),
        "fixed": short(update.fixed or "-"),
        "flaws": mends(update),
        "fix": fix_of(update, command),
        "advised": str(update.published or ""),
    }


def fix_of(update: MissingUpdate, command: str) -> str:
    """What mends it, as it is typed; ``reboot``, or nothing where there is no fix. It groups hosts that need the same.

    For apt that is a pattern with the name of the source, so that it is the same on every host, whichever of its
    packages is installed there (apt-patterns(7), apt 2.0); the others know installed packages only.
    """
    if update.awaits_reboot:
        return "reboot"
    if not update.fixed:
        return ""
    if command != APT:
        return f"{command} {' '.join(short(name) for name in update.binaries[:MOST_NAMES])}"
    name = short(update.package).replace(".", r"\.").replace("+", r"\+")
    # What boots is built from another source, signed: linux-signed-amd64.
    signed = "(-signed-.*)?" if update.package == "linux" else ""
    return f"{command} '?source-package(^{name}{signed}$)'"


#: What installs updates of some packages and of nothing else.
APT = "apt-get install --only-upgrade"
#: Names of packages that one command is given; more of one source are rare.
MOST_NAMES = 20


def _command(manager: str, release: Release) -> str:
    if manager == "rpm" and release.id.lower().startswith(("sle", "opensuse", "suse")):
        return "zypper update"
    commands = {"dpkg": APT, "rpm": "dnf upgrade", "apk": "apk upgrade", "pacman": "pacman -Syu"}
    return commands.get(manager, short(manager))


def nameless(missing: Sequence[MissingUpdate]) -> Verdict | None:
    """Why nothing can be said about flaws that are none too grave: updates are missing, and nobody says what they mend."""
    unnamed = [update.package for update in fixable(missing) if not update.flaws]
    if not unnamed:
        return None
    return unknown(
        Reason.NOT_COLLECTED,
        "Security updates are missing ({count}), and nothing that was imported names what they mend: {packages}. Bring "
        "OSV of the distribution, or the Debian security tracker's JSON, and run: secscan feeds import FILE",
        count=len(unnamed),
        packages=listed(unnamed),
    )


def gravity_of(update: MissingUpdate) -> Severity:
    """That of its gravest flaw; what nobody rated counts as medium, a flaw as well as a whole update."""
    return max((_rating(flaw) for flaw in update.flaws), default=Severity.MEDIUM)


def _rating(flaw: Flaw) -> Severity:
    return Severity.MEDIUM if flaw.severity is None else flaw.severity


def mends(update: MissingUpdate) -> str:
    """What the update mends, the gravest first; the advisories' names where they name no flaw."""
    flaws = sorted(update.flaws, key=lambda flaw: (-_rating(flaw), flaw.id))
    return listed([flaw.id for flaw in flaws] or update.advisories) or "-"


# --- Known exploitation ---------------------------------------------------------------------------------------


def used_flaws(update: MissingUpdate, exploited: KnownExploited) -> list[tuple[Flaw, Exploitation]]:
    return [(flaw, exploited.entries[flaw.id]) for flaw in update.flaws if flaw.id in exploited.entries]


def exploited_verdict(
    update: MissingUpdate,
    used: Sequence[tuple[Flaw, Exploitation]],
    command: str,
    limits: ExploitedLimits,
    at: datetime,
) -> Verdict:
    due = min(mend_by(entry, limits) for _flaw, entry in used)
    values = {
        **facts_of(update, command),
        "flaws": listed(flaw.id for flaw, _entry in used),
        "due": str(due),
    }
    name = identity(update.package)
    by_ransomware = any(entry.ransomware for _flaw, entry in used)
    if at.date() > due and by_ransomware:
        return failed(
            "{package} {installed} has {flaws}, which ransomware uses; it was due on {due} (fix: {fixed}).",
            object=name,
            severity=Severity.CRITICAL,
            **values,
        )
    if at.date() > due:
        return failed(
            "{package} {installed} has {flaws}, known to be exploited; it was due on {due} (fix: {fixed}).",
            object=name,
            severity=Severity.CRITICAL,
            **values,
        )
    if by_ransomware:
        return failed(
            "{package} {installed} has {flaws}, which ransomware uses; it is due by {due} (fix: {fixed}).",
            object=name,
            severity=Severity.HIGH,
            **values,
        )
    return failed(
        "{package} {installed} has {flaws}, known to be exploited; it is due by {due} (fix: {fixed}).",
        object=name,
        severity=Severity.HIGH,
        **values,
    )


def mend_by(entry: Exploitation, limits: ExploitedLimits) -> date:
    """The last day to mend it."""
    if entry.ransomware:
        return min(entry.due, _after(entry.added, limits.ransomware_days))
    return entry.due


def due_date(update: MissingUpdate, exploited: KnownExploited | None, limits: OverdueLimits) -> date | None:
    """The last day to install it, None where nothing tells: of each flaw so many days after its own advisory, by how grave
    it is, or the catalogue's date where that is earlier."""
    advised = [
        _after(flaw.published, _days(_rating(flaw), limits))
        for flaw in update.flaws
        if flaw.published is not None
    ]
    if not advised and update.published is not None:
        # Which of the flaws the oldest advisory mends is not told: the mildest of them gives the latest day.
        mildest = min((_rating(flaw) for flaw in update.flaws), default=Severity.MEDIUM)
        advised.append(_after(update.published, _days(mildest, limits)))
    catalogued = (
        [mend_by(entry, limits) for _flaw, entry in used_flaws(update, exploited)] if exploited else []
    )
    return min((*advised, *catalogued), default=None)


def _after(first: date, days: int) -> date:
    """So many days later; the last day there is where a feed's own date is too near the end of the calendar."""
    return first + timedelta(days=min(days, (date.max - first).days))


def _days(gravity: Severity, limits: OverdueLimits) -> int:
    by_severity = {Severity.CRITICAL: limits.critical_days, Severity.HIGH: limits.high_days}
    return by_severity.get(gravity, limits.other_days)


def stale_catalogue(exploited: KnownExploited, days: int) -> Verdict:
    return unknown(
        Reason.STALE_FEED,
        "The catalogue of known exploited vulnerabilities is of {date}, older than allowed (days: {days}); bring a newer "
        "one and run: secscan feeds import FILE",
        date=day(exploited.as_of),
        days=days,
    )


# --- What a package manager offers ------------------------------------------------------------------------------

#: Kernels are not updated in place on Debian and its like: a package of another name is installed beside the old.
_KERNEL = re.compile(r"(linux-(?:image|modules|headers)(?:-unsigned)?)-\d[^-]*-[^-]+")


def offered_of(
    wanted: Sequence[MissingUpdate],
    packages: PackageFacts,
    pending: Sequence[PendingUpdate],
    advisories: Advisories,
    system: SystemFacts,
) -> set[str]:
    """Which of ``wanted`` would be mended if all that is pending were installed, by the names of their packages.

    The candidates are held against the advisories like installed packages, for only they know how versions compare.
    """
    candidates = {_in_place(update.name): update.candidate for update in pending}
    candidates |= {update.name: update.candidate for update in pending}
    package_of = {binary: update.package for update in wanted for binary in update.binaries}
    planned: list[Package] = []
    touched: set[str] = set()
    for package in packages.packages:
        if package.name not in package_of:
            continue
        candidate = candidates.get(package.name) or candidates.get(_in_place(package.name))
        if candidate is None:
            continue
        touched.add(package_of[package.name])
        source_version = _source_version(package, candidate)
        # Where the source's version does not follow from the candidate's, the package manager is believed.
        if source_version is not None:
            planned.append(msgspec.structs.replace(package, version=candidate, source_version=source_version))
    after = advisories.compare(msgspec.structs.replace(packages, packages=tuple(planned)), system)
    return touched - {update.package for update in after.missing if update.fixed and not update.awaits_reboot}


def _in_place(name: str) -> str:
    """``linux-image-amd64`` for ``linux-image-6.1.0-21-amd64``; all other names as they are."""
    return _KERNEL.sub(r"\1", name)


def _source_version(package: Package, candidate: str) -> str | None:
    """The source's version that belongs to ``candidate``, by what the installed versions have in common."""
    if package.source_version == package.version:
        return candidate
    if re.fullmatch(re.escape(package.source_version) + r"\+b\d+", package.version):
        return re.sub(r"\+b\d+$", "", candidate)
    # The file name of a source rpm has no epoch.
    if package.version.partition(":")[2] == package.source_version:
        return candidate.partition(":")[2] or candidate
    return None


def last_day(release: Release, dates: EndOfLife) -> date | None:
    lifetime = dates.lifetime(release)
    if lifetime is None or lifetime.ends is None:
        return None
    if release.support and lifetime.extended is not None:
        return max(lifetime.ends, lifetime.extended)
    return lifetime.ends


def is_stale(as_of: datetime, days: int, at: datetime) -> bool:
    return at - as_of > timedelta(days=days)
