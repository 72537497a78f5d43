"""The rungs of the ladder, each a judgement of one backup. Evidence says what was observed and what is attested."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from pydantic import Field

from secscan.check import Limits, Verdict, failed, passed, unknown
from secscan.checks._backup_case import AHEAD, Candidate, age, is_empty, not_read, zoned
from secscan.checks._backup_places import (
    exclusion_of,
    is_covered,
    is_this_host,
    names_this_host,
    unmounted,
)
from secscan.checks._words import listed, short
from secscan.facts import (
    BackupRun,
    Gap,
    MountFacts,
    NotSeen,
    Place,
    PlaceKind,
    Retention,
    ScheduleFacts,
    known,
)
from secscan.model import DeclaredBackup, Host, Observation, Reason, Severity, Unobserved

#: Runs that a rhythm or a trend takes: the newest and three before it.
ENOUGH_RUNS = 4


# --- Limits -------------------------------------------------------------------------------------------


class RecentLimits(Limits):
    recovery_point_hours: int = Field(
        default=24,
        ge=1,
        le=8784,
        description="Most hours since the last backup that succeeded, where the inventory asks for nothing else.",
    )
    grace_hours: int = Field(
        default=2, ge=0, le=168, description="Hours that the next run may take or be late before it fails."
    )


class SizeLimits(Limits):
    shrink_percent: int = Field(
        default=50,
        ge=1,
        le=99,
        description="Most percent by which a run may be below the median of those before.",
    )
    growth_times: int = Field(
        default=10,
        ge=2,
        le=1000,
        description="Most times the median that a run may be; above, it fails mildly.",
    )
    smallest_bytes: int = Field(
        default=1024,
        ge=1,
        description="Least bytes that a backup can have, where the inventory asks for nothing else.",
    )


class ContentLimits(Limits):
    must_contain: frozenset[str] = Field(
        default=frozenset(),
        description="Paths, or `database NAME`, that every backup must hold where the inventory names none.",
    )


class RetentionLimits(Limits):
    keep_days: int = Field(
        default=30,
        ge=1,
        le=36600,
        description="Days back to which there must be a backup, where the inventory asks for nothing else.",
    )


class SiteLimits(Limits):
    sites: frozenset[str] = Field(
        default=frozenset(),
        description="Hosts and addresses that are known to be at another site, for backups whose off-site target "
        "the inventory does not name.",
    )


class IntegrityLimits(Limits):
    days: int = Field(default=30, ge=1, le=3660, description="Most days since an integrity check ended well.")


class RestoreLimits(Limits):
    days: int = Field(default=90, ge=1, le=3660, description="Most days since a restore was tested.")


# --- 1 to 5: it is made, and whole ----------------------------------------------------------------------


def is_scheduled(candidate: Candidate, schedule: Observation[ScheduleFacts] | Unobserved) -> Verdict:
    """Something starts it: a timer that is enabled, a line of cron, or what else keeps it running regularly."""
    backup, name = candidate.backup, candidate.shown
    rhythm = _rhythm(candidate)
    if isinstance(rhythm, int):
        # A backup server pulls, and root's crontab is not for everybody to read: the runs themselves are as good.
        return passed(
            "{backup}: it runs by the clock: the last {count} successful runs came about every {hours} hours "
            "(observed).",
            backup=name,
            count=ENOUGH_RUNS,
            hours=rhythm,
        )
    starters = backup.started_by
    if isinstance(starters, Gap):
        return not_read(starters, name)
    cron = [starter for starter in starters if starter.startswith("cron ")]
    if cron:
        return passed("{backup}: it is started by {what} (observed).", backup=name, what=listed(cron))
    timers = [starter.removeprefix("timer ") for starter in starters if starter.startswith("timer ")]
    told = _timers(timers, candidate, schedule)
    if isinstance(told, Verdict):
        return told
    if told:
        return passed("{backup}: it is started by {what} (observed).", backup=name, what=listed(told))
    unread = _unread_crontabs(candidate, schedule)
    if unread is not None:
        return unread
    if rhythm is not None:
        return not_read(rhythm, name)
    if timers:
        return failed("{backup}: the timer {what} is not enabled.", backup=name, what=listed(timers))
    return failed("{backup}: nothing was found that starts it.", backup=name)


def is_recent(candidate: Candidate, declared: DeclaredBackup | None, limits: RecentLimits) -> Verdict:
    """A run that succeeded, and holds anything, is younger than the recovery point. Starts don't count."""
    name = candidate.shown
    asked = (declared and declared.recovery_point_hours) or limits.recovery_point_hours
    most = timedelta(hours=asked + limits.grace_hours)
    runs = known(candidate.backup.runs)
    solid = [run for run in runs if not is_empty(run)]
    if not runs:
        return failed("{backup}: no successful run of it is known.", backup=name)
    ages: list[tuple[timedelta, datetime]] = []
    blind: Gap | None = None
    for run in solid:
        try:
            old = age(candidate, run.at)
        except NotSeen as e:
            blind = e.gap
            continue
        if old < -AHEAD:
            blind = Gap(
                Reason.CONTRADICTORY, f"a run is dated {run.at.isoformat(timespec='minutes')}, in the future"
            )
        else:
            ages.append((old, run.at))
    newest = min(ages, default=None)
    if newest is not None and newest[0] <= most:
        return passed(
            "{backup}: it last succeeded at {date}; {hours} hours are allowed (observed).",
            backup=name,
            date=newest[1].isoformat(timespec="seconds"),
            hours=asked,
        )
    if blind is not None:
        return not_read(blind, name)
    if newest is None:
        return failed("{backup}: its runs are there, and hold nothing.", backup=name)
    if len(solid) < len(runs) and not _holds_anything(runs):
        return failed(
            "{backup}: its newest run holds nothing; the last that does is of {date}, and {hours} hours are allowed.",
            backup=name,
            date=newest[1].isoformat(timespec="seconds"),
            hours=asked,
        )
    return failed(
        "{backup}: it last succeeded at {date}, {days} days before the look; {hours} hours are allowed.",
        backup=name,
        date=newest[1].isoformat(timespec="seconds"),
        days=f"{newest[0] / timedelta(days=1):.1f}",
        hours=asked,
    )


