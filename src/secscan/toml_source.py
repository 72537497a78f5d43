"""TOML as an operator wrote it: values with their lines, and every mistake in words that say what to do."""

import difflib
import json
import re
import tomllib
import types
import typing
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from secscan.language import _

M = TypeVar("M", bound=BaseModel)
Loc = tuple[str | int, ...]

#: An inventory of 10,000 hosts in one file is about 3 MiB; what is larger was not written for us.
MAX_BYTES = 4 * 1024 * 1024


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
        return _Scan(self.text).lines


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


def parse(source: Source, model: type[M]) -> M:
    """The file's values as ``model``. Raises ConfigurationError with every mistake, in the order of lines.

    ``model`` should refuse unknown keys (``extra="forbid"``): the nearest known one is then suggested.
    """
    try:
        return model.model_validate(source.data)
    except ValidationError as error:
        mistakes = [
            source.mistake(loc, message)
            for details in error.errors(include_url=False)
            for loc, message in _explained(details, model)
        ]
    raise ConfigurationError(in_order(dict.fromkeys(mistakes)))


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


# --- Reading ----------------------------------------------------------------------------------------------


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


# --- Words for what pydantic found ------------------------------------------------------------------------


def _expected(kind: str, context: Mapping[str, Any]) -> str:
    """What was expected, in an operator's words, by pydantic's type of error; empty for the rare ones."""
    match kind:
        case "string_type":
            return _("expected a text in quotes")
        case "string_too_short":
            return _("expected at least {min_length} characters").format_map(context)
        case "string_too_long":
            return _("expected at most {max_length} characters").format_map(context)
        case "string_pattern_mismatch":
            return _("expected a text of the form {pattern}").format_map(context)
        case "int_type" | "int_parsing" | "int_from_float":
            return _("expected a whole number")
        case "float_type" | "float_parsing" | "decimal_type" | "decimal_parsing":
            return _("expected a number")
        case "finite_number":
            return _("expected a finite number")
        case "bool_type" | "bool_parsing":
            return _("expected true or false")
        case "greater_than":
            return _("expected more than {gt}").format_map(context)
        case "greater_than_equal":
            return _("expected {ge} or more").format_map(context)
        case "less_than":
            return _("expected less than {lt}").format_map(context)
        case "less_than_equal":
            return _("expected {le} or less").format_map(context)
        case "date_type" | "date_parsing" | "date_from_datetime_parsing":
            return _("expected a date without quotes, such as 2026-01-31")
        case "date_from_datetime_inexact":
            return _("expected a date without a time, such as 2026-01-31")
        case "time_type" | "time_parsing":
            return _("expected a time without quotes, such as 22:00:00")
        case "datetime_type" | "datetime_parsing":
            return _("expected a date with a time, such as 2026-01-31T22:00:00Z")
        case "list_type" | "tuple_type" | "set_type" | "frozen_set_type":
            return _('expected an array, such as ["..."]')
        case "dict_type" | "mapping_type" | "model_type" | "model_attributes_type" | "dataclass_type":
            return _("expected a table")
        case "too_short":
            return _("expected at least {min_length} of them").format_map(context)
        case "too_long":
            return _("expected at most {max_length} of them").format_map(context)
    return ""


def _explained(details: ErrorDetails, model: type[BaseModel]) -> Iterator[tuple[Loc, str]]:
    """What pydantic found, as places in the file and sentences about them."""
    loc: Loc = tuple(part for part in details["loc"] if part != "[key]")
    context = details.get("ctx", {})
    value = details["input"]
    raised = context.get("error")
    match details["type"]:
        case "missing":
            yield loc, _("is missing; it must be given")
        case "extra_forbidden":
            yield loc, _unknown_key(loc, model)
        case "literal_error" | "enum":
            yield loc, not_one_of(value, re.findall(r"'([^']*)'", context["expected"]))
        case "value_error" if isinstance(raised, MisfitError):
            for below, message in raised.parts:
                yield loc + below, message
        case "value_error" | "assertion_error":
            yield loc, str(raised)
        case kind:
            expected = _expected(kind, context) or details["msg"][:1].lower() + details["msg"][1:]
            yield (
                loc,
                _("{value} does not fit here; {expected}").format(
                    value=shown_value(value), expected=expected
                ),
            )


