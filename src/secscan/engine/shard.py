"""The one shard function: everything there is to see of a batch of hosts, in the order it can be seen.

The same function runs in local worker processes and wherever else a worker may run; nothing else knows the
difference. What a run has recorded already is handed in, so that a resumed run goes on where it stopped.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeVar

from secscan.collection import Collector
from secscan.engine.second_look import Known, Queue, SecondLook, SecondLooks
from secscan.engine.streams import Streams
from secscan.evaluation import endpoints, services
from secscan.facts import (
    INSIDE,
    SECOND,
    Absent,
    AddressFacts,
    ChainFacts,
    Gap,
    PortFacts,
    PortStatus,
    ServiceIdentity,
    TlsFacts,
)
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
    TlsPolicy,
    Unobserved,
)
from secscan.scope import Gate, ScopeError, utc_now

#: More undeclared open ports on one address than this are not spoken to one by one: no server offers so many
#: services, but tarpits and some firewalls answer on all of them.
MOST_UNDECLARED_SERVICES = 64

TargetT = TypeVar("TargetT", HostTarget, AddressTarget, Endpoint)

#: Printers take what comes here for what is to be printed (JetDirect, and its further ports), a TLS hello too; nmap's
#: ``Exclude`` in nmap-service-probes (7.93) has the same.
PRINTED_PORTS = range(9100, 9108)

#: What first contact with an endpoint, and the audit that may follow, are for.
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
    ``inside`` is asked, so that names are looked up once. ``second``: who looks again at what speaks no TLS, or
    something besides; no two of them may see the same kind.
    """

    addresses: Collector[HostTarget]
    ports: PortScan
    endpoints: Collector[Endpoint]
    inside: Collector[HostTarget] | None = None
    located: MutableMapping[str, Sequence[str]] = field(default_factory=dict)
    second: tuple[SecondLook, ...] = ()


def collect_shard(shard: Shard, collectors: Collectors, gate: Gate) -> Iterator[Record]:
    """Yields a record for each target and kind that ``shard.recorded`` lacks.

    Ports come first, and logins beside them. As soon as it is known of every address which are open, the services
    behind them are looked at, while the port scan still finds out who answers: that is mostly waiting, and one silent
    port takes it longer than all the rest. Second looks begin with each endpoint as soon as first contact with it is
    over. Raises ScopeError where nothing may be probed any more.
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

        def ask(queue: Queue) -> None:
            collector = queue.look.collector

            def one_by_one() -> Iterator[Record]:
                for place in queue:
                    yield from _each_accounted_for(
                        partial(collector.collect, [place], gate), collector, [place]
                    )

            streams.start(one_by_one())

        second = SecondLooks(
            collectors.second, unasked=lambda look, place: bool(unseen(look.collector, [place])), ask=ask
        )

        def is_over(target: Target, collector: Collector[TargetT]) -> bool:
            return all((target, kind) in seen for kind in collector.kinds)

        def look_again(place: Endpoint) -> Iterator[Record]:
            known = _known(place, shard, seen, collectors.endpoints.kinds)
            final = is_over(AddressTarget(place.host, place.address), collectors.ports)
            yield from filter(is_new, second.decide(place, known, final=final))

        def begin_endpoints() -> Iterator[Record]:
            places = list(_places(shard, Evidence(sighted | seen)))
            for place, gap in places:
                if gap == _PRINTED:
                    yield from filter(is_new, _taken_for_a_printer(place, collectors.endpoints))
                    yield from look_again(place)
                elif gap is not None:
                    yield from filter(is_new, _unseen(place, collectors.endpoints, gap))
                    if gap == _CLOSED:
                        yield from look_again(place)
                    else:
                        yield from filter(is_new, second.give_up(place, gap))
            askable = [place for place, gap in places if gap is None]
            wanted = unseen(collectors.endpoints, askable)
            streams.start(
                _each_accounted_for(
                    lambda: collectors.endpoints.collect(wanted, gate), collectors.endpoints, wanted
                )
            )
            for place in askable:
                if is_over(place, collectors.endpoints):
                    yield from look_again(place)

        if not awaited:
            yield from begin_endpoints()
        for event in streams:
            record = event.record if isinstance(event, _Sighted) else event
            target = record.target
            if isinstance(event, _Sighted):
                sighted[target, record.kind] = record
            elif is_new(record):
                yield record
                if isinstance(target, Endpoint) and record.kind in collectors.endpoints.kinds:
                    if is_over(target, collectors.endpoints):
                        yield from look_again(target)
                elif isinstance(target, AddressTarget) and is_over(target, collectors.ports):
                    for place in second.undecided(target):
                        yield from look_again(place)
            if isinstance(target, AddressTarget) and target in awaited:
                awaited.discard(target)
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


def _places(shard: Shard, evidence: Evidence) -> Iterator[tuple[Endpoint, Gap | None]]:
    """The endpoints there are, each with why there is no use in asking it, or None."""
    for host in shard.hosts:
        yield from _endpoints(host, frozenset(shard.known_ports.get(host.id, ())), evidence)


def _endpoints(
    host: Host, known_ports: frozenset[int], evidence: Evidence
) -> Iterator[tuple[Endpoint, Gap | None]]:
    declared = {service.service for service in host.services}
    speaks_tls = {service.service for service in host.services if service.tls is TlsPolicy.REQUIRED}
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
        printed = service.port in PRINTED_PORTS and service not in speaks_tls
        no_use = _no_use(status) or (_PRINTED if printed else None)
        if service in declared:
            yield place, no_use
        elif status is not PortStatus.CLOSED:
            undeclared[place.address] = undeclared.get(place.address, 0) + 1
            if undeclared[place.address] > MOST_UNDECLARED_SERVICES:
                detail = f"over {MOST_UNDECLARED_SERVICES} undeclared ports are open on {place.address}"
                yield place, Gap(Reason.TARPIT, detail)
            else:
                yield place, no_use


_CLOSED = Gap(Reason.REFUSED, "the port is closed")
_PRINTED = Gap(
    Reason.NOT_ATTEMPTED,
    "nothing is sent to TCP ports 9100 to 9107, where a printer would print it; "
    'declare the service with tls = "required" if it speaks TLS',
)


def _no_use(status: PortStatus | None) -> Gap | None:
    if status is PortStatus.CLOSED:
        return _CLOSED
    if status in (PortStatus.FILTERED, PortStatus.UNCERTAIN):
        return Gap(Reason.TIMED_OUT, "the port is filtered: nothing answered")
    return None


def _unseen(place: Endpoint, collector: Collector[Endpoint], gap: Gap) -> Iterator[Record]:
    for kind in collector.kinds:
        yield Unobserved(place, collector.name, kind, utc_now(), gap.reason, gap.detail)


def _taken_for_a_printer(place: Endpoint, collector: Collector[Endpoint]) -> Iterator[Record]:
    """By its port's number alone: what is there answers to ``port.printer``, and to no rule about TLS."""
    for kind in collector.kinds:
        absent = Absent(heard=_PRINTED.detail, protocol="printing")
        yield Observation(place, collector.name, kind, utc_now(), absent)


