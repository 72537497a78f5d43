"""Observations into rows: facts once under their digest, an unchanged observation in a few integers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select

from secscan.facts import Absent, Facts, digest, encode
from secscan.model import NOT_AN_ATTEMPT, Observation, Reason, Record, Target, Unobserved
from secscan.store import tables
from secscan.store.numbering import (
    chunks,
    find_run,
    insert_all,
    number,
    number_content,
    number_phrases,
    number_targets,
    pack,
    target_key,
)

NO_ATTEMPT = tuple(sorted(reason.value for reason in NOT_AN_ATTEMPT))


def record(
    connection: Connection, run: int, records: Sequence[Record], kinds: Mapping[str, type[Facts]]
) -> None:
    """What a run saw. Of two records about one target by one collector the first stays; an attempt is worth more
    than the note that there was none.
    """
    find_run(connection, run)
    batch = _merge(_entry(record, kinds) for record in records)
    targets = number_targets(connection, {e.target.key: e.target for e in batch})
    kind_ids = number(connection, tables.kind, {e.kind for e in batch})
    collectors = number(connection, tables.collector, {e.collector for e in batch})
    phrases = number_phrases(connection, {e.detail for e in batch if e.detail})
    facts = _number_facts(connection, batch, kind_ids)

    rows: dict[tuple[int, int, int], dict[str, Any]] = {
        (targets[e.target.key], kind_ids[e.kind], collectors[e.collector]): {
            "target": targets[e.target.key],
            "kind": kind_ids[e.kind],
            "observed_at": e.observed_at,
            "run": run,
            "collector": collectors[e.collector],
            "facts": facts[e.content.digest] if e.content else None,
            "reason": e.reason,
            "detail": phrases[e.detail] if e.detail else None,
            "volatile": e.volatile or None,
        }
        for e in batch
    }
    for key, reason in _recorded(connection, run, {target for target, _, _ in rows}).items():
        if key in rows and _is_attempt(rows[key]["reason"]) and not _is_attempt(reason):
            _forget(connection, run, key)
        else:
            rows.pop(key, None)
    # In the order of the primary key: neighbours share a page.
    insert_all(connection, tables.observation, [rows[key] for key in sorted(rows)])


def recorded(connection: Connection, run: int) -> set[tuple[str, str]]:
    """Target key and kind of everything a run attempted."""
    find_run(connection, run)
    o, t, h, k = tables.observation, tables.target, tables.host, tables.kind
    attempts = (
        select(h.c.name, t.c.rest, k.c.name)
        .join_from(o, t, o.c.target == t.c.id)
        .join(h, t.c.host == h.c.id)
        .join(k, o.c.kind == k.c.id)
        .where(o.c.run == run, o.c.reason.is_(None) | o.c.reason.not_in(NO_ATTEMPT))
    )
    return {(target_key(host, rest), kind) for host, rest, kind in connection.execute(attempts)}


@dataclass(frozen=True, slots=True)
class _Content:
    digest: bytes
    kind: str
    version: int
    encoded: bytes


@dataclass(frozen=True, slots=True)
class _Entry:
    """A record, ready for its row."""

    target: Target
    kind: str
    collector: str
    observed_at: datetime
    content: _Content | None = None
    reason: str | None = None
    detail: str = ""
    volatile: Mapping[str, str] | None = None


def _entry(record: Record, kinds: Mapping[str, type[Facts]]) -> _Entry:
    about = (record.target, record.kind, record.collector, record.observed_at)
    if record.observed_at.tzinfo is None:
        raise ValueError(f"the record about {record.target.key} has no time zone: {record.observed_at}")
    if isinstance(record, Unobserved):
        return _Entry(*about, reason=record.reason.value, detail=record.detail)
    try:
        content = _content(record, kinds)
    except (ValueError, TypeError, OverflowError, RecursionError) as e:
        # A collector let through what no JSON can hold. The other records of the batch are not to suffer for it.
        detail = f"What was seen can't be stored: {type(e).__name__}: {e}"[:300]
        return _Entry(*about, reason=Reason.BUG.value, detail=detail)
    return _Entry(*about, content=content, volatile=record.volatile)


def _content(record: Observation[Any], kinds: Mapping[str, type[Facts]]) -> _Content:
    encoded = encode(record.facts)
    model = kinds.get(record.kind) if isinstance(record.facts, Absent) else type(record.facts)
    version = model.version if model is not None else 1
    return _Content(digest(record.kind, version, encoded), record.kind, version, encoded)


def _merge(entries: Iterable[_Entry]) -> list[_Entry]:
    merged: dict[tuple[str, str, str], _Entry] = {}
    for entry in entries:
        key = (entry.target.key, entry.kind, entry.collector)
        earlier = merged.get(key)
        if earlier is None or (_is_attempt(entry.reason) and not _is_attempt(earlier.reason)):
            merged[key] = entry
    return list(merged.values())


def _is_attempt(reason: str | None) -> bool:
    return reason not in NO_ATTEMPT


def _number_facts(
    connection: Connection, batch: Sequence[_Entry], kind_ids: Mapping[str, int]
) -> dict[bytes, int]:
    contents = {e.content.digest: e.content for e in batch if e.content}

    def row(digest: bytes) -> dict[str, Any]:
        content = contents[digest]
        return {"kind": kind_ids[content.kind], "version": content.version, **pack(content.encoded)}

    return number_content(connection, tables.facts, contents, row)


def _recorded(
    connection: Connection, run: int, target_ids: Iterable[int]
) -> dict[tuple[int, int, int], str | None]:
    """Target, kind and collector of what the run has on these targets, and why it was not seen."""
    o = tables.observation
    found: dict[tuple[int, int, int], str | None] = {}
    for some in chunks(target_ids):
        rows = select(o.c.target, o.c.kind, o.c.collector, o.c.reason).where(
            o.c.run == run, o.c.target.in_(some)
        )
        for target, kind, collector, reason in connection.execute(rows):
            found[target, kind, collector] = reason
    return found


def _forget(connection: Connection, run: int, key: tuple[int, int, int]) -> None:
    o = tables.observation
    target, kind, collector = key
    connection.execute(
        delete(o).where(o.c.run == run, o.c.target == target, o.c.kind == kind, o.c.collector == collector)
    )
