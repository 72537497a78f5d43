"""First contact: what the first bytes of an answer mean, and what real servers answer."""

import socket
import ssl
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secscan.collection.hello import (
    Greeting,
    Plain,
    SpeaksOther,
    SpeaksTls,
    Tls,
    Unheard,
    client_hello,
    greet,
    read_answer,
)
from secscan.model import Reason, Service
from secscan.scope import Gate, ProbeLog, Refused, scope_of_addresses, utc_now
from tests.collection.plaintext import PlaintextServer, smtp
from tests.lab.authority import Authority
from tests.lab.servers import (
    HOSTILE_GREETING,
    MYSQL_GREETING,
    SSH_GREETING,
    V1_0,
    V1_3,
    VNC_GREETING,
    BannerServer,
    ClosingServer,
    DrippingServer,
    EndlessServer,
    LegacyServer,
    PlainHttpServer,
    ResettingServer,
    Server,
    SilentServer,
    TlsServer,
    random_greeting,
)

AUTHORITY = Authority(utc_now())
GOOD = AUTHORITY.good("a.example")
ADDRESS = "127.77.2.1"

#: MySQL 8.0.36: capabilities f7ff (without TLS), and the same with CLIENT_SSL (0x0800) set.
MYSQL_PLAIN = (
    bytes.fromhex("4a0000000a") + b"8.0.36\0" + bytes(4) + b"12345678\0" + bytes.fromhex("fff7") + bytes(51)
)
MYSQL_TLS = (
    bytes.fromhex("4a0000000a") + b"8.0.36\0" + bytes(4) + b"12345678\0" + bytes.fromhex("ffff") + bytes(51)
)

ALERT = bytes.fromhex("15030300020228")
SERVER_HELLO = bytes.fromhex("160303005a0200005603034f")


# --- What bytes mean ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(ALERT, id="alert"),
        pytest.param(SERVER_HELLO, id="ServerHello"),
        pytest.param(bytes.fromhex("16030000200200001c0300"), id="ServerHello of SSL 3.0"),
        pytest.param(bytes.fromhex("8403040001000200"), id="SERVER-HELLO of SSL 2.0"),
    ],
)
def test_tls_is_recognised(data: bytes) -> None:
    assert read_answer(data, over=False) == Tls()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x16\x02\x00\x00\x05\x02", id="no such version"),
        pytest.param(b"\x16\x03\x09\x00\x05\x02", id="no such minor version"),
        pytest.param(b"\x16\x03\x03\xff\xff\x02", id="longer than any record"),
        pytest.param(b"\x16\x03\x03\x00\x05\x01", id="a ClientHello, echoed"),
        pytest.param(b"\x15\x03\x03\x00\x03\x02", id="an alert of three bytes"),
        pytest.param(b"\x15\x03\x03\x00\x02\x07", id="an alert of no known level"),
    ],
)
def test_what_only_begins_like_tls_is_not_taken_for_it(data: bytes) -> None:
    assert isinstance(read_answer(data, over=False), Plain)


@pytest.mark.parametrize(
    ("data", "over", "expected"),
    [
        (b"", True, None),
        (b"\x16", True, None),
        (b"\x16\x03", True, None),
        (b"\x16\x03\x03", False, None),
        (b"\x16\x03\x03", True, Tls()),
        (b"22", False, None),
        (b"22", True, Plain("text that is no TLS")),
        (MYSQL_PLAIN[:40], False, None),
    ],
)
def test_too_few_bytes_tell_nothing(data: bytes, over: bool, expected: object) -> None:
    assert read_answer(data, over=over) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", Plain("plain HTTP")),
        (b"<html><head><title>400</title>\n", Plain("plain HTTP")),
        (SSH_GREETING, Plain("an SSH banner")),
        (VNC_GREETING, Plain("VNC")),
        (b"220 mail.example ESMTP Postfix\r\n", Plain("SMTP", "smtp")),
        (b"220 (vsFTPd 3.0.3)\r\n", Plain("FTP", "ftp")),
        (b"+OK Dovecot ready.\r\n", Plain("POP3", "pop3")),
        (b"* OK [CAPABILITY IMAP4rev1] ready\r\n", Plain("IMAP", "imap")),
        (b"-ERR unknown command\r\n", Plain("Redis")),
        (b"ERROR\r\n", Plain("memcached")),
        (MYSQL_GREETING, Plain("MySQL")),
        (MYSQL_PLAIN, Plain("MySQL")),
        (MYSQL_TLS, Plain("MySQL", "mysql")),
        (b"hello\x1b[2J \xe2\x80\xae there\r\n", Plain("text that is no TLS: hello\\x1b[2J \\u202e there")),
        (b"\x00\x01\x02\x03\n", Plain("bytes that are no TLS")),
        (b"\xff\xfd\x18\xff\xfd \n", Plain("bytes that are no TLS")),
    ],
)
def test_plain_protocols_are_named(data: bytes, expected: Plain) -> None:
    assert read_answer(data, over=False) == expected


