"""secscan whatif, on a workspace that was scanned."""

from pathlib import Path

from tests.cli.conftest import Secscan, as_json


def test_it_says_what_to_fix_first(scanned: Path, secscan: Secscan) -> None:
    found = as_json(secscan("whatif", "one", "-C", scanned, "--format", "json"))
    way = found["ways"][0]
    assert way["steps"], way
    assert all(fix["findings"] for step in way["steps"] for fix in step["fixes"])


def test_a_certificate_is_one_fix_whatever_it_fails(scanned: Path, secscan: Secscan) -> None:
    found = as_json(secscan("whatif", "one", "-C", scanned, "--format", "json"))
    fixes = [fix for way in found["ways"][-1:] for step in way["steps"] for fix in step["fixes"]]
    of_expired = [fix for fix in fixes if "certificate.expiry" in fix["checks"] and fix["hosts"] == ["bad-1"]]
    assert len(of_expired) <= 1


def test_the_table_names_grades(scanned: Path, secscan: Secscan) -> None:
    done = secscan("whatif", "one", "-C", scanned)
    assert (done.returncode, "one stands at" in done.stdout) == (0, True), done.stderr


def test_an_agency_nobody_knows_is_a_mistake(scanned: Path, secscan: Secscan) -> None:
    done = secscan("whatif", "onne", "-C", scanned)
    assert (done.returncode, "did you mean 'one'" in done.stderr) == (2, True), done.stderr
