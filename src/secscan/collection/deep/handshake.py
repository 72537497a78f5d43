"""One handshake with sslyze's connections, and what its end says of the server. For the audit's own process."""

import contextlib
import enum
import functools
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from nassl import _nassl
from nassl.legacy_ssl_client import LegacySslClient
from nassl.ssl_client import (
    BaseSslClient,
    ClientCertificateRequested,
    OpenSslVerifyEnum,
    OpenSslVersionEnum,
    SslClient,
)
from sslyze.connection_helpers.opportunistic_tls_helpers import ProtocolWithOpportunisticTlsEnum
from sslyze.connection_helpers.tls_connection import NoCiphersAvailableBugInSSlyze, SslConnection
from sslyze.errors import (
    ConnectionToServerFailed,
    ConnectionToServerTimedOut,
    ServerRejectedTlsHandshake,
    ServerTlsConfigurationNotSupported,
    TlsHandshakeTimedOut,
)
from sslyze.server_connectivity import (
    ClientAuthRequirementEnum,
    ServerConnectivityInfo,
    ServerTlsProbingResult,
    TlsVersionEnum,
)
from sslyze.server_setting import ServerNetworkConfiguration, ServerNetworkLocation

from secscan.collection.deep.process import AuditRequest

#: Closing the connection is not taken for a refusal until it was done so often, each time with an ordinary
#: handshake succeeding beside it: a lossy path or a loaded server closes connections too.
CLOSED_OFTEN_ENOUGH = 8

#: Handshakes that met with silence before any got a suite chosen, after which the rest is left unasked. Servers
#: that are silent on some hellos only (too long, too new) choose in another meanwhile.
SILENT_OFTEN_ENOUGH = 2

#: Tries for an ordinary handshake to succeed, when it is to show that the path is not what closes connections.
_CONTROL_TRIES = 3

_STARTTLS = {
    "ftp": ProtocolWithOpportunisticTlsEnum.FTP,
    "imap": ProtocolWithOpportunisticTlsEnum.IMAP,
    "ldap": ProtocolWithOpportunisticTlsEnum.LDAP,
    "pop3": ProtocolWithOpportunisticTlsEnum.POP3,
    "postgres": ProtocolWithOpportunisticTlsEnum.POSTGRES,
    "rdp": ProtocolWithOpportunisticTlsEnum.RDP,
    "smtp": ProtocolWithOpportunisticTlsEnum.SMTP,
    "xmpp": ProtocolWithOpportunisticTlsEnum.XMPP,
    "xmpp-server": ProtocolWithOpportunisticTlsEnum.XMPP_SERVER,
}

_EVERY_SUITE = "ALL:COMPLEMENTOFALL"

#: OpenSSL 1.1.1 has kept suites without encryption or authentication, but must be told that it may offer them.
_WEAK_TOO = "@SECLEVEL=0"

#: What OpenSSL 1.1.1 calls every suite leaves two of TLS 1.3 out; it keeps these apart from all others.
_TLS_1_3_SUITES = frozenset(
    {
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_AES_128_CCM_SHA256",
        "TLS_AES_128_CCM_8_SHA256",
    }
)


class Outcome(enum.Enum):
    """What a handshake says of what was offered in it."""

    #: The server chose something, whatever became of the handshake afterwards.
    CHOSEN = enum.auto()
    #: An alert.
    REFUSED = enum.auto()
    #: It does not speak the version: an alert that says so, or an answer in another version.
    OTHER_VERSION = enum.auto()
    #: The connection was refused, reset, or closed without an alert.
    CLOSED = enum.auto()
    SILENT = enum.auto()
    #: Our OpenSSL can't offer it.
    UNABLE = enum.auto()
    #: The server said something that our OpenSSL could make nothing of.
    BROKEN = enum.auto()


@dataclass(frozen=True, slots=True)
class Hello:
    """What to offer. ``suites`` by OpenSSL's names, the most wanted first.

    ``legacy`` takes the OpenSSL 1.0.2 that sslyze brings along for what was removed since. With
    ``client_certificate`` a request for one is answered with none; without it the handshake stops there.
    """

    version: TlsVersionEnum
    suites: tuple[str, ...]
    legacy: bool
    server_name: bool = True
    client_certificate: bool = True


@dataclass(frozen=True, slots=True)
class Attempt:
    """How a handshake ended. ``suite`` is OpenSSL's name, empty where OpenSSL forgot it; ``complete``: it came to
    its end; ``asked``: a client certificate was asked for, and the handshake stopped at that.
    """

    outcome: Outcome
    words: str = ""
    suite: str = ""
    complete: bool = False
    asked: bool = False
    reading: Any = None


def _nothing(_client: BaseSslClient) -> None:
    return None


