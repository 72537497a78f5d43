from dataclasses import replace
from datetime import date, datetime, time, timedelta
from fractions import Fraction

import pytest

from secscan.history import Aged, settle
from secscan.model import Agency, Outcome, Reason, Service, Severity, Subject, Text, Waiver
from secscan.report.views import (
    MOST_LATE,
    ONE_CAUSE,
    Shortfall,
    agency_data,
    agency_view,
    fleet_data,
    index_view,
)
from tests.report import samples
from tests.report.samples import HANOI, make_checks, make_finding, make_single

CHECKS = make_checks()
EXPIRED = CHECKS["certificate.expiry"]
OLD = CHECKS["tls.old-versions"]
INFO = CHECKS["tls.compression"]
ON_HOST = Subject.of_host("web-1")


def test_only_the_agencys_own_hosts_and_findings_are_in_its_data():
    judgement, inventory, baseline, checks = samples.make_fleet(12)
    data = agency_data(judgement, inventory, baseline, checks=checks, agency_id="bo-vi-du", tz=HANOI)
    own = set(judgement.agencies["bo-vi-du"].members)
    assert {h.id for h in data.hosts} == {f.subject.id for f in data.findings} == set(data.host_scores) == own


def test_failures_are_grouped_by_check_gravest_first():
    view = agency_view(make_single(make_finding(OLD), make_finding(INFO), make_finding(EXPIRED)))
    assert [group.check for _, groups in view.by_severity for group in groups] == [
        "certificate.expiry",
        "tls.old-versions",
        "tls.compression",
    ]


def test_a_milder_finding_stands_under_its_own_severity():
    view = agency_view(make_single(make_finding(EXPIRED, severity=Severity.LOW)))
    assert [severity for severity, _ in view.by_severity] == [Severity.LOW]


def test_what_informs_only_is_no_first_step():
    assert agency_view(make_single(make_finding(INFO))).first == ()


def test_failures_of_important_hosts_come_first_among_equals():
    hosts = [samples.make_host(1, criticality=1), samples.make_host(2, criticality=5)]
    trust, name = CHECKS["certificate.trust"], CHECKS["certificate.name"]
    data = samples.make_agency_data(
        {
            hosts[0].id: [make_finding(name, subject=Subject.of_host(hosts[0].id))],
            hosts[1].id: [make_finding(trust, subject=Subject.of_host(hosts[1].id))],
        },
        hosts=hosts,
    )
    assert [step.check for step in agency_view(data).first] == ["certificate.trust", "certificate.name"]


@pytest.mark.parametrize(
    ("outcome", "shortfalls"),
    [
        (Outcome.FAIL, (Shortfall.SCORE, Shortfall.CRITICAL_OPEN)),
        (Outcome.UNKNOWN, (Shortfall.SCORE, Shortfall.CRITICAL_UNSEEN)),
    ],
)
def test_why_an_agency_falls_short(outcome, shortfalls):
    assert agency_view(make_single(make_finding(EXPIRED, outcome))).score.shortfalls == shortfalls


def test_an_agency_that_meets_the_baseline_falls_short_of_nothing():
    passes = [make_finding(check, Outcome.PASS) for check in CHECKS.values()]
    score = agency_view(make_single(*passes)).score
    assert (score.meets, score.shortfalls) == (True, ())


def test_an_agency_without_hosts_is_not_assessed():
    score = agency_view(samples.make_agency_data(hosts=[])).score
    assert (score.range, score.shortfalls) == (None, (Shortfall.NO_HOSTS,))


@pytest.mark.parametrize(("seen", "is_enough"), [(69, False), (70, True)])
def test_how_much_is_enough(seen, is_enough):
    data = make_single()
    coverage = replace(data.score.coverage, evaluated=Fraction(seen), expected=Fraction(100))
    assert (
        agency_view(replace(data, score=replace(data.score, coverage=coverage))).score.is_enough is is_enough
    )


