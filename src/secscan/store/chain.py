"""The chain of manifests: what every judgement rested on and said, hashed, each on top of the one before.

A manifest is canonical JSON: versions, dates and digests, and for each table that a judgement writes to, or rests on,
how many rows are the judgement's own and the SHA-256 over them. Its hash is the SHA-256 of the hash of the manifest
before it (nothing, for the first) and of its own text, so that no judgement can be changed, left out or put elsewhere
without all that follow being written anew.

Findings and scores are kept as intervals. A judgement's own rows are those it opened and those it closed: hashing
them costs what changed, not what there is, and since each interval belongs to the judgement that opened it and to
the one that closed it, a change of either end is noticed too.

Nothing here proves who wrote the database: whoever can write it all anew, chain and all, can't be told from us. The
newest hash, noted elsewhere, shows that too, and shows that the newest judgements were not cut off.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    Select,
    Text,
    func,
    insert,
    or_,
    select,
    type_coerce,
)

from secscan.language import _
from secscan.store import tables
from secscan.store.columns import from_json_text, json_text
from secscan.store.runs import RunState

#: Of how manifests are made. One of another version is still a link, and its parts are not compared.
VERSION = 1

#: The key in ``about`` of the number of the last judgement that was saved before there was a chain.
UNCHAINED = "unchained"

#: Rows read at a time.
ROWS = 1_000


@dataclass(frozen=True, slots=True)
class Chain:
    """``unchained``: judgements from before there was a chain. ``newest``: the hash of the newest manifest.

    ``pruned`` is how many observations were removed on purpose, ``complete_since`` from when on none were.
    """

    unchained: int
    links: int
    newest: str
    pruned: int = 0
    complete_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A judgement in the chain, its run, and the hash of its manifest in hex."""

    judgement: int
    run: int
    hash: str


def add_link(connection: Connection, judgement: int) -> None:
    """Chains a judgement, of which everything has been saved, to the newest one before it."""
    m = tables.manifest
    previous = connection.execute(select(m.c.hash).order_by(m.c.judgement.desc()).limit(1)).scalar() or b""
    run, manifest = _manifests(connection, judgement)[judgement]
    body = json_text(manifest)
    row = {
        "judgement": judgement,
        "run": run,
        "previous": previous,
        "hash": _hash(previous, body),
        "body": body,
    }
    connection.execute(insert(m).values(row))


def chain(connection: Connection) -> Chain:
    """How far back the chain goes; whether it holds is another question."""
    m, j = tables.manifest, tables.judgement
    before = select(func.count()).select_from(j).where(j.c.id <= _last_unchained(connection))
    newest = connection.execute(select(m.c.hash).order_by(m.c.judgement.desc()).limit(1)).scalar()
    return Chain(
        connection.execute(before).scalar_one(),
        connection.execute(select(func.count()).select_from(m)).scalar_one(),
        newest.hex() if newest else "",
        connection.execute(select(func.sum(tables.pruning.c.removed))).scalar() or 0,
        complete_since(connection),
    )


def link_of(connection: Connection, judgement: int) -> Link | None:
    """The link of a judgement; None for one that is older than the chain."""
    return _link(connection, tables.manifest.c.judgement == judgement)


def link_named(connection: Connection, hash: str) -> Link | None:
    """The link whose manifest has this hash, in hex; None where none has. Raises ValueError on what is no hash."""
    return _link(connection, tables.manifest.c.hash == bytes.fromhex(hash))


def _link(connection: Connection, wanted: ColumnElement[bool]) -> Link | None:
    m = tables.manifest
    row = connection.execute(select(m.c.judgement, m.c.run, m.c.hash).where(wanted)).first()
    return Link(row.judgement, row.run, row.hash.hex()) if row else None


def complete_since(connection: Connection) -> datetime | None:
    """Nothing that was seen since then was pruned; None: nothing ever was."""
    since: datetime | None = connection.execute(select(func.max(tables.pruning.c.before))).scalar()
    return since


def left_of(connection: Connection, run: int) -> tuple[int, str]:
    """How many observations a run has, and the digest over them, as its manifest tells them."""
    count, digest = _told(_hashed(_observations(connection, run)), run)
    return count, digest


