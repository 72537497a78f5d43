"""Which backup counts, and what the backup server says of it."""

from typing import Any

import msgspec
import pytest

from secscan.facts import Place, PlaceKind, Retention, SystemFacts, Unread
from secscan.model import DeclaredBackup, Host, Outcome, Reason
from secscan.reference import HeldBackups, Keeper
from tests.checks.backup.case import (
    AT_NAS,
    BARE,
    BY_ID,
    DECLARED,
    FAIL,
    HERE,
    LADDER,
    NOT_APPLICABLE,
    ON_NAS,
    PASS,
    UNKNOWN,
    UNREAD,
    Case,
    a_backup,
    a_host,
    daily,
    facts,
    judge,
    kept,
    one,
    outcome,
    run,
    rung,
    system,
    to,
    unobserved,
)
from tests.checks.backup.test_signals import AHEAD

LOCAL = a_backup(tool="rsnapshot", name="/srv/snapshots", place=HERE, append_only=False)
DEAD = a_backup(tool="borg", name="old", runs=tuple(run(d) for d in range(300, 340)))


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
