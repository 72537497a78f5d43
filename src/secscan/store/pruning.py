"""Pruning: what old runs saw and nothing rests on any more is removed; what was judged, and the chain, stay whole.

Of each target and kind the newest records before the day of the cut stay, whatever run they are of, and so does each
content that ``Earlier`` can still reach: for any instant since the cut, evidence is the same as before. For an instant
before it there is none that could be relied on, so that nothing is judged again as of then; and when something had last been
looked at before an old judgement is known less exactly.

That a run was pruned is written down with a digest of what is left of it, and the next judgement's manifest vouches for
that: what goes missing in any other way is still noticed.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any, TypeAlias

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select

from secscan.language import _
from secscan.model import EARLIER_DAYS
from secscan.store import chain, tables
from secscan.store.database import Database
from secscan.store.earlier import MOST_CONTENTS
from secscan.store.errors import StoreError
from secscan.store.numbering import chunks
from secscan.store.recording import NO_ATTEMPT
from secscan.store.revisions import ensure_current
from secscan.store.runs import quarantined

#: Targets whose records are looked through in one go.
TARGETS_AT_ONCE = 500

#: The primary key of an observation.
Key: TypeAlias = tuple[int, int, datetime, int, int]


@dataclass(frozen=True, slots=True)
class Pruning:
    """What a pruning removes, or would: observations by run, all of them from ``before``."""

    before: datetime
    removed: dict[int, int]

    @property
    def observations(self) -> int:
        return sum(self.removed.values())


def cut(connection: Connection, *, days: int | None, runs: int | None, now: datetime) -> datetime | None:
    """From when on everything is kept: so many days before ``now``, or since the beginning of so many runs ago.

    None: there is nothing older. One of both is given, and is 1 at least.
    """
    r = tables.run
    oldest: datetime | None = connection.execute(select(func.min(r.c.started_at))).scalar()
    if days is not None:
        before = now - timedelta(days=days)
    else:
        newest = select(r.c.started_at).order_by(r.c.started_at.desc()).limit(1).offset((runs or 1) - 1)
        begun: datetime | None = connection.execute(newest).scalar()
        if begun is None:
            return None
        before = begun
    return before if oldest is not None and oldest < before else None


def plan(connection: Connection, before: datetime) -> Pruning:
    removed: dict[int, int] = defaultdict(int)
    for keys in _removable(connection, before):
        for key in keys:
            removed[key[3]] += 1
    return Pruning(before, dict(sorted(removed.items())))


def prune(path_or_url: str | Path, before: datetime, at: datetime) -> Pruning:
    """Removes it, in one transaction. Raises StoreError where another process is the writer."""
    # References are looked at afterwards, once: SQLite would read all observations for each content that goes.
    database = Database(path_or_url, is_migrating=True)
    try:
        ensure_current(database, create=False)
        with database.writing() as connection:
            done = _prune(connection, before, at)
            for orphan in _orphans(connection):
                raise StoreError(
                    _("the pruning of {database} was taken back: {problem}").format(
                        database=database.name, problem=orphan
                    )
                )
        return done
    finally:
        database.close()


def _prune(connection: Connection, before: datetime, at: datetime) -> Pruning:
    o = tables.observation
    names = ("target", "kind", "observed_at", "run", "collector")
    one = delete(o).where(*(o.c[name] == bindparam(f"_{name}") for name in names))
    removed: dict[int, int] = defaultdict(int)
    for keys in _removable(connection, before):
        if keys:
            connection.execute(one, [dict(zip((f"_{n}" for n in names), key, strict=True)) for key in keys])
        for key in keys:
            removed[key[3]] += 1
    _remove_unnamed(connection)
    judged = connection.execute(select(func.max(tables.judgement.c.id))).scalar() or 0
    rows = []
    for run in sorted(removed):
        kept, digest = chain.left_of(connection, run)
        row = {"at": at, "after": judged, "run": run, "before": before, "removed": removed[run]}
        rows.append({**row, "kept": kept, "digest": digest})
    if rows:
        connection.execute(insert(tables.pruning), rows)
    return Pruning(before, dict(sorted(removed.items())))


def _remove_unnamed(connection: Connection) -> None:
    """Contents and texts that nothing refers to any more."""
    o, f, p = tables.observation, tables.facts, tables.phrase
    connection.execute(delete(f).where(f.c.id.not_in(select(o.c.facts).where(o.c.facts.is_not(None)))))
    connection.execute(
        delete(p).where(
            p.c.id.not_in(select(o.c.detail).where(o.c.detail.is_not(None))),
            p.c.id.not_in(select(tables.finding.c.check)),
            p.c.id.not_in(select(tables.finding_state.c.template)),
        )
    )


def _orphans(connection: Connection) -> Iterator[str]:
    if connection.dialect.name == "sqlite":
        for table, _row, parent, _key in connection.exec_driver_sql("PRAGMA foreign_key_check"):
            yield _("a row of table {table!r} refers to a row of {parent!r} that is not there").format(
                table=table, parent=parent
            )


# --- What nothing rests on --------------------------------------------------------------------------------


def _removable(connection: Connection, before: datetime) -> Iterator[list[Key]]:
    o, r = tables.observation, tables.run
    old = {id for (id,) in connection.execute(select(r.c.id).where(r.c.started_at < before))}
    disbelieved = set(quarantined(connection))
    targets = [id for (id,) in connection.execute(select(tables.target.c.id).order_by(tables.target.c.id))]
    for some in chunks(targets, TARGETS_AT_ONCE):
        rows: Iterable[Row[Any]] = connection.execute(
            select(o.c.target, o.c.kind, o.c.observed_at, o.c.run, o.c.collector, o.c.facts, o.c.reason)
            .where(o.c.target.in_(some), o.c.observed_at < before)
            .order_by(o.c.target, o.c.kind, o.c.observed_at, o.c.run, o.c.collector)
        )
        keys: list[Key] = []
        for _place, of_one in groupby(rows, key=lambda row: (row.target, row.kind)):
            every = list(of_one)
            needed = _needed([row for row in every if row.run not in disbelieved], before)
            keys += [key for row in every if row.run in old and (key := _key(row)) not in needed]
        yield keys


def _needed(rows: Sequence[Row[Any]], before: datetime) -> set[Key]:
    """Of all records of one target and kind before the cut, in order of time, those that evidence can rest on."""
    attempts = [row for row in rows if row.reason is None or row.reason not in NO_ATTEMPT]
    seen = [row for row in rows if row.reason is None]
    needed = {*_newest(attempts), *_newest(seen)}
    runs = {key[3] for key in needed}
    reach = before - timedelta(days=EARLIER_DAYS)
    by_content: dict[int, list[Row[Any]]] = defaultdict(list)
    for row in reversed(seen):
        if row.observed_at >= reach:
            by_content[row.facts].append(row)
    # What the run of the newest record saw otherwise is no earlier look, but what was seen so before that is.
    several = len({row.facts for row in seen if row.run in runs}) > 1
    # The dictionary is in the order of the last time that each content was seen, the newest first. Some to spare: the
    # newest record's own content, and those of its run, are not counted among the earlier ones.
    for of_one in list(by_content.values())[: 2 * MOST_CONTENTS]:
        needed.add(_key(of_one[0]))
        if several:
            needed.update(_key(row) for row in of_one if row.run not in runs)
    return needed


def _newest(rows: Sequence[Row[Any]]) -> Collection[Key]:
    """All of the last instant: who goes first among them is for evidence to say."""
    return {_key(row) for row in rows if row.observed_at == rows[-1].observed_at}


def _key(row: Row[Any]) -> Key:
    return row.target, row.kind, row.observed_at, row.run, row.collector
