"""Hosts with borg and borgmatic."""

from secscan.model import DeclaredBackup
from tests.lab.backups.machine import DISK, Expected, State

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


BORG_STATES: tuple[State, ...] = (
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
        "borg in its log only",
        "touch -d '-9 days' /mnt/disk/borg/integrity.* /mnt/disk/borg/index.*",
        (Expected("borg", DISK + "/borg", untold=("runs",)),),
        made_from="borg good",
        why="a log that tells of an archive, and a repository that was not written since",
        # cron starts it; log and repository contradict each other.
        expected_rung=1,
    ),
)
