"""Views to HTML: the Jinja2 environment, its filters, and the report as files in a folder."""

import base64
import hashlib
import json
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
from secscan.report import charts, formats, words
from secscan.report.text import parse_date, visible
from secscan.report.views import AgencyView, IndexView, Method, Named
from secscan.scoring import MUCH_WAIVED

#: Says that a folder holds a report of ours, and which pages of it are.
MANIFEST = "secscan-report.json"

#: How a file is called until it is whole; one is left where a write was killed.
_PART = ".secscan-part-"

_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_CODE = re.compile(r"`+([^`]+)`+")


class ReportError(ValueError):
    """A report that can't be written where it was asked for: says why, and what to do."""


def render_agency(view: AgencyView, language: str) -> str:
    """The scorecard as one self-contained HTML page in ``language``."""
    return _render("agency.html.j2", view, language)


def render_index(view: IndexView, language: str) -> str:
    """The index of all agencies, whose links lead to ``agencies/ID.html`` beside it."""
    return _render("index.html.j2", view, language)


def write_report(
    folder: Path, index: IndexView | None, agencies: Iterable[AgencyView], *, language: str
) -> list[Path]:
    """Writes ``index.html`` and ``agencies/ID.html`` and returns the pages' paths, the index first.

    Each page is replaced in one step, and only where it changed. With an index the report is whole: pages of
    agencies that are gone are removed. Without one, only the given agencies' pages are renewed. ``agencies`` may
    be a generator; one page at a time is held in memory.
    Raises ReportError where ``folder`` holds anything but a report of ours, or where an agency's id is no slug.
    """
    former = _former_pages(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # First of all: a report that is cut short must be known as ours the next time.
    _write_manifest(folder, former)
    (folder / "agencies").mkdir(exist_ok=True)
    pages: list[str] = []
    for view in agencies:
        name = _page_name(view.agency.id)
        _replace(folder / name, render_agency(view, language))
        pages.append(name)
    if index is not None:
        _replace(folder / "index.html", render_index(index, language))
        pages.insert(0, "index.html")
        for gone in sorted(former - set(pages)):
            (folder / gone).unlink(missing_ok=True)
        former = set()
    _write_manifest(folder, former | set(pages))
    return [folder / page for page in pages]


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
    }
    made.globals |= {
        "range_bar": charts.range_bar,
        "small_bar": charts.small_bar,
        "domain_bar": charts.domain_bar,
        "share_bar": charts.share_bar,
        "columns": charts.columns,
        "rung_bar": charts.rung_bar,
        "much_waived": MUCH_WAIVED,
        "style": _style(),
        "style_hash": _hash(_style()),
    }
    return made


def _render(template: str, view: AgencyView | IndexView, language: str) -> str:
    with speaking(language):
        return environment().get_template(template).render(view=view, language=texts_in())


def _source(name: str) -> str:
    return files("secscan.reports").joinpath(name).read_text("utf-8")


@cache
def _style() -> Markup:
    """The style sheet without its comments and indentation, which every page would carry along."""
    sheet = re.sub(r"/\*.*?\*/", "", _source("secscan.css"), flags=re.DOTALL)
    # Trusted: the sheet is ours. In a style element nothing may be escaped.
    return Markup("\n".join(filter(None, (line.strip() for line in sheet.splitlines()))))  # noqa: S704


def _hash(style: str) -> str:
    """What the page's content policy allows as a style: this sheet and no other, and no style attribute."""
    return "sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()


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


def _baseline_title(method: Method) -> str:
    return method.titles.get(in_use()) or method.titles.get("en") or method.baseline


# --- Files --------------------------------------------------------------------------------------------


def _page_name(agency: str) -> str:
    if not _SLUG.fullmatch(agency):
        raise ReportError(
            _("agency id {agency!r} can't name a file: use ASCII letters, digits, '-', '_' and '.'").format(
                agency=visible(agency)
            )
        )
    return f"agencies/{agency}.html"


def _former_pages(folder: Path) -> set[str]:
    """The pages of the report that the folder holds; none where it is new or empty."""
    if folder.exists() and not folder.is_dir():
        raise ReportError(
            _("{folder} is a file; name a folder that is new, empty or holds a former report").format(
                folder=folder
            )
        )
    if not folder.exists() or all(_is_part(path) for path in folder.iterdir()):
        return set()
    try:
        # The manifest decides what is removed: it may name pages of ours and nothing else.
        pages = {p for p in json.loads((folder / MANIFEST).read_text("utf-8"))["pages"] if isinstance(p, str)}
    except (OSError, ValueError, KeyError, TypeError):
        raise ReportError(
            _(
                "{folder} is not empty and holds no report of secscan ({manifest} is missing or "
                "damaged): nothing was written; name a new or empty folder"
            ).format(folder=folder, manifest=MANIFEST)
        ) from None
    return {page for page in pages if _is_page(page)}


def _is_page(name: str) -> bool:
    id = name.removeprefix("agencies/").removesuffix(".html")
    return name == "index.html" or (bool(_SLUG.fullmatch(id)) and name == f"agencies/{id}.html")


def _write_manifest(folder: Path, pages: Iterable[str]) -> None:
    document = {"schema": 1, "generator": "secscan", "pages": sorted(pages)}
    _replace(folder / MANIFEST, json.dumps(document, indent=1) + "\n")


def _replace(path: Path, text: str) -> None:
    """Writes the file in one step; leaves one alone that already says the same."""
    content = text.encode("utf-8")
    try:
        if path.read_bytes() == content:
            return
    except FileNotFoundError:
        pass
    # Not tempfile: its files are for their owner alone, and a web server may have to read these; the umask decides.
    part = path.with_name(f"{_PART}{path.name}")
    part.unlink(missing_ok=True)
    with part.open("xb") as file:
        file.write(content)
    part.replace(path)


def _is_part(path: Path) -> bool:
    return path.name.startswith(_PART)
