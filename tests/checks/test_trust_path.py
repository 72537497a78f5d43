"""The search for a path, against the vectors of C2SP/x509-limbo and against chains made to be slow."""

import json
import os
import re
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path as File
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from secscan.check import TrustAnchors
from secscan.checks._trust_path import (
    MOST_ISSUERS,
    MOST_SENT,
    NoPath,
    Path,
    find_anchor,
    find_path,
    issuing_line,
)
from tests.factories import AT, Issued, anchors, issue, issue_authority

VECTORS = File(os.environ.get("SECSCAN_CORPUS", "../shared/corpus")) / "x509-limbo-native.json"

#: Vectors that a strict verifier of web servers' certificates refuses, and where a path is found all the same.
LENIENT = {
    "dates and names of the server's certificate have rules of their own": (
        r"rfc5280::validity::(expired|not-yet-valid|notbefore-fractional).*",
        r"rfc5280::san::(ip-in-dns|noncritical-with-empty-subject|underscore-dns)",
        r"rfc5280::ca-as-leaf-wrong-san",
        r"webpki::cn::.*",
        r"webpki::san::.*",
        r"pathological::nc-dos-3",
    ),
    "so have its key, its usages, and whether it is an authority's": (
        r"rfc5280::eku::.*",
        r"rfc5280::leaf-ku-keycertsign",
        r"webpki::eku::ee-.*",
        r"webpki::forbidden-.*-leaf",
        r"webpki::forbidden-rsa-key-not-divisible-by-8-in-leaf",
        r"webpki::(ee-basicconstraints-ca|ca-as-leaf)",
    ),
    "its extensions are read by another rule": (
        r"rfc5280::ee-critical-aia-invalid",
        r"rfc5280::nc::not-allowed-in-ee-.*",
        r"webpki::malformed-aia",
    ),
    "authorities are not held to more than clients need": (
        r"rfc5280::aki::.*",
        r"rfc5280::ski::.*",
        r"webpki::aki::.*",
        r"rfc5280::pc::ica-noncritical-pc",
        r"rfc5280::nc::permitted-dns-match-noncritical",
        r"rfc5280::serial::zero",
        r"rfc5280::root-non-critical-basic-constraints",
        r"webpki::forbidden-rsa-not-divisible-by-8-in-root",
        r"webpki::eku::root-has-eku",
    ),
    "cryptography 46 takes a wildcard for permitted that reaches beyond the constraint": (
        r"cve::cve-2025-61727-nc-permits-variant",
    ),
}

#: Vectors with a path that is not found.
STRICT = {
    # The verifier counts self-issued certificates, as most implementations do.
    "pathlen::self-issued-certs-pathlen",
    # It does not compare names of directories; the check is then unknown.
    "rfc5280::nc::permitted-dn-match",
}


def vectors() -> Iterator[dict[str, Any]]:
    if VECTORS.is_file():
        for vector in json.loads(VECTORS.read_text("utf-8"))["testcases"]:
            if (
                vector["validation_kind"] == "SERVER"
                and not vector["crls"]
                and "max-chain-depth" not in vector["features"]
            ):
                yield vector


def der(pem: str) -> bytes:
    return x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)


@pytest.mark.skipif(not VECTORS.is_file(), reason="x509-limbo-native.json is not in the corpus")
@pytest.mark.parametrize("vector", list(vectors()), ids=lambda vector: vector["id"])
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_limbo(vector: dict[str, Any]) -> None:
    try:
        sent = tuple(map(der, [vector["peer_certificate"], *vector["untrusted_intermediates"]]))
        roots = tuple(map(der, vector["trusted_certs"]))
    except ValueError:
        return  # broken beyond being a certificate: the view of a certificate has its own tests
    when = vector["validation_time"]
    at = datetime.fromisoformat(when) if when else AT
    start = time.perf_counter()
    found = find_path(sent, TrustAnchors(public=roots), at)
    assert time.perf_counter() - start < 3
    is_lenient = any(re.fullmatch(p, vector["id"]) for patterns in LENIENT.values() for p in patterns)
    if vector["expected_result"] == "SUCCESS":
        assert isinstance(found, Path) is (vector["id"] not in STRICT), found
    elif not is_lenient:
        assert isinstance(found, NoPath)


