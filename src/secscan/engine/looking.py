"""Looking at hosts: shards over worker processes, records in batches to whoever keeps them."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from math import ceil

from secscan.engine.protocol import Setup
from secscan.engine.shard import Shard
from secscan.engine.workers import ShardDone, collect
from secscan.facts import BUILT_IN, Facts
from secscan.model import Host, Record, Unobserved

#: More hosts than this are not in one shard: nmap takes them in one run, and a lost worker loses no more.
MOST_HOSTS_IN_A_SHARD = 32

#: Records are handed on when there are so many, or when the oldest has waited this long (seconds).
BATCH = 256
LONGEST_WAIT = 1.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a look has come."""

    hosts: int
    hosts_done: int
    records: int
    unobserved: int


def look(
    hosts: Sequence[Host],
    setup: Setup,
    *,
    workers: int,
    record: Callable[[Sequence[Record]], None],
    progress: Callable[[Progress], None] = lambda _: None,
    known_ports: Mapping[str, tuple[int, ...]] | None = None,
    recorded: Mapping[str, Sequence[Record]] | None = None,
    backups: Mapping[str, tuple[str, ...]] | None = None,
    kinds: Mapping[str, type[Facts]] = BUILT_IN,
) -> Progress:
    """Looks at every host and gives every record to ``record``, in batches, in any order.

    ``known_ports``, ``recorded`` and ``backups`` are by host: see ``Shard``.

    Whatever ends it early (Ctrl-C too), all processes are ended and what was seen until then is handed on.
    """
    shards = shards_of(
        hosts,
        workers=workers,
        known_ports=known_ports or {},
        recorded=recorded or {},
        backups=backups_on(hosts) if backups is None else backups,
    )
    batch: list[Record] = []
    handed_on = time.monotonic()
    done = Progress(len(hosts), 0, 0, 0)
    try:
        with closing(collect(shards, setup, workers=workers, kinds=kinds)) as seen:
            for event in seen:
                done = _after(done, event)
                if not isinstance(event, ShardDone):
                    batch.append(event)
                if batch and (len(batch) >= BATCH or time.monotonic() - handed_on > LONGEST_WAIT):
                    record(batch)
                    batch, handed_on = [], time.monotonic()
                progress(done)
    finally:
        if batch:
            record(batch)
    return done


def shards_of(
    hosts: Iterable[Host],
    *,
    workers: int,
    known_ports: Mapping[str, tuple[int, ...]],
    recorded: Mapping[str, Sequence[Record]],
    backups: Mapping[str, tuple[str, ...]],
) -> list[Shard]:
    """Hosts in batches: one for each worker of a small fleet, where waiting in parallel is all that counts."""
    ordered = sorted(hosts, key=lambda host: host.id)
    size = max(1, min(MOST_HOSTS_IN_A_SHARD, ceil(len(ordered) / workers)))
    batches = [ordered[i : i + size] for i in range(0, len(ordered), size)]
    return [
        Shard(
            id=number,
            hosts=tuple(batch),
            known_ports={host.id: known_ports[host.id] for host in batch if known_ports.get(host.id)},
            recorded=tuple(record for host in batch for record in recorded.get(host.id, ())),
            backups={host.id: backups[host.id] for host in batch if host.id in backups},
        )
        for number, batch in enumerate(batches)
    ]


def backups_on(hosts: Iterable[Host]) -> dict[str, tuple[str, ...]]:
    """Host -> the patterns of files that these hosts declare as backups on it: its own, and those it keeps."""
    found: dict[str, set[str]] = {}
    for host in hosts:
        for backup in host.backups:
            if backup.path:
                found.setdefault(backup.on or host.id, set()).add(backup.path)
    return {id: tuple(sorted(patterns)) for id, patterns in found.items()}


def _after(done: Progress, event: Record | ShardDone) -> Progress:
    if isinstance(event, ShardDone):
        return Progress(done.hosts, done.hosts_done + len(event.hosts), done.records, done.unobserved)
    unobserved = done.unobserved + isinstance(event, Unobserved)
    return Progress(done.hosts, done.hosts_done, done.records + 1, unobserved)
