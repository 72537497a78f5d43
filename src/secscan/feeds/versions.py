"""Which version is the newer, by the distribution's own rules; every version is read once and remembered."""

import re
from functools import lru_cache, total_ordering
from typing import Any, Protocol, TypeAlias

from univers.versions import ArchLinuxVersion, DebianVersion, InvalidVersion, RpmVersion

#: Longer versions are not read: no distribution has any, and a host can say anything.
MOST_CHARACTERS = 256


class VersionError(ValueError):
    """Text that is no version by the rules of its distribution."""


class Ordered(Protocol):
    """A version that can be held against others of the same scheme."""

    def __lt__(self, other: Any, /) -> bool: ...


#: dpkg (deb-version(7)), rpm (rpmvercmp), apk (apk-package(5)) and pacman (vercmp(8)).
Scheme: TypeAlias = str
SCHEMES = ("dpkg", "rpm", "apk", "pacman")


@lru_cache(maxsize=1 << 18)
def read_version(scheme: Scheme, text: str) -> Ordered:
    """The version in ``text``, to be compared with others of the scheme. Raises VersionError."""
    if not text or len(text) > MOST_CHARACTERS or not text.isascii() or any(c <= " " for c in text):
        raise VersionError(f"{text[:60]!r} is no version of {scheme}")
    try:
        match scheme:
            case "dpkg":
                return _debian(text)
            case "rpm":
                return _rpm(text)
            case "apk":
                return _Keyed(_apk(text))
            case "pacman":
                return ArchLinuxVersion(text)
    except (InvalidVersion, ValueError, IndexError) as e:
        raise VersionError(f"{text[:60]!r} is no version of {scheme}") from e
    raise VersionError(f"no rules are known for versions of {scheme!r}")


def is_older(scheme: Scheme, one: str, other: str) -> bool:
    """Whether ``one`` is older than ``other``. Raises VersionError where either can't be read."""
    return read_version(scheme, one) < read_version(scheme, other)


@total_ordering
class _Keyed:
    """A version that is compared by a key."""

    __slots__ = ("key",)

    def __init__(self, key: tuple[Any, ...]) -> None:
        self.key = key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Keyed) and self.key == other.key

    def __lt__(self, other: "_Keyed") -> bool:
        return self.key < other.key

    def __hash__(self) -> int:
        return hash(self.key)


# --- dpkg ---------------------------------------------------------------------------------------------

#: deb-version(7), as strict as dpkg itself where it matters: univers also takes an empty revision and compares it
#: otherwise than dpkg, which refuses it.
_DEBIAN = re.compile(r"(?:\d{1,9}:)?[0-9A-Za-z.+~:-]*?[0-9A-Za-z.+~]")


def _debian(text: str) -> Ordered:
    if not _DEBIAN.fullmatch(text):
        raise VersionError(text)
    return DebianVersion(text)


# --- rpm ----------------------------------------------------------------------------------------------


def _rpm(text: str) -> Ordered:
    epoch, colon, _rest = text.partition(":")
    if colon and not (epoch.isdigit() and len(epoch) <= 10):
        raise VersionError(text)
    return RpmVersion(text)


# --- apk ----------------------------------------------------------------------------------------------

#: apk-package(5). univers' reading of it does not know ``_git`` and its like, which Alpine's packages use.
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


def _apk(text: str) -> tuple[Any, ...]:
    shape = _APK.fullmatch(text)
    if shape is None:
        raise VersionError(text)
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
