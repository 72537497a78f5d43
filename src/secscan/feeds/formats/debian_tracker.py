"""The Debian security tracker's JSON: every flaw of every source package, release by release.

The data: https://security-tracker.debian.org/tracker/data/json. It bears no date.
"""

from collections.abc import Iterator

import msgspec

from secscan.feeds.distributions import DEBIAN
from secscan.feeds.formats._fields import decode_json, severity
from secscan.feeds.model import Advisory, Affected, Entry, Feed, Kind, LeftOut, RatedFlaw, Reading
from secscan.feeds.streams import Document
from secscan.language import _


class _Release(msgspec.Struct, frozen=True):
    status: str
    fixed_version: str = ""
    urgency: str = ""


class _Flaw(msgspec.Struct, frozen=True):
    releases: dict[str, _Release] = {}


def read(document: Document) -> Reading:
    """All flaws but those that a release never had, and those nobody has made up his mind about."""
    # Source packages are taken apart one by one: as a whole they would be ten times as large as the file.
    sources = decode_json(document.load(), dict[str, msgspec.Raw], document.name)
    return Reading(Kind.DEBIAN_TRACKER, None, True, _entries(document, sources))


def _entries(document: Document, sources: dict[str, msgspec.Raw]) -> Iterator[Entry | LeftOut]:
    for source, raw in sources.items():
        flaws = decode_json(raw, dict[str, _Flaw], document.name, source[:60])
        for number, flaw in flaws.items():
            for codename, state in flaw.releases.items():
                release = DEBIAN.get(codename)
                if release is None:
                    # sid has no version, and backports are for whoever asks for them.
                    if codename != "sid":
                        yield LeftOut(_("entries of suites that are no releases"))
                    continue
                fixed = state.fixed_version if state.status == "resolved" else ""
                # "0" is the tracker's word for a release that never had the flaw.
                if (
                    fixed == "0"
                    or state.status not in ("resolved", "open")
                    or (state.status == "resolved" and not fixed)
                ):
                    continue
                rated = severity(state.urgency)
                yield Entry(
                    Feed(Kind.DEBIAN_TRACKER, "debian", release),
                    f"{source} {number}",
                    Advisory(
                        id=number,
                        flaws=(RatedFlaw(number, rated, rated is not None),),
                        affected=(Affected(source, fixed, source=True),),
                        named=False,
                    ),
                )
