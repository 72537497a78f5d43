"""The migrations: they lead to the very tables the program knows, and the program knows where they lead."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from secscan.history import State
from secscan.model import Outcome, Severity
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
        assert compare_metadata(MigrationContext.configure(connection), tables.METADATA) == []


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


def as_of_revision_0001(path: Path) -> None:
    """A database as secscan 0.1 left it: two runs; what failed in the first was fixed, or fails still, in the second."""
    new = path.with_suffix(".new")
    findings = [a_finding(severity=Severity.LOW), a_finding(check="port.ftp")]
    with Store.open(new, create=True) as store:
        for day in range(2):
            run = store.begin_run(a_start())
            store.save_judgement(run, a_judgement(run, {"web-1": findings}, at=later(day)), {})
            store.finish(run, later(day))
            findings = [replace(findings[0], outcome=Outcome.PASS), findings[1]]
    database = Database(path)
    database.create_file()
    with database.writing() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(migrations.__file__).parent))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    database.close()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("ATTACH ? AS new", (str(new),))
    held = [
        name for (name,) in connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'")
    ]
    for table in sorted(set(held) - {"alembic_version", "lifecycle"}):
        if table.startswith("sqlite_"):
            continue
        columns = ", ".join(f'"{row[1]}"' for row in connection.execute(f"PRAGMA main.table_info({table})"))
        connection.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM new.{table}")  # noqa: S608 - tables of ours
    connection.execute(
        "INSERT INTO main.lifecycle SELECT f.id, CASE p.text WHEN 'port.ftp' THEN 'open' ELSE 'resolved' END, "
        "(SELECT MIN(at) FROM main.judgement), "
        "CASE p.text WHEN 'port.ftp' THEN NULL ELSE (SELECT MAX(at) FROM main.judgement) END, 0 "
        'FROM main.finding f JOIN main.phrase p ON p.id = f."check"'
    )
    connection.close()


def test_a_database_with_data_is_upgraded_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    as_of_revision_0001(path)
    with pytest.raises(StoreError, match="secscan db upgrade"):
        Store.open(path)
    Store.upgrade(path)
    with Store.open(path) as store:
        lives = {life.check: life for life in store.lifecycles().values()}
        judgements = [store.judgement(run) for run in (1, 2)]
        assert store.check() == []
    fixed, failing = lives["port.telnet"], lives["port.ftp"]
    assert (fixed.state, fixed.resolved_at, fixed.severity) == (State.RESOLVED, later(1), Severity.LOW)
    assert (failing.state, failing.first_seen, failing.severity) == (State.OPEN, later(), Severity.HIGH)
    assert failing.opened_at == failing.last_seen == later()
    outcomes = [[f.outcome for f in judgement.findings["web-1"]] for judgement in judgements]
    assert outcomes == [[Outcome.FAIL, Outcome.FAIL], [Outcome.FAIL, Outcome.PASS]]


def test_an_upgraded_database_tells_how_lives_stood_before(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    as_of_revision_0001(path)
    Store.upgrade(path)
    with Store.open(path) as store:
        then, now = store.moments(1, 2)
    assert {life.state for life in then.lives.values()} == {State.OPEN}
    assert [life.state for life in now.lives.values()] == [State.RESOLVED]


@pytest.mark.parametrize("table", tables.METADATA.sorted_tables, ids=lambda table: table.name)
def test_a_table_is_plain_sql_for_postgresql(table: tables.Table) -> None:
    dialect = postgresql.dialect()
    statements = [str(CreateTable(table).compile(dialect=dialect))]
    statements += [str(CreateIndex(index).compile(dialect=dialect)) for index in table.indexes]
    assert "ROWID" not in "".join(statements)
