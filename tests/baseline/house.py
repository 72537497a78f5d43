"""A few checks, a profile of theirs, and what lies in files around it."""

from collections.abc import Callable, Iterator

from pydantic import Field, model_validator

from secscan.baseline import Baseline
from secscan.check import Check, Limits, Verdict, check, passed
from secscan.facts import PortFacts, TlsFacts
from secscan.model import Observation, Severity


class DaysLimits(Limits):
    days: int = Field(default=30, ge=1, le=90)
    early: int = Field(default=7, ge=0)
    ports: frozenset[int] = frozenset({1, 2})

    @model_validator(mode="after")
    def _in_order(self) -> "DaysLimits":
        if self.early > self.days:
            raise ValueError("early is after days")
        return self


class PortLimits(Limits):
    shared: int = 5
    ports: frozenset[int] = frozenset({7, 9})


@check("tls.days", severity=Severity.HIGH)
def days(seen: Observation[TlsFacts], limits: DaysLimits) -> Iterator[Verdict]:
    """It is.

    Why: Test.

    Fix: Test.
    """
    yield passed("It is.")


@check("tls.plain", severity=Severity.LOW)
def plain(seen: Observation[TlsFacts]) -> Iterator[Verdict]:
    """It is.

    Why: Test.

    Fix: Test.
    """
    yield passed("It is.")


@check("port.one", severity=Severity.MEDIUM)
def one(seen: Observation[PortFacts], limits: PortLimits) -> Iterator[Verdict]:
    """It is.

    Why: Test.

    Fix: Test.
    """
    yield passed("It is.")


@check("port.two", severity=Severity.MEDIUM)
def two(seen: Observation[PortFacts], limits: PortLimits) -> Iterator[Verdict]:
    """It is.

    Why: Test.

    Fix: Test.
    """
    yield passed("It is.")


CHECKS: dict[str, Check] = {c.id: c for c in (days, one, plain, two)}

SCORING = """
[scoring]
meets = 80
mean_share_percent = 70
worst_divisor = 10
worst_most = 10
enough_coverage_percent = 70
weights = { critical = 10, high = 7.5, medium = 5, low = 2.5, info = 0 }
caps = { critical = 39, high = 69 }
grades = { A = 90, B = 80, C = 70, D = 40, F = 0 }
"""

HOUSE = (
    """
name = "house"
titles = { en = "House", vi = "Nhà" }
carry_days = 14
tls_ports = [443, 8443]
[domains.tls]
weight = 2
rules = ["tls.*"]
[domains.ports]
weight = 1
rules = ["port.one", "port.two"]
[rules."tls.days"]
days = 20
"""
    + SCORING
)

Load = Callable[..., Baseline]
Complain = Callable[..., list[str]]


def child(*lines: str, name: str = "child", extends: str = "house") -> str:
    head = f'name = "{name}"\nextends = "{extends}"\ntitles.en = "Child"\n'
    return head + "\n".join(lines)


def limits_of(baseline: Baseline, id: str) -> Limits | None:
    return next(rule.limits for rule in baseline.rules if rule.check.id == id)
