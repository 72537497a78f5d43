"""endoflife.date: when releases of products stop being looked after, in each of the JSON forms it is published in."""

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

from secscan.feeds.errors import FeedError
from secscan.feeds.formats._fields import day, decode_json, instant
from secscan.feeds.model import Entry, Feed, Kind, LeftOut, Reading, Support
from secscan.feeds.streams import Document
from secscan.language import _

#: endoflife.date's names of systems, by those of os-release(5).
_IDS = {
    "alma-linux": "almalinux",
    "alpine-linux": "alpine",
    "amazon-linux": "amzn",
    "opensuse": "opensuse-leap",
    "oracle-linux": "ol",
    "redhat": "rhel",
    "rocky-linux": "rocky",
    "centos-stream": "centos",
}
_NAMES = {
    "almalinux": "AlmaLinux",
    "alpine": "Alpine Linux",
    "amzn": "Amazon Linux",
    "centos": "CentOS",
    "debian": "Debian",
    "ol": "Oracle Linux",
    "opensuse-leap": "openSUSE Leap",
    "rhel": "Red Hat Enterprise Linux",
    "rocky": "Rocky Linux",
    "sles": "SUSE Linux Enterprise Server",
    "ubuntu": "Ubuntu",
    "windows-server": "Windows Server",
}
#: The largest known has 44 kB; as it is taken apart as a whole, it may be forty times as large in memory.
MOST_BYTES = 4 << 20
#: Whose extended support costs nothing, so that a release ends with it.
_FREE_EXTENSION = frozenset({"debian"})


def read(document: Document) -> Reading:
    """The table of one product: the API's (v0 and v1), or the data that the site is made from.

    Two of the forms don't name their product; there the file's name does, as the site has it (``debian.json``).
    """
    content = decode_json(document.load(MOST_BYTES), Any, document.name)
    as_of = None
    product = re.sub(r"\.json$", "", document.path.name)
    releases: list[tuple[str, dict[str, Any]]] = []
    if isinstance(content, list):
        releases = [(str(c.get("cycle", "")), c) for c in content if isinstance(c, dict)]
    elif isinstance(content, dict) and isinstance(content.get("result"), dict):
        product = str(content["result"].get("name", product))
        as_of = instant(str(content.get("last_modified", ""))) or instant(
            str(content.get("generated_at", ""))
        )
        found = content["result"].get("releases")
        releases = [(str(c.get("name", "")), c) for c in found or () if isinstance(c, dict)]
    elif isinstance(content, dict) and isinstance(content.get("releases"), dict):
        releases = [(name, c) for name, c in content["releases"].items() if isinstance(c, dict)]
    if not releases:
        raise FeedError(document.name, "releases", _("holds no release"))
    product = _IDS.get(product, product)
    feed = Feed(Kind.END_OF_LIFE, part=product)
    return Reading(Kind.END_OF_LIFE, as_of, True, _entries(feed, releases), (feed,))


def _entries(feed: Feed, releases: list[tuple[str, dict[str, Any]]]) -> Iterator[Entry | LeftOut]:
    for release, said in releases:
        if not release or not any(key in said for key in ("eol", "eolFrom", "isEol")):
            yield LeftOut(_("releases without a date of end of life"))
            continue
        ends = _day(said, "eolFrom", "eol")
        extended = _day(said, "eoesFrom", "extendedSupport", "eoes")
        if feed.part in _FREE_EXTENSION and extended is not None:
            ends, extended = extended, None
        if ends is None and (said.get("eol") is True or said.get("isEol") is True):
            # It has ended, nobody says when: a release that is out of support must not read as one without an end.
            ends = date.min
        name = f"{_NAMES.get(feed.part, feed.part)} {release}"
        codename = said.get("codename")
        if isinstance(codename, str) and codename:
            name = f"{name} ({codename[:40].lower()})"
        yield Entry(feed, release, Support(feed.part, release, name, ends, extended))


def _day(said: dict[str, Any], *keys: str) -> date | None:
    """The first of these fields that holds a day; true and false stand for the unknown."""
    values = (said.get(key) for key in keys)
    return next((found for value in values if isinstance(value, str) and (found := day(value))), None)
