"""What one process prints: the scorecards of some agencies, and what the fleet's pages tell of each."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import tzinfo
from pathlib import Path

from secscan.baseline import Baseline
from secscan.check import Check
from secscan.engine.background import BackgroundReader
from secscan.engine.comparison import Compared
from secscan.engine.renewals import KINDS, Renewal, Use, renewals
from secscan.engine.settling import READERS_CACHE
from secscan.facts import Facts, PortFacts
from secscan.history import Aged, State, ages
from secscan.model import (
    Agency,
    Evidence,
    Finding,
    Host,
    HostScore,
    Inventory,
    Judgement,
    Membership,
    Outcome,
    Waiver,
)
from secscan.report.folder import ReportFolder, agency_page
from secscan.report.rendering import render_agency
from secscan.report.text import visible
from secscan.report.views import Digest, agency_data, agency_view, digest, hosts_of
from secscan.report.views.fleet import Ending, OpenPort
from secscan.report.views.given import NO_PEERS, Peers
from secscan.store import Scores, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Some agencies, and all that is known of their hosts and of no other's."""

    agencies: tuple[str, ...]
    scores: Mapping[str, HostScore]
    adjusted: Mapping[str, HostScore]
    hosts: Mapping[str, Host]
    memberships: tuple[Membership, ...]


@dataclass(frozen=True, slots=True)
class Printed:
    """The pages that there are of a share, by their names in every edition, and the digests of its agencies."""

    pages: tuple[str, ...]
    digests: Mapping[str, Digest]


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """What a member of the crew needs to print scorecards of a store.

    ``scores`` are those of the groups, and ``agencies`` all of them: what a page tells of others is where they stand.
    ``editions`` are languages and folders. ``for_fleet``: digests are asked for, too. ``compared``: the run
    and the one before it, if there is one. ``peers``, by tier, are where all agencies stand.
    """

    location: str | Path
    kinds: Mapping[str, type[Facts]]
    scores: Scores
    agencies: Mapping[str, Agency]
    baseline: Baseline
    checks: Mapping[str, Check]
    tz: tzinfo
    waivers: Mapping[str, Waiver]
    editions: tuple[tuple[str, Path], ...]
    for_fleet: bool
    compared: Compared | None
    peers: Mapping[str, Peers]

    def begin(self) -> "_Printer":
        return _Printer(self, Store.open(self.location, kinds=self.kinds, cache=READERS_CACHE))


