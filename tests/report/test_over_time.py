"""What a scorecard says of how an agency came here and where it goes."""

from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction

import pytest

from secscan.history.advice import Advice, Fix, Step
from secscan.history.background import Background, Ending, Point
from secscan.history.difference import Change, Changed
from secscan.history.waterfall import CAUSES, Cause, Waterfall
from secscan.model import Agency, Outcome, Range, Service, Subject, Text
from secscan.report.rendering import render_agency
from secscan.report.views import agency_view
from secscan.report.views.given import FEWEST_PEERS, Peers, peers_of
from secscan.report.views.shown_over_time import Unlock
from tests.report import histories, samples
from tests.report.pages import read
from tests.store.samples import a_group_score

CHECKS = samples.make_checks()
OLD, NAME = CHECKS["tls.old-versions"], CHECKS["certificate.name"]


def view_with(data=None, **background):
    data = data or samples.make_single(samples.make_finding(OLD))
    return agency_view(replace(data, background=Background(**background)))


def text_of(view, language="en"):
    return read(render_agency(view, language)).text


# --- Trend and medians --------------------------------------------------------------------------------------


def scored(*verified):
    return {
        f"a{n}": a_group_score(f"a{n}", range=None if v is None else Range(Fraction(v), Fraction(100)))
        for n, v in enumerate(verified)
    }


def agencies(*tiers):
    return {f"a{n}": Agency(f"a{n}", {}, tier) for n, tier in enumerate(tiers)}


def test_the_median_is_of_verified_scores():
    assert peers_of(scored(10, 20, 30, 40, 90), agencies(*["x"] * 5), "x") == Peers(
        Fraction(30), Fraction(30)
    )


@pytest.mark.parametrize(("n", "is_told"), [(FEWEST_PEERS - 1, False), (FEWEST_PEERS, True)])
def test_a_small_group_has_no_median(n, is_told):
    assert (peers_of(scored(*range(n)), {}, "").country is not None) is is_told


def test_agencies_that_were_not_assessed_make_no_group_larger():
    assert peers_of(scored(10, 20, 30, 40, None), {}, "").country is None


def test_a_small_tier_has_no_median_beside_a_large_country():
    told = peers_of(scored(*range(6)), agencies("x", "x", "x", "x", "y", "y"), "x")
    assert (told.country is not None, told.tier) == (True, None)


def test_without_a_tier_there_is_no_median_of_one():
    assert peers_of(scored(*range(6)), agencies(*[""] * 6), "").tier is None


def test_medians_stand_on_the_page():
    data = replace(samples.make_single(samples.make_finding(OLD)), peers=histories.PEERS)
    assert "Half of all agencies have 61.3 or more." in text_of(agency_view(data))


def test_a_single_run_has_no_trend():
    assert view_with(trend=histories.points()[:1]).trend is None


def test_a_break_is_said_with_its_day():
    assert "From 16/02/2026 on another baseline" in text_of(view_with(trend=histories.points()[:5]))


def test_a_line_joins_only_what_compares():
    html = render_agency(view_with(trend=histories.points()), "en")
    assert (html.count('class="way" x1'), html.count('class="break" x1')) == (5, 1)


def test_a_trend_can_be_heard():
    html = render_agency(view_with(trend=histories.points()[:2]), "en")
    assert '<desc id="trend-d">19/01/2026: verified 48.0, possible 66.0; 26/01/2026: verified 51.0' in html


def test_runs_without_a_score_are_left_out():
    empty = Point(1, samples.AT, None, is_break=False)
    assert len(view_with(trend=(empty, *histories.points())).trend.points) == len(histories.points())


# --- Since the last time ------------------------------------------------------------------------------------


def since(**background):
    stamp = replace(samples.make_single().stamp, run=41, at=histories.LAST)
    return view_with(since=stamp, **background)


def told(**parts):
    moved = {cause: Fraction(parts.get(cause.name.lower(), 0)) for cause in CAUSES}
    return Waterfall(Fraction(50), 50 + sum(moved.values()), moved)


def test_causes_that_moved_nothing_are_left_out():
    view = since(waterfall=told(new=-4, fixed=7))
    assert [part.cause for part in view.since.parts] == [Cause.NEW, Cause.FIXED]


def test_gains_and_losses_have_signs():
    text = text_of(since(waterfall=told(new=-4, fixed=7)))
    assert "new failures −4.0" in text
    assert "fixed +7.0" in text


def test_a_score_that_stayed_is_said_to_have():
    assert "The score is the same as then." in text_of(since(waterfall=told()))


def changed(kind, finding):
    data = samples.make_single(finding)
    return Changed(kind, histories.make_aged(data)[finding.id].life, None, finding)


@pytest.mark.parametrize(
    ("kind", "side"),
    [
        (Change.FIXED, "better"),
        (Change.SEEN_AGAIN, "better"),
        (Change.RETIRED, "better"),
        (Change.NEW, "worse"),
        (Change.REOPENED, "worse"),
        (Change.UNVERIFIED, "worse"),
    ],
)
def test_what_changed_is_better_or_worse(kind, side):
    view = since(changes=(changed(kind, samples.make_finding(OLD)),)).since
    assert [bool(view.better), bool(view.worse)] == [side == "better", side == "worse"]


