"""Second looks: which endpoints a collector is asked for, when, and what is recorded of the others."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from secscan.engine.second_look import Known, SecondLook
from secscan.engine.shard import Collectors, Shard, collect_shard
from secscan.facts import (
    Absent,
    AddressFacts,
    Gap,
    PortFacts,
    PortState,
    PortStatus,
    ServiceIdentity,
    TlsFacts,
    TlsVersion,
    VersionOffer,
)
from secscan.model import (
    AddressTarget,
    Endpoint,
    ExpectedService,
    Host,
    Observation,
    Reason,
    Record,
    Service,
    Target,
    Unobserved,
)
from secscan.scope import Gate, ProbeLog, scope_of_addresses

NOW = datetime(2026, 11, 22, tzinfo=UTC)
A = "127.0.0.1"
GATE = Gate(scope_of_addresses([A]), ProbeLog(None))
TLS = TlsFacts(versions=tuple(VersionOffer(version=v, offered=v is TlsVersion.TLS1_3) for v in TlsVersion))


@dataclass
class Fake:
    """A collector that answers from a function and remembers what it was asked."""

    kinds: tuple[str, ...]
    answer: Callable[[Target], object] = lambda _: Absent(heard="x")
    name: str = "fake"
    asked: list[Target] = field(default_factory=list)

    def collect(
        self, targets: Sequence[Target], gate: Gate, *, sighted: Callable[[Record], None] = lambda _: None
    ) -> Iterator[Record]:
        for target in targets:
            self.asked.append(target)
            for kind in self.kinds:
                yield self.record(target, kind)

    def record(self, target: Target, kind: str) -> Record:
        said = self.answer(target)
        if isinstance(said, Gap):
            return Unobserved(target, self.name, kind, NOW, said.reason, said.detail)
        return Observation(target, self.name, kind, NOW, said)


class TwoSteps(Fake):
    """A port scan that sights ports, and tells who answers there only when it is let go on."""

    def __init__(self, facts: PortFacts, go_on: threading.Event) -> None:
        super().__init__(("ports",), lambda _: facts)
        self.go_on = go_on

    def collect(self, targets, gate, *, sighted=lambda _: None):
        for target in targets:
            states = tuple(replace_identity(state) for state in self.answer(target).ports)
            sighted(Observation(target, self.name, "ports", NOW, port_facts(states)))
        assert self.go_on.wait(10)
        yield from super().collect(targets, gate)


def replace_identity(state: PortState) -> PortState:
    return PortState(transport=state.transport, port=state.port, status=state.status)


def port_facts(states: Sequence[PortState], rest: PortStatus = PortStatus.CLOSED) -> PortFacts:
    return PortFacts(method="connect", asked={"tcp": "1-65535"}, ports=tuple(states), rest={"tcp": rest})


def is_open(port: int, identity: str = "") -> PortState:
    who = ServiceIdentity(name=identity, how="probe") if identity else None
    return PortState(transport="tcp", port=port, status=PortStatus.OPEN, identity=who)


def place(port: int, name: str = "") -> Endpoint:
    return Endpoint(Service("h", "tcp", port, name), A)


SSH = Absent(heard="an SSH banner", protocol="ssh")
HTTP = Absent(heard="plain HTTP", protocol="http")


def speaks_ssh(_: Endpoint, known: Known) -> bool:
    return known.protocol == "ssh"


def collectors(
    contact: Callable[[Target], object] = lambda _: SSH,
    *looks: SecondLook,
    ports: Sequence[PortState] = (is_open(22),),
) -> Collectors:
    return Collectors(
        Fake(("addresses",), lambda _: AddressFacts(addresses=(A,), by_name={"": (A,)})),
        Fake(("ports",), lambda _: port_facts(ports)),
        Fake(("tls", "chain"), contact),
        second=looks,
    )


def second(wants: Callable[[Endpoint, Known], bool] = speaks_ssh, **fake) -> SecondLook:
    return SecondLook(Fake(("ssh",), **fake), wants)


def run(everyone: Collectors, *services: ExpectedService, **shard) -> dict[tuple[str, str], Record]:
    host = Host("h", addresses=(A,), services=services)
    records = list(collect_shard(Shard(1, (host,), **shard), everyone, GATE))
    by_key = {(r.target.key, r.kind): r for r in records}
    assert len(by_key) == len(records), "a target was recorded twice"
    return by_key


def test_what_first_contact_recognised_is_looked_at_by_whose_it_is() -> None:
    look = second()
    run(collectors(lambda t: SSH if t.service.port == 22 else HTTP, look, ports=[is_open(22), is_open(80)]))
    assert look.collector.asked == [place(22)]


def test_what_is_somebody_elses_is_recorded_as_absent() -> None:
    record = run(collectors(lambda _: HTTP, second()))[place(22).key, "ssh"]
    assert (record.facts, record.collector) == (HTTP, "fake")


def test_a_service_in_tls_is_known_to_speak_that() -> None:
    record = run(collectors(lambda _: TLS, second()))[place(22).key, "ssh"]
    assert record.facts == Absent(heard="TLS", protocol="tls")


def test_a_service_that_goes_over_to_tls_is_known_by_its_own_protocol() -> None:
    seen: list[Known] = []
    mail = TlsFacts(versions=TLS.versions, starttls="smtp")
    run(collectors(lambda _: mail, second(lambda _, known: bool(seen.append(known)))))
    assert [known.protocol for known in seen] == ["smtp"]


def test_what_nobody_heard_stays_unseen_for_the_same_reason() -> None:
    record = run(collectors(lambda _: Gap(Reason.TIMED_OUT, "silent"), second()))[place(22).key, "ssh"]
    assert (record.reason, record.detail) == (Reason.TIMED_OUT, "silent")


def test_a_look_may_ask_where_nothing_was_heard() -> None:
    look = second(lambda _, known: known.unheard is not None)
    run(collectors(lambda _: Gap(Reason.TIMED_OUT), look))
    assert look.collector.asked == [place(22)]


def test_the_port_scans_word_comes_to_bear_when_it_is_there() -> None:
    first = threading.Event()

    def wants(_: Endpoint, known: Known) -> bool:
        first.set()
        return known.identity is not None and known.identity.name == "redis"

    look = second(wants)
    everyone = replace(
        collectors(lambda _: Gap(Reason.TIMED_OUT), look),
        ports=TwoSteps(port_facts([is_open(22, "redis")]), first),
    )
    run(everyone)
    assert look.collector.asked == [place(22)]


def test_what_was_recognised_does_not_wait_for_the_port_scan() -> None:
    go_on = threading.Event()
    everyone = replace(
        collectors(lambda _: SSH, second(answer=lambda _: go_on.set() or Absent(heard="x"))),
        ports=TwoSteps(port_facts([is_open(22)]), go_on),
    )
    # Only the second look lets the port scan end.
    assert (place(22).key, "ssh") in run(everyone)


def test_one_slow_endpoint_does_not_hold_up_the_others() -> None:
    others = threading.Barrier(3)

    def answer(_: Target) -> Absent:
        # Passed only when all three are in hand at the same time.
        others.wait(10)
        return Absent(heard="x")

    records = run(collectors(lambda _: SSH, second(answer=answer), ports=[is_open(p) for p in (22, 23, 24)]))
    assert [r.facts for (_, kind), r in records.items() if kind == "ssh"] == [Absent(heard="x")] * 3


def test_the_virtual_hosts_of_one_server_are_asked_one_after_the_other() -> None:
    busy = threading.Lock()
    overlaps: list[Target] = []

    class Watching(Fake):
        def collect(self, targets, gate, **_):
            if not busy.acquire(blocking=False):
                overlaps.extend(targets)
                yield from super().collect(targets, gate)
                return
            try:
                yield from super().collect(targets, gate)
            finally:
                busy.release()

    services = [ExpectedService(Service("h", "tcp", 22, f"v{n}.example")) for n in range(8)]
    look = SecondLook(Watching(("ssh",)), speaks_ssh)
    run(collectors(lambda _: SSH, look), *services)
    assert (len(look.collector.asked), overlaps) == (8, [])


def test_no_more_threads_ask_than_a_look_may_have() -> None:
    guard = threading.Lock()
    counts = [0]
    most = [0]

    class Counting(Fake):
        def collect(self, targets, gate, **_):
            with guard:
                counts[0] += 1
                most[0] = max(most[0], counts[0])
            yield from super().collect(targets, gate)
            with guard:
                counts[0] -= 1

    look = SecondLook(Counting(("ssh",)), speaks_ssh, at_once=2)
    run(collectors(lambda _: SSH, look, ports=[is_open(p) for p in range(1, 41)]))
    assert len(look.collector.asked) == 40
    assert most[0] <= 2


def test_two_looks_each_get_their_own() -> None:
    ssh, web = second(), SecondLook(Fake(("http",)), lambda _, known: known.protocol == "http")
    everyone = collectors(
        lambda t: SSH if t.service.port == 22 else HTTP, ssh, web, ports=[is_open(22), is_open(80)]
    )
    run(everyone)
    assert (ssh.collector.asked, web.collector.asked) == ([place(22)], [place(80)])


# --- Where there is no use in asking --------------------------------------------------------------------


DECLARED = ExpectedService(place(22).service)


def test_a_closed_port_where_it_is_expected_is_not_seen() -> None:
    look = second(lambda endpoint, _: endpoint.service.port == 22)
    record = run(collectors(lambda _: SSH, look, ports=[is_open(80)]), DECLARED)[place(22).key, "ssh"]
    assert (record.reason, look.collector.asked) == (Reason.REFUSED, [])


def test_a_closed_port_where_nobody_expects_it_has_none() -> None:
    record = run(collectors(lambda _: SSH, second(), ports=[is_open(80)]), DECLARED)[place(22).key, "ssh"]
    assert record.facts == Absent(heard="the port is closed")


def test_what_is_filtered_is_not_seen() -> None:
    filtered = PortState(transport="tcp", port=22, status=PortStatus.FILTERED)
    look = second(lambda _, __: True)
    record = run(collectors(lambda _: SSH, look, ports=[filtered]), DECLARED)[place(22).key, "ssh"]
    assert (record.reason, look.collector.asked) == (Reason.TIMED_OUT, [])


def test_the_far_side_of_a_tarpit_is_not_asked() -> None:
    look = second()
    records = run(collectors(lambda _: SSH, look, ports=[is_open(p) for p in range(1, 101)]))
    assert len(look.collector.asked) == 64
    assert {r.reason for (_, kind), r in records.items() if kind == "ssh" and isinstance(r, Unobserved)} == {
        Reason.TARPIT
    }


# --- Everything is accounted for --------------------------------------------------------------------------


def test_what_is_recorded_is_not_asked_again() -> None:
    def everyone() -> Collectors:
        return collectors(
            lambda t: SSH if t.service.port == 22 else HTTP, second(), ports=[is_open(22), is_open(80)]
        )

    first = list(run(everyone()).values())
    for keep in range(len(first) + 1):
        again = run(everyone(), recorded=tuple(first[:keep]))
        kept = {(r.target.key, r.kind) for r in first[:keep]}
        assert kept.isdisjoint(again)
        assert kept | set(again) == {(r.target.key, r.kind) for r in first}


def test_a_run_from_before_there_was_a_second_look_gets_one() -> None:
    before = run(collectors(lambda _: SSH))
    look = second()
    after = run(collectors(lambda _: SSH, look), recorded=tuple(before.values()))
    assert (set(after), look.collector.asked) == ({(place(22).key, "ssh")}, [place(22)])


@pytest.mark.parametrize("broken", ["collector", "wants"])
def test_what_breaks_is_a_bug_of_that_endpoint_alone(broken: str) -> None:
    def breaks(target: Target | Endpoint, *_: object) -> bool:
        if target.service.port == 22:
            raise ZeroDivisionError("by hand")
        return True

    look = (
        second(breaks)
        if broken == "wants"
        else second(lambda _, __: True, answer=lambda t: breaks(t) and Absent(heard="x"))
    )
    records = run(collectors(lambda _: SSH, look, ports=[is_open(22), is_open(23)]))
    assert records[place(22).key, "ssh"].reason is Reason.BUG
    assert "ZeroDivisionError" in records[place(22).key, "ssh"].detail
    assert records[place(23).key, "ssh"].facts == Absent(heard="x")


def test_what_a_collector_leaves_out_is_a_bug() -> None:
    class Mute(Fake):
        def collect(self, targets, gate, **_):
            return iter(())

    records = run(collectors(lambda _: SSH, SecondLook(Mute(("ssh",)), speaks_ssh)))
    assert records[place(22).key, "ssh"].reason is Reason.BUG


def test_every_endpoint_has_a_record_of_every_kind() -> None:
    states = [is_open(22), is_open(80), PortState(transport="tcp", port=81, status=PortStatus.FILTERED)]
    heard = {22: SSH, 80: Gap(Reason.REFUSED), 25: HTTP}
    declared = [ExpectedService(place(p).service) for p in (22, 25, 80, 81)]
    records = run(collectors(lambda t: heard[t.service.port], second(), ports=states), *declared)
    for port in (22, 25, 80, 81):
        assert {kind for key, kind in records if key == place(port).key} == {"tls", "chain", "ssh"}
    assert AddressTarget("h", A).key in {key for key, _ in records}
