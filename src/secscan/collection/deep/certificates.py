"""Which certificates a server calls its own, by sslyze's connections. For the audit's own process."""

import hashlib
import ssl
from typing import Any

from nassl.ephemeral_key_info import OpenSslEvpPkeyEnum
from nassl.ssl_client import BaseSslClient, OpenSslDigestNidEnum
from sslyze.server_connectivity import TlsVersionEnum

from secscan.collection.deep.findings import CertificateReceived, Finding, NoCertificate
from secscan.collection.deep.gaps import gap_after
from secscan.collection.deep.handshake import Hello, Outcome, Server
from secscan.collection.deep.offers import Offers
from secscan.facts import Gap
from secscan.model import Reason

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

#: For each kind of certificate, the parts of suite names that promise one: RSA, ECDSA, DSA.
_AUTHENTICATIONS: tuple[tuple[str, ...], ...] = (
    ("TLS_RSA_", "_DHE_RSA_", "_ECDHE_RSA_", "_DH_RSA_", "_ECDH_RSA_", "SSL_CK_"),
    ("_ECDHE_ECDSA_", "_ECDH_ECDSA_"),
    ("_DSS_",),
)


def ask_newest_certificate(server: Server, offers: Offers) -> list[Finding]:
    """That for whoever has no wishes; the only question that finds Ed25519 certificates in TLS 1.3."""
    return _ask(server, offers, offers.control, ())


def ask_rsa_certificate(server: Server, offers: Offers) -> list[Finding]:
    return _ask_by_signature(server, offers, _RSA_SIGNATURES)


def ask_ecdsa_certificate(server: Server, offers: Offers) -> list[Finding]:
    return _ask_by_signature(server, offers, _ECDSA_SIGNATURES)


def ask_old_certificates(server: Server, offers: Offers) -> list[Finding]:
    """Before TLS 1.3 the suite says what kind of certificate there is."""
    version = next((v for v in offers.versions if v is not TlsVersionEnum.TLS_1_3), None)
    if version is None:
        return []
    findings: list[Finding] = []
    for parts in _AUTHENTICATIONS:

        def promises(suite: str, parts: tuple[str, ...] = parts) -> bool:
            return any(part in suite for part in parts)

        if any(map(promises, offers.names(version))):
            findings += _ask(server, offers, offers.hello(version, where=promises), ())
    return findings


def _ask_by_signature(server: Server, offers: Offers, signatures: Any) -> list[Finding]:
    if TlsVersionEnum.TLS_1_3 not in offers.versions:
        return []
    return _ask(server, offers, offers.hello(TlsVersionEnum.TLS_1_3), signatures)


def _ask(server: Server, offers: Offers, hello: Hello, signatures: Any) -> list[Finding]:
    def prepare(client: Any) -> None:
        if signatures:
            client.set_signature_algorithms(list(signatures))

    def look(client: BaseSslClient) -> str:
        try:
            received = client.get_received_chain()
        except ValueError:
            # There is none: the suite is anonymous, or the certificates could not be parsed.
            return ""
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(received[0])).hexdigest() if received else ""

    attempt = server.settle(hello, control=offers.control, prepare=prepare, read=look)
    if attempt.outcome is not Outcome.CHOSEN:
        # A server without such a certificate refuses; what is wrong otherwise, the other handshakes tell as well.
        return [] if attempt.outcome is Outcome.REFUSED else [NoCertificate(gap=gap_after(attempt))]
    if attempt.reading:
        return [CertificateReceived(certificate=attempt.reading)]
    if attempt.complete:
        return []
    detail = f"its certificates can't be read: {attempt.words}"[:200]
    return [NoCertificate(gap=Gap(Reason.MALFORMED, detail))]
