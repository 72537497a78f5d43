"""pgBackRest and Barman: both keep plain notes of every backup, pgBackRest unless its repository is encrypted. Pure."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from secscan.collection.ssh.backups.jobs import Job, job_retention
from secscan.collection.ssh.backups.told import Lines, Told
from secscan.collection.ssh.backups.units import last_attempt, newest, started_by, unit_runs
from secscan.collection.ssh.reading import bounded
from secscan.facts import Gap, Reading
from secscan.facts.backups import Attempt, Backup, BackupRun, Place, PlaceKind, Retention, Unread
from secscan.model import Reason

_SECTION = re.compile(r"\[([^\]]{1,100})\]")
_LOGGED = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8})\.[0-9]{3} P[0-9]{2,3} +[A-Z]+: (backup|verify) command end: (.*)"
)
_LABEL = re.compile(r"([0-9]{8}-[0-9]{6}F[_0-9DI-]*)=(\{.*\})")
#: Shapes of backup.info that are understood: 5 is that of every release of pgBackRest 2.
_FORMAT = "5"


# --- pgBackRest -------------------------------------------------------------------------------------------------


class _Noted(msgspec.Struct, rename="kebab"):
    """What backup.info says of one backup; of its keys, these."""

    backup_timestamp_stop: int
    backup_info_size: int = -1
    backup_info_repo_size_delta: int = -1
    backup_error: bool | None = None


def read_pgbackrest(told: Told, jobs: tuple[Job, ...]) -> Iterator[Backup | Unread]:
    """One backup a stanza and repository."""
    jobs = tuple(job for job in jobs if job.tool == "pgbackrest")
    settings: dict[str, dict[str, str]] = {}
    for config in told.config(r"/etc/pgbackrest.*\.conf"):
        for section, values in read_ini(config).items():
            settings.setdefault(section, {}).update(values)
    for path in told.unreadable:
        if re.fullmatch(r"/etc/pgbackrest.*\.conf", path):
            yield Unread(
                tool="pgbackrest",
                what=path,
                reason=Reason.UNREADABLE,
                detail="the account may not read it, and it may hold keys: leave it so",
            )
    shared = settings.get("global", {})
    stanzas = {name for name in settings if ":" not in name and name != "global"}
    numbers = sorted({m[1] for key in shared if (m := re.fullmatch(r"repo([0-9]*)-.*", key))}) or ["1"]
    done: set[tuple[str, str]] = set()
    for number in numbers:
        at = {
            key[len(f"repo{number}-") :]: v for key, v in shared.items() if key.startswith(f"repo{number}-")
        }
        path = told.resolved(at.get("path", "/var/lib/pgbackrest"))
        here = at.get("type", "posix") in ("posix", "cifs") and "host" not in at
        for stanza in sorted(stanzas | (_stanzas(told, path) if here else set())):
            if not here or f"{path}/backup/{stanza}" in told.folders or stanza in settings:
                done.add((path, stanza))
                yield _pgbackrest(
                    told, stanza, at, path if here else "", jobs, log=shared.get("log-path", "")
                )
    for folder in sorted(told.folders):
        found = re.fullmatch(r"(.*)/backup/([^/]+)", folder)
        if (
            found
            and "backup.info" in told.files(folder)
            and (found[1], found[2]) not in done
            and "/base/" not in folder
        ):
            yield _pgbackrest(told, found[2], {}, found[1], jobs, log="")


def _stanzas(told: Told, path: str) -> set[str]:
    return {
        f.rpartition("/")[2] for f in told.folders if re.fullmatch(re.escape(f"{path}/backup/") + r"[^/]+", f)
    }


def _pgbackrest(
    told: Told, stanza: str, at: dict[str, str], path: str, jobs: tuple[Job, ...], *, log: str
) -> Backup:
    own = tuple(job for job in jobs if stanza in job.values("--stanza"))
    making = tuple(job for job in own if job.verb("backup"))
    cipher = at.get("cipher-type", "")
    runs: Reading[tuple[BackupRun, ...]]
    refused: Attempt | None = None
    if path:
        read = pgbackrest_runs(told, f"{path}/backup/{stanza}", encrypted=bool(cipher) and cipher != "none")
        runs, refused = (read, None) if isinstance(read, Gap) else read
    else:
        runs = unit_runs(making) or Gap(Reason.UNREADABLE, "the repository is on another machine")
    logs = tuple(told.log(re.escape(f"{log or '/var/log/pgbackrest'}/{stanza}-") + "(backup|verify)"))
    logged = _last_logged(told, logs, "backup")
    if isinstance(logged, Attempt) and (refused is None or logged.at > refused.at):
        attempt: Reading[Attempt] = logged
    else:
        attempt = refused or last_attempt(making)
    verified = _last_logged(told, logs, "verify", well=True)
    return Backup(
        tool="pgbackrest",
        name=bounded(
            f"{stanza} {path or at.get('host', '') or at.get('s3-bucket', '') or at.get('type', '')}".strip()
        ),
        source="",
        seen_in=tuple(
            sorted({*(job.seen_in for job in own), *([f"{path}/backup/{stanza}"] if path else [])})
        ),
        started_by=started_by(making),
        place=told.place(path) if path else _remote(at),
        runs=runs,
        attempt=attempt,
        included=(f"database * of {stanza}",),
        excluded=(),
        retention=_pgbackrest_retention(at),
        encrypted=(cipher != "none")
        if cipher
        else (False if at else Gap(Reason.UNREADABLE, "its settings are not here")),
        append_only=Gap(Reason.UNREADABLE, "nothing tells whether old backups can be deleted"),
        checked_at=(
            verified.at
            if isinstance(verified, Attempt)
            else None
            if any("-verify" in one.path for one in logs) and verified is None
            else verified or Gap(Reason.UNREADABLE, "no log of `pgbackrest verify` was found")
        ),
        # Locks of pgBackRest are held by the process, not by the file: /proc/locks names them, but no time.
        locked_since=Gap(Reason.NOT_COLLECTED, "how long a lock has been held is not told"),
    )


def pgbackrest_runs(
    told: Told, folder: str, *, encrypted: bool
) -> tuple[tuple[BackupRun, ...], Attempt | None] | Gap:
    """Backups in backup.info; one with broken pages in it (``backup-error``) is no good one."""
    lines = told.contents.get(f"{folder}/backup.info")
    if lines is None:
        if encrypted:
            return Gap(Reason.UNREADABLE, "the repository is encrypted, its notes with it")
        if "backup.info" in told.files(folder) or any(folder.startswith(c) for c in told.closed):
            return Gap(Reason.UNREADABLE, f"{folder}/backup.info can't be read")
        return (), None
    if not any(line == f"backrest-format={_FORMAT}" for line in lines):
        shape = next((line for line in lines if line.startswith("backrest-format=")), "no backrest-format")
        return Gap(Reason.UNPARSED, f"backup.info: not understood: {shape[:80]!r}")
    runs: list[BackupRun] = []
    bad: Attempt | None = None
    for line in lines:
        if not (found := _LABEL.fullmatch(line)):
            continue
        try:
            noted = msgspec.json.decode(found[2], type=_Noted)
            at = datetime.fromtimestamp(noted.backup_timestamp_stop, UTC)
        except (msgspec.MsgspecError, ValueError, OverflowError, OSError, RecursionError):
            return Gap(Reason.UNPARSED, f"backup.info: not understood: {line[:80]!r}")
        if noted.backup_error:
            if bad is None or at > bad.at:
                bad = Attempt(at=at, succeeded=False, said="pages of the database were broken")
            continue
        runs.append(
            BackupRun(
                at=at,
                size=noted.backup_info_size if noted.backup_info_size >= 0 else None,
                stored=noted.backup_info_repo_size_delta if noted.backup_info_repo_size_delta >= 0 else None,
            )
        )
    return newest(runs), bad


def _last_logged(
    told: Told, logs: tuple[Lines, ...], command: str, *, well: bool = False
) -> Attempt | Gap | None:
    last: Attempt | None = None
    for log in logs:
        for line in log.lines:
            found = _LOGGED.match(line)
            if not found or found[2] != command:
                continue
            at = told.local(found[1], "%Y-%m-%d %H:%M:%S")
            if isinstance(at, Gap):
                return at
            succeeded = found[3].startswith("completed successfully")
            if (succeeded or not well) and (last is None or at >= last.at):
                last = Attempt(at=at, succeeded=succeeded, said=bounded(found[3]))
    return last


def _remote(at: dict[str, str]) -> Place:
    host = at.get("host") or at.get("sftp-host") or at.get("s3-endpoint") or at.get("type", "")
    where = at.get("s3-bucket") or at.get("azure-container") or at.get("gcs-bucket") or at.get("path", "")
    return Place(
        kind=PlaceKind.REMOTE, address=bounded(f"{host}:{where}"), host=bounded(host), path=bounded(where)
    )


def _pgbackrest_retention(at: dict[str, str]) -> Reading[Retention]:
    days = at.get("retention-full-type") == "time"
    found = job_retention({"days" if days else "last": at.get("retention-full", "")})
    return found or Gap(Reason.UNREADABLE, "no repo-retention-full is set: nothing is ever expired")


# --- Barman -----------------------------------------------------------------------------------------------------


def read_barman(told: Told, jobs: tuple[Job, ...]) -> Iterator[Backup | Unread]:
    """One backup a server of Barman's: it keeps those of other machines, and says which."""
    jobs = tuple(job for job in jobs if job.tool == "barman")
    shared: dict[str, str] = {}
    servers: dict[str, dict[str, str]] = {}
    for config in told.config(r"/etc/barman.*"):
        for section, values in read_ini(config).items():
            if section == "barman":
                shared |= values
            else:
                servers.setdefault(section, {}).update(values)
    for path in told.unreadable:
        if path.startswith("/etc/barman"):
            yield Unread(
                tool="barman", what=path, reason=Reason.UNREADABLE, detail="the account may not read it"
            )
    home = told.resolved(shared.get("barman_home", "/var/lib/barman"))
    lying = {
        m[1]
        for folder in told.folders
        if (m := re.fullmatch(re.escape(home) + r"/([^/]+)/base/[^/]+", folder))
    }
    for server in sorted({*servers, *lying}):
        values = shared | servers.get(server, {})
        folder = told.resolved(values.get("backup_directory", f"{home}/{server}"))
        closed = any(folder == c or folder.startswith(c + "/") for c in told.closed)
        runs: Reading[tuple[BackupRun, ...]]
        attempt: Reading[Attempt]
        if server in servers and closed:
            runs = Gap(Reason.UNREADABLE, f"the account may not read {folder}")
            attempt = runs
        else:
            noted = barman_runs(told, folder)
            if isinstance(noted, Gap):
                runs = attempt = noted
            else:
                runs = noted[0]
                attempt = noted[1] or Gap(Reason.UNREADABLE, "no backup was ever begun")
        making = tuple(
            job for job in jobs if job.verb("backup") and (server in job.words or "all" in job.words)
        )
        yield Backup(
            tool="barman",
            name=bounded(server),
            source=_client(values.get("conninfo_host", server)),
            seen_in=tuple(sorted({folder, *(job.seen_in for job in making)})),
            started_by=started_by(making),
            place=told.place(folder),
            runs=runs,
            attempt=attempt,
            included=("database *",),
            excluded=(),
            retention=_barman_retention(values.get("retention_policy", "")),
            encrypted=_barman_encrypted(told, folder),
            append_only=Gap(Reason.UNREADABLE, "nothing tells whether old backups can be deleted"),
            checked_at=Gap(Reason.NOT_COLLECTED, "Barman keeps no record of verified backups"),
            locked_since=Gap(Reason.NOT_COLLECTED, "how long a lock has been held is not told"),
        )


