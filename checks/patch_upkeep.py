"""How a host is kept up to date, by its own word: no feed is needed, and either can be wrong, so that both count.

A mirror that is frozen offers nothing, and a feed that was not imported misses nothing. Days of a host's own doings
(when it last fetched its lists) are counted until it was looked at.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from pydantic import Field

from secscan.check import Limits, Verdict, check, failed, not_applicable, passed, unknown
from secscan.checks._missing import Name
from secscan.checks._words import called, day, identity, listed, named, short
from secscan.facts import (
    Gap,
    PackageFacts,
    PendingUpdate,
    Release,
    Repository,
    SystemFacts,
    UpdateFacts,
    known,
)
from secscan.model import Observation, Reason, Severity

#: Distributions whose security updates come from a suite of their own, so that one without it gets none. Elsewhere
#: (Red Hat and its like, SUSE, Alpine, Arch) they come from the same repositories as everything else.
SEPARATE_SECURITY = frozenset({"debian", "devuan", "linuxmint", "pop", "ubuntu", "zorin"})

#: Whose repositories bring no advisories, so that their package managers know of no update that it is for security.
WITHOUT_ERRATA = frozenset({"centos"})


class MetadataLimits(Limits):
    days: int = Field(
        default=7, ge=1, le=366, description="Most days since the host fetched its package lists."
    )


class LastChangeLimits(Limits):
    days: int = Field(
        default=60, ge=1, le=3660, description="Most days since anything was installed or updated."
    )


class ForeignLimits(Limits):
    allowed: frozenset[Name] = Field(
        default=frozenset(),
        description="Names of packages that may come from elsewhere; an asterisk at the end stands for any ending.",
    )


class HeldLimits(Limits):
    allowed: frozenset[Name] = Field(
        default=frozenset(),
        description="Names of packages that may be held; an asterisk at the end stands for any ending.",
    )


class ClockLimits(Limits):
    seconds: int = Field(
        default=30, ge=5, le=86400, description="Most seconds by which the host's clock may be off."
    )


@check("patch.pending-security", severity=Severity.HIGH)
def pending_security(system: Observation[SystemFacts], seen: Observation[UpdateFacts]) -> Iterator[Verdict]:
    """The host's own package manager has no security update waiting.

    Why: The host knows what it lacks and has not installed it. This needs no imported advisories; it knows only what
    the host's own lists say, and how old those are is another rule's matter (patch.metadata-age). Where the repositories
    do not tell which updates are for security (CentOS), any update that waits leaves the rule unknown.

    Fix: Install them (unattended-upgrade; dnf upgrade --security; zypper patch --category security; apk upgrade; on Windows,
    the updates it lists), and have them installed by themselves from now on.
    """
    pending = known(seen.facts.pending)
    waiting: dict[str, PendingUpdate] = {}
    for update in pending:
        if update.security is True:
            # One package of several architectures waits once.
            waiting.setdefault(identity(update.name), update)
    for name, update in waiting.items():
        yield failed(
            "{package} {installed} waits for {candidate} from {origin}; no security update is expected to wait.",
            object=name,
            package=short(update.name),
            installed=short(update.installed or "-"),
            candidate=short(update.candidate),
            origin=short(update.origin or "-"),
        )
    release = system.facts.release
    silent = isinstance(release, Gap) or release.id.lower() in WITHOUT_ERRATA
    unread = sorted(
        {
            update.name
            for update in pending
            if isinstance(update.security, Gap) or (silent and update.security is False)
        }
        - {update.name for update in waiting.values()}
    )
    if unread:
        yield unknown(
            Reason.NOT_COLLECTED,
            "Pending updates of which it could not be told whether they are for security: {packages} ({count}).",
            count=len(unread),
            packages=listed(unread),
        )
    elif not waiting:
        yield passed("No pending update is for security (pending: {count}).", count=len(pending))


@check("patch.metadata-age", severity=Severity.MEDIUM)
def metadata_age(seen: Observation[UpdateFacts], limits: MetadataLimits) -> Iterator[Verdict]:
    """The host fetched its package lists recently.

    Why: A host that does not look for updates finds none, and says that it is up to date. On Windows it is the last
    search for updates that counts.

    Fix: Look why the daily fetch fails (apt-get update, systemctl status apt-daily.timer; dnf makecache; on Windows,
    the service wuauserv and the address of WSUS). A host without a way out needs a mirror inside.
    """
    fetched = known(seen.facts.metadata_at)
    yield _recent(
        seen.observed_at,
        fetched,
        limits.days,
        passed("The package lists were fetched on {date}.", date=day(fetched)),
        failed(
            "The package lists were fetched on {date}, longer before the host was looked at than allowed (days: {days}). "
            "Look why it fetches none.",
            date=day(fetched),
            days=limits.days,
        ),
    )


@check("patch.last-change", severity=Severity.LOW)
def last_change(seen: Observation[UpdateFacts], limits: LastChangeLimits) -> Iterator[Verdict]:
    """Something was installed or updated on the host recently.

    Why: Every supported system gets security updates each month. One on which nothing was installed for longer is not
    updated, whatever else it says of itself.

    Fix: Look why updates are not installed: switched off, failing (/var/log/unattended-upgrades, dnf history, Windows
    Update's history), or no longer published for this release.
    """
    changed = known(seen.facts.changed_at)
    yield _recent(
        seen.observed_at,
        changed,
        limits.days,
        passed("Something was last installed or updated on {date}.", date=day(changed)),
        failed(
            "Nothing was installed or updated since {date}, longer before the host was looked at than allowed (days: {days}).",
            date=day(changed),
            days=limits.days,
        ),
    )


@check("patch.security-repository", severity=Severity.HIGH)
def security_repository(
    system: Observation[SystemFacts], seen: Observation[UpdateFacts]
) -> Iterator[Verdict]:
    """A repository that brings security updates is configured.

    Why: Debian, Ubuntu and their like publish security updates in a suite of their own; a host whose sources leave it
    out gets none until the next point release, and says that nothing is pending. Elsewhere they come from the same
    repositories as everything else: having none at all is what fails, and having only those of other makers is unknown.
    So are systems whose repositories are not known here, and a Debian that does not tell its version.

    Fix: Add it to the sources (Debian: deb http://security.debian.org/debian-security CODENAME-security main, or the
    mirror's copy of it; Ubuntu: CODENAME-security), on Red Hat register the host or enable the base repositories.
    """
    if system.facts.family == "windows":
        yield not_applicable("Windows has no package repositories.")
        return
    release = known(system.facts.release)
    repositories = known(seen.facts.repositories)
    security = [r for r in repositories if r.security is True]
    fitting = [r for r in security if not _is_of_another_release(r, release)]
    if not repositories:
        yield failed("No package repository is configured; one that brings security updates is expected.")
    elif release.id.lower() in SEPARATE_SECURITY:
        if fitting and (release.version or release.codename):
            yield passed("Security updates come from {repository}.", repository=short(_place(fitting[0])))
        elif security and not fitting:
            yield failed(
                "Security updates come from {repository}, which is of another release; one of {system} is expected.",
                repository=short(_place(security[0])),
                system=called(release),
            )
        elif not release.version:
            # Also Debian's unstable, whose security updates come with all others; any host can leave its version out.
            yield _not_own(release, repositories)
        else:
            for repository in repositories:
                known(repository.security)
            yield failed(
                "No repository brings security updates; one that does is expected. Configured: {repositories} ({count}).",
                count=len(repositories),
                repositories=listed(_place(r) for r in repositories),
            )
    elif _has_own(release, repositories):
        yield passed(
            "{system} gets security updates from its ordinary repositories: {repositories}.",
            system=called(release),
            repositories=listed(_place(r) for r in repositories),
        )
    else:
        yield _not_own(release, repositories)


def _not_own(release: Release, repositories: Sequence[Repository]) -> Verdict:
    return unknown(
        Reason.NOT_COLLECTED,
        "It can't be told whether any repository brings security updates of {system}: {repositories} ({count}).",
        count=len(repositories),
        system=called(release),
        repositories=listed(_place(r) for r in repositories),
    )


def _is_of_another_release(repository: Repository, release: Release) -> bool:
    """Debian's and Ubuntu's suites bear the code name: ``bullseye-security`` on bookworm brings nothing of use."""
    named_after = re.split(r"[-/]", repository.suite)[0]
    return (
        release.id.lower() in ("debian", "ubuntu")
        and bool(release.codename and named_after)
        and named_after != release.codename
        and named_after not in ("stable", "oldstable", "oldoldstable")
    )


#: Where security updates come from, in ids or addresses: of Enterprise Linux the base, of Alpine the main repository.
_OWN = {
    **dict.fromkeys(
        ("almalinux", "centos", "ol", "rhel", "rocky"), r"baseos|base\b|server-rpms|ol\d+_latest"
    ),
    "alpine": r"/main/?$",
    "amzn": r"amzn|amazonlinux",
    "arch": r"^core$",
    "fedora": r"^fedora$|^updates$",
    **dict.fromkeys(("opensuse-leap", "opensuse-tumbleweed", "sled", "sles", "sles_sap"), r"suse|^sle"),
}


def _has_own(release: Release, repositories: Iterable[Repository]) -> bool:
    """Whether one of them is the distribution's; of distributions whose repositories are not known, none is."""
    mark = _OWN.get(release.id.lower())
    return mark is not None and any(
        re.search(mark, text, re.IGNORECASE) for r in repositories for text in (r.suite, r.address)
    )


@check("patch.automatic-updates", severity=Severity.LOW)
def automatic_updates(seen: Observation[UpdateFacts]) -> Iterator[Verdict]:
    """Security updates install themselves.

    Why: Between an advisory and the first attacks lie days, and between two maintenance windows weeks. What installs
    itself at night is mended before anybody has read of it. Where updates are rolled out by other means, what counts is
    that none is missing; then waive this rule.

    Fix: Switch them on, at least for security (Debian and Ubuntu: dpkg-reconfigure unattended-upgrades; Red Hat:
    dnf-automatic with upgrade_type = security; SUSE: yast2 online_update_configuration; Windows: the policy
    Configure Automatic Updates).
    """
    if known(seen.facts.automatic):
        yield passed("Security updates install themselves.")
    else:
        yield failed("Automatic updates are off; security updates are expected to install themselves.")


# --- What no update reaches -----------------------------------------------------------------------------------


@check("patch.foreign-packages", severity=Severity.LOW)
def foreign_packages(seen: Observation[PackageFacts], limits: ForeignLimits) -> Iterator[Verdict]:
    """Every installed package comes from a repository that is configured.

    Why: What was installed from a file, or left over from an older release, gets no updates, and no advisory speaks of
    it. What is installed on purpose can be allowed by the baseline.

    Fix: Remove what nobody needs (apt list '?obsolete'; dnf list --extras; zypper packages --orphaned), and bring the rest
    from a repository, if need be one of your own.
    """
    foreign = known(seen.facts.foreign)
    others = [name for name in foreign if not named(name, limits.allowed)]
    if others:
        yield failed(
            "Packages that come from no configured repository and get no updates: {packages} ({count}).",
            count=len(others),
            packages=listed(others),
        )
    elif foreign:
        yield passed("What comes from elsewhere is allowed to (packages: {count}).", count=len(foreign))
    else:
        yield passed(
            "Every package comes from a configured repository (packages: {count}).",
            count=len(seen.facts.packages),
        )


@check("patch.held-packages", severity=Severity.MEDIUM)
def held_packages(seen: Observation[PackageFacts], limits: HeldLimits) -> Iterator[Verdict]:
    """No package is kept from being updated.

    Why: A package that is held stays as it is when its next flaw is published, and nobody remembers why it was held. What
    must be held can be allowed by the baseline.

    Fix: Release it (apt-mark unhold; dnf versionlock delete; zypper removelock; IgnorePkg in pacman.conf) and update it,
    or write down why it must stay and when that ends.
    """
    held = known(seen.facts.held)
    others = [name for name in held if not named(name, limits.allowed)]
    if others:
        yield failed(
            "Packages that are held and get no updates: {packages} ({count}).",
            count=len(others),
            packages=listed(others),
        )
    elif held:
        yield passed("What is held is allowed to be (packages: {count}).", count=len(held))
    else:
        yield passed("No package is held.")


# --- The clock ------------------------------------------------------------------------------------------------


@check("patch.clock", severity=Severity.MEDIUM)
def clock(seen: Observation[SystemFacts], limits: ClockLimits) -> Iterator[Verdict]:
    """The host's clock is right.

    Why: Logs of hosts whose clocks differ can't be put in order after a break-in, certificates and package lists are taken
    for expired or not, and Kerberos lets nobody in (by default from five minutes on; RFC 4120, section 8.2). It is compared with the
    scanner's clock, to the next five seconds.

    Fix: Keep it by the network (timedatectl set-ntp true, chrony; on Windows, w32tm), from servers inside where there is
    no way out.
    """
    offset = known(seen.facts.clock_offset)
    if abs(offset) <= limits.seconds:
        yield passed("Its clock is off by {seconds} s.", seconds=offset)
    else:
        yield failed(
            "Its clock is off by {seconds} s; at most {most} s are expected.",
            seconds=offset,
            most=limits.seconds,
        )


@check("patch.clock-synchronised", severity=Severity.LOW)
def clock_synchronised(seen: Observation[SystemFacts]) -> Iterator[Verdict]:
    """The host keeps its clock by the network.

    Why: A clock that nobody sets drifts by seconds a week and is wrong when it matters. That it is right today says
    nothing of next month.

    Fix: Switch on a time service (timedatectl set-ntp true, chrony; on Windows, w32tm /config with a server), from
    servers inside where there is no way out.
    """
    if known(seen.facts.clock_synchronised):
        yield passed("It keeps its clock by the network.")
    else:
        yield failed("It does not keep its clock by the network; a time service is expected.")


# --- How it is told ---------------------------------------------------------------------------------------------


#: By how much a host's instants may lie ahead of the look: clocks differ, and looking takes some minutes.
_AHEAD = timedelta(hours=1)


def _recent(observed_at: datetime, then: datetime, days: int, good: Verdict, bad: Verdict) -> Verdict:
    """``good`` where ``then`` lies at most so many days before the look."""
    if then - observed_at > _AHEAD:
        return unknown(
            Reason.CONTRADICTORY,
            "It gives {date}, which is after it was looked at: its clock is or was wrong.",
            date=day(then),
        )
    return bad if observed_at - then > timedelta(days=days) else good


def _place(repository: Repository) -> str:
    return " ".join(filter(None, (repository.address, repository.suite)))
