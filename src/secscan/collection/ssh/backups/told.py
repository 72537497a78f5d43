"""What one host told of its backups, taken apart: listings, configurations, contents and logs by path. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from secscan.collection.ssh.framing import Reply
from secscan.collection.ssh.reading import bounded
from secscan.facts import Gap, Mount, Reading, Timer
from secscan.facts.backups import Place, PlaceKind, Unread
from secscan.model import Reason

#: More folders, files or lines than this of one host are noise.
MOST = 300_000

_LAST_INSTANT = 253402300799
_LISTED = re.compile(r"([0-9]+) ([0-9]{1,12}) ([0-9]{1,18}) ([0-9a-f]{1,8}) (.+)")
_CONTENT = re.compile(
    r"(/.*?/(?:config|key-type|location|manifest-timestamp|backup\.info|session_statistics\.[^/:]*:[^/:]*:[^/:]*"
    r"|session_statistics\.[^/:]*|xtrabackup_info|mariadb_backup_info|backups)):(.*)"
)
_NETWORK = re.compile(
    r"(nfs4?|cifs|smb3|smbfs|ceph|glusterfs|9p|afs|lustre|fuse\.(sshfs|rclone|s3fs|glusterfs|ceph.*|davfs)|davfs)"
)
_REMOTE_FILES = re.compile(r"(?:([^@:/\s]+)@)?(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):(.*)")
_ADDRESS = re.compile(
    r"(?:[a-z0-9]+:)?[a-z][a-z0-9+.-]*://(?:[^@/]*@)?(\[[^\]]*\]|[^:/?]*)(?::[0-9]+)?(/.*)?"
)
_OBJECTS = re.compile(r"(s3|b2|azure|gs|swift|rclone|rest|sftp):(.+)")
_FIXED_ZONE = re.compile(r"(?:<[^>]{1,10}>|[A-Za-z]{3,6})([+-]?)([0-9]{1,2})(?::([0-5][0-9]))?")
_DIRECTORY = 0o040000
_NOT_READ = Gap()


@dataclass(frozen=True, slots=True)
class File:
    """One file or folder of the listing; ``at`` is its modification time."""

    at: datetime
    size: int
    folder: bool


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of one file, as far as the script lets them through. ``at``: of a log, when it was last written."""

    path: str
    lines: tuple[str, ...]
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """Everything of one reply that has to do with backups. ``at`` is the host's own clock.

    ``zone`` is that of the host; a Gap where it is not known, and then times without one stay untold.
    """

    at: datetime
    root: bool
    tools: frozenset[str] = frozenset()
    zone: Reading[tzinfo] = _NOT_READ
    mounts: Reading[tuple[Mount, ...]] = _NOT_READ
    timers: tuple[Timer, ...] = ()
    configs: tuple[Lines, ...] = ()
    scripts: tuple[Lines, ...] = ()
    logs: tuple[Lines, ...] = ()
    unreadable: tuple[str, ...] = ()
    #: What could not be gone into, as it is named, and why the listing may lack something.
    closed: tuple[str, ...] = ()
    real: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, Mapping[str, File]] = field(default_factory=dict)
    contents: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    segments: Mapping[str, str] = field(default_factory=dict)
    held: frozenset[str] = frozenset()
    #: Names and addresses of this host by its own word, and paths that commands name and that are not there.
    selves: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    #: Folders of which not all files were listed, and how many there are.
    cut: Mapping[str, int] = field(default_factory=dict)
    #: Whether listing was stopped before all was seen.
    short: bool = False
    gaps: tuple[Unread, ...] = ()

    def files(self, folder: str) -> Mapping[str, File]:
        """What is in a folder, folders among it; nothing where it was not listed."""
        return self.folders.get(folder, {})

    def resolved(self, path: str) -> str:
        """A path with its symbolic links followed, as far as the host was asked."""
        path = path.rstrip("/") or "/"
        parent = path
        while parent not in self.real and "/" in parent[1:]:
            parent = parent.rpartition("/")[0]
        return self.real[parent] + path[len(parent) :] if parent in self.real else path

    def config(self, *patterns: str) -> Iterator[Lines]:
        for text in self.configs:
            if any(re.fullmatch(pattern, text.path) for pattern in patterns):
                yield text

    def log(self, *patterns: str) -> Iterator[Lines]:
        """Logs and what they were rotated to, the newest first."""
        found = [log for log in self.logs if any(re.match(pattern, log.path) for pattern in patterns)]
        yield from sorted(found, key=lambda log: (log.at or self.at, log.path), reverse=True)

    def place(self, address: str) -> Reading[Place]:
        """Where an address is, as backup tools write them: a path, ``user@host:path``, ``scheme:...``.

        What leads back to this host by one of its own names or addresses, or by a remote of rclone's that is a folder
        here, is LOCAL.
        """
        if below := self._rclone_below(address):
            return self.place(below)
        place = self._place(address)
        if isinstance(place, Place) and place.kind is PlaceKind.REMOTE and self.is_self(place.host):
            if place.path.startswith("/"):
                return self._local_place(place.address, self.resolved(place.path))
            return Place(kind=PlaceKind.LOCAL, address=place.address, path=place.path)
        return place

    def is_self(self, host: str) -> bool:
        return host.lower().strip("[]").rstrip(".") in self.selves

    @property
    def rclone(self) -> Mapping[str, Mapping[str, str]]:
        """The type of each remote of rclone's, and what it is a view of."""
        found: dict[str, dict[str, str]] = {}
        section: dict[str, str] = {}
        for config in self.config(r".*/rclone\.conf"):
            for line in config.lines:
                if line.startswith("["):
                    section = found.setdefault(line.strip("[] "), {})
                else:
                    key, _, value = line.partition(" = ")
                    section.setdefault(key, value.strip())
        return found

    def _rclone_below(self, address: str) -> str:
        """The path of a remote of rclone's that is a folder of this host; "" for all others."""
        remote, colon, path = address.removeprefix("rclone:").partition(":")
        if not colon or "/" in remote:
            return ""
        remotes = self.rclone
        # alias, crypt, chunker and compress name what they are a view of; more than a few on top of another are none.
        for _ in range(5):
            setting = remotes.get(remote)
            if setting is None:
                return ""
            if setting.get("type") == "local":
                return path if path.startswith("/") else ""
            below = setting.get("remote", "")
            if not below:
                return ""
            if below.startswith("/"):
                return f"{below.rstrip('/')}/{path}".rstrip("/")
            remote, _, inner = below.partition(":")
            path = f"{inner.rstrip('/')}/{path}" if inner else path
        return ""

    def _place(self, address: str) -> Reading[Place]:
        shown = without_login(address)
        path = address.removeprefix("file://").removeprefix("local:")
        if path.startswith("/"):
            return self._local_place(shown, self.resolved(path))
        if found := _ADDRESS.fullmatch(address):
            return Place(
                kind=PlaceKind.REMOTE, address=shown, host=bounded(found[1]), path=bounded(found[2] or "")
            )
        if found := _OBJECTS.fullmatch(address):
            inner = _REMOTE_FILES.fullmatch(found[2])
            if found[1] == "sftp" and inner:
                return Place(
                    kind=PlaceKind.REMOTE, address=shown, host=bounded(inner[2]), path=bounded(inner[3])
                )
            return Place(kind=PlaceKind.REMOTE, address=shown, host=bounded(found[2].partition("/")[0]))
        if found := _REMOTE_FILES.fullmatch(address):
            return Place(
                kind=PlaceKind.REMOTE,
                address=shown,
                host=bounded(found[2]),
                path=bounded(found[3].lstrip(":")),
            )
        return Gap(Reason.UNPARSED, f"where {shown[:80]!r} is, is not understood")

    def _local_place(self, address: str, path: str) -> Reading[Place]:
        if isinstance(self.mounts, Gap):
            return self.mounts
        around = [m for m in self.mounts if path == m.path or path.startswith(m.path.rstrip("/") + "/")]
        if not around:
            return Gap(Reason.UNREADABLE, f"no mounted file system holds {bounded(path, 80)}")
        mount = max(around, key=lambda m: len(m.path))
        host = ""
        if kind := _NETWORK.fullmatch(mount.type):
            # nfs and sshfs: host:/export; cifs: //host/share.
            found = re.match(r"//([^/]+)/|(?:[^@/]*@)?(\[[^\]]+\]|[^:/]+):", mount.device)
            host = (found[1] or found[2]) if found else ""
        return Place(
            kind=PlaceKind.MOUNTED if kind else PlaceKind.LOCAL,
            address=address,
            host=bounded(host),
            path=bounded(path),
            device=mount.device,
            file_system=mount.type,
        )

    def local(self, text: str, form: str) -> Reading[datetime]:
        """A time of the host's own zone, in a form of strptime. Where an hour occurs twice, the earlier one."""
        if isinstance(self.zone, Gap):
            return self.zone
        try:
            return datetime.strptime(text, form).replace(tzinfo=self.zone).astimezone(UTC)
        except (ValueError, OverflowError):
            return Gap(Reason.UNPARSED, f"not a time: {text[:40]!r}")


