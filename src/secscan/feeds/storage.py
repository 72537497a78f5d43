"""feeds.db: the reference data of a workspace, every revision of it, in a SQLite file of its own.

Plain sqlite3, not the store's SQLAlchemy: this is one table of entries that is written in bulk by one command and read
in bulk by another, on the operator's machine alone. An ORM would triple the time of an import, and migrations have
nothing to keep, for all of it can be imported again. It is no part of the store either: reference data is carried
across the air gap as files, is the same for every agency, and is larger than all findings together.

An entry that did not change between two revisions is stored once: it holds from ``since`` until ``until`` (exclusive).
"""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from secscan.feeds.errors import FeedError
from secscan.feeds.model import VALUES, DatedBy, Feed, Kind, Value
from secscan.language import _

#: Written into the file; another number is another layout.
LAYOUT = 1

_TABLES = """
CREATE TABLE feed (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL, ecosystem TEXT NOT NULL, release TEXT NOT NULL, part TEXT NOT NULL,
    UNIQUE (kind, ecosystem, release, part)
) STRICT;
CREATE TABLE import (
    id INTEGER PRIMARY KEY,
    file TEXT NOT NULL, sha256 TEXT NOT NULL, imported_at INTEGER NOT NULL
) STRICT;
CREATE TABLE revision (
    import INTEGER NOT NULL REFERENCES import, feed INTEGER NOT NULL REFERENCES feed,
    as_of INTEGER NOT NULL, dated_by TEXT NOT NULL, entries INTEGER NOT NULL,
    PRIMARY KEY (import, feed)
) STRICT, WITHOUT ROWID;
CREATE INDEX revision_of_feed ON revision (feed, import);
CREATE TABLE entry (
    id INTEGER PRIMARY KEY,
    feed INTEGER NOT NULL REFERENCES feed, key TEXT NOT NULL,
    since INTEGER NOT NULL REFERENCES import, until INTEGER REFERENCES import,
    dated INTEGER, digest BLOB NOT NULL, body BLOB
) STRICT;
CREATE UNIQUE INDEX entry_now ON entry (feed, key) WHERE until IS NULL;
CREATE INDEX entry_then ON entry (feed, since, until);
"""


@dataclass(frozen=True, slots=True)
class FeedState:
    """The newest revision of a feed, as of an instant."""

    id: int
    feed: Feed
    as_of: datetime
    dated_by: DatedBy
    imported_at: datetime
    entries: int
    revisions: int
    file: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Former:
    """A feed's revision before an import."""

    as_of: datetime
    entries: int


@dataclass(slots=True)
class Changes:
    """What an import did to one feed."""

    seen: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0
    #: Entries that were older than what is there, and so were not taken.
    older: int = 0
    newest: datetime | None = None