class Server:
    """The server of one audit. Threads may share it."""

    def __init__(self, request: AuditRequest) -> None:
        self.named = bool(request.server_name)
        self.concurrency = request.concurrency
        self._lock = threading.Lock()
        self._silences = 0
        self._choices = 0
        # Where no name is declared none may be sent (RFC 6066, section 3: an address is no name), but sslyze
        # can't do without one: the address stands in for it, and Hello and _Unnamed keep it off the wire.
        name = request.server_name or request.address
        self._location = ServerNetworkLocation(request.address, request.port, ip_address=request.address)
        self._settings = ServerNetworkConfiguration(
            name,
            tls_opportunistic_encryption=_STARTTLS[request.starttls] if request.starttls else None,
            smtp_ehlo_hostname="secscan.invalid" if request.starttls == "smtp" else None,
            # sslyze declares whole seconds, and gives them to socket.settimeout() as they are.
            network_timeout=request.patience,  # type: ignore[arg-type]
            network_max_retries=1,
        )

    @property
    def stalled(self) -> bool:
        """It stays silent, and never got as far as to choose a suite."""
        return self._choices == 0 and self._silences >= SILENT_OFTEN_ENOUGH

    def attempt(
        self,
        hello: Hello,
        *,
        prepare: Callable[[Any], object] = _nothing,
        read: Callable[[Any], object] = _nothing,
    ) -> Attempt:
        """One connection and one handshake.

        ``prepare`` is called with nassl's client before, ``read`` after the server has chosen, while the
        connection is open; what they raise is raised.
        """
        connection = SslConnection(
            self._location,
            self._settings,
            tls_version=hello.version,
            should_ignore_client_auth=hello.client_certificate,
            should_use_legacy_openssl=hello.legacy,
            should_enable_server_name_indication=hello.server_name and self.named,
        )
        client = connection.ssl_client
        try:
            try:
                _offer(client, hello.version, hello.suites)
                prepare(client)
                connection.connect()
            except (
                ConnectionToServerFailed,
                ClientCertificateRequested,
                NoCiphersAvailableBugInSSlyze,
                OSError,
                _nassl.OpenSSLError,
            ) as error:
                attempt = _failed(client, error)
            else:
                attempt = Attempt(Outcome.CHOSEN, suite=client.get_current_cipher_name(), complete=True)
            self._count(attempt.outcome)
            if attempt.outcome is Outcome.CHOSEN:
                attempt = replace(attempt, reading=read(client))
            return attempt
        finally:
            _close(client)

    def settle(
        self,
        hello: Hello,
        *,
        control: Hello | None = None,
        prepare: Callable[[Any], object] = _nothing,
        read: Callable[[Any], object] = _nothing,
    ) -> Attempt:
        """As ``attempt``, but silence is given a second chance, and closed connections are told from refusals

        with the help of ``control``, a handshake known to succeed. Without it they stay CLOSED.
        """
        closed = silent = 0
        while True:
            attempt = self.attempt(hello, prepare=prepare, read=read)
            if attempt.outcome is Outcome.SILENT and not silent and not self.stalled:
                silent += 1
                continue
            if attempt.outcome is Outcome.CLOSED and control is not None:
                closed += 1
                if closed == CLOSED_OFTEN_ENOUGH:
                    words = f"{attempt.words}, {closed} times, while other handshakes succeeded"
                    return replace(attempt, outcome=Outcome.REFUSED, words=words)
                if self._succeeds(control):
                    continue
            return attempt

    def connectivity(self, version: TlsVersionEnum, suites: tuple[str, ...]) -> ServerConnectivityInfo:
        """What sslyze's probes want to know: a version and suites that the server is known to accept."""
        if version is TlsVersionEnum.TLS_1_2:
            suites = (*suites, _WEAK_TOO)
        probing = ServerTlsProbingResult(
            highest_tls_version_supported=version,
            cipher_suite_supported=":".join(suites),
            client_auth_requirement=ClientAuthRequirementEnum.DISABLED,
            supports_ecdh_key_exchange=True,
        )
        kind = ServerConnectivityInfo if self.named else _Unnamed
        return kind(self._location, self._settings, probing)

    def _succeeds(self, control: Hello) -> bool:
        return any(self.attempt(control).outcome is Outcome.CHOSEN for _ in range(_CONTROL_TRIES))

    def _count(self, outcome: Outcome) -> None:
        with self._lock:
            self._silences += outcome is Outcome.SILENT
            self._choices += outcome is Outcome.CHOSEN


@functools.cache
def suites_known(version: TlsVersionEnum, *, legacy: bool) -> frozenset[str]:
    """The suites, by OpenSSL's names, that one of sslyze's two OpenSSLs can offer under a version."""
    if version is TlsVersionEnum.TLS_1_3:
        return frozenset() if legacy else _TLS_1_3_SUITES
    if not legacy and version.value < TlsVersionEnum.TLS_1_0.value:
        return frozenset()

    def client() -> BaseSslClient:
        kind = LegacySslClient if legacy else SslClient
        return kind(ssl_version=OpenSslVersionEnum(version.value), ssl_verify=OpenSslVerifyEnum.NONE)

    every = client()
    # OpenSSL 1.0.2 leaves the suites of SSL 2.0 out of "all" suites.
    every.set_cipher_list("SSLv2" if version is TlsVersionEnum.SSL_2_0 else _EVERY_SUITE)
    return frozenset(name for name in every.get_cipher_list() if _can_offer(client(), version, name))


