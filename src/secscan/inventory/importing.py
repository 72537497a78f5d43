"""A table that somebody has edited, brought back: edits of the files that leave all else as it was written."""

import shutil
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secscan.inventory.file import AgencyFile
from secscan.inventory.folder import agency_files, load_inventory
from secscan.inventory.moving import AgencyFiles, Edit, MoveError, split_lines
from secscan.inventory.table import (
    AGENCY_COLUMNS,
    COLUMNS,
    KEYS,
    cells_of,
    service_cell,
    service_table,
    services_of,
    table_rows,
    toml_value,
    value_of,
)
from secscan.language import _, in_use
from secscan.spreadsheet import Row, Table, read_table, unguarded
from secscan.toml_source import (
    ConfigurationError,
    Loc,
    Mistake,
    Source,
    in_order,
    parse,
    read_toml,
    shown_value,
)


@dataclass(frozen=True, slots=True)
class Import:
    """What a table changes. ``absent``: hosts of the inventory that it does not name, which stay as they are."""

    edits: tuple[Edit, ...]
    absent: tuple[str, ...]


def inventory_rows(folder: Path, agencies: Sequence[str] | None = None) -> Iterator[dict[str, str]]:
    """A row a host, by agency and as the files have them; of ``agencies`` alone where they are given.

    Raises ConfigurationError on files that have mistakes.
    """
    load_inventory(folder)
    for path in agency_files(folder):
        data = read_toml(path).data
        if agencies is None or data["agency"]["id"] in agencies:
            yield from table_rows(data["agency"], data.get("host", []), in_use())


def import_table(folder: Path, path: Path) -> Import:
    """What it takes for the inventory to say what the table says. Nothing is written, and no host is ever removed.

    A column that is not there changes nothing; an empty cell takes the key away. Raises ConfigurationError with
    every mistake by file, line and column, and MoveError where a file can't be edited without harm.
    """
    table = read_table(path, COLUMNS, ("agency", "id"))
    files = AgencyFiles(folder)
    hosts = {
        host["id"]: (agency, n, host)
        for agency, source in files.sources.items()
        for n, host in enumerate(source.data.get("host", ()))
    }
    mistakes: list[Mistake] = []
    wanted: dict[str, dict[str, Any]] = {}
    rows: list[tuple[Row, dict[str, Any]]] = []
    homes: dict[str, str] = {}
    agencies: dict[str, dict[str, str]] = {}
    for row in table.rows:
        cells = {name: unguarded(row.cells.get(name, "")) for name in ("id", *AGENCY_COLUMNS)}
        id, agency = cells["id"], cells["agency"]
        mistakes += _mistakes_of_agency(table, row, cells, files)
        if agency not in files.sources:
            agencies.setdefault(agency, cells)
        if not id:
            mistakes += _more_without_id(table, row)
            continue
        if id in wanted:
            message = _("the host {id} stands in an earlier row already")
            mistakes.append(Mistake(path, row.line, "id", message.format(id=shown_value(id))))
            continue
        home, _n, before = hosts.get(id, (agency, 0, {}))
        if home != agency:
            message = _(
                "the host is of the agency {home}; to move it: secscan inventory move {id} --to {agency}"
            )
            message = message.format(home=home, id=id, agency=agency or "AGENCY")
            mistakes.append(Mistake(path, row.line, "agency", message))
        wanted[id], wrong = _wanted(table, row, before)
        homes[id] = agency
        mistakes += wrong
        rows.append((row, wanted[id]))
    known = {id for id, _home in homes.items() if id in hosts}
    told = {mistake.line for mistake in mistakes}
    mistakes += [m for m in _unfit(path, rows) if m.line not in told]
    if mistakes:
        raise ConfigurationError(in_order(mistakes))
    edits = _Edits(files, hosts)
    for id, host in wanted.items():
        if id in known:
            edits.change(id, host)
        else:
            edits.add(homes[id], host)
    made = edits.made(folder, agencies)
    _require_said(folder, made, wanted, homes)
    return Import(made, tuple(id for id in hosts if id not in wanted))


def _mistakes_of_agency(
    table: Table, row: Row, cells: Mapping[str, str], files: AgencyFiles
) -> Iterator[Mistake]:
    agency = cells["agency"]
    if not agency:
        yield Mistake(table.path, row.line, "agency", _("is missing; it must be given"))
        return
    if agency not in files.sources:
        if not cells["agency_name"]:
            message = _("there is no agency {id}; give it a name in the column agency_name to add it")
            yield Mistake(table.path, row.line, "agency", message.format(id=shown_value(agency)))
        return
    of_it = files.sources[agency].data["agency"]
    now = {
        "agency_name": set(of_it["names"].values()),
        "tier": {of_it.get("tier", "")},
        "parent": {of_it.get("parent", "")},
    }
    for name, values in now.items():
        if cells[name] and cells[name] not in values:
            message = _(
                "agencies are not changed by a table, and {id} says {value}; edit its file, or see: secscan inventory move --help"
            )
            value = shown_value(next(iter(values)))
            yield Mistake(table.path, row.line, name, message.format(id=agency, value=value))


