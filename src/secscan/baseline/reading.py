"""The values of a profile -> a Baseline, sealed with its hash; or every mistake at once."""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from fractions import Fraction
from itertools import product
from typing import Any, NoReturn

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from secscan.baseline.layers import Layers, Stack, checks_meant, no_such_check, table_at
from secscan.baseline.rules import Baseline, Deadlines, Overlay, Overlays, Rule, Scoring, Selector
from secscan.baseline.schema import (
    SELECTORS,
    DeadlinesTable,
    DomainTable,
    OverlayTable,
    ProfileTable,
    RuleTable,
    ScoringTable,
)
from secscan.check import Check, Limits
from secscan.language import _
from secscan.model import Severity
from secscan.toml_source import (
    ConfigurationError,
    Loc,
    Mistake,
    Source,
    in_order,
    nearest,
    parse,
    shown_value,
)


@dataclass(frozen=True, slots=True)
class Written:
    """A profile as it is written: what holds for all hosts, and what holds for some."""

    head: Source
    layers: Layers
    overlays: Mapping[Selector, "WrittenOverlay"]
    mistakes: Sequence[Mistake] = ()


@dataclass(frozen=True, slots=True)
class WrittenOverlay:
    """``layers`` are those of the profiles applied and, upon them, what the tables about these hosts say."""

    applied: tuple[str, ...]
    layers: Layers


def read_baseline(written: Written, checks: Mapping[str, Check]) -> Baseline:
    """What is written, over ``checks``. Raises ConfigurationError with every mistake."""
    return _Reading(written, checks).baseline()


