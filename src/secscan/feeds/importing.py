"""Takes files into feeds.db, each in one transaction: a damaged one changes nothing, an older one neither.

Killed in the middle of many files, an import is simply begun again: what was finished is known by its SHA-256.
"""

import enum
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from secscan.feeds.bundle import Bundle, is_bundle, read_bundle
from secscan.feeds.errors import FeedError
from secscan.feeds.formats import osv, packages_index
from secscan.feeds.formats.detecting import is_index, reader_of, unknown
from secscan.feeds.formats.packages_index import Suite
from secscan.feeds.model import DatedBy, Feed, Kind, LeftOut, Reading
from secscan.feeds.storage import Changes, FeedStore, Import, open_store
from secscan.feeds.streams import Document, open_document, reading
from secscan.language import _

#: Files in one folder that was given to be imported.
MOST_FILES = 1_000_000
#: An import that adds to what is there speaks for a release from so many entries on: neither a few advisories that also
#: name a neighbouring release nor a sample make that one known. AlmaLinux 9 had 1,783 advisories after four years.
SPEAKS_FROM = 200
#: Clocks differ; data of later than that has a wrong date, and would keep all that follows out.
_AHEAD = timedelta(days=1)
_CUMULATIVE = frozenset({Kind.OSV, Kind.UPDATEINFO})


class Outcome(enum.StrEnum):
    IMPORTED = "imported"
    #: All of it was there already.
    UNCHANGED = "unchanged"
    #: What is there is newer; nothing was taken.
    OLDER = "older"


@dataclass(frozen=True, slots=True)
class ImportedFeed:
    """What became of one feed. Counts are of entries."""

    feed: Feed
    as_of: datetime
    dated_by: DatedBy
    entries: int
    added: int
    changed: int
    removed: int
    #: Not taken, for what is there is newer.
    older: int = 0


@dataclass(frozen=True, slots=True)
class Imported:
    """A file that was read whole."""

    file: str
    outcome: Outcome
    feeds: tuple[ImportedFeed, ...] = ()
    #: Why (translated), and how many.
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that could not be read, and of which nothing was taken."""

    file: str
    error: FeedError


def import_files(
    db: Path, paths: Sequence[Path], at: datetime, trusted_keys: Iterable[Ed25519PublicKey] = ()
) -> Iterator[Imported | Refused]:
    """Take in files, and whatever of use is in folders; one result for each as it is done.

    ``db`` is made where it is not there. ``at`` is the instant of the import. Bundles are taken in only where one of
    ``trusted_keys`` signed them. Raises FeedError where ``db`` itself can't be used.
    """
    keys = tuple(trusted_keys)
    with open_store(db, create=True) as store:
        for source in _sources(paths):
            if isinstance(source, Refused):
                yield source
                continue
            try:
                yield _import(store, source, at, keys)
            except FeedError as error:
                yield Refused(source.name, error)


# --- What there is to import ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Folder:
    """OSV records, a file each, that belong together."""

    name: str
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class _Index:
    document: Document
    suites: tuple[Suite, ...]

    @property
    def name(self) -> str:
        return self.document.name


_Source = Document | _Folder | _Index


def _sources(paths: Sequence[Path]) -> Iterator[_Source | Refused]:
    """Every file once. Of folders, what is not known is passed over: apt's lists hold other things as well."""
    suites: list[Suite] = []
    indexes: list[Document] = []
    looked: set[Path] = set()
    for path in paths:
        given = path.is_dir()
        try:
            files = _files(path) if given else [path]
        except FeedError as error:
            yield Refused(str(path), error)
            continue
        records: list[Path] = []
        for file in files:
            try:
                document = open_document(file)
                if packages_index.is_release(document.head):
                    suite = packages_index.read_release(document)
                    suites += [suite] if suite else []
                elif is_index(document.head):
                    indexes.append(document)
                    suites += _suites_beside(file, looked)
                elif given and reader_of(document) is osv.read_json:
                    records.append(file)
                elif not given or is_bundle(document.head) or reader_of(document) is not None:
                    yield document
            except FeedError as error:
                yield Refused(str(file), error)
        if records:
            yield _Folder(str(path), tuple(records))
    # Only now have all Release files been seen, in whatever order they were given.
    for document in indexes:
        yield _Index(document, tuple(suites))


