"""The chain of manifests: no past can be changed, moved or taken away without `check` naming it."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from secscan.history import settle
from secscan.model import Canary, Finding, Misjudged, Outcome, Reason
from secscan.store import Store
from tests.store.samples import a_finding, a_host_score, a_judgement, a_start, addresses, later, missed, ports


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Three runs: in the second a finding changes, in the third one goes away."""
    path = tmp_path / "a.sqlite"
    said = [
        [a_finding(), a_finding(object="gone")],
        [a_finding(outcome=Outcome.PASS), a_finding(object="gone")],
        [a_finding(outcome=Outcome.PASS)],
    ]
    with Store.open(path, create=True) as store:
        for day, findings in enumerate(said):
            judge(store, day, findings)
    return path


def judge(store: Store, day: int, findings: list[Finding]) -> int:
    run = store.begin_run(a_start(inventory={"ministry": {"x": 1}}, started_at=later(day)))
    store.record(
        run,
        [addresses(at=later(day)), ports(at=later(day)), missed(at=later(day), kind="tls", detail="no")],
    )
    judgement = a_judgement(run, {"web-1": findings}, at=later(day))
    scores = {"web-1": a_host_score("web-1", critical=bool(day % 2))}
    lives = settle(store.lifecycles(), findings, later(day))
    store.save_judgement(run, replace(judgement, hosts=scores), lives)
    store.finish(run, later(day))
    return run


def problems(path: Path, *statements: str) -> list[str]:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()
    with Store.open(path) as store:
        return store.check()


def test_a_past_that_nobody_touched_holds(path: Path) -> None:
    assert problems(path) == []


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE run SET profile = 'mild' WHERE id = 2", "judgement 2 (run 2): its profile changed"),
        ("UPDATE run SET started_at = 7 WHERE id = 1", "its started_at changed"),
        (
            "UPDATE run_inventory SET agency = 'other' WHERE run = 2",
            "judgement 2 (run 2): its inventory changed",
        ),
        (
            "UPDATE observation SET observed_at = observed_at + 1 WHERE run = 2 AND reason IS NULL",
            "judgement 2 (run 2): its observations changed",
        ),
        ("DELETE FROM observation WHERE run = 3 AND reason IS NOT NULL", "judgement 3 (run 3): its observat"),
        ("UPDATE kind SET name = 'chain' WHERE name = 'tls'", "its observations changed"),
        ("UPDATE collector SET name = 'other' WHERE name = 'ports'", "its observations changed"),
        ("UPDATE target SET rest = '192.0.2.9' WHERE rest <> ''", "its observations changed"),
        ("UPDATE host SET name = 'web-2'", "its findings changed"),
        (
            'UPDATE judgement SET feeds = \'[["kev","2026-01-01T00:00:00+00:00"]]\' WHERE id = 1',
            "judgement 1 (run 1): its feeds changed",
        ),
        ("UPDATE judgement SET baseline_hash = 'c' WHERE id = 3", "(run 3): its baseline_hash changed"),
        ("UPDATE judgement SET run = 1 WHERE id = 2", "judgement 2 (run 2) is filed under run 1"),
        (
            "UPDATE finding_state SET severity = 1 WHERE finding = 1 AND since = 1",
            "judgement 1 (run 1): its findings changed",
        ),
        ("UPDATE finding_state SET until = 2 WHERE until = 3", "judgement 3 (run 3): its findings changed"),
        ("DELETE FROM finding_state WHERE since = 2", "judgement 2 (run 2): its findings changed"),
        ("UPDATE life_change SET reopened = 5 WHERE judgement = 2", "(run 2): its lives of findings changed"),
        (
            "UPDATE score SET verified = '100/1' WHERE level = 'host' AND since = 2",
            "judgement 2 (run 2): its scores changed",
        ),
        (
            "UPDATE manifest SET body = replace(body, 'baseline', 'mild') WHERE judgement = 2",
            "the manifest of judgement 2 (run 2) changed since it was written",
        ),
    ],
)
def test_a_change_of_the_past_is_named(path: Path, statement: str, problem: str) -> None:
    found = problems(path, statement)
    assert any(problem in line for line in found), found


