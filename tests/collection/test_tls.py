"""TLS and certificates as they are recorded: who is asked in which way, and what is left behind."""

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from secscan.checks.tls_audit import contradiction
from secscan.collection.sweep import SweepSettings
from secscan.collection.tls import TlsCollector, TlsSettings
from secscan.facts import Absent, Chain, ChainFacts, Depth, Gap, TlsFacts, TlsVersion
from secscan.model import Endpoint, Observation, Outcome, Reason, Record, Service, Unobserved
from secscan.scope import Gate, ProbeLog, ScopeError, scope_of_addresses, utc_now
from tests.collection.audit_processes import audit_processes, wait_for
from tests.collection.odd_servers import WatchingServer
from tests.collection.plaintext import smtp
from tests.lab.authority import Authority
from tests.lab.servers import (
    SSH_GREETING,
    V1_0,
    V1_2,
    V1_3,
    BannerServer,
    DrippingServer,
    EndlessServer,
    PlainHttpServer,
    ResettingServer,
    Running,
    Server,
    SilentServer,
    StallingServer,
    TlsServer,
)

ADDRESS = "127.77.3.1"
DEADLINE = 20.0
AUTHORITY = Authority(utc_now())
GOOD = AUTHORITY.good("a.example")
RSA = AUTHORITY.good("a.example", key="rsa-2048")

_, _, _1_0, _1_1, _1_2, _1_3 = TlsVersion


@pytest.fixture
def collector() -> Iterator[TlsCollector]:
    made = TlsCollector(TlsSettings(deadline=DEADLINE))
    yield made
    made.close()


@pytest.fixture(scope="module")
def deep() -> Iterator[TlsCollector]:
    made = TlsCollector(TlsSettings(depth=Depth.FULL, audit=True, deadline=DEADLINE))
    yield made
    made.close()


def gate(*addresses: str) -> Gate:
    return Gate(scope_of_addresses(addresses or [ADDRESS]), ProbeLog(None))


def endpoint(running: Running, server_name: str = "a.example") -> Endpoint:
    return Endpoint(Service("web1", "tcp", running.port, server_name), running.address)


def look(collector: TlsCollector, server: Server, server_name: str = "a.example") -> dict[str, Record]:
    with server.start(ADDRESS) as running:
        return records_of(collector, running, server_name)


def records_of(
    collector: TlsCollector, running: Running, server_name: str = "a.example"
) -> dict[str, Record]:
    records = list(collector.collect([endpoint(running, server_name)], gate(running.address)))
    assert sorted(record.kind for record in records) == ["chain", "tls", "tls-audit"]
    return {record.kind: record for record in records}


def tls_of(records: dict[str, Record]) -> TlsFacts:
    record = records["tls"]
    assert isinstance(record, Observation), record
    assert isinstance(record.facts, TlsFacts)
    return record.facts


def chains_of(records: dict[str, Record]) -> tuple[Chain, ...]:
    record = records["chain"]
    assert isinstance(record, Observation), record
    assert isinstance(record.facts, ChainFacts), record.facts
    return record.facts.chains


def offered(facts: TlsFacts) -> set[TlsVersion]:
    """The versions offered; of every other one it must be known that it is not."""
    assert not [offer for offer in facts.versions if isinstance(offer.offered, Gap)]
    return {offer.version for offer in facts.versions if offer.offered}


@pytest.fixture
def processes() -> Callable[[], set[int]]:
    """Says which processes for audits there are, beside those that there were before the test."""
    before = audit_processes(os.getpid())
    return lambda: audit_processes(os.getpid()) - before


# --- What is recorded ---------------------------------------------------------------------------------------


def test_what_is_offered_and_sent(collector: TlsCollector) -> None:
    records = look(collector, TlsServer((GOOD, RSA)))
    assert offered(tls_of(records)) == {_1_2, _1_3}
    assert [chain.certificates for chain in chains_of(records)] == [GOOD.certificates, RSA.certificates]


def test_every_record_of_one_look_is_of_one_instant(deep: TlsCollector) -> None:
    records = look(deep, TlsServer((GOOD,)))
    assert len({record.observed_at for record in records.values()}) == 1


