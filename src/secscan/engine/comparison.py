"""Why scores changed from one run to another: what was seen then, judged again, agency by agency."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from typing import Any

from secscan import __version__
from secscan.baseline import Baseline, Overlays
from secscan.engine.gathering import gatherers_of
from secscan.engine.replay import Sources, refuse_pruned
from secscan.evaluation import judge_host
from secscan.history.waterfall import Cause, Findings, Rejudged, Situation, Waterfall, waterfall
from secscan.inventory import inventory_from_documents
from secscan.model import Evidence, Finding, GroupScore, Inventory, Stamp
from secscan.store import Scores, Store


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
    return Comparison(
        store, compared(store, runs, baseline_of=baseline_of, sources=sources, agencies=[agency])
    ).why(agency)


@dataclass(frozen=True, slots=True)
class JudgedRun:
    """A run's newest judgement of every group, without hosts, and what it was made of."""

    id: int
    began_at: datetime
    scores: Scores
    inventory: Inventory
    baseline: Baseline

    @property
    def stamp(self) -> Stamp:
        return self.scores.stamp


@dataclass(frozen=True, slots=True)
class Compared:
    """Two runs, read once for however many agencies and processes.

    ``is_alike``: both were judged by the same rules, baseline and feeds, so that nothing but time can have changed what a
    rule says of the same facts.
    """

    before: JudgedRun
    after: JudgedRun
    sources: Sources
    is_alike: bool


def compared(
    store: Store,
    runs: tuple[int, int],
    *,
    baseline_of: Callable[[str], Baseline],
    sources: Sources,
    agencies: Collection[str] | None = None,
) -> Compared:
    """``agencies`` are those that will be asked for; None: any.

    Raises StoreError where a run was not judged, ReplayError where what the earlier one saw was pruned.
    """
    before, after = (_judged_run(store, run, baseline_of, agencies) for run in runs)
    refuse_pruned(store, before.stamp.at)
    return Compared(before, after, sources, _is_judged_alike(before, after))


def _judged_run(
    store: Store, run: int, baseline_of: Callable[[str], Baseline], agencies: Collection[str] | None
) -> JudgedRun:
    scores = store.scores(run, hosts_of=())
    return JudgedRun(
        run,
        store.run(run).started_at,
        scores,
        _inventory(store, run, agencies),
        baseline_of(scores.stamp.baseline),
    )


def _inventory(store: Store, run: int, agencies: Collection[str] | None) -> Inventory:
    """The inventory of a run; of agencies that are not asked for, no hosts."""
    return inventory_from_documents(
        one if agencies is None or id in agencies else {**one, "hosts": [], "members": []}
        for id, one in store.inventory_of(run).items()
    )


def _is_judged_alike(before: JudgedRun, after: JudgedRun) -> bool:
    """Whether the earlier judgement was made by the rules of this secscan, and both by the same baseline and feeds."""
    return (
        (before.stamp.secscan_version, before.stamp.baseline_hash) == (__version__, before.baseline.hash)
        and before.baseline.hash == after.baseline.hash
        and before.stamp.feeds == after.stamp.feeds
    )


def _timed(baseline: Baseline) -> Baseline:
    """With the rules alone that ask for the time: by the same facts all others say the same at any instant."""
    timed = tuple(rule for rule in baseline.rules_of_any_host() if rule.check.asks_time)
    return replace(baseline, rules=timed, overlays=Overlays())


