"""Rows into evidence: the newest record about every target of a host as of an instant."""

import hashlib
import zlib
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Connection, Row, Subquery, and_, or_, select

from secscan.facts import Absent, FactKindError, Facts, decode
from secscan.model import (
    EARLIER_LOOKS,
    Evidence,
    Look,
    Observation,
    Reason,
    Record,
    Target,
    Unobserved,
    parse_target,
)
from secscan.store import tables
from secscan.store.earlier import MOST_CONTENTS, Content, read_contents
from secscan.store.numbering import chunks, target_key, unpack
from secscan.store.recording import NO_ATTEMPT
from secscan.store.runs import quarantined

#: Hosts whose evidence is read in one go.
HOSTS_AT_ONCE = 250

#: Content whose decoded facts are kept, in bytes as it is stored; decoded it takes a few times as much.
KEPT_FACTS = 16 * 1024 * 1024

#: What decoding a damaged or foreign blob may raise, in a kind's own upgrades too.
UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError, zlib.error)

#: The print of a host that was never looked at.
NOTHING = b"nothing"

Place: TypeAlias = tuple[int, int]


class FactsReader:
    """Decodes facts, each content once as long as it is asked for again and again: many hosts are set up alike."""

    def __init__(self, kinds: Mapping[str, type[Facts]]) -> None:
        #: The kinds whose earlier looks are read too.
        self.recalled = frozenset(name for name, model in kinds.items() if model.recalled)
        self._kinds = kinds
        self._kept: OrderedDict[bytes, tuple[Facts | Absent | FactKindError, int]] = OrderedDict()
        self._size = 0

    def read(
        self, connection: Connection, digests: Iterable[bytes]
    ) -> dict[bytes, Facts | Absent | FactKindError]:
        """The facts under each digest, or why they can't be read."""
        wanted = set(digests)
        facts = {digest: self._kept[digest][0] for digest in wanted if digest in self._kept}
        for digest in facts:
            self._kept.move_to_end(digest)
        f, k = tables.facts, tables.kind
        for some in chunks(wanted - facts.keys()):
            stored = select(f.c.digest, k.c.name, f.c.version, f.c.packed, f.c.body).join_from(
                f, k, f.c.kind == k.c.id
            )
            for digest, kind, version, packed, body in connection.execute(
                stored.where(f.c.digest.in_(some))
            ).all():
                facts[digest] = self._decode(kind, version, packed, body)
                self._keep(digest, facts[digest], len(body))
        return facts

    def _decode(self, kind: str, version: int, packed: bool, body: bytes) -> Facts | Absent | FactKindError:
        model = self._kinds.get(kind)
        if model is None:
            return FactKindError(f"facts of kind {kind!r} are of no kind known here: is its plug-in missing?")
        try:
            return decode(model, version, unpack(packed, body))
        except FactKindError as e:
            return e
        except UNREADABLE as e:
            return FactKindError(f"facts of kind {kind!r}, version {version}, cannot be read: {e}")

    def _keep(self, digest: bytes, facts: Facts | Absent | FactKindError, size: int) -> None:
        self._kept[digest] = (facts, size)
        self._size += size
        while self._size > KEPT_FACTS:
            _, (_, oldest) = self._kept.popitem(last=False)
            self._size -= oldest


def read_evidence(
    connection: Connection,
    hosts: Sequence[str],
    at: datetime,
    facts: FactsReader,
    kinds: Collection[str] | None = None,
) -> Iterator[tuple[str, Evidence]]:
    """Each of ``hosts`` in the order given; one that was never looked at has empty evidence.

    ``kinds`` leaves out all other kinds; None: none is left out.
    """
    newest = _newest(connection, hosts, at, _is_attempt(connection), kinds=kinds)
    unseen = {place for place, row in newest.items() if row.reason is not None}
    before = (
        _newest(
            connection, hosts, at, _is_seen(connection), among={target for target, _ in unseen}, kinds=kinds
        )
        if unseen
        else {}
    )
    seen = {place: row for place, row in before.items() if place in unseen}

    decoded = facts.read(connection, (row.digest for row in (*newest.values(), *seen.values()) if row.digest))
    newest_by_host: dict[str, dict[tuple[Target, str], Record]] = {}
    seen_by_host: dict[str, dict[tuple[Target, str], Observation[Any]]] = {}
    abouts: dict[Place, tuple[Target, str]] = {}
    unreadable: set[str] = set()
    for place, row in newest.items():
        record = _record(row, decoded)
        abouts[place] = about = (record.target, record.kind)
        newest_by_host.setdefault(row.host, {})[about] = record
        if isinstance(record, Observation):
            continue
        if row.digest:
            unreadable.add(row.host)
        earlier = _record(seen[place], decoded) if place in seen else None
        if not isinstance(earlier, Observation):
            if earlier is not None:
                unreadable.add(row.host)
            earlier = (
                _last_readable(connection, row.host, place, at, facts) if row.digest or earlier else None
            )
        if earlier is not None:
            seen_by_host.setdefault(row.host, {})[about] = earlier
    looks_by_host, recalled = _looks(connection, newest, newest_by_host, abouts, at=at, facts=facts)
    # What can't be read has something older in its place, which the print would not tell of.
    prints = {**_prints(newest, seen, recalled), **dict.fromkeys(unreadable, b"")}
    for host in hosts:
        yield (
            host,
            Evidence(
                newest_by_host.get(host, {}),
                seen_by_host.get(host, {}),
                looks_by_host.get(host, {}),
                prints.get(host, NOTHING),
            ),
        )


