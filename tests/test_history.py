"""The life of a finding: it opens on a failure and closes only on positive evidence."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secscan.history import Lifecycle, State, settle
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
def test_what_could_not_be_told_leaves_it_open(outcome: Outcome) -> None:
    assert only(lives([finding(Outcome.FAIL)], [finding(outcome)])).state is State.OPEN


def test_a_complete_evaluation_that_names_other_objects_resolves_it() -> None:
    after = lives([finding(Outcome.FAIL, "a")], [finding(Outcome.FAIL, "b")])
    assert after[finding(Outcome.FAIL, "a").id].state is State.RESOLVED
    assert after[finding(Outcome.FAIL, "b").id].state is State.OPEN


def test_an_incomplete_evaluation_resolves_nothing() -> None:
    after = lives([finding(Outcome.FAIL, "a")], [finding(Outcome.PASS, "b"), finding(Outcome.UNKNOWN, "")])
    assert after[finding(Outcome.FAIL, "a").id].state is State.OPEN


def test_a_subject_that_is_gone_retires_it() -> None:
    assert only(lives([finding(Outcome.FAIL)], [])).state is State.RETIRED


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
    assert only(lives([of_service], [finding(Outcome.UNKNOWN, "", "tls.null")])).state is State.OPEN


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


some_runs = st.lists(
    st.lists(
        st.builds(finding, st.sampled_from(EVERY_OUTCOME), st.sampled_from(["", "a", "b"])),
        max_size=4,
        unique_by=lambda f: f.id,
    ),
    max_size=8,
)


@given(some_runs)
def test_nothing_closes_without_evidence(runs: list[list[Finding]]) -> None:
    state: dict[str, Lifecycle] = {}
    for day, findings in enumerate(runs):
        after = settle(state, findings, DAY + timedelta(days=day))
        doubtful = any(f.outcome in (Outcome.UNKNOWN, Outcome.ERROR) for f in findings)
        passed = {f.id for f in findings if f.outcome in (Outcome.PASS, Outcome.NOT_APPLICABLE)}
        for id, life in state.items():
            if life.state is State.OPEN and after[id].state is State.RESOLVED:
                assert id in passed or not doubtful
        assert state.keys() <= after.keys()
        state = after