@pytest.mark.parametrize("run", [1, 2, 3])
def test_a_run_that_was_taken_out_is_missed(path: Path, run: int) -> None:
    own = {"judgement": "run", "observation": "run", "run_inventory": "run", "run": "id"}
    gone = [f"DELETE FROM {table} WHERE {key} = {run}" for table, key in own.items()]  # noqa: S608 - tables of ours
    found = problems(path, *gone)
    assert f"judgement {run} (run {run}) is missing" in found


def test_a_run_that_was_taken_out_with_its_manifest_is_missed(path: Path) -> None:
    found = problems(path, "DELETE FROM judgement WHERE run = 2", "DELETE FROM manifest WHERE judgement = 2")
    assert any("manifest of judgement 3 (run 3) does not follow the one before it" in line for line in found)


def test_the_newest_judgement_cut_off_is_missed(path: Path) -> None:
    found = problems(path, "DELETE FROM judgement WHERE id = 3", "DELETE FROM manifest WHERE judgement = 3")
    assert "judgements 3 to 3 were made, and are gone with their manifests" in found


def test_manifests_that_change_places_are_noticed(path: Path) -> None:
    found = problems(
        path,
        "UPDATE manifest SET judgement = 9 WHERE judgement = 1",
        "UPDATE manifest SET judgement = 1 WHERE judgement = 2",
        "UPDATE manifest SET judgement = 2 WHERE judgement = 9",
    )
    assert sum("does not follow the one before it" in line for line in found) == 3


def test_a_changed_manifest_with_a_new_hash_breaks_the_next_link(path: Path) -> None:
    found = problems(path, "UPDATE manifest SET hash = zeroblob(32) WHERE judgement = 1")
    assert any("manifest of judgement 2 (run 2) does not follow" in line for line in found)


def test_a_judgement_without_a_manifest_is_named(path: Path) -> None:
    found = problems(path, "DELETE FROM manifest")
    assert [line for line in found if "has no manifest" in line] == [
        f"judgement {n} (run {n}) has no manifest" for n in (1, 2, 3)
    ]


def test_what_was_judged_before_there_was_a_chain_is_no_damage(path: Path) -> None:
    statements = ["DELETE FROM manifest", "INSERT INTO about VALUES ('unchained', '3')"]
    assert problems(path, *statements) == []
    with Store.open(path) as store:
        judge(store, 3, [a_finding()])
        assert (store.chain().unchained, store.chain().links, store.check()) == (3, 1, [])


def test_a_run_judged_twice_may_record_in_between(tmp_path: Path) -> None:
    with Store.open(tmp_path / "a.sqlite", create=True) as store:
        run = store.begin_run(a_start())
        store.record(run, [missed(reason=Reason.NOT_ATTEMPTED)])
        store.save_judgement(run, a_judgement(run, {"web-1": [a_finding()]}), {})
        store.record(run, [ports()])
        store.save_judgement(run, a_judgement(run, {"web-1": [a_finding()]}, at=later(0.1)), {})
        assert store.check() == []


def test_the_newest_hash_is_told(path: Path) -> None:
    connection = sqlite3.connect(path)
    (newest,) = connection.execute("SELECT hex(hash) FROM manifest WHERE judgement = 3").fetchone()
    connection.close()
    with Store.open(path) as store:
        assert store.chain().newest == newest.lower()


def test_a_run_that_was_judged_and_not_finished_may_record_more(path: Path) -> None:
    with Store.open(path) as store:
        run = store.begin_run(a_start())
        store.save_judgement(run, a_judgement(run, {"web-1": [a_finding()]}, at=later(4)), {})
        store.record(run, [ports(at=later(4))])
        assert store.check() == []
        store.finish(run, later(4))
        assert any("(run 4): its observations changed" in line for line in store.check())


def test_what_a_quarantined_run_saw_is_no_evidence(path: Path) -> None:
    with Store.open(path) as store:
        run = store.begin_run(a_start())
        store.record(run, [ports(at=later(5), open=[23])])
        store.quarantine(run, [Misjudged("web-1", Canary.GOOD, ("port.telnet",))], later(5))
        ((_, evidence),) = store.evidence(later(6), ["web-1"])
        assert max(record.observed_at for record in evidence.newest.values()) == later(2)
        assert store.newest_judged_run() == 3
        assert store.run(run).quarantine == (Misjudged("web-1", Canary.GOOD, ("port.telnet",)),)
