"""Opening the database: what is made, what is refused and in which words, and what is not imported for it."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from secscan.store import Store, StoreError
from secscan.store.database import Database
from secscan.store.migrations import HEAD, REVISIONS
from secscan.store.revisions import ensure_current
from tests.store.samples import a_start

USE_A_STORE = """
import sys
from secscan.store import Store
with Store.open(sys.argv[1], create=True) as store:
    store.runs()
    store.check()
print(*sys.modules)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "secscan.sqlite"


def made(path: Path) -> Path:
    Store.open(path, create=True).close()
    return path


def change(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(statement)
    connection.close()


def test_a_missing_database_is_refused_unless_it_is_to_be_made(path: Path) -> None:
    with pytest.raises(StoreError, match=r"no database at .*secscan\.sqlite"):
        Store.open(path)
    assert not path.exists()


def test_a_new_database_is_empty(path: Path) -> None:
    with Store.open(path, create=True) as store:
        assert store.runs() == ()


def test_what_exists_is_not_made_anew(path: Path) -> None:
    with Store.open(path, create=True) as store:
        store.begin_run(a_start())
    with Store.open(path, create=True) as store:
        assert len(store.runs()) == 1


def test_an_empty_file_becomes_a_database(path: Path) -> None:
    path.touch()
    assert Store.open(path, create=True).runs() == ()


def test_only_the_owner_can_read_the_files(path: Path) -> None:
    before = os.umask(0)
    try:
        with Store.open(path, create=True) as store:
            store.begin_run(a_start())
            modes = {file.name: f"{file.stat().st_mode & 0o777:o}" for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(
        ["secscan.sqlite", "secscan.sqlite-wal", "secscan.sqlite-shm", "secscan.sqlite.lock"], "600"
    )


def test_a_url_names_the_same_file(path: Path) -> None:
    made(path)
    assert Store.open(f"sqlite:///{path}").runs() == ()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"nowhere/a\.sqlite can't be created: No such file"):
        Store.open(tmp_path / "nowhere" / "a.sqlite", create=True)


def test_another_file_is_no_database(path: Path) -> None:
    path.write_text("# a note\n" * 1000)
    with pytest.raises(StoreError, match="is not a secscan database"):
        Store.open(path)


def test_a_database_of_another_program_is_left_alone(path: Path) -> None:
    change(path, "CREATE TABLE theirs (x)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="a database of another program"):
        Store.open(path, create=True)
    assert path.read_bytes()[100:] == before[100:]


def test_a_database_of_a_newer_secscan_is_refused_with_both_versions(path: Path) -> None:
    change(made(path), "UPDATE alembic_version SET version_num = '0099'")
    change(path, "UPDATE about SET value = '3.1.4'")
    with pytest.raises(StoreError, match=r"secscan 3\.1\.4 \(revision 0099\); this is secscan 0\.\d+\.\d+"):
        Store.open(path)


def test_a_database_of_an_older_secscan_says_how_to_upgrade(path: Path) -> None:
    database = Database(made(path))
    with pytest.raises(
        StoreError, match=rf"has revision {HEAD}, and secscan .* needs 9999: .*secscan db upgrade"
    ):
        ensure_current(database, create=False, revisions=(*REVISIONS, "9999"))
    database.close()


def test_a_database_without_a_driver_is_refused_without_its_password() -> None:
    with pytest.raises(StoreError, match="no driver for") as refused:
        Store.open("nothing://user:hush@db.example/secscan")
    assert "hush" not in str(refused.value)


def test_a_malformed_url_is_refused_without_its_password() -> None:
    with pytest.raises(StoreError, match="not a database URL") as refused:
        Store.open("sqlite+/bad://user:hush@[db.example/secscan")
    assert "hush" not in str(refused.value)


def test_a_database_in_memory_is_refused() -> None:
    with pytest.raises(StoreError, match="in memory"):
        Store.open("sqlite://")


def test_alembic_is_not_imported_to_use_a_database(path: Path) -> None:
    command = [sys.executable, "-c", USE_A_STORE, str(path)]
    modules = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert "sqlalchemy" in modules
    assert not [module for module in modules if module.partition(".")[0] == "alembic"]


# --- One writer ----------------------------------------------------------------------------------------


def test_a_second_writer_is_told_who_is_first(path: Path) -> None:
    with Store.open(path, create=True) as first, Store.open(path) as second:
        first.begin_run(a_start())
        with pytest.raises(StoreError, match=rf"another secscan is writing to .*\(process {os.getpid()}, "):
            second.begin_run(a_start())


def test_a_reader_beside_the_writer_sees_what_is_committed(path: Path) -> None:
    with Store.open(path, create=True) as writer, Store.open(path) as reader:
        writer.begin_run(a_start())
        assert len(reader.runs()) == 1


def test_the_next_writer_comes_in_when_the_first_closes(path: Path) -> None:
    with Store.open(path, create=True) as first:
        first.begin_run(a_start())
    with Store.open(path) as second:
        assert second.begin_run(a_start()) == 2


def test_a_forked_child_does_not_keep_the_lock(path: Path) -> None:
    first = Store.open(path, create=True)
    first.begin_run(a_start())
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        # Waits for the parent's end of the pipe to close, as an orphaned worker would.
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    os.close(reading)
    first.close()
    try:
        with Store.open(path) as second:
            assert second.begin_run(a_start()) == 2
    finally:
        os.close(writing)
        os.waitpid(child, 0)


def test_a_lock_file_that_cant_be_written_is_named(path: Path) -> None:
    made(path)
    lock = path.with_name("secscan.sqlite.lock")
    lock.unlink()
    lock.mkdir()
    with Store.open(path) as store, pytest.raises(StoreError, match=r"\.lock can't be written"):
        store.begin_run(a_start())


def test_a_transaction_held_by_another_program_is_explained(path: Path) -> None:
    shell = sqlite3.connect(made(path), isolation_level=None)
    shell.execute("BEGIN IMMEDIATE")
    database = Database(path, patience=0.05)
    with pytest.raises(StoreError, match="locked by another program"), database.writing():
        pytest.fail("two programs write at once")
    database.close()
    shell.close()
