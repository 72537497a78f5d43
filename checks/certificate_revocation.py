"""Whether a certificate that was called back would be noticed, and whether this one was."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from secscan.check import TrustAnchors, Verdict, check, failed, not_applicable, passed, unknown
from secscan.checks._certificates import (
    first_certificate,
    holder_of,
    instant,
    issuer_of,
    listed,
    own_certificates,
    slot_of,
    unreadable,
)
from secscan.checks._revocation import CLOCK_SKEW, is_current, search
from secscan.checks._trust_path import find_anchor, issuing_line
from secscan.facts import Chain, ChainFacts, Gap
from secscan.facts.certificate import Certificate, Extensions, Malformed
from secscan.facts.revocation import Answer, Fault, RevocationList, Status, read_answer
from secscan.model import Observation, Outcome, Reason, Severity
from secscan.reference import RevocationLists


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
def must_staple(seen: Observation[ChainFacts], anchors: TrustAnchors) -> Iterator[Verdict]:
    """A certificate that may only be shown together with an OCSP response is shown with one.

    Why: With the extension of RFC 7633 ("must staple") a client has to refuse the certificate when the server sends
    no OCSP response along. Firefox does. The service then fails for some people only, which is hard to find. A
    response that clients can't accept is none.

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
            yield _unread_staple(slot, chain.ocsp)
        elif chain.ocsp is None:
            yield failed("It asks for an OCSP response, and the server sends none.", object=slot)
        else:
            yield _judge_required_staple(slot, chain, chain.ocsp, seen.observed_at, anchors)


def _judge_required_staple(
    slot: str, chain: Chain, response: bytes, at: datetime, anchors: TrustAnchors
) -> Verdict:
    issuer = _issuer_of_own(chain, anchors)
    if issuer is None:
        return unknown(
            Reason.NOT_COLLECTED,
            "It asks for an OCSP response, and the server sends one; whose it is can't be told without the issuer.",
            object=slot,
        )
    answer = read_answer(response, chain.certificates[0], issuer, at)
    if isinstance(answer, Answer) and is_current(answer, at):
        return passed("It asks for an OCSP response, and the server sends one.", object=slot)
    return failed("It asks for an OCSP response, and the server sends none that counts.", object=slot)


@check("certificate.stapling", severity=Severity.MEDIUM)
def stapling(seen: Observation[ChainFacts], anchors: TrustAnchors) -> Iterator[Verdict]:
    """An OCSP response that the server sends along is one that clients accept.

    Why: A client that gets a response about another certificate, with a wrong signature or past its end is told
    nothing, and some break the connection. Mostly it means that the server can't reach the responder any more, or that
    its clock is wrong. What a valid response says is another rule's.

    Fix: Let the server reach the address in the certificate's authorityInfoAccess (nginx: resolver, and
    ssl_trusted_certificate with the issuer; Apache: SSLStaplingResponderTimeout), set its clock, and reload it.
    """
    for chain in seen.facts.chains:
        slot, own = first_certificate(chain)
        if isinstance(own, Malformed):
            yield unreadable(slot, own)
            continue
        issuer = _issuer_of_own(chain, anchors)
        if isinstance(chain.ocsp, Gap):
            yield _unread_staple(slot, chain.ocsp)
        elif chain.ocsp is None:
            yield not_applicable("The server sends no OCSP response along.", object=slot)
        elif issuer is None:
            yield unknown(
                Reason.NOT_COLLECTED,
                "The issuer {issuer} is not known, so it can't be told whether it signed the response.",
                object=slot,
                issuer=issuer_of(own),
            )
        else:
            answer = read_answer(chain.ocsp, chain.certificates[0], issuer, seen.observed_at)
            yield _judge_staple(slot, answer, seen.observed_at)


def _judge_staple(slot: str, answer: Answer | Fault, at: datetime) -> Verdict:
    match answer:
        case Fault.MALFORMED:
            return failed("The OCSP response can't be read.", object=slot)
        case Fault.UNSUCCESSFUL:
            return failed("The OCSP response only says that the responder could not answer.", object=slot)
        case Fault.OTHER:
            return failed("The OCSP response is about another certificate.", object=slot)
        case Fault.UNSIGNED:
            return failed(
                "The OCSP response is signed neither by the issuer nor by a responder that it names.",
                object=slot,
            )
        case Fault.WEAK:
            return failed("The OCSP response is signed over a digest that can be forged.", object=slot)
        case Answer(status=Status.UNKNOWN):
            return failed("The responder does not know this certificate.", object=slot)
        case Answer(since=since) if since > at + CLOCK_SKEW:
            return failed("The OCSP response is not valid before {start}.", object=slot, start=instant(since))
        case Answer(until=None):
            return failed(
                "The OCSP response does not say until when it holds.", object=slot, severity=Severity.LOW
            )
        case Answer(until=datetime() as until) if until < at - CLOCK_SKEW:
            return failed("The OCSP response was valid until {end}.", object=slot, end=instant(until))
        case Answer(until=until):
            return passed(
                "The OCSP response is valid until {end}.",
                object=slot,
                end=instant(until) if until else "-",
            )


