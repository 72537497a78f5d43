"""What a host lacks and how it is kept up to date: its release, its updates, its kernel, its clock.

Some checks hold what is installed against advisories that were imported; they know nothing beyond the date of those.
The others need no feed: they judge what the host says of itself. Where both speak, both count, for either can be
wrong: a mirror that is frozen offers nothing, and a feed that was not imported misses nothing.

Imported data that is older than the profile allows still proves what it shows: a fix that was published then is missing
today, and fails. It no longer shows that nothing else is missing, so that nothing passes by it: what would, is
UNKNOWN(STALE_FEED). The same holds where the imported data leaves out some of what the host gets packages from
(UNKNOWN(NOT_COLLECTED)). Predictions alone prove nothing once they are old: they are about the thirty days that followed.

Days of a host's own doings (when it last fetched its lists) are counted until it was looked at; days of the world's
(a feed's age, an end of life, a date by which to mend) until the instant of judging.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from pydantic import Field

from secscan.check import Limits, Verdict, check, failed, not_applicable, passed, unknown
from secscan.checks._kernel_release import age_key, flavour, is_rescue
from secscan.checks._missing import (
    ExploitedLimits,
    FeedLimits,
    Name,
    OverdueLimits,
    by_package,
    compare,
    due_date,
    exploited_verdict,
    facts_of,
    fixable,
    gravity_of,
    is_stale,
    lacks,
    last_day,
    nameless,
    offered_of,
    stale_catalogue,
    used_flaws,
)
from secscan.checks._words import called, day, identity, listed, named, short
from secscan.facts import (
    Gap,
    Kernel,
    PackageFacts,
    PendingUpdate,
    Release,
    Repository,
    SystemFacts,
    UpdateFacts,
    known,
)
from secscan.model import Observation, Reason, Severity
from secscan.reference import Advisories, EndOfLife, ExploitPrediction, KnownExploited, MissingUpdate

#: Distributions whose security updates come from a suite of their own, so that one without it gets none. Elsewhere
#: (Red Hat and its like, SUSE, Alpine, Arch) they come from the same repositories as everything else.
SEPARATE_SECURITY = frozenset({"debian", "devuan", "linuxmint", "pop", "ubuntu", "zorin"})

#: Distributions without releases, by their id in os-release(5).
ROLLING = frozenset({"arch", "opensuse-tumbleweed"})

#: Whose repositories bring no advisories, so that their package managers know of no update that it is for security.
WITHOUT_ERRATA = frozenset({"centos"})

# --- Limits -------------------------------------------------------------------------------------------


class EndOfLifeLimits(Limits):
    table_days: int = Field(
        default=400,
        ge=1,
        le=3660,
        description="Days after which the dates of end of life no longer tell anything, and the rule is unknown.",
    )


class EndOfLifeSoonLimits(EndOfLifeLimits):
    days: int = Field(
        default=180, ge=1, le=1830, description="Days before the end from which the rule fails."
    )


class LikelihoodLimits(FeedLimits):
    percent: int = Field(
        default=10,
        ge=1,
        le=100,
        description="Highest probability, in percent, that a flaw is used within 30 days.",
    )


class OfferedLimits(FeedLimits):
    grace_days: int = Field(
        default=7, ge=0, le=366, description="Days that a mirror may take to have what was published."
    )


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


# --- How long the system is looked after ----------------------------------------------------------------


@check("patch.end-of-life", severity=Severity.CRITICAL)
def end_of_life(
    seen: Observation[SystemFacts], dates: EndOfLife, limits: EndOfLifeLimits, at: datetime
) -> Iterator[Verdict]:
    """The operating system's release still gets security updates.

    Why: After its end of life nobody mends a release, while every flaw found in its successors is a hint how to
    break into it. The use of software without support is the first of CISA's Bad Practices, "dangerous", and "especially
    egregious" where the Internet reaches it. Paid support (ESM, EUS, ESU) counts where the host says that it takes part;
    free long-term support always counts.

    Fix: Move to a release that is supported (do-release-upgrade; on Debian, the release notes' chapter on upgrades;
    leapp on Red Hat), or install anew and move the service. Until then, cut the host off from all that does not need it.
    """
    told = _support(seen.facts, dates, limits, at)
    if isinstance(told, Verdict):
        yield told
        return
    name, ends = told
    if ends is None:
        yield passed("{system} has no known end of life.", system=name)
    elif at.date() > ends:
        yield failed(
            "{system} got its last security updates on {date}; a release that still gets them is expected.",
            system=name,
            date=str(ends),
        )
    else:
        yield passed("{system} gets security updates until {date}.", system=name, date=str(ends))


@check("patch.end-of-life-soon", severity=Severity.MEDIUM)
def end_of_life_soon(
    seen: Observation[SystemFacts], dates: EndOfLife, limits: EndOfLifeSoonLimits, at: datetime
) -> Iterator[Verdict]:
    """The operating system's release gets security updates for longer than a move to the next takes.

    Why: Moving a service to a new release takes budget, tests and a window. Begun after the end of life, all of that
    happens while the host stands open.

    Fix: Plan the move now: which release, who tests, when. Where it can't be done in time, ask the vendor for extended
    support.
    """
    told = _support(seen.facts, dates, limits, at)
    if isinstance(told, Verdict):
        yield told
        return
    name, ends = told
    if ends is None:
        yield passed("{system} has no known end of life.", system=name)
    elif ends < at.date():
        yield failed(
            "{system} got its last security updates on {date}; an end yet to come is expected (days: more than {days}).",
            system=name,
            date=str(ends),
            days=limits.days,
        )
    elif (ends - at.date()).days <= limits.days:
        yield failed(
            "{system} gets its last security updates on {date}; a later end is expected (days: more than {days}).",
            system=name,
            date=str(ends),
            days=limits.days,
        )
    else:
        yield passed("{system} gets security updates until {date}.", system=name, date=str(ends))


def _support(
    system: SystemFacts, dates: EndOfLife, limits: EndOfLifeLimits, at: datetime
) -> tuple[str, date | None] | Verdict:
    """The release's name and the last day on which this host gets security updates, or why neither is known."""
    release = known(system.release)
    if release.id.lower() in ROLLING:
        return not_applicable(
            "{system} has no releases: it is updated for good, and patch.last-change tells whether it is.",
            system=called(release),
        )
    lifetime, as_of = dates.lifetime(release), dates.as_of(release)
    if lifetime is None or as_of is None:
        return unknown(
            Reason.NOT_COLLECTED,
            "No date of end of life is known for {system}; bring endoflife.date's JSON of it and run: "
            "secscan feeds import FILE",
            system=called(release),
        )
    ends = last_day(release, dates)
    # Dates ahead are moved; of a release that had ended when the table was made, an old table still says so.
    if is_stale(as_of, limits.table_days, at) and (ends is None or ends >= as_of.date()):
        return unknown(
            Reason.STALE_FEED,
            "The dates of end of life are of {date}, older than allowed (days: {days}); by them {system} ends on {ends}. "
            "Bring newer ones and run: secscan feeds import FILE",
            date=day(as_of),
            days=limits.table_days,
            system=short(lifetime.name),
            ends=str(ends or "-"),
        )
    return short(lifetime.name), ends


