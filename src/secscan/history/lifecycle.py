"""The life of a finding across judgements. Pure: states in, states out; time is an argument."""

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from secscan.model import Finding, Outcome, Severity, Subject, SubjectLevel


class State(enum.StrEnum):
    """Where a finding that has failed at least once stands.

    UNVERIFIED: it was failing when it was last seen, and could not be looked at since; as open as OPEN.
    RETIRED: what it was about is gone (a service seen closed, TLS no longer spoken, a host or a rule removed): it is
    not open any more, and nobody fixed it. Whether a finding is waived is another question, and no state.
    """

    OPEN = "open"
    UNVERIFIED = "unverified"
    RESOLVED = "resolved"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """What became of one finding that has failed at least once.

    ``opened_at`` is when the present stretch of failing began, or the last one where it is over: its deadline counts
    from there. ``last_seen`` is when it was last seen failing, ``severity`` how grave it was then. ``reopened``
    counts its relapses. ``waiver`` is the key of the waiver that covered it when it was last judged, or empty.
    """

    finding: str
    subject: Subject
    check: str
    object: str
    state: State
    severity: Severity
    first_seen: datetime
    last_seen: datetime
    opened_at: datetime
    resolved_at: datetime | None = None
    reopened: int = 0
    waiver: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it still fails, as far as anybody knows."""
        return self.state in (State.OPEN, State.UNVERIFIED)

    @property
    def time_to_fix(self) -> timedelta | None:
        """From the (re)opening to the fix; None where it is not fixed."""
        if self.state is not State.RESOLVED or self.resolved_at is None:
            return None
        return self.resolved_at - self.opened_at

    def age(self, at: datetime) -> timedelta:
        """From the day it was first seen until it was over, or until ``at``."""
        return (self.resolved_at or at) - self.first_seen


def settle(
    previous: Mapping[str, Lifecycle], findings: Sequence[Finding], at: datetime
) -> dict[str, Lifecycle]:
    """The lives of all findings after the judgement at ``at``, by finding id.

    ``findings`` is everything that the judgement said of the hosts it covered: at least one finding for each rule.
    A rule that it does not name on a host was not judged there, and its findings stay as they were; see ``retire``
    for those that will never be judged again.

    A finding is resolved only on positive evidence: a pass for the same subject and object, or a complete
    evaluation of its rule (nothing unknown, no error) that no longer names the object. A rule that fails altogether,
    naming no object, evaluated none: where TLS was switched off, nobody mended the certificate.
    """
    after = dict(previous)
    for finding in findings:
        if finding.outcome is Outcome.FAIL:
            id = finding.id
            after[id] = _failing(previous.get(id), finding, at)
    open_lives = [life for life in previous.values() if life.is_open]
    # Most of what a judgement says is of rules that pass and never failed: it is left aside before anything is
    # made of it, which costs more than all the rest.
    places = {(life.subject.id, life.check) for life in open_lives}
    judged = _Judged([finding for finding in findings if (finding.subject.id, finding.check) in places])
    for life in open_lives:
        state = judged.state_of(life)
        if state is not None and state is not State.OPEN:
            over = at if state is not State.UNVERIFIED else None
            after[life.finding] = replace(life, state=state, resolved_at=over)
    return after


def retire(
    lives: Mapping[str, Lifecycle], at: datetime, *, stands: Callable[[str | None, str], bool]
) -> dict[str, Lifecycle]:
    """The lives once those are retired whose host or rule is gone: neither fixed nor open.

    ``stands`` tells of a host (None: the finding is about no host) and a check whether they are still there.
    """
    return {
        id: replace(life, state=State.RETIRED, resolved_at=at)
        if life.is_open and not stands(life.subject.host, life.check)
        else life
        for id, life in lives.items()
    }


class _Judged:
    """What a judgement says of findings that it may not name."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        doubtful = [f for f in findings if f.outcome in (Outcome.UNKNOWN, Outcome.ERROR)]
        self._outcomes = {finding.id: finding.outcome for finding in findings}
        self._hosts = {(f.subject.host, f.check) for f in findings}
        self._evaluated = {(f.subject, f.check) for f in findings}
        self._unsettled = {(f.subject, f.check) for f in doubtful}
        self._unsettled |= {
            (f.subject, f.check) for f in findings if f.outcome is Outcome.FAIL and not f.object
        }
        self._applicable = {(f.subject, f.check) for f in findings if f.outcome is not Outcome.NOT_APPLICABLE}
        # Nothing could be told of the whole host, and so of none of its services.
        self._untold = {(f.subject.host, f.check) for f in doubtful if f.subject.level is SubjectLevel.HOST}

    def state_of(self, life: Lifecycle) -> State | None:
        """What became of a finding that was open; None where its rule was not judged on its host."""
        match self._outcomes.get(life.finding):
            case Outcome.FAIL:
                return State.OPEN
            case Outcome.PASS:
                return State.RESOLVED
            case Outcome.NOT_APPLICABLE:
                return State.RETIRED
            case Outcome.UNKNOWN | Outcome.ERROR:
                return State.UNVERIFIED
        on_host, rule = (life.subject.host, life.check), (life.subject, life.check)
        if on_host not in self._hosts:
            return None
        if rule not in self._evaluated:
            return State.UNVERIFIED if on_host in self._untold else State.RETIRED
        if rule in self._unsettled:
            return State.UNVERIFIED
        return State.RESOLVED if rule in self._applicable else State.RETIRED


def _failing(life: Lifecycle | None, finding: Finding, at: datetime) -> Lifecycle:
    if life is None:
        return Lifecycle(
            finding=finding.id,
            subject=finding.subject,
            check=finding.check,
            object=finding.object,
            state=State.OPEN,
            severity=finding.severity,
            first_seen=at,
            last_seen=at,
            opened_at=at,
        )
    # Judged again without a new look, it was not seen again: replays and partial runs leave no trace.
    seen = max(life.last_seen, finding.observed_at or at)
    if life.is_open:
        return replace(life, state=State.OPEN, severity=finding.severity, last_seen=seen)
    return replace(
        life,
        state=State.OPEN,
        severity=finding.severity,
        last_seen=seen,
        opened_at=at,
        resolved_at=None,
        reopened=life.reopened + (life.state is State.RESOLVED),
    )
