"""Host keys that several hosts have: what is gathered of them, and what each agency is told."""

from datetime import UTC, date, datetime
from typing import Any

from secscan.engine.gathering import gather
from secscan.engine.shared_host_keys import SharedHostKeysGatherer
from secscan.facts import Absent, Gap, ShownKey, SshFacts
from secscan.model import (
    Agency,
    Endpoint,
    Evidence,
    Host,
    Inventory,
    Membership,
    Observation,
    Reason,
    Service,
    Unobserved,
)
from secscan.reference import SharedHostKeys

NOW = datetime(2026, 11, 22, tzinfo=UTC)
DAY = date(2026, 11, 22)
OWNERS = {"a1": "a", "a2": "a", "b1": "b"}
INVENTORY = Inventory(
    {name: Agency(name, {"en": name}) for name in ("a", "b")},
    {id: Host(id) for id in (*OWNERS, "nobodys")},
    tuple(Membership(host, agency) for host, agency in OWNERS.items()),
)


def place(host: str, port: int = 22) -> Endpoint:
    return Endpoint(Service(host, "tcp", port), "192.0.2.1")


def shows(host: str, *fingerprints: str, port: int = 22, proven: bool = True) -> Observation[Any]:
    keys = tuple(
        ShownKey(type=f"kind-{n}", bits=256, fingerprint=print_, proven=proven)
        for n, print_ in enumerate(fingerprints)
    )
    facts = SshFacts(protocol="2.0", software="x", host_keys=keys)
    return Observation(place(host, port), "lab", "ssh", NOW, facts)


def gathered(
    *records: Observation[Any] | Unobserved, seen: tuple[Observation[Any], ...] = ()
) -> SharedHostKeys:
    by_host: dict[str, Evidence] = {}
    for id in {record.target.host for record in (*records, *seen)}:
        by_host[id] = Evidence(
            {(r.target, r.kind): r for r in records if r.target.host == id},
            {(r.target, r.kind): r for r in seen if r.target.host == id},
        )
    [made] = gather(INVENTORY, by_host.items(), DAY, (SharedHostKeysGatherer,)).values()
    assert isinstance(made, SharedHostKeys)
    return made


def test_a_key_of_one_host_is_nobodys_business() -> None:
    assert gathered(shows("a1", "K"), shows("a2", "L")).holders == {}


def test_a_key_on_two_ports_of_one_host_is_one_hosts() -> None:
    assert gathered(shows("a1", "K"), shows("a1", "K", port=2222)).holders == {}


def test_a_key_of_two_hosts_of_one_agency() -> None:
    [holders] = gathered(shows("a1", "K"), shows("a2", "K", "L")).holders.values()
    assert (holders.hosts_of("a1"), holders.foreign_to("a1")) == (("a1", "a2"), 0)


def test_hosts_of_another_agency_are_a_number() -> None:
    [holders] = gathered(shows("a1", "K"), shows("a2", "K"), shows("b1", "K")).holders.values()
    assert (holders.hosts_of("b1"), holders.foreign_to("b1")) == (("b1",), 2)


def test_a_key_that_was_not_proven_is_not_counted() -> None:
    assert gathered(shows("a1", "K"), shows("a2", "K", proven=False)).holders == {}


def test_hosts_of_no_agency_are_left_out() -> None:
    assert gathered(shows("a1", "K"), shows("nobodys", "K")).holders == {}


def test_what_was_last_seen_counts_while_nothing_newer_is() -> None:
    lost = Unobserved(place("a2"), "lab", "ssh", NOW, Reason.TIMED_OUT)
    assert list(gathered(shows("a1", "K"), lost, seen=(shows("a2", "K"),)).holders) == ["K"]


def test_what_is_no_ssh_any_more_or_showed_no_key_has_none() -> None:
    gone = Observation(place("a2"), "lab", "ssh", NOW, Absent(heard="plain HTTP"))
    silent = Observation(
        place("b1"), "lab", "ssh", NOW, SshFacts(protocol="2.0", software="x", host_keys=Gap())
    )
    assert gathered(shows("a1", "K"), gone, silent).holders == {}
