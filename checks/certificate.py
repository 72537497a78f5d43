"""What a server proves itself with: whom its certificate is for, what for, and how long."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from pydantic import Field

from secscan.check import Limits, TrustAnchors, Verdict, check, failed, passed, unknown
from secscan.checks._certificates import (
    first_certificate,
    instant,
    listed,
    own_certificates,
    path_of,
    slot_of,
    unreadable,
)
from secscan.checks._trust_path import Path
from secscan.facts import ChainFacts
from secscan.facts.certificate import (
    Certificate,
    Extensions,
    Malformed,
    match_name,
    read_certificate,
)
from secscan.model import Endpoint, Host, Observation, Reason, Service, Severity

# --- Limits -------------------------------------------------------------------------------------------


class RenewalLimits(Limits):
    days: int = Field(
        default=21,
        ge=1,
        le=365,
        description="Days before its end by which a certificate must have been renewed; "
        "never more than a quarter of its lifetime.",
    )


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
    for slot, own in own_certificates(seen.facts):
        match own:
            case Malformed():
                yield unreadable(slot, own)
            # The dates are whole seconds, and the last one counts whole.
            case Certificate() if at.replace(microsecond=0) > own.not_after:
                yield failed(
                    "The certificate of {subject} expired on {end}.",
                    object=slot,
                    subject=own.holder,
                    end=instant(own.not_after),
                )
            case Certificate():
                yield passed(
                    "The certificate of {subject} is valid until {end}.",
                    object=slot,
                    subject=own.holder,
                    end=instant(own.not_after),
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
        path = path_of(chain, anchors, at)
        # Where there is no path, nothing but the server's own certificate is known to matter.
        trusted = path.certificates[:-1] if isinstance(path, Path) else ()
        for der in dict.fromkeys((*chain.certificates[:1], *trusted)):
            slot, certificate = slot_of(chain, der), read_certificate(der)
            if isinstance(certificate, Malformed):
                yield unreadable(slot, certificate)
                continue
            latest = certificate.not_after - _renewal_time(certificate, limits)
            if at > latest:
                yield failed(
                    "The certificate of {subject} ends on {end}; it should have been renewed by {latest}.",
                    object=slot,
                    subject=certificate.holder,
                    end=instant(certificate.not_after),
                    latest=instant(latest),
                )
            else:
                yield passed(
                    "The certificate of {subject} ends on {end}; there is time to renew it until {latest}.",
                    object=slot,
                    subject=certificate.holder,
                    end=instant(certificate.not_after),
                    latest=instant(latest),
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
    for slot, own in own_certificates(seen.facts):
        match own:
            case Malformed():
                yield unreadable(slot, own)
            case Certificate() if at < own.not_before:
                yield failed(
                    "The certificate of {subject} is not valid before {start}.",
                    object=slot,
                    subject=own.holder,
                    start=instant(own.not_before),
                )
            case Certificate():
                yield passed(
                    "The certificate of {subject} is valid since {start}.",
                    object=slot,
                    subject=own.holder,
                    start=instant(own.not_before),
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
        slot, own = first_certificate(chain)
        if isinstance(own, Malformed):
            yield unreadable(slot, own)
            continue
        if own.lifetime <= timedelta():
            yield failed(
                "It ends on {end}, before it begins on {start}.",
                object=slot,
                start=instant(own.not_before),
                end=instant(own.not_after),
            )
            continue
        path = path_of(chain, anchors, at)
        public = isinstance(path, Path) and path.public
        most = _most_public_days(own.not_before) if public else limits.private_days
        # A day is 86,400 seconds and any part of one counts as a whole (Baseline Requirements, 6.3.2).
        days = -(-own.lifetime // timedelta(days=1))
        if own.lifetime <= timedelta(days=most):
            yield passed(
                "It lasts {days} days, from {start} to {end}; at most {most} are allowed.",
                object=slot,
                days=days,
                start=instant(own.not_before),
                end=instant(own.not_after),
                most=most,
            )
        elif public:
            yield failed(
                "It lasts {days} days, from {start} to {end}; below a public root at most {most} are allowed "
                "when issued on that day.",
                object=slot,
                days=days,
                start=instant(own.not_before),
                end=instant(own.not_after),
                most=most,
            )
        else:
            yield failed(
                "It lasts {days} days, from {start} to {end}; the baseline allows at most {most}.",
                object=slot,
                severity=Severity.LOW,
                days=days,
                start=instant(own.not_before),
                end=instant(own.not_after),
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
    for slot, own in own_certificates(seen.facts):
        match own:
            case Malformed() | Certificate(extensions=Malformed()):
                yield unreadable(slot, own)
            case Certificate() if names:
                yield _judge_names(slot, own, names)
            case Certificate() if match_name(own, address):
                yield passed("The certificate is for {name}.", object=slot, name=address)
            case Certificate():
                yield unknown(
                    Reason.NOT_COLLECTED,
                    "The inventory has no name for this service to compare; the certificate is for {names} and not "
                    "for the address. Declare names of the host, or server_names of the service, or audit it by its name.",
                    object=slot,
                    names=_names_in(own),
                )


def _judge_names(slot: str, own: Certificate, names: tuple[str, ...]) -> Verdict:
    matching = [name for name in names if match_name(own, name)]
    if matching:
        return passed("The certificate is for {name}.", object=slot, name=matching[0])
    if not _names_in(own):
        return failed(
            "The certificate names nothing; expected {expected}.", object=slot, expected=listed(names)
        )
    return failed(
        "The certificate is for {names}; expected {expected}.",
        object=slot,
        names=_names_in(own),
        expected=listed(names),
    )


@check("certificate.alternative-names", severity=Severity.MEDIUM)
def alternative_names(seen: Observation[ChainFacts]) -> Iterator[Verdict]:
    """The server's certificate has a subject alternative name.

    Why: Clients have stopped looking at the common name (RFC 9525, section 2; Chrome since 2017, Go since 2020).
    Without an alternative name a certificate is for no server at all, whatever its subject says.

    Fix: Repeat every name, and every address if clients use addresses, as an alternative name in the request
    (openssl req -addext subjectAltName=DNS:www.example.vn,IP:192.0.2.1; in AD CS: supply in the request).
    """
    for slot, own in own_certificates(seen.facts):
        match own:
            case Malformed() | Certificate(extensions=Malformed()):
                yield unreadable(slot, own)
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
    for slot, own in own_certificates(seen.facts):
        match own:
            case Malformed() | Certificate(extensions=Malformed()):
                yield unreadable(slot, own)
            case Certificate(extensions=Extensions(dns_names=names)):
                wild = [name for name in names if "*" in name]
                if wild:
                    yield failed("It is for every server of {names}.", object=slot, names=listed(wild))
                else:
                    yield passed("None of its {count} names has an asterisk.", object=slot, count=len(names))


# --- What it is for -------------------------------------------------------------------------------------


@check("certificate.end-entity", severity=Severity.MEDIUM)
def end_entity(seen: Observation[ChainFacts]) -> Iterator[Verdict]:
    """The server's certificate is not that of a certification authority.

    Why: Who takes the key of a server that may also issue certificates can make one for any name, for everybody
    who trusts it. Such certificates come from copying an example for roots (openssl req -x509). Firefox refuses
    them.

    Fix: Have a certificate issued with basicConstraints=CA:FALSE, and keep authorities' keys off servers.
    """
    for slot, own in own_certificates(seen.facts):
        match own:
            case Malformed() | Certificate(extensions=Malformed()):
                yield unreadable(slot, own)
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
    for slot, own in own_certificates(seen.facts):
        match own:
            case Malformed() | Certificate(extensions=Malformed()):
                yield unreadable(slot, own)
            case Certificate(extensions=Extensions(key_usages=frozenset() as usages)) if not (
                usages & {"digital_signature", "key_encipherment", "key_agreement"}
            ):
                yield failed(
                    "Its key may be used for {usages}; a server needs digital_signature.",
                    object=slot,
                    usages=listed(sorted(usages)),
                )
            case Certificate(extensions=Extensions(extended_usages=None)):
                yield failed(
                    "It does not say what it may be used for; serverAuth is expected.",
                    object=slot,
                    severity=Severity.LOW,
                )
            case Certificate(extensions=Extensions(extended_usages=frozenset() as usages)):
                if "serverAuth" in usages:
                    yield passed("It may be used for {usages}.", object=slot, usages=listed(sorted(usages)))
                else:
                    yield failed(
                        "It may be used for {usages}; serverAuth is expected.",
                        object=slot,
                        usages=listed(sorted(usages)),
                    )


def _names_in(certificate: Certificate) -> str:
    if isinstance(certificate.extensions, Malformed):
        return ""
    return listed(certificate.extensions.dns_names + certificate.extensions.ip_addresses)
