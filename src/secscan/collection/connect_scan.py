"""A plain TCP connect scan, for machines without nmap: many connections at once, none of them kept."""

import contextlib
import errno
import heapq
import itertools
import os
import re
import resource
import selectors
import socket
import struct
import time
from collections import defaultdict, deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from secscan.collection.default_ports import name_of
from secscan.collection.port_scan import TRANSPORT, Ask, Missed, Seen, answer, rates, too_many
from secscan.facts.ports import PortState, PortStatus, ServiceIdentity, port_ranges
from secscan.model import Reason
from secscan.scope import Gate, Refused

#: Seconds to wait for an answer, first and on the only retry. nmap begins with 1 s; Linux repeats a lost SYN after
#: 1 s (RFC 6298, 2.1), so the retry is two more.
PATIENCE = (1.0, 2.0)

#: A server that speaks first is heard for so long (seconds), and up to so much (bytes).
LONGEST_GREETING = 1.0
GREETING = 200

#: Connections at a time; fewer where the system allows fewer open files.
MOST_AT_ONCE = 1024
#: Open files left to the rest of the process.
SPARE_FILES = 64

#: The part of the deadline that the hosts at work are planned to fill, if none of their ports answers.
PLANNED = 0.7

#: How often this machine may fail to make connections to a host (no free ports, no route for the family).
MOST_FAILURES = 20
#: Seconds until the next try after that.
PAUSE = 0.1

#: What connecting to a port ended in -> what that says of the port, in nmap's words.
_ANSWERS: dict[int, tuple[PortStatus, str]] = {
    0: (PortStatus.OPEN, "syn-ack"),
    errno.ECONNREFUSED: (PortStatus.CLOSED, "conn-refused"),
    # A reset in answer to a SYN is ECONNREFUSED; these two come after a SYN-ACK (Linux, tcp_reset()).
    errno.ECONNRESET: (PortStatus.OPEN, "syn-ack"),
    errno.EPIPE: (PortStatus.OPEN, "syn-ack"),
    errno.ETIMEDOUT: (PortStatus.FILTERED, "no-response"),
    errno.EHOSTUNREACH: (PortStatus.FILTERED, "host-unreach"),
    errno.EHOSTDOWN: (PortStatus.FILTERED, "host-unreach"),
    errno.ENETUNREACH: (PortStatus.FILTERED, "net-unreach"),
    errno.ENETDOWN: (PortStatus.FILTERED, "net-unreach"),
    errno.ENOPROTOOPT: (PortStatus.FILTERED, "proto-unreach"),
    # ICMPv6 "administratively prohibited" (RFC 4443, 3.1), or a firewall on this machine.
    errno.EACCES: (PortStatus.FILTERED, "admin-prohibited"),
    errno.EPERM: (PortStatus.FILTERED, "admin-prohibited"),
}

#: Closing with this sends RST: no thousands of sockets in TIME_WAIT, here or there.
_NO_LINGER = struct.pack("ii", 1, 0)


def scan_by_connecting(
    asks: Sequence[Ask], gate: Gate, *, deadline: float, greetings: bool, share: float = 1.0
) -> Generator[Seen | Missed]:
    """Yields one answer for each ask, as soon as it is complete. Closing this closes every connection.

    ``deadline``: seconds from an ask's first connection to its last answer. With ``greetings`` an open port is
    listened to for a moment; nothing is ever sent. ``share``: the part of the gate's rates that this may take.
    """
    with contextlib.closing(_Scan(gate, deadline=deadline, greetings=greetings, share=share)) as scan:
        waiting = deque(asks)
        while waiting or not scan.is_idle():
            while waiting and scan.has_room(waiting[0]):
                scan.begin(waiting.popleft())
            if not scan.is_idle():
                scan.step()
            yield from scan.take_done()


def identity_of(port: int, greeting: bytes) -> ServiceIdentity | None:
    """Who answers, by what it said first; where that tells nothing, by the number of its port alone.

    None where it said nothing and the number is nobody's.
    """
    text = greeting.decode("utf-8", "replace").strip("\r\n\0 ")[:GREETING]
    # RFC 4253, section 4.2: SSH-protoversion-softwareversion SP comments. The software's own version, where
    # there is one, follows an underscore or a hyphen: OpenSSH_9.2p1, dropbear_2022.83, Cisco-1.25.
    if ssh := re.match(r"SSH-(?:1\.\d+|2\.0)-([A-Za-z][A-Za-z.]*)(?:[_-](\S+))?(?: (.*))?", text):
        product, version, comment = (part or "" for part in ssh.groups())
        return ServiceIdentity(
            name="ssh", how="banner", confidence=10, product=product, version=version, extra=comment
        )
    name = next((name for pattern, name in _GREETINGS if pattern.match(text)), None)
    if _TELNET.match(greeting):
        # Options in bytes, nothing to read.
        name, text = "telnet", ""
    if name is None:
        usual = name_of(port)
        known = usual or text
        return (
            ServiceIdentity(name=usual or "unknown", how="port", confidence=3, extra=text) if known else None
        )
    return ServiceIdentity(name=name, how="banner", confidence=8, extra=text)


