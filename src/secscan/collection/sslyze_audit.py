"""What to ask one server with sslyze's connections and probes. For the audit's own process.

sslyze's own scan of suites offers each alone: 533 handshakes, whatever the server. Here they are offered
together, and what the server chose is left out the next time, until it refuses. It also sees what sslyze's
scanner gives up on: servers with nothing but NULL, EXPORT or anonymous suites fail its connectivity test, and
then nothing else is asked of them.
"""

import contextlib
import functools
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from nassl import _nassl
from nassl.ephemeral_key_info import (
    DhEphemeralKeyInfo,
    EcDhEphemeralKeyInfo,
    OpenSslEcNidEnum,
    OpenSslEvpPkeyEnum,
)
from nassl.legacy_ssl_client import LegacySslClient
from nassl.ssl_client import (
    BaseSslClient,
    ClientCertificateRequested,
    ExtendedMasterSecretSupportEnum,
    OpenSslDigestNidEnum,
    SslClient,
)
from sslyze.connection_helpers.tls_connection import NoCiphersAvailableBugInSSlyze
from sslyze.errors import ConnectionToServerFailed
from sslyze.plugins.heartbleed_plugin import HeartbleedImplementation
from sslyze.plugins.openssl_ccs_injection_plugin import OpenSslCcsInjectionImplementation
from sslyze.plugins.openssl_cipher_suites.cipher_suites import CipherSuite, CipherSuitesRepository
from sslyze.plugins.plugin_base import ScanJobResult
from sslyze.plugins.robot._robot_tester import RobotScanResultEnum, ServerDoesNotSupportRsa
from sslyze.plugins.robot.implementation import RobotImplementation
from sslyze.server_connectivity import TlsVersionEnum

from secscan.collection.sslyze_facts import (
    AcceptedSuite,
    ChainReceived,
    Finding,
    Measured,
    NoChain,
    VersionTried,
)
from secscan.collection.sslyze_handshake import Attempt, Hello, Outcome, Server, explain, suites_known
from secscan.collection.sslyze_process import AuditRequest
from secscan.facts import Gap, TlsVersion
from secscan.model import Reason

#: Newest first: what the first handshakes say of a modern server saves asking it the rest twice.
VERSIONS: dict[TlsVersionEnum, TlsVersion] = {
    TlsVersionEnum.TLS_1_3: TlsVersion.TLS1_3,
    TlsVersionEnum.TLS_1_2: TlsVersion.TLS1_2,
    TlsVersionEnum.TLS_1_1: TlsVersion.TLS1_1,
    TlsVersionEnum.TLS_1_0: TlsVersion.TLS1_0,
    TlsVersionEnum.SSL_3_0: TlsVersion.SSLV3,
    TlsVersionEnum.SSL_2_0: TlsVersion.SSLV2,
}

#: Versions in which a handshake can be renegotiated, compressed and resumed: not TLS 1.3 any more, not SSL 2.0 yet.
RENEGOTIABLE = (
    TlsVersionEnum.TLS_1_2,
    TlsVersionEnum.TLS_1_1,
    TlsVersionEnum.TLS_1_0,
    TlsVersionEnum.SSL_3_0,
)

#: Suites in one hello. Some servers look at the first 64 only, some choke on hellos of over 255 bytes
#: (https://bugs.debian.org/665452); 40 keep clear of both.
SUITES_IN_A_HELLO = 40

#: As sslyze: some servers take a few renegotiations, and then put an end to it. Whoever has taken them for so many
#: seconds takes any number.
RENEGOTIATIONS = 10
RENEGOTIATING = 3.0

#: Seconds to wait for what a server may send after a TLS 1.3 handshake: an alert, or session tickets.
AFTER_HANDSHAKE = 1.5

_NEEDS_CERTIFICATE = Gap(Reason.NEEDS_CREDENTIALS, "the handshake ends early without a client certificate")
_SSL_2_ONLY = Gap(Reason.NOT_COLLECTED, "it can't be told in SSL 2.0, the only version offered")


