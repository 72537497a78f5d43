"""The order of names: that of the Vietnamese alphabet, which is that of the English one for words in English."""

import re
import unicodedata
from typing import TypeAlias

#: Compared in turn: letters and numbers, then marks, then case, then the text itself.
SortKey: TypeAlias = tuple[
    tuple[tuple[int, int, str], ...], tuple[tuple[int, ...], ...], tuple[bool, ...], str
]

# CLDR, collation/vi.xml, type "standard", as glibc's locales/vi_VN quotes it: &a<ă<â &d<đ &e<ê &o<ô<ơ &u<ư
_LETTERS = {letter: rank for rank, letter in enumerate("aăâbcdđeêfghijklmnoôơpqrstuưvwxyz")}

# The same: &̀<<̉<<̃<<́<<̣, that is huyền, hỏi, ngã, sắc, nặng; a letter without a tone comes before all of them.
_TONES = {tone: rank for rank, tone in enumerate("\u0300\u0309\u0303\u0301\u0323")}

# What stands first: blanks, signs, numbers, letters of the alphabet, letters of others.
_BLANK, _SIGN, _NUMBER, _LETTER, _OTHER = range(5)

_PART = re.compile(r"(?P<number>[0-9]+)|(?P<letter>.)(?P<marks>[\u0300-\u036f]*)", re.DOTALL)


def sort_key(text: str) -> SortKey:
    """Sorts names as a Vietnamese dictionary does, numbers in them by their value.

    Letters first (``ă`` is one, ``á`` is an ``a``), over the whole name; then tones, then lower before upper case, so
    that neither moves a name past another word. How a letter is encoded (NFC, NFD) makes no difference.
    """
    letters: list[tuple[int, int, str]] = []
    marks: list[tuple[int, ...]] = []
    upper: list[bool] = []
    for part in _PART.finditer(unicodedata.normalize("NFD", text)):
        if number := part["number"]:
            digits = number.lstrip("0")
            # By length, then by digits: the value, without a number that a hostile name makes too long to reckon.
            letters.append((_NUMBER, len(digits), digits))
            marks.append((len(number),))
            upper.append(False)
            continue
        letter, rest = _letter(part["letter"], part["marks"])
        folded = letter.casefold()
        letters.append(_place(folded))
        marks.append(tuple(_TONES.get(mark, ord(mark)) for mark in rest))
        upper.append(letter != folded)
    return tuple(letters), tuple(marks), tuple(upper), unicodedata.normalize("NFC", text)


def _letter(plain: str, marks: str) -> tuple[str, str]:
    """The letter of the alphabet that the first fitting mark makes of a plain one, and the marks that are left."""
    for mark in marks:
        composed = unicodedata.normalize("NFC", plain + mark)
        if composed.casefold() in _LETTERS:
            return composed, marks.replace(mark, "", 1)
    return plain, marks


def _place(letter: str) -> tuple[int, int, str]:
    if letter.isspace():
        return _BLANK, 0, ""
    if letter in _LETTERS:
        return _LETTER, _LETTERS[letter], ""
    return (_OTHER if letter.isalnum() else _SIGN), 0, letter
