"""secscan score and secscan why, on a workspace that was scanned."""

from fractions import Fraction
from pathlib import Path

import pytest

from tests.cli.conftest import Secscan, as_json


def test_stored_facts_judged_again_come_to_the_same_scores(scanned: Path, secscan: Secscan) -> None:
    again = as_json(secscan("score", "-C", scanned, "--format", "json"))
    stored = as_json(secscan("show", "-C", scanned, "--format", "json"))
    assert again["agencies"] == stored["agencies"]
    assert again["whole"] == stored["whole"]


def test_nothing_is_stored_and_no_probe_is_sent(scanned: Path, secscan: Secscan) -> None:
    probes = (scanned / "probes.jsonl").read_bytes()
    before = secscan("runs", "-C", scanned).stdout
    assert secscan("score", "-C", scanned, "--profile", "baseline").returncode == 0
    assert secscan("runs", "-C", scanned).stdout == before
    assert (scanned / "probes.jsonl").read_bytes() == probes


def test_later_what_was_seen_is_stale(scanned: Path, secscan: Secscan) -> None:
    now = as_json(secscan("score", "-C", scanned, "--format", "json"))
    later = as_json(secscan("score", "-C", scanned, "--as-of", "2099-01-01", "--format", "json"))
    assert later["stamp"]["at"].startswith("2099-01-01")
    assert later["whole"] != now["whole"]


def test_the_whole_history_is_judged_again(scanned: Path, secscan: Secscan) -> None:
    (one,) = as_json(secscan("score", "-C", scanned, "--history", "--format", "json"))["history"]
    assert (one["run"], set(one["agencies"])) == (1, {"one", "two"})


@pytest.mark.parametrize(
    ("as_of", "words"),
    [("2001-01-01", "nothing had been scanned by"), ("yesterday", "no day and no instant")],
)
def test_an_instant_that_can_not_be_judged(scanned: Path, secscan: Secscan, as_of: str, words: str) -> None:
    done = secscan("score", "-C", scanned, "--as-of", as_of)
    assert (done.returncode, words in done.stderr) == (2, True), done.stderr


def test_why_needs_two_runs(scanned: Path, secscan: Secscan) -> None:
    done = secscan("why", "one", "-C", scanned)
    assert (done.returncode, "nothing to compare it with" in done.stderr) == (2, True), done.stderr


def test_the_parts_of_a_change_sum_to_it(scanned: Path, secscan: Secscan) -> None:
    inventory = scanned / "inventory" / "one.toml"
    text = inventory.read_text("utf-8")
    inventory.write_text(text.replace("criticality = 3", "criticality = 1"), "utf-8")
    secscan("scan", "-C", scanned, "--agency", "two", "--no-nmap")
    told = as_json(secscan("why", "one", "-C", scanned, "--format", "json"))
    assert sum(map(Fraction, told["parts"].values())) == Fraction(told["end"]) - Fraction(told["start"])
    moved = {cause for cause, part in told["parts"].items() if Fraction(part)}
    assert moved <= {"membership"}
