"""The view of a certificate: read right where it is sound, and never an exception where it is not."""

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, ObjectIdentifier
from hypothesis import given, settings
from hypothesis import strategies as st

from secscan.facts.certificate import (
    MOST_BYTES,
    MOST_TEXT,
    Certificate,
    Extensions,
    Malformed,
    PublicKey,
    Signature,
    is_issued_by,
    match_name,
    read_certificate,
)
from tests.factories import AT, Issued, issue, issue_authority, private_key


def read(issued: Issued) -> Certificate:
    certificate = read_certificate(issued.der)
    assert isinstance(certificate, Certificate)
    return certificate


def extensions(issued: Issued) -> Extensions:
    found = read(issued).extensions
    assert isinstance(found, Extensions)
    return found


# --- What is read ---------------------------------------------------------------------------------------


def test_dates_are_aware() -> None:
    start, end = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(2027, 1, 2, 3, 4, 6, tzinfo=UTC)
    certificate = read(issue(start=start, end=end))
    assert (certificate.not_before, certificate.not_after) == (start, end)
    assert certificate.not_after.utcoffset() == timedelta()


def test_lifetime_counts_both_ends() -> None:
    assert read(issue(start=AT, end=AT + timedelta(days=90) - timedelta(seconds=1))).lifetime == timedelta(90)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("rsa-2048", ("RSA", 2048, "", 65537)),
        ("rsa-2048-3", ("RSA", 2048, "", 3)),
        ("secp256r1", ("ECDSA", 256, "secp256r1", None)),
        ("secp521r1", ("ECDSA", 521, "secp521r1", None)),
        ("ed25519", ("Ed25519", 256, "", None)),
        ("ed448", ("Ed448", 448, "", None)),
        ("dsa-1024", ("DSA", 1024, "", None)),
    ],
)
def test_key(kind: str, expected: tuple[str, int, str, int | None]) -> None:
    key = read(issue(key=kind)).key
    assert isinstance(key, PublicKey)
    assert (key.type, key.bits, key.curve, key.exponent) == expected


def test_key_has_one_fingerprint_in_every_certificate() -> None:
    one, other = read(issue("one.example", holder="shared")), read(issue("two.example", holder="shared"))
    assert isinstance(one.key, PublicKey)
    assert isinstance(other.key, PublicKey)
    assert one.key.sha256 == other.key.sha256
    assert one.sha256 != other.sha256


def test_key_of_an_unknown_algorithm_is_its_oid() -> None:
    der = issue(key="ed25519").der
    # The last occurrence is the signature's; the first two are the signature's and the key's in what is signed.
    first = der.index(bytes.fromhex("06032b6570"))
    at = der.index(bytes.fromhex("06032b6570"), first + 1)
    key = read(Issued(der[:at] + bytes.fromhex("06032b6579") + der[at + 5 :], None)).key
    assert key == PublicKey("1.3.101.121")


@pytest.mark.parametrize(
    ("key", "digest", "expected"),
    [
        ("secp256r1", "sha256", Signature("ECDSA_WITH_SHA256", "sha256")),
        ("ed25519", "sha256", Signature("ED25519", "")),
        ("rsa-2048", "sha1", Signature("RSA_WITH_SHA1", "sha1")),
        ("rsa-2048", "md5", Signature("RSA_WITH_MD5", "md5")),
        ("rsa-2048", "md2", Signature("1.2.840.113549.1.1.2", "md2")),
    ],
)
def test_signature(key: str, digest: str, expected: Signature) -> None:
    assert read(issue(key=key, digest=digest)).signature == expected


def test_alternative_names() -> None:
    found = extensions(issue(names=("www.example.vn", "*.example.vn", "192.0.2.1", "2001:db8::1")))
    assert found.dns_names == ("www.example.vn", "*.example.vn")
    assert found.ip_addresses == ("192.0.2.1", "2001:db8::1")


