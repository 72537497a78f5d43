"""duplicity and rdiff-backup: what lies where they put it tells by name, or in notes of its own. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath

from secscan.collection.ssh.backups.jobs import Job, job_retention, known
from secscan.collection.ssh.backups.told import File, Told, without_login
from secscan.collection.ssh.backups.units import (
    NO_COMMAND,
    last_attempt,
    last_check,
    newest,
    paths,
    started_by,
    texts,
    unit_runs,
)
from secscan.collection.ssh.reading import bounded
from secscan.facts import Gap, Reading
from secscan.facts.backups import Attempt, Backup, BackupRun, Retention, Unread
from secscan.model import Reason

_FULL = re.compile(r"duplicity-full\.([0-9]{8}T[0-9]{6}Z)\.(manifest|vol[0-9]+\.difftar)(?:\.(gpg|gz|g))*")
_INCREMENT = re.compile(
    r"duplicity-inc\.([0-9]{8}T[0-9]{6}Z)\.to\.([0-9]{8}T[0-9]{6}Z)\.(manifest|vol[0-9]+\.difftar)(?:\.(gpg|gz|g))*"
)
_VERBS = (
    *(
        "full",
        "incremental",
        "incr",
        "inc",
        "verify",
        "remove-older-than",
        "remove-all-but-n-full",
        "cleanup",
    ),
    *(
        "collection-status",
        "restore",
        "list-current-files",
        "backup",
        "remove-all-inc-of-but-n-full",
        "replicate",
    ),
)
_NO_BACKUP = frozenset(_VERBS) - {"full", "incremental", "incr", "inc", "backup"}
_WITH_VALUE = (
    *(
        "--exclude",
        "--include",
        "--exclude-filelist",
        "--include-filelist",
        "--encrypt-key",
        "--sign-key",
        "--volsize",
    ),
    *(
        "--full-if-older-than",
        "--name",
        "--archive-dir",
        "--log-file",
        "--encrypt-secret-keyring",
        "--encrypt-sign-key",
    ),
    *(
        "--exclude-if-present",
        "--exclude-regexp",
        "--include-regexp",
        "--gpg-options",
        "--ssh-options",
        "--tempdir",
    ),
    *(
        "--max-blocksize",
        "--num-retries",
        "--verbosity",
        "-v",
        "--hidden-encrypt-key",
        "--exclude-globbing-filelist",
    ),
)


# --- duplicity --------------------------------------------------------------------------------------------------


def read_duplicity(told: Told, jobs: tuple[Job, ...]) -> Iterator[Backup | Unread]:
    """One backup a target folder or URL. Its runs are the sets that are whole: full, or on top of one that is."""
    by_place: dict[str, list[Job]] = {}
    for job in (job for job in jobs if job.tool == "duplicity"):
        operands = [word for word in job.operands(_WITH_VALUE) if word not in _VERBS]
        target = next((word for word in reversed(operands) if "://" in word), "")
        if not known(target):
            if not job.verb(*_NO_BACKUP):
                yield Unread(
                    tool="duplicity",
                    what=job.seen_in,
                    reason=Reason.UNPARSED,
                    detail="the target is not named there",
                )
            continue
        path = target.removeprefix("file://")
        by_place.setdefault(told.resolved(path) if path.startswith("/") else target, []).append(job)
    lying = {
        folder
        for folder, files in told.folders.items()
        if "/.cache/duplicity" not in folder and any(name.startswith("duplicity-") for name in files)
    }
    for path in sorted({*by_place, *lying}):
        yield _duplicity(told, path, tuple(by_place.get(path, ())), seen=path in told.folders)


def _duplicity(told: Told, path: str, jobs: tuple[Job, ...], *, seen: bool) -> Backup:
    making = tuple(job for job in jobs if not job.verb(*_NO_BACKUP))
    files = {name: file for name, file in told.files(path).items() if name.startswith("duplicity-")}
    encrypted: Reading[bool] = Gap(Reason.UNREADABLE, "no command and no file of it tells")
    if files:
        encrypted = all(name.endswith((".gpg", ".g")) for name in files)
    elif making:
        encrypted = not any("--no-encryption" in job.words for job in making)
    return Backup(
        tool="duplicity",
        name=without_login(path),
        source="" if making or not seen else bounded(PurePosixPath(path).name),
        seen_in=tuple(sorted({*(job.seen_in for job in jobs), *([path] if seen else [])})),
        started_by=started_by(making),
        place=told.place(path),
        runs=(
            _kept_runs(told, path, files)
            if seen
            else unit_runs(making)
            or Gap(Reason.UNREADABLE, "what lies on the other machine is not told here")
        ),
        attempt=last_attempt(making),
        included=_sources(making),
        excluded=(texts(v for job in making for v in job.values("--exclude")) if making else NO_COMMAND),
        retention=_duplicity_retention(jobs),
        encrypted=encrypted,
        append_only=Gap(Reason.UNREADABLE, "nothing tells whether old sets can be deleted"),
        checked_at=last_check(job for job in jobs if job.verb("verify")),
        locked_since=Gap(Reason.NOT_COLLECTED, "duplicity locks by other means than a file's presence"),
    )


def _kept_runs(told: Told, path: str, files: Mapping[str, File]) -> Reading[tuple[BackupRun, ...]]:
    if path in told.cut:
        return Gap(
            Reason.UNREADABLE, f"{told.cut[path]} files lie there, of which only the newest were listed"
        )
    return duplicity_runs(files)


def duplicity_runs(files: Mapping[str, File]) -> tuple[BackupRun, ...]:
    """Sets with a manifest, which duplicity stores last, volumes, and for increments all that they rest on.

    The times are those in the names (UTC, when it was started): copying and touching files does not change them.
    """
    manifests: dict[tuple[str, str], bool] = {}
    volumes: dict[tuple[str, str], dict[int, int]] = {}
    for name, file in files.items():
        if found := _FULL.fullmatch(name):
            key, part = ("", found[1]), found[2]
        elif found := _INCREMENT.fullmatch(name):
            key, part = (found[1], found[2]), found[3]
        else:
            continue
        if part == "manifest":
            manifests[key] = file.size > 0
        elif file.size > 0:
            volumes.setdefault(key, {})[int(part[3:].partition(".")[0][:9])] = file.size
    sound: dict[str, int] = {}
    for start, end in sorted(manifests, key=lambda key: key[1]):
        parts = volumes.get((start, end), {})
        # Volumes are numbered from 1 on: where one is missing, what it held can't be restored.
        if manifests[start, end] and parts and max(parts) == len(parts) and (not start or start in sound):
            sound[end] = sum(parts.values())
    runs = []
    for end, stored in sound.items():
        at = _utc(end)
        if at is not None:
            runs.append(BackupRun(at=at, stored=stored))
    return newest(runs)


def _utc(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def _sources(jobs: tuple[Job, ...]) -> Reading[tuple[str, ...]]:
    if not jobs:
        return NO_COMMAND
    found: list[str] = []
    for job in jobs:
        operands = [word for word in job.operands(_WITH_VALUE) if word not in _VERBS and "://" not in word]
        if not operands or not all(known(word) for word in operands):
            return Gap(Reason.UNPARSED, f"{job.seen_in}: what is included is put together by a script")
        if job.values("--include", "--include-filelist") or "**" in job.values("--exclude"):
            # `--include /etc --exclude '**' /`: of the folder only what is included by name.
            named = job.values("--include")
            if not named:
                return Gap(Reason.UNREADABLE, f"{job.seen_in}: what is included stands in a file of its own")
            found += named
        else:
            found += operands
    return paths(found)


def _duplicity_retention(jobs: tuple[Job, ...]) -> Reading[Retention]:
    for job in jobs:
        for verb, period in (("remove-all-but-n-full", "last"), ("remove-older-than", "days")):
            if verb not in job.words[:-1]:
                continue
            value = job.words[job.words.index(verb) + 1]
            # duplicity(1), time formats: D days, W weeks, M months of 30 days, Y years of 365.
            if period == "days" and (span := re.fullmatch(r"([0-9]{1,4})([DWMY])", value)):
                value = str(int(span[1]) * {"D": 1, "W": 7, "M": 30, "Y": 365}[span[2]])
            if found := job_retention({period: value}):
                return found
    return Gap(Reason.UNREADABLE, "no command says what is kept")


# --- rdiff-backup -----------------------------------------------------------------------------------------------


def read_rdiff(told: Told, jobs: tuple[Job, ...]) -> Iterator[Backup | Unread]:
    """One backup a target folder; its notes of every session are plain text, in seconds since 1970."""
    jobs = tuple(job for job in jobs if job.tool == "rdiff-backup")
    verbs = {
        "backup",
        "remove",
        "verify",
        "regress",
        "list",
        "restore",
        "compare",
        "increments",
        "older-than",
    }
    by_place: dict[str, list[Job]] = {}
    for job in jobs:
        operands = [
            w
            for w in job.operands(("--exclude", "--include", "--older-than", "-v", "--verbosity"))
            if w not in verbs
        ]
        target = operands[-1].replace("::", ":", 1) if operands else ""
        if known(target):
            by_place.setdefault(told.resolved(target) if target.startswith("/") else target, []).append(job)
    lying = {folder.rpartition("/")[0] for folder in told.folders if folder.endswith("/rdiff-backup-data")}
    for path in sorted({*by_place, *lying}):
        own = tuple(by_place.get(path, ()))
        making = tuple(
            j
            for j in own
            if not j.verb("remove", "verify", "regress", "list", "restore", "--remove-older-than", "--verify")
        )
        files = told.files(f"{path}/rdiff-backup-data")
        runs: Reading[tuple[BackupRun, ...]]
        runs, failed = rdiff_runs(told, path)
        mirrors = {name: file for name, file in files.items() if name.startswith("current_mirror.")}
        attempt: Reading[Attempt] = last_attempt(making)
        if len(mirrors) > 1:
            # rdiff-backup(1): two of these are left where a session broke off; the next one has to go back first.
            attempt = Attempt(
                at=max(m.at for m in mirrors.values()), succeeded=False, said="the last session broke off"
            )
            runs = _without_the_last(runs, mirrors)
        elif failed is not None:
            attempt = failed
        yield Backup(
            tool="rdiff-backup",
            name=without_login(path),
            source="" if making or path not in lying else bounded(PurePosixPath(path).name),
            seen_in=tuple(sorted({*(job.seen_in for job in own), *([path] if path in lying else [])})),
            started_by=started_by(making),
            place=told.place(path),
            runs=runs
            if path in lying
            else unit_runs(making) or Gap(Reason.UNREADABLE, "it lies on another machine"),
            attempt=attempt,
            included=(
                paths(
                    w
                    for j in making
                    for w in [w for w in j.operands(("--exclude", "--include", "-v")) if w not in verbs][:-1]
                )
                if making
                else NO_COMMAND
            ),
            excluded=texts(v for job in making for v in job.values("--exclude")) if making else NO_COMMAND,
            retention=Gap(Reason.UNREADABLE, "no command says what is kept"),
            encrypted=False,
            append_only=False,
            checked_at=last_check(job for job in own if job.verb("verify", "--verify")),
            locked_since=Gap(
                Reason.NOT_COLLECTED, "rdiff-backup locks by other means than a file's presence"
            ),
        )


def _without_the_last(runs: tuple[BackupRun, ...], mirrors: Iterable[str]) -> Reading[tuple[BackupRun, ...]]:
    """Runs before the session that broke off: its marker is written first, and the older one deleted last.

    (rdiffbackup/locations/_repo_shadow.py of rdiff-backup 2.2: ``touch_current_mirror``, ``remove_current_mirror``.)
    Its statistics may be there already; the next session takes all of it back.
    """
    begun = []
    for name in mirrors:
        # Colons are written as ``;058`` where the file system has none.
        text = name.removeprefix("current_mirror.").partition(".")[0].replace(";058", ":")
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            return Gap(Reason.UNPARSED, f"not understood: {name[:80]!r}")
        if at.tzinfo is None:
            return Gap(Reason.UNPARSED, f"not understood: {name[:80]!r}")
        begun.append(at)
    return tuple(run for run in runs if run.at < max(begun))


def rdiff_runs(told: Told, path: str) -> tuple[tuple[BackupRun, ...], Attempt | None]:
    """Sessions that ended without errors; and the newest session, where it had any."""
    runs: list[BackupRun] = []
    last: Attempt | None = None
    for file, lines in told.contents.items():
        if not file.startswith(f"{path}/rdiff-backup-data/session_statistics."):
            continue
        values = dict(
            re.findall(r"^([A-Za-z]+) ([0-9]{1,18})(?:\.[0-9]+)?(?: |$)", "\n".join(lines), re.MULTILINE)
        )
        if "EndTime" not in values or len(values["EndTime"]) > 11:
            continue
        at = datetime.fromtimestamp(int(values["EndTime"]), UTC)
        errors = int(values.get("Errors", "0"))
        if not errors:
            runs.append(
                BackupRun(
                    at=at,
                    size=int(values["SourceFileSize"]) if "SourceFileSize" in values else None,
                    files=int(values["SourceFiles"]) if "SourceFiles" in values else None,
                )
            )
        if last is None or at > last.at:
            last = Attempt(at=at, succeeded=not errors, said=f"{errors} errors" if errors else "")
    return newest(runs), last
