"""What checks are given: advisories by release and architecture, ends of life, exploitation; as known now, and then."""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from secscan.check import REFERENCES
from secscan.facts import Gap, Package, PackageFacts, Release, SystemFacts
from secscan.feeds.importing import SPEAKS_FROM
from secscan.feeds.references import load_references
from secscan.feeds.support import built_in
from secscan.reference import Advisories, EndOfLife, Exploitation, ExploitPrediction, KnownExploited
from tests.feeds.conftest import AT, Take
from tests.feeds.making import DATED, kev, osv_record, stanza, suite, write_json

BOOKWORM = Release(id="debian", version="12", codename="bookworm")
ALMA = Release(id="almalinux", version="9.4")


def system(release: Release | Gap = BOOKWORM, architecture: str = "x86_64") -> SystemFacts:
    return SystemFacts(family="linux", release=release, architecture=architecture, kernel="6.1.0-18-amd64")


def packages(name: str = "openssl", version: str = "3.0.11-1") -> PackageFacts:
    one = Package(name=name, version=version, architecture="amd64", source=name, source_version=version)
    return PackageFacts(manager="dpkg", packages=(one,))


def advisories(db: Path, at: datetime | None = None) -> Advisories:
    found = load_references(db, at=at)[Advisories]
    assert isinstance(found, Advisories)
    return found


# --- Advisories -----------------------------------------------------------------------------------------


def test_nothing_imported_leaves_the_table_that_comes_along(db: Path) -> None:
    assert set(load_references(db)) == {EndOfLife}


def test_a_security_suite_speaks_for_its_release_and_architecture(
    take: Take, db: Path, tmp_path: Path
) -> None:
    take(suite(tmp_path / "lists", stanza("openssl", "3.0.15-1")))
    found = advisories(db)
    assert found.as_of(system()) == DATED
    assert found.as_of(system(architecture="aarch64")) is None
    assert found.as_of(system(Release(id="debian", version="11"))) is None
    assert found.as_of(system(Release(id="raspbian", version="12", like=("debian",)))) is None
    assert found.as_of(system(Gap())) is None
    assert [u.fixed for u in found.compare(packages(), system()).missing] == ["3.0.15-1"]


@pytest.mark.parametrize(
    "other",
    [{"codename": "bookworm", "label": "Debian"}, {"component": "contrib"}],
)
def test_other_suites_and_components_do_not(
    other: dict[str, Any], take: Take, db: Path, tmp_path: Path
) -> None:
    take(suite(tmp_path / "lists", stanza("openssl", "3.0.15-1"), **other))
    assert advisories(db).as_of(system()) is None


def test_what_is_newer_in_the_release_itself_is_no_security_update(
    take: Take, db: Path, tmp_path: Path
) -> None:
    take(suite(tmp_path / "lists", stanza("openssl", "3.0.15-1"), codename="bookworm", label="Debian"))
    assert advisories(db).compare(packages(), system()).missing == ()


@pytest.mark.parametrize(("count", "speaks"), [(SPEAKS_FROM - 1, False), (SPEAKS_FROM, True)])
def test_a_few_advisories_do_not_speak_for_a_release(
    count: int, speaks: bool, take: Take, db: Path, tmp_path: Path
) -> None:
    take(write_json(tmp_path / "a", [osv_record(f"ALSA-2026:{n}") for n in range(count)]))
    assert (advisories(db).as_of(system(ALMA)) is not None) is speaks


@pytest.mark.parametrize(("repository", "speaks"), [("main", True), ("community", False)])
def test_of_secdb_the_main_repository_speaks(
    repository: str, speaks: bool, take: Take, db: Path, tmp_path: Path
) -> None:
    take(write_json(tmp_path / "s", {"distroversion": "v3.20", "reponame": repository, "packages": []}))
    assert (advisories(db).as_of(system(Release(id="alpine", version="3.20.3"))) is not None) is speaks


def test_a_paid_channel_adds_to_its_release(take: Take, db: Path, tmp_path: Path) -> None:
    free = [
        osv_record(f"USN-{n}", ecosystem="Ubuntu:22.04:LTS", package="a", fixed="1-1")
        for n in range(SPEAKS_FROM)
    ]
    take(write_json(tmp_path / "free", free))
    paid = osv_record("USN-X", ecosystem="Ubuntu:Pro:22.04:LTS", fixed="3.0.15-1", summary="")
    take(write_json(tmp_path / "paid", [paid]))
    jammy = Release(id="ubuntu", version="22.04")
    with_esm = Release(id="ubuntu", version="22.04", support="esm")
    found = advisories(db)
    assert found.as_of(system(with_esm)) == found.as_of(system(jammy)) is not None
    assert found.compare(packages(), system(jammy)).missing == ()
    assert [u.fixed for u in found.compare(packages(), system(with_esm)).missing] == ["3.0.15-1"]


def test_extended_support_of_red_hat_is_a_release_of_its_own(take: Take, db: Path, tmp_path: Path) -> None:
    fixes = [
        osv_record(f"RHSA-{n}", ecosystem="Red Hat:enterprise_linux:9", fixed="9-9")
        for n in range(SPEAKS_FROM)
    ]
    take(write_json(tmp_path / "a", fixes))
    eus = system(Release(id="rhel", version="9.2", support="eus"))
    assert advisories(db).as_of(eus) is None
    assert advisories(db).compare(packages(), eus).missing == ()


