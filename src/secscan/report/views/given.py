"""What a scorecard is made of: one agency's part of a judgement."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from fractions import Fraction
from statistics import median

from secscan.baseline import Baseline
from secscan.check import Check
from secscan.history import Aged
from secscan.history.background import Background
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


#: No median is told of fewer agencies than this: whoever knows one of them would know too much of the others.
FEWEST_PEERS = 5


@dataclass(frozen=True, slots=True)
class Peers:
    """The median of verified scores: of the country's agencies, and of those of the same tier.

    Only agencies that were assessed count, the agency itself among them. None where they are too few.
    """

    country: Fraction | None = None
    tier: Fraction | None = None


NO_PEERS = Peers()
NO_BACKGROUND = Background()


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
    #: How the agency came here, and where it goes.
    background: Background = NO_BACKGROUND
    #: Where other agencies stand, as far as may be told.
    peers: Peers = NO_PEERS


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
    background: Background = NO_BACKGROUND,
    peers: Peers = NO_PEERS,
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
        background=background,
        peers=peers,
    )


def peers_of(scores: Mapping[str, GroupScore], agencies: Mapping[str, Agency], tier: str) -> Peers:
    """Where the agencies of the country, and of a tier, stand; ``scores`` are those of all."""
    assessed = {id: score.range.verified for id, score in scores.items() if score.range is not None}
    of_tier = [at for id, at in assessed.items() if tier and id in agencies and agencies[id].tier == tier]
    return Peers(_median(assessed.values()), _median(of_tier))


def _median(scores: Collection[Fraction]) -> Fraction | None:
    return median(scores) if len(scores) >= FEWEST_PEERS else None
