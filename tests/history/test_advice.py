"""What to fix first: gains by hand, and how far the greedy way is from the best on cases small enough to try all."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secscan.history.advice import Advice, Fix, Hosts, advise, fixes
from secscan.model import Finding, Outcome, Severity, Subject, Text
from secscan.scoring import score_agency, score_host
from tests.rules import COMPRESSION, EARLY_DATA, HEARTBLEED, baseline, telnet

BASELINE = baseline()
CHECKS = {c.id: c for c in (HEARTBLEED, COMPRESSION, EARLY_DATA, telnet)}
F, P, U = Outcome.FAIL, Outcome.PASS, Outcome.UNKNOWN


def finding(host: str, check: str, outcome: Outcome = F, says: str = "seen", object: str = "") -> Finding:
    return Finding(Subject.of_host(host), check, object, outcome, CHECKS[check].severity, Text(says))


def agency(**failing: Iterable[str]) -> Hosts:
    """Hosts on which all passes but the checks named."""
    found = {
        host: tuple(finding(host, id, F if id in set(bad) else P) for id in sorted(CHECKS))
        for host, bad in failing.items()
    }
    return Hosts(found, dict.fromkeys(found, 1), lambda _host: BASELINE)


def score_of(hosts: Hosts, mended: Iterable[Fix] = ()) -> Fraction:
    gone = {f.id for fix in mended for f in fix.findings}
    said = {
        host: [replace(f, outcome=P) if f.id in gone else f for f in of_host]
        for host, of_host in hosts.findings.items()
    }
    scores = [score_host(host, of_host, BASELINE) for host, of_host in said.items()]
    found = score_agency("", scores, hosts.criticality, BASELINE).range
    assert found is not None
    return found.verified


def checks_of(advice: Advice) -> list[list[str]]:
    return [[f.check for fix in step.fixes for f in fix.findings] for step in advice.steps]


def test_one_fix_and_its_gain() -> None:
    advice = advise(agency(a=["tls.compression"]), BASELINE)
    (step,) = advice.steps
    # High open: capped at 69. Without the cap: 100 x (10 + 2.5) / 20 in one of two domains that weigh the same.
    assert (advice.score, advice.grade, advice.target, advice.reaches) == (69, "D", "C", True)
    assert (step.gain, step.gain_without_caps, step.score, step.grade) == (31, Fraction(75, 4), 100, "A")


def test_nothing_to_fix() -> None:
    assert advise(agency(a=[]), BASELINE) == Advice(Fraction(100), "A", "A", True, ())


def test_fixes_under_one_cap_that_gain_nothing_alone_are_one_step() -> None:
    hosts = agency(a=["tls.compression"])
    other = finding("a", "tls.compression", object="other")
    hosts = replace(hosts, findings={"a": (*hosts.findings["a"], other)})
    (step,) = advise(hosts, BASELINE, cause_of=lambda f: f.id).steps
    assert (len(step.fixes), step.gain) == (2, 31)


def test_what_is_unknown_can_not_be_fixed() -> None:
    hosts = agency(a=["tls.compression"])
    unknown = tuple(replace(f, outcome=U) if f.check == "tls.heartbleed" else f for f in hosts.findings["a"])
    advice = advise(replace(hosts, findings={"a": unknown}), BASELINE, target="A")
    assert (advice.reaches, checks_of(advice)) == (False, [["tls.compression"]])


def test_one_cause_on_many_hosts_is_one_fix() -> None:
    hosts = agency(**{f"h{n}": ["tls.compression"] for n in range(40)})
    advice = advise(hosts, BASELINE, target="A", cause_of=lambda f: f.check)
    (step,) = advice.steps
    assert (len(step.fixes), len(step.fixes[0].hosts), step.score) == (1, 40, 100)


def test_a_rule_on_a_host_is_one_fix_however_many_objects_fail_it() -> None:
    both = [finding("a", "port.telnet", object=object) for object in ("x", "y")]
    assert [len(fix.findings) for fix in fixes(both)] == [2]


def test_the_gravest_fix_is_named_first() -> None:
    found = fixes([finding("a", "tls.early-data"), finding("a", "tls.heartbleed")])
    assert [fix.severity for fix in found] == [Severity.CRITICAL, Severity.LOW]


@pytest.mark.parametrize("target", ["C", "B", "A"])
def test_the_steps_lead_where_they_say(target: str) -> None:
    hosts = agency(a=["tls.compression", "port.telnet"], b=["tls.heartbleed"], c=["tls.early-data"], d=[])
    advice = advise(hosts, BASELINE, target=target)
    assert advice.reaches
    assert BASELINE.grade(advice.steps[-1].score) <= target
    assert advice.score + sum(step.gain for step in advice.steps) == advice.steps[-1].score
    assert score_of(hosts, [fix for step in advice.steps for fix in step.fixes]) == advice.steps[-1].score


# --- Against the best there is -------------------------------------------------------------------------


def fewest(hosts: Hosts, aim: Fraction) -> int | None:
    """The fewest fixes that reach the aim, by trying all."""
    every = fixes(f for of_host in hosts.findings.values() for f in of_host)
    for size in range(len(every) + 1):
        if any(score_of(hosts, chosen) >= aim for chosen in combinations(every, size)):
            return size
    return None


small_agencies = st.dictionaries(
    st.sampled_from(["a", "b", "c"]), st.sets(st.sampled_from(sorted(CHECKS)), max_size=3), min_size=1
)

#: How many fixes more than the fewest the way may have. Of 1,481 random cases, 1,475 had none more and 6 had one.
GAP = 1


@settings(deadline=None, max_examples=100)
@given(small_agencies, st.sampled_from(["A", "B", "C", "D"]))
def test_the_way_is_nearly_the_shortest(failing: Mapping[str, set[str]], target: str) -> None:
    hosts = agency(**failing)
    aim = dict(BASELINE.scoring.grades)[target]
    best = fewest(hosts, aim)
    advice = advise(hosts, BASELINE, target=target)
    assert advice.reaches == (best is not None)
    if best is not None:
        assert sum(len(step.fixes) for step in advice.steps) <= best + GAP


any_agencies = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    st.lists(
        st.tuples(st.sampled_from(sorted(CHECKS)), st.sampled_from(list(Outcome)), st.sampled_from("xy")),
        unique_by=lambda said: (said[0], said[2]),
    ),
    min_size=1,
)


@settings(deadline=None, max_examples=150)
@given(any_agencies, st.sampled_from(["A", "B", "C", "D"]), st.integers(1, 5))
def test_a_way_is_found_where_there_is_one_and_gains_are_exact(
    said: Mapping[str, list[tuple[str, Outcome, str]]], target: str, criticality: int
) -> None:
    found = {
        host: tuple(finding(host, check, outcome, object=object) for check, outcome, object in of_host)
        for host, of_host in said.items()
    }
    hosts = Hosts(found, {**dict.fromkeys(found, 1), "a": criticality}, lambda _host: BASELINE)
    aim = dict(BASELINE.scoring.grades)[target]
    advice = advise(hosts, BASELINE, target=target)
    assert advice.score == score_of(hosts)
    every = fixes(f for of_host in found.values() for f in of_host)
    assert advice.reaches == (score_of(hosts, every) >= aim)
    done = [fix for step in advice.steps for fix in step.fixes]
    assert advice.score + sum(step.gain for step in advice.steps) == score_of(hosts, done)
