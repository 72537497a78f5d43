"""The chain of manifests; runs in quarantine."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

#: What was judged before there was a chain can't be vouched for now, and is told apart from what was cut out of it.
LAST_UNCHAINED = """
    INSERT INTO about (key, value) SELECT 'unchained', CAST(MAX(id) AS TEXT) FROM judgement HAVING MAX(id) IS NOT NULL
"""


def upgrade() -> None:
    op.create_table(
        "manifest",
        sa.Column("judgement", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("judgement", name=op.f("pk_manifest")),
    )
    op.add_column("run", sa.Column("quarantine", sa.Text(), nullable=True))
    op.execute(LAST_UNCHAINED)