def _known(
    place: Endpoint, shard: Shard, seen: Mapping[tuple[Target, str], Record], kinds: Iterable[str]
) -> Known:
    """What first contact, the port scan and the inventory say of an endpoint. ``kinds``: those of first contact."""
    hosts = (host for host in shard.hosts if host.id == place.host)
    declared = next((s for host in hosts for s in host.services if s.service == place.service), None)
    records = [record for kind in kinds if (record := seen.get((place, kind))) is not None]
    facts = [record.facts for record in records if isinstance(record, Observation)]
    identity = _identity(place, seen)
    # A server that speaks TLS and shows no certificate has an Absent for one kind, and facts of the other.
    tls = next((f for f in facts if not isinstance(f, Absent)), None)
    if tls is not None:
        starttls = tls.starttls if isinstance(tls, TlsFacts) else ""
        heard = f"TLS, after {starttls}" if starttls else "TLS"
        return Known(starttls or "tls", heard, identity=identity, declared=declared)
    if facts:
        return Known(facts[0].protocol, facts[0].heard, identity=identity, declared=declared)
    missed = next((r for r in records if isinstance(r, Unobserved)), None)
    gap = Gap(missed.reason, missed.detail) if missed else Gap(Reason.NOT_ATTEMPTED, "nobody asked it")
    if gap == _CLOSED:
        return Known(heard=gap.detail, is_closed=True, identity=identity, declared=declared)
    return Known(unheard=gap, identity=identity, declared=declared)


def _identity(place: Endpoint, seen: Mapping[tuple[Target, str], Record]) -> ServiceIdentity | None:
    record = seen.get((AddressTarget(place.host, place.address), PortFacts.kind))
    if isinstance(record, Observation) and isinstance(record.facts, PortFacts):
        states = record.facts.open(place.service.transport)
        return next((state.identity for state in states if state.port == place.service.port), None)
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
        second=(
            SecondLook(Absentee("second looks", SECOND, reason, detail), lambda _, known: not known.protocol),
        ),
    )
