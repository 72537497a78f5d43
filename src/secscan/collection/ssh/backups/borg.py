"""borg, and borgmatic which drives it: repositories, the client's own notes, and configurations. Pure.

What a repository holds is told only to who has its key. Readable without one: the repository's ``config``, the kind of
encryption (the first byte of every object, see crypto/key.py of borg 1.2), and when anything was last written. That is
no word on a backup: pruning, checkpoints of a backup that broke off and deletions write as well.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

import yaml

from secscan.collection.ssh.backups.jobs import Job, job_retention, known
from secscan.collection.ssh.backups.told import Lines, Told, without_login
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
from secscan.facts.backups import Backup, BackupRun, Retention, Unread
from secscan.model import Reason

#: crypto/key.py of borg 1.2: which kinds of key encrypt. ``authenticated`` (6, 7) and ``none`` (2) don't.
_ENCRYPTS = {
    "00": True,
    "01": True,
    "02": False,
    "03": True,
    "04": True,
    "05": True,
    "06": False,
    "07": False,
}
_ID = re.compile(r"[0-9a-f]{64}")
_TIME = "%Y-%m-%d %H:%M:%S"
#: A client's clock may be off, and its run ends after the repository's last write.
_WRITTEN_WITHIN = timedelta(hours=1)
_VERBS = (
    "create",
    "prune",
    "check",
    "init",
    "compact",
    "list",
    "info",
    "delete",
    "break-lock",
    "serve",
    "extract",
)
_WITH_VALUE = (
    *(
        "-C",
        "--compression",
        "-e",
        "--exclude",
        "--exclude-from",
        "--exclude-if-present",
        "--pattern",
        "--patterns-from",
    ),
    *(
        "--rsh",
        "--remote-path",
        "--lock-wait",
        "--comment",
        "--timestamp",
        "-c",
        "--checkpoint-interval",
        "-P",
        "--prefix",
    ),
    *(
        "--chunker-params",
        "--files-cache",
        "--upload-ratelimit",
        "--remote-ratelimit",
        "--umask",
        "-a",
        "--glob-archives",
    ),
    *(
        "--stdin-name",
        "--upload-buffer",
        "--remote-buffer",
        "--keep-within",
        "--keep-last",
        "--keep-minutely",
        "-H",
    ),
    *(
        "--keep-hourly",
        "-d",
        "--keep-daily",
        "-w",
        "--keep-weekly",
        "-m",
        "--keep-monthly",
        "-y",
        "--keep-yearly",
    ),
    *(
        "--paths-from-command",
        "--paths-delimiter",
        "--content-from-command",
        "--max-duration",
        "--sort-by",
        "--first",
        "--last",
    ),
)
_MOST_YAML = 60_000
_MOST_KEPT = 1_000_000


class _Configuration:
    """One file of borgmatic, in the old shape (1.7: by section) or the new (1.8: flat)."""

    def __init__(self, path: str, said: dict[str, Any]) -> None:
        flat: dict[str, Any] = {}
        for key, value in said.items():
            if key in ("location", "storage", "retention", "consistency", "hooks") and isinstance(
                value, dict
            ):
                flat |= value
            else:
                flat[key] = value
        self.path = path
        self._flat = flat

    def repositories(self) -> list[str]:
        named = [r.get("path") if isinstance(r, dict) else r for r in self._list("repositories")]
        return [repository for repository in named if isinstance(repository, str)]

    def included(self) -> list[str]:
        found = [path for path in self._list("source_directories") if isinstance(path, str)]
        for key in ("postgresql_databases", "mysql_databases", "mariadb_databases"):
            for database in self._list(key):
                if isinstance(database, dict) and isinstance(name := database.get("name"), str):
                    found.append(f"database {'*' if name == 'all' else name}")
        return found

    def excluded(self) -> list[str]:
        return [pattern for pattern in self._list("exclude_patterns") if isinstance(pattern, str)]

    def retention(self) -> Retention | None:
        values = {
            period: str(value)
            for period in ("hourly", "daily", "weekly", "monthly", "yearly")
            if isinstance(value := self._flat.get(f"keep_{period}"), int) and 0 <= value < _MOST_KEPT
        }
        return job_retention(values)

    def _list(self, key: str) -> list[Any]:
        value = self._flat.get(key)
        return value[:200] if isinstance(value, list) else []


def read_borg(told: Told, jobs: tuple[Job, ...]) -> Iterator[Backup | Unread]:
    """One backup for each repository that lies here or is named here."""
    configurations: list[_Configuration] = []
    for config in told.config(r".*/borgmatic/?.*\.yaml", r"/etc/borgmatic\.d/.*"):
        made = read_borgmatic(config)
        if isinstance(made, Unread):
            yield made
        else:
            configurations.append(made)
    for path in told.unreadable:
        if re.search(r"borgmatic.*\.yaml$", path):
            yield Unread(
                tool="borgmatic",
                what=path,
                reason=Reason.UNREADABLE,
                detail="the account may not read it, and it may hold a passphrase: leave it so, or keep that elsewhere",
            )
    by_place: dict[str, list[Job]] = {}
    for job in (job for job in jobs if job.tool == "borg"):
        address = repository_of(job)
        if known(address):
            by_place.setdefault(_place(told, address), []).append(job)
        elif job.verb("create"):
            yield Unread(
                tool="borg",
                what=job.seen_in,
                reason=Reason.UNPARSED,
                detail="the repository this backs up to is not named where it can be read",
            )
    driving = tuple(job for job in jobs if job.tool == "borgmatic")
    by_configuration: dict[str, list[_Configuration]] = {}
    for configuration in configurations:
        for repository in configuration.repositories():
            by_configuration.setdefault(_place(told, repository), []).append(configuration)
    called = {_canonical(address): address for address in (*by_configuration, *by_place)}
    noted = {called.get(_canonical(place), place): notes for place, notes in _noted(told).items()}
    for path in sorted({*by_place, *by_configuration, *noted, *_repositories(told)}):
        own = tuple(by_configuration.get(path, ()))
        yield _backup(
            told, path, tuple(by_place.get(path, ())), own, _drives(driving, own), noted.get(path, {})
        )


def read_borgmatic(config: Lines) -> _Configuration | Unread:
    """What the script let through of a configuration of borgmatic."""
    try:
        text = "\n".join(config.lines)[:_MOST_YAML]
        # A few lines of aliases stand for more than any memory holds.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            return _not_understood(config.path, "aliases, which are not followed")
        said = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as e:
        return _not_understood(config.path, str(e))
    if not isinstance(said, dict) or not all(isinstance(key, str) for key in said):
        return _not_understood(config.path, f"{type(said).__name__} in the place of settings")
    return _Configuration(config.path, said)


def repository_of(job: Job) -> str:
    """The repository of a borg command, without the archive; "" where it does not say."""
    operands = job.operands(_WITH_VALUE)
    named = next((word for word in operands if "::" in word), "")
    if not named and job.verb("prune", "check", "compact", "init", "list", "info"):
        named = next((word for word in operands if word not in _VERBS), "")
    return named.partition("::")[0] or job.environment.get("BORG_REPO", "")


def _place(told: Told, address: str) -> str:
    return told.resolved(address) if address.startswith("/") else address


def _canonical(address: str) -> str:
    """An address as borg's notes have it, but for the user, who is taken out before commands are sent.

    ``host:/path`` is ``ssh://host/path`` there (Location.canonical_path in helpers/parseformat.py of borg 1.2).
    """
    plain = without_login(address)
    found = re.fullmatch(r"([A-Za-z0-9._-]+):(/.*)", plain)
    return f"ssh://{found[1]}{found[2]}" if found else plain


def _drives(jobs: tuple[Job, ...], configurations: tuple[_Configuration, ...]) -> tuple[Job, ...]:
    """Commands of borgmatic that take these configurations: by name, or all that are where it looks by itself."""
    mine = {configuration.path for configuration in configurations}
    found = []
    for job in jobs:
        named = set(job.values("-c", "--config"))
        if named & mine or (not named and any(path.startswith(("/etc/", "/root/")) for path in mine)):
            found.append(job)
    return tuple(found)


def _repositories(told: Told) -> Iterator[str]:
    for folder, files in told.folders.items():
        if {"README", "config", "data"} <= files.keys() and files["data"].folder:
            yield folder


def _noted(told: Told) -> dict[str, dict[str, str]]:
    """The client's notes of repositories it used, by place: borg keeps them below its ``security`` folder."""
    found: dict[str, dict[str, str]] = {}
    for path, lines in told.contents.items():
        folder, _, name = path.rpartition("/")
        parent, _, repository = folder.rpartition("/")
        if parent.endswith("/security") and _ID.fullmatch(repository) and name == "location" and lines:
            notes = {"id": repository, "seen": folder}
            for other in ("key-type", "manifest-timestamp"):
                notes[other] = (told.contents.get(f"{folder}/{other}") or ("",))[0]
            found[_place(told, re.sub(r"\Assh://(?=/)", "", lines[0]))] = notes
    return found