def read_told(reply: Reply, mounts: Reading[tuple[Mount, ...]], timers: tuple[Timer, ...]) -> Told | Gap:
    """All of a reply's sections on backups; a Gap where not even the first could be read."""
    host = reply.output("backup-host")
    if isinstance(host, Gap):
        return host
    facts: dict[str, list[str]] = {}
    for line in host.splitlines():
        word, _, rest = line.partition(" ")
        facts.setdefault(word, []).append(rest)
    gaps: list[Unread] = []

    def text(name: str) -> str:
        section = reply.section(name)
        if isinstance(section, Gap):
            if reply.has(name) or reply.broken:
                gaps.append(Unread(tool="", what=name, reason=section.reason, detail=bounded(section.detail)))
            # What was cut off in the middle of a line is still worth what came before.
            cut = reply.sections.get(name)
            return cut.text.rpartition("\n")[0] if cut is not None and cut.cut else ""
        return section.text

    configs, scripts, unread = _texts(text("backup-texts"))
    logs, unread_logs = _logs(text("backup-logs"))
    closed, real, gone = _places(text("backup-places"))
    listing = text("backup-listing")
    folders, refused = _folders(listing)
    # find(1) ends with 1 where it was refused something, which is named; else it was stopped (timeout(1)).
    short = re.search(r"^status ([2-9]|[1-9][0-9]{1,2})$", listing, re.MULTILINE)
    if short is not None:
        gaps.append(
            Unread(
                tool="",
                what="backup-listing",
                reason=Reason.TIMED_OUT,
                detail=f"there is more than could be listed in the time for it (status {short[1]})",
            )
        )
    contents, segments = _contents(text("backup-contents"))
    return Told(
        at=datetime.fromtimestamp(min(reply.at, _LAST_INSTANT), UTC),
        root=reply.user == 0,
        tools=frozenset(facts.get("tool", ())),
        zone=read_zone(facts.get("zone", [""])[0], facts.get("tz", [""])[0]),
        mounts=mounts,
        timers=timers,
        configs=configs,
        scripts=scripts,
        logs=logs,
        unreadable=tuple(sorted({*unread, *unread_logs})),
        closed=tuple(
            sorted({path for path in closed if path not in folders and not _within(path, folders)} | refused)
        ),
        real=real,
        folders=folders,
        contents=contents,
        segments=segments,
        held=frozenset(facts.get("held", ())),
        selves=frozenset(name.lower().rstrip(".") for name in facts.get("self", ())[:1000] if name),
        gone=gone,
        cut=_cut(listing),
        short=short is not None,
        gaps=tuple(gaps),
    )


