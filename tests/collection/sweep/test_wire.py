"""The wire format: hellos against other implementations' readers, answers in any pieces, and hostile bytes."""

import ssl
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tlslite.messages import ClientHello as TlsliteHello
from tlslite.utils.codec import Parser

from secscan.collection.sweep.hellos import (
    GROUPS_1_3,
    hello_1_2,
    hello_1_3,
    suites_for,
    usual_suites,
)
from secscan.collection.sweep.wire.code_points import (
    SSL2_KINDS,
    prime_name,
    suite_codes,
    suite_name,
    suite_names,
)
from secscan.collection.sweep.wire.hello import encode, encode_ssl2
from secscan.collection.sweep.wire.message import Ssl2Hello, WireError, read_ssl2_hello
from secscan.collection.sweep.wire.record import MOST_EMPTY, Flight, NotTls
from secscan.facts import TlsVersion
from secscan.facts.suites import Trait, traits
from tests.fuzz.tls_wire import SEEDS, feed, message, record, server_hello, vector
from tests.lab.servers.primes import SMALL_PRIMES

TLS12, SSL3 = TlsVersion.TLS1_2, TlsVersion.SSLV3


def parsed(hello: bytes) -> TlsliteHello:
    """What tlslite-ng makes of a hello in one record."""
    assert int.from_bytes(hello[3:5], "big") == len(hello) - 5
    parser = Parser(bytearray(hello[5:]))
    parser.get(1)
    return TlsliteHello().parse(parser)


def read(data: bytes) -> Flight:
    flight = Flight()
    flight.feed(data)
    return flight


# --- Hellos -------------------------------------------------------------------------------------------------


def test_another_implementation_reads_the_suites_of_a_hello() -> None:
    hello = parsed(encode(hello_1_2(TLS12, suites_for(TLS12)), "a.example"))
    assert tuple(hello.cipher_suites) == suites_for(TLS12)


def test_another_implementation_reads_the_server_name() -> None:
    assert bytes(parsed(encode(hello_1_3(), "a.example")).server_name) == b"a.example"


def test_another_implementation_reads_the_groups_of_a_hello_for_tls_1_3() -> None:
    hello = parsed(encode(hello_1_3()))
    assert tuple(hello.extensions[0].groups) == GROUPS_1_3


def test_a_hello_for_tls_1_3_brings_no_key_unless_asked_to() -> None:
    shares = [e for e in parsed(encode(hello_1_3())).extensions if e.extType == 51]
    assert [list(share.client_shares) for share in shares] == [[]]


def test_a_hello_for_older_versions_too_names_them() -> None:
    [versions] = [e for e in parsed(encode(hello_1_3(older=True))).extensions if e.extType == 43]
    assert versions.versions == [(3, 4), (3, 3), (3, 2), (3, 1)]


def test_a_hello_for_ssl_3_has_no_extensions() -> None:
    hello = parsed(encode(hello_1_2(SSL3, usual_suites(SSL3)), "a.example"))
    assert (hello.client_version, hello.extensions) == ((3, 0), None)


def test_a_hello_of_ssl_2_is_as_long_as_it_says() -> None:
    hello = encode_ssl2()
    assert int.from_bytes(hello[:2], "big") & 0x7FFF == len(hello) - 2


# --- Code points ----------------------------------------------------------------------------------------------


def test_openssl_knows_the_same_suites_by_the_same_numbers() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    numbers = {cipher["id"] & 0xFFFF for cipher in context.get_ciphers()}
    assert len(numbers) > 50
    assert numbers <= suite_names().keys()


def test_sslyze_knows_the_same_suites_by_the_same_names() -> None:
    suites = pytest.importorskip("sslyze.plugins.openssl_cipher_suites.cipher_suites")
    everything = suites.CipherSuitesRepository.get_all_cipher_suites
    version = pytest.importorskip("sslyze.server_connectivity").TlsVersionEnum
    names = {suite.name for v in version for suite in everything(v)}
    assert names <= suite_codes().keys() | set(SSL2_KINDS.values())


def test_every_suite_but_one_tells_what_it_is_made_of() -> None:
    unknown = [name for name in suite_names().values() if Trait.UNKNOWN in traits(name)]
    assert unknown == ["SSL_FORTEZZA_KEA_WITH_FORTEZZA_CBC_SHA"]