def not_one_of(value: Any, words: Sequence[str]) -> str:
    """The sentence for a word that is not among the few that are known."""
    known = ", ".join(f'"{word}"' for word in words)
    message = _("{value} is not known here; expected one of {known}").format(
        value=shown_value(value), known=known
    )
    guess = nearest(value, words) if isinstance(value, str) else None
    return message + _('; did you mean "{guess}"?').format(guess=guess) if guess else message


def _unknown_key(loc: Loc, model: type[BaseModel]) -> str:
    key = str(loc[-1])
    known = _keys_at(loc[:-1], model)
    guess = nearest(key, known)
    if guess is not None:
        return _("unknown key; did you mean '{guess}'?").format(guess=guess)
    elsewhere = next((where for where in _homes_of(key, model) if where != _shape(loc[:-1])), None)
    if elsewhere == ():
        # TOML's own trap: what follows a [table] belongs to it, whatever was meant.
        return _(
            "unknown key in this table; '{key}' belongs at the top of the file, above every table"
        ).format(key=key)
    if elsewhere is not None:
        return _("unknown key here; '{key}' belongs in the table '{table}'").format(
            key=key, table=".".join(elsewhere)
        )
    return _("unknown key; the keys known here are {known}").format(known=", ".join(known) or _("none"))


def _keys_at(loc: Loc, model: type[BaseModel]) -> list[str]:
    """The keys that may stand in the table at ``loc``."""
    candidates: list[Any] = [model]
    for part in loc:
        candidates = [inner for c in candidates for inner in _step(c, part)]
    return [key for c in candidates for m in _models_in(c) for key in _fields_of(m)]


def _step(annotation: Any, part: str | int) -> Iterator[Any]:
    """What may stand under ``part`` of a value annotated so."""
    for model in _models_in(annotation):
        field = _fields_of(model).get(str(part))
        if field is not None:
            yield field.annotation
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        for option in typing.get_args(annotation):
            yield from () if _models_in(option) else _step(option, part)
    elif origin is typing.Annotated:
        yield from _step(typing.get_args(annotation)[0], part)
    elif isinstance(origin, type) and issubclass(origin, Mapping):
        yield typing.get_args(annotation)[1]
    elif isinstance(origin, type) and issubclass(origin, (list, tuple, Sequence)):
        yield typing.get_args(annotation)[0]


def _models_in(annotation: Any) -> tuple[type[BaseModel], ...]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return (annotation,)
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, typing.Annotated):
        return tuple(m for option in typing.get_args(annotation) for m in _models_in(option))
    return ()


