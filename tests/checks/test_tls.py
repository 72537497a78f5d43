"""The TLS checks, by table: at the limit and either side, not applicable, unknown; and the classes of suites."""

from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from secscan.check import Check, Limits, Verdict
from secscan.checks import tls as checks
from secscan.facts import Gap, NotSeen, SuiteClass, TlsFacts, TlsVersion
from secscan.facts.suites import Trait, traits
from secscan.model import Outcome, Reason, Severity
from tests.factories import SOUND_1_2, SOUND_1_3, UNREAD, audit_facts, seen, tls_facts, unobserved

PASS, FAIL, UNKNOWN, NOT_APPLICABLE = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN, Outcome.NOT_APPLICABLE
SSL2, SSL3 = TlsVersion.SSLV2, TlsVersion.SSLV3
TLS10, TLS11, TLS12, TLS13 = TlsVersion.TLS1_0, TlsVersion.TLS1_1, TlsVersion.TLS1_2, TlsVersion.TLS1_3
ALL = [value for value in vars(checks).values() if isinstance(value, Check)]

AES_CBC = "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"
STATIC_GCM = "TLS_RSA_WITH_AES_128_GCM_SHA256"
RC4 = "TLS_RSA_WITH_RC4_128_SHA"
TRIPLE_DES = "TLS_RSA_WITH_3DES_EDE_CBC_SHA"
DES = "TLS_DHE_RSA_WITH_DES_CBC_SHA"
EXPORT = "TLS_RSA_EXPORT_WITH_DES40_CBC_SHA"
NULL = "TLS_RSA_WITH_NULL_SHA256"
ANON = "TLS_ECDH_anon_WITH_AES_256_CBC_SHA"
ANON_GCM = "TLS_DH_anon_WITH_AES_128_GCM_SHA256"
STRANGE = "TLS_FANCY_WITH_TREFOIL_512"

ONLY_1_3 = {TLS12: False}
ONLY_1_2 = {TLS13: False}
NOTHING = {TLS12: False, TLS13: False}


def server(offers: dict[TlsVersion, Any] | None = None, **changes: Any) -> TlsFacts:
    return tls_facts(offers, **changes)


def also(*suites: str) -> TlsFacts:
    """A sound server that accepts these suites in TLS 1.2 too."""
    return server({TLS12: (*SOUND_1_2, *suites)})


@dataclass(frozen=True)
class Case:
    """What a check says of ``facts``. A gap that it meets is UNKNOWN, as evaluation has it."""

    check: Check
    label: str
    facts: TlsFacts
    outcome: Outcome
    says: str = ""
    severity: Severity | None = None
    reason: Reason | None = None
    limits: dict[str, Any] = field(default_factory=dict)


def verdict(case: Case) -> Verdict | NotSeen:
    given: dict[str, Any] = {
        name: seen(case.facts) if kind is TlsFacts else unobserved(kind.kind)
        for name, kind in case.check.observes.items()
    }
    for name, wanted in case.check.asks.items():
        assert issubclass(wanted, Limits)
        given[name] = wanted(**case.limits)
    try:
        [said] = case.check(**given)
    except NotSeen as e:
        return e
    return said


def _versions() -> list[Case]:
    cases = []
    for check, version in (
        (checks.sslv2, SSL2),
        (checks.sslv3, SSL3),
        (checks.tls10, TLS10),
        (checks.tls11, TLS11),
    ):
        cases += [
            Case(check, "off", server(), PASS, "not offered; offered are TLSv1.2, TLSv1.3"),
            Case(check, "on", server({version: (AES_CBC,)}), FAIL, f"{version.value} is offered"),
            Case(check, "on, its suites unread", server({version: True}), FAIL),
            Case(check, "unread", server({version: UNREAD}), UNKNOWN, reason=Reason.TIMED_OUT),
            Case(check, "off, like everything", server(NOTHING), UNKNOWN, reason=Reason.CONTRADICTORY),
        ]
    return cases


