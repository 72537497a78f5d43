"""The connection: opening SQLite files and other databases by URL, transactions, and errors in plain words."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError, StatementError

from secscan.language import _
from secscan.store.errors import StoreError
from secscan.store.lock import WriteLock

#: Seconds to wait for another process's transaction. Ours are short; those of a shell or a backup may not be.
PATIENCE = 15.0

#: Page cache of one connection: the tail of every target's history should stay in memory while a run is recorded.
CACHE_KIB = 64 * 1024


class Database:
    """A database by path or URL. ``path`` is None where it is not a file of ours.

    ``is_migrating`` leaves the references between rows unchecked: SQLite changes a table by making it anew, and
    would take the rows that refer to it for orphans.
    """

    def __init__(
        self,
        path_or_url: str | Path,
        *,
        patience: float = PATIENCE,
        cache: int = CACHE_KIB,
        is_migrating: bool = False,
    ) -> None:
        self.url, self.path = _locate(path_or_url)
        self.name = str(self.path) if self.path else self.url.render_as_string(hide_password=True)
        self._lock = WriteLock(self.path) if self.path else None
        self.patience = patience
        self._cache = cache
        self._is_migrating = is_migrating
        self._engine: Engine | None = None

    def exists(self) -> bool:
        """An empty file is what a killed creation leaves: no database yet."""
        return self.path is None or (self.path.is_file() and self.path.stat().st_size > 0)

    def create_file(self) -> None:
        """An empty file that only its owner can read, before SQLite would make one that others can."""
        if self.path is None:
            return
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self.path.chmod(0o600)
        except OSError as e:
            raise StoreError(
                _("{path} can't be created: {problem}").format(path=self.path, problem=e.strerror)
            ) from e

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view; never waits for a writer."""
        with self._plain_words(), self._connect() as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction: all of it, or nothing. Raises StoreError where another process is the writer."""
        if self._lock is not None:
            self._lock.acquire()
        with (
            self._plain_words(),
            self._connect().execution_options(is_writing=True) as connection,
            connection.begin(),
        ):
            yield connection

    def close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None
        if self._lock is not None:
            self._lock.release()

    def _connect(self) -> Connection:
        if self._engine is None:
            self._engine = _engine(self.url, self.patience, self._cache, self._is_migrating)
        return self._engine.connect()

    @contextlib.contextmanager
    def _plain_words(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as e:
            if isinstance(e, StatementError) and isinstance(e.orig, ValueError):
                # A value that no column takes: the caller's mistake, and no trouble with the database.
                raise e.orig from None
            raise StoreError(_explain(e, self)) from e


def _locate(path_or_url: str | Path) -> tuple[URL, Path | None]:
    if isinstance(path_or_url, str) and "://" in path_or_url:
        try:
            url = make_url(path_or_url)
        except ArgumentError as e:
            raise StoreError(
                # Without its rest: that may hold a password.
                _("not a database URL: {scheme}://...").format(scheme=path_or_url.partition("://")[0])
            ) from e
        if url.get_backend_name() != "sqlite":
            return url, None
        if url.database in (None, "", ":memory:"):
            raise StoreError(_("a database in memory would be gone with the process: give a file"))
        path_or_url = Path(str(url.database))
    path = Path(path_or_url).absolute()
    return URL.create("sqlite", database=str(path)), path


def _engine(url: URL, patience: float, cache: int, is_migrating: bool) -> Engine:
    try:
        engine = create_engine(url)
    except (NoSuchModuleError, ModuleNotFoundError) as e:
        raise StoreError(
            _("there is no driver for {kind} databases here: {problem}").format(
                kind=url.drivername, problem=e
            )
        ) from e
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", partial(_prepare_sqlite, patience, cache, is_migrating))
        event.listen(engine, "begin", _begin_sqlite)
    return engine


# --- What only SQLite needs --------------------------------------------------------------------------------


def _prepare_sqlite(
    patience: float, cache: int, is_migrating: bool, connection: Any, _record: object
) -> None:
    # The driver opens transactions late and not before DDL; we begin them ourselves.
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout = {round(patience * 1000)}",
        "journal_mode = WAL",
        # A committed batch survives a power cut too; with batches, that is one fsync for hundreds of records.
        "synchronous = FULL",
        f"foreign_keys = {'OFF' if is_migrating else 'ON'}",
        f"cache_size = -{cache}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that starts as a reader and then writes can fail half way, and waiting would not help it.
    is_writing = connection.get_execution_options().get("is_writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writing else "BEGIN")


def damage(connection: Connection) -> Iterator[str]:
    """What SQLite finds wrong in the file, and rows that refer to rows that are not there."""
    if connection.dialect.name != "sqlite":
        return
    for (found,) in connection.exec_driver_sql("PRAGMA integrity_check"):
        if found != "ok":
            yield _("the file is damaged: {found}").format(found=found)
    for table, _row, parent, _key in connection.exec_driver_sql("PRAGMA foreign_key_check"):
        yield _("a row of table {table!r} refers to a row of {parent!r} that is not there").format(
            table=table, parent=parent
        )


# --- Errors --------------------------------------------------------------------------------------------------


def _explain(error: SQLAlchemyError, database: Database) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    message = "{database}: {problem}"
    # "SQLITE_IOERR_WRITE" is the code SQLITE_IOERR with more to say.
    match getattr(cause, "sqlite_errorname", "").split("_")[:2]:
        case ["SQLITE", "FULL"]:
            message = _(
                "no room left for {database} ({free} MB free). Everything recorded before is kept: make room, then "
                "go on"
            )
        case ["SQLITE", "BUSY" | "LOCKED"]:
            message = _(
                "{database} has been locked by another program for {seconds} s (a database shell, a backup?). "
                "Everything recorded before is kept: end that program, then go on"
            )
        case ["SQLITE", "READONLY" | "PERM" | "CANTOPEN" | "AUTH"]:
            message = _(
                "{database} can't be opened for this ({problem}): check who owns it and its folder, and the "
                "permissions"
            )
        case ["SQLITE", "NOTADB"]:
            message = _("{database} is not a secscan database: another file has its name")
        case ["SQLITE", "CORRUPT"]:
            message = _("{database} is damaged ({problem}): see `secscan db check`, and restore a backup")
        case ["SQLITE", "IOERR"]:
            message = _(
                "the disk under {database} failed ({problem}; {free} MB free). Everything recorded before is kept"
            )
    return message.format(
        database=database.name,
        problem=cause,
        seconds=round(database.patience),
        free=_free_megabytes(database),
    )


def _free_megabytes(database: Database) -> str:
    try:
        return str(shutil.disk_usage(database.path.parent).free // 1_000_000) if database.path else "?"
    except OSError:
        return "?"
