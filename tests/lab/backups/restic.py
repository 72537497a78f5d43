"""Hosts and servers with restic."""

import os

from secscan.model import DeclaredBackup
from tests.lab.backups.machine import DISK, Expected, State

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


RESTIC_STATES: tuple[State, ...] = (
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