def audit(request: AuditRequest, tell: Callable[[Finding], None]) -> Gap | None:
    """Asks one server everything, and tells each finding as soon as it is made.

    Returns why it gave up early, or None. Raises nothing that the server could bring about.
    """
    server = Server(request)
    trials = [Trial(version) for version in VERSIONS]
    with ThreadPoolExecutor(request.concurrency) as pool:
        for trial, future in [(trial, pool.submit(trial.run, server)) for trial in trials]:
            trial.note(future.exception())
        offers = Offers(trials)
        if offers:
            again = [t for t in trials if t.closed]
            for trial, future in [(t, pool.submit(t.run_again, server, offers.control)) for t in again]:
                trial.note(future.exception())
            offers = Offers(trials)
        for trial in trials:
            tell(trial.finding())
        quick = {pool.submit(probe.ask, server, offers): probe for probe in QUICK} if offers else {}
        for done in as_completed(quick):
            for finding in _findings(quick[done], done):
                tell(finding)
        for probe in SLOW if offers else ():
            for finding in _findings(probe, pool.submit(probe.ask, server, offers)):
                tell(finding)
    if server.stalled:
        detail = f"it answered a first TLS hello, then stayed silent for {request.patience:.2g} s in every handshake"
        return Gap(Reason.TIMED_OUT, detail)
    return None


def warm_up() -> None:
    """Makes the lists of suites, once for all audits of this process."""
    for version in VERSIONS:
        _batches(version)


# --- Versions and suites ----------------------------------------------------------------------------------


class Chosen(NamedTuple):
    """A suite the server chose: sslyze's description, the size of a Diffie-Hellman prime, if one was seen, and

    which OpenSSL had offered it.
    """

    suite: CipherSuite
    dh_bits: int
    legacy: bool


@dataclass
class Trial:
    """What is being learned of one version."""

    version: TlsVersionEnum
    chosen: dict[str, Chosen] = field(default_factory=dict)
    refused: bool = False
    #: Hellos that were answered by closing the connection.
    closed: list[Hello] = field(default_factory=list)
    doubt: Gap | None = None

    def run(self, server: Server) -> None:
        for legacy, names in _batches(self.version):
            for i in range(0, len(names), SUITES_IN_A_HELLO):
                hello = Hello(self.version, names[i : i + SUITES_IN_A_HELLO], legacy)
                if self._offer(server, hello, None) is Outcome.OTHER_VERSION:
                    return

    def run_again(self, server: Server, control: Hello) -> None:
        """Offers again what was answered by closing the connection, now that something is known to succeed."""
        closed, self.closed = self.closed, []
        for hello in closed:
            if self._offer(server, hello, control) is Outcome.OTHER_VERSION:
                return

    def note(self, error: BaseException | None) -> None:
        if error is not None:
            self.doubt = _gap_of(error)

    def finding(self) -> VersionTried:
        if self.closed and self.doubt is None:
            self.doubt = Gap(Reason.REFUSED, "it closed the connection without an answer")
        return VersionTried(
            version=VERSIONS[self.version],
            accepted=tuple(
                AcceptedSuite(name=chosen.suite.name, key_size=chosen.suite.key_size, dh_bits=chosen.dh_bits)
                for chosen in self.chosen.values()
            ),
            refused=self.refused and self.doubt is None,
            doubt=self.doubt,
        )

    def _offer(self, server: Server, hello: Hello, control: Hello | None) -> Outcome:
        """Offers suites together until the server refuses the rest of them; returns how that ended."""
        left = list(hello.suites)
        outcome = Outcome.REFUSED
        while left and not server.stalled:
            hello = replace(hello, suites=tuple(left))
            attempt = server.settle(hello, control=control, read=_dh_bits)
            outcome = attempt.outcome
            suite = attempt.suite or (left[0] if len(left) == 1 else "")
            match outcome:
                case Outcome.CHOSEN if suite in left:
                    self.chosen[suite] = Chosen(_suites(self.version)[suite], attempt.reading, hello.legacy)
                    left.remove(suite)
                    continue
                case Outcome.CHOSEN | Outcome.BROKEN if not hello.legacy and (shared := self._shared(left)):
                    # When a handshake fails, only the old OpenSSL remembers what the server had chosen.
                    self._offer(server, replace(hello, suites=shared, legacy=True), control)
                    rest = tuple(name for name in left if name not in shared)
                    return self._offer(server, replace(hello, suites=rest), control)
                case Outcome.CHOSEN | Outcome.BROKEN if len(left) > 1:
                    # Which one it chose, or choked on, shows when each is offered alone.
                    for name in left:
                        self._offer(server, replace(hello, suites=(name,)), control)
                case Outcome.REFUSED:
                    self.refused = True
                case Outcome.OTHER_VERSION if self.chosen:
                    # Two servers behind one address, not configured alike.
                    self.doubt = Gap(
                        Reason.CONTRADICTORY, "it accepted the version, and later did not know it"
                    )
                case Outcome.OTHER_VERSION:
                    # That settles it, whatever became of the suites offered before.
                    self.refused, self.doubt, self.closed = True, None, []
                case Outcome.CLOSED:
                    self.closed.append(hello)
                case Outcome.SILENT:
                    self.doubt = Gap(Reason.TIMED_OUT, "it did not answer in time")
                case Outcome.CHOSEN | Outcome.BROKEN:
                    self.doubt = Gap(Reason.UNREADABLE, attempt.words)
            break
        if server.stalled:
            self.doubt = Gap(Reason.TIMED_OUT, "it did not answer in time")
        return outcome

    def _shared(self, suites: Iterable[str]) -> tuple[str, ...]:
        known = suites_known(self.version, legacy=True)
        return tuple(name for name in suites if name in known)


