"""Profiles laid upon each other: every value, and the file and line it came from."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from secscan.baseline.schema import OWN, SLUG, RuleTable
from secscan.check import Check
from secscan.language import _
from secscan.toml_source import Loc, Mistake, Source, nearest, shown_value


class Layers:
    """What several files, or tables of them, say together; the one that was laid last goes first."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self.data: dict[str, Any] = {}
        self.mistakes: list[Mistake] = []
        #: The last source that was laid, and the table of it.
        self.last: tuple[Source, Loc] | None = None
        self._checks = checks
        self._origins: dict[Loc, tuple[Source, Loc]] = {}

    def lay(self, source: Source, at: Loc = (), *, without: Iterable[str] = ()) -> None:
        """What the table ``at`` of ``source`` says goes before what was laid already; ``without`` some of its keys."""
        self.last = source, at
        if not at:
            # What a file says of itself is inherited by none that is laid upon it.
            for key in OWN:
                self.data.pop(key, None)
        for key, value in table_at(source, at).items():
            if key == "rules":
                self._lay_rules(source, at, value)
            elif key not in without:
                self._set((key,), value, source, (*at, key))

    def rules(self) -> Mapping[str, Mapping[str, Any]]:
        """Check -> what is said of it."""
        rules: dict[str, dict[str, Any]] = self.data.get("rules", {})
        return rules

    def origin(self, loc: Loc) -> tuple[Source, Loc] | None:
        """Where exactly this stands; None where it was not said here."""
        return self.last if not loc else self._origins.get(loc)

    def _lay_rules(self, source: Source, at: Loc, rules: Any) -> None:
        if not isinstance(rules, dict):
            self.mistakes.append(source.mistake((*at, "rules"), not_a_table(rules)))
            return
        # Families first: what is said of one rule goes before what is said of its family in the same table.
        for key in sorted(rules, key=lambda key: not key.endswith(".*")):
            table, meant, loc = rules[key], checks_meant(key, self._checks), (*at, "rules", key)
            if not meant:
                self.mistakes.append(source.mistake(loc, no_such_check(key, self._checks)))
            elif not isinstance(table, dict):
                self.mistakes.append(source.mistake(loc, not_a_table(table)))
            else:
                for name, value in table.items():
                    self._lay_limit(source, (*loc, name), value, meant)

    def _lay_limit(self, source: Source, loc: Loc, value: Any, ids: frozenset[str]) -> None:
        name = str(loc[-1])
        takers = [id for id in sorted(ids) if name in keys_of(self._checks[id])]
        for id in takers:
            self._set(("rules", id, name), value, source, loc)
        if not takers:
            known = sorted({key for id in ids for key in keys_of(self._checks[id])})
            guess = nearest(name, known)
            message = (
                _("unknown key; did you mean '{guess}'?").format(guess=guess)
                if guess
                else _("unknown key; the keys known here are {known}").format(known=", ".join(known))
            )
            self.mistakes.append(source.mistake(loc, message))

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


class Stack:
    """Layers upon layers: those that hold for all hosts, and upon them those that hold for some."""

    def __init__(self, *layers: Layers) -> None:
        self._layers = layers

    def said_of(self, id: str) -> dict[str, Any]:
        """What is said of one check, the last layers first."""
        said: dict[str, Any] = {}
        for layers in self._layers:
            said = _merged(said, layers.rules().get(id, {}))
        return said

    def mistake(self, loc: Loc, message: str) -> Mistake:
        """The mistake in the file that the value at ``loc`` came from, or the table around it."""
        for end in range(len(loc), -1, -1):
            for layers in reversed(self._layers):
                origin = layers.origin(loc[:end])
                if origin is not None:
                    source, place = origin
                    return source.mistake(place + loc[end:], message)
        raise AssertionError("nothing was laid")

    def part(self, loc: Loc, data: dict[str, Any]) -> Source:
        """``data``, which stands at ``loc``, as something that can be parsed."""
        place = self.mistake((), "")
        return _Part(place.file, "", data, self, loc)


@dataclass(frozen=True)
class _Part(Source):
    stack: Stack
    at: Loc

    def mistake(self, loc: Loc, message: str) -> Mistake:
        return self.stack.mistake(self.at + loc, message)


def check_name(source: Source) -> Sequence[Mistake]:
    """What is wrong with the name of a file."""
    name = source.data.get("name")
    if isinstance(name, str) and name != source.path.stem:
        message = _("{name} is not the name of the file, {stem}").format(
            name=shown_value(name), stem=shown_value(source.path.stem)
        )
        return [source.mistake(("name",), message)]
    if not re.fullmatch(SLUG, source.path.stem):
        return [source.mistake((), _("name the file with lower-case letters, digits and hyphens"))]
    return []


def table_at(source: Source, loc: Loc) -> Mapping[str, Any]:
    """The table there; an empty one where there is none."""
    table: Any = source.data
    for part in loc:
        table = table.get(part) if isinstance(table, dict) else None
    return table if isinstance(table, dict) else {}


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


def not_a_table(value: Any) -> str:
    return _("{value} does not fit here; expected a table").format(value=shown_value(value))


def keys_of(check: Check) -> frozenset[str]:
    limits = check.limits.model_fields if check.limits is not None else {}
    return frozenset(RuleTable.model_fields) | frozenset(limits)


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Tables key by key, all else as a whole; ``above`` goes first."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        merged[key] = _merged(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return merged