VERSIONS = [
    *_versions(),
    Case(checks.modern_version, "both", server(), PASS, "TLSv1.2, TLSv1.3"),
    Case(checks.modern_version, "1.2", server(ONLY_1_2), PASS),
    Case(checks.modern_version, "1.3", server(ONLY_1_3), PASS),
    Case(checks.modern_version, "1.2, 1.3 unread", server({TLS13: UNREAD}), PASS),
    Case(checks.modern_version, "1.3, 1.2 unread", server({TLS12: UNREAD}), PASS),
    Case(
        checks.modern_version,
        "neither",
        server({**NOTHING, TLS10: (AES_CBC,), TLS11: (AES_CBC,)}),
        FAIL,
        "Offered are TLSv1.0, TLSv1.1; TLSv1.2 or TLSv1.3 is expected",
    ),
    Case(checks.modern_version, "no 1.2, 1.3 unread", server({TLS12: False, TLS13: UNREAD}), UNKNOWN),
    Case(checks.modern_version, "nothing at all", server(NOTHING), UNKNOWN, reason=Reason.CONTRADICTORY),
    Case(checks.tls13, "on", server(), PASS),
    Case(checks.tls13, "off", server(ONLY_1_2), FAIL, "offered are TLSv1.2."),
    Case(checks.tls13, "unread", server({TLS13: UNREAD}), UNKNOWN, reason=Reason.TIMED_OUT),
]


def _forbidden() -> list[Case]:
    """Each rule that forbids suites meets its suite, another rule's, and lists that were not read."""
    cases = []
    for check, suite, another in (
        (checks.null, NULL, RC4),
        (checks.anonymous, ANON, RC4),
        (checks.export, EXPORT, RC4),
        (checks.rc4, RC4, TRIPLE_DES),
        (checks.des, DES, TRIPLE_DES),
        (checks.block_64, TRIPLE_DES, RC4),
        (checks.cbc, AES_CBC, RC4),
        (checks.static_key_exchange, STATIC_GCM, ANON_GCM),
    ):
        cases += [
            Case(check, "none", server(), PASS),
            Case(check, "one", also(suite), FAIL, suite),
            Case(check, "another rule's", also(another), PASS),
            Case(check, "one in an old version", server({TLS10: (suite,)}), FAIL, suite),
            Case(check, "one, and a version unread", server({TLS11: UNREAD, TLS10: (suite,)}), FAIL, suite),
            Case(
                check, "none, and a version unread", server({TLS11: UNREAD}), UNKNOWN, reason=Reason.TIMED_OUT
            ),
            Case(check, "none, and suites unread", server({TLS12: True}), UNKNOWN, reason=Reason.TIMED_OUT),
            Case(check, "none, and a strange one", also(STRANGE), UNKNOWN, STRANGE, reason=Reason.UNPARSED),
            Case(check, "one, and a strange one", also(STRANGE, suite), FAIL, suite),
            Case(check, "no version at all", server(NOTHING), UNKNOWN, reason=Reason.CONTRADICTORY),
            Case(check, "TLS 1.3 only", server(ONLY_1_3), PASS),
        ]
    return cases


#: Only a suite of RFC 9150 in TLS 1.3 is without encryption; no other rule looks at TLS 1.3.
NEEDS_1_3 = Case(
    checks.null, "suites of TLS 1.3 unread", server({TLS13: True}), UNKNOWN, reason=Reason.TIMED_OUT
)


def classes(version: TlsVersion, *settled: SuiteClass, **changes: Any) -> TlsFacts:
    """A sound server whose suites of one version were asked by class."""
    facts = server(**changes)
    offers = [
        msgspec.structs.replace(o, settled=settled, unsettled=Gap(Reason.TIMED_OUT, "late"))
        if o.version is version
        else o
        for o in facts.versions
    ]
    return msgspec.structs.replace(facts, versions=tuple(offers))


