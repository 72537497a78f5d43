"""What stapled responses and imported lists say of certificates, by table: right, wrong, old, forged, about others."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from secscan.facts import ChainFacts
from secscan.model import Reason, Severity
from tests.certificates import (
    DAY,
    FAIL,
    NOT_APPLICABLE,
    PASS,
    SECOND,
    UNKNOWN,
    Case,
    broken_extension,
    checks,
    judge,
    lacking,
    root,
    sub,
    verdicts,
)
from tests.factories import AT, NAME, UNREAD, Issued, chain_facts, issue, issue_authority, private_key

SKEW = timedelta(minutes=5)
POINT = "http://ca.example.vn/list.crl"


@lru_cache
def own() -> Issued:
    return issue(by=sub(), holder="revocation")


@lru_cache
def responder(**changes: Any) -> Issued:
    plain = {"extended": (ExtendedKeyUsageOID.OCSP_SIGNING,), "names": None}
    return issue("Responder", **{"by": sub(), **plain, **changes})


def response(
    *,
    about: Issued | None = None,
    status: str = "good",
    since: datetime = AT - DAY,
    until: datetime | None = AT + DAY,
    by: Issued | None = None,
    signer: Issued | None = None,
    sent: Iterable[Issued] = (),
) -> bytes:
    """A response of the issuer's, as openssl ocsp gives it."""
    by = by or sub()
    signer = signer or by
    revoked = status == "revoked"
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=(about or own()).x509,
            issuer=by.x509,
            algorithm=hashes.SHA1(),  # noqa: S303 - names the issuer, as all responders do
            cert_status=ocsp.OCSPCertStatus[status.upper()],
            this_update=since,
            next_update=until,
            revocation_time=AT - 2 * DAY if revoked else None,
            revocation_reason=x509.ReasonFlags.key_compromise if revoked else None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, signer.x509)
    )
    if sent := list(sent):
        builder = builder.certificates([one.x509 for one in sent])
    return builder.sign(signer.key, hashes.SHA256()).public_bytes(Encoding.DER)


def over_sha1(der: bytes) -> bytes:
    """The response with the issuer's RSA signature over a digest that the builder rightly refuses (RFC 8017, A.2.4)."""
    read = ocsp.load_der_ocsp_response(der)
    weak = sub().key.sign(read.tbs_response_bytes, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303 - the case itself
    rsa_with = bytes.fromhex("2a864886f70d0101")
    return der.replace(read.signature, weak).replace(rsa_with + b"\x0b", rsa_with + b"\x05")


def stapled(made: Callable[[], bytes] | None = response, **changes: Any) -> Callable[[], ChainFacts]:
    return lambda: chain_facts(own(), sub(), **{"ocsp": made() if made else None, **changes})


def revocation_list(
    *revoked: Issued,
    by: Issued | None = None,
    signer: Any = None,
    since: datetime = AT - DAY,
    until: datetime = AT + DAY,
    extra: Iterable[tuple[x509.ExtensionType, bool]] = ((x509.CRLNumber(7), False),),
) -> bytes:
    by = by or sub()
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(by.x509.subject)
        .last_update(since)
        .next_update(until)
    )
    for one in revoked:
        entry = (
            x509.RevokedCertificateBuilder()
            .serial_number(one.x509.serial_number)
            .revocation_date(AT - 3 * DAY)
            .add_extension(x509.CRLReason(x509.ReasonFlags.superseded), critical=False)
        )
        builder = builder.add_revoked_certificate(entry.build())
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical)
    return builder.sign(signer or by.key, hashes.SHA256()).public_bytes(Encoding.DER)


def lists(*made: Callable[[], bytes]) -> Callable[[], list[bytes]]:
    return lambda: [make() for make in made]


def part(**changes: Any) -> tuple[tuple[x509.ExtensionType, bool], ...]:
    plain: dict[str, Any] = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return (x509.CRLNumber(7), False), (x509.IssuingDistributionPoint(**{**plain, **changes}), True)


