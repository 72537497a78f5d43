"""What a scorecard tells beside one judgement, of a small fleet that was looked at twice."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from secscan.baseline import Baseline, load_baseline
from secscan.engine.background import BackgroundReader, compared_with_before, glance
from secscan.engine.comparison import Comparison
from secscan.engine.replay import Sources
from secscan.engine.run import Means, judge
from secscan.facts import PortFacts, PortState, PortStatus, Release, ServiceIdentity, SystemFacts
from secscan.history.background import Background
from secscan.history.difference import Change
from secscan.history.waterfall import Cause
from secscan.inventory import agency_documents
from secscan.model import (
    AddressTarget,
    Agency,
    Evidence,
    Host,
    HostTarget,
    Inventory,
    Membership,
    Observation,
)
from secscan.registry import find_checks
from secscan.scope import scope_of_addresses
from secscan.store import Store
from tests.store.samples import ADDRESS, a_start, addresses, later, ports

INVENTORY = Inventory(
    {id: Agency(id, {"en": id}, "central") for id in ("one", "two")},
    {id: Host(id, (ADDRESS,)) for id in ("h1", "h2", "h3")},
    (Membership("h1", "one"), Membership("h2", "one"), Membership("h3", "two")),
)


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    return load_baseline("network", find_checks())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, baseline: Baseline) -> Iterator[Store]:
    """Two runs: on h1 telnet is closed and a database opens, on h2 nothing changes, of h3 there is nothing."""
    with Store.open(tmp_path_factory.mktemp("store") / "secscan.db", create=True) as store:
        means = Means(
            store=store,
            checks=dict(find_checks()),
            baseline=baseline,
            scope=scope_of_addresses([ADDRESS]),
            probe_log=None,
            workers=1,
        )
        for day, opened in ((0, (23,)), (7, (3306,))):
            at = later(day)
            run = store.begin_run(a_start(started_at=at, inventory=agency_documents(INVENTORY)))
            for host, found in (("h1", opened), ("h2", (21,))):
                store.record(run, [addresses(host, at), ports(host, at, open=found)])
            judge(run, INVENTORY, means, at=later(day + 0.1))
            store.finish(run, later(day + 0.1))
        yield store


def background(store: Store, baseline: Baseline, agency: str = "one", run: int = 2) -> Background:
    compared = compared_with_before(store, run, baseline_of=lambda _name: baseline, sources=Sources())
    return BackgroundReader(store, baseline, compared).background(agency, store.judgement(run), INVENTORY)


def test_the_trend_has_every_run(store, baseline):
    assert [point.run for point in background(store, baseline).trend] == [1, 2]


def test_the_trend_ends_before_what_came_later(store, baseline):
    assert [point.run for point in background(store, baseline, run=1).trend] == [1]


def test_the_parts_of_a_change_sum_to_it(store, baseline):
    told = background(store, baseline).waterfall
    assert sum(told.parts.values()) == told.end - told.start


def test_a_change_is_laid_to_what_made_it(store, baseline):
    parts = background(store, baseline).waterfall.parts
    assert {cause for cause, part in parts.items() if part} <= {
        Cause.NEW,
        Cause.FIXED,
        Cause.ADDED,
        Cause.REMOVED,
    }


def test_what_was_judged_by_the_same_rules_need_not_be_judged_again(store, baseline):
    compared = compared_with_before(store, 2, baseline_of=lambda _name: baseline, sources=Sources())
    scores = compared.before.scores
    older = replace(scores, stamp=replace(scores.stamp, secscan_version="0.0.1"))
    again = replace(compared, before=replace(compared.before, scores=older))
    assert Comparison(store, compared).why("one") == Comparison(store, again).why("one")


def test_what_changed_is_told_of_the_agencys_own_hosts(store, baseline):
    changes = background(store, baseline).changes
    assert {one.life.subject.host for one in changes} == {"h1"}


def test_a_door_that_opened_is_new(store, baseline):
    new = [one.life.check for one in background(store, baseline).changes if one.change is Change.NEW]
    assert any(check.startswith("port.") for check in new)


def test_the_first_run_has_nothing_to_compare_with(store, baseline):
    told = background(store, baseline, run=1)
    assert (told.since, told.changes, told.waterfall) == (None, (), None)


def test_what_to_do_next_is_told_with_its_gain(store, baseline):
    (first, *_) = background(store, baseline).advice.steps
    assert first.gain > 0 or first.gain_without_caps > 0


def test_only_the_agencys_own_hosts_are_at_hand(store, baseline):
    assert set(background(store, baseline, "two").glances) == {"h3"}


# --- A host in short ----------------------------------------------------------------------------------------


def seen(*facts) -> Evidence:
    at = later()
    targets = {"ports": AddressTarget("h1", ADDRESS)}
    records = [
        addresses("h1"),
        *(Observation(targets.get(f.kind, HostTarget("h1")), "t", f.kind, at, f) for f in facts),
    ]
    return Evidence({(record.target, record.kind): record for record in records})


def listening(*states: PortState) -> PortFacts:
    return PortFacts(method="connect", asked={"tcp": "1-1000"}, ports=states, rest={"tcp": PortStatus.CLOSED})


def test_a_host_is_called_by_its_system():
    release = Release(id="debian", version="12", name="Debian GNU/Linux 12 (bookworm)")
    facts = SystemFacts(family="linux", release=release, architecture="amd64", kernel="6.1.0-18-amd64")
    told = glance(Host("h1"), seen(facts))
    assert (told.system, told.kernel) == ("Debian GNU/Linux 12 (bookworm)", "6.1.0-18-amd64")


def test_what_answers_on_a_port_is_named():
    identity = ServiceIdentity(name="ssh", how="probed", product="OpenSSH", version="9.2p1")
    state = PortState(transport="tcp", port=22, status=PortStatus.OPEN, identity=identity)
    (service,) = glance(Host("h1"), seen(listening(state))).services
    assert (service.service.port, service.what, service.is_declared) == (22, "OpenSSH 9.2p1", False)


def test_a_host_that_was_never_seen_has_no_facts():
    told = glance(Host("h1"), Evidence({}))
    assert (told.system, told.seen_at, told.services) == ("", None, ())
