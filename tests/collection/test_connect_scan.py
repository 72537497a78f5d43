"""The scan for machines without nmap: the same answers as nmap's, within the same rates, and nothing left behind."""

import contextlib
import dataclasses
import json
import resource
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from secscan.collection.connect_scan import (
    GREETING,
    LONGEST_GREETING,
    identity_of,
    is_own_reflection,
    scan_by_connecting,
)
from secscan.collection.default_ports import name_of, top_ports
from secscan.collection.port_scan import Ask, Missed, Seen
from secscan.collection.ports import PortCollector, PortSettings, find_nmap
from secscan.facts.ports import PortFacts, PortStatus, ServiceIdentity, ports_in
from secscan.model import AddressTarget, Observation, Reason
from secscan.scope import Gate, ProbeLog, Rates, scope_of_addresses
from tests import netns
from tests.collection.listeners import closed_port, filtered_port, open_port
from tests.lab.servers import (
    HOSTILE_GREETING,
    MYSQL_GREETING,
    SSH_GREETING,
    VNC_GREETING,
    BannerServer,
    DrippingServer,
    EndlessServer,
    ResettingServer,
    random_greeting,
)

ADDRESS = "127.81.0.1"
FAST = Rates(connections_per_second=100_000, per_host=100_000)


def gate(*addresses: str, rates: Rates = FAST, log: Path | None = None) -> Gate:
    return Gate(dataclasses.replace(scope_of_addresses(addresses), rates=rates), ProbeLog(log))


def scan(
    *asks: Ask, through: Gate | None = None, deadline: float = 20.0, greetings: bool = False
) -> list[Seen | Missed]:
    through = through or gate(*(ask.address for ask in asks))
    return list(scan_by_connecting(asks, through, deadline=deadline, greetings=greetings))


def facts(*ports: int, address: str = ADDRESS, greetings: bool = False) -> PortFacts:
    [seen] = scan(Ask(address, frozenset(ports)), greetings=greetings)
    assert isinstance(seen, Seen)
    return seen.facts


def identity(greeting: bytes, port: int = 4999) -> ServiceIdentity:
    """Of a server that greets so."""
    with BannerServer(greeting).start(ADDRESS) as server:
        [state] = facts(server.port, greetings=True).open()
    assert state.identity is not None
    return state.identity


def open_files() -> set[Path]:
    return set(Path("/proc/self/fd").iterdir())


@contextlib.contextmanager
def at_most_files(n: int) -> Iterator[None]:
    """Of this process, however many it could have."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (n, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture(scope="module")
def three_kinds() -> Iterator[dict[PortStatus, int]]:
    with open_port(ADDRESS) as opened, closed_port(ADDRESS) as closed, filtered_port(ADDRESS) as filtered:
        yield {PortStatus.OPEN: opened, PortStatus.CLOSED: closed, PortStatus.FILTERED: filtered}


@pytest.fixture(scope="module")
def found(three_kinds: dict[PortStatus, int]) -> PortFacts:
    # One more that is closed, so that neither of the others is the most frequent, which is not listed.
    with closed_port(ADDRESS) as another:
        return facts(*three_kinds.values(), another)


class TestStatuses:
    def test_open_closed_and_filtered_are_told_apart(
        self, found: PortFacts, three_kinds: dict[PortStatus, int]
    ) -> None:
        assert {found.status("tcp", port): port for port in three_kinds.values()} == three_kinds

    def test_each_has_nmaps_word_for_why(self, found: PortFacts) -> None:
        assert {(s.status, s.why) for s in found.ports} == {
            (PortStatus.FILTERED, "no-response"),
            (PortStatus.OPEN, "syn-ack"),
        }

    def test_ipv6(self) -> None:
        with open_port("::1") as opened, closed_port("::1") as closed:
            found = facts(opened, closed, address="::1")
        assert [found.status("tcp", port) for port in (opened, closed)] == [
            PortStatus.OPEN,
            PortStatus.CLOSED,
        ]

    def test_a_port_that_resets_after_accepting_is_open(self) -> None:
        with ResettingServer().start(ADDRESS) as server:
            # While the others are begun, the reset comes, and connect() fails though the port had accepted.
            others = range(server.port + 1, server.port + 400)
            found = [facts(server.port, *others).status("tcp", server.port) for _ in range(5)]
        assert found == [PortStatus.OPEN] * 5

    def test_the_method_is_labelled(self) -> None:
        assert facts(1).method == "connect"

    def test_what_was_asked_is_kept_as_ranges(self) -> None:
        assert facts(7, 9, 10, 11).asked == {"tcp": "7,9-11"}

    def test_a_filtered_port_is_tried_twice(self) -> None:
        with filtered_port(ADDRESS) as port:
            began = time.monotonic()
            facts(port)
            took = time.monotonic() - began
        assert 2.9 < took < 6  # 1 s and 2 s of patience

    @pytest.mark.skipif(find_nmap() is None, reason="the package nmap is missing")
    def test_the_results_are_those_of_nmap(self, three_kinds: dict[PortStatus, int]) -> None:
        addresses = [f"127.81.1.{n}" for n in range(1, 4)]
        targets = [AddressTarget(f"host-{a}", a) for a in addresses]
        with contextlib.ExitStack() as stack:
            some = [stack.enter_context(open_port(a)) for a in addresses for _ in range(3)]
            ports = ",".join(map(str, [*some, *three_kinds.values(), 1, 2, 3]))

            def look(*, nmap: bool) -> dict[str, object]:
                settings = PortSettings(default_ports=ports, nmap=nmap, version_detection=False)
                found = {}
                for record in PortCollector(settings).collect(targets, gate(*addresses)):
                    assert isinstance(record, Observation)
                    statuses = [record.facts.status("tcp", port) for port in sorted(ports_in(ports))]
                    found[record.target.key] = (record.facts.asked, statuses, record.facts.rest)
                return found

            assert look(nmap=False) == look(nmap=True)


@pytest.mark.timeout(60)
def test_nothing_is_waited_for_where_every_port_refuses_at_once() -> None:
    with closed_port(ADDRESS) as closed:
        [seen] = scan(Ask(ADDRESS, frozenset({closed})), deadline=3600)
    assert isinstance(seen, Seen)


class TestReflection:
    @pytest.mark.root
    def test_a_scan_of_this_machine_does_not_find_itself(self) -> None:
        if why := netns.missing():
            pytest.skip(why)
        program = """