@pytest.mark.parametrize(("bits", "name"), [(768, "RFC 2409 group 1"), (1024, "RFC 2409 group 2")])
def test_well_known_primes_are_known(bits: int, name: str) -> None:
    assert prime_name(b"\0" + SMALL_PRIMES[bits].to_bytes(bits // 8, "big")) == name


def test_any_other_prime_is_the_server_s_own() -> None:
    assert prime_name(b"\x11" * 256) == "own"


# --- Answers ----------------------------------------------------------------------------------------------------


def test_a_whole_flight_is_read() -> None:
    flight = read(SEEDS[0])
    assert flight.done
    assert flight.hello is not None
    assert suite_name(flight.hello.suite) == "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
    assert flight.certificates == (b"leaf", b"issuer")
    assert flight.status == b"staple"
    assert flight.key_exchange is not None
    assert (flight.key_exchange.group, flight.key_exchange.scheme) == (29, 0x0401)
    assert flight.asks_certificate


def test_a_prime_is_read() -> None:
    exchange = read(SEEDS[1]).key_exchange
    assert exchange is not None
    assert (exchange.prime, exchange.scheme) == (b"\xff" * 128, 0x0401)


def test_a_hello_retry_request_names_a_group() -> None:
    hello = read(SEEDS[2]).hello
    assert hello is not None
    assert (hello.version, hello.retry, hello.group) == (0x0304, True, 0x11EC)


def test_a_warning_ends_nothing() -> None:
    flight = read(SEEDS[4])
    assert (flight.alert, flight.warnings) == (None, [0x70])
    assert flight.hello is not None


def test_what_follows_a_fatal_alert_is_not_read() -> None:
    """MariaDB's own error, in its own protocol: from MariaDB 10.11 after a hello without a suite in common."""
    error = b"\x16\x00\x00\x02\xff\x13\x04#08S01Bad handshake"
    flight = read(b"\x15\x03\x03\x00\x02\x02\x28" + error)
    flight.feed(error)
    assert flight.alert == 0x28


@given(st.sampled_from(SEEDS[:5]), st.lists(st.integers(1, 40), max_size=200))
def test_the_pieces_it_comes_in_make_no_difference(answer: bytes, pieces: list[int]) -> None:
    flight = Flight()
    rest = answer
    for piece in pieces:
        flight.feed(rest[:piece])
        rest = rest[piece:]
    flight.feed(rest)
    whole = read(answer)
    assert (flight.hello, flight.certificates, flight.key_exchange, flight.alert, flight.done) == (
        whole.hello,
        whole.certificates,
        whole.key_exchange,
        whole.alert,
        whole.done,
    )


def test_a_message_may_be_spread_over_records_of_one_byte() -> None:
    body = server_hello(0xC02F)
    assert read(b"".join(record(22, body[at : at + 1]) for at in range(len(body)))).hello is not None


@pytest.mark.parametrize(
    "answer",
    [
        record(22, message(14, b"")),
        record(22, server_hello(1) + server_hello(1)),
        record(22, message(2, b"\3\3" + bytes(32) + b"\x21" + bytes(33) + b"\0\1\0")),
        record(22, server_hello(1, version=0x0305)),
        record(22, server_hello(1, extensions=b"\0\x17\0\0" * 2)),
        record(22, b"\x0b\xff\xff\xff"),
        record(22, server_hello(1) + message(11, vector(vector(b"", 3) * 40, 3))),
        record(22, server_hello(1) + message(11, b"\0\0\5\0\0\3a")),
        record(22, b"") * (MOST_EMPTY + 1),
        record(21, b"\1\0") * (MOST_EMPTY + 1),
    ],
)
def test_what_no_server_may_say_is_refused(answer: bytes) -> None:
    with pytest.raises(WireError):
        read(answer)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400", b"SSH-2.0-", b"\x16\x02\0\0\1a", b"\x16\3\1\xff\xff"])
def test_what_is_no_tls_is_told_apart(answer: bytes) -> None:
    with pytest.raises(NotTls):
        read(answer)


def test_ssl_2_names_the_kinds_both_know() -> None:
    assert read_ssl2_hello(SEEDS[5]) == Ssl2Hello((0x010080, 0x0700C0), b"leaf")


@given(st.integers(0, len(SEEDS[5]) - 1))
def test_ssl_2_waits_for_what_is_missing(length: int) -> None:
    assert read_ssl2_hello(SEEDS[5][:length]) is None


# --- Hostile bytes ------------------------------------------------------------------------------------------------


@settings(max_examples=500)
@given(st.binary(max_size=600))
def test_any_bytes_are_borne(data: bytes) -> None:
    feed(data)


@settings(max_examples=500)
@given(st.sampled_from(SEEDS), st.integers(0, 255), st.data())
def test_sound_answers_with_bytes_changed_are_borne(seed: bytes, choice: int, data: st.DataObject) -> None:
    changed = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    feed(bytes((choice,)) + bytes(changed))


def test_bytes_guided_by_coverage_are_borne() -> None:
    pytest.importorskip("atheris")
    ended = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.tls_wire", "-runs=4000", "-seed=1"],
        capture_output=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]


def test_reading_takes_time_in_proportion_to_the_length() -> None:
    """In bytes handled, not in seconds: what was read is forgotten."""
    flight = Flight()
    flight.feed(record(22, server_hello(0xC02F)))
    for _ in range(5000):
        flight.feed(record(22, message(13, b"x" * 1000)))
    assert len(flight.beginning) == 0
