"""The migrations: they lead to the very tables the program knows, and the program knows where they lead."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from secscan.store import Store, StoreError, migrations, tables
from secscan.store.database import Database
from secscan.store.revisions import migrate
from tests.store.samples import a_finding, a_judgement, a_start, addresses, later, ports


def schema(path: Path) -> set[tuple[str, str, tuple[str, ...]]]:
    """Type, name and parts of everything in a database; Alembic writes the constraints of a table in another order."""
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    connection.close()
    return {(type, name, parts(sql)) for type, name, sql in rows}


def parts(sql: str) -> tuple[str, ...]:
    plain = sql.replace("WITHOUT ROWID", ", WITHOUT ROWID").translate(str.maketrans("", "", '()"\n\t '))
    return tuple(sorted(plain.split(",")))


@pytest.fixture
def migrated(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "migrated.sqlite")
    database.create_file()
    with database.writing() as connection:
        migrate(connection)
    yield database
    database.close()


def test_the_migrations_make_the_tables_of_a_new_database(tmp_path: Path, migrated: Database) -> None:
    new = tmp_path / "new.sqlite"
    Store.open(new, create=True).close()
    assert migrated.path is not None
    assert schema(migrated.path) == schema(new)


def test_alembic_sees_nothing_left_to_migrate(migrated: Database) -> None:
    with migrated.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.Stored.metadata) == []


def test_the_known_revisions_are_those_of_the_scripts() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    scripts = ScriptDirectory.from_config(config)
    newest_first = [script.revision for script in scripts.walk_revisions()]
    assert tuple(reversed(newest_first)) == migrations.REVISIONS


def test_a_migrated_database_opens(migrated: Database) -> None:
    migrated.close()
    assert migrated.path is not None
    with Store.open(migrated.path) as store:
        assert store.begin_run(a_start()) == 1
        assert store.check() == []


#: What the program of revision 0001 wrote: one run of one host, judged.
WRITTEN_BY_0001 = Path(__file__).parent / "golden" / "revision-0001.sql"


@pytest.fixture
def of_0001(tmp_path: Path) -> Path:
    path = tmp_path / "old.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(WRITTEN_BY_0001.read_text())
    connection.close()
    path.chmod(0o600)
    return path


def test_an_older_database_is_not_opened_before_it_is_upgraded(of_0001: Path) -> None:
    with pytest.raises(StoreError, match="secscan db upgrade"):
        Store.open(of_0001)


def test_an_upgrade_keeps_what_was_written(of_0001: Path) -> None:
    Store.upgrade(of_0001)
    with Store.open(of_0001) as store:
        assert store.check() == []
        assert store.judgement(1) == a_judgement(1, {"web-1": [a_finding()]})
        ((_, evidence),) = store.evidence(later(1), ["web-1"])
        assert sorted(evidence.newest.values(), key=lambda r: r.kind) == [addresses(), ports()]


def test_upgrading_a_current_database_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    Store.open(path, create=True).close()
    before = path.read_bytes()
    Store.upgrade(path)
    assert path.read_bytes() == before


def test_there_is_nothing_to_upgrade_where_there_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no database at .* to upgrade"):
        Store.upgrade(tmp_path / "a.sqlite")


def test_a_newer_database_is_not_upgraded(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    Store.open(path, create=True).close()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE alembic_version SET version_num = '0099'")
    connection.close()
    with pytest.raises(StoreError, match="use the newer secscan"):
        Store.upgrade(path)


@pytest.mark.parametrize("table", tables.Stored.metadata.sorted_tables, ids=lambda table: table.name)
def test_a_table_is_plain_sql_for_postgresql(table: tables.Table) -> None:
    dialect = postgresql.dialect()
    statements = [str(CreateTable(table).compile(dialect=dialect))]
    statements += [str(CreateIndex(index).compile(dialect=dialect)) for index in table.indexes]
    assert "ROWID" not in "".join(statements)
