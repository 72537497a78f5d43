"""Findings into rows and back: an identity once, and a row for each state it was in."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, bindparam, func, select, type_coerce
from sqlalchemy import Text as TextColumn

from secscan.model import (
    AddressTarget,
    Endpoint,
    Finding,
    HostTarget,
    Outcome,
    Reason,
    Service,
    Severity,
    Subject,
    SubjectLevel,
    Target,
    Text,
)
from secscan.store import tables
from secscan.store.columns import as_written, from_json_text, json_text
from secscan.store.evidence import last_attempts
from secscan.store.intervals import close, holds
from secscan.store.numbering import chunks, insert_all, number, number_phrases, phrase_digest, phrase_texts

#: Hosts whose findings are compared or read in one go.
HOSTS_AT_ONCE = 250

#: The columns that make a finding the same one.
IDENTITY = ("host", "subject", "check", "object")

#: The columns that make a finding unchanged; when it was seen is not one of them.
STATE = ("outcome", "severity", "reason", "template", "template_values", "addresses")

# Plain tuples in the order of these columns: a judgement compares every finding of the fleet.
_Identity: TypeAlias = tuple[int, str, int, str]
_State: TypeAlias = tuple[str, int, str | None, int, str, str]


@dataclass(frozen=True, slots=True)
class FindingFilter:
    """Which findings are wanted; None wants all."""

    check: str | None = None
    outcomes: Collection[Outcome] | None = None

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        phrase = tables.phrase
        if self.check is not None:
            yield tables.finding.c.check.in_(
                select(phrase.c.id).where(phrase.c.digest == phrase_digest(self.check))
            )
        if self.outcomes is not None:
            yield tables.finding_state.c.outcome.in_([outcome.value for outcome in self.outcomes])


def save_findings(connection: Connection, judgement: int, findings: Mapping[str, Sequence[Finding]]) -> None:
    hosts = number(connection, tables.host, findings)
    phrases = _Phrases(connection)
    for some in chunks(sorted(findings), HOSTS_AT_ONCE):
        _save_hosts(connection, judgement, {hosts[host]: findings[host] for host in some}, phrases)

    h, f, s = tables.host, tables.finding, tables.finding_state
    current = select(f.c.id).join(s, s.c.finding == f.c.id).where(f.c.host == h.c.id, s.c.until.is_(None))
    held = {id for (id,) in connection.execute(select(h.c.id).where(current.exists()))}
    gone = [{"_host": id} for id in sorted(held - set(hosts.values()))]
    of_host = select(f.c.id).where(f.c.host == bindparam("_host")).scalar_subquery()
    close(connection, s, s.c.finding.in_(of_host), judgement, gone)


def _save_hosts(
    connection: Connection, judgement: int, findings: Mapping[int, Sequence[Finding]], phrases: "_Phrases"
) -> None:
    known = _known_findings(connection, findings)
    phrases.learn(t for of_host in findings.values() for f in of_host for t in (f.check, f.evidence.template))
    next_id = next_finding(connection)
    new: list[dict[str, Any]] = []
    opened: list[dict[str, Any]] = []
    closed: list[dict[str, Any]] = []
    named: set[_Identity] = set()
    for host, of_host in findings.items():
        for finding in of_host:
            identity = (host, finding.subject.key, phrases[finding.check], finding.object)
            if identity in named:
                raise ValueError(f"{finding.id} ({finding.check} on {finding.subject.key}) is there twice")
            named.add(identity)
            state = _state(finding, phrases)
            id, current = known.get(identity, (None, None))
            if current == state:
                continue
            if id is None:
                id = next_id
                next_id += 1
                new.append({"id": id, "name": finding.id, **dict(zip(IDENTITY, identity, strict=True))})
            elif current is not None:
                closed.append({"_finding": id})
            columns = dict(zip(STATE, state, strict=True))
            opened.append({"finding": id, "since": judgement, "observed_at": finding.observed_at, **columns})
    unnamed = known.keys() - named
    closed += [{"_finding": known[identity][0]} for identity in unnamed if known[identity][1] is not None]

    s = tables.finding_state
    close(connection, s, s.c.finding == bindparam("_finding"), judgement, closed)
    insert_all(connection, tables.finding, new)
    insert_all(connection, s, opened)


class _Phrases:
    """Numbers of check ids and evidence templates: few, and met again with every host."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._numbers: dict[str, int] = {}

    def learn(self, texts: Iterable[str]) -> None:
        self._numbers |= number_phrases(self._connection, set(texts) - self._numbers.keys())

    def __getitem__(self, text: str) -> int:
        return self._numbers[text]


