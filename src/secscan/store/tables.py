"""The tables. What repeats is kept once and named by a small integer; what doesn't change costs no row."""

from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

from secscan.store.columns import Exact, HostText, Instant, Json

#: Constraints have names that don't depend on the database, so that a migration can drop them on any.
NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}

#: In SQLite the row lives in the index of its primary key, without a second tree for row numbers.
CLUSTERED: dict[str, Any] = {"sqlite_with_rowid": False}


METADATA = MetaData(naming_convention=NAMES)

#: What the database says of itself: the secscan version that last created or upgraded it.
about = Table(
    "about",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

# --- What repeats ----------------------------------------------------------------------------------------

host = Table(
    "host",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, unique=True),
)

#: ``rest`` is the target's key without its host.
target = Table(
    "target",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("host", Integer, ForeignKey("host.id"), nullable=False),
    Column("rest", HostText, nullable=False),
    UniqueConstraint("host", "rest"),
)

kind = Table(
    "kind",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, unique=True),
)

collector = Table(
    "collector",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, unique=True),
)

#: Check ids, evidence templates, details of what was not seen. Found by digest: a detail may be long.
phrase = Table(
    "phrase",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("text", HostText, nullable=False),
)

#: Facts under their content address. ``packed``: ``body`` is compressed with zlib.
facts = Table(
    "facts",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("kind", Integer, ForeignKey("kind.id"), nullable=False),
    Column("version", SmallInteger, nullable=False),
    Column("packed", Boolean, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

#: A plan, or one agency's part of an inventory: canonical JSON under its content address.
document = Table(
    "document",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("packed", Boolean, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

# --- What was seen ---------------------------------------------------------------------------------------

run = Table(
    "run",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("state", Text, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant, nullable=True),
    Column("plan", Integer, ForeignKey("document.id"), nullable=False),
    Column("inventory_hash", Text, nullable=False),
    Column("scope_hash", Text, nullable=False),
    Column("profile", Text, nullable=False),
    Column("profile_hash", Text, nullable=False),
    Column("domains", Json, nullable=False),
    Column("secscan_version", Text, nullable=False),
    Column("scoring_version", SmallInteger, nullable=False),
    Column("checks_version", Text, nullable=False),
    #: Canaries that were misjudged, each with what is known of it and the checks that failed; null: none was.
    Column("quarantine", Json, nullable=True),
    #: A number is never given twice, even where old runs were deleted.
    sqlite_autoincrement=True,
)

run_inventory = Table(
    "run_inventory",
    METADATA,
    Column("run", Integer, ForeignKey("run.id"), primary_key=True),
    Column("agency", Text, primary_key=True),
    Column("document", Integer, ForeignKey("document.id"), nullable=False),
    **CLUSTERED,
)

#: Facts seen (``facts``), or why they were not (``reason``, ``detail``).
#:
#: The primary key finds the newest evidence about a target with one seek; the index says what a run recorded,
#: and lets it record each target, kind and collector once.
observation = Table(
    "observation",
    METADATA,
    Column("target", Integer, ForeignKey("target.id"), primary_key=True),
    Column("kind", Integer, ForeignKey("kind.id"), primary_key=True),
    Column("observed_at", Instant, primary_key=True),
    Column("run", Integer, ForeignKey("run.id"), primary_key=True),
    Column("collector", Integer, ForeignKey("collector.id"), primary_key=True),
    Column("facts", Integer, ForeignKey("facts.id"), nullable=True),
    Column("reason", Text, nullable=True),
    Column("detail", Integer, ForeignKey("phrase.id"), nullable=True),
    Column("volatile", Json, nullable=True),
    Index("ix_observation_run", "run", "target", "kind", "collector", unique=True),
    **CLUSTERED,
)

# --- What was judged -------------------------------------------------------------------------------------

#: Judgements in the order they were made. An interrupted run may be resumed, and judged, after later runs.
judgement = Table(
    "judgement",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("run", Integer, ForeignKey("run.id"), nullable=False, index=True),
    Column("at", Instant, nullable=False),
    Column("baseline", Text, nullable=False),
    Column("baseline_hash", Text, nullable=False),
    Column("scoring_version", SmallInteger, nullable=False),
    Column("secscan_version", Text, nullable=False),
    Column("inventory_hash", Text, nullable=False),
    #: Names of what had been imported, each with its date; null before revision 0002.
    Column("feeds", Json, nullable=True),
    sqlite_autoincrement=True,
)

#: The identity of a finding. ``name`` is ``F-...``; ``host`` is what the judgement files it under.
#:
#: Names are short, so two hosts of a large fleet may share one: the name alone is not unique.
finding = Table(
    "finding",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("host", Integer, ForeignKey("host.id"), nullable=False),
    Column("name", Text, nullable=False, index=True),
    Column("subject", HostText, nullable=False),
    Column("check", Integer, ForeignKey("phrase.id"), nullable=False),
    Column("object", HostText, nullable=False),
    UniqueConstraint("host", "name"),
)

#: What a finding was from the judgement ``since`` until before the judgement ``until`` (null: still).
finding_state = Table(
    "finding_state",
    METADATA,
    Column("finding", Integer, ForeignKey("finding.id"), primary_key=True),
    Column("since", Integer, ForeignKey("judgement.id"), primary_key=True),
    Column("until", Integer, ForeignKey("judgement.id"), nullable=True),
    Column("outcome", Text, nullable=False),
    Column("severity", SmallInteger, nullable=False),
    Column("reason", Text, nullable=True),
    Column("template", Integer, ForeignKey("phrase.id"), nullable=False),
    #: JSON, kept as text here: whether a finding changed is asked of every one, and the text tells.
    Column("template_values", Text, nullable=False),
    Column("observed_at", Instant, nullable=True),
    Column("addresses", Text, nullable=False),
    Index("ix_finding_state_since", "since"),
    **CLUSTERED,
)

#: The life of a finding that has failed at least once, as it stands now.
lifecycle = Table(
    "lifecycle",
    METADATA,
    Column("finding", Integer, ForeignKey("finding.id"), primary_key=True, autoincrement=False),
    Column("state", Text, nullable=False),
    Column("first_seen", Instant, nullable=False),
    Column("resolved_at", Instant, nullable=True),
    Column("reopened", Integer, nullable=False),
    Column("last_seen", Instant, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("severity", SmallInteger, nullable=False),
    Column("waiver", Text, nullable=False),
)

#: How a life stood from a judgement on, until the next change of it: what it was at any time before now.
#:
#: When it was last seen is no change: that would be a row for every failure and every run.
life_change = Table(
    "life_change",
    METADATA,
    Column("finding", Integer, ForeignKey("finding.id"), primary_key=True),
    Column("judgement", Integer, ForeignKey("judgement.id"), primary_key=True),
    Column("state", Text, nullable=False),
    Column("resolved_at", Instant, nullable=True),
    Column("reopened", Integer, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("severity", SmallInteger, nullable=False),
    Column("waiver", Text, nullable=False),
    Index("ix_life_change_judgement", "judgement"),
    **CLUSTERED,
)

#: What a failure looked like when a waiver first covered it. ``waiver`` is the waiver's key.
waived = Table(
    "waived",
    METADATA,
    Column("waiver", Text, primary_key=True),
    Column("finding", Text, primary_key=True),
    Column("evidence", Text, nullable=False),
    **CLUSTERED,
)

#: A score from the judgement ``since`` until before ``until``. ``level``: host, agency, tier or whole.
#:
#: Adjusted scores have levels of their own, such as ``adjusted-host``, and are there where anything is waived.
#: ``caps`` is a host's, ``grade``, ``meets_baseline`` and ``members`` are a group's.
score = Table(
    "score",
    METADATA,
    Column("level", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("since", Integer, ForeignKey("judgement.id"), primary_key=True),
    Column("until", Integer, ForeignKey("judgement.id"), nullable=True),
    Column("verified", Exact, nullable=True),
    Column("possible", Exact, nullable=True),
    Column("evaluated", Exact, nullable=False),
    Column("expected", Exact, nullable=False),
    Column("domains", Json, nullable=False),
    Column("critical", Boolean, nullable=False),
    Column("caps", Json, nullable=True),
    Column("grade", Text, nullable=True),
    Column("meets_baseline", Boolean, nullable=True),
    Column("members", Json, nullable=True),
    Column("waived", Exact, nullable=True),
    **CLUSTERED,
)

#: What a judgement rested on and said, hashed, on top of the manifest before it; see ``secscan.store.chain``.
#:
#: It refers to no other row: that such a row is gone is what it is there to tell.
manifest = Table(
    "manifest",
    METADATA,
    Column("judgement", Integer, primary_key=True, autoincrement=False),
    Column("run", Integer, nullable=False),
    Column("previous", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    #: Canonical JSON, kept as the text that was hashed.
    Column("body", Text, nullable=False),
)

#: What was removed of a run on purpose, at ``at``, after the judgement ``after`` (0: none), from ``before``.
#:
#: ``kept`` and ``digest`` are of the observations that were left, as a manifest tells them. As a manifest, it refers to
#: no other row.
pruning = Table(
    "pruning",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("after", Integer, nullable=False),
    Column("run", Integer, nullable=False),
    Column("before", Instant, nullable=False),
    Column("removed", Integer, nullable=False),
    Column("kept", Integer, nullable=False),
    Column("digest", Text, nullable=False),
)