# --- What the advisories say is missing -----------------------------------------------------------------


@check("patch.critical-updates", severity=Severity.CRITICAL)
def critical_updates(
    system: Observation[SystemFacts],
    seen: Observation[PackageFacts],
    updates: Observation[UpdateFacts],
    advisories: Advisories,
    dates: EndOfLife,
    limits: FeedLimits,
    at: datetime,
) -> Iterator[Verdict]:
    """No security update that mends a critical or high flaw is missing.

    Why: Flaws that are published are tried by everybody within days. What is installed is held against the
    distribution's own advisories, by its own rules for versions, so that fixes it carried back to an old version
    count as fixes. Of Windows this is unknown: it is judged by its last update, its last search and waiting reboots. One finding for each source package, as grave as its gravest flaw, rated by the distribution, or by
    CVSS where it rates nothing. A kernel that is installed and does not run yet mends nothing.

    Fix: Install the update (apt-get install --only-upgrade, dnf upgrade --security, zypper patch, apk upgrade) and restart
    what uses it; for a kernel, reboot.
    """
    compared = compare(system.facts, seen.facts, updates.facts, advisories, dates, limits, at)
    if isinstance(compared, Verdict):
        yield compared
        return
    found = [u for u in fixable(compared.missing) if gravity_of(u) >= Severity.HIGH]
    for update in found:
        yield lacks(update, compared.command)
    if doubt := compared.doubt or nameless(compared.missing):
        yield doubt
    elif not found:
        yield passed(
            "No package lacks a critical or high security update, by the advisories of {date} (packages: {count}).",
            count=len(seen.facts.packages),
            date=day(compared.as_of),
        )


