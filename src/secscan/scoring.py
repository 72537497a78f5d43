"""Findings -> ranges, caps, grades. Pure and exact; every number comes from the baseline."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from secscan.baseline import Baseline, Rule, Scoring
from secscan.model import Coverage, Finding, GroupScore, HostScore, Outcome, Range, Severity

#: Rises with every change that can move a score. A trend line breaks visibly where it changes.
SCORING_VERSION = 1

#: The grade of what there is nothing to assess in.
NOT_ASSESSED = ""

NONE = Fraction(0)
FULL = Fraction(100)


def score_host(host: str, findings: Iterable[Finding], baseline: Baseline) -> HostScore:
    """The unit is rule x host: its credit is the worst of its findings (pass 1, fail 0).

    *Verified* reads UNKNOWN and ERROR as a failure, *possible* as a pass, in credits and caps alike.
    A rule without any finding was not evaluated: unknown. A host nothing applies to is wholly unknown.
    """
    by_rule: dict[str, list[Finding]] = {}
    for finding in findings:
        by_rule.setdefault(finding.check, []).append(finding)

    domains: dict[str, Range] = {}
    evaluated, expected = NONE, NONE
    for domain in baseline.domains:
        weights, verified, possible = NONE, NONE, NONE
        for rule in (r for r in baseline.rules if r.domain == domain):
            credit = _credit(by_rule.get(rule.check.id, ()))
            if credit is None:
                continue
            weight = baseline.scoring.weights[rule.severity]
            weights += weight
            verified += weight * credit.verified
            possible += weight * credit.possible
            evaluated += weight * (credit.verified == credit.possible)
        expected += weights
        if weights:
            domains[domain] = Range(FULL * verified / weights, FULL * possible / weights)
    mean = _mean((baseline.domains[domain], score) for domain, score in domains.items()) or Range(NONE, FULL)
    caps = _caps(baseline.rules, by_rule, baseline.scoring)
    capped = Range(
        min([mean.verified, *caps.verified.values()]), min([mean.possible, *caps.possible.values()])
    )
    binding = tuple(word for word, cap in caps.verified.items() if cap < mean.verified)
    return HostScore(
        host=host,
        range=capped,
        coverage=Coverage(evaluated, expected),
        domains=domains,
        caps=binding,
        critical=Severity.CRITICAL.word in caps.verified,
    )


def score_agency(
    id: str, hosts: Sequence[HostScore], criticality: Mapping[str, int], baseline: Baseline
) -> GroupScore:
    """An agency over its own hosts; those of its children are left out."""
    members = [(host.host, Fraction(criticality[host.host]), host.range) for host in hosts]
    score = blend([(weight, range) for _, weight, range in members], baseline.scoring)
    weighted = [(Fraction(criticality[host.host]), host.domains) for host in hosts]
    critical = any(host.critical for host in hosts)
    return _group(
        id, score, critical, [h.coverage for h in hosts], weighted, [m[0] for m in members], baseline
    )


def score_group(id: str, agencies: Sequence[GroupScore], baseline: Baseline) -> GroupScore:
    """A tier or the whole: the same over agencies. Those not assessed have no score to add."""
    assessed = [agency for agency in agencies if agency.range is not None]
    score = blend([(Fraction(1), agency.range) for agency in assessed if agency.range], baseline.scoring)
    weighted = [(Fraction(1), agency.domains) for agency in assessed]
    critical = any(agency.critical for agency in assessed)
    names = [agency.id for agency in agencies]
    return _group(id, score, critical, [a.coverage for a in agencies], weighted, names, baseline)


def blend(members: Sequence[tuple[Fraction, Range]], scoring: Scoring) -> Range | None:
    """The weighted mean, blended with the mean of the worst part; None over nothing.

    The worst part is ``min(worst_most, max(1, n / worst_divisor))`` members, the last counted in part; each end
    of the range is blended by itself, so that a failure anywhere never raises either.
    """
    mean = _mean(members)
    if mean is None:
        return None
    size = min(Fraction(scoring.worst_most), max(Fraction(1), Fraction(len(members), scoring.worst_divisor)))

    def mixed(mean_end: Fraction, ends: Iterable[Fraction]) -> Fraction:
        worst = _mean_of_lowest(sorted(ends), size)
        return scoring.mean_share * mean_end + (1 - scoring.mean_share) * worst

    return Range(
        mixed(mean.verified, (r.verified for _, r in members)),
        mixed(mean.possible, (r.possible for _, r in members)),
    )


def _group(
    id: str,
    score: Range | None,
    critical: bool,
    coverages: Iterable[Coverage],
    weighted: Sequence[tuple[Fraction, Mapping[str, Range]]],
    members: Iterable[str],
    baseline: Baseline,
) -> GroupScore:
    domains: dict[str, Range] = {}
    for domain in baseline.domains:
        mean = _mean((weight, scores[domain]) for weight, scores in weighted if domain in scores)
        if mean is not None:
            domains[domain] = mean
    coverage = Coverage(NONE, NONE)
    for part in coverages:
        coverage = Coverage(coverage.evaluated + part.evaluated, coverage.expected + part.expected)
    return GroupScore(
        id=id,
        range=score,
        grade=baseline.grade(score.verified) if score else NOT_ASSESSED,
        meets_baseline=score is not None and score.verified >= baseline.scoring.meets and not critical,
        coverage=coverage,
        domains=domains,
        members=tuple(sorted(members)),
        critical=critical,
    )


def _credit(findings: Sequence[Finding]) -> Range | None:
    """0 or 1 at each end; None where the rule's subject does not exist on this host."""
    outcomes = {finding.outcome for finding in findings}
    if outcomes == {Outcome.NOT_APPLICABLE}:
        return None
    if Outcome.FAIL in outcomes:
        return Range(NONE, NONE)
    if not outcomes or outcomes & {Outcome.UNKNOWN, Outcome.ERROR}:
        return Range(NONE, Fraction(1))
    return Range(Fraction(1), Fraction(1))


