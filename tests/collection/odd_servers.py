"""TLS servers that remember, fail by chance, or send what OpenSSL would not."""

import contextlib
import random
import socket
import ssl
import threading
from dataclasses import dataclass, field

from tlslite.api import X509, HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey
from tlslite.errors import TLSError, TLSProtocolException

from tests.lab.authority import Identity
from tests.lab.servers import ResettingServer, TlsServer
from tests.lab.servers.listening import Conversation, ThreadedServer


@dataclass(frozen=True)
class WatchingServer(TlsServer):
    """Remembers which server names it was asked for; None where there was none."""

    names: set[str | None] = field(default_factory=set)

    def _context(self, identities: tuple[Identity, ...]) -> ssl.SSLContext:
        context = super()._context(identities)
        context.sni_callback = lambda _connection, name, _context: self.names.add(name)
        return context


@dataclass(frozen=True)
class TlsliteServer(ThreadedServer):
    """By tlslite-ng, which sends any bytes as its certificate as long as it finds a key in them, and takes any prime."""

    identity: Identity
    settings: HandshakeSettings
    certificate: bytes = b""

    def conversation(self) -> Conversation:
        certificate = X509()
        certificate.parseBinary(bytearray(self.certificate or self.identity.certificates[0]))
        chain = X509CertChain([certificate])
        key = parsePEMKey(self.identity.key_pem.decode("ascii"), private=True, implementations=["python"])

        def converse(connection: socket.socket, ending: threading.Event) -> None:
            with contextlib.suppress(TLSError, TLSProtocolException):
                TLSConnection(connection).handshakeServer(
                    certChain=chain, privateKey=key, settings=self.settings
                )

        return converse


def tlslite_settings(version: tuple[int, int], key_exchange: str) -> HandshakeSettings:
    settings = HandshakeSettings()
    settings.minVersion, settings.maxVersion = version, version
    settings.cipherNames = ["aes128"] if version < (3, 4) else ["aes128gcm"]
    settings.keyExchangeNames, settings.macNames = [key_exchange], ["sha", "aead"]
    return settings


@dataclass(frozen=True)
class FlakyServer(ThreadedServer):
    """Resets a part of all connections, picked by chance, and otherwise serves."""

    tls: TlsServer
    resets: float
    seed: int

    def conversation(self) -> Conversation:
        serve, reset = self.tls.conversation(), ResettingServer().conversation()
        chance = random.Random(self.seed)

        def converse(connection: socket.socket, ending: threading.Event) -> None:
            (reset if chance.random() < self.resets else serve)(connection, ending)

        return converse
