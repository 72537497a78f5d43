"""What a host lacks: its packages against the advisories and indexes of its distribution. Pure, and remembered.

Only a distribution's own data counts for it, so that fixes carried back to an old version count as fixes. A package
is looked at once, however many hosts have it: 10,000 hosts share some ten thousand distinct packages.
"""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from operator import itemgetter

import msgspec

from secscan.facts import Package, PackageFacts
from secscan.feeds.model import Advisory, Affected, IndexedPackage
from secscan.feeds.versions import Key, VersionError, is_older, read_version
from secscan.model import Severity
from secscan.reference import Comparison, Flaw, MissingUpdate

#: Distinct packages that are remembered; hostile hosts can make up as many as they like.
MOST_REMEMBERED = 1_000_000


@dataclass(frozen=True, slots=True)
class Lack:
    """One advisory, or index, that has a newer version of one installed package; or a flaw without a fix."""

    installed: str
    #: Empty: nobody has mended it.
    fixed: str
    #: ``installed`` and ``fixed`` are versions of the source package.
    of_source: bool
    #: None where only the index of the security suite says so.
    advisory: Advisory | None


@dataclass(frozen=True, slots=True)
class Undecided:
    """Advisories speak of a package, and its version can't be read, or its stream or source can't be believed."""


Answer = tuple[Lack, ...] | Undecided


