"""Builders of facts, observations, hosts and certificates for tests of judgement; everything has a sound default."""

import ipaddress
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from secscan.check import TrustAnchors
from secscan.facts import (
    Chain,
    ChainFacts,
    CipherSuite,
    Depth,
    Facts,
    Gap,
    TlsAuditFacts,
    TlsFacts,
    TlsVersion,
    VersionAudit,
    VersionOffer,
)
from secscan.model import Endpoint, Host, Observation, Reason, Service, Unobserved

#: The instant at which everything is seen and judged.
AT = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)
NAME = "www.example.vn"
ADDRESS = "192.0.2.1"
UNREAD = Gap(Reason.TIMED_OUT, "it took too long")


# --- Who and what was seen ----------------------------------------------------------------------------


def a_host(id: str = "web-1", *, names: Sequence[str] = (NAME,), **more: Any) -> Host:
    return Host(id=id, addresses=(ADDRESS,), names=tuple(names), **more)


def a_service(server_name: str = NAME, *, port: int = 443, host: str = "web-1") -> Service:
    return Service(host, "tcp", port, server_name)


def seen(facts: Facts, *, service: Service | None = None, address: str = ADDRESS) -> Observation[Any]:
    """An observation of these facts at an endpoint."""
    return Observation(Endpoint(service or a_service(), address), "test", facts.kind, AT, facts)


def unobserved(kind: str, reason: Reason = Reason.NOT_COLLECTED, detail: str = "") -> Unobserved:
    """The same endpoint, where nothing was seen."""
    return Unobserved(Endpoint(a_service(), ADDRESS), "test", kind, AT, reason, detail)


# --- TLS ----------------------------------------------------------------------------------------------

SOUND_1_2 = ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256")
SOUND_1_3 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")


def tls_facts(
    offers: Mapping[TlsVersion, Iterable[str] | Gap | bool] | None = None, **changes: Any
) -> TlsFacts:
    """A server that offers sound suites in TLS 1.2 and 1.3 and has no flaw.

    ``offers`` says otherwise for single versions: the suites accepted, False for not offered, True for offered
    with its suites unread, or a Gap where even that is unknown. ``changes`` set any other field.
    """
    every = {
        **dict.fromkeys(TlsVersion, False),
        TlsVersion.TLS1_2: SOUND_1_2,
        TlsVersion.TLS1_3: SOUND_1_3,
        **(offers or {}),
    }
    sound: dict[str, Any] = {
        "dh_bits": 0,
        "groups": ("secp256r1", "x25519"),
        "client_certificate": "not-asked",
        "secure_renegotiation": True,
        "client_renegotiation": False,
        "fallback_scsv": True,
        "extended_master_secret": True,
        "compression": False,
        "heartbleed": False,
        "ccs_injection": False,
        "robot": "none",
        "early_data": False,
        "dh_primes": (),
        "post_quantum": ("X25519MLKEM768",),
        "weak_signatures": (),
        "signatures": ("ecdsa_secp256r1_sha256", "rsa_pss_rsae_sha256"),
        "encrypt_then_mac": True,
        "heartbeat": False,
        "tickets": True,
        "alpn": ("h2",),
        "downgrade_mark": True,
        "depth": Depth.FULL,
        "oddities": (),
    }
    return TlsFacts(versions=tuple(_offer(v, every[v]) for v in TlsVersion), **{**sound, **changes})


def audit_facts(facts: TlsFacts, **changes: Any) -> TlsAuditFacts:
    """What sslyze says of the server of these facts where it agrees in everything; ``changes`` where it does not."""
    same = {name: getattr(facts, name) for name in TlsAuditFacts.__struct_fields__ if hasattr(facts, name)}
    versions = tuple(
        VersionAudit(version=offer.version, offered=offer.offered, suites=offer.suites)
        for offer in facts.versions
    )
    return TlsAuditFacts(**{**same, "versions": versions, **changes})


def _offer(version: TlsVersion, offer: Iterable[str] | Gap | bool) -> VersionOffer:
    match offer:
        case Gap():
            return VersionOffer(version=version, offered=offer, suites=offer)
        case True:
            return VersionOffer(version=version, offered=True, suites=UNREAD)
        case False:
            return VersionOffer(version=version, offered=False, suites=())
    return VersionOffer(
        version=version, offered=True, suites=tuple(CipherSuite(name=name) for name in sorted(offer))
    )


# --- Certificates -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Issued:
    """A certificate, DER, and the key it is for."""

    der: bytes
    key: Any

    @property
    def x509(self) -> x509.Certificate:
        return x509.load_der_x509_certificate(self.der)


def chain_facts(*certificates: Issued | bytes, slot: str = "ECDSA", **changes: Any) -> ChainFacts:
    """One slot with these certificates as sent."""
    ders = tuple(c.der if isinstance(c, Issued) else c for c in certificates)
    return ChainFacts(chains=(Chain(slot=slot, certificates=ders, **changes),))


