"""The sweep against real servers; what is expected is written by hand from their configuration."""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from secscan.collection.sweep import Depth, SweepSettings, Swept, sweep
from secscan.facts import (
    EVERY_GROUP,
    Absent,
    ChainFacts,
    DhPrime,
    Gap,
    SuiteClass,
    TlsFacts,
    TlsVersion,
    WithoutName,
)
from secscan.facts.suites import classes_of
from secscan.model import Endpoint, Service
from secscan.scope import Gate, ProbeLog, scope_of_addresses, utc_now
from tests.collection.plaintext import smtp
from tests.lab.authority import Authority
from tests.lab.servers import (
    V1_0,
    V1_1,
    V1_2,
    V1_3,
    LegacyServer,
    NginxServer,
    Running,
    Server,
    TlsServer,
    missing_tools,
)
from tests.lab.servers.legacy import SSL3
from tests.lab.servers.legacy import TLS1_2 as TLSLITE_1_2
from tests.lab.servers.proxy import Proxy, Tally

ADDRESS = "127.77.4.1"
AUTHORITY = Authority(utc_now())
EC = AUTHORITY.good("a.example")
RSA = AUTHORITY.good("a.example", key="rsa-2048")
OTHER = AUTHORITY.good("b.example")

_SSL2, _SSL3, _1_0, _1_1, _1_2, _1_3 = TlsVersion

WEAK = "ALL:COMPLEMENTOFALL"

needs_nginx = pytest.mark.skipif(
    "nginx" in missing_tools(), reason="nginx is not installed (package nginx-light)"
)


def gate() -> Gate:
    return Gate(scope_of_addresses([ADDRESS]), ProbeLog(None))


def look_at(
    running: Running,
    depth: Depth = Depth.VERDICT,
    *,
    name: str = "a.example",
    starttls: str = "",
    shuffle: random.Random | None = None,
    **settings: Any,
) -> Swept:
    endpoint = Endpoint(Service("web1", "tcp", running.port, name), running.address)
    return asyncio.run(
        sweep(
            endpoint,
            gate(),
            depth=depth,
            settings=SweepSettings(**settings),
            starttls=starttls,
            shuffle=shuffle,
        )
    )


def look(server: Server, depth: Depth = Depth.VERDICT, **changes: Any) -> Swept:
    with server.start(ADDRESS) as running:
        return look_at(running, depth, **changes)


def facts(seen: Swept) -> TlsFacts:
    assert isinstance(seen.tls, TlsFacts), seen.tls
    return seen.tls


def chains(seen: Swept) -> ChainFacts:
    assert isinstance(seen.chain, ChainFacts), seen.chain
    return seen.chain


def offered(seen: Swept) -> set[TlsVersion]:
    assert not any(isinstance(offer.offered, Gap) for offer in facts(seen).versions)
    return {offer.version for offer in facts(seen).versions if offer.offered}


def names(seen: Swept, version: TlsVersion) -> set[str]:
    suites = facts(seen).offer(version).suites
    assert not isinstance(suites, Gap)
    return {suite.name for suite in suites}


def accepted_classes(seen: Swept) -> set[SuiteClass]:
    """Every class that a suite was found of; all others must be settled."""
    found = {kind for version in TlsVersion for name in names(seen, version) for kind in classes_of(name)}
    for offer in facts(seen).versions:
        if offer.offered:
            assert all(offer.settles(kind) for kind in set(SuiteClass) - {SuiteClass.EVERY} - found), offer
    return found


# --- A modern server -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Modern:
    verdict: Swept
    full: Swept
    #: Connections that came through to the server.
    counted: tuple[int, int]


@pytest.fixture(scope="module")
def modern() -> Iterator[Modern]:
    if "nginx" in missing_tools():
        pytest.skip("nginx is not installed (package nginx-light)")
    with NginxServer((("a.example", RSA), ("b.example", OTHER))).start(ADDRESS) as nginx:
        counts = []
        seen = []
        for depth in Depth:
            tally = Tally()
            with Proxy(nginx.address, nginx.port, tally=tally).start(ADDRESS) as running:
                seen.append(look_at(running, depth))
            counts.append(tally.connections)
        yield Modern(seen[0], seen[1], (counts[0], counts[1]))


