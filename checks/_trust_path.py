"""The way from a server's certificate to a trusted root: through what was sent, within a bounded amount of work."""

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import islice

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import (
    ClientVerifier,
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from secscan.check import TrustAnchors
from secscan.facts.certificate import UNREADABLE, Certificate, Malformed, is_issued_by, load, read_certificate

#: Certificates looked at of one chain; a server that sends a whole bundle of roots sends about 150.
MOST_SENT = 200
#: Issuers on one route. cryptography's verifier stops at eight; in the web's PKI three is rare.
MOST_ISSUERS = 10
#: Routes tried: a cross-signed authority makes two or three.
MOST_ROUTES = 8
#: Signatures verified in the search for routes.
MOST_SIGNATURES = 100
#: Larger issuers are left out: real ones have 1 to 3 kB, slow ones have name constraints by the thousand.
MOST_ISSUER_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Path:
    """From the server's certificate to the root, both included, as a client builds it. ``public``: to a public root."""

    certificates: tuple[bytes, ...]
    public: bool

    @property
    def root(self) -> bytes:
        return self.certificates[-1]


@dataclass(frozen=True, slots=True)
class NoPath:
    """``route`` is how far it goes by names and signatures, the server's certificate first.

    Where that leads to a trusted root all the same, ``anchor`` is the root, ``refusal`` why a client does not take
    the path, and ``outdated`` the issuer or root on it that is not valid at the time, if that is why.
    """

    route: tuple[bytes, ...]
    anchor: bytes | None = None
    refusal: str = ""
    outdated: bytes | None = None

    @property
    def beyond_us(self) -> bool:
        """The verifier met an extension that it does not know: it has to refuse, another client may not."""
        return "critical extension" in self.refusal or "unsupported name constraint" in self.refusal


@lru_cache(maxsize=4096)
def find_path(certificates: tuple[bytes, ...], anchors: TrustAnchors, at: datetime) -> Path | NoPath:
    """The path that a client finds which knows these roots and was sent these certificates, the server's own first.

    The dates of the server's own certificate and its names have rules of their own, and one fault should not fail
    three rules: so the clock is set to the nearest instant at which that certificate is valid, and it is verified
    like a client's, which has no name to match. Its own extensions are not judged here either, except that
    none that is critical may be unknown. Authorities are held to RFC 5280 (dates, basic constraints, path lengths,
    name constraints, key usage) and to the algorithms of the CA/B Forum's Baseline Requirements, 7.1.3, but not
    to the rest of those: that is for the root programmes, and private authorities never promised it.

    The verifier of cryptography 46 walks in circles among certificates of one name, up to eight deep: three
    that certify each other keep it for five seconds, four for a minute. So it is only shown routes without a
    circle that were found here, one at a time.
    """
    own = read_certificate(certificates[0])
    if isinstance(own, Malformed):
        return NoPath(certificates[:1], refusal=own.detail)
    when = min(max(at.replace(microsecond=0), own.not_before), own.not_after)
    routes = list(islice(_routes(certificates), MOST_ROUTES))
    refused: NoPath | None = None
    for roots, public in ((anchors.public, True), (anchors.private, False)):
        for route in routes:
            verified = _verify(route, roots, when)
            if not isinstance(verified, str):
                return Path(verified, public)
            if _EXHAUSTED in verified:
                return NoPath(route, find_anchor(route[-1], roots), verified)
            anchor = find_anchor(route[-1], roots)
            if refused is None and anchor is not None:
                refused = NoPath(route, anchor, verified, _outdated((*route[1:], anchor), when))
    return refused or NoPath(routes[0])


@lru_cache(maxsize=4096)
def issuing_line(certificates: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The server's certificate, its issuer, the issuer's issuer and so on, as far as they were sent."""
    return next(_routes(certificates))


@lru_cache(maxsize=4096)
def find_anchor(certificate: bytes, roots: tuple[bytes, ...]) -> bytes | None:
    """The root that this certificate is, or that has issued it."""
    for root in roots:
        if root == certificate or (_name_fits(certificate, root) and is_issued_by(certificate, root)):
            return root
    return None


# --- Routes by name and signature -----------------------------------------------------------------------


def _routes(certificates: tuple[bytes, ...]) -> Iterator[tuple[bytes, ...]]:
    """Every way upwards until it goes no further; at least one. No route holds the same name and key twice."""
    own, *others = dict.fromkeys(certificates[:MOST_SENT])
    pool = [der for der in others if _can_issue(der)]
    return _extend((own,), pool, iter(range(MOST_SIGNATURES)))


def _extend(
    route: tuple[bytes, ...], pool: list[bytes], budget: Iterator[int]
) -> Iterator[tuple[bytes, ...]]:
    goes_on = False
    if len(route) <= MOST_ISSUERS:
        passed = {_identity(der) for der in route}
        for issuer in pool:
            if _identity(issuer) in passed or not _name_fits(route[-1], issuer):
                continue
            if next(budget, None) is None:
                break
            if is_issued_by(route[-1], issuer):
                goes_on = True
                yield from _extend((*route, issuer), pool, budget)
    if not goes_on:
        yield route


def _can_issue(der: bytes) -> bool:
    """One candidate with unreadable extensions would end the verifier's whole search, not only that branch of it."""
    if len(der) > MOST_ISSUER_BYTES:
        return False
    certificate = read_certificate(der)
    return isinstance(certificate, Certificate) and not isinstance(certificate.extensions, Malformed)


def _identity(der: bytes) -> object:
    """Name and key: RFC 4158, section 5.2, takes a certificate that repeats both for a circle."""
    certificate = read_certificate(der)
    return der if isinstance(certificate, Malformed) else (certificate.subject, certificate.key)


def _name_fits(der: bytes, issuer: bytes) -> bool:
    """A cheap look before a signature is verified; long names are cut and may fit by mistake."""
    child, parent = read_certificate(der), read_certificate(issuer)
    if isinstance(child, Malformed) or isinstance(parent, Malformed):
        return False
    return child.issuer == parent.subject


def _outdated(issuers: tuple[bytes, ...], at: datetime) -> bytes | None:
    for der in issuers:
        issuer = read_certificate(der)
        if isinstance(issuer, Certificate) and not issuer.not_before <= at <= issuer.not_after:
            return der
    return None


# --- The verifier ---------------------------------------------------------------------------------------


#: The verifier gives up after a million comparisons of names and constraints; that is enough for one chain.
_EXHAUSTED = "Exceeded maximum"


def _verify(route: tuple[bytes, ...], roots: tuple[bytes, ...], at: datetime) -> tuple[bytes, ...] | str:
    """The path from the route's first certificate to one of the roots, or in the verifier's words why not."""
    loaded = _loaded(route)
    try:
        with warnings.catch_warnings(action="ignore"):
            verifier = _verifier(roots, at)
            if verifier is None or len(loaded) < len(route):
                return "there is nothing to verify with"
            path = verifier.verify(loaded[0], loaded[1:]).chain
    except VerificationError as e:
        return _plain(str(e))
    except UNREADABLE as e:
        return str(e)
    return tuple(certificate.public_bytes(Encoding.DER) for certificate in path)


@lru_cache(maxsize=16)
def _verifier(roots: tuple[bytes, ...], at: datetime) -> ClientVerifier | None:
    loaded = _loaded(roots)
    if not loaded:
        return None
    issuers = (
        ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, None)
        .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _signs_certificates)
        .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _issues_for_servers)
    )
    return (
        PolicyBuilder()
        .store(_store(roots))
        .time(at)
        .extension_policies(ca_policy=issuers, ee_policy=ExtensionPolicy.permit_all())
        .build_client_verifier()
    )


@lru_cache(maxsize=4)
def _store(roots: tuple[bytes, ...]) -> Store:
    return Store(_loaded(roots))


def _loaded(ders: tuple[bytes, ...]) -> list[x509.Certificate]:
    return [c for der in ders if not isinstance(c := load(der), Malformed)]


def _signs_certificates(_: Policy, issuer: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError(f"{issuer.subject.rfc4514_string()} may not sign certificates")


def _issues_for_servers(_: Policy, issuer: x509.Certificate, usages: x509.ExtendedKeyUsage | None) -> None:
    """RFC 5280 leaves usages of an issuer open; every client reads them as the most that it may issue for."""
    wanted = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    if usages is not None and not wanted & set(usages):
        raise ValueError(f"{issuer.subject.rfc4514_string()} may not issue for servers")


def _plain(refusal: str) -> str:
    """The verifier's message without what only its authors understand."""
    for prefix in (
        "validation failed: ",
        "candidates exhausted: ",
        "Python extension validator failed: ValueError: ",
    ):
        refusal = refusal.removeprefix(prefix)
    return re.sub(r"(: AlgorithmIdentifier \{| \(encountered processing).*", "", refusal, flags=re.DOTALL)[
        :300
    ]
