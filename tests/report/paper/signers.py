"""Keys to sign with, and authorities that vouch for them; made for a test and thrown away."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

PASSPHRASE = "mật khẩu"


@dataclass(frozen=True)
class Office:
    """An authority, valid for thirty years around today, and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)


@dataclass(frozen=True)
class Signer:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    office: Office

    def write(self, path: Path) -> Path:
        """As a PKCS#12 file under PASSPHRASE."""
        content = pkcs12.serialize_key_and_certificates(
            b"signer",
            self.key,
            self.certificate,
            [self.office.certificate],
            BestAvailableEncryption(PASSPHRASE.encode()),
        )
        path.write_bytes(content)
        return path

    def write_parts(self, folder: Path) -> tuple[Path, Path]:
        """Key (PKCS#8, PEM) and certificate (DER), as softhsm2-util and pkcs11-tool import them."""
        key, certificate = folder / "key.pem", folder / "certificate.der"
        key.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        certificate.write_bytes(self.certificate.public_bytes(Encoding.DER))
        return key, certificate


def make_office(name: str = "Ban Cơ yếu") -> Office:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _named(name)
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=5000))
        .not_valid_after(now + timedelta(days=5000))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Office(certificate, key)


def make_signer(
    office: Office,
    *,
    name: str = "Nguyễn Thị Ánh",
    begins: int = -30,
    ends: int = 365,
    purposes: tuple[ObjectIdentifier, ...] = (),
) -> Signer:
    """``begins`` and ``ends`` are days from today; without ``purposes`` the certificate names none."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    usage = dict.fromkeys(
        (
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(office.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=begins))
        .not_valid_after(now + timedelta(days=ends))
        .add_extension(x509.KeyUsage(digital_signature=True, content_commitment=True, **usage), critical=True)
    )
    if purposes:
        made = made.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    return Signer(made.sign(office.key, hashes.SHA256()), key, office)


def make_server(office: Office) -> Signer:
    """A web server's certificate of the same authority."""
    return make_signer(office, name="www.vi-du.example", purposes=(ExtendedKeyUsageOID.SERVER_AUTH,))


def revoke(signer: Signer) -> bytes:
    """The authority's list with the signer on it, DER."""
    now = datetime.now(UTC)
    gone = (
        x509.RevokedCertificateBuilder()
        .serial_number(signer.certificate.serial_number)
        .revocation_date(now - timedelta(days=2))
        .build()
    )
    made = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(signer.office.certificate.subject)
        .last_update(now - timedelta(days=1))
        .next_update(now + timedelta(days=30))
        .add_revoked_certificate(gone)
        .sign(signer.office.key, hashes.SHA256())
    )
    return made.public_bytes(Encoding.DER)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
