"""@check, Limits, Verdict: together with model and facts, the whole plug-in API."""

import inspect
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from secscan.facts.kind import Facts
from secscan.model import (
    Agency,
    Each,
    Earlier,
    Host,
    Level,
    Observation,
    Outcome,
    Reason,
    Service,
    Severity,
    Text,
    Unobserved,
)
from secscan.reference import Advisories, EndOfLife, ExploitPrediction, HeldBackups, KnownExploited

CHECK_ID = re.compile(r"[a-z][a-z0-9]*\.[a-z0-9]+(-[a-z0-9]+)*")


class CheckDefinitionError(TypeError):
    """A check that was written wrongly: says which one, and what to mend."""


class Limits(BaseModel):
    """What a baseline may set for a check. Fields have defaults, types and ranges; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class TrustAnchors:
    """Reference data: the certificates that paths may end in, DER. ``as_of`` is the date of the public set."""

    kind: ClassVar[str] = "anchors"
    unavailable: ClassVar[Text] = Text("The trust anchors were not loaded.")
    public: tuple[bytes, ...]
    private: tuple[bytes, ...] = ()
    as_of: str = ""


#: Reference data a check can ask for by annotation. Each has ``unavailable``, what to say where there is none.
REFERENCES: tuple[type, ...] = (
    TrustAnchors,
    Advisories,
    KnownExploited,
    ExploitPrediction,
    EndOfLife,
    HeldBackups,
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One outcome for one object (a port, a cipher class, a certificate slot) of the check's subject."""

    outcome: Outcome
    evidence: Text
    object: str = ""
    severity: Severity | None = None
    reason: Reason | None = None


def passed(template: str, /, object: str = "", **values: str | int) -> Verdict:
    """What was seen that makes the claim true. ``template`` is translatable, ``values`` fill it."""
    return Verdict(Outcome.PASS, Text(template, values), object)


def failed(
    template: str, /, object: str = "", severity: Severity | None = None, **values: str | int
) -> Verdict:
    """What was seen and what was expected. ``severity`` may be milder than the check's, never graver."""
    return Verdict(Outcome.FAIL, Text(template, values), object, severity)


def unknown(reason: Reason, template: str, /, object: str = "", **values: str | int) -> Verdict:
    """What could not be told, and why."""
    return Verdict(Outcome.UNKNOWN, Text(template, values), object, None, reason)


def not_applicable(template: str, /, object: str = "", **values: str | int) -> Verdict:
    """What the claim is about does not exist here. A worse state than the claim's is a failure, not this."""
    return Verdict(Outcome.NOT_APPLICABLE, Text(template, values), object)


CheckFunction = Callable[..., Iterator[Verdict]]


@dataclass(frozen=True, slots=True)
class Check:
    """A check as it is known to the registry: its function, what that asks for, and its documentation."""

    id: str
    severity: Severity
    function: CheckFunction
    claim: str
    why: str
    fix: str
    #: Parameter name -> kind of fact it observes.
    observes: Mapping[str, type[Facts]]
    #: Parameter name -> type of everything else: Limits, datetime, Host, Service, Agency, reference data.
    asks: Mapping[str, type]
    source: str
    #: Parameters that ask for reference data and do without it, where nobody has imported any: they are None then.
    optional: frozenset[str] = frozenset()
    #: Parameters of ``observes`` that the check wants even where there is only an Unobserved; without it, what
    #: could not be seen leaves the check unknown before it is asked.
    copes_without: frozenset[str] = frozenset()
    #: Parameter name -> kind of fact whose earlier looks it compares with.
    compares: Mapping[str, type[Facts]] = field(default_factory=dict)
    #: Parameter name -> kind of fact that it is given of each address or service of the host.
    gathers: Mapping[str, type[Facts]] = field(default_factory=dict)

    @property
    def kinds(self) -> frozenset[type[Facts]]:
        """Every kind of fact that it judges by."""
        return frozenset((*self.observes.values(), *self.compares.values(), *self.gathers.values()))

    def __call__(self, *args: Any, **kwargs: Any) -> Iterator[Verdict]:
        return self.function(*args, **kwargs)

    @property
    def family(self) -> str:
        return self.id.partition(".")[0]

    @property
    def level(self) -> Level:
        """What its observations are about; all kinds that one check observes share it."""
        return next(iter(self.observes.values())).level

    @property
    def limits(self) -> type[Limits] | None:
        return next((t for t in self.asks.values() if issubclass(t, Limits)), None)

    @property
    def asks_time(self) -> bool:
        return datetime in self.asks.values()