def test_what_was_not_seen_is_grouped_by_reason_host_and_words():
    gone = Text("Not seen: {detail}", {"detail": "no route"})
    unknown = [
        make_finding(check, Outcome.UNKNOWN, subject=ON_HOST, reason=Reason.UNREACHABLE, evidence=gone)
        for check in CHECKS.values()
    ]
    (unseen,) = agency_view(make_single(*unknown)).unseen
    assert (unseen.reason, unseen.checks, len(unseen.gaps)) == (Reason.UNREACHABLE, len(CHECKS), 1)


NO_TLS = Text("TLS is required on this service and is not offered; heard: {heard}", {"heard": "plain HTTP"})


def broken(n: int, evidence: Text = NO_TLS):
    return [make_finding(check, evidence=evidence) for check in list(CHECKS.values())[:n]]


def test_one_cause_is_told_once_and_first():
    view = agency_view(make_single(*broken(len(CHECKS))))
    (cause,) = view.causes
    assert (cause.rules, [len(place.broken) for place in cause.places]) == (len(CHECKS), [len(CHECKS)])
    assert (view.first, view.by_severity) == ((cause,), ())


@pytest.mark.parametrize(("rules", "causes"), [(ONE_CAUSE - 1, 0), (ONE_CAUSE, 1)])
def test_how_many_rules_make_a_cause(rules, causes):
    assert len(agency_view(make_single(*broken(rules))).causes) == causes


def test_a_cause_hides_no_failure_from_the_counts():
    view = agency_view(make_single(*broken(len(CHECKS))))
    assert sum(view.failures.values()) == sum(view.causes[0].failures.values()) == len(CHECKS)


def test_every_finding_of_a_cause_can_be_linked_to():
    findings = broken(len(CHECKS))
    (cause,) = agency_view(make_single(*findings)).causes
    assert {b.anchor for place in cause.places for b in place.broken} == {f.id for f in findings}


def test_the_same_words_about_two_services_are_one_cause_in_two_places():
    other = Subject.of_service(Service("web-1", "tcp", 8443))
    findings = [*broken(5), *(replace(f, subject=other) for f in broken(5))]
    (cause,) = agency_view(make_single(*findings)).causes
    assert [place.seen.port for place in cause.places] == ["tcp/443", "tcp/8443"]


def test_other_values_are_other_words():
    findings = [replace(f, evidence=Text("{n}", {"n": n})) for n, f in enumerate(broken(5))]
    assert agency_view(make_single(*findings)).causes == ()


def test_a_broken_check_is_a_mistake_of_ours_and_not_the_hosts():
    (unseen,) = agency_view(make_single(make_finding(OLD, Outcome.ERROR))).unseen
    assert unseen.reason is Reason.BUG


def test_a_check_that_is_not_installed_any_more_keeps_its_findings():
    data = make_single(make_finding(OLD))
    (failure,) = agency_view(replace(data, checks={})).first
    assert (failure.check, failure.claim) == ("tls.old-versions", "")


def test_two_findings_of_one_identity_give_one_anchor():
    twice = agency_view(make_single(make_finding(OLD), make_finding(OLD)))
    assert sorted(bool(f.anchor) for f in twice.first[0].findings) == [False, True]


@pytest.mark.parametrize(("outcome", "is_open"), [(Outcome.FAIL, True), (Outcome.UNKNOWN, False)])
def test_a_cap_says_whether_a_failure_was_seen(outcome, is_open):
    passes = [make_finding(check, Outcome.PASS) for check in CHECKS.values() if check is not EXPIRED]
    (host,) = agency_view(make_single(make_finding(EXPIRED, outcome), *passes)).hosts
    assert [(cap.severity, cap.limit, cap.is_open) for cap in host.caps] == [(Severity.CRITICAL, 39, is_open)]


def test_children_follow_their_parents():
    judgement, inventory, baseline, _ = samples.make_fleet(24)
    rows = index_view(fleet_data(judgement, inventory, baseline, tz=HANOI)).rows
    position = {row.agency.id: place for place, row in enumerate(rows)}
    parents = {a.id: a.parent for a in inventory.agencies.values() if a.parent}
    assert all(position[parent] < position[child] for child, parent in parents.items())


