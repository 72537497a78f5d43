import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pypdf import PdfReader

from secscan.report.paper import PaperError
from secscan.report.paper.fonts import font_faces
from secscan.report.paper.pdf import to_pdf
from secscan.report.paper.provenance import NAME, Provenance, provenance_in
from tests.report.paper.conftest import SOURCE

#: Every letter with its marks that Vietnamese writes beyond ASCII (TCVN 6909: Unicode, composed).
LETTERS = (
    "àáảãạăằắẳẵặâầấẩẫậđèéẻẽẹêềếểễệìíỉĩịòóỏõọôồốổỗộơờớởỡợùúủũụưừứửữựỳýỷỹỵ"
    "ÀÁẢÃẠĂẰẮẲẴẶÂẦẤẨẪẬĐÈÉẺẼẸÊỀẾỂỄỆÌÍỈĨỊÒÓỎÕỌÔỒỐỔỖỘƠỜỚỞỠỢÙÚỦŨỤƯỪỨỬỮỰỲÝỶỸỴ"
)


def a_page(body: str, head: str = "") -> str:
    return f'<!doctype html><html lang="vi"><head><meta charset="utf-8"><title>T</title>{head}</head><body>{body}</body></html>'


def read(document: bytes) -> PdfReader:
    return PdfReader(BytesIO(document))


def text_of(document: bytes) -> str:
    return "".join(page.extract_text() for page in read(document).pages)


def fonts_of(document: bytes) -> dict[str, Any]:
    """Name -> descriptor."""
    found: dict[str, Any] = {}
    for page in read(document).pages:
        for font in page["/Resources"]["/Font"].values():  # type: ignore[index]
            descendant = font.get_object()["/DescendantFonts"][0].get_object()
            name = str(descendant["/BaseFont"]).partition("+")[2]
            found[name] = descendant["/FontDescriptor"].get_object()
    return found


def test_every_vietnamese_letter_is_read_back() -> None:
    made = to_pdf(a_page(" ".join(f"<p>{part}</p>" for part in (LETTERS[:67], LETTERS[67:]))), SOURCE)
    assert "".join(text_of(made).split())[: len(LETTERS)] == LETTERS


def test_the_fonts_are_ours_and_inside(scorecard: bytes) -> None:
    fonts = fonts_of(scorecard)
    assert all("/FontFile2" in descriptor for descriptor in fonts.values())
    assert {"secscan-sans", "secscan-sans-Bold", "secscan-mono"} <= set(fonts)


def test_no_letter_of_a_scorecard_needs_another_font(scorecard: bytes) -> None:
    assert all(name.startswith("secscan-") for name in fonts_of(scorecard))


def test_it_is_tagged_with_language_and_title(scorecard: bytes) -> None:
    catalogue = read(scorecard).root_object
    assert catalogue["/MarkInfo"]["/Marked"]  # type: ignore[index]
    assert catalogue["/Lang"] in ("vi", "en")
    assert "Bộ Ví Dụ" in str(read(scorecard).metadata.title)  # type: ignore[union-attr]


def test_it_says_that_it_is_for_archives(scorecard: bytes) -> None:
    metadata = read(scorecard).root_object["/Metadata"].get_data().decode()  # type: ignore[attr-defined]
    assert "<pdfaid:part>3</pdfaid:part>" in metadata or 'pdfaid:part="3"' in metadata


def test_every_sheet_has_its_number_and_the_manifest(scorecard: bytes) -> None:
    pages = read(scorecard).pages
    assert len(pages) > 1
    for number, page in enumerate(pages, start=1):
        text = page.extract_text()
        assert f"{number} / {len(pages)}" in text
        assert f"manifest {SOURCE.manifest[:16]}" in text


def test_what_it_rests_on_is_embedded(scorecard: bytes) -> None:
    (content,) = read(scorecard).attachments[NAME]
    assert provenance_in(content) == SOURCE