@check("certificate.revoked", severity=Severity.HIGH)
def revoked(
    seen: Observation[ChainFacts], anchors: TrustAnchors, lists: RevocationLists | None, at: datetime
) -> Iterator[Verdict]:
    """Nothing at hand says that the server's certificate, or one that it hangs on, was revoked.

    Why: A certificate is revoked because its key was stolen, because it was issued to the wrong one, or because it was
    replaced; clients that notice refuse it, the others talk to whoever has the key. At hand are the OCSP response that
    the server sends along, as valid when it was seen, and the revocation lists (CRL) that lie as *.crl in the
    workspace's folder ca. Nobody is asked: a list past its nextUpdate no longer shows that a certificate is good.

    Fix: Have a new certificate issued for a new key, install it everywhere, and find out from the authority why the
    old one was revoked. For a list that is too old bring the authority's current one into the folder ca.
    """
    imported = lists.lists if lists is not None else ()
    for chain in seen.facts.chains:
        slot, own = first_certificate(chain)
        if isinstance(own, Malformed) or isinstance(own.extensions, Malformed):
            yield unreadable(slot, own)
            continue
        route = _route(chain, anchors)
        stapled = _stapled(chain, route, seen.observed_at)
        yield _judge_revocation(slot, route[:2], stapled, imported, at)
        for i in range(1, len(route) - 1):
            said = _judge_revocation(slot_of(chain, route[i]), route[i : i + 2], None, imported, at)
            if said.outcome is not Outcome.NOT_APPLICABLE:
                yield said


def _judge_revocation(
    slot: str,
    certificate_and_issuer: tuple[bytes, ...],
    stapled: Answer | Gap | None,
    imported: tuple[bytes, ...],
    at: datetime,
) -> Verdict:
    """``stapled`` is an answer that was valid when it was seen; None where there is none."""
    if isinstance(stapled, Answer) and stapled.status is Status.REVOKED:
        return failed(
            "The OCSP response that the server sends says that it was revoked on {date}{reason}.",
            object=slot,
            date=instant(stapled.revoked_at) if stapled.revoked_at else "-",
            reason=_in_brackets(stapled.reason),
        )
    if len(certificate_and_issuer) < 2:
        return not_applicable("Nothing at hand tells: its issuer is not known.", object=slot)
    der, issuer = certificate_and_issuer
    found = [search(der, issuer, one) for one in imported]
    for listed_at, reason in (one for one in found if isinstance(one, tuple)):
        return failed(
            "A list of {issuer} says that it was revoked on {date}{reason}.",
            object=slot,
            issuer=holder_of(issuer),
            date=instant(listed_at),
            reason=_in_brackets(reason),
        )
    if isinstance(stapled, Answer) and stapled.status is Status.GOOD:
        return passed(
            "The OCSP response that the server sends says that it is good, as of {date}.",
            object=slot,
            date=instant(stapled.since),
        )
    return _judge_lists(slot, issuer, [one for one in found if isinstance(one, RevocationList)], stapled, at)


def _judge_lists(
    slot: str, issuer: bytes, lists: Sequence[RevocationList], stapled: Answer | Gap | None, at: datetime
) -> Verdict:
    """Of lists in which the certificate is not."""
    newest = max(lists, key=lambda one: (not one.fault, one.since), default=None)
    if newest is None and isinstance(stapled, Gap):
        return _unread_staple(slot, stapled)
    if newest is None:
        return not_applicable(
            "Nothing at hand tells: the server sends no OCSP response that counts, and no list of {issuer} lies in "
            "the folder ca.",
            object=slot,
            issuer=holder_of(issuer),
        )
    if newest.fault:
        return unknown(
            Reason.UNPARSED,
            "It is not in the list of {issuer}, which shows nothing: {detail}",
            object=slot,
            issuer=holder_of(issuer),
            detail=newest.fault,
        )
    if newest.until is None or newest.until < at:
        return unknown(
            Reason.STALE_FEED,
            "It is not in the list of {issuer} of {date}, which was to be replaced by {end}.",
            object=slot,
            issuer=holder_of(issuer),
            date=instant(newest.since),
            end=instant(newest.until) if newest.until else "-",
        )
    return passed(
        "It is not in the list of {issuer} of {date}.",
        object=slot,
        issuer=holder_of(issuer),
        date=instant(newest.since),
    )


# --- Who issued what --------------------------------------------------------------------------------------


def _route(chain: Chain, anchors: TrustAnchors) -> tuple[bytes, ...]:
    """The server's certificate and its issuers, as far as they are known, the root included."""
    if not chain.certificates:
        return ()
    sent = issuing_line(chain.certificates)
    anchor = find_anchor(sent[-1], anchors.public + anchors.private)
    return sent if anchor is None or anchor == sent[-1] else (*sent, anchor)


def _issuer_of_own(chain: Chain, anchors: TrustAnchors) -> bytes | None:
    route = _route(chain, anchors)
    return route[1] if len(route) > 1 else None


def _stapled(chain: Chain, route: tuple[bytes, ...], at: datetime) -> Answer | Gap | None:
    """What the server sent along, where clients accept that. What was revoked stays so after the answer's end."""
    if chain.ocsp is None or isinstance(chain.ocsp, Gap):
        return chain.ocsp
    answer = read_answer(chain.ocsp, route[0], route[1], at) if len(route) > 1 else None
    if not isinstance(answer, Answer):
        return None
    return answer if answer.status is Status.REVOKED or is_current(answer, at) else None


def _unread_staple(slot: str, gap: Gap) -> Verdict:
    return unknown(
        gap.reason,
        "Whether an OCSP response comes along was not read: {detail}",
        object=slot,
        detail=gap.detail or gap.reason.value,
    )


def _in_brackets(reason: str) -> str:
    return f" ({reason})" if reason else ""