def is_in_band(candidate: Candidate, declared: DeclaredBackup | None, limits: SizeLimits) -> Verdict:
    """The newest run is about as big as those before it: by bytes and by files, whichever the tool tells."""
    name = candidate.shown
    runs = _by_time(known(candidate.backup.runs))
    if not runs:
        return failed("{backup}: no successful run of it is known.", backup=name)
    newest, before = runs[0], runs[1:11]
    size = newest.stored if newest.size is None else newest.size
    least = (declared and declared.minimum_bytes) or limits.smallest_bytes
    if size is not None and size < least:
        return failed(
            "{backup}: its newest run has {size} bytes; at least {least} are expected.",
            backup=name,
            size=size,
            least=least,
        )
    compared = False
    for measure, now, then in _measures(newest, before):
        if now is None or len(then) < ENOUGH_RUNS - 1:
            continue
        usual = median(then)
        compared = True
        if now * 100 < usual * (100 - limits.shrink_percent):
            return _shrunk(name, measure, now, usual)
        if usual and now > usual * limits.growth_times:
            return _grown(name, measure, now, usual)
    if compared:
        return passed(
            "{backup}: its newest run is in line with the {count} before it (observed).",
            backup=name,
            count=len(before),
        )
    if declared is not None and declared.minimum_bytes is not None and size is not None:
        return passed(
            "{backup}: its newest run has {size} bytes, and the inventory asks for {least} (observed); there are too "
            "few runs to compare it with.",
            backup=name,
            size=size,
            least=least,
        )
    return unknown(
        Reason.NOT_COLLECTED,
        "{backup}: sizes of {count} runs are known; {enough} are needed to tell a trend, or a minimum_size in the "
        "inventory.",
        backup=name,
        count=sum(run.size is not None or run.stored is not None or run.files is not None for run in runs),
        enough=ENOUGH_RUNS,
    )


