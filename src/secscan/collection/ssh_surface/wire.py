"""SSH on the wire before anything is encrypted: data types, packets and messages (RFC 4251, 4253, 4419). Pure.

Every reader takes what a host sent, in time linear to its length, and raises Malformed and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from secscan.facts import SshAlgorithms

#: RFC 4253, section 6.1: the length of a packet that everybody must be able to take. No honest one is longer here.
MOST_PACKET = 35000
#: RFC 4253, section 4.2: a line of identification, its end included. Servers that write longer ones are read too.
MOST_LINE = 1024
#: Names in one list, and characters in one name (RFC 4251, section 6, allows 64), that are believed to be meant.
MOST_NAMES = 256
LONGEST_NAME = 256

# RFC 4253, section 12; RFC 4252, section 6; RFC 8308, section 2.3; RFC 4419, section 5.
DISCONNECT, IGNORE, UNIMPLEMENTED, DEBUG, KEXINIT, NEWKEYS = 1, 2, 3, 4, 20, 21
SERVICE_REQUEST, SERVICE_ACCEPT, EXT_INFO = 5, 6, 7
USERAUTH_REQUEST, USERAUTH_FAILURE, USERAUTH_SUCCESS, USERAUTH_BANNER = 50, 51, 52, 53
KEX_INIT, KEX_REPLY, GEX_GROUP, GEX_INIT, GEX_REPLY, GEX_REQUEST = 30, 31, 31, 32, 33, 34


class Malformed(ValueError):  # noqa: N818 - what a host sent, not an error of anybody's
    """It is not what the RFCs say; the message says where, in words of ours."""


# --- Data types (RFC 4251, section 5) ---------------------------------------------------------------------


class Reader:
    """Takes one value after the other off a message. Every method raises Malformed where the message is too short."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        if count > len(self._data) - self._at:
            raise Malformed("a message ends before what it says is in it")
        taken = self._data[self._at : self._at + count]
        self._at += count
        return taken

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def string(self) -> bytes:
        return self.take(self.number())

    def integer(self) -> int:
        """An mpint; those that count here are never negative."""
        text = self.string()
        if text[:1] >= b"\x80":
            raise Malformed("a number that must not be negative is")
        return int.from_bytes(text, "big")

    def names(self) -> tuple[str, ...]:
        text = self.string()
        if text.count(b",") >= MOST_NAMES:
            raise Malformed(f"a list has more than {MOST_NAMES} names")
        names = tuple(name.decode("ascii", "backslashreplace") for name in text.split(b",") if name)
        if any(len(name) > LONGEST_NAME for name in names):
            raise Malformed(f"a name is longer than {LONGEST_NAME} characters")
        return names


