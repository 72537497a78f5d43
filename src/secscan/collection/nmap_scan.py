"""Open ports by nmap: first which, of many hosts in one run; then, of the open ones alone, who answers."""

from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from math import ceil
from time import monotonic
from typing import TypeVar

import msgspec

from secscan.collection.nmap_process import Nmap, NmapRun, Scan, follow, may_send_raw
from secscan.collection.nmap_xml import IncompleteHostError, NmapHost, statuses
from secscan.collection.port_scan import TRANSPORT, Ask, Missed, Seen, answer, rates, too_many
from secscan.facts.ports import PortFacts, PortStatus, ServiceIdentity, port_ranges
from secscan.model import Reason
from secscan.scope import Gate, Refused

#: Hosts in one run of nmap, which keeps all in memory and gives all at once.
MOST_HOSTS_IN_A_RUN = 32

#: Runs of nmap at a time; one is 20 MB, and 140 MB if it asks 20 hosts for all ports.
MOST_RUNS = 8

#: The part of the deadline that asking each port twice is planned to fill. The rest is for nmap's start, for late
#: answers, and for asking the open ports who they are.
PLANNED = 0.7

#: Packets a second, for each host of a run, below which nmap doesn't fall where nothing answers; it would go down to
#: ten for all of them. A thousand filtered ports then take 10 s, if the scope allows so many packets.
LEAST_RATE = 200

#: nmap gives up on a host this part of the deadline before we give up on nmap, and not less than so many seconds: it
#: tells of a run's hosts when it is done with all of them.
EARLIER = 0.05
LEAST_EARLIER = 0.5

#: Services that are asked who they are at once: the most that nmap does by itself, where its default is 20.
MOST_SERVICES = 100

#: Open ports of one host that are asked who they are, lowest first. A tarpit has a thousand with nothing to say.
MOST_IDENTIFIED = MOST_SERVICES

#: With fewer seconds left nobody is asked: nmap takes half a second to read its probes alone.
LEAST_FOR_IDENTITY = 2.0

#: Seconds nmap waits for each answer of who it is, at most. A silent port is asked eight times, one after the other,
#: and a twelfth of what is left for each leaves room for nmap's start.
LONGEST_WAIT = 2.0
QUESTIONS = 12

#: Connections that asking who answers on a port takes, at most: so many probes ``--version-light`` has for a port.
MOST_PROBES = 8

ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True)
class _Found:
    """An address with open ports, and the seconds left to ask who they are."""

    seen: Seen
    left: float

    @property
    def ask(self) -> Ask:
        return self.seen.ask

    @property
    def open_ports(self) -> frozenset[int]:
        return frozenset(sorted(state.port for state in self.seen.facts.open())[:MOST_IDENTIFIED])


def scan_with_nmap(
    asks: Sequence[Ask],
    gate: Gate,
    nmap: Nmap,
    *,
    deadline: float,
    identify: bool,
    sighted: Callable[[Seen], None] = lambda _: None,
    share: float = 1.0,
) -> Generator[Seen | Missed]:
    """Yields one answer for each ask, when nmap is done with it. Closing this ends nmap.

    ``share``: the part of the gate's rates that this scan may take.
    ``sighted`` is told what was found before it is asked who answers, which takes most of the time.
    ``deadline``: seconds that nmap may take with one address. In one run with ``-sV`` nmap would throw away what
    it knows of a host's ports when who answers behind one of them can't be found out in time (a timed-out host
    has no ports in its XML), and a single silent port takes it 42 s. So ports come first, in a run of their own.
    """
    scan = _NmapScan(gate, nmap, deadline, most_hosts=len(asks), share=share)
    found: list[_Found] = []
    with closing(scan.find_open(asks)) as outcomes:
        for outcome, left in outcomes:
            if identify and isinstance(outcome, Seen) and outcome.facts.open() and left > LEAST_FOR_IDENTITY:
                found.append(_Found(outcome, left))
                sighted(outcome)
            else:
                yield outcome
    with closing(scan.identify(found)) as named:
        yield from named


