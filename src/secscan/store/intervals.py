"""Rows that hold from one judgement until before another: what stays the same is not written again."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, or_, update


def holds(table: Table, judgement: int) -> ColumnElement[bool]:
    """Whether a row is part of a judgement."""
    return and_(table.c.since <= judgement, or_(table.c.until.is_(None), table.c.until > judgement))


def close(
    connection: Connection,
    table: Table,
    which: ColumnElement[bool],
    judgement: int,
    rows: Sequence[Mapping[str, Any]],
) -> None:
    """Ends the current intervals that ``which`` selects, once for each of ``rows``, which bind its parameters."""
    if rows:
        connection.execute(update(table).where(which, table.c.until.is_(None)).values(until=judgement), rows)
