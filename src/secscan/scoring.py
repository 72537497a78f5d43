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

#: Where more of an agency's weight than this is waived, its page must say so before it shows the adjusted score.
MUCH_WAIVED = Fraction(1, 10)

NOTHING_WAIVED: Mapping[str, bool] = {}
NOT_WRONG = (Outcome.PASS, Outcome.NOT_APPLICABLE)


def score_host(
    host: str, findings: Iterable[Finding], baseline: Baseline, waived: Mapping[str, bool] = NOTHING_WAIVED
) -> HostScore:
    """The unit is rule x host: its credit is the worst of its findings (pass 1, fail 0).

    *Verified* reads UNKNOWN and ERROR as a failure, *possible* as a pass, in credits and caps alike.
    A rule without any finding was not evaluated: unknown. A host nothing applies to is wholly unknown.

    With ``waived`` (failing finding -> whether its waiver lifts caps of the critical kind) the score is an adjusted
    one: a rule that fails in waived findings alone has no weight and no cap. What is critical caps all the same,
    unless the waiver lifts that too; so does a cap that is as low.
    """
    by_rule: dict[str, list[Finding]] = {}
    accepted: dict[str, list[Finding]] = {}
    for finding in findings:
        if waived and finding.outcome is Outcome.FAIL and finding.id in waived:
            accepted.setdefault(finding.check, []).append(finding)
        else:
            by_rule.setdefault(finding.check, []).append(finding)

    left_out = NONE
    tallies = {domain: _Tally() for domain in baseline.domains}
    for rule in baseline.rules:
        others = by_rule.get(rule.check.id, ())
        if rule.check.id in accepted and all(f.outcome in NOT_WRONG for f in others):
            left_out += baseline.scoring.weights[rule.severity]
            continue
        credit = _credit(others)
        if credit is not None and rule.domain in tallies:
            tallies[rule.domain].add(rule.severity, credit)

    domains: dict[str, Range] = {}
    evaluated, expected = NONE, NONE
    for domain, tally in tallies.items():
        weights, verified, possible = tally.weighed(baseline.scoring.weights)
        # What is sure to fail or to pass was evaluated.
        evaluated += weights - possible + verified
        expected += weights
        if weights:
            domains[domain] = Range(FULL * verified / weights, FULL * possible / weights)
    mean = _mean((baseline.domains[domain], score) for domain, score in domains.items()) or Range(NONE, FULL)
    judged = [rule for rule in baseline.rules if rule.check.id not in accepted or rule.check.id in by_rule]
    caps = _caps(judged, by_rule, baseline.scoring)
    if accepted:
        firm = {id: [f for f in of_rule if not waived[f.id]] for id, of_rule in accepted.items()}
        _keep_critical(
            caps,
            _caps([r for r in baseline.rules if firm.get(r.check.id)], firm, baseline.scoring),
            baseline.scoring,
        )
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
        waived=left_out,
    )


def score_agency(
    id: str, hosts: Sequence[HostScore], criticality: Mapping[str, int], baseline: Baseline
) -> GroupScore:
    """An agency over its own hosts; those of its children are left out."""
    members = [(host.host, Fraction(criticality[host.host]), host.range) for host in hosts]
    score = blend([(weight, range) for _, weight, range in members], baseline.scoring)
    weighted = [(Fraction(criticality[host.host]), host.domains) for host in hosts]
    return _group(id, score, hosts, weighted, [m[0] for m in members], baseline)


def score_group(id: str, agencies: Sequence[GroupScore], baseline: Baseline) -> GroupScore:
    """A tier or the whole: the same over agencies. Those not assessed have no score to add."""
    assessed = [agency for agency in agencies if agency.range is not None]
    score = blend([(Fraction(1), agency.range) for agency in assessed if agency.range], baseline.scoring)
    weighted = [(Fraction(1), agency.domains) for agency in assessed]
    names = [agency.id for agency in agencies]
    return _group(id, score, agencies, weighted, names, baseline)


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
    parts: Sequence[HostScore] | Sequence[GroupScore],
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
    for part in parts:
        coverage = Coverage(
            coverage.evaluated + part.coverage.evaluated, coverage.expected + part.coverage.expected
        )
    critical = any(part.critical for part in parts)
    return GroupScore(
        id=id,
        range=score,
        grade=baseline.grade(score.verified) if score else NOT_ASSESSED,
        meets_baseline=score is not None and score.verified >= baseline.scoring.meets and not critical,
        coverage=coverage,
        domains=domains,
        members=tuple(sorted(members)),
        critical=critical,
        waived=sum((part.waived for part in parts), NONE),
    )


class _Tally:
    """How many rules of each severity count in a domain, and have credit at each end.

    Credits are whole, so that counting comes first: fractions are added once for a severity, not once for a rule.
    """

    def __init__(self) -> None:
        self._counts: dict[Severity, list[int]] = {}

    def add(self, severity: Severity, credit: tuple[int, int]) -> None:
        counts = self._counts.setdefault(severity, [0, 0, 0])
        counts[0] += 1
        counts[1] += credit[0]
        counts[2] += credit[1]

    def weighed(self, weights: Mapping[Severity, Fraction]) -> tuple[Fraction, Fraction, Fraction]:
        """All weight, and the weight that has credit at the verified and at the possible end."""
        every, verified, possible = NONE, NONE, NONE
        for severity, counts in self._counts.items():
            every += counts[0] * weights[severity]
            verified += counts[1] * weights[severity]
            possible += counts[2] * weights[severity]
        return every, verified, possible


def _credit(findings: Sequence[Finding]) -> tuple[int, int] | None:
    """0 or 1 at each end, verified and possible; None where the rule's subject does not exist on this host."""
    outcomes = {finding.outcome for finding in findings}
    if outcomes == {Outcome.NOT_APPLICABLE}:
        return None
    if Outcome.FAIL in outcomes:
        return (0, 0)
    if not outcomes or outcomes & {Outcome.UNKNOWN, Outcome.ERROR}:
        return (0, 1)
    return (1, 1)


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


def _keep_critical(caps: _Caps, firm: _Caps, scoring: Scoring) -> None:
    """Adds the caps of waived failures that no waiver of theirs lifts: those as low as the critical one."""
    limit = scoring.caps.get(Severity.CRITICAL, NONE)
    for kept, of_waived in ((caps.verified, firm.verified), (caps.possible, firm.possible)):
        kept.update({word: cap for word, cap in of_waived.items() if cap <= limit})


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
