"""TLS and certificates, seen on real servers; what there is to see is written by hand from their configuration."""

import contextlib
import dataclasses
import json
import os
import random
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import dh
from tlslite.api import X509, HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey
from tlslite.errors import TLSError, TLSProtocolException

from secscan.collection.tls import TlsCollector, TlsSettings
from secscan.facts import (
    Absent,
    Chain,
    ChainFacts,
    CipherSuite,
    Gap,
    TlsFacts,
    TlsVersion,
    VersionOffer,
    decode,
    encode,
)
from secscan.model import Endpoint, Observation, Reason, Record, Service, Unobserved
from secscan.scope import Gate, ProbeLog, scope_of_addresses, utc_now
from tests.collection.plaintext import smtp
from tests.lab.authority import Authority, Identity
from tests.lab.servers import (
    SSH_GREETING,
    V1_0,
    V1_1,
    V1_2,
    V1_3,
    BannerServer,
    DrippingServer,
    EndlessServer,
    LegacyServer,
    NginxServer,
    OpenSslServer,
    PlainHttpServer,
    ResettingServer,
    Running,
    Server,
    SilentServer,
    StallingServer,
    TlsServer,
    missing_tools,
)
from tests.lab.servers.legacy import TLS1_2
from tests.lab.servers.listening import Conversation, ThreadedServer
from tests.lab.servers.primes import SMALL_PRIMES

ADDRESS = "127.77.3.1"
DEADLINE = 20.0
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


@pytest.fixture(scope="module")
def collector() -> Iterator[TlsCollector]:
    made = TlsCollector(TlsSettings(deadline=DEADLINE))
    yield made
    made.close()


def gate(*addresses: str) -> Gate:
    return Gate(scope_of_addresses(addresses or [ADDRESS]), ProbeLog(None))


def endpoint(running: Running, server_name: str = "a.example") -> Endpoint:
    return Endpoint(Service("web1", "tcp", running.port, server_name), running.address)


def look(collector: TlsCollector, server: Server, server_name: str = "a.example") -> dict[str, Record]:
    with server.start(ADDRESS) as running:
        return records_of(collector, running, server_name)


def records_of(
    collector: TlsCollector, running: Running, server_name: str = "a.example"
) -> dict[str, Record]:
    records = list(collector.collect([endpoint(running, server_name)], gate(running.address)))
    assert sorted(record.kind for record in records) == ["chain", "tls"]
    return {record.kind: record for record in records}


def tls_of(records: dict[str, Record]) -> TlsFacts:
    record = records["tls"]
    assert isinstance(record, Observation), record
    assert isinstance(record.facts, TlsFacts)
    return record.facts


def chains_of(records: dict[str, Record]) -> tuple[Chain, ...]:
    record = records["chain"]
    assert isinstance(record, Observation), record
    assert isinstance(record.facts, ChainFacts), record.facts
    return record.facts.chains


def offered(facts: TlsFacts) -> set[TlsVersion]:
    """The versions offered; of every other one it must be known that it is not."""
    assert not [offer for offer in facts.versions if isinstance(offer.offered, Gap)]
    return {offer.version for offer in facts.versions if offer.offered}


def suites(facts: TlsFacts, version: TlsVersion) -> set[str]:
    read = facts.offer(version).suites
    assert not isinstance(read, Gap), read
    return {suite.name for suite in read}


@dataclass(frozen=True)
class WatchingServer(TlsServer):
    """Remembers which server names it was asked for; None where there was none."""

    names: set[str | None] = field(default_factory=set)

    def _context(self, identities: tuple[Identity, ...]) -> ssl.SSLContext:
        context = super()._context(identities)
        context.sni_callback = lambda _connection, name, _context: self.names.add(name)
        return context