def test_a_verdict_and_the_full_picture_are_told_apart() -> None:
    for depth in Depth:
        with contextlib.closing(TlsCollector(TlsSettings(depth=depth))) as collector:
            assert tls_of(look(collector, TlsServer((GOOD,)))).depth is depth


def test_sslyze_is_not_asked_where_nobody_wants_it_and_nothing_calls_for_it(
    collector: TlsCollector, processes: Callable[[], set[int]]
) -> None:
    audit = look(collector, TlsServer((GOOD,)))["tls-audit"]
    assert isinstance(audit, Observation)
    assert not audit.facts.says_anything
    assert not processes()


@pytest.mark.parametrize(
    ("ciphers", "expected"), [("ECDHE+AESGCM", Gap()), ("ECDHE+AESGCM:AES128-GCM-SHA256", "none")]
)
def test_robot_is_asked_about_where_rsa_key_exchange_is_accepted(
    collector: TlsCollector, ciphers: str, expected: str | Gap
) -> None:
    audit = look(collector, TlsServer((RSA,), maximum=V1_2, ciphers=ciphers))["tls-audit"]
    assert isinstance(audit, Observation)
    assert audit.facts.robot == expected


def test_the_sweep_and_sslyze_agree(deep: TlsCollector) -> None:
    for server in (
        TlsServer((GOOD, RSA)),
        TlsServer((RSA,), minimum=V1_0, maximum=V1_2, ciphers="ALL", weak=True),
        TlsServer((GOOD,), minimum=V1_3),
    ):
        records = look(deep, server)
        assert isinstance(records["chain"], Observation)
        assert isinstance(records["tls-audit"], Observation)
        assert isinstance(records["tls"], Observation)
        [verdict] = contradiction(records["tls"], records["chain"], records["tls-audit"])
        assert verdict.outcome is Outcome.PASS, verdict


def test_an_audit_comes_before_what_was_swept(deep: TlsCollector) -> None:
    # A run that is interrupted in between looks at the endpoint again.
    with TlsServer((GOOD,)).start(ADDRESS) as running:
        kinds = [record.kind for record in deep.collect([endpoint(running)], gate())]
    assert kinds == ["tls-audit", "tls", "chain"]


def test_virtual_hosts_are_told_apart_by_name(collector: TlsCollector) -> None:
    b = AUTHORITY.good("b.example")
    server = TlsServer((GOOD,), virtual_hosts=(("b.example", b),))
    with server.start(ADDRESS) as running:
        targets = [endpoint(running, name) for name in ("a.example", "b.example", "")]
        seen = {
            record.target.service.server_name: chains_of({"chain": record})[0].certificates
            for record in collector.collect(targets, gate())
            if record.kind == "chain" and isinstance(record.target, Endpoint)
        }
    assert seen == {"a.example": GOOD.certificates, "b.example": b.certificates, "": GOOD.certificates}


def test_no_name_is_sent_where_none_is_declared(deep: TlsCollector) -> None:
    server = WatchingServer((GOOD,))
    with server.start(ADDRESS) as running:
        records_of(deep, running, "")
    assert server.names == {None}


def test_names_in_any_script_go_over_the_wire_in_ascii(collector: TlsCollector) -> None:
    server = WatchingServer((GOOD,))
    with server.start(ADDRESS) as running:
        records_of(collector, running, "cổng.example")
    # The sweep asks without a name too: who is served then?
    assert server.names == {"xn--cng-qmz.example", None}


def test_ipv6(collector: TlsCollector) -> None:
    try:
        server = TlsServer((GOOD,)).start("::1")
    except OSError:
        pytest.skip("there is no ::1 here")
    with server as running:
        assert offered(tls_of(records_of(collector, running))) == {_1_2, _1_3}


def test_a_server_is_asked_about_one_virtual_host_after_the_other(collector: TlsCollector) -> None:
    with TlsServer((GOOD,)).start(ADDRESS) as running:
        names = [f"v{n}.example" for n in range(5)]
        records = list(collector.collect([endpoint(running, name) for name in names], gate()))
    seen = [record.target.service.server_name for record in records if isinstance(record.target, Endpoint)]
    assert list(dict.fromkeys(seen)) == names
    assert seen == sorted(seen)


