"""A report as files in a folder: each page replaced in one step, and only where it changed."""

import json
import re
from collections.abc import Collection, Iterable
from pathlib import Path

from secscan.language import _
from secscan.report.text import visible

#: Says that a folder holds a report of ours, and which pages of it are.
MANIFEST = "secscan-report.json"

#: The pages of the fleet, in the order in which they refer to each other.
FLEET_PAGES = ("index.html", "certificates.html", "exposed.html", "end-of-life.html", "backups.html")

#: How a file is called until it is whole; one is left where a write was killed.
_PART = ".secscan-part-"

_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class ReportError(ValueError):
    """A report that can't be written where it was asked for: says why, and what to do."""


class ReportFolder:
    """Begun once, written to by as many processes as there are pages, completed or added to once."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def begin(self) -> None:
        """Raises ReportError where the folder holds anything but a report of ours."""
        former = self._former_pages()
        self._path.mkdir(parents=True, exist_ok=True)
        # First of all: a report that is cut short must be known as ours the next time.
        self._write_manifest(former)
        (self._path / "agencies").mkdir(exist_ok=True)

    def write(self, name: str, text: str) -> str:
        """Writes a page in one step, unless it says the same already; returns its name."""
        self._replace(self._path / name, text)
        return name

    def write_agency(self, agency: str, text: str) -> str:
        """Raises ReportError where the agency's id is no slug."""
        return self.write(agency_page(agency), text)

    def add(self, pages: Iterable[str]) -> None:
        """Ends a report of some pages: all others stay."""
        self._write_manifest(self._former_pages() | set(pages))

    def complete(self, pages: Collection[str]) -> None:
        """Ends a report that is whole: pages of an earlier one that are not among these are removed."""
        for gone in sorted(self._former_pages() - set(pages)):
            (self._path / gone).unlink(missing_ok=True)
        self._write_manifest(pages)

    def _former_pages(self) -> set[str]:
        """The pages of the report that the folder holds; none where it is new or empty."""
        path = self._path
        if path.exists() and not path.is_dir():
            raise ReportError(
                _("{folder} is a file; name a folder that is new, empty or holds a former report").format(
                    folder=path
                )
            )
        if not path.exists() or all(_is_part(one) for one in path.iterdir()):
            return set()
        try:
            # The manifest decides what is removed: it may name pages of ours and nothing else.
            said = json.loads((path / MANIFEST).read_text("utf-8"))["pages"]
            pages = {page for page in said if isinstance(page, str)}
        except (OSError, ValueError, KeyError, TypeError):
            raise ReportError(
                _(
                    "{folder} is not empty and holds no report of secscan ({manifest} is missing or "
                    "damaged): nothing was written; name a new or empty folder"
                ).format(folder=path, manifest=MANIFEST)
            ) from None
        return {page for page in pages if _is_page(page)}

    def _write_manifest(self, pages: Iterable[str]) -> None:
        document = {"schema": 1, "generator": "secscan", "pages": sorted(pages)}
        self._replace(self._path / MANIFEST, json.dumps(document, indent=1) + "\n")

    def _replace(self, path: Path, text: str) -> None:
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


def agency_page(agency: str) -> str:
    """Where an agency's scorecard is. Raises ReportError where its id is no slug."""
    if not _SLUG.fullmatch(agency):
        raise ReportError(
            _("agency id {agency!r} can't name a file: use ASCII letters, digits, '-', '_' and '.'").format(
                agency=visible(agency)
            )
        )
    return f"agencies/{agency}.html"


def _is_page(name: str) -> bool:
    id = name.removeprefix("agencies/").removesuffix(".html")
    return name in FLEET_PAGES or (bool(_SLUG.fullmatch(id)) and name == f"agencies/{id}.html")


def _is_part(path: Path) -> bool:
    return path.name.startswith(_PART)
