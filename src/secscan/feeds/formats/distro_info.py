"""distro-info-data: Debian's and Ubuntu's releases and their dates, as the package of that name has them. It bears no date."""

import csv
import io
from collections.abc import Iterator
from datetime import date

from secscan.feeds.errors import FeedError
from secscan.feeds.formats._fields import check_last_line, day
from secscan.feeds.model import Entry, Feed, Kind, LeftOut, Reading, Support
from secscan.feeds.streams import Document
from secscan.language import _

MOST_BYTES = 1 << 20


def read(document: Document) -> Reading:
    """Every release that has a number and an end. Which of the two it is, its columns tell."""
    with document.stream() as stream:
        content = stream.read(MOST_BYTES)
    check_last_line(document.name, content)
    text = content.decode("utf-8", "replace")
    rows = csv.DictReader(io.StringIO(text, newline=""))
    try:
        product = "ubuntu" if "eol-esm" in (rows.fieldnames or ()) else "debian"
        feed = Feed(Kind.DISTRO_INFO, part=product)
        entries = list(_entries(rows, feed))
    except csv.Error as e:
        raise FeedError(document.name, _("line {line}").format(line=rows.line_num), str(e)) from e
    return Reading(Kind.DISTRO_INFO, None, True, iter(entries), (feed,))


def _entries(rows: "csv.DictReader[str]", feed: Feed) -> Iterator[Entry | LeftOut]:
    for row in rows:
        version = (row.get("version") or "").removesuffix(" LTS")
        ends = _latest(row, "eol", "eol-server", "eol-lts")
        if not version or ends is None:
            yield LeftOut(_("releases without a number or a date of end of life"))
            continue
        extended = _latest(row, "eol-elts", "eol-esm", "eol-legacy")
        name = f"{'Ubuntu' if feed.part == 'ubuntu' else 'Debian'} {version} ({row.get('series') or ''})"
        yield Entry(feed, version, Support(feed.part, version, name, ends, extended))


def _latest(row: dict[str, str], *columns: str) -> date | None:
    """Free long-term support counts as support: the last of these days."""
    return max((found for column in columns if (found := day(row.get(column) or ""))), default=None)
