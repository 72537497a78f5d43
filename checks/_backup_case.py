"""Which backups a host is judged by: those it declares, or the best one found; and how old things are by its clock."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from secscan.check import Verdict, failed, unknown
from secscan.checks._words import listed, short
from secscan.facts import (
    Backup,
    BackupFacts,
    BackupRun,
    Gap,
    NotSeen,
    PlaceKind,
    Reading,
    SystemFacts,
    Unread,
    known,
)
from secscan.model import DeclaredBackup, Host, Observation, Outcome, Reason, Unobserved
from secscan.reference import HeldBackup, HeldBackups, Keeper

#: A backup server's word stands as long as a pass does: two weekly scans may be missed.
KEEPER_DAYS = 14

#: How far ahead of us a time may lie before it is one of the future: clocks are compared in steps of five seconds,
#: and a run may end while the host is being looked at.
AHEAD = timedelta(minutes=10)

#: The collector that looks at the machine it runs on, whose clock is the one that all others are measured by.
LOCAL = "local"

#: Unread traces of these may hide a backup of any tool.
_ANY_TOOL = frozenset({"", "cron", "files", "systemd"})


_WORST_FIRST = (Outcome.FAIL, Outcome.ERROR, Outcome.UNKNOWN, Outcome.PASS, Outcome.NOT_APPLICABLE)


@dataclass(frozen=True, slots=True)
class Case:
    """What is known of one host's backups, from its own side and from those that keep them."""

    host: Host
    seen: Observation[BackupFacts] | Unobserved
    system: Observation[SystemFacts] | Unobserved
    held: HeldBackups
    at: datetime


@dataclass(frozen=True, slots=True)
class Candidate:
    """One backup of the host, and who saw it. ``keeper`` is the id of another host that holds it; "" for none.

    ``offsets`` are the clocks by which its times may have been written, minus ours, in seconds.
    """

    backup: Backup
    seen_at: datetime
    offsets: Reading[tuple[int, ...]]
    keeper: str = ""
    is_foreign: bool = False

    @property
    def label(self) -> str:
        """Stable: the tool's name, the backup's, and who keeps it. Another agency's host is not named."""
        where = "" if self.is_foreign or not self.keeper else f" on {self.keeper}"
        return label(f"{self.backup.tool} {self.backup.name}{where}")

    @property
    def shown(self) -> str:
        return short(self.label)


@dataclass(frozen=True, slots=True)
class Demand:
    """A backup that there must be: one that the inventory declares, or any at all.

    ``missing`` is what to say where there is none. ``doubt`` is why a failure can't be told: something that was not
    read could be a better backup than those that were.
    """

    object: str
    declared: DeclaredBackup | None
    candidates: tuple[Candidate, ...]
    missing: Verdict
    doubt: Verdict | None = None


#: What a rung says of one backup. May raise NotSeen.
Rung: TypeAlias = Callable[[Candidate, DeclaredBackup | None], Verdict]


def climb(case: Case, rung: Rung) -> Iterator[Verdict]:
    """One verdict for each demand: of what is declared, each; else of the best backup that was found."""
    return one_for_each_object(_climbed(demand, rung, case.at) for demand in demands(case))


def _climbed(demand: Demand, rung: Rung, at: datetime) -> Verdict:
    if not demand.candidates:
        return replace(demand.missing, object=demand.object)
    verdict, candidate = _of_the_best(demand, lambda c: told(rung, c, demand.declared, at))
    if verdict.outcome is Outcome.FAIL and demand.doubt is not None:
        verdict = demand.doubt
    return replace(verdict, object=demand.object if demand.declared else candidate.label)


def one_for_each_object(verdicts: Iterable[Verdict]) -> Iterator[Verdict]:
    """The worst of those that are about the same: hosts may name two backups alike."""
    worst: dict[str, Verdict] = {}
    for verdict in verdicts:
        known_one = worst.get(verdict.object)
        if known_one is None or _WORST_FIRST.index(verdict.outcome) < _WORST_FIRST.index(known_one.outcome):
            worst[verdict.object] = verdict
    return iter(worst.values())


def told(rung: Rung, candidate: Candidate, declared: DeclaredBackup | None, at: datetime) -> Verdict:
    """The rung's word, unknown where it rests on what was not read or was read too long ago."""
    if candidate.keeper and at - candidate.seen_at > timedelta(days=KEEPER_DAYS):
        return unknown(
            Reason.STALE,
            "{backup}: the backup server was last looked at on {date}; what it says stands for {days} days.",
            backup=candidate.shown,
            date=candidate.seen_at.date().isoformat(),
            days=KEEPER_DAYS,
        )
    try:
        return rung(candidate, declared)
    except NotSeen as e:
        return not_read(e.gap, candidate.shown)


