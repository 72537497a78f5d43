"""A bad path to a good server: what loss, distance and small packets look like, in user space."""

import contextlib
import random
import select
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
                for side in (client, server):
                    side.settimeout(20)
                    side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if not self._carry(client, server, last):
                    # Lingering for no time makes close() send RST in place of FIN: socket(7).
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        return converse

    def _carry(self, client: socket.socket, server: socket.socket, last: int | None) -> bool:
        """False where the connection is to be reset: after ``last`` bytes of the answer.

        One thread for both ways: a thread that waits in recv() would keep a socket from being closed by another.
        """
        sent = 0
        open_sides: dict[socket.socket, socket.socket] = {client: server, server: client}
        while open_sides:
            ready, _, _ = select.select(list(open_sides), [], [], 20)
            if not ready:
                return False
            for source in ready:
                sink = open_sides[source]
                try:
                    data = source.recv(16384)
                except ConnectionError:
                    return False
                if not data:
                    del open_sides[source]
                    with contextlib.suppress(OSError):
                        sink.shutdown(socket.SHUT_WR)
                    if source is server:
                        return last is None
                    continue
                time.sleep(self.delay)
                if source is client:
                    sink.sendall(data)
                    continue
                if last is not None and sent + len(data) > last:
                    client.sendall(data[: last - sent])
                    return False
                sent += len(data)
                size = 1 if self.fragments else len(data)
                for at in range(0, len(data), size):
                    client.sendall(data[at : at + size])
        return True
