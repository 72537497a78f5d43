"""Servers and paths that make it hard to ask: none holds a sweep up, and none makes it claim what it does not know."""

import random
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secscan.collection.sweep import Depth, Swept
from secscan.facts import Gap, Oddity, SuiteClass, TlsFacts, TlsVersion
from secscan.facts.suites import classes_of
from secscan.model import Reason
from tests.collection.sweep.test_sweep import (
    ADDRESS,
    EC,
    RSA,
    WEAK,
    accepted_classes,
    chains,
    facts,
    look,
    look_at,
    names,
    offered,
)
from tests.fuzz.tls_wire import message, record, server_hello, vector
from tests.lab.servers import (
    V1_0,
    V1_2,
    ClosingServer,
    DrippingServer,
    EndlessServer,
    LegacyServer,
    PlainHttpServer,
    ResettingServer,
    Server,
    SilentServer,
    StallingServer,
    TlsServer,
)
from tests.lab.servers.listening import Conversation, ThreadedServer
from tests.lab.servers.proxy import Proxy, Tally

#: Long enough on this machine for anybody who means to answer.
QUICK = {"deadline": 3.0, "patience": 1.0}

Answering = Callable[[bytes], bytes | None]


@dataclass(frozen=True)
class ScriptedServer(ThreadedServer):
    """Answers the first message by a function of it, and closes; None resets the connection, and b"" says nothing."""

    answer: Answering
    silent: bool = False

    def conversation(self) -> Conversation:
        def converse(connection: socket.socket, ending: threading.Event) -> None:
            connection.settimeout(5)
            said = connection.recv(16384)
            reply = self.answer(said)
            if reply is None:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            connection.sendall(reply)
            if self.silent or not reply:
                while connection.recv(4096):
                    pass

        return converse


@dataclass(frozen=True)
class Picky(ThreadedServer):
    """Passes on to a server what it can bear, and does with the rest what ``otherwise`` says: reset, or silence."""

    bears: Callable[[bytes], bool]
    address: str
    port: int
    silent: bool = False

    def conversation(self) -> Conversation:
        behind = Proxy(self.address, self.port).conversation()

        def converse(connection: socket.socket, ending: threading.Event) -> None:
            connection.settimeout(5)
            said = connection.recv(16384, socket.MSG_PEEK)
            if self.bears(said):
                behind(connection, ending)
            elif self.silent:
                while connection.recv(4096):
                    pass
            else:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        return converse


def look_through(server: Server, bears: Callable[[bytes], bool], **changes: object) -> Swept:
    with (
        server.start(ADDRESS) as behind,
        Picky(bears, behind.address, behind.port).start(ADDRESS) as running,
    ):
        return look_at(running, **changes)  # type: ignore[arg-type]


def gap(seen: Swept) -> Gap:
    assert isinstance(seen.tls, Gap), seen.tls
    return seen.tls


# --- Servers that say nothing useful -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        (SilentServer(), Reason.TIMED_OUT),
        (DrippingServer(in_handshake=True, interval=0.05), Reason.TIMED_OUT),
        (ResettingServer(once_spoken_to=True), Reason.REFUSED),
        (ClosingServer(), Reason.REFUSED),
        (PlainHttpServer(), Reason.MALFORMED),
        (EndlessServer(), Reason.MALFORMED),
        (ScriptedServer(lambda said: record(21, b"\2\x28")), Reason.REFUSED),
        (ScriptedServer(lambda said: record(22, message(14, b""))), Reason.MALFORMED),
        (
            ScriptedServer(lambda said: record(22, b"\2\xff\xff\xff" + bytes(16000)), silent=True),
            Reason.MALFORMED,
        ),
    ],
    ids=["silent", "dripping", "resetting", "closing", "http", "endless", "alert", "garbled", "huge"],
)
def test_who_says_nothing_useful_is_given_up(server: Server, reason: Reason) -> None:
    began = time.monotonic()
    seen = look(server, **QUICK)
    assert gap(seen).reason is reason
    assert time.monotonic() - began < 6  # the deadline, twice over
    assert seen.connections < 30


