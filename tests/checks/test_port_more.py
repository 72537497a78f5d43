"""The checks of UDP, of new and misplaced ports, of zones, printers and makers' support."""

from datetime import UTC, date, datetime, timedelta

import pytest

from secscan.check import Check, Limits, Verdict
from secscan.checks import port_udp, port_whereabouts
from secscan.facts import Gap, NotSeen, PortFacts, PortState, PortStatus, Reading, Release, ServiceIdentity
from secscan.facts.ports import port_ranges
from secscan.model import (
    AddressTarget,
    Earlier,
    ExpectedService,
    Host,
    Look,
    Observation,
    Outcome,
    Reason,
    Service,
)
from secscan.reference import EndOfLife, Lifetime

AT = datetime(2026, 3, 1, tzinfo=UTC)
OPEN, CLOSED = PortStatus.OPEN, PortStatus.CLOSED
FILTERED, UNCERTAIN = PortStatus.FILTERED, PortStatus.UNCERTAIN
SHORT_LIST = frozenset({53, 67, 69, 123, 137, 161, 500, 623, 1900, 5353})


def probed(name: str, product: str = "", version: str = "", *cpes: str) -> ServiceIdentity:
    return ServiceIdentity(name=name, how="probe", product=product, version=version, cpes=cpes)


def at(
    number: int, identity: ServiceIdentity | None = None, status: PortStatus = OPEN, *, udp: bool = False
) -> PortState:
    return PortState(transport="udp" if udp else "tcp", port=number, status=status, identity=identity)


def facts(
    *ports: PortState,
    asked: str = "1-65535",
    udp: frozenset[int] = SHORT_LIST,
    udp_rest: PortStatus = CLOSED,
    seen_from: Reading[str] = Gap(),  # noqa: B008 - frozen
    monlist: Reading[bool] = Gap(),  # noqa: B008 - frozen
) -> PortFacts:
    return PortFacts(
        method="nmap-syn",
        asked={"tcp": asked, "udp": port_ranges(udp)},
        ports=tuple(sorted(ports, key=lambda p: (p.transport, p.port))),
        rest={"tcp": CLOSED, "udp": udp_rest},
        seen_from=seen_from,
        monlist=monlist,
    )


class Table(EndOfLife):
    """Dates of ``product`` 1.2 alone."""

    def as_of(self, release: Release) -> datetime | None:
        return AT if self.lifetime(release) else None

    def lifetime(self, release: Release) -> Lifetime | None:
        known = (release.id, release.version) == ("product", "1.2")
        return Lifetime("product 1.2", date(2026, 3, 1)) if known else None


def judge(
    check: Check,
    seen: PortFacts,
    *earlier: PortFacts,
    declared: tuple[tuple[str, int], ...] = (),
    limits: Limits | None = None,
    now: datetime = AT,
) -> list[Verdict]:
    host = Host("web", services=tuple(ExpectedService(Service("web", *place)) for place in declared))
    given = {
        "seen": Observation(AddressTarget("web", "127.0.0.1"), "ports", "ports", AT, seen),
        "before": Earlier(tuple(Look(one, AT - timedelta(days=n + 1)) for n, one in enumerate(earlier))),
        "limits": limits or (check.limits() if check.limits else None),
        "host": host,
        "at": now,
        "dates": Table(),
    }
    wanted = {*check.observes, *check.compares, *check.asks}
    return list(check(**{name: value for name, value in given.items() if name in wanted}))


def said(verdicts: list[Verdict]) -> list[tuple[Outcome, str]]:
    return [(v.outcome, v.object) for v in verdicts]


PASS = [(Outcome.PASS, "")]
NOT_APPLICABLE = [(Outcome.NOT_APPLICABLE, "")]