class UnknownSuitesError(Exception):
    """The OpenSSL that is needed for a probe knows none of the suites that the server accepts."""


class Offers:
    """What the server is known to accept; empty, and false, where that is nothing."""

    def __init__(self, trials: Iterable[Trial]) -> None:
        self._trials = {trial.version: trial for trial in trials}
        self.versions = tuple(v for v in VERSIONS if self._trials[v].chosen)
        #: The newest version in which there is something to renegotiate.
        self.renegotiable = next((v for v in RENEGOTIABLE if v in self.versions), None)

    def __bool__(self) -> bool:
        return bool(self.versions)

    @property
    def control(self) -> Hello:
        """A handshake that the server is known to accept."""
        return self.hello(self.versions[0])

    def names(self, version: TlsVersionEnum) -> tuple[str, ...]:
        """The accepted suites by IANA's names."""
        return tuple(chosen.suite.name for chosen in self._trials[version].chosen.values())

    def hello(
        self,
        version: TlsVersionEnum,
        *,
        legacy: bool | None = None,
        where: Callable[[str], bool] = lambda _: True,
    ) -> Hello:
        """Offers accepted suites again, those whose IANA name passes ``where``.

        ``legacy`` says with which OpenSSL; if that may be either, it is one that has offered them with success.
        Raises UnknownSuitesError where that knows none of them.
        """
        for kind in (False, True) if legacy is None else (legacy,):
            known = suites_known(version, legacy=kind)
            suites = tuple(
                name
                for name, chosen in self._trials[version].chosen.items()
                if where(chosen.suite.name)
                and (name in known if legacy is not None else chosen.legacy is kind)
            )
            if suites:
                return Hello(version, suites, kind)
        raise UnknownSuitesError

    def doubt(self, versions: Sequence[TlsVersionEnum] = RENEGOTIABLE) -> Gap | None:
        """Why it isn't certain what is offered in these versions."""
        return next((d for v in versions if (d := self._trials[v].doubt) is not None), None)


@functools.cache
def _suites(version: TlsVersionEnum) -> dict[str, CipherSuite]:
    """OpenSSL's name -> suite, in a fixed order."""
    suites = CipherSuitesRepository.get_all_cipher_suites(version)
    return {suite.openssl_name: suite for suite in sorted(suites, key=lambda suite: suite.name)}


@functools.cache
def _batches(version: TlsVersionEnum) -> tuple[tuple[bool, tuple[str, ...]], ...]:
    """Which suites to offer with which OpenSSL (``legacy``), each with one of the two.

    sslyze prefers the old one, but that knows neither X25519 nor Ed25519, and is refused by servers that insist
    on them. The newer one stops at primes below 1024 bits, and so would not tell how small they are.
    """
    old, new = (suites_known(version, legacy=legacy) for legacy in (True, False))
    with_old = [
        n for n, suite in _suites(version).items() if n in old and (n not in new or _has_prime(suite))
    ]
    with_new = [n for n in _suites(version) if n in new and n not in with_old]
    return (False, tuple(with_new)), (True, tuple(with_old))