#: How the servers that speak first begin.
_GREETINGS = tuple(
    (re.compile(pattern, re.IGNORECASE), name)
    for pattern, name in (
        (r"SSH-", "ssh"),
        (r"220[ -].*\bE?SMTP\b", "smtp"),  # RFC 5321, 4.3.1
        (r"220[ -].*\bFTP", "ftp"),  # RFC 959, 5.4
        (r"220[ -].*(FileZilla|ProFTPD|Pure-FTPd|vsFTPd)", "ftp"),
        (r"\+OK ", "pop3"),  # RFC 1939, 4
        (r"\* (OK|PREAUTH|BYE) ", "imap"),  # RFC 9051, 7.1
        (r"20[01] .*\b(NNTP|InterNetNews|news)", "nntp"),  # RFC 3977, 5.1
        (r"RFB \d{3}\.\d{3}", "vnc"),  # RFC 6143, 7.1.1
        (r"@RSYNCD: ", "rsync"),
        (
            r".{0,3}\x00?\x0a[0-9]+\.[0-9]+\.[0-9]+[^\x00]*\x00",
            "mysql",
        ),  # protocol 10: length, sequence, 10, version
    )
)

#: RFC 854: IAC, then WILL, WON'T, DO or DON'T.
_TELNET = re.compile(rb"\xff[\xfb-\xfe]")


# --- One host ---------------------------------------------------------------------------------------------


@dataclass(eq=False, slots=True)
class _Host:
    ask: Ask
    family: int
    #: What connect() wants of this address after its port.
    scope: tuple[int, ...]
    peer: str
    began: float
    ends: float
    #: Ports, and how often each was tried.
    untried: deque[tuple[int, int]]
    #: When it may be connected to next.
    turn: float
    open_sockets: int = 0
    ports: dict[int, tuple[PortStatus, str]] = field(default_factory=dict)
    #: Of each open port.
    identities: dict[int, ServiceIdentity | None] = field(default_factory=dict)
    failures: int = 0
    failure: str = ""

    def sockaddr(self, port: int) -> tuple[str | int, ...]:
        return (self.peer, port, *self.scope)

    def is_complete(self) -> bool:
        return not self.untried and not self.open_sockets

    def answer(self) -> Seen | Missed:
        listed = [
            PortState(
                transport=TRANSPORT,
                port=port,
                status=PortStatus.OPEN,
                why=self.ports[port][1],
                identity=identity,
            )
            for port, identity in self.identities.items()
        ]
        groups: dict[tuple[PortStatus, str], set[int]] = defaultdict(set)
        for port, said in self.ports.items():
            if port not in self.identities:
                groups[said].add(port)
        return answer(
            self.ask,
            method="connect",
            listed=listed,
            groups=[(frozenset(ports), status, why) for (status, why), ports in groups.items()],
            volatile={"elapsed": f"{time.monotonic() - self.began:.1f}"},
        )


@dataclass(eq=False, slots=True)
class _Attempt:
    """One connection: first it is being made, then, if it is open, listened to."""

    host: _Host
    port: int
    tried: int
    socket: socket.socket
    ends: float
    is_open: bool = False
    greeting: bytes = b""


# --- All of them ------------------------------------------------------------------------------------------