@dataclass(frozen=True)
class TlsliteServer(ThreadedServer):
    """By tlslite-ng, which sends any bytes as its certificate as long as it finds a key in them, and takes any prime."""

    identity: Identity
    settings: HandshakeSettings
    certificate: bytes = b""

    def conversation(self) -> Conversation:
        certificate = X509()
        certificate.parseBinary(bytearray(self.certificate or self.identity.certificates[0]))
        chain = X509CertChain([certificate])
        key = parsePEMKey(self.identity.key_pem.decode("ascii"), private=True, implementations=["python"])

        def converse(connection: socket.socket, ending: threading.Event) -> None:
            with contextlib.suppress(TLSError, TLSProtocolException):
                TLSConnection(connection).handshakeServer(
                    certChain=chain, privateKey=key, settings=self.settings
                )

        return converse


def tlslite_settings(version: tuple[int, int], key_exchange: str) -> HandshakeSettings:
    settings = HandshakeSettings()
    settings.minVersion, settings.maxVersion = version, version
    settings.cipherNames = ["aes128"] if version < (3, 4) else ["aes128gcm"]
    settings.keyExchangeNames, settings.macNames = [key_exchange], ["sha", "aead"]
    return settings


@dataclass(frozen=True)
class FlakyServer(ThreadedServer):
    """Resets a part of all connections, picked by chance, and otherwise serves."""

    tls: TlsServer
    resets: float
    seed: int

    def conversation(self) -> Conversation:
        serve, reset = self.tls.conversation(), ResettingServer().conversation()
        chance = random.Random(self.seed)

        def converse(connection: socket.socket, ending: threading.Event) -> None:
            (reset if chance.random() < self.resets else serve)(connection, ending)

        return converse


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"not within {seconds:g} s: {what}"
        time.sleep(0.01)


def parent_of(process: int) -> int | None:
    """None where there is no such process any more."""
    try:
        # The name, in parentheses, may hold anything; the state and the parent come after it.
        state, parent = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in "ZX" else int(parent)


def children_of(process: int) -> set[int]:
    return {
        int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and parent_of(int(p.name)) == process
    }


def audit_processes(parent: int) -> set[int]:
    """The nurseries that are children of a process, and the audits that are children of those."""
    nurseries = {
        child
        for child in children_of(parent)
        if b"secscan.collection.sslyze_process" in Path(f"/proc/{child}/cmdline").read_bytes()
    }
    return nurseries.union(*map(children_of, nurseries))


def the_only(processes: Callable[[], set[int]], seconds: float = 10.0) -> int:
    """The process that audits come from, once all audits are gone."""
    wait_for(lambda: len(processes()) == 1, "one process is left", seconds)
    [process] = processes()
    return process


@pytest.fixture
def processes() -> Callable[[], set[int]]:
    """Says which processes for audits there are, beside those that there were before the test."""
    before = audit_processes(os.getpid())
    return lambda: audit_processes(os.getpid()) - before


# --- What a server offers -----------------------------------------------------------------------------------


