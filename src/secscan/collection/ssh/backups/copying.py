"""Copies by rsync and rclone, and dumps written by commands of a crontab, unit or script. Pure.

A copy is of use as a backup only as far as its log or its unit says that it ended well; rsync logs its totals even where
it goes on to report an error (rsync(1), EXIT VALUES), so the line behind them decides.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from secscan.collection.ssh.backups.jobs import Job, known
from secscan.collection.ssh.backups.told import Lines, Told, without_login
from secscan.collection.ssh.backups.units import last_attempt, newest, paths, started_by, texts, unit_runs
from secscan.collection.ssh.reading import bounded
from secscan.facts import Gap, Reading
from secscan.facts.backups import Attempt, Backup, BackupRun, Unread
from secscan.model import Reason

_RSYNC_VALUES = (
    *(
        "-e",
        "--rsh",
        "--exclude",
        "--include",
        "--exclude-from",
        "--include-from",
        "--files-from",
        "--filter",
        "-f",
    ),
    *(
        "--log-file",
        "--log-file-format",
        "--backup-dir",
        "--suffix",
        "--link-dest",
        "--copy-dest",
        "--compare-dest",
    ),
    *(
        "--bwlimit",
        "--timeout",
        "--contimeout",
        "--port",
        "--password-file",
        "--rsync-path",
        "--temp-dir",
        "-T",
    ),
    *(
        "--partial-dir",
        "--chmod",
        "--chown",
        "--usermap",
        "--groupmap",
        "--max-delete",
        "--max-size",
        "--min-size",
    ),
    *(
        "-B",
        "--block-size",
        "--modify-window",
        "--out-format",
        "--info",
        "--debug",
        "--iconv",
        "--stop-after",
    ),
)
_RCLONE_VALUES = (
    *(
        "--log-file",
        "--log-level",
        "--config",
        "--transfers",
        "--checkers",
        "--bwlimit",
        "--exclude",
        "--include",
    ),
    *(
        "--exclude-from",
        "--include-from",
        "--filter",
        "--filter-from",
        "--files-from",
        "--backup-dir",
        "--suffix",
    ),
    *(
        "--max-age",
        "--min-age",
        "--max-delete",
        "--retries",
        "--timeout",
        "--contimeout",
        "--stats",
        "--tpslimit",
    ),
    *(
        "--drive-chunk-size",
        "--s3-chunk-size",
        "--s3-storage-class",
        "--fast-list-limit",
        "--max-size",
        "--min-size",
    ),
)
_LOGGED = re.compile(r"([0-9]{4}/[0-9]{2}/[0-9]{2} [0-9:]{8}) \[([0-9]+)\] (.*)")
_RCLONE_LOGGED = re.compile(r"([0-9]{4}/[0-9]{2}/[0-9]{2} [0-9:]{8}) (?:([A-Z]+) *: )?(.*)")
_TIME = "%Y/%m/%d %H:%M:%S"


def read_copies(told: Told, jobs: tuple[Job, ...]) -> Iterator[Backup | Unread]:
    """One backup a destination that a scheduled command copies to."""
    found: dict[tuple[str, str], list[tuple[Job, tuple[str, ...]]]] = {}
    for job in jobs:
        # Copies by hand are no backups: only what the clock starts counts.
        if job.tool not in ("rsync", "rclone") or not job.started_by:
            continue
        sources, target = _ends(job)
        if not target:
            continue
        if not known(target):
            yield Unread(
                tool=job.tool,
                what=job.seen_in,
                reason=Reason.UNPARSED,
                detail="the destination is not named there",
            )
            continue
        found.setdefault((job.tool, target), []).append((job, sources))
    for (tool, target), ends in sorted(found.items()):
        making = tuple(job for job, _ in ends)
        sources = tuple(source for _, named in ends for source in named)
        runs, attempt = _runs(told, tool, making)
        remote = _pulled_from(sources)
        yield Backup(
            tool=tool,
            name=without_login(target),
            source=remote,
            seen_in=texts(job.seen_in for job in making),
            started_by=started_by(making),
            place=told.place(target),
            runs=runs,
            attempt=attempt,
            included=(
                paths(source.rpartition(":")[2] if remote else source for source in sources)
                if sources and all(known(source) for source in sources)
                else Gap(Reason.UNPARSED, "what is copied is put together by a script")
            ),
            excluded=texts(value for job in making for value in job.values("--exclude")),
            encrypted=_encrypted(told, tool, target),
            # Copying on top of the last copy: whoever may make one may overwrite all.
            append_only=False,
            checked_at=Gap(Reason.NOT_COLLECTED, "copies keep no record of checks"),
            locked_since=None,
        )


def _ends(job: Job) -> tuple[tuple[str, ...], str]:
    if job.tool == "rsync":
        words = job.operands(_RSYNC_VALUES)
        return (words[:-1], words[-1].replace("::", ":")) if len(words) > 1 else ((), "")
    words = job.operands(_RCLONE_VALUES)
    if len(words) == 3 and words[0] in ("sync", "copy", "copyto", "move", "bisync"):
        return (words[1],), words[2]
    return (), ""


def _pulled_from(sources: tuple[str, ...]) -> str:
    hosts = {m[1] for source in sources if (m := re.match(r"(?:[^@/:]+@)?([A-Za-z0-9._-]+):", source))}
    return hosts.pop() if len(hosts) == 1 else ""


def _runs(
    told: Told, tool: str, jobs: tuple[Job, ...]
) -> tuple[Reading[tuple[BackupRun, ...]], Reading[Attempt]]:
    outputs = {
        path for job in jobs for path in (*job.values("--log-file"), job.output) if path and known(path)
    }
    logs = (
        tuple(told.log(*(re.escape(path) + r"(\.1(\.gz)?|-2.*)?\Z" for path in outputs))) if outputs else ()
    )
    read = rsync_runs(told, logs) if tool == "rsync" else rclone_runs(told, logs)
    if isinstance(read, Gap):
        return read, last_attempt(jobs)
    runs, attempt = read
    if not runs and attempt is None:
        by_unit = unit_runs(jobs)
        return by_unit or Gap(Reason.UNREADABLE, "neither a log nor a unit tells how it ended"), last_attempt(
            jobs
        )
    by_unit_attempt = last_attempt(jobs)
    if isinstance(by_unit_attempt, Attempt) and (attempt is None or by_unit_attempt.at > attempt.at):
        attempt = by_unit_attempt
    return runs, attempt or by_unit_attempt


def rsync_runs(told: Told, logs: tuple[Lines, ...]) -> tuple[tuple[BackupRun, ...], Attempt | None] | Gap:
    """Runs in logs of rsync: by process, whose totals stand there and no error."""
    ends: dict[tuple[str, str], dict[str, str]] = {}
    for log in logs:
        for line in log.lines:
            if not (found := _LOGGED.fullmatch(line.strip())):
                continue
            # Process ids come again: the day tells runs of the same number apart.
            run = ends.setdefault((found[1][:10], found[2]), {})
            text = found[3]
            if total := re.search(r"total size (?:is )?([0-9,.]+)", text):
                run |= {"at": found[1], "size": re.sub(r"[,.]", "", total[1])}
            elif number := re.match(r"Number of files: ([0-9,.]+)", text):
                run["files"] = re.sub(r"[,.]", "", number[1])
            elif text.startswith("rsync error"):
                run |= {"at": found[1], "error": text}
    return _told_apart(told, ends.values())


def rclone_runs(told: Told, logs: tuple[Lines, ...]) -> tuple[tuple[BackupRun, ...], Attempt | None] | Gap:
    """Runs in logs of rclone: its last statistics have no errors, and no ERROR line stands before."""
    ends: list[dict[str, str]] = []
    for log in logs:
        at, errors, unfinished = "", "", False
        for line in log.lines:
            found = _RCLONE_LOGGED.fullmatch(line.strip())
            if found:
                at = found[1]
                if found[2] == "ERROR":
                    errors = found[3]
            elif re.match(r"Errors: +[1-9]", line.strip()):
                errors = errors or line.strip()
            elif share := re.match(r"Transferred:.*?, ([0-9]{1,3})%", line.strip()):
                unfinished = unfinished or share[1] != "100"
            elif line.strip().startswith("Elapsed time:") and at:
                # The same is logged every minute while it runs: only when nothing is left is it the end.
                if not unfinished or errors:
                    ends.append({"at": at, "error": errors} if errors else {"at": at, "size": ""})
                errors, unfinished = "", False
        if errors and at:
            ends.append({"at": at, "error": errors})
    return _told_apart(told, ends)


def _told_apart(
    told: Told, ends: Iterable[dict[str, str]]
) -> tuple[tuple[BackupRun, ...], Attempt | None] | Gap:
    runs: list[BackupRun] = []
    last: Attempt | None = None
    for end in ends:
        if "at" not in end:
            continue
        at: Reading[datetime] = told.local(end["at"], _TIME)
        if isinstance(at, Gap):
            return at
        error = end.get("error", "")
        if not error:
            runs.append(
                BackupRun(at=at, size=_number(end.get("size", "")), files=_number(end.get("files", "")))
            )
        if last is None or at >= last.at:
            last = Attempt(at=at, succeeded=not error, said=bounded(error))
    return newest(runs), last


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text, re.ASCII) else None


def _encrypted(told: Told, tool: str, target: str) -> Reading[bool]:
    if tool == "rsync":
        return False
    remote, colon, _ = target.partition(":")
    # What another remote is an alias of may encrypt; what lies below an encrypting one does not matter.
    for _ in range(5):
        setting = told.rclone.get(remote) if colon and not remote.startswith("/") else None
        if setting is None:
            break
        if setting.get("type") != "alias":
            return setting.get("type") == "crypt"
        remote, colon, _ = setting.get("remote", "").partition(":")
    if target.startswith("/"):
        return False
    return Gap(Reason.UNREADABLE, "the remote's configuration can't be read")
