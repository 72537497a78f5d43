"""From values to what a page says: pure functions to frozen views, the same in every language.

Everything that came from a host or from the inventory is made visible here, once, so that no template can
forget it; what is left for a template is to escape, to translate and to round.
"""

import enum
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from fractions import Fraction
from typing import TypeAlias

from secscan.baseline import Baseline
from secscan.check import Check
from secscan.history import Aged
from secscan.ladder import CRITICAL_FROM, RUNGS, Standing, spread, standing
from secscan.model import (
    Adjusted,
    Agency,
    Finding,
    GroupScore,
    Host,
    HostScore,
    Inventory,
    Judgement,
    Outcome,
    Range,
    Reason,
    Severity,
    Stamp,
    SubjectLevel,
    Text,
    Waiver,
)
from secscan.report.text import localised, visible
from secscan.scoring import MUCH_WAIVED

#: How many groups of findings a page says to mend first; a leader remembers three.
FIRST_STEPS = 3

#: From this many rules that fail on one subject with the very same words, those words are one cause and told once:
#: a service without TLS breaks every rule about TLS, and a page that says so fifty times hides what to do.
ONE_CAUSE = 3

#: Findings past their deadline that a page names before it counts the rest.
MOST_LATE = 10

#: Characters of the reason for a waiver.
MOST_REASON = 300

NOT_AGED: Mapping[str, Sequence[Aged]] = {}
NO_WAIVERS: Mapping[str, Waiver] = {}

#: A host, and a sentence about it: template and values.
_Said: TypeAlias = tuple[str, str, tuple[tuple[str, str | int], ...]]

#: Gravest first, the order of every page.
GRAVEST_FIRST = tuple(sorted(Severity, reverse=True))


# --- What goes in -------------------------------------------------------------------------------------


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


@dataclass(frozen=True, slots=True)
class FleetData:
    """What the centre sees of a judgement: every agency's score and the number of its findings."""

    agencies: Mapping[str, Agency]
    scores: Mapping[str, GroupScore]
    tiers: Mapping[str, GroupScore]
    whole: GroupScore
    hosts: Mapping[str, int]
    failures: Mapping[str, Mapping[Severity, int]]
    baseline: Baseline
    stamp: Stamp
    tz: tzinfo
    #: Where the hosts of each agency stand on the ladder of backups, with their criticality.
    standings: Mapping[str, tuple[tuple[int, Standing], ...]] = field(default_factory=dict)
    adjusted: Adjusted | None = None
    #: How many findings of each agency are past their deadline.
    overdue: Mapping[str, int] = field(default_factory=dict)


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


def fleet_data(
    judgement: Judgement,
    inventory: Inventory,
    baseline: Baseline,
    *,
    tz: tzinfo,
    aged: Mapping[str, Sequence[Aged]] = NOT_AGED,
) -> FleetData:
    """Every agency that the judgement scored; ``aged`` is by host."""
    return FleetData(
        agencies={id: inventory.agencies[id] for id in judgement.agencies if id in inventory.agencies},
        scores=judgement.agencies,
        tiers=judgement.tiers,
        whole=judgement.whole,
        hosts={id: len(score.members) for id, score in judgement.agencies.items()},
        failures={
            id: _failures(f for host in score.members for f in judgement.findings.get(host, ()))
            for id, score in judgement.agencies.items()
        },
        baseline=baseline,
        stamp=judgement.stamp,
        tz=tz,
        standings={
            id: tuple(_standings((inventory.hosts[host], judgement.findings.get(host, ())) for host in known))
            for id, score in judgement.agencies.items()
            if (known := [host for host in score.members if host in inventory.hosts])
        },
        adjusted=judgement.adjusted,
        overdue={
            id: sum(one.is_overdue for host in score.members for one in aged.get(host, ()))
            for id, score in judgement.agencies.items()
        },
    )


# --- What comes out -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Named:
    """An agency as it is called: its names by language, all fit to be shown."""

    id: str
    names: Mapping[str, str]


class Shortfall(enum.Enum):
    """Why an agency does not meet the baseline."""

    NO_HOSTS = enum.auto()
    SCORE = enum.auto()
    CRITICAL_OPEN = enum.auto()
    CRITICAL_UNSEEN = enum.auto()


@dataclass(frozen=True, slots=True)
class AdjustedView:
    """A group's score without what is waived; ``waived`` is the share of all weight that is, 0 to 1.

    ``is_much``: so much is waived that the page says so before all else.
    """

    range: Range
    grade: str
    meets: bool
    waived: Fraction
    is_much: bool


