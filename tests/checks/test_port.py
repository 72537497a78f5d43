"""The port checks: each judged on addresses as a scan could have seen them."""

import random
from collections.abc import Iterable
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secscan.check import Check, Limits, Verdict
from secscan.checks import port
from secscan.facts import PortFacts, PortState, PortStatus, ServiceIdentity
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

OPEN, CLOSED = PortStatus.OPEN, PortStatus.CLOSED
FILTERED, UNCERTAIN = PortStatus.FILTERED, PortStatus.UNCERTAIN
ALL = "1-65535"

REACH = (
    (port.remote_login, 23),
    (port.file_transfer, 21),
    (port.remote_desktop, 3389),
    (port.management, 5985),
    (port.database, 5432),
    (port.file_sharing, 445),
    (port.cleartext_mail, 143),
    (port.small_services, 7),
)


def by_number(name: str = "") -> ServiceIdentity:
    return ServiceIdentity(name=name, how="port", confidence=3)


def probed(name: str, product: str = "", *, tls: bool = False) -> ServiceIdentity:
    return ServiceIdentity(name=name, how="probe", confidence=10, product=product, tls=tls)


def at(
    number: int,
    identity: ServiceIdentity | None = None,
    *,
    status: PortStatus = OPEN,
    transport: str = "tcp",
) -> PortState:
    return PortState(transport=transport, port=number, status=status, identity=identity)


def address(
    *ports: PortState, asked: str = ALL, rest: PortStatus = CLOSED, udp: str = ""
) -> Observation[PortFacts]:
    """An address where every port asked is in the state ``rest``, but these."""
    facts = PortFacts(
        method="nmap-syn",
        asked={"tcp": asked} | ({"udp": udp} if udp else {}),
        ports=tuple(sorted(ports, key=lambda p: (p.transport, p.port))),
        rest={"tcp": rest} | ({"udp": UNCERTAIN} if udp else {}),
    )
    return Observation(
        AddressTarget("web", "127.0.0.1"), "ports", "ports", datetime(2026, 1, 1, tzinfo=UTC), facts
    )


def host(*declared: int) -> Host:
    return Host("web", services=tuple(ExpectedService(Service("web", "tcp", number)) for number in declared))


def judge(
    check: Check,
    seen: Observation[PortFacts],
    *declared: int,
    limits: Limits | None = None,
    before: Iterable[Observation[PortFacts]] = (),
) -> list[Verdict]:
    """``before``: what earlier runs saw, newest first."""
    assert check.limits is not None
    given: dict[str, object] = {"seen": seen, "limits": limits or check.limits()}
    looks = (Look(record.facts, record.observed_at) for record in before)
    given |= {name: Earlier(tuple(looks)) for name in check.compares}
    return list(check(**given, **({"host": host(*declared)} if Host in check.asks.values() else {})))


def said(verdicts: Iterable[Verdict]) -> list[tuple[Outcome, str, Reason | None]]:
    return [(v.outcome, v.object, v.reason) for v in verdicts]


PASS = [(Outcome.PASS, "", None)]


def failing(*objects: str) -> list[tuple[Outcome, str, Reason | None]]:
    return [(Outcome.FAIL, object, None) for object in objects]


def unknown(reason: Reason, object: str = "") -> list[tuple[Outcome, str, Reason | None]]:
    return [(Outcome.UNKNOWN, object, reason)]


# --- What should not be reachable ---------------------------------------------------------------------

each_reach_check = pytest.mark.parametrize(
    ("check", "number"), REACH, ids=[check.id for check, _number in REACH]
)