def _backup(
    told: Told,
    path: str,
    jobs: tuple[Job, ...],
    configurations: tuple[_Configuration, ...],
    driving: tuple[Job, ...],
    notes: dict[str, str],
) -> Backup:
    seen = path in told.folders
    settings = dict(line.split(" = ", 1) for line in told.contents.get(f"{path}/config", ()) if " = " in line)
    making = tuple(job for job in jobs if job.verb("create"))
    # Without a verb borgmatic prunes, makes a backup and checks; with others it may do only one of them.
    whole = tuple(
        job
        for job in driving
        if job.verb("create") or not job.verb("prune", "check", "list", "info", "compact")
    )
    making += whole
    repository = settings.get("id") or notes.get("id", "")
    return Backup(
        tool="borgmatic" if configurations else "borg",
        name=without_login(path),
        source="" if making or notes or configurations or not seen else bounded(PurePosixPath(path).name),
        seen_in=tuple(
            sorted(
                {
                    *(job.seen_in for job in jobs + driving),
                    *(configuration.path for configuration in configurations),
                    *([path] if seen else []),
                    *([notes["seen"]] if notes else []),
                }
            )
        ),
        started_by=started_by(making),
        place=told.place(path),
        runs=_runs(told, path, making, notes),
        attempt=last_attempt(making),
        included=_included(making, configurations),
        excluded=(
            texts(pattern for c in configurations for pattern in c.excluded())
            if configurations
            else texts(v for job in making for v in job.values("-e", "--exclude"))
            if making
            else NO_COMMAND
        ),
        retention=_retention(jobs, configurations),
        encrypted=_encrypted(told, path, notes),
        append_only=(
            # The setting binds `borg serve`. Who makes backups by a path can delete the files themselves.
            settings["append_only"] == "1" and not (making and path.startswith("/"))
            if settings.get("append_only") in ("0", "1")
            else Gap(Reason.UNREADABLE, "only the repository's own settings and its server's say so")
        ),
        checked_at=_checked_at(told, repository, tuple(job for job in jobs + driving if job.verb("check"))),
        locked_since=(
            (told.files(path)["lock.exclusive"].at if "lock.exclusive" in told.files(path) else None)
            if seen
            else Gap(Reason.UNREADABLE, "locks lie in the repository")
        ),
    )


