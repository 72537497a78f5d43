"""The certificate checks, by table: at the limit and either side, not applicable, unknown, hostile."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from secscan.check import Check
from secscan.facts import Chain, ChainFacts
from secscan.facts.certificate import MOST_TEXT
from secscan.model import Reason, Severity
from secscan.reference import FleetKeys, SeenIssuer
from tests.certificates import (
    ALL,
    DAY,
    FAIL,
    GARBAGE,
    NOT_APPLICABLE,
    PASS,
    SECOND,
    UNKNOWN,
    Case,
    broken_extension,
    checks,
    judge,
    lacking,
    private_root,
    private_server,
    root,
    server,
    sub,
    verdicts,
)
from tests.factories import (
    ADDRESS,
    AT,
    NAME,
    UNREAD,
    Issued,
    a_host,
    a_service,
    anchors,
    chain_facts,
    issue,
    issue_authority,
    private_key,
)

DATES = [
    Case(checks.expiry, "far from its end", server, PASS, "2026-08-20 11:59:59 UTC"),
    Case(checks.expiry, "in its last second", lambda: server(end=AT), PASS),
    Case(
        checks.expiry,
        "late in its last second",
        lambda: server(end=AT),
        PASS,
        at=AT + timedelta(milliseconds=999),
    ),
    Case(
        checks.expiry,
        "a second after its end",
        lambda: server(end=AT - SECOND),
        FAIL,
        "expired on 2026-06-01 11:59:59 UTC",
    ),
    Case(checks.expiry, "garbage", lambda: chain_facts(GARBAGE), UNKNOWN, reason=Reason.MALFORMED),
    Case(checks.expiry, "nothing sent", chain_facts, UNKNOWN, "no certificate", reason=Reason.MALFORMED),
    Case(checks.expiry, "another part is broken", broken_extension, PASS),
    Case(checks.started, "in its first second", lambda: server(start=AT), PASS),
    Case(
        checks.started,
        "a second before its beginning",
        lambda: server(start=AT + SECOND),
        FAIL,
        "not valid before 2026-06-01 12:00:01 UTC",
    ),
    Case(checks.started, "garbage", lambda: chain_facts(GARBAGE), UNKNOWN, reason=Reason.MALFORMED),
    Case(
        checks.renewal,
        "at the limit",
        lambda: server(start=AT - 300 * DAY, end=AT + 21 * DAY),
        PASS,
        "until 2026-06-01 12:00:00",
    ),
    Case(
        checks.renewal,
        "a second past it",
        lambda: server(start=AT - 300 * DAY, end=AT + 21 * DAY - SECOND),
        FAIL,
        "2026-06-01 11:59",
    ),
    Case(
        checks.renewal,
        "at another limit",
        lambda: server(end=AT + 10 * DAY, start=AT - 300 * DAY),
        PASS,
        limits={"days": 10},
    ),
    Case(
        checks.renewal,
        "a second past another limit",
        lambda: server(end=AT + 10 * DAY - SECOND, start=AT - 300 * DAY),
        FAIL,
        limits={"days": 10},
    ),
    Case(checks.renewal, "over already", lambda: server(end=AT - DAY), FAIL),
    Case(
        checks.renewal,
        "of six days, at a quarter",
        lambda: server(start=AT - 4.5 * DAY + SECOND, end=AT + 1.5 * DAY),
        PASS,
    ),
    Case(
        checks.renewal,
        "of six days, past a quarter",
        lambda: server(start=AT - 4.5 * DAY, end=AT + 1.5 * DAY - SECOND),
        FAIL,
    ),
    Case(checks.renewal, "ends before it begins", lambda: _backwards(), FAIL),
    Case(
        checks.renewal,
        "an issuer ends soon",
        lambda: _below(issue_authority("Ending", by=root(), end=AT + DAY)),
        FAIL,
        "CN=Ending",
        object="ECDSA/1",
    ),
    Case(
        checks.renewal,
        "an issuer nobody needs ends soon",
        lambda: chain_facts(issue(by=sub()), sub(), issue_authority("Old", by=root(), end=AT + DAY)),
        PASS,
    ),
    Case(checks.renewal, "garbage", lambda: chain_facts(GARBAGE), UNKNOWN, reason=Reason.MALFORMED),
]


def _backwards() -> ChainFacts:
    """The builder refuses an end before the beginning, so the two are exchanged afterwards."""
    early, late = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 5, 2, tzinfo=UTC)
    der = issue(by=sub(), start=early, end=late).der
    return chain_facts(
        der.replace(b"260501000000Z\x17\x0d260502000000Z", b"260502000000Z\x17\x0d260501000000Z")
    )


def _below(issuer: Issued, **changes: Any) -> ChainFacts:
    return chain_facts(issue(by=issuer, **changes), issuer)


def lasting(days: int, issued: datetime, more: timedelta = timedelta()) -> Callable[[], ChainFacts]:
    return lambda: server(start=issued, end=issued + days * DAY - SECOND + more)


def private_lasting(days: int, more: timedelta = timedelta()) -> Callable[[], ChainFacts]:
    return lambda: private_server(start=AT - DAY, end=AT - DAY + days * DAY - SECOND + more)


def _steps() -> list[Case]:
    """The schedule of SC-081v3: the last instant before each step, and the first of it."""
    steps = [
        (datetime(2020, 9, 1, tzinfo=UTC), 825, 398),
        (datetime(2026, 3, 15, tzinfo=UTC), 398, 200),
        (datetime(2027, 3, 15, tzinfo=UTC), 200, 100),
        (datetime(2029, 3, 15, tzinfo=UTC), 100, 47),
    ]
    cases = []
    for since, before, after in steps:
        for days, issued in ((before, since - SECOND), (after, since)):
            cases += [
                Case(
                    checks.lifetime, f"{days} days from {issued}", lasting(days, issued), PASS, f"{days} days"
                ),
                Case(
                    checks.lifetime,
                    f"{days} days and a second from {issued}",
                    lasting(days, issued, SECOND),
                    FAIL,
                    f"at most {days}",
                ),
            ]
    return cases


LIFETIMES = [
    *_steps(),
    Case(checks.lifetime, "private, at the limit", private_lasting(825), PASS),
    Case(
        checks.lifetime, "private, a second more", private_lasting(825, SECOND), FAIL, severity=Severity.LOW
    ),
    Case(
        checks.lifetime, "private, at another limit", private_lasting(30), PASS, limits={"private_days": 30}
    ),
    Case(
        checks.lifetime,
        "private, past another limit",
        private_lasting(30, SECOND),
        FAIL,
        "lasts 31 days",
        severity=Severity.LOW,
        limits={"private_days": 30},
    ),
    Case(
        checks.lifetime,
        "no path to any root",
        lambda: chain_facts(issue(end=AT + 900 * DAY)),
        FAIL,
        severity=Severity.LOW,
    ),
    Case(
        checks.lifetime,
        "ends before it begins",
        lambda: _backwards(),
        FAIL,
        "ends on 2026-05-01 00:00:00 UTC, before it begins on 2026-05-02",
    ),
    Case(checks.lifetime, "garbage", lambda: chain_facts(GARBAGE), UNKNOWN, reason=Reason.MALFORMED),
]

UNNAMED = a_service("")

NAMES = [
    Case(checks.name, "the server name", server, PASS, NAME),
    Case(
        checks.name,
        "another name",
        lambda: server(names=("other.example",)),
        FAIL,
        f"is for other.example; expected {NAME}",
    ),
    Case(
        checks.name,
        "the server name counts, not the host's other names",
        lambda: server(names=("other.example",)),
        FAIL,
        host=a_host(names=("other.example",)),
    ),
    Case(checks.name, "a wildcard", lambda: server(names=("*.example.vn",)), PASS),
    Case(checks.name, "only the common name", lambda: server(names=None), FAIL, "names nothing"),
    Case(
        checks.name,
        "no server name: one of the host's names",
        server,
        PASS,
        service=UNNAMED,
        host=a_host(names=("mail.example.vn", NAME)),
    ),
    Case(
        checks.name,
        "no server name: none of the host's names",
        server,
        FAIL,
        "expected mail.example.vn",
        service=UNNAMED,
        host=a_host(names=("mail.example.vn",)),
    ),
    Case(
        checks.name,
        "no name declared: for the address",
        lambda: server(names=(ADDRESS,)),
        PASS,
        ADDRESS,
        service=UNNAMED,
        host=a_host(names=()),
    ),
    Case(
        checks.name,
        "no name declared: not for the address",
        server,
        UNKNOWN,
        "or audit it by its name",
        reason=Reason.NOT_COLLECTED,
        service=UNNAMED,
        host=a_host(names=()),
    ),
    Case(
        checks.name,
        "many names, of which five are shown",
        lambda: server(names=[f"h{i}.example" for i in range(100)]),
        FAIL,
        "h4.example (+95);",
    ),
    Case(checks.name, "garbage", lambda: chain_facts(GARBAGE), UNKNOWN, reason=Reason.MALFORMED),
    Case(checks.name, "extensions broken", broken_extension, UNKNOWN, reason=Reason.MALFORMED),
    Case(checks.alternative_names, "a name", server, PASS, NAME),
    Case(checks.alternative_names, "an address", lambda: server(names=(ADDRESS,)), PASS, ADDRESS),
    Case(checks.alternative_names, "none", lambda: server(names=None), FAIL, f"CN={NAME}"),
    Case(
        checks.alternative_names,
        "only a mail address",
        lambda: server(
            names=None, extra=[(x509.SubjectAlternativeName([x509.RFC822Name("a@example.vn")]), False)]
        ),
        FAIL,
    ),
    Case(checks.alternative_names, "broken", broken_extension, UNKNOWN, reason=Reason.MALFORMED),
    Case(checks.wildcard, "none", server, PASS, "1 names"),
    Case(checks.wildcard, "one", lambda: server(names=(NAME, "*.example.vn")), FAIL, "*.example.vn"),
    Case(checks.wildcard, "broken", broken_extension, UNKNOWN, reason=Reason.MALFORMED),
]

READING = [
    Case(checks.readable, "both", server, PASS, "2"),
    Case(checks.readable, "garbage", lambda: chain_facts(GARBAGE), FAIL, severity=Severity.HIGH),
    Case(checks.readable, "nothing sent", chain_facts, FAIL, "No certificate"),
    Case(checks.readable, "extensions broken", broken_extension, FAIL, severity=Severity.HIGH),
    Case(
        checks.readable,
        "garbage after it",
        lambda: chain_facts(issue(), GARBAGE),
        FAIL,
        object="ECDSA/1",
        severity=Severity.MEDIUM,
    ),
]


def _cross_signed() -> ChainFacts:
    """The issuer's key is certified twice: below an old root that nobody knows any more, and below ours."""
    gone = issue_authority("Gone root")
    old = issue_authority("Cross", by=gone, holder="cross")
    new = issue_authority("Cross", by=root(), holder="cross")
    return chain_facts(issue(by=new), old, new)


