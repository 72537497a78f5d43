"""What is otherwise in one baseline than in another, value by value. Pure."""

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from typing import Any

from secscan.baseline.rules import Baseline, Rule


class Change(enum.StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that is there in one baseline alone, or not the same in both.

    ``hosts`` is empty where it holds for all, else such as ``roles.mail``. ``place`` is the table of a profile it
    stands in, ``key`` the rest of the way: ``tls.cbc`` for a rule that is added or removed as a whole,
    ``tls.cbc.severity`` for one of its values. The values are plain: numbers, texts, lists, None.
    """

    hosts: str
    place: str
    key: str
    change: Change
    before: Any = None
    after: Any = None


def differences(before: Baseline, after: Baseline) -> tuple[Difference, ...]:
    """All that changes for hosts that leave ``before`` for ``after``: first for all of them, then for some.

    Of some hosts (a tier, a level, a role, a single host) only that is told which is not told of all already.
    """
    of_all = [
        Difference("", place, key, change, old, new)
        for place, key, change, old, new in _changes(before, after)
    ]
    told = [(d.place, d.key, d.change, d.before, d.after) for d in of_all]
    of_some = [
        Difference(".".join(selector), *change)
        for selector in dict.fromkeys([*before.overlays.parts, *after.overlays.parts])
        for change in _changes(before.for_some(selector), after.for_some(selector))
        if change not in told
    ]
    return (*of_all, *of_some)


def rule_values(rule: Rule) -> dict[str, Any]:
    """What a baseline says of a rule, as plain values by the keys that a profile has for them; no cap is none."""
    limits = rule.limits.model_dump() if rule.limits is not None else {}
    return {
        "severity": rule.severity.word,
        **({"cap": plain(rule.cap)} if rule.cap is not None else {}),
        **({"known_exploited": True} if rule.known_exploited else {}),
        **{name: plain(value) for name, value in limits.items()},
    }


def plain(value: Any) -> Any:
    """A value as JSON has it: sets in order, exact numbers whole where they are, spans of time in days."""
    match value:
        case Mapping():
            return {str(key): plain(inner) for key, inner in value.items()}
        case set() | frozenset():
            return sorted(plain(inner) for inner in value)
        case list() | tuple():
            return [plain(inner) for inner in value]
        case timedelta():
            return value.days
        case Fraction():
            return value.numerator if value.denominator == 1 else float(value)
        case bool() | int() | float() | str() | None:
            return value
    return str(value)


_Change = tuple[str, str, Change, Any, Any]


def _changes(before: Baseline, after: Baseline) -> Iterator[_Change]:
    old, new = _rules(before), _rules(after)
    for id in sorted({*old, *new}):
        if id not in old:
            yield "rules", id, Change.ADDED, None, new[id]["severity"]
        elif id not in new:
            yield "rules", id, Change.REMOVED, old[id]["severity"], None
        else:
            for key, change, was, is_ in _changed(old[id], new[id]):
                yield "rules", f"{id}.{key}", change, was, is_
    old_tables, new_tables = _tables(before), _tables(after)
    for place in old_tables:
        for key, change, was, is_ in _changed(old_tables[place], new_tables[place]):
            yield place, key, change, was, is_


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, Change, Any, Any]]:
    for key in dict.fromkeys([*old, *new]):
        if key not in old:
            yield key, Change.ADDED, None, new[key]
        elif key not in new:
            yield key, Change.REMOVED, old[key], None
        elif old[key] != new[key]:
            yield key, Change.CHANGED, old[key], new[key]


def _rules(baseline: Baseline) -> dict[str, dict[str, Any]]:
    return {rule.check.id: {"domain": rule.domain, **rule_values(rule)} for rule in baseline.rules}


def _tables(baseline: Baseline) -> dict[str, dict[str, Any]]:
    scoring, deadlines = baseline.scoring, baseline.deadlines
    exploited = {} if deadlines.known_exploited is None else {"known_exploited": deadlines.known_exploited}
    by_severity = {severity.word: span for severity, span in deadlines.by_severity.items()}
    tables: dict[str, Mapping[str, Any]] = {
        "deadlines": {**exploited, **by_severity},
        "domains": baseline.domains,
        "": {"carry_days": baseline.carry, "tls_ports": baseline.tls_ports},
        "scoring": {
            "meets": scoring.meets,
            "mean_share_percent": 100 * scoring.mean_share,
            "worst_divisor": scoring.worst_divisor,
            "worst_most": scoring.worst_most,
            "enough_coverage_percent": 100 * scoring.enough_coverage,
        },
        "scoring.weights": {severity.word: weight for severity, weight in scoring.weights.items()},
        "scoring.caps": {severity.word: cap for severity, cap in scoring.caps.items()},
        "scoring.grades": dict(scoring.grades),
    }
    return {place: plain(table) for place, table in tables.items()}
