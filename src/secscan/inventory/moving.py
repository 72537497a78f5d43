"""Renaming, moving and merging agencies, and moving hosts: edits of the files that leave all else as it was written.

Ids carry the history, so that none is ever changed here: a host takes its findings along, and an agency keeps its
scores. What was judged before keeps the inventory it was judged with.
"""

import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from secscan.inventory.folder import agency_files, load_inventory
from secscan.language import _
from secscan.model import Inventory, Membership
from secscan.toml_source import ConfigurationError, Source, nearest, read_toml, shown_path
from secscan.toml_source.lines import lines_of

_TEXT = r"""(?:"(?:[^"\\]|\\.)*"|'[^']*')"""


class MoveError(Exception):
    """What was asked for can't be done; nothing has been changed."""


@dataclass(frozen=True, slots=True)
class Edit:
    """What becomes of one file; ``after`` is None where it goes."""

    path: Path
    before: str
    after: str | None


def move_host(folder: Path, host: str, to: str, since: date) -> tuple[Edit, ...]:
    """The host belongs to the agency ``to`` from ``since`` on. Raises MoveError, and ConfigurationError on files
    that have mistakes already."""
    files = AgencyFiles(folder)
    now = files.inventory
    if host not in now.hosts:
        raise MoveError(_unknown(_("There is no host {id!r} in the inventory."), host, now.hosts))
    (home,) = {m.agency for m in now.memberships if m.host == host}
    _require_agency(now, to)
    if home == to:
        raise MoveError(_("The host {id} is of {agency} already.").format(id=host, agency=to))
    files.carry([host], home, to, since)
    return files.edits(replace(now, memberships=_rehomed(now, {host}, to, since)))


def move_agency(folder: Path, agency: str, parent: str | None) -> tuple[Edit, ...]:
    """The agency is part of ``parent`` (None: of none). Raises MoveError and ConfigurationError."""
    files = AgencyFiles(folder)
    now = files.inventory
    _require_agency(now, agency)
    if parent is not None:
        _require_agency(now, parent)
    files.set_parent(agency, parent)
    moved = replace(now.agencies[agency], parent=parent)
    return files.edits(replace(now, agencies={**now.agencies, agency: moved}))


def rename_agency(folder: Path, agency: str, names: Mapping[str, str]) -> tuple[Edit, ...]:
    """The agency is called so, by language; its id stays, and so does every name in another language."""
    files = AgencyFiles(folder)
    now = files.inventory
    _require_agency(now, agency)
    for language, name in names.items():
        files.set_name(agency, language, name)
    called = dict(sorted({**now.agencies[agency].names, **names}.items()))
    return files.edits(
        replace(now, agencies={**now.agencies, agency: replace(now.agencies[agency], names=called)})
    )


def merge_agencies(folder: Path, agency: str, into: str, since: date) -> tuple[Edit, ...]:
    """The agency is dissolved: its hosts are those of ``into`` from ``since`` on, so are the agencies below it, and
    its file goes."""
    files = AgencyFiles(folder)
    now = files.inventory
    for id in (agency, into):
        _require_agency(now, id)
    if agency == into:
        raise MoveError(_("{agency} can't be merged into itself.").format(agency=agency))
    hosts = [
        host for host in now.hosts if any(m.host == host and m.agency == agency for m in now.memberships)
    ]
    files.carry(hosts, agency, into, since)
    agencies = {id: one for id, one in now.agencies.items() if id != agency}
    for id, one in agencies.items():
        if one.parent == agency:
            # One that takes in what it was part of moves up to where that was.
            parent = now.agencies[agency].parent if id == into else into
            files.set_parent(id, parent)
            agencies[id] = replace(one, parent=parent)
    files.remove(agency)
    return files.edits(Inventory(agencies, now.hosts, _rehomed(now, set(hosts), into, since)))


