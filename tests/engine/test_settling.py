"""A stored fleet is judged in batches, here or in other processes, and comes to what one look at all of it comes to."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta, timezone
from pathlib import Path

import pytest

from secscan.baseline import Baseline, load_baseline
from secscan.check import Check
from secscan.engine.crew import Crew
from secscan.engine.judging import judge_fleet
from secscan.engine.references import what_is_known
from secscan.engine.run import Means, judge
from secscan.engine.settling import HOSTS_A_PROCESS, Settling, crew_size
from secscan.engine.stamping import stamp
from secscan.history import State, settle
from secscan.model import Agency, Canary, Finding, Host, Inventory, Membership, Outcome, Waiver
from secscan.registry import find_checks
from secscan.scope import scope_of_addresses
from secscan.store import Store
from secscan.workspace.anchors import Authorities
from tests.store.samples import ADDRESS, a_start, addresses, later, missed, ports

HOSTS = tuple(f"h{n}" for n in range(1, 7))
AT = later(1)


@pytest.fixture(scope="module")
def checks() -> dict[str, Check]:
    return dict(find_checks())


@pytest.fixture(scope="module")
def baseline(checks: dict[str, Check]) -> Baseline:
    return load_baseline("network", checks)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "secscan.db", create=True) as store:
        yield store


def an_inventory(*hosts: str, canary: Canary | None = None) -> Inventory:
    return Inventory(
        {"a": Agency("a", {}, "central"), "b": Agency("b", {}, "province"), "none": Agency("none", {})},
        {id: Host(id, (ADDRESS,), criticality=n, canary=canary) for n, id in enumerate(hosts, 1)},
        tuple(Membership(id, "ab"[n % 2]) for n, id in enumerate(hosts)),
    )


def look(store: Store, day: float, **open: tuple[int, ...]) -> int:
    run = store.begin_run(a_start(started_at=later(day)))
    for host, found in open.items():
        store.record(run, [addresses(host, later(day)), ports(host, later(day), open=found)])
    return run


def means(store: Store, checks: dict[str, Check], baseline: Baseline, *waivers: Waiver) -> Means:
    return Means(
        store=store,
        checks=checks,
        baseline=baseline,
        scope=scope_of_addresses([ADDRESS]),
        probe_log=None,
        workers=1,
        waivers=waivers,
    )


def a_waiver(**changes: str) -> Waiver:
    return Waiver("because", "us", "them", AT.date() + timedelta(days=30), **changes)


def a_settling(store: Store, checks: dict[str, Check], baseline: Baseline) -> Settling:
    inventory = an_inventory(*HOSTS)
    return Settling(
        location=store.location,
        inventory=inventory,
        baseline=baseline,
        known=what_is_known(store, inventory, [baseline], AT, anchors=Authorities(), feeds=None, known=AT),
        at=AT,
        standing=frozenset(checks),
        waivers=(a_waiver(check="port.remote-login"),),
    )


def failing(findings: Iterator[Finding] | tuple[Finding, ...]) -> set[tuple[str, str]]:
    return {(f.subject.id, f.check) for f in findings if f.outcome is Outcome.FAIL}


def test_other_processes_come_to_the_same(store: Store, checks: dict[str, Check], baseline: Baseline) -> None:
    look(store, 0, h1=(23, 443), h2=(22,), h4=())
    settling = a_settling(store, checks, baseline)
    tasks = [HOSTS[:2], HOSTS[2:4], HOSTS[4:]]
    with Crew(settling, 0) as here, Crew(settling, 2) as there:
        assert list(there.do(tasks)) == list(here.do(tasks))


def test_batches_come_to_what_one_look_at_all_comes_to(
    store: Store, checks: dict[str, Check], baseline: Baseline
) -> None:
    run = look(store, 0, h1=(23, 443), h2=(22,), h4=())
    inventory = an_inventory(*HOSTS)
    judged = judge(run, inventory, means(store, checks, baseline), at=AT)
    known = what_is_known(store, inventory, [baseline], AT, anchors=Authorities(), feeds=None, known=AT)
    whole = judge_fleet(
        inventory,
        store.evidence(AT, HOSTS),
        baseline=baseline,
        references=known.references(),
        stamp=stamp(run=run, at=AT, baseline=baseline, inventory=inventory),
    )
    store.finish(run, AT)
    assert (judged.hosts, judged.agencies, judged.tiers, judged.whole) == (
        whole.hosts,
        whole.agencies,
        whole.tiers,
        whole.whole,
    )
    assert store.judgement(run).findings == whole.findings
    every = [finding for of_host in whole.findings.values() for finding in of_host]
    assert store.lifecycles() == settle({}, every, AT)


def test_what_is_returned_holds_the_failures_alone(
    store: Store, checks: dict[str, Check], baseline: Baseline
) -> None:
    run = look(store, 0, h1=(23,), h2=(22,))
    judged = judge(run, an_inventory("h1", "h2"), means(store, checks, baseline), at=AT)
    kept = [finding for of_host in judged.findings.values() for finding in of_host]
    assert {finding.outcome for finding in kept} == {Outcome.FAIL}
    assert ("h1", "port.remote-login") in failing(tuple(kept))


def test_a_second_judgement_settles_with_the_first(
    store: Store, checks: dict[str, Check], baseline: Baseline
) -> None:
    inventory = an_inventory("h1", "h2")
    first = look(store, 0, h1=(23,), h2=(23,))
    judge(first, inventory, means(store, checks, baseline), at=later(0.1))
    store.finish(first, later(0.2))
    second = look(store, 1, h1=(22,))
    store.record(second, [missed(addresses("h2").target, later(1), kind="addresses")])
    judge(second, inventory, means(store, checks, baseline), at=later(1.1))
    states = {
        life.subject.id: life.state
        for life in store.lifecycles().values()
        if life.check == "port.remote-login"
    }
    assert states == {"h1": State.RESOLVED, "h2": State.UNVERIFIED}


def test_the_findings_of_a_host_that_is_gone_are_retired(
    store: Store, checks: dict[str, Check], baseline: Baseline
) -> None:
    first = look(store, 0, h1=(23,), h2=(23,))
    judge(first, an_inventory("h1", "h2"), means(store, checks, baseline), at=later(0.1))
    second = look(store, 1, h1=(23,))
    judge(second, an_inventory("h1"), means(store, checks, baseline), at=later(1.1))
    store.finish(second, later(2))
    states = {
        life.subject.id: life.state
        for life in store.lifecycles().values()
        if life.check == "port.remote-login"
    }
    assert states == {"h1": State.OPEN, "h2": State.RETIRED}
    assert {finding.subject.id for finding in store.findings(second)} == {"h1"}


def test_what_is_waived_is_weighed_and_marked(
    store: Store, checks: dict[str, Check], baseline: Baseline
) -> None:
    run = look(store, 0, h1=(23,), h2=(22,))
    waiver = a_waiver(check="port.remote-login")
    judged = judge(run, an_inventory("h1", "h2"), means(store, checks, baseline, waiver), at=AT)
    (life,) = [life for life in store.lifecycles().values() if life.check == "port.remote-login"]
    assert life.waiver == waiver.key
    assert judged.adjusted is not None
    assert judged.adjusted.hosts.keys() == {"h1"}
    assert {key for key, _finding in store.accepted()} == {waiver.key}


@pytest.mark.parametrize(("hours", "lifted"), [(0, True), (13, False)])
def test_a_waiver_ends_with_the_day_of_the_operator(
    store: Store, checks: dict[str, Check], baseline: Baseline, hours: int, lifted: bool
) -> None:
    """At noon in Greenwich the next day has begun in Tonga."""
    run = look(store, 0, h1=(23,))
    waiver = Waiver("because", "us", "them", AT.date(), check="port.remote-login")
    zone = timezone(timedelta(hours=hours))
    judged = judge(run, an_inventory("h1"), replace(means(store, checks, baseline, waiver), zone=zone), at=AT)
    assert judged is not None
    assert (judged.adjusted is not None) is lifted


def test_a_misjudged_canary_leaves_nothing_behind(
    store: Store, checks: dict[str, Check], baseline: Baseline
) -> None:
    run = look(store, 0, h1=(23,))
    canaries = an_inventory("h1", canary=Canary.GOOD)
    judge(run, canaries, means(store, checks, baseline), at=AT, looked_at=["h1"])
    assert [wrong.host for wrong in store.run(run).quarantine] == ["h1"]
    assert (store.lifecycles(), store.judged_hosts(), store.chain().links) == ({}, [], 0)


def some_canaries(**canaries: Canary) -> Inventory:
    inventory = an_inventory("h1", "h2", "h3")
    hosts = {id: replace(host, canary=canaries.get(id)) for id, host in inventory.hosts.items()}
    return replace(inventory, hosts=hosts)


def test_a_canary_that_is_judged_rightly_counts_nowhere(
    store: Store, checks: dict[str, Check], baseline: Baseline
) -> None:
    run = look(store, 0, h1=(23,), h2=(23,), h3=())
    given = means(store, checks, baseline)
    judgement = judge(run, some_canaries(h1=Canary.BAD), given, at=AT, looked_at=["h1", "h2", "h3"])
    assert judgement is not None
    assert (sorted(judgement.hosts), sorted(judgement.findings)) == (["h2", "h3"], ["h2", "h3"])
    assert [group.members for group in judgement.agencies.values()] == [("h3",), ("h2",), ()]
    assert {finding.subject.id for finding in store.findings(run)} == {"h2", "h3"}
    assert {life.subject.id for life in store.lifecycles().values()} <= {"h2", "h3"}


def test_a_canary_weighs_nothing(store: Store, checks: dict[str, Check], baseline: Baseline) -> None:
    """The scores are those of a fleet without it."""
    look(store, 0, h1=(23,), h2=(23,), h3=())
    with_it = some_canaries(h1=Canary.BAD)
    without = replace(with_it, memberships=tuple(m for m in with_it.memberships if m.host != "h1"))
    judged = [
        judge_fleet(
            inventory,
            store.evidence(AT, HOSTS),
            baseline=baseline,
            references={},
            stamp=stamp(run=None, at=AT, baseline=baseline, inventory=without),
        )
        for inventory in (with_it, without)
    ]
    assert judged[0] == judged[1]


def test_what_was_open_on_a_host_that_became_a_canary_is_retired(
    store: Store, checks: dict[str, Check], baseline: Baseline
) -> None:
    given = means(store, checks, baseline)
    judge(look(store, 0, h1=(23,), h2=(23,)), some_canaries(), given, at=AT)
    judge(look(store, 0.1, h1=(23,)), some_canaries(h1=Canary.BAD), given, at=later(2), looked_at=["h1"])
    states = {
        (life.subject.id, life.state)
        for life in store.lifecycles().values()
        if life.check == "port.remote-login"
    }
    assert states == {("h1", State.RETIRED), ("h2", State.OPEN)}


def test_a_canary_that_was_not_looked_at_says_nothing_of_the_run(
    store: Store, checks: dict[str, Check], baseline: Baseline
) -> None:
    run = look(store, 0, h2=())
    assert judge(run, some_canaries(h1=Canary.BAD), means(store, checks, baseline), at=AT, looked_at=["h2"])
    assert store.run(run).quarantine == ()


def test_an_error_in_the_middle_leaves_nothing_behind(
    store: Store, checks: dict[str, Check], baseline: Baseline
) -> None:
    run = look(store, 0, h1=(23,))
    inventory = an_inventory("h1", "h2")
    broken = Inventory(inventory.agencies, inventory.hosts, (*inventory.memberships, Membership("h3", "a")))
    with pytest.raises(KeyError, match="h3"):
        judge(run, broken, means(store, checks, baseline), at=AT)
    assert (store.lifecycles(), store.judged_hosts(), store.chain().links) == ({}, [], 0)


def test_a_judgement_that_is_not_completed_is_not_stored(
    store: Store, checks: dict[str, Check], baseline: Baseline
) -> None:
    run = look(store, 0, h1=(23,))
    settling = a_settling(store, checks, baseline)
    stamped = stamp(run=run, at=AT, baseline=baseline, inventory=settling.inventory)
    with Crew(settling, 0) as crew:
        (batch,) = crew.do([HOSTS])

    def save() -> None:
        with store.saving(run, stamped) as saving:
            saving.add(batch.changes, batch.lives)

    with pytest.raises(ValueError, match="not completed"):
        save()
    assert store.judged_hosts() == []


@pytest.mark.parametrize(
    ("hosts", "processes", "size"),
    [
        (2 * HOSTS_A_PROCESS - 1, 8, 0),
        (2 * HOSTS_A_PROCESS, 8, 2),
        (2 * HOSTS_A_PROCESS, 1, 0),
        (99 * HOSTS_A_PROCESS, 8, 8),
    ],
)
def test_processes_are_started_where_they_are_worth_it(hosts: int, processes: int, size: int) -> None:
    assert crew_size(hosts, processes) == size