def test_authority() -> None:
    found = extensions(issue_authority("Root", path_length=2))
    assert (found.is_ca, found.path_length) == (True, 2)
    assert found.key_usages == {"key_cert_sign", "crl_sign"}


def test_extensions_that_are_absent() -> None:
    bare = issue(names=None, ca=None, usages=None, extended=None, crl=None)
    found = extensions(bare)
    assert not any((found.dns_names, found.ip_addresses, found.is_ca, found.must_staple, found.scts))
    assert (found.path_length, found.key_usages, found.extended_usages) == (None, None, None)


def test_extended_usages_are_named_where_they_have_a_name() -> None:
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ObjectIdentifier("1.2.3.4")]
    assert extensions(issue(extended=usages)).extended_usages == {"serverAuth", "1.2.3.4"}


def test_where_to_ask() -> None:
    def url(text: str) -> x509.UniformResourceIdentifier:
        return x509.UniformResourceIdentifier(text)

    access = x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(AuthorityInformationAccessOID.OCSP, url("http://ocsp.example.vn")),
            x509.AccessDescription(
                AuthorityInformationAccessOID.CA_ISSUERS, url("http://ca.example.vn/i.cer")
            ),
            x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.DNSName("not-a-url.example")),
        ]
    )
    found = extensions(issue(crl="http://ca.example.vn/l.crl", extra=[(access, False)]))
    assert found.ocsp_urls == ("http://ocsp.example.vn",)
    assert found.issuer_urls == ("http://ca.example.vn/i.cer",)
    assert found.crl_urls == ("http://ca.example.vn/l.crl",)


def test_must_staple() -> None:
    feature = x509.TLSFeature([x509.TLSFeatureType.status_request])
    assert extensions(issue(extra=[(feature, False)])).must_staple


def test_timestamps_are_counted() -> None:
    assert extensions(issue(extra=[(_two_timestamps(), False)])).scts == 2


def _two_timestamps() -> x509.UnrecognizedExtension:
    """RFC 6962, section 3.3: version 1, log, time, no extensions, ECDSA with SHA-256, an empty signature."""
    one = bytes([0]) + bytes(32) + bytes(8) + bytes(2) + bytes([4, 3]) + bytes(2)
    listed = b"".join(len(t).to_bytes(2, "big") + t for t in (one, one))
    inner = len(listed).to_bytes(2, "big") + listed
    assert len(inner) < 128
    return x509.UnrecognizedExtension(
        ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2"), bytes([4, len(inner)]) + inner
    )


def test_self_signed() -> None:
    certificate = read(issue())
    assert (certificate.self_issued, certificate.self_signed) == (True, True)


def test_issuer_of_the_same_name_is_not_the_same_key() -> None:
    other = issue_authority("www.example.vn", holder="other")
    certificate = read(issue(by=other))
    assert (certificate.self_issued, certificate.self_signed) == (True, False)


@pytest.mark.parametrize(
    ("subject", "names", "called"),
    [
        ("Portal", ("a.example",), "CN=Portal"),
        ("", ("a.example",), "a.example"),
        ("", None, "#"),
    ],
)
def test_holder(subject: str, names: tuple[str, ...] | None, called: str) -> None:
    root = issue_authority("Root")
    assert read(issue(subject, by=root, names=names)).holder.startswith(called)


@pytest.mark.parametrize(
    "subject",
    [
        "<script>alert(1)</script>",
        "\x1b[31mVALID\x1b[0m",
        "kho.\u202egpj.elpmaxe",
        "=HYPERLINK(1)",
        "Bộ Ví Dụ",
    ],
)
def test_text_stays_as_it_was_sent(subject: str) -> None:
    certificate = read(issue(subject, names=None))
    assert certificate.subject is not None
    # RFC 4514 puts a backslash before some signs; nothing else is added or taken away.
    assert certificate.subject.replace("\\", "") == f"CN={subject}"


def test_long_text_is_cut() -> None:
    subject = read(issue("A" * 20_000, names=None)).subject
    assert subject is not None
    assert len(subject) == MOST_TEXT


