"""The page of all agencies."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction

from secscan.baseline import Baseline
from secscan.model import Agency, GroupScore, Severity, Stamp
from secscan.report.text import visible
from secscan.report.views.backups import ladder_of
from secscan.report.views.fleet import Broken, FleetData
from secscan.report.views.parts import method_view, named, score_view
from secscan.report.views.shown import GRAVEST_FIRST
from secscan.report.views.shown_fleet import (
    RANKED_FROM,
    AgencyRow,
    Choices,
    Comparison,
    GradeCount,
    IndexView,
    Issue,
    TierRow,
    UnseenRow,
)

#: Agencies that are named as having risen most.
MOST_IMPROVED = 5

#: Points of a score that are shown at all: who rose by less has not risen as far as a page can tell.
LEAST_RISE = Fraction(1, 10)

#: Rules that fail in many places that are told.
MOST_ISSUES = 12

#: From how many agencies on a failure is the system's and not the agency's.
SYSTEMIC_FROM = 2


def index_view(data: FleetData) -> IndexView:
    """All agencies in tree order: parents before their children, siblings by id."""
    comparable = data.before is not None and _is_comparable(data.before.stamp, data.stamp)
    rows = tuple(
        AgencyRow(
            agency=named(agency),
            depth=depth,
            tier=visible(agency.tier),
            roles=data.digests[agency.id].roles,
            zones=data.digests[agency.id].zones,
            score=score_view(
                data.scores[agency.id],
                data.baseline,
                data.adjusted.agencies.get(agency.id) if data.adjusted else None,
                open_criticals=data.digests[agency.id].failures[Severity.CRITICAL] > 0,
            ),
            change=_change(data.before.agencies.get(agency.id), data.scores[agency.id])
            if comparable and data.before
            else None,
            hosts=len(data.scores[agency.id].members),
            failures=data.digests[agency.id].failures,
            overdue=data.digests[agency.id].overdue,
        )
        for agency, depth in _tree(data.agencies)
    )
    issues = _issues(data)
    compared = [row for row in rows if row.change is not None]
    return IndexView(
        whole=score_view(
            data.whole,
            data.baseline,
            data.adjusted.whole if data.adjusted else None,
            open_criticals=any(r.failures[Severity.CRITICAL] for r in rows),
        ),
        rows=rows,
        tiers=_tiers(rows, data),
        choices=_choices(rows),
        meeting=sum(row.score.meets for row in rows),
        assessed=sum(row.score.range is not None for row in rows),
        hosts=sum(row.hosts for row in rows),
        failures={s: sum(row.failures[s] for row in rows) for s in GRAVEST_FIRST},
        distribution=_distribution(rows, data.baseline),
        overdue=sum(row.overdue for row in rows),
        ladder=ladder_of(rung for digest in data.digests.values() for rung in digest.rungs),
        comparison=_comparison(data, is_comparable=comparable),
        improved=_improved(compared) if len(compared) >= RANKED_FROM else (),
        compared=len(compared),
        issues=issues[:MOST_ISSUES],
        other_issues=max(0, len(issues) - MOST_ISSUES),
        unseen=_unseen(data),
        method=method_view(data.baseline, data.stamp, data.tz),
    )


def _tree(agencies: Mapping[str, Agency]) -> Iterator[tuple[Agency, int]]:
    """Every agency once, children below their parent. Siblings go by id: an ASCII slug of the name sorts much as
    the name does, and needs no collation."""
    children: dict[str | None, list[str]] = {}
    for id in sorted(agencies, reverse=True):
        parent = agencies[id].parent
        children.setdefault(parent if parent in agencies else None, []).append(id)
    met: set[str] = set()
    # The second part is for agencies that are each other's parents: no root leads to them.
    waiting = [(id, 0) for id in sorted(agencies, reverse=True)]
    waiting += [(id, 0) for id in children.get(None, ())]
    while waiting:
        id, depth = waiting.pop()
        if id not in met:
            met.add(id)
            yield agencies[id], depth
            waiting += [(child, depth + 1) for child in children.get(id, ())]


def _tiers(rows: Sequence[AgencyRow], data: FleetData) -> tuple[TierRow, ...]:
    """In the order in which the tree meets them: the highest tier first."""
    by_tier: dict[str, list[AgencyRow]] = {}
    for row in rows:
        by_tier.setdefault(data.agencies[row.agency.id].tier, []).append(row)
    return tuple(
        TierRow(
            tier=visible(tier),
            score=score_view(
                data.tiers[tier],
                data.baseline,
                data.adjusted.tiers.get(tier) if data.adjusted else None,
                open_criticals=data.tiers[tier].critical,
            ),
            meeting=sum(row.score.meets for row in of_tier),
            assessed=sum(row.score.range is not None for row in of_tier),
            agencies=len(of_tier),
            distribution=_distribution(of_tier, data.baseline),
        )
        for tier, of_tier in by_tier.items()
    )


def _choices(rows: Iterable[AgencyRow]) -> Choices:
    """Tiers as the tree meets them, the others by letter."""
    tiers: dict[str, None] = {}
    zones: set[str] = set()
    roles: set[str] = set()
    for row in rows:
        tiers.setdefault(row.tier)
        zones.update(row.zones)
        roles.update(row.roles)
    return Choices(tuple(tiers), tuple(sorted(zones)), tuple(sorted(roles)))


def _distribution(rows: Iterable[AgencyRow], baseline: Baseline) -> tuple[GradeCount, ...]:
    counts = Counter((row.score.grade, row.score.is_enough) for row in rows if row.score.range is not None)
    return tuple(
        GradeCount(grade, counts[grade, True], counts[grade, False]) for grade, _ in baseline.scoring.grades
    )


# --- What changed ---------------------------------------------------------------------------------------


def _is_comparable(before: Stamp, after: Stamp) -> bool:
    """Whether the two were judged by the same rules: else a change says nothing of anybody's work."""

    def rules(stamp: Stamp) -> tuple[str, int, str]:
        return stamp.baseline_hash, stamp.scoring_version, stamp.secscan_version

    return rules(before) == rules(after)


