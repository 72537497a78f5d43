"""A fleet is judged host by host, each by what it is held to."""

from collections.abc import Mapping

import pytest

from secscan.baseline import load_baseline
from secscan.engine.judging import judge_fleet
from secscan.facts import AddressFacts, PortFacts, PortState, PortStatus
from secscan.model import (
    AddressTarget,
    Agency,
    Evidence,
    Finding,
    Host,
    HostTarget,
    Inventory,
    Judgement,
    Membership,
    Observation,
    Outcome,
    Severity,
    Stamp,
)
from secscan.registry import find_checks
from tests.factories import ADDRESS, AT

HOSTS = {
    "plain": Host("plain"),
    "mail": Host("mail", role="mail"),
    "database": Host("database", role="database"),
    "station": Host("station", role="workstation"),
    "three": Host("three", level=3),
}


def seen_open(host: str, *ports: int) -> Evidence:
    """Everything was asked, and only these were open."""
    states = tuple(PortState(transport="tcp", port=port, status=PortStatus.OPEN) for port in sorted(ports))
    address, whole = AddressTarget(host, ADDRESS), HostTarget(host)
    facts = PortFacts(
        method="nmap-syn", asked={"tcp": "1-65535"}, ports=states, rest={"tcp": PortStatus.CLOSED}
    )
    where = AddressFacts(addresses=(ADDRESS,), by_name={})
    return Evidence(
        {
            (whole, AddressFacts.kind): Observation(whole, "test", AddressFacts.kind, AT, where),
            (address, PortFacts.kind): Observation(address, "test", PortFacts.kind, AT, facts),
        }
    )


@pytest.fixture(scope="module")
def judged() -> Judgement:
    baseline = load_baseline("network", find_checks())
    inventory = Inventory(
        {"one": Agency("one", {"en": "One"})}, HOSTS, tuple(Membership(host, "one") for host in HOSTS)
    )
    stamp = Stamp(None, AT, baseline.name, baseline.hash, 1, "0")
    evidence = [(host, seen_open(host, 22, 25, 5432)) for host in HOSTS]
    return judge_fleet(inventory, evidence, baseline=baseline, references={}, stamp=stamp)


def failures(judged: Judgement, host: str, check: str) -> Mapping[str, Finding]:
    found = (f for f in judged.findings[host] if f.check == check and f.outcome is Outcome.FAIL)
    return {finding.object: finding for finding in found}


@pytest.mark.parametrize(
    ("host", "unexpected"),
    [
        ("plain", {"tcp/25", "tcp/5432"}),
        ("mail", {"tcp/5432"}),
        ("database", {"tcp/25"}),
        ("station", {"tcp/22", "tcp/25", "tcp/5432"}),
        ("three", {"tcp/25", "tcp/5432"}),
    ],
)
def test_a_port_is_unexpected_by_the_role_of_its_host(
    judged: Judgement, host: str, unexpected: set[str]
) -> None:
    assert failures(judged, host, "port.unexpected").keys() == unexpected


@pytest.mark.parametrize(("host", "counts"), [("plain", True), ("mail", True), ("database", False)])
def test_a_database_is_held_against_a_host_that_is_not_there_for_one(
    judged: Judgement, host: str, counts: bool
) -> None:
    assert bool(failures(judged, host, "port.database")) is counts


@pytest.mark.parametrize(("host", "severity"), [("plain", Severity.MEDIUM), ("three", Severity.HIGH)])
def test_a_failure_is_as_grave_as_the_level_of_its_host_says(
    judged: Judgement, host: str, severity: Severity
) -> None:
    assert {f.severity for f in failures(judged, host, "port.unexpected").values()} == {severity}


def test_what_is_graver_for_a_host_weighs_more_in_its_score(judged: Judgement) -> None:
    assert judged.hosts["three"].domains["ports"].possible < judged.hosts["plain"].domains["ports"].possible
