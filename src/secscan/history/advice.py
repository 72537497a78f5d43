"""What to fix first: the few fixes that lift an agency to its next grade, and to the best one, with the gain of each."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from secscan.baseline import Baseline
from secscan.model import Finding, Outcome, Range, Severity
from secscan.scoring import blend, score_host

#: How far a score reckoned in floats may be from the exact one. A fix is called needless only well beyond it.
ROUNDING = 1e-9

#: An agency has thousands of failures: then several fixes are taken before all are weighed again.
MOST_ROUNDS = 12

#: Steps that are told one by one; what is left after them is told as one.
MOST_STEPS = 15

#: What failures have in common that one fix would mend; equal causes are one fix.
CauseOf = Callable[[Finding], Hashable]


@dataclass(frozen=True, slots=True, eq=False)
class Fix:
    """Failures with one root cause, mended together. A fix is equal to itself alone: no failure is in two."""

    findings: tuple[Finding, ...]

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(sorted({finding.subject.host or "" for finding in self.findings}))

    @property
    def severity(self) -> Severity:
        return max(finding.severity for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Step:
    """Fixes that are made together: one, or all that one cap hangs on. Gains are in points of the verified score.

    ``gain`` is after the steps before it. ``gain_without_caps`` is what it would be if no cap held any host down: a
    fix under another's cap gains nothing yet, and is not worth nothing.
    """

    fixes: tuple[Fix, ...]
    gain: Fraction
    gain_without_caps: Fraction
    score: Fraction
    grade: str


@dataclass(frozen=True, slots=True)
class Advice:
    """Where an agency stands, and the steps up to ``target``; ``reaches`` says whether fixes alone lead there.

    What they don't lead to is unknown: it must be looked at, and can't be fixed.
    """

    score: Fraction
    grade: str
    target: str
    reaches: bool
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Hosts:
    """An agency's hosts: what was found on each, what each weighs and is held to. At least one host."""

    findings: Mapping[str, tuple[Finding, ...]]
    criticality: Mapping[str, int]
    held_to: Callable[[str], Baseline]


def by_host_and_rule(finding: Finding) -> Hashable:
    """The plainest root cause: one rule on one host, however many objects fail it."""
    return (finding.subject.host, finding.check)


def fixes(findings: Iterable[Finding], cause_of: CauseOf = by_host_and_rule) -> tuple[Fix, ...]:
    """Every fix there is for these findings, those that mend most first."""
    groups: dict[Hashable, list[Finding]] = {}
    for finding in findings:
        if finding.outcome is Outcome.FAIL:
            groups.setdefault(cause_of(finding), []).append(finding)
    return tuple(sorted((Fix(tuple(same)) for same in groups.values()), key=_order))


