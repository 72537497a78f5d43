"""Mistakes in what an operator wrote, and the words for where they are and what was seen."""

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from secscan.language import _

#: The way from the root of a document: table names, keys, and indices into arrays.
Loc = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing to mend. ``line`` counts from 1; None where it is about the file as a whole."""

    file: Path
    line: int | None
    key: str
    message: str

    def __str__(self) -> str:
        place = f"{shown_path(self.file)}:{self.line}" if self.line else shown_path(self.file)
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class ConfigurationError(ValueError):
    """Everything that is wrong with what the operator wrote, in the order of files and lines."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__(mistakes)
        self.mistakes = tuple(mistakes)

    def __str__(self) -> str:
        return "\n".join(str(mistake) for mistake in self.mistakes)


class MisfitError(ValueError):
    """Raised by a validator of a model, for what pydantic's types can't say.

    Each part is where it is, as keys under the value that is validated, and a sentence for the operator.
    """

    def __init__(self, *parts: tuple[Loc, str]) -> None:
        super().__init__("; ".join(message for _loc, message in parts))
        self.parts = parts


def in_order(mistakes: Iterable[Mistake]) -> list[Mistake]:
    """By file and line; what is about a whole file stands before what is about its lines."""
    return sorted(mistakes, key=lambda m: (str(m.file), m.line or 0))


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that ``word`` was probably meant to be, whatever its case."""
    folded = {known_word.casefold(): known_word for known_word in known}
    matches = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return folded[matches[0]] if matches else None


def key_path(loc: Loc) -> str:
    """A place in a file as it is shown: ``host[0].service[1].port``."""
    shown = ""
    for part in loc:
        if isinstance(part, int):
            shown += f"[{part}]"
        else:
            key = part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else shown_value(part)
            shown += f".{key}" if shown else key
    return shown


def shown_value(value: Any, limit: int = 60) -> str:
    """A value as TOML writes it, bounded, with everything that could disturb a terminal escaped."""
    match value:
        case str():
            text = json.dumps(value, ensure_ascii=False)
        case bool():
            text = "true" if value else "false"
        case datetime() | date() | time():
            text = value.isoformat()
        case list() | tuple():
            text = _("an array of {count}").format(count=len(value))
        case Mapping():
            text = _("a table")
        case _:
            text = str(value)
    text = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def shown_path(path: Path) -> str:
    """Relative to where the operator stands, where it lies below."""
    here = Path.cwd()
    text = str(path.relative_to(here) if path.is_absolute() and path.is_relative_to(here) else path)
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def not_one_of(value: Any, words: Sequence[str]) -> str:
    """The sentence for a word that is not among the few that are known."""
    known = ", ".join(f'"{word}"' for word in words)
    message = _("{value} is not known here; expected one of {known}").format(
        value=shown_value(value), known=known
    )
    guess = nearest(value, words) if isinstance(value, str) else None
    return message + _('; did you mean "{guess}"?').format(guess=guess) if guess else message
