"""Files that patterns of the inventory match: dumps and archives, judged by what they begin and end with. Pure.

pg_dump and mysqldump write a last line when they are done; a dump without it broke off. The time of a file is what any
copying program makes it: where its name or last line says an earlier day, that counts.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from secscan.collection.ssh.backups.jobs import Job
from secscan.collection.ssh.backups.told import Told
from secscan.collection.ssh.backups.units import last_attempt, newest, started_by
from secscan.collection.ssh.framing import Reply
from secscan.collection.ssh.reading import bounded
from secscan.facts import Gap, Reading
from secscan.facts.backups import Attempt, Backup, BackupRun, Retention, Unread
from secscan.model import Reason

_FILE = re.compile(r"([0-9]{1,12}) ([0-9]{1,18}) (/.*)")
_SHUT = re.compile(r"([0-9]{1,12})/([0-9]{1,18})/[0-9a-f]+/(/.*)")
_DAY = re.compile(r"(?<![0-9])(20[0-9]{2})([-_]?)(0[1-9]|1[0-2])\2(0[1-9]|[12][0-9]|3[01])(?![0-9])")
_DUMP_ENDED = re.compile(r"-- Dump completed on ([0-9]{4}-[0-9]{2}-[0-9]{2}) +([0-9]{1,2}:[0-9]{2}:[0-9]{2})")
_COMPLETE = re.compile(r"-- (PostgreSQL database (cluster )?dump complete|Dump completed\b.*)")
_DATABASE = re.compile(
    r"-- Host: .* Database: (\S+)|-- Current Database: `([^`]+)`|\\connect (?:-\S+ )*\"?([^\s\"]+)"
)
_STARTS_AS_DUMP = re.compile(r"-- (PostgreSQL|MySQL|MariaDB) ")
#: What encrypted files begin with: age, an OpenSSL salt, GnuPG's packet of an encrypted session key (RFC 9580, 4.3).
_ENCRYPTED = re.compile(r"6167652d656e6372|53616c7465645f5f|(84|85|8c|c1|c3)[0-9a-f]{14}")
_GZIP_OF_NOTHING = 20
#: What lies beside backups and is none: a log that was written a minute ago says nothing of the dump.
_BESIDE = re.compile(r".*\.(log|txt|md5|sha[0-9]+|sig|asc|lock|tmp|part|err)(\.[0-9]+)?", re.DOTALL)


@dataclass(slots=True)
class _Matched:
    """What is told of one pattern."""

    pattern: str
    folder: str = ""
    closed: str = ""
    files: list[tuple[datetime, int, str]] = field(default_factory=list)
    count: int = 0
    links: dict[str, str] = field(default_factory=dict)
    shut: set[str] = field(default_factory=set)
    magic: dict[str, str] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    large: set[str] = field(default_factory=set)
    heads: dict[str, list[str]] = field(default_factory=dict)
    tails: dict[str, list[str]] = field(default_factory=dict)


def read_files(told: Told, jobs: tuple[Job, ...], reply: Reply) -> Iterator[Backup | Unread]:
    """One backup for each declared pattern that matched a file; why not, for one whose folder can't be read."""
    section = reply.section("backup-declared")
    if isinstance(section, Gap):
        if reply.has("backup-declared"):
            yield Unread(
                tool="files", what="backup-declared", reason=section.reason, detail=bounded(section.detail)
            )
        return
    for matched in read_matched(section.text):
        matched.files = [file for file in matched.files if not _BESIDE.fullmatch(file[2])]
        if matched.closed or (matched.shut and not matched.magic):
            what = matched.closed or next(iter(sorted(matched.shut)))
            yield Unread(
                tool="files",
                what=bounded(matched.pattern),
                reason=Reason.UNREADABLE,
                detail=bounded(f"the account may not read {what}"),
            )
        if matched.files:
            yield _backup(told, matched, jobs)
        elif matched.closed and (making := _making(matched, jobs)):
            # That something is made there is told by what starts it; of what came of it, nothing.
            hidden = Gap(Reason.UNREADABLE, bounded(f"the account may not read {matched.closed}"))
            yield Backup(
                tool="files",
                name=bounded(matched.pattern),
                seen_in=tuple(sorted({job.seen_in for job in making})),
                started_by=started_by(making),
                place=hidden,
                runs=hidden,
                attempt=last_attempt(making),
                included=hidden,
                excluded=hidden,
                encrypted=hidden,
                append_only=hidden,
                checked_at=Gap(Reason.NOT_COLLECTED, "files keep no record of checks"),
                locked_since=None,
            )


