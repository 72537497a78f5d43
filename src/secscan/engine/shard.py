"""The one shard function: everything there is to see of a batch of hosts, in the order it can be seen.

The same function runs in local worker processes and wherever else a worker may run; nothing else knows the
difference. What a run has recorded already is handed in, so that a resumed run goes on where it stopped.
"""

from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from secscan.collection import Collector
from secscan.engine.streams import Streams
from secscan.evaluation import endpoints, services
from secscan.facts import INSIDE, AddressFacts, ChainFacts, PortFacts, PortStatus, TlsFacts
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
from secscan.scope import Gate, ScopeError, utc_now

#: More undeclared open ports on one address than this are not spoken to one by one: no server offers so many
#: services, but tarpits and some firewalls answer on all of them.
MOST_UNDECLARED_SERVICES = 64

TargetT = TypeVar("TargetT", HostTarget, AddressTarget, Endpoint)

ENDPOINT_KINDS = (TlsFacts.kind, ChainFacts.kind)


@dataclass(frozen=True, slots=True)
class Shard:
    """A batch of hosts. ``known_ports``: host -> TCP ports where a service was seen in earlier runs.

    ``recorded`` is what this run already has of these hosts. ``backups``: host -> patterns of files that the inventory
    says are backups on it, be they its own or another host's.
    """

    id: int
    hosts: tuple[Host, ...]
    known_ports: dict[str, tuple[int, ...]] = field(default_factory=dict)
    recorded: tuple[Record, ...] = ()
    backups: dict[str, tuple[str, ...]] = field(default_factory=dict)


class PortScan(Collector[AddressTarget], Protocol):
    """A collector of ports that may tell early which are open, before it knows who answers there."""

    def collect(
        self, targets: Sequence[AddressTarget], gate: Gate, *, sighted: Callable[[Record], None] = ...
    ) -> Iterator[Record]: ...


@dataclass(frozen=True, slots=True)
class Collectors:
    """What looks: where hosts are, which ports are open, what speaks TLS, and what a host is like from the inside.

    ``inside`` is None where nobody is to log in. ``located`` is filled with the addresses of each host before
    ``inside`` is asked, so that names are looked up once.
    """

    addresses: Collector[HostTarget]
    ports: PortScan
    endpoints: Collector[Endpoint]
    inside: Collector[HostTarget] | None = None
    located: MutableMapping[str, Sequence[str]] = field(default_factory=dict)


def collect_shard(shard: Shard, collectors: Collectors, gate: Gate) -> Iterator[Record]:
    """Yields a record for each target and kind that ``shard.recorded`` lacks.

    Ports come first, and logins beside them. As soon as it is known of every address which are open, the services
    behind them are looked at, while the port scan still finds out who answers: that is mostly waiting, and one silent
    port takes it longer than all the rest. Raises ScopeError where nothing may be probed any more.
    """
    seen: dict[tuple[Target, str], Record] = {(r.target, r.kind): r for r in shard.recorded}

    def unseen(collector: Collector[TargetT], targets: Iterable[TargetT]) -> list[TargetT]:
        return [t for t in targets if any((t, kind) not in seen for kind in collector.kinds)]

    def is_new(record: Record) -> bool:
        if (record.target, record.kind) in seen:
            return False
        seen[record.target, record.kind] = record
        return True

    hosts = unseen(collectors.addresses, (HostTarget(host.id) for host in shard.hosts))
    looked_up = _each_accounted_for(
        lambda: collectors.addresses.collect(hosts, gate), collectors.addresses, hosts
    )
    yield from filter(is_new, looked_up)

    collectors.located.update(_located(seen.values()))
    inside = collectors.inside
    logins = unseen(inside, (HostTarget(host.id) for host in shard.hosts)) if inside else []
    addresses = unseen(collectors.ports, _address_targets(seen.values()))
    awaited = set(addresses)
    sighted: dict[tuple[Target, str], Record] = {}
    with Streams[Record | _Sighted]() as streams:

        def scan() -> Iterator[Record]:
            return collectors.ports.collect(
                addresses, gate, sighted=lambda record: streams.put(_Sighted(record))
            )

        streams.start(_each_accounted_for(scan, collectors.ports, addresses))
        if inside:
            streams.start(_each_accounted_for(lambda: inside.collect(logins, gate), inside, logins))

        def begin_endpoints() -> Iterator[Record]:
            askable, answered = _ask_or_answer(shard, Evidence(sighted | seen), collectors.endpoints)
            wanted = unseen(collectors.endpoints, askable)
            streams.start(
                _each_accounted_for(
                    lambda: collectors.endpoints.collect(wanted, gate), collectors.endpoints, wanted
                )
            )
            yield from filter(is_new, answered)

        if not awaited:
            yield from begin_endpoints()
        for event in streams:
            record = event.record if isinstance(event, _Sighted) else event
            if isinstance(event, _Sighted):
                sighted[record.target, record.kind] = record
            elif is_new(record):
                yield record
            if isinstance(record.target, AddressTarget) and record.target in awaited:
                awaited.discard(record.target)
                if not awaited:
                    yield from begin_endpoints()