@dataclass(frozen=True, slots=True)
class ScoreView:
    """A group's score. ``range`` is None where there is nothing to assess; ``coverage`` is a share, 0 to 1.

    ``adjusted`` is None where nothing is waived.
    """

    range: Range | None
    grade: str
    meets: bool
    coverage: Fraction
    is_enough: bool
    shortfalls: tuple[Shortfall, ...]
    adjusted: AdjustedView | None


@dataclass(frozen=True, slots=True)
class DomainView:
    """A domain of the baseline. ``range`` is None where nothing of it applies to any host."""

    id: str
    range: Range | None
    failed: int
    unseen: int
    passed: int


@dataclass(frozen=True, slots=True)
class FindingView:
    """One failure on one subject. ``anchor`` is its id, empty where another finding of the page has it already.

    ``first_seen`` and ``due`` are days in the zone of the page, None where they are not known or there is none.
    """

    id: str
    anchor: str
    host: str
    host_anchor: str
    port: str
    server_name: str
    addresses: tuple[str, ...]
    object: str
    evidence: Text
    seen_at: datetime | None
    first_seen: date | None
    due: date | None
    is_overdue: bool
    is_waived: bool


@dataclass(frozen=True, slots=True)
class LateView:
    """A finding that is past its deadline. ``has_anchor``: the page tells more of it."""

    id: str
    has_anchor: bool
    host: str
    port: str
    check: str
    severity: Severity
    due: date


@dataclass(frozen=True, slots=True)
class OverdueView:
    """What is past its deadline: how many findings, and those that have been for longest, the gravest first."""

    findings: int
    longest: tuple[LateView, ...]


@dataclass(frozen=True, slots=True)
class WaiverView:
    """Leave that covers findings of the agency. All but ``findings`` is empty where it was withdrawn since."""

    what: str
    reason: str
    owner: str
    approver: str
    approved_by: str
    expires: date | None
    findings: int


@dataclass(frozen=True, slots=True)
class FailureView:
    """The failures of one check at one severity, and its documentation."""

    anchor: str
    check: str
    severity: Severity
    claim: str
    why: str
    fix: str
    findings: tuple[FindingView, ...]
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule that a cause breaks. ``anchor`` is the finding's id, empty where the page has it already."""

    id: str
    anchor: str
    check: str


@dataclass(frozen=True, slots=True)
class CausePlace:
    """One subject on which a cause breaks rules, each of them a finding."""

    seen: FindingView
    broken: tuple[Broken, ...]


@dataclass(frozen=True, slots=True)
class CauseView:
    """What breaks many rules at once. ``severity`` is that of the gravest, ``evidence`` the words of one place."""

    anchor: str
    severity: Severity
    evidence: Text
    places: tuple[CausePlace, ...]
    hosts: tuple[str, ...]
    failures: Mapping[Severity, int]
    rules: int


@dataclass(frozen=True, slots=True)
class FixView:
    """One thing to do that mends findings on some hosts, as it is typed there; ``due`` is the earliest day it is due, if that is known."""

    command: str
    severity: Severity
    hosts: tuple[str, ...]
    findings: int
    due: date | None


@dataclass(frozen=True, slots=True)
class Gap:
    """What one host did not show: the services it is about, what happened, and the checks by domain it left open."""

    host: str
    host_anchor: str
    places: tuple[str, ...]
    evidence: Text
    domains: tuple[tuple[str, int], ...]
    checks: int


@dataclass(frozen=True, slots=True)
class UnseenView:
    """Everything that could not be seen for one reason."""

    reason: Reason
    gaps: tuple[Gap, ...]
    checks: int
    hosts: int


@dataclass(frozen=True, slots=True)
class Tally:
    """How many subjects a claim is true of, or does not apply to."""

    check: str
    claim: str
    domain: str
    subjects: int
    hosts: int


@dataclass(frozen=True, slots=True)
class CapView:
    """A cap that holds a host down. ``is_open``: a failure was seen; else one could not be ruled out."""

    severity: Severity | None
    name: str
    limit: Fraction | None
    is_open: bool


@dataclass(frozen=True, slots=True)
class RungView:
    """A rung of the ladder of backups, and how many hosts stand on it or above: as far as was verified, and possibly.

    ``standing`` is how many stand on this very rung, as far as was verified.
    """

    number: int
    check: str
    is_attested: bool
    reached: int
    possible: int
    standing: int