class ReleaseIndex:
    """All that is known of one release of a distribution, by package.

    ``unreadable`` counts entries left out because the distribution's own rules can't read their version.
    """

    def __init__(
        self,
        scheme: str,
        advisories: Iterable[Advisory],
        offered: Iterable[IndexedPackage] = (),
        sources: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        """``sources``: of which sources the distribution's own indexes have a package of each name."""
        self.scheme = scheme
        # It may be filled while ``offered`` is read: an empty one is kept as well.
        self._sources = {} if sources is None else sources
        self._streams: set[str] = set()
        self.unreadable = 0
        self._fixes: dict[tuple[bool, str], _Fixes] = {}
        self._offered: dict[tuple[str, str], IndexedPackage] = {}
        self._answers: dict[Package, Answer] = {}
        self._updates: dict[tuple[str, tuple[Package, ...]], tuple[MissingUpdate, ...]] = {}
        collected: dict[tuple[bool, str], list[_Fix]] = defaultdict(list)
        for advisory in advisories:
            for affected in advisory.affected:
                collected[affected.source, affected.package].append(_Fix(affected, advisory))
                self._streams.update(affected.modules)
        for name, fixes in collected.items():
            self._fixes[name] = _Fixes(scheme, fixes)
            self.unreadable += self._fixes[name].unreadable
        for package in offered:
            self._offer(package)

    def lacks(self, package: Package) -> Answer:
        """What this one package lacks, as if no other were installed."""
        answer = self._answers.get(package)
        if answer is None:
            if len(self._answers) >= MOST_REMEMBERED:
                self._answers.clear()
            answer = self._answers[package] = self._judge(package)
        return answer

    def updates(self, source: str, packages: tuple[Package, ...]) -> tuple[MissingUpdate, ...]:
        """What these packages of one source lack together; hosts that lack the same are told the same."""
        key = source, packages
        updates = self._updates.get(key)
        if updates is None:
            if len(self._updates) >= MOST_REMEMBERED:
                self._updates.clear()
            pairs = [
                (package, lack)
                for package in packages
                if not isinstance(answer := self.lacks(package), Undecided)
                for lack in answer
            ]
            updates = self._updates[key] = tuple(_updates(source, pairs, self.scheme))
        return updates

    def _offer(self, package: IndexedPackage) -> None:
        key = package.name, package.architecture
        present = self._offered.get(key)
        try:
            if present is None or is_older(self.scheme, present.version, package.version):
                read_version(self.scheme, package.version)
                self._offered[key] = package
        except VersionError:
            self.unreadable += 1

    def _judge(self, package: Package) -> Answer:
        try:
            return tuple(self._find(package))
        except VersionError:
            return Undecided()

    def _find(self, package: Package) -> Iterator[Lack]:
        sources = self._sources.get(package.name)
        if sources and package.source not in sources:
            # It goes by a name of the distribution's and names another source, of which no advisory may speak.
            raise VersionError("the distribution builds it from another source")
        source, source_version = source_of(package, self.scheme)
        for of_source, name, version in (
            (False, package.name, package.version),
            (True, source, source_version),
        ):
            fixes = self._fixes.get((of_source, name))
            if fixes is None:
                continue
            streams = _streams(package, self._streams) if self.scheme == "rpm" else ()
            for fix in fixes.newer_than(version):
                if _same_module(streams, fix.affected.modules):
                    yield Lack(version, fix.affected.fixed, of_source, fix.advisory)
        offered = self._offered.get((package.name, package.architecture)) or self._offered.get(
            (package.name, "all")
        )
        if offered is not None and is_older(self.scheme, package.version, offered.version):
            # A package that was only built anew (+b1) has a new version though its source has none.
            if offered.source_version != source_version and is_older(
                self.scheme, source_version, offered.source_version
            ):
                yield Lack(source_version, offered.source_version, True, None)
            else:
                yield Lack(package.version, offered.version, False, None)


def compare(packages: PackageFacts, kernel: str, index: ReleaseIndex) -> Comparison:
    """What these packages lack. ``kernel`` is the running kernel's release, as uname(2) says it; "" if unknown."""
    undecided: set[str] = set()
    lacking: dict[str, list[Package]] = defaultdict(list)
    used = in_use(packages.packages, kernel, index.scheme)
    lacks = index.lacks
    for package in used.counting:
        if package.module and ".module" not in package.version:
            # Modular builds say so in their release; a label on anything else keeps it from being compared.
            undecided.add(package.name)
        answer = lacks(package)
        if not answer:
            continue
        if isinstance(answer, Undecided):
            undecided.add(package.name)
        else:
            lacking[source_of(package, index.scheme)[0]].append(package)
    missing: list[MissingUpdate] = []
    for source, concerned in lacking.items():
        missing += index.updates(source, tuple(concerned))
    missing += _waiting(used, index, undecided)
    missing.sort(key=lambda update: (update.package, update.awaits_reboot, not update.fixed))
    return Comparison(tuple(missing), tuple(sorted(undecided)))


def source_of(package: Package, scheme: str) -> tuple[str, str]:
    """Name and version of what a package is built from, as advisories name it.

    Debian and Ubuntu sign kernels in a source package of its own, of whose versions no advisory speaks; what it makes
    bears the version of the kernel itself. The file name of a source rpm has no epoch: the package's own is meant.
    """
    if scheme == "dpkg" and package.source.startswith("linux-signed"):
        name = re.sub(
            r"-(amd64|arm64|i386|armhf|ppc64el|s390x)$", "", package.source.replace("-signed", "", 1)
        )
        return name, package.version
    if scheme == "rpm" and ":" not in package.source_version:
        epoch, colon, _rest = package.version.partition(":")
        return package.source, f"{epoch}:{package.source_version}" if colon else package.source_version
    return package.source, package.source_version


# --- Fixes of one package -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Fix:
    affected: Affected
    advisory: Advisory


class _Fixes:
    """All fixes of one package, from the oldest to the newest, so that few comparisons find what is newer."""

    __slots__ = ("_fixes", "_scheme", "_unfixed", "_versions", "unreadable")

    def __init__(self, scheme: str, fixes: Sequence[_Fix]) -> None:
        self._scheme = scheme
        self.unreadable = 0
        self._unfixed: list[_Fix] = []
        readable: list[tuple[Key, _Fix]] = []
        for fix in fixes:
            try:
                if fix.affected.introduced:
                    read_version(scheme, fix.affected.introduced)
                if fix.affected.fixed:
                    readable.append((read_version(scheme, fix.affected.fixed), fix))
                else:
                    self._unfixed.append(fix)
            except VersionError:
                self.unreadable += 1
        readable.sort(key=itemgetter(0))
        self._versions = [version for version, _fix in readable]
        self._fixes = [fix for _version, fix in readable]

    def newer_than(self, version: str) -> Iterator[_Fix]:
        """The fixes that ``version`` lacks, and what it has that nobody has mended. Raises VersionError."""
        installed = read_version(self._scheme, version)
        first = bisect_right(self._versions, installed)
        for fix in (*self._fixes[first:], *self._unfixed):
            introduced = fix.affected.introduced
            if not introduced or not installed < read_version(self._scheme, introduced):
                yield fix


def _streams(package: Package, known: Container[str]) -> tuple[str, ...] | None:
    """The module's stream, ``nodejs:18`` (a host may also tell version and context). None: it can't be told.

    A label is a word of the host's. It counts where advisories know the stream, and where the version bears the mark
    that every build of a module bears; else any label would take a package out of the comparison.
    """
    marked = ".module" in package.version
    stream = ":".join(package.module.split(":")[:2])
    if not stream:
        return None if marked else ()
    return (stream,) if marked and stream in known else None


def _same_module(installed: tuple[str, ...] | None, advised: tuple[str, ...]) -> bool:
    """EL keeps several streams of a program side by side, whose versions say nothing of each other.

    What is of no module is held against advisories of no module alone. A package whose stream can't be told
    is held against none: that leaves it undecided.
    """
    if installed is None:
        raise VersionError("its module's stream is not known")
    return bool(set(installed) & set(advised)) if installed or advised else True


# --- Which of the installed packages count ----------------------------------------------------------------

#: Packages whose name bears the kernel's release; they stay when a newer one comes.
_KERNEL_NAME = re.compile(
    r"(?P<what>linux-[a-z-]*?)(?P<release>\d[0-9][0-9A-Za-z.+~-]*|\d\.[0-9A-Za-z.+~-]*)"
)


@dataclass(frozen=True, slots=True)
class _InUse:
    #: What counts: all but the kernels that are neither the newest installed nor running.
    counting: Sequence[Package]
    #: What runs, though a newer one of its kind is installed, and that newer one.
    running: Sequence[tuple[Package, Package]] = field(default=())


def in_use(packages: Sequence[Package], kernel: str, scheme: str) -> _InUse:
    """Old kernels that are kept beside the newest lack everything and harm nobody, as long as they don't run."""
    match scheme:
        case "dpkg":
            return _newest(packages, kernel, scheme, _dpkg_group, lambda p: p.name.endswith("-" + kernel))
        case "rpm":
            return _newest(packages, kernel, scheme, _rpm_group(packages), lambda p: _rpm_runs(p, kernel))
        case "apk":
            return _apk_in_use(packages, kernel)
    return _InUse(packages)


def _newest(
    packages: Sequence[Package],
    kernel: str,
    scheme: str,
    group_of: Callable[[Package], object],
    runs: Callable[[Package], bool],
) -> _InUse:
    groups: dict[object, list[Package]] = defaultdict(list)
    counting: list[Package] = []
    for package in packages:
        group = group_of(package)
        if group is None:
            counting.append(package)
        else:
            groups[group].append(package)
    running: list[tuple[Package, Package]] = []
    for members in groups.values():
        newest = members[0]
        for member in members[1:]:
            try:
                newest = member if is_older(scheme, newest.version, member.version) else newest
            except VersionError:
                # It can't be told which is the newest: each has to stand for itself.
                counting.append(member)
        counting.append(newest)
        running += [(m, newest) for m in members if kernel and m.version != newest.version and runs(m)]
    return _InUse(counting, running)


def _dpkg_group(package: Package) -> object:
    """``linux-image-6.1.0-21-amd64`` and its like: what, of which flavour, and of which architecture."""
    if not package.name.startswith("linux-"):
        return None
    found = _KERNEL_NAME.fullmatch(package.name)
    if found is None:
        return None
    flavour = re.sub(r"[0-9.+~]+", "", found["release"])
    return found["what"].replace("unsigned-", ""), flavour, package.architecture


def _rpm_group(packages: Sequence[Package]) -> Callable[[Package], object]:
    """Kernels that are installed in several versions: those that dnf and zypper only ever add.

    Of anything else a second version is no reason to leave the first out: both are there, and each counts.
    """
    seen: set[tuple[str, str]] = set()
    several: set[tuple[str, str]] = set()
    for package in packages:
        key = package.name, package.architecture
        if not package.name.startswith("kernel"):
            continue
        if key in seen:
            several.add(key)
        seen.add(key)
    if not several:
        return lambda _package: None
    return lambda package: (
        (package.name, package.architecture, package.module)
        if (package.name, package.architecture) in several
        else None
    )


def _rpm_runs(package: Package, kernel: str) -> bool:
    """``5.14.0-362.8.1.el9_3.x86_64`` on EL; ``5.14.21-150500.55.39-default`` on SUSE, where a rebuild's number of
    the package is not in the kernel's release."""
    if not package.name.startswith("kernel"):
        return False
    version = package.version.rpartition(":")[2]
    if kernel == f"{version}.{package.architecture}" or kernel.startswith(
        f"{version}.{package.architecture}+"
    ):
        return True
    base, _dash, flavour = kernel.rpartition("-")
    return (
        bool(base)
        and package.name == f"kernel-{flavour}"
        and (version == base or version.startswith(base + "."))
    )


def _apk_in_use(packages: Sequence[Package], kernel: str) -> _InUse:
    """Alpine replaces its kernel in place: ``6.6.30-0-lts`` runs on though linux-lts 6.6.32-r0 is installed."""
    found = re.fullmatch(r"(?P<version>[0-9][^-]*)-(?P<revision>\d+)-(?P<flavour>[a-z]+)", kernel)
    if found is None:
        return _InUse(packages)
    version = f"{found['version']}-r{found['revision']}"
    running: list[tuple[Package, Package]] = []
    for package in packages:
        if package.name == f"linux-{found['flavour']}" and package.version != version:
            ran = msgspec.structs.replace(package, version=version, source_version=version)
            running.append((ran, package))
    return _InUse(packages, running)


# --- What is told -----------------------------------------------------------------------------------------


def _updates(source: str, pairs: Sequence[tuple[Package, Lack]], scheme: str) -> Iterator[MissingUpdate]:
    """What an update mends, and apart from it what no update does: they are not equally anybody's fault."""
    fixable = [(p, lack) for p, lack in pairs if lack.fixed]
    unfixed = [(p, lack) for p, lack in pairs if not lack.fixed]
    if fixable:
        installed, fixed = _step(source, fixable, scheme)
        yield _update(source, fixable, installed, fixed)
    mended = {flaw.id for _p, lack in fixable if lack.advisory for flaw in lack.advisory.flaws}
    unfixed = [
        (p, lack)
        for p, lack in unfixed
        if lack.advisory and not mended.issuperset(f.id for f in lack.advisory.flaws)
    ]
    if unfixed:
        installed, _fixed = _step(source, unfixed, scheme)
        yield _update(source, unfixed, installed, "")


def _waiting(
    used: _InUse,
    index: ReleaseIndex,
    undecided: set[str],
) -> Iterator[MissingUpdate]:
    """The running kernel, where all that it lacks is mended by one that is installed and waits for the reboot."""
    told: dict[str, list[tuple[Package, Lack]]] = defaultdict(list)
    newer: dict[str, str] = {}
    for package, newest in used.running:
        answer = index.lacks(package)
        if isinstance(answer, Undecided):
            undecided.add(package.name)
            continue
        source = source_of(package, index.scheme)[0]
        there = index.lacks(newest)
        open_still = (
            {lack.advisory.id for lack in there if lack.advisory}
            if not isinstance(there, Undecided)
            else set()
        )
        mended = [k for k in answer if k.fixed and k.advisory and k.advisory.id not in open_still]
        if mended:
            told[source] += [(package, lack) for lack in mended]
            newer[source] = newest.version
    for source, pairs in told.items():
        yield _update(source, pairs, pairs[0][0].version, newer[source], awaits_reboot=True)


def _step(source: str, pairs: Sequence[tuple[Package, Lack]], scheme: str) -> tuple[str, str]:
    """From which version to which. Packages of one source may be numbered differently: the source's own numbers
    stand for all of them, else those of the package named like it, else those of the first by name."""

    def rank(pair: tuple[Package, Lack]) -> tuple[bool, bool, str]:
        package, lack = pair
        return not lack.of_source, package.name != source, package.name

    first, best = min(pairs, key=rank)
    alike = [
        lack
        for p, lack in pairs
        if lack.of_source == best.of_source and (best.of_source or p.name == first.name)
    ]
    oldest = _extreme({lack.installed for lack in alike}, scheme, newest=False)
    return oldest, _extreme({lack.fixed for lack in alike}, scheme, newest=True)


def _extreme(versions: set[str], scheme: str, *, newest: bool) -> str:
    found, *others = sorted(versions)
    for other in others:
        if is_older(scheme, found, other) == newest:
            found = other
    return found


def _update(
    source: str,
    pairs: Sequence[tuple[Package, Lack]],
    installed: str,
    fixed: str,
    *,
    awaits_reboot: bool = False,
) -> MissingUpdate:
    advisories = list(
        {id(lack.advisory): lack.advisory for _package, lack in pairs if lack.advisory}.values()
    )
    dates: list[date] = [a.published for a in advisories if a.published]
    return MissingUpdate(
        package=source,
        binaries=tuple(sorted({package.name for package, _lack in pairs})),
        installed=installed,
        fixed=fixed,
        flaws=_flaws(advisories),
        advisories=tuple(sorted({a.id for a in advisories if a.named})),
        published=min(dates, default=None),
        awaits_reboot=awaits_reboot,
    )


_SEVERITIES = tuple(sorted(Severity))


def _flaws(advisories: Iterable[Advisory]) -> tuple[Flaw, ...]:
    """Each once, by the gravest that the distributor says of it, else the gravest that follows from CVSS; and by the
    first of the advisories, for from then on it could be mended."""
    best: dict[str, tuple[bool, int]] = {}
    since: dict[str, date] = {}
    for advisory in advisories:
        for flaw in advisory.flaws:
            rank = (flaw.by_distributor, int(flaw.severity)) if flaw.severity is not None else (False, -1)
            best[flaw.id] = max(best.get(flaw.id, rank), rank)
            if advisory.published is not None:
                since[flaw.id] = min(since.get(flaw.id, advisory.published), advisory.published)
    return tuple(
        Flaw(id, _SEVERITIES[rank[1]] if rank[1] >= 0 else None, since.get(id))
        for id, rank in sorted(best.items())
    )
