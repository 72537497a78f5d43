"""Where the sweep and sslyze disagree: each such thing is named, and nothing else is."""

import hashlib
from typing import Any

import msgspec
import pytest

from secscan.check import Verdict
from secscan.checks.tls_audit import contradiction
from secscan.facts import (
    Chain,
    ChainFacts,
    CipherSuite,
    Gap,
    SuiteClass,
    TlsAuditFacts,
    TlsFacts,
    TlsVersion,
    VersionAudit,
)
from secscan.model import Outcome, Reason, Unobserved
from tests.factories import SOUND_1_2, audit_facts, seen, tls_facts, unobserved

TLS10, TLS12 = TlsVersion.TLS1_0, TlsVersion.TLS1_2
CBC = "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"
LATE = Gap(Reason.TIMED_OUT, "late")


def said(facts: TlsFacts, audit: TlsAuditFacts, chain: ChainFacts | None = None) -> list[Verdict]:
    chains = seen(chain) if chain else unobserved("chain")
    return list(contradiction(seen(facts), chains, seen(audit)))


def audited(facts: TlsFacts, version: TlsVersion, **changes: Any) -> TlsAuditFacts:
    versions = tuple(
        msgspec.structs.replace(audit, **changes) if audit.version is version else audit
        for audit in audit_facts(facts).versions
    )
    return audit_facts(facts, versions=versions)


def suites(*names: str) -> tuple[CipherSuite, ...]:
    return tuple(CipherSuite(name=name, key_size=128) for name in names)


def settled(facts: TlsFacts, *classes: SuiteClass) -> TlsFacts:
    """TLS 1.2 was asked about these classes only."""
    versions = tuple(
        msgspec.structs.replace(o, settled=classes) if o.version is TLS12 else o for o in facts.versions
    )
    return msgspec.structs.replace(facts, versions=versions)


def objects(verdicts: list[Verdict]) -> list[str]:
    assert {v.outcome for v in verdicts} == {Outcome.UNKNOWN}
    assert {v.reason for v in verdicts} == {Reason.CONTRADICTORY}
    return [v.object for v in verdicts]


def test_agreement() -> None:
    facts = tls_facts()
    [verdict] = said(facts, audit_facts(facts))
    assert verdict.outcome is Outcome.PASS


@pytest.mark.parametrize("reason", [Reason.NOT_ATTEMPTED, Reason.NOT_COLLECTED, Reason.TIMED_OUT])
def test_where_sslyze_says_nothing_there_is_nothing_to_compare(reason: Reason) -> None:
    audit: Unobserved = unobserved("tls-audit", reason, "why")
    [verdict] = contradiction(seen(tls_facts()), unobserved("chain"), audit)
    assert verdict.outcome is Outcome.NOT_APPLICABLE


def test_where_sslyze_was_not_asked_there_is_nothing_to_compare() -> None:
    nothing = tuple(VersionAudit(version=version) for version in TlsVersion)
    [verdict] = said(tls_facts(), TlsAuditFacts(versions=nothing))
    assert verdict.outcome is Outcome.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("field", "ours", "theirs"),
    [
        ("dh_bits", 2048, 1024),
        ("client_certificate", "not-asked", "asked"),
        ("secure_renegotiation", True, False),
        ("client_renegotiation", False, True),
        ("fallback_scsv", True, False),
        ("extended_master_secret", True, False),
        ("compression", False, True),
        ("heartbleed", False, True),
        ("ccs_injection", False, True),
        ("robot", "none", "weak"),
        ("early_data", False, True),
    ],
)
def test_a_field_that_both_know_and_see_otherwise(field: str, ours: Any, theirs: Any) -> None:
    facts = tls_facts(**{field: ours})
    [verdict] = said(facts, audit_facts(facts, **{field: theirs}))
    assert objects([verdict]) == [field]
    for gap in ({field: LATE}, {}):
        [verdict] = said(facts, audit_facts(facts, **gap))
        assert verdict.outcome is Outcome.PASS
    [verdict] = said(tls_facts(**{field: LATE}), audit_facts(facts, **{field: theirs}))
    assert verdict.outcome is Outcome.PASS


