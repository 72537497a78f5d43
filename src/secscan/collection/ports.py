"""Which ports are open: by nmap where there is one, else by connecting; facts of the same shape from either."""

import queue
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import msgspec
from nmap import PortScannerError

from secscan.collection.connect_scan import scan_by_connecting
from secscan.collection.default_ports import top_ports
from secscan.collection.nmap_process import Nmap, NmapFound, favourite_ports, find_nmap
from secscan.collection.nmap_scan import scan_with_nmap
from secscan.collection.port_scan import UDP_SHARE, Ask, Missed, Seen
from secscan.collection.udp_scan import UdpSeen, scan_udp
from secscan.facts.kind import Gap, Reading
from secscan.facts.ports import PortFacts, PortStatus, port_ranges, ports_in
from secscan.model import AddressTarget, Observation, Reason, Record, Target, Unobserved
from secscan.scope import Gate, utc_now

__all__ = [
    "NmapFound",
    "PortCollector",
    "PortListError",
    "PortSettings",
    "find_nmap",
    "parse_ports",
    "top_ports",
]


class PortListError(ValueError):
    """A list of ports that can't be read: shows it, and how one is written."""


@dataclass(frozen=True, slots=True)
class PortSettings:
    """How to look for open ports.

    A list of ports is ranges, ``top-N``, or several of these joined by commas: ``"top-100,8443,9000-9010"``.
    ``top-N`` are the N ports that nmap finds open most often; without nmap, the first N of ``default_ports``.
    """

    default_ports: str = "top-1000"
    #: Host -> its own list, instead of the default.
    by_host: Mapping[str, str] = field(default_factory=dict)
    version_detection: bool = True
    #: Seconds a target may take, counted from its first packet.
    deadline: float = 60.0
    #: True: nmap or nothing; False: not nmap; None: nmap where it is found.
    nmap: bool | None = None
    #: UDP ports to ask, of ``secscan.collection.udp_probes.PORTS``; empty: none.
    udp_ports: tuple[int, ...] = ()
    #: The network zone that this machine stands in, as its operator calls it; empty: nobody said.
    zone: str = ""


class PortCollector:
    """One record for each address. Raises PortListError where a list of the settings can't be read."""

    name = "ports"
    kinds: tuple[str, ...] = (PortFacts.kind,)

    def __init__(self, settings: PortSettings) -> None:
        self._settings = settings
        for text in (settings.default_ports, *settings.by_host.values()):
            parse_ports(text, top_ports)

    def collect(
        self,
        targets: Sequence[Target],
        gate: Gate,
        *,
        sighted: Callable[[Record], None] = lambda _: None,
    ) -> Iterator[Record]:
        """Asks whatever the gate lets through. Closing this ends nmap, and every connection.

        ``sighted`` may be told early which ports of a target are open, before it is known who answers there; the
        target's record is still to come.
        """
        addresses = [target for target in targets if isinstance(target, AddressTarget)]

        udp = _BesideTcp({target.address for target in addresses}, self._settings.udp_ports, gate)

        def early(outcome: Seen) -> None:
            for target in asked[outcome.ask]:
                sighted(self._record(target, outcome, udp=None))

        try:
            nmap = None if self._settings.nmap is False else Nmap()
        except PortScannerError:
            nmap = None
        if nmap is None and self._settings.nmap:
            for target in addresses:
                missed = Missed(Ask(target.address, frozenset()), Reason.TOOL_MISSING, _NO_NMAP)
                yield self._record(target, missed, udp=None)
            return
        udp.start()
        share = 1 - UDP_SHARE if self._settings.udp_ports else 1.0
        if nmap is None:
            asked = self._asks(addresses, top_ports)
            outcomes = scan_by_connecting(
                list(asked),
                gate,
                deadline=self._settings.deadline,
                greetings=self._settings.version_detection,
                share=share,
            )
        else:
            asked = self._asks(addresses, _nmap_favourites(nmap.found))
            outcomes = scan_with_nmap(
                list(asked),
                gate,
                nmap,
                deadline=self._settings.deadline,
                identify=self._settings.version_detection,
                sighted=early,
                share=share,
            )
        with closing(outcomes):
            for outcome in outcomes:
                for target in asked[outcome.ask]:
                    yield self._record(target, outcome, udp=udp)

    def _asks(
        self, targets: Sequence[AddressTarget], top: Callable[[int], str]
    ) -> dict[Ask, list[AddressTarget]]:
        """Who wants to know what: two hosts may share an address, which is then asked once."""
        asks: dict[Ask, list[AddressTarget]] = defaultdict(list)
        # One list for all hosts that share it: reading it takes longer than asking a port of it.
        lists: dict[str, frozenset[int]] = {}
        for target in targets:
            text = self._settings.by_host.get(target.host) or self._settings.default_ports
            if text not in lists:
                lists[text] = parse_ports(text, top)
            asks[Ask(target.address, lists[text])].append(target)
        return asks

    def _record(self, target: AddressTarget, outcome: Seen | Missed, *, udp: "_BesideTcp | None") -> Record:
        if isinstance(outcome, Missed):
            return Unobserved(target, self.name, PortFacts.kind, utc_now(), outcome.reason, outcome.detail)
        zone = self._settings.zone
        seen_from: Reading[str] = zone or Gap(
            Reason.NOT_COLLECTED, "nobody said from which zone the scan looks"
        )
        facts: PortFacts = msgspec.structs.replace(outcome.facts, seen_from=seen_from)
        if udp is not None:
            facts = with_udp(facts, udp.seen(target.address))
        return Observation(target, self.name, PortFacts.kind, outcome.at, facts, dict(outcome.volatile))


