"""The ladder of backups: the rung a host stands on, and how many stand where."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secscan.ladder import RUNGS, Spread, Standing, spread, standing
from secscan.model import Finding, Outcome, Severity, Subject, Text
from secscan.registry import find_checks

PASS, FAIL, UNKNOWN, ERROR, NA = (
    Outcome.PASS,
    Outcome.FAIL,
    Outcome.UNKNOWN,
    Outcome.ERROR,
    Outcome.NOT_APPLICABLE,
)


def findings(*outcomes: Outcome | None) -> list[Finding]:
    """One finding a rung, from the lowest; None: the baseline leaves the rung out."""
    return [found(rung.check, outcome) for rung, outcome in zip(RUNGS, outcomes, strict=False) if outcome]


def found(check: str, outcome: Outcome, object: str = "") -> Finding:
    return Finding(Subject.of_host("h"), check, object, outcome, Severity.HIGH, Text("x"))


def stands(some: Sequence[Finding]) -> tuple[int, int]:
    result = standing(some)
    assert result is not None
    return result.verified, result.possible


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([PASS] * 11, (11, 11)),
        ([FAIL] + [PASS] * 10, (0, 0)),
        ([PASS, PASS, FAIL, PASS], (2, 2)),
        ([PASS, UNKNOWN, PASS, FAIL], (1, 3)),
        ([PASS, ERROR, PASS], (1, 3)),
        ([UNKNOWN] * 11, (0, 11)),
        ([PASS, None, PASS], (3, 3)),
        ([PASS, NA, PASS, FAIL], (3, 3)),
    ],
)
def test_where_a_host_stands(outcomes: Sequence[Outcome | None], expected: tuple[int, int]) -> None:
    assert stands(findings(*outcomes)) == expected


def test_a_rung_with_several_backups_is_passed_by_all_of_them() -> None:
    both = [*findings(PASS, PASS, PASS), found(RUNGS[1].check, FAIL, "other")]
    assert stands(both) == (1, 1)


@pytest.mark.parametrize("some", [[], [found("patch.overdue", FAIL)], findings(NA, NA)])
def test_a_host_on_which_no_rung_was_judged_stands_nowhere(some: list[Finding]) -> None:
    assert standing(some) is None


def test_how_many_stand_where() -> None:
    every = [Standing(0, 11, {}), Standing(2, 2, {}), Standing(11, 11, {})]
    counted = spread(every)
    assert (counted.hosts, counted.verified[0], counted.verified[2], counted.possible[11]) == (3, 1, 1, 2)
    assert (counted.reaching(1), counted.reaching(11)) == ((2, 3), (1, 2))


def test_nobody_stands_anywhere_in_an_empty_fleet() -> None:
    assert spread([]) == Spread(0, (0,) * 12, (0,) * 12)


@given(st.lists(st.sampled_from([PASS, FAIL, UNKNOWN, NA]), min_size=11, max_size=11), st.integers(0, 10))
def test_seeing_less_never_climbs(outcomes: list[Outcome], blind: int) -> None:
    less = [*outcomes[:blind], UNKNOWN, *outcomes[blind + 1 :]]
    before = standing(findings(*outcomes))
    assert stands(findings(*less))[0] <= (before.verified if before else 11)


def test_every_rung_is_a_check_of_its_own() -> None:
    assert {rung.check for rung in RUNGS} <= set(find_checks())
    assert [rung.number for rung in RUNGS] == list(range(1, 12))
