"""UDP: what answers, what a host calls closed, and silence, which is neither."""

import contextlib
import dataclasses
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secscan.collection.ports import PortCollector, PortSettings, with_udp
from secscan.collection.udp_probes import PORTS, is_monlist, monlist, probe
from secscan.collection.udp_scan import MOST_TRIES, TRIES, UdpSeen, scan_udp
from secscan.facts import Gap, PortFacts, PortState, PortStatus
from secscan.model import AddressTarget, Observation
from secscan.scope import Gate, ProbeLog, Rates, scope_of_addresses

ADDRESS = "127.85.0.1"
FAST = Rates(connections_per_second=10_000, per_host=10_000)

pytestmark = pytest.mark.root
needs_low_ports = pytest.mark.skipif(os.geteuid() != 0, reason="listening below port 1024 needs root")


def gate(*addresses: str, log: Path | None = None) -> Gate:
    scope = scope_of_addresses(addresses or [ADDRESS])
    return Gate(dataclasses.replace(scope, rates=FAST), ProbeLog(log))


def scan(*ports: int, address: str = ADDRESS, log: Path | None = None) -> UdpSeen:
    [(_, seen)] = scan_udp([address], ports, gate(address, log=log))
    assert seen is not None
    return seen


@contextlib.contextmanager
def serving(
    port: int, reply: Callable[[bytes], bytes | None], *, address: str = ADDRESS, other_port: bool = False
) -> Iterator[list[bytes]]:
    """A server of ours; it says nothing where ``reply`` gives None. Gives what it heard."""
    heard: list[bytes] = []
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        listener.bind((address, port))
        speaker = listener
        if other_port:
            speaker = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            speaker.bind((address, 0))

        def serve() -> None:
            while True:
                try:
                    data, peer = listener.recvfrom(4096)
                except OSError:
                    return
                if not data and heard and heard[-1] == b"end":
                    return
                heard.append(data)
                if data == b"end":
                    return
                answer = reply(data)
                if answer is not None:
                    speaker.sendto(answer, peer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield heard
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"end", (address, port))
            thread.join(5)


@needs_low_ports
class TestStatuses:
    def test_what_nobody_listens_on_is_called_closed_by_the_host(self) -> None:
        assert {state.status for state in scan(*PORTS).ports} == {PortStatus.CLOSED}

    def test_what_answers_is_open(self) -> None:
        with serving(161, lambda _: b"any answer"):
            [state] = scan(161).ports
        assert state.identity is not None
        assert (state.status, state.identity.name) == (PortStatus.OPEN, "snmp")

    def test_what_says_nothing_is_open_or_filtered(self) -> None:
        with serving(161, lambda _: None) as heard:
            [state] = scan(161).ports
        assert (state.status, state.why) == (PortStatus.UNCERTAIN, "no-response")
        assert len(heard) - 1 == TRIES

    def test_a_silent_port_is_asked_on_where_another_was_seen_closed(self) -> None:
        with serving(161, lambda _: None) as heard:
            scan(161, 623)
        assert len(heard) - 1 == MOST_TRIES

    def test_an_answer_to_the_second_question_counts(self) -> None:
        asked = []

        def late(data: bytes) -> bytes | None:
            asked.append(data)
            return b"late" if len(asked) == 2 else None

        with serving(161, late):
            [state] = scan(161).ports
        assert state.status is PortStatus.OPEN

    @pytest.mark.parametrize(("port", "status"), [(69, PortStatus.OPEN), (161, PortStatus.UNCERTAIN)])
    def test_tftp_alone_may_answer_from_another_port(self, port: int, status: PortStatus) -> None:
        with serving(port, lambda _: b"\0\x05\0\x01\0", other_port=True):
            [state] = scan(port).ports
        assert state.status is status

    def test_ipv6(self) -> None:
        assert {state.status for state in scan(53, 161, address="::1").ports} == {PortStatus.CLOSED}