def _by_class() -> list[Case]:
    """A list that is good for one class passes that class's rule and no other's."""
    rules = (
        (checks.null, SuiteClass.NULL),
        (checks.anonymous, SuiteClass.ANONYMOUS),
        (checks.export, SuiteClass.EXPORT),
        (checks.rc4, SuiteClass.RC4),
        (checks.des, SuiteClass.SHORT_KEY),
        (checks.block_64, SuiteClass.BLOCK64),
        (checks.cbc, SuiteClass.CBC),
        (checks.static_key_exchange, SuiteClass.STATIC),
    )
    cases = []
    for check, kind in rules:
        others = set(SuiteClass) - {kind, SuiteClass.EVERY}
        cases += [
            Case(check, "its class was asked", classes(TLS12, kind), PASS),
            Case(check, "all other classes were asked", classes(TLS12, *others), UNKNOWN, "late"),
        ]
    return cases


SUITES = [
    *_forbidden(),
    *_by_class(),
    Case(checks.aead, "one found, nothing else asked", classes(TLS12), PASS),
    Case(checks.forward_secrecy, "one found, nothing else asked", classes(TLS12), PASS),
    Case(checks.groups, "weak curves asked", server(groups=("secp256r1",), groups_below=224), PASS),
    Case(checks.groups, "no curve, weak ones asked", server(groups=(), groups_below=224), PASS),
    Case(checks.groups, "too few curves asked", server(groups=("secp256r1",), groups_below=223), UNKNOWN),
    Case(checks.groups, "a weak one among few", server(groups=("secp192r1",), groups_below=1), FAIL),
    Case(
        checks.robot,
        "no RSA key transport",
        server({TLS12: SOUND_1_2}, robot=UNREAD),
        NOT_APPLICABLE,
        "No suite with RSA key transport",
    ),
    Case(checks.robot, "its class was not asked", classes(TLS12, robot=UNREAD), UNKNOWN, "late"),
    NEEDS_1_3,
    *(
        Case(check, "suites of TLS 1.3 unread", server({TLS13: True}), PASS)
        for check in (
            checks.anonymous,
            checks.export,
            checks.rc4,
            checks.des,
            checks.block_64,
            checks.cbc,
            checks.static_key_exchange,
        )
    ),
    Case(checks.null, "integrity only", server({TLS13: ("TLS_SHA256_SHA256",)}), FAIL, "TLS_SHA256_SHA256"),
    Case(checks.rc4, "in SSL 2.0", server({SSL2: ("SSL_CK_RC4_128_WITH_MD5",)}), FAIL),
    Case(checks.des, "export: another rule's", also(EXPORT), PASS),
    Case(checks.block_64, "single DES: another rule's", also(DES), PASS),
    Case(
        checks.cbc,
        "many, of which five are shown",
        also(*(f"TLS_RSA_WITH_AES_{i:03}_CBC_SHA" for i in range(20))),
        FAIL,
        "AES_004_CBC_SHA (+15).",
    ),
    Case(checks.aead, "GCM", server(ONLY_1_2), PASS, SOUND_1_2[0]),
    Case(checks.aead, "TLS 1.3", server(ONLY_1_3), PASS),
    Case(checks.aead, "one, the rest unread", server({TLS13: UNREAD, TLS11: UNREAD}), PASS),
    Case(checks.aead, "CBC only", server({**ONLY_1_2, TLS12: (AES_CBC,)}), FAIL, "None of the suites"),
    Case(checks.aead, "anonymous only", server({**ONLY_1_2, TLS12: (AES_CBC, ANON_GCM)}), FAIL),
    Case(checks.aead, "CBC, the rest unread", server({TLS12: (AES_CBC,), TLS13: UNREAD}), UNKNOWN),
    Case(checks.aead, "a strange one", server({**ONLY_1_2, TLS12: (AES_CBC, STRANGE)}), UNKNOWN, STRANGE),
    Case(checks.forward_secrecy, "ECDHE", server({**ONLY_1_2, TLS12: (AES_CBC,)}), PASS, AES_CBC),
    Case(checks.forward_secrecy, "TLS 1.3", server(ONLY_1_3), PASS),
    Case(checks.forward_secrecy, "RSA only", server({**ONLY_1_2, TLS12: (STATIC_GCM,)}), FAIL),
    Case(checks.forward_secrecy, "anonymous only", server({**ONLY_1_2, TLS12: (STATIC_GCM, ANON)}), FAIL),
    Case(
        checks.forward_secrecy, "RSA, the rest unread", server({TLS12: (STATIC_GCM,), TLS13: True}), UNKNOWN
    ),
]

