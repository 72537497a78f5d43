"""The tables. What repeats is kept once and named by a small integer; what doesn't change costs no row."""

from datetime import datetime
from fractions import Fraction
from typing import Any

from sqlalchemy import Index, LargeBinary, MetaData, SmallInteger, Table, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from secscan.store.columns import Exact, HostText, Instant, Json

#: Constraints have names that don't depend on the database, so that a migration can drop them on any.
NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}

#: In SQLite the row lives in the index of its primary key, without a second tree for row numbers.
CLUSTERED = {"sqlite_with_rowid": False}


class Stored(SQLModel):
    """Tables of the store; apart from those of any other package that uses SQLModel."""

    metadata = MetaData(naming_convention=NAMES)


class About(Stored, table=True):
    """What the database says of itself: the secscan version that last created or upgraded it."""

    __tablename__ = "about"

    key: str = Field(primary_key=True, sa_type=Text)
    value: str = Field(sa_type=Text)


# --- What repeats ----------------------------------------------------------------------------------------


class HostRow(Stored, table=True):
    __tablename__ = "host"

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    name: str = Field(unique=True, sa_type=Text)


class TargetRow(Stored, table=True):
    """``rest`` is the target's key without its host."""

    __tablename__ = "target"
    __table_args__ = (UniqueConstraint("host", "rest"),)

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    host: int = Field(foreign_key="host.id")
    rest: str = Field(sa_type=HostText)


class KindRow(Stored, table=True):
    __tablename__ = "kind"

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    name: str = Field(unique=True, sa_type=Text)


class CollectorRow(Stored, table=True):
    __tablename__ = "collector"

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    name: str = Field(unique=True, sa_type=Text)


class PhraseRow(Stored, table=True):
    """Check ids, evidence templates, details of what was not seen. Found by digest: a detail may be long."""

    __tablename__ = "phrase"

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    digest: bytes = Field(unique=True, sa_type=LargeBinary)
    text: str = Field(sa_type=HostText)


class FactsRow(Stored, table=True):
    """Facts under their content address. ``packed``: ``body`` is compressed with zlib."""

    __tablename__ = "facts"

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    digest: bytes = Field(unique=True, sa_type=LargeBinary)
    kind: int = Field(foreign_key="kind.id")
    version: int = Field(sa_type=SmallInteger)
    packed: bool
    body: bytes = Field(sa_type=LargeBinary)


class DocumentRow(Stored, table=True):
    """A plan, or one agency's part of an inventory: canonical JSON under its content address."""

    __tablename__ = "document"

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    digest: bytes = Field(unique=True, sa_type=LargeBinary)
    packed: bool
    body: bytes = Field(sa_type=LargeBinary)


# --- What was seen ---------------------------------------------------------------------------------------


class RunRow(Stored, table=True):
    __tablename__ = "run"
    #: A number is never given twice, even where old runs were deleted.
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: int | None = Field(default=None, primary_key=True)
    state: str = Field(sa_type=Text)
    started_at: datetime = Field(sa_type=Instant)
    finished_at: datetime | None = Field(default=None, sa_type=Instant)
    plan: int = Field(foreign_key="document.id")
    inventory_hash: str = Field(sa_type=Text)
    scope_hash: str = Field(sa_type=Text)
    profile: str = Field(sa_type=Text)
    profile_hash: str = Field(sa_type=Text)
    domains: Any = Field(sa_type=Json, nullable=False)
    secscan_version: str = Field(sa_type=Text)
    scoring_version: int = Field(sa_type=SmallInteger)
    checks_version: str = Field(sa_type=Text)
    #: Canaries that were misjudged, each with what is known of it and the checks that failed; null: none was.
    quarantine: Any = Field(default=None, sa_type=Json, nullable=True)


class RunInventoryRow(Stored, table=True):
    __tablename__ = "run_inventory"
    __table_args__ = (CLUSTERED,)

    run: int = Field(foreign_key="run.id", primary_key=True)
    agency: str = Field(primary_key=True, sa_type=Text)
    document: int = Field(foreign_key="document.id")


