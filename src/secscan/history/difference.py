"""What changed between two judgements, finding by finding."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from secscan.history.lifecycle import Lifecycle, State
from secscan.model import Finding, Outcome


class Change(enum.StrEnum):
    """What became of a finding; in the order they are told."""

    NEW = "new"
    REOPENED = "reopened"
    FIXED = "fixed"
    UNVERIFIED = "unverified"
    SEEN_AGAIN = "seen-again"
    EVIDENCE = "evidence"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Moment:
    """Lives and findings as they stood after a judgement, by finding id; of some findings, or of all."""

    lives: Mapping[str, Lifecycle] = field(default_factory=dict)
    findings: Mapping[str, Finding] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Changed:
    """One finding that changed. ``before`` and ``after`` are what was said of it, where anything was."""

    change: Change
    life: Lifecycle
    before: Finding | None
    after: Finding | None


def difference(before: Moment, after: Moment) -> tuple[Changed, ...]:
    """What changed from one moment to a later one, by kind of change, the gravest first.

    What came and went in between is not told: the two ends are compared. Neither is what was fixed and is now out
    of sight: a fix stands until the failure is seen again.
    """
    found = []
    for id, life in after.lives.items():
        said_before, said_after = before.findings.get(id), after.findings.get(id)
        change = _change(before.lives.get(id), life, said_before, said_after)
        if change is not None:
            found.append(Changed(change, life, said_before, said_after))
    order = list(Change)
    return tuple(
        sorted(
            found,
            key=lambda c: (
                order.index(c.change),
                -c.life.severity,
                c.life.check,
                c.life.subject,
                c.life.object,
            ),
        )
    )


def _change(
    was: Lifecycle | None, now: Lifecycle, said_before: Finding | None, said_after: Finding | None
) -> Change | None:
    if was is None:
        return Change.NEW if now.is_open else None
    if not was.is_open:
        return Change.REOPENED if now.is_open else None
    match now.state:
        case State.RESOLVED:
            return Change.FIXED
        case State.RETIRED:
            return Change.RETIRED
    if now.reopened > was.reopened:
        return Change.REOPENED
    if now.state is not was.state:
        return Change.UNVERIFIED if now.state is State.UNVERIFIED else Change.SEEN_AGAIN
    if now.state is State.OPEN and _differs(said_before, said_after):
        return Change.EVIDENCE
    return None


def _differs(before: Finding | None, after: Finding | None) -> bool:
    """Whether a failure shows itself otherwise: other words, another severity, other addresses; not another time."""
    if before is None or after is None or {before.outcome, after.outcome} != {Outcome.FAIL}:
        return False
    return (before.evidence, before.severity, before.addresses) != (
        after.evidence,
        after.severity,
        after.addresses,
    )
