"""Pruning: what nothing rests on goes, everything that was judged stays, and the chain tells the two apart."""

import sqlite3
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secscan.model import EARLIER_DAYS, Canary, Misjudged, Reason, Record
from secscan.store import RunState, Store
from tests.store.samples import a_finding, a_start, addresses, later, missed, ports
from tests.store.test_chain import judge
from tests.store.test_recording import HOSTS, records

NOW = later(100)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Five runs, a day apart, that saw the same; each judged."""
    path = tmp_path / "a.sqlite"
    with Store.open(path, create=True) as store:
        for day in range(5):
            judge(store, day, [a_finding()])
    return path


def pruned(path: Path, *, days: int | None = None, runs: int | None = None) -> int:
    """How many observations went; as many as were said to."""
    with Store.open(path) as store:
        planned = store.would_prune(days=days, runs=runs, now=NOW)
    if planned is None:
        return 0
    done = Store.prune(path, planned.before, NOW)
    assert done == planned
    return done.observations


def rows(path: Path, question: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path, isolation_level=None)
    found = connection.execute(question).fetchall()
    connection.close()
    return found


def problems(path: Path) -> list[str]:
    with Store.open(path) as store:
        return store.check()


@pytest.mark.parametrize(
    ("keep", "removed"),
    # Three records a run; of each target and kind the last before the cut stays.
    [
        ({"runs": 5}, 0),
        ({"runs": 4}, 0),
        ({"runs": 3}, 3),
        ({"runs": 1}, 9),
        ({"days": 97}, 6),
        ({"days": 200}, 0),
    ],
)
def test_what_newer_records_supersede_goes(path: Path, keep: dict[str, int], removed: int) -> None:
    assert pruned(path, **keep) == removed


def test_a_database_that_was_pruned_is_sound_and_says_so(path: Path) -> None:
    pruned(path, runs=1)
    assert problems(path) == []
    with Store.open(path) as store:
        chain = store.chain()
    assert (chain.links, chain.pruned, chain.complete_since) == (5, 9, later(4))


def test_what_was_judged_stays(path: Path) -> None:
    """But for when a subject had last been looked at before an old judgement, which the observations told."""

    def told() -> object:
        with Store.open(path) as store:
            runs = [info.id for info in store.runs()]
            findings = [replace(f, observed_at=None) for run in runs for f in store.findings(run)]
            return store.runs(), store.lifecycles(), findings, [store.scores(run) for run in runs]

    before = told()
    pruned(path, runs=1)
    assert told() == before


def test_contents_and_texts_that_nothing_names_any_more_go_too(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with Store.open(path, create=True) as store:
        for day in range(EARLIER_DAYS + 3):
            if day in (0, 1, EARLIER_DAYS + 2):
                run = store.begin_run(a_start(started_at=later(day)))
                details = f"detail {day}"
                unseen = missed(at=later(day), kind="tls", detail=details)
                store.record(run, [addresses(at=later(day), found=[f"192.0.2.{1 + day % 200}"]), unseen])
    before = rows(path, "SELECT count(*) FROM facts"), rows(path, "SELECT text FROM phrase ORDER BY text")
    Store.prune(path, later(EARLIER_DAYS + 2), NOW)
    after = rows(path, "SELECT count(*) FROM facts"), rows(path, "SELECT text FROM phrase ORDER BY text")
    assert before == ([(3,)], [("detail 0",), ("detail 1",), (f"detail {EARLIER_DAYS + 2}",)])
    assert after == ([(2,)], [("detail 1",), (f"detail {EARLIER_DAYS + 2}",)])
    assert problems(path) == []


def test_what_a_quarantined_run_saw_goes_though_nothing_newer_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with Store.open(path, create=True) as store:
        run = store.begin_run(a_start())
        store.record(run, [ports()])
        store.quarantine(run, [Misjudged("web-1", Canary.BAD)], later(1))
    assert pruned(path, days=1) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM observation WHERE run = 4",
        "DELETE FROM observation WHERE run = 5",
        "UPDATE observation SET observed_at = observed_at + 1 WHERE run = 4",
        "UPDATE pruning SET removed = removed + 1 WHERE run = 2",
        "DELETE FROM pruning WHERE run = 2",
        "INSERT INTO pruning SELECT NULL, at, after, 4, before, 3, 0, digest FROM pruning WHERE run = 1",
    ],
)
def test_what_goes_missing_in_any_other_way_is_noticed(path: Path, statement: str) -> None:
    pruned(path, runs=1)
    with Store.open(path) as store:
        judge(store, 5, [a_finding()])
    assert problems(path) == []
    rows(path, statement)
    assert problems(path)


def test_a_pruning_that_was_made_up_later_is_noticed(path: Path) -> None:
    """The next judgement vouches for what was pruned before it; who adds a pruning has to change that too."""
    with Store.open(path) as store:
        assert store.check() == []
    rows(path, "DELETE FROM observation WHERE run = 2")
    rows(path, "INSERT INTO pruning VALUES (NULL, 1, 2, 2, 1, 3, 0, 'anything')")
    assert any("judgement 3 (run 3): its prunings changed" in problem for problem in problems(path))


def test_pruning_twice_goes_on_where_it_was(path: Path) -> None:
    assert (pruned(path, runs=3), pruned(path, runs=1), pruned(path, runs=1)) == (3, 6, 0)
    assert problems(path) == []


@settings(deadline=None, max_examples=60)
@given(
    batches=st.lists(st.tuples(st.integers(1, 3), st.lists(records(), min_size=1, max_size=6)), max_size=6),
    cut=st.integers(0, 6),
    disbelieved=st.booleans(),
)
def test_evidence_as_of_any_instant_since_is_as_it_was(
    batches: Sequence[tuple[int, Sequence[Record]]], cut: int, disbelieved: bool
) -> None:
    since = later(microseconds=cut)
    instants: list[datetime] = [since, since + timedelta(microseconds=1), later(microseconds=6), later(30)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.sqlite"
        with Store.open(path, create=True) as store:
            for n in range(3):
                store.begin_run(a_start(started_at=later(microseconds=2 * n - 1)))
            for run, batch in batches:
                store.record(run, batch)
            if disbelieved:
                store.quarantine(2, [Misjudged("web-1", Canary.BAD)], later(1))
            before = [dict(store.evidence(at, HOSTS)) for at in instants]
        Store.prune(path, since, NOW)
        with Store.open(path) as store:
            assert [dict(store.evidence(at, HOSTS)) for at in instants] == before
            assert store.check() == []


def test_a_run_that_is_not_finished_keeps_its_state(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with Store.open(path, create=True) as store:
        for day in (0, 1):
            run = store.begin_run(a_start(started_at=later(day)))
            store.record(run, [missed(at=later(day), reason=Reason.INTERRUPTED)])
    assert pruned(path, days=1) == 2
    with Store.open(path) as store:
        assert [info.state for info in store.runs()] == [RunState.RUNNING, RunState.INTERRUPTED]
