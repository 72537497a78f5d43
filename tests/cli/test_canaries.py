"""A run that misjudges a canary is shown, and nothing of it counts."""

from pathlib import Path

import pytest

from tests.cli.conftest import Secscan, as_json


def mark(folder: Path, agency: str, host: str, canary: str) -> None:
    file = folder / "inventory" / f"{agency}.toml"
    text = file.read_text("utf-8")
    file.write_text(text.replace(f'id = "{host}"\n', f'id = "{host}"\ncanary = "{canary}"\n'), "utf-8")


@pytest.fixture
def quarantined(scanned: Path, secscan: Secscan) -> Path:
    """A good run, and one that finds a host bad that is said to be good."""
    mark(scanned, "one", "bad-1", "good")
    done = secscan("scan", "-C", scanned)
    assert (done.returncode, "Run 2 is in quarantine" in done.stderr) == (3, True), done.stderr
    return scanned


def test_the_run_is_listed_as_quarantined(quarantined: Path, secscan: Secscan) -> None:
    newest = secscan("runs", "-C", quarantined, "--limit", "1").stdout
    assert "in quarantine" in newest


def test_it_is_shown_with_what_was_misjudged(quarantined: Path, secscan: Secscan) -> None:
    told = as_json(secscan("show", "2", "-C", quarantined, "--format", "json"))
    (wrong,) = told["quarantine"]
    assert (wrong["host"], wrong["canary"]) == ("bad-1", "good")
    assert "certificate.expiry" in wrong["failing"]


def test_the_newest_judgement_stays_the_last_good_one(quarantined: Path, secscan: Secscan) -> None:
    assert "Run 1:" in secscan("show", "-C", quarantined).stdout


def test_the_database_is_sound(quarantined: Path, secscan: Secscan) -> None:
    done = secscan("db", "check", "-C", quarantined)
    assert (done.returncode, "Chained judgements: 1." in done.stdout) == (0, True)


@pytest.fixture
def with_a_bad_one(workspace: Path, secscan: Secscan) -> Path:
    """One run, in which a host was found bad that is said to be."""
    mark(workspace, "one", "bad-1", "bad")
    done = secscan("scan", "-C", workspace, "--agency", "one", "--fail-on", "critical")
    assert done.returncode in (0, 3), done.stderr
    return workspace


def test_a_canary_that_is_judged_rightly_changes_nothing(with_a_bad_one: Path, secscan: Secscan) -> None:
    assert "Run 1:" in secscan("show", "-C", with_a_bad_one).stdout


def test_a_canary_is_in_no_list_no_score_and_no_page(
    with_a_bad_one: Path, secscan: Secscan, tmp_path: Path
) -> None:
    told = [
        secscan("findings", "-C", with_a_bad_one, "--outcome", "pass", "--outcome", "fail"),
        secscan("show", "-C", with_a_bad_one, "--format", "json"),
        secscan("score", "-C", with_a_bad_one),
        secscan("whatif", "one", "-C", with_a_bad_one),
    ]
    assert [done.returncode for done in told if done.returncode > 1] == []
    assert [done.args for done in told if "bad-1" in done.stdout] == []
    assert "good-1" in told[0].stdout
    pages = tmp_path / "pages"
    assert secscan("report", "-C", with_a_bad_one, "--out", pages).returncode == 0
    named = [page.name for page in pages.rglob("*") if page.is_file() and b"bad-1" in page.read_bytes()]
    assert named == []


def test_a_canary_of_another_agency_is_not_asked(scanned: Path, secscan: Secscan) -> None:
    mark(scanned, "one", "bad-1", "good")
    assert secscan("scan", "-C", scanned, "--agency", "two").returncode == 1
