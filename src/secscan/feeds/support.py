"""Ends of life by release of the operating system: the table that comes along, and what was imported."""

import csv
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from importlib.resources import files

from secscan.facts import Release
from secscan.feeds.distributions import filed, release_of
from secscan.feeds.model import Support
from secscan.reference import EndOfLife, Lifetime

#: Windows Server by the build it says of itself: the names on the boxes are translated, the builds are not
#: (https://learn.microsoft.com/windows/release-health/windows-server-release-info).
_WINDOWS_SERVER = {
    "3790": "2003",
    "6001": "2008",
    "6002": "2008",
    "6003": "2008",
    "7600": "2008-r2",
    "7601": "2008-r2",
    "9200": "2012",
    "9600": "2012-r2",
    "14393": "2016",
    "17763": "2019",
    "20348": "2022",
    "25398": "23h2-ac",
    "26100": "2025",
}


class SupportTable(EndOfLife):
    """What is known of releases, each with the date from which it is known."""

    def __init__(self, entries: Mapping[tuple[str, str], tuple[Support, datetime]]) -> None:
        self._entries = dict(entries)

    def as_of(self, release: Release) -> datetime | None:
        found = self._find(release)
        return found[1] if found else None

    def lifetime(self, release: Release) -> Lifetime | None:
        found = self._find(release)
        if found is None:
            return None
        support = found[0]
        return Lifetime(support.name, support.ends, support.extended)

    def with_newer(self, supports: Iterable[tuple[Support, datetime]]) -> "SupportTable":
        """Of each release what is known from the later date."""
        merged = dict(self._entries)
        for support, as_of in supports:
            key = support.product, support.release
            if key not in merged or merged[key][1] <= as_of:
                merged[key] = support, as_of
        return SupportTable(merged)

    def _find(self, release: Release) -> tuple[Support, datetime] | None:
        for key in _keys(release):
            if key in self._entries:
                return self._entries[key]
        return None


def _keys(release: Release) -> list[tuple[str, str]]:
    if release.id.lower().startswith("windows"):
        build = release.build.partition(".")[0]
        if build in _WINDOWS_SERVER and (release.id == "windows-server" or "server" in release.name.lower()):
            return [("windows-server", _WINDOWS_SERVER[build])]
        found = re.search(r"Server (\d{4})( R2)?", release.name)
        return [("windows-server", found[1] + ("-r2" if found[2] else ""))] if found else []
    ecosystem, version = release_of(release)
    exact = release.version.strip().lower()
    return [(ecosystem, exact), (ecosystem, version), (ecosystem, filed(ecosystem, exact))]


def built_in() -> SupportTable:
    """The table that comes with secscan. Each row has its source and the date on which that said so."""
    text = files("secscan.feeds").joinpath("end-of-life.csv").read_text("utf-8")
    entries = {}
    for row in csv.DictReader(text.splitlines()):
        support = Support(
            product=row["product"],
            release=row["release"],
            name=row["name"],
            ends=date.fromisoformat(row["ends"]),
            extended=date.fromisoformat(row["extended"]) if row["extended"] else None,
        )
        as_of = datetime.combine(date.fromisoformat(row["as_of"]), datetime.min.time(), UTC)
        entries[support.product, support.release] = support, as_of
    return SupportTable(entries)
