"""Hosts that make backups: how one is built, entered and looked into.

Every host is this machine's file system under an overlay of its own, in a mount namespace of its own: what is done in
it is gone with its folder. systemd does not run in it: what `systemctl show` would print of units is composed.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from secscan.model import DeclaredBackup
from tests.lab.servers.listening import LabError

#: Tools a host of the lab may need, and the packages that bring them.
PACKAGES = {
    "restic": "restic",
    "borg": "borgbackup",
    "borgmatic": "borgmatic",
    "rsnapshot": "rsnapshot",
    "duplicity": "duplicity",
    "rdiff-backup": "rdiff-backup",
    "rclone": "rclone",
    "rsync": "rsync",
    "sshfs": "sshfs",
    "pgbackrest": "pgbackrest",
    "barman": "barman",
    "mkfs.btrfs": "btrfs-progs",
    "/usr/lib/postgresql/15/bin/initdb": "postgresql-15",
}


#: The second disk of every host: another file system than the root's.
DISK = "/mnt/disk"


#: Seconds that building one host, or collecting from it, may take.
PATIENCE = 110


# Without these the script has no packages to read: which takes most of its time, and is no part of this.
_LEFT_OUT = ("/usr/bin/apt-get", "/usr/bin/apt", "/usr/bin/dpkg-query", "/usr/bin/apt-config")

_ENTER = """
set -e
mount -t overlay overlay -o lowerdir=/,upperdir="$LAB/upper",workdir="$LAB/work" "$LAB/root"
mount -t proc proc "$LAB/root/proc"
mount --rbind /dev "$LAB/root/dev"
mount -t tmpfs tmpfs "$LAB/root/run"
mkdir -p "$LAB/root/run/systemd/system" "$LAB/root/run/lock" "$LAB/root$DISK"
mount --bind "$LAB/disk" "$LAB/root$DISK"
if [ -e "$LAB/image" ]; then mkdir -p "$LAB/root/mnt/btrfs"; mount -o loop "$LAB/image" "$LAB/root/mnt/btrfs"; fi
if [ -e "$LAB/nas" ]; then
    mkdir -p "$LAB/root/mnt/nas"
    sshfs -o ssh_command="$LAB/ssh" nas.example.vn:"$LAB/nas" "$LAB/root/mnt/nas"
fi
exec chroot "$LAB/root" "$@"
"""


@dataclass(frozen=True)
class Expected:
    """What a host must tell of one backup, written by hand. What stays None is not looked at.

    ``hours``: age of the newest run; -1: no run is known to have ended well (the reading is there and empty);
    ``untold``: names of readings that must be gaps.
    """

    tool: str
    name: str
    hours: float | None = None
    runs: int | None = None
    files: int | None = None
    size: int | None = None
    device: str | None = None
    path: str | None = None
    host: str | None = None
    source: str | None = None
    encrypted: bool | None = None
    append_only: bool | None = None
    included: tuple[str, ...] | None = None
    excluded: tuple[str, ...] | None = None
    retention: Mapping[str, int] | None = None
    locked: bool | None = None
    checked_hours: float | None = None
    attempt: bool | None = None
    started_by: tuple[str, ...] | None = None
    untold: tuple[str, ...] = ()


@dataclass(frozen=True)
class State:
    """One host in one state. ``build`` runs in it as root, after that of the state it is ``made_from``.

    ``expected_rung``: the highest rung of the ladder with everything below passed, under the baseline profile and what
    ``declared`` adds; None where nobody has judged it.
    Few runs, and nothing said of what must be included: most good states end on rung 2.
    """

    name: str
    build: str
    expected: tuple[Expected, ...]
    made_from: str = ""
    why: str = ""
    declared: tuple[str, ...] = ()
    account: int = 0
    image: bool = False
    #: Whether another machine's folder is mounted below /mnt/nas, by sshfs.
    nas: bool = False
    #: What the inventory says of its backups.
    inventory: tuple[DeclaredBackup, ...] = ()
    unread: tuple[str, ...] = ()
    expected_rung: int | None = None


def lacking(state: State) -> str:
    """Why this state can't be had where others can; "" where it can."""
    return "no /dev/fuse here" if state.nas and not Path("/dev/fuse").exists() else ""


def available() -> str:
    """Why the lab can't be had here; "" where it can."""
    if os.geteuid() != 0:
        return "needs root (mount namespaces)"
    if missing := sorted({package for tool, package in PACKAGES.items() if shutil.which(tool) is None}):
        return f"not installed: {', '.join(missing)}"
    entered = subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True)  # noqa: S607 - util-linux
    return (
        ""
        if entered.returncode == 0 and "overlay" in Path("/proc/filesystems").read_text()
        else "no overlay here"
    )


def entering(place: Path, *command: str) -> tuple[str, ...]:
    """A command in the host's own namespaces; what it leaves running ends with it."""
    return (
        *("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "env"),
        *(f"LAB={place}", f"DISK={DISK}", "/bin/sh", "-c", _ENTER, "sh", *command),
    )


def run_in(place: Path, script: str) -> str:
    """What a shell script printed that ran in the host as root. Raises LabError where it failed."""
    done = subprocess.run(
        entering(place, "/bin/sh", "-eu", "-c", f"cd /root; HOME=/root; export HOME\n{_FUNCTIONS}\n{script}"),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        raise LabError(f"{place.name}: status {done.returncode}: {done.stdout[-400:]}{done.stderr[-800:]}")
    return done.stdout


#: What builds have in common: units as systemd would show them, with a time as `date -d` takes it.
_FUNCTIONS = """
unit() { # name, command, result, status, when it ended
    ended=$(TZ=UTC date -d "$5" '+%a %Y-%m-%d %H:%M:%S UTC')
    printf 'Id=%s.timer\\nUnit=%s.service\\nUnitFileState=enabled\\nLastTriggerUSec=%s\\n\\n' "$1" "$1" "$ended" >>/lab/timers
    printf 'Id=%s.service\\nTriggeredBy=%s.timer\\nResult=%s\\nExecMainExitTimestamp=%s\\nExecMainStatus=%s\\n' \
        "$1" "$1" "$3" "$ended" "$4" >>/lab/services
    printf 'ExecStart={ path=%s ; argv[]=%s ; ignore_errors=no ; start_time=[n/a] }\\nActiveState=inactive\\n\\n' \
        "${2%% *}" "$2" >>/lab/services
}
cron() { printf '%s\\n' "$1" >>/etc/cron.d/backup; }
"""