def _more_without_id(table: Table, row: Row) -> Iterator[Mistake]:
    """A row of an agency without hosts holds nothing else."""
    if any(cell for name, cell in row.cells.items() if name not in AGENCY_COLUMNS):
        yield Mistake(table.path, row.line, "id", _("is missing; it must be given"))


def _wanted(table: Table, row: Row, before: Mapping[str, Any]) -> tuple[dict[str, Any], list[Mistake]]:
    """The host as the row wants it: what has no column stays as it is."""
    after = dict(before)
    mistakes = []
    now = cells_of(before)
    for key, cell in row.cells.items():
        if key in AGENCY_COLUMNS or unguarded(cell) == now[key]:
            continue
        try:
            if key == "services":
                services = services_of(cell)
                if services:
                    after["service"] = services
                else:
                    after.pop("service", None)
            elif key == "backups":
                raise ValueError(_("backups can't be declared in a table; declare them in the agency's file"))
            elif (value := value_of(key, cell, before.get(key))) is None:
                after.pop(key, None)
            else:
                after[key] = value
        except ValueError as error:
            mistakes.append(Mistake(table.path, row.line, key, str(error)))
    return after, mistakes


class _RowSource(Source):
    """Hosts of a table as if they were a file's, so that every mistake is told by the row and the column."""

    lines: Sequence[int]

    def mistake(self, loc: Loc, message: str) -> Mistake:
        line = self.lines[loc[1]] if len(loc) > 1 and isinstance(loc[1], int) else None
        column = str(loc[2]) if len(loc) > 2 else ""
        return Mistake(self.path, line, "services" if column == "service" else column, message)


def _unfit(path: Path, rows: Sequence[tuple[Row, dict[str, Any]]]) -> list[Mistake]:
    """What the inventory would refuse."""
    data = {"agency": {"id": "table", "names": {"en": "Table"}}, "host": [host for _row, host in rows]}
    source = _RowSource(path, "", data)
    object.__setattr__(source, "lines", [row.line for row, _host in rows])
    try:
        parse(source, AgencyFile)
    except ConfigurationError as error:
        return list(error.mistakes)
    return []


