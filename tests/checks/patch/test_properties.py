"""What holds of every patch check, whatever hosts and feeds say: it never raises, and names each object once."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secscan.check import Check, Limits
from secscan.checks import patch_in_use, patch_missing, patch_support, patch_upkeep
from secscan.facts import (
    Gap,
    Kernel,
    NotSeen,
    Package,
    PackageFacts,
    PendingUpdate,
    Reading,
    Release,
    Repository,
    SystemFacts,
    UpdateFacts,
)
from secscan.model import HostTarget, Observation, Outcome, Reason, Severity
from secscan.reference import (
    Advisories,
    Comparison,
    Coverage,
    EndOfLife,
    Exploitation,
    ExploitPrediction,
    Flaw,
    KnownExploited,
    Lifetime,
    MissingUpdate,
)

ALL = [
    value
    for family in (patch_in_use, patch_missing, patch_support, patch_upkeep)
    for value in vars(family).values()
    if isinstance(value, Check)
]
AT = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)

#: Few of each, so that they meet; among them what is long, odd, or empty.
names = st.sampled_from(
    [
        "openssl",
        "openssl",
        "openssl",
        "linux",
        "linux-image-6.1.0-21-amd64",
        "x" * 120 + "a",
        "x" * 120 + "b",
        "\ud800",
        "",
    ]
)
versions = st.sampled_from(["", "1.0", "2:1.0-3+b1", "6.1.0-21-amd64", "0-rescue-0123", "9" * 40, "\x1b[2J"])
ids = st.sampled_from(["debian", "ubuntu", "rocky", "centos", "sles", "alpine", "arch", "windows", "odd", ""])
suites = st.sampled_from(["bookworm-security", "bullseye/updates", "stable", "baseos", "epel", "", "-", "/"])
gaps = st.builds(Gap, st.sampled_from(Reason), st.sampled_from(["", "permission denied"]))
dates = st.sampled_from([date(2026, 6, 1) - timedelta(days=n) for n in (-400, 0, 1, 16, 91, 500)])
days = st.none() | dates
instants = st.sampled_from([AT - timedelta(days=n) for n in (-400, -1, 0, 7, 15, 61, 401)])
flags = st.booleans() | gaps


def tuples(of: st.SearchStrategy[Any], least: int = 0) -> st.SearchStrategy[Any]:
    return st.lists(of, min_size=least, max_size=4).map(tuple)


def mostly(common: st.SearchStrategy[Any], rare: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """What ends most checks at once would, drawn as often as all else, leave little to be judged."""
    return st.integers(0, 7).flatmap(lambda n: rare if n == 7 else common)


releases = st.builds(
    Release,
    id=ids,
    version=st.sampled_from(["", "12", "9.4", "3.20.3"]),
    codename=st.sampled_from(["", "bookworm"]),
    name=names,
    support=st.sampled_from(["", "esm", "eus"]),
)
systems = st.builds(
    SystemFacts,
    family=mostly(st.just("linux"), st.just("windows")),
    release=mostly(releases, gaps),
    architecture=st.just("x86_64"),
    kernel=versions,
    kernels=tuples(st.builds(Kernel, release=versions, package=names)) | gaps,
    reboot_required=flags,
    reboot_packages=tuples(names) | gaps,
    outdated_programs=tuples(names) | gaps,
    clock_offset=st.integers() | gaps,
    clock_synchronised=flags,
)
packages = st.builds(
    PackageFacts,
    manager=st.sampled_from(["dpkg", "rpm", "apk", "pacman", "odd"]),
    packages=tuples(
        st.builds(
            Package,
            name=names,
            version=versions,
            architecture=st.just("amd64"),
            source=names,
            source_version=versions,
        ),
        1,
    ),
    held=tuples(names) | gaps,
    foreign=tuples(names) | gaps,
)
updates = st.builds(
    UpdateFacts,
    pending=tuples(
        st.builds(
            PendingUpdate,
            name=names,
            architecture=st.sampled_from(["amd64", "i386"]),
            installed=versions,
            candidate=versions,
            origin=names,
            security=flags,
        )
    )
    | gaps,
    repositories=tuples(st.builds(Repository, address=names, suite=suites, security=flags)) | gaps,
    metadata_at=instants | gaps,
    automatic=flags,
    changed_at=instants | gaps,
)
flaws = st.builds(
    Flaw, mostly(st.just("CVE-2026-1"), st.just("CVE-2026-2")), st.none() | st.sampled_from(Severity), days
)
missing = st.builds(
    MissingUpdate,
    package=mostly(st.just("openssl"), names),
    binaries=tuples(names),
    installed=versions,
    fixed=versions,
    flaws=tuples(flaws, 1) | tuples(flaws),
    advisories=tuples(names),
    published=days,
    awaits_reboot=st.booleans(),
)


class Said(Advisories):
    def __init__(self, covered: Coverage, compared: Comparison) -> None:
        self.covered, self.compared = covered, compared

    def coverage(
        self, packages: PackageFacts, system: SystemFacts, repositories: Reading[tuple[Repository, ...]]
    ) -> Coverage:
        return self.covered

    def compare(self, packages: PackageFacts, system: SystemFacts) -> Comparison:
        return self.compared


class Ends(EndOfLife):
    def __init__(self, known: Lifetime | None, made: datetime | None) -> None:
        self.known, self.made = known, made

    def as_of(self, release: Release) -> datetime | None:
        return self.made

    def lifetime(self, release: Release) -> Lifetime | None:
        return self.known


worlds: dict[type, st.SearchStrategy[Any]] = {
    Advisories: st.builds(
        Said,
        st.builds(Coverage, mostly(instants, st.none()), tuples(names), st.none() | gaps),
        st.builds(Comparison, tuples(missing, 2), tuples(names)),
    ),
    EndOfLife: st.builds(Ends, st.none() | st.builds(Lifetime, names, days, days), st.none() | instants),
    KnownExploited: st.builds(
        KnownExploited,
        st.fixed_dictionaries({"CVE-2026-1": st.builds(Exploitation, dates, dates, st.booleans())}),
        instants,
    ),
    ExploitPrediction: st.builds(
        ExploitPrediction,
        st.fixed_dictionaries({"CVE-2026-1": st.sampled_from([0.0, 0.1, 0.5, 1.0])}),
        instants,
    ),
    SystemFacts: systems,
    PackageFacts: packages,
    UpdateFacts: updates,
}


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.id)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_each_object_once_and_no_exception(check: Check, data: st.DataObject) -> None:
    given: dict[str, Any] = {
        name: Observation(HostTarget("h"), "test", kind.kind, AT, data.draw(worlds[kind]))
        for name, kind in check.observes.items()
    }
    for name, wanted in check.asks.items():
        if issubclass(wanted, Limits):
            given[name] = wanted()
        elif wanted is datetime:
            given[name] = AT
        else:
            given[name] = data.draw(worlds[wanted] | (st.none() if name in check.optional else st.nothing()))
    try:
        said = list(check(**given))
    except NotSeen:
        return
    objects = [verdict.object for verdict in said]
    assert objects
    assert len(objects) == len(set(objects))
    assert all(verdict.severity is None or verdict.severity <= check.severity for verdict in said)
    # Nothing passes beside what fails or is not known.
    outcomes = {verdict.outcome for verdict in said}
    assert Outcome.PASS not in outcomes or outcomes == {Outcome.PASS}
    for verdict in said:
        assert str(verdict.evidence)
        assert len(verdict.object) <= 100