import sys
from pathlib import Path
from secscan.collection.connect_scan import scan_by_connecting
from secscan.collection.port_scan import Ask
from secscan.scope import Gate, ProbeLog, scope_of_addresses
# There is one port to connect from, so connecting to it can only meet itself.
Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("50000 50000")
gate = Gate(scope_of_addresses(["127.0.0.1"]), ProbeLog(None))
[seen] = scan_by_connecting([Ask("127.0.0.1", frozenset({50000}))], gate, deadline=10, greetings=False)
print(seen.facts.status("tcp", 50000))
"""
        enter = ["unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh"]
        done = subprocess.run([*enter, sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        assert done.stdout == "closed\n"

    def test_a_connection_that_met_itself_is_no_open_port(self) -> None:
        with closed_port("127.0.0.1") as port:
            pass
        with socket.socket() as both_ends:
            both_ends.bind(("127.0.0.1", port))
            both_ends.connect(("127.0.0.1", port))
            assert is_own_reflection(both_ends)

    def test_any_other_is(self) -> None:
        with open_port(ADDRESS) as port, socket.create_connection((ADDRESS, port)) as connection:
            assert not is_own_reflection(connection)


class TestGreetings:
    @pytest.mark.parametrize(
        ("greeting", "name", "product", "version"),
        [
            (SSH_GREETING, "ssh", "OpenSSH", "9.2p1"),
            (b"SSH-2.0-dropbear_2022.83\r\n", "ssh", "dropbear", "2022.83"),
            (b"SSH-1.99-Cisco-1.25\r\n", "ssh", "Cisco", "1.25"),
            (b"SSH-2.0-Go\r\n", "ssh", "Go", ""),
            (b"SSH-2.0-1.36 sshlib\r\n", "ssh", "", ""),
            (b"220 mail.vi-du.example ESMTP Postfix\r\n", "smtp", "", ""),
            (b"220-FTP server ready\r\n", "ftp", "", ""),
            (b"220 (vsFTPd 3.0.5)\r\n", "ftp", "", ""),
            (b"+OK ready\r\n", "pop3", "", ""),
            (b"* OK [CAPABILITY IMAP4rev1] ready\r\n", "imap", "", ""),
            (b"200 news.vi-du.example InterNetNews NNRP ready\r\n", "nntp", "", ""),
            (VNC_GREETING, "vnc", "", ""),
            (MYSQL_GREETING, "mysql", "", ""),
            (b"@RSYNCD: 31.0\n", "rsync", "", ""),
            (b"\xff\xfd\x18\xff\xfd\x20", "telnet", "", ""),
        ],
    )
    def test_a_server_that_says_who_it_is_is_known_by_its_greeting(
        self, greeting: bytes, name: str, product: str, version: str
    ) -> None:
        known = identity_of(4999, greeting)
        assert known is not None
        assert (known.name, known.how, known.product, known.version) == (name, "banner", product, version)

    @pytest.mark.parametrize("greeting", [b"", b"hello\r\n", random_greeting(1), HOSTILE_GREETING])
    def test_one_that_does_not_is_known_by_its_number_alone(self, greeting: bytes) -> None:
        known = identity_of(21, greeting)
        assert known is not None
        assert (known.name, known.how, known.product) == ("ftp", "port", "")

    def test_a_number_that_says_nothing_leaves_a_greeting_that_says_nothing(self) -> None:
        known = identity_of(4999, b"hello\r\n")
        assert known is not None
        assert (known.name, known.how, known.extra) == ("unknown", "port", "hello")

    def test_without_either_there_is_no_identity(self) -> None:
        assert identity_of(4999, b"") is None

    def test_a_greeting_is_heard_on_the_wire(self) -> None:
        assert identity(SSH_GREETING).product == "OpenSSH"

    def test_nothing_is_listened_to_unasked(self) -> None:
        with BannerServer(SSH_GREETING).start(ADDRESS) as server:
            [state] = facts(server.port).open()
        assert state.identity is None or state.identity.how == "port"

    def test_what_a_host_says_is_cut_and_otherwise_as_it_came(self) -> None:
        said = "220 \x1b[2J<b>" + "x" * 5000
        assert identity(said.encode()).extra == said[:GREETING]

    @pytest.mark.parametrize("server", [EndlessServer(), DrippingServer(interval=0.05)])
    def test_a_server_that_never_ends_is_heard_for_a_moment(
        self, server: EndlessServer | DrippingServer
    ) -> None:
        with server.start(ADDRESS) as running:
            began = time.monotonic()
            facts(running.port, greetings=True)
            assert time.monotonic() - began < LONGEST_GREETING + 1

    def test_nothing_is_sent(self) -> None:
        with socket.create_server((ADDRESS, 0)) as listener:
            facts(listener.getsockname()[1], greetings=True)
            connection, _ = listener.accept()
            with connection, pytest.raises(ConnectionResetError):
                assert connection.recv(1) == b"something was sent"


class TestRates:
    def test_connections_are_spread_over_time(self) -> None:
        ask = Ask(ADDRESS, frozenset(range(1, 101)))
        began = time.monotonic()
        scan(ask, through=gate(ADDRESS, rates=Rates(connections_per_second=100, per_host=100)))
        assert 0.95 < time.monotonic() - began < 2

    def test_the_rate_for_one_host_holds_where_that_for_all_is_higher(self) -> None:
        ask = Ask(ADDRESS, frozenset(range(1, 51)))
        began = time.monotonic()
        scan(ask, through=gate(ADDRESS, rates=Rates(connections_per_second=10_000, per_host=50)))
        assert 0.9 < time.monotonic() - began < 2

    def test_the_rate_for_all_holds_where_that_for_one_host_is_higher(self) -> None:
        asks = [Ask(f"127.81.2.{n}", frozenset(range(1, 26))) for n in range(1, 5)]
        through = gate(*(a.address for a in asks), rates=Rates(connections_per_second=100, per_host=10_000))
        began = time.monotonic()
        scan(*asks, through=through)
        assert 0.9 < time.monotonic() - began < 2

    def test_hosts_are_asked_side_by_side(self) -> None:
        asks = [Ask(f"127.81.2.{n}", frozenset(range(1, 51))) for n in range(1, 9)]
        through = gate(*(a.address for a in asks), rates=Rates(connections_per_second=10_000, per_host=50))
        began = time.monotonic()
        assert len(scan(*asks, through=through)) == 8
        assert time.monotonic() - began < 2

    def test_more_ports_than_can_be_asked_in_time_are_not_begun(self, tmp_path: Path) -> None:
        through = gate(ADDRESS, rates=Rates(1000, per_host=100), log=tmp_path / "probes")
        [missed] = scan(Ask(ADDRESS, ports_in("1-2000")), through=through, deadline=10)
        assert isinstance(missed, Missed)
        assert missed.reason is Reason.NOT_ATTEMPTED
        assert missed.detail.startswith("asking 2000 ports at 100 a second takes at least 20 s")
        assert (tmp_path / "probes").read_text() == ""

    def test_one_line_is_written_for_an_address(self, tmp_path: Path) -> None:
        scan(Ask(ADDRESS, ports_in("1-30")), through=gate(ADDRESS, log=tmp_path / "probes"))
        [line] = map(json.loads, (tmp_path / "probes").read_text().splitlines())
        assert (line["address"], line["ports"], line["connections"]) == (ADDRESS, "1-30", 30)

    def test_an_address_outside_the_scope_is_not_connected_to(self) -> None:
        with socket.create_server((ADDRESS, 0)) as listener:
            ask = Ask(ADDRESS, frozenset({listener.getsockname()[1]}))
            [missed] = scan(ask, through=gate("127.81.9.9"))
            listener.settimeout(0.2)
            with pytest.raises(TimeoutError):
                listener.accept()
        assert isinstance(missed, Missed)
        assert missed.reason is Reason.OUT_OF_SCOPE


class TestBounds:
    def test_a_host_that_can_not_be_finished_is_missed_and_not_closed(self) -> None:
        with filtered_port(ADDRESS) as port:
            [missed] = scan(Ask(ADDRESS, frozenset({port, 1})), deadline=0.3)
        assert isinstance(missed, Missed)
        assert (missed.reason, missed.detail) == (Reason.TIMED_OUT, "after 0.3 s 1 of 2 ports had been asked")

    def test_few_open_files_are_enough(self) -> None:
        asks = [Ask(f"127.81.3.{n}", ports_in("1-200")) for n in range(1, 6)]
        with at_most_files(len(open_files()) + 4):
            found = scan(*asks)
        assert [type(answer) for answer in found] == [Seen] * 5

    def test_so_are_fewer_than_there_were_at_first(self) -> None:
        with filtered_port(ADDRESS) as slow:
            quick = Ask("127.81.3.1", frozenset({1}))
            others = [Ask(ADDRESS, frozenset({slow, *range(1, 50)})), Ask("127.81.3.2", ports_in("1-2000"))]
            through = gate(ADDRESS, quick.address, others[1].address, rates=Rates(2000, 2000))
            answers = scan_by_connecting([quick, *others], through, deadline=20, greetings=False)
            assert isinstance(next(answers), Seen)
            with at_most_files(len(open_files())):
                found = list(answers)
        assert [type(answer) for answer in found] == [Seen] * 2

    def test_where_no_connection_can_be_made_that_is_said(self) -> None:
        # A link-local address without its zone: no kernel knows where to send.
        [missed] = scan(Ask("fe80::1", frozenset({22})), through=gate("fe80::1"))
        assert isinstance(missed, Missed)
        assert missed.reason is Reason.UNREACHABLE
        assert "Invalid argument" in missed.detail or "no route" in missed.detail

    def test_closing_it_closes_every_connection(self) -> None:
        before = open_files()
        with filtered_port(ADDRESS) as slow, open_port("127.81.4.1") as quick:
            held = open_files()
            asks = [Ask("127.81.4.1", frozenset({quick})), Ask(ADDRESS, frozenset({slow}))]
            answers = scan_by_connecting(asks, gate(ADDRESS, "127.81.4.1"), deadline=20, greetings=False)
            next(answers)
            answers.close()
            assert open_files() == held
        assert open_files() == before

    def test_connections_are_not_left_waiting(self) -> None:
        """Closed with RST: neither end keeps a socket in TIME_WAIT."""
        with open_port(ADDRESS) as port:
            facts(port)
            place = f"{struct.unpack('=I', socket.inet_aton(ADDRESS))[0]:08X}:{port:04X}"
            table = Path("/proc/net/tcp").read_text()
        assert [line for line in table.splitlines() if place in line.split()[2:3]] == []


class TestDefaultPorts:
    def test_no_port_is_there_twice(self) -> None:
        from secscan.collection import default_ports

        entries = [entry.split() for family in default_ports._FAMILIES for entry in family.split(",")]
        numbers = [int(number) for number, _ in entries]
        assert len(numbers) == len(set(numbers))

    def test_all_are_ports_with_a_name(self) -> None:
        assert all(1 <= port <= 65535 and name_of(port) for port in ports_in(top_ports(10**6)))

    @pytest.mark.parametrize("n", [1, 10, 100, 400])
    def test_the_first_n_are_n(self, n: int) -> None:
        assert len(ports_in(top_ports(n))) == n

    def test_the_first_are_among_more(self) -> None:
        assert ports_in(top_ports(50)) < ports_in(top_ports(100))
