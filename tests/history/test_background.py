from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest

from secscan.history.background import points
from secscan.model import Stamp
from tests.store.samples import a_group_score

AT = datetime(2026, 3, 1, tzinfo=UTC)
FIRST = Stamp(1, AT, "baseline", "hash", 1, "0.1.0")


def later(**changes):
    return replace(FIRST, run=2, at=AT + timedelta(days=7), **changes)


def breaks(*stamps):
    return [point.is_break for point in points((stamp, a_group_score("a")) for stamp in stamps)]


def test_scores_that_were_made_alike_compare():
    assert breaks(FIRST, later()) == [False, False]


@pytest.mark.parametrize(
    "changed", [{"baseline_hash": "other"}, {"scoring_version": 2}, {"secscan_version": "0.2.0"}]
)
def test_a_trend_breaks_where_scores_were_made_otherwise(changed):
    assert breaks(FIRST, later(**changed)) == [False, True]


def test_news_about_the_world_break_no_trend():
    assert breaks(FIRST, later(feeds=(("kev", AT),))) == [False, False]


def test_a_trend_breaks_once():
    other = later(baseline_hash="other")
    assert breaks(FIRST, other, replace(other, run=3)) == [False, True, False]


def test_what_was_not_judged_leaves_no_point():
    assert [point.run for point in points([(FIRST, None), (later(), a_group_score("a"))])] == [2]


def test_what_had_nothing_to_assess_has_a_point_without_a_score():
    (point,) = points([(FIRST, a_group_score("a", range=None))])
    assert point.range is None


def test_a_break_behind_a_run_that_is_left_out_is_seen():
    scores = [
        (FIRST, a_group_score("a")),
        (later(), None),
        (later(baseline_hash="other"), a_group_score("a")),
    ]
    assert [point.is_break for point in points(scores)] == [False, True]


def test_a_point_has_the_range_of_its_score():
    (point,) = points([(FIRST, a_group_score("a"))])
    assert (point.range.verified, point.range.possible) == (Fraction(1, 3), Fraction(2, 3))
