"""secscan letter: over weeks, by the store of a fleet that nobody scanned; and once on one that was."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from secscan.cli.letter import Draft, write_drafts
from secscan.model import Finding, Outcome, Severity, Text
from secscan.report.letter import letter_html, letter_text
from secscan.store import Store
from secscan.workspace import Workspace
from tests.cli.conftest import Secscan
from tests.cli.judged import AT, a_finding, write_judged

TELNET, FTP = a_finding("a1"), a_finding("a2", "port.ftp")
MENDED = a_finding("a1", outcome=Outcome.PASS)
AGENCIES = {"one": ["a1", "a2"], "two": ["b1"]}


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    """Two runs, a week apart: something was mended, and the same failure is on another agency's host."""
    first = {"a1": [TELNET], "a2": [FTP], "b1": [a_finding("b1")]}
    return write_judged(tmp_path / "w", [first, {**first, "a1": [MENDED]}], AGENCIES)


def drafts(place: Workspace, at: datetime, *agencies: str, keep: bool = True) -> list[Draft]:
    with Store.open(place.database) as store:
        made = write_drafts(store, place, agencies, at)
        for draft in made if keep else ():
            draft.keep(store)
    return made


def test_each_agency_is_told_of_its_own(place: Workspace) -> None:
    one, two = (draft.text("en") for draft in drafts(place, AT))
    assert (FTP.id in one, "b1" in one, "b1" in two, "a2" in two) == (True, False, True, False)


def test_there_is_no_second_letter_while_nothing_happens(place: Workspace) -> None:
    assert drafts(place, AT)
    assert drafts(place, AT + timedelta(days=5)) == []


def test_a_dry_run_keeps_nothing(place: Workspace) -> None:
    first = drafts(place, AT, keep=False)
    assert [d.text("en") for d in drafts(place, AT)] == [d.text("en") for d in first]


def test_what_a_letter_asked_for_is_thanked_for_and_the_rest_is_left_out(tmp_path: Path) -> None:
    runs = [{"a1": [TELNET], "a2": [FTP]}]
    with Store.open(write_judged(tmp_path / "w", runs, {"one": ["a1", "a2"]}).database) as store:
        (first,) = write_drafts(store, Workspace(tmp_path / "w"), (), AT)
        first.keep(store)
        from secscan.history import settle
        from secscan.inventory import agency_documents
        from tests.cli.judged import an_inventory
        from tests.store.samples import a_judgement, a_start

        later = AT + timedelta(weeks=1)
        documents = agency_documents(an_inventory({"one": ["a1", "a2"]}))
        run = store.begin_run(a_start(started_at=later, inventory=documents))
        findings = {"a1": [MENDED], "a2": [FTP]}
        lives = settle(store.lifecycles(), [MENDED, FTP], later)
        store.save_judgement(run, a_judgement(run, findings, at=later, agencies={"one": ["a1", "a2"]}), lives)
        store.finish(run, later)
        (second,) = write_drafts(store, Workspace(tmp_path / "w"), (), later)
        second.keep(store)
        assert write_drafts(store, Workspace(tmp_path / "w"), (), later) == []
    text = second.text("en")
    assert second.number == 2
    assert "Thank you: this was mended" in text
    assert "a1" in text
    assert FTP.id not in text


def test_a_deadline_is_reminded_of_and_then_urged(place: Workspace) -> None:
    drafts(place, AT)
    # High is to be mended in thirty days, by the profile.
    (reminder,) = drafts(place, AT + timedelta(days=16), "one")
    (urged,) = drafts(place, AT + timedelta(days=38), "one")
    assert "A reminder: the deadline comes closer" in reminder.text("en")
    assert "OVERDUE: please mend this first" in urged.text("en")
    assert "was due 31/10/2026" in urged.text("en")


def test_the_pace_is_the_operators(place: Workspace) -> None:
    settings = place.settings.read_text("utf-8").replace("half = true", "half = false")
    place.settings.write_text(settings.replace("every_days = 7", "every_days = 30"), "utf-8")
    drafts(place, AT)
    assert drafts(place, AT + timedelta(days=16)) == []
    assert drafts(place, AT + timedelta(days=29), "one")
    assert drafts(place, AT + timedelta(days=45), "one") == []


