"""A private certification authority, and leaf certificates for every case, all dated from one given instant."""

import dataclasses
import functools
import ipaddress
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
KeyKind: TypeAlias = Literal["ecdsa-256", "ecdsa-384", "ed25519", "rsa-1024", "rsa-2048", "rsa-3072"]
Digest: TypeAlias = Literal["sha256", "sha1", "md5"]

#: Subjects that attack whoever shows or stores them; each is the text of both CN and O.
HOSTILE_SUBJECTS: dict[str, str] = {
    "html": "<script>alert(1)</script><img src=x onerror=alert(2)>",
    "ansi": "\x1b[2J\x1b[31mVALID\x1b[0m\x1b]0;owned\x07",
    "c1-control": "\x9b2J\x9b31mVALID\x9d0;owned\x9c\x85",
    "right-to-left": "kho.\u202egpj.elpmaxe\u202c\u2066\u200f",
    "formula": '=HYPERLINK("http://127.0.0.1/"&A1,"open")',
    "template": "{0.__class__} %s %(name)s {{ 7*7 }} ${7*7}",
    "nul": "good.example\x00.bad.example",
    "long": "A" * 20_000,
}

GOOD_START = timedelta(days=-15)
GOOD_END = timedelta(days=75)


@dataclass(frozen=True)
class Identity:
    """What a server proves itself with: its private key, and the certificates it sends (DER), its own first."""

    key: PrivateKey
    certificates: tuple[bytes, ...]

    @property
    def leaf(self) -> x509.Certificate:
        return x509.load_der_x509_certificate(self.certificates[0])

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def chain_pem(self) -> bytes:
        return pem_of(self.certificates)

    @property
    def pem(self) -> bytes:
        """Key and chain in one text, as servers like to load it."""
        return self.key_pem + self.chain_pem

    def sending(self, certificates: Iterable[bytes]) -> "Identity":
        """The same key with other certificates on the wire."""
        return dataclasses.replace(self, certificates=tuple(certificates))


def pem_of(certificates: Iterable[bytes]) -> bytes:
    """DER certificates as one PEM text."""
    return b"".join(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM) for der in certificates)


@dataclass(frozen=True)
class _Issuer:
    name: x509.Name
    key: PrivateKey
    certificate: bytes


