"""Hosts with copies of files, dumps of databases and snapshots."""

from tests.lab.backups.machine import DISK, Expected, State

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


_BTRFS = """
cd /mnt/btrfs
btrfs subvolume create data >/dev/null
cp /data/www/page data/
btrfs subvolume snapshot -r data one >/dev/null
btrfs subvolume snapshot -r data two >/dev/null
"""


COPIES_STATES: tuple[State, ...] = (
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
        "touch /mnt/disk/dumps/*; rm $(ls /mnt/disk/dumps/* | tail -2)",
        (Expected("files", DISK + "/dumps/*.sql.gz", runs=1, hours=None),),
        made_from="dumps good",
        declared=(DISK + "/dumps/*.sql.gz",),
        why="backdated archives with fresh file times",
        # The name says three days, of which two are over at any hour of this one; the fresh time of the file is no
        # word on when it was made.
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
        "copies tried only",
        """sed -i -e 's/rsync -a/rsync -an/' -e 's/rclone sync/rclone sync --dry-run/' /etc/cron.d/backup""",
        (),
        made_from="copies good",
        why="jobs that only show what they would do",
        # What the clock starts copies nothing.
        expected_rung=0,
    ),
)
