"""Observations x checks x baseline -> findings. Pure: evidence, baseline and instant are arguments."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec

from secscan.baseline import Baseline, Rule
from secscan.check import REFERENCES, Check, Limits, TrustAnchors, Verdict
from secscan.facts import (
    Absent,
    AddressFacts,
    ChainFacts,
    Facts,
    NotSeen,
    PortFacts,
    PortState,
    PortStatus,
    TlsFacts,
)
from secscan.model import (
    AddressTarget,
    Agency,
    Each,
    Earlier,
    Endpoint,
    Evidence,
    ExpectedService,
    Finding,
    Host,
    HostTarget,
    Level,
    Observation,
    Outcome,
    Reason,
    Record,
    Service,
    Severity,
    Subject,
    Target,
    Text,
    TlsPolicy,
    Unobserved,
)

#: Worst first: the outcome of a service is the worst over its endpoints, and PASS needs all.
WORST_FIRST = (Outcome.FAIL, Outcome.ERROR, Outcome.UNKNOWN, Outcome.PASS, Outcome.NOT_APPLICABLE)

#: The kinds whose absence means that a service speaks no TLS.
_OF_TLS = frozenset({TlsFacts.kind, ChainFacts.kind})


#: What to say of a service that had it once and has it no more, where nobody declared that this is meant.
_DROPPED = {
    TlsFacts.kind: Text(
        "TLS was spoken here on {date} and is not any more; heard: {heard}. Switch it on again, or declare the service "
        'with tls = "none" if that is meant.'
    ),
    ChainFacts.kind: Text(
        "A certificate was shown here on {date}, and none is any more; heard: {heard}. Bring it back, or declare the "
        'service with tls = "none" if that is meant.'
    ),
}


def judge_host(
    host: Host,
    evidence: Evidence,
    *,
    baseline: Baseline,
    agency: Agency,
    references: Mapping[type, Any],
    at: datetime,
) -> tuple[Finding, ...]:
    """Every finding of every rule of the baseline on one host, in a stable order; at least one for each rule."""
    case = _case(_Case(host, agency, evidence, baseline, references, at, current_addresses(host, evidence)))
    findings: list[Finding] = []
    for rule in baseline.rules:
        if rule.check.level is Level.ENDPOINT:
            findings += _judge_services(rule, case)
        else:
            findings += _judge_whole_host(rule, case)
    return tuple(sorted(findings, key=lambda f: (f.subject, f.check, f.object)))


def current_addresses(host: Host, evidence: Evidence) -> tuple[str, ...]:
    """Where the host answers, by the newest successful look; an address it left is no endpoint any more."""
    seen = evidence.last_seen(HostTarget(host.id), AddressFacts.kind)
    return seen.facts.addresses if seen else ()


def services(host: Host, evidence: Evidence) -> tuple[ExpectedService, ...]:
    """The services to judge: those declared, and every one ever seen until it is seen closed.

    A port with declared services is theirs alone; a service nobody declared is asked for the host's own name.
    """
    declared = {(s.service.transport, s.service.port) for s in host.services}
    found = sorted(port for port in _ports_found(host, evidence) if ("tcp", port) not in declared)
    undeclared = (ExpectedService(Service(host.id, "tcp", port, host.server_name)) for port in found)
    return (*host.services, *undeclared)


def endpoints(host: Host, service: ExpectedService, evidence: Evidence) -> tuple[Endpoint, ...]:
    """The service at each current address; an undeclared service leaves out addresses where it is seen closed."""
    is_declared = service in host.services
    return tuple(
        Endpoint(service.service, address)
        for address in current_addresses(host, evidence)
        if is_declared or not _seen_closed(host, address, service.service.port, evidence)
    )


def must_speak_tls(service: ExpectedService, baseline: Baseline) -> bool:
    """What the inventory says; where it says nothing, the baseline's list of ports."""
    if service.tls is TlsPolicy.UNSTATED:
        return service.service.port in baseline.tls_ports
    return service.tls is TlsPolicy.REQUIRED


