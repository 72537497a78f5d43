"""One run: plan, collect, record, judge, score. What was recorded stays, whatever ends a run."""

import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import msgspec

from secscan.baseline import Baseline
from secscan.check import Check
from secscan.engine.canaries import misjudged
from secscan.engine.judging import Docket, judgement_of
from secscan.engine.looking import Progress, backups_on, look
from secscan.engine.protocol import CollectionSettings, Login, Setup
from secscan.engine.references import what_is_known
from secscan.engine.settling import Settling, lives_elsewhere, settled
from secscan.engine.stamping import stamp
from secscan.evaluation import services
from secscan.facts import BUILT_IN, Facts
from secscan.inventory import agency_documents, inventory_from_documents, inventory_hash
from secscan.language import _
from secscan.model import (
    Evidence,
    Finding,
    Host,
    HostScore,
    Inventory,
    Judgement,
    Record,
    Stamp,
    Waiver,
)
from secscan.registry import checks_version
from secscan.scope import Scope, scope_document, utc_now
from secscan.scoring import SCORING_VERSION
from secscan.store import RunInfo, RunStart, RunState, Store
from secscan.workspace import NO_AUTHORITIES, Authorities

#: A run that was interrupted longer ago than this is not resumed: its first half would be news of another day.
LONGEST_PAUSE = timedelta(hours=24)


