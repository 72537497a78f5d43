"""What parsers make of readings no lab gives: composed replies, hostile ones, and times without a zone."""

import subprocess
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secscan.collection.ssh import shell_script
from secscan.collection.ssh.backups import backup_facts
from secscan.collection.ssh.backups.jobs import find_jobs
from secscan.collection.ssh.backups.told import Lines, Told, read_told, read_zone
from secscan.collection.ssh.framing import Reply, Section
from secscan.collection.ssh.operation import mount_facts, schedule_facts
from secscan.collection.ssh.reply import facts_of
from secscan.collection.ssh.shell_script import Run, asked_for
from secscan.facts import CronEntry, Gap, MountFacts, decode, encode
from secscan.facts.backups import Backup, BackupFacts, BackupRun, Place, PlaceKind, Retention
from secscan.model import Reason

AT = 1_780_000_000  # 2026-05-28T20:26:40Z

HERE = {
    "mounts": "/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 /mnt/disk ext4 rw 0 0\nnas:/export /mnt/nas nfs4 rw 0 0\n",
    "backup-host": "user 0\nzone /usr/share/zoneinfo/Asia/Ho_Chi_Minh\nfstab read\nwanted /mnt/disk\nwanted /mnt/not\\040here\n",
}


def reply(sections: Mapping[str, str]) -> Reply:
    return Reply(AT, 0, {name: Section(text) for name, text in (HERE | dict(sections)).items()})


def facts(sections: Mapping[str, str]) -> BackupFacts:
    made = reply(sections)
    found = backup_facts(made, Gap(), mount_facts(made), schedule_facts(made))
    assert isinstance(found, BackupFacts)
    return found


def only(sections: Mapping[str, str]) -> Backup:
    found = facts(sections)
    assert not isinstance(found.backups, Gap)
    [backup] = found.backups
    return backup


def told(zone: str = "Asia/Ho_Chi_Minh") -> Told:
    found = read_told(reply({}), mount_facts(reply({})).mounts, ())  # type: ignore[union-attr] # or the tests fail
    assert isinstance(found, Told)
    return found


# --- Composed after sources, not captured ------------------------------------------------------------------------


BACKUPPC = {
    "backup-contents": "/var/lib/backuppc/pc/web1/backups:0\tfull\t1779000000\t1779003600\t5120\t123456789\t0\t0\n"
    "/var/lib/backuppc/pc/web1/backups:1\tpartial\t1779900000\t1779900060\t12\t34\t0\t0\n"
}


def test_backuppc_counts_whole_backups_only() -> None:
    backup = only(BACKUPPC)
    assert (backup.tool, backup.source) == ("backuppc", "web1")
    assert backup.runs == (BackupRun(at=datetime.fromtimestamp(1779003600, UTC), files=5120, size=123456789),)
    assert backup.attempt.succeeded is False  # type: ignore[union-attr] # or the test fails


BACULA = """file 1780000000 /var/log/bacula/bacula.log
|  JobId:                  7
|  Job:                    Daily.2026-05-27_23.05.00_03
|  Backup Level:           Incremental, since=2026-05-26 23:05:02
|  Client:                 "db1-fd" 9.6.7 (10Dec20) x86_64-pc-linux-gnu
|  End time:               28-May-2026 02:00:00
|  FD Files Written:       1,234
|  FD Bytes Written:       56,789 (56.78 KB)
|  Encryption:             no
|  Termination:            Backup OK
|  JobId:                  8
|  Job:                    Daily.2026-05-28_23.05.00_03
|  Backup Level:           Incremental, since=2026-05-27 23:05:02
|  Client:                 "db1-fd" 9.6.7 (10Dec20) x86_64-pc-linux-gnu
|  End time:               29-May-2026 02:00:00
|  FD Files Written:       1
|  FD Bytes Written:       2 (2 B)
|  Encryption:             no
|  Termination:            *** Backup Error ***
"""