# --- One rule on its subjects -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Case:
    host: Host
    agency: Agency
    evidence: Evidence
    baseline: Baseline
    references: Mapping[type, Any]
    at: datetime
    addresses: tuple[str, ...]
    # What every rule would find out anew:
    #: The services to judge, with where each is to be found.
    served: tuple[tuple[ExpectedService, tuple[Endpoint, ...]], ...] = ()
    #: Why nothing can be told; None: something can.
    nowhere: "_Said | None" = None
    #: Names that led nowhere.
    unresolved: tuple["_Said", ...] = ()
    #: What is to be said of the host as a whole, by rules that judge services.
    remainder: tuple["_Said", ...] = ()


@dataclass(frozen=True, slots=True)
class _Said:
    """A verdict, and where and when what it rests on was seen."""

    verdict: Verdict
    address: str
    observed_at: datetime | None


def _case(case: _Case) -> _Case:
    """With what all rules have in common."""
    nowhere = _why_nowhere(case)
    if nowhere is not None:
        return replace(case, nowhere=nowhere)
    every = (
        (service, endpoints(case.host, service, case.evidence))
        for service in services(case.host, case.evidence)
    )
    served = tuple((s, places) for s, places in every if s.service.transport == "tcp" and places)
    hidden = _unscanned(case, even_if_once=not served)
    return replace(
        case,
        served=served,
        unresolved=tuple(_unresolved(case)),
        remainder=tuple(hidden or (() if served else [_no_service(case)])),
    )


def _judge_services(rule: Rule, case: _Case) -> Iterator[Finding]:
    if case.nowhere is not None:
        yield _finding(rule, Subject.of_host(case.host.id), [case.nowhere], case)
        return
    for service, places in case.served:
        said = [s for place in places for s in _judge_target(rule, place, place.address, case, service)]
        said += case.unresolved
        yield from _findings(rule, Subject.of_service(service.service), said, case)
    if case.remainder:
        yield _finding(rule, Subject.of_host(case.host.id), case.remainder, case)


def _judge_whole_host(rule: Rule, case: _Case) -> Iterator[Finding]:
    subject = Subject.of_host(case.host.id)
    whole = HostTarget(case.host.id)
    # What was seen of the host as a whole was seen wherever it is: the machine secscan runs on needs no address.
    if rule.check.level is Level.HOST and any(
        (whole, kind.kind) in case.evidence.newest for kind in rule.check.observes.values()
    ):
        yield from _findings(rule, subject, _judge_target(rule, whole, "", case), case)
        return
    if case.nowhere is not None:
        yield _finding(rule, subject, [case.nowhere], case)
    elif rule.check.level is Level.HOST:
        yield from _findings(rule, subject, _judge_target(rule, whole, "", case), case)
    else:
        said = [
            s
            for address in case.addresses
            for s in _judge_target(rule, AddressTarget(case.host.id, address), address, case)
        ]
        said += case.unresolved
        yield from _findings(rule, subject, said, case)


def _why_nowhere(case: _Case) -> _Said | None:
    """Nothing about the host can be told while it is not known where it is."""
    record = case.evidence.newest.get((HostTarget(case.host.id), AddressFacts.kind))
    if record is None:
        verdict = _unknown(Reason.NOT_ATTEMPTED, Text("The host was not looked at yet."))
        return _Said(verdict, "", None)
    if isinstance(record, Unobserved):
        return _Said(_unknown(record.reason, _why_unobserved(record)), "", record.observed_at)
    if not case.addresses:
        return _Said(_unknown(Reason.NOT_RESOLVED, Text("The host has no address.")), "", record.observed_at)
    return None


def _unscanned(case: _Case, *, even_if_once: bool) -> list[_Said]:
    """Addresses whose ports were never seen: what else is served there could be anything.

    Services that are known stay known while a scan of the ports fails; that there are none does not
    (``even_if_once``).
    """
    hidden: list[_Said] = []
    for address in case.addresses:
        target = AddressTarget(case.host.id, address)
        if not even_if_once and case.evidence.last_seen(target, PortFacts.kind) is not None:
            continue
        match case.evidence.newest.get((target, PortFacts.kind)):
            case Observation(facts=PortFacts() as facts, observed_at=at) if facts.is_silent():
                hidden.append(_Said(_silent(), address, at))
            case Observation():
                pass
            case Unobserved() as record:
                verdict = _unknown(record.reason, _why_unobserved(record))
                hidden.append(_Said(verdict, address, record.observed_at))
            case None:
                verdict = _unknown(Reason.NOT_ATTEMPTED, Text("Its ports were not looked at yet."))
                hidden.append(_Said(verdict, address, None))
    return hidden


