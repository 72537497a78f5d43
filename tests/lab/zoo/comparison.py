"""What somebody saw of an exhibit, held against what there is to see."""

from collections.abc import Iterator

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509 import ocsp

from secscan.facts import Absent, ChainFacts, Depth, Gap, TlsFacts, TlsVersion
from secscan.facts.suites import SuiteClass, in_class
from secscan.model import Reason
from tests.lab.zoo.exhibit import Expected, SpeaksNoTls, SpeaksTls, Undecided

#: The classes that a server must not accept suites of.
WEAK = (
    SuiteClass.NULL,
    SuiteClass.ANONYMOUS,
    SuiteClass.EXPORT,
    SuiteClass.RC4,
    SuiteClass.SHORT_KEY,
    SuiteClass.BLOCK64,
)


def differences(
    expected: Expected,
    tls: TlsFacts | Absent | Gap,
    chain: ChainFacts | Absent | Gap,
    *,
    complete: bool,
) -> list[str]:
    """In words, one for each; none where all is as expected.

    ``complete``: every suite and every group was asked for, and every field that is expected has to be there. Without
    it, lists of suites have to be right by the classes that they say they are good for, and fields may be uncollected.
    """
    match expected, tls:
        case SpeaksNoTls(), Absent():
            return []
        case Undecided(reasons), Gap(reason) if reason in reasons:
            return []
        case SpeaksTls(), TlsFacts():
            return [
                *_of_versions(expected, tls, complete=complete),
                *_of_groups(expected, tls, complete=complete),
                *_of_the_rest(expected, tls, complete=complete),
                *_of_chains(expected, chain, complete=complete),
            ]
    return [f"said {_short(tls)}"]


def _of_versions(expected: SpeaksTls, tls: TlsFacts, *, complete: bool) -> Iterator[str]:
    accepted: set[str] = set()
    unsettled: set[SuiteClass] = set()
    for version in TlsVersion:
        seen = tls.offer(version)
        if seen.offered != (version in expected.offers):
            yield f"{version}: offered is {_short(seen.offered)}"
        if seen.offered is not True or version not in expected.offers:
            continue
        if isinstance(seen.suites, Gap):
            yield f"{version}: suites are {_short(seen.suites)}"
            continue
        names = {suite.name for suite in seen.suites}
        accepted |= names
        wanted = expected.offers[version]
        if complete and SuiteClass.EVERY not in seen.settled:
            yield f"{version}: not every suite was settled ({seen.unsettled.detail})"
        elif wanted is not None and complete and names != wanted:
            yield f"{version}: also {sorted(names - wanted)}, without {sorted(wanted - names)}"
        elif wanted is not None and names - wanted:
            yield f"{version}: also {sorted(names - wanted)}"
        elif not names:
            yield f"{version}: offered, and no suite accepted"
        if wanted is not None:
            for kind in SuiteClass:
                there = any(in_class(name, kind) for name in wanted)
                found = any(in_class(name, kind) for name in names)
                if kind is not SuiteClass.EVERY and seen.settles(kind) and there != found:
                    yield f"{version}: of class {kind} there {'is' if there else 'is not'} one"
        unsettled |= {kind for kind in WEAK if not seen.settles(kind)}
    classes = {kind for kind in WEAK if any(in_class(name, kind) for name in accepted)}
    if classes != expected.weak:
        yield f"weak classes are {sorted(classes)}"
    # A class that is accepted under one version need not be asked about under all of them.
    if unsettled - classes:
        yield f"weak classes that are not settled: {sorted(unsettled - classes)}"


def _of_groups(expected: SpeaksTls, tls: TlsFacts, *, complete: bool) -> Iterator[str]:
    if expected.dh_bits is not None and tls.dh_bits != expected.dh_bits:
        yield f"dh_bits is {_short(tls.dh_bits)}"
    if expected.groups is None:
        return
    if isinstance(tls.groups, Gap):
        if complete or tls.groups.reason is not Reason.NOT_COLLECTED:
            yield f"groups are {_short(tls.groups)}"
    elif not set(tls.groups) <= expected.groups or (complete and set(tls.groups) != expected.groups):
        yield f"groups are {list(tls.groups)}"


def _of_the_rest(expected: SpeaksTls, tls: TlsFacts, *, complete: bool) -> Iterator[str]:
    for name, wanted in expected.rest.items():
        if name == "preference":
            seen: object = tls.offer(TlsVersion.TLS1_2).preference
        else:
            seen = getattr(tls, name)
        if isinstance(seen, Gap) and seen.reason is Reason.NOT_COLLECTED and not complete:
            continue
        if seen != wanted:
            yield f"{name} is {_short(seen)}"


def _of_chains(expected: SpeaksTls, chain: ChainFacts | Absent | Gap, *, complete: bool) -> Iterator[str]:
    if expected.slots is None:
        if isinstance(chain, ChainFacts):
            yield f"certificates, where there are none: {[found.slot for found in chain.chains]}"
        return
    if not isinstance(chain, ChainFacts):
        yield f"certificates: {_short(chain)}"
        return
    slots = {(found.slot, _bits(found.certificates[0])) for found in chain.chains}
    # RSA and ECDSA are what every look asks for.
    if slots != expected.slots and (complete or not slots or slots ^ expected.slots != {("Ed25519", 256)}):
        yield f"certificates are {sorted(slots)}"
    if wrong := {len(found.certificates) for found in chain.chains} - {expected.sent}:
        yield f"certificates in a chain: {sorted(wrong)}"
    staples = {_staple(found.ocsp) for found in chain.chains}
    if staples != {expected.staple}:
        yield f"stapled: {sorted(staples)}"


def _bits(certificate: bytes) -> int:
    key = x509.load_der_x509_certificate(certificate).public_key()
    match key:
        case rsa.RSAPublicKey() | ec.EllipticCurvePublicKey():
            return key.key_size
        case ed25519.Ed25519PublicKey():
            return 256
        case ed448.Ed448PublicKey():
            return 456
    return 0


def _staple(response: bytes | Gap | None) -> str:
    if isinstance(response, Gap):
        return _short(response)
    return "" if response is None else ocsp.load_der_ocsp_response(response).certificate_status.name


def _short(seen: object) -> str:
    if isinstance(seen, Gap):
        return f"unknown ({seen.reason}: {seen.detail})"
    return str(seen)[:200]


#: How deep a look is complete.
COMPLETE = {Depth.VERDICT: False, Depth.FULL: True}