def _runs(
    told: Told, path: str, making: tuple[Job, ...], notes: dict[str, str]
) -> Reading[tuple[BackupRun, ...]]:
    outputs = {job.output for job in making if job.output} | {
        o for job in making for o in job.values("--log-file")
    }
    logged: list[BackupRun] = []
    for log in told.log(
        *(re.escape(output) + r"(\.1(\.gz)?|-2.*)?\Z" for output in outputs), r"/var/log/borg"
    ):
        if outputs or len(making) == 1:
            found = read_log(told, log, path)
            if isinstance(found, Gap):
                return found
            logged += found
    written = [file.at for name, file in told.files(path).items() if name.startswith("integrity.")]
    if found_runs := newest(logged) or unit_runs(making):
        # Whatever borg creates, it writes these last; a log that is newer tells of another repository, or of nothing.
        if written and found_runs[0].at > max(written) + _WRITTEN_WITHIN:
            return Gap(
                Reason.CONTRADICTORY,
                f"a run of {found_runs[0].at:%Y-%m-%dT%H:%MZ} is told of, and the repository was last written at "
                f"{max(written):%Y-%m-%dT%H:%MZ}",
            )
        return found_runs
    when = (
        f"it was last written at {max(written):%Y-%m-%dT%H:%MZ}"
        if written
        else notes.get("manifest-timestamp", "")
    )
    return Gap(
        Reason.UNREADABLE,
        bounded(
            f"what is in a repository is told only to who has its key; {when or 'nothing tells of its last run'}"
        ),
    )