class RunError(Exception):
    """A run that can't be begun or resumed: says why, and what to do instead."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a run sets out to do; stored with it, so that a resumed run does the same."""

    hosts: tuple[str, ...]
    settings: CollectionSettings
    profile: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a run works with, and what it does not store."""

    store: Store
    checks: Mapping[str, Check]
    baseline: Baseline
    scope: Scope
    probe_log: str | None
    #: Processes that look at hosts, and afterwards judge them.
    workers: int
    #: How hosts are logged in to; None where nobody can, or where the baseline asks for nothing that it would show.
    login: Login | None = None
    #: The workspace's own authorities, and their lists of revoked certificates.
    anchors: Authorities = NO_AUTHORITIES
    #: The database of imported reference data.
    feeds: Path | None = None
    kinds: Mapping[str, type[Facts]] = field(default_factory=lambda: BUILT_IN)
    #: Checks whose findings are kept; those of any other are retired. Empty: all checks there are. A run under a
    #: profile other than the workspace's own must not give up what only that one judges.
    standing: Collection[str] = ()
    waivers: Sequence[Waiver] = ()
    #: Where the operator's days begin and end: a waiver holds until the end of one.
    zone: tzinfo = UTC


def begin(inventory: Inventory, hosts: Sequence[Host], settings: CollectionSettings, means: Means) -> int:
    """A new run over these hosts, stored and not begun; returns its number."""
    plan = Plan(
        hosts=tuple(sorted(host.id for host in hosts)), settings=settings, profile=means.baseline.name
    )
    start = RunStart(
        started_at=utc_now(),
        plan=msgspec.to_builtins(plan),
        inventory=agency_documents(inventory),
        inventory_hash=inventory_hash(inventory),
        profile=means.baseline.name,
        profile_hash=means.baseline.hash,
        domains=tuple(means.baseline.domains),
        scoring_version=SCORING_VERSION,
        checks_version=checks_version(means.checks),
    )
    return means.store.begin_run(start)


def newest_interrupted(store: Store, now: datetime) -> RunInfo:
    """The run to go on with. Raises RunError where there is none, or where it stopped too long ago."""
    newest = next(iter(store.runs(1)), None)
    if newest is None or newest.state is RunState.FINISHED:
        raise RunError(_("there is no interrupted run to resume; begin one with: secscan scan"))
    if now - newest.started_at > LONGEST_PAUSE:
        raise RunError(
            _(
                "run {id} began on {started_at:%Y-%m-%d %H:%M} UTC, more than 24 hours ago: what it saw "
                "is too old to be completed. Begin a new one with: secscan scan"
            ).format(id=newest.id, started_at=newest.started_at)
        )
    return newest


def plan_of(store: Store, run: int) -> tuple[Plan, Inventory]:
    """What a stored run set out to do, and the inventory it used."""
    return msgspec.convert(store.plan(run), Plan), inventory_from_documents(store.inventory_of(run))


def carry_out(
    run: int,
    inventory: Inventory,
    plan: Plan,
    means: Means,
    *,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Judgement | None:
    """Looks at what the run has not yet looked at, judges, scores and stores. A new run and a resumed one alike.

    None: it misjudged a canary, and is in quarantine.

    Ctrl-C, or whatever else ends it early, leaves the run interrupted, with everything that was recorded.
    """
    hosts = [inventory.hosts[id] for id in plan.hosts if id in inventory.hosts]
    known, recorded = _known(hosts, run, means)
    setup = Setup(
        scope=scope_document(means.scope),
        settings=plan.settings,
        share=(1, 1),
        probe_log=means.probe_log,
        login=means.login,
    )
    means.store.set_state(run, RunState.RUNNING, utc_now())
    try:
        look(
            hosts,
            setup,
            workers=means.workers,
            record=lambda records: means.store.record(run, records),
            progress=progress,
            known_ports=known,
            recorded=recorded,
            # A backup server keeps those of hosts that this run may not look at.
            backups=backups_on(inventory.hosts.values()),
            kinds=means.kinds,
        )
        judgement = judge(run, inventory, means, at=utc_now(), looked_at=plan.hosts)
    except BaseException:
        means.store.set_state(run, RunState.INTERRUPTED, utc_now())
        raise
    if judgement is not None:
        means.store.finish(run, utc_now())
    return judgement


def judge(
    run: int, inventory: Inventory, means: Means, *, at: datetime, looked_at: Collection[str] = ()
) -> Judgement | None:
    """Judges the whole inventory by the newest evidence as of ``at``, and stores that as the run's judgement.

    What is returned holds the scores, and of the findings the failures alone: the rest is stored. It is all stored, or,
    whatever ends it early, nothing of it.

    Canaries among the hosts that the run ``looked_at`` are judged first. Where one of them is judged wrongly, the run
    goes into quarantine instead: None is returned, and no score, finding or life is touched.
    """
    settling = Settling(
        location=means.store.location,
        inventory=inventory,
        baseline=means.baseline,
        known=what_is_known(
            means.store, inventory, [means.baseline], at, anchors=means.anchors, feeds=means.feeds, known=at
        ),
        at=at,
        standing=frozenset(means.standing or means.checks),
        waivers=tuple(means.waivers),
        zone=means.zone,
        kinds=means.kinds,
    )
    wrong = tuple(misjudged(inventory, _of_canaries(settling, means.store, looked_at)))
    if wrong:
        means.store.quarantine(run, wrong, utc_now())
        return None
    stamped = stamp(run=run, at=at, baseline=means.baseline, inventory=inventory, feeds=means.feeds)
    return _judge(settling, stamped, means)


def _of_canaries(
    settling: Settling, store: Store, looked_at: Collection[str]
) -> dict[str, tuple[Finding, ...]]:
    """What is said of each canary that was looked at."""
    there = {m.host for m in settling.inventory.memberships if m.covers(settling.at.date())}
    hosts = settling.inventory.hosts
    canaries = sorted(id for id in there & set(looked_at) if hosts[id].canary is not None)
    if not canaries:
        return {}
    docket = Docket(settling.inventory, settling.baseline, settling.known.references(), settling.at)
    return {host: docket.findings(host, seen) for host, seen in store.evidence(settling.at, canaries)}


def _judge(settling: Settling, stamped: Stamp, means: Means) -> Judgement:
    scores: dict[str, HostScore] = {}
    adjusted: dict[str, HostScore] = {}
    findings: dict[str, tuple[Finding, ...]] = {}
    accepted: dict[tuple[str, str], str] = {}
    with means.store.saving(stamped.run or 0, stamped) as saving:
        with contextlib.closing(settled(settling, processes=means.workers)) as batches:
            for batch in batches:
                saving.add(batch.changes, batch.lives)
                scores |= batch.scores
                adjusted |= batch.adjusted
                findings |= batch.findings
                accepted |= batch.accepted
        judgement = judgement_of(
            settling.inventory, settling.baseline, stamped, scores, adjusted=adjusted, findings=findings
        )
        for lives in lives_elsewhere(settling, means.store, scores.keys()):
            saving.add_lives(lives)
        saving.complete(judgement, accepted)
    return judgement


def _known(
    hosts: Sequence[Host], run: int, means: Means
) -> tuple[dict[str, tuple[int, ...]], dict[str, list[Record]]]:
    """What earlier runs found open on these hosts, and what this run has recorded of them."""
    by_id = {host.id: host for host in hosts}
    done = means.store.recorded(run)
    ports: dict[str, tuple[int, ...]] = {}
    recorded: dict[str, list[Record]] = {}
    for id, evidence in means.store.evidence(utc_now(), sorted(by_id)):
        ports[id] = _ports(by_id[id], evidence)
        mine = [r for r in evidence.newest.values() if (r.target.key, r.kind) in done]
        if mine:
            recorded[id] = mine
    return ports, recorded


def _ports(host: Host, evidence: Evidence) -> tuple[int, ...]:
    return tuple(sorted({s.service.port for s in services(host, evidence) if s.service.transport == "tcp"}))
