"""Scores into rows and back, exactly."""

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, func, or_, select

from secscan.language import _
from secscan.model import Adjusted, Coverage, GroupScore, HostScore, Judgement, Range, Stamp
from secscan.store import tables
from secscan.store.errors import StoreError
from secscan.store.intervals import close, holds
from secscan.store.numbering import chunks, insert_all

#: Opens the level of a score in which waived rules are left out.
ADJUSTED = "adjusted-"

_KINDS = ("", ADJUSTED)
_GROUPS = ("agency", "tier", "whole")


@dataclass(frozen=True, slots=True)
class Scores:
    """A judgement without its findings."""

    stamp: Stamp
    hosts: Mapping[str, HostScore]
    agencies: Mapping[str, GroupScore]
    tiers: Mapping[str, GroupScore]
    whole: GroupScore
    adjusted: Adjusted | None = None


@dataclass(frozen=True, slots=True)
class PastScores:
    """The scores of one agency and some hosts at one judgement; None and left out: not judged then."""

    stamp: Stamp
    agency: GroupScore | None
    hosts: Mapping[str, HostScore]


def save_scores(connection: Connection, judgement: int, scores: Judgement) -> None:
    s = tables.score
    new = {(row["level"], row["subject"]): row for row in _score_rows(scores)}
    changed = dict(new)
    closed: list[dict[str, Any]] = []
    for current in connection.execute(select(s).where(s.c.until.is_(None))).mappings():
        key = (current["level"], current["subject"])
        row = new.get(key)
        if row is not None and all(current[column] == value for column, value in row.items()):
            del changed[key]
        else:
            closed.append({"_level": key[0], "_subject": key[1]})
    ended = and_(s.c.level == bindparam("_level"), s.c.subject == bindparam("_subject"))
    close(connection, s, ended, judgement, closed)
    insert_all(connection, s, [{**row, "since": judgement} for row in changed.values()])


def _score_rows(scores: Judgement) -> Iterator[dict[str, Any]]:
    yield from _rows_of(scores, "")
    if scores.adjusted is not None:
        yield from _rows_of(scores.adjusted, ADJUSTED)


def _rows_of(scores: Judgement | Adjusted, kind: str) -> Iterator[dict[str, Any]]:
    for host in scores.hosts.values():
        yield {
            **_common(kind + "host", host.host, host.range, host),
            "caps": list(host.caps),
            "grade": None,
            "meets_baseline": None,
            "members": None,
        }
    for level, groups in (
        ("agency", scores.agencies.values()),
        ("tier", scores.tiers.values()),
        ("whole", (scores.whole,)),
    ):
        for group in groups:
            yield {
                **_common(kind + level, group.id, group.range, group),
                "caps": None,
                "grade": group.grade,
                "meets_baseline": group.meets_baseline,
                "members": list(group.members),
            }


def _common(level: str, subject: str, range: Range | None, score: HostScore | GroupScore) -> dict[str, Any]:
    return {
        "level": level,
        "subject": subject,
        "verified": range.verified if range else None,
        "possible": range.possible if range else None,
        "evaluated": score.coverage.evaluated,
        "expected": score.coverage.expected,
        # A list: domains are shown in the order the profile gives them.
        "domains": [[name, str(part.verified), str(part.possible)] for name, part in score.domains.items()],
        "critical": score.critical,
        "waived": score.waived or None,
    }


def read_scores(connection: Connection, judged: Row[Any], hosts_of: Collection[str] | None = None) -> Scores:
    """All groups, and the hosts of the agencies ``hosts_of`` alone; None: all hosts."""
    hosts: dict[str, dict[str, HostScore]] = {"": {}, ADJUSTED: {}}
    groups: dict[str, dict[str, GroupScore]] = {}
    for row in _score_rows_of(connection, judged, hosts_of):
        kind = ADJUSTED if row.level.startswith(ADJUSTED) else ""
        if row.level == kind + "host":
            hosts[kind][row.subject] = _host_score(row)
        else:
            groups.setdefault(row.level, {})[row.subject] = _group_score(row)

    def of(kind: str) -> dict[str, Any]:
        (whole,) = groups[kind + "whole"].values()
        agencies, tiers = groups.get(kind + "agency", {}), groups.get(kind + "tier", {})
        return {"hosts": hosts[kind], "agencies": agencies, "tiers": tiers, "whole": whole}

    adjusted = Adjusted(**of(ADJUSTED)) if ADJUSTED + "whole" in groups else None
    return Scores(stamp=stamp_of(judged), adjusted=adjusted, **of(""))


