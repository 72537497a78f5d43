"""Gathers from the store what a scorecard tells beside one judgement, agency by agency."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from secscan.baseline import Baseline
from secscan.engine.causes import root_cause
from secscan.engine.renewals import KINDS, renewals
from secscan.engine.replay import Comparison, ReplayError, Sources
from secscan.evaluation import current_addresses, services
from secscan.facts import PortFacts, PortStatus, Release, SystemFacts
from secscan.history.advice import Advice, Hosts, advise
from secscan.history.background import Background, Ending, Glance, Listening, points
from secscan.history.difference import Changed, difference
from secscan.history.waterfall import Waterfall
from secscan.model import AddressTarget, Evidence, Host, HostTarget, Inventory, Judgement, Observation
from secscan.store import Store, StoreError
from secscan.toml_source import ConfigurationError

#: Runs that a trend shows.
LAST_RUNS = 12

#: How far ahead certificates that end are named.
SOON = timedelta(days=90)


class BackgroundReader:
    """Reads for one run, and compares it with the one before it."""

    def __init__(
        self,
        store: Store,
        judgement: Judgement,
        inventory: Inventory,
        baseline: Baseline,
        *,
        baseline_of: Callable[[str], Baseline],
        sources: Sources,
    ) -> None:
        """``judgement`` is the stored one of a run, ``baseline`` what it was made by; ``baseline_of`` loads one by name."""
        self._store = store
        self._judgement = judgement
        self._inventory = inventory
        self._baseline = baseline
        self._comparison = self._compare(baseline_of, sources)

    def background(self, agency: str) -> Background:
        """What is known beside the judgement of the agency."""
        stamp, score = self._judgement.stamp, self._judgement.agencies[agency]
        hosts = [host for host in score.members if host in self._inventory.hosts]
        past = self._store.past_scores(agency, hosts, run=stamp.run, last=LAST_RUNS)
        kinds = (*KINDS, SystemFacts.kind)
        evidence = dict(self._store.evidence(stamp.at, hosts, kinds=kinds))
        compared = self._comparison
        changes: tuple[Changed, ...] = ()
        told: Waterfall | None = None
        if compared is not None and compared.since.run is not None and stamp.run is not None:
            moments = self._store.moments(compared.since.run, stamp.run, hosts=hosts)
            changes = difference(*moments)
            try:
                told = compared.why(agency)
            except (ReplayError, StoreError):
                # The agency is new, or what was seen then was pruned: there is nothing to compare with.
                told = None
        return Background(
            trend=points((one.stamp, one.agency) for one in past),
            of_hosts={host: points((one.stamp, one.hosts.get(host)) for one in past) for host in hosts},
            since=compared.since if compared is not None and told is not None else None,
            changes=changes,
            waterfall=told,
            advice=self._advice(agency, hosts, evidence),
            endings=tuple(self._endings(agency, evidence)),
            glances={host: glance(self._inventory.hosts[host], evidence[host]) for host in hosts},
        )

    def _compare(self, baseline_of: Callable[[str], Baseline], sources: Sources) -> Comparison | None:
        run = self._judgement.stamp.run
        judged = [one.id for one in self._store.runs() if one.judged_at is not None]
        if run not in judged or judged[-1] == run:
            return None
        before = judged[judged.index(run) + 1]
        try:
            return Comparison(self._store, (before, run), baseline_of=baseline_of, sources=sources)
        except (StoreError, ConfigurationError):
            # The baseline of that time is gone.
            return None

    def _advice(self, agency: str, hosts: list[str], evidence: Mapping[str, Evidence]) -> Advice | None:
        if not hosts:
            return None
        tier = self._inventory.agencies[agency].tier
        of_agency = Hosts(
            {host: self._judgement.findings.get(host, ()) for host in hosts},
            {host: self._inventory.hosts[host].criticality for host in hosts},
            lambda host: self._baseline.for_host(self._inventory.hosts[host], tier),
        )
        return advise(of_agency, self._baseline, cause_of=root_cause(evidence))

    def _endings(self, agency: str, evidence: Mapping[str, Evidence]) -> Iterator[Ending]:
        """Those that end soon, or have ended. Only this agency's evidence was read: of others nothing can leak."""
        at = self._judgement.stamp.at
        for one in renewals(self._inventory, evidence.items(), at, agencies=[agency]):
            if one.left(at) <= SOON:
                certificate = one.certificate
                yield Ending(
                    holder=certificate.holder,
                    issuer=certificate.issuer or "",
                    ends=certificate.not_after,
                    services=tuple(use.service for use in one.uses),
                )


def glance(host: Host, evidence: Evidence) -> Glance:
    """A host's facts in short. Pure."""
    seen_at = max(
        (record.observed_at for record in evidence.newest.values() if isinstance(record, Observation)),
        default=None,
    )
    listening = tuple(_listening(host, evidence))
    seen = evidence.last_seen(HostTarget(host.id), SystemFacts.kind)
    if seen is None or not isinstance(seen.facts, SystemFacts):
        return Glance(seen_at=seen_at, services=listening)
    facts = seen.facts
    release = facts.release if isinstance(facts.release, Release) else None
    return Glance(
        system=(release.name or f"{release.id} {release.version}".strip()) if release else facts.family,
        kernel=facts.kernel,
        booted_at=facts.booted_at if isinstance(facts.booted_at, datetime) else None,
        seen_at=seen_at,
        services=listening,
    )


def _listening(host: Host, evidence: Evidence) -> Iterator[Listening]:
    found = _identities(host, evidence)
    for expected in services(host, evidence):
        service = expected.service
        what = found.get((service.transport, service.port), "") or expected.what
        yield Listening(service, what, expected in host.services)


def _identities(host: Host, evidence: Evidence) -> dict[tuple[str, int], str]:
    """What answers at each open port, at the first of the host's addresses where it was recognised."""
    found: dict[tuple[str, int], str] = {}
    for address in current_addresses(host, evidence):
        seen = evidence.last_seen(AddressTarget(host.id, address), PortFacts.kind)
        if seen is None or not isinstance(seen.facts, PortFacts):
            continue
        for port in seen.facts.ports:
            said = port.identity
            if port.status is PortStatus.OPEN and said is not None:
                what = " ".join(filter(None, (said.product or said.name, said.version)))
                found.setdefault((port.transport, port.port), what)
    return found