@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_raise_and_what_is_said_of_them_is_short_and_printable(data: bytes, over: bool) -> None:
    answer = read_answer(data, over=over)
    if isinstance(answer, Plain):
        assert len(answer.heard) <= 200
        assert answer.heard.isprintable()


@given(st.binary(min_size=1, max_size=200))
def test_more_bytes_never_change_what_was_decided(data: bytes) -> None:
    for length in range(1, len(data) + 1):
        early = read_answer(data[:length], over=False)
        if early is not None:
            assert type(read_answer(data, over=False)) is type(early)
            return


def test_the_hello_is_one_that_servers_understand() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    names: list[str | None] = []
    context.sni_callback = lambda _connection, name, _context: names.append(name)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    incoming.write(client_hello("a.example"))
    # The context has no certificate, which OpenSSL says in different words; it notices after the name.
    with pytest.raises(ssl.SSLError, match=r"no shared cipher|no suitable signature"):
        context.wrap_bio(incoming, outgoing, server_side=True).do_handshake()
    assert names == ["a.example"]


# --- What servers answer ------------------------------------------------------------------------------------


def ask(server: Server, *, port: int = 0, timeout: float = 1.5) -> Greeting:
    with server.start(ADDRESS, port) as running:
        gate = Gate(scope_of_addresses([ADDRESS]), ProbeLog(None))
        service = Service("web1", "tcp", running.port, "a.example")
        return greet(service, running.address, gate, server_name="a.example", timeout=timeout)


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        pytest.param(TlsServer((GOOD,)), SpeaksTls(), id="modern"),
        pytest.param(TlsServer((GOOD,), minimum=V1_3), SpeaksTls(), id="TLS 1.3 only"),
        pytest.param(
            TlsServer((GOOD,), minimum=V1_0, maximum=V1_0, ciphers="ALL", weak=True),
            SpeaksTls(),
            id="TLS 1.0 only",
        ),
        pytest.param(
            LegacyServer(AUTHORITY.good("a.example", key="rsa-1024")), SpeaksTls(), id="SSL 3.0 only"
        ),
        pytest.param(TlsServer((), ciphers="aNULL", weak=True), SpeaksTls(), id="anonymous only"),
        pytest.param(DrippingServer(in_handshake=True, interval=0.1), SpeaksTls(), id="drips a ServerHello"),
        pytest.param(PlainHttpServer(), SpeaksOther("plain HTTP"), id="HTTP"),
        pytest.param(BannerServer(SSH_GREETING), SpeaksOther("an SSH banner"), id="SSH"),
        pytest.param(
            BannerServer(SSH_GREETING, hangs_up=True), SpeaksOther("an SSH banner"), id="SSH, hangs up"
        ),
        pytest.param(BannerServer(MYSQL_GREETING), SpeaksOther("MySQL"), id="MySQL"),
        pytest.param(EndlessServer(), SpeaksOther("text that is no TLS"), id="endless"),
        pytest.param(
            BannerServer(random_greeting(7)), SpeaksOther("bytes that are no TLS"), id="random bytes"
        ),
        pytest.param(
            PlaintextServer(answers=((b"\r\n\r\n", b"-ERR unknown command\r\n"), (b"\x16", b""))),
            SpeaksOther("Redis"),
            id="answers an empty line",
        ),
        pytest.param(BannerServer(MYSQL_TLS), SpeaksTls("mysql"), id="MySQL with TLS"),
        pytest.param(smtp(b"STARTTLS"), SpeaksTls("smtp"), id="SMTP with STARTTLS"),
        pytest.param(smtp(b"SIZE 1000"), SpeaksOther("SMTP without TLS"), id="SMTP without STARTTLS"),
    ],
)
def test_servers(server: Server, expected: Greeting) -> None:
    assert ask(server) == expected


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        pytest.param(SilentServer(), Reason.TIMED_OUT, id="silent"),
        pytest.param(DrippingServer(interval=0.9), Reason.TIMED_OUT, id="drips"),
        pytest.param(ResettingServer(), Reason.REFUSED, id="resets"),
        pytest.param(ResettingServer(once_spoken_to=True), Reason.REFUSED, id="resets when spoken to"),
        pytest.param(ClosingServer(), Reason.REFUSED, id="closes"),
        pytest.param(BannerServer(b"220 x ESMTP\r\n"), Reason.UNREADABLE, id="greets as SMTP, then nothing"),
    ],
)
def test_who_does_not_say_what_it_speaks_is_not_guessed_at(server: Server, reason: Reason) -> None:
    greeting = ask(server)
    assert isinstance(greeting, Unheard), greeting
    assert greeting.reason is reason