def _state(finding: Finding, phrases: _Phrases) -> _State:
    return (
        finding.outcome.value,
        int(finding.severity),
        finding.reason.value if finding.reason else None,
        phrases[finding.evidence.template],
        json_text(finding.evidence.values),
        json_text(finding.addresses),
    )


def _known_findings(
    connection: Connection, hosts: Iterable[int]
) -> dict[_Identity, tuple[int, _State | None]]:
    """Every finding these hosts ever had, and its current state if it has one."""
    f, s = tables.finding, tables.finding_state
    rows = (
        select(f.c.id, *(f.c[name] for name in IDENTITY), *(s.c[name] for name in STATE))
        .join_from(f, s, and_(s.c.finding == f.c.id, s.c.until.is_(None)), isouter=True)
        .where(f.c.host.in_(hosts))
    )
    return {
        (host, subject, check, object): (id, None if state[0] is None else tuple(state))
        for id, host, subject, check, object, *state in connection.execute(rows).all()
    }


def next_finding(connection: Connection) -> int:
    return int(connection.execute(select(func.max(tables.finding.c.id))).scalar() or 0) + 1


def hosts_with_findings(connection: Connection) -> list[str]:
    """Every host that was ever judged, by id."""
    h, f = tables.host, tables.finding
    every = select(h.c.name).where(select(f.c.id).where(f.c.host == h.c.id).exists())
    return sorted(name for (name,) in connection.execute(every))


def read_findings(
    connection: Connection, judged: Row[Any], hosts: Sequence[str], wanted: FindingFilter
) -> dict[str, tuple[Finding, ...]]:
    """What a judgement said of these hosts; those without a wanted finding are left out."""
    of_hosts = _findings().where(
        tables.host.c.name.in_(hosts), holds(tables.finding_state, judged.id), *wanted.conditions()
    )
    rows = connection.execute(of_hosts).all()
    read = _Reading(connection, judged, rows)
    by_host: dict[str, list[Finding]] = {}
    for row in rows:
        by_host.setdefault(row.host, []).append(read.finding(row))
    return {
        host: tuple(sorted(by_host[host], key=attrgetter("subject", "check", "object")))
        for host in sorted(by_host)
    }


def read_findings_of(connection: Connection, judged: Row[Any], numbers: Iterable[int]) -> dict[str, Finding]:
    """What a judgement said of the findings of these numbers, by id; those it did not name are left out.

    ``observed_at`` is when the present state was first seen: when it was looked at again is not asked for.
    """
    found: dict[str, Finding] = {}
    for some in chunks(numbers):
        of_some = _findings().where(tables.finding.c.id.in_(some), holds(tables.finding_state, judged.id))
        rows = connection.execute(of_some).all()
        read = _Reading(connection, judged, rows, with_looks=False)
        for finding in map(read.finding, rows):
            found[finding.id] = finding
    return found


def read_finding(connection: Connection, id: str) -> Finding | None:
    """What was last said of a finding, be it by an older judgement; None where none ever named it."""
    s, j = tables.finding_state, tables.judgement
    newest = _findings().where(tables.finding.c.name == id).order_by(s.c.since.desc()).limit(1)
    row = connection.execute(newest).first()
    if row is None:
        return None
    said = j.c.id < row.until if row.until is not None else j.c.id >= row.since
    judged = connection.execute(select(j).where(said).order_by(j.c.id.desc()).limit(1)).one()
    return _Reading(connection, judged, [row]).finding(row)


