"""Reference data that checks ask for: trust anchors, and what was imported from feeds."""

import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, ClassVar

import certifi

from secscan.baseline import Baseline
from secscan.check import TrustAnchors
from secscan.engine.gathering import gather, gatherers_of, kinds_of
from secscan.facts import Release, SystemFacts
from secscan.feeds.references import load_references
from secscan.feeds.storage import FeedState, open_store
from secscan.feeds.support import built_in
from secscan.model import Evidence, Host, HostTarget, Inventory
from secscan.reference import Advisories, EndOfLife, ExploitPrediction, KnownExploited
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What checks may ask for by type to judge a fleet, before the large part of it was read.

    It is small, so that every process that judges can be handed it and read the rest for itself.
    """

    anchors: Sequence[bytes]
    #: None too where nothing in it is asked for.
    feeds: Path | None
    releases: frozenset[Release]
    #: What was imported counts as it was known then.
    at: datetime
    gathered: Mapping[type, Any]

    def imports(self) -> Sequence[FeedState]:
        """Which imports count: where these are the same, so is everything that was imported. Raises FeedError."""
        if self.feeds is None or not self.feeds.exists():
            return ()
        with open_store(self.feeds) as feeds:
            return tuple(feeds.states(self.at))

    def references(self) -> Mapping[type, Any]:
        """Raises FeedError."""
        imported = references(self.anchors, feeds=self.feeds, releases=self.releases, at=self.at)
        return {**imported, **self.gathered}


def what_is_known(
    store: Store,
    inventory: Inventory,
    baselines: Iterable[Baseline],
    at: datetime,
    *,
    anchors: Sequence[bytes],
    feeds: Path | None,
    known: datetime,
) -> Known:
    """What the rules of these baselines ask for, to judge what was seen by ``at``.

    That is what the world said as it was ``known`` then, and what is gathered from the whole fleet.
    """
    rules = (rule for baseline in baselines for rule in baseline.rules_of_any_host())
    asked = {kind for rule in rules for kind in rule.check.asks.values()}
    imports = bool(asked & _IMPORTED)
    gatherers = [*gatherers_of(asked), *([_Releases] if imports else ())]
    owned = sorted({m.host for m in inventory.memberships if m.covers(at.date())})
    # One pass over little: one host at a time is held in memory when all of its evidence is read.
    evidence = store.evidence(at, owned, kinds=kinds_of(gatherers)) if gatherers else ()
    gathered = gather(inventory, evidence, at.date(), gatherers)
    releases = gathered.pop(Release, frozenset())
    return Known(
        anchors=tuple(anchors),
        feeds=feeds if imports else None,
        releases=releases,
        at=known,
        gathered=gathered,
    )


#: What comes out of the database of imports. Reading that takes time, and is left where no rule asks for any of it.
_IMPORTED = frozenset({Advisories, KnownExploited, ExploitPrediction, EndOfLife})


class _Releases:
    """The releases of operating systems that the fleet runs: advisories are read for these alone."""

    makes: ClassVar[type] = Release
    kinds: ClassVar[tuple[str, ...]] = (SystemFacts.kind,)

    def __init__(self, inventory: Inventory, day: date) -> None:  # noqa: ARG002 - a gatherer's signature
        self._found: frozenset[Release] = frozenset()

    def see(self, host: Host, evidence: Evidence) -> None:  # noqa: ARG002 - a gatherer's signature
        self._found |= releases_in([evidence])

    def reference(self) -> frozenset[Release]:
        return self._found


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
