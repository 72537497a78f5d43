"""What time has made of the findings of a fleet, each by what its host is held to."""

from collections.abc import Iterable, Mapping
from datetime import timedelta

from secscan.baseline import Baseline
from secscan.history.deadlines import Aged, aged
from secscan.history.lifecycle import Lifecycle
from secscan.model import Finding, Inventory, Stamp


def ages(
    lives: Mapping[str, Lifecycle],
    failures: Iterable[Finding],
    baseline: Baseline,
    inventory: Inventory,
    owners: Mapping[str, str],
    stamp: Stamp,
) -> dict[str, Aged]:
    """What time has made of findings by the judgement's instant. ``failures``: as each was last seen failing."""
    said = {finding.id: finding.evidence.values for finding in failures}

    def time_to_fix(life: Lifecycle) -> timedelta | None:
        host = inventory.hosts.get(life.subject.host or "")
        held_to = baseline
        if host is not None and host.id in owners:
            held_to = baseline.for_host(host, inventory.agencies[owners[host.id]].tier)
        return held_to.time_to_fix(life.check, life.severity)

    return {id: aged(life, time_to_fix, stamp.at, said.get(id, {})) for id, life in lives.items()}
