"""What feeds there are, of when, and whether they speak for the releases they are about."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from secscan.feeds.model import DatedBy, Feed
from secscan.feeds.storage import open_store


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """One feed, as it is now."""

    feed: Feed
    as_of: datetime
    dated_by: DatedBy
    imported_at: datetime
    entries: int
    revisions: int
    file: str
    sha256: str
    #: Since ``as_of``; never below zero.
    age: timedelta


def status(db: Path, at: datetime) -> list[FeedStatus]:
    """Every feed, by kind, distribution and release; none where nothing was imported yet. Raises FeedError."""
    if not db.exists():
        return []
    with open_store(db) as store:
        store.check()
        return [
            FeedStatus(
                feed=s.feed,
                as_of=s.as_of,
                dated_by=s.dated_by,
                imported_at=s.imported_at,
                entries=s.entries,
                revisions=s.revisions,
                file=s.file,
                sha256=s.sha256,
                age=max(at - s.as_of, timedelta(0)),
            )
            for s in store.states()
        ]


def feed_dates(db: Path, at: datetime) -> tuple[tuple[str, datetime], ...]:
    """What had been imported by ``at``: kind, distribution and release, with the oldest date of its parts; sorted.

    Raises FeedError.
    """
    if not db.exists():
        return ()
    dates: dict[str, datetime] = {}
    with open_store(db) as store:
        for state in store.states(at):
            name = str(replace(state.feed, part=""))
            dates[name] = min(state.as_of, dates.get(name, state.as_of))
    return tuple(sorted(dates.items()))
