"""The revision of the database: whether this secscan can use it, making it new, and upgrading it."""

from pathlib import Path

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    delete,
    insert,
    inspect,
    select,
)

import secscan
from secscan.store import migrations, tables
from secscan.store.database import Database
from secscan.store.errors import StoreError

#: Alembic's own table, as Alembic makes it: a new database needs no Alembic.
VERSION = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)

#: The key in ``about`` of the secscan version that last created or upgraded the database.
WRITTEN_BY = "secscan_version"


def ensure_current(database: Database, *, create: bool) -> None:
    """Raises StoreError where the database is not one that this secscan reads and writes as it is."""
    if not database.exists():
        if not create:
            raise StoreError(
                f"there is no database at {database.name} yet: the first `secscan scan` makes it"
            )
        database.create_file()
    with database.reading() as connection:
        found = revision(connection)
        if found is not None:
            _refuse_other(connection, found, database)
            return
    if not create:
        raise StoreError(f"{database.name} holds no database of secscan's")
    with database.writing() as connection:
        # Another process may have been quicker.
        if revision(connection) is None:
            _create(connection, database)


def upgrade(database: Database) -> None:
    if not database.exists():
        raise StoreError(f"there is no database at {database.name} to upgrade")
    with database.reading() as connection:
        found = revision(connection)
        if found == migrations.HEAD:
            return
        if found is None:
            raise StoreError(f"{database.name} holds no database of secscan's")
        if found not in migrations.REVISIONS:
            _refuse_other(connection, found, database)
    with database.writing() as connection:
        migrate(connection)
        _sign(connection)


def migrate(connection: Connection) -> None:
    """To the newest revision, in the transaction that is open."""
    # Alembic takes as long to import as everything else together.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def revision(connection: Connection) -> str | None:
    """None where there are no tables of ours."""
    if not inspect(connection).has_table(VERSION.name):
        return None
    return connection.execute(select(VERSION.c.version_num)).scalar()


def _create(connection: Connection, database: Database) -> None:
    if inspect(connection).get_table_names():
        raise StoreError(f"{database.name} is a database of another program: name another file")
    # From the tables, not through the migrations: a test holds that both make the same.
    tables.Stored.metadata.create_all(connection)
    VERSION.create(connection)
    connection.execute(insert(VERSION).values(version_num=migrations.HEAD))
    _sign(connection)


def _sign(connection: Connection) -> None:
    connection.execute(delete(tables.about).where(tables.about.c.key == WRITTEN_BY))
    connection.execute(insert(tables.about).values(key=WRITTEN_BY, value=secscan.__version__))


def _refuse_other(connection: Connection, found: str, database: Database) -> None:
    if found == migrations.HEAD:
        return
    if found in migrations.REVISIONS:
        raise StoreError(
            f"{database.name} has revision {found}, and secscan {secscan.__version__} needs {migrations.HEAD}: "
            "copy the file to be safe, then run `secscan db upgrade`"
        )
    raise StoreError(
        f"{database.name} was written by secscan {_written_by(connection)} (revision {found}); this is secscan "
        f"{secscan.__version__}, which knows revisions up to {migrations.HEAD}: use the newer secscan"
    )


def _written_by(connection: Connection) -> str:
    if not inspect(connection).has_table(tables.about.name):
        return "of another version"
    version = select(tables.about.c.value).where(tables.about.c.key == WRITTEN_BY)
    return connection.execute(version).scalar() or "of another version"