def at_point(url: str) -> tuple[tuple[x509.ExtensionType, bool], ...]:
    return part(full_name=[x509.UniformResourceIdentifier(url)])


def signed_by_delegate(**changes: Any) -> Callable[[], bytes]:
    return lambda: response(signer=responder(**changes), sent=[responder(**changes)])


STAPLES = [
    Case(checks.stapling, "good", stapled(), PASS, "2026-06-02"),
    Case(checks.stapling, "none", stapled(None), NOT_APPLICABLE),
    Case(checks.stapling, "not read", stapled(None, ocsp=UNREAD), UNKNOWN, reason=Reason.TIMED_OUT),
    Case(checks.stapling, "garbage", stapled(lambda: b"\x30\x00"), FAIL, "can't be read"),
    Case(checks.stapling, "endless", stapled(lambda: b"\x30" * 100_000), FAIL, "can't be read"),
    Case(
        checks.stapling,
        "try later",
        stapled(
            lambda: ocsp.OCSPResponseBuilder.build_unsuccessful(
                ocsp.OCSPResponseStatus.TRY_LATER
            ).public_bytes(Encoding.DER)
        ),
        FAIL,
        "could not answer",
    ),
    Case(
        checks.stapling,
        "about another",
        stapled(lambda: response(about=issue("other", by=sub()))),
        FAIL,
        "another certificate",
    ),
    Case(
        checks.stapling,
        "about the same number of another authority",
        stapled(lambda: response(by=root())),
        FAIL,
        "another certificate",
    ),
    Case(
        checks.stapling,
        "signed by anybody",
        stapled(lambda: response(signer=issue_authority("Evil"))),
        FAIL,
        "signed neither",
    ),
    Case(checks.stapling, "signed by a delegate", stapled(signed_by_delegate()), PASS),
    Case(
        checks.stapling,
        "delegate of another authority",
        stapled(signed_by_delegate(by=root())),
        FAIL,
        "signed neither",
    ),
    Case(
        checks.stapling,
        "delegate that may not",
        stapled(signed_by_delegate(extended=(ExtendedKeyUsageOID.SERVER_AUTH,))),
        FAIL,
        "signed neither",
    ),
    Case(
        checks.stapling,
        "delegate whose time is over",
        stapled(signed_by_delegate(start=AT - 30 * DAY, end=AT - 20 * DAY)),
        FAIL,
        "signed neither",
    ),
    Case(
        checks.stapling,
        "over a digest that can be forged",
        stapled(lambda: over_sha1(response())),
        FAIL,
        "can be forged",
    ),
    Case(
        checks.stapling, "at its end and the skew of clocks", stapled(lambda: response(until=AT - SKEW)), PASS
    ),
    Case(
        checks.stapling,
        "a second later",
        stapled(lambda: response(until=AT - SKEW - SECOND)),
        FAIL,
        "valid until 2026-06-01 11:54:59",
    ),
    Case(checks.stapling, "from a fast clock", stapled(lambda: response(since=AT + SKEW)), PASS),
    Case(
        checks.stapling,
        "from tomorrow",
        stapled(lambda: response(since=AT + SKEW + SECOND)),
        FAIL,
        "not valid before",
    ),
    Case(
        checks.stapling,
        "without an end",
        stapled(lambda: response(until=None)),
        FAIL,
        "until when",
        severity=Severity.LOW,
    ),
    Case(
        checks.stapling,
        "unknown to the responder",
        stapled(lambda: response(status="unknown")),
        FAIL,
        "not know",
    ),
    Case(checks.stapling, "revoked is another rule's", stapled(lambda: response(status="revoked")), PASS),
    Case(
        checks.stapling,
        "issuer not known",
        lambda: chain_facts(issue(by=issue_authority("Far")), ocsp=response()),
        UNKNOWN,
        reason=Reason.NOT_COLLECTED,
    ),
]

