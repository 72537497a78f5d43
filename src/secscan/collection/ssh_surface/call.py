"""One connection to an SSH server, in plain: bounded in bytes and in time, whatever the server does."""

import contextlib
import socket
import time
from collections.abc import Container

from secscan.collection.ssh_surface.sealing import Seal, Unsealed
from secscan.collection.ssh_surface.wire import (
    DEBUG,
    DISCONNECT,
    IGNORE,
    UNIMPLEMENTED,
    Identification,
    Malformed,
    read_disconnect,
    read_identification,
)
from secscan.facts import Gap
from secscan.model import Reason

#: Bytes read off one connection: what may come before the identification, and a few packets.
MOST_BYTES = 128 * 1024

#: Packets that say nothing before the one that counts.
_MOST_IGNORED = 16

#: What OpenSSH says in place of its identification to one connection too many (sshd_config(5), MaxStartups), and to
#: clients it is cross with (PerSourcePenalties).
_TURNED_AWAY = (b"Exceeded MaxStartups", b"Not allowed at this time")

#: We say only what we are. Versions of ours are nobody's business.
_OUR_LINE = b"SSH-2.0-secscan"


class Ended(Exception):  # noqa: N818 - what came of a connection, not an error of anybody's
    """The connection gave no more; the gap says why."""

    def __init__(self, gap: Gap) -> None:
        super().__init__(gap.detail)
        self.gap = gap


class NoSsh(Exception):  # noqa: N818 - what answered, not an error of anybody's
    """What answered did not identify itself as SSH: ``heard`` says what it said instead, "" where that is nothing."""

    def __init__(self, gap: Gap, heard: str = "") -> None:
        super().__init__(gap.detail)
        self.gap = gap
        self.heard = heard


class Call:
    """A connection on which both sides have identified themselves. Raises NoSsh, or Ended, in time."""

    our_line = _OUR_LINE

    def __init__(self, connection: socket.socket, patience: float, first_patience: float) -> None:
        """``patience``: seconds for all there is to hear on this connection, ``first_patience`` for its beginning."""
        self._connection = connection
        began = time.monotonic()
        self._patience = first_patience
        self._until = began + first_patience
        self._left = MOST_BYTES
        self._heard = b""
        self._ours: Seal = Unsealed()
        self._theirs: Seal = Unsealed()
        # Packets of either side are counted from the first.
        self._said = self._packets = 0
        # Without a delay of ours: small messages must not wait for each other.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.identification = self._identify()
        self._patience = patience
        self._until = began + patience

    def say(self, payload: bytes) -> None:
        sealed = self._ours.seal(self._said, payload)
        self._said += 1
        self._connection.settimeout(max(0.01, self._until - time.monotonic()))
        # Where it hung up, what it said before is still to be heard.
        with contextlib.suppress(OSError):
            self._connection.sendall(sealed)

    def encrypt(self, ours: Seal, theirs: Seal) -> None:
        """From now on, in both directions."""
        self._ours, self._theirs = ours, theirs

    def hear(self, *numbers: int, besides: Container[int] = ()) -> bytes:
        """The payload of the next message, which must be of one of these numbers. Raises Ended or Malformed.

        Messages ``besides`` may come before, and those that never mean anything.
        """
        for _ in range(_MOST_IGNORED):
            payload = self._next_packet()
            if payload[0] in numbers:
                return payload
            if payload[0] == DISCONNECT:
                said = read_disconnect(payload)
                raise Ended(Gap(Reason.REFUSED, f"it hung up: {said!r}" if said else "it hung up"))
            if payload[0] not in (IGNORE, DEBUG, UNIMPLEMENTED) and payload[0] not in besides:
                raise Malformed(f"it sent message {payload[0]} where {numbers[0]} was due")
        raise Malformed("it sent one message after the other that says nothing")

    def _next_packet(self) -> bytes:
        while (read := self._theirs.open(self._packets, self._heard)) is None:
            self._receive()
        payload, self._heard = read
        self._packets += 1
        return payload

    def _identify(self) -> Identification:
        with contextlib.suppress(OSError):
            self._connection.sendall(_OUR_LINE + b"\r\n")
        silent = True
        try:
            identification, self._heard = read_identification(self._heard)
            while identification is None:
                self._receive()
                silent = False
                turned_away = next((said for said in _TURNED_AWAY if said in self._heard), None)
                if turned_away is not None:
                    raise Ended(Gap(Reason.RATE_LIMITED, "it takes no more connections from here now"))
                identification, self._heard = read_identification(self._heard)
        except Ended as e:
            if e.gap.reason is Reason.RATE_LIMITED:
                raise
            raise NoSsh(e.gap, "" if silent else "something that is no SSH") from e
        except Malformed as e:
            if self._heard.startswith(b"SSH-"):
                raise Ended(Gap(Reason.MALFORMED, str(e))) from e
            raise NoSsh(Gap(Reason.MALFORMED, str(e)), "something that is no SSH") from e
        return identification

    def _receive(self) -> None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise Ended(self._silence())
        if self._left <= 0:
            raise Ended(
                Gap(Reason.TARPIT, f"it sent over {MOST_BYTES // 1024} kB before any key was agreed on")
            )
        self._connection.settimeout(left)
        try:
            data = self._connection.recv(min(self._left, 65536))
        except TimeoutError as e:
            raise Ended(self._silence()) from e
        except OSError as e:
            raise Ended(Gap(Reason.REFUSED, "it reset the connection")) from e
        if not data:
            raise Ended(Gap(Reason.REFUSED, "it closed the connection"))
        self._left -= len(data)
        self._heard += data

    def _silence(self) -> Gap:
        said = "did not say all" if self._heard else "took the connection, and said nothing"
        return Gap(Reason.TIMED_OUT, f"it {said} within {self._patience:g} s")
