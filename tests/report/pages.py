"""A page as its readers take it apart: elements, attributes, ids and text."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"meta", "link", "br", "img", "hr", "input"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str | None]
    text: str = ""


@dataclass
class Page:
    """``elements`` in document order; ``misnested`` are end tags that close nothing, or the wrong element."""

    elements: list[Element] = field(default_factory=list)
    misnested: list[str] = field(default_factory=list)
    text: str = ""

    def all(self, *tags: str) -> list[Element]:
        return [e for e in self.elements if e.tag in tags]

    @property
    def ids(self) -> list[str]:
        return [e.attributes["id"] or "" for e in self.elements if "id" in e.attributes]

    @property
    def headings(self) -> list[int]:
        return [int(e.tag[1]) for e in self.all("h1", "h2", "h3", "h4", "h5", "h6")]


def read(html: str) -> Page:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    reader.page.misnested += [e.tag for e in reader.open]
    reader.page.text = " ".join(" ".join(reader.said).split())
    return reader.page


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self.open: list[Element] = []
        self.said: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        self.page.elements.append(element)
        if tag not in _VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.page.elements.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1].tag == tag:
            self.open.pop()
        else:
            self.page.misnested.append(tag)

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.text += data
        if not any(e.tag in ("style", "head") for e in self.open):
            self.said.append(data)


_LANDMARKS = {"header", "main", "footer", "nav", "section", "article", "table"}
_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}


def structure(html: str) -> str:
    """What a screen reader lists of a page, one a line: landmarks, headings, charts with their titles; no figures."""
    lines = []
    for element in read(html).elements:
        said = re.sub(r"\d+([.,]\d+)*", "#", " ".join(element.text.split()))
        if element.tag in _HEADINGS:
            lines.append(f"  {element.tag} {said}")
        elif element.tag in _LANDMARKS:
            named = element.attributes.get("id") or element.attributes.get("aria-label") or ""
            lines.append(" ".join(filter(None, (element.tag, named))))
        elif element.tag == "title":
            lines.append(f"  title {said}")
    # Articles and hosts by the dozen say the same: one of each run is enough.
    return "\n".join(line for line, before in zip(lines, ["", *lines], strict=False) if line != before) + "\n"