class FeedStore:
    """An open feeds.db. One process writes at a time; readers see the last finished import."""

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        self._connection = connection
        self._name = name

    # --- Reading ------------------------------------------------------------------------------------------

    def states(self, at: datetime | None = None) -> list[FeedState]:
        """The newest revision of every feed, by feed; with ``at``, the newest that had been imported by then."""
        newest = self._newest_import(at)
        rows = self._connection.execute(
            """
            SELECT f.id, f.kind, f.ecosystem, f.release, f.part, r.as_of, r.dated_by, i.imported_at, r.entries,
                   n.count, i.file, i.sha256
            FROM feed f
            JOIN (SELECT feed, max(import) AS import, count(*) AS count FROM revision WHERE import <= ? GROUP BY feed) n
              ON n.feed = f.id
            JOIN revision r ON r.feed = f.id AND r.import = n.import
            JOIN import i ON i.id = r.import
            ORDER BY f.kind, f.ecosystem, f.release, f.part
            """,
            (newest,),
        )
        return [
            FeedState(
                id=id,
                feed=Feed(Kind(kind), ecosystem, release, part),
                as_of=_instant(as_of),
                dated_by=DatedBy(dated_by),
                imported_at=_instant(imported_at),
                entries=entries,
                revisions=count,
                file=file,
                sha256=sha256,
            )
            for id, kind, ecosystem, release, part, as_of, dated_by, imported_at, entries, count, file, sha256 in rows
        ]

    def entries(
        self, state: FeedState, at: datetime | None = None
    ) -> Iterator[tuple[str, Value, datetime | None]]:
        """Key, value and date of each entry of the feed that is not withdrawn, by key; as of ``at`` where given."""
        newest = self._newest_import(at)
        decoder = msgspec.msgpack.Decoder(VALUES[state.feed.kind])
        rows = self._connection.execute(
            """
            SELECT key, body, dated FROM entry
            WHERE feed = ? AND since <= ? AND (until IS NULL OR until > ?) AND body IS NOT NULL ORDER BY key
            """,
            (state.id, newest, newest),
        )
        for key, body, dated in rows:
            yield key, decoder.decode(body), _instant(dated) if dated is not None else None

    def withdrawals(self, state: FeedState) -> Iterator[tuple[str, datetime | None]]:
        """Key and date of each entry of the feed that its maker has taken back, by key."""
        rows = self._connection.execute(
            "SELECT key, dated FROM entry WHERE feed = ? AND until IS NULL AND body IS NULL ORDER BY key",
            (state.id,),
        )
        for key, dated in rows:
            yield key, _instant(dated) if dated is not None else None

    def was_imported(self, sha256: str) -> datetime | None:
        """When a file of this content was last taken in."""
        row = self._connection.execute(
            "SELECT max(imported_at) FROM import WHERE sha256 = ?", (sha256,)
        ).fetchone()
        return _instant(row[0]) if row[0] is not None else None

    def check(self) -> None:
        """Raises FeedError where the file is damaged."""
        result = self._connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if result != "ok":
            raise FeedError(
                self._name,
                "",
                _("is damaged ({error}); delete it and import the feeds again").format(error=result),
            )

    def _newest_import(self, at: datetime | None) -> int:
        limit = _microseconds(at) if at is not None else 1 << 62
        row = self._connection.execute(
            "SELECT max(id) FROM import WHERE imported_at <= ?", (limit,)
        ).fetchone()
        return int(row[0] or 0)

    # --- Writing ------------------------------------------------------------------------------------------

    @contextmanager
    def importing(self, file: str, sha256: str, at: datetime) -> Iterator["Import"]:
        """One transaction: all that is put is there at its end, or, after any exception, nothing is."""
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            cursor = connection.execute(
                "INSERT INTO import (file, sha256, imported_at) VALUES (?, ?, ?)",
                # Names of files are bytes, and need not be UTF-8.
                (file.encode("utf-8", "backslashreplace").decode(), sha256, _microseconds(at)),
            )
            connection.execute("CREATE TEMP TABLE IF NOT EXISTS seen (entry INTEGER PRIMARY KEY)")
            connection.execute("DELETE FROM seen")
            yield Import(connection, int(cursor.lastrowid or 0))
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise


