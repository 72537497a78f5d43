"""Where two sources disagree: what the network shows, what the host says of itself, and what the inventory declares.

Most differences between the inside and the outside of a host are as they should be, and no check here objects to them:
a service that listens and that a firewall hides (filtered) is well protected; so is one that listens on the loopback
address alone; a host behind address translation is scanned at an address that none of its interfaces has. What is left
is that the two were not talking of the same machine, or that something in between answers, and then all that was said
of the inside (patches, backups) does not speak for what answers outside.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address

from pydantic import Field

from secscan.check import Limits, Verdict, check, failed, not_applicable, passed, unknown
from secscan.facts import Absent, AddressFacts, ChainFacts, PortFacts, PortStatus, Socket, SocketFacts, known
from secscan.facts.certificate import Certificate, Extensions, read_certificate
from secscan.facts.ports import port_ranges, ports_in
from secscan.model import (
    NOT_AN_ATTEMPT,
    AddressTarget,
    Each,
    Endpoint,
    Host,
    Observation,
    Reason,
    Service,
    Severity,
    Unobserved,
)


class DeclaredLimits(Limits):
    most: int = Field(
        default=100,
        ge=1,
        le=65535,
        description="With more open ports on one address than this (that the host does not list, where its list is "
        "what they are compared with), something answers for all of them and the rule is unknown.",
    )


class ListenerLimits(DeclaredLimits):
    hours: int = Field(
        default=24,
        ge=1,
        le=24 * 14,
        description="Hours that the port scan and the look inside may be apart; else services may have come and gone.",
    )


# --- What the inventory declares closed -----------------------------------------------------------------


@check("contradiction.declared-closed", severity=Severity.MEDIUM)
def declared_closed(seen: Observation[PortFacts], limits: DeclaredLimits, host: Host) -> Iterator[Verdict]:
    """No TCP port answers that the inventory declares closed.

    Why: Who writes that a port is closed relies on it: a firewall rule was ordered, a service was switched off. One that
    answers all the same was opened again, or was never closed, and nobody knows. A filtered port counts as closed, from
    where the scan ran and only from there.

    Fix: Stop what listens there (ss -ltnp names it) or close the port in the firewall. If it is meant to answer, take it
    out of the host's `closed` in the inventory, and declare the service.
    """
    declared = ports_in(host.closed)
    if not declared:
        yield not_applicable("The inventory declares no port of this host closed.")
        return
    answering = sorted(state.port for state in seen.facts.open() if state.port in declared)
    unasked = {port for port in declared if seen.facts.status("tcp", port) is None}
    uncertain = {port for port in declared if seen.facts.status("tcp", port) is PortStatus.UNCERTAIN}
    if len(seen.facts.open()) > limits.most:
        text = "{count} TCP ports are open: something answers for all of them."
        yield unknown(Reason.TARPIT, text, count=len(seen.facts.open()))
        return
    for port in answering:
        name = f"tcp/{port}"
        yield failed("{port} answers, and the inventory declares it closed.", object=name, port=name)
    if unasked | uncertain:
        text = "Not asked, or without an answer that tells: {ports}."
        yield unknown(Reason.NOT_COLLECTED, text, ports=f"tcp/{port_ranges(unasked | uncertain)}")
    elif not answering:
        text = "None of the ports that the inventory declares closed answers: {ports}."
        yield passed(text, ports=f"tcp/{port_ranges(declared)}")


# --- The host's own list of listeners, and the network --------------------------------------------------


@check("contradiction.unlisted-listener", severity=Severity.LOW)
def unlisted_listener(
    inside: Observation[SocketFacts], outside: Each[PortFacts], limits: ListenerLimits
) -> Iterator[Verdict]:
    """Every TCP port that is open on the host's addresses is one that the host itself says it listens on.

    Why: What answers on such a port is not what was looked at from the inside: another machine behind address
    translation or a load balancer, a container whose packets the kernel forwards, a port of the loopback address that
    something passes on, or a program that hides from the host's own list. Whatever is said of the host's patches does
    not speak for it. Ports that the host listens on and the network does not show are no matter of this check: hiding
    them is what a firewall is for.

    Fix: Find out what answers: ss -ltnp on the host, its forwarding rules (nft list ruleset, iptables -t nat -S), its
    containers, and the load balancer in front of it. What is another machine belongs into the inventory as a host of
    its own; what nobody can explain is to be treated as a break-in.
    """
    listening = [s for s in known(inside.facts.sockets) if s.transport == "tcp"]
    gaps = [*_unseen(outside), *_apart(inside.observed_at, outside, limits)]
    unlisted: dict[str, str] = {}
    for address, facts in _scans(outside):
        listed = {socket.port for socket in listening if _may_answer(socket, address)}
        foreign = {state.port for state in facts.open()} - listed
        if len(foreign) > limits.most:
            text = "On {address} {count} ports answer that the host does not list: something answers for all."
            gaps.append(unknown(Reason.TARPIT, text, address=str(address), count=len(foreign)))
        elif foreign:
            unlisted[str(address)] = port_ranges(foreign)
    if unlisted and not any(gap.reason is Reason.STALE for gap in gaps):
        places = "; ".join(f"{address}: tcp/{ports}" for address, ports in unlisted.items())
        yield failed("Open on the network, and not among what the host listens on: {places}.", places=places)
    elif gaps:
        yield gaps[0]
    else:
        text = "Every open port is one that the host listens on, as far as they were asked."
        yield passed(text) if outside.records else unknown(Reason.NOT_ATTEMPTED, _NO_SCAN)


@check("contradiction.refused-listener", severity=Severity.INFO)
def refused_listener(
    inside: Observation[SocketFacts], outside: Each[PortFacts], limits: ListenerLimits
) -> Iterator[Verdict]:
    """No TCP port that the host listens on for everybody is closed to the scan, where no firewall explains it.

    Why: A port that gives no answer (filtered) is a firewall's work and good. One that is answered with a refusal,
    on a host that listens there and says that it has no firewall, was refused by something in between, or by another
    machine: the address in the inventory may not be the host that was logged in to. It tells, and counts for nothing.

    Fix: Compare the host's addresses (ip address) with those in the inventory, and ask who runs the network in between
    whether it refuses these ports. If so, nothing is to be done.
    """
    listening = [s for s in known(inside.facts.sockets) if s.transport == "tcp"]
    gaps = [*_unseen(outside), *_apart(inside.observed_at, outside, limits)]
    refused: dict[str, str] = {}
    for address, facts in _scans(outside):
        everybody = {socket.port for socket in listening if _surely_answers(socket, address)}
        closed = {port for port in everybody if facts.status("tcp", port) is PortStatus.CLOSED}
        if closed:
            refused[str(address)] = port_ranges(closed)
    if gaps:
        yield gaps[0]
    elif not outside.records:
        yield unknown(Reason.NOT_ATTEMPTED, _NO_SCAN)
    elif refused and not known(inside.facts.firewall):
        places = "; ".join(f"{address}: tcp/{ports}" for address, ports in refused.items())
        yield failed(
            "The host listens on these ports and says it has no firewall, and they are refused: {places}.",
            places=places,
        )
    elif refused:
        yield passed("What is refused, the host's own firewall may refuse.")
    else:
        yield passed("Nothing that the host listens on for everybody is refused.")


_NO_SCAN = "No port of the host was looked at from the network."


def _unseen(outside: Each[PortFacts]) -> Iterator[Verdict]:
    for record in outside.records:
        if isinstance(record, Unobserved):
            detail = record.detail or record.reason.value
            yield unknown(record.reason, "The ports were not seen: {detail}", detail=detail)


def _apart(looked: datetime, outside: Each[PortFacts], limits: ListenerLimits) -> Iterator[Verdict]:
    """Services come and go: only what was seen at about the same time can contradict itself."""
    for record in outside.records:
        if isinstance(record, Observation) and abs(record.observed_at - looked) > timedelta(
            hours=limits.hours
        ):
            yield unknown(
                Reason.STALE,
                "The ports were looked at on {outside}, the inside of the host on {inside}: too far apart to compare.",
                outside=record.observed_at.date().isoformat(),
                inside=looked.date().isoformat(),
            )


def _scans(outside: Each[PortFacts]) -> Iterator[tuple[IPv4Address | IPv6Address, PortFacts]]:
    """The addresses that gave any answer at all; of the others nothing can be compared."""
    for record in outside.records:
        if isinstance(record, Observation) and not record.facts.is_silent():
            address = record.target.address if isinstance(record.target, AddressTarget) else ""
            yield ip_address(address.partition("%")[0]), record.facts


def _may_answer(socket: Socket, address: IPv4Address | IPv6Address) -> bool:
    """Whether the socket can be what answers at ``address``.

    Behind address translation the scanned address is on no interface of the host, so that whatever listens for more
    than the host itself may be it.
    """
    bound = _bound(socket)
    if bound.is_unspecified or bound == address:
        return True
    return not bound.is_loopback and not address.is_loopback


def _surely_answers(socket: Socket, address: IPv4Address | IPv6Address) -> bool:
    """Whether the socket is bound to this very address, or to all of its family.

    What is bound to ``::`` may or may not take IPv4 too (IPV6_V6ONLY), so that it is counted for IPv6 alone.
    """
    bound = _bound(socket)
    return bound == address or (bound.is_unspecified and bound.version == address.version)


def _bound(socket: Socket) -> IPv4Address | IPv6Address:
    bound = ip_address(socket.address)
    return (bound.ipv4_mapped or bound) if isinstance(bound, IPv6Address) else bound


# --- One service at several addresses -------------------------------------------------------------------


@check("contradiction.certificates", severity=Severity.LOW)
def certificates(_where: Observation[AddressFacts], chains: Each[ChainFacts]) -> Iterator[Verdict]:
    """All addresses of a service prove themselves alike: by certificates from the same issuer that share a name.

    Why: Which address a client gets is chance. Where one of them shows a certificate of another issuer, for other names
    altogether, or none at all, a server was forgotten when the others were renewed, or the address is no longer the
    agency's. That each address has a certificate of its own is in order, and so are names of single servers beside the
    common one, several issuing certificates of one organisation, and certificates of different key types.

    Fix: Install what the other addresses have and reload the server, or take the address out of the name's DNS records.
    """
    by_service: dict[Service, list[Observation[ChainFacts | Absent] | Unobserved]] = {}
    for record in chains.records:
        if isinstance(record.target, Endpoint):
            by_service.setdefault(record.target.service, []).append(record)
    several = {service: records for service, records in by_service.items() if len(records) > 1}
    told = [verdict for service, records in several.items() for verdict in _alike(_called(service), records)]
    yield from told
    if told:
        return
    unseen = [record for record in chains.records if isinstance(record, Unobserved)]
    never_asked = all(record.reason in NOT_AN_ATTEMPT | {Reason.OUT_OF_SCOPE} for record in unseen)
    if unseen and len(unseen) == len(chains.records) and (several or never_asked):
        text = "No certificate of this host was seen: {detail}"
        yield unknown(unseen[0].reason, text, detail=unseen[0].detail or unseen[0].reason.value)
    else:
        yield not_applicable("No service of this host shows certificates at more than one address.")


def _alike(
    service: str, records: Sequence[Observation[ChainFacts | Absent] | Unobserved]
) -> Iterator[Verdict]:
    shown: dict[str, ChainFacts] = {}
    none: list[str] = []
    missed: list[Unobserved] = []
    for record in records:
        address = record.target.address if isinstance(record.target, Endpoint) else ""
        match record:
            case Unobserved():
                missed.append(record)
            case Observation(facts=ChainFacts() as facts):
                shown[address] = facts
            case _:
                none.append(address)
    if not shown:
        return
    differing = next(_differing(shown), None)
    if differing is not None:
        slot, here, there = differing
        yield failed(
            "{service}: {here} and {there} have {slot} certificates of different issuers, or without a common name.",
            object=service,
            service=service,
            slot=slot,
            here=here,
            there=there,
        )
    elif none:
        yield failed(
            "{service}: there are certificates at other addresses, and none at {addresses}.",
            object=service,
            service=service,
            addresses=", ".join(none),
        )
    elif missed:
        detail = missed[0].detail or missed[0].reason.value
        text = "Not every address was seen: {detail}"
        yield unknown(missed[0].reason, text, object=service, detail=detail)
    else:
        text = "{service}: all {count} addresses have certificates of the same issuer, with a common name."
        yield passed(text, object=service, service=service, count=len(shown))


def _differing(shown: Mapping[str, ChainFacts]) -> Iterator[tuple[str, str, str]]:
    """Each key type, and two addresses whose own certificates of that type differ.

    Those that can't be read are not compared: that is what ``certificate.readable`` is about.
    """
    first: dict[str, tuple[str, str, frozenset[str]]] = {}
    for address, facts in shown.items():
        for chain in facts.chains:
            own = read_certificate(chain.certificates[0]) if chain.certificates else None
            if not isinstance(own, Certificate) or not isinstance(own.extensions, Extensions):
                continue
            names = frozenset(n.casefold() for n in (*own.extensions.dns_names, *own.extensions.ip_addresses))
            issuer = _organisation(own.issuer or "")
            where, issued_by, common = first.setdefault(chain.slot, (address, issuer, names))
            if issuer != issued_by or (where != address and not common & names):
                yield chain.slot, where, address


def _organisation(issuer: str) -> str:
    """The organisation in a name as RFC 4514 writes it, else the whole name.

    An authority issues from several certificates at once (Let's Encrypt by chance from one of a handful): their common
    names differ, their organisation does not.
    """
    found = _ORGANISATION.search(issuer)
    return found[1] if found else issuer


#: An attribute begins the name or follows a comma that is not escaped; each character is read once.
_ORGANISATION = re.compile(r"(?:^|(?<!\\),)O=((?:[^,\\]|\\.)+)")


def _called(service: Service) -> str:
    return f"{service.transport}/{service.port} {service.server_name}".rstrip()
