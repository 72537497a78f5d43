"""``updateinfo.xml`` of rpm repositories: advisories, the packages that mend them and the modules these are of."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
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


def read(document: Document) -> Reading:
    """The security advisories of one repository; those that mend no flaw are left out."""
    return Reading(Kind.UPDATEINFO, None, False, _entries(document))


def _entries(document: Document) -> Iterator[Entry | LeftOut]:
    root: Element | None = None
    try:
        with document.stream() as stream:
            for event, element in iterparse(stream, events=("start", "end")):
                if root is None:
                    root = element
                    if root.tag != "updates":
                        raise FeedError(
                            document.name,
                            "",
                            _("is no updateinfo: its root is {tag!r}").format(tag=root.tag[:60]),
                        )
                elif event == "end" and element.tag == "update":
                    yield from _advisory(element, document.name)
                    # What has been read is let go, or the file would be in memory as a whole.
                    root.clear()
    except ParseError as e:
        line, column = e.position
        raise FeedError(
            document.name,
            _("line {line}").format(line=line),
            _("is no valid XML at column {column}, perhaps cut short; copy it again").format(column=column),
        ) from e
    except DefusedXmlException as e:
        raise FeedError(document.name, "", _("declares XML entities, which no updateinfo does")) from e


def _advisory(update: Element, name: str) -> Iterator[Entry | LeftOut]:
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
            Feed(Kind.UPDATEINFO, ecosystem, release),
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
    return datetime.fromtimestamp(int(text), tz=UTC) if text.isdigit() and len(text) < 12 else instant(text)


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
