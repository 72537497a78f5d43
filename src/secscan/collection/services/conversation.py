"""A few bytes to a port and a few back: bounded in time and in bytes, through the gate."""

import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from secscan.model import Reason
from secscan.scope import Gate

#: What is read of any answer. The longest that is waited for whole is the root page of a search engine, 600 bytes.
MOST_BYTES = 16 * 1024


class Unanswered(Exception):  # noqa: N818 - a state of the other side, not an error of anybody's
    """No answer came, or not the whole of one; ``data`` is what did come."""

    def __init__(self, reason: Reason, detail: str, data: bytes = b"", *, hung_up: bool = False) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.data = data
        #: It took the question, and ended the connection over it.
        self.hung_up = hung_up


@dataclass(frozen=True, slots=True)
class Place:
    """Where to say something, on whose behalf, and how long that may take: ``timeout`` seconds a connection."""

    address: str
    port: int
    name: str = ""
    tls: bool = False
    timeout: float = 4.0


class Conversation:
    """One connection. All that is read of it ends at one deadline."""

    def __init__(self, connection: socket.socket, timeout: float) -> None:
        self._socket = connection
        self._until = time.monotonic() + timeout
        self._left = MOST_BYTES

    def say(self, message: bytes) -> None:
        """Raises Unanswered."""
        try:
            self._socket.settimeout(self._patience())
            self._socket.sendall(message)
        except OSError as error:
            raise _unanswered(error, b"") from None

    def hear(self, is_whole: Callable[[bytes], bool]) -> bytes:
        """What comes until ``is_whole`` says so. Raises Unanswered where it ends before, or goes on for too long."""
        data = b""
        while not is_whole(data):
            if self._left <= 0:
                raise Unanswered(Reason.MALFORMED, f"it says more than {MOST_BYTES} bytes", data)
            try:
                self._socket.settimeout(self._patience())
                more = self._socket.recv(min(4096, self._left))
            except OSError as error:
                raise _unanswered(error, data) from None
            if not more:
                what = "it closed the connection" + (" in the middle of its answer" if data else "")
                raise Unanswered(Reason.UNREADABLE, what, data, hung_up=True)
            data += more
            self._left -= len(more)
        return data

    def _patience(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


@contextlib.contextmanager
def conversing(place: Place, gate: Gate, *, what: str) -> Iterator[Conversation]:
    """A connection for a conversation; ``what`` names it in the log of probes. Raises Refused and Unanswered."""
    with contextlib.ExitStack() as stack:
        try:
            plain = gate.connect(place.address, place.port, what=what, timeout=place.timeout, name=place.name)
            connection = stack.enter_context(plain)
            if place.tls:
                # Who the server is has been judged by its certificate elsewhere; here nothing secret is said.
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
                name = place.name or None
                connection = stack.enter_context(context.wrap_socket(connection, server_hostname=name))
        except (OSError, ValueError) as error:
            raise _unanswered(error, b"") from None
        yield Conversation(connection, place.timeout)


def _unanswered(error: Exception, data: bytes) -> Unanswered:
    match error:
        case TimeoutError():
            return Unanswered(Reason.TIMED_OUT, "it did not answer in time", data)
        case ConnectionRefusedError():
            return Unanswered(Reason.REFUSED, "it refused the connection", data)
        case ConnectionError():
            return Unanswered(Reason.UNREADABLE, "it reset the connection", data, hung_up=True)
        case ssl.SSLError():
            return Unanswered(
                Reason.UNREADABLE, f"no TLS connection came about ({error.reason or 'TLS'})", data
            )
    return Unanswered(Reason.UNREACHABLE, f"it can't be reached: {error}"[:200], data)
