"""Protocols that begin in plain text and go over to TLS when asked: what is said in each until TLS can begin.

A dialogue touches no socket: it is a generator that wishes to say or to hear, so that one text of each protocol serves
the sweep, which waits for hundreds of servers in one thread, and first contact, which waits for one.
"""

import asyncio
import html
import re
import socket
import time
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

T = TypeVar("T")

#: What a protocol is called in evidence.
NAMES: dict[str, str] = {
    "ftp": "FTP",
    "imap": "IMAP",
    "ldap": "LDAP",
    "mysql": "MySQL",
    "pop3": "POP3",
    "postgres": "PostgreSQL",
    "rdp": "RDP",
    "smtp": "SMTP",
    "xmpp": "XMPP",
    "xmpp-server": "XMPP between servers",
}

#: Where the client must speak first, the port has to say which protocol is meant. MySQL's server speaks first, but it
#: counts a hello in TLS against the caller, and shuts those out that call amiss too often (``max_connect_errors``).
BY_PORT: dict[int, str] = {
    389: "ldap",
    3268: "ldap",
    3306: "mysql",
    3389: "rdp",
    5222: "xmpp",
    5269: "xmpp-server",
    5432: "postgres",
}

#: More than this, all answers of one dialogue together, is no answer to any of the questions asked here.
MOST_BYTES = 16 * 1024

#: Nobody's name (RFC 6761, section 6.4): a greeting needs one, and a scanner should not borrow it.
_OUR_NAME = b"secscan.invalid"


@dataclass(frozen=True, slots=True)
class Offered:
    """It agreed: the next byte that either side sends belongs to TLS."""


@dataclass(frozen=True, slots=True)
class NotOffered:
    """It speaks the protocol, and won't go over to TLS. ``said``: how it put that, where it was asked in earnest."""

    said: str = ""


@dataclass(frozen=True, slots=True)
class NotSpoken:
    """It did not answer in this protocol, or broke off; ``why`` is in plain words."""

    why: str


Outcome: TypeAlias = Offered | NotOffered | NotSpoken

#: Yields bytes to say, and is then resumed with ``b""``; or None to hear, and is resumed with what came next, ``b""``
#: where the server has closed.
Dialogue: TypeAlias = Generator[bytes | None, bytes, Outcome]


def begin(protocol: str, server_name: str) -> Dialogue:
    """The dialogue over a fresh connection to a server of ``protocol``, a key of NAMES.

    ``server_name`` is said where the protocol has a place for it (XMPP). Every answer is bounded by MOST_BYTES, and
    reading them takes time in proportion to their length, however they come in pieces.
    """
    peer = _Peer()
    try:
        outcome = yield from _DIALOGUES[protocol](peer, server_name)
    except _Unspoken as unspoken:
        return NotSpoken(str(unspoken))
    if isinstance(outcome, Offered) and peer.unread:
        # What comes before the client's hello is no TLS, and must not be taken for it (CVE-2021-23222 was that).
        return NotSpoken("it went on in plain text after it had agreed to go over to TLS")
    return outcome


def converse(protocol: str, connection: socket.socket, *, server_name: str, timeout: float) -> Outcome:
    """Leads the dialogue over a fresh connection, for ``timeout`` seconds in all. Raises OSError."""
    dialogue = begin(protocol, server_name)
    until = time.monotonic() + timeout
    wish = next(dialogue)
    while True:
        left = until - time.monotonic()
        if left <= 0:
            return _too_slow(protocol, timeout)
        connection.settimeout(left)
        heard = b""
        try:
            if wish is None:
                heard = connection.recv(4096)
            else:
                connection.sendall(wish)
        except TimeoutError:
            return _too_slow(protocol, timeout)
        try:
            wish = dialogue.send(heard)
        except StopIteration as end:
            return _outcome(end)


async def converse_over(
    protocol: str,
    *,
    say: Callable[[bytes], Awaitable[object]],
    hear: Callable[[], Awaitable[bytes]],
    server_name: str,
    timeout: float,
) -> Outcome:
    """The same for asyncio, over whatever ``say`` sends with and ``hear`` receives the next piece with.

    ``hear`` gives ``b""`` at the end. What the two raise is raised.
    """
    dialogue = begin(protocol, server_name)
    limit = asyncio.timeout(timeout)
    try:
        async with limit:
            wish = next(dialogue)
            while True:
                heard = b""
                if wish is None:
                    heard = await hear()
                else:
                    await say(wish)
                try:
                    wish = dialogue.send(heard)
                except StopIteration as end:
                    return _outcome(end)
    except TimeoutError:
        if not limit.expired():
            raise
        return _too_slow(protocol, timeout)