def read_zone(name: str, rule: str) -> Reading[tzinfo]:
    """A zone by its name (what /etc/localtime points to), else by its rule where that knows no summer time."""
    name = name.rpartition("zoneinfo/")[2]
    if re.fullmatch(r"[A-Za-z0-9_+-]{1,30}(/[A-Za-z0-9_+-]{1,30}){0,2}", name):
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
    # tzset(3): hours are given west of Greenwich.
    if found := _FIXED_ZONE.fullmatch(rule):
        away = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
        if away < timedelta(hours=24):
            return ZoneOf(away if found[1] == "-" else -away)
    return Gap(Reason.UNREADABLE, "times are given without a zone, and the host does not tell its own")


class ZoneOf(tzinfo):
    """A fixed distance from UTC; as ``datetime.timezone``, which can't be subclassed, and equal by value."""

    def __init__(self, away: timedelta) -> None:
        self._away = away

    def utcoffset(self, _at: datetime | None) -> timedelta:
        return self._away

    def dst(self, _at: datetime | None) -> timedelta:
        return timedelta(0)

    def tzname(self, _at: datetime | None) -> str:
        return f"UTC{self._away}"


def without_login(address: str) -> str:
    """An address without user name and password, bounded."""
    address = re.sub(r"://[^/@\s]*@", "://", address)
    return bounded(re.sub(r"\A((?:sftp:)?)[^@:/\s]+@(?=[A-Za-z0-9.\[-])", r"\1", address))


