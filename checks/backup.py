"""Whether a host's data would survive its loss: a ladder from "something makes backups" to "a restore was tested".

Eleven rules are the rungs of the ladder (``secscan.ladder`` puts them in order). They judge a backup, not a job: what
counts is a run that is there and complete by the tool's own word, and never that a timer fired or a file is new.

*Which backup counts.* Where the inventory declares backups of a host, each of them must pass every rung, and what is
not declared plays no part: so declare the copy that is to survive, not every copy. Where it declares none, the host
is judged by the best backup that was found, the same one on all rungs, and ``backup.declared`` fails mildly. Backups
that other hosts keep of this one count like those it shows itself. Which one is best goes by fixed measures (whether
it still runs, lies on another host, is append-only, encrypted, checked, started by something), not by the limits of
a baseline.

*What was not read.* A reading that is missing leaves its rung unknown. That there is no backup, or no better one, can
only be said where everything was read: while there are unread traces on the host, a missing backup is unknown. Of
several candidates, every one that could be the best has a say. Reading less therefore never makes a failure pass.

*Observed and attested.* Evidence says which. Sites and restore tests are attested by people in the inventory; all
else is observed. A declared ``immutable`` or ``keep`` is a demand, and no evidence.

Ages are counted until the host was looked at, by the host's clock set right; those of restore tests until the
instant of judging.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from pydantic import Field

from secscan.check import Limits, Verdict, check, failed, not_applicable, passed, unknown
from secscan.checks._backup_case import (
    Candidate,
    Case,
    Rung,
    age,
    climb,
    label,
    not_read,
    one_for_each_object,
    own,
    told,
)
from secscan.checks._backup_places import shares_disk
from secscan.checks._backup_rungs import (
    ContentLimits,
    IntegrityLimits,
    RecentLimits,
    RestoreLimits,
    RetentionLimits,
    SiteLimits,
    SizeLimits,
    is_checked,
    is_complete,
    is_encrypted,
    is_immutable,
    is_in_band,
    is_off_host,
    is_off_site,
    is_recent,
    is_restored,
    is_retained,
    is_scheduled,
)
from secscan.checks._words import listed, short
from secscan.facts import BackupFacts, Gap, MountFacts, PlaceKind, ScheduleFacts, SystemFacts, known
from secscan.model import Host, Observation, Reason, Severity, Unobserved
from secscan.reference import HeldBackups

#: A host that lists its unread traces by the hundred has one cause for all of them.
_MOST_UNREAD = 20


class LockLimits(Limits):
    hours: int = Field(default=24, ge=1, le=8784, description="Most hours for which a lock may be held.")


class JobLimits(Limits):
    hours: int = Field(default=24, ge=1, le=8784, description="Most hours that a run may take.")


# --- 1 to 5: it is made, and whole ----------------------------------------------------------------------


@check("backup.scheduled", severity=Severity.HIGH)
def scheduled(
    seen: Observation[BackupFacts] | Unobserved,
    system: Observation[SystemFacts] | Unobserved,
    schedule: Observation[ScheduleFacts] | Unobserved,
    held: HeldBackups,
    host: Host,
    at: datetime,
) -> Iterator[Verdict]:
    """A backup of the host is made by itself.

    Why: What somebody has to think of is forgotten in the week in which it is needed. A timer that is enabled or a line
    of cron is looked for; where nothing may be read, or another machine starts it, runs that come regularly and
    still do are as good.

    Fix: Install a backup tool and start it by a systemd timer or by cron. Where a backup server starts it, scan that
    server too, or declare in the inventory which backup on it is this host's.
    """
    case = Case(host, seen, system, held, at)
    yield from climb(case, lambda candidate, _: is_scheduled(candidate, schedule))


@check("backup.recent", severity=Severity.CRITICAL)
def recent(
    seen: Observation[BackupFacts] | Unobserved,
    system: Observation[SystemFacts] | Unobserved,
    held: HeldBackups,
    host: Host,
    limits: RecentLimits,
    at: datetime,
) -> Iterator[Verdict]:
    """The last backup that succeeded is within the recovery point.

    Why: Whatever was written since the last good run is lost with the host. A timer that fires, a unit that failed, a
    file with a new date or a run that holds nothing is no backup; the tool's own record of what is complete counts,
    by the host's clock set right.

    Fix: Read why the last run failed (systemctl status, the tool's log), mend it, run it once by hand, and have
    somebody told when it fails again.
    """
    case = Case(host, seen, system, held, at)
    yield from climb(case, lambda candidate, declared: is_recent(candidate, declared, limits))


@check("backup.size-band", severity=Severity.HIGH)
def size_band(
    seen: Observation[BackupFacts] | Unobserved,
    system: Observation[SystemFacts] | Unobserved,
    held: HeldBackups,
    host: Host,
    limits: SizeLimits,
    at: datetime,
) -> Iterator[Verdict]:
    """The newest backup is about as big as those before it.

    Why: A run that shrinks to a fraction is the first sign of data that was destroyed or encrypted, of a disk that was
    not mounted, or of a dump that broke off. Bytes and files are held against the median of up to ten runs before it.
    Growth beyond all measure fails mildly. With fewer than four runs there is no trend, unless the inventory gives
    a minimum.

    Fix: Compare the newest run with one of last week before anything is pruned. Where data really became less, the
    rule passes by itself after a few runs.
    """
    case = Case(host, seen, system, held, at)
    yield from climb(case, lambda candidate, declared: is_in_band(candidate, declared, limits))


@check("backup.complete", severity=Severity.HIGH)
def complete(
    seen: Observation[BackupFacts] | Unobserved,
    system: Observation[SystemFacts] | Unobserved,
    mounts: Observation[MountFacts] | Unobserved,
    held: HeldBackups,
    host: Host,
    limits: ContentLimits,
    at: datetime,
) -> Iterator[Verdict]:
    """The backup includes what it must contain.

    Why: A backup of the wrong directory runs as well as one of the right. What the inventory names must be included,
    must not be left out by a pattern, and the file system that belongs there must be mounted. While nobody says what
    must be contained, the rule is unknown.

    Fix: Name in the inventory, in must_contain, the paths and databases that the service can't do without, and include
    them in the job. Mount what is missing, and have the job refuse to run while it is.
    """
    case = Case(host, seen, system, held, at)
    yield from climb(case, lambda candidate, declared: is_complete(candidate, declared, mounts, limits))


@check("backup.retention", severity=Severity.MEDIUM)
def retention(
    seen: Observation[BackupFacts] | Unobserved,
    system: Observation[SystemFacts] | Unobserved,
    held: HeldBackups,
    host: Host,
    limits: RetentionLimits,
    at: datetime,
) -> Iterator[Verdict]:
    """Backups are kept as long as required.

    Why: Damage is often noticed weeks after it was done; if only the last few runs are kept, all of them hold it.
    Either runs go back as far as required, or the tool is told to keep them so long by days, weeks, months or
    years. A number of runs is no length of time.

    Fix: Have the tool keep daily, weekly and monthly runs that reach back far enough (restic forget --keep-daily,
    borg prune --keep-daily, repo1-retention-full-type=time for pgBackRest).
    """
    case = Case(host, seen, system, held, at)
    yield from climb(case, lambda candidate, declared: is_retained(candidate, declared, limits))


# --- 6 to 9: it survives the host, and an intruder ---------------------------------------------------------


@check("backup.off-host", severity=Severity.HIGH)
def off_host(
    seen: Observation[BackupFacts] | Unobserved,
    system: Observation[SystemFacts] | Unobserved,
    held: HeldBackups,
    host: Host,
    at: datetime,
) -> Iterator[Verdict]:
    """The backup lies on another host.

    Why: Fire, theft, a broken controller and whoever takes over the host all reach what lies on it. Symbolic links are
    followed to where they lead, and an address that leads back to the host is the host. A snapshot on the same file
    system is no backup.

    Fix: Send the backup to another machine, best to one that fetches it and that this host can't log into.
    """
    case = Case(host, seen, system, held, at)
    yield from climb(case, lambda candidate, _: is_off_host(candidate, host))


@check("backup.off-site", severity=Severity.MEDIUM)
def off_site(
    seen: Observation[BackupFacts] | Unobserved,
    system: Observation[SystemFacts] | Unobserved,
    held: HeldBackups,
    host: Host,
    limits: SiteLimits,
    at: datetime,
) -> Iterator[Verdict]:
    """The backup lies at another site.

    Why: A fire or a flood takes the whole room, and an intruder in the network most of what is in it. That a backup
    goes to a target is observed; that the target is at another site only people know, so it is attested by the
    inventory.

    Fix: Keep a copy at another site, and name its host in the inventory, in off_site, as the backup tool addresses it.
    """
    case = Case(host, seen, system, held, at)
    yield from climb(case, lambda candidate, declared: is_off_site(candidate, declared, host, limits))


@check("backup.immutable", severity=Severity.HIGH)
def immutable(
    seen: Observation[BackupFacts] | Unobserved,
    system: Observation[SystemFacts] | Unobserved,
    held: HeldBackups,
    host: Host,
    at: datetime,
) -> Iterator[Verdict]:
    """Who makes the backup can't delete or change it.

    Why: Who extorts money deletes the backups first, with the keys found on the host. Append-only repositories, object
    locks and snapshots that only the backup server can remove survive that. That the inventory wants it is no
    evidence; it must be seen.

    Fix: Serve the repository append-only (borg serve --append-only, rest-server --append-only), lock objects in the
    store, or have the backup server fetch and keep what the host can't reach.
    """
    case = Case(host, seen, system, held, at)
    yield from climb(case, lambda candidate, _: is_immutable(candidate))


@check("backup.encrypted", severity=Severity.MEDIUM)
def encrypted(
    seen: Observation[BackupFacts] | Unobserved,
    system: Observation[SystemFacts] | Unobserved,
    held: HeldBackups,
    host: Host,
    at: datetime,
) -> Iterator[Verdict]:
    """The backup is encrypted.

    Why: A backup holds everything that the host protects, and is copied to places that protect it less.

    Fix: Make the repository with encryption, and keep its key where neither the host's loss nor the repository's takes
    it along. For plain dumps: age or gpg to a key that is not on the host.
    """
    case = Case(host, seen, system, held, at)
    yield from climb(case, lambda candidate, _: is_encrypted(candidate))


# --- 10 and 11: it can be read again -----------------------------------------------------------------------


@check("backup.integrity-checked", severity=Severity.MEDIUM)
def integrity_checked(
    seen: Observation[BackupFacts] | Unobserved,
    system: Observation[SystemFacts] | Unobserved,
    held: HeldBackups,
    host: Host,
    limits: IntegrityLimits,
    at: datetime,
) -> Iterator[Verdict]:
    """An integrity check of the backup ended well not long ago.

    Why: Disks rot in silence, and a repository that can't be read is found out on the day it is needed.

    Fix: Have the tool check what it has stored by the clock (restic check, borg check, pgbackrest verify).
    """
    case = Case(host, seen, system, held, at)
    yield from climb(case, lambda candidate, _: is_checked(candidate, limits))


@check("backup.restore-tested", severity=Severity.HIGH)
def restore_tested(
    seen: Observation[BackupFacts] | Unobserved,
    system: Observation[SystemFacts] | Unobserved,
    held: HeldBackups,
    host: Host,
    limits: RestoreLimits,
    at: datetime,
) -> Iterator[Verdict]:
    """A restore from the backup was tested not long ago.

    Why: Only a restore proves a backup: that the key is at hand, that all parts are there, and how long it takes. No
    scanner can see that; the inventory holds who attests it, when, and by what evidence.

    Fix: Restore the service on another machine, write down how long it took and what was missing, and enter the test
    in the inventory, in [[host.backup.restore_test]].
    """
    case = Case(host, seen, system, held, at)
    yield from climb(case, lambda candidate, declared: is_restored(candidate, declared, limits, at))


# --- Beside the ladder --------------------------------------------------------------------------------------


@check("backup.declared", severity=Severity.LOW)
def declared(seen: Observation[BackupFacts] | Unobserved, host: Host) -> Iterator[Verdict]:
    """The inventory says which backup of the host there must be.

    Why: Without it nobody has said what must survive, and a job that vanishes leaves nothing that is missed.

    Fix: Add a table [[host.backup]] to the host in the inventory: tool or path, must_contain, recovery_point, keep,
    off_site.
    """
    if host.backups:
        yield passed("The inventory declares {count} backups of this host.", count=len(host.backups))
        return
    found = seen.facts.backups if isinstance(seen, Observation) else ()
    if isinstance(found, Gap) or not found:
        yield failed("The inventory declares no backup of this host.")
    else:
        names = listed(f"{backup.tool} {backup.name}" for backup in found)
        yield failed("The inventory declares no backup of this host; found on it: {names}.", names=names)


@check("backup.job-failing", severity=Severity.HIGH)
def job_failing(
    seen: Observation[BackupFacts],
    schedule: Observation[ScheduleFacts] | Unobserved,
    system: Observation[SystemFacts] | Unobserved,
    host: Host,
    limits: JobLimits,
    at: datetime,
) -> Iterator[Verdict]:
    """No backup job of the host failed the last time it ran.

    Why: A timer that is enabled and fires every night looks well, and the unit that it starts may fail every night.
    The last good run stays within the recovery point for some hours; the failure is known at once.

    Fix: Read the unit's or the tool's log, mend the cause, and run the job once by hand.
    """
    yield from _each_own(
        Case(host, seen, system, HeldBackups(), at),
        lambda candidate, _: _last_attempt(candidate, schedule, limits),
    )


@check("backup.lock-stuck", severity=Severity.MEDIUM)
def lock_stuck(
    seen: Observation[BackupFacts],
    system: Observation[SystemFacts] | Unobserved,
    host: Host,
    limits: LockLimits,
    at: datetime,
) -> Iterator[Verdict]:
    """No backup repository stays locked.

    Why: A run that was killed leaves its lock behind, and every run after it waits or gives up.

    Fix: Make sure that nothing runs, then remove the lock (restic unlock, borg break-lock) and run the job by hand.
    """
    yield from _each_own(
        Case(host, seen, system, HeldBackups(), at), lambda candidate, _: _lock(candidate, limits)
    )


@check("backup.own-disk", severity=Severity.HIGH)
def own_disk(
    seen: Observation[BackupFacts],
    mounts: Observation[MountFacts] | Unobserved,
    system: Observation[SystemFacts] | Unobserved,
    host: Host,
    at: datetime,
) -> Iterator[Verdict]:
    """No backup lies on a disk that it is to save.

    Why: When the disk goes, both go. Another partition of a disk is the same disk; which disks lie below device mapper,
    RAID and ZFS the devices' names don't tell, so there the rule is unknown.

    Fix: Move the repository to another disk, or better to another host.
    """
    yield from _each_own(
        Case(host, seen, system, HeldBackups(), at), lambda candidate, _: _disk(candidate, mounts)
    )


@check("backup.unread", severity=Severity.LOW)
def unread(seen: Observation[BackupFacts]) -> Iterator[Verdict]:
    """All traces of backups on the host could be read and understood.

    Why: What could not be read may be the best backup, or one that has failed for months. Each trace is named with what
    would allow exactly its reading.

    Fix: Allow the account exactly the reading that is named, and nothing else.
    """
    traces = seen.facts.unread
    if isinstance(seen.facts.backups, Gap):
        yield not_read(seen.facts.backups, "-")
        return
    if not traces:
        yield passed("Every trace of a backup that was found could be read.")
    verdicts = []
    for trace in traces[:_MOST_UNREAD]:
        object = label(f"{trace.tool} {trace.what}".strip())
        values: dict[str, str | int] = {
            "what": short(trace.what),
            "detail": (trace.detail or trace.reason.value)[:300],
        }
        if trace.access:
            verdicts.append(
                unknown(
                    trace.reason,
                    "{what} was not read: {detail}. This would allow it: {access}",
                    object=object,
                    access=trace.access[:300],
                    **values,
                )
            )
        else:
            verdicts.append(unknown(trace.reason, "{what} was not read: {detail}", object=object, **values))
    yield from one_for_each_object(verdicts)
    if len(traces) > _MOST_UNREAD:
        yield unknown(
            traces[_MOST_UNREAD].reason,
            "{count} more traces were not read.",
            count=len(traces) - _MOST_UNREAD,
        )


@check("backup.held-unmatched", severity=Severity.LOW)
def held_unmatched(seen: Observation[BackupFacts], held: HeldBackups, host: Host) -> Iterator[Verdict]:
    """Every backup that the host keeps is of a host of the inventory.

    Why: A backup that is nobody's is one that nobody looks after, or of a machine that the inventory has forgotten.
    Names must be those of the inventory, letter by letter; what several hosts are called is matched to none.
    Hosts of other agencies are only counted.

    Fix: Give the host that name in the inventory, declare the backup at its host with the key "on", or remove what
    nobody needs any more.
    """
    keeper = held.keepers.get(host.id)
    known(seen.facts.backups)
    if keeper is None or not (keeper.own or keeper.foreign or keeper.unmatched or keeper.foreign_unmatched):
        yield not_applicable("The host keeps no backups of others.")
    elif keeper.unmatched or keeper.foreign_unmatched:
        yield failed(
            "It keeps backups of {names}, and of {count} machines that several agencies' hosts could be, which are "
            "matched to no host.",
            names=listed(keeper.unmatched) or "-",
            count=keeper.foreign_unmatched,
        )
    else:
        yield passed(
            "It keeps {own} backups of hosts of its agency, and {foreign} of hosts of other agencies.",
            own=keeper.own,
            foreign=keeper.foreign,
        )


# --- One backup at a time -------------------------------------------------------------------------------------


def _each_own(case: Case, rung: Rung) -> Iterator[Verdict]:
    """A verdict on each backup that the host shows of itself, the best or not."""
    if isinstance(case.seen, Observation):
        known(case.seen.facts.backups)
    candidates = own(case)
    if not candidates:
        yield not_applicable("No backup of the host was found on it.")
    yield from one_for_each_object(
        replace(told(rung, candidate, None, case.at), object=candidate.label) for candidate in candidates
    )


def _last_attempt(
    candidate: Candidate, schedule: Observation[ScheduleFacts] | Unobserved, limits: JobLimits
) -> Verdict:
    attempt, name = candidate.backup.attempt, candidate.shown
    if isinstance(attempt, Gap):
        # That a unit ended well says little of what it ran; that it failed is enough.
        broken = _failed_timer(candidate, schedule)
        return broken if broken is not None else not_read(attempt, name)
    date = attempt.at.isoformat(timespec="seconds")
    if attempt.succeeded is False:
        return failed(
            "{backup}: its last run, of {date}, failed: {said}",
            backup=name,
            date=date,
            said=attempt.said[:200] or "-",
        )
    if attempt.succeeded:
        return passed("{backup}: its last run, of {date}, succeeded (observed).", backup=name, date=date)
    if age(candidate, attempt.at) > timedelta(hours=limits.hours):
        return failed(
            "{backup}: a run that began on {date} has not ended; {hours} hours are allowed.",
            backup=name,
            date=date,
            hours=limits.hours,
        )
    return passed("{backup}: a run began on {date} and goes on (observed).", backup=name, date=date)


def _failed_timer(candidate: Candidate, schedule: Observation[ScheduleFacts] | Unobserved) -> Verdict | None:
    starters = candidate.backup.started_by
    if isinstance(schedule, Unobserved) or isinstance(starters, Gap):
        return None
    timers = schedule.facts.timers
    if isinstance(timers, Gap):
        return None
    wanted = {starter.removeprefix("timer ").removesuffix(".timer") for starter in starters}
    for timer in timers:
        if timer.name.removesuffix(".timer") not in wanted:
            continue
        if timer.result not in ("", "success") or timer.exit_status not in (None, 0):
            return failed(
                "{backup}: {timer} is enabled and fires, and {unit}, which it starts, fails ({result}).",
                backup=candidate.shown,
                timer=short(timer.name),
                unit=short(timer.unit),
                result=short(timer.result or str(timer.exit_status)),
            )
    return None


def _lock(candidate: Candidate, limits: LockLimits) -> Verdict:
    since = known(candidate.backup.locked_since)
    if since is None:
        return passed("{backup}: it is not locked (observed).", backup=candidate.shown)
    date = since.isoformat(timespec="seconds")
    if age(candidate, since) > timedelta(hours=limits.hours):
        return failed(
            "{backup}: it has been locked since {date}; {hours} hours are allowed.",
            backup=candidate.shown,
            date=date,
            hours=limits.hours,
        )
    return passed("{backup}: it is locked since {date} (observed).", backup=candidate.shown, date=date)


def _disk(candidate: Candidate, mounts: Observation[MountFacts] | Unobserved) -> Verdict:
    place = known(candidate.backup.place)
    if place.kind is not PlaceKind.LOCAL:
        return passed("{backup}: it lies on no disk of this host (observed).", backup=candidate.shown)
    if isinstance(mounts, Unobserved):
        return not_read(Gap(mounts.reason, mounts.detail), candidate.shown)
    shares, device = shares_disk(candidate.backup, place, mounts.facts)
    if shares is None:
        return unknown(
            Reason.NOT_COLLECTED,
            "{backup}: it lies on {device}; which disks that is made of was not read.",
            backup=candidate.shown,
            device=short(device or "-"),
        )
    if shares:
        return failed(
            "{backup}: it lies on {device}, and so does what it is to save.",
            backup=candidate.shown,
            device=short(device),
        )
    return passed(
        "{backup}: it lies on {device}, and nothing that it saves does (observed).",
        backup=candidate.shown,
        device=short(device),
    )