def test_a_server_that_stalls_after_its_choice_keeps_nobody() -> None:
    began = time.monotonic()
    seen = look(StallingServer(RSA), deadline=4.0, patience=0.5)
    assert facts(seen).offer(TlsVersion.TLS1_2).offered is True
    assert time.monotonic() - began < 8


def test_a_port_where_nobody_listens_is_refused() -> None:
    with SilentServer().start(ADDRESS) as running:
        pass
    assert gap(look_at(running)).reason is Reason.REFUSED


def test_a_choice_that_was_not_offered_is_a_contradiction() -> None:
    seen = look(ScriptedServer(lambda said: record(22, server_hello(0xFAFA) + message(14, b""))), **QUICK)
    assert gap(seen).reason is Reason.CONTRADICTORY


# --- Servers that can't bear everything ------------------------------------------------------------------------


def offers_1_3(said: bytes) -> bool:
    return b"\x00\x2b" in said and b"\x03\x04" in said


def test_a_server_that_resets_on_tls_1_3_is_asked_without() -> None:
    seen = look_through(TlsServer((RSA,), maximum=V1_2), lambda said: not offers_1_3(said))
    assert offered(seen) == {TlsVersion.TLS1_2}
    assert Oddity.VERSION in facts(seen).oddities  # type: ignore[operator]


def test_a_server_that_resets_on_long_hellos_is_asked_in_pieces() -> None:
    weak = TlsServer((RSA,), minimum=V1_0, maximum=V1_2, ciphers="AES128-SHA:NULL-SHA", weak=True)
    seen = look_through(weak, lambda said: len(said) < 256, deadline=40)
    assert Oddity.SIZE in facts(seen).oddities  # type: ignore[operator]
    assert {SuiteClass.NULL, SuiteClass.CBC} <= {
        kind for name in names(seen, TlsVersion.TLS1_2) for kind in classes_of(name)
    }


def test_a_server_that_resets_on_extensions_is_asked_without() -> None:
    server = LegacyServer(RSA)
    seen = look_through(server, lambda said: said[:1] != b"\x16" or not has_extensions(said), deadline=40)
    assert facts(seen).offer(TlsVersion.SSLV3).offered is True


def has_extensions(said: bytes) -> bool:
    at = 5 + 4 + 2 + 32
    at += 1 + said[at]
    at += 2 + int.from_bytes(said[at : at + 2], "big")
    at += 1 + said[at]
    return at < len(said)


def test_a_server_that_limits_its_rate_is_left_in_peace_and_asked_on() -> None:
    """Five connections at once, then one every 100 ms; the rest is reset."""
    tokens, filled = [5.0], [time.monotonic()]
    guard = threading.Lock()

    def bears(said: bytes) -> bool:
        with guard:
            now = time.monotonic()
            tokens[0] = min(5.0, tokens[0] + 10 * (now - filled[0]))
            filled[0] = now
            if tokens[0] < 1:
                return False
            tokens[0] -= 1
            return True

    seen = look_through(TlsServer((RSA,)), bears, deadline=40)
    assert Oddity.RATE in facts(seen).oddities  # type: ignore[operator]
    for offer in facts(seen).versions:
        right = offer.version in (TlsVersion.TLS1_2, TlsVersion.TLS1_3)
        assert offer.offered is right or isinstance(offer.offered, Gap)


def test_a_server_that_takes_back_what_it_said_is_contradictory() -> None:
    """It answers TLS 1.2 with TLS 1.1 once, and refuses everything from then on but what has TLS 1.3 in it."""
    answered = threading.Event()

    def answer(said: bytes) -> bytes:
        if said[:1] == b"\x16" and offers_1_3(said) and offers(said, 0x002F):
            return record(22, server_hello(0x002F))
        if said[:1] == b"\x16" and said[9:11] == b"\3\3" and not answered.is_set():
            answered.set()
            return record(22, server_hello(0x0035, version=0x0302) + message(14, b""))
        return record(21, b"\2\x28")

    tls = facts(look(ScriptedServer(answer), **QUICK))
    assert tls.offer(TlsVersion.TLS1_1).offered == Gap(
        Reason.CONTRADICTORY, "it chose TLSv1.1 once, and refused it another time"
    )


