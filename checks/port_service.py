"""Services that were spoken to: whether strangers are served, and what file, name and desktop servers agree to.

One harmless message was said to each service that was recognised; each check says which. Nobody logs in, no password is
guessed, and nothing is changed. A service that was recognised once, and says less of itself now, is unknown and not gone.
"""

from collections.abc import Iterator

from pydantic import Field

from secscan.check import Limits, Verdict, check, failed, not_applicable, passed, unknown
from secscan.facts import Access, ServiceFacts, SmbOffer, Spoken, known
from secscan.model import Earlier, Observation, Reason, Service, Severity

_LABELS = {
    Spoken.REDIS: "Redis",
    Spoken.MEMCACHED: "memcached",
    Spoken.ELASTICSEARCH: "Elasticsearch",
    Spoken.DOCKER: "Docker",
    Spoken.MONGODB: "MongoDB",
    Spoken.SMB: "SMB",
    Spoken.DNS: "DNS",
    Spoken.VNC: "VNC",
}


class RecursionLimits(Limits):
    recursion: bool = Field(
        default=False,
        description="The server is there to look names up for the network that the scan runs in.",
    )


@check("port.redis-open", severity=Severity.CRITICAL)
def redis_open(
    seen: Observation[ServiceFacts], before: Earlier[ServiceFacts], service: Service
) -> Iterator[Verdict]:
    """Redis takes no commands from strangers.

    Why: Who may give commands to Redis reads and deletes all it holds, and can write files on its host: that is how
    thousands of servers were taken over. What is sent: ``PING``, and nothing else. ``PONG`` is for who may give
    commands; a server with a password answers NOAUTH, one in protected mode DENIED.

    Fix: Bind it to localhost or the application's network (bind), set a password for each user (ACL, or requirepass),
    and let the firewall admit only the application's hosts.
    """
    yield from _strangers(seen, before, service, Spoken.REDIS, "PING")


@check("port.memcached-open", severity=Severity.CRITICAL)
def memcached_open(
    seen: Observation[ServiceFacts], before: Earlier[ServiceFacts], service: Service
) -> Iterator[Verdict]:
    """memcached takes no commands from strangers.

    Why: Who may give commands to memcached reads and changes what applications keep there: sessions, pages, results of
    queries. What is sent: ``version``, and nothing else. A server that wants a login first refuses even that.

    Fix: Let it listen on localhost or a socket (-l 127.0.0.1, -s), or let the firewall admit only the application's
    hosts; across networks use SASL (-S) or TLS with client certificates. Switch UDP off (-U 0).
    """
    yield from _strangers(seen, before, service, Spoken.MEMCACHED, "version")


@check("port.elasticsearch-open", severity=Severity.CRITICAL)
def elasticsearch_open(
    seen: Observation[ServiceFacts], before: Earlier[ServiceFacts], service: Service
) -> Iterator[Verdict]:
    """Elasticsearch and OpenSearch show strangers nothing.

    Why: Whose root page is shown without a login usually gives away every index, and lets everybody delete them. What
    is sent: ``GET /`` by HTTP/1.0, and nothing else; the answer has the name and the version of the cluster.

    Fix: Switch security on (xpack.security.enabled, or OpenSearch's security plugin), set passwords, and bind the
    server to the application's network (network.host).
    """
    yield from _strangers(seen, before, service, Spoken.ELASTICSEARCH, "GET /")


@check("port.docker-open", severity=Severity.CRITICAL)
def docker_open(
    seen: Observation[ServiceFacts], before: Earlier[ServiceFacts], service: Service
) -> Iterator[Verdict]:
    """Docker's Engine API answers no strangers.

    Why: Whoever reaches this API starts containers with any folder of the host in them, and so is root there. What is
    sent: ``GET /version`` by HTTP/1.0, which changes nothing, and nothing else.

    Fix: Remove the TCP listener (-H tcp://...), use ssh:// to administer it from afar, or demand client certificates
    (--tlsverify).
    """
    yield from _strangers(seen, before, service, Spoken.DOCKER, "GET /version")


@check("port.vnc-open", severity=Severity.CRITICAL)
def vnc_open(
    seen: Observation[ServiceFacts], before: Earlier[ServiceFacts], service: Service
) -> Iterator[Verdict]:
    """No VNC desktop lets strangers in without a password.

    Why: Who is let in sees and moves the desktop of whoever works there. What is sent: the version of the protocol;
    the server answers with the ways to log in that it offers (RFC 6143, section 7.1.2), and the connection ends there.
    Type 1 is *None*.

    Fix: Set a password, better still allow the desktop through a VPN or SSH alone.
    """
    yield from _strangers(seen, before, service, Spoken.VNC, "its version")


@check("port.smb1", severity=Severity.HIGH)
def smb1(
    seen: Observation[ServiceFacts], before: Earlier[ServiceFacts], service: Service
) -> Iterator[Verdict]:
    """SMB version 1 is not offered.

    Why: Version 1 has no protection against whoever is on the way, and worms cross networks by it (WannaCry and
    NotPetya, 2017). Microsoft has had it deprecated since 2014. What is sent: a negotiation with the one dialect
    ``NT LM 0.12``, on a connection of its own; nobody logs in.

    Fix: Windows: Disable-WindowsOptionalFeature -Online -FeatureName SMB1Protocol. Samba: server min protocol =
    SMB2_02. Replace devices that know nothing newer, or keep them in a network of their own.
    """
    offer = _smb(seen, before, service)
    if not isinstance(offer, SmbOffer):
        yield offer
    elif known(offer.version_1):
        yield failed("SMB version 1 is offered; only versions 2 and 3 are expected.")
    else:
        yield passed("SMB version 1 is refused; the newest agreed on is {dialect}.", dialect=offer.dialect)


