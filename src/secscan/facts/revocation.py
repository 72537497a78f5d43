"""The views of a stapled OCSP response and of a certificate revocation list: what each says, or why it can't be used."""

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import islice

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import SignatureAlgorithmOID

from secscan.facts.certificate import (
    UNREADABLE,
    Certificate,
    Malformed,
    is_issued_by,
    load,
    quietly,
    read_certificate,
    verify_signature,
)

#: Larger responses are not read. One with a certificate of its responder has about 2 kB.
MOST_RESPONSE_BYTES = 64 * 1024
#: Answers looked at in one response: a server staples one about its own certificate.
MOST_ANSWERS = 100
#: Certificates of responders looked at in one response.
MOST_RESPONDERS = 5

#: Digests for which a second text can be made: a signature over one shows nothing.
BROKEN_DIGESTS = (hashes.MD5, hashes.SHA1)


class Fault(enum.Enum):
    """Why a response or a list can't be relied on."""

    MALFORMED = "it can't be read"
    UNSUCCESSFUL = "the responder could not answer"
    OTHER = "it is about another certificate"
    UNSIGNED = "neither the issuer nor a responder of his has signed it"
    WEAK = "it is signed over a digest that can be forged"


class Status(enum.Enum):
    """What a responder says of a certificate (RFC 6960)."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a responder said of one certificate, in a response whose signature was verified.

     ``until`` is None where the response does not say when there will be a newer one. ``reason`` is RFC 5280's word
    , empty where none is given.
    """

    status: Status
    since: datetime
    until: datetime | None
    revoked_at: datetime | None = None
    reason: str = ""


@lru_cache(maxsize=4096)
def read_answer(response: bytes, certificate: bytes, issuer: bytes, at: datetime) -> Answer | Fault:
    """What ``response`` says of ``certificate``, which ``issuer`` has issued (all DER). Never raises.

    The signature has to be the issuer's, or that of a responder to whom the issuer delegates it by a certificate for
    OCSP signing in the response (RFC 6960, section 2.6) that is valid ``at`` that instant. Whether the
    answer is, is for the caller to say.
    """
    child, parent = load(certificate), load(issuer)
    if len(response) > MOST_RESPONSE_BYTES or isinstance(child, Malformed) or isinstance(parent, Malformed):
        return Fault.MALFORMED
    try:
        with quietly():
            read = ocsp.load_der_ocsp_response(response)
            if read.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
                return Fault.UNSUCCESSFUL
            if _is_beyond_us(read.extensions):
                return Fault.MALFORMED
            answer = next(
                (one for one in islice(read.responses, MOST_ANSWERS) if _is_about(one, child, parent)), None
            )
            if answer is None:
                return Fault.OTHER
            if isinstance(read.signature_hash_algorithm, BROKEN_DIGESTS):
                return Fault.WEAK
            if not any(_has_signed(responder, read) for responder in _responders(read, issuer, at)):
                return Fault.UNSIGNED
            return _answer(answer)
    except UNREADABLE:
        return Fault.MALFORMED


def _is_about(
    answer: ocsp.OCSPSingleResponse, certificate: x509.Certificate, issuer: x509.Certificate
) -> bool:
    """By the identifier that a client would ask with (RFC 6960)."""
    if answer.serial_number != certificate.serial_number:
        return False
    asked = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, answer.hash_algorithm).build()
    return (asked.issuer_name_hash, asked.issuer_key_hash) == (
        answer.issuer_name_hash,
        answer.issuer_key_hash,
    )


def _responders(response: ocsp.OCSPResponse, issuer: bytes, at: datetime) -> Iterator[x509.Certificate]:
    own = load(issuer)
    if not isinstance(own, Malformed):
        yield own
    for one in response.certificates[:MOST_RESPONDERS]:
        der = one.public_bytes(Encoding.DER)
        seen = read_certificate(der)
        if (
            isinstance(seen, Certificate)
            and not isinstance(seen.extensions, Malformed)
            and "OCSPSigning" in (seen.extensions.extended_usages or ())
            and seen.not_before <= at <= seen.not_after
            and is_issued_by(der, issuer)
        ):
            yield one


def _has_signed(responder: x509.Certificate, response: ocsp.OCSPResponse) -> bool:
    try:
        verify_signature(
            responder.public_key(),
            response.signature,
            response.tbs_response_bytes,
            digest=response.signature_hash_algorithm,
        )
    except (InvalidSignature, *UNREADABLE):
        return False
    return True


def _answer(read: ocsp.OCSPSingleResponse) -> Answer:
    reason = read.revocation_reason
    return Answer(
        Status[read.certificate_status.name],
        read.this_update_utc,
        read.next_update_utc,
        read.revocation_time_utc,
        reason.value if reason is not None else "",
    )


