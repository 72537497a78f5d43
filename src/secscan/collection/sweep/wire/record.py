"""Records, fed in any pieces, and the handshake that is in them."""

from dataclasses import dataclass, field

from secscan.collection.sweep.wire.code_points import TLS1_3, suite_name
from secscan.collection.sweep.wire.message import (
    KeyExchange,
    ServerHello,
    WireError,
    read_certificates,
    read_key_exchange,
    read_server_hello,
    read_status,
)

#: RFC 8446, section 5.1: a record may have 2^14 bytes, and RFC 5246, section 6.2.3, gives encryption 2048 more.
MOST_IN_RECORD = (1 << 14) + 2048

#: Messages longer than this are not read: a chain of 32 large certificates is shorter.
MOST_IN_MESSAGE = 128 * 1024

#: Empty records in a row: they cost a server nothing, and whoever reads them something.
MOST_EMPTY = 64

ALERT, HANDSHAKE, CHANGE_CIPHER, APPLICATION, HEARTBEAT = 21, 22, 20, 23, 24


class NotTls(WireError):  # noqa: N818 - an answer of the server's, not an error of anybody's
    """The first bytes are no record."""


@dataclass(slots=True)
class Flight:
    """What a server has said so far. ``feed`` it; after ServerHello in TLS 1.3 all else is encrypted, and unread.

    Raises WireError, and NotTls where not even the first bytes are a record; what was read until then stays.
    """

    hello: ServerHello | None = None
    certificates: tuple[bytes, ...] | None = None
    status: bytes | None = None
    key_exchange: KeyExchange | None = None
    #: A certificate was asked of the client (RFC 5246, section 7.4.4).
    asks_certificate: bool = False
    #: ServerHelloDone came, or all that can be read.
    done: bool = False
    #: The description of the last fatal alert. Warnings are kept apart: they end nothing.
    alert: int | None = None
    warnings: list[int] = field(default_factory=list)
    #: An answer to a heartbeat of no payload came: 3 bytes and 16 of padding (RFC 6520, section 4).
    bled: bool = False
    heard: int = 0
    _buffer: bytearray = field(default_factory=bytearray)
    _message: bytearray = field(default_factory=bytearray)
    _empty: int = 0
    _begun: bool = False

    def feed(self, data: bytes) -> None:
        self.heard += len(data)
        buffer = self._buffer
        buffer += data
        at, end = 0, len(buffer)
        try:
            while end - at >= 5 and self.alert is None:
                kind, major, minor = buffer[at], buffer[at + 1], buffer[at + 2]
                length = buffer[at + 3] << 8 | buffer[at + 4]
                if not 20 <= kind <= 24 or major != 3 or minor > 4 or length > MOST_IN_RECORD:
                    raise WireError("no record of TLS") if self._begun else NotTls("no record of TLS")
                if kind == HEARTBEAT and not self._begun:
                    raise NotTls("no record of TLS")
                if end - at - 5 < length:
                    break
                self._begun = True
                fragment = bytes(buffer[at + 5 : at + 5 + length])
                at += 5 + length
                self._record(kind, fragment)
            if self.alert is not None:
                # RFC 8446, section 6.2: it ends the connection. MariaDB goes on, with an error in its own protocol.
                at = end
            if not self._begun and buffer and not 20 <= buffer[0] <= 23:
                raise NotTls("no record of TLS")
        finally:
            del buffer[:at]

    @property
    def begun(self) -> bool:
        """A whole record came."""
        return self._begun

    @property
    def beginning(self) -> bytes:
        """What came and is not understood yet."""
        return bytes(self._buffer[:200])

    def _record(self, kind: int, fragment: bytes) -> None:
        if not fragment:
            self._empty += 1
            if self._empty > MOST_EMPTY:
                raise WireError(f"more than {MOST_EMPTY} empty records")
            return
        if kind == HANDSHAKE and not self.done:
            self._message += fragment
            self._messages()
        elif kind == ALERT and len(fragment) == 2:
            # RFC 5246, section 7.2. An encrypted alert is longer.
            level, description = fragment
            if level == 2:
                self.alert = description
            else:
                if len(self.warnings) >= MOST_EMPTY:
                    raise WireError(f"more than {MOST_EMPTY} warnings")
                self.warnings.append(description)
        elif kind == HEARTBEAT:
            self.bled = self.bled or (len(fragment) == 19 and fragment[:3] == b"\x02\0\0")

    def _messages(self) -> None:
        message = self._message
        at, end = 0, len(message)
        try:
            while end - at >= 4 and not self.done:
                length = int.from_bytes(message[at + 1 : at + 4], "big")
                if length > MOST_IN_MESSAGE:
                    raise WireError(f"a message of {length} bytes")
                if end - at - 4 < length:
                    break
                body = bytes(message[at + 4 : at + 4 + length])
                kind = message[at]
                at += 4 + length
                self._understand(kind, body)
        finally:
            del message[:at]

    def _understand(self, kind: int, body: bytes) -> None:
        # RFC 5246, section 7.4.
        if kind == 2:
            if self.hello is not None:
                raise WireError("a second ServerHello")
            self.hello = read_server_hello(body)
            self.done = self.hello.version == TLS1_3
        elif self.hello is None:
            if kind != 0:  # A HelloRequest may come at any time.
                raise WireError(f"message {kind} before any ServerHello")
        elif kind == 11:
            self.certificates = read_certificates(body)
        elif kind == 22:
            self.status = read_status(body)
        elif kind == 12:
            self.key_exchange = read_key_exchange(body, suite_name(self.hello.suite), self.hello.version)
        elif kind == 13:
            self.asks_certificate = True
        elif kind == 14:
            self.done = True


def change_cipher(version: int) -> bytes:
    """A ChangeCipherSpec in a record of its own (RFC 5246, section 7.1)."""
    return b"\x14" + min(version, 0x0303).to_bytes(2, "big") + b"\x00\x01\x01"


def empty_heartbeat(version: int) -> bytes:
    """A heartbeat of no payload and, against RFC 6520, section 4, of no padding.

    Who checks lengths drops it without a word; who does not (CVE-2014-0160) answers, with a payload of nothing. So no
    memory is ever read.
    """
    return b"\x18" + min(version, 0x0303).to_bytes(2, "big") + b"\x00\x03\x01\x00\x00"


def sound_heartbeat(version: int) -> bytes:
    """A heartbeat as RFC 6520 has it, which is answered with what is in it: it pushes on what was answered before."""
    payload = bytes(3000)
    body = b"\x01" + len(payload).to_bytes(2, "big") + payload + bytes(16)
    return b"\x18" + min(version, 0x0303).to_bytes(2, "big") + len(body).to_bytes(2, "big") + body
