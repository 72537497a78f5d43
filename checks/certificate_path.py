"""The way from a server's certificate to a trusted root: whether there is one, and whether all of it is sent."""

from collections.abc import Iterator
from datetime import datetime

from secscan.check import TrustAnchors, Verdict, check, failed, not_applicable, passed, unknown
from secscan.checks._certificates import (
    first_certificate,
    holder_of,
    instant,
    issuer_of,
    listed,
    own_certificates,
    path_of,
    slot_of,
    unreadable,
)
from secscan.checks._trust_path import MOST_SENT, NoPath, Path, find_anchor, issuing_line
from secscan.facts import ChainFacts
from secscan.facts.certificate import (
    Certificate,
    Malformed,
    is_issued_by,
    read_certificate,
)
from secscan.model import Agency, Observation, Reason, Severity
from secscan.reference import FleetKeys, SeenIssuer


@check("certificate.readable", severity=Severity.HIGH)
def readable(seen: Observation[ChainFacts]) -> Iterator[Verdict]:
    """Every certificate that the server sends can be read by the rules of X.509.

    Why: Clients differ in how they take broken encodings: some refuse, some read something else than the issuer
    meant. What can't be read can't be judged either, so other rules are unknown where this one fails.

    Fix: Look at it (openssl x509 -in certificate.pem -text), have it issued again with a tool that keeps to
    RFC 5280, and leave out of the chain what is not a certificate of the path.
    """
    for chain in seen.facts.chains:
        broken = False
        for der in dict.fromkeys(chain.certificates[:MOST_SENT]):
            detail = _fault(read_certificate(der))
            if detail:
                broken = True
                yield failed(
                    "The certificate can't be read: {detail}",
                    object=slot_of(chain, der),
                    severity=Severity.HIGH if der == chain.certificates[0] else Severity.MEDIUM,
                    detail=detail,
                )
        if not chain.certificates:
            yield failed("No certificate was sent.", object=f"{chain.slot}/0")
        elif not broken:
            yield passed(
                "Certificates sent, all of them readable: {count}.",
                object=f"{chain.slot}/0",
                count=len(chain.certificates),
            )


def _fault(certificate: Certificate | Malformed) -> str:
    if isinstance(certificate, Malformed):
        return certificate.detail
    parts = (certificate.extensions, certificate.key)
    return next((part.detail for part in parts if isinstance(part, Malformed)), "")


@check("certificate.trusted", severity=Severity.HIGH)
def trusted(seen: Observation[ChainFacts], anchors: TrustAnchors, at: datetime) -> Iterator[Verdict]:
    """A path leads from the server's certificate to a trusted root, and clients accept it.

    Why: Without it a client can't tell the server from somebody in between who made a certificate of his own.
    Trusted are the roots of Mozilla's programme, as certifi publishes them, and your own in the workspace's folder
    ca. The end of the server's own certificate and its names have rules of their own and are left out here. The
    issuers must be valid, be allowed to issue, and use keys and signatures that browsers accept (CA/B Forum
    Baseline Requirements, 7.1.3). Revocation is not asked for: that would mean to talk to somebody else's server.

    Fix: Have the certificate issued by a public authority, or put the root of your own into the folder ca of the
    workspace if all clients have it installed. Send the issuing certificates along (nginx: ssl_certificate with
    the full chain; Apache: SSLCertificateFile with the full chain; Windows: install them among the Intermediate
    Certification Authorities).
    """
    for chain in seen.facts.chains:
        slot, own = first_certificate(chain)
        if isinstance(own, Malformed) or isinstance(own.extensions, Malformed):
            yield unreadable(slot, own)
            continue
        if not anchors.public and not anchors.private:
            yield unknown(Reason.NOT_COLLECTED, "No trusted roots are known to compare with.", object=slot)
            continue
        match path_of(chain, anchors, at):
            case Path(public=True) as path:
                yield passed(
                    "{count} certificates lead to the public root {root}.",
                    object=slot,
                    count=len(path.certificates),
                    root=holder_of(path.root),
                )
            case Path() as path:
                yield passed(
                    "{count} certificates lead to {root}, a root of your own.",
                    object=slot,
                    count=len(path.certificates),
                    root=holder_of(path.root),
                )
            case NoPath() as lacking:
                yield _why_no_path(slot, lacking, anchors)


