"""Protocols that go over to TLS when asked: what each is asked, and what its answers mean, in whatever pieces they come."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secscan.collection.starttls import (
    MOST_BYTES,
    NAMES,
    NotOffered,
    NotSpoken,
    Offered,
    Outcome,
    begin,
    converse,
    converse_over,
)
from tests.collection.plaintext import smtp
from tests.lab.servers import (
    BannerServer,
    ClosingServer,
    DrippingServer,
    EndlessServer,
    ResettingServer,
    Server,
    SilentServer,
)

OFFERED, NOT_OFFERED = Offered(), NotOffered()


class Script:
    """A server that says ``lines`` one by one: what is None waits for the client to say something."""

    def __init__(self, *lines: bytes | None) -> None:
        self.lines = lines

    def lead(self, protocol: str, pieces: int = MOST_BYTES) -> tuple[Outcome, list[bytes]]:
        """The outcome, and what the client said; no answer comes in more than ``pieces`` bytes at a time."""
        lines = list(self.lines)
        said: list[bytes] = []
        waiting = bytearray()

        def hear() -> bytes:
            while not waiting and lines and lines[0] is not None:
                waiting.extend(lines.pop(0) or b"")
            piece = bytes(waiting[:pieces])
            del waiting[:pieces]
            return piece

        def say(what: bytes) -> None:
            assert lines, f"not expected: {what!r}"
            assert lines.pop(0) is None, f"said out of turn: {what!r}"
            said.append(what)

        return lead(protocol, hear=hear, say=say), said


def lead(
    protocol: str, *, hear: Callable[[], bytes], say: Callable[[bytes], object] = lambda what: None
) -> Outcome:
    dialogue = begin(protocol, "a.example")
    wish = next(dialogue)
    while True:
        heard = b""
        if wish is None:
            heard = hear()
        else:
            say(wish)
        try:
            wish = dialogue.send(heard)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome


LDAP_ANSWER = "300c02010178070a01%02x04000400"
XMPP_TLS = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"
XMPP_HEAD = b"<?xml version='1.0'?><stream:stream id='1' version='1.0'>"
XMPP_OFFER = XMPP_HEAD + b"<stream:features>" + XMPP_TLS + b"</stream:features>"
PROCEED = b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"


def ldap(result: int) -> Script:
    return Script(None, bytes.fromhex(LDAP_ANSWER % result))


def rdp(negotiation: str) -> Script:
    confirm = bytes.fromhex("d00000123400" + negotiation)
    length = 5 + len(confirm)
    return Script(None, bytes([3, 0, 0, length, len(confirm)]) + confirm)


def mysql(version: bytes = b"8.0.36", capabilities: int = 0xFFFF) -> bytes:
    payload = (
        b"\x0a" + version + b"\0" + bytes(4) + b"12345678\0" + capabilities.to_bytes(2, "little") + bytes(51)
    )
    return len(payload).to_bytes(3, "little") + b"\0" + payload


def mysql_error(code: int, text: bytes) -> bytes:
    payload = b"\xff" + code.to_bytes(2, "little") + text
    return len(payload).to_bytes(3, "little") + b"\0" + payload


EHLO_OFFER = b"250-x\r\n250-SIZE 1000\r\n250-STARTTLS\r\n250 8BITMIME\r\n"

CASES: list[tuple[str, str, Script, Outcome]] = [
    ("smtp", "offered", Script(b"220 x\r\n", None, EHLO_OFFER, None, b"220 go\r\n"), OFFERED),
    (
        "smtp",
        "greets at length",
        Script(b"220-x\r\n220 y\r\n", None, EHLO_OFFER, None, b"220 go\r\n"),
        OFFERED,
    ),
    ("smtp", "in small letters", Script(b"220 x\n", None, b"250-x\n250 starttls\n", None, b"220\n"), OFFERED),
    (
        "smtp",
        "announced and refused",
        Script(b"220 x\r\n", None, EHLO_OFFER, None, b"454 not now\r\n"),
        NotOffered("it announces STARTTLS, and answers 454 to it"),
    ),
    ("smtp", "only named in a word", Script(b"220 x\r\n", None, b"250 X-NOSTARTTLS\r\n"), NOT_OFFERED),
    ("smtp", "not offered", Script(b"220 x\r\n", None, b"250-x\r\n250 SIZE 1000\r\n"), NOT_OFFERED),
    ("smtp", "knows no EHLO", Script(b"220 x\r\n", None, b"502 what?\r\n"), NOT_OFFERED),
    ("smtp", "busy", Script(b"421 try later\r\n"), NotSpoken("it greets with 421")),
    ("smtp", "busy later", Script(b"220 x\r\n", None, b"421 busy\r\n"), NotSpoken("it puts us off with 421")),
    (
        "smtp",
        "says more in plain text",
        Script(b"220 x\r\n", None, EHLO_OFFER, None, b"220 go\r\n250 more\r\n"),
        NotSpoken("it went on in plain text after it had agreed to go over to TLS"),
    ),
    ("ftp", "offered", Script(b"220-Welcome\r\n221 lines\r\n220 now\r\n", None, b"234 go\r\n"), OFFERED),
    ("ftp", "offered later", Script(b"120 wait\r\n", b"220 now\r\n", None, b"234 go\r\n"), OFFERED),
    ("ftp", "not offered", Script(b"220 x\r\n", None, b"530 log in first\r\n"), NOT_OFFERED),
    ("ftp", "busy", Script(b"220 x\r\n", None, b"421 bye\r\n"), NotSpoken("it ends the connection with 421")),
    (
        "imap",
        "offered",
        Script(
            b"* OK x\r\n",
            None,
            b"* CAPABILITY IMAP4rev1 STARTTLS\r\na OK x\r\n",
            None,
            b"* OK y\r\nb OK go\r\n",
        ),
        OFFERED,
    ),
    (
        "imap",
        "not offered",
        Script(b"* OK x\r\n", None, b"* CAPABILITY IMAP4rev1\r\na OK x\r\n"),
        NOT_OFFERED,
    ),
    (
        "imap",
        "named in prose",
        Script(b"* OK x\r\n", None, b"* OK no STARTTLS\r\na OK STARTTLS\r\n"),
        NOT_OFFERED,
    ),
    (
        "imap",
        "announced and refused",
        Script(b"* OK x\r\n", None, b"* CAPABILITY STARTTLS\r\na OK x\r\n", None, b"b NO never\r\n"),
        NotOffered("it announces STARTTLS, and answers NO to it"),
    ),
    (
        "imap",
        "turns us away",
        Script(b"* BYE\r\n"),
        NotSpoken("its greeting is none of IMAP, or turns us away"),
    ),
    ("pop3", "offered", Script(b"+OK\r\n", None, b"+OK\r\nTOP\r\nSTLS\r\n.\r\n", None, b"+OK\r\n"), OFFERED),
    ("pop3", "not offered", Script(b"+OK\r\n", None, b"+OK list\r\nTOP\r\n.\r\n"), NOT_OFFERED),
    ("pop3", "knows no CAPA, but STLS", Script(b"+OK\r\n", None, b"-ERR\r\n", None, b"+OK go\r\n"), OFFERED),
    ("pop3", "knows neither", Script(b"+OK\r\n", None, b"-ERR\r\n", None, b"-ERR\r\n"), NOT_OFFERED),
    (
        "pop3",
        "announced and refused",
        Script(b"+OK\r\n", None, b"+OK\r\nSTLS\r\n.\r\n", None, b"-ERR\r\n"),
        NotOffered("it announces STLS, and answers -ERR to it"),
    ),
    ("ldap", "offered", ldap(0), OFFERED),
    ("ldap", "a protocol error", ldap(2), NOT_OFFERED),
    (
        "ldap",
        "a long form of length",
        Script(None, bytes.fromhex("3084000000" + LDAP_ANSWER[2:] % 0)),
        OFFERED,
    ),
    (
        "ldap",
        "a notice of disconnection",
        Script(None, bytes.fromhex("300c02010078070a013404000400")),
        NotSpoken("what it said is no answer to StartTLS in LDAP"),
    ),
    ("rdp", "TLS chosen", rdp("0200080001000000"), OFFERED),
    ("rdp", "CredSSP chosen", rdp("0200080002000000"), OFFERED),
    ("rdp", "its own encryption chosen", rdp("0200080000000000"), NOT_OFFERED),
    ("rdp", "refused", rdp("0300080002000000"), NotOffered("it refuses TLS in RDP with code 2")),
    ("rdp", "from before negotiation", rdp(""), NOT_OFFERED),
    ("postgres", "offered", Script(None, b"S"), OFFERED),
    ("postgres", "not offered", Script(None, b"N"), NOT_OFFERED),
    ("postgres", "an error", Script(None, b"E"), NotSpoken("it answers neither yes nor no to an SSLRequest")),
    ("mysql", "offered", Script(mysql(), None), OFFERED),
    ("mysql", "MariaDB", Script(mysql(b"5.5.5-10.11.6-MariaDB"), None), OFFERED),
    ("mysql", "not offered", Script(mysql(capabilities=0xF7FF)), NOT_OFFERED),
    ("mysql", "shut out", Script(mysql_error(1130, b"Host")), NotSpoken("it turns us away with error 1130")),
    ("mysql", "no greeting", Script(b"\x05\0\0\0HELLO"), NotSpoken("its greeting is none of MySQL")),
    ("xmpp", "offered", Script(None, XMPP_OFFER, None, PROCEED), OFFERED),
    (
        "xmpp",
        "not offered",
        Script(None, XMPP_HEAD + b"<stream:features><bind/></stream:features>"),
        NOT_OFFERED,
    ),
    ("xmpp", "no features", Script(None, XMPP_HEAD + b"<stream:features/>"), NOT_OFFERED),
    (
        "xmpp-server",
        "nothing to offer at all",
        Script(
            None,
            XMPP_HEAD
            + b"<stream:error><undefined-condition xmlns='x'/><text xmlns='x'>No stream features to offer"
            b"</text></stream:error></stream:stream>",
        ),
        NOT_OFFERED,
    ),
    (
        "xmpp",
        "announced and refused",
        Script(None, XMPP_OFFER, None, b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
        NotOffered("it announces STARTTLS, and answers with a failure to it"),
    ),
    (
        "xmpp",
        "another domain",
        Script(None, XMPP_HEAD + b"<stream:error><host-unknown xmlns='x'/></stream:error></stream:stream>"),
        NotSpoken(
            "it ends the stream to 'a.example' with the error host-unknown; declare the name that it serves"
        ),
    ),
    ("xmpp-server", "offered", Script(None, XMPP_OFFER, None, PROCEED), OFFERED),
]

IDS = [f"{protocol}: {what}" for protocol, what, _, _ in CASES]


@pytest.mark.parametrize(("protocol", "what", "script", "expected"), CASES, ids=IDS)
def test_answers(protocol: str, what: str, script: Script, expected: Outcome) -> None:
    assert script.lead(protocol)[0] == expected


@pytest.mark.parametrize(("protocol", "what", "script", "expected"), CASES, ids=IDS)
def test_answers_in_pieces_of_one_byte(protocol: str, what: str, script: Script, expected: Outcome) -> None:
    outcome, _ = script.lead(protocol, pieces=1)
    # What follows an agreement in plain text is seen only if it came along with that.
    assert outcome == (OFFERED if what == "says more in plain text" else expected)


def test_a_request_for_tls_in_mysql_is_the_short_packet_of_its_documentation() -> None:
    _, said = Script(mysql(), None).lead("mysql")
    assert said == [bytes.fromhex("20000001" + "008a0000" + "00000001" + "21") + bytes(23)]


def test_a_name_is_escaped_where_it_is_put_into_xml() -> None:
    opening = next(begin("xmpp", "a'/><b>.example"))
    assert opening is not None
    assert b"to='a&#x27;/&gt;&lt;b&gt;.example'" in opening


@pytest.mark.parametrize("protocol", sorted(NAMES))
@given(pieces=st.lists(st.binary(max_size=60), max_size=8))
def test_no_bytes_raise(protocol: str, pieces: list[bytes]) -> None:
    waiting = iter(pieces)
    outcome = lead(protocol, hear=lambda: next(waiting, b""))
    assert isinstance(outcome, Offered | NotOffered | NotSpoken)


GOES_ON = {"imap": b"* OK\r\n", "pop3": b"+OK\r\n", "xmpp": b"< ", "xmpp-server": b"< "}


@pytest.mark.parametrize("protocol", sorted(NAMES))
def test_nobody_is_listened_to_for_ever(protocol: str) -> None:
    line = GOES_ON.get(protocol, b"220-x\n")
    heard = bytearray()

    def hear() -> bytes:
        heard.extend(line)
        return line

    assert isinstance(lead(protocol, hear=hear), NotSpoken)
    assert len(heard) <= MOST_BYTES + len(line)


# --- Over a socket ------------------------------------------------------------------------------------------------


def ask(server: Server, protocol: str, timeout: float = 5.0) -> Outcome:
    with (
        server.start("127.77.1.1") as running,
        socket.create_connection((running.address, running.port)) as connection,
    ):
        return converse(protocol, connection, server_name="a.example", timeout=timeout)


def ask_at_once(server: Server, protocol: str, timeout: float = 5.0) -> Outcome:
    async def lead(address: str, port: int) -> Outcome:
        reader, writer = await asyncio.open_connection(address, port)

        async def say(what: bytes) -> None:
            writer.write(what)
            await writer.drain()

        try:
            return await converse_over(
                protocol, say=say, hear=lambda: reader.read(4096), server_name="a.example", timeout=timeout
            )
        finally:
            writer.close()

    with server.start("127.77.1.1") as running:
        return asyncio.run(lead(running.address, running.port))


class Drive(Protocol):
    def __call__(self, server: Server, protocol: str, timeout: float = ..., /) -> Outcome: ...


DRIVERS = pytest.mark.parametrize("drive", [ask, ask_at_once], ids=["socket", "asyncio"])


@DRIVERS
def test_a_server_that_offers_it(drive: Drive) -> None:
    assert drive(smtp(b"STARTTLS"), "smtp") == OFFERED


@DRIVERS
def test_a_server_that_does_not(drive: Drive) -> None:
    assert drive(smtp(b"SIZE 1000"), "smtp") == NOT_OFFERED


@DRIVERS
@pytest.mark.parametrize("protocol", ["smtp", "rdp"])
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
def test_who_does_not_speak_the_protocol_gives_no_answer(drive: Drive, protocol: str, server: Server) -> None:
    with contextlib.suppress(ConnectionError):
        assert isinstance(drive(server, protocol, 0.3), NotSpoken)


@DRIVERS
def test_a_reset_is_raised(drive: Drive) -> None:
    with pytest.raises(ConnectionError):
        drive(ResettingServer(once_spoken_to=True), "postgres")