@each_reach_check
class TestReach:
    def test_passes_where_all_is_closed(self, check: Check, number: int) -> None:
        assert said(judge(check, address())) == PASS

    def test_passes_where_all_is_filtered_for_it_is_not_reachable(self, check: Check, number: int) -> None:
        assert said(judge(check, address(rest=FILTERED))) == PASS

    def test_fails_where_the_port_is_open_and_nobody_said_who_answers(
        self, check: Check, number: int
    ) -> None:
        assert said(judge(check, address(at(number)))) == failing(f"tcp/{number}")

    def test_fails_where_the_scanner_knows_only_the_number(self, check: Check, number: int) -> None:
        assert said(judge(check, address(at(number, by_number("whatever"))))) == failing(f"tcp/{number}")

    def test_fails_where_the_connection_is_accepted_and_closed_at_once(
        self, check: Check, number: int
    ) -> None:
        assert said(judge(check, address(at(number, probed("tcpwrapped"))))) == failing(f"tcp/{number}")

    def test_passes_where_something_else_answers(self, check: Check, number: int) -> None:
        assert said(judge(check, address(at(number, probed("ssh", "OpenSSH"))))) == PASS

    def test_is_unknown_where_the_port_may_be_open(self, check: Check, number: int) -> None:
        seen = address(at(number, status=UNCERTAIN))
        assert said(judge(check, seen)) == unknown(Reason.TIMED_OUT)

    def test_is_unknown_where_the_port_was_not_asked(self, check: Check, number: int) -> None:
        seen = address(asked=port_ranges(set(range(1, 65536)) - {number}))
        assert said(judge(check, seen)) == unknown(Reason.NOT_COLLECTED)

    def test_says_which_port_was_not_asked(self, check: Check, number: int) -> None:
        seen = address(asked=port_ranges(set(range(1, 65536)) - {number}))
        assert str(judge(check, seen)[0].evidence) == f"Not asked: tcp/{number}."

    def test_fails_for_what_is_open_and_is_unknown_for_what_was_not_asked(
        self, check: Check, number: int
    ) -> None:
        limits = check.limits(ports=frozenset({number, 60000}))
        seen = address(at(number), asked="1-59999")
        expected = failing(f"tcp/{number}") + unknown(Reason.NOT_COLLECTED)
        assert said(judge(check, seen, limits=limits)) == expected

    def test_a_port_the_baseline_does_not_list_does_not_count(self, check: Check, number: int) -> None:
        limits = check.limits(ports=frozenset())
        assert said(judge(check, address(at(number)), limits=limits)) == PASS

    def test_a_port_that_only_the_baseline_lists_counts(self, check: Check, number: int) -> None:
        limits = check.limits(ports=frozenset({7777}))
        assert said(judge(check, address(at(7777)), limits=limits)) == failing("tcp/7777")

    def test_a_udp_port_the_baseline_lists_must_have_been_asked(self, check: Check, number: int) -> None:
        limits = check.limits(udp_ports=frozenset({161}))
        assert said(judge(check, address(), limits=limits)) == unknown(Reason.NOT_COLLECTED)

    def test_is_unknown_in_a_tarpit(self, check: Check, number: int) -> None:
        seen = address(*(at(n) for n in range(1, 201)))
        assert said(judge(check, seen)) == unknown(Reason.TARPIT)

    @pytest.mark.parametrize("status", [FILTERED, UNCERTAIN])
    def test_is_unknown_where_a_declared_service_is_hidden(
        self, check: Check, number: int, status: PortStatus
    ) -> None:
        seen = address(at(number, status=status))
        assert said(judge(check, seen, number)) == unknown(Reason.TIMED_OUT, f"tcp/{number}")

    def test_is_unknown_where_what_is_hidden_is_on_an_odd_port(self, check: Check, number: int) -> None:
        seen = address(at(12345, status=FILTERED))
        assert said(judge(check, seen, 12345)) == unknown(Reason.TIMED_OUT, "tcp/12345")

    def test_is_unknown_where_a_declared_port_was_not_asked(self, check: Check, number: int) -> None:
        assert said(judge(check, address(asked="1-60000"), 60001)) == unknown(Reason.NOT_COLLECTED)

    def test_passes_where_a_declared_service_is_seen_closed(self, check: Check, number: int) -> None:
        assert said(judge(check, address(), number)) == PASS

    def test_fails_where_the_service_is_declared_all_the_same(self, check: Check, number: int) -> None:
        assert said(judge(check, address(at(number)), number)) == failing(f"tcp/{number}")