def test_every_agency_is_listed_once_even_in_a_ring_of_parents():
    ring = [
        Agency(id, {"en": id}, tier="x", parent=parent) for id, parent in (("a", "b"), ("b", "c"), ("c", "a"))
    ]
    inventory = samples.make_inventory([(agency, []) for agency in ring])
    baseline = samples.make_baseline(CHECKS)
    judgement = samples.make_judgement(inventory, {}, baseline)
    rows = index_view(fleet_data(judgement, inventory, baseline, tz=HANOI)).rows
    assert sorted(row.agency.id for row in rows) == ["a", "b", "c"]


def test_agencies_not_assessed_count_in_the_whole():
    view = index_view(samples.make_fleet_data(24))
    assert view.assessed < len(view.rows) == sum(tier.agencies for tier in view.tiers)


def test_the_distribution_counts_every_assessed_agency():
    view = index_view(samples.make_fleet_data(24))
    assert sum(bar.enough + bar.not_enough for bar in view.distribution) == view.assessed


def lacking(
    fix: str, host: str = "web-1", severity: Severity = Severity.HIGH, due: str = "", object: str = ""
):
    evidence = Text("It lacks an update.", {"fix": fix, "due": due})
    return make_finding(
        EXPIRED, subject=Subject.of_host(host), evidence=evidence, severity=severity, object=object or fix
    )


def test_what_one_command_mends_is_told_once_for_all_hosts():
    hosts = [samples.make_host(1), samples.make_host(2)]
    data = samples.make_agency_data(
        {
            hosts[0].id: [lacking("apt upgrade curl", hosts[0].id), lacking("apt upgrade sudo", hosts[0].id)],
            hosts[1].id: [lacking("apt upgrade sudo", hosts[1].id)],
        },
        hosts=hosts,
    )
    fixes = agency_view(data).fixes
    assert [(fix.command, len(fix.hosts)) for fix in fixes] == [
        ("apt upgrade sudo", 2),
        ("apt upgrade curl", 1),
    ]


def test_a_fix_is_as_grave_as_the_gravest_it_mends_and_due_as_early():
    view = agency_view(
        make_single(
            lacking("apt upgrade curl", severity=Severity.LOW, due="2026-03-01", object="a"),
            lacking("apt upgrade curl", severity=Severity.MEDIUM, due="2026-02-01", object="b"),
            lacking("apt upgrade curl", severity=Severity.LOW, due="soon", object="c"),
        )
    )
    (fix,) = view.fixes
    assert (fix.severity, fix.due, fix.findings) == (Severity.MEDIUM, date(2026, 2, 1), 3)


def test_without_a_command_that_mends_there_is_no_fix_to_list():
    assert agency_view(make_single(make_finding(EXPIRED), lacking(""))).fixes == ()


def test_what_a_host_says_in_a_fix_is_made_visible():
    (fix,) = agency_view(make_single(lacking("apt upgrade \x1b[2Jcurl"))).fixes
    assert "\x1b" not in fix.command


# --- The ladder of backups ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("criticalities", "hosts", "is_critical"), [((1, 3), 2, False), ((1, 4), 1, True), ((4, 5), 2, True)]
)
def test_the_ladder_counts_critical_hosts_where_there_are_any(criticalities, hosts, is_critical):
    judgement, inventory, baseline, checks = samples.make_ladder(
        [(samples.make_host(n, criticality=c), [Outcome.PASS] * 11) for n, c in enumerate(criticalities)]
    )
    data = agency_data(judgement, inventory, baseline, checks=checks, agency_id="bo-vi-du", tz=samples.HANOI)
    ladder = agency_view(data).ladder
    assert (ladder.hosts, ladder.is_critical) == (hosts, is_critical)
    assert {rung.reached for rung in ladder.rungs} == {hosts}
    assert [rung.number for rung in ladder.rungs] == list(range(11, 0, -1))


def test_without_rungs_there_is_no_ladder():
    assert agency_view(samples.make_agency_data()).ladder is None


# --- Time and waivers --------------------------------------------------------------------------------------


def aged(finding, *, first=date(2026, 1, 2), due=None, waiver="", late=False):
    began = datetime.combine(first, time(12), HANOI)
    (life,) = settle({}, [finding], began).values()
    last = None if due is None else datetime.combine(due, time(12), HANOI)
    return Aged(replace(life, waiver=waiver), last, late)


