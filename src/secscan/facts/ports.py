"""Which ports of one address are open, closed or filtered, and what answers behind them."""

import enum
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, ClassVar

import msgspec

from secscan.facts.kind import Facts, Gap, Reading
from secscan.model import Level


class PortStatus(enum.StrEnum):
    """Kept apart: filtered (no answer, or an administrative refusal) is not closed."""

    OPEN = "open"
    CLOSED = "closed"
    FILTERED = "filtered"
    UNCERTAIN = "open|filtered"


class ServiceIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Who answers, and how that is known: ``port`` (its number only), ``banner``, ``probe`` or ``tls``.

    All text is the host's: bounded to 200 characters a field, otherwise as it came.
    """

    name: str
    how: str
    confidence: int = 0
    product: str = ""
    version: str = ""
    extra: str = ""
    tls: bool = False
    cpes: tuple[str, ...] = ()


class PortState(msgspec.Struct, frozen=True, kw_only=True):
    """One port. ``why`` is the scanner's word for its evidence (``syn-ack``, ``no-response``, ...)."""

    transport: str
    port: int
    status: PortStatus
    why: str = ""
    identity: ServiceIdentity | None = None


def _from_version_1(facts: dict[str, Any]) -> dict[str, Any]:
    gap = {"gap": "yes", "reason": "not-collected", "detail": ""}
    return {**facts, "seen_from": gap, "monlist": gap}


class PortFacts(Facts, frozen=True, kw_only=True):
    """One address. A port that was asked and is not listed in ``ports`` has the status in ``rest``."""

    kind: ClassVar[str] = "ports"
    version: ClassVar[int] = 2
    level: ClassVar[Level] = Level.ADDRESS
    upgrades: ClassVar[Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {1: _from_version_1}
    recalled: ClassVar[bool] = True

    #: ``nmap-syn``, ``nmap-connect`` or ``connect`` (our own, when nmap is missing).
    method: str
    #: Transport -> the port numbers asked, as compressed ranges: ``{"tcp": "1,3-7,22"}``.
    asked: dict[str, str]
    #: Sorted by transport and port; every open port is here.
    ports: tuple[PortState, ...]
    #: Transport -> status of every asked port that ``ports`` does not list.
    rest: dict[str, PortStatus]
    #: The network zone that the scan looked from, as its operator calls it.
    seen_from: Reading[str] = Gap()
    #: An NTP server on UDP port 123 tells us who it spoke to last (mode 7, MON_GETLIST).
    monlist: Reading[bool] = Gap()

    def status(self, transport: str, port: int) -> PortStatus | None:
        """The port's status, or None where it was not asked."""
        for state in self.ports:
            if state.port == port and state.transport == transport:
                return state.status
        if port in ports_in(self.asked.get(transport, "")):
            return self.rest.get(transport)
        return None

    def is_silent(self) -> bool:
        """Not one port answered, neither open nor closed: nothing shows that there is a host at all."""
        answers = (PortStatus.OPEN, PortStatus.CLOSED)
        asked_rest = any(status in answers for status in self.rest.values())
        return not asked_rest and not any(state.status in answers for state in self.ports)

    def open(self, transport: str = "tcp") -> tuple[PortState, ...]:
        return tuple(p for p in self.ports if p.status is PortStatus.OPEN and p.transport == transport)


@lru_cache(maxsize=256)
def ports_in(ranges: str) -> frozenset[int]:
    """The port numbers of ``"1,3-7,22"``. Raises ValueError on anything else, or outside 0 to 65535."""
    numbers: set[int] = set()
    for part in filter(None, ranges.split(",")):
        first, _, last = part.partition("-")
        low, high = int(first), int(last or first)
        if not 0 <= low <= high <= 65535:
            raise ValueError(f"not a port range: {part!r}")
        numbers.update(range(low, high + 1))
    return frozenset(numbers)


def port_ranges(numbers: "frozenset[int] | set[int]") -> str:
    """The shortest ``"1,3-7,22"`` for these port numbers; the inverse of ``ports_in``."""
    return _ranges(frozenset(numbers))


@lru_cache(maxsize=256)
def _ranges(numbers: frozenset[int]) -> str:
    # All hosts of a scan are asked the same thousand ports: remembered, this is a tenth of what a host costs.
    parts: list[str] = []
    ordered = sorted(numbers)
    start = 0
    for i in range(1, len(ordered) + 1):
        if i == len(ordered) or ordered[i] != ordered[i - 1] + 1:
            low, high = ordered[start], ordered[i - 1]
            parts.append(str(low) if low == high else f"{low}-{high}")
            start = i
    return ",".join(parts)