def advise(
    hosts: Hosts, baseline: Baseline, *, target: str | None = None, cause_of: CauseOf = by_host_and_rule
) -> Advice:
    """A short way to ``target``, a grade; by default the next better one.

    Greedy: of all fixes, and of all bundles of the fixes that one cap of a host, or a kind of cap of the agency,
    hangs on, the one with the most (gain for each fix with caps, gain without caps) is taken, and all are weighed
    again. Steps that turn out needless are then left out. How far that is from the fewest fixes, a test shows by
    trying all of them on small cases.
    """
    board = _Board(hosts, baseline)
    ledger = _Ledger(hosts, baseline)
    start = ledger.scores()[0]
    grades = [grade for grade, _ in baseline.scoring.grades]
    wanted = grades[max(grades.index(baseline.grade(start)) - 1, 0)] if target is None else target
    aim = dict(baseline.scoring.grades)[wanted]
    every = [finding for of_host in hosts.findings.values() for finding in of_host]
    left = list(fixes(every, cause_of))
    at_once = max(1, len(left) // MOST_ROUNDS)
    taken: list[tuple[Fix, ...]] = []
    # What the floats call reached is held against the exact score at the end.
    while left and board.score() < float(aim) + ROUNDING:
        for chosen in _best(board, left, at_once):
            board.mend(chosen)
            taken.append(chosen)
            if board.score() >= float(aim) + ROUNDING:
                break
        gone = {fix for step in taken for fix in step}
        left = [fix for fix in left if fix not in gone]
    if board.score() >= float(aim) + ROUNDING:
        taken = _without_needless(_Board(hosts, baseline), taken, float(aim))
    steps = _steps(ledger, baseline, taken)
    reached = steps[-1].score if steps else start
    return Advice(start, baseline.grade(start), wanted, reached >= aim, steps)


def _best(board: "_Board", left: Sequence[Fix], many: int) -> list[tuple[Fix, ...]]:
    """The most gained for each fix. Equals are taken in their order, single fixes before bundles.

    Of ``many``, no two are on the same host: what one gains does not hang on whether the other is made.
    """
    candidates = [*((fix,) for fix in left), *board.bundles(left)]

    def rank(candidate: tuple[Fix, ...]) -> tuple[float, float]:
        gain, plain = board.gains(candidate)
        # What floats can't tell apart is equal.
        return (-round(gain / len(candidate), 9), -round(plain / len(candidate), 9))

    chosen: list[tuple[Fix, ...]] = []
    busy: set[str] = set()
    for candidate in sorted(candidates, key=rank):
        on = {host for fix in candidate for host in fix.hosts}
        if not on & busy:
            chosen.append(candidate)
            busy |= on
            if len(chosen) == many:
                break
    return chosen


def _without_needless(board: "_Board", taken: Sequence[tuple[Fix, ...]], aim: float) -> list[tuple[Fix, ...]]:
    """The steps without each fix that the aim is reached without; those that were taken last are kept last."""
    every = [fix for step in taken for fix in step]
    board.mend(every)
    needless: set[Fix] = set()
    for fix in every:
        board.undo(fix)
        if board.score() >= aim + ROUNDING:
            needless.add(fix)
        else:
            board.mend([fix])
    steps = (tuple(fix for fix in step if fix not in needless) for step in taken)
    return [step for step in steps if step]


def _steps(ledger: "_Ledger", baseline: Baseline, taken: Sequence[tuple[Fix, ...]]) -> tuple[Step, ...]:
    """The first so many as they are, and the others as one: nobody follows a list of hundreds."""
    told = list(taken[: MOST_STEPS - 1])
    rest = tuple(fix for step in taken[MOST_STEPS - 1 :] for fix in step)
    steps = []
    for chosen in (*told, rest) if rest else told:
        before, plain_before = ledger.scores()
        ledger.mend(chosen)
        now, plain = ledger.scores()
        steps.append(Step(chosen, now - before, plain - plain_before, now, baseline.grade(now)))
    return tuple(steps)


# --- Exact, for what is told --------------------------------------------------------------------------------


class _Ledger:
    """The exact scores of an agency while fixes are made, by ``scoring.blend`` as ``scoring.score_agency`` has them."""

    def __init__(self, hosts: Hosts, baseline: Baseline) -> None:
        self._hosts = hosts
        self._baseline = baseline
        self._findings = dict(hosts.findings)
        self._ranges = {host: self._ranges_of(host) for host in self._findings}

    def mend(self, fixes: Iterable[Fix]) -> None:
        for host, gone in _by_host(fixes).items():
            self._findings[host] = _mended(self._findings[host], gone)
            self._ranges[host] = self._ranges_of(host)

    def scores(self) -> tuple[Fraction, Fraction]:
        """The verified score, and what it would be without caps."""
        capped, plain = (
            blend(
                [
                    (Fraction(self._hosts.criticality[host]), pair[which])
                    for host, pair in self._ranges.items()
                ],
                self._baseline.scoring,
            )
            for which in (0, 1)
        )
        return (capped.verified if capped else Fraction(0)), (plain.verified if plain else Fraction(0))

    def _ranges_of(self, host: str) -> tuple[Range, Range]:
        held_to = self._hosts.held_to(host)
        score = score_host(host, self._findings[host], held_to)
        weights = sum(held_to.domains[domain] for domain in score.domains)
        if not weights:
            return score.range, score.range
        verified, possible = (
            sum(
                (held_to.domains[name] * getattr(part, end) for name, part in score.domains.items()),
                Fraction(0),
            )
            for end in ("verified", "possible")
        )
        return score.range, Range(verified / weights, possible / weights)


# --- In floats, for trying out ------------------------------------------------------------------------------


class _Board:
    """An agency on which fixes are tried out: thousands of them, in floats."""

    def __init__(self, hosts: Hosts, baseline: Baseline) -> None:
        self._scoring = baseline.scoring
        self._hosts = {host: _Host(said, hosts.held_to(host)) for host, said in hosts.findings.items()}
        self._weights = {host: float(hosts.criticality[host]) for host in self._hosts}
        self._every_weight = sum(self._weights.values())
        self._ends = [{}, {}]  # type: list[dict[str, float]]
        for host, state in self._hosts.items():
            self._ends[0][host], self._ends[1][host] = state.scores(())
        self._refresh()

    def score(self) -> float:
        return self._now[0]

    def mend(self, fixes: Iterable[Fix]) -> None:
        self._move(_by_host(fixes), _Host.mend)

    def undo(self, fix: Fix) -> None:
        self._move(_by_host([fix]), _Host.undo)

    def gains(self, fixes: Sequence[Fix]) -> tuple[float, float]:
        """What these fixes would gain now, with caps and without."""
        capped: dict[str, float] = {}
        plain: dict[str, float] = {}
        for host, gone in _by_host(fixes).items():
            capped[host], plain[host] = self._hosts[host].scores(gone)
        return self._with(0, capped) - self._now[0], self._with(1, plain) - self._now[1]

    def bundles(self, left: Sequence[Fix]) -> list[tuple[Fix, ...]]:
        """All fixes that stand under one cap: of one host, and of all hosts that the cap holds down."""
        under: dict[tuple[str, float], list[Fix]] = {}
        for fix in left:
            caps = {(f.subject.host or "", cap) for f in fix.findings for cap in self._caps_on(f)}
            for place in sorted(caps | {("", cap) for _, cap in caps}):
                under.setdefault(place, []).append(fix)
        return list(dict.fromkeys(tuple(same) for same in under.values() if len(same) > 1))

    def _caps_on(self, finding: Finding) -> Iterable[float]:
        state = self._hosts[finding.subject.host or ""]
        plain = self._ends[1][finding.subject.host or ""]
        return (cap for cap in state.caps_by(finding) if cap < plain)

    def _move(
        self, by_host: Mapping[str, list[Finding]], how: "Callable[[_Host, list[Finding]], None]"
    ) -> None:
        for host, findings in by_host.items():
            how(self._hosts[host], findings)
            self._ends[0][host], self._ends[1][host] = self._hosts[host].scores(())
        self._refresh()

    def _refresh(self) -> None:
        scoring = self._scoring
        self._size = min(float(scoring.worst_most), max(1.0, len(self._hosts) / scoring.worst_divisor))
        self._sums = [sum(self._weights[host] * end for host, end in ends.items()) for ends in self._ends]
        # Two more than are ever counted: a fix takes at most its own hosts out of the worst.
        self._lowest = [sorted((end, host) for host, end in ends.items()) for ends in self._ends]
        self._now = [self._with(which, {}) for which in (0, 1)]

    def _with(self, which: int, changed: Mapping[str, float]) -> float:
        """The agency's score, were these hosts' scores so: as ``scoring.blend`` reckons it."""
        ends = self._ends[which]
        moved = sum(self._weights[host] * (end - ends[host]) for host, end in changed.items())
        mean = (self._sums[which] + moved) / self._every_weight
        need = int(self._size) + 1
        # A fix makes no host worse, so that the worst are among those that were, less the hosts it mends.
        among = self._lowest[which][: need + len(changed)]
        worst = sorted([end for end, host in among if host not in changed] + list(changed.values()))
        whole = int(self._size)
        total = sum(worst[:whole]) + ((self._size - whole) * worst[whole] if whole < len(worst) else 0.0)
        share = float(self._scoring.mean_share)
        return share * mean + (1 - share) * total / self._size


class _Host:
    """One host's score in floats, as ``scoring.score_host`` reckons it, with some of its failures mended."""

    def __init__(self, findings: Iterable[Finding], baseline: Baseline) -> None:
        self._rules = {rule.check.id: rule for rule in baseline.rules}
        self._domains = {name: float(weight) for name, weight in baseline.domains.items()}
        self._scoring = baseline.scoring
        self._weights = {severity: float(weight) for severity, weight in baseline.scoring.weights.items()}
        self._by_check: dict[str, list[Finding]] = {check: [] for check in self._rules}
        for finding in findings:
            if finding.check in self._by_check:
                self._by_check[finding.check].append(finding)
        self._mended: set[int] = set()
        self._credits: dict[str, float | None] = {}
        self._caps: dict[str, float] = {}
        self._judge(self._rules)

    def mend(self, findings: Iterable[Finding]) -> None:
        findings = list(findings)
        self._mended |= {id(finding) for finding in findings}
        self._judge({finding.check for finding in findings} & self._rules.keys())

    def undo(self, findings: Iterable[Finding]) -> None:
        findings = list(findings)
        self._mended -= {id(finding) for finding in findings}
        self._judge({finding.check for finding in findings} & self._rules.keys())

    def scores(self, gone: Iterable[Finding]) -> tuple[float, float]:
        """With caps and without, were these failures gone too."""
        mended = self._mended | {id(finding) for finding in gone}
        other = {
            finding.check: self._credit(finding.check, mended)
            for finding in gone
            if finding.check in self._rules
        }
        plain = self._mean(other)
        caps = {**self._caps, **{check: self._cap(check, mended) for check in other}}
        return min(plain, min(caps.values(), default=plain)), plain

    def caps_by(self, finding: Finding) -> Iterable[float]:
        """The caps that a failure puts on the host."""
        rule = self._rules.get(finding.check)
        if rule is None:
            return
        if finding.severity in self._scoring.caps:
            yield float(self._scoring.caps[finding.severity])
        if rule.cap is not None and finding.severity >= rule.severity:
            yield float(rule.cap)

    def _judge(self, checks: Iterable[str]) -> None:
        for check in checks:
            self._credits[check] = self._credit(check, self._mended)
            self._caps[check] = self._cap(check, self._mended)
        self._sums: dict[str, list[float]] = {}
        for check, credit in self._credits.items():
            if credit is not None:
                sums = self._sums.setdefault(self._rules[check].domain, [0.0, 0.0])
                weight = self._weights[self._rules[check].severity]
                sums[0] += weight * credit
                sums[1] += weight

    def _mean(self, other: Mapping[str, float | None]) -> float:
        sums = {name: list(pair) for name, pair in self._sums.items()} if other else self._sums
        for check, credit in other.items():
            # A failure that is mended passes: it goes on to count.
            was, rule = self._credits[check], self._rules[check]
            if was is not None and credit is not None:
                sums[rule.domain][0] += self._weights[rule.severity] * (credit - was)
        shares = [(self._domains[name], 100 * pair[0] / pair[1]) for name, pair in sums.items() if pair[1]]
        weights = sum(weight for weight, _ in shares)
        return sum(weight * share for weight, share in shares) / weights if weights else 0.0

    def _credit(self, check: str, mended: set[int]) -> float | None:
        outcomes = {Outcome.PASS if id(f) in mended else f.outcome for f in self._by_check[check]}
        if outcomes == {Outcome.NOT_APPLICABLE}:
            return None
        return float(bool(outcomes) and not outcomes & {Outcome.FAIL, Outcome.UNKNOWN, Outcome.ERROR})

    def _cap(self, check: str, mended: set[int]) -> float:
        """The lowest cap of the rule on the verified end; 100 where it puts none."""
        rule = self._rules[check]
        lowest = 100.0
        said = self._by_check[check]
        for finding in said:
            if finding.outcome is Outcome.FAIL and id(finding) not in mended:
                lowest = min([lowest, *self.caps_by(finding)])
        if not said or any(f.outcome in (Outcome.UNKNOWN, Outcome.ERROR) for f in said):
            caps = [self._scoring.caps.get(rule.severity), rule.cap]
            lowest = min([lowest, *(float(cap) for cap in caps if cap is not None)])
        return lowest


def _by_host(fixes: Iterable[Fix]) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for fix in fixes:
        for finding in fix.findings:
            found.setdefault(finding.subject.host or "", []).append(finding)
    return found


def _mended(findings: tuple[Finding, ...], gone: Iterable[Finding]) -> tuple[Finding, ...]:
    names = {(f.subject, f.check, f.object) for f in gone}
    return tuple(
        replace(f, outcome=Outcome.PASS) if (f.subject, f.check, f.object) in names else f for f in findings
    )


def _order(fix: Fix) -> tuple[int, int, str, str]:
    first = fix.findings[0]
    return (-fix.severity, -len(fix.findings), first.check, first.subject.key)
