"""Judging what is stored again: without a packet, and without a trace in the store."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from secscan.baseline import Baseline
from secscan.engine.judging import judge_fleet
from secscan.engine.references import Known, what_is_known
from secscan.engine.stamping import stamp
from secscan.evaluation import judge_host
from secscan.history.waterfall import Cause, Findings, Rejudged, Situation, Waterfall, waterfall
from secscan.inventory import inventory_from_documents
from secscan.language import _
from secscan.model import Finding, GroupScore, Inventory, Judgement, Stamp
from secscan.scope import utc_now
from secscan.store import Scores, Store


class ReplayError(ValueError):
    """There is nothing to judge at that instant: says when the first run began."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where reference data is from: the workspace's own trust anchors (DER), and the database of what was imported."""

    anchors: Sequence[bytes] = ()
    feeds: Path | None = None

    def of(
        self, store: Store, inventory: Inventory, baseline: Baseline, at: datetime, known: datetime
    ) -> Known:
        """To judge what was seen by ``at``, as it was ``known`` then."""
        return what_is_known(
            store, inventory, baseline, at, anchors=self.anchors, feeds=self.feeds, known=known
        )


def replay(
    store: Store, at: datetime, *, baseline: Baseline, sources: Sources, known_now: bool = False
) -> Judgement:
    """The whole inventory of that time judged by the evidence of that time, under any baseline.

    Advisories and the like are as they were known then, or with ``known_now`` as they are now. Nothing is stored.
    Raises ReplayError where no run had begun by then.
    """
    _refuse_pruned(store, at)
    run = _run_at(store, at)
    inventory = inventory_from_documents(store.inventory_of(run))
    owned = sorted({m.host for m in inventory.memberships if m.covers(at.date())})
    known = utc_now() if known_now else at
    return judge_fleet(
        inventory,
        store.evidence(at, owned),
        baseline=baseline,
        references=sources.of(store, inventory, baseline, at, known).references(),
        stamp=stamp(run=run, at=at, baseline=baseline, inventory=inventory, feeds=sources.feeds, known=known),
    )


def _refuse_pruned(store: Store, at: datetime) -> None:
    since = store.complete_since()
    if since is not None and at < since:
        raise ReplayError(
            _(
                "what was seen before {since:%Y-%m-%d %H:%M} UTC was pruned (secscan db prune): as of {at:%Y-%m-%d %H:%M} "
                "UTC nothing can be judged again; what was judged then is kept"
            ).format(since=since, at=at)
        )


def _run_at(store: Store, at: datetime) -> int:
    """The newest run that had begun by then: its inventory is the one of that time."""
    runs = store.runs()
    for run in runs:
        if run.started_at <= at:
            return run.id
    if not runs:
        raise ReplayError("nothing was scanned yet: there is nothing to judge; begin with: secscan scan")
    raise ReplayError(
        f"nothing had been scanned by {at:%Y-%m-%d %H:%M} UTC: the first run began on "
        f"{runs[-1].started_at:%Y-%m-%d %H:%M} UTC"
    )


def why(
    store: Store,
    agency: str,
    runs: tuple[int, int],
    *,
    baseline_of: Callable[[str], Baseline],
    sources: Sources,
) -> Waterfall:
    """Why the agency's adjusted score (the inherent one, where nothing is waived) changed from one run to another.

    ``baseline_of`` loads a baseline by name. One that was edited since is judged by as it is now: what that alone
    changes counts as a matter of the rules. Raises StoreError where a run was not judged, or not that agency.
    """
    sides = [_Side(store, agency, run, baseline_of) for run in runs]
    before, after = sides
    _refuse_pruned(store, before.stamp.at)
    rejudged = _rejudged(store, before, after, sources)
    told = waterfall(before.situation, after.situation, rejudged, start=before.inherent, end=after.inherent)
    waived = (after.adjusted - after.inherent) - (before.adjusted - before.inherent)
    parts = {**told.parts, Cause.WAIVERS: told.parts[Cause.WAIVERS] + waived}
    return Waterfall(before.adjusted, after.adjusted, parts)


class _Side:
    """One of two judgements of an agency."""

    def __init__(self, store: Store, agency: str, run: int, baseline_of: Callable[[str], Baseline]) -> None:
        members = store.members(run, agency)
        scores = store.scores(run)
        self.stamp: Stamp = scores.stamp
        self.inventory: Inventory = inventory_from_documents(store.inventory_of(run))
        self.baseline = baseline_of(self.stamp.baseline)
        self.agency = self.inventory.agencies[agency]
        self.inherent = _verified(scores.agencies[agency])
        self.adjusted = _verified(_adjusted(scores, agency))
        findings: dict[str, list[Finding]] = {host: [] for host in members}
        for finding in store.findings(run, hosts=members):
            findings[finding.subject.host or finding.subject.id].append(finding)
        day = self.stamp.at.date()
        self.situation = Situation(
            findings={host: tuple(said) for host, said in findings.items()},
            criticality={host: self.inventory.hosts[host].criticality for host in members},
            baseline=self.baseline,
            held_to=self.held_to,
            elsewhere=frozenset(
                m.host for m in self.inventory.memberships if m.covers(day) and m.agency != agency
            ),
        )

    def held_to(self, host: str) -> Baseline:
        return self.baseline.for_host(self.inventory.hosts[host], self.agency.tier)


def _rejudged(store: Store, before: _Side, after: _Side, sources: Sources) -> Rejudged:
    """The earlier evidence of hosts that are on both sides."""
    both: Sequence[str] = sorted(before.situation.findings.keys() & after.situation.findings.keys())
    evidence = dict(store.evidence(before.stamp.at, both))

    def known(by: _Side) -> Mapping[type, Any]:
        """What was seen by the earlier instant, and what the world said by that of ``by``."""
        return sources.of(store, before.inventory, by.baseline, before.stamp.at, by.stamp.at).references()

    def judged(by: _Side, references: Mapping[type, Any], at: datetime) -> Findings:
        # The earlier declarations: what the inventory says of a host now is part of what it is now.
        return {
            host: judge_host(
                before.inventory.hosts[host],
                evidence[host],
                baseline=by.held_to(host),
                agency=before.agency,
                references=references,
                at=at,
            )
            for host in both
        }

    then, since = known(before), known(after)
    return Rejudged(
        rules=judged(before, then, before.stamp.at),
        baseline=judged(after, then, before.stamp.at),
        references=judged(after, since, before.stamp.at),
        time=judged(after, since, after.stamp.at),
    )


def _adjusted(scores: Scores, agency: str) -> GroupScore:
    inherent = scores.agencies[agency]
    return inherent if scores.adjusted is None else scores.adjusted.agencies.get(agency, inherent)


def _verified(score: GroupScore) -> Fraction:
    return score.range.verified if score.range else Fraction(0)
