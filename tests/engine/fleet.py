"""Evidence of hosts with one TLS service each."""

from typing import Any

from secscan.facts import AddressFacts, PortFacts, PortState, PortStatus
from secscan.model import AddressTarget, Endpoint, Evidence, HostTarget, Observation, Service
from tests.factories import AT, Issued, chain_facts

ADDRESS = "192.0.2.1"


def endpoint(host: str, port: int = 443) -> Endpoint:
    return Endpoint(Service(host, "tcp", port), ADDRESS)


def evidence(host: str, *sent: Issued | bytes, status: PortStatus = PortStatus.OPEN) -> Evidence:
    ports = PortFacts(
        method="connect",
        asked={"tcp": "443"},
        ports=(PortState(transport="tcp", port=443, status=status),),
        rest={"tcp": PortStatus.CLOSED},
    )
    seen: list[tuple[Any, Any]] = [
        (HostTarget(host), AddressFacts(addresses=(ADDRESS,), by_name={})),
        (AddressTarget(host, ADDRESS), ports),
    ]
    if sent:
        seen.append((endpoint(host), chain_facts(*sent)))
    return Evidence({(t, f.kind): Observation(t, "test", f.kind, AT, f) for t, f in seen})
