"""The backup checks, by table: at each limit and either side, unknown, and the signals that mislead others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secscan.check import Check, Limits, Verdict
from secscan.checks import backup as checks
from secscan.checks._backup_places import exclusion_of, is_covered, is_like, is_within
from secscan.facts import (
    Attempt,
    Backup,
    BackupFacts,
    BackupRun,
    BackupTool,
    CronEntry,
    Gap,
    Mount,
    MountFacts,
    NotSeen,
    Place,
    PlaceKind,
    Release,
    Retention,
    ScheduleFacts,
    SystemFacts,
    Timer,
    Unread,
)
from secscan.ladder import RUNGS, standing
from secscan.model import (
    DeclaredBackup,
    Finding,
    Host,
    HostTarget,
    Observation,
    Outcome,
    Reason,
    RestoreTest,
    Severity,
    Subject,
    Text,
    Unobserved,
)
from secscan.reference import HeldBackup, HeldBackups, Keeper

PASS, FAIL, UNKNOWN, NOT_APPLICABLE = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN, Outcome.NOT_APPLICABLE
ALL = [value for value in vars(checks).values() if isinstance(value, Check)]
BY_ID = {check.id: check for check in ALL}
LADDER = [BY_ID[rung.check] for rung in RUNGS]

AT = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)
HOUR, DAY, SECOND = timedelta(hours=1), timedelta(days=1), timedelta(seconds=1)
UNREAD = Gap(Reason.UNREADABLE, "permission denied")
GB = 10**9

NAS = Place(kind=PlaceKind.REMOTE, address="sftp:nas.example.vn:/restic/db-1", host="nas.example.vn")
HERE = Place(
    kind=PlaceKind.LOCAL,
    address="/srv/restic",
    path="/srv/restic",
    device="/dev/sdb1",
    file_system="ext4",
)


# --- A host on which all is well -----------------------------------------------------------------------


def run(days: float = 0, hours: float = 6, **changes: Any) -> BackupRun:
    sound: dict[str, Any] = {"size": 10 * GB, "files": 5000}
    return BackupRun(at=AT - days * DAY - hours * HOUR, **{**sound, **changes})


def daily(count: int = 40, **newest: Any) -> tuple[BackupRun, ...]:
    return (run(**newest), *(run(days) for days in range(1, count)))


def a_backup(**changes: Any) -> Backup:
    sound: dict[str, Any] = {
        "tool": "restic",
        "name": "sftp:nas.example.vn:/restic/db-1",
        "started_by": ("timer restic.timer",),
        "place": NAS,
        "runs": daily(),
        "attempt": Attempt(at=AT - 6 * HOUR, succeeded=True),
        "included": ("/etc", "/srv", "database portal"),
        "excluded": ("*.tmp", "/srv/cache"),
        "retention": Retention(daily=30),
        "encrypted": True,
        "append_only": True,
        "checked_at": AT - 7 * DAY,
        "locked_since": None,
    }
    return Backup(**{**sound, **changes})


def facts(*backups: Backup, **changes: Any) -> BackupFacts:
    sound: dict[str, Any] = {"tools": (BackupTool(name="restic", version="0.16.4"),), "backups": backups}
    return BackupFacts(**{**sound, **changes})


def system(**changes: Any) -> SystemFacts:
    sound: dict[str, Any] = {
        "family": "linux",
        "release": Release(id="debian", version="12"),
        "architecture": "x86_64",
        "kernel": "6.1.0",
        "clock_offset": 0,
    }
    return SystemFacts(**{**sound, **changes})


def mounts(*more: Mount, **changes: Any) -> MountFacts:
    plain = (mount("/", "/dev/sda1"), mount("/srv/restic", "/dev/sdb1"))
    return MountFacts(**{"mounts": (*plain, *more), "wanted": ("/", "/srv/restic"), **changes})


def mount(path: str, device: str, type: str = "ext4") -> Mount:
    return Mount(path=path, device=device, type=type)


def schedule(**changes: Any) -> ScheduleFacts:
    return ScheduleFacts(**{"timers": (timer(),), "cron": (), "cron_unread": (), **changes})


def timer(**changes: Any) -> Timer:
    sound: dict[str, Any] = {
        "name": "restic.timer",
        "unit": "restic.service",
        "enabled": True,
        "result": "success",
        "exit_status": 0,
        "triggered_at": AT - 6 * HOUR,
    }
    return Timer(**{**sound, **changes})


DECLARED = DeclaredBackup(
    tool="restic",
    name="sftp:nas.example.vn:/restic/db-1",
    must_contain=("/srv/data", "database portal"),
    off_site="nas.example.vn",
    restore_tests=(RestoreTest(date(2026, 5, 1), "Trần Thị B", "BB-12/2026"),),
)


def a_host(*backups: DeclaredBackup, **changes: Any) -> Host:
    plain: dict[str, Any] = {"id": "db-1", "addresses": ("192.0.2.7",), "names": ("db-1.example.vn",)}
    return Host(**{**plain, "backups": backups, **changes})


SYSTEM, MOUNTS, SCHEDULE, NOTHING_HELD, HOST = system(), mounts(), schedule(), HeldBackups(), a_host(DECLARED)


@dataclass(frozen=True)
class Case:
    """Everything that a check may be given."""

    seen: BackupFacts | Unobserved
    system: SystemFacts | Unobserved = SYSTEM
    mounts: MountFacts | Unobserved = MOUNTS
    schedule: ScheduleFacts | Unobserved = SCHEDULE
    held: HeldBackups = NOTHING_HELD
    host: Host = HOST
    at: datetime = AT
    collector: str = "test"


def unobserved(kind: str = "backups", reason: Reason = Reason.AUTH_FAILED) -> Unobserved:
    return Unobserved(HostTarget("db-1"), "test", kind, AT, reason, "the login was refused")


def judge(check: Check, case: Case, **limits: Any) -> list[Verdict]:
    given: dict[str, Any] = {}
    by_kind = {
        BackupFacts: case.seen,
        SystemFacts: case.system,
        MountFacts: case.mounts,
        ScheduleFacts: case.schedule,
    }
    for name, kind in check.observes.items():
        value = by_kind[kind]
        if isinstance(value, Unobserved) and name not in check.copes_without:
            return [Verdict(UNKNOWN, Text(value.detail), reason=value.reason)]
        given[name] = (
            value
            if isinstance(value, Unobserved)
            else Observation(HostTarget(case.host.id), case.collector, kind.kind, case.at, value)
        )
    others = {datetime: case.at, Host: case.host, HeldBackups: case.held}
    for name, asked in check.asks.items():
        given[name] = asked(**limits) if issubclass(asked, Limits) else others[asked]
    try:
        return list(check(**given))
    except NotSeen as e:
        return [Verdict(UNKNOWN, Text(e.gap.detail), reason=e.gap.reason)]


def one(id: str, case: Case, **limits: Any) -> Verdict:
    [verdict] = judge(BY_ID[id], case, **limits)
    return verdict


def outcome(id: str, backup: Backup | None = None, **changes: Any) -> Outcome:
    """What a rule says of the one backup, declared and otherwise sound."""
    limits = changes.pop("limits", {})
    case = Case(facts(backup or a_backup()), **changes)
    return one(id, case, **limits).outcome


def rung(case: Case) -> tuple[int, int]:
    """Where the host stands: verified and possible."""
    findings = [
        Finding(Subject.of_host("db-1"), check.id, v.object, v.outcome, check.severity, v.evidence, v.reason)
        for check in LADDER
        for v in judge(check, case)
    ]
    stands = standing(findings)
    assert stands is not None
    return stands.verified, stands.possible


def test_a_sound_backup_stands_on_the_highest_rung() -> None:
    assert rung(Case(facts(a_backup()))) == (11, 11)


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.id)
def test_no_rule_fails_a_sound_backup(check: Check) -> None:
    assert {v.outcome for v in judge(check, Case(facts(a_backup())))} <= {PASS, NOT_APPLICABLE}


# --- Each rung, at its limit and either side ---------------------------------------------------------------

IRREGULAR = (run(), run(1), run(9), run(10))
NEVER = {"started_by": ()}


@pytest.mark.parametrize(
    ("backup", "schedules", "expected"),
    [
        (a_backup(runs=IRREGULAR), schedule(), PASS),
        (a_backup(runs=IRREGULAR), schedule(timers=(timer(enabled=False),)), FAIL),
        (a_backup(runs=IRREGULAR), schedule(timers=()), FAIL),
        (a_backup(runs=IRREGULAR), schedule(timers=UNREAD), UNKNOWN),
        (a_backup(runs=IRREGULAR), unobserved("schedule"), UNKNOWN),
        (a_backup(runs=IRREGULAR, started_by=("cron /etc/cron.d/restic",)), schedule(), PASS),
        (a_backup(runs=IRREGULAR, **NEVER), schedule(), FAIL),
        (a_backup(runs=IRREGULAR, **NEVER), schedule(cron_unread=("/var/spool/cron/root",)), UNKNOWN),
        (a_backup(runs=IRREGULAR, **NEVER), schedule(cron=UNREAD), UNKNOWN),
        (a_backup(runs=IRREGULAR, started_by=UNREAD), schedule(), UNKNOWN),
        # What starts it elsewhere is seen by what it does.
        (a_backup(runs=daily(4), **NEVER), schedule(), PASS),
        (a_backup(runs=daily(4), started_by=UNREAD), schedule(), PASS),
        (a_backup(runs=daily(3), **NEVER), schedule(), FAIL),
        (a_backup(runs=daily(9)[3:], **NEVER), schedule(), FAIL),
        (a_backup(runs=UNREAD, **NEVER), schedule(), UNKNOWN),
        (a_backup(runs=(), **NEVER), schedule(), FAIL),
    ],
)
def test_what_starts_a_backup(backup: Backup, schedules: Any, expected: Outcome) -> None:
    assert outcome("backup.scheduled", backup, schedule=schedules) is expected


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ((run(hours=26),), PASS),
        ((BackupRun(at=AT - 26 * HOUR - SECOND),), FAIL),
        ((run(3), run(hours=1)), PASS),
        ((), FAIL),
        (UNREAD, UNKNOWN),
        ((BackupRun(at=AT + 10 * timedelta(minutes=1)),), PASS),
        ((BackupRun(at=AT + 10 * timedelta(minutes=1) + SECOND),), UNKNOWN),
        ((BackupRun(at=AT + 900 * DAY), run()), PASS),
        ((BackupRun(at=AT + 900 * DAY), run(9)), UNKNOWN),
    ],
)
def test_how_old_the_last_good_run_may_be(runs: Any, expected: Outcome) -> None:
    assert outcome("backup.recent", a_backup(runs=runs)) is expected


@pytest.mark.parametrize(("hours", "expected"), [(6, PASS), (3, FAIL)])
def test_the_inventory_may_ask_for_another_recovery_point(hours: int, expected: Outcome) -> None:
    host = a_host(replace(DECLARED, recovery_point_hours=hours))
    assert outcome("backup.recent", host=host) is expected


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        (daily(size=5 * GB), PASS),
        (daily(size=5 * GB - 1), FAIL),
        (daily(files=2500), PASS),
        (daily(files=2499), FAIL),
        (daily(files=0, size=None), FAIL),
        (daily(size=100 * GB), PASS),
        (daily(size=100 * GB + 1), FAIL),
        (daily(4), PASS),
        (daily(3), UNKNOWN),
        ((), FAIL),
        (UNREAD, UNKNOWN),
        (tuple(BackupRun(at=AT - d * DAY) for d in range(9)), UNKNOWN),
        (tuple(BackupRun(at=AT - d * DAY, stored=1024) for d in range(9)), PASS),
        (tuple(BackupRun(at=AT - d * DAY, stored=1023) for d in range(9)), FAIL),
        # What a tool that stores nothing twice adds says nothing.
        (daily(stored=2000), PASS),
    ],
)
def test_how_big_a_run_must_be(runs: Any, expected: Outcome) -> None:
    assert outcome("backup.size-band", a_backup(runs=runs)) is expected


def test_growth_fails_mildly() -> None:
    assert one("backup.size-band", Case(facts(a_backup(runs=daily(size=200 * GB))))).severity is Severity.LOW


@pytest.mark.parametrize(
    ("least", "runs", "expected"),
    [(10 * GB, daily(1), PASS), (10 * GB + 1, daily(1), FAIL), (10 * GB + 1, daily(), FAIL)],
)
def test_the_inventory_may_ask_for_a_size(least: int, runs: Any, expected: Outcome) -> None:
    host = a_host(replace(DECLARED, minimum_bytes=least))
    assert outcome("backup.size-band", a_backup(runs=runs), host=host) is expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"included": ("/",)}, FAIL),  # the database is missing
        ({"included": ("/", "database *")}, PASS),
        ({"included": ("/srv/data", "database portal")}, PASS),
        ({"included": ("/srv/database", "database portal")}, FAIL),
        ({"included": UNREAD}, UNKNOWN),
        ({"excluded": ("/srv/data/cache",)}, PASS),
        ({"excluded": ("/srv/data",)}, FAIL),
        ({"excluded": ("/srv/*",)}, FAIL),
        ({"excluded": ("data",)}, FAIL),
        ({"excluded": ("*",)}, FAIL),
        ({"excluded": UNREAD}, UNKNOWN),
    ],
)
def test_what_must_be_contained(changes: Any, expected: Outcome) -> None:
    assert outcome("backup.complete", a_backup(**changes)) is expected


def test_what_must_be_contained_has_to_be_said() -> None:
    bare = a_host(DeclaredBackup(tool="restic"))
    assert outcome("backup.complete", host=bare) is UNKNOWN
    assert outcome("backup.complete", host=bare, limits={"must_contain": {"/etc"}}) is PASS


@pytest.mark.parametrize(
    ("retention", "runs", "expected"),
    [
        (Retention(daily=30), daily(2), PASS),
        (Retention(daily=29), daily(2), FAIL),
        (Retention(days=30), daily(2), PASS),
        (Retention(weekly=4), daily(2), FAIL),
        (Retention(weekly=5), daily(2), PASS),
        (Retention(monthly=1), daily(2), PASS),
        (Retention(hourly=719), daily(2), FAIL),
        (Retention(hourly=720), daily(2), PASS),
        (Retention(last=500), daily(2), UNKNOWN),
        (Retention(), daily(2), UNKNOWN),
        (UNREAD, daily(2), UNKNOWN),
        (UNREAD, daily(31), PASS),
        (UNREAD, daily(30), UNKNOWN),
        (Retention(daily=3), UNREAD, UNKNOWN),
        # A single relic is no retention.
        (Retention(daily=3), (run(), run(700)), FAIL),
    ],
)
def test_how_long_runs_are_kept(retention: Any, runs: Any, expected: Outcome) -> None:
    assert outcome("backup.retention", a_backup(retention=retention, runs=runs)) is expected


def to(host: str, kind: PlaceKind = PlaceKind.REMOTE) -> Place:
    return Place(kind=kind, address=f"sftp:{host}:/restic", host=host)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (NAS, PASS),
        (Place(kind=PlaceKind.REMOTE, address="s3:bucket"), PASS),
        (to("nas", PlaceKind.MOUNTED), PASS),
        (to("", PlaceKind.MOUNTED), UNKNOWN),
        (HERE, FAIL),
        (to("localhost"), FAIL),
        (to("127.0.0.9"), FAIL),
        (to("[::1]"), FAIL),
        (to("::ffff:127.0.0.1"), FAIL),
        (to("192.0.2.7"), FAIL),
        (to("DB-1.example.vn."), FAIL),
        (to("db-1", PlaceKind.MOUNTED), FAIL),
        (UNREAD, UNKNOWN),
    ],
)
def test_what_lies_off_the_host(place: Any, expected: Outcome) -> None:
    assert outcome("backup.off-host", a_backup(place=place)) is expected


@pytest.mark.parametrize(
    ("place", "target", "limits", "expected"),
    [
        (NAS, "nas.example.vn", {}, PASS),
        (NAS, "NAS.example.vn.", {}, PASS),
        (NAS, "dr.example.vn", {}, FAIL),
        (NAS, "", {}, UNKNOWN),
        (NAS, "", {"sites": {"nas.example.vn"}}, PASS),
        (NAS, "", {"sites": {"dr.example.vn"}}, FAIL),
        (HERE, "", {}, FAIL),
        (UNREAD, "nas.example.vn", {}, UNKNOWN),
    ],
)
def test_what_lies_off_the_site(place: Any, target: str, limits: Any, expected: Outcome) -> None:
    host = a_host(replace(DECLARED, off_site=target))
    assert outcome("backup.off-site", a_backup(place=place), host=host, limits=limits) is expected


@pytest.mark.parametrize(
    ("id", "key"), [("backup.immutable", "append_only"), ("backup.encrypted", "encrypted")]
)
@pytest.mark.parametrize(("value", "expected"), [(True, PASS), (False, FAIL), (UNREAD, UNKNOWN)])
def test_what_is_so_or_not(id: str, key: str, value: Any, expected: Outcome) -> None:
    assert outcome(id, a_backup(**{key: value})) is expected


def test_that_the_inventory_wants_it_immutable_is_no_evidence() -> None:
    host = a_host(replace(DECLARED, immutable=True))
    assert outcome("backup.immutable", a_backup(append_only=UNREAD), host=host) is UNKNOWN


@pytest.mark.parametrize(
    ("checked", "expected"),
    [
        (AT - 30 * DAY, PASS),
        (AT - 30 * DAY - SECOND, FAIL),
        (AT + DAY, UNKNOWN),
        (None, FAIL),
        (UNREAD, UNKNOWN),
        (AT.replace(tzinfo=None) - DAY, UNKNOWN),
    ],
)
def test_how_old_an_integrity_check_may_be(checked: Any, expected: Outcome) -> None:
    assert outcome("backup.integrity-checked", a_backup(checked_at=checked)) is expected


@pytest.mark.parametrize(
    ("days", "expected"),
    [((90,), PASS), ((91,), FAIL), ((), FAIL), ((-1,), FAIL), ((400, 3), PASS), ((-5, 95), FAIL)],
)
def test_how_old_a_restore_test_may_be(days: Sequence[int], expected: Outcome) -> None:
    tests = tuple(RestoreTest(AT.date() - d * DAY, "B", "C") for d in days)
    assert outcome("backup.restore-tested", host=a_host(replace(DECLARED, restore_tests=tests))) is expected


@pytest.mark.parametrize("rung", RUNGS, ids=lambda rung: rung.check)
def test_evidence_says_whether_it_was_observed_or_attested(rung: Any) -> None:
    said = str(one(rung.check, Case(facts(a_backup()))).evidence)
    assert ("(attested)" in said) is rung.is_attested
    assert rung.is_attested or "(observed)" in said


# --- The signals that mislead others ---------------------------------------------------------------------

BEHIND, AHEAD = system(clock_offset=-3 * 86400), system(clock_offset=3 * 86400)


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        pytest.param(
            Case(
                facts(
                    a_backup(
                        runs=tuple(run(d) for d in range(9, 40)),
                        attempt=Attempt(at=AT - 6 * HOUR, succeeded=False, said="exit status 1"),
                    )
                ),
                schedule=schedule(timers=(timer(result="exit-code", exit_status=1),)),
            ),
            (1, 1),
            id="a timer fires and its unit fails",
        ),
        pytest.param(
            Case(facts(a_backup(locked_since=AT - 9 * DAY, runs=tuple(run(d) for d in range(9, 40))))),
            (1, 1),
            id="a lock is held for ever",
        ),
        pytest.param(
            Case(facts(a_backup(runs=(run(size=0, files=0), *(run(d) for d in range(3, 40)))))),
            (1, 1),
            id="an empty dump has a fresh date",
        ),
        pytest.param(
            Case(facts(a_backup(runs=tuple(BackupRun(at=AT - d * DAY, stored=20) for d in range(40))))),
            (2, 2),
            id="a compressed empty dump has a fresh date",
        ),
        pytest.param(
            Case(
                facts(
                    a_backup(
                        place=Place(
                            kind=PlaceKind.LOCAL,
                            address="/mnt/off-site",
                            path="/srv/data",
                            device="/dev/sda1",
                        )
                    )
                )
            ),
            (5, 5),
            id="a symlink to the original stands for off-site",
        ),
        pytest.param(Case(facts(a_backup(place=HERE))), (5, 5), id="the repository lies on the host"),
        pytest.param(
            Case(facts(a_backup(runs=(run(size=4000, files=1), *(run(d) for d in range(1, 40)))))),
            (2, 2),
            id="the newest file is the log",
        ),
        pytest.param(
            Case(facts(a_backup(runs=(run(size=GB, files=500), *(run(d) for d in range(1, 40)))))),
            (2, 2),
            id="nine tenths are gone",
        ),
        pytest.param(Case(facts(a_backup()), system=AHEAD), (1, 1), id="the clock is three days ahead"),
        pytest.param(
            Case(facts(a_backup(runs=tuple(run(d + 3) for d in range(40)))), system=BEHIND),
            (11, 11),
            id="the clock is three days behind, and all is well",
        ),
        pytest.param(
            Case(facts(a_backup()), system=system(clock_offset=UNREAD)), (1, 11), id="the clock is unknown"
        ),
        pytest.param(
            Case(facts(a_backup(runs=(run(days=-400), *(run(d) for d in range(9, 40)))))),
            (1, 11),
            id="a run is dated in the future",
        ),
        pytest.param(
            Case(facts(a_backup()), mounts=mounts(wanted=("/", "/srv/data", "/srv/restic"))),
            (3, 3),
            id="the directory is not mounted",
        ),
        pytest.param(
            Case(facts(a_backup(runs=Gap(Reason.UNREADABLE, "the log was rotated")))),
            (1, 11),
            id="the log was rotated",
        ),
        pytest.param(
            Case(
                facts(
                    a_backup(
                        runs=tuple(run(d) for d in range(100, 140)),
                        attempt=Attempt(at=AT - HOUR, succeeded=True),
                    )
                )
            ),
            (1, 1),
            id="archives are old and their files fresh",
        ),
        pytest.param(
            Case(facts(a_backup(runs=tuple(BackupRun(at=r.at.replace(tzinfo=None)) for r in daily())))),
            (1, 11),
            id="times have no zone",
        ),
        pytest.param(
            Case(
                facts(
                    a_backup(
                        runs=Gap(Reason.NEEDS_CREDENTIALS, "the repository is encrypted"),
                        included=Gap(Reason.NEEDS_CREDENTIALS, "the repository is encrypted"),
                    )
                )
            ),
            (1, 11),
            id="an encrypted repository can't be listed",
        ),
        pytest.param(Case(facts()), (0, 0), id="a tool is installed and nothing else"),
        pytest.param(
            Case(
                facts(unread=(Unread(tool="restic", what="/root/.cache/restic", reason=Reason.UNREADABLE),))
            ),
            (0, 11),
            id="root's cache may hold it",
        ),
        pytest.param(
            Case(facts(unread=(Unread(tool="borg", what="/root/.config/borg", reason=Reason.UNREADABLE),))),
            (0, 0),
            id="another tool's traces hide nothing",
        ),
        pytest.param(Case(unobserved()), (0, 11), id="the login is refused"),
        pytest.param(Case(facts(backups=UNREAD)), (0, 11), id="backups are not read"),
    ],
)
def test_a_misleading_signal(case: Case, expected: tuple[int, int]) -> None:
    assert rung(case) == expected


def test_the_machine_that_looks_has_the_clock_by_which_others_are_measured() -> None:
    unmeasured = system(clock_offset=Gap(Reason.NOT_COLLECTED, "its own clock"))
    assert rung(Case(facts(a_backup()), unmeasured, collector="local")) == (11, 11)


@pytest.mark.parametrize(
    ("attempt", "timers", "expected"),
    [
        (Attempt(at=AT, succeeded=True), (timer(),), PASS),
        (Attempt(at=AT, succeeded=False), (timer(),), FAIL),
        (Attempt(at=AT - 24 * HOUR, succeeded=None), (timer(),), PASS),
        (Attempt(at=AT - 24 * HOUR - SECOND, succeeded=None), (timer(),), FAIL),
        (UNREAD, (timer(),), UNKNOWN),
        (UNREAD, (timer(result="exit-code", exit_status=1),), FAIL),
        (UNREAD, (timer(name="other.timer", result="exit-code"),), UNKNOWN),
        (UNREAD, UNREAD, UNKNOWN),
    ],
)
def test_a_job_that_fails(attempt: Any, timers: Any, expected: Outcome) -> None:
    assert (
        outcome("backup.job-failing", a_backup(attempt=attempt), schedule=schedule(timers=timers)) is expected
    )


@pytest.mark.parametrize(
    ("since", "expected"),
    [(None, PASS), (AT - DAY, PASS), (AT - DAY - SECOND, FAIL), (UNREAD, UNKNOWN)],
)
def test_how_long_a_lock_may_be_held(since: Any, expected: Outcome) -> None:
    assert outcome("backup.lock-stuck", a_backup(locked_since=since)) is expected


def at_device(device: str) -> Backup:
    place = Place(kind=PlaceKind.LOCAL, address="/b", path="/b", device=device, file_system="ext4")
    return a_backup(place=place, included=("/srv/data",))


@pytest.mark.parametrize(
    ("source", "device", "expected"),
    [
        ("/dev/sda1", "/dev/sda1", FAIL),
        ("/dev/sda1", "/dev/sda2", FAIL),
        ("/dev/sda1", "/dev/sda", FAIL),
        ("/dev/sda1", "/dev/sdb1", PASS),
        ("/dev/sda1", "/dev/sdaa1", PASS),
        ("/dev/nvme0n1p1", "/dev/nvme0n1p2", FAIL),
        ("/dev/nvme0n1p1", "/dev/nvme1n1p1", PASS),
        ("/dev/mapper/vg-root", "/dev/mapper/vg-backup", UNKNOWN),
        ("/dev/mapper/vg-root", "/dev/sdb1", UNKNOWN),
        ("/dev/mapper/vg-root", "/dev/mapper/vg-root", FAIL),
        ("/dev/sda1", "", UNKNOWN),
    ],
)
def test_which_disk_a_backup_lies_on(source: str, device: str, expected: Outcome) -> None:
    held = MountFacts(mounts=(mount("/", source), mount("/b", device)), wanted=())
    assert outcome("backup.own-disk", at_device(device), mounts=held) is expected


def test_a_database_may_lie_on_any_disk_but_the_backups_own() -> None:
    dump = msgspec.structs.replace(at_device("/dev/sdb1"), included=("database portal",))
    held = (mount("/", "/dev/sda1"), mount("/b", "/dev/sdb1"))
    assert outcome("backup.own-disk", dump, mounts=MountFacts(mounts=held, wanted=())) is PASS
    partition = (*held, mount("/var/lib/postgresql", "/dev/sdb2"))
    assert outcome("backup.own-disk", dump, mounts=MountFacts(mounts=partition, wanted=())) is FAIL


def test_a_remote_backup_is_on_no_disk_of_the_host() -> None:
    assert outcome("backup.own-disk", mounts=unobserved("mounts")) is PASS


def test_what_was_not_read_is_named_with_what_would_allow_it() -> None:
    trace = Unread(
        tool="borg",
        what="/root/.config/borg",
        reason=Reason.UNREADABLE,
        access="secscan ALL=(root) NOPASSWD: X",
    )
    verdict = one("backup.unread", Case(facts(unread=(trace,))))
    assert (verdict.outcome, verdict.object) == (UNKNOWN, "borg /root/.config/borg")
    assert str(verdict.evidence).endswith("This would allow it: secscan ALL=(root) NOPASSWD: X")


def test_traces_by_the_hundred_are_counted() -> None:
    traces = tuple(Unread(tool="x", what=str(n), reason=Reason.UNREADABLE) for n in range(100))
    found = judge(BY_ID["backup.unread"], Case(facts(unread=traces)))
    assert (len(found), str(found[-1].evidence)) == (21, "80 more traces were not read.")


# --- Which backup counts -----------------------------------------------------------------------------------

LOCAL = a_backup(tool="rsnapshot", name="/srv/snapshots", place=HERE, append_only=False)
DEAD = a_backup(tool="borg", name="old", runs=tuple(run(d) for d in range(300, 340)))
BARE = a_host()


def test_without_a_declaration_the_best_backup_counts() -> None:
    verdict = one("backup.off-host", Case(facts(LOCAL, a_backup(), DEAD), host=BARE))
    assert (verdict.outcome, verdict.object) == (PASS, "restic sftp:nas.example.vn:/restic/db-1")


def test_a_backup_that_has_died_is_worse_than_any_that_runs() -> None:
    verdict = one("backup.off-host", Case(facts(LOCAL, DEAD), host=BARE))
    assert (verdict.outcome, verdict.object) == (FAIL, "rsnapshot /srv/snapshots")


def test_all_rungs_are_those_of_one_backup() -> None:
    case = Case(facts(LOCAL, a_backup(encrypted=False), DEAD), host=BARE)
    assert {v.object for check in LADDER for v in judge(check, case)} == {
        "restic sftp:nas.example.vn:/restic/db-1"
    }


def test_a_better_backup_may_be_among_what_was_not_read() -> None:
    trace = (Unread(tool="borg", what="/root/.config/borg", reason=Reason.UNREADABLE),)
    assert one("backup.off-host", Case(facts(LOCAL, unread=trace), host=BARE)).outcome is UNKNOWN
    assert one("backup.recent", Case(facts(LOCAL, unread=trace), host=BARE)).outcome is PASS


def test_every_declared_backup_must_pass() -> None:
    both = a_host(DECLARED, DeclaredBackup(tool="rsnapshot"))
    found = judge(BY_ID["backup.off-host"], Case(facts(LOCAL, a_backup()), host=both))
    assert {v.object: v.outcome for v in found} == {
        "restic sftp:nas.example.vn:/restic/db-1": PASS,
        "rsnapshot": FAIL,
    }


def test_a_declared_backup_that_is_not_there_fails_whatever_else_is() -> None:
    assert rung(Case(facts(a_backup()), host=a_host(DeclaredBackup(name="elsewhere")))) == (0, 0)


@pytest.mark.parametrize(
    ("declared", "found"),
    [
        (DeclaredBackup(tool="files", path="/srv/dumps/*.gz"), True),
        (DeclaredBackup(path="/srv/dumps/*.gz"), True),
        (DeclaredBackup(path="/srv/dumps"), True),
        (DeclaredBackup(path="/srv/dumps/"), True),
        (DeclaredBackup(path="/srv/dump"), False),
        (DeclaredBackup(tool="borg", path="/srv/dumps"), False),
    ],
)
def test_a_backup_is_found_by_its_path(declared: DeclaredBackup, found: bool) -> None:
    place = Place(kind=PlaceKind.LOCAL, address="/srv/dumps", path="/srv/dumps")
    dump = a_backup(tool="files", name="/srv/dumps/*.gz", place=place)
    assert (outcome("backup.recent", dump, host=a_host(declared)) is PASS) is found


def test_what_the_host_keeps_for_others_is_not_its_own() -> None:
    assert rung(Case(facts(a_backup(source="web-9")), host=BARE)) == (0, 0)


@pytest.mark.parametrize("source", ["", "db-1", "DB-1.example.vn", "192.0.2.7"])
def test_what_goes_by_the_hosts_names_is_its_own(source: str) -> None:
    assert one("backup.recent", Case(facts(a_backup(source=source)), host=BARE)).outcome is PASS


@pytest.mark.parametrize(("host", "expected"), [(a_host(DECLARED), PASS), (BARE, FAIL)])
def test_backups_should_be_declared(host: Host, expected: Outcome) -> None:
    assert one("backup.declared", Case(facts(a_backup()), host=host)).outcome is expected


def test_equal_backups_are_told_apart_without_doubt() -> None:
    twins = (a_backup(name="a", retention=Retention(daily=1), runs=daily(4)), a_backup(name="b"))
    assert one("backup.retention", Case(facts(*twins), host=BARE)).outcome is FAIL


def test_where_merits_were_not_read_every_backup_that_may_be_the_best_has_a_say() -> None:
    unsure = a_backup(name="a", place=UNREAD, append_only=False, encrypted=False)
    near = msgspec.structs.replace(LOCAL, append_only=True)
    case = Case(facts(unsure, near), host=BARE)
    assert one("backup.encrypted", case).outcome is UNKNOWN
    assert one("backup.recent", case).outcome is PASS


# --- Seen from the backup server ---------------------------------------------------------------------------


def kept(backup: Backup, *, days: int = 0, offset: Any = 0, **changes: Any) -> HeldBackups:
    held = HeldBackup(backup, "nas", AT - days * DAY, offset, **changes)
    return HeldBackups({"db-1": (held,)}, {"nas": Keeper(own=1)})


ON_NAS = a_backup(
    tool="borg",
    name="/srv/borg/db-1",
    source="db-1",
    place=Place(kind=PlaceKind.LOCAL, address="/srv/borg/db-1", path="/srv/borg/db-1", device="/dev/sda1"),
)
AT_NAS = DeclaredBackup(
    tool="borg",
    name="/srv/borg/db-1",
    on="nas",
    must_contain=("database portal",),
    off_site="nas",
    restore_tests=DECLARED.restore_tests,
)


@pytest.mark.parametrize("host", [BARE, a_host(AT_NAS)], ids=["found", "declared"])
def test_a_host_that_can_not_be_looked_into_is_judged_by_what_the_server_holds(host: Host) -> None:
    dark = Case(
        unobserved(), unobserved("system"), unobserved("mounts"), unobserved("schedule"), kept(ON_NAS), host
    )
    assert one("backup.recent", dark).outcome is PASS
    assert one("backup.off-host", dark).outcome is PASS


def test_a_declared_backup_on_a_server_can_reach_the_top() -> None:
    dark = Case(
        unobserved(),
        unobserved("system"),
        unobserved("mounts"),
        unobserved("schedule"),
        kept(ON_NAS),
        a_host(AT_NAS),
    )
    assert rung(dark) == (11, 11)


@pytest.mark.parametrize(
    ("keepers", "expected"),
    [
        ({"nas": Keeper()}, FAIL),
        ({"nas": Keeper(unread=(Unread(tool="borg", what="/srv/borg", reason=Reason.UNREADABLE),))}, UNKNOWN),
        ({"nas": Keeper(gap=UNREAD)}, UNKNOWN),
        ({}, UNKNOWN),
    ],
)
def test_a_declared_backup_that_the_server_does_not_show(keepers: Any, expected: Outcome) -> None:
    case = Case(facts(), host=a_host(AT_NAS), held=HeldBackups({}, keepers))
    assert one("backup.recent", case).outcome is expected


@pytest.mark.parametrize(("days", "expected"), [(14, PASS), (15, UNKNOWN)])
def test_what_a_server_said_stands_for_two_weeks(days: int, expected: Outcome) -> None:
    fresh_then = msgspec.structs.replace(ON_NAS, runs=tuple(run(d + days) for d in range(40)))
    case = Case(unobserved(), host=a_host(AT_NAS), held=kept(fresh_then, days=days))
    assert one("backup.recent", case).outcome is expected


@pytest.mark.parametrize(
    ("offset", "systems", "expected"),
    [
        (0, system(), PASS),
        (3 * 86400, system(), FAIL),
        (0, AHEAD, FAIL),
        (UNREAD, system(), UNKNOWN),
        (0, system(clock_offset=UNREAD), UNKNOWN),
    ],
)
def test_either_clock_may_have_stamped_what_a_server_holds(
    offset: Any, systems: SystemFacts, expected: Outcome
) -> None:
    case = Case(unobserved(), systems, host=a_host(AT_NAS), held=kept(ON_NAS, offset=offset))
    assert one("backup.recent", case).outcome is expected


def test_another_agencys_server_is_not_named() -> None:
    case = Case(unobserved(), host=BARE, held=kept(ON_NAS, is_foreign=True))
    words = [str(v.evidence) + v.object for check in LADDER for v in judge(check, case)]
    assert [said for said in words if "nas" in said] == []


def test_a_server_that_sends_the_backup_back_holds_none() -> None:
    back = msgspec.structs.replace(ON_NAS, place=to("db-1.example.vn"))
    case = Case(unobserved(), host=a_host(AT_NAS), held=kept(back))
    assert one("backup.off-host", case).outcome is FAIL


@pytest.mark.parametrize(
    ("keeper", "expected"),
    [
        (None, NOT_APPLICABLE),
        (Keeper(), NOT_APPLICABLE),
        (Keeper(own=2, foreign=3), PASS),
        (Keeper(own=2, unmatched=("old-mail",)), FAIL),
        (Keeper(foreign_unmatched=1), FAIL),
    ],
)
def test_backups_that_are_nobodys(keeper: Keeper | None, expected: Outcome) -> None:
    held = HeldBackups({}, {"db-1": keeper} if keeper else {})
    assert one("backup.held-unmatched", Case(facts(), held=held)).outcome is expected


# --- Patterns ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("abc", "abc", True),
        ("abc", "a*c", True),
        ("abc", "a?c", True),
        ("abc", "*", True),
        ("", "*", True),
        ("", "", True),
        ("abc", "", False),
        ("abc", "a*d", False),
        ("aXbXc", "a*b*c", True),
        ("ab", "a**b", True),
    ],
)
def test_patterns(text: str, pattern: str, expected: bool) -> None:
    assert is_like(text, pattern) is expected


def test_a_hostile_pattern_takes_no_time() -> None:
    assert not is_like("a" * 400, "a*" * 200 + "b")


@pytest.mark.parametrize(
    ("path", "folder", "expected"),
    [("/a/b", "/a", True), ("/ab", "/a", False), ("/a", "/a/", True), ("/a", "/", True), ("/", "/a", False)],
)
def test_what_lies_within(path: str, folder: str, expected: bool) -> None:
    assert is_within(path, folder) is expected


def test_a_prefix_covers_what_begins_with_it() -> None:
    assert is_covered("database portal", ("database *",))
    assert not is_covered("volume x", ("database *",))


def test_an_anchored_pattern_leaves_out_its_own_folder_alone() -> None:
    assert exclusion_of("/srv/data", ("/var/data", "/srv/data/tmp", "*.tmp")) is None


# --- Whatever hosts say --------------------------------------------------------------------------------------

gaps = st.sampled_from([UNREAD, Gap(), Gap(Reason.NEEDS_CREDENTIALS, "x" * 900)])
instants = st.sampled_from(
    [AT, AT - 3 * HOUR, AT - 40 * DAY, AT + 3 * DAY, AT.replace(tzinfo=None), datetime(1, 1, 1, tzinfo=UTC)]
) | st.integers(0, 60).map(lambda d: AT - d * DAY)
counts = st.none() | st.integers(0, 20)
words = st.sampled_from(
    ["", "db-1", "nas", "/", "*", "/srv", "/srv/*", "database portal", "a" * 400, "é\u202e{x}"]
)
entries = st.lists(words, max_size=3).map(tuple)
places = st.builds(
    Place,
    kind=st.sampled_from(PlaceKind),
    address=words,
    host=words,
    path=words,
    device=st.sampled_from(["", "/dev/sda1", "/dev/sdb", "x"]),
)
runs = st.lists(st.builds(BackupRun, at=instants, size=counts, stored=counts, files=counts), max_size=6).map(
    tuple
)
backups = st.builds(
    Backup,
    tool=st.sampled_from(["restic", "borg"]),
    name=words,
    source=words,
    started_by=gaps | st.lists(st.sampled_from(["timer restic.timer", "cron x", ""]), max_size=2).map(tuple),
    place=gaps | places,
    runs=gaps | runs | st.just(daily()),
    attempt=gaps | st.builds(Attempt, at=instants, succeeded=st.sampled_from([True, False, None])),
    included=gaps | entries,
    excluded=gaps | entries,
    retention=gaps | st.builds(Retention, last=counts, daily=counts, days=counts, hourly=counts),
    encrypted=gaps | st.booleans(),
    append_only=gaps | st.booleans(),
    checked_at=gaps | st.none() | instants,
    locked_since=gaps | st.none() | instants,
)
unread = st.builds(
    Unread, tool=st.sampled_from(["", "borg"]), what=words, reason=st.just(Reason.UNREADABLE), access=words
)
declarations = st.lists(
    st.builds(
        DeclaredBackup,
        tool=st.sampled_from(["", "restic", "borg"]),
        name=words,
        on=st.sampled_from(["", "nas"]),
        must_contain=entries,
        off_site=words,
        minimum_bytes=counts,
        restore_tests=st.just(DECLARED.restore_tests),
    ),
    max_size=2,
).map(tuple)
timers = st.lists(
    st.builds(timer, enabled=st.booleans(), result=st.sampled_from(["", "success", "x"])), max_size=2
)
cases = st.builds(
    Case,
    seen=st.builds(
        BackupFacts,
        tools=gaps | st.just((BackupTool(name="restic"),)),
        backups=st.lists(backups, max_size=3).map(tuple) | gaps,
        unread=st.lists(unread, max_size=2).map(tuple),
    )
    | st.just(unobserved()),
    system=st.builds(system, clock_offset=gaps | st.sampled_from([0, 86400, -86400]))
    | st.just(unobserved("system")),
    mounts=st.builds(
        MountFacts,
        mounts=gaps | st.just(mounts().mounts),
        wanted=gaps | st.sampled_from([(), ("/", "/srv")]),
    )
    | st.just(unobserved("mounts")),
    schedule=st.builds(
        ScheduleFacts,
        timers=gaps | timers.map(tuple),
        cron=gaps | st.just((CronEntry(file="x", schedule="@daily", user="root", command="x"),)),
        cron_unread=gaps | st.sampled_from([(), ("x",)]),
    ),
    held=st.builds(
        lambda held, keepers: HeldBackups({"db-1": tuple(held)}, keepers),
        st.lists(
            st.builds(
                HeldBackup,
                backup=backups,
                keeper=st.just("nas"),
                seen_at=st.sampled_from([AT, AT - 30 * DAY]),
                clock_offset=gaps | st.just(0),
                is_foreign=st.booleans(),
            ),
            max_size=2,
        ),
        st.sampled_from([{}, {"nas": Keeper()}, {"nas": Keeper(gap=UNREAD)}]),
    ),
    host=declarations.map(lambda declared: a_host(*declared)),
)
#: Sound backups with a flaw or two: where everything is broken, there is nothing to gain.
flawed = st.fixed_dictionaries(
    {"name": st.sampled_from(["a", "b", "c"])},
    optional={
        "started_by": st.just(()),
        "place": st.sampled_from([HERE, UNREAD]),
        "runs": st.sampled_from([daily(2), tuple(run(d) for d in range(9, 40)), daily(size=4000)]),
        "attempt": st.just(Attempt(at=AT, succeeded=False)),
        "included": st.just(("/srv/data",)),
        "excluded": st.just(("*",)),
        "retention": st.sampled_from([Retention(daily=3), UNREAD]),
        "append_only": st.sampled_from([False, UNREAD]),
        "encrypted": st.sampled_from([False, UNREAD]),
        "checked_at": st.sampled_from([None, AT - 60 * DAY, UNREAD]),
        "locked_since": st.just(AT - 60 * DAY),
    },
).map(lambda changes: a_backup(**changes))
near = st.builds(
    Case,
    seen=st.lists(flawed, min_size=1, max_size=3).map(lambda some: facts(*some)),
    system=st.sampled_from([SYSTEM, AHEAD, BEHIND]),
    mounts=st.sampled_from([MOUNTS, mounts(wanted=("/", "/srv/data"))]),
    schedule=st.sampled_from([SCHEDULE, schedule(timers=(timer(result="exit-code"),))]),
    held=st.lists(flawed, max_size=1).map(
        lambda some: HeldBackups(
            {"db-1": tuple(HeldBackup(b, "nas", AT, 0) for b in some)}, {"nas": Keeper()}
        )
    ),
    host=st.sampled_from(
        [BARE, a_host(replace(DECLARED, name="")), a_host(replace(DECLARED, name="", on="nas"))]
    ),
)
thorough = settings(deadline=None, max_examples=80, suppress_health_check=list(HealthCheck))


@given(cases)
@thorough
def test_every_check_answers_whatever_hosts_say(case: Case) -> None:
    for check in ALL:
        verdicts = judge(check, case)
        assert verdicts, check.id
        assert len({v.object for v in verdicts}) == len(verdicts), check.id
        for verdict in verdicts:
            assert len(str(verdict.evidence)) < 2500, check.id


def _readings(case: Case) -> Iterator[Case]:
    """The same case with one reading less, for each that was read."""
    for part in ("seen", "system", "mounts", "schedule"):
        value = getattr(case, part)
        if not isinstance(value, Unobserved):
            for blinded in _blinded(value):
                yield replace(case, **{part: blinded})
    for n, held in enumerate(case.held.of_host.get("db-1", ())):
        every = list(case.held.of_host["db-1"])
        for blinded in [
            *(replace(held, backup=b) for b in _blinded(held.backup)),
            replace(held, clock_offset=UNREAD),
        ]:
            of_host = {"db-1": (*every[:n], blinded, *every[n + 1 :])}
            yield replace(case, held=replace(case.held, of_host=of_host))


def _blinded(value: Any) -> Iterator[Any]:
    hints = get_type_hints(type(value))
    for field in value.__struct_fields__:
        hint, now = hints[field], getattr(value, field)
        if Gap in get_args(hint) and not isinstance(now, Gap):
            yield msgspec.structs.replace(value, **{field: UNREAD})
        if isinstance(now, tuple) and now and isinstance(now[0], Backup):
            for n, backup in enumerate(now):
                for blinded in _blinded(backup):
                    yield msgspec.structs.replace(value, **{field: (*now[:n], blinded, *now[n + 1 :])})


def test_the_readings_of_a_case_are_all_found() -> None:
    assert len(list(_readings(Case(facts(a_backup()))))) == 11 + 2 + 2 + 2 + 3


@given(near | cases, st.data())
@settings(deadline=None, max_examples=120, suppress_health_check=list(HealthCheck))
def test_reading_less_never_gains_a_pass(case: Case, data: st.DataObject) -> None:
    less = data.draw(st.sampled_from([case, *_readings(case)]))
    for check in ALL:
        assert _all_pass(judge(check, case)) or not _all_pass(judge(check, less)), check.id
    assert rung(less)[0] <= rung(case)[0]


def _all_pass(verdicts: Sequence[Verdict]) -> bool:
    """Whether the rule has its credit."""
    return all(v.outcome in (PASS, NOT_APPLICABLE) for v in verdicts)
