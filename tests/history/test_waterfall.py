"""The reasons behind a change: the parts always sum to it, and a change of one thing is laid to that alone."""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secscan.baseline import Baseline
from secscan.history.waterfall import CAUSES, Cause, Findings, Rejudged, Situation, waterfall
from secscan.model import Finding, Outcome, Service, Severity, Subject, Text
from secscan.scoring import score_agency, score_host
from tests.rules import COMPRESSION, EARLY_DATA, HEARTBLEED, baseline, telnet

BASELINE = baseline()
MILDER = replace(
    BASELINE,
    scoring=replace(BASELINE.scoring, caps={Severity.CRITICAL: Fraction(59)}, mean_share=Fraction(9, 10)),
    hash="1" * 64,
)
CHECKS = {c.id: c for c in (HEARTBLEED, COMPRESSION, EARLY_DATA, telnet)}
F, P, U, N = Outcome.FAIL, Outcome.PASS, Outcome.UNKNOWN, Outcome.NOT_APPLICABLE


def finding(host: str, check: str, outcome: Outcome, object: str = "", port: int = 0) -> Finding:
    subject = Subject.of_service(Service(host, "tcp", port)) if port else Subject.of_host(host)
    return Finding(subject, check, object, outcome, CHECKS[check].severity, Text("seen"))


def whole_host(host: str, **other: Outcome) -> tuple[Finding, ...]:
    """All passes but for the checks named, by the last part of their id."""
    return tuple(
        finding(host, id, other.get(id.partition(".")[2].replace("-", "_"), P)) for id in sorted(CHECKS)
    )


def situation(findings: Findings, used: Baseline = BASELINE, **more: object) -> Situation:
    return replace(
        Situation(findings, dict.fromkeys(findings, 1), used, lambda _host: used),
        **more,  # type: ignore[arg-type]  # the fields of the dataclass
    )


def unchanged(before: Situation) -> Rejudged:
    return Rejudged(*[before.findings] * 4)


def moved(before: Situation, after: Situation, rejudged: Rejudged | None = None) -> dict[Cause, Fraction]:
    """The causes that a change is laid to."""
    found = waterfall(before, after, rejudged or unchanged(before))
    assert sum(found.parts.values()) == found.end - found.start
    return {cause: part for cause, part in found.parts.items() if part}


SOUND = situation({"a": whole_host("a"), "b": whole_host("b")})


@pytest.mark.parametrize(
    ("was", "will_be", "cause"),
    [
        ({}, {"telnet": F}, Cause.NEW),
        ({"telnet": F}, {}, Cause.FIXED),
        ({}, {"telnet": U}, Cause.UNKNOWN),
        ({"telnet": F}, {"telnet": U}, None),
        ({"telnet": U}, {}, Cause.VERIFIED),
        ({}, {"compression": N}, None),
        ({"compression": F}, {"compression": N}, Cause.REMOVED),
        ({"compression": N}, {"compression": F}, Cause.ADDED),
    ],
)
def test_a_finding_that_changes(
    was: Mapping[str, Outcome], will_be: Mapping[str, Outcome], cause: Cause | None
) -> None:
    before = situation({"a": whole_host("a", **was)})
    after = situation({"a": whole_host("a", **will_be)})
    assert list(moved(before, after)) == ([cause] if cause else [])


def test_what_was_unknown_and_turns_out_failing_is_verified_at_no_gain() -> None:
    before = situation({"a": whole_host("a", telnet=U)})
    after = situation({"a": whole_host("a", telnet=F)})
    assert moved(before, after) == {}


WITH_SERVICE = {"a": (*whole_host("a"), finding("a", "tls.compression", F, port=8443))}


def test_a_service_that_closes_and_one_that_comes() -> None:
    without = situation({"a": whole_host("a")})
    assert list(moved(situation(WITH_SERVICE), without)) == [Cause.REMOVED]
    assert list(moved(without, situation(WITH_SERVICE))) == [Cause.ADDED]


def test_hosts_that_go_and_come_are_not_fixes() -> None:
    bad = situation({"a": whole_host("a"), "b": whole_host("b", telnet=F)})
    one = situation({"a": whole_host("a")})
    assert list(moved(bad, one)) == [Cause.REMOVED]
    assert list(moved(one, bad)) == [Cause.ADDED]


