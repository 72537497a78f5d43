"""Reference data that checks ask for: today the trust anchors."""

from collections.abc import Mapping, Sequence
from typing import Any

import certifi
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from secscan.check import TrustAnchors


def references(private_anchors: Sequence[bytes] = ()) -> Mapping[type, Any]:
    """Everything a check may ask for by type. ``private_anchors`` are the workspace's own, DER."""
    with open(certifi.where(), "rb") as bundle:  # noqa: PTH123 - a path of certifi's, read once
        public = x509.load_pem_x509_certificates(bundle.read())
    anchors = TrustAnchors(
        public=tuple(certificate.public_bytes(Encoding.DER) for certificate in public),
        private=tuple(private_anchors),
        as_of=certifi.__version__,
    )
    return {TrustAnchors: anchors}
