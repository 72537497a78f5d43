from dataclasses import replace
from datetime import date, datetime, timedelta
from fractions import Fraction

import pytest

from secscan.model import Agency, Range, Severity
from secscan.report.ordering import places_by_name
from secscan.report.views import FleetData, fleet_views
from secscan.report.views.certificates import MOST_NAMED, calendar_view
from secscan.report.views.exposed import MOST_AGENCIES, exposed_view
from secscan.report.views.fleet import Broken, Exposure, HostRung, OpenPort, Outdated
from secscan.report.views.index import MOST_IMPROVED, MOST_ISSUES, index_view
from secscan.report.views.outdated import outdated_page
from tests.report.fleets import lower, make_bare_fleet, make_before, make_ending, make_full_fleet, with_digest
from tests.report.samples import AT, HANOI


def agencies(n: int, tier: str = "province") -> FleetData:
    return make_bare_fleet(*(Agency(f"a-{k:02}", {"en": f"Agency {k}"}, tier=tier) for k in range(n)))


def fail(
    data: FleetData, check: str, *ids: str, severity: Severity = Severity.HIGH, each: int = 2
) -> FleetData:
    for id in ids:
        broken = {**data.digests[id].broken, check: Broken(severity, each, 1)}
        data = with_digest(data, id, broken=broken)
    return data


# --- The index ------------------------------------------------------------------------------------------


def test_what_fails_in_many_places_is_counted_over_findings_and_agencies():
    (issue,) = index_view(fail(agencies(3), "certificate.expiry", "a-00", "a-02")).issues
    assert (issue.check, issue.findings, issue.agencies) == ("certificate.expiry", 4, 2)


def test_what_fails_at_one_agency_is_not_the_systems():
    assert index_view(fail(agencies(3), "certificate.expiry", "a-00")).issues == ()


def test_the_gravest_issue_comes_first_then_what_fails_at_most_agencies():
    data = fail(agencies(4), "tls.low", "a-00", "a-01", "a-02", severity=Severity.LOW)
    data = fail(data, "tls.two", "a-00", "a-01")
    data = fail(data, "tls.three", "a-00", "a-01", "a-02")
    assert [issue.check for issue in index_view(data).issues] == ["tls.three", "tls.two", "tls.low"]


def test_issues_that_are_not_told_are_counted():
    data = agencies(2)
    for n in range(MOST_ISSUES + 3):
        data = fail(data, f"tls.rule-{n:02}", "a-00", "a-01")
    view = index_view(data)
    assert (len(view.issues), view.other_issues) == (MOST_ISSUES, 3)


def test_changes_are_told_since_the_run_before():
    data = make_full_fleet()
    view = index_view(data)
    assert view.comparison is not None
    assert view.comparison.run == 41
    assert {row.change for row in view.rows if row.score.range and row.score.range.verified >= 1} == {
        Fraction(1)
    }


@pytest.mark.parametrize(
    "changes", [{"baseline_hash": "other"}, {"scoring_version": 0}, {"secscan_version": "0.0.1"}]
)
def test_scores_by_other_rules_are_not_compared(changes):
    data = make_full_fleet()
    view = index_view(replace(data, before=make_before(data, **changes)))
    assert view.comparison is not None
    assert not view.comparison.is_comparable
    assert {row.change for row in view.rows} == {None}
    assert view.improved == ()


def test_renewed_reference_data_is_told_of():
    data = make_full_fleet()
    view = index_view(replace(data, before=make_before(data, feeds=(("kev", AT),))))
    assert view.comparison is not None
    assert (view.comparison.is_comparable, view.comparison.is_other_reference) == (True, True)


def test_those_who_rose_most_are_named_best_first():
    data = agencies(8)
    before = make_before(data)
    falls = {id: lower(score, by=0) for id, score in data.scores.items()}
    raised = {
        id: replace(
            score, range=replace(score.range, verified=Fraction(int(id[-1]) * 10), possible=Fraction(100))
        )
        for id, score in data.scores.items()
        if score.range
    }
    view = index_view(replace(data, scores={**data.scores, **raised}, before=replace(before, agencies=falls)))
    assert [row.agency.id for row in view.improved] == ["a-07", "a-06", "a-05", "a-04", "a-03"]
    assert len(view.improved) == MOST_IMPROVED


