"""Views to HTML: the Jinja2 environment, its filters, and the report as files in a folder."""

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from string import Formatter

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

from secscan.language import UNFILLABLE, _, choose, in_use, speaking, texts_in
from secscan.model import Text
from secscan.report import charts, fleet_charts, formats, listing, words
from secscan.report.folder import ReportFolder
from secscan.report.ordering import places_by_name
from secscan.report.text import parse_date, visible
from secscan.report.views import AgencyView, FleetViews, IndexView, Method, Named
from secscan.report.views.shown_fleet import RANKED_FROM, AgencyRow
from secscan.scoring import MUCH_WAIVED

_CODE = re.compile(r"`+([^`]+)`+")


def render_agency(view: AgencyView, language: str) -> str:
    """The scorecard as one self-contained HTML page in ``language``."""
    return _render("agency.html.j2", view, language)


def render_index(view: IndexView, language: str) -> str:
    """The index of all agencies, whose links lead to ``agencies/ID.html`` and to the fleet's pages beside it."""
    return _render("index.html.j2", view, language)


def render_fleet(views: FleetViews, language: str) -> Iterator[tuple[str, str]]:
    """File and text of each page of the fleet, the index first."""
    yield "index.html", render_index(views.index, language)
    yield "certificates.html", _render("certificates.html.j2", views.certificates, language)
    yield "exposed.html", _render("exposed.html.j2", views.exposed, language)
    yield "end-of-life.html", _render("end-of-life.html.j2", views.outdated, language)
    yield "backups.html", _render("backups.html.j2", views.backups, language)


def write_report(
    folder: Path, fleet: FleetViews | None, agencies: Iterable[AgencyView], *, language: str
) -> list[Path]:
    """Writes the fleet's pages and ``agencies/ID.html`` and returns the pages' paths, the index first.

    Each page is replaced in one step, and only where it changed. With the fleet the report is whole: pages of
    agencies that are gone are removed. Without it, only the given agencies' pages are renewed. ``agencies`` may
    be a generator; one page at a time is held in memory.
    Raises ReportError where ``folder`` holds anything but a report of ours, or where an agency's id is no slug.
    """
    report = ReportFolder(folder)
    report.begin()
    pages = [report.write_agency(view.agency.id, render_agency(view, language)) for view in agencies]
    if fleet is None:
        report.add(pages)
        return [folder / page for page in pages]
    of_fleet = [report.write(name, text) for name, text in render_fleet(fleet, language)]
    report.complete([*of_fleet, *pages])
    return [folder / page for page in (*of_fleet, *pages)]


# --- The environment ----------------------------------------------------------------------------------


@cache
def environment() -> Environment:
    """The one Jinja2 environment: everything escaped, nothing undefined, every string through gettext."""
    made = Environment(
        loader=FunctionLoader(_source),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
        # The optimiser would run filters on constants once, in the language of the first page.
        optimized=False,
        auto_reload=False,
    )
    made.policies["ext.i18n.trimmed"] = True
    made.install_gettext_callables(_, choose, newstyle=True)  # type: ignore[attr-defined]  # added by the extension
    made.filters |= {
        "score": formats.score,
        "bound": formats.bound,
        "percent": formats.percent,
        "count": formats.count,
        "instant": _instant,
        "moment": formats.instant,
        "day": formats.day,
        "evidence": _evidence,
        "prose": _prose,
        "name": _name,
        "other_names": _other_names,
        "baseline_title": _baseline_title,
        "severity_word": words.severity_word,
        "reason_word": words.reason_word,
        "reason_meaning": words.reason_meaning,
        "domain_word": words.domain_word,
        "domain_meaning": words.domain_meaning,
        "tier_word": words.tier_word,
        "grade_word": words.grade_word,
        "rung_word": words.rung_word,
        "cause_word": words.cause_word,
        "change_word": words.change_word,
        "scale": charts.scale_of,
        "running": charts.running,
    }
    made.globals |= {
        "range_bar": charts.range_bar,
        "small_bar": charts.small_bar,
        "domain_bar": charts.domain_bar,
        "share_bar": charts.share_bar,
        "columns": charts.columns,
        "rung_bar": charts.rung_bar,
        "trend_chart": charts.trend_chart,
        "fall_bar": charts.fall_bar,
        "much_waived": MUCH_WAIVED,
        "grade_columns": fleet_charts.grade_columns,
        "month_columns": fleet_charts.month_columns,
        "places_by_name": _places_by_name,
        "numbered": listing.numbered,
        "row_data": listing.row_data,
        "ranked_from": RANKED_FROM,
        "style": _style("secscan.css"),
        "style_hash": _hash(_style("secscan.css")),
        "fleet_style": _style("fleet.css"),
        "fleet_style_hash": _hash(_style("fleet.css")),
        "index_script": _script("index.js"),
        "index_script_hash": _hash(_script("index.js")),
    }
    return made