LEAVE = Waiver(
    "The vendor ships the mend in June.", "Lê", "Trần", date(2026, 6, 30), "central", check="tls.*"
)


def test_a_finding_has_its_first_day_and_the_day_it_is_due():
    finding = make_finding(OLD)
    told = aged(finding, due=date(2026, 2, 1), late=True)
    view = agency_view(replace(make_single(finding), aged={finding.id: told}))
    seen = view.by_severity[0][1][0].findings[0]
    assert (seen.first_seen, seen.due, seen.is_overdue) == (date(2026, 1, 2), date(2026, 2, 1), True)


def test_what_is_overdue_is_listed_gravest_and_longest_first_and_counted():
    findings = [make_finding(OLD, object=str(n)) for n in range(MOST_LATE + 2)] + [make_finding(EXPIRED)]
    data = make_single(*findings)
    days = [date(2026, 2, 1) + timedelta(days=n) for n in range(len(findings))]
    late = {f.id: aged(f, due=day, late=True) for f, day in zip(findings, days, strict=True)}
    overdue = agency_view(replace(data, aged=late)).overdue
    assert overdue.findings == len(findings)
    assert [one.check for one in overdue.longest[:2]] == ["certificate.expiry", "tls.old-versions"]
    assert [one.due for one in overdue.longest[1:]] == days[: MOST_LATE - 1]


def test_what_is_within_its_deadline_is_not_overdue():
    finding = make_finding(OLD)
    told = {finding.id: aged(finding, due=date(2026, 2, 1))}
    assert agency_view(replace(make_single(finding), aged=told)).overdue.findings == 0


def test_a_waiver_is_told_with_all_who_answer_for_it():
    finding = make_finding(OLD)
    told = {finding.id: aged(finding, waiver=LEAVE.key)}
    (view,) = agency_view(replace(make_single(finding), aged=told, waivers={LEAVE.key: LEAVE})).waivers
    assert (view.what, view.owner, view.approver, view.approved_by, view.findings) == (
        "tls.*",
        "Lê",
        "Trần",
        "central",
        1,
    )


def test_leave_that_was_withdrawn_is_counted_without_words():
    finding = make_finding(OLD)
    (view,) = agency_view(
        replace(make_single(finding), aged={finding.id: aged(finding, waiver="gone")})
    ).waivers
    assert (view.expires, view.findings) == (None, 1)


@pytest.mark.parametrize(("waived", "is_much"), [(10, False), (Fraction(1001, 100), True)])
def test_how_much_is_waived(waived, is_much):
    data = make_single(make_finding(OLD))
    coverage = replace(data.score.coverage, expected=100 - Fraction(waived))
    adjusted = replace(data.score, coverage=coverage, waived=Fraction(waived))
    assert agency_view(replace(data, adjusted=adjusted)).score.adjusted.is_much is is_much


def test_another_agencys_lives_and_waivers_are_not_in_its_data():
    judgement, inventory, baseline, checks = samples.make_fleet(12)
    others = next(id for id, group in judgement.agencies.items() if id != "bo-vi-du" and group.members)
    host = judgement.agencies[others].members[0]
    lives = {host: [aged(make_finding(OLD, subject=Subject.of_host(host)), waiver=LEAVE.key)]}
    data = agency_data(
        judgement,
        inventory,
        baseline,
        checks=checks,
        agency_id="bo-vi-du",
        tz=HANOI,
        aged=lives,
        waivers={LEAVE.key: LEAVE},
    )
    assert (data.aged, data.waivers) == ({}, {})


def test_the_index_counts_what_is_overdue():
    judgement, inventory, baseline, _ = samples.make_fleet(12)
    host = judgement.agencies["bo-vi-du"].members[0]
    lives = {host: [aged(make_finding(OLD, subject=Subject.of_host(host)), due=date(2026, 2, 1), late=True)]}
    view = index_view(fleet_data(judgement, inventory, baseline, tz=HANOI, aged=lives))
    assert (view.overdue, [row.overdue for row in view.rows if row.overdue]) == (1, [1])
