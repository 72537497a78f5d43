"""The gate: what it lets through, how fast, what it writes down, and what names lead to."""

import asyncio
import contextlib
import ipaddress
import json
import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secscan.model import Reason
from secscan.scope import (
    Gate,
    Pace,
    ProbeLog,
    ProbeLogError,
    Rates,
    Refusal,
    Refused,
    Scope,
    Window,
    resolve_addresses,
)
from secscan.scope.pace import BURST

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


class Clocks:
    """A monotonic clock and a wall clock that move only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> datetime:
        return NOON + timedelta(seconds=self.now - 100.0)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def scope(**fields: Any) -> Scope:
    return Scope(
        **{"owner": "x", "expires": date(2027, 1, 1), "networks": ("127.20.0.0/16", "::1"), **fields}
    )


def gate(
    judged: Scope | None = None, log: ProbeLog | None = None, clocks: Clocks | None = None, **options: Any
) -> Gate:
    clocks = clocks or Clocks()
    return Gate(
        judged or scope(),
        log or ProbeLog(None),
        clock=clocks.wall,
        monotonic=clocks.monotonic,
        sleep=clocks.sleep,
        **options,
    )


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@pytest.fixture
def listener() -> Iterator[tuple[str, int]]:
    with socket.create_server(("127.20.0.1", 0)) as server:
        yield server.getsockname()


# --- Admitting --------------------------------------------------------------------------------------------


def test_what_is_in_the_scope_is_admitted_and_written_down(tmp_path: Path) -> None:
    with ProbeLog(tmp_path / "probes.jsonl") as log:
        gate(log=log).admit(
            "::ffff:127.20.0.1", what="ports", ports="1-1000", name="a.example", connections=1000
        )
    assert lines(tmp_path / "probes.jsonl") == [
        {
            "at": "2026-06-01T12:00:00.000+00:00",
            "what": "ports",
            "address": "127.20.0.1",
            "name": "a.example",
            "ports": "1-1000",
            "connections": 1000,
            "verdict": "admitted",
        }
    ]


def test_what_is_outside_is_refused_and_written_down(tmp_path: Path) -> None:
    with ProbeLog(tmp_path / "probes.jsonl") as log, pytest.raises(Refused) as caught:
        gate(log=log).admit("127.21.0.1", what="tls", ports="443")
    assert caught.value.refusal == Refusal(Reason.OUT_OF_SCOPE, "127.21.0.1 is in no network of the scope")
    [line] = lines(tmp_path / "probes.jsonl")
    assert (line["verdict"], line["reason"], line["detail"]) == (
        "refused",
        "out-of-scope",
        "127.21.0.1 is in no network of the scope",
    )


def test_an_expired_scope_refuses(tmp_path: Path) -> None:
    with pytest.raises(Refused) as caught:
        gate(scope(expires=date(2026, 5, 31))).admit("127.20.0.1", what="tls", ports="443")
    assert caught.value.refusal.reason is Reason.OUT_OF_SCOPE


def test_permits_neither_waits_nor_writes(tmp_path: Path) -> None:
    clocks = Clocks()
    with ProbeLog(tmp_path / "probes.jsonl") as log:
        asked = gate(scope(rates=Rates(1, 1)), log, clocks)
        verdicts = [asked.permits(address) for address in ("127.20.0.1", "127.20.0.1", "127.21.0.1")]
    assert [v and v.reason for v in verdicts] == [None, None, Reason.OUT_OF_SCOPE]
    assert (clocks.slept, lines(tmp_path / "probes.jsonl")) == ([], [])


def test_a_window_that_closes_during_the_wait_refuses() -> None:
    clocks = Clocks()
    judged = scope(
        windows=(Window(starts=time(11), ends=time(12, 0, 5)),), rates=Rates(connections_per_second=1)
    )
    asked = gate(judged, clocks=clocks)
    asked.admit("127.20.0.1", what="ports", ports="1-10", connections=10)
    with pytest.raises(Refused) as caught:
        asked.admit("127.20.0.2", what="ports", ports="1-10", connections=10)
    assert caught.value.refusal.reason is Reason.OUT_OF_WINDOW


@pytest.mark.parametrize("share", [Fraction(0), Fraction(-1, 2), Fraction(3, 2)])
def test_a_share_that_is_none_is_refused(share: Fraction) -> None:
    with pytest.raises(ValueError, match="share"):
        gate(share=share)


@pytest.mark.parametrize(
    ("rate", "share", "expected"),
    [(2000, Fraction(1), 2000), (2000, Fraction(1, 3), 666), (1, Fraction(1, 3), 1)],
)
def test_a_tool_gets_its_share_of_the_rate(rate: int, share: Fraction, expected: int) -> None:
    asked = gate(scope(rates=Rates(connections_per_second=rate)), share=share)
    assert asked.packets_per_second == expected


def test_what_paces_itself_is_not_made_to_wait() -> None:
    clocks = Clocks()
    asked = gate(scope(rates=Rates(10, 10)), clocks=clocks)
    for i in range(100):
        asked.admit(f"127.20.0.{i}", what="ports", ports="1-1000", connections=1000, paced=False)
    assert clocks.slept == []


# --- Pace -------------------------------------------------------------------------------------------------


def turns(rate: float, per_host: float, asked: list[tuple[str, int, float]]) -> list[tuple[float, str, int]]:
    """When each turn began, for (host, connections, idle time before it)."""
    clocks = Clocks()
    pace = Pace(rate, per_host, monotonic=clocks.monotonic, sleep=clocks.sleep)
    begun = []
    for host, connections, idle in asked:
        clocks.now += idle
        pace.wait(host, connections)
        begun.append((clocks.now, host, connections))
    return begun


requests = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(1, 50), st.floats(0, 2)), min_size=1, max_size=40
)


def most_in_any_stretch(begun: list[tuple[float, int]], rate: float) -> float:
    """By how much the connections between any two turns outrun ``rate``, the last turn's left out."""
    excess = float("-inf")
    for first in range(len(begun)):
        total = 0
        for last in range(first, len(begun)):
            excess = max(excess, total - rate * (begun[last][0] - begun[first][0]))
            total += begun[last][1]
    return excess


