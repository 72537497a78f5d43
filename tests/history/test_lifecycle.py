"""The life of a finding: it opens on a failure and closes only on positive evidence."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from secscan.history import Lifecycle, State, retire, settle
from secscan.model import Finding, Outcome, Service, Severity, Subject, Text

DAY = datetime(2026, 11, 1, tzinfo=UTC)
SUBJECT = Subject.of_host("h")
EVERY_OUTCOME = list(Outcome)


def finding(outcome: Outcome, object: str = "a", check: str = "port.telnet") -> Finding:
    return Finding(SUBJECT, check, object, outcome, Severity.HIGH, Text("seen"))


def lives(*runs: list[Finding]) -> dict[str, Lifecycle]:
    """The lives after these judgements, one a day."""
    state: dict[str, Lifecycle] = {}
    for day, findings in enumerate(runs):
        state = settle(state, findings, DAY + timedelta(days=day))
    return state


def only(state: dict[str, Lifecycle]) -> Lifecycle:
    (life,) = state.values()
    return life


def test_a_failure_opens_a_finding() -> None:
    assert only(lives([finding(Outcome.FAIL)])).state is State.OPEN


def test_what_never_failed_has_no_life() -> None:
    assert lives([finding(Outcome.PASS), finding(Outcome.UNKNOWN, "b")]) == {}


def test_a_pass_resolves_it_and_says_when() -> None:
    life = only(lives([finding(Outcome.FAIL)], [finding(Outcome.PASS)]))
    assert (life.state, life.first_seen, life.resolved_at) == (State.RESOLVED, DAY, DAY + timedelta(days=1))


@pytest.mark.parametrize("outcome", [Outcome.UNKNOWN, Outcome.ERROR])
def test_what_could_not_be_told_is_unverified_and_open(outcome: Outcome) -> None:
    life = only(lives([finding(Outcome.FAIL)], [finding(outcome)]))
    assert (life.state, life.is_open, life.resolved_at) == (State.UNVERIFIED, True, None)


def test_what_is_seen_failing_again_goes_on_and_did_not_reopen() -> None:
    life = only(lives([finding(Outcome.FAIL)], [finding(Outcome.UNKNOWN)], [finding(Outcome.FAIL)]))
    assert (life.state, life.reopened, life.opened_at) == (State.OPEN, 0, DAY)
    assert life.last_seen == DAY + timedelta(days=2)


@pytest.mark.parametrize("outcome", [Outcome.PASS, Outcome.NOT_APPLICABLE])
def test_what_is_unverified_closes_as_what_is_open_does(outcome: Outcome) -> None:
    once = only(lives([finding(Outcome.FAIL)], [finding(outcome)]))
    later = only(lives([finding(Outcome.FAIL)], [finding(Outcome.UNKNOWN)], [finding(outcome)]))
    assert later.state is once.state


def test_a_fix_that_can_no_longer_be_seen_stays_a_fix() -> None:
    runs = [[finding(o)] for o in (Outcome.FAIL, Outcome.PASS, Outcome.UNKNOWN)]
    assert only(lives(*runs)).state is State.RESOLVED


def test_judged_again_without_a_new_look_it_was_not_seen_again() -> None:
    looked = replace(finding(Outcome.FAIL), observed_at=DAY - timedelta(hours=1))
    assert only(lives([looked], [looked])).last_seen == DAY


def test_a_new_look_is_when_it_was_last_seen() -> None:
    look = DAY + timedelta(hours=20)
    life = only(lives([finding(Outcome.FAIL)], [replace(finding(Outcome.FAIL), observed_at=look)]))
    assert (life.first_seen, life.last_seen) == (DAY, look)


def test_the_time_to_fix_counts_from_the_relapse() -> None:
    runs = [[finding(o)] for o in (Outcome.FAIL, Outcome.PASS, Outcome.PASS, Outcome.FAIL, Outcome.PASS)]
    life = only(lives(*runs))
    assert (life.time_to_fix, life.age(DAY)) == (timedelta(days=1), timedelta(days=4))


def test_what_is_open_has_an_age_and_no_time_to_fix() -> None:
    life = only(lives([finding(Outcome.FAIL)]))
    assert (life.time_to_fix, life.age(DAY + timedelta(days=9))) == (None, timedelta(days=9))


def test_a_complete_evaluation_that_names_other_objects_resolves_it() -> None:
    after = lives([finding(Outcome.FAIL, "a")], [finding(Outcome.FAIL, "b")])
    assert after[finding(Outcome.FAIL, "a").id].state is State.RESOLVED
    assert after[finding(Outcome.FAIL, "b").id].state is State.OPEN


def test_an_incomplete_evaluation_resolves_nothing() -> None:
    after = lives([finding(Outcome.FAIL, "a")], [finding(Outcome.PASS, "b"), finding(Outcome.UNKNOWN, "")])
    assert after[finding(Outcome.FAIL, "a").id].state is State.UNVERIFIED


def test_a_rule_that_fails_altogether_resolves_nothing_that_it_does_not_name() -> None:
    """A service that dropped TLS has no expired certificate any more, and nobody renewed it."""
    after = lives([finding(Outcome.FAIL, "leaf")], [finding(Outcome.FAIL, "")])
    assert after[finding(Outcome.FAIL, "leaf").id].state is State.UNVERIFIED
    assert after[finding(Outcome.FAIL, "").id].state is State.OPEN


def test_a_rule_that_applies_to_nothing_any_more_retires_what_it_does_not_name() -> None:
    after = lives([finding(Outcome.FAIL, "leaf")], [finding(Outcome.NOT_APPLICABLE, "")])
    assert only(after).state is State.RETIRED


def test_what_was_not_judged_is_not_touched() -> None:
    failing = lives([finding(Outcome.FAIL)])
    assert lives([finding(Outcome.FAIL)], [], [finding(Outcome.PASS, check="port.ftp")]) == failing


@pytest.mark.parametrize(("host", "check"), [("other", "port.telnet"), ("h", "port.ftp")])
def test_a_host_or_a_rule_that_is_gone_retires_it(host: str, check: str) -> None:
    failing = lives([finding(Outcome.FAIL)])
    gone = retire(failing, DAY, stands=lambda h, c: (h, c) == (host, check))
    assert only(gone) == replace(only(failing), state=State.RETIRED, resolved_at=DAY)


def test_what_still_stands_is_not_retired() -> None:
    failing = lives([finding(Outcome.FAIL)])
    assert retire(failing, DAY, stands=lambda h, c: (h, c) == ("h", "port.telnet")) == failing


def test_what_was_fixed_before_its_host_went_stays_fixed() -> None:
    fixed = lives([finding(Outcome.FAIL)], [finding(Outcome.PASS)])
    assert retire(fixed, DAY, stands=lambda _h, _c: False) == fixed


def test_what_does_not_apply_any_more_is_not_counted_as_fixed() -> None:
    assert only(lives([finding(Outcome.FAIL)], [finding(Outcome.NOT_APPLICABLE)])).state is State.RETIRED


def test_a_host_of_which_nothing_could_be_told_closes_nothing_of_its_services() -> None:
    of_service = Finding(
        Subject.of_service(Service("h", "tcp", 443)),
        "tls.null",
        "",
        Outcome.FAIL,
        Severity.HIGH,
        Text("seen"),
    )
    assert only(lives([of_service], [finding(Outcome.UNKNOWN, "", "tls.null")])).state is State.UNVERIFIED


def test_a_service_that_is_gone_from_a_host_that_was_seen_is_retired() -> None:
    of_service = Finding(
        Subject.of_service(Service("h", "tcp", 443)),
        "tls.null",
        "",
        Outcome.FAIL,
        Severity.HIGH,
        Text("seen"),
    )
    assert only(lives([of_service], [finding(Outcome.NOT_APPLICABLE, "", "tls.null")])).state is State.RETIRED


def test_a_relapse_is_counted() -> None:
    runs = [[finding(o)] for o in (Outcome.FAIL, Outcome.PASS, Outcome.FAIL, Outcome.PASS, Outcome.FAIL)]
    life = only(lives(*runs))
    assert (life.state, life.reopened, life.first_seen, life.resolved_at) == (State.OPEN, 2, DAY, None)