def test_bacula_s_reports_are_of_the_host_s_zone() -> None:
    backup = only({"backup-logs": BACULA})
    assert (backup.tool, backup.name, backup.source) == ("bacula", "Daily db1-fd", "db1")
    assert backup.runs == (BackupRun(at=datetime(2026, 5, 27, 19, 0, tzinfo=UTC), files=1234, size=56789),)
    assert backup.encrypted is False
    assert backup.attempt.succeeded is False  # type: ignore[union-attr] # or the test fails


XTRABACKUP = {
    "backup-contents": "/mnt/disk/maria/full/xtrabackup_info:tool_version = 10.11.6\n"
    "/mnt/disk/maria/full/xtrabackup_info:end_time = 2026-05-28 02:00:00\n"
    "/mnt/disk/maria/full/xtrabackup_info:partial = N\n"
    "/mnt/disk/maria/full/xtrabackup_info:encrypted = N\n"
}


def test_mariabackup_s_notes_are_of_the_host_s_zone() -> None:
    backup = only(XTRABACKUP)
    assert backup.runs == (BackupRun(at=datetime(2026, 5, 27, 19, 0, tzinfo=UTC)),)
    assert backup.encrypted is False


def test_without_a_zone_such_times_stay_untold() -> None:
    backup = only(XTRABACKUP | {"backup-host": "user 0\n"})
    assert isinstance(backup.runs, Gap)
    assert "without a zone" in backup.runs.detail


SNAPSHOTS = "zfs\ntank/home@monday\t1779900000\t12288\t100000\ntank/home@tuesday\t1779986400\t0\t100100\nstatus 0\nlvm\n"
SNAPSHOTS += "  vg0/snap1/root/2026-05-28 02:00:00 +0700\n"


def test_snapshots_of_zfs_and_lvm_are_of_their_volumes() -> None:
    found = facts({"backup-snapshots": SNAPSHOTS}).backups
    assert not isinstance(found, Gap)
    assert [(b.tool, b.name, b.append_only) for b in found] == [
        ("lvm", "vg0/root", False),
        ("zfs", "tank/home", True),
    ]
    assert found[0].runs == (BackupRun(at=datetime(2026, 5, 27, 19, 0, tzinfo=UTC)),)
    assert found[1].runs[0].size == 100100  # type: ignore[index] # or the test fails


def test_what_a_newer_tool_prints_is_quoted_and_not_guessed() -> None:
    found = facts({"backup-snapshots": "zfs\ntank/home at monday\nstatus 0\n"})
    assert found.backups == ()
    assert [(u.tool, u.reason) for u in found.unread] == [("zfs", Reason.UNPARSED)]
    assert "tank/home at monday" in found.unread[0].detail


def test_tools_whose_notes_are_not_read_are_said_to_be_there() -> None:
    found = facts({"backup-host": "user 0\ntool kopia\ntool veeamconfig\n"})
    assert [t.name for t in found.tools] == ["kopia", "veeam"]  # type: ignore[union-attr] # or the test fails
    assert [(u.tool, u.reason) for u in found.unread] == [
        ("kopia", Reason.NOT_COLLECTED),
        ("veeam", Reason.NOT_COLLECTED),
    ]


def test_fstab_says_what_should_be_mounted() -> None:
    mounts = facts_of(reply({"uname": "Linux\n6.1\nx86_64"}), None)["mounts"]
    assert isinstance(mounts, MountFacts)
    assert mounts.wanted == ("/mnt/disk", "/mnt/not here")


# --- Places, zones, commands ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "kind", "host", "path"),
    [
        ("/mnt/disk/r", PlaceKind.LOCAL, "", "/mnt/disk/r"),
        ("file:///mnt/disk/r", PlaceKind.LOCAL, "", "/mnt/disk/r"),
        ("/mnt/nas/r", PlaceKind.MOUNTED, "nas", "/mnt/nas/r"),
        ("sftp:bob@vault:/r", PlaceKind.REMOTE, "vault", "/r"),
        ("rest:https://bob:word@vault:8000/r", PlaceKind.REMOTE, "vault", "/r"),
        ("ssh://bob@vault:22/./r", PlaceKind.REMOTE, "vault", "/./r"),
        ("bob@vault:r", PlaceKind.REMOTE, "vault", "r"),
        ("s3:s3.example/bucket", PlaceKind.REMOTE, "s3.example", ""),
        ("b2:bucket:r", PlaceKind.REMOTE, "bucket:r", ""),
    ],
)
def test_an_address_is_a_place(address: str, kind: PlaceKind, host: str, path: str) -> None:
    place = told().place(address)
    assert isinstance(place, Place)
    assert (place.kind, place.host, place.path) == (kind, host, path)
    assert "word" not in place.address
    assert "bob" not in place.address


