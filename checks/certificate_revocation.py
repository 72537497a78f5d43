"""Whether a certificate that was called back would be noticed: lists, responders, stapled responses."""

from collections.abc import Iterator
from datetime import timedelta

from secscan.check import Verdict, check, failed, not_applicable, passed, unknown
from secscan.checks._certificates import (
    first_certificate,
    listed,
    own_certificates,
    unreadable,
)
from secscan.facts import ChainFacts, Gap
from secscan.facts.certificate import (
    Certificate,
    Extensions,
    Malformed,
)
from secscan.model import Observation, Severity


@check("certificate.revocation", severity=Severity.LOW)
def revocation(seen: Observation[ChainFacts]) -> Iterator[Verdict]:
    """The server's certificate says where a client can ask whether it was revoked.

    Why: If the key is stolen, revoking the certificate is the only way to call it back before it ends. A client has
    to know where to ask: a revocation list or an OCSP responder (RFC 5280, sections 4.2.1.13 and 4.2.2.1). What
    lives for seven days at most ends sooner than revocation would work (Baseline Requirements, 1.6.1).

    Fix: Let the authority write crlDistributionPoints into what it issues (openssl: crlDistributionPoints=URI:...;
    AD CS: Extensions of the authority) and publish the list there.
    """
    for slot, own in own_certificates(seen.facts):
        match own:
            case Malformed() | Certificate(extensions=Malformed()):
                yield unreadable(slot, own)
            case Certificate(self_signed=True):
                yield failed("It is signed by its own key: nobody can revoke it.", object=slot)
            case Certificate() if own.lifetime <= timedelta(days=7):
                yield not_applicable("It lives for seven days at most.", object=slot)
            case Certificate(extensions=Extensions(crl_urls=lists, ocsp_urls=responders)):
                if lists or responders:
                    yield passed("It can be asked at {urls}.", object=slot, urls=listed(lists + responders))
                else:
                    yield failed("It names neither a revocation list nor an OCSP responder.", object=slot)


@check("certificate.must-staple", severity=Severity.MEDIUM)
def must_staple(seen: Observation[ChainFacts]) -> Iterator[Verdict]:
    """A certificate that may only be shown together with an OCSP response is shown with one.

    Why: With the extension of RFC 7633 ("must staple") a client has to refuse the certificate when the server sends
    no OCSP response along. Firefox does. The service then fails for some people only, which is hard to find.

    Fix: Switch stapling on and let the server reach the responder (nginx: ssl_stapling on with a resolver; Apache:
    SSLUseStapling on), or have the certificate issued without the extension.
    """
    for chain in seen.facts.chains:
        slot, own = first_certificate(chain)
        if isinstance(own, Malformed) or isinstance(own.extensions, Malformed):
            yield unreadable(slot, own)
        elif not own.extensions.must_staple:
            yield not_applicable("It does not ask for an OCSP response.", object=slot)
        elif isinstance(chain.ocsp, Gap):
            yield unknown(
                chain.ocsp.reason,
                "Whether an OCSP response comes along was not read: {detail}",
                object=slot,
                detail=chain.ocsp.detail or chain.ocsp.reason.value,
            )
        elif chain.ocsp is None:
            yield failed("It asks for an OCSP response, and the server sends none.", object=slot)
        else:
            yield passed("It asks for an OCSP response, and the server sends one.", object=slot)
