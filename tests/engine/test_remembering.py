"""What is remembered comes to the same as what is judged anew, whatever happened in between."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secscan.baseline import Baseline, Rule, load_baseline
from secscan.check import Check, TrustAnchors, Verdict, check, failed, passed
from secscan.engine.judging import Docket
from secscan.engine.remembering import RememberingDocket
from secscan.facts import AddressFacts, PortFacts, PortState, PortStatus, SystemFacts
from secscan.model import (
    AddressTarget,
    Agency,
    Endpoint,
    Evidence,
    Host,
    HostTarget,
    Inventory,
    Membership,
    Observation,
    Reason,
    Record,
    Service,
    Severity,
    Target,
    Unobserved,
)
from secscan.registry import find_checks
from tests.factories import ADDRESS, AT, chain_facts, issue, tls_facts

CALLS: list[str] = []


@check("own.plain", severity=Severity.HIGH)
def plain(seen: Observation[PortFacts]) -> Iterator[Verdict]:
    """Telnet is closed.

    Why: So.

    Fix: So.
    """
    CALLS.append("plain")
    yield failed("No.") if seen.facts.status("tcp", 23) is PortStatus.OPEN else passed("Yes.")


@check("own.dated", severity=Severity.HIGH)
def dated(seen: Observation[PortFacts]) -> Iterator[Verdict]:
    """It was looked at on an even day.

    Why: So.

    Fix: So.
    """
    CALLS.append("dated")
    yield failed("No.") if seen.observed_at.day % 2 else passed("Yes.")


@check("own.volatile", severity=Severity.LOW)
def volatile(seen: Observation[PortFacts]) -> Iterator[Verdict]:
    """It was up.

    Why: So.

    Fix: So.
    """
    yield failed("No.") if seen.volatile.get("up") == "no" else passed("Yes.")


@check("own.missing", severity=Severity.MEDIUM)
def missing(seen: Observation[SystemFacts] | Unobserved) -> Iterator[Verdict]:
    """It was missed on an even day.

    Why: So.

    Fix: So.
    """
    yield failed("No.") if seen.observed_at.day % 2 else passed("Yes.")


@check("own.anchors", severity=Severity.LOW)
def anchors(seen: Observation[PortFacts], anchors: TrustAnchors) -> Iterator[Verdict]:
    """There are anchors.

    Why: So.

    Fix: So.
    """
    CALLS.append("anchors")
    yield passed("Yes.") if anchors.public else failed("No.")


@check("own.host", severity=Severity.LOW)
def named(seen: Observation[PortFacts], host: Host, agency: Agency) -> Iterator[Verdict]:
    """The host has a role, and the agency a zone.

    Why: So.

    Fix: So.
    """
    yield passed("Yes.") if host.role and agency.zone else failed("No.")


@check("own.timed", severity=Severity.LOW)
def timed(seen: Observation[PortFacts], at: datetime) -> Iterator[Verdict]:
    """It is an even day.

    Why: So.

    Fix: So.
    """
    yield failed("No.") if at.day % 2 else passed("Yes.")


OWN: tuple[Check, ...] = (plain, dated, volatile, missing, anchors, named, timed)  # type: ignore[assignment]  # the decorator makes them checks


@pytest.fixture(scope="module")
def network() -> Baseline:
    """The network profile, and the checks of this test beside its own."""
    baseline = load_baseline("network", find_checks())
    return replace(baseline, rules=(*baseline.rules, *rules(OWN)))


def rules(checks: tuple[Check, ...]) -> tuple[Rule, ...]:
    return tuple(Rule(one, "ports", one.severity, None) for one in checks)


def own(baseline: Baseline, *checks: Check) -> Baseline:
    return replace(baseline, rules=rules(checks))


# --- What may be seen ---------------------------------------------------------------------------------------

TARGETS: tuple[tuple[Target, str, tuple[Any, ...]], ...] = (
    (
        HostTarget("h"),
        AddressFacts.kind,
        tuple(AddressFacts(addresses=found, by_name={"": found}) for found in ((ADDRESS,), ())),
    ),
    (
        AddressTarget("h", ADDRESS),
        PortFacts.kind,
        tuple(
            PortFacts(
                method="connect",
                asked={"tcp": "1-1000"},
                ports=tuple(PortState(transport="tcp", port=p, status=PortStatus.OPEN) for p in found),
                rest={"tcp": rest},
            )
            for found in ((), (443,), (23, 443))
            for rest in (PortStatus.CLOSED, PortStatus.FILTERED)
        ),
    ),
    (
        Endpoint(Service("h", "tcp", 443), ADDRESS),
        "tls",
        (tls_facts(), tls_facts(client_renegotiation=True)),
    ),
    (
        Endpoint(Service("h", "tcp", 443), ADDRESS),
        "chain",
        tuple(chain_facts(issue(end=AT + timedelta(days=days))) for days in (3, 300)),
    ),
)


def record(place: tuple[Target, str, tuple[Any, ...]], choice: int, at: datetime, up: str) -> Record | None:
    target, kind, facts = place
    if choice < len(facts):
        return Observation(target, "test", kind, at, facts[choice], {"up": up})
    if choice == len(facts):
        return Unobserved(target, "test", kind, at, Reason.TIMED_OUT, "no answer")
    return None


class Looks:
    """What one look after the other makes of the evidence about a host, printed as the store prints it."""

    def __init__(self) -> None:
        self.newest: dict[tuple[Target, str], Record] = {}
        self.seen: dict[tuple[Target, str], Observation[Any]] = {}

    def take(self, choices: tuple[int, ...], at: datetime, up: str) -> Evidence:
        for place, choice in zip(TARGETS, choices, strict=True):
            found = record(place, choice, at, up)
            about = place[:2]
            if found is None:
                continue
            before = self.newest.get(about)
            if isinstance(found, Unobserved) and isinstance(before, Observation):
                self.seen[about] = before
            elif isinstance(found, Observation):
                self.seen.pop(about, None)
            self.newest[about] = found
        marks = [
            (r.target, r.kind, getattr(r, "facts", None), getattr(r, "reason", None))
            for rows in (self.newest, self.seen)
            for r in rows.values()
        ]
        return Evidence(dict(self.newest), dict(self.seen), print=repr(marks).encode())


steps = st.tuples(
    st.tuples(*(st.integers(0, len(facts) + 1) for _target, _kind, facts in TARGETS)),
    st.sampled_from([timedelta(hours=1), timedelta(days=1), timedelta(days=7), timedelta(days=20)]),
    st.booleans(),  # whether anything was looked at
    st.sampled_from(["yes", "no"]),
    st.sampled_from(["", "", "", "mail", "database"]),
    st.sampled_from(["", "", "", "north"]),
    st.sampled_from([True, True, False]),  # whether there are anchors
)


def an_inventory(role: str, zone: str) -> Inventory:
    host = Host("h", (ADDRESS,), role=role)
    return Inventory({"a": Agency("a", {}, zone=zone)}, {"h": host}, (Membership("h", "a"),))


@settings(max_examples=150, deadline=None)
@given(history=st.lists(steps, min_size=2, max_size=6))
def test_any_history_scores_as_if_nothing_was_remembered(network: Baseline, history: list[Any]) -> None:
    remembering, looks, at = RememberingDocket(network), Looks(), AT
    evidence = Evidence({}, {}, print=b"nothing")
    for choices, later, looked, up, role, zone, has_anchors in history:
        at += later
        if looked:
            evidence = looks.take(choices, at - timedelta(minutes=5), up)
        references = {TrustAnchors: TrustAnchors((b"a",) if has_anchors else ())}
        inventory = an_inventory(role, zone)
        remembering.turn_to(at, references, inventory)
        anew = Docket(inventory, network, references, at)
        assert remembering.score("h", evidence) == anew.score("h", anew.findings("h", evidence))


SOUND = (0, 0, 0, 1)
LATER = timedelta(days=1)


@pytest.mark.parametrize(
    ("look", "later", "role", "zone"),
    [
        ((0, 4, 0, 1), LATER, "mail", ""),
        (SOUND, timedelta(days=20), "mail", ""),
        (SOUND, LATER, "", ""),
        (SOUND, LATER, "mail", "north"),
    ],
    ids=["another look", "too late to carry", "another role", "another zone"],
)
def test_what_a_rule_can_hang_on_is_not_passed_over(
    network: Baseline, look: tuple[int, ...], later: timedelta, role: str, zone: str
) -> None:
    baseline = own(network, plain, named)
    remembering, looks = RememberingDocket(baseline), Looks()
    remembering.turn_to(AT, {}, an_inventory("mail", ""))
    before = remembering.score("h", looks.take(SOUND, AT, "yes"))
    evidence = looks.take(look, AT, "yes")
    inventory, at = an_inventory(role, zone), AT + later
    remembering.turn_to(at, {}, inventory)
    anew = Docket(inventory, baseline, {}, at)
    now = anew.score("h", anew.findings("h", evidence))
    assert remembering.score("h", evidence) == now
    assert now != before


# --- What is asked again ------------------------------------------------------------------------------------


def score_twice(
    baseline: Baseline, *, references: Mapping[type, Any], then: Mapping[type, Any] | None = None
) -> list[str]:
    """What was asked when the same was seen a second time, a day later."""
    docket, looks = RememberingDocket(baseline), Looks()
    for days, known in ((0, references), (1, references if then is None else then)):
        CALLS.clear()
        at = AT + timedelta(days=days)
        docket.turn_to(at, known, an_inventory("", ""))
        docket.score("h", looks.take((0, 0, 99, 99), at, "yes"))
    return list(CALLS)


def test_a_check_of_the_same_facts_is_not_asked_again(network: Baseline) -> None:
    assert score_twice(own(network, *OWN[:1]), references={}) == []


def test_one_that_reads_when_it_was_seen_is(network: Baseline) -> None:
    assert score_twice(own(network, *OWN[:2]), references={}) == ["dated"]


def test_equal_references_are_the_same(network: Baseline) -> None:
    one, other = ({TrustAnchors: TrustAnchors((b"a",))} for _ in range(2))
    assert score_twice(own(network, OWN[0], OWN[4]), references=one, then=other) == []


def test_another_reference_is_asked_about_by_those_alone_that_ask_for_it(network: Baseline) -> None:
    one, other = ({TrustAnchors: TrustAnchors((name,))} for name in (b"a", b"b"))
    assert score_twice(own(network, OWN[0], OWN[4]), references=one, then=other) == ["anchors"]


def test_what_has_no_print_is_not_remembered(network: Baseline) -> None:
    docket = RememberingDocket(own(network, *OWN[:1]))
    docket.turn_to(AT, {}, an_inventory("", ""))
    evidence = replace(Looks().take((0, 0, 99, 99), AT, "yes"), print=b"")
    docket.score("h", evidence)
    CALLS.clear()
    docket.score("h", evidence)
    assert CALLS == ["plain"]