KEY_EXCHANGE = [
    Case(checks.dh_size, "at the limit", server(dh_bits=2048), PASS, "2048"),
    Case(checks.dh_size, "below it", server(dh_bits=2047), FAIL, "2047", severity=Severity.MEDIUM),
    Case(checks.dh_size, "1024", server(dh_bits=1024), FAIL, "at least 2048", severity=Severity.MEDIUM),
    Case(checks.dh_size, "below 1024", server(dh_bits=1023), FAIL, severity=Severity.HIGH),
    Case(
        checks.dh_size,
        "below another limit",
        server(dh_bits=2048),
        FAIL,
        "at least 3072",
        severity=Severity.MEDIUM,
        limits={"bits": 3072},
    ),
    Case(checks.dh_size, "none", server(dh_bits=0), NOT_APPLICABLE),
    Case(checks.dh_size, "unread", server(dh_bits=UNREAD), UNKNOWN, reason=Reason.TIMED_OUT),
    Case(checks.groups, "sound", server(), PASS, "secp256r1, x25519"),
    Case(checks.groups, "at the limit", server(groups=("secp224r1",)), PASS),
    Case(checks.groups, "below it", server(groups=("secp192r1", "secp256r1")), FAIL, "secp192r1."),
    Case(checks.groups, "below it, by its name in X9.62", server(groups=("prime192v1",)), FAIL),
    Case(checks.groups, "binary, below it", server(groups=("sect193r1", "sect233k1")), FAIL, "sect193r1."),
    Case(checks.groups, "below another limit", server(groups=("secp224r1",)), FAIL, limits={"bits": 256}),
    Case(checks.groups, "described by the client", server(groups=("arbitrary_explicit_prime_curves",)), FAIL),
    Case(checks.groups, "hybrid", server(groups=("X25519MLKEM768", "brainpoolP256r1", "ffdhe2048")), PASS),
    Case(checks.groups, "none", server(groups=()), NOT_APPLICABLE),
    Case(checks.groups, "unread", server(groups=UNREAD), UNKNOWN, reason=Reason.TIMED_OUT),
]

FLAWS = [
    *(
        case
        for check, name, flaw in (
            (checks.heartbleed, "heartbleed", True),
            (checks.ccs_injection, "ccs_injection", True),
            (checks.compression, "compression", True),
            (checks.secure_renegotiation, "secure_renegotiation", False),
            (checks.client_renegotiation, "client_renegotiation", True),
            (checks.extended_master_secret, "extended_master_secret", False),
            (checks.early_data, "early_data", True),
            (checks.fallback_scsv, "fallback_scsv", False),
        )
        for case in (
            Case(check, "sound", server({TLS11: (AES_CBC,)}, **{name: not flaw}), PASS),
            Case(check, "flawed", server({TLS11: (AES_CBC,)}, **{name: flaw}), FAIL),
            Case(
                check,
                "unread",
                server({TLS11: (AES_CBC,)}, **{name: UNREAD}),
                UNKNOWN,
                "it took too long",
                reason=Reason.TIMED_OUT,
            ),
        )
    ),
    Case(checks.robot, "none", server(), PASS),
    Case(checks.robot, "weak", server(robot="weak"), FAIL, "weak", severity=Severity.HIGH),
    Case(checks.robot, "strong", server(robot="strong"), FAIL, "strong"),
    Case(
        checks.robot,
        "unread",
        server({TLS12: (*SOUND_1_2, STATIC_GCM)}, robot=UNREAD),
        UNKNOWN,
        reason=Reason.TIMED_OUT,
    ),
    *(
        case
        for check, name, flaw in (
            (checks.secure_renegotiation, "secure_renegotiation", False),
            (checks.client_renegotiation, "client_renegotiation", True),
            (checks.extended_master_secret, "extended_master_secret", False),
        )
        for case in (
            Case(check, "TLS 1.3 only", server(ONLY_1_3, **{name: flaw}), NOT_APPLICABLE),
            Case(check, "TLS 1.3, older unread", server({TLS12: UNREAD}), UNKNOWN, reason=Reason.TIMED_OUT),
            Case(check, "one old version, others unread", server({TLS11: UNREAD}, **{name: flaw}), FAIL),
        )
    ),
    Case(checks.early_data, "no TLS 1.3", server(ONLY_1_2, early_data=UNREAD), NOT_APPLICABLE),
    Case(checks.early_data, "TLS 1.3 unread", server({TLS13: UNREAD}), UNKNOWN),
    Case(checks.fallback_scsv, "one old version", server(fallback_scsv=False), NOT_APPLICABLE),
    Case(checks.fallback_scsv, "TLS 1.3 only", server(ONLY_1_3, fallback_scsv=False), NOT_APPLICABLE),
    Case(
        checks.fallback_scsv,
        "flawed",
        server({TLS10: (AES_CBC,)}, fallback_scsv=False),
        FAIL,
        "TLSv1.0, TLSv1.2, TLSv1.3",
    ),
    Case(checks.fallback_scsv, "safe, another version unread", server({TLS11: UNREAD}), PASS),
    Case(
        checks.fallback_scsv,
        "unsafe, and perhaps only one version",
        server({TLS11: UNREAD}, fallback_scsv=False),
        UNKNOWN,
        reason=Reason.TIMED_OUT,
    ),
]

