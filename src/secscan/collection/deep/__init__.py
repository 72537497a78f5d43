"""The deep audit: what sslyze says of a server that is known to speak TLS, from a process of its own."""

from secscan.collection.deep.auditing import Auditor, Question
from secscan.collection.deep.process import Nursery

__all__ = ["Auditor", "Nursery", "Question"]
