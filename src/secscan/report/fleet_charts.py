"""Charts of the fleet's pages as static SVG; see ``secscan.report.charts`` for how they are drawn, and why so."""

from collections.abc import Iterator, Sequence
from datetime import date
from fractions import Fraction

from markupsafe import Markup

from secscan.language import _, choose
from secscan.report.formats import count
from secscan.report.views.shown_fleet import GradeCount, MonthCount

_MONTHS = 110  # px: the height of the tallest month
_SMALL = 26  # px: the height of the tallest grade of a tier


def month_columns(months: Sequence[MonthCount], ended: int, *, id: str = "months") -> Markup:
    """How many certificates end in each month, after those that have ended. ``id`` must be unlike any other."""
    bars: list[tuple[str, str, int, str]] = [("ended", _("ended"), ended, "")]
    for place, one in enumerate(months):
        year = f"{one.month.year:04d}" if place == 0 or one.month.month == 1 else ""
        bars.append(("v", f"{one.month.month:02d}", one.certificates, year))
    said = [choose("{n} ended", "{n} ended", ended).format(n=count(ended))]
    said += [f"{_month(one.month)}: {count(one.certificates)}" for one in months]
    return Markup(
        '<svg class="columns months" width="100%" height="{height}" role="img" aria-labelledby="{id}-t {id}-d">'
        '<title id="{id}-t">{title}</title><desc id="{id}-d">{description}</desc>{columns}'
        '<line class="floor" x2="100%" y1="{floor}" y2="{floor}"/></svg>'
    ).format(
        id=id,
        title=_("How many certificates end in each month"),
        description="; ".join(said),
        height=_MONTHS + 62,
        floor=_MONTHS + 20,
        columns=Markup("").join(_month_bars(bars)),
    )


def grade_columns(bars: Sequence[GradeCount], tier: str) -> Markup:
    """A tier's agencies by grade, small: filled where enough was seen, hatched on top where not."""
    described = ", ".join(f"{bar.grade} {count(bar.enough + bar.not_enough)}" for bar in bars)
    title = _("{tier}: agencies by grade: {grades}").format(tier=tier, grades=described)
    return Markup('<svg class="grades" height="{}" role="img"><title>{}</title>{}</svg>').format(
        _SMALL + 32, title, Markup("").join(_grade_bars(bars))
    )


def _month_bars(bars: Sequence[tuple[str, str, int, str]]) -> Iterator[Markup]:
    tallest = max((n for _kind, _label, n, _year in bars), default=0) or 1
    step = Fraction(100, len(bars))
    for place, (kind, label, n, year) in enumerate(bars):
        middle = _figure(step * place + step / 2)
        height = Fraction(_MONTHS * n, tallest)
        top = _MONTHS + 20 - height
        if n:
            yield Markup('<rect class="{}" x="{}%" y="{}" width="{}%" height="{}"/>').format(
                kind, _figure(step * place + step / 6), _figure(top), _figure(step * 2 / 3), _figure(height)
            )
        yield Markup('<text class="n" x="{}%" y="{}">{}</text>').format(middle, _figure(top - 6), count(n))
        yield Markup('<text class="m" x="{}%" y="{}">{}</text>').format(middle, _MONTHS + 38, label)
        if year:
            yield Markup('<text class="n" x="{}%" y="{}">{}</text>').format(middle, _MONTHS + 56, year)


def _grade_bars(bars: Sequence[GradeCount]) -> Iterator[Markup]:
    tallest = max((bar.enough + bar.not_enough for bar in bars), default=0) or 1
    step = Fraction(100, len(bars) or 1)
    for place, bar in enumerate(bars):
        top = Fraction(_SMALL + 13)
        for kind, n in (("v", bar.enough), ("p", bar.not_enough)):
            height = Fraction(_SMALL * n, tallest)
            top -= height
            if n:
                yield Markup('<rect class="{}" x="{}%" y="{}" width="{}%" height="{}"/>').format(
                    kind,
                    _figure(step * place + step / 6),
                    _figure(top),
                    _figure(step * 2 / 3),
                    _figure(height),
                )
        middle = _figure(step * place + step / 2)
        n = bar.enough + bar.not_enough
        if n:
            yield Markup('<text x="{}%" y="{}">{}</text>').format(middle, _figure(top - 3), count(n))
        yield Markup('<text class="g" x="{}%" y="{}">{}</text>').format(middle, _SMALL + 27, bar.grade)


def _month(month: date) -> str:
    return f"{month.month:02d}/{month.year:04d}"


def _figure(value: Fraction) -> str:
    """A number in SVG: two decimals at most, and a point in every language."""
    return f"{float(value):.2f}".rstrip("0").rstrip(".")