class _Printer:
    """Prints, in whatever process, and reads what it takes by a connection of its own."""

    def __init__(self, press: Press, store: Store) -> None:
        self._press = press
        self._store = store
        self._reader = BackgroundReader(store, press.baseline, press.compared)
        self._folders = [(language, ReportFolder(folder)) for language, folder in press.editions]

    def close(self) -> None:
        self._store.close()

    def do(self, share: Share) -> Printed:
        """One agency at a time is held as a page; what was said of the share's hosts is forgotten with the next."""
        press = self._press
        judgement = self._judgement(share)
        inventory = Inventory(press.agencies, share.hosts, share.memberships)
        aged = self._aged(share, judgement, inventory)
        pages: list[str] = []
        for id in share.agencies:
            view = agency_view(
                agency_data(
                    judgement,
                    inventory,
                    press.baseline,
                    checks=press.checks,
                    agency_id=id,
                    tz=press.tz,
                    aged=aged,
                    waivers=press.waivers,
                    background=self._reader.background(id, judgement, inventory),
                    peers=press.peers.get(press.agencies[id].tier, NO_PEERS),
                )
            )
            for language, folder in self._folders:
                folder.write_agency(id, render_agency(view, language))
            pages.append(agency_page(id))
        digests = self._digests(share, judgement, inventory, aged) if press.for_fleet else {}
        return Printed(tuple(pages), digests)

    def _judgement(self, share: Share) -> Judgement:
        """The judgement with the share's hosts alone."""
        scores = self._press.scores
        findings: dict[str, list[Finding]] = {host: [] for host in share.scores}
        for finding in self._store.findings(scores.stamp.run, hosts=sorted(share.scores)):
            findings.setdefault(finding.subject.host or finding.subject.id, []).append(finding)
        return Judgement(
            stamp=scores.stamp,
            findings={host: tuple(said) for host, said in findings.items()},
            hosts=share.scores,
            agencies=scores.agencies,
            tiers=scores.tiers,
            whole=scores.whole,
            adjusted=replace(scores.adjusted, hosts=share.adjusted) if scores.adjusted else None,
        )

    def _aged(self, share: Share, judgement: Judgement, inventory: Inventory) -> dict[str, list[Aged]]:
        """What time has made of the findings, by host."""
        lives = self._store.lifecycles(sorted(judgement.hosts), run=judgement.stamp.run)
        every = (finding for said in judgement.findings.values() for finding in said)
        failures = [finding for finding in every if finding.outcome is Outcome.FAIL]
        unseen = self._store.last_failures(
            [life.finding for life in lives.values() if life.state is State.UNVERIFIED]
        )
        owners = {host: id for id in share.agencies for host in judgement.agencies[id].members}
        by_host: dict[str, list[Aged]] = {}
        for one in ages(
            lives,
            [*failures, *unseen.values()],
            self._press.baseline,
            inventory,
            owners,
            judgement.stamp,
        ).values():
            by_host.setdefault(one.life.subject.id, []).append(one)
        return by_host

    def _digests(
        self, share: Share, judgement: Judgement, inventory: Inventory, aged: Mapping[str, list[Aged]]
    ) -> dict[str, Digest]:
        at = judgement.stamp.at
        evidence = list(self._store.evidence(at, sorted(inventory.hosts), kinds=KINDS))
        last_seen = self._store.last_seen(at, sorted(inventory.hosts))
        endings: dict[str, list[Ending]] = {id: [] for id in share.agencies}
        for renewal in renewals(inventory, evidence, at):
            for agency in dict.fromkeys(use.agency for use in renewal.uses):
                endings.setdefault(agency, []).append(_ending(renewal, agency))
        ports = {host: _open_ports(seen) for host, seen in evidence}
        digests: dict[str, Digest] = {}
        for id in share.agencies:
            hosts = hosts_of(judgement.agencies[id].members, inventory)
            plain = digest(
                hosts,
                judgement.findings,
                zone=inventory.agencies[id].zone,
                aged=aged,
                last_seen=last_seen,
            )
            digests[id] = replace(plain, endings=tuple(endings[id]), open_ports=_counted(hosts, ports))
        return digests


def _ending(renewal: Renewal, agency: str) -> Ending:
    own = renewal.certificate
    # Names are what it is known by; its subject is often a registration number.
    name = next(iter(renewal.names), own.holder) or own.sha256[:16]
    return Ending(
        sha256=own.sha256,
        name=visible(name),
        ends=own.not_after,
        places=tuple(visible(_place(use)) for use in renewal.uses if use.agency == agency),
    )


def _place(use: Use) -> str:
    return f"{use.service.host}:{use.service.port}"


def _open_ports(evidence: Evidence) -> set[OpenPort]:
    """Those that any address of the host had open when it was last seen."""
    found: set[OpenPort] = set()
    for target, kind in evidence.newest:
        seen = evidence.last_seen(target, kind) if kind == PortFacts.kind else None
        if seen is not None and isinstance(seen.facts, PortFacts):
            for transport in ("tcp", "udp"):
                for state in seen.facts.open(transport):
                    name = state.identity.name if state.identity else ""
                    found.add(OpenPort(transport, state.port, visible(name)))
    return found


def _counted(hosts: tuple[Host, ...], ports: Mapping[str, set[OpenPort]]) -> dict[OpenPort, int]:
    return dict(Counter(port for host in hosts for port in ports.get(host.id, ())))
