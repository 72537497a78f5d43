"""Letters to the owners of agencies, and what each told of. Rows are only ever added."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, insert, select

from secscan.history.letters import Told
from secscan.language import _
from secscan.store import tables
from secscan.store.errors import StoreError
from secscan.store.numbering import chunks, insert_all

#: Hosts or findings that are asked for in one go.
AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Letter:
    """The ``number``-th letter to an agency, from 1; ``run``: whose newest judgement it tells of."""

    agency: str
    number: int
    at: datetime
    run: int


def letters_to(connection: Connection, agency: str) -> tuple[Letter, ...]:
    """The oldest first."""
    t = tables.letter
    rows = connection.execute(select(t).where(t.c.agency == agency).order_by(t.c.number))
    return tuple(Letter(row.agency, row.number, row.at, row.run) for row in rows)


def told_of(connection: Connection, hosts: Sequence[str]) -> set[Told]:
    """What letters told of findings on these hosts, whoever owned them then."""
    t, f, h = tables.told, tables.finding, tables.host
    told: set[Told] = set()
    for some in chunks(sorted(hosts), AT_ONCE):
        rows = (
            select(f.c.name, t.c.opened_at, t.c.step)
            .join_from(t, f, t.c.finding == f.c.id)
            .join(h, f.c.host == h.c.id)
            .where(h.c.name.in_(some))
        )
        told |= {Told(*row) for row in connection.execute(rows)}
    return told


def add_letter(connection: Connection, letter: Letter, told: Collection[Told], hosts: Sequence[str]) -> None:
    """Raises StoreError where another letter has the number, as when two processes write at once."""
    t = tables.letter
    newest = connection.execute(select(func.max(t.c.number)).where(t.c.agency == letter.agency)).scalar() or 0
    if newest + 1 != letter.number:
        raise StoreError(
            _("another letter to {agency} was written meanwhile; write this one again").format(
                agency=letter.agency
            )
        )
    row = {"agency": letter.agency, "number": letter.number, "at": letter.at, "run": letter.run}
    inserted = connection.execute(insert(t).values(row)).inserted_primary_key
    assert inserted is not None  # noqa: S101 - for mypy: the table has a primary key
    ids = _ids(connection, {one.finding for one in told}, hosts)
    rows = [
        {"finding": ids[one.finding], "opened_at": one.opened_at, "step": one.step, "letter": inserted[0]}
        for one in sorted(told)
    ]
    insert_all(connection, tables.told, rows)


def _ids(connection: Connection, names: Collection[str], hosts: Sequence[str]) -> dict[str, int]:
    f, h = tables.finding, tables.host
    ids: dict[str, int] = {}
    among = set(hosts)
    for some in chunks(sorted(names), AT_ONCE):
        rows = select(f.c.name, f.c.id, h.c.name.label("on")).join_from(f, h, f.c.host == h.c.id)
        for name, id, on in connection.execute(rows.where(f.c.name.in_(some))):
            if on in among:
                ids[name] = id
    return ids
