"""Fills the reference data that checks ask for from feeds.db: as known now, or as known at an earlier instant."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from secscan.facts import Gap, PackageFacts, Release, SystemFacts
from secscan.feeds.distributions import SCHEMES, dpkg_architecture, releases_of
from secscan.feeds.formats.packages_index import is_security
from secscan.feeds.importing import SPEAKS_FROM
from secscan.feeds.match import ReleaseIndex, compare
from secscan.feeds.model import Advisory, Exploited, IndexedPackage, Kind, Likelihoods, Support
from secscan.feeds.storage import FeedState, FeedStore, open_store
from secscan.feeds.support import built_in
from secscan.reference import (
    Advisories,
    Comparison,
    EndOfLife,
    Exploitation,
    ExploitPrediction,
    KnownExploited,
)

_ADVISORIES = frozenset({Kind.OSV, Kind.UPDATEINFO, Kind.DEBIAN_TRACKER, Kind.SECDB})
#: Data that adds up entry by entry, or that is cut to what somebody wanted, speaks for a release only in numbers.
_IN_NUMBERS = frozenset({Kind.OSV, Kind.UPDATEINFO, Kind.DEBIAN_TRACKER})
#: Hosts whose answers are remembered: the checks of one host ask one after the other.
_REMEMBERED_HOSTS = 8


class ReleaseData:
    """One release: its index, and until when each architecture is known. ``""`` stands for every architecture."""

    def __init__(self, index: ReleaseIndex, as_of: Mapping[str, datetime]) -> None:
        self.index = index
        self._as_of = dict(as_of)

    def as_of(self, architecture: str) -> datetime | None:
        known = [self._as_of[a] for a in ("", architecture) if a in self._as_of]
        return max(known, default=None)


class ImportedAdvisories(Advisories):
    """The advisories and indexes of feeds.db, by release."""

    def __init__(self, releases: Mapping[tuple[str, str], ReleaseData]) -> None:
        self._releases = dict(releases)
        self._answers: dict[tuple[int, str, Release], tuple[PackageFacts, Comparison]] = {}

    def as_of(self, system: SystemFacts) -> datetime | None:
        if isinstance(system.release, Gap):
            return None
        architecture = dpkg_architecture(system.architecture)
        # A paid channel adds to its release: what is known of the release itself counts.
        for key in releases_of(system.release):
            data = self._releases.get(key)
            known = data.as_of(architecture) if data else None
            if known is not None:
                return known
        return None

    def compare(self, packages: PackageFacts, system: SystemFacts) -> Comparison:
        if isinstance(system.release, Gap):
            return Comparison(())
        # The packages are kept beside the answer: as long as they are, nothing else can have their identity.
        key = id(packages), system.kernel, system.release
        answered = self._answers.get(key)
        if answered is not None and answered[0] is packages:
            return answered[1]
        answer = self._compare(packages, system.kernel, system.release)
        while len(self._answers) >= _REMEMBERED_HOSTS:
            self._answers.pop(next(iter(self._answers)), None)
        self._answers[key] = packages, answer
        return answer

    def _compare(self, packages: PackageFacts, kernel: str, release: Release) -> Comparison:
        answers = [
            compare(packages, kernel, self._releases[key].index)
            for key in releases_of(release)
            if key in self._releases
        ]
        if len(answers) < 2:
            return answers[0] if answers else Comparison(())
        # The channel's own fix is the one to have where both have one, for it is the newer.
        own = {(u.package, u.awaits_reboot, bool(u.fixed)): u for answer in answers for u in answer.missing}
        return Comparison(
            tuple(own[key] for key in sorted(own)),
            tuple(sorted({name for answer in answers for name in answer.undecided})),
        )


def load_references(
    db: Path, releases: Iterable[Release] | None = None, at: datetime | None = None
) -> Mapping[type, Any]:
    """Everything feeds know, by the types that checks ask for; a kind that was never imported is not among them.

    ``releases`` are those of the hosts to be judged; the data of others is not loaded (None: all is). ``at``: as it
    was known then. Ends of life are always there: a table comes along. Raises FeedError where ``db`` can't be read.
    """
    ends = built_in()
    references: dict[type, Any] = {EndOfLife: ends}
    if not db.exists():
        return references
    wanted = None if releases is None else {key for release in releases for key in releases_of(release)}
    with open_store(db) as store:
        states = store.states(at)
        references[EndOfLife] = ends.with_newer(_supports(store, states, at))
        advised = {(s.feed.ecosystem, s.feed.release) for s in states if s.feed.ecosystem in SCHEMES}
        # Where a release is wanted that nobody imported, advisories are there all the same, and say so.
        if advised:
            references[Advisories] = ImportedAdvisories(
                {
                    key: _release_data(
                        store, [s for s in states if (s.feed.ecosystem, s.feed.release) == key], at
                    )
                    for key in sorted(advised)
                    if wanted is None or key in wanted
                }
            )
        for state in states:
            if state.feed.kind is Kind.KEV:
                references[KnownExploited] = KnownExploited(_exploited(store, state, at), state.as_of)
            elif state.feed.kind is Kind.EPSS:
                references[ExploitPrediction] = ExploitPrediction(
                    _probabilities(store, state, at), state.as_of
                )
    return references


def _release_data(store: FeedStore, states: list[FeedState], at: datetime | None) -> ReleaseData:
    as_of: dict[str, datetime] = {}
    for state in states:
        architecture = _spoken_for(state)
        if architecture is not None:
            as_of[architecture] = max(state.as_of, as_of.get(architecture, state.as_of))

    def advisories() -> Iterator[Advisory]:
        for state in states:
            if state.feed.kind in _ADVISORIES:
                for _key, value, _dated in store.entries(state, at):
                    if isinstance(value, Advisory):
                        yield value

    def offered() -> Iterator[IndexedPackage]:
        for state in states:
            if state.feed.kind is Kind.PACKAGES and is_security(state.feed.part):
                for _key, value, _dated in store.entries(state, at):
                    if isinstance(value, IndexedPackage):
                        yield value

    return ReleaseData(ReleaseIndex(SCHEMES[states[0].feed.ecosystem], advisories(), offered()), as_of)


def _spoken_for(state: FeedState) -> str | None:
    """For which architecture a feed tells all that a host may lack; "" for every one, None for none.

    Of an index that is the main part of the security suite, of a secdb the main repository: the others are about
    fewer packages, and alone they would let a host pass that lacks everything.
    """
    feed = state.feed
    if feed.kind is Kind.PACKAGES:
        suite, component, architecture = [*feed.part.split(" "), "", "", ""][:3]
        return architecture if is_security(suite) and component == "main" else None
    if feed.kind is Kind.SECDB:
        return "" if feed.part == "main" else None
    if feed.kind in _IN_NUMBERS:
        return "" if state.entries >= SPEAKS_FROM else None
    return None


def _supports(
    store: FeedStore, states: Iterable[FeedState], at: datetime | None
) -> Iterator[tuple[Support, datetime]]:
    for state in states:
        if state.feed.kind in (Kind.END_OF_LIFE, Kind.DISTRO_INFO):
            for _key, value, _dated in store.entries(state, at):
                if isinstance(value, Support):
                    yield value, state.as_of


def _exploited(store: FeedStore, state: FeedState, at: datetime | None) -> dict[str, Exploitation]:
    entries = (value for _key, value, _dated in store.entries(state, at) if isinstance(value, Exploited))
    return {e.cve: Exploitation(e.added, e.due, e.ransomware) for e in entries}


def _probabilities(store: FeedStore, state: FeedState, at: datetime | None) -> dict[str, float]:
    merged: dict[str, float] = {}
    for _key, value, _dated in store.entries(state, at):
        if isinstance(value, Likelihoods):
            merged |= value.probability
    return merged
