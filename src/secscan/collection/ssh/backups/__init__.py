"""What a host tells of its backups, tool by tool; every tool's own files, no passphrase, no tool started. Pure."""

import re
from collections.abc import Iterator, Mapping

import msgspec

from secscan.collection.ssh.backups.archives import read_duplicity, read_rdiff
from secscan.collection.ssh.backups.borg import read_borg
from secscan.collection.ssh.backups.copying import read_copies
from secscan.collection.ssh.backups.files import read_files
from secscan.collection.ssh.backups.jobs import Job, find_jobs
from secscan.collection.ssh.backups.postgres import read_barman, read_pgbackrest
from secscan.collection.ssh.backups.restic import read_restic
from secscan.collection.ssh.backups.rsnapshot import read_rsnapshot
from secscan.collection.ssh.backups.servers import read_backuppc, read_bacula, read_xtrabackup
from secscan.collection.ssh.backups.snapshots import read_snapshots
from secscan.collection.ssh.backups.told import Told, read_told
from secscan.collection.ssh.framing import Reply
from secscan.collection.ssh.reading import bounded
from secscan.collection.ssh.shell_script import backup_commands
from secscan.facts import Gap, MountFacts, PackageFacts, ScheduleFacts
from secscan.facts.backups import Backup, BackupFacts, BackupTool, PlaceKind, Unread
from secscan.model import Reason

__all__ = ["MOST_KEPT", "backup_facts", "find_commands"]

#: More backups, or more that could not be read, than this of one host are left out, and that is said.
MOST_KEPT = 20_000

#: Commands by the tool they are of, and the packages that bring them.
_TOOLS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "restic": ("restic", ("restic",)),
    "borg": ("borg", ("borgbackup", "borg")),
    "borgmatic": ("borgmatic", ("borgmatic",)),
    "kopia": ("kopia", ("kopia",)),
    "duplicity": ("duplicity", ("duplicity",)),
    "rsnapshot": ("rsnapshot", ("rsnapshot",)),
    "rdiff-backup": ("rdiff-backup", ("rdiff-backup",)),
    "bacula-fd": ("bacula", ("bacula-fd", "bacula-client")),
    "bacula-dir": ("bacula", ("bacula-director", "bacula-server")),
    "bareos-fd": ("bareos", ("bareos-filedaemon",)),
    "bareos-dir": ("bareos", ("bareos-director",)),
    "amdump": ("amanda", ("amanda-server",)),
    "BackupPC": ("backuppc", ("backuppc", "BackupPC")),
    "pgbackrest": ("pgbackrest", ("pgbackrest",)),
    "barman": ("barman", ("barman",)),
    "wal-g": ("wal-g", ("wal-g",)),
    "mariabackup": ("mariabackup", ("mariadb-backup", "MariaDB-backup")),
    "mariadb-backup": ("mariabackup", ("mariadb-backup", "MariaDB-backup")),
    "xtrabackup": ("xtrabackup", ("percona-xtrabackup-80", "percona-xtrabackup")),
    "proxmox-backup-client": ("proxmox-backup", ("proxmox-backup-client",)),
    "proxmox-backup-manager": ("proxmox-backup-server", ("proxmox-backup-server",)),
    "veeamconfig": ("veeam", ("veeam",)),
    "btrbk": ("btrbk", ("btrbk",)),
    "snapper": ("snapper", ("snapper",)),
    "sanoid": ("sanoid", ("sanoid",)),
    "rclone": ("rclone", ("rclone",)),
    "rest-server": ("rest-server", ("restic-rest-server", "rest-server")),
    "autorestic": ("autorestic", ("autorestic",)),
    "resticprofile": ("resticprofile", ("resticprofile",)),
}
#: Where these tools keep what only their own account reads, and what their formats could not be had for.
_HIDDEN = {
    "restic": "/root/.cache/restic",
    "borg": "/root/.config/borg/security",
    "borgmatic": "/root/.config/borgmatic",
    "duplicity": "/root/.cache/duplicity",
}
_NOT_READ = frozenset(
    {
        "kopia",
        "amanda",
        "wal-g",
        "proxmox-backup",
        "proxmox-backup-server",
        "veeam",
        "autorestic",
        "resticprofile",
        # Both send snapshots to other machines. What snapper makes stays on the disk, and is listed with its volume.
        "btrbk",
        "sanoid",
    }
)

#: Tools whose runs are known by the files that are there: of some of these the newest may be missing.
_LISTED = frozenset({"restic", "duplicity"})


