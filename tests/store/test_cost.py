"""What a country costs: bytes for what stays the same, seconds to record it and to read it."""

from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from pathlib import Path

import pytest

from secscan.facts import Absent
from secscan.model import Observation, Reason, Record
from secscan.store import Store
from tests.store.samples import a_start, addresses, an_endpoint, later, missed, ports

OBSERVATIONS = 20_000


def fleet(hosts: int, week: int) -> Iterator[Record]:
    """Four records a host, the same every week but for their time; three seen, one not."""
    at = later(7 * week)
    for n in range(hosts):
        host, address = f"host-{n:05}", f"10.0.{n >> 8}.{n & 255}"
        at = at.replace(microsecond=n)
        yield addresses(host, at, found=[address])
        yield ports(host, at, address=address)
        tls = an_endpoint(host, f"{host}.example.vn", address)
        yield Observation(tls, "sslyze", "tls", at, Absent(heard="nothing"))
        yield missed(tls, at, kind="chain", reason=Reason.REFUSED, detail="The connection was refused.")


def record(store: Store, records: Sequence[Record]) -> None:
    run = store.begin_run(a_start())
    rest = iter(records)
    while batch := list(islice(rest, 500)):
        store.record(run, batch)
    store.finish(run, later())


def test_an_unchanged_observation_costs_a_hundred_bytes_at_most(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    sizes = []
    for week in range(4):
        with Store.open(path, create=True) as store:
            record(store, list(fleet(OBSERVATIONS // 4, week)))
        sizes.append(path.stat().st_size)
    costs = [(after - before) / OBSERVATIONS for before, after in pairwise(sizes)]
    assert max(costs) <= 100, costs


@pytest.mark.slow
def test_ten_thousand_hosts_are_recorded_and_read(tmp_path: Path) -> None:
    with Store.open(tmp_path / "a.sqlite", create=True) as store:
        for week in range(2):
            record(store, list(fleet(10_000, week)))
        hosts = [f"host-{n:05}" for n in range(10_000)]
        found = sum(len(evidence.newest) for _host, evidence in store.evidence(later(100), hosts))
    assert found == 40_000


def test_evidence_is_found_without_reading_the_history(tmp_path: Path) -> None:
    """Each part of the question is a seek; a plan that starts from the observations reads every week."""
    with Store.open(tmp_path / "a.sqlite", create=True) as store:
        record(store, [ports()])
        plans = []
        with store._database.reading() as connection:
            connection.connection.driver_connection.set_trace_callback(plans.append)
        list(store.evidence(later(1), ["web-1"]))
        (question,) = [text for text in plans if "ORDER BY observation.observed_at DESC" in text]
        with store._database.reading() as connection:
            connection.connection.driver_connection.set_trace_callback(None)
            plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {question}")]
    on_observations = [step for step in plan if "observation" in step]
    assert on_observations
    assert [step for step in on_observations if "target=? AND kind=? AND observed_at" not in step] == []


def test_what_was_otherwise_is_found_along_the_primary_key(tmp_path: Path) -> None:
    """No more rows are read than the targets asked for have, and what is asked is asked of all hosts at once."""
    with Store.open(tmp_path / "a.sqlite", create=True) as store:
        for week in range(3):
            record(store, [ports(f"web-{n}", at=later(week), open=[week + 1]) for n in range(100)])
        asked: list[str] = []
        with store._database.reading() as connection:
            connection.connection.driver_connection.set_trace_callback(asked.append)
        found = dict(store.evidence(later(3), [f"web-{n}" for n in range(100)]))
        assert all(len(looks) == 2 for evidence in found.values() for looks in evidence.earlier.values())
        (question,) = [text for text in asked if "max(observation.observed_at)" in text]
        with store._database.reading() as connection:
            connection.connection.driver_connection.set_trace_callback(None)
            plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {question}")]
    (step,) = [step for step in plan if "observation" in step]
    assert "target=? AND kind=? AND observed_at>? AND observed_at<?" in step
