"""What all parsers of a reply share: bounded text, instants, and a gap where something is not understood. Pure."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from secscan.collection.ssh.framing import Reply
from secscan.facts import Gap
from secscan.model import Reason

T = TypeVar("T")

#: Characters of one field of text that are kept.
LONGEST = 200
#: Characters of a command that are kept.
LONGEST_COMMAND = 500

_LAST_INSTANT = 253402300799  # the end of the year 9999, the last that a datetime can say

#: What looks like a secret in a command: cron entries and units are full of them, and none is ours to keep.
_SECRETS = (
    re.compile(r"(?i)(--?[a-z0-9-]*(?:password|passwd|passphrase|secret|token|api-?key)[a-z0-9-]*[= ])\S+"),
    re.compile(
        r"(?i)(\b[a-z0-9_]*(?:password|passwd|passphrase|secret|token|api_?key|pgpassword)[a-z0-9_]*=)\S+"
    ),
    re.compile(r"(\bmysql\w*\b.*? -p)\S+"),
    re.compile(r"(\b(?:sshpass|smbclient) .*?-p ?)\S+"),
    re.compile(r"(curl\b.*? (?:-u|--user)[ =]?[^\s:]+:)\S+"),
    re.compile(r"(?i)(authorization: *(?:basic|bearer) +)[^\s\"']+"),
    re.compile(r"(://)[^/@\s]+(?=@)"),
)


class UnparsedError(ValueError):
    """A reading that is not as its maker documents it; the message quotes what was not understood, bounded."""

    def __init__(self, line: str) -> None:
        super().__init__(repr(line[:80]))


def take(reply: Reply, name: str, parse: Callable[[str], T]) -> T | Gap:
    """What ``parse`` makes of a reading that ended well; else why there is nothing."""
    text = reply.output(name)
    return text if isinstance(text, Gap) else understood(name, text, parse)


def understood(name: str, text: str, parse: Callable[[str], T]) -> T | Gap:
    try:
        return parse(text)
    except UnparsedError as e:
        return Gap(Reason.UNPARSED, f"{name}: not understood: {e}")


def instant(text: str) -> datetime:
    """Seconds since 1970. Raises UnparsedError."""
    if not re.fullmatch(r"[0-9]{1,12}", text, re.ASCII) or int(text) > _LAST_INSTANT:
        raise UnparsedError(text)
    return datetime.fromtimestamp(int(text), UTC)


def instants(text: str) -> dict[str, datetime]:
    """Lines of an instant and a path. Raises UnparsedError."""
    found = {}
    for line in text.splitlines():
        if line:
            at, _, path = line.partition(" ")
            found[path] = instant(at)
    return found


def bounded(text: str, most: int = LONGEST) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def command(text: str) -> str:
    """A command as it is kept: bounded, and what looks like a secret in it replaced by ``***``."""
    text = text[: 4 * LONGEST_COMMAND]
    for secret in _SECRETS:
        text = secret.sub(r"\1***", text)
    return bounded(text, LONGEST_COMMAND)


def without_password(address: str) -> str:
    """An address of a repository without user name and password, bounded."""
    return bounded(re.sub(r"://[^/@\s]*@", "://", address))
