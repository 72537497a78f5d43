"""Matches the backups that hosts keep of others to those others: the newest facts of all hosts -> a reference."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import ClassVar

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


class HeldBackupsGatherer:
    """What hosts keep of one another's backups, by their newest evidence (see ``secscan.engine.gathering``).

    A backup is a host's where its source is the host's id, one of its names or its addresses, letter by letter, or
    where the host declares it with the key "on" and its source is no other host's. What fits several hosts is
    matched to none.
    """

    makes: ClassVar[type] = HeldBackups
    kinds: ClassVar[tuple[str, ...]] = (BackupFacts.kind, SystemFacts.kind)

    def __init__(self, inventory: Inventory, day: date) -> None:
        self._owner = {m.host: m.agency for m in inventory.memberships if m.covers(day)}
        hosts = [inventory.hosts[id] for id in sorted(self._owner)]
        self._by_name = _by_name(hosts)
        self._declared = _declared_on(hosts)
        self._of_host: dict[str, list[HeldBackup]] = {}
        self._keepers: dict[str, Keeper] = {}

    def see(self, host: Host, evidence: Evidence) -> None:
        record = evidence.newest.get((HostTarget(host.id), BackupFacts.kind))
        if record is None:
            return
        if isinstance(record, Unobserved):
            self._keepers[host.id] = Keeper(gap=Gap(record.reason, record.detail))
        elif not isinstance(record.facts, BackupFacts):
            self._keepers[host.id] = Keeper()
        elif isinstance(record.facts.backups, Gap):
            self._keepers[host.id] = Keeper(gap=record.facts.backups, unread=record.facts.unread)
        else:
            kept = self._kept(
                host.id, record.facts.backups, record.observed_at, _clock_offset(host.id, evidence)
            )
            self._keepers[host.id] = kept.keeper(record.facts)

    def reference(self) -> HeldBackups:
        return HeldBackups(
            {id: tuple(sorted(self._of_host[id], key=_order)) for id in sorted(self._of_host)},
            {id: self._keepers[id] for id in sorted(self._keepers)},
        )

    def _kept(
        self, keeper: str, backups: Iterable[Backup], seen_at: datetime, clock_offset: Reading[int]
    ) -> "_Kept":
        owner = self._owner
        kept = _Kept(keeper, owner[keeper])
        for backup in backups:
            named = self._by_name.get(_plain(backup.source), frozenset()) if backup.source else frozenset()
            if keeper in named and len(named) == 1:
                continue
            tables = self._declared.get(keeper, ())
            claimed = {id for id, table in tables if _fits(backup, table) and id != keeper}
            if not backup.source and not claimed:
                continue  # The host's own.
            whose = _whose(named, claimed)
            kept.add(backup, whose, owner)
            if len(whose) == 1:
                [id] = whose
                held = HeldBackup(backup, keeper, seen_at, clock_offset, owner[id] != owner[keeper])
                self._of_host.setdefault(id, []).append(held)
        return kept


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
