"""Scores: the arithmetic by hand, and the promises as properties."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secscan.model import Coverage, Finding, HostScore, Outcome, Range, Severity, Subject, Text
from secscan.scoring import blend, score_agency, score_group, score_host
from tests.rules import COMPRESSION, EARLY_DATA, HEARTBLEED, SCORING, baseline, flag, telnet

BASELINE = baseline()
CHECKS = {c.id: c for c in (HEARTBLEED, COMPRESSION, EARLY_DATA, telnet)}


def finding(check: str, outcome: Outcome, *, object: str = "", severity: Severity | None = None) -> Finding:
    return Finding(
        subject=Subject.of_host("h"),
        check=check,
        object=object,
        outcome=outcome,
        severity=severity if severity is not None else CHECKS[check].severity,
        evidence=Text("seen"),
    )


def outcomes(**by_check: Outcome) -> list[Finding]:
    everything = {c.replace(".", "_").replace("-", "_"): c for c in CHECKS}
    return [finding(id, by_check.get(key, Outcome.PASS)) for key, id in everything.items()]


def test_all_passed_is_a_hundred() -> None:
    score = score_host("h", outcomes(), BASELINE)
    assert score.range == Range(Fraction(100), Fraction(100))
    assert score.coverage.share == 1


def test_a_domain_is_the_weighted_mean_of_its_rules() -> None:
    score = score_host("h", outcomes(tls_early_data=Outcome.FAIL), BASELINE)
    # critical 10 + high 7.5 of 20 in tls; ports untouched; both domains weigh the same.
    assert score.domains["tls"].verified == Fraction(100) * Fraction(35, 40)
    assert score.range.verified == (Fraction(175, 2) + 100) / 2


def test_unknown_is_read_as_failed_and_as_passed() -> None:
    score = score_host("h", outcomes(tls_early_data=Outcome.UNKNOWN), BASELINE)
    assert score.range == Range(Fraction(375, 4), Fraction(100))
    assert score.coverage == Coverage(Fraction(25), Fraction(55, 2))


@pytest.mark.parametrize("outcome", [Outcome.UNKNOWN, Outcome.ERROR])
def test_an_unverified_critical_rule_caps_the_verified_end_only(outcome: Outcome) -> None:
    score = score_host("h", outcomes(tls_heartbleed=outcome), BASELINE)
    assert score.range == Range(Fraction(39), Fraction(100))
    assert score.caps == ("critical",)
    assert score.critical


def test_an_open_critical_failure_caps_both_ends() -> None:
    score = score_host("h", outcomes(tls_heartbleed=Outcome.FAIL), BASELINE)
    assert score.range == Range(Fraction(39), Fraction(39))


def test_an_open_high_failure_caps_at_69() -> None:
    score = score_host("h", outcomes(tls_compression=Outcome.FAIL), BASELINE)
    assert score.range == Range(Fraction(69), Fraction(69))
    assert not score.critical


def test_a_finding_milder_than_its_rule_caps_by_its_own_severity() -> None:
    mild = [f for f in outcomes() if f.check != "tls.compression"]
    mild.append(finding("tls.compression", Outcome.FAIL, severity=Severity.LOW))
    score = score_host("h", mild, BASELINE)
    assert score.caps == ()
    assert score.domains["tls"].verified == Fraction(100) * Fraction(
        25, 40
    )  # its weight stays that of the rule


CAPPED = replace(
    BASELINE,
    rules=tuple(
        replace(rule, cap=Fraction(20)) if rule.check is HEARTBLEED else rule for rule in BASELINE.rules
    ),
)


def test_a_rule_can_have_a_cap_of_its_own() -> None:
    score = score_host("h", outcomes(tls_heartbleed=Outcome.FAIL), CAPPED)
    assert score.range == Range(Fraction(20), Fraction(20))
    assert set(score.caps) == {"critical", "tls.heartbleed"}
    assert score.critical


def test_the_cap_of_an_unverified_rule_holds_the_verified_end_only() -> None:
    score = score_host("h", outcomes(tls_heartbleed=Outcome.UNKNOWN), CAPPED)
    assert score.range == Range(Fraction(20), Fraction(100))


def test_a_finding_milder_than_its_rule_leaves_the_rules_cap_alone() -> None:
    mild = [f for f in outcomes() if f.check != "tls.heartbleed"]
    mild.append(finding("tls.heartbleed", Outcome.FAIL, severity=Severity.HIGH))
    assert score_host("h", mild, CAPPED).range.verified == Fraction(69)


def test_another_rule_of_the_same_severity_is_not_capped_so_low() -> None:
    score = score_host("h", outcomes(tls_compression=Outcome.FAIL), CAPPED)
    assert score.range.verified == Fraction(69)


def test_the_credit_of_a_rule_is_the_worst_of_its_findings() -> None:
    both = [*outcomes(), finding("port.telnet", Outcome.FAIL, object="tcp/23")]
    assert score_host("h", both, BASELINE).domains["port"] == Range(Fraction(0), Fraction(0))


def test_a_domain_where_nothing_applies_is_left_out() -> None:
    nothing = {f"tls_{name}": Outcome.NOT_APPLICABLE for name in ("heartbleed", "compression", "early_data")}
    score = score_host("h", outcomes(**nothing), BASELINE)
    assert set(score.domains) == {"port"}
    assert score.range.verified == 100


def test_a_rule_without_a_finding_is_unknown() -> None:
    score = score_host("h", [], BASELINE)
    assert score.range == Range(Fraction(0), Fraction(100))
    assert score.coverage.share == 0


def test_a_host_nothing_applies_to_is_wholly_unknown() -> None:
    nothing = [finding(id, Outcome.NOT_APPLICABLE) for id in CHECKS]
    assert score_host("h", nothing, BASELINE).range == Range(Fraction(0), Fraction(100))


def host(name: str, verified: int, possible: int | None = None, *, critical: bool = False) -> HostScore:
    ends = Range(Fraction(verified), Fraction(verified if possible is None else possible))
    return HostScore(name, ends, Coverage(Fraction(1), Fraction(1)), {"tls": ends}, critical=critical)


def test_an_agency_blends_the_weighted_mean_and_the_worst_host() -> None:
    agency = score_agency("a", [host("x", 100), host("y", 40)], {"x": 1, "y": 2}, BASELINE)
    assert agency.range is not None
    assert agency.range.verified == Fraction(7, 10) * 60 + Fraction(3, 10) * 40
    assert agency.grade == "D"


def test_the_worst_part_counts_its_last_member_in_part() -> None:
    # 15 members: the worst part is 1.5 of them.
    ends = [Range(Fraction(v), Fraction(v)) for v in [0, 50] + [100] * 13]
    score = blend([(Fraction(1), r) for r in ends], SCORING)
    assert score is not None
    mean = Fraction(1350, 15)
    assert score.verified == Fraction(7, 10) * mean + Fraction(3, 10) * (Fraction(25) / Fraction(3, 2))


def test_the_worst_part_is_at_most_ten() -> None:
    ends = [Range(Fraction(v), Fraction(v)) for v in [0] * 10 + [100] * 990]
    score = blend([(Fraction(1), r) for r in ends], SCORING)
    assert score is not None
    assert score.verified == Fraction(7, 10) * 99


def test_an_agency_without_hosts_is_not_assessed() -> None:
    agency = score_agency("a", [], {}, BASELINE)
    assert agency.range is None
    assert agency.grade == ""
    assert not agency.meets_baseline


def test_an_agency_not_assessed_adds_no_score_but_is_a_member() -> None:
    whole = score_group("all", [score_agency("a", [], {}, BASELINE), _good("b")], BASELINE)
    assert whole.range == Range(Fraction(100), Fraction(100))
    assert whole.members == ("a", "b")


def _good(name: str):
    return score_agency(name, [host("x", 100)], {"x": 1}, BASELINE)


@pytest.mark.parametrize(
    ("score", "grade"),
    [(90, "A"), (89, "B"), (80, "B"), (79, "C"), (70, "C"), (69, "D"), (40, "D"), (39, "F")],
)
def test_grades_at_their_limits(score: int, grade: str) -> None:
    assert BASELINE.grade(Fraction(score)) == grade


@pytest.mark.parametrize(
    ("score", "critical", "meets"), [(80, False, True), (79, False, False), (100, True, False)]
)
def test_meeting_the_baseline_takes_a_b_and_nothing_critical(score: int, critical: bool, meets: bool) -> None:
    agency = score_agency("a", [host("x", score, critical=critical)], {"x": 1}, BASELINE)
    assert agency.meets_baseline is meets


# --- Properties -------------------------------------------------------------------------------------------

some_findings = st.lists(
    st.builds(
        finding,
        st.sampled_from(sorted(CHECKS)),
        st.sampled_from(Outcome),
        object=st.sampled_from(["", "a", "b"]),
    ),
    max_size=12,
)
some_hosts = st.lists(some_findings, min_size=1, max_size=14)


def scored(hosts: list[list[Finding]]):
    scores = [score_host(f"h{i:02}", findings, BASELINE) for i, findings in enumerate(hosts)]
    agency = score_agency("a", scores, {s.host: 1 + i % 5 for i, s in enumerate(scores)}, BASELINE)
    assert agency.range is not None
    return agency


@given(some_hosts)
def test_verified_is_never_above_possible(hosts: list[list[Finding]]) -> None:
    ends = scored(hosts).range
    assert 0 <= ends.verified <= ends.possible <= 100


@given(some_hosts, st.data())
def test_turning_a_result_unknown_never_raises_verified(
    hosts: list[list[Finding]], data: st.DataObject
) -> None:
    before = scored(hosts)
    i = data.draw(st.integers(0, len(hosts) - 1))
    if not hosts[i]:
        return
    j = data.draw(st.integers(0, len(hosts[i]) - 1))
    changed = [list(h) for h in hosts]
    old = changed[i][j]
    changed[i][j] = finding(old.check, Outcome.UNKNOWN, object=old.object)
    after = scored(changed)
    assert after.range.verified <= before.range.verified
    assert after.meets_baseline <= before.meets_baseline


@given(some_hosts, st.sampled_from(sorted(CHECKS)), st.data())
def test_adding_a_failure_never_raises_either_end(
    hosts: list[list[Finding]], check: str, data: st.DataObject
) -> None:
    before = scored(hosts)
    i = data.draw(st.integers(0, len(hosts) - 1))
    changed = [list(h) for h in hosts]
    changed[i].append(finding(check, Outcome.FAIL, object="new"))
    after = scored(changed)
    assert after.range.verified <= before.range.verified
    assert after.range.possible <= before.range.possible


@given(some_hosts, st.randoms())
def test_order_never_matters(hosts: list[list[Finding]], random) -> None:
    scores = [score_host(f"h{i:02}", findings, BASELINE) for i, findings in enumerate(hosts)]
    criticality = {s.host: 1 + i % 5 for i, s in enumerate(scores)}
    shuffled = [score_host(f"h{i:02}", random.sample(f, len(f)), BASELINE) for i, f in enumerate(hosts)]
    random.shuffle(shuffled)
    rules = baseline(random.sample(list(CHECKS.values()), len(CHECKS)))
    assert score_agency("a", shuffled, criticality, rules) == score_agency("a", scores, criticality, BASELINE)


def test_an_info_rule_weighs_nothing() -> None:
    info = flag("tls.info", "robot", Severity.INFO)
    rules = baseline([HEARTBLEED, info])
    findings = [finding("tls.heartbleed", Outcome.PASS), finding("tls.heartbleed", Outcome.PASS)]
    failing = Finding(Subject.of_host("h"), "tls.info", "", Outcome.FAIL, Severity.INFO, Text(""))
    assert score_host("h", [*findings, failing], rules).range.verified == 100


def test_the_waived_share_is_of_all_weight() -> None:
    said = [f for f in outcomes() if f.check != "tls.compression"]
    said.append(finding("tls.compression", Outcome.FAIL))
    host = score_host("h", said, BASELINE, {said[-1].id: False})
    group = score_agency("a", [host], {"h": 1}, BASELINE)
    # High 7.5 of 10 + 7.5 + 2.5 + 7.5.
    assert (group.waived, group.waived_share) == (Fraction(15, 2), Fraction(15, 2) / Fraction(55, 2))
    assert group.range == Range(Fraction(100), Fraction(100))
