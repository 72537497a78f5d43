"""Runs, records and judgements for the tests of the store; everything has a plain default."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from secscan.facts import AddressFacts, PortFacts, PortState, PortStatus
from secscan.model import (
    AddressTarget,
    Coverage,
    Endpoint,
    Finding,
    GroupScore,
    HostScore,
    HostTarget,
    Judgement,
    Observation,
    Outcome,
    Range,
    Reason,
    Service,
    Severity,
    Stamp,
    Subject,
    Target,
    Text,
    Unobserved,
)
from secscan.store import RunStart

AT = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
ADDRESS = "192.0.2.1"


def later(days: float = 0, **more: float) -> datetime:
    return AT + timedelta(days=days, **more)


def a_start(**changes: Any) -> RunStart:
    return RunStart(**{"started_at": AT, "plan": {"hosts": ["web-1"]}, "inventory": {}, **changes})


# --- Records -------------------------------------------------------------------------------------------


def addresses(
    host: str = "web-1", at: datetime = AT, *, found: Sequence[str] = (ADDRESS,)
) -> Observation[Any]:
    facts = AddressFacts(addresses=tuple(found), by_name={"": tuple(found)})
    return Observation(HostTarget(host), "names", "addresses", at, facts)


def ports(
    host: str = "web-1", at: datetime = AT, *, open: Sequence[int] = (443,), address: str = ADDRESS
) -> Observation[Any]:
    return Observation(AddressTarget(host, address), "ports", "ports", at, port_facts(open))


def port_facts(open: Sequence[int] = (443,)) -> PortFacts:
    return PortFacts(
        method="connect",
        asked={"tcp": "1-1000"},
        ports=tuple(PortState(transport="tcp", port=port, status=PortStatus.OPEN) for port in open),
        rest={"tcp": PortStatus.CLOSED},
    )


def an_endpoint(host: str = "web-1", server_name: str = "www.example.vn", address: str = ADDRESS) -> Endpoint:
    return Endpoint(Service(host, "tcp", 443, server_name), address)


def missed(
    target: Target | None = None,
    at: datetime = AT,
    *,
    kind: str = "ports",
    reason: Reason = Reason.TIMED_OUT,
    detail: str = "",
) -> Unobserved:
    return Unobserved(target or AddressTarget("web-1", ADDRESS), "ports", kind, at, reason, detail)


# --- Judgements ----------------------------------------------------------------------------------------


def a_finding(host: str = "web-1", check: str = "port.telnet", **changes: Any) -> Finding:
    plain: dict[str, Any] = {
        "subject": Subject.of_host(host),
        "check": check,
        "object": "",
        "outcome": Outcome.FAIL,
        "severity": Severity.HIGH,
        "evidence": Text("Port {port} is open.", {"port": 23}),
        "observed_at": AT,
        "addresses": (ADDRESS,),
    }
    return Finding(**{**plain, **changes})


def a_judgement(
    run: int,
    findings: Mapping[str, Sequence[Finding]],
    *,
    at: datetime = AT,
    agencies: Mapping[str, Sequence[str]] | None = None,
    **changes: Any,
) -> Judgement:
    """Every host scores alike; ``agencies`` says which hosts are whose, by default all of one."""
    owned = {"ministry": sorted(findings)} if agencies is None else agencies
    return Judgement(
        stamp=Stamp(run, at, "baseline", "b" * 64, 1, "0.1.0", "i" * 64),
        findings={host: tuple(of_host) for host, of_host in findings.items()},
        hosts={host: a_host_score(host) for host in findings},
        agencies={agency: a_group_score(agency, members=tuple(hosts)) for agency, hosts in owned.items()},
        tiers={"central": a_group_score("central", members=tuple(owned))},
        whole=a_group_score("whole", members=tuple(owned), **changes),
    )


def a_host_score(host: str, **changes: Any) -> HostScore:
    plain: dict[str, Any] = {
        "host": host,
        "range": Range(Fraction(100, 3), Fraction(200, 3)),
        "coverage": Coverage(Fraction(15, 2), Fraction(10)),
        "domains": {
            "tls": Range(Fraction(1, 7), Fraction(2, 7)),
            "certificates": Range(Fraction(0), Fraction(100)),
        },
        "caps": ("critical", "high"),
        "critical": True,
    }
    return HostScore(**{**plain, **changes})


def a_group_score(id: str, **changes: Any) -> GroupScore:
    plain: dict[str, Any] = {
        "id": id,
        "range": Range(Fraction(1, 3), Fraction(2, 3)),
        "grade": "F",
        "meets_baseline": False,
        "coverage": Coverage(Fraction(15, 2), Fraction(10)),
        "domains": {"tls": Range(Fraction(1, 7), Fraction(2, 7))},
    }
    return GroupScore(**{**plain, **changes})