CASES = [*VERSIONS, *SUITES, *KEY_EXCHANGE, *FLAWS]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.check.id}: {case.label}")
def test_verdict(case: Case) -> None:
    said = verdict(case)
    if isinstance(said, NotSeen):
        assert case.outcome is UNKNOWN, said.gap
        assert case.reason in (None, said.gap.reason)
        assert case.says in said.gap.detail
    else:
        assert said.outcome is case.outcome, str(said.evidence)
        assert said.severity is case.severity
        assert case.says in str(said.evidence)
        assert said.object == ""


# --- What holds for every check -------------------------------------------------------------------------


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.id)
def test_check_says_what_it_claims_why_and_what_to_do(check: Check) -> None:
    assert check.claim.endswith(".")
    assert len(check.why) > 80
    assert len(check.fix) > 40


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.id)
@pytest.mark.parametrize("outcome", [PASS, FAIL, UNKNOWN])
def test_every_check_has_such_a_case(check: Check, outcome: Outcome) -> None:
    assert any(case.check is check and case.outcome is outcome for case in CASES)


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.id)
def test_facts_with_nothing_but_gaps_pass_nothing(check: Check) -> None:
    fields = {name: UNREAD for name in TlsFacts.__struct_fields__ if name not in ("starttls", "versions")}
    assert isinstance(
        verdict(Case(check, "", server(dict.fromkeys(TlsVersion, UNREAD), **fields), PASS)), NotSeen
    )


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.id)
def test_sound_server_fails_nothing(check: Check) -> None:
    said = verdict(Case(check, "", server(), PASS))
    assert isinstance(said, Verdict)
    assert said.outcome in (PASS, NOT_APPLICABLE)


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.id)
def test_hostile_names_are_shown_bounded(check: Check) -> None:
    suites = [f"TLS_RSA_EXPORT_WITH_RC4_{'x' * 5000}{i}\x1b[31m<b>{{names}}" for i in range(500)]
    said = verdict(Case(check, "", server({TLS12: suites}, groups=suites), PASS))
    text = said.gap.detail if isinstance(said, NotSeen) else str(said.evidence)
    assert len(text) < 1000


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.id)
@pytest.mark.parametrize("version", list(TlsVersion))
def test_what_is_not_read_never_makes_a_pass(check: Check, version: TlsVersion) -> None:
    """Promise two: whatever is hidden behind a gap, the check does not pass what it would have failed."""
    worst = (NULL, ANON, EXPORT, RC4, DES, TRIPLE_DES, AES_CBC, STATIC_GCM)
    open_ = verdict(Case(check, "", server({version: worst}), PASS))
    hidden = verdict(Case(check, "", server({version: UNREAD}), PASS))
    if version is not TLS13 and isinstance(open_, Verdict) and open_.outcome is FAIL:
        assert isinstance(hidden, NotSeen)