def _render(template: str, view: object, language: str) -> str:
    with speaking(language):
        return environment().get_template(template).render(view=view, language=texts_in())


def _source(name: str) -> str:
    return files("secscan.reports").joinpath(name).read_text("utf-8")


@cache
def _style(name: str) -> Markup:
    """A style sheet without its comments and indentation, which every page would carry along."""
    sheet = re.sub(r"/\*.*?\*/", "", _source(name), flags=re.DOTALL)
    # Trusted: the sheet is ours. In a style element nothing may be escaped.
    return Markup("\n".join(filter(None, (line.strip() for line in sheet.splitlines()))))  # noqa: S704


@cache
def _script(name: str) -> Markup:
    """A script in one line, without the lines that are comments: the Nu HTML checker (26.9) reckons the hash of a
    script over its first line alone."""
    lines = (line.strip() for line in _source(name).splitlines())
    # Trusted, as the style is: ours, and nothing of it may be escaped.
    return Markup(" ".join(line for line in lines if line and not line.startswith("//")))  # noqa: S704


def _hash(text: str) -> str:
    """What the page's content policy allows as a style or a script: this one and no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


# --- Filters ------------------------------------------------------------------------------------------


def _instant(at: datetime) -> Markup:
    """An instant as people here write it, and as ISO 8601 for machines and for those who point at it."""
    iso = at.isoformat(timespec="seconds")
    return Markup('<time datetime="{0}" title="{0}">{1}</time>').format(iso, formats.instant(at))


def _evidence(text: Text) -> Markup:
    """A Text in the language in use, each value set apart, so that a right-to-left one moves nothing beside it."""
    for template in (_(text.template), text.template):
        try:
            return Markup("").join(_pieces(template, text.values))
        except UNFILLABLE:
            continue
    return escape(visible(text.template))


def _pieces(template: str, values: Mapping[str, str | int]) -> Iterator[Markup]:
    if not values:
        yield escape(visible(template))
        return
    formatter = Formatter()
    for literal, field, spec, conversion in formatter.parse(template):
        # A check that put host text into its template has made nothing visible.
        yield escape(visible(literal, limit=2000))
        if field is None:
            continue
        value, _first = formatter.get_field(field, (), values)
        date = parse_date(value)
        if date is not None:
            yield _when(date, str(value))
        elif isinstance(value, int) and not spec and conversion is None:
            yield escape(value)
        else:
            shown = format(formatter.convert_field(value, conversion), spec or "")
            yield Markup("<bdi>{}</bdi>").format(shown)


def _when(date: datetime, iso: str) -> Markup:
    return escape(formats.day(date) if len(iso) == len("2026-01-31") else formats.instant(date))


def _prose(text: str) -> Markup:
    """A check's documentation in the language in use, its `code` set as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(_(text)))))  # noqa: S704 - escaped just before


def _name(agency: Named) -> str:
    return agency.names.get(in_use()) or next(iter(agency.names.values()), agency.id)


def _other_names(agency: Named) -> Sequence[tuple[str, str]]:
    """Language and name, for the names that differ from the one that is shown first."""
    first = _name(agency)
    return [(language, name) for language, name in agency.names.items() if name != first]


def _places_by_name(rows: Iterable[AgencyRow]) -> Mapping[str, int]:
    return places_by_name((row.agency.id, _name(row.agency)) for row in rows)


def _baseline_title(method: Method) -> str:
    return method.titles.get(in_use()) or method.titles.get("en") or method.baseline
