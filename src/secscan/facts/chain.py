"""The certificates one endpoint sends, as they came over the wire."""

from typing import ClassVar

import msgspec

from secscan.facts.kind import Facts, Gap, Reading
from secscan.model import Level


class Chain(msgspec.Struct, frozen=True, kw_only=True):
    """One chain as sent, the server's own certificate first. DER, byte for byte (base64 in JSON).

    ``slot`` is the key type of the server's own certificate as it was negotiated (``RSA``, ``ECDSA``,
    ``Ed25519``, ``DSA``): a server may hold one certificate for each.
    """

    slot: str
    certificates: tuple[bytes, ...]
    #: A stapled OCSP response (RFC 6066, section 8), DER; None where none was sent.
    ocsp: Reading[bytes | None] = Gap()


class ChainFacts(Facts, frozen=True, kw_only=True):
    """One endpoint, every certificate slot that was found, sorted by slot; at least one."""

    kind: ClassVar[str] = "chain"
    level: ClassVar[Level] = Level.ENDPOINT

    chains: tuple[Chain, ...]