class Authority:
    """A root, an intermediate below it, and leaf certificates issued by the intermediate.

    All dates are counted from ``at``. RSA keys are slow to make: each is made once per size and holder, so
    that a certificate can be replaced without a new key, and no two holders share one by accident.
    """

    def __init__(self, at: datetime) -> None:
        self.at = at.replace(microsecond=0)
        self._rsa_keys: dict[tuple[int, str], rsa.RSAPrivateKey] = {}

    # --- The authority itself ---------------------------------------------------------------------------

    @property
    def root(self) -> bytes:
        """The root certificate, DER: what a client should trust."""
        return self._root.certificate

    @property
    def root_pem(self) -> bytes:
        return pem_of([self.root])

    @property
    def intermediate(self) -> bytes:
        return self._intermediate.certificate

    # --- Certificates that are as they should be ----------------------------------------------------------

    def good(self, *names: str, key: KeyKind = "ecdsa-256") -> Identity:
        """Valid from 15 days ago for 90 days, for DNS names and addresses alike; leaf and intermediate are sent."""
        return self.issue(*names, key=key)

    def client(self, name: str) -> Identity:
        """What a client may show to a server that asks."""
        return self.issue(name, usage=ExtendedKeyUsageOID.CLIENT_AUTH)

    # --- Certificates with one fault each -------------------------------------------------------------------

    def expired(self, *names: str, days: int = 40, key: KeyKind = "ecdsa-256") -> Identity:
        """Ended ``days`` days ago."""
        return self.issue(*names, starts=timedelta(days=-days - 365), ends=timedelta(days=-days), key=key)

    def not_yet_valid(self, *names: str, days: int = 30, key: KeyKind = "ecdsa-256") -> Identity:
        """Begins in ``days`` days."""
        return self.issue(*names, starts=timedelta(days=days), ends=timedelta(days=days + 90), key=key)

    def expiring(self, *names: str, days: int, key: KeyKind = "ecdsa-256") -> Identity:
        """Valid, and ends in ``days`` days."""
        return self.issue(*names, starts=timedelta(days=days - 90), ends=timedelta(days=days), key=key)

    def long_lived(self, *names: str, years: int = 25) -> Identity:
        """Valid for ``years`` times 365 days; browsers accept at most 398 days (CA/B Forum BR, 6.3.2)."""
        return self.issue(*names, ends=timedelta(days=365 * years - 15))

    def wrong_name(self) -> Identity:
        """Good for a name that nobody asks for."""
        return self.issue("somewhere-else.example")

    def without_alternative_names(self, name: str) -> Identity:
        """The name is in the CN only, which nobody may look at any more (RFC 9525, section 2)."""
        return self.issue(name, alternative_names=())

    def self_signed(self, *names: str, key: KeyKind = "ecdsa-256") -> Identity:
        """Signed by its own key; no authority stands behind it."""
        private = self.key(key, names[0])
        name = _subject(names[0])
        issuer = _Issuer(name, private, b"")
        identity = self.issue(*names, key=private, issuer=issuer)
        return identity.sending(identity.certificates[:1])

    def unknown_authority(self, *names: str) -> Identity:
        """Issued below another root, which nobody trusts."""
        return self.issue(*names, issuer=self._strange_intermediate)

    def weak_key(self, *names: str) -> Identity:
        """RSA with 1024 bits."""
        return self.issue(*names, key="rsa-1024")

    def weakly_signed(self, *names: str, digest: Digest = "sha1", key: KeyKind = "ecdsa-256") -> Identity:
        """The intermediate's signature on the leaf is over a SHA-1 or MD5 digest."""
        return self.issue(*names, digest=digest, key=key)

    def incomplete(self, *names: str) -> Identity:
        """The intermediate is left out of what is sent."""
        identity = self.issue(*names)
        return identity.sending(identity.certificates[:1])

    def misordered(self, *names: str) -> Identity:
        """Leaf, root, intermediate: all there, in an order RFC 5246, section 7.4.2 forbids."""
        identity = self.issue(*names)
        return identity.sending((identity.certificates[0], self.root, self.intermediate))

    def hostile(self, *names: str, subject: str, ends: timedelta = GOOD_END) -> Identity:
        """Subject and issuer hold ``subject`` (see HOSTILE_SUBJECTS), and so do the alternative names where
        they can: they are IA5String, so only ASCII fits. Issued by an authority of the same name.
        """
        extra = (x509.DNSName(subject),) if subject.isascii() else ()
        return self.issue(
            *names,
            ends=ends,
            subject=_subject(subject, organization=subject),
            alternative_names=(*map(_alternative_name, names), *extra),
            issuer=self._root_named(subject),
        )

    # --- The general case -----------------------------------------------------------------------------------

    def issue(
        self,
        *names: str,
        starts: timedelta = GOOD_START,
        ends: timedelta = GOOD_END,
        key: KeyKind | PrivateKey = "ecdsa-256",
        digest: Digest = "sha256",
        subject: x509.Name | None = None,
        alternative_names: Sequence[x509.GeneralName] | None = None,
        issuer: _Issuer | None = None,
        usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
    ) -> Identity:
        """A leaf for ``names``, the first of which is the CN; ``starts`` and ``ends`` count from ``at``."""
        if issuer is None:
            issuer = self._intermediate if digest == "sha256" else self._rsa_intermediate
        private = self.key(key, names[0]) if isinstance(key, str) else key
        if alternative_names is None:
            alternative_names = [_alternative_name(name) for name in names]
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject or _subject(names[0]))
            .issuer_name(issuer.name)
            .public_key(private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.at + starts)
            .not_valid_after(self.at + ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                _key_usage(signs=True, enciphers=isinstance(private, rsa.RSAPrivateKey)), critical=True
            )
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
            .add_extension(_issued_with(issuer.key), critical=False)
        )
        if alternative_names:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternative_names), critical=False)
        certificate = _sign(builder, issuer.key).public_bytes(Encoding.DER)
        if digest != "sha256":
            certificate = _signed_again(certificate, issuer.key, digest)
        return Identity(private, (certificate, issuer.certificate))

    def key(self, kind: KeyKind, holder: str) -> PrivateKey:
        """A private key; the same one for the same RSA size and holder."""
        match kind:
            case "ecdsa-256":
                return ec.generate_private_key(ec.SECP256R1())
            case "ecdsa-384":
                return ec.generate_private_key(ec.SECP384R1())
            case "ed25519":
                return ed25519.Ed25519PrivateKey.generate()
            case _:
                return self._rsa_key(int(kind.removeprefix("rsa-")), holder)

    def good_staple(self, identity: Identity) -> bytes:
        """An OCSP response, DER, that says the leaf is good, from a day ago for six days (RFC 6960)."""
        return self._staple(identity, ocsp.OCSPCertStatus.GOOD)

    def revoked_staple(self, identity: Identity) -> bytes:
        """The same, which says that the leaf was revoked two days ago."""
        return self._staple(identity, ocsp.OCSPCertStatus.REVOKED)

    def _staple(self, identity: Identity, status: ocsp.OCSPCertStatus) -> bytes:
        builder = ocsp.OCSPResponseBuilder().add_response(
            cert=identity.leaf,
            issuer=x509.load_der_x509_certificate(self.intermediate),
            # Not a signature: the digest only names the issuer, and RFC 5019 asks for SHA-1 there.
            algorithm=hashes.SHA1(),  # noqa: S303
            cert_status=status,
            this_update=self.at - timedelta(days=1),
            next_update=self.at + timedelta(days=6),
            revocation_time=self.at - timedelta(days=2) if status is ocsp.OCSPCertStatus.REVOKED else None,
            revocation_reason=None,
        )
        responder = x509.load_der_x509_certificate(self.intermediate)
        response = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, responder).sign(
            _elliptic(self._intermediate.key), hashes.SHA256()
        )
        return response.public_bytes(Encoding.DER)

    # --- Who issues -------------------------------------------------------------------------------------------

    @functools.cached_property
    def _root(self) -> _Issuer:
        return self._root_named("secscan lab root")

    @functools.cached_property
    def _intermediate(self) -> _Issuer:
        return self._below(
            self._root, "secscan lab issuing authority", ec.generate_private_key(ec.SECP256R1())
        )

    @functools.cached_property
    def _rsa_intermediate(self) -> _Issuer:
        """Issues what is signed with weak digests: their names in RSA are as long as that of SHA-256."""
        return self._below(self._root, "secscan lab old issuing authority", self._rsa_key(2048, "issuer"))

    @functools.cached_property
    def _strange_intermediate(self) -> _Issuer:
        return self._below(
            self._root_named("A root nobody trusts"),
            "An issuer nobody trusts",
            ec.generate_private_key(ec.SECP256R1()),
        )

    def _root_named(self, name: str) -> _Issuer:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _subject(name)
        return _Issuer(subject, key, self._authority_certificate(subject, key, _Issuer(subject, key, b"")))

    def _below(self, issuer: _Issuer, name: str, key: PrivateKey) -> _Issuer:
        subject = _subject(name)
        return _Issuer(subject, key, self._authority_certificate(subject, key, issuer))

    def _authority_certificate(self, subject: x509.Name, key: PrivateKey, issuer: _Issuer) -> bytes:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.at - timedelta(days=5 * 365))
            .not_valid_after(self.at + timedelta(days=5 * 365))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_key_usage(certifies=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(_issued_with(issuer.key), critical=False)
        )
        return _sign(builder, issuer.key).public_bytes(Encoding.DER)

    def _rsa_key(self, bits: int, holder: str) -> rsa.RSAPrivateKey:
        if (bits, holder) not in self._rsa_keys:
            # The weak size is the case itself: a server that a scanner must find fault with.
            self._rsa_keys[bits, holder] = rsa.generate_private_key(65537, bits)
        return self._rsa_keys[bits, holder]


