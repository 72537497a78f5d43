"""The search for a path, beyond the vectors of C2SP/x509-limbo: chains made to be slow."""

import time
from datetime import timedelta

import pytest

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
    start = time.process_time()
    found = path(issue(by=keys[0]), *ring, public=issue_authority("Root"))
    assert time.process_time() - start < 3
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
