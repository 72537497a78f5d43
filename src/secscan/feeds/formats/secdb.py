"""Alpine's secdb: which version of a package mends which CVEs, in JSON or YAML. It bears no date."""

from collections.abc import Iterator

import msgspec
import yaml

from secscan.feeds.distributions import filed
from secscan.feeds.errors import FeedError
from secscan.feeds.formats._fields import check_last_line, cves, decode_json, json_error
from secscan.feeds.model import Advisory, Affected, Entry, Feed, Kind, LeftOut, RatedFlaw, Reading
from secscan.feeds.streams import Document
from secscan.language import _

#: The largest known has 600 kB.
MOST_YAML_BYTES = 8 << 20
MOST_JSON_BYTES = 16 << 20
#: A secdb has six levels. The parser calls itself for each and has no bound of its own: it takes the process along.
_MOST_LEVELS = 32


class _Package(msgspec.Struct, frozen=True):
    name: str
    secfixes: dict[str, list[str] | str | None] | str | None = None


class _Item(msgspec.Struct, frozen=True):
    pkg: _Package


class _Repository(msgspec.Struct, frozen=True):
    distroversion: str
    reponame: str
    #: YAML that says nothing here reads as empty text.
    packages: list[_Item] | str | None = None


def read_json(document: Document) -> Reading:
    return _reading(document, decode_json(document.load(MOST_JSON_BYTES), _Repository, document.name))


def read_yaml(document: Document) -> Reading:
    """As Alpine published it until 2021, and beside the JSON since."""
    with document.stream() as stream:
        content = stream.read(MOST_YAML_BYTES + 1)
    if len(content) > MOST_YAML_BYTES:
        raise FeedError(
            document.name, "", _("is larger than {limit} MiB").format(limit=MOST_YAML_BYTES >> 20)
        )
    if b"&" in content or b"*" in content:
        # An anchor that is named again and again unpacks without bound; secdb has none.
        raise FeedError(document.name, "", _("has YAML anchors, which no secdb has"))
    check_last_line(document.name, content)
    try:
        _check_levels(document.name, content)
        # BaseLoader leaves every value text: versions such as 1.10 are no numbers.
        plain = yaml.load(content, Loader=yaml.CBaseLoader)  # noqa: S506 - it makes nothing but text, lists and tables
        return _reading(document, msgspec.convert(plain, type=_Repository, strict=False))
    except (yaml.YAMLError, RecursionError) as e:
        place = getattr(e, "problem_mark", None)
        line = _("line {line}").format(line=place.line + 1) if place else ""
        raise FeedError(document.name, line, _("is no valid YAML, perhaps cut short; copy it again")) from e
    except msgspec.MsgspecError as e:
        raise json_error(document.name, "", e) from e


def _check_levels(name: str, content: bytes) -> None:
    """Event by event, which needs no stack; raises FeedError as soon as it is too deep."""
    levels = 0
    for event in yaml.parse(content, Loader=yaml.CBaseLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            levels += 1
            if levels > _MOST_LEVELS:
                raise FeedError(
                    name,
                    _("line {line}").format(line=event.start_mark.line + 1),
                    _("is nested deeper than {limit} levels, which no secdb is").format(limit=_MOST_LEVELS),
                )
        elif isinstance(event, yaml.CollectionEndEvent):
            levels -= 1


def _reading(document: Document, repository: _Repository) -> Reading:
    release = filed("alpine", repository.distroversion)
    if release == "edge" or not release[:1].isdigit():
        raise FeedError(
            document.name,
            "distroversion",
            _("is {value!r}; a release such as v3.20 is expected").format(
                value=repository.distroversion[:60]
            ),
        )
    feed = Feed(Kind.SECDB, "alpine", release, repository.reponame)
    return Reading(Kind.SECDB, None, True, _entries(repository, feed), (feed,))


def _entries(repository: _Repository, feed: Feed) -> Iterator[Entry | LeftOut]:
    for item in repository.packages if isinstance(repository.packages, list) else ():
        fixes = item.pkg.secfixes if isinstance(item.pkg.secfixes, dict) else {}
        for fixed, said in fixes.items():
            names = said if isinstance(said, list) else said.split() if said else ()
            # "0" is for flaws that the package never had.
            if fixed == "0":
                continue
            # One entry may name several numbers: "CVE-2019-14697 XSA-297".
            identifiers = cves(names) or tuple(sorted({n.split()[0] for n in names if n.strip()}))
            if not identifiers:
                yield LeftOut(_("fixes that name no flaw"))
                continue
            yield Entry(
                feed,
                f"{item.pkg.name} {fixed}",
                Advisory(
                    id=identifiers[0],
                    flaws=tuple(RatedFlaw(identifier) for identifier in identifiers),
                    affected=(Affected(item.pkg.name, fixed, source=True),),
                    named=False,
                ),
            )
