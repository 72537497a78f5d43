"""First contact with a port: does it speak TLS, something else, or nothing at all?"""

import contextlib
import functools
import re
import socket
import ssl
import time
from dataclasses import dataclass
from typing import TypeAlias

from secscan.collection.starttls import BY_PORT, NAMES, NotOffered, NotSpoken, converse
from secscan.model import Reason, Service
from secscan.scope import Gate

#: Seconds for a port to say something, on all connections together.
TIMEOUT = 4.0

#: What is read of an answer at most; any banner that can be told from others is shorter.
MOST_BYTES = 4096

#: Connections that end without a word before that is believed.
TRIES = 3

#: Seconds of silence after which what was said is taken for all there is to come.
SETTLING = 0.6

#: A line break ends what a line protocol says; this many bytes without one are not a line.
_LONG_LINE = 64

#: How much of what a host said is quoted.
_QUOTED = 80


@dataclass(frozen=True, slots=True)
class SpeaksTls:
    """``starttls`` is empty where TLS begins with the first byte, else the protocol that goes over to it."""

    starttls: str = ""


@dataclass(frozen=True, slots=True)
class SpeaksOther:
    """It answered, and what it said is no TLS; ``heard`` says in words what it was."""

    heard: str


@dataclass(frozen=True, slots=True)
class Unheard:
    """It is not known what it speaks."""

    reason: Reason
    detail: str


Greeting: TypeAlias = SpeaksTls | SpeaksOther | Unheard


def greet(
    service: Service, address: str, gate: Gate, *, server_name: str = "", timeout: float = TIMEOUT
) -> Greeting:
    """Sends a TLS hello and listens, for ``timeout`` seconds in all; asks for STARTTLS where that may be offered.

    ``server_name`` goes into the hello as it is. Raises Refused.
    """
    caller = _Caller(service, address, gate, server_name, timeout)
    # Who expects their own protocol hangs up on a client that begins in another.
    protocol = BY_PORT.get(service.port)
    if protocol is not None:
        greeting = caller.ask_starttls(protocol, timeout / 2)
        if not isinstance(greeting, Unheard):
            return greeting
    return caller.say_hello()


# --- What an answer means -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tls:
    """An answer in TLS: an alert will do."""


@dataclass(frozen=True, slots=True)
class Plain:
    """An answer that is no TLS. ``starttls`` names the protocol that may go over to TLS when asked."""

    heard: str
    starttls: str = ""


def read_answer(data: bytes, *, over: bool) -> Tls | Plain | None:
    """What an answer to a TLS hello is, by its first bytes; None where they are too few to tell.

    ``over``: no more will come.
    """
    if not data:
        return None
    if data[0] in _TLS_CONTENT:
        return _read_record(data, over=over)
    if _is_ssl2_hello(data):
        return Tls()
    if _MYSQL.match(data):
        # The byte for its protocol is a line break, so that it would be read before it is whole.
        return _read_plain(data) if over or len(data) >= 4 + int.from_bytes(data[:3], "little") else None
    if over or b"\n" in data or len(data) >= _LONG_LINE:
        return _read_plain(data)
    return None


#: The content types a server may begin with: alert and handshake (RFC 8446, section 5.1).
_TLS_CONTENT = frozenset({0x15, 0x16})


def _read_record(data: bytes, *, over: bool) -> Tls | Plain | None:
    # RFC 8446, section 5.1: content type, version 3.x (3.0 is SSL 3.0), a length, and what it is the length of.
    if data[1:2] not in (b"", b"\x03") or (len(data) > 2 and data[2] > 4):
        return _read_plain(data)
    if len(data) < 6:
        return Tls() if over and len(data) > 2 else None
    length = int.from_bytes(data[3:5], "big")
    if data[0] == 0x15:
        sound = length == 2 and data[5] in (1, 2)  # A warning or a fatal alert (section 6).
    else:
        sound = 4 <= length <= 2**14 and data[5] in (
            0,
            2,
        )  # HelloRequest or ServerHello (RFC 5246, section 7.4).
    return Tls() if sound else _read_plain(data)