@pytest.mark.parametrize(
    ("name", "rule", "hours"),
    [
        ("/usr/share/zoneinfo/Asia/Ho_Chi_Minh", "<+07>-7", 7),
        ("", "<+07>-7", 7),
        ("no/such", "EST5", -5),
        ("", "<+0530>-5:30", 5.5),
        ("", "CET-1CEST,M3.5.0,M10.5.0/3", None),
        ("../../etc/passwd", "", None),
        ("", "", None),
    ],
)
def test_a_zone_is_known_by_name_or_by_a_rule_without_summer(
    name: str, rule: str, hours: float | None
) -> None:
    zone = read_zone(name, rule)
    if hours is None:
        assert isinstance(zone, Gap)
    else:
        assert not isinstance(zone, Gap)
        at = datetime(2026, 5, 28, tzinfo=zone)
        assert at.utcoffset().total_seconds() == hours * 3600  # type: ignore[union-attr] # or the test fails


def test_an_hour_that_occurs_twice_is_the_earlier_one() -> None:
    here = replace(told(), zone=ZoneInfo("Europe/Paris"))
    assert here.local("2026-10-25 02:30:00", "%Y-%m-%d %H:%M:%S") == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("restic -r /r backup /data", ("-r", "/r", "backup", "/data")),
        (
            "sudo -u root nice -n 10 /usr/bin/restic -r /r backup /data >>/var/log/x 2>&1",
            ("-r", "/r", "backup", "/data"),
        ),
        ("RESTIC_REPOSITORY=/r flock -n /run/l restic backup /data", ("backup", "/data")),
        ('R=/r; restic -r $R backup "${R}/data"', ("-r", "/r", "backup", "/r/data")),
        ("/bin/sh -c 'restic -r /r backup /data >/dev/null'", ("-r", "/r", "backup", "/data")),
        ("/bin/bash -c restic -r /r backup /data", ("-r", "/r", "backup", "/data")),
        ("test -x /usr/bin/restic && restic -r '/r' backup /data", ("-r", "/r", "backup", "/data")),
    ],
)
def test_a_command_is_found_behind_what_starts_it(command: str, words: tuple[str, ...]) -> None:
    [job] = find_jobs(
        (), [CronEntry(file="/etc/cron.d/b", schedule="@daily", user="root", command=command)], ()
    )
    assert (job.tool, job.words) == ("restic", words)


@pytest.mark.parametrize(
    "command", ["echo restic backup", "cat /etc/restic", "restic 'unclosed", "", "# restic -r /r backup /"]
)
def test_what_only_speaks_of_a_tool_is_no_command_of_it(command: str) -> None:
    assert find_jobs((), [CronEntry(file="", schedule="@daily", user="", command=command)], ()) == ()


SCRIPT = """script /usr/local/bin/nightly
|export RESTIC_REPOSITORY="sftp:backup@vault:/srv/web1"
|restic backup --exclude-caches /etc /home
|restic forget --keep-daily 7 --keep-weekly=5 --prune
|restic check
"""


def test_a_script_s_settings_count_for_its_commands() -> None:
    backup = only(
        {"backup-texts": SCRIPT, "cron": "file /etc/cron.d/b\nline 0 1 * * * root /usr/local/bin/nightly"}
    )
    assert (backup.tool, backup.name) == ("restic", "sftp:vault:/srv/web1")
    assert backup.started_by == ("cron /etc/cron.d/b",)
    assert backup.included == ("/etc", "/home")
    assert backup.retention == Retention(daily=7, weekly=5)
    assert isinstance(backup.runs, Gap)


