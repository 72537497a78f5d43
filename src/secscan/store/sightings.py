"""When hosts were last seen: anything of them, not merely asked."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, func, select

from secscan.store import tables
from secscan.store.numbering import chunks
from secscan.store.runs import quarantined


def read_last_seen(connection: Connection, hosts: Sequence[str], at: datetime) -> dict[str, datetime]:
    """The newest observation of each host up to and including ``at``; one that was never seen is left out."""
    o, t, h = tables.observation, tables.target, tables.host
    newest = (
        select(h.c.name, func.max(o.c.observed_at))
        .join_from(h, t, t.c.host == h.c.id)
        .join(o, o.c.target == t.c.id)
        .where(o.c.facts.is_not(None), o.c.observed_at <= at)
        .group_by(h.c.name)
    )
    distrusted = quarantined(connection)
    if distrusted:
        newest = newest.where(o.c.run.not_in(distrusted))
    seen: dict[str, datetime] = {}
    for some in chunks(hosts):
        for name, last in connection.execute(newest.where(h.c.name.in_(some))):
            seen[name] = last
    return seen
