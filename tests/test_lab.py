"""The lab keeps its word: every server does what it says, seen by openssl and raw sockets, and leaves no trace."""

import contextlib
import errno
import os
import re
import select
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from secscan.facts import TlsVersion
from tests.lab.authority import HOSTILE_SUBJECTS, Authority, Identity
from tests.lab.demo import demo_agencies, start_demo
from tests.lab.expectations import EXPECTED, SpeaksNoTls, SpeaksTls, Unseen
from tests.lab.fleet import (
    NETWORK,
    LabAgency,
    LabHost,
    LabService,
    RunningFleet,
    start_fleet,
    write_workspace,
)
from tests.lab.servers import (
    HOSTILE_GREETING,
    SSH_GREETING,
    V1_0,
    V1_1,
    V1_2,
    V1_3,
    BannerServer,
    ClosingServer,
    DrippingServer,
    EndlessServer,
    LabError,
    LegacyServer,
    MissingToolError,
    NginxServer,
    OpenSslServer,
    PlainHttpServer,
    ResettingServer,
    Running,
    Server,
    SilentServer,
    StallingServer,
    TlsServer,
    UnclosingServer,
    find_tool,
    free_port,
    missing_tools,
    page,
    random_greeting,
)
from tests.lab.servers.listening import MOST_CONNECTIONS
from tests.lab.servers.tools import PACKAGES

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NAME = "www.example"
ALL_CIPHERS = ("-cipher", "ALL:COMPLEMENTOFALL:@SECLEVEL=0")
GET = b"GET / HTTP/1.0\r\n\r\n"

#: How long a test watches to see that nothing comes.
A_MOMENT = 0.3


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority(datetime.now(UTC))


@pytest.fixture(scope="module")
def dated() -> Authority:
    """For certificates that are looked at, and not served: openssl s_client knows no other time than now."""
    return Authority(AT)


@pytest.fixture(scope="module")
def demo() -> Iterator[RunningFleet]:
    _require("openssl")
    with start_demo(datetime.now(UTC)) as fleet:
        yield fleet


# --- Certificates -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "verdict"),
    [
        (lambda a: a.good(NAME), "OK"),
        (lambda a: a.good(NAME, key="ecdsa-384"), "OK"),
        (lambda a: a.good(NAME, key="ed25519"), "OK"),
        (lambda a: a.good(NAME, key="rsa-2048"), "OK"),
        (lambda a: a.expiring(NAME, days=5), "OK"),
        (lambda a: a.long_lived(NAME), "OK"),
        (lambda a: a.misordered(NAME), "OK"),
        (lambda a: a.expired(NAME), "certificate has expired"),
        (lambda a: a.not_yet_valid(NAME), "certificate is not yet valid"),
        (lambda a: a.wrong_name(), "hostname mismatch"),
        (lambda a: a.self_signed(NAME), "self-signed certificate"),
        (lambda a: a.unknown_authority(NAME), "unable to get local issuer certificate"),
        (lambda a: a.incomplete(NAME), "unable to get local issuer certificate"),
        (lambda a: a.weak_key(NAME), "EE certificate key too weak"),
        (lambda a: a.weakly_signed(NAME), "CA signature digest algorithm too weak"),
        (lambda a: a.weakly_signed(NAME, digest="md5"), "CA signature digest algorithm too weak"),
        (lambda a: a.hostile(NAME, subject="<b>"), "self-signed certificate in certificate chain"),
    ],
)
def test_openssl_finds_the_fault_of_a_certificate_and_no_other(
    dated: Authority, tmp_path: Path, make: Callable[[Authority], Identity], verdict: str
) -> None:
    _require("openssl")
    (tmp_path / "root.pem").write_bytes(dated.root_pem)
    (tmp_path / "chain.pem").write_bytes(make(dated).chain_pem)
    options = ["-CAfile", "root.pem", "-untrusted", "chain.pem", "-verify_hostname", NAME]
    options += ["-purpose", "sslserver", "-attime", str(int(AT.timestamp())), "-auth_level", "2"]
    done = _run([find_tool("openssl"), "verify", *options, "chain.pem"], cwd=tmp_path)
    assert (re.findall(r"lookup: (.+)", done) or ["OK"]) == [verdict]


def test_dates_count_from_the_given_instant(dated: Authority) -> None:
    leaf = dated.expiring(NAME, days=12).leaf
    assert leaf.not_valid_after_utc == AT + timedelta(days=12)


def test_a_certificate_without_alternative_names_has_none(dated: Authority) -> None:
    leaf = dated.without_alternative_names(NAME).leaf
    with pytest.raises(x509.ExtensionNotFound):
        leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)


def test_an_address_becomes_an_address_name(dated: Authority) -> None:
    names = dated.good("127.20.0.1").leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.IPAddress) == [ip_address("127.20.0.1")]


def test_a_weak_digest_is_named_inside_and_outside_of_what_is_signed(dated: Authority) -> None:
    leaf = dated.weakly_signed(NAME, key="rsa-2048").leaf
    sha1_with_rsa = bytes.fromhex("2a864886f70d010105")
    assert leaf.public_bytes(_DER).count(sha1_with_rsa) == 2


@pytest.mark.parametrize("text", HOSTILE_SUBJECTS.values(), ids=HOSTILE_SUBJECTS.keys())
def test_a_hostile_subject_is_in_the_certificate_as_it_is(dated: Authority, text: str) -> None:
    leaf = dated.hostile(NAME, subject=text).leaf
    assert text.encode() in leaf.public_bytes(_DER)


