"""Where everything in a TOML document stands."""

import re
import tomllib
import unicodedata
from collections.abc import Iterator

from secscan.toml_source.mistake import Loc

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


def lines_of(text: str) -> dict[Loc, int]:
    """The line, from 1, of every table, key and array element of a document that ``tomllib`` has accepted."""
    return _Scan(text).lines


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
