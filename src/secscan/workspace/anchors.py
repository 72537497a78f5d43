"""Private trust anchors: certificates of authorities that an operator trusts besides the public ones."""

from pathlib import Path

from secscan.language import _
from secscan.toml_source import MAX_BYTES, ConfigurationError, Mistake


def load_anchors(folder: Path) -> tuple[bytes, ...]:
    """The certificates in the ``*.pem`` files of ``folder``, DER, each once.

    A folder that does not exist holds none. Raises ConfigurationError with every file that can't be read.
    """
    anchors: list[bytes] = []
    mistakes: list[Mistake] = []
    for path in sorted(folder.glob("*.pem")):
        try:
            anchors += read_anchors(path)
        except ConfigurationError as error:
            mistakes += error.mistakes
    if mistakes:
        raise ConfigurationError(mistakes)
    return tuple(dict.fromkeys(anchors))


def read_anchors(path: Path) -> tuple[bytes, ...]:
    """The certificates in one PEM file, DER. Raises ConfigurationError, naming it, where they can't be read."""
    # Commands that read no certificate should not pay for loading OpenSSL.
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    def refused(message: str) -> ConfigurationError:
        return ConfigurationError([Mistake(path, None, "", message)])

    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise refused(_("cannot be read: {error}").format(error=error.strerror or error)) from error
    if len(content) > MAX_BYTES:
        raise refused(_("is larger than {limit} MiB").format(limit=MAX_BYTES >> 20))
    if b"PRIVATE KEY-----" in content:
        raise refused(_("holds a private key, which has no place here: keep the certificate alone"))
    try:
        certificates = x509.load_pem_x509_certificates(content)
    except ValueError as error:
        message = _(
            "holds no certificate that can be read; put in PEM, which begins -----BEGIN CERTIFICATE-----"
        )
        raise refused(message) from error
    return tuple(certificate.public_bytes(Encoding.DER) for certificate in certificates)
