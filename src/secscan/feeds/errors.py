"""What can be wrong with data that an operator brings, in his words."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager

from secscan.language import _

#: What decoders, ours and those of the standard library, raise of bytes that nobody foresaw: a nesting without end,
#: days before the year 1, an encoding that does not exist, names that are no UTF-8.
UNREADABLE = (ValueError, ArithmeticError, RecursionError, LookupError, csv.Error)


class FeedError(ValueError):
    """A file can't be taken in. The message says which, where in it, what was found and what to do."""

    def __init__(self, file: str, place: str, message: str) -> None:
        super().__init__(f"{file}: {place}: {message}" if place else f"{file}: {message}")
        self.file = file
        self.place = place
        self.message = message


@contextmanager
def understanding(name: str, place: str = "") -> Iterator[None]:
    """Whatever a decoder raises becomes a FeedError that names the file: one file never keeps out those after it."""
    try:
        yield
    except FeedError:
        raise
    except UNREADABLE as e:
        raise unreadable(name, place, e) from e


def unreadable(name: str, place: str, error: Exception) -> FeedError:
    return FeedError(
        name,
        place,
        _("cannot be understood: {error}; copy it again").format(
            error=f"{type(error).__name__}: {error}"[:200]
        ),
    )
