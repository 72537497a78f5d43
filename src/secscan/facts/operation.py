"""What runs on a host and when: sockets, firewall, file systems, timers, units and cron entries."""

from datetime import datetime
from typing import ClassVar

import msgspec

from secscan.facts.kind import Facts, Gap, Reading
from secscan.model import Level


class Socket(msgspec.Struct, frozen=True, kw_only=True):
    """A listening socket. ``program`` is "" where an ordinary account is not told."""

    transport: str
    address: str
    port: int
    program: str = ""


class SocketFacts(Facts, frozen=True, kw_only=True):
    """Listening sockets, sorted, and whether a firewall is loaded."""

    kind: ClassVar[str] = "sockets"
    level: ClassVar[Level] = Level.HOST

    sockets: Reading[tuple[Socket, ...]] = Gap()
    firewall: Reading[bool] = Gap()


class Mount(msgspec.Struct, frozen=True, kw_only=True):
    """A mounted file system; sizes in bytes."""

    path: str
    device: str
    type: str
    options: tuple[str, ...] = ()
    size: int = 0


class MountFacts(Facts, frozen=True, kw_only=True):
    kind: ClassVar[str] = "mounts"
    level: ClassVar[Level] = Level.HOST

    mounts: Reading[tuple[Mount, ...]] = Gap()
    #: Paths that /etc/fstab wants mounted, sorted; those marked ``noauto`` are left out.
    wanted: Reading[tuple[str, ...]] = Gap()


class Timer(msgspec.Struct, frozen=True, kw_only=True):
    """A systemd timer and what became of the unit it starts. ``result`` is systemd's word (``success``, ...).

    ``succeeded_at`` is when the unit last ended well; a timer that fired says nothing of that.
    """

    name: str
    unit: str
    enabled: bool
    command: str = ""
    result: str = ""
    triggered_at: datetime | None = None
    ended_at: datetime | None = None
    exit_status: int | None = None


class CronEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a crontab that was readable: where it stands, when it runs, as whom, and what."""

    file: str
    schedule: str
    user: str
    command: str


class ScheduleFacts(Facts, frozen=True, kw_only=True):
    """What is started by the clock."""

    kind: ClassVar[str] = "schedule"
    level: ClassVar[Level] = Level.HOST

    timers: Reading[tuple[Timer, ...]] = Gap()
    cron: Reading[tuple[CronEntry, ...]] = Gap()
    #: Crontabs that are there, or may be, and could not be read, and lines that were not understood, sorted:
    #: that something is not among ``cron`` means little while there are any.
    cron_unread: Reading[tuple[str, ...]] = Gap()
