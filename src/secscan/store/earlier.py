"""What earlier runs saw otherwise: the different contents that were recorded about a target before its newest record."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select

from secscan.model import EARLIER_DAYS
from secscan.store import tables
from secscan.store.numbering import chunks

#: Contents of one target that are named at most. More of them are read than judged, because those that only say
#: that there is nothing may be as many as there were runs: a banner with the time of day in it is enough.
MOST_CONTENTS = 64


@dataclass(frozen=True, slots=True)
class Content:
    """The digest of facts, and when they were last recorded."""

    digest: bytes
    observed_at: datetime


def read_contents(
    connection: Connection, newest: Iterable[Row[Any]], at: datetime, wanted: ColumnElement[bool]
) -> dict[tuple[int, int], list[Content]]:
    """By target and kind of each of the ``newest`` rows, what was recorded before: newest first, without its own facts.

    Records of the same run are left out: two collectors may tell the same kind of facts at different depth, and that
    is no change. One query for each kind and run, along the primary key.
    """
    rows = {(row.target, row.kind_id): row for row in newest}
    alike: dict[tuple[int, int], list[int]] = {}
    for (target, kind), row in rows.items():
        alike.setdefault((kind, row.run), []).append(target)
    found: dict[tuple[int, int], list[Content]] = {}
    o, f = tables.observation, tables.facts
    for (kind, run), targets in alike.items():
        for some in chunks(sorted(targets)):
            contents = (
                select(o.c.target, o.c.facts, func.max(o.c.observed_at).label("last"))
                .where(
                    o.c.target.in_(some),
                    o.c.kind == kind,
                    o.c.observed_at >= at - timedelta(days=EARLIER_DAYS),
                    o.c.observed_at <= at,
                    o.c.run != run,
                    wanted,
                )
                .group_by(o.c.target, o.c.facts)
                .subquery()
            )
            named = (
                select(contents, f.c.digest)
                .join_from(contents, f, contents.c.facts == f.c.id)
                .order_by(contents.c.target, contents.c.last.desc(), contents.c.facts.desc())
            )
            for target, facts, last, digest in connection.execute(named):
                if facts != rows[target, kind].facts:
                    found.setdefault((target, kind), []).append(Content(digest, last))
    return {place: contents[:MOST_CONTENTS] for place, contents in found.items()}
