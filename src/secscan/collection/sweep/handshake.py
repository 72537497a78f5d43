"""Real handshakes through OpenSSL, for what is encrypted and for what happens afterwards. Nothing is verified."""

import asyncio
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL, crypto

from secscan.collection.sweep.asking import CLOSED_OFTEN_ENOUGH, Asker
from secscan.collection.sweep.conversation import Line
from secscan.collection.sweep.seen import BEFORE_1_3, Seen
from secscan.facts import Gap, TlsVersion
from secscan.model import Reason

#: What pyOpenSSL itself calls; it has no methods for all of it.
_LIBRARY: Any = SSL.__dict__["_lib"]

#: Certificates of a chain that are kept, and bytes of a stapled answer.
_MOST_CERTIFICATES = 32
_MOST_STAPLE = 64 * 1024

_METHODS = {
    TlsVersion.TLS1_0: SSL.TLS1_VERSION,
    TlsVersion.TLS1_1: SSL.TLS1_1_VERSION,
    TlsVersion.TLS1_2: SSL.TLS1_2_VERSION,
    TlsVersion.TLS1_3: SSL.TLS1_3_VERSION,
}

#: SSL_OP_LEGACY_SERVER_CONNECT and SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION of OpenSSL's ssl.h: servers without RFC 5746
#: are to be seen too.
_TO_SEE_ALL = 0x4 | 0x40000

#: OpenSSL leaves those with CCM out by default.
_SUITES_1_3 = (
    b"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
    b":TLS_AES_128_CCM_SHA256:TLS_AES_128_CCM_8_SHA256"
)

#: Signature algorithms for which a server picks its certificate of one key type.
_KEY_TYPES = {
    "RSA": "rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:RSA+SHA256",
    "ECDSA": "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519:ed448",
}


@dataclass(slots=True)
class _Met:
    """One handshake. ``error``: OpenSSL's words for what went wrong; ``alert``: it was an alert of the server's.

    ``cut``: the connection was reset; ``closed``: it ended in good order; ``silent``: nothing more came in time.
    """

    complete: bool = False
    asked: bool = False
    ticket: bool = False
    early_data: bool = False
    staple: bytes | None = None
    chain: tuple[bytes, ...] = ()
    protocol: str = ""
    error: str = ""
    alert: bool = False
    cut: bool = False
    closed: bool = False
    silent: bool = False
    #: It renegotiated.
    again: bool = False

    @property
    def why(self) -> str:
        if self.silent:
            return "it did not answer in time"
        return self.error or ("it reset the connection" if self.cut else "it closed the connection")