def test_everything_there_is_to_know_of_a_modern_server(collector: TlsCollector) -> None:
    server = TlsServer((GOOD,), ciphers="ECDHE-ECDSA-AES256-GCM-SHA384", maximum=V1_2, group="secp384r1")
    facts = tls_of(look(collector, server))
    suite = CipherSuite(name="TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", key_size=256)
    assert facts == TlsFacts(
        starttls="",
        versions=tuple(
            VersionOffer(version=version, offered=version is _1_2, suites=(suite,) if version is _1_2 else ())
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
    )


def test_tls_1_2_and_1_3(collector: TlsCollector) -> None:
    facts = tls_of(look(collector, TlsServer((GOOD,))))
    assert offered(facts) == {_1_2, _1_3}
    assert suites(facts, _1_2) == {
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    }
    assert facts.offer(_1_3).suites == tuple(
        CipherSuite(name=name, key_size=size) for name, size in sorted(TLS_1_3_SUITES.items())
    )


@needs_openssl
def test_groups_beside_that_of_the_certificate(collector: TlsCollector) -> None:
    # In TLS 1.2 it refuses whoever does not know the curve of its certificate, secp256r1.
    facts = tls_of(look(collector, OpenSslServer(GOOD, ("-tls1_2", "-groups", "X25519:P-256:P-384"))))
    assert facts.groups == ("secp256r1", "secp384r1", "x25519")


def test_tls_1_3_only(collector: TlsCollector) -> None:
    facts = tls_of(look(collector, TlsServer((GOOD,), minimum=V1_3)))
    assert offered(facts) == {_1_3}
    assert suites(facts, _1_3) == set(TLS_1_3_SUITES)
    assert (facts.compression, facts.client_renegotiation, facts.robot) == (False, False, "none")


def test_tls_1_0_only(collector: TlsCollector) -> None:
    server = TlsServer(
        (RSA,), minimum=V1_0, maximum=V1_0, ciphers="AES128-SHA:ECDHE-RSA-AES128-SHA", weak=True
    )
    facts = tls_of(look(collector, server))
    assert offered(facts) == {_1_0}
    assert suites(facts, _1_0) == {"TLS_RSA_WITH_AES_128_CBC_SHA", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"}
    assert facts.robot == "none"


def test_versions_in_between(collector: TlsCollector) -> None:
    server = TlsServer((RSA,), minimum=V1_0, maximum=V1_2, ciphers="AES128-SHA", weak=True)
    facts = tls_of(look(collector, server))
    assert offered(facts) == {_1_0, _1_1, _1_2}
    assert facts.fallback_scsv is True


def test_ssl_3_with_rc4_and_3des(collector: TlsCollector) -> None:
    facts = tls_of(look(collector, LegacyServer(AUTHORITY.good("a.example", key="rsa-1024"))))
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
def test_suites_that_sslyzes_scanner_gives_up_on(
    collector: TlsCollector, ciphers: str, expected: set[str]
) -> None:
    facts = tls_of(look(collector, TlsServer((RSA,), maximum=V1_2, ciphers=ciphers, weak=True)))
    assert suites(facts, _1_2) == expected


def test_more_suites_than_fit_in_a_hello(collector: TlsCollector) -> None:
    facts = tls_of(look(collector, TlsServer((GOOD, RSA), maximum=V1_2, ciphers="ALL:eNULL", weak=True)))
    names = suites(facts, _1_2)
    assert len(names) > 40
    # The newest and the oldest of what Python's OpenSSL may have.
    assert {"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "TLS_RSA_WITH_NULL_SHA"} <= names


@pytest.mark.parametrize("bits", [512, 768, 1024])
def test_the_size_of_a_small_prime(collector: TlsCollector, bits: int) -> None:
    settings = tlslite_settings(TLS1_2, "dhe_rsa")
    # OpenSSL takes a second to find a prime of 512 bits, and a minute for one of 1024.
    prime = SMALL_PRIMES.get(bits) or dh.generate_parameters(2, bits).parameter_numbers().p
    settings.dhParams = (2, prime)
    facts = tls_of(look(collector, TlsliteServer(RSA, settings)))
    assert facts.dh_bits == bits
    assert suites(facts, _1_2) == {"TLS_DHE_RSA_WITH_AES_128_CBC_SHA"}
    assert facts.groups == ()


@pytest.mark.parametrize("asks", ["not-asked", "asked", "required"])
@pytest.mark.parametrize(("minimum", "maximum"), [(V1_2, V1_2), (V1_3, V1_3)], ids=["1.2", "1.3"])
def test_client_certificates(collector: TlsCollector, asks: str, minimum: object, maximum: object) -> None:
    server = TlsServer(
        (GOOD,),
        minimum=minimum,  # type: ignore[arg-type]
        maximum=maximum,  # type: ignore[arg-type]
        client_certificate=asks,  # type: ignore[arg-type]
        client_authorities=(AUTHORITY.root,),
    )
    records = look(collector, server)
    facts = tls_of(records)
    assert facts.client_certificate == asks
    assert len(offered(facts)) == 1
    assert not isinstance(facts.groups, Gap)
    assert [chain.certificates for chain in chains_of(records)] == [GOOD.certificates]


@needs_openssl
def test_renegotiation_on_a_clients_wish(collector: TlsCollector) -> None:
    facts = tls_of(look(collector, OpenSslServer(GOOD, ("-client_renegotiation",))))
    assert facts.client_renegotiation is True
    assert facts.secure_renegotiation is True


@needs_nginx
def test_early_data(collector: TlsCollector) -> None:
    for wanted in (False, True):
        server = NginxServer((("a.example", GOOD),), early_data=wanted)
        assert tls_of(look(collector, server)).early_data is wanted


def test_a_server_that_insists_on_a_name_is_not_called_safe_by_probes_that_send_none(
    collector: TlsCollector,
) -> None:
    server = TlsServer((), virtual_hosts=(("a.example", GOOD),), strict_names=True, maximum=V1_2)
    facts = tls_of(look(collector, server))
    assert isinstance(facts.heartbleed, Gap)
    assert isinstance(facts.ccs_injection, Gap)
    assert offered(facts) == {_1_2}


def test_a_server_that_refuses_the_name_is_unobserved(collector: TlsCollector) -> None:
    server = TlsServer((), virtual_hosts=(("b.example", GOOD),), strict_names=True)
    for record in look(collector, server).values():
        assert isinstance(record, Unobserved)
        assert record.reason is Reason.REFUSED


@pytest.mark.parametrize("seed", range(3))
def test_what_a_server_offers_is_never_denied_because_of_lost_connections(
    collector: TlsCollector, seed: int
) -> None:
    server = TlsServer((RSA,), minimum=V1_1, ciphers="ECDHE+AESGCM:AES128-SHA", weak=True)
    truth = tls_of(look(collector, server))
    seen = look(collector, FlakyServer(server, 0.2, seed))["tls"]
    if isinstance(seen, Unobserved):
        return
    for offer, true in zip(seen.facts.versions, truth.versions, strict=True):
        assert isinstance(offer.offered, Gap) or offer.offered is true.offered
        assert isinstance(offer.suites, Gap) or offer.suites == true.suites
    for name in TlsFacts.__struct_fields__:
        value = getattr(seen.facts, name)
        assert name == "versions" or isinstance(value, Gap) or value == getattr(truth, name), name


def test_facts_of_the_same_server_are_equal_byte_for_byte(collector: TlsCollector) -> None:
    with TlsServer((GOOD, RSA), ciphers="ALL", weak=True, minimum=V1_1).start(ADDRESS) as running:
        first, second = (records_of(collector, running) for _ in range(2))
    assert encode(tls_of(first)) == encode(tls_of(second))
    for kind in ("tls", "chain"):
        a, b = first[kind], second[kind]
        assert isinstance(a, Observation)
        assert isinstance(b, Observation)
        assert encode(a.facts) == encode(b.facts)


def test_facts_survive_storage(collector: TlsCollector) -> None:
    facts = tls_of(look(collector, TlsServer((GOOD,))))
    assert decode(TlsFacts, TlsFacts.version, encode(facts)) == facts


# --- Certificates -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "identity",
    [
        pytest.param(GOOD, id="good"),
        pytest.param(AUTHORITY.self_signed("a.example"), id="self-signed"),
        pytest.param(AUTHORITY.expired("a.example"), id="expired"),
        pytest.param(AUTHORITY.misordered("a.example"), id="misordered"),
        pytest.param(AUTHORITY.incomplete("a.example"), id="incomplete"),
    ],
)
def test_certificates_are_those_that_were_sent_in_the_order_they_were(
    collector: TlsCollector, identity: object
) -> None:
    chains = chains_of(look(collector, TlsServer((identity,))))  # type: ignore[arg-type]
    assert [chain.certificates for chain in chains] == [identity.certificates]  # type: ignore[attr-defined]


@pytest.mark.parametrize("minimum", [V1_2, V1_3], ids=["1.2", "1.3 only"])
def test_a_certificate_for_each_key_type(collector: TlsCollector, minimum: object) -> None:
    chains = chains_of(look(collector, TlsServer((GOOD, RSA), minimum=minimum)))  # type: ignore[arg-type]
    assert [(chain.slot, chain.certificates) for chain in chains] == [
        ("ECDSA", GOOD.certificates),
        ("RSA", RSA.certificates),
    ]


@pytest.mark.parametrize("maximum", [V1_2, V1_3], ids=["1.2", "1.3"])
def test_ed25519(collector: TlsCollector, maximum: object) -> None:
    identity = AUTHORITY.good("a.example", key="ed25519")
    records = look(collector, TlsServer((identity,), maximum=maximum))  # type: ignore[arg-type]
    assert [(c.slot, c.certificates) for c in chains_of(records)] == [("Ed25519", identity.certificates)]
    assert "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" in suites(tls_of(records), _1_2)


@needs_openssl
def test_a_stapled_answer_is_kept_byte_for_byte(collector: TlsCollector) -> None:
    staple = AUTHORITY.good_staple(GOOD)
    [chain] = chains_of(look(collector, OpenSslServer(GOOD, staple=staple)))
    assert chain.ocsp == staple


def test_no_stapled_answer(collector: TlsCollector) -> None:
    [chain] = chains_of(look(collector, TlsServer((GOOD,))))
    assert chain.ocsp is None


def test_a_server_without_certificates(collector: TlsCollector) -> None:
    records = look(collector, TlsServer((), maximum=V1_2, ciphers="aNULL", weak=True))
    chain = records["chain"]
    assert isinstance(chain, Observation)
    assert isinstance(chain.facts, Absent)
    assert all("_anon_" in name for name in suites(tls_of(records), _1_2))


@pytest.mark.parametrize(
    ("version", "expected"),
    [((3, 3), {"TLS_RSA_WITH_AES_128_CBC_SHA"}), ((3, 4), {"TLS_AES_128_GCM_SHA256"})],
    ids=["1.2", "1.3"],
)
def test_certificates_that_openssl_cant_read(
    collector: TlsCollector, version: tuple[int, int], expected: set[str]
) -> None:
    der = bytearray(RSA.certificates[0])
    # The begin of validity, a UTCTime of 13 bytes, becomes a NULL with content: as long as before, and no certificate.
    der[der.index(b"\x17\x0d")] = 0x05
    records = look(collector, TlsliteServer(RSA, tlslite_settings(version, "rsa"), bytes(der)))
    chain = records["chain"]
    assert isinstance(chain, Unobserved)
    assert chain.reason is Reason.MALFORMED
    facts = tls_of(records)
    assert suites(facts, _1_3 if version == (3, 4) else _1_2) == expected


def test_virtual_hosts_are_told_apart_by_name(collector: TlsCollector) -> None:
    b = AUTHORITY.good("b.example")
    server = TlsServer((GOOD,), virtual_hosts=(("b.example", b),))
    with server.start(ADDRESS) as running:
        targets = [endpoint(running, name) for name in ("a.example", "b.example", "")]
        seen = {
            record.target.service.server_name: chains_of({"chain": record})[0].certificates
            for record in collector.collect(targets, gate())
            if record.kind == "chain" and isinstance(record.target, Endpoint)
        }
    assert seen == {"a.example": GOOD.certificates, "b.example": b.certificates, "": GOOD.certificates}


def test_no_name_is_sent_where_none_is_declared(collector: TlsCollector) -> None:
    server = WatchingServer((GOOD,))
    with server.start(ADDRESS) as running:
        records_of(collector, running, "")
    assert server.names == {None}


def test_names_in_any_script_go_over_the_wire_in_ascii(collector: TlsCollector) -> None:
    server = WatchingServer((GOOD,))
    with server.start(ADDRESS) as running:
        records_of(collector, running, "cổng.example")
    # Two of sslyze's probes send no name at all.
    assert server.names == {"xn--cng-qmz.example", None}


def test_ipv6(collector: TlsCollector) -> None:
    try:
        server = TlsServer((GOOD,)).start("::1")
    except OSError:
        pytest.skip("there is no ::1 here")
    with server as running:
        assert offered(tls_of(records_of(collector, running))) == {_1_2, _1_3}


# --- STARTTLS -----------------------------------------------------------------------------------------------


def test_starttls(collector: TlsCollector) -> None:
    records = look(collector, smtp(b"SIZE 1000", b"STARTTLS", tls=TlsServer((GOOD,))))
    facts = tls_of(records)
    assert facts.starttls == "smtp"
    assert offered(facts) == {_1_2, _1_3}
    assert chains_of(records)[0].certificates == GOOD.certificates


def test_no_starttls(collector: TlsCollector) -> None:
    for record in look(collector, smtp(b"SIZE 1000")).values():
        assert isinstance(record, Observation)
        assert record.facts == Absent(heard="SMTP without TLS", protocol="smtp")


# --- Those that speak no TLS, and those that mean harm ------------------------------------------------------


@pytest.mark.parametrize(
    ("server", "heard", "protocol"),
    [
        pytest.param(PlainHttpServer(), "plain HTTP", "http", id="HTTP"),
        pytest.param(BannerServer(SSH_GREETING), "an SSH banner", "ssh", id="SSH"),
        pytest.param(EndlessServer(), "text that is no TLS", "", id="endless"),
    ],
)
def test_what_is_no_tls_is_absent(collector: TlsCollector, server: Server, heard: str, protocol: str) -> None:
    for record in look(collector, server).values():
        assert isinstance(record, Observation)
        assert record.facts == Absent(heard=heard, protocol=protocol)


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        pytest.param(SilentServer(), Reason.TIMED_OUT, id="silent"),
        pytest.param(DrippingServer(interval=0.9), Reason.TIMED_OUT, id="drips"),
        pytest.param(
            DrippingServer(in_handshake=True, interval=0.3), Reason.TIMED_OUT, id="drips in a handshake"
        ),
        pytest.param(StallingServer(GOOD), Reason.TIMED_OUT, id="stalls in a handshake"),
        pytest.param(ResettingServer(), Reason.REFUSED, id="resets"),
    ],
)
def test_who_hinders_is_unobserved_and_over_in_time(
    server: Server, reason: Reason, processes: Callable[[], set[int]]
) -> None:
    deadline = 3.0
    with contextlib.closing(TlsCollector(TlsSettings(deadline=deadline))) as hurried:
        look(hurried, TlsServer((GOOD,)))  # So that its process is there: making it takes its time.
        began = time.monotonic()
        records = look(hurried, server)
        assert time.monotonic() - began < deadline + 1
        wait_for(
            lambda: len(processes()) == 1, "the audit is gone, and only the process it came from is left"
        )
    for record in records.values():
        assert isinstance(record, Unobserved), record
        assert record.reason is reason
        assert record.detail
    wait_for(lambda: not processes(), "every process is gone")


