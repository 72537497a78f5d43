"""Listening sockets served by threads: what every server inside this process is built on."""

import abc
import contextlib
import ipaddress
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self, TypeAlias

#: Speaks with one client until it is done or ``ending`` is set; the connection is closed for it afterwards.
Conversation: TypeAlias = Callable[[socket.socket, threading.Event], None]

#: Connections one server holds at a time; for one more, the oldest is cut off.
MOST_CONNECTIONS = 64


class LabError(Exception):
    """The lab was asked for what it can't or won't do; the message says what to do instead."""


class Running(abc.ABC):
    """A server that is listening. Ends with its ``with`` block, or when ``stop`` is called."""

    address: str
    port: int

    @abc.abstractmethod
    def stop(self) -> None:
        """Ends the server and all it started. A second call does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Server(Protocol):
    """The frozen description of a server, which can be started any number of times."""

    def start(self, address: str = "127.0.0.1", port: int = 0) -> Running:
        """Returns when the server is listening; port 0 takes a free one. Raises OSError where it can't bind,
        and LabError on an address that is not loopback.
        """


class ThreadedServer(abc.ABC):
    """A server that lives in threads of this process, and so can't outlive it."""

    @abc.abstractmethod
    def conversation(self) -> Conversation:
        """Prepares what all connections share, and returns what speaks with each of them."""

    def start(self, address: str = "127.0.0.1", port: int = 0) -> Running:
        return Listener(self.conversation(), address, port)


class Listener(Running):
    """One listening socket, one thread that accepts, and one thread a connection.

    Threads rather than asyncio: its TLS drops the alert when a handshake fails, and a scanner would learn
    less from the lab than from any real server.
    """

    def __init__(self, converse: Conversation, address: str, port: int) -> None:
        self._converse = converse
        self._open: list[_Connection] = []
        self._guard = threading.Lock()
        self._stopped = False
        self._socket = listen(address, port)
        self.address, self.port = self._socket.getsockname()[:2]
        self._acceptor = threading.Thread(target=self._accept, name=f"lab {address}:{self.port}", daemon=True)
        self._acceptor.start()

    def stop(self) -> None:
        with self._guard:
            self._stopped = True
            connections = tuple(self._open)
        # On Linux this wakes the thread that waits in accept(); closing alone would not.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self._socket.close()
        for connection in connections:
            connection.cut()
        for connection in connections:
            connection.thread.join(timeout=1)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except ConnectionAbortedError:
                continue
            except OSError:
                return
            with self._guard:
                if self._stopped:
                    client.close()
                    return
                if len(self._open) >= MOST_CONNECTIONS:
                    self._open.pop(0).cut()
                connection = _Connection(client, self._serve)
                self._open.append(connection)
                connection.thread.start()

    def _serve(self, connection: "_Connection") -> None:
        try:
            # What goes wrong between a client and a hostile server is the client's to notice.
            with contextlib.suppress(OSError), connection.socket:
                self._converse(connection.socket, connection.ending)
        finally:
            with self._guard:
                if connection in self._open:
                    self._open.remove(connection)
            connection.handle.close()


class _Connection:
    """A client's connection, and a second handle on it: ``wrap_socket`` takes the first one away."""

    def __init__(self, client: socket.socket, serve: "Callable[[_Connection], None]") -> None:
        self.socket = client
        self.handle = client.dup()
        self.ending = threading.Event()
        self.thread = threading.Thread(target=serve, args=(self,), daemon=True)

    def cut(self) -> None:
        self.ending.set()
        # Fails when the client or the thread has closed it already, which is as good.
        with contextlib.suppress(OSError):
            self.handle.shutdown(socket.SHUT_RDWR)


def listen(address: str, port: int) -> socket.socket:
    """A listening socket. Raises LabError on an address that is not loopback: the lab is for nobody else."""
    parsed = ipaddress.ip_address(address)
    if not parsed.is_loopback:
        raise LabError(f"{address} is not a loopback address; take one in 127.0.0.0/8, or ::1")
    family = socket.AF_INET6 if parsed.version == 6 else socket.AF_INET
    return socket.create_server((address, port), family=family, backlog=512)


def free_port(address: str, preferred: int = 0) -> int:
    """``preferred`` if nobody listens there, else any other port that is free at this moment."""
    try:
        with listen(address, preferred) as held:
            return int(held.getsockname()[1])
    except OSError:
        if not preferred:
            raise
        return free_port(address)
