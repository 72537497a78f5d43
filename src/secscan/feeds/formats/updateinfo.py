"""``updateinfo.xml`` of rpm repositories: advisories, the packages that mend them and the modules these are of.

The file does not say which repository it is of, and what its collections are called follows no rule; where it lies does,
as mirrors and dnf keep it. Nor does it say of when it is; the ``repomd.xml`` beside it does (createrepo_c(8)).
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from secscan.feeds.distributions import filed
from secscan.feeds.errors import FeedError
from secscan.feeds.formats._fields import cves, instant, severity
from secscan.feeds.model import Advisory, Affected, Entry, Feed, Kind, LeftOut, RatedFlaw, Reading
from secscan.feeds.streams import Document
from secscan.language import _

#: Whose advisories begin so.
_ISSUERS = (
    ("RHSA", "rhel"),
    ("RHBA", "rhel"),
    ("RHEA", "rhel"),
    ("AL", "almalinux"),
    ("RL", "rocky"),
    ("EL", "ol"),
    ("SUSE-", "sles"),
    ("openSUSE-", "opensuse-leap"),
    ("FEDORA-", "fedora"),
)
#: The distribution's mark in the release of a package: ``.el9_4``, ``.module+el8.9.0+``, ``.amzn2023.0.1``, ``.fc40``.
_MARK = re.compile(r"(?:^|[.+_])(?:el|fc|amzn)(\d+)")
_SERVICE_PACK = re.compile(r"-(\d\d)(?:-SP(\d))?(?:-|$)")
_LEAP = re.compile(r"(\d\d\.\d)")


#: Folders of a mirror that are no repository's name: ``BaseOS/x86_64/os/repodata``.
_NO_NAME = re.compile(
    r"os|repodata|tree|Packages|updates?|x86_64|aarch64|ppc64le|s390x|noarch|i[3-6]86", re.IGNORECASE
)
#: dnf puts a hash of the address behind the repository's id: ``baseos-0123456789abcdef``.
_CACHE = re.compile(r"(?P<id>.+)-[0-9a-f]{16}")
_FILE = re.compile(r"(?:(?P<name>.+?)-)??(?:[0-9a-f]{32,}-)?updateinfo\.xml(?:\.[a-z0-9]+)?", re.IGNORECASE)
_REVISION = re.compile(rb"<revision>(\d{9,11})</revision>")
_MOST_REPOMD_BYTES = 1 << 20
#: Of one update, and so of the parser's memory.
_MOST_UPDATE_BYTES = 8 << 20
_MOST_ELEMENTS = 100_000
_PIECE = 128 << 10
#: Elements beside the updates; an updateinfo has none.
_MOST_OTHERS = 1_000
#: Levels of nesting; an updateinfo has six, from ``updates`` to ``filename``.
_MOST_LEVELS = 32
#: Names of elements and attributes, which the parser never lets go.
_MOST_NAMES = 1_000


def read(document: Document) -> Reading:
    """The security advisories of one repository; those that mend no flaw are left out."""
    part = repository_of(document.path)
    return Reading(Kind.UPDATEINFO, _made(document.path), False, _entries(document, part), part=part)


def repository_of(path: Path) -> str:
    """The id of the repository, in lower case; "" where neither the file's name nor its folder tells.

    ``appstream-updateinfo.xml.gz``, ``AppStream/x86_64/os/repodata/HASH-updateinfo.xml.gz`` and
    ``appstream-0123456789abcdef/repodata/HASH-updateinfo.xml.gz`` are all of ``appstream``.
    """
    found = _FILE.fullmatch(path.name)
    if found and found["name"]:
        return found["name"].lower()
    folders = path.absolute().parts[:-1]
    if not folders or folders[-1].lower() != "repodata":
        return ""
    for folder in reversed(folders):
        if not _NO_NAME.fullmatch(folder) and folder != "/":
            cached = _CACHE.fullmatch(folder)
            return (cached["id"] if cached else folder).lower()
    return ""


def _made(path: Path) -> datetime | None:
    """When the repository that it was taken from was made, by the file beside it that lists it."""
    beside = path.parent / "repomd.xml"
    try:
        with beside.open("rb") as file:
            said = file.read(_MOST_REPOMD_BYTES)
    except OSError:
        return None
    revision = _REVISION.search(said)
    # It has to list this very file, or it is of another day or of another repository.
    if revision is None or path.name.encode("utf-8", "surrogateescape") not in said:
        return None
    return datetime.fromtimestamp(int(revision[1]), tz=UTC)


def _entries(document: Document, part: str) -> Iterator[Entry | LeftOut]:
    root: Element | None = None
    levels = elements = others = 0
    names: set[str] = set()
    try:
        with document.stream() as stream:
            held = _Held(stream, document.name)
            for event, element in iterparse(held, events=("start", "end")):
                if event == "start":
                    levels += 1
                    elements += 1
                    names.add(element.tag)
                    names.update(element.attrib)
                    if levels > _MOST_LEVELS or elements > _MOST_ELEMENTS or len(names) > _MOST_NAMES:
                        raise _too_large(document.name)
                else:
                    levels -= 1
                if root is None:
                    root = element
                    if root.tag != "updates":
                        raise FeedError(
                            document.name,
                            "",
                            _("is no updateinfo: its root is {tag!r}").format(tag=root.tag[:60]),
                        )
                elif event == "end" and levels == 1:
                    if element.tag == "update":
                        yield from _advisory(element, document.name, part)
                    else:
                        others += 1
                        if others > _MOST_OTHERS:
                            raise FeedError(document.name, "", _("has too much beside its updates"))
                    # What has been read is let go, whatever it was, or the file would be in memory as a whole.
                    root.clear()
                    elements = held.count = 0
    except ParseError as e:
        line, column = e.position
        raise FeedError(
            document.name,
            _("line {line}").format(line=line),
            _("is no valid XML at column {column}, perhaps cut short; copy it again").format(column=column),
        ) from e
    except DefusedXmlException as e:
        raise FeedError(document.name, "", _("declares XML entities, which no updateinfo does")) from e


class _Held:
    """A stream that ends in a FeedError where too much was read since ``count`` was set to 0."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self._name = name
        self.count = 0

    def read(self, _size: int = -1) -> bytes:
        # Expat before 2.6.0 begins an unfinished tag anew with every piece it is given (CVE-2023-52425): iterparse
        # would give it 16 KiB at a time.
        content = self._stream.read(_PIECE)
        self.count += len(content)
        if self.count > _MOST_UPDATE_BYTES:
            raise _too_large(self._name)
        return content


