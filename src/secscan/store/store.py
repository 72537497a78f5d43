"""The store: everything that was seen, judged and scored, in one database that outlives every crash."""

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Row

from secscan.facts import BUILT_IN, Facts
from secscan.history import Lifecycle
from secscan.history.difference import Moment
from secscan.history.letters import Told
from secscan.model import Evidence, Finding, Judgement, Misjudged, Outcome, Record, Stamp
from secscan.store import (
    chain,
    checking,
    evidence,
    findings,
    judgements,
    letters,
    lifecycles,
    moments,
    pruning,
    recording,
    revisions,
    runs,
    sameness,
    sightings,
)
from secscan.store.chain import Chain, Link
from secscan.store.database import CACHE_KIB, Database
from secscan.store.findings import FindingChanges, FindingFilter, find_changes
from secscan.store.letters import Letter
from secscan.store.numbering import chunks
from secscan.store.runs import RunInfo, RunStart, RunState
from secscan.store.scores import (
    PastScores,
    Scores,
    hosts_of_agencies,
    hosts_of_agency,
    read_past_scores,
    read_scores,
    stamp_of,
)


class Store:
    """Written by one process at a time; read by any number, also while it is written.

    Every method is one transaction: a process that is killed leaves all of it or nothing. The methods that write
    raise StoreError where another process is the writer; all raise it, with what to do, where the database can't
    be used (a full disk, a damaged file, a run that is not there). Instants are aware datetimes.
    A store is not carried over a fork, nor used by two threads at once.
    """

    def __init__(self, database: Database, kinds: Mapping[str, type[Facts]]) -> None:
        self._database = database
        self._kinds = kinds
        self._facts = evidence.FactsReader(kinds)

    @classmethod
    def open(
        cls,
        path_or_url: str | Path,
        *,
        create: bool = False,
        kinds: Mapping[str, type[Facts]] = BUILT_IN,
        cache: int = CACHE_KIB,
    ) -> Self:
        """``kinds`` are the kinds of facts that can be read. With ``create``, a missing database is made.
        ``cache`` is how much of the file, in KiB, stays in memory.

        Raises StoreError where there is no database, where it is of a newer secscan, or needs an upgrade.
        """
        database = Database(path_or_url, cache=cache)
        try:
            revisions.ensure_current(database, create=create)
        except BaseException:
            database.close()
            raise
        return cls(database, kinds)

    @property
    def kinds(self) -> Mapping[str, type[Facts]]:
        """The kinds of facts that can be read."""
        return self._kinds

    @property
    def location(self) -> str | Path:
        """The path or URL, for a process of ours that opens it for itself; a URL may hold a password."""
        if self._database.path is not None:
            return self._database.path
        return self._database.url.render_as_string(hide_password=False)

    @staticmethod
    def upgrade(path_or_url: str | Path) -> None:
        """Migrates the database to what this secscan knows, in one transaction; does nothing where it is there."""
        revisions.upgrade(path_or_url)

    @staticmethod
    def prune(path_or_url: str | Path, before: datetime, at: datetime) -> pruning.Pruning:
        """Removes what was seen before ``before`` and nothing rests on any more, and writes down that it did, at ``at``.

        Judgements, findings, scores, lives and manifests stay, and so does all evidence as of any instant since.
        """
        return pruning.prune(path_or_url, before, at)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets the next writer in. A store that is used again opens again."""
        self._database.close()

    # --- Runs ---

    def begin_run(self, start: RunStart) -> int:
        """The number of a new run, RUNNING. One that a killed process left RUNNING becomes INTERRUPTED."""
        with self._database.writing() as connection:
            return runs.begin(connection, start)

    def set_state(self, run: int, state: RunState, at: datetime) -> None:
        with self._database.writing() as connection:
            runs.set_state(connection, run, state, at)

    def finish(self, run: int, at: datetime) -> None:
        self.set_state(run, RunState.FINISHED, at)

    def quarantine(self, run: int, misjudged: Sequence[Misjudged], at: datetime) -> None:
        """Finishes a run that misjudged canaries: it stays listed, is not judged, and what it saw is no evidence."""
        with self._database.writing() as connection:
            runs.quarantine(connection, run, misjudged, at)

    def runs(self, limit: int | None = None) -> tuple[RunInfo, ...]:
        """The newest first."""
        with self._database.reading() as connection:
            return runs.list_runs(connection, limit)

    def run(self, id: int) -> RunInfo:
        with self._database.reading() as connection:
            return runs.run_info(connection, id)

    def newest_judged_run(self) -> int:
        """The newest run that was finished and judged. Raises StoreError where there is none yet."""
        with self._database.reading() as connection:
            return runs.newest_judged(connection)

    def plan(self, run: int) -> Any:
        """What the run set out to look at, as it was given to ``begin_run``."""
        with self._database.reading() as connection:
            return runs.plan_of(connection, run)

    def inventory_of(self, run: int) -> dict[str, Any]:
        """The inventory the run used: one document for each agency."""
        with self._database.reading() as connection:
            return runs.inventory_of(connection, run)

    # --- What was seen ---

    def record(self, run: int, records: Sequence[Record]) -> None:
        """One batch, in one transaction. What the run has already for a target, kind and collector stays as it is,
        unless that was no attempt and this is one.

        Raises ValueError on a datetime without time zone, and on a target whose key can't be read back.
        """
        if records:
            with self._database.writing() as connection:
                recording.record(connection, run, records, self._kinds)

    def recorded(self, run: int) -> set[tuple[str, str]]:
        """Target key and kind of everything the run attempted; what is not in it is left to do."""
        with self._database.reading() as connection:
            return recording.recorded(connection, run)

    def evidence(
        self, at: datetime, hosts: Sequence[str], *, kinds: Collection[str] | None = None
    ) -> Iterator[tuple[str, Evidence]]:
        """The newest evidence about each host up to and including ``at``, over all runs; in the order given.

        ``kinds`` leaves out all other kinds of facts. Facts that can't be decoded any more are Unobserved(UNPARSED).
        """
        for some in chunks(hosts, evidence.HOSTS_AT_ONCE):
            with self._database.reading() as connection:
                read = list(evidence.read_evidence(connection, some, at, self._facts, kinds))
            yield from read

    def last_seen(self, at: datetime, hosts: Sequence[str]) -> dict[str, datetime]:
        """When anything of each host was last seen, up to and including ``at``; those that never were are left out."""
        with self._database.reading() as connection:
            return sightings.read_last_seen(connection, hosts, at)

    # --- What was judged ---

    def save_judgement(
        self,
        run: int,
        judgement: Judgement,
        lives: Mapping[str, Lifecycle],
        accepted: Mapping[tuple[str, str], str] | None = None,
    ) -> None:
        """All of a judgement: hosts that it leaves out have no findings and no score from here on.

        ``lives``, by finding id, may be only those that changed; ``accepted`` is as ``accepted()`` gives it, and what
        is known already need not be named. Raises ValueError on a judgement that is
        stamped with another run, or names a finding twice.
        """
        with self._database.writing() as connection:
            judgements.save(connection, run, judgement, lives, accepted or {})

    @contextlib.contextmanager
    def saving(self, run: int, stamp: Stamp) -> Iterator[judgements.Saving]:
        """A judgement host by host, in one transaction: where it is left incomplete, or an error ends it, nothing
        is stored. Whoever reads meanwhile sees what was there before.
        """
        with self._database.writing() as connection:
            saving = judgements.Saving(connection, run, stamp)
            yield saving
            if not saving.is_complete:
                raise ValueError(f"the judgement of run {run} was not completed")

    def changes(self, findings: Mapping[str, Sequence[Finding]]) -> FindingChanges:
        """What these findings, by host, say otherwise than the newest judgement. Raises ValueError where one is
        named twice."""
        with self._database.reading() as connection:
            return find_changes(connection, findings)

    def judged_hosts(self) -> list[str]:
        """Every host, and whatever else a judgement was ever filed under, by id."""
        with self._database.reading() as connection:
            return findings.hosts_with_findings(connection)

    def findings(
        self,
        run: int | None = None,
        *,
        agency: str | None = None,
        hosts: Collection[str] | None = None,
        check: str | None = None,
        outcomes: Collection[Outcome] | None = None,
    ) -> Iterator[Finding]:
        """What the newest judgement of a run (by default the newest finished and judged one) says, by host.

        ``observed_at`` is when the subject was last looked at before the judgement. Raises StoreError on an
        agency that was not judged.
        """
        wanted = FindingFilter(check, outcomes)
        with self._database.reading() as connection:
            judged = _judged(connection, run)
            among = set(findings.hosts_with_findings(connection))
            if agency is not None:
                among &= set(hosts_of_agency(connection, judged, agency))
        if hosts is not None:
            among &= set(hosts)

        def read() -> Iterator[Finding]:
            # A transaction for each chunk: one held while the caller takes its time would keep the log growing.
            # What a judgement said never changes, so that the chunks fit together.
            for some in chunks(sorted(among), findings.HOSTS_AT_ONCE):
                with self._database.reading() as connection:
                    by_host = findings.read_findings(connection, judged, some, wanted)
                for of_host in by_host.values():
                    yield from of_host

        return read()

    def finding(self, id: str) -> Finding | None:
        """What was last said of a finding; None where no judgement ever named it."""
        with self._database.reading() as connection:
            return findings.read_finding(connection, id)

    def last_failures(self, ids: Collection[str]) -> dict[str, Finding]:
        """What each of these findings looked like when a judgement last saw it fail, by id."""
        with self._database.reading() as connection:
            return findings.read_last_failures(connection, ids)

    def lifecycles(
        self, hosts: Sequence[str] | None = None, *, run: int | None = None
    ) -> dict[str, Lifecycle]:
        """The lives of the findings of these hosts, or of all, by finding id: as they stand now, or as they stood
        after a run's newest judgement."""
        with self._database.reading() as connection:
            if run is None or run == runs.newest_judged(connection):
                return lifecycles.read_lives(connection, hosts)
            return lifecycles.read_lives_after(connection, _judged(connection, run), hosts)

    def moments(
        self, before: int, after: int, *, hosts: Collection[str] | None = None
    ) -> tuple[Moment, Moment]:
        """What the newest judgements of two runs, and the lives after them, say of all that changed in between.

        Every finding that ever failed and changed is in them, and maybe some that did not; ``hosts`` leaves out
        those of other hosts. Raises StoreError where a run was not judged, and where ``after`` was judged first.
        """
        with self._database.reading() as connection:
            return moments.read_moments(
                connection, _judged(connection, before), _judged(connection, after), hosts
            )

    def unchanged(self, before: int, after: int, hosts: Sequence[str]) -> frozenset[str]:
        """Of these hosts, those of which two runs saw the same and whose findings their newest judgements left alike."""
        with self._database.reading() as connection:
            return sameness.read_unchanged(
                connection, _judged(connection, before), _judged(connection, after), hosts
            )

    def members(self, run: int | None, agency: str) -> list[str]:
        """The agency's own hosts when it was judged. Raises StoreError on an agency that was not."""
        with self._database.reading() as connection:
            return hosts_of_agency(connection, _judged(connection, run), agency)

    def owners(self, run: int | None = None) -> dict[str, str]:
        """Host -> the agency it was of when the run was judged; by default the newest finished and judged one."""
        with self._database.reading() as connection:
            return hosts_of_agencies(connection, _judged(connection, run))

    def stamp(self, run: int | None = None) -> Stamp:
        """What a run's newest judgement was made with; by default that of the newest finished and judged run."""
        with self._database.reading() as connection:
            return stamp_of(_judged(connection, run))

    def accepted(self) -> dict[tuple[str, str], str]:
        """What each failure looked like when a waiver first covered it, by the waiver's key and the finding."""
        with self._database.reading() as connection:
            return lifecycles.read_accepted(connection)

    def scores(self, run: int | None = None, *, hosts_of: Collection[str] | None = None) -> Scores:
        """The scores of a run's newest judgement, by default of the newest finished and judged run.

        ``hosts_of`` leaves out the hosts of all agencies but these; the groups are all there.
        """
        with self._database.reading() as connection:
            return read_scores(connection, _judged(connection, run), hosts_of)

    def past_scores(
        self, agency: str, hosts: Sequence[str] = (), *, run: int | None = None, last: int
    ) -> tuple[PastScores, ...]:
        """The scores of an agency and of hosts at the ``last`` runs up to one, by its newest judgement and, by
        default, the newest finished and judged one; the oldest first."""
        with self._database.reading() as connection:
            return read_past_scores(connection, _judged(connection, run), agency, hosts, last)

    def judgement(self, run: int | None = None) -> Judgement:
        """A run's newest judgement, whole; by default that of the newest finished and judged run."""
        with self._database.reading() as connection:
            return judgements.read_judgement(connection, _judged(connection, run))

    def check(self) -> list[str]:
        """What is wrong with the database, in plain words; nothing is the good answer. Reads all of it."""
        return checking.check(self._database)

    def would_prune(
        self, *, days: int | None = None, runs: int | None = None, now: datetime
    ) -> pruning.Pruning | None:
        """What ``prune`` would remove to keep so many days, or so many runs; None: there is nothing older."""
        with self._database.reading() as connection:
            before = pruning.cut(connection, days=days, runs=runs, now=now)
            return None if before is None else pruning.plan(connection, before)

    def complete_since(self) -> datetime | None:
        """As of an instant before that, evidence can't be relied on: some was pruned. None: none ever was."""
        with self._database.reading() as connection:
            return chain.complete_since(connection)

    # --- Letters ---

    def letters_to(self, agency: str) -> tuple[Letter, ...]:
        """The letters that were written to an agency's owner, the oldest first."""
        with self._database.reading() as connection:
            return letters.letters_to(connection, agency)

    def told_of(self, hosts: Sequence[str]) -> set[Told]:
        """What letters told of findings on these hosts."""
        with self._database.reading() as connection:
            return letters.told_of(connection, hosts)

    def add_letter(self, letter: Letter, told: Collection[Told], hosts: Sequence[str]) -> None:
        """Keeps that a letter was written, and what it told of findings on ``hosts``. Raises StoreError where another
        has its number."""
        with self._database.writing() as connection:
            letters.add_letter(connection, letter, told, hosts)

    # --- The chain ---

    def chain_problems(self) -> list[str]:
        """Where the chain of manifests is broken, or says otherwise than the database; nothing is the good answer."""
        with self._database.reading() as connection:
            return list(chain.problems(connection))

    def link(self, run: int | None = None) -> tuple[int, Link | None]:
        """The number of a run's newest judgement, and its link in the chain; None where it is older than the chain."""
        with self._database.reading() as connection:
            judgement: int = _judged(connection, run).id
            return judgement, chain.link_of(connection, judgement)

    def link_named(self, hash: str) -> Link | None:
        """The link whose manifest has this hash, in hex; None: none has. Raises ValueError on what is no hash."""
        with self._database.reading() as connection:
            return chain.link_named(connection, hash)

    def chain(self) -> Chain:
        """How far back the chain of manifests goes; whether it holds is for ``check`` to say."""
        with self._database.reading() as connection:
            return chain.chain(connection)


def _judged(connection: Connection, run: int | None) -> Row[Any]:
    return judgements.judgement_of(connection, runs.newest_judged(connection) if run is None else run)
