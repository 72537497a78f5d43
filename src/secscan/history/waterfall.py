"""Why a score changed: the change split into parts, one for each cause, that sum to it exactly.

From the earlier situation to the later one leads a fixed way of steps (``CAUSES``), each of which takes over one more
thing from the later side. The part of a cause is what the score moves at its step. As every step begins where the one
before it ended, the parts always sum to the whole change, without a rest; see ``waterfall``.

Another order would give other parts, for causes that act on each other: this one is the same for everybody, and it
goes from what is nobody's doing (rules, baseline, reference data) to what the agency did.
"""

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from secscan.baseline import Baseline
from secscan.model import Finding, HostScore, Outcome, Range, Severity, Subject, SubjectLevel
from secscan.scoring import score_agency, score_host


class Cause(enum.StrEnum):
    """In the order of the steps."""

    RULES = "rules"
    BASELINE = "baseline"
    REFERENCES = "references"
    MEMBERSHIP = "membership"
    REMOVED = "removed"
    ADDED = "added"
    TIME = "time"
    UNKNOWN = "unknown"
    VERIFIED = "verified"
    NEW = "new"
    FIXED = "fixed"
    WAIVERS = "waivers"


#: The one order in which a change is told.
CAUSES = tuple(Cause)

#: Every finding of each host.
Findings = Mapping[str, tuple[Finding, ...]]


@dataclass(frozen=True, slots=True)
class Situation:
    """What an agency's score at an instant is made of. ``findings`` has every own host, with none where it has none.

    ``held_to`` gives the baseline of each host, ``waived`` is as for ``score_host``. ``elsewhere`` are the hosts that
    belonged to other agencies then: one that comes from or goes to these is a matter of membership.
    """

    findings: Findings
    criticality: Mapping[str, int]
    baseline: Baseline
    held_to: Callable[[str], Baseline]
    waived: Mapping[str, bool] = field(default_factory=dict)
    elsewhere: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Rejudged:
    """The earlier evidence judged again, of the hosts that it is there for.

    ``rules``: by today's rules under the earlier baseline, reference data and time. ``baseline``: also under the later
    baseline. ``references``: also with the later reference data. ``time``: also at the later time.
    """

    rules: Findings
    baseline: Findings
    references: Findings
    time: Findings


@dataclass(frozen=True, slots=True)
class Waterfall:
    """A change of a verified score; ``parts`` has every cause, and sums to ``end - start``."""

    start: Fraction
    end: Fraction
    parts: Mapping[Cause, Fraction]


def waterfall(
    before: Situation,
    after: Situation,
    rejudged: Rejudged,
    *,
    start: Fraction | None = None,
    end: Fraction | None = None,
) -> Waterfall:
    """How the score of an agency came from ``before`` to ``after``, as the verified end of its range.

    ``start`` and ``end`` are the scores as they were published, by default those of the situations. Where a
    published score differs from what today's secscan makes of the same findings, that is a matter of the rules.
    An agency without hosts has no score; it counts as 0.
    """
    known = _Known()
    scores = [_verified(step, known) for step in _steps(before, after, rejudged)]
    published = scores[0] if start is None else start
    reached = scores[-1] if end is None else end
    parts = {cause: scores[n + 1] - scores[n] for n, cause in enumerate(CAUSES)}
    parts[Cause.RULES] += (scores[0] - published) + (reached - scores[-1])
    return Waterfall(published, reached, parts)


def _steps(before: Situation, after: Situation, rejudged: Rejudged) -> Iterable[Situation]:
    """The situation before, and after each step; the last is ``after`` itself."""
    now = before
    yield now
    now = replace(now, findings=_taken(now.findings, rejudged.rules))
    yield now
    now = replace(
        now,
        findings=_taken(now.findings, rejudged.baseline),
        baseline=after.baseline,
        # What a host that has gone was held to is known to the earlier side alone.
        held_to=lambda host: after.held_to(host) if host in after.findings else before.held_to(host),
    )
    yield now
    now = replace(now, findings=_taken(now.findings, rejudged.references))
    yield now
    now = _with_membership(now, before, after)
    yield now
    now = _without_removed(now, after)
    yield now
    now = _with_added(now, after)
    yield now
    now = _with_passed_time(now, rejudged)
    yield now
    for takes in (_now_unknown, _was_unknown, _now_failing):
        now = _with(now, after, takes)
        yield now
    # Whatever is left: fixed, or told in other words.
    now = replace(now, findings=after.findings)
    yield now
    yield after


