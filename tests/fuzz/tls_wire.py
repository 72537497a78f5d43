"""Feeds bytes to the reader of TLS's wire format; nothing but its own exceptions may come of it.

``python -m tests.fuzz.tls_wire -runs=1000000`` goes on from a few sound flights, guided by coverage.
"""

import contextlib
import struct
import sys
import tempfile
from pathlib import Path


def _instrumented() -> contextlib.AbstractContextManager[object]:
    """Imports under which branches are counted, if this is the program and not a part of the tests."""
    if __name__ != "__main__":
        return contextlib.nullcontext()
    import atheris  # not to be had for every Python

    return atheris.instrument_imports(include=["secscan.collection.sweep.wire"])


with _instrumented():
    from secscan.collection.sweep.wire.code_points import prime_name, suite_name
    from secscan.collection.sweep.wire.message import (
        WireError,
        read_certificates,
        read_key_exchange,
        read_server_hello,
        read_ssl2_hello,
        read_status,
    )
    from secscan.collection.sweep.wire.record import Flight


def record(kind: int, body: bytes, version: int = 0x0303) -> bytes:
    return struct.pack(">BHH", kind, version, len(body)) + body


def message(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + len(body).to_bytes(3, "big") + body


def server_hello(
    suite: int, *, version: int = 0x0303, extensions: bytes = b"", random: bytes = bytes(32)
) -> bytes:
    tail = struct.pack(">H", len(extensions)) + extensions if extensions else b""
    return message(2, struct.pack(">H", version) + random + b"\0" + struct.pack(">HB", suite, 0) + tail)


def vector(body: bytes, width: int) -> bytes:
    return len(body).to_bytes(width, "big") + body


RETRY = bytes.fromhex("CF21AD74E59A6111BE1D8C021E65B891C2A211167ABB8C5E079E09E2C8A8339C")

#: Sound answers, one of each kind.
SEEDS = (
    record(
        22,
        server_hello(0xC02F, extensions=b"\xff\x01\x00\x01\x00\x00\x17\x00\x00")
        + message(11, vector(vector(b"leaf", 3) + vector(b"issuer", 3), 3))
        + message(22, b"\x01" + vector(b"staple", 3))
        + message(12, b"\x03\x00\x1d" + vector(bytes(32), 1) + b"\x04\x01" + vector(b"signature", 2))
        + message(13, b"\x01\x01\x00\x02\x04\x01\x00\x00")
        + message(14, b""),
    ),
    record(22, server_hello(0x009E))
    + record(22, message(11, vector(vector(b"leaf", 3), 3)))
    + record(
        22,
        message(
            12,
            vector(b"\xff" * 128, 2) + vector(b"\2", 2) + vector(b"\1" * 128, 2) + b"\4\1" + vector(b"s", 2),
        ),
    )
    + record(22, message(14, b""))
    + record(24, b"\2\0\0"),
    record(22, server_hello(0x1301, random=RETRY, extensions=b"\0\x2b\0\2\3\4\0\x33\0\2\x11\xec")),
    record(21, b"\2\x28"),
    record(21, b"\1\x70") + record(22, server_hello(0x000A, version=0x0300), 0x0300),
    b"\x80\x25\x04\x00\x01\x00\x02\x00\x04\x00\x06\x00\x10leaf\x01\x00\x80\x07\x00\xc0" + bytes(16),
)

_READERS = (
    read_server_hello,
    read_certificates,
    read_status,
    read_ssl2_hello,
    lambda body: read_key_exchange(body, suite_name(0xC02F), 0x0303),
    lambda body: read_key_exchange(body, suite_name(0x009E), 0x0303),
    lambda body: read_key_exchange(body, suite_name(0x00AA), 0x0303),
    lambda body: read_key_exchange(body, suite_name(0x0003), 0x0301),
    prime_name,
)


def feed(data: bytes) -> None:
    """The first byte says in which pieces the rest comes, and which single message to read it as besides."""
    if not data:
        return
    choice, rest = data[0], data[1:]
    piece = 1 + choice % 61
    flight = Flight()
    with contextlib.suppress(WireError):
        for at in range(0, len(rest), piece):
            flight.feed(rest[at : at + piece])
    with contextlib.suppress(WireError):
        _READERS[choice % len(_READERS)](rest)


def main() -> None:
    import atheris

    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(SEEDS):
            (Path(folder) / f"{number}").write_bytes(b"\x3c" + seed)
        atheris.Setup([*sys.argv, "-max_len=4096", folder], feed)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