def _subject(name: str, organization: str = "secscan lab") -> x509.Name:
    # Attackers don't keep to the 64 characters of RFC 5280, appendix A.1; cryptography then only warns.
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        return x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization, _validate=False),
                x509.NameAttribute(NameOID.COMMON_NAME, name, _validate=False),
            ]
        )


def _alternative_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_usage(*, signs: bool = False, enciphers: bool = False, certifies: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs,
        key_encipherment=enciphers,
        key_cert_sign=certifies,
        crl_sign=certifies,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _issued_with(key: PrivateKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def _sign(builder: x509.CertificateBuilder, key: PrivateKey) -> x509.Certificate:
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def _elliptic(key: PrivateKey) -> ec.EllipticCurvePrivateKey:
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


#: The DER of the signature algorithms of PKCS #1 (RFC 8017, appendix A.2.4); all of one length.
_RSA_WITH = {
    "sha256": bytes.fromhex("2a864886f70d01010b"),
    "sha1": bytes.fromhex("2a864886f70d010105"),
    "md5": bytes.fromhex("2a864886f70d010104"),
}


def _signed_again(certificate: bytes, key: PrivateKey, digest: Digest) -> bytes:
    """The certificate under a weak digest, which cryptography's builder rightly refuses to sign with.

    The algorithm stands twice in a certificate, inside and outside of what is signed (RFC 5280, 4.1.1.2), and
    an RSA signature has the length of its key: so all stays in its place, and only three parts change.
    """
    assert isinstance(key, rsa.RSAPrivateKey), "weak digests are only issued by the RSA intermediate"
    signed = x509.load_der_x509_certificate(certificate)
    altered = signed.tbs_certificate_bytes.replace(_RSA_WITH["sha256"], _RSA_WITH[digest])
    algorithm = hashes.SHA1() if digest == "sha1" else hashes.MD5()  # noqa: S303 - the case itself
    signature = key.sign(altered, padding.PKCS1v15(), algorithm)
    return (
        certificate.replace(signed.tbs_certificate_bytes, altered)
        .replace(_RSA_WITH["sha256"], _RSA_WITH[digest])
        .replace(signed.signature, signature)
    )