def _unresolved(case: _Case) -> list[_Said]:
    """Names of the host that led nowhere when it was last looked up: what answers there is not known."""
    record = case.evidence.newest.get((HostTarget(case.host.id), AddressFacts.kind))
    if not isinstance(record, Observation) or not isinstance(record.facts, AddressFacts):
        return []
    text = "{name} was not resolved, so what answers there is not known."
    return [
        _Said(_unknown(Reason.NOT_RESOLVED, Text(text, {"name": name})), "", record.observed_at)
        for name in case.host.names
        if record.facts.by_name.get(name) == ()
    ]


def _silent() -> Verdict:
    text = "Not one of the ports asked gave an answer: the address is down, or it hides from here."
    return _unknown(Reason.UNREACHABLE, Text(text))


def _no_service(case: _Case) -> _Said:
    """No TCP service is known on any address, and all of them were scanned."""
    seen = (case.evidence.last_seen(AddressTarget(case.host.id, a), PortFacts.kind) for a in case.addresses)
    oldest = min(record.observed_at for record in seen if record is not None)
    nothing = Verdict(Outcome.NOT_APPLICABLE, Text("No TCP port that was asked is open."))
    return _Said(nothing, case.addresses[0], oldest)


def _judge_target(
    rule: Rule, target: Target, address: str, case: _Case, service: ExpectedService | None = None
) -> list[_Said]:
    given: dict[str, Any] = {}
    observed: list[datetime] = []
    for parameter, kind in rule.check.observes.items():
        record = case.evidence.newest.get((target, kind.kind))
        if parameter in rule.check.copes_without and (record is None or isinstance(record, Unobserved)):
            given[parameter] = record or _not_attempted(target, kind.kind, case)
            continue
        seen = _seen(record, service, case)
        if isinstance(seen, Verdict):
            return [_Said(seen, address, record.observed_at if record else None)]
        given[parameter] = seen
        observed.append(seen.observed_at)
    lacking = _lacking_reference(rule.check, case)
    if lacking is not None:
        return [_Said(lacking, address, min(observed, default=None))]
    given |= {
        parameter: Earlier(case.evidence.earlier.get((target, kind.kind), ()))
        for parameter, kind in rule.check.compares.items()
    }
    for parameter, kind in rule.check.gathers.items():
        given[parameter] = Each(tuple(_each(kind, case)))
        observed += [r.observed_at for r in given[parameter].records if isinstance(r, Observation)]
    given |= _asked(rule, case, service)
    verdicts = [*_verdicts(rule.check, given), *_behind_filters(rule, given, address, case)]
    return [_Said(verdict, address, min(observed, default=None)) for verdict in verdicts]


def _each(kind: type[Facts], case: _Case) -> Iterator[Record]:
    """The newest record of every address of the host, or of every service at every address."""
    targets: list[Target] = [AddressTarget(case.host.id, address) for address in case.addresses]
    if kind.level is Level.ENDPOINT:
        known = services(case.host, case.evidence)
        targets = [place for service in known for place in endpoints(case.host, service, case.evidence)]
    for target in targets:
        record = case.evidence.newest.get((target, kind.kind))
        yield record or _not_attempted(target, kind.kind, case)


def _not_attempted(target: Target, kind: str, case: _Case) -> Unobserved:
    return Unobserved(target, "", kind, case.at, Reason.NOT_ATTEMPTED, "it was not looked at yet")


