"""What commands, and the units that start them, say together of one backup. Pure."""

from collections.abc import Iterable
from datetime import datetime

from secscan.collection.ssh.backups.jobs import Job, known
from secscan.collection.ssh.backups.told import File
from secscan.collection.ssh.reading import bounded
from secscan.facts import Gap, Reading
from secscan.facts.backups import Attempt, BackupRun
from secscan.model import Reason

#: Runs, paths or patterns of one backup that are kept.
MOST_KEPT = 100

NO_COMMAND = Gap(Reason.UNREADABLE, "no crontab, unit or script that can be read names it")


def started_by(jobs: Iterable[Job]) -> tuple[str, ...]:
    return tuple(sorted({name for job in jobs for name in job.started_by}))


def unit_runs(jobs: Iterable[Job]) -> tuple[BackupRun, ...]:
    """Last runs that ended well by systemd's word; nothing where a script may have hidden a failure."""
    return newest(run for job in jobs for run in job.runs())


def last_attempt(jobs: Iterable[Job]) -> Reading[Attempt]:
    found = [attempt for job in jobs if (attempt := job.attempt())]
    if not found:
        return Gap(
            Reason.UNREADABLE, "only systemd keeps what became of a start, and no unit of its starts this"
        )
    return max(found, key=lambda attempt: attempt.at)


def last_check(jobs: Iterable[Job]) -> Reading[datetime | None]:
    """When a unit that checks, and does nothing else, last ended well."""
    jobs = tuple(jobs)
    if runs := unit_runs(jobs):
        return runs[0].at
    if any(job.alone and job.attempt() for job in jobs):
        return None
    if jobs:
        return Gap(Reason.UNREADABLE, f"{jobs[0].seen_in} checks, and nothing tells how that ended")
    return Gap(Reason.UNREADABLE, "no check was found, and the tool keeps no record of one that can be read")


def newest(runs: Iterable[BackupRun]) -> tuple[BackupRun, ...]:
    """Each instant once, newest first, and not too many."""
    by_time = {run.at: run for run in runs}
    return tuple(by_time[at] for at in sorted(by_time, reverse=True)[:MOST_KEPT])


def texts(values: Iterable[str]) -> tuple[str, ...]:
    """Paths or patterns as they are kept: sorted, each once, bounded; what only a shell could fill in is left out."""
    return tuple(sorted({bounded(value) for value in values if known(value)})[: 10 * MOST_KEPT])


def paths(values: Iterable[str]) -> tuple[str, ...]:
    return texts(value if value == "/" else value.rstrip("/") for value in values)


def oldest(files: Iterable[File]) -> datetime | None:
    return min((file.at for file in files), default=None)
