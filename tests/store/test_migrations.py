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
from tests.store.samples import a_start


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