class Handshakes:
    """The questions that only a real handshake answers."""

    def __init__(self, asker: Asker, seen: Seen, *, protocols: tuple[bytes, ...] = ()) -> None:
        self._asker = asker
        self._seen = seen
        self._protocols = protocols

    async def newest(self) -> None:
        """In TLS 1.3: the chain, the protocol chosen, whether a client certificate is wanted, tickets, early data."""
        seen = self._seen
        state = seen.versions[TlsVersion.TLS1_3]
        if state.offered is not True:
            seen.early_data = state.offered if isinstance(state.offered, Gap) else False
            return
        # A reset may swallow the alert of a server that can't do without a certificate, and may be a lossy path's.
        met = await self._meet(
            TlsVersion.TLS1_3,
            lambda met: (met.complete or bool(met.chain)) and not (met.asked and met.cut),
        )
        if met is None:
            return
        self._take_chain(met)
        if not met.complete and not met.chain:
            gap = Gap(
                Reason.TIMED_OUT if met.silent else Reason.UNREADABLE,
                f"a handshake of ours failed: {met.why}",
            )
            seen.early_data = seen.chain_gap = gap
            return
        seen.early_data = met.early_data
        if met.asked:
            # RFC 8446, section 4.4.2.4: who can't do without one says so after the handshake has ended for the client.
            seen.client_certificate = "required" if met.error or met.cut or not met.complete else "asked"
        elif seen.client_certificate not in ("asked", "required"):
            seen.client_certificate = "not-asked"
        if not any(seen.versions[version].offered is True for version in BEFORE_1_3):
            seen.tickets = met.ticket
            seen.extended_master_secret = seen.secure_renegotiation = True
            seen.compression = seen.heartbeat = seen.heartbleed = seen.ccs_injection = False
            seen.alpn_gap = None
            await self._other_key_types()
        if met.protocol:
            seen.alpn.add(met.protocol)

    async def _other_key_types(self) -> None:
        """RFC 8446, section 4.4.2.2: the certificate must fit the client's signature algorithms."""
        have = {slot for slot, _ in self._seen.chains}
        for key_type in _KEY_TYPES:
            if key_type not in have:
                met = await self._meet(
                    TlsVersion.TLS1_3, lambda met: bool(met.chain) or met.alert, key_type=key_type
                )
                if met is not None:
                    self._take_chain(met)

    async def without_name(self) -> None:
        """The chain without a server name, of a server that has TLS 1.3 only."""
        seen = self._seen
        if not self._asker.server.server_name:
            return
        if (
            any(seen.versions[v].offered is True for v in BEFORE_1_3)
            or TlsVersion.TLS1_3 not in seen.offered()
        ):
            return
        met = await self._meet(TlsVersion.TLS1_3, lambda met: bool(met.chain) or met.alert, named=False)
        if met is None:
            return
        if met.chain:
            seen.without_name = met.chain
        elif met.alert:
            seen.without_name = None
        else:
            seen.without_name = Gap(Reason.TIMED_OUT if met.silent else Reason.UNREADABLE, met.why)

    async def renegotiation(self) -> None:
        """Before TLS 1.3: whether a client may ask to begin again (CVE-2011-1473)."""
        seen = self._seen
        version = next((v for v in reversed(BEFORE_1_3) if seen.versions[v].offered is True), None)
        if version is None or version not in _METHODS:
            detail = "OpenSSL speaks none of the versions that are offered" if version else ""
            seen.client_renegotiation = Gap(Reason.NOT_COLLECTED, detail)
            return
        met = await self._meet(
            version, lambda met: met.complete and not (met.cut and not met.again), renegotiate=True
        )
        if met is None:
            seen.client_renegotiation = Gap(Reason.TIMED_OUT, "the sweep was ended before that")
            return
        if met.complete:
            seen.client_renegotiation = met.again
        else:
            seen.client_renegotiation = Gap(Reason.UNREADABLE, f"a handshake of ours failed: {met.why}")
        if met.asked or seen.client_certificate == "asked":
            seen.client_certificate = "asked" if met.complete else "required"
        self._take_chain(met)

    def _take_chain(self, met: _Met) -> None:
        if met.chain:
            self._seen.add_chain(met.chain, met.staple)

    async def _meet(
        self,
        version: TlsVersion,
        enough: Callable[[_Met], bool],
        *,
        key_type: str = "",
        named: bool = True,
        renegotiate: bool = False,
    ) -> _Met | None:
        """Handshakes until one tells enough, or all end alike; None where there is no time left."""
        met: _Met | None = None
        for _ in range(CLOSED_OFTEN_ENOUGH):
            async with self._asker.line() as line:
                if line is None:
                    return met
                if not isinstance(line, Line):
                    met = _Met(cut=True, error=line.words)
                    continue
                name = self._asker.server.server_name if named else ""
                quickest = self._asker.server.quickest
                patience = min(self._asker.server.settings.patience, 0.5 + 4 * quickest)
                met = await _handshake(
                    line,
                    _context(version, key_type, self._protocols),
                    name,
                    renegotiate=renegotiate,
                    patience=patience,
                )
            if enough(met) or not met.cut:
                return met
        return met