@check("patch.other-updates", severity=Severity.MEDIUM)
def other_updates(
    system: Observation[SystemFacts],
    seen: Observation[PackageFacts],
    updates: Observation[UpdateFacts],
    advisories: Advisories,
    dates: EndOfLife,
    limits: FeedLimits,
    at: datetime,
) -> Iterator[Verdict]:
    """No other security update is missing.

    Why: Flaws that are harmless one by one are used one after another. What is installed is held against the
    distribution's own advisories. One finding for each source package whose gravest flaw is medium, low or not rated; what
    nobody rated counts as medium. Packages with a critical or high flaw are the rule patch.critical-updates'.

    Fix: Install the update with the next regular ones (apt-get upgrade, dnf upgrade --security, zypper patch, apk
    upgrade) and restart what uses it; for a kernel, reboot.
    """
    compared = compare(system.facts, seen.facts, updates.facts, advisories, dates, limits, at)
    if isinstance(compared, Verdict):
        yield compared
        return
    found = [u for u in fixable(compared.missing) if gravity_of(u) < Severity.HIGH]
    for update in found:
        yield lacks(update, compared.command)
    if compared.doubt is not None:
        yield compared.doubt
    elif not found:
        yield passed(
            "No package lacks a medium or lower security update, by the advisories of {date} (packages: {count}).",
            count=len(seen.facts.packages),
            date=day(compared.as_of),
        )


@check("patch.known-exploited", severity=Severity.CRITICAL)
def known_exploited(
    system: Observation[SystemFacts],
    seen: Observation[PackageFacts],
    updates: Observation[UpdateFacts],
    advisories: Advisories,
    exploited: KnownExploited,
    dates: EndOfLife,
    limits: ExploitedLimits,
    at: datetime,
) -> Iterator[Verdict]:
    """No vulnerability that is known to be exploited is present.

    Why: Of all published flaws few are ever used; these are (CISA's catalogue of known exploited vulnerabilities). The
    catalogue gives each a date by which US agencies must mend it (Binding Operational Directives 22-01 and, since June
    2026, 26-04); what ransomware uses is due sooner here. It fails as high until it is due, and as critical from then
    on. Flaws without a fix count as well, and those that only a paid channel mends.

    Fix: Install the update today and restart what uses it; for a kernel, reboot. Where there is none, take the program
    out of service or cut it off. Then look for signs that somebody was there first.
    """
    compared = compare(system.facts, seen.facts, updates.facts, advisories, dates, limits, at)
    if isinstance(compared, Verdict):
        yield compared
        return
    found = False
    for update in by_package(compared.missing):
        used = used_flaws(update, exploited)
        if used:
            found = True
            yield exploited_verdict(update, used, compared.command, limits, at)
    if is_stale(exploited.as_of, limits.feed_days, at):
        yield stale_catalogue(exploited, limits.feed_days)
    elif doubt := compared.doubt or nameless(compared.missing):
        yield doubt
    elif not found:
        yield passed(
            "No package has a flaw known to be exploited, by the catalogue of {date} (packages: {count}).",
            count=len(seen.facts.packages),
            date=day(exploited.as_of),
        )


