"""rsnapshot: its configurations and its log. Pure.

Only the first of its ``retain`` levels (or ``sync``) copies anything; all others rename what is there, and log "completed
successfully" just as well (rsnapshot(1)).
"""

import re
from collections.abc import Iterator
from datetime import datetime

from secscan.collection.ssh.backups.jobs import Job, job_retention
from secscan.collection.ssh.backups.told import Lines, Told
from secscan.collection.ssh.backups.units import last_attempt, newest, paths, started_by, texts, unit_runs
from secscan.collection.ssh.reading import bounded
from secscan.facts import Gap, Reading
from secscan.facts.backups import Attempt, Backup, BackupRun, Retention, Unread
from secscan.model import Reason

_LINE = re.compile(
    r"\[([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8})\] (\S*rsnapshot\b.*): (started|completed.*|ERROR.*)"
)
_TIME = "%Y-%m-%dT%H:%M:%S"
_PERIODS = ("hourly", "daily", "weekly", "monthly", "yearly")


def read_rsnapshot(told: Told, jobs: tuple[Job, ...]) -> Iterator[Backup | Unread]:
    """One backup for each configuration that something was ever made or is started by."""
    jobs = tuple(job for job in jobs if job.tool == "rsnapshot")
    for config in told.config(r"/(usr/local/)?etc/rsnapshot.*\.conf"):
        settings = _settings(config)
        root = next(iter(settings.get("snapshot_root", ())), ("",))[0].rstrip("/")
        if not root:
            yield Unread(
                tool="rsnapshot", what=config.path, reason=Reason.UNPARSED, detail="it names no snapshot_root"
            )
            continue
        own = tuple(job for job in jobs if config.path in (job.values("-c") or ("/etc/rsnapshot.conf",)))
        # Debian installs a configuration with examples in it: without a schedule or snapshots it is none's backup.
        if own or told.files(told.resolved(root)) or _logs(told, settings):
            yield _backup(told, config, settings, root, own)
    for path in told.unreadable:
        if re.fullmatch(r"/(usr/local/)?etc/rsnapshot.*\.conf", path):
            yield Unread(
                tool="rsnapshot", what=path, reason=Reason.UNREADABLE, detail="the account may not read it"
            )


def _backup(
    told: Told, config: Lines, settings: dict[str, list[tuple[str, ...]]], root: str, jobs: tuple[Job, ...]
) -> Backup:
    levels = [
        words for words in (*settings.get("retain", ()), *settings.get("interval", ())) if len(words) > 1
    ]
    copying = "sync" if any(words[:1] == ("1",) for words in settings.get("sync_first", ())) else ""
    copying = copying or (levels[0][0] if levels else "")
    making = tuple(job for job in jobs if copying in job.words)
    logged = _logged(told, settings, copying, config.path)
    runs: Reading[tuple[BackupRun, ...]]
    attempt: Reading[Attempt]
    if isinstance(logged, Gap):
        runs, attempt = logged, last_attempt(making)
    else:
        runs, last = logged
        attempt = last or last_attempt(making)
    if not isinstance(runs, Gap) and not runs:
        runs = unit_runs(making) or (
            () if _logs(told, settings) else Gap(Reason.UNREADABLE, "there is no log that tells of its runs")
        )
    lock = next(iter(settings.get("lockfile", ())), ("",))[0]
    return Backup(
        tool="rsnapshot",
        name=bounded(root),
        seen_in=(config.path, *texts(job.seen_in for job in jobs)),
        started_by=started_by(making),
        place=told.place(root),
        runs=runs,
        attempt=attempt,
        included=_included(settings),
        excluded=texts(words[0] for words in settings.get("exclude", ()) if words),
        retention=_retention(levels),
        encrypted=False,
        # Snapshots are hard links that the next run renames and deletes.
        append_only=False,
        checked_at=Gap(Reason.NOT_COLLECTED, "rsnapshot has no check"),
        locked_since=_locked_since(told, lock),
    )


def _settings(config: Lines) -> dict[str, list[tuple[str, ...]]]:
    """Values are parted by tabs, and only by tabs (rsnapshot(1))."""
    found: dict[str, list[tuple[str, ...]]] = {}
    for line in config.lines:
        key, *values = re.split(r"\t+", line.strip())
        found.setdefault(key, []).append(tuple(value.strip() for value in values))
    return found


def _logs(told: Told, settings: dict[str, list[tuple[str, ...]]]) -> tuple[Lines, ...]:
    path = next(iter(settings.get("logfile", ())), ("",))[0]
    return tuple(told.log(re.escape(path) + r"(\.1(\.gz)?|-2.*)?\Z")) if path else ()


def _logged(
    told: Told, settings: dict[str, list[tuple[str, ...]]], copying: str, config: str
) -> tuple[tuple[BackupRun, ...], Attempt | None] | Gap:
    runs, last = [], None
    for log in _logs(told, settings):
        for line in log.lines:
            found = _LINE.match(line)
            if not found:
                continue
            words = found[2].split()
            named = words[words.index("-c") + 1] if "-c" in words[:-1] else "/etc/rsnapshot.conf"
            # The log names a configuration as the command did: a bare name is of whatever folder that ran in.
            if copying not in words or named.rpartition("/")[2] != config.rpartition("/")[2]:
                continue
            at = told.local(found[1], _TIME)
            if isinstance(at, Gap):
                return at
            ended = found[3].startswith("completed")
            # "completed, but with some warnings": rsync could not read all; "errors": it failed.
            well = found[3] == "completed successfully"
            if well:
                runs.append(BackupRun(at=at))
            attempt = Attempt(
                at=at, succeeded=well if ended or "ERROR" in found[3] else None, said=bounded(found[3])
            )
            if last is None or attempt.at >= last.at:
                last = attempt
    return newest(runs), last


def _included(settings: dict[str, list[tuple[str, ...]]]) -> Reading[tuple[str, ...]]:
    if settings.get("backup_script"):
        named = [words[0] for words in settings.get("backup", ()) if words]
        return paths(named) or Gap(Reason.UNREADABLE, "only scripts say what is included")
    return paths(words[0] for words in settings.get("backup", ()) if words)


def _retention(levels: list[tuple[str, ...]]) -> Reading[Retention]:
    named = {words[0]: words[1] for words in levels}
    if named and set(named) <= set(_PERIODS):
        return job_retention(named) or Gap(Reason.UNPARSED, f"retain: not understood: {str(levels)[:80]!r}")
    if len(levels) == 1 and (one := job_retention({"last": levels[0][1]})):
        return one
    return Gap(
        Reason.UNREADABLE, f"how often levels named {', '.join(sorted(named))[:60]!r} are made is not told"
    )


def _locked_since(told: Told, lock: str) -> Reading[datetime | None]:
    if not lock:
        return Gap(Reason.UNREADABLE, "its configuration names no lock file")
    folder, _, name = lock.rpartition("/")
    file = told.files(folder).get(name)
    return file.at if file else None
