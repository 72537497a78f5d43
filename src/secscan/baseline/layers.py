"""A profile laid upon those it extends: every value, and the file and line it came from."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from secscan.baseline.schema import OWN, SLUG, RuleTable
from secscan.check import Check
from secscan.language import _
from secscan.toml_source import Loc, Mistake, Source, nearest, shown_value


class Layers:
    """The values of a profile and its parents laid upon each other, and for each the file it came from."""

    def __init__(self, head: Source, checks: Mapping[str, Check]) -> None:
        self.head = head
        self.data: dict[str, Any] = {}
        self.mistakes: list[Mistake] = []
        self._checks = checks
        self._origins: dict[Loc, tuple[Source, Loc]] = {(): (head, ())}

    def lay(self, source: Source) -> None:
        """What ``source`` says goes before what was laid already."""
        self._check_name(source)
        for key, value in source.data.items():
            if key == "rules":
                self._lay_rules(source, value)
            elif key not in OWN or source is self.head:
                self._set((key,), value, source, (key,))

    def mistake(self, loc: Loc, message: str) -> Mistake:
        """The mistake in the file that the value at ``loc`` came from, or the table around it."""
        for end in range(len(loc), -1, -1):
            if loc[:end] in self._origins:
                source, place = self._origins[loc[:end]]
                return source.mistake(place + loc[end:], message)
        raise AssertionError("the root has an origin")

    def part(self, loc: Loc, data: dict[str, Any]) -> Source:
        """``data``, which stands at ``loc``, as something that can be parsed."""
        return _Part(self.head.path, self.head.text, data, self, loc)

    def rule_keys(self) -> Iterable[tuple[str, frozenset[str]]]:
        """What the profile itself, without its parents, has under ``rules``, and the checks that this means."""
        rules = self.head.data.get("rules")
        for key in rules if isinstance(rules, dict) else ():
            yield key, checks_meant(key, self._checks)

    def _check_name(self, source: Source) -> None:
        name = source.data.get("name")
        if isinstance(name, str) and name != source.path.stem:
            message = _("{name} is not the name of the file, {stem}").format(
                name=shown_value(name), stem=shown_value(source.path.stem)
            )
            self.mistakes.append(source.mistake(("name",), message))
        elif not re.fullmatch(SLUG, source.path.stem):
            message = _("name the file with lower-case letters, digits and hyphens")
            self.mistakes.append(source.mistake((), message))

    def _lay_rules(self, source: Source, rules: Any) -> None:
        if not isinstance(rules, dict):
            self.mistakes.append(source.mistake(("rules",), _not_a_table(rules)))
            return
        # Families first: what is said of one rule goes before what is said of its family in the same file.
        for key in sorted(rules, key=lambda key: not key.endswith(".*")):
            table, meant = rules[key], checks_meant(key, self._checks)
            if not meant:
                self.mistakes.append(source.mistake(("rules", key), no_such_check(key, self._checks)))
            elif not isinstance(table, dict):
                self.mistakes.append(source.mistake(("rules", key), _not_a_table(table)))
            else:
                for name, value in table.items():
                    self._lay_limit(source, (key, name), value, meant)

    def _lay_limit(self, source: Source, loc: tuple[str, str], value: Any, ids: frozenset[str]) -> None:
        takers = [id for id in sorted(ids) if loc[1] in keys_of(self._checks[id])]
        for id in takers:
            self._set(("rules", id, loc[1]), value, source, ("rules", *loc))
        if not takers:
            known = sorted({key for id in ids for key in keys_of(self._checks[id])})
            guess = nearest(loc[1], known)
            message = (
                _("unknown key; did you mean '{guess}'?").format(guess=guess)
                if guess
                else _("unknown key; the keys known here are {known}").format(known=", ".join(known))
            )
            self.mistakes.append(source.mistake(("rules", *loc), message))

    def _set(self, loc: Loc, value: Any, source: Source, origin: Loc) -> None:
        table = self.data
        for part in loc[:-1]:
            table = table.setdefault(str(part), {})
        self._origins[loc] = source, origin
        key = str(loc[-1])
        if not isinstance(value, dict):
            table[key] = value
            return
        if not isinstance(table.get(key), dict):
            table[key] = {}
        for name, inner in value.items():
            self._set((*loc, name), inner, source, (*origin, name))


@dataclass(frozen=True)
class _Part(Source):
    layers: Layers
    at: Loc

    def mistake(self, loc: Loc, message: str) -> Mistake:
        return self.layers.mistake(self.at + loc, message)


def checks_meant(pattern: str, checks: Mapping[str, Check]) -> frozenset[str]:
    """The checks that ``family.*`` or an id means; empty where it means none."""
    if pattern.endswith(".*"):
        return frozenset(id for id, check in checks.items() if check.family == pattern.removesuffix(".*"))
    return frozenset({pattern} & checks.keys())


def no_such_check(pattern: str, checks: Mapping[str, Check]) -> str:
    known = [*checks, *sorted({f"{check.family}.*" for check in checks.values()})]
    guess = nearest(pattern, known)
    message = _("there is no check {pattern}").format(pattern=shown_value(pattern))
    hint = _("did you mean '{guess}'?").format(guess=guess) if guess else _("see: secscan checks list")
    return f"{message}; {hint}"


def _not_a_table(value: Any) -> str:
    return _("{value} does not fit here; expected a table").format(value=shown_value(value))


def keys_of(check: Check) -> frozenset[str]:
    limits = check.limits.model_fields if check.limits is not None else {}
    return frozenset(RuleTable.model_fields) | frozenset(limits)
