"""The life of a finding across judgements. Pure: states in, states out; time is an argument."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from secscan.model import Finding, Outcome, Subject, SubjectLevel


class State(enum.StrEnum):
    """RETIRED: what it was about is gone (a service seen closed, TLS no longer spoken, a host removed): not fixed."""

    OPEN = "open"
    RESOLVED = "resolved"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """What became of one finding that has failed at least once. ``reopened`` counts its relapses."""

    finding: str
    subject: Subject
    check: str
    object: str
    state: State
    first_seen: datetime
    resolved_at: datetime | None = None
    reopened: int = 0


def settle(
    previous: Mapping[str, Lifecycle], findings: Sequence[Finding], at: datetime
) -> dict[str, Lifecycle]:
    """The lives of all findings of the subjects judged at ``at``.

    ``previous`` holds the lives known for the same hosts, ``findings`` everything the judgement said of them.
    An open finding is resolved only on positive evidence: a pass for the same subject and object, or a complete
    evaluation of its rule (nothing unknown, no error) that no longer names the object.
    """
    after = dict(previous)
    named = {finding.id: finding for finding in findings}
    unsettled = {(f.subject, f.check) for f in findings if f.outcome in (Outcome.UNKNOWN, Outcome.ERROR)}
    evaluated = {(f.subject, f.check) for f in findings}
    untold = {
        (f.subject.host, f.check)
        for f in findings
        if f.outcome in (Outcome.UNKNOWN, Outcome.ERROR) and f.subject.level is SubjectLevel.HOST
    }
    for finding in findings:
        if finding.outcome is Outcome.FAIL:
            after[finding.id] = _failing(previous.get(finding.id), finding, at)
    for life in previous.values():
        if life.state is not State.OPEN:
            continue
        now = named.get(life.finding)
        rule = (life.subject, life.check)
        if now is not None:
            if now.outcome is Outcome.PASS:
                after[life.finding] = replace(life, state=State.RESOLVED, resolved_at=at)
            elif now.outcome is Outcome.NOT_APPLICABLE:
                after[life.finding] = replace(life, state=State.RETIRED, resolved_at=at)
        elif rule not in evaluated and (life.subject.host, life.check) in untold:
            continue  # Nothing could be told of the whole host, and so of none of its services.
        elif rule not in evaluated:
            after[life.finding] = replace(life, state=State.RETIRED, resolved_at=at)
        elif rule not in unsettled:
            after[life.finding] = replace(life, state=State.RESOLVED, resolved_at=at)
    return after


def _failing(life: Lifecycle | None, finding: Finding, at: datetime) -> Lifecycle:
    if life is None:
        return Lifecycle(
            finding=finding.id,
            subject=finding.subject,
            check=finding.check,
            object=finding.object,
            state=State.OPEN,
            first_seen=at,
        )
    relapse = life.state is State.RESOLVED
    return replace(life, state=State.OPEN, resolved_at=None, reopened=life.reopened + relapse)
