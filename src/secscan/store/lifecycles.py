"""The lives of findings into rows and back."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeAlias

from sqlalchemy import BigInteger, Connection, Row, Select, bindparam, select, type_coerce, update

from secscan.history import Lifecycle, State
from secscan.model import Subject
from secscan.store import tables
from secscan.store.columns import microseconds
from secscan.store.findings import SEVERITIES, next_finding
from secscan.store.numbering import chunks, insert_all, number, number_phrases

#: Lives that are compared in one go; each is looked up by the finding's id.
LIVES_AT_ONCE = 1_000

#: The columns that make a life changed; when it was last seen is not one of them.
CHANGE = ("state", "resolved_at", "reopened", "opened_at", "severity", "waiver")


def save_lives(connection: Connection, judgement: int, lives: Mapping[str, Lifecycle]) -> None:
    for some in chunks(sorted(lives), LIVES_AT_ONCE):
        wanted = {_life_key(lives[name]): lives[name] for name in some}
        stored = _rows_named(connection, some)
        _add_findings(connection, [life for key, life in wanted.items() if key not in stored])
        if wanted.keys() - stored.keys():
            stored = _rows_named(connection, some)
        begun: list[dict[str, Any]] = []
        changed: list[dict[str, Any]] = []
        seen: list[dict[str, Any]] = []
        turns: list[dict[str, Any]] = []
        for key, life in wanted.items():
            id, *before = stored[key]
            turn = (
                life.state.value,
                None if life.resolved_at is None else microseconds(life.resolved_at),
                life.reopened,
                microseconds(life.opened_at),
                int(life.severity),
                life.waiver,
            )
            if before[: len(CHANGE)] == list(turn):
                # Every failure of the fleet, whenever it is looked at again.
                seen.append({"_finding": id, "last_seen": life.last_seen})
                continue
            columns = dict(zip(CHANGE, turn, strict=True)) | {
                "resolved_at": life.resolved_at,
                "opened_at": life.opened_at,
            }
            turns.append({"finding": id, "judgement": judgement, **columns})
            of_life = {"first_seen": life.first_seen, "last_seen": life.last_seen, **columns}
            if before[0] is None:
                begun.append({"finding": id, **of_life})
            else:
                changed.append({"_finding": id, **of_life})
        insert_all(connection, tables.lifecycle, begun)
        by_id = update(tables.lifecycle).where(tables.lifecycle.c.finding == bindparam("_finding"))
        for rows in (changed, seen):
            if rows:
                connection.execute(by_id, rows)
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


def _rows_named(connection: Connection, names: Sequence[str]) -> dict[_LifeKey, list[Any]]:
    """The number of each finding and the ``CHANGE`` of its life as it is stored; of one without a life, None."""
    life = tables.lifecycle.c
    plain = [
        type_coerce(life[name], BigInteger if name.endswith("_at") else life[name].type) for name in CHANGE
    ]
    f, p = tables.finding, tables.phrase
    rows = (
        select(f.c.name, f.c.subject, p.c.text, f.c.object, f.c.id, *plain)
        .join_from(f, p, f.c.check == p.c.id)
        .join(tables.lifecycle, life.finding == f.c.id, isouter=True)
        .where(f.c.name.in_(names))
    )
    return {
        (name, subject, check, object): row
        for name, subject, check, object, *row in connection.execute(rows).all()
    }


def read_lives(connection: Connection, hosts: Sequence[str] | None) -> dict[str, Lifecycle]:
    """The lives of all findings that ever failed, of these hosts or of all, by finding id."""
    lives: dict[str, Lifecycle] = {}
    known = _lives().where(tables.lifecycle.c.state.is_not(None))
    for some in [None] if hosts is None else chunks(hosts):
        of_some = known if some is None else known.where(tables.host.c.name.in_(some))
        lives |= {row.name: _life(row) for row in connection.execute(of_some)}
    return lives


def read_lives_after(
    connection: Connection, judged: Row[Any], hosts: Sequence[str] | None
) -> dict[str, Lifecycle]:
    """As ``read_lives``, as they stood after a judgement. Of what is open by now, ``last_seen`` is at most its time."""
    f, h = tables.finding, tables.host
    numbers = select(f.c.id).join_from(f, tables.lifecycle, tables.lifecycle.c.finding == f.c.id)
    lives: dict[str, Lifecycle] = {}
    for some in [None] if hosts is None else chunks(hosts):
        of_some = numbers if some is None else numbers.join(h, f.c.host == h.c.id).where(h.c.name.in_(some))
        ids = [id for (id,) in connection.execute(of_some)]
        (then,) = read_lives_then(connection, [judged.id], ids)
        lives |= then
    return {id: replace(life, last_seen=min(life.last_seen, judged.at)) for id, life in lives.items()}


def read_lives_then(
    connection: Connection, judgements: Sequence[int], findings: Sequence[int]
) -> list[dict[str, Lifecycle]]:
    """The lives of these findings as they stood after each judgement, by finding id; those not begun are left out.

    ``last_seen`` is that of today: what it was then is not kept.
    """
    c = tables.life_change.c
    then: list[dict[str, Lifecycle]] = [{} for _ in judgements]
    for some in chunks(findings):
        rows = connection.execute(
            _lives().where(tables.finding.c.id.in_(some), tables.lifecycle.c.state.is_not(None))
        )
        now = {row.id: _life(row) for row in rows}
        turns = select(tables.life_change).where(c.finding.in_(some), c.judgement <= max(judgements))
        for turn in connection.execute(turns.order_by(c.finding, c.judgement)):
            life = _as_it_was(now[turn.finding], turn)
            for judgement, lives in zip(judgements, then, strict=True):
                if turn.judgement <= judgement:
                    lives[life.finding] = life
    return then


def _as_it_was(now: Lifecycle, turn: Row[Any]) -> Lifecycle:
    return replace(
        now,
        state=STATES[turn.state],
        resolved_at=turn.resolved_at,
        reopened=turn.reopened,
        opened_at=turn.opened_at,
        severity=SEVERITIES[turn.severity],
        waiver=turn.waiver,
    )


def save_accepted(connection: Connection, accepted: Mapping[tuple[str, str], str]) -> None:
    """Keeps what is new; what a failure looked like when it was first waived never changes."""
    known = read_accepted(connection)
    rows = [
        {"waiver": waiver, "finding": finding, "evidence": evidence}
        for (waiver, finding), evidence in sorted(accepted.items())
        if (waiver, finding) not in known
    ]
    insert_all(connection, tables.waived, rows)


def read_accepted(connection: Connection) -> dict[tuple[str, str], str]:
    return {
        (waiver, finding): evidence
        for waiver, finding, evidence in connection.execute(select(tables.waived)).all()
    }


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
        subject=_subject(row.subject),
        check=row.check_id,
        object=row.object,
        state=STATES[row.state],
        first_seen=row.first_seen,
        resolved_at=row.resolved_at,
        reopened=row.reopened,
        last_seen=row.last_seen,
        opened_at=row.opened_at,
        severity=SEVERITIES[row.severity],
        waiver=row.waiver,
    )


STATES = {state.value: state for state in State}


@lru_cache(maxsize=4_096)
def _subject(key: str) -> Subject:
    return Subject.parse(key)
