"""Evidence -> a judgement: one host after the other, and the groups above them from what is left of each."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from secscan.baseline import Baseline
from secscan.engine.gathering import GATHERERS, gather
from secscan.evaluation import judge_host
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
    """Judges every host of the inventory as of ``stamp.at``, and holds every finding in memory: for a few hosts.

    What is gathered from the whole fleet, and ``references`` have not, is gathered from ``evidence``.

    A score is a function of the inventory and the newest evidence, not of one run: a host without any evidence
    counts too, as wholly unknown.
    """
    day = stamp.at.date()
    missing = [gatherer for gatherer in GATHERERS if gatherer.makes not in references]
    if missing:
        evidence = list(evidence)
        references = {**references, **gather(inventory, evidence, day, missing)}
    docket = Docket(inventory, baseline, references, stamp.at)
    findings: dict[str, tuple[Finding, ...]] = {}
    scores: dict[str, HostScore] = {}
    for host, seen in _of_every_host(docket.owner, evidence):
        findings[host] = docket.findings(host, seen)
        scores[host] = docket.score(host, findings[host])
    return judgement_of(inventory, baseline, stamp, scores, findings=findings)


class Docket:
    """What every host of an inventory is judged by at one instant. Pure."""

    def __init__(
        self, inventory: Inventory, baseline: Baseline, references: Mapping[type, Any], at: datetime
    ) -> None:
        self._inventory = inventory
        self._baseline = baseline
        self._references = references
        self._at = at
        #: Host -> agency, of every host that counts.
        self.owner: Mapping[str, str] = owners(inventory, at.date())
        self._of = {m.host: m.agency for m in inventory.memberships if m.covers(at.date())}

    def findings(self, host: str, evidence: Evidence) -> tuple[Finding, ...]:
        return judge_host(
            self._inventory.hosts[host],
            evidence,
            baseline=self.held_to(host),
            agency=self._inventory.agencies[self._of[host]],
            references=self._references,
            at=self._at,
        )

    def score(self, host: str, findings: Collection[Finding]) -> HostScore:
        return score_host(host, findings, self.held_to(host))

    def adjusted(
        self, host: str, findings: Collection[Finding], lifts: Mapping[str, bool]
    ) -> HostScore | None:
        """The score with what is waived left out (``lifts`` as of Waiving); None where nothing of the host is."""
        failing = [f.id for f in findings if f.outcome is Outcome.FAIL] if lifts else []
        waived = {finding: lifts[finding] for finding in failing if finding in lifts}
        return score_host(host, findings, self.held_to(host), waived) if waived else None

    def held_to(self, host: str) -> Baseline:
        tier = self._inventory.agencies[self._of[host]].tier
        return self._baseline.for_host(self._inventory.hosts[host], tier)


def owners(inventory: Inventory, day: date) -> dict[str, str]:
    """Host -> the agency that it counts for on ``day``. A host of none is left out, and so is a canary.

    What a canary is like is known beforehand, and says nothing of anybody's security: it is judged to tell whether a
    run can be believed, and has no score, no finding and no place in any count.
    """
    covering = (m for m in inventory.memberships if m.covers(day))
    return {m.host: m.agency for m in covering if inventory.hosts[m.host].canary is None}


def judgement_of(
    inventory: Inventory,
    baseline: Baseline,
    stamp: Stamp,
    scores: Mapping[str, HostScore],
    *,
    adjusted: Mapping[str, HostScore] | None = None,
    findings: Mapping[str, tuple[Finding, ...]] | None = None,
) -> Judgement:
    """The groups over the scores of all hosts. ``adjusted`` are those of hosts of which something is waived."""
    owner = owners(inventory, stamp.at.date())
    own: dict[str, list[HostScore]] = {agency: [] for agency in sorted(inventory.agencies)}
    for host in sorted(scores):
        own[owner[host]].append(scores[host])
    agencies = {
        agency: score_agency(agency, of_agency, _criticality(inventory, of_agency), baseline)
        for agency, of_agency in own.items()
    }
    tiers = sorted({agency.tier for agency in inventory.agencies.values()})
    judgement = Judgement(
        stamp=stamp,
        findings=findings or {},
        hosts=scores,
        agencies=agencies,
        tiers={
            tier: score_group(
                tier, [agencies[a.id] for a in inventory.agencies.values() if a.tier == tier], baseline
            )
            for tier in tiers
        },
        whole=score_group(WHOLE, list(agencies.values()), baseline),
        adjusted=None,
    )
    return replace(judgement, adjusted=_adjusted(judgement, inventory, baseline, adjusted or {}))


def _adjusted(
    judgement: Judgement, inventory: Inventory, baseline: Baseline, hosts: Mapping[str, HostScore]
) -> Adjusted | None:
    """The scores with what is waived left out, of the hosts that have any and of all groups that these are in.

    None where nothing is waived. The judgement's own scores are not looked at twice, and never changed.
    """
    if not hosts:
        return None
    owner = {host: group.id for group in judgement.agencies.values() for host in group.members}
    agencies: dict[str, GroupScore] = {}
    for id in sorted({owner[host] for host in hosts}):
        own = [hosts.get(host, judgement.hosts[host]) for host in judgement.agencies[id].members]
        agencies[id] = score_agency(id, own, _criticality(inventory, own), baseline)
    every = {**judgement.agencies, **agencies}
    tiers = {
        tier: score_group(tier, [every[id] for id in group.members], baseline)
        for tier, group in judgement.tiers.items()
        if agencies.keys() & set(group.members)
    }
    return Adjusted(hosts, agencies, tiers, score_group(judgement.whole.id, list(every.values()), baseline))


def _criticality(inventory: Inventory, scores: Iterable[HostScore]) -> dict[str, int]:
    return {score.host: inventory.hosts[score.host].criticality for score in scores}


def _of_every_host(
    owner: Mapping[str, str], evidence: Iterable[tuple[str, Evidence]]
) -> Iterator[tuple[str, Evidence]]:
    missing = set(owner)
    for host, seen in evidence:
        if host in missing:
            missing.discard(host)
            yield host, seen
    for host in sorted(missing):
        yield host, Evidence({})
