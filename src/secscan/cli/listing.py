"""Findings of a judgement with their lives and deadlines, of some agencies or hosts alone: read, not judged anew."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from secscan.baseline import Baseline, load_baseline
from secscan.check import Check
from secscan.cli.parts import find_all_checks
from secscan.history import Aged, State, ages
from secscan.inventory import inventory_from_documents
from secscan.model import Finding, Outcome, Stamp
from secscan.workspace import Workspace

if TYPE_CHECKING:
    from secscan.store import Store

#: What a finding that is named no more came to: a complete evaluation that names it not passes it.
NAMED_NO_MORE = {
    State.UNVERIFIED: Outcome.UNKNOWN,
    State.RESOLVED: Outcome.PASS,
    State.RETIRED: Outcome.NOT_APPLICABLE,
}


@dataclass(frozen=True, slots=True)
class Listing:
    """Findings, what time has made of them by the judgement's instant, and what it takes to show them.

    ``named_no_more`` are those that failed once and that the judgement does not name: as they looked when they last
    failed, with the outcome that their state stands for.
    """

    stamp: Stamp
    findings: tuple[Finding, ...]
    named_no_more: tuple[Finding, ...]
    aged: Mapping[str, Aged]
    owners: Mapping[str, str]
    checks: Mapping[str, Check]


@dataclass(frozen=True, slots=True)
class Judged:
    """What all listings of one run share; read once, however many there are. ``documents`` are the inventory's."""

    run: int
    stamp: Stamp
    checks: Mapping[str, Check]
    baseline: Baseline
    documents: Mapping[str, Any]


def read_judged(store: "Store", place: Workspace, run: int) -> Judged:
    stamp = store.stamp(run)
    checks = find_all_checks(None, place)
    baseline = load_baseline(stamp.baseline, checks, folder=place.profiles)
    return Judged(run, stamp, checks, baseline, store.inventory_of(run))


def list_findings(
    store: "Store",
    judged: Judged,
    *,
    hosts: Sequence[str],
    owners: Mapping[str, str],
    outcomes: Collection[Outcome] | None = None,
    with_unnamed: bool = False,
) -> Listing:
    """The findings of ``hosts`` in the run's newest judgement; ``owners`` says which agencies these are of."""
    run, wanted = judged.run, set(hosts)
    agencies = {owners[host] for host in hosts}
    inventory = inventory_from_documents([judged.documents[id] for id in sorted(agencies)])
    findings = tuple(store.findings(run, hosts=wanted, outcomes=outcomes))
    lives = store.lifecycles(sorted(wanted), run=run)
    unseen = [id for id, life in lives.items() if life.state is State.UNVERIFIED]
    gone: tuple[Finding, ...] = ()
    if with_unnamed:
        named = {finding.id for finding in (store.findings(run, hosts=wanted) if outcomes else findings)}
        left = {id for id, life in lives.items() if id not in named and life.state in NAMED_NO_MORE}
        last = store.last_failures(left | set(unseen))
        gone = tuple(
            replace(last[id], outcome=NAMED_NO_MORE[lives[id].state]) for id in sorted(left & last.keys())
        )
    else:
        last = store.last_failures(unseen)
    failures = {f.id: f for f in findings if f.outcome is Outcome.FAIL} | last
    return Listing(
        judged.stamp,
        findings,
        gone,
        ages(lives, failures.values(), judged.baseline, inventory, owners, judged.stamp),
        owners,
        judged.checks,
    )
