"""What is otherwise in one baseline than in another."""

from typing import Any

import pytest

from secscan.baseline import Change, differences
from tests.baseline.house import HOUSE, Load, child

Told = list[tuple[str, str, str, Change, Any, Any]]


def told(load: Load, lines: str, house: str = HOUSE) -> Told:
    before = load(house)
    after = load(house, child=child(lines))
    return [(d.hosts, d.place, d.key, d.change, d.before, d.after) for d in differences(before, after)]


CHANGES = [
    ('[rules."tls.days"]\ndays = 21', ("rules", "tls.days.days", Change.CHANGED, 20, 21)),
    ('[rules."tls.days"]\nports = [9, 1]', ("rules", "tls.days.ports", Change.CHANGED, [1, 2], [1, 9])),
    ('[rules."tls.days"]\nseverity = "low"', ("rules", "tls.days.severity", Change.CHANGED, "high", "low")),
    ('[rules."tls.days"]\ncap = 7.5', ("rules", "tls.days.cap", Change.ADDED, None, 7.5)),
    (
        '[rules."tls.days"]\nknown_exploited = true',
        ("rules", "tls.days.known_exploited", Change.ADDED, None, True),
    ),
    ('[rules."tls.days"]\nenabled = false', ("rules", "tls.days", Change.REMOVED, "high", None)),
    ("domains.tls.weight = 3", ("domains", "tls", Change.CHANGED, 2, 3)),
    ("deadlines.high = 3", ("deadlines", "high", Change.ADDED, None, 3)),
    ("carry_days = 3", ("", "carry_days", Change.CHANGED, 14, 3)),
    ("tls_ports = [443]", ("", "tls_ports", Change.CHANGED, [443, 8443], [443])),
    ("scoring.meets = 70", ("scoring", "meets", Change.CHANGED, 80, 70)),
    ("scoring.mean_share_percent = 69.5", ("scoring", "mean_share_percent", Change.CHANGED, 70, 69.5)),
    ("scoring.worst_divisor = 9", ("scoring", "worst_divisor", Change.CHANGED, 10, 9)),
    ("scoring.worst_most = 9", ("scoring", "worst_most", Change.CHANGED, 10, 9)),
    (
        "scoring.enough_coverage_percent = 60",
        ("scoring", "enough_coverage_percent", Change.CHANGED, 70, 60),
    ),
    ("scoring.weights.low = 2", ("scoring.weights", "low", Change.CHANGED, 2.5, 2)),
    ("scoring.caps.medium = 80", ("scoring.caps", "medium", Change.ADDED, None, 80)),
    ("scoring.grades.A = 95", ("scoring.grades", "A", Change.CHANGED, 90, 95)),
    (
        'domains.tls.rules = ["tls.plain"]\ndomains.ports.rules = ["port.one", "port.two", "tls.days"]',
        ("rules", "tls.days.domain", Change.CHANGED, "tls", "ports"),
    ),
]


@pytest.mark.parametrize(("lines", "expected"), CHANGES)
def test_a_change_for_all_is_told_once(
    load: Load, lines: str, expected: tuple[str, str, Change, Any, Any]
) -> None:
    assert told(load, lines) == [("", *expected)]


def test_a_rule_that_counts_again_is_told_by_its_name(load: Load) -> None:
    house = HOUSE.replace("days = 20", "enabled = false")
    expected = [("", "rules", "tls.days", Change.ADDED, None, "high")]
    assert told(load, '[rules."tls.days"]\nenabled = true', house) == expected


def test_a_domain_that_is_dropped_is_told_with_its_rules(load: Load) -> None:
    assert told(load, "domains.ports.enabled = false") == [
        ("", "rules", "port.one", Change.REMOVED, "medium", None),
        ("", "rules", "port.two", Change.REMOVED, "medium", None),
        ("", "domains", "ports", Change.REMOVED, 1, None),
    ]


@pytest.mark.parametrize("hosts", ["roles.mail", "levels.3", "tiers.commune", "hosts.web-1"])
def test_a_change_for_some_is_told_of_them(load: Load, hosts: str) -> None:
    assert told(load, f'[{hosts}]\nrules."tls.days".days = 21') == [
        (hosts, "rules", "tls.days.days", Change.CHANGED, 20, 21)
    ]


def test_what_is_told_of_all_is_not_told_again_of_some(load: Load) -> None:
    house = HOUSE + "[roles.mail]\ndeadlines.low = 9\n"
    assert told(load, "carry_days = 3", house) == [("", "", "carry_days", Change.CHANGED, 14, 3)]


def test_what_some_are_spared_is_told_of_nobody_else(load: Load) -> None:
    house = HOUSE + '[roles.mail]\nrules."tls.days".days = 10\n'
    assert told(load, '[rules."tls.days"]\ndays = 21', house) == [
        ("", "rules", "tls.days.days", Change.CHANGED, 20, 21)
    ]


def test_a_baseline_is_as_it_is(load: Load) -> None:
    assert differences(load(), load()) == ()


@pytest.mark.parametrize(("lines", "expected"), CHANGES)
def test_backwards_it_is_the_opposite(
    load: Load, lines: str, expected: tuple[str, str, Change, Any, Any]
) -> None:
    opposite = {Change.ADDED: Change.REMOVED, Change.REMOVED: Change.ADDED}
    before, after = load(), load(child=child(lines))
    (found,) = differences(after, before)
    place, key, change, old, new = expected
    assert found.change is opposite.get(change, change)
    assert (found.place, found.key, found.before, found.after) == (place, key, new, old)
