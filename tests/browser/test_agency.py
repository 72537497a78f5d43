"""The scorecard in a browser, on paper and by the keyboard."""

import re
from dataclasses import replace

import pytest

from secscan.report.rendering import render_agency
from secscan.report.views import agency_view
from tests.browser.checking import faults, markup_errors, opened, printed, texts
from tests.report import histories, samples
from tests.report.test_rendering import HOSTILE, hostile_data


def with_history(language: str = "en") -> str:
    return render_agency(agency_view(histories.with_history(samples.make_agency_data())), language)


def hostile(text: str) -> str:
    data = hostile_data(text)
    return render_agency(
        agency_view(replace(data, background=histories.hostile_background(data, text))), "en"
    )


#: Everything at once: a script, a tag that ends another, marks that turn the direction, and ten thousand letters.
WORST = "<script>alert(1)</script></title></style>\u202e\u2066\u05d0&amp;" + "w" * 10_000

PAGES = {
    "with history": with_history,
    "with history, in Vietnamese": lambda: with_history("vi"),
    "without hosts": lambda: render_agency(agency_view(samples.make_agency_data(hosts=[])), "en"),
    "hostile": lambda: hostile(WORST),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_scorecard_has_no_fault(chromium, name):
    assert faults(chromium, PAGES[name]()) == []


def test_the_markup_is_valid():
    made = {name: make() for name, make in PAGES.items()}
    made |= {f"hostile {n}": hostile(text) for n, text in enumerate(HOSTILE)}
    assert markup_errors(made) == []


@pytest.mark.parametrize("text", [t for t in HOSTILE if len(t) < 100 and t.isprintable()])
def test_what_a_host_says_is_read_as_text(chromium, text):
    with opened(chromium, hostile(text)) as (page, said):
        page.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
        assert " ".join(text.split()) in " ".join(page.inner_text("body").split())
        assert said == []


@pytest.fixture(scope="module")
def sheets(chromium):
    return printed(chromium, with_history())


def test_the_first_sheet_is_for_the_leader(sheets):
    first = texts(sheets)[0]
    for part in (
        "Does not meet the baseline",
        "Coverage",
        "By domain",
        "What to do first",
        "+2.6",
        "Half of all",
    ):
        assert part in first


def test_every_sheet_is_numbered(sheets):
    pages = sheets.pages
    assert 8 <= len(pages) <= 16
    for number, page in enumerate(pages, start=1):
        assert f"{number} / {len(pages)}" in page.extract_text()


def test_the_part_for_those_who_mend_begins_on_a_sheet_of_its_own(sheets):
    (begins,) = [text for text in texts(sheets) if "For those who mend" in text]
    assert begins.startswith("For those who mend")


def test_what_is_folded_is_printed(sheets):
    assert "".join(texts(sheets)).count("OpenSSH 9.2p1") == 12


def test_the_keyboard_comes_to_the_content_first(chromium):
    with opened(chromium, with_history()) as (page, _said):
        page.keyboard.press("Tab")
        skip = page.evaluate(
            "[document.activeElement.className, document.activeElement.getBoundingClientRect().x]"
        )
        assert skip == ["skip", 0]


def test_the_keyboard_opens_what_is_folded(chromium):
    with opened(chromium, with_history()) as (page, _said):
        page.focus("#hosts summary")
        page.keyboard.press("Enter")
        assert page.evaluate("document.querySelector('#hosts details').open")


def test_the_dark_page_is_dark(chromium):
    with opened(chromium, with_history()) as (page, _said):
        light = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.emulate_media(color_scheme="dark")
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert sum(map(int, re.findall(r"\d+", light))) > 600 > 150 > sum(map(int, re.findall(r"\d+", dark)))
