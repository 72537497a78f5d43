"""Every kind of fact that comes along can be stored and read back."""

import msgspec
import pytest

from secscan.facts import BUILT_IN, INSIDE, Facts, Gap, PortFacts, Release, SystemFacts, decode, encode
from secscan.model import Level


@pytest.mark.parametrize("kind", sorted(BUILT_IN))
def test_every_kind_can_be_read_back(kind: str) -> None:
    msgspec.json.Decoder(BUILT_IN[kind])  # a union that JSON can't tell apart is refused here


@pytest.mark.parametrize("kind", INSIDE)
def test_what_is_seen_from_the_inside_is_about_the_whole_host(kind: str) -> None:
    assert BUILT_IN[kind].level is Level.HOST


@pytest.mark.parametrize("release", [Release(id="debian", version="12"), Gap(detail="no os-release")])
def test_a_value_and_a_gap_are_told_apart(release: Release | Gap) -> None:
    facts: Facts = SystemFacts(family="linux", release=release, architecture="x86_64", kernel="6.1.0")
    assert decode(SystemFacts, SystemFacts.version, encode(facts)) == facts


def test_ports_of_version_1_have_gaps_where_nobody_looked() -> None:
    #: As secscan wrote them before UDP was asked.
    written = (
        b'{"asked":{"tcp":"22"},"method":"nmap-syn","ports":[{"identity":null,"port":22,"status":"open",'
        b'"transport":"tcp","why":"syn-ack"}],"rest":{"tcp":"closed"}}'
    )
    facts = decode(PortFacts, 1, written)
    assert isinstance(facts, PortFacts)
    assert (facts.seen_from, facts.monlist, len(facts.ports)) == (Gap(), Gap(), 1)
