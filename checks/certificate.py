"""What a server proves itself with: dates, names, the way to a trusted root, keys and signatures."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from pydantic import Field

from secscan.check import Limits, TrustAnchors, Verdict, check, failed, not_applicable, passed, unknown
from secscan.checks._trust_path import MOST_SENT, NoPath, Path, find_anchor, find_path, issuing_line
from secscan.facts import Chain, ChainFacts, Gap
from secscan.facts.certificate import (
    Certificate,
    Extensions,
    Malformed,
    PublicKey,
    is_issued_by,
    match_name,
    read_certificate,
)
from secscan.model import Endpoint, Host, Observation, Reason, Service, Severity

# The object of every verdict is a certificate slot: the key type of the server's own certificate, and the position
# in the chain as it was sent: RSA/0 is the server's own, RSA/1 the one after it.

# --- Limits -------------------------------------------------------------------------------------------


class RenewalLimits(Limits):
    days: int = Field(
        default=21,
        ge=1,
        le=365,
        description="Days before its end by which a certificate must have been renewed; "
        "never more than a quarter of its lifetime.",
    )


class KeyLimits(Limits):
    rsa_bits: int = Field(default=2048, ge=2048, le=16384, description="Fewest bits of an RSA modulus.")
    ec_bits: int = Field(default=256, ge=224, le=521, description="Fewest bits of an elliptic curve.")


class LifetimeLimits(Limits):
    private_days: int = Field(
        default=825,
        ge=1,
        le=3660,
        description="Most days that a certificate may last that does not end in a public root.",
    )


# --- Dates --------------------------------------------------------------------------------------------


@check("certificate.expiry", severity=Severity.HIGH)
def expiry(seen: Observation[ChainFacts], at: datetime) -> Iterator[Verdict]:
    """The server's certificate has not expired.

    Why: Every careful client refuses an expired certificate, so the service is down for them, and people who must
    get through learn to click warnings away, which is what an attacker in the middle needs. A certificate is valid
    up to and including the second in notAfter (RFC 5280, section 4.1.2.5).

    Fix: Have a new certificate issued today, install it on every address and port that uses the old one, and
    reload the server (nginx -s reload; apachectl graceful; in IIS choose it under Bindings). Then let it renew by
    itself (ACME: certbot, win-acme) so that this does not come back.
    """
    for slot, own in _own(seen.facts):
        match own:
            case Malformed():
                yield _unreadable(slot, own)
            case Certificate() if at > own.not_after:
                yield failed(
                    "The certificate of {subject} expired on {end}.",
                    object=slot,
                    subject=own.holder,
                    end=_instant(own.not_after),
                )
            case Certificate():
                yield passed(
                    "The certificate of {subject} is valid until {end}.",
                    object=slot,
                    subject=own.holder,
                    end=_instant(own.not_after),
                )


@check("certificate.renewal", severity=Severity.MEDIUM)
def renewal(
    seen: Observation[ChainFacts], limits: RenewalLimits, anchors: TrustAnchors, at: datetime
) -> Iterator[Verdict]:
    """No certificate that the server's trust hangs on ends soon.

    Why: Issuing, testing and installing takes days, longer around holidays. A certificate that is still in use
    this close to its end shows that renewal was forgotten or that automatic renewal has stopped working. The
    issuing certificates on the path count too: when one of them ends, all below it fail at once. Certificates
    that live for days only are renewed late on purpose: never is more than a quarter of the lifetime asked for.

    Fix: Renew now. With ACME find out why the renewal job did not run (certbot renew --dry-run; systemctl status
    certbot.timer) and whether the server was reloaded afterwards. For an issuing certificate install the
    authority's new one.
    """
    for chain in seen.facts.chains:
        path = _path(chain, anchors, at)
        # Where there is no path, nothing but the server's own certificate is known to matter.
        trusted = path.certificates[:-1] if isinstance(path, Path) else ()
        for der in dict.fromkeys((*chain.certificates[:1], *trusted)):
            slot, certificate = _slot(chain, der), read_certificate(der)
            if isinstance(certificate, Malformed):
                yield _unreadable(slot, certificate)
                continue
            latest = certificate.not_after - _renewal_time(certificate, limits)
            if at > latest:
                yield failed(
                    "The certificate of {subject} ends on {end}; it should have been renewed by {latest}.",
                    object=slot,
                    subject=certificate.holder,
                    end=_instant(certificate.not_after),
                    latest=_instant(latest),
                )
            else:
                yield passed(
                    "The certificate of {subject} ends on {end}; there is time to renew it until {latest}.",
                    object=slot,
                    subject=certificate.holder,
                    end=_instant(certificate.not_after),
                    latest=_instant(latest),
                )


def _renewal_time(certificate: Certificate, limits: RenewalLimits) -> timedelta:
    return min(timedelta(days=limits.days), max(certificate.lifetime, timedelta()) / 4)


@check("certificate.started", severity=Severity.HIGH)
def started(seen: Observation[ChainFacts], at: datetime) -> Iterator[Verdict]:
    """The server's certificate is valid already.

    Why: Clients refuse a certificate before its notBefore (RFC 5280, section 4.1.2.5) as they refuse an expired
    one. It happens when the next certificate is installed too early, or when the clock of the authority or of
    this scanner is wrong.

    Fix: Install the certificate that is valid now and keep the new one for its day. If the date looks right, set
    the clocks (timedatectl; w32tm /resync).
    """
    for slot, own in _own(seen.facts):
        match own:
            case Malformed():
                yield _unreadable(slot, own)
            case Certificate() if at < own.not_before:
                yield failed(
                    "The certificate of {subject} is not valid before {start}.",
                    object=slot,
                    subject=own.holder,
                    start=_instant(own.not_before),
                )
            case Certificate():
                yield passed(
                    "The certificate of {subject} is valid since {start}.",
                    object=slot,
                    subject=own.holder,
                    start=_instant(own.not_before),
                )


class _Step(NamedTuple):
    """From this instant of issue on, a certificate may last so many days."""

    since: datetime
    days: int


#: CA/B Forum Baseline Requirements, 6.3.2, as amended by ballots 193, SC-22 (2020) and SC-081v3 (2025).
_PUBLIC_LIFETIMES = (
    _Step(datetime(2029, 3, 15, tzinfo=UTC), 47),
    _Step(datetime(2027, 3, 15, tzinfo=UTC), 100),
    _Step(datetime(2026, 3, 15, tzinfo=UTC), 200),
    _Step(datetime(2020, 9, 1, tzinfo=UTC), 398),
    _Step(datetime.min.replace(tzinfo=UTC), 825),
)


@check("certificate.lifetime", severity=Severity.MEDIUM)
def lifetime(
    seen: Observation[ChainFacts], limits: LifetimeLimits, anchors: TrustAnchors, at: datetime
) -> Iterator[Verdict]:
    """The server's certificate does not live longer than its kind may.

    Why: A stolen key is of use until its certificate ends, because revocation reaches few clients, and what is
    renewed every ten years is renewed by nobody who knows how. Browsers refuse certificates below public roots
    that last longer than the CA/B Forum allows at their date of issue: 398 days, 200 from 15 March 2026, 100 from
    15 March 2027, 47 from 15 March 2029. For other certificates the baseline sets the limit; 825 days is the most
    that Apple's systems accept of any authority.

    Fix: Have a shorter certificate issued and renew it automatically (ACME works with private authorities too:
    step-ca, EJBCA, Windows AD CS with a proxy). Shorten the template of the private authority.
    """
    for chain in seen.facts.chains:
        slot, own = _first(chain)
        if isinstance(own, Malformed):
            yield _unreadable(slot, own)
            continue
        if own.lifetime <= timedelta():
            yield failed(
                "It ends on {end}, before it begins on {start}.",
                object=slot,
                start=_instant(own.not_before),
                end=_instant(own.not_after),
            )
            continue
        path = _path(chain, anchors, at)
        public = isinstance(path, Path) and path.public
        most = _most_public_days(own.not_before) if public else limits.private_days
        # A day is 86,400 seconds and any part of one counts as a whole (Baseline Requirements, 6.3.2).
        days = -(-own.lifetime // timedelta(days=1))
        if own.lifetime <= timedelta(days=most):
            yield passed(
                "It lasts {days} days, from {start} to {end}; at most {most} are allowed.",
                object=slot,
                days=days,
                start=_instant(own.not_before),
                end=_instant(own.not_after),
                most=most,
            )
        elif public:
            yield failed(
                "It lasts {days} days, from {start} to {end}; below a public root at most {most} are allowed "
                "when issued on that day.",
                object=slot,
                days=days,
                start=_instant(own.not_before),
                end=_instant(own.not_after),
                most=most,
            )
        else:
            yield failed(
                "It lasts {days} days, from {start} to {end}; the baseline allows at most {most}.",
                object=slot,
                severity=Severity.LOW,
                days=days,
                start=_instant(own.not_before),
                end=_instant(own.not_after),
                most=most,
            )


def _most_public_days(issued: datetime) -> int:
    return next(step.days for step in _PUBLIC_LIFETIMES if issued >= step.since)


# --- Names --------------------------------------------------------------------------------------------


@check("certificate.name", severity=Severity.HIGH)
def name(seen: Observation[ChainFacts], service: Service, host: Host) -> Iterator[Verdict]:
    """The certificate is for the name by which the service is reached.

    Why: The name is the only thing that tells this server from any other that holds a valid certificate. Where it
    does not match, clients show a warning or refuse, and whoever accepts it accepts an impostor as well. The
    server name of the service is compared, else the names of the host, of which one must match, by RFC 9525: only
    subject alternative names count.

    Fix: Have a certificate issued that lists the name, or serve the right one for it (nginx: server_name and
    ssl_certificate in the same server block; Apache: a VirtualHost with its ServerName; IIS: a binding with SNI).
    If clients use another name, declare that one in the inventory.
    """
    names = (service.server_name,) if service.server_name else host.names
    address = seen.target.address if isinstance(seen.target, Endpoint) else ""
    for slot, own in _own(seen.facts):
        match own:
            case Malformed() | Certificate(extensions=Malformed()):
                yield _unreadable(slot, own)
            case Certificate() if names:
                yield _judge_names(slot, own, names)
            case Certificate() if match_name(own, address):
                yield passed("The certificate is for {name}.", object=slot, name=address)
            case Certificate():
                yield unknown(
                    Reason.NOT_COLLECTED,
                    "The inventory has no name for this service to compare; the certificate is for {names} and not "
                    "for the address. Declare names of the host, or server_names of the service.",
                    object=slot,
                    names=_names_in(own),
                )


def _judge_names(slot: str, own: Certificate, names: tuple[str, ...]) -> Verdict:
    matching = [name for name in names if match_name(own, name)]
    if matching:
        return passed("The certificate is for {name}.", object=slot, name=matching[0])
    if not _names_in(own):
        return failed(
            "The certificate names nothing; expected {expected}.", object=slot, expected=_listed(names)
        )
    return failed(
        "The certificate is for {names}; expected {expected}.",
        object=slot,
        names=_names_in(own),
        expected=_listed(names),
    )


@check("certificate.alternative-names", severity=Severity.MEDIUM)
def alternative_names(seen: Observation[ChainFacts]) -> Iterator[Verdict]:
    """The server's certificate has a subject alternative name.

    Why: Clients have stopped looking at the common name (RFC 9525, section 2; Chrome since 2017, Go since 2020).
    Without an alternative name a certificate is for no server at all, whatever its subject says.

    Fix: Repeat every name, and every address if clients use addresses, as an alternative name in the request
    (openssl req -addext subjectAltName=DNS:www.example.vn,IP:192.0.2.1; in AD CS: supply in the request).
    """
    for slot, own in _own(seen.facts):
        match own:
            case Malformed() | Certificate(extensions=Malformed()):
                yield _unreadable(slot, own)
            case Certificate() if _names_in(own):
                yield passed("It is for {names}.", object=slot, names=_names_in(own))
            case Certificate():
                yield failed(
                    "It has no alternative name of a server or an address; its subject is {subject}.",
                    object=slot,
                    subject=own.holder,
                )


@check("certificate.wildcard", severity=Severity.INFO)
def wildcard(seen: Observation[ChainFacts]) -> Iterator[Verdict]:
    """The server's certificate names its servers one by one, without an asterisk.

    Why: A wildcard certificate is for every server of a domain, and its key tends to lie on many of them: who
    takes it from the weakest can impersonate all (NSA, Avoid Dangers of Wildcard TLS Certificates, 2021). It is no
    failure in itself, only worth knowing.

    Fix: Have one certificate issued per service; with ACME that is no more work. Keep a wildcard only for one
    well-guarded reverse proxy.
    """
    for slot, own in _own(seen.facts):
        match own:
            case Malformed() | Certificate(extensions=Malformed()):
                yield _unreadable(slot, own)
            case Certificate(extensions=Extensions(dns_names=names)):
                wild = [name for name in names if "*" in name]
                if wild:
                    yield failed("It is for every server of {names}.", object=slot, names=_listed(wild))
                else:
                    yield passed("None of its {count} names has an asterisk.", object=slot, count=len(names))


# --- The chain ----------------------------------------------------------------------------------------


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
                    object=_slot(chain, der),
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
        slot, own = _first(chain)
        if isinstance(own, Malformed) or isinstance(own.extensions, Malformed):
            yield _unreadable(slot, own)
            continue
        if not anchors.public and not anchors.private:
            yield unknown(Reason.NOT_COLLECTED, "No trusted roots are known to compare with.", object=slot)
            continue
        match _path(chain, anchors, at):
            case Path(public=True) as path:
                yield passed(
                    "{count} certificates lead to the public root {root}.",
                    object=slot,
                    count=len(path.certificates),
                    root=_holder(path.root),
                )
            case Path() as path:
                yield passed(
                    "{count} certificates lead to {root}, a root of your own.",
                    object=slot,
                    count=len(path.certificates),
                    root=_holder(path.root),
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
        subject=_holder(lacking.route[-1]),
        issuer=_issuer(last),
        as_of=anchors.as_of or "?",
    )


def _why_refused(slot: str, lacking: NoPath, anchor: bytes) -> Verdict:
    outdated = read_certificate(lacking.outdated) if lacking.outdated else None
    if isinstance(outdated, Certificate):
        return failed(
            "The chain leads to {root}, but by way of {issuer}, which is valid only from {start} to {end}.",
            object=slot,
            root=_holder(anchor),
            issuer=outdated.holder,
            start=_instant(outdated.not_before),
            end=_instant(outdated.not_after),
        )
    if lacking.beyond_us:
        return unknown(
            Reason.UNPARSED,
            "The chain leads to {root}, with an extension that we don't know how to judge: {detail}",
            object=slot,
            root=_holder(anchor),
            detail=lacking.refusal,
        )
    return failed(
        "The chain leads to {root}, but clients refuse it: {detail}",
        object=slot,
        root=_holder(anchor),
        detail=lacking.refusal,
    )


@check("certificate.chain-complete", severity=Severity.MEDIUM)
def chain_complete(seen: Observation[ChainFacts], anchors: TrustAnchors) -> Iterator[Verdict]:
    """The server sends every certificate between its own and the root.

    Why: A server must send its issuers (RFC 5246, section 7.4.2; RFC 8446, section 4.4.2). Some browsers fetch a
    missing one or remember it from elsewhere, so the fault goes unseen at the desk, while telephones, programs and
    other servers fail.

    Fix: Put the issuing certificates behind the server's own in the same file, in order (nginx: ssl_certificate
    fullchain.pem; Apache 2.4.8 and later: SSLCertificateFile fullchain.pem), or on Windows into the store
    Intermediate Certification Authorities, and restart.
    """
    roots = anchors.public + anchors.private
    for chain in seen.facts.chains:
        slot, own = _first(chain)
        if isinstance(own, Malformed):
            yield _unreadable(slot, own)
            continue
        line = issuing_line(chain.certificates)
        last, anchor = read_certificate(line[-1]), find_anchor(line[-1], roots)
        if own.self_signed:
            yield not_applicable("It is signed by its own key: there are no issuers to send.", object=slot)
        elif anchor is not None:
            yield passed("Every issuer below the root {root} is sent.", object=slot, root=_holder(anchor))
        elif isinstance(last, Certificate) and last.self_signed:
            yield passed("Every issuer is sent, up to {root}.", object=slot, root=last.holder)
        elif len(line) == 1 and roots:
            yield failed(
                "The issuer {issuer} is not sent, and it is no root that we know.",
                object=slot,
                issuer=_issuer(last),
            )
        else:
            yield unknown(
                Reason.NOT_COLLECTED,
                "The chain stops at {subject}. If its issuer {issuer} is a root of yours, put that into the folder "
                "ca of the workspace; if not, the server has to send it.",
                object=slot,
                subject=_holder(line[-1]),
                issuer=_issuer(last),
            )


@check("certificate.chain-order", severity=Severity.LOW)
def chain_order(seen: Observation[ChainFacts]) -> Iterator[Verdict]:
    """Each certificate that the server sends certifies the one before it, and none is superfluous.

    Why: TLS 1.2 demands this order (RFC 5246, section 7.4.2). Most clients sort by themselves, older ones and
    appliances give up, and every superfluous certificate costs each client time. The root may be sent or left out.

    Fix: Write the file anew: the server's certificate, then its issuer, then that one's issuer; nothing twice, no
    leftovers of earlier authorities, no whole bundle.
    """
    for chain in seen.facts.chains:
        slot, own = _first(chain)
        if isinstance(own, Malformed):
            yield _unreadable(slot, own)
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
                positions=_listed([str(i) for i in stray]),
                subject=_holder(sent[stray[0]]),
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
    for slot, own in _own(seen.facts):
        match own:
            case Malformed():
                yield _unreadable(slot, own)
            case Certificate(self_signed=False):
                yield passed("It is issued by {issuer}.", object=slot, issuer=_issuer(own))
            case Certificate() if own.sha256 in _fingerprints(anchors.private):
                yield failed(
                    "It is signed by its own key; it is among your own roots, but can't be revoked.",
                    object=slot,
                    severity=Severity.LOW,
                )
            case Certificate():
                yield failed("It is signed by its own key: {subject}.", object=slot, subject=own.holder)


# --- Keys and signatures --------------------------------------------------------------------------------


@check("certificate.key-strength", severity=Severity.HIGH)
def key_strength(seen: Observation[ChainFacts], limits: KeyLimits) -> Iterator[Verdict]:
    """The keys of the server's certificate and of its issuers are strong.

    Why: Who computes the private key from the public one can impersonate the server, and read what was recorded
    where there was no forward secrecy. RSA below 2048 bits and curves below 256 bits are refused by browsers
    (CA/B Forum Baseline Requirements, 6.1.5) and not to be used after 2013 (NIST SP 800-131A). DSA is gone from
    TLS 1.3 and from browsers.

    Fix: Make a new key and have a certificate issued for it (openssl genpkey -algorithm EC -pkeyopt
    ec_paramgen_curve:P-256, or RSA with 3072 bits). If it is an issuer's key, move to another authority.
    """
    for chain in seen.facts.chains:
        for slot, certificate in _line(chain):
            if isinstance(certificate, Malformed):
                yield _unreadable(slot, certificate)
            elif isinstance(certificate.key, Malformed):
                yield _unreadable_part(slot, certificate.key)
            else:
                yield _judge_key(slot, certificate.key, limits)


def _judge_key(slot: str, key: PublicKey, limits: KeyLimits) -> Verdict:
    match key:
        case PublicKey(type="RSA"):
            least = limits.rsa_bits
        case PublicKey(type="ECDSA"):
            least = limits.ec_bits
        case PublicKey(type="Ed25519" | "Ed448"):
            return passed("The key is {type}.", object=slot, type=key.type)
        case PublicKey(type="DSA"):
            return failed(
                "The key is DSA with {bits} bits; clients want RSA or an elliptic curve.",
                object=slot,
                bits=key.bits,
            )
        case _:
            return unknown(
                Reason.UNPARSED,
                "The key is of a type that we can't judge: {type}.",
                object=slot,
                type=key.type,
            )
    if key.bits < least:
        return failed(
            "The key is {type} with {bits} bits; at least {least} are needed.",
            object=slot,
            type=key.type,
            bits=key.bits,
            least=least,
        )
    return passed("The key is {type} with {bits} bits.", object=slot, type=key.type, bits=key.bits)


@check("certificate.exponent", severity=Severity.MEDIUM)
def exponent(seen: Observation[ChainFacts]) -> Iterator[Verdict]:
    """The public exponent of an RSA key is odd and at least 65537.

    Why: Small exponents such as 3 make several mistakes of implementations fatal (forged signatures:
    Bleichenbacher 2006, BERserk 2014). FIPS 186-5 asks for more than 65536, the Baseline Requirements, 6.1.6, for
    at least 3 and recommend the same.

    Fix: Make a new key; every current tool chooses 65537 by itself.
    """
    for slot, own in _own(seen.facts):
        match own:
            case Malformed():
                yield _unreadable(slot, own)
            case Certificate(key=Malformed() as key):
                yield _unreadable_part(slot, key)
            case Certificate(key=PublicKey(exponent=int() as e)):
                shown = str(e) if e.bit_length() <= 64 else f"2^{e.bit_length() - 1}+…"
                if e < 65537 or e % 2 == 0:
                    yield failed(
                        "The public exponent is {exponent}; odd and at least 65537 is expected.",
                        object=slot,
                        exponent=shown,
                    )
                else:
                    yield passed("The public exponent is {exponent}.", object=slot, exponent=shown)
            case Certificate():
                yield not_applicable("The key is not an RSA key.", object=slot)


_BROKEN_HASHES = frozenset({"md2", "md4", "md5", "sha1"})


@check("certificate.signature", severity=Severity.HIGH)
def signature(seen: Observation[ChainFacts]) -> Iterator[Verdict]:
    """The server's certificate and its issuers are signed over a digest that can't be forged.

    Why: Two certificates with one MD5 digest were made in 2008 (Sotirov and others), with one SHA-1 digest the cost
    fell to some tens of thousands of dollars (Leurent and Peyrin, 2020). Then a signature for a harmless certificate is good
    for another one. Browsers refuse both (RFC 9155; Baseline Requirements, 7.1.3.2). A root's own signature is left
    out: a root is trusted for being in the list.

    Fix: Have the certificate issued again over SHA-256 or better. On a private authority set the digest first
    (openssl ca: default_md = sha256; AD CS: certutil -setreg ca\\csp\\CNGHashAlgorithm SHA256) and, if an issuing
    certificate is affected, renew that one first.
    """
    for chain in seen.facts.chains:
        for slot, certificate in _line(chain):
            if isinstance(certificate, Malformed):
                yield _unreadable(slot, certificate)
                continue
            if certificate.self_signed and not slot.endswith("/0"):
                continue
            used = certificate.signature
            if used.hash in _BROKEN_HASHES:
                yield failed(
                    "It is signed by {issuer} with {algorithm}; SHA-256 or better is expected.",
                    object=slot,
                    issuer=_issuer(certificate),
                    algorithm=_signature_name(certificate),
                )
            elif used.hash is None:
                yield unknown(
                    Reason.UNPARSED,
                    "It is signed with an algorithm that we can't judge: {algorithm}.",
                    object=slot,
                    algorithm=_signature_name(certificate),
                )
            else:
                yield passed(
                    "It is signed with {algorithm}.", object=slot, algorithm=_signature_name(certificate)
                )


def _signature_name(certificate: Certificate) -> str:
    """RSASSA-PSS names its digest apart."""
    used = certificate.signature
    return f"{used.algorithm} ({used.hash})" if used.algorithm == "RSASSA_PSS" else used.algorithm


# --- What it is for -------------------------------------------------------------------------------------


@check("certificate.end-entity", severity=Severity.MEDIUM)
def end_entity(seen: Observation[ChainFacts]) -> Iterator[Verdict]:
    """The server's certificate is not that of a certification authority.

    Why: Who takes the key of a server that may also issue certificates can make one for any name, for everybody
    who trusts it. Such certificates come from copying an example for roots (openssl req -x509). Firefox refuses
    them.

    Fix: Have a certificate issued with basicConstraints=CA:FALSE, and keep authorities' keys off servers.
    """
    for slot, own in _own(seen.facts):
        match own:
            case Malformed() | Certificate(extensions=Malformed()):
                yield _unreadable(slot, own)
            case Certificate(extensions=Extensions(is_ca=True)):
                yield failed("It may issue other certificates: {subject}.", object=slot, subject=own.holder)
            case Certificate():
                yield passed("It may not issue other certificates.", object=slot)


@check("certificate.usage", severity=Severity.MEDIUM)
def usage(seen: Observation[ChainFacts]) -> Iterator[Verdict]:
    """The server's certificate allows to be used by a TLS server.

    Why: Clients refuse a certificate that was issued for something else (e-mail, signing programs). The extended
    usage must name serverAuth: that "any" usage covers it is not taken by browsers, and no extended usage at all is
    refused by Apple's systems; that alone fails as low. The key usage, where it is given, must allow signatures,
    which TLS 1.3 and all suites with forward secrecy need, or encryption to an RSA key (RFC 5246, section 7.4.2).

    Fix: Have it issued as a server certificate (extendedKeyUsage=serverAuth, keyUsage=digitalSignature; in AD CS
    the template Web Server).
    """
    for slot, own in _own(seen.facts):
        match own:
            case Malformed() | Certificate(extensions=Malformed()):
                yield _unreadable(slot, own)
            case Certificate(extensions=Extensions(key_usages=frozenset() as usages)) if not (
                usages & {"digital_signature", "key_encipherment", "key_agreement"}
            ):
                yield failed(
                    "Its key may be used for {usages}; a server needs digital_signature.",
                    object=slot,
                    usages=_listed(sorted(usages)),
                )
            case Certificate(extensions=Extensions(extended_usages=None)):
                yield failed(
                    "It does not say what it may be used for; serverAuth is expected.",
                    object=slot,
                    severity=Severity.LOW,
                )
            case Certificate(extensions=Extensions(extended_usages=frozenset() as usages)):
                if "serverAuth" in usages:
                    yield passed("It may be used for {usages}.", object=slot, usages=_listed(sorted(usages)))
                else:
                    yield failed(
                        "It may be used for {usages}; serverAuth is expected.",
                        object=slot,
                        usages=_listed(sorted(usages)),
                    )


@check("certificate.revocation", severity=Severity.LOW)
def revocation(seen: Observation[ChainFacts]) -> Iterator[Verdict]:
    """The server's certificate says where a client can ask whether it was revoked.

    Why: If the key is stolen, revoking the certificate is the only way to call it back before it ends. A client has
    to know where to ask: a revocation list or an OCSP responder (RFC 5280, sections 4.2.1.13 and 4.2.2.1). What
    lives for seven days at most ends sooner than revocation would work (Baseline Requirements, 1.6.1).

    Fix: Let the authority write crlDistributionPoints into what it issues (openssl: crlDistributionPoints=URI:...;
    AD CS: Extensions of the authority) and publish the list there.
    """
    for slot, own in _own(seen.facts):
        match own:
            case Malformed() | Certificate(extensions=Malformed()):
                yield _unreadable(slot, own)
            case Certificate(self_signed=True):
                yield failed("It is signed by its own key: nobody can revoke it.", object=slot)
            case Certificate() if own.lifetime <= timedelta(days=7):
                yield not_applicable("It lives for seven days at most.", object=slot)
            case Certificate(extensions=Extensions(crl_urls=lists, ocsp_urls=responders)):
                if lists or responders:
                    yield passed("It can be asked at {urls}.", object=slot, urls=_listed(lists + responders))
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
        slot, own = _first(chain)
        if isinstance(own, Malformed) or isinstance(own.extensions, Malformed):
            yield _unreadable(slot, own)
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


# --- Certificates of a chain ------------------------------------------------------------------------------


def _own(facts: ChainFacts) -> Iterator[tuple[str, Certificate | Malformed]]:
    return map(_first, facts.chains)


def _first(chain: Chain) -> tuple[str, Certificate | Malformed]:
    slot = f"{chain.slot}/0"
    if not chain.certificates:
        return slot, Malformed("no certificate was sent")
    return slot, read_certificate(chain.certificates[0])


def _line(chain: Chain) -> Iterator[tuple[str, Certificate | Malformed]]:
    """The server's certificate and its issuers; whatever else was sent, nobody relies on."""
    if not chain.certificates:
        yield _first(chain)
        return
    for der in issuing_line(chain.certificates):
        yield _slot(chain, der), read_certificate(der)


