"""Whether certificates keep to the rules of their form, and whether the world was told of them."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.x509.oid import NameOID

from secscan.check import TrustAnchors, Verdict, check, failed, not_applicable, passed
from secscan.checks._certificates import (
    first_certificate,
    listed,
    path_of,
    slot_of,
    unreadable,
)
from secscan.checks._trust_path import Path, issuing_line
from secscan.facts import ChainFacts
from secscan.facts.certificate import Certificate, Malformed, PublicKey, load, quietly, read_certificate
from secscan.model import Observation, Severity


@check("certificate.well-formed", severity=Severity.LOW)
def well_formed(seen: Observation[ChainFacts], anchors: TrustAnchors, at: datetime) -> Iterator[Verdict]:
    """The server's certificate and its issuers keep to the form that RFC 5280 prescribes.

    Why: Clients differ in what they do with a certificate that breaks the rules: some refuse it, some overlook it, and
    the next version of either may do the other. A serial number that is no positive number of 20 octets at most makes
    revocation ambiguous (RFC 5280, section 4.1.2.2). A name that only stands in the common name, or an address among
    the names, is seen by some clients and not by others. Rules of public authorities alone (CA/Browser Forum Baseline
    Requirements) count below public roots alone.

    Fix: Have the certificate issued again by a tool that keeps to RFC 5280; correct the authority's template first.
    """
    for chain in seen.facts.chains:
        if not chain.certificates:
            yield unreadable(*first_certificate(chain))
            continue
        public = isinstance(path := path_of(chain, anchors, at), Path) and path.public
        for der in issuing_line(chain.certificates):
            slot, certificate = slot_of(chain, der), read_certificate(der)
            if isinstance(certificate, Malformed) or isinstance(certificate.extensions, Malformed):
                yield unreadable(slot, certificate)
            elif not certificate.self_signed or slot.endswith(
                "/0"
            ):  # A root is trusted for being in the list.
                fault = next(_faults(slot, der, certificate, public=public), None)
                yield fault or passed("It keeps to the form of RFC 5280.", object=slot)


def _faults(slot: str, der: bytes, certificate: Certificate, *, public: bool) -> Iterator[Verdict]:
    loaded = load(der)
    if isinstance(loaded, Malformed):
        return
    with quietly():
        yield from _faults_of_fields(slot, loaded, certificate)
        yield from _faults_of_extensions(slot, loaded, certificate)
        yield from _faults_of_names(slot, certificate)
        if public:
            yield from _faults_below_public_roots(slot, loaded, certificate)


def _faults_of_fields(slot: str, loaded: x509.Certificate, certificate: Certificate) -> Iterator[Verdict]:
    # Only version 3 has extensions, and the Baseline Requirements, 7.1.1, allow no other.
    if certificate.version != 3:
        yield failed(
            "It is of version {version} of X.509; 3 is expected.", object=slot, version=certificate.version
        )
    if not 0 < loaded.serial_number < 1 << 8 * 20:
        yield failed(
            "Its serial number, {serial}, is no positive number of 20 octets at most.",
            object=slot,
            serial=certificate.serial,
        )
    if certificate.issuer == "":
        yield failed("It does not name its issuer.", object=slot)
    # Baseline Requirements, 6.1.5.
    if isinstance(certificate.key, PublicKey) and certificate.key.type == "RSA" and certificate.key.bits % 8:
        yield failed(
            "Its RSA key has {bits} bits, which is no multiple of 8.", object=slot, bits=certificate.key.bits
        )


def _faults_of_extensions(slot: str, loaded: x509.Certificate, certificate: Certificate) -> Iterator[Verdict]:
    said = certificate.extensions
    is_ca = not isinstance(said, Malformed) and said.is_ca
    if is_ca and certificate.subject == "":
        yield failed("It is an authority's and does not name it.", object=slot)
    # RFC 5280, section 4.2.1.9.
    if not isinstance(said, Malformed) and "key_cert_sign" in (said.key_usages or ()) and not is_ca:
        yield failed("Its key may sign certificates, and it is not an authority's.", object=slot)
    for extension in loaded.extensions:
        match extension.value:
            # RFC 5280, sections 4.2.1.1 and 4.2.1.2.
            case x509.AuthorityKeyIdentifier() | x509.SubjectKeyIdentifier() if extension.critical:
                yield failed("The identifier of a key is marked critical.", object=slot)
            # RFC 5280, section 4.2.1.11.
            case x509.PolicyConstraints() if not extension.critical:
                yield failed("Its constraints of policies are not marked critical.", object=slot)
            # RFC 5280, section 4.2.2.1.
            case x509.AuthorityInformationAccess() if extension.critical:
                yield failed("Where to ask about its issuer is marked critical.", object=slot)
            case x509.NameConstraints() if not is_ca:
                yield failed("It constrains names, and is not an authority's.", object=slot)
            # RFC 5280, section 4.2.1.6, which leaves it open where there is a subject; the Baseline Requirements don't.
            case x509.SubjectAlternativeName() if extension.critical is (certificate.subject != ""):
                yield failed(
                    "Its alternative names are marked critical although it has a subject, or are not although it "
                    "has none.",
                    object=slot,
                )


#: RFC 1034, section 3.5, as RFC 1123, section 2.1, changed it; an asterisk may stand for the first label.
_PREFERRED = re.compile(
    r"(\*\.)?[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*"
)
_IP_LIKE = re.compile(r"[0-9.]+")


def _faults_of_names(slot: str, certificate: Certificate) -> Iterator[Verdict]:
    said = certificate.extensions
    if isinstance(said, Malformed):
        return
    # RFC 5280, section 4.2.1.6. An address belongs among the addresses.
    strange = [
        name
        for name in said.dns_names
        if len(name) > 253 or _IP_LIKE.fullmatch(name) or not _PREFERRED.fullmatch(name)
    ]
    if strange:
        yield failed(
            "Among its names are such as no host can have: {names}.", object=slot, names=listed(strange)
        )


def _faults_below_public_roots(
    slot: str, loaded: x509.Certificate, certificate: Certificate
) -> Iterator[Verdict]:
    """What public authorities promised beyond RFC 5280 (CA/Browser Forum Baseline Requirements)."""
    said = certificate.extensions
    if isinstance(said, Malformed) or said.is_ca:
        return
    # 7.1.2.7.10.
    if "anyExtendedKeyUsage" in (said.extended_usages or ()):
        yield failed("It may be used for anything, which no public certificate may.", object=slot)
    # 7.1.2.7.6.
    if any(isinstance(e.value, x509.ExtendedKeyUsage) and e.critical for e in loaded.extensions):
        yield failed("What it may be used for is marked critical.", object=slot)
    if certificate.subject is not None:
        known = {*said.dns_names, *said.ip_addresses}
        common = [str(one.value) for one in loaded.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        # 7.1.4.3.
        unmatched = [name for name in common if name not in known]
        if unmatched:
            yield failed(
                "Its common name {name} is not among its alternative names, letter by letter.",
                object=slot,
                name=listed(unmatched),
            )


# --- Whether the world was told -------------------------------------------------------------------------


class _Needed(NamedTuple):
    """Certificates that last longer than this need so many timestamps."""

    longer_than: timedelta
    timestamps: int


#: Chrome's Certificate Transparency Policy, and Firefox's (security/ct/CTPolicyEnforcer.cpp): the same numbers.
_TIMESTAMPS = (_Needed(timedelta(days=180), 3), _Needed(timedelta.min, 2))


@check("certificate.transparency", severity=Severity.LOW)
def transparency(seen: Observation[ChainFacts], anchors: TrustAnchors, at: datetime) -> Iterator[Verdict]:
    """A certificate below a public root shows that it was entered in public logs.

    Why: Chrome, Safari and Firefox refuse public certificates without signed timestamps of logs (Certificate
    Transparency, RFC 6962): two, or three for those that last more than 180 days. The logs are how an agency notices a
    certificate for its names that it did not ask for. Timestamps can come by other ways than inside the certificate,
    which hardly any server uses and which are not read here, so a lack of them fails as low only. Whether the logs'
    signatures are right is not looked at.

    Fix: Have the certificate issued again by an authority that enters it in logs, which all public ones do by default.
    Look for your own names in the logs (crt.sh) now and then.
    """
    for chain in seen.facts.chains:
        slot, own = first_certificate(chain)
        if isinstance(own, Malformed) or isinstance(own.extensions, Malformed):
            yield unreadable(slot, own)
            continue
        path = path_of(chain, anchors, at)
        if not isinstance(path, Path) or not path.public:
            yield not_applicable("It does not end in a public root.", object=slot)
            continue
        lasting = own.not_after - own.not_before
        needed = next(step.timestamps for step in _TIMESTAMPS if lasting > step.longer_than)
        if own.extensions.scts >= needed:
            yield passed("Signed timestamps of logs in it: {count}.", object=slot, count=own.extensions.scts)
        else:
            yield failed(
                "Signed timestamps of logs in it: {count}; browsers want {needed}.",
                object=slot,
                count=own.extensions.scts,
                needed=needed,
            )
