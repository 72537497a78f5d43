"""Judging what is stored again: without a packet, and without a trace in the store."""

from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from secscan import __version__
from secscan.baseline import Baseline, Overlays
from secscan.engine.crew import Crew
from secscan.engine.gathering import gatherers_of
from secscan.engine.judging import Docket, judgement_of, owners
from secscan.engine.references import Known, what_is_known
from secscan.engine.remembering import RememberingDocket
from secscan.engine.settling import READERS_CACHE, batches, crew_size
from secscan.engine.stamping import stamp
from secscan.evaluation import judge_host
from secscan.facts import Facts
from secscan.history.waterfall import Cause, Findings, Rejudged, Situation, Waterfall, waterfall
from secscan.inventory import inventory_from_documents
from secscan.language import _
from secscan.model import Evidence, Finding, GroupScore, HostScore, Inventory, Judgement, Outcome, Stamp
from secscan.scope import utc_now
from secscan.store import RunInfo, Scores, Store
from secscan.workspace import NO_AUTHORITIES, Authorities


class ReplayError(ValueError):
    """There is nothing to judge at that instant: says when the first run began."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where reference data is from: the workspace's own authorities, and the database of what was imported."""

    anchors: Authorities = NO_AUTHORITIES
    feeds: Path | None = None

    def of(
        self,
        store: Store,
        inventory: Inventory,
        at: datetime,
        known: datetime,
        *,
        baselines: Iterable[Baseline],
    ) -> Known:
        """To judge what was seen by ``at``, as it was ``known`` then, by any of the baselines."""
        return what_is_known(
            store, inventory, baselines, at, anchors=self.anchors, feeds=self.feeds, known=known
        )


def replay(
    store: Store,
    at: datetime,
    *,
    baseline: Baseline,
    sources: Sources,
    known_now: bool = False,
    whole: bool = True,
) -> Judgement:
    """The whole inventory of that time judged by the evidence of that time, under any baseline.

    Advisories and the like are as they were known then, or with ``known_now`` as they are now. Nothing is stored.
    Unless it is to be ``whole``, of the findings the failures alone are kept: all of a large fleet's take a GB.
    Raises ReplayError where no run had begun by then, or what was seen before it was pruned.
    """
    _refuse_pruned(store, at)
    run = _run_at(store, at)
    inventory = inventory_from_documents(store.inventory_of(run.id))
    known = utc_now() if known_now else at
    references = sources.of(store, inventory, at, known, baselines=[baseline]).references()
    docket = Docket(inventory, baseline, references, at)
    scores: dict[str, HostScore] = {}
    findings: dict[str, tuple[Finding, ...]] = {}
    for host, evidence in store.evidence(at, sorted(docket.owner)):
        said = docket.findings(host, evidence)
        scores[host] = docket.score(host, said)
        findings[host] = said if whole else tuple(f for f in said if f.outcome is Outcome.FAIL)
    stamped = stamp(
        run=run.id, at=at, baseline=baseline, inventory=inventory, feeds=sources.feeds, known=known
    )
    return judgement_of(inventory, baseline, stamped, scores, findings=findings)


def replay_history(
    store: Store,
    instants: Sequence[datetime],
    *,
    baseline: Baseline,
    sources: Sources,
    known_now: bool = False,
    processes: int = 1,
) -> Generator[Judgement, None, None]:
    """As ``replay``, for many instants, in the order they are given in, and without findings: the scores alone.

    Rules that rest on facts which did not change since the instant before are not judged again, so the order of
    time is the quickest. ``processes`` is the most there may be; closing the generator ends them.
    Raises ReplayError where no run had begun by one of the instants, or what was seen before it was pruned.
    """
    now = utc_now()
    if instants:
        _refuse_pruned(store, min(instants))
    runs = [_run_at(store, at) for at in instants]
    work = _Replaying(location=store.location, kinds=store.kinds, baseline=baseline)
    inventory = Inventory({}, {}, ())
    said: str | None = None
    with Crew[_Turn | tuple[str, ...], dict[str, HostScore]](
        work, crew_size(len(store.judged_hosts()), processes)
    ) as crew:
        for run, at in zip(runs, instants, strict=True):
            is_another = run.inventory_hash != said
            if is_another:
                inventory = inventory_from_documents(store.inventory_of(run.id))
                said = run.inventory_hash
            known = now if known_now else at
            asked = sources.of(store, inventory, at, known, baselines=[baseline])
            crew.tell(_Turn(at, asked, inventory if is_another else None))
            scores: dict[str, HostScore] = {}
            hosts = sorted(owners(inventory, at.date()))
            for of_batch in crew.do([tuple(some) for some in batches(hosts)]):
                scores |= of_batch
            yield judgement_of(
                inventory,
                baseline,
                stamp(
                    run=run.id,
                    at=at,
                    baseline=baseline,
                    inventory=inventory,
                    feeds=sources.feeds,
                    known=known,
                ),
                scores,
            )