def _client(host: str) -> str:
    """The machine of a server; "" where its socket is here."""
    return (
        "" if not host or host.startswith("/") or host in ("localhost", "127.0.0.1", "::1") else bounded(host)
    )


def barman_runs(told: Told, folder: str) -> tuple[tuple[BackupRun, ...], Attempt | None] | Gap:
    """Backups whose ``status`` is DONE: only then is all the WAL there that they need (barman(1))."""
    runs: list[BackupRun] = []
    last: Attempt | None = None
    for path, lines in told.contents.items():
        if not (path.startswith(f"{folder}/base/") and path.endswith("/backup.info")):
            continue
        values = dict(line.partition("=")[::2] for line in lines)
        status = values.get("status", "")
        if status in ("STARTED", "EMPTY"):
            begun = _zoned(values.get("begin_time", ""))
            if begun is not None and (last is None or begun > last.at):
                last = Attempt(at=begun, succeeded=None, said=status)
            continue
        ended = _zoned(values.get("end_time", "")) or (
            _zoned(values.get("begin_time", "")) if status == "FAILED" else None
        )
        if ended is None:
            if status == "FAILED":
                continue
            return Gap(
                Reason.UNPARSED, f"{bounded(path, 80)}: not understood: {values.get('end_time', '')[:60]!r}"
            )
        if status == "DONE":
            size = values.get("size", "")
            runs.append(
                BackupRun(at=ended, size=int(size) if re.fullmatch(r"[0-9]{1,18}", size, re.ASCII) else None)
            )
        elif status not in ("FAILED", "WAITING_FOR_WALS", "SYNCING", "RETRIEVING"):
            return Gap(Reason.UNPARSED, f"{bounded(path, 80)}: not understood: status={status[:40]!r}")
        if last is None or ended > last.at:
            last = Attempt(at=ended, succeeded=status == "DONE", said=bounded(status))
    return newest(runs), last


