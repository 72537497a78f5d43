"""secscan inventory move: what is shown and written, and that the past stays as it was."""

from datetime import timedelta
from pathlib import Path

import pytest

from secscan.history import settle
from secscan.inventory import agency_documents
from secscan.model import Finding
from secscan.report.folder import FLEET_PAGES
from secscan.store import Store
from secscan.workspace import Workspace, write_new
from tests.cli.conftest import Secscan, as_json
from tests.cli.judged import AT, a_finding
from tests.store.samples import a_judgement, a_start


def judge(place: Workspace, findings: dict[str, list[Finding]], week: int) -> None:
    """A run by the inventory as it is in the files now."""
    at = AT + timedelta(weeks=week)
    inventory = place.load_inventory()
    agencies = {id: [host.id for host in inventory.hosts_of(id, at.date())] for id in inventory.agencies}
    with Store.open(place.database, create=True) as store:
        run = store.begin_run(a_start(started_at=at, inventory=agency_documents(inventory)))
        said = [finding for of_host in findings.values() for finding in of_host]
        store.save_judgement(
            run, a_judgement(run, findings, at=at, agencies=agencies), settle(store.lifecycles(), said, at)
        )
        store.finish(run, at)


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    place = write_new(tmp_path / "w", today=AT.date())
    for file in place.inventory.glob("*.toml"):
        file.unlink()
    for id, host in (("one", "a1"), ("two", "b1")):
        text = (
            f'[agency]\nid = "{id}"\nnames.en = "{id.title()}"\ntier = "central"\n[[host]]\nid = "{host}"\n'
        )
        (place.inventory / f"{id}.toml").write_text(text + 'addresses = ["127.0.0.1"]\n')
    judge(place, {"a1": [a_finding("a1")], "b1": [a_finding("b1")]}, 0)
    return place


def files(place: Workspace) -> dict[str, str]:
    return {path.name: path.read_text() for path in place.inventory.glob("*.toml")}


def moved(place: Workspace, secscan: Secscan, *asked: str) -> str:
    done = secscan("inventory", "move", "-C", place.folder, *asked)
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def test_it_shows_what_it_would_write_and_writes_nothing(place: Workspace, secscan: Secscan) -> None:
    before = files(place)
    shown = moved(place, secscan, "a1", "--to", "two", "--since", "2026-10-05")
    assert "+since = 2026-10-05" in shown
    assert files(place) == before


def test_findings_go_with_their_host_and_the_past_stays_as_it_was(
    place: Workspace, secscan: Secscan, tmp_path: Path
) -> None:
    pages = [tmp_path / "before", tmp_path / "after"]
    assert secscan("report", "-C", place.folder, "--run", "1", "--out", pages[0]).returncode == 0
    moved(place, secscan, "a1", "--to", "two", "--since", "2026-10-05", "--write")
    judge(place, {"a1": [a_finding("a1")], "b1": [a_finding("b1")]}, 1)
    assert secscan("report", "-C", place.folder, "--run", "1", "--out", pages[1]).returncode == 0
    before, after = (
        {page.relative_to(folder): page.read_bytes() for page in folder.rglob("*.html")} for folder in pages
    )
    assert len(before) == len(FLEET_PAGES) + 2
    assert before == after

    found = as_json(secscan("findings", "-C", place.folder, "--agency", "two", "--format", "json"))
    told = [(one["host"], one["agency"], one["first_seen"], one["state"]) for one in found["findings"]]
    began = "2026-10-01T12:00:00Z"
    assert sorted(told) == [("a1", "two", began, "open"), ("b1", "two", began, "open")]


def test_a_merged_agency_is_gone_from_the_next_run_on(place: Workspace, secscan: Secscan) -> None:
    moved(place, secscan, "one", "--merge-into", "two", "--since", "2026-10-05", "--yes")
    judge(place, {"a1": [a_finding("a1")], "b1": [a_finding("b1")]}, 1)
    agencies = [
        one["id"] for one in as_json(secscan("show", "-C", place.folder, "--format", "json"))["agencies"]
    ]
    then = as_json(secscan("show", "1", "-C", place.folder, "--format", "json"))["agencies"]
    assert (agencies, [one["id"] for one in then]) == (["two"], ["one", "two"])


def test_a_renamed_agency_keeps_its_id(place: Workspace, secscan: Secscan) -> None:
    moved(place, secscan, "one", "--name", "en=First", "--name", "vi=Một", "--write")
    agency = place.load_inventory().agencies["one"]
    assert agency.names == {"en": "First", "vi": "Một"}


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (("a1",), "one of --to, --top"),
        (("a1", "--to", "two", "--top"), "one of --to, --top"),
        (("a1", "--to", "twoo"), "Did you mean 'two'?"),
        (("one", "--name", "First"), "write it as vi=NAME"),
        (("a1", "--to", "two", "--since", "9999-01-01"), "still to come"),
    ],
)
def test_a_mistake_is_told(place: Workspace, secscan: Secscan, asked: tuple[str, ...], words: str) -> None:
    done = secscan("inventory", "move", "-C", place.folder, *asked)
    assert (done.returncode, words in done.stderr) == (2, True), done.stderr


def test_show_counts_what_is_overdue(place: Workspace, secscan: Secscan) -> None:
    judge(place, {"a1": [a_finding("a1")], "b1": [a_finding("b1")]}, 8)
    said = secscan("show", "-C", place.folder).stdout
    assert "Overdue" in said
    late = as_json(secscan("findings", "-C", place.folder, "--overdue", "--format", "json"))["findings"]
    assert len(late) == 2
