"""Stapled responses and revocation lists from hostile servers and files: never an exception, never believed."""

from datetime import timedelta
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from hypothesis import given, settings
from hypothesis import strategies as st

from secscan.facts.certificate import Malformed
from secscan.facts.revocation import Answer, Fault, Status, is_list_of, read_answer, read_list
from tests.factories import AT, Issued, issue, issue_authority

DAY = timedelta(days=1)


@lru_cache
def root() -> Issued:
    return issue_authority("Root")


@lru_cache
def own() -> Issued:
    return issue(by=root())


@lru_cache
def response() -> bytes:
    made = ocsp.OCSPResponseBuilder().add_response(
        cert=own().x509,
        issuer=root().x509,
        algorithm=hashes.SHA256(),
        cert_status=ocsp.OCSPCertStatus.GOOD,
        this_update=AT - DAY,
        next_update=AT + DAY,
        revocation_time=None,
        revocation_reason=None,
    )
    signed = made.responder_id(ocsp.OCSPResponderEncoding.NAME, root().x509).sign(root().key, hashes.SHA256())
    return signed.public_bytes(Encoding.DER)


@lru_cache
def revocation_list() -> bytes:
    entry = x509.RevokedCertificateBuilder().serial_number(7).revocation_date(AT).build()
    made = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root().x509.subject)
        .last_update(AT - DAY)
        .next_update(AT + DAY)
        .add_revoked_certificate(entry)
        .add_extension(x509.CRLNumber(1), critical=False)
    )
    return made.sign(root().key, hashes.SHA256()).public_bytes(Encoding.DER)


@st.composite
def changed(draw: st.DrawFn, whole: bytes) -> bytes:
    """The bytes with some of them replaced, cut off or repeated."""
    made = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(made) - 1))
        made[at : at + draw(st.integers(0, 8))] = draw(st.binary(max_size=8))
        if not made:
            return b""
    return bytes(made)


def test_what_the_issuer_signed_is_believed() -> None:
    assert read_answer(response(), own().der, root().der, AT) == Answer(Status.GOOD, AT - DAY, AT + DAY)
    assert is_list_of(revocation_list(), root().der)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_changed_response_says_anything_else(data: st.DataObject) -> None:
    made = data.draw(changed(response()))
    said = read_answer(made, own().der, root().der, AT)
    assert isinstance(said, Fault) or said == read_answer(response(), own().der, root().der, AT)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_changed_list_is_the_issuers(data: st.DataObject) -> None:
    made = data.draw(changed(revocation_list()))
    read = read_list(made)
    if not isinstance(read, Malformed) and is_list_of(made, root().der):
        assert read == read_list(revocation_list())


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_no_answer_and_no_list(made: bytes) -> None:
    assert isinstance(read_answer(made, own().der, root().der, AT), Fault)
    assert isinstance(read_list(made), Malformed)


def test_a_list_in_another_name_is_not_the_issuers() -> None:
    # The same key signs for two authorities: a list says in whose name.
    made = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issue_authority("Other").x509.subject)
        .last_update(AT)
        .next_update(AT + DAY)
        .sign(root().key, hashes.SHA256())
    )
    assert not is_list_of(made.public_bytes(Encoding.DER), root().der)


def test_an_answer_about_garbage_is_none() -> None:
    assert read_answer(response(), b"garbage", root().der, AT) is Fault.MALFORMED
    assert not is_list_of(revocation_list(), b"garbage")
