"""Two judgements side by side: only what changed from one to the other is read."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, Row, select, union

from secscan.history.difference import Moment
from secscan.language import _
from secscan.model import Outcome
from secscan.store import tables
from secscan.store.errors import StoreError
from secscan.store.findings import read_findings_of
from secscan.store.lifecycles import read_lives_then
from secscan.store.numbering import chunks


def read_moments(
    connection: Connection, before: Row[Any], after: Row[Any], hosts: Collection[str] | None
) -> tuple[Moment, Moment]:
    """Raises StoreError where the judgement that is to be the later one was made first."""
    if after.id < before.id:
        raise StoreError(
            _("run {after} was judged before run {before}: name the earlier one first").format(
                after=after.run, before=before.run
            )
        )
    changed = _changed(connection, before.id, after.id, hosts)
    lives = read_lives_then(connection, (before.id, after.id), changed)
    return (
        Moment(lives[0], read_findings_of(connection, before, changed)),
        Moment(lives[1], read_findings_of(connection, after, changed)),
    )


def _changed(connection: Connection, before: int, after: int, hosts: Collection[str] | None) -> list[int]:
    """Findings whose life took a turn, or that failed in another way, after one judgement and up to another."""
    c, s, f, h = tables.life_change, tables.finding_state, tables.finding, tables.host
    turned = select(c.c.finding).where(c.c.judgement > before, c.c.judgement <= after)
    failed = select(s.c.finding).where(
        s.c.since > before, s.c.since <= after, s.c.outcome == Outcome.FAIL.value
    )
    found = {id for (id,) in connection.execute(union(turned, failed))}
    if hosts is None:
        return sorted(found)
    of_hosts: set[int] = set()
    for some in chunks(hosts):
        mine = select(f.c.id).join_from(f, h, f.c.host == h.c.id).where(h.c.name.in_(some))
        of_hosts.update(id for (id,) in connection.execute(mine))
    return sorted(found & of_hosts)