def _within(path: str, folders: Mapping[str, object]) -> bool:
    return any(folder.startswith(path + "/") for folder in folders)


def _texts(text: str) -> tuple[tuple[Lines, ...], tuple[Lines, ...], tuple[str, ...]]:
    configs: list[Lines] = []
    scripts: list[Lines] = []
    unread: list[str] = []
    for word, rest, lines in _framed(text):
        if word == "file":
            configs.append(Lines(rest, lines))
        elif word == "script":
            scripts.append(Lines(rest, lines))
        elif word == "unread":
            unread.append(bounded(rest))
    return tuple(configs), tuple(scripts), tuple(unread)


def _logs(text: str) -> tuple[tuple[Lines, ...], tuple[str, ...]]:
    logs: list[Lines] = []
    unread: list[str] = []
    for word, rest, lines in _framed(text):
        if word == "unread":
            unread.append(bounded(rest))
        elif word == "file" and (found := re.fullmatch(r"([0-9]{1,12}) (/.+)", rest)):
            logs.append(Lines(found[2], lines, _instant(found[1])))
    return tuple(logs), tuple(unread)


def _framed(text: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """`WORD REST`, followed by lines behind a bar: these can't be taken for anything else."""
    head, lines = "", list[str]()
    for line in text.split("\n"):
        if line.startswith("|"):
            lines.append(line[1:])
            continue
        if head:
            word, _, rest = head.partition(" ")
            yield word, rest, tuple(lines)
        head, lines = line, []
    if head:
        word, _, rest = head.partition(" ")
        yield word, rest, tuple(lines)


def _places(text: str) -> tuple[tuple[str, ...], dict[str, str], frozenset[str]]:
    closed, real, gone = [], {}, set()
    for line in text.splitlines()[:MOST]:
        word, _, rest = line.partition(" ")
        if word == "closed":
            closed.append(rest)
        elif word == "gone":
            gone.add(rest)
        elif word in ("list", "seen") and "\t" in rest:
            path, _, resolved = rest.partition("\t")
            real[path] = resolved
    return tuple(closed), real, frozenset(gone)


def _cut(text: str) -> dict[str, int]:
    names: dict[str, str] = {}
    cut: dict[str, int] = {}
    for line in text.splitlines()[:MOST]:
        if line.startswith("d "):
            number, _, path = line[2:].partition(" ")
            names[number] = path
        elif found := re.fullmatch(r"n ([0-9]+) ([0-9]{1,9})", line):
            cut[names.get(found[1], "")] = int(found[2])
    return cut


def _folders(text: str) -> tuple[dict[str, dict[str, File]], set[str]]:
    names: dict[str, str] = {}
    folders: dict[str, dict[str, File]] = {}
    refused: set[str] = set()
    for line in text.splitlines()[:MOST]:
        if line.startswith("d "):
            number, _, path = line[2:].partition(" ")
            names[number] = path
            folders.setdefault(path, {})
        elif line.startswith("refused "):
            refused.add(bounded(line.partition(" ")[2]))
        elif (found := _LISTED.fullmatch(line)) and found[1] in names:
            folder = int(found[4], 16) & 0o170000 == _DIRECTORY
            folders[names[found[1]]][found[5]] = File(_instant(found[2]), int(found[3]), folder)
    return folders, refused


def _contents(text: str) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    contents: dict[str, list[str]] = {}
    segments: dict[str, str] = {}
    for line in text.splitlines()[:MOST]:
        if line.startswith("segment "):
            path, _, value = line[8:].partition("\t")
            segments[path] = value
        elif found := _CONTENT.fullmatch(line):
            contents.setdefault(found[1], []).append(found[2])
    return {path: tuple(lines) for path, lines in contents.items()}, segments


def _instant(text: str) -> datetime:
    return datetime.fromtimestamp(min(int(text), _LAST_INSTANT), UTC)
