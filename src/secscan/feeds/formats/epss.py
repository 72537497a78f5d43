"""EPSS: how likely each CVE is to be used within 30 days (https://www.first.org/epss/data_stats), a CSV of each day."""

import re
from collections import defaultdict
from collections.abc import Iterator

from secscan.feeds.errors import FeedError
from secscan.feeds.formats._fields import CVE, cut_short, instant
from secscan.feeds.model import Entry, Feed, Kind, LeftOut, Likelihoods, Reading
from secscan.feeds.streams import Document
from secscan.language import _

FEED = Feed(Kind.EPSS)
#: There are 300,000 CVEs in 2026.
MOST_ROWS = 3_000_000
_MOST_LINE_BYTES = 1024
#: ``cve,epss,percentile``.
_COMMAS = 2


def read(document: Document) -> Reading:
    """The whole table. Raises FeedError where its first line has no date or a row is no probability."""
    first = document.head.split(b"\n", 1)[0].decode("ascii", "replace")
    dated = re.search(r"score_date:([0-9T:+Z.-]+)", first)
    as_of = instant(re.sub(r"\+0000$", "+00:00", dated[1])) if dated else None
    if as_of is None:
        raise FeedError(
            document.name,
            _("line {line}").format(line=1),
            _("{value!r} has no score_date; take epss_scores-current.csv.gz as FIRST publishes it").format(
                value=first[:80]
            ),
        )
    return Reading(Kind.EPSS, as_of, True, _entries(document), (FEED,))


def _entries(document: Document) -> Iterator[Entry | LeftOut]:
    groups: dict[str, dict[str, float]] = defaultdict(dict)
    skipped = 0
    with document.stream() as stream:
        for number in range(1, MOST_ROWS + 3):
            line = stream.readline(_MOST_LINE_BYTES).decode("ascii", "replace")
            if not line:
                break
            # That it ends without a newline says nothing: FIRST's own files do.
            if not line.startswith("#") and line.count(",") < _COMMAS:
                raise cut_short(document.name, number)
            if line.startswith(("#", "cve,")):
                continue
            cve, _comma, rest = line.strip().partition(",")
            if not CVE.fullmatch(cve):
                skipped += 1
                continue
            groups[_group(cve)][cve] = _probability(rest.partition(",")[0], document.name, number)
        else:
            raise FeedError(document.name, "", _("has more than {count} rows").format(count=MOST_ROWS))
    if not groups:
        raise FeedError(document.name, "", _("holds no entry; copy it again"))
    for group, probability in groups.items():
        yield Entry(FEED, group, Likelihoods(probability))
    if skipped:
        yield LeftOut(_("entries without a CVE number"))


def _probability(text: str, name: str, line: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise FeedError(
            name,
            _("line {line}").format(line=line),
            _("{value!r} is no probability from 0 to 1").format(value=text[:40]),
        )
    return value


def _group(cve: str) -> str:
    """A year and a thousand of numbers: ``CVE-2024-12xxx``."""
    year, _dash, number = cve.removeprefix("CVE-").partition("-")
    return f"CVE-{year}-{number[:-3]}xxx"
