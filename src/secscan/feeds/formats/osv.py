"""OSV: advisories of many distributions in one schema, as single JSON files, folders, zip or tar archives.

The schema: https://ossf.github.io/osv-schema/. Every record stands for itself and bears the date of its last change.
"""

import re
import tarfile
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import cast

import msgspec

from secscan.feeds.distributions import SCHEMES, from_osv
from secscan.feeds.errors import FeedError
from secscan.feeds.formats._fields import cves, cvss_severity, decode_json, severity, utc
from secscan.feeds.model import Advisory, Affected, Entry, Feed, Kind, LeftOut, RatedFlaw, Reading
from secscan.feeds.streams import MOST_STREAM_BYTES, Document, reading
from secscan.language import _
from secscan.model import Severity

#: One record. The largest known (Ubuntu's, for flaws in the kernel) have 2 MB.
MOST_RECORD_BYTES = 8 << 20
#: Records in one archive or folder. OSV's largest, Ubuntu's, has 60,000.
MOST_RECORDS = 2_000_000
#: Commas in a file of many records: each may be followed by a record, which takes memory before it is looked at. AlmaLinux's
#: records have one in 68 bytes.
MOST_COMMAS = 8_000_000
#: An archive of more than ``_SMALL_ARCHIVE`` unpacked bytes that shrank to less than a hundredth is a bomb: AlmaLinux's
#: records pack to a fourteenth.
MOST_RATIO = 100
_SMALL_ARCHIVE = 64 << 20
#: What tar puts in front of a member for its long name.
MOST_HEADER_BYTES = 1 << 20
_MOST_GLOBAL_HEADER_BYTES = 64 << 10
_MOST_GLOBAL_FIELDS = 100
#: Characters of a title that are searched for the stream of a module.
_MOST_TITLE = 1_000
_STREAM = re.compile(r"[a-z][\w.+-]*:[\w.+-]+", re.IGNORECASE)
#: Dates before that are a program's zero.
_FIRST_YEAR = 1990


class _Package(msgspec.Struct, frozen=True):
    name: str
    ecosystem: str
    purl: str = ""


class _Event(msgspec.Struct, frozen=True):
    introduced: str | None = None
    fixed: str | None = None


class _Range(msgspec.Struct, frozen=True):
    type: str = ""
    events: list[_Event] = []


class _Rating(msgspec.Struct, frozen=True):
    type: str = ""
    score: str = ""


class _RatedCve(msgspec.Struct, frozen=True):
    id: str
    severity: list[_Rating] = []


class _CveMap(msgspec.Struct, frozen=True):
    cves: list[_RatedCve] = []


class _AffectedNote(msgspec.Struct, frozen=True):
    cves_map: _CveMap | None = None
    severity: str | list[_Rating] | None = None
    urgency: str | None = None


class _Affected(msgspec.Struct, frozen=True):
    package: _Package | None = None
    ranges: list[_Range] | None = None
    severity: list[_Rating] | None = None
    database_specific: _AffectedNote | None = None
    ecosystem_specific: _AffectedNote | None = None


class _RecordNote(msgspec.Struct, frozen=True):
    severity: str | list[_Rating] | None = None


class _Record(msgspec.Struct, frozen=True):
    id: str
    modified: datetime
    published: datetime | None = None
    withdrawn: datetime | None = None
    summary: str = ""
    aliases: list[str] | None = None
    upstream: list[str] | None = None
    related: list[str] | None = None
    severity: list[_Rating] | None = None
    affected: list[_Affected] | None = None
    database_specific: _RecordNote | None = None


def read_json(document: Document) -> Reading:
    """One record, or an array of them."""
    content = document.load()
    if content.lstrip()[:1] != b"[":
        return _reading([decode_json(content, _Record, document.name)], document.name)
    if content.count(b",") > MOST_COMMAS:
        raise FeedError(
            document.name, "", _("holds too much for one file; bring it as a zip, tar or folder of records")
        )
    records = decode_json(content, list[msgspec.Raw], document.name)
    return _reading(_from_array(document.name, records), document.name)


def read_zip(document: Document) -> Reading:
    """A zip archive of records, as OSV publishes one for each ecosystem."""
    return _reading(_from_zip(document), document.name)


def read_tar(document: Document) -> Reading:
    """A tar archive of records, packed or not."""
    return _reading(_from_tar(document), document.name)


def read_folder(name: str, files: Iterable[Path]) -> Reading:
    """Files of one record each, such as a checkout of a distributor's repository of advisories."""
    return _reading(_from_files(name, files), name)


def holds_records(head: bytes) -> bool:
    """Whether this beginning of a JSON file is that of a record."""
    return (
        re.match(rb"\s*\[?\s*\{", head) is not None
        and re.search(rb'"(affected|modified)"\s*:', head) is not None
        and re.search(rb'"id"\s*:', head) is not None
        and re.search(rb'"(ranges|schema_version|withdrawn|ecosystem)"\s*:', head) is not None
    )


# --- Where records come from ----------------------------------------------------------------------------