async def _handshake(
    line: Line, context: SSL.Context, server_name: str, *, renegotiate: bool, patience: float
) -> _Met:
    """One handshake. ``patience``: seconds for what a server may leave unanswered afterwards."""
    met = _Met()
    connection = SSL.Connection(context, None)
    connection.set_app_data(met)
    connection.set_connect_state()
    if server_name:
        connection.set_tlsext_host_name(server_name.encode("ascii", "replace"))
    connection.request_ocsp()
    loop = asyncio.get_running_loop()
    try:
        await _drive(line, connection, connection.do_handshake)
        met.complete = True
        met.chain = _chain_of(connection)
        met.protocol = connection.get_alpn_proto_negotiated().decode("ascii", "replace")[:100]
        line.give_until(loop.time() + patience)
        if renegotiate:
            connection.renegotiate()
            await _drive(line, connection, connection.do_handshake)
            met.again = not connection.renegotiate_pending()
        else:
            # A server that answers to the end of a connection has said before whatever it had to say: tickets, or that
            # it can't do without a certificate of ours.
            connection.shutdown()
            await _drive(line, connection, functools.partial(_drain, connection))
    except TimeoutError:
        met.silent = True
    except SSL.ZeroReturnError:
        met.closed = True
    except EOFError:
        met.closed = True
    except SSL.Error as error:
        met.error = _words(error)
        met.alert = "alert" in met.error
    except OSError:
        met.cut = True
    met.chain = met.chain or _chain_of(connection)
    session = connection.get_session()
    if session is not None:
        # pyOpenSSL has no method for it; the binding has had the function since TLS 1.3 came.
        most = _LIBRARY.SSL_SESSION_get_max_early_data(session._session)
        met.early_data = most > 0
    return met


def _drain(connection: SSL.Connection) -> None:
    while True:
        connection.recv(16 * 1024)


async def _drive(line: Line, connection: SSL.Connection, step: Callable[[], object]) -> None:
    """Repeats a step of OpenSSL's until it is done, carrying bytes to and fro. Raises what ends it."""
    while True:
        try:
            step()
        except SSL.WantReadError:
            await _flush(line, connection)
        except SSL.Error:
            await _flush(line, connection)
            raise
        else:
            await _flush(line, connection)
            return
        data = await line.receive()
        if not data:
            raise EOFError
        connection.bio_write(data)


async def _flush(line: Line, connection: SSL.Connection) -> None:
    while True:
        try:
            data = connection.bio_read(64 * 1024)
        except SSL.WantReadError:
            return
        await line.send(data)


@functools.lru_cache(maxsize=32)
def _context(version: TlsVersion, key_type: str, protocols: tuple[bytes, ...]) -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_cipher_list(b"ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    context.set_tls13_ciphersuites(_SUITES_1_3)
    context.set_min_proto_version(_METHODS[version])
    context.set_max_proto_version(_METHODS[version])
    context.set_options(_TO_SEE_ALL)
    context.set_verify(SSL.VERIFY_NONE)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_info_callback(_note_state)
    context.set_ocsp_client_callback(_note_staple)
    if protocols:
        context.set_alpn_protos(list(protocols))
    if key_type:
        # pyOpenSSL has no method for it.
        _LIBRARY.SSL_CTX_set1_sigalgs_list(context._context, _KEY_TYPES[key_type].encode())
    return context


def _note_state(connection: SSL.Connection, where: int, _result: int) -> None:
    if not where & SSL.SSL_CB_LOOP:
        return
    met, state = connection.get_app_data(), connection.get_state_string()
    if b"read server certificate request" in state:
        met.asked = True
    elif b"session ticket" in state:
        met.ticket = True


def _note_staple(connection: SSL.Connection, staple: bytes, _data: object) -> bool:
    connection.get_app_data().staple = staple if 0 < len(staple) <= _MOST_STAPLE else None
    return True


def _chain_of(connection: SSL.Connection) -> tuple[bytes, ...]:
    try:
        chain = connection.get_peer_cert_chain(as_cryptography=True) or []
        return tuple(certificate.public_bytes(Encoding.DER) for certificate in chain[:_MOST_CERTIFICATES])
    except ValueError:
        # cryptography can't read one of them. OpenSSL can write it all the same.
        old = connection.get_peer_cert_chain() or []
        return tuple(crypto.dump_certificate(crypto.FILETYPE_ASN1, c) for c in old[:_MOST_CERTIFICATES])


def _words(error: SSL.Error) -> str:
    reasons = [
        entry[-1] for entry in (error.args[0] if error.args and isinstance(error.args[0], list) else [])
    ]
    return (", ".join(reasons) or str(error) or type(error).__name__)[:200]
