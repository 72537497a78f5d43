"""Fills the reference data that checks ask for from feeds.db: as known now, or as known at an earlier instant."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from secscan.facts import Gap, PackageFacts, Reading, Release, Repository, SystemFacts
from secscan.feeds.distributions import SCHEMES, dpkg_architecture, releases_of, unpaid_channel
from secscan.feeds.formats.packages_index import is_security
from secscan.feeds.importing import SPEAKS_FROM
from secscan.feeds.match import ReleaseIndex, compare
from secscan.feeds.model import Advisory, Exploited, IndexedPackage, Kind, Likelihoods, Support
from secscan.feeds.repositories import is_alike, is_own, is_silent, name_of, other_sources
from secscan.feeds.storage import FeedState, FeedStore, open_store
from secscan.feeds.support import built_in
from secscan.model import Reason
from secscan.reference import (
    Advisories,
    Comparison,
    Coverage,
    EndOfLife,
    Exploitation,
    ExploitPrediction,
    Flaw,
    KnownExploited,
    MissingUpdate,
)

_ADVISORIES = frozenset({Kind.OSV, Kind.UPDATEINFO, Kind.DEBIAN_TRACKER, Kind.SECDB})
#: The tracker's JSON is one file about all of Debian, with some thousand flaws of each release: less is a sample.
_TRACKER_SPEAKS_FROM = 1000
#: Hosts whose answers are remembered: the checks of one host ask one after the other.
_REMEMBERED_HOSTS = 8


@dataclass(frozen=True, slots=True)
class Indexes:
    """What the package indexes of one architecture tell besides versions: which component a package is in."""

    #: Security suites, by component, and when each was made.
    security: Mapping[str, datetime]
    #: The components in which any imported suite has a package of this name.
    components: Mapping[str, frozenset[str]]
    #: Components of which the release itself, and not only what was updated since, was imported.
    whole: frozenset[str]


@dataclass(frozen=True, slots=True)
class ReleaseData:
    """One release: its index of fixes, and until when each part of it is known."""

    index: ReleaseIndex
    #: Data about all of the distribution's own packages (OSV, Debian's tracker).
    sweeping: datetime | None = None
    #: Repositories of rpm and apk whose own advisories were imported, in lower case.
    repositories: Mapping[str, datetime] = field(default_factory=dict)
    #: By dpkg's name of the architecture.
    indexes: Mapping[str, Indexes] = field(default_factory=dict)


class ImportedAdvisories(Advisories):
    """The advisories and indexes of feeds.db, by release."""

    def __init__(self, releases: Mapping[tuple[str, str], ReleaseData]) -> None:
        self._releases = dict(releases)
        self._answers: dict[tuple[int, str, Release], tuple[PackageFacts, Comparison]] = {}

    def coverage(
        self, packages: PackageFacts, system: SystemFacts, repositories: Reading[tuple[Repository, ...]]
    ) -> Coverage:
        if isinstance(system.release, Gap):
            return Coverage(None)
        release = system.release
        key, *channels = releases_of(release)
        data = self._releases.get(key)
        if data is None:
            return Coverage(None)
        ways = list(_ways(data, key, packages, system, repositories))
        if not ways:
            return Coverage(None)
        best = min(ways, key=lambda w: (bool(w.unread or w.uncovered), len(w.uncovered), -_seconds(w.as_of)))
        for channel in channels:
            # What a paid channel mends is told by its own data alone.
            paid = self._releases.get(channel)
            if paid is None or paid.sweeping is None:
                best = replace(best, uncovered=(*best.uncovered, " ".join(channel)))
            elif best.as_of is not None:
                best = replace(best, as_of=min(best.as_of, paid.sweeping))
        if packages.manager != SCHEMES[key[0]]:
            # By whatever else is installed beside them nobody knows what the distribution's own packages lack.
            detail = f"{key[0]} keeps its packages with {SCHEMES[key[0]]}, and the list is that of {packages.manager}"
            return replace(best, unread=Gap(Reason.CONTRADICTORY, detail))
        return best

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
        unpaid = unpaid_channel(release)
        if unpaid in self._releases:
            paid_for = compare(packages, kernel, self._releases[unpaid].index)
            answers.insert(0, Comparison(_out_of_reach(paid_for, answers)))
        if len(answers) < 2:
            return answers[0] if answers else Comparison(())
        # The channel's own fix is the one to have where both have one, for it is the newer.
        own = {(u.package, u.awaits_reboot, bool(u.fixed)): u for answer in answers for u in answer.missing}
        return Comparison(
            tuple(own[key] for key in sorted(own)),
            tuple(sorted({name for answer in answers for name in answer.undecided})),
        )


def _out_of_reach(paid: Comparison, free: Iterable[Comparison]) -> tuple[MissingUpdate, ...]:
    """What only those who pay get a fix for is, for all others, a flaw that nobody has mended."""
    mended = {(u.package, flaw.id) for answer in free for u in answer.missing for flaw in u.flaws}
    unmended: dict[str, MissingUpdate] = {}
    for update in paid.missing:
        flaws = tuple(flaw for flaw in update.flaws if (update.package, flaw.id) not in mended)
        if flaws and not update.awaits_reboot:
            merged: dict[str, Flaw] = {flaw.id: flaw for flaw in flaws}
            if update.package in unmended:
                merged |= {flaw.id: flaw for flaw in unmended[update.package].flaws}
            unmended[update.package] = replace(
                update, fixed="", flaws=tuple(merged[id] for id in sorted(merged)), published=None
            )
    for answer in free:
        for update in answer.missing:
            if not update.fixed and update.package in unmended:
                other = {flaw.id: flaw for flaw in (*unmended[update.package].flaws, *update.flaws)}
                unmended[update.package] = replace(update, flaws=tuple(other[id] for id in sorted(other)))
    return tuple(unmended[package] for package in sorted(unmended))


# --- Of what the imported data speaks -----------------------------------------------------------------------


def _ways(
    data: ReleaseData,
    key: tuple[str, str],
    packages: PackageFacts,
    system: SystemFacts,
    repositories: Reading[tuple[Repository, ...]],
) -> Iterator[Coverage]:
    """Each kind of data that may speak of a whole host, and what it leaves out."""
    if data.sweeping is not None:
        yield _by_sweep(data.sweeping, key, system, repositories)
    if data.repositories:
        yield _by_repositories(data.repositories, key, repositories)
    indexes = data.indexes.get(dpkg_architecture(system.architecture))
    if indexes is not None and indexes.security:
        yield _by_indexes(indexes, packages, system)


def _by_sweep(
    as_of: datetime,
    key: tuple[str, str],
    system: SystemFacts,
    repositories: Reading[tuple[Repository, ...]],
) -> Coverage:
    """All that the distribution makes; what other makers' repositories brought is nobody's advisories'."""
    if isinstance(repositories, Gap):
        return Coverage(as_of, unread=repositories)
    ecosystem, version = key
    if SCHEMES[ecosystem] == "dpkg":
        codename = "" if isinstance(system.release, Gap) else system.release.codename
        return Coverage(as_of, other_sources(repositories, codename))
    others = {
        name_of(r, ecosystem)
        for r in repositories
        if not is_silent(r, ecosystem, version) and not is_own(r, ecosystem, version)
    }
    return Coverage(as_of, tuple(sorted(others)))