@pytest.mark.parametrize(
    ("check", "name", "product"),
    [
        (port.remote_login, "telnet", "Linux telnetd"),
        (port.remote_login, "login", ""),
        (port.remote_login, "shell", "Netkit rshd"),
        (port.remote_login, "exec", "netkit-rsh rexecd"),
        (port.file_transfer, "ftp", "vsftpd"),
        (port.remote_desktop, "ms-wbt-server", "xrdp"),
        (port.remote_desktop, "vnc", "VNC"),
        (port.remote_desktop, "X11", ""),
        (port.management, "http", "Microsoft HTTPAPI httpd"),
        (port.management, "ssl", "VMware ESXi Server httpd"),
        (port.management, "docker", "Docker"),
        (port.database, "postgresql", "PostgreSQL DB"),
        (port.database, "mysql", "MariaDB"),
        (port.database, "redis", "Redis key-value store"),
        (port.database, "memcached", "Memcached"),
        (port.database, "mongodb", "MongoDB"),
        (port.database, "http", "Elasticsearch REST API"),
        (port.file_sharing, "netbios-ssn", "Samba smbd"),
        (port.file_sharing, "nfs", ""),
        (port.cleartext_mail, "imap", "Dovecot imapd"),
        (port.cleartext_mail, "pop3", "Dovecot pop3d"),
        (port.small_services, "chargen", ""),
    ],
)
def test_a_server_is_recognised_on_any_port_by_what_it_answers(check: Check, name: str, product: str) -> None:
    assert said(judge(check, address(at(12345, probed(name, product))))) == failing("tcp/12345")


@pytest.mark.parametrize(
    ("check", "number", "name"),
    [
        (port.remote_login, 992, "telnet"),
        (port.file_transfer, 990, "ftp"),
        (port.cleartext_mail, 993, "imap"),
    ],
)
def test_what_is_encrypted_from_the_first_byte_is_not_in_the_clear(
    check: Check, number: int, name: str
) -> None:
    assert said(judge(check, address(at(number, probed(name, tls=True))))) == PASS


def test_tls_alone_on_the_telnet_port_is_not_in_the_clear() -> None:
    spoke_tls = ServiceIdentity(name="ssl", how="tls")
    assert said(judge(port.remote_login, address(at(23, spoke_tls)))) == PASS


def test_encryption_makes_a_database_no_less_reachable() -> None:
    assert said(judge(port.database, address(at(6380, probed("redis", tls=True))))) == failing("tcp/6380")


def test_tls_alone_on_a_database_port_counts_by_its_number() -> None:
    spoke_tls = ServiceIdentity(name="ssl", how="tls", tls=True)
    assert said(judge(port.database, address(at(5432, spoke_tls)))) == failing("tcp/5432")


def test_a_banner_beats_the_port_number() -> None:
    banner = ServiceIdentity(name="ssh", how="banner")
    assert said(judge(port.remote_login, address(at(23, banner)))) == PASS


@pytest.mark.parametrize(
    ("number", "product", "expected"),
    [
        (9200, "", failing("tcp/9200")),  # Elasticsearch behind a login page shows HTTP and nothing else.
        (9200, "nginx", PASS),
        (5432, "", PASS),  # Nobody speaks PostgreSQL over HTTP.
        (8080, "", PASS),
    ],
)
def test_a_bare_http_answer_fits_what_is_spoken_over_http(
    number: int, product: str, expected: list[tuple[Outcome, str, Reason | None]]
) -> None:
    assert said(judge(port.database, address(at(number, probed("http", product))))) == expected


def test_what_is_not_http_never_fits_what_is_spoken_over_http() -> None:
    assert said(judge(port.database, address(at(9200, probed("ssh"))))) == PASS


def test_a_product_tells_who_answers_where_the_name_does_not() -> None:
    assert said(judge(port.database, address(at(5432, probed("ssl", "stunnel"))))) == PASS


def test_a_udp_port_of_that_number_is_not_the_tcp_service() -> None:
    seen = address(at(5432, transport="udp"), udp="5432")
    assert said(judge(port.database, seen)) == PASS


def test_a_udp_port_that_counts_by_its_number_is_named_for_its_service() -> None:
    limits = port.ManagementLimits(udp_ports=frozenset({161}))
    evidence = judge(port.management, address(at(161, transport="udp"), udp="161"), limits=limits)[0].evidence
    assert str(evidence) == "udp/161 is open, the usual port of SNMP; what answers there was not identified."


@pytest.mark.parametrize(
    ("udp_ports", "expected"), [(frozenset(), PASS), (frozenset({161}), failing("udp/161"))]
)
def test_a_udp_server_counts_where_the_baseline_lists_its_port(
    udp_ports: frozenset[int], expected: list[tuple[Outcome, str, Reason | None]]
) -> None:
    seen = address(at(161, probed("snmp"), transport="udp"), udp="161")
    limits = port.ManagementLimits(udp_ports=udp_ports)
    assert said(judge(port.management, seen, limits=limits)) == expected


