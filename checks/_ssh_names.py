"""Names of SSH algorithms: which of those a server lists are meant by a profile's patterns."""

from collections.abc import Iterable

from secscan.checks._words import named, short

#: What stands among the key exchanges and is none (RFC 8308, section 2.1; OpenSSH's PROTOCOL, section 1.9).
STRICT = "kex-strict-s-v00@openssh.com"


def matching(names: Iterable[str], patterns: Iterable[str]) -> tuple[str, ...]:
    """The names that one of the patterns is, or is the beginning of before its asterisk; each once, in order."""
    wanted = tuple(patterns)
    return tuple(dict.fromkeys(name for name in names if named(name, wanted)))


def shown(names: Iterable[str]) -> str:
    """The first ten and how many more: a server may name hundreds."""
    every = list(names)
    more = f" (+{len(every) - 10})" if len(every) > 10 else ""
    return ", ".join(short(name) for name in every[:10]) + more
