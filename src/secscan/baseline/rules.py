"""What an agency is held to: the rules that count, their limits, and the numbers of the score."""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from fractions import Fraction
from typing import TypeAlias

from secscan.check import Check, Limits
from secscan.facts import INSIDE, PortFacts, TlsFacts
from secscan.model import Host, Severity


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

    def overridden_by(self, other: "Deadlines") -> "Deadlines":
        return Deadlines(
            {**self.by_severity, **other.by_severity},
            self.known_exploited if other.known_exploited is None else other.known_exploited,
        )


#: Which hosts: ``("roles", "mail")``, ``("levels", "3")``, ``("tiers", "commune")``, ``("hosts", "web-1")``.
Selector: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Overlay:
    """What is said of some hosts alone, beside their rules."""

    #: The profiles that were laid upon these hosts, in this order.
    applied: tuple[str, ...] = ()
    #: The checks that something is said of.
    checks: frozenset[str] = frozenset()
    #: Domain -> weight.
    weights: Mapping[str, Fraction] = field(default_factory=dict)
    #: Domain -> whether it counts.
    counts: Mapping[str, bool] = field(default_factory=dict)
    deadlines: Deadlines = Deadlines()
    #: None: nothing is said of them.
    tls_ports: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class Overlays:
    """All that is said of some hosts alone. What two overlays say of one rule was judged together when it was read."""

    parts: Mapping[Selector, Overlay] = field(default_factory=dict)
    #: A check and the overlays that speak of it, in the order they are laid -> the rule; None: it does not count.
    rules: Mapping[tuple[str, tuple[Selector, ...]], Rule | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Baseline:
    """What an agency is held to. ``hash`` is over everything that can change a verdict, a score or a deadline.

    What it says itself holds for every host of which its overlays say nothing else; see ``for_host``.
    """

    name: str
    titles: Mapping[str, str]
    #: Domain -> weight; in the order they are shown. All that count on any host.
    domains: Mapping[str, Fraction]
    rules: tuple[Rule, ...]
    scoring: Scoring
    #: How long a PASS stands while its subject is not attempted.
    carry: timedelta
    #: TCP ports that must speak TLS where the inventory does not say otherwise.
    tls_ports: frozenset[int]
    hash: str
    deadlines: Deadlines = Deadlines()
    overlays: Overlays = Overlays()
    #: Ten thousand hosts have a handful of roles and levels: what these are held to is put together once.
    _for_some: dict[tuple[Selector, ...], "Baseline"] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )
    #: The severity from which on a check's failures are known to be exploited: asked of every failure there is.
    _exploited: dict[str, Severity] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._exploited.update((r.check.id, r.severity) for r in self.rules if r.known_exploited)

    def title(self, language: str = "en") -> str:
        return self.titles.get(language) or self.titles.get("en") or self.name

    def grade(self, score: Fraction) -> str:
        return next(grade for grade, lowest in self.scoring.grades if score >= lowest)

    def for_host(self, host: Host, tier: str = "") -> "Baseline":
        """What this host is held to: by the ``tier`` of its agency, its level, its role, and itself.

        Where several of them speak of the same value, the one named last here goes first. How a score is made
        (weights of severities, caps, grades) is the same for all hosts, so their scores can be compared.
        """
        level = "" if host.level is None else str(host.level)
        return self.for_some(("tiers", tier), ("levels", level), ("roles", host.role), ("hosts", host.id))

    def for_some(self, *selectors: Selector) -> "Baseline":
        """What hosts are held to that all of these mean; at most one of a kind, in the order of ``for_host``."""
        chosen = tuple(selector for selector in selectors if selector in self.overlays.parts)
        if not chosen:
            return self
        if chosen not in self._for_some:
            self._for_some[chosen] = self._overlaid(chosen)
        return self._for_some[chosen]

    def time_to_fix(self, check: str, severity: Severity) -> timedelta | None:
        """How long a failure of this check and severity may stay open; None: for ever.

        The deadline of what is known to be exploited is for failures at the full severity of their rule, as the
        rule's own cap is: what fails more mildly has the deadline of its severity.
        """
        full = self._exploited.get(check)
        exploited = full is not None and severity >= full
        if exploited and self.deadlines.known_exploited is not None:
            return self.deadlines.known_exploited
        return self.deadlines.by_severity.get(severity)

    def domain_of(self) -> dict[str, str]:
        """Check -> domain, of every rule that counts on any host."""
        return {rule.check.id: rule.domain for rule in self.rules_of_any_host()}

    def ports_to_ask(self, transport: str = "tcp") -> frozenset[int]:
        """The ports whose state some rule has to know before it can pass, whatever else a scan asks.

        They are what the limits ``ports`` (TCP) and ``udp_ports`` list, in rules that judge a port scan, for any
        host: a scan asks them of all, so that a role can be corrected later without another look.
        """
        limit = "ports" if transport == "tcp" else f"{transport}_ports"
        listed: set[int] = set()
        for rule in self.rules_of_any_host():
            if PortFacts in rule.check.observes.values():
                listed.update(getattr(rule.limits, limit, ()))
        return frozenset(listed)

    @property
    def lists_tls(self) -> bool:
        """Whether some rule, for any host, holds what TLS offers against a list: that takes asking for all there is."""
        return any(
            TlsFacts in rule.check.observes.values() and getattr(rule.limits, "allowed", ())
            for rule in self.rules_of_any_host()
        )

    @property
    def looks_inside(self) -> bool:
        """Whether some rule, for any host, judges what only who logs in can see."""
        return any(kind.kind in INSIDE for rule in self.rules_of_any_host() for kind in rule.check.kinds)

    def rules_of_any_host(self) -> Iterator[Rule]:
        """Every rule that counts on some host; one that means other limits for some, once for each."""
        yield from self.rules
        for rule in self.overlays.rules.values():
            if rule is not None and rule.domain in self.domains:
                yield rule

    def _overlaid(self, chosen: tuple[Selector, ...]) -> "Baseline":
        parts = [self.overlays.parts[selector] for selector in chosen]
        weights, counts = dict(self.domains), dict.fromkeys(self.domains, True)
        deadlines, tls_ports = self.deadlines, self.tls_ports
        for part in parts:
            # A layer may speak of domains that this baseline does not have.
            weights |= {domain: weight for domain, weight in part.weights.items() if domain in weights}
            counts |= part.counts
            deadlines = deadlines.overridden_by(part.deadlines)
            tls_ports = tls_ports if part.tls_ports is None else part.tls_ports
        rules: dict[str, Rule | None] = {rule.check.id: rule for rule in self.rules}
        for id in frozenset().union(*(part.checks for part in parts)):
            speaking = tuple(s for s, part in zip(chosen, parts, strict=True) if id in part.checks)
            rules[id] = self.overlays.rules[id, speaking]
        kept = [rule for rule in rules.values() if rule and rule.domain in weights and counts[rule.domain]]
        order = list(weights)
        names = " ".join(f"{kind}.{name}" for kind, name in chosen)
        return replace(
            self,
            domains={domain: weight for domain, weight in weights.items() if counts[domain]},
            rules=tuple(sorted(kept, key=lambda rule: (order.index(rule.domain), rule.check.id))),
            tls_ports=tls_ports,
            deadlines=deadlines,
            overlays=Overlays(),
            hash=hashlib.sha256(f"{self.hash} {names}".encode()).hexdigest(),
        )


def narrowed(baseline: Baseline, domains: Collection[str]) -> Baseline:
    """The baseline with these of its domains alone, for a look that asks no more; its hash says so."""
    kept = {name: weight for name, weight in baseline.domains.items() if name in domains}
    if kept == dict(baseline.domains):
        return baseline
    digest = hashlib.sha256(f"{baseline.hash} {' '.join(sorted(kept))}".encode()).hexdigest()
    rules = tuple(rule for rule in baseline.rules if rule.domain in kept)
    return replace(baseline, domains=kept, rules=rules, hash=digest)