def test_a_repository_put_together_by_a_script_is_said_not_to_be_known() -> None:
    found = facts(
        {"backup-texts": "script /x\n|restic -r $(pick) backup /data\n|restic -r $WHERE backup /data"}
    )
    assert found.backups == ()
    assert {(u.tool, u.what, u.reason) for u in found.unread} == {("restic", "/x", Reason.UNPARSED)}


@pytest.mark.parametrize(("apart", "told_of"), [(0, False), (60, False), (61, True)])
def test_snapshots_that_are_all_as_old_as_the_repository_were_copied(apart: int, told_of: bool) -> None:
    listing = (
        "d 1 /r\n1 1779000000 155 8100 config\n1 1779000000 4096 41c0 data\n1 1779000000 4096 41c0 index\n"
    )
    listing += f"d 2 /r/snapshots\n2 1779000000 200 8100 0123abcd\n2 {1779000000 + apart} 200 8100 4567abcd\n"
    assert isinstance(only({"backup-listing": listing}).runs, tuple) is told_of


# --- Declared patterns --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pattern", ["relative", "/a b", "/a'b", "/$(id)", "/a;id", "/a\nb", "/a/../b", "/" + "x" * 300, "/{a,b}"]
)
def test_a_pattern_that_a_shell_could_read_is_not_asked_for(pattern: str) -> None:
    assert asked_for([pattern]) == ()


def test_patterns_are_sent_in_the_first_line() -> None:
    run = Run.new(budget=1, declared=["/b/*.gz", "/c"])
    assert run.standard_input.splitlines()[0].endswith(b" sudo=0 declared='/b/*.gz /c'")


DUMP = "pattern /b/*.sql\nreal /b\n1780000000 {size} /b/{name}\ncount 1\nmagic 2d2d0a2d2d20506f /b/{name}\n"


@pytest.mark.parametrize(
    ("name", "size", "lines", "at"),
    [
        (
            "x.sql",
            900,
            "head -- PostgreSQL database dump\ntail -- PostgreSQL database dump complete\n",
            1780000000,
        ),
        ("x.sql", 900, "head -- PostgreSQL database dump\n", None),
        ("x.sql", 0, "", None),
        ("x.sql", 900, "", None),
        # Written at 01:02:03 in Ho Chi Minh City, copied in the evening.
        (
            "x.sql",
            900,
            "head -- MySQL dump 10.13\ntail -- Dump completed on 2026-05-28  1:02:03\n",
            1779904923,
        ),
        # Named for the day before: then it can't be newer than that day's end.
        ("x-20260520.sql", 900, "head -- MySQL dump 10.13\ntail -- Dump completed\n", 1779296400),
    ],
)
def test_a_dump_is_as_old_and_as_whole_as_it_says(name: str, size: int, lines: str, at: int | None) -> None:
    backup = only({"backup-declared": DUMP.format(size=size, name=name) + lines})
    assert not isinstance(backup.runs, Gap)
    assert [int(run.at.timestamp()) for run in backup.runs] == ([] if at is None else [at])


# --- Hostile hosts --------------------------------------------------------------------------------------------------