def _circle(size: int) -> Callable[[], ChainFacts]:
    """Authorities of one name that certify each other, and a leaf below them."""

    def make() -> ChainFacts:
        ring = [issue_authority("Ring", holder=f"ring {i}") for i in range(size)]
        crossed = [issue_authority("Ring", by=a, holder=f"ring {i}") for a in ring for i in range(size)]
        return chain_facts(issue(by=ring[0]), *crossed)

    return make


def _constrained(name: str) -> ChainFacts:
    constraints = x509.NameConstraints([x509.DNSName(name)], None)
    return _below(issue_authority("Constrained", by=root(), extra=[(constraints, True)]))


TRUST = [
    Case(checks.trusted, "public", server, PASS, "3 certificates lead to the public root CN=Root"),
    Case(checks.trusted, "private", private_server, PASS, "CN=Private root, a root of your own"),
    Case(checks.trusted, "the root is sent too", lambda: chain_facts(issue(by=sub()), sub(), root()), PASS),
    Case(checks.trusted, "in disorder", lambda: chain_facts(issue(by=sub()), root(), sub()), PASS),
    Case(checks.trusted, "expired: another rule's matter", lambda: server(end=AT - DAY), PASS),
    Case(checks.trusted, "not yet valid: another rule's matter", lambda: server(start=AT + DAY), PASS),
    Case(checks.trusted, "for another name: another rule's matter", lambda: server(names=None), PASS),
    Case(checks.trusted, "a weak key: another rule's matter", lambda: server(key="rsa-1024"), PASS),
    Case(checks.trusted, "an Ed25519 key of its own", lambda: server(key="ed25519"), PASS),
    Case(checks.trusted, "an authority's certificate: another rule's matter", lambda: server(ca=True), PASS),
    Case(
        checks.trusted,
        "for e-mail: another rule's matter",
        lambda: server(extended=[ExtendedKeyUsageOID.EMAIL_PROTECTION]),
        PASS,
    ),
    Case(checks.trusted, "cross-signed by a root that is gone", _cross_signed, PASS),
    Case(
        checks.trusted,
        "self-signed and among our roots",
        lambda: chain_facts(issue_once()),
        PASS,
        anchors=lambda: anchors(private=[issue_once()]),
    ),
    Case(checks.trusted, "self-signed", lambda: chain_facts(issue()), FAIL, "signed by its own key"),
    Case(
        checks.trusted,
        "below a root nobody knows",
        lambda: _below(issue_authority("Nobody's root")),
        FAIL,
        "ends in CN=Nobody's root, which is neither a public root (as of 2026.05.01)",
    ),
    Case(
        checks.trusted,
        "the issuer is not sent",
        lambda: chain_facts(issue(by=sub())),
        FAIL,
        "Its issuer CN=Issuing was not sent",
    ),
    Case(
        checks.trusted,
        "the issuer's issuer is not sent",
        lambda: _below(issue_authority("Middle", by=issue_authority("Nobody's root"))),
        FAIL,
        "stops at CN=Middle. Its issuer CN=Nobody's root was not sent and is neither a public root (as of 2026.05.01)",
    ),
    Case(
        checks.trusted,
        "signed by an impostor of the issuer's name",
        lambda: chain_facts(issue(by=issue_authority("Issuing", holder="impostor")), sub()),
        FAIL,
        "CN=Issuing was not sent",
    ),
    Case(
        checks.trusted,
        "the issuer ended yesterday",
        lambda: _below(issue_authority("Over", by=root(), end=AT - DAY)),
        FAIL,
        "by way of CN=Over, which is valid only",
    ),
    Case(
        checks.trusted,
        "the issuer is no authority",
        lambda: _below(issue_authority("No authority", by=root(), ca=False)),
        FAIL,
        "clients refuse it",
    ),
    Case(
        checks.trusted,
        "the issuer says nothing of being one",
        lambda: _below(issue_authority("Silent", by=root(), ca=None)),
        FAIL,
        "clients refuse it",
    ),
    Case(
        checks.trusted,
        "the issuer may not sign certificates",
        lambda: _below(issue_authority("Lists only", by=root(), usages=("crl_sign",))),
        FAIL,
        "CN=Lists only may not sign certificates",
    ),
    Case(
        checks.trusted,
        "the issuer may not issue for servers",
        lambda: _below(issue_authority("Mail", by=root(), extended=[ExtendedKeyUsageOID.EMAIL_PROTECTION])),
        FAIL,
        "CN=Mail may not issue for servers",
    ),
    Case(
        checks.trusted,
        "one authority too many",
        lambda: _two_levels(path_length=0),
        FAIL,
        "path length",
    ),
    Case(checks.trusted, "just as many authorities as allowed", lambda: _two_levels(path_length=1), PASS),
    Case(checks.trusted, "the issuer may issue for this name", lambda: _constrained("example.vn"), PASS),
    Case(checks.trusted, "the issuer may not issue for this name", lambda: _constrained("a.example"), FAIL),
    Case(checks.trusted, "signed over SHA-1", lambda: server(digest="sha1"), FAIL, "signature algorithm"),
    Case(checks.trusted, "signed over MD5", lambda: server(digest="md5"), FAIL, "signature algorithm"),
    Case(
        checks.trusted,
        "an issuer's key of 1024 bits",
        lambda: _below(issue_authority("Weak", by=root(), key="rsa-1024")),
        FAIL,
        "too weak",
    ),
    Case(
        checks.trusted,
        "an extension that is critical and strange",
        lambda: server(extra=[(x509.UnrecognizedExtension(ObjectIdentifier("1.2.3"), b"\x05\x00"), True)]),
        UNKNOWN,
        "1.2.3",
        reason=Reason.UNPARSED,
    ),
    Case(checks.trusted, "no roots known", server, UNKNOWN, reason=Reason.NOT_COLLECTED, anchors=anchors),
    Case(checks.trusted, "garbage", lambda: chain_facts(GARBAGE), UNKNOWN, reason=Reason.MALFORMED),
    Case(checks.trusted, "extensions broken", broken_extension, UNKNOWN, reason=Reason.MALFORMED),
    Case(
        checks.trusted,
        "garbage among the issuers",
        lambda: chain_facts(issue(by=sub()), GARBAGE, sub()),
        PASS,
    ),
    Case(checks.trusted, "authorities in a circle", _circle(4), FAIL),
]