def test_name_that_breaks_its_own_encoding_is_none() -> None:
    der = issue("Sở Ví Dụ").der
    broken = read_certificate(der.replace("Sở Ví Dụ".encode(), b"\xff" * len("Sở Ví Dụ".encode())))
    assert isinstance(broken, Certificate)
    assert (broken.subject, broken.issuer, broken.self_issued) == (None, None, False)
    assert broken.holder == "www.example.vn"


# --- Whose signature ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["rsa-2048", "secp256r1", "secp384r1", "ed25519", "ed448", "dsa-1024"])
def test_issued_by_its_issuer(kind: str) -> None:
    root = issue_authority("Root", key=kind)
    assert is_issued_by(issue(by=root).der, root.der)


@pytest.mark.parametrize("digest", ["sha1", "md5"])
def test_weak_signatures_are_their_issuers_too(digest: str) -> None:
    root = issue_authority("Root", key="rsa-2048")
    assert is_issued_by(issue(by=root, digest=digest).der, root.der)


def test_not_issued_by_another_key_of_the_same_name() -> None:
    root, impostor = issue_authority("Root"), issue_authority("Root", holder="impostor")
    assert not is_issued_by(issue(by=root).der, impostor.der)


def test_not_issued_by_the_same_key_of_another_name() -> None:
    root, renamed = issue_authority("Root", holder="one"), issue_authority("Renamed", holder="one")
    assert not is_issued_by(issue(by=root).der, renamed.der)


def test_nothing_is_issued_by_garbage() -> None:
    assert not is_issued_by(issue().der, b"garbage")


# --- Names ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("presented", "wanted", "matches"),
    [
        ("www.example.vn", "www.example.vn", True),
        ("www.example.vn", "WWW.Example.VN", True),
        ("WWW.EXAMPLE.VN", "www.example.vn", True),
        ("www.example.vn", "www.example.vn.", True),
        ("www.example.vn", "example.vn", False),
        ("www.example.vn", "www.example.vn.evil.example", False),
        ("example.vn", "www.example.vn", False),
        ("*.example.vn", "www.example.vn", True),
        ("*.EXAMPLE.vn", "www.example.vn", True),
        ("*.example.vn", "example.vn", False),
        ("*.example.vn", ".example.vn", False),
        ("*.example.vn", "a.b.example.vn", False),
        ("*.example.vn", "xn--cng-hma.example.vn", True),
        ("w*.example.vn", "www.example.vn", False),
        ("*w.example.vn", "www.example.vn", False),
        ("www.*.vn", "www.example.vn", False),
        ("*.*.vn", "www.example.vn", False),
        ("*.vn", "example.vn", False),
        ("*", "localhost", False),
        ("*.", "localhost.", False),
        ("", "", False),
        ("xn--b-vi-d-bta7o.example.vn", "XN--B-VI-D-bta7o.example.vn", True),
        ("xn--cng-kna.vn", "công.vn", True),
        ("xn--cng-kna.vn", "CÔNG.vn", True),
        ("công.vn", "công.vn", False),
        ("www.example.vn\x00.evil.example", "www.example.vn", False),
        ("\u212aho.example.vn", "kho.example.vn", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("my_host.example.vn", "my_host.example.vn", True),
        ("www.example.vn", "\udc80.example.vn", False),
    ],
)
def test_dns_names(presented: str, wanted: str, matches: bool) -> None:
    certificate = _with_names(dns_names=(presented,))
    assert match_name(certificate, wanted) is matches


@pytest.mark.parametrize(
    ("presented", "wanted", "matches"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:0DB8:0::0001", True),
        ("2001:db8::1", "2001:db8::2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", False),
        ("192.0.2.1", "www.example.vn", False),
    ],
)
def test_addresses(presented: str, wanted: str, matches: bool) -> None:
    assert match_name(_with_names(ip_addresses=(presented,)), wanted) is matches


def test_address_as_a_dns_name_is_no_address() -> None:
    assert not match_name(_with_names(dns_names=("192.0.2.1",)), "192.0.2.1")


