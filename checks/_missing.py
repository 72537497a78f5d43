"""Installed packages against advisories: what is missing, since when, and what can't be told."""

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta

import msgspec
from pydantic import Field

from secscan.check import Limits, Verdict, failed, not_applicable, unknown
from secscan.checks._words import called, day, listed, short
from secscan.facts import Package, PackageFacts, PendingUpdate, Release, SystemFacts, known
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


class FeedLimits(Limits):
    feed_days: int = Field(
        default=14,
        ge=1,
        le=366,
        description="Days after which imported data no longer tells anything, and the rule is unknown.",
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


def compare(
    system: SystemFacts, packages: PackageFacts, advisories: Advisories, limits: FeedLimits, at: datetime
) -> Comparison | Verdict:
    """What the packages lack, or why that can't be told."""
    if system.family == "windows":
        return not_applicable("Windows has no packages that advisories speak of.")
    release = known(system.release)
    if not packages.packages:
        return unknown(Reason.CONTRADICTORY, "The package manager lists no package at all.")
    as_of = advisories.as_of(system)
    if as_of is None:
        return _not_imported(packages.manager, called(release))
    compared = advisories.compare(packages, system)
    if is_stale(as_of, limits.feed_days, at):
        return unknown(
            Reason.STALE_FEED,
            "The advisories for {system} are of {date}, older than {days} days; by them {count} packages lack a "
            "security update. Bring newer ones and run: secscan feeds import FILE",
            system=called(release),
            date=day(as_of),
            days=limits.feed_days,
            count=len(fixable(compared)),
        )
    return compared


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


def fixable(compared: Comparison) -> list[MissingUpdate]:
    """Those that an update or a reboot mends; what nobody has mended yet is no missing update."""
    return [update for update in compared.missing if update.fixed]


def blind_spots(
    system: SystemFacts, compared: Comparison, dates: EndOfLife, at: datetime
) -> Iterator[Verdict]:
    """What the advisories can't know, so that there is no pass."""
    if compared.undecided:
        yield uncompared(compared)
    release = known(system.release)
    ends = last_day(release, dates)
    if ends is not None and at.date() > ends:
        yield unknown(
            Reason.NOT_COLLECTED,
            "{system} got its last security updates on {date}; nobody says what it lacks since.",
            system=called(release),
            date=str(ends),
        )


def uncompared(compared: Comparison) -> Verdict:
    return unknown(
        Reason.UNPARSED,
        "The versions of {count} packages can't be compared: {packages}.",
        count=len(compared.undecided),
        packages=listed(compared.undecided),
    )


def lacks(update: MissingUpdate) -> Verdict:
    values: dict[str, str | int] = {
        "package": short(update.package),
        "binaries": listed(update.binaries),
        "installed": short(update.installed),
        "fixed": short(update.fixed),
        "flaws": mends(update),
    }
    name = short(update.package)
    if update.awaits_reboot:
        return failed(
            "{package} {fixed} is installed and {installed} runs until a reboot: {flaws}.",
            object=name,
            severity=gravity_of(update),
            **values,
        )
    if update.published is None:
        return failed(
            "{package} {installed} ({binaries}) is older than its fix {fixed}: {flaws}.",
            object=name,
            severity=gravity_of(update),
            **values,
        )
    return failed(
        "{package} {installed} ({binaries}) is older than its fix {fixed} of {date}: {flaws}.",
        object=name,
        severity=gravity_of(update),
        date=str(update.published),
        **values,
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
    update: MissingUpdate, used: Sequence[tuple[Flaw, Exploitation]], limits: ExploitedLimits, at: datetime
) -> Verdict:
    due = min(mend_by(entry, limits) for _flaw, entry in used)
    values: dict[str, str | int] = {
        "package": short(update.package),
        "installed": short(update.installed),
        "fixed": short(update.fixed or "-"),
        "flaws": listed(flaw.id for flaw, _entry in used),
        "due": str(due),
    }
    name = short(update.package)
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
        return min(entry.due, entry.added + timedelta(days=limits.ransomware_days))
    return entry.due


def due_date(update: MissingUpdate, exploited: KnownExploited, limits: OverdueLimits) -> date | None:
    """The last day to install it: so many days after the advisory, or the catalogue's date where it is earlier."""
    gravity = gravity_of(update)
    days = {Severity.CRITICAL: limits.critical_days, Severity.HIGH: limits.high_days}.get(
        gravity, limits.other_days
    )
    dates = [mend_by(entry, limits) for _flaw, entry in used_flaws(update, exploited)]
    if update.published is not None:
        dates.append(update.published + timedelta(days=days))
    return min(dates, default=None)


def stale_catalogue(exploited: KnownExploited, days: int) -> Verdict:
    return unknown(
        Reason.STALE_FEED,
        "The catalogue of known exploited vulnerabilities is of {date}, older than {days} days; bring a newer "
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
    return touched - {update.package for update in fixable(after) if not update.awaits_reboot}


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
