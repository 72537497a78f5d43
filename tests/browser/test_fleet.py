"""The centre's pages in a browser: what every page must be, and a list that is narrowed and put in order."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Page

from secscan.model import Agency, Severity
from secscan.report.folder import FLEET_PAGES
from secscan.report.rendering import render_fleet, render_index
from secscan.report.views import fleet_views, index_view
from secscan.report.views.fleet import Ending, Exposure, OpenPort, Outdated
from tests.browser.checking import faults, markup_errors, opened, printed
from tests.report.fleets import make_bare_fleet, make_full_fleet, with_digest
from tests.report.samples import AT

HOSTILE = "<script>document.title='taken'</script>\"'><img src=x onerror=alert(1)>{{7*7}}\u202e"


def fleet(language: str = "en") -> dict[str, str]:
    return dict(render_fleet(fleet_views(make_full_fleet(60)), language))


def hostile() -> dict[str, str]:
    """Names, tiers, zones and roles, and all that hosts say, try to get out of their place."""
    agencies = [
        Agency(f"a-{n}", {"en": f"{HOSTILE} {n}"}, tier=HOSTILE * (n % 2), zone=HOSTILE) for n in range(6)
    ]
    data = make_bare_fleet(*agencies)
    for id, digest in data.digests.items():
        data = with_digest(
            data,
            id,
            roles=(HOSTILE, "portal"),
            zones=(HOSTILE, "wan"),
            endings=(Ending("0" * 64, HOSTILE, AT, (HOSTILE,)),),
            open_ports={OpenPort("tcp", 80, HOSTILE): 1},
            exposures=(Exposure(f"port.{HOSTILE}", Severity.HIGH, HOSTILE, HOSTILE),),
            outdated=(Outdated("patch.end-of-life", HOSTILE, None, HOSTILE),),
            rungs=digest.rungs,
        )
    return dict(render_fleet(fleet_views(data), "en"))


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return fleet()


@pytest.fixture
def index(chromium, pages) -> Iterator[Page]:
    with opened(chromium, pages["index.html"]) as (page, said):
        yield page
        assert said == []


def names(page: Page) -> list[str]:
    links = "#list tbody tr:not([hidden]) th a"
    return page.locator(links).evaluate_all("links => links.map(link => link.textContent)")


def figures(page: Page, place: int) -> list[int]:
    rows = page.locator("#list tbody tr:not([hidden])")
    said = rows.evaluate_all("rows => rows.map(row => row.dataset.k.split(' ').map(Number))")
    return [int(of_row[place]) for of_row in said]


@pytest.mark.parametrize("name", FLEET_PAGES)
def test_a_page_has_no_fault(chromium, pages, name):
    assert faults(chromium, pages[name]) == []


def test_the_index_in_vietnamese_has_no_fault(chromium):
    assert faults(chromium, fleet("vi")["index.html"]) == []


def test_what_hosts_say_stays_text(chromium):
    for html in hostile().values():
        with opened(chromium, html) as (page, said):
            assert "taken" not in page.title()
            assert page.locator("img").count() == 0
        assert said == []


def test_the_markup_is_valid(pages):
    assert markup_errors({**pages, **{f"hostile {name}": html for name, html in hostile().items()}}) == []


def test_the_list_stands_in_the_order_of_the_tree_at_first(index):
    view = index_view(make_full_fleet(60))
    assert names(index) == [row.agency.names["en"] for row in view.rows]


@pytest.mark.parametrize(("heading", "place"), [("Score", 1), ("Change", 2), ("Coverage", 3), ("Overdue", 8)])
def test_the_list_is_ordered_by_a_figure_the_highest_first(index, heading, place):
    index.get_by_role("button", name=heading, exact=True).click()
    assert figures(index, place) == sorted(figures(index, place), reverse=True)


def test_a_second_click_turns_the_order_round_and_a_third_brings_the_tree_back(index):
    tree, button = names(index), index.get_by_role("button", name="Score", exact=True)
    button.click()
    button.click()
    assert figures(index, 1) == sorted(figures(index, 1))
    assert index.locator("#list thead [aria-sort]").first.get_attribute("aria-sort") == "ascending"
    button.click()
    assert names(index) == tree


def test_the_list_is_narrowed_down_to_a_tier(index):
    index.get_by_label("Tier").select_option("Province")
    assert len(names(index)) == 8
    assert all("Province" in name for name in names(index))
    assert index.get_by_role("status").inner_text() == "Shown: 8 of 60."


def test_the_list_is_narrowed_down_to_a_role(index):
    index.get_by_label("Role of a host").select_option("portal")
    assert 0 < len(names(index)) < 60


def test_a_name_is_found_without_its_marks(index):
    index.get_by_label("Name").fill("dong xanh province")
    assert {"Đồng Xanh" in name for name in names(index)} == {True}


def test_everything_is_shown_again(index):
    index.get_by_label("Name").fill("province")
    index.get_by_role("button", name="Show all").click()
    index.wait_for_function("document.getElementById('told').textContent.startsWith('Shown: 60')")
    assert len(names(index)) == 60


def test_fewer_than_five_are_not_ranked(index):
    index.get_by_label("Name").fill("province 9")
    index.get_by_role("button", name="Score", exact=True).click()
    assert 0 < len(names(index)) < 5
    assert figures(index, 0) == sorted(figures(index, 0))
    assert "not ranked" in index.get_by_role("status").inner_text()
    assert index.locator("#list thead [data-k='1'][aria-sort]").count() == 0


def test_the_list_is_put_in_order_by_keyboard(index):
    index.get_by_role("button", name="Coverage").focus()
    index.keyboard.press("Enter")
    assert figures(index, 3) == sorted(figures(index, 3), reverse=True)


def test_without_a_script_all_is_there_and_nothing_is_offered_that_does_not_work(chromium, pages):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.set_content(pages["index.html"])
    assert page.locator("#list tbody tr").count() == 60
    assert page.locator("#narrow").is_hidden()
    assert page.locator("#list thead button").count() == 0
    context.close()


def test_seven_hundred_agencies_are_put_in_order_at_once(chromium):
    data = make_full_fleet(700)
    with opened(chromium, render_index(index_view(data), "en")) as (page, said):
        # The script's own time: what the browser takes to draw is another matter.
        took = page.evaluate(
            """() => { const at = performance.now();
            document.querySelector('#list thead [data-k="1"] button').click();
            return performance.now() - at; }"""
        )
        assert figures(page, 1) == sorted(figures(page, 1), reverse=True)
    assert said == []
    assert took < 2_000


@pytest.mark.parametrize("name", FLEET_PAGES)
def test_a_page_prints_on_a4(chromium, pages, name):
    document = printed(chromium, pages[name])
    sizes = {(round(float(p.mediabox.width)), round(float(p.mediabox.height))) for p in document.pages}
    assert sizes == {(595, 842)}
    assert "How this was judged" in document.pages[-1].extract_text() + document.pages[-2].extract_text()


def test_what_is_folded_is_printed(chromium, pages):
    text = "".join(page.extract_text() for page in printed(chromium, pages["certificates.html"]).pages)
    assert "04/2026" in text


def test_a_fleet_of_nothing_has_no_fault(chromium):
    for html in dict(render_fleet(fleet_views(make_bare_fleet()), "en")).values():
        assert faults(chromium, html, widths=[360]) == []


def test_without_an_earlier_run_no_change_is_told(chromium):
    data = replace(make_full_fleet(), before=None)
    with opened(chromium, render_index(index_view(data), "en")) as (page, _said):
        assert page.get_by_role("button", name="Change").count() == 0
