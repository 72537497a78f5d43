"""Whether the database is sound: its file, its revision, and everything that is kept under a digest or a name."""

import stat
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, Select, or_, select

from secscan.facts import digest
from secscan.language import _
from secscan.model import Outcome, Reason, Severity, Subject, finding_id
from secscan.store import chain, migrations, revisions, tables
from secscan.store.columns import from_json_text
from secscan.store.database import Database, damage
from secscan.store.errors import StoreError
from secscan.store.evidence import UNREADABLE
from secscan.store.numbering import document_digest, phrase_digest, unpack

#: Problems named of one kind; a broken disk would list millions.
AT_MOST = 20

#: Rows read at a time.
ROWS = 1_000


def check(database: Database) -> list[str]:
    """What is wrong, in plain words."""
    problems = list(_file(database))
    for part in (
        damage,
        _revision,
        _facts,
        _documents,
        _phrases,
        _observations,
        _findings,
        _intervals,
        chain.problems,
    ):
        found: list[str] = []
        try:
            with database.reading() as connection:
                for problem in part(connection):
                    found.append(problem)
                    if len(found) == AT_MOST:
                        found.append(_("... and maybe more of this kind"))
                        break
        except StoreError as e:
            found.append(str(e))
        except UNREADABLE as e:
            # A damaged text may not even come out of its column.
            found.append(_("a row can't be read: {problem}").format(problem=e))
        problems += found
    return problems


def _file(database: Database) -> Iterator[str]:
    if database.path is not None and database.path.exists():
        mode = stat.S_IMODE(database.path.stat().st_mode)
        if mode & 0o077:
            yield _("{database} can be read by others (mode {mode}, expected 0600): chmod 600 it").format(
                database=database.name, mode=f"{mode:04o}"
            )


def _revision(connection: Connection) -> Iterator[str]:
    found = revisions.revision(connection)
    if found != migrations.HEAD:
        yield _("the database has revision {found!r}, expected {known!r}").format(
            found=found, known=migrations.HEAD
        )


def _facts(connection: Connection) -> Iterator[str]:
    f, k = tables.facts, tables.kind
    every = select(f.c.id, f.c.digest, k.c.name, f.c.version, f.c.packed, f.c.body)
    for row in _stream(connection, every.join_from(f, k, f.c.kind == k.c.id)):
        yield from _compare(
            _("facts {id} (of kind {kind!r})").format(id=row.id, kind=row.name),
            row.digest,
            partial(_facts_digest, row),
        )


def _documents(connection: Connection) -> Iterator[str]:
    for row in _stream(connection, select(tables.document)):
        yield from _compare(
            _("document {id}").format(id=row.id),
            row.digest,
            partial(_document_digest, row),
        )


def _phrases(connection: Connection) -> Iterator[str]:
    for row in _stream(connection, select(tables.phrase)):
        yield from _compare(_("text {id}").format(id=row.id), row.digest, partial(phrase_digest, row.text))


def _facts_digest(row: Row[Any]) -> bytes:
    return digest(row.name, row.version, unpack(row.packed, row.body))


def _document_digest(row: Row[Any]) -> bytes:
    return document_digest(unpack(row.packed, row.body))


def _compare(what: str, expected: bytes, content: Callable[[], bytes]) -> Iterator[str]:
    try:
        if content() != expected:
            yield _("{what} changed since it was written: it does not match its digest").format(what=what)
    except UNREADABLE as e:
        yield _("{what} can't be read: {problem}").format(what=what, problem=e)


def _observations(connection: Connection) -> Iterator[str]:
    o = tables.observation
    reasons = [reason.value for reason in Reason]
    odd = select(o.c.run, o.c.reason, o.c.facts).where(
        or_(o.c.reason.is_(None) == o.c.facts.is_(None), o.c.reason.not_in(reasons))
    )
    for row in _stream(connection, odd):
        yield _("an observation of run {run} has the facts {facts!r} and the reason {reason!r}").format(
            run=row.run, facts=row.facts, reason=row.reason
        )


def _findings(connection: Connection) -> Iterator[str]:
    f, p = tables.finding, tables.phrase
    every = select(f.c.name, f.c.subject, p.c.text.label("check_id"), f.c.object)
    for row in _stream(connection, every.join_from(f, p, f.c.check == p.c.id)):
        try:
            if finding_id(Subject.parse(row.subject), row.check_id, row.object) != row.name:
                yield _("finding {name!r} is not named for its subject, check and object").format(
                    name=row.name
                )
        except ValueError:
            yield _("finding {name!r} is about {subject!r}, which is no subject").format(
                name=row.name, subject=row.subject
            )


def _intervals(connection: Connection) -> Iterator[str]:
    f, s = tables.finding, tables.finding_state
    every = select(
        f.c.name,
        s.c.since,
        s.c.until,
        s.c.outcome,
        s.c.severity,
        s.c.reason,
        s.c.template_values,
        s.c.addresses,
    )
    last: Row[Any] | None = None
    for row in _stream(
        connection, every.join_from(s, f, s.c.finding == f.c.id).order_by(s.c.finding, s.c.since)
    ):
        where = _("finding {name!r}, from judgement {since}").format(name=row.name, since=row.since)
        if row.until is not None and row.until <= row.since:
            yield _("{where}: it ends before it begins").format(where=where)
        if last is not None and last.name == row.name and (last.until is None or last.until > row.since):
            yield _("{where}: it begins while an earlier state still holds").format(where=where)
        try:
            Outcome(row.outcome), Severity(row.severity), row.reason and Reason(row.reason)
            from_json_text(row.template_values), from_json_text(row.addresses)
        except ValueError as e:
            yield f"{where}: {e}"
        last = row


def _stream(connection: Connection, query: Select[Any]) -> Iterator[Row[Any]]:
    return iter(connection.execution_options(yield_per=ROWS).execute(query))