def string(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def integer(value: int) -> bytes:
    """An mpint of a number that is not negative."""
    # One more byte than needed where the highest bit is set, which would make it negative, and none for 0.
    return string(value.to_bytes((value.bit_length() + 8) // 8 if value else 0, "big"))


def names(values: Sequence[str]) -> bytes:
    # What a server names may be none of ASCII, and is sent back to it: as it was shown.
    return string(",".join(values).encode("ascii", "replace"))


# --- Identification (RFC 4253, section 4.2) -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Identification:
    """``line`` is as it was sent, without its end: it goes into what is signed."""

    line: bytes
    protocol: str
    software: str
    comment: str


def read_identification(data: bytes) -> tuple[Identification | None, bytes]:
    """The identification and what follows it; else None and the line that has no end yet.

    Other lines may come before, and are gone then: nobody reads them twice, however slowly they come. Raises
    Malformed.
    """
    start = 0
    while True:
        end = data.find(b"\n", start, start + MOST_LINE + 1)
        if end < 0:
            if len(data) - start > MOST_LINE:
                raise Malformed(f"a line is longer than {MOST_LINE} bytes")
            return None, data[start:]
        if data.startswith(b"SSH-", start):
            return _identification(data[start:end].removesuffix(b"\r")), data[end + 1 :]
        start = end + 1


def _identification(line: bytes) -> Identification:
    head, _, comment = line.partition(b" ")
    _, protocol, *software = head.split(b"-", 2)
    if not software or not protocol:
        raise Malformed("its identification has no version, or no name of its software")
    return Identification(line, _text(protocol), _text(software[0]), _text(comment))


def _text(said: bytes) -> str:
    # Lines above 255 are none of SSH's; what is kept of one is bounded as all text of a host's.
    return said.decode("utf-8", "backslashreplace")[:200]


# --- Packets (RFC 4253, section 6) --------------------------------------------------------------------------


def read_packet(data: bytes) -> tuple[bytes, bytes] | None:
    """The payload of the first packet and what follows it, or None where more has to come. Raises Malformed."""
    if len(data) < 4:
        return None
    length = int.from_bytes(data[:4], "big")
    if not 2 <= length <= MOST_PACKET:
        raise Malformed(f"a packet claims to be {length} bytes long")
    if len(data) < 4 + length:
        return None
    padding = data[4]
    if padding + 1 >= length:
        raise Malformed("a packet is all padding")
    return data[5 : 4 + length - padding], data[4 + length :]


def packet(payload: bytes) -> bytes:
    """Not encrypted: a multiple of eight bytes, of which four at least are padding."""
    padding = 8 - (5 + len(payload)) % 8
    padding += 8 if padding < 4 else 0
    return (1 + len(payload) + padding).to_bytes(4, "big") + bytes([padding]) + payload + bytes(padding)


# --- Messages ---------------------------------------------------------------------------------------------


def read_kexinit(payload: bytes) -> SshAlgorithms:
    """RFC 4253, section 7.1. Raises Malformed."""
    reader = Reader(payload)
    reader.take(1 + 16)  # Its number, and the cookie.
    lists = [reader.names() for _ in range(8)]
    reader.names(), reader.names()  # Languages.
    reader.byte(), reader.number()  # Whether a guess follows, and what is reserved.
    return SshAlgorithms(
        key_exchange=lists[0],
        host_key=lists[1],
        ciphers_to_server=lists[2],
        ciphers_to_client=lists[3],
        macs_to_server=lists[4],
        macs_to_client=lists[5],
        compression_to_server=lists[6],
        compression_to_client=lists[7],
    )


def kexinit(cookie: bytes, ours: SshAlgorithms) -> bytes:
    """Our own SSH_MSG_KEXINIT, without languages and without a guess."""
    lists = (
        ours.key_exchange,
        ours.host_key,
        ours.ciphers_to_server,
        ours.ciphers_to_client,
        ours.macs_to_server,
        ours.macs_to_client,
        ours.compression_to_server,
        ours.compression_to_client,
        (),
        (),
    )
    return bytes([KEXINIT]) + cookie + b"".join(map(names, lists)) + bytes(5)


def read_disconnect(payload: bytes) -> str:
    """What the server said when it hung up, bounded; "" where it said nothing that can be read."""
    reader = Reader(payload)
    try:
        reader.take(1 + 4)
        said = reader.string()
    except Malformed:
        return ""
    return _text(said)[:120]


def read_group(payload: bytes) -> tuple[int, int]:
    """The prime and the generator of SSH_MSG_KEX_DH_GEX_GROUP (RFC 4419, section 3). Raises Malformed."""
    reader = Reader(payload)
    reader.byte()
    return reader.integer(), reader.integer()


def read_reply(payload: bytes) -> tuple[bytes, bytes, bytes]:
    """The host key, the server's public value and the signature of a reply: they have the same shape in every method.

    RFC 4253, section 8; RFC 4419, section 3; RFC 5656, section 4. Raises Malformed.
    """
    reader = Reader(payload)
    reader.byte()
    return reader.string(), reader.string(), reader.string()
