"""The signals that mislead others, and what stands beside the ladder."""

from typing import Any

import msgspec
import pytest

from secscan.facts import Attempt, Backup, BackupRun, Gap, MountFacts, Place, PlaceKind, Unread
from secscan.model import Outcome, Reason
from tests.checks.backup.case import (
    AT,
    BY_ID,
    DAY,
    FAIL,
    GB,
    HERE,
    HOUR,
    PASS,
    SECOND,
    UNKNOWN,
    UNREAD,
    Case,
    a_backup,
    daily,
    facts,
    judge,
    mount,
    mounts,
    one,
    outcome,
    run,
    rung,
    schedule,
    system,
    timer,
    unobserved,
)

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
