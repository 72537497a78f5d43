"""secscan findings: lives and deadlines, of one agency or of all; as a table, JSON and CSV."""

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from secscan.model import Outcome
from tests.cli.conftest import Secscan, as_json
from tests.cli.judged import a_finding, write_judged

PASS, UNKNOWN = Outcome.PASS, Outcome.UNKNOWN


def late(check: str, outcome: Outcome = Outcome.FAIL, *, due: str = "2026-10-03", host: str = "a1") -> Any:
    """A failure whose evidence names a day it is due."""
    finding = a_finding(host, check, outcome)
    return replace(finding, evidence=replace(finding.evidence, values={"what": "seen", "due": due}))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Two runs, on 1 and 8 October 2026; and a third, as the first."""
    first = {
        "a1": [a_finding("a1"), late("port.ftp"), late("port.smb", due="2026-12-24")],
        "b1": [a_finding("b1"), a_finding("b1", "port.ftp", PASS), late("port.vnc", host="b1")],
    }
    second = {
        "a1": [a_finding("a1", outcome=PASS), late("port.ftp"), a_finding("a1", "port.smb", UNKNOWN)],
        "b1": [a_finding("b1"), a_finding("b1", "port.ftp"), a_finding("b1", "port.vnc", UNKNOWN)],
    }
    third = {**second, "a1": [a_finding("a1"), late("port.ftp"), a_finding("a1", "port.smb", UNKNOWN)]}
    write_judged(tmp_path / "w", [first, second, third], {"one": ["a1"], "two": ["b1"]})
    return tmp_path / "w"


def found(place: Path, secscan: Secscan, *asked: str) -> list[tuple[str, str]]:
    document = as_json(secscan("findings", "-C", place, "--format", "json", *asked))
    return [(finding["host"], finding["check"]) for finding in document["findings"]]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ((), [("a1", "port.ftp"), ("a1", "port.telnet"), ("b1", "port.ftp"), ("b1", "port.telnet")]),
        (("--agency", "two"), [("b1", "port.ftp"), ("b1", "port.telnet")]),
        (("--host", "a1", "--check", "port.ftp"), [("a1", "port.ftp")]),
        (("--overdue",), [("a1", "port.ftp"), ("b1", "port.vnc")]),
        (("--overdue", "--outcome", "fail"), [("a1", "port.ftp")]),
        (("--overdue", "--agency", "two"), [("b1", "port.vnc")]),
        (("--state", "unverified"), [("a1", "port.smb"), ("b1", "port.vnc")]),
        (("--state", "reopened"), [("a1", "port.telnet")]),
        (("--state", "resolved"), []),
        (("--state", "resolved", "--run", "2"), [("a1", "port.telnet")]),
        (("--state", "waived"), []),
        (("--severity", "critical"), []),
    ],
)
def test_what_is_listed(
    place: Path, secscan: Secscan, asked: tuple[str, ...], expected: list[tuple[str, str]]
) -> None:
    assert sorted(found(place, secscan, *asked)) == expected


def test_an_older_run_is_told_as_it_stood(place: Path, secscan: Secscan) -> None:
    asked = ("--run", "1", "--host", "a1", "--check", "port.telnet", "--format", "json")
    (finding,) = as_json(secscan("findings", "-C", place, *asked))["findings"]
    told = {key: finding[key] for key in ("state", "reopened", "first_seen", "last_seen", "due", "overdue")}
    assert told == {
        "state": "open",
        "reopened": 0,
        "first_seen": "2026-10-01T12:00:00Z",
        "last_seen": "2026-10-01T12:00:00Z",
        # Thirty days for what is high, by the profile.
        "due": "2026-10-31T12:00:00Z",
        "overdue": False,
    }


def test_a_failure_that_is_named_no_more_is_late_all_the_same(tmp_path: Path, secscan: Secscan) -> None:
    other = a_finding("a1", "port.ftp", UNKNOWN, object="scan")
    write_judged(tmp_path / "w", [{"a1": [late("port.ftp")]}, {"a1": [other]}], {"one": ["a1"]})
    document = as_json(secscan("findings", "-C", tmp_path / "w", "--overdue", "--format", "json"))
    (finding,) = document["findings"]
    assert (finding["state"], finding["outcome"]) == ("unverified", "unknown")


def test_the_table_has_state_age_and_deadline(place: Path, secscan: Secscan) -> None:
    said = secscan("findings", "-C", place, "--host", "a1").stdout
    assert "reopened ×1" in said
    assert "03/10/2026 OVERDUE" in said
    assert "14 days" in said
    assert "2 findings in run 3, 1 overdue as of" in said


def test_a_spreadsheet_can_read_it(place: Path, secscan: Secscan) -> None:
    text = secscan("findings", "-C", place, "--overdue", "--format", "csv").stdout.removeprefix("\ufeff")
    told = [(row["check"], row["state"], row["overdue"]) for row in csv.DictReader(io.StringIO(text))]
    assert told == [("port.ftp", "open", "yes"), ("port.vnc", "unverified", "yes")]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (("--host", "a9"), "There is no host 'a9'"),
        (("--agency", "onne"), "Did you mean 'one'?"),
        (("--check", "port.telnte"), "Did you mean 'port.telnet'?"),
        (("--run", "9"), "there is no run 9"),
    ],
)
def test_a_mistake_is_told(place: Path, secscan: Secscan, asked: tuple[str, ...], words: str) -> None:
    done = secscan("findings", "-C", place, *asked)
    assert (done.returncode, words in done.stderr) == (2, True), done.stderr