def check(id: str, *, severity: Severity) -> Callable[[CheckFunction], Check]:
    """Makes a pure function a check. Its annotations say what it is given, its docstring is its documentation:

    one claim that is true when the check passes, then a paragraph ``Why:`` and a paragraph ``Fix:``.
    The id is ``family.property``; it is stored with every finding and never changes.
    The function yields at least one Verdict. Raises CheckDefinitionError on a malformed check.

    ``Earlier[SomeFacts]`` gives what earlier runs saw of the same target and is otherwise than what is seen now: each
    content once, with the instant it was last seen, newest first. It is empty on the first look, without a store,
    and where nothing ever changed, so a check can't tell these apart, and must not fail for want of a past. A change
    is judged by how long ago the other state was last seen (``at - look.observed_at``), never by which run met it:
    otherwise the next run would close the finding, and nobody would have looked. Facts of older versions may have
    gaps where those of now have none: look for them, for ``known()`` leaves the whole check unknown.

    A check that observes a host as a whole can ask for ``Each[SomeFacts]`` of a kind that is about addresses or
    services: what was seen of every one of them, to hold one against the other. Records can be Unobserved, and of
    services that have nothing of the kind, Absent.
    """

    def define(function: CheckFunction) -> Check:
        where = f"check {id!r} ({function.__module__}.{function.__qualname__})"
        if not CHECK_ID.fullmatch(id):
            raise CheckDefinitionError(f"{where}: the id must read family.some-property, in lower case")
        claim, why, fix = _documentation(inspect.getdoc(function) or "", where)
        observes, asks, optional, copes_without, compares, gathers = _inputs(function, where)
        return Check(
            id,
            severity,
            function,
            claim,
            why,
            fix,
            observes,
            asks,
            f"{function.__module__}",
            optional,
            copes_without,
            compares,
            gathers,
        )

    return define


def _documentation(text: str, where: str) -> tuple[str, str, str]:
    shape = re.fullmatch(
        r"(?P<claim>.+?)\n\s*\nWhy:\s*(?P<why>.+?)\n\s*\nFix:\s*(?P<fix>.+)", text, re.DOTALL
    )
    if shape is None:
        raise CheckDefinitionError(
            f"{where}: the docstring must be one claim, then a paragraph 'Why: ...' and a paragraph 'Fix: ...'"
        )
    claim, why, fix = (re.sub(r"\s+", " ", shape[part]).strip() for part in ("claim", "why", "fix"))
    return claim, why, fix


def _inputs(
    function: CheckFunction, where: str
) -> tuple[
    dict[str, type[Facts]],
    dict[str, type],
    frozenset[str],
    frozenset[str],
    dict[str, type[Facts]],
    dict[str, type[Facts]],
]:
    observes: dict[str, type[Facts]] = {}
    compares: dict[str, type[Facts]] = {}
    gathers: dict[str, type[Facts]] = {}
    asks: dict[str, type] = {}
    optional: set[str] = set()
    copes_without: set[str] = set()
    hints = typing.get_type_hints(function)
    for name in inspect.signature(function).parameters:
        hint = hints.get(name)
        if typing.get_origin(hint) in (typing.Union, types.UnionType) and Unobserved in typing.get_args(hint):
            [hint] = set(typing.get_args(hint)) - {Unobserved}
            copes_without.add(name)
        facts = typing.get_args(hint)[0] if typing.get_origin(hint) is Observation else None
        reference = next((kind for kind in REFERENCES if hint == kind | None), None)
        if facts is not None:
            observes[name] = facts
        elif typing.get_origin(hint) is Earlier:
            compares[name] = typing.get_args(hint)[0]
        elif typing.get_origin(hint) is Each:
            gathers[name] = typing.get_args(hint)[0]
        elif reference is not None:
            asks[name] = reference
            optional.add(name)
        elif isinstance(hint, type) and (
            hint in (datetime, Host, Service, Agency) or hint in REFERENCES or issubclass(hint, Limits)
        ):
            asks[name] = hint
        else:
            raise CheckDefinitionError(
                f"{where}: parameter {name!r} is annotated {hint!r}; a check can ask for Observation[SomeFacts] "
                "(with '| Unobserved' where it can do without), Earlier[SomeFacts], Each[SomeFacts], a Limits subclass, "
                f"datetime, Host, Service, Agency or {', '.join(r.__name__ for r in REFERENCES)} (these with '| None' where it can do without)"
            )
    if not observes:
        raise CheckDefinitionError(
            f"{where}: it observes nothing; give it an Observation[SomeFacts] parameter"
        )
    if len({kind.level for kind in (*observes.values(), *compares.values())}) > 1:
        raise CheckDefinitionError(f"{where}: all kinds it observes must be about the same level of target")
    forgotten = [kind.__name__ for kind in compares.values() if not kind.recalled]
    if forgotten:
        raise CheckDefinitionError(
            f"{where}: nothing earlier is read of {', '.join(forgotten)}; such a kind says so: "
            "recalled: ClassVar[bool] = True"
        )
    level = next(iter(observes.values())).level
    if gathers and (level is not Level.HOST or any(kind.level is Level.HOST for kind in gathers.values())):
        raise CheckDefinitionError(
            f"{where}: Each[SomeFacts] is for checks that observe a host as a whole, and for facts about its "
            "addresses or services"
        )
    return observes, asks, frozenset(optional), frozenset(copes_without), compares, gathers
