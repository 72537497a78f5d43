"""Words that hosts and feeds chose, bounded for evidence; nothing they say fills a page."""

from collections.abc import Iterable
from datetime import datetime

from secscan.facts import Release


def called(release: Release) -> str:
    return short(release.name or f"{release.id} {release.version}".strip() or "?")


def day(instant: datetime | None) -> str:
    return instant.date().isoformat() if instant is not None else "-"


def short(text: str) -> str:
    """Hosts choose these words; nothing they say fills a page."""
    return text[:100]


def listed(names: Iterable[str]) -> str:
    """The first five and how many more."""
    every = list(names)
    shown = ", ".join(name[:100] for name in every[:5])
    return f"{shown} (+{len(every) - 5})" if len(every) > 5 else shown
