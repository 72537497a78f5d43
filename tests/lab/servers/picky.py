"""Servers that can't bear some hellos: a relay in front of a real one, which looks at the hello first."""

import contextlib
import select
import socket
import struct
import threading
from dataclasses import dataclass
from typing import Literal

from tests.lab.servers.listening import Conversation, Running, Server, ThreadedServer
from tests.lab.servers.plain import PATIENCE


@dataclass(frozen=True)
class PickyServer(ThreadedServer):
    """Resets the connection on a hello with what it ``refuses``, and is ``behind`` for all others.

    ``size``: more than 255 bytes of handshake, as some middleboxes of 2013 did. ``tls1.3``: the extension by which TLS
    1.3 is offered (RFC 8446, section 4.2.1). ``extensions``: any at all. ``dribbles``: what it answers goes out byte by
    byte, each in a packet of its own.
    """

    behind: Server
    refuses: Literal["size", "tls1.3", "extensions", ""] = ""
    dribbles: bool = False

    def conversation(self) -> Conversation:
        raise NotImplementedError("start() makes it, with the place of the server behind")

    def start(self, address: str = "127.0.0.1", port: int = 0) -> Running:
        return _Picky(self, address, port)

    def refused(self, hello: bytes) -> bool:
        match self.refuses:
            case "size":
                return len(hello) - 5 > 255
            case "tls1.3":
                return _extension_types(hello) >= {43}
            case "extensions":
                return bool(_extension_types(hello))
        return False


class _Picky(Running):
    def __init__(self, description: PickyServer, address: str, port: int) -> None:
        self._behind = description.behind.start(address)
        try:
            self._front = _Relay(self._behind, description).start(address, port)
        except BaseException:
            self._behind.stop()
            raise
        self.address, self.port = self._front.address, self._front.port

    def stop(self) -> None:
        self._front.stop()
        self._behind.stop()


@dataclass(frozen=True)
class _Relay(ThreadedServer):
    behind: Running
    description: PickyServer

    def conversation(self) -> Conversation:
        def converse(connection: socket.socket, ending: threading.Event) -> None:
            connection.settimeout(PATIENCE)
            hello = _first_record(connection)
            if self.description.refused(hello):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()
                return
            with socket.create_connection((self.behind.address, self.behind.port)) as server:
                server.sendall(hello)
                _relay(connection, server, ending, dribbles=self.description.dribbles)

        return converse


def _relay(client: socket.socket, server: socket.socket, ending: threading.Event, *, dribbles: bool) -> None:
    if dribbles:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while not ending.is_set():
        readable, _, _ = select.select([client, server], [], [], PATIENCE)
        for source, sink in ((client, server), (server, client)):
            if source not in readable:
                continue
            data = source.recv(16 * 1024)
            if not data:
                return
            for piece in (bytes([byte]) for byte in data) if dribbles and sink is client else (data,):
                sink.sendall(piece)
        if not readable:
            return


def _first_record(connection: socket.socket) -> bytes:
    record = b""
    with contextlib.suppress(TimeoutError):
        while len(record) < 5 or len(record) < 5 + int.from_bytes(record[3:5], "big"):
            more = connection.recv(4096)
            if not more:
                break
            record += more
    return record


def _extension_types(hello: bytes) -> set[int]:
    """Of a ClientHello in one record (RFC 8446, section 4.1.2)."""
    if hello[:1] != b"\x16":
        return set()
    at = 5 + 4 + 2 + 32
    at += 1 + hello[at]
    at += 2 + int.from_bytes(hello[at : at + 2], "big")
    at += 1 + hello[at]
    left = hello[at + 2 :]
    types = set()
    while left:
        types.add(int.from_bytes(left[:2], "big"))
        left = left[4 + int.from_bytes(left[2:4], "big") :]
    return types