@pytest.mark.parametrize(
    ("udp_ports", "expected"),
    [(frozenset(), PASS), (frozenset({161}), unknown(Reason.NOT_COLLECTED))],
    ids=["tcp rule", "udp rule"],
)
def test_a_declared_udp_service_hides_nothing_from_a_rule_about_tcp(
    udp_ports: frozenset[int], expected: list[tuple[Outcome, str, Reason | None]]
) -> None:
    name_server = Host("dns", services=(ExpectedService(Service("dns", "udp", 53)),))
    limits = port.ManagementLimits(udp_ports=udp_ports)
    assert said(port.management(address(), Earlier(), limits, name_server)) == expected


def test_no_answer_over_udp_is_open_or_filtered_and_unknown() -> None:
    limits = port.ManagementLimits(udp_ports=frozenset({161}))
    assert said(judge(port.management, address(udp="161"), limits=limits)) == unknown(Reason.TIMED_OUT)


def test_a_tcp_port_of_that_number_is_not_the_udp_service() -> None:
    limits = port.ManagementLimits(udp_ports=frozenset({161}))
    seen = address(at(161), at(161, status=CLOSED, transport="udp"), udp="161")
    assert said(judge(port.management, seen, limits=limits)) == PASS


def test_the_evidence_names_port_protocol_and_product() -> None:
    seen = address(at(2323, probed("telnet", "BusyBox telnetd")))
    evidence = judge(port.remote_login, seen)[0].evidence
    assert str(evidence) == "tcp/2323 is open and answers as telnet (telnet BusyBox telnetd)."


def test_the_evidence_says_where_only_the_number_is_known() -> None:
    evidence = judge(port.database, address(at(6379, by_number("redis"))))[0].evidence
    assert (
        str(evidence) == "tcp/6379 is open, the usual port of Redis; what answers there was not identified."
    )


def test_a_pass_names_the_ports_it_rests_on() -> None:
    evidence = judge(port.remote_login, address(asked="20-25,512-514"))[0].evidence
    assert str(evidence) == (
        "None of telnet, rexec, rlogin, rsh answers; "
        "their usual ports were asked (tcp/23,512-514) among 9 TCP ports."
    )


def test_what_a_host_says_is_a_value_and_never_a_template() -> None:
    seen = address(at(2323, probed("telnet", "{port} {0} {")))
    assert "{port} {0} {" in str(judge(port.remote_login, seen)[0].evidence)


# --- Tarpits ------------------------------------------------------------------------------------------

LIMITS = port.RemoteLoginLimits(tarpit_ports=20, tarpit_identified_percent=10)


@pytest.mark.parametrize(
    ("opened", "identified", "believed"),
    [
        (20, 0, True),  # at the limit of ports
        (21, 0, False),  # one above it
        (30, 2, False),  # fewer than a tenth identified
        (30, 3, True),  # a tenth
        (30, 4, True),
    ],
)
def test_many_open_ports_are_believed_only_if_some_are_identified(
    opened: int, identified: int, believed: bool
) -> None:
    seen = address(*(at(1000 + n, probed("http") if n < identified else None) for n in range(opened)))
    assert (said(judge(port.remote_login, seen, limits=LIMITS)) == PASS) is believed


def test_what_a_tarpit_identifies_is_believed_all_the_same() -> None:
    seen = address(at(23, probed("telnet")), *(at(1000 + n) for n in range(200)))
    assert said(judge(port.remote_login, seen)) == failing("tcp/23") + unknown(Reason.TARPIT)


def test_a_tarpit_is_described_by_its_numbers() -> None:
    seen = address(at(22, probed("ssh")), *(at(1000 + n) for n in range(200)))
    evidence = judge(port.count, seen)[0].evidence
    assert str(evidence) == (
        "201 TCP ports are open and 1 of them are identified: something answers for all of them."
    )


# --- What a host is there for -------------------------------------------------------------------------


