"""What the index's script orders and narrows its rows by: figures beside each row, nothing of a host's."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from markupsafe import Markup

from secscan.model import Severity
from secscan.report.views.shown_fleet import AgencyRow, Choices

#: Columns of severities, in the order of the index.
_SEVERITIES = tuple(s for s in sorted(Severity, reverse=True) if s > Severity.INFO)

#: Below every figure: an agency that is not assessed, or can't be compared.
_NONE = -(10**6)


@dataclass(frozen=True, slots=True)
class Numbers:
    """Each choice by its place, which is how the page calls it: a name may hold anything."""

    tiers: Mapping[str, int]
    zones: Mapping[str, int]
    roles: Mapping[str, int]


def numbered(choices: Choices) -> Numbers:
    return Numbers(
        *({name: n for n, name in enumerate(of)} for of in (choices.tiers, choices.zones, choices.roles))
    )


def row_data(row: AgencyRow, order: Mapping[str, int], number: Numbers) -> Markup:
    """``order`` is each agency's place by its name. Figures: name, score, change, coverage, severities, overdue."""
    verified = _NONE if row.score.range is None else _hundredths(row.score.range.verified)
    change = _NONE if row.change is None else _hundredths(row.change)
    figures = (order[row.agency.id], verified, change, _hundredths(row.score.coverage * 100))
    return Markup(' data-t="{}" data-z="{}" data-r="{}" data-k="{}"').format(
        number.tiers[row.tier],
        " ".join(str(number.zones[zone]) for zone in row.zones),
        " ".join(str(number.roles[role]) for role in row.roles),
        " ".join(map(str, (*figures, *(row.failures[s] for s in _SEVERITIES), row.overdue))),
    )


def _hundredths(value: Fraction) -> int:
    return int(value * 100)
