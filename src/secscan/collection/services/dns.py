"""DNS: whether a server looks names up for strangers, and gives whole zones away. Over TCP, as any server must."""

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype

from secscan.facts import Gap, Reading
from secscan.model import Reason


def recursion_query() -> bytes:
    """Asks for the name servers of the root, recursion desired: nothing about anybody, and in every resolver's memory."""
    return _framed(dns.message.make_query(".", "NS", id=1, flags=dns.flags.RD))


def transfer_query(zone: str) -> bytes:
    """Asks for a whole zone (RFC 5936). Raises ValueError where ``zone`` is no name."""
    try:
        name = dns.name.from_text(zone)
    except (dns.exception.DNSException, UnicodeError) as error:
        raise ValueError(f"{zone[:80]!r} is not the name of a zone") from error
    return _framed(dns.message.make_query(name, "AXFR", id=1, flags=0))


def is_whole(data: bytes) -> bool:
    """The first message is there; it has its length before it (RFC 1035, 4.2.2). Those after it are not waited for."""
    return len(data) >= 2 and len(data) >= 2 + int.from_bytes(data[:2], "big")


def read_recursion(data: bytes) -> Reading[bool]:
    """Whether it looked the name up for us: it says that it does (RA) and refuses nothing (RFC 1035, 4.1.1)."""
    message = _message(data)
    if isinstance(message, Gap):
        return message
    return bool(message.flags & dns.flags.RA) and message.rcode() in (dns.rcode.NOERROR, dns.rcode.SERVFAIL)


def read_transfer(data: bytes) -> Reading[bool]:
    """Whether the zone is given: its first record is the zone's own, SOA (RFC 5936, 2.2). Any error is a refusal."""
    message = _message(data)
    if isinstance(message, Gap):
        return message
    if message.rcode() is not dns.rcode.NOERROR:
        return False
    return any(found.rdtype == dns.rdatatype.SOA for found in message.answer)


def _message(data: bytes) -> dns.message.Message | Gap:
    wire = data[2 : 2 + int.from_bytes(data[:2], "big")]
    try:
        # A transfer's first message may be long; what is behind its first records is no matter here.
        message = dns.message.from_wire(wire, ignore_trailing=True, one_rr_per_rrset=True, xfr=True)
    except (dns.exception.DNSException, ValueError, IndexError) as error:
        return Gap(Reason.UNPARSED, f"its answer can't be read as DNS ({type(error).__name__})")
    if message.id != 1 or not message.flags & dns.flags.QR:
        return Gap(Reason.UNPARSED, "what it answered is no answer in DNS")
    return message


def _framed(message: dns.message.Message) -> bytes:
    wire: bytes = message.to_wire()
    return len(wire).to_bytes(2, "big") + wire
