"""Canaries: hosts whose judgement is known beforehand, and so tell whether a run can be believed. Pure."""

from collections.abc import Collection, Iterator, Mapping

from secscan.model import Canary, Finding, Inventory, Misjudged, Outcome, Severity

#: A known-good host has no failure this grave, a known-bad one has at least one.
LEAST = Severity.HIGH


def misjudged(inventory: Inventory, findings: Mapping[str, Collection[Finding]]) -> Iterator[Misjudged]:
    """The canaries that ``findings`` (by host) judge otherwise than the inventory says, by id.

    A known-bad host that could not be seen is misjudged too: a run that misses it may have missed anything. Canaries
    that a run did not look at say nothing of it: leave them out.
    """
    for id in sorted(findings):
        canary = inventory.hosts[id].canary
        if canary is None:
            continue
        failing = {f.check for f in findings[id] if f.outcome is Outcome.FAIL and f.severity >= LEAST}
        if bool(failing) is not (canary is Canary.BAD):
            yield Misjudged(id, canary, tuple(sorted(failing)))
