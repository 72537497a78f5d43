"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "about",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_about")),
    )
    op.create_table(
        "collector",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_collector")),
        sa.UniqueConstraint("name", name=op.f("uq_collector_name")),
    )
    op.create_table(
        "document",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("packed", sa.Boolean(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_document")),
        sa.UniqueConstraint("digest", name=op.f("uq_document_digest")),
    )
    op.create_table(
        "host",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_host")),
        sa.UniqueConstraint("name", name=op.f("uq_host_name")),
    )
    op.create_table(
        "kind",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kind")),
        sa.UniqueConstraint("name", name=op.f("uq_kind_name")),
    )
    op.create_table(
        "phrase",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_phrase")),
        sa.UniqueConstraint("digest", name=op.f("uq_phrase_digest")),
    )
    op.create_table(
        "facts",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("version", sa.SmallInteger(), nullable=False),
        sa.Column("packed", sa.Boolean(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["kind"], ["kind.id"], name=op.f("fk_facts_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_facts")),
        sa.UniqueConstraint("digest", name=op.f("uq_facts_digest")),
    )
    op.create_table(
        "finding",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("host", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("check", sa.Integer(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["check"], ["phrase.id"], name=op.f("fk_finding_check")),
        sa.ForeignKeyConstraint(["host"], ["host.id"], name=op.f("fk_finding_host")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_finding")),
        sa.UniqueConstraint("host", "name", name=op.f("uq_finding_host_name")),
    )
    op.create_index(op.f("ix_finding_name"), "finding", ["name"], unique=False)
    op.create_table(
        "run",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("plan", sa.Integer(), nullable=False),
        sa.Column("inventory_hash", sa.Text(), nullable=False),
        sa.Column("scope_hash", sa.Text(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("profile_hash", sa.Text(), nullable=False),
        sa.Column("domains", sa.Text(), nullable=False),
        sa.Column("secscan_version", sa.Text(), nullable=False),
        sa.Column("scoring_version", sa.SmallInteger(), nullable=False),
        sa.Column("checks_version", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["plan"], ["document.id"], name=op.f("fk_run_plan")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "target",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("host", sa.Integer(), nullable=False),
        sa.Column("rest", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["host"], ["host.id"], name=op.f("fk_target_host")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_target")),
        sa.UniqueConstraint("host", "rest", name=op.f("uq_target_host_rest")),
    )
    op.create_table(
        "judgement",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("baseline", sa.Text(), nullable=False),
        sa.Column("baseline_hash", sa.Text(), nullable=False),
        sa.Column("scoring_version", sa.SmallInteger(), nullable=False),
        sa.Column("secscan_version", sa.Text(), nullable=False),
        sa.Column("inventory_hash", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["run.id"], name=op.f("fk_judgement_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_judgement")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_judgement_run"), "judgement", ["run"], unique=False)
    op.create_table(
        "lifecycle",
        sa.Column("finding", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("resolved_at", sa.BigInteger(), nullable=True),
        sa.Column("reopened", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["finding"], ["finding.id"], name=op.f("fk_lifecycle_finding")),
        sa.PrimaryKeyConstraint("finding", name=op.f("pk_lifecycle")),
    )
    op.create_table(
        "observation",
        sa.Column("target", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("observed_at", sa.BigInteger(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("collector", sa.Integer(), nullable=False),
        sa.Column("facts", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", sa.Integer(), nullable=True),
        sa.Column("volatile", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["collector"], ["collector.id"], name=op.f("fk_observation_collector")),
        sa.ForeignKeyConstraint(["detail"], ["phrase.id"], name=op.f("fk_observation_detail")),
        sa.ForeignKeyConstraint(["facts"], ["facts.id"], name=op.f("fk_observation_facts")),
        sa.ForeignKeyConstraint(["kind"], ["kind.id"], name=op.f("fk_observation_kind")),
        sa.ForeignKeyConstraint(["run"], ["run.id"], name=op.f("fk_observation_run")),
        sa.ForeignKeyConstraint(["target"], ["target.id"], name=op.f("fk_observation_target")),
        sa.PrimaryKeyConstraint(
            "target", "kind", "observed_at", "run", "collector", name=op.f("pk_observation")
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_observation_run", "observation", ["run", "target", "kind", "collector"], unique=True)
    op.create_table(
        "run_inventory",
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("document", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["document"], ["document.id"], name=op.f("fk_run_inventory_document")),
        sa.ForeignKeyConstraint(["run"], ["run.id"], name=op.f("fk_run_inventory_run")),
        sa.PrimaryKeyConstraint("run", "agency", name=op.f("pk_run_inventory")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "finding_state",
        sa.Column("finding", sa.Integer(), nullable=False),
        sa.Column("since", sa.Integer(), nullable=False),
        sa.Column("until", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("severity", sa.SmallInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("template", sa.Integer(), nullable=False),
        sa.Column("template_values", sa.Text(), nullable=False),
        sa.Column("observed_at", sa.BigInteger(), nullable=True),
        sa.Column("addresses", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["finding"], ["finding.id"], name=op.f("fk_finding_state_finding")),
        sa.ForeignKeyConstraint(["since"], ["judgement.id"], name=op.f("fk_finding_state_since")),
        sa.ForeignKeyConstraint(["template"], ["phrase.id"], name=op.f("fk_finding_state_template")),
        sa.ForeignKeyConstraint(["until"], ["judgement.id"], name=op.f("fk_finding_state_until")),
        sa.PrimaryKeyConstraint("finding", "since", name=op.f("pk_finding_state")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "score",
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("since", sa.Integer(), nullable=False),
        sa.Column("until", sa.Integer(), nullable=True),
        sa.Column("verified", sa.Text(), nullable=True),
        sa.Column("possible", sa.Text(), nullable=True),
        sa.Column("evaluated", sa.Text(), nullable=False),
        sa.Column("expected", sa.Text(), nullable=False),
        sa.Column("domains", sa.Text(), nullable=False),
        sa.Column("critical", sa.Boolean(), nullable=False),
        sa.Column("caps", sa.Text(), nullable=True),
        sa.Column("grade", sa.Text(), nullable=True),
        sa.Column("meets_baseline", sa.Boolean(), nullable=True),
        sa.Column("members", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["since"], ["judgement.id"], name=op.f("fk_score_since")),
        sa.ForeignKeyConstraint(["until"], ["judgement.id"], name=op.f("fk_score_until")),
        sa.PrimaryKeyConstraint("level", "subject", "since", name=op.f("pk_score")),
        sqlite_with_rowid=False,
    )
