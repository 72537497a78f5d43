"""What a judgement depends on besides facts, written down."""

from datetime import datetime
from pathlib import Path

from secscan import __version__
from secscan.baseline import Baseline
from secscan.feeds.status import feed_dates
from secscan.inventory import inventory_hash
from secscan.model import Inventory, Stamp
from secscan.scoring import SCORING_VERSION


def stamp(
    *,
    run: int | None,
    at: datetime,
    baseline: Baseline,
    inventory: Inventory,
    feeds: Path | None = None,
    known: datetime | None = None,
) -> Stamp:
    """``feeds`` is the database of imported data, ``known`` the instant whose state of it counts (None: ``at``).

    Raises FeedError where it can't be read.
    """
    return Stamp(
        run=run,
        at=at,
        baseline=baseline.name,
        baseline_hash=baseline.hash,
        scoring_version=SCORING_VERSION,
        secscan_version=__version__,
        inventory_hash=inventory_hash(inventory),
        feeds=feed_dates(feeds, known or at) if feeds else (),
    )
