"""What a server says in a handshake, out of the bytes of single messages. Bounded and linear."""

import struct
from dataclasses import dataclass

from secscan.collection.sweep.wire.code_points import SSL2_KINDS, TLS1_2, TLS1_3, Extension


class WireError(ValueError):
    """What came is not what the protocol allows. The text says where; it quotes nothing."""


#: A certificate longer than this, or more of them, is not kept.
MOST_CERTIFICATES = 32

#: RFC 8446, section 4.1.3: a ServerHello with this random is a HelloRetryRequest.
_RETRY = bytes.fromhex("CF21AD74E59A6111BE1D8C021E65B891C2A211167ABB8C5E079E09E2C8A8339C")

#: RFC 8446, section 4.1.3: how the random ends where a server that knows more chose TLS 1.2, or older.
_MARKS = (b"DOWNGRD\x01", b"DOWNGRD\x00")


@dataclass(frozen=True, slots=True)
class ServerHello:
    """``version`` is what was negotiated; ``retry``: the server asks for a public key in ``group``."""

    version: int
    suite: int
    compression: int
    extensions: dict[int, bytes]
    retry: bool = False
    #: The group of TLS 1.3; 0 where it names none.
    group: int = 0
    #: The random bytes say that a newer version is known.
    marked: bool = False


@dataclass(frozen=True, slots=True)
class KeyExchange:
    """Of TLS 1.2 and older: a prime, or a named group; and the scheme it is signed with, from TLS 1.2 on."""

    prime: bytes = b""
    group: int = 0
    scheme: int = 0


class Cursor:
    """Reads numbers and vectors, and raises WireError where they go over the end."""

    __slots__ = ("_at", "_data", "_end")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._end = len(data)

    @property
    def rest(self) -> int:
        return self._end - self._at

    def take(self, length: int) -> bytes:
        at = self._at
        if length > self._end - at:
            raise WireError(f"{length} bytes are announced where {self._end - at} are left")
        self._at = at + length
        return self._data[at : at + length]

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "big")

    def vector(self, width: int) -> bytes:
        """A vector whose length is written in ``width`` bytes before it (RFC 8446, section 3.4)."""
        return self.take(self.number(width))


def read_server_hello(body: bytes) -> ServerHello:
    """RFC 8446, section 4.1.3; RFC 5246, section 7.4.1.3; RFC 6101, section 5.6.1.3. Raises WireError."""
    cursor = Cursor(body)
    version = cursor.number(2)
    random = cursor.take(32)
    if len(cursor.vector(1)) > 32:
        raise WireError("a session identifier is longer than 32 bytes")
    suite, compression = cursor.number(2), cursor.number(1)
    extensions: dict[int, bytes] = {}
    if cursor.rest:
        block = Cursor(cursor.vector(2))
        while block.rest:
            kind = block.number(2)
            if kind in extensions:
                raise WireError(f"the extension {kind} comes twice")
            extensions[kind] = block.vector(2)
    if not 0x0300 <= version <= TLS1_2:
        raise WireError(f"the version {version:#06x} is none of SSL 3.0 to TLS 1.3")
    chosen = extensions.get(Extension.SUPPORTED_VERSIONS)
    if chosen is not None:
        # RFC 8446, section 4.2.1: nothing older may be chosen here.
        if chosen != b"\x03\x04":
            raise WireError("supported_versions chooses something else than TLS 1.3")
        version = TLS1_3
    share = extensions.get(Extension.KEY_SHARE, b"") if version == TLS1_3 else b""
    return ServerHello(
        version,
        suite,
        compression,
        extensions,
        retry=random == _RETRY,
        group=int.from_bytes(share[:2], "big") if len(share) >= 2 else 0,
        marked=random[-8:] in _MARKS,
    )