class _Edits:
    """Lines to be put in the place of others, by agency."""

    def __init__(self, files: AgencyFiles, hosts: Mapping[str, tuple[str, int, dict[str, Any]]]) -> None:
        self._files, self._hosts = files, hosts
        self._places: dict[str, list[tuple[int, int, str]]] = {}
        self._added: dict[str, list[str]] = {}

    def change(self, id: str, after: Mapping[str, Any]) -> None:
        agency, n, before = self._hosts[id]
        source = self._files.sources[agency]
        places = self._places.setdefault(agency, [])
        for key in KEYS:
            if before.get(key) == after.get(key):
                continue
            if key not in before:
                at = source.line_of(("host", n, "id")) or 1
                places.append((at, at, f"{key} = {toml_value(after[key])}\n"))
                continue
            first, last = self._value(source, n, key)
            new = f"{key} = {toml_value(after[key])}{_comment(source, first, last)}\n" if key in after else ""
            places.append((first, last, new))
        if before.get("service", []) != after.get("service", []):
            places += self._services(agency, n, before.get("service", []), after.get("service", []))

    def add(self, agency: str, host: Mapping[str, Any]) -> None:
        lines = ["\n[[host]]\n"]
        lines += [f"{key} = {toml_value(host[key])}\n" for key in KEYS if key in host]
        lines += [f"\n{service_table(service)}" for service in host.get("service", ())]
        self._added.setdefault(agency, []).append("".join(lines))

    def made(self, folder: Path, agencies: Mapping[str, Mapping[str, str]]) -> tuple[Edit, ...]:
        made = []
        for agency, source in self._files.sources.items():
            lines = split_lines(source.text)
            for first, last, new in sorted(self._places.get(agency, ()), reverse=True):
                lines[first:last] = [new]
            text = "".join(lines)
            if agency in self._added:
                text += "" if text.endswith("\n") else "\n"
                text += "".join(self._added[agency])
            if text != source.text:
                made.append(Edit(source.path, source.text, text))
        for agency, cells in agencies.items():
            path = folder / f"{agency}.toml"
            if path.exists():
                message = _("{file} is there already, and is of another agency; give it another name")
                raise MoveError(message.format(file=path))
            made.append(Edit(path, "", _agency_text(cells) + "".join(self._added.get(agency, ()))))
        return tuple(made)

    def _value(self, source: Source, n: int, key: str) -> tuple[int, int]:
        """The lines of a key and its value: from the index of the first until behind the last."""
        first = (source.line_of(("host", n, key)) or 1) - 1
        lines = split_lines(source.text)
        for last in range(first + 1, len(lines) + 1):
            try:
                if key in tomllib.loads("".join(lines[first:last])):
                    return first, last
            except tomllib.TOMLDecodeError:
                continue
        raise MoveError(_by_hand(source.path, first + 1))

    def _services(
        self, agency: str, n: int, before: Sequence[Any], after: Sequence[Any]
    ) -> Iterator[tuple[int, int, str]]:
        """Tables of services that stay are left as they are; new ones come behind the host's last table."""
        source = self._files.sources[agency]
        end = self._files.end_of(agency, n)
        left = [service_cell(service) for service in after]
        for m, service in enumerate(before):
            if service_cell(service) in left:
                left.remove(service_cell(service))
                continue
            first = (source.line_of(("host", n, "service", m)) or 1) - 1
            yield self._files.comments_above(agency, first + 1), self._table_end(agency, first, end), ""
        new = [service for service in after if service_cell(service) in left]
        if new:
            text = split_lines(source.text)
            while end > 0 and not text[end - 1].strip():
                end -= 1
            broken = "" if text[end - 1].endswith("\n") else "\n"
            yield end, end, broken + "".join(f"\n{service_table(service)}" for service in new)

    def _table_end(self, agency: str, first: int, end: int) -> int:
        lines = split_lines(self._files.sources[agency].text)
        for at in range(first + 1, end):
            if lines[at].lstrip().startswith("["):
                return self._files.comments_above(agency, at + 1)
        return end


def _comment(source: Source, first: int, last: int) -> str:
    """The comment behind a value of one line. Raises MoveError where comments stand within a longer one."""
    lines = split_lines(source.text)[first:last]
    marks = [at for at, character in enumerate(lines[0]) if character == "#"]
    for at in marks if len(lines) == 1 else ():
        try:
            tomllib.loads(lines[0][:at])
        except tomllib.TOMLDecodeError:
            continue
        return "  " + lines[0][at:].rstrip("\r\n")
    if len(lines) > 1 and any("#" in line for line in lines):
        raise MoveError(_by_hand(source.path, first + 1))
    return ""


def _by_hand(path: Path, line: int) -> str:
    message = _("{file}:{line} can't be edited without harm to what is written there; edit it by hand")
    return message.format(file=path, line=line)


def _agency_text(cells: Mapping[str, str]) -> str:
    lines = ["[agency]", f"id = {toml_value(cells['agency'])}"]
    lines.append(f"names = {{ {in_use()} = {toml_value(cells['agency_name'])} }}")
    lines += [f"{key} = {toml_value(cells[key])}" for key in ("tier", "parent") if cells[key]]
    return "\n".join(lines) + "\n"


def _require_said(
    folder: Path, edits: Sequence[Edit], wanted: Mapping[str, dict[str, Any]], homes: Mapping[str, str]
) -> None:
    """Raises ConfigurationError where the whole would have a mistake, and MoveError where the files would not say what
    they should: they are written in a way that is not understood here."""
    with tempfile.TemporaryDirectory(prefix="secscan-") as scratch:
        copy = Path(scratch) / "inventory"
        shutil.copytree(folder, copy)
        for edit in edits:
            (copy / edit.path.relative_to(folder)).write_text(edit.after or "", encoding="utf-8", newline="")
        got = load_inventory(copy)
        now = load_inventory(folder)
        said = {
            host["id"]: (source.data["agency"]["id"], host)
            for source in map(read_toml, agency_files(copy))
            for host in source.data.get("host", ())
        }
    for id, host in wanted.items():
        agency, is_now = said.get(id, ("", {}))
        if agency != homes[id] or cells_of(is_now) != cells_of(host):
            raise MoveError(_("The host {id} can't be edited without harm; edit it by hand").format(id=id))
    for id, before in now.hosts.items():
        kept = got.hosts.get(id)
        if kept is None or kept.backups != before.backups or (id not in wanted and kept != before):
            raise MoveError(_("The host {id} can't be edited without harm; edit it by hand").format(id=id))