@dataclass(frozen=True, slots=True)
class _Turn:
    """The instant that is judged next. ``inventory``: None where it is the one before."""

    at: datetime
    known: Known
    inventory: Inventory | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Replaying:
    """What a member of the crew needs to judge hosts of a store at one instant after another."""

    location: str | Path
    kinds: Mapping[str, type[Facts]]
    baseline: Baseline

    def begin(self) -> "_Replayer":
        return _Replayer(
            Store.open(self.location, kinds=self.kinds, cache=READERS_CACHE), RememberingDocket(self.baseline)
        )


class _Replayer:
    """Judges, in whatever process, and reads what it takes by a connection of its own."""

    def __init__(self, store: Store, docket: RememberingDocket) -> None:
        self._store = store
        self._docket = docket
        self._at: datetime | None = None
        self._loaded: tuple[Known, object, Mapping[type, Any]] | None = None

    def do(self, task: "_Turn | tuple[str, ...]") -> dict[str, HostScore]:
        if isinstance(task, _Turn):
            self._at = task.at
            self._docket.turn_to(task.at, self._references(task.known), task.inventory)
            return {}
        if self._at is None:
            raise ValueError("hosts can't be judged before it is said as of when")
        return {host: self._docket.score(host, seen) for host, seen in self._store.evidence(self._at, task)}

    def close(self) -> None:
        self._store.close()

    def _references(self, known: Known) -> Mapping[type, Any]:
        """What was imported is read again only where there was an import in between."""
        imports = known.imports()
        if self._loaded is not None:
            before, imports_before, imported = self._loaded
            same = (before.anchors, before.feeds, before.releases) == (
                known.anchors,
                known.feeds,
                known.releases,
            )
            if same and imports == imports_before:
                return {**imported, **known.gathered}
        references = replace(known, gathered={}).references()
        self._loaded = (known, imports, references)
        return {**references, **known.gathered}


def _refuse_pruned(store: Store, at: datetime) -> None:
    since = store.complete_since()
    if since is not None and at < since:
        raise ReplayError(
            _(
                "what was seen before {since:%Y-%m-%d %H:%M} UTC was pruned (secscan db prune): as of {at:%Y-%m-%d %H:%M} "
                "UTC nothing can be judged again; what was judged then is kept"
            ).format(since=since, at=at)
        )


def _run_at(store: Store, at: datetime) -> RunInfo:
    """The newest run that had begun by then: its inventory is the one of that time."""
    runs = store.runs()
    for run in runs:
        if run.started_at <= at:
            return run
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
    return Comparison(
        store, compared(store, runs, baseline_of=baseline_of, sources=sources, agencies=[agency])
    ).why(agency)


@dataclass(frozen=True, slots=True)
class JudgedRun:
    """A run's newest judgement of every group, without hosts, and what it was made of."""

    id: int
    scores: Scores
    inventory: Inventory
    baseline: Baseline

    @property
    def stamp(self) -> Stamp:
        return self.scores.stamp


@dataclass(frozen=True, slots=True)
class Compared:
    """Two runs, and what the world said by the earlier one: read once, for however many agencies and processes.

    ``timed`` is what rules that ask for the time ask for, where nothing but time can have changed what a rule says of
    the same facts; else ``every`` is what all rules ask for.
    """

    before: JudgedRun
    after: JudgedRun
    sources: Sources
    timed: Known | None
    every: Known | None


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
    at = before.stamp.at
    _refuse_pruned(store, at)
    if not _is_judged_alike(before, after):
        return Compared(before, after, sources, None, _everything(store, before, after, sources))
    timed = _timed(after.baseline)
    asked = {kind for rule in timed.rules for kind in rule.check.asks.values()}
    # What is gathered from the whole fleet takes the whole fleet; the rest, the hosts that are asked for.
    fleet = _inventory(store, before.id, None) if gatherers_of(asked) else before.inventory
    known = sources.of(store, fleet, at, at, baselines=[timed])
    return Compared(before, after, sources, known, None)