class Import:
    """An import that is under way."""

    def __init__(self, connection: sqlite3.Connection, number: int) -> None:
        self._connection = connection
        self._number = number
        self._ids: dict[Feed, int] = {}
        self.changes: dict[Feed, Changes] = {}
        self._encoder = msgspec.msgpack.Encoder()

    def open(self, feed: Feed) -> Changes:
        """Make it a part of this import, even if no entry follows."""
        if feed not in self.changes:
            key = (feed.kind.value, feed.ecosystem, feed.release, feed.part)
            self._connection.execute(
                "INSERT OR IGNORE INTO feed (kind, ecosystem, release, part) VALUES (?, ?, ?, ?)", key
            )
            row = self._connection.execute(
                "SELECT id FROM feed WHERE kind = ? AND ecosystem = ? AND release = ? AND part = ?", key
            ).fetchone()
            self._ids[feed] = row[0]
            self.changes[feed] = Changes()
        return self.changes[feed]

    def put(self, feed: Feed, key: str, value: Value | None, dated: datetime | None = None) -> None:
        """One entry as it is now; None withdraws it. What is older than the entry that is there is not taken."""
        changes = self.open(feed)
        changes.seen += 1
        if dated is not None and (changes.newest is None or dated > changes.newest):
            changes.newest = dated
        body = self._encoder.encode(value) if value is not None else None
        digest = hashlib.blake2b(body or b"", digest_size=16).digest()
        stamp = _microseconds(dated) if dated is not None else None
        present = self._connection.execute(
            "SELECT id, since, digest, dated, body IS NULL FROM entry WHERE feed = ? AND key = ? AND until IS NULL",
            (self._ids[feed], key),
        ).fetchone()
        if present is not None:
            id, since, old_digest, old_stamp, was_withdrawn = present
            if stamp is not None and old_stamp is not None and stamp < old_stamp:
                changes.older += 1
                self._mark(id)
                return
            if old_digest == digest and was_withdrawn == (value is None):
                self._mark(id)
                return
            changes.changed += 1
            if since == self._number:
                self._connection.execute(
                    "UPDATE entry SET digest = ?, dated = ?, body = ? WHERE id = ?", (digest, stamp, body, id)
                )
                return
            self._connection.execute("UPDATE entry SET until = ? WHERE id = ?", (self._number, id))
        else:
            changes.added += value is not None
        cursor = self._connection.execute(
            "INSERT INTO entry (feed, key, since, dated, digest, body) VALUES (?, ?, ?, ?, ?, ?)",
            (self._ids[feed], key, self._number, stamp, digest, body),
        )
        self._mark(int(cursor.lastrowid or 0))

    def remove_unseen(self, feed: Feed) -> None:
        """End every entry of the feed that this import did not put."""
        changes = self.open(feed)
        changes.removed += self._connection.execute(
            "UPDATE entry SET until = ? WHERE feed = ? AND until IS NULL AND id NOT IN (SELECT entry FROM seen)",
            (self._number, self._ids[feed]),
        ).rowcount

    def former(self, feed: Feed) -> "Former | None":
        """The feed's newest revision before this import; nobody else can add one until this import ends."""
        row = self._connection.execute(
            """
            SELECT as_of, entries FROM revision r JOIN feed f ON f.id = r.feed
            WHERE kind = ? AND ecosystem = ? AND release = ? AND part = ? AND import < ? ORDER BY import DESC LIMIT 1
            """,
            (feed.kind.value, feed.ecosystem, feed.release, feed.part, self._number),
        ).fetchone()
        return Former(_instant(row[0]), row[1]) if row is not None else None

    def spoken_of(self, feed: Feed) -> int:
        """How many of the feed's entries, as they are now, this import named; each counts once."""
        row = self._connection.execute(
            "SELECT count(*) FROM seen JOIN entry e ON e.id = seen.entry WHERE e.feed = ? AND e.body IS NOT NULL",
            (self._ids[feed],),
        ).fetchone()
        return int(row[0])

    def count(self, feed: Feed) -> int:
        """How many entries the feed has now."""
        row = self._connection.execute(
            "SELECT count(*) FROM entry WHERE feed = ? AND until IS NULL AND body IS NOT NULL",
            (self._ids[feed],),
        ).fetchone()
        return int(row[0])

    def finish(self, feed: Feed, as_of: datetime, dated_by: DatedBy) -> int:
        """Close the feed's revision; answers how many entries it has."""
        count = self.count(feed)
        self._connection.execute(
            "INSERT INTO revision (import, feed, as_of, dated_by, entries) VALUES (?, ?, ?, ?, ?)",
            (self._number, self._ids[feed], _microseconds(as_of), dated_by.value, count),
        )
        return count

    def forget(self, feed: Feed) -> None:
        """Leave it out of this import; for a feed of which nothing was put."""
        self.changes.pop(feed, None)

    def _mark(self, id: int) -> None:
        self._connection.execute("INSERT OR IGNORE INTO seen (entry) VALUES (?)", (id,))


@contextmanager
def open_store(path: Path, *, create: bool = False) -> Iterator[FeedStore]:
    """The feeds.db at ``path``. Raises FeedError where it is not there (without ``create``), or not one of ours."""
    name = str(path)
    if not create and not path.exists():
        raise FeedError(name, "", _("is not there: nothing was imported yet; run: secscan feeds import FILE"))
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=60)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA foreign_keys = OFF")
            # Old revisions and the list of what was seen may be large; pages are written out beyond this.
            connection.execute("PRAGMA cache_size = -32768")
            connection.execute("PRAGMA temp_store = FILE")
            _lay_out(connection, name)
            yield FeedStore(connection, name)
    except sqlite3.OperationalError as e:
        raise FeedError(
            name,
            "",
            _("cannot be used: {error}; is another import running, or the disk full?").format(error=e),
        ) from e
    except sqlite3.DatabaseError as e:
        raise FeedError(
            name, "", _("is damaged ({error}); delete it and import the feeds again").format(error=e)
        ) from e


def _lay_out(connection: sqlite3.Connection, name: str) -> None:
    layout = connection.execute("PRAGMA user_version").fetchone()[0]
    if layout == LAYOUT:
        return
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if layout or tables:
        raise FeedError(
            name,
            "",
            _(
                "has layout {found} and this secscan writes {expected}: move it away and import the feeds again"
            ).format(found=layout, expected=LAYOUT),
        )
    connection.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {LAYOUT}; COMMIT;")


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _microseconds(at: datetime) -> int:
    since = at - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _instant(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC).replace(
        microsecond=microseconds % 1_000_000
    )