def test_an_audit_is_killed_at_its_deadline(processes: Callable[[], set[int]]) -> None:
    with (
        contextlib.closing(TlsCollector(TlsSettings(deadline=3))) as collector,
        DrippingServer(in_handshake=True, interval=0.2).start(ADDRESS) as running,
    ):
        record = records_of(collector, running)["tls"]
        the_only(processes, seconds=1)
    assert isinstance(record, Unobserved)
    assert "ended at its deadline of 3 s" in record.detail


def test_a_server_that_stalls_is_not_tried_until_the_deadline() -> None:
    with contextlib.closing(TlsCollector(TlsSettings(deadline=60, patience=1))) as collector:
        look(collector, TlsServer((GOOD,)))
        began = time.monotonic()
        record = look(collector, StallingServer(GOOD))["tls"]
        assert time.monotonic() - began < 6
    assert isinstance(record, Unobserved)
    assert "silent for 1 s in every handshake" in record.detail


def test_hostile_servers_do_not_hold_up_others(collector: TlsCollector) -> None:
    with contextlib.ExitStack() as running:
        held_up = [running.enter_context(DrippingServer(in_handshake=True).start(ADDRESS)) for _ in range(4)]
        fine = [running.enter_context(TlsServer((GOOD,)).start(ADDRESS)) for _ in range(4)]
        with contextlib.closing(collector.collect([endpoint(r) for r in held_up + fine], gate())) as records:
            first = [next(records) for _ in range(2 * len(fine))]
    assert {record.target for record in first if isinstance(record, Observation)} == {
        endpoint(r) for r in fine
    }


