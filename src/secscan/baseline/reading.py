"""The values of a profile -> a Baseline, sealed with its hash; or every mistake at once."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from fractions import Fraction
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from secscan.baseline.layers import Layers, checks_meant, no_such_check
from secscan.baseline.rules import Baseline, Deadlines, Rule, Scoring
from secscan.baseline.schema import DeadlinesTable, DomainTable, ProfileTable, RuleTable, ScoringTable
from secscan.check import Check, Limits
from secscan.language import _
from secscan.model import Severity
from secscan.toml_source import ConfigurationError, Loc, in_order, parse


def read_baseline(layers: Layers, checks: Mapping[str, Check]) -> Baseline:
    """What the layers say, over ``checks``. Raises ConfigurationError with every mistake."""
    return _Reading(layers, checks).baseline()


class _Reading:
    """One reading of a profile; collects every mistake before it gives up."""

    def __init__(self, layers: Layers, checks: Mapping[str, Check]) -> None:
        self.layers = layers
        self.checks = checks
        self.mistakes = list(layers.mistakes)

    def baseline(self) -> Baseline:
        profile = self._parsed((), {**self.layers.data, "rules": {}}, ProfileTable)
        settings = {id: self._setting(id) for id in self.checks}
        if profile is None:
            raise ConfigurationError(in_order(dict.fromkeys(self.mistakes)))
        domain_of = self._domain_of(profile.domains)
        rules = tuple(
            Rule(
                self.checks[id],
                domain,
                setting.severity,
                setting.limits,
                setting.cap,
                setting.known_exploited,
            )
            for domain in profile.domains
            for id, setting in sorted(settings.items())
            if domain_of.get(id) == domain and setting.enabled
        )
        counting = {rule.domain for rule in rules}
        if not counting:
            self.mistakes.append(self.layers.mistake(("domains",), _("no rule counts in any domain")))
        if self.mistakes:
            raise ConfigurationError(in_order(dict.fromkeys(self.mistakes)))
        return _sealed(
            Baseline(
                name=profile.name,
                titles=profile.titles,
                domains={name: Fraction(d.weight) for name, d in profile.domains.items() if name in counting},
                rules=rules,
                scoring=_scoring(profile.scoring),
                carry=timedelta(days=profile.carry_days),
                tls_ports=frozenset(profile.tls_ports),
                hash="",
                deadlines=_deadlines(profile.deadlines),
            )
        )

    def _parsed(self, at: Loc, data: dict[str, Any], model: type[Any]) -> Any:
        """The values at ``at`` as ``model``; None where they don't fit."""
        try:
            return parse(self.layers.part(at, data), model)
        except ConfigurationError as error:
            self.mistakes += error.mistakes
            return None

    def _setting(self, id: str) -> "_Setting":
        check = self.checks[id]
        said = self.layers.data.get("rules", {}).get(id, {})
        keys = self._parsed(("rules", id), _only(said, RuleTable.model_fields), RuleTable) or RuleTable()
        limits = None
        if check.limits is not None:
            limits = self._parsed(("rules", id), _only(said, check.limits.model_fields), check.limits)
        severity = Severity[keys.severity.upper()] if keys.severity else check.severity
        cap = None if keys.cap is None else Fraction(keys.cap)
        return _Setting(severity, keys.enabled, limits, cap, keys.known_exploited)

    def _domain_of(self, domains: Mapping[str, DomainTable]) -> Mapping[str, str]:
        """Check -> the domain it counts in."""
        found: dict[str, str] = {}
        resting: set[str] = set()
        for name, domain in domains.items():
            for i, pattern in enumerate(domain.rules):
                loc = ("domains", name, "rules", i)
                meant = checks_meant(pattern, self.checks)
                if not meant:
                    message = no_such_check(pattern, self.checks)
                    self.mistakes.append(self.layers.mistake(loc, message))
                if not domain.enabled:
                    resting |= meant
                    continue
                for id in sorted(meant):
                    if found.setdefault(id, name) != name:
                        message = _("{id} counts in the domain '{domain}' already").format(
                            id=id, domain=found[id]
                        )
                        self.mistakes.append(self.layers.mistake(loc, message))
        for key, ids in self.layers.rule_keys():
            if ids and not ids & (found.keys() | resting):
                message = _("counts in no domain; add it to the rules of one, such as [domains.{domain}]")
                self.mistakes.append(
                    self.layers.head.mistake(
                        ("rules", key), message.format(domain=next(iter(domains), "..."))
                    )
                )
        return found