def _barman_encrypted(told: Told, folder: str) -> Reading[bool]:
    """Barman 3.4 has no encryption of its own; what a newer one may note of it is not understood."""
    for path, lines in told.contents.items():
        if path.startswith(f"{folder}/base/"):
            noted = next((line for line in lines if line.startswith("encryption=")), "encryption=None")
            if noted != "encryption=None":
                return Gap(Reason.UNPARSED, f"backup.info: not understood: {noted[:60]!r}")
    return False


def _zoned(text: str) -> datetime | None:
    """A time as Python prints it, with its zone; None for ``None`` and for one without."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (
        at.astimezone(UTC).replace(microsecond=0)
        if at.tzinfo is not None and 1970 <= at.year < 9999
        else None
    )


def _barman_retention(policy: str) -> Reading[Retention]:
    if found := re.fullmatch(r"REDUNDANCY\s+([0-9]{1,6})", policy.strip(), re.IGNORECASE):
        return Retention(last=int(found[1]))
    window = re.fullmatch(
        r"RECOVERY WINDOW OF\s+([0-9]{1,5})\s+(DAY|WEEK|MONTH)S?", policy.strip(), re.IGNORECASE
    )
    if window:
        # barman(5): a month is 31 days.
        return Retention(days=int(window[1]) * {"DAY": 1, "WEEK": 7, "MONTH": 31}[window[2].upper()])
    if policy:
        return Gap(Reason.UNPARSED, f"retention_policy: not understood: {policy[:80]!r}")
    return Gap(Reason.UNREADABLE, "no retention_policy is set: nothing is ever deleted")


def read_ini(config: Lines) -> dict[str, dict[str, str]]:
    """Sections of an ini file, as far as its lines were let through; lines outside of any are left out."""
    found: dict[str, dict[str, str]] = {}
    section: dict[str, str] = {}
    for line in config.lines:
        text = line.strip()
        if head := _SECTION.fullmatch(text):
            section = found.setdefault(head[1], {})
        else:
            key, _, value = text.partition("=")
            section[key.strip()] = value.strip()
    return found