def _change(before: GroupScore | None, after: GroupScore) -> Fraction | None:
    if before is None or before.range is None or after.range is None:
        return None
    return after.range.verified - before.range.verified


def _comparison(data: FleetData, *, is_comparable: bool) -> Comparison | None:
    before = data.before
    if before is None:
        return None
    return Comparison(
        at=before.stamp.at.astimezone(data.tz),
        run=before.stamp.run,
        is_comparable=is_comparable,
        is_other_reference=before.stamp.feeds != data.stamp.feeds,
        whole=_change(before.whole, data.whole) if is_comparable else None,
    )


def _improved(compared: Iterable[AgencyRow]) -> tuple[AgencyRow, ...]:
    risen = [row for row in compared if row.change is not None and row.change >= LEAST_RISE]
    risen.sort(key=lambda row: (-(row.change or 0), row.agency.id))
    return tuple(risen[:MOST_IMPROVED])


# --- What ails many ---------------------------------------------------------------------------------------


def _issues(data: FleetData) -> tuple[Issue, ...]:
    """The gravest first, then what fails at most agencies."""
    found: dict[str, list[Broken]] = {}
    for digest in data.digests.values():
        for check, broken in digest.broken.items():
            found.setdefault(check, []).append(broken)
    issues = (
        Issue(
            check=visible(check),
            claim=data.checks[check].claim if check in data.checks else "",
            severity=max(one.severity for one in of_check),
            findings=sum(one.findings for one in of_check),
            hosts=sum(one.hosts for one in of_check),
            agencies=len(of_check),
        )
        for check, of_check in found.items()
        if len(of_check) >= SYSTEMIC_FROM
    )
    told = (issue for issue in issues if issue.severity > Severity.INFO)
    return tuple(sorted(told, key=lambda i: (-i.severity, -i.agencies, -i.findings, i.check)))


def _unseen(data: FleetData) -> tuple[UnseenRow, ...]:
    """Those some of whose hosts were not seen for longer than what was seen stands for; those of which none was first."""
    since = data.stamp.at - data.baseline.carry
    rows: list[UnseenRow] = []
    for id, digest in data.digests.items():
        hosts = len(data.scores[id].members)
        seen = sum(at >= since for at in digest.last_seen.values())
        if seen < hosts:
            last = max(digest.last_seen.values(), default=None)
            rows.append(
                UnseenRow(
                    agency=named(data.agencies[id]),
                    hosts=hosts,
                    unseen=hosts - seen,
                    last=last.astimezone(data.tz) if last else None,
                )
            )
    return tuple(sorted(rows, key=lambda r: (r.unseen < r.hosts, r.last is not None, -r.unseen, r.agency.id)))
