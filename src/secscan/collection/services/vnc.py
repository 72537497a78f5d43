"""VNC: which ways to log in a desktop offers (RFC 6143, section 7.1)."""

import re

from secscan.facts import Access, Gap, Reading
from secscan.model import Reason

_BANNER = re.compile(rb"RFB ([0-9]{3})\.([0-9]{3})\n")

#: RFC 6143, 7.1.2: security type 1 lets everybody in.
_NONE = 1


def is_banner(data: bytes) -> bool:
    return len(data) >= 12


def reply(banner: bytes) -> bytes:
    """The version to go on in: the server's, and no newer than 3.8. Empty where the banner is none of VNC's."""
    found = _BANNER.match(banner)
    if found is None:
        return b""
    version = min((int(found[1]), int(found[2])), (3, 8))
    # 7.1.1: every version but these three is taken for 3.3.
    return b"RFB 003.%03d\n" % (version[1] if version in ((3, 3), (3, 7), (3, 8)) else 3)


def is_offer(data: bytes, version: bytes) -> bool:
    """The list of security types is whole; 3.3 names one, in four bytes."""
    if version == b"RFB 003.003\n":
        return len(data) >= 4
    return len(data) >= 1 and len(data) >= 1 + data[0]


def read_offer(data: bytes, version: bytes) -> Reading[Access]:
    """Whether a stranger is let in; a Gap where the server gives no way in at all, such as after too many tries."""
    is_3_3 = version == b"RFB 003.003\n"
    types = {int.from_bytes(data[:4], "big")} if is_3_3 else set(data[1 : 1 + data[0]])
    if not types or types == {0}:
        return Gap(Reason.UNREADABLE, "it offers no way to log in now")
    return Access.OPEN if _NONE in types else Access.DENIED