@dataclass(frozen=True, slots=True)
class LadderView:
    """The ladder, its highest rung first. ``is_critical``: only critical hosts are counted; where there are none, all.

    ``ground`` is how many hosts stand on no rung.
    """

    rungs: tuple[RungView, ...]
    hosts: int
    ground: int
    is_critical: bool


@dataclass(frozen=True, slots=True)
class HostView:
    """One host. ``range`` is None where it was not scored."""

    anchor: str
    id: str
    names: tuple[str, ...]
    addresses: tuple[str, ...]
    role: str
    zone: str
    level: int | None
    criticality: int
    range: Range | None
    coverage: Fraction
    failures: Mapping[Severity, int]
    unseen: int
    caps: tuple[CapView, ...]
    #: The rung of the ladder of backups that it stands on, verified and possible; None where none was judged.
    rung: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Method:
    """What the numbers rest on, printed on every page."""

    titles: Mapping[str, str]
    baseline: str
    baseline_hash: str
    domains: tuple[tuple[str, Fraction], ...]
    grades: tuple[tuple[str, Fraction], ...]
    caps: tuple[tuple[Severity, Fraction], ...]
    weights: tuple[tuple[Severity, Fraction], ...]
    meets: Fraction
    enough_coverage: Fraction
    mean_share: Fraction
    carry: timedelta
    at: datetime
    zone: str
    run: int | None
    scoring_version: int
    secscan_version: str
    inventory_hash: str
    #: What had been imported, and until when it knows.
    feeds: tuple[tuple[str, datetime], ...]


@dataclass(frozen=True, slots=True)
class AgencyView:
    """The scorecard of one agency."""

    agency: Named
    parent: Named | None
    tier: str
    zone: str
    score: ScoreView
    domains: tuple[DomainView, ...]
    failures: Mapping[Severity, int]
    first: tuple[FailureView | CauseView, ...]
    causes: tuple[CauseView, ...]
    fixes: tuple[FixView, ...]
    by_severity: tuple[tuple[Severity, tuple[FailureView, ...]], ...]
    unseen: tuple[UnseenView, ...]
    passed: tuple[Tally, ...]
    not_applicable: tuple[Tally, ...]
    hosts: tuple[HostView, ...]
    #: None where the baseline asks for no backups.
    ladder: LadderView | None
    overdue: OverdueView
    waivers: tuple[WaiverView, ...]
    method: Method


@dataclass(frozen=True, slots=True)
class AgencyRow:
    """An agency on the index; ``depth`` is its place in the tree, 0 for those without a parent."""

    agency: Named
    depth: int
    tier: str
    score: ScoreView
    hosts: int
    failures: Mapping[Severity, int]
    overdue: int


@dataclass(frozen=True, slots=True)
class TierRow:
    """How many agencies of a tier meet the baseline. Those not assessed count among ``agencies``."""

    tier: str
    score: ScoreView
    meeting: int
    assessed: int
    agencies: int
    ladder: LadderView | None


@dataclass(frozen=True, slots=True)
class GradeCount:
    """Agencies of one grade: those of which enough was seen, and the others."""

    grade: str
    enough: int
    not_enough: int


@dataclass(frozen=True, slots=True)
class IndexView:
    """All agencies, for the centre."""

    whole: ScoreView
    rows: tuple[AgencyRow, ...]
    tiers: tuple[TierRow, ...]
    meeting: int
    assessed: int
    hosts: int
    failures: Mapping[Severity, int]
    distribution: tuple[GradeCount, ...]
    overdue: int
    ladder: LadderView | None
    method: Method


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
        agency=_named(data.agency),
        parent=_named(data.parent) if data.parent else None,
        tier=visible(data.agency.tier),
        zone=visible(data.agency.zone),
        score=_score(data.score, data.baseline, data.adjusted, open_criticals=open_criticals),
        domains=tuple(_domains(data, domain_of)),
        failures=_failures(data.findings),
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
        hosts=_hosts(data, anchors),
        ladder=_ladder(_standings(_findings_by_host(data))),
        overdue=_overdue(data, used),
        waivers=_waivers(data),
        method=_method(data.baseline, data.stamp, data.tz),
    )