@check("patch.exploit-likelihood", severity=Severity.HIGH)
def exploit_likelihood(
    system: Observation[SystemFacts],
    seen: Observation[PackageFacts],
    updates: Observation[UpdateFacts],
    advisories: Advisories,
    prediction: ExploitPrediction,
    dates: EndOfLife,
    limits: LikelihoodLimits,
    at: datetime,
) -> Iterator[Verdict]:
    """No vulnerability that is likely to be exploited soon is present.

    Why: EPSS (FIRST) says from what is seen on the Internet how likely each flaw is to be used within 30 days. What lies
    above one in ten comes before anything else, whatever its severity: a limit of secscan's own choice, and the baseline
    may set another. Flaws without a fix count as well.

    Fix: Install these updates first and restart what uses them; for a kernel, reboot. Where there is no fix, cut the
    program off from strangers.
    """
    compared = compare(system.facts, seen.facts, updates.facts, advisories, dates, limits, at)
    if isinstance(compared, Verdict):
        yield compared
        return
    if is_stale(prediction.as_of, limits.feed_days, at):
        yield unknown(
            Reason.STALE_FEED,
            "The exploit predictions are of {date}, older than allowed (days: {days}); bring newer ones and run: "
            "secscan feeds import FILE",
            date=day(prediction.as_of),
            days=limits.feed_days,
        )
        return
    found = False
    for update in by_package(compared.missing):
        rated = {f: prediction.probability.get(f.id, 0.0) for f in update.flaws}
        likely = sorted((f for f in rated if 100 * rated[f] > limits.percent), key=lambda f: -rated[f])
        if likely:
            found = True
            told: dict[str, Any] = {
                **facts_of(update, compared.command),
                "flaws": listed(f.id for f in likely),
                "percent": f"{100 * rated[likely[0]]:.1f}",
                "most": limits.percent,
            }
            yield failed(
                "{package} {installed} has {flaws}; the likeliest is used within 30 days with a probability of "
                "{percent} %, and at most {most} % are expected (fix: {fixed}).",
                object=identity(update.package),
                **told,
            )
    if doubt := compared.doubt or nameless(compared.missing):
        yield doubt
    elif not found:
        yield passed(
            "No package has a flaw likelier than {most} %, by the predictions of {date} (packages: {count}).",
            count=len(seen.facts.packages),
            most=limits.percent,
            date=day(prediction.as_of),
        )


@check("patch.overdue", severity=Severity.HIGH)
def overdue(
    system: Observation[SystemFacts],
    seen: Observation[PackageFacts],
    updates: Observation[UpdateFacts],
    advisories: Advisories,
    exploited: KnownExploited | None,
    dates: EndOfLife,
    limits: OverdueLimits,
    at: datetime,
) -> Iterator[Verdict]:
    """No security update is missing for longer than the baseline allows.

    Why: That an update of yesterday is missing tells nothing; that one of last spring is missing tells that nobody
    installs updates here. Days count from the advisory of each flaw, not from when it was noticed: 15 for critical and 30
    for high ones, 90 for all others. The first two are those of CISA's Binding Operational Directive 19-02 of 2019; its
    successor of June 2026 (26-04) counts by the risk and is stricter where it is high. Where the flaw is known to be
    exploited, the date of that catalogue holds if it is earlier; without the catalogue nothing that is missing passes.

    Fix: Install the update, then find out why it was not: automatic updates, a window that never came, a package that
    is held, a mirror that is frozen.
    """
    compared = compare(system.facts, seen.facts, updates.facts, advisories, dates, limits, at)
    if isinstance(compared, Verdict):
        yield compared
        return
    missing = fixable(compared.missing)
    found = False
    for update in missing:
        due = due_date(update, exploited, limits)
        if due is not None and at.date() > due:
            found = True
            yield failed(
                "{package} {installed} was due for {fixed} on {due}: {flaws}. Run: {fix}",
                object=identity(update.package),
                severity=min(max(gravity_of(update), Severity.MEDIUM), Severity.HIGH),
                due=str(due),
                **facts_of(update, compared.command),
            )
        elif due is None or update.published is None:
            found = True
            yield unknown(
                Reason.NOT_COLLECTED,
                "{package} {installed} lacks {fixed}; no advisory says since when.",
                object=identity(update.package),
                due=str(due or ""),
                **facts_of(update, compared.command),
            )
    if compared.doubt is not None:
        yield compared.doubt
    elif missing and exploited is None:
        yield unknown(
            Reason.NOT_COLLECTED,
            "Updates are missing, and whether they are due at once is not known: the catalogue of known exploited "
            "vulnerabilities was not imported. Bring CISA's known_exploited_vulnerabilities.json and run: "
            "secscan feeds import FILE",
        )
    elif missing and exploited is not None and is_stale(exploited.as_of, limits.feed_days, at):
        yield stale_catalogue(exploited, limits.feed_days)
    elif not found:
        yield passed("No security update is overdue, by the advisories of {date}.", date=day(compared.as_of))


