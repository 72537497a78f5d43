from datetime import date, datetime
from fractions import Fraction

import pytest

from secscan.language import speaking
from secscan.report import formats


@pytest.mark.parametrize(
    ("value", "en", "vi"),
    [
        (Fraction(0), "0.0", "0,0"),
        (Fraction(100), "100.0", "100,0"),
        (Fraction(8999, 100), "89.9", "89,9"),
        (Fraction(90), "90.0", "90,0"),
        (Fraction(200, 3), "66.6", "66,6"),
    ],
)
def test_scores_have_one_decimal_and_never_reach_a_bound_they_missed(value, en, vi):
    with speaking("en"):
        assert formats.score(value) == en
    with speaking("vi"):
        assert formats.score(value) == vi


@pytest.mark.parametrize(
    ("value", "shown"), [(Fraction(699, 1000), "69%"), (Fraction(7, 10), "70%"), (Fraction(1), "100%")]
)
def test_shares_never_reach_a_bound_they_missed(value, shown):
    assert formats.percent(value) == shown


def test_thousands_are_marked_as_the_language_does():
    with speaking("en"):
        assert formats.count(12345) == "12,345"
    with speaking("vi_VN.UTF-8"):
        assert formats.count(12345) == "12.345"


@pytest.mark.parametrize(("value", "shown"), [(Fraction(80), "80"), (Fraction("7.5"), "7.5")])
def test_bounds_have_a_decimal_only_where_they_need_one(value, shown):
    assert formats.bound(value) == shown


def test_dates_are_day_month_year():
    assert formats.day(date(2026, 3, 9)) == "09/03/2026"


def test_years_have_four_digits():
    assert formats.day(date(999, 1, 2)) == "02/01/0999"


def test_instants_have_hours_and_minutes():
    assert formats.instant(datetime(2026, 3, 9, 7, 5)) == "09/03/2026 07:05"  # noqa: DTZ001 - shown as it is given


def test_the_language_before_is_spoken_again():
    with speaking("vi"):
        pass
    assert formats.score(Fraction(1)) == "1.0"