def index_view(data: FleetData) -> IndexView:
    """All agencies in tree order: parents before their children, siblings by id."""
    rows = tuple(
        AgencyRow(
            agency=_named(agency),
            depth=depth,
            tier=visible(agency.tier),
            score=_score(
                data.scores[agency.id],
                data.baseline,
                data.adjusted.agencies.get(agency.id) if data.adjusted else None,
                open_criticals=data.failures[agency.id][Severity.CRITICAL] > 0,
            ),
            hosts=data.hosts[agency.id],
            failures=data.failures[agency.id],
            overdue=data.overdue.get(agency.id, 0),
        )
        for agency, depth in _tree(data.agencies)
    )
    return IndexView(
        whole=_score(
            data.whole,
            data.baseline,
            data.adjusted.whole if data.adjusted else None,
            open_criticals=any(r.failures[Severity.CRITICAL] for r in rows),
        ),
        rows=rows,
        tiers=_tiers(rows, data),
        meeting=sum(row.score.meets for row in rows),
        assessed=sum(row.score.range is not None for row in rows),
        hosts=sum(row.hosts for row in rows),
        failures={s: sum(row.failures[s] for row in rows) for s in GRAVEST_FIRST},
        distribution=_distribution(rows, data.baseline),
        overdue=sum(row.overdue for row in rows),
        ladder=_ladder(stands for of_agency in data.standings.values() for stands in of_agency),
        method=_method(data.baseline, data.stamp, data.tz),
    )


# --- One agency ---------------------------------------------------------------------------------------


def _named(agency: Agency) -> Named:
    return Named(agency.id, {language: visible(name) for language, name in agency.names.items()})


def _score(
    score: GroupScore, baseline: Baseline, adjusted: GroupScore | None, *, open_criticals: bool
) -> ScoreView:
    return ScoreView(
        range=score.range,
        grade=score.grade,
        meets=score.meets_baseline,
        coverage=score.coverage.share,
        is_enough=score.coverage.share >= baseline.scoring.enough_coverage,
        shortfalls=tuple(_shortfalls(score, baseline, open_criticals=open_criticals)),
        adjusted=_adjusted(adjusted),
    )


def _adjusted(score: GroupScore | None) -> AdjustedView | None:
    if score is None or score.range is None:
        return None
    share = score.waived_share
    return AdjustedView(score.range, score.grade, score.meets_baseline, share, share > MUCH_WAIVED)


def _shortfalls(score: GroupScore, baseline: Baseline, *, open_criticals: bool) -> Iterator[Shortfall]:
    if score.range is None:
        yield Shortfall.NO_HOSTS
        return
    if score.meets_baseline:
        return
    if score.range.verified < baseline.scoring.meets:
        yield Shortfall.SCORE
    if score.critical:
        yield Shortfall.CRITICAL_OPEN if open_criticals else Shortfall.CRITICAL_UNSEEN


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
                failures=_failures(findings),
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
            findings=tuple(_finding(finding, data, anchors, used) for finding in findings),
            hosts=_hosts_of(findings),
        )
        for (severity, check), findings in sorted(groups.items(), key=lambda group: group[0][1])
    )
    importance = _importance(data)
    return tuple(sorted(views, key=lambda v: (-sum(importance[host] for host in v.hosts), -len(v.findings))))


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


def _hosts(data: AgencyData, anchors: Mapping[str, str]) -> tuple[HostView, ...]:
    by_host: dict[str, list[Finding]] = {host.id: [] for host in data.hosts}
    for finding in data.findings:
        by_host.setdefault(finding.subject.id, []).append(finding)
    return tuple(_host(host, by_host[host.id], data, anchors[host.id]) for host in data.hosts)


def _host(host: Host, own: Sequence[Finding], data: AgencyData, anchor: str) -> HostView:
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
        failures=_failures(own),
        unseen=sum(f.outcome in (Outcome.UNKNOWN, Outcome.ERROR) for f in own),
        caps=tuple(_cap(name, own, data.baseline) for name in score.caps) if score else (),
        rung=(stands.verified, stands.possible) if stands else None,
    )


def _standings(
    hosts: Iterable[tuple[Host, Iterable[Finding]]],
) -> Iterator[tuple[int, Standing]]:
    """Criticality and standing of each host on which a rung was judged."""
    for host, findings in hosts:
        stands = standing(findings)
        if stands is not None:
            yield host.criticality, stands


def _findings_by_host(data: AgencyData) -> Iterator[tuple[Host, list[Finding]]]:
    by_host: dict[str, list[Finding]] = {}
    for finding in data.findings:
        by_host.setdefault(finding.subject.id, []).append(finding)
    for host in data.hosts:
        yield host, by_host.get(host.id, [])