def test_hosts_that_move_between_agencies_are_a_matter_of_membership() -> None:
    bad = situation({"a": whole_host("a"), "b": whole_host("b", telnet=F)})
    gone = situation({"a": whole_host("a")}, elsewhere=frozenset({"b"}))
    assert list(moved(bad, gone)) == [Cause.MEMBERSHIP]
    assert list(moved(gone, bad)) == [Cause.MEMBERSHIP]


def test_weights() -> None:
    before = situation({"a": whole_host("a"), "b": whole_host("b", telnet=F)})
    assert list(moved(before, replace(before, criticality={"a": 1, "b": 5}))) == [Cause.MEMBERSHIP]


def test_another_baseline() -> None:
    before = situation({"a": whole_host("a", heartbleed=F)})
    assert list(moved(before, situation(before.findings, MILDER))) == [Cause.BASELINE]


@pytest.mark.parametrize(
    ("step", "cause"), list(enumerate([Cause.RULES, Cause.BASELINE, Cause.REFERENCES, Cause.TIME]))
)
def test_the_same_evidence_judged_otherwise(step: int, cause: Cause) -> None:
    before = situation({"a": whole_host("a")})
    after = situation({"a": whole_host("a", telnet=F)})
    order = [before.findings] * step + [after.findings] * (4 - step)
    assert list(moved(before, after, Rejudged(*order))) == [cause]


def test_a_waiver() -> None:
    before = situation({"a": whole_host("a", compression=F)})
    (failing,) = [f for f in before.findings["a"] if f.outcome is F]
    assert list(moved(before, replace(before, waived={failing.id: False}))) == [Cause.WAIVERS]


def test_a_published_score_that_todays_rules_do_not_make_is_a_matter_of_the_rules() -> None:
    found = waterfall(SOUND, SOUND, unchanged(SOUND), start=Fraction(90), end=Fraction(95))
    assert (found.start, found.end, found.parts[Cause.RULES]) == (90, 95, 5)


def test_an_agency_without_hosts_counts_as_nothing() -> None:
    assert moved(situation({}), SOUND) == {Cause.ADDED: Fraction(100)}


# --- Any two situations --------------------------------------------------------------------------------


@st.composite
def findings(draw: st.DrawFn) -> dict[str, tuple[Finding, ...]]:
    hosts = draw(st.sets(st.sampled_from("abcd")))
    return {
        host: tuple(
            draw(
                st.lists(
                    st.builds(
                        finding,
                        st.just(host),
                        st.sampled_from(sorted(CHECKS)),
                        st.sampled_from(list(Outcome)),
                        st.sampled_from(["", "x"]),
                        st.sampled_from([0, 443, 8443]),
                    ),
                    unique_by=lambda f: f.id,
                    max_size=8,
                )
            )
        )
        for host in sorted(hosts)
    }


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    said = draw(findings())
    used = draw(st.sampled_from([BASELINE, MILDER]))
    failing = [f.id for of_host in said.values() for f in of_host if f.outcome is F]
    waived = draw(st.dictionaries(st.sampled_from(failing), st.booleans())) if failing else {}
    return Situation(
        said,
        {host: draw(st.integers(1, 5)) for host in said},
        used,
        lambda _host: used,
        waived,
        frozenset(draw(st.sets(st.sampled_from("abcd"))) - said.keys()),
    )


@settings(deadline=None, max_examples=150)
@given(situations(), situations(), st.tuples(findings(), findings(), findings(), findings()))
def test_the_parts_always_sum_to_the_change(
    before: Situation, after: Situation, judged_again: tuple[Findings, Findings, Findings, Findings]
) -> None:
    found = waterfall(before, after, Rejudged(*judged_again))
    assert (found.start, found.end) == (directly(before), directly(after))
    assert sum(found.parts.values()) == found.end - found.start
    assert tuple(found.parts) == CAUSES


def directly(one: Situation) -> Fraction:
    hosts = [score_host(host, said, one.baseline, one.waived) for host, said in one.findings.items()]
    score = score_agency("", hosts, one.criticality, one.baseline).range
    return score.verified if score else Fraction(0)