def _fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _homes_of(key: str, model: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The tables, by their names, in which ``key`` may stand; the outermost first."""
    fields = _fields_of(model)
    if key in fields:
        yield above
    if len(above) < 4:  # A model may hold itself; no file of ours is nested deeper.
        for name, field in fields.items():
            for annotation in (field.annotation, *_step(field.annotation, 0)):
                for inner in _models_in(annotation):
                    yield from _homes_of(key, inner, (*above, name))


def _shape(loc: Loc) -> tuple[str, ...]:
    return tuple(part for part in loc if isinstance(part, str))


# --- Lines ------------------------------------------------------------------------------------------------

# tomllib keeps no positions, and tomlkit, which could, shows them in no public way and reads ten times slower.
# The text has been through tomllib, so this only has to tell where things are, never whether they are right.
# Possessive quantifiers keep long strings from filling the stack of the matcher.
_TOKEN = re.compile(
    r'''(?P<text>"""(?:[^"\\]++|\\.|"(?!""))*+"{3,5}'''
    r"""|\'\'\'(?:[^']++|'(?!''))*+'{3,5}"""
    r"""|"(?:[^"\\\n]++|\\.)*+"|'[^'\n]*+')"""
    r"""|(?P<space>[ \t\r]++|\#[^\n]*+)"""
    r"""|(?P<newline>\n)"""
    r"""|(?P<mark>[\[\]{}=,.])"""
    r"""|(?P<bare>[^\s\[\]{}=,.\#"']++)""",
    re.DOTALL,
)


class _Scan:
    """Walks a valid document once; ``lines`` maps the way to each key and array element to its line."""

    def __init__(self, text: str) -> None:
        self.lines: dict[Loc, int] = {}
        self._tokens = _tokens(text)
        self._kind, self._word, self._line = "newline", "\n", 1
        self._sizes: dict[Loc, int] = {}  # arrays of tables: how many tables were begun
        self._table: Loc = ()
        self._advance()
        while self._kind != "end":
            self._statement()

    def _advance(self) -> None:
        self._kind, self._word, self._line = next(self._tokens)

    def _statement(self) -> None:
        if self._kind == "newline":
            self._advance()
        elif self._word == "[" and self._kind == "mark":
            self._header()
        else:
            self._value(self._key(self._table, "="))

    def _header(self) -> None:
        """``[a.b]`` or ``[[a.b]]``: names before the last go through the newest table of an array."""
        line = self._line
        self._advance()
        # tomllib lets no space stand between the two brackets, so the next token tells the two apart.
        several = self._kind == "mark" and self._word == "["
        if several:
            self._advance()
        names = self._names("]")
        if several:
            self._advance()
        table: Loc = ()
        for name in names[:-1]:
            table = (*table, name)
            self.lines.setdefault(table, line)
            if table in self._sizes:
                table = (*table, self._sizes[table] - 1)
        table = (*table, names[-1])
        if several:
            self.lines.setdefault(table, line)
            index = self._sizes.get(table, 0)
            self._sizes[table] = index + 1
            table = (*table, index)
        self.lines[table] = line
        self._table = table

    def _key(self, table: Loc, end: str) -> Loc:
        line = self._line
        for name in self._names(end):
            table = (*table, name)
            self.lines.setdefault(table, line)
        return table

    def _names(self, end: str) -> list[str]:
        """The parts of a dotted key, up to and over the mark ``end``."""
        names = []
        while self._word != end or self._kind != "mark":
            if self._kind == "text":
                name = tomllib.loads(f"key = {self._word}")["key"]
                names.append(unicodedata.normalize("NFC", name))
            elif self._kind == "bare":
                names.append(self._word)
            self._advance()
        self._advance()
        return names

    def _value(self, loc: Loc) -> None:
        """Over one value. Its own stack, not Python's: a value may be nested as deeply as tomllib allows."""
        # One entry for each open bracket: the array's or inline table's place, and the next index (or None).
        open_: list[tuple[Loc, int | None]] = []
        at_element = False
        while True:
            if self._kind == "end" or (self._kind == "newline" and not open_):
                return
            if self._kind == "newline":
                self._advance()
                continue
            closing = self._kind == "mark" and self._word in "]}"
            if open_ and at_element and not closing:
                place, index = open_[-1]
                if index is None:
                    loc = self._key(place, "=")
                else:
                    loc = (*place, index)
                    self.lines[loc] = self._line
                    open_[-1] = place, index + 1
                at_element = False
            mark = self._word if self._kind == "mark" else ""
            self._advance()
            match mark:
                case "[":
                    open_.append((loc, 0))
                    at_element = True
                case "{":
                    open_.append((loc, None))
                    at_element = True
                case ",":
                    at_element = True
                case "]" | "}":
                    open_.pop()
                    at_element = False


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """Kind, text and line of each token but blanks and comments; then ``end`` for ever."""
    line = 1
    for match in _TOKEN.finditer(text):
        kind, token = match.lastgroup or "", match[0]
        if kind != "space":
            yield kind, token, line
        if kind in ("newline", "text"):
            line += token.count("\n")
    while True:
        yield "end", "", line