@pytest.mark.parametrize(("check", "number"), REACH, ids=[check.id for check, _number in REACH])
class TestAllowed:
    def test_a_server_on_a_port_that_is_allowed_is_not_held_against_the_host(
        self, check: Check, number: int
    ) -> None:
        assert said(judge(check, address(at(number)), limits=allowing(check, number))) == PASS

    def test_on_another_port_it_is(self, check: Check, number: int) -> None:
        seen = address(at(number), at(9999))
        verdicts = judge(check, seen, limits=allowing(check, 9999))
        assert said(verdicts) == failing(f"tcp/{number}")

    def test_on_a_host_that_declares_services_it_must_be_among_them(self, check: Check, number: int) -> None:
        verdicts = judge(check, address(at(number), at(8443)), 8443, limits=allowing(check, number))
        assert said(verdicts) == failing(f"tcp/{number}")

    def test_on_a_host_that_declares_it_it_is_not_held_against_it(self, check: Check, number: int) -> None:
        assert said(judge(check, address(at(number)), number, limits=allowing(check, number))) == PASS

    def test_the_port_need_not_have_been_asked(self, check: Check, number: int) -> None:
        assert check.limits is not None
        others = check.limits().ports - {number}  # type: ignore[attr-defined]  # these checks have such limits
        seen = address(asked=port_ranges(others | {9999}))
        assert said(judge(check, seen, limits=allowing(check, number))) == PASS

    def test_it_may_be_hidden_where_it_is_declared(self, check: Check, number: int) -> None:
        seen = address(at(number, status=FILTERED))
        assert said(judge(check, seen, number, limits=allowing(check, number))) == PASS

    def test_a_pass_says_where_it_is_allowed(self, check: Check, number: int) -> None:
        (verdict,) = judge(check, address(at(number)), limits=allowing(check, number))
        assert verdict.evidence.values["allowed"] == f"tcp/{number}"


def allowing(check: Check, *ports: int) -> Limits:
    assert check.limits is not None
    return check.limits.model_validate({"allowed": ports})


# --- port.unexpected ----------------------------------------------------------------------------------


class TestUnexpected:
    def test_passes_where_only_declared_services_are_open(self) -> None:
        assert said(judge(port.unexpected, address(at(8443)), 8443)) == PASS

    def test_fails_for_each_open_port_that_is_not_declared(self) -> None:
        seen = address(at(22), at(8080), at(8443))
        assert said(judge(port.unexpected, seen, 8443)) == failing("tcp/22", "tcp/8080")

    def test_a_host_that_declares_nothing_is_held_to_the_usual_ports(self) -> None:
        seen = address(at(22), at(80), at(443), at(8443))
        assert said(judge(port.unexpected, seen)) == failing("tcp/8443")

    def test_the_usual_ports_are_the_baselines(self) -> None:
        limits = port.UnexpectedLimits(usual=frozenset({8443}))
        assert said(judge(port.unexpected, address(at(8443)), limits=limits)) == PASS

    def test_a_host_that_should_offer_nothing_fails_for_whatever_is_open(self) -> None:
        verdicts = judge(port.unexpected, address(at(22)), limits=port.UnexpectedLimits(usual=frozenset()))
        assert (said(verdicts), verdicts[0].evidence.values["usual"]) == (failing("tcp/22"), "-")

    def test_a_host_that_should_offer_nothing_passes_where_nothing_is_open(self) -> None:
        limits = port.UnexpectedLimits(usual=frozenset())
        assert said(judge(port.unexpected, address(), limits=limits)) == PASS

    def test_a_declared_service_is_of_one_transport(self) -> None:
        seen = address(at(53), at(53, transport="udp"), udp="53")
        assert said(judge(port.unexpected, seen, 53)) == failing("udp/53")

    @pytest.mark.parametrize("status", [CLOSED, FILTERED])
    def test_a_port_that_is_not_open_is_no_surprise(self, status: PortStatus) -> None:
        assert said(judge(port.unexpected, address(at(8080, status=status)), 443)) == PASS

    def test_is_unknown_where_an_undeclared_port_may_be_open(self) -> None:
        seen = address(at(8080, status=UNCERTAIN))
        assert said(judge(port.unexpected, seen, 443)) == unknown(Reason.TIMED_OUT)

    def test_a_declared_port_that_may_be_open_is_expected(self) -> None:
        assert said(judge(port.unexpected, address(at(443, status=UNCERTAIN)), 443)) == PASS

    @pytest.mark.parametrize(
        ("asked", "expected"), [("1-99", unknown(Reason.NOT_COLLECTED)), ("1-100", PASS), ("1-101", PASS)]
    )
    def test_passes_only_where_enough_ports_were_asked(
        self, asked: str, expected: list[tuple[Outcome, str, Reason | None]]
    ) -> None:
        assert said(judge(port.unexpected, address(asked=asked), 443)) == expected

    def test_fails_however_few_ports_were_asked(self) -> None:
        seen = address(at(8080), asked="8080")
        assert said(judge(port.unexpected, seen, 443)) == failing("tcp/8080") + unknown(Reason.NOT_COLLECTED)

    def test_in_a_tarpit_only_what_is_identified_is_believed(self) -> None:
        seen = address(at(8080, probed("http")), *(at(1000 + n) for n in range(200)))
        assert said(judge(port.unexpected, seen, 443)) == failing("tcp/8080") + unknown(Reason.TARPIT)

    def test_the_evidence_names_the_service_and_what_is_declared(self) -> None:
        seen = address(at(8080, probed("http", "nginx")))
        evidence = judge(port.unexpected, seen, 443, 80)[0].evidence
        assert str(evidence) == "tcp/8080 is open (http nginx); the inventory declares only tcp/80,443."

    def test_a_guess_by_number_is_marked(self) -> None:
        evidence = judge(port.unexpected, address(at(8080, by_number("http-proxy"))), 443)[0].evidence
        assert "(http-proxy?)" in str(evidence)


