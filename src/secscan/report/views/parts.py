"""What the pages of an agency and of the fleet have in common: a name, a score, a ladder, the method."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import tzinfo

from secscan.baseline import Baseline
from secscan.ladder import CRITICAL_FROM, RUNGS, Standing, spread, standing
from secscan.model import Agency, Finding, GroupScore, Host, Outcome, Severity, Stamp
from secscan.report.text import visible
from secscan.report.views.shown import (
    GRAVEST_FIRST,
    AdjustedView,
    LadderView,
    Method,
    Named,
    RungView,
    ScoreView,
    Shortfall,
)
from secscan.scoring import MUCH_WAIVED


def named(agency: Agency) -> Named:
    return Named(agency.id, {language: visible(name) for language, name in agency.names.items()})


def score_view(
    score: GroupScore, baseline: Baseline, adjusted: GroupScore | None, *, open_criticals: bool
) -> ScoreView:
    return ScoreView(
        range=score.range,
        grade=score.grade,
        meets=score.meets_baseline,
        coverage=score.coverage.share,
        is_enough=score.coverage.share >= baseline.scoring.enough_coverage,
        shortfalls=tuple(_shortfalls(score, baseline, open_criticals=open_criticals)),
        adjusted=_adjusted(adjusted),
    )


def _adjusted(score: GroupScore | None) -> AdjustedView | None:
    if score is None or score.range is None:
        return None
    share = score.waived_share
    return AdjustedView(score.range, score.grade, score.meets_baseline, share, share > MUCH_WAIVED)


def _shortfalls(score: GroupScore, baseline: Baseline, *, open_criticals: bool) -> Iterator[Shortfall]:
    if score.range is None:
        yield Shortfall.NO_HOSTS
        return
    if score.meets_baseline:
        return
    if score.range.verified < baseline.scoring.meets:
        yield Shortfall.SCORE
    if score.critical:
        yield Shortfall.CRITICAL_OPEN if open_criticals else Shortfall.CRITICAL_UNSEEN


def standings_of(
    hosts: Iterable[tuple[Host, Iterable[Finding]]],
) -> Iterator[tuple[int, Standing]]:
    """Criticality and standing of each host on which a rung was judged."""
    for host, findings in hosts:
        stands = standing(findings)
        if stands is not None:
            yield host.criticality, stands


def ladder_view(standings: Iterable[tuple[int, Standing]]) -> LadderView | None:
    """The ladder of the critical hosts, or of all where none is critical; None where no rung was judged."""
    every = list(standings)
    critical = [stands for criticality, stands in every if criticality >= CRITICAL_FROM]
    counted = spread(critical or [stands for _, stands in every])
    if not counted.hosts:
        return None
    rungs = (
        RungView(
            number=rung.number,
            check=rung.check,
            is_attested=rung.is_attested,
            reached=counted.reaching(rung.number)[0],
            possible=counted.reaching(rung.number)[1],
            standing=counted.verified[rung.number],
        )
        for rung in reversed(RUNGS)
    )
    return LadderView(tuple(rungs), counted.hosts, counted.verified[0], bool(critical))


def failures_by_severity(findings: Iterable[Finding]) -> dict[Severity, int]:
    counts = Counter(f.severity for f in findings if f.outcome is Outcome.FAIL)
    return {severity: counts[severity] for severity in GRAVEST_FIRST}


def method_view(baseline: Baseline, stamp: Stamp, tz: tzinfo) -> Method:
    scoring = baseline.scoring
    return Method(
        titles={language: visible(title) for language, title in baseline.titles.items()},
        baseline=visible(stamp.baseline),
        baseline_hash=visible(stamp.baseline_hash),
        domains=tuple(baseline.domains.items()),
        grades=scoring.grades,
        caps=tuple((s, scoring.caps[s]) for s in GRAVEST_FIRST if s in scoring.caps),
        weights=tuple((s, scoring.weights[s]) for s in GRAVEST_FIRST if s in scoring.weights),
        meets=scoring.meets,
        enough_coverage=scoring.enough_coverage,
        mean_share=scoring.mean_share,
        carry=baseline.carry,
        at=stamp.at.astimezone(tz),
        zone=visible(tz),
        run=stamp.run,
        scoring_version=stamp.scoring_version,
        secscan_version=visible(stamp.secscan_version),
        inventory_hash=visible(stamp.inventory_hash),
        feeds=tuple((visible(name), as_of.astimezone(tz)) for name, as_of in stamp.feeds),
    )