def test_two_holders_never_share_an_rsa_key(dated: Authority) -> None:
    assert dated.good("a.example", key="rsa-2048").key is not dated.good("b.example", key="rsa-2048").key


def test_a_renewed_rsa_certificate_keeps_its_key(dated: Authority) -> None:
    assert dated.good(NAME, key="rsa-2048").key is dated.expired(NAME, key="rsa-2048").key


# --- TLS servers --------------------------------------------------------------------------------------------

_OLD = "AES128-SHA:ECDHE-RSA-AES128-SHA"


@pytest.mark.parametrize(
    ("options", "versions"),
    [
        ({}, {"-tls1_2", "-tls1_3"}),
        ({"minimum": V1_3}, {"-tls1_3"}),
        ({"maximum": V1_2}, {"-tls1_2"}),
        ({"minimum": V1_0, "maximum": V1_0, "ciphers": _OLD, "weak": True}, {"-tls1"}),
        ({"minimum": V1_1, "maximum": V1_1, "ciphers": _OLD, "weak": True}, {"-tls1_1"}),
        ({"minimum": V1_0, "ciphers": _OLD, "weak": True}, {"-tls1", "-tls1_1", "-tls1_2", "-tls1_3"}),
    ],
)
def test_a_tls_server_offers_the_versions_it_is_told_to(
    authority: Authority, options: dict[str, Any], versions: set[str]
) -> None:
    server = TlsServer((authority.good(NAME, key="rsa-2048"),), **options)
    with server.start() as running:
        offered = {
            v for v in ("-tls1", "-tls1_1", "-tls1_2", "-tls1_3") if _handshake(running, v, *ALL_CIPHERS)
        }
    assert offered == versions


@dataclass(frozen=True)
class _Case:
    server: Callable[[Authority], Server]
    options: tuple[str, ...]
    seen: str


_CASES = {
    "small prime": _Case(
        lambda a: TlsServer(
            (a.good(NAME, key="rsa-2048"),), maximum=V1_2, ciphers="DHE+AESGCM", weak=True, dh_bits=1024
        ),
        ALL_CIPHERS,
        "Server Temp Key: DH, 1024 bits",
    ),
    "one curve": _Case(
        lambda a: TlsServer((a.good(NAME),), group="secp384r1"), (), "Server Temp Key: ECDH, secp384r1"
    ),
    "weak key": _Case(
        lambda a: TlsServer((a.weak_key(NAME),), weak=True), ALL_CIPHERS, "Server public key is 1024 bit"
    ),
    "SHA-1": _Case(
        lambda a: TlsServer((a.weakly_signed(NAME),), weak=True),
        ALL_CIPHERS,
        "Cipher is TLS_AES_256_GCM_SHA384",
    ),
    "Ed25519": _Case(lambda a: TlsServer((a.good(NAME, key="ed25519"),)), (), "Peer signature type: ed25519"),
    "of two keys the ECDSA one": _Case(
        lambda a: TlsServer((a.good(NAME), a.good(NAME, key="rsa-2048"))),
        ("-tls1_2", "-cipher", "aECDSA"),
        "Server public key is 256 bit",
    ),
    "of two keys the RSA one": _Case(
        lambda a: TlsServer((a.good(NAME), a.good(NAME, key="rsa-2048"))),
        ("-tls1_2", "-cipher", "aRSA"),
        "Server public key is 2048 bit",
    ),
    "anonymous": _Case(
        lambda a: TlsServer((), maximum=V1_2, ciphers="aNULL", weak=True),
        ("-tls1_2", *ALL_CIPHERS),
        "Cipher is A",
    ),
    "client certificate asked": _Case(
        lambda a: TlsServer((a.good(NAME),), client_certificate="asked", client_authorities=(a.root,)),
        (),
        "Requested Signature Algorithms",
    ),
    "openssl NULL": _Case(
        lambda a: OpenSslServer(
            a.good(NAME, key="rsa-2048"), ("-tls1_2", "-cipher", "NULL-SHA256:@SECLEVEL=0")
        ),
        ("-tls1_2", *ALL_CIPHERS),
        "Cipher is NULL-SHA256",
    ),
    "openssl anonymous": _Case(
        lambda a: OpenSslServer(None, ("-tls1_2", "-cipher", "ADH-AES128-SHA:@SECLEVEL=0")),
        ("-tls1_2", *ALL_CIPHERS),
        "Cipher is ADH-AES128-SHA",
    ),
    "openssl staple": _Case(lambda a: _stapling(a), ("-status",), "Cert Status: good"),
    "nginx": _Case(lambda a: NginxServer(((NAME, a.good(NAME)),)), (), "Cipher is TLS_AES_256_GCM_SHA384"),
    "tlslite TLS 1.0 with a prime of 768 bits": _Case(
        lambda a: LegacyServer(
            a.weak_key(NAME),
            minimum=(3, 1),
            maximum=(3, 1),
            ciphers=("aes128",),
            key_exchanges=("dhe_rsa",),
            dh_bits=768,
        ),
        ("-tls1", *ALL_CIPHERS),
        "dh key too small",
    ),
}


@pytest.mark.parametrize("case", _CASES.values(), ids=_CASES.keys())
def test_openssl_sees_what_the_server_is_for(authority: Authority, case: _Case) -> None:
    server = case.server(authority)
    with _started(server) as running:
        assert case.seen in _s_client(running, *case.options)


