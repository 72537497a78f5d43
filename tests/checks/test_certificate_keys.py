"""Keys that look well and are not, and the form of certificates, by table."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from secscan.checks._roca import has_roca_fingerprint
from secscan.facts import ChainFacts
from secscan.facts.certificate import Certificate, PublicKey, read_certificate
from secscan.model import Host, Reason, Severity
from secscan.reference import FleetKeys
from tests.certificates import (
    DAY,
    FAIL,
    GARBAGE,
    NOT_APPLICABLE,
    PASS,
    UNKNOWN,
    Case,
    checks,
    judge,
    lacking,
    private_server,
    root,
    server,
    sub,
)
from tests.factories import AT, NAME, chain_facts, issue, issue_authority

# --- Keys -----------------------------------------------------------------------------------------------


def _of_modulus(modulus: int) -> ChainFacts:
    key = RSAPublicNumbers(65537, modulus).public_key()
    template = issue(by=sub()).x509
    builder = x509.CertificateBuilder().subject_name(template.subject).issuer_name(template.issuer)
    made = builder.public_key(key).serial_number(1).not_valid_before(AT - DAY).not_valid_after(AT + DAY)
    return chain_facts(made.sign(sub().key, hashes.SHA256()).public_bytes(Encoding.DER), sub())


def _product(numbers: Sequence[int]) -> int:
    product = 1
    for number in numbers:
        product *= number
    return product


def _roca_modulus(first: int = 12345, second: int = 67891, bits: int = 2048) -> int:
    """Of the library's shape: each factor k*M + (65537^a mod M). Whether it is a prime plays no part here."""
    # The product of the first 126 primes, which is what keys of 2048 bits are made with.
    primes = [p for p in range(2, 702) if all(p % d for d in range(2, p))]
    m = _product(primes)
    half = 1 << (bits // 2 - 1)
    return _product([half // m * m + k * m + pow(65537, a, m) for k, a in ((1, first), (2, second))])


@lru_cache
def own_key() -> str:
    certificate = read_certificate(server().chains[0].certificates[0])
    assert isinstance(certificate, Certificate)
    assert isinstance(certificate.key, PublicKey)
    assert certificate.key.sha256 is not None
    return certificate.key.sha256


@lru_cache
def rsa_key() -> str:
    certificate = read_certificate(server(key="rsa-2048").chains[0].certificates[0])
    assert isinstance(certificate, Certificate)
    assert isinstance(certificate.key, PublicKey)
    assert certificate.key.sha256 is not None
    return certificate.key.sha256


def held(**holders: tuple[str, ...]) -> Callable[[], FleetKeys]:
    return lambda: FleetKeys(holders={own_key(): holders})


def _gost() -> ChainFacts:
    """A key of a type that nothing here knows."""
    der = server(key="rsa-2048").chains[0].certificates[0]
    algorithm = bytes.fromhex("2a864886f70d010101")
    return chain_facts(der.replace(algorithm, bytes.fromhex("2a864886f70d01017f")), sub())


KEYS = [
    Case(checks.curve, "P-256", server, PASS, "secp256r1"),
    Case(checks.curve, "P-384", lambda: server(key="secp384r1"), PASS),
    Case(
        checks.curve, "of Bitcoin", lambda: server(key="secp256k1"), FAIL, "secp256k1; clients know secp256r1"
    ),
    Case(
        checks.curve,
        "of Bitcoin, where the baseline knows it",
        lambda: server(key="secp256k1"),
        PASS,
        limits={"curves": ["secp256k1"]},
    ),
    Case(checks.curve, "RSA", lambda: server(key="rsa-2048"), NOT_APPLICABLE, "RSA"),
    Case(checks.curve, "of an issuer", lambda: chain_facts(issue(by=_odd()), _odd()), FAIL, object="ECDSA/1"),
    Case(checks.curve, "garbage", lambda: chain_facts(GARBAGE), UNKNOWN, reason=Reason.MALFORMED),
    Case(
        checks.roca,
        "of the faulty library",
        lambda: _of_modulus(_roca_modulus()),
        FAIL,
        "has the fingerprint",
    ),
    Case(checks.roca, "of the same, plus two", lambda: _of_modulus(_roca_modulus() + 2), PASS),
    Case(checks.roca, "of OpenSSL", lambda: server(key="rsa-2048"), PASS),
    Case(checks.roca, "not RSA", server, NOT_APPLICABLE),
    Case(checks.roca, "garbage", lambda: chain_facts(GARBAGE), UNKNOWN, reason=Reason.MALFORMED),
    Case(checks.shared_prime, "alone", lambda: server(key="rsa-2048"), PASS),
    Case(
        checks.shared_prime,
        "shared by three",
        lambda: server(key="rsa-2048"),
        FAIL,
        "share one: 3",
        fleet=lambda: FleetKeys(sharing_prime={rsa_key(): 3}),
    ),
    Case(
        checks.shared_prime,
        "others share",
        lambda: server(key="rsa-2048"),
        PASS,
        fleet=lambda: FleetKeys(sharing_prime={"0" * 64: 3}),
    ),
    Case(checks.shared_prime, "not RSA", server, NOT_APPLICABLE),
    Case(checks.shared_prime, "garbage", lambda: chain_facts(GARBAGE), UNKNOWN, reason=Reason.MALFORMED),
    Case(checks.shared_key, "nobody else's", server, PASS),
    Case(checks.shared_key, "on this host twice", server, PASS, fleet=held(ministry=("web-1",))),
    Case(
        checks.shared_key,
        "on another host of the agency",
        server,
        FAIL,
        "of the agency: web-2",
        severity=Severity.LOW,
        fleet=held(ministry=("web-1", "web-2")),
    ),
    Case(
        checks.shared_key,
        "on hosts of another agency",
        server,
        FAIL,
        "how many: 2",
        fleet=held(ministry=("web-1",), other=("secret-1", "secret-2")),
    ),
    Case(
        checks.shared_key,
        "on both",
        server,
        FAIL,
        "on web-2, and on hosts of other agencies; how many of these: 1",
        fleet=held(ministry=("web-1", "web-2"), other=("secret-1",)),
    ),
    Case(checks.shared_key, "of an unknown type", _gost, UNKNOWN, reason=Reason.UNPARSED),
]


def _odd() -> Any:
    return issue_authority("Odd", by=root(), key="secp256k1")


def test_another_agencys_hosts_are_never_named() -> None:
    holders = held(other=("secret-1",), another=("secret-2",))
    case = Case(checks.shared_key, "", server, FAIL, "how many: 2", fleet=holders, host=Host("web-1"))
    judge(case)
    assert "secret" not in str(checks.shared_key.function.__doc__)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**64), st.integers(0, 2**64))
def test_every_modulus_of_the_librarys_shape_has_its_fingerprint(first: int, second: int) -> None:
    assert has_roca_fingerprint(_roca_modulus(first, second))


@settings(max_examples=200, deadline=None)
@given(st.integers(1 << 2046, 1 << 2048))
def test_no_other_modulus_has_it(modulus: int) -> None:
    assert not has_roca_fingerprint(modulus | 1)


def test_powers_of_the_generator_modulo_every_prime_alone_are_not_enough() -> None:
    # A residue of 65537's powers modulo 3 and 5 each, with exponents that no common one has: 65537 is 2 modulo both
    # and has order 2 and 4 there, so an odd exponent modulo 3 can't be an even one modulo 5.
    primes = [p for p in range(3, 168) if all(p % d for d in range(2, p))]
    m = _product(primes)
    residue = next(r for r in (x * (m // 3) + 1 for x in range(3)) if r % 3 == 2)
    assert all(residue % p in {pow(65537, e, p) for e in range(p)} for p in primes)
    assert not has_roca_fingerprint(residue)


# --- Form -----------------------------------------------------------------------------------------------


def with_extension(value: x509.ExtensionType, *, critical: bool, **changes: Any) -> Callable[[], ChainFacts]:
    return lambda: server(extra=[(value, critical)], **changes)


def negative() -> ChainFacts:
    """The sign is the first bit of the number, which the builder keeps clear."""
    der = issue(by=sub(), subject="negative").der
    serial = x509.load_der_x509_certificate(der).serial_number
    encoded = serial.to_bytes(serial.bit_length() // 8 + 1, "big")
    return chain_facts(der.replace(encoded, bytes([0x80 | encoded[0] & 0x3F]) + encoded[1:], 1), sub())


KEY_IDENTIFIER = x509.SubjectKeyIdentifier(b"12345678")

FORM = [
    Case(checks.well_formed, "sound", server, PASS),
    Case(checks.well_formed, "number below zero", negative, FAIL, "serial number, -"),
    Case(
        checks.well_formed,
        "key of 2052 bits",
        lambda: _of_modulus((1 << 2051) | 1),
        FAIL,
        "2052 bits, which is no multiple of 8",
    ),
    Case(
        checks.well_formed,
        "critical identifier",
        with_extension(KEY_IDENTIFIER, critical=True),
        FAIL,
        "identifier of a key",
    ),
    Case(checks.well_formed, "plain identifier", with_extension(KEY_IDENTIFIER, critical=False), PASS),
    Case(
        checks.well_formed,
        "constraints on a server",
        with_extension(x509.NameConstraints([x509.DNSName("vn")], None), critical=True),
        FAIL,
        "constrains names",
    ),
    Case(
        checks.well_formed,
        "signs certificates",
        lambda: server(usages=("digital_signature", "key_cert_sign")),
        FAIL,
        "may sign certificates",
    ),
    Case(
        checks.well_formed,
        "no subject, names not critical",
        lambda: server(subject=""),
        FAIL,
        "alternative names",
    ),
    Case(
        checks.well_formed,
        "an address among the names",
        lambda: private_server_with("192.0.2.300"),
        FAIL,
        "no host can have: 192.0.2.300",
    ),
    Case(checks.well_formed, "an underscore", lambda: private_server_with("a_b.vn"), FAIL, "a_b.vn"),
    Case(checks.well_formed, "a hyphen", lambda: private_server_with("a-b.vn"), PASS),
    Case(checks.well_formed, "an asterisk", lambda: private_server_with("*.example.vn"), PASS),
    Case(checks.well_formed, "an asterisk inside", lambda: private_server_with("w*.example.vn"), FAIL),
    Case(
        checks.well_formed,
        "common name elsewhere, public",
        lambda: server(names=["other.example.vn"]),
        FAIL,
        f"common name {NAME}",
    ),
    Case(
        checks.well_formed, "common name elsewhere, private", lambda: private_server(names=["other.vn"]), PASS
    ),
    Case(
        checks.well_formed,
        "anything, public",
        lambda: server(
            extended=[ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]
        ),
        FAIL,
        "for anything",
    ),
    Case(checks.well_formed, "garbage", lambda: chain_facts(GARBAGE), UNKNOWN, reason=Reason.MALFORMED),
    Case(checks.well_formed, "nothing sent", chain_facts, UNKNOWN, reason=Reason.MALFORMED),
]


def private_server_with(name: str) -> ChainFacts:
    return private_server(names=[name])


def logged(count: int, days: int, **more: Any) -> Callable[[], ChainFacts]:
    """A public server's certificate with so many timestamps, whose signatures nobody looks at."""

    def facts() -> ChainFacts:
        one = bytes([0]) + bytes(32) + bytes(8) + bytes(2) + bytes([4, 3]) + (8).to_bytes(2, "big") + bytes(8)
        entries = (len(one).to_bytes(2, "big") + one) * count
        raw = len(entries).to_bytes(2, "big") + entries
        size = bytes([len(raw)]) if len(raw) < 128 else bytes([0x81, len(raw)])
        wrapped = b"\x04" + size + raw
        extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2"), wrapped)
        start = AT - DAY
        return server(extra=[(extension, False)], start=start, end=start + days * DAY, **more)

    return facts


LOGS = [
    Case(checks.transparency, "two for 180 days", logged(2, 180), PASS, "2"),
    Case(checks.transparency, "one for 180 days", logged(1, 180), FAIL, "1; browsers want 2"),
    Case(checks.transparency, "two for 181 days", logged(2, 181), FAIL, "2; browsers want 3"),
    Case(checks.transparency, "three for 181 days", logged(3, 181), PASS),
    Case(checks.transparency, "none", server, FAIL, "0; browsers want 2"),
    Case(checks.transparency, "private", private_server, NOT_APPLICABLE),
    Case(checks.transparency, "garbage", lambda: chain_facts(GARBAGE), UNKNOWN, reason=Reason.MALFORMED),
]

CASES = [*KEYS, *FORM, *LOGS]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.check.id}: {case.label}")
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_verdict(case: Case) -> None:
    judge(case)


def test_every_check_passes_fails_and_is_unknown_somewhere() -> None:
    tested = (checks.curve, checks.roca, checks.shared_prime, checks.shared_key)
    assert lacking(CASES, *tested, checks.well_formed, checks.transparency) == []
