"""A server of any protocol that begins in plain text, and goes over to TLS when asked."""

import dataclasses
import socket
import threading
from dataclasses import dataclass

from tests.lab.servers import TlsServer
from tests.lab.servers.listening import Conversation, ThreadedServer


@dataclass(frozen=True)
class PlaintextServer(ThreadedServer):
    """Greets, then answers to every message by the first of ``answers`` whose question is in it, in small
    letters or large, else hangs up.

    When it has answered ``upgrade``, it goes on as ``tls``.
    """

    greeting: bytes = b""
    answers: tuple[tuple[bytes, bytes], ...] = ()
    upgrade: bytes = b""
    tls: TlsServer | None = None

    def conversation(self) -> Conversation:
        over_tls = self.tls.conversation() if self.tls is not None else None

        def converse(connection: socket.socket, ending: threading.Event) -> None:
            connection.sendall(self.greeting)
            while message := connection.recv(4096):
                question, answer = next(
                    (pair for pair in self.answers if pair[0].lower() in message.lower()), (b"", b"")
                )
                if not question:
                    return
                connection.sendall(answer)
                if over_tls is not None and question == self.upgrade:
                    over_tls(connection, ending)
                    return

        return converse

    def without(self, question: bytes) -> "PlaintextServer":
        """The same server, which hangs up when asked this."""
        return dataclasses.replace(self, answers=tuple(pair for pair in self.answers if pair[0] != question))


def smtp(*extensions: bytes, tls: TlsServer | None = None) -> PlaintextServer:
    lines = (b"mail.example", *extensions)
    reply = b"".join(b"250-" + line + b"\r\n" for line in lines[:-1]) + b"250 " + lines[-1] + b"\r\n"
    return PlaintextServer(
        b"220 mail.example ESMTP\r\n",
        ((b"EHLO", reply), (b"STARTTLS", b"220 go ahead\r\n")),
        upgrade=b"STARTTLS",
        tls=tls,
    )
