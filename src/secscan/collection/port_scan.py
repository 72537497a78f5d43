"""What both port scanners are asked and answer: nmap, and our own where there is none."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from secscan.facts.ports import PortFacts, PortState, PortStatus, port_ranges
from secscan.model import Reason
from secscan.scope import Gate, utc_now

TRANSPORT = "tcp"

#: The part of the rates that questions over UDP take where they go on beside the scan of TCP ports.
UDP_SHARE = 0.05

#: Ports of one status, and the scanner's word for why.
Group: TypeAlias = tuple[frozenset[int], PortStatus, str]

#: Which status stands for the ports that are not listed, where two are equally frequent.
_RESTS = (PortStatus.CLOSED, PortStatus.FILTERED, PortStatus.UNCERTAIN)


@dataclass(frozen=True, slots=True)
class Ask:
    """One address, in canonical text, and the TCP ports to try; at least one."""

    address: str
    ports: frozenset[int]


@dataclass(frozen=True, slots=True)
class Seen:
    """Every port asked has an answer, or is known to give none."""

    ask: Ask
    at: datetime
    facts: PortFacts
    volatile: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Missed:
    """Not every port was asked, or nobody knows what came of it. Never the same as *no port is open*."""

    ask: Ask
    reason: Reason
    detail: str


def answer(
    ask: Ask,
    *,
    method: str,
    listed: Iterable[PortState],
    groups: Iterable[Group],
    volatile: Mapping[str, str],
) -> Seen | Missed:
    """What was seen, from each port's answer: those ``listed``, with what identifies them, and those in ``groups``.

    Where not one packet could leave because there is no route, nothing was asked. Silence on every port is a fact
    like any other (all are filtered); judging takes it for a host that was not seen.
    """
    listed, groups = tuple(listed), tuple(groups)
    reasons = {state.why for state in listed} | {why for ports, _, why in groups if ports}
    if reasons == {"net-unreach"}:
        return Missed(ask, Reason.UNREACHABLE, f"there is no route from here to {ask.address}")
    return Seen(ask, utc_now(), port_facts(method, ask.ports, listed, groups), volatile)


def port_facts(
    method: str, asked: frozenset[int], listed: Iterable[PortState], groups: Iterable[Group]
) -> PortFacts:
    """The one form of these answers: equal answers give equal facts, however the scanner grouped them.

    Listed are the open ports, and all whose status isn't the most frequent one of those that are not open.
    """
    listed, groups = tuple(listed), tuple(groups)
    counts = Counter(state.status for state in listed)
    for ports, status, _ in groups:
        counts[status] += len(ports)
    rest = max(_RESTS, key=lambda status: counts[status])
    exceptions = [state for state in listed if state.status is not rest]
    for ports, status, why in groups:
        if status is not rest:
            exceptions += (PortState(transport=TRANSPORT, port=p, status=status, why=why) for p in ports)
    return PortFacts(
        method=method,
        asked={TRANSPORT: port_ranges(asked)},
        ports=tuple(sorted(exceptions, key=lambda state: (state.transport, state.port))),
        rest={TRANSPORT: rest},
    )


def rates(gate: Gate, share: float) -> tuple[int, int]:
    """Connections a second, for all and for each host, that ``share`` of the gate's rates are; at least one."""
    whole, per_host = gate.packets_per_second, gate.packets_per_second_per_host
    return max(1, int(whole * share)), max(1, int(per_host * share))


def too_many(ask: Ask, least: float, deadline: float) -> str:
    """Why asking so many ports isn't begun: it would take ``least`` seconds of ``deadline``."""
    return (
        f"asking {len(ask.ports)} ports at {len(ask.ports) / least:.0f} a second takes at least {least:.0f} s, and a "
        f"target may take {deadline:g} s: give it more time, a higher rate, or fewer ports"
    )
