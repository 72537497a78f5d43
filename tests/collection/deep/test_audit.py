"""What sslyze sees of real servers; what there is to see is written by hand from their configuration."""

import hashlib
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import dh

from secscan.collection.deep import Auditor, Nursery, Question
from secscan.facts import CipherSuite, Gap, TlsAuditFacts, TlsVersion, VersionAudit, decode, encode
from secscan.model import Endpoint, Observation, Reason, Record, Service, Unobserved
from secscan.scope import Gate, ProbeLog, scope_of_addresses, utc_now
from tests.collection.odd_servers import FlakyServer, TlsliteServer, tlslite_settings
from tests.lab.authority import Authority, Identity
from tests.lab.servers import (
    V1_0,
    V1_1,
    V1_2,
    V1_3,
    LegacyServer,
    NginxServer,
    OpenSslServer,
    Server,
    TlsServer,
    missing_tools,
)
from tests.lab.servers.legacy import TLS1_2
from tests.lab.servers.primes import SMALL_PRIMES

ADDRESS = "127.77.5.1"
AUTHORITY = Authority(utc_now())
GOOD = AUTHORITY.good("a.example")
RSA = AUTHORITY.good("a.example", key="rsa-2048")

_, _, _1_0, _1_1, _1_2, _1_3 = TlsVersion

TLS_1_3_SUITES = {
    "TLS_AES_128_GCM_SHA256": 128,
    "TLS_AES_256_GCM_SHA384": 256,
    "TLS_CHACHA20_POLY1305_SHA256": 256,
}

needs_openssl = pytest.mark.skipif(
    "openssl" in missing_tools(), reason="openssl is not installed (package openssl)"
)
needs_nginx = pytest.mark.skipif(
    "nginx" in missing_tools(), reason="nginx is not installed (package nginx-light)"
)

NURSERY = Nursery()


@pytest.fixture(scope="module", autouse=True)
def _nursery() -> Iterator[None]:
    yield
    NURSERY.close()


def record_of(server: Server, server_name: str = "a.example", *, robot_alone: bool = False) -> Record:
    auditor = Auditor(NURSERY, Gate(scope_of_addresses([ADDRESS]), ProbeLog(None)), deadline=20.0)
    with server.start(ADDRESS) as running:
        return auditor.audit(
            Question(
                endpoint=Endpoint(Service("web1", "tcp", running.port, server_name), running.address),
                address=running.address,
                server_name=server_name,
                starttls="",
                at=utc_now(),
                robot_alone=robot_alone,
            )
        )


def audit(server: Server, server_name: str = "a.example", *, robot_alone: bool = False) -> TlsAuditFacts:
    record = record_of(server, server_name, robot_alone=robot_alone)
    assert isinstance(record, Observation), record
    assert isinstance(record.facts, TlsAuditFacts)
    return record.facts


def offered(facts: TlsAuditFacts) -> set[TlsVersion]:
    """The versions offered; of every other one it must be known that it is not."""
    assert not [audit for audit in facts.versions if isinstance(audit.offered, Gap)]
    return {audit.version for audit in facts.versions if audit.offered}


def suites(facts: TlsAuditFacts, version: TlsVersion) -> set[str]:
    read = facts.audit(version).suites
    assert not isinstance(read, Gap), read
    return {suite.name for suite in read}


def digest(identity: Identity) -> str:
    return hashlib.sha256(identity.certificates[0]).hexdigest()


# --- What a server offers -----------------------------------------------------------------------------------


def test_everything_there_is_to_know_of_a_modern_server() -> None:
    server = TlsServer((GOOD,), ciphers="ECDHE-ECDSA-AES256-GCM-SHA384", maximum=V1_2, group="secp384r1")
    facts = audit(server)
    suite = CipherSuite(name="TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", key_size=256)
    assert facts == TlsAuditFacts(
        versions=tuple(
            VersionAudit(version=version, offered=version is _1_2, suites=(suite,) if version is _1_2 else ())
            for version in TlsVersion
        ),
        dh_bits=0,
        groups=("secp384r1",),
        client_certificate="not-asked",
        secure_renegotiation=True,
        client_renegotiation=False,
        fallback_scsv=True,
        extended_master_secret=True,
        compression=False,
        heartbleed=False,
        ccs_injection=False,
        robot="none",
        early_data=False,
        certificates=(digest(GOOD),),
    )


def test_tls_1_2_and_1_3() -> None:
    facts = audit(TlsServer((GOOD,)))
    assert offered(facts) == {_1_2, _1_3}
    assert suites(facts, _1_2) == {
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    }
    assert facts.audit(_1_3).suites == tuple(
        CipherSuite(name=name, key_size=size) for name, size in sorted(TLS_1_3_SUITES.items())
    )