def _stapling(authority: Authority) -> Server:
    identity = authority.good(NAME)
    return OpenSslServer(identity, staple=authority.good_staple(identity))


@pytest.mark.parametrize("hsts", [True, False])
def test_strict_transport_security_is_sent_only_if_asked_for(authority: Authority, hsts: bool) -> None:
    with TlsServer((authority.good(NAME),), answer=page(hsts=hsts)).start() as running:
        assert ("Strict-Transport-Security" in _s_client(running, "-ign_eof", say=GET)) is hsts


def test_a_required_client_certificate_is_insisted_on(authority: Authority) -> None:
    with _demanding(authority).start() as running:
        # Nothing is asked for: the server hangs up, and a client that is still writing may not hear why.
        assert "alert certificate required" in _s_client(running, "-ign_eof")


def test_a_client_certificate_of_the_authority_is_let_in(authority: Authority, tmp_path: Path) -> None:
    pem = tmp_path / "client.pem"
    pem.write_bytes(authority.client("somebody").pem)
    with _demanding(authority).start() as running:
        seen = _s_client(running, "-ign_eof", "-cert", str(pem), "-cert_chain", str(pem), say=GET)
    assert "200 OK" in seen


def _demanding(authority: Authority) -> TlsServer:
    return TlsServer(
        (authority.good(NAME),), client_certificate="required", client_authorities=(authority.root,)
    )


@pytest.mark.parametrize("asked", ["a.example", "b.example"])
@pytest.mark.parametrize("kind", ["python", "nginx"])
def test_virtual_hosts_have_certificates_of_their_own(authority: Authority, kind: str, asked: str) -> None:
    hosts = tuple((name, authority.good(name)) for name in ("a.example", "b.example"))
    server = NginxServer(hosts) if kind == "nginx" else TlsServer((hosts[0][1],), virtual_hosts=hosts)
    with _started(server) as running:
        assert f"subject=C = VN, O = secscan lab, CN = {asked}" in _s_client(running, "-servername", asked)


def test_a_strict_server_refuses_other_names(authority: Authority) -> None:
    identity = authority.good(NAME)
    with TlsServer((identity,), virtual_hosts=((NAME, identity),), strict_names=True).start() as running:
        assert "unrecognized name" in _s_client(running, "-servername", "other.example")


def test_a_failed_handshake_is_answered_by_an_alert(authority: Authority) -> None:
    with TlsServer((authority.good(NAME),), minimum=V1_3).start() as running:
        assert "alert protocol version" in _s_client(running, "-tls1_2")


def test_the_chain_is_sent_in_its_given_order(authority: Authority) -> None:
    identity = authority.misordered(NAME)
    with TlsServer((identity,)).start() as running:
        seen = _s_client(running, "-showcerts")
    sent = x509.load_pem_x509_certificates(seen.encode())
    assert tuple(c.public_bytes(_DER) for c in sent) == identity.certificates


def test_an_unclosing_tls_server_answers_and_stays(authority: Authority) -> None:
    with TlsServer((authority.good(NAME),), closes=False).start() as running, _connect(running) as connection:
        context = ssl.create_default_context(cadata=authority.root_pem.decode())
        with context.wrap_socket(connection, server_hostname=NAME) as tls:
            tls.sendall(GET)
            assert tls.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")
            assert _is_quiet(tls)


def test_nginx_takes_early_data_if_told_to(authority: Authority) -> None:
    server = NginxServer(((NAME, authority.good(NAME)),), early_data=True)
    with _started(server) as running:
        # It is said in the ticket (RFC 8446, section 4.6.1), which comes before the answer.
        assert "Max Early Data: 16384" in _s_client(running, "-ign_eof", say=GET)


def test_the_legacy_server_speaks_ssl_3_with_rc4(authority: Authority) -> None:
    with LegacyServer(authority.weak_key(NAME)).start() as running, _connect(running) as connection:
        connection.sendall(_client_hello(0x0300, [0x0005]))
        hello = connection.recv(4096)
    assert (hello[:3], hello[5], hello[9:11], hello[44:46]) == (b"\x16\x03\x00", 2, b"\x03\x00", b"\x00\x05")


def test_the_legacy_server_offers_nothing_newer(authority: Authority) -> None:
    with LegacyServer(authority.weak_key(NAME)).start() as running:
        assert not any(
            _handshake(running, v, *ALL_CIPHERS) for v in ("-tls1", "-tls1_1", "-tls1_2", "-tls1_3")
        )


def test_a_stalling_server_says_its_server_hello_and_nothing_more(authority: Authority) -> None:
    with StallingServer(authority.good(NAME)).start() as running, _connect(running) as connection:
        connection.sendall(_client_hello(0x0303, [0xC02B]))
        hello = connection.recv(4096)
        assert (hello[0], hello[5], len(hello)) == (0x16, 2, 5 + int.from_bytes(hello[3:5], "big"))
        assert _is_quiet(connection)


# --- Plain and hostile servers --------------------------------------------------------------------------------


def test_plain_http_answers_http() -> None:
    with PlainHttpServer().start() as running, _connect(running) as connection:
        connection.sendall(GET)
        assert _read_all(connection).startswith(b"HTTP/1.1 200 OK\r\n")


