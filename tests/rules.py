"""Small baselines and checks for tests of judgement, independent of the built-in ones."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from fractions import Fraction

from secscan.baseline import Baseline, Rule, Scoring
from secscan.check import Check, Verdict, check, failed, passed
from secscan.facts import PortFacts, TlsFacts, known
from secscan.model import Observation, Severity

SCORING = Scoring(
    weights={
        Severity.CRITICAL: Fraction(10),
        Severity.HIGH: Fraction(15, 2),
        Severity.MEDIUM: Fraction(5),
        Severity.LOW: Fraction(5, 2),
        Severity.INFO: Fraction(0),
    },
    caps={Severity.CRITICAL: Fraction(39), Severity.HIGH: Fraction(69)},
    grades=(
        ("A", Fraction(90)),
        ("B", Fraction(80)),
        ("C", Fraction(70)),
        ("D", Fraction(40)),
        ("F", Fraction(0)),
    ),
    meets=Fraction(80),
    mean_share=Fraction(7, 10),
    worst_divisor=10,
    worst_most=10,
    enough_coverage=Fraction(7, 10),
)


def flag(id: str, field: str, severity: Severity) -> Check:
    """A check that fails where a yes-or-no reading of TlsFacts says yes."""

    @check(id, severity=severity)
    def flagged(seen: Observation[TlsFacts]) -> Iterator[Verdict]:
        """The flag is down.

        Why: It is a test.

        Fix: Take it down.
        """
        if known(getattr(seen.facts, field)):
            yield failed("The flag is up.")
        else:
            yield passed("The flag is down.")

    return flagged


@check("port.telnet", severity=Severity.HIGH)
def telnet(seen: Observation[PortFacts]) -> Iterator[Verdict]:
    """Telnet is closed.

    Why: It is a test.

    Fix: Close it.
    """
    if any(state.port == 23 for state in seen.facts.open()):
        yield failed("Port 23 is open.", object="tcp/23")
    else:
        yield passed("Port 23 is not open.")


HEARTBLEED = flag("tls.heartbleed", "heartbleed", Severity.CRITICAL)
COMPRESSION = flag("tls.compression", "compression", Severity.HIGH)
EARLY_DATA = flag("tls.early-data", "early_data", Severity.LOW)


def baseline(
    checks: Sequence[Check] = (HEARTBLEED, COMPRESSION, EARLY_DATA, telnet), *, carry: int = 14
) -> Baseline:
    """A baseline of these checks, a domain a family, all domains of one weight. ``carry`` is in days."""
    rules = tuple(Rule(c, c.family, c.severity, c.limits() if c.limits else None) for c in checks)
    return Baseline(
        name="test",
        titles={"en": "Test baseline"},
        domains={rule.domain: Fraction(1) for rule in rules},
        rules=rules,
        scoring=SCORING,
        carry=timedelta(days=carry),
        tls_ports=frozenset({443}),
        hash="0" * 64,
    )
