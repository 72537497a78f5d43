"""Hosts of which two runs saw the same, and judged the same: nothing of them has to be read to say so."""

from collections.abc import Sequence

from sqlalchemy import Connection, Row, and_, func, or_, select

from secscan.store import tables
from secscan.store.numbering import chunks


def read_unchanged(
    connection: Connection, before: Row[int], after: Row[int], hosts: Sequence[str]
) -> frozenset[str]:
    """Of these hosts, those of which the runs of both judgements recorded the same facts, or the same want of them, about
    the same targets, and whose findings the later judgement left as they were."""
    unchanged: set[str] = set()
    for some in chunks(hosts):
        unchanged |= _seen_alike(connection, (before.run, after.run), some)
        unchanged -= _judged_otherwise(connection, before.id, after.id, some)
    return frozenset(unchanged)


def _seen_alike(connection: Connection, runs: tuple[int, int], hosts: Sequence[str]) -> set[str]:
    """A host that either run saw nothing of is not among them."""
    o, t, h = tables.observation, tables.target, tables.host
    places = (
        select(
            h.c.name,
            o.c.target,
            func.count(func.distinct(o.c.run)).label("runs"),
            func.count().label("rows"),
            func.count(o.c.facts).label("seen"),
            func.min(o.c.facts).label("least"),
            func.max(o.c.facts).label("most"),
            func.count(o.c.reason).label("unseen"),
            func.min(o.c.reason).label("first"),
            func.max(o.c.reason).label("last"),
            func.count(func.distinct(o.c.detail)).label("details"),
        )
        .join_from(h, t, t.c.host == h.c.id)
        .join(o, o.c.target == t.c.id)
        .where(h.c.name.in_(hosts), o.c.run.in_(runs))
        .group_by(h.c.name, o.c.target, o.c.kind, o.c.collector)
    )
    alike: dict[str, bool] = {}
    for row in connection.execute(places):
        is_same = (
            row.runs == 2
            and row.least == row.most
            and row.first == row.last
            and row.seen in (0, row.rows)
            and row.unseen in (0, row.rows)
            and row.details <= 1
        )
        alike[row.name] = alike.get(row.name, True) and is_same
    return {name for name, is_same in alike.items() if is_same}


def _judged_otherwise(connection: Connection, before: int, after: int, hosts: Sequence[str]) -> set[str]:
    f, h, s = tables.finding, tables.host, tables.finding_state
    began = and_(s.c.since > before, s.c.since <= after)
    ended = and_(s.c.until > before, s.c.until <= after)
    changed = (
        select(h.c.name)
        .distinct()
        .join_from(h, f, f.c.host == h.c.id)
        .join(s, s.c.finding == f.c.id)
        .where(h.c.name.in_(hosts), or_(began, ended))
    )
    return {name for (name,) in connection.execute(changed)}