def read_matched(text: str) -> list[_Matched]:
    """The section's lines, pattern by pattern; lines that are not understood are names that hold line breaks."""
    found: list[_Matched] = []
    current = ""
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        if word == "pattern":
            found.append(_Matched(rest))
            continue
        if not found:
            continue
        one = found[-1]
        if word == "real":
            one.folder = rest
        elif word == "closed":
            one.closed = rest
        elif word == "count" and rest.isdecimal():
            one.count = int(rest[:9])
        elif word == "link" and "\t" in rest:
            target, _, path = rest.partition("\t")
            one.links[path] = target
        elif word == "shut":
            if sized := _SHUT.fullmatch(rest):
                one.files.append((_instant(sized[1]), int(sized[2]), sized[3]))
                one.shut.add(sized[3])
            else:
                one.shut.add(rest)
        elif word == "magic":
            magic, _, current = rest.partition(" ")
            one.magic[current] = magic
        elif word == "whole":
            one.whole.add(rest)
        elif word == "broken":
            one.broken.add(rest.partition(" ")[2])
        elif word == "large":
            one.large.add(rest)
        elif word == "head":
            one.heads.setdefault(current, []).append(rest)
        elif word == "tail":
            one.tails.setdefault(current, []).append(rest)
        elif sized := _FILE.fullmatch(line):
            one.files.append((_instant(sized[1]), int(sized[2]), sized[3]))
    return found


def _backup(told: Told, matched: _Matched, jobs: tuple[Job, ...]) -> Backup:
    making = _making(matched, jobs)
    newest_path = matched.files[0][2] if matched.files else ""
    # A link's target is where the file is: the folder it is linked from may be on another disk.
    where = matched.links.get(newest_path) or (
        f"{matched.folder}/{newest_path.rpartition('/')[2]}" if matched.folder else newest_path
    )
    runs, attempt = file_runs(told, matched)
    encrypted: Reading[bool] = Gap(Reason.UNREADABLE, "what they begin with could not be read")
    if newest_path in matched.magic:
        known_plain = bool(matched.heads.get(newest_path)) or re.match(
            r"1f8b|504b0304|fd377a|28b52ffd|425a68|5047444d50", matched.magic[newest_path]
        )
        if _ENCRYPTED.match(matched.magic[newest_path]):
            encrypted = True
        elif known_plain:
            encrypted = False
        else:
            encrypted = Gap(Reason.UNPARSED, f"they begin with {matched.magic[newest_path][:16]}")
    databases = {
        f"database {next(filter(None, found.groups()))}"
        for line in matched.heads.get(newest_path, ())
        if (found := _DATABASE.match(line))
    }
    return Backup(
        tool="files",
        name=bounded(matched.pattern),
        seen_in=tuple(
            sorted({matched.folder or matched.pattern.rpartition("/")[0], *(job.seen_in for job in making)})
        ),
        started_by=started_by(making)
        if making
        else Gap(Reason.UNREADABLE, "nothing readable names these files"),
        place=told.place(where),
        runs=runs,
        attempt=attempt or last_attempt(making),
        included=(
            tuple(sorted(databases))
            if databases
            else Gap(Reason.UNREADABLE, "the files do not say what is in them")
        ),
        excluded=Gap(Reason.UNREADABLE, "the files do not say what is left out"),
        retention=_retention(matched, jobs),
        encrypted=encrypted,
        append_only=Gap(Reason.UNREADABLE, "nothing tells whether old files can be deleted"),
        checked_at=Gap(Reason.NOT_COLLECTED, "files keep no record of checks"),
        locked_since=None,
    )


