"""The gate: every connection to a host is judged, paced and written down here before it is made."""

import asyncio
import contextlib
import errno
import os
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from secscan.model import Reason
from secscan.scope.address import canonical_address
from secscan.scope.contract import Refusal, Scope, judge_address, judge_name
from secscan.scope.log import ProbeLog
from secscan.scope.name import canonical_name
from secscan.scope.pace import Pace
from secscan.toml_source import shown_value

#: A name with more addresses than this serves a content network, not a host. It is refused: a part of them would
#: be another part at every look, and those left out would count as seen.
MAX_ADDRESSES = 64

#: Name -> addresses, in any spelling. Raises OSError where the name has none.
Lookup = Callable[[str], list[str]]


class Refused(Exception):  # noqa: N818 - an answer of the gate, not an error of anybody's
    """A probe that is not made, or a name that leads nowhere."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal)
        self.refusal = refusal

    def __str__(self) -> str:
        return self.refusal.detail


def utc_now() -> datetime:
    return datetime.now(UTC)


def look_up(name: str) -> list[str]:
    """What the system's resolver says: /etc/hosts, DNS, whatever it is set up to ask."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for _family, _type, _protocol, _canonical, sockaddr in found]


def _nothing() -> None:
    return None


class Gate:
    """What a collector sees hosts through. Threads may share it; each process has its own.

    ``share`` is this process's part of the rate for all; the rate per host is whole, because one process sees
    to a host. Raises ValueError where ``share`` is not above 0 and at most 1.
    """

    def __init__(
        self,
        scope: Scope,
        log: ProbeLog,
        *,
        clock: Callable[[], datetime] = utc_now,
        share: Fraction = Fraction(1),
        lookup: Lookup = look_up,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not 0 < share <= 1:
            raise ValueError(f"a share of the rates must be above 0 and at most 1, not {share}")
        self.scope = scope
        self._log = log
        self._clock = clock
        self._lookup = lookup
        self._rate = scope.rates.connections_per_second * share
        self._pace = Pace(float(self._rate), scope.rates.per_host, monotonic=monotonic, sleep=sleep)

    @property
    def packets_per_second(self) -> int:
        """This process's part of the rate for all, for a tool that paces itself (nmap's ``--max-rate``)."""
        return max(1, int(self._rate))

    @property
    def packets_per_second_per_host(self) -> int:
        return self.scope.rates.per_host

    def permits(self, address: str, *, name: str = "") -> Refusal | None:
        """What ``admit`` would say now, without waiting and without a line in the log."""
        return judge_address(self.scope, address, name=name, at=self._clock())

    def admit(
        self,
        address: str,
        *,
        what: str,
        ports: str,
        name: str = "",
        connections: int = 1,
        paced: bool = True,
    ) -> None:
        """Lets ``connections`` to ``ports`` of ``address`` through, on behalf of ``name``, when it is their turn.

        ``what`` names the probe in the log. ``paced`` is False where the caller's tool keeps
        ``packets_per_second`` itself: there is no waiting then. What is connected to must be the canonical
        spelling of ``address``. Raises Refused, and ProbeLogError where the log can't be written.
        """
        refusal = self.permits(address, name=name)
        if refusal is None and paced and self._pace.wait(_plain(address), connections):
            # The window may have closed, or the scope expired, while it waited.
            refusal = self.permits(address, name=name)
        self._settle(refusal, address, what=what, ports=ports, name=name, connections=connections)

    def _settle(
        self, refusal: Refusal | None, address: str, *, what: str, ports: str, name: str, connections: int
    ) -> None:
        self._log.write(
            self._clock(),
            what=what,
            address=_plain(address),
            name=name,
            ports=ports,
            connections=connections,
            refusal=refusal,
        )
        if refusal is not None:
            raise Refused(refusal)

    def connect(self, address: str, port: int, *, what: str, timeout: float, name: str = "") -> socket.socket:
        """A TCP connection to what ``address`` stands for; ``timeout`` in seconds, also of the socket returned.

        Raises Refused, ProbeLogError, or the OSError that connecting ended in.
        """
        self.admit(address, what=what, ports=str(port), name=name)
        connection, peer = _socket_for(address, port)
        try:
            connection.settimeout(timeout)
            connection.connect(peer)
        except BaseException:
            connection.close()
            raise
        return connection

    async def connect_async(
        self,
        address: str,
        port: int,
        *,
        what: str,
        timeout: float,
        name: str = "",
        admitted: Callable[[], None] = _nothing,
    ) -> socket.socket:
        """As ``connect``, for asyncio: while it waits for its turn, or for the host, others go on.

        The socket returned does not block; ``timeout`` is for connecting. ``admitted`` is called when the turn has
        come, just before connecting. Raises Refused, ProbeLogError, or the OSError that connecting ended in.
        """
        refusal = self.permits(address, name=name)
        if refusal is None:
            host = _plain(address)
            waited = False
            while (delay := self._pace.take(host)) > 0:
                waited = True
                await asyncio.sleep(delay)
            if waited:
                # The window may have closed, or the scope expired, while it waited.
                refusal = self.permits(address, name=name)
        self._settle(refusal, address, what=what, ports=str(port), name=name, connections=1)
        admitted()
        connection, peer = _socket_for(address, port)
        try:
            connection.setblocking(False)
            await _connected(connection, peer, timeout)
        except BaseException:
            connection.close()
            raise
        return connection

    def resolve(self, name: str, *, timeout: float) -> tuple[str, ...]:
        """The addresses of a name: canonical, sorted, at most 64; an address is its own.

        They are not judged here but when they are connected to. Raises Refused: OUT_OF_SCOPE for a name that
        the scope leaves out, NOT_RESOLVED where there is no answer within ``timeout`` seconds, or more than 64.
        """
        try:
            return (canonical_address(name),)
        except ValueError:
            refusal = judge_name(self.scope, name)
        if refusal is not None:
            self._log.write(
                self._clock(),
                what="resolve",
                address="",
                name=name,
                ports="",
                connections=0,
                refusal=refusal,
            )
            raise Refused(refusal)
        return resolve_addresses(name, timeout=timeout, lookup=self._lookup)


def resolve_addresses(name: str, *, timeout: float, lookup: Lookup = look_up) -> tuple[str, ...]:
    """The addresses of a name, or of an address, before there is a scope to judge by: for ``audit``.

    Canonical, sorted (IPv4 and IPv6 apart, as text), at most 64. Raises Refused(NOT_RESOLVED), and
    nothing else on account of what the resolver says.
    """
    try:
        return (canonical_address(name),)
    except ValueError:
        pass
    try:
        canonical = canonical_name(name)
    except ValueError as error:
        raise _not_resolved(str(error)) from error
    # getaddrinfo() can be neither cancelled nor given a time limit. A thread that hangs ends with the
    # resolver's own patience (some 30 s), and as a daemon holds up nobody's exit.
    answers: queue.SimpleQueue[list[str] | OSError | UnicodeError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(lookup(canonical))
        except (OSError, UnicodeError) as error:
            answers.put(error)

    threading.Thread(target=ask, name=f"look up {canonical}", daemon=True).start()
    try:
        answer = answers.get(timeout=timeout)
    except queue.Empty:
        raise _not_resolved(f"the name {canonical} was not resolved within {timeout:g} s") from None
    if isinstance(answer, Exception):
        why = answer.strerror if isinstance(answer, OSError) and answer.strerror else str(answer)
        raise _not_resolved(f"the name {canonical} can't be resolved: {why}") from answer
    addresses = sorted(_readable(answer))
    if not addresses:
        raise _not_resolved(f"the name {canonical} has no address")
    if len(addresses) > MAX_ADDRESSES:
        detail = f"the name {canonical} has {len(addresses)} addresses; up to {MAX_ADDRESSES} are looked at"
        raise _not_resolved(detail)
    return tuple(addresses)


def _socket_for(address: str, port: int) -> tuple[socket.socket, Any]:
    """A socket for what ``address`` stands for, and what it is to be connected to."""
    # AI_NUMERICHOST: an address that passed is never taken for a name and looked up again. It also turns
    # the zone of a link-local address into the number of its interface.
    [(family, kind, protocol, _canonical, peer), *_rest] = socket.getaddrinfo(
        canonical_address(address), port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
    )
    return socket.socket(family, kind, protocol), peer


async def _connected(connection: socket.socket, peer: Any, timeout: float) -> None:
    """Connects a socket that does not block. asyncio's own sock_connect() has no limit of time, and takes a task more
    to be given one.
    """
    state = connection.connect_ex(peer)
    if state == 0:
        return
    if state != errno.EINPROGRESS:
        raise OSError(state, os.strerror(state))
    loop = asyncio.get_running_loop()
    settled: asyncio.Future[None] = loop.create_future()

    def settle() -> None:
        if not settled.done():
            settled.set_result(None)

    loop.add_writer(connection.fileno(), settle)
    alarm = loop.call_later(timeout, settle)
    try:
        await settled
    finally:
        alarm.cancel()
        loop.remove_writer(connection.fileno())
    try:
        connection.getpeername()
    except OSError:
        state = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or errno.ETIMEDOUT
        raise OSError(state, os.strerror(state)) from None


def _readable(answers: Iterable[str]) -> set[str]:
    """The answers that are addresses. Some resolvers add what is none, such as a zone that no interface can have."""
    addresses = set()
    for answer in answers:
        with contextlib.suppress(ValueError):
            addresses.add(canonical_address(answer))
    return addresses


def _not_resolved(detail: str) -> Refused:
    return Refused(Refusal(Reason.NOT_RESOLVED, detail))


def _plain(address: str) -> str:
    try:
        return canonical_address(address)
    except ValueError:
        return shown_value(address)
