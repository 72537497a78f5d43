"""The scorecard in a browser."""

import pytest

from secscan.report.rendering import render_agency
from secscan.report.views import agency_view
from tests.browser.checking import faults, markup_errors
from tests.report import samples

PAGES = {
    "agency": lambda: render_agency(agency_view(samples.make_agency_data()), "en"),
    "agency in Vietnamese": lambda: render_agency(agency_view(samples.make_agency_data()), "vi"),
    "without hosts": lambda: render_agency(agency_view(samples.make_agency_data(hosts=[])), "en"),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_fault(chromium, name):
    assert faults(chromium, PAGES[name]()) == []


def test_the_markup_is_valid():
    assert markup_errors({name: make() for name, make in PAGES.items()}) == []