def _has_prime(suite: CipherSuite) -> bool:
    return suite.name.startswith(("TLS_DHE_", "TLS_DH_anon_"))


def _dh_bits(client: BaseSslClient) -> int:
    key = _ephemeral_key(client)
    return key.size if isinstance(key, DhEphemeralKeyInfo) else 0


def _ephemeral_key(client: BaseSslClient) -> Any:
    # nassl raises ValueError on a curve it has no name for.
    with contextlib.suppress(ValueError):
        return client.get_ephemeral_key()
    return None


# --- What else there is to ask ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Probe:
    """A question that takes a few connections, and the fields of TlsFacts it answers."""

    fields: tuple[str, ...]
    ask: "Callable[[Server, Offers], list[Finding]]"


def _findings(probe: Probe, done: "Future[list[Finding]]") -> list[Finding]:
    error = done.exception()
    if error is None:
        return done.result()
    gap = _gap_of(error)
    return [Measured(field=field, value=gap) for field in probe.fields] or [NoChain(gap=gap)]


def _gap_of(error: BaseException) -> Gap:
    # Whatever sslyze, nassl and its parsers raise on hostile bytes; what they cost is this one answer.
    if isinstance(error, ConnectionToServerFailed | NoCiphersAvailableBugInSSlyze):
        return _gap_after(explain(error))
    said = str(error).strip()
    if isinstance(error, ClientCertificateRequested) or "alert certificate required" in said:
        return _NEEDS_CERTIFICATE
    if isinstance(error, UnknownSuitesError):
        detail = "the OpenSSL that can look at it knows none of the accepted suites"
        return Gap(Reason.NOT_COLLECTED, detail)
    if isinstance(error, TimeoutError):
        return Gap(Reason.TIMED_OUT, "it did not answer in time")
    return Gap(Reason.UNREADABLE, f"{type(error).__name__}: {said}"[:200])


def _gap_after(attempt: Attempt) -> Gap:
    """Why a handshake with suites the server had accepted before told nothing this time."""
    if attempt.asked or (attempt.outcome is Outcome.CHOSEN and "alert" in attempt.words):
        return _NEEDS_CERTIFICATE
    reasons = {
        Outcome.SILENT: Reason.TIMED_OUT,
        Outcome.REFUSED: Reason.REFUSED,
        Outcome.OTHER_VERSION: Reason.CONTRADICTORY,
        Outcome.CLOSED: Reason.REFUSED,
        Outcome.UNABLE: Reason.NOT_COLLECTED,
    }
    return Gap(reasons.get(attempt.outcome, Reason.UNREADABLE), attempt.words)


def _ask_renegotiation(server: Server, offers: Offers) -> list[Finding]:
    fields = ("secure_renegotiation", "compression", "client_renegotiation")
    version = offers.renegotiable
    if version is None:
        # RFC 8446, section 4.1.2: neither compression nor renegotiation is left in TLS 1.3, which
        # is as good as the safe kind.
        return _without_old_versions(offers, dict(zip(fields, (True, False, False), strict=True)))
    hello = offers.hello(version, legacy=True)

    def look(client: LegacySslClient) -> tuple[bool | None, ...]:
        secure = client.get_secure_renegotiation_support()
        if not client.is_handshake_completed():
            return secure, None, None
        # Asked for before renegotiating, which may leave no session to ask.
        compressed = bool(client.get_current_compression_method())
        return secure, compressed, _renegotiates(client)

    attempt = server.settle(hello, control=offers.control, read=look)
    values = attempt.reading or (None,) * len(fields)
    return [
        Measured(field=field, value=_gap_after(attempt) if value is None else value)
        for field, value in zip(fields, values, strict=True)
    ]


def _renegotiates(client: LegacySslClient) -> bool:
    until = time.monotonic() + RENEGOTIATING
    try:
        for _ in range(RENEGOTIATIONS):
            client.do_renegotiate()
            if time.monotonic() > until:
                break
    except ClientCertificateRequested:
        return True
    except (OSError, _nassl.OpenSSLError):
        # An alert, a closed connection or silence: servers have all three ways to say no.
        return False
    return True