class Comparison:
    """Of two runs, agency by agency. What the world said is read when it is asked for, and once."""

    def __init__(self, store: Store, compared: Compared) -> None:
        self._store = store
        self._compared = compared
        self._before, self._after = compared.before, compared.after
        self._owned = {run.id: _owned(run) for run in (compared.before, compared.after)}
        self._timed_by: dict[str, Baseline] = {}
        self._every: tuple[Mapping[type, Any], Mapping[type, Any]] | None = None
        self._of_timed: Mapping[type, Any] | None = None

    @property
    def since(self) -> Stamp:
        """What the earlier judgement was made with."""
        return self._before.stamp

    def why(self, agency: str, said: Mapping[str, Sequence[Finding]] | None = None) -> Waterfall:
        """As ``why``; ``said`` is what the later judgement said of the agency's hosts, where it was read already.

        Raises StoreError where the agency was not judged in both.
        """
        members = self._store.members(self._after.id, agency)
        later = _findings(self._store, self._after.id, members) if said is None else said
        after = _Side(agency, self._after, self._owned[self._after.id], later, members)
        members = self._store.members(self._before.id, agency)
        same = self._unchanged(agency, sorted(set(members) & after.situation.findings.keys()))
        earlier: Mapping[str, Sequence[Finding]] = _findings(
            self._store, self._before.id, [host for host in members if host not in same]
        )
        # The very same, and not only alike: no step has to compare them.
        earlier = {**earlier, **{host: after.situation.findings[host] for host in same}}
        before = _Side(agency, self._before, self._owned[self._before.id], earlier, members)
        told = waterfall(
            before.situation,
            after.situation,
            self._rejudged(before, after, same),
            start=before.inherent,
            end=after.inherent,
        )
        waived = (after.adjusted - after.inherent) - (before.adjusted - before.inherent)
        parts = {**told.parts, Cause.WAIVERS: told.parts[Cause.WAIVERS] + waived}
        return Waterfall(before.adjusted, after.adjusted, parts)

    def _unchanged(self, agency: str, hosts: Sequence[str]) -> frozenset[str]:
        """The hosts of which nothing is to be told: all that was seen, declared and said of them is as it was.

        What was seen at first may have grown too old since: then passing time took what looking again gave back.
        """
        before, after = self._before, self._after
        if not self._compared.is_alike or before.began_at < after.stamp.at - after.baseline.carry:
            return frozenset()
        if before.inventory.agencies.get(agency) != after.inventory.agencies.get(agency):
            return frozenset()
        alike = [
            host for host in hosts if before.inventory.hosts.get(host) == after.inventory.hosts.get(host)
        ]
        return self._store.unchanged(before.id, after.id, alike)

    def _rejudged(self, before: "_Side", after: "_Side", same: Collection[str]) -> Rejudged:
        """The earlier evidence of hosts that are on both sides; those that are the ``same`` need no judge."""
        there: Sequence[str] = sorted(before.situation.findings.keys() & after.situation.findings.keys())
        both = [host for host in there if host not in same]
        kept = {host: before.situation.findings[host] for host in same}
        evidence = dict(self._store.evidence(self.since.at, both)) if both else {}
        # What nothing has changed for is as it was judged then: judging takes far longer than all else here.
        if self._compared.is_alike and _held_alike(before, after, both):
            as_then = kept | {host: before.situation.findings[host] for host in both}
            later = {host: self._with_passed_time(host, evidence[host], before, after) for host in both}
            return Rejudged(as_then, as_then, as_then, kept | later)

        def judged(by: _Side, references: Mapping[type, Any], at: datetime) -> Findings:
            return kept | {
                host: _judged(host, evidence[host], before, by.held_to(host), references, at) for host in both
            }

        then, since = self._said()
        at, is_other_feed = before.stamp.at, before.stamp.feeds != after.stamp.feeds
        by_rules = (
            {host: before.situation.findings[host] for host in there}
            if before.was_judged_as_now
            else judged(before, then, at)
        )
        by_baseline = by_rules if _held_alike(before, after, both) else judged(after, then, at)
        by_references = judged(after, since, at) if is_other_feed else by_baseline
        return Rejudged(by_rules, by_baseline, by_references, judged(after, since, after.stamp.at))

    def _with_passed_time(
        self, host: str, evidence: Evidence, before: "_Side", after: "_Side"
    ) -> tuple[Finding, ...]:
        """What was said of the host, said again at the later time."""
        held_to, at = after.held_to(host), after.stamp.at
        if _fresh(evidence, before.stamp.at - held_to.carry) != _fresh(evidence, at - held_to.carry):
            # A pass that is carried no longer may be any rule's.
            return _judged(host, evidence, before, held_to, self._said()[1], at)
        timed = self._timed_by.setdefault(held_to.hash, _timed(held_to))
        again = _judged(host, evidence, before, timed, self._said_of_time(), at)
        ids = {rule.check.id for rule in timed.rules}
        same = (finding for finding in before.situation.findings[host] if finding.check not in ids)
        return (*same, *again)

    def _said(self) -> tuple[Mapping[type, Any], Mapping[type, Any]]:
        """What the world said by the earlier instant, and by the later one, of what was seen by the earlier."""
        if self._every is None:
            told, at = self._compared, self.since.at
            fleet = _inventory(self._store, told.before.id, None)
            baselines = [told.before.baseline, told.after.baseline]
            known = told.sources.of(self._store, fleet, at, at, baselines=baselines)
            then = known.references()
            feeds = told.before.stamp.feeds, told.after.stamp.feeds
            later = then if feeds[0] == feeds[1] else replace(known, at=told.after.stamp.at).references()
            self._every = then, later
        return self._every

    def _said_of_time(self) -> Mapping[type, Any]:
        """What rules ask for that ask for the time, where all else is alike."""
        if self._of_timed is None:
            told, at = self._compared, self.since.at
            timed = _timed(told.after.baseline)
            asked = {kind for rule in timed.rules for kind in rule.check.asks.values()}
            # What is gathered from the whole fleet takes the whole fleet; the rest, the hosts that are asked for.
            is_gathered = bool(gatherers_of(asked))
            fleet = _inventory(self._store, told.before.id, None) if is_gathered else told.before.inventory
            self._of_timed = told.sources.of(self._store, fleet, at, at, baselines=[timed]).references()
        return self._of_timed