def _two_levels(path_length: int) -> ChainFacts:
    upper = issue_authority("Upper", by=root(), path_length=path_length)
    lower = issue_authority("Lower", by=upper)
    return chain_facts(issue(by=lower), lower, upper)


@lru_cache
def issue_once() -> Issued:
    return issue()


CHAINS = [
    Case(checks.chain_complete, "up to a known root", server, PASS, "CN=Root"),
    Case(checks.chain_complete, "below a known root", private_server, PASS, "CN=Private root"),
    Case(
        checks.chain_complete,
        "up to a strange root",
        lambda: _below(issue_authority("Nobody's root")),
        PASS,
        "up to CN=Nobody's root",
    ),
    Case(checks.chain_complete, "leaf only", lambda: chain_facts(issue(by=sub())), FAIL, "CN=Issuing"),
    Case(
        checks.chain_complete,
        "leaf and what does not belong to it",
        lambda: chain_facts(issue(by=sub()), private_root()),
        FAIL,
    ),
    Case(
        checks.chain_complete,
        "stops below an issuer nobody knows",
        lambda: _below(issue_authority("Middle", by=issue_authority("Nobody's root"))),
        UNKNOWN,
        "stops at CN=Middle. If its issuer CN=Nobody's root",
        reason=Reason.NOT_COLLECTED,
    ),
    Case(
        checks.chain_complete,
        "leaf only, and no roots known",
        lambda: chain_facts(issue(by=sub())),
        UNKNOWN,
        anchors=anchors,
    ),
    Case(checks.chain_complete, "self-signed", lambda: chain_facts(issue()), NOT_APPLICABLE),
    Case(checks.chain_complete, "garbage", lambda: chain_facts(GARBAGE), UNKNOWN, reason=Reason.MALFORMED),
    Case(checks.chain_order, "in order", server, PASS, "2"),
    Case(checks.chain_order, "leaf only", lambda: chain_facts(issue(by=sub())), PASS),
    Case(checks.chain_order, "with the root", lambda: chain_facts(issue(by=sub()), sub(), root()), PASS),
    Case(
        checks.chain_order,
        "root before issuer",
        lambda: chain_facts(issue(by=sub()), root(), sub()),
        FAIL,
        "1, 2; the first of them is CN=Root",
    ),
    Case(
        checks.chain_order,
        "one twice",
        lambda: chain_facts(issue(by=sub()), sub(), sub()),
        FAIL,
        ": 2;",
    ),
    Case(
        checks.chain_order,
        "one that is superfluous",
        lambda: chain_facts(issue(by=sub()), sub(), private_root()),
        FAIL,
        "CN=Private root",
    ),
    Case(checks.chain_order, "garbage behind", lambda: chain_facts(issue(by=sub()), sub(), GARBAGE), FAIL),
    Case(checks.chain_order, "garbage", lambda: chain_facts(GARBAGE), UNKNOWN, reason=Reason.MALFORMED),
    Case(checks.self_signed, "issued", server, PASS, "CN=Issuing"),
    Case(checks.self_signed, "self-signed", lambda: chain_facts(issue()), FAIL, severity=None),
    Case(
        checks.self_signed,
        "self-signed and among our roots",
        lambda: chain_facts(issue_once()),
        FAIL,
        severity=Severity.LOW,
        anchors=lambda: anchors(private=[issue_once()]),
    ),
    Case(
        checks.self_signed,
        "issuer of the same name",
        lambda: chain_facts(issue(by=issue_authority(NAME, holder="other"))),
        PASS,
    ),
    Case(checks.self_signed, "garbage", lambda: chain_facts(GARBAGE), UNKNOWN, reason=Reason.MALFORMED),
]

