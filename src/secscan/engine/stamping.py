"""What a judgement depends on besides facts, written down."""

from datetime import datetime

from secscan import __version__
from secscan.baseline import Baseline
from secscan.inventory import inventory_hash
from secscan.model import Inventory, Stamp
from secscan.scoring import SCORING_VERSION


def stamp(*, run: int | None, at: datetime, baseline: Baseline, inventory: Inventory) -> Stamp:
    return Stamp(
        run=run,
        at=at,
        baseline=baseline.name,
        baseline_hash=baseline.hash,
        scoring_version=SCORING_VERSION,
        secscan_version=__version__,
        inventory_hash=inventory_hash(inventory),
    )