def test_common_name_does_not_count() -> None:
    assert not match_name(read(issue("www.example.vn", names=None)), "www.example.vn")


def _with_names(**names: tuple[str, ...]) -> Certificate:
    any_name = read(issue())
    return Certificate(
        **{
            **{field: getattr(any_name, field) for field in Certificate.__dataclass_fields__},
            "extensions": Extensions(**names),
        }
    )


# --- Hostile certificates -------------------------------------------------------------------------------


def test_garbage_is_malformed() -> None:
    assert isinstance(read_certificate(b"\x30\x03\x02\x01\x05"), Malformed)


def test_empty_is_malformed() -> None:
    assert isinstance(read_certificate(b""), Malformed)


def test_more_than_a_certificate_is_malformed() -> None:
    assert isinstance(read_certificate(issue().der + b"\x00"), Malformed)


def test_oversized_is_malformed() -> None:
    names = [f"host-{i}.example.vn" for i in range(MOST_BYTES // 16)]
    certificate = read_certificate(issue(names=names).der)
    assert isinstance(certificate, Malformed)
    assert str(MOST_BYTES) in certificate.detail


def test_doubled_extension_leaves_the_rest_readable() -> None:
    doubled = (x509.UnrecognizedExtension(ObjectIdentifier("2.5.29.32"), b"\x30\x00"), False)
    named = (x509.UnrecognizedExtension(ObjectIdentifier("2.5.29.33"), b"\x30\x00"), False)
    der = issue(extra=[doubled, named]).der.replace(bytes.fromhex("0603551d21"), bytes.fromhex("0603551d20"))
    certificate = read_certificate(der)
    assert isinstance(certificate, Certificate)
    assert isinstance(certificate.extensions, Malformed)
    assert certificate.not_before < AT


def test_broken_extension_leaves_the_rest_readable() -> None:
    broken = (x509.UnrecognizedExtension(ObjectIdentifier("2.5.29.32"), b"\x04\x7f"), False)
    certificate = read(issue(extra=[broken]))
    assert isinstance(certificate.extensions, Malformed)
    assert isinstance(certificate.key, PublicKey)
    assert not match_name(certificate, "www.example.vn")


def test_negative_serial_number_is_read() -> None:
    issued = issue()
    serial = issued.x509.serial_number
    length = (serial.bit_length() + 8) // 8
    old = serial.to_bytes(length, "big", signed=True)
    at = issued.der.index(old)
    certificate = read_certificate(
        issued.der[:at] + b"\x80" + old[1:-1] + b"\x01" + issued.der[at + length :]
    )
    assert isinstance(certificate, Certificate)
    assert certificate.serial.startswith("-")


def test_last_instant_of_all_is_read() -> None:
    # RFC 5280, section 4.1.2.5: "no well-defined expiration date".
    end = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert read(issue(end=end)).not_after == end


@pytest.mark.parametrize("date", [b"00000101000000Z", b"99991332256199Z", b"20500101000000X"])
def test_impossible_dates_are_malformed(date: bytes) -> None:
    der = issue(end=datetime(2060, 1, 1, tzinfo=UTC)).der
    assert isinstance(read_certificate(der.replace(b"20600101000000Z", date)), Malformed)


def test_warnings_of_the_library_stay_inside(recwarn: pytest.WarningsRecorder) -> None:
    der = issue("A" * 2000, names=None).der
    read_certificate(der)
    is_issued_by(der, der)
    assert not recwarn.list


def test_reading_is_memoised() -> None:
    der = issue().der
    assert read_certificate(der) is read_certificate(bytes(bytearray(der)))


def _seeds() -> Iterator[bytes]:
    root = issue_authority("Gốc", key="rsa-2048", path_length=1)
    access = x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(
                AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier("http://o")
            )
        ]
    )
    constraints = x509.NameConstraints([x509.DNSName("example.vn")], None)
    policies = x509.CertificatePolicies(
        [x509.PolicyInformation(ObjectIdentifier("2.23.140.1.2.1"), ["http://p"])]
    )
    yield root.der
    yield issue(by=root, extra=[(access, False), (policies, False), (_two_timestamps(), False)]).der
    yield issue_authority("Sub", by=root, extra=[(constraints, True)]).der
    yield issue("Sở", names=("*.example.vn", "192.0.2.1", "2001:db8::1"), key="ed25519").der
    yield issue(key="dsa-1024", extra=[(x509.TLSFeature([x509.TLSFeatureType.status_request]), True)]).der


