"""A judgement of the stored fleet: batches of hosts are judged, scored, weighed against waivers and settled with what
was there before, in several processes; one writer stores what changed, and what every host scored is left."""

from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

from secscan.baseline import Baseline
from secscan.engine.crew import Crew
from secscan.engine.judging import Docket, owners
from secscan.engine.references import Known
from secscan.facts import BUILT_IN, Facts
from secscan.history import Lifecycle, retire, settle
from secscan.history.waivers import Accepted, Place, Waiving, mark_waived, weigh
from secscan.model import Finding, HostScore, Inventory, Outcome, Waiver
from secscan.store import FindingChanges, Store

#: Hosts that are judged in one go; as many are read from the store at once.
BATCH = 125

#: Pages of the database, in KiB, that a process keeps which reads each host once.
READERS_CACHE = 8 * 1024

#: Fewer hosts are judged before another process is ready to.
HOSTS_A_PROCESS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Settling:
    """What a member of the crew needs to judge hosts of a store and to settle them with their past.

    ``standing`` are the checks whose findings are kept.
    """

    location: str | Path
    inventory: Inventory
    baseline: Baseline
    known: Known
    at: datetime
    standing: frozenset[str]
    waivers: tuple[Waiver, ...] = ()
    zone: tzinfo = UTC
    kinds: Mapping[str, type[Facts]] = field(default_factory=lambda: BUILT_IN)

    def begin(self) -> "_Court":
        return _Court(self, Store.open(self.location, kinds=self.kinds, cache=READERS_CACHE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What became of a batch of hosts. ``lives`` are those that changed; ``accepted`` what is new of it."""

    scores: Mapping[str, HostScore]
    adjusted: Mapping[str, HostScore]
    #: The failures of each host.
    findings: Mapping[str, tuple[Finding, ...]]
    changes: FindingChanges
    lives: Mapping[str, Lifecycle]
    accepted: Accepted


def settled(settling: Settling, *, processes: int) -> Generator[Settled, None, None]:
    """Every host that belongs to an agency, in the order of the ids. Closing it ends its processes.

    ``processes`` is the most there may be: a small fleet is judged in this one.
    """
    hosts = sorted(owners(settling.inventory, settling.at.date()))
    with Crew[Sequence[str], Settled](settling, crew_size(len(hosts), processes)) as crew:
        yield from crew.do(batches(hosts))


def lives_elsewhere(
    settling: Settling, store: Store, judged: Collection[str]
) -> Iterator[Mapping[str, Lifecycle]]:
    """The lives that change because their host was not judged any more: it is gone."""
    lives = _Lives(settling, store.accepted())
    gone = [host for host in store.judged_hosts() if host not in judged]
    for some in batches(gone):
        yield lives.after(store.lifecycles(some), (), lives.weigh(()))


def batches(hosts: Sequence[str]) -> Iterator[Sequence[str]]:
    return (hosts[n : n + BATCH] for n in range(0, len(hosts), BATCH))


def crew_size(hosts: int, processes: int) -> int:
    """How many processes are worth their start beside this one; 0: none."""
    size = min(processes, hosts // HOSTS_A_PROCESS)
    return size if size > 1 else 0


def places(inventory: Inventory, at: datetime) -> Callable[[Finding], Place]:
    """Where a finding is on the day of ``at``, for the patterns of waivers."""
    owner = owners(inventory, at.date())

    def place_of(finding: Finding) -> Place:
        host = finding.subject.host or ""
        role = inventory.hosts[host].role if host in inventory.hosts else ""
        return Place(owner.get(host, finding.subject.id), role)

    return place_of


class _Court:
    """Judges, in whatever process, and reads what it takes by a connection of its own."""

    def __init__(self, settling: Settling, store: Store) -> None:
        self._wanted = settling
        self._store = store
        references: Mapping[type, Any] = settling.known.references()
        self._docket = Docket(settling.inventory, settling.baseline, references, settling.at)
        self._lives = _Lives(settling, store.accepted())

    def close(self) -> None:
        self._store.close()

    def do(self, hosts: Sequence[str]) -> Settled:
        """Their findings are forgotten when they were judged, but for what changed."""
        evidence = self._store.evidence(self._wanted.at, hosts)
        findings = {host: self._docket.findings(host, seen) for host, seen in evidence}
        every = [finding for of_host in findings.values() for finding in of_host]
        waiving = self._lives.weigh(every)
        lifts = waiving.lifts
        adjusted = {host: self._docket.adjusted(host, said, lifts) for host, said in findings.items()}
        return Settled(
            scores={host: self._docket.score(host, said) for host, said in findings.items()},
            adjusted={host: score for host, score in adjusted.items() if score is not None},
            findings={host: _failures(said) for host, said in findings.items()},
            changes=self._store.changes(findings),
            lives=self._lives.after(self._store.lifecycles(hosts), every, waiving),
            accepted=self._lives.new(waiving.accepted),
        )


def _failures(findings: Collection[Finding]) -> tuple[Finding, ...]:
    return tuple(finding for finding in findings if finding.outcome is Outcome.FAIL)


class _Lives:
    """What becomes of lives when a judgement is made, for whatever hosts; see ``secscan.history``."""

    def __init__(self, settling: Settling, accepted: Accepted) -> None:
        self._place = places(settling.inventory, settling.at)
        self._there = owners(settling.inventory, settling.at.date()).keys()
        self._at = settling.at
        self._standing = settling.standing
        self._waivers = settling.waivers
        self._accepted = accepted
        self._day = settling.at.astimezone(settling.zone).date()

    def weigh(self, findings: Collection[Finding]) -> Waiving:
        return weigh(self._waivers, findings, self._place, accepted=self._accepted, day=self._day)

    def after(
        self, before: Mapping[str, Lifecycle], findings: Sequence[Finding], waiving: Waiving
    ) -> dict[str, Lifecycle]:
        """Those that changed. ``findings`` is everything that was said of the hosts that ``before`` is of."""
        after = settle(before, findings, self._at)
        after = retire(after, self._at, stands=self._stands)
        after = mark_waived(after, waiving, self._at)
        return {id: life for id, life in after.items() if before.get(id) != life}

    def new(self, accepted: Accepted) -> Accepted:
        return {key: evidence for key, evidence in accepted.items() if key not in self._accepted}

    def _stands(self, host: str | None, check: str) -> bool:
        return host in self._there and check in self._standing