_LINES = [
    *(
        "d 1 /r",
        "1 1779000000 5 8180 config",
        "1 1 2 41c0 data",
        "1 1 2 41c0 index",
        "d 2 /r/snapshots",
        "2 99999999999 1 81a4 0123abcd",
    ),
    *(
        "n 1 5",
        "gone /r",
        "self web1",
        "status 124",
        "refused /x",
        "closed /x",
        "list /r\t/r",
        "seen /a\t/b",
        "file /etc/rsnapshot.conf",
        "file 1 /var/log/restic.log",
        "unread /etc/x",
    ),
    *(
        "|snapshot_root\t/r/",
        "|retain\tdaily\t7",
        "|backup\t/d/\tx/",
        "|logfile\t/var/log/restic.log",
        "|snapshot 0123abcd saved",
        "script /s",
    ),
    *(
        "|[2026-05-28T01:02:03] rsnapshot daily: completed successfully",
        "|restic -r /r backup /d",
        "|borg create /b::a /d",
        "|rsync -a /d /e",
    ),
    *(
        "|repositories: [a, {path: b}]",
        "|[global]",
        "|repo1-path=/r",
        "|[main]",
        "|pg1-path=/d",
        "file /etc/pgbackrest.conf",
        "file /etc/barman.conf",
    ),
    *(
        "file /etc/borgmatic/config.yaml",
        "|a: &a [*a, *a]",
        "|[[[[[[[[",
        "/r/backup/main/backup.info:backrest-format=5",
        "segment /r\t03",
        "tool restic",
    ),
    *(
        '/r/backup/main/backup.info:20260528-010203F={"backup-timestamp-stop":99999999999999}',
        "/r/x/base/1/backup.info:status=DONE",
    ),
    *(
        "/r/x/base/1/backup.info:end_time=9999-12-31 23:59:59+23:00",
        "d 3 /r/rdiff-backup-data",
        "btrfs /dev/x /mnt",
        "zfs",
        "lvm",
        "pattern /b/*",
    ),
    *(
        "snapshot ID 1 gen 1 otime 2026-05-28 01:02:03 parent_uuid x uuid y path z",
        "/r/rdiff-backup-data/session_statistics.x:EndTime 99999999999",
    ),
    *(
        "v\t1@2\t99999999999\t1\t1",
        "  a/b/c/9999-99-99 00:00:00 +0000",
        "1779000000 5 /b/x-20261399.sql",
        "magic 00 /b/x",
        "tail -- Dump completed on 9999-12-31 23:59:59",
    ),
    *(
        "head -- Host: x Database: y",
        "zone ../..",
        "tz <a>-99",
        "user x",
        "held x",
        "wanted /\\999",
        "=",
        "",
        "\x00",
        "|" + "x" * 500,
        "status -1",
    ),
]
_TEXT = st.lists(st.one_of(st.sampled_from(_LINES), st.text(max_size=30)), max_size=25).map("\n".join)
_SECTIONS = st.fixed_dictionaries(
    dict.fromkeys(
        (
            *(
                "backup-host",
                "backup-texts",
                "backup-places",
                "backup-listing",
                "backup-contents",
                "backup-logs",
            ),
            *("backup-snapshots", "backup-declared", "cron", "mounts"),
        ),
        _TEXT,
    )
)


@given(_SECTIONS)
def test_no_reply_raises_or_grows(sections: dict[str, str]) -> None:
    made = Reply(AT, 1000, {name: Section(text) for name, text in sections.items()})
    found = backup_facts(made, Gap(), mount_facts(made), schedule_facts(made))
    assert isinstance(found, BackupFacts)
    assert len(encode(found)) < 20_000 + 40 * sum(map(len, sections.values()))


@given(st.text(max_size=300))
def test_no_command_raises(command: str) -> None:
    find_jobs([Lines("/s", (command,))], [CronEntry(file="/c", schedule="", user="", command=command)], ())


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_zone_or_address_raises(first: str, second: str) -> None:
    read_zone(first, second)
    told().place(first)


@pytest.mark.parametrize("section", ["backup-listing", "backup-contents", "backup-texts", "backup-logs"])
def test_what_was_cut_off_or_late_is_said(section: str) -> None:
    made = reply({})
    late = Reply(
        AT,
        0,
        {
            **made.sections,
            section: Section("d 1 /r\n1 17", None),
            "backup-declared": Section("", None, late=True),
        },
    )
    found = backup_facts(late, Gap(), mount_facts(late), Gap())
    assert isinstance(found, BackupFacts)
    assert {(u.what, u.reason) for u in found.unread} == {
        (section, Reason.UNREADABLE),
        ("backup-declared", Reason.TIMED_OUT),
    }


def test_facts_survive_being_stored() -> None:
    found = facts(BACKUPPC)
    assert decode(BackupFacts, BackupFacts.version, encode(found)) == found


# --- Hosts that want to look backed up --------------------------------------------------------------------------


