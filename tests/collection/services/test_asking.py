"""What real servers say to strangers, and what becomes of servers that say too little, too much or nothing."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from secscan.collection.services import Recognised, ServiceCollector
from secscan.collection.services.asking import ask
from secscan.collection.services.conversation import MOST_BYTES, Place
from secscan.facts import Access, DnsOffer, Gap, ServiceFacts, SmbOffer, Spoken, ZoneTransfer
from secscan.model import Endpoint, Host, Observation, Reason, Service, Unobserved
from secscan.scope import Gate, ProbeLog, scope_of_addresses
from tests.lab.servers import MissingToolError
from tests.lab.servers.listening import Running
from tests.lab.servers.services import Daemon, NameServer, memcached, redis, samba

ADDRESS = "127.0.0.1"
ZONE = "vi-du.example"


def gate(*addresses: str) -> Gate:
    return Gate(scope_of_addresses(addresses or [ADDRESS]), ProbeLog(None))


def asked(
    port: int, protocol: Spoken, *, how: str = "probe", zones: tuple[str, ...] = (), timeout: float = 4.0
) -> ServiceFacts:
    return ask(Place(ADDRESS, port, timeout=timeout), Recognised(protocol, how), gate(), zones=zones)


@contextmanager
def running(server: Daemon | NameServer) -> Iterator[Running]:
    try:
        found = server.start(ADDRESS)
    except MissingToolError as missing:
        pytest.skip(str(missing))
    with found:
        yield found


@contextmanager
def answering(reply: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server of ours, on the wire alone: for what can't be had here (Elasticsearch, MongoDB), and for what is hostile."""
    with socket.create_server((ADDRESS, 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    try:
                        reply(connection)
                    except OSError:
                        continue

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def says(data: bytes) -> Callable[[socket.socket], None]:
    def reply(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(data)

    return reply


class TestRealServers:
    @pytest.mark.parametrize(("password", "access"), [("", Access.OPEN), ("secret", Access.DENIED)])
    def test_redis(self, password: str, access: Access) -> None:
        with running(redis(password=password)) as server:
            assert asked(server.port, Spoken.REDIS).access is access

    def test_memcached(self) -> None:
        with running(memcached()) as server:
            facts = asked(server.port, Spoken.MEMCACHED)
        assert facts.access is Access.OPEN
        assert re.fullmatch(r"\d+\.\d+\.\d+", facts.product_version)

    @pytest.mark.parametrize(
        ("least", "signing", "version_1", "required"),
        [
            ("SMB2_02", "default", False, False),
            ("NT1", "default", True, False),
            ("SMB3", "mandatory", False, True),
        ],
    )
    def test_samba(self, least: str, signing: str, version_1: bool, required: bool) -> None:
        with running(samba(least=least, signing=signing)) as server:
            offer = asked(server.port, Spoken.SMB).smb
        assert offer == SmbOffer(version_1=version_1, signing_required=required, dialect="3.1.1")

    @pytest.mark.parametrize("open_to_all", [True, False])
    def test_bind(self, open_to_all: bool) -> None:
        with running(NameServer(ZONE, recursion=open_to_all, transfer=open_to_all)) as server:
            offer = asked(server.port, Spoken.DNS, zones=(ZONE,)).dns
        transfers = (ZoneTransfer(zone=ZONE, allowed=open_to_all),)
        assert offer == DnsOffer(recursion=open_to_all, transfers=transfers)

    def test_a_zone_that_bind_does_not_have_is_not_given(self) -> None:
        with running(NameServer(ZONE, transfer=True)) as server:
            offer = asked(server.port, Spoken.DNS, zones=("khac.example",)).dns
        assert isinstance(offer, DnsOffer)
        assert [t.allowed for t in offer.transfers] == [False]


class TestServersOfOurs:
    """Written from their documentation, not recorded: none of these is at hand."""

    def test_elasticsearch(self) -> None:
        page = b'{"cluster_name":"c","version":{"number":"7.17.0"},"tagline":"You Know, for Search"}'
        with answering(says(b"HTTP/1.0 200 OK\r\n\r\n" + page)) as port:
            facts = asked(port, Spoken.ELASTICSEARCH)
        assert (facts.access, facts.product_version) == (Access.OPEN, "7.17.0")

    def test_mongodb_answers_anybody(self) -> None:
        document = b"\x08ismaster\0\x01\x10maxWireVersion\0\x11\0\0\0"
        reply = (
            (36 + len(document)).to_bytes(4, "little")
            + b"\x09\0\0\0\x01\0\0\0\x01\0\0\0"
            + bytes(20)
            + document
        )
        with answering(says(reply)) as port:
            assert asked(port, Spoken.MONGODB).access is Access.ANYBODY

    def test_vnc_without_a_password(self) -> None:
        def desktop(connection: socket.socket) -> None:
            connection.sendall(b"RFB 003.008\n")
            connection.recv(12)
            connection.sendall(b"\x02\x10\x01")

        with answering(desktop) as port:
            assert asked(port, Spoken.VNC).access is Access.OPEN


class TestTrouble:
    def test_silence_is_a_gap(self) -> None:
        # The kernel takes the connection, and nobody ever speaks on it.
        with socket.create_server((ADDRESS, 0)) as listener:
            facts = asked(listener.getsockname()[1], Spoken.REDIS, timeout=0.3)
        assert facts.access == Gap(Reason.TIMED_OUT, "it did not answer in time")

    def test_a_connection_that_is_refused_is_a_gap(self) -> None:
        with socket.socket() as held:
            held.bind((ADDRESS, 0))
            facts = asked(held.getsockname()[1], Spoken.REDIS)
        assert isinstance(facts.access, Gap)
        assert facts.access.reason is Reason.REFUSED

    def test_no_more_is_read_than_an_answer_can_be(self) -> None:
        sent = 0

        def flood(connection: socket.socket) -> None:
            nonlocal sent
            while sent < 100 * MOST_BYTES:
                sent += connection.send(b"x" * 4096)

        with answering(flood) as port:
            facts = asked(port, Spoken.REDIS)
        assert facts.access == Gap(Reason.MALFORMED, f"it says more than {MOST_BYTES} bytes")

    def test_another_protocol_on_the_usual_port_is_another_service(self) -> None:
        with answering(says(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
            facts = asked(port, Spoken.REDIS, how="port")
        assert facts == ServiceFacts(how="banner")

    def test_an_answer_that_is_not_understood_is_unknown_where_the_service_was_recognised(self) -> None:
        with answering(says(b"-ERR whatever\r\n")) as port:
            facts = asked(port, Spoken.REDIS)
        assert (facts.protocol, isinstance(facts.access, Gap)) == (Spoken.REDIS, True)

    @pytest.mark.parametrize("protocol", [p for p in Spoken if p is not Spoken.NONE])
    @pytest.mark.parametrize(
        "noise", [b"", b"\xff" * 64, b"A" * 64 + b"\r\n\r\n"], ids=["nothing", "bytes", "text"]
    )
    def test_whatever_comes_ends_in_facts(self, protocol: Spoken, noise: bytes) -> None:
        with answering(says(noise)) as port:
            facts = asked(port, protocol, zones=(ZONE,), timeout=0.3)
        assert isinstance(facts, ServiceFacts)


class TestCollector:
    def place(self, port: int, name: str = "") -> Endpoint:
        return Endpoint(Service("db1", "tcp", port, name), ADDRESS)

    def collector(self, protocol: Spoken, **host: object) -> ServiceCollector:
        hosts = {"db1": Host("db1", (ADDRESS,), **host)}  # type: ignore[arg-type]
        return ServiceCollector(hosts, lambda _: Recognised(protocol, "probe"))

    def test_what_speaks_none_of_the_protocols_is_not_connected_to(self) -> None:
        [record] = self.collector(Spoken.NONE).collect([self.place(1)], gate())
        assert isinstance(record, Observation)
        assert record.facts == ServiceFacts(how="probe")

    def test_virtual_hosts_share_what_their_server_said(self) -> None:
        heard = []

        def reply(connection: socket.socket) -> None:
            heard.append(connection.recv(4096))
            connection.sendall(b"+PONG\r\n")

        with answering(reply) as port:
            places = [self.place(port, name) for name in ("", "a.example", "b.example")]
            records = list(self.collector(Spoken.REDIS).collect(places, gate()))
        assert [r.target for r in records] == places
        assert heard == [b"PING\r\n"]

    def test_who_is_out_of_scope_is_unobserved(self) -> None:
        [record] = self.collector(Spoken.REDIS).collect([self.place(6379)], gate("127.0.0.9"))
        assert isinstance(record, Unobserved)
        assert record.reason is Reason.OUT_OF_SCOPE

    def test_zones_are_those_of_the_inventory(self) -> None:
        with running(NameServer(ZONE, transfer=True)) as server:
            collector = self.collector(Spoken.DNS, dns_zones=(ZONE,))
            [record] = collector.collect([self.place(server.port)], gate())
        assert isinstance(record, Observation)
        assert [t.zone for t in record.facts.dns.transfers] == [ZONE]
