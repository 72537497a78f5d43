"""What is sent to the UDP ports that are asked: to each the shortest question its protocol has to answer."""

import dns.flags
import dns.message

#: The ports that are asked: those of services that strangers should not reach, or that serve as amplifiers.
PORTS: tuple[int, ...] = (53, 67, 69, 123, 137, 161, 500, 623, 1900, 5353)


def probe(port: int) -> bytes:
    """The question for ``port``, one of ``PORTS``; none of them changes anything, and none guesses a community.

    DHCP (67) gets an empty datagram: it answers to broadcasts alone, and all that can be told is that it is closed.
    """
    return _PROBES[port]()


def monlist() -> bytes:
    """Asks NTP whom it spoke to last: mode 7, version 2, implementation 3 (XNTPD), request 42 (MON_GETLIST_1).

    Layout: ntp_request.h of ntp 4.2; the same eight bytes as nmap's ntp-monlist (7.93). The request changes nothing.
    """
    return b"\x17\x00\x03\x2a" + bytes(4)


def is_monlist(answer: bytes) -> bool:
    """Whether it tells: a response (the highest bit) of mode 7 to that request, no error, and at least one entry.

    The fifth and sixth byte are an error in four bits and the number of entries in twelve.
    """
    if len(answer) < 8 or not answer[0] & 0x80 or answer[0] & 7 != 7 or answer[3] != 0x2A:
        return False
    told = int.from_bytes(answer[4:6], "big")
    return told >> 12 == 0 and told & 0x0FFF > 0


def _dns() -> bytes:
    """The name servers of the root, recursion not desired: any server has something to say, if only REFUSED."""
    wire: bytes = dns.message.make_query(".", "NS", id=1, flags=0).to_wire()
    return wire


def _empty() -> bytes:
    return b""


def _tftp() -> bytes:
    """RFC 1350, section 5: a request to read a file that is not there; the answer is an error."""
    return b"\x00\x01secscan-no-such-file\x00octet\x00"


def _ntp() -> bytes:
    """RFC 5905, section 7.3: version 4, mode 3 (client), nothing else said but a time of our own that comes back."""
    return b"\x23" + bytes(39) + b"secscan."


def _netbios() -> bytes:
    """RFC 1002, section 4.2.17: the status of the node, of the name ``*``."""
    name = b"\x20" + b"CK" + b"A" * 30 + b"\x00"
    return b"\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00" + name + b"\x00\x21\x00\x01"


def _snmp() -> bytes:
    """RFC 3414, section 4: the engine of an SNMPv3 server is told to whoever asks, before any user or community."""
    header = _tlv(0x30, _integer(1) + _integer(65507) + _tlv(0x04, b"\x04") + _integer(3))
    security = _tlv(0x30, _tlv(0x04, b"") + _integer(0) + _integer(0) + _tlv(0x04, b"") * 3)
    request = _tlv(0xA0, _integer(1) + _integer(0) + _integer(0) + _tlv(0x30, b""))
    scoped = _tlv(0x30, _tlv(0x04, b"") * 2 + request)
    return _tlv(0x30, _integer(3) + header + _tlv(0x04, security) + scoped)


def _ike() -> bytes:
    """RFC 7296, sections 2.5 and 3.1: a header alone, of major version 3, which is answered with what is spoken."""
    return b"secscan." + bytes(8) + b"\x00\x30\x22\x08" + bytes(4) + (28).to_bytes(4, "big")


def _rmcp() -> bytes:
    """IPMI 2.0, section 13.2.3: the ASF presence ping, RMCP version 6, class ASF, enterprise 4542."""
    return b"\x06\x00\xff\x06" + b"\x00\x00\x11\xbe" + b"\x80\x00\x00\x00"


def _ssdp() -> bytes:
    """UPnP Device Architecture 1.1, section 1.3.2: a search that is sent to one address."""
    return b'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\nMX: 1\r\nST: upnp:rootdevice\r\n\r\n'


def _mdns() -> bytes:
    """RFC 6763, section 9, asked as RFC 6762, section 5.1 has it: which services there are, from an ordinary port."""
    query = dns.message.make_query("_services._dns-sd._udp.local.", "PTR", id=1, flags=0)
    wire: bytes = query.to_wire()
    return wire


_PROBES = {
    53: _dns,
    67: _empty,
    69: _tftp,
    123: _ntp,
    137: _netbios,
    161: _snmp,
    500: _ike,
    623: _rmcp,
    1900: _ssdp,
    5353: _mdns,
}


def _integer(value: int) -> bytes:
    return _tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _tlv(tag: int, content: bytes) -> bytes:
    """ITU-T X.690, short form of the length: nothing here is longer than 127 bytes."""
    return bytes([tag, len(content)]) + content
