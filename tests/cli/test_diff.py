"""secscan diff: two runs, an agency, a host; as a table, JSON and CSV."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from secscan.model import Outcome
from tests.cli.conftest import Secscan, as_json
from tests.cli.judged import a_finding, write_judged


@pytest.fixture
def place(tmp_path: Path) -> Path:
    first = {
        "a1": [a_finding("a1"), a_finding("a1", "port.ftp")],
        "b1": [a_finding("b1", says="open"), a_finding("b1", "port.ftp", Outcome.PASS)],
    }
    second = {
        "a1": [a_finding("a1", outcome=Outcome.PASS), a_finding("a1", "port.ftp", Outcome.UNKNOWN)],
        "b1": [a_finding("b1", says="wide open"), a_finding("b1", "port.ftp")],
    }
    write_judged(tmp_path / "w", [first, second], {"one": ["a1"], "two": ["b1"]})
    return tmp_path / "w"


def changes(document: Any) -> list[tuple[str, str, str]]:
    return [(entry["change"], entry["host"], entry["check"]) for entry in document["changes"]]


NEW, FIXED = ("new", "b1", "port.ftp"), ("fixed", "a1", "port.telnet")
UNSEEN, OTHERWISE = ("unverified", "a1", "port.ftp"), ("evidence", "b1", "port.telnet")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ((), [NEW, FIXED, UNSEEN, OTHERWISE]),
        (("--agency", "one"), [FIXED, UNSEEN]),
        (("--host", "b1"), [NEW, OTHERWISE]),
        (("--agency", "one", "--host", "b1"), []),
    ],
)
def test_what_changed(
    place: Path, secscan: Secscan, asked: tuple[str, ...], expected: list[tuple[str, str, str]]
) -> None:
    assert changes(as_json(secscan("diff", "1", "2", "-C", place, "--format", "json", *asked))) == expected


def test_the_newest_run_is_meant_where_one_is_named(place: Path, secscan: Secscan) -> None:
    assert as_json(secscan("diff", "1", "-C", place, "--format", "json"))["after"] == 2


def test_the_table_has_evidence_and_counts(place: Path, secscan: Secscan) -> None:
    said = secscan("diff", "1", "2", "-C", place).stdout
    assert "It was wide open." in said
    assert "4 findings changed from run 1 to run 2." in said


def test_a_spreadsheet_can_read_it(place: Path, secscan: Secscan) -> None:
    text = secscan("diff", "1", "2", "-C", place, "--format", "csv").stdout.removeprefix("\ufeff")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["change"], row["evidence_after"]) for row in rows][-1] == ("evidence", "It was wide open.")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("2", "1"), "name the earlier one first"),
        (("1", "9"), "there is no run 9"),
        (("1", "2", "--agency", "onne"), "Did you mean 'one'?"),
    ],
)
def test_a_mistake_is_told(place: Path, secscan: Secscan, arguments: tuple[str, ...], words: str) -> None:
    done = secscan("diff", *arguments, "-C", place)
    assert (done.returncode, words in done.stderr) == (2, True), done.stderr