def is_complete(
    candidate: Candidate,
    declared: DeclaredBackup | None,
    mounts: Observation[MountFacts] | Unobserved,
    limits: ContentLimits,
) -> Verdict:
    """All that must be included is: named, not left out, and there when the run comes."""
    backup, name = candidate.backup, candidate.shown
    asked = (declared.must_contain if declared else ()) or tuple(sorted(limits.must_contain))
    included = known(backup.included)
    for wanted in asked:
        if not is_covered(wanted, included):
            return failed(
                "{backup}: it does not include {what}; it includes {included}.",
                backup=name,
                what=short(wanted),
                included=listed(included) or "-",
            )
    excluded = known(backup.excluded) if asked else ()
    for wanted in asked:
        pattern = exclusion_of(wanted, excluded)
        if pattern is not None:
            return failed(
                "{backup}: {what} is left out by the pattern {pattern}.",
                backup=name,
                what=short(wanted),
                pattern=short(pattern),
            )
    paths = [entry for entry in (asked or included) if entry.startswith("/")]
    if paths:
        if isinstance(mounts, Unobserved):
            return not_read(Gap(mounts.reason, mounts.detail), name)
        lacking = unmounted(paths, mounts.facts)
        if lacking is not None:
            return failed(
                "{backup}: {path} is to be backed up, and {where}, which belongs to it, is not mounted: what is saved "
                "is an empty directory.",
                backup=name,
                path=short(lacking[0]),
                where=short(lacking[1]),
            )
    if not asked:
        return unknown(
            Reason.NOT_COLLECTED,
            "{backup}: nobody says what it must contain; it includes {included}. Name it in the inventory, in "
            "must_contain.",
            backup=name,
            included=listed(included) or "-",
        )
    return passed("{backup}: it includes {what} (observed).", backup=name, what=listed(asked))


def is_retained(candidate: Candidate, declared: DeclaredBackup | None, limits: RetentionLimits) -> Verdict:
    """One can go back as far as required: there are runs as old as that, or the tool is told to keep them so long."""
    backup, name = candidate.backup, candidate.shown
    keep = (declared and declared.keep_days) or limits.keep_days
    oldest = _oldest(candidate)
    if isinstance(oldest, timedelta) and oldest >= timedelta(days=keep):
        return passed(
            "{backup}: its runs go back {have} days; {days} are expected (observed).",
            backup=name,
            have=oldest.days,
            days=keep,
        )
    if isinstance(backup.retention, Gap):
        return not_read(backup.retention, name)
    told = _days_kept(backup.retention)
    if told is not None and told >= keep:
        return passed(
            "{backup}: it is told to keep runs for {have} days; {days} are expected (observed).",
            backup=name,
            have=told,
            days=keep,
        )
    if isinstance(oldest, Gap):
        return not_read(oldest, name)
    if told is None:
        return unknown(
            Reason.NOT_COLLECTED,
            "{backup}: its runs go back {have} days, and nothing says how long they are kept; {days} are expected.",
            backup=name,
            have=oldest.days,
            days=keep,
        )
    return failed(
        "{backup}: it is told to keep runs for {have} days; {days} are expected.",
        backup=name,
        have=told,
        days=keep,
    )


# --- 6 to 9: it survives the host, and an intruder ---------------------------------------------------------


def is_off_host(candidate: Candidate, host: Host) -> Verdict:
    name = candidate.shown
    place = known(candidate.backup.place)
    if _lies_here(candidate, place, host):
        return failed(
            "{backup}: it lies on the host itself, at {path}.",
            backup=name,
            path=short(place.path or place.address),
        )
    if not candidate.keeper and place.kind is PlaceKind.MOUNTED and not place.host:
        return unknown(
            Reason.NOT_COLLECTED,
            "{backup}: it lies on a network file system, and which machine that is on was not read.",
            backup=name,
        )
    return passed("{backup}: it lies on {where} (observed).", backup=name, where=_where(candidate, place))


def is_off_site(
    candidate: Candidate, declared: DeclaredBackup | None, host: Host, limits: SiteLimits
) -> Verdict:
    """Nothing on a host tells its site: where it is, people attest; that the backup goes there is observed."""
    name = candidate.shown
    place = known(candidate.backup.place)
    if _lies_here(candidate, place, host):
        return failed(
            "{backup}: it lies on the host itself, at {path}, whatever leads there.",
            backup=name,
            path=short(place.path or place.address),
        )
    where = _where(candidate, place)
    asked = {declared.off_site} if declared is not None and declared.off_site else limits.sites
    if not asked:
        return unknown(
            Reason.NOT_COLLECTED,
            "{backup}: nobody says whether {where} is at another site; name the target in the inventory, in off_site.",
            backup=name,
            where=where,
        )
    goes_to = {_plain(text) for text in (place.host, place.address, _keeper(candidate, place)) if text}
    if goes_to & {_plain(text) for text in asked}:
        return passed(
            "{backup}: it goes to {where} (observed), which is at another site (attested).",
            backup=name,
            where=where,
        )
    return failed(
        "{backup}: it goes to {where}; the off-site target is {asked}.",
        backup=name,
        where=where,
        asked=listed(sorted(asked)),
    )


