"""What the audit process says of one server, and how that becomes facts. Pure; knows no sslyze and no socket."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import msgspec

from secscan.facts import Absent, Chain, ChainFacts, CipherSuite, Gap, TlsFacts, TlsVersion, VersionOffer
from secscan.facts.certificate import Certificate, PublicKey, read_certificate
from secscan.model import Reason

# --- What is said over the pipe -------------------------------------------------------------------------


class AcceptedSuite(msgspec.Struct, frozen=True, kw_only=True):
    """A suite the server chose. ``dh_bits`` is the size of its Diffie-Hellman prime, 0 where none was seen."""

    name: str
    key_size: int
    dh_bits: int = 0


class VersionTried(msgspec.Struct, frozen=True, kw_only=True, tag="version"):
    """Every suite there is was offered under one version.

    ``refused``: the server said that it does not speak the version, or chose none of the suites.
    ``doubt``: a question that stayed open, so that ``accepted`` may lack something.
    """

    version: TlsVersion
    accepted: tuple[AcceptedSuite, ...] = ()
    refused: bool = False
    doubt: Gap | None = None


class Measured(msgspec.Struct, frozen=True, kw_only=True, tag="measured"):
    """The value of one field of TlsFacts."""

    field: str
    value: bool | int | str | tuple[str, ...] | Gap


class ChainReceived(msgspec.Struct, frozen=True, kw_only=True, tag="chain"):
    """Certificates in the order they came, DER; ``slot`` is what was asked for, should the leaf be unreadable."""

    certificates: tuple[bytes, ...]
    ocsp: bytes | None = None
    slot: str = ""


class NoChain(msgspec.Struct, frozen=True, kw_only=True, tag="no-chain"):
    """Why certificates could not be read although a handshake had begun."""

    gap: Gap


class Turn(msgspec.Struct, frozen=True, kw_only=True, tag="turn"):
    """Not a finding: the audit asks to make so many connections more, and waits for one byte in answer."""

    connections: int


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag="ended"):
    """The last word. ``gap``: why the audit gave up before it had asked everything."""

    volatile: dict[str, str] = {}
    gap: Gap | None = None


Finding: TypeAlias = VersionTried | Measured | ChainReceived | NoChain
Message: TypeAlias = Finding | Turn | Ended

#: The fields of TlsFacts that a Measured may fill.
MEASURABLE = frozenset(TlsFacts.__struct_fields__) - {"starttls", "versions", "dh_bits", "groups_below"}

# --- What it means ----------------------------------------------------------------------------------------

#: A Diffie-Hellman key made for the one handshake, and so a prime to look at; anonymous exchanges have one too.
_EPHEMERAL_DH = ("TLS_DHE_", "TLS_DH_anon_")


def tls_facts(findings: Sequence[Finding], *, rest: Gap, starttls: str = "") -> TlsFacts | Gap:
    """The facts, or why there are none. ``rest`` stands for everything that no finding speaks of.

    Raises msgspec.ValidationError where a finding has a value of the wrong type.
    """
    tried = {f.version: f for f in findings if isinstance(f, VersionTried)}
    if not any(f.accepted for f in tried.values()):
        return _nothing_accepted(tried.values(), rest)
    measured = {f.field: f.value for f in findings if isinstance(f, Measured) and f.field in MEASURABLE}
    return msgspec.convert(
        {
            **dict.fromkeys(MEASURABLE, rest),
            **{field: _ordered(value) for field, value in measured.items()},
            "starttls": starttls,
            "versions": tuple(_offer(version, tried.get(version), rest) for version in TlsVersion),
            "dh_bits": _dh_bits(tried, rest),
        },
        type=TlsFacts,
    )


def chain_facts(findings: Sequence[Finding], *, rest: Gap) -> ChainFacts | Absent | Gap:
    """The certificates, or why there are none; Absent where the server is known to send none."""
    chains = _chains(f for f in findings if isinstance(f, ChainReceived))
    if chains:
        return ChainFacts(chains=chains)
    tried = [f for f in findings if isinstance(f, VersionTried)]
    accepted = [suite.name for f in tried for suite in f.accepted]
    # RFC 5246, section 7.4.2: certificates are sent whenever the key exchange is authenticated by one.
    if accepted and not any(f.doubt for f in tried) and all("_anon_" in name for name in accepted):
        return Absent(heard="TLS with anonymous suites only: no certificate is ever sent")
    gaps = [f.gap for f in findings if isinstance(f, NoChain)]
    # Several handshakes were made, and ended in any order: what is wrong with certificates says most.
    return min(
        gaps, key=lambda gap: (gap.reason is not Reason.MALFORMED, gap.reason, gap.detail), default=rest
    )


def slot_of(certificate: bytes, otherwise: str = "") -> str:
    """The key type of a certificate, DER; ``otherwise`` where it can't be read."""
    read = read_certificate(certificate)
    key = read.key if isinstance(read, Certificate) else None
    return key.type if isinstance(key, PublicKey) else otherwise or "unknown"


