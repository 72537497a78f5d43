"""Workspaces whose store holds judgements that no scan made: what commands over history are tried on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from secscan.history import settle
from secscan.inventory import agency_documents
from secscan.model import (
    Agency,
    Finding,
    Host,
    Inventory,
    Membership,
    Observation,
    Outcome,
    Severity,
    Subject,
    Text,
)
from secscan.store import Store
from secscan.workspace import Workspace, write_new
from tests.store.samples import a_judgement, a_start

AT = datetime(2026, 10, 1, 12, tzinfo=UTC)


def a_finding(
    host: str,
    check: str = "port.telnet",
    outcome: Outcome = Outcome.FAIL,
    *,
    says: str = "seen",
    object: str = "",
) -> Finding:
    text = Text("It was {what}.", {"what": says})
    return Finding(Subject.of_host(host), check, object, outcome, Severity.HIGH, text, observed_at=AT)


def an_inventory(agencies: Mapping[str, Sequence[str]]) -> Inventory:
    hosts = [host for of_agency in agencies.values() for host in of_agency]
    return Inventory(
        {id: Agency(id, {"en": id.title()}, "central") for id in agencies},
        {id: Host(id, addresses=("192.0.2.1",)) for id in hosts},
        tuple(Membership(host, id) for id, of_agency in agencies.items() for host in of_agency),
    )


def write_judged(
    folder: Path,
    runs: Sequence[Mapping[str, Sequence[Finding]]],
    agencies: Mapping[str, Sequence[str]],
    *,
    seen: Sequence[Observation[Any]] = (),
) -> Workspace:
    """A workspace with these runs, a week apart, judged as given; all findings of a run by host.

    Each run has ``seen`` the same, as it began.
    """
    place = write_new(folder, today=date(2026, 10, 1))
    inventory = an_inventory(agencies)
    with Store.open(place.database, create=True) as store:
        for week, findings in enumerate(runs):
            at = AT + timedelta(weeks=week)
            run = store.begin_run(a_start(started_at=at, inventory=agency_documents(inventory)))
            store.record(run, [replace(record, observed_at=at) for record in seen])
            said = [finding for of_host in findings.values() for finding in of_host]
            lives = settle(store.lifecycles(), said, at)
            store.save_judgement(run, a_judgement(run, findings, at=at, agencies=agencies), lives)
            store.finish(run, at)
    return place
