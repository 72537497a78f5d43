"""Takes files into feeds.db, each in one transaction: a damaged one changes nothing, an older one neither.

Killed in the middle of many files, an import is simply begun again: what was finished is known by its SHA-256.
"""

import enum
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from secscan.feeds.bundle import Bundle, Member, is_bundle, read_bundle
from secscan.feeds.errors import UNREADABLE, FeedError, understanding, unreadable
from secscan.feeds.formats import osv, packages_index
from secscan.feeds.formats.detecting import is_index, reader_of, unknown
from secscan.feeds.formats.packages_index import Suite
from secscan.feeds.model import Advisory, DatedBy, Entry, Exploited, Feed, Kind, LeftOut, Reading
from secscan.feeds.storage import Changes, FeedStore, Former, Import, open_store
from secscan.feeds.streams import Document, open_document, reading
from secscan.language import _

#: Files in one folder that was given to be imported.
MOST_FILES = 1_000_000
#: An import that adds to what is there speaks for a release from so many entries on: neither a few advisories that also
#: name a neighbouring release nor a sample make that one known. AlmaLinux 9 had 1,783 advisories after four years.
SPEAKS_FROM = 200
#: Clocks differ; data of later than that has a wrong date, and would keep all that follows out.
_AHEAD = timedelta(days=1)
#: Days that entries bear, such as CISA's deadlines, may lie ahead, but not so far.
_FAR = timedelta(days=365)
_FIRST_YEAR = 1990
#: A feed that has lost more than this part of its entries was cut short; of a small one, a few may go at once.
_MOST_GONE = 0.2
_FEW_GONE = 3
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
    db: Path,
    paths: Sequence[Path],
    at: datetime,
    trusted_keys: Iterable[Ed25519PublicKey] = (),
    *,
    shrink: bool = False,
) -> Iterator[Imported | Refused]:
    """Take in files, and whatever of use is in folders; one result for each as it is done.

    ``db`` is made where it is not there. ``at`` is the instant of the import. Bundles are taken in only where one of
    ``trusted_keys`` signed them. ``shrink`` lets a file that is all there is of its feed have far fewer entries than what
    is there; else it is taken to be cut short. Raises FeedError where ``db`` itself can't be used.
    """
    keys = tuple(trusted_keys)
    with open_store(db, create=True) as store:
        for source in _sources(paths):
            if isinstance(source, Refused):
                yield source
                continue
            try:
                with understanding(source.name):
                    result = _import(store, source, at, keys, shrink=shrink)
            except FeedError as error:
                yield Refused(source.name, error)
            else:
                yield result


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
            wanted = None
            try:
                with understanding(str(file)):
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
                        wanted = document
            except FeedError as error:
                yield Refused(str(file), error)
            if wanted is not None:
                yield wanted
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


def _import(
    store: FeedStore, source: _Source, at: datetime, keys: tuple[Ed25519PublicKey, ...], *, shrink: bool
) -> Imported:
    match source:
        case _Folder():
            sha256 = _digest(source.files)
            if store.was_imported(sha256) is not None:
                return Imported(source.name, Outcome.UNCHANGED)
            said = osv.read_folder(source.name, source.files)
            return _take(store, source.name, sha256, said, at, DatedBy.DATA, shrink=shrink)
        case _Index():
            said = packages_index.read_index(source.document, list(source.suites))
            sha256 = _digest([source.document.path])
            if said.as_of is not None and _is_known(store, sha256, said.as_of):
                return Imported(source.name, Outcome.UNCHANGED)
            return _take(store, source.name, sha256, said, at, DatedBy.DATA, shrink=shrink)
    if is_bundle(source.head):
        return import_bundle(store, read_bundle(source.path, keys), at)
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
    return _take(store, source.name, sha256, said, at, dated_by, shrink=shrink)


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
    store: FeedStore,
    name: str,
    sha256: str,
    said: Reading,
    at: datetime,
    dated_by: DatedBy,
    *,
    shrink: bool,
) -> Imported:
    if said.as_of is not None:
        _check_date(name, said.as_of, at)
    left_out: Counter[str] = Counter()
    try:
        with store.importing(name, sha256, at) as work:
            for feed in said.feeds:
                work.open(feed)
            for entry in _understood(name, said.entries):
                if isinstance(entry, LeftOut):
                    left_out[entry.why] += 1
                else:
                    _check_days(name, entry, at)
                    work.put(entry.feed, entry.key, entry.value, entry.dated)
            if not work.changes:
                why = "; ".join(f"{count} {reason}" for reason, count in left_out.most_common(3))
                raise FeedError(
                    name, "", _("holds nothing of use ({why})").format(why=why or _("it is empty"))
                )
            finished = (
                _finish_complete(work, name, said.as_of, dated_by, shrink=shrink)
                if said.complete
                else _finish_added(work, name, at, said.as_of)
            )
    except _OlderError:
        return Imported(name, Outcome.OLDER)
    return Imported(name, _outcome(finished), finished, dict(left_out))


def _understood(name: str, entries: Iterator[Entry | LeftOut]) -> Iterator[Entry | LeftOut]:
    """Entry by entry, so that what a decoder trips over has a place."""
    count = 0
    try:
        for entry in entries:
            yield entry
            count += 1
    except FeedError:
        raise
    except UNREADABLE as e:
        raise unreadable(name, _("after {count} entries").format(count=count), e) from e