# --- STARTTLS -----------------------------------------------------------------------------------------------


def test_starttls(collector: TlsCollector) -> None:
    records = look(collector, smtp(b"SIZE 1000", b"STARTTLS", tls=TlsServer((GOOD,))))
    facts = tls_of(records)
    assert facts.starttls == "smtp"
    assert offered(facts) == {_1_2, _1_3}
    assert chains_of(records)[0].certificates == GOOD.certificates


def test_no_starttls(collector: TlsCollector) -> None:
    for record in look(collector, smtp(b"SIZE 1000")).values():
        assert isinstance(record, Observation)
        assert record.facts == Absent(heard="SMTP without TLS", protocol="smtp")


# --- Those that speak no TLS, and those that mean harm ------------------------------------------------------


@pytest.mark.parametrize(
    ("server", "heard", "protocol"),
    [
        pytest.param(PlainHttpServer(), "plain HTTP", "http", id="HTTP"),
        pytest.param(BannerServer(SSH_GREETING), "an SSH banner", "ssh", id="SSH"),
        pytest.param(EndlessServer(), "text that is no TLS", "", id="endless"),
    ],
)
def test_what_is_no_tls_is_absent(collector: TlsCollector, server: Server, heard: str, protocol: str) -> None:
    for record in look(collector, server).values():
        assert isinstance(record, Observation)
        assert record.facts == Absent(heard=heard, protocol=protocol)


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        pytest.param(SilentServer(), Reason.TIMED_OUT, id="silent"),
        pytest.param(DrippingServer(interval=0.9), Reason.TIMED_OUT, id="drips"),
        pytest.param(
            DrippingServer(in_handshake=True, interval=0.3), Reason.TIMED_OUT, id="drips in a handshake"
        ),
        pytest.param(StallingServer(GOOD), Reason.TIMED_OUT, id="stalls in a handshake"),
        pytest.param(ResettingServer(), Reason.REFUSED, id="resets"),
    ],
)
def test_who_hinders_is_unobserved_and_over_in_time(server: Server, reason: Reason) -> None:
    deadline = 3.0
    hurried = TlsSettings(sweep=SweepSettings(deadline=deadline, patience=1.0))
    with contextlib.closing(TlsCollector(hurried)) as collector:
        began = time.monotonic()
        records = look(collector, server)
        assert time.monotonic() - began < 2 * deadline
    for record in records.values():
        assert isinstance(record, Unobserved), record
        assert record.reason is reason
        assert record.detail


def test_hostile_servers_do_not_hold_up_others(collector: TlsCollector) -> None:
    with contextlib.ExitStack() as running:
        held_up = [running.enter_context(DrippingServer(in_handshake=True).start(ADDRESS)) for _ in range(4)]
        fine = [running.enter_context(TlsServer((GOOD,)).start(ADDRESS)) for _ in range(4)]
        with contextlib.closing(collector.collect([endpoint(r) for r in held_up + fine], gate())) as records:
            first = [next(records) for _ in range(3 * len(fine))]
    assert {record.target for record in first if isinstance(record, Observation)} == {
        endpoint(r) for r in fine
    }


def test_a_mistake_of_ours_costs_one_endpoint(collector: TlsCollector) -> None:
    class Stumbling(Gate):
        async def connect_async(self, address: str, port: int, **options: Any) -> socket.socket:
            if port == 1:
                raise RuntimeError("a mistake")
            return await super().connect_async(address, port, **options)

    broken = Endpoint(Service("web1", "tcp", 1, "a.example"), ADDRESS)
    with TlsServer((GOOD,)).start(ADDRESS) as running:
        stumbling = Stumbling(scope_of_addresses([ADDRESS]), ProbeLog(None))
        records = list(collector.collect([broken, endpoint(running)], stumbling))
    assert {r.reason for r in records if r.target == broken and isinstance(r, Unobserved)} == {Reason.BUG}
    assert {r.kind for r in records if r.target != broken and isinstance(r, Observation)} == {
        "tls",
        "chain",
        "tls-audit",
    }


# --- What is left behind --------------------------------------------------------------------------------------


