"""Redis and memcached: one line asked, one line answered."""

import re

from secscan.facts import Access, Gap, Reading
from secscan.model import Reason

#: An inline command, as one would type it (https://redis.io/docs/latest/develop/reference/protocol-spec/).
REDIS_PING = b"PING\r\n"

#: https://github.com/memcached/memcached/blob/master/doc/protocol.txt
MEMCACHED_VERSION = b"version\r\n"

_QUOTED = 80


def is_line(data: bytes) -> bool:
    """A line is there, whatever follows it."""
    return b"\n" in data


def read_redis(data: bytes) -> Reading[Access]:
    """What an answer to PING shows. Gap where it is none of Redis's.

    PONG is for who may give commands. NOAUTH: a password is asked for; DENIED: protected mode, for clients elsewhere;
    NOPERM: an account without rights (ACL); the last is what versions before 2.8 said in place of NOAUTH.
    """
    if re.match(rb"\+PONG\r?\n", data):
        return Access.OPEN
    if re.match(rb"-(?:NOAUTH|DENIED|NOPERM) |-ERR operation not permitted", data):
        return Access.DENIED
    return _unread(data)


def read_memcached(data: bytes) -> tuple[Reading[Access], str]:
    """What an answer to ``version`` shows, and the version. With a file of passwords it answers CLIENT_ERROR."""
    if found := re.match(rb"VERSION ([ -~]{1,40}?)\r?\n", data):
        return Access.OPEN, found[1].decode("ascii")
    if re.match(rb"CLIENT_ERROR unauthenticated", data):
        return Access.DENIED, ""
    return _unread(data), ""


def _unread(data: bytes) -> Gap:
    line = data.partition(b"\n")[0].rstrip(b"\r")[:_QUOTED].decode("ascii", "backslashreplace")
    shown = "".join(c if c.isprintable() else "." for c in line)
    return Gap(Reason.UNPARSED, f"it answered: {shown}")