@dataclass(frozen=True, slots=True)
class _Sighted:
    """Ports of an address that were found, before it is known who answers; its record is still to come."""

    record: Record


def _located(records: Iterable[Record]) -> dict[str, tuple[str, ...]]:
    return {
        record.target.host: record.facts.addresses
        for record in records
        if isinstance(record, Observation) and isinstance(record.facts, AddressFacts)
    }


def _address_targets(records: Iterable[Record]) -> list[AddressTarget]:
    return [
        AddressTarget(record.target.host, address)
        for record in records
        if isinstance(record, Observation) and isinstance(record.facts, AddressFacts)
        for address in record.facts.addresses
    ]


def _ask_or_answer(
    shard: Shard, evidence: Evidence, collector: Collector[Endpoint]
) -> tuple[list[Endpoint], list[Record]]:
    """The endpoints to look at, and records of those where the port scan says that there is no use in it."""
    askable: list[Endpoint] = []
    answered: list[Record] = []
    for host in shard.hosts:
        known = frozenset(shard.known_ports.get(host.id, ()))
        for target, answer in _endpoints(host, known, evidence):
            if answer is None:
                askable.append(target)
            else:
                answered += [
                    Unobserved(target, collector.name, kind, utc_now(), *answer) for kind in ENDPOINT_KINDS
                ]
    return askable, answered


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
    look: Callable[[], Iterator[Record]], collector: Collector[TargetT], targets: Sequence[TargetT]
) -> Iterator[Record]:
    """A collector raises only for its own bugs, and what it leaves out is one: both become Unobserved(BUG).

    Raises ScopeError (ProbeLogError too): then nobody may probe on, and that is nothing about a host.
    """
    if not targets:
        return
    owed = {(target, kind) for target in targets for kind in collector.kinds}
    what = f"the collector {collector.name!r} said nothing of it"
    try:
        for record in look():
            owed.discard((record.target, record.kind))
            yield record
    except ScopeError:
        raise
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

    def collect(
        self,
        targets: Sequence[Target],
        gate: Gate,  # noqa: ARG002 - as every collector
        *,
        sighted: Callable[[Record], None] = lambda _: None,  # noqa: ARG002
    ) -> Iterator[Record]:
        for target in targets:
            for kind in self.kinds:
                yield Unobserved(target, self.name, kind, utc_now(), self.reason, self.detail)


def absentees(reason: Reason, detail: str, *, inside: bool) -> Collectors:
    """Collectors that account for everything that remains without looking; ``inside``: of logins too."""
    return Collectors(
        Absentee("resolver", (AddressFacts.kind,), reason, detail),
        Absentee("ports", (PortFacts.kind,), reason, detail),
        Absentee("tls", ENDPOINT_KINDS, reason, detail),
        Absentee("ssh", INSIDE, reason, detail) if inside else None,
    )