def _ask_extended_master_secret(server: Server, offers: Offers) -> list[Finding]:
    field = "extended_master_secret"
    version = offers.renegotiable
    if version is None:
        # RFC 8446, appendix D: TLS 1.3 binds its keys to the whole handshake, always.
        return _without_old_versions(offers, {field: True})
    hello = offers.hello(version, legacy=False)
    attempt = server.settle(hello, control=offers.control, read=SslClient.get_extended_master_secret_support)
    value: bool | Gap = _gap_after(attempt)
    if attempt.complete and attempt.reading is not ExtendedMasterSecretSupportEnum.UNKNOWN:
        value = attempt.reading is ExtendedMasterSecretSupportEnum.USED_IN_CURRENT_SESSION
    return [Measured(field=field, value=value)]


def _ask_fallback(server: Server, offers: Offers) -> list[Finding]:
    """sslyze asks in the version below the newest even if that is not offered, and takes silence for a yes."""
    field = "fallback_scsv"
    spoken = [version for version in RENEGOTIABLE if version in offers.versions]
    if len(spoken) < 2:
        # There is nothing to be talked down to. TLS 1.3 does not count: it guards itself (RFC 8446, 4.1.3).
        return _without_old_versions(offers, {field: True})
    hello = offers.hello(spoken[1], legacy=True)
    attempt = server.settle(hello, control=offers.control, prepare=LegacySslClient.enable_fallback_scsv)
    match attempt.outcome:
        case Outcome.CHOSEN:
            value: bool | Gap = False
        case Outcome.REFUSED:
            value = True
        case _:
            value = _gap_after(attempt)
    return [Measured(field=field, value=value)]


def _ask_client_certificate(server: Server, offers: Offers) -> list[Finding]:
    field = "client_certificate"
    version = offers.versions[0]
    hello = offers.control
    first = server.settle(replace(hello, client_certificate=False), control=hello)
    if not first.asked:
        return [Measured(field=field, value="not-asked" if first.complete else _gap_after(first))]
    read = _accepts_silence if version is TlsVersionEnum.TLS_1_3 else lambda _: True
    second = server.attempt(hello, read=read)
    if second.complete:
        return [Measured(field=field, value="asked" if second.reading else "required")]
    # It had a certificate request to send, so what it now ends is the handshake without a certificate.
    ended = second.outcome is not Outcome.SILENT
    return [Measured(field=field, value="required" if ended else _gap_after(second))]


def _accepts_silence(client: SslClient) -> bool:
    """Whether a server that asked for a certificate, and got none, goes on. In TLS 1.3 our side of the handshake

    is over before the server can say no to that (RFC 8446, section 4.4.2.4).
    """
    try:
        _hear_after_handshake(client)
    except (ClientCertificateRequested, _nassl.OpenSSLError, OSError):
        return False
    return True


def _ask_early_data(server: Server, offers: Offers) -> list[Finding]:
    """sslyze sends early data to see whether it is taken. The ticket says so too (RFC 8446, section 4.6.1), and no

    byte is sent to a service that may not be HTTP.
    """
    field = "early_data"
    if TlsVersionEnum.TLS_1_3 not in offers.versions:
        return [Measured(field=field, value=offers.doubt((TlsVersionEnum.TLS_1_3,)) or False)]

    def look(client: SslClient) -> bool:
        _hear_after_handshake(client)
        # Without a ticket there is no session to resume, and so no early data: the size is 0 then.
        return bool(client.get_session().get_max_early_data())

    hello = offers.hello(TlsVersionEnum.TLS_1_3)
    attempt = server.settle(hello, control=offers.control, read=look)
    return [Measured(field=field, value=_gap_after(attempt) if attempt.reading is None else attempt.reading)]


def _hear_after_handshake(client: SslClient) -> None:
    """Reads once what comes after the handshake, if anything does. Raises what that means to OpenSSL.

    nassl's own ``read`` goes on until there is application data, which most servers send only when asked.
    """
    underlying: Any = client.get_underlying_socket()
    underlying.settimeout(AFTER_HANDSHAKE)
    # nassl leaves the last message of the handshake lying until there is something to write.
    client._flush_ssl_engine()
    try:
        received = underlying.recv(16 * 1024)
    except TimeoutError:
        return
    if not received:
        raise ConnectionResetError("it closed the connection right after the handshake")
    client._network_bio.write(received)
    with contextlib.suppress(_nassl.WantReadError):
        client._ssl.read(1)