def backup_facts(
    reply: Reply,
    packages: PackageFacts | Gap,
    mounts: MountFacts | Gap,
    schedule: ScheduleFacts | Gap,
) -> BackupFacts | Gap:
    """All backups of one reply, sorted; a Gap where not even the tools could be looked for."""
    timers = schedule.timers if isinstance(schedule, ScheduleFacts) else schedule
    told = read_told(
        reply,
        mounts.mounts if isinstance(mounts, MountFacts) else mounts,
        () if isinstance(timers, Gap) else timers,
    )
    if isinstance(told, Gap):
        return told
    jobs = find_commands(told, schedule)
    backups: dict[tuple[str, str, str], Backup] = {}
    unread = set(told.gaps)
    for found in _read(told, jobs, reply):
        if isinstance(found, Unread):
            unread.add(found)
        else:
            backups.setdefault((found.tool, found.name, found.source), _there(told, found))
    tools = _tools(told, packages)
    unread |= set(_hidden(told, tools))
    kept = tuple(backups[key] for key in sorted(backups)[:MOST_KEPT])
    if len(backups) > MOST_KEPT:
        unread.add(
            Unread(tool="", what="backups", reason=Reason.UNREADABLE, detail=f"there are over {MOST_KEPT}")
        )
    return BackupFacts(
        tools=tools,
        backups=kept,
        unread=tuple(sorted(unread, key=lambda u: (u.tool, u.what, u.detail))[:MOST_KEPT]),
    )


def find_commands(told: Told, schedule: ScheduleFacts | Gap) -> tuple[Job, ...]:
    cron = schedule.cron if isinstance(schedule, ScheduleFacts) else ()
    return find_jobs(told.scripts, () if isinstance(cron, Gap) else cron, told.timers)


def _read(told: Told, jobs: tuple[Job, ...], reply: Reply) -> Iterator[Backup | Unread]:
    yield from read_restic(told, jobs)
    yield from read_borg(told, jobs)
    yield from read_rsnapshot(told, jobs)
    yield from read_duplicity(told, jobs)
    yield from read_rdiff(told, jobs)
    yield from read_pgbackrest(told, jobs)
    yield from read_barman(told, jobs)
    yield from read_xtrabackup(told, jobs)
    yield from read_backuppc(told)
    yield from read_bacula(told)
    yield from read_snapshots(told, jobs, reply)
    yield from read_copies(told, jobs)
    yield from read_files(told, jobs, reply)


def _there(told: Told, backup: Backup) -> Backup:
    """The backup, without the runs that logs and units tell of where the folder that must hold them is not there."""
    place = backup.place
    if told.short and backup.tool in _LISTED and not isinstance(backup.runs, Gap):
        gap = Gap(Reason.TIMED_OUT, "there is more than could be listed in the time for it")
        return msgspec.structs.replace(backup, runs=gap)
    if isinstance(place, Gap) or place.kind is PlaceKind.REMOTE or place.path.rstrip("/") not in told.gone:
        return backup
    if isinstance(backup.runs, Gap) or backup.runs:
        gap = Gap(
            Reason.CONTRADICTORY,
            f"{bounded(place.path, 120)} is not there: it was deleted, or its disk is not mounted",
        )
        return msgspec.structs.replace(backup, runs=gap, locked_since=None)
    return backup


def _tools(told: Told, packages: PackageFacts | Gap) -> tuple[BackupTool, ...]:
    versions = {} if isinstance(packages, Gap) else {p.name: p.version for p in packages.packages}
    found: dict[str, str] = {}
    for command in sorted(told.tools & _TOOLS.keys()):
        name, brought_by = _TOOLS[command]
        version = next((versions[package] for package in brought_by if package in versions), "")
        found[name] = found.get(name) or bounded(version)
    return tuple(BackupTool(name=name, version=found[name]) for name in sorted(found))


def _hidden(told: Told, tools: tuple[BackupTool, ...]) -> Iterator[Unread]:
    """Of what could not be gone into, and of tools whose traces are not read."""
    for path in told.closed:
        yield Unread(
            tool=_tool_of(path),
            what=bounded(path),
            reason=Reason.UNREADABLE,
            detail="the account may not look into it",
            access=backup_commands(path)[0],
        )
    for path in told.unreadable:
        if path.startswith("/var/log/"):
            yield Unread(
                tool=_tool_of(path), what=path, reason=Reason.UNREADABLE, detail="the account may not read it"
            )
    for tool in tools:
        if tool.name in _NOT_READ:
            yield Unread(
                tool=tool.name,
                what="its notes",
                reason=Reason.NOT_COLLECTED,
                detail="secscan sees that the tool is there and does not read what it notes",
            )
        elif tool.name in _HIDDEN and not told.root and _HIDDEN[tool.name] not in told.folders:
            yield Unread(
                tool=tool.name,
                what=_HIDDEN[tool.name],
                reason=Reason.UNREADABLE,
                detail="what root's own backups note there is not shown to the account",
                access=backup_commands(_HIDDEN[tool.name])[0],
            )


def _tool_of(path: str) -> str:
    found = re.search(
        r"(pgbackrest|barman|backuppc|bacula|bareos|restic|borgmatic|borg|duplicity|rsnapshot|rclone)", path
    )
    return found[1] if found else ""