def problems(connection: Connection) -> Iterator[str]:
    """Links that are missing, changed or out of order, and judgements that are no longer what their link says."""
    stored = connection.execute(select(tables.manifest).order_by(tables.manifest.c.judgement)).all()
    last = _last_unchained(connection)
    yield from _broken_links(stored)
    yield from _missing_links(connection, {row.judgement for row in stored}, last)
    found = _manifests(connection)
    # What a run recorded after it was judged, and before it was judged once more, is part of the later judgement.
    newest = {row.run: row.judgement for row in stored}
    # And what one recorded that was judged, resumed, and never finished, is part of none.
    for unfinished in _unfinished(connection):
        newest.pop(unfinished, None)
    pruned = _pruned(connection)
    for row in stored:
        where = _("judgement {judgement} (run {run})").format(judgement=row.judgement, run=row.run)
        if row.judgement not in found:
            yield _("{where} is missing").format(where=where)
            continue
        try:
            told = from_json_text(row.body)
        except ValueError:
            continue  # Named above: it does not match its hash.
        run, now = found[row.judgement]
        if run != row.run:
            yield _("{where} is filed under run {other}").format(where=where, other=run)
        if told.get("version") != VERSION:
            continue
        for part in sorted(told.keys() | now.keys()):
            if part in OF_THE_RUN and newest.get(row.run) != row.judgement:
                continue
            if part == "observations" and row.run in pruned:
                removed, left = pruned[row.run]
                if now[part] != left or told[part][0] != removed + left[0]:
                    yield _("{where}: its observations changed since they were pruned").format(where=where)
                continue
            if told.get(part) != now.get(part):
                yield _("{where}: its {part} changed since it was saved").format(
                    where=where, part=part_word(part)
                )


def part_word(part: str) -> str:
    """What the operator calls a part of a manifest; parts that are single values are called by their name."""
    words = {
        "inventory_parts": _("inventory"),
        "plan": _("plan"),
        "observations": _("observations"),
        "findings": _("findings"),
        "lives": _("lives of findings"),
        "scores": _("scores"),
        "prunings": _("prunings"),
    }
    return words.get(part, part)


def _broken_links(stored: Iterable[Row[Any]]) -> Iterator[str]:
    before: Row[Any] | None = None
    for row in stored:
        where = _("the manifest of judgement {judgement} (run {run})").format(
            judgement=row.judgement, run=row.run
        )
        if row.previous != (b"" if before is None else before.hash):
            yield _("{where} does not follow the one before it: some are missing, moved or changed").format(
                where=where
            )
        if _hash(row.previous, row.body) != row.hash:
            yield _("{where} changed since it was written: it does not match its hash").format(where=where)
        before = row


def _missing_links(connection: Connection, linked: set[int], last_unchained: int) -> Iterator[str]:
    j = tables.judgement
    since = select(j.c.id, j.c.run).where(j.c.id > last_unchained).order_by(j.c.id)
    for id, run in connection.execute(since):
        if id not in linked:
            yield _("judgement {judgement} (run {run}) has no manifest").format(judgement=id, run=run)
    if connection.dialect.name != "sqlite":
        return
    # SQLite remembers the greatest number it ever gave: a judgement cut off at the end leaves this behind.
    given = connection.exec_driver_sql("SELECT seq FROM sqlite_sequence WHERE name = ?", (j.name,)).scalar()
    newest = max(linked, default=last_unchained)
    if given is not None and given > newest and not connection.execute(since.where(j.c.id > newest)).first():
        yield _("judgements {first} to {last} were made, and are gone with their manifests").format(
            first=newest + 1, last=given
        )


def _pruned(connection: Connection) -> dict[int, tuple[int, list[Any]]]:
    """How many observations were removed of each run that was pruned, and what was left: how many, and their digest."""
    pruned: dict[int, tuple[int, list[Any]]] = {}
    for row in connection.execute(select(tables.pruning).order_by(tables.pruning.c.id)):
        before, _left = pruned.get(row.run, (0, []))
        pruned[row.run] = (before + row.removed, [row.kept, row.digest])
    return pruned


def _unfinished(connection: Connection) -> Iterator[int]:
    r = tables.run
    for (id,) in connection.execute(select(r.c.id).where(r.c.state != RunState.FINISHED.value)):
        yield id


def _last_unchained(connection: Connection) -> int:
    stored = select(tables.about.c.value).where(tables.about.c.key == UNCHAINED)
    return int(connection.execute(stored).scalar() or 0)


def _hash(previous: bytes, body: str) -> bytes:
    return hashlib.sha256(previous + body.encode()).digest()


# --- What a manifest says ----------------------------------------------------------------------------------