def test_a_verdict_on_a_modern_server_takes_15_connections(modern: Modern) -> None:
    assert modern.counted[0] == modern.verdict.connections <= 15


def test_the_full_picture_takes_25_connections_more_than_there_are_suites(modern: Modern) -> None:
    suites = sum(len(names(modern.full, version)) for version in TlsVersion)
    assert modern.counted[1] == modern.full.connections <= suites + 25


def test_both_depths_see_the_same_versions(modern: Modern) -> None:
    assert offered(modern.verdict) == offered(modern.full) == {_1_2, _1_3}


def test_a_verdict_settles_every_class_of_suites(modern: Modern) -> None:
    assert accepted_classes(modern.verdict) == {SuiteClass.AEAD, SuiteClass.FORWARD_SECRECY}


def test_a_verdict_does_not_claim_to_know_every_suite(modern: Modern) -> None:
    assert not facts(modern.verdict).offer(_1_2).settles(SuiteClass.EVERY)


def test_the_full_picture_names_every_suite(modern: Modern) -> None:
    assert names(modern.full, _1_2) == {
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        # The second virtual host's key is of the other type, and nginx offers what any of them can do.
    }
    assert names(modern.full, _1_3) == {
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
    }
    assert facts(modern.full).offer(_1_2).settled == (SuiteClass.EVERY,)


def test_the_full_picture_names_every_group(modern: Modern) -> None:
    groups = facts(modern.full).groups
    assert not isinstance(groups, Gap)
    assert {"x25519", "secp256r1", "secp384r1", "secp521r1", "x448"} <= set(groups)
    assert facts(modern.full).groups_below == EVERY_GROUP


def test_who_prefers_is_seen(modern: Modern) -> None:
    assert facts(modern.full).offer(_1_2).preference == "client"


def test_all_that_the_rules_ask_is_settled_by_the_verdict(modern: Modern) -> None:
    tls = facts(modern.verdict)
    assert (tls.dh_bits, tls.client_certificate) == (0, "not-asked")
    assert (tls.secure_renegotiation, tls.client_renegotiation) == (True, False)
    assert (tls.extended_master_secret, tls.compression, tls.heartbeat) == (True, False, False)
    assert (tls.heartbleed, tls.ccs_injection, tls.early_data) == (False, False, False)
    assert (tls.weak_signatures, tls.alpn, tls.downgrade_mark) == ((), ("http/1.1",), True)


def test_the_chain_is_the_one_for_the_name(modern: Modern) -> None:
    [chain] = chains(modern.verdict).chains
    assert (chain.slot, chain.certificates) == ("RSA", RSA.certificates)


def test_without_a_name_the_same_chain_comes(modern: Modern) -> None:
    assert chains(modern.verdict).without_name == WithoutName()


@needs_nginx
def test_without_a_name_another_chain_comes() -> None:
    seen = look(NginxServer((("b.example", OTHER), ("a.example", EC))))
    without = chains(seen).without_name
    assert isinstance(without, WithoutName)
    assert [chain.certificates for chain in without.chains] == [OTHER.certificates]


def test_without_a_name_nothing_comes() -> None:
    strict = TlsServer((OTHER,), virtual_hosts=(("a.example", EC),), strict_names=True)
    assert chains(look(strict)).without_name == WithoutName(refused=True)


@needs_nginx
def test_early_data_is_seen() -> None:
    seen = look(NginxServer((("a.example", EC),), early_data=True))
    assert facts(seen).early_data is True


# --- Other servers -------------------------------------------------------------------------------------------


