"""One finding looked at again: as little as it rests on, judged together with what is stored, and nothing kept.

Nothing is stored, on purpose. A score and the life of a finding follow from what runs saw, and what is seen here is
less than a run sees: of a port that was asked alone, the record would stand in place of the whole port scan until the
next one, and take what is known of all other ports with it. So a look of this kind is in the probe log, and the next
scan decides.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import msgspec

from secscan.baseline import Rule
from secscan.engine.gathering import gather, gatherers_of, kinds_of
from secscan.engine.looking import look
from secscan.engine.protocol import CollectionSettings, Setup, TlsLook
from secscan.engine.references import references, releases_in
from secscan.engine.run import Means
from secscan.evaluation import judge_host
from secscan.facts import INSIDE, Absent, AddressFacts, PortFacts, PortState, TlsAuditFacts
from secscan.facts.ports import port_ranges, ports_in
from secscan.history import Lifecycle, State, settle
from secscan.language import _
from secscan.model import (
    EARLIER_LOOKS,
    Evidence,
    Finding,
    Host,
    Inventory,
    Level,
    Look,
    Observation,
    Outcome,
    Record,
    SubjectLevel,
    Target,
    Unobserved,
)
from secscan.reference import HeldBackups
from secscan.scope import scope_document, utc_now

#: A finding whose object is one TCP port.
_PORT = re.compile(r"tcp/([0-9]{1,5})")


class VerifyError(Exception):
    """A finding that can't be looked at again: says why."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What became of a finding, by the rules of a scan (see ``secscan.history.settle``), and what says so.

    ``said`` names the finding itself, or where nothing does any more, what was said of its subject or its host.
    """

    state: State
    said: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Need:
    """What a finding rests on: these kinds of facts of these hosts, each cut down to what is to be looked at."""

    hosts: tuple[Host, ...]
    kinds: frozenset[str]
    known_ports: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def logs_in(self) -> bool:
        return bool(self.kinds & set(INSIDE))


def verify(finding: Finding, inventory: Inventory, settings: CollectionSettings, means: Means) -> Verified:
    """Looks at what ``finding`` rests on, now, within the scope. Raises VerifyError where there is nothing to look at.

    What was seen before fills in what was not asked: of an address where one port is asked, the other ports.
    """
    began = utc_now()
    host, rule = _subject(finding, inventory, means, began)
    need = what_it_needs(finding, rule, host, _keepers(host, inventory, means, began, rule))
    seen = _look(need, settings, means)
    at = utc_now()
    stored = dict(means.store.evidence(began, sorted(host.id for host in need.hosts)))
    evidence = {id: overlaid(stored[id], seen.get(id, ())) for id in stored}
    agency = inventory.agencies[inventory.agency_of(host.id, began.date()) or ""]
    said = judge_host(
        host,
        evidence[host.id],
        baseline=replace(means.baseline.for_host(host, agency.tier), rules=(rule,)),
        agency=agency,
        references=_references(rule, inventory, evidence, means, at),
        at=at,
    )
    state = settle({finding.id: _life(finding)}, said, at)[finding.id].state
    about = _about(finding, said)
    if any(f.observed_at is not None and f.observed_at < began for f in about):
        # It stands on what was seen before: whatever it says, it is no news.
        state = State.UNVERIFIED
    elif _fails_as_a_whole(about, finding):
        state = State.OPEN
    return Verified(state, about)


def what_it_needs(finding: Finding, rule: Rule, host: Host, keepers: Iterable[Host] = ()) -> Need:
    """The least that has to be looked at to judge ``finding`` again.

    What is said of a service: its port, and TLS on it. What is said of one port: that port. What only who logs in can
    see: a login, to ``keepers`` too, which hold backups of the host. All else that the network shows: what a scan asks.
    """
    observed = {kind.kind for kind in rule.check.observes.values()}
    if rule.check.level is Level.HOST:
        inside = INSIDE if observed & set(INSIDE) else ()
        gathered = {PortFacts.kind, *(kind.kind for kind in rule.check.gathers.values())}
        outside = gathered if rule.check.gathers else ()
        return Need((host, *keepers), frozenset({AddressFacts.kind, *inside, *outside}))
    kinds = frozenset({AddressFacts.kind, PortFacts.kind, *observed})
    one = _PORT.fullmatch(finding.object)
    if rule.check.level is Level.ADDRESS and one:
        # Without its services, whose ports would be asked too.
        return Need((replace(host, services=(), closed="", ports=one[1]),), kinds)
    if rule.check.level is Level.ENDPOINT and finding.subject.level is SubjectLevel.SERVICE:
        return Need((_with_one_service(host, finding),), kinds, {host.id: (finding.subject.port,)})
    return Need((host,), kinds)


def overlaid(stored: Evidence, fresh: Iterable[Record]) -> Evidence:
    """What is stored of a host, with ``fresh`` records in the place of older ones.

    A failed attempt counts as the newest word here even where no packet was sent: what was asked for now was not seen.
    """
    newest: dict[tuple[Target, str], Record] = dict(stored.newest)
    seen = dict(stored.seen)
    earlier = dict(stored.earlier)
    for record in fresh:
        about = (record.target, record.kind)
        before = stored.last_seen(*about)
        if isinstance(record, Unobserved):
            if before is not None:
                seen[about] = before
            newest[about] = record
        else:
            now = _with_other_ports(record, before)
            newest[about] = now
            seen.pop(about, None)
            earlier[about] = _otherwise(now, before, stored.earlier.get(about, ()))
    return Evidence(newest, seen, earlier)


def _otherwise(
    now: Observation[Any], before: Observation[Any] | None, looks: tuple[Look[Any], ...]
) -> tuple[Look[Any], ...]:
    """The earlier looks, once ``before`` is one of them too."""
    if before is not None and not isinstance(before.facts, Absent):
        looks = (Look(before.facts, before.observed_at), *looks)
    return tuple(look for look in looks if look.facts != now.facts)[:EARLIER_LOOKS]


def _with_other_ports(record: Observation[Any], before: Observation[Any] | None) -> Observation[Any]:
    """A port scan with what an older one says of the ports it did not ask, unless nothing answered it at all."""
    now = record.facts
    if not isinstance(now, PortFacts) or now.is_silent() or before is None:
        return record
    old = before.facts
    if not isinstance(old, PortFacts):
        return record
    asked = {name: ports_in(ranges) for name, ranges in now.asked.items()}
    states = {(p.transport, p.port): p for p in old.ports if p.port not in asked.get(p.transport, ())}
    for transport, numbers in asked.items():
        for port in sorted(numbers):
            status = now.status(transport, port)
            if status is not None and status is not old.rest.get(transport):
                states[transport, port] = PortState(transport=transport, port=port, status=status)
    states |= {(p.transport, p.port): p for p in now.ports}
    every = {
        name: port_ranges(asked.get(name, frozenset()) | ports_in(old.asked.get(name, "")))
        for name in sorted(asked.keys() | old.asked.keys())
    }
    facts = msgspec.structs.replace(
        now,
        asked=every,
        ports=tuple(states[place] for place in sorted(states)),
        rest={**now.rest, **old.rest},
        monlist=now.monlist if "udp" in now.asked else old.monlist,
    )
    return replace(record, facts=facts)


def _subject(finding: Finding, inventory: Inventory, means: Means, at: datetime) -> tuple[Host, Rule]:
    host = inventory.hosts.get(finding.subject.host or "")
    agency = inventory.agency_of(host.id, at.date()) if host else None
    if host is None or agency is None:
        raise VerifyError(
            _("{id} is about {subject}, which is in the inventory no more").format(
                id=finding.id, subject=finding.subject.id or finding.subject.key
            )
        )
    held_to = means.baseline.for_host(host, inventory.agencies[agency].tier)
    rule = next((rule for rule in held_to.rules if rule.check.id == finding.check), None)
    if rule is None:
        raise VerifyError(
            _("the baseline {baseline} does not ask {check} of {host}; name another with --profile").format(
                baseline=means.baseline.name, check=finding.check, host=host.id
            )
        )
    return host, rule


def _with_one_service(host: Host, finding: Finding) -> Host:
    subject = finding.subject
    declared = tuple(
        service
        for service in host.services
        if (service.service.transport, service.service.port, service.service.server_name)
        == (subject.transport, subject.port, subject.server_name)
    )
    return replace(host, services=declared, closed="", ports=str(subject.port))


def _look(need: Need, settings: CollectionSettings, means: Means) -> dict[str, list[Record]]:
    """What was seen of each host, of the kinds that are needed."""
    by_host: dict[str, list[Record]] = {}

    def keep(records: Iterable[Record]) -> None:
        for record in records:
            if record.kind in need.kinds:
                by_host.setdefault(record.target.host, []).append(record)

    asks_one_port = any(host.ports.isdigit() for host in need.hosts)
    cut_down: dict[str, Any] = {"needed_ports": "", "udp": False} if asks_one_port else {}
    look(
        need.hosts,
        Setup(
            scope=scope_document(means.scope),
            settings=msgspec.structs.replace(
                settings, only=tuple(sorted(need.kinds)), tls=_tls_look(need), **cut_down
            ),
            share=(1, 1),
            probe_log=means.probe_log,
            login=means.login if need.logs_in else None,
        ),
        workers=1,
        record=keep,
        known_ports=need.known_ports,
        kinds=means.kinds,
    )
    return by_host


def _tls_look(need: Need) -> TlsLook:
    """It is one host: what a scan asks of none but some, because it takes long, is asked here."""
    return TlsLook.DEEP if TlsAuditFacts.kind in need.kinds else TlsLook.FULL


def _keepers(host: Host, inventory: Inventory, means: Means, at: datetime, rule: Rule) -> list[Host]:
    """The hosts that keep backups of this one, where the rule asks for them: as declared, and as was seen before."""
    if HeldBackups not in rule.check.asks.values():
        return []
    held = _gathered([HeldBackups], inventory, {}, means, at)[HeldBackups]
    ids = {table.on for table in host.backups if table.on}
    ids |= {backup.keeper for backup in held.of_host.get(host.id, ())}
    return [inventory.hosts[id] for id in sorted(ids - {host.id}) if id in inventory.hosts]


def _references(
    rule: Rule, inventory: Inventory, evidence: Mapping[str, Evidence], means: Means, at: datetime
) -> Mapping[type, Any]:
    releases = releases_in(evidence.values())
    known = references(means.anchors, feeds=means.feeds, releases=releases, at=at)
    return {**known, **_gathered(tuple(rule.check.asks.values()), inventory, evidence, means, at)}


def _gathered(
    wanted: Collection[type],
    inventory: Inventory,
    evidence: Mapping[str, Evidence],
    means: Means,
    at: datetime,
) -> dict[type, Any]:
    """Those of the wanted references that are gathered from the fleet; ``evidence`` is newer than what is stored."""
    gatherers = gatherers_of(wanted)
    stored = means.store.evidence(at, _owned(inventory, at), kinds=kinds_of(gatherers)) if gatherers else ()
    every = ((id, evidence.get(id, seen)) for id, seen in stored)
    return gather(inventory, every, at.date(), gatherers)


def _owned(inventory: Inventory, at: datetime) -> list[str]:
    return sorted({m.host for m in inventory.memberships if m.covers(at.date())})


def _life(finding: Finding) -> Lifecycle:
    """A life that is open: what becomes of it is what became of the failure."""
    seen = finding.observed_at or utc_now()
    return Lifecycle(
        finding.id,
        finding.subject,
        finding.check,
        finding.object,
        State.OPEN,
        finding.severity,
        seen,
        seen,
        seen,
    )


def _fails_as_a_whole(about: Iterable[Finding], finding: Finding) -> bool:
    """Whether its subject now fails the same rule altogether: a service that dropped TLS has no expired certificate,
    and is not mended."""
    return any(f.outcome is Outcome.FAIL and f.subject == finding.subject and not f.object for f in about)


def _about(finding: Finding, said: Iterable[Finding]) -> tuple[Finding, ...]:
    """What names the finding itself; else what was said of its subject; else of its host as a whole."""
    every = tuple(said)
    of_subject = tuple(f for f in every if f.subject == finding.subject)
    doubtful = (Outcome.UNKNOWN, Outcome.ERROR)
    candidates = (
        tuple(f for f in every if f.id == finding.id),
        tuple(f for f in of_subject if f.outcome is Outcome.FAIL and not f.object),
        tuple(f for f in of_subject if f.outcome in doubtful),
        tuple(f for f in of_subject if f.outcome is not Outcome.FAIL),
        tuple(f for f in every if f.subject.level is SubjectLevel.HOST),
    )
    return next(filter(None, candidates), ())