YAML_BOMB = "\n".join(
    ["|- &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    + [f"|- &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
)
YAML_MERGES = "\n".join(
    ["|- &a0 {x: 1}"] + [f"|- &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 12)]
)


@pytest.mark.parametrize("text", [YAML_BOMB, YAML_MERGES], ids=["aliases", "merges"])
def test_a_few_lines_of_yaml_do_not_stand_for_all_memory(text: str) -> None:
    found = facts({"backup-texts": f"file /etc/borgmatic/config.yaml\n{text}"})
    assert [(u.tool, u.reason) for u in found.unread] == [("borgmatic", Reason.UNPARSED)]


@pytest.mark.parametrize("number", ["0x" + "f" * 9000, "-1", "99999999"])
def test_a_number_of_runs_beyond_all_measure_is_none(number: str) -> None:
    text = f"|repositories: [/r]\n|keep_daily: {number}"
    assert isinstance(only({"backup-texts": f"file /etc/borgmatic/config.yaml\n{text}"}).retention, Gap)


SELVES = {"backup-host": HERE["backup-host"] + "self web1\nself 192.0.2.7\nself web1.example.vn\n"}


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("sftp:bob@web1:/r", "/r"),
        ("sftp:bob@WEB1.example.vn.:/r", "/r"),
        ("rest:http://192.0.2.7:8000/", "/"),
        ("ssh://bob@192.0.2.7/./r", "/./r"),
        ("here:/mnt/disk/r", "/mnt/disk/r"),
        ("rclone:here:/mnt/disk/r", "/mnt/disk/r"),
        ("view:r", "/mnt/disk/view/r"),
        ("hidden:r", "/mnt/disk/view/safe/r"),
    ],
)
def test_what_leads_back_to_the_host_lies_on_it(address: str, path: str) -> None:
    made = reply(
        {
            **SELVES,
            "backup-texts": "file /root/.config/rclone/rclone.conf\n|[here]\n|type = local\n|[view]\n|type = alias\n"
            "|remote = /mnt/disk/view\n|[hidden]\n|type = crypt\n|remote = view:safe\n|[round]\n|type = alias\n"
            "|remote = round:\n",
        }
    )
    found = read_told(made, mount_facts(made).mounts, ())  # type: ignore[union-attr] # or the tests fail
    assert isinstance(found, Told)
    place = found.place(address)
    assert isinstance(place, Place)
    assert (place.kind, place.path) == (PlaceKind.LOCAL, path)
    elsewhere = found.place("round:x")
    assert isinstance(elsewhere, Place)
    assert elsewhere.kind is PlaceKind.REMOTE


@pytest.mark.parametrize(
    "command",
    [
        "restic -r /r backup -n /data",
        "restic -r /r backup /data --dry-run",
        "restic backup --help",
        "borg create -n /r::x /data",
        "rsync -avn /data/ /r/",
        "rsync --dry-run -a /data/ /r/",
        "rclone sync /data /r --dry-run",
        "duplicity --dry-run /data file:///r",
        "rsnapshot -t daily",
    ],
)
def test_a_trial_run_is_no_job(command: str) -> None:
    assert (
        find_jobs(
            (), [CronEntry(file="/etc/crontab", schedule="0 1 * * *", user="root", command=command)], ()
        )
        == ()
    )


@pytest.mark.parametrize(
    "command", ["rsync -av -e ssh /data/ h:/r/", "rsync -avz --no-perms /d/ /r/", "rsync -afname /d /r"]
)
def test_other_options_of_rsync_are_no_trial(command: str) -> None:
    entry = CronEntry(file="/etc/crontab", schedule="0 1 * * *", user="root", command=command)
    assert len(find_jobs((), [entry], ())) == 1


@pytest.mark.parametrize(
    ("schedule", "comes"),
    [
        ("0 1 * * *", True),
        ("@daily", True),
        ("@reboot", False),
        ("0 0 29 2 *", True),
        ("0 0 30 2 *", False),
        ("0 0 31 4 *", False),
        ("0 0 31 12 *", True),
        ("0 0 31 2 1", True),
    ],
)
def test_only_what_comes_round_is_a_schedule(schedule: str, comes: bool) -> None:
    entry = CronEntry(
        file="/etc/crontab", schedule=schedule, user="root", command="restic -r /r backup /data"
    )
    [job] = find_jobs((), [entry], ())
    assert job.started_by == (("cron /etc/crontab",) if comes else ())