def test_tls_1_3_alone() -> None:
    seen = look(TlsServer((RSA, EC), minimum=V1_3))
    assert offered(seen) == {_1_3}
    assert {chain.slot: chain.certificates for chain in chains(seen).chains} == {
        "RSA": RSA.certificates,
        "ECDSA": EC.certificates,
    }


def test_both_certificates_of_a_server_are_seen() -> None:
    seen = look(TlsServer((RSA, EC)))
    assert {chain.slot: chain.certificates for chain in chains(seen).chains} == {
        "RSA": RSA.certificates,
        "ECDSA": EC.certificates,
    }


@pytest.mark.parametrize(
    ("minimum", "maximum", "versions"),
    [
        (V1_0, V1_0, {_1_0}),
        (V1_1, V1_1, {_1_1}),
        (V1_2, V1_2, {_1_2}),
        (V1_0, V1_2, {_1_0, _1_1, _1_2}),
        (V1_1, V1_3, {_1_1, _1_2, _1_3}),
    ],
)
def test_versions(minimum: Any, maximum: Any, versions: set[TlsVersion]) -> None:
    seen = look(TlsServer((RSA,), minimum=minimum, maximum=maximum, ciphers=WEAK, weak=True))
    assert offered(seen) == versions


def test_everything_weak_that_openssl_still_has() -> None:
    seen = look(TlsServer((RSA,), minimum=V1_0, ciphers=WEAK, weak=True, dh_bits=1024))
    assert {SuiteClass.NULL, SuiteClass.ANONYMOUS, SuiteClass.CBC, SuiteClass.STATIC} <= accepted_classes(
        seen
    )
    assert facts(seen).dh_primes == (DhPrime(bits=1024, name="RFC 2409 group 2"),)
    assert facts(seen).weak_signatures == ("rsa_pkcs1_sha1",)


@pytest.mark.parametrize("suite", ["AECDH-AES256-SHA", "ADH-AES256-GCM-SHA384"])
def test_anonymous_suites_alone(suite: str) -> None:
    seen = look(TlsServer((), maximum=V1_2, ciphers=suite, weak=True, dh_bits=1024), Depth.FULL)
    assert SuiteClass.ANONYMOUS in accepted_classes(seen)
    assert isinstance(seen.chain, Absent)


def test_a_suite_without_encryption_alone() -> None:
    seen = look(TlsServer((RSA,), maximum=V1_2, ciphers="NULL-SHA256", weak=True))
    assert names(seen, _1_2) == {"TLS_RSA_WITH_NULL_SHA256"}


@pytest.mark.parametrize("depth", Depth)
def test_ssl_3(depth: Depth) -> None:
    seen = look(LegacyServer(RSA, minimum=SSL3, maximum=SSL3), depth)
    assert offered(seen) == {_SSL3}
    assert {SuiteClass.RC4, SuiteClass.BLOCK64} <= accepted_classes(seen)


def test_a_small_prime() -> None:
    server = LegacyServer(
        RSA, minimum=SSL3, maximum=TLSLITE_1_2, ciphers=("aes128",), key_exchanges=("dhe_rsa",), dh_bits=768
    )
    assert facts(look(server)).dh_bits == 768


def test_a_server_that_takes_a_fallback_for_a_wish_is_seen() -> None:
    seen = look(TlsServer((RSA,), minimum=V1_0, maximum=V1_2, ciphers=WEAK, weak=True))
    assert facts(seen).fallback_scsv is True


@pytest.mark.parametrize("asks", ["asked", "required"])
@pytest.mark.parametrize("maximum", [V1_2, V1_3])
def test_client_certificates(asks: Any, maximum: Any) -> None:
    server = TlsServer((EC,), maximum=maximum, client_certificate=asks, client_authorities=(AUTHORITY.root,))
    assert facts(look(server)).client_certificate == asks


def test_starttls() -> None:
    seen = look(smtp(b"STARTTLS", tls=TlsServer((EC,))), starttls="smtp")
    assert facts(seen).starttls == "smtp"
    assert offered(seen) == {_1_2, _1_3}
