"""Small integers for what repeats: hosts, targets, kinds, collectors, phrases, and content under its digest."""

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Table, func, insert, select

from secscan.language import _
from secscan.model import Target, parse_target
from secscan.store import tables
from secscan.store.columns import json_text
from secscan.store.errors import StoreError

V = TypeVar("V")

#: Values in one ``IN (...)``; SQLite takes 32,766 parameters a statement, PostgreSQL 65,535.
CHUNK = 5_000

#: Shorter content is not worth the time to unpack it.
PACK_FROM = 256


def chunks(values: Iterable[V], size: int = CHUNK) -> Iterator[list[V]]:
    rest = iter(values)
    while chunk := list(islice(rest, size)):
        yield chunk


def number(connection: Connection, table: Table, values: Iterable[str]) -> dict[str, int]:
    """The number of each name in ``table`` (host, kind, collector); new names get one."""
    return number_rows(connection, table, table.c.name, values, lambda name: {"name": name})


def number_targets(connection: Connection, targets: Mapping[str, Target]) -> dict[str, int]:
    """The number of each target, by its key. Raises ValueError on a new one whose key doesn't lead back to it."""
    parts = {key: key.partition(" ") for key in targets}
    hosts = number(connection, tables.host, {host for host, _, _ in parts.values()})
    keys = {(hosts[host], rest): key for key, (host, _, rest) in parts.items()}
    t = tables.target
    known: dict[str, int] = {}
    for some in chunks(set(hosts.values())):
        rows = select(t.c.id, t.c.host, t.c.rest).where(t.c.host.in_(some))
        for id, host, rest in connection.execute(rows).all():
            if (host, rest) in keys:
                known[keys[host, rest]] = id
    missing = {key: {"host": host, "rest": rest} for (host, rest), key in keys.items() if key not in known}
    for key in missing:
        host, _, rest = parts[key]
        if parse_target(target_key(host, rest)) != targets[key]:
            raise ValueError(f"{targets[key]!r} can't be read back from its key {key!r}")
    return known | _add(connection, t, missing)


def target_key(host: str, rest: str) -> str:
    return f"{host} {rest}" if rest else host


def number_phrases(connection: Connection, texts: Iterable[str]) -> dict[str, int]:
    by_digest = {phrase_digest(text): text for text in texts}
    numbers = number_content(connection, tables.phrase, by_digest, lambda digest: {"text": by_digest[digest]})
    return {by_digest[digest]: id for digest, id in numbers.items()}


def phrase_texts(connection: Connection, ids: Iterable[int]) -> dict[int, str]:
    """The text of each number."""
    p = tables.phrase
    texts: dict[int, str] = {}
    for some in chunks(ids):
        rows = connection.execute(select(p.c.id, p.c.text).where(p.c.id.in_(some)))
        texts.update((id, text) for id, text in rows.all())
    return texts


def number_documents(connection: Connection, documents: Mapping[str, Any]) -> dict[str, int]:
    """The number of each JSON document, by the name it has in ``documents``; equal documents share one."""
    encoded = {name: json_text(document).encode() for name, document in documents.items()}
    by_digest = {document_digest(body): body for body in encoded.values()}
    numbers = number_content(connection, tables.document, by_digest, lambda digest: pack(by_digest[digest]))
    return {name: numbers[document_digest(body)] for name, body in encoded.items()}


def number_content(
    connection: Connection, table: Table, digests: Iterable[bytes], row: Callable[[bytes], Mapping[str, Any]]
) -> dict[bytes, int]:
    """The number of the content under each digest; ``row`` gives the columns of what is new."""
    return number_rows(
        connection, table, table.c.digest, digests, lambda digest: {"digest": digest, **row(digest)}
    )


def number_rows(
    connection: Connection,
    table: Table,
    column: ColumnElement[V],
    values: Iterable[V],
    row: Callable[[V], Mapping[str, Any]],
) -> dict[V, int]:
    """The number of the row that has each value in ``column``; ``row`` gives the columns of those to add."""
    wanted = dict.fromkeys(values)
    known: dict[V, int] = {}
    for some in chunks(wanted):
        found = connection.execute(select(column, table.c.id).where(column.in_(some))).all()
        known.update((value, id) for value, id in found)
    return known | _add(connection, table, {value: row(value) for value in wanted if value not in known})


def pack(content: bytes) -> dict[str, Any]:
    """The columns ``packed`` and ``body`` for content: compressed where that saves an eighth at least."""
    if len(content) >= PACK_FROM:
        packed = zlib.compress(content)
        if len(packed) <= len(content) * 7 // 8:
            return {"packed": True, "body": packed}
    return {"packed": False, "body": content}


def unpack(packed: bool, body: bytes) -> bytes:
    """Raises zlib.error where a damaged file changed the content."""
    return zlib.decompress(body) if packed else body


def phrase_digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]


def document_digest(encoded: bytes) -> bytes:
    return hashlib.sha256(encoded).digest()[:16]


def find_run(connection: Connection, run: int) -> None:
    """Raises StoreError where there is no such run."""
    if connection.execute(select(tables.run.c.id).where(tables.run.c.id == run)).first() is None:
        first, last = connection.execute(select(func.min(tables.run.c.id), func.max(tables.run.c.id))).one()
        message = (
            _("there is no run {run}: runs {first} to {last} are there")
            if last
            else _("there is no run {run}: nothing was scanned yet")
        )
        raise StoreError(message.format(run=run, first=first, last=last))


def _add(connection: Connection, table: Table, rows: Mapping[V, Mapping[str, Any]]) -> dict[V, int]:
    # There is one writer, so the next number is ours to give: no row has to be read back for it.
    if not rows:
        return {}
    last = connection.execute(select(func.max(table.c.id))).scalar() or 0
    numbers = {value: last + n for n, value in enumerate(rows, 1)}
    insert_all(connection, table, [{"id": numbers[value], **row} for value, row in rows.items()])
    return numbers


def insert_all(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        connection.execute(insert(table), rows)


def insert_stored(
    connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    """As ``insert_all``, of hundreds of thousands of rows: of values as they are stored, which no type is asked of."""
    if not rows:
        return
    statement = insert(table).compile(dialect=connection.dialect, column_keys=list(columns))
    parameters: Any = [dict(zip(columns, row, strict=True)) for row in rows]
    if statement.positional:
        order = [columns.index(name) for name in statement.positiontup or ()]
        parameters = [tuple(row[place] for place in order) for row in rows]
    connection.exec_driver_sql(str(statement), parameters)