@dataclass(frozen=True, slots=True)
class _Setting:
    severity: Severity
    enabled: bool
    limits: Limits | None
    cap: Fraction | None
    known_exploited: bool


def _deadlines(said: DeadlinesTable) -> Deadlines:
    days = {severity: getattr(said, severity.word, None) for severity in Severity}
    return Deadlines(
        by_severity={severity: timedelta(days=n) for severity, n in days.items() if n is not None},
        known_exploited=None if said.known_exploited is None else timedelta(days=said.known_exploited),
    )


def _scoring(said: ScoringTable) -> Scoring:
    weights = {s: Fraction(getattr(said.weights, s.word)) for s in Severity}
    caps = {s: getattr(said.caps, s.word, None) for s in sorted(Severity, reverse=True)}
    ladder = sorted(said.grades.items(), key=lambda grade: -grade[1])
    return Scoring(
        weights=weights,
        caps={severity: Fraction(cap) for severity, cap in caps.items() if cap is not None},
        grades=tuple((grade, Fraction(lowest)) for grade, lowest in ladder),
        meets=Fraction(said.meets),
        mean_share=Fraction(said.mean_share_percent) / 100,
        worst_divisor=said.worst_divisor,
        worst_most=said.worst_most,
        enough_coverage=Fraction(said.enough_coverage_percent) / 100,
    )


def _only(table: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    return {key: table[key] for key in keys if key in table}


# --- The seal -----------------------------------------------------------------------------------------------


def _sealed(baseline: Baseline) -> Baseline:
    """The same with its hash: over all that can change a verdict or a score; not over name, titles and order."""
    content = {
        "domains": baseline.domains,
        "rules": {
            rule.check.id: {
                "domain": rule.domain,
                "severity": rule.severity.word,
                "limits": rule.limits,
                # Written only where there is one: what caps no rule keeps its hash.
                **({"cap": rule.cap} if rule.cap is not None else {}),
                **({"known_exploited": True} if rule.known_exploited else {}),
            }
            for rule in baseline.rules
        },
        "weights": {severity.word: weight for severity, weight in baseline.scoring.weights.items()},
        "caps": {severity.word: cap for severity, cap in baseline.scoring.caps.items()},
        "grades": baseline.scoring.grades,
        "meets": baseline.scoring.meets,
        "mean_share": baseline.scoring.mean_share,
        "worst": [baseline.scoring.worst_divisor, baseline.scoring.worst_most],
        "enough_coverage": baseline.scoring.enough_coverage,
        "carry_days": baseline.carry.days,
        "tls_ports": baseline.tls_ports,
        "deadlines": {
            **{severity.word: time.days for severity, time in baseline.deadlines.by_severity.items()},
            "known_exploited": baseline.deadlines.known_exploited and baseline.deadlines.known_exploited.days,
        },
    }
    text = json.dumps(_canonical(content), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return replace(baseline, hash=hashlib.sha256(text.encode()).hexdigest())


def _canonical(value: Any) -> Any:
    """Plain JSON values; sets in a fixed order, exact numbers as text."""
    match value:
        case BaseModel():
            return {name: _canonical(getattr(value, name)) for name in type(value).model_fields}
        case Mapping():
            return {str(key): _canonical(inner) for key, inner in value.items()}
        case set() | frozenset():
            return sorted((_canonical(inner) for inner in value), key=json.dumps)
        case list() | tuple():
            return [_canonical(inner) for inner in value]
        case Fraction():
            return str(value)
    return to_jsonable_python(value)