def _from_array(name: str, records: list[msgspec.Raw]) -> Iterator[_Record]:
    """One after the other, for as a whole they would be many times as large as the file."""
    _check_count(name, len(records))
    for number, record in enumerate(records, 1):
        yield decode_json(record, _Record, name, _("record {number}").format(number=number))


def _from_zip(document: Document) -> Iterator[_Record]:
    try:
        with reading(document.name), zipfile.ZipFile(document.path) as archive:
            members = archive.infolist()
            _check_count(document.name, len(members))
            _check_size(document, sum(member.file_size for member in members))
            for member in members:
                if member.filename.endswith(".json"):
                    with archive.open(member) as file:
                        content = file.read(MOST_RECORD_BYTES + 1)
                    yield _decoded(content, document.name, member.filename)
    except (zipfile.BadZipFile, NotImplementedError, UnicodeError) as e:
        raise FeedError(document.name, "", _("is damaged: {error}; copy it again").format(error=e)) from e


def _from_tar(document: Document) -> Iterator[_Record]:
    try:
        with document.stream() as stream, tarfile.open(fileobj=stream, mode="r|", tarinfo=_Header) as archive:
            for count, member in enumerate(archive):
                _check_count(document.name, count)
                # Nothing is ever unpacked to disk, so links and devices are of no matter.
                file = archive.extractfile(member) if member.isfile() else None
                if file is not None and member.name.endswith(".json"):
                    yield _decoded(file.read(MOST_RECORD_BYTES + 1), document.name, member.name)
                # A tar file that is read as a stream remembers every member it has passed.
                archive.members = []  # type: ignore[attr-defined]  # typeshed leaves it out; the documentation doesn't
    except tarfile.TarError as e:
        raise FeedError(document.name, "", _("is damaged: {error}; copy it again").format(error=e)) from e


def _from_files(name: str, files: Iterable[Path]) -> Iterator[_Record]:
    for count, path in enumerate(files):
        _check_count(name, count)
        with reading(str(path)), path.open("rb") as file:
            content = file.read(MOST_RECORD_BYTES + 1)
        yield _decoded(content, str(path), "")


def _check_size(document: Document, unpacked: int) -> None:
    """zipfile never gives more of a member than its directory says, so that the sum of these is the bound."""
    if unpacked > MOST_STREAM_BYTES:
        limit = MOST_STREAM_BYTES >> 30
        raise FeedError(document.name, "", _("is larger than {limit} GiB, unpacked").format(limit=limit))
    if unpacked > max(_SMALL_ARCHIVE, MOST_RATIO * document.path.stat().st_size):
        raise FeedError(
            document.name,
            "",
            _("unpacks to {size} MiB, more than {ratio} times its size: no feed does").format(
                size=unpacked >> 20, ratio=MOST_RATIO
            ),
        )


