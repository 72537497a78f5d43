"""Tables as spreadsheets write and read them: CSV in their encodings, and cells that they would take for something else."""

import csv
import io
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from secscan.language import _
from secscan.toml_source import ConfigurationError, Mistake, nearest, shown_value

#: 10,000 hosts take some 3 MiB; what is larger was not written for us.
MAX_BYTES = 32 * 1024 * 1024

#: Before all, so that a spreadsheet reads UTF-8.
BYTE_ORDER_MARK = "\ufeff"

#: How spreadsheets know a formula (OWASP, "CSV Injection"), with the full-width forms that some of them fold.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")

# What a spreadsheet takes for a number, a date, a time or a truth value, and writes back as something else: "22,443"
# becomes 22443, "3-4" a day of April, "1e5" 1.00E+05, and "mar-1" a day of March. An IPv4 address is text to all of
# them, but where points group thousands (as in Vietnamese) and each number after the first has three digits.
_NUMBER = re.compile(r"[\d\s.,:/%+-]*\d[\d\s.,:/%+-]*(?:e[+-]?\d+)?", re.IGNORECASE)
_ADDRESS = re.compile(r"(?!\d{1,3}(?:\.\d{3})+$)\d{1,3}(?:\.\d{1,3}){3}")
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_DAY = re.compile(rf"{_MONTH}[ ./-]?\d+|\d+[ ./-]?{_MONTH}([ ./-]?\d+)?", re.IGNORECASE)
_TRUTH = re.compile(r"true|false", re.IGNORECASE)

# What a spreadsheet leaves of a cell that it has spoilt.
_SPOILT = re.compile(r"\d([.,]\d+)?E\+\d+|#{3,}|#(NAME\?|REF!|VALUE!|DIV/0!|N/A|NUM!|NULL!)")


@dataclass(frozen=True, slots=True)
class Row:
    """Cells by column, in NFC and without what stands around them; ``line`` is where the row begins, from 1."""

    line: int
    cells: dict[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def plain_lines(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> Iterator[str]:
    """A table, a row at a time: UTF-8 with a byte-order mark once written, lines ended as RFC 4180 asks.

    Cells are written as they are: whoever gives them has guarded them. To be written with ``newline=""``.
    """
    line = io.StringIO()
    writer = csv.writer(line)
    writer.writerow(columns)
    yield BYTE_ORDER_MARK + line.getvalue()
    for row in rows:
        line.seek(0)
        line.truncate()
        writer.writerow([row[column] for column in columns])
        yield line.getvalue()


def guarded(text: str) -> str:
    """The text led by an apostrophe where a spreadsheet would see a formula, a number or a date."""
    plain = text.strip()
    typed = _NUMBER.fullmatch(plain) or _DAY.fullmatch(plain) or _TRUTH.fullmatch(plain)
    if plain.startswith((*FORMULA, "'")) or (typed and not _ADDRESS.fullmatch(plain)):
        return f"'{text}"
    return text


def unguarded(cell: str) -> str:
    """What ``guarded`` was given; an apostrophe that it did not write stays."""
    rest = cell[1:]
    return rest if cell.startswith("'") and guarded(rest) == cell else cell


def is_spoilt(cell: str) -> bool:
    """Whether a spreadsheet has put a number or an error in the place of what stood here."""
    return _SPOILT.fullmatch(cell.strip()) is not None


def read_table(path: Path, columns: Collection[str], required: Collection[str]) -> Table:
    """A CSV file that any spreadsheet wrote: its encoding, delimiter and line ends are found out.

    Raises ConfigurationError with every mistake: a column that is not of ``columns``, is there twice, or is
    ``required`` and missing; a cell beyond the last column; what is no CSV, no text, or too large.
    """
    text, offset = _without_separator(_text(path))
    delimiter = text[0] if offset else _delimiter(text, columns)
    body = text[1:] if offset else text
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=delimiter, strict=True)
    lines: list[tuple[int, list[str]]] = []
    begin = 1
    try:
        for cells in reader:
            lines.append((begin + offset, [unicodedata.normalize("NFC", cell).strip() for cell in cells]))
            begin = reader.line_num + 1
    except csv.Error as error:
        message = _("is not CSV: {error}").format(error=error)
        raise ConfigurationError([Mistake(path, begin + offset, "", message)]) from error
    filled = [(line, cells) for line, cells in lines if any(cells)]
    if not filled:
        raise ConfigurationError([Mistake(path, None, "", _("holds no table"))])
    (first, header), *rest = filled
    mistakes = list(_mistakes_in_header(path, first, header, columns, required))
    rows = []
    for line, cells in rest:
        spare = [cell for n, cell in enumerate(cells) if cell and (n >= len(header) or not header[n])]
        if spare:
            message = _("{value} stands in a column without a name").format(value=shown_value(spare[0]))
            mistakes.append(Mistake(path, line, "", message))
        # Spreadsheets leave out empty cells at the end of a row.
        padded = cells + [""] * (len(header) - len(cells))
        rows.append(Row(line, {name: cell for name, cell in zip(header, padded, strict=False) if name}))
    if mistakes:
        raise ConfigurationError(mistakes)
    return Table(path, tuple(name for name in header if name), tuple(rows))


def _text(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        message = _("is larger than {limit} MiB; split it into several files").format(limit=MAX_BYTES >> 20)
        raise ConfigurationError([Mistake(path, None, "", message)])
    encoding = "utf-8-sig"
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif b"\0" in content[:4]:
        encoding = "utf-16-be" if content.startswith(b"\0") else "utf-16-le"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = _('is neither UTF-8 nor UTF-16; save it as "CSV UTF-8"')
        raise ConfigurationError([Mistake(path, line, "", message)]) from error


def _without_separator(text: str) -> tuple[str, int]:
    """The text behind Excel's line ``sep=;``, with the separator before it, and the lines that were taken off."""
    found = re.match(r'"?sep=([,;\t|])"?[,;\t]*\r?\n', text, re.IGNORECASE)
    return (found[1] + text[found.end() :], 1) if found else (text, 0)


def _delimiter(text: str, columns: Collection[str]) -> str:
    """The one by which most of the first line are columns: a list's commas in a cell must not count."""
    header = next((line for line in text.splitlines() if line.strip(",;\t ")), "")
    known = {name.casefold() for name in columns}

    def named(delimiter: str) -> int:
        return sum(cell.strip(' "').casefold() in known for cell in header.split(delimiter))

    return max(",;\t|", key=named)


def _mistakes_in_header(
    path: Path, line: int, header: list[str], columns: Collection[str], required: Collection[str]
) -> list[Mistake]:
    mistakes = []
    for n, name in enumerate(header):
        header[n] = name = unguarded(name).casefold()
        if name and name not in columns:
            guess = nearest(name, columns)
            message = _("there is no such column")
            message += _('; did you mean "{guess}"?').format(guess=guess) if guess else ""
            mistakes.append(Mistake(path, line, shown_value(name), message))
        elif name and name in header[:n]:
            mistakes.append(Mistake(path, line, name, _("this column is there twice")))
    for name in required:
        if name not in header:
            mistakes.append(Mistake(path, line, name, _("this column is missing")))
    return mistakes
