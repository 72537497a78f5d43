"""Hosts with pgBackRest and Barman."""

from tests.lab.backups.machine import DISK, Expected, State

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


POSTGRES_STATES: tuple[State, ...] = (
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
)