def _path(chain: Chain, anchors: TrustAnchors, at: datetime) -> Path | NoPath:
    return find_path(chain.certificates, anchors, at) if chain.certificates else NoPath(())


def _slot(chain: Chain, der: bytes) -> str:
    return f"{chain.slot}/{chain.certificates.index(der)}"


def _unreadable(slot: str, certificate: Certificate | Malformed) -> Verdict:
    if isinstance(certificate, Certificate) and isinstance(certificate.extensions, Malformed):
        return _unreadable_part(slot, certificate.extensions)
    detail = certificate.detail if isinstance(certificate, Malformed) else ""
    return unknown(Reason.MALFORMED, "The certificate can't be read: {detail}", object=slot, detail=detail)


def _unreadable_part(slot: str, part: Malformed) -> Verdict:
    return unknown(
        Reason.MALFORMED, "A part of the certificate can't be read: {detail}", object=slot, detail=part.detail
    )


def _fingerprints(ders: tuple[bytes, ...]) -> set[str]:
    return {c.sha256 for c in map(read_certificate, ders) if isinstance(c, Certificate)}


# --- How it is shown --------------------------------------------------------------------------------------


def _instant(when: datetime) -> str:
    return f"{when.astimezone(UTC).replace(tzinfo=None).isoformat(' ', 'seconds')} UTC"


def _holder(der: bytes) -> str:
    certificate = read_certificate(der)
    return certificate.holder if isinstance(certificate, Certificate) else "?"


def _issuer(certificate: Certificate | Malformed) -> str:
    return certificate.issuer or "?" if isinstance(certificate, Certificate) else "?"


def _names_in(certificate: Certificate) -> str:
    if isinstance(certificate.extensions, Malformed):
        return ""
    return _listed(certificate.extensions.dns_names + certificate.extensions.ip_addresses)


def _listed(items: "tuple[str, ...] | list[str]") -> str:
    """The first five and how many more; each bounded to what a name may have (RFC 1035: 253 characters)."""
    shown = ", ".join(item if len(item) <= 253 else item[:252] + "…" for item in items[:5])
    return f"{shown} (+{len(items) - 5})" if len(items) > 5 else shown
