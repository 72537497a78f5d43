"""Judgement over time: the lives of findings, and the reasons behind every change of a score. Pure."""

from secscan.history.ageing import ages
from secscan.history.deadlines import Aged, aged, due, is_overdue, overdue
from secscan.history.lifecycle import Lifecycle, State, retire, settle

__all__ = ["Aged", "Lifecycle", "State", "aged", "ages", "due", "is_overdue", "overdue", "retire", "settle"]