def _can_offer(client: Any, version: TlsVersionEnum, suite: str) -> bool:
    # What OpenSSL lists, it may still leave out of a hello: because the suite came with a later version, needs a
    # secret shared beforehand, or is too weak for it. A hello that goes nowhere shows it.
    try:
        _offer(client, version, (suite,))
        client._ssl.do_handshake()
    except _nassl.WantReadError:
        return True
    except _nassl.OpenSSLError:
        return False
    return False


def _offer(client: Any, version: TlsVersionEnum, suites: Iterable[str]) -> None:
    if version is TlsVersionEnum.TLS_1_3:
        client.set_ciphersuites(":".join(suites))
    elif isinstance(client, SslClient):
        client.set_cipher_list(":".join((*suites, _WEAK_TOO)))
    else:
        client.set_cipher_list(":".join(suites))


class _Unnamed(ServerConnectivityInfo):
    """sslyze's probes ask for a server name unless told otherwise, and nobody tells them."""

    def get_preconfigured_tls_connection(self, *args: Any, **kwargs: Any) -> SslConnection:
        return super().get_preconfigured_tls_connection(
            *args, **{**kwargs, "should_enable_server_name_indication": False}
        )


def _failed(client: BaseSslClient, error: Exception) -> Attempt:
    if isinstance(error, ClientCertificateRequested):
        return Attempt(Outcome.CHOSEN, "a client certificate is asked for", _suite(client), asked=True)
    attempt = explain(error)
    if attempt.outcome in (Outcome.SILENT, Outcome.OTHER_VERSION):
        # Silence may be a tarpit's, whatever was said before it.
        return attempt
    # Once the server has chosen, what goes wrong later (a key too small for OpenSSL, a certificate missed, an
    # odd signature) no longer speaks against the suite.
    if _suite(client) or _received_certificates(client):
        return Attempt(Outcome.CHOSEN, attempt.words, _suite(client))
    return attempt


def explain(error: Exception) -> Attempt:
    """What an exception of sslyze's or nassl's says of a handshake, leaving out how far it had come."""
    # sslyze and OpenSSL tell the ends of a handshake apart by text only; sslyze.connection_helpers.tls_connection
    # has the list. The version is pinned.
    said = (error.error_message if isinstance(error, ConnectionToServerFailed) else str(error)).strip()[:200]
    match error:
        case ConnectionToServerTimedOut() | TlsHandshakeTimedOut():
            return Attempt(Outcome.SILENT, "it did not answer in time")
        case NoCiphersAvailableBugInSSlyze():
            return Attempt(Outcome.UNABLE, "OpenSSL can't offer it")
    if any(text in said for text in ("no cipher match", "no ciphers list", "no ciphers available")):
        return Attempt(Outcome.UNABLE, "OpenSSL can't offer it")
    if any(text in said for text in _OTHER_VERSION):
        return Attempt(Outcome.OTHER_VERSION, "it does not speak the version")
    if "alert" in said or "unrecognized name" in said:
        return Attempt(Outcome.REFUSED, said)
    if said in _CLOSED:
        return Attempt(Outcome.CLOSED, "it closed the connection")
    if isinstance(
        error, ServerRejectedTlsHandshake | ServerTlsConfigurationNotSupported | _nassl.OpenSSLError
    ):
        return Attempt(Outcome.BROKEN, said)
    return Attempt(Outcome.CLOSED, said)


#: Alert 70 of RFC 5246, section 7.2, and OpenSSL's words for a ServerHello in a version it had not offered.
_OTHER_VERSION = (
    "alert protocol version",
    "alert: protocol version",
    "wrong version number",
    "wrong SSL version",
    "unsupported protocol",
)
_CLOSED = (
    "Server rejected the connection",
    "Server interrupted the TLS handshake",
    "Server closed the connection during the TLS handshake",
)


def _suite(client: BaseSslClient) -> str:
    return client.get_current_cipher_name() or ""


def _received_certificates(client: BaseSslClient) -> bool:
    # OpenSSL 1.1.1 forgets the suite when a TLS 1.2 handshake fails, but not the certificates, and no server
    # sends those before it has chosen.
    try:
        return bool(client.get_received_chain())
    except ValueError:
        return False


def _close(client: BaseSslClient) -> None:
    try:
        client.shutdown()
    except _nassl.OpenSSLError:
        # OpenSSL has nothing to say farewell with; nassl then leaves the socket open.
        underlying = client.get_underlying_socket()
        if underlying is not None:
            with contextlib.suppress(OSError):
                underlying.close()