KEYS = [
    Case(checks.key_strength, "RSA at the limit", lambda: server(key="rsa-2048"), PASS, "RSA with 2048"),
    Case(
        checks.key_strength, "RSA below it", lambda: server(key="rsa-2047"), FAIL, "2047 bits; at least 2048"
    ),
    Case(
        checks.key_strength,
        "RSA below another limit",
        lambda: server(key="rsa-2048"),
        FAIL,
        limits={"rsa_bits": 2049},
    ),
    Case(checks.key_strength, "curve at the limit", server, PASS, "ECDSA with 256"),
    Case(checks.key_strength, "curve below it", lambda: server(key="secp224r1"), FAIL, "at least 256"),
    Case(
        checks.key_strength,
        "curve at another limit",
        lambda: server(key="secp224r1"),
        PASS,
        limits={"ec_bits": 224},
    ),
    Case(checks.key_strength, "Ed25519", lambda: server(key="ed25519"), PASS, "Ed25519"),
    Case(checks.key_strength, "Ed448", lambda: server(key="ed448"), PASS),
    Case(checks.key_strength, "DSA", lambda: server(key="dsa-1024"), FAIL, "DSA"),
    Case(
        checks.key_strength,
        "an issuer's",
        lambda: _below(issue_authority("Weak", by=root(), key="rsa-1024")),
        FAIL,
        object="ECDSA/1",
    ),
    Case(
        checks.key_strength,
        "one nobody relies on",
        lambda: chain_facts(issue(by=sub()), sub(), issue_authority("Weak", key="rsa-1024")),
        PASS,
        object="ECDSA/1",
    ),
    Case(checks.key_strength, "of a strange kind", lambda: _strange_key(), UNKNOWN, "1.3.101.121"),
    Case(checks.key_strength, "garbage", lambda: chain_facts(GARBAGE), UNKNOWN, reason=Reason.MALFORMED),
    Case(checks.exponent, "65537", lambda: server(key="rsa-2048"), PASS, "65537"),
    Case(checks.exponent, "3", lambda: server(key="rsa-2048-3"), FAIL, "is 3;"),
    Case(
        checks.exponent,
        "beyond what Python prints",
        lambda: _with_exponent((1 << 16_000) + 1),
        PASS,
        "2^16000",
    ),
    Case(checks.exponent, "no RSA", server, NOT_APPLICABLE),
    Case(checks.exponent, "garbage", lambda: chain_facts(GARBAGE), UNKNOWN, reason=Reason.MALFORMED),
    Case(checks.signature, "SHA-256", server, PASS, "RSA_WITH_SHA256"),
    Case(checks.signature, "SHA-1", lambda: server(digest="sha1"), FAIL, "RSA_WITH_SHA1"),
    Case(checks.signature, "MD5", lambda: server(digest="md5"), FAIL, "RSA_WITH_MD5"),
    Case(checks.signature, "MD2", lambda: server(digest="md2"), FAIL, "CN=Issuing"),
    Case(checks.signature, "Ed25519", lambda: chain_facts(issue(key="ed25519")), PASS, "ED25519"),
    Case(
        checks.signature,
        "an issuer's",
        lambda: _below(issue_authority("Old", by=root(), digest="sha1")),
        FAIL,
        object="ECDSA/1",
    ),
    Case(
        checks.signature,
        "its own, by SHA-1",
        lambda: chain_facts(issue(key="rsa-2048", digest="sha1")),
        FAIL,
    ),
    Case(checks.signature, "unknown", lambda: _strange_signature(), UNKNOWN, reason=Reason.UNPARSED),
    Case(checks.signature, "garbage", lambda: chain_facts(GARBAGE), UNKNOWN, reason=Reason.MALFORMED),
]


