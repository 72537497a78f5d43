"""Pages on paper: as PDF, signed, and what a signature is worth. Needs the extra ``pdf``."""

from secscan.report.paper.provenance import Provenance, provenance_in
from secscan.report.paper.trouble import PaperError

__all__ = ["PaperError", "Provenance", "provenance_in"]