def read_log(told: Told, log: Lines, repository: str) -> tuple[BackupRun, ...] | Gap:
    """Runs in what ``borg create --stats`` or ``--json`` printed, and in the log of borgmatic. Their times have no zone."""
    runs: list[BackupRun] = []
    end, files, size, creating = "", None, None, False
    for line in log.lines:
        text = line.strip().rstrip(",")
        if found := re.match(r"Time \(end\):\s+\w{3}, (\S+ \S+)\Z", text):
            end, files = found[1], None
        elif found := re.match(r"\"end\": \"([0-9-]+T[0-9:]+)(?:\.[0-9]+)?([+-][0-9:]+)?\"\Z", text):
            end, files = found[1].replace("T", " ") + (found[2] or ""), None
        elif end and (found := re.match(r"(?:Number of files:|\"nfiles\":)\s*([0-9]{1,15})\Z", text)):
            files = int(found[1])
        elif end and (found := re.match(r"\"original_size\": ([0-9]{1,18})\Z", text)):
            size = int(found[1])
        elif found := re.match(r"\[?([0-9-]{10} [0-9:]{8})[,.0-9]*\]?.* Creating archive", text):
            creating = not repository or f"{repository}:" in text
        elif creating and (
            found := re.match(r"\[?([0-9-]{10} [0-9:]{8}).*Successfully ran configuration", text)
        ):
            end, files, size, creating = found[1], -1, None, False
        elif "Error running configuration" in text or "terminating with error" in text:
            creating, end = False, ""
        if end and (files is not None and (size is not None or not text.startswith('"'))):
            at = told.local(end, _TIME) if len(end) == 19 else _zoned(end)
            if isinstance(at, Gap):
                return at
            runs.append(BackupRun(at=at, files=files if files >= 0 else None, size=size))
            end, files, size = "", None, None
    return newest(runs)


def _zoned(text: str) -> Reading[datetime]:
    try:
        return datetime.strptime(text, f"{_TIME}%z").astimezone(UTC)
    except (ValueError, OverflowError):
        return Gap(Reason.UNPARSED, f"not a time: {text[:40]!r}")


def _included(
    making: tuple[Job, ...], configurations: tuple[_Configuration, ...]
) -> Reading[tuple[str, ...]]:
    if configurations:
        return paths(path for configuration in configurations for path in configuration.included())
    if not making:
        return NO_COMMAND
    found: list[str] = []
    for job in making:
        named = [word for word in job.operands(_WITH_VALUE) if word not in _VERBS and "::" not in word]
        if (
            job.values("--patterns-from", "--pattern", "--paths-from-command")
            or "--paths-from-stdin" in job.words
        ):
            return Gap(Reason.UNREADABLE, f"{job.seen_in}: what is included is a matter of patterns")
        if not all(known(path) for path in named):
            return Gap(Reason.UNPARSED, f"{job.seen_in}: what is included is put together by a script")
        found += named
    return paths(found) if found else Gap(Reason.UNREADABLE, "no command says what is included")


def _retention(jobs: tuple[Job, ...], configurations: tuple[_Configuration, ...]) -> Reading[Retention]:
    for configuration in configurations:
        if found := configuration.retention():
            return found
    for job in jobs:
        if job.verb("prune"):
            values = {
                period: value
                for period, short in (
                    ("last", "--keep-last"),
                    ("hourly", "-H"),
                    ("daily", "-d"),
                    ("weekly", "-w"),
                    ("monthly", "-m"),
                    ("yearly", "-y"),
                )
                for value in job.values(f"--keep-{period}", short)
            }
            if (within := job.values("--keep-within")) and (
                days := re.fullmatch(r"([0-9]{1,5})d", within[0])
            ):
                values["days"] = days[1]
            if found := job_retention(values):
                return found
    return Gap(Reason.UNREADABLE, "no command or configuration says what is kept")


def _encrypted(told: Told, path: str, notes: dict[str, str]) -> Reading[bool]:
    kind = told.segments.get(path, "")
    if not kind and re.fullmatch(r"[0-9]{1,3}", notes.get("key-type", ""), re.ASCII):
        kind = f"{int(notes['key-type']):02x}"
    if kind in _ENCRYPTS:
        return _ENCRYPTS[kind]
    if kind:
        return Gap(Reason.UNPARSED, f"this kind of key is not known: {kind[:8]!r}")
    return Gap(Reason.UNREADABLE, "nothing readable tells the kind of its key")


def _checked_at(told: Told, repository: str, checking: tuple[Job, ...]) -> Reading[datetime | None]:
    """borgmatic touches a file for each kind of check when it ended well (borg/check.py of 1.7, 1.8)."""
    if repository:
        times = [
            file.at
            for folder, files in told.folders.items()
            if re.search(rf"/\.borgmatic/checks/{repository}(/|\Z)", folder)
            for name, file in files.items()
            if not file.folder and re.fullmatch(r"repository|archives|data|extract|time", name)
        ]
        if times:
            return max(times)
    return last_check(job for job in checking if not job.verb("create"))


def _not_understood(path: str, text: str) -> Unread:
    return Unread(
        tool="borgmatic",
        what=bounded(path),
        reason=Reason.UNPARSED,
        detail=bounded(f"not understood: {text[:80]!r}"),
    )