def not_read(gap: Gap, backup: str) -> Verdict:
    return unknown(
        gap.reason,
        "{backup}: not read: {detail}",
        backup=backup,
        detail=(gap.detail or gap.reason.value)[:300],
    )


# --- Demands ----------------------------------------------------------------------------------------------


def demands(case: Case) -> list[Demand]:
    if case.host.backups:
        return [_declared(case, declared) for declared in case.host.backups]
    candidates = (*own(case), *_kept(case))
    return [_any(case, candidates)]


def own(case: Case) -> tuple[Candidate, ...]:
    """The backups of this host that are seen on it; those that it keeps for others are left out."""
    if isinstance(case.seen, Unobserved) or isinstance(case.seen.facts.backups, Gap):
        return ()
    offsets = _offsets(case)
    return tuple(
        Candidate(backup, case.seen.observed_at, offsets)
        for backup in case.seen.facts.backups
        if not backup.source or _is_called(case.host, backup.source)
    )


def _kept(case: Case) -> tuple[Candidate, ...]:
    return tuple(_from_keeper(case, held) for held in case.held.of_host.get(case.host.id, ()))


def _from_keeper(case: Case, held: HeldBackup) -> Candidate:
    offsets: Reading[tuple[int, ...]]
    if isinstance(held.clock_offset, Gap):
        offsets = held.clock_offset
    elif isinstance(case.system, Unobserved):
        # Just for hosts that can't be looked into there are backup servers; theirs is then the only clock known.
        offsets = (held.clock_offset,)
    elif isinstance(clocks := _offsets(case), Gap):
        offsets = clocks
    else:
        # Which of the two stamped a run depends on the tool. The one that makes it older counts.
        offsets = (held.clock_offset, *clocks)
    return Candidate(held.backup, held.seen_at, offsets, held.keeper, held.is_foreign)


def _offsets(case: Case) -> Reading[tuple[int, ...]]:
    if isinstance(case.system, Unobserved):
        return Gap(case.system.reason, case.system.detail or "the host's clock")
    if case.system.collector == LOCAL:
        return (0,)
    offset = case.system.facts.clock_offset
    return offset if isinstance(offset, Gap) else (offset,)


def _is_called(host: Host, source: str) -> bool:
    return source.lower().rstrip(".") in {host.id, *host.names, *host.addresses}


def _any(case: Case, candidates: tuple[Candidate, ...]) -> Demand:
    gap, unread = _own_blindness(case)
    doubt = _doubt(gap, unread)
    if doubt is not None:
        return Demand("", None, candidates, doubt, doubt)
    # Without a gap there are facts.
    tools = case.seen.facts.tools if isinstance(case.seen, Observation) else Gap()
    if not isinstance(tools, Gap) and tools:
        missing = failed(
            "Installed is {tools}, and no backup that was made with it was found, here or on a backup server.",
            tools=listed(tool.name for tool in tools),
        )
    else:
        missing = failed("No backup of this host was found, here or on a backup server.")
    return Demand("", None, candidates, missing)


def _declared(case: Case, declared: DeclaredBackup) -> Demand:
    object = label_of(declared)
    if declared.on and declared.on != case.host.id:
        found = tuple(c for c in _kept(case) if c.keeper == declared.on and matches(c.backup, declared))
        gap, unread = _keeper_blindness(case.held.keepers.get(declared.on), declared.on)
    else:
        found = tuple(c for c in own(case) if matches(c.backup, declared))
        gap, unread = _own_blindness(case)
    hiding = [u for u in unread if not declared.tool or u.tool in _ANY_TOOL or u.tool == declared.tool]
    missing = _doubt(gap, hiding) or failed(
        "The inventory declares the backup {backup}, and it was not found.", backup=short(object)
    )
    return Demand(object, declared, found, missing)


def matches(backup: Backup, declared: DeclaredBackup) -> bool:
    """Whether this is the backup that is declared: everything that the declaration says of it must fit exactly."""
    if declared.tool and backup.tool != declared.tool:
        return False
    if declared.name and backup.name != declared.name:
        return False
    if not declared.path:
        return True
    lies_at = "" if isinstance(backup.place, Gap) else backup.place.path
    # A trailing slash is no other place.
    return declared.path.rstrip("/") in {backup.name.rstrip("/"), lies_at.rstrip("/")}


def _own_blindness(case: Case) -> tuple[Gap | None, Sequence[Unread]]:
    if isinstance(case.seen, Unobserved):
        return Gap(case.seen.reason, case.seen.detail), ()
    backups = case.seen.facts.backups
    return (backups if isinstance(backups, Gap) else None), case.seen.facts.unread


