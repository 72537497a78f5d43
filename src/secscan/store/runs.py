"""Runs: what was to be looked at, under which rules, and how far it came."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, select, update

import secscan
from secscan.language import _
from secscan.model import Canary, Misjudged
from secscan.store import tables
from secscan.store.columns import from_json_text
from secscan.store.errors import StoreError
from secscan.store.numbering import find_run, insert_all, number_documents, unpack


class RunState(enum.StrEnum):
    """RUNNING also stands for a run whose process was killed, until the next writer comes."""

    RUNNING = "running"
    INTERRUPTED = "interrupted"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStart:
    """What a run sets out to do. ``plan`` and the ``inventory`` documents (by agency) are plain JSON values."""

    started_at: datetime
    plan: Any
    inventory: Mapping[str, Any]
    inventory_hash: str = ""
    scope_hash: str = ""
    profile: str = ""
    profile_hash: str = ""
    #: The domains that were asked for; none means all of the profile.
    domains: tuple[str, ...] = ()
    scoring_version: int = 0
    checks_version: str = ""
    secscan_version: str = secscan.__version__


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """A run as it is listed. ``judged_at`` is the instant of its newest judgement."""

    id: int
    state: RunState
    started_at: datetime
    finished_at: datetime | None
    judged_at: datetime | None
    inventory_hash: str
    scope_hash: str
    profile: str
    profile_hash: str
    domains: tuple[str, ...]
    scoring_version: int
    checks_version: str
    secscan_version: str
    #: The canaries that it misjudged: where there are any, nothing that it saw or said counts.
    quarantine: tuple[Misjudged, ...] = ()


def begin(connection: Connection, start: RunStart) -> int:
    """The number of the new run. A run still marked as running is of a process that died: there is one writer."""
    connection.execute(
        update(tables.run)
        .where(tables.run.c.state == RunState.RUNNING.value)
        .values(state=RunState.INTERRUPTED.value)
    )
    plan = number_documents(connection, {"plan": start.plan})["plan"]
    row = {
        "state": RunState.RUNNING.value,
        "started_at": start.started_at,
        "plan": plan,
        "inventory_hash": start.inventory_hash,
        "scope_hash": start.scope_hash,
        "profile": start.profile,
        "profile_hash": start.profile_hash,
        "domains": start.domains,
        "secscan_version": start.secscan_version,
        "scoring_version": start.scoring_version,
        "checks_version": start.checks_version,
    }
    added = insert(tables.run).values(row).returning(tables.run.c.id)
    run: int = connection.execute(added).scalar_one()
    documents = number_documents(connection, start.inventory)
    rows = [{"run": run, "agency": agency, "document": documents[agency]} for agency in sorted(documents)]
    insert_all(connection, tables.run_inventory, rows)
    return run


def set_state(connection: Connection, run: int, state: RunState, at: datetime) -> None:
    """``at`` becomes the end of a run that is over, finished or not; a run that goes on has none."""
    find_run(connection, run)
    ended = None if state is RunState.RUNNING else at
    connection.execute(
        update(tables.run).where(tables.run.c.id == run).values(state=state.value, finished_at=ended)
    )


def quarantine(connection: Connection, run: int, misjudged: Sequence[Misjudged], at: datetime) -> None:
    """Ends a run whose judgement is not believed: it is finished, so that nobody resumes it, and never judged."""
    set_state(connection, run, RunState.FINISHED, at)
    told = [[wrong.host, wrong.canary.value, list(wrong.failing)] for wrong in misjudged]
    connection.execute(update(tables.run).where(tables.run.c.id == run).values(quarantine=told))


def quarantined(connection: Connection) -> list[int]:
    """The runs in quarantine; few, if any."""
    r = tables.run
    return [id for (id,) in connection.execute(select(r.c.id).where(r.c.quarantine.is_not(None)))]


def plan_of(connection: Connection, run: int) -> Any:
    find_run(connection, run)
    r, d = tables.run, tables.document
    row = connection.execute(
        select(d.c.packed, d.c.body).join_from(r, d, r.c.plan == d.c.id).where(r.c.id == run)
    ).one()
    return _document(row.packed, row.body)


def inventory_of(connection: Connection, run: int) -> dict[str, Any]:
    find_run(connection, run)
    i, d = tables.run_inventory, tables.document
    rows = (
        select(i.c.agency, d.c.packed, d.c.body)
        .join_from(i, d, i.c.document == d.c.id)
        .where(i.c.run == run)
        .order_by(i.c.agency)
    )
    return {agency: _document(packed, body) for agency, packed, body in connection.execute(rows)}


def list_runs(connection: Connection, limit: int | None) -> tuple[RunInfo, ...]:
    newest_first = _runs().order_by(tables.run.c.id.desc()).limit(limit)
    return tuple(_info(row) for row in connection.execute(newest_first))


def run_info(connection: Connection, run: int) -> RunInfo:
    find_run(connection, run)
    return _info(connection.execute(_runs().where(tables.run.c.id == run)).one())


def newest_judged(connection: Connection) -> int:
    """The newest finished and judged run. Raises StoreError where there is none yet."""
    r, j = tables.run, tables.judgement
    run = connection.execute(
        select(r.c.id)
        .join_from(r, j, j.c.run == r.c.id)
        .where(r.c.state == RunState.FINISHED.value)
        .order_by(j.c.id.desc())
        .limit(1)
    ).scalar()
    if run is None:
        raise StoreError(
            _("no scan was finished and judged yet: `secscan scan` makes one, `--resume` goes on with one")
        )
    return int(run)


def _runs() -> Select[Any]:
    r, j = tables.run, tables.judgement
    newest = select(func.max(j.c.id)).where(j.c.run == r.c.id).correlate(r).scalar_subquery()
    return select(r, j.c.at.label("judged_at")).join_from(r, j, j.c.id == newest, isouter=True)


def _info(row: Row[Any]) -> RunInfo:
    return RunInfo(
        id=row.id,
        state=RunState(row.state),
        started_at=row.started_at,
        finished_at=row.finished_at,
        judged_at=row.judged_at,
        inventory_hash=row.inventory_hash,
        scope_hash=row.scope_hash,
        profile=row.profile,
        profile_hash=row.profile_hash,
        domains=tuple(row.domains),
        scoring_version=row.scoring_version,
        checks_version=row.checks_version,
        secscan_version=row.secscan_version,
        quarantine=tuple(
            Misjudged(host, Canary(canary), tuple(failing)) for host, canary, failing in row.quarantine or ()
        ),
    )


def _document(packed: bool, body: bytes) -> Any:
    return from_json_text(unpack(packed, body).decode())
