"""Findings into rows and back: an identity once, and a row for each state it was in."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, bindparam, func, select

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
from secscan.store.columns import from_json_text, json_text
from secscan.store.evidence import last_attempts
from secscan.store.intervals import close, holds
from secscan.store.numbering import chunks, insert_all, number, number_phrases

#: Hosts whose findings are compared or read in one go.
HOSTS_AT_ONCE = 250


@dataclass(frozen=True, slots=True)
class FindingFilter:
    """Which findings are wanted; None wants all."""

    check: str | None = None
    outcomes: Collection[Outcome] | None = None

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        if self.check is not None:
            yield tables.phrase.c.text == self.check
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
            identity = _Identity(host, finding.subject.key, phrases[finding.check], finding.object)
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
                new.append({"id": id, "name": finding.id, **identity._asdict()})
            elif current is not None:
                closed.append({"_finding": id})
            opened.append(
                {
                    "finding": id,
                    "since": judgement,
                    "observed_at": finding.observed_at,
                    **state._asdict(),
                }
            )
    unnamed = known.keys() - named
    closed += [{"_finding": known[identity][0]} for identity in unnamed if known[identity][1] is not None]

    s = tables.finding_state
    close(connection, s, s.c.finding == bindparam("_finding"), judgement, closed)
    insert_all(connection, tables.finding, new)
    insert_all(connection, s, opened)


class _Identity(NamedTuple):
    """What makes a finding the same one; columns of its row."""

    host: int
    subject: str
    check: int
    object: str


class _State(NamedTuple):
    """What makes a finding unchanged; columns of its row. When it was seen is not part of it."""

    outcome: str
    severity: int
    reason: str | None
    template: int
    template_values: str
    addresses: str


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
    return _State(
        outcome=finding.outcome.value,
        severity=int(finding.severity),
        reason=finding.reason.value if finding.reason else None,
        template=phrases[finding.evidence.template],
        template_values=json_text(finding.evidence.values),
        addresses=json_text(finding.addresses),
    )


def _known_findings(
    connection: Connection, hosts: Iterable[int]
) -> dict[_Identity, tuple[int, _State | None]]:
    """Every finding these hosts ever had, and its current state if it has one."""
    f, s = tables.finding, tables.finding_state
    current = and_(s.c.finding == f.c.id, s.c.until.is_(None))
    rows = (
        select(
            f.c.id,
            f.c.host,
            f.c.subject,
            f.c.check,
            f.c.object,
            s.c.outcome,
            s.c.severity,
            s.c.reason,
            s.c.template,
            s.c.template_values,
            s.c.addresses,
        )
        .join_from(f, s, current, isouter=True)
        .where(f.c.host.in_(hosts))
    )
    return {
        _Identity._make(row[1:5]): (row[0], None if row.outcome is None else _State._make(row[5:]))
        for row in connection.execute(rows).all()
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
    looked_at = last_attempts(connection, sorted({row.host for row in rows}), judged.at)
    by_host: dict[str, list[Finding]] = {}
    for row in rows:
        finding = _finding(row)
        if row.since != judged.id:
            finding = _seen_again(finding, looked_at.get(row.host, {}))
        by_host.setdefault(row.host, []).append(finding)
    return {
        host: tuple(sorted(by_host[host], key=lambda f: (f.subject, f.check, f.object)))
        for host in sorted(by_host)
    }


def read_finding(connection: Connection, id: str) -> Finding | None:
    """What was last said of a finding, be it by an older judgement; None where none ever named it."""
    s, j = tables.finding_state, tables.judgement
    newest = _findings().where(tables.finding.c.name == id).order_by(s.c.since.desc()).limit(1)
    row = connection.execute(newest).first()
    if row is None:
        return None
    ending = j.c.id < row.until if row.until is not None else j.c.id >= row.since
    last = connection.execute(select(j).where(ending).order_by(j.c.id.desc()).limit(1)).one()
    if last.id == row.since:
        return _finding(row)
    return _seen_again(_finding(row), last_attempts(connection, [row.host], last.at).get(row.host, {}))


def _findings() -> Select[Any]:
    h, f, s, p = tables.host, tables.finding, tables.finding_state, tables.phrase
    template = p.alias("template")
    return (
        select(
            h.c.name.label("host"),
            f.c.subject,
            p.c.text.label("check_id"),
            f.c.object,
            s.c.since,
            s.c.until,
            s.c.outcome,
            s.c.severity,
            s.c.reason,
            template.c.text.label("template"),
            s.c.template_values,
            s.c.observed_at,
            s.c.addresses,
        )
        .join_from(h, f, f.c.host == h.c.id)
        .join(p, f.c.check == p.c.id)
        .join(s, s.c.finding == f.c.id)
        .join(template, s.c.template == template.c.id)
    )


def _finding(row: Row[Any]) -> Finding:
    return Finding(
        subject=_subject(row.subject),
        check=row.check_id,
        object=row.object,
        outcome=Outcome(row.outcome),
        severity=Severity(row.severity),
        evidence=Text(row.template, from_json_text(row.template_values)),
        reason=None if row.reason is None else Reason(row.reason),
        observed_at=row.observed_at,
        addresses=tuple(from_json_text(row.addresses)),
    )


_subject = lru_cache(maxsize=4_096)(Subject.parse)


def _seen_again(finding: Finding, looked_at: Mapping[Target, datetime]) -> Finding:
    """The finding with the time of the newest look at what it is about, which changed nothing else about it."""
    instants = [looked_at[target] for target in _targets(finding) if target in looked_at]
    if finding.observed_at is None or not instants or min(instants) <= finding.observed_at:
        return finding
    return replace(finding, observed_at=min(instants))


def _targets(finding: Finding) -> Sequence[Target]:
    subject = finding.subject
    match subject.level:
        case SubjectLevel.SERVICE:
            service = Service(subject.id, subject.transport, subject.port, subject.server_name)
            return [Endpoint(service, address) for address in finding.addresses]
        case SubjectLevel.HOST if finding.addresses:
            return [AddressTarget(subject.id, address) for address in finding.addresses]
        case SubjectLevel.HOST:
            return [HostTarget(subject.id)]
    return []
