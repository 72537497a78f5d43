"""CISA's catalogue of known exploited vulnerabilities, in JSON or CSV (https://www.cisa.gov/known-exploited-vulnerabilities)."""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import date

import msgspec

from secscan.feeds.errors import FeedError
from secscan.feeds.formats._fields import CVE, check_last_line, cut_short, decode_json, instant, json_error
from secscan.feeds.model import Entry, Exploited, Feed, Kind, LeftOut, Reading
from secscan.feeds.streams import Document
from secscan.language import _

FEED = Feed(Kind.KEV)
#: Of 1,404 entries, it has 1.3 MB.
MOST_BYTES = 16 << 20


class _Vulnerability(msgspec.Struct, frozen=True):
    cve: str = msgspec.field(name="cveID")
    added: date = msgspec.field(name="dateAdded")
    due: date = msgspec.field(name="dueDate")
    #: ``Known`` or ``Unknown``.
    ransomware: str = msgspec.field(name="knownRansomwareCampaignUse", default="Unknown")


class _Catalogue(msgspec.Struct, frozen=True):
    released: str = msgspec.field(name="dateReleased")
    vulnerabilities: list[_Vulnerability]
    count: int | None = None


def read_json(document: Document) -> Reading:
    catalogue = decode_json(document.load(MOST_BYTES), _Catalogue, document.name)
    released = instant(catalogue.released)
    if released is None:
        raise FeedError(
            document.name, "dateReleased", _("is {value!r}, no instant").format(value=catalogue.released[:60])
        )
    if catalogue.count is not None and catalogue.count != len(catalogue.vulnerabilities):
        raise FeedError(
            document.name,
            "count",
            _("is {said}, but {seen} entries are there; copy the file again").format(
                said=catalogue.count, seen=len(catalogue.vulnerabilities)
            ),
        )
    return Reading(Kind.KEV, released, True, _entries(catalogue.vulnerabilities), (FEED,))


def read_csv(document: Document) -> Reading:
    """The same as a table, which bears no date: the newest day on which an entry was added stands for it."""
    content = document.load(MOST_BYTES)
    check_last_line(document.name, content)
    text = io.StringIO(content.decode("utf-8-sig", "replace"), newline="")
    vulnerabilities = []
    rows = csv.DictReader(text)
    try:
        for row in rows:
            place = _("line {line}").format(line=rows.line_num)
            if None in row.values():
                raise cut_short(document.name, rows.line_num)
            try:
                vulnerabilities.append(
                    msgspec.convert({k: v for k, v in row.items() if k and v}, type=_Vulnerability)
                )
            except msgspec.ValidationError as e:
                raise json_error(document.name, place, e) from e
    except csv.Error as e:
        raise FeedError(document.name, _("line {line}").format(line=rows.line_num), str(e)) from e
    if not vulnerabilities:
        raise FeedError(document.name, "", _("holds no entry; copy it again"))
    newest = max(v.added for v in vulnerabilities)
    return Reading(Kind.KEV, instant(newest.isoformat()), True, _entries(vulnerabilities), (FEED,))


def _entries(vulnerabilities: Iterable[_Vulnerability]) -> Iterator[Entry | LeftOut]:
    for v in vulnerabilities:
        if not CVE.fullmatch(v.cve):
            yield LeftOut(_("entries without a CVE number"))
            continue
        yield Entry(FEED, v.cve, Exploited(v.cve, v.added, v.due, v.ransomware.strip().lower() == "known"))