def _looks(
    connection: Connection,
    newest: Mapping[Place, Row[Any]],
    records: Mapping[str, Mapping[tuple[Target, str], Record]],
    abouts: Mapping[Place, tuple[Target, str]],
    *,
    at: datetime,
    facts: FactsReader,
) -> tuple[dict[str, dict[tuple[Target, str], tuple[Look[Any], ...]]], dict[Place, list[Content]]]:
    """What earlier runs saw otherwise, by host, of the kinds and targets where that is asked for; and as it is stored."""
    absent = {place for place, row in newest.items() if _is_absent(records[row.host][abouts[place]])}
    asked = [row for place, row in newest.items() if row.kind in facts.recalled or place in absent]
    if not asked:
        return {}, {}
    contents = {
        place: of_one[: MOST_CONTENTS if place in absent else EARLIER_LOOKS]
        for place, of_one in read_contents(connection, asked, at, _is_seen(connection)).items()
    }
    decoded = facts.read(connection, (content.digest for of_one in contents.values() for content in of_one))
    by_host: dict[str, dict[tuple[Target, str], tuple[Look[Any], ...]]] = {}
    for place, of_one in contents.items():
        looks = [
            Look(there, content.observed_at)
            for content in of_one
            if isinstance(there := decoded[content.digest], Facts)
        ]
        if looks:
            by_host.setdefault(newest[place].host, {})[abouts[place]] = tuple(looks[:EARLIER_LOOKS])
    return by_host, contents


def _is_absent(record: Record) -> bool:
    return isinstance(record, Observation) and isinstance(record.facts, Absent)


def _prints(
    newest: Mapping[Place, Row[Any]],
    seen: Mapping[Place, Row[Any]],
    recalled: Mapping[Place, Sequence[Content]],
) -> dict[str, bytes]:
    """The print of each host's evidence: over the rows it is made of, in their order, without their instants.

    Facts and details are named by their content: the same number is the same content. Of what earlier runs saw the
    instants count too: rules tell of them, and they stay the same while nothing else is seen.
    """
    marks: dict[str, list[str]] = {}
    for rows in (newest, seen):
        for (target, kind), row in rows.items():
            fields = (target, kind, row.collector, row.digest, row.reason, row.detail)
            marks.setdefault(row.host, []).append(repr(fields))
        for of_host in marks.values():
            of_host.append("")
    for place, contents in recalled.items():
        marks[newest[place].host].append(repr((place, contents)))
    return {
        host: hashlib.blake2b("\n".join(of_host).encode(), digest_size=16).digest()
        for host, of_host in marks.items()
    }


def last_attempts(
    connection: Connection, hosts: Sequence[str], at: datetime
) -> dict[str, dict[Target, datetime]]:
    """When each target of each host was last looked at, successfully or not."""
    places = _places(hosts, at, _is_attempt(connection), None, None)
    times: dict[str, dict[Target, datetime]] = {}
    for row in connection.execute(select(places).where(places.c.observed_at.is_not(None))).all():
        by_target = times.setdefault(row.host, {})
        target = parse_target(target_key(row.host, row.rest))
        by_target[target] = max(row.observed_at, by_target.get(target, row.observed_at))
    return times


def _is_attempt(connection: Connection) -> ColumnElement[bool]:
    o = tables.observation
    return and_(or_(o.c.reason.is_(None), o.c.reason.not_in(NO_ATTEMPT)), *_is_believed(connection))


