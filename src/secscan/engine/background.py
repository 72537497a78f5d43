"""Gathers from the store what a scorecard tells beside one judgement, agency by agency."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from secscan.baseline import Baseline
from secscan.engine.causes import root_cause
from secscan.engine.comparison import Compared, Comparison, compared
from secscan.engine.renewals import KINDS, renewals
from secscan.engine.replay import ReplayError, Sources
from secscan.evaluation import current_addresses, services
from secscan.facts import PortFacts, PortStatus, Release, SystemFacts
from secscan.history.advice import Advice, Hosts, advise
from secscan.history.background import Background, Ending, Glance, Listening, points
from secscan.history.difference import Changed, difference
from secscan.history.waterfall import Waterfall
from secscan.model import AddressTarget, Evidence, Host, HostTarget, Inventory, Judgement, Observation, Stamp
from secscan.store import Store, StoreError
from secscan.toml_source import ConfigurationError

#: Runs that a trend shows.
LAST_RUNS = 12

#: How far ahead certificates that end are named.
SOON = timedelta(days=90)


def compared_with_before(
    store: Store,
    run: int,
    *,
    baseline_of: Callable[[str], Baseline],
    sources: Sources,
    agencies: Collection[str] | None = None,
) -> Compared | None:
    """The run and the one that was judged before it; None where there is none that it can be compared with.

    ``baseline_of`` loads a baseline by name. ``agencies`` are those that will be asked for; None: any.
    """
    judged = [one.id for one in store.runs() if one.judged_at is not None]
    if run not in judged or judged[-1] == run:
        return None
    before = judged[judged.index(run) + 1]
    try:
        return compared(store, (before, run), baseline_of=baseline_of, sources=sources, agencies=agencies)
    except (StoreError, ReplayError, ConfigurationError):
        # What was seen then was pruned, or the baseline of that time is gone: its scores stay in the trend.
        return None


class BackgroundReader:
    """Reads for one run, and compares it with the one before it."""

    def __init__(self, store: Store, baseline: Baseline, compared: Compared | None) -> None:
        """``baseline`` is what the run was judged by."""
        self._store = store
        self._baseline = baseline
        self._comparison = Comparison(store, compared) if compared is not None else None

    def background(self, agency: str, judgement: Judgement, inventory: Inventory) -> Background:
        """What is known beside the judgement of the agency, which is a run's, with the findings of its hosts."""
        stamp, score = judgement.stamp, judgement.agencies[agency]
        hosts = [host for host in score.members if host in inventory.hosts]
        past = self._store.past_scores(agency, hosts, run=stamp.run, last=LAST_RUNS)
        kinds = (*KINDS, SystemFacts.kind)
        evidence = dict(self._store.evidence(stamp.at, hosts, kinds=kinds))
        since, changes, told = self._compare(agency, judgement, hosts)
        return Background(
            trend=points((one.stamp, one.agency) for one in past),
            of_hosts={host: points((one.stamp, one.hosts.get(host)) for one in past) for host in hosts},
            since=since,
            changes=changes,
            waterfall=told,
            advice=self._advice(agency, judgement, inventory, evidence),
            endings=tuple(_endings(agency, stamp.at, inventory, evidence)),
            glances={host: glance(inventory.hosts[host], evidence[host]) for host in hosts},
        )

    def _compare(
        self, agency: str, judgement: Judgement, hosts: Sequence[str]
    ) -> tuple[Stamp | None, tuple[Changed, ...], Waterfall | None]:
        compared, stamp = self._comparison, judgement.stamp
        if compared is None or compared.since.run is None or stamp.run is None:
            return None, (), None
        try:
            told = compared.why(agency, judgement.findings)
        except (StoreError, KeyError):
            # The agency is new: there is nothing to compare with.
            return None, (), None
        moments = self._store.moments(compared.since.run, stamp.run, hosts=hosts)
        return compared.since, difference(*moments), told

    def _advice(
        self, agency: str, judgement: Judgement, inventory: Inventory, evidence: Mapping[str, Evidence]
    ) -> Advice | None:
        if not evidence:
            return None
        tier = inventory.agencies[agency].tier
        of_agency = Hosts(
            {host: judgement.findings.get(host, ()) for host in evidence},
            {host: inventory.hosts[host].criticality for host in evidence},
            lambda host: self._baseline.for_host(inventory.hosts[host], tier),
        )
        return advise(of_agency, self._baseline, cause_of=root_cause(evidence))


def _endings(
    agency: str, at: datetime, inventory: Inventory, evidence: Mapping[str, Evidence]
) -> Iterator[Ending]:
    """Those that end soon, or have ended. Only this agency's evidence was read: of others nothing can leak."""
    for one in renewals(inventory, evidence.items(), at, agencies=[agency]):
        if one.left(at) <= SOON:
            certificate = one.certificate
            yield Ending(
                # Names are what it is known by; its subject is often a registration number.
                holder=next(iter(one.names), certificate.holder) or certificate.sha256[:16],
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