def test_a_hostile_greeting_is_quoted_in_part_and_escaped() -> None:
    greeting = ask(BannerServer(HOSTILE_GREETING))
    assert isinstance(greeting, SpeaksOther)
    assert greeting.heard.startswith("text that is no TLS: 220 \\x1b[2J")


@pytest.mark.root
def test_on_the_port_of_mail_a_plain_greeting_is_asked_for_starttls() -> None:
    server = PlaintextServer(
        b"220 ready\r\n", ((b"EHLO", b"250-x\r\n250 STARTTLS\r\n"), (b"STARTTLS", b"220 go\r\n"))
    )
    try:
        assert ask(server, port=25) == SpeaksTls("smtp")
    except PermissionError:
        pytest.skip("only root may listen on port 25")
    assert ask(server) == SpeaksOther("text that is no TLS: 220 ready")


def test_a_database_that_hangs_up_on_tls_is_asked_in_its_own_protocol() -> None:
    assert ask(PlaintextServer(answers=((b"\x04\xd2\x16\x2f", b"N"),)), port=5432) == SpeaksOther(
        "PostgreSQL without TLS"
    )


def test_tls_on_the_port_of_a_protocol_with_starttls_is_found_too() -> None:
    assert ask(TlsServer((GOOD,)), port=5432) == SpeaksTls()


def test_a_closed_port_refuses() -> None:
    with socket.create_server((ADDRESS, 0)) as held:
        port = held.getsockname()[1]
    gate = Gate(scope_of_addresses([ADDRESS]), ProbeLog(None))
    assert greet(Service("web1", "tcp", port), ADDRESS, gate) == Unheard(
        Reason.REFUSED, "it refused the connection"
    )


def test_nothing_is_sent_outside_the_scope() -> None:
    gate = Gate(scope_of_addresses(["127.77.2.2"]), ProbeLog(None))
    with pytest.raises(Refused):
        greet(Service("web1", "tcp", 443), ADDRESS, gate)


@pytest.mark.parametrize(
    "server",
    [
        SilentServer(),
        DrippingServer(interval=0.05),
        DrippingServer(in_handshake=True, interval=0.6),
        EndlessServer(),
    ],
    ids=["silent", "drips", "drips in handshake", "endless"],
)
def test_nobody_holds_it_up(server: Server) -> None:
    began = time.monotonic()
    ask(server, timeout=1.0)
    assert time.monotonic() - began < 2.0


def test_a_modern_server_costs_no_waiting() -> None:
    began = time.monotonic()
    ask(TlsServer((GOOD,)), timeout=10)
    assert time.monotonic() - began < 2
