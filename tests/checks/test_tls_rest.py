"""The TLS checks on keys, conduct and lists: at the limit and either side, not applicable, unknown."""

from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from pydantic import ValidationError

from secscan.check import Check, Limits, Verdict
from secscan.checks import tls_conduct, tls_keys, tls_lists
from secscan.checks.tls_lists import GroupListLimits, SuiteListLimits
from secscan.facts import DhPrime, Gap, NotSeen, Oddity, SuiteClass, TlsFacts, TlsVersion, VersionOffer
from secscan.model import Outcome, Reason
from tests.factories import SOUND_1_2, SOUND_1_3, UNREAD, seen, tls_facts

PASS, FAIL, UNKNOWN, NOT_APPLICABLE = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN, Outcome.NOT_APPLICABLE
TLS11, TLS12, TLS13 = TlsVersion.TLS1_1, TlsVersion.TLS1_2, TlsVersion.TLS1_3
CBC = "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"
EVERY = frozenset((*SOUND_1_2, *SOUND_1_3))


def primes(*found: tuple[int, str]) -> TlsFacts:
    return tls_facts(dh_primes=tuple(DhPrime(bits=bits, name=name) for bits, name in found))


def preferring(whose: Any, *suites: str) -> TlsFacts:
    facts = tls_facts({TLS12: (*SOUND_1_2, *suites)})
    versions = tuple(
        VersionOffer(
            version=offer.version,
            offered=offer.offered,
            suites=offer.suites,
            settled=offer.settled,
            preference=whose if offer.version is TLS12 else Gap(),
        )
        for offer in facts.versions
    )
    return _with(facts, versions)


def _with(facts: TlsFacts, versions: tuple[VersionOffer, ...]) -> TlsFacts:

    return msgspec.structs.replace(facts, versions=versions)


def partly_settled(*settled: SuiteClass) -> TlsFacts:
    """TLS 1.2 was asked about these classes only."""
    facts = tls_facts()
    return _with(
        facts,
        tuple(
            VersionOffer(
                version=o.version,
                offered=o.offered,
                suites=o.suites,
                settled=settled if o.version is TLS12 else o.settled,
                unsettled=Gap(Reason.NOT_COLLECTED, "it was not asked"),
            )
            for o in facts.versions
        ),
    )


@dataclass(frozen=True)
class Case:
    check: Check
    label: str
    facts: TlsFacts
    outcome: Outcome
    says: str = ""
    limits: dict[str, Any] = field(default_factory=dict)


def said_of(case: Case) -> Verdict | NotSeen:
    given: dict[str, Any] = {"seen": seen(case.facts)}
    for name, wanted in case.check.asks.items():
        assert issubclass(wanted, Limits)
        given[name] = wanted(**case.limits)
    try:
        [verdict] = case.check(**given)
    except NotSeen as error:
        return error
    return verdict


KEYS = [
    Case(tls_keys.shared_prime, "no DHE", primes(), NOT_APPLICABLE),
    Case(tls_keys.shared_prime, "own", primes((1024, "own")), PASS, "own (1024)"),
    Case(tls_keys.shared_prime, "below", primes((1024, "rfc2409-14")), FAIL, "rfc2409-14 (1024)"),
    Case(tls_keys.shared_prime, "just below", primes((2047, "x")), FAIL, "below 2048"),
    Case(tls_keys.shared_prime, "at the limit", primes((2048, "ffdhe2048")), PASS, "ffdhe2048"),
    Case(tls_keys.shared_prime, "one of two", primes((1024, "own"), (1536, "x")), FAIL, "x (1536)."),
    Case(tls_keys.shared_prime, "another limit", primes((2048, "x")), FAIL, limits={"bits": 3072}),
    Case(tls_keys.shared_prime, "unread", tls_facts(dh_primes=UNREAD), UNKNOWN),
    Case(tls_keys.weak_signature, "none", tls_facts(), PASS),
    Case(
        tls_keys.weak_signature,
        "SHA-1",
        tls_facts(weak_signatures=("rsa_pkcs1_sha1",)),
        FAIL,
        "rsa_pkcs1_sha1",
    ),
    Case(tls_keys.weak_signature, "unread", tls_facts(weak_signatures=UNREAD), UNKNOWN),
    Case(
        tls_keys.weak_signature,
        "TLS 1.3 only",
        tls_facts({TLS12: False}, weak_signatures=UNREAD),
        NOT_APPLICABLE,
    ),
    Case(tls_keys.weak_signature, "1.2 unread", tls_facts({TLS12: UNREAD}), UNKNOWN),
    Case(tls_keys.post_quantum, "a hybrid", tls_facts(), PASS, "X25519MLKEM768"),
    Case(tls_keys.post_quantum, "none", tls_facts(post_quantum=()), FAIL),
    Case(tls_keys.post_quantum, "unread", tls_facts(post_quantum=UNREAD), UNKNOWN),
]