#: Parts that are the run's, and not only one judgement's.
OF_THE_RUN = frozenset({"observations"})


def _manifests(connection: Connection, only: int | None = None) -> dict[int, tuple[int, dict[str, Any]]]:
    """The run and the manifest of each judgement, or of one, as the database is now: each table is read once."""
    j, r, d = tables.judgement, tables.run, tables.document
    plain = [type_coerce(c, Text) for c in (j.c.feeds, r.c.domains)]
    rows = (
        select(
            *(c for c in j.c if c.name not in ("at", "feeds")),
            type_coerce(j.c.at, BigInteger).label("at"),
            plain[0].label("feeds"),
            type_coerce(r.c.started_at, BigInteger).label("started_at"),
            d.c.digest.label("plan"),
            r.c.scope_hash,
            r.c.inventory_hash.label("looked_at"),
            r.c.profile,
            r.c.profile_hash,
            plain[1].label("domains"),
            r.c.checks_version,
            r.c.secscan_version.label("looked_with"),
        )
        .join_from(j, r, j.c.run == r.c.id)
        .join(d, r.c.plan == d.c.id)
    )
    if only is not None:
        rows = rows.where(j.c.id == only)
    judged = {row.pop("id"): row for row in (dict(row) for row in connection.execute(rows).mappings())}
    if not judged:
        return {}
    run = judged[only]["run"] if only is not None else None
    by_run = {
        "inventory_parts": _hashed(_inventory(connection, run)),
        "observations": _hashed(_observations(connection, run)),
    }
    by_judgement = {
        "findings": _hashed(_findings(connection, only)),
        "lives": _hashed(_lives(connection, only)),
        "scores": _hashed(_scores(connection, only)),
    }
    prunings = _hashed(_prunings(connection))
    manifests: dict[int, tuple[int, dict[str, Any]]] = {}
    for judgement, row in judged.items():
        told = {name: value.hex() if isinstance(value, bytes) else value for name, value in row.items()}
        told |= {"version": VERSION, "judgement": judgement}
        told |= {name: _told(parts, row["run"]) for name, parts in by_run.items()}
        told |= {name: _told(parts, judgement) for name, parts in by_judgement.items()}
        # Left out where there are none: the manifests of before there were any are as they were.
        if judgement in prunings:
            told["prunings"] = _told(prunings, judgement)
        manifests[judgement] = row["run"], told
    return manifests


@dataclass(slots=True)
class _Rows:
    """Rows counted and hashed as they pass by."""

    count: int = 0
    hash: Any = field(default_factory=hashlib.sha256)

    def add(self, row: Any) -> None:
        self.count += 1
        self.hash.update(msgspec.json.encode(row) + b"\n")


def _hashed(rows: Iterable[tuple[int, Any]]) -> Mapping[int, _Rows]:
    """The rows that come with each number, in the order they come in."""
    hashed: dict[int, _Rows] = {}
    for number, row in rows:
        if number not in hashed:
            hashed[number] = _Rows()
        hashed[number].add(row)
    return hashed


def _told(parts: Mapping[int, _Rows], number: int) -> list[Any]:
    rows = parts.get(number) or _Rows()
    return [rows.count, rows.hash.hexdigest()]


def _inventory(connection: Connection, run: int | None) -> Iterator[tuple[int, Any]]:
    i, d = tables.run_inventory, tables.document
    rows = select(i.c.run, i.c.agency, d.c.digest).join_from(i, d, i.c.document == d.c.id)
    if run is not None:
        rows = rows.where(i.c.run == run)
    yield from _by_first(connection, rows.order_by(i.c.run, i.c.agency))


def _observations(connection: Connection, run: int | None) -> Iterator[tuple[int, Any]]:
    o, t, h = tables.observation, tables.target, tables.host
    k, c, f, p = tables.kind, tables.collector, tables.facts, tables.phrase
    rows = (
        select(
            o.c.run,
            h.c.name,
            type_coerce(t.c.rest, Text),
            k.c.name,
            c.c.name,
            type_coerce(o.c.observed_at, BigInteger),
            f.c.digest,
            o.c.reason,
            p.c.digest,
            type_coerce(o.c.volatile, Text),
        )
        .join_from(o, t, o.c.target == t.c.id)
        .join(h, t.c.host == h.c.id)
        .join(k, o.c.kind == k.c.id)
        .join(c, o.c.collector == c.c.id)
        .join(f, o.c.facts == f.c.id, isouter=True)
        .join(p, o.c.detail == p.c.id, isouter=True)
        .order_by(o.c.run, o.c.target, o.c.kind, o.c.collector)
    )
    if run is not None:
        rows = rows.where(o.c.run == run)
    yield from _by_first(connection, rows)


