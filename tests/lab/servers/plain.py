"""Servers that speak no TLS: plain protocols, and those that hold, flood or mislead whoever connects."""

import itertools
import random
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from tests.lab.servers.listening import Conversation, ThreadedServer

#: A client that says nothing for this many seconds is let go by servers that mean well.
PATIENCE = 30.0

SSH_GREETING = b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"
MYSQL_GREETING = bytes.fromhex("4a0000000a") + b"8.0.36\x00" + bytes(8) + b"salt5678\x00" + bytes(59)
VNC_GREETING = b"RFB 003.008\n"

#: Colours, a cleared screen and a new window title for terminals, a script for browsers, a formula for
#: spreadsheets, a field for format strings, and text that runs backwards.
HOSTILE_GREETING = (
    "220 \x1b[2J\x1b[1;31mALL GOOD\x1b[0m\x1b]0;owned\x07 <script>alert(1)</script>"
    '"><img src=x onerror=alert(2)> =HYPERLINK("http://127.0.0.1/") {0.__class__} %s \u202egpj.exe\r\n'
).encode()

_TLS_HANDSHAKE = 0x16
_REQUEST_LIMIT = 16 * 1024


def page(*, hsts: bool = True, body: str = "<!doctype html><title>Lab</title><p>It works.") -> bytes:
    """A whole HTTP/1.1 answer, with or without Strict-Transport-Security (RFC 6797)."""
    content = body.encode()
    lines = [
        "HTTP/1.1 200 OK",
        "Server: lab",
        "Content-Type: text/html; charset=utf-8",
        f"Content-Length: {len(content)}",
        *(["Strict-Transport-Security: max-age=63072000; includeSubDomains"] if hsts else []),
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + content


def request_from(connection: socket.socket) -> bytes:
    """What a client sends up to an empty line, but no more than 16 KiB; empty where it hangs up."""
    request = b""
    while b"\r\n\r\n" not in request and len(request) < _REQUEST_LIMIT:
        more = connection.recv(4096)
        if not more:
            break
        request += more
        if request[0] == _TLS_HANDSHAKE:
            break
    return request


@dataclass(frozen=True)
class PlainHttpServer(ThreadedServer):
    """HTTP without TLS; a TLS hello is answered with a readable 400, as web servers do."""

    answer: bytes = page(hsts=False)

    def conversation(self) -> Conversation:
        def converse(connection: socket.socket, ending: threading.Event) -> None:
            connection.settimeout(PATIENCE)
            request = request_from(connection)
            if request.startswith(bytes([_TLS_HANDSHAKE])):
                connection.sendall(
                    b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                )
            elif request:
                connection.sendall(self.answer)

        return converse


@dataclass(frozen=True)
class SilentServer(ThreadedServer):
    """Accepts, reads, and never answers."""

    def conversation(self) -> Conversation:
        def converse(connection: socket.socket, ending: threading.Event) -> None:
            while connection.recv(4096):
                pass

        return converse


@dataclass(frozen=True)
class DrippingServer(ThreadedServer):
    """Sends one byte every ``interval`` seconds for ever: at once and as text, or, ``in_handshake``, as the
    TLS record of a ServerHello that never ends, once the client has spoken.
    """

    in_handshake: bool = False
    interval: float = 1.0

    def conversation(self) -> Conversation:
        def converse(connection: socket.socket, ending: threading.Event) -> None:
            if self.in_handshake:
                connection.recv(4096)
            for byte in _endless_server_hello() if self.in_handshake else itertools.cycle(b"wait... "):
                connection.sendall(bytes([byte]))
                if ending.wait(self.interval):
                    return

        return converse


def _endless_server_hello() -> Iterator[int]:
    """Records of the greatest length (RFC 8446, section 5.1) in a message of the greatest length (section 4)."""
    record = b"\x16\x03\x03\x40\x00"
    message = b"\x02\xff\xff\xff\x03\x03"
    yield from record
    yield from message
    yield from itertools.repeat(0, 0x4000 - len(message))
    while True:
        yield from record
        yield from itertools.repeat(0, 0x4000)


@dataclass(frozen=True)
class ResettingServer(ThreadedServer):
    """Accepts, and resets the connection: at once, or, ``once_spoken_to``, when the client has said something.

    A reset that comes at once may overtake the end of the client's connect(), which then fails with
    ECONNRESET: whether a scanner calls such a port open is a matter of luck.
    """

    once_spoken_to: bool = False

    def conversation(self) -> Conversation:
        def converse(connection: socket.socket, ending: threading.Event) -> None:
            if self.once_spoken_to:
                connection.recv(4096)
            # Lingering for no time makes close() send RST in place of FIN: socket(7).
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        return converse


@dataclass(frozen=True)
class ClosingServer(ThreadedServer):
    """Accepts, and closes in good order without a word."""

    def conversation(self) -> Conversation:
        def converse(connection: socket.socket, ending: threading.Event) -> None:
            connection.shutdown(socket.SHUT_RDWR)

        return converse


@dataclass(frozen=True)
class EndlessServer(ThreadedServer):
    """Sends text without end, as fast as it is read; costs nothing while nobody reads."""

    text: bytes = b"The quick brown fox jumps over the lazy dog. "

    def conversation(self) -> Conversation:
        block = self.text * (16 * 1024 // len(self.text) + 1)

        def converse(connection: socket.socket, ending: threading.Event) -> None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, len(block))
            while not ending.is_set():
                connection.sendall(block)

        return converse


@dataclass(frozen=True)
class BannerServer(ThreadedServer):
    """Greets, then reads and never answers; closes after the greeting if it ``hangs_up``."""

    greeting: bytes
    hangs_up: bool = False

    def conversation(self) -> Conversation:
        def converse(connection: socket.socket, ending: threading.Event) -> None:
            connection.sendall(self.greeting)
            while not self.hangs_up and connection.recv(4096):
                pass

        return converse


def random_greeting(seed: int, length: int = 512) -> bytes:
    """Bytes without sense, the same for the same seed."""
    return random.Random(seed).randbytes(length)


@dataclass(frozen=True)
class UnclosingServer(ThreadedServer):
    """Answers HTTP, then never closes the connection, even when the client has closed its side."""

    answer: bytes = page(hsts=False).replace(b"Connection: close\r\n", b"")

    def conversation(self) -> Conversation:
        def converse(connection: socket.socket, ending: threading.Event) -> None:
            if request_from(connection):
                connection.sendall(self.answer)
            ending.wait()

        return converse
