"""Charts as static SVG, drawn here: bars and columns on a scale of 0 to 100, with title and description.

Positions are percentages of the width and heights are pixels, without a viewBox: a chart then fills its column
on a phone and on paper alike while its letters keep their size. The plotting libraries draw to a fixed size,
bring their own fonts and styles (which the page's content policy refuses), and weigh more than the page; for
bars they have nothing to add. Colours come from the page's style by class, so that they follow dark and print.

Weighed, by what they write: pygal's charts have a viewBox of a fixed size, so that letters shrink with a phone, and a
style element of their own, which the policy would have to allow by another hash for every chart; altair's are drawn by
Vega in a JavaScript engine that vl-convert brings along. matplotlib was not tried. What pages show here is bars and one
line: some ten lines of arithmetic each. The day of axes of time and many series is the day to take pygal, and to strip
what it adds.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction

from markupsafe import Markup

from secscan.language import _, choose
from secscan.model import Range
from secscan.report.formats import bound, count, day, score
from secscan.report.views.shown_over_time import PartView, PointView, SinceView

_ROW = 26  # px: the height of the range bar
_COLUMNS = 120  # px: the height of the tallest column
_PLOT = 150  # px: the height of the plot of a trend
_TOP = 12  # px: above the plot
_MOST_DAYS = 7  # Days that find room below a plot on a phone.


def range_bar(
    range: Range, grades: Sequence[tuple[str, Fraction]], meets: Fraction, *, id: str = "range"
) -> Markup:
    """A score from *verified* (filled) to *possible* (hatched), over the grades' bounds and what is needed.

    ``grades`` are letters with their lowest score, best first. ``id`` must be unlike any other on the page.
    """
    title = _("Score range")
    description = _(
        "Verified {verified} of 100, possible {possible} of 100. The baseline asks for {meets}."
    ).format(verified=score(range.verified), possible=score(range.possible), meets=bound(meets))
    return Markup(
        '<svg class="range" width="100%" height="56" role="img" aria-labelledby="{id}-t {id}-d">'
        '<title id="{id}-t">{title}</title><desc id="{id}-d">{description}</desc>'
        '<rect class="track" width="100%" height="{row}" rx="3"/>{bars}{marks}</svg>'
    ).format(
        id=id,
        title=title,
        description=description,
        row=_ROW,
        bars=_bars(range, _ROW),
        marks=Markup("").join(_marks(grades, meets)),
    )


def small_bar(range: Range) -> Markup:
    """The same range in a table cell, hidden from screen readers: the figures stand beside it."""
    return Markup('<svg class="bar" aria-hidden="true">{}</svg>').format(_bars(range, None))


def domain_bar(range: Range, name: str) -> Markup:
    """A domain's range, with its name and figures for those who can't see it."""
    title = _("{domain}: verified {verified}, possible {possible} of 100").format(
        domain=name, verified=score(range.verified), possible=score(range.possible)
    )
    return Markup('<svg class="bar tall" role="img"><title>{}</title>{}</svg>').format(
        title, _bars(range, None)
    )


def share_bar(share: Fraction, enough: Fraction) -> Markup:
    """A share of 0 to 1 with a mark at what is enough, hidden from screen readers."""
    return Markup(
        '<svg class="bar share" aria-hidden="true">{}<line class="needed" x1="{x}%" x2="{x}%" y2="100%"/></svg>'
    ).format(_rect("v", Fraction(0), share * 100, None), x=_figure(enough * 100))


def rung_bar(reached: int, possible: int, hosts: int) -> Markup:
    """One rung of a ladder between its two rails, filled as far as hosts have reached it and hatched as far as they
    may have. Hidden from screen readers: the figures stand beside it. Rungs laid one above the other are a ladder.
    """
    share = Range(Fraction(100 * reached, hosts or 1), Fraction(100 * possible, hosts or 1))
    return Markup(
        '<svg class="rung" width="100%" height="30" aria-hidden="true"><g transform="translate(0 8)">'
        '<rect class="track" width="100%" height="14"/>{}</g></svg>'
    ).format(_bars(share, 14))


def trend_chart(
    points: Sequence[PointView],
    *,
    meets: Fraction,
    country: Fraction | None,
    tier: Fraction | None,
    id: str = "trend",
) -> Markup:
    """The score at each run, from *verified* (a dot) to *possible* (hatched), evenly spaced, oldest first.

    A line joins what compares, and breaks where it does not. ``meets`` is what is needed; ``country`` and ``tier`` are
    medians, None where they may not be told. ``id`` must be unlike any other on the page.
    """
    described = "; ".join(
        _("{day}: verified {verified}, possible {possible}").format(
            day=day(point.day), verified=score(point.range.verified), possible=score(point.range.possible)
        )
        for point in points
    )
    lines = (("needed", meets), ("country", country), ("peers", tier))
    return Markup(
        '<svg class="trend" width="100%" height="{height}" role="img" aria-labelledby="{id}-t {id}-d">'
        '<title id="{id}-t">{title}</title><desc id="{id}-d">{described}</desc>{grid}{levels}{runs}</svg>'
    ).format(
        id=id,
        height=_PLOT + 44,
        title=_("Trend of the score over the last runs"),
        described=described,
        grid=Markup("").join(_level("grid", Fraction(at)) for at in (0, 50, 100)),
        levels=Markup("").join(_level(kind, at) for kind, at in lines if at is not None),
        runs=Markup("").join(_runs(points)),
    )


def fall_bar(start: Fraction, end: Fraction, low: Fraction, high: Fraction) -> Markup:
    """One step of a waterfall: from a score to the next on a scale from ``low`` to ``high``. Hidden from screen
    readers: the figures stand beside it."""
    width = (high - low) or Fraction(1)
    left, right = sorted(100 * (at - low) / width for at in (start, end))
    return Markup('<svg class="fall" aria-hidden="true">{}</svg>').format(
        _rect("v" if end >= start else "lost", left, max(right, left + Fraction(1, 2)), None)
    )


def running(since: SinceView) -> Iterator[tuple[PartView, Fraction, Fraction]]:
    """Each part of a waterfall, and from which score to which it leads."""
    at = since.start or Fraction(0)
    for part in since.parts:
        yield part, at, at + part.points
        at += part.points


def scale_of(since: SinceView) -> tuple[Fraction, Fraction]:
    """Lowest and highest score of a scale on which every step of a waterfall can be told from the others."""
    ends = [end for _, start, end in running(since)] + [since.start or Fraction(0)]
    room = (max(ends) - min(ends)) / 2 or Fraction(1)
    return max(Fraction(0), min(ends) - room), max(ends)


def columns(bars: Sequence[tuple[str, int, int]], *, id: str = "grades") -> Markup:
    """How many agencies have each grade. Each bar is a letter, those of which enough was seen (filled) and the
    others (hatched on top). ``id`` must be unlike any other on the page."""
    title = _("How many agencies have each grade")
    description = "; ".join(
        choose("{grade}: {n} agency", "{grade}: {n} agencies", solid + hatched).format(
            grade=grade, n=count(solid + hatched)
        )
        for grade, solid, hatched in bars
    )
    return Markup(
        '<svg class="columns" width="100%" height="{height}" role="img" aria-labelledby="{id}-t {id}-d">'
        '<title id="{id}-t">{title}</title><desc id="{id}-d">{description}</desc>{columns}'
        '<line class="floor" x2="100%" y1="{floor}" y2="{floor}"/></svg>'
    ).format(
        id=id,
        title=title,
        description=description,
        height=_COLUMNS + 50,
        floor=_COLUMNS + 20,
        columns=Markup("").join(_columns(bars)),
    )


def _bars(range: Range, height: int | None) -> Markup:
    return _rect("v", Fraction(0), range.verified, height) + _rect(
        "p", range.verified, range.possible, height
    )


def _rect(kind: str, start: Fraction, end: Fraction, height: int | None) -> Markup:
    if end <= start:
        return Markup("")
    return Markup('<rect class="{}"{} width="{}%" height="{}"/>').format(
        kind,
        Markup(' x="{}%"').format(_figure(start)) if start else "",
        _figure(end - start),
        "100%" if height is None else height,
    )


def _marks(grades: Sequence[tuple[str, Fraction]], meets: Fraction) -> Iterator[Markup]:
    top = Fraction(100)
    for grade, lowest in grades:
        if lowest:
            yield Markup('<line class="mark" x1="{x}%" x2="{x}%" y2="{y}"/>').format(
                x=_figure(lowest), y=_ROW + 6
            )
        # A band too narrow for its letter would print it over its neighbour's.
        if top - lowest >= 5:
            yield Markup('<text x="{}%" y="50">{}</text>').format(_figure((lowest + top) / 2), grade)
        top = lowest
    yield Markup('<line class="needed" x1="{x}%" x2="{x}%" y2="{y}"/>').format(x=_figure(meets), y=_ROW + 12)


def _columns(bars: Sequence[tuple[str, int, int]]) -> Iterator[Markup]:
    tallest = max((solid + hatched for _grade, solid, hatched in bars), default=0) or 1
    step = Fraction(100, len(bars) or 1)
    for place, (grade, solid, hatched) in enumerate(bars):
        middle = _figure(step * place + step / 2)
        top = Fraction(_COLUMNS + 20)
        for kind, n in (("v", solid), ("p", hatched)):
            height = Fraction(_COLUMNS * n, tallest)
            top -= height
            if n:
                yield Markup('<rect class="{}" x="{}%" y="{}" width="{}%" height="{}"/>').format(
                    kind, _figure(step * place + step / 4), _figure(top), _figure(step / 2), _figure(height)
                )
        yield Markup('<text class="n" x="{}%" y="{}">{}</text>').format(
            middle, _figure(top - 6), count(solid + hatched)
        )
        yield Markup('<text x="{}%" y="{}">{}</text>').format(middle, _COLUMNS + 42, grade)


def _level(kind: str, at: Fraction) -> Markup:
    return Markup('<line class="{0}" x2="100%" y1="{1}" y2="{1}"/>').format(kind, _height(at))


def _runs(points: Sequence[PointView]) -> Iterator[Markup]:
    before: PointView | None = None
    # A lone point stands in the middle; many leave room for their labels at both ends.
    places = (
        [Fraction(50)]
        if len(points) == 1
        else [6 + Fraction(88 * n, len(points) - 1) for n in range(len(points))]
    )
    for n, (point, place) in enumerate(zip(points, places, strict=True)):
        x, y = _figure(place), _height(point.range.verified)
        if before is not None and point.is_break:
            between = _figure((places[n - 1] + place) / 2)
            yield Markup('<line class="break" x1="{0}%" x2="{0}%" y1="{1}" y2="{2}"/>').format(
                between, _TOP, _TOP + _PLOT
            )
        elif before is not None:
            yield Markup('<line class="way" x1="{}%" x2="{}%" y1="{}" y2="{}"/>').format(
                _figure(places[n - 1]), x, _height(before.range.verified), y
            )
        before = point
    for point, place in zip(points, places, strict=True):
        x, y, top = _figure(place), _height(point.range.verified), _height(point.range.possible)
        if point.range.possible > point.range.verified:
            yield Markup(
                '<rect class="p" x="{}%" y="{}" width="10" height="{}" transform="translate(-5 0)"/>'
            ).format(x, top, _figure(Fraction(y) - Fraction(top)))
        yield Markup('<circle class="dot" cx="{}%" cy="{}" r="4.5"/>').format(x, y)
    for n, (point, place) in enumerate(zip(points, places, strict=True)):
        is_end = n in (0, len(points) - 1)
        if is_end:
            below = Fraction(_height(point.range.verified)) + 20
            yield Markup('<text class="n" x="{}%" y="{}">{}</text>').format(
                _figure(place), _figure(min(below, Fraction(_TOP + _PLOT - 4))), score(point.range.verified)
            )
        if is_end or len(points) <= _MOST_DAYS:
            yield Markup('<text x="{}%" y="{}">{}</text>').format(
                _figure(place), _TOP + _PLOT + 20, f"{point.day:%d/%m}"
            )


def _height(at: Fraction) -> str:
    return _figure(_TOP + _PLOT * (1 - at / 100))


def _figure(value: Fraction) -> str:
    """A number in SVG: two decimals at most, and a point in every language."""
    return f"{float(value):.2f}".rstrip("0").rstrip(".")