# --- Processes ----------------------------------------------------------------------------------------------


def test_closing_early_ends_the_processes(processes: Callable[[], set[int]]) -> None:
    collector = TlsCollector()
    with DrippingServer(in_handshake=True).start(ADDRESS) as slow, TlsServer((GOOD,)).start(ADDRESS) as fine:
        records = collector.collect([endpoint(slow), endpoint(fine)], gate())
        next(records)
        assert processes()
        records.close()
        wait_for(lambda: not processes(), "every process is gone", seconds=1)


def test_nothing_is_started_after_closing(processes: Callable[[], set[int]]) -> None:
    collector = TlsCollector()
    with contextlib.ExitStack() as started:
        running = [started.enter_context(TlsServer((GOOD,)).start(ADDRESS)) for _ in range(30)]
        records = collector.collect([endpoint(r) for r in running], gate())
        next(records)
        records.close()
        wait_for(
            lambda: not any(thread.name.startswith("tls ") for thread in threading.enumerate()),
            "no thread is left",
        )
        assert not processes()


def test_a_collector_that_is_forgotten_leaves_no_process(processes: Callable[[], set[int]]) -> None:
    look(TlsCollector(), TlsServer((GOOD,)))
    wait_for(lambda: not processes(), "every process is gone")


def test_a_killed_parent_leaves_no_process() -> None:
    with DrippingServer(in_handshake=True, interval=0.2).start(ADDRESS) as slow:
        parent = subprocess.Popen([sys.executable, "-c", _PARENT, slow.address, str(slow.port)])
        try:
            wait_for(lambda: len(audit_processes(parent.pid)) == 2, "the audit is under way")
            left = audit_processes(parent.pid)
        finally:
            parent.kill()
            parent.wait()
        wait_for(lambda: all(parent_of(process) is None for process in left), "every process is gone")


