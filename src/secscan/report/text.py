"""Host text made fit to be shown: bounded, and with nothing in it that hides, reorders or starts a formula."""

import re
import unicodedata
from collections.abc import Iterator
from datetime import datetime, tzinfo

from secscan.language import say
from secscan.model import Text
from secscan.spreadsheet import FORMULA

#: Characters of one value that are shown. A certificate may carry a subject of 60 kB; nobody reads that on a page.
VALUE_LIMIT = 300

#: Most combining marks that may stand on one letter. Vietnamese needs two when it is not composed; stacks of
#: dozens paint over the lines above and below.
MARK_LIMIT = 3

# Letters and symbols that Unicode counts as printable and that leave no ink: fillers, variation selectors, the
# blank Braille cell. The list is the printable part of Default_Ignorable_Code_Point (Unicode 15, DerivedCoreProperties).
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)

_ISO = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z| UTC|[+-]\d\d:\d\d))?")


def visible(text: object, *, limit: int = VALUE_LIMIT) -> str:
    """The text with every character that would not be seen, or would move others, written as ``⟨U+202E⟩``.

    Covers C0 and C1 controls (so no terminal escape), bidirectional and other format characters, line and
    paragraph separators, spaces other than the plain one, surrogates, unassigned and private characters, and
    stacked combining marks. Past ``limit`` characters it ends with how many were left out. Safe for a terminal
    as it is; HTML and rich markup must still be escaped.
    """
    whole = str(text)
    kept = whole[:limit]
    shown = kept if _is_plain(kept) else "".join(_shown(kept))
    return shown if len(whole) <= limit else f"{shown}…⟨+{len(whole) - limit}⟩"


def cell(text: object, *, limit: int = 32_000) -> str:
    """The text for one CSV cell: visible, and led by an apostrophe where a spreadsheet would see a formula.

    ``limit`` stays below the 32,767 characters a spreadsheet cell holds.
    """
    raw = str(text)
    shown = visible(raw, limit=limit)
    return f"'{shown}" if raw.lstrip(" ").startswith(FORMULA) else shown


def sentence(text: Text) -> str:
    """A Text in the language in use, fit for a terminal, a cell or a JSON string."""
    shown = Text(text.template, {name: _value(value) for name, value in text.values.items()})
    # Once more over the whole: a check that puts host text into its template has escaped nothing.
    return visible(say(shown), limit=10 * VALUE_LIMIT)


def localised(text: Text, zone: tzinfo) -> Text:
    """The Text with its values made visible, and those that are ISO 8601 instants moved to ``zone``."""
    return Text(text.template, {name: _local(_value(value), zone) for name, value in text.values.items()})


def parse_date(value: object) -> datetime | None:
    """The date or instant that an evidence value is, in ISO 8601 or with UTC behind; None where it is neither.

    A date without a time is given as its midnight without a zone.
    """
    if not isinstance(value, str) or not _ISO.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value.replace(" UTC", "Z"))
    except ValueError:
        return None


def _value(value: str | int) -> str | int:
    return value if isinstance(value, int) else visible(value)


def _local(value: str | int, zone: tzinfo) -> str | int:
    instant = parse_date(value)
    if instant is None or instant.tzinfo is None:
        return value
    try:
        return instant.astimezone(zone).isoformat()
    except OverflowError:  # A certificate valid until the last hour of the year 9999, seen from Hanoi.
        return value


def _is_plain(text: str) -> bool:
    if not text.isprintable() or _BLANK.search(text):
        return False
    return text.isascii() or not any(map(unicodedata.combining, text))


def _shown(text: str) -> Iterator[str]:
    # The first mark of a text would stand on whatever the page has before it.
    marks = MARK_LIMIT
    for character in text:
        if unicodedata.category(character) in ("Mn", "Me"):
            marks += 1
            hidden = marks > MARK_LIMIT or _BLANK.match(character) is not None
        else:
            marks = 0
            hidden = not character.isprintable() or _BLANK.match(character) is not None
        yield f"⟨U+{ord(character):04X}⟩" if hidden else character
