"""Hosts that make backups: the distribution's own tools, in good, stale, broken and misleading states.

Every host is this machine's file system under an overlay of its own, in a mount namespace of its own: what is done in
it is gone with its folder. systemd does not run in it: what `systemctl show` would print of units is composed.
Knows nothing of pytest.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from secscan.collection.ssh.framing import Reply
from secscan.collection.ssh.local import run_script
from secscan.collection.ssh.reply import facts_of
from secscan.collection.ssh.shell_script import Run
from secscan.facts import Facts, Gap
from secscan.facts.backups import Backup, BackupFacts
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
_PATIENCE = 110

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

#: In the place of ssh(1): the other machine is a network of its own, and sshd's part of sftp there is OpenSSH's.
_TO_NAS = """#!/bin/sh
exec unshare --net --uts /usr/lib/openssh/sftp-server
"""

_PREPARE = f"""
rm -f {" ".join(_LEFT_OUT)}
printf '#!/bin/sh\\ncase "$*" in *.timer*) cat /lab/timers;; *-p\\\\ ExecStart\\\\ *|*.service*) cat /lab/services;; esac\\n' \\
    >/usr/bin/systemctl
chmod 755 /usr/bin/systemctl
mkdir -p /lab /data/www /root/.cache /root/.config
: >/lab/timers; : >/lab/services
rm -f /etc/cron.d/* /etc/cron.daily/*
head -c 200000 /dev/urandom >/data/www/image
echo hello >/data/www/page
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


@dataclass
class Lab:
    """Builds hosts below a folder, each once; those that others are made from are kept for them."""

    folder: Path
    _built: dict[str, Path] = field(default_factory=dict)

    def build(self, state: State) -> Path:
        """The folder of a host in this state. Raises LabError where a tool of it fails."""
        if state.name in self._built:
            return self._built[state.name]
        place = self.folder / state.name.replace(" ", "-")
        if state.made_from:
            made = self.build(by_name(state.made_from))
            subprocess.run(["cp", "-a", "--sparse=always", str(made), str(place)], check=True)  # noqa: S607 - coreutils
        else:
            for part in ("upper", "work", "root", "disk"):
                (place / part).mkdir(parents=True)
            if state.image:
                with (place / "image").open("wb") as image:
                    image.truncate(120 * 1024**2)
                subprocess.run(["mkfs.btrfs", "-q", str(place / "image")], check=True)  # noqa: S607 - btrfs-progs
            if state.nas:
                (place / "nas").mkdir()
                (place / "ssh").write_text(_TO_NAS)
                (place / "ssh").chmod(0o755)
            run_in(place, _PREPARE)
        run_in(place, state.build)
        self._built[state.name] = place
        return place

    def collect(
        self, state: State, *, sudo: bool = False, shell: Sequence[str] = ("/bin/sh",)
    ) -> Mapping[str, Facts | Gap]:
        """All facts of a host in this state, by the script itself."""
        place = self.build(state)
        if state.account:
            shell = (
                "setpriv",
                f"--reuid={state.account}",
                f"--regid={state.account}",
                "--clear-groups",
                *shell,
            )
        run = Run.new(budget=_PATIENCE, declared=state.declared, sudo=sudo)
        answer = run_script(run, entering(place, *shell), deadline=_PATIENCE)
        if isinstance(answer, Gap):
            raise LabError(f"{state.name}: {answer.detail}")
        reply = run.read(*answer)
        if not isinstance(reply, Reply):
            raise LabError(f"{state.name}: {reply.detail}")
        return facts_of(reply, None)


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
        timeout=_PATIENCE,
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


# --- What is compared -----------------------------------------------------------------------------------------


def differences(expected: Expected, facts: BackupFacts, now: datetime | None = None) -> list[str]:
    """How facts differ from what was expected, one sentence each; nothing where they don't."""
    now = now or datetime.now(UTC)
    assert not isinstance(facts.backups, Gap)
    found = [b for b in facts.backups if b.tool == expected.tool and b.name == expected.name]
    if not found:
        return [
            f"there is no {expected.tool} {expected.name!r} among {[(b.tool, b.name) for b in facts.backups]}"
        ]
    [backup] = found
    wrong = [
        f"{name} is told: {getattr(backup, name)}"
        for name in expected.untold
        if not isinstance(getattr(backup, name), Gap)
    ]
    for name, wanted, seen in _compared(expected, backup, now):
        if wanted is not None and wanted != seen:
            wrong.append(f"{name}: expected {wanted!r}, got {seen!r}")
    return wrong


def _compared(expected: Expected, backup: Backup, now: datetime) -> list[tuple[str, object, object]]:
    runs, place = backup.runs, backup.place
    last = None if isinstance(runs, Gap) or not runs else runs[0]
    checked, locked, attempt = backup.checked_at, backup.locked_since, backup.attempt
    return [
        ("hours", expected.hours, _near(expected.hours, last.at if last else None, now, runs)),
        ("runs", expected.runs, runs if isinstance(runs, Gap) else len(runs)),
        ("files", expected.files, last.files if last else None),
        ("size", expected.size, last.size if last else None),
        ("device", expected.device, place if isinstance(place, Gap) else place.device),
        ("path", expected.path, place if isinstance(place, Gap) else place.path),
        ("host", expected.host, place if isinstance(place, Gap) else place.host),
        ("source", expected.source, backup.source),
        ("encrypted", expected.encrypted, backup.encrypted),
        ("append_only", expected.append_only, backup.append_only),
        ("included", expected.included, backup.included),
        ("excluded", expected.excluded, backup.excluded),
        (
            "retention",
            expected.retention,
            backup.retention
            if isinstance(backup.retention, Gap)
            else {
                k: v
                for k in backup.retention.__struct_fields__
                if (v := getattr(backup.retention, k)) is not None
            },
        ),
        ("locked", expected.locked, locked if isinstance(locked, Gap) else locked is not None),
        (
            "checked_hours",
            expected.checked_hours,
            _near(expected.checked_hours, checked if isinstance(checked, datetime) else None, now, checked),
        ),
        ("attempt", expected.attempt, attempt if isinstance(attempt, Gap) else attempt.succeeded),
        ("started_by", expected.started_by, backup.started_by),
    ]


def _near(wanted: float | None, at: datetime | None, now: datetime, reading: object) -> object:
    """The expected age, where the real one is within the two hours that a slow machine may take; else the real one."""
    if at is None:
        return -1 if reading == () else reading
    age = (now - at).total_seconds() / 3600
    return wanted if wanted is not None and abs(age - wanted) < 2 else age


def by_name(name: str) -> State:
    return next(state for state in STATES if state.name == name)


# --- The states ---------------------------------------------------------------------------------------------------

_RESTIC = """
export RESTIC_PASSWORD=correct-horse-battery
restic -q init -r /mnt/disk/restic
restic -r /mnt/disk/restic backup /data >/var/log/restic.log
restic -r /mnt/disk/restic backup /data --json | grep summary >>/var/log/restic.log
touch -d '-40 days' /mnt/disk/restic/config
newest=$(sed -n 's/.*"snapshot_id":"\\([0-9a-f]*\\)".*/\\1/p' /var/log/restic.log)
touch -d '-30 hours' /mnt/disk/restic/snapshots/*
touch -d '-6 hours' /mnt/disk/restic/snapshots/$newest*
unit restic-backup '/usr/bin/restic -r /mnt/disk/restic backup --exclude *.tmp /data' success 0 '-6 hours'
unit restic-forget '/usr/bin/restic -r /mnt/disk/restic forget --keep-daily 30 --prune' success 0 '-6 hours'
unit restic-check '/usr/bin/restic -r /mnt/disk/restic check --read-data-subset=5%' success 0 '-50 hours'
"""

_BORG = """
export BORG_PASSPHRASE=correct-horse-battery
borg init -e repokey /mnt/disk/borg 2>/dev/null
borg create --stats /mnt/disk/borg::one /data 2>/var/log/borg.log
touch -d '-3 hours' /mnt/disk/borg/integrity.* /mnt/disk/borg/index.*
ended=$(TZ=UTC date -d '-3 hours' '+%a, %Y-%m-%d %H:%M:%S')
sed -i "s/^Time (end):.*/Time (end):   $ended/" /var/log/borg.log
cron '0 2 * * * root BORG_REPO=/mnt/disk/borg /usr/bin/borg create --stats -e "*.tmp" ::{now} /data >>/var/log/borg.log 2>&1'
cron '0 5 * * 0 root /usr/bin/borg prune --keep-daily 14 --keep-weekly=8 /mnt/disk/borg'
"""

_BORGMATIC = """
export BORG_PASSPHRASE=correct-horse-battery
mkdir -p /etc/borgmatic
cat >/etc/borgmatic/config.yaml <<'E'
location:
    source_directories:
        - /data
        - /etc
    repositories:
        - /mnt/disk/matic
    exclude_patterns: ['*.tmp']