@needs_openssl
def test_groups_beside_that_of_the_certificate() -> None:
    # In TLS 1.2 it refuses whoever does not know the curve of its certificate, secp256r1.
    facts = audit(OpenSslServer(GOOD, ("-tls1_2", "-groups", "X25519:P-256:P-384")))
    assert facts.groups == ("secp256r1", "secp384r1", "x25519")


def test_tls_1_3_only() -> None:
    facts = audit(TlsServer((GOOD,), minimum=V1_3))
    assert offered(facts) == {_1_3}
    assert suites(facts, _1_3) == set(TLS_1_3_SUITES)
    assert (facts.compression, facts.client_renegotiation, facts.robot) == (False, False, "none")


def test_tls_1_0_only() -> None:
    server = TlsServer(
        (RSA,), minimum=V1_0, maximum=V1_0, ciphers="AES128-SHA:ECDHE-RSA-AES128-SHA", weak=True
    )
    facts = audit(server)
    assert offered(facts) == {_1_0}
    assert suites(facts, _1_0) == {"TLS_RSA_WITH_AES_128_CBC_SHA", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"}
    assert facts.robot == "none"


def test_versions_in_between() -> None:
    server = TlsServer((RSA,), minimum=V1_0, maximum=V1_2, ciphers="AES128-SHA", weak=True)
    facts = audit(server)
    assert offered(facts) == {_1_0, _1_1, _1_2}
    assert facts.fallback_scsv is True


def test_ssl_3_with_rc4_and_3des() -> None:
    facts = audit(LegacyServer(AUTHORITY.good("a.example", key="rsa-1024")))
    assert offered(facts) == {TlsVersion.SSLV3}
    assert suites(facts, TlsVersion.SSLV3) == {
        "TLS_RSA_WITH_RC4_128_SHA",
        "TLS_RSA_WITH_RC4_128_MD5",
        "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    }


@pytest.mark.parametrize(
    ("ciphers", "expected"),
    [
        ("NULL-SHA256", {"TLS_RSA_WITH_NULL_SHA256"}),
        ("AECDH-AES128-SHA", {"TLS_ECDH_anon_WITH_AES_128_CBC_SHA"}),
        ("AES128-SHA:NULL-SHA256", {"TLS_RSA_WITH_AES_128_CBC_SHA", "TLS_RSA_WITH_NULL_SHA256"}),
    ],
)
def test_suites_that_sslyzes_scanner_gives_up_on(ciphers: str, expected: set[str]) -> None:
    facts = audit(TlsServer((RSA,), maximum=V1_2, ciphers=ciphers, weak=True))
    assert suites(facts, _1_2) == expected


def test_more_suites_than_fit_in_a_hello() -> None:
    facts = audit(TlsServer((GOOD, RSA), maximum=V1_2, ciphers="ALL:eNULL", weak=True))
    names = suites(facts, _1_2)
    assert len(names) > 40
    # The newest and the oldest of what Python's OpenSSL may have.
    assert {"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "TLS_RSA_WITH_NULL_SHA"} <= names


@pytest.mark.parametrize("bits", [512, 768, 1024])
def test_the_size_of_a_small_prime(bits: int) -> None:
    settings = tlslite_settings(TLS1_2, "dhe_rsa")
    # OpenSSL takes a second to find a prime of 512 bits, and a minute for one of 1024.
    prime = SMALL_PRIMES.get(bits) or dh.generate_parameters(2, bits).parameter_numbers().p
    settings.dhParams = (2, prime)
    facts = audit(TlsliteServer(RSA, settings))
    assert facts.dh_bits == bits
    assert suites(facts, _1_2) == {"TLS_DHE_RSA_WITH_AES_128_CBC_SHA"}
    assert facts.groups == ()


@pytest.mark.parametrize("asks", ["not-asked", "asked", "required"])
@pytest.mark.parametrize(("minimum", "maximum"), [(V1_2, V1_2), (V1_3, V1_3)], ids=["1.2", "1.3"])
def test_client_certificates(asks: str, minimum: object, maximum: object) -> None:
    server = TlsServer(
        (GOOD,),
        minimum=minimum,  # type: ignore[arg-type]
        maximum=maximum,  # type: ignore[arg-type]
        client_certificate=asks,  # type: ignore[arg-type]
        client_authorities=(AUTHORITY.root,),
    )
    facts = audit(server)
    assert facts.client_certificate == asks
    assert len(offered(facts)) == 1
    assert not isinstance(facts.groups, Gap)
    assert facts.certificates == (digest(GOOD),)


@needs_openssl
def test_renegotiation_on_a_clients_wish() -> None:
    facts = audit(OpenSslServer(GOOD, ("-client_renegotiation",)))
    assert facts.client_renegotiation is True
    assert facts.secure_renegotiation is True


@needs_nginx
def test_early_data() -> None:
    for wanted in (False, True):
        server = NginxServer((("a.example", GOOD),), early_data=wanted)
        assert audit(server).early_data is wanted


def test_a_server_that_insists_on_a_name_is_not_called_safe_by_probes_that_send_none() -> None:
    server = TlsServer((), virtual_hosts=(("a.example", GOOD),), strict_names=True, maximum=V1_2)
    facts = audit(server)
    assert isinstance(facts.heartbleed, Gap)
    assert isinstance(facts.ccs_injection, Gap)
    assert offered(facts) == {_1_2}


def test_a_server_that_refuses_the_name_is_unobserved() -> None:
    record = record_of(TlsServer((), virtual_hosts=(("b.example", GOOD),), strict_names=True))
    assert isinstance(record, Unobserved)
    assert record.reason is Reason.REFUSED


@pytest.mark.parametrize("seed", range(3))
def test_what_a_server_offers_is_never_denied_because_of_lost_connections(seed: int) -> None:
    server = TlsServer((RSA,), minimum=V1_1, ciphers="ECDHE+AESGCM:AES128-SHA", weak=True)
    truth = audit(server)
    record = record_of(FlakyServer(server, 0.2, seed))
    if isinstance(record, Unobserved):
        return
    assert isinstance(record.facts, TlsAuditFacts)
    for seen, true in zip(record.facts.versions, truth.versions, strict=True):
        assert isinstance(seen.offered, Gap) or seen.offered is true.offered
        assert isinstance(seen.suites, Gap) or seen.suites == true.suites
    for name in TlsAuditFacts.__struct_fields__:
        value = getattr(record.facts, name)
        assert name == "versions" or isinstance(value, Gap) or value == getattr(truth, name), name


def test_facts_of_the_same_server_are_equal_byte_for_byte() -> None:
    server = TlsServer((GOOD, RSA), ciphers="ALL", weak=True, minimum=V1_1)
    assert encode(audit(server)) == encode(audit(server))


def test_facts_survive_storage() -> None:
    facts = audit(TlsServer((GOOD,)))
    assert decode(TlsAuditFacts, TlsAuditFacts.version, encode(facts)) == facts


# --- ROBOT alone --------------------------------------------------------------------------------------------


def test_robot_alone_says_nothing_of_anything_else() -> None:
    server = TlsServer((RSA,), minimum=V1_1, maximum=V1_2, ciphers="AES128-SHA:ECDHE+AESGCM", weak=True)
    facts = audit(server, robot_alone=True)
    assert facts.robot == "none"
    others = set(TlsAuditFacts.__struct_fields__) - {"robot", "versions"}
    assert all(isinstance(getattr(facts, name), Gap) for name in others)
    assert all(isinstance(a.offered, Gap) and isinstance(a.suites, Gap) for a in facts.versions)


def test_robot_alone_takes_few_connections() -> None:
    server = TlsServer((RSA,), maximum=V1_2, ciphers="AES128-SHA:ECDHE+AESGCM", weak=True)
    record = record_of(server, robot_alone=True)
    assert isinstance(record, Observation)
    assert int(record.volatile["connections"]) <= 24


def test_robot_of_ssl_3() -> None:
    identity = AUTHORITY.good("a.example", key="rsa-1024")
    assert not isinstance(audit(LegacyServer(identity), robot_alone=True).robot, Gap)


def test_robot_where_rsa_key_exchange_is_not_accepted_after_all() -> None:
    facts = audit(TlsServer((GOOD,), maximum=V1_2), robot_alone=True)
    assert isinstance(facts.robot, Gap)
    assert facts.robot.reason is Reason.CONTRADICTORY


# --- Certificates -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("minimum", [V1_2, V1_3], ids=["1.2", "1.3 only"])
def test_a_certificate_for_each_key_type(minimum: object) -> None:
    facts = audit(TlsServer((GOOD, RSA), minimum=minimum))  # type: ignore[arg-type]
    assert facts.certificates == tuple(sorted((digest(GOOD), digest(RSA))))


def test_a_server_without_certificates() -> None:
    assert audit(TlsServer((), maximum=V1_2, ciphers="aNULL", weak=True)).certificates == ()


def test_certificates_that_openssl_cant_read() -> None:
    der = bytearray(RSA.certificates[0])
    # The begin of validity, a UTCTime of 13 bytes, becomes a NULL with content: as long as before, and no certificate.
    der[der.index(b"\x17\x0d")] = 0x05
    facts = audit(TlsliteServer(RSA, tlslite_settings(TLS1_2, "rsa"), bytes(der)))
    assert isinstance(facts.certificates, Gap)
    assert facts.certificates.reason is Reason.MALFORMED