class _Header(tarfile.TarInfo):
    """A member's header, within bounds: tarfile reads long names, and the maps of sparse files, into memory whole."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        # The entry point that the standard library's source names as the one to override.
        extended = self.type in (*tarfile.SUPPORTED_TYPES, tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
        if not self.isreg() and extended and self.size > MOST_HEADER_BYTES:
            raise _refused_header()
        if self.type == tarfile.XGLTYPE and (
            self.size > _MOST_GLOBAL_HEADER_BYTES or len(archive.pax_headers) > _MOST_GLOBAL_FIELDS
        ):
            raise _refused_header()
        if self.type == tarfile.GNUTYPE_SPARSE:
            raise _refused_header()
        return cast("tarfile.TarInfo", super()._proc_member(archive))  # type: ignore[misc]  # typeshed leaves it out

    def _proc_gnusparse_10(
        self, _member: tarfile.TarInfo, _fields: Mapping[str, str], _archive: tarfile.TarFile
    ) -> None:
        raise _refused_header()


def _refused_header() -> tarfile.TarError:
    return tarfile.ReadError(_("a header of a kind or size that no feed has"))


def _check_count(name: str, count: int) -> None:
    if count > MOST_RECORDS:
        raise FeedError(name, "", _("holds more than {count} files").format(count=MOST_RECORDS))


def _decoded(content: bytes, name: str, place: str) -> _Record:
    if len(content) > MOST_RECORD_BYTES:
        raise FeedError(
            name, place, _("is larger than {limit} MiB, unpacked").format(limit=MOST_RECORD_BYTES >> 20)
        )
    return decode_json(content, _Record, name, place)


# --- What they say --------------------------------------------------------------------------------------


def _reading(records: Iterable[_Record], name: str) -> Reading:
    return Reading(Kind.OSV, None, False, (entry for record in records for entry in _entries(record, name)))


def _entries(record: _Record, name: str) -> Iterator[Entry | LeftOut]:
    dated = utc(record.modified)
    if dated is None:
        raise FeedError(
            name,
            record.id[:60],
            _("modified is {value}, no instant").format(value=record.modified.isoformat()),
        )
    by_release: dict[tuple[str, str], list[_Affected]] = defaultdict(list)
    for affected in record.affected or ():
        filed = from_osv(affected.package.ecosystem) if affected.package else None
        if filed is not None:
            by_release[filed].append(affected)
    if not by_release:
        yield LeftOut(_("records about no release of a distribution that secscan knows"))
    streams = _streams(record.summary)
    for (ecosystem, release), concerned in by_release.items():
        feed = Feed(Kind.OSV, ecosystem, release)
        if record.withdrawn is not None:
            yield Entry(feed, record.id, None, dated)
            continue
        packages: dict[Affected, None] = {}
        for affected in concerned:
            for package in _affected(affected, ecosystem, streams):
                if package is None:
                    yield LeftOut(_("packages of a module whose stream is not named"))
                else:
                    packages[package] = None
        if packages:
            advisory = Advisory(
                id=record.id,
                flaws=_flaws(record, concerned),
                affected=tuple(packages),
                published=record.published.date()
                if record.published and record.published.year >= _FIRST_YEAR
                else None,
                named="CVE-" not in record.id,
            )
            yield Entry(feed, record.id, advisory, dated)


def _streams(title: str) -> tuple[str, ...]:
    """EL names the stream in the title alone: ``Important: nodejs:18 security update``."""
    words = re.split(r"[\s,]+", title[:_MOST_TITLE])
    # Of "(nodejs:18" what follows the bracket. Taken apart first, so that no word is gone over twice.
    names = (re.split(r"[^\w.+:-]", word)[-1].lstrip("+") for word in words)
    return tuple(sorted({name for name in names if _STREAM.fullmatch(name)}))


def _affected(affected: _Affected, ecosystem: str, streams: tuple[str, ...]) -> Iterator[Affected | None]:
    """None for a package of a module whose stream is not known."""
    package = affected.package
    if package is None:
        return
    modular = re.search(r"[?&]rpmmod=([^&]+)", package.purl)
    for stretch in affected.ranges or ():
        if stretch.type not in ("ECOSYSTEM", ""):
            continue
        introduced = ""
        open_end = False
        for event in stretch.events:
            if event.introduced is not None:
                introduced = "" if event.introduced == "0" else event.introduced
                open_end = True
            if event.fixed is not None:
                modules: tuple[str, ...] = ()
                if SCHEMES[ecosystem] == "rpm" and (modular or ".module" in event.fixed):
                    modules = (modular[1].replace("%3A", ":"),) if modular else streams
                    if not modules:
                        yield None
                        open_end = False
                        continue
                yield Affected(package.name, event.fixed, _speaks_of_sources(ecosystem), introduced, modules)
                open_end = False
        # Nobody has mended it. An rpm advisory is published with its fix: one without is a slip in the record.
        if open_end and SCHEMES[ecosystem] != "rpm":
            yield Affected(package.name, "", _speaks_of_sources(ecosystem), introduced)


def _speaks_of_sources(ecosystem: str) -> bool:
    """Alma and Red Hat name the packages that are installed; all others those they are built from."""
    return ecosystem not in ("almalinux", "rhel")


def _flaws(record: _Record, concerned: list[_Affected]) -> tuple[RatedFlaw, ...]:
    """Each CVE with its own rating where the record has one, else with that of the whole record.

    ``related`` is what Red Hat's like lists its CVEs under; elsewhere it is what its name says.
    """
    numbers = cves([record.id, *(record.aliases or ()), *(record.upstream or ())]) or cves(
        record.related or ()
    )
    whole = _rating(record, concerned)
    own: dict[str, tuple[Severity | None, bool]] = {}
    for affected in concerned:
        note = affected.database_specific
        for rated in note.cves_map.cves if note and note.cves_map else ():
            own[rated.id] = _rated(rated.severity)
    flaws = []
    for number in numbers or (record.id,):
        rating, by_distributor = own.get(number, (None, False))
        flaws.append(
            RatedFlaw(number, rating, by_distributor) if rating is not None else RatedFlaw(number, *whole)
        )
    return tuple(flaws)


def _rating(record: _Record, concerned: list[_Affected]) -> tuple[Severity | None, bool]:
    """The gravest that the distributor says of it, else what CVSS does."""
    words: list[str] = [record.summary.partition(":")[0]]
    ratings = list(record.severity or ())
    for note in (record.database_specific, *(a.ecosystem_specific for a in concerned)):
        if note is None:
            continue
        if isinstance(note.severity, str):
            words.append(note.severity)
        ratings += note.severity if isinstance(note.severity, list) else ()
        words += [note.urgency] if isinstance(note, _AffectedNote) and note.urgency else ()
    for affected in concerned:
        ratings += affected.severity or ()
    said = [found for word in words if (found := severity(word)) is not None]
    return (max(said), True) if said else _rated(ratings)


def _rated(ratings: list[_Rating]) -> tuple[Severity | None, bool]:
    said = [s for r in ratings if not r.type.startswith("CVSS") and (s := severity(r.score)) is not None]
    if said:
        return max(said), True
    for kind in ("CVSS_V3", "CVSS_V2"):
        found = [s for r in ratings if r.type == kind and (s := cvss_severity(r.score)) is not None]
        if found:
            return max(found), False
    return None, False