@pytest.mark.parametrize(("n", "ranked"), [(4, 0), (5, 5)])
def test_fewer_than_five_are_not_ranked(n, ranked):
    data = agencies(n)
    before = make_before(data)
    raised = {id: lower(score, by=-3) for id, score in data.scores.items()}
    view = index_view(replace(data, scores=raised, before=before))
    assert (view.compared, len(view.improved)) == (n, ranked)


@pytest.mark.parametrize(("points", "named"), [(Fraction(99, 1000), 0), (Fraction(1, 10), 5)])
def test_who_rose_by_less_than_is_shown_is_not_named(points, named):
    data = agencies(5)
    before = make_before(data)
    raised = {
        id: replace(score, range=Range(before.agencies[id].range.verified + points, Fraction(100)))
        for id, score in data.scores.items()
    }
    assert len(index_view(replace(data, scores=raised, before=before)).improved) == named


@pytest.mark.parametrize(("days", "is_unseen"), [(14, False), (14.01, True)])
def test_an_agency_is_not_seen_when_what_was_seen_stands_no_more(days, is_unseen):
    data = agencies(1)
    (host,) = data.scores["a-00"].members
    data = with_digest(data, "a-00", last_seen={host: AT - timedelta(days=days)})
    assert [row.agency.id for row in index_view(data).unseen] == (["a-00"] if is_unseen else [])


def test_an_agency_that_was_never_seen_says_so_and_comes_first():
    data = agencies(2)
    (host,) = data.scores["a-00"].members
    data = with_digest(data, "a-00", last_seen={host: AT - timedelta(days=60)})
    rows = index_view(with_digest(data, "a-01", last_seen={})).unseen
    assert [(row.agency.id, row.last is None, row.unseen) for row in rows] == [
        ("a-01", True, 1),
        ("a-00", False, 1),
    ]


def test_choices_are_those_that_some_agency_has():
    data = with_digest(agencies(2), "a-00", roles=("mail", "portal"), zones=("wan",))
    view = index_view(with_digest(data, "a-01", roles=("portal",), zones=("dmz",)))
    assert (view.choices.tiers, view.choices.zones, view.choices.roles) == (
        ("province",),
        ("dmz", "wan"),
        ("mail", "portal"),
    )


# --- Certificates -----------------------------------------------------------------------------------------


def test_a_certificate_is_in_the_week_it_ends_in_where_the_page_is_read():
    # 23:30 UTC on a Sunday is Monday in Hanoi.
    sunday = datetime(2026, 3, 15, 23, 30, tzinfo=AT.tzinfo)
    data = with_digest(agencies(1), "a-00", endings=(make_ending(1, 0, ends=sunday),))
    (stretch,) = calendar_view(data).stretches
    assert (stretch.begins, stretch.ends) == (date(2026, 3, 16), date(2026, 3, 22))


@pytest.mark.parametrize(("seconds", "ended"), [(-1, 1), (0, 0), (1, 0)])
def test_a_certificate_has_ended_when_its_last_instant_has_passed(seconds, ended):
    data = with_digest(agencies(1), "a-00", endings=(make_ending(1, seconds / 86400),))
    view = calendar_view(data)
    assert (view.ended, view.stretches[0].begins is None) == (ended, bool(ended))


def test_a_certificate_of_two_agencies_is_one_and_each_has_to_act():
    shared = (make_ending(1, 20),)
    data = with_digest(with_digest(agencies(2), "a-00", endings=shared), "a-01", endings=shared)
    view = calendar_view(data)
    (stretch,) = view.stretches
    assert (view.certificates, stretch.certificates, len(stretch.agencies)) == (1, 1, 2)


def test_months_and_what_ends_later_add_up_to_all():
    endings = tuple(make_ending(n, days=25 * n - 60) for n in range(40))
    view = calendar_view(with_digest(agencies(1), "a-00", endings=endings))
    assert (
        view.ended + sum(month.certificates for month in view.months) + view.later == view.certificates == 40
    )


def test_certificates_that_are_not_named_are_counted():
    endings = tuple(make_ending(n, days=1) for n in range(MOST_NAMED + 5))
    (stretch,) = calendar_view(with_digest(agencies(1), "a-00", endings=endings)).stretches
    assert (len(stretch.agencies[0].endings), stretch.agencies[0].more, stretch.certificates) == (
        MOST_NAMED,
        5,
        MOST_NAMED + 5,
    )


def test_without_certificates_read_nothing_is_claimed():
    assert not calendar_view(agencies(1)).was_read