@given(st.floats(0.5, 5000), st.floats(0.5, 5000), requests)
@settings(deadline=None)
def test_no_stretch_of_time_sees_more_than_the_rates(
    rate: float, per_host: float, asked: list[tuple[str, int, float]]
) -> None:
    begun = turns(rate, per_host, asked)
    slack = 1e-6
    assert (
        most_in_any_stretch([(at, n) for at, _host, n in begun], rate) <= rate * BURST * (1 + slack) + slack
    )
    for host in "abc":
        own = [(at, n) for at, h, n in begun if h == host]
        assert most_in_any_stretch(own, per_host) <= per_host * BURST * (1 + slack) + slack


@given(st.floats(0.5, 5000), requests)
@settings(deadline=None)
def test_the_pace_is_not_slower_than_the_rate(rate: float, asked: list[tuple[str, int, float]]) -> None:
    begun = turns(rate, 1e9, asked)
    idle = sum(i for _host, _n, i in asked)
    assert begun[-1][0] - 100.0 <= idle + sum(n for _host, n, _idle in asked[:-1]) / rate + 0.006


def test_a_slow_host_does_not_hold_up_the_others() -> None:
    clocks, asleep, wake = Clocks(), threading.Event(), threading.Event()

    def sleep(seconds: float) -> None:
        asleep.set()
        wake.wait(10)
        clocks.sleep(seconds)

    pace = Pace(1000, 1, monotonic=clocks.monotonic, sleep=sleep)
    pace.wait("slow")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(pace.wait, "slow")
        assert asleep.wait(10)
        assert pace.wait("quick") is False
        wake.set()
        assert waiting.result(10) is True


def test_hosts_that_are_done_are_forgotten() -> None:
    clocks = Clocks()
    pace = Pace(1e9, 100, monotonic=clocks.monotonic, sleep=clocks.sleep)
    for i in range(20_000):
        pace.wait(str(i))
        clocks.now += 0.001
    assert len(pace._hosts) < 5000


