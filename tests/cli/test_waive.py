"""secscan waive, secscan waivers."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from secscan.model import Outcome
from tests.cli.conftest import Secscan, as_json
from tests.cli.judged import a_finding, write_judged

FAILING = a_finding("a1")
PASSING = a_finding("a1", "port.ftp", Outcome.PASS)
SOON = (datetime.now(UTC) + timedelta(days=30)).date()
GIVEN = ("--reason", "The vendor is late.", "--owner", "An", "--approver", "Bình")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write_judged(tmp_path / "w", [{"a1": [FAILING, PASSING]}], {"one": ["a1"]})
    return tmp_path / "w"


def test_a_waiver_is_written_below_what_is_there_and_listed(place: Path, secscan: Secscan) -> None:
    (place / "waivers.toml").write_text("# Mine.\n", "utf-8")
    done = secscan("waive", FAILING.id, *GIVEN, "--expires", SOON, "-C", place)
    assert done.returncode == 0, done.stderr
    assert (place / "waivers.toml").read_text("utf-8").startswith("# Mine.\n")
    (listed,) = as_json(secscan("waivers", "-C", place, "--format", "json"))["waivers"]
    assert (listed["state"], listed["findings"], listed["approver"]) == ("in-force", [FAILING.id], "Bình")


def test_a_pattern_that_fits_nothing_is_listed(place: Path, secscan: Secscan) -> None:
    (place / "waivers.toml").write_text(
        f'[[waiver]]\ncheck = "tls.*"\nreason = "r"\nowner = "o"\napprover = "a"\nexpires = {SOON}\n', "utf-8"
    )
    assert "fits nothing" in secscan("waivers", "-C", place).stdout


@pytest.mark.parametrize(
    ("finding", "expires", "words"),
    [
        ("F-AAAAAAAAAA", SOON, "no finding 'F-AAAAAAAAAA'"),
        (PASSING.id, SOON, "does not fail"),
        (FAILING.id, SOON + timedelta(days=400), "more than 365 days ahead"),
        (FAILING.id, "2020-01-01", "is past"),
    ],
)
def test_what_can_not_be_waived(
    place: Path, secscan: Secscan, finding: str, expires: object, words: str
) -> None:
    before = (place / "waivers.toml").read_text("utf-8")
    done = secscan("waive", finding, *GIVEN, "--expires", str(expires), "-C", place)
    assert (done.returncode, words in done.stderr) == (2, True), done.stderr
    assert (place / "waivers.toml").read_text("utf-8") == before


def test_nothing_waived_is_said(place: Path, secscan: Secscan) -> None:
    assert "Nothing is waived" in secscan("waivers", "-C", place).stdout


def test_a_judgement_shows_both_scores_side_by_side(scanned: Path, secscan: Secscan) -> None:
    inherent = as_json(secscan("show", "-C", scanned, "--format", "json"))
    (scanned / "waivers.toml").write_text(
        f'[[waiver]]\nagency = "one"\nreason = "r"\nowner = "o"\napprover = "a"\nexpires = {SOON}\n'
        'approved_by = "central"\n',
        "utf-8",
    )
    secscan("scan", "-C", scanned, "--agency", "two", "--no-nmap")
    (one,) = as_json(secscan("waivers", "-C", scanned, "--format", "json"))["agencies"]
    assert one["agency"] == "one"
    assert one["much_waived"] == (Fraction(one["waived_share"]) > Fraction(1, 10))
    assert Fraction(one["adjusted"]) > Fraction(one["inherent"])
    (before,) = [agency for agency in inherent["agencies"] if agency["id"] == "one"]
    assert one["inherent"] == before["score"]["verified"]["exact"]
    assert "Scores of the newest run" in secscan("waivers", "-C", scanned).stdout
    told = as_json(secscan("why", "one", "-C", scanned, "--format", "json"))
    assert {cause for cause, part in told["parts"].items() if Fraction(part)} == {"waivers"}