def test_each_disagreement_is_a_finding_of_its_own() -> None:
    facts = tls_facts()
    assert objects(said(facts, audit_facts(facts, heartbleed=True, robot="strong"))) == [
        "heartbleed",
        "robot",
    ]


def test_a_version() -> None:
    facts = tls_facts()
    assert objects(said(facts, audited(facts, TLS10, offered=True, suites=suites(CBC)))) == ["TLSv1.0"]
    [verdict] = said(facts, audited(facts, TLS10, offered=LATE, suites=LATE))
    assert verdict.outcome is Outcome.PASS


def test_a_suite_that_the_sweep_denies() -> None:
    facts = tls_facts()
    audit = audited(facts, TLS12, suites=suites(*SOUND_1_2, CBC))
    assert objects(said(facts, audit)) == ["TLSv1.2 suites"]


def test_a_suite_that_sslyze_does_not_know_is_no_contradiction() -> None:
    facts = tls_facts({TLS12: (*SOUND_1_2, CBC)})
    [verdict] = said(facts, audited(facts, TLS12, suites=suites(*SOUND_1_2)))
    assert verdict.outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("asked", "contradicts"),
    [((SuiteClass.CBC,), True), ((SuiteClass.RC4,), False), ((), False)],
)
def test_a_suite_of_a_class_that_was_asked_about(asked: tuple[SuiteClass, ...], contradicts: bool) -> None:
    facts = settled(tls_facts(), *asked)
    verdicts = said(facts, audited(facts, TLS12, suites=suites(*SOUND_1_2, CBC)))
    assert [v.object for v in verdicts] == (["TLSv1.2 suites"] if contradicts else [""])


def test_another_suite_of_a_class_of_which_one_was_named_is_no_contradiction() -> None:
    facts = settled(tls_facts({TLS12: (CBC,)}), SuiteClass.CBC)
    other = "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"
    [verdict] = said(facts, audited(facts, TLS12, suites=suites(CBC, other)))
    assert verdict.outcome is Outcome.PASS


def test_a_group_that_the_sweep_denies() -> None:
    facts = tls_facts(groups=("x25519",))
    assert objects(said(facts, audit_facts(facts, groups=("secp256r1", "x25519")))) == ["groups"]


def test_a_group_that_sslyze_does_not_know_is_no_contradiction() -> None:
    facts = tls_facts(groups=("X25519MLKEM768", "x25519"))
    [verdict] = said(facts, audit_facts(facts, groups=("x25519",)))
    assert verdict.outcome is Outcome.PASS


def test_groups_that_were_not_all_asked_about_are_not_compared() -> None:
    facts = tls_facts(groups=("x25519",), groups_below=224)
    [verdict] = said(facts, audit_facts(facts, groups=("secp256r1", "x25519")))
    assert verdict.outcome is Outcome.PASS


def test_certificates() -> None:
    facts = tls_facts()
    chain = ChainFacts(chains=(Chain(slot="RSA", certificates=(b"leaf", b"other")),))
    same = hashlib.sha256(b"leaf").hexdigest()
    [verdict] = said(facts, audit_facts(facts, certificates=(same,)), chain)
    assert verdict.outcome is Outcome.PASS
    assert objects(said(facts, audit_facts(facts, certificates=(same, "00")), chain)) == ["certificates"]


def test_a_version_that_nobody_asked_sslyze_about() -> None:
    facts = tls_facts()
    nothing = tuple(VersionAudit(version=version) for version in TlsVersion)
    [verdict] = said(facts, TlsAuditFacts(versions=nothing, robot="none"))
    assert verdict.outcome is Outcome.PASS
