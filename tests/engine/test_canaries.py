"""Whether a run can be believed, by the hosts whose judgement is known beforehand."""

import pytest

from secscan.engine.canaries import misjudged
from secscan.model import Agency, Canary, Finding, Host, Inventory, Membership, Misjudged, Outcome, Severity
from tests.store.samples import a_finding

UNKNOWN = a_finding(outcome=Outcome.UNKNOWN)
MEDIUM = a_finding(severity=Severity.MEDIUM)
HIGH = a_finding(severity=Severity.HIGH)
CRITICAL = a_finding(severity=Severity.CRITICAL)
PASS = a_finding(outcome=Outcome.PASS)


def wrong(canary: Canary | None, *findings: Finding) -> list[Misjudged]:
    inventory = Inventory(
        {"one": Agency("one", {"en": "One"})},
        {"web-1": Host("web-1", canary=canary)},
        (Membership("web-1", "one"),),
    )
    return list(misjudged(inventory, {"web-1": findings}))


@pytest.mark.parametrize("finding", [UNKNOWN, MEDIUM, PASS])
def test_a_good_one_without_a_grave_failure_is_judged_rightly(finding: Finding) -> None:
    assert wrong(Canary.GOOD, finding) == []


@pytest.mark.parametrize("finding", [HIGH, CRITICAL])
def test_a_good_one_that_fails_gravely_is_misjudged(finding: Finding) -> None:
    assert wrong(Canary.GOOD, PASS, finding) == [Misjudged("web-1", Canary.GOOD, ("port.telnet",))]


@pytest.mark.parametrize("finding", [HIGH, CRITICAL])
def test_a_bad_one_that_fails_gravely_is_judged_rightly(finding: Finding) -> None:
    assert wrong(Canary.BAD, PASS, finding) == []


@pytest.mark.parametrize("finding", [UNKNOWN, MEDIUM, PASS])
def test_a_bad_one_without_a_grave_failure_is_misjudged(finding: Finding) -> None:
    assert wrong(Canary.BAD, finding) == [Misjudged("web-1", Canary.BAD)]


def test_a_host_that_is_no_canary_says_nothing() -> None:
    assert wrong(None, HIGH) == []
