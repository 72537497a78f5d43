"""The folder of the inventory: every file of it, and what only all of them together can have wrong."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from secscan.inventory.document import assemble
from secscan.inventory.file import AgencyFile, agency_of, hosts_of
from secscan.language import _
from secscan.model import Inventory
from secscan.toml_source import (
    ConfigurationError,
    Loc,
    Mistake,
    Source,
    in_order,
    nearest,
    parse,
    read_toml,
    shown_path,
    shown_value,
)

#: One look at a host can ask for backups in so many places.
MOST_BACKUP_PATHS = 200


def load_inventory(folder: Path) -> Inventory:
    """Every agency and host of the ``*.toml`` files in ``folder`` and below it; one file for each agency.

    Raises ConfigurationError with every mistake of every file.
    """
    files = agency_files(folder)
    if not files:
        message = _("there is no inventory here: write one file for each agency, such as {example}")
        message = message.format(example=shown_path(folder / "example.toml"))
        raise ConfigurationError([Mistake(folder, None, "", message)])
    mistakes: list[Mistake] = []
    sources: list[Source] = []
    parsed: list[AgencyFile] = []
    for path in files:
        try:
            sources.append(read_toml(path))
            parsed.append(parse(sources[-1], AgencyFile))
        except ConfigurationError as error:
            mistakes += error.mistakes
    # What concerns several files is looked for in those with mistakes too, as far as they can be read.
    mistakes += _twice(sources)
    mistakes += _parents(sources, complete=len(sources) == len(files))
    if len(sources) == len(files):
        mistakes += _keepers(sources)
    mistakes += _crowded(sources)
    if mistakes:
        raise ConfigurationError(in_order(mistakes))
    return assemble((agency_of(file), hosts_of(file)) for file in parsed)


def agency_files(folder: Path) -> list[Path]:
    """The files that make up the inventory, in the order they are read; hidden ones are left out.

    What can't be read, such as a link to a file that is gone, is among them: an agency must not vanish in silence.
    """
    below = folder.rglob("*.toml")
    return sorted(p for p in below if not any(part.startswith(".") for part in p.relative_to(folder).parts))


def _twice(sources: Sequence[Source]) -> Iterator[Mistake]:
    """Agencies and hosts whose id stands somewhere before."""
    for of_one_kind in (_agency_ids, _host_ids):
        first: dict[str, tuple[Source, Loc]] = {}
        for source in sources:
            for loc, id in of_one_kind(source):
                if id not in first:
                    first[id] = source, loc
                    continue
                before, place = first[id]
                yield source.mistake(
                    loc,
                    _(
                        "the id {id} stands in {file}, line {line} already; an id is unique in the whole inventory"
                    ).format(id=shown_value(id), file=shown_path(before.path), line=before.line_of(place)),
                )


def _parents(sources: Sequence[Source], *, complete: bool) -> Iterator[Mistake]:
    """Parents that don't exist (told only where every file could be read), and agencies above themselves."""
    where = {id: source for source in sources for _loc, id in _agency_ids(source)}
    parents = {
        id: parent
        for id, source in where.items()
        if isinstance(parent := source.data["agency"].get("parent"), str)
    }
    for id, parent in parents.items():
        if parent not in where and complete:
            guess = nearest(parent, where)
            message = _("there is no agency {id}").format(id=shown_value(parent))
            hint = (
                _('did you mean "{guess}"?').format(guess=guess)
                if guess
                else _("write its file, or leave it out")
            )
            yield where[id].mistake(("agency", "parent"), f"{message}; {hint}")
    told: set[str] = set()
    for id in parents:
        above = [id]
        while (parent := parents.get(above[-1], "")) and parent not in above:
            above.append(parent)
        if parent == id and id not in told:
            told.update(above)
            message = _("the parents go in a circle: {circle}").format(circle=" -> ".join([*above, id]))
            yield where[id].mistake(("agency", "parent"), message)


def _keepers(sources: Sequence[Source]) -> Iterator[Mistake]:
    """Hosts that backups are said to be on, and that are in no file."""
    known = {id for source in sources for _loc, id in _host_ids(source)}
    for source in sources:
        for loc, on in _keeper_ids(source):
            if on not in known:
                guess = nearest(on, known)
                message = _("there is no host {id}").format(id=shown_value(on))
                hint = _('did you mean "{guess}"?').format(guess=guess) if guess else ""
                yield source.mistake(loc, f"{message}; {hint}" if hint else message)


def _crowded(sources: Sequence[Source]) -> Iterator[Mistake]:
    """Hosts that are said to hold backups in more places than one look can ask for."""
    patterns: dict[str, set[str]] = {}
    for source in sources:
        hosts = source.data.get("host")
        for i, host in enumerate(hosts if isinstance(hosts, list) else ()):
            backups = host.get("backup") if isinstance(host, dict) else None
            for j, backup in enumerate(backups if isinstance(backups, list) else ()):
                path = backup.get("path") if isinstance(backup, dict) else None
                on = (backup.get("on") or host.get("id")) if path else None
                if not isinstance(path, str) or not isinstance(on, str):
                    continue
                there = patterns.setdefault(on, set())
                if path not in there and len(there) == MOST_BACKUP_PATHS:
                    message = _(
                        "more than {most} paths of backups are declared on {host}; let one pattern, such as "
                        "/backup/*/latest, stand for many"
                    )
                    place = ("host", i, "backup", j, "path")
                    yield source.mistake(place, message.format(most=MOST_BACKUP_PATHS, host=shown_value(on)))
                there.add(path)


def _keeper_ids(source: Source) -> Iterator[tuple[Loc, str]]:
    hosts = source.data.get("host")
    for i, host in enumerate(hosts if isinstance(hosts, list) else ()):
        backups = host.get("backup") if isinstance(host, dict) else None
        for j, backup in enumerate(backups if isinstance(backups, list) else ()):
            if isinstance(backup, dict) and isinstance(on := backup.get("on"), str) and on:
                yield ("host", i, "backup", j, "on"), on


def _agency_ids(source: Source) -> Iterator[tuple[Loc, str]]:
    agency = source.data.get("agency")
    if isinstance(agency, dict) and isinstance(id := agency.get("id"), str):
        yield ("agency", "id"), id


def _host_ids(source: Source) -> Iterator[tuple[Loc, str]]:
    hosts = source.data.get("host")
    for i, host in enumerate(hosts if isinstance(hosts, list) else ()):
        if isinstance(host, dict) and isinstance(id := host.get("id"), str):
            yield ("host", i, "id"), id