def _is_ssl2_hello(data: bytes) -> bool:
    # draft-hickman-netscape-ssl-00: a header of two bytes with the highest bit set, message 4, a flag, a
    # certificate type, version 2.
    return (
        len(data) >= 7 and data[0] >= 0x80 and data[2] == 4 and data[3] in (0, 1) and data[5:7] == b"\0\x02"
    )


#: How an answer begins -> what that is, and the protocol to ask for TLS in.
_KNOWN: tuple[tuple[re.Pattern[bytes], str, str], ...] = (
    (re.compile(rb"HTTP/\d|(?i:<!doctype html|<html)"), "plain HTTP", ""),
    (re.compile(rb"SSH-\d"), "an SSH banner", ""),
    (re.compile(rb"(?i)220[ -][^\r\n]*\bE?SMTP\b"), "SMTP", "smtp"),
    (re.compile(rb"(?i)220[ -][^\r\n]*FTP"), "FTP", "ftp"),
    (re.compile(rb"\+OK\b"), "POP3", "pop3"),
    (re.compile(rb"(?i)\* (?:OK|PREAUTH|BYE)\b"), "IMAP", "imap"),
    (re.compile(rb"(?:<\?xml[^>]*>\s*)?<stream:"), "XMPP", "xmpp"),
    (re.compile(rb"RFB \d{3}\.\d{3}"), "VNC", ""),
    (re.compile(rb"-(?:ERR unknown command|ERR Protocol error|NOAUTH|DENIED)"), "Redis", ""),
    (re.compile(rb"ERROR\r\n"), "memcached", ""),
    (re.compile(rb"AMQP[\0-\3]"), "AMQP", ""),
    # The error MySQL and MariaDB send to strangers in place of a greeting.
    (re.compile(rb"(?s)...\0\xff..[^\n]{0,200}is not allowed to connect"), "MySQL", ""),
)

#: A greeting of MySQL or MariaDB: a length, number 0 in its sequence, protocol 10, and a version. An identifier,
#: half of the salt and a zero come before the capabilities:
#: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_v10.html
_MYSQL = re.compile(rb"(?s)..\0\0\x0a[0-9][^\0]{1,100}\0")
_MYSQL_CAPABILITIES = re.compile(_MYSQL.pattern + rb".{12}\0(..)")
_MYSQL_TLS = 0x0800


def _read_plain(data: bytes) -> Plain:
    if _MYSQL.match(data):
        capabilities = _MYSQL_CAPABILITIES.match(data)
        offers_tls = capabilities is not None and int.from_bytes(capabilities[1], "little") & _MYSQL_TLS
        return Plain("MySQL", starttls="mysql" if offers_tls else "")
    for beginning, what, starttls in _KNOWN:
        if beginning.match(data):
            return Plain(what, starttls)
    # Only whole lines are quoted: where a host stops in the middle of one differs from time to time.
    line, end, _ = data.partition(b"\n")
    try:
        text = line.rstrip(b"\r").decode("utf-8")
    except UnicodeDecodeError:
        return Plain("bytes that are no TLS")
    if sum(map(str.isprintable, text)) < len(text) / 2:
        return Plain("bytes that are no TLS")
    return Plain(f"text that is no TLS: {_shown(text)}" if end else "text that is no TLS")


def _shown(text: str) -> str:
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:_QUOTED])
    return shown[: 2 * _QUOTED]


# --- Asking ---------------------------------------------------------------------------------------------------


