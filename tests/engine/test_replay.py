"""A history that is replayed scores, at every instant, as that instant alone does."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from secscan.baseline import Baseline, load_baseline
from secscan.engine.replay import ReplayError, Sources, replay, replay_history
from secscan.inventory import agency_documents, inventory_hash
from secscan.model import Agency, Host, Inventory, Membership, Outcome
from secscan.registry import find_checks
from secscan.store import Store
from tests.store.samples import ADDRESS, a_start, addresses, later, missed, ports

SOURCES = Sources()


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    return load_baseline("network", find_checks())


def an_inventory(**roles: str) -> Inventory:
    return Inventory(
        {"a": Agency("a", {"en": "A"}, "central"), "b": Agency("b", {"en": "B"}, "province")},
        {id: Host(id, (ADDRESS,), role=role) for id, role in roles.items()},
        tuple(Membership(id, "ab"[n % 2]) for n, id in enumerate(roles)),
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Three runs: the second shows less of one host, and the third is of another inventory."""
    first = an_inventory(h1="", h2="mail", h3="")
    with Store.open(tmp_path_factory.mktemp("store") / "secscan.db", create=True) as store:
        for day, inventory, records in (
            (0, first, [addresses("h1"), ports("h1", open=(23,)), addresses("h2"), ports("h2", open=(25,))]),
            (7, first, [addresses("h1", later(7)), missed(ports("h1").target, later(7))]),
            (14, replace(an_inventory(h1="mail", h3="")), [ports("h1", later(14), open=(25,))]),
        ):
            run = store.begin_run(
                a_start(
                    started_at=later(day),
                    inventory=agency_documents(inventory),
                    inventory_hash=inventory_hash(inventory),
                )
            )
            store.record(run, records)
        yield store


def test_each_instant_scores_as_it_does_alone(store: Store, baseline: Baseline) -> None:
    instants = [later(day) for day in (0.5, 1, 7.5, 14.5, 40)]
    history = list(replay_history(store, instants, baseline=baseline, sources=SOURCES))
    for at, judgement in zip(instants, history, strict=True):
        alone = replay(store, at, baseline=baseline, sources=SOURCES)
        assert judgement == replace(alone, findings={})


def test_time_may_go_backwards(store: Store, baseline: Baseline) -> None:
    instants = [later(14.5), later(0.5)]
    history = list(replay_history(store, instants, baseline=baseline, sources=SOURCES))
    alone = [replay(store, at, baseline=baseline, sources=SOURCES) for at in instants]
    assert [one.whole for one in history] == [one.whole for one in alone]


def test_the_failures_alone_can_be_kept(store: Store, baseline: Baseline) -> None:
    whole = replay(store, later(1), baseline=baseline, sources=SOURCES)
    less = replay(store, later(1), baseline=baseline, sources=SOURCES, whole=False)
    failures = {
        host: tuple(finding for finding in said if finding.outcome is Outcome.FAIL)
        for host, said in whole.findings.items()
    }
    assert (less.findings, less.whole) == (failures, whole.whole)


def test_before_the_first_run_there_is_nothing_to_judge(store: Store, baseline: Baseline) -> None:
    with pytest.raises(ReplayError, match="nothing had been scanned by"):
        next(replay_history(store, [later(-1)], baseline=baseline, sources=SOURCES))
