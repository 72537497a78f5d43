"""Canaries: hosts whose judgement is known beforehand, and so tell whether a run can be believed. Pure."""

from collections.abc import Collection, Iterator

from secscan.model import Canary, Inventory, Judgement, Misjudged, Outcome, Severity

#: A known-good host has no failure this grave, a known-bad one has at least one.
LEAST = Severity.HIGH


def misjudged(inventory: Inventory, judgement: Judgement, looked_at: Collection[str]) -> Iterator[Misjudged]:
    """The canaries among ``looked_at`` that were judged otherwise than the inventory says, by id.

    A known-bad host that could not be seen is misjudged too: a run that misses it may have missed anything. Canaries
    that a run did not look at say nothing of it.
    """
    for id in sorted(looked_at):
        host = inventory.hosts.get(id)
        if host is None or host.canary is None or id not in judgement.findings:
            continue
        failing = {
            f.check for f in judgement.findings[id] if f.outcome is Outcome.FAIL and f.severity >= LEAST
        }
        if bool(failing) is not (host.canary is Canary.BAD):
            yield Misjudged(id, host.canary, tuple(sorted(failing)))