class _Scan:
    def __init__(self, gate: Gate, *, deadline: float, greetings: bool, share: float) -> None:
        # The gate is asked once for each address, not once for each port; in between, we keep its rates ourselves.
        self._gate = gate
        whole, per_host = rates(gate, share)
        self._interval = 1 / whole
        self._host_interval = 1 / per_host
        self._deadline = deadline
        self._greetings = greetings
        self._window = _sockets_allowed()
        self._turn = 0.0
        self._hosts: deque[_Host] = deque()
        self._attempts: set[_Attempt] = set()
        # With a counter, because two attempts may end at the same instant and have no order of their own.
        self._ends: list[tuple[float, int, _Attempt]] = []
        self._count = itertools.count()
        self._done: list[Seen | Missed] = []
        self._selector = selectors.DefaultSelector()

    def close(self) -> None:
        for attempt in list(self._attempts):
            self._drop(attempt)
        self._selector.close()

    def has_room(self, ask: Ask) -> bool:
        """Whether it could be finished in time with those at work, even if no port of theirs answers."""
        ports = len(ask.ports) + sum(len(host.untried) + host.open_sockets for host in self._hosts)
        by_rate = len(PATIENCE) * ports * self._interval
        by_sockets = sum(PATIENCE) * ports / self._window
        return not self._hosts or max(by_rate, by_sockets) < PLANNED * self._deadline

    def is_idle(self) -> bool:
        return not self._hosts

    def take_done(self) -> list[Seen | Missed]:
        done, self._done = self._done, []
        return done

    def begin(self, ask: Ask) -> None:
        """Takes up one more address, if the gate admits it."""
        least = len(ask.ports) * max(self._interval, self._host_interval)
        if least > self._deadline:
            self._done.append(Missed(ask, Reason.NOT_ATTEMPTED, too_many(ask, least, self._deadline)))
            return
        try:
            self._gate.admit(
                ask.address,
                what="connect scan",
                ports=port_ranges(ask.ports),
                connections=len(ask.ports),
                paced=False,
            )
        except Refused as refused:
            self._done.append(Missed(ask, refused.refusal.reason, refused.refusal.detail))
            return
        now = time.monotonic()
        [(family, _kind, _protocol, _name, (peer, _port, *scope)), *_rest] = socket.getaddrinfo(
            ask.address, 0, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )
        untried = deque((port, 0) for port in sorted(ask.ports))
        self._hosts.append(
            _Host(
                ask,
                family,
                scope=tuple(int(part) for part in scope),
                peer=str(peer),
                began=now,
                ends=now + self._deadline,
                untried=untried,
                turn=now,
            )
        )

    def step(self) -> None:
        """Begins what may be begun, waits for what comes first, and takes note of it."""
        next_turn = self._begin()
        now = time.monotonic()
        waits = [host.ends for host in self._hosts]
        if self._ends:
            waits.append(self._ends[0][0])
        if next_turn is not None:
            waits.append(next_turn)
        if any(host.is_complete() for host in self._hosts):
            # All it was asked was refused at once: there is nothing to wait for.
            waits.append(now)
        for key, _ in self._selector.select(max(0.0, min(waits, default=now) - now)):
            self._heed(key.data)
        now = time.monotonic()
        while self._ends and self._ends[0][0] <= now:
            attempt = heapq.heappop(self._ends)[2]
            if attempt in self._attempts:
                self._expire(attempt)
        for host in list(self._hosts):
            self._settle(host, now)

    # --- Connecting ---------------------------------------------------------------------------------------

    def _begin(self) -> float | None:
        """Begins connections until the rates or the sockets are used up; gives the next turn, if one is due."""
        now = time.monotonic()
        # A hundredth of a second's worth may be caught up on: no clock wakes us more exactly.
        self._turn = max(self._turn, now - 0.01)
        asleep = 0
        while len(self._attempts) < self._window and asleep < len(self._hosts):
            if self._turn > now:
                break
            host = self._hosts[0]
            # Round and round: no host has all the rate while another waits.
            self._hosts.rotate(-1)
            if host.turn > now or not host.untried:
                asleep += 1
                continue
            asleep = 0
            self._turn += self._interval
            host.turn = max(host.turn, now - 0.01) + self._host_interval
            self._connect(host, *host.untried.popleft())
        if len(self._attempts) >= self._window:
            return None
        turns = [host.turn for host in self._hosts if host.untried]
        return max(min(turns), self._turn) if turns else None

    def _connect(self, host: _Host, port: int, tried: int) -> None:
        try:
            connection = socket.socket(host.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError as error:
            # No more open files than there are: make do with them.
            self._window = max(1, min(self._window, len(self._attempts)))
            self._fail(host, port, tried, error.errno or 0)
            return
        code = connection.connect_ex(host.sockaddr(port))
        if code == errno.EINPROGRESS:
            # Who is near (this machine above all) has refused by now. Asking costs a tenth of having epoll wait for it.
            code = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or code
        attempt = _Attempt(host, port, tried, connection, time.monotonic() + PATIENCE[tried])
        if code not in (errno.EINPROGRESS, errno.EINTR):
            self._conclude(attempt, code)
            return
        self._watch(attempt, selectors.EVENT_WRITE)

    def _watch(self, attempt: _Attempt, event: int) -> None:
        if attempt not in self._attempts:
            self._attempts.add(attempt)
            attempt.host.open_sockets += 1
            self._selector.register(attempt.socket, event, attempt)
        else:
            self._selector.modify(attempt.socket, event, attempt)
        heapq.heappush(self._ends, (attempt.ends, next(self._count), attempt))

    def _drop(self, attempt: _Attempt) -> None:
        if attempt in self._attempts:
            self._attempts.discard(attempt)
            attempt.host.open_sockets -= 1
            self._selector.unregister(attempt.socket)
        attempt.socket.close()

    # --- What comes of it ---------------------------------------------------------------------------------

    def _heed(self, attempt: _Attempt) -> None:
        if attempt.is_open:
            self._listen(attempt)
        else:
            self._conclude(attempt, attempt.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def _conclude(self, attempt: _Attempt, code: int) -> None:
        """Connecting has ended in ``code``."""
        host, port = attempt.host, attempt.port
        if code not in _ANSWERS:
            # EADDRNOTAVAIL, EMFILE, ENOBUFS, EINVAL, ...: this machine's trouble, which says nothing of the port.
            self._drop(attempt)
            self._fail(host, port, attempt.tried, code)
            return
        host.failures = 0
        status, why = _ANSWERS[code]
        if status is PortStatus.OPEN and is_own_reflection(attempt.socket):
            status, why = PortStatus.CLOSED, "conn-refused"
        if status is PortStatus.OPEN:
            attempt.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            host.ports[port] = (status, why)
            if self._greetings:
                attempt.is_open, attempt.ends = True, time.monotonic() + LONGEST_GREETING
                self._watch(attempt, selectors.EVENT_READ)
                return
            host.identities[port] = identity_of(port, b"")
        elif status is PortStatus.FILTERED and attempt.tried + 1 < len(PATIENCE):
            host.untried.append((port, attempt.tried + 1))
        else:
            host.ports[port] = (status, why)
        self._drop(attempt)

    def _listen(self, attempt: _Attempt) -> None:
        try:
            more = attempt.socket.recv(GREETING - len(attempt.greeting))
        except BlockingIOError:
            return
        except OSError:  # reset: it was open all the same
            more = b""
        attempt.greeting += more
        if not more or b"\n" in more or len(attempt.greeting) >= GREETING:
            self._hear_out(attempt)

    def _hear_out(self, attempt: _Attempt) -> None:
        attempt.host.identities[attempt.port] = identity_of(attempt.port, attempt.greeting)
        self._drop(attempt)

    def _expire(self, attempt: _Attempt) -> None:
        if attempt.ends > time.monotonic():
            return  # an end from before it was open
        if attempt.is_open:
            self._hear_out(attempt)
        else:
            self._conclude(attempt, errno.ETIMEDOUT)

    def _fail(self, host: _Host, port: int, tried: int, code: int) -> None:
        host.untried.appendleft((port, tried))
        host.failures += 1
        host.failure = os.strerror(code)
        host.turn = time.monotonic() + PAUSE

    def _settle(self, host: _Host, now: float) -> None:
        """Hands over a host that is complete, and one that can't be any more."""
        ask = host.ask
        if host.is_complete():
            self._done.append(host.answer())
        elif host.failures > MOST_FAILURES:
            detail = f"no connection to {ask.address} can be made from here: {host.failure}"
            self._done.append(Missed(ask, Reason.UNREACHABLE, detail))
        elif now >= host.ends:
            detail = (
                f"after {self._deadline:g} s {len(host.ports)} of {len(ask.ports)} ports had been asked"
                f"{f', last failure here: {host.failure}' if host.failure else ''}"
            )
            self._done.append(Missed(ask, Reason.TIMED_OUT, detail))
        else:
            return
        for attempt in [attempt for attempt in self._attempts if attempt.host is host]:
            self._drop(attempt)
        self._hosts.remove(host)


def is_own_reflection(connection: socket.socket) -> bool:
    """Whether a connection to an address of this machine met itself: its own port happened to be the one it tried.

    Two SYNs that cross make a connection (RFC 9293, 3.5), also where both are the same one.
    """
    try:
        return bool(connection.getsockname() == connection.getpeername())
    except OSError:
        return False


def _sockets_allowed() -> int:
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed == resource.RLIM_INFINITY:
        return MOST_AT_ONCE
    used = sum(1 for _ in Path("/proc/self/fd").iterdir())
    return max(1, min(MOST_AT_ONCE, allowed - used - SPARE_FILES))