def test_resets_in_place_of_alerts_are_a_refusal_when_they_never_fail() -> None:
    """As some load balancers do: what is not supported is reset, and everything else is answered."""

    def bears(said: bytes) -> bool:
        return said[:1] == b"\x16" and said[9:11] == b"\x03\x03"

    seen = look_through(TlsServer((EC,)), bears)
    assert offered(seen) == {TlsVersion.TLS1_2, TlsVersion.TLS1_3}


# --- Old flaws -------------------------------------------------------------------------------------------------------


def test_ssl_2_alone() -> None:
    leaf = RSA.certificates[0]
    body = struct.pack(">BBBHHHH", 4, 0, 1, 2, len(leaf), 6, 16) + leaf + b"\1\0\x80\2\0\x80" + bytes(16)
    answer = struct.pack(">H", 0x8000 | len(body)) + body

    def converse(said: bytes) -> bytes | None:
        return answer if said[0] & 0x80 else None

    seen = look(ScriptedServer(converse))
    assert offered(seen) == {TlsVersion.SSLV2}
    assert names(seen, TlsVersion.SSLV2) == {
        "SSL_CK_RC4_128_WITH_MD5",
        "SSL_CK_RC4_128_EXPORT40_WITH_MD5",
    }
    assert [chain.certificates for chain in chains(seen).chains] == [(leaf,)]


