"""The view of one DER certificate: everything judged or shown of it, as plain data, or why it can't be read."""

import hashlib
import ipaddress
import warnings
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache

import idna
from cryptography import x509
from cryptography.exceptions import InternalError, InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import (
    AuthorityInformationAccessOID,
    ExtendedKeyUsageOID,
    PublicKeyAlgorithmOID,
    SignatureAlgorithmOID,
)

#: Larger certificates are not read. The largest signatures in use (SLH-DSA, FIPS 205) have 50 kB.
MOST_BYTES = 128 * 1024

#: Text of a certificate is cut to this many characters.
MOST_TEXT = 300

#: cryptography reads lazily: of a hostile certificate any property may raise, and these are what they raise.
UNREADABLE = (
    ValueError,
    TypeError,
    KeyError,
    OverflowError,
    UnsupportedAlgorithm,
    InternalError,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


@dataclass(frozen=True, slots=True)
class Malformed:
    """A certificate, or the part of it that this stands for, breaks the rules of X.509. ``detail`` says how."""

    detail: str


@dataclass(frozen=True, slots=True)
class PublicKey:
    """``type`` is RSA, ECDSA, Ed25519, Ed448 or DSA, else the dotted OID of an algorithm we know nothing of (GOST).

    ``bits`` is the length of the modulus, the prime or the curve's field, 0 where the type is an OID.
    ``curve`` is the name of SEC 2 or RFC 5639, in cryptography's spelling (secp256r1); empty but for ECDSA.
    """

    type: str
    bits: int = 0
    curve: str = ""
    exponent: int | None = None
    #: Of RSA alone.
    modulus: int | None = None
    #: SHA-256, in hex, over the key as SubjectPublicKeyInfo in its usual encoding: equal where the key is the
    #: same, whatever certificate holds it. None where the type is an OID.
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """How the issuer signed. ``algorithm`` is such as RSA_WITH_SHA256, else a dotted OID.

    ``hash`` is such as ``sha256``; empty where the algorithm has one of its own (Ed25519), None where it is unknown.
    """

    algorithm: str
    hash: str | None


@dataclass(frozen=True, slots=True)
class Extensions:
    """What the extensions say; an extension that is absent reads as RFC 5280 has it."""

    dns_names: tuple[str, ...] = ()
    ip_addresses: tuple[str, ...] = ()
    is_ca: bool = False
    path_length: int | None = None
    #: Such as ``digital_signature``; None where the extension is absent: the key may be used for anything.
    key_usages: frozenset[str] | None = None
    #: Such as ``serverAuth``, else dotted OIDs; None where the extension is absent.
    extended_usages: frozenset[str] | None = None
    #: RFC 7633: a client must refuse this certificate without a stapled OCSP response.
    must_staple: bool = False
    ocsp_urls: tuple[str, ...] = ()
    crl_urls: tuple[str, ...] = ()
    #: Where the issuer's own certificate can be had.
    issuer_urls: tuple[str, ...] = ()
    #: Signed certificate timestamps inside the certificate (RFC 6962).
    scts: int = 0


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate. All text is the issuer's or an attacker's: exactly as sent, only cut to ``MOST_TEXT``."""

    #: SHA-256 over the DER, in hex.
    sha256: str
    #: RFC 4514; empty where the name is empty, None where it holds text that its own encoding does not allow.
    subject: str | None
    issuer: str | None
    #: Hex without leading zeros; a serial below zero (RFC 5280 forbids it) keeps its sign.
    serial: str
    version: int
    not_before: datetime
    not_after: datetime
    key: PublicKey | Malformed
    signature: Signature
    #: Extensions are unreadable as a whole: who gets one wrong is not to be believed in the others.
    extensions: Extensions | Malformed
    #: Subject and issuer are the same name.
    self_issued: bool
    #: And the signature is by the certificate's own key.
    self_signed: bool

    @property
    def lifetime(self) -> timedelta:
        """From ``not_before`` to ``not_after``, both seconds included (CA/B Forum Baseline Requirements, 1.6.1)."""
        return self.not_after - self.not_before + timedelta(seconds=1)

    @property
    def holder(self) -> str:
        """What to call it: the subject, else its first name, else its serial number."""
        names = self.extensions.dns_names if isinstance(self.extensions, Extensions) else ()
        return self.subject or _cut(next(iter(names), "")) or f"#{self.serial}"


@lru_cache(maxsize=4096)
def read_certificate(der: bytes) -> Certificate | Malformed:
    """The certificate in ``der``. Never raises, whatever the bytes: what can't be read is Malformed."""
    loaded = load(der)
    if isinstance(loaded, Malformed):
        return loaded
    try:
        with quietly():
            return Certificate(
                sha256=hashlib.sha256(der).hexdigest(),
                subject=_subject(loaded),
                issuer=_issuer(loaded),
                serial=_cut(f"{loaded.serial_number:x}"),
                version=loaded.version.value + 1,
                not_before=loaded.not_valid_before_utc,
                not_after=loaded.not_valid_after_utc,
                key=_key(loaded),
                signature=_signature(loaded),
                extensions=_extensions(loaded),
                self_issued=_names_meet(loaded, loaded),
                self_signed=is_issued_by(der, der),
            )
    except UNREADABLE as e:
        return _malformed(e)


@lru_cache(maxsize=16384)
def is_issued_by(certificate: bytes, issuer: bytes) -> bool:
    """Whether ``issuer`` bears the name of the certificate's issuer and its key made the signature (both DER).

    Signatures over MD5 and SHA-1 digests count: cryptography's own ``verify_directly_issued_by`` takes them
    for forged, but whether a signature is weak is another question than whose it is.
    """
    child, parent = load(certificate), load(issuer)
    if isinstance(child, Malformed) or isinstance(parent, Malformed):
        return False
    try:
        with quietly():
            if not _names_meet(child, parent):
                return False
            _verify_issued(child, parent)
    except (InvalidSignature, *UNREADABLE):
        return False
    return True


def match_name(certificate: Certificate, name: str) -> bool:
    """Whether a client that connects to ``name``, a DNS name or the text of an IP address, accepts it (RFC 9525).

    Only alternative names count, never the common name. An asterisk stands for exactly one whole left-most label
    (RFC 9525, section 6.3) and needs two labels behind it, as in OpenSSL: ``*.vn`` would be all of a country.
    An address matches only as an address. Names beyond ASCII are compared in their A-label form (UTS 46).
    """
    if isinstance(certificate.extensions, Malformed):
        return False
    address = _address(name)
    if address is not None:
        return address in map(_address, certificate.extensions.ip_addresses)
    wanted = _a_labels(name)
    return wanted is not None and any(_dns_name_covers(p, wanted) for p in certificate.extensions.dns_names)


@lru_cache(maxsize=4096)
def load(der: bytes) -> x509.Certificate | Malformed:
    """cryptography's own object, for its verifier. It reads lazily: any use of it may raise one of UNREADABLE."""
    if len(der) > MOST_BYTES:
        return Malformed(f"it has {len(der)} bytes; more than {MOST_BYTES} are not read")
    try:
        with quietly():
            return x509.load_der_x509_certificate(der)
    except UNREADABLE as e:
        return _malformed(e)


# --- Names --------------------------------------------------------------------------------------------


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _a_labels(name: str) -> str | None:
    """Lower case, without the dot of the root; None for what is no name."""
    name = name.removesuffix(".")
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except idna.IDNAError:
            return None
    return name.lower() or None


def _dns_name_covers(presented: str, wanted: str) -> bool:
    if not presented.isascii():
        # The sign of the Kelvin has k as its lower case; there are no such letters in a name as it is sent.
        return False
    presented = presented.lower()
    label, _, rest = presented.partition(".")
    if label != "*":
        # Any other asterisk is an ordinary character, which no name in use contains.
        return presented == wanted
    return "." in rest and wanted.partition(".")[2] == rest and not wanted.startswith(".")


# --- Reading ------------------------------------------------------------------------------------------

_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
)

