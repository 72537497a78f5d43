"""What an agency is held to: the rules that count, their limits, and the numbers of the score."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from fractions import Fraction

from secscan.check import Check, Limits
from secscan.facts import PortFacts
from secscan.model import Severity


@dataclass(frozen=True, slots=True)
class Rule:
    """A check as this baseline counts it. ``limits`` is None where the check has none."""

    check: Check
    domain: str
    severity: Severity
    limits: Limits | None
    #: Cap on a host's score while the rule fails at its full severity, beside that of the severity itself.
    cap: Fraction | None = None
    #: Its failures at full severity are known to be exploited: that deadline holds, where there is one.
    known_exploited: bool = False


@dataclass(frozen=True, slots=True)
class Scoring:
    """The numbers of the score; their defaults are those of the design. Scores and shares run 0 to 100 and 0 to 1."""

    #: Weight of a rule by its severity.
    weights: Mapping[Severity, Fraction]
    #: Cap on a host's score while a failure of this severity is open.
    caps: Mapping[Severity, Fraction]
    #: Lowest score of each grade, best first; the last is 0.
    grades: tuple[tuple[str, Fraction], ...]
    #: Lowest score that meets the baseline.
    meets: Fraction
    #: Weight of the mean against the worst part, in a group of hosts or agencies.
    mean_share: Fraction
    #: The worst part is ``min(worst_most, max(1, n / worst_divisor))`` members, the last counted in part.
    worst_divisor: int
    worst_most: int
    #: Below this coverage a page says that not enough was seen.
    enough_coverage: Fraction


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a failure may stay open since it was first seen. What has no entry has no deadline."""

    by_severity: Mapping[Severity, timedelta] = field(default_factory=dict)
    #: For what is known to be exploited, however grave; None: as its severity says.
    known_exploited: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Baseline:
    """What an agency is held to. ``hash`` is over everything that can change a verdict or a score."""

    name: str
    titles: Mapping[str, str]
    #: Domain -> weight; in the order they are shown.
    domains: Mapping[str, Fraction]
    rules: tuple[Rule, ...]
    scoring: Scoring
    #: How long a PASS stands while its subject is not attempted.
    carry: timedelta
    #: TCP ports that must speak TLS where the inventory does not say otherwise.
    tls_ports: frozenset[int]
    hash: str
    deadlines: Deadlines = Deadlines()

    def title(self, language: str = "en") -> str:
        return self.titles.get(language) or self.titles.get("en") or self.name

    def grade(self, score: Fraction) -> str:
        return next(grade for grade, lowest in self.scoring.grades if score >= lowest)

    def time_to_fix(self, check: str, severity: Severity) -> timedelta | None:
        """How long a failure of this check and severity may stay open; None: for ever.

        The deadline of what is known to be exploited is for failures at the full severity of their rule, as the
        rule's own cap is: what fails more mildly has the deadline of its severity.
        """
        exploited = any(
            rule.known_exploited and severity >= rule.severity
            for rule in self.rules
            if rule.check.id == check
        )
        if exploited and self.deadlines.known_exploited is not None:
            return self.deadlines.known_exploited
        return self.deadlines.by_severity.get(severity)

    def ports_to_ask(self, transport: str = "tcp") -> frozenset[int]:
        """The ports whose state some rule has to know before it can pass, whatever else a scan asks.

        They are what the limits ``ports`` (TCP) and ``udp_ports`` list, in rules that judge a port scan.
        """
        limit = "ports" if transport == "tcp" else f"{transport}_ports"
        listed: set[int] = set()
        for rule in self.rules:
            if PortFacts in rule.check.observes.values():
                listed.update(getattr(rule.limits, limit, ()))
        return frozenset(listed)


def narrowed(baseline: Baseline, domains: Collection[str]) -> Baseline:
    """The baseline with these of its domains alone, for a look that asks no more; its hash says so."""
    kept = {name: weight for name, weight in baseline.domains.items() if name in domains}
    if kept == dict(baseline.domains):
        return baseline
    digest = hashlib.sha256(f"{baseline.hash} {' '.join(sorted(kept))}".encode()).hexdigest()
    rules = tuple(rule for rule in baseline.rules if rule.domain in kept)
    return replace(baseline, domains=kept, rules=rules, hash=digest)