def _offer(version: TlsVersion, tried: VersionTried | None, rest: Gap) -> VersionOffer:
    if tried is None:
        return VersionOffer(version=version, offered=rest, suites=rest)
    if tried.accepted:
        suites = sorted(
            (CipherSuite(name=suite.name, key_size=suite.key_size) for suite in tried.accepted),
            key=lambda suite: suite.name,
        )
        if tried.doubt is None:
            return VersionOffer(version=version, offered=True, suites=tuple(suites))
        # What was accepted is certain, that it is all is not; a list that may lack the worst suite would
        # be read as a clean one.
        so_far = ", ".join(suite.name for suite in suites)
        detail = f"{tried.doubt.detail}; accepted until then: {so_far}"
        return VersionOffer(version=version, offered=True, suites=Gap(tried.doubt.reason, detail))
    if tried.refused:
        return VersionOffer(version=version, offered=False, suites=())
    doubt = tried.doubt or rest
    return VersionOffer(version=version, offered=doubt, suites=doubt)


def _dh_bits(tried: dict[TlsVersion, VersionTried], rest: Gap) -> int | Gap:
    found = [suite for f in tried.values() for suite in f.accepted if suite.name.startswith(_EPHEMERAL_DH)]
    if any(not suite.dh_bits for suite in found):
        return Gap(
            Reason.UNREADABLE, "a suite with ephemeral Diffie-Hellman was chosen, but its prime was not seen"
        )
    if found:
        return min(suite.dh_bits for suite in found)
    if len(tried) < len(TlsVersion):
        return rest
    return next((f.doubt for f in tried.values() if f.doubt is not None), 0)


def _chains(received: Iterable[ChainReceived]) -> tuple[Chain, ...]:
    """One for each different list of certificates: the same one comes from several handshakes."""
    staples: dict[tuple[str, tuple[bytes, ...]], bytes | None] = {}
    for chain in received:
        if chain.certificates:
            key = (slot_of(chain.certificates[0], chain.slot), chain.certificates)
            # Some servers staple only once they have fetched an answer, and only in some versions.
            staples[key] = staples.get(key) or chain.ocsp
    return tuple(
        Chain(slot=slot, certificates=certificates, ocsp=staples[slot, certificates])
        for slot, certificates in sorted(staples)
    )


def _nothing_accepted(tried: Iterable[VersionTried], rest: Gap) -> Gap:
    if rest.detail:
        return rest
    tried = tuple(tried)
    doubts = sorted((f.doubt for f in tried if f.doubt is not None), key=lambda doubt: doubt.reason)
    # A closed connection says no more than an alert does.
    telling = next((doubt for doubt in doubts if doubt.reason is not Reason.REFUSED), None)
    if telling is None and any(f.refused for f in tried):
        return Gap(Reason.REFUSED, "it speaks TLS, but refused every version and suite the audit could offer")
    return telling or next(iter(doubts), rest)


def _ordered(value: bool | int | str | tuple[str, ...] | Gap) -> bool | int | str | tuple[str, ...] | Gap:
    return tuple(sorted(set(value))) if isinstance(value, tuple) else value