def _strange_key() -> ChainFacts:
    """Ed25519's identifier, in its place among what is signed, becomes that of an algorithm nobody knows."""
    der, ed25519 = issue(by=sub(), key="ed25519").der, bytes.fromhex("06032b6570")
    return chain_facts(der.replace(ed25519, bytes.fromhex("06032b6579")), sub())


def _strange_signature() -> ChainFacts:
    der, sha256 = issue(by=sub()).der, bytes.fromhex("2a864886f70d01010b")
    return chain_facts(der.replace(sha256, bytes.fromhex("2a864886f70d01017f")), sub())


def _with_exponent(exponent: int) -> ChainFacts:
    modulus = (1 << 16_383) + private_key("rsa-2048").public_key().public_numbers().n
    key = RSAPublicNumbers(exponent, modulus).public_key()
    template = issue(by=sub()).x509
    builder = x509.CertificateBuilder().subject_name(template.subject).issuer_name(template.issuer)
    der = (
        builder.public_key(key)
        .serial_number(1)
        .not_valid_before(AT)
        .not_valid_after(AT)
        .sign(sub().key, template.signature_hash_algorithm)
        .public_bytes(Encoding.DER)
    )
    return chain_facts(der)


SHORT = {"start": AT - DAY, "end": AT + 6 * DAY - SECOND, "crl": None}

