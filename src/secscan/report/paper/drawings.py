"""Drawings of a page made fit for paper: WeasyPrint styles what is in an <svg> by what is written in it alone."""

import re
from collections.abc import Iterator
from typing import Any

from secscan.report.paper.fonts import SANS

#: What styles drawings and nothing else; and the fonts of their letters.
_DRAWN = frozenset(
    {
        *("fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap"),
        *("stroke-linejoin", "opacity", "text-anchor", "font-size", "font-weight"),
    }
)
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)
_SVG = re.compile(r"<svg\b[^>]*>")
_VARIABLE = re.compile(r"var\(\s*(--[\w-]+)\s*\)")
_FONT = re.compile(r"(?:(\d+|bold)\s+)?([\d.]+(?:rem|em|px|pt))(?:/\S+)?\s")

#: A variable may name another; ours do once.
_DEPTH = 4


def styled(page: str) -> str:
    """The page with the rules of its style sheet that are about drawings repeated in every drawing.

    Variables are filled in as the sheet first gives them, which is for light paper; rules for some media are left out.
    """
    sheet = _STYLE.search(page)
    if sheet is None:
        return page
    rules = "\n".join(_rules(sheet[1]))
    style = f'<style>text {{ font-family: "{SANS}" }}\n{rules}</style>'
    return _SVG.sub(lambda svg: svg[0] if svg[0].endswith("/>") else svg[0] + style, page)


def _rules(sheet: str) -> Iterator[str]:
    import tinycss2

    rules = [
        rule
        for rule in tinycss2.parse_stylesheet(sheet, skip_comments=True, skip_whitespace=True)
        if rule.type == "qualified-rule"
    ]
    parsed = [
        (tinycss2.serialize(rule.prelude).strip(), list(_declarations(tinycss2, rule.content)))
        for rule in rules
    ]
    variables: dict[str, str] = {}
    for selector, declarations in parsed:
        if selector == ":root":
            for name, value in declarations:
                if name.startswith("--"):
                    variables.setdefault(name, value)
    for selector, declarations in parsed:
        drawn = [
            f"{name}: {_filled(value, variables)}"
            for declaration in declarations
            for name, value in _drawn(*declaration)
        ]
        if drawn:
            yield f"{selector} {{ {'; '.join(drawn)} }}"


def _declarations(tinycss2: Any, content: Any) -> Iterator[tuple[str, str]]:
    for one in tinycss2.parse_blocks_contents(content, skip_comments=True, skip_whitespace=True):
        if one.type == "declaration":
            yield one.name, tinycss2.serialize(one.value).strip()


def _drawn(name: str, value: str) -> Iterator[tuple[str, str]]:
    if name in _DRAWN:
        yield name, value
    elif name == "font" and (parts := _FONT.match(value)):
        yield "font-size", parts[2]
        if parts[1]:
            yield "font-weight", parts[1]


def _filled(value: str, variables: dict[str, str]) -> str:
    for _round in range(_DEPTH):
        filled = _VARIABLE.sub(lambda found: variables.get(found[1], found[0]), value)
        if filled == value:
            break
        value = filled
    return value