@pytest.mark.parametrize(
    ("check", "number"), [(port_udp.udp_management, 161), (port_udp.udp_services, 69)], ids=["161", "69"]
)
class TestUdp:
    def test_an_answer_fails(self, check: Check, number: int) -> None:
        assert said(judge(check, facts(at(number, udp=True)))) == [(Outcome.FAIL, f"udp/{number}")]

    @pytest.mark.parametrize("rest", [CLOSED, FILTERED])
    def test_a_host_or_a_firewall_that_says_so_passes(
        self, check: Check, number: int, rest: PortStatus
    ) -> None:
        assert said(judge(check, facts(udp_rest=rest))) == PASS

    def test_silence_is_unknown(self, check: Check, number: int) -> None:
        seen = facts(at(number, status=UNCERTAIN, udp=True))
        assert said(judge(check, seen)) == [(Outcome.UNKNOWN, f"udp/{number}")]

    def test_what_was_not_asked_is_unknown(self, check: Check, number: int) -> None:
        [verdict] = judge(check, facts(udp=SHORT_LIST - {number}))
        assert (verdict.outcome, verdict.reason) == (Outcome.UNKNOWN, Reason.NOT_COLLECTED)

    def test_what_the_inventory_declares_is_meant(self, check: Check, number: int) -> None:
        assert said(judge(check, facts(at(number, udp=True)), declared=(("udp", number),))) == PASS

    def test_what_a_role_allows_is_meant(self, check: Check, number: int) -> None:
        assert check.limits is not None
        limits = check.limits(allowed=frozenset({number}))
        assert said(judge(check, facts(at(number, udp=True)), limits=limits)) == PASS

    def test_a_tcp_port_of_that_number_is_another(self, check: Check, number: int) -> None:
        assert said(judge(check, facts(at(number)))) == PASS


class TestMonlist:
    @pytest.mark.parametrize(("told", "outcome"), [(True, Outcome.FAIL), (False, Outcome.PASS)])
    def test_the_answer_decides(self, told: bool, outcome: Outcome) -> None:
        seen = facts(at(123, udp=True), monlist=told)
        assert [v.outcome for v in judge(port_udp.ntp_monlist, seen)] == [outcome]

    def test_an_ntp_server_that_was_not_asked_is_not_seen(self) -> None:
        with pytest.raises(NotSeen):
            judge(port_udp.ntp_monlist, facts(at(123, udp=True)))

    @pytest.mark.parametrize("status", [CLOSED, FILTERED, UNCERTAIN])
    def test_where_none_ever_answered_there_is_none(self, status: PortStatus) -> None:
        assert said(judge(port_udp.ntp_monlist, facts(udp_rest=status))) == NOT_APPLICABLE

    def test_one_that_answered_once_and_is_silent_is_unknown(self) -> None:
        verdicts = judge(port_udp.ntp_monlist, facts(udp_rest=UNCERTAIN), facts(at(123, udp=True)))
        assert [v.outcome for v in verdicts] == [Outcome.UNKNOWN]

    def test_where_udp_was_not_asked_it_is_unknown(self) -> None:
        [verdict] = judge(port_udp.ntp_monlist, facts(udp=frozenset({53})))
        assert verdict.reason is Reason.NOT_COLLECTED


class TestNew:
    def test_a_port_that_was_closed_lately_is_new(self) -> None:
        assert said(judge(port_whereabouts.new, facts(at(8080)), facts())) == [(Outcome.FAIL, "tcp/8080")]

    @pytest.mark.parametrize(("days", "expected"), [(13, [(Outcome.FAIL, "tcp/8080")]), (14, PASS)])
    def test_for_so_many_days(self, days: int, expected: list[tuple[Outcome, str]]) -> None:
        # The earlier look was a day ago; fourteen days are the limit.
        now = AT + timedelta(days=days)
        assert said(judge(port_whereabouts.new, facts(at(8080)), facts(), now=now)) == expected

    def test_what_the_inventory_declares_is_no_news(self) -> None:
        seen = judge(port_whereabouts.new, facts(at(8080)), facts(), declared=(("tcp", 8080),))
        assert said(seen) == PASS

    def test_the_first_look_knows_no_news(self) -> None:
        assert said(judge(port_whereabouts.new, facts(at(8080)))) == PASS

    def test_nor_is_a_port_news_that_was_not_asked_before(self) -> None:
        assert said(judge(port_whereabouts.new, facts(at(8080)), facts(asked="1-1000"))) == PASS


