"""Waivers: what they fit, how they end, and that they never touch the inherent score."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secscan.history import Lifecycle, State, settle
from secscan.history.waivers import Place, Waiving, evidence_of, mark_waived, weigh
from secscan.model import Finding, Outcome, Severity, Subject, Text, Waiver
from secscan.scoring import score_host
from tests.rules import COMPRESSION, EARLY_DATA, HEARTBLEED, baseline, telnet

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
TODAY = AT.date()
PLACE = Place("ministry", "mail")


def finding(check: str = "port.telnet", outcome: Outcome = Outcome.FAIL, **changes: object) -> Finding:
    plain: dict[str, object] = {
        "subject": Subject.of_host("h"),
        "check": check,
        "object": "tcp/23",
        "outcome": outcome,
        "severity": Severity.HIGH,
        "evidence": Text("It is {x}.", {"x": "open"}),
    }
    return Finding(**{**plain, **changes})  # type: ignore[arg-type]  # the fields of the dataclass


FAILING = finding()


def waiver(**changes: object) -> Waiver:
    plain: dict[str, object] = {"reason": "r", "owner": "o", "approver": "a", "expires": TODAY}
    return Waiver(**{**plain, **changes})  # type: ignore[arg-type]  # the fields of the dataclass


def weighed(
    *waivers: Waiver, said: Sequence[Finding] = (FAILING,), day: date = TODAY, before: Waiving | None = None
) -> Waiving:
    accepted: Mapping[tuple[str, str], str] = before.accepted if before else {}
    return weigh(waivers, said, lambda _: PLACE, accepted=accepted, day=day)


@pytest.mark.parametrize(
    "fits",
    [
        {"finding": FAILING.id},
        {"check": "port.telnet"},
        {"check": "port.*"},
        {"agency": "ministry"},
        {"role": "ma?l"},
        {"object": "tcp/*"},
        {"agency": "min*", "role": "mail", "check": "port.*", "object": "tcp/23"},
    ],
)
def test_a_waiver_fits(fits: Mapping[str, str]) -> None:
    one = waiver(**fits)
    assert weighed(one).covered == {FAILING.id: one}
    assert weighed(one).unused == ()


@pytest.mark.parametrize(
    "misses",
    [
        {"finding": "F-AAAAAAAAAA"},
        {"check": "PORT.telnet"},
        {"check": "tls.*"},
        {"agency": "province"},
        {"role": "portal", "check": "port.*"},
        {"object": "tcp/2"},
    ],
)
def test_a_waiver_that_fits_nothing_is_listed(misses: Mapping[str, str]) -> None:
    one = waiver(**misses)
    assert (weighed(one).covered, weighed(one).unused) == ({}, (one,))


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.FAIL])
def test_only_a_failure_can_be_waived(outcome: Outcome) -> None:
    assert weighed(waiver(check="*"), said=[finding(outcome=outcome)]).covered == {}


@pytest.mark.parametrize(("days", "holds"), [(-1, True), (0, True), (1, False)])
def test_a_waiver_holds_through_its_last_day(days: int, holds: bool) -> None:
    waiving = weighed(waiver(check="*"), day=TODAY + timedelta(days=days))
    assert (bool(waiving.covered), bool(waiving.expired)) == (holds, not holds)


CHANGED = replace(FAILING, evidence=Text("It is {x}.", {"x": "wide open"}))


@pytest.mark.parametrize("changed", [CHANGED, replace(FAILING, severity=Severity.CRITICAL)])
def test_a_waiver_whose_evidence_changed_is_void_for_good(changed: Finding) -> None:
    one = waiver(check="*")
    first = weighed(one)
    second = weighed(one, said=[changed], before=first)
    assert (second.covered, second.void) == ({}, {FAILING.id: one})
    assert weighed(one, said=[changed], before=second).void == {FAILING.id: one}


def test_evidence_that_came_back_is_what_leave_was_given_for() -> None:
    one = waiver(check="*")
    assert weighed(one, before=weighed(one, said=[CHANGED], before=weighed(one))).covered


def test_another_address_or_time_is_no_other_evidence() -> None:
    other = replace(FAILING, addresses=("192.0.2.9",), observed_at=AT)
    assert evidence_of(other) == evidence_of(FAILING)


def test_evidence_that_is_written_down_binds_from_the_first_day() -> None:
    one = waiver(finding=FAILING.id, evidence=evidence_of(FAILING))
    assert weighed(one, said=[CHANGED]).void == {FAILING.id: one}


def test_a_renewed_waiver_takes_the_new_evidence() -> None:
    renewed = waiver(check="*", expires=TODAY + timedelta(days=1))
    assert weighed(renewed, said=[CHANGED], before=weighed(waiver(check="*"))).covered


def test_central_leave_goes_before_the_first_written() -> None:
    central = waiver(check="*", approved_by="central")
    waiving = weighed(waiver(check="*"), central)
    assert (waiving.covered, waiving.lifts) == ({FAILING.id: central}, {FAILING.id: True})


# --- Lives ---------------------------------------------------------------------------------------------


def lived(*steps: tuple[Sequence[Waiver], Finding]) -> Lifecycle:
    """The life of the finding after these days, each with the waivers of that day."""
    lives: dict[str, Lifecycle] = {}
    waiving: Waiving | None = None
    for n, (waivers, said) in enumerate(steps):
        at = AT + timedelta(days=n)
        waiving = weighed(*waivers, said=[said], day=at.date(), before=waiving)
        lives = mark_waived(settle(lives, [said], at), waiving, at)
    (life,) = lives.values()
    return life


SHORT, LONG = waiver(check="*"), waiver(check="*", expires=TODAY + timedelta(days=9))


def test_a_waived_finding_is_open_and_names_its_waiver() -> None:
    life = lived(([SHORT], FAILING))
    assert (life.state, life.waiver) == (State.OPEN, SHORT.key)


def test_an_expired_waiver_reopens_and_restarts_the_deadline() -> None:
    life = lived(([SHORT], FAILING), ([SHORT], FAILING), ([SHORT], FAILING))
    assert (life.waiver, life.reopened, life.opened_at) == ("", 1, AT + timedelta(days=1))
    assert life.first_seen == AT


def test_a_waiver_that_is_renewed_in_time_reopens_nothing() -> None:
    life = lived(([SHORT], FAILING), ([SHORT, LONG], FAILING))
    assert (life.waiver, life.reopened, life.opened_at) == (LONG.key, 0, AT)


@pytest.mark.parametrize("end", [([], FAILING), ([LONG], CHANGED)])
def test_a_waiver_withdrawn_or_void_leaves_the_deadline_as_it_was(
    end: tuple[Sequence[Waiver], Finding],
) -> None:
    life = lived(([LONG], FAILING), end)
    assert (life.waiver, life.reopened, life.opened_at) == ("", 0, AT)


def test_what_is_out_of_sight_stays_waived() -> None:
    hidden = finding(outcome=Outcome.UNKNOWN)
    assert lived(([LONG], FAILING), ([LONG], hidden)).waiver == LONG.key
    assert lived(([SHORT], FAILING), ([SHORT], hidden)).opened_at == AT + timedelta(days=1)


def test_what_is_fixed_needs_no_waiver() -> None:
    assert lived(([LONG], FAILING), ([LONG], finding(outcome=Outcome.PASS))).waiver == ""


# --- Scores --------------------------------------------------------------------------------------------

BASELINE = baseline()
CHECKS = (HEARTBLEED, COMPRESSION, EARLY_DATA, telnet)
some_findings = st.lists(
    st.builds(
        lambda check, object, outcome: finding(check.id, outcome, object=object, severity=check.severity),
        st.sampled_from(CHECKS),
        st.sampled_from(["a", "b"]),
        st.sampled_from(list(Outcome)),
    ),
    unique_by=lambda f: f.id,
)


@given(some_findings, st.data())
def test_adjusted_is_never_below_inherent_and_a_waiver_changes_no_inherent_score(
    said: list[Finding], data: st.DataObject
) -> None:
    inherent = score_host("h", said, BASELINE)
    lifts = {f.id: data.draw(st.booleans()) for f in said if data.draw(st.booleans())}
    adjusted = score_host("h", said, BASELINE, lifts)
    assert adjusted.range.verified >= inherent.range.verified
    assert adjusted.range.possible >= inherent.range.possible
    assert score_host("h", said, BASELINE) == inherent
    assert inherent.waived == 0
    assert inherent.coverage.expected == adjusted.coverage.expected + adjusted.waived


def test_a_waived_rule_has_no_weight_and_no_cap() -> None:
    said = [finding(c.id, Outcome.PASS, severity=c.severity) for c in CHECKS if c is not COMPRESSION]
    said.append(finding("tls.compression"))
    assert score_host("h", said, BASELINE).range.verified == 69
    adjusted = score_host("h", said, BASELINE, {said[-1].id: False})
    assert (adjusted.range.verified, adjusted.caps, adjusted.waived) == (100, (), Fraction(15, 2))


def test_a_rule_that_fails_elsewhere_too_keeps_its_weight_and_its_cap() -> None:
    said = [finding(c.id, Outcome.PASS, severity=c.severity) for c in CHECKS if c is not COMPRESSION]
    said += [finding("tls.compression", object="a"), finding("tls.compression", object="b")]
    adjusted = score_host("h", said, BASELINE, {said[-1].id: True})
    assert adjusted == score_host("h", said, BASELINE)


@pytest.mark.parametrize(("central", "verified"), [(False, 39), (True, 100)])
def test_a_critical_cap_is_lifted_by_central_leave_alone(central: bool, verified: int) -> None:
    said = [finding(c.id, Outcome.PASS, severity=c.severity) for c in CHECKS if c is not HEARTBLEED]
    said.append(finding("tls.heartbleed", severity=Severity.CRITICAL))
    adjusted = score_host("h", said, BASELINE, {said[-1].id: central})
    assert (adjusted.range.verified, adjusted.critical) == (verified, not central)
    assert adjusted.waived == 10