REVOKED = [
    Case(checks.revoked, "nothing at hand", stapled(None), NOT_APPLICABLE, "CN=Issuing"),
    Case(checks.revoked, "stapled as good", stapled(), PASS, "good, as of 2026-05-31"),
    Case(
        checks.revoked,
        "stapled as revoked",
        stapled(lambda: response(status="revoked")),
        FAIL,
        "2026-05-30 12:00:00 UTC (keyCompromise)",
    ),
    Case(
        checks.revoked,
        "stapled as revoked by a delegate",
        stapled(lambda: response(status="revoked", signer=responder(), sent=[responder()])),
        FAIL,
    ),
    Case(
        checks.revoked,
        "stapled as revoked, long ago",
        stapled(lambda: response(status="revoked", until=AT - SKEW - SECOND)),
        FAIL,
    ),
    Case(
        checks.revoked,
        "forged as good",
        stapled(lambda: response(signer=issue_authority("Evil"))),
        NOT_APPLICABLE,
    ),
    Case(
        checks.revoked,
        "forged as revoked",
        stapled(lambda: response(status="revoked", signer=issue_authority("Evil"))),
        NOT_APPLICABLE,
    ),
    Case(
        checks.revoked,
        "an old staple shows nothing",
        stapled(lambda: response(until=AT - SKEW - SECOND)),
        NOT_APPLICABLE,
    ),
    Case(
        checks.revoked,
        "a staple at its end and the skew of clocks",
        stapled(lambda: response(until=AT - SKEW)),
        PASS,
    ),
    Case(checks.revoked, "not read", stapled(None, ocsp=UNREAD), UNKNOWN, reason=Reason.TIMED_OUT),
    Case(
        checks.revoked,
        "not in the list",
        stapled(None),
        PASS,
        "not in the list",
        lists=lists(revocation_list),
    ),
    Case(
        checks.revoked,
        "in the list",
        stapled(None),
        FAIL,
        "2026-05-29 12:00:00 UTC (superseded)",
        lists=lists(lambda: revocation_list(own())),
    ),
    Case(
        checks.revoked,
        "the list outdoes the staple",
        stapled(),
        FAIL,
        lists=lists(lambda: revocation_list(own())),
    ),
    Case(
        checks.revoked,
        "in a list of another authority",
        stapled(None),
        NOT_APPLICABLE,
        lists=lists(lambda: revocation_list(own(), by=root())),
    ),
    Case(
        checks.revoked,
        "in a forged list",
        stapled(None),
        UNKNOWN,
        "not the issuer's",
        reason=Reason.UNPARSED,
        lists=lists(lambda: revocation_list(own(), signer=private_key(holder="evil"))),
    ),
    Case(
        checks.revoked,
        "list in its last second",
        stapled(None),
        PASS,
        lists=lists(lambda: revocation_list(until=AT)),
    ),
    Case(
        checks.revoked,
        "list a second too old",
        stapled(None),
        UNKNOWN,
        "2026-06-01 11:59:59",
        reason=Reason.STALE_FEED,
        lists=lists(lambda: revocation_list(until=AT - SECOND)),
    ),
    Case(
        checks.revoked,
        "in a list that is too old",
        stapled(None),
        FAIL,
        lists=lists(lambda: revocation_list(own(), until=AT - SECOND)),
    ),
    Case(
        checks.revoked,
        "an old list beside the current one",
        stapled(None),
        PASS,
        lists=lists(lambda: revocation_list(since=AT - 9 * DAY, until=AT - 8 * DAY), revocation_list),
    ),
    Case(
        checks.revoked,
        "not in what is new since another list",
        stapled(None),
        UNKNOWN,
        "only says what is new",
        lists=lists(
            lambda: revocation_list(extra=[(x509.CRLNumber(8), False), (x509.DeltaCRLIndicator(7), True)])
        ),
    ),
    Case(
        checks.revoked,
        "not in the part of authorities",
        stapled(None),
        NOT_APPLICABLE,
        lists=lists(lambda: revocation_list(extra=part(only_contains_ca_certs=True))),
    ),
    Case(
        checks.revoked,
        "not in the part of servers",
        stapled(None),
        PASS,
        lists=lists(lambda: revocation_list(extra=part(only_contains_user_certs=True))),
    ),
    Case(
        checks.revoked,
        "not in the part that the certificate names",
        stapled(None),
        PASS,
        lists=lists(lambda: revocation_list(extra=at_point(POINT))),
    ),
    Case(
        checks.revoked,
        "not in another part",
        stapled(None),
        NOT_APPLICABLE,
        lists=lists(lambda: revocation_list(extra=at_point(POINT + "2"))),
    ),
    Case(
        checks.revoked,
        "only some reasons",
        stapled(None),
        UNKNOWN,
        "leaves out",
        lists=lists(
            lambda: revocation_list(
                extra=part(only_some_reasons=frozenset([x509.ReasonFlags.key_compromise]))
            )
        ),
    ),
    Case(checks.revoked, "no list at all", stapled(None), NOT_APPLICABLE, lists=lists(lambda: b"garbage")),
    Case(
        checks.revoked,
        "an issuer is revoked",
        stapled(),
        FAIL,
        "CN=Root",
        object="ECDSA/1",
        lists=lists(lambda: revocation_list(sub(), by=root())),
    ),
    Case(
        checks.revoked,
        "an issuer is not revoked",
        stapled(),
        PASS,
        object="ECDSA/1",
        lists=lists(lambda: revocation_list(by=root())),
    ),
    Case(
        checks.revoked,
        "issuer not known",
        lambda: chain_facts(issue(by=issue_authority("Far"))),
        NOT_APPLICABLE,
    ),
    Case(checks.revoked, "broken", broken_extension, UNKNOWN, reason=Reason.MALFORMED),
]