def read_last_failures(connection: Connection, ids: Iterable[str]) -> dict[str, Finding]:
    """What each of these findings looked like in the newest judgement that saw it fail, by id."""
    f, s = tables.finding, tables.finding_state
    found: dict[str, Finding] = {}
    for some in chunks(sorted(ids)):
        last = (
            select(s.c.finding, func.max(s.c.since).label("since"))
            .join_from(f, s, s.c.finding == f.c.id)
            .where(f.c.name.in_(some), s.c.outcome == Outcome.FAIL.value)
            .group_by(s.c.finding)
            .subquery()
        )
        newest = _findings().join(last, and_(last.c.finding == s.c.finding, last.c.since == s.c.since))
        rows = connection.execute(newest).all()
        texts = phrase_texts(connection, {id for row in rows for id in (row.check, row.template)})
        for finding in (_finding(row, texts, row.observed_at) for row in rows):
            found[finding.id] = finding
    return found


def _findings() -> Select[Any]:
    h, f, s = tables.host, tables.finding, tables.finding_state
    return (
        select(
            h.c.name.label("host"),
            type_coerce(f.c.subject, TextColumn).label("subject"),
            f.c.check,
            f.c.object,
            s.c.outcome,
            s.c.severity,
            s.c.reason,
            s.c.template,
            s.c.template_values,
            s.c.addresses,
            s.c.observed_at,
            s.c.since,
            s.c.until,
        )
        .join_from(h, f, f.c.host == h.c.id)
        .join(s, s.c.finding == f.c.id)
    )


class _Reading:
    """What the rows of some hosts share: texts, and when each of their targets was last looked at."""

    def __init__(
        self, connection: Connection, judged: Row[Any], rows: Sequence[Row[Any]], *, with_looks: bool = True
    ) -> None:
        self._judgement = judged.id
        self._texts = phrase_texts(connection, {id for row in rows for id in (row.check, row.template)})
        hosts = sorted({row.host for row in rows}) if with_looks else []
        self._looked_at = last_attempts(connection, hosts, judged.at) if hosts else {}
        self._newest_look = lru_cache(maxsize=None)(self._find_newest_look)

    def finding(self, row: Sequence[Any]) -> Finding:
        host, subject, *_said, addresses, at, since, _until = row
        if since != self._judgement and at is not None:
            look = self._newest_look(host, subject, addresses)
            at = at if look is None else max(at, look)
        return _finding(row, self._texts, at)

    def _find_newest_look(self, host: str, subject: str, addresses: str) -> datetime | None:
        """When everything the finding is about had been looked at again, which changed nothing else about it."""
        looked_at = self._looked_at.get(host, {})
        targets = _targets(_subject(subject), _addresses(addresses))
        return min((looked_at[target] for target in targets if target in looked_at), default=None)


def _finding(row: Sequence[Any], texts: Mapping[int, str], at: datetime | None) -> Finding:
    _host, subject, check, object, outcome, severity, reason, template, values, addresses, *_when = row
    return Finding(
        subject=_subject(subject),
        check=texts[check],
        object=object,
        outcome=OUTCOMES[outcome],
        severity=SEVERITIES[severity],
        evidence=Text(texts[template], from_json_text(values)),
        reason=None if reason is None else Reason(reason),
        observed_at=at,
        addresses=_addresses(addresses),
    )


OUTCOMES = {outcome.value: outcome for outcome in Outcome}
SEVERITIES = {severity.value: severity for severity in Severity}


@lru_cache(maxsize=4_096)
def _subject(stored: str) -> Subject:
    return Subject.parse(as_written(stored))


@lru_cache(maxsize=4_096)
def _addresses(stored: str) -> tuple[str, ...]:
    return tuple(from_json_text(stored))


def _targets(subject: Subject, addresses: Sequence[str]) -> Sequence[Target]:
    match subject.level:
        case SubjectLevel.SERVICE:
            service = Service(subject.id, subject.transport, subject.port, subject.server_name)
            return [Endpoint(service, address) for address in addresses]
        case SubjectLevel.HOST if addresses:
            return [AddressTarget(subject.id, address) for address in addresses]
        case SubjectLevel.HOST:
            return [HostTarget(subject.id)]
    return []