class ObservationRow(Stored, table=True):
    """Facts seen (``facts``), or why they were not (``reason``, ``detail``).

    The primary key finds the newest evidence about a target with one seek; the index says what a run recorded,
    and lets it record each target, kind and collector once.
    """

    __tablename__ = "observation"
    __table_args__ = (
        Index("ix_observation_run", "run", "target", "kind", "collector", unique=True),
        CLUSTERED,
    )

    target: int = Field(foreign_key="target.id", primary_key=True)
    kind: int = Field(foreign_key="kind.id", primary_key=True)
    observed_at: datetime = Field(primary_key=True, sa_type=Instant)
    run: int = Field(foreign_key="run.id", primary_key=True)
    collector: int = Field(foreign_key="collector.id", primary_key=True)
    facts: int | None = Field(default=None, foreign_key="facts.id")
    reason: str | None = Field(default=None, sa_type=Text)
    detail: int | None = Field(default=None, foreign_key="phrase.id")
    volatile: Any = Field(default=None, sa_type=Json, nullable=True)


# --- What was judged -------------------------------------------------------------------------------------


class JudgementRow(Stored, table=True):
    """Judgements in the order they were made. An interrupted run may be resumed, and judged, after later runs."""

    __tablename__ = "judgement"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: int | None = Field(default=None, primary_key=True)
    run: int = Field(foreign_key="run.id", index=True)
    at: datetime = Field(sa_type=Instant)
    baseline: str = Field(sa_type=Text)
    baseline_hash: str = Field(sa_type=Text)
    scoring_version: int = Field(sa_type=SmallInteger)
    secscan_version: str = Field(sa_type=Text)
    inventory_hash: str = Field(sa_type=Text)
    #: Names of what had been imported, each with its date; null before revision 0002.
    feeds: Any = Field(default=None, sa_type=Json, nullable=True)


class FindingRow(Stored, table=True):
    """The identity of a finding. ``name`` is ``F-...``; ``host`` is what the judgement files it under.

    Names are short, so two hosts of a large fleet may share one: the name alone is not unique.
    """

    __tablename__ = "finding"
    __table_args__ = (UniqueConstraint("host", "name"),)

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    host: int = Field(foreign_key="host.id")
    name: str = Field(index=True, sa_type=Text)
    subject: str = Field(sa_type=HostText)
    check: int = Field(foreign_key="phrase.id")
    object: str = Field(sa_type=HostText)


class FindingStateRow(Stored, table=True):
    """What a finding was from the judgement ``since`` until before the judgement ``until`` (null: still)."""

    __tablename__ = "finding_state"
    __table_args__ = (Index("ix_finding_state_since", "since"), CLUSTERED)

    finding: int = Field(foreign_key="finding.id", primary_key=True)
    since: int = Field(foreign_key="judgement.id", primary_key=True)
    until: int | None = Field(default=None, foreign_key="judgement.id")
    outcome: str = Field(sa_type=Text)
    severity: int = Field(sa_type=SmallInteger)
    reason: str | None = Field(default=None, sa_type=Text)
    template: int = Field(foreign_key="phrase.id")
    #: JSON, kept as text here: whether a finding changed is asked of every one, and the text tells.
    template_values: str = Field(sa_type=Text)
    observed_at: datetime | None = Field(default=None, sa_type=Instant)
    addresses: str = Field(sa_type=Text)


class LifecycleRow(Stored, table=True):
    """The life of a finding that has failed at least once, as it stands now."""

    __tablename__ = "lifecycle"

    finding: int = Field(
        foreign_key="finding.id", primary_key=True, sa_column_kwargs={"autoincrement": False}
    )
    state: str = Field(sa_type=Text)
    first_seen: datetime = Field(sa_type=Instant)
    resolved_at: datetime | None = Field(default=None, sa_type=Instant)
    reopened: int
    last_seen: datetime = Field(sa_type=Instant)
    opened_at: datetime = Field(sa_type=Instant)
    severity: int = Field(sa_type=SmallInteger)
    waiver: str = Field(sa_type=Text)


class LifeChangeRow(Stored, table=True):
    """How a life stood from a judgement on, until the next change of it: what it was at any time before now.

    When it was last seen is no change: that would be a row for every failure and every run.
    """

    __tablename__ = "life_change"
    __table_args__ = (Index("ix_life_change_judgement", "judgement"), CLUSTERED)

    finding: int = Field(foreign_key="finding.id", primary_key=True)
    judgement: int = Field(foreign_key="judgement.id", primary_key=True)
    state: str = Field(sa_type=Text)
    resolved_at: datetime | None = Field(default=None, sa_type=Instant)
    reopened: int
    opened_at: datetime = Field(sa_type=Instant)
    severity: int = Field(sa_type=SmallInteger)
    waiver: str = Field(sa_type=Text)