def _by_repositories(
    known: Mapping[str, datetime], key: tuple[str, str], repositories: Reading[tuple[Repository, ...]]
) -> Coverage:
    """Each repository by its own advisories: of those that the host has, the oldest counts."""
    if isinstance(repositories, Gap):
        return Coverage(min(known.values()), unread=repositories)
    needed: list[datetime] = []
    uncovered: set[str] = set()
    for repository in repositories:
        if is_silent(repository, *key):
            continue
        dates = [as_of for name, as_of in known.items() if is_alike(repository, name, *key)]
        if dates:
            needed.append(max(dates))
        else:
            uncovered.add(name_of(repository, key[0]))
    if not repositories:
        # A host without repositories has its packages from somewhere all the same.
        return Coverage(min(known.values()), unread=Gap(Reason.CONTRADICTORY, "no repository is configured"))
    return Coverage(min(needed or known.values()), tuple(sorted(uncovered)))


def _by_indexes(indexes: Indexes, packages: PackageFacts, system: SystemFacts) -> Coverage:
    """Package by package: each has to be in a component whose security suite was imported.

    Kernels leave the index when the next one comes; they are known by what they are built from.
    """
    foreign = frozenset() if isinstance(packages.foreign, Gap) else frozenset(packages.foreign)
    if not indexes.whole:
        codename = "" if isinstance(system.release, Gap) else system.release.codename
        part = " ".join(filter(None, (codename, "main", dpkg_architecture(system.architecture))))
        return Coverage(max(indexes.security.values()), (part,))
    needed: set[str] = set()
    uncovered: set[str] = set()
    for package in packages.packages:
        found = indexes.components.get(package.name, frozenset())
        if not found and package.name.startswith("linux-"):
            found = indexes.components.get(f"src:{package.source}", frozenset())
        covered = found & indexes.security.keys() & indexes.whole
        if covered:
            needed |= covered
        elif package.name not in foreign:
            uncovered.add(package.name)
    as_of = min((indexes.security[c] for c in needed), default=max(indexes.security.values()))
    return Coverage(as_of, tuple(sorted(uncovered)))


