"""What an audit says, and the facts that are made of it."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secscan.collection.deep.findings import (
    AcceptedSuite,
    ChainReceived,
    Measured,
    NoChain,
    VersionTried,
    chain_facts,
    slot_of,
    tls_facts,
)
from secscan.facts import (
    Absent,
    Chain,
    ChainFacts,
    CipherSuite,
    Gap,
    TlsFacts,
    TlsVersion,
    VersionOffer,
    encode,
)
from secscan.model import Reason
from tests.lab.authority import Authority

NOT_COLLECTED = Gap()
LATE = Gap(Reason.TIMED_OUT, "the deadline")
CLOSED = Gap(Reason.REFUSED, "it closed the connection")
AES = AcceptedSuite(name="TLS_RSA_WITH_AES_128_CBC_SHA", key_size=128)
RC4 = AcceptedSuite(name="TLS_RSA_WITH_RC4_128_SHA", key_size=128)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority(datetime(2026, 1, 1, tzinfo=UTC))


def tried(version: TlsVersion = TlsVersion.TLS1_2, **values: object) -> VersionTried:
    return msgspec.convert({"type": "version", "version": version, **values}, VersionTried)


def facts(*findings: object, rest: Gap = NOT_COLLECTED) -> TlsFacts:
    made = tls_facts(findings, rest=rest)  # type: ignore[arg-type]
    assert isinstance(made, TlsFacts), made
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
    offer = made.offer(TlsVersion.TLS1_0)
    assert (offer.offered, offer.suites) == expected


def test_all_versions_are_there_oldest_first() -> None:
    made = facts(tried(TlsVersion.TLS1_3, accepted=(AES,)), tried(TlsVersion.SSLV2, refused=True))
    assert [offer.version for offer in made.versions] == list(TlsVersion)


def test_a_version_nobody_came_to_ask_about_has_the_reason_of_the_rest() -> None:
    made = facts(tried(accepted=(AES,)), rest=LATE)
    assert made.offer(TlsVersion.TLS1_0) == VersionOffer(version=TlsVersion.TLS1_0, offered=LATE, suites=LATE)


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
    assert tls_facts(findings, rest=rest) == expected


def test_a_server_that_refuses_everything_is_not_said_to_offer_nothing() -> None:
    made = tls_facts([tried(version, refused=True) for version in TlsVersion], rest=NOT_COLLECTED)
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


@pytest.mark.parametrize("field", ["versions", "starttls", "dh_bits", "no_such_field"])
def test_an_audit_can_fill_only_what_is_its_own(field: str) -> None:
    assert facts(tried(accepted=(AES,)), Measured(field=field, value="x")) == facts(tried(accepted=(AES,)))


def test_a_value_of_the_wrong_type_is_not_believed() -> None:
    with pytest.raises(msgspec.ValidationError):
        tls_facts([tried(accepted=(AES,)), Measured(field="heartbleed", value="no")], rest=NOT_COLLECTED)


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


def test_certificates_stay_in_the_order_they_came(authority: Authority) -> None:
    sent = authority.misordered("a.example").certificates
    made = chain_facts([ChainReceived(certificates=sent)], rest=NOT_COLLECTED)
    assert made == ChainFacts(chains=(Chain(slot="ECDSA", certificates=sent, ocsp=None),))


def test_the_same_chain_from_several_handshakes_is_one_with_the_staple_that_any_brought(
    authority: Authority,
) -> None:
    sent = authority.good("a.example").certificates
    received = [ChainReceived(certificates=sent, ocsp=ocsp) for ocsp in (None, b"staple", None)]
    made = chain_facts(received, rest=NOT_COLLECTED)
    assert made == ChainFacts(chains=(Chain(slot="ECDSA", certificates=sent, ocsp=b"staple"),))


def test_chains_are_sorted_by_slot(authority: Authority) -> None:
    rsa, ecdsa = (authority.good("a.example", key=key).certificates for key in ("rsa-2048", "ecdsa-256"))
    for order in ((rsa, ecdsa), (ecdsa, rsa)):
        made = chain_facts([ChainReceived(certificates=sent) for sent in order], rest=NOT_COLLECTED)
        assert isinstance(made, ChainFacts)
        assert [chain.slot for chain in made.chains] == ["ECDSA", "RSA"]


@pytest.mark.parametrize(
    ("key", "slot"), [("rsa-1024", "RSA"), ("ecdsa-384", "ECDSA"), ("ed25519", "Ed25519")]
)
def test_slots_are_named_by_key(authority: Authority, key: str, slot: str) -> None:
    assert slot_of(authority.good("a.example", key=key).certificates[0]) == slot  # type: ignore[arg-type]


def test_a_certificate_that_cant_be_read_is_kept_in_the_slot_that_was_asked_for() -> None:
    made = chain_facts([ChainReceived(certificates=(b"junk",), slot="RSA")], rest=NOT_COLLECTED)
    assert made == ChainFacts(chains=(Chain(slot="RSA", certificates=(b"junk",), ocsp=None),))


def test_a_server_with_anonymous_suites_only_has_no_certificate() -> None:
    anonymous = AcceptedSuite(name="TLS_ECDH_anon_WITH_AES_128_CBC_SHA", key_size=128)
    assert isinstance(chain_facts([tried(accepted=(anonymous,))], rest=NOT_COLLECTED), Absent)


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        pytest.param([tried(accepted=(AES,)), NoChain(gap=LATE)], LATE, id="tried in vain"),
        pytest.param([tried(accepted=(AES,))], CLOSED, id="not tried"),
        pytest.param(
            [
                tried(
                    accepted=(AcceptedSuite(name="TLS_DH_anon_WITH_AES_128_CBC_SHA", key_size=128),),
                    doubt=LATE,
                )
            ],
            CLOSED,
            id="there may be suites with certificates",
        ),
    ],
)
def test_no_certificates(findings: list[VersionTried | NoChain], expected: Gap) -> None:
    assert chain_facts(findings, rest=CLOSED) == expected


@given(st.binary(max_size=64), st.integers(min_value=0, max_value=600), st.integers(0, 255))
def test_no_bytes_of_a_certificate_raise(junk: bytes, place: int, value: int) -> None:
    assert slot_of(junk) == "unknown"
    certificate = bytearray(CERTIFICATE)
    certificate[place % len(certificate)] = value
    slot_of(bytes(certificate))


CERTIFICATE = Authority(datetime(2026, 1, 1, tzinfo=UTC)).good("a.example").certificates[0]


@given(
    st.permutations(
        [tried(accepted=(AES, RC4, _dhe(1024))), *EVERY_OTHER_REFUSED, Measured(field="robot", value="none")]
    )
)
def test_the_order_of_findings_does_not_matter(findings: list[VersionTried | Measured]) -> None:
    assert encode(facts(*findings)) == encode(facts(*sorted(findings, key=str)))
