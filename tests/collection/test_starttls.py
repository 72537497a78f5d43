"""Protocols that go over to TLS when asked: each against a server that does, and one that does not."""

import contextlib
import socket

import pytest

from secscan.collection.starttls import NAMES, offers_starttls
from tests.collection.plaintext import PlaintextServer, smtp
from tests.lab.servers import BannerServer, ClosingServer, DrippingServer, EndlessServer, Server, SilentServer

LDAP_REQUEST = bytes.fromhex("301d02010177188016") + b"1.3.6.1.4.1.1466.20037"
XMPP_FEATURES = b"<stream:stream id='1'><stream:features>%s</stream:features>"
RDP_REQUEST = b"\x03\x00\x00\x13"


def ldap(result: int) -> PlaintextServer:
    return PlaintextServer(
        answers=(
            (LDAP_REQUEST, bytes.fromhex("300c02010178070a01") + bytes([result]) + bytes.fromhex("04000400")),
        )
    )


def rdp(negotiation: str) -> PlaintextServer:
    confirm = bytes.fromhex("d00000123400" + negotiation)
    length = 5 + len(confirm)
    return PlaintextServer(answers=((RDP_REQUEST, bytes([3, 0, 0, length, len(confirm)]) + confirm),))


def pop3(capabilities: bytes, stls: bytes = b"-ERR no\r\n") -> PlaintextServer:
    return PlaintextServer(b"+OK ready\r\n", ((b"CAPA", capabilities), (b"STLS", stls)))


def imap(capabilities: bytes) -> PlaintextServer:
    answer = b"* CAPABILITY IMAP4rev1 " + capabilities + b"\r\na OK done\r\n"
    return PlaintextServer(b"* OK ready\r\n", ((b"a CAPABILITY", answer),))


def ftp(answer: bytes) -> PlaintextServer:
    return PlaintextServer(b"220-Welcome\r\n220 to the files\r\n", ((b"AUTH TLS", answer),))


def xmpp(namespace: bytes, features: bytes) -> PlaintextServer:
    return PlaintextServer(answers=((namespace, XMPP_FEATURES % features),))


XMPP_TLS = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"

CASES: list[tuple[str, str, Server, bool | None]] = [
    ("smtp", "offered", smtp(b"SIZE 1000", b"STARTTLS", b"8BITMIME"), True),
    ("smtp", "offered last", smtp(b"STARTTLS"), True),
    ("smtp", "only named in a word", smtp(b"X-NOSTARTTLS"), False),
    ("smtp", "not offered", smtp(b"SIZE 1000"), False),
    ("smtp", "knows no EHLO", PlaintextServer(b"220 x\r\n", ((b"EHLO", b"502 what?\r\n"),)), False),
    ("smtp", "busy", BannerServer(b"421 try later\r\n", hangs_up=True), None),
    ("ftp", "offered", ftp(b"234 go\r\n"), True),
    ("ftp", "not offered", ftp(b"530 log in first\r\n"), False),
    ("imap", "offered", imap(b"STARTTLS LOGINDISABLED"), True),
    ("imap", "not offered", imap(b"AUTH=PLAIN"), False),
    ("pop3", "offered", pop3(b"+OK list\r\nTOP\r\nSTLS\r\n.\r\n"), True),
    ("pop3", "not offered", pop3(b"+OK list\r\nTOP\r\n.\r\n"), False),
    ("pop3", "knows no CAPA, but STLS", pop3(b"-ERR what?\r\n", b"+OK go\r\n"), True),
    ("pop3", "knows neither", pop3(b"-ERR what?\r\n"), False),
    ("ldap", "offered", ldap(0), True),
    ("ldap", "refused", ldap(2), False),
    ("rdp", "TLS chosen", rdp("0200080001000000"), True),
    ("rdp", "CredSSP chosen", rdp("0200080002000000"), True),
    ("rdp", "its own encryption chosen", rdp("0200080000000000"), False),
    ("rdp", "negotiation refused", rdp("0300080002000000"), False),
    ("rdp", "from before negotiation", rdp(""), False),
    ("postgres", "offered", PlaintextServer(answers=((b"\x04\xd2\x16\x2f", b"S"),)), True),
    ("postgres", "not offered", PlaintextServer(answers=((b"\x04\xd2\x16\x2f", b"N"),)), False),
    ("postgres", "an error", PlaintextServer(answers=((b"\x04\xd2\x16\x2f", b"E"),)), None),
    ("xmpp", "offered", xmpp(b"jabber:client", XMPP_TLS), True),
    ("xmpp", "not offered", xmpp(b"jabber:client", b"<bind/>"), False),
    ("xmpp-server", "offered", xmpp(b"jabber:server", XMPP_TLS), True),
]


def ask(server: Server, protocol: str, timeout: float = 5.0) -> bool | None:
    with (
        server.start("127.77.1.1") as running,
        socket.create_connection((running.address, running.port)) as connection,
    ):
        return offers_starttls(protocol, connection, server_name="a.example", timeout=timeout)


@pytest.mark.parametrize(
    ("protocol", "server", "expected"),
    [pytest.param(p, server, expected, id=f"{p}: {what}") for p, what, server, expected in CASES],
)
def test_answers(protocol: str, server: Server, expected: bool | None) -> None:
    assert ask(server, protocol) is expected


@pytest.mark.parametrize("protocol", sorted(NAMES))
@pytest.mark.parametrize(
    "server",
    [
        pytest.param(ClosingServer(), id="closes"),
        pytest.param(EndlessServer(), id="endless"),
        pytest.param(BannerServer(b"\x00\xff\r\n", hangs_up=True), id="junk"),
        pytest.param(SilentServer(), id="silent"),
        pytest.param(DrippingServer(interval=0.01), id="drips"),
    ],
)
def test_who_does_not_speak_the_protocol_gives_no_answer(protocol: str, server: Server) -> None:
    with contextlib.suppress(ConnectionError):
        assert ask(server, protocol, timeout=0.3) is None
