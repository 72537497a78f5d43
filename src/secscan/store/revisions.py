"""The revision of the database: whether this secscan can use it, making it new, and upgrading it."""

from collections.abc import Sequence
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
from secscan.language import _
from secscan.store import migrations, tables
from secscan.store.database import Database, damage
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


def ensure_current(
    database: Database, *, create: bool, revisions: Sequence[str] = migrations.REVISIONS
) -> None:
    """Raises StoreError where the database is not at the last of ``revisions``; ``create`` makes a missing one."""
    if not database.exists():
        if not create:
            raise StoreError(
                _("there is no database at {database} yet: the first `secscan scan` makes it").format(
                    database=database.name
                )
            )
        database.create_file()
    with database.reading() as connection:
        found = revision(connection)
        if found is not None:
            if found != revisions[-1]:
                raise _other(connection, found, database, revisions)
            return
    if not create:
        raise _no_database(database)
    with database.writing() as connection:
        # Another process may have been quicker.
        if revision(connection) is None:
            _create(connection, database)


def upgrade(path_or_url: str | Path) -> None:
    """Raises StoreError where there is nothing to upgrade, and where rows would be lost by it."""
    database = Database(path_or_url, is_migrating=True)
    try:
        _upgrade(database)
    finally:
        database.close()


def _upgrade(database: Database) -> None:
    if not database.exists():
        raise StoreError(_("there is no database at {database} to upgrade").format(database=database.name))
    with database.reading() as connection:
        found = revision(connection)
        if found == migrations.HEAD:
            return
        if found is None:
            raise _no_database(database)
        if found not in migrations.REVISIONS:
            raise _other(connection, found, database, migrations.REVISIONS)
    with database.writing() as connection:
        migrate(connection)
        _sign(connection)
        for problem in damage(connection):
            raise StoreError(
                _("the upgrade of {database} was taken back: {problem}").format(
                    database=database.name, problem=problem
                )
            )


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
        raise StoreError(
            _("{database} is a database of another program: name another file").format(database=database.name)
        )
    # From the tables, not through the migrations: a test holds that both make the same.
    tables.METADATA.create_all(connection)
    VERSION.create(connection)
    connection.execute(insert(VERSION).values(version_num=migrations.HEAD))
    _sign(connection)


def _sign(connection: Connection) -> None:
    connection.execute(delete(tables.about).where(tables.about.c.key == WRITTEN_BY))
    connection.execute(insert(tables.about).values(key=WRITTEN_BY, value=secscan.__version__))


def _no_database(database: Database) -> StoreError:
    return StoreError(_("{database} holds no database of secscan's").format(database=database.name))


def _other(connection: Connection, found: str, database: Database, revisions: Sequence[str]) -> StoreError:
    message = (
        _(
            "{database} has revision {found}, and secscan {version} needs {known}: copy the file to be safe, then "
            "run `secscan db upgrade`"
        )
        if found in revisions
        else _(
            "{database} was written by secscan {writer} (revision {found}); this is secscan {version}, which knows "
            "revisions up to {known}: use the newer secscan"
        )
    )
    return StoreError(
        message.format(
            database=database.name,
            found=found,
            version=secscan.__version__,
            known=revisions[-1],
            writer=_written_by(connection),
        )
    )


def _written_by(connection: Connection) -> str:
    if not inspect(connection).has_table(tables.about.name):
        return _("of another version")
    version = select(tables.about.c.value).where(tables.about.c.key == WRITTEN_BY)
    return connection.execute(version).scalar() or _("of another version")
