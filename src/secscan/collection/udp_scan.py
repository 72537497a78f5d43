"""Which UDP ports of a short list answer: one question each, from an ordinary socket, without nmap or privileges."""

import contextlib
import errno
import os
import selectors
import socket
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from secscan.collection.port_scan import UDP_SHARE
from secscan.collection.udp_probes import is_monlist, monlist, probe
from secscan.facts import Gap, Reading
from secscan.facts.ports import PortState, PortStatus, ServiceIdentity, port_ranges
from secscan.model import Reason
from secscan.scope import Gate, Refused

TRANSPORT = "udp"

#: Seconds to wait for answers to one round of questions.
PATIENCE = 1.1

#: How often a silent port is asked.
TRIES = 2

#: And where others of the same address were seen closed: Linux tells at most six of them at once, and then one a second
#: (icmp_ratelimit, icmp(7); the burst is XRLIM_BURST_FACTOR of net/ipv4/inetpeer.c).
MOST_TRIES = 7

#: Bytes read of one answer.
MOST_BYTES = 2048

#: Addresses asked at a time; each has up to ten sockets.
AT_ONCE = 24

#: linux/in.h, linux/in6.h: errors that came by ICMP are told of sockets that are not connected, too. TFTP answers from
#: another port than it was asked on (RFC 1350, section 4), which a connected socket would not hear.
_IP_RECVERR, _IPV6_RECVERR = 11, 25

#: What asking a port ended in -> what that says, in nmap's words.
_ERRORS = {
    errno.ECONNREFUSED: (PortStatus.CLOSED, "port-unreach"),
    errno.EHOSTUNREACH: (PortStatus.FILTERED, "host-unreach"),
    errno.ENETUNREACH: (PortStatus.FILTERED, "net-unreach"),
    errno.EACCES: (PortStatus.FILTERED, "admin-prohibited"),
    errno.EPERM: (PortStatus.FILTERED, "admin-prohibited"),
    errno.ENOPROTOOPT: (PortStatus.FILTERED, "proto-unreach"),
}

#: What answers on a port, having understood the question.
_NAMES = {
    53: "domain",
    69: "tftp",
    123: "ntp",
    137: "netbios-ns",
    161: "snmp",
    500: "isakmp",
    623: "asf-rmcp",
    1900: "upnp",
    5353: "mdns",
}


@dataclass(frozen=True, slots=True)
class UdpSeen:
    """What was seen of one address; ``ports`` has one state for each port asked."""

    ports: tuple[PortState, ...] = ()
    monlist: Reading[bool] = field(default_factory=Gap)


def scan_udp(
    addresses: Sequence[str], ports: Sequence[int], gate: Gate
) -> Iterator[tuple[str, UdpSeen | None]]:
    """Yields each address with what was seen, or None where the gate refuses; in any order. Raises ProbeLogError.

    ``ports`` are of ``secscan.collection.udp_probes.PORTS``. One that gives no answer is *open or filtered*.
    """
    waiting = list(addresses)
    while waiting:
        group, waiting = waiting[:AT_ONCE], waiting[AT_ONCE:]
        yield from _scan(group, ports, gate)


def _scan(addresses: Sequence[str], ports: Sequence[int], gate: Gate) -> Iterator[tuple[str, UdpSeen | None]]:
    with contextlib.ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        asked: dict[str, dict[int, _Question]] = {}
        for address in addresses:
            try:
                _admit(gate, address, ports)
            except Refused:
                yield address, None
                continue
            asked[address] = {port: _Question(address, port) for port in ports}
        # Round and round: no address has all the rate while another waits.
        questions = [by_port[port] for port in ports for by_port in asked.values()]
        rate = min(gate.packets_per_second, gate.packets_per_second_per_host * max(1, len(asked)))
        interval = 1 / max(1.0, rate * UDP_SHARE)
        for question in questions:
            question.open(selector, stack)
        for turn in range(MOST_TRIES):
            silent = [q for q in questions if q.status is None]
            if turn >= TRIES:
                # Only where silence may be that of a kernel that tells one closed port a second.
                telling = {q.address for q in questions if q.status is PortStatus.CLOSED}
                silent = [q for q in silent if q.address in telling]
            if not silent:
                break
            if turn:
                again: dict[str, list[int]] = defaultdict(list)
                for q in silent:
                    again[q.address].append(q.port)
                for address, of_it in again.items():
                    with contextlib.suppress(Refused):
                        _admit(gate, address, of_it)
            for question in silent:
                question.ask()
                _listen(selector, interval)
            _listen(selector, PATIENCE, questions)
        for address, by_port in asked.items():
            ntp = by_port.get(123)
            told = _monlist(address, gate) if ntp is not None and ntp.status is PortStatus.OPEN else Gap()
            yield address, UdpSeen(tuple(q.state() for q in by_port.values()), told)


