"""Kernel releases as ``uname -r`` says them: which are of one flavour, and which is the newer."""

import re

#: Words of a release that name a distribution's version and no flavour: ``el9_4``, ``fc40``, ``deb12``, ``bpo``.
_MARKERS = frozenset({"amzn", "arch", "bpo", "deb", "el", "fc", "rc"})
#: A release has fewer numbers than this; what a hostile host adds is not compared.
_NUMBERS = 24


def is_rescue(release: str) -> bool:
    """Red Hat's rescue images (``0-rescue-`` and the machine's id) are copies of the first kernel installed."""
    return "rescue" in release.lower()


def flavour(release: str) -> tuple[str, ...]:
    """What tells kernels apart that don't replace one another: ``amd64`` and ``rt-amd64``, ``generic`` and ``aws``."""
    words = (re.sub(r"[^a-z]", "", token) for token in _tokens(release) if token[0].isalpha())
    return tuple(sorted(word for word in words if word not in _MARKERS))


def age_key(release: str) -> tuple[int, ...]:
    """Sorts the releases of one flavour, the oldest first: its numbers, and a release candidate before its release.

    ``el9_4`` and its like stand behind the whole version and would only compare the length of what is before them.
    Arch counts its own patches in ``arch1``.
    """
    numbers: list[int] = []
    for token in _tokens(release):
        word, digits = _split(token)
        if word == "rc":
            numbers.append(-1)
        if word in ("", "rc", "arch") and digits:
            # Longer numbers than a release can hold are cut short before they are read.
            numbers.append(int(digits[:18]))
    return tuple((numbers + [0] * _NUMBERS)[:_NUMBERS])


def _tokens(release: str) -> list[str]:
    return re.findall(r"[a-z][a-z0-9_]*|[0-9]+", release.lower())


def _split(token: str) -> tuple[str, str]:
    """``rc`` and ``1`` of ``rc1``."""
    word = token.rstrip("0123456789")
    return word, token[len(word) :]