# --- port.expected-service ----------------------------------------------------------------------------


class TestExpectedService:
    @pytest.mark.parametrize(
        ("status", "outcome", "reason"),
        [
            (OPEN, Outcome.PASS, None),
            (CLOSED, Outcome.FAIL, None),
            (FILTERED, Outcome.UNKNOWN, Reason.TIMED_OUT),
            (UNCERTAIN, Outcome.UNKNOWN, Reason.TIMED_OUT),
        ],
    )
    def test_a_declared_port_is_judged_by_its_state(
        self, status: PortStatus, outcome: Outcome, reason: Reason | None
    ) -> None:
        seen = address(at(443, status=status))
        assert said(judge(port.expected_service, seen, 443)) == [(outcome, "tcp/443", reason)]

    def test_a_port_the_scan_did_not_list_has_the_state_of_the_rest(self) -> None:
        assert said(judge(port.expected_service, address(rest=CLOSED), 443)) == failing("tcp/443")

    def test_a_port_that_was_not_asked_is_unknown(self) -> None:
        seen = address(asked="1-100")
        assert said(judge(port.expected_service, seen, 443)) == unknown(Reason.NOT_COLLECTED, "tcp/443")

    def test_each_declared_port_is_judged_once_whatever_its_server_names(self) -> None:
        twice = Host(
            "web",
            services=tuple(ExpectedService(Service("web", "tcp", 443, name)) for name in ("a.vn", "b.vn")),
        )
        verdicts = port.expected_service(address(at(443)), port.PortLimits(), twice)
        assert [v.object for v in verdicts] == ["tcp/443"]

    def test_does_not_apply_where_nothing_is_declared(self) -> None:
        assert said(judge(port.expected_service, address(at(443)))) == [(Outcome.NOT_APPLICABLE, "", None)]

    def test_a_tarpits_answer_proves_no_service(self) -> None:
        seen = address(*(at(n) for n in range(400, 600)))
        assert said(judge(port.expected_service, seen, 443)) == unknown(Reason.TARPIT, "tcp/443")

    def test_an_identified_service_is_up_even_in_a_tarpit(self) -> None:
        seen = address(at(443, probed("http", "nginx")), *(at(n) for n in range(500, 700)))
        assert said(judge(port.expected_service, seen, 443)) == [(Outcome.PASS, "tcp/443", None)]


# --- port.count ---------------------------------------------------------------------------------------