def _outcome(end: StopIteration) -> Outcome:
    outcome: Outcome = end.value
    return outcome


def _too_slow(protocol: str, timeout: float) -> NotSpoken:
    return NotSpoken(f"it did not answer in {NAMES[protocol]} within {timeout:g} s")


# --- Reading answers --------------------------------------------------------------------------------------------


class _Unspoken(Exception):  # noqa: N818 - ends a dialogue, and is nobody's error
    """What came is not of the protocol; the message says in words what it was."""


_Hearing: TypeAlias = Generator[bytes | None, bytes, T]


class _Peer:
    """What the server said, taken apart piece by piece."""

    def __init__(self) -> None:
        self.unread = bytearray()
        self._heard = 0

    def line(self) -> _Hearing[bytes]:
        """Without its end. Only the line feed counts as one: servers are known that leave the other away."""
        searched = 0
        while (end := self.unread.find(b"\n", searched)) < 0:
            searched = len(self.unread)
            yield from self._hear()
        return self._take(end + 1).rstrip(b"\r\n")

    def exactly(self, count: int) -> _Hearing[bytes]:
        while len(self.unread) < count:
            yield from self._hear()
        return self._take(count)

    def through(self, end: re.Pattern[bytes]) -> _Hearing[bytes]:
        """All up to and with the first ``end``, which is at most _LONGEST_END bytes long."""
        searched = 0
        while (found := end.search(self.unread, searched)) is None:
            searched = max(0, len(self.unread) - _LONGEST_END)
            yield from self._hear()
        return self._take(found.end())

    def reply(self) -> _Hearing[tuple[int, list[bytes]]]:
        """Code and lines of a reply in SMTP or FTP (RFC 5321, section 4.2.1; RFC 959, section 4.2)."""
        lines = [(yield from self.line())]
        code = lines[0][:3]
        if not _REPLY.match(lines[0]):
            raise _Unspoken("what it said is no reply of this protocol")
        # In FTP the lines between need no code of their own, and may begin with any other.
        while lines[-1][:4] not in (code + b" ", code):
            lines.append((yield from self.line()))
        return int(code), lines

    def element(self, tag: int) -> _Hearing[bytes]:
        """The content of one element in BER (X.690, section 8.1), with a definite length as LDAP demands it."""
        found, first = yield from self.exactly(2)
        if found != tag:
            raise _Unspoken("what it said is no message of this protocol")
        length = first
        if first >= 0x80:
            length = int.from_bytes((yield from self.exactly(first & 0x7F)), "big")
        if first == 0x80 or length > MOST_BYTES:
            raise _Unspoken("what it said is no message of this protocol")
        return (yield from self.exactly(length))

    def _hear(self) -> _Hearing[None]:
        heard = yield None
        if not heard:
            raise _Unspoken("it closed the connection in the middle of the conversation")
        self._heard += len(heard)
        if self._heard > MOST_BYTES:
            raise _Unspoken(f"it said more than {MOST_BYTES} bytes, which no answer comes to")
        self.unread += heard

    def _take(self, count: int) -> bytes:
        taken = bytes(self.unread[:count])
        del self.unread[:count]
        return taken


_REPLY: Final = re.compile(rb"[1-5]\d\d(?:[ -]|$)")
_LONGEST_END: Final = 32


def _refused(command: str, answer: object) -> NotOffered:
    return NotOffered(f"it announces {command}, and answers {answer} to it")


# --- The protocols ------------------------------------------------------------------------------------------------

_Steps: TypeAlias = _Hearing[Offered | NotOffered]


def _smtp(peer: _Peer, _name: str) -> _Steps:
    """RFC 3207, section 4."""
    code, _ = yield from peer.reply()
    if code != 220:
        raise _Unspoken(f"it greets with {code}")
    yield b"EHLO " + _OUR_NAME + b"\r\n"
    code, lines = yield from peer.reply()
    if code // 100 == 4:
        raise _Unspoken(f"it puts us off with {code}")
    # Who does not know EHLO has no extensions (RFC 5321, section 4.1.4).
    if code != 250 or not any(line[4:].strip().upper() == b"STARTTLS" for line in lines):
        return NotOffered()
    yield b"STARTTLS\r\n"
    code, _ = yield from peer.reply()
    return Offered() if code == 220 else _refused("STARTTLS", code)


