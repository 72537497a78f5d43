"""What the certificates of a fleet have in common, whatever the order in which hosts are seen."""

import pickle
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding

from secscan.baseline import load_baseline, narrowed
from secscan.engine.gathering import gather
from secscan.engine.judging import judge_fleet
from secscan.facts import Absent, PortStatus
from secscan.facts.certificate import Certificate, PublicKey, read_certificate
from secscan.model import (
    Agency,
    Evidence,
    Host,
    Inventory,
    Membership,
    Observation,
    Reason,
    Stamp,
    Unobserved,
)
from secscan.reference import FleetKeys
from secscan.registry import find_checks
from tests.engine.fleet import endpoint, evidence
from tests.factories import AT, Issued, issue, issue_authority

OWNERS = {"web-1": "a", "web-2": "a", "web-3": "b"}


@lru_cache
def root() -> Issued:
    return issue_authority("Root")


@lru_cache
def sub() -> Issued:
    return issue_authority("Issuing", by=root())


def gathered(
    seen: Mapping[str, Evidence], *, owners: Mapping[str, str] = OWNERS, order: Sequence[str] = ()
) -> FleetKeys:
    inventory = Inventory(
        {id: Agency(id, {}) for id in sorted(set(owners.values()))},
        {id: Host(id) for id in owners},
        tuple(Membership(host, agency) for host, agency in owners.items()),
    )
    found = gather(inventory, [(id, seen[id]) for id in order or seen], AT.date())[FleetKeys]
    assert isinstance(found, FleetKeys)
    return found


def key_of(certificate: Issued | bytes) -> str:
    read = read_certificate(certificate if isinstance(certificate, bytes) else certificate.der)
    assert isinstance(read, Certificate)
    assert isinstance(read.key, PublicKey)
    return read.key.sha256 or ""


def of_modulus(modulus: int) -> bytes:
    template = issue(by=sub()).x509
    builder = x509.CertificateBuilder().subject_name(template.subject).issuer_name(template.issuer)
    made = builder.public_key(RSAPublicNumbers(65537, modulus).public_key()).serial_number(1)
    signed = made.not_valid_before(AT).not_valid_after(AT).sign(sub().key, hashes.SHA256())
    return signed.public_bytes(Encoding.DER)


def test_a_key_of_three_hosts_is_told_by_agency() -> None:
    twin = issue(by=sub(), holder="twin")
    again = issue("another.example.vn", by=sub(), holder="twin")
    seen = {
        "web-1": evidence("web-1", twin),
        "web-2": evidence("web-2", again),
        "web-3": evidence("web-3", twin),
    }
    assert gathered(seen).holders == {key_of(twin): {"a": ("web-1", "web-2"), "b": ("web-3",)}}


def test_a_key_of_one_host_is_not_named() -> None:
    assert gathered({"web-1": evidence("web-1", issue(by=sub()))}).holders == {}


def test_an_issuers_key_is_nobodys_own() -> None:
    seen = {id: evidence(id, issue(by=sub(), holder=id), sub()) for id in OWNERS}
    assert gathered(seen).holders == {}


def test_moduli_with_a_common_prime_are_named() -> None:
    p, q, r, s, t = ((1 << 521) - 1, (1 << 607) - 1, (1 << 1279) - 1, (1 << 2203) - 1, (1 << 2281) - 1)
    made = {"web-1": of_modulus(p * q), "web-2": of_modulus(p * r), "web-3": of_modulus(s * t)}
    found = gathered({id: evidence(id, der) for id, der in made.items()})
    assert found.sharing_prime == {key_of(made[id]): 2 for id in ("web-1", "web-2")}


def test_an_issuer_is_known_by_who_sends_it() -> None:
    seen = {id: evidence(id, issue(by=sub(), holder=id), sub()) for id in OWNERS}
    [issuer] = gathered(seen).issuers["CN=Issuing"]
    assert (issuer.certificate, issuer.sent_by) == (sub().der, {"a": "web-1", "b": "web-3"})


@pytest.mark.parametrize(
    "sent",
    [root, lambda: issue("no authority", by=root()), lambda: b"\x30\x00"],
    ids=["root", "server", "garbage"],
)
def test_what_is_no_issuer_on_the_way_is_left_out(sent: Any) -> None:
    assert gathered({"web-1": evidence("web-1", issue(by=sub()), sent())}).issuers == {}


def test_a_host_that_can_not_be_reached_still_has_its_key() -> None:
    twin = issue(by=sub(), holder="twin")
    gone = evidence("web-2", twin)
    about = (endpoint("web-2"), "chain")
    lost = Unobserved(about[0], "test", "chain", AT, Reason.TIMED_OUT)
    gone = Evidence({**gone.newest, about: lost}, {about: gone.newest[about]})  # type: ignore[dict-item]  # an Observation
    found = gathered({"web-1": evidence("web-1", twin), "web-2": gone})
    assert found.holders[key_of(twin)] == {"a": ("web-1", "web-2")}


def test_a_service_that_is_seen_closed_has_given_it_up() -> None:
    twin = issue(by=sub(), holder="twin")
    closed = evidence("web-2", twin, status=PortStatus.CLOSED)
    assert gathered({"web-1": evidence("web-1", twin), "web-2": closed}).holders == {}


def test_what_speaks_no_tls_has_no_key() -> None:
    seen = evidence("web-1")
    about = (endpoint("web-1"), "chain")
    plain = Observation(about[0], "test", "chain", AT, Absent(heard="plain text"))
    assert gathered({"web-1": Evidence({**seen.newest, about: plain})}) == FleetKeys()


def test_order_plays_no_part_and_it_can_be_pickled() -> None:
    twin = issue(by=sub(), holder="twin")
    seen = {id: evidence(id, twin, sub()) for id in OWNERS}
    one, other = gathered(seen), gathered(seen, order=sorted(OWNERS, reverse=True))
    assert one == other == pickle.loads(pickle.dumps(one))  # noqa: S301 - our own


def test_hosts_of_no_agency_that_day_play_no_part() -> None:
    twin = issue(by=sub(), holder="twin")
    seen = {id: evidence(id, twin) for id in OWNERS}
    assert gathered(seen, owners={"web-1": "a"}).holders == {}


def test_each_host_that_shares_a_key_has_a_finding_of_its_own() -> None:
    checks = find_checks()
    twin = issue(by=sub(), holder="twin")
    inventory = Inventory(
        {id: Agency(id, {}) for id in ("a", "b")},
        {id: Host(id) for id in OWNERS},
        tuple(Membership(host, agency) for host, agency in OWNERS.items()),
    )
    baseline = narrowed(load_baseline("network", checks), ["certificates"])
    judged = judge_fleet(
        inventory,
        [(id, evidence(id, twin)) for id in OWNERS],
        baseline=baseline,
        references={},
        stamp=Stamp(None, AT, baseline.name, baseline.hash, 1, "0"),
    )
    said = {
        finding.subject.id: str(finding.evidence)
        for findings in judged.findings.values()
        for finding in findings
        if finding.check == "certificate.shared-key"
    }
    assert said == {
        "web-1": "The same key is on web-2, and on hosts of other agencies; how many of these: 1.",
        "web-2": "The same key is on web-1, and on hosts of other agencies; how many of these: 1.",
        "web-3": "The same key is on hosts of other agencies; how many: 2.",
    }
