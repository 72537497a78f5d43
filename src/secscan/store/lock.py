"""One writer at a time: a lock on a file beside the database, which ends with the process that holds it."""

import fcntl
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from secscan.language import _
from secscan.store.errors import StoreError


class WriteLock:
    """Held from the first write until ``release``. Readers never ask for it.

    SQLite's own lock lasts for one transaction; this one keeps a second scan from starting beside the first.
    It is the kernel's (flock), so that a killed scan never leaves it behind. The file stays: unlinking it would
    let two processes lock two files of one name.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._file: int | None = None

    def acquire(self) -> None:
        """Does nothing where it is held already. Raises StoreError, naming the holder, where another has it."""
        if self._file is not None:
            return
        path = self._database.with_name(self._database.name + ".lock")
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as e:
            raise StoreError(
                _(
                    "{path} can't be written ({problem}); writing to the database needs it: check who owns the "
                    "folder, and its permissions"
                ).format(path=path, problem=e.strerror)
            ) from e
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(file)
            os.close(file)
            raise StoreError(
                _(
                    "another secscan is writing to {database} ({holder}): wait until it ends, or stop it"
                ).format(database=self._database, holder=holder)
            ) from None
        self._file = file
        _sign(file)
        _held.add(self)
        _close_in_forked_children()

    def release(self) -> None:
        if self._file is not None:
            _held.discard(self)
            os.close(self._file)
            self._file = None


def _sign(file: int) -> None:
    """Says who holds the lock, for whoever comes second. A full disk only makes that less clear."""
    who = {
        "process": os.getpid(),
        "command": " ".join(sys.argv[1:3]),
        "since": datetime.now(UTC).isoformat(" ", "seconds"),
    }
    try:
        os.ftruncate(file, 0)
        os.pwrite(file, json.dumps(who).encode(), 0)
    except OSError:
        pass


def _holder(file: int) -> str:
    try:
        who = json.loads(os.pread(file, 4096, 0))
        return _("process {process}, `secscan {command}`, since {since}").format(
            process=who["process"], command=who["command"], since=who["since"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return _("which process, is not known")


_held: set[WriteLock] = set()
_is_watching_forks = False


def _close_in_forked_children() -> None:
    """A forked worker shares the lock: it would keep it after the parent was killed."""
    # os.register_at_fork can't be undone, so it is done once.
    global _is_watching_forks
    if not _is_watching_forks:
        _is_watching_forks = True
        os.register_at_fork(after_in_child=_release_all)


def _release_all() -> None:
    for lock in tuple(_held):
        lock.release()
