"""Asks one server question after question until each has an answer that can be believed, or a reason why it has none."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from secscan.collection.starttls import NAMES, NotOffered, NotSpoken, Offered, Outcome, begin
from secscan.collection.sweep.conversation import End, Heard, Line, Need, say_hello, say_ssl2_hello
from secscan.collection.sweep.settings import Depth, SweepSettings
from secscan.collection.sweep.wire.code_points import FALLBACK_SCSV, RENEGOTIATION_SCSV, TLS1_3, Alert
from secscan.collection.sweep.wire.hello import ClientHello, encode
from secscan.collection.sweep.wire.message import KeyExchange, ServerHello, Ssl2Hello
from secscan.collection.sweep.wire.record import Flight
from secscan.facts import Gap, Oddity
from secscan.model import Endpoint, Reason
from secscan.scope import Gate, canonical_address

#: Closing the connection is not taken for a refusal until it was done so often, each time with a hello that is known to
#: be answered being answered beside it: a lossy path or a loaded server closes connections too.
CLOSED_OFTEN_ENOUGH = 8

#: The same before any hello was answered: then it only means to go on to the next.
CLOSED_AT_FIRST = 3

#: Tries for the known hello to be answered, before the server is left in peace for a while.
CONTROL_TRIES = 4

#: Seconds of peace, one after the other, for a server that stopped answering what it answered before.
PEACE = (0.25, 0.5, 1.0, 2.0)

#: Hellos that met with silence before any was answered, after which the rest is left unasked.
SILENT_OFTEN_ENOUGH = 2

#: Alerts that may speak of the length or the form of a hello rather than of what it offers.
OF_FORM = frozenset(
    {Alert.DECODE_ERROR, Alert.ILLEGAL_PARAMETER, Alert.INTERNAL_ERROR, Alert.UNEXPECTED_MESSAGE}
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The server chose from what was offered. ``complete``: all that it says in the clear was read."""

    hello: ServerHello
    flight: Flight
    complete: bool

    @property
    def exchange(self) -> KeyExchange:
        return self.flight.key_exchange or KeyExchange()


@dataclass(frozen=True, slots=True)
class Declined:
    """It accepts nothing of what was offered. ``alert`` is None where it only ever closes the connection."""

    alert: int | None
    words: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """There is no telling."""

    gap: Gap


Answer: TypeAlias = Chosen | Declined | Unclear


class Stopwatch:
    """Seconds during which at least one conversation was under way: waiting for a turn at the gate costs nothing."""

    def __init__(self, seconds: float, now: Callable[[], float]) -> None:
        self._left = seconds
        self._now = now
        self._busy = 0
        self._since = 0.0

    @property
    def left(self) -> float:
        return self._left - (self._now() - self._since if self._busy else 0.0)

    def start(self) -> None:
        if not self._busy:
            self._since = self._now()
        self._busy += 1

    def stop(self) -> None:
        self._busy -= 1
        if not self._busy:
            self._left -= self._now() - self._since


@dataclass(slots=True)
class Server:
    """What is known of a server while it is being asked."""

    endpoint: Endpoint
    gate: Gate
    settings: SweepSettings
    server_name: str = ""
    starttls: str = ""
    connections: int = 0
    oddities: set[Oddity] = field(default_factory=set)
    #: A hello that was answered: whoever doubts the path sends it again.
    control: ClientHello | bytes | None = None
    #: Round trip and thinking, in seconds: how long the quickest answer took.
    quickest: float = 1.0
    silences: int = 0
    #: Why nothing more is asked.
    ended: Gap | None = None