def test_plain_http_answers_a_tls_hello_in_plain_text() -> None:
    with PlainHttpServer().start() as running, _connect(running) as connection:
        connection.sendall(_client_hello(0x0303, [0xC02B]))
        assert _read_all(connection).startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_a_silent_server_takes_everything_and_says_nothing() -> None:
    with SilentServer().start() as running, _connect(running) as connection:
        connection.sendall(_client_hello(0x0303, [0xC02B]))
        assert _is_quiet(connection)


def test_a_dripping_server_sends_single_bytes_without_being_asked() -> None:
    with DrippingServer(interval=0.05).start() as running, _connect(running) as connection:
        assert [len(connection.recv(100)) for _ in range(5)] == [1] * 5


def test_a_dripping_server_keeps_its_interval() -> None:
    with DrippingServer(interval=0.1).start() as running, _connect(running) as connection:
        started = time.monotonic()
        for _ in range(4):
            connection.recv(1)
        assert time.monotonic() - started >= 0.3


def test_a_drip_in_a_handshake_waits_for_the_client() -> None:
    with DrippingServer(in_handshake=True, interval=0).start() as running, _connect(running) as connection:
        assert _is_quiet(connection)


def test_a_drip_in_a_handshake_is_a_chain_of_tls_records() -> None:
    with DrippingServer(in_handshake=True, interval=0).start() as running, _connect(running) as connection:
        connection.sendall(_client_hello(0x0303, [0xC02B]))
        seen = _read(connection, 5 + 0x4000 + 5)
    assert (seen[:5], seen[5:9], seen[-5:]) == (
        b"\x16\x03\x03\x40\x00",
        b"\x02\xff\xff\xff",
        b"\x16\x03\x03\x40\x00",
    )


def test_a_resetting_server_resets() -> None:
    with (
        ResettingServer().start() as running,
        pytest.raises(ConnectionResetError),
        _connect(running) as connection,
    ):
        connection.recv(1)


def test_a_resetting_server_may_wait_until_it_is_spoken_to() -> None:
    with ResettingServer(once_spoken_to=True).start() as running, _connect(running) as connection:
        assert _is_quiet(connection)
        connection.sendall(b"hello")
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


def test_a_closing_server_closes_in_good_order() -> None:
    with ClosingServer().start() as running, _connect(running) as connection:
        assert connection.recv(1) == b""


def test_an_endless_server_goes_on_as_long_as_it_is_read() -> None:
    with EndlessServer().start() as running, _connect(running) as connection:
        assert len(_read(connection, 20_000_000)) == 20_000_000


def test_an_endless_server_costs_nothing_while_nobody_reads() -> None:
    with EndlessServer().start() as running, _connect(running) as connection:
        _wait_until(lambda: _is_stuck(running.port))
        before = time.process_time()
        select.select([], [], [], A_MOMENT)
        assert time.process_time() - before < A_MOMENT / 10
        assert connection.recv(1)


@pytest.mark.parametrize("greeting", [SSH_GREETING, HOSTILE_GREETING, random_greeting(7)])
def test_a_banner_is_sent_as_it_is_and_the_connection_held(greeting: bytes) -> None:
    with BannerServer(greeting).start() as running, _connect(running) as connection:
        assert _read(connection, len(greeting)) == greeting
        assert _is_quiet(connection)


def test_a_banner_may_be_the_last_word() -> None:
    with BannerServer(b"bye\r\n", hangs_up=True).start() as running, _connect(running) as connection:
        assert _read_all(connection) == b"bye\r\n"


def test_random_greetings_are_the_same_for_the_same_seed() -> None:
    assert random_greeting(7) == random_greeting(7) != random_greeting(8)


def test_an_unclosing_server_stays_when_the_client_has_closed() -> None:
    with UnclosingServer().start() as running, _connect(running) as connection:
        connection.sendall(GET)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")
        assert _is_quiet(connection)


# --- Starting and stopping --------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["127.20.9.1", "::1"])
@pytest.mark.parametrize("kind", ["python", "openssl", "nginx"])
def test_a_server_listens_where_it_says(authority: Authority, kind: str, address: str) -> None:
    server = _one_of(authority, kind)
    with _started(server, address) as running:
        assert running.address == address
        assert _handshake(running)


@pytest.mark.parametrize("kind", ["python", "openssl", "nginx"])
def test_a_server_takes_the_port_it_is_given(authority: Authority, kind: str) -> None:
    port = free_port("127.20.9.1")
    with _started(_one_of(authority, kind), "127.20.9.1", port) as running:
        assert running.port == port
        assert _handshake(running)


@pytest.mark.parametrize("kind", ["python", "openssl", "nginx"])
def test_a_stopped_server_refuses_connections(authority: Authority, kind: str) -> None:
    with _started(_one_of(authority, kind), "127.20.9.1") as running:
        pass
    with pytest.raises(ConnectionRefusedError):
        _connect(running)


def test_a_second_stop_does_nothing(authority: Authority) -> None:
    for kind in ("python", "openssl", "nginx"):
        with _started(_one_of(authority, kind)) as running:
            running.stop()


def test_stopping_ends_open_connections() -> None:
    with BannerServer(b"hello").start() as running:
        connection = _connect(running)
        assert _read(connection, 5) == b"hello"
    with connection:
        assert connection.recv(1) == b""


