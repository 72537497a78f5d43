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
from secscan.store.columns import as_written, from_json_text, json_text, microseconds, storable
from secscan.store.evidence import last_attempts
from secscan.store.intervals import close, holds
from secscan.store.numbering import chunks, insert_stored, number, number_phrases, phrase_digest, phrase_texts

#: Hosts whose findings are compared or read in one go.
HOSTS_AT_ONCE = 250

#: The columns of a finding, in the order of what is written.
IDENTITY = ("id", "host", "name", "subject", "check", "object")

#: The columns that make a finding unchanged; when it was seen is not one of them.
STATE = ("outcome", "severity", "reason", "template", "template_values", "addresses")

# Plain tuples in the order of these columns: a judgement compares every finding of the fleet.
_Identity: TypeAlias = tuple[str, str, str]
_State: TypeAlias = tuple[str, int, str | None, str, str, str]


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


@dataclass(frozen=True, slots=True)
class FindingChanges:
    """What a judgement says of some hosts otherwise than the newest one that is stored.

    Made by readers, in whatever process, so that a host's findings can be forgotten when it was judged; written by
    the one writer. Rows are plain tuples: the finding's number (None: it has none yet), host, id, subject, check and
    object; then outcome, severity, reason, template, values, addresses and when it was seen, as they are stored.
    """

    #: Every host that was judged, those too of which nothing changed.
    hosts: tuple[str, ...]
    opened: tuple[tuple[Any, ...], ...]
    #: Numbers of findings whose present state ends.
    closed: tuple[int, ...]


def find_changes(connection: Connection, findings: Mapping[str, Sequence[Finding]]) -> FindingChanges:
    """Raises ValueError where a finding is named twice."""
    opened: list[tuple[Any, ...]] = []
    closed: list[int] = []
    for some in chunks(sorted(findings), HOSTS_AT_ONCE):
        _compare_hosts(connection, {host: findings[host] for host in some}, opened, closed)
    return FindingChanges(tuple(findings), tuple(opened), tuple(closed))


def _compare_hosts(
    connection: Connection,
    findings: Mapping[str, Sequence[Finding]],
    opened: list[tuple[Any, ...]],
    closed: list[int],
) -> None:
    known = _known_findings(connection, findings)
    for host, of_host in findings.items():
        of_subject: dict[Subject, str] = {}
        left = known.get(host, {})
        named: set[_Identity] = set()
        for finding in of_host:
            subject = of_subject.get(finding.subject)
            if subject is None:
                subject = of_subject[finding.subject] = finding.subject.key
            identity = (subject, finding.check, finding.object)
            if identity in named:
                raise ValueError(f"{finding.id} ({finding.check} on {subject}) is there twice")
            named.add(identity)
            state = _state(finding)
            id, current = left.pop(identity, (None, None))
            if current == state:
                continue
            if id is not None and current is not None:
                closed.append(id)
            at = finding.observed_at
            seen_at = None if at is None else microseconds(at)
            name = "" if id is not None else finding.id
            opened.append((id, host, name, *identity, *state, seen_at))
        closed += [id for id, current in left.values() if current is not None]


def apply_changes(connection: Connection, judgement: int, changes: FindingChanges) -> None:
    hosts = number(connection, tables.host, changes.hosts)
    phrases = number_phrases(connection, {text for row in changes.opened for text in (row[4], row[9])})
    next_id = next_finding(connection)
    new: list[tuple[Any, ...]] = []
    states: list[tuple[Any, ...]] = []
    for id, host, name, subject, check, object, outcome, severity, reason, template, *rest in changes.opened:
        if id is None:
            id = next_id
            next_id += 1
            new.append((id, hosts[host], name, storable(subject), phrases[check], storable(object)))
        values, addresses, seen_at = rest
        states.append(
            (id, judgement, outcome, severity, reason, phrases[template], values, addresses, seen_at)
        )
    s = tables.finding_state
    ended = [{"_finding": id} for id in changes.closed]
    close(connection, s, s.c.finding == bindparam("_finding"), judgement, ended)
    insert_stored(connection, tables.finding, IDENTITY, new)
    insert_stored(connection, s, ("finding", "since", *STATE, "observed_at"), states)


def close_others(connection: Connection, judgement: int, hosts: Iterable[str]) -> None:
    """Ends what is current of all other hosts: they are gone."""
    h, f, s = tables.host, tables.finding, tables.finding_state
    current = select(f.c.id).join(s, s.c.finding == f.c.id).where(f.c.host == h.c.id, s.c.until.is_(None))
    held = {name: id for id, name in connection.execute(select(h.c.id, h.c.name).where(current.exists()))}
    gone = [{"_host": held[name]} for name in sorted(held.keys() - set(hosts))]
    of_host = select(f.c.id).where(f.c.host == bindparam("_host")).scalar_subquery()
    close(connection, s, s.c.finding.in_(of_host), judgement, gone)


def _state(finding: Finding) -> _State:
    return (
        finding.outcome.value,
        int(finding.severity),
        finding.reason.value if finding.reason else None,
        finding.evidence.template,
        json_text(finding.evidence.values),
        json_text(finding.addresses),
    )


def _known_findings(
    connection: Connection, hosts: Iterable[str]
) -> dict[str, dict[_Identity, tuple[int, _State | None]]]:
    """Every finding these hosts ever had, and its current state if it has one."""
    h, f, s = tables.host, tables.finding, tables.finding_state
    plain = [type_coerce(f.c[name], TextColumn) for name in ("subject", "object")]
    rows = connection.execute(
        select(h.c.name, f.c.id, plain[0], f.c.check, plain[1], *(s.c[name] for name in STATE))
        .join_from(h, f, f.c.host == h.c.id)
        .join(s, and_(s.c.finding == f.c.id, s.c.until.is_(None)), isouter=True)
        .where(h.c.name.in_(list(hosts)))
    ).all()
    used = {id for row in rows for id in (row[3], row[8]) if id is not None}
    texts = phrase_texts(connection, used)
    known: dict[str, dict[_Identity, tuple[int, _State | None]]] = {}
    for host, id, subject, check, object, outcome, severity, reason, template, values, addresses in rows:
        identity = (as_written(subject), texts[check], as_written(object))
        state = None if outcome is None else (outcome, severity, reason, texts[template], values, addresses)
        known.setdefault(host, {})[identity] = (id, state)
    return known


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
