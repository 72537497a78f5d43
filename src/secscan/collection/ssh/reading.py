"""What all parsers of a reply share: bounded text, instants, and a gap where something is not understood. Pure."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TypeVar

from secscan.collection.ssh.commands import LONGEST_COMMAND
from secscan.collection.ssh.commands import command as command
from secscan.collection.ssh.framing import Reply
from secscan.facts import Gap, Reading
from secscan.model import Reason

T = TypeVar("T")

#: Characters of one field of text that are kept.
LONGEST = 200
#: Seconds that an instant may be ahead of its host's clock: archives and hosts don't agree to the second.
MOST_AHEAD = 600

_LAST_INSTANT = 253402300799  # the end of the year 9999, the last that a datetime can say

#: Characters of one line that any pattern sees. crontab(5) takes 1000; a page holds what /proc says of one mount.
LONGEST_LINE = 4096
#: Characters of what stands between empty lines.
LONGEST_BLOCK = 64 * 1024
#: Of any list that a host gives: what is past it is noise, and the reading is a gap.
MOST = 5000


class UnparsedError(ValueError):
    """A reading that is not as its maker documents it; the message quotes what was not understood, bounded."""

    def __init__(self, line: str) -> None:
        super().__init__(quoted(line))


def take(reply: Reply, name: str, parse: Callable[[str], T]) -> T | Gap:
    """What ``parse`` makes of a reading that ended well; else why there is nothing."""
    text = reply.output(name)
    return text if isinstance(text, Gap) else understood(name, text, parse)


def understood(name: str, text: str, parse: Callable[[str], T]) -> T | Gap:
    try:
        return parse(text)
    except UnparsedError as e:
        return Gap(Reason.UNPARSED, f"{name}: not understood: {e}")
    except (ValueError, IndexError, OverflowError) as e:
        # Numbers of thousands of digits, and whatever else of the kind a host may think of.
        return Gap(Reason.UNPARSED, f"{name}: not understood ({type(e).__name__})")


def lines(text: str) -> Iterator[str]:
    """Lines, one at a time, none of them empty. Raises UnparsedError at one longer than any that is understood."""
    for line in cut_lines(text):
        if len(line) > LONGEST_LINE:
            raise UnparsedError(line)
        yield line


def cut_lines(text: str) -> Iterator[str]:
    """The same for readings with lines of any length, of which the beginning is enough: a character too long."""
    at = 0
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        if end > at:
            yield text[at : min(end, at + LONGEST_LINE + 1)].removesuffix("\r")
        at = end + 1


def blocks(text: str) -> Iterator[str]:
    """What stands between empty lines, one after the other, none of it empty and each bounded."""
    at = 0
    while at < len(text):
        end = text.find("\n\n", at)
        end = len(text) if end < 0 else end
        if block := text[at : min(end, at + LONGEST_BLOCK)].strip("\n"):
            yield block
        at = end + 2


def not_ahead(reply: Reply, name: str, seen: Reading[datetime]) -> Reading[datetime]:
    """What a host says has happened, held against its own clock: nothing of it can lie ahead."""
    if isinstance(seen, Gap) or seen.timestamp() <= reply.at + MOST_AHEAD:
        return seen
    return Gap(Reason.CONTRADICTORY, f"{name}: {seen:%Y-%m-%d %H:%M} lies ahead of the host's own clock")


def instant(text: str) -> datetime:
    """Seconds since 1970. Raises UnparsedError."""
    if not re.fullmatch(r"[0-9]{1,12}", text, re.ASCII) or int(text) > _LAST_INSTANT:
        raise UnparsedError(text)
    return datetime.fromtimestamp(int(text), UTC)


def instants(text: str) -> dict[str, datetime]:
    """Lines of an instant and a path. Raises UnparsedError."""
    found = {}
    for line in lines(text):
        at, _, path = line.partition(" ")
        found[path] = instant(at)
        if len(found) > MOST:
            raise UnparsedError(f"over {MOST} files")
    return found


def bounded(text: str, most: int = LONGEST) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def quoted(text: str) -> str:
    """The beginning of what a host said, as it is told in an explanation: without what looks like a secret."""
    return repr(command(text[:LONGEST_COMMAND])[:80])


def without_password(address: str) -> str:
    """An address of a repository without user name, password and query, bounded.

    A password may hold slashes, and even an ``@``: all up to the last one goes.
    """
    return bounded(without_login(address[:LONGEST_LINE]))


def without_login(address: str) -> str:
    """An address, with or without its scheme, less who logs in there and what it is asked."""
    before, scheme, rest = address.partition("://")
    if not scheme:
        before, rest = ("//", address[2:]) if address.startswith("//") else ("", address)
        login, at, place = rest.rpartition("@")
        return before + (place if at and (":" in login or "/" in login) else rest)
    if "?" in rest.rpartition("@")[0]:
        return f"{before}{scheme}***"  # a query with an @ in it, or a password with a question mark
    return before + scheme + re.split(r"[?#]", rest.rpartition("@")[2], maxsplit=1)[0]