class _Known:
    """What hosts score by what is said of them: most steps leave most hosts as they were."""

    def __init__(self) -> None:
        # By the findings as objects, which live as long as the waterfall is drawn; and where these are others, by what
        # they come to: a score hangs on the outcomes and severities of each rule, and on nothing else.
        self._by_object: dict[tuple[str, frozenset[int], int], HostScore] = {}
        self._by_content: dict[tuple[str, frozenset[tuple[str, Outcome, Severity]], int], HostScore] = {}
        # Baselines go by their identity as objects, too, and are kept so that it stays theirs.
        self._baselines: dict[int, Baseline] = {}

    def score(self, host: str, findings: tuple[Finding, ...], held_to: Baseline) -> HostScore:
        self._baselines[id(held_to)] = held_to
        objects = (host, frozenset(map(id, findings)), id(held_to))
        if objects not in self._by_object:
            said = frozenset((f.check, f.outcome, f.severity) for f in findings)
            content = (host, said, id(held_to))
            if content not in self._by_content:
                self._by_content[content] = score_host(host, findings, held_to)
            self._by_object[objects] = self._by_content[content]
        return self._by_object[objects]


def _verified(situation: Situation, known: _Known) -> Fraction:
    hosts = [_host_score(situation, host, known) for host in sorted(situation.findings)]
    criticality = {host.host: situation.criticality[host.host] for host in hosts}
    score: Range | None = score_agency("", hosts, criticality, situation.baseline).range
    return score.verified if score else Fraction(0)


def _host_score(situation: Situation, host: str, known: _Known) -> HostScore:
    held_to, findings = situation.held_to(host), situation.findings[host]
    if situation.waived:
        return score_host(host, findings, held_to, situation.waived)
    return known.score(host, findings, held_to)


# --- The steps ----------------------------------------------------------------------------------------------


def _taken(findings: Findings, others: Findings) -> Findings:
    return {host: others.get(host, said) for host, said in findings.items()}


def _with_membership(now: Situation, before: Situation, after: Situation) -> Situation:
    """Hosts that came from or went to other agencies, and what each host weighs."""
    left = now.findings.keys() & after.elsewhere
    came = after.findings.keys() & before.elsewhere
    findings = {host: said for host, said in now.findings.items() if host not in left}
    findings |= {host: after.findings[host] for host in came}
    criticality = {host: after.criticality.get(host, now.criticality.get(host, 1)) for host in findings}
    return replace(now, findings=findings, criticality=criticality)


def _without_removed(now: Situation, after: Situation) -> Situation:
    """Without hosts that are gone, and on those that stay without services, and rules, that no longer apply."""
    findings: dict[str, tuple[Finding, ...]] = {}
    for host in now.findings.keys() & after.findings.keys():
        if now.findings[host] is after.findings[host]:
            findings[host] = now.findings[host]
            continue
        there = _services(after.findings[host])
        will_be = _by_check(after.findings[host])
        findings[host] = ()
        for check, was in _by_check(now.findings[host]).items():
            staying = tuple(
                f for f in was if f.subject.level is not SubjectLevel.SERVICE or f.subject in there
            )
            if _is_absent(will_be.get(check, ())):
                staying = will_be[check]
            # A rule without a finding would read as not evaluated; then it is for a later step to tell.
            findings[host] += staying or was
    return replace(now, findings=findings)


