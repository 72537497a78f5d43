"""Matches the backups that hosts keep of others to those others: the newest facts of all hosts -> a reference."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from secscan.facts import Backup, BackupFacts, Gap, Reading, SystemFacts
from secscan.model import (
    DeclaredBackup,
    Evidence,
    Host,
    HostTarget,
    Inventory,
    Observation,
    Reason,
    Unobserved,
)
from secscan.reference import HeldBackup, HeldBackups, Keeper

#: The kinds of facts that it takes.
KINDS = (BackupFacts.kind, SystemFacts.kind)


def held_backups(inventory: Inventory, evidence: Iterable[tuple[str, Evidence]], day: date) -> HeldBackups:
    """What hosts keep of one another's backups, by their newest evidence. Pure; the order of hosts plays no part.

    A backup is a host's where its source is the host's id, one of its names or its addresses, letter by letter, or
    where the host declares it with the key "on" and its source is no other host's. What fits several hosts is
    matched to none. ``day`` is that of judging, which decides what belongs to which agency.
    """
    owner = {m.host: m.agency for m in inventory.memberships if m.covers(day)}
    hosts = {id: inventory.hosts[id] for id in sorted(owner)}
    by_name = _by_name(hosts.values())
    declared = _declared_on(hosts.values())
    of_host: dict[str, list[HeldBackup]] = {}
    keepers: dict[str, Keeper] = {}
    for keeper, seen in evidence:
        if keeper not in hosts:
            continue
        record = seen.newest.get((HostTarget(keeper), BackupFacts.kind))
        if record is None:
            continue
        if isinstance(record, Unobserved):
            keepers[keeper] = Keeper(gap=Gap(record.reason, record.detail))
            continue
        if not isinstance(record.facts, BackupFacts):
            keepers[keeper] = Keeper()
            continue
        facts = record.facts
        if isinstance(facts.backups, Gap):
            keepers[keeper] = Keeper(gap=facts.backups, unread=facts.unread)
            continue
        kept = _Kept(keeper, owner[keeper])
        offset = _clock_offset(keeper, seen)
        for backup in facts.backups:
            named = by_name.get(_plain(backup.source), frozenset()) if backup.source else frozenset()
            if keeper in named and len(named) == 1:
                continue
            claimed = {id for id, table in declared.get(keeper, ()) if _fits(backup, table) and id != keeper}
            if not backup.source and not claimed:
                continue  # The host's own.
            whose = _whose(named, claimed)
            kept.add(backup, whose, owner)
            if len(whose) == 1:
                [id] = whose
                held = HeldBackup(backup, keeper, record.observed_at, offset, owner[id] != owner[keeper])
                of_host.setdefault(id, []).append(held)
        keepers[keeper] = kept.keeper(facts)
    return HeldBackups(
        {id: tuple(sorted(of_host[id], key=_order)) for id in sorted(of_host)},
        {id: keepers[id] for id in sorted(keepers)},
    )


def _order(held: HeldBackup) -> tuple[str, str, str]:
    return held.keeper, held.backup.tool, held.backup.name


def _whose(named: frozenset[str], claimed: set[str]) -> frozenset[str]:
    """The hosts that it could be of. What a backup says of itself comes before what is said of it; a declaration
    decides between several of one name."""
    return (named & claimed or named) if named else frozenset(claimed)


@dataclass(slots=True)
class _Kept:
    """What has been counted of one keeper."""

    id: str
    agency: str
    own: int = 0
    foreign: int = 0
    unmatched: set[str] = field(default_factory=set)
    foreign_unmatched: int = 0

    def add(self, backup: Backup, whose: frozenset[str], owner: Mapping[str, str]) -> None:
        agencies = {owner[id] for id in whose}
        if len(whose) == 1:
            self.own += agencies == {self.agency}
            self.foreign += agencies != {self.agency}
        elif agencies - {self.agency}:
            self.foreign_unmatched += 1
        else:
            self.unmatched.add(backup.source or backup.name)

    def keeper(self, facts: BackupFacts) -> Keeper:
        return Keeper(
            unread=facts.unread,
            own=self.own,
            foreign=self.foreign,
            unmatched=tuple(sorted(self.unmatched)),
            foreign_unmatched=self.foreign_unmatched,
        )


def _by_name(hosts: Iterable[Host]) -> dict[str, frozenset[str]]:
    """Whom each name may mean."""
    called: dict[str, set[str]] = {}
    for host in hosts:
        for name in {host.id, *host.names, *host.addresses}:
            called.setdefault(_plain(name), set()).add(host.id)
    return {name: frozenset(ids) for name, ids in called.items()}


def _declared_on(hosts: Iterable[Host]) -> dict[str, list[tuple[str, DeclaredBackup]]]:
    """Declarations by the host on which the backup is to be looked for. A tool alone names no backup."""
    declared: dict[str, list[tuple[str, DeclaredBackup]]] = {}
    for host in hosts:
        for table in host.backups:
            if table.on and table.on != host.id and (table.name or table.path):
                declared.setdefault(table.on, []).append((host.id, table))
    return declared


def _fits(backup: Backup, declared: DeclaredBackup) -> bool:
    lies_at = "" if isinstance(backup.place, Gap) else backup.place.path
    return (
        (not declared.tool or backup.tool == declared.tool)
        and (not declared.name or backup.name == declared.name)
        and (not declared.path or declared.path.rstrip("/") in {backup.name.rstrip("/"), lies_at.rstrip("/")})
    )


def _clock_offset(host: str, evidence: Evidence) -> Reading[int]:
    match evidence.newest.get((HostTarget(host), SystemFacts.kind)):
        case Observation(collector="local", facts=SystemFacts()):
            return 0  # This machine's clock is the one that all others are measured by.
        case Observation(facts=SystemFacts() as system):
            return system.clock_offset
        case Unobserved() as record:
            return Gap(record.reason, record.detail)
    return Gap(Reason.NOT_ATTEMPTED, "the backup server's clock")


def _plain(name: str) -> str:
    return name.lower().rstrip(".")