@needs_low_ports
class TestMonlist:
    @staticmethod
    def ntp(data: bytes, *, entries: int | None) -> bytes | None:
        if data[0] & 7 == 3:
            return b"\x24" + bytes(47)
        return None if entries is None else b"\xd7\x00\x03\x2a" + entries.to_bytes(2, "big") + bytes(74)

    @pytest.mark.parametrize(("entries", "told"), [(1, True), (0, False), (None, False), (0x4000, False)])
    def test_it_is_asked_of_who_answers_clients(self, entries: int | None, told: bool) -> None:
        with serving(123, lambda data: self.ntp(data, entries=entries)):
            assert scan(123).monlist is told

    def test_and_of_nobody_else(self) -> None:
        with serving(123, lambda _: None) as heard:
            assert scan(123).monlist == Gap()
        assert monlist() not in heard

    @given(st.binary(max_size=100))
    def test_any_bytes_are_read(self, noise: bytes) -> None:
        assert is_monlist(noise) in (True, False)


class TestQuestions:
    def test_dns_and_multicast_dns_are_questions(self) -> None:
        for port in (53, 5353):
            assert len(dns.message.from_wire(probe(port)).question) == 1

    def test_snmp_is_asked_in_version_3_without_a_community(self) -> None:
        question = probe(161)
        assert (question[0], question[1]) == (0x30, len(question) - 2)
        assert question[2:5] == b"\x02\x01\x03"
        assert b"public" not in question

    @pytest.mark.parametrize("port", PORTS)
    def test_none_is_longer_than_a_small_datagram(self, port: int) -> None:
        assert len(probe(port)) <= 128


class TestTheGate:
    def test_who_is_out_of_scope_is_not_asked(self) -> None:
        assert list(scan_udp(["127.85.0.9"], PORTS, gate(ADDRESS))) == [("127.85.0.9", None)]

    @needs_low_ports
    def test_each_round_is_a_line_of_the_log(self, tmp_path: Path) -> None:
        with serving(161, lambda _: None):
            scan(161, log=tmp_path / "probes")
        lines = [json.loads(line) for line in (tmp_path / "probes").read_text().splitlines()]
        assert [(line["what"], line["ports"]) for line in lines] == [("udp", "161")] * TRIES


class TestFacts:
    FACTS = PortFacts(method="connect", asked={"tcp": "22"}, ports=(), rest={"tcp": PortStatus.CLOSED})

    @staticmethod
    def state(port: int, status: PortStatus) -> PortState:
        return PortState(transport="udp", port=port, status=status)

    def test_the_most_frequent_status_is_not_listed(self) -> None:
        states = [self.state(53, PortStatus.CLOSED), self.state(69, PortStatus.CLOSED)]
        facts = with_udp(self.FACTS, UdpSeen((*states, self.state(161, PortStatus.UNCERTAIN))))
        assert [state.port for state in facts.ports] == [161]
        assert (facts.asked["udp"], facts.rest["udp"]) == ("53,69,161", PortStatus.CLOSED)

    def test_where_nothing_was_asked_nothing_changes(self) -> None:
        assert with_udp(self.FACTS, None) == self.FACTS

    @needs_low_ports
    @pytest.mark.parametrize("nmap", [None, False])
    def test_they_are_in_one_record_with_the_tcp_ports(self, nmap: bool | None) -> None:
        settings = PortSettings(
            default_ports="1-3", nmap=nmap, version_detection=False, udp_ports=PORTS, zone="wan"
        )
        with serving(161, lambda _: b"any answer"):
            [record] = PortCollector(settings).collect([AddressTarget("web", ADDRESS)], gate())
        assert isinstance(record, Observation)
        assert [(p.transport, p.port) for p in record.facts.ports] == [("udp", 161)]
        assert set(record.facts.asked) == {"tcp", "udp"}
        assert record.facts.seen_from == "wan"