def _judged(
    host: str,
    evidence: Evidence,
    before: "_Side",
    baseline: Baseline,
    references: Mapping[type, Any],
    at: datetime,
) -> tuple[Finding, ...]:
    """By the earlier declarations: what the inventory says of a host now is part of what it is now."""
    return judge_host(
        before.inventory.hosts[host],
        evidence,
        baseline=baseline,
        agency=before.agency,
        references=references,
        at=at,
    )


def _fresh(evidence: Evidence, oldest: datetime) -> tuple[bool, ...]:
    return tuple(
        record.observed_at >= oldest for record in (*evidence.newest.values(), *evidence.seen.values())
    )


def _owned(run: JudgedRun) -> frozenset[str]:
    """The hosts of all agencies, by what was scored: of most agencies no more is known."""
    return frozenset(host for group in run.scores.agencies.values() for host in group.members)


class _Side:
    """One of two judgements of an agency: what was ``said`` of its ``members``; ``owned`` are the hosts of all agencies."""

    def __init__(
        self,
        agency: str,
        run: JudgedRun,
        owned: frozenset[str],
        said: Mapping[str, Sequence[Finding]],
        members: Sequence[str],
    ) -> None:
        self.stamp = run.stamp
        self.inventory = run.inventory
        self.baseline = run.baseline
        self.agency = self.inventory.agencies[agency]
        self.inherent = _verified(run.scores.agencies[agency])
        self.adjusted = _verified(_adjusted(run.scores, agency))
        self.situation = Situation(
            findings={host: _as_tuple(said.get(host, ())) for host in members},
            criticality={host: self.inventory.hosts[host].criticality for host in members},
            baseline=self.baseline,
            held_to=self.held_to,
            elsewhere=owned - frozenset(members),
        )

    @property
    def was_judged_as_now(self) -> bool:
        """By the rules of this secscan, and the baseline as it is today."""
        return (self.stamp.secscan_version, self.stamp.baseline_hash) == (__version__, self.baseline.hash)

    def held_to(self, host: str) -> Baseline:
        return self.baseline.for_host(self.inventory.hosts[host], self.agency.tier)


def _as_tuple(said: Sequence[Finding]) -> tuple[Finding, ...]:
    """The very same where it is one."""
    return said if isinstance(said, tuple) else tuple(said)


def _findings(store: Store, run: int, hosts: Sequence[str]) -> dict[str, list[Finding]]:
    said: dict[str, list[Finding]] = {}
    for finding in store.findings(run, hosts=hosts):
        said.setdefault(finding.subject.host or finding.subject.id, []).append(finding)
    return said


def _held_alike(before: _Side, after: _Side, hosts: Iterable[str]) -> bool:
    """Whether both sides hold each of the hosts to the same."""
    return (before.baseline.hash, before.agency.tier) == (after.baseline.hash, after.agency.tier) and all(
        before.inventory.hosts[host] == after.inventory.hosts[host] for host in hosts
    )


def _adjusted(scores: Scores, agency: str) -> GroupScore:
    inherent = scores.agencies[agency]
    return inherent if scores.adjusted is None else scores.adjusted.agencies.get(agency, inherent)


def _verified(score: GroupScore) -> Fraction:
    return score.range.verified if score.range else Fraction(0)