def read_certificates(body: bytes) -> tuple[bytes, ...]:
    """The chain as sent, of TLS 1.2 and older (RFC 5246, section 7.4.2). Raises WireError."""
    block = Cursor(Cursor(body).vector(3))
    found: list[bytes] = []
    while block.rest:
        if len(found) == MOST_CERTIFICATES:
            raise WireError(f"more than {MOST_CERTIFICATES} certificates are sent")
        found.append(block.vector(3))
    return tuple(found)


def read_status(body: bytes) -> bytes:
    """An OCSP response, DER (RFC 6066, section 8). Raises WireError."""
    cursor = Cursor(body)
    if cursor.number(1) != 1:
        raise WireError("a certificate status that is no OCSP response")
    return cursor.vector(3)


def read_key_exchange(body: bytes, suite_name: str, version: int) -> KeyExchange:
    """A ServerKeyExchange, by the exchange that the suite is named for. Raises WireError.

    RFC 5246, section 7.4.3 (DHE); RFC 8422, section 5.4 (ECDHE). What else there is (RSA for export, SRP) says nothing
    that is looked for, and reads as empty.
    """
    exchange = suite_name.partition("_WITH_")[0].removeprefix("TLS_")
    cursor = Cursor(body)
    if exchange.endswith("_PSK") or exchange in ("PSK_DHE", "PSK"):
        cursor.vector(2)  # RFC 4279, section 2: the hint comes first
        exchange = "DHE" if "DHE" in exchange and "ECDHE" not in exchange else exchange
    if exchange.startswith(("ECDHE", "ECDH_anon")):
        return _elliptic(cursor, exchange, version)
    if exchange.startswith(("DHE", "DH_anon", "PSK_DHE")):
        prime = cursor.vector(2).lstrip(b"\0")
        cursor.vector(2)
        cursor.vector(2)
        if not prime:
            raise WireError("a prime of no bits")
        return KeyExchange(prime=prime, scheme=_scheme(cursor, exchange, version))
    return KeyExchange()


def _elliptic(cursor: Cursor, exchange: str, version: int) -> KeyExchange:
    kind = cursor.number(1)
    if kind != 3:
        # RFC 8422, section 5.4: explicit curves are forbidden now. They can be told from named ones all the same.
        return KeyExchange(group={1: 0xFF01, 2: 0xFF02}.get(kind, 0))
    group = cursor.number(2)
    cursor.vector(1)
    return KeyExchange(group=group, scheme=_scheme(cursor, exchange, version))


def _scheme(cursor: Cursor, exchange: str, version: int) -> int:
    signed = version == TLS1_2 and "anon" not in exchange and "PSK" not in exchange
    return cursor.number(2) if signed and cursor.rest >= 2 else 0


@dataclass(frozen=True, slots=True)
class Ssl2Hello:
    """A SERVER-HELLO of SSL 2.0: the kinds that both sides know, and the server's certificate."""

    kinds: tuple[int, ...]
    certificate: bytes


def read_ssl2_hello(data: bytes) -> Ssl2Hello | None:
    """draft-hickman-netscape-ssl-00, section 5.5.1.2, its header included; None where bytes are missing still.

    Raises WireError on anything else, an error message included.
    """
    if len(data) < 3:
        if data and data[0] < 0x80:
            raise WireError("no answer in SSL 2.0")
        return None
    if data[0] < 0x80 or data[2] != 4:
        raise WireError("no answer in SSL 2.0")
    length = (data[0] & 0x7F) << 8 | data[1]
    if len(data) < 2 + length:
        return None
    cursor = Cursor(data[3 : 2 + length])
    cursor.take(1)
    kind, version, certificate, specs, session = struct.unpack(">BHHHH", cursor.take(9))
    if version != 2 or specs % 3 or session > 64 or kind > 1:
        raise WireError("a hello of SSL 2.0 that contradicts itself")
    leaf = cursor.take(certificate)
    block = cursor.take(specs)
    found = (int.from_bytes(block[at : at + 3], "big") for at in range(0, specs, 3))
    return Ssl2Hello(tuple(sorted(set(found) & SSL2_KINDS.keys())), leaf)