def write_edits(edits: tuple[Edit, ...]) -> None:
    """Writes the files; each is replaced whole, and none is removed before all others are written."""
    for edit in sorted(edits, key=lambda edit: edit.after is None):
        if edit.after is None:
            edit.path.unlink()
            continue
        beside = edit.path.with_name(f".{edit.path.name}.new")
        beside.write_text(edit.after, encoding="utf-8", newline="")
        if edit.path.exists():
            shutil.copymode(edit.path, beside)
        beside.replace(edit.path)


class AgencyFiles:
    """The files while they are edited, line by line."""

    def __init__(self, folder: Path) -> None:
        self.inventory = load_inventory(folder)
        self._folder = folder
        self.sources: dict[str, Source] = {}
        for path in agency_files(folder):
            source = read_toml(path)
            self.sources[source.data["agency"]["id"]] = source
        #: By agency; only of those that are edited.
        self._lines: dict[str, list[str] | None] = {}

    def carry(self, hosts: list[str], home: str, to: str, since: date) -> None:
        """Takes the tables of these hosts, with what is written above them, from one file to the end of another."""
        source = self.sources[home]
        begin = [source.line_of(("host", i)) or 0 for i in range(len(source.data.get("host", ())))]
        blocks: list[tuple[int, int]] = []
        for i, host in enumerate(source.data.get("host", ())):
            if host["id"] in hosts:
                blocks.append((self.comments_above(home, begin[i]), self.end_of(home, i)))
        taken: list[str] = []
        lines = self._of(home)
        for first, last in blocks:
            block = _dated(lines[first:last], since)
            while block and not block[-1].strip():
                block.pop()
            taken += ["\n", *block]
            if not block[-1].endswith("\n"):
                taken[-1] += "\n"
        for first, last in reversed(blocks):
            del lines[first:last]
        target = self._of(to)
        if target and not target[-1].endswith("\n"):
            target[-1] += "\n"
        target += taken

    def set_parent(self, agency: str, parent: str | None) -> None:
        lines, source = self._of(agency), self.sources[agency]
        if "parent" in source.data["agency"]:
            at = (source.line_of(("agency", "parent")) or 1) - 1
            if parent is None:
                del lines[at]
            else:
                lines[at] = re.sub(
                    rf"(\bparent\s*=\s*){_TEXT}", lambda m: m[1] + quoted(parent), lines[at], count=1
                )
        elif parent is not None:
            at = source.line_of(("agency", "id")) or 1
            lines.insert(at, f"parent = {quoted(parent)}\n")

    def set_name(self, agency: str, language: str, name: str) -> None:
        lines, source = self._of(agency), self.sources[agency]
        known = language in source.data["agency"]["names"]
        # The name of the first language when there is none of this one: its neighbour's line is where it goes.
        near = language if known else next(iter(source.data["agency"]["names"]))
        at = (source.line_of(("agency", "names", near)) or 1) - 1
        pattern = rf"(?P<key>(?<![\w-]){re.escape(near)}\s*=\s*)(?P<text>{_TEXT})"
        said = f"{language} = {quoted(name)}"
        inline = re.match(r"\s*(?:agency\.)?names\s*=\s*\{", lines[at]) is not None
        if known:
            lines[at] = re.sub(pattern, lambda m: m["key"] + quoted(name), lines[at], count=1)
        elif inline:
            lines[at] = re.sub(pattern, lambda m: f"{m['key']}{m['text']}, {said}", lines[at], count=1)
        else:
            opening = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
            dotted = "names." if lines[at].lstrip().startswith("names.") else ""
            lines.insert(at + 1, f"{opening}{dotted}{said}\n")

    def remove(self, agency: str) -> None:
        self._lines[agency] = None

    def edits(self, expected: Inventory) -> tuple[Edit, ...]:
        """What was edited. Raises MoveError where the files would not say what they should: they are written in a
        way that is not understood here."""
        made = []
        for agency, lines in self._lines.items():
            source = self.sources[agency]
            after = None if lines is None else "".join(lines)
            if after != source.text:
                made.append(Edit(source.path, source.text, after))
        with tempfile.TemporaryDirectory(prefix="secscan-") as scratch:
            copy = Path(scratch) / "inventory"
            shutil.copytree(self._folder, copy)
            for edit in made:
                path = copy / edit.path.relative_to(self._folder)
                if edit.after is None:
                    path.unlink()
                else:
                    path.write_text(edit.after, encoding="utf-8", newline="")
            try:
                got = load_inventory(copy)
            except ConfigurationError as error:
                raise MoveError(self._by_hand(made, str(error))) from error
        if got != _in_order(expected):
            raise MoveError(self._by_hand(made, ""))
        return tuple(made)

    def _by_hand(self, made: list[Edit], why: str) -> str:
        files = ", ".join(shown_path(edit.path) for edit in made)
        message = _("{files} can't be edited without harm; edit them by hand, then: secscan inventory check")
        return message.format(files=files or shown_path(self._folder)) + (f"\n{why}" if why else "")

    def _of(self, agency: str) -> list[str]:
        lines = self._lines.setdefault(agency, split_lines(self.sources[agency].text))
        return lines if lines is not None else []

    def comments_above(self, agency: str, line: int) -> int:
        """The index of the first of the comment lines right above a line, which speak of what follows."""
        lines, first = split_lines(self.sources[agency].text), line - 1
        while first > 0 and lines[first - 1].lstrip().startswith("#"):
            first -= 1
        return first

    def end_of(self, agency: str, host: int) -> int:
        """The index after the last line of a host's tables."""
        text = split_lines(self.sources[agency].text)
        begin = self.sources[agency].line_of(("host", host)) or 1
        for at in range(begin, len(text)):
            if re.match(r"\s*\[(?!\[?\s*host\s*\.)", text[at]) and self._is_header(agency, at + 1):
                return self.comments_above(agency, at + 1)
        return len(text)

    def _is_header(self, agency: str, line: int) -> bool:
        """Whether something begins in this line that has a name; a long text may hold a bracket as well."""
        return line in set(lines_of(self.sources[agency].text).values())