def _ask_heartbleed(server: Server, offers: Offers) -> list[Finding]:
    return _ask_sslyze(server, offers, "heartbleed", HeartbleedImplementation, "is_vulnerable_to_heartbleed")


def _ask_ccs_injection(server: Server, offers: Offers) -> list[Finding]:
    return _ask_sslyze(
        server, offers, "ccs_injection", OpenSslCcsInjectionImplementation, "is_vulnerable_to_ccs_injection"
    )


def _ask_sslyze(server: Server, offers: Offers, field: str, probe: Any, result: str) -> list[Finding]:
    version = offers.renegotiable
    if version is None:
        # Both bugs were mended in OpenSSL years before it learned TLS 1.3.
        return _without_old_versions(offers, {field: False})
    # sslyze takes the newer OpenSSL for TLS 1.2, and the old one for what is older.
    hello = offers.hello(version, legacy=version is not TlsVersionEnum.TLS_1_2)
    info = server.connectivity(version, hello.suites)
    # Twice: these probes take a connection that is lost for one that was closed in answer to the attack.
    vulnerable = any(
        getattr(probe.result_for_completed_scan_jobs(info, [_run(job)]), result)
        for _ in range(2)
        for job in probe.scan_jobs_for_scan_command(info)
    )
    if not vulnerable and server.named:
        # These probes send no server name, and take the alert of a server that wants one for a clean answer.
        nameless = server.settle(replace(hello, server_name=False), control=offers.control)
        if nameless.outcome is not Outcome.CHOSEN:
            gap = Gap(Reason.NOT_COLLECTED, "the probe sends no server name, and the server insists on one")
            return [Measured(field=field, value=gap)]
    return [Measured(field=field, value=bool(vulnerable))]


def _ask_robot(server: Server, offers: Offers) -> list[Finding]:
    field = "robot"
    spoken = (v for v in RENEGOTIABLE if v in offers.versions)
    version = next((v for v in spoken if any(n.startswith("TLS_RSA_") for n in offers.names(v))), None)
    if version is None:
        # The oracle is in RSA key exchange only.
        return _without_old_versions(offers, {field: "none"})
    info = server.connectivity(version, ())
    # Three times the same: at once, because each waits long for the server to acknowledge what it was sent in parts.
    jobs = RobotImplementation.scan_jobs_for_scan_command(info)
    try:
        with ThreadPoolExecutor(min(len(jobs), server.concurrency)) as pool:
            answers = list(pool.map(_run, jobs))
    except ServerDoesNotSupportRsa:
        gap = Gap(Reason.CONTRADICTORY, "it accepted RSA key exchange, and then refused it to the probe")
        return [Measured(field=field, value=gap)]
    match RobotImplementation.result_for_completed_scan_jobs(info, answers).robot_result:
        case RobotScanResultEnum.VULNERABLE_STRONG_ORACLE:
            value: str | Gap = "strong"
        case RobotScanResultEnum.VULNERABLE_WEAK_ORACLE:
            value = "weak"
        case RobotScanResultEnum.UNKNOWN_INCONSISTENT_RESULTS:
            value = Gap(Reason.CONTRADICTORY, "it answered the same malformed messages differently each time")
        case _:
            value = "none"
    return [Measured(field=field, value=value)]


def _run(job: Any) -> ScanJobResult:
    """As sslyze's own threads run it, but what it raises is raised: every job here is needed for the result."""
    return ScanJobResult(_return_value=job.function_to_call(*job.function_arguments), _exception=None)


def _ask_groups(server: Server, offers: Offers) -> list[Finding]:
    field = "groups"
    elliptic = [v for v in offers.versions if any(map(_makes_elliptic_keys, offers.names(v)))]
    accepted: set[str] = set()
    # TLS 1.3 has groups of its own; before it, the newest version stands for all.
    for version in elliptic[: 2 if TlsVersionEnum.TLS_1_3 in elliptic else 1]:
        hello = offers.hello(version, legacy=False, where=_makes_elliptic_keys)
        found = _groups(server, hello, offers.control)
        if isinstance(found, Gap):
            return [Measured(field=field, value=found)]
        accepted |= found
    doubt = None if accepted else offers.doubt(tuple(VERSIONS))
    return [Measured(field=field, value=doubt or tuple(sorted(accepted)))]