@pytest.mark.parametrize(
    "server",
    [
        SilentServer(),
        DrippingServer(),
        EndlessServer(),
        BannerServer(b"x"),
        UnclosingServer(),
        PlainHttpServer(),
    ],
    ids=lambda server: type(server).__name__,
)
def test_no_thread_is_left_of_a_server_with_clients(server: Server) -> None:
    before = set(threading.enumerate())
    with server.start() as running, contextlib.ExitStack() as clients:
        for _ in range(3):
            clients.enter_context(_connect(running))
        _wait_until(lambda: len(set(threading.enumerate()) - before) == 4)
        running.stop()
        assert set(threading.enumerate()) <= before


def test_one_connection_too_many_cuts_off_the_oldest() -> None:
    with UnclosingServer().start() as running, contextlib.ExitStack() as clients:
        first, *_ = [clients.enter_context(_connect(running)) for _ in range(MOST_CONNECTIONS + 1)]
        assert first.recv(1) == b""


def test_nothing_is_served_beyond_loopback() -> None:
    with pytest.raises(LabError, match=r"192\.0\.2\.1 is not a loopback address"):
        SilentServer().start("192.0.2.1")


def test_a_port_in_use_is_an_error() -> None:
    with SilentServer().start() as running, pytest.raises(OSError) as caught:
        SilentServer().start(port=running.port)
    assert caught.value.errno == errno.EADDRINUSE


def test_openssl_that_can_not_start_says_why(authority: Authority) -> None:
    _require("openssl")
    with pytest.raises(LabError, match="no-such-option"):
        OpenSslServer(authority.good(NAME), ("-no-such-option",)).start()


def test_nginx_that_can_not_start_says_why(authority: Authority) -> None:
    _require("nginx")
    with pytest.raises(LabError, match="TLSv9"):
        NginxServer(((NAME, authority.good(NAME)),), protocols="TLSv9").start()


@pytest.mark.parametrize("kind", ["openssl", "nginx"])
def test_a_child_is_reaped_when_it_is_stopped(authority: Authority, kind: str) -> None:
    before = _children_of(os.getpid())
    with _started(_one_of(authority, kind)) as running:
        assert len(_children_of(os.getpid()) - before) == 1
    # While ``running`` is kept: Python would reap the child of an object that nobody has any more.
    assert running.port
    assert _children_of(os.getpid()) == before


def test_missing_tools_are_named_with_their_packages(tmp_path: Path) -> None:
    assert missing_tools(str(tmp_path)) == PACKAGES


# --- The fleet ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _NotInstalled:
    def start(self, address: str = "127.0.0.1", port: int = 0) -> Running:
        raise MissingToolError("frobnicate is not installed (package frobnicate-bin)")


def test_python_stands_in_for_a_missing_program(authority: Authority) -> None:
    with start_fleet(authority, [_agency(_NotInstalled(), stand_in=SilentServer())]) as fleet:
        assert fleet.stand_ins == (
            "host-1/it: frobnicate is not installed (package frobnicate-bin); Python serves it instead",
        )


def test_a_missing_program_without_a_stand_in_is_named(authority: Authority) -> None:
    with pytest.raises(LabError, match="package frobnicate-bin"):
        start_fleet(authority, [_agency(_NotInstalled())])


def test_a_port_in_use_is_replaced_by_another(authority: Authority) -> None:
    with SilentServer().start("127.20.9.2") as taken:
        agency = _agency(SilentServer(), port=taken.port)
        with start_fleet(authority, [agency]) as fleet:
            assert fleet.ports["host-1", "it"] not in (0, taken.port)


def _agency(server: Server, *, port: int = 0, stand_in: Server | None = None) -> LabAgency:
    service = LabService("it", port, server, "something", stand_in=stand_in)
    host = LabHost(id="host-1", address="127.20.9.2", role="test", services=(service,))
    return LabAgency(id="test", tier="", names={"en": "Test"}, contact=("", ""), hosts=(host,))


def test_every_service_of_the_demo_has_its_expectation(authority: Authority) -> None:
    services = {
        (host.id, service.slug)
        for agency in demo_agencies(authority)
        for host in agency.hosts
        for service in host.services
    }
    assert services == set(EXPECTED)


def test_the_demo_starts_and_stops_within_its_time() -> None:
    # Time of the processor, because another test may have it for a while.
    before = time.process_time()
    start_demo(datetime.now(UTC)).stop()
    assert time.process_time() - before < 2


_SPEAKING = {key: expected for key, expected in EXPECTED.items() if isinstance(expected, SpeaksTls)}
_VERSION_OPTIONS = {
    TlsVersion.TLS1_0: "-tls1",
    TlsVersion.TLS1_1: "-tls1_1",
    TlsVersion.TLS1_2: "-tls1_2",
    TlsVersion.TLS1_3: "-tls1_3",
}


@pytest.mark.parametrize("where", _SPEAKING, ids="/".join)
def test_the_demo_offers_the_expected_versions(demo: RunningFleet, where: tuple[str, str]) -> None:
    place = _place(demo, where)
    offered = {v for v, option in _VERSION_OPTIONS.items() if _handshake(place, option, *ALL_CIPHERS)}
    if _answers_ssl_3(place):
        offered.add(TlsVersion.SSLV3)
    assert offered == _SPEAKING[where].versions


