"""Servers that do what no honest one would, and those that are no SSH: what is said of each, and that it ends."""

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from secscan.collection.ssh_surface import SshSurfaceCollector, SshSurfaceSettings
from secscan.collection.ssh_surface.collector import MOST_CONNECTIONS
from secscan.collection.ssh_surface.wire import (
    DEBUG,
    DISCONNECT,
    KEX_REPLY,
    KEXINIT,
    kexinit,
    packet,
    string,
)
from secscan.facts import Absent, Gap, SshAlgorithms, SshFacts
from secscan.model import Endpoint, Observation, Reason, Record, Service, Unobserved
from secscan.scope import Gate, ProbeLog, scope_of_addresses
from tests.lab.servers import BannerServer, ClosingServer, EndlessServer, SilentServer
from tests.lab.servers.listening import Conversation, Server, ThreadedServer

ADDRESS = "127.77.3.1"
QUICK = SshSurfaceSettings(deadline=4.0, patience=1.0, little_patience=0.5)
ALGORITHMS = SshAlgorithms(
    key_exchange=("curve25519-sha256",),
    host_key=("ssh-ed25519",),
    ciphers_to_server=("aes128-ctr",),
    ciphers_to_client=("aes128-ctr",),
    macs_to_server=("hmac-sha2-256",),
    macs_to_client=("hmac-sha2-256",),
    compression_to_server=("none",),
    compression_to_client=("none",),
)
PROPOSAL = packet(kexinit(bytes(16), ALGORITHMS))
HELLO = b"SSH-2.0-hostile\r\n"


@dataclass(frozen=True)
class Says(ThreadedServer):
    """Sends what it is given to whoever connects, and then listens until the client goes, or hangs up."""

    what: bytes | Callable[[], Iterator[bytes]]
    hangs_up: bool = False

    def conversation(self) -> Conversation:
        return self._converse

    def _converse(self, client: socket.socket, ending: threading.Event) -> None:
        client.settimeout(5)
        for part in [self.what] if isinstance(self.what, bytes) else self.what():
            if ending.is_set():
                return
            client.sendall(part)
        if self.hangs_up:
            return
        while not ending.is_set() and client.recv(65536):
            pass


def look(server: Server, *, expected: bool = True) -> Record:
    with server.start(ADDRESS) as running:
        endpoint = Endpoint(Service("h", "tcp", running.port), ADDRESS)
        gate = Gate(scope_of_addresses([ADDRESS]), ProbeLog(None))
        collector = SshSurfaceCollector(QUICK, expected={endpoint} if expected else ())
        [record] = collector.collect([endpoint], gate)
        return record


def facts_of(server: Server) -> SshFacts:
    record = look(server)
    assert isinstance(record, Observation), record
    assert isinstance(record.facts, SshFacts), record.facts
    return record.facts


# --- No SSH ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "server",
    [
        pytest.param(BannerServer(b"220 mail.example ESMTP\r\n"), id="another protocol"),
        pytest.param(EndlessServer(), id="endless lines"),
        pytest.param(Says(b"x" * 100_000), id="a line without an end"),
        pytest.param(Says(lambda: iter([b"hello\n"] * 100_000)), id="lines without an end"),
        pytest.param(Says(bytes(range(256)) * 10, hangs_up=True), id="bytes"),
    ],
)
@pytest.mark.parametrize("expected", [True, False])
def test_what_says_something_else_is_no_ssh(server: Server, expected: bool) -> None:
    record = look(server, expected=expected)
    assert isinstance(record, Observation)
    assert record.facts == Absent(heard="something that is no SSH")


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        pytest.param(SilentServer(), Reason.TIMED_OUT, id="silent"),
        pytest.param(ClosingServer(), Reason.REFUSED, id="hangs up"),
    ],
)
def test_silence_is_no_ssh_where_nobody_expects_it_and_not_seen_where_somebody_does(
    server: Server, reason: Reason
) -> None:
    assert isinstance(look(server, expected=False), Observation)
    record = look(server)
    assert isinstance(record, Unobserved)
    assert record.reason is reason


@pytest.mark.parametrize("said", [b"Exceeded MaxStartups\r\n", b"Not allowed at this time\r\n"])
def test_a_server_that_turns_us_away_is_not_seen(said: bytes) -> None:
    record = look(Says(said, hangs_up=True))
    assert isinstance(record, Unobserved)
    assert record.reason is Reason.RATE_LIMITED


# --- SSH, and no more -----------------------------------------------------------------------------------------


def test_version_1_is_told_and_not_spoken() -> None:
    facts = facts_of(Says(b"SSH-1.5-1.2.27\n"))
    assert (facts.protocol, facts.software) == ("1.5", "1.2.27")
    assert isinstance(facts.algorithms, Gap)
    assert facts.algorithms.reason is Reason.NOT_COLLECTED


def _drip() -> Iterator[bytes]:
    yield HELLO
    waiting = threading.Event()
    for byte in PROPOSAL:
        waiting.wait(0.1)
        yield bytes([byte])


