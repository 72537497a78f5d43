"""A host on which all is well with backups, and a case: what the checks say of it once it is changed."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from secscan.check import Check, Limits, Verdict
from secscan.checks import backup as checks
from secscan.facts import (
    Attempt,
    Backup,
    BackupFacts,
    BackupRun,
    BackupTool,
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


BARE = a_host()


def to(host: str, kind: PlaceKind = PlaceKind.REMOTE) -> Place:
    return Place(kind=kind, address=f"sftp:{host}:/restic", host=host)


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