storage:
    encryption_passphrase: |
        never-to-be-sent
retention:
    keep_daily: 7
    keep_monthly: 12
consistency:
    checks:
        - name: repository
          frequency: 2 weeks
hooks:
    postgresql_databases:
        - name: shop
          password: never-to-be-sent
E
mkdir -p /tmp/m; sed -e '/^hooks:/,$d' -e '/^storage:/d' -e '/encryption_passphrase/,/never/d' -e 's#- /etc#- /data/www#' \
    /etc/borgmatic/config.yaml >/tmp/m/config.yaml
borgmatic -c /tmp/m/config.yaml init -e repokey-blake2 2>/dev/null
borgmatic -c /tmp/m/config.yaml --log-file /var/log/borgmatic.log --log-file-verbosity 1 2>/dev/null
unit borgmatic '/usr/bin/borgmatic --syslog-verbosity 1' success 0 '-9 hours'
touch -d '-9 hours' /root/.borgmatic/checks/*/repository
rm -f /var/log/borgmatic.log
"""

_RSNAPSHOT = """
cat >/tmp/r.conf <<'E'
config_version	1.2
snapshot_root	/mnt/disk/snapshots/
cmd_cp	/bin/cp
cmd_rm	/bin/rm
cmd_rsync	/usr/bin/rsync
retain	daily	7
retain	weekly	4
logfile	/var/log/rsnapshot.log
loglevel	3
lockfile	/mnt/disk/rsnapshot.pid
exclude	*.tmp
backup	/data/	localhost/
E
cp /tmp/r.conf /etc/rsnapshot.conf
rsnapshot daily
sed -i "s/^\\[[^]]*/[$(date -d '-20 hours' +%Y-%m-%dT%H:%M:%S)/" /var/log/rsnapshot.log
cron '30 3 * * * root /usr/bin/rsnapshot daily'
cron '0 3 * * 1 root /usr/bin/rsnapshot weekly'
"""

_DUPLICITY = """
faketime -f '-4d' duplicity full --no-encryption /data file:///mnt/disk/dup >/dev/null
faketime -f '-12h' duplicity --no-encryption /data file:///mnt/disk/dup >/dev/null
cron '0 1 * * * root PASSPHRASE=never-to-be-sent duplicity --no-encryption --exclude /data/tmp /data file:///mnt/disk/dup'
cron '0 4 * * * root duplicity remove-older-than 2M --force file:///mnt/disk/dup'
"""

_RDIFF = """
faketime -f '-2d' rdiff-backup backup /data /mnt/disk/rdiff 2>/dev/null
echo more >/data/www/new
faketime -f '-5h' rdiff-backup backup /data /mnt/disk/rdiff 2>/dev/null
cron '0 1 * * * root rdiff-backup backup --exclude /data/tmp /data /mnt/disk/rdiff'
"""

_COPIES = """
rsync -a --log-file=/var/log/rsync-data.log --stats /data/ /mnt/disk/copy/ >/dev/null
rclone sync /data /mnt/disk/clone --log-file /var/log/rclone-data.log -v 2>/dev/null
cron '0 1 * * * root rsync -a --delete --exclude=tmp --log-file=/var/log/rsync-data.log /data/ /mnt/disk/copy/'
cron '0 2 * * * root rclone sync /data /mnt/disk/clone --log-file /var/log/rclone-data.log -v'
"""

#: A dump as pg_dump wrote it, with the last line that newer releases put behind the trailer.
_DUMPS = """
B=/usr/lib/postgresql/15/bin
mkdir -p /mnt/disk/dumps /pg; chown postgres /pg
runuser -u postgres -- $B/initdb -D /pg/d -A trust -N >/dev/null
runuser -u postgres -- $B/pg_ctl -D /pg/d -o "-k /pg -c listen_addresses= -F" -l /pg/log -w start >/dev/null
runuser -u postgres -- psql -q -h /pg -c 'create database shop' postgres
runuser -u postgres -- psql -q -h /pg -c 'create table t as select generate_series(1,2000) as x' shop
for day in 3 2 1; do
    stamp=$(date -d "-$day days" +%Y-%m-%d)
    runuser -u postgres -- pg_dump -C -h /pg shop | gzip >/mnt/disk/dumps/shop-$stamp.sql.gz
    touch -d "-$day days" /mnt/disk/dumps/shop-$stamp.sql.gz
done
runuser -u postgres -- $B/pg_ctl -D /pg/d -m immediate stop >/dev/null
rm -rf /pg
cron '0 1 * * * postgres pg_dump -C shop | gzip >/mnt/disk/dumps/shop-$(date +\\%F).sql.gz'
cron '0 3 * * * root find /mnt/disk/dumps -name "*.sql.gz" -mtime +35 -delete'
"""

_POSTGRES = """
B=/usr/lib/postgresql/15/bin
mkdir -p /pg /mnt/disk/pgbackrest /mnt/disk/barman /var/log/pgbackrest /var/log/barman /tmp/pgbackrest
cat >/etc/pgbackrest.conf <<'E'
[global]
repo1-path=/mnt/disk/pgbackrest
repo1-retention-full=2
repo1-retention-full-type=count
repo1-s3-key-secret=never-to-be-sent
start-fast=y
compress-level=0
[main]
pg1-path=/pg/d
pg1-socket-path=/pg
E
cat >/etc/barman.conf <<'E'
[barman]
barman_user = postgres
barman_home = /mnt/disk/barman
log_file = /var/log/barman/barman.log
[pgmain]
conninfo = host=/pg user=postgres dbname=postgres password=never-to-be-sent
streaming_conninfo = host=/pg user=postgres
backup_method = postgres
archiver = on
retention_policy = RECOVERY WINDOW OF 14 DAYS
E
mkdir -p /mnt/disk/barman/pgmain/incoming
chown -R postgres /pg /mnt/disk/pgbackrest /mnt/disk/barman /var/log/pgbackrest /var/log/barman /tmp/pgbackrest
chmod 644 /etc/pgbackrest.conf
cd /pg
p() { runuser -u postgres -- "$@" >/dev/null; }
p $B/initdb -D /pg/d -A trust -N
cat >>/pg/d/postgresql.conf <<'E'
unix_socket_directories = '/pg'
listen_addresses = ''
fsync = off
archive_mode = on
archive_command = 'pgbackrest --stanza=main archive-push %p && cp %p /mnt/disk/barman/pgmain/incoming/%f'
E
p $B/pg_ctl -D /pg/d -l /pg/log -w start
p pgbackrest --stanza=main stanza-create
p pgbackrest --stanza=main backup
p pgbackrest --stanza=main verify --log-level-file=detail
p barman switch-wal --force --archive --archive-timeout 30 pgmain
p barman backup --wait --wait-timeout 30 pgmain
p $B/pg_ctl -D /pg/d -m immediate stop
cd /; rm -rf /pg
cron '0 1 * * * postgres pgbackrest --stanza=main backup'
cron '0 2 * * * barman barman backup pgmain'
"""

_BTRFS = """
cd /mnt/btrfs
btrfs subvolume create data >/dev/null
cp /data/www/page data/
btrfs subvolume snapshot -r data one >/dev/null
btrfs subvolume snapshot -r data two >/dev/null
"""

#: Six nights, each with its line of what was read, as `--json` prints it.
_RESTIC_AWAY = """
export RESTIC_PASSWORD=correct-horse-battery
restic -q init -r /mnt/nas/restic
for day in 5 4 3 2 1 0; do
    restic -r /mnt/nas/restic backup /data --json | grep summary >>/var/log/restic.log
    newest=$(tail -n 1 /var/log/restic.log | sed -n 's/.*"snapshot_id":"\\([0-9a-f]*\\)".*/\\1/p')
    touch -d "-$((day * 24 + 6)) hours" /mnt/nas/restic/snapshots/$newest*
done
touch -d '-40 days' /mnt/nas/restic/config
unit restic-backup '/usr/bin/restic -r /mnt/nas/restic backup --exclude *.tmp /data' success 0 '-6 hours'
unit restic-forget '/usr/bin/restic -r /mnt/nas/restic forget --keep-daily 30 --prune' success 0 '-6 hours'
unit restic-check '/usr/bin/restic -r /mnt/nas/restic check' success 0 '-50 hours'
"""

#: borg's own server, on a machine with another network; what it prints of every night is in the log.
_BORG_AWAY = """
printf '#!/bin/sh\\nexec unshare --net --uts borg serve --append-only\\n' >/lab/rsh; chmod 755 /lab/rsh
export BORG_PASSPHRASE=correct-horse-battery BORG_RSH=/lab/rsh
borg init -e repokey ssh://backup@nas.example.vn/mnt/disk/borg 2>/dev/null
for day in 5 4 3 2 1 0; do
    borg create --stats ssh://backup@nas.example.vn/mnt/disk/borg::day$day /data 2>/tmp/log
    ended=$(TZ=UTC date -d "-$((day * 24 + 3)) hours" '+%a, %Y-%m-%d %H:%M:%S')
    sed "s/^Time (end):.*/Time (end):   $ended/" /tmp/log >>/var/log/borg.log
done
rm -rf /mnt/disk/borg
cron '0 2 * * * root BORG_REPO=ssh://backup@nas.example.vn/mnt/disk/borg /usr/bin/borg create --stats ::{now} /data >>/var/log/borg.log 2>&1'
cron '0 5 * * 0 root /usr/bin/borg prune --keep-daily 31 ssh://backup@nas.example.vn/mnt/disk/borg'
"""

STATES: tuple[State, ...] = (
    State(
        "restic good",
        _RESTIC,
        (
            Expected(
                "restic",
                DISK + "/restic",
                hours=6,
                runs=2,
                files=2,
                size=200006,
                device="/dev/vda",
                path=DISK + "/restic",
                source="",
                encrypted=True,
                included=("/data",),
                excluded=("*.tmp",),
                retention={"daily": 30},
                locked=False,
                checked_hours=50,
                attempt=True,
                started_by=("timer restic-backup.timer",),
                untold=("append_only",),
            ),
        ),
        # A timer starts it, and the newest snapshot is six hours old; two runs are no trend.
        expected_rung=2,
    ),
    State(
        "restic stale",
        "touch -d '-10 days' /mnt/disk/restic/snapshots/*; touch -d '-11 days' /mnt/disk/restic/snapshots/$(ls /mnt/disk/restic/snapshots | head -1)",
        (Expected("restic", DISK + "/restic", hours=240, runs=2),),
        made_from="restic good",
        why="the timer fires and its unit ends well; the snapshots are old all the same",
        # The timer is there; the newest snapshot is ten days old, whatever the unit says of itself.
        expected_rung=1,
    ),
    State(
        "restic unit fails",
        """: >/lab/timers; : >/lab/services
touch -d '-10 days' /mnt/disk/restic/snapshots/*; touch -d '-11 days' /mnt/disk/restic/snapshots/$(ls /mnt/disk/restic/snapshots | head -1)
unit restic-backup '/usr/bin/restic -r /mnt/disk/restic backup /data' exit-code 1 '-1 hours'""",
        (Expected("restic", DISK + "/restic", hours=240, attempt=False),),
        made_from="restic good",
        why="a timer that is enabled and fires, but whose unit fails",
        # The timer fires, its unit fails, and the newest snapshot is ten days old.
        expected_rung=1,
    ),
    State(
        "restic lock held for ever",
        "echo x >/mnt/disk/restic/locks/$(printf %064d 1); touch -d '-9 days' /mnt/disk/restic/locks/*",
        (Expected("restic", DISK + "/restic", hours=6, locked=True),),
        made_from="restic good",
        # The newest snapshot is six hours old; the lock will stop the next runs, and has a rule of its own.
        expected_rung=2,
    ),
    State(
        "restic copied without times",
        "cp -r /mnt/disk/restic /mnt/disk/new; rm -rf /mnt/disk/restic; mv /mnt/disk/new /mnt/disk/restic",
        (Expected("restic", DISK + "/restic", untold=("runs",)),),
        made_from="restic good",
        why="old snapshots whose files are fresh",
        # Times of snapshots are those of their files, and a copy made them all alike: recency can't be told.
        expected_rung=1,
    ),
    State(
        "restic behind a link",
        """mv /mnt/disk/restic /data/restic; ln -s /data/restic /mnt/disk/restic""",
        (Expected("restic", "/data/restic", hours=6, device="overlay", path="/data/restic"),),
        made_from="restic good",
        why="what looks like another disk is a link to the one it came from",
        # Made six hours ago by its timer; that it lies beside its original counts on the sixth rung.
        expected_rung=2,
    ),
    State(
        "restic seen by an ordinary account",
        "chmod 700 /mnt/disk/restic",
        (Expected("restic", DISK + "/restic", hours=6, runs=1, untold=("locked_since",)),),
        made_from="restic good",
        account=65534,
        unread=(DISK + "/restic", "/root/.cache/restic"),
        why="an encrypted repository that can't be listed; systemd still tells of the last unit",
        # The unit that runs restic itself ended well six hours ago: restic's status 0 means a whole snapshot.
        expected_rung=2,
    ),
    State(
        "borg good",
        _BORG,
        (
            Expected(
                "borg",
                DISK + "/borg",
                hours=3,
                runs=1,
                files=2,
                device="/dev/vda",
                encrypted=True,
                append_only=False,
                included=("/data",),
                excluded=("*.tmp",),
                retention={"daily": 14, "weekly": 8},
                locked=False,
                started_by=("cron /etc/cron.d/backup",),
            ),
        ),
        # cron starts it, and its log tells of an archive made three hours ago.
        expected_rung=2,
    ),
    State(
        "borg without a log",
        "rm /var/log/borg.log",
        (Expected("borg", DISK + "/borg", encrypted=True, untold=("runs", "attempt")),),
        made_from="borg good",
        why="when a repository was written is no word on a backup",
        # cron starts it; nothing tells when an archive was last made.
        expected_rung=1,
    ),
    State(
        "borg stale",
        """ended=$(TZ=UTC date -d '-9 days' '+%a, %Y-%m-%d %H:%M:%S')
sed -i "s/^Time (end):.*/Time (end):   $ended/" /var/log/borg.log; mv /var/log/borg.log /var/log/borg.log.1; : >/var/log/borg.log""",
        (Expected("borg", DISK + "/borg", hours=216),),
        made_from="borg good",
        why="the log was rotated: the last run stands in the one before",
        # cron starts it; the newest archive in the logs is nine days old.
        expected_rung=1,
    ),
    State(
        "borg locked",
        "mkdir /mnt/disk/borg/lock.exclusive; touch -d '-3 days' /mnt/disk/borg/lock.exclusive",
        (Expected("borg", DISK + "/borg", locked=True),),
        made_from="borg good",
        # The newest archive is three hours old; the lock has a rule of its own.
        expected_rung=2,
    ),
    State(
        "borg authenticated only",
        """export BORG_PASSPHRASE=x; borg init -e authenticated /mnt/disk/plain 2>/dev/null; borg init -e none /mnt/disk/none 2>/dev/null
cron '0 2 * * * root borg create /mnt/disk/plain::a /data; borg create /mnt/disk/none::a /data'
sed -i 's/^append_only = 0/append_only = 1/' /mnt/disk/none/config""",
        (
            Expected("borg", DISK + "/plain", encrypted=False, append_only=False),
            # append_only binds `borg serve`; who makes it by its path deletes what he likes.
            Expected("borg", DISK + "/none", encrypted=False, append_only=False),
        ),
        made_from="borg good",
        why="a key in the repository does not mean that it is encrypted",
        # The first repository is still written every night; the two beside it, without archives, take nothing away.
        expected_rung=2,
    ),
    State(
        "borg in a zone that is not told",
        "rm -f /etc/localtime /etc/timezone",
        (Expected("borg", DISK + "/borg", untold=("runs",)),),
        made_from="borg good",
        why="times without a zone",
        # cron starts it; the log's times have no zone, so that how old they are can't be told.
        expected_rung=1,
    ),
    State(
        "borgmatic good",
        _BORGMATIC,
        (
            Expected(
                "borgmatic",
                DISK + "/matic",
                hours=9,
                runs=1,
                encrypted=True,
                included=("/data", "/etc", "database shop"),
                excluded=("*.tmp",),
                retention={"daily": 7, "monthly": 12},
                checked_hours=9,
                attempt=True,
                started_by=("timer borgmatic.timer",),
            ),
        ),
        # Its timer's unit ended well nine hours ago.
        expected_rung=2,
    ),
    State(
        "borgmatic failing",
        """: >/lab/timers; : >/lab/services; unit borgmatic /usr/bin/borgmatic exit-code 1 '-1 hours'
touch -d '-70 days' /root/.borgmatic/checks/*/repository""",
        (Expected("borgmatic", DISK + "/matic", attempt=False, checked_hours=1680, untold=("runs",)),),
        made_from="borgmatic good",
        # The timer is there; its last run failed, and nothing tells of one that did not.
        expected_rung=1,
    ),
    State(
        "rsnapshot good",
        _RSNAPSHOT,
        (
            Expected(
                "rsnapshot",
                DISK + "/snapshots",
                hours=20,
                runs=1,
                device="/dev/vda",
                encrypted=False,
                append_only=False,
                included=("/data",),
                excluded=("*.tmp",),
                retention={"daily": 7, "weekly": 4},
                locked=False,
                attempt=True,
                started_by=("cron /etc/cron.d/backup",),
            ),
        ),
        # cron starts it, and a daily snapshot was completed twenty hours ago.
        expected_rung=2,
    ),
    State(
        "rsnapshot only rotates",
        """sed -i "s/^\\[[^]]*/[$(date -d '-12 days' +%Y-%m-%dT%H:%M:%S)/" /var/log/rsnapshot.log; rsnapshot weekly 2>/dev/null""",
        (Expected("rsnapshot", DISK + "/snapshots", hours=288, runs=1),),
        made_from="rsnapshot good",
        why="the weekly level renames what is there and logs success",
        # cron starts it; what ended well lately was a renaming, the last copy is twelve days old.
        expected_rung=1,
    ),
    State(
        "rsnapshot broken",
        """: >/var/log/rsnapshot.log; mv /data /gone; rsnapshot daily 2>/dev/null || :; mv /gone /data; echo 99999 >/mnt/disk/rsnapshot.pid""",
        (Expected("rsnapshot", DISK + "/snapshots", hours=-1, attempt=False, locked=True),),
        made_from="rsnapshot good",
        why="the source was not there",
        # cron starts it; the only run that is told of failed.
        expected_rung=1,
    ),
    State(
        "duplicity good",
        _DUPLICITY,
        (
            Expected(
                "duplicity",
                DISK + "/dup",
                hours=12,
                runs=2,
                encrypted=False,
                included=("/data",),
                excluded=("/data/tmp",),
                retention={"days": 60},
                started_by=("cron /etc/cron.d/backup",),
            ),
        ),
        # cron starts it, and an increment with a full set below it ended twelve hours ago.
        expected_rung=2,
    ),
    State(
        "duplicity touched",
        "rm /mnt/disk/dup/duplicity-inc*manifest; touch /mnt/disk/dup/*",
        (Expected("duplicity", DISK + "/dup", hours=96, runs=1),),
        made_from="duplicity good",
        why="fresh times of files; the last set broke off before its manifest",
        # cron starts it; the last set that has a manifest is four days old.
        expected_rung=1,
    ),
    State(
        "duplicity without its full",
        "rm /mnt/disk/dup/duplicity-full.*",
        (Expected("duplicity", DISK + "/dup", hours=-1, runs=0),),
        made_from="duplicity good",
        why="increments that rest on nothing",
        # cron starts it; nothing there can be restored.
        expected_rung=1,
    ),
    State(
        "rdiff-backup good",
        _RDIFF,
        (
            Expected(
                "rdiff-backup",
                DISK + "/rdiff",
                hours=5,
                runs=2,
                files=5,
                encrypted=False,
                included=("/data",),
                excluded=("/data/tmp",),
                attempt=True,
            ),
        ),
        # cron starts it, and a session ended five hours ago.
        expected_rung=2,
    ),
    State(
        "rdiff-backup broken off",
        """cd /mnt/disk/rdiff/rdiff-backup-data
older=$(ls session_statistics.* | head -1 | sed -e 's/session_statistics.//' -e 's/.data$//')
cp current_mirror.* current_mirror.$older.data""",
        (Expected("rdiff-backup", DISK + "/rdiff", hours=48, runs=1, attempt=False),),
        made_from="rdiff-backup good",
        why="the marker of the session before is still there: the last one will be taken back",
        # Of two mirror markers the newer is that of a session that did not end: rdiff-backup will take it back.
        expected_rung=1,
    ),
    State(
        "copies good",
        _COPIES,
        (
            Expected(
                "rsync",
                DISK + "/copy/",
                hours=0,
                runs=1,
                files=4,
                size=200006,
                encrypted=False,
                attempt=True,
                excluded=("tmp",),
                included=("/data",),
            ),
            Expected(
                "rclone", DISK + "/clone", hours=0, runs=1, encrypted=False, attempt=True, included=("/data",)
            ),
        ),
        # cron starts both, and both logs tell of a copy that has just ended.
        expected_rung=2,
    ),
    State(
        "copies broken",
        """: >/var/log/rsync-data.log; rsync -a --log-file=/var/log/rsync-data.log /data/ /mnt/disk/no/such/ 2>/dev/null || :
: >/var/log/rclone-data.log; mv /data /gone; rclone sync /data /mnt/disk/clone --retries 1 --log-file /var/log/rclone-data.log -v 2>/dev/null || :; mv /gone /data""",
        (
            Expected("rsync", DISK + "/copy/", hours=-1, attempt=False),
            Expected("rclone", DISK + "/clone", hours=-1, attempt=False),
        ),
        made_from="copies good",
        # cron starts both; neither log tells of a copy that ended well.
        expected_rung=1,
    ),
    State(
        "dumps good",
        _DUMPS,
        (
            Expected(
                "files",
                DISK + "/dumps/*.sql.gz",
                hours=24,
                runs=3,
                device="/dev/vda",
                encrypted=False,
                included=("database shop",),
                retention={"days": 35},
                started_by=("cron /etc/cron.d/backup",),
            ),
        ),
        declared=(DISK + "/dumps/*.sql.gz",),
        # cron starts it, and the newest whole dump is of a day ago, within the hours of grace.
        expected_rung=2,
    ),
    State(
        "dumps empty",
        ": | gzip >/mnt/disk/dumps/shop-$(date +%F).sql.gz",
        (Expected("files", DISK + "/dumps/*.sql.gz", hours=24, runs=3, attempt=False),),
        made_from="dumps good",
        declared=(DISK + "/dumps/*.sql.gz",),
        why="an empty dump with a fresh date",
        # The empty dump does not count, and the whole one before it is of a day ago.
        expected_rung=2,
    ),
    State(
        "dumps cut off",
        """f=$(ls /mnt/disk/dumps/* | tail -1); gzip -dc $f | head -c 1500 | gzip >/mnt/disk/dumps/shop-$(date +%F).sql.gz
head -c 900 $f >/mnt/disk/dumps/shop-$(date -d tomorrow +%F).sql.gz""",
        (Expected("files", DISK + "/dumps/*.sql.gz", hours=24, runs=3, attempt=False),),
        made_from="dumps good",
        declared=(DISK + "/dumps/*.sql.gz",),
        why="one without its last line, one that gzip can't unpack",
        # The broken dumps do not count, and the whole one before them is of a day ago.
        expected_rung=2,
    ),
    State(
        "dumps with a newer log",
        "rm $(ls /mnt/disk/dumps/* | tail -2); date >/mnt/disk/dumps/nightly.log; : >/mnt/disk/dumps/shop.sql.gz.part",
        (Expected("files", DISK + "/dumps/*", hours=72, runs=1),),
        made_from="dumps good",
        declared=(DISK + "/dumps/*",),
        why="the newest file is the log",
        # cron starts it; the newest dump is three days old, the log beside it is none.
        expected_rung=1,
    ),
    State(
        "dumps linked from elsewhere",
        "mkdir -p /data/dumps; mv /mnt/disk/dumps/* /data/dumps/; rmdir /mnt/disk/dumps; ln -s /data/dumps /mnt/disk/dumps",
        (Expected("files", DISK + "/dumps/*.sql.gz", hours=24, runs=3, device="overlay"),),
        made_from="dumps good",
        declared=(DISK + "/dumps/*.sql.gz",),
        why="a symlink to the original as another disk",
        # Made a day ago; where it lies counts on the sixth rung.
        expected_rung=2,
    ),
    State(
        "dumps backdated",
        "touch /mnt/disk/dumps/*; rm $(ls /mnt/disk/dumps/* | tail -1)",
        (Expected("files", DISK + "/dumps/*.sql.gz", runs=2, hours=None),),
        made_from="dumps good",
        declared=(DISK + "/dumps/*.sql.gz",),
        why="backdated archives with fresh file times",
        # The names say two days, the fresh times of the files are no word on when they were made.
        expected_rung=1,
    ),
    State(
        "dumps not readable",
        "chmod 700 /mnt/disk/dumps",
        (
            Expected(
                "files", DISK + "/dumps/*.sql.gz", started_by=("cron /etc/cron.d/backup",), untold=("runs",)
            ),
        ),
        made_from="dumps good",
        declared=(DISK + "/dumps/*.sql.gz",),
        account=65534,
        unread=(DISK + "/dumps/*.sql.gz",),
        # The line of cron that makes the dumps can be read, the dumps can't.
        expected_rung=1,
    ),
    State(
        "postgres good",
        _POSTGRES,
        (
            Expected(
                "pgbackrest",
                f"main {DISK}/pgbackrest",
                hours=0,
                runs=1,
                device="/dev/vda",
                encrypted=False,
                retention={"last": 2},
                checked_hours=0,
                attempt=True,
                started_by=("cron /etc/cron.d/backup",),
            ),
            Expected(
                "barman",
                "pgmain",
                hours=0,
                runs=1,
                source="",
                encrypted=False,
                retention={"days": 14},
                attempt=True,
            ),
        ),
        # cron starts both, and both have just ended.
        expected_rung=2,
    ),
    State(
        "postgres stale",
        """sed -i -E 's/"backup-timestamp-stop":[0-9]+/"backup-timestamp-stop":'$(date -d '-8 days' +%s)/ /mnt/disk/pgbackrest/backup/main/backup.info
touch /mnt/disk/pgbackrest/backup/main/*
sed -i "s/^end_time=.*/end_time=$(date -d '-8 days' '+%F %T')+00:00/" /mnt/disk/barman/pgmain/base/*/backup.info""",
        (
            Expected("pgbackrest", f"main {DISK}/pgbackrest", hours=192),
            Expected("barman", "pgmain", hours=192),
        ),
        made_from="postgres good",
        # cron starts both; both ended eight days ago by their own records.
        expected_rung=1,
    ),
    State(
        "postgres broken",
        """sed -i -E 's/"backup-error":false/"backup-error":true/' /mnt/disk/pgbackrest/backup/main/backup.info; rm /var/log/pgbackrest/*
sed -i 's/^status=.*/status=WAITING_FOR_WALS/' /mnt/disk/barman/pgmain/base/*/backup.info""",
        (
            Expected(
                "pgbackrest", f"main {DISK}/pgbackrest", hours=-1, attempt=False, untold=("checked_at",)
            ),
            Expected("barman", "pgmain", hours=-1, attempt=False),
        ),
        made_from="postgres good",
        why="broken pages; and no WAL that the copy needs",
        # cron starts both; neither has a copy that can be relied on.
        expected_rung=1,
    ),
    State(
        "postgres of another version",
        """sed -i 's/^backrest-format=5/backrest-format=6/' /mnt/disk/pgbackrest/backup/main/backup.info
sed -i 's/^status=.*/status=PERFECT/' /mnt/disk/barman/pgmain/base/*/backup.info""",
        (
            Expected("pgbackrest", f"main {DISK}/pgbackrest", untold=("runs",)),
            Expected("barman", "pgmain", untold=("runs", "attempt")),
        ),
        made_from="postgres good",
        # cron starts both; their records can't be understood.
        expected_rung=1,
    ),
    State(
        "btrfs good",
        _BTRFS,
        (
            Expected(
                "btrfs",
                "/mnt/btrfs/data",
                hours=0,
                path="/mnt/btrfs",
                append_only=True,
                encrypted=False,
                included=("/mnt/btrfs/data",),
            ),
        ),
        image=True,
        # Two fresh snapshots that nothing starts: made by hand.
        expected_rung=0,
    ),
    State(
        "btrfs writable",
        "btrfs subvolume snapshot /mnt/btrfs/data /mnt/btrfs/three >/dev/null",
        (Expected("btrfs", "/mnt/btrfs/data", append_only=False),),
        made_from="btrfs good",
        # Snapshots that nothing starts: made by hand.
        expected_rung=0,
    ),
    State(
        "clock ahead",
        "touch -d '+3 days' /mnt/disk/restic/snapshots/*; touch -d '+2 days' /mnt/disk/restic/snapshots/$(ls /mnt/disk/restic/snapshots | head -1)",
        (Expected("restic", DISK + "/restic", hours=-72, runs=2),),
        made_from="restic good",
        why="clock skew: what is to come is told as it is, and judged by who knows the clock",
        # A timer starts it; a snapshot from the day after tomorrow does not tell how old it is.
        expected_rung=1,
    ),
    State(
        "restic on another host",
        _RESTIC_AWAY,
        (
            Expected(
                "restic",
                "/mnt/nas/restic",
                hours=6,
                runs=6,
                files=2,
                size=200006,
                host="nas.example.vn",
                encrypted=True,
                included=("/data",),
                retention={"daily": 30},
                checked_hours=50,
                untold=("append_only",),
            ),
        ),
        nas=True,
        inventory=(
            DeclaredBackup(
                tool="restic", path="/mnt/nas/restic", must_contain=("/data/www",), off_site="nas.example.vn"
            ),
        ),
        # Six even nights of all that is asked for, thirty to be kept, on a machine said to be at another site; whether
        # the other machine lets old snapshots be deleted can't be seen from here.
        expected_rung=7,
    ),
    State(
        "restic on another host without a word on its site",
        ":",
        (Expected("restic", "/mnt/nas/restic", hours=6, runs=6, host="nas.example.vn"),),
        made_from="restic on another host",
        nas=True,
        inventory=(DeclaredBackup(tool="restic", path="/mnt/nas/restic", must_contain=("/data",)),),
        # That it is another machine can be seen; where that stands, nobody says.
        expected_rung=6,
    ),
    State(
        "restic on another host of something else",
        ":",
        (Expected("restic", "/mnt/nas/restic", runs=6),),
        made_from="restic on another host",
        nas=True,
        inventory=(DeclaredBackup(tool="restic", path="/mnt/nas/restic", must_contain=("/srv/www",)),),
        # Even and fresh, of what is not what must survive.
        expected_rung=3,
    ),
    State(
        "borg on another host",
        _BORG_AWAY,
        (
            Expected(
                "borg",
                "ssh://nas.example.vn/mnt/disk/borg",
                hours=3,
                runs=6,
                files=2,
                host="nas.example.vn",
                encrypted=True,
                included=("/data",),
                retention={"daily": 31},
                untold=("append_only",),
            ),
        ),
        inventory=(
            DeclaredBackup(
                tool="borg",
                name="ssh://nas.example.vn/mnt/disk/borg",
                must_contain=("/data",),
                off_site="nas.example.vn",
            ),
        ),
        # As above; that the server appends only is for the server to tell.
        expected_rung=7,
    ),
    State(
        "restic deleted",
        "rm -rf /mnt/disk/restic",
        (Expected("restic", DISK + "/restic", attempt=True, untold=("runs",)),),
        made_from="restic good",
        why="its unit ended well six hours ago; whoever came since deleted it, or the disk is not there",
        # The timer is there; the repository is not, whatever was in it.
        expected_rung=1,
    ),
    State(
        "restic touched",
        "export RESTIC_PASSWORD=correct-horse-battery; restic -q -r /mnt/disk/restic backup /data; touch /mnt/disk/restic/snapshots/*",
        (Expected("restic", DISK + "/restic", untold=("runs",)),),
        made_from="restic stale",
        why="old snapshots with fresh times, in an old repository",
        # The timer is there; three snapshots of one minute tell no time.
        expected_rung=1,
    ),
    State(
        "restic emptied",
        "for f in /mnt/disk/restic/snapshots/*; do : >$f; done; touch /mnt/disk/restic/snapshots/*",
        (Expected("restic", DISK + "/restic", hours=-1, runs=0),),
        made_from="restic good",
        why="names and fresh dates of snapshots that hold nothing",
        # The timer is there; a file of no bytes is no snapshot.
        expected_rung=1,
    ),
    State(
        "borg in its log only",
        "touch -d '-9 days' /mnt/disk/borg/integrity.* /mnt/disk/borg/index.*",
        (Expected("borg", DISK + "/borg", untold=("runs",)),),
        made_from="borg good",
        why="a log that tells of an archive, and a repository that was not written since",
        # cron starts it; log and repository contradict each other.
        expected_rung=1,
    ),
    State(
        "restic by its own name",
        """sed -i "s#-r /mnt/disk/restic backup#-r sftp:backup@$(uname -n):/mnt/disk/restic backup#" /lab/services""",
        (
            Expected(
                "restic",
                "sftp:" + os.uname().nodename + ":/mnt/disk/restic",
                hours=6,
                host="",
                device="/dev/vda",
            ),
        ),
        made_from="restic good",
        why="an address with a name of another machine's, which is this one's",
        # Its unit ended well six hours ago; that it comes back to the host counts on the sixth rung.
        expected_rung=2,
    ),
    State(
        "restic by a script",
        """cat >/usr/local/sbin/nightly <<'E'
#!/bin/sh
pw=never-to-be-sent
AUTH=me:never-to-be-sent
Login='never-to-be-sent'
REPO=/mnt/disk/restic
KEEP=30
echo never-to-be-sent | restic -r $REPO backup /data
sshpass -p never-to-be-sent rsync -a /data/ nas:/copy/
restic -r $REPO forget --keep-daily $KEEP --prune
E
chmod 755 /usr/local/sbin/nightly; : >/lab/timers; : >/lab/services; unit nightly /usr/local/sbin/nightly success 0 '-6 hours'""",
        (
            Expected(
                "restic",
                DISK + "/restic",
                hours=6,
                runs=2,
                included=("/data",),
                retention={"daily": 30},
                started_by=("timer nightly.timer",),
            ),
        ),
        made_from="restic good",
        why="a script of settings and passwords: its places and numbers are told, and nothing else",
        # Corrected from 2: the script also copies to another machine, which would be the better backup, and nothing
        # tells how that ended; so which of the two the host is judged by is not known.
        expected_rung=1,
    ),
    State(
        "copies tried only",
        """sed -i -e 's/rsync -a/rsync -an/' -e 's/rclone sync/rclone sync --dry-run/' /etc/cron.d/backup""",
        (),
        made_from="copies good",
        why="jobs that only show what they would do",
        # What the clock starts copies nothing.
        expected_rung=0,
    ),
    State(
        "a server of many",
        """export RESTIC_PASSWORD=x BORG_PASSPHRASE=x
mkdir -p /mnt/disk/clients
for host in web1 web2; do restic -q init -r /mnt/disk/clients/$host; restic -q -r /mnt/disk/clients/$host backup /data; done
borg init -e repokey /mnt/disk/clients/mail 2>/dev/null
rm -rf /root/.config/borg /root/.cache/borg
touch -d '-5 days' /mnt/disk/clients/web*/config; touch -d '-4 hours' /mnt/disk/clients/web1/snapshots/*; touch -d '-4 days' /mnt/disk/clients/web2/snapshots/*""",
        (
            Expected("restic", DISK + "/clients/web1", source="web1", hours=4, runs=1),
            Expected("restic", DISK + "/clients/web2", source="web2", hours=96, runs=1),
            Expected("borg", DISK + "/clients/mail", source="mail", encrypted=True, untold=("runs",)),
        ),
        declared=(DISK + "/clients",),
        why="the inventory names the root; clients are named by their folders",
        # It keeps what others send, and nothing makes a backup of itself.
        expected_rung=0,
    ),
)

#: How a fixture of pytest's or a bench may ask: facts of a state by its name.
Collecting = Callable[[str], Mapping[str, Facts | Gap]]
