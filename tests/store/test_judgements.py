"""Judgements come back as they were saved, however many follow, and what stays the same costs nothing."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secscan.history import Lifecycle, State, settle
from secscan.model import (
    Adjusted,
    Endpoint,
    Finding,
    Judgement,
    Outcome,
    Range,
    Reason,
    Service,
    Severity,
    Subject,
    SubjectLevel,
    Text,
)
from secscan.store import Store, StoreError
from tests.store.samples import (
    ADDRESS,
    AT,
    a_finding,
    a_group_score,
    a_host_score,
    a_judgement,
    a_start,
    addresses,
    later,
    missed,
    ports,
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "a.sqlite", create=True) as store:
        yield store


def judged(store: Store, *findings: Finding, day: float = 0, **changes: Any) -> Judgement:
    """A finished run that says this of web-1, and nothing of any other host."""
    return saved(store, {"web-1": findings}, day=day, **changes)


def saved(
    store: Store, findings: Mapping[str, Sequence[Finding]], *, day: float = 0, **changes: Any
) -> Judgement:
    run = store.begin_run(a_start())
    judgement = a_judgement(run, findings, at=later(day), **changes)
    store.save_judgement(run, judgement, {})
    store.finish(run, later(day))
    return judgement


def count(store: Store, table: str) -> Any:
    with store._database.reading() as connection:
        return connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar()  # noqa: S608 - a table of ours


# --- There and back ------------------------------------------------------------------------------------

SERVICE = Subject.of_service(Service("web-1", "tcp", 443, "www.example.vn"))


@pytest.mark.parametrize(
    "finding",
    [
        a_finding(),
        a_finding(subject=SERVICE, object="TLSv1.0"),
        a_finding(object='<b>"\x1b[31m\u202e\ud800\0\x1a'),
        a_finding(outcome=Outcome.UNKNOWN, reason=Reason.TIMED_OUT, observed_at=None, addresses=()),
        a_finding(outcome=Outcome.ERROR, severity=Severity.INFO, reason=Reason.BUG),
        a_finding(evidence=Text("No values.")),
        a_finding(evidence=Text("{a}{b}{c}", {"b": "Bộ \ud800\0", "a": 2**70, "c": -1})),
    ],
)
def test_a_finding_is_read_back_as_it_was(store: Store, finding: Finding) -> None:
    judged(store, finding)
    assert (list(store.findings()), store.finding(finding.id)) == ([finding], finding)


def test_a_judgement_is_read_back_as_it_was(store: Store) -> None:
    judgement = saved(store, {"web-1": [a_finding(), a_finding(check="port.ftp")][::-1], "web-2": []})
    assert store.judgement() == judgement


def test_scores_are_exact(store: Store) -> None:
    run = store.begin_run(a_start())
    odd = Fraction(10**60 + 1, 3**100)
    judgement = replace(
        a_judgement(run, {}),
        hosts={"web-1": a_host_score("web-1", range=Range(odd, odd + 1), caps=(), critical=False)},
        agencies={"empty": a_group_score("empty", range=None, grade="", domains={})},
        tiers={},
        whole=a_group_score("", meets_baseline=True, critical=True),
    )
    store.save_judgement(run, judgement, {})
    scores = store.scores(run)
    read = (scores.stamp, scores.hosts, scores.agencies, scores.tiers, scores.whole)
    assert read == (judgement.stamp, judgement.hosts, judgement.agencies, judgement.tiers, judgement.whole)


def test_domains_keep_the_order_of_the_profile(store: Store) -> None:
    judged(store)
    assert list(store.scores().hosts["web-1"].domains) == ["tls", "certificates"]


# --- Which judgement -----------------------------------------------------------------------------------


def test_the_newest_finished_and_judged_run_is_meant(store: Store) -> None:
    judged(store, a_finding(check="port.first"))
    judged(store, a_finding(check="port.second"), day=1)
    interrupted = store.begin_run(a_start())
    store.save_judgement(
        interrupted, a_judgement(interrupted, {"web-1": [a_finding(check="port.third")]}), {}
    )
    store.begin_run(a_start())
    assert [finding.check for finding in store.findings()] == ["port.second"]
    assert store.newest_judged_run() == 2


def test_any_run_that_was_judged_can_be_asked_for(store: Store) -> None:
    first = judged(store, a_finding(check="port.first"))
    judged(store, a_finding(check="port.second"), day=1)
    assert store.judgement(1) == first


def test_a_run_judged_again_says_the_new(store: Store) -> None:
    judged(store, a_finding())
    again = a_judgement(1, {"web-1": [a_finding(outcome=Outcome.PASS)]}, at=later(1))
    store.save_judgement(1, again, {})
    assert (store.judgement(1), store.run(1).judged_at) == (again, later(1))


def test_an_older_run_judged_after_a_newer_one_leaves_that_as_it_was(store: Store) -> None:
    interrupted = store.begin_run(a_start())
    second = judged(store, a_finding(check="port.second"))
    late = a_judgement(interrupted, {"web-1": [a_finding(check="port.first")]}, at=later(1))
    store.save_judgement(interrupted, late, {})
    assert (store.judgement(2), store.judgement(1)) == (second, late)


def test_nothing_judged_yet_is_said(store: Store) -> None:
    store.begin_run(a_start())
    with pytest.raises(StoreError, match="no scan was finished and judged yet"):
        store.findings()


def test_a_run_that_was_not_judged_is_named(store: Store) -> None:
    store.begin_run(a_start())
    with pytest.raises(StoreError, match="run 1 was not judged"):
        store.scores(1)


def test_a_run_that_is_not_there_is_named_with_those_that_are(store: Store) -> None:
    store.begin_run(a_start())
    with pytest.raises(StoreError, match="no run 9: runs 1 to 1 are there"):
        store.judgement(9)


def test_a_judgement_of_another_run_is_the_callers_mistake(store: Store) -> None:
    run = store.begin_run(a_start())
    with pytest.raises(ValueError, match="stamped with run 5"):
        store.save_judgement(run, a_judgement(5, {}), {})


def test_a_finding_named_twice_is_the_callers_mistake_and_nothing_is_saved(store: Store) -> None:
    run = store.begin_run(a_start())
    twice = [a_finding(), a_finding(outcome=Outcome.PASS)]
    with pytest.raises(ValueError, match=r"\(port\.telnet on host/web-1\) is there twice"):
        store.save_judgement(run, a_judgement(run, {"web-1": twice}), {})
    assert (count(store, "judgement"), count(store, "score")) == (0, 0)


# --- Which findings ------------------------------------------------------------------------------------


@pytest.fixture
def fleet(store: Store) -> Store:
    findings = {
        "web-1": [a_finding(), a_finding(check="port.ftp", outcome=Outcome.PASS)],
        "web-2": [a_finding("web-2", outcome=Outcome.UNKNOWN)],
        "mail": [a_finding("mail")],
    }
    saved(store, findings, agencies={"ministry": ["web-1", "web-2"], "province": ["mail"], "empty": []})
    return store


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, ["mail port.telnet", "web-1 port.ftp", "web-1 port.telnet", "web-2 port.telnet"]),
        ({"agency": "ministry"}, ["web-1 port.ftp", "web-1 port.telnet", "web-2 port.telnet"]),
        ({"agency": "empty"}, []),
        ({"hosts": ["web-2", "nobody"]}, ["web-2 port.telnet"]),
        ({"hosts": []}, []),
        ({"agency": "ministry", "hosts": ["mail", "web-2"]}, ["web-2 port.telnet"]),
        ({"check": "port.ftp"}, ["web-1 port.ftp"]),
        ({"check": "port.unheard-of"}, []),
        ({"outcomes": [Outcome.FAIL]}, ["mail port.telnet", "web-1 port.telnet"]),
        ({"outcomes": []}, []),
        ({"outcomes": {Outcome.PASS, Outcome.UNKNOWN}}, ["web-1 port.ftp", "web-2 port.telnet"]),
        ({"agency": "ministry", "check": "port.telnet", "outcomes": [Outcome.FAIL]}, ["web-1 port.telnet"]),
    ],
)
def test_findings_are_chosen(fleet: Store, wanted: dict[str, Any], expected: Sequence[str]) -> None:
    assert [f"{finding.subject.host} {finding.check}" for finding in fleet.findings(**wanted)] == expected


def test_an_agency_that_was_not_judged_is_named_with_the_nearest(fleet: Store) -> None:
    with pytest.raises(
        StoreError, match=r"run 1 did not judge an agency 'minstry'; did you mean 'ministry'\?"
    ):
        fleet.findings(agency="minstry")


def test_a_finding_nobody_heard_of_is_none(fleet: Store) -> None:
    assert fleet.finding("F-AAAAAAAAAA") is None


# --- Over time -----------------------------------------------------------------------------------------


def test_what_stays_the_same_is_not_written_again(store: Store) -> None:
    judged(store, a_finding())
    before = [count(store, table) for table in ("finding", "finding_state", "score")]
    judged(store, a_finding(observed_at=later(1)), day=1)
    assert [count(store, table) for table in ("finding", "finding_state", "score")] == before


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": Outcome.PASS},
        {"severity": Severity.LOW},
        {"reason": Reason.STALE},
        {"evidence": Text("Port {port} is open.", {"port": 24})},
        {"evidence": Text("Telnet answers on port {port}.", {"port": 23})},
        {"addresses": (ADDRESS, "192.0.2.2")},
    ],
    ids=lambda change: next(iter(change)),
)
def test_any_change_of_a_finding_is_kept_and_so_is_what_it_was(store: Store, change: dict[str, Any]) -> None:
    first = judged(store, a_finding())
    second = judged(store, a_finding(**change), day=1)
    third = judged(store, a_finding(), day=2)
    assert [store.judgement(run) for run in (1, 2, 3)] == [first, second, third]


def test_a_finding_that_is_gone_stays_in_the_past(store: Store) -> None:
    first = judged(store, a_finding(check="port.ftp"), a_finding())
    second = judged(store, a_finding(), day=1)
    assert [store.judgement(run) for run in (1, 2)] == [first, second]


def test_a_host_that_is_gone_stays_in_the_past(store: Store) -> None:
    first = saved(store, {"web-1": [a_finding()], "web-2": [a_finding("web-2")]})
    second = judged(store, a_finding(), day=1)
    third = saved(store, {"web-1": [a_finding()], "web-2": [a_finding("web-2")]}, day=2)
    assert [store.judgement(run) for run in (1, 2, 3)] == [first, second, third]


def test_what_was_last_said_of_a_finding_that_is_gone(store: Store) -> None:
    judged(store, a_finding())
    judged(store, day=1)
    assert store.finding(a_finding().id) == a_finding()


@pytest.mark.parametrize(
    ("finding", "records", "expected"),
    [
        (a_finding(), [ports(at=later(2))], later(2)),
        (a_finding(), [addresses(at=later(2))], AT),
        (a_finding(), [ports(at=later(4))], AT),
        (a_finding(), [missed(at=later(2))], later(2)),
        (a_finding(), [missed(at=later(2), reason=Reason.INTERRUPTED)], AT),
        (a_finding(), [ports(at=later(-2))], AT),
        (a_finding(observed_at=None), [ports(at=later(2))], None),
        (a_finding(addresses=()), [addresses(at=later(2)), ports(at=later(2.5))], later(2)),
        (a_finding(addresses=(ADDRESS, "192.0.2.2")), [ports(at=later(2))], later(2)),
        (
            a_finding(addresses=(ADDRESS, "192.0.2.2")),
            [ports(at=later(2)), ports(at=later(1), address="192.0.2.2")],
            later(1),
        ),
        (
            a_finding(subject=SERVICE),
            [missed(Endpoint(Service("web-1", "tcp", 443, "www.example.vn"), ADDRESS), later(2), kind="tls")],
            later(2),
        ),
        (
            a_finding(subject=SERVICE),
            [missed(Endpoint(Service("web-1", "tcp", 443, "other"), ADDRESS), later(2), kind="tls")],
            AT,
        ),
        (a_finding(subject=Subject(SubjectLevel.AGENCY, "x")), [ports(at=later(2))], AT),
    ],
    ids=[
        "seen again",
        "something else was seen",
        "seen after the judgement",
        "looked at in vain",
        "not attempted",
        "seen before",
        "never seen",
        "of the host as a whole",
        "at one address of two",
        "at both addresses",
        "of a service",
        "of another service",
        "of an agency",
    ],
)
def test_an_unchanged_finding_was_last_observed_when_its_subject_was(
    store: Store, finding: Finding, records: Sequence[Any], expected: Any
) -> None:
    judged(store, finding)
    run = store.begin_run(a_start())
    store.record(run, records)
    store.save_judgement(run, a_judgement(run, {"web-1": [finding]}, at=later(3)), {})
    store.finish(run, later(3))
    assert [read.observed_at for read in store.findings()] == [expected]
    read_alone = store.finding(finding.id)
    assert read_alone is not None
    assert read_alone.observed_at == expected


def test_a_new_finding_was_observed_when_it_says_so(store: Store) -> None:
    run = store.begin_run(a_start())
    store.record(run, [ports(at=later(2))])
    store.save_judgement(run, a_judgement(run, {"web-1": [a_finding()]}, at=later(3)), {})
    assert [read.observed_at for read in store.findings(run)] == [AT]


# --- Lives ---------------------------------------------------------------------------------------------


def lives(
    *findings: Finding, before: Mapping[str, Lifecycle] | None = None, day: float = 0
) -> dict[str, Lifecycle]:
    return settle(before or {}, findings, later(day))


def test_lives_are_read_back_as_they_were(store: Store) -> None:
    run = store.begin_run(a_start())
    first = lives(a_finding(), a_finding("web-2"))
    store.save_judgement(
        run, a_judgement(run, {"web-1": [a_finding()], "web-2": [a_finding("web-2")]}), first
    )
    passed = a_finding(outcome=Outcome.PASS)
    second = lives(passed, a_finding("web-2"), before=first, day=1)
    store.save_judgement(run, a_judgement(run, {"web-1": [passed], "web-2": [a_finding("web-2")]}), second)
    assert (store.lifecycles(), second[passed.id].state) == (second, State.RESOLVED)


def test_lives_that_did_not_change_need_not_be_named(store: Store) -> None:
    run = store.begin_run(a_start())
    first = lives(a_finding())
    store.save_judgement(run, a_judgement(run, {"web-1": [a_finding()]}), first)
    store.save_judgement(run, a_judgement(run, {"web-1": [a_finding()]}), {})
    assert store.lifecycles() == first


def test_the_lives_of_some_hosts(store: Store) -> None:
    run = store.begin_run(a_start())
    every = lives(a_finding(), a_finding("web-2"))
    store.save_judgement(
        run, a_judgement(run, {"web-1": [a_finding()], "web-2": [a_finding("web-2")]}), every
    )
    assert store.lifecycles(["web-2", "nobody"]) == lives(a_finding("web-2"))
    assert store.lifecycles([]) == {}


def test_a_life_outlives_the_finding_and_the_host(store: Store) -> None:
    run = store.begin_run(a_start())
    known = lives(a_finding())
    store.save_judgement(run, a_judgement(run, {"web-1": [a_finding()]}), known)
    store.save_judgement(run, a_judgement(run, {}), {})
    assert store.lifecycles() == known


def test_a_life_of_a_finding_no_judgement_named_is_kept_too(store: Store) -> None:
    run = store.begin_run(a_start())
    known = lives(a_finding(object="\ud800"), a_finding("gone"))
    store.save_judgement(run, a_judgement(run, {}), known)
    assert store.lifecycles() == known
    judged(store, a_finding(object="\ud800"))
    assert count(store, "finding") == 2


def test_lives_are_told_as_they_stood_after_each_judgement(store: Store) -> None:
    known: dict[str, Lifecycle] = {}
    for day, outcome in enumerate([Outcome.FAIL, Outcome.UNKNOWN, Outcome.PASS]):
        run = store.begin_run(a_start())
        finding = a_finding(outcome=outcome)
        known = lives(finding, before=known, day=day)
        store.save_judgement(run, a_judgement(run, {"web-1": [finding]}, at=later(day)), known)
    first, second = store.moments(1, 2)
    assert [life.state for life in first.lives.values()] == [State.OPEN]
    assert [life.state for life in second.lives.values()] == [State.UNVERIFIED]
    assert [life.state for life in store.moments(2, 3)[1].lives.values()] == [State.RESOLVED]
    assert store.moments(2, 3, hosts=["web-2"])[1].lives == {}


# --- Waivers -------------------------------------------------------------------------------------------


def test_adjusted_scores_are_read_back_as_they_were_and_end_with_the_waivers(store: Store) -> None:
    run = store.begin_run(a_start())
    plain = a_judgement(run, {"web-1": [a_finding()]})
    adjusted = Adjusted(
        hosts={"web-1": a_host_score("web-1", waived=Fraction(15, 2))},
        agencies={"ministry": a_group_score("ministry", waived=Fraction(15, 2))},
        tiers={},
        whole=a_group_score("whole", grade="A"),
    )
    store.save_judgement(run, replace(plain, adjusted=adjusted), {})
    assert store.judgement(run) == replace(plain, adjusted=adjusted)
    assert store.scores(run).adjusted == adjusted
    store.save_judgement(run, plain, {})
    assert store.judgement(run) == plain


def test_what_a_failure_looked_like_when_it_was_waived_is_kept(store: Store) -> None:
    run = store.begin_run(a_start())
    store.save_judgement(run, a_judgement(run, {}), {}, {("w", "F-A"): "first"})
    store.save_judgement(run, a_judgement(run, {}), {}, {("w", "F-A"): "second", ("w", "F-B"): "third"})
    assert store.accepted() == {("w", "F-A"): "first", ("w", "F-B"): "third"}


# --- Any history ---------------------------------------------------------------------------------------

IDENTITIES = [
    (host, subject, check)
    for host in ("web-1", "web-2")
    for subject in (Subject.of_host(host), Subject.of_service(Service(host, "tcp", 443)))
    for check in ("port.telnet", "tls.version")
]


@st.composite
def judgements(draw: st.DrawFn) -> dict[str, list[Finding]]:
    """What a judgement says of up to two hosts: few states of few findings, so that they come back."""
    hosts = draw(st.sets(st.sampled_from(["web-1", "web-2"])))
    findings: dict[str, list[Finding]] = {host: [] for host in hosts}
    for host, subject, check in draw(st.lists(st.sampled_from(IDENTITIES), unique=True)):
        if host in hosts:
            outcome = draw(st.sampled_from([Outcome.PASS, Outcome.FAIL]))
            evidence = Text("{n}", {"n": draw(st.integers(0, 1))})
            # Never looked at: otherwise the time of the newest look is read back.
            finding = a_finding(
                host, check, subject=subject, outcome=outcome, evidence=evidence, observed_at=None
            )
            findings[host].append(finding)
        findings.get(host, []).sort(key=lambda f: (f.subject, f.check, f.object))
    return findings


@settings(deadline=None, max_examples=60)
@given(said=st.lists(st.tuples(judgements(), st.integers(0, 1)), max_size=6))
def test_any_sequence_of_judgements_is_read_back(
    said: Sequence[tuple[dict[str, list[Finding]], int]],
) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        Store.open(Path(folder) / "a.sqlite", create=True) as store,
    ):
        made: list[Judgement] = []
        known: dict[str, Lifecycle] = {}
        for day, (findings, grade) in enumerate(said):
            run = store.begin_run(a_start())
            judgement = a_judgement(run, findings, at=later(day), grade="AB"[grade])
            known = settle(known, [f for of_host in findings.values() for f in of_host], later(day))
            store.save_judgement(run, judgement, known)
            made.append(judgement)
        assert [store.judgement(judgement.stamp.run) for judgement in made] == made
        assert store.lifecycles() == known
        assert store.check() == []


def test_two_findings_that_share_a_name_stay_two(store: Store) -> None:
    # Fifty bits are few enough for two hosts of a large fleet to meet; nothing but the row can show it here.
    saved(store, {"web-1": [a_finding()], "web-2": [a_finding("web-2")]})
    with store._database.writing() as connection:
        connection.exec_driver_sql("UPDATE finding SET name = 'F-SAME'")
    saved(store, {"web-1": [a_finding()], "web-2": [a_finding("web-2", outcome=Outcome.PASS)]}, day=1)
    assert [finding.outcome for finding in store.findings()] == [Outcome.FAIL, Outcome.PASS]