def anchors(public: Sequence[Issued] = (), private: Sequence[Issued] = ()) -> TrustAnchors:
    return TrustAnchors(
        public=tuple(c.der for c in public), private=tuple(c.der for c in private), as_of="2026.05.01"
    )


@lru_cache
def private_key(kind: str = "secp256r1", holder: str = "") -> Any:
    """``rsa-2048``, ``rsa-2048-3`` (the exponent), ``dsa-1024``, ``ed25519``, ``ed448`` or a curve of SEC 2; one per holder."""
    match kind.split("-"):
        case ["rsa", bits]:
            return rsa.generate_private_key(65537, int(bits))
        case ["rsa", bits, exponent]:
            return rsa.generate_private_key(int(exponent), int(bits))
        case ["dsa", bits]:
            return dsa.generate_private_key(int(bits))
        case ["ed25519"]:
            return ed25519.Ed25519PrivateKey.generate()
        case ["ed448"]:
            return ed448.Ed448PrivateKey.generate()
    return ec.generate_private_key(getattr(ec, kind.upper())())


def issue(
    subject: str = NAME,
    *,
    by: Issued | None = None,
    key: str = "secp256r1",
    names: Sequence[str] | None = (NAME,),
    start: datetime = AT - timedelta(days=10),
    end: datetime = AT + timedelta(days=80) - timedelta(seconds=1),
    ca: bool | None = False,
    path_length: int | None = None,
    usages: Sequence[str] | None = ("digital_signature",),
    extended: Sequence[x509.ObjectIdentifier] | None = (ExtendedKeyUsageOID.SERVER_AUTH,),
    crl: str | None = "http://ca.example.vn/list.crl",
    extra: Sequence[tuple[x509.ExtensionType, bool]] = (),
    digest: str = "sha256",
    holder: str = "",
) -> Issued:
    """A certificate of ``subject``, signed by ``by`` or by its own key. None leaves an extension out.

    The default is a sound server certificate of 90 days, the last second included. ``holder`` tells apart the
    keys of two that share subject and kind.
    """
    own = private_key(key, holder or subject)
    signer, issuer = (by.key, by.x509.subject) if by else (own, _name(subject))
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(issuer)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, path_length), critical=True)
    if usages is not None:
        builder = builder.add_extension(_key_usage(usages), critical=True)
    if extended is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
    if names is not None:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False
        )
    if crl is not None:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(crl)], None, None, None)
        builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical)
    own_digest = isinstance(signer, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    der = builder.sign(signer, None if own_digest else hashes.SHA256()).public_bytes(Encoding.DER)
    return Issued(der if digest == "sha256" else _over(der, digest, signer), own)


def issue_authority(subject: str, *, by: Issued | None = None, **changes: Any) -> Issued:
    """A root, or an issuing certificate below ``by``; ten years long."""
    plain: dict[str, Any] = {
        "names": None,
        "ca": True,
        "usages": ("key_cert_sign", "crl_sign"),
        "extended": None,
        "crl": None,
        "start": AT - timedelta(days=1825),
        "end": AT + timedelta(days=1825),
    }
    return issue(subject, by=by, **{**plain, **changes})


def _name(subject: str) -> x509.Name:
    # Attackers don't keep to the 64 characters of RFC 5280, appendix A.1; cryptography then only warns.
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        return x509.Name(
            [x509.NameAttribute(NameOID.COMMON_NAME, subject, _validate=False)] if subject else []
        )


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        # Past cryptography's own look at the name: certificates hold what their makers like.
        return x509.DNSName._init_without_validation(name)


def _key_usage(usages: Sequence[str]) -> x509.KeyUsage:
    every = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{usage: usage in usages for usage in every})


#: The last byte of the signature algorithms of PKCS #1 (RFC 8017, appendix A.2.4), which are of one length.
_RSA_WITH = bytes.fromhex("2a864886f70d0101")
_DIGESTS = {"md2": (2, hashes.SHA256()), "md5": (4, hashes.MD5()), "sha1": (5, hashes.SHA1())}  # noqa: S303 - the case itself


def _over(der: bytes, digest: str, signer: Any) -> bytes:
    """The certificate with an RSA signature over another digest, which the builder rightly refuses to make.

    All keeps its length: the algorithm is replaced in its two places, and the signature. Nothing here can make a
    digest by MD2, so that signature is a false one.
    """
    last, algorithm = _DIGESTS[digest]
    signed = x509.load_der_x509_certificate(der)
    old, new = _RSA_WITH + b"\x0b", _RSA_WITH + bytes([last])
    changed = signed.tbs_certificate_bytes.replace(old, new)
    signature = signer.sign(changed, padding.PKCS1v15(), algorithm)
    return (
        der.replace(signed.tbs_certificate_bytes, changed)
        .replace(old, new)
        .replace(signed.signature, signature)
    )