def _findings(connection: Connection, only: int | None) -> Iterator[tuple[int, Any]]:
    h, f, s = tables.host, tables.finding, tables.finding_state
    check, template = tables.phrase.alias("check_text"), tables.phrase.alias("template_text")
    rows = (
        select(
            s.c.since,
            s.c.until,
            h.c.name,
            type_coerce(f.c.subject, Text),
            check.c.digest,
            type_coerce(f.c.object, Text),
            s.c.outcome,
            s.c.severity,
            s.c.reason,
            template.c.digest,
            s.c.template_values,
            s.c.addresses,
            type_coerce(s.c.observed_at, BigInteger),
        )
        .join_from(s, f, s.c.finding == f.c.id)
        .join(h, f.c.host == h.c.id)
        .join(check, f.c.check == check.c.id)
        .join(template, s.c.template == template.c.id)
        .order_by(s.c.finding, s.c.since)
    )
    if only is not None:
        rows = rows.where(or_(s.c.since == only, s.c.until == only))
    yield from _by_interval(connection, rows, only, names=4)


def _lives(connection: Connection, only: int | None) -> Iterator[tuple[int, Any]]:
    c, f, h = tables.life_change, tables.finding, tables.host
    rows = (
        select(
            c.c.judgement,
            h.c.name,
            f.c.name,
            c.c.state,
            type_coerce(c.c.resolved_at, BigInteger),
            c.c.reopened,
            type_coerce(c.c.opened_at, BigInteger),
            c.c.severity,
            c.c.waiver,
        )
        .join_from(c, f, c.c.finding == f.c.id)
        .join(h, f.c.host == h.c.id)
        .order_by(c.c.judgement, c.c.finding)
    )
    if only is not None:
        rows = rows.where(c.c.judgement == only)
    yield from _by_first(connection, rows)


def _scores(connection: Connection, only: int | None) -> Iterator[tuple[int, Any]]:
    s = tables.score
    held = [c for c in s.c if c.name not in ("since", "until")]
    rows = select(s.c.since, s.c.until, *(type_coerce(c, Text) if _is_text(c) else c for c in held))
    if only is not None:
        rows = rows.where(or_(s.c.since == only, s.c.until == only))
    yield from _by_interval(connection, rows.order_by(s.c.level, s.c.subject, s.c.since), only, names=2)


def _prunings(connection: Connection) -> Iterator[tuple[int, Any]]:
    """What was pruned, for the judgement that came next: it is the first that can vouch for it."""
    judged = [
        id for (id,) in connection.execute(select(tables.judgement.c.id).order_by(tables.judgement.c.id))
    ]
    c = tables.pruning.c
    instants = [type_coerce(c.at, BigInteger), type_coerce(c.before, BigInteger)]
    rows = select(c.after, c.run, *instants, c.removed, c.kept, c.digest).order_by(c.id)
    for after, *row in map(tuple[Any, ...], connection.execute(rows)):
        following = bisect_right(judged, after)
        if following < len(judged):
            yield judged[following], row


def _by_first(connection: Connection, query: Select[Any]) -> Iterator[tuple[int, Any]]:
    """Rows that begin with the number of the run or judgement that they are of."""
    for of, *row in map(tuple[Any, ...], _stream(connection, query)):
        yield of, row


def _by_interval(
    connection: Connection, query: Select[Any], only: int | None, *, names: int
) -> Iterator[tuple[int, Any]]:
    """Rows that begin with ``since`` and ``until``, for the judgement that opened each and the one that closed it.

    The columns that come first, as many as ``names``, say what was closed. ``only`` one judgement is asked for.
    """
    for since, until, *row in map(tuple[Any, ...], _stream(connection, query)):
        if only in (None, since):
            yield since, row
        if until is not None and only in (None, until):
            yield until, [since, *row[:names]]


def _is_text(column: Any) -> bool:
    """Whether a value lies in the database as text, whatever it is to us."""
    return isinstance(getattr(column.type, "impl_instance", column.type), Text)


def _stream(connection: Connection, query: Select[Any]) -> Iterator[Row[Any]]:
    return iter(connection.execute(query, execution_options={"yield_per": ROWS}))
