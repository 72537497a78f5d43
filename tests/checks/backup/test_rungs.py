"""Each rung of the ladder, at its limit and either side."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from secscan.check import Check
from secscan.facts import Backup, BackupRun, Place, PlaceKind, Retention
from secscan.ladder import RUNGS
from secscan.model import DeclaredBackup, Outcome, RestoreTest, Severity
from tests.checks.backup.case import (
    ALL,
    AT,
    DAY,
    DECLARED,
    FAIL,
    GB,
    HERE,
    HOUR,
    NAS,
    NOT_APPLICABLE,
    PASS,
    SECOND,
    UNKNOWN,
    UNREAD,
    Case,
    a_backup,
    a_host,
    daily,
    facts,
    judge,
    one,
    outcome,
    run,
    rung,
    schedule,
    timer,
    to,
    unobserved,
)


def test_a_sound_backup_stands_on_the_highest_rung() -> None:
    assert rung(Case(facts(a_backup()))) == (11, 11)


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.id)
def test_no_rule_fails_a_sound_backup(check: Check) -> None:
    assert {v.outcome for v in judge(check, Case(facts(a_backup())))} <= {PASS, NOT_APPLICABLE}


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
