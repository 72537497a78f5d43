"""What a scorecard is made of: one agency's part of a judgement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo

from secscan.baseline import Baseline
from secscan.check import Check
from secscan.history import Aged
from secscan.model import (
    Agency,
    Finding,
    GroupScore,
    Host,
    HostScore,
    Inventory,
    Judgement,
    Stamp,
    Waiver,
)

NOT_AGED: Mapping[str, Sequence[Aged]] = {}
NO_WAIVERS: Mapping[str, Waiver] = {}


@dataclass(frozen=True, slots=True)
class AgencyData:
    """One agency's part of a judgement and nothing of any other's, so that its page can be mailed out."""

    agency: Agency
    parent: Agency | None
    hosts: tuple[Host, ...]
    score: GroupScore
    host_scores: Mapping[str, HostScore]
    findings: tuple[Finding, ...]
    checks: Mapping[str, Check]
    baseline: Baseline
    stamp: Stamp
    tz: tzinfo
    #: The scores without what is waived, where anything of the agency is.
    adjusted: GroupScore | None = None
    #: What time has made of the agency's findings, by finding id.
    aged: Mapping[str, Aged] = field(default_factory=dict)
    #: The waivers that cover any of them, by key; one that was withdrawn since is not among them.
    waivers: Mapping[str, Waiver] = field(default_factory=dict)


def agency_data(
    judgement: Judgement,
    inventory: Inventory,
    baseline: Baseline,
    *,
    checks: Mapping[str, Check],
    agency_id: str,
    tz: tzinfo,
    aged: Mapping[str, Sequence[Aged]] = NOT_AGED,
    waivers: Mapping[str, Waiver] = NO_WAIVERS,
) -> AgencyData:
    """The agency's part of the judgement. Its hosts are those its score counted; ``aged`` is by host.

    Raises KeyError where the judgement or the inventory does not know the agency.
    """
    agency, score = inventory.agencies[agency_id], judgement.agencies[agency_id]
    hosts = tuple(inventory.hosts[host] for host in score.members if host in inventory.hosts)
    findings = tuple(finding for host in hosts for finding in judgement.findings.get(host.id, ()))
    own = {one.life.finding: one for host in hosts for one in aged.get(host.id, ())}
    given = {one.life.waiver for one in own.values()}
    return AgencyData(
        agency=agency,
        parent=inventory.agencies.get(agency.parent) if agency.parent else None,
        hosts=hosts,
        score=score,
        host_scores={host.id: judgement.hosts[host.id] for host in hosts if host.id in judgement.hosts},
        findings=findings,
        checks={id: checks[id] for id in {finding.check for finding in findings} if id in checks},
        baseline=baseline,
        stamp=judgement.stamp,
        tz=tz,
        adjusted=judgement.adjusted.agencies.get(agency_id) if judgement.adjusted else None,
        aged=own,
        waivers={key: waiver for key, waiver in waivers.items() if key in given},
    )