@check("port.smb-signing", severity=Severity.MEDIUM)
def smb_signing(
    seen: Observation[ServiceFacts], before: Earlier[ServiceFacts], service: Service
) -> Iterator[Verdict]:
    """SMB insists on signed messages.

    Why: Where signatures are optional, somebody on the way hands a login on to another server and acts in its name
    (NTLM relay). What is sent: a negotiation of SMB 2.0.2 to 3.1.1, on a connection of its own; nobody logs in, and the
    server says in its answer whether it requires signatures.

    Fix: Windows: Set-SmbServerConfiguration -RequireSecuritySignature $true. Samba: server signing = mandatory.
    """
    offer = _smb(seen, before, service)
    if not isinstance(offer, SmbOffer):
        yield offer
    elif known(offer.signing_required):
        yield passed("Signatures are required (SMB {dialect}).", dialect=offer.dialect)
    else:
        yield failed(
            "Signatures are not required (SMB {dialect}); they are expected to be.", dialect=offer.dialect
        )


@check("port.dns-recursion", severity=Severity.MEDIUM)
def dns_recursion(
    seen: Observation[ServiceFacts], before: Earlier[ServiceFacts], service: Service, limits: RecursionLimits
) -> Iterator[Verdict]:
    """No name server looks names up for strangers.

    Why: An open resolver is used to flood others with its answers, and to put false ones into its memory (RFC 5358).
    Where the scan runs inside the network that the resolver is for, it is no stranger: allow it there, by the role. What
    is sent: one query over TCP for the name servers of the root, recursion desired, which names nobody.

    Fix: Let it answer recursive queries from your own networks alone (BIND: allow-recursion; Unbound:
    access-control; Windows: disable recursion on servers that only hold zones).
    """
    away = _away(seen, before, service, Spoken.DNS)
    if away is not None:
        yield away
    elif limits.recursion:
        yield not_applicable("This host is there to look names up for the network that the scan runs in.")
    elif known(known(seen.facts.dns).recursion):
        yield failed(
            "The server offers recursion to us, and answered a query that is none of its own zones'."
        )
    else:
        yield passed("The server does not look names up for us.")


@check("port.zone-transfer", severity=Severity.MEDIUM)
def zone_transfer(
    seen: Observation[ServiceFacts], before: Earlier[ServiceFacts], service: Service
) -> Iterator[Verdict]:
    """No name server gives whole zones to strangers.

    Why: A whole zone is a list of every machine, and what each is for: the first thing an intruder wants. What is sent:
    one request over TCP (AXFR, RFC 5936) for each zone that the inventory names for the host (dns_zones), and for no
    other; reading ends with the first message of the answer.

    Fix: Allow transfers to the secondary servers alone, best with keys (BIND: allow-transfer { key ...; }).
    """
    away = _away(seen, before, service, Spoken.DNS)
    if away is not None:
        yield away
        return
    transfers = known(seen.facts.dns).transfers
    for one in transfers:
        if not isinstance(one.allowed, bool):
            yield unknown(
                one.allowed.reason,
                "Whether the zone {zone} is given away can't be told: {detail}",
                object=one.zone,
                zone=one.zone,
                detail=one.allowed.detail or one.allowed.reason.value,
            )
        elif one.allowed:
            yield failed("The whole zone {zone} is given to us.", object=one.zone, zone=one.zone)
        else:
            yield passed("The zone {zone} is refused.", object=one.zone, zone=one.zone)
    if not transfers:
        yield not_applicable("The inventory names no zones for this host, so none was asked for.")


# --- What they share ----------------------------------------------------------------------------------


def _strangers(
    seen: Observation[ServiceFacts],
    before: Earlier[ServiceFacts],
    service: Service,
    protocol: Spoken,
    asked: str,
) -> Iterator[Verdict]:
    away = _away(seen, before, service, protocol)
    if away is not None:
        yield away
        return
    label = _LABELS[protocol]
    match known(seen.facts.access):
        case Access.OPEN:
            if version := seen.facts.product_version:
                yield failed(
                    "{service} {version} served us without a login (asked: {asked}).",
                    service=label,
                    version=version,
                    asked=asked,
                )
            else:
                yield failed(
                    "{service}, of a version not told, served us without a login (asked: {asked}).",
                    service=label,
                    asked=asked,
                )
        case Access.DENIED:
            yield passed(
                "{service} serves nobody without a login (asked: {asked}).", service=label, asked=asked
            )
        case Access.ANYBODY:
            yield not_applicable(
                "What {service} was asked is answered before anybody logs in.", service=label
            )


def _smb(
    seen: Observation[ServiceFacts], before: Earlier[ServiceFacts], service: Service
) -> SmbOffer | Verdict:
    away = _away(seen, before, service, Spoken.SMB)
    return away if away is not None else known(seen.facts.smb)


def _away(
    seen: Observation[ServiceFacts], before: Earlier[ServiceFacts], service: Service, protocol: Spoken
) -> Verdict | None:
    """Why the claim does not apply, or can't be told any more; None where the service speaks the protocol."""
    facts = seen.facts
    if facts.protocol is protocol:
        return None
    if facts.protocol is Spoken.NONE and not facts.how:
        # It gave itself away once, and nobody else answers there since.
        for look in before.looks:
            if look.facts.protocol is protocol:
                return unknown(
                    Reason.UNPARSED,
                    "tcp/{port} spoke {service} on {date}; what it speaks now can't be told.",
                    port=service.port,
                    service=_LABELS[protocol],
                    date=look.observed_at.date().isoformat(),
                )
            if look.facts.protocol is not Spoken.NONE or look.facts.how:
                break
    return not_applicable(
        "tcp/{port} does not speak {service}.", port=service.port, service=_LABELS[protocol]
    )
