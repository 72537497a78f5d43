"""Typed raw facts: one frozen model per kind of fact, shaped for the domain and not for the tool that saw it."""

from secscan.facts.addresses import AddressFacts
from secscan.facts.chain import Chain, ChainFacts
from secscan.facts.kind import (
    Absent,
    FactKindError,
    Facts,
    Gap,
    NotSeen,
    Reading,
    decode,
    digest,
    encode,
    known,
)
from secscan.facts.ports import PortFacts, PortState, PortStatus, ServiceIdentity
from secscan.facts.tls import CipherSuite, TlsFacts, TlsVersion, VersionOffer

__all__ = [
    "BUILT_IN",
    "Absent",
    "AddressFacts",
    "Chain",
    "ChainFacts",
    "CipherSuite",
    "FactKindError",
    "Facts",
    "Gap",
    "NotSeen",
    "PortFacts",
    "PortState",
    "PortStatus",
    "Reading",
    "ServiceIdentity",
    "TlsFacts",
    "TlsVersion",
    "VersionOffer",
    "decode",
    "digest",
    "encode",
    "known",
]

#: The kinds that secscan brings along, by name.
BUILT_IN: dict[str, type[Facts]] = {
    model.kind: model for model in (AddressFacts, PortFacts, TlsFacts, ChainFacts)
}
