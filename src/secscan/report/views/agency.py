"""The scorecard of one agency."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, tzinfo
from fractions import Fraction
from typing import TypeAlias

from secscan.baseline import Baseline
from secscan.check import Check
from secscan.ladder import standing
from secscan.model import Finding, Host, Outcome, Reason, Severity, SubjectLevel, Waiver
from secscan.report.text import localised, visible
from secscan.report.views.given import AgencyData
from secscan.report.views.over_time import (
    attested_views,
    ending_views,
    glance_view,
    since_view,
    trend_view,
    way_view,
)
from secscan.report.views.parts import (
    failures_by_severity,
    ladder_view,
    method_view,
    named,
    score_view,
    standings_of,
)
from secscan.report.views.shown import (
    GRAVEST_FIRST,
    AgencyView,
    Broken,
    CapView,
    CausePlace,
    CauseView,
    DomainView,
    FailureView,
    FindingView,
    FixView,
    Gap,
    HostView,
    LateView,
    OverdueView,
    Tally,
    UnseenView,
    WaiverView,
)

#: How many groups of findings a page says to mend first; a leader remembers three.
FIRST_STEPS = 3

#: From this many rules that fail on one subject with the very same words, those words are one cause and told once:
#: a service without TLS breaks every rule about TLS, and a page that says so fifty times hides what to do.
ONE_CAUSE = 3

#: Findings past their deadline that a page names before it counts the rest.
MOST_LATE = 10

#: Beyond so many hosts or failures a page that is to be mailed has no room to name addresses with every finding.
MOST_HOSTS_IN_FULL = 40
MOST_FAILURES_IN_FULL = 400

#: Characters of the reason for a waiver.
MOST_REASON = 300


#: A host, and a sentence about it: template and values.
_Said: TypeAlias = tuple[str, str, tuple[tuple[str, str | int], ...]]


def agency_view(data: AgencyData) -> AgencyView:
    """The scorecard of one agency."""
    rules = data.baseline.domain_of()
    domain_of = {f.check: rules.get(f.check, f.check.partition(".")[0]) for f in data.findings}
    anchors = {host.id: f"h{number}" for number, host in enumerate(data.hosts, start=1)}
    used: set[str] = set()
    shared, single = _by_cause(data)
    causes = _cause_views(shared, data, anchors, used)
    failures = _failure_views(single, data, anchors, used)
    open_criticals = any(f.outcome is Outcome.FAIL and f.severity is Severity.CRITICAL for f in data.findings)
    return AgencyView(
        agency=named(data.agency),
        parent=named(data.parent) if data.parent else None,
        tier=visible(data.agency.tier),
        zone=visible(data.agency.zone),
        score=score_view(data.score, data.baseline, data.adjusted, open_criticals=open_criticals),
        domains=tuple(_domains(data, domain_of)),
        failures=failures_by_severity(data.findings),
        first=_first_steps(causes, failures, data),
        causes=causes,
        fixes=_fix_views(data),
        by_severity=tuple(
            (severity, of_severity)
            for severity in GRAVEST_FIRST
            if (of_severity := tuple(f for f in failures if f.severity is severity))
        ),
        unseen=_unseen(data, anchors, domain_of),
        passed=_tallies(data, Outcome.PASS, domain_of),
        not_applicable=_tallies(data, Outcome.NOT_APPLICABLE, domain_of),
        hosts=_hosts(data, anchors, used),
        ladder=ladder_view(standings_of(_findings_by_host(data))),
        overdue=_overdue(data, used),
        waivers=_waivers(data),
        method=method_view(data.baseline, data.stamp, data.tz),
        trend=trend_view(data),
        since=since_view(data, used),
        way=way_view(data, used, FIRST_STEPS),
        endings=ending_views(data),
        attested=attested_views(data, anchors),
        is_brief=len(data.hosts) > MOST_HOSTS_IN_FULL
        or sum(f.outcome is Outcome.FAIL for f in data.findings) > MOST_FAILURES_IN_FULL,
    )


def _domains(data: AgencyData, domain_of: Mapping[str, str]) -> Iterator[DomainView]:
    counts = Counter((domain_of[f.check], f.outcome) for f in data.findings)
    for domain in data.baseline.domains:
        yield DomainView(
            id=domain,
            range=data.score.domains.get(domain),
            failed=counts[domain, Outcome.FAIL],
            unseen=counts[domain, Outcome.UNKNOWN] + counts[domain, Outcome.ERROR],
            passed=counts[domain, Outcome.PASS],
        )


def _by_cause(data: AgencyData) -> tuple[dict[str, list[Finding]], list[Finding]]:
    """Failures that share a cause, by the words of it, and all the others."""
    failures = [f for f in data.findings if f.outcome is Outcome.FAIL]
    rules: dict[tuple[str, _Said], set[str]] = {}
    for finding in failures:
        rules.setdefault((finding.subject.key, _said(finding)), set()).add(finding.check)
    shared: dict[str, list[Finding]] = {}
    single: list[Finding] = []
    for finding in failures:
        if len(rules[finding.subject.key, _said(finding)]) >= ONE_CAUSE:
            shared.setdefault(finding.evidence.template, []).append(finding)
        else:
            single.append(finding)
    return shared, single


def _cause_views(
    shared: Mapping[str, Sequence[Finding]], data: AgencyData, anchors: Mapping[str, str], used: set[str]
) -> tuple[CauseView, ...]:
    """The one that breaks the gravest rules first, then the one that breaks most."""
    views: list[CauseView] = []
    ordered = sorted(shared.values(), key=lambda found: (-max(f.severity for f in found), -len(found)))
    for number, findings in enumerate(ordered, start=1):
        by_subject: dict[str, list[Finding]] = {}
        for finding in findings:
            by_subject.setdefault(finding.subject.key, []).append(finding)
        views.append(
            CauseView(
                anchor=f"cause{number}",
                severity=max(finding.severity for finding in findings),
                evidence=localised(findings[0].evidence, data.tz),
                places=tuple(_cause_place(found, data, anchors, used) for found in by_subject.values()),
                hosts=_hosts_of(findings),
                failures=failures_by_severity(findings),
                rules=len({finding.check for finding in findings}),
            )
        )
    return tuple(views)


def _cause_place(
    findings: Sequence[Finding], data: AgencyData, anchors: Mapping[str, str], used: set[str]
) -> CausePlace:
    broken = tuple(Broken(f.id, _anchor(f, used), visible(f.check)) for f in findings)
    return CausePlace(_finding(findings[0], data, anchors, used), broken)


def _failure_views(
    failures: Iterable[Finding], data: AgencyData, anchors: Mapping[str, str], used: set[str]
) -> tuple[FailureView, ...]:
    """What touches the most important hosts first, then the most of them; pages part it by severity."""
    groups: dict[tuple[Severity, str], list[Finding]] = {}
    for finding in failures:
        groups.setdefault((finding.severity, finding.check), []).append(finding)
    views = (
        FailureView(
            anchor=f"{severity.word}-{visible(check)}",
            check=visible(check),
            severity=severity,
            **_documentation(data.checks.get(check)),
            findings=(seen := tuple(_finding(finding, data, anchors, used) for finding in findings)),
            hosts=_hosts_of(findings),
            alike=_alike(seen),
        )
        for (severity, check), findings in sorted(groups.items(), key=lambda group: group[0][1])
    )
    importance = _importance(data)
    return tuple(sorted(views, key=lambda v: (-sum(importance[host] for host in v.hosts), -len(v.findings))))


def _alike(findings: Iterable[FindingView]) -> tuple[tuple[FindingView, ...], ...]:
    groups: dict[object, list[FindingView]] = {}
    for one in findings:
        said = one.evidence.template, tuple(sorted(one.evidence.values.items()))
        dates = one.first_seen, one.due, one.is_overdue, one.is_waived
        groups.setdefault((said, one.object, dates), []).append(one)
    return tuple(map(tuple, groups.values()))


def _fix_views(data: AgencyData) -> tuple[FixView, ...]:
    """What mends failures by one command each: the gravest first, then what most hosts need."""
    by_fix: dict[str, list[Finding]] = {}
    for finding in data.findings:
        fix = finding.evidence.values.get("fix")
        if finding.outcome is Outcome.FAIL and isinstance(fix, str) and fix:
            by_fix.setdefault(visible(fix), []).append(finding)
    views = (
        FixView(
            command=fix,
            severity=max(finding.severity for finding in findings),
            hosts=_hosts_of(findings),
            findings=len(findings),
            due=min((day for finding in findings if (day := _due(finding))), default=None),
        )
        for fix, findings in by_fix.items()
    )
    return tuple(sorted(views, key=lambda v: (-v.severity, -len(v.hosts), v.command)))


def _due(finding: Finding) -> date | None:
    said = finding.evidence.values.get("due")
    try:
        return date.fromisoformat(said) if isinstance(said, str) else None
    except ValueError:
        return None


def _first_steps(
    causes: Iterable[CauseView], failures: Iterable[FailureView], data: AgencyData
) -> tuple[FailureView | CauseView, ...]:
    """What to mend first: by severity, then by how much it touches; one that only informs is no step."""
    importance = _importance(data)
    steps: list[FailureView | CauseView] = [*causes, *failures]
    steps = [step for step in steps if step.severity > Severity.INFO]
    steps.sort(key=lambda step: (-step.severity, -sum(importance[host] for host in step.hosts)))
    return tuple(steps[:FIRST_STEPS])


def _importance(data: AgencyData) -> Counter[str]:
    """Criticality by the name a host is shown under."""
    return Counter({visible(host.id): host.criticality for host in data.hosts})


def _hosts_of(findings: Iterable[Finding]) -> tuple[str, ...]:
    return tuple(visible(host) for host in sorted({finding.subject.id for finding in findings}))


def _documentation(check: Check | None) -> dict[str, str]:
    """Empty for a check that is not installed any more: what it found is shown all the same."""
    if check is None:
        return {"claim": "", "why": "", "fix": ""}
    return {"claim": check.claim, "why": check.why, "fix": check.fix}


def _finding(finding: Finding, data: AgencyData, anchors: Mapping[str, str], used: set[str]) -> FindingView:
    subject, tz = finding.subject, data.tz
    aged = data.aged.get(finding.id)
    return FindingView(
        id=finding.id,
        anchor=_anchor(finding, used),
        host=visible(subject.id),
        host_anchor=anchors.get(subject.id, ""),
        port=_port(finding),
        server_name=visible(subject.server_name),
        addresses=tuple(visible(address) for address in finding.addresses),
        object=visible(finding.object),
        evidence=localised(finding.evidence, tz),
        seen_at=finding.observed_at.astimezone(tz) if finding.observed_at else None,
        first_seen=aged.life.first_seen.astimezone(tz).date() if aged else None,
        due=aged.due.astimezone(tz).date() if aged and aged.due else None,
        is_overdue=aged is not None and aged.is_overdue,
        is_waived=aged is not None and aged.life.waiver != "",
    )


def _overdue(data: AgencyData, anchors: Collection[str]) -> OverdueView:
    late = [(one.life, one.due) for one in data.aged.values() if one.due is not None and one.is_overdue]
    late.sort(key=lambda one: (-one[0].severity, one[1], one[0].finding))
    longest = (
        LateView(
            id=life.finding,
            has_anchor=life.finding in anchors,
            host=visible(life.subject.id),
            port=f"{life.subject.transport}/{life.subject.port}" if life.subject.port else "",
            check=visible(life.check),
            severity=life.severity,
            due=due.astimezone(data.tz).date(),
        )
        for life, due in late[:MOST_LATE]
    )
    return OverdueView(len(late), tuple(longest))


def _waivers(data: AgencyData) -> tuple[WaiverView, ...]:
    """Those that end first come first."""
    covered = Counter(one.life.waiver for one in data.aged.values() if one.life.waiver)
    views = (_waiver(data.waivers.get(key), count) for key, count in sorted(covered.items()))
    return tuple(sorted(views, key=lambda view: view.expires or date.max))


def _waiver(waiver: Waiver | None, findings: int) -> WaiverView:
    if waiver is None:
        return WaiverView("", "", "", "", "", None, findings)
    patterns = (waiver.agency, waiver.role, waiver.check, waiver.object)
    return WaiverView(
        what=visible(waiver.finding or ", ".join(filter(None, patterns))),
        reason=visible(waiver.reason, limit=MOST_REASON),
        owner=visible(waiver.owner),
        approver=visible(waiver.approver),
        approved_by=waiver.approved_by,
        expires=waiver.expires,
        findings=findings,
    )


def _anchor(finding: Finding, used: set[str]) -> str:
    """Two findings of one identity are a mistake of the check that gave them; two equal ids on a page would be ours."""
    if finding.id in used:
        return ""
    used.add(finding.id)
    return finding.id


def _port(finding: Finding) -> str:
    subject = finding.subject
    return f"{subject.transport}/{subject.port}" if subject.level is SubjectLevel.SERVICE else ""


def _unseen(
    data: AgencyData, anchors: Mapping[str, str], domain_of: Mapping[str, str]
) -> tuple[UnseenView, ...]:
    """By reason, the one that leaves most checks open first. A broken check is a reason of its own."""
    by_reason: dict[Reason, dict[_Said, list[Finding]]] = {}
    for finding in data.findings:
        if finding.outcome in (Outcome.UNKNOWN, Outcome.ERROR):
            broken = finding.outcome is Outcome.ERROR
            reason = Reason.BUG if broken else finding.reason or Reason.NOT_COLLECTED
            by_evidence = by_reason.setdefault(reason, {})
            by_evidence.setdefault(_said(finding), []).append(finding)
    views = (
        UnseenView(
            reason=reason,
            gaps=tuple(_gap(findings, data.tz, anchors, domain_of) for findings in by_evidence.values()),
            checks=sum(map(len, by_evidence.values())),
            hosts=len({host for host, *_ in by_evidence}),
        )
        for reason, by_evidence in by_reason.items()
    )
    return tuple(sorted(views, key=lambda view: (-view.checks, view.reason)))


def _said(finding: Finding) -> _Said:
    text = finding.evidence
    return finding.subject.id, text.template, tuple(sorted(text.values.items()))


def _gap(
    findings: Sequence[Finding], tz: tzinfo, anchors: Mapping[str, str], domain_of: Mapping[str, str]
) -> Gap:
    host = findings[0].subject.id
    places = {(f.subject.port, f.subject.server_name): _place(f) for f in findings if _port(f)}
    domains = Counter(domain_of[f.check] for f in findings)
    return Gap(
        host=visible(host),
        host_anchor=anchors.get(host, ""),
        places=tuple(places[key] for key in sorted(places)),
        evidence=localised(findings[0].evidence, tz),
        domains=tuple(sorted(domains.items())),
        checks=len(findings),
    )


def _place(finding: Finding) -> str:
    name = visible(finding.subject.server_name)
    return f"{_port(finding)} {name}" if name else _port(finding)


def _tallies(data: AgencyData, outcome: Outcome, domain_of: Mapping[str, str]) -> tuple[Tally, ...]:
    by_check: dict[str, list[Finding]] = {}
    for finding in data.findings:
        if finding.outcome is outcome:
            by_check.setdefault(finding.check, []).append(finding)
    order = list(data.baseline.domains)
    tallies = (
        Tally(
            check=visible(check),
            claim=_documentation(data.checks.get(check))["claim"],
            domain=domain_of[check],
            subjects=len({(f.subject, f.object) for f in findings}),
            hosts=len({f.subject.id for f in findings}),
        )
        for check, findings in by_check.items()
    )

    def place(tally: Tally) -> tuple[int, str]:
        return (order.index(tally.domain) if tally.domain in order else len(order), tally.check)

    return tuple(sorted(tallies, key=place))


def _hosts(data: AgencyData, anchors: Mapping[str, str], used: Collection[str]) -> tuple[HostView, ...]:
    by_host: dict[str, list[Finding]] = {host.id: [] for host in data.hosts}
    for finding in data.findings:
        by_host.setdefault(finding.subject.id, []).append(finding)
    return tuple(_host(host, by_host[host.id], data, anchors[host.id], used) for host in data.hosts)


def _host(
    host: Host, own: Sequence[Finding], data: AgencyData, anchor: str, used: Collection[str]
) -> HostView:
    score = data.host_scores.get(host.id)
    stands = standing(own)
    return HostView(
        anchor=anchor,
        id=visible(host.id),
        names=tuple(visible(name) for name in host.names),
        addresses=tuple(visible(address) for address in host.addresses),
        role=visible(host.role),
        zone=visible(host.zone),
        level=host.level,
        criticality=host.criticality,
        range=score.range if score else None,
        coverage=score.coverage.share if score else Fraction(0),
        failures=failures_by_severity(own),
        unseen=sum(f.outcome in (Outcome.UNKNOWN, Outcome.ERROR) for f in own),
        caps=tuple(_cap(name, own, data.baseline) for name in score.caps) if score else (),
        rung=(stands.verified, stands.possible) if stands else None,
        glance=glance_view(host.id, data),
        failing=tuple(_failing(own, used)),
    )


def _failing(
    own: Iterable[Finding], used: Collection[str]
) -> Iterator[tuple[Severity, tuple[tuple[str, bool, str], ...]]]:
    failures = [finding for finding in own if finding.outcome is Outcome.FAIL]
    for severity in GRAVEST_FIRST:
        found = tuple((f.id, f.id in used, visible(f.check)) for f in failures if f.severity is severity)
        if found:
            yield severity, found


def _findings_by_host(data: AgencyData) -> Iterator[tuple[Host, list[Finding]]]:
    by_host: dict[str, list[Finding]] = {}
    for finding in data.findings:
        by_host.setdefault(finding.subject.id, []).append(finding)
    for host in data.hosts:
        yield host, by_host.get(host.id, [])


def _cap(name: str, findings: Iterable[Finding], baseline: Baseline) -> CapView:
    severity = next((s for s in Severity if s.word == name), None)
    return CapView(
        severity=severity,
        name=visible(name),
        limit=baseline.scoring.caps.get(severity) if severity is not None else None,
        is_open=any(f.outcome is Outcome.FAIL and f.severity is severity for f in findings),
    )