# --- Lists ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RevocationList:
    """A list as its issuer signed it; whose it is says ``is_list_of``.

    ``fault`` says what keeps it from showing that a certificate is *not* revoked, empty where nothing does. What it
    does revoke is revoked.
    """

    issuer: str
    since: datetime
    #: When there is a newer one at the latest; None where it does not say.
    until: datetime | None
    #: A list of a part of the certificates: the addresses by which a certificate names that part; empty for all.
    points: frozenset[str]
    #: It is about the certificates of authorities, about all others, or (None) about both.
    about_authorities: bool | None
    fault: str
    serials: frozenset[int]


@lru_cache(maxsize=64)
def read_list(der: bytes) -> RevocationList | Malformed:
    """The list in ``der``. Never raises, whatever the bytes."""
    try:
        with quietly():
            read = x509.load_der_x509_crl(der)
            points, about_authorities, fault = _coverage(read)
            return RevocationList(
                issuer=read.issuer.rfc4514_string(),
                since=read.last_update_utc,
                until=read.next_update_utc,
                points=points,
                about_authorities=about_authorities,
                fault=fault,
                serials=frozenset(entry.serial_number for entry in read),
            )
    except UNREADABLE as e:
        return Malformed(f"{e}"[:300] or type(e).__name__)


@lru_cache(maxsize=4096)
def is_list_of(der: bytes, issuer: bytes) -> bool:
    """Whether the list bears the issuer's name, the issuer's key has signed it, and may sign lists (RFC 5280, 4.2.1.3)."""
    authority, seen = load(issuer), read_certificate(issuer)
    if isinstance(authority, Malformed) or isinstance(seen, Malformed):
        return False
    usages = seen.extensions.key_usages if not isinstance(seen.extensions, Malformed) else frozenset()
    if usages is not None and "crl_sign" not in usages:
        return False
    try:
        with quietly():
            read = x509.load_der_x509_crl(der)
            if read.issuer != authority.subject:
                return False
            digest = read.signature_hash_algorithm
            if isinstance(digest, BROKEN_DIGESTS):
                return False
            is_pss = read.signature_algorithm_oid == SignatureAlgorithmOID.RSASSA_PSS
            verify_signature(
                authority.public_key(),
                read.signature,
                read.tbs_certlist_bytes,
                digest=digest,
                pss=read.signature_algorithm_parameters if is_pss else None,
            )
    except (InvalidSignature, *UNREADABLE):
        return False
    return True


@lru_cache(maxsize=4096)
def revoked_when(der: bytes, serial: int) -> tuple[datetime, str]:
    """When and why (RFC 5280's word, or nothing) the list revokes a serial number that is in it."""
    with quietly():
        entry = x509.load_der_x509_crl(der).get_revoked_certificate_by_serial_number(serial)
    if entry is None:
        raise ValueError(f"the list does not revoke {serial:x}")
    try:
        with quietly():
            reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
    except (x509.ExtensionNotFound, *UNREADABLE):
        reason = ""
    return entry.revocation_date_utc, reason


def _coverage(read: x509.CertificateRevocationList) -> tuple[frozenset[str], bool | None, str]:
    """Which certificates the list is about, and what keeps it from being all there is about them."""
    points: frozenset[str] = frozenset()
    about_authorities: bool | None = None
    # RFC 5280, section 5.2.3: a list has a number, and that extension is not critical.
    fault = "it has no number"
    for extension in read.extensions:
        match extension.value:
            case x509.CRLNumber():
                fault = "its number is critical" if extension.critical else ""
            case x509.DeltaCRLIndicator():
                return points, about_authorities, "it only says what is new since another list"
            case x509.IssuingDistributionPoint() as part:
                if part.indirect_crl or part.only_some_reasons or part.only_contains_attribute_certs:
                    return points, about_authorities, "it leaves out some certificates or reasons"
                if part.only_contains_ca_certs or part.only_contains_user_certs:
                    about_authorities = part.only_contains_ca_certs
                if part.relative_name is not None:
                    return points, about_authorities, "it names its part in a way that we don't compare"
                points = frozenset(
                    name.value
                    for name in part.full_name or ()
                    if isinstance(name, x509.UniformResourceIdentifier)
                )
            case x509.UnrecognizedExtension() if extension.critical:
                return points, about_authorities, "it has a critical extension that we don't know"
    return points, about_authorities, fault


def _is_beyond_us(extensions: x509.Extensions) -> bool:
    return any(e.critical and isinstance(e.value, x509.UnrecognizedExtension) for e in extensions)