def _ladder(standings: Iterable[tuple[int, Standing]]) -> LadderView | None:
    """The ladder of the critical hosts, or of all where none is critical; None where no rung was judged."""
    every = list(standings)
    critical = [stands for criticality, stands in every if criticality >= CRITICAL_FROM]
    counted = spread(critical or [stands for _, stands in every])
    if not counted.hosts:
        return None
    rungs = (
        RungView(
            number=rung.number,
            check=rung.check,
            is_attested=rung.is_attested,
            reached=counted.reaching(rung.number)[0],
            possible=counted.reaching(rung.number)[1],
            standing=counted.verified[rung.number],
        )
        for rung in reversed(RUNGS)
    )
    return LadderView(tuple(rungs), counted.hosts, counted.verified[0], bool(critical))


def _cap(name: str, findings: Iterable[Finding], baseline: Baseline) -> CapView:
    severity = next((s for s in Severity if s.word == name), None)
    return CapView(
        severity=severity,
        name=visible(name),
        limit=baseline.scoring.caps.get(severity) if severity is not None else None,
        is_open=any(f.outcome is Outcome.FAIL and f.severity is severity for f in findings),
    )


def _failures(findings: Iterable[Finding]) -> dict[Severity, int]:
    counts = Counter(f.severity for f in findings if f.outcome is Outcome.FAIL)
    return {severity: counts[severity] for severity in GRAVEST_FIRST}


def _method(baseline: Baseline, stamp: Stamp, tz: tzinfo) -> Method:
    scoring = baseline.scoring
    return Method(
        titles={language: visible(title) for language, title in baseline.titles.items()},
        baseline=visible(stamp.baseline),
        baseline_hash=visible(stamp.baseline_hash),
        domains=tuple(baseline.domains.items()),
        grades=scoring.grades,
        caps=tuple((s, scoring.caps[s]) for s in GRAVEST_FIRST if s in scoring.caps),
        weights=tuple((s, scoring.weights[s]) for s in GRAVEST_FIRST if s in scoring.weights),
        meets=scoring.meets,
        enough_coverage=scoring.enough_coverage,
        mean_share=scoring.mean_share,
        carry=baseline.carry,
        at=stamp.at.astimezone(tz),
        zone=visible(tz),
        run=stamp.run,
        scoring_version=stamp.scoring_version,
        secscan_version=visible(stamp.secscan_version),
        inventory_hash=visible(stamp.inventory_hash),
        feeds=tuple((visible(name), as_of.astimezone(tz)) for name, as_of in stamp.feeds),
    )


# --- All agencies -------------------------------------------------------------------------------------


def _tree(agencies: Mapping[str, Agency]) -> Iterator[tuple[Agency, int]]:
    """Every agency once, children below their parent. Siblings go by id: an ASCII slug of the name sorts much as
    the name does, and needs no collation."""
    children: dict[str | None, list[str]] = {}
    for id in sorted(agencies, reverse=True):
        parent = agencies[id].parent
        children.setdefault(parent if parent in agencies else None, []).append(id)
    met: set[str] = set()
    # The second part is for agencies that are each other's parents: no root leads to them.
    waiting = [(id, 0) for id in sorted(agencies, reverse=True)]
    waiting += [(id, 0) for id in children.get(None, ())]
    while waiting:
        id, depth = waiting.pop()
        if id not in met:
            met.add(id)
            yield agencies[id], depth
            waiting += [(child, depth + 1) for child in children.get(id, ())]


def _tiers(rows: Sequence[AgencyRow], data: FleetData) -> tuple[TierRow, ...]:
    """In the order in which the tree meets them: the highest tier first."""
    by_tier: dict[str, list[AgencyRow]] = {}
    for row in rows:
        by_tier.setdefault(data.agencies[row.agency.id].tier, []).append(row)
    return tuple(
        TierRow(
            tier=visible(tier),
            score=_score(
                data.tiers[tier],
                data.baseline,
                data.adjusted.tiers.get(tier) if data.adjusted else None,
                open_criticals=data.tiers[tier].critical,
            ),
            meeting=sum(row.score.meets for row in of_tier),
            assessed=sum(row.score.range is not None for row in of_tier),
            agencies=len(of_tier),
            ladder=_ladder(stands for row in of_tier for stands in data.standings.get(row.agency.id, ())),
        )
        for tier, of_tier in by_tier.items()
    )


def _distribution(rows: Iterable[AgencyRow], baseline: Baseline) -> tuple[GradeCount, ...]:
    counts = Counter((row.score.grade, row.score.is_enough) for row in rows if row.score.range is not None)
    return tuple(
        GradeCount(grade, counts[grade, True], counts[grade, False]) for grade, _ in baseline.scoring.grades
    )