@check("patch.updates-offered", severity=Severity.HIGH)
def updates_offered(
    system: Observation[SystemFacts],
    seen: Observation[PackageFacts],
    updates: Observation[UpdateFacts],
    advisories: Advisories,
    limits: OfferedLimits,
    at: datetime,
) -> Iterator[Verdict]:
    """The host's package manager offers every security update that the advisories say is missing.

    Why: A host whose mirror is frozen, or whose security repository is gone, sees nothing pending, and whoever asks it
    is told that all is well. What it would install now is held against what it lacks by the advisories. Packages that are
    held are left out, and what was published shortly before the host was looked at.

    Fix: Look where its packages come from (apt-cache policy, dnf repolist -v, zypper lr -u) and when that mirror was last
    synchronised; on an end-of-life release, no mirror helps.
    """
    compared = compare(system.facts, seen.facts, updates.facts, advisories, None, limits, at)
    if isinstance(compared, Verdict):
        yield compared
        return
    pending = known(updates.facts.pending)
    held = () if isinstance(seen.facts.held, Gap) else seen.facts.held
    until = updates.observed_at.date() - timedelta(days=limits.grace_days)
    expected: list[MissingUpdate] = []
    undated: list[MissingUpdate] = []
    for update in compared.missing:
        if not update.fixed or update.awaits_reboot or set(update.binaries) <= set(held):
            continue
        if update.published is not None:
            expected += [update] if update.published <= until else []
        elif compared.as_of.date() <= until:
            # Without a date it was published before the feed was made, at the latest.
            expected.append(update)
        else:
            undated.append(update)
    offered = offered_of(expected, seen.facts, pending, advisories, system.facts)
    lacking = [update for update in expected if update.package not in offered]
    maybe = offered_of(undated, seen.facts, pending, advisories, system.facts)
    unsure = [update for update in undated if update.package not in maybe]
    if lacking:
        yield failed(
            "Security updates that are missing and that the package manager does not offer: {packages} ({lacking} of {count}).",
            count=len(expected),
            lacking=len(lacking),
            packages=listed(u.package for u in lacking),
        )
    elif compared.doubt is not None:
        yield compared.doubt
    elif unsure:
        yield unknown(
            Reason.NOT_COLLECTED,
            "Not offered, and no advisory says since when they should be: {packages}.",
            packages=listed(u.package for u in unsure),
        )
    elif expected or undated:
        count = len(expected) + len(undated)
        yield passed("It offers every update that is missing by the advisories ({count}).", count=count)
    else:
        yield passed("By the advisories, no update is missing that it could offer.")


# --- What the host itself says of its updates -------------------------------------------------------------


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


# --- What is installed and not in use yet -----------------------------------------------------------------


@check("patch.reboot", severity=Severity.MEDIUM)
def reboot(seen: Observation[SystemFacts]) -> Iterator[Verdict]:
    """The system does not wait for a reboot.

    Why: Updates of the kernel, the C library and the init system are in use only after a reboot; until then the flaw is
    open, while every list says that it is mended.

    Fix: Reboot in the next window. Where windows are rare, ask for live patching (Livepatch, kpatch).
    """
    if not known(seen.facts.reboot_required):
        yield passed("It does not ask for a reboot.")
        return
    by = () if isinstance(seen.facts.reboot_packages, Gap) else seen.facts.reboot_packages
    if by:
        yield failed(
            "It asks for a reboot, because of {packages}; until then their updates are not in use. Reboot.",
            packages=listed(by),
        )
    else:
        yield failed("It asks for a reboot; until then updates that are installed are not in use. Reboot.")