PURPOSES = [
    Case(checks.end_entity, "a server's", server, PASS),
    Case(checks.end_entity, "nothing said", lambda: server(ca=None), PASS),
    Case(checks.end_entity, "an authority's", lambda: server(ca=True), FAIL, f"CN={NAME}"),
    Case(checks.end_entity, "broken", broken_extension, UNKNOWN, reason=Reason.MALFORMED),
    Case(checks.usage, "serverAuth", server, PASS, "serverAuth"),
    Case(
        checks.usage,
        "serverAuth among others",
        lambda: server(extended=[ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
        PASS,
        "clientAuth, serverAuth",
    ),
    Case(
        checks.usage,
        "clientAuth only",
        lambda: server(extended=[ExtendedKeyUsageOID.CLIENT_AUTH]),
        FAIL,
        "clientAuth; serverAuth is expected",
    ),
    Case(
        checks.usage,
        "any",
        lambda: server(extended=[ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]),
        FAIL,
        "anyExtendedKeyUsage",
    ),
    Case(checks.usage, "nothing said", lambda: server(extended=None), FAIL, severity=Severity.LOW),
    Case(checks.usage, "key for encryption", lambda: server(usages=("key_encipherment",)), PASS),
    Case(checks.usage, "key for anything", lambda: server(usages=None), PASS),
    Case(
        checks.usage, "key for certificates", lambda: server(usages=("key_cert_sign",)), FAIL, "key_cert_sign"
    ),
    Case(checks.usage, "broken", broken_extension, UNKNOWN, reason=Reason.MALFORMED),
    Case(checks.revocation, "a list", server, PASS, "http://ca.example.vn/list.crl"),
    Case(checks.revocation, "neither", lambda: server(crl=None), FAIL),
    Case(checks.revocation, "seven days", lambda: server(**SHORT), NOT_APPLICABLE),
    Case(checks.revocation, "a second more", lambda: server(**{**SHORT, "start": AT - DAY - SECOND}), FAIL),
    Case(checks.revocation, "self-signed", lambda: chain_facts(issue()), FAIL, "its own key"),
    Case(checks.revocation, "broken", broken_extension, UNKNOWN, reason=Reason.MALFORMED),
    Case(checks.must_staple, "not asked for", server, NOT_APPLICABLE),
    Case(checks.must_staple, "asked for and sent garbage", lambda: _stapled(ocsp=b"\x30\x00"), FAIL),
    Case(checks.must_staple, "asked for and not sent", lambda: _stapled(ocsp=None), FAIL),
    Case(
        checks.must_staple,
        "asked for and not read",
        lambda: _stapled(ocsp=UNREAD),
        UNKNOWN,
        "it took too long",
        reason=Reason.TIMED_OUT,
    ),
    Case(checks.must_staple, "broken", broken_extension, UNKNOWN, reason=Reason.MALFORMED),
]


def _stapled(**changes: Any) -> ChainFacts:
    feature = x509.TLSFeature([x509.TLSFeatureType.status_request])
    return chain_facts(issue(by=sub(), extra=[(feature, False)]), sub(), **changes)


def _another_sends(*sent: Issued, by: dict[str, str]) -> FleetKeys:
    seen_issuers = tuple(SeenIssuer(one.der, by) for one in sent)
    return FleetKeys(issuers={"CN=Issuing": seen_issuers})


def _deep() -> Issued:
    """An issuer two below the root."""
    return issue_authority("Deep", by=sub())


MISSING = [
    Case(
        checks.chain_complete,
        "another host of the agency sends the missing one",
        lambda: chain_facts(issue(by=sub())),
        FAIL,
        "CN=Issuing is not sent; web-2 sends it",
        fleet=lambda: _another_sends(sub(), by={"ministry": "web-2", "other": "secret-1"}),
    ),
    Case(
        checks.chain_complete,
        "a host of another agency sends the missing one",
        lambda: chain_facts(issue(by=sub())),
        FAIL,
        "a host of another agency sends it",
        fleet=lambda: _another_sends(sub(), by={"other": "secret-1"}),
    ),
    Case(
        checks.chain_complete,
        "the second issuer is missing and known",
        lambda: chain_facts(issue(by=_deep()), _deep()),
        FAIL,
        "web-2 sends it",
        fleet=lambda: _another_sends(sub(), by={"ministry": "web-2"}),
    ),
    Case(
        checks.chain_complete,
        "another sends one of the same name",
        lambda: chain_facts(issue(by=_deep()), _deep()),
        UNKNOWN,
        fleet=lambda: _another_sends(issue_authority("Issuing", holder="x"), by={"ministry": "web-2"}),
    ),
]

CASES = [*MISSING, *DATES, *LIFETIMES, *NAMES, *READING, *TRUST, *CHAINS, *KEYS, *PURPOSES]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.check.id}: {case.label}")
def test_verdict(case: Case) -> None:
    judge(case)


# --- What holds for every check -------------------------------------------------------------------------


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.id)
def test_check_says_what_it_claims_why_and_what_to_do(check: Check) -> None:
    assert check.claim.endswith(".")
    assert len(check.why) > 80
    assert len(check.fix) > 40