class TestCount:
    @pytest.mark.parametrize(("opened", "outcome"), [(4, Outcome.PASS), (5, Outcome.PASS), (6, Outcome.FAIL)])
    def test_is_held_to_the_limit(self, opened: int, outcome: Outcome) -> None:
        seen = address(*(at(1000 + n) for n in range(opened)))
        assert [v.outcome for v in judge(port.count, seen, limits=port.CountLimits(most=5))] == [outcome]

    @pytest.mark.parametrize(
        ("hidden", "expected"), [(1, PASS), (2, unknown(Reason.TIMED_OUT))], ids=["at the limit", "above it"]
    )
    def test_a_declared_port_that_gave_no_answer_may_be_open(
        self, hidden: int, expected: list[tuple[Outcome, str, Reason | None]]
    ) -> None:
        numbers = range(1000, 1004 + hidden)
        seen = address(*(at(n, status=OPEN if n < 1004 else FILTERED) for n in numbers))
        assert said(judge(port.count, seen, *numbers, limits=port.CountLimits(most=5))) == expected

    @pytest.mark.parametrize("status", [CLOSED, FILTERED, UNCERTAIN])
    def test_counts_only_what_is_open(self, status: PortStatus) -> None:
        seen = address(*(at(1000 + n, status=status) for n in range(6)))
        assert said(judge(port.count, seen, limits=port.CountLimits(most=5))) == PASS

    def test_udp_ports_are_not_counted(self) -> None:
        seen = address(*(at(n, transport="udp") for n in range(1, 7)), udp="1-6")
        assert said(judge(port.count, seen, limits=port.CountLimits(most=5))) == PASS

    def test_is_unknown_where_too_few_ports_were_asked(self) -> None:
        assert said(judge(port.count, address(asked="1-99"))) == unknown(Reason.NOT_COLLECTED)

    def test_fails_however_few_ports_were_asked(self) -> None:
        seen = address(*(at(n) for n in range(1, 32)), asked="1-31")
        assert [v.outcome for v in judge(port.count, seen)] == [Outcome.FAIL]

    def test_is_unknown_in_a_tarpit(self) -> None:
        seen = address(*(at(n) for n in range(1, 201)))
        assert said(judge(port.count, seen)) == unknown(Reason.TARPIT)


# --- All of them --------------------------------------------------------------------------------------

EVERY = [*(check for check, _number in REACH), port.unexpected, port.expected_service, port.count]


@pytest.mark.parametrize("check", EVERY, ids=lambda c: c.id)
def test_an_address_where_nothing_was_asked_earns_no_credit(check: Check) -> None:
    seen = address(asked="")
    assert Outcome.PASS not in [v.outcome for v in judge(check, seen, 443)]


@pytest.mark.parametrize("check", EVERY, ids=lambda c: c.id)
def test_every_check_says_that_it_sends_nothing(check: Check) -> None:
    assert "The check sends nothing: it judges what the port scan saw" in check.why


@pytest.mark.parametrize("check", EVERY, ids=lambda c: c.id)
@given(seed=st.integers(), opened=st.sampled_from([1, 5, 31, 101, 130]))
@settings(max_examples=50, deadline=None)
def test_dropping_the_packets_to_a_declared_service_never_earns_credit(
    check: Check, seed: int, opened: int
) -> None:
    draw = random.Random(seed)
    telling = [7, 21, 23, 80, 143, 443, 445, 2323, 3389, 5432, 5985, 9200]
    numbers = draw.sample([*telling, *range(20000, 20000 + opened)], opened)
    states = [at(number, draw.choice([None, *map(probed, ANSWERS)])) for number in numbers]
    declared = draw.sample(numbers, draw.randint(1, opened))
    dropped = draw.choice(declared)
    after = [at(s.port, status=FILTERED) if s.port == dropped else s for s in states]
    if earns_credit(judge(check, address(*after), *declared)):
        assert earns_credit(judge(check, address(*states), *declared))


ANSWERS = ("http", "telnet", "ssh", "redis", "ftp", "tcpwrapped")


def earns_credit(verdicts: Iterable[Verdict]) -> bool:
    return all(v.outcome in (Outcome.PASS, Outcome.NOT_APPLICABLE) for v in verdicts)


# --- Servers that say less than they did --------------------------------------------------------------

