"""What a host lacks by the advisories that were imported, and whether its package manager offers it.

Advisories know nothing beyond their own date. Data that is older than the profile allows still proves what it shows: a
fix that was published then is missing today, and fails. It no longer shows that nothing else is missing, so that nothing
passes by it: what would, is UNKNOWN(STALE_FEED). The same holds where the imported data leaves out some of what the host
gets packages from (UNKNOWN(NOT_COLLECTED)). Predictions alone prove nothing once they are old: they are about the thirty
days that followed.

Days of the world's (a feed's age, a date by which to mend) count until the instant of judging.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from pydantic import Field

from secscan.check import Verdict, check, failed, passed, unknown
from secscan.checks._missing import (
    ExploitedLimits,
    FeedLimits,
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
    nameless,
    offered_of,
    stale_catalogue,
    used_flaws,
)
from secscan.checks._words import day, identity, listed
from secscan.facts import (
    Gap,
    PackageFacts,
    SystemFacts,
    UpdateFacts,
    known,
)
from secscan.model import Observation, Reason, Severity
from secscan.reference import Advisories, EndOfLife, ExploitPrediction, KnownExploited, MissingUpdate


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