_PARENT = """
import sys
from secscan.collection.tls import TlsCollector
from secscan.model import Endpoint, Service
from secscan.scope import Gate, ProbeLog, scope_of_addresses
address, port = sys.argv[1], int(sys.argv[2])
gate = Gate(scope_of_addresses([address]), ProbeLog(None))
list(TlsCollector().collect([Endpoint(Service("web1", "tcp", port), address)], gate))
"""


def test_an_audit_that_crashes_costs_no_more_than_itself(processes: Callable[[], set[int]]) -> None:
    with (
        contextlib.closing(TlsCollector()) as collector,
        DrippingServer(in_handshake=True, interval=0.1).start(ADDRESS) as slow,
        ThreadPoolExecutor() as threads,
    ):
        crashed = threads.submit(records_of, collector, slow)
        wait_for(lambda: len(processes()) == 2, "the audit is under way")
        [audit] = [process for process in processes() if parent_of(process) in processes()]
        os.kill(audit, signal.SIGSEGV)
        for record in crashed.result().values():
            assert isinstance(record, Unobserved)
            assert record.reason is Reason.UNREADABLE
        nursery = the_only(processes)
        assert offered(tls_of(look(collector, TlsServer((GOOD,)))))
        assert the_only(processes) == nursery


def test_the_process_that_audits_come_from_is_replaced(processes: Callable[[], set[int]]) -> None:
    with contextlib.closing(TlsCollector()) as collector:
        look(collector, TlsServer((GOOD,)))
        nursery = the_only(processes)
        os.kill(nursery, signal.SIGKILL)
        wait_for(lambda: not processes(), "it is gone")
        assert offered(tls_of(look(collector, TlsServer((GOOD,)))))