@dataclass(frozen=True)
class OldOpenSsl(ThreadedServer):
    """Speaks TLS 1.0 up to ServerHelloDone, and then makes the mistakes of an OpenSSL of 2013, if ``flawed``."""

    flawed: bool
    suite: int = 0x002F
    prime: int = 0

    def conversation(self) -> Conversation:
        exchange = b""
        if self.prime:
            number = self.prime.to_bytes((self.prime.bit_length() + 7) // 8, "big")
            exchange = message(
                12, vector(number, 2) + vector(b"\2", 2) + vector(b"\5", 2) + vector(b"sig", 2)
            )
        hello = server_hello(self.suite, version=0x0301, extensions=b"\0\x0f\0\1\1\xff\1\0\1\0")
        certificates = message(11, vector(b"".join(vector(c, 3) for c in RSA.certificates), 3))
        flight = record(22, hello + certificates + exchange + message(14, b""), 0x0301)

        def converse(connection: socket.socket, ending: threading.Event) -> None:
            connection.settimeout(5)
            said = connection.recv(16384)
            if said[:1] != b"\x16" or not offers(said, self.suite) or said[9:11] == b"\3\0":
                connection.sendall(record(21, b"\2\x28", 0x0301))
                return
            connection.sendall(flight)
            changes = 0
            while said := connection.recv(16384):
                if self.flawed and b"\x18\x03\x01\x00\x03\x01\x00\x00" in said:
                    connection.sendall(record(24, b"\2\0\0" + bytes(16), 0x0301))
                changes += said.count(b"\x14\x03\x01\x00\x01\x01")
                if not self.flawed and changes:
                    connection.sendall(record(21, b"\2\x0a", 0x0301))
                    return
                if changes > 1:
                    connection.sendall(record(21, b"\2\x14", 0x0301))
                    return

        return converse


def offers(said: bytes, suite: int) -> bool:
    at = 5 + 4 + 2 + 32
    at += 1 + said[at]
    length = int.from_bytes(said[at : at + 2], "big")
    suites = said[at + 2 : at + 2 + length]
    return suite in struct.unpack(f">{len(suites) // 2}H", suites)


@pytest.mark.parametrize("flawed", [True, False])
def test_heartbleed_and_early_changes_of_cipher(flawed: bool) -> None:
    tls = facts(look(OldOpenSsl(flawed), patience=1.0))
    assert (tls.heartbeat, tls.heartbleed, tls.ccs_injection) == (True, flawed, flawed)


def test_an_export_suite_with_a_prime_of_512_bits_alone() -> None:
    seen = look(OldOpenSsl(False, suite=0x0014, prime=(1 << 511) | 12345))
    assert names(seen, TlsVersion.TLS1_0) == {"TLS_DHE_RSA_EXPORT_WITH_DES40_CBC_SHA"}
    assert facts(seen).dh_bits == 512
    assert SuiteClass.EXPORT in accepted_classes(seen)


# --- Bad paths ---------------------------------------------------------------------------------------------------------

OLD = TlsServer((RSA, EC), minimum=V1_0, ciphers=WEAK, weak=True, dh_bits=1024)


@pytest.fixture(scope="module")
def sound() -> TlsFacts:
    return facts(look(OLD))


def never_less(seen: Swept, sound: TlsFacts) -> None:
    """What is supported is seen, or unknown; what is claimed not to be is so indeed."""
    tls = facts(seen)
    for offer, right in zip(tls.versions, sound.versions, strict=True):
        assert offer.offered == right.offered or isinstance(offer.offered, Gap)
    found = {s.name for o in tls.versions if not isinstance(o.suites, Gap) for s in o.suites}
    right_classes = {
        kind
        for o in sound.versions
        for s in o.suites
        for kind in classes_of(s.name)  # type: ignore[union-attr]
    }
    for kind in right_classes - {kind for name in found for kind in classes_of(name)}:
        assert not all(o.settles(kind) for o in tls.versions if o.offered is True)
    for name in ("dh_bits", "weak_signatures", "extended_master_secret", "secure_renegotiation", "tickets"):
        assert getattr(tls, name) == getattr(sound, name) or isinstance(getattr(tls, name), Gap), name


@pytest.mark.parametrize("seed", range(1, 4))
def test_random_resets_never_hide_what_is_there(sound: TlsFacts, seed: int) -> None:
    tally = Tally()
    with OLD.start(ADDRESS) as behind:
        proxy = Proxy(behind.address, behind.port, resets=0.2, seed=seed, tally=tally)
        with proxy.start(ADDRESS) as running:
            seen = look_at(running)
    assert tally.resets
    never_less(seen, sound)
    assert offered(seen) == {o.version for o in sound.versions if o.offered}
    assert {chain.slot for chain in chains(seen).chains} == {"RSA", "ECDSA"}


def test_distance_fragments_and_resets_together_never_hide_what_is_there(sound: TlsFacts) -> None:
    with OLD.start(ADDRESS) as behind:
        proxy = Proxy(behind.address, behind.port, resets=0.2, delay=0.2, fragments=True)
        with proxy.start(ADDRESS) as running:
            seen = look_at(running)
    never_less(seen, sound)
    assert facts(seen).offer(TlsVersion.TLS1_2).offered is True


# --- Order ---------------------------------------------------------------------------------------------------------------


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32))
def test_no_verdict_depends_on_the_order_of_questions(sound: TlsFacts, seed: int) -> None:
    seen = look(OLD, shuffle=random.Random(seed))
    tls = facts(seen)
    assert [o.offered for o in tls.versions] == [o.offered for o in sound.versions]
    right = {k for o in sound.versions for s in o.suites for k in classes_of(s.name)}  # type: ignore[union-attr]
    assert accepted_classes(seen) == right
    for name in set(TlsFacts.__struct_fields__) - {"versions", "encrypt_then_mac", "groups", "oddities"}:
        assert getattr(tls, name) == getattr(sound, name), name


def test_the_full_picture_is_the_same_in_any_order() -> None:
    server = TlsServer((RSA, EC), minimum=V1_0, weak=True, ciphers="ECDHE+AES:NULL-SHA")
    one, other = (facts(look(server, Depth.FULL, shuffle=random.Random(seed))) for seed in (1, 2))
    assert one == other
