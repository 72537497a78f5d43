"""Which failures are waived: matching, expiry, and evidence that changed since leave was given."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from fnmatch import fnmatchcase
from typing import TypeAlias

from secscan.history.lifecycle import Lifecycle, State
from secscan.model import Finding, Outcome, Waiver

#: The word in ``approved_by`` that lifts the cap of a critical failure.
CENTRAL = "central"

#: What a failure looked like when a waiver first covered it, by the waiver's key and the finding.
Accepted: TypeAlias = Mapping[tuple[str, str], str]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a finding is, for patterns: the agency and the role of its host."""

    agency: str
    role: str


@dataclass(frozen=True, slots=True)
class Waiving:
    """What the waivers come to on one day.

    A failure whose waiver is void or expired counts as if there were none. ``accepted`` is to be kept, and given the
    next time: it holds what was there, and the failures that a waiver covers for the first time.
    """

    #: Failing finding -> the waiver that covers it.
    covered: Mapping[str, Waiver]
    #: Failing finding -> the waiver that covered it before its evidence changed.
    void: Mapping[str, Waiver]
    #: Waivers whose day is over.
    expired: tuple[Waiver, ...]
    #: Waivers that hold and fit no failure.
    unused: tuple[Waiver, ...]
    accepted: Accepted
    #: Keys of the waivers that hold today.
    in_force: frozenset[str]

    @property
    def lifts(self) -> dict[str, bool]:
        """Covered finding -> whether its waiver lifts the cap of a critical failure; see ``score_host``."""
        return {id: waiver.approved_by == CENTRAL for id, waiver in self.covered.items()}


def weigh(
    waivers: Sequence[Waiver],
    findings: Iterable[Finding],
    place_of: Callable[[Finding], Place],
    *,
    accepted: Accepted,
    day: date,
) -> Waiving:
    """What these waivers come to on ``day``; one holds through its last day.

    Only a failure that was seen can be waived: what can't be seen may be worse than what leave was given for.
    Where several waivers fit, one that lifts critical caps goes before others, then the one written first.
    """
    holding = [waiver for waiver in waivers if day <= waiver.expires]
    by_rank = sorted(holding, key=lambda waiver: waiver.approved_by != CENTRAL)
    by_finding: dict[str, list[Waiver]] = {}
    for waiver in by_rank:
        if waiver.finding:
            by_finding.setdefault(waiver.finding, []).append(waiver)
    patterns = [waiver for waiver in by_rank if not waiver.finding]

    known = dict(accepted)
    covered: dict[str, Waiver] = {}
    void: dict[str, Waiver] = {}
    used: set[str] = set()
    for finding in findings if holding else ():
        if finding.outcome is not Outcome.FAIL:
            continue
        id = finding.id
        fitting = [*by_finding.get(id, ()), *(w for w in patterns if _fits(w, finding, place_of))]
        for waiver in sorted(fitting, key=by_rank.index) if len(fitting) > 1 else fitting:
            used.add(waiver.key)
            now = evidence_of(finding)
            if known.setdefault((waiver.key, id), waiver.evidence or now) == now:
                covered.setdefault(id, waiver)
            else:
                void.setdefault(id, waiver)
    return Waiving(
        covered=covered,
        void={id: waiver for id, waiver in void.items() if id not in covered},
        expired=tuple(waiver for waiver in waivers if day > waiver.expires),
        unused=tuple(waiver for waiver in holding if waiver.key not in used),
        accepted=known,
        in_force=frozenset(waiver.key for waiver in holding),
    )


def evidence_of(finding: Finding) -> str:
    """Names what a failure looks like: its words, their values and its severity; not where else it was seen."""
    said = [finding.evidence.template, dict(finding.evidence.values), int(finding.severity)]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def mark_waived(lives: Mapping[str, Lifecycle], waiving: Waiving, at: datetime) -> dict[str, Lifecycle]:
    """The lives with their waivers as of a judgement at ``at``.

    Where a waiver has run out, the finding is opened again, and its deadline begins anew. Where it was withdrawn, or
    is void, it is as if it had never been given.
    """
    ended = {waiver.key for waiver in waiving.expired}
    return {id: _marked(life, waiving, ended, at) for id, life in lives.items()}


def _marked(life: Lifecycle, waiving: Waiving, ended: set[str], at: datetime) -> Lifecycle:
    now = ""
    if life.state is State.OPEN and life.finding in waiving.covered:
        now = waiving.covered[life.finding].key
    elif life.state is State.UNVERIFIED and life.waiver in waiving.in_force:
        now = life.waiver
    if now == life.waiver:
        return life
    if life.is_open and not now and life.waiver in ended:
        return replace(life, waiver="", opened_at=at, reopened=life.reopened + 1)
    return replace(life, waiver=now)


def _fits(waiver: Waiver, finding: Finding, place_of: Callable[[Finding], Place]) -> bool:
    if waiver.check and not fnmatchcase(finding.check, waiver.check):
        return False
    if waiver.object and not fnmatchcase(finding.object, waiver.object):
        return False
    if not (waiver.agency or waiver.role):
        return True
    place = place_of(finding)
    return all(
        not pattern or fnmatchcase(text, pattern)
        for text, pattern in ((place.agency, waiver.agency), (place.role, waiver.role))
    )
