"""secscan report --format: a file an agency, with what is of that agency alone; secscan findings in the same formats."""

import csv
import json
import re
from pathlib import Path

import pytest

from tests.cli.conftest import Secscan
from tests.cli.judged import a_finding, write_judged


@pytest.fixture
def place(tmp_path: Path) -> Path:
    run = {"a1": [a_finding("a1")], "b1": [a_finding("b1"), a_finding("b1", "port.ftp")]}
    write_judged(tmp_path / "w", [run], {"one": ["a1"], "two": ["b1"]})
    return tmp_path / "w"


def exported(place: Path, secscan: Secscan, form: str) -> dict[str, str]:
    folder = place / "out"
    done = secscan("report", "-C", place, "--out", folder, "--format", form)
    assert done.returncode == 0, done.stderr
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("form", "ending"), [("json", "json"), ("csv", "csv"), ("sarif", "sarif"), ("ocsf", "ocsf.jsonl")]
)
def test_each_agency_has_a_file_of_its_own(place: Path, secscan: Secscan, form: str, ending: str) -> None:
    files = exported(place, secscan, form)
    assert set(files) == {f"one.{ending}", f"two.{ending}"}
    names = {"one": re.findall(r"\b[ab]1\b", files[f"one.{ending}"])}
    names["two"] = re.findall(r"\b[ab]1\b", files[f"two.{ending}"])
    assert {agency: set(found) for agency, found in names.items()} == {"one": {"a1"}, "two": {"b1"}}


def test_findings_come_in_the_same_formats(place: Path, secscan: Secscan) -> None:
    log = json.loads(secscan("findings", "-C", place, "--format", "sarif").stdout)
    assert len(log["runs"][0]["results"]) == 3
    events = secscan("findings", "-C", place, "--format", "ocsf", "--agency", "two").stdout.splitlines()
    assert {json.loads(event)["resources"][0]["name"] for event in events} == {"b1"}
    table = secscan("findings", "-C", place, "--format", "csv").stdout.removeprefix("\ufeff").splitlines()
    assert len(list(csv.DictReader(table))) == 3
