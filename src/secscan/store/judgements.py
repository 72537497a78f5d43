"""Judgements as a whole: saved in one piece, and read back as they were."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from secscan.history import Lifecycle
from secscan.language import _
from secscan.model import Finding, Judgement, Stamp
from secscan.store import tables
from secscan.store.chain import add_link
from secscan.store.errors import StoreError
from secscan.store.findings import (
    HOSTS_AT_ONCE,
    FindingChanges,
    FindingFilter,
    apply_changes,
    close_others,
    find_changes,
    hosts_with_findings,
    read_findings,
)
from secscan.store.lifecycles import save_accepted, save_lives
from secscan.store.numbering import chunks, find_run
from secscan.store.runs import quarantined
from secscan.store.scores import read_scores, save_scores


class Saving:
    """A judgement that is being saved, host by host, in one transaction: all of it, or nothing.

    It is the newest as soon as it is ``complete``. What it leaves out (a host that is gone) is no longer current.
    """

    def __init__(self, connection: Connection, run: int, stamp: Stamp) -> None:
        """Raises ValueError on a stamp of another run."""
        find_run(connection, run)
        if stamp.run != run:
            raise ValueError(
                f"the judgement is stamped with run {stamp.run}, and was to be saved under run {run}"
            )
        self._connection = connection
        self._number = _begin(connection, run, stamp)
        self._hosts: set[str] = set()
        self.is_complete = False

    def add(self, changes: FindingChanges, lives: Mapping[str, Lifecycle]) -> None:
        """Hosts that were judged. ``lives``, by finding id, are those that changed."""
        self._hosts.update(changes.hosts)
        apply_changes(self._connection, self._number, changes)
        self.add_lives(lives)

    def add_lives(self, lives: Mapping[str, Lifecycle]) -> None:
        """Lives that changed of hosts that were not judged."""
        save_lives(self._connection, self._number, lives)

    def complete(self, judgement: Judgement, accepted: Mapping[tuple[str, str], str]) -> None:
        """The scores; the judgement's findings are passed over."""
        close_others(self._connection, self._number, self._hosts)
        save_scores(self._connection, self._number, judgement)
        save_accepted(self._connection, accepted)
        add_link(self._connection, self._number)
        self.is_complete = True


def save(
    connection: Connection,
    run: int,
    judgement: Judgement,
    lives: Mapping[str, Lifecycle],
    accepted: Mapping[tuple[str, str], str],
) -> None:
    """All of a judgement that is held in memory. Raises ValueError as Saving does, and on a finding named twice."""
    saving = Saving(connection, run, judgement.stamp)
    saving.add(find_changes(connection, judgement.findings), lives)
    saving.complete(judgement, accepted)


def _begin(connection: Connection, run: int, stamp: Stamp) -> int:
    row = {
        "run": run,
        "at": stamp.at,
        "baseline": stamp.baseline,
        "baseline_hash": stamp.baseline_hash,
        "scoring_version": stamp.scoring_version,
        "secscan_version": stamp.secscan_version,
        "inventory_hash": stamp.inventory_hash,
        "feeds": [[name, as_of.isoformat()] for name, as_of in stamp.feeds],
    }
    added = insert(tables.judgement).values(row).returning(tables.judgement.c.id)
    return int(connection.execute(added).scalar_one())


def read_judgement(connection: Connection, judged: Row[Any]) -> Judgement:
    """A judgement as it was saved; the findings of a host in the order of their identity."""
    scores = read_scores(connection, judged)
    findings: dict[str, tuple[Finding, ...]] = dict.fromkeys(scores.hosts, ())
    for some in chunks(hosts_with_findings(connection), HOSTS_AT_ONCE):
        findings |= read_findings(connection, judged, some, FindingFilter())
    return Judgement(
        stamp=scores.stamp,
        findings=findings,
        hosts=scores.hosts,
        agencies=scores.agencies,
        tiers=scores.tiers,
        whole=scores.whole,
        adjusted=scores.adjusted,
    )


def judgement_of(connection: Connection, run: int) -> Row[Any]:
    """The newest judgement of a run. Raises StoreError where the run was not judged."""
    find_run(connection, run)
    j = tables.judgement
    row = connection.execute(select(j).where(j.c.run == run).order_by(j.c.id.desc()).limit(1)).first()
    if row is None:
        if run in quarantined(connection):
            raise StoreError(
                _(
                    "run {run} is in quarantine: it misjudged a canary; `secscan show {run}` tells which"
                ).format(run=run)
            )
        raise StoreError(
            _("run {run} was not judged: `secscan scan --resume` goes on with an interrupted one").format(
                run=run
            )
        )
    return row
