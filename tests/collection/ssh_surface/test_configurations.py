"""Two dozen real servers: what is seen of each, and what is made of it, against what its configuration says."""

from functools import cache
from typing import Any

import pytest

from secscan.baseline import load_baseline
from secscan.collection.ssh_surface import SshSurfaceCollector
from secscan.collection.ssh_surface.handshake import real_names
from secscan.evaluation import judge_host
from secscan.facts import AddressFacts, PortFacts, PortState, PortStatus, SshFacts, known
from secscan.model import (
    AddressTarget,
    Agency,
    Endpoint,
    Evidence,
    Host,
    HostTarget,
    Observation,
    Outcome,
    Service,
)
from secscan.reference import SharedHostKeys
from secscan.registry import find_checks
from secscan.scope import Gate, ProbeLog, scope_of_addresses, utc_now
from tests.lab.ssh_configurations import Configuration, configurations

ADDRESS = "127.0.0.1"
CONFIGURATIONS = {one.name: one for one in configurations()}
by_configuration = pytest.mark.parametrize("name", CONFIGURATIONS)


@cache
def seen(name: str) -> tuple[Configuration, Observation[SshFacts]]:
    """Each server is looked at once for all tests."""
    configuration = CONFIGURATIONS[name]
    with configuration.start() as server:
        endpoint = Endpoint(Service("h", "tcp", server.port), ADDRESS)
        gate = Gate(scope_of_addresses([ADDRESS]), ProbeLog(None))
        [record] = SshSurfaceCollector(expected={endpoint}).collect([endpoint], gate)
    assert isinstance(record, Observation), record
    return configuration, record


@by_configuration
def test_identification(name: str) -> None:
    configuration, record = seen(name)
    assert record.facts.protocol == configuration.shows.protocol
    assert record.facts.software.startswith(configuration.shows.software)


@by_configuration
def test_host_keys(name: str) -> None:
    configuration, record = seen(name)
    keys = record.facts.host_keys if isinstance(record.facts.host_keys, tuple) else ()
    assert {key.type: key.bits for key in keys} == configuration.shows.keys
    assert all(key.proven for key in keys)


@by_configuration
def test_algorithms(name: str) -> None:
    configuration, record = seen(name)
    algorithms = known(record.facts.algorithms)
    shows = configuration.shows
    if shows.key_exchange is not None:
        assert real_names(algorithms.key_exchange) == shows.key_exchange
    if shows.ciphers is not None:
        assert algorithms.ciphers_to_server == algorithms.ciphers_to_client == shows.ciphers
    if shows.macs is not None:
        assert algorithms.macs_to_server == algorithms.macs_to_client == shows.macs


@by_configuration
def test_groups(name: str) -> None:
    configuration, record = seen(name)
    if configuration.shows.groups is not None:
        assert tuple(group.given for group in known(record.facts.groups)) == configuration.shows.groups


@by_configuration
def test_ways_in(name: str) -> None:
    configuration, record = seen(name)
    if configuration.shows.methods is not None:
        assert frozenset(known(record.facts.methods)) == configuration.shows.methods
        assert record.facts.open_to_all is False


@by_configuration
def test_what_fails(name: str) -> None:
    configuration, record = seen(name)
    assert failing(record) == configuration.shows.fails


def failing(record: Observation[SshFacts]) -> frozenset[str]:
    """The rules about SSH that fail in the network baseline, with what they object to where they tell it apart."""
    assert isinstance(record.target, Endpoint)
    host = Host("h", addresses=(ADDRESS,))
    findings = judge_host(
        host,
        Evidence(evidence(record)),
        baseline=load_baseline("network", find_checks()),
        agency=Agency("a", {"en": "A"}),
        references={SharedHostKeys: SharedHostKeys()},
        at=utc_now(),
    )
    told_apart = ("ssh.ciphers",)
    return frozenset(
        f"{f.check}/{f.object}" if f.check in told_apart else f.check
        for f in findings
        if f.check.startswith("ssh.") and f.outcome is Outcome.FAIL
    )


def evidence(record: Observation[SshFacts]) -> dict[Any, Any]:
    target = record.target
    assert isinstance(target, Endpoint)
    state = PortState(transport="tcp", port=target.service.port, status=PortStatus.OPEN)
    ports = PortFacts(
        method="connect", asked={"tcp": "1-65535"}, ports=(state,), rest={"tcp": PortStatus.CLOSED}
    )
    addresses = AddressFacts(addresses=(ADDRESS,), by_name={"": (ADDRESS,)})
    at = record.observed_at
    host, address = HostTarget("h"), AddressTarget("h", ADDRESS)
    return {
        (host, "addresses"): Observation(host, "lab", "addresses", at, addresses),
        (address, "ports"): Observation(address, "lab", "ports", at, ports),
        (target, "ssh"): record,
    }