def is_immutable(candidate: Candidate) -> Verdict:
    if known(candidate.backup.append_only):
        return passed(
            "{backup}: who makes it can't change or delete what is there (observed).", backup=candidate.shown
        )
    return failed("{backup}: who makes it can delete every run of it.", backup=candidate.shown)


def is_encrypted(candidate: Candidate) -> Verdict:
    if known(candidate.backup.encrypted):
        return passed("{backup}: it is encrypted (observed).", backup=candidate.shown)
    return failed("{backup}: it is not encrypted.", backup=candidate.shown)


# --- 10 and 11: it can be read again -----------------------------------------------------------------------


def is_checked(candidate: Candidate, limits: IntegrityLimits) -> Verdict:
    name = candidate.shown
    checked = known(candidate.backup.checked_at)
    if checked is None:
        return failed("{backup}: no integrity check of it ever ended well.", backup=name)
    old = age(candidate, checked)
    if old < -AHEAD:
        return unknown(
            Reason.CONTRADICTORY,
            "{backup}: its integrity check is dated {date}, in the future.",
            backup=name,
            date=checked.isoformat(timespec="minutes"),
        )
    if old > timedelta(days=limits.days):
        return failed(
            "{backup}: an integrity check last ended well on {date}; {days} days are allowed.",
            backup=name,
            date=checked.date().isoformat(),
            days=limits.days,
        )
    return passed(
        "{backup}: an integrity check ended well on {date} (observed).",
        backup=name,
        date=checked.date().isoformat(),
    )


def is_restored(
    candidate: Candidate, declared: DeclaredBackup | None, limits: RestoreLimits, at: datetime
) -> Verdict:
    """A restore is tested by people; what they attest with a name and evidence counts, and nothing else can."""
    name = candidate.shown
    tests = [test for test in (declared.restore_tests if declared else ()) if test.on <= at.date()]
    newest = max(tests, key=lambda test: test.on, default=None)
    if newest is None:
        return failed("{backup}: nobody attests that a restore was tested.", backup=name)
    if (at.date() - newest.on).days > limits.days:
        return failed(
            "{backup}: a restore was last tested on {date}, as {by} attests ({evidence}); {days} days are allowed.",
            backup=name,
            date=newest.on.isoformat(),
            by=short(newest.by),
            evidence=short(newest.evidence),
            days=limits.days,
        )
    return passed(
        "{backup}: a restore was tested on {date}, as {by} attests ({evidence}) (attested).",
        backup=name,
        date=newest.on.isoformat(),
        by=short(newest.by),
        evidence=short(newest.evidence),
    )


# --- What starts it ---------------------------------------------------------------------------------------


def _timers(
    names: Sequence[str], candidate: Candidate, schedule: Observation[ScheduleFacts] | Unobserved
) -> list[str] | Verdict:
    """Those of the timers that are enabled."""
    if not names:
        return []
    if candidate.keeper:
        return not_read(Gap(Reason.NOT_COLLECTED, "the backup server's timers"), candidate.shown)
    if isinstance(schedule, Unobserved):
        return not_read(Gap(schedule.reason, schedule.detail), candidate.shown)
    if isinstance(schedule.facts.timers, Gap):
        return not_read(schedule.facts.timers, candidate.shown)
    wanted = {name.removesuffix(".timer") for name in names}
    return [
        timer.name
        for timer in schedule.facts.timers
        if timer.enabled and timer.name.removesuffix(".timer") in wanted
    ]


def _unread_crontabs(
    candidate: Candidate, schedule: Observation[ScheduleFacts] | Unobserved
) -> Verdict | None:
    """Why it can't be said that nothing starts it, if so."""
    if candidate.keeper:
        gap = Gap(Reason.NOT_COLLECTED, "what starts it is not on the backup server")
        return not_read(gap, candidate.shown)
    if isinstance(schedule, Unobserved):
        return not_read(Gap(schedule.reason, schedule.detail), candidate.shown)
    for reading in (schedule.facts.timers, schedule.facts.cron, schedule.facts.cron_unread):
        if isinstance(reading, Gap):
            return not_read(reading, candidate.shown)
    unread = known(schedule.facts.cron_unread)
    if unread:
        return not_read(Gap(Reason.UNREADABLE, listed(unread)), candidate.shown)
    return None