class _Caller:
    """Everything that is said to one port, within one limit of time for all answers."""

    def __init__(self, service: Service, address: str, gate: Gate, server_name: str, timeout: float) -> None:
        self._service = service
        self._address = address
        self._gate = gate
        self._server_name = server_name
        self._timeout = timeout
        self._left = timeout

    def say_hello(self) -> Greeting:
        end = ""
        for _ in range(TRIES):
            try:
                with self._connect("tls hello") as connection:
                    answer, end = self._listen(connection)
            except OSError as error:
                return self._unconnected(error)
            if isinstance(answer, Tls):
                return SpeaksTls()
            if isinstance(answer, Plain):
                return self._follow(answer)
            if self._left <= 0:
                return Unheard(Reason.TIMED_OUT, end)
        return Unheard(Reason.REFUSED, f"it {end} after our TLS hello, {TRIES} times")

    def ask_starttls(self, protocol: str, timeout: float) -> Greeting:
        name = NAMES[protocol]
        began = time.monotonic()
        try:
            with self._connect(f"{protocol} starttls") as connection:
                began = time.monotonic()
                outcome = converse(
                    protocol, connection, server_name=self._server_name or self._address, timeout=timeout
                )
        except OSError as error:
            return self._unconnected(error)
        finally:
            self._left -= time.monotonic() - began
        match outcome:
            case NotSpoken(why):
                return Unheard(Reason.UNREADABLE, f"it did not say in {name} whether it offers TLS: {why}")
            case NotOffered(said):
                return SpeaksOther(f"{name} without TLS: {said}" if said else f"{name} without TLS")
        return SpeaksTls(protocol)

    def _follow(self, answer: Plain) -> Greeting:
        # A greeting of SMTP or FTP need not name it; the port does.
        protocol = answer.starttls or (
            _GREETED_ON.get(self._service.port, "") if "text" in answer.heard else ""
        )
        if not protocol:
            return SpeaksOther(answer.heard)
        return self.ask_starttls(protocol, max(self._left, self._timeout / 2))

    def _connect(self, what: str) -> socket.socket:
        return self._gate.connect(
            self._address,
            self._service.port,
            what=what,
            timeout=self._timeout,
            name=self._service.server_name,
        )

    def _listen(self, connection: socket.socket) -> tuple[Tls | Plain | None, str]:
        """What is answered to a hello, and how it ended if nothing was."""
        data = b""
        nudged = False
        began = heard_at = time.monotonic()
        until = began + self._left
        nudge_at = began + self._left / 2
        try:
            connection.sendall(client_hello(self._server_name))
            while len(data) < MOST_BYTES:
                now = time.monotonic()
                if now >= until:
                    break
                # A single byte may be a slow beginning; a few, and then nothing, are an answer.
                settles_at = heard_at + SETTLING if len(data) > 3 else until
                connection.settimeout(
                    max(min(until, settles_at if data or nudged else nudge_at) - now, 0.001)
                )
                try:
                    more = connection.recv(MOST_BYTES)
                except TimeoutError:
                    answer = read_answer(data, over=True) if len(data) > 3 else None
                    if answer is not None:
                        return answer, ""
                    if not data and not nudged:
                        # Line protocols answer to an empty line: Redis, memcached and many more.
                        connection.sendall(b"\r\n\r\n")
                        nudged = True
                    continue
                if not more:
                    return read_answer(data, over=True), "closed the connection"
                data += more
                heard_at = time.monotonic()
                answer = read_answer(data, over=False)
                if answer is not None:
                    return answer, ""
        except ConnectionError:
            return read_answer(data, over=True), "reset the connection"
        finally:
            self._left -= time.monotonic() - began
        return read_answer(data, over=len(data) > 2), self._silence(data)

    def _silence(self, data: bytes) -> str:
        seconds = f"{self._timeout:g} s"
        if data:
            return f"it said {len(data)} bytes in {seconds}, too few to tell what it speaks"
        return f"it took the connection, and said nothing for {seconds}, neither to a TLS hello nor to an empty line"

    def _unconnected(self, error: OSError) -> Unheard:
        match error:
            case TimeoutError():
                detail = f"the connection was not taken within {self._timeout:g} s"
                return Unheard(Reason.TIMED_OUT, detail)
            case ConnectionRefusedError():
                return Unheard(Reason.REFUSED, "it refused the connection")
            case ConnectionError():
                return Unheard(Reason.REFUSED, "it reset the connection")
        return Unheard(Reason.UNREACHABLE, f"it can't be reached: {error.strerror or error}")


#: Ports where what begins with 220 is this, whether it says so or not.
_GREETED_ON = {21: "ftp", 25: "smtp", 587: "smtp"}


@functools.lru_cache(maxsize=256)
def client_hello(server_name: str = "") -> bytes:
    """A ClientHello for every version and suite that Python's OpenSSL has; without a name, none is sent.

    From Python's ssl and not built by hand, so that it is what real clients send, and what they mean by it is
    OpenSSL's business. Nobody minds that its random bytes are sent more than once: no handshake is finished.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:@SECLEVEL=0")
    outgoing = ssl.MemoryBIO()
    connection = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=server_name or None)
    with contextlib.suppress(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()