_EXTENDED_USAGES = {
    ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth",
    ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth",
    ExtendedKeyUsageOID.CODE_SIGNING: "codeSigning",
    ExtendedKeyUsageOID.EMAIL_PROTECTION: "emailProtection",
    ExtendedKeyUsageOID.TIME_STAMPING: "timeStamping",
    ExtendedKeyUsageOID.OCSP_SIGNING: "OCSPSigning",
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE: "anyExtendedKeyUsage",
}

_SIGNATURE_NAMES = {
    oid.dotted_string: name
    for name, oid in vars(SignatureAlgorithmOID).items()
    if not name.startswith("_") and isinstance(oid, x509.ObjectIdentifier)
}

_KEY_ALGORITHMS = frozenset(
    {
        PublicKeyAlgorithmOID.RSAES_PKCS1_v1_5,
        PublicKeyAlgorithmOID.RSASSA_PSS,
        PublicKeyAlgorithmOID.EC_PUBLIC_KEY,
        PublicKeyAlgorithmOID.DSA,
        PublicKeyAlgorithmOID.ED25519,
        PublicKeyAlgorithmOID.ED448,
    }
)

#: RFC 8017, appendix A.2.4: digests so old that cryptography has no word for them.
_OLD_HASHES = {"1.2.840.113549.1.1.2": "md2", "1.2.840.113549.1.1.3": "md4"}


def quietly() -> AbstractContextManager[object]:
    """cryptography warns of what hostile certificates hold (negative serials, long names); nobody here can act on it."""
    return warnings.catch_warnings(action="ignore")


def _malformed(e: Exception) -> Malformed:
    return Malformed(_cut(f"{e}" or type(e).__name__))


def _cut(text: str) -> str:
    return text if len(text) <= MOST_TEXT else text[: MOST_TEXT - 1] + "…"


def _subject(certificate: x509.Certificate) -> str | None:
    try:
        return _cut(certificate.subject.rfc4514_string())
    except UNREADABLE:
        return None


def _issuer(certificate: x509.Certificate) -> str | None:
    try:
        return _cut(certificate.issuer.rfc4514_string())
    except UNREADABLE:
        return None


