import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secscan.model import Text
from secscan.report.text import VALUE_LIMIT, cell, localised, parse_date, sentence, visible
from tests.report.samples import HANOI


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cong.vi-du.example", "cong.vi-du.example"),
        ("Bộ Ví Dụ và Thử Nghiệm", "Bộ Ví Dụ và Thử Nghiệm"),
        (unicodedata.normalize("NFD", "Nghiệm"), unicodedata.normalize("NFD", "Nghiệm")),
        ("日本語 עברית العربية", "日本語 עברית العربية"),
        ("\x1b[31mred", "⟨U+001B⟩[31mred"),
        ("\x9b31m", "⟨U+009B⟩31m"),
        ("a\u202egpj.exe", "a⟨U+202E⟩gpj.exe"),
        ("zero\u200bwidth\ufeff", "zero⟨U+200B⟩width⟨U+FEFF⟩"),
        ("a\nb\tc\rd\x00", "a⟨U+000A⟩b⟨U+0009⟩c⟨U+000D⟩d⟨U+0000⟩"),
        ("a\u2028b\u00a0c", "a⟨U+2028⟩b⟨U+00A0⟩c"),
        ("\u3164\u115f\u2800", "⟨U+3164⟩⟨U+115F⟩⟨U+2800⟩"),
        ("\ud800", "⟨U+D800⟩"),
        ("tag\U000e0041", "tag⟨U+E0041⟩"),
        ("a\u0301\u0301\u0301\u0301", "a\u0301\u0301\u0301⟨U+0301⟩"),
        ("\u0301a", "⟨U+0301⟩a"),
        ("", ""),
        (7, "7"),
    ],
)
def test_visible_shows_what_would_hide_or_move(text, shown):
    assert visible(text) == shown


@given(st.text(st.characters(), max_size=600))
def test_visible_leaves_nothing_that_a_terminal_obeys(text):
    assert not {unicodedata.category(c) for c in visible(text)} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@given(st.text(max_size=200))
def test_visible_changes_nothing_that_it_made(text):
    assert visible(visible(text), limit=10_000) == visible(text)


def test_visible_says_how_much_it_left_out():
    assert visible("x" * (VALUE_LIMIT + 7)) == "x" * VALUE_LIMIT + "…⟨+7⟩"


def test_visible_leaves_a_text_at_the_limit_whole():
    assert visible("x" * VALUE_LIMIT) == "x" * VALUE_LIMIT


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "＝1", "-", '=HYPERLINK("x")']
)
def test_a_cell_begins_no_formula(text):
    assert cell(text).startswith("'")


@pytest.mark.parametrize("text", ["", "1", "web-1", "F-ABC", "a=b", "Đồng"])
def test_a_cell_that_is_no_formula_stays_as_it_is(text):
    assert cell(text) == text


def test_a_sentence_is_fit_for_a_terminal():
    said = sentence(Text("It answers {banner}.", {"banner": "\x1b]0;owned\x07"}))
    assert said == "It answers ⟨U+001B⟩]0;owned⟨U+0007⟩."


def test_host_text_in_a_template_is_made_visible_too():
    assert sentence(Text("Heard \x1b[2J {0.__class__}")) == "Heard ⟨U+001B⟩[2J {0.__class__}"


def test_a_template_that_does_not_fit_its_values_is_said_as_it_stands():
    assert sentence(Text("Heard {what} {", {"banner": "x"})) == "Heard {what} {"


def test_instants_move_to_the_operators_zone():
    text = localised(Text("{at}", {"at": "2026-03-08T18:30:00+00:00"}), HANOI)
    assert text.values["at"] == "2026-03-09T01:30:00+07:00"


def test_dates_stay_where_they_are():
    assert localised(Text("{at}", {"at": "2026-03-08"}), HANOI).values["at"] == "2026-03-08"


def test_an_instant_at_the_end_of_time_stays_where_it_is():
    assert localised(Text("{at}", {"at": "9999-12-31T23:59:59+00:00"}), HANOI).values["at"].startswith("9999")


@pytest.mark.parametrize("value", ["2026-13-01", "2026-1-1", "yesterday", "2026-01-01x", 20260101, ""])
def test_what_is_no_date_is_none(value):
    assert parse_date(value) is None