class WaivedRow(Stored, table=True):
    """What a failure looked like when a waiver first covered it. ``waiver`` is the waiver's key."""

    __tablename__ = "waived"
    __table_args__ = (CLUSTERED,)

    waiver: str = Field(primary_key=True, sa_type=Text)
    finding: str = Field(primary_key=True, sa_type=Text)
    evidence: str = Field(sa_type=Text)


class ScoreRow(Stored, table=True):
    """A score from the judgement ``since`` until before ``until``. ``level``: host, agency, tier or whole.

    Adjusted scores have levels of their own, such as ``adjusted-host``, and are there where anything is waived.
    ``caps`` is a host's, ``grade``, ``meets_baseline`` and ``members`` are a group's.
    """

    __tablename__ = "score"
    __table_args__ = (CLUSTERED,)

    level: str = Field(primary_key=True, sa_type=Text)
    subject: str = Field(primary_key=True, sa_type=Text)
    since: int = Field(foreign_key="judgement.id", primary_key=True)
    until: int | None = Field(default=None, foreign_key="judgement.id")
    verified: Fraction | None = Field(default=None, sa_type=Exact)
    possible: Fraction | None = Field(default=None, sa_type=Exact)
    evaluated: Fraction = Field(sa_type=Exact)
    expected: Fraction = Field(sa_type=Exact)
    domains: Any = Field(sa_type=Json, nullable=False)
    critical: bool
    caps: Any = Field(default=None, sa_type=Json, nullable=True)
    grade: str | None = Field(default=None, sa_type=Text)
    meets_baseline: bool | None = Field(default=None)
    members: Any = Field(default=None, sa_type=Json, nullable=True)
    waived: Fraction | None = Field(default=None, sa_type=Exact)


class ManifestRow(Stored, table=True):
    """What a judgement rested on and said, hashed, on top of the manifest before it; see ``secscan.store.chain``.

    It refers to no other row: that such a row is gone is what it is there to tell.
    """

    __tablename__ = "manifest"

    judgement: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    run: int
    previous: bytes = Field(sa_type=LargeBinary)
    hash: bytes = Field(sa_type=LargeBinary)
    #: Canonical JSON, kept as the text that was hashed.
    body: str = Field(sa_type=Text)


class PruningRow(Stored, table=True):
    """What was removed of a run on purpose, at ``at``, after the judgement ``after`` (0: none), from ``before``.

    ``kept`` and ``digest`` are of the observations that were left, as a manifest tells them. As a manifest, it refers to
    no other row.
    """

    __tablename__ = "pruning"

    id: int | None = Field(default=None, primary_key=True)
    at: datetime = Field(sa_type=Instant)
    after: int
    run: int
    before: datetime = Field(sa_type=Instant)
    removed: int
    kept: int
    digest: str = Field(sa_type=Text)


class LetterRow(Stored, table=True):
    """The letters to each agency, numbered from 1; rows are only ever added."""

    __tablename__ = "letter"
    __table_args__ = (UniqueConstraint("agency", "number"),)

    id: int | None = Field(default=None, primary_key=True)
    agency: str = Field(sa_type=Text)
    number: int
    at: datetime = Field(sa_type=Instant)
    run: int = Field(foreign_key="run.id")


class ToldRow(Stored, table=True):
    """What a letter told of a finding, and at which step; see ``secscan.history.letters``. Each once."""

    __tablename__ = "told"
    __table_args__ = (CLUSTERED,)

    finding: int = Field(foreign_key="finding.id", primary_key=True)
    opened_at: datetime = Field(primary_key=True, sa_type=Instant)
    step: int = Field(primary_key=True, sa_type=SmallInteger)
    letter: int = Field(foreign_key="letter.id")


def _table(row: type[Stored]) -> Table:
    return Stored.metadata.tables[str(row.__tablename__)]


about = _table(About)
host = _table(HostRow)
target = _table(TargetRow)
kind = _table(KindRow)
collector = _table(CollectorRow)
phrase = _table(PhraseRow)
facts = _table(FactsRow)
document = _table(DocumentRow)
run = _table(RunRow)
run_inventory = _table(RunInventoryRow)
observation = _table(ObservationRow)
judgement = _table(JudgementRow)
finding = _table(FindingRow)
finding_state = _table(FindingStateRow)
lifecycle = _table(LifecycleRow)
life_change = _table(LifeChangeRow)
waived = _table(WaivedRow)
score = _table(ScoreRow)
manifest = _table(ManifestRow)
pruning = _table(PruningRow)
letter = _table(LetterRow)
told = _table(ToldRow)