def _keeper_blindness(keeper: Keeper | None, id: str) -> tuple[Gap | None, Sequence[Unread]]:
    if keeper is None:
        return Gap(Reason.NOT_ATTEMPTED, f"the backups on {id} were not looked at yet"), ()
    return keeper.gap, keeper.unread


def _doubt(gap: Gap | None, unread: Sequence[Unread]) -> Verdict | None:
    if gap is not None:
        return unknown(
            gap.reason, "Backups were not read: {detail}", detail=(gap.detail or gap.reason.value)[:300]
        )
    if unread:
        return unknown(
            unread[0].reason,
            "What could not be read may hold a better backup: {what}.",
            what=listed(u.what for u in unread),
        )
    return None


# --- The best of several ------------------------------------------------------------------------------------


def _of_the_best(demand: Demand, say: Callable[[Candidate], Verdict]) -> tuple[Verdict, Candidate]:
    """What is said of the best candidate; unknown where it hangs on unread merits which one that is.

    Which backup is best goes by fixed measures, the same for every rung and baseline, so that all rungs of a host
    are those of one backup. Whatever was not read could be good or bad: every candidate that may be the best has a
    say, so that reading less never makes a failure pass.
    """
    ranked = [
        (merits, number, candidate)
        for number, candidate in enumerate(sorted(demand.candidates, key=lambda c: c.label))
        for merits in [_merits(candidate)]
    ]
    least = [(tuple(m is True for m in merits), -number) for merits, number, _ in ranked]
    most = [(tuple(m is not False for m in merits), -number) for merits, number, _ in ranked]
    floor = max(least)
    contenders = [candidate for (_, _, candidate), best in zip(ranked, most, strict=True) if best >= floor]
    leader = ranked[least.index(floor)][2]
    verdict = say(leader)
    if all(say(other).outcome is verdict.outcome for other in contenders if other is not leader):
        return verdict, leader
    if verdict.outcome is Outcome.UNKNOWN:
        return verdict, leader
    return (
        unknown(
            Reason.NOT_COLLECTED,
            "Not enough was read to tell which is the best of {backups}, and they differ here; declare in the "
            "inventory which one counts.",
            backups=listed(c.label for c in contenders),
        ),
        leader,
    )


def _merits(candidate: Candidate) -> tuple[bool | None, ...]:
    """What makes one backup better than another, the weightiest first; None: not read.

    One that still runs is better than any that does not; then what survives the loss of the host, then what
    survives an intruder.
    """
    backup = candidate.backup
    return (
        None
        if isinstance(backup.runs, Gap)
        else _fresh(candidate, tuple(run.at for run in backup.runs if not is_empty(run)), 2),
        None
        if isinstance(backup.place, Gap)
        else bool(candidate.keeper) or backup.place.kind is not PlaceKind.LOCAL,
        None if isinstance(backup.append_only, Gap) else backup.append_only,
        None if isinstance(backup.encrypted, Gap) else backup.encrypted,
        None
        if isinstance(backup.checked_at, Gap)
        else _fresh(candidate, () if backup.checked_at is None else (backup.checked_at,), 31),
        None if isinstance(backup.started_by, Gap) else bool(backup.started_by),
    )


def _fresh(candidate: Candidate, times: Sequence[datetime], days: int) -> bool | None:
    try:
        return any(-AHEAD <= age(candidate, time) <= timedelta(days=days) for time in times)
    except NotSeen:
        return None


def is_empty(run: BackupRun) -> bool:
    """The tool says itself that there is nothing in it: a date, and no backup."""
    return 0 in (run.size, run.files) or (run.size is None and run.stored == 0)


# --- Names and times ------------------------------------------------------------------------------------------


def age(candidate: Candidate, instant: datetime) -> timedelta:
    """How long before the look it was, with the clock that wrote it set right. Raises NotSeen where that is unknown."""
    return candidate.seen_at - zoned(instant) + timedelta(seconds=max(known(candidate.offsets), default=0))


def zoned(instant: datetime) -> datetime:
    """The instant. Raises NotSeen on a time without a zone, which could be any of a day's worth of instants."""
    if instant.tzinfo is None:
        raise NotSeen(Gap(Reason.UNPARSED, f"{instant.isoformat()} is a time without a zone"))
    return instant


def label_of(declared: DeclaredBackup) -> str:
    """How a declared backup is called, whatever becomes of it."""
    words = [declared.tool, declared.name, declared.path, f"on {declared.on}" if declared.on else ""]
    return label(" ".join(word for word in words if word))


def label(text: str) -> str:
    """Bounded, and as unlike any other as the text was."""
    if len(text) <= 150:
        return text
    return f"{text[:140]}~{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:9]}"