def _names_meet(child: x509.Certificate, parent: x509.Certificate) -> bool:
    try:
        return child.issuer == parent.subject
    except UNREADABLE:
        return False


def _key(certificate: x509.Certificate) -> PublicKey | Malformed:
    algorithm = certificate.public_key_algorithm_oid
    if algorithm not in _KEY_ALGORITHMS:
        return PublicKey(algorithm.dotted_string)
    try:
        key = certificate.public_key()
        encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        sha256 = hashlib.sha256(encoded).hexdigest()
        match key:
            case rsa.RSAPublicKey():
                numbers = key.public_numbers()
                return PublicKey("RSA", key.key_size, exponent=numbers.e, modulus=numbers.n, sha256=sha256)
            case ec.EllipticCurvePublicKey():
                return PublicKey("ECDSA", key.key_size, curve=key.curve.name, sha256=sha256)
            case dsa.DSAPublicKey():
                return PublicKey("DSA", key.key_size, sha256=sha256)
            case ed25519.Ed25519PublicKey():
                return PublicKey("Ed25519", 256, sha256=sha256)
            case ed448.Ed448PublicKey():
                return PublicKey("Ed448", 448, sha256=sha256)
    except UNREADABLE as e:
        return _malformed(e)
    return PublicKey(algorithm.dotted_string)


def _signature(certificate: x509.Certificate) -> Signature:
    oid = certificate.signature_algorithm_oid.dotted_string
    algorithm = _SIGNATURE_NAMES.get(oid, oid)
    try:
        digest = certificate.signature_hash_algorithm
    except UNREADABLE:
        return Signature(algorithm, _OLD_HASHES.get(oid))
    return Signature(algorithm, digest.name if digest else "")


def _extensions(certificate: x509.Certificate) -> Extensions | Malformed:
    found = Extensions()
    try:
        for extension in certificate.extensions:
            found = _with(found, extension.value)
    except UNREADABLE as e:
        return _malformed(e)
    return found


def _with(found: Extensions, value: x509.ExtensionType) -> Extensions:
    match value:
        case x509.SubjectAlternativeName():
            return replace(
                found,
                dns_names=tuple(value.get_values_for_type(x509.DNSName)),
                ip_addresses=tuple(map(str, value.get_values_for_type(x509.IPAddress))),
            )
        case x509.BasicConstraints():
            return replace(found, is_ca=value.ca, path_length=value.path_length)
        case x509.KeyUsage():
            return replace(found, key_usages=frozenset(name for name in _USAGES if getattr(value, name)))
        case x509.ExtendedKeyUsage():
            usages = frozenset(_EXTENDED_USAGES.get(oid, oid.dotted_string) for oid in value)
            return replace(found, extended_usages=usages)
        case x509.TLSFeature():
            return replace(found, must_staple=x509.TLSFeatureType.status_request in set(value))
        case x509.AuthorityInformationAccess():
            return replace(
                found,
                ocsp_urls=_urls(a.access_location for a in value if a.access_method == _OCSP),
                issuer_urls=_urls(a.access_location for a in value if a.access_method == _ISSUERS),
            )
        case x509.CRLDistributionPoints():
            return replace(found, crl_urls=_urls(name for point in value for name in point.full_name or ()))
        case x509.PrecertificateSignedCertificateTimestamps():
            return replace(found, scts=len(value))
    return found


_OCSP = AuthorityInformationAccessOID.OCSP
_ISSUERS = AuthorityInformationAccessOID.CA_ISSUERS


def _urls(names: Iterable[x509.GeneralName]) -> tuple[str, ...]:
    return tuple(name.value for name in names if isinstance(name, x509.UniformResourceIdentifier))


# --- Whose signature it is ------------------------------------------------------------------------------


def verify_signature(
    key: CertificatePublicKeyTypes,
    signature: bytes,
    signed: bytes,
    *,
    digest: hashes.HashAlgorithm | None,
    pss: object = None,
) -> None:
    """Raises InvalidSignature where ``key`` did not sign ``signed``, or one of UNREADABLE.

    ``pss`` are the parameters of RSASSA-PSS where the algorithm is that; ``digest`` is None where the algorithm
    has one of its own.
    """
    if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        key.verify(signature, signed)
        return
    if digest is None:
        raise InvalidSignature
    match key:
        case rsa.RSAPublicKey():
            scheme = padding.PKCS1v15() if pss is None else pss
            if not isinstance(scheme, padding.PSS | padding.PKCS1v15):
                raise InvalidSignature
            key.verify(signature, signed, scheme, digest)
        case ec.EllipticCurvePublicKey():
            key.verify(signature, signed, ec.ECDSA(digest))
        case dsa.DSAPublicKey():
            key.verify(signature, signed, digest)
        case _:
            raise InvalidSignature


def _verify_issued(child: x509.Certificate, parent: x509.Certificate) -> None:
    is_pss = child.signature_algorithm_oid == SignatureAlgorithmOID.RSASSA_PSS
    verify_signature(
        parent.public_key(),
        child.signature,
        child.tbs_certificate_bytes,
        digest=child.signature_hash_algorithm,
        pss=child.signature_algorithm_parameters if is_pss else None,
    )