# --- The classes of suites --------------------------------------------------------------------------------

T = Trait
KINDS = {
    # TLS 1.3: RFC 8446, 8998, 9150, 9367
    "TLS_AES_128_GCM_SHA256": T.AEAD | T.FORWARD_SECRECY,
    "TLS_AES_256_GCM_SHA384": T.AEAD | T.FORWARD_SECRECY,
    "TLS_AES_128_CCM_SHA256": T.AEAD | T.FORWARD_SECRECY,
    "TLS_AES_128_CCM_8_SHA256": T.AEAD | T.FORWARD_SECRECY,
    "TLS_CHACHA20_POLY1305_SHA256": T.AEAD | T.FORWARD_SECRECY,
    "TLS_SM4_GCM_SM3": T.AEAD | T.FORWARD_SECRECY,
    "TLS_AEGIS_128L_SHA256": T.AEAD | T.FORWARD_SECRECY,
    "TLS_SHA384_SHA384": T.NULL | T.FORWARD_SECRECY,
    "TLS_GOSTR341112_256_WITH_KUZNYECHIK_MGM_L": T.AEAD | T.FORWARD_SECRECY,
    "TLS_GOSTR341112_256_WITH_MAGMA_MGM_S": T.AEAD | T.FORWARD_SECRECY | T.BLOCK64,
    # ECDHE: RFC 5289, 7251, 7905, 8422
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": T.AEAD | T.FORWARD_SECRECY,
    "TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8": T.AEAD | T.FORWARD_SECRECY,
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": T.AEAD | T.FORWARD_SECRECY,
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384": T.CBC | T.FORWARD_SECRECY,
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA": T.CBC | T.BLOCK64 | T.FORWARD_SECRECY,
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA": T.RC4 | T.FORWARD_SECRECY,
    "TLS_ECDHE_RSA_WITH_NULL_SHA": T.NULL | T.FORWARD_SECRECY,
    # Static ECDH is not ECDHE
    "TLS_ECDH_RSA_WITH_AES_128_GCM_SHA256": T.AEAD,
    "TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA": T.CBC,
    # DHE and static DH: RFC 5246, 5288, 4346
    "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384": T.AEAD | T.FORWARD_SECRECY,
    "TLS_DHE_DSS_WITH_CAMELLIA_128_CBC_SHA": T.CBC | T.FORWARD_SECRECY,
    "TLS_DHE_RSA_WITH_DES_CBC_SHA": T.CBC | T.BLOCK64 | T.SHORT_KEY | T.FORWARD_SECRECY,
    "TLS_DH_RSA_WITH_AES_256_CBC_SHA256": T.CBC,
    # RSA: RFC 2246, 4132, 4162, 6209
    "TLS_RSA_WITH_AES_128_CBC_SHA": T.CBC,
    "TLS_RSA_WITH_SEED_CBC_SHA": T.CBC,
    "TLS_RSA_WITH_ARIA_128_GCM_SHA256": T.AEAD,
    "TLS_RSA_WITH_AES_128_CCM_8": T.AEAD,
    "TLS_RSA_WITH_IDEA_CBC_SHA": T.CBC | T.BLOCK64,
    "TLS_RSA_WITH_RC4_128_MD5": T.RC4,
    "TLS_RSA_WITH_NULL_MD5": T.NULL,
    # Export: RFC 2246, and the drafts for 56 bits
    "TLS_RSA_EXPORT_WITH_RC4_40_MD5": T.EXPORT | T.RC4 | T.SHORT_KEY,
    "TLS_RSA_EXPORT_WITH_RC2_CBC_40_MD5": T.EXPORT | T.SHORT_KEY | T.BLOCK64 | T.CBC,
    "TLS_DHE_RSA_EXPORT_WITH_DES40_CBC_SHA": T.EXPORT | T.SHORT_KEY | T.BLOCK64 | T.CBC | T.FORWARD_SECRECY,
    "TLS_RSA_EXPORT1024_WITH_RC4_56_SHA": T.EXPORT | T.RC4 | T.SHORT_KEY,
    "TLS_RSA_EXPORT1024_WITH_DES_CBC_SHA": T.EXPORT | T.SHORT_KEY | T.BLOCK64 | T.CBC,
    # Anonymous
    "TLS_NULL_WITH_NULL_NULL": T.ANONYMOUS | T.NULL,
    "TLS_DH_anon_WITH_AES_128_CBC_SHA": T.ANONYMOUS | T.CBC | T.FORWARD_SECRECY,
    "TLS_ECDH_anon_WITH_NULL_SHA": T.ANONYMOUS | T.NULL | T.FORWARD_SECRECY,
    "TLS_DH_anon_EXPORT_WITH_RC4_40_MD5": T.ANONYMOUS | T.EXPORT | T.RC4 | T.SHORT_KEY | T.FORWARD_SECRECY,
    # Shared keys, passwords, Kerberos: RFC 4279, 5489, 6655, 5054, 8492, 2712
    "TLS_PSK_WITH_AES_128_GCM_SHA256": T.AEAD,
    "TLS_RSA_PSK_WITH_AES_128_CBC_SHA": T.CBC,
    "TLS_DHE_PSK_WITH_AES_128_CCM": T.AEAD | T.FORWARD_SECRECY,
    "TLS_PSK_DHE_WITH_AES_128_CCM_8": T.AEAD | T.FORWARD_SECRECY,
    "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256": T.AEAD | T.FORWARD_SECRECY,
    "TLS_SRP_SHA_WITH_AES_128_CBC_SHA": T.CBC | T.FORWARD_SECRECY,
    "TLS_SRP_SHA_RSA_WITH_3DES_EDE_CBC_SHA": T.CBC | T.BLOCK64 | T.FORWARD_SECRECY,
    "TLS_ECCPWD_WITH_AES_128_GCM_SHA256": T.AEAD | T.FORWARD_SECRECY,
    "TLS_KRB5_WITH_3DES_EDE_CBC_SHA": T.CBC | T.BLOCK64,
    "TLS_KRB5_WITH_DES_CBC_MD5": T.CBC | T.BLOCK64 | T.SHORT_KEY,
    "TLS_KRB5_EXPORT_WITH_DES_CBC_40_SHA": T.EXPORT | T.SHORT_KEY | T.BLOCK64 | T.CBC,
    "TLS_KRB5_EXPORT_WITH_RC2_CBC_40_MD5": T.EXPORT | T.SHORT_KEY | T.BLOCK64 | T.CBC,
    # GOST: RFC 9189 and its forerunners
    "TLS_GOSTR341112_256_WITH_KUZNYECHIK_CTR_OMAC": T.NONE,
    "TLS_GOSTR341112_256_WITH_28147_CNT_IMIT": T.BLOCK64,
    "TLS_GOSTR341001_WITH_NULL_GOSTR3411": T.NULL,
    # SSL 2.0
    "SSL_CK_RC4_128_WITH_MD5": T.RC4,
    "SSL_CK_RC4_128_EXPORT40_WITH_MD5": T.RC4 | T.EXPORT | T.SHORT_KEY,
    "SSL_CK_RC2_128_CBC_WITH_MD5": T.CBC | T.BLOCK64,
    "SSL_CK_RC2_128_CBC_EXPORT40_WITH_MD5": T.CBC | T.BLOCK64 | T.EXPORT | T.SHORT_KEY,
    "SSL_CK_IDEA_128_CBC_WITH_MD5": T.CBC | T.BLOCK64,
    "SSL_CK_DES_64_CBC_WITH_MD5": T.CBC | T.BLOCK64 | T.SHORT_KEY,
    "SSL_CK_DES_192_EDE3_CBC_WITH_MD5": T.CBC | T.BLOCK64,
    "SSL_CK_RC4_64_WITH_MD5": T.RC4 | T.SHORT_KEY,
    # Signals, and what is no suite at all
    "TLS_FALLBACK_SCSV": T.NONE,
    "TLS_EMPTY_RENEGOTIATION_INFO_SCSV": T.NONE,
    STRANGE: T.UNKNOWN,
    "TLS_SOMETHING_NEW": T.UNKNOWN,
    "": T.UNKNOWN,
}


