"""What goes wrong with paper, in an operator's words."""

from secscan.language import _

#: What has to be there besides secscan itself.
EXTRA = "secscan[pdf]"


class PaperError(ValueError):
    """A PDF that can't be made, signed or read: says why, and what to do."""


def missing(error: ImportError) -> PaperError:
    """What to install, where a package of the extra is not there."""
    return PaperError(
        _(
            "PDF files need packages that are not installed ({missing}); install them with: pip install '{extra}'"
        ).format(missing=error.name or error, extra=EXTRA)
    )