def _seconds(as_of: datetime | None) -> float:
    return as_of.timestamp() if as_of is not None else 0.0


# --- Loading ------------------------------------------------------------------------------------------------


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
    wanted = (
        None
        if releases is None
        else {
            key
            for release in releases
            for key in (*releases_of(release), unpaid_channel(release))
            if key is not None
        }
    )
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
    sweeping = max((s.as_of for s in states if _sweeps(s)), default=None)
    repositories: dict[str, datetime] = {}
    indexes: dict[str, _Reading] = {}
    sources: dict[str, set[str]] = {}
    for state in states:
        if state.feed.kind in (Kind.SECDB, Kind.UPDATEINFO) and state.feed.part:
            repositories[state.feed.part.lower()] = state.as_of
        elif state.feed.kind is Kind.PACKAGES:
            _suite, _component, architecture = _index_part(state)
            indexes.setdefault(architecture, _Reading({}, {}, set()))

    def advisories() -> Iterator[Advisory]:
        for state in states:
            if state.feed.kind in _ADVISORIES:
                for _key, value, _dated in store.entries(state, at):
                    if isinstance(value, Advisory):
                        yield value

    def offered() -> Iterator[IndexedPackage]:
        for state in states:
            if state.feed.kind is not Kind.PACKAGES:
                continue
            suite, component, architecture = _index_part(state)
            reading, security = indexes[architecture], is_security(state.feed.part)
            if security:
                reading.security[component] = state.as_of
            elif "-" not in suite:
                reading.whole.add(component)
            for _key, value, _dated in store.entries(state, at):
                if isinstance(value, IndexedPackage):
                    reading.components.setdefault(value.name, set()).add(component)
                    sources.setdefault(value.name, set()).add(value.source)
                    if value.name.startswith("linux-"):
                        reading.components.setdefault(f"src:{value.source}", set()).add(component)
                    if security:
                        yield value

    index = ReleaseIndex(SCHEMES[states[0].feed.ecosystem], advisories(), offered(), sources)
    # Few sets differ, and a release has 60,000 packages.
    same: dict[frozenset[str], frozenset[str]] = {}
    return ReleaseData(
        index,
        sweeping,
        repositories,
        {
            architecture: Indexes(
                reading.security,
                {
                    name: same.setdefault(found := frozenset(components), found)
                    for name, components in reading.components.items()
                },
                frozenset(reading.whole),
            )
            for architecture, reading in indexes.items()
        },
    )


@dataclass(frozen=True, slots=True)
class _Reading:
    """Indexes that are being read."""

    security: dict[str, datetime]
    components: dict[str, set[str]]
    whole: set[str]


def _index_part(state: FeedState) -> tuple[str, str, str]:
    suite, component, architecture = [*state.feed.part.split(" "), "", "", ""][:3]
    return suite, component, architecture


def _sweeps(state: FeedState) -> bool:
    """Whether a feed tells of all of a distribution's packages. That can't be read from it, only from its size."""
    match state.feed.kind:
        case Kind.OSV:
            return state.entries >= SPEAKS_FROM
        case Kind.DEBIAN_TRACKER:
            return state.entries >= _TRACKER_SPEAKS_FROM
    return False


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