# --- Connecting -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shown", ["127.20.0.1", "::ffff:127.20.0.1", "64:ff9b::127.20.0.1", "64:ff9b:1::127.20.0.1"]
)
def test_connecting_goes_to_what_the_address_stands_for(listener: tuple[str, int], shown: str) -> None:
    with gate().connect(shown, listener[1], what="tls", timeout=5) as connection:
        assert connection.getpeername() == listener


def test_connecting_over_ipv6() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        port = server.getsockname()[1]
        with gate().connect("::1", port, what="tls", timeout=5) as connection:
            assert connection.getpeername()[:2] == ("::1", port)


def test_the_connection_keeps_the_timeout(listener: tuple[str, int]) -> None:
    with gate().connect("127.20.0.1", listener[1], what="tls", timeout=3) as connection:
        assert connection.gettimeout() == 3


def test_a_closed_port_is_the_hosts_own_answer(tmp_path: Path, listener: tuple[str, int]) -> None:
    with ProbeLog(tmp_path / "probes.jsonl") as log, pytest.raises(ConnectionRefusedError):
        gate(log=log).connect("127.20.0.2", listener[1], what="tls", timeout=5)
    assert [line["verdict"] for line in lines(tmp_path / "probes.jsonl")] == ["admitted"]


def test_nothing_is_connected_that_is_refused() -> None:
    with socket.create_server(("127.21.0.1", 0)) as server:
        server.setblocking(False)
        with pytest.raises(Refused):
            gate().connect("127.21.0.1", server.getsockname()[1], what="tls", timeout=5)
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize("name", ["localhost", "127.1", "0x7f.20.0.1", "2130968577", ""])
def test_connect_looks_nothing_up(name: str) -> None:
    with pytest.raises(Refused, match="not an IP address"):
        gate(scope(networks=("127.0.0.0/8",))).connect(name, 80, what="tls", timeout=5)


# --- The log ----------------------------------------------------------------------------------------------


def test_the_log_is_its_owners_alone(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        ProbeLog(tmp_path / "probes.jsonl").close()
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "probes.jsonl").stat().st_mode) == 0o600


def test_the_log_only_grows(tmp_path: Path) -> None:
    path = tmp_path / "probes.jsonl"
    for _ in range(2):
        with ProbeLog(path) as log:
            gate(log=log).admit("127.20.0.1", what="tls", ports="443")
    assert len(lines(path)) == 2


def test_two_logs_of_one_file_share_no_line(tmp_path: Path) -> None:
    path = tmp_path / "probes.jsonl"

    def probe(worker: int) -> None:
        with ProbeLog(path) as log:
            asked = gate(scope(rates=Rates(1_000_000, 1_000_000)), log)
            for i in range(200):
                asked.admit(f"127.20.{worker}.{i}", what="x" * 3000, ports="443")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(probe, range(4)))
    assert len({line["address"] for line in lines(path)}) == 800


@given(st.text(max_size=300), st.text(max_size=300))
@settings(deadline=None)
def test_nothing_a_host_says_leaves_its_line(
    tmp_path_factory: pytest.TempPathFactory, name: str, address: str
) -> None:
    path = tmp_path_factory.mktemp("log") / "probes.jsonl"
    with ProbeLog(path) as log, pytest.raises(Refused):
        gate(log=log).admit(address + "!", what="tls", ports="443", name=name)
    content = path.read_bytes()
    assert content.count(b"\n") == 1
    assert all(0x20 <= byte < 0x7F for byte in content[:-1])
    assert json.loads(content)["name"] == name[:255]


def test_a_log_that_cant_be_opened_says_so(tmp_path: Path) -> None:
    with pytest.raises(ProbeLogError, match="can't be opened: Is a directory"):
        ProbeLog(tmp_path)