# --- What is not in the vectors -------------------------------------------------------------------------


def path(*sent: Issued, public: Issued | None = None, private: Issued | None = None) -> Path | NoPath:
    roots = anchors(public=[public] if public else [], private=[private] if private else [])
    return find_path(tuple(c.der for c in sent), roots, AT)


def test_public_root_goes_before_a_private_one() -> None:
    root = issue_authority("Root")
    found = path(issue(by=root), public=root, private=root)
    assert isinstance(found, Path)
    assert found.public


def test_server_certificate_that_is_over_is_judged_at_its_end() -> None:
    root = issue_authority("Root")
    own = issue(by=root, start=AT - timedelta(days=400), end=AT - timedelta(days=300))
    assert isinstance(path(own, public=root), Path)


def test_issuer_that_was_over_before_the_server_certificate_is_no_path() -> None:
    root = issue_authority("Root")
    issuer = issue_authority("Over", by=root, end=AT - timedelta(days=301))
    own = issue(by=issuer, start=AT - timedelta(days=400), end=AT - timedelta(days=300))
    found = path(own, issuer, public=root)
    assert isinstance(found, NoPath)
    assert found.outdated == issuer.der


def test_line_follows_signatures_not_the_order_sent() -> None:
    root = issue_authority("Root")
    issuer = issue_authority("Issuing", by=root)
    own = issue(by=issuer)
    stray = issue_authority("Stray")
    assert issuing_line((own.der, stray.der, root.der, issuer.der)) == (own.der, issuer.der, root.der)


def test_root_is_found_by_the_certificate_it_issued() -> None:
    root, other = issue_authority("Root"), issue_authority("Root", holder="other")
    assert find_anchor(issue(by=root).der, (other.der, root.der)) == root.der


def test_longer_than_any_real_chain_is_no_path() -> None:
    chain = [issue_authority("Root")]
    for level in range(MOST_ISSUERS + 3):
        chain.append(issue_authority(f"Level {level}", by=chain[-1]))
    own = issue(by=chain[-1])
    found = path(own, *reversed(chain[1:]), public=chain[0])
    assert isinstance(found, NoPath)
    assert len(found.route) == MOST_ISSUERS + 1


def test_issuer_behind_a_whole_bundle_is_found() -> None:
    root = issue_authority("Root")
    issuer = issue_authority("Issuing", by=root)
    bundle = [issue_authority(f"Bundled {i}", holder="bundle") for i in range(MOST_SENT - 2)]
    assert isinstance(path(issue(by=issuer), *bundle, issuer, public=root), Path)


@pytest.mark.parametrize("size", [3, 5, 10])
def test_certificates_that_certify_each_other_take_no_time(size: int) -> None:
    keys = [issue_authority("Ring", holder=f"ring {i}") for i in range(size)]
    ring = [issue_authority("Ring", by=a, holder=f"ring {i}") for a in keys for i in range(size)]
    start = time.perf_counter()
    found = path(issue(by=keys[0]), *ring, public=issue_authority("Root"))
    assert time.perf_counter() - start < 3
    assert isinstance(found, NoPath)


def test_way_out_of_a_circle_is_found() -> None:
    root = issue_authority("Root")
    keys = [issue_authority("Ring", holder=f"ring {i}") for i in range(3)]
    ring = [issue_authority("Ring", by=a, holder=f"ring {i}") for a in keys for i in range(3)]
    out = issue_authority("Ring", by=root, holder="ring 2")
    assert isinstance(path(issue(by=keys[0]), out, *ring, public=root), Path)


def test_roots_that_are_no_certificates_are_passed_over() -> None:
    root = issue_authority("Root")
    own = issue(by=root)
    found = find_path((own.der,), TrustAnchors(public=(b"garbage", root.der)), AT)
    assert isinstance(found, Path)