CONDUCT = [
    Case(tls_conduct.tolerance, "bears all", tls_facts(), PASS),
    *(
        Case(tls_conduct.tolerance, oddity.name, tls_facts(oddities=(oddity,)), FAIL, oddity.value)
        for oddity in (Oddity.VERSION, Oddity.EXTENSIONS, Oddity.SIZE)
    ),
    *(
        Case(tls_conduct.tolerance, oddity.name, tls_facts(oddities=(oddity,)), PASS)
        for oddity in (Oddity.RATE, Oddity.RESETS, Oddity.SILENCE)
    ),
    Case(tls_conduct.tolerance, "unread", tls_facts(oddities=UNREAD), UNKNOWN),
    Case(tls_conduct.downgrade_mark, "marked", tls_facts(), PASS),
    Case(tls_conduct.downgrade_mark, "not marked", tls_facts(downgrade_mark=False), FAIL),
    Case(tls_conduct.downgrade_mark, "unread", tls_facts(downgrade_mark=UNREAD), UNKNOWN),
    Case(
        tls_conduct.downgrade_mark,
        "no 1.3",
        tls_facts({TLS13: False}, downgrade_mark=False),
        NOT_APPLICABLE,
        "TLSv1.2",
    ),
    Case(
        tls_conduct.downgrade_mark,
        "nothing older",
        tls_facts({TLS12: False}, downgrade_mark=UNREAD),
        NOT_APPLICABLE,
    ),
    Case(tls_conduct.downgrade_mark, "1.3 unread", tls_facts({TLS13: UNREAD}), UNKNOWN),
    Case(tls_conduct.encrypt_then_mac, "no CBC", tls_facts(encrypt_then_mac=False), NOT_APPLICABLE),
    Case(tls_conduct.encrypt_then_mac, "with CBC", tls_facts({TLS12: (CBC,)}), PASS),
    Case(
        tls_conduct.encrypt_then_mac, "not taken up", tls_facts({TLS12: (CBC,)}, encrypt_then_mac=False), FAIL
    ),
    Case(
        tls_conduct.encrypt_then_mac, "unread", tls_facts({TLS12: (CBC,)}, encrypt_then_mac=UNREAD), UNKNOWN
    ),
    Case(tls_conduct.encrypt_then_mac, "suites unread", tls_facts({TLS12: UNREAD}), UNKNOWN),
    Case(tls_conduct.server_order, "nothing weak", preferring("client"), NOT_APPLICABLE),
    Case(tls_conduct.server_order, "the server's", preferring("server", CBC), PASS, "TLSv1.2"),
    Case(tls_conduct.server_order, "the client's", preferring("client", CBC), FAIL, "TLSv1.2"),
    Case(tls_conduct.server_order, "unread", preferring(UNREAD, CBC), UNKNOWN),
    Case(tls_conduct.server_order, "weak only", tls_facts({TLS12: (CBC,)}), NOT_APPLICABLE),
    Case(tls_conduct.server_order, "not asked", partly_settled(SuiteClass.NULL), UNKNOWN, "not asked"),
]

LISTS = [
    Case(tls_lists.allowed_suites, "no list", tls_facts(), NOT_APPLICABLE),
    Case(tls_lists.allowed_suites, "all on it", tls_facts(), PASS, "All 5 suites", {"allowed": EVERY}),
    Case(
        tls_lists.allowed_suites,
        "one is not",
        tls_facts(),
        FAIL,
        f"accepted: {SOUND_1_2[0]}.",
        {"allowed": EVERY - {SOUND_1_2[0]}},
    ),
    Case(
        tls_lists.allowed_suites,
        "there may be others",
        partly_settled(SuiteClass.CBC),
        UNKNOWN,
        "not asked",
        {"allowed": EVERY},
    ),
    Case(
        tls_lists.allowed_suites,
        "there may be others, and one is not",
        partly_settled(SuiteClass.CBC),
        FAIL,
        limits={"allowed": EVERY - {SOUND_1_2[0]}},
    ),
    Case(tls_lists.allowed_groups, "no list", tls_facts(), NOT_APPLICABLE),
    Case(
        tls_lists.allowed_groups,
        "all on it",
        tls_facts(groups=("secp256r1", "x25519")),
        PASS,
        limits={"allowed": {"secp256r1", "x25519"}},
    ),
    Case(
        tls_lists.allowed_groups,
        "one is not",
        tls_facts(groups=("secp256r1", "x25519")),
        FAIL,
        "accepted: x25519.",
        {"allowed": {"secp256r1"}},
    ),
    Case(
        tls_lists.allowed_groups,
        "larger ones were not asked about",
        tls_facts(groups=("secp256r1",), groups_below=224),
        UNKNOWN,
        limits={"allowed": {"secp256r1"}},
    ),
    Case(
        tls_lists.allowed_groups,
        "unread",
        tls_facts(groups=UNREAD),
        UNKNOWN,
        limits={"allowed": {"secp256r1"}},
    ),
]


@pytest.mark.parametrize("case", [*KEYS, *CONDUCT, *LISTS], ids=lambda case: f"{case.check.id}: {case.label}")
def test_verdict(case: Case) -> None:
    said = said_of(case)
    if isinstance(said, NotSeen):
        assert case.outcome is UNKNOWN
        assert case.says in str(said)
    else:
        assert said.outcome is case.outcome, said
        assert case.says in said.evidence.template.format(**said.evidence.values)


@pytest.mark.parametrize("name", ["TLS_AES_128_GCM", "ECDHE-RSA-AES128-GCM-SHA256", "tls_aes_128_gcm_sha256"])
def test_a_list_names_suites_that_there_are(name: str) -> None:
    with pytest.raises(ValidationError, match="IANA name of no cipher suite"):
        SuiteListLimits(allowed=frozenset({name}))


def test_without_a_list_anything_is_allowed() -> None:
    assert not SuiteListLimits().allowed
    assert not GroupListLimits().allowed
