"""``Packages``: what a Debian or Ubuntu suite offers, in the order and form that apt keeps it (deb822(5)).

The index itself says neither which suite it is nor of when: the suite's ``Release`` file does, and lists the index by
its SHA-256. So the two belong together, and a damaged or foreign index is found out.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from secscan.feeds.distributions import filed
from secscan.feeds.errors import FeedError
from secscan.feeds.model import Entry, Feed, IndexedPackage, Kind, LeftOut, Reading
from secscan.feeds.streams import Document
from secscan.language import _

#: A line; Debian's longest, a list of dependencies, has 60,000 characters.
MOST_LINE_BYTES = 1 << 20
MOST_RELEASE_BYTES = 16 << 20

_ORIGINS = {"Debian": "debian", "Ubuntu": "ubuntu"}
_INDEX = re.compile(
    r"(?P<component>\S+?)/binary-(?P<architecture>[a-z0-9-]+)/Packages(?:\.(?:gz|xz|bz2|lz4))?"
)


@dataclass(frozen=True, slots=True)
class Suite:
    """A ``Release`` or ``InRelease`` file: what a suite is, of when, and which indexes are part of it."""

    name: str
    ecosystem: str
    release: str
    codename: str
    security: bool
    dated: datetime
    #: SHA-256 in hex -> component and architecture.
    indexes: dict[str, tuple[str, str]]


def is_release(head: bytes) -> bool:
    """Whether a file begins like a ``Release`` or a signed ``InRelease``."""
    start = head[:4096]
    return (
        start.startswith((b"-----BEGIN PGP SIGNED MESSAGE-----", b"Origin:", b"Archive:"))
        and re.search(rb"^(Suite|Codename|Archive):", start, re.MULTILINE) is not None
        and re.search(rb"^(Date|Component):", start, re.MULTILINE) is not None
    )


def read_release(document: Document) -> Suite | None:
    """The suite that a Release file is of; None for one of a vendor whose releases we don't know.

    Its signature is not verified: who brings the file vouches for it. Raises FeedError where it lacks what it needs.
    """
    with document.stream() as stream:
        text = stream.read(MOST_RELEASE_BYTES).decode("utf-8", "replace")
    fields: dict[str, str] = {}
    indexes: dict[str, tuple[str, str]] = {}
    section = ""
    for line in text.splitlines():
        if line.startswith(" "):
            if section == "SHA256":
                digest, _size, path = [*line.split(), "", "", ""][:3]
                found = _INDEX.fullmatch(path)
                if found and len(digest) == 64:
                    component = found["component"].removeprefix("updates/")
                    indexes[digest.lower()] = (component, found["architecture"])
        elif ":" in line:
            section, _colon, value = line.partition(":")
            fields.setdefault(section, value.strip())
    ecosystem = _ORIGINS.get(fields.get("Origin", ""))
    if ecosystem is None:
        return None
    try:
        dated = parsedate_to_datetime(fields["Date"]).astimezone(UTC)
        version = fields.get("Version", "").partition("-")[0]
        codename = fields["Codename"]
    except (KeyError, ValueError, TypeError, OverflowError) as e:
        raise FeedError(
            document.name, "", _("has no Date or Codename: it is no complete Release file; copy it again")
        ) from e
    suite = fields.get("Suite", codename)
    return Suite(
        name=suite if ecosystem == "ubuntu" else codename,
        ecosystem=ecosystem,
        release=filed(ecosystem, version),
        codename=codename.partition("-")[0],
        security=suite.endswith("-security") or fields.get("Label", "") == "Debian-Security",
        dated=dated,
        indexes=indexes,
    )


def digests(document: Document) -> tuple[str, str]:
    """SHA-256, in hex, of the file as it lies there and of what is packed in it."""
    packed, unpacked = hashlib.sha256(), hashlib.sha256()
    with document.path.open("rb") as file:
        while chunk := file.read(1 << 20):
            packed.update(chunk)
    with document.stream() as stream:
        while chunk := stream.read(1 << 20):
            unpacked.update(chunk)
    return packed.hexdigest(), unpacked.hexdigest()


def read_index(document: Document, suites: list[Suite]) -> Reading:
    """The packages of an index whose suite is one of ``suites``. Raises FeedError where it is of none of them."""
    packed, unpacked = digests(document)
    for suite in suites:
        listed = suite.indexes.get(unpacked) or suite.indexes.get(packed)
        if listed is None:
            continue
        if not suite.release:
            raise FeedError(
                document.name,
                "",
                _("its suite {suite} has no version: testing and unstable are no releases").format(
                    suite=suite.name
                ),
            )
        component, architecture = listed
        feed = Feed(Kind.PACKAGES, suite.ecosystem, suite.release, f"{suite.name} {component} {architecture}")
        return Reading(Kind.PACKAGES, suite.dated, True, _entries(document, feed), (feed,))
    raise FeedError(
        document.name,
        "",
        _(
            "no Release file that was found lists this index (SHA-256 {digest}), so its suite and date are not known; "
            "import it together with the InRelease file it was fetched with"
        ).format(digest=unpacked),
    )


def is_security(part: str) -> bool:
    """Whether the part of a feed is a suite of security updates."""
    return part.partition(" ")[0].endswith("-security")


def _entries(document: Document, feed: Feed) -> Iterator[Entry | LeftOut]:
    for number, stanza in _stanzas(document):
        name, version = stanza.get(b"Package"), stanza.get(b"Version")
        architecture = stanza.get(b"Architecture")
        if not name or not version or not architecture:
            place = _("line {line}").format(line=number)
            raise FeedError(document.name, place, _("an entry without Package, Version or Architecture"))
        source, source_version = _source(stanza.get(b"Source", b"").decode("utf-8", "replace"))
        package = IndexedPackage(
            name=name.decode("utf-8", "replace"),
            version=version.decode("utf-8", "replace"),
            architecture=architecture.decode("utf-8", "replace"),
            source=source or name.decode("utf-8", "replace"),
            source_version=source_version or version.decode("utf-8", "replace"),
        )
        yield Entry(feed, f"{package.name} {package.architecture} {package.version}", package)


def _source(field: str) -> tuple[str, str]:
    """``Source: linux-signed-amd64 (6.1.90+1)``; the version stands there where it is not that of the package."""
    name, _space, rest = field.partition(" ")
    return name, rest.strip().strip("()")


_WANTED = (b"Package", b"Version", b"Architecture", b"Source")


def _stanzas(document: Document) -> Iterator[tuple[int, dict[bytes, bytes]]]:
    """The fields of each entry that are of use, and the line it begins in."""
    stanza: dict[bytes, bytes] = {}
    began = number = 0
    with document.stream() as stream:
        while line := stream.readline(MOST_LINE_BYTES):
            number += 1
            if line == b"\n":
                if stanza:
                    yield began, stanza
                    stanza = {}
            elif line[:1] in b"PVAS" and line[:1] not in b" \t":
                name, colon, value = line.partition(b":")
                if colon and name in _WANTED:
                    began = began if stanza else number
                    stanza[name] = value.strip()
    if stanza:
        yield began, stanza
