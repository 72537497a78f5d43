"""Questions of a few connections each that sslyze and its OpenSSLs can ask. For the audit's own process."""

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from nassl import _nassl
from nassl.legacy_ssl_client import LegacySslClient
from nassl.ssl_client import ClientCertificateRequested, ExtendedMasterSecretSupportEnum, SslClient
from sslyze.plugins.heartbleed_plugin import HeartbleedImplementation
from sslyze.plugins.openssl_ccs_injection_plugin import OpenSslCcsInjectionImplementation
from sslyze.plugins.plugin_base import ScanJobResult
from sslyze.plugins.robot._robot_tester import RobotScanResultEnum, ServerDoesNotSupportRsa
from sslyze.plugins.robot.implementation import RobotImplementation
from sslyze.server_connectivity import TlsVersionEnum

from secscan.collection.deep.findings import Finding, Measured
from secscan.collection.deep.gaps import gap_after
from secscan.collection.deep.handshake import Outcome, Server
from secscan.collection.deep.offers import RENEGOTIABLE, Offers, is_rsa_transport
from secscan.facts import Gap
from secscan.model import Reason

#: As sslyze: some servers take a few renegotiations, and then put an end to it. Whoever has taken them for so many
#: seconds takes any number.
RENEGOTIATIONS = 10
RENEGOTIATING = 3.0

#: Seconds to wait for what a server may send after a TLS 1.3 handshake: an alert, or session tickets.
AFTER_HANDSHAKE = 1.5

_SSL_2_ONLY = Gap(Reason.NOT_COLLECTED, "it can't be told in SSL 2.0, the only version offered")


def ask_renegotiation(server: Server, offers: Offers) -> list[Finding]:
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
        Measured(field=field, value=gap_after(attempt) if value is None else value)
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


def ask_extended_master_secret(server: Server, offers: Offers) -> list[Finding]:
    field = "extended_master_secret"
    version = offers.renegotiable
    if version is None:
        # RFC 8446, appendix D: TLS 1.3 binds its keys to the whole handshake, always.
        return _without_old_versions(offers, {field: True})
    hello = offers.hello(version, legacy=False)
    attempt = server.settle(hello, control=offers.control, read=SslClient.get_extended_master_secret_support)
    value: bool | Gap = gap_after(attempt)
    if attempt.complete and attempt.reading is not ExtendedMasterSecretSupportEnum.UNKNOWN:
        value = attempt.reading is ExtendedMasterSecretSupportEnum.USED_IN_CURRENT_SESSION
    return [Measured(field=field, value=value)]


def ask_fallback(server: Server, offers: Offers) -> list[Finding]:
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
            value = gap_after(attempt)
    return [Measured(field=field, value=value)]


def ask_client_certificate(server: Server, offers: Offers) -> list[Finding]:
    field = "client_certificate"
    version = offers.versions[0]
    hello = offers.control
    first = server.settle(replace(hello, client_certificate=False), control=hello)
    if not first.asked:
        return [Measured(field=field, value="not-asked" if first.complete else gap_after(first))]
    read = _accepts_silence if version is TlsVersionEnum.TLS_1_3 else lambda _: True
    second = server.attempt(hello, read=read)
    if second.complete:
        return [Measured(field=field, value="asked" if second.reading else "required")]
    # It had a certificate request to send, so what it now ends is the handshake without a certificate.
    ended = second.outcome is not Outcome.SILENT
    return [Measured(field=field, value="required" if ended else gap_after(second))]


def _accepts_silence(client: SslClient) -> bool:
    """Whether a server that asked for a certificate, and got none, goes on. In TLS 1.3 our side of the handshake

    is over before the server can say no to that (RFC 8446, section 4.4.2.4).
    """
    try:
        _hear_after_handshake(client)
    except (ClientCertificateRequested, _nassl.OpenSSLError, OSError):
        return False
    return True


def ask_early_data(server: Server, offers: Offers) -> list[Finding]:
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
    return [Measured(field=field, value=gap_after(attempt) if attempt.reading is None else attempt.reading)]


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


def ask_heartbleed(server: Server, offers: Offers) -> list[Finding]:
    return _ask_sslyze(server, offers, "heartbleed", HeartbleedImplementation, "is_vulnerable_to_heartbleed")


def ask_ccs_injection(server: Server, offers: Offers) -> list[Finding]:
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


def ask_robot(server: Server, offers: Offers) -> list[Finding]:
    field = "robot"
    spoken = (v for v in RENEGOTIABLE if v in offers.versions)
    version = next((v for v in spoken if any(map(is_rsa_transport, offers.names(v)))), None)
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


def _without_old_versions(offers: Offers, values: dict[str, bool | str]) -> list[Finding]:
    """What holds where no version, or no suite of a version, is offered in which it could be otherwise."""
    doubt = offers.doubt()
    if doubt is None and offers.versions == (TlsVersionEnum.SSL_2_0,):
        doubt = _SSL_2_ONLY
    return [Measured(field=field, value=doubt or value) for field, value in values.items()]