def split_lines(text: str) -> list[str]:
    """Lines with their ends, as TOML counts them: splitlines() knows more ends than there are."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _dated(block: list[str], since: date) -> list[str]:
    """A host's tables with its first day; what stood there for the former agency goes."""
    for at, line in enumerate(block):
        if re.match(r"\s*since\s*=", line):
            return [
                *block[:at],
                re.sub(r"(since\s*=\s*)[0-9-]+", rf"\g<1>{since.isoformat()}", line, count=1),
                *block[at + 1 :],
            ]
    header = next((at for at, line in enumerate(block) if line.lstrip().startswith("[[")), 0)
    return [*block[: header + 1], f"since = {since.isoformat()}\n", *block[header + 1 :]]


def _rehomed(now: Inventory, hosts: set[str], to: str, since: date) -> tuple[Membership, ...]:
    return tuple(replace(m, agency=to, since=since) if m.host in hosts else m for m in now.memberships)


def _in_order(inventory: Inventory) -> Inventory:
    ordered = sorted(inventory.memberships, key=lambda m: (m.host, m.since or date.min, m.agency))
    return replace(inventory, memberships=tuple(ordered))


def _require_agency(inventory: Inventory, id: str) -> None:
    if id not in inventory.agencies:
        raise MoveError(_unknown(_("There is no agency {id!r} in the inventory."), id, inventory.agencies))


def _unknown(message: str, id: str, known: Mapping[str, object]) -> str:
    near = nearest(id, known)
    return message.format(id=id) + (_(" Did you mean {near!r}?").format(near=near) if near else "")


def quoted(text: str) -> str:
    """A basic string (TOML 1.0.0, "String"); JSON's escapes are among those it knows."""
    return json.dumps(text, ensure_ascii=False)
