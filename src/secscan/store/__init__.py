"""The store: runs, evidence, findings and scores in one database. Nothing outside it speaks SQL."""

from secscan.store.errors import StoreError
from secscan.store.findings import FindingChanges
from secscan.store.runs import RunInfo, RunStart, RunState
from secscan.store.scores import PastScores, Scores
from secscan.store.store import Store

__all__ = ["FindingChanges", "PastScores", "RunInfo", "RunStart", "RunState", "Scores", "Store", "StoreError"]
