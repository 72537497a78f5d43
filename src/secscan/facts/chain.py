"""The certificates one endpoint sends, as they came over the wire."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import msgspec

from secscan.facts.kind import Facts, Gap, Reading, Value
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


class WithoutName(Value, frozen=True, kw_only=True):
    """What a hello without a server name gets. ``refused``: no certificate at all.

    ``chains`` are those that ``ChainFacts.chains`` does not have; empty where it gets the same.
    """

    refused: bool = False
    chains: tuple[Chain, ...] = ()


def _from_1(plain: dict[str, Any]) -> dict[str, Any]:
    """Version 1 never asked without a name: the field is a gap."""
    return plain


class ChainFacts(Facts, frozen=True, kw_only=True):
    """One endpoint, every certificate slot that was found, sorted by slot; at least one."""

    kind: ClassVar[str] = "chain"
    version: ClassVar[int] = 2
    level: ClassVar[Level] = Level.ENDPOINT
    upgrades: ClassVar[Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {1: _from_1}

    chains: tuple[Chain, ...]
    #: Asked only where a server name was sent otherwise.
    without_name: Reading[WithoutName] = Gap()
