"""Words that hosts and feeds chose, bounded for evidence; nothing they say fills a page."""

import hashlib
from collections.abc import Iterable
from datetime import datetime

from secscan.facts import Release

#: Characters of a name.
MOST_SHOWN = 100


def called(release: Release) -> str:
    return short(release.name or f"{release.id} {release.version}".strip() or "?")


def day(instant: datetime | None) -> str:
    return instant.date().isoformat() if instant is not None else "-"


def short(text: str) -> str:
    """Hosts choose these words; nothing they say fills a page."""
    return text[:MOST_SHOWN]


def identity(name: str) -> str:
    """``name`` as the object of a finding: two that only differ beyond what is shown stay two.

    A host may call a package nothing at all; the finding without an object is the one about the whole host.
    """
    if not name:
        return "-"
    if len(name) <= MOST_SHOWN:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{name[: MOST_SHOWN - 9]}~{digest[:8]}"


def named(name: str, patterns: Iterable[str]) -> bool:
    """Whether one of ``patterns`` is this name, or its beginning followed by an asterisk."""
    return any(name.startswith(p[:-1]) if p.endswith("*") else name == p for p in patterns)


def listed(names: Iterable[str]) -> str:
    """The first five and how many more."""
    every = list(names)
    shown = ", ".join(name[:MOST_SHOWN] for name in every[:5])
    return f"{shown} (+{len(every) - 5})" if len(every) > 5 else shown