def test_what_merely_looks_otherwise_is_neither():
    view = since(changes=(changed(Change.EVIDENCE, samples.make_finding(OLD)),)).since
    assert (view.better, view.worse) == ((), ())


def test_what_changed_is_linked_where_the_page_tells_more():
    finding = samples.make_finding(OLD)
    page = read(render_agency(since(changes=(changed(Change.NEW, finding),)), "en"))
    assert f"#{finding.id}" in [link.attributes["href"] for link in page.all("a")]


def test_what_is_fixed_links_nowhere():
    view = since(changes=(changed(Change.FIXED, samples.make_finding(NAME)),))
    assert view.since.better[0].gravest[0].anchor == ""


def test_no_more_than_the_gravest_are_named():
    many = tuple(changed(Change.NEW, samples.make_finding(OLD, object=str(n))) for n in range(20))
    view = since(changes=many)
    assert "and 14 more" in text_of(view)


# --- What to do next ----------------------------------------------------------------------------------------


def advice(*steps, reaches=True):
    return Advice(Fraction(50), "D", "C", reaches, steps)


def step(*findings, gain=5, plain=5):
    return Step((Fix(findings),), Fraction(gain), Fraction(plain), Fraction(55), "D")


@pytest.mark.parametrize(
    ("gain", "plain", "unlock"), [(5, 5, Unlock.NOW), (0, 3, Unlock.LATER), (0, 0, Unlock.NOTHING)]
)
def test_a_gain_under_a_cap_is_no_gain_yet(gain, plain, unlock):
    finding = samples.make_finding(OLD)
    view = view_with(advice=advice(step(finding, gain=gain, plain=plain)))
    assert view.way.steps[0].unlock is unlock


def test_three_steps_are_told_and_the_rest_counted():
    steps = [step(samples.make_finding(OLD, object=str(n))) for n in range(5)]
    text = text_of(view_with(advice=advice(*steps)))
    assert (text.count("+5.0 points"), "2 more steps follow." in text) == (3, True)


def test_a_step_says_what_is_expected_and_how():
    text = text_of(view_with(advice=advice(step(samples.make_finding(OLD)))))
    assert (
        "+5.0 points then 55.0, grade D Expected TLS 1.0 and TLS 1.1 are not offered. Set the oldest" in text
    )


def test_a_cause_of_many_failures_is_told_by_what_was_seen():
    findings = [samples.make_finding(check, evidence=Text("No TLS is offered.")) for check in (OLD, NAME)]
    assert str(view_with(advice=advice(step(*findings))).way.steps[0].evidence) == "No TLS is offered."


def test_rules_that_are_mended_together_are_all_named():
    view = view_with(
        samples.make_single(samples.make_finding(OLD), samples.make_finding(NAME)),
        advice=advice(step(samples.make_finding(OLD), samples.make_finding(NAME))),
    )
    assert {view.way.steps[0].claim, *view.way.steps[0].also} == {OLD.claim, NAME.claim}


def test_where_fixes_alone_do_not_lead_is_said():
    text = text_of(view_with(advice=advice(step(samples.make_finding(OLD)), reaches=False)))
    assert "for grade C, what could not be seen must be looked at, too" in text


def test_without_advice_the_gravest_come_first():
    assert view_with(advice=advice()).way is None


# --- Certificates, what is attested, hosts ------------------------------------------------------------------


@pytest.mark.parametrize(("days", "said"), [(-1, "ended"), (1, "1 day left"), (89, "89 days left")])
def test_a_certificate_says_how_long_it_lasts(days, said):
    ending = Ending("mail.example", "", samples.AT + timedelta(days=days), (Service("web-1", "tcp", 443),))
    assert said in text_of(view_with(endings=(ending,)))


def test_what_is_attested_has_a_name_and_a_day():
    view = agency_view(histories.with_history(samples.make_single()))
    (copy, test) = view.attested
    assert (copy.on, test.on, test.by) == (None, date(2026, 2, 1), "Lê Thị Hòa")


def test_a_host_lists_its_services():
    text = text_of(agency_view(histories.with_history(samples.make_single(samples.make_finding(OLD)))))
    assert "tcp/22 OpenSSH 9.2p1" in text
    assert "tcp/8081 (not declared)" in text


def test_a_host_links_all_its_failures():
    findings = [samples.make_finding(OLD), samples.make_finding(NAME)]
    page = read(render_agency(agency_view(samples.make_single(*findings)), "en"))
    links = [link.attributes["href"] for link in page.all("a")]
    assert {f"#{finding.id}" for finding in findings} <= set(links)


def test_every_rule_that_fails_says_how_to_verify_its_fix():
    finding = samples.make_finding(OLD)
    assert f"secscan verify {finding.id}" in text_of(agency_view(samples.make_single(finding)))


def test_what_looks_alike_is_told_once():
    hosts = [samples.make_host(n) for n in range(4)]
    data = samples.make_agency_data(
        {host.id: [samples.make_finding(OLD, subject=Subject.of_host(host.id))] for host in hosts},
        hosts=hosts,
    )
    text = text_of(agency_view(data))
    assert (text.count("The server accepts"), "At 4 places" in text) == (1, True)


def test_nothing_is_made_of_a_pass():
    passed = samples.make_single(samples.make_finding(OLD, Outcome.PASS))
    assert agency_view(passed).hosts[0].failing == ()
