"""Scores of a host at one instant after another: what rests on facts that did not change is not judged again."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from inspect import signature
from typing import Any, TypeAlias

from secscan.baseline import Baseline
from secscan.check import REFERENCES, Check, Verdict
from secscan.engine.judging import Docket
from secscan.evaluation import judge_host
from secscan.model import (
    Agency,
    Evidence,
    Finding,
    Host,
    HostScore,
    Inventory,
    Observation,
    Outcome,
    Severity,
    Subject,
    Text,
    Unobserved,
)
from secscan.scoring import score_host

#: What a rule came to on a host, as far as scores go: each outcome and severity once, in the order they were found.
Told: TypeAlias = tuple[tuple[Outcome, Severity], ...]

#: The references that a rule asks for. Rules that ask for the same ones are remembered, and forgotten, together.
Group: TypeAlias = frozenset[type]

#: Different scores that are remembered; a fleet has far fewer.
MOST_SCORES = 20_000

#: When nothing was judged yet.
NEVER = datetime.min.replace(tzinfo=UTC)


class RememberingDocket:
    """As ``Docket``, for many instants, one after the other, of which only the scores are wanted.

    What a rule came to is remembered with all it can have hung on, and taken again where that is the same:

    - what was seen of the host (``Evidence.print``), and which of it is fresh enough to carry a pass;
    - the host and its agency, as the inventory has them, and what the host is held to;
    - the references that the rule asks for.

    When something was seen is none of that: a look that shows the same facts again changes no outcome, but for its
    freshness. So what a rule came to is not remembered where its check asks for the time, or for anything that is
    not named here, nor once it has read when a record was observed, or what volatile readings came with it, or was
    given word of what was not seen. Checks are pure: what one has not read, its verdict can't hang on.
    """

    def __init__(self, baseline: Baseline) -> None:
        self._baseline = baseline
        self._inventory = Inventory({}, {}, ())
        self._references: Mapping[type, Any] = {}
        self._docket = Docket(self._inventory, baseline, self._references, NEVER)
        self._at = NEVER
        #: How often each reference was another one than before.
        self._generations: dict[type, int] = {}
        self._parts: dict[str, _Parts] = {}
        self._hosts: dict[str, _Remembered] = {}
        self._scores: dict[tuple[str, tuple[Told, ...]], HostScore] = {}
        # Hosts that are set up alike come to the same: that is kept once.
        self._same: dict[tuple[tuple[str, Told], ...], tuple[tuple[str, Told], ...]] = {}

    def turn_to(
        self, at: datetime, references: Mapping[type, Any], inventory: Inventory | None = None
    ) -> None:
        """The instant that is judged from here on. None: the inventory is the one before."""
        for kind in {*self._references, *references}:
            if self._references.get(kind) != references.get(kind):
                self._generations[kind] = self._generations.get(kind, 0) + 1
        self._inventory = self._inventory if inventory is None else inventory
        self._references = references
        self._at = at
        self._docket = Docket(self._inventory, self._baseline, references, at)

    def score(self, id: str, evidence: Evidence) -> HostScore:
        held_to = self._docket.held_to(id)
        parts = self._parts.get(held_to.hash)
        if parts is None:
            parts = self._parts[held_to.hash] = _Parts(held_to)
        host, agency = self._inventory.hosts[id], self._inventory.agencies[self._docket.owner[id]]
        about = _About(evidence.print, self._fresh(evidence, held_to), host, agency, held_to.hash)
        known = self._hosts.get(id)
        if known is None or known.about != about or not evidence.print:
            known = self._hosts[id] = _Remembered(about)
        missing = tuple(
            group for group in parts.groups if known.generations.get(group) != self._generation(group)
        )
        told = {
            check: said for group in parts.groups if group not in missing for check, said in known.told[group]
        }
        if missing or parts.always:
            told |= self._judged(parts.asking(missing), host, agency, evidence)
            for group in missing:
                said = tuple((check, told[check]) for check in sorted(parts.groups[group] - parts.always))
                known.told[group] = self._same.setdefault(said, said)
                known.generations[group] = self._generation(group)
        return self._scored(id, held_to, told)

    def _judged(self, baseline: Baseline, host: Host, agency: Agency, evidence: Evidence) -> dict[str, Told]:
        findings = judge_host(
            host, evidence, baseline=baseline, agency=agency, references=self._references, at=self._at
        )
        told: dict[str, dict[tuple[Outcome, Severity], None]] = {rule.check.id: {} for rule in baseline.rules}
        for finding in findings:
            told[finding.check][finding.outcome, finding.severity] = None
        return {check: tuple(said) for check, said in told.items()}

    def _scored(self, id: str, held_to: Baseline, told: Mapping[str, Told]) -> HostScore:
        key = (held_to.hash, tuple(told[rule.check.id] for rule in held_to.rules))
        score = self._scores.get(key)
        if score is None:
            if len(self._scores) >= MOST_SCORES:
                self._scores.clear()
            score = self._scores[key] = score_host(id, _as_findings(told), held_to)
        return replace(score, host=id)

    def _fresh(self, evidence: Evidence, held_to: Baseline) -> tuple[bool, ...]:
        oldest = self._at - held_to.carry
        records = (*evidence.newest.values(), *evidence.seen.values())
        return tuple(record.observed_at >= oldest for record in records)

    def _generation(self, group: Group) -> int:
        return sum(self._generations.get(kind, 0) for kind in group)


@dataclass(frozen=True, slots=True)
class _About:
    """What a rule can hang on, but for the references."""

    print: bytes
    fresh: tuple[bool, ...]
    host: Host
    agency: Agency
    held_to: str


@dataclass(slots=True)
class _Remembered:
    """What the rules of each group came to on one host, and by which generation of their references."""

    about: _About
    told: dict[Group, tuple[tuple[str, Told], ...]] = field(default_factory=dict)
    generations: dict[Group, int] = field(default_factory=dict)


class _Parts:
    """The rules of a baseline: those that are always judged, and the others by what they ask for."""

    def __init__(self, baseline: Baseline) -> None:
        #: Checks that hang on the time: those that ask for it, and those that were seen to read it.
        self.always: set[str] = set()
        groups: dict[Group, set[str]] = {}
        for rule in baseline.rules:
            if _asks_for_more(rule.check):
                self.always.add(rule.check.id)
            else:
                group = frozenset(kind for kind in rule.check.asks.values() if kind in REFERENCES)
                groups.setdefault(group, set()).add(rule.check.id)
        self.groups = {group: frozenset(checks) for group, checks in groups.items()}
        rules = (replace(rule, check=_noting(rule.check, self.always.add)) for rule in baseline.rules)
        self._baseline = replace(baseline, rules=tuple(rules))
        self._asking: dict[tuple[tuple[Group, ...], int], Baseline] = {}

    def asking(self, groups: tuple[Group, ...]) -> Baseline:
        """The baseline with these rules alone, and those that are always judged."""
        key = groups, len(self.always)
        if key not in self._asking:
            wanted = self.always.union(*(self.groups[group] for group in groups))
            rules = tuple(rule for rule in self._baseline.rules if rule.check.id in wanted)
            self._asking[key] = replace(self._baseline, rules=rules)
        return self._asking[key]


def _asks_for_more(check: Check) -> bool:
    """Whether a check is given anything that what is remembered is not compared by."""
    return check.asks_time or not set(signature(check.function).parameters) <= {*check.observes, *check.asks}


def _noting(check: Check, note: Callable[[str], None]) -> Check:
    """The check, which notes its id where it reads what is not remembered."""

    def read() -> None:
        note(check.id)

    def function(**given: Any) -> Iterator[Verdict]:
        if any(isinstance(value, Unobserved) for value in given.values()):
            read()
        return check.function(
            **{
                name: _Noting(value, read) if isinstance(value, Observation) else value
                for name, value in given.items()
            }
        )

    return replace(check, function=function)


class _Noting(Observation[Any]):
    """An observation that tells where somebody reads when it was made, or its volatile readings."""

    __slots__ = ("_read", "_seen")
    _read: Callable[[], None]
    _seen: Observation[Any]

    def __init__(self, seen: Observation[Any], read: Callable[[], None]) -> None:
        # The fields are frozen, for whoever comes later.
        for name in ("target", "collector", "kind", "facts"):
            object.__setattr__(self, name, getattr(seen, name))
        object.__setattr__(self, "_seen", seen)
        object.__setattr__(self, "_read", read)

    @property
    def observed_at(self) -> datetime:
        self._read()
        return self._seen.observed_at

    @property
    def volatile(self) -> Mapping[str, str]:
        self._read()
        return self._seen.volatile


def _as_findings(told: Mapping[str, Told]) -> list[Finding]:
    """What a score is made of, and nothing else."""
    nowhere = Subject.of_host("")
    return [
        Finding(nowhere, check, "", outcome, severity, Text(check))
        for check, said in told.items()
        for outcome, severity in said
    ]
