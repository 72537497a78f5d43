"""Reference data that checks ask for: trust anchors, and what was imported from feeds."""

import ssl
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import certifi

from secscan.check import TrustAnchors
from secscan.engine.gathering import GATHERERS, gather, kinds_of
from secscan.facts import Release, SystemFacts
from secscan.feeds.references import load_references
from secscan.feeds.support import built_in
from secscan.model import Evidence, HostTarget, Inventory
from secscan.reference import EndOfLife
from secscan.store import Store


def references(
    private_anchors: Sequence[bytes] = (),
    *,
    feeds: Path | None = None,
    releases: Iterable[Release] = (),
    at: datetime | None = None,
) -> Mapping[type, Any]:
    """Everything a check may ask for by type.

    ``private_anchors`` are the workspace's own, DER. ``feeds`` is the database of imported data (None, or not there:
    nothing was imported); of its advisories those for ``releases`` are loaded, as they were known ``at`` (None: now).
    Raises FeedError.
    """
    imported: Mapping[type, Any]
    imported = {EndOfLife: built_in()} if feeds is None else load_references(feeds, releases, at)
    return {TrustAnchors: _anchors(private_anchors), **imported}


def stored_references(
    store: Store,
    inventory: Inventory,
    at: datetime,
    *,
    anchors: Sequence[bytes],
    feeds: Path | None,
    known: datetime,
) -> Mapping[type, Any]:
    """Everything a check may ask for, to judge what was seen by ``at``.

    That is what the world said as it was ``known`` then, and what is gathered from the whole fleet.
    Raises FeedError.
    """
    owned = sorted({m.host for m in inventory.memberships if m.covers(at.date())})
    # Two passes over little: one host at a time is held in memory when all of its evidence is read.
    systems = store.evidence(at, owned, kinds=[SystemFacts.kind])
    releases = releases_in(seen for _host, seen in systems)
    gathered = gather(inventory, store.evidence(at, owned, kinds=kinds_of(GATHERERS)), at.date())
    return {**references(anchors, feeds=feeds, releases=releases, at=known), **gathered}


def releases_in(evidence: Iterable[Evidence]) -> frozenset[Release]:
    """The releases of the operating systems that hosts were last seen to run."""
    found = set()
    for seen in evidence:
        for target, kind in {**seen.seen, **seen.newest}:
            if kind == SystemFacts.kind and isinstance(target, HostTarget):
                record = seen.last_seen(target, kind)
                if record is not None and isinstance(record.facts, SystemFacts):
                    found.add(record.facts.release)
    return frozenset(release for release in found if isinstance(release, Release))


def _anchors(private: Sequence[bytes]) -> TrustAnchors:
    # OpenSSL takes the bundle apart without judging it; reading it with cryptography would warn about old roots.
    bundle = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bundle.load_verify_locations(certifi.where())
    return TrustAnchors(
        public=tuple(bundle.get_ca_certs(binary_form=True)), private=tuple(private), as_of=certifi.__version__
    )