class _Reading:
    """One reading of a profile; collects every mistake before it gives up."""

    def __init__(self, written: Written, checks: Mapping[str, Check]) -> None:
        self.written = written
        self.stack = Stack(written.layers)
        self.checks = checks
        self.mistakes = [*written.mistakes, *written.layers.mistakes]

    def baseline(self) -> Baseline:
        profile = self._parsed(self.stack, (), {**self.written.layers.data, "rules": {}}, ProfileTable)
        settings = {id: self._setting(id, self.stack) for id in self.checks}
        if profile is None:
            self._give_up()
        domain_of = self._domain_of(profile.domains)
        rules = tuple(
            self._rule(id, domain, settings[id])
            for domain in profile.domains
            for id in sorted(settings)
            if domain_of.get(id) == domain and settings[id].enabled
        )
        overlays = self._overlays(profile, domain_of, settings)
        counting = {rule.domain for rule in (*rules, *filter(None, overlays.rules.values()))}
        if not rules:
            self.mistakes.append(self.stack.mistake(("domains",), _("no rule counts in any domain")))
        if self.mistakes:
            self._give_up()
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
                overlays=overlays,
            )
        )

    def _give_up(self) -> NoReturn:
        raise ConfigurationError(in_order(dict.fromkeys(self.mistakes)))

    def _parsed(self, stack: Stack, at: Loc, data: dict[str, Any], model: type[Any]) -> Any:
        """The values at ``at`` as ``model``; None where they don't fit."""
        try:
            return parse(stack.part(at, data), model)
        except ConfigurationError as error:
            self.mistakes += error.mistakes
            return None

    def _setting(self, id: str, stack: Stack) -> "_Setting":
        check = self.checks[id]
        said = stack.said_of(id)
        keys = self._parsed(stack, ("rules", id), _only(said, RuleTable.model_fields), RuleTable)
        keys = keys or RuleTable()
        limits = None
        if check.limits is not None:
            limits = self._parsed(stack, ("rules", id), _only(said, check.limits.model_fields), check.limits)
        severity = Severity[keys.severity.upper()] if keys.severity else check.severity
        cap = None if keys.cap is None else Fraction(keys.cap)
        return _Setting(severity, keys.enabled, limits, cap, keys.known_exploited)

    def _rule(self, id: str, domain: str, setting: "_Setting") -> Rule:
        return Rule(
            self.checks[id],
            domain,
            setting.severity,
            setting.limits,
            setting.cap,
            setting.known_exploited,
        )

    def _domain_of(self, domains: Mapping[str, DomainTable]) -> Mapping[str, str]:
        """Check -> the domain it counts in: one that names it goes before those whose pattern it fits."""
        found: dict[str, str] = {}
        resting: set[str] = set()
        named = {id for domain in domains.values() for id in domain.rules if id in self.checks}
        for name, domain in domains.items():
            for i, pattern in enumerate(domain.rules):
                loc = ("domains", name, "rules", i)
                meant = checks_meant(pattern, self.checks)
                if not meant:
                    message = no_such_check(pattern, self.checks)
                    self.mistakes.append(self.stack.mistake(loc, message))
                if pattern not in self.checks:
                    meant -= named
                if not domain.enabled:
                    resting |= meant
                    continue
                for id in sorted(meant):
                    if found.setdefault(id, name) != name:
                        message = _("{id} counts in the domain '{domain}' already").format(
                            id=id, domain=found[id]
                        )
                        self.mistakes.append(self.stack.mistake(loc, message))
        self._complain_of_idle_rules((), found.keys() | resting, domains)
        for selector in self.written.overlays:
            self._complain_of_idle_rules(selector, found.keys() | resting, domains)
        return found

    def _complain_of_idle_rules(self, at: Loc, counting: Collection[str], domains: Iterable[str]) -> None:
        """The profile itself may not speak of rules that count nowhere; what it extends may."""
        for key in table_at(self.written.head, (*at, "rules")):
            ids = checks_meant(key, self.checks)
            if ids and ids.isdisjoint(counting):
                message = _("counts in no domain; add it to the rules of one, such as [domains.{domain}]")
                message = message.format(domain=next(iter(domains), "..."))
                self.mistakes.append(self.written.head.mistake((*at, "rules", key), message))

    # --- What holds for some hosts --------------------------------------------------------------------------

    def _overlays(
        self, profile: ProfileTable, domain_of: Mapping[str, str], settings: Mapping[str, "_Setting"]
    ) -> Overlays:
        parts: dict[Selector, Overlay] = {}
        for selector, overlay in self.written.overlays.items():
            self.mistakes += overlay.layers.mistakes
            part = self._overlay(selector, overlay, profile)
            if part is not None:
                parts[selector] = part
        speaking: dict[str, list[Selector]] = {}
        for selector, part in parts.items():
            for id in part.checks:
                speaking.setdefault(id, []).append(selector)
        rules: dict[tuple[str, tuple[Selector, ...]], Rule | None] = {}
        for id, selectors in sorted(speaking.items()):
            for chosen in _together(selectors):
                layers = [self.written.overlays[selector].layers for selector in chosen]
                setting = self._setting(id, Stack(self.written.layers, *layers))
                counts = setting.enabled and id in domain_of
                rules[id, chosen] = self._rule(id, domain_of[id], setting) if counts else None
        for selector, part in parts.items():
            self._require_a_rule(selector, part, domain_of, settings, rules)
        return Overlays(parts, rules)

    def _overlay(self, selector: Selector, overlay: WrittenOverlay, profile: ProfileTable) -> Overlay | None:
        stack = Stack(overlay.layers)
        table = self._parsed(stack, (), {**overlay.layers.data, "rules": {}}, OverlayTable)
        if table is None:
            return None
        for name in table_at(self.written.head, (*selector, "domains")):
            if name not in profile.domains:
                self.mistakes.append(stack.mistake(("domains", name), _no_such_domain(name, profile.domains)))
            elif table.domains[name].enabled and not profile.domains[name].enabled:
                message = _("counts for no host; what is said of some can't bring it back")
                self.mistakes.append(stack.mistake(("domains", name, "enabled"), message))
        said = table.domains.items()
        return Overlay(
            applied=overlay.applied,
            checks=frozenset(overlay.layers.rules()),
            weights={name: Fraction(domain.weight) for name, domain in said if domain.weight is not None},
            counts={name: domain.enabled for name, domain in said if domain.enabled is not None},
            deadlines=_deadlines(table.deadlines),
            tls_ports=None if table.tls_ports is None else frozenset(table.tls_ports),
        )

    def _require_a_rule(
        self,
        selector: Selector,
        part: Overlay,
        domain_of: Mapping[str, str],
        settings: Mapping[str, "_Setting"],
        rules: Mapping[tuple[str, tuple[Selector, ...]], Rule | None],
    ) -> None:
        """A host that no rule counts for would be wholly unknown for ever."""
        for id, domain in domain_of.items():
            counts = rules[id, (selector,)] is not None if id in part.checks else settings[id].enabled
            if counts and part.counts.get(domain, True):
                return
        where = Stack(self.written.overlays[selector].layers)
        self.mistakes.append(where.mistake((), _("no rule counts for these hosts")))