def _is_seen(connection: Connection) -> ColumnElement[bool]:
    return and_(tables.observation.c.reason.is_(None), *_is_believed(connection))


def _is_believed(connection: Connection) -> Iterator[ColumnElement[bool]]:
    """What a run in quarantine saw is no evidence. Where there is no such run, nothing is asked."""
    runs = quarantined(connection)
    if runs:
        yield tables.observation.c.run.not_in(runs)


def _newest(
    connection: Connection,
    hosts: Sequence[str],
    at: datetime,
    wanted: ColumnElement[bool],
    among: set[int] | None = None,
    kinds: Collection[str] | None = None,
) -> dict[Place, Row[Any]]:
    """The newest wanted row about each target and kind; at the same microsecond, that of the later run."""
    o, c, f, p = tables.observation, tables.collector, tables.facts, tables.phrase
    places = _places(hosts, at, wanted, among, kinds)
    # Outer joins: a planner that may turn them around reads the whole history of a target to find its newest row.
    there = and_(
        o.c.target == places.c.target,
        o.c.kind == places.c.kind_id,
        o.c.observed_at == places.c.observed_at,
        wanted,
    )
    rows = (
        select(
            places,
            c.c.name.label("collector"),
            o.c.run,
            o.c.facts,
            f.c.digest,
            o.c.reason,
            p.c.text.label("detail"),
            o.c.volatile,
        )
        .join_from(places, o, there, isouter=True)
        .join(c, o.c.collector == c.c.id, isouter=True)
        .join(f, o.c.facts == f.c.id, isouter=True)
        .join(p, o.c.detail == p.c.id, isouter=True)
        .where(places.c.observed_at.is_not(None))
    )
    newest: dict[Place, Row[Any]] = {}
    for row in connection.execute(rows).all():
        place = (row.target, row.kind_id)
        if place not in newest or _age(row) > _age(newest[place]):
            newest[place] = row
    return newest


def _places(
    hosts: Sequence[str],
    at: datetime,
    wanted: ColumnElement[bool],
    among: set[int] | None,
    kinds: Collection[str] | None = None,
) -> Subquery:
    """Each target with each kind, and when it was last recorded as wanted: one seek in the primary key for each."""
    o, t, h, k = tables.observation, tables.target, tables.host, tables.kind
    last = (
        select(o.c.observed_at)
        .where(o.c.target == t.c.id, o.c.kind == k.c.id, o.c.observed_at <= at, wanted)
        .order_by(o.c.observed_at.desc())
        .limit(1)
        .correlate(t, k)
        .scalar_subquery()
    )
    every = (
        select(
            t.c.id.label("target"),
            k.c.id.label("kind_id"),
            k.c.name.label("kind"),
            h.c.name.label("host"),
            t.c.rest,
            last.label("observed_at"),
        )
        .join_from(h, t, t.c.host == h.c.id)
        .join(k, k.c.id.is_not(None))
        .where(h.c.name.in_(hosts))
    )
    if among is not None:
        every = every.where(t.c.id.in_(among))
    if kinds is not None:
        every = every.where(k.c.name.in_(sorted(kinds)))
    return every.subquery()


def _age(row: Row[Any]) -> tuple[datetime, int, str]:
    return row.observed_at, row.run, row.collector


def _record(row: Row[Any], decoded: Mapping[bytes, Facts | Absent | FactKindError]) -> Record:
    target = parse_target(target_key(row.host, row.rest))
    if row.reason is not None:
        return Unobserved(
            target, row.collector, row.kind, row.observed_at, Reason(row.reason), row.detail or ""
        )
    facts = decoded[row.digest]
    if isinstance(facts, FactKindError):
        return Unobserved(target, row.collector, row.kind, row.observed_at, Reason.UNPARSED, str(facts))
    return Observation(target, row.collector, row.kind, row.observed_at, facts, row.volatile or {})


def _last_readable(
    connection: Connection, host: str, place: Place, at: datetime, facts: FactsReader
) -> Observation[Any] | None:
    """The newest Observation that can still be decoded; asked for only where a newer one can't."""
    unreadable: list[int] = []
    while True:
        wanted = and_(_is_seen(connection), tables.observation.c.facts.not_in(unreadable))
        row = _newest(connection, [host], at, wanted, among={place[0]}).get(place)
        if row is None:
            return None
        record = _record(row, facts.read(connection, [row.digest]))
        if isinstance(record, Observation):
            return record
        unreadable.append(row.facts)
