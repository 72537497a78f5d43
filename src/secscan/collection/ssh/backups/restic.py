"""restic: repositories of this host's file systems, and those its commands name. Never with a passphrase. Pure.

A repository's snapshots are encrypted; their files' names are hashes, and restic writes such a file once, when all else
of a backup is stored (design.rst of restic). So the file's time is when the backup ended, as long as nobody copied the
repository without keeping times.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import PurePosixPath

import msgspec

from secscan.collection.ssh.backups.jobs import Job, job_retention, known
from secscan.collection.ssh.backups.told import Told, without_login
from secscan.collection.ssh.backups.units import (
    NO_COMMAND,
    last_attempt,
    last_check,
    newest,
    oldest,
    paths,
    started_by,
    texts,
    unit_runs,
)
from secscan.collection.ssh.reading import bounded
from secscan.facts import Gap, Reading
from secscan.facts.backups import Backup, BackupRun, Retention, Unread
from secscan.model import Reason

_SNAPSHOT = re.compile(r"[0-9a-f]{8}")
_SAVED = re.compile(r"snapshot ([0-9a-f]{8}) saved")
_PROCESSED = re.compile(r"processed ([0-9]{1,12}) files, .*")
#: Every file of a repository begins with 16 bytes of a nonce and ends with 16 of a MAC (design.rst): none is smaller.
_LEAST = 33
#: Files that were all written within so short a time were copied: one backup an hour would not look like this.
_COPIED_WITHIN = timedelta(seconds=60)
_VERBS = (
    "backup",
    "forget",
    "check",
    "prune",
    "init",
    "copy",
    "snapshots",
    "unlock",
    "cache",
    "rebuild-index",
)
_WITH_VALUE = (
    *(
        "-r",
        "--repo",
        "--repository-file",
        "-p",
        "--password-file",
        "--password-command",
        "--cache-dir",
        "--cacert",
    ),
    *(
        "-e",
        "--exclude",
        "--iexclude",
        "--exclude-file",
        "--iexclude-file",
        "--exclude-if-present",
        "--exclude-larger-than",
    ),
    *(
        "--files-from",
        "--files-from-verbatim",
        "--files-from-raw",
        "--tag",
        "-H",
        "--host",
        "--parent",
        "--time",
    ),
    *(
        "--key-hint",
        "--limit-upload",
        "--limit-download",
        "-o",
        "--option",
        "--pack-size",
        "--compression",
        "-g",
    ),
    *(
        "--group-by",
        "--read-data-subset",
        "--read-concurrency",
        "--retry-lock",
        "--tls-client-cert",
        "--keep-last",
        "-l",
    ),
    *(
        "--keep-hourly",
        "--keep-daily",
        "-d",
        "--keep-weekly",
        "-w",
        "--keep-monthly",
        "-m",
        "--keep-yearly",
        "-y",
    ),
    *("--keep-within", "--keep-tag", "--stdin-filename"),
)


def read_restic(told: Told, jobs: tuple[Job, ...]) -> Iterator[Backup | Unread]:
    """Repositories found on disks, by their path, and those that are only named in commands, by their address."""
    jobs = tuple(job for job in jobs if job.tool == "restic")
    by_place: dict[str, list[Job]] = {}
    for job in jobs:
        address = repository_of(job)
        if not known(address):
            if job.verb("backup"):
                yield Unread(
                    tool="restic",
                    what=job.seen_in,
                    reason=Reason.UNPARSED,
                    detail="the repository this backs up to is not named where it can be read",
                )
            continue
        by_place.setdefault(told.resolved(address) if address.startswith("/") else address, []).append(job)
    for config in told.configs:
        for line in config.lines:
            if found := re.fullmatch(r"(?:export\s+)?RESTIC_REPOSITORY=[\"']?([^\"'\s]+)[\"']?", line):
                by_place.setdefault(told.resolved(found[1]) if found[1].startswith("/") else found[1], [])
    saved = _saved(told)
    for path in sorted({*by_place, *_repositories(told)}):
        yield _backup(told, path, tuple(by_place.get(path, ())), saved)


def repository_of(job: Job) -> str:
    """The repository a command works on; "" where it does not say."""
    return next(iter(job.values("-r", "--repo")), "") or job.environment.get("RESTIC_REPOSITORY", "")


def _repositories(told: Told) -> Iterator[str]:
    for folder, files in told.folders.items():
        if (
            "config" in files
            and files["config"].size >= _LEAST
            and "README" not in files
            and ({"data", "index"} <= files.keys() or f"{folder}/snapshots" in told.folders)
        ):
            yield folder


def _backup(told: Told, path: str, jobs: tuple[Job, ...], saved: Mapping[str, BackupRun]) -> Backup:
    making = tuple(job for job in jobs if job.verb("backup"))
    keeping = tuple(job for job in jobs if job.verb("forget"))
    seen = path in told.folders
    runs: Reading[tuple[BackupRun, ...]] = (
        _runs(told, path, saved)
        if seen
        else unit_runs(making)
        or Gap(
            Reason.UNREADABLE,
            "what is in a repository of another machine is told only to who has its passphrase",
        )
    )
    return Backup(
        tool="restic",
        name=without_login(path),
        source="" if making or not seen else bounded(PurePosixPath(path).name),
        seen_in=tuple(sorted({*(job.seen_in for job in jobs), *([path] if seen else [])})),
        started_by=started_by(making),
        place=told.place(path),
        runs=runs,
        attempt=last_attempt(making),
        included=_included(making),
        excluded=_excluded(making),
        retention=_retention(keeping, making),
        encrypted=True,  # restic knows no other way
        append_only=_append_only(told, path),
        checked_at=last_check(job for job in jobs if job.verb("check") and not job.verb("backup")),
        locked_since=(
            oldest(told.files(f"{path}/locks").values())
            if seen
            else Gap(Reason.UNREADABLE, "locks lie in the repository, on the other machine")
        ),
    )


def _runs(told: Told, path: str, saved: Mapping[str, BackupRun]) -> Reading[tuple[BackupRun, ...]]:
    files = {
        n: f
        for n, f in told.files(f"{path}/snapshots").items()
        if _SNAPSHOT.fullmatch(n) and not f.folder and f.size >= _LEAST
    }
    # By the root's account only what lies below is listed, and the folder of the data is not among it.
    if "config" not in told.files(path) or told.files(path)["config"].size < _LEAST:
        return Gap(Reason.CONTRADICTORY, "it has no configuration: nothing in it can be read again")
    if not files:
        return ()
    written = [file.at for file in files.values()]
    times = [*written, told.files(path)["config"].at]
    if len(files) > 2 and max(written) - min(written) <= _COPIED_WITHIN:
        return Gap(
            Reason.CONTRADICTORY,
            f"all {len(files)} snapshots have one time: their files were copied or touched, or are of one first night",
        )
    if len(files) > 1 and max(times) - min(times) <= _COPIED_WITHIN:
        return Gap(
            Reason.CONTRADICTORY,
            f"all {len(files)} snapshots have the time at which the repository was made: it was copied, or is new",
        )
    runs = [
        msgspec.structs.replace(saved.get(name, BackupRun(at=file.at)), at=file.at)
        for name, file in files.items()
    ]
    return newest(runs)


def _saved(told: Told) -> dict[str, BackupRun]:
    """What logs tell of the size of snapshots, by the first eight digits of their names; the time is not theirs."""
    found: dict[str, BackupRun] = {}
    for log in told.logs:
        files: int | None = None
        for line in log.lines:
            if processed := _PROCESSED.fullmatch(line.strip()):
                files = int(processed[1])
            elif snapshot := _SAVED.search(line):
                found.setdefault(snapshot[1], BackupRun(at=told.at, files=files))
                files = None
            elif '"summary"' in line and (summary := _summary(line)):
                found[summary[0]] = BackupRun(at=told.at, files=summary[1], size=summary[2])
    return found


class _Summary(msgspec.Struct):
    message_type: str
    snapshot_id: str
    total_files_processed: int
    total_bytes_processed: int


def _summary(line: str) -> tuple[str, int, int] | None:
    try:
        said = msgspec.json.decode(line[line.index("{") :], type=_Summary)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if said.message_type != "summary" or min(said.total_files_processed, said.total_bytes_processed) < 0:
        return None
    return said.snapshot_id[:8], said.total_files_processed, said.total_bytes_processed


def _included(jobs: tuple[Job, ...]) -> Reading[tuple[str, ...]]:
    if not jobs:
        return NO_COMMAND
    found: list[str] = []
    for job in jobs:
        if job.values("--files-from", "--files-from-verbatim", "--files-from-raw"):
            return Gap(Reason.UNREADABLE, f"{job.seen_in}: what is included stands in a file of its own")
        named = [word for word in job.operands(_WITH_VALUE) if word not in _VERBS]
        if not all(known(path) for path in named):
            return Gap(Reason.UNPARSED, f"{job.seen_in}: what is included is put together by a script")
        found += named
    return paths(found) if found else Gap(Reason.UNREADABLE, "no command says what is included")


def _excluded(jobs: tuple[Job, ...]) -> Reading[tuple[str, ...]]:
    if not jobs:
        return NO_COMMAND
    for job in jobs:
        if job.values("--exclude-file", "--iexclude-file"):
            return Gap(Reason.UNREADABLE, f"{job.seen_in}: what is excluded stands in a file of its own")
    return texts(value for job in jobs for value in job.values("-e", "--exclude", "--iexclude"))


def _retention(keeping: tuple[Job, ...], making: tuple[Job, ...]) -> Reading[Retention]:
    for job in keeping:
        values = {
            period: value
            for period in ("last", "hourly", "daily", "weekly", "monthly", "yearly")
            for value in job.values(f"--keep-{period}", *({"last": ["-l"], "daily": ["-d"]}.get(period, [])))
        }
        if (within := job.values("--keep-within")) and (days := re.fullmatch(r"([0-9]{1,5})d", within[0])):
            values["days"] = days[1]
        if found := job_retention(values):
            return found
    if making and not keeping:
        return Gap(
            Reason.UNREADABLE, "no `restic forget` was found: everything is kept, or it is run elsewhere"
        )
    return Gap(Reason.UNREADABLE, "no command says what is kept")


def _append_only(told: Told, path: str) -> Reading[bool]:
    for timer in told.timers:
        if re.search(r"\brest-server\b.*--append-only", timer.command):
            root = next(iter(re.findall(r"--path[ =](\S+)", timer.command)), "\0").rstrip("/")
            if path == root or path.startswith(f"{root}/"):
                return True
    if path.startswith("/"):
        return Gap(Reason.UNREADABLE, "a repository does not tell whether who writes to it may also delete")
    return Gap(Reason.UNREADABLE, "only the server knows whether old snapshots can be deleted")