def test_only_the_wanted_releases_are_loaded(take: Take, db: Path, tmp_path: Path) -> None:
    take(suite(tmp_path / "lists", stanza("openssl", "3.0.15-1")))
    found = load_references(db, [ALMA])[Advisories]
    assert isinstance(found, Advisories)
    assert found.as_of(system()) is None


def test_what_was_known_then_is_answered_as_then(take: Take, db: Path, tmp_path: Path) -> None:
    take(suite(tmp_path / "one", stanza("openssl", "3.0.12-1")), AT)
    take(
        suite(tmp_path / "two", stanza("openssl", "3.0.15-1"), dated=DATED + timedelta(days=1)),
        AT + timedelta(days=1),
    )
    assert [u.fixed for u in advisories(db, AT).compare(packages(), system()).missing] == ["3.0.12-1"]
    assert [u.fixed for u in advisories(db).compare(packages(), system()).missing] == ["3.0.15-1"]
    assert Advisories not in load_references(db, at=AT - timedelta(days=1))


def test_answers_are_remembered_for_the_very_same_packages(take: Take, db: Path, tmp_path: Path) -> None:
    take(suite(tmp_path / "lists", stanza("openssl", "3.0.15-1")))
    found, some, other = advisories(db), packages(), packages(version="3.0.15-1")
    assert found.compare(some, system()) is found.compare(some, system())
    assert found.compare(other, system()).missing == ()


# --- Exploitation -----------------------------------------------------------------------------------------


def test_exploitation_and_its_likelihood(take: Take, db: Path, tmp_path: Path) -> None:
    take(kev(tmp_path / "k", "CVE-2026-0001"))
    (tmp_path / "e").write_text(
        "#model_version:v1,score_date:2026-05-01T00:00:00Z\ncve,epss,percentile\nCVE-2026-0001,0.5,1\n"
    )
    take(tmp_path / "e")
    references = load_references(db)
    assert references[KnownExploited] == KnownExploited(
        {"CVE-2026-0001": Exploitation(date(2026, 4, 1), date(2026, 4, 22), True)},
        datetime(2026, 5, 1, tzinfo=UTC),
    )
    assert references[ExploitPrediction] == ExploitPrediction(
        {"CVE-2026-0001": 0.5}, datetime(2026, 5, 1, tzinfo=UTC)
    )


def test_all_that_is_filled_is_what_checks_can_ask_for(take: Take, db: Path, tmp_path: Path) -> None:
    take(kev(tmp_path / "k", "CVE-2026-0001"))
    take(suite(tmp_path / "lists", stanza("a", "1")))
    assert set(load_references(db)) <= set(REFERENCES)


# --- Ends of life -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("release", "name", "ends", "extended"),
    [
        (BOOKWORM, "Debian 12 (bookworm)", date(2028, 6, 30), date(2033, 6, 30)),
        (
            Release(id="debian", codename="bookworm"),
            "Debian 12 (bookworm)",
            date(2028, 6, 30),
            date(2033, 6, 30),
        ),
        (
            Release(id="ubuntu", version="22.04"),
            "Ubuntu 22.04 LTS (jammy)",
            date(2027, 6, 1),
            date(2034, 4, 25),
        ),
        (
            Release(id="rhel", version="9.4"),
            "Red Hat Enterprise Linux 9",
            date(2032, 5, 31),
            date(2036, 5, 31),
        ),
        (ALMA, "AlmaLinux 9", date(2032, 5, 31), None),
        (Release(id="rocky", version="8.10"), "Rocky Linux 8", date(2029, 5, 31), None),
        (
            Release(id="sles", version="15.6"),
            "SUSE Linux Enterprise Server 15 SP6",
            date(2025, 12, 31),
            date(2028, 12, 31),
        ),
        (Release(id="amzn", version="2023"), "Amazon Linux 2023", date(2029, 6, 30), None),
        (Release(id="alpine", version="3.20.3"), "Alpine Linux 3.20", date(2026, 4, 1), None),
        (
            Release(id="windows-server", version="21H2", build="20348.2527"),
            "Windows Server 2022",
            date(2031, 10, 14),
            None,
        ),
        (
            Release(id="windows-server", build="9600"),
            "Windows Server 2012 R2",
            date(2023, 10, 10),
            date(2026, 10, 13),
        ),
    ],
)
def test_the_table_that_comes_along(release: Release, name: str, ends: date, extended: date | None) -> None:
    found = built_in().lifetime(release)
    assert found is not None
    assert (found.name, found.ends, found.extended) == (name, ends, extended)
    assert built_in().as_of(release) is not None


@pytest.mark.parametrize(
    "release",
    [
        Release(id="debian", codename="sid"),
        Release(id="arch"),
        Release(id="windows", name="Windows 11 Pro", build="26100.1"),
        Release(id="x" * 200, version="y" * 200),
    ],
)
def test_of_others_nothing_is_said(release: Release) -> None:
    assert built_in().lifetime(release) is None
    assert built_in().as_of(release) is None


@pytest.mark.parametrize(("dated", "counts"), [(AT, True), (datetime(2020, 1, 1, tzinfo=UTC), False)])
def test_of_two_tables_the_later_counts(
    dated: datetime, counts: bool, take: Take, db: Path, tmp_path: Path
) -> None:
    path = write_json(tmp_path / "debian.json", [{"cycle": "12", "eol": "2027-01-01"}])
    os.utime(path, (dated.timestamp(), dated.timestamp()))
    take(path)
    lifetime = load_references(db)[EndOfLife].lifetime(BOOKWORM)
    assert (lifetime.ends == date(2027, 1, 1)) is counts