def test_without_a_log_line_there_is_no_probe() -> None:
    with socket.create_server(("127.20.0.1", 0)) as server:
        server.setblocking(False)
        with ProbeLog(Path("/dev/full")) as log, pytest.raises(ProbeLogError, match="No space left"):
            gate(log=log).connect("127.20.0.1", server.getsockname()[1], what="tls", timeout=5)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_a_closed_log_admits_nothing(tmp_path: Path) -> None:
    log = ProbeLog(tmp_path / "probes.jsonl")
    log.close()
    with pytest.raises(ProbeLogError, match="closed"):
        gate(log=log).admit("127.20.0.1", what="tls", ports="443")


# --- Names ------------------------------------------------------------------------------------------------


def says(*addresses: str) -> Callable[[str], list[str]]:
    return lambda name: list(addresses)


def test_addresses_of_a_name_are_canonical_sorted_and_single() -> None:
    asked = gate(lookup=says("::1", "127.20.0.2", "::ffff:127.20.0.2", "64:ff9b::127.20.0.1"))
    assert asked.resolve("a.example", timeout=5) == ("127.20.0.1", "127.20.0.2", "::1")


def test_the_lookup_is_asked_for_the_canonical_name() -> None:
    names: list[str] = []

    def lookup(name: str) -> list[str]:
        names.append(name)
        return ["127.20.0.1"]

    gate(lookup=lookup).resolve("Cổng.Example.", timeout=5)
    assert names == ["xn--cng-qmz.example"]


@pytest.mark.parametrize(
    ("literal", "expected"), [("127.99.0.1", "127.99.0.1"), ("::FFFF:127.20.0.1", "127.20.0.1")]
)
def test_an_address_is_its_own_and_judged_only_at_connect_time(literal: str, expected: str) -> None:
    assert gate(lookup=says()).resolve(literal, timeout=5) == (expected,)


def addresses(count: int) -> list[str]:
    return [str(ipaddress.ip_address("127.20.0.0") + i) for i in range(count)]


def test_up_to_64_addresses_are_returned() -> None:
    assert len(gate(lookup=says(*addresses(64), "127.20.0.1")).resolve("a.example", timeout=5)) == 64


def test_a_name_with_more_addresses_is_not_looked_at_in_part() -> None:
    detail = unresolved(says(*addresses(65)))
    assert detail == "the name a.example has 65 addresses; up to 64 are looked at"


def test_an_answer_that_is_no_address_is_left_out() -> None:
    strange = ("fe80::1%an interface", "(10, b'')", "")
    assert gate(lookup=says(*strange, "127.20.0.1")).resolve("a.example", timeout=5) == ("127.20.0.1",)
    assert unresolved(says(*strange)) == "the name a.example has no address"


def test_an_excluded_name_is_not_looked_up(tmp_path: Path) -> None:
    def lookup(name: str) -> list[str]:
        raise AssertionError(name)

    judged = scope(exclude_names=("*.secret.example",))
    with ProbeLog(tmp_path / "probes.jsonl") as log, pytest.raises(Refused) as caught:
        gate(judged, log, lookup=lookup).resolve("a.secret.example", timeout=5)
    assert caught.value.refusal.reason is Reason.OUT_OF_SCOPE
    assert [(line["what"], line["name"]) for line in lines(tmp_path / "probes.jsonl")] == [
        ("resolve", "a.secret.example")
    ]


def test_a_name_that_resolves_outside_is_refused_when_it_is_connected_to() -> None:
    asked = gate(scope(names=("a.example",)), lookup=says("127.99.0.1"))
    [address] = asked.resolve("a.example", timeout=5)
    with pytest.raises(Refused) as caught:
        asked.connect(address, 443, what="tls", timeout=5, name="a.example")
    assert caught.value.refusal.reason is Reason.OUT_OF_SCOPE


def unresolved(lookup: Callable[[str], list[str]], timeout: float = 5) -> str:
    with pytest.raises(Refused) as caught:
        gate(lookup=lookup).resolve("a.example", timeout=timeout)
    assert caught.value.refusal.reason is Reason.NOT_RESOLVED
    return caught.value.refusal.detail