def test_every_check_passes_fails_and_is_unknown_somewhere() -> None:
    elsewhere = {"revoked", "stapling", "must_staple", "well_formed", "transparency"}
    elsewhere |= {"curve", "roca", "shared_prime", "shared_key"}
    here = [each for name, each in vars(checks).items() if name not in elsewhere]
    # What can't be read is the failure of one.
    assert lacking(CASES, *here) == ["certificate.readable: unknown"]


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.id)
@pytest.mark.parametrize(
    "facts",
    [
        lambda: chain_facts(issue("<script>\x1b[31m\u202e=1+1{0.__class__}%s", by=sub(), names=None), sub()),
        lambda: chain_facts(issue("A" * 5000, names=["b" * 5000, "{names}", "\x00\x1b"])),
        lambda: chain_facts(issue("", by=sub(), names=[""])),
        lambda: chain_facts(*[GARBAGE + bytes([i]) for i in range(250)]),
        lambda: chain_facts(*[issue_once()] * 300),
        lambda: chain_facts(
            issue(start=datetime(1950, 1, 1, tzinfo=UTC), end=datetime(9999, 12, 31, tzinfo=UTC))
        ),
        _circle(6),
    ],
    ids=["signs", "long", "empty", "garbage", "repeated", "dates", "circle"],
)
def test_hostile_chains_get_a_bounded_verdict_soon(check: Check, facts: Callable[[], ChainFacts]) -> None:
    made = facts()
    start = time.process_time()
    said = verdicts(Case(check, "", lambda: made, PASS))
    assert time.process_time() - start < 3
    assert 1 <= len(said) <= 200
    for verdict in said:
        assert verdict.severity is None or verdict.severity <= check.severity
        assert len(str(verdict.evidence)) < 6 * MOST_TEXT


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.id)
def test_every_slot_gets_its_verdict(check: Check) -> None:
    slots = [
        Chain(slot=slot, certificates=(issue(by=sub()).der, sub().der), ocsp=None)
        for slot in ("ECDSA", "RSA")
    ]
    said = verdicts(Case(check, "", lambda: ChainFacts(chains=tuple(slots)), PASS))
    assert {"ECDSA/0", "RSA/0"} <= {verdict.object for verdict in said}


def test_name_constraints_by_the_thousand_take_bounded_time() -> None:
    subtrees = [x509.DNSName(f"n{i}.example") for i in range(900)]
    issuers = [
        issue_authority(
            "Slow",
            by=root(),
            holder="slow",
            path_length=i,
            extra=[(x509.NameConstraints(None, subtrees), True)],
        )
        for i in range(8)
    ]
    facts = chain_facts(issue(by=issuers[0], names=[f"h{i}.example.vn" for i in range(5000)]), *issuers)
    start = time.process_time()
    verdicts(Case(checks.trusted, "", lambda: facts, PASS))
    assert time.process_time() - start < 3
