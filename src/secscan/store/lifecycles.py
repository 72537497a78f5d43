"""The lives of findings into rows and back."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from sqlalchemy import Connection, Row, Select, bindparam, select, update

from secscan.history import Lifecycle, State
from secscan.model import Severity, Subject
from secscan.store import tables
from secscan.store.findings import next_finding
from secscan.store.numbering import chunks, insert_all, number, number_phrases

#: Lives that are compared in one go; each is looked up by the finding's id.
LIVES_AT_ONCE = 1_000


#: The columns that make a life changed; when it was last seen is not one of them.
CHANGE = ("state", "resolved_at", "reopened", "opened_at", "severity", "waiver")


def save_lives(connection: Connection, judgement: int, lives: Mapping[str, Lifecycle]) -> None:
    for some in chunks(sorted(lives), LIVES_AT_ONCE):
        wanted = {_life_key(lives[name]): lives[name] for name in some}
        stored = _lives_named(connection, some)
        _add_findings(connection, [life for key, life in wanted.items() if key not in stored])
        if wanted.keys() - stored.keys():
            stored = _lives_named(connection, some)
        begun: list[dict[str, Any]] = []
        changed: list[dict[str, Any]] = []
        turns: list[dict[str, Any]] = []
        for key, life in wanted.items():
            id, before = stored[key]
            turn = {
                "state": life.state.value,
                "resolved_at": life.resolved_at,
                "reopened": life.reopened,
                "opened_at": life.opened_at,
                "severity": int(life.severity),
                "waiver": life.waiver,
            }
            columns = {"first_seen": life.first_seen, "last_seen": life.last_seen, **turn}
            if before is None or any(getattr(before, name) != getattr(life, name) for name in CHANGE):
                turns.append({"finding": id, "judgement": judgement, **turn})
            if before is None:
                begun.append({"finding": id, **columns})
            elif before != life:
                changed.append({"_finding": id, **columns})
        insert_all(connection, tables.lifecycle, begun)
        if changed:
            by_id = tables.lifecycle.c.finding == bindparam("_finding")
            connection.execute(update(tables.lifecycle).where(by_id), changed)
        insert_all(connection, tables.life_change, turns)


def _add_findings(connection: Connection, lives: Sequence[Lifecycle]) -> None:
    """Identities of findings whose life is known from elsewhere, and that no judgement kept here named."""
    hosts = number(connection, tables.host, {life.subject.host or life.subject.id for life in lives})
    checks = number_phrases(connection, {life.check for life in lives})
    next_id = next_finding(connection)
    rows = [
        {
            "id": id,
            "host": hosts[life.subject.host or life.subject.id],
            "name": life.finding,
            "subject": life.subject.key,
            "check": checks[life.check],
            "object": life.object,
        }
        for id, life in enumerate(lives, next_id)
    ]
    insert_all(connection, tables.finding, rows)


_LifeKey: TypeAlias = tuple[str, str, str, str]


def _life_key(life: Lifecycle) -> _LifeKey:
    return life.finding, life.subject.key, life.check, life.object


def _lives_named(
    connection: Connection, names: Sequence[str]
) -> dict[_LifeKey, tuple[int, Lifecycle | None]]:
    rows = connection.execute(_lives().where(tables.finding.c.name.in_(names)))
    return {
        (row.name, row.subject, row.check_id, row.object): (row.id, None if row.state is None else _life(row))
        for row in rows
    }


def read_lives(connection: Connection, hosts: Sequence[str] | None) -> dict[str, Lifecycle]:
    """The lives of all findings that ever failed, of these hosts or of all, by finding id."""
    lives: dict[str, Lifecycle] = {}
    known = _lives().where(tables.lifecycle.c.state.is_not(None))
    for some in [None] if hosts is None else chunks(hosts):
        of_some = known if some is None else known.where(tables.host.c.name.in_(some))
        lives |= {row.name: _life(row) for row in connection.execute(of_some)}
    return lives


def read_lives_then(connection: Connection, judgement: int, findings: Sequence[int]) -> dict[int, Lifecycle]:
    """The lives of these findings as they stood after a judgement, by number; those not begun are left out.

    ``last_seen`` is that of today: what it was then is not kept.
    """
    c = tables.life_change.c
    lives: dict[int, Lifecycle] = {}
    for some in chunks(findings):
        now = {
            row.id: _life(row)
            for row in connection.execute(_lives().where(tables.finding.c.id.in_(some)))
            if row.state is not None
        }
        turns = select(tables.life_change).where(c.finding.in_(some), c.judgement <= judgement)
        for turn in connection.execute(turns.order_by(c.finding, c.judgement)):
            lives[turn.finding] = _as_it_was(now[turn.finding], turn)
    return lives


def _as_it_was(now: Lifecycle, turn: Row[Any]) -> Lifecycle:
    return replace(
        now,
        state=State(turn.state),
        resolved_at=turn.resolved_at,
        reopened=turn.reopened,
        opened_at=turn.opened_at,
        severity=Severity(turn.severity),
        waiver=turn.waiver,
    )


def _lives() -> Select[Any]:
    h, f, life, p = tables.host, tables.finding, tables.lifecycle, tables.phrase
    return (
        select(
            f.c.id,
            f.c.name,
            f.c.subject,
            p.c.text.label("check_id"),
            f.c.object,
            life.c.state,
            life.c.first_seen,
            life.c.resolved_at,
            life.c.reopened,
            life.c.last_seen,
            life.c.opened_at,
            life.c.severity,
            life.c.waiver,
        )
        .join_from(f, p, f.c.check == p.c.id)
        .join(h, f.c.host == h.c.id)
        .join(life, life.c.finding == f.c.id, isouter=True)
    )


def _life(row: Row[Any]) -> Lifecycle:
    return Lifecycle(
        finding=row.name,
        subject=Subject.parse(row.subject),
        check=row.check_id,
        object=row.object,
        state=State(row.state),
        first_seen=row.first_seen,
        resolved_at=row.resolved_at,
        reopened=row.reopened,
        last_seen=row.last_seen,
        opened_at=row.opened_at,
        severity=Severity(row.severity),
        waiver=row.waiver,
    )
