"""The verdicts on a server against the vectors of C2SP/x509-limbo: what each expects, or why not."""

import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from secscan.check import Check, Limits, TrustAnchors
from secscan.checks import (
    certificate,
    certificate_form,
    certificate_keys,
    certificate_path,
    certificate_revocation,
)
from secscan.facts import Chain, ChainFacts
from secscan.model import Agency, Host, Outcome, Service
from secscan.reference import RevocationLists
from tests.factories import AT, seen

VECTORS = Path(os.environ.get("SECSCAN_CORPUS", "../shared/corpus")) / "x509-limbo-native.json"
#: Vector -> why the result is another one here.
DIFFERENCES: Mapping[str, str] = {
    id: reason["why"]
    for reason in tomllib.loads(Path(__file__).with_name("limbo-differences.toml").read_text("utf-8"))[
        "difference"
    ]
    for id in reason["vectors"]
}

#: The rules that say together whether clients may take the certificate. What the others ask (when it is renewed, in
#: which order the chain is sent, ...) no vector is about.
REFUSING: tuple[tuple[ModuleType, tuple[str, ...]], ...] = (
    (certificate, ("expiry", "started", "name", "alternative_names", "end_entity", "usage")),
    (certificate_form, ("well_formed",)),
    (certificate_keys, ("key_strength", "curve", "exponent", "roca", "signature")),
    (certificate_path, ("readable", "trusted")),
    (certificate_revocation, ("revoked",)),
)


def vectors() -> Iterator[dict[str, Any]]:
    if VECTORS.is_file():
        for vector in json.loads(VECTORS.read_text("utf-8"))["testcases"]:
            if vector["validation_kind"] == "SERVER":
                yield vector


def refusals(vector: Mapping[str, Any]) -> list[str]:
    """The rules that don't pass: no credit is given for what can't be told."""
    sent = tuple(map(der, [vector["peer_certificate"], *vector["untrusted_intermediates"]]))
    given = {
        TrustAnchors: TrustAnchors(public=tuple(map(der, vector["trusted_certs"]))),
        RevocationLists: RevocationLists(tuple(map(list_der, vector["crls"]))),
        datetime: datetime.fromisoformat(vector["validation_time"]) if vector["validation_time"] else AT,
    }
    peer = vector["expected_peer_name"]
    named = peer["value"] if peer else ""
    facts = ChainFacts(chains=(Chain(slot="RSA", certificates=sent, ocsp=None),))
    service = Service("host", "tcp", 443, named)
    given |= {Service: service, Host: Host("host", names=(named,) if named else ()), Agency: Agency("a", {})}
    refused = []
    for module, names in REFUSING:
        for name in names:
            check: Check = getattr(module, name)
            if name == "name" and not named:
                continue
            asked = {p: (t() if issubclass(t, Limits) else given[t]) for p, t in check.asks.items()}
            said = list(check(seen=seen(facts, service=service), **asked))
            if any(verdict.outcome in (Outcome.FAIL, Outcome.UNKNOWN) for verdict in said):
                refused.append(check.id)
    return refused


def der(pem: str) -> bytes:
    try:
        return x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)
    except ValueError:
        return b"no certificate that this library reads"


def list_der(pem: str) -> bytes:
    return x509.load_pem_x509_crl(pem.encode()).public_bytes(Encoding.DER)


@pytest.mark.skipif(not VECTORS.is_file(), reason="x509-limbo-native.json is not in the corpus")
@pytest.mark.parametrize("vector", list(vectors()), ids=lambda vector: vector["id"])
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_verdict_on_a_vector(vector: dict[str, Any]) -> None:
    refused = refusals(vector)
    as_expected = (vector["expected_result"] == "FAILURE") is bool(refused)
    if vector["id"] in DIFFERENCES:
        assert not as_expected, f"no difference any more: take it out of the table ({refused})"
    else:
        assert as_expected, (
            f"expected {vector['expected_result']}, refused by {refused}: {vector['description']}"
        )


@pytest.mark.skipif(not VECTORS.is_file(), reason="x509-limbo-native.json is not in the corpus")
def test_every_difference_is_of_a_vector_and_has_a_reason() -> None:
    assert DIFFERENCES.keys() <= {vector["id"] for vector in vectors()}
    assert all(len(why) > 40 for why in DIFFERENCES.values())
