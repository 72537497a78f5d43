"""What a profile may say, table by table: types, ranges, and what must not be left out."""

import math
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt, field_validator

from secscan.language import _
from secscan.toml_source import MisfitError, shown_value

#: Keys that a profile does not inherit.
OWN = ("name", "titles", "extends", "upon")

#: Tables about some hosts, in the order in which they are laid upon what holds for all: the last goes first.
SELECTORS = ("tiers", "levels", "roles", "hosts")

#: The levels that a host can have in the inventory.
LEVELS = ("1", "2", "3", "4", "5")

SLUG = r"^[a-z0-9]+(-[a-z0-9]+)*$"


def _number(value: Any) -> Decimal:
    """Exact: 7.5 is 15/2, and 0.1 a tenth, for a float's shortest text is what the operator wrote."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(_("{value} does not fit here; expected a number").format(value=shown_value(value)))
    return Decimal(str(value))


_Number = Annotated[Decimal, BeforeValidator(_number)]
_Weight = Annotated[_Number, Field(ge=0, le=1000)]
_Score = Annotated[_Number, Field(ge=0, le=100)]
_Port = Annotated[StrictInt, Field(ge=1, le=65535)]
_Days = Annotated[StrictInt, Field(ge=1, le=3650)]
_SeverityWord = Literal["critical", "high", "medium", "low", "info"]


class Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WeightsTable(Table):
    critical: _Weight
    high: _Weight
    medium: _Weight
    low: _Weight
    info: _Weight


class CapsTable(Table):
    critical: _Score | None = None
    high: _Score | None = None
    medium: _Score | None = None
    low: _Score | None = None


class ScoringTable(Table):
    weights: WeightsTable
    caps: CapsTable
    grades: dict[str, _Score]
    meets: _Score
    mean_share_percent: _Score
    worst_divisor: Annotated[StrictInt, Field(ge=1, le=1000)]
    worst_most: Annotated[StrictInt, Field(ge=1, le=1000)]
    enough_coverage_percent: _Score

    @field_validator("grades")
    @classmethod
    def _is_a_ladder(cls, grades: dict[str, Decimal]) -> dict[str, Decimal]:
        if Decimal(0) not in grades.values():
            raise ValueError(_("no grade begins at 0; every score must have one"))
        if len(set(grades.values())) < len(grades):
            raise ValueError(_("two grades begin at the same score"))
        return grades


class DeadlinesTable(Table):
    """Days. What is only information has no deadline."""

    known_exploited: _Days | None = None
    critical: _Days | None = None
    high: _Days | None = None
    medium: _Days | None = None
    low: _Days | None = None


class DomainTable(Table):
    weight: Annotated[_Number, Field(gt=0, le=1000)]
    rules: tuple[str, ...]
    enabled: StrictBool = True


class ProfileTable(Table):
    name: str
    titles: dict[str, str]
    extends: str | None = None
    upon: str | None = None
    carry_days: Annotated[StrictInt, Field(ge=0, le=366)]
    tls_ports: tuple[_Port, ...]
    domains: dict[Annotated[str, Field(pattern=SLUG)], DomainTable]
    scoring: ScoringTable
    deadlines: DeadlinesTable = DeadlinesTable()
    rules: dict[str, Any] = {}
    tiers: dict[str, Any] = {}
    levels: dict[str, Any] = {}
    roles: dict[str, Any] = {}
    hosts: dict[str, Any] = {}

    @field_validator("titles")
    @classmethod
    def _has_english(cls, titles: dict[str, str]) -> dict[str, str]:
        if not titles.get("en"):
            raise MisfitError((("en",), _("is missing; other languages fall back on it")))
        return titles


class OverlayDomainTable(Table):
    weight: Annotated[_Number, Field(gt=0, le=1000)] | None = None
    enabled: StrictBool | None = None


class OverlayTable(Table):
    """What a profile can say of some hosts alone. How a score is made is not among it: that holds for all."""

    apply: tuple[str, ...] = ()
    tls_ports: tuple[_Port, ...] | None = None
    domains: dict[str, OverlayDomainTable] = {}
    deadlines: DeadlinesTable = DeadlinesTable()
    rules: dict[str, Any] = {}


class RuleTable(Table):
    """What a profile can say of any rule, beside the limits of its check."""

    severity: _SeverityWord | None = None
    enabled: StrictBool = True
    cap: _Score | None = None
    known_exploited: StrictBool = False