class _NmapScan:
    def __init__(self, gate: Gate, nmap: Nmap, deadline: float, *, most_hosts: int, share: float) -> None:
        self._gate = gate
        self._nmap = nmap
        self._version = nmap.found.version
        self._deadline = deadline
        self._syn = may_send_raw()
        # nmap has one rate, for all hosts of a run together, and when the others are done the last one gets all
        # of it. So no run is given more than one host may get, and the rate for all is used by several at once.
        whole, per_host = rates(gate, share)
        at_once = min(MOST_RUNS, ceil(whole / per_host), most_hosts)
        self._at_once = max(1, at_once)
        self._rate = max(1, min(per_host, whole // self._at_once))

    @property
    def _method(self) -> str:
        return "nmap-syn" if self._syn else "nmap-connect"

    # --- Which ports are open -----------------------------------------------------------------------------

    def find_open(self, asks: Iterable[Ask]) -> Generator[tuple[Seen | Missed, float]]:
        """Each answer, with the seconds of its deadline that are left."""
        waiting: dict[NmapRun, dict[str, Ask]] = {}
        missed: list[Missed] = []

        def start() -> Iterator[NmapRun]:
            for batch in self._in_time(asks):
                ports = port_ranges(batch[0].ports)
                least = len(batch[0].ports) / self._rate
                if least > self._deadline:
                    missed.extend(
                        Missed(ask, Reason.NOT_ATTEMPTED, too_many(ask, least, self._deadline))
                        for ask in batch
                    )
                    continue
                admitted = []
                for ask in batch:
                    try:
                        self._gate.admit(
                            ask.address,
                            what=f"nmap {'-sS' if self._syn else '-sT'}",
                            ports=ports,
                            connections=len(ask.ports),
                            paced=False,
                        )
                        admitted.append(ask)
                    except Refused as refused:
                        missed.append(Missed(ask, refused.refusal.reason, refused.refusal.detail))
                if not admitted:
                    continue
                # A silent port is asked twice. At this rate, all of them being silent, it ends in time.
                pace = ceil(2 * len(admitted) * len(batch[0].ports) / (PLANNED * self._deadline))
                least_rate = max(pace, LEAST_RATE * len(admitted))
                scan = self._scan(admitted, ports, least_rate=least_rate, timeout=self._deadline)
                try:
                    run = self._nmap.start(scan, deadline=self._deadline)
                except OSError as error:
                    detail = f"nmap can't be started: {error.strerror}"
                    missed.extend(Missed(ask, Reason.TOOL_MISSING, detail) for ask in admitted)
                    continue
                waiting[run] = {_plain(ask.address): ask for ask in admitted}
                yield run

        def lost() -> Iterator[tuple[Missed, float]]:
            while missed:
                yield missed.pop(0), 0.0

        with closing(follow(start(), at_once=self._at_once)) as events:
            for run, host in events:
                yield from lost()
                if host is None:
                    for ask in waiting.pop(run).values():
                        yield Missed(ask, *_why_missing(run, ask)), 0.0
                # What nobody asked about has no place here, and neither has a second answer.
                elif (asked := waiting[run].pop(_plain(host.address), None)) is not None:
                    took = monotonic() - run.started
                    yield self._read(run, host, asked, took), self._deadline - took
        yield from lost()

    def _read(self, run: NmapRun, host: NmapHost, ask: Ask, took: float) -> Seen | Missed:
        if host.timed_out:
            return Missed(ask, Reason.TIMED_OUT, _too_slow(run, ask))
        if not host.up:
            return Missed(ask, Reason.UNREACHABLE, f"nmap takes {ask.address} to be down")
        if run.document.asked.get(TRANSPORT) != ask.ports:
            return Missed(ask, Reason.UNPARSED, "nmap says that it asked other ports than it was told to")
        try:
            listed, groups = statuses(host, TRANSPORT, ask.ports)
        except IncompleteHostError as error:
            return Missed(ask, Reason.UNPARSED, str(error))
        volatile = {"nmap": self._version, "elapsed": f"{took:.1f}"}
        return answer(ask, method=self._method, listed=listed, groups=groups, volatile=volatile)

    # --- Who answers --------------------------------------------------------------------------------------

    def identify(self, found: Iterable[_Found]) -> Generator[Seen]:
        """What was found, with who answers on the open ports as far as that can be had."""
        waiting: dict[NmapRun, dict[str, _Found]] = {}
        unasked: list[Seen] = []

        def start() -> Iterator[NmapRun]:
            for batch in _few_services(found):
                admitted: list[_Found] = []
                # All hosts of a batch were asked the same ports, so none is asked here for a port it was not yet.
                ports = frozenset[int]().union(*(item.open_ports for item in batch))
                for item in batch:
                    try:
                        # No rate option of nmap's holds for these connections, so they wait for their turn here.
                        self._gate.admit(
                            item.ask.address,
                            what="nmap -sV",
                            ports=port_ranges(ports),
                            connections=len(ports) + MOST_PROBES * len(item.open_ports),
                        )
                        admitted.append(item)
                    except Refused as refused:
                        unasked.append(_unidentified(item.seen, refused.refusal.detail))
                if not admitted:
                    continue
                left = min(item.left for item in admitted)
                scan = self._scan(
                    [item.ask for item in admitted],
                    port_ranges(ports),
                    least_rate=1,
                    timeout=left,
                    version_wait=min(LONGEST_WAIT, left / QUESTIONS),
                    services=min(MOST_SERVICES, sum(len(item.open_ports) for item in admitted)),
                )
                try:
                    run = self._nmap.start(scan, deadline=left)
                except OSError as error:
                    unasked.extend(_unidentified(item.seen, str(error.strerror)) for item in admitted)
                    continue
                waiting[run] = {_plain(item.ask.address): item for item in admitted}
                yield run

        # Here nmap waits for answers nearly all of the time.
        with closing(follow(start(), at_once=MOST_RUNS)) as events:
            for run, host in events:
                if host is None:
                    for item in waiting.pop(run).values():
                        yield _unidentified(item.seen, _why_missing(run, item.ask)[1])
                    continue
                asked = waiting[run].pop(_plain(host.address), None)
                if asked is not None:
                    yield (
                        _unidentified(asked.seen, "timed out") if host.timed_out else _named(asked.seen, host)
                    )
        yield from unasked

    # --- Both ---------------------------------------------------------------------------------------------

    def _in_time(self, asks: Iterable[Ask]) -> Iterator[list[Ask]]:
        """Runs that can ask all ports of all their hosts in time, twice if they must, and share the hosts evenly."""
        for group in _alike(asks, lambda ask: ask):
            in_time = int(self._rate * PLANNED * self._deadline / (2 * len(group[0].ports)))
            size = max(1, min(MOST_HOSTS_IN_A_RUN, ceil(len(group) / self._at_once), in_time))
            yield from (group[i : i + size] for i in range(0, len(group), size))

    def _scan(
        self,
        asks: Iterable[Ask],
        ports: str,
        *,
        least_rate: int,
        timeout: float,
        version_wait: float | None = None,
        services: int = 0,
    ) -> Scan:
        return Scan(
            addresses=tuple(ask.address for ask in asks),
            ports=ports,
            syn=self._syn,
            most_rate=self._rate,
            least_rate=min(least_rate, self._rate),
            host_timeout=max(timeout / 2, timeout - max(LEAST_EARLIER, timeout * EARLIER)),
            version_wait=version_wait,
            services=services,
        )


def _alike(items: Iterable[ItemT], ask_of: Callable[[ItemT], Ask]) -> Iterable[list[ItemT]]:
    """What may share a run: the ports, the family, and the zone, which nmap leaves out when it gives an address."""
    groups: dict[tuple[frozenset[int], bool, str], list[ItemT]] = defaultdict(list)
    for item in items:
        ask = ask_of(item)
        groups[ask.ports, ":" in ask.address, ask.address.partition("%")[2]].append(item)
    return groups.values()


def _few_services(found: Iterable[_Found]) -> Iterator[list[_Found]]:
    """Runs of so many services as are asked at once; a tarpit, with more, holds nobody up but itself."""
    for group in _alike(found, lambda item: item.ask):
        batch: list[_Found] = []
        services = 0
        for item in sorted(group, key=lambda item: len(item.open_ports)):
            services += len(item.open_ports)
            if batch and (services > MOST_SERVICES or len(batch) == MOST_HOSTS_IN_A_RUN):
                yield batch
                batch, services = [], len(item.open_ports)
            batch.append(item)
        yield batch


def _plain(address: str) -> str:
    return address.partition("%")[0]


def _too_slow(run: NmapRun, ask: Ask) -> str:
    return (
        f"nmap had not finished with {ask.address} after {run.scan.host_timeout:.1f} s "
        f"(ports: {len(ask.ports)}, packets a second: at most {run.scan.most_rate})"
    )


def _why_missing(run: NmapRun, ask: Ask) -> tuple[Reason, str]:
    """Why a run that has ended says nothing of an address."""
    document = run.document
    skipped = document.skipped.get(ask.address)
    if run.overran:
        return Reason.TIMED_OUT, _too_slow(run, ask)
    if skipped is not None:
        return Reason.UNREACHABLE, f"nmap: {run.complaint_about(ask.address) or f'skipped as {skipped}'}"
    if document.error:
        return Reason.TOOL_MISSING, f"nmap can't do its work: {document.error}"
    if document.fault and not document.truncated:
        return Reason.UNPARSED, f"nmap's answer can't be read: {document.fault}"
    if run.killed_by is not None:
        return Reason.INTERRUPTED, f"nmap was ended by {run.killed_by} before it had finished with the host"
    if not document.version:
        said = run.complaint or f"exit status {run.status}, and not a word"
        return Reason.TOOL_MISSING, f"nmap can't do its work: {said}"
    if document.truncated:
        return (
            Reason.INTERRUPTED,
            f"nmap's answer breaks off before this host: {run.complaint or 'no reason given'}",
        )
    return Reason.UNPARSED, "nmap's answer leaves this host out, without a reason"


def _named(seen: Seen, host: NmapHost) -> Seen:
    """With the identities that were given away. What was open then may be closed now: the first look stands."""
    identities: dict[int, ServiceIdentity] = {
        state.port: state.identity
        for state in host.listed
        if state.identity is not None and state.identity.how != "port"
    }
    ports = tuple(
        msgspec.structs.replace(state, identity=identities[state.port])
        if state.port in identities and state.status is PortStatus.OPEN
        else state
        for state in seen.facts.ports
    )
    facts: PortFacts = msgspec.structs.replace(seen.facts, ports=ports)
    return Seen(seen.ask, seen.at, facts, seen.volatile)


def _unidentified(seen: Seen, why: str) -> Seen:
    volatile: Mapping[str, str] = {**seen.volatile, "identities": f"by port number alone: {why}"}
    return Seen(seen.ask, seen.at, seen.facts, volatile)