class _BesideTcp:
    """The UDP ports of all addresses, asked in a thread while the TCP ports are: both are mostly waiting."""

    def __init__(self, addresses: Iterable[str], ports: Sequence[int], gate: Gate) -> None:
        self._addresses, self._ports, self._gate = sorted(addresses), ports, gate
        self._answers: queue.SimpleQueue[tuple[str, UdpSeen | None] | BaseException] = queue.SimpleQueue()
        self._seen: dict[str, UdpSeen | None] = {}

    def start(self) -> None:
        if self._ports:
            # A daemon: it may wait for its turn at the gate when nobody wants to know any more.
            threading.Thread(target=self._work, name="udp", daemon=True).start()

    def seen(self, address: str) -> UdpSeen | None:
        """What was seen of an address, as soon as it is known; None where it was not asked. Raises ProbeLogError."""
        while self._ports and address not in self._seen:
            answer = self._answers.get()
            if isinstance(answer, BaseException):
                raise answer
            self._seen[answer[0]] = answer[1]
        return self._seen.get(address)

    def _work(self) -> None:
        try:
            for answer in scan_udp(self._addresses, self._ports, self._gate):
                self._answers.put(answer)
        except BaseException as error:  # noqa: BLE001 - raised again by seen(), in the caller's thread
            self._answers.put(error)


def with_udp(facts: PortFacts, seen: UdpSeen | None) -> PortFacts:
    """The facts with what was seen of UDP ports; unlisted are those whose status is the most frequent, not open."""
    if seen is None or not seen.ports:
        return facts
    counts = Counter(state.status for state in seen.ports)
    rest = max((PortStatus.CLOSED, PortStatus.FILTERED, PortStatus.UNCERTAIN), key=lambda s: counts[s])
    listed = [*facts.ports, *(state for state in seen.ports if state.status is not rest)]
    changed: PortFacts = msgspec.structs.replace(
        facts,
        asked={**facts.asked, "udp": port_ranges({state.port for state in seen.ports})},
        ports=tuple(sorted(listed, key=lambda state: (state.transport, state.port))),
        rest={**facts.rest, "udp": rest},
        monlist=seen.monlist,
    )
    return changed


def parse_ports(text: str, top: Callable[[int], str]) -> frozenset[int]:
    """The ports of ``"top-100,8443,9000-9010"``; ``top`` gives the ranges of the first n.

    Raises PortListError where it is something else, names no port, or one outside 1 to 65535.
    """
    ports: set[int] = set()
    for part in text.replace(" ", "").split(","):
        if best := re.fullmatch(r"top-([1-9][0-9]{0,4})", part):
            ports |= ports_in(top(int(best[1])))
        elif re.fullmatch(r"[0-9]{1,5}(-[0-9]{1,5})?", part):
            try:
                ports |= ports_in(part)
            except ValueError:
                raise _unreadable(text) from None
        else:
            raise _unreadable(text)
    if 0 in ports:
        raise _unreadable(text)
    return frozenset(ports)


_NO_NMAP = "nmap is to be used and was not found on the PATH; install it, or leave the choice to secscan"


def _nmap_favourites(nmap: NmapFound) -> Callable[[int], str]:
    # An nmap that can't say which they are will hardly scan either; then it says so for each host.
    return lambda n: port_ranges(favourite_ports(nmap.path, n)) or top_ports(n)


def _unreadable(text: str) -> PortListError:
    return PortListError(
        f'"{text[:80]}" is no list of ports; write ports from 1 to 65535, ranges, or top-N, '
        'with commas between: "top-100,8443,9000-9010"'
    )