def _rhythm(candidate: Candidate) -> int | Gap | None:
    """The hours between the last runs where they come regularly and still do; None where they don't."""
    runs = candidate.backup.runs
    if isinstance(runs, Gap):
        return runs
    if len(runs) < ENOUGH_RUNS:
        return None
    try:
        times = sorted((zoned(run.at) for run in runs), reverse=True)[:ENOUGH_RUNS]
        gaps = sorted(later - earlier for later, earlier in pairwise(times))
        usual = gaps[len(gaps) // 2]
        if not usual or gaps[-1] > 2 * usual or gaps[0] < usual / 2:
            return None
        is_alive = -AHEAD <= age(candidate, times[0]) <= 2 * usual
    except NotSeen as e:
        return e.gap
    return max(1, round(usual / timedelta(hours=1))) if is_alive else None


# --- Runs -------------------------------------------------------------------------------------------------


def _by_time(runs: Sequence[BackupRun]) -> list[BackupRun]:
    return sorted(runs, key=lambda run: zoned(run.at), reverse=True)


def _holds_anything(runs: Sequence[BackupRun]) -> bool:
    """Whether the newest run does."""
    return not is_empty(_by_time(runs)[0])


def _measures(newest: BackupRun, before: Sequence[BackupRun]) -> list[tuple[str, int | None, list[int]]]:
    """What to compare. What a run takes where it lies says little while it is known what was backed up: a second
    run of a tool that stores nothing twice is tiny, and well."""
    sizes = [run.size for run in before if run.size is not None]
    files = [run.files for run in before if run.files is not None]
    stored = [run.stored for run in before if run.stored is not None]
    measures: list[tuple[str, int | None, list[int]]] = [
        ("bytes", newest.size, sizes),
        ("files", newest.files, files),
    ]
    if newest.size is None:
        measures.append(("bytes", newest.stored, stored))
    return measures


def _shrunk(name: str, measure: str, now: int, usual: float) -> Verdict:
    if measure == "files":
        return failed(
            "{backup}: its newest run has {now} files, and {usual} is usual: a mount is missing, or data was "
            "destroyed.",
            backup=name,
            now=now,
            usual=round(usual),
        )
    return failed(
        "{backup}: its newest run has {now} bytes, and {usual} is usual: a mount is missing, or data was destroyed.",
        backup=name,
        now=now,
        usual=round(usual),
    )


def _grown(name: str, measure: str, now: int, usual: float) -> Verdict:
    if measure == "files":
        return failed(
            "{backup}: its newest run has {now} files, and {usual} is usual.",
            severity=Severity.LOW,
            backup=name,
            now=now,
            usual=round(usual),
        )
    return failed(
        "{backup}: its newest run has {now} bytes, and {usual} is usual.",
        severity=Severity.LOW,
        backup=name,
        now=now,
        usual=round(usual),
    )


def _oldest(candidate: Candidate) -> timedelta | Gap:
    """How far back runs go; with fewer than three of them that is chance and no retention."""
    runs = candidate.backup.runs
    if isinstance(runs, Gap):
        return runs
    try:
        ages = [age(candidate, run.at) for run in runs]
    except NotSeen as e:
        return e.gap
    return max(ages) if len(ages) >= ENOUGH_RUNS - 1 else timedelta(0)


def _days_kept(retention: Retention) -> int | None:
    """How many days back a run is kept by the calendar; None where the tool is told nothing of days."""
    spans = [
        count * days
        for count, days in (
            (retention.days, 1),
            (retention.daily, 1),
            (retention.weekly, 7),
            (retention.monthly, 30),
            (retention.yearly, 365),
        )
        if count is not None
    ]
    if retention.hourly is not None:
        spans.append(retention.hourly // 24)
    return max(spans, default=None)


# --- Places -----------------------------------------------------------------------------------------------


def _lies_here(candidate: Candidate, place: Place, host: Host) -> bool:
    if not candidate.keeper:
        return is_this_host(host, place)
    # LOCAL is then the backup server's own disk.
    return candidate.keeper == host.id or (
        place.kind is not PlaceKind.LOCAL and names_this_host(host, place.host)
    )


def _where(candidate: Candidate, place: Place) -> str:
    if candidate.keeper and place.kind is PlaceKind.LOCAL and not candidate.is_foreign:
        return short(candidate.keeper)
    # Another agency's hosts are not named; the path there is this host's own backup.
    return short(place.host or place.address or place.path)


def _keeper(candidate: Candidate, place: Place) -> str:
    return candidate.keeper if place.kind is PlaceKind.LOCAL else ""


def _plain(text: str) -> str:
    return text.strip().lower().rstrip("./")
