"""What a port scan says of reach: which of a family of protocols answer, what is hidden, and what could not be told."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from secscan.check import Limits, Verdict, failed, passed, unknown
from secscan.checks._protocols import Protocol
from secscan.facts import PortFacts, PortState, PortStatus
from secscan.facts.ports import port_ranges, ports_in
from secscan.model import Earlier, Host, Reason

Port = Annotated[int, Field(ge=1, le=65535)]

# --- Limits -------------------------------------------------------------------------------------------


class PortLimits(Limits):
    """When an address that answers on every port is no longer believed."""

    tarpit_ports: int = Field(
        default=100,
        ge=1,
        le=65535,
        description="With more open TCP ports than this, of which almost none is identified, "
        "something answers for all of them and the rule is unknown.",
    )
    tarpit_identified_percent: int = Field(
        default=10,
        ge=0,
        le=100,
        description="Almost none: fewer than this share of the open ports, in percent.",
    )


class SurveyLimits(PortLimits):
    least_asked: int = Field(
        default=100,
        ge=1,
        le=65535,
        description="TCP ports that must have been asked before the rule can pass.",
    )


class ReachLimits(PortLimits):
    """``ports`` and ``udp_ports`` are also what a baseline has the port scan ask, whatever else it asks."""

    ports: frozenset[Port]
    udp_ports: frozenset[Port] = Field(
        default=frozenset(),
        description="UDP ports that must have been asked, and that count by their number.",
    )
    allowed: frozenset[Port] = Field(
        default=frozenset(),
        description="TCP ports where such a server is what the host is for, and not held against it. "
        "On a host that declares services, only those that it declares.",
    )


def usual_ports(family: Iterable[Protocol]) -> Any:
    return Field(
        default=frozenset(port for protocol in family for port in protocol.tcp),
        description="TCP ports that must have been asked, and that count by their number "
        "where what answers is not identified.",
    )


# --- Who answers --------------------------------------------------------------------------------------

#: How an identity is known by what was said, and not by the port number alone.
BY_ANSWER = frozenset({"probe", "banner", "tls"})
#: nmap's names for having heard something and learned nothing. tcpwrapped: accepted, and closed at once.
_SAYS_NOTHING = frozenset({"", "unknown", "tcpwrapped", "ssl", "tls"})
_HTTP = frozenset({"http", "https"})


def reach(
    facts: PortFacts,
    before: Earlier[PortFacts],
    limits: ReachLimits,
    host: Host,
    family: tuple[Protocol, ...],
    *,
    encrypted_counts: bool = True,
) -> Iterator[Verdict]:
    """A failure for each open port of the family, what could not be told, and a pass if there is neither."""

    def belongs(state: PortState) -> Protocol | None:
        return None if is_encrypted(state) and not encrypted_counts else by_answer(state, family)

    tarpit = list(tarpit_verdicts(facts, limits))
    meant = meant_places(limits, host)
    failing: set[tuple[str, int]] = set()
    # Over UDP silence tells nothing, so checks of their own judge it; where a baseline lists ports, they count here too.
    transports = {"tcp", "udp"} if limits.udp_ports else {"tcp"}
    protocols = ", ".join(p.label for p in family if p.tcp or p.products or not p.udp or limits.udp_ports)
    for state in facts.ports:
        if state.status is not PortStatus.OPEN or (is_encrypted(state) and not encrypted_counts):
            continue
        if state.transport not in transports:
            continue
        if (state.transport, state.port) in meant:
            continue
        name = name_of(state)
        protocol = by_answer(state, family)
        usual = _by_number(state, family, limits)
        if protocol is not None:
            failing.add((state.transport, state.port))
            yield failed(
                "{port} is open and answers as {protocol} ({service}).",
                object=name,
                port=name,
                protocol=protocol.label,
                service=described(state),
            )
        elif usual is not None and not tarpit:
            failing.add((state.transport, state.port))
            yield failed(
                "{port} is open, the usual port of {protocol}; what answers there was not identified.",
                object=name,
                port=name,
                protocol=usual,
            )
    listed = {("tcp", port) for port in limits.ports} | {("udp", port) for port in limits.udp_ports}
    listed -= meant
    # Nor must a declared name server, silent over UDP, leave all rules unknown.
    hidden = hidden_places(facts, host, transports) - meant
    gaps = [*tarpit, *maybe_open({p for p in listed - hidden if facts.status(*p) is PortStatus.UNCERTAIN})]
    unasked = {place for place in listed | hidden if facts.status(*place) is None}
    if unasked:
        gaps.append(unknown(Reason.NOT_COLLECTED, "Not asked: {ports}.", ports=names_of(unasked)))
    # One for each, so that a server that was recognised there before is not taken for gone.
    for transport, port in sorted(hidden - unasked):
        name = f"{transport}/{port}"
        gaps.append(
            unknown(
                Reason.TIMED_OUT,
                "{port} is declared and gave no answer, so what is behind it can't be told.",
                object=name,
                port=name,
            )
        )
    for place, (once, date) in _no_longer_recognised(facts, before, belongs, family).items():
        if place[0] in transports and place not in meant | failing:
            gaps.append(
                unknown(
                    Reason.UNPARSED,
                    "{port} answered as {protocol} on {date}; what is there now can't be told.",
                    object=names_of({place}),
                    port=names_of({place}),
                    protocol=once.label,
                    date=date.date().isoformat(),
                )
            )
    yield from gaps
    if not failing and not gaps and meant:
        yield passed(
            "None of {protocols} answers, but where this host may have them ({allowed}); their usual ports were asked "
            "({ports}) among {count} TCP ports.",
            protocols=protocols,
            allowed=names_of(meant),
            ports=names_of(listed),
            count=asked_count(facts),
        )
    elif not failing and not gaps:
        yield passed(
            "None of {protocols} answers; their usual ports were asked ({ports}) among {count} TCP ports.",
            protocols=protocols,
            ports=names_of(listed),
            count=asked_count(facts),
        )


def _no_longer_recognised(
    facts: PortFacts,
    before: Earlier[PortFacts],
    belongs: Callable[[PortState], Protocol | None],
    family: tuple[Protocol, ...],
) -> dict[tuple[str, int], tuple[Protocol, datetime]]:
    """Ports where a server of the family was recognised, neither seen closed nor recognised as another since; and when.

    A server that gave itself away and then says less is the same server: saying less is no way to pass.
    """
    once = {(s.transport, s.port) for look in before.looks for s in look.facts.ports if belongs(s)}
    lost: dict[tuple[str, int], tuple[Protocol, datetime]] = {}
    settled = _settled(facts, once, family)
    for look in before.looks:
        for state in look.facts.ports:
            place = (state.transport, state.port)
            protocol = belongs(state)
            if protocol is not None and place not in settled:
                lost[place] = (protocol, look.observed_at)
        settled |= _settled(look.facts, once, family)
    return lost


def _settled(
    facts: PortFacts, places: set[tuple[str, int]], family: tuple[Protocol, ...]
) -> set[tuple[str, int]]:
    """Those of ``places`` that are closed, or where what answers said who it is."""
    over_http = any(protocol.products for protocol in family)

    def says_who(state: PortState) -> bool:
        identity = state.identity
        bare = identity is not None and identity.name in _HTTP and not identity.product
        return is_identified(state) and not (bare and over_http)

    named = {(s.transport, s.port) for s in facts.ports if says_who(s)}
    return (places & named) | {p for p in places - named if facts.status(*p) is PortStatus.CLOSED}


def meant_places(limits: ReachLimits, host: Host) -> set[tuple[str, int]]:
    """The ports where such a server is expected: what the inventory declares is more exact than what a role allows."""
    allowed = {("tcp", port) for port in limits.allowed}
    return allowed & declared_places(host) if host.services else allowed


def hidden_places(facts: PortFacts, host: Host, transports: set[str]) -> set[tuple[str, int]]:
    """The declared ports that may be open, for all that was seen."""
    told = (PortStatus.OPEN, PortStatus.CLOSED)
    return {p for p in declared_places(host) if p[0] in transports and facts.status(*p) not in told}


def declared_places(host: Host) -> set[tuple[str, int]]:
    return {(declared.service.transport, declared.service.port) for declared in host.services}


def by_answer(state: PortState, family: Iterable[Protocol]) -> Protocol | None:
    """The protocol that what answers gave itself away as."""
    identity = state.identity
    if identity is None or identity.how not in BY_ANSWER:
        return None
    product = identity.product.casefold()
    for protocol in family:
        if identity.name in protocol.names or any(part in product for part in protocol.products):
            return protocol
    return None


def _by_number(state: PortState, family: Iterable[Protocol], limits: ReachLimits) -> str | None:
    """What usually is on this port, where the baseline counts it and nothing that was said speaks against it."""
    if state.port not in (limits.ports if state.transport == "tcp" else limits.udp_ports):
        return None
    usual = next((p for p in family if state.port in (p.tcp if state.transport == "tcp" else p.udp)), None)
    identity = state.identity
    if identity is not None and is_identified(state):
        # A bare HTTP answer with no product fits whatever is spoken over HTTP: Elasticsearch, WinRM, Docker.
        fits = usual is not None and usual.products and identity.name in _HTTP and not identity.product
        return usual.label if usual is not None and fits else None
    return usual.label if usual is not None else name_of(state)


def is_identified(state: PortState) -> bool:
    """Whether what answers said who it is."""
    identity = state.identity
    if identity is None or identity.how not in BY_ANSWER:
        return False
    return identity.name not in _SAYS_NOTHING or bool(identity.product)


def is_encrypted(state: PortState) -> bool:
    return state.identity is not None and (state.identity.tls or state.identity.how == "tls")


# --- What could not be told ---------------------------------------------------------------------------


def is_tarpit(facts: PortFacts, limits: PortLimits) -> bool:
    """A tarpit, or a firewall that completes every handshake itself: open ports then mean nothing.

    Ports where something said who it is are believed all the same, for a tarpit says nothing. Without version
    detection nobody is asked who he is; then a host with this many open ports is unknown as well, and rightly.
    """
    opened = facts.open("tcp")
    identified = sum(is_identified(state) for state in opened)
    return len(opened) > limits.tarpit_ports and 100 * identified < limits.tarpit_identified_percent * len(
        opened
    )


def tarpit_verdicts(facts: PortFacts, limits: PortLimits, object: str = "") -> Iterator[Verdict]:
    if is_tarpit(facts, limits):
        opened = facts.open("tcp")
        yield unknown(
            Reason.TARPIT,
            "{count} TCP ports are open and {identified} of them are identified: something answers for all of them.",
            object=object,
            count=len(opened),
            identified=sum(is_identified(state) for state in opened),
        )


def too_few_asked(facts: PortFacts, limits: SurveyLimits) -> Iterator[Verdict]:
    asked = asked_count(facts)
    if asked < limits.least_asked:
        yield unknown(
            Reason.NOT_COLLECTED,
            "{asked} TCP ports were asked; {least} are the least that can tell.",
            asked=asked,
            least=limits.least_asked,
        )


def maybe_open(places: set[tuple[str, int]]) -> Iterator[Verdict]:
    if places:
        yield unknown(
            Reason.TIMED_OUT,
            "No answer, so open or filtered: {ports}.",
            ports=names_of(places),
        )


# --- How it is shown ----------------------------------------------------------------------------------


def asked_count(facts: PortFacts) -> int:
    return len(ports_in(facts.asked.get("tcp", "")))


def name_of(state: PortState) -> str:
    return f"{state.transport}/{state.port}"


def names_of(places: Iterable[tuple[str, int]]) -> str:
    """``tcp/22,80-81 udp/53``."""
    by_transport: dict[str, set[int]] = {}
    for transport, port in places:
        by_transport.setdefault(transport, set()).add(port)
    return " ".join(
        f"{transport}/{port_ranges(by_transport[transport])}" for transport in sorted(by_transport)
    )


def described(state: PortState) -> str:
    """Who answers, as far as it said so, in the scanner's words; a question mark where only the number is known."""
    identity = state.identity
    if identity is None or not identity.name:
        return "?"
    known = " ".join(filter(None, (identity.name, identity.product, identity.version)))
    return known if identity.how in BY_ANSWER else f"{known}?"
