"""The one shard function: everything there is to see of a batch of hosts, in the order it can be seen.

The same function runs in local worker processes and wherever else a worker may run; nothing else knows the
difference. What a run has recorded already is handed in, so that a resumed run goes on where it stopped.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from secscan.collection import Collector
from secscan.evaluation import endpoints, services
from secscan.facts import AddressFacts, ChainFacts, PortFacts, PortStatus, TlsFacts
from secscan.model import (
    AddressTarget,
    Endpoint,
    Evidence,
    Host,
    HostTarget,
    Observation,
    Reason,
    Record,
    Service,
    Target,
    Unobserved,
)
from secscan.scope import Gate, utc_now

#: More undeclared open ports on one address than this are not spoken to one by one: no server offers so many
#: services, but tarpits and some firewalls answer on all of them.
MOST_UNDECLARED_SERVICES = 64

TargetT = TypeVar("TargetT", HostTarget, AddressTarget, Endpoint)

ENDPOINT_KINDS = (TlsFacts.kind, ChainFacts.kind)


@dataclass(frozen=True, slots=True)
class Shard:
    """A batch of hosts. ``known_ports``: host -> TCP ports where a service was seen in earlier runs.

    ``recorded`` is what this run already has of these hosts.
    """

    id: int
    hosts: tuple[Host, ...]
    known_ports: dict[str, tuple[int, ...]] = field(default_factory=dict)
    recorded: tuple[Record, ...] = ()


@dataclass(frozen=True, slots=True)
class Collectors:
    """What looks: where hosts are, which ports are open, what speaks TLS."""

    addresses: Collector[HostTarget]
    ports: Collector[AddressTarget]
    endpoints: Collector[Endpoint]


def collect_shard(shard: Shard, collectors: Collectors, gate: Gate) -> Iterator[Record]:
    """Yields a record for each target and kind that ``shard.recorded`` lacks."""
    seen: dict[tuple[Target, str], Record] = {(r.target, r.kind): r for r in shard.recorded}

    def look(collector: Collector[TargetT], targets: Sequence[TargetT]) -> Iterator[Record]:
        missing = [t for t in targets if any((t, kind) not in seen for kind in collector.kinds)]
        for record in _each_accounted_for(collector, missing, gate):
            if (record.target, record.kind) not in seen:
                seen[record.target, record.kind] = record
                yield record

    yield from look(collectors.addresses, [HostTarget(host.id) for host in shard.hosts])
    addresses = [
        AddressTarget(record.target.host, address)
        for record in list(seen.values())
        if isinstance(record, Observation) and isinstance(record.facts, AddressFacts)
        for address in record.facts.addresses
    ]
    yield from look(collectors.ports, addresses)

    askable: list[Endpoint] = []
    for host in shard.hosts:
        known = frozenset(shard.known_ports.get(host.id, ()))
        for target, answer in _endpoints(host, known, Evidence(seen)):
            if answer is None:
                askable.append(target)
                continue
            for kind in ENDPOINT_KINDS:
                if (target, kind) not in seen:
                    yield Unobserved(target, collectors.endpoints.name, kind, utc_now(), *answer)
    yield from look(collectors.endpoints, askable)


def _endpoints(
    host: Host, known_ports: frozenset[int], evidence: Evidence
) -> Iterator[tuple[Endpoint, tuple[Reason, str] | None]]:
    """The endpoints there are, each with why there is no use in asking it, or None."""
    declared = {service.service for service in host.services}
    taken = {service.port for service in declared}
    undeclared: dict[str, int] = {}
    expected = list(services(host, evidence))
    found = {service.service.port for service in expected}
    places = [place for service in expected for place in endpoints(host, service, evidence)]
    for port in sorted(known_ports - found - taken):
        service = Service(host.id, "tcp", port, host.server_name)
        places += [Endpoint(service, address) for address in _addresses(host, evidence)]
    for place in places:
        service = place.service
        if service.transport != "tcp":
            continue
        status = _status(place, evidence)
        if service in declared:
            yield place, _no_use(status)
        elif status is not PortStatus.CLOSED:
            undeclared[place.address] = undeclared.get(place.address, 0) + 1
            if undeclared[place.address] > MOST_UNDECLARED_SERVICES:
                detail = f"over {MOST_UNDECLARED_SERVICES} undeclared ports are open on {place.address}"
                yield place, (Reason.TARPIT, detail)
            else:
                yield place, _no_use(status)


def _no_use(status: PortStatus | None) -> tuple[Reason, str] | None:
    if status is PortStatus.CLOSED:
        return Reason.REFUSED, "the port is closed"
    if status in (PortStatus.FILTERED, PortStatus.UNCERTAIN):
        return Reason.TIMED_OUT, "the port is filtered: nothing answered"
    return None


def _status(place: Endpoint, evidence: Evidence) -> PortStatus | None:
    record = evidence.newest.get((AddressTarget(place.host, place.address), PortFacts.kind))
    if isinstance(record, Observation) and isinstance(record.facts, PortFacts):
        return record.facts.status("tcp", place.service.port)
    return None


def _addresses(host: Host, evidence: Evidence) -> tuple[str, ...]:
    record = evidence.newest.get((HostTarget(host.id), AddressFacts.kind))
    if isinstance(record, Observation) and isinstance(record.facts, AddressFacts):
        return record.facts.addresses
    return ()


def _each_accounted_for(
    collector: Collector[TargetT], targets: Sequence[TargetT], gate: Gate
) -> Iterator[Record]:
    """A collector raises only for its own bugs, and what it leaves out is one: both become Unobserved(BUG)."""
    if not targets:
        return
    owed = {(target, kind) for target in targets for kind in collector.kinds}
    what = f"the collector {collector.name!r} said nothing of it"
    try:
        for record in collector.collect(targets, gate):
            owed.discard((record.target, record.kind))
            yield record
    except Exception as e:  # noqa: BLE001 - a broken collector must not end the scan of the other hosts
        what = f"the collector {collector.name!r} failed: {type(e).__name__}: {e}"[:300]
    for target, kind in sorted(owed, key=lambda o: (o[0].key, o[1])):
        yield Unobserved(target, collector.name, kind, utc_now(), Reason.BUG, what)


@dataclass(frozen=True, slots=True)
class Absentee:
    """Stands in for a collector that can't look: says of every target, without a packet, why not."""

    name: str
    kinds: tuple[str, ...]
    reason: Reason
    detail: str

    def collect(self, targets: Sequence[Target], gate: Gate) -> Iterator[Record]:  # noqa: ARG002 - Collector
        for target in targets:
            for kind in self.kinds:
                yield Unobserved(target, self.name, kind, utc_now(), self.reason, self.detail)


def absentees(reason: Reason, detail: str) -> Collectors:
    """Collectors that account for everything that remains without looking."""
    return Collectors(
        Absentee("resolver", (AddressFacts.kind,), reason, detail),
        Absentee("ports", (PortFacts.kind,), reason, detail),
        Absentee("tls", ENDPOINT_KINDS, reason, detail),
    )
