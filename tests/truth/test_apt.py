"""What is missing by the package indexes, held against what apt would take from the security suite."""

from collections.abc import Mapping
from typing import Any

from secscan.reference import Advisories, MissingUpdate
from tests.truth import differences
from tests.truth.conftest import Seen


def missing(host: Seen, references: Mapping[type, Any]) -> tuple[MissingUpdate, ...]:
    compared = references[Advisories].compare(host.packages, host.system)
    assert not compared.undecided
    return tuple(update for update in compared.missing if update.fixed)


def taken(host: Seen) -> set[str]:
    """By apt itself, run by hand as root."""
    lines = host.root.run("apt-get", "-qq", "--simulate", "dist-upgrade").splitlines()
    return {line.split()[1] for line in lines if line.startswith("Inst ") and " Debian-Security:" in line}


def test_what_is_missing_is_what_apt_would_take_from_the_security_suite(
    bullseye: Seen, references: Mapping[type, Any]
) -> None:
    ours = {name for update in missing(bullseye, references) for name in update.binaries}
    theirs = taken(bullseye)
    assert len(theirs) > 40
    differences.check("bullseye", "apt", ours, theirs)


def test_nothing_is_missing_on_a_current_system(bookworm: Seen, references: Mapping[type, Any]) -> None:
    ours = {name for update in missing(bookworm, references) for name in update.binaries}
    assert taken(bookworm) == set()
    differences.check("bookworm", "apt", ours, ())


def test_the_versions_to_have_are_those_that_apt_would_install(
    bullseye: Seen, references: Mapping[type, Any]
) -> None:
    """As sources are numbered; packages of the same number as their source tell it of themselves."""
    fixed = {update.package: update.fixed for update in missing(bullseye, references)}
    installed = {package.name: package for package in bullseye.packages.packages}
    lines = bullseye.root.run("apt-get", "-qq", "--simulate", "dist-upgrade").splitlines()
    compared = 0
    for line in lines:
        if line.startswith("Inst ") and " [" in line.partition("(")[0] and " Debian-Security:" in line:
            package = installed[line.split()[1]]
            candidate = line.partition("(")[2].split()[0]
            if package.version == package.source_version and package.name == package.source:
                assert fixed[package.source] == candidate
                compared += 1
    assert compared > 10
