"""What an audit says, and the facts that are made of it."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secscan.collection.deep.findings import (
    AcceptedSuite,
    CertificateReceived,
    Measured,
    NoCertificate,
    VersionTried,
    audit_facts,
)
from secscan.facts import CipherSuite, Gap, TlsAuditFacts, TlsVersion, VersionAudit, encode
from secscan.model import Reason

NOT_COLLECTED = Gap()
LATE = Gap(Reason.TIMED_OUT, "the deadline")
CLOSED = Gap(Reason.REFUSED, "it closed the connection")
AES = AcceptedSuite(name="TLS_RSA_WITH_AES_128_CBC_SHA", key_size=128)
RC4 = AcceptedSuite(name="TLS_RSA_WITH_RC4_128_SHA", key_size=128)


def tried(version: TlsVersion = TlsVersion.TLS1_2, **values: object) -> VersionTried:
    return msgspec.convert({"type": "version", "version": version, **values}, VersionTried)


def facts(*findings: object, rest: Gap = NOT_COLLECTED) -> TlsAuditFacts:
    made = audit_facts(findings, rest=rest)  # type: ignore[arg-type]
    assert isinstance(made, TlsAuditFacts), made
    return made


# --- Versions and suites --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("finding", "expected"),
    [
        pytest.param({"refused": True}, (False, ()), id="refused"),
        pytest.param({"doubt": LATE}, (LATE, LATE), id="no answer is no refusal"),
        pytest.param({"refused": False}, (NOT_COLLECTED, NOT_COLLECTED), id="our OpenSSL can't speak it"),
        pytest.param(
            {"accepted": (RC4, AES)},
            (
                True,
                (CipherSuite(name=AES.name, key_size=128), CipherSuite(name=RC4.name, key_size=128)),
            ),
            id="suites are sorted",
        ),
        pytest.param(
            {"accepted": (RC4,), "doubt": LATE},
            (True, Gap(Reason.TIMED_OUT, f"the deadline; accepted until then: {RC4.name}")),
            id="a list that may lack some is no list",
        ),
    ],
)
def test_one_version(finding: dict[str, object], expected: tuple[object, object]) -> None:
    made = facts(
        tried(TlsVersion.TLS1_3, accepted=(AES,)), VersionTried(version=TlsVersion.TLS1_0, **finding)
    )  # type: ignore[arg-type]
    offer = made.audit(TlsVersion.TLS1_0)
    assert (offer.offered, offer.suites) == expected


def test_all_versions_are_there_oldest_first() -> None:
    made = facts(tried(TlsVersion.TLS1_3, accepted=(AES,)), tried(TlsVersion.SSLV2, refused=True))
    assert [offer.version for offer in made.versions] == list(TlsVersion)


def test_a_version_nobody_came_to_ask_about_has_the_reason_of_the_rest() -> None:
    made = facts(tried(accepted=(AES,)), rest=LATE)
    assert made.audit(TlsVersion.TLS1_0) == VersionAudit(version=TlsVersion.TLS1_0, offered=LATE, suites=LATE)


@pytest.mark.parametrize(
    ("findings", "rest", "expected"),
    [
        pytest.param([], LATE, LATE, id="ended before it had asked anything"),
        pytest.param([tried(doubt=CLOSED)], NOT_COLLECTED, CLOSED, id="closed every connection"),
        pytest.param(
            [tried(refused=True), tried(TlsVersion.TLS1_3, doubt=LATE)], NOT_COLLECTED, LATE, id="silent"
        ),
    ],
)
def test_nothing_accepted_is_nothing_seen(findings: list[VersionTried], rest: Gap, expected: Gap) -> None:
    assert audit_facts(findings, rest=rest) == expected


def test_a_server_that_refuses_everything_is_not_said_to_offer_nothing() -> None:
    made = audit_facts([tried(version, refused=True) for version in TlsVersion], rest=NOT_COLLECTED)
    assert isinstance(made, Gap)
    assert made.reason is Reason.REFUSED


# --- Single readings ----------------------------------------------------------------------------------------


def test_what_was_not_measured_is_a_gap_with_the_reason_of_the_rest() -> None:
    assert facts(tried(accepted=(AES,)), rest=LATE).heartbleed == LATE


def test_what_was_measured_is_there() -> None:
    assert facts(tried(accepted=(AES,)), Measured(field="robot", value="weak")).robot == "weak"


def test_groups_are_sorted() -> None:
    made = facts(tried(accepted=(AES,)), Measured(field="groups", value=("x448", "secp256r1", "x25519")))
    assert made.groups == ("secp256r1", "x25519", "x448")


@pytest.mark.parametrize("field", ["versions", "dh_bits", "certificates", "no_such_field"])
def test_an_audit_can_fill_only_what_is_its_own(field: str) -> None:
    assert facts(tried(accepted=(AES,)), Measured(field=field, value="x")) == facts(tried(accepted=(AES,)))


def test_a_value_of_the_wrong_type_is_not_believed() -> None:
    with pytest.raises(msgspec.ValidationError):
        audit_facts([tried(accepted=(AES,)), Measured(field="heartbleed", value="no")], rest=NOT_COLLECTED)


def _dhe(bits: int) -> AcceptedSuite:
    return AcceptedSuite(name="TLS_DHE_RSA_WITH_AES_128_CBC_SHA", key_size=128, dh_bits=bits)


EVERY_OTHER_REFUSED = [tried(version, refused=True) for version in TlsVersion if version != TlsVersion.TLS1_2]


@pytest.mark.parametrize(
    ("suites", "expected"),
    [
        pytest.param((AES,), 0, id="no such suite"),
        pytest.param((AES, _dhe(2048)), 2048, id="one"),
        pytest.param((_dhe(2048), _dhe(1024)), 1024, id="the smallest"),
        pytest.param(
            (AcceptedSuite(name="TLS_DH_anon_WITH_AES_128_CBC_SHA", key_size=128, dh_bits=768),),
            768,
            id="anonymous",
        ),
    ],
)
def test_dh_bits(suites: tuple[AcceptedSuite, ...], expected: int) -> None:
    assert facts(*EVERY_OTHER_REFUSED, tried(accepted=suites)).dh_bits == expected


@pytest.mark.parametrize(
    "findings",
    [
        pytest.param([*EVERY_OTHER_REFUSED, tried(accepted=(_dhe(2048), _dhe(0)))], id="a prime not seen"),
        pytest.param([tried(accepted=(AES,))], id="a version not asked about"),
        pytest.param(
            [*EVERY_OTHER_REFUSED[1:], tried(TlsVersion.SSLV2, doubt=LATE), tried(accepted=(AES,))],
            id="doubt",
        ),
    ],
)
def test_dh_bits_may_be_unknown(findings: list[VersionTried]) -> None:
    assert isinstance(facts(*findings, rest=LATE).dh_bits, Gap)


# --- Certificates -----------------------------------------------------------------------------------------


def received(*certificates: str) -> list[CertificateReceived]:
    return [CertificateReceived(certificate=certificate) for certificate in certificates]


def test_certificates_are_sorted_and_named_once() -> None:
    assert facts(tried(accepted=(AES,)), *received("b", "a", "b")).certificates == ("a", "b")


ANONYMOUS = AcceptedSuite(name="TLS_ECDH_anon_WITH_AES_128_CBC_SHA", key_size=128)


def test_a_server_with_anonymous_suites_only_has_no_certificate() -> None:
    assert facts(tried(accepted=(ANONYMOUS,))).certificates == ()


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        pytest.param([tried(accepted=(AES,)), NoCertificate(gap=LATE)], LATE, id="tried in vain"),
        pytest.param([tried(accepted=(AES,))], CLOSED, id="not tried"),
        pytest.param(
            [tried(accepted=(ANONYMOUS,), doubt=LATE)], CLOSED, id="there may be suites with certificates"
        ),
        pytest.param(
            [
                tried(accepted=(AES,)),
                NoCertificate(gap=LATE),
                NoCertificate(gap=Gap(Reason.MALFORMED, "not DER")),
            ],
            Gap(Reason.MALFORMED, "not DER"),
            id="what is wrong with them says most",
        ),
    ],
)
def test_no_certificates(findings: list[VersionTried | NoCertificate], expected: Gap) -> None:
    assert facts(*findings, rest=CLOSED).certificates == expected


def test_an_answer_without_any_version_is_an_answer() -> None:
    made = facts(Measured(field="robot", value="weak"), rest=LATE)
    assert made.robot == "weak"
    assert made.audit(TlsVersion.TLS1_2) == VersionAudit(version=TlsVersion.TLS1_2, offered=LATE, suites=LATE)


@given(
    st.permutations(
        [tried(accepted=(AES, RC4, _dhe(1024))), *EVERY_OTHER_REFUSED, Measured(field="robot", value="none")]
    )
)
def test_the_order_of_findings_does_not_matter(findings: list[VersionTried | Measured]) -> None:
    assert encode(facts(*findings)) == encode(facts(*sorted(findings, key=str)))
