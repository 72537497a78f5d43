"""The page of all agencies."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from secscan.baseline import Baseline
from secscan.model import Agency, Severity
from secscan.report.text import visible
from secscan.report.views.given import FleetData
from secscan.report.views.parts import ladder_view, method_view, named, score_view
from secscan.report.views.shown import GRAVEST_FIRST, AgencyRow, GradeCount, IndexView, TierRow


def index_view(data: FleetData) -> IndexView:
    """All agencies in tree order: parents before their children, siblings by id."""
    rows = tuple(
        AgencyRow(
            agency=named(agency),
            depth=depth,
            tier=visible(agency.tier),
            score=score_view(
                data.scores[agency.id],
                data.baseline,
                data.adjusted.agencies.get(agency.id) if data.adjusted else None,
                open_criticals=data.failures[agency.id][Severity.CRITICAL] > 0,
            ),
            hosts=data.hosts[agency.id],
            failures=data.failures[agency.id],
            overdue=data.overdue.get(agency.id, 0),
        )
        for agency, depth in _tree(data.agencies)
    )
    return IndexView(
        whole=score_view(
            data.whole,
            data.baseline,
            data.adjusted.whole if data.adjusted else None,
            open_criticals=any(r.failures[Severity.CRITICAL] for r in rows),
        ),
        rows=rows,
        tiers=_tiers(rows, data),
        meeting=sum(row.score.meets for row in rows),
        assessed=sum(row.score.range is not None for row in rows),
        hosts=sum(row.hosts for row in rows),
        failures={s: sum(row.failures[s] for row in rows) for s in GRAVEST_FIRST},
        distribution=_distribution(rows, data.baseline),
        overdue=sum(row.overdue for row in rows),
        ladder=ladder_view(stands for of_agency in data.standings.values() for stands in of_agency),
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
            ladder=ladder_view(stands for row in of_tier for stands in data.standings.get(row.agency.id, ())),
        )
        for tier, of_tier in by_tier.items()
    )


def _distribution(rows: Iterable[AgencyRow], baseline: Baseline) -> tuple[GradeCount, ...]:
    counts = Counter((row.score.grade, row.score.is_enough) for row in rows if row.score.range is not None)
    return tuple(
        GradeCount(grade, counts[grade, True], counts[grade, False]) for grade, _ in baseline.scoring.grades
    )