def test_a_name_without_an_answer_in_time_is_given_up() -> None:
    release = threading.Event()

    def lookup(name: str) -> list[str]:
        release.wait(30)
        return ["127.20.0.1"]

    assert unresolved(lookup, timeout=0.05) == "the name a.example was not resolved within 0.05 s"
    release.set()


def test_a_name_that_does_not_exist_says_what_the_resolver_said() -> None:
    def lookup(name: str) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    assert unresolved(lookup) == "the name a.example can't be resolved: Name or service not known"


def test_a_name_with_no_address_is_not_resolved() -> None:
    assert unresolved(says()) == "the name a.example has no address"


def test_the_systems_resolver_is_asked() -> None:
    assert "127.0.0.1" in resolve_addresses("localhost", timeout=5)


def test_what_is_no_name_is_not_resolved() -> None:
    with pytest.raises(Refused, match="not a DNS name"):
        resolve_addresses("a b", timeout=5)


# --- Without blocking ---------------------------------------------------------------------------------------


def test_a_connection_is_made_without_blocking(tmp_path: Path) -> None:
    log = tmp_path / "probes"

    async def connect(gate: Gate, port: int) -> None:
        with await gate.connect_async("127.20.0.1", port, what="test", timeout=5) as connection:
            assert not connection.getblocking()
            assert connection.getpeername() == ("127.20.0.1", port)

    with socket.create_server(("127.20.0.1", 0)) as server, ProbeLog(log) as probes:
        port = server.getsockname()[1]
        asyncio.run(connect(Gate(scope(), probes, clock=lambda: NOON), port))
    [line] = log.read_text().splitlines()
    entry = json.loads(line)
    assert (entry["what"], entry["ports"], entry["verdict"]) == ("test", str(port), "admitted")


def test_what_is_out_of_scope_is_refused_without_blocking(tmp_path: Path) -> None:
    log = tmp_path / "probes"
    with ProbeLog(log) as probes:
        gate = Gate(scope(), probes, clock=lambda: NOON)
        with pytest.raises(Refused):
            asyncio.run(gate.connect_async("127.21.0.1", 9, what="test", timeout=5))
    assert json.loads(log.read_text())["verdict"] == "refused"


def test_a_refused_connection_is_an_error_without_blocking() -> None:
    with socket.create_server(("127.20.0.1", 0)) as server:
        port = server.getsockname()[1]
    gate = Gate(scope(), ProbeLog(None), clock=lambda: NOON)
    with pytest.raises(ConnectionRefusedError):
        asyncio.run(gate.connect_async("127.20.0.1", port, what="test", timeout=5))


def test_a_connection_that_is_not_taken_times_out_without_blocking() -> None:
    gate = Gate(scope(), ProbeLog(None), clock=lambda: NOON)
    with socket.socket() as full:
        full.bind(("127.20.0.1", 0))
        full.listen(0)
        with contextlib.ExitStack() as held:
            for _ in range(8):
                waiting = held.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(full.getsockname())
            with pytest.raises(TimeoutError):
                asyncio.run(gate.connect_async(*full.getsockname(), what="test", timeout=0.05))


def test_turns_are_waited_for_while_others_go_on() -> None:
    """Eight connections at twenty a second, two of them at once: six twentieths of a second later all are made."""
    turns: list[float] = []

    async def all_of_them(gate: Gate, port: int) -> None:
        async def one() -> None:
            admitted = asyncio.get_running_loop().time
            connection = await gate.connect_async(
                "127.20.0.1", port, what="test", timeout=5, admitted=lambda: turns.append(admitted())
            )
            connection.close()

        await asyncio.gather(*(one() for _ in range(8)))

    with socket.create_server(("127.20.0.1", 0), backlog=16) as server:
        gate = Gate(scope(rates=Rates(1000, 20)), ProbeLog(None), clock=lambda: NOON)
        asyncio.run(all_of_them(gate, server.getsockname()[1]))
    assert len(turns) == 8
    assert turns[-1] - turns[0] >= 8 / 20 - BURST - 1 / 20
