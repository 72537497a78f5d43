"""What the checks of certificates share: the certificates of a chain by their slots, and how they are shown."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from secscan.check import TrustAnchors, Verdict, unknown
from secscan.checks._trust_path import NoPath, Path, find_path, issuing_line
from secscan.facts import Chain, ChainFacts
from secscan.facts.certificate import Certificate, Malformed, PublicKey, read_certificate
from secscan.model import Reason

# The object of every verdict is a certificate slot: the key type of the server's own certificate, and the position
# in the chain as it was sent: RSA/0 is the server's own, RSA/1 the one after it.

# --- Certificates of a chain ------------------------------------------------------------------------------


def own_certificates(facts: ChainFacts) -> Iterator[tuple[str, Certificate | Malformed]]:
    return map(first_certificate, facts.chains)


def first_certificate(chain: Chain) -> tuple[str, Certificate | Malformed]:
    slot = f"{chain.slot}/0"
    if not chain.certificates:
        return slot, Malformed("no certificate was sent")
    return slot, read_certificate(chain.certificates[0])


def line(chain: Chain) -> Iterator[tuple[str, Certificate | Malformed]]:
    """The server's certificate and its issuers; whatever else was sent, nobody relies on."""
    if not chain.certificates:
        yield first_certificate(chain)
        return
    for der in issuing_line(chain.certificates):
        yield slot_of(chain, der), read_certificate(der)


def keys_in(
    certificates: Iterable[tuple[str, Certificate | Malformed]],
) -> Iterator[tuple[str, PublicKey | Verdict]]:
    """The key in each certificate, or what is to be said where it can't be read."""
    for slot, certificate in certificates:
        if isinstance(certificate, Malformed):
            yield slot, unreadable(slot, certificate)
        elif isinstance(certificate.key, Malformed):
            yield slot, unreadable_part(slot, certificate.key)
        else:
            yield slot, certificate.key


def path_of(chain: Chain, anchors: TrustAnchors, at: datetime) -> Path | NoPath:
    return find_path(chain.certificates, anchors, at) if chain.certificates else NoPath(())


def slot_of(chain: Chain, der: bytes) -> str:
    return f"{chain.slot}/{chain.certificates.index(der)}"


def unreadable(slot: str, certificate: Certificate | Malformed) -> Verdict:
    if isinstance(certificate, Certificate) and isinstance(certificate.extensions, Malformed):
        return unreadable_part(slot, certificate.extensions)
    detail = certificate.detail if isinstance(certificate, Malformed) else ""
    return unknown(Reason.MALFORMED, "The certificate can't be read: {detail}", object=slot, detail=detail)


def unreadable_part(slot: str, part: Malformed) -> Verdict:
    return unknown(
        Reason.MALFORMED, "A part of the certificate can't be read: {detail}", object=slot, detail=part.detail
    )


# --- How it is shown --------------------------------------------------------------------------------------


def instant(when: datetime) -> str:
    return f"{when.astimezone(UTC).replace(tzinfo=None).isoformat(' ', 'seconds')} UTC"


def holder_of(der: bytes) -> str:
    certificate = read_certificate(der)
    return certificate.holder if isinstance(certificate, Certificate) else "?"


def issuer_of(certificate: Certificate | Malformed) -> str:
    return certificate.issuer or "?" if isinstance(certificate, Certificate) else "?"


def listed(items: Sequence[str]) -> str:
    """The first five and how many more; each bounded to what a name may have (RFC 1035: 253 characters)."""
    shown = ", ".join(item if len(item) <= 253 else item[:252] + "…" for item in items[:5])
    return f"{shown} (+{len(items) - 5})" if len(items) > 5 else shown