@check("patch.running-kernel", severity=Severity.MEDIUM)
def running_kernel(seen: Observation[SystemFacts]) -> Iterator[Verdict]:
    """The kernel that runs is the newest of its flavour that is installed.

    Why: A kernel that was updated and not started mends nothing. Only kernels of one flavour are compared (generic with
    generic, not with rt or aws); rescue images don't count, and neither does a kernel that came from no package. Where
    no kernel is installed, as in a container, it is unknown.

    Fix: Reboot. If it comes back with the old kernel, look at the boot loader's default (grub-set-default, grubby
    --default-kernel).
    """
    if seen.facts.family == "windows":
        yield not_applicable("Windows has one kernel, which its updates replace.")
        return
    running = seen.facts.kernel
    installed = [kernel for kernel in known(seen.facts.kernels) if not is_rescue(kernel.release)]
    if not installed:
        # A container has none, and so has a host that hides them; nothing that is read tells the two apart.
        yield unknown(
            Reason.NOT_COLLECTED,
            "No installed kernel is told beside the one that runs, {running}. A container runs that of its host: waive "
            "this rule there.",
            running=short(running),
        )
        return
    itself = next((kernel for kernel in installed if kernel.release == running), None)
    if itself is not None and not itself.package:
        yield unknown(
            Reason.NOT_COLLECTED,
            "No package is known that the kernel that runs, {running}, comes from: nobody says what it lacks.",
            running=short(running),
        )
        return
    newest = _newest(running, installed)
    if newest is not None and age_key(newest.release) > age_key(running):
        yield failed(
            "The kernel {running} runs; installed is {newest}, which is expected to run. Reboot.",
            running=short(running),
            newest=short(newest.release),
        )
    elif is_rescue(running):
        yield failed(
            "A rescue kernel runs: {running}; an ordinary one is expected. Reboot into it.",
            running=short(running),
        )
    elif itself is None:
        yield unknown(
            Reason.CONTRADICTORY,
            "The kernel that runs, {running}, is not installed; installed are {installed}.",
            running=short(running),
            installed=listed(kernel.release for kernel in installed),
        )
    else:
        yield passed("The newest installed kernel runs: {running}.", running=short(running))


@check("patch.outdated-programs", severity=Severity.MEDIUM)
def outdated_programs(seen: Observation[SystemFacts]) -> Iterator[Verdict]:
    """No program runs on files that an update has replaced.

    Why: A program keeps the libraries it started with. After an update of OpenSSL a web server that was not restarted has
    the old flaw, while the package list says that it is mended. An ordinary account sees its own programs only;
    what could not be read leaves the rule unknown.

    Fix: Restart them (needrestart -r a; dnf needs-restarting -s; zypper ps -s), or reboot.
    """
    programs = known(seen.facts.outdated_programs)
    if programs:
        yield failed(
            "Programs that run on replaced files: {programs} ({count}). Restart them.",
            count=len(programs),
            programs=listed(programs),
        )
    else:
        yield passed("No program runs on files that were replaced.")


# --- What no update reaches -------------------------------------------------------------------------------


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


# --- The clock ----------------------------------------------------------------------------------------------


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


# --- Kernels ------------------------------------------------------------------------------------------------------


def _newest(running: str, installed: Iterable[Kernel]) -> Kernel | None:
    """The newest kernel from a package that can stand for the one that runs; a rescue kernel stands for any."""
    alike = [
        kernel
        for kernel in installed
        if kernel.package and (is_rescue(running) or flavour(kernel.release) == flavour(running))
    ]
    return max(alike, key=lambda kernel: age_key(kernel.release), default=None)


# --- Small things ---------------------------------------------------------------------------------------------------


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