POSTGRES = address(at(15432, probed("postgresql", "PostgreSQL DB")))
MUTE = address(at(15432, by_number()))
SHUT = address()
WEB = address(at(15432, probed("http", "nginx")))


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [
        (MUTE, [], PASS),
        (MUTE, [POSTGRES], unknown(Reason.UNPARSED, "tcp/15432")),
        (MUTE, [WEB, POSTGRES], PASS),
        (MUTE, [SHUT, POSTGRES], PASS),
        (MUTE, [POSTGRES, SHUT, WEB], unknown(Reason.UNPARSED, "tcp/15432")),
        (address(at(15432, status=FILTERED)), [POSTGRES], unknown(Reason.UNPARSED, "tcp/15432")),
        (address(asked="1-10000"), [POSTGRES], [(Outcome.UNKNOWN, "tcp/15432", Reason.UNPARSED)]),
        (SHUT, [POSTGRES], PASS),
        (WEB, [POSTGRES], PASS),
        (POSTGRES, [MUTE, POSTGRES], failing("tcp/15432")),
    ],
)
def test_a_server_that_was_recognised_and_says_less_now_is_not_gone(
    now: Observation[PortFacts],
    before: list[Observation[PortFacts]],
    expected: list[tuple[Outcome, str, Reason | None]],
) -> None:
    limits = port.DatabaseLimits(ports=frozenset({5432}))
    assert said(judge(port.database, now, limits=limits, before=before)) == expected


def test_a_bare_http_answer_hides_nobody_that_was_recognised_by_its_product() -> None:
    before = [address(at(19200, probed("http", "Elasticsearch REST API")))]
    now = address(at(19200, probed("http")))
    assert said(judge(port.database, now, before=before)) == unknown(Reason.UNPARSED, "tcp/19200")


def test_ftp_that_was_always_inside_tls_is_not_missed() -> None:
    before = [address(at(990, probed("ftp", tls=True)))]
    assert said(judge(port.file_transfer, address(at(990, by_number())), before=before)) == PASS


def test_a_port_that_fails_by_its_number_is_not_named_twice() -> None:
    before = [address(at(5432, probed("postgresql")))]
    assert said(judge(port.database, address(at(5432)), before=before)) == failing("tcp/5432")


IDENTITIES = [
    probed("postgresql", "PostgreSQL DB"),
    probed("http", "Elasticsearch REST API"),
    probed("microsoft-ds"),
    probed("ftp", "vsftpd"),
    probed("ftp", tls=True),
    probed("telnet"),
    probed("ssh", "OpenSSH"),
]
MUTED = [
    None,
    by_number(),
    by_number("postgresql"),
    probed("tcpwrapped"),
    probed("ssl", tls=True),
]


@settings(deadline=None, max_examples=150)
@given(
    known=st.dictionaries(st.sampled_from([21, 445, 5432, 9999]), st.sampled_from(IDENTITIES), min_size=1),
    muted=st.sampled_from(MUTED),
    times=st.integers(1, 3),
    filtered=st.booleans(),
)
def test_no_server_passes_by_saying_less(
    known: dict[int, ServiceIdentity], muted: ServiceIdentity | None, times: int, filtered: bool
) -> None:
    """However often it was looked at since, and whether it answers or drops the packets."""
    spoke = address(*(at(number, identity) for number, identity in known.items()))
    status = FILTERED if filtered else OPEN
    quiet = address(*(at(number, None if filtered else muted, status=status) for number in known))
    before = [*[quiet] * (times - 1), spoke]
    for check, _number in REACH:
        failed = {v.object for v in judge(check, spoke) if v.outcome is Outcome.FAIL}
        doubted = {v.object for v in judge(check, quiet, before=before) if v.outcome is not Outcome.PASS}
        assert failed <= doubted


# --- What a role is for -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declared", "seen", "expected"),
    [
        ((), address(at(443)), [(Outcome.PASS, "tcp/443", None)]),
        ((), address(), failing("tcp/443")),
        ((), address(rest=FILTERED), unknown(Reason.TIMED_OUT, "tcp/443")),
        ((), address(asked="1-100"), unknown(Reason.NOT_COLLECTED, "tcp/443")),
        # What the inventory says is more exact.
        ((8443,), address(at(8443)), [(Outcome.PASS, "tcp/8443", None)]),
    ],
)
def test_what_a_role_is_for_answers_where_the_inventory_declares_nothing(
    declared: tuple[int, ...],
    seen: Observation[PortFacts],
    expected: list[tuple[Outcome, str, Reason | None]],
) -> None:
    limits = port.ExpectedLimits(expected=frozenset({443}))
    assert said(judge(port.expected_service, seen, *declared, limits=limits)) == expected