def _behind_filters(rule: Rule, given: Mapping[str, Any], address: str, case: _Case) -> Iterator[Verdict]:
    """What would fail if the services that dropped from sight were still there: unknown, and not closed.

    A port that was once spoken to and is filtered now may be hidden from us alone. So the check is asked again as
    if such ports were open, and what it then objects to, and did not before, can't be told.
    """
    for parameter, seen in given.items():
        if not isinstance(seen, Observation) or not isinstance(seen.facts, PortFacts):
            continue
        hidden = _ports_out_of_sight(case, address, seen.facts)
        if not hidden:
            continue
        shown = [
            state for state in seen.facts.ports if not (state.transport == "tcp" and state.port in hidden)
        ]
        shown += [PortState(transport="tcp", port=port, status=PortStatus.OPEN) for port in hidden]
        ordered = tuple(sorted(shown, key=lambda state: (state.transport, state.port)))
        as_open = replace(seen, facts=msgspec.structs.replace(seen.facts, ports=ordered))
        failing = {v.object for v in _verdicts(rule.check, given) if v.outcome is Outcome.FAIL}
        for verdict in _verdicts(rule.check, {**given, parameter: as_open}):
            if verdict.outcome is Outcome.FAIL and verdict.object not in failing:
                text = "It was open before and is filtered now, which does not show that it is closed."
                yield replace(_unknown(Reason.TIMED_OUT, Text(text)), object=verdict.object)


def _ports_out_of_sight(case: _Case, address: str, facts: PortFacts) -> frozenset[int]:
    """TCP ports of the address that were spoken to, at some time, and are filtered now."""
    return frozenset(
        target.service.port
        for target, _kind in case.evidence.newest
        if isinstance(target, Endpoint)
        and target.address == address
        and target.service.transport == "tcp"
        and facts.status("tcp", target.service.port) in (PortStatus.FILTERED, PortStatus.UNCERTAIN)
    )


def _seen(record: Record | None, service: ExpectedService | None, case: _Case) -> Observation[Any] | Verdict:
    """What the check gets to see, or the verdict where there is nothing to see."""
    if record is None:
        return _unknown(Reason.NOT_ATTEMPTED, Text("It was not looked at yet."))
    if isinstance(record, Unobserved):
        return _unknown(record.reason, _why_unobserved(record))
    if isinstance(record.facts, Absent):
        heard = {"heard": record.facts.heard}
        if service is not None and record.kind not in _OF_TLS:
            return Verdict(
                Outcome.NOT_APPLICABLE, Text("The service is nothing of the kind; heard: {heard}", heard)
            )
        if service is not None and must_speak_tls(service, case.baseline):
            return Verdict(
                Outcome.FAIL,
                Text("TLS is required on this service and is not offered; heard: {heard}", heard),
            )
        if service is not None and service.tls is TlsPolicy.UNSTATED:
            before = case.evidence.earlier.get((record.target, record.kind), ())
            if record.kind in _DROPPED and before:
                date = before[0].observed_at.date().isoformat()
                return Verdict(Outcome.FAIL, replace(_DROPPED[record.kind], values={"date": date, **heard}))
        if service is None:
            return Verdict(Outcome.NOT_APPLICABLE, Text("The host has nothing of the kind: {heard}", heard))
        return Verdict(Outcome.NOT_APPLICABLE, Text("The service speaks no TLS; heard: {heard}", heard))
    if isinstance(record.facts, PortFacts) and record.facts.is_silent():
        return _silent()
    return record


def _lacking_reference(check: Check, case: _Case) -> Verdict | None:
    """Reference data that nobody has imported yet is no mistake of the check: it leaves its rules unknown."""
    for parameter, wanted in check.asks.items():
        if parameter not in check.optional and wanted in REFERENCES and wanted not in case.references:
            return _unknown(Reason.NOT_COLLECTED, wanted.unavailable)  # type: ignore[attr-defined]  # every reference has it
    return None


def _asked(rule: Rule, case: _Case, service: ExpectedService | None) -> dict[str, Any]:
    available: dict[type, Any] = {datetime: case.at, Host: case.host, Agency: case.agency, **case.references}
    if TrustAnchors in available:
        available[TrustAnchors] = available[TrustAnchors].for_host(case.host, case.agency)
    if service is not None:
        available[Service] = service.service
    return {
        parameter: rule.limits if issubclass(wanted, Limits) else available.get(wanted)
        for parameter, wanted in rule.check.asks.items()
    }


def _verdicts(check: Check, given: Mapping[str, Any]) -> Sequence[Verdict]:
    try:
        verdicts = tuple(check.function(**given))
    except NotSeen as e:
        detail = e.gap.detail or e.gap.reason.value
        return [_unknown(e.gap.reason, Text("Not read: {detail}", {"detail": detail}))]
    except Exception as e:  # noqa: BLE001 - a broken check is ERROR; it never ends a scan
        return [_error(f"{type(e).__name__}: {e}")]
    if not verdicts:
        return [_error("it gave no verdict")]
    if any(v.severity is not None and v.severity > check.severity for v in verdicts):
        return [_error(f"it claims more than its declared severity, {check.severity.word}")]
    return verdicts


