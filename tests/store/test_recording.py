"""What was seen goes in once and comes out as it was: records, resuming, and the newest evidence as of an instant."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secscan.facts import BUILT_IN, Absent, AddressFacts, Chain, ChainFacts, Facts, TlsFacts, encode
from secscan.model import (
    EARLIER_DAYS,
    EARLIER_LOOKS,
    NOT_AN_ATTEMPT,
    AddressTarget,
    Canary,
    Evidence,
    HostTarget,
    Level,
    Look,
    Misjudged,
    Observation,
    Reason,
    Record,
    Target,
    Unobserved,
)
from secscan.store import RunState, Store, StoreError
from tests.store.samples import ADDRESS, AT, a_start, addresses, an_endpoint, later, missed, port_facts, ports

LONG_AFTER = later(1000)
SOON_AFTER = later(30)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "a.sqlite", create=True) as store:
        yield store


def evidence(store: Store, host: str = "web-1", at: datetime = LONG_AFTER) -> Evidence:
    ((name, found),) = store.evidence(at, [host])
    assert name == host
    return found


def recorded_in_runs(store: Store, *runs: Sequence[Record]) -> None:
    for records in runs:
        store.record(store.begin_run(a_start()), records)


def newest(store: Store, **more: Any) -> Record:
    """The only newest record about the host."""
    (record,) = evidence(store, **more).newest.values()
    return record


# --- Records -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "record",
    [
        addresses(),
        ports(),
        replace(ports(), volatile={"uptime": "3 days", "note": "ghế \udcff\0"}),
        Observation(an_endpoint(), "sslyze", "tls", AT, Absent(heard="HTTP/1.1 400")),
        Observation(an_endpoint(server_name=""), "sslyze", "tls", AT, Absent(heard="")),
        Observation(
            an_endpoint(address="2001:db8::1"),
            "sslyze",
            "chain",
            AT,
            ChainFacts(chains=(Chain(slot="RSA", certificates=(bytes(range(256)) * 20,)),)),
        ),
        missed(),
        missed(
            an_endpoint(server_name="a/b"), kind="tls", reason=Reason.REFUSED, detail="Connection refused"
        ),
        missed(detail="half a surrogate \ud800, a NUL \0, an escape \x1b[31m, \x1a"),
        missed(detail="\x1a as the first letter"),
        missed(detail="Máy chủ không trả lời" * 500),
    ],
    ids=lambda record: f"{record.kind}-{type(record).__name__}",
)
def test_a_record_is_read_back_as_it_was(store: Store, record: Record) -> None:
    recorded_in_runs(store, [record])
    assert evidence(store).newest == {(record.target, record.kind): record}


def test_an_instant_is_kept_whatever_zone_it_is_written_in(store: Store) -> None:
    hanoi = timezone(timedelta(hours=7))
    recorded_in_runs(store, [ports(at=AT.astimezone(hanoi))])
    assert newest(store).observed_at == AT


def test_a_record_without_a_time_zone_is_the_callers_mistake(store: Store) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        recorded_in_runs(store, [ports(at=AT.replace(tzinfo=None))])


def test_a_question_without_a_time_zone_is_the_callers_mistake(store: Store) -> None:
    recorded_in_runs(store, [ports()])
    with pytest.raises(ValueError, match="no time zone"):
        evidence(store, at=AT.replace(tzinfo=None))


@pytest.mark.parametrize(
    "target",
    [HostTarget("web 1"), AddressTarget("web-1", ""), an_endpoint(server_name="a b")],
    ids=["space", "empty", "space in a name"],
)
def test_a_target_that_cant_be_read_back_is_the_callers_mistake(store: Store, target: Target) -> None:
    with pytest.raises(ValueError, match="key"):
        recorded_in_runs(store, [missed(target)])


def test_facts_that_no_json_can_hold_are_a_bug_of_the_collector(store: Store) -> None:
    odd = Observation(
        HostTarget("web-1"),
        "names",
        "addresses",
        AT,
        AddressFacts(addresses=(object(),), by_name={}),  # type: ignore[arg-type]  # on purpose
    )
    recorded_in_runs(store, [odd, ports()])
    record = evidence(store).newest[HostTarget("web-1"), "addresses"]
    assert isinstance(record, Unobserved)
    assert (record.reason, record.detail[:31]) == (Reason.BUG, "What was seen can't be stored: ")


def test_a_run_that_was_not_begun_takes_no_records(store: Store) -> None:
    with pytest.raises(StoreError, match="no run 7: nothing was scanned yet"):
        store.record(7, [ports()])


def test_the_same_facts_are_kept_once(store: Store) -> None:
    recorded_in_runs(store, [ports("web-1"), ports("web-2")], [ports("web-1", later(1))])
    with store._database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM facts").scalar() == 1


# --- One run, resumed ----------------------------------------------------------------------------------


def test_what_is_recorded_again_stays_as_it_was(store: Store) -> None:
    run = store.begin_run(a_start())
    store.record(run, [ports()])
    store.record(run, [ports(at=later(1), open=[22]), addresses()])
    assert evidence(store).newest[AddressTarget("web-1", ADDRESS), "ports"] == ports()


def test_an_attempt_takes_the_place_of_none(store: Store) -> None:
    run = store.begin_run(a_start())
    store.record(run, [missed(reason=Reason.INTERRUPTED)])
    store.record(run, [ports(at=later(1))])
    assert newest(store) == ports(at=later(1))


def test_an_attempt_is_not_replaced_by_none(store: Store) -> None:
    run = store.begin_run(a_start())
    store.record(run, [ports(), missed(reason=Reason.INTERRUPTED, at=later(1))])
    assert newest(store) == ports()


def test_collectors_dont_replace_each_other(store: Store) -> None:
    run = store.begin_run(a_start())
    quick = replace(ports(at=later(1)), collector="quick")
    store.record(run, [ports(), quick])
    assert [newest(store, at=AT), newest(store)] == [ports(), quick]


def test_what_a_run_attempted_is_not_left_to_do(store: Store) -> None:
    recorded_in_runs(store, [addresses()])
    run = store.begin_run(a_start())
    later_missed = missed(reason=Reason.OUT_OF_WINDOW)
    store.record(run, [ports("web-2"), missed(an_endpoint(), kind="tls"), later_missed])
    assert store.recorded(run) == {
        (f"web-2 {ADDRESS}", "ports"),
        (f"web-1 {ADDRESS} tcp/443/www.example.vn", "tls"),
    }


# --- The newest evidence -------------------------------------------------------------------------------


def test_hosts_come_in_the_order_asked_for_seen_or_not(store: Store) -> None:
    recorded_in_runs(store, [ports("web-2"), ports("web-1")])
    found = list(store.evidence(AT, ["web-2", "nobody", "web-1"]))
    assert [(host, len(evidence.newest)) for host, evidence in found] == [
        ("web-2", 1),
        ("nobody", 0),
        ("web-1", 1),
    ]


@pytest.mark.parametrize(("microseconds", "expected"), [(-1, None), (0, ports()), (1, ports())])
def test_evidence_counts_up_to_the_instant_asked_for(
    store: Store, microseconds: int, expected: Record | None
) -> None:
    recorded_in_runs(store, [ports()])
    at = later(microseconds=microseconds)
    assert evidence(store, at=at).newest.get((ports().target, "ports")) == expected


def test_a_failed_attempt_supersedes_and_what_was_seen_stays_known(store: Store) -> None:
    recorded_in_runs(store, [ports()], [missed(at=later(1))])
    target = (ports().target, "ports")
    assert evidence(store) == Evidence({target: missed(at=later(1))}, {target: ports()})


@pytest.mark.parametrize("reason", sorted(NOT_AN_ATTEMPT))
def test_no_attempt_supersedes_nothing(store: Store, reason: Reason) -> None:
    recorded_in_runs(store, [ports()], [missed(at=later(1), reason=reason)])
    assert newest(store) == ports()


def test_what_was_seen_again_leaves_nothing_older_to_know(store: Store) -> None:
    recorded_in_runs(store, [ports()], [missed(at=later(1))], [ports(at=later(2))])
    assert evidence(store).seen == {}


def test_a_run_resumed_late_does_not_hide_newer_evidence(store: Store) -> None:
    first = store.begin_run(a_start())
    second = store.begin_run(a_start())
    store.record(second, [ports(at=later(1))])
    store.record(first, [ports(at=AT)])
    assert newest(store) == ports(at=later(1))


# --- What earlier runs saw otherwise ---------------------------------------------------------------------


def spoken(*, early_data: bool = False) -> TlsFacts:
    return TlsFacts(versions=(), early_data=early_data)


def tls(facts: TlsFacts | Absent, at: datetime) -> Observation[Any]:
    return Observation(an_endpoint(), "sslyze", "tls", at, facts)


def looks(store: Store, kind: str = "ports", at: datetime = SOON_AFTER) -> list[tuple[Any, datetime]]:
    """The earlier looks of the only target that has any of this kind."""
    found = [of_one for (_, of), of_one in evidence(store, at=at).earlier.items() if of == kind]
    return [(look.facts, look.observed_at) for of_one in found for look in of_one]


def test_what_was_seen_otherwise_is_told_once_with_the_last_instant_it_was_seen(store: Store) -> None:
    recorded_in_runs(
        store,
        [ports(open=[22])],
        [ports(at=later(1), open=[22])],
        [ports(at=later(2), open=[80])],
        [ports(at=later(3), open=[443])],
        [ports(at=later(4), open=[443])],
    )
    assert looks(store) == [(port_facts([80]), later(2)), (port_facts([22]), later(1))]


def test_what_never_changed_has_no_earlier_look(store: Store) -> None:
    recorded_in_runs(store, [ports()], [ports(at=later(1))])
    assert looks(store) == []


def test_the_past_is_that_of_the_instant_asked_for(store: Store) -> None:
    recorded_in_runs(store, *([ports(at=later(n), open=[n + 1])] for n in range(3)))
    assert looks(store, at=later(1)) == [(port_facts([1]), AT)]


def test_what_another_collector_of_the_same_run_saw_is_no_past(store: Store) -> None:
    recorded_in_runs(store, [ports(open=[22]), replace(ports(at=later(1), open=[80]), collector="other")])
    assert looks(store) == []


def test_what_was_seen_before_a_failed_attempt_is_told_too(store: Store) -> None:
    recorded_in_runs(store, [ports(open=[22])], [ports(at=later(1))], [missed(at=later(2))])
    assert looks(store) == [(port_facts(), later(1)), (port_facts([22]), AT)]


@pytest.mark.parametrize(("seconds", "told"), [(0, 1), (1, 0)])
def test_the_past_ends(store: Store, seconds: int, told: int) -> None:
    recorded_in_runs(store, [ports(open=[22])], [ports(at=later(1))])
    assert len(looks(store, at=later(EARLIER_DAYS, seconds=seconds))) == told


def test_facts_that_differ_each_time_leave_so_many_looks_and_no_more(store: Store) -> None:
    recorded_in_runs(store, *([ports(at=later(n), open=[n + 1])] for n in range(EARLIER_LOOKS + 3)))
    newest_first = [later(n) for n in reversed(range(2, EARLIER_LOOKS + 2))]
    assert [at for _, at in looks(store)] == newest_first


def test_where_there_is_nothing_any_more_what_there_was_is_told(store: Store) -> None:
    """Even where what is heard instead is different every time."""
    silent = [[tls(Absent(heard=f"It is now {n}"), later(n))] for n in range(1, EARLIER_LOOKS + 4)]
    recorded_in_runs(store, [tls(spoken(), AT)], *silent)
    assert looks(store, "tls") == [(spoken(), AT)]


def test_where_it_is_still_there_nothing_earlier_is_read_unless_the_kind_says_so(store: Store) -> None:
    recorded_in_runs(store, [tls(spoken(), AT)], [tls(spoken(early_data=True), later(1))])
    assert looks(store, "tls") == []


def test_what_a_run_in_quarantine_saw_is_no_past(store: Store) -> None:
    run = store.begin_run(a_start())
    store.record(run, [ports(open=[22])])
    store.quarantine(run, [Misjudged("web-1", Canary.GOOD)], AT)
    recorded_in_runs(store, [ports(at=later(1))])
    assert looks(store) == []


def test_an_earlier_look_that_cant_be_read_any_more_is_left_out(store: Store) -> None:
    class RecalledGadgets(Gadgets, frozen=True, kw_only=True):
        recalled: ClassVar[bool] = True

    first = [gadgets(FirstGadgets(count=count), later(n)) for n, count in enumerate((5, 0, 2))]
    recorded_in_runs(store, *([record] for record in first))
    assert looks(reopened(store, {"gadgets": RecalledGadgets}), "gadgets") == [(RecalledGadgets(count=2), AT)]


# --- Facts that can't be read any more -----------------------------------------------------------------


class Gadgets(Facts, frozen=True, kw_only=True):
    """A kind of fact of a plug-in, in its second version."""

    kind: ClassVar[str] = "gadgets"
    level: ClassVar[Level] = Level.HOST
    version: ClassVar[int] = 2
    upgrades: ClassVar[Mapping[int, Any]] = {1: lambda old: {"count": 10 // old["count"]}}

    count: int


class FirstGadgets(Facts, frozen=True, kw_only=True):
    """The same kind in its first version."""

    kind: ClassVar[str] = "gadgets"
    level: ClassVar[Level] = Level.HOST

    count: int


def gadgets(facts: Facts, at: datetime = AT) -> Observation[Any]:
    return Observation(HostTarget("web-1"), "plug-in", "gadgets", at, facts)


def reopened(store: Store, kinds: Mapping[str, type[Facts]]) -> Store:
    store.close()
    assert store._database.path is not None
    return Store.open(store._database.path, kinds={**BUILT_IN, **kinds})


def test_facts_of_an_older_version_are_upgraded(store: Store) -> None:
    recorded_in_runs(store, [gadgets(FirstGadgets(count=2))])
    assert newest(reopened(store, {"gadgets": Gadgets})) == gadgets(Gadgets(count=5))


@pytest.mark.parametrize(
    ("facts", "kinds", "detail"),
    [
        (FirstGadgets(count=0), {"gadgets": Gadgets}, "cannot be read: integer division"),
        (Gadgets(count=1), {"gadgets": FirstGadgets}, "know"),
        (Gadgets(count=1), {}, "is its plug-in missing?"),
    ],
    ids=["the upgrade fails", "newer than ours", "no such kind"],
)
def test_facts_that_cant_be_read_are_unobserved(
    store: Store, facts: Facts, kinds: Mapping[str, type[Facts]], detail: str
) -> None:
    recorded_in_runs(store, [gadgets(facts), ports()])
    found = evidence(reopened(store, kinds))
    record = found.newest[HostTarget("web-1"), "gadgets"]
    assert isinstance(record, Unobserved)
    assert (record.reason, detail in record.detail) == (Reason.UNPARSED, True)
    assert found.newest[ports().target, "ports"] == ports()


def test_the_newest_readable_facts_stay_known(store: Store) -> None:
    good, bad = FirstGadgets(count=2), FirstGadgets(count=0)
    unseen = replace(missed(HostTarget("web-1"), later(3)), kind="gadgets", collector="plug-in")
    recorded_in_runs(store, [gadgets(good)], [gadgets(bad, later(1))], [gadgets(bad, later(2))], [unseen])
    reader = reopened(store, {"gadgets": Gadgets})
    about = (HostTarget("web-1"), "gadgets")
    assert evidence(reader).seen[about] == gadgets(Gadgets(count=5))
    assert evidence(reader, at=later(2)).seen[about] == gadgets(Gadgets(count=5))


# --- Runs ----------------------------------------------------------------------------------------------


def test_a_run_is_read_back_as_it_was_begun(store: Store) -> None:
    start = a_start(
        plan={"hosts": ["web-1"], "big": 2**70},
        inventory={"bo-y-te": {"names": {"vi": "Bộ Y tế"}}, "bo-z": {}},
        inventory_hash="i",
        scope_hash="s",
        profile="network",
        profile_hash="p",
        domains=("tls", "ports"),
        scoring_version=3,
        checks_version="c",
    )
    run = store.begin_run(start)
    info = store.run(run)
    kept = ("started_at", "inventory_hash", "scope_hash", "profile", "profile_hash", "domains")
    kept += ("scoring_version", "checks_version", "secscan_version")
    assert {name: getattr(info, name) for name in kept} == {name: getattr(start, name) for name in kept}
    assert (store.plan(run), store.inventory_of(run)) == (start.plan, start.inventory)


def test_a_run_goes_through_its_states(store: Store) -> None:
    run = store.begin_run(a_start())
    states = [(store.run(run).state, store.run(run).finished_at)]
    store.set_state(run, RunState.INTERRUPTED, later(1))
    states.append((store.run(run).state, store.run(run).finished_at))
    store.set_state(run, RunState.RUNNING, later(2))
    states.append((store.run(run).state, store.run(run).finished_at))
    store.finish(run, later(3))
    states.append((store.run(run).state, store.run(run).finished_at))
    assert states == [
        (RunState.RUNNING, None),
        (RunState.INTERRUPTED, later(1)),
        (RunState.RUNNING, None),
        (RunState.FINISHED, later(3)),
    ]


def test_a_run_whose_process_died_is_interrupted_when_the_next_begins(store: Store) -> None:
    first = store.begin_run(a_start())
    second = store.begin_run(a_start())
    assert [store.run(run).state for run in (first, second)] == [RunState.INTERRUPTED, RunState.RUNNING]


def test_runs_are_listed_newest_first_up_to_a_limit(store: Store) -> None:
    runs = [store.begin_run(a_start()) for _ in range(4)]
    assert [info.id for info in store.runs(3)] == [runs[3], runs[2], runs[1]]


def test_the_same_plan_is_kept_once(store: Store) -> None:
    for _ in range(3):
        store.begin_run(a_start(inventory={"a": {"x": 1}, "b": {"x": 1}}))
    with store._database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM document").scalar() == 2


# --- Any history ---------------------------------------------------------------------------------------

HOSTS = ("web-1", "web-2", "nobody")
TEXTS = st.text(st.characters(), max_size=20)
#: Few instants, so that records meet in the same microsecond.
INSTANTS = st.integers(0, 5).map(lambda n: later(microseconds=n))


@st.composite
def records(draw: st.DrawFn) -> Record:
    host = draw(st.sampled_from(HOSTS[:2]))
    target, kind = draw(
        st.sampled_from(
            [
                (HostTarget(host), "addresses"),
                (AddressTarget(host, ADDRESS), "ports"),
                (an_endpoint(host), "tls"),
                (an_endpoint(host, ""), "tls"),
            ]
        )
    )
    collector, at = draw(st.sampled_from(["ports", "quick"])), draw(INSTANTS)
    if draw(st.booleans()):
        return Unobserved(target, collector, kind, at, draw(st.sampled_from(Reason)), draw(TEXTS))
    facts: Any = Absent(heard=draw(st.text(max_size=5)))
    if kind == "ports":
        facts = port_facts(draw(st.lists(st.integers(1, 3), max_size=2)))
    elif kind == "tls" and draw(st.booleans()):
        facts = spoken(early_data=draw(st.booleans()))
    return Observation(target, collector, kind, at, facts, draw(st.dictionaries(TEXTS, TEXTS, max_size=2)))


@dataclass
class Naive:
    """The store in three rules: what is kept, what is newest, and what was seen before it."""

    kept: dict[tuple[int, Target, str, str], Record] = field(default_factory=dict)

    def record(self, run: int, batch: Sequence[Record]) -> None:
        for record in batch:
            key = (run, record.target, record.kind, record.collector)
            if key not in self.kept or (not is_attempt(self.kept[key]) and is_attempt(record)):
                self.kept[key] = record

    def evidence(self, host: str, at: datetime) -> Evidence:
        by_age = sorted(
            (
                (record.observed_at, run, collector, (target, kind), record)
                for (run, target, kind, collector), record in self.kept.items()
                if target.host == host and record.observed_at <= at and is_attempt(record)
            ),
            key=lambda aged: aged[:3],
        )
        newest = {about: record for *_, about, record in by_age}
        seen = {about: record for *_, about, record in by_age if isinstance(record, Observation)}
        run_of = {about: run for _, run, _, about, _ in by_age}
        earlier: dict[Any, dict[Any, Look[Any]]] = {}
        for at, run, _, about, record in by_age:
            last = newest[about]
            gone = isinstance(last, Observation) and isinstance(last.facts, Absent)
            if not isinstance(record, Observation) or isinstance(record.facts, Absent):
                continue
            if (about[1] == "ports" or gone) and run != run_of[about] and not same_facts(record, last):
                earlier.setdefault(about, {})[encode(record.facts)] = Look(record.facts, at)
        return in_one_order(
            Evidence(
                newest,
                {about: seen[about] for about in seen if isinstance(newest[about], Unobserved)},
                {about: tuple(looks.values()) for about, looks in earlier.items()},
            )
        )


def same_facts(record: Record, other: Record) -> bool:
    return isinstance(record, Observation) and isinstance(other, Observation) and record.facts == other.facts


def in_one_order(evidence: Evidence) -> Evidence:
    """Looks of the same instant come in any order."""
    return replace(
        evidence,
        earlier={
            about: tuple(sorted(looks, key=lambda look: (-look.observed_at.timestamp(), encode(look.facts))))
            for about, looks in evidence.earlier.items()
        },
    )


def is_attempt(record: Record) -> bool:
    return isinstance(record, Observation) or record.reason not in NOT_AN_ATTEMPT


@settings(deadline=None, max_examples=80)
@given(
    batches=st.lists(st.tuples(st.integers(1, 3), st.lists(records(), min_size=1, max_size=6)), max_size=6),
    at=st.lists(INSTANTS, min_size=1, max_size=3),
)
def test_any_history_gives_the_evidence_of_the_naive_store(
    batches: Sequence[tuple[int, Sequence[Record]]], at: Sequence[datetime]
) -> None:
    naive = Naive()
    with (
        tempfile.TemporaryDirectory() as folder,
        Store.open(Path(folder) / "a.sqlite", create=True) as store,
    ):
        for _ in range(3):
            store.begin_run(a_start())
        for run, batch in batches:
            store.record(run, batch)
            naive.record(run, batch)
        for instant in at:
            found = dict(store.evidence(instant, HOSTS))
            for of_one in (looks for evidence in found.values() for looks in evidence.earlier.values()):
                instants = [look.observed_at for look in of_one]
                assert instants == sorted(instants, reverse=True)
            found = {host: in_one_order(evidence) for host, evidence in found.items()}
            assert found == {host: naive.evidence(host, instant) for host in HOSTS}
        for run in (1, 2, 3):
            assert store.recorded(run) == {
                (target.key, kind)
                for (of, target, kind, _), record in naive.kept.items()
                if of == run and is_attempt(record)
            }
        assert store.check() == []


def test_evidence_of_many_hosts_comes_in_chunks(store: Store) -> None:
    hosts = [f"host-{n}" for n in range(600)]
    recorded_in_runs(store, [ports(host, at=datetime(2026, 1, 1, tzinfo=UTC)) for host in hosts])
    assert [host for host, found in store.evidence(AT, hosts) if found.newest] == hosts
