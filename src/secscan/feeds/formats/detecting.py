"""Which format a file has, by what it holds: names change on the way across an air gap."""

import re
from collections.abc import Callable

from secscan.feeds.errors import FeedError
from secscan.feeds.formats import (
    debian_tracker,
    distro_info,
    endoflife,
    epss,
    kev,
    osv,
    secdb,
    updateinfo,
)
from secscan.feeds.model import Reading
from secscan.feeds.streams import Document
from secscan.language import _

#: Fields that may stand before ``Package`` in the first entry of an index.
_MOST_FIELDS_BEFORE = 20

Reader = Callable[[Document], Reading]


def reader_of(document: Document) -> Reader | None:
    """The reader for this file; None where it holds nothing that is known.

    Package indexes are not among them: they are read together with their Release files.
    """
    head = document.head
    if head.startswith(b"PK\x03\x04"):
        return osv.read_zip
    if head[257:262] == b"ustar":
        return osv.read_tar
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start[:1] in (b"{", b"["):
        return _reader_of_json(start)
    if start[:1] == b"<":
        return updateinfo.read if b"<updates" in start else None
    return _reader_of_text(start)


def is_index(head: bytes) -> bool:
    """Whether it begins like a ``Packages`` file of Debian's."""
    fields = 0
    # Line by line, for one expression over all of them could try every way to share the lines out among the fields.
    for line in head.split(b"\n")[:-1]:
        if fields and line.startswith(b" "):
            continue
        if re.fullmatch(rb"Package: \S+", line):
            return True
        fields += 1
        if fields > _MOST_FIELDS_BEFORE or not re.match(rb"[A-Z][A-Za-z0-9-]*:", line):
            return False
    return False


def unknown(document: Document) -> FeedError:
    return FeedError(
        document.name,
        "",
        _(
            "holds nothing that is known here; expected are OSV (JSON, folder, zip, tar), Packages of Debian or Ubuntu, "
            "updateinfo.xml, Debian's security tracker, Alpine's secdb, CISA's KEV, EPSS, endoflife.date, "
            "distro-info's CSV or a bundle of secscan's"
        ),
    )


def _reader_of_json(start: bytes) -> Reader | None:
    if re.search(rb'"(catalogVersion|vulnerabilities)"\s*:', start) and re.search(
        rb'"(cveID|dateReleased)"', start
    ):
        return kev.read_json
    if re.search(rb'"(distroversion|secfixes)"\s*:', start):
        return secdb.read_json
    if osv.holds_records(start):
        return osv.read_json
    if re.search(rb'"(cycle|eol|eolFrom|isEol)"\s*:', start):
        return endoflife.read
    if re.match(rb'\{\s*"[^"]+"\s*:\s*\{\s*"(?:CVE|TEMP)-[^"]+"\s*:\s*\{', start):
        return debian_tracker.read
    return None


def _reader_of_text(start: bytes) -> Reader | None:
    first = start.split(b"\n", 1)[0].strip()
    if first.startswith(b"#model_version") or first.startswith(b"cve,epss"):
        return epss.read
    if first.startswith(b"cveID,"):
        return kev.read_csv
    if first.startswith(b"version,codename,series,"):
        return distro_info.read
    if (
        re.match(rb"(?:---\s|[a-z]+:)", start)
        and re.search(rb"^distroversion:", start, re.MULTILINE)
        and re.search(rb"^reponame:", start, re.MULTILINE)
    ):
        return secdb.read_yaml
    return None
