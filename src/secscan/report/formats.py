"""Numbers, dates and instants as the language in use writes them; the one place where scores are rounded."""

from datetime import date, datetime
from fractions import Fraction

from secscan.language import in_use

#: Language -> decimal sign and thousands separator; English where a language is not here.
_SIGNS = {"en": (".", ","), "vi": (",", ".")}


def score(value: Fraction) -> str:
    """A score with one decimal, rounded down: 89.96 is no A, and must not read 90.0 beside a B."""
    tenths = int(value * 10 // 1)
    return f"{tenths // 10}{_signs()[0]}{tenths % 10}"


def bound(value: Fraction) -> str:
    """A limit of a baseline, as it was written there: without a decimal where it has none."""
    return count(int(value)) if value.denominator == 1 else score(value)


def percent(share: Fraction) -> str:
    """A share from 0 to 1 in whole per cent, rounded down for the same reason as a score."""
    return f"{int(share * 100 // 1)}%"


def count(n: int) -> str:
    """A whole number with thousands marked."""
    return f"{n:,}".replace(",", _signs()[1])


def instant(at: datetime) -> str:
    """Day, month, year, hour and minute, in the zone the instant is given in; the same in all our languages."""
    return f"{day(at)} {at:%H:%M}"


def day(at: date) -> str:
    """Day, month and year; the year always with four digits, which strftime does not promise."""
    return f"{at.day:02d}/{at.month:02d}/{at.year:04d}"


def _signs() -> tuple[str, str]:
    return _SIGNS.get(in_use(), _SIGNS["en"])