def _mutated(der: bytes, chance: random.Random) -> bytes:
    """A few flips, tags set to other tags, cuts, insertions and pieces copied elsewhere."""
    data = bytearray(der)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 8))):
        at = chance.randrange(len(data))
        match chance.randrange(5):
            case 0:
                data[at] ^= 1 << chance.randrange(8)
            case 1:
                data[at] = chance.choice(
                    b"\x00\x01\x02\x03\x05\x06\x0c\x13\x14\x16\x17\x18\x1c\x1e\x30\x31\x80\xff"
                )
            case 2:
                del data[at : at + chance.randrange(1, 4)]
            case 3:
                data[at:at] = chance.randbytes(chance.randrange(1, 4))
            case 4:
                piece = data[chance.randrange(len(data)) :][:16]
                data[at : at + len(piece)] = piece
        if not data:
            return b""
    return bytes(data)


def test_mutations_never_raise_and_take_no_time() -> None:
    chance = random.Random(20260601)
    seeds = list(_seeds())
    outcomes = {Certificate: 0, Malformed: 0}
    slowest = 0.0
    for _ in range(20_000):
        der = _mutated(chance.choice(seeds), chance)
        start = time.thread_time()
        certificate = read_certificate(der)
        if isinstance(certificate, Certificate):
            match_name(certificate, "www.example.vn")
            assert certificate.holder
            assert certificate.lifetime is not None
        slowest = max(slowest, time.thread_time() - start)
        outcomes[type(certificate)] += 1
    assert slowest < 1
    # Both happen often; else the mutations would test nothing.
    assert min(outcomes.values()) > 2000


def test_bytes_guided_by_coverage_are_borne() -> None:
    pytest.importorskip("atheris")
    ended = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.certificates", "-runs=4000", "-seed=1"],
        capture_output=True,
        timeout=100,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 400), st.integers(0, 400))
def test_any_bytes_anywhere(put: bytes, at: int, length: int) -> None:
    der = issue().der
    read_certificate(der[:at] + put + der[at + length :])


@pytest.mark.parametrize(
    "kind",
    ["names", "addresses", "usages", "extensions"],
)
def test_certificates_made_to_be_slow_are_not(kind: str) -> None:
    many: dict[str, dict[str, Any]] = {
        "names": {"names": [f"a{i}" for i in range(15_000)]},
        "addresses": {"names": [f"10.{i >> 8}.{i & 255}.1" for i in range(15_000)]},
        "usages": {"extended": [ObjectIdentifier(f"1.2.3.{i}") for i in range(15_000)]},
        "extensions": {
            "extra": [
                (x509.UnrecognizedExtension(ObjectIdentifier(f"1.2.3.{i}"), b""), False) for i in range(2000)
            ]
        },
    }
    der = issue(**many[kind]).der
    assert len(der) < MOST_BYTES
    start = time.thread_time()
    assert isinstance(read_certificate(der), Certificate)
    assert time.thread_time() - start < 2


def test_modulus_of_a_million_bits_takes_no_time() -> None:
    name = issue_authority("Root").x509.subject
    der = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(RSAPublicNumbers(65537, (1 << 900_000) + 12345).public_key())
        .serial_number(1)
        .not_valid_before(AT)
        .not_valid_after(AT)
        .sign(private_key(), SHA256())
        .public_bytes(Encoding.DER)
    )
    start = time.thread_time()
    assert isinstance(read_certificate(der), Certificate)
    assert time.thread_time() - start < 2