def _makes_elliptic_keys(suite: str) -> bool:
    return suite.startswith(("TLS_AES_", "TLS_CHACHA20_", "TLS_ECDHE_", "TLS_ECDH_anon_"))


def _groups(server: Server, hello: Hello, control: Hello) -> set[str] | Gap:
    left = sorted(OpenSslEcNidEnum, key=_preference)
    found: list[OpenSslEcNidEnum] = []
    with_found = True
    while left:
        # A server with an ECDSA certificate refuses in TLS 1.2 whoever does not know the certificate's curve
        # (RFC 8422, section 5.1), so what was found is offered too, last, until only that is chosen any more.
        offered = [*left, *found] if with_found else left
        attempt = server.settle(
            hello,
            control=control,
            prepare=functools.partial(SslClient.set_groups, supported_groups=offered),
            read=_curve,
        )
        curve = attempt.reading
        match attempt.outcome:
            case Outcome.CHOSEN if curve in left:
                left.remove(curve)
                found.append(curve)
            case Outcome.CHOSEN | Outcome.REFUSED if with_found and found:
                with_found = False
            case Outcome.REFUSED:
                break
            case Outcome.CHOSEN:
                return Gap(Reason.UNREADABLE, "it chose a group that OpenSSL has no name for")
            case Outcome.BROKEN if "unexpected message" in attempt.words or "wrong curve" in attempt.words:
                # Some servers take a group that was not offered (https://github.com/nabla-c0d3/sslyze/issues/490).
                break
            case _:
                return _gap_after(attempt)
    return {_group_name(curve) for curve in found}


def _preference(curve: OpenSslEcNidEnum) -> tuple[bool, int]:
    # The first is the one OpenSSL makes a TLS 1.3 key share of; any other costs a HelloRetryRequest.
    return curve is not OpenSslEcNidEnum.X25519, curve.value


def _curve(client: BaseSslClient) -> OpenSslEcNidEnum | None:
    key = _ephemeral_key(client)
    # nassl declares an enumeration, and gives a number.
    return OpenSslEcNidEnum(key.curve) if isinstance(key, EcDhEphemeralKeyInfo) else None


def _group_name(curve: OpenSslEcNidEnum) -> str:
    """IANA's name (TLS Supported Groups)."""
    return curve.name if curve.name.startswith("brainpool") else curve.name.lower()


def _without_old_versions(offers: Offers, values: dict[str, bool | str]) -> list[Finding]:
    """What holds where no version, or no suite of a version, is offered in which it could be otherwise."""
    doubt = offers.doubt()
    if doubt is None and offers.versions == (TlsVersionEnum.SSL_2_0,):
        doubt = _SSL_2_ONLY
    return [Measured(field=field, value=doubt or value) for field, value in values.items()]


# --- Certificates -------------------------------------------------------------------------------------------

_RSA_SIGNATURES = tuple(
    (digest, key)
    for key in (OpenSslEvpPkeyEnum.RSA_PSS, OpenSslEvpPkeyEnum.RSA)
    for digest in (OpenSslDigestNidEnum.SHA256, OpenSslDigestNidEnum.SHA384, OpenSslDigestNidEnum.SHA512)
)
# RSA with PKCS #1 is for the signatures on certificates: nobody may sign a TLS 1.3 handshake with it (RFC 8446,
# section 4.2.3), but many an ECDSA certificate is signed by an RSA authority.
_ECDSA_SIGNATURES = (
    (OpenSslDigestNidEnum.SHA256, OpenSslEvpPkeyEnum.EC),
    (OpenSslDigestNidEnum.SHA384, OpenSslEvpPkeyEnum.EC),
    (OpenSslDigestNidEnum.SHA512, OpenSslEvpPkeyEnum.EC),
    (OpenSslDigestNidEnum.SHA256, OpenSslEvpPkeyEnum.RSA),
    (OpenSslDigestNidEnum.SHA384, OpenSslEvpPkeyEnum.RSA),
    (OpenSslDigestNidEnum.SHA512, OpenSslEvpPkeyEnum.RSA),
)

