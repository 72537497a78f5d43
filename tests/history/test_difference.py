"""What changed between two moments: one case for each kind of change, and what is no change."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from secscan.history import Lifecycle, retire, settle
from secscan.history.difference import Change, Moment, difference
from secscan.model import Finding, Outcome, Severity, Subject, Text

DAY = datetime(2026, 11, 1, tzinfo=UTC)
F, P, U, N = Outcome.FAIL, Outcome.PASS, Outcome.UNKNOWN, Outcome.NOT_APPLICABLE


def finding(outcome: Outcome, says: str = "seen") -> Finding:
    return Finding(Subject.of_host("h"), "port.telnet", "", outcome, Severity.HIGH, Text(says))


def moments(*said: Finding) -> list[Moment]:
    """A moment after each judgement, one a day."""
    lives: dict[str, Lifecycle] = {}
    made = [Moment()]
    for day, one in enumerate(said):
        lives = settle(lives, [one], DAY + timedelta(days=day))
        made.append(Moment(lives, {one.id: one}))
    return made


def kinds(before: Moment, after: Moment) -> list[Change]:
    return [one.change for one in difference(before, after)]


@pytest.mark.parametrize(
    ("first", "then", "change"),
    [
        ([], [F], Change.NEW),
        ([P], [F], Change.NEW),
        ([F], [P], Change.FIXED),
        ([U], [F], Change.NEW),
        ([F, P], [F], Change.REOPENED),
        ([F], [P, F], Change.REOPENED),
        ([F], [U], Change.UNVERIFIED),
        ([F, U], [F], Change.SEEN_AGAIN),
        ([F, U], [P], Change.FIXED),
        ([F], [N], Change.RETIRED),
        ([F, N], [F], Change.REOPENED),
        ([], [F, U], Change.NEW),
    ],
)
def test_a_change(first: Sequence[Outcome], then: Sequence[Outcome], change: Change) -> None:
    every = moments(*map(finding, [*first, *then]))
    assert kinds(every[len(first)], every[-1]) == [change]


@pytest.mark.parametrize(
    ("first", "then"),
    [([F], [F]), ([P], [U]), ([], [F, P]), ([F, P], [U]), ([F, P], [N]), ([F, U], [U]), ([F], [U, F])],
)
def test_no_change(first: Sequence[Outcome], then: Sequence[Outcome]) -> None:
    every = moments(*map(finding, [*first, *then]))
    assert kinds(every[len(first)], every[-1]) == []


@pytest.mark.parametrize(
    "other",
    [
        finding(F, "seen otherwise"),
        replace(finding(F), severity=Severity.LOW),
        replace(finding(F), addresses=("192.0.2.1",)),
    ],
)
def test_a_failure_that_shows_itself_otherwise(other: Finding) -> None:
    _, before, after = moments(finding(F), other)
    assert kinds(before, after) == [Change.EVIDENCE]


def test_a_failure_seen_at_another_time_is_the_same() -> None:
    _, before, after = moments(finding(F), replace(finding(F), observed_at=DAY))
    assert kinds(before, after) == []


def test_a_host_that_is_gone() -> None:
    _, before = moments(finding(F))
    gone = Moment(retire(before.lives, DAY, stands=lambda _host, _check: False))
    assert kinds(before, gone) == [Change.RETIRED]


def test_both_sides_are_shown() -> None:
    _, before, after = moments(finding(F), finding(P, "gone"))
    (one,) = difference(before, after)
    assert (one.before, one.after) == (finding(F), finding(P, "gone"))
