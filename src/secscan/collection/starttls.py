"""Protocols that begin in plain text and go over to TLS when asked: whether a server of one offers that."""

import re
import socket
import time
from collections.abc import Callable

#: What a protocol is called in evidence.
NAMES: dict[str, str] = {
    "ftp": "FTP",
    "imap": "IMAP",
    "ldap": "LDAP",
    "pop3": "POP3",
    "postgres": "PostgreSQL",
    "rdp": "RDP",
    "smtp": "SMTP",
    "xmpp": "XMPP",
    "xmpp-server": "XMPP between servers",
}

#: Where the client must speak first, the port has to say which protocol is meant.
BY_PORT: dict[int, str] = {
    389: "ldap",
    3268: "ldap",
    3389: "rdp",
    5222: "xmpp",
    5269: "xmpp-server",
    5432: "postgres",
}

#: More than this is no answer to any of the questions asked here.
MOST_BYTES = 16 * 1024

#: Nobody's name (RFC 6761, section 6.4): a greeting needs one, and a scanner should not borrow it.
_OUR_NAME = b"secscan.invalid"


def offers_starttls(
    protocol: str, connection: socket.socket, *, server_name: str, timeout: float
) -> bool | None:
    """Whether a server, spoken to in ``protocol`` over a fresh ``connection``, offers to go over to TLS.

    None where it does not answer in that protocol within ``timeout`` seconds. Raises OSError.
    """
    dialogue = _Dialogue(connection, time.monotonic() + timeout)
    return _QUESTIONS[protocol](dialogue, server_name.encode("ascii", "replace"))


class _Dialogue:
    """One question after the other, each answered within one limit of time and bytes for all."""

    def __init__(self, connection: socket.socket, until: float) -> None:
        self._connection = connection
        self._until = until
        self._heard = 0

    def hear(self, end: re.Pattern[bytes]) -> bytes | None:
        """What comes until ``end`` is found in it; None where that is never."""
        heard = b""
        while not end.search(heard):
            left = self._until - time.monotonic()
            if left <= 0 or self._heard > MOST_BYTES:
                return None
            self._connection.settimeout(left)
            try:
                more = self._connection.recv(4096)
            except TimeoutError:
                return None
            if not more:
                return None
            self._heard += len(more)
            heard += more
        return heard

    def ask(self, question: bytes, end: re.Pattern[bytes]) -> bytes | None:
        self._connection.sendall(question)
        return self.hear(end)


#: The last line of an answer in SMTP and FTP (RFC 5321, section 4.2.1; RFC 959, section 4.2).
_REPLY = re.compile(rb"(?m)^\d{3}(?: [^\n]*)?\r?\n")
_LINE = re.compile(rb"\n")


def _smtp(dialogue: _Dialogue, _name: bytes) -> bool | None:
    """RFC 3207."""
    greeting = dialogue.hear(_REPLY)
    if greeting is None or not greeting.startswith(b"220"):
        return None
    extensions = dialogue.ask(b"EHLO " + _OUR_NAME + b"\r\n", _REPLY)
    if extensions is None:
        return None
    # Who does not know EHLO has no extensions; who is no mail server answers in the same form.
    return bool(re.search(rb"(?mi)^250[ -]STARTTLS\s*$", extensions))


def _ftp(dialogue: _Dialogue, _name: bytes) -> bool | None:
    """RFC 4217."""
    greeting = dialogue.hear(_REPLY)
    if greeting is None or not greeting.startswith(b"220"):
        return None
    answer = dialogue.ask(b"AUTH TLS\r\n", _REPLY)
    return None if answer is None else answer.startswith(b"234")


def _imap(dialogue: _Dialogue, _name: bytes) -> bool | None:
    """RFC 9051, section 6.2.1."""
    greeting = dialogue.hear(_LINE)
    if greeting is None or not re.match(rb"\* (OK|PREAUTH)\b", greeting, re.IGNORECASE):
        return None
    answer = dialogue.ask(b"a CAPABILITY\r\n", re.compile(rb"(?mi)^a (OK|NO|BAD)\b[^\n]*\n"))
    return None if answer is None else bool(re.search(rb"(?i)\bSTARTTLS\b", answer))