def _why_no_path(slot: str, lacking: NoPath, anchors: TrustAnchors) -> Verdict:
    own, last = read_certificate(lacking.route[0]), read_certificate(lacking.route[-1])
    if lacking.anchor is not None:
        return _why_refused(slot, lacking, lacking.anchor)
    if isinstance(own, Certificate) and own.self_signed:
        return failed(
            "It is signed by its own key and is none of your roots; anyone can make one that looks like it.",
            object=slot,
        )
    if isinstance(last, Certificate) and last.self_signed:
        return failed(
            "The chain ends in {root}, which is neither a public root (as of {as_of}) nor one of yours.",
            object=slot,
            root=last.holder,
            as_of=anchors.as_of or "?",
        )
    return failed(
        "The chain stops at {subject}. Its issuer {issuer} was not sent and is neither a public root (as of "
        "{as_of}) nor one of yours.",
        object=slot,
        subject=holder_of(lacking.route[-1]),
        issuer=issuer_of(last),
        as_of=anchors.as_of or "?",
    )


def _why_refused(slot: str, lacking: NoPath, anchor: bytes) -> Verdict:
    outdated = read_certificate(lacking.outdated) if lacking.outdated else None
    if isinstance(outdated, Certificate):
        return failed(
            "The chain leads to {root}, but by way of {issuer}, which is valid only from {start} to {end}.",
            object=slot,
            root=holder_of(anchor),
            issuer=outdated.holder,
            start=instant(outdated.not_before),
            end=instant(outdated.not_after),
        )
    if lacking.beyond_us:
        return unknown(
            Reason.UNPARSED,
            "The chain leads to {root}, with an extension that we don't know how to judge: {detail}",
            object=slot,
            root=holder_of(anchor),
            detail=lacking.refusal,
        )
    return failed(
        "The chain leads to {root}, but clients refuse it: {detail}",
        object=slot,
        root=holder_of(anchor),
        detail=lacking.refusal,
    )


@check("certificate.chain-complete", severity=Severity.MEDIUM)
def chain_complete(
    seen: Observation[ChainFacts], anchors: TrustAnchors, agency: Agency, fleet: FleetKeys | None
) -> Iterator[Verdict]:
    """The server sends every certificate between its own and the root.

    Why: A server must send its issuers (RFC 5246, section 7.4.2; RFC 8446, section 4.4.2). Some browsers fetch a
    missing one or remember it from elsewhere, so the fault goes unseen at the desk, while telephones, programs and
    other servers fail. Where another host of the fleet sends the missing one, it is named: copy it from there.

    Fix: Put the issuing certificates behind the server's own in the same file, in order (nginx: ssl_certificate
    fullchain.pem; Apache 2.4.8 and later: SSLCertificateFile fullchain.pem), or on Windows into the store
    Intermediate Certification Authorities, and restart.
    """
    roots = anchors.public + anchors.private
    for chain in seen.facts.chains:
        slot, own = first_certificate(chain)
        if isinstance(own, Malformed):
            yield unreadable(slot, own)
            continue
        line = issuing_line(chain.certificates)
        last, anchor = read_certificate(line[-1]), find_anchor(line[-1], roots)
        missing = _seen_elsewhere(line[-1], fleet)
        if own.self_signed:
            yield not_applicable("It is signed by its own key: there are no issuers to send.", object=slot)
        elif anchor is not None:
            yield passed("Every issuer below the root {root} is sent.", object=slot, root=holder_of(anchor))
        elif isinstance(last, Certificate) and last.self_signed:
            yield passed("Every issuer is sent, up to {root}.", object=slot, root=last.holder)
        elif missing is not None and agency.id in missing.sent_by:
            yield failed(
                "The issuer {issuer} is not sent; {host} sends it.",
                object=slot,
                issuer=issuer_of(last),
                host=missing.sent_by[agency.id],
            )
        elif missing is not None:
            yield failed(
                "The issuer {issuer} is not sent; a host of another agency sends it.",
                object=slot,
                issuer=issuer_of(last),
            )
        elif len(line) == 1 and roots:
            yield failed(
                "The issuer {issuer} is not sent, and it is no root that we know.",
                object=slot,
                issuer=issuer_of(last),
            )
        else:
            yield unknown(
                Reason.NOT_COLLECTED,
                "The chain stops at {subject}. If its issuer {issuer} is a root of yours, put that into the folder "
                "ca of the workspace; if not, the server has to send it.",
                object=slot,
                subject=holder_of(line[-1]),
                issuer=issuer_of(last),
            )