RESTIC_LISTING = (
    "d 1 /r\n1 1770000000 {config} 8100 config\n1 1779000000 4096 41c0 data\n1 1779000000 4096 41c0 index\n"
)


@pytest.mark.parametrize(("size", "runs"), [(0, 0), (32, 0), (33, 1)])
def test_a_snapshot_is_larger_than_what_encryption_adds(size: int, runs: int) -> None:
    listing = RESTIC_LISTING.format(config=155) + f"d 2 /r/snapshots\n2 1779000000 {size} 8100 0123abcd\n"
    found = only({"backup-listing": listing}).runs
    assert not isinstance(found, Gap)
    assert len(found) == runs


def test_a_folder_that_is_named_like_a_repository_is_none() -> None:
    listing = RESTIC_LISTING.format(config=0) + "d 2 /r/snapshots\n2 1779000000 200 8100 0123abcd\n"
    assert facts({"backup-listing": listing}).backups == ()


@pytest.mark.parametrize(("apart", "told_of"), [(60, False), (61, True)])
def test_three_snapshots_of_one_minute_were_touched(apart: int, told_of: bool) -> None:
    listing = (
        RESTIC_LISTING.format(config=155)
        + "d 2 /r/snapshots\n"
        + "".join(f"2 {1779000000 + at} 200 8100 {at:08x}\n" for at in (0, 1, apart))
    )
    assert isinstance(only({"backup-listing": listing}).runs, tuple) is told_of


def _set(*volumes: int) -> str:
    stamp = "20260527T010203Z"
    names = [f"duplicity-full.{stamp}.vol{n}.difftar.gz" for n in volumes] + [
        f"duplicity-full.{stamp}.manifest"
    ]
    return "d 1 /dup\n" + "".join(f"1 1779000000 100 8100 {name}\n" for name in names)


@pytest.mark.parametrize(("volumes", "runs"), [((1, 2, 3), 1), ((1, 3), 0), ((2,), 0)])
def test_a_set_that_lacks_a_volume_can_t_be_restored(volumes: tuple[int, ...], runs: int) -> None:
    found = only({"backup-listing": _set(*volumes)}).runs
    assert not isinstance(found, Gap)
    assert len(found) == runs


def test_of_more_files_than_are_listed_nothing_is_said_to_be_missing() -> None:
    assert isinstance(only({"backup-listing": _set(2001) + "n 1 4000\n"}).runs, Gap)


@pytest.mark.parametrize(("status", "said"), [(0, False), (1, False), (124, True), (143, True)])
def test_a_listing_that_was_stopped_is_said_to_be_short(status: int, said: bool) -> None:
    found = facts({"backup-listing": f"status {status}\n"})
    assert [u.what for u in found.unread] == (["backup-listing"] if said else [])


def test_of_a_listing_that_was_stopped_no_run_is_said_to_be_the_newest() -> None:
    listing = (
        RESTIC_LISTING.format(config=155) + "d 2 /r/snapshots\n2 1779000000 200 8100 0123abcd\nstatus 124\n"
    )
    found = only({"backup-listing": listing}).runs
    assert isinstance(found, Gap)
    assert found.reason is Reason.TIMED_OUT


RCLONE = {
    "cron": "file /etc/cron.d/b\nline 0 1 * * * root rclone sync /data /mnt/disk/c --log-file /var/log/rclone.log -v\n"
}
STATISTICS = "|2026/05/28 01:01:00 INFO  : \n|Transferred:   \t 1 GiB / 10 GiB, {share}, 9 MiB/s, ETA 10m\n|Elapsed time:   1m0.0s\n"


@pytest.mark.parametrize(("shares", "runs"), [(["10%"], 0), (["10%", "100%"], 1), (["-"], 1), (["100%"], 1)])
def test_statistics_on_the_way_are_no_end(shares: list[str], runs: int) -> None:
    log = "file 1780000000 /var/log/rclone.log\n" + "".join(
        STATISTICS.format(share=share) for share in shares
    )
    found = only({**RCLONE, "backup-logs": log}).runs
    if runs:
        assert not isinstance(found, Gap)
        assert len(found) == runs
    else:
        assert isinstance(found, Gap)