def _with_added(now: Situation, after: Situation) -> Situation:
    """With new hosts, and on the others with services, and rules, that did not apply before."""
    findings = dict(after.findings)
    for host in now.findings.keys() & after.findings.keys():
        if now.findings[host] is after.findings[host]:
            continue
        there = _services(now.findings[host])
        was, will_be = _by_check(now.findings[host]), _by_check(after.findings[host])
        findings[host] = ()
        for check in {**was, **will_be}:
            later = will_be.get(check, ())
            new = (f for f in later if f.subject.level is SubjectLevel.SERVICE and f.subject not in there)
            is_new = _is_absent(was.get(check, ())) and check in will_be
            findings[host] += later if is_new else (*was.get(check, ()), *new)
    return replace(now, findings=findings, criticality=after.criticality)


def _with_passed_time(now: Situation, rejudged: Rejudged) -> Situation:
    """What the passing of time alone made of findings that are there: an expiry, a term, a pass grown stale."""
    findings = {}
    for host, said in now.findings.items():
        earlier = rejudged.references.get(host, ())
        if rejudged.time.get(host, ()) is earlier:
            findings[host] = said
            continue
        same = set(map(id, earlier))
        # Names of findings are dear: only those of rules that were judged again are asked for.
        again = [finding for finding in rejudged.time.get(host, ()) if id(finding) not in same]
        checks = {finding.check for finding in again}
        timed = {finding.id: finding for finding in again}
        was = {finding.id: finding for finding in earlier if finding.check in checks}
        # What an earlier step has taken over from the later side is past this already.
        findings[host] = tuple(
            timed.get(finding.id, finding)
            if finding.check in checks and finding == was.get(finding.id)
            else finding
            for finding in said
        )
    return replace(now, findings=findings)


#: Whether a rule's findings on a host are taken over from the later side: what they were, what they will be.
Takes = Callable[[tuple[Finding, ...], tuple[Finding, ...]], bool]


def _with(now: Situation, after: Situation, takes: Takes) -> Situation:
    findings = {}
    for host, said in now.findings.items():
        if said is after.findings[host]:
            findings[host] = said
            continue
        was, will_be = _by_check(said), _by_check(after.findings[host])
        taken = {check: will_be.get(check, ()) for check in {*was, *will_be}}
        findings[host] = tuple(
            finding
            for check, later in taken.items()
            for finding in (later if takes(was.get(check, ()), later) else was.get(check, ()))
        )
    return replace(now, findings=findings)


def _now_unknown(was: tuple[Finding, ...], will_be: tuple[Finding, ...]) -> bool:
    return _is_doubtful(will_be) and not _is_doubtful(was)


def _was_unknown(was: tuple[Finding, ...], will_be: tuple[Finding, ...]) -> bool:
    return _is_doubtful(was) and not _is_doubtful(will_be)


def _now_failing(was: tuple[Finding, ...], will_be: tuple[Finding, ...]) -> bool:
    """Fails where it did not, or fails more gravely."""
    return _gravity(will_be) > _gravity(was)


def _is_doubtful(said: tuple[Finding, ...]) -> bool:
    """Whether the rule can't be told: nothing fails for certain, and something is unknown, or all is."""
    outcomes = {finding.outcome for finding in said}
    if Outcome.FAIL in outcomes:
        return False
    return not outcomes or bool(outcomes & {Outcome.UNKNOWN, Outcome.ERROR})


def _gravity(said: tuple[Finding, ...]) -> int:
    """-1 where nothing fails."""
    return max((int(f.severity) for f in said if f.outcome is Outcome.FAIL), default=-1)


def _by_check(findings: Iterable[Finding]) -> dict[str, tuple[Finding, ...]]:
    found: dict[str, tuple[Finding, ...]] = {}
    for finding in findings:
        found[finding.check] = (*found.get(finding.check, ()), finding)
    return found


def _services(findings: Iterable[Finding]) -> frozenset[Subject]:
    return frozenset(f.subject for f in findings if f.subject.level is SubjectLevel.SERVICE)


def _is_absent(said: tuple[Finding, ...]) -> bool:
    """Whether the rule has nothing to be about on the host."""
    return {finding.outcome for finding in said} == {Outcome.NOT_APPLICABLE}