def test_the_same_page_makes_the_same_bytes(page: str, scorecard: bytes) -> None:
    """In another process, whose hashes are seeded otherwise."""
    program = (
        "import sys, msgspec; from secscan.report.paper import Provenance; from secscan.report.paper.pdf import to_pdf;"
        "page, source = msgspec.json.decode(sys.stdin.buffer.read(), type=tuple[str, Provenance]);"
        "sys.stdout.buffer.write(to_pdf(page, source))"
    )
    given = msgspec.json.encode((page, SOURCE))
    done = subprocess.run([sys.executable, "-c", program], input=given, capture_output=True, check=True)
    assert done.stdout == scorecard


def test_another_source_makes_another_file() -> None:
    assert to_pdf(a_page("x"), msgspec.structs.replace(SOURCE, run=4)) != to_pdf(a_page("x"), SOURCE)


@dataclass
class Listener:
    address: str
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def listener() -> Iterator[Listener]:
    heard = Listener("")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.asked.append(self.path)
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        heard.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield heard
        server.shutdown()
        thread.join()


def test_a_page_reaches_for_no_network(listener: Listener) -> None:
    to_pdf(
        a_page(
            f'<img src="{listener.address}/i.png"><p style="background: url({listener.address}/b)">x</p>'
            f'<object data="{listener.address}/o"></object><a rel="attachment" href="{listener.address}/a">a</a>'
            f'<svg><image href="{listener.address}/s" width="9" height="9"/><use href="{listener.address}/u#x"/></svg>',
            f'<base href="{listener.address}/"><link rel="stylesheet" href="c.css">'
            f'<link rel="attachment" href="{listener.address}/l"><style>@import "{listener.address}/m.css";</style>',
        ),
        SOURCE,
    )
    assert listener.asked == []


def test_a_page_reaches_for_no_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("treasure")
    made = to_pdf(
        a_page(
            f'<a rel="attachment" href="{secret.as_uri()}">x</a><object data="{secret.as_uri()}" type="text/plain"></object>',
            f'<link rel="attachment" href="{secret.as_uri()}">',
        ),
        SOURCE,
    )
    assert list(read(made).attachments) == [NAME]


def test_fonts_that_are_nowhere_are_named_with_their_package(tmp_path: Path) -> None:
    with pytest.raises(PaperError, match=r"DejaVuSans\.ttf was not found.*fonts-dejavu-core"):
        font_faces([tmp_path])


@pytest.mark.parametrize("package", ["weasyprint", "pyhanko"])
def test_without_the_extra_it_says_what_to_install(package: str) -> None:
    """In a process of its own that finds no such package, as where the extra was not installed."""
    program = f"""
import sys
sys.modules["{package}"] = None
from datetime import UTC, datetime
from secscan.report.paper import PaperError, pdf, signing, verifying
from secscan.report.paper.pdf import to_pdf
now = datetime.now(UTC)
try:
    if "{package}" == "weasyprint":
        to_pdf("", None)
    else:
        verifying.examine(b"%PDF-1.7", (), (), now)
except PaperError as e:
    print(e)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert f"({package}" in done.stdout
    assert "pip install 'secscan[pdf]'" in done.stdout


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{}",
        b"[" * 100_000,
        b"\xff",
        SOURCE.as_json() + b"x",
        SOURCE.as_json().replace(b'"schema": 1', b'"schema": 2'),
        SOURCE.as_json() + b" " * 70_000,
        SOURCE.as_json().replace(b'"run": 3', b'"run": "three"'),
    ],
)
def test_a_source_of_anybodys_making_is_none_of_ours(document: bytes) -> None:
    assert provenance_in(document) is None


def test_a_hash_that_is_none_is_not_printed() -> None:
    with pytest.raises(ValueError, match="not the hash of a manifest"):
        to_pdf(a_page("x"), Provenance(**{**msgspec.structs.asdict(SOURCE), "manifest": '"; } body { }'}))
