"""The shard function: what is asked of which collector, in which order, and that everything is accounted for."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from secscan.engine.looking import backups_on, shards_of
from secscan.engine.protocol import shard_of, work
from secscan.engine.shard import MOST_UNDECLARED_SERVICES, Collectors, Shard, absentees, collect_shard
from secscan.facts import INSIDE, Absent, AddressFacts, PortFacts, PortState, PortStatus
from secscan.model import (
    AddressTarget,
    DeclaredBackup,
    Endpoint,
    ExpectedService,
    Host,
    HostTarget,
    Observation,
    Reason,
    Record,
    Service,
    Target,
    TlsPolicy,
    Unobserved,
)
from secscan.scope import Gate, ProbeLog, scope_of_addresses

NOW = datetime(2026, 11, 22, tzinfo=UTC)
A = "127.0.0.1"
DECLARED = Service("h", "tcp", 443, "h.example")
HOST = Host("h", addresses=(A,), names=("h.example",), services=(ExpectedService(DECLARED),))
GATE = Gate(scope_of_addresses([A]), ProbeLog(None))


def addresses(target: Target) -> Record:
    facts = AddressFacts(addresses=(A,), by_name={"": (A,)})
    return Observation(target, "fake", "addresses", NOW, facts)


def ports(*open_ports: int, filtered: Sequence[int] = ()):
    def seen(target: Target) -> Record:
        states = [PortState(transport="tcp", port=p, status=PortStatus.OPEN) for p in open_ports]
        states += [PortState(transport="tcp", port=p, status=PortStatus.FILTERED) for p in filtered]
        facts = PortFacts(
            method="connect",
            asked={"tcp": "1-65535"},
            ports=tuple(sorted(states, key=lambda s: s.port)),
            rest={"tcp": PortStatus.CLOSED},
        )
        return Observation(target, "fake", "ports", NOW, facts)

    return seen


@dataclass
class Fake:
    """A collector that answers from a function and remembers what it was asked."""

    kinds: tuple[str, ...]
    answer: object = None
    name: str = "fake"
    asked: list[Target] = field(default_factory=list)

    def collect(self, targets: Sequence[Target], gate: Gate, **_: object) -> Iterator[Record]:
        self.asked += targets
        for target in targets:
            for kind in self.kinds:
                record = (
                    self.answer(target)
                    if self.answer
                    else Observation(target, self.name, kind, NOW, Absent(heard="x"))
                )
                yield replace(record, kind=kind)


def fakes(seen_ports=None) -> Collectors:
    return Collectors(
        Fake(("addresses",), addresses), Fake(("ports",), seen_ports or ports(443)), Fake(("tls", "chain"))
    )


def run(collectors: Collectors, host: Host = HOST, **shard) -> dict[tuple[str, str], Record]:
    records = list(collect_shard(Shard(1, (host,), **shard), collectors, GATE))
    by_key = {(r.target.key, r.kind): r for r in records}
    assert len(by_key) == len(records), "a target was recorded twice"
    return by_key


def test_open_declared_services_are_asked_once() -> None:
    collectors = fakes()
    run(collectors)
    assert collectors.endpoints.asked == [Endpoint(DECLARED, A)]


def test_undeclared_open_ports_are_asked_under_the_hosts_name() -> None:
    collectors = fakes(ports(443, 8443))
    run(collectors)
    assert Endpoint(Service("h", "tcp", 8443, "h.example"), A) in collectors.endpoints.asked


def test_a_declared_service_that_is_closed_is_recorded_without_asking() -> None:
    collectors = fakes(ports(80))
    records = run(collectors)
    assert Endpoint(DECLARED, A) not in collectors.endpoints.asked
    record = records[Endpoint(DECLARED, A).key, "tls"]
    assert isinstance(record, Unobserved)
    assert record.reason is Reason.REFUSED


def test_a_filtered_port_is_not_seen_rather_than_closed() -> None:
    records = run(fakes(ports(filtered=[443])))
    assert records[Endpoint(DECLARED, A).key, "chain"].reason is Reason.TIMED_OUT


def test_a_service_seen_in_an_earlier_run_is_asked_while_its_port_is_not_closed() -> None:
    known = Endpoint(Service("h", "tcp", 9443, "h.example"), A)
    records = run(fakes(ports(443, filtered=[9443])), known_ports={"h": (9443,)})
    assert records[known.key, "tls"].reason is Reason.TIMED_OUT


def test_a_service_seen_in_an_earlier_run_and_closed_now_is_gone() -> None:
    records = run(fakes(ports(443)), known_ports={"h": (9443,)})
    assert not any("9443" in key for key, _ in records)


def test_without_a_port_scan_declared_and_known_services_are_still_asked() -> None:
    def lost(target: Target) -> Record:
        return Unobserved(target, "fake", "ports", NOW, Reason.TIMED_OUT)

    collectors = fakes(lost)
    run(collectors, known_ports={"h": (9443,)})
    assert {target.service.port for target in collectors.endpoints.asked} == {443, 9443}


def test_a_host_that_does_not_resolve_is_not_looked_at() -> None:
    def lost(target: Target) -> Record:
        return Unobserved(target, "fake", "addresses", NOW, Reason.NOT_RESOLVED)

    collectors = Collectors(Fake(("addresses",), lost), Fake(("ports",)), Fake(("tls", "chain")))
    assert set(run(collectors)) == {(HostTarget("h").key, "addresses")}


def test_a_tarpit_is_not_asked_on_every_port() -> None:
    collectors = fakes(ports(*range(1000, 1200)))
    records = run(collectors, Host("h", addresses=(A,)))
    assert len(collectors.endpoints.asked) == MOST_UNDECLARED_SERVICES
    tarpit = [r for r in records.values() if isinstance(r, Unobserved)]
    assert {r.reason for r in tarpit} == {Reason.TARPIT}
    assert len(tarpit) == 2 * (200 - MOST_UNDECLARED_SERVICES)


@pytest.mark.parametrize("status", ["open", "unknown"])
@pytest.mark.parametrize("tls", [TlsPolicy.UNSTATED, TlsPolicy.OPTIONAL])
def test_nothing_is_sent_to_what_would_print_it(tls: TlsPolicy, status: str) -> None:
    def lost(target: Target) -> Record:
        return Unobserved(target, "fake", "ports", NOW, Reason.TIMED_OUT)

    collectors = fakes(ports(9100, 9107, 9108) if status == "open" else lost)
    declared = ExpectedService(Service("h", "tcp", 9101, ""), tls)
    records = run(collectors, replace(HOST, services=(declared,)), known_ports={"h": (9100, 9107, 9108)})
    assert {target.service.port for target in collectors.endpoints.asked} == {9108}
    printed = [r for r in records.values() if isinstance(r.target, Endpoint) and r.target.service.port < 9108]
    assert {r.facts.protocol for r in printed if isinstance(r, Observation)} == {"printing"}
    assert len(printed) == 3 * len(collectors.endpoints.kinds)


def test_what_is_declared_to_speak_tls_is_spoken_to_wherever_it_is() -> None:
    collectors = fakes(ports(9100))
    declared = ExpectedService(Service("h", "tcp", 9100, ""), TlsPolicy.REQUIRED)
    run(collectors, replace(HOST, services=(declared,)))
    assert [target.service.port for target in collectors.endpoints.asked] == [9100]


def test_what_is_recorded_is_not_asked_again() -> None:
    first = list(run(fakes(ports(443, 8443))).values())
    for keep in range(len(first) + 1):
        collectors = fakes(ports(443, 8443))
        again = run(collectors, recorded=tuple(first[:keep]))
        kept = {(r.target.key, r.kind) for r in first[:keep]}
        assert kept.isdisjoint(again)
        assert kept | set(again) == {(r.target.key, r.kind) for r in first}


def test_a_collector_that_breaks_is_a_bug_on_what_it_left_out() -> None:
    def breaks(target: Target) -> Record:
        raise ZeroDivisionError("by hand")

    collectors = Collectors(Fake(("addresses",), addresses), Fake(("ports",), breaks), Fake(("tls", "chain")))
    record = run(collectors)[AddressTarget("h", A).key, "ports"]
    assert (record.reason, "ZeroDivisionError" in record.detail) == (Reason.BUG, True)


def test_a_collector_that_says_nothing_is_a_bug() -> None:
    class Mute(Fake):
        def collect(self, targets: Sequence[Target], gate: Gate, **_: object) -> Iterator[Record]:
            return iter(())

    collectors = Collectors(
        Fake(("addresses",), addresses), Fake(("ports",), ports(443)), Mute(("tls", "chain"))
    )
    records = run(collectors)
    assert {records[Endpoint(DECLARED, A).key, kind].reason for kind in ("tls", "chain")} == {Reason.BUG}


def test_services_are_looked_at_while_the_port_scan_still_asks_who_answers() -> None:
    looked_at = threading.Event()

    class Slow(Fake):
        def collect(self, targets, gate, *, sighted=lambda _: None):
            for target in targets:
                sighted(self.answer(target))
            # Only the look at the services lets this go on: without it the test fails on its time limit.
            assert looked_at.wait(10)
            yield from (self.answer(target) for target in targets)

    class Telling(Fake):
        def collect(self, targets, gate, **_):
            looked_at.set()
            yield from super().collect(targets, gate)

    collectors = Collectors(
        Fake(("addresses",), addresses), Slow(("ports",), ports(443)), Telling(("tls", "chain"))
    )
    records = run(collectors)
    assert isinstance(records[AddressTarget("h", A).key, "ports"], Observation)
    assert isinstance(records[Endpoint(DECLARED, A).key, "tls"], Observation)


# --- From the inside ----------------------------------------------------------------------------------------


def with_login(answer=None) -> Collectors:
    return replace(fakes(), inside=Fake(("system", "packages"), answer, name="login"))


def test_without_a_login_nobody_looks_inside() -> None:
    assert not {kind for _, kind in run(fakes())} & {"system", "packages"}


def test_every_host_is_logged_in_to_once() -> None:
    collectors = with_login()
    records = run(collectors)
    assert collectors.inside.asked == [HostTarget("h")]
    assert {kind for key, kind in records if key == HostTarget("h").key} == {
        "addresses",
        "system",
        "packages",
    }


def test_whoever_logs_in_is_told_where_the_host_is() -> None:
    collectors = with_login()
    found: list[object] = []
    collectors = replace(
        collectors,
        inside=Fake(("system",), lambda target: found.append(dict(collectors.located)) or ok(target)),
    )
    run(collectors)
    assert found == [{"h": (A,)}]


def ok(target: Target) -> Record:
    return Observation(target, "login", "system", NOW, Absent(heard="x"))


def test_a_login_that_is_recorded_is_not_done_again() -> None:
    collectors = with_login()
    whole = run(with_login())
    mine = tuple(r for (_, kind), r in whole.items() if kind in ("system", "packages"))
    run(collectors, recorded=mine)
    assert collectors.inside.asked == []


def test_a_broken_login_collector_is_our_bug_and_the_rest_is_seen() -> None:
    def broken(target: Target) -> Record:
        raise RuntimeError("no")

    records = run(with_login(broken))
    assert records[HostTarget("h").key, "system"].reason is Reason.BUG
    assert isinstance(records[Endpoint(DECLARED, A).key, "tls"], Observation)


def test_what_a_lost_worker_leaves_is_told_of_the_inside_too() -> None:
    given_up = absentees(Reason.BUG, "lost", inside=True)
    records = run(given_up, recorded=(addresses(HostTarget("h")),))
    assert {kind for _, kind in records if _ == HostTarget("h").key} == set(INSIDE)
    assert all(r.reason is Reason.BUG for r in records.values())


def test_a_backup_server_is_asked_for_what_other_hosts_declare_on_it() -> None:
    keeper = Host("keeper", addresses=(A,))
    owner = Host("owner", addresses=(A,), backups=(DeclaredBackup(path="/srv/owner/*", on="keeper"),))
    own = Host(
        "own", addresses=(A,), backups=(DeclaredBackup(path="/var/dump/*"), DeclaredBackup(tool="borg"))
    )
    assert backups_on([keeper, owner, own]) == {"keeper": ("/srv/owner/*",), "own": ("/var/dump/*",)}
    shards = shards_of(
        [keeper], workers=1, known_ports={}, recorded={}, backups=backups_on([keeper, owner, own])
    )
    assert [shard.backups for shard in shards] == [{"keeper": ("/srv/owner/*",)}]
    [shard] = shards
    assert shard_of(work(shard)) == shard