class TestMisplaced:
    @pytest.mark.parametrize(("number", "name"), [(443, "ssh"), (22, "http"), (53, "socks5")])
    def test_another_protocol_on_a_well_known_port_fails(self, number: int, name: str) -> None:
        verdicts = judge(port_whereabouts.misplaced, facts(at(number, probed(name))))
        assert said(verdicts) == [(Outcome.FAIL, f"tcp/{number}")]

    @pytest.mark.parametrize(
        ("number", "name"), [(443, "http"), (22, "ssh"), (2222, "ssh"), (443, "tcpwrapped"), (443, "")]
    )
    def test_its_own_a_free_port_and_silence_pass(self, number: int, name: str) -> None:
        assert said(judge(port_whereabouts.misplaced, facts(at(number, probed(name))))) == PASS

    def test_one_that_says_less_than_it_did_is_unknown(self) -> None:
        verdicts = judge(port_whereabouts.misplaced, facts(at(443)), facts(at(443, probed("ssh"))))
        assert said(verdicts) == [(Outcome.UNKNOWN, "tcp/443")]

    def test_unless_it_was_closed_in_between(self) -> None:
        earlier = (facts(), facts(at(443, probed("ssh"))))
        assert said(judge(port_whereabouts.misplaced, facts(at(443)), *earlier)) == PASS


class TestZone:
    LIMITS = port_whereabouts.ZoneLimits(expected=frozenset({8006}))

    @pytest.mark.parametrize(
        ("zone", "expected"),
        [("wan", [(Outcome.FAIL, "tcp/8006")]), ("management", NOT_APPLICABLE), (Gap(), NOT_APPLICABLE)],
    )
    def test_it_hangs_on_where_the_scan_looks_from(
        self, zone: Reading[str], expected: list[tuple[Outcome, str]]
    ) -> None:
        seen = facts(at(8006), seen_from=zone)
        assert said(judge(port_whereabouts.management_zone, seen, limits=self.LIMITS)) == expected

    def test_what_is_closed_to_a_zone_passes(self) -> None:
        verdicts = judge(port_whereabouts.management_zone, facts(seen_from="wan"), limits=self.LIMITS)
        assert said(verdicts) == PASS

    def test_what_was_not_asked_is_unknown(self) -> None:
        seen = facts(seen_from="wan", asked="1-1000")
        verdicts = judge(port_whereabouts.management_zone, seen, limits=self.LIMITS)
        assert said(verdicts) == [(Outcome.UNKNOWN, "tcp/8006")]

    def test_a_host_that_is_to_have_none_is_judged_elsewhere(self) -> None:
        verdicts = judge(port_whereabouts.management_zone, facts(at(8006), seen_from="wan"))
        assert said(verdicts) == NOT_APPLICABLE


class TestSupport:
    PRODUCT = ("product", "Product", "1.2.3", "cpe:/a:vendor:product:1.2.3")

    @pytest.mark.parametrize(("days", "outcome"), [(0, Outcome.PASS), (1, Outcome.FAIL)])
    def test_the_last_day_of_support_decides(self, days: int, outcome: Outcome) -> None:
        now = AT + timedelta(days=days)
        verdicts = judge(port_whereabouts.end_of_life, facts(at(80, probed(*self.PRODUCT))), now=now)
        assert said(verdicts) == [(outcome, "tcp/80")]

    @pytest.mark.parametrize(
        "identity",
        [
            probed("product", "Product", "1.2.3-4+deb12u1", "cpe:/a:vendor:product:1.2.3"),
            probed("product", "Product", "1.0 - 1.2", "cpe:/a:vendor:product:1.2"),
            probed("product", "Product", "1.3", "cpe:/a:vendor:product:1.3"),
            probed("product", "Product", "1.2", "cpe:/o:vendor:product:1.2"),
            ServiceIdentity(name="product", how="port", version="1.2", cpes=("cpe:/a:vendor:product",)),
        ],
        ids=["distribution", "range", "no dates", "system", "guess"],
    )
    def test_what_is_not_certain_is_not_judged(self, identity: ServiceIdentity) -> None:
        assert said(judge(port_whereabouts.end_of_life, facts(at(80, identity)))) == NOT_APPLICABLE

    def test_a_server_that_hides_the_version_it_told_is_unknown(self) -> None:
        verdicts = judge(
            port_whereabouts.end_of_life,
            facts(at(80, probed("product", "Product"))),
            facts(at(80, probed(*self.PRODUCT))),
        )
        assert said(verdicts) == [(Outcome.UNKNOWN, "tcp/80")]


@pytest.mark.parametrize("number", [515, 631, 9100])
def test_a_printer_fails(number: int) -> None:
    assert said(judge(port_whereabouts.printer, facts(at(number)))) == [(Outcome.FAIL, f"tcp/{number}")]


def test_a_host_without_printers_passes() -> None:
    assert said(judge(port_whereabouts.printer, facts())) == PASS
