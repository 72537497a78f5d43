"""Judging what is stored again: without a packet, and without a trace in the store."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from secscan.baseline import Baseline
from secscan.engine.crew import Crew
from secscan.engine.judging import Docket, judgement_of, owners
from secscan.engine.references import Known, what_is_known
from secscan.engine.remembering import RememberingDocket
from secscan.engine.settling import READERS_CACHE, batches, crew_size
from secscan.engine.stamping import stamp
from secscan.facts import Facts
from secscan.inventory import inventory_from_documents
from secscan.language import _
from secscan.model import Finding, HostScore, Inventory, Judgement, Outcome
from secscan.scope import utc_now
from secscan.store import RunInfo, Store
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
    refuse_pruned(store, at)
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
        refuse_pruned(store, min(instants))
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


def refuse_pruned(store: Store, at: datetime) -> None:
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
        raise ReplayError(_("nothing was scanned yet: there is nothing to judge; begin with: secscan scan"))
    raise ReplayError(
        _(
            "nothing had been scanned by {at:%Y-%m-%d %H:%M} UTC: the first run began on "
            "{started_at:%Y-%m-%d %H:%M} UTC"
        ).format(at=at, started_at=runs[-1].started_at)
    )
