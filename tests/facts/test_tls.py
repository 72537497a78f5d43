"""Facts about TLS that an older secscan stored still say what they said, and no more."""

from pathlib import Path

from secscan.facts import (
    EVERY_GROUP,
    Chain,
    ChainFacts,
    CipherSuite,
    Gap,
    SuiteClass,
    TlsFacts,
    TlsVersion,
    decode,
    encode,
)
from secscan.model import Reason

GOLDEN = Path(__file__).parent / "golden"


def old_tls() -> TlsFacts:
    read = decode(TlsFacts, 1, (GOLDEN / "tls-1.json").read_bytes())
    assert isinstance(read, TlsFacts)
    return read


def test_a_list_of_suites_of_version_1_is_complete() -> None:
    offer = old_tls().offer(TlsVersion.TLS1_2)
    assert offer.suites == (CipherSuite(name="TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", key_size=128),)
    assert all(offer.settles(kind) for kind in SuiteClass)


def test_suites_that_version_1_could_not_read_settle_nothing() -> None:
    offer = old_tls().offer(TlsVersion.TLS1_1)
    assert offer.suites == Gap(Reason.TIMED_OUT, "late")
    assert not any(offer.settles(kind) for kind in SuiteClass)


def test_the_groups_of_version_1_are_complete() -> None:
    assert old_tls().groups_below == EVERY_GROUP


def test_what_version_1_never_asked_is_a_gap() -> None:
    old = old_tls()
    added = (
        *(old.dh_primes, old.post_quantum, old.weak_signatures, old.signatures, old.encrypt_then_mac),
        *(old.heartbeat, old.tickets, old.alpn, old.downgrade_mark, old.depth, old.oddities),
        *(offer.preference for offer in old.versions),
    )
    assert set(added) == {Gap(Reason.NOT_COLLECTED)}


def test_facts_upgraded_from_version_1_can_be_stored() -> None:
    old = old_tls()
    assert decode(TlsFacts, TlsFacts.version, encode(old)) == old


def test_chains_of_version_1_were_never_asked_for_without_a_name() -> None:
    read = decode(ChainFacts, 1, (GOLDEN / "chain-1.json").read_bytes())
    assert read == ChainFacts(chains=(Chain(slot="RSA", certificates=(b"leaf", b"issuer"), ocsp=None),))
    assert isinstance(read, ChainFacts)
    assert read.without_name == Gap(Reason.NOT_COLLECTED)