# --- Verdicts -> findings -------------------------------------------------------------------------------


def _findings(rule: Rule, subject: Subject, said: Sequence[_Said], case: _Case) -> Iterator[Finding]:
    if len(said) == 1:
        yield _finding(rule, subject, said, case)
        return
    by_object: dict[str, list[_Said]] = {}
    for s in said:
        by_object.setdefault(s.verdict.object, []).append(s)
    for same in by_object.values():
        yield _finding(rule, subject, same, case)


def _finding(rule: Rule, subject: Subject, said: Sequence[_Said], case: _Case) -> Finding:
    aged = [_when_stale(s, case) for s in said]
    worst = aged[0] if len(aged) == 1 else min(aged, key=lambda s: _badness(s.verdict, rule))
    as_bad = [s for s in aged if s.verdict.outcome is worst.verdict.outcome]
    instants = [s.observed_at for s in as_bad if s.observed_at is not None]
    return Finding(
        subject=subject,
        check=rule.check.id,
        object=worst.verdict.object,
        outcome=worst.verdict.outcome,
        severity=_severity(worst.verdict, rule),
        evidence=worst.verdict.evidence,
        reason=worst.verdict.reason,
        observed_at=min(instants, default=None),
        addresses=tuple(sorted({s.address for s in as_bad if s.address})),
    )


def _severity(verdict: Verdict, rule: Rule) -> Severity:
    """The verdict's own where it is milder than the rule's. INFO is a severity too, though its number is 0."""
    return rule.severity if verdict.severity is None else min(verdict.severity, rule.severity)


def _badness(verdict: Verdict, rule: Rule) -> tuple[int, int]:
    """The worst is the least."""
    return WORST_FIRST.index(verdict.outcome), -_severity(verdict, rule)


def _when_stale(said: _Said, case: _Case) -> _Said:
    """Good news carries only so long while nobody looks again; bad news stays until something better is seen."""
    good = said.verdict.outcome in (Outcome.PASS, Outcome.NOT_APPLICABLE)
    if not good or said.observed_at is None or case.at - said.observed_at <= case.baseline.carry:
        return said
    values: dict[str, str | int] = {
        "date": said.observed_at.date().isoformat(),
        "days": case.baseline.carry.days,
    }
    stale = _unknown(Reason.STALE, Text("Last seen on {date}; a pass stands for {days} days.", values))
    return replace(said, verdict=replace(stale, object=said.verdict.object))


def _unknown(reason: Reason, text: Text) -> Verdict:
    return Verdict(Outcome.UNKNOWN, text, reason=reason)


def _why_unobserved(record: Unobserved) -> Text:
    return Text("Not seen: {detail}", {"detail": record.detail or record.reason.value})


def _error(what: str) -> Verdict:
    text = Text("The check itself failed: {what}. This is a mistake in secscan.", {"what": what[:300]})
    return Verdict(Outcome.ERROR, text, reason=Reason.BUG)


# --- What the port scan says of services ------------------------------------------------------------------


def _ports_found(host: Host, evidence: Evidence) -> set[int]:
    """TCP ports of current addresses that were ever seen open or spoken to, and not seen closed since."""
    current = current_addresses(host, evidence)
    found: set[int] = set()
    for address in current:
        seen = evidence.last_seen(AddressTarget(host.id, address), PortFacts.kind)
        if seen is not None and isinstance(seen.facts, PortFacts):
            found |= {state.port for state in seen.facts.open("tcp")}
    for target, _kind in evidence.newest:
        if isinstance(target, Endpoint) and target.address in current and target.service.transport == "tcp":
            port = target.service.port
            if not _seen_closed(host, target.address, port, evidence):
                found.add(port)
    return found


def _seen_closed(host: Host, address: str, port: int, evidence: Evidence) -> bool:
    seen: Observation[Facts] | None = evidence.last_seen(AddressTarget(host.id, address), PortFacts.kind)
    if seen is None or not isinstance(seen.facts, PortFacts):
        return False
    return seen.facts.status("tcp", port) is PortStatus.CLOSED