def _admit(gate: Gate, address: str, ports: Sequence[int]) -> None:
    gate.admit(address, what="udp", ports=port_ranges(set(ports)), connections=len(ports))


def _listen(selector: selectors.BaseSelector, seconds: float, questions: "Sequence[_Question]" = ()) -> None:
    """For ``seconds``, or until all ``questions`` are answered."""
    until = time.monotonic() + seconds
    while True:
        left = until - time.monotonic()
        if left <= 0 or (questions and all(q.status is not None for q in questions)):
            return
        for key, _ in selector.select(left):
            key.data.hear()


class _Question:
    """One port of one address, and what came of asking it."""

    def __init__(self, address: str, port: int) -> None:
        self.address, self.port = address, port
        self.status: PortStatus | None = None
        self.why = "no-response"
        self._socket: socket.socket | None = None
        self._peer: tuple[Any, ...] = ()

    def open(self, selector: selectors.BaseSelector, stack: contextlib.ExitStack) -> None:
        [(family, kind, protocol, _name, peer), *_rest] = socket.getaddrinfo(
            self.address, self.port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
        )
        self._peer = tuple(peer)
        try:
            self._socket = stack.enter_context(socket.socket(family, kind, protocol))
        except OSError as error:
            self._fail(error)
            return
        self._socket.setblocking(False)
        if family == socket.AF_INET:
            self._socket.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        else:
            self._socket.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
        selector.register(self._socket, selectors.EVENT_READ, self)

    def ask(self) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(probe(self.port), self._peer)
        except OSError as error:
            self._fail(error)

    def hear(self) -> None:
        """Whatever the socket has: an answer, or an error that came by ICMP."""
        if self._socket is None:
            return
        try:
            _data, peer = self._socket.recvfrom(MOST_BYTES)
        except BlockingIOError:
            # What is left is the error's own record, which says no more than the error did.
            with contextlib.suppress(OSError):
                self._socket.recvmsg(MOST_BYTES, 1024, socket.MSG_ERRQUEUE)
            return
        except OSError as error:
            self._fail(error)
            return
        # TFTP alone answers from a port of its own choice; anything else from elsewhere is somebody else's.
        if peer[0] == self._peer[0] and (peer[1] == self._peer[1] or self.port == 69):
            self.status, self.why = PortStatus.OPEN, "udp-response"

    def state(self) -> PortState:
        status = self.status or PortStatus.UNCERTAIN
        identity = None
        if status is PortStatus.OPEN:
            identity = ServiceIdentity(name=_NAMES.get(self.port, "unknown"), how="probe", confidence=8)
        return PortState(transport=TRANSPORT, port=self.port, status=status, why=self.why, identity=identity)

    def _fail(self, error: OSError) -> None:
        if error.errno in _ERRORS:
            self.status, self.why = _ERRORS[error.errno]
        else:
            # This machine's trouble says nothing of the port, which stays open or filtered.
            self.why = os.strerror(error.errno or 0)


def _monlist(address: str, gate: Gate) -> Reading[bool]:
    """Whether NTP tells whom it spoke to. One datagram is sent, twice where it is lost; the first answer counts."""
    try:
        gate.admit(address, what="ntp monlist", ports="123", connections=TRIES)
    except Refused as refused:
        return Gap(refused.refusal.reason, refused.refusal.detail)
    [(family, kind, protocol, _name, peer), *_rest] = socket.getaddrinfo(
        address, 123, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
    )
    try:
        with socket.socket(family, kind, protocol) as connection:
            connection.connect(peer)
            connection.settimeout(PATIENCE)
            for _ in range(TRIES):
                with contextlib.suppress(TimeoutError):
                    connection.send(monlist())
                    return is_monlist(connection.recv(MOST_BYTES))
    except OSError as error:
        return Gap(Reason.UNREACHABLE, f"it can't be asked: {error.strerror or error}"[:200])
    # It answers clients, and not to this: servers of today (ntp 4.2.7p26 and newer, chrony, ntpsec) drop it.
    return False