def test_a_repository_that_is_not_there_keeps_no_runs() -> None:
    sections = {
        "cron": "file /etc/cron.d/b\nline 0 1 * * * root borg create --stats /mnt/disk/b::x /data >>/var/log/borg.log\n",
        "backup-logs": "file 1780000000 /var/log/borg.log\n|Time (end):   Thu, 2026-05-28 01:02:03\n|Number of files: 5\n",
    }
    assert isinstance(only(sections).runs, tuple)
    gone = only({**sections, "backup-places": "gone /mnt/disk/b\n"}).runs
    assert isinstance(gone, Gap)
    assert gone.reason is Reason.CONTRADICTORY


def test_a_time_with_a_zone_is_not_of_the_host_s() -> None:
    sections = {
        "cron": "file /etc/cron.d/b\nline 0 1 * * * root borg create --json /mnt/disk/b::x /data >>/var/log/borg.log\n",
        "backup-logs": 'file 1780000000 /var/log/borg.log\n|"end": "2026-05-28T01:02:03.000000+02:00",\n'
        '|"nfiles": 5,\n|"original_size": 7\n',
    }
    found = only(sections).runs
    assert not isinstance(found, Gap)
    assert [run.at for run in found] == [datetime(2026, 5, 27, 23, 2, 3, tzinfo=UTC)]


@pytest.mark.parametrize(
    "line",
    [
        "sshpass -p hunter2 rsync -a /data nas:/b",
        "mysqldump -u root -p'hunter2 hunter2' -P 3306 shop >/b/x",
        "restic -r rest:http://me:hun@ter2@nas/x backup /data",
        "restic -r rest:http://me:hunter2/x@nas/x backup /data",
        "rclone --webdav-pass hunter2 sync /a nas:",
        "restic --password-command 'echo hunter2 hunter2' backup /d",
        "echo hunter2 | restic backup /d",
        "tar c /d | openssl enc -k hunter2 >/b/x",
        "tar c /d | curl -u me:hunter2 -T - https://nas/x",
        "zip -P hunter2 x; tar c x",
    ],
)
def test_passwords_stay_on_the_host(line: str) -> None:
    script = (Path(shell_script.__file__).parent / "backups.sh").read_text()
    function = script[script.index("without_secrets() {") : script.index("without_secrets_of()")]
    for shell in (["sh"], ["busybox", "sh"]):
        done = subprocess.run(
            [*shell, "-c", f"{function}\nwithout_secrets"],
            input=line,
            capture_output=True,
            text=True,
            check=True,
        )
        assert "hunter2" not in done.stdout
        assert "ter2" not in done.stdout
        assert "***" in done.stdout or "//nas" in done.stdout


@pytest.mark.parametrize(
    ("line", "days"),
    [
        ("find /b -name '*.sql' -mtime +35 -delete", 35),
        ("find / -mtime +7 -exec rm {} +", 7),
        ("find /b -mtime +35", None),
        ("find /b -mtime 35 -delete", None),
        ("find /bb -mtime +35 -delete", None),
    ],
)
def test_dumps_are_kept_as_long_as_find_leaves_them(line: str, days: int | None) -> None:
    dump = DUMP.format(size=900, name="x.sql") + "head -- MariaDB dump 10.19\ntail -- Dump completed\n"
    backup = only({"backup-declared": dump, "cron": f"file /etc/cron.d/b\nline 0 1 * * * root {line}\n"})
    assert backup.retention == Retention(days=days) if days else isinstance(backup.retention, Gap)


def test_a_dump_of_mariadb_10_11_is_whole() -> None:
    """As mariadb-dump of Debian 12 wrote it: the line before the first comment keeps old clients from commands."""
    dump = DUMP.format(size=1968, name="x.sql") + (
        "head -- MariaDB dump 10.19  Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)\n"
        "head -- Host: localhost    Database: shop\ntail -- Dump completed on 2026-05-28 20:00:00\n"
    )
    backup = only({"backup-declared": dump})
    assert not isinstance(backup.runs, Gap)
    assert [run.at for run in backup.runs] == [datetime(2026, 5, 28, 13, tzinfo=UTC)]
    assert backup.included == ("database shop",)
