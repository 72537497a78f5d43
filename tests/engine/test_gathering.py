"""One pass over the fleet makes every reference that is gathered from it."""

from datetime import UTC, date, datetime
from typing import Any, ClassVar

from secscan.check import REFERENCES
from secscan.engine.gathering import GATHERERS, gather, gatherers_of, kinds_of
from secscan.model import Agency, Evidence, Host, HostTarget, Inventory, Membership, Observation
from secscan.reference import HeldBackups

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = AT.date()


class Names:
    """What a test gathers: the hosts that were seen, and on which day."""

    def __init__(self, inventory: Inventory, day: date) -> None:
        self.day = day
        self.seen: list[str] = []

    makes: ClassVar[type] = list
    kinds: ClassVar[tuple[str, ...]] = ("names",)

    def see(self, host: Host, evidence: Evidence) -> None:
        self.seen += [host.id, *(kind for _target, kind in evidence.newest)]

    def reference(self) -> Any:
        return self.day, self.seen


class Count(Names):
    makes: ClassVar[type] = int
    kinds: ClassVar[tuple[str, ...]] = ("ports", "names")

    def reference(self) -> Any:
        return len(self.seen)


INVENTORY = Inventory(
    {"a": Agency("a", {})},
    {id: Host(id) for id in ("one", "two", "gone")},
    (Membership("one", "a"), Membership("two", "a"), Membership("gone", "a", until=DAY)),
)


def seen(host: str) -> Evidence:
    target = HostTarget(host)
    return Evidence({(target, "names"): Observation(target, "test", "names", AT, None)})


def test_all_are_made_in_one_pass() -> None:
    evidence = iter([("one", seen("one")), ("two", Evidence({}))])
    gathered = gather(INVENTORY, evidence, DAY, [Names, Count])
    assert gathered == {list: (DAY, ["one", "names", "two"]), int: 3}


def test_hosts_of_no_agency_are_left_out() -> None:
    assert gather(INVENTORY, [("gone", seen("gone")), ("strange", Evidence({}))], DAY, [Count]) == {int: 0}


def test_each_host_is_seen_once() -> None:
    assert gather(INVENTORY, [("two", Evidence({}))] * 2, DAY, [Count]) == {int: 1}


def test_nothing_is_read_for_nobody() -> None:
    evidence = iter([("one", Evidence({}))])
    assert gather(INVENTORY, evidence, DAY, []) == {}
    assert list(evidence) == [("one", Evidence({}))]


def test_the_kinds_of_several_are_named_once() -> None:
    assert kinds_of([Names, Count]) == ("names", "ports")


def test_who_makes_what_is_asked_for() -> None:
    assert [gatherer.makes for gatherer in gatherers_of([HeldBackups, datetime])] == [HeldBackups]


def test_checks_can_ask_for_everything_that_is_gathered() -> None:
    made = [gatherer.makes for gatherer in GATHERERS]
    assert set(made) <= set(REFERENCES)
    assert len(set(made)) == len(made)
