"""Reading TOML: values in one normal form, and the line that each was written on."""

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from secscan.language import _
from secscan.toml_source.lines import lines_of
from secscan.toml_source.mistake import ConfigurationError, Loc, Mistake, key_path

#: An inventory of 10,000 hosts in one file is about 3 MiB; what is larger was not written for us.
MAX_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Source:
    """One file that was read: its text, its values (all strings in NFC), and where each key stands."""

    path: Path
    text: str
    data: dict[str, Any]

    def line_of(self, loc: Loc) -> int | None:
        """The line of a key, of an element of an array, or of the nearest table around it that has one.

        ``loc`` is the way from the root: table names, keys, and indices into arrays.
        """
        for end in range(len(loc), 0, -1):
            line = self._lines.get(loc[:end])
            if line is not None:
                return line
        return None

    def mistake(self, loc: Loc, message: str) -> Mistake:
        return Mistake(self.path, self.line_of(loc), key_path(loc), message)

    @cached_property
    def _lines(self) -> dict[Loc, int]:
        # Only a mistake needs lines, so a sound inventory of 700 files never pays for them.
        return lines_of(self.text)


def read_toml(path: Path) -> Source:
    """The file's values and text. Raises ConfigurationError: missing, too large, not UTF-8, or not TOML."""

    def refused(message: str, line: int | None = None) -> ConfigurationError:
        return ConfigurationError([Mistake(path, line, "", message)])

    try:
        if not path.is_file():
            # A named pipe would hang the read, and a device would never end it.
            raise refused(
                _("there is no such file") if not path.exists() else _("this is not a regular file")
            )
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise refused(_("cannot be read: {error}").format(error=error.strerror or error)) from error
    if len(content) > MAX_BYTES:
        raise refused(
            _("is larger than {limit} MiB; split it into several files").format(limit=MAX_BYTES >> 20)
        )
    try:
        # Notepad and its like begin UTF-8 files with a byte order mark, which TOML does not know.
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise refused(
            _("is not UTF-8 (byte 0x{byte:02x}); save the file as UTF-8").format(byte=content[error.start]),
            content.count(b"\n", 0, error.start) + 1,
        ) from error
    return read_text(text, path)


def read_text(text: str, path: Path) -> Source:
    """The Source of a text that stands for the file ``path``. Raises ConfigurationError where it is not TOML."""
    collisions: list[Loc] = []
    try:
        data: dict[str, Any] = _composed(tomllib.loads(text), (), collisions)
    except RecursionError as error:
        message = _("arrays or inline tables are nested too deeply")
        raise ConfigurationError([Mistake(path, None, "", message)]) from error
    except ValueError as error:
        # Not only TOMLDecodeError: an integer of thousands of digits raises a plain ValueError.
        line, message = _syntax(str(error), text)
        raise ConfigurationError([Mistake(path, line, "", message)]) from error
    source = Source(path, text, data)
    if collisions:
        message = _("this key is written twice, with its accents encoded in two ways")
        raise ConfigurationError([source.mistake(loc, message) for loc in collisions])
    return source


def _composed(value: Any, loc: Loc, collisions: list[Loc]) -> Any:
    """The value with all strings in NFC: the same name typed on two systems must be the same name."""
    match value:
        case str():
            return unicodedata.normalize("NFC", value)
        case list():
            return [_composed(item, (*loc, i), collisions) for i, item in enumerate(value)]
        case dict():
            composed: dict[str, Any] = {}
            for key, item in value.items():
                name = unicodedata.normalize("NFC", key)
                if name in composed:
                    collisions.append((*loc, name))
                composed[name] = _composed(item, (*loc, name), collisions)
            return composed
    return value


_SYNTAX_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def _syntax_hint(words: str) -> str:
    """What to do about the slips operators make most, by tomllib's words for them."""
    if words.startswith("Cannot overwrite"):
        return _("this key stands here twice; keep one")
    if words.startswith(("Cannot declare", "Cannot mutate", "Cannot redefine")):
        return _("this table stands here twice; keep one, or write [[...]] for one of several")
    return {
        "Invalid value": _("is the text in quotes?"),
        "Expected '=' after a key in a key/value pair": _("write key = value"),
        "Expected newline or end of document after a statement": _("write one key a line"),
        "Unclosed array": _("a closing ']' or a comma is missing"),
        "Unterminated string": _("a closing quote is missing"),
    }.get(words, "")


def _syntax(error: str, text: str) -> tuple[int | None, str]:
    place = _SYNTAX_PLACE.search(error)
    words = error[: place.start()] if place else error
    hint = _syntax_hint(words)
    shown = f"{words}; {hint}" if hint else words
    # Illegal characters are quoted by tomllib with repr(), which escapes what is not printable.
    if place is None:
        return None, _("is not TOML: {error}").format(error=shown)
    if place[1] is None:
        return text.count("\n") + 1, _("is not TOML: {error} (at the end of the file)").format(error=shown)
    return int(place[1]), _("is not TOML: {error} (column {column})").format(error=shown, column=place[2])