@pytest.mark.parametrize("where", _SPEAKING, ids="/".join)
def test_the_demo_sends_the_expected_certificates(demo: RunningFleet, where: tuple[str, str]) -> None:
    expected = _SPEAKING[where]
    server = _described(demo, where).server
    if isinstance(server, LegacyServer):
        # No openssl of today speaks SSL 3.0: the certificates are read from the server's first flight.
        chains = [_certificates_of_ssl_3(_place(demo, where))]
    else:
        # eNULL and aNULL apart: a server that prefers an anonymous suite would send no certificate.
        lists = {"ECDSA": "aECDSA", "RSA": "aRSA:!aNULL"}
        chains = [
            x509.load_pem_x509_certificates(
                _s_client(
                    _place(demo, where),
                    "-showcerts",
                    *(["-tls1_3"] if expected.versions == {TlsVersion.TLS1_3} else ["-no_tls1_3"]),
                    *("-cipher", f"{lists[kind]}:@SECLEVEL=0"),
                ).encode()
            )
            for kind, _ in sorted(expected.keys)
        ]
    assert {_key_of(chain[0]) for chain in chains} == expected.keys
    assert {len(chain) for chain in chains} == {expected.sent}
    assert {chain[0].not_valid_after_utc for chain in chains} == {demo.authority.at + expected.ends}


@pytest.mark.parametrize(
    "where", [key for key, expected in _SPEAKING.items() if expected.suites is not None], ids="/".join
)
def test_the_demo_offers_the_expected_suites(demo: RunningFleet, where: tuple[str, str]) -> None:
    expected = _SPEAKING[where]
    newest = max(_WIRE_VERSIONS[version] for version in expected.versions)
    accepted = _accepted_suites(_place(demo, where), newest)
    assert {_SUITES.get(suite, hex(suite)) for suite in accepted} == set(expected.suites or ())


@pytest.mark.parametrize("where", _SPEAKING, ids="/".join)
def test_the_demo_uses_the_expected_primes(demo: RunningFleet, where: tuple[str, str]) -> None:
    bits = _SPEAKING[where].dh_bits
    if bits is not None:
        seen = _s_client(_place(demo, where), "-no_tls1_3", "-cipher", "kDHE:@SECLEVEL=0")
        assert re.findall(r"Server Temp Key: DH, (\d+) bits", seen) == ([str(bits)] if bits else [])


@pytest.mark.parametrize("where", _SPEAKING, ids="/".join)
def test_the_demo_asks_for_client_certificates_where_expected(
    demo: RunningFleet, where: tuple[str, str]
) -> None:
    asked = "Requested Signature Algorithms" in _s_client(_place(demo, where), *ALL_CIPHERS)
    assert asked is (_SPEAKING[where].client_certificate != "not-asked")


@pytest.mark.parametrize(
    "where", [key for key, expected in EXPECTED.items() if isinstance(expected, SpeaksNoTls)], ids="/".join
)
def test_the_demo_answers_without_tls_where_expected(demo: RunningFleet, where: tuple[str, str]) -> None:
    with _connect(_place(demo, where)) as connection:
        connection.sendall(_client_hello(0x0303, [0xC02B]))
        assert connection.recv(1) not in (b"", b"\x15", b"\x16")


@pytest.mark.parametrize(
    "where", [key for key, expected in EXPECTED.items() if isinstance(expected, Unseen)], ids="/".join
)
def test_the_demo_shows_nothing_where_expected(demo: RunningFleet, where: tuple[str, str]) -> None:
    assert not _completes_a_handshake(_place(demo, where))


def test_the_demo_has_its_ports_open_and_closed_as_expected(demo: RunningFleet) -> None:
    listening = {
        (host.id, service.slug): _listens(_Place(host.address, port))
        for host, service, port in demo.services()
    }
    assert listening == {
        key: not (isinstance(expected, Unseen) and not expected.listens) for key, expected in EXPECTED.items()
    }


# --- The workspace --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def workspace(demo: RunningFleet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workspace")
    write_workspace(folder, demo)
    return folder


@pytest.fixture(scope="module")
def inventory(workspace: Path) -> dict[str, dict[str, Any]]:
    return {path.stem: tomllib.loads(path.read_text("utf-8")) for path in (workspace / "inventory").iterdir()}


