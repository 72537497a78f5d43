"""What backups a host makes or keeps: by which tool, of what, where to, and when one last succeeded."""

import enum
from datetime import datetime
from typing import ClassVar

import msgspec

from secscan.facts.kind import Facts, Gap, Reading, Value
from secscan.model import Level, Reason


class BackupTool(msgspec.Struct, frozen=True, kw_only=True):
    """A backup tool that is installed. ``version`` is "" where it does not say."""

    name: str
    version: str = ""


class PlaceKind(enum.StrEnum):
    """LOCAL: a file system of a disk of this host. MOUNTED: a network file system that is mounted here.

    REMOTE: another machine or an object store, reached by the tool's own protocol.
    """

    LOCAL = "local"
    MOUNTED = "mounted"
    REMOTE = "remote"


class Place(Value, frozen=True, kw_only=True):
    """Where a backup lies. ``address`` is as the tool names it, without user name and password.

    ``host`` is the other machine's name or address ("" for LOCAL). ``path`` has symbolic links resolved, for LOCAL
    and MOUNTED. ``device`` is the device of the file system the path is on, as the mounts name it; "" for REMOTE.
    """

    kind: PlaceKind
    address: str
    host: str = ""
    path: str = ""
    device: str = ""
    file_system: str = ""


class BackupRun(msgspec.Struct, frozen=True, kw_only=True):
    """One backup that is there and complete. ``at`` is when it ended, by the tool's own word.

    ``size``: bytes of what was backed up, ``stored``: bytes it takes where it lies, ``files``: how many. Of these the
    tool tells some or none. None: it does not tell; a number is never guessed from another.
    """

    at: datetime
    size: int | None = None
    stored: int | None = None
    files: int | None = None


class Attempt(Value, frozen=True, kw_only=True):
    """The newest time that the tool was started: when that ended, and how. ``succeeded`` is None while it runs."""

    at: datetime
    succeeded: bool | None
    said: str = ""


class Retention(Value, frozen=True, kw_only=True):
    """What the tool is told to keep: runs by count (``last``) and by calendar, or everything for so many days."""

    last: int | None = None
    hourly: int | None = None
    daily: int | None = None
    weekly: int | None = None
    monthly: int | None = None
    yearly: int | None = None
    days: int | None = None


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """One backup: what one tool keeps of one source in one place.

    ``name`` identifies it on this host with ``tool`` and does not change from run to run (a repository's path, a
    stanza, a server's or a job's name). ``source`` is the machine whose data it is, as the tool names it; "" for this
    host. Files that a pattern of the inventory matches are a backup of the tool ``files``, named by the pattern.
    """

    tool: str
    name: str
    source: str = ""
    #: Where this is known from: paths of files, names of units.
    seen_in: tuple[str, ...] = ()
    #: What starts it, as ``ScheduleFacts`` names it: ``timer NAME`` or ``cron FILE``; empty where nothing was found.
    started_by: Reading[tuple[str, ...]] = Gap()
    place: Reading[Place] = Gap()
    #: Successful runs, newest first, at most 100.
    runs: Reading[tuple[BackupRun, ...]] = Gap()
    attempt: Reading[Attempt] = Gap()
    #: Paths, databases (``database NAME``), volumes that are included; ``*`` ends a prefix.
    included: Reading[tuple[str, ...]] = Gap()
    excluded: Reading[tuple[str, ...]] = Gap()
    retention: Reading[Retention] = Gap()
    encrypted: Reading[bool] = Gap()
    #: Who makes backups can't change or delete old ones (append-only, object lock, read-only snapshots).
    append_only: Reading[bool] = Gap()
    #: When an integrity check last ended well; None: there is a record of checks, and none in it did.
    checked_at: Reading[datetime | None] = Gap()
    #: Since when a lock has been held; None: there is none.
    locked_since: Reading[datetime | None] = Gap()


class Unread(msgspec.Struct, frozen=True, kw_only=True):
    """A trace of a backup that is there and could not be read or understood: which tool's, what, and why.

    ``access`` is the line that would allow exactly this reading (a sudoers rule, a group), "" where none is known.
    """

    tool: str
    what: str
    reason: Reason
    detail: str = ""
    access: str = ""


class BackupFacts(Facts, frozen=True, kw_only=True):
    """Backups that this host makes of itself, and those it keeps of others (a backup server's ``source`` says whose).

    All sorted: tools by name, backups by tool, name and source. Nothing is among ``backups`` that was only declared.
    """

    kind: ClassVar[str] = "backups"
    level: ClassVar[Level] = Level.HOST

    tools: Reading[tuple[BackupTool, ...]] = Gap()
    backups: Reading[tuple[Backup, ...]] = Gap()
    #: While there is any, that something is not among ``backups`` means little.
    unread: tuple[Unread, ...] = ()