@pytest.mark.parametrize(("name", "expected"), KINDS.items(), ids=list(KINDS))
def test_traits(name: str, expected: Trait) -> None:
    assert traits(name) & ~Trait.RSA_TRANSPORT == expected


@pytest.mark.parametrize(
    ("name", "transported"),
    [
        ("TLS_RSA_WITH_AES_128_CBC_SHA", True),
        ("TLS_RSA_EXPORT1024_WITH_RC4_56_SHA", True),
        ("TLS_RSA_PSK_WITH_AES_128_CBC_SHA", True),
        ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", False),
        ("TLS_DH_RSA_WITH_AES_128_CBC_SHA", False),
        ("TLS_AES_128_GCM_SHA256", False),
        ("SSL_CK_RC4_128_WITH_MD5", False),
    ],
)
def test_rsa_transport(name: str, transported: bool) -> None:
    assert (Trait.RSA_TRANSPORT in traits(name)) is transported


def test_sslyze_knows_no_suite_that_we_do_not() -> None:
    suites = pytest.importorskip("sslyze.plugins.openssl_cipher_suites.cipher_suites")
    everything = suites.CipherSuitesRepository.get_all_cipher_suites
    names = {suite.name for version in suites.TlsVersionEnum for suite in everything(version)}
    assert len(names) > 150
    assert [name for name in names if Trait.UNKNOWN in traits(name)] == []


