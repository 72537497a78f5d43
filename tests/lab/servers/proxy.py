"""A bad path to a good server: what loss, distance and small packets look like, in user space."""

import contextlib
import random
import socket
import struct
import threading
import time
from dataclasses import dataclass, field

from tests.lab.servers.listening import Conversation, ThreadedServer


@dataclass
class Tally:
    """How many connections were made, and how many of them were reset."""

    connections: int = 0
    resets: int = 0
    guard: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True)
class Proxy(ThreadedServer):
    """Carries bytes to and from a server at ``address`` and ``port``.

    ``resets`` is the share of connections that are reset, at a random byte of the answer. ``delay``: seconds that all
    bytes are late, each way. ``fragments``: every byte of the answer is sent by itself.
    """

    address: str
    port: int
    resets: float = 0.0
    delay: float = 0.0
    fragments: bool = False
    seed: int = 1
    tally: Tally = field(default_factory=Tally, compare=False)

    def conversation(self) -> Conversation:
        dice = random.Random(self.seed)

        def converse(client: socket.socket, ending: threading.Event) -> None:
            with self.tally.guard:
                self.tally.connections += 1
                doomed = dice.random() < self.resets
                last = dice.choice((0, 1, 7, 60, 1000)) if doomed else None
                self.tally.resets += doomed
            with socket.create_connection((self.address, self.port), timeout=20) as server:
                client.settimeout(20)
                for side in (client, server):
                    side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                there = threading.Thread(target=self._carry, args=(client, server), daemon=True)
                there.start()
                if not self._answer(server, client, last):
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    # The other thread may be in recv(), which keeps the connection open after close().
                    with contextlib.suppress(OSError):
                        server.shutdown(socket.SHUT_RDWR)
                    client.close()
                there.join(timeout=1)

        return converse

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            while data := source.recv(16384):
                time.sleep(self.delay)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def _answer(self, server: socket.socket, client: socket.socket, last: int | None) -> bool:
        """False where the connection is to be reset: after ``last`` bytes, or when there is nothing more."""
        sent = 0
        with contextlib.suppress(OSError):
            while data := server.recv(16384):
                time.sleep(self.delay)
                if last is not None and sent + len(data) > last:
                    client.sendall(data[: last - sent])
                    return False
                sent += len(data)
                if self.fragments:
                    for at in range(len(data)):
                        client.sendall(data[at : at + 1])
                else:
                    client.sendall(data)
            if last is not None:
                return False
            client.shutdown(socket.SHUT_WR)
        return True