def _padded(length: int) -> bytes:
    return HELLO + length.to_bytes(4, "big") + bytes(64)


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        pytest.param(Says(HELLO), Reason.TIMED_OUT, id="silent after its name"),
        pytest.param(Says(HELLO, hangs_up=True), Reason.REFUSED, id="hangs up after its name"),
        pytest.param(Says(_drip), Reason.TIMED_OUT, id="drips"),
        pytest.param(Says(_padded(2**31)), Reason.MALFORMED, id="huge packet"),
        pytest.param(Says(_padded(35_000)), Reason.TIMED_OUT, id="a packet that does not come"),
        pytest.param(Says(HELLO + bytes(64)), Reason.MALFORMED, id="empty packet"),
        pytest.param(
            Says(HELLO + packet(bytes([KEXINIT]) + bytes(16) + string(b"a," * 5000))),
            Reason.MALFORMED,
            id="a list of thousands",
        ),
        pytest.param(
            Says(HELLO + packet(bytes([KEXINIT]) + bytes(16) + b"\xff\xff\xff\xff")),
            Reason.MALFORMED,
            id="a list beyond its message",
        ),
        pytest.param(
            Says(HELLO + packet(bytes([DISCONNECT]) + bytes(4) + string(b"go\x1b[2J away"))),
            Reason.REFUSED,
            id="hangs up with a word",
        ),
        pytest.param(
            Says(lambda: iter([HELLO, *[packet(bytes([DEBUG]) + bytes(9))] * 50_000])),
            Reason.MALFORMED,
            id="endless chatter",
        ),
        pytest.param(Says(HELLO + packet(b"\x63nothing known")), Reason.MALFORMED, id="an unknown message"),
    ],
)
def test_a_server_that_names_no_algorithms_is_told_by_its_name_alone(server: Server, reason: Reason) -> None:
    facts = facts_of(server)
    assert (facts.protocol, facts.software) == ("2.0", "hostile")
    for gap in (facts.algorithms, facts.host_keys, facts.groups, facts.methods, facts.open_to_all):
        assert isinstance(gap, Gap)
        assert gap.reason is reason
        assert gap.detail.isprintable()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(b"", Reason.TIMED_OUT, id="silent"),
        pytest.param(packet(bytes([KEX_REPLY]) + bytes(40)), Reason.MALFORMED, id="an empty reply"),
        pytest.param(
            packet(bytes([KEX_REPLY]) + string(b"x" * 30) + string(bytes(32)) + string(b"")),
            Reason.MALFORMED,
            id="a key that is none",
        ),
        pytest.param(
            packet(
                bytes([KEX_REPLY])
                + string(string(b"ssh-ed25519") + string(bytes(32)))
                # Zero as the other half makes a secret of zero (RFC 7748, section 6.1).
                + string(bytes(32))
                + string(string(b"ssh-ed25519") + string(bytes(64)))
            ),
            Reason.MALFORMED,
            id="a half that is none",
        ),
    ],
)
def test_a_server_that_shows_no_key_is_told_by_its_algorithms(answer: bytes, reason: Reason) -> None:
    facts = facts_of(Says(HELLO + PROPOSAL + answer))
    assert facts.algorithms == ALGORITHMS
    assert isinstance(facts.host_keys, Gap)
    assert facts.host_keys.reason is reason
    assert facts.groups == ()
    assert isinstance(facts.methods, Gap)


def test_a_key_that_the_server_has_not_is_shown_and_not_proven() -> None:

    half = X25519PrivateKey.generate().public_key().public_bytes_raw()
    theirs = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    reply = (
        string(string(b"ssh-ed25519") + string(theirs))
        + string(half)
        + string(string(b"ssh-ed25519") + string(bytes(64)))
    )
    facts = facts_of(Says(HELLO + PROPOSAL + packet(bytes([KEX_REPLY]) + reply)))
    assert isinstance(facts.host_keys, tuple)
    assert [(key.type, key.proven) for key in facts.host_keys] == [("ssh-ed25519", False)]


def test_no_more_connections_are_made_than_a_server_bears() -> None:
    connections = []

    @dataclass(frozen=True)
    class Counting(Says):
        def _converse(self, client: socket.socket, ending: threading.Event) -> None:
            connections.append(client)
            super()._converse(client, ending)

    many = SshAlgorithms(
        **{
            **{name: getattr(ALGORITHMS, name) for name in ALGORITHMS.__struct_fields__},
            "key_exchange": ("curve25519-sha256", "diffie-hellman-group-exchange-sha256"),
            "host_key": tuple(f"kind-{n}" for n in range(200)),
        }
    )
    answer = packet(bytes([DISCONNECT]) + bytes(4) + string(b"no"))
    facts = facts_of(Counting(HELLO + packet(kexinit(bytes(16), many)) + answer, hangs_up=True))
    assert len(connections) == MOST_CONNECTIONS
    assert isinstance(facts.host_keys, Gap)


def test_an_address_outside_the_scope_is_not_touched() -> None:
    with Says(HELLO).start(ADDRESS) as running:
        endpoint = Endpoint(Service("h", "tcp", running.port), ADDRESS)
        gate = Gate(scope_of_addresses(["127.77.3.2"]), ProbeLog(None))
        [record] = SshSurfaceCollector(QUICK, expected={endpoint}).collect([endpoint], gate)
    assert isinstance(record, Unobserved)
    assert record.reason is Reason.OUT_OF_SCOPE


def test_a_port_that_is_closed_is_not_seen() -> None:
    with Says(HELLO).start(ADDRESS) as running:
        port = running.port
    endpoint = Endpoint(Service("h", "tcp", port), ADDRESS)
    gate = Gate(scope_of_addresses([ADDRESS]), ProbeLog(None))
    [record] = SshSurfaceCollector(QUICK).collect([endpoint], gate)
    assert isinstance(record, Unobserved)
    assert record.reason is Reason.REFUSED
