"""Judging one host from evidence: subjects, the worst over endpoints, what is absent, stale or unseen."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secscan.check import (
    REFERENCES,
    Check,
    CheckDefinitionError,
    Limits,
    Verdict,
    check,
    failed,
    passed,
)
from secscan.checks.ssh import protocol1
from secscan.evaluation import judge_host
from secscan.facts import (
    Absent,
    AddressFacts,
    Gap,
    PortFacts,
    PortState,
    PortStatus,
    SocketFacts,
    SystemFacts,
    TlsFacts,
    TlsVersion,
    VersionOffer,
    known,
)
from secscan.model import (
    AddressTarget,
    Agency,
    Each,
    Earlier,
    Endpoint,
    Evidence,
    ExpectedService,
    Finding,
    Host,
    HostTarget,
    Look,
    Observation,
    Outcome,
    Reason,
    Record,
    Service,
    Severity,
    Subject,
    Target,
    TlsPolicy,
    Unobserved,
)
from secscan.reference import KnownExploited
from secscan.scoring import score_host
from tests.rules import EARLY_DATA, HEARTBLEED, baseline, telnet

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
A, B = "127.0.0.1", "127.0.0.2"
HTTPS = Service("h", "tcp", 443, "h.example")
DECLARED = Host("h", names=("h.example",), services=(ExpectedService(HTTPS),))
BARE = Host("h", names=("h.example",))


def seen(target: Target, facts: object, *, kind: str, at: datetime = NOW) -> Observation:
    return Observation(target, "test", kind, at, facts)


def unseen(target: Target, kind: str, reason: Reason = Reason.TIMED_OUT) -> Unobserved:
    return Unobserved(target, "test", kind, NOW, reason, "no answer")


def at_addresses(*addresses: str, at: datetime = NOW) -> Observation:
    facts = AddressFacts(addresses=addresses, by_name={"": addresses})
    return seen(HostTarget("h"), facts, kind="addresses", at=at)


def ports(address: str = A, *, at: datetime = NOW, **status: PortStatus) -> Observation:
    """``ports(p443=OPEN)``: everything else that was asked (all ports) is closed."""
    states = tuple(
        PortState(transport="tcp", port=int(name[1:]), status=s) for name, s in sorted(status.items())
    )
    facts = PortFacts(
        method="connect", asked={"tcp": "1-65535"}, ports=states, rest={"tcp": PortStatus.CLOSED}
    )
    return seen(AddressTarget("h", address), facts, kind="ports", at=at)


def tls(
    address: str = A, *, service: Service = HTTPS, at: datetime = NOW, heartbleed: bool | Gap = False
) -> Observation:
    facts = TlsFacts(
        versions=tuple(VersionOffer(version=v, offered=v == "TLSv1.3") for v in TlsVersion),
        heartbleed=heartbleed,
        early_data=False,
    )
    return seen(Endpoint(service, address), facts, kind="tls", at=at)


def no_tls(address: str = A, service: Service = HTTPS) -> Observation:
    return seen(Endpoint(service, address), Absent(heard="plain HTTP"), kind="tls")


def judge(
    *records: Record, host: Host = DECLARED, checks=(HEARTBLEED, telnet), at=NOW, earlier=()
) -> list[Finding]:
    evidence = Evidence({(r.target, r.kind): r for r in records}, {(r.target, r.kind): r for r in earlier})
    findings = judge_host(
        host, evidence, baseline=baseline(checks), agency=Agency("a", {}), references={}, at=at
    )
    return list(findings)


def the(findings: list[Finding], check: str) -> Finding:
    (finding,) = [f for f in findings if f.check == check]
    return finding


OPEN, CLOSED, FILTERED = PortStatus.OPEN, PortStatus.CLOSED, PortStatus.FILTERED


def test_a_check_judges_what_was_seen() -> None:
    finding = the(judge(at_addresses(A), ports(p443=OPEN), tls(heartbleed=True)), "tls.heartbleed")
    assert finding.outcome is Outcome.FAIL
    assert finding.subject == Subject.of_service(HTTPS)
    assert finding.addresses == (A,)
    assert finding.observed_at == NOW


def test_a_service_is_as_bad_as_its_worst_endpoint() -> None:
    findings = judge(
        at_addresses(A, B), ports(A, p443=OPEN), ports(B, p443=OPEN), tls(A), tls(B, heartbleed=True)
    )
    finding = the(findings, "tls.heartbleed")
    assert (finding.outcome, finding.addresses) == (Outcome.FAIL, (B,))


def test_a_pass_needs_every_endpoint() -> None:
    unreachable = unseen(Endpoint(HTTPS, B), "tls")
    findings = judge(at_addresses(A, B), ports(A, p443=OPEN), ports(B, p443=OPEN), tls(A), unreachable)
    finding = the(findings, "tls.heartbleed")
    assert (finding.outcome, finding.reason, finding.addresses) == (Outcome.UNKNOWN, Reason.TIMED_OUT, (B,))


def test_a_field_that_was_not_collected_is_unknown() -> None:
    gap = Gap(Reason.UNPARSED, "strange answer")
    finding = the(judge(at_addresses(A), ports(p443=OPEN), tls(heartbleed=gap)), "tls.heartbleed")
    assert (finding.outcome, finding.reason) == (Outcome.UNKNOWN, Reason.UNPARSED)
    assert "strange answer" in str(finding.evidence)


@pytest.mark.parametrize(
    ("policy", "port", "outcome"),
    [
        (TlsPolicy.REQUIRED, 8080, Outcome.FAIL),
        (TlsPolicy.OPTIONAL, 443, Outcome.NOT_APPLICABLE),
        (TlsPolicy.NONE, 443, Outcome.NOT_APPLICABLE),
        (TlsPolicy.UNSTATED, 443, Outcome.FAIL),
        (TlsPolicy.UNSTATED, 8080, Outcome.NOT_APPLICABLE),
    ],
)
def test_tls_that_is_not_offered(policy: TlsPolicy, port: int, outcome: Outcome) -> None:
    service = Service("h", "tcp", port)
    host = Host("h", services=(ExpectedService(service, policy),))
    finding = the(judge(at_addresses(A), ports(), no_tls(service=service), host=host), "tls.heartbleed")
    assert finding.outcome is outcome


def test_an_undeclared_service_is_judged_under_the_hosts_name() -> None:
    found = Service("h", "tcp", 8443, "h.example")
    findings = judge(at_addresses(A), ports(p8443=OPEN), tls(service=found, heartbleed=True), host=BARE)
    assert the(findings, "tls.heartbleed").subject == Subject.of_service(found)


def test_an_undeclared_service_is_judged_while_its_port_is_filtered() -> None:
    found = Service("h", "tcp", 8443, "h.example")
    findings = judge(at_addresses(A), ports(p8443=FILTERED), unseen(Endpoint(found, A), "tls"), host=BARE)
    assert the(findings, "tls.heartbleed").outcome is Outcome.UNKNOWN


def test_an_undeclared_service_seen_closed_is_gone() -> None:
    found = Service("h", "tcp", 8443, "h.example")
    findings = judge(at_addresses(A), ports(), tls(service=found, heartbleed=True), host=BARE)
    assert the(findings, "tls.heartbleed").outcome is Outcome.NOT_APPLICABLE


def test_a_declared_service_seen_closed_is_still_judged() -> None:
    refused = unseen(Endpoint(HTTPS, A), "tls", Reason.REFUSED)
    finding = the(judge(at_addresses(A), ports(), refused), "tls.heartbleed")
    assert (finding.outcome, finding.reason) == (Outcome.UNKNOWN, Reason.REFUSED)


def test_an_address_the_host_has_left_is_no_endpoint() -> None:
    findings = judge(at_addresses(B), ports(B, p443=OPEN), tls(B), tls(A, heartbleed=True))
    assert the(findings, "tls.heartbleed").outcome is Outcome.PASS


def test_without_an_open_port_endpoint_rules_do_not_apply() -> None:
    assert the(judge(at_addresses(A), ports(), host=BARE), "tls.heartbleed").outcome is Outcome.NOT_APPLICABLE


def test_where_ports_were_never_seen_other_services_are_unknown() -> None:
    findings = judge(at_addresses(A), unseen(AddressTarget("h", A), "ports"), tls())
    about_host = [f for f in findings if f.check == "tls.heartbleed" and f.subject == Subject.of_host("h")]
    assert [f.outcome for f in about_host] == [Outcome.UNKNOWN]


def test_a_failed_port_scan_keeps_the_services_that_are_known() -> None:
    found = Service("h", "tcp", 8443, "h.example")
    findings = judge(
        at_addresses(A),
        unseen(AddressTarget("h", A), "ports"),
        tls(service=found, heartbleed=True),
        host=BARE,
        earlier=[ports(p8443=OPEN)],
    )
    assert the(findings, "tls.heartbleed").outcome is Outcome.FAIL


def test_a_failed_port_scan_is_no_proof_that_nothing_is_open() -> None:
    findings = judge(at_addresses(A), unseen(AddressTarget("h", A), "ports"), host=BARE, earlier=[ports()])
    assert the(findings, "tls.heartbleed").outcome is Outcome.UNKNOWN


def test_a_host_that_does_not_resolve_is_unknown_in_everything() -> None:
    lost = unseen(HostTarget("h"), "addresses", Reason.NOT_RESOLVED)
    findings = judge(lost, ports(p443=OPEN), tls(), earlier=[at_addresses(A)])
    assert {(f.outcome, f.reason) for f in findings} == {(Outcome.UNKNOWN, Reason.NOT_RESOLVED)}


def test_a_host_never_looked_at_is_unknown_in_everything() -> None:
    findings = judge()
    assert {f.check for f in findings} == {"tls.heartbleed", "port.telnet"}
    assert {f.reason for f in findings} == {Reason.NOT_ATTEMPTED}


def all_filtered(address: str = A) -> Observation:
    facts = PortFacts(method="connect", asked={"tcp": "1-65535"}, ports=(), rest={"tcp": FILTERED})
    return seen(AddressTarget("h", address), facts, kind="ports")


def test_an_address_that_answers_on_no_port_was_not_seen() -> None:
    findings = judge(at_addresses(A), all_filtered(), host=BARE)
    assert {(f.check, f.outcome, f.reason) for f in findings} == {
        ("tls.heartbleed", Outcome.UNKNOWN, Reason.UNREACHABLE),
        ("port.telnet", Outcome.UNKNOWN, Reason.UNREACHABLE),
    }


def test_one_closed_port_shows_that_there_is_a_host() -> None:
    facts = PortFacts(
        method="connect",
        asked={"tcp": "1-65535"},
        ports=(PortState(transport="tcp", port=113, status=CLOSED),),
        rest={"tcp": FILTERED},
    )
    findings = judge(at_addresses(A), seen(AddressTarget("h", A), facts, kind="ports"), host=BARE)
    assert the(findings, "port.telnet").outcome is Outcome.PASS


def test_a_name_that_does_not_resolve_leaves_its_services_unknown() -> None:
    host = Host("h", names=("h.example", "b.example"), services=(ExpectedService(HTTPS),))
    half = AddressFacts(addresses=(A,), by_name={"h.example": (A,), "b.example": ()})
    records = (seen(HostTarget("h"), half, kind="addresses"), ports(p443=OPEN), tls())
    findings = judge(*records, host=host)
    assert {(f.outcome, f.reason) for f in findings} == {(Outcome.UNKNOWN, Reason.NOT_RESOLVED)}


def test_what_an_undeclared_port_would_fail_is_unknown_while_it_is_filtered() -> None:
    spoken_to = no_tls(service=Service("h", "tcp", 23, "h.example"))
    findings = judge(at_addresses(A), ports(p23=FILTERED), spoken_to, host=BARE)
    telnets = {f.object: (f.outcome, f.reason) for f in findings if f.check == "port.telnet"}
    assert telnets["tcp/23"] == (Outcome.UNKNOWN, Reason.TIMED_OUT)


def test_a_port_never_seen_open_may_be_filtered() -> None:
    findings = judge(at_addresses(A), ports(p23=FILTERED), host=BARE)
    assert the(findings, "port.telnet").outcome is Outcome.PASS


@pytest.mark.parametrize(("days", "outcome"), [(14, Outcome.PASS), (15, Outcome.UNKNOWN)])
def test_a_pass_stands_for_fourteen_days(days: int, outcome: Outcome) -> None:
    findings = judge(at_addresses(A), ports(p443=OPEN), tls(), at=NOW + timedelta(days=days))
    finding = the(findings, "tls.heartbleed")
    assert finding.outcome is outcome
    assert (finding.reason is Reason.STALE) == (outcome is Outcome.UNKNOWN)


def test_a_failure_never_goes_stale() -> None:
    findings = judge(at_addresses(A), ports(p443=OPEN), tls(heartbleed=True), at=NOW + timedelta(days=400))
    assert the(findings, "tls.heartbleed").outcome is Outcome.FAIL


# --- What a check gets, and what a broken one gives ------------------------------------------------------


class DaysLimits(Limits):
    days: int = 30


def test_a_check_gets_what_it_asks_for() -> None:
    @check("tls.asks", severity=Severity.LOW)
    def asks(
        seen: Observation[TlsFacts], limits: DaysLimits, at: datetime, host: Host, service: Service
    ) -> Iterator[Verdict]:
        """It is asked.

        Why: Test.

        Fix: None.
        """
        yield passed("{n}", n=f"{limits.days} {at.year} {host.id} {service.port} {seen.target.key}")

    finding = the(judge(at_addresses(A), ports(p443=OPEN), tls(), checks=(asks,)), "tls.asks")
    assert str(finding.evidence) == f"30 2026 h 443 h {A} tcp/443/h.example"


def _broken(body):
    @check("tls.broken", severity=Severity.LOW)
    def broken(seen: Observation[TlsFacts]) -> Iterator[Verdict]:
        """It is broken.

        Why: Test.

        Fix: None.
        """
        yield from body(seen)

    return broken


def _raises(seen):
    raise ZeroDivisionError("by hand")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (_raises, "ZeroDivisionError: by hand"),
        (lambda seen: (), "gave no verdict"),
        (lambda seen: [failed("x", severity=Severity.CRITICAL)], "more than its declared severity"),
    ],
)
def test_a_broken_check_is_an_error_and_ends_nothing(body, words: str) -> None:
    findings = judge(at_addresses(A), ports(p443=OPEN), tls(), checks=(_broken(body), telnet))
    assert the(findings, "tls.broken").outcome is Outcome.ERROR
    assert words in str(the(findings, "tls.broken").evidence)
    assert the(findings, "port.telnet").outcome is Outcome.PASS


def test_each_object_is_a_finding_of_its_own() -> None:
    objects = _broken(lambda seen: [failed("x", object="1"), passed("y", object="2")])
    findings = judge(at_addresses(A), ports(p443=OPEN), tls(), checks=(objects,))
    assert {(f.object, f.outcome) for f in findings} == {("1", Outcome.FAIL), ("2", Outcome.PASS)}


@pytest.mark.parametrize("severity", [Severity.INFO, Severity.LOW, None])
def test_a_finding_may_be_milder_than_its_rule(severity: Severity | None) -> None:
    check = _broken(lambda seen: [failed("x", severity=severity)])
    finding = the(judge(at_addresses(A), ports(p443=OPEN), tls(), checks=(check,)), "tls.broken")
    assert finding.severity is (Severity.LOW if severity is None else severity)


# --- The promises, as properties over evidence -----------------------------------------------------------

CHECKS = (HEARTBLEED, EARLY_DATA, telnet)
OTHER = Service("h", "tcp", 8443, "h.example")

TELNET = Service("h", "tcp", 23, "h.example")

statuses = st.sampled_from([OPEN, CLOSED, FILTERED])


@st.composite
def fleets(draw: st.DrawFn) -> tuple[Host, list[Record]]:
    host = draw(st.sampled_from([DECLARED, BARE]))
    addresses = draw(st.sampled_from([(A,), (A, B)]))
    records: list[Record] = [at_addresses(*addresses)]
    for address in addresses:
        status = draw(st.fixed_dictionaries({"p443": statuses, "p8443": statuses, "p23": statuses}))
        records.append(ports(address, **status))
        if status["p23"] is not CLOSED:
            records.append(no_tls(address, TELNET))
        for service, name in ((HTTPS, "p443"), (OTHER, "p8443")):
            if status[name] is OPEN:
                heartbleed = draw(st.sampled_from([True, False, Gap()]))
                records.append(
                    draw(
                        st.sampled_from(
                            [
                                tls(address, service=service, heartbleed=heartbleed),
                                no_tls(address, service),
                                unseen(Endpoint(service, address), "tls"),
                            ]
                        )
                    )
                )
            elif status[name] is FILTERED or (host is DECLARED and service is HTTPS):
                records.append(unseen(Endpoint(service, address), "tls"))
    return host, records


def verified(host: Host, records: list[Record], earlier: list[Observation] = ()):
    findings = judge(*records, host=host, checks=CHECKS, earlier=earlier)
    return score_host("h", findings, baseline(CHECKS)).range.verified


@settings(max_examples=300)
@given(fleets(), st.data(), st.booleans())
def test_an_observation_that_fails_never_raises_verified(
    fleet, data: st.DataObject, known_before: bool
) -> None:
    host, records = fleet
    i = data.draw(st.integers(0, len(records) - 1))
    old = records[i]
    lost = [*records[:i], unseen(old.target, old.kind), *records[i + 1 :]]
    earlier = [old] if known_before and isinstance(old, Observation) else []
    assert verified(host, lost, earlier) <= verified(host, records)


@settings(max_examples=200)
@given(fleets())
def test_a_host_left_out_never_raises_verified(fleet) -> None:
    host, records = fleet
    assert verified(host, []) <= verified(host, records)
    later = judge(*records, host=host, checks=CHECKS, at=NOW + timedelta(days=30))
    assert score_host("h", later, baseline(CHECKS)).range.verified <= verified(host, records)


@settings(max_examples=200)
@given(fleets(), st.sampled_from([23, 443, 8443]))
def test_dropping_the_packets_to_a_known_service_never_raises_verified(fleet, port: int) -> None:
    """A firewall between us and a service makes its port filtered and its TLS silent; nothing improves by it."""
    host, records = fleet
    dropped: list[Record] = []
    for record in records:
        if isinstance(record.target, Endpoint) and record.target.service.port == port:
            record = unseen(record.target, record.kind)
        elif record.kind == "ports" and record.facts.status("tcp", port) is OPEN:
            status = {f"p{s.port}": s.status for s in record.facts.ports} | {f"p{port}": FILTERED}
            record = ports(record.target.address, **status)
        dropped.append(record)
    assert verified(host, dropped) <= verified(host, records)


@given(fleets(), st.randoms())
def test_the_order_of_evidence_never_matters(fleet, random) -> None:
    host, records = fleet
    assert judge(*random.sample(records, len(records)), host=host) == judge(*records, host=host)


def test_known_opens_a_reading() -> None:
    assert known("x") == "x"


# --- Reference data -------------------------------------------------------------------------------------


@check("patch.exploited", severity=Severity.HIGH)
def asks_a_catalogue(seen: Observation[SystemFacts], exploited: KnownExploited) -> Iterator[Verdict]:
    """The catalogue is empty.

    Why: It is a test.

    Fix: Empty it.
    """
    if exploited.entries:
        yield failed("{count} entries.", count=len(exploited.entries))
    else:
        yield passed("No entry.")


def judge_inside(
    facts: SystemFacts | Absent, references: Mapping[type, Any], checked: Check = asks_a_catalogue
) -> Finding:
    inside = seen(HostTarget("h"), facts, kind="system")
    records = (at_addresses(A), inside)
    (finding,) = judge_host(
        DECLARED,
        Evidence({(r.target, r.kind): r for r in records}),
        baseline=baseline((checked,)),
        agency=Agency("a", {}),
        references=references,
        at=NOW,
    )
    return finding


LINUX = SystemFacts(family="linux", release=Gap(), architecture="x86_64", kernel="6.1.0", kernels=Gap())


def test_a_check_is_given_the_reference_data_it_asks_for() -> None:
    finding = judge_inside(LINUX, {KnownExploited: KnownExploited({}, NOW)})
    assert finding.outcome is Outcome.PASS


def test_reference_data_that_nobody_imported_leaves_its_rules_unknown() -> None:
    finding = judge_inside(LINUX, {})
    assert (finding.outcome, finding.reason) == (Outcome.UNKNOWN, Reason.NOT_COLLECTED)
    assert "known_exploited_vulnerabilities.json and run: secscan feeds import" in str(finding.evidence)


@check("system.does-without", severity=Severity.LOW)
def does_without(seen: Observation[SystemFacts], exploited: KnownExploited | None) -> Iterator[Verdict]:
    """It is.

    Why: It is a test.

    Fix: Nothing.
    """
    if exploited is None:
        yield failed("There is none.")
    else:
        yield passed("It is there.")


@pytest.mark.parametrize(
    ("references", "outcome"),
    [({}, Outcome.FAIL), ({KnownExploited: KnownExploited({}, NOW)}, Outcome.PASS)],
    ids=["without", "with"],
)
def test_a_check_may_do_without_reference_data(references: Mapping[type, Any], outcome: Outcome) -> None:
    assert judge_inside(LINUX, references, does_without).outcome is outcome


@pytest.mark.parametrize("reference", REFERENCES, ids=lambda reference: reference.__name__)
def test_all_reference_data_has_something_to_say_where_it_is_missing(reference: type) -> None:
    assert str(reference.unavailable).endswith((".", "FILE"))  # type: ignore[attr-defined]  # what is tested


def test_what_a_host_does_not_have_is_not_applicable() -> None:
    finding = judge_inside(Absent(heard="no shell"), {KnownExploited: KnownExploited({}, NOW)})
    assert finding.outcome is Outcome.NOT_APPLICABLE
    assert str(finding.evidence) == "The host has nothing of the kind: no shell"


@pytest.mark.parametrize("claimed", [None, *Severity])
def test_a_finding_is_as_grave_as_its_verdict_says_down_to_mere_information(claimed: Severity | None) -> None:
    @check("patch.claim", severity=Severity.CRITICAL)
    def claims(seen: Observation[SystemFacts]) -> Iterator[Verdict]:
        """It is as it should be.

        Why: It is a test.

        Fix: Leave it.
        """
        yield failed("It is not.", severity=claimed)

    expected = Severity.CRITICAL if claimed is None else claimed
    assert judge_inside(LINUX, {}, claims).severity is expected


# --- What a check can do without ------------------------------------------------------------------------


@check("patch.resilient", severity=Severity.LOW)
def copes(
    seen: Observation[SystemFacts] | Unobserved, sockets: Observation[SocketFacts] | Unobserved
) -> Iterator[Verdict]:
    """It was seen.

    Why: It is a test.

    Fix: Look.
    """
    unobserved = [record for record in (seen, sockets) if isinstance(record, Unobserved)]
    if unobserved:
        yield failed("{reason}", reason=", ".join(record.reason.value for record in unobserved))
    else:
        yield passed("All was seen.")


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([seen(HostTarget("h"), LINUX, kind="system")], "not-attempted"),
        ([unseen(HostTarget("h"), "system", Reason.AUTH_FAILED)], "auth-failed, not-attempted"),
        (
            [
                seen(HostTarget("h"), LINUX, kind="system"),
                seen(HostTarget("h"), SocketFacts(), kind="sockets"),
            ],
            "All was seen.",
        ),
    ],
)
def test_a_check_is_told_what_was_not_seen_where_it_can_do_without(
    records: list[Observation | Unobserved], said: str
) -> None:
    [finding] = judge_host(
        DECLARED,
        Evidence({(r.target, r.kind): r for r in (at_addresses(A), *records)}),
        baseline=baseline((copes,)),
        agency=Agency("a", {}),
        references={},
        at=NOW,
    )
    assert str(finding.evidence) == said


def test_what_a_check_can_not_do_without_is_still_its_own() -> None:
    assert (copes.copes_without, asks_a_catalogue.copes_without) == ({"seen", "sockets"}, frozenset())


# --- What earlier runs saw ------------------------------------------------------------------------------


@check("port.compared", severity=Severity.LOW)
def compares(seen: Observation[PortFacts], before: Earlier[PortFacts]) -> Iterator[Verdict]:
    """No port is open that was closed before.

    Why: It is a test.

    Fix: Close it.
    """
    for look in before.looks:
        for state in seen.facts.open():
            if look.facts.status("tcp", state.port) is PortStatus.CLOSED:
                yield failed("It was closed on {date}.", date=look.observed_at.date().isoformat())
                return
    yield passed("{count} looks.", count=len(before.looks))


def test_a_check_is_told_what_earlier_runs_saw_of_the_same_target() -> None:
    opened = ports(p22=OPEN)
    look = Look(ports().facts, NOW - timedelta(days=7))
    evidence = Evidence(
        {(r.target, r.kind): r for r in (at_addresses(A), opened)},
        earlier={(opened.target, "ports"): (look,), (AddressTarget("h", B), "ports"): (look, look)},
    )
    [finding] = judge_host(
        BARE, evidence, baseline=baseline((compares,)), agency=Agency("a", {}), references={}, at=NOW
    )
    assert str(finding.evidence) == "It was closed on 2026-11-15."
    assert finding.observed_at == NOW


def test_without_a_past_a_check_is_told_of_none() -> None:
    [finding] = judge(at_addresses(A), ports(p22=OPEN), checks=(compares,))
    assert str(finding.evidence) == "0 looks."


def test_a_check_can_compare_only_kinds_of_which_the_past_is_read() -> None:
    def forgets(seen: Observation[TlsFacts], before: Earlier[TlsFacts]) -> Iterator[Verdict]:
        """It is.

        Why: It is a test.

        Fix: Nothing.
        """
        yield passed("{n}", n=len(before.looks))

    with pytest.raises(CheckDefinitionError, match="nothing earlier is read of TlsFacts"):
        check("tls.forgets", severity=Severity.LOW)(forgets)


# --- TLS that was there and is not any more -------------------------------------------------------------

PLAIN = Service("h", "tcp", 8080, "h.example")


def dropped(policy: TlsPolicy | None, *, looks: Mapping[Any, Any]) -> Finding:
    """A service on a port that need not speak TLS and does not, judged by ``looks`` of before; None: undeclared."""
    services = () if policy is None else (ExpectedService(PLAIN, policy),)
    records = (at_addresses(A), ports(p8080=OPEN), no_tls(service=PLAIN))
    [finding] = judge_host(
        Host("h", names=("h.example",), services=services),
        Evidence({(r.target, r.kind): r for r in records}, earlier=looks),
        baseline=baseline((HEARTBLEED,)),
        agency=Agency("a", {}),
        references={},
        at=NOW,
    )
    return finding


SPOKEN = {(Endpoint(PLAIN, A), "tls"): (Look(tls(service=PLAIN).facts, NOW - timedelta(days=7)),)}


@pytest.mark.parametrize(
    ("policy", "looks", "outcome"),
    [
        (None, SPOKEN, Outcome.FAIL),
        (TlsPolicy.UNSTATED, SPOKEN, Outcome.FAIL),
        (TlsPolicy.NONE, SPOKEN, Outcome.NOT_APPLICABLE),
        (TlsPolicy.OPTIONAL, SPOKEN, Outcome.NOT_APPLICABLE),
        (None, {}, Outcome.NOT_APPLICABLE),
        (TlsPolicy.UNSTATED, {}, Outcome.NOT_APPLICABLE),
    ],
)
def test_tls_that_was_switched_off_fails_unless_the_inventory_says_it_is_meant(
    policy: TlsPolicy | None, looks: Mapping[Any, Any], outcome: Outcome
) -> None:
    assert dropped(policy, looks=looks).outcome is outcome


def test_what_says_that_tls_was_switched_off_says_when_it_was_there() -> None:
    assert str(dropped(None, looks=SPOKEN).evidence) == (
        "TLS was spoken here on 2026-11-15 and is not any more; heard: plain HTTP. Switch it on again, or declare the "
        'service with tls = "none" if that is meant.'
    )


# --- What holds of each address and service of a host ---------------------------------------------------


@check("contradiction.counts", severity=Severity.LOW)
def counts(
    inside: Observation[SocketFacts], outside: Each[PortFacts], spoken: Each[TlsFacts]
) -> Iterator[Verdict]:
    """It is.

    Why: It is a test.

    Fix: Nothing.
    """
    for each in (outside, spoken):
        for record in each.records:
            missing = isinstance(record, Unobserved) and record.reason.value
            yield passed("{said}", object=record.target.key, said=missing or "seen")


def test_a_check_is_given_what_was_seen_of_each_address_and_service() -> None:
    findings = judge(
        at_addresses(A, B),
        seen(HostTarget("h"), SocketFacts(), kind="sockets"),
        ports(A, p443=OPEN),
        unseen(AddressTarget("h", B), "ports"),
        tls(A),
        checks=(counts,),
    )
    assert {f.object: str(f.evidence) for f in findings} == {
        f"h {A}": "seen",
        f"h {B}": "timed-out",
        f"h {A} tcp/443/h.example": "seen",
        f"h {B} tcp/443/h.example": "not-attempted",
    }


def test_what_rests_on_several_looks_is_as_old_as_the_oldest() -> None:
    old = NOW - timedelta(days=15)
    findings = judge(
        at_addresses(A),
        seen(HostTarget("h"), SocketFacts(), kind="sockets"),
        ports(A, at=old),
        host=BARE,
        checks=(counts,),
    )
    assert {(f.outcome, f.reason, f.observed_at) for f in findings} == {(Outcome.UNKNOWN, Reason.STALE, old)}


@pytest.mark.parametrize(("observed", "gathered"), [(PortFacts, TlsFacts), (SocketFacts, SystemFacts)])
def test_only_a_check_of_whole_hosts_is_given_their_parts(observed: Any, gathered: Any) -> None:
    def odd(seen: Any, each: Any) -> Iterator[Verdict]:
        """It is.

        Why: It is a test.

        Fix: Nothing.
        """
        yield passed("It is.")

    odd.__annotations__ |= {"seen": Observation[observed], "each": Each[gathered]}
    with pytest.raises(CheckDefinitionError, match="for checks that observe a host as a whole"):
        check("contradiction.odd", severity=Severity.LOW)(odd)


# --- Other kinds of endpoints than TLS ------------------------------------------------------------------------


def test_a_service_that_is_no_ssh_server_fails_nothing_though_it_must_speak_tls() -> None:
    required = Host("h", services=(ExpectedService(HTTPS, tls=TlsPolicy.REQUIRED),))
    absent = seen(Endpoint(HTTPS, A), Absent(heard="TLS", protocol="tls"), kind="ssh")
    [finding] = judge(at_addresses(A), ports(A, p443=OPEN), absent, host=required, checks=(protocol1,))
    assert finding.outcome is Outcome.NOT_APPLICABLE
    assert "TLS" in str(finding.evidence)
