"""Hellos of a client: of SSL 2.0, and from SSL 3.0 to TLS 1.3."""

import functools
import os
import struct
from dataclasses import dataclass

from secscan.collection.sweep.wire.code_points import SSL2_KINDS, SSL3, TLS1_2, TLS1_3, Extension

#: Sent in every hello of this process. No handshake that begins with them is ever finished, so nothing rests on them.
_RANDOM = os.urandom(32)
_SESSION = os.urandom(32)


@dataclass(frozen=True, slots=True)
class ClientHello:
    """What to offer. ``version`` is the newest before TLS 1.3; ``newest`` TLS1_3 offers that too.

    ``suites`` in the order they are wanted in. ``bare``: no extension at all (SSL 3.0 has none). ``shares``: public
    keys for TLS 1.3; without any, the server has to name the group it wants (RFC 8446, section 4.2.8).
    """

    suites: tuple[int, ...]
    version: int = TLS1_2
    newest: int = TLS1_2
    groups: tuple[int, ...] = ()
    schemes: tuple[int, ...] = ()
    alpn: tuple[bytes, ...] = ()
    staple: bool = False
    heartbeat: bool = False
    compression: bool = False
    bare: bool = False
    shares: bool = False
    #: Nothing but what the version can't do without.
    plain: bool = False


def encode(hello: ClientHello, server_name: str = "") -> bytes:
    """The records of a hello; ``server_name`` in ASCII, or none (RFC 6066, section 3)."""
    head, extensions = _parts(hello)
    if hello.bare:
        body = head
    else:
        named = _server_name(server_name) + extensions if server_name else extensions
        body = head + struct.pack(">H", len(named)) + named
    # The version of the record: RFC 8446, section 5.1, and RFC 5246, appendix E.1, which warn of servers that fail on
    # another than TLS 1.0 in the first record.
    record = 0x0300 if hello.version == SSL3 else 0x0301
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    return struct.pack(">BHH", 22, record, len(message)) + message


@functools.lru_cache(maxsize=4096)
def _parts(hello: ClientHello) -> tuple[bytes, bytes]:
    """All before the extensions, and the extensions but for the server name (RFC 8446, section 4.1.2)."""
    session = _SESSION if hello.newest >= TLS1_3 else b""
    methods = b"\x02\x01\x00" if hello.compression else b"\x01\x00"  # RFC 3749: 1 is DEFLATE.
    head = b"".join(
        (
            struct.pack(">H", hello.version),
            _RANDOM,
            bytes((len(session),)),
            session,
            struct.pack(f">H{len(hello.suites)}H", 2 * len(hello.suites), *hello.suites),
            methods,
        )
    )
    return head, b"" if hello.bare else b"".join(_extensions(hello))


def _extensions(hello: ClientHello) -> list[bytes]:
    found: list[bytes] = []

    def add(kind: Extension, body: bytes = b"") -> None:
        found.append(struct.pack(">HH", kind, len(body)) + body)

    if hello.groups:
        add(Extension.SUPPORTED_GROUPS, _shorts(hello.groups))  # RFC 8422, section 5.1.1
        if hello.version != TLS1_3:
            add(Extension.EC_POINT_FORMATS, b"\x01\x00")  # RFC 8422, section 5.1.2: uncompressed
    if hello.schemes:
        add(Extension.SIGNATURE_ALGORITHMS, _shorts(hello.schemes))  # RFC 8446, section 4.2.3
    if hello.newest >= TLS1_3:
        # RFC 8446, section 4.2.1. Older versions are named so that a server may choose one of them.
        versions = [TLS1_3, *((TLS1_2, 0x0302, 0x0301) if any(_is_old(s) for s in hello.suites) else ())]
        add(
            Extension.SUPPORTED_VERSIONS,
            bytes((2 * len(versions),)) + struct.pack(f">{len(versions)}H", *versions),
        )
        add(Extension.KEY_SHARE, _shares(hello))
        add(Extension.PSK_KEY_EXCHANGE_MODES, b"\x01\x01")  # RFC 8446, section 4.2.9: psk_dhe_ke
    if not hello.plain:
        if hello.alpn:
            names = b"".join(bytes((len(name),)) + name for name in hello.alpn)
            add(Extension.ALPN, struct.pack(">H", len(names)) + names)  # RFC 7301, section 3.1
        if hello.staple:
            add(Extension.STATUS_REQUEST, b"\x01\x00\x00\x00\x00")  # RFC 6066, section 8
        if hello.newest < TLS1_3 or any(_is_old(suite) for suite in hello.suites):
            add(Extension.ENCRYPT_THEN_MAC)  # RFC 7366, section 2
            add(Extension.EXTENDED_MASTER_SECRET)  # RFC 7627, section 5.1
            add(Extension.SESSION_TICKET)  # RFC 5077, section 3.2
            add(Extension.RENEGOTIATION_INFO, b"\x00")  # RFC 5746, section 3.4
        if hello.heartbeat:
            add(Extension.HEARTBEAT, b"\x01")  # RFC 6520, section 2: peer_allowed_to_send
    return found


#: The base point of secp256r1 (SEC 2, section 2.4.2), and that of x25519 (RFC 7748, section 4.1): public keys as good
#: as any, since no secret is ever worked out.
_P256 = bytes.fromhex(
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
)
_X25519 = b"\x09" + bytes(31)


def _shares(hello: ClientHello) -> bytes:
    keys = {29: _X25519, 23: _P256} if hello.shares else {}
    entries = b"".join(
        struct.pack(">HH", group, len(key)) + key for group, key in keys.items() if group in hello.groups
    )
    return struct.pack(">H", len(entries)) + entries


def _is_old(suite: int) -> bool:
    return not (
        0x1301 <= suite <= 0x1305 or suite in (0x00C6, 0x00C7, 0xC0B4, 0xC0B5) or 0xC103 <= suite <= 0xC106
    )


def _shorts(values: tuple[int, ...]) -> bytes:
    return struct.pack(f">H{len(values)}H", 2 * len(values), *values)


def _server_name(name: str) -> bytes:
    octets = name.encode("ascii", "replace")
    return struct.pack(">HHHBH", 0, len(octets) + 5, len(octets) + 3, 0, len(octets)) + octets


@functools.lru_cache(maxsize=64)
def encode_ssl2(kinds: tuple[int, ...] = tuple(SSL2_KINDS)) -> bytes:
    """A CLIENT-HELLO of SSL 2.0: draft-hickman-netscape-ssl-00, section 5.5.1.1, with a challenge of 16 bytes."""
    specs = b"".join(kind.to_bytes(3, "big") for kind in kinds)
    body = struct.pack(">BHHHH", 1, 2, len(specs), 0, 16) + specs + _RANDOM[:16]
    return struct.pack(">H", 0x8000 | len(body)) + body
