"""Which version is the newer, by the distribution's own rules; every version is read once and remembered.

Written by ourselves, against the advice to prefer a library: univers was tried, agrees with dpkg and rpm, and takes 15 to
80 microseconds for each comparison, so that an index of 50,000 advisories took half a minute to sort. Here a version
becomes a key once, and keys compare as fast as tuples do. It also refuses Alpine's ``_git`` versions.
"""

import re
from functools import lru_cache
from typing import Any, TypeAlias

#: Longer versions are not read: no distribution has any, and a host can say anything.
MOST_CHARACTERS = 256


class VersionError(ValueError):
    """Text that is no version by the rules of its distribution."""


#: What compares like the version it was made of, with keys of the same scheme.
Key: TypeAlias = tuple[Any, ...]

#: dpkg (deb-version(7)), rpm (rpm-version(7)) and apk (apk-package(5)).
SCHEMES = ("dpkg", "rpm", "apk")


@lru_cache(maxsize=1 << 18)
def read_version(scheme: str, text: str) -> Key:
    """The key of the version in ``text``, by the rules of one of ``SCHEMES``. Raises VersionError."""
    if text and len(text) <= MOST_CHARACTERS and text.isascii():
        match scheme:
            case "dpkg":
                key = _dpkg(text)
            case "rpm":
                key = _rpm(text)
            case "apk":
                key = _apk(text)
            case _:
                raise VersionError(f"no rules are known for versions of {scheme!r}")
        if key is not None:
            return key
    raise VersionError(f"{text[:60]!r} is no version of {scheme}")


def is_older(scheme: str, one: str, other: str) -> bool:
    """Whether ``one`` is older than ``other``. Raises VersionError where either can't be read."""
    return read_version(scheme, one) < read_version(scheme, other)


# --- dpkg ---------------------------------------------------------------------------------------------

_DPKG = re.compile(
    r"(?:(?P<epoch>\d{1,9}):)?(?P<upstream>[0-9A-Za-z.+~:][0-9A-Za-z.+~:-]*?)(?:-(?P<revision>[0-9A-Za-z.+~]+))?"
)
_DPKG_PARTS = re.compile(r"([^0-9]*)([0-9]*)")


def _dpkg(text: str) -> Key | None:
    shape = _DPKG.fullmatch(text)
    if shape is None or (shape["epoch"] is None and ":" in text):
        return None
    if shape["revision"] is None and "-" in shape["upstream"]:
        return None  # A hyphen with nothing behind it: dpkg refuses an empty revision.
    return int(shape["epoch"] or 0), _dpkg_key(shape["upstream"]), _dpkg_key(shape["revision"] or "")


def _dpkg_key(part: str) -> Key:
    """Turn by turn what is no digit, character by character, and a number; at last the end, which a tilde precedes.

    A revision that is not there is 0.
    """
    key: list[Any] = []
    for other, number in _DPKG_PARTS.findall(part or "0"):
        if other or number:
            key += (*map(_dpkg_rank, other), 0), int(number or 0)
    return (*key, (0,))


def _dpkg_rank(character: str) -> int:
    """A tilde is before the end (0), letters after it, and all else after the letters."""
    if character == "~":
        return -1
    return ord(character) + (0 if character.isalpha() else 256)


# --- rpm ----------------------------------------------------------------------------------------------

_RPM_PIECES = re.compile(r"[0-9]+|[A-Za-z]+|[~^]")
#: A tilde is before the end, the end before a caret, and that before anything else; numbers are newer than words.
_RPM_TILDE, _RPM_END, _RPM_CARET, _RPM_WORD, _RPM_NUMBER = ((n,) for n in (-2, -1, 0, 1, 2))


def _rpm(text: str) -> Key | None:
    epoch, colon, rest = text.rpartition(":")
    if any(c <= " " for c in text) or (colon and not (epoch.isdigit() and len(epoch) <= 10)):
        return None
    version, dash, release = rest.rpartition("-")
    if not dash:
        version, release = rest, ""
    if not version:
        return None
    # A version without a release is older than any that has one (rpmverCmp).
    return int(epoch or 0), _rpm_key(version), _rpm_key(release) if dash else ()


def _rpm_key(part: str) -> Key:
    """As rpmvercmp reads it: words, numbers, tildes and carets; all else only separates."""
    key: list[Key] = []
    for piece in _RPM_PIECES.findall(part):
        if piece == "~":
            key.append(_RPM_TILDE)
        elif piece == "^":
            key.append(_RPM_CARET)
        elif piece[0].isdigit():
            key.append((*_RPM_NUMBER, int(piece)))
        else:
            key.append((*_RPM_WORD, piece))
    return (*key, _RPM_END)


# --- apk ----------------------------------------------------------------------------------------------

_APK = re.compile(
    r"(?P<numbers>\d+(?:\.\d+)*)(?P<letter>[a-z])?"
    r"(?P<suffixes>(?:_(?:alpha|beta|pre|rc|cvs|svn|git|hg|p)\d*)*)(?:~[0-9a-f]+)?(?:-r(?P<revision>\d+))?"
)
_BEFORE = ("alpha", "beta", "pre", "rc")
_AFTER = ("cvs", "svn", "git", "hg", "p")

# What follows an equal beginning: a further number makes the newest, then a letter, a suffix, a suffix's number, a
# revision; the end is older than all of these, and a suffix of before the release is older than the end
# (apk-tools, version.c, the order of its tokens).
_NUMBER, _LETTER, _SUFFIX, _SUFFIX_NUMBER, _REVISION, _END, _EARLY = 0, -2, -3, -4, -5, -6, -7


def _apk(text: str) -> Key | None:
    shape = _APK.fullmatch(text)
    if shape is None:
        return None
    first, *others = shape["numbers"].split(".")
    key: list[tuple[int, int]] = [(_NUMBER, int(first))]
    for number in others:
        # A number with a leading zero is a decimal fraction: 1.01 is before 1.1.
        significant = number.lstrip("0")
        zeros = len(number) - len(significant)
        if zeros and len(number) > 1:
            key.append((_NUMBER, -zeros))
            if not significant:
                continue
        key.append((_NUMBER, int(significant or 0)))
    if shape["letter"]:
        key.append((_LETTER, ord(shape["letter"])))
    for word, digits in re.findall(r"_([a-z]+)(\d*)", shape["suffixes"]):
        key.append((_EARLY, _BEFORE.index(word)) if word in _BEFORE else (_SUFFIX, _AFTER.index(word)))
        if digits:
            key.append((_SUFFIX_NUMBER, int(digits)))
    if shape["revision"]:
        key.append((_REVISION, int(shape["revision"])))
    key.append((_END, 0))
    return tuple(key)