def _files(folder: Path) -> list[Path]:
    found: list[Path] = []
    with reading(str(folder)):
        for path in folder.rglob("*"):
            if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
                found.append(path)
            if len(found) > MOST_FILES:
                raise FeedError(str(folder), "", _("holds more than {count} files").format(count=MOST_FILES))
    return sorted(found)


def _suites_beside(index: Path, looked: set[Path]) -> list[Suite]:
    """Of the Release files where apt and mirrors keep them: in the same folder, or above ``main/binary-amd64``."""
    folder = index.resolve().parent
    found: list[Path] = []
    if folder not in looked:
        looked.add(folder)
        found += sorted(p for p in folder.iterdir() if re.search(r"(^|_)(In)?Release$", p.name))
    for above in list(folder.parents)[:2]:
        if above not in looked:
            looked.add(above)
            found += [p for name in ("InRelease", "Release") if (p := above / name).is_file()]
    suites = []
    for path in found:
        document = open_document(path)
        suite = packages_index.read_release(document) if packages_index.is_release(document.head) else None
        suites += [suite] if suite else []
    return suites


# --- Importing one of them ------------------------------------------------------------------------------


class _OlderError(Exception):
    """What is there is newer."""


def _import(store: FeedStore, source: _Source, at: datetime, keys: tuple[Ed25519PublicKey, ...]) -> Imported:
    match source:
        case _Folder():
            sha256 = _digest(source.files)
            if store.was_imported(sha256) is not None:
                return Imported(source.name, Outcome.UNCHANGED)
            return _take(
                store, source.name, sha256, osv.read_folder(source.name, source.files), at, DatedBy.DATA
            )
        case _Index():
            said = packages_index.read_index(source.document, list(source.suites))
            sha256 = _digest([source.document.path])
            if said.as_of is not None and _is_known(store, sha256, said.as_of):
                return Imported(source.name, Outcome.UNCHANGED)
            return _take(store, source.name, sha256, said, at, DatedBy.DATA)
    if is_bundle(source.head):
        return _import_bundle(store, read_bundle(source.path, keys), at)
    read = reader_of(source)
    if read is None:
        raise unknown(source)
    sha256 = _digest([source.path])
    said = read(source)
    dated_by = DatedBy.FILE if said.complete and said.as_of is None else DatedBy.DATA
    if dated_by is DatedBy.FILE:
        said = Reading(said.kind, min(source.modified, at), said.complete, said.entries, said.feeds)
        if _is_known(store, sha256, min(source.modified, at)):
            return Imported(source.name, Outcome.UNCHANGED)
    elif store.was_imported(sha256) is not None and not _is_news(store, sha256, said):
        return Imported(source.name, Outcome.UNCHANGED)
    return _take(store, source.name, sha256, said, at, dated_by)


def _is_news(store: FeedStore, sha256: str, said: Reading) -> bool:
    """Whether content that is there says more by where it lies: of another repository, or of a later day."""
    if not said.part:
        return False
    there = [s.as_of for s in store.states() if s.sha256 == sha256 and s.feed.part == said.part]
    return not there or (said.as_of is not None and min(there) < said.as_of)


def _is_known(store: FeedStore, sha256: str, dated: datetime) -> bool:
    """Whether this content is there with this date, or a later one: the same content may be confirmed for later."""
    states = [s for s in store.states() if s.sha256 == sha256]
    return bool(states) and all(s.as_of >= dated for s in states)


def _digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        with reading(str(path)), path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()


def _take(
    store: FeedStore, name: str, sha256: str, said: Reading, at: datetime, dated_by: DatedBy
) -> Imported:
    if said.as_of is not None:
        _check_date(name, said.as_of, at)
    left_out: Counter[str] = Counter()
    try:
        with store.importing(name, sha256, at) as work:
            for feed in said.feeds:
                work.open(feed)
            for entry in said.entries:
                if isinstance(entry, LeftOut):
                    left_out[entry.why] += 1
                else:
                    work.put(entry.feed, entry.key, entry.value, entry.dated)
            if not work.changes:
                why = "; ".join(f"{count} {reason}" for reason, count in left_out.most_common(3))
                raise FeedError(
                    name, "", _("holds nothing of use ({why})").format(why=why or _("it is empty"))
                )
            finished = (
                _finish_complete(work, said.as_of, dated_by)
                if said.complete
                else _finish_added(work, name, at, said.as_of)
            )
    except _OlderError:
        return Imported(name, Outcome.OLDER)
    return Imported(name, _outcome(finished), finished, dict(left_out))


