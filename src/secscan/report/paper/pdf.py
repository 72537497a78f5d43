"""A page as PDF: PDF/A-3a (tagged, its fonts inside, a file embedded), and the same bytes for the same page."""

import hashlib
import re
from typing import Any

from secscan.language import _
from secscan.report.paper.drawings import styled
from secscan.report.paper.fonts import MONO, SANS, font_faces
from secscan.report.paper.provenance import NAME, Provenance
from secscan.report.paper.trouble import PaperError, missing

#: ISO 19005-3, level A: for archives, readable by machines and screen readers, and files may be embedded, which
#: PDF/A-1 and -2 and PDF/UA don't foresee.
VARIANT = "pdf/a-3a"

#: So many digits of a manifest's hash stand at the foot of every sheet; the whole of it is in the embedded file.
DIGITS = 16

_HEX = re.compile(r"[0-9a-f]*")


def to_pdf(page: str, source: Provenance) -> bytes:
    """The HTML ``page`` as PDF, with ``source`` embedded and the manifest's hash at the foot of every sheet.

    The page reads nothing: no file, no address; what is not in it is left out.
    Raises PaperError where WeasyPrint, what it needs of the system, or the fonts are missing.
    """
    weasyprint, fonts = _weasyprint()
    nothing = _refuse_all()
    configuration = fonts.FontConfiguration()
    style = weasyprint.CSS(
        string=f"{font_faces()}\n{_style(source)}", font_config=configuration, url_fetcher=nothing
    )
    document = source.as_json()
    attachment = weasyprint.Attachment(
        string=document.decode(),
        name=NAME,
        description="What this page rests on",
        created=source.at,
        modified=source.at,
        relationship="Source",
        url_fetcher=nothing,
    )
    made: bytes = weasyprint.HTML(string=styled(page), base_url=None, url_fetcher=nothing).write_pdf(
        font_config=configuration,
        stylesheets=[style],
        attachments=[attachment],
        pdf_variant=VARIANT,
        pdf_identifier=hashlib.sha256(page.encode() + document).digest()[:16],
    )
    return made


def _weasyprint() -> tuple[Any, Any]:
    # Imported here: it costs half a second, and loads libraries of the system that may not be there.
    try:
        import weasyprint
        from weasyprint.text import fonts
    except ImportError as e:
        raise missing(e) from e
    except OSError as e:
        raise PaperError(
            _(
                "PDF files need Pango, a library of the system ({problem}); install the packages libpango-1.0-0 and "
                "libpangoft2-1.0-0 (on Debian and Ubuntu) or pango"
            ).format(problem=str(e).splitlines()[0])
        ) from e
    return weasyprint, fonts


def _refuse_all() -> Any:
    """Hands out what an address holds in itself, and nothing else: a page must not reach for files or networks."""
    from weasyprint.urls import URLFetcher

    return URLFetcher(allowed_protocols=("data",), allow_redirects=False)


def _style(source: Provenance) -> str:
    """What paper has and the screen has not. Nothing of it is host text: numbers, a hash, words of ours."""
    if not _HEX.fullmatch(source.manifest):
        raise ValueError(f"not the hash of a manifest: {source.manifest!r}")
    foot = _("Run {run}").format(run=source.run)
    if source.manifest:
        foot += " · " + _("manifest {hash}").format(hash=source.manifest[:DIGITS])
    quoted = foot.replace("\\", "").replace('"', "").replace("\n", " ")
    margin = f'font: 8pt "{SANS}" !important; color: #55606b'
    # WeasyPrint 70 fails an assertion (page.py, "not page_is_empty") over some grids that may not be broken.
    return f"""
*:not(tr) {{ break-inside: auto !important; }}
:root {{ --sans: "{SANS}" !important; --mono: "{MONO}" !important; }}
*, ::before, ::after, ::marker {{ font-family: "{SANS}" !important; }}
code, code *, pre, pre *, kbd, samp {{ font-family: "{MONO}" !important; }}
@page {{
  size: A4;
  @bottom-left {{ content: "{quoted}"; {margin}; }}
  @bottom-right {{ content: counter(page) " / " counter(pages) !important; {margin}; }}
}}
"""
