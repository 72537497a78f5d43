"""One connection: a hello, what comes of it, and nothing that takes longer or more than it may."""

import asyncio
import contextlib
import enum
import socket
from collections.abc import Callable
from dataclasses import dataclass

from secscan.collection.sweep.wire.code_points import Alert
from secscan.collection.sweep.wire.message import Ssl2Hello, WireError, read_ssl2_hello
from secscan.collection.sweep.wire.record import Flight, NotTls

#: What is read from a socket at once.
_PIECE = 64 * 1024


class End(enum.Enum):
    """How a conversation ended."""

    #: What was waited for came.
    ANSWERED = enum.auto()
    #: A fatal alert, or a warning with which the server closed.
    ALERT = enum.auto()
    #: It closed or reset the connection, or did not take it.
    CLOSED = enum.auto()
    #: It said nothing in time, or not enough.
    SILENT = enum.auto()
    #: It said what no TLS server may say.
    GARBLED = enum.auto()
    #: It speaks something else.
    NOT_TLS = enum.auto()


class Need(enum.Enum):
    """What is waited for: the ServerHello, or all that comes with it in the clear."""

    HELLO = enum.auto()
    FLIGHT = enum.auto()


@dataclass(slots=True)
class Heard:
    """How it ended, in words too, and what had been said until then."""

    end: End
    flight: Flight
    words: str = ""
    ssl2: Ssl2Hello | None = None
    #: The connection was not even taken.
    unconnected: bool = False


class Line:
    """A connected socket that does not block, read and written within one limit of time and bytes."""

    __slots__ = ("_loop", "_most", "_number", "_socket", "_until", "heard", "late")

    def __init__(self, connection: socket.socket, *, until: float, most_bytes: int) -> None:
        """``until``: by the event loop's clock."""
        self._socket = connection
        # The selector is quicker with numbers: for a socket it does not know it makes up a text that nobody reads.
        self._number = connection.fileno()
        self._loop = asyncio.get_running_loop()
        self._until = until
        self._most = most_bytes
        self.heard = 0
        self.late = False

    def close(self) -> None:
        self._socket.close()

    def give_until(self, until: float) -> None:
        """From now on, waits until this instant of the event loop's clock."""
        self._until = until
        self.late = False

    async def send(self, data: bytes) -> None:
        """Raises OSError, and TimeoutError among them."""
        view = memoryview(data)
        while view:
            try:
                view = view[self._socket.send(view) :]
            except BlockingIOError:
                await self._wait(self._loop.add_writer, self._loop.remove_writer)

    async def receive(self) -> bytes:
        """What is there, or comes; empty at its end. Raises OSError, and TimeoutError when it takes too long."""
        while True:
            try:
                data = self._socket.recv(_PIECE)
            except BlockingIOError:
                await self._wait(self._loop.add_reader, self._loop.remove_reader)
                continue
            self.heard += len(data)
            if self.heard > self._most:
                raise TimeoutError(f"more than {self._most} bytes")
            if self._loop.time() > self._until and data:
                # Who drips without pause is never caught waiting.
                raise TimeoutError
            return data

    async def _wait(self, add: Callable[..., object], remove: Callable[..., object]) -> None:
        ready: asyncio.Future[bool] = self._loop.create_future()
        add(self._number, _settle, ready, True)
        alarm = self._loop.call_at(self._until, _settle, ready, False)
        try:
            if not await ready:
                raise TimeoutError
        finally:
            alarm.cancel()
            remove(self._number)


def _settle(future: "asyncio.Future[bool]", value: bool) -> None:
    if not future.done():
        future.set_result(value)


async def say_hello(line: Line, hello: bytes, need: Need, flight: Flight | None = None) -> Heard:
    """Sends a hello and listens until what is needed has come, or nothing more will."""
    flight = Flight() if flight is None else flight
    try:
        await line.send(hello)
        while not _enough(flight, need):
            data = await line.receive()
            if not data:
                return _closed(flight, "closed the connection")
            flight.feed(data)
            if flight.alert is not None:
                return Heard(End.ALERT, flight, f"it answered with the alert {_alert_words(flight.alert)}")
    except NotTls:
        return Heard(End.NOT_TLS, flight, "it answered with what is no TLS")
    except WireError as error:
        return Heard(End.GARBLED, flight, f"it said what no TLS server may say: {error}")
    except TimeoutError as error:
        return Heard(End.SILENT, flight, f"it sent {error}" if str(error) else "it did not answer in time")
    except OSError:
        return _closed(flight, "reset the connection")
    return Heard(End.ANSWERED, flight)


def _enough(flight: Flight, need: Need) -> bool:
    return flight.done or (need is Need.HELLO and flight.hello is not None)


def _closed(flight: Flight, how: str) -> Heard:
    # Some servers send their refusal as a warning before they close; close_notify says nothing but that they do, and
    # unrecognized_name is often said by servers that go on (RFC 6066, section 3).
    telling = [w for w in flight.warnings if w not in (Alert.CLOSE_NOTIFY, Alert.UNRECOGNIZED_NAME)]
    if telling and flight.hello is None:
        flight.alert = telling[-1]
        return Heard(End.ALERT, flight, f"it closed with the warning {_alert_words(telling[-1])}")
    return Heard(End.CLOSED, flight, f"it {how}")


def _alert_words(description: int) -> str:
    try:
        return Alert(description).name.lower()
    except ValueError:
        return str(description)


async def say_ssl2_hello(line: Line, hello: bytes) -> Heard:
    """As ``say_hello``, in SSL 2.0. A server without it may answer with an alert of TLS, or in any other way."""
    heard = b""
    flight = Flight()
    try:
        await line.send(hello)
        while True:
            data = await line.receive()
            if not data:
                return _closed(flight, "closed the connection")
            heard += data
            if heard[:1] >= b"\x80":
                found = read_ssl2_hello(heard)
                if found is not None:
                    return Heard(End.ANSWERED, flight, ssl2=found)
            else:
                flight.feed(data)
                if flight.alert is not None:
                    return Heard(
                        End.ALERT, flight, f"it answered with the alert {_alert_words(flight.alert)}"
                    )
    except WireError:
        # What is no answer in SSL 2.0 is an answer all the same: an error message of it too.
        return Heard(End.GARBLED, flight, "it gave no answer in SSL 2.0")
    except TimeoutError:
        return Heard(End.SILENT, flight, "it did not answer in time")
    except OSError:
        return _closed(flight, "reset the connection")


async def provoke(line: Line, flight: Flight, message: bytes, *, until: float) -> bool:
    """Sends what no client should, and listens for an alert, a heartbeat, the end, or until the instant ``until``.

    What comes is in ``flight``; ``line.late`` says that the time ran out. True: it closed in good order, without alert.
    """
    line.give_until(until)
    with contextlib.suppress(WireError):
        try:
            await line.send(message)
            while flight.alert is None:
                data = await line.receive()
                if not data:
                    return True
                flight.feed(data)
        except TimeoutError:
            line.late = True
        except OSError:
            pass
    return False
