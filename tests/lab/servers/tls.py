"""TLS served by Python's ssl module in threads of this process: the bulk of the lab."""

import contextlib
import socket
import ssl
import threading
import warnings
from dataclasses import dataclass
from typing import Literal

from cryptography.hazmat.primitives.asymmetric import dh
from cryptography.hazmat.primitives.serialization import Encoding, ParameterFormat

from tests.lab.authority import Identity, pem_of
from tests.lab.servers.listening import Conversation, ThreadedServer
from tests.lab.servers.memory import file_in_memory, path_of
from tests.lab.servers.plain import PATIENCE, page, request_from
from tests.lab.servers.primes import SMALL_PRIMES

V1_0, V1_1, V1_2, V1_3 = (
    ssl.TLSVersion.TLSv1,
    ssl.TLSVersion.TLSv1_1,
    ssl.TLSVersion.TLSv1_2,
    ssl.TLSVersion.TLSv1_3,
)

#: What a well-kept server offers in TLS 1.2: forward secrecy and authenticated encryption only.
MODERN_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


@dataclass(frozen=True)
class TlsServer(ThreadedServer):
    """HTTP over TLS.

    ``identities``: one for each key type, and nothing for anonymous suites only. ``ciphers`` is an OpenSSL
    cipher list for TLS 1.2 and older. ``weak`` lifts OpenSSL's security level, which old versions, small keys,
    small primes, SHA-1 and anonymous suites need. ``virtual_hosts`` are chosen by server name (RFC 6066,
    section 3); with ``strict_names`` any other name is refused. ``client_authorities`` are DER certificates.
    ``group`` is the one curve it accepts, by OpenSSL's name. ``dh_bits``: even without a security level OpenSSL
    uses no prime under 1024 bits; LegacyServer does. Without ``closes``, it never ends a connection.
    """

    identities: tuple[Identity, ...]
    minimum: ssl.TLSVersion = V1_2
    maximum: ssl.TLSVersion = V1_3
    ciphers: str = MODERN_CIPHERS
    weak: bool = False
    dh_bits: Literal[0, 1024] = 0
    group: str = ""
    client_certificate: Literal["not-asked", "asked", "required"] = "not-asked"
    client_authorities: tuple[bytes, ...] = ()
    virtual_hosts: tuple[tuple[str, Identity], ...] = ()
    strict_names: bool = False
    answer: bytes = page()
    closes: bool = True

    def conversation(self) -> Conversation:
        context = self._context(self.identities)
        by_name = {name: self._context((identity,)) for name, identity in self.virtual_hosts}

        def choose(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> int | None:
            if name in by_name:
                connection.context = by_name[name]
            elif self.strict_names:
                return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
            return None

        if by_name or self.strict_names:
            context.sni_callback = choose

        def converse(connection: socket.socket, ending: threading.Event) -> None:
            connection.settimeout(PATIENCE)
            with context.wrap_socket(connection, server_side=True) as tls:
                if request_from(tls):
                    tls.sendall(self.answer)
                if not self.closes:
                    ending.wait()
                # unwrap() says close_notify, and then waits for the client's, which most don't send.
                tls.settimeout(1)
                with contextlib.suppress(OSError):
                    tls.unwrap()

        return converse

    def _context(self, identities: tuple[Identity, ...]) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # The ciphers first: they hold the security level that everything after is measured by.
        context.set_ciphers(self.ciphers + (":@SECLEVEL=0" if self.weak else ""))
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            context.minimum_version = self.minimum
            context.maximum_version = self.maximum
        for identity in identities:
            with file_in_memory(identity.pem) as pem:
                context.load_cert_chain(path_of(pem))
        if self.dh_bits:
            with file_in_memory(_dh_parameters(self.dh_bits)) as pem:
                context.load_dh_params(path_of(pem))
        if self.group:
            context.set_ecdh_curve(self.group)
        if self.client_certificate != "not-asked":
            required = self.client_certificate == "required"
            context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
            context.load_verify_locations(cadata=pem_of(self.client_authorities).decode("ascii"))
        return context


def _dh_parameters(bits: int) -> bytes:
    numbers = dh.DHParameterNumbers(SMALL_PRIMES[bits], 2)
    return numbers.parameters().parameter_bytes(Encoding.PEM, ParameterFormat.PKCS3)


@dataclass(frozen=True)
class StallingServer(ThreadedServer):
    """Begins a TLS 1.2 handshake in earnest, and says nothing more after its ServerHello."""

    identity: Identity

    def conversation(self) -> Conversation:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = V1_2
        with file_in_memory(self.identity.pem) as pem:
            context.load_cert_chain(path_of(pem))

        def converse(connection: socket.socket, ending: threading.Event) -> None:
            from_client, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = context.wrap_bio(from_client, to_client, server_side=True)
            while not to_client.pending:
                said = connection.recv(16 * 1024)
                if not said:
                    return
                from_client.write(said)
                with contextlib.suppress(ssl.SSLWantReadError):
                    tls.do_handshake()
            flight = to_client.read()
            connection.sendall(flight[: 5 + int.from_bytes(flight[3:5], "big")])
            while connection.recv(4096):
                pass

        return converse
