"""A stored judgement as files: in every language, by however many processes, and only where they changed."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, timedelta
from pathlib import Path

import pytest

from secscan.baseline import load_baseline
from secscan.model import Observation, Outcome
from secscan.publication import Edition, Issue, publish
from secscan.registry import find_checks
from secscan.report.folder import FLEET_PAGES, MANIFEST, ReportError
from secscan.store import Store, StoreError
from secscan.workspace import Workspace
from tests.cli.judged import AT, a_finding, write_judged
from tests.factories import chain_facts, issue
from tests.store.samples import addresses, an_endpoint, ports

AGENCIES = {"a-1": ["web-1", "web-2"], "a-2": ["web-3"], "a-3": []}
FAILING = {
    "web-1": [a_finding("web-1", "port.telnet"), a_finding("web-1", "port.remote-login")],
    "web-2": [a_finding("web-2", "port.remote-login")],
    "web-3": [a_finding("web-3", "port.remote-login")],
}
FIXED = {**FAILING, "web-3": [a_finding("web-3", "port.remote-login", Outcome.PASS)]}


def looks() -> list[Observation[object]]:
    """web-1 shows a certificate and two open ports."""
    shown = chain_facts(issue("www.example.vn", start=AT - timedelta(days=9), end=AT + timedelta(days=20)))
    chain = Observation(an_endpoint("web-1", ""), "sweep", "chain", AT, shown)
    return [addresses("web-1", AT), ports("web-1", AT, open=(22, 443)), chain]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return write_judged(tmp_path_factory.mktemp("ws") / "w", [FAILING, FIXED], AGENCIES, seen=looks())


CHECKS = find_checks()


def write(
    place: Workspace, *editions: Edition, run: int = 2, agencies: Sequence[str] | None = None
) -> list[Path]:
    with Store.open(place.database) as store:
        return publish(store, an_issue(run), editions, agencies=agencies)


def an_issue(run: int = 2) -> Issue:
    return Issue(run=run, baseline=load_baseline("baseline", CHECKS), checks=CHECKS, tz=UTC)


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of change: a file that is written again has another inode."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_ino, path.stat().st_mtime_ns) for path in found
    }


def text(folder: Path, page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", (folder / page).read_text("utf-8")).split())


def test_a_report_is_a_page_for_each_agency_and_the_fleets_pages(tmp_path, place):
    pages = write(place, Edition("en", tmp_path))
    assert [path.relative_to(tmp_path).as_posix() for path in pages] == [
        *FLEET_PAGES,
        *(f"agencies/{id}.html" for id in AGENCIES),
    ]
    assert files(tmp_path).keys() == {path.relative_to(tmp_path).as_posix() for path in pages} | {MANIFEST}


def test_every_edition_is_in_its_own_language(tmp_path, place):
    write(place, Edition("en", tmp_path / "en"), Edition("vi", tmp_path / "vi"))
    assert files(tmp_path / "en").keys() == files(tmp_path / "vi").keys()


def test_pages_that_did_not_change_are_not_written_again(tmp_path, place):
    write(place, Edition("en", tmp_path))
    before = files(tmp_path)
    write(place, Edition("en", tmp_path))
    assert files(tmp_path) == before


def test_a_page_that_changed_is_written_again_and_no_other(tmp_path, place):
    write(place, Edition("en", tmp_path))
    before = files(tmp_path)
    (tmp_path / "agencies/a-2.html").write_text("of another day")
    write(place, Edition("en", tmp_path))
    after = files(tmp_path)
    assert [page for page in after if after[page] != before[page]] == ["agencies/a-2.html"]


def test_the_page_of_an_agency_that_vanished_is_removed(tmp_path, place):
    write(place, Edition("en", tmp_path))
    others = {id: hosts for id, hosts in AGENCIES.items() if id != "a-2"}
    smaller = write_judged(tmp_path / "other", [{host: FAILING[host] for host in ("web-1", "web-2")}], others)
    write(smaller, Edition("en", tmp_path / "again"), run=1)
    write(place, Edition("en", tmp_path / "again"))
    write(smaller, Edition("en", tmp_path / "again"), run=1)
    assert not (tmp_path / "again/agencies/a-2.html").exists()
    assert "agencies/a-2.html" not in json.loads((tmp_path / "again" / MANIFEST).read_text("utf-8"))["pages"]


def test_one_agencys_page_is_the_same_alone(tmp_path, place):
    write(place, Edition("en", tmp_path / "all"))
    assert write(place, Edition("en", tmp_path / "one"), agencies=["a-1"]) == [
        tmp_path / "one/agencies/a-1.html"
    ]
    page = "agencies/a-1.html"
    assert (tmp_path / "one" / page).read_bytes() == (tmp_path / "all" / page).read_bytes()


def test_an_agencys_page_alone_leaves_the_others(tmp_path, place):
    write(place, Edition("en", tmp_path))
    before = files(tmp_path)
    write(place, Edition("en", tmp_path), agencies=["a-1"])
    assert files(tmp_path) == before


def test_several_processes_write_what_one_does(tmp_path, place):
    write(place, Edition("en", tmp_path / "one"))
    with Store.open(place.database) as store:
        publish(store, an_issue(), [Edition("en", tmp_path / "two")], processes=2, hosts_a_process=1)
    assert files(tmp_path / "two").keys() == files(tmp_path / "one").keys()
    for page in files(tmp_path / "one"):
        assert (tmp_path / "two" / page).read_bytes() == (tmp_path / "one" / page).read_bytes()


def test_the_index_tells_what_fails_in_many_places(tmp_path, place):
    write(place, Edition("en", tmp_path), run=1)
    assert re.search(r"port\.remote-login high 3 failures at 2 agencies", text(tmp_path, "index.html"))


def test_the_calendar_names_the_certificate_and_who_has_to_act(tmp_path, place):
    write(place, Edition("en", tmp_path))
    page = text(tmp_path, "certificates.html")
    assert "1 certificate 1 agency" in page
    assert "www.example.vn web-1:443" in page


def test_open_ports_are_counted(tmp_path, place):
    write(place, Edition("en", tmp_path))
    assert "tcp/22 hosts 1" in text(tmp_path, "exposed.html")


def test_who_was_not_seen_lately_is_named(tmp_path, place):
    write(place, Edition("en", tmp_path))
    assert "A-2 1 of 1 never" in text(tmp_path, "index.html")


def test_nothing_is_written_where_something_else_is(tmp_path, place):
    (tmp_path / "thesis.odt").write_text("years of work")
    with pytest.raises(ReportError, match="nothing was written"):
        write(place, Edition("en", tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.odt"]


def test_a_run_that_was_not_judged_is_named(tmp_path, place):
    with pytest.raises(StoreError):
        write(place, Edition("en", tmp_path), run=7)
    assert not list(tmp_path.iterdir())