def _seen_elsewhere(der: bytes, fleet: FleetKeys | None) -> SeenIssuer | None:
    """The issuer of this certificate, if another server sends it: then it is none that clients have anyway."""
    certificate = read_certificate(der)
    if fleet is None or isinstance(certificate, Malformed):
        return None
    known = fleet.issuers.get(certificate.issuer or "", ())
    return next((one for one in known if is_issued_by(der, one.certificate)), None)


@check("certificate.chain-order", severity=Severity.LOW)
def chain_order(seen: Observation[ChainFacts]) -> Iterator[Verdict]:
    """Each certificate that the server sends certifies the one before it, and none is superfluous.

    Why: TLS 1.2 demands this order (RFC 5246, section 7.4.2). Most clients sort by themselves, older ones and
    appliances give up, and every superfluous certificate costs each client time. The root may be sent or left out.

    Fix: Write the file anew: the server's certificate, then its issuer, then that one's issuer; nothing twice, no
    leftovers of earlier authorities, no whole bundle.
    """
    for chain in seen.facts.chains:
        slot, own = first_certificate(chain)
        if isinstance(own, Malformed):
            yield unreadable(slot, own)
            continue
        sent = chain.certificates[:MOST_SENT]
        first = {der: i for i, der in reversed(list(enumerate(sent)))}
        stray = [
            i for i in range(1, len(sent)) if first[sent[i]] < i or not is_issued_by(sent[i - 1], sent[i])
        ]
        if stray:
            yield failed(
                "Of {count} certificates sent, counted from 0, these do not certify the one before: {positions}; "
                "the first of them is {subject}.",
                object=slot,
                count=len(chain.certificates),
                positions=listed([str(i) for i in stray]),
                subject=holder_of(sent[stray[0]]),
            )
        else:
            yield passed("Certificates sent, all of them in order: {count}.", object=slot, count=len(sent))


@check("certificate.self-signed", severity=Severity.MEDIUM)
def self_signed(seen: Observation[ChainFacts], anchors: TrustAnchors) -> Iterator[Verdict]:
    """The server's certificate is issued by an authority, not signed by its own key.

    Why: Nobody vouches for a self-signed certificate, and nobody can revoke it. Even where every client was told
    to trust it, a stolen key stays good until the certificate ends. Such a one fails as low only.

    Fix: Have it issued by a public authority (ACME), or by an authority of your own whose root the clients know.
    """
    for slot, own in own_certificates(seen.facts):
        match own:
            case Malformed():
                yield unreadable(slot, own)
            case Certificate(self_signed=False):
                yield passed("It is issued by {issuer}.", object=slot, issuer=issuer_of(own))
            case Certificate() if own.sha256 in _fingerprints(anchors.private):
                yield failed(
                    "It is signed by its own key; it is among your own roots, but can't be revoked.",
                    object=slot,
                    severity=Severity.LOW,
                )
            case Certificate():
                yield failed("It is signed by its own key: {subject}.", object=slot, subject=own.holder)


def _fingerprints(ders: tuple[bytes, ...]) -> set[str]:
    return {c.sha256 for c in map(read_certificate, ders) if isinstance(c, Certificate)}
