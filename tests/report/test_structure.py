"""The structure of the scorecard, held against a golden file.

After a change that is meant, write it again: python -m tests.report.test_structure
"""

from pathlib import Path

from secscan.report.rendering import render_agency
from secscan.report.views import agency_view
from tests.report import histories, samples
from tests.report.pages import structure

GOLDEN = Path(__file__).parent / "golden" / "scorecard.txt"


def a_scorecard() -> str:
    hosts = [samples.make_host(number, criticality=1 + number) for number in range(3)]
    return render_agency(agency_view(histories.with_history(samples.make_agency_data(hosts=hosts))), "en")


def test_the_scorecard_has_the_landmarks_and_headings_it_is_meant_to_have():
    assert structure(a_scorecard()) == GOLDEN.read_text("utf-8")


if __name__ == "__main__":
    GOLDEN.write_text(structure(a_scorecard()), "utf-8")
