"""Whether what speaks of a certificate's revocation counts: in time, of this issuer, about this certificate."""

from dataclasses import replace
from datetime import datetime, timedelta

from secscan.facts.certificate import Certificate, Extensions, Malformed, load, read_certificate
from secscan.facts.revocation import Answer, RevocationList, is_list_of, read_list, revoked_when

#: How far a responder's clock may be off, the default of openssl ocsp (option -validity_period).
CLOCK_SKEW = timedelta(minutes=5)


def is_current(answer: Answer, at: datetime) -> bool:
    """Whether a client takes the answer for valid at that instant; one without an end holds."""
    return answer.since <= at + CLOCK_SKEW and (answer.until is None or answer.until >= at - CLOCK_SKEW)


def search(certificate: bytes, issuer: bytes, der: bytes) -> tuple[datetime, str] | RevocationList | None:
    """What a list says of a certificate that ``issuer`` has issued (all DER).

    When and why it was revoked; else the list, if the certificate would be in it, or it can't be told whether the
    list is the issuer's; else None. That a list is too old
    makes no difference to what is in it: RFC 5280 has no way back but out of certificateHold.
    """
    seen, found = read_certificate(certificate), read_list(der)
    if isinstance(seen, Malformed) or isinstance(found, Malformed) or not _is_meant(issuer, found):
        return None
    if not is_list_of(der, issuer):
        return replace(found, fault="its signature is not the issuer's, or the issuer may sign no lists")
    loaded = load(certificate)
    serial = -1 if isinstance(loaded, Malformed) else loaded.serial_number
    if serial in found.serials:
        return revoked_when(der, serial)
    return found if _covers(found, seen) else None


def _is_meant(issuer: bytes, found: RevocationList) -> bool:
    """A cheap look before a signature is verified."""
    authority = read_certificate(issuer)
    return isinstance(authority, Certificate) and authority.subject == found.issuer


def _covers(found: RevocationList, certificate: Certificate) -> bool:
    extensions = certificate.extensions
    if not isinstance(extensions, Extensions):
        return False
    if found.about_authorities is not None and found.about_authorities is not extensions.is_ca:
        return False
    return not found.points or bool(found.points & set(extensions.crl_urls))