def must_staple(
    made: Callable[[Issued], bytes] | None, *, issuer: Issued | None = None
) -> Callable[[], ChainFacts]:
    def facts() -> ChainFacts:
        feature = x509.TLSFeature([x509.TLSFeatureType.status_request])
        certificate = issue(by=issuer or sub(), extra=[(feature, False)])
        return chain_facts(
            certificate, *([] if issuer else [sub()]), ocsp=made(certificate) if made else None
        )

    return facts


REQUIRED = [
    Case(checks.must_staple, "good", must_staple(lambda c: response(about=c)), PASS),
    Case(checks.must_staple, "about another", must_staple(lambda _: response()), FAIL, "none that counts"),
    Case(
        checks.must_staple,
        "too old",
        must_staple(lambda c: response(about=c, until=AT - SKEW - SECOND)),
        FAIL,
        "none that counts",
    ),
    Case(
        checks.must_staple,
        "issuer not known",
        must_staple(lambda _: response(), issuer=issue_authority("Far")),
        UNKNOWN,
        reason=Reason.NOT_COLLECTED,
    ),
]

CASES = [*STAPLES, *REVOKED, *REQUIRED]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.check.id}: {case.label}")
def test_verdict(case: Case) -> None:
    judge(case)


def test_every_check_passes_fails_and_is_unknown_somewhere() -> None:
    assert lacking(CASES, checks.revoked, checks.stapling, checks.must_staple) == []


def test_an_issuer_that_no_list_is_of_is_not_spoken_of() -> None:
    [only] = verdicts(Case(checks.revoked, "", stapled(), PASS))
    assert only.object == "ECDSA/0"


def test_a_staple_is_judged_by_when_it_was_seen() -> None:
    judge(Case(checks.revoked, "", stapled(), PASS, at=AT + 90 * DAY))


def test_certificate_of_a_subject_that_another_authority_also_has() -> None:
    # The names are the same, the keys are not: the number of one revokes nothing of the other.
    twin = issue_authority("Issuing", by=root(), holder="twin")
    listed = revocation_list(own(), by=twin)
    judge(Case(checks.revoked, "", stapled(None), UNKNOWN, NAME[:0], lists=lambda: [listed]))