def _score_rows_of(
    connection: Connection, judged: Row[Any], hosts_of: Collection[str] | None
) -> Iterator[Row[Any]]:
    s = tables.score
    held = select(s).where(holds(s, judged.id)).order_by(s.c.subject)
    if hosts_of is None:
        yield from connection.execute(held)
        return
    wanted: list[str] = []
    for row in connection.execute(
        held.where(s.c.level.in_([kind + level for kind in _KINDS for level in _GROUPS]))
    ):
        if row.level == "agency" and row.subject in hosts_of:
            wanted += row.members
        yield row
    for some in chunks(sorted(wanted)):
        of_some = s.c.level.in_([kind + "host" for kind in _KINDS]), s.c.subject.in_(some)
        yield from connection.execute(held.where(*of_some))


def read_past_scores(
    connection: Connection, judged: Row[Any], agency: str, hosts: Sequence[str], last: int
) -> tuple[PastScores, ...]:
    """The scores of an agency and of hosts at the newest judgement of each of the last runs up to ``judged``."""
    j, s = tables.judgement, tables.score
    newest = select(func.max(j.c.id)).where(j.c.id <= judged.id).group_by(j.c.run)
    recent = select(j).where(j.c.id.in_(newest)).order_by(j.c.at.desc(), j.c.id.desc()).limit(last)
    judgements = list(reversed(connection.execute(recent).all()))
    first = min(one.id for one in judgements)
    in_time = and_(s.c.since <= judged.id, or_(s.c.until.is_(None), s.c.until > first))
    of_agency = connection.execute(
        select(s).where(s.c.level == "agency", s.c.subject == agency, in_time)
    ).all()
    of_hosts = [
        row
        for some in chunks(hosts)
        for row in connection.execute(select(s).where(s.c.level == "host", s.c.subject.in_(some), in_time))
    ]

    def held(row: Row[Any], id: int) -> bool:
        return row.since <= id and (row.until is None or row.until > id)

    return tuple(
        PastScores(
            stamp_of(one),
            next((_group_score(row) for row in of_agency if held(row, one.id)), None),
            {row.subject: _host_score(row) for row in of_hosts if held(row, one.id)},
        )
        for one in judgements
    )


def hosts_of_agency(connection: Connection, judged: Row[Any], agency: str) -> list[str]:
    """The agency's own hosts when it was judged. Raises StoreError on an agency that was not."""
    s = tables.score
    agencies = select(s.c.subject, s.c.members).where(s.c.level == "agency", holds(s, judged.id))
    row = connection.execute(agencies.where(s.c.subject == agency)).first()
    if row is None:
        known = sorted(name for name, _members in connection.execute(agencies))
        near = difflib.get_close_matches(agency, known, 1)
        message = (
            _("run {run} did not judge an agency {agency!r}; did you mean {near!r}?")
            if near
            else _("run {run} did not judge an agency {agency!r}: see `secscan inventory list`")
        )
        raise StoreError(message.format(run=judged.run, agency=agency, near="".join(near)))
    return sorted(row.members)


def hosts_of_agencies(connection: Connection, judged: Row[Any]) -> dict[str, str]:
    """Host -> agency, of every agency that was judged."""
    s = tables.score
    agencies = select(s.c.subject, s.c.members).where(s.c.level == "agency", holds(s, judged.id))
    return {host: agency for agency, members in connection.execute(agencies) for host in members}


def stamp_of(judged: Row[Any]) -> Stamp:
    return Stamp(
        run=judged.run,
        at=judged.at,
        baseline=judged.baseline,
        baseline_hash=judged.baseline_hash,
        scoring_version=judged.scoring_version,
        secscan_version=judged.secscan_version,
        inventory_hash=judged.inventory_hash,
        feeds=tuple((name, datetime.fromisoformat(as_of)) for name, as_of in judged.feeds or ()),
    )


def _host_score(row: Row[Any]) -> HostScore:
    return HostScore(
        host=row.subject,
        range=Range(row.verified, row.possible),
        coverage=Coverage(row.evaluated, row.expected),
        domains=_domains(row.domains),
        caps=tuple(row.caps),
        critical=row.critical,
        waived=row.waived or Fraction(0),
    )


def _group_score(row: Row[Any]) -> GroupScore:
    return GroupScore(
        id=row.subject,
        range=None if row.verified is None else Range(row.verified, row.possible),
        grade=row.grade,
        meets_baseline=row.meets_baseline,
        coverage=Coverage(row.evaluated, row.expected),
        domains=_domains(row.domains),
        members=tuple(row.members),
        critical=row.critical,
        waived=row.waived or Fraction(0),
    )


def _domains(stored: Sequence[Sequence[str]]) -> dict[str, Range]:
    return {name: Range(Fraction(verified), Fraction(possible)) for name, verified, possible in stored}
