"""The profiles that come with secscan: levels, roles and strict, each against what it is laid upon."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest

from secscan.baseline import Baseline, available_profiles, load_baseline, rule_values
from secscan.check import Check
from secscan.model import Host, Severity
from secscan.registry import find_checks

LEVELS = ("level-1", "level-2", "level-3", "level-4", "level-5")
LADDER = ("baseline", *LEVELS, "strict")
MOZILLA = ("mozilla-modern", "mozilla-intermediate", "mozilla-old")
ROLES = (
    "portal",
    "mail",
    "database",
    "directory",
    "data-centre",
    "video",
    "pki",
    "document-exchange",
    "workstation",
)
#: Limits that are stricter the greater they are; those that are stricter the smaller they are.
GREATER = {
    "forbidden",
    "bits",
    "rsa_bits",
    "ec_bits",
    "least_asked",
    "certificate.renewal.days",
    "patch.end-of-life-soon.days",
}
SMALLER = {
    "most",
    "private_days",
    "ransomware_days",
    "critical_days",
    "high_days",
    "other_days",
    "grace_days",
    "patch.metadata-age.days",
    "patch.last-change.days",
}
#: What a role is there for: more or less is neither stricter nor milder.
EXPECTED = {"usual", "usual_udp", "allowed", "expected", "recursion"}


@pytest.fixture(scope="module")
def checks() -> Mapping[str, Check]:
    return find_checks()


@pytest.fixture(scope="module")
def built_in(checks: Mapping[str, Check]) -> Mapping[str, Baseline]:
    return {name: load_baseline(name, checks) for name in available_profiles()}


def milder(before: Baseline, after: Baseline) -> list[str]:
    """Where ``after`` asks less than ``before``, or something of which it is not known whether it is less."""
    found = []
    old = {rule.check.id: rule for rule in before.rules}
    new = {rule.check.id: rule for rule in after.rules}
    found += sorted(old.keys() - new.keys())
    for id in old.keys() & new.keys():
        if new[id].severity < old[id].severity:
            found.append(f"{id}.severity")
        was, is_ = rule_values(old[id]), rule_values(new[id])
        found += [
            f"{id}.{key}"
            for key in was.keys() - EXPECTED - {"severity"}
            if was[key] != is_[key] and not _is_stricter(id, key, was[key], is_[key])
        ]
    for severity in Severity:
        span, shorter = (b.deadlines.by_severity.get(severity) for b in (before, after))
        if span is not None and (shorter is None or shorter > span):
            found.append(f"deadlines.{severity.word}")
    exploited = (before.deadlines.known_exploited, after.deadlines.known_exploited)
    if exploited[0] is None or exploited[1] is None or exploited[1] > exploited[0]:
        found.append("deadlines.known_exploited")
    return found


def _is_stricter(id: str, key: str, was: Any, is_: Any) -> bool:
    if {key, f"{id}.{key}"} & GREATER:
        return bool(is_ > was)
    return bool({key, f"{id}.{key}"} & SMALLER) and bool(is_ < was)


def test_all_of_them_are_there() -> None:
    assert {"network", *LADDER, *ROLES, *MOZILLA} == set(available_profiles())


@pytest.mark.parametrize(("below", "above"), pairwise(LADDER))
def test_no_level_is_milder_than_the_one_below(
    built_in: Mapping[str, Baseline], below: str, above: str
) -> None:
    assert milder(built_in[below], built_in[above]) == []


@pytest.mark.parametrize(("below", "above"), pairwise(LADDER[1:]))
def test_every_level_asks_more_than_the_one_below(
    built_in: Mapping[str, Baseline], below: str, above: str
) -> None:
    assert milder(built_in[above], built_in[below]) != []


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("profile", ["network", *LADDER])
def test_no_role_is_milder_than_what_it_is_laid_upon(
    built_in: Mapping[str, Baseline], profile: str, role: str
) -> None:
    baseline = built_in[profile]
    assert milder(baseline, baseline.for_host(Host("any", role=role))) == []


@pytest.mark.parametrize("level", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("role", ["", *ROLES])
def test_a_level_in_the_inventory_asks_what_that_level_asks_of_all(
    built_in: Mapping[str, Baseline], role: str, level: int
) -> None:
    one = built_in["baseline"].for_host(Host("any", role=role, level=level))
    all_ = built_in[f"level-{level}"].for_host(Host("any", role=role))
    assert (one.rules, one.deadlines) == (all_.rules, all_.deadlines)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_in_the_inventory_asks_what_its_profile_asks_of_all(
    built_in: Mapping[str, Baseline], role: str
) -> None:
    assert built_in["baseline"].for_host(Host("any", role=role)).rules == built_in[role].rules


@pytest.mark.parametrize("level", [None, 1, 2, 3, 4, 5])
def test_strict_is_as_strict_whatever_the_level(built_in: Mapping[str, Baseline], level: int | None) -> None:
    strict = built_in["strict"]
    assert strict.for_host(Host("any", level=level)).rules == strict.rules


@pytest.mark.parametrize(
    ("role", "usual"),
    [
        ("", {22, 80, 443}),
        ("a role of nobody's", {22, 80, 443}),
        ("portal", {22, 80, 443}),
        ("mail", {22, 25, 80, 443, 465, 587, 993, 995, 4190}),
        ("database", {22, 1433, 1521, 3306, 5432, 27017, 50000}),
        ("directory", {22, 53, 88, 135, 389, 445, 464, 636, 3268, 3269, 9389}),
        ("data-centre", {22, 443, 902, 2049, 3260, 8006}),
        ("video", {22, 80, 443, 1720, 3478, 5060, 5061, 5349}),
        ("pki", {22, 80, 443}),
        ("document-exchange", {22, 443}),
        ("workstation", set()),
    ],
)
@pytest.mark.parametrize("profile", ["network", "baseline"])
def test_a_role_says_which_ports_are_expected(
    built_in: Mapping[str, Baseline], profile: str, role: str, usual: set[int]
) -> None:
    held = built_in[profile].for_host(Host("any", role=role))
    (rule,) = [rule for rule in held.rules if rule.check.id == "port.unexpected"]
    assert set(rule_values(rule)["usual"]) == usual


@pytest.mark.parametrize(
    ("role", "check", "allowed"),
    [
        ("", "port.database", set()),
        ("portal", "port.database", set()),
        ("database", "port.database", {1433, 1521, 3306, 5432, 27017, 50000}),
        ("database", "port.file-sharing", set()),
        ("directory", "port.file-sharing", {135, 445}),
        ("data-centre", "port.management", {902, 5480, 8006}),
        ("data-centre", "port.file-sharing", {2049, 3260}),
    ],
)
def test_a_role_says_which_servers_it_is_there_for(
    built_in: Mapping[str, Baseline], role: str, check: str, allowed: set[int]
) -> None:
    held = built_in["network"].for_host(Host("any", role=role))
    (rule,) = [rule for rule in held.rules if rule.check.id == check]
    assert set(rule_values(rule)["allowed"]) == allowed


@pytest.mark.parametrize("name", ["level-3", *ROLES, "strict"])
def test_every_one_has_a_vietnamese_title(built_in: Mapping[str, Baseline], name: str) -> None:
    assert built_in[name].titles["vi"] not in ("", built_in[name].titles["en"])