#: Slot -> the parts of suite names that promise such a certificate.
_AUTHENTICATIONS: dict[str, tuple[str, ...]] = {
    "RSA": ("TLS_RSA_", "_DHE_RSA_", "_ECDHE_RSA_", "_DH_RSA_", "_ECDH_RSA_", "SSL_CK_"),
    "ECDSA": ("_ECDHE_ECDSA_", "_ECDH_ECDSA_"),
    "DSA": ("_DSS_",),
}


def _ask_newest_chain(server: Server, offers: Offers) -> list[Finding]:
    """The chain for whoever has no wishes; the only one that finds Ed25519 certificates in TLS 1.3."""
    return _chain(server, offers, offers.control, "", ())


def _ask_rsa_chain(server: Server, offers: Offers) -> list[Finding]:
    return _chain_by_signature(server, offers, "RSA", _RSA_SIGNATURES)


def _ask_ecdsa_chain(server: Server, offers: Offers) -> list[Finding]:
    return _chain_by_signature(server, offers, "ECDSA", _ECDSA_SIGNATURES)


def _chain_by_signature(server: Server, offers: Offers, slot: str, signatures: Any) -> list[Finding]:
    if TlsVersionEnum.TLS_1_3 not in offers.versions:
        return []
    return _chain(server, offers, offers.hello(TlsVersionEnum.TLS_1_3), slot, signatures)


def _ask_old_chains(server: Server, offers: Offers) -> list[Finding]:
    """Before TLS 1.3 the suite says what kind of certificate there is."""
    version = next((v for v in offers.versions if v is not TlsVersionEnum.TLS_1_3), None)
    if version is None:
        return []
    findings: list[Finding] = []
    for slot, parts in _AUTHENTICATIONS.items():

        def promises(suite: str, parts: tuple[str, ...] = parts) -> bool:
            return any(part in suite for part in parts)

        if any(map(promises, offers.names(version))):
            findings += _chain(server, offers, offers.hello(version, where=promises), slot, ())
    return findings


def _chain(server: Server, offers: Offers, hello: Hello, slot: str, signatures: Any) -> list[Finding]:
    def prepare(client: Any) -> None:
        client.set_tlsext_status_ocsp()
        if signatures:
            client.set_signature_algorithms(list(signatures))

    def look(client: BaseSslClient) -> tuple[tuple[bytes, ...], bytes | None]:
        try:
            received = client.get_received_chain()
        except ValueError:
            # There is none: the suite is anonymous, or the certificates could not be parsed.
            return (), None
        staple = client.get_tlsext_status_ocsp_resp()
        certificates = tuple(ssl.PEM_cert_to_DER_cert(certificate) for certificate in received)
        return certificates, bytes(staple.as_der_bytes()) if staple is not None else None

    attempt = server.settle(hello, control=offers.control, prepare=prepare, read=look)
    if attempt.outcome is not Outcome.CHOSEN:
        # A server without such a certificate refuses; what is wrong otherwise, the other handshakes tell as well.
        return [] if attempt.outcome is Outcome.REFUSED else [NoChain(gap=_gap_after(attempt))]
    certificates, staple = attempt.reading
    if certificates:
        return [ChainReceived(certificates=certificates, ocsp=staple, slot=slot)]
    if attempt.complete:
        return []
    detail = f"its certificates can't be read: {attempt.words}"[:200]
    return [NoChain(gap=Gap(Reason.MALFORMED, detail))]


QUICK = (
    Probe((), _ask_newest_chain),
    Probe((), _ask_rsa_chain),
    Probe((), _ask_ecdsa_chain),
    Probe((), _ask_old_chains),
    Probe(("extended_master_secret",), _ask_extended_master_secret),
    Probe(("fallback_scsv",), _ask_fallback),
    Probe(("groups",), _ask_groups),
)

#: These wait for what may not come, or keep a connection busy; a server that can serve but one at a time would let
#: all others wait with them. So each is asked alone, and the longest last.
SLOW = (
    Probe(("client_certificate",), _ask_client_certificate),
    Probe(("early_data",), _ask_early_data),
    Probe(("heartbleed",), _ask_heartbleed),
    Probe(("ccs_injection",), _ask_ccs_injection),
    Probe(("secure_renegotiation", "compression", "client_renegotiation"), _ask_renegotiation),
    Probe(("robot",), _ask_robot),
)