def caused(check: str) -> Finding:
    return replace(
        a_finding("a1", check), evidence=Text("The service on {port} speaks no TLS.", {"port": 443})
    )


def test_one_cause_is_one_matter(tmp_path: Path) -> None:
    found = [caused(check) for check in ("tls.versions", "tls.suites", "certificate.expiry")]
    place = write_judged(tmp_path / "w", [{"a1": found}], {"one": ["a1"]})
    (draft,) = drafts(place, AT)
    (matter,) = draft.view.new
    assert (matter.rules, len(matter.places)) == (3, 1)
    assert draft.text("en").count("speaks no TLS") == 2  # The matter, and its one place.


def test_the_earliest_deadline_and_what_is_typed_come_along(tmp_path: Path) -> None:
    urgent = replace(
        a_finding("a2", "patch.known-exploited"),
        severity=Severity.CRITICAL,
        evidence=Text(
            "{package} is old.", {"package": "sudo", "fix": "apt-get install sudo", "due": "2026-10-04"}
        ),
    )
    place = write_judged(tmp_path / "w", [{"a1": [TELNET], "a2": [urgent]}], {"one": ["a1", "a2"]})
    (draft,) = drafts(place, AT)
    assert draft.view.new[0].due in (date(2026, 10, 4), date(2026, 10, 5))
    assert "\n       apt-get install sudo\n" in draft.text("en")


HOSTILE = '<script>alert("x")</script>\u202e\x1b[31m'


def test_what_a_host_says_stays_text(tmp_path: Path) -> None:
    place = write_judged(tmp_path / "w", [{"a1": [a_finding("a1", says=HOSTILE)]}], {"one": ["a1"]})
    (draft,) = drafts(place, AT)
    page, text = letter_html(draft.view, "en"), letter_text(draft.view, "en")
    assert "<script>" not in page
    for character in ("\u202e", "\x1b"):
        assert character not in page + text


def test_the_page_allows_its_own_style_and_nothing_else(place: Workspace) -> None:
    page = letter_html(drafts(place, AT)[0].view, "vi")
    assert "default-src 'none'" in page
    assert "http" not in page.replace("http-equiv", "")


# --- The command -----------------------------------------------------------------------------------------


def test_it_writes_text_and_page_and_then_has_nothing_to_say(
    place: Workspace, secscan: Secscan, tmp_path: Path
) -> None:
    done = secscan("letter", "-C", place.folder, "--out", tmp_path / "letters")
    assert (done.returncode, "Wrote 2 letters." in done.stderr) == (0, True), done.stderr
    names = sorted(path.name for path in (tmp_path / "letters").iterdir())
    assert names == [f"{id}-letter-1.{kind}" for id in ("one", "two") for kind in ("html", "txt")]
    again = secscan("letter", "-C", place.folder, "--out", tmp_path / "letters")
    assert "Wrote 0 letters." in again.stderr


def test_a_dry_run_shows_and_writes_nothing(place: Workspace, secscan: Secscan) -> None:
    done = secscan("letter", "-C", place.folder, "--dry-run", "--agency", "one")
    assert "1 letter would be written." in done.stderr
    assert FTP.id in done.stdout
    with Store.open(place.database) as store:
        assert store.letters_to("one") == ()


def test_without_a_folder_it_asks_for_one(place: Workspace, secscan: Secscan) -> None:
    done = secscan("letter", "-C", place.folder)
    assert (done.returncode, "--dry-run" in done.stderr) == (2, True)


def test_a_scanned_fleet_is_told_how_to_mend(scanned: Path, secscan: Secscan) -> None:
    done = secscan("letter", "-C", scanned, "--dry-run", "--agency", "one")
    assert done.returncode == 0, done.stderr
    assert "bad-1" in done.stdout
    assert "How: " in done.stdout
    assert "plain-1" not in done.stdout
