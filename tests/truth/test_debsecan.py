"""Vulnerable packages, held against debsecan's, fed with the same data through a local source."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from secscan.feeds.importing import Imported, import_files
from secscan.feeds.references import load_references
from secscan.reference import Advisories
from tests.truth import differences
from tests.truth.conftest import Seen
from tests.truth.lab import folder
from tests.truth.tracker import (
    changelogs_of,
    from_changelogs,
    run_debsecan,
    with_composed,
    write_for_debsecan,
    write_for_secscan,
)


@dataclass(frozen=True)
class Judged:
    """``package flaw``: all, and those of them that have a fix in the release."""

    ours: set[str]
    ours_fixed: set[str]
    theirs: set[str]
    theirs_fixed: set[str]


def judge(host: Seen, place: Path) -> Judged:
    codename = host.root.suite
    packages = host.packages.packages
    waiting = sorted((folder() / "changelogs" / codename).glob("*.gz"))
    files = [*changelogs_of(host.root.path, packages), *waiting]
    tracker = with_composed(from_changelogs(files, packages, codename), "curl", codename)
    db = place / "feeds.db"
    (result,) = import_files(db, [write_for_secscan(tracker, place / "tracker.json")], datetime.now(UTC))
    assert isinstance(result, Imported)
    missing = load_references(db)[Advisories].compare(host.packages, host.system).missing
    url = write_for_debsecan(tracker, place, codename)
    root = host.root.path
    return Judged(
        {f"{name} {flaw.id}" for u in missing for name in u.binaries for flaw in u.flaws},
        {f"{name} {flaw.id}" for u in missing if u.fixed for name in u.binaries for flaw in u.flaws},
        run_debsecan(root, url, codename),
        run_debsecan(root, url, codename, "--only-fixed"),
    )


@pytest.fixture(scope="module")
def frozen(bullseye: Seen, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    return judge(bullseye, tmp_path_factory.mktemp("frozen"))


@pytest.fixture(scope="module")
def current(bookworm: Seen, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    return judge(bookworm, tmp_path_factory.mktemp("current"))


def test_a_frozen_system_has_the_flaws_that_debsecan_finds(frozen: Judged) -> None:
    assert len(frozen.theirs) > 1000
    differences.check("bullseye", "debsecan", frozen.ours, frozen.theirs)


def test_of_these_it_has_a_fix_for_the_same(frozen: Judged) -> None:
    kernels = {pair for pair in frozen.ours_fixed if pair.startswith("linux-image-")}
    assert frozen.ours_fixed - kernels == frozen.theirs_fixed


def test_a_signed_kernel_has_the_flaws_that_debsecan_finds_in_its_source(frozen: Judged) -> None:
    """Where debsecan does not look, it still says the same of what is built beside it, unsigned."""
    headers = {pair.split()[1] for pair in frozen.theirs if pair.startswith("linux-libc-dev ")}
    kernel = {pair.split()[1] for pair in frozen.ours if pair.startswith("linux-image-5.10.0-")}
    assert headers
    assert kernel == headers


def test_a_current_system_has_the_flaws_that_debsecan_finds(current: Judged) -> None:
    differences.check("bookworm", "debsecan", current.ours, current.theirs)


def test_a_current_system_has_all_fixes_by_both(current: Judged) -> None:
    assert (current.ours_fixed, current.theirs_fixed) == (set(), set())