def _finish_complete(work: Import, as_of: datetime | None, dated_by: DatedBy) -> tuple[ImportedFeed, ...]:
    assert as_of is not None  # noqa: S101 - whoever is complete has a date, its own or the file's
    finished = []
    for feed, changes in list(work.changes.items()):
        before = work.as_of(feed)
        if before is not None and as_of < before:
            raise _OlderError
        work.remove_unseen(feed)
        finished.append(_finished(work, feed, changes, as_of, dated_by))
    return tuple(finished)


def _finish_added(work: Import, name: str, at: datetime, made: datetime | None) -> tuple[ImportedFeed, ...]:
    """A record says when it changed, not when it was seen: a release is known until the newest record of its
    distribution in the file, if the file speaks of that release at all, and else until the newest of its own.
    ``made`` is when the whole of it was made, where that is known."""
    newest: dict[str, datetime] = {}
    for feed, changes in work.changes.items():
        if changes.newest is not None:
            newest[feed.ecosystem] = max(newest.get(feed.ecosystem, changes.newest), changes.newest)
    finished = []
    for feed, changes in list(work.changes.items()):
        own = newest.get(feed.ecosystem) if changes.seen >= SPEAKS_FROM else changes.newest
        if made is not None:
            own = max(made, own) if own is not None else made
        if own is None:
            raise FeedError(name, "", _("none of its advisories bears a date"))
        _check_date(name, own, at)
        before = work.as_of(feed)
        as_of = max(own, before) if before is not None else own
        finished.append(_finished(work, feed, changes, as_of, DatedBy.DATA))
    return tuple(finished)


def _finished(work: Import, feed: Feed, changes: Changes, as_of: datetime, dated_by: DatedBy) -> ImportedFeed:
    entries = work.finish(feed, as_of, dated_by)
    return ImportedFeed(
        feed, as_of, dated_by, entries, changes.added, changes.changed, changes.removed, changes.older
    )


def _outcome(finished: Sequence[ImportedFeed]) -> Outcome:
    """Entries alone don't decide: the same entries of a later date are news."""
    if any(f.added or f.changed or f.removed for f in finished) or not any(f.older for f in finished):
        return Outcome.IMPORTED
    return Outcome.OLDER


def _check_date(name: str, as_of: datetime, at: datetime) -> None:
    if as_of > at + _AHEAD:
        raise FeedError(
            name,
            "",
            _("is dated {date}, which is in the future; is the clock of this machine right?").format(
                date=as_of.isoformat(timespec="seconds")
            ),
        )


# --- Bundles --------------------------------------------------------------------------------------------


def _import_bundle(store: FeedStore, bundle: Bundle, at: datetime) -> Imported:
    """Feed by feed: each that is newer than what is there, the others not."""
    if store.was_imported(bundle.sha256) is not None:
        return Imported(bundle.name, Outcome.UNCHANGED)
    present = {state.feed: state.as_of for state in store.states()}
    for member in bundle.members:
        _check_date(bundle.name, member.as_of, at)
    taken = {m.feed: m for m in bundle.members if m.feed not in present or m.as_of >= present[m.feed]}
    if not taken:
        return Imported(bundle.name, Outcome.OLDER)
    finished = []
    with store.importing(bundle.name, bundle.sha256, at) as work:
        for feed in taken:
            work.open(feed)
        for entry in bundle.entries():
            if entry.feed in taken:
                work.put(entry.feed, entry.key, entry.value, entry.dated)
        for feed, member in taken.items():
            if feed.kind not in _CUMULATIVE:
                work.remove_unseen(feed)
            finished.append(_finished(work, feed, work.changes[feed], member.as_of, member.dated_by))
    left_out = {_("feeds that are newer here"): len(bundle.members) - len(taken)}
    return Imported(bundle.name, Outcome.IMPORTED, tuple(finished), {k: n for k, n in left_out.items() if n})