class Asker:
    """Asks one server. Several tasks may ask at a time."""

    def __init__(self, server: Server, depth: Depth) -> None:
        self.server = server
        settings = server.settings
        self._loop = asyncio.get_running_loop()
        seconds = settings.deadline * (4 if depth is Depth.FULL else 1)
        self._watch = Stopwatch(seconds, self._loop.time)
        # Until a server has shown that it answers, it has the time of a hostile one.
        self._unheard_until = settings.deadline
        self._total = seconds
        self._slots = asyncio.Semaphore(settings.connections)
        self._slowed = False
        self._address = canonical_address(server.endpoint.address)

    # --- Answers ------------------------------------------------------------------------------------------

    async def ask(self, hello: ClientHello, *, need: Need = Need.HELLO, named: bool = True) -> Answer:
        """What the server makes of a hello, when it can be believed. Raises Refused and ProbeLogError."""
        closed = silent = garbled = cut = 0
        while True:
            heard = await self.say(hello, need=need, named=named)
            if heard is None:
                return Unclear(self._ended())
            chosen = heard.flight.hello
            if chosen is not None and heard.end is not End.NOT_TLS:
                cut += 1
                if need is Need.HELLO or heard.flight.done or cut >= (2 if heard.end is End.SILENT else 6):
                    return self.checked(hello, heard)
                continue
            match heard.end:
                case End.ALERT:
                    return Declined(heard.flight.alert, heard.words)
                case End.SILENT:
                    silent += 1
                    if silent == SILENT_OFTEN_ENOUGH or self.server.ended is not None:
                        if self.server.control is not None:
                            self.server.oddities.add(Oddity.SILENCE)
                        return Unclear(Gap(Reason.TIMED_OUT, heard.words))
                case End.NOT_TLS if self.server.control is None:
                    self.server.ended = Gap(Reason.MALFORMED, heard.words)
                    return Unclear(self.server.ended)
                case End.GARBLED | End.NOT_TLS:
                    garbled += 1
                    if garbled == 2:
                        return Unclear(Gap(Reason.MALFORMED, heard.words))
                case _:
                    closed += 1
                    unsure = await self._doubt(heard, closed)
                    if unsure is not None:
                        return unsure

    async def ask_ssl2(self, hello: bytes) -> Ssl2Hello | Declined | Unclear:
        """As ``ask``, in SSL 2.0: any answer at all that is none in SSL 2.0 declines."""
        closed = silent = 0
        while True:
            heard = await self.say(hello)
            if heard is None:
                return Unclear(self._ended())
            if heard.ssl2 is not None:
                return heard.ssl2
            if heard.end is End.CLOSED:
                closed += 1
                # Nearly everybody who never knew SSL 2.0 closes the connection in good order: that is an answer.
                # A reset is none until it is one every time.
                if "closed" in heard.words and closed >= 2:
                    return Declined(None, heard.words)
                unsure = await self._doubt(heard, closed)
                if unsure is not None:
                    return unsure
            elif heard.end is End.SILENT:
                silent += 1
                if silent == SILENT_OFTEN_ENOUGH:
                    return Unclear(Gap(Reason.TIMED_OUT, heard.words))
            else:
                return Declined(heard.flight.alert, heard.words)

    def checked(self, hello: ClientHello, heard: Heard) -> Answer:
        """A choice, unless it is none of what was offered."""
        flight = heard.flight
        chosen = flight.hello
        assert chosen is not None  # noqa: S101 - the caller looked
        newest = max(hello.newest, hello.version)
        if chosen.suite not in hello.suites or chosen.suite in (RENEGOTIATION_SCSV, FALLBACK_SCSV):
            return _contradicts(f"it chose the suite {chosen.suite:#06x}, which was not offered")
        if chosen.version > newest:
            return _contradicts(f"it chose the version {chosen.version:#06x}, which was not offered")
        if chosen.version == TLS1_3 and chosen.retry and chosen.group not in hello.groups:
            return _contradicts(f"it asked for the group {chosen.group:#06x}, which was not offered")
        return Chosen(chosen, flight, flight.done)

    async def _doubt(self, heard: Heard, closed: int) -> Declined | Unclear | None:
        """What a closed connection means: None where it has to be tried again."""
        server = self.server
        if server.control is None:
            return Declined(None, heard.words) if closed >= CLOSED_AT_FIRST else None
        for peace in (0.0, *PEACE):
            if peace:
                server.oddities.add(Oddity.RATE)
                self.slow_down()
                await self._rest(peace)
            for _ in range(CONTROL_TRIES):
                control = await self.say(server.control)
                if control is None:
                    return Unclear(self._ended())
                if control.flight.hello is not None or control.ssl2 is not None:
                    if closed >= CLOSED_OFTEN_ENOUGH:
                        words = f"{heard.words}, {closed} times, while it answered other hellos"
                        return Declined(None, words)
                    return None
                if control.end is End.ALERT:
                    return _contradicts("it refused a hello that it had answered before")
                server.oddities.add(Oddity.RESETS)
        return Unclear(Gap(Reason.RATE_LIMITED, "it stopped answering even what it had answered before"))

    # --- Connections --------------------------------------------------------------------------------------

    async def say(
        self, hello: ClientHello | bytes, *, need: Need = Need.HELLO, named: bool = True
    ) -> Heard | None:
        """One connection and one hello; bytes are a hello of SSL 2.0. None where there is no time left."""
        async with self.line() as line:
            if line is None:
                return None
            if isinstance(line, Heard):
                return line
            if isinstance(hello, bytes):
                heard = await say_ssl2_hello(line, hello)
                if heard.ssl2 is not None and self.server.control is None:
                    self.server.control = hello
                return heard
            return await self.say_over(line, hello, need=need, named=named)

    async def say_over(self, line: Line, hello: ClientHello, *, need: Need, named: bool = True) -> Heard:
        """Says a hello over a line that is there already."""
        server = self.server
        began = self._loop.time()
        heard = await say_hello(line, encode(hello, server.server_name if named else ""), need)
        if heard.flight.hello is not None:
            server.quickest = min(server.quickest, self._loop.time() - began)
            # A choice that can be relied on to be made again.
            if server.control is None and named and isinstance(self.checked(hello, heard), Chosen):
                server.control = hello
        elif heard.end is End.SILENT:
            server.silences += 1
            if server.control is None and server.silences >= SILENT_OFTEN_ENOUGH:
                words = f"it took {server.silences} TLS hellos, and answered none within {server.settings.patience:g} s"
                server.ended = Gap(Reason.TIMED_OUT, words)
        return heard

    @contextlib.asynccontextmanager
    async def line(self) -> AsyncIterator[Line | Heard | None]:
        """A line that is ready for TLS; Heard where it came to none, and None where there is no time left.

        Raises Refused and ProbeLogError.
        """
        server, settings = self.server, self.server.settings
        async with self._slots:
            if self.out_of_time():
                yield None
                return
            server.connections += 1
            started = False

            def admitted() -> None:
                nonlocal started
                started = True
                self._watch.start()

            line: Line | None = None
            try:
                try:
                    patience = max(0.05, min(settings.patience, self.left))
                    connection = await server.gate.connect_async(
                        server.endpoint.address,
                        server.endpoint.service.port,
                        what="tls sweep",
                        timeout=patience,
                        name=server.endpoint.service.server_name,
                        admitted=admitted,
                    )
                    until = self._loop.time() + max(0.05, min(settings.patience, self.left))
                    line = Line(connection, until=until, most_bytes=settings.most_bytes)
                except TimeoutError:
                    yield Heard(End.SILENT, Flight(), "the connection was not taken", unconnected=True)
                    return
                except OSError as error:
                    words = f"did not take the connection: {error.strerror or error}"
                    yield Heard(End.CLOSED, Flight(), words, unconnected=True)
                    return
                yield await self._gone_over(line) if server.starttls else line
            finally:
                if line is not None:
                    line.close()
                if started:
                    self._watch.stop()

    async def _gone_over(self, line: Line) -> Line | Heard:
        """The line, when the server has agreed to begin TLS on it."""
        server = self.server
        dialogue = begin(server.starttls, server.server_name or self._address)
        outcome: Outcome = NotSpoken("")
        try:
            wish = next(dialogue)
            while True:
                heard = b""
                if wish is None:
                    heard = await line.receive()
                else:
                    await line.send(wish)
                wish = dialogue.send(heard)
        except StopIteration as end:
            outcome = end.value
        except TimeoutError:
            name = NAMES[server.starttls]
            return Heard(End.SILENT, Flight(), f"it did not answer in {name} in time", unconnected=True)
        except OSError:
            return Heard(End.CLOSED, Flight(), "it reset the connection before TLS", unconnected=True)
        match outcome:
            case Offered():
                return line
            case NotSpoken(why=why):
                return Heard(End.CLOSED, Flight(), why, unconnected=True)
            case NotOffered(said=said):
                words = f"it would not go over to TLS{said and ': '}{said[:100]}"
                return Heard(End.CLOSED, Flight(), words, unconnected=True)

    @property
    def left(self) -> float:
        """Seconds until the deadline; a server that never answered has no more than a hostile one's."""
        left = self._watch.left
        return left if self.server.control is not None else left - (self._total - self._unheard_until)

    def out_of_time(self) -> bool:
        server = self.server
        return (
            server.ended is not None
            or self.left <= 0
            or server.connections >= server.settings.most_connections
        )

    def slow_down(self) -> None:
        """From now on one connection at a time."""
        if not self._slowed:
            self._slowed = True
            self._slots = asyncio.Semaphore(1)

    async def _rest(self, seconds: float) -> None:
        self._watch.start()
        try:
            await asyncio.sleep(min(seconds, max(self.left, 0.0)))
        finally:
            self._watch.stop()

    def _ended(self) -> Gap:
        server = self.server
        if server.ended is not None:
            return server.ended
        if server.connections >= server.settings.most_connections:
            return Gap(Reason.RATE_LIMITED, f"it would have taken more than {server.connections} connections")
        return Gap(Reason.TIMED_OUT, f"the sweep was ended at its deadline of {self._total:g} s")


def _contradicts(words: str) -> Unclear:
    return Unclear(Gap(Reason.CONTRADICTORY, words))
