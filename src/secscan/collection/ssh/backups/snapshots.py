"""Snapshots of file systems: btrfs (as its tools print them), ZFS and LVM (after their manuals, not tried). Pure.

They lie on the disk of what they are of: whatever takes that disk takes them.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from secscan.collection.ssh.backups.jobs import Job
from secscan.collection.ssh.backups.told import Told
from secscan.collection.ssh.backups.units import last_attempt, newest, started_by
from secscan.collection.ssh.framing import Reply
from secscan.collection.ssh.reading import bounded
from secscan.facts import Gap
from secscan.facts.backups import Backup, BackupRun, Place, PlaceKind, Unread
from secscan.model import Reason

#: btrfs-subvolume(8), ``list -s -q -u``; TZ is UTC for it. The uuid of a volume that was never a snapshot is ``-``.
_VOLUME = re.compile(r"volume ID ([0-9]+) gen .* uuid (\S+)\s+path (.*)")
_SNAPSHOT = re.compile(
    r"snapshot ID ([0-9]+) gen .* otime ([0-9-]{10} [0-9:]{8}) parent_uuid (\S+)\s+uuid (\S+)\s+path (.*)"
)
_READ_ONLY = re.compile(r"read-only ID ([0-9]+) ")
_ZFS = re.compile(r"([^\t@]+)@([^\t]+)\t([0-9]{1,11})\t([0-9-]+)\t([0-9-]+)")
_LVM = re.compile(
    r"\s*([^/\s]+)/([^/\s]+)/([^/\s]+)/([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}) ([+-][0-9]{4})\s*"
)


def read_snapshots(told: Told, jobs: tuple[Job, ...], reply: Reply) -> Iterator[Backup | Unread]:
    """One backup for each volume that has snapshots."""
    section = reply.section("backup-snapshots")
    if isinstance(section, Gap):
        if reply.has("backup-snapshots"):
            yield Unread(
                tool="", what="backup-snapshots", reason=section.reason, detail=bounded(section.detail)
            )
        return
    part, lines = "", list[str]()
    for line in [*section.text.splitlines(), "end"]:
        word, _, rest = line.partition(" ")
        if word in ("btrfs", "zfs", "lvm", "closed", "end"):
            kind, _, where = part.partition(" ")
            if kind == "btrfs":
                yield from _btrfs(jobs, where, lines)
            elif kind == "zfs":
                yield from _zfs(told, lines)
            elif kind == "lvm":
                yield from _lvm(lines)
            part, lines = line, []
            if word == "closed":
                tool, _, path = rest.partition(" ")
                yield Unread(
                    tool=bounded(tool),
                    what=bounded("snapshots" if path == "-" else path),
                    reason=Reason.UNREADABLE,
                    detail="only root may list snapshots",
                    access=(
                        f"/usr/bin/btrfs subvolume list -s -q -u {path}"
                        if tool == "btrfs"
                        else "/usr/sbin/lvs --readonly --noheadings --separator / --units b --nosuffix "
                        "-o vg_name,lv_name,origin,lv_time -S origin!="
                    ),
                )
        else:
            lines.append(line)


def _btrfs(jobs: tuple[Job, ...], where: str, lines: list[str]) -> Iterator[Backup | Unread]:
    device, _, mount = where.partition(" ")
    names: dict[str, str] = {}
    read_only: set[str] = set()
    snapshots: list[tuple[str, str, str]] = []
    for line in lines:
        if found := _SNAPSHOT.fullmatch(line):
            snapshots.append((found[1], found[2], found[3]))
        elif found := _VOLUME.fullmatch(line):
            names[found[2]] = found[3]
        elif found := _READ_ONLY.match(line):
            read_only.add(found[1])
        elif line.strip():
            yield _unparsed("btrfs", mount, line)
            return
    making = tuple(job for job in jobs if job.tool == "btrbk")
    for parent in sorted({parent for _, _, parent in snapshots}):
        own = [(number, at) for number, at, of in snapshots if of == parent]
        volume = names.get(parent, "")
        path = f"{mount.rstrip('/')}/{volume}" if volume else mount
        yield Backup(
            tool="btrfs",
            name=bounded(path if volume else f"{mount} {parent}"),
            seen_in=(bounded(mount),),
            started_by=started_by(making)
            if making
            else Gap(Reason.UNREADABLE, "nothing readable says what makes them"),
            place=Place(
                kind=PlaceKind.LOCAL,
                address=bounded(mount),
                path=bounded(mount),
                device=device,
                file_system="btrfs",
            ),
            runs=newest(BackupRun(at=at) for _, text in own if (at := _utc(text)) is not None),
            attempt=last_attempt(making),
            included=(bounded(path),) if volume else Gap(Reason.UNREADABLE, "the volume they are of is gone"),
            # btrfs-subvolume(8): a snapshot goes as far as the next volume below.
            excluded=Gap(Reason.NOT_COLLECTED, "volumes below it are not in its snapshots"),
            encrypted=False,
            append_only=all(number in read_only for number, _ in own),
            checked_at=Gap(Reason.NOT_COLLECTED, "whether it was scrubbed is not read"),
            locked_since=None,
        )


def _zfs(told: Told, lines: list[str]) -> Iterator[Backup | Unread]:
    """`zfs list -H -p -t snapshot -o name,creation,used,referenced`: zfs-list(8)."""
    by_volume: dict[str, list[BackupRun]] = {}
    for line in lines:
        if found := _ZFS.fullmatch(line):
            at = datetime.fromtimestamp(int(found[3]), UTC) if int(found[3]) < 253402300800 else None
            if at is not None:
                size = int(found[5]) if found[5].isdecimal() else None
                by_volume.setdefault(found[1], []).append(BackupRun(at=at, size=size))
        elif line.startswith("status "):
            if line != "status 0":
                yield Unread(
                    tool="zfs",
                    what="snapshots",
                    reason=Reason.UNREADABLE,
                    detail=f"zfs list ended with {line}",
                )
        elif line.strip():
            yield _unparsed("zfs", "snapshots", line)
            return
    for volume, runs in sorted(by_volume.items()):
        mounts = () if isinstance(told.mounts, Gap) else told.mounts
        path = next((m.path for m in mounts if m.type == "zfs" and m.device == volume), "")
        yield Backup(
            tool="zfs",
            name=bounded(volume),
            seen_in=("zfs list",),
            started_by=Gap(Reason.UNREADABLE, "nothing readable says what makes them"),
            place=Place(
                kind=PlaceKind.LOCAL,
                address=bounded(volume),
                path=path,
                device=bounded(volume),
                file_system="zfs",
            ),
            runs=newest(runs),
            included=(path,) if path else Gap(Reason.UNREADABLE, "where it is mounted is not told"),
            append_only=True,  # a snapshot of ZFS can't be written to: zfsconcepts(7)
            locked_since=None,
        )


def _lvm(lines: list[str]) -> Iterator[Backup | Unread]:
    """`lvs -o vg_name,lv_name,origin,lv_time`: lvs(8); lv_time as lvm.conf's default ``time_format`` prints it."""
    by_volume: dict[tuple[str, str], list[BackupRun]] = {}
    for line in lines:
        if not line.strip():
            continue
        found = _LVM.fullmatch(line)
        if not found:
            yield _unparsed("lvm", "snapshots", line)
            return
        try:
            at = datetime.strptime(f"{found[4]} {found[5]}", "%Y-%m-%d %H:%M:%S %z").astimezone(UTC)
        except (ValueError, OverflowError):
            yield _unparsed("lvm", "snapshots", line)
            return
        by_volume.setdefault((found[1], found[3]), []).append(BackupRun(at=at))
    for (group, volume), runs in sorted(by_volume.items()):
        yield Backup(
            tool="lvm",
            name=bounded(f"{group}/{volume}"),
            seen_in=("lvs",),
            place=Place(kind=PlaceKind.LOCAL, address=bounded(group), device=bounded(f"{group}/{volume}")),
            runs=newest(runs),
            append_only=False,
            locked_since=None,
        )


def _utc(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def _unparsed(tool: str, what: str, line: str) -> Unread:
    return Unread(
        tool=tool,
        what=bounded(what),
        reason=Reason.UNPARSED,
        detail=bounded(f"not understood: {line[:80]!r}"),
    )
