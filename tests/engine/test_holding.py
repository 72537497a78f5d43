"""What hosts keep of one another's backups: matched letter by letter, or to nobody."""

from datetime import UTC, datetime
from typing import Any

import pytest

from secscan.engine.gathering import gather as gather_all
from secscan.facts import Backup, BackupFacts, Gap, SystemFacts, Unread
from secscan.model import (
    Agency,
    DeclaredBackup,
    Evidence,
    Host,
    HostTarget,
    Inventory,
    Membership,
    Observation,
    Reason,
    Unobserved,
)
from secscan.reference import HeldBackups, Keeper

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)


def a_host(id: str, *names: str, backups: tuple[DeclaredBackup, ...] = ()) -> Host:
    return Host(id, ("192.0.2.1",) if id == "db-1" else (), names, backups=backups)


def gather(
    *backups: Backup, hosts: tuple[Host, ...] = (), foreign: tuple[Host, ...] = (), **changes: Any
) -> HeldBackups:
    """What is gathered where the host ``nas`` shows these backups."""
    own = (a_host("nas"), *(hosts or (a_host("db-1", "db-1.example.vn"),)))
    inventory = Inventory(
        {"a": Agency("a", {}), "b": Agency("b", {})},
        {host.id: host for host in (*own, *foreign)},
        (*(Membership(h.id, "a") for h in own), *(Membership(h.id, "b") for h in foreign)),
    )
    facts = BackupFacts(**{"tools": (), "backups": backups, **changes})
    records = [Observation(HostTarget("nas"), "test", kind.kind, AT, kind) for kind in (facts, system(7))]
    return held_backups(inventory, Evidence({(r.target, r.kind): r for r in records}))


def held_backups(inventory: Inventory, of_nas: Evidence) -> HeldBackups:
    held = gather_all(inventory, [("nas", of_nas)], AT.date())[HeldBackups]
    assert isinstance(held, HeldBackups)
    return held


def system(offset: int) -> SystemFacts:
    return SystemFacts(family="linux", release=Gap(), architecture="", kernel="", clock_offset=offset)


def a_backup(source: str = "", name: str = "/srv/borg/db-1") -> Backup:
    return Backup(tool="borg", name=name, source=source)


@pytest.mark.parametrize("source", ["db-1", "db-1.example.vn", "DB-1.example.vn.", "192.0.2.1"])
def test_a_backup_is_of_the_host_that_it_names(source: str) -> None:
    [held] = gather(a_backup(source)).of_host["db-1"]
    assert (held.keeper, held.seen_at, held.clock_offset, held.is_foreign) == ("nas", AT, 7, False)


@pytest.mark.parametrize("source", ["db", "db-10", "example.vn", "db-1.example"])
def test_a_name_that_is_nearly_a_hosts_is_nobodys(source: str) -> None:
    gathered = gather(a_backup(source))
    assert (gathered.of_host, gathered.keepers["nas"].unmatched) == ({}, (source,))


def test_a_servers_own_backups_are_not_kept_for_others() -> None:
    gathered = gather(a_backup(), a_backup("nas"))
    assert gathered == HeldBackups({}, {"nas": Keeper()})


TWINS = (a_host("x-1", "db.example.vn"), a_host("x-2", "db.example.vn"))


def test_a_name_of_two_hosts_is_matched_to_neither() -> None:
    gathered = gather(a_backup("db.example.vn"), hosts=TWINS)
    assert (gathered.of_host, gathered.keepers["nas"].unmatched) == ({}, ("db.example.vn",))


def test_a_name_that_could_be_another_agencys_host_is_only_counted() -> None:
    keeper = gather(a_backup("db.example.vn"), hosts=TWINS[:1], foreign=TWINS[1:]).keepers["nas"]
    assert (keeper.unmatched, keeper.foreign_unmatched) == ((), 1)


def test_hosts_of_other_agencies_are_marked_and_counted() -> None:
    gathered = gather(a_backup("far-1"), a_backup("db-1"), foreign=(a_host("far-1"),))
    assert gathered.of_host["far-1"][0].is_foreign
    assert gathered.keepers["nas"] == Keeper(own=1, foreign=1)


ON_NAS = (DeclaredBackup(name="/srv/borg/db-1", on="nas"),)


@pytest.mark.parametrize("source", ["", "old-name"])
def test_a_declaration_says_whose_a_nameless_backup_is(source: str) -> None:
    gathered = gather(a_backup(source), hosts=(a_host("db-1", backups=ON_NAS),))
    assert list(gathered.of_host) == ["db-1"]


def test_what_a_backup_says_of_itself_comes_before_a_declaration() -> None:
    gathered = gather(a_backup("x-1"), hosts=(a_host("db-1", backups=ON_NAS), TWINS[0]))
    assert list(gathered.of_host) == ["x-1"]


def test_two_declarations_of_one_backup_match_it_to_neither() -> None:
    both = (a_host("db-1", backups=ON_NAS), a_host("db-2", backups=ON_NAS))
    assert gather(a_backup(), hosts=both).of_host == {}


def test_a_declaration_decides_between_two_of_one_name() -> None:
    both = (a_host("x-1", "db.example.vn", backups=ON_NAS), TWINS[1])
    assert list(gather(a_backup("db.example.vn"), hosts=both).of_host) == ["x-1"]


def test_a_tool_alone_names_no_backup() -> None:
    host = a_host("db-1", backups=(DeclaredBackup(tool="borg", on="nas"),))
    assert gather(a_backup("elsewhere"), hosts=(host,)).of_host == {}


def test_what_could_not_be_read_of_a_server_is_told() -> None:
    trace = Unread(tool="borg", what="/srv/borg", reason=Reason.UNREADABLE)
    keeper = gather(backups=Gap(Reason.UNREADABLE, "no"), unread=(trace,)).keepers["nas"]
    assert (keeper.gap, keeper.unread) == (Gap(Reason.UNREADABLE, "no"), (trace,))


def test_a_server_that_was_not_seen_is_told_too() -> None:
    inventory = Inventory({"a": Agency("a", {})}, {"nas": a_host("nas")}, (Membership("nas", "a"),))
    record = Unobserved(HostTarget("nas"), "test", "backups", AT, Reason.TIMED_OUT, "no answer")
    gathered = held_backups(inventory, Evidence({(record.target, "backups"): record}))
    assert gathered.keepers == {"nas": Keeper(gap=Gap(Reason.TIMED_OUT, "no answer"))}
