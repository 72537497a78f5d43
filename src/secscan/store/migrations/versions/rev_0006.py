"""Letters to the owners of agencies, and what each of them told."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "letter",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["run.id"], name=op.f("fk_letter_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_letter")),
        sa.UniqueConstraint("agency", "number", name=op.f("uq_letter_agency_number")),
    )
    op.create_table(
        "told",
        sa.Column("finding", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.SmallInteger(), nullable=False),
        sa.Column("letter", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["finding"], ["finding.id"], name=op.f("fk_told_finding")),
        sa.ForeignKeyConstraint(["letter"], ["letter.id"], name=op.f("fk_told_letter")),
        sa.PrimaryKeyConstraint("finding", "opened_at", "step", name=op.f("pk_told")),
        sqlite_with_rowid=False,
    )