def _hosts(inventory: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [host for agency in inventory.values() for host in agency["host"]]


def test_the_workspace_has_a_file_for_each_agency(
    demo: RunningFleet, inventory: dict[str, dict[str, Any]]
) -> None:
    assert set(inventory) == {agency.id for agency in demo.agencies}


def test_names_keep_their_diacritics(inventory: dict[str, dict[str, Any]]) -> None:
    assert inventory["xa-dong-thu"]["agency"]["names"]["vi"] == "Ủy ban nhân dân xã Đồng Thử"


def test_the_scope_covers_every_host(workspace: Path, inventory: dict[str, dict[str, Any]]) -> None:
    scope = tomllib.loads((workspace / "scope.toml").read_text("utf-8"))
    assert scope["networks"] == [NETWORK]
    assert all(ip_address(h["addresses"][0]) in ip_network(NETWORK) for h in _hosts(inventory))


def test_the_scope_has_not_expired(demo: RunningFleet, workspace: Path) -> None:
    scope = tomllib.loads((workspace / "scope.toml").read_text("utf-8"))
    assert scope["expires"] > demo.authority.at.date()


def test_every_host_has_an_address_of_its_own(inventory: dict[str, dict[str, Any]]) -> None:
    addresses = [host["addresses"][0] for host in _hosts(inventory)]
    assert len(set(addresses)) == len(addresses) == 12


def test_the_inventory_declares_the_ports_that_were_bound(
    demo: RunningFleet, inventory: dict[str, dict[str, Any]]
) -> None:
    declared = {(h["id"], s["port"]) for h in _hosts(inventory) for s in h["service"]}
    assert declared == {(host.id, port) for host, service, port in demo.services() if service.declared}


def test_undeclared_ports_are_among_those_to_scan(
    demo: RunningFleet, inventory: dict[str, dict[str, Any]]
) -> None:
    asked = {host["id"]: set(str(host["ports"]).split(",")) for host in _hosts(inventory)}
    undeclared = [(host.id, str(port)) for host, service, port in demo.services() if not service.declared]
    assert undeclared
    assert all(port in asked[host] for host, port in undeclared)


def test_the_trust_anchor_is_the_labs_root(demo: RunningFleet, workspace: Path) -> None:
    root = x509.load_pem_x509_certificate((workspace / "ca" / "lab-root.pem").read_bytes())
    assert root.public_bytes(_DER) == demo.authority.root


# --- The lab as a process -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_ends_the_lab_in_good_order(tmp_path: Path, number: signal.Signals) -> None:
    with _lab(tmp_path) as lab:
        children = _children_of(lab.pid)
        lab.send_signal(number)
        assert lab.wait(timeout=10) == 0
    assert not any(_is_alive(pid) for pid in children)


def test_the_lab_ends_when_its_stdin_closes(tmp_path: Path) -> None:
    with _lab(tmp_path) as lab:
        assert lab.stdin is not None
        lab.stdin.close()
        assert lab.wait(timeout=10) == 0


def test_a_killed_lab_leaves_no_process(tmp_path: Path) -> None:
    with _lab(tmp_path) as lab:
        children = _children_of(lab.pid)
        lab.kill()
        lab.wait(timeout=10)
    assert len(children) == 2 - len({"nginx", "openssl"} & missing_tools().keys())
    _wait_until(lambda: not any(_is_alive(pid) for pid in children))


def test_a_killed_lab_leaves_no_file(tmp_path: Path) -> None:
    with _lab(tmp_path) as lab:
        lab.kill()
        lab.wait(timeout=10)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_the_lab_explains_its_use() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.lab"], cwd=_ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (2, "usage: python -m tests.lab FOLDER\n")


_ROOT = Path(__file__).parent.parent


@contextlib.contextmanager
def _lab(folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The lab, ready; its temporary files would be in ``folder/temporary``."""
    (folder / "temporary").mkdir()
    lab = subprocess.Popen(
        [sys.executable, "-m", "tests.lab", str(folder / "workspace")],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(folder / "temporary")},
    )
    with lab:
        try:
            assert lab.stdout is not None
            assert lab.stdout.readline() == f"ready {folder / 'workspace'}\n".encode()
            yield lab
        finally:
            lab.kill()


# --- Means of its own -----------------------------------------------------------------------------------------------

_DER = Encoding.DER


@dataclass(frozen=True)
class _Place:
    """Where something should be listening."""

    address: str
    port: int


def _place(fleet: RunningFleet, where: tuple[str, str]) -> _Place:
    return next(
        _Place(host.address, port)
        for host, service, port in fleet.services()
        if (host.id, service.slug) == where
    )


def _described(fleet: RunningFleet, where: tuple[str, str]) -> LabService:
    return next(service for host, service, _ in fleet.services() if (host.id, service.slug) == where)


def _require(tool: str) -> str:
    try:
        return find_tool(tool)
    except MissingToolError as missing:
        pytest.skip(str(missing))


def _started(server: Server, address: str = "127.0.0.1", port: int = 0) -> Running:
    try:
        return server.start(address, port)
    except MissingToolError as missing:
        pytest.skip(str(missing))
    except OSError as error:
        if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            pytest.skip(f"{address} does not exist on this machine")
        raise


def _one_of(authority: Authority, kind: str) -> Server:
    identity = authority.good(NAME)
    if kind == "openssl":
        return OpenSslServer(identity)
    return NginxServer(((NAME, identity),)) if kind == "nginx" else TlsServer((identity,))


def _run(arguments: list[str], *, say: bytes = b"", timeout: float = 20, cwd: Path | None = None) -> str:
    done = subprocess.run(
        arguments,
        input=say,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=timeout,
        cwd=cwd,
        check=False,
    )
    return done.stdout.decode("utf-8", "replace")


def _s_client(place: "Running | _Place", *options: str, say: bytes = b"", timeout: float = 20) -> str:
    address = f"[{place.address}]" if ":" in place.address else place.address
    target = ["-connect", f"{address}:{place.port}", "-tlsextdebug"]
    return _run([_require("openssl"), "s_client", *target, *options], say=say, timeout=timeout)


def _handshake(place: "Running | _Place", *options: str, timeout: float = 20) -> bool:
    return bool(re.search(r"Cipher is (?!\(NONE\))", _s_client(place, *options, timeout=timeout)))


def _connect(place: "Running | _Place") -> socket.socket:
    return socket.create_connection((place.address, place.port), timeout=10)


def _listens(place: _Place) -> bool:
    try:
        with _connect(place):
            return True
    except ConnectionRefusedError:
        return False


def _client_hello(version: int, suites: Iterable[int]) -> bytes:
    """A hello up to TLS 1.2; from TLS 1.0 with the extensions that suites with ECDHE need."""
    extensions = b""
    if version >= 0x0301:
        # supported_groups: secp256r1. signature_algorithms: ECDSA and RSA with SHA-256, RSA with SHA-1.
        extensions = bytes.fromhex("000a000400020017" + "000d00080006040304010201")
        extensions = struct.pack(">H", len(extensions)) + extensions
    offered = b"".join(struct.pack(">H", suite) for suite in suites)
    body = struct.pack(">H", version) + bytes(32) + b"\x00"
    body += struct.pack(">H", len(offered)) + offered + b"\x01\x00" + extensions
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    return b"\x16" + struct.pack(">HH", min(version, 0x0301), len(message)) + message


_SSL_3_SUITES = [0x0005, 0x0004, 0x000A, 0x002F, 0x0035]

_WIRE_VERSIONS = {
    TlsVersion.SSLV3: 0x0300,
    TlsVersion.TLS1_0: 0x0301,
    TlsVersion.TLS1_1: 0x0302,
    TlsVersion.TLS1_2: 0x0303,
}

#: The suites of the demo that are not modern, from the IANA registry.
_SUITES = {
    0x0004: "TLS_RSA_WITH_RC4_128_MD5",
    0x0005: "TLS_RSA_WITH_RC4_128_SHA",
    0x000A: "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    0x002F: "TLS_RSA_WITH_AES_128_CBC_SHA",
    0x0033: "TLS_DHE_RSA_WITH_AES_128_CBC_SHA",
    0x0034: "TLS_DH_anon_WITH_AES_128_CBC_SHA",
    0x0035: "TLS_RSA_WITH_AES_256_CBC_SHA",
    0x003B: "TLS_RSA_WITH_NULL_SHA256",
    0x009F: "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384",
    0xC013: "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
}


def _accepted_suites(place: _Place, version: int) -> set[int]:
    """All of them: what the server chooses is left out of the next offer, until it chooses no more."""
    # 0x0056 and 0x00FF are signals, not suites (RFC 7507, RFC 5746).
    left = {*range(0x0001, 0x00C8), *range(0xC001, 0xC100), *range(0xCCA8, 0xCCAF)} - {0x0056}
    chosen: set[int] = set()
    while True:
        with _connect(place) as connection:
            connection.sendall(_client_hello(version, sorted(left)))
            header = _read(connection, 5)
            if header[0] != 0x16:
                return chosen
            hello = _read(connection, int.from_bytes(header[3:5], "big"))
        identifier_ends = 39 + hello[38]
        suite = int.from_bytes(hello[identifier_ends : identifier_ends + 2], "big")
        chosen.add(suite)
        left.remove(suite)


def _answers_ssl_3(place: _Place) -> bool:
    with _connect(place) as connection:
        connection.sendall(_client_hello(0x0300, _SSL_3_SUITES))
        with contextlib.suppress(ConnectionResetError):
            return connection.recv(3) == b"\x16\x03\x00"
        return False


def _certificates_of_ssl_3(place: _Place) -> list[x509.Certificate]:
    """From ServerHello, Certificate and ServerHelloDone, each a 24-bit length after a byte of type."""
    with _connect(place) as connection:
        connection.sendall(_client_hello(0x0300, _SSL_3_SUITES))
        messages = b""
        while not messages.endswith(b"\x0e\x00\x00\x00"):
            header = _read(connection, 5)
            messages += _read(connection, int.from_bytes(header[3:5], "big"))
    certificate = messages[4 + int.from_bytes(messages[1:4], "big") :]
    listed = certificate[7 : 7 + int.from_bytes(certificate[4:7], "big")]
    found = []
    while listed:
        length = int.from_bytes(listed[:3], "big")
        found.append(x509.load_der_x509_certificate(listed[3 : 3 + length]))
        listed = listed[3 + length :]
    return found


def _completes_a_handshake(place: _Place) -> bool:
    try:
        return _handshake(place, timeout=1)
    except subprocess.TimeoutExpired:
        return False


def _key_of(certificate: x509.Certificate) -> tuple[str, int]:
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
    return "RSA" if isinstance(key, rsa.RSAPublicKey) else "ECDSA", key.key_size


def _read(connection: socket.socket, length: int) -> bytes:
    seen = bytearray()
    while len(seen) < length:
        more = connection.recv(min(length - len(seen), 1 << 20))
        if not more:
            break
        seen += more
    return bytes(seen)


def _read_all(connection: socket.socket) -> bytes:
    return _read(connection, 1 << 20)


def _is_quiet(connection: socket.socket) -> bool:
    """Neither a byte nor an end comes for a moment."""
    readable, _, _ = select.select([connection], [], [], A_MOMENT)
    return not readable


def _wait_until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < limit, "waited for ten seconds"
        time.sleep(0.01)


def _server_side_connections(port: int) -> list[tuple[str, int]]:
    """State and bytes waiting to be sent of every connection from ``port``, as the kernel lists them: proc(5)."""
    found = []
    for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]:
        _, local, _, state, queues, *_ = line.split()
        if int(local.partition(":")[2], 16) == port:
            found.append((state, int(queues.partition(":")[0], 16)))
    return found


def _is_stuck(port: int) -> bool:
    """What the server sent fills all buffers on the way: the same much waits at two looks in a row."""
    waiting = [queue for state, queue in _server_side_connections(port) if state == "01" and queue]
    select.select([], [], [], 0.05)
    return bool(waiting) and waiting == [
        queue for state, queue in _server_side_connections(port) if state == "01" and queue
    ]


def _children_of(pid: int) -> set[int]:
    return {
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text("ascii").split()
    }


def _is_alive(pid: int) -> bool:
    """Running or sleeping: a zombie is dead, and only waits for whoever inherited it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
