"""Holds a page against what every page of ours must be, in headless Chromium and by the Nu HTML checker.

A test of any page takes the fixture ``chromium`` (tests/browser/conftest.py) and says::

    def test_the_index_has_no_fault(chromium):
        assert faults(chromium, render_index(view, "en")) == []

    def test_it_prints(chromium):
        assert len(printed(chromium, html).pages) == 3

    def test_markup():
        assert markup_errors({"index": html, "index in Vietnamese": html_vi}) == []

``faults`` looks at the page at 360 and 1280 px, in light and dark, and names everything that axe-core finds, what the
console says, what the page would load, and whether it is wider than the screen. ``opened`` gives the page itself, for
what only one page has (a filter, a sort). ``markup_errors`` takes pages by name, because each start of Java costs a
second or two. Without Chromium, axe-core or the checker a test skips, saying what to run.
"""

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import tempfile
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request
from pypdf import PdfReader

CHROMIUM = Path("/usr/bin/chromium")

#: What the screen of a phone and that of a desk are wide, in CSS pixels.
WIDTHS = (360, 1280)

SCHEMES = ("light", "dark")


def faults(browser: Browser, html: str, *, widths: Sequence[int] = WIDTHS) -> list[str]:
    """What is wrong with a page, in plain words; nothing is the good answer."""
    axe = _checker("axe.min.js").read_text("utf-8")
    with opened(browser, html) as (page, said):
        # Run as the debugger does: the page's policy allows it no script, and stays in force.
        page.evaluate(axe)
        for width in widths:
            page.set_viewport_size({"width": width, "height": 900})
            overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            if overflow > 0:
                said.append(f"{width} px: {overflow} px wider than the screen")
            for scheme in SCHEMES:
                page.emulate_media(color_scheme=scheme)
                for found in page.evaluate(_RUN_AXE):
                    said.append(f"{width} px, {scheme}: {found}")
        return said


#: Everything axe-core has but what it calls experimental; of each violation the first few places.
_RUN_AXE = """async () => (await axe.run(document, {resultTypes: ['violations']})).violations.map(
    v => `${v.id}: ${v.help}: ` + v.nodes.slice(0, 4).map(n => `${n.html.slice(0, 160)} ${n.failureSummary}`).join(' | '))"""


@contextlib.contextmanager
def opened(browser: Browser, html: str, *, width: int = 1280) -> Iterator[tuple[Page, list[str]]]:
    """The page, from a file as it is mailed, and what the console said and the page asked to load: a growing list."""
    said: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "page.html")
        file.write_text(html, "utf-8")
        # What a page may not load for its policy is told by the console, so the policy stays in force.
        context = browser.new_context(viewport={"width": width, "height": 900}, accept_downloads=False)
        try:
            page = context.new_page()

            def note(request: Request) -> None:
                if request.url.split("#")[0] != file.as_uri() and not request.url.startswith("data:"):
                    said.append(f"request: {request.url[:200]}")

            page.on("request", note)
            page.on("console", lambda message: said.append(f"console: {message.text[:300]}"))
            page.on("pageerror", lambda error: said.append(f"script: {str(error)[:300]}"))
            page.on("dialog", lambda dialog: (said.append("a dialog opened"), dialog.dismiss()))
            page.goto(file.as_uri())
            yield page, said
        finally:
            context.close()


def printed(browser: Browser, html: str) -> PdfReader:
    """The page on A4, as a browser prints it."""
    with opened(browser, html) as (page, _said):
        return PdfReader(io.BytesIO(page.pdf(prefer_css_page_size=True, print_background=False)))


def texts(document: PdfReader) -> list[str]:
    """What stands on each sheet, without its number, and ligatures as letters."""
    said = (unicodedata.normalize("NFKC", sheet.extract_text()) for sheet in document.pages)
    return [re.sub(r"^\d+ / \d+\n", "", text) for text in said]


def markup_errors(pages: Mapping[str, str]) -> list[str]:
    """What the Nu HTML checker calls an error or warns of, by the page's name."""
    java = shutil.which("java")
    if java is None:
        pytest.skip("java is not installed (package default-jdk-headless)")
    checker = _checker("vnu.jar")
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder, f"{number}.html") for number, name in enumerate(pages)}
        for name, file in files.items():
            file.write_text(pages[name], "utf-8")
        names = {file.as_uri().replace("file:///", "file:/"): name for name, file in files.items()}
        # A JVM takes a core for each of its services by default, on a machine that others work on too.
        quiet = [java, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xss4m"]
        run = subprocess.run(
            [
                *quiet,
                "-jar",
                str(checker),
                "--format",
                "json",
                "--exit-zero-always",
                *map(str, files.values()),
            ],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    messages = json.loads(run.stderr or '{"messages": []}')["messages"]
    return [
        f"{names.get(m.get('url', ''), m.get('url', ''))}:{m.get('lastLine', '')}: {m['message']} {m.get('extract', '')}"
        for m in messages
        if (m["type"] == "error" or m.get("subType") == "warning")
        # It guesses the language from most words; names and rules are English or Vietnamese on either page.
        and "appears to be written in" not in m["message"]
    ]


def _checker(name: str) -> Path:
    """What tools/page-checkers fetched; skips the test where it was not run."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(os.environ.get("SECSCAN_PAGE_CHECKERS") or cache / "secscan-page-checkers")
    if not (folder / name).is_file():
        pytest.skip(f"{name} is not there: run tools/page-checkers")
    return folder / name
