"""Deadlines, waivers and earlier states of lives; adjusted scores."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

#: Of a life that began before there were such columns.
BACKFILL = """
    UPDATE lifecycle SET
        last_seen = first_seen,
        opened_at = first_seen,
        waiver = '',
        severity = COALESCE(
            (SELECT s.severity FROM finding_state s
             WHERE s.finding = lifecycle.finding AND s.outcome = 'fail' ORDER BY s.since DESC LIMIT 1),
            2)
"""

#: A life begins with the first judgement of its first instant, and its end is a turn of its own. A relapse in
#: between can't be told any more.
BEGINNINGS = """
    INSERT INTO life_change (finding, judgement, state, resolved_at, reopened, opened_at, severity, waiver)
    SELECT l.finding, MIN(j.id), 'open', NULL, 0, l.opened_at, l.severity, ''
    FROM lifecycle l JOIN judgement j ON j.at >= l.first_seen
    GROUP BY l.finding, l.opened_at, l.severity
"""
ENDS = """
    INSERT INTO life_change (finding, judgement, state, resolved_at, reopened, opened_at, severity, waiver)
    SELECT l.finding, MIN(j.id), l.state, l.resolved_at, l.reopened, l.opened_at, l.severity, ''
    FROM lifecycle l JOIN judgement j ON j.at >= l.resolved_at
    WHERE l.state <> 'open' AND NOT EXISTS (
        SELECT 1 FROM life_change c WHERE c.finding = l.finding AND c.judgement >= j.id)
    GROUP BY l.finding, l.state, l.resolved_at, l.reopened, l.opened_at, l.severity
"""


def upgrade() -> None:
    columns: dict[str, sa.types.TypeEngine[Any]] = {
        "last_seen": sa.BigInteger(),
        "opened_at": sa.BigInteger(),
        "severity": sa.SmallInteger(),
        "waiver": sa.Text(),
    }
    for name, type in columns.items():
        op.add_column("lifecycle", sa.Column(name, type, nullable=True))
    op.execute(BACKFILL)
    with op.batch_alter_table("lifecycle") as table:
        for name, type in columns.items():
            table.alter_column(name, existing_type=type, nullable=False)
    op.create_table(
        "life_change",
        sa.Column("finding", sa.Integer(), nullable=False),
        sa.Column("judgement", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("resolved_at", sa.BigInteger(), nullable=True),
        sa.Column("reopened", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("severity", sa.SmallInteger(), nullable=False),
        sa.Column("waiver", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["finding"], ["finding.id"], name=op.f("fk_life_change_finding")),
        sa.ForeignKeyConstraint(["judgement"], ["judgement.id"], name=op.f("fk_life_change_judgement")),
        sa.PrimaryKeyConstraint("finding", "judgement", name=op.f("pk_life_change")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_life_change_judgement", "life_change", ["judgement"], unique=False)
    op.create_index("ix_finding_state_since", "finding_state", ["since"], unique=False)
    op.create_table(
        "waived",
        sa.Column("waiver", sa.Text(), nullable=False),
        sa.Column("finding", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("waiver", "finding", name=op.f("pk_waived")),
        sqlite_with_rowid=False,
    )
    op.add_column("score", sa.Column("waived", sa.Text(), nullable=True))
    op.execute(BEGINNINGS)
    op.execute(ENDS)