def _too_large(name: str) -> FeedError:
    return FeedError(name, "", _("has an update that is larger or deeper than any updateinfo's"))


def _advisory(update: Element, name: str, part: str) -> Iterator[Entry | LeftOut]:
    identifier = _text(update, "id")
    if not identifier:
        raise FeedError(name, "", _("has an update without an id"))
    if update.get("type") != "security":
        yield LeftOut(_("updates that mend no flaw"))
        return
    ecosystem = _ecosystem(identifier)
    if ecosystem is None:
        yield LeftOut(_("advisories of a distributor that secscan does not know"))
        return
    affected: dict[str, dict[Affected, None]] = {}
    for collection in update.iter("collection"):
        module = collection.find("module")
        modules = (f"{module.get('name', '')}:{module.get('stream', '')}",) if module is not None else ()
        for package in collection.iter("package"):
            if package.get("arch") == "src" or not package.get("name"):
                continue
            version = f"{package.get('epoch') or 0}:{package.get('version', '')}-{package.get('release', '')}"
            release = _release(ecosystem, identifier, _text(update, "release"), package.get("release", ""))
            if not release:
                yield LeftOut(_("packages whose release of the distribution is not named"))
            elif not modules and ".module" in version:
                yield LeftOut(_("packages of a module whose stream is not named"))
            else:
                affected.setdefault(release, {})[
                    Affected(package.get("name", ""), version, modules=modules)
                ] = None
    numbers = _numbers(update)
    rated = severity(_text(update, "severity")) or severity(_text(update, "title").partition(":")[0])
    issued, updated = _dated(update, "issued"), _dated(update, "updated")
    for release, packages in affected.items():
        yield Entry(
            Feed(Kind.UPDATEINFO, ecosystem, release, part),
            identifier,
            Advisory(
                id=identifier,
                flaws=tuple(RatedFlaw(n, rated, rated is not None) for n in numbers or (identifier,)),
                affected=tuple(packages),
                published=issued.date() if issued else None,
            ),
            updated or issued,
        )


def _numbers(update: Element) -> tuple[str, ...]:
    references = list(update.iter("reference"))
    return cves(r.get("id", "") for r in references) or cves(r.get("title", "") for r in references)


def _text(element: Element, tag: str) -> str:
    return (element.findtext(tag) or "").strip()


def _dated(update: Element, tag: str) -> datetime | None:
    found = update.find(tag)
    if found is None:
        return None
    text = found.get("date", "").strip()
    # SUSE counts seconds since 1970.
    return datetime.fromtimestamp(int(text), tz=UTC) if re.fullmatch(r"[0-9]{1,11}", text) else instant(text)


def _ecosystem(identifier: str) -> str | None:
    # Amazon's kernel live patches and extras are other packages, and their marks say so.
    if identifier.startswith("ALAS"):
        return "amzn"
    return next((ecosystem for start, ecosystem in _ISSUERS if identifier.startswith(start)), None)


def _release(ecosystem: str, identifier: str, said: str, package_release: str) -> str:
    """By the mark in the package, which is exact; SUSE has none and names its service pack in the advisory."""
    if ecosystem == "sles":
        found = _SERVICE_PACK.search(identifier)
        return (f"{found[1]}.{found[2]}" if found[2] else found[1]) if found else ""
    if ecosystem == "opensuse-leap":
        found = _LEAP.search(identifier) or _LEAP.search(said)
        return found[1] if found else ""
    marked = _MARK.search(package_release)
    if marked:
        return filed(ecosystem, marked[1])
    number = re.search(r"\d+", said)
    return filed(ecosystem, number[0]) if number else ""