class _Caps:
    def __init__(self) -> None:
        self.verified: dict[str, Fraction] = {}
        self.possible: dict[str, Fraction] = {}


def _caps(rules: Iterable[Rule], by_rule: Mapping[str, Sequence[Finding]], scoring: Scoring) -> _Caps:
    caps = _Caps()
    for rule in rules:
        for severity, is_certain in _threats(rule, by_rule.get(rule.check.id, ())):
            cap = scoring.caps.get(severity)
            if cap is not None:
                caps.verified[severity.word] = cap
                if is_certain:
                    caps.possible[severity.word] = cap
            # What fails more mildly than the rule can is not what its own cap is for.
            if rule.cap is not None and severity >= rule.severity:
                caps.verified[rule.check.id] = rule.cap
                if is_certain:
                    caps.possible[rule.check.id] = rule.cap
    return caps


def _threats(rule: Rule, findings: Sequence[Finding]) -> Iterable[tuple[Severity, bool]]:
    """The severities that may be open under a rule, and whether it is certain that they are."""
    if not findings:
        yield rule.severity, False
    for finding in findings:
        if finding.outcome is Outcome.FAIL:
            yield finding.severity, True
        elif finding.outcome in (Outcome.UNKNOWN, Outcome.ERROR):
            yield rule.severity, False


def _mean(members: Iterable[tuple[Fraction, Range]]) -> Range | None:
    weights, verified, possible = NONE, NONE, NONE
    for weight, range in members:
        weights += weight
        verified += weight * range.verified
        possible += weight * range.possible
    return Range(verified / weights, possible / weights) if weights else None


def _mean_of_lowest(ordered: Sequence[Fraction], size: Fraction) -> Fraction:
    whole = int(size)
    total = sum(ordered[:whole], NONE)
    if whole < len(ordered):
        total += (size - whole) * ordered[whole]
    return total / size