def own_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_no_descriptor_is_left_open(collector: TlsCollector) -> None:
    with contextlib.ExitStack() as started:
        servers = [TlsServer((GOOD,)), ResettingServer(), PlainHttpServer(), BannerServer(SSH_GREETING)] * 5
        running = [started.enter_context(server.start(ADDRESS)) for server in servers]
        targets = [endpoint(r) for r in running]
        list(collector.collect(targets, gate()))
        before = own_descriptors()
        for _ in range(3):
            list(collector.collect(targets, gate()))
        # The servers run in this process, and close their ends in their own time.
        wait_for(lambda: own_descriptors() <= before, "every connection is closed")


def test_closing_early_leaves_neither_connections_nor_threads(processes: Callable[[], set[int]]) -> None:
    collector = TlsCollector()
    with contextlib.ExitStack() as started:
        slow = [started.enter_context(DrippingServer(in_handshake=True).start(ADDRESS)) for _ in range(5)]
        fine = started.enter_context(TlsServer((GOOD,)).start(ADDRESS))
        before = own_descriptors()
        records = collector.collect([endpoint(r) for r in (*slow, fine)], gate())
        next(records)
        records.close()
        wait_for(lambda: not _tls_threads(), "no thread is left")
        wait_for(lambda: own_descriptors() <= before, "every connection is closed")
        assert not processes()


def test_closing_early_ends_an_audit(processes: Callable[[], set[int]]) -> None:
    collector = TlsCollector(TlsSettings(audit=True))
    with contextlib.ExitStack() as started:
        running = [started.enter_context(TlsServer((GOOD,)).start(ADDRESS)) for _ in range(30)]
        records = collector.collect([endpoint(r) for r in running], gate())
        next(records)
        assert processes()
        records.close()
        wait_for(lambda: not processes(), "every process is gone")
        wait_for(lambda: not _tls_threads(), "no thread is left")
        assert not processes()


def _tls_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("tls")]


def test_a_collector_that_is_forgotten_leaves_no_process(processes: Callable[[], set[int]]) -> None:
    look(TlsCollector(TlsSettings(audit=True)), TlsServer((GOOD,)))
    wait_for(lambda: not processes(), "every process is gone")


# --- Scope ----------------------------------------------------------------------------------------------------


def test_outside_the_scope_nothing_is_asked(deep: TlsCollector) -> None:
    server = WatchingServer((GOOD,))
    with server.start(ADDRESS) as running:
        records = list(deep.collect([endpoint(running)], gate("127.77.3.2")))
    assert [record.reason for record in records if isinstance(record, Unobserved)] == [
        Reason.OUT_OF_SCOPE
    ] * 3
    assert server.names == set()


def test_every_connection_was_admitted(deep: TlsCollector, tmp_path: Path) -> None:
    log = tmp_path / "probes.jsonl"
    with TlsServer((RSA,), ciphers="ALL", weak=True).start(ADDRESS) as running, ProbeLog(log) as probes:
        records = list(deep.collect([endpoint(running)], Gate(scope_of_addresses([ADDRESS]), probes)))
    made = {r.kind: int(r.volatile["connections"]) for r in records if isinstance(r, Observation)}
    admitted = [json.loads(line) for line in log.read_text().splitlines()]
    swept = sum(line["connections"] for line in admitted if line["what"] == "tls sweep")
    audited = sum(line["connections"] for line in admitted if line["what"] == "tls audit")
    assert swept == made["tls"]
    assert audited >= made["tls-audit"] > 40


def test_a_log_that_cant_be_written_ends_the_look(collector: TlsCollector, tmp_path: Path) -> None:
    log = ProbeLog(tmp_path / "probes.jsonl")
    log.close()
    with TlsServer((GOOD,)).start(ADDRESS) as running, pytest.raises(ScopeError):
        list(collector.collect([endpoint(running)], Gate(scope_of_addresses([ADDRESS]), log)))


def test_other_transports_are_left_alone(collector: TlsCollector) -> None:
    target = Endpoint(Service("web1", "udp", 443), ADDRESS)
    records = list(collector.collect([target], gate()))
    assert [record.reason for record in records if isinstance(record, Unobserved)] == [
        Reason.NOT_COLLECTED
    ] * 3


def test_no_targets(collector: TlsCollector) -> None:
    assert list(collector.collect([], gate())) == []
