"""A scorecard as PDF, made once."""

from datetime import UTC, datetime

import pytest

from secscan.report.paper import Provenance
from secscan.report.paper.pdf import to_pdf
from secscan.report.rendering import render_agency
from secscan.report.views import agency_view
from tests.report.samples import make_agency_data, make_host

SOURCE = Provenance(
    agency="bo-vi-du",
    run=3,
    judgement=4,
    manifest="0123456789abcdef" * 4,
    at=datetime(2026, 3, 9, 1, 30, tzinfo=UTC),
    baseline="baseline",
    baseline_hash="cafe",
    language="vi",
    secscan_version="0.1.0",
)


@pytest.fixture(scope="session")
def page() -> str:
    return render_agency(
        agency_view(make_agency_data(hosts=[make_host(number) for number in range(3)])), "vi"
    )


@pytest.fixture(scope="session")
def scorecard(page: str) -> bytes:
    return to_pdf(page, SOURCE)
