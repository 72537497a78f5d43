"""Readers of single fields that several formats share."""

import math
import re
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import TypeVar

import msgspec

from secscan.feeds.errors import FeedError
from secscan.language import _
from secscan.model import Severity

T = TypeVar("T")

CVE = re.compile(r"CVE-\d{4}-\d{4,9}")

#: Characters; the longest form, with a fraction and an offset, has 35.
_MOST_INSTANT = 64

#: Distributors' words for how grave a flaw is.
_WORDS = {
    "critical": Severity.CRITICAL,
    "important": Severity.HIGH,
    "high": Severity.HIGH,
    "moderate": Severity.MEDIUM,
    "medium": Severity.MEDIUM,
    "low": Severity.LOW,
    "negligible": Severity.INFO,
    "unimportant": Severity.INFO,
}


def severity(word: str) -> Severity | None:
    """None for words that rate nothing (``none``, ``not yet assigned``)."""
    return _WORDS.get(word.strip().rstrip("*").lower())


def cves(texts: Iterable[str]) -> tuple[str, ...]:
    """Every CVE number in these texts, each once, sorted."""
    return tuple(sorted({number for text in texts for number in CVE.findall(text)}))


def instant(text: str) -> datetime | None:
    """ISO 8601 in any of its usual forms, UTC where it says nothing else; None for what is no instant."""
    if len(text) > _MOST_INSTANT:
        return None
    try:
        value = datetime.fromisoformat(text.strip().replace(" UTC", "+00:00"))
    except ValueError:
        # Python 3.11 wants a number of digits behind the second that CISA does not keep to.
        shortened = re.sub(r"\.\d+", "", text.strip())
        if shortened == text.strip():
            return None
        return instant(shortened)
    return utc(value)


def utc(value: datetime) -> datetime | None:
    """The same instant in UTC, which it is taken to be in where it says nothing; None outside the years 1 to 9999."""
    try:
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except OverflowError:
        return None


def day(text: str) -> date | None:
    """The day of an ISO date or instant; None for what is none."""
    value = instant(text) if text else None
    return value.date() if value else None


def decode_json(content: bytes | msgspec.Raw, type_: type[T], name: str, place: str = "") -> T:
    """JSON of an outer shape. Raises FeedError where it is none, or nested without end."""
    try:
        return msgspec.json.decode(content, type=type_)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as e:
        raise json_error(name, place, e) from e


def json_error(name: str, place: str, error: Exception) -> FeedError:
    """What is wrong with JSON, as an operator can use it: a copy cut short, or data of another kind."""
    if isinstance(error, msgspec.ValidationError):
        return FeedError(name, place, _("is not as the format has it: {error}").format(error=error))
    return FeedError(
        name, place, _("is no valid JSON, perhaps cut short: {error}; copy it again").format(error=error)
    )


def check_last_line(name: str, content: bytes) -> None:
    """Raises FeedError where lines end without a newline: a copy that was cut short does, their makers' never do."""
    if not content.endswith(b"\n"):
        line = content.count(b"\n") + 1
        raise cut_short(name, line)


def cut_short(name: str, line: int) -> FeedError:
    return FeedError(
        name,
        _("line {line}").format(line=line),
        _("ends in the middle: the copy is not complete, make it again"),
    )


# --- CVSS ---------------------------------------------------------------------------------------------

_V3 = {
    "AV": {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2},
    "AC": {"L": 0.77, "H": 0.44},
    "UI": {"N": 0.85, "R": 0.62},
    "C": {"H": 0.56, "L": 0.22, "N": 0.0},
    "I": {"H": 0.56, "L": 0.22, "N": 0.0},
    "A": {"H": 0.56, "L": 0.22, "N": 0.0},
}
_V3_PRIVILEGES = {"U": {"N": 0.85, "L": 0.62, "H": 0.27}, "C": {"N": 0.85, "L": 0.68, "H": 0.5}}
_V2 = {
    "AV": {"L": 0.395, "A": 0.646, "N": 1.0},
    "AC": {"H": 0.35, "M": 0.61, "L": 0.71},
    "Au": {"M": 0.45, "S": 0.56, "N": 0.704},
    "C": {"N": 0.0, "P": 0.275, "C": 0.66},
    "I": {"N": 0.0, "P": 0.275, "C": 0.66},
    "A": {"N": 0.0, "P": 0.275, "C": 0.66},
}


def cvss_severity(vector: str) -> Severity | None:
    """How grave a flaw is by its CVSS 3 or 2 base vector, or a bare score; None for what is neither.

    CVSS v3.1 specification, sections 5 and 7.1; CVSS v2 guide, section 3.2.1, rated like v3. Version 4 has no
    formula but a table of 270 rows; data that has it has version 3 as well.
    """
    score = cvss_score(vector)
    if score is None:
        return None
    for least, rated in (
        (9.0, Severity.CRITICAL),
        (7.0, Severity.HIGH),
        (4.0, Severity.MEDIUM),
        (0.1, Severity.LOW),
    ):
        if score >= least:
            return rated
    return Severity.INFO


def cvss_score(vector: str) -> float | None:
    """The base score, 0 to 10."""
    try:
        number = float(vector)
        return number if 0 <= number <= 10 else None
    except ValueError:
        pass
    metrics = dict(part.split(":", 1) for part in vector.split("/") if ":" in part)
    try:
        if vector.startswith(("CVSS:3.0/", "CVSS:3.1/")):
            return _score_3(metrics)
        if "Au" in metrics:
            return _score_2(metrics)
    except KeyError:
        return None
    return None


def _score_3(m: dict[str, str]) -> float:
    changed = m["S"] == "C"
    base = 1 - math.prod(1 - _V3[k][m[k]] for k in "CIA")
    impact = 7.52 * (base - 0.029) - 3.25 * (base - 0.02) ** 15 if changed else 6.42 * base
    if impact <= 0:
        return 0.0
    ease = (
        8.22 * _V3["AV"][m["AV"]] * _V3["AC"][m["AC"]] * _V3_PRIVILEGES[m["S"]][m["PR"]] * _V3["UI"][m["UI"]]
    )
    raw = min((1.08 if changed else 1.0) * (impact + ease), 10)
    # Appendix A: rounded up to one decimal, in whole numbers, for floating point would add tenths.
    whole = round(raw * 100_000)
    return whole / 100_000 if whole % 10_000 == 0 else (whole // 10_000 + 1) / 10


def _score_2(m: dict[str, str]) -> float:
    impact = 10.41 * (1 - math.prod(1 - _V2[k][m[k]] for k in "CIA"))
    ease = 20 * _V2["AV"][m["AV"]] * _V2["AC"][m["AC"]] * _V2["Au"][m["Au"]]
    return round((0.6 * impact + 0.4 * ease - 1.5) * (0.0 if impact == 0 else 1.176), 1)
