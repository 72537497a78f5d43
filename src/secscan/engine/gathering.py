"""References that are gathered from the whole fleet: what a check must know of other hosts to judge one of them.

A new one takes four steps. Its type goes into ``secscan.reference`` as a frozen dataclass with ``kind`` and
``unavailable``, and into ``REFERENCES`` in ``secscan.check``, so that a check can ask for it by annotation. A class
with the shape of ``Gatherer`` makes it, and goes into ``GATHERERS`` here. Nothing else knows of it: live judging,
replay, verification and one-off audits all gather what is in that tuple.
"""

from collections.abc import Collection, Iterable, Iterator
from datetime import date
from typing import Any, ClassVar, Protocol

from secscan.engine.fleet_keys import FleetKeysGatherer
from secscan.engine.holding import HeldBackupsGatherer
from secscan.engine.shared_host_keys import SharedHostKeysGatherer
from secscan.model import Evidence, Host, Inventory


class Gatherer(Protocol):
    """Makes one reference out of the newest facts of all hosts that belong to an agency on the day of judging.

    It is made anew for every judgement, sees each host at most once, in any order, and is then asked for the
    reference once. The reference must not depend on the order, must be pickled without loss (hosts are judged in
    several processes), must be compared by value, as a frozen dataclass is (a replay of a history judges again by
    one that is another), and must hold little: a fleet has tens of thousands of hosts, and their evidence is
    forgotten as soon as ``see`` returns, so keep digests and counts, never observations. It is gathered where some
    rule asks for it.

    Another agency's hosts are not named to this one: mark or count them (``inventory`` and ``day`` say who owns what).
    """

    #: The type of the reference, as checks ask for it.
    makes: ClassVar[type]
    #: The kinds of facts it looks at; evidence of others may be missing, though it was seen.
    kinds: ClassVar[tuple[str, ...]]

    def __init__(self, inventory: Inventory, day: date) -> None: ...

    def see(self, host: Host, evidence: Evidence) -> None: ...

    def reference(self) -> Any: ...


#: All there are; each makes another type.
GATHERERS: tuple[type[Gatherer], ...] = (HeldBackupsGatherer, FleetKeysGatherer, SharedHostKeysGatherer)


def gatherers_of(wanted: Collection[type]) -> tuple[type[Gatherer], ...]:
    """Those that make one of these types; types that nobody gathers are passed over."""
    return tuple(gatherer for gatherer in GATHERERS if gatherer.makes in wanted)


def kinds_of(gatherers: Iterable[type[Gatherer]]) -> tuple[str, ...]:
    """The kinds of facts that these look at, and so all that has to be read for them."""
    return tuple(sorted({kind for gatherer in gatherers for kind in gatherer.kinds}))


def gather(
    inventory: Inventory,
    evidence: Iterable[tuple[str, Evidence]],
    day: date,
    gatherers: Iterable[type[Gatherer]] = GATHERERS,
) -> dict[type, Any]:
    """The references by their types, in one pass over the evidence; hosts of no agency on ``day`` are left out.

    So are canaries: what one is like is nobody's doing, and no finding of a real host should hang on it.
    """
    making = [gatherer(inventory, day) for gatherer in gatherers]
    hosts = inventory.hosts
    owned = {m.host for m in inventory.memberships if m.covers(day) and hosts[m.host].canary is None}
    for host, seen in _each_once(evidence) if making else ():
        if host in owned:
            for one in making:
                one.see(inventory.hosts[host], seen)
    return {one.makes: one.reference() for one in making}


def _each_once(evidence: Iterable[tuple[str, Evidence]]) -> Iterator[tuple[str, Evidence]]:
    seen: set[str] = set()
    for host, of_host in evidence:
        if host not in seen:
            seen.add(host)
            yield host, of_host
