"""Hosts with rsnapshot, duplicity and rdiff-backup."""

from tests.lab.backups.machine import DISK, Expected, State

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


ARCHIVES_STATES: tuple[State, ...] = (
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
)