def _judged_run(
    store: Store, run: int, baseline_of: Callable[[str], Baseline], agencies: Collection[str] | None
) -> JudgedRun:
    scores = store.scores(run, hosts_of=())
    return JudgedRun(run, scores, _inventory(store, run, agencies), baseline_of(scores.stamp.baseline))


def _inventory(store: Store, run: int, agencies: Collection[str] | None) -> Inventory:
    """The inventory of a run; of agencies that are not asked for, no hosts."""
    return inventory_from_documents(
        one if agencies is None or id in agencies else {**one, "hosts": [], "members": []}
        for id, one in store.inventory_of(run).items()
    )


def _everything(store: Store, before: JudgedRun, after: JudgedRun, sources: Sources) -> Known:
    at = before.stamp.at
    fleet = _inventory(store, before.id, None)
    return sources.of(store, fleet, at, at, baselines=[before.baseline, after.baseline])


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
    """Of two runs, agency by agency."""

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
        before = _Side(self._store, agency, self._before, self._owned[self._before.id])
        after = _Side(self._store, agency, self._after, self._owned[self._after.id], said)
        rejudged = self._rejudged(before, after)
        told = waterfall(
            before.situation, after.situation, rejudged, start=before.inherent, end=after.inherent
        )
        waived = (after.adjusted - after.inherent) - (before.adjusted - before.inherent)
        parts = {**told.parts, Cause.WAIVERS: told.parts[Cause.WAIVERS] + waived}
        return Waterfall(before.adjusted, after.adjusted, parts)

    def _rejudged(self, before: "_Side", after: "_Side") -> Rejudged:
        """The earlier evidence of hosts that are on both sides."""
        both: Sequence[str] = sorted(before.situation.findings.keys() & after.situation.findings.keys())
        evidence = dict(self._store.evidence(self.since.at, both))
        # What nothing has changed for is as it was judged then: judging takes far longer than all else here.
        if self._compared.timed is not None and _held_alike(before, after, both):
            as_then = {host: before.situation.findings[host] for host in both}
            later = {host: self._with_passed_time(host, evidence[host], before, after) for host in both}
            return Rejudged(as_then, as_then, as_then, later)

        def judged(by: _Side, references: Mapping[type, Any], at: datetime) -> Findings:
            return {
                host: _judged(host, evidence[host], before, by.held_to(host), references, at) for host in both
            }

        then, since = self._said()
        at, is_other_feed = before.stamp.at, before.stamp.feeds != after.stamp.feeds
        by_rules = (
            {host: before.situation.findings[host] for host in both}
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
        if self._of_timed is None and self._compared.timed is not None:
            self._of_timed = self._compared.timed.references()
        again = _judged(host, evidence, before, timed, self._of_timed or {}, at)
        ids = {rule.check.id for rule in timed.rules}
        same = (finding for finding in before.situation.findings[host] if finding.check not in ids)
        return (*same, *again)

    def _said(self) -> tuple[Mapping[type, Any], Mapping[type, Any]]:
        """What the world said by the earlier instant, and by the later one, of what was seen by the earlier."""
        if self._every is None:
            told = self._compared
            known = told.every or _everything(self._store, told.before, told.after, told.sources)
            then = known.references()
            feeds = told.before.stamp.feeds, told.after.stamp.feeds
            later = then if feeds[0] == feeds[1] else replace(known, at=told.after.stamp.at).references()
            self._every = then, later
        return self._every


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
    """One of two judgements of an agency; ``owned`` are the hosts of all agencies."""

    def __init__(
        self,
        store: Store,
        agency: str,
        run: JudgedRun,
        owned: frozenset[str],
        said: Mapping[str, Sequence[Finding]] | None = None,
    ) -> None:
        members = store.members(run.id, agency)
        self.stamp = run.stamp
        self.inventory = run.inventory
        self.baseline = run.baseline
        self.agency = self.inventory.agencies[agency]
        self.inherent = _verified(run.scores.agencies[agency])
        self.adjusted = _verified(_adjusted(run.scores, agency))
        if said is None:
            said = _findings(store, run.id, members)
        self.situation = Situation(
            findings={host: tuple(said.get(host, ())) for host in members},
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