def _ftp(peer: _Peer, _name: str) -> _Steps:
    """RFC 4217, section 4."""
    code, _ = yield from peer.reply()
    while code == 120:  # It will be ready in some minutes (RFC 959, section 5.4).
        code, _ = yield from peer.reply()
    if code != 220:
        raise _Unspoken(f"it greets with {code}")
    yield b"AUTH TLS\r\n"
    code, _ = yield from peer.reply()
    if code == 421:
        raise _Unspoken("it ends the connection with 421")
    return Offered() if code == 234 else NotOffered()


def _imap(peer: _Peer, _name: str) -> _Steps:
    """RFC 9051, sections 6.1.1, 6.2.1 and 7.1."""
    greeting = yield from peer.line()
    if not re.match(rb"(?i)\* (?:OK|PREAUTH)\b", greeting):
        raise _Unspoken("its greeting is none of IMAP, or turns us away")
    offered = False
    yield b"a CAPABILITY\r\n"
    while not re.match(rb"(?i)a (?:OK|NO|BAD)\b", line := (yield from peer.line())):
        words = line.upper().split()
        offered = offered or (words[:2] == [b"*", b"CAPABILITY"] and b"STARTTLS" in words)
    if not offered:
        return NotOffered()
    yield b"b STARTTLS\r\n"
    while not (answer := re.match(rb"(?i)b (OK|NO|BAD)\b", (yield from peer.line()))):
        pass  # Whatever it says unasked (section 7).
    said = answer[1].decode("ascii").upper()
    return Offered() if said == "OK" else _refused("STARTTLS", said)


def _pop3(peer: _Peer, _name: str) -> _Steps:
    """RFC 2595, section 4, and RFC 2449, section 5."""
    if not (yield from peer.line()).startswith(b"+OK"):
        raise _Unspoken("its greeting is none of POP3")
    yield b"CAPA\r\n"
    # CAPA came later than some servers: STLS is then tried without being announced.
    announced = not (yield from peer.line()).startswith(b"+OK")
    known = not announced
    while known and (line := (yield from peer.line())) != b".":
        announced = announced or line.upper().split()[:1] == [b"STLS"]
    if not announced:
        return NotOffered()
    yield b"STLS\r\n"
    if (yield from peer.line()).startswith(b"+OK"):
        return Offered()
    return _refused("STLS", "-ERR") if known else NotOffered()


_XMPP_TLS: Final = b"urn:ietf:params:xml:ns:xmpp-tls"
#: The features a stream begins with, or an error that ends it at once (RFC 6120, sections 4.3.2 and 4.9).
_XMPP_FEATURES: Final = re.compile(rb"</stream:(?:features|error|stream)>|<stream:features ?/>")
_XMPP_ANSWER: Final = re.compile(rb"/>|</(?:proceed|failure|stream:error|stream:stream)>")
_XMPP_ERROR: Final = re.compile(rb"<stream:error>\s{0,9}<([a-z-]{1,40})")


def _xmpp(peer: _Peer, name: str, namespace: bytes = b"jabber:client") -> _Steps:
    """RFC 6120, section 5.4."""
    to = html.escape(name).encode("ascii", "replace")
    yield (
        b"<?xml version='1.0'?><stream:stream xmlns='" + namespace + b"' "
        b"xmlns:stream='http://etherx.jabber.org/streams' to='" + to + b"' version='1.0'>"
    )
    said = yield from peer.through(_XMPP_FEATURES)
    # Prosody closes a stream of servers that it has nothing to offer in, TLS included.
    if b"No stream features to offer" in said:
        return NotOffered()
    if b"<stream:features" not in said:
        error = _XMPP_ERROR.search(said)
        what = f"the error {error[1].decode('ascii')}" if error else "an error"
        raise _Unspoken(f"it ends the stream to {name[:80]!r} with {what}; declare the name that it serves")
    if _XMPP_TLS not in said:
        return NotOffered()
    yield b"<starttls xmlns='" + _XMPP_TLS + b"'/>"
    answer = yield from peer.through(_XMPP_ANSWER)
    return Offered() if answer.lstrip().startswith(b"<proceed") else _refused("STARTTLS", "with a failure")


def _xmpp_server(peer: _Peer, name: str) -> _Steps:
    return (yield from _xmpp(peer, name, b"jabber:server"))


