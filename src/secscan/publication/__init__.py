"""A stored judgement as pages: read agency by agency, in several processes, and never held as a whole."""

from secscan.publication.publishing import Edition, Issue, publish

__all__ = ["Edition", "Issue", "publish"]