def _together(selectors: Iterable[Selector]) -> Iterator[tuple[Selector, ...]]:
    """Every way in which these may hold for one host: at most one of a kind, in the order they are laid."""
    of_kind = [[None, *(s for s in selectors if s[0] == kind)] for kind in SELECTORS]
    for choice in product(*of_kind):
        chosen = tuple(filter(None, choice))
        if chosen:
            yield chosen


def _no_such_domain(name: str, domains: Iterable[str]) -> str:
    message = _("there is no domain {name}").format(name=shown_value(name))
    guess = nearest(name, domains)
    if guess:
        return f"{message}; " + _("did you mean '{guess}'?").format(guess=guess)
    return f"{message}; " + _("there are {known}").format(known=", ".join(domains))


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
    counting = {rule.check.id: rule for rule in baseline.rules}
    content = {
        "domains": baseline.domains,
        "rules": {id: _content(rule) for id, rule in counting.items()},
        "weights": {severity.word: weight for severity, weight in baseline.scoring.weights.items()},
        "caps": {severity.word: cap for severity, cap in baseline.scoring.caps.items()},
        "grades": baseline.scoring.grades,
        "meets": baseline.scoring.meets,
        "mean_share": baseline.scoring.mean_share,
        "worst": [baseline.scoring.worst_divisor, baseline.scoring.worst_most],
        "enough_coverage": baseline.scoring.enough_coverage,
        "carry_days": baseline.carry.days,
        "tls_ports": baseline.tls_ports,
        "deadlines": _days(baseline.deadlines),
        "overlays": {
            f"{kind}.{name}": {
                "weights": part.weights,
                "counts": part.counts,
                "deadlines": _days(part.deadlines),
                "tls_ports": part.tls_ports,
            }
            for (kind, name), part in baseline.overlays.parts.items()
            # What only applies a profile that changes rules is told by the rules.
            if (part.weights or part.counts or part.deadlines != Deadlines() or part.tls_ports is not None)
        },
        "rules_of_some": [
            [id, *chosen, None if rule is None else _content(rule)]
            for (id, chosen), rule in sorted(baseline.overlays.rules.items(), key=lambda item: item[0])
            if rule != counting.get(id)
        ],
    }
    text = json.dumps(_canonical(content), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return replace(baseline, hash=hashlib.sha256(text.encode()).hexdigest())


def _content(rule: Rule) -> dict[str, Any]:
    return {
        "domain": rule.domain,
        "severity": rule.severity.word,
        "limits": rule.limits,
        "cap": rule.cap,
        "known_exploited": rule.known_exploited,
    }


def _days(deadlines: Deadlines) -> dict[str, int | None]:
    return {
        **{severity.word: time.days for severity, time in deadlines.by_severity.items()},
        "known_exploited": None if deadlines.known_exploited is None else deadlines.known_exploited.days,
    }


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