def _ldap(peer: _Peer, _name: str) -> _Steps:
    """RFC 4511, sections 4.12 and 4.14: message 1, an ExtendedRequest with the OID of StartTLS."""
    yield b"0\x1d\x02\x01\x01w\x18\x80\x161.3.6.1.4.1.1466.20037"
    message = yield from peer.element(0x30)
    # INTEGER 1, [APPLICATION 24], ENUMERATED; a length takes one byte, or says in the first how many follow.
    response = re.match(rb"(?s)\x02\x01\x01\x78(?:[\0-\x7f]|\x81.|\x82..)\x0a\x01(.)", message)
    if response is None:
        raise _Unspoken("what it said is no answer to StartTLS in LDAP")
    return Offered() if response[1] == b"\0" else NotOffered()


def _postgres(peer: _Peer, _name: str) -> _Steps:
    """SSLRequest: https://www.postgresql.org/docs/current/protocol-message-formats.html"""
    yield b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
    answer = yield from peer.exactly(1)
    if answer not in (b"S", b"N"):
        raise _Unspoken("it answers neither yes nor no to an SSLRequest")
    return Offered() if answer == b"S" else NotOffered()


#: From MySQL's and MariaDB's capability flags: the protocol since 4.1, TLS, and authentication since 4.1.
_MYSQL_4_1, _MYSQL_TLS, _MYSQL_AUTHENTICATION = 0x0200, 0x0800, 0x8000


def _mysql(peer: _Peer, _name: str) -> _Steps:
    """The server greets, and the client answers with SSLRequest if that says CLIENT_SSL:
    https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html
    """
    length = int.from_bytes((yield from peer.exactly(3)), "little")
    number = yield from peer.exactly(1)
    if number != b"\0" or not 1 <= length <= MOST_BYTES:
        raise _Unspoken("its greeting is none of MySQL")
    greeting = yield from peer.exactly(length)
    if greeting[0] == 0xFF:
        code = int.from_bytes(greeting[1:3], "little")
        raise _Unspoken(f"it turns us away with error {code}")
    # Protocol 10 and a version; identifier, half of the salt and a zero; then the capabilities' lower half.
    found = re.match(rb"(?s)\x0a[^\0]{1,200}\0.{12}\0(..)", greeting)
    if found is None:
        raise _Unspoken("its greeting is none of MySQL")
    if not int.from_bytes(found[1], "little") & _MYSQL_TLS:
        return NotOffered()
    flags = _MYSQL_4_1 | _MYSQL_TLS | _MYSQL_AUTHENTICATION
    # Capabilities, the largest packet, character set 33 (UTF-8), 23 zeros; TLS follows without another word.
    request = flags.to_bytes(4, "little") + (1 << 24).to_bytes(4, "little") + bytes([33]) + bytes(23)
    yield len(request).to_bytes(3, "little") + b"\1" + request
    return Offered()


def _rdp(peer: _Peer, _name: str) -> _Steps:
    """[MS-RDPBCGR], sections 2.2.1.1 and 2.2.1.2: an X.224 Connection Request for TLS or CredSSP over it."""
    yield b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00"
    header = yield from peer.exactly(4)
    length = int.from_bytes(header[2:], "big")
    if header[:2] != b"\x03\x00" or not 11 <= length <= 512:
        raise _Unspoken("what it said is no packet of RDP")
    confirm = yield from peer.exactly(length - 4)
    if confirm[1] & 0xF0 != 0xD0:
        raise _Unspoken("what it said is no Connection Confirm of RDP")
    negotiation = confirm[7:15]
    # A server from before the negotiation confirms without a word on it.
    if len(negotiation) < 8:
        return NotOffered()
    kind, chosen = negotiation[0], int.from_bytes(negotiation[4:], "little")
    if kind == 2:  # RDP_NEG_RSP, where 0 is RDP's own encryption.
        return Offered() if chosen else NotOffered()
    # RDP_NEG_FAILURE: 2 is that TLS is not allowed, 3 that the server has no certificate.
    return NotOffered(f"it refuses TLS in RDP with code {chosen}")


_DIALOGUES: dict[str, Callable[[_Peer, str], _Steps]] = {
    "ftp": _ftp,
    "imap": _imap,
    "ldap": _ldap,
    "mysql": _mysql,
    "pop3": _pop3,
    "postgres": _postgres,
    "rdp": _rdp,
    "smtp": _smtp,
    "xmpp": _xmpp,
    "xmpp-server": _xmpp_server,
}