def _finish_complete(
    work: Import, name: str, as_of: datetime | None, dated_by: DatedBy, *, shrink: bool
) -> tuple[ImportedFeed, ...]:
    assert as_of is not None  # noqa: S101 - whoever is complete has a date, its own or the file's
    finished = []
    for feed, changes in list(work.changes.items()):
        former = work.former(feed)
        if former is not None and as_of < former.as_of:
            raise _OlderError
        work.remove_unseen(feed)
        _check_shrinking(name, feed, former.entries if former else 0, work.count(feed), shrink=shrink)
        finished.append(_finished(work, feed, changes, as_of, dated_by))
    return tuple(finished)


def _check_shrinking(name: str, feed: Feed, before: int, now: int, *, shrink: bool) -> None:
    """A copy that was cut short between two entries is as sound as the whole, only shorter; feeds hardly ever are."""
    if not now:
        raise FeedError(name, "", _("holds no entry of {feed}; copy it again").format(feed=feed))
    if not shrink and before - now > max(_FEW_GONE, before * _MOST_GONE):
        raise FeedError(
            name,
            "",
            _(
                "has {now} entries of {feed}, and {before} are here: it is probably cut short; copy it again, "
                "or import it with --shrink where its maker did take so many away"
            ).format(now=now, feed=feed, before=before),
        )


def _finish_added(work: Import, name: str, at: datetime, made: datetime | None) -> tuple[ImportedFeed, ...]:
    """A record says when it changed, not when it was seen: a release is known until the newest record of its
    distribution in the file, if the file goes through all of that release; else it says nothing of how far what is there
    is known, and the date stays. ``made`` is when the whole of it was made, where that is known."""
    newest: dict[str, datetime] = {}
    for feed, changes in work.changes.items():
        if changes.newest is not None:
            newest[feed.ecosystem] = max(newest.get(feed.ecosystem, changes.newest), changes.newest)
    finished = []
    for feed, changes in list(work.changes.items()):
        sweeps = made is not None or _sweeps(work, feed)
        own = newest.get(feed.ecosystem) if sweeps else changes.newest
        if made is not None:
            own = max(made, own) if own is not None else made
        if own is None:
            raise FeedError(name, "", _("none of its advisories bears a date"))
        _check_date(name, own, at)
        as_of = _known_until(own, work.former(feed), sweeps=sweeps)
        finished.append(_finished(work, feed, changes, as_of, DatedBy.DATA))
    return tuple(finished)


def _sweeps(work: Import, feed: Feed) -> bool:
    spoken_of = work.spoken_of(feed)
    return spoken_of >= SPEAKS_FROM and spoken_of >= work.count(feed) * (1 - _MOST_GONE)


def _known_until(own: datetime, former: Former | None, *, sweeps: bool) -> datetime:
    if former is None:
        return own
    if sweeps:
        # What spoke for too little to be gone by has no date to keep.
        return max(own, former.as_of) if former.entries >= SPEAKS_FROM else own
    # A release that is put together from single records is known no further than the oldest import of them.
    return former.as_of if former.entries >= SPEAKS_FROM else min(own, former.as_of)


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


def _check_days(name: str, entry: Entry, at: datetime) -> None:
    """A day that is far ahead is a slip or a trick: deadlines and ages are counted from it."""
    if entry.dated is not None and entry.dated > at + _AHEAD:
        _check_date(name, entry.dated, at)
    match entry.value:
        case Exploited(added=added, due=due):
            days: tuple[date | None, ...] = (added, due)
        case Advisory(published=published):
            days = (published,)
        case _:
            return
    for day in days:
        if day is not None and (day.year < _FIRST_YEAR or day >= (at + _FAR).date()):
            raise FeedError(
                name,
                entry.key[:60],
                _("bears the date {date}, which can't be: from {first} to a year ahead is expected").format(
                    date=day.isoformat(), first=_FIRST_YEAR
                ),
            )


# --- Bundles --------------------------------------------------------------------------------------------


def import_bundle(store: FeedStore, bundle: Bundle, at: datetime) -> Imported:
    """Feed by feed: each that is newer than what is there, the others not. Raises FeedError."""
    for member in bundle.members:
        _check_date(bundle.name, member.as_of, at)
    present = {state.feed: state.as_of for state in store.states()}
    # The same entries of a later date are news: the makers of the bundle have seen that they still hold.
    if store.was_imported(bundle.sha256) is not None and all(
        m.feed in present and m.as_of <= present[m.feed] for m in bundle.members
    ):
        return Imported(bundle.name, Outcome.UNCHANGED)
    finished = []
    try:
        with store.importing(bundle.name, bundle.sha256, at) as work:
            # Only from here on nobody else writes: what was there when the bundle was opened may be old by now.
            taken = {m.feed: m for m in bundle.members if _is_newer(work, m)}
            if not taken:
                raise _OlderError
            for feed in taken:
                work.open(feed)
            for entry in _understood(bundle.name, bundle.entries()):
                if isinstance(entry, Entry) and entry.feed in taken:
                    _check_days(bundle.name, entry, at)
                    work.put(entry.feed, entry.key, entry.value, entry.dated)
            for feed, member in taken.items():
                if feed.kind not in _CUMULATIVE:
                    work.remove_unseen(feed)
                finished.append(_finished(work, feed, work.changes[feed], member.as_of, member.dated_by))
    except _OlderError:
        return Imported(bundle.name, Outcome.OLDER)
    left_out = {_("feeds that are newer here"): len(bundle.members) - len(taken)}
    return Imported(bundle.name, Outcome.IMPORTED, tuple(finished), {k: n for k, n in left_out.items() if n})


def _is_newer(work: Import, member: Member) -> bool:
    former = work.former(member.feed)
    return former is None or member.as_of >= former.as_of