# --- Exposed services ---------------------------------------------------------------------------------------


def exposure(host: str, check: str = "port.database") -> Exposure:
    return Exposure(check, Severity.HIGH, host, "tcp/3306")


def test_exposures_are_counted_by_host_and_agency():
    data = with_digest(agencies(2), "a-00", exposures=(exposure("h1"), exposure("h1"), exposure("h2")))
    data = with_digest(data, "a-01", exposures=(exposure("h3"),))
    (view,) = exposed_view(data).exposures
    assert (view.hosts, view.agencies, view.by_agency[0].hosts) == (3, 2, 2)


def test_agencies_that_are_not_named_are_counted_on_exposures():
    data = agencies(MOST_AGENCIES + 2)
    for id in data.digests:
        data = with_digest(data, id, exposures=(exposure(id),))
    (view,) = exposed_view(data).exposures
    assert (len(view.by_agency), view.others) == (MOST_AGENCIES, 2)


def test_open_ports_are_counted_and_do_not_hang_on_the_order_they_were_read_in():
    ports = {OpenPort("tcp", 443, "https"): 2, OpenPort("tcp", 443, "http"): 2, OpenPort("tcp", 22, "ssh"): 1}
    data = with_digest(agencies(1), "a-00", open_ports=ports)
    turned = with_digest(data, "a-00", open_ports=dict(reversed(ports.items())))
    assert exposed_view(data).ports == exposed_view(turned).ports
    assert [(p.port, p.services, p.hosts) for p in exposed_view(data).ports or ()] == [
        ("tcp/443", ("http", "https"), 4),
        ("tcp/22", ("ssh",), 1),
    ]


# --- End of life ----------------------------------------------------------------------------------------------


def test_systems_are_told_by_their_end_the_longest_past_first():
    outdated = (
        Outdated("patch.end-of-life-soon", "Debian 11", date(2026, 8, 31), "h1"),
        Outdated("patch.end-of-life", "Ubuntu 14.04", date(2019, 4, 25), "h2"),
    )
    page = outdated_page(with_digest(agencies(1), "a-00", outdated=outdated))
    assert [(view.what, view.has_ended) for view in page.systems] == [
        ("Ubuntu 14.04", True),
        ("Debian 11", False),
    ]


def test_a_host_without_updates_counts_once_and_not_as_soon_without():
    outdated = (
        Outdated("patch.end-of-life", "Ubuntu 14.04", date(2019, 4, 25), "h2"),
        Outdated("patch.end-of-life-soon", "Ubuntu 14.04", date(2019, 4, 25), "h2"),
    )
    page = outdated_page(with_digest(agencies(1), "a-00", outdated=outdated))
    assert (page.ended_hosts, page.soon_hosts) == (1, 0)


def test_programs_that_the_network_shows_stand_apart_from_systems():
    page = outdated_page(
        with_digest(agencies(1), "a-00", outdated=(Outdated("port.end-of-life", "nginx 1.14", None, "h"),))
    )
    assert (page.systems, [view.what for view in page.programs]) == ((), ["nginx 1.14"])


# --- Backups ----------------------------------------------------------------------------------------------------


def test_every_host_stands_on_one_rung_of_its_tier():
    views = fleet_views(make_full_fleet(24)).backups
    for place, (_tier, hosts) in enumerate(views.columns, start=1):
        assert sum(rung.cells[place][0] for rung in views.rungs) == hosts
        assert sum(rung.cells[place][1] for rung in views.rungs) == hosts


def test_agencies_with_critical_hosts_on_the_ground_come_first():
    data = with_digest(agencies(2), "a-00", rungs=(HostRung("h1", 1, 0, 0), HostRung("h2", 1, 0, 4)))
    rows = fleet_views(with_digest(data, "a-01", rungs=(HostRung("h3", 5, 0, 0),))).backups.ground
    assert [(row.agency.id, row.ground, row.critical, row.doubtful) for row in rows] == [
        ("a-01", 1, 1, 0),
        ("a-00", 2, 0, 1),
    ]


# --- Order of names -----------------------------------------------------------------------------------------------


def test_equal_names_go_by_id():
    assert places_by_name([("b", "Same"), ("a", "Same")]) == {"a": 0, "b": 1}


def test_views_are_the_same_whatever_the_zone_but_for_instants():
    data = make_full_fleet()
    assert index_view(data).rows == index_view(replace(data, tz=HANOI)).rows