def test_sizes_of_keys_agree_with_sslyze() -> None:
    suites = pytest.importorskip("sslyze.plugins.openssl_cipher_suites.cipher_suites")
    everything = suites.CipherSuitesRepository.get_all_cipher_suites
    for version in suites.TlsVersionEnum:
        for suite in everything(version):
            short = 0 < suite.key_size < 112
            assert (Trait.SHORT_KEY in traits(suite.name)) is short, suite


def test_factory_is_sound() -> None:
    assert not any(traits(name) & ~(Trait.AEAD | Trait.FORWARD_SECRECY) for name in (*SOUND_1_2, *SOUND_1_3))
    assert not any(isinstance(getattr(server(), field), Gap) for field in TlsFacts.__struct_fields__)


# --- Where sslyze is asked too ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "outcome"), [("none", PASS), ("weak", FAIL), ("strong", FAIL), (UNREAD, UNKNOWN)]
)
def test_robot_is_what_sslyze_says_where_the_sweep_says_nothing(said: Any, outcome: Outcome) -> None:
    facts = server({TLS12: (*SOUND_1_2, STATIC_GCM)}, robot=UNREAD)
    audit = seen(audit_facts(facts, robot=said))
    try:
        [verdict] = checks.robot(seen(facts), audit)
    except NotSeen:
        assert outcome is UNKNOWN
    else:
        assert verdict.outcome is outcome


def test_robot_is_what_the_sweep_says_where_it_says_something() -> None:
    facts = server(robot="none")
    [verdict] = checks.robot(seen(facts), seen(audit_facts(facts, robot="strong")))
    assert verdict.outcome is PASS


def test_robot_without_an_answer_of_sslyzes_is_unknown_for_its_reason() -> None:
    facts = server({TLS12: (*SOUND_1_2, STATIC_GCM)}, robot=Gap())
    with pytest.raises(NotSeen) as raised:
        list(checks.robot(seen(facts), unobserved("tls-audit", Reason.TOOL_MISSING, "no sslyze")))
    assert raised.value.gap == Gap(Reason.TOOL_MISSING, "no sslyze")
