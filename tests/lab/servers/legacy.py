"""What OpenSSL has given up: SSL 3.0, RC4 and 3DES, served by tlslite-ng in threads of this process."""

import contextlib
import socket
import threading
from dataclasses import dataclass
from typing import Literal

from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey
from tlslite.errors import TLSError, TLSProtocolException

from tests.lab.authority import Identity
from tests.lab.servers.listening import Conversation, ThreadedServer
from tests.lab.servers.plain import PATIENCE, page
from tests.lab.servers.primes import SMALL_PRIMES

SSL3, TLS1_0, TLS1_1, TLS1_2 = (3, 0), (3, 1), (3, 2), (3, 3)


@dataclass(frozen=True)
class LegacyServer(ThreadedServer):
    """HTTP over old TLS, with an RSA identity, or anonymous without one. ``ciphers`` are tlslite-ng's names, most wanted first.

    ``dh_bits`` is the size of the prime for ``dhe_rsa`` and ``dh_anon`` in ``key_exchanges``; clients that name groups
    of RFC 7919 get none of those. ``extensions`` are those that are taken up from before TLS 1.3. Pure Python: a
    handshake costs some 10 ms with a key of 1024 bits, and 50 ms with 2048.
    """

    identity: Identity | None
    minimum: tuple[int, int] = SSL3
    maximum: tuple[int, int] = SSL3
    ciphers: tuple[str, ...] = ("rc4", "3des")
    macs: tuple[str, ...] = ("sha", "md5")
    key_exchanges: tuple[str, ...] = ("rsa",)
    dh_bits: Literal[768, 1024] = 1024
    answer: bytes = page(hsts=False)
    extensions: tuple[Literal["extended_master_secret", "encrypt_then_mac"], ...] = (
        "extended_master_secret",
        "encrypt_then_mac",
    )
    curves: tuple[str, ...] = ("x25519", "secp256r1", "secp384r1")

    def conversation(self) -> Conversation:
        settings = HandshakeSettings()
        settings.minVersion, settings.maxVersion = self.minimum, self.maximum
        settings.minKeySize = 512
        settings.cipherNames = list(self.ciphers)
        settings.macNames = list(self.macs)
        settings.keyExchangeNames = list(self.key_exchanges)
        # PSS needs more room than a key of 1024 bits has, and servers of that age did not know it.
        settings.rsaSchemes = ["pkcs1"]
        settings.dhParams = (2, SMALL_PRIMES[self.dh_bits])
        settings.dhGroups = []
        settings.eccCurves = list(self.curves)
        settings.keyShares = [curve for curve in self.curves if curve in settings.keyShares]
        settings.defaultCurve = self.curves[0]
        settings.useExtendedMasterSecret = "extended_master_secret" in self.extensions
        settings.useEncryptThenMAC = "encrypt_then_mac" in self.extensions
        chain = key = None
        if self.identity is not None:
            chain = X509CertChain()
            chain.parsePemList(self.identity.chain_pem.decode("ascii"))
            key = parsePEMKey(self.identity.key_pem.decode("ascii"), private=True, implementations=["python"])

        def converse(connection: socket.socket, ending: threading.Event) -> None:
            connection.settimeout(PATIENCE)
            tls = TLSConnection(connection)
            # A client that it can't agree with is told so by an alert, and raises here.
            with contextlib.suppress(TLSError, TLSProtocolException):
                tls.handshakeServer(
                    certChain=chain, privateKey=key, settings=settings, anon=self.identity is None
                )
                if tls.recv(4096):
                    tls.sendall(self.answer)
                tls.close()

        return converse
