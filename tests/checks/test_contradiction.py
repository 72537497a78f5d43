"""The contradiction checks: the inside of a host against its outside, and its addresses against one another."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from secscan.check import Check, Verdict
from secscan.checks import contradiction
from secscan.facts import (
    Absent,
    AddressFacts,
    ChainFacts,
    Gap,
    PortFacts,
    PortState,
    PortStatus,
    Socket,
    SocketFacts,
)
from secscan.model import (
    AddressTarget,
    Each,
    Endpoint,
    HostTarget,
    Observation,
    Outcome,
    Reason,
    Severity,
    Unobserved,
)
from tests.factories import AT, Issued, a_service, chain_facts, issue, issue_authority, private_key

FAIL, PASS, UNKNOWN, NOT_APPLICABLE = (
    Outcome.FAIL,
    Outcome.PASS,
    Outcome.UNKNOWN,
    Outcome.NOT_APPLICABLE,
)
OPEN, CLOSED, FILTERED = PortStatus.OPEN, PortStatus.CLOSED, PortStatus.FILTERED
A, B, V6, LOOPBACK = "192.0.2.1", "192.0.2.2", "2001:db8::1", "127.20.0.1"


def inside(*listening: tuple[str, int] | Socket, firewall: bool | Gap = False, **more: Any) -> Any:
    """Sockets as ``(address, port)``."""
    sockets = tuple(
        s if isinstance(s, Socket) else Socket(transport="tcp", address=s[0], port=s[1]) for s in listening
    )
    facts = SocketFacts(**{"sockets": sockets, "firewall": firewall, **more})
    return Observation(HostTarget("web"), "ssh", "sockets", AT, facts)


def scan(
    *opened: int, address: str = A, at: datetime = AT, rest: PortStatus = CLOSED, asked: str = "1-65535"
) -> Observation[PortFacts]:
    states = tuple(PortState(transport="tcp", port=port, status=OPEN) for port in opened)
    facts = PortFacts(method="connect", asked={"tcp": asked}, ports=states, rest={"tcp": rest})
    return Observation(AddressTarget("web", address), "ports", "ports", at, facts)


def missed(address: str = B) -> Unobserved:
    return Unobserved(AddressTarget("web", address), "ports", "ports", AT, Reason.TIMED_OUT, "no answer")


def judge(check: Check, own: Any, *scans: Observation[PortFacts] | Unobserved, **limits: int) -> Verdict:
    (verdict,) = check(own, Each(scans), contradiction.ListenerLimits(**limits))
    return verdict


def ports(check: Check, own: Any, *scans: Any, **limits: int) -> tuple[Outcome, str]:
    """The outcome, and the ports it names."""
    verdict = judge(check, own, *scans, **limits)
    return verdict.outcome, str(verdict.evidence.values.get("places", ""))


# --- What answers and is not listed ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listening", "scans", "expected"),
    [
        ([("0.0.0.0", 22)], [scan(22)], (PASS, "")),
        ([("::", 22)], [scan(22)], (PASS, "")),
        ([("::", 22)], [scan(22, address=V6)], (PASS, "")),
        ([("::ffff:0.0.0.0", 22)], [scan(22)], (PASS, "")),
        ([(A, 22)], [scan(22)], (PASS, "")),
        ([], [scan(22)], (FAIL, f"{A}: tcp/22")),
        ([("0.0.0.0", 22)], [scan(22, 80, 81, 443)], (FAIL, f"{A}: tcp/80-81,443")),
        ([("0.0.0.0", 22)], [scan(22), scan(23, address=B)], (FAIL, f"{B}: tcp/23")),
        ([("127.0.0.1", 5432)], [scan(5432)], (FAIL, f"{A}: tcp/5432")),
        ([("::1", 5432)], [scan(5432)], (FAIL, f"{A}: tcp/5432")),
        # Behind address translation the address is none of the host's own.
        ([("10.0.0.5", 22)], [scan(22)], (PASS, "")),
        # A server of a test on the loopback address.
        ([(LOOPBACK, 22)], [scan(22, address=LOOPBACK)], (PASS, "")),
        ([("127.0.0.1", 22)], [scan(22, address=LOOPBACK)], (FAIL, f"{LOOPBACK}: tcp/22")),
        # What the host listens on and the network does not show is no matter of this check.
        ([("0.0.0.0", 22), ("0.0.0.0", 80)], [scan(22, rest=FILTERED)], (PASS, "")),
        ([Socket(transport="udp", address="0.0.0.0", port=22)], [scan(22)], (FAIL, f"{A}: tcp/22")),
        ([], [scan(rest=FILTERED)], (PASS, "")),
    ],
)
def test_what_answers_is_among_what_the_host_listens_on(
    listening: list[Any], scans: list[Any], expected: tuple[Outcome, str]
) -> None:
    assert ports(contradiction.unlisted_listener, inside(*listening), *scans) == expected


@pytest.mark.parametrize(("hours", "outcome"), [(24, FAIL), (25, UNKNOWN)])
@pytest.mark.parametrize("sign", [1, -1])
def test_what_was_not_seen_at_about_the_same_time_is_not_compared(
    hours: int, outcome: Outcome, sign: int
) -> None:
    verdict = judge(
        contradiction.unlisted_listener, inside(), scan(80, at=AT + timedelta(hours=sign * hours))
    )
    assert verdict.outcome is outcome
    assert verdict.reason is (Reason.STALE if outcome is UNKNOWN else None)


@pytest.mark.parametrize(("most", "outcome"), [(3, FAIL), (2, UNKNOWN)])
def test_what_answers_on_every_port_is_no_server(most: int, outcome: Outcome) -> None:
    verdict = judge(contradiction.unlisted_listener, inside(), scan(1, 2, 3), most=most)
    assert verdict.outcome is outcome


BOTH = pytest.mark.parametrize("check", [contradiction.unlisted_listener, contradiction.refused_listener])


@BOTH
def test_an_address_that_was_not_seen_leaves_it_unknown(check: Check) -> None:
    verdict = judge(check, inside(("0.0.0.0", 22)), scan(22), missed())
    assert (verdict.outcome, verdict.reason) == (UNKNOWN, Reason.TIMED_OUT)


def test_what_fails_at_one_address_fails_though_another_was_not_seen() -> None:
    assert judge(contradiction.unlisted_listener, inside(), scan(22), missed()).outcome is FAIL


@BOTH
def test_a_host_that_nobody_looked_at_from_outside_is_unknown(check: Check) -> None:
    verdict = judge(check, inside(("0.0.0.0", 22)))
    assert (verdict.outcome, verdict.reason) == (UNKNOWN, Reason.NOT_ATTEMPTED)


# --- What is listed and refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listening", "scans", "expected"),
    [
        ([("0.0.0.0", 80)], [scan()], (FAIL, f"{A}: tcp/80")),
        ([(A, 80)], [scan()], (FAIL, f"{A}: tcp/80")),
        ([("0.0.0.0", 80)], [scan(rest=FILTERED)], (PASS, "")),
        ([("0.0.0.0", 80)], [scan(80)], (PASS, "")),
        ([("0.0.0.0", 80)], [scan(asked="1-79")], (PASS, "")),
        ([("127.0.0.1", 80), ("::1", 80), (B, 80)], [scan()], (PASS, "")),
        ([("::", 80)], [scan()], (PASS, "")),
        ([("::", 80)], [scan(address=V6)], (FAIL, f"{V6}: tcp/80")),
    ],
)
def test_what_listens_for_everybody_is_not_refused(
    listening: list[Any], scans: list[Any], expected: tuple[Outcome, str]
) -> None:
    assert ports(contradiction.refused_listener, inside(*listening), *scans) == expected


@pytest.mark.parametrize("firewall", [True, Gap(Reason.NEEDS_CREDENTIALS, "sudo"), False])
def test_a_firewall_explains_what_is_refused(firewall: bool | Gap) -> None:
    told = contradiction.refused_listener(
        inside(("0.0.0.0", 80), firewall=firewall), Each((scan(),)), contradiction.ListenerLimits()
    )
    if isinstance(firewall, Gap):
        with pytest.raises(Exception, match="sudo"):
            list(told)
    else:
        assert next(told).outcome is (PASS if firewall else FAIL)


def test_what_is_refused_is_only_told() -> None:
    assert contradiction.refused_listener.severity is Severity.INFO


# --- Certificates of one service at several addresses ---------------------------------------------------


def an_issuer(name: str, organisation: str = "") -> Issued:
    """Like ``issue_authority``, with an organisation in its name."""
    if not organisation:
        return issue_authority(name)
    key = private_key(holder=f"{name} of {organisation}")
    called = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    builder = x509.CertificateBuilder(called, called, key.public_key(), x509.random_serial_number())
    signed = builder.not_valid_before(AT).not_valid_after(AT + timedelta(days=1)).sign(key, hashes.SHA256())
    return Issued(signed.public_bytes(Encoding.DER), key)


ONE, OTHER = an_issuer("CA 1"), an_issuer("CA 2")
R10, R11 = an_issuer("R10", "Let's, Encrypt"), an_issuer("R11", "Let's, Encrypt")


def shown(address: str, facts: ChainFacts | Absent, *, port: int = 443) -> Observation[Any]:
    return Observation(Endpoint(a_service(port=port), address), "tls", "chain", AT, facts)


def by(issuer: Issued, *names: str, slot: str = "ECDSA") -> ChainFacts:
    return chain_facts(issue(by=issuer, names=names or ("www.example.vn",)), slot=slot)


def not_shown(address: str) -> Unobserved:
    return Unobserved(Endpoint(a_service(), address), "tls", "chain", AT, Reason.TIMED_OUT, "no answer")


def certificates(*records: Observation[Any] | Unobserved) -> list[tuple[Outcome, str]]:
    where = Observation(HostTarget("web-1"), "names", "addresses", AT, AddressFacts(addresses=(), by_name={}))
    return [(v.outcome, v.object) for v in contradiction.certificates(where, Each(records))]


SERVICE = "tcp/443 www.example.vn"
SAME = by(ONE)


@pytest.mark.parametrize(
    ("records", "outcome"),
    [
        ([shown(A, SAME), shown(B, SAME)], PASS),
        ([shown(A, by(ONE)), shown(B, by(ONE))], PASS),
        ([shown(A, by(ONE)), shown(B, by(OTHER))], FAIL),
        ([shown(A, by(R10)), shown(B, by(R11))], PASS),
        ([shown(A, by(R10)), shown(B, by(ONE))], FAIL),
        ([shown(A, by(ONE, "a.vn", "n1.vn")), shown(B, by(ONE, "A.vn", "n2.vn"))], PASS),
        ([shown(A, by(ONE, "a.vn")), shown(B, by(ONE, "b.vn"))], FAIL),
        ([shown(A, by(ONE)), shown(B, by(OTHER, slot="RSA"))], PASS),
        ([shown(A, by(ONE)), shown(B, Absent(heard="plain HTTP"))], FAIL),
        ([shown(A, by(ONE)), shown(B, chain_facts(b"garbage"))], PASS),
        ([shown(A, by(ONE)), not_shown(B)], UNKNOWN),
        ([shown(A, by(ONE)), shown(B, by(OTHER)), not_shown(V6)], FAIL),
    ],
)
def test_all_addresses_of_a_service_prove_themselves_alike(
    records: Iterable[Observation[Any] | Unobserved], outcome: Outcome
) -> None:
    assert certificates(*records) == [(outcome, SERVICE)]


@pytest.mark.parametrize(
    "records",
    [
        [],
        [shown(A, SAME)],
        [shown(A, SAME), shown(A, by(OTHER), port=8443)],
        [shown(A, Absent(heard="")), shown(B, Absent(heard=""))],
    ],
)
def test_one_address_can_not_contradict_itself(records: list[Observation[Any]]) -> None:
    assert certificates(*records) == [(NOT_APPLICABLE, "")]
