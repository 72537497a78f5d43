"""Reference data that checks ask for: today the trust anchors."""

import ssl
from collections.abc import Mapping, Sequence
from typing import Any

import certifi

from secscan.check import TrustAnchors


def references(private_anchors: Sequence[bytes] = ()) -> Mapping[type, Any]:
    """Everything a check may ask for by type. ``private_anchors`` are the workspace's own, DER."""
    # OpenSSL takes the bundle apart without judging it; reading it with cryptography would warn about old roots.
    bundle = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bundle.load_verify_locations(certifi.where())
    anchors = TrustAnchors(
        public=tuple(bundle.get_ca_certs(binary_form=True)),
        private=tuple(private_anchors),
        as_of=certifi.__version__,
    )
    return {TrustAnchors: anchors}