def test_audits_see_nothing_of_our_environment(
    monkeypatch: pytest.MonkeyPatch, processes: Callable[[], set[int]]
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    monkeypatch.setenv("SECSCAN_DB_PASSWORD", "secret")
    with contextlib.closing(TlsCollector()) as collector:
        look(collector, TlsServer((GOOD,)))
        nursery = the_only(processes)
        environment = Path(f"/proc/{nursery}/environ").read_bytes()
        folder = Path(f"/proc/{nursery}/cwd").readlink()
        limits = Path(f"/proc/{nursery}/limits").read_text("ascii")
    names = {entry.partition(b"=")[0] for entry in environment.split(b"\0") if entry}
    assert names <= {b"PATH", b"LANG", b"LC_CTYPE"}
    assert folder == Path("/")
    assert re.search(r"Max core file size +0 +0 ", limits)
    assert not re.search(r"Max address space +unlimited", limits)


# --- Scope ----------------------------------------------------------------------------------------------------


def test_outside_the_scope_nothing_is_asked(collector: TlsCollector) -> None:
    server = WatchingServer((GOOD,))
    with server.start(ADDRESS) as running:
        records = list(collector.collect([endpoint(running)], gate("127.77.3.2")))
    assert [record.reason for record in records if isinstance(record, Unobserved)] == [
        Reason.OUT_OF_SCOPE
    ] * 2
    assert server.names == set()


def test_every_connection_was_admitted(collector: TlsCollector, tmp_path: Path) -> None:
    log = tmp_path / "probes.jsonl"
    with TlsServer((RSA,), ciphers="ALL", weak=True).start(ADDRESS) as running, ProbeLog(log) as probes:
        records = list(collector.collect([endpoint(running)], Gate(scope_of_addresses([ADDRESS]), probes)))
    assert isinstance(records[0], Observation)
    made = int(records[0].volatile["connections"])
    admitted = [json.loads(line) for line in log.read_text().splitlines()]
    assert sum(line["connections"] for line in admitted if line["what"] == "tls audit") >= made > 40


def test_an_audit_ends_when_the_scope_does(collector: TlsCollector) -> None:
    calls = count()

    def clock() -> datetime:
        # The hello and the audit's first turn are let through.
        return utc_now() if next(calls) < 6 else utc_now() + timedelta(days=3)

    scope = dataclasses.replace(scope_of_addresses([ADDRESS]), expires=date.today() + timedelta(days=1))  # noqa: DTZ011
    with TlsServer((RSA,), ciphers="ALL", weak=True).start(ADDRESS) as running:
        records = list(collector.collect([endpoint(running)], Gate(scope, ProbeLog(None), clock=clock)))
    [tls] = [record for record in records if record.kind == "tls"]
    gaps = (
        [tls.reason]
        if isinstance(tls, Unobserved)
        else [
            value.reason
            for value in map(tls.facts.__getattribute__, tls.facts.__struct_fields__)
            if isinstance(value, Gap)
        ]
    )
    assert Reason.OUT_OF_SCOPE in gaps


def test_other_transports_are_left_alone(collector: TlsCollector) -> None:
    target = Endpoint(Service("web1", "udp", 443), ADDRESS)
    records = list(collector.collect([target], gate()))
    assert [record.reason for record in records if isinstance(record, Unobserved)] == [
        Reason.NOT_COLLECTED
    ] * 2


def test_no_targets(collector: TlsCollector) -> None:
    assert list(collector.collect([], gate())) == []
