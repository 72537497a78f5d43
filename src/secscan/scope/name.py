"""DNS names in one spelling, and sets of names with wildcards."""

import re
from collections.abc import Iterable
from functools import lru_cache

import idna

from secscan.language import _

#: Labels that need no IDNA. The underscore is no part of a host name (RFC 952), yet many Windows domains have it.
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


@lru_cache(maxsize=65536)
def canonical_name(text: str) -> str:
    """A DNS name as it goes over the wire: A-labels (IDNA 2008 over UTS 46), lower case, no final dot.

    Raises ValueError, in an operator's words, where it is no name of a host.
    """

    def refused(why: str) -> ValueError:
        return ValueError(_('"{text}" is not a DNS name: {why}').format(text=text[:80], why=why))

    name = text.removesuffix(".")
    if not name:
        raise ValueError(_("a DNS name is empty; leave it out"))
    if "*" in name:
        raise refused(_("a '*' can't be looked up; write out each name"))
    if "/" in name or ":" in name:
        raise refused(_("write the name alone, without a scheme, port or path"))
    try:
        # Dots that are no ASCII dot become one (UTS 46), so the labels are told apart only here.
        mapped = name.lower() if name.isascii() else idna.uts46_remap(name, std3_rules=False)
        labels = [_canonical_label(label) for label in mapped.split(".")]
    except (idna.IDNAError, UnicodeError) as error:
        raise refused(str(error)) from error
    canonical = ".".join(labels)
    if len(canonical) > 253:
        raise refused(_("it has {count} characters, and 253 are the most").format(count=len(canonical)))
    if _NUMBER.fullmatch(labels[-1]):
        # inet_aton() reads "127.1", "0x7f.1" and "2130706433" as addresses, and so would the resolver.
        raise refused(_("it ends in a number; an address belongs among the addresses, written in full"))
    return canonical


def canonical_pattern(text: str) -> str:
    """A name, or ``*.`` and a name: every name below it, at any depth, but not itself. Raises ValueError."""
    if text.startswith("*."):
        return "*." + canonical_name(text[2:])
    return canonical_name(text)


class NameSet:
    """Names and wildcards; membership takes one look for each label."""

    def __init__(self, patterns: Iterable[str]) -> None:
        every = frozenset(patterns)
        self._below = frozenset(p[2:] for p in every if p.startswith("*."))
        self._exact = every - {"*." + suffix for suffix in self._below}

    def __contains__(self, name: str) -> bool:
        """Whether a canonical name is one of the names, or below a wildcard."""
        if name in self._exact:
            return True
        labels = name.split(".")
        return any(".".join(labels[i:]) in self._below for i in range(1, len(labels)))

    def __bool__(self) -> bool:
        return bool(self._exact or self._below)


def _canonical_label(label: str) -> str:
    if label.isascii() and not label.startswith("xn--"):
        if not label:
            raise idna.IDNAError(_("a part between two dots is empty"))
        if len(label) > 63:
            raise idna.IDNAError(
                _("a part has {count} characters, and 63 are the most").format(count=len(label))
            )
        if not _LABEL.fullmatch(label):
            raise idna.IDNAError(
                _("the part '{label}' has a character no name can have there").format(label=label)
            )
        return label
    if label.startswith("xn--"):
        # What an A-label stands for must be allowed too, and come back as the same A-label.
        return idna.alabel(idna.ulabel(label)).decode("ascii")
    return idna.alabel(label).decode("ascii")
