"""Alembic migrations, and the revisions this secscan knows: Alembic is imported only to migrate."""

#: Every revision, oldest first. A database at the last one opens without Alembic.
REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006")
HEAD = REVISIONS[-1]
