"""Evidence -> a judgement of the whole fleet: every host's findings and scores, then the groups above them."""

from collections.abc import Iterable, Mapping
from typing import Any

from secscan.baseline import Baseline
from secscan.engine.gathering import GATHERERS, gather
from secscan.evaluation import judge_host
from secscan.history.waivers import Waiving
from secscan.model import (
    Adjusted,
    Evidence,
    Finding,
    GroupScore,
    HostScore,
    Inventory,
    Judgement,
    Outcome,
    Stamp,
)
from secscan.scoring import score_agency, score_group, score_host

#: The id of the group of all agencies.
WHOLE = "fleet"


def judge_fleet(
    inventory: Inventory,
    evidence: Iterable[tuple[str, Evidence]],
    *,
    baseline: Baseline,
    references: Mapping[type, Any],
    stamp: Stamp,
) -> Judgement:
    """Judges every host of the inventory as of ``stamp.at``.

    What is gathered from the whole fleet, and ``references`` have not, is gathered from ``evidence``; that holds all
    of it in memory.

    A score is a function of the inventory and the newest evidence, not of one run: a host without any evidence
    counts too, as wholly unknown.
    """
    day = stamp.at.date()
    owner = {m.host: m.agency for m in inventory.memberships if m.covers(day)}
    missing = [gatherer for gatherer in GATHERERS if gatherer.makes not in references]
    if missing:
        evidence = list(evidence)
        references = {**references, **gather(inventory, evidence, day, missing)}
    findings: dict[str, tuple[Finding, ...]] = {}
    scores: dict[str, HostScore] = {}
    for host_id, seen in _of_every_host(owner, evidence):
        host, agency_of_it = inventory.hosts[host_id], inventory.agencies[owner[host_id]]
        held_to = baseline.for_host(host, agency_of_it.tier)
        findings[host_id] = judge_host(
            host, seen, baseline=held_to, agency=agency_of_it, references=references, at=stamp.at
        )
        scores[host_id] = score_host(host_id, findings[host_id], held_to)
    agencies: dict[str, GroupScore] = {}
    for agency in sorted(inventory.agencies):
        own = [scores[host] for host in sorted(scores) if owner[host] == agency]
        criticality = {score.host: inventory.hosts[score.host].criticality for score in own}
        agencies[agency] = score_agency(agency, own, criticality, baseline)
    tiers = sorted({agency.tier for agency in inventory.agencies.values()})
    return Judgement(
        stamp=stamp,
        findings=findings,
        hosts=scores,
        agencies=agencies,
        tiers={
            tier: score_group(
                tier, [agencies[a.id] for a in inventory.agencies.values() if a.tier == tier], baseline
            )
            for tier in tiers
        },
        whole=score_group(WHOLE, list(agencies.values()), baseline),
    )


def adjust_fleet(
    judgement: Judgement, inventory: Inventory, baseline: Baseline, waiving: Waiving
) -> Adjusted | None:
    """The scores with what is waived left out, of the hosts that have any and of all groups that these are in.

    None where nothing is waived. The judgement's own scores are not looked at twice, and never changed.
    """
    lifts = waiving.lifts
    owner = {host: group.id for group in judgement.agencies.values() for host in group.members}
    hosts: dict[str, HostScore] = {}
    for id in sorted(judgement.findings):
        failing = [f.id for f in judgement.findings[id] if f.outcome is Outcome.FAIL] if lifts else []
        waived = {finding: lifts[finding] for finding in failing if finding in lifts}
        if waived:
            held_to = baseline.for_host(inventory.hosts[id], inventory.agencies[owner[id]].tier)
            hosts[id] = score_host(id, judgement.findings[id], held_to, waived)
    if not hosts:
        return None
    agencies: dict[str, GroupScore] = {}
    for id in sorted({owner[host] for host in hosts}):
        own = [hosts.get(host, judgement.hosts[host]) for host in judgement.agencies[id].members]
        criticality = {score.host: inventory.hosts[score.host].criticality for score in own}
        agencies[id] = score_agency(id, own, criticality, baseline)
    every = {**judgement.agencies, **agencies}
    tiers = {
        tier: score_group(tier, [every[id] for id in group.members], baseline)
        for tier, group in judgement.tiers.items()
        if agencies.keys() & set(group.members)
    }
    return Adjusted(hosts, agencies, tiers, score_group(judgement.whole.id, list(every.values()), baseline))


def _of_every_host(
    owner: Mapping[str, str], evidence: Iterable[tuple[str, Evidence]]
) -> Iterable[tuple[str, Evidence]]:
    missing = set(owner)
    for host, seen in evidence:
        if host in missing:
            missing.discard(host)
            yield host, seen
    for host in sorted(missing):
        yield host, Evidence({})