def file_runs(told: Told, matched: _Matched) -> tuple[tuple[BackupRun, ...], Attempt | None]:
    """Of the two newest files those that are whole; of older ones those that hold anything."""
    runs: list[BackupRun] = []
    failed: Attempt | None = None
    for at, size, path in matched.files:
        at = min(filter(None, (at, _named_day(told, path), _said(told, matched.tails.get(path, ())))))
        why = _incomplete(matched, path, size)
        if why is None:
            runs.append(BackupRun(at=at, stored=size, size=None))
        elif failed is None:
            failed = Attempt(at=at, succeeded=False, said=bounded(f"{path.rpartition('/')[2]}: {why}"))
    return newest(runs), failed


def _incomplete(matched: _Matched, path: str, size: int) -> str | None:
    if size == 0:
        return "it is empty"
    if re.search(r"\.(gz|tgz)\Z", path) and size <= _GZIP_OF_NOTHING:
        return "it is an archive of nothing"
    if path in matched.broken:
        return "it is damaged or was cut off"
    heads = matched.heads.get(path, ())
    if any(_STARTS_AS_DUMP.match(line) for line in heads) and path not in matched.large:
        if not any(_COMPLETE.fullmatch(line) for line in matched.tails.get(path, ())):
            return "it is a dump without its last line: it broke off"
    elif (
        re.search(r"\.sql(\.[a-z0-9]+)?\Z", path)
        and path in matched.magic
        and path not in matched.large
        and not _ENCRYPTED.match(matched.magic[path])
    ):
        return "it does not begin as a dump does"
    return None


def _named_day(told: Told, path: str) -> datetime | None:
    """The end of the day that a file's name gives, where the host's zone is known; else of that day anywhere."""
    days = {(int(m[1]), int(m[3]), int(m[4])) for m in _DAY.finditer(path.rpartition("/")[2])}
    if len(days) != 1:
        return None
    try:
        day = datetime(*next(iter(days)), tzinfo=UTC if isinstance(told.zone, Gap) else told.zone)
    except ValueError:
        return None
    return (day + timedelta(days=1, hours=12 if isinstance(told.zone, Gap) else 0)).astimezone(UTC)


def _said(told: Told, lines: Sequence[str]) -> datetime | None:
    for line in lines:
        if found := _DUMP_ENDED.match(line):
            at = told.local(f"{found[1]} {found[2]}", "%Y-%m-%d %H:%M:%S")
            return None if isinstance(at, Gap) else at
    return None


def _making(matched: _Matched, jobs: tuple[Job, ...]) -> tuple[Job, ...]:
    return tuple(job for job in jobs if any(_matches(matched.pattern, path) for path in _written(job)))


def _retention(matched: _Matched, jobs: tuple[Job, ...]) -> Reading[Retention]:
    """How old a file becomes before ``find -mtime +N -delete`` takes it; the shortest, where there are several."""
    folders = {matched.pattern.rpartition("/")[0].rstrip("/"), matched.folder.rstrip("/")} - {""}
    found: list[int] = []
    for job in jobs:
        deletes = "-delete" in job.words or any(word.rpartition("/")[2] == "rm" for word in job.words)
        if job.tool != "find" or not deletes:
            continue
        first = next(
            (i for i, word in enumerate(job.words) if word.startswith(("-", "(", "!"))), len(job.words)
        )
        places = {word.rstrip("/") for word in job.words[:first]}
        if not any(
            folder == place or folder.startswith(f"{place}/") for folder in folders for place in places
        ):
            continue
        spans = [re.fullmatch(r"\+([0-9]{1,5})", value) for value in job.values("-mtime")]
        if not spans or not all(spans):
            return Gap(Reason.UNPARSED, f"{job.seen_in}: what `find` deletes there is not understood")
        found += [int(span[1]) for span in spans if span]
    if found:
        return Retention(days=min(found))
    return Gap(Reason.UNREADABLE, "no `find` that deletes old files there was found")


def _written(job: Job) -> tuple[str, ...]:
    """Files that a command writes: where its output goes, and what pg_dump's and mysqldump's options name."""
    return (*([job.output] if job.output else []), *job.values("-f", "--file", "-r", "--result-file"))


def _matches(pattern: str, path: str) -> bool:
    """Whether a path, or a script's path with variables in it, could be one of the pattern's."""
    folder, _, _ = pattern.rpartition("/")
    return path.rpartition("/")[0] == folder


def _instant(text: str) -> datetime:
    return datetime.fromtimestamp(min(int(text), 253402300799), UTC)