def _pop3(dialogue: _Dialogue, _name: bytes) -> bool | None:
    """RFC 2595, section 4."""
    greeting = dialogue.hear(_LINE)
    if greeting is None or not greeting.startswith(b"+OK"):
        return None
    answer = dialogue.ask(b"CAPA\r\n", re.compile(rb"(?m)^\.\r?\n|^-ERR[^\n]*\n"))
    if answer is None:
        return None
    if not answer.startswith(b"-ERR"):
        return bool(re.search(rb"(?mi)^STLS\b", answer))
    # CAPA came later (RFC 2449) than some servers.
    answer = dialogue.ask(b"STLS\r\n", _LINE)
    return None if answer is None else answer.startswith(b"+OK")


def _xmpp(dialogue: _Dialogue, name: bytes, namespace: bytes = b"jabber:client") -> bool | None:
    """RFC 6120, section 5.4."""
    opening = (
        b"<?xml version='1.0'?><stream:stream xmlns='" + namespace + b"' "
        b"xmlns:stream='http://etherx.jabber.org/streams' to='" + name + b"' version='1.0'>"
    )
    answer = dialogue.ask(opening, re.compile(rb"</stream:(features|error|stream)>"))
    if answer is None or b"<stream:features" not in answer:
        return None
    return b"urn:ietf:params:xml:ns:xmpp-tls" in answer


def _xmpp_server(dialogue: _Dialogue, name: bytes) -> bool | None:
    return _xmpp(dialogue, name, b"jabber:server")


def _ldap(dialogue: _Dialogue, _name: bytes) -> bool | None:
    """RFC 4511, section 4.14: an ExtendedRequest with the OID of StartTLS."""
    # An ExtendedResponse to message 1: lengths of one to five bytes, then the result code.
    response = re.compile(rb"(?s)^\x30.{1,5}?\x02\x01\x01\x78.{1,5}?\x0a\x01(.)")
    answer = dialogue.ask(b"0\x1d\x02\x01\x01w\x18\x80\x161.3.6.1.4.1.1466.20037", response)
    found = response.search(answer or b"")
    return None if found is None else found[1] == b"\0"


def _postgres(dialogue: _Dialogue, _name: bytes) -> bool | None:
    """PostgreSQL's SSLRequest: https://www.postgresql.org/docs/current/protocol-message-formats.html"""
    answer = dialogue.ask(b"\x00\x00\x00\x08\x04\xd2\x16\x2f", re.compile(rb"(?s)."))
    return {b"S": True, b"N": False}.get(answer or b"")


def _rdp(dialogue: _Dialogue, _name: bytes) -> bool | None:
    """[MS-RDPBCGR], section 2.2.1.1: an X.224 Connection Request for TLS or CredSSP."""
    confirm = re.compile(rb"(?s)^\x03\x00..(?:\x06\xd0.{5}|\x0e\xd0.{5}(?P<kind>.).{3}(?P<chosen>.{4}))")
    answer = dialogue.ask(
        b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00", confirm
    )
    found = confirm.search(answer or b"")
    if found is None:
        return None
    # A server from before the negotiation confirms without a word on it; type 2 is a choice, 3 a refusal.
    return found["kind"] == b"\x02" and found["chosen"] != bytes(4)


_QUESTIONS: dict[str, Callable[[_Dialogue, bytes], bool | None]] = {
    "ftp": _ftp,
    "imap": _imap,
    "ldap": _ldap,
    "pop3": _pop3,
    "postgres": _postgres,
    "rdp": _rdp,
    "smtp": _smtp,
    "xmpp": _xmpp,
    "xmpp-server": _xmpp_server,
}
