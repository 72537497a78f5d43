"""What checks are given: advisories by release and architecture, ends of life, exploitation; as known now, and then."""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from secscan.check import REFERENCES
from secscan.facts import Gap, Package, PackageFacts, Release, Repository, SystemFacts
from secscan.feeds.formats.updateinfo import repository_of
from secscan.feeds.importing import SPEAKS_FROM
from secscan.feeds.references import load_references
from secscan.feeds.support import built_in
from secscan.model import Reason
from secscan.reference import Advisories, Coverage, EndOfLife, Exploitation, ExploitPrediction, KnownExploited
from tests.feeds.conftest import AT, Take
from tests.feeds.making import DATED, kev, osv_record, stanza, suite, update, updateinfo, write_json

BOOKWORM = Release(id="debian", version="12", codename="bookworm")
ALMA = Release(id="almalinux", version="9.4")


def system(release: Release | Gap = BOOKWORM, architecture: str = "x86_64") -> SystemFacts:
    return SystemFacts(family="linux", release=release, architecture=architecture, kernel="6.1.0-18-amd64")


def packages(name: str = "openssl", version: str = "3.0.11-1") -> PackageFacts:
    one = Package(name=name, version=version, architecture="amd64", source=name, source_version=version)
    return PackageFacts(manager="dpkg", packages=(one,))


def managed(manager: str) -> PackageFacts:
    return PackageFacts(manager=manager, packages=packages().packages)


RPMS, APKS = managed("rpm"), managed("apk")


def advisories(db: Path, at: datetime | None = None) -> Advisories:
    found = load_references(db, at=at)[Advisories]
    assert isinstance(found, Advisories)
    return found


# --- Advisories -----------------------------------------------------------------------------------------


def test_nothing_imported_leaves_the_table_that_comes_along(db: Path) -> None:
    assert set(load_references(db)) == {EndOfLife}


def source(suite: str, address: str = "http://mirror.example.vn/debian") -> Repository:
    return Repository(address=address, suite=suite)


#: As apt has them on a Debian that is only Debian.
DEBIAN_SOURCES = (
    source("bookworm"),
    source("bookworm-security", "http://mirror.example.vn/debian-security"),
    source("bookworm-updates"),
)


def debian(take: Take, folder: Path, **changes: Any) -> None:
    """The release and its security suite, each with openssl."""
    take(
        suite(
            folder / "base", stanza("openssl", "3.0.11-1"), codename="bookworm", label="Debian", dated=OLDER
        )
    )
    take(suite(folder / "security", stanza("openssl", "3.0.15-1"), **changes))


OLDER = DATED - timedelta(days=60)
SOME = packages()
UNREAD = Gap(Reason.UNREADABLE, "permission denied")


def test_a_release_and_its_security_suite_speak_for_an_architecture(
    take: Take, db: Path, tmp_path: Path
) -> None:
    debian(take, tmp_path)
    found = advisories(db)
    # That the release itself was made long before says nothing.
    assert found.coverage(SOME, system(), UNREAD) == Coverage(DATED)
    assert found.coverage(SOME, system(architecture="aarch64"), UNREAD).as_of is None
    assert found.coverage(SOME, system(Release(id="debian", version="11")), UNREAD).as_of is None
    assert (
        found.coverage(SOME, system(Release(id="raspbian", version="12", like=("debian",))), UNREAD).as_of
        is None
    )
    assert found.coverage(SOME, system(Gap()), UNREAD).as_of is None
    assert [u.fixed for u in found.compare(SOME, system()).missing] == ["3.0.15-1"]


def test_without_the_release_nobody_knows_what_is_debians(take: Take, db: Path, tmp_path: Path) -> None:
    take(suite(tmp_path / "lists", stanza("openssl", "3.0.15-1")))
    found = advisories(db)
    assert found.coverage(SOME, system(), DEBIAN_SOURCES) == Coverage(DATED, ("bookworm main amd64",))
    assert found.compare(SOME, system()).missing


def test_packages_of_other_makers_and_components_are_not_covered(
    take: Take, db: Path, tmp_path: Path
) -> None:
    debian(take, tmp_path)
    take(
        suite(
            tmp_path / "contrib",
            stanza("firmware", "1"),
            codename="bookworm",
            label="Debian",
            component="contrib",
        )
    )
    one, other = packages("firmware").packages[0], packages("docker-ce").packages[0]
    both = PackageFacts(manager="dpkg", packages=(*SOME.packages, one, other))
    found = advisories(db)
    assert found.coverage(both, system(), ()).uncovered == ("docker-ce", "firmware")
    take(suite(tmp_path / "sec2", stanza("firmware", "2"), component="contrib"))
    assert advisories(db).coverage(both, system(), ()).uncovered == ("docker-ce",)


def test_what_comes_from_nowhere_is_left_to_its_own_rule(take: Take, db: Path, tmp_path: Path) -> None:
    debian(take, tmp_path)
    agent = packages("agent").packages[0]
    facts = PackageFacts(manager="dpkg", packages=(*SOME.packages, agent), foreign=("agent",))
    assert advisories(db).coverage(facts, system(), ()).uncovered == ()


def test_an_old_kernel_that_the_index_has_dropped_is_known_by_its_source(
    take: Take, db: Path, tmp_path: Path
) -> None:
    take(
        suite(
            tmp_path / "base",
            stanza("linux-image-6.1.0-22-amd64", "6.1.94-1", source="linux-signed-amd64 (6.1.94+1)"),
            codename="bookworm",
            label="Debian",
        )
    )
    take(suite(tmp_path / "security", stanza("openssl", "3.0.15-1")))
    old = Package(
        name="linux-image-6.1.0-18-amd64",
        version="6.1.76-1",
        architecture="amd64",
        source="linux-signed-amd64",
        source_version="6.1.76+1",
    )
    facts = PackageFacts(manager="dpkg", packages=(old,))
    assert advisories(db).coverage(facts, system(), ()).uncovered == ()


@pytest.mark.parametrize(
    "other",
    [{"codename": "bookworm", "label": "Debian"}, {"component": "contrib"}],
)
def test_other_suites_and_components_alone_cover_nothing(
    other: dict[str, Any], take: Take, db: Path, tmp_path: Path
) -> None:
    take(suite(tmp_path / "lists", stanza("openssl", "3.0.15-1"), **other))
    covered = advisories(db).coverage(SOME, system(), DEBIAN_SOURCES)
    assert covered.as_of is None or covered.uncovered


def debian_osv(take: Take, folder: Path) -> None:
    records = [
        osv_record(f"DSA-{n}", ecosystem="Debian:12", package="a", fixed="1-1") for n in range(SPEAKS_FROM)
    ]
    take(write_json(folder / "osv", records))


@pytest.mark.parametrize(
    ("more", "uncovered"),
    [
        ((), ()),
        ((source("bookworm", "https://docker.example/linux/debian"),), ("docker.example/linux/debian",)),
        ((source("./", "https://other.example/repo"),), ("other.example/repo",)),
        ((source("stable", "https://chrome.example/deb"),), ("chrome.example/deb",)),
        ((source("bookworm-backports"),), ()),
    ],
)
def test_of_apts_sources_only_the_distributions_own_are_spoken_of(
    more: tuple[Repository, ...], uncovered: tuple[str, ...], take: Take, db: Path, tmp_path: Path
) -> None:
    debian_osv(take, tmp_path)
    assert advisories(db).coverage(SOME, system(), (*DEBIAN_SOURCES, *more)).uncovered == uncovered


def test_sources_that_were_not_read_leave_it_open(take: Take, db: Path, tmp_path: Path) -> None:
    debian_osv(take, tmp_path)
    assert advisories(db).coverage(SOME, system(), UNREAD).unread == UNREAD


def rocky(
    take: Take, folder: Path, repository: str, made: str = "2026-05-01 00:00:00", **changes: str
) -> None:
    take(updateinfo(folder / f"{repository}-updateinfo.xml", update(updated=made, **changes)))


ROCKY = system(Release(id="rocky", version="9.4"))


def of_rocky(*names: str) -> tuple[Repository, ...]:
    return tuple(source(name, f"http://mirror.example.vn/rocky/9/{name}") for name in names)


BASE_AND_APPS = of_rocky("baseos", "appstream")


def test_base_alone_does_not_speak_for_all_of_a_release(take: Take, db: Path, tmp_path: Path) -> None:
    rocky(take, tmp_path, "baseos")
    found = advisories(db)
    assert found.coverage(RPMS, ROCKY, BASE_AND_APPS).uncovered == ("appstream",)
    assert found.coverage(RPMS, ROCKY, of_rocky("baseos", "baseos-source")).uncovered == ()
    assert found.coverage(RPMS, ROCKY, UNREAD).unread == UNREAD
    assert found.coverage(RPMS, ROCKY, ()).unread is not None


def test_of_several_repositories_the_oldest_counts(take: Take, db: Path, tmp_path: Path) -> None:
    rocky(take, tmp_path, "baseos")
    rocky(take, tmp_path, "AppStream", "2026-03-01 00:00:00", id="RLSA-2026:2")
    rocky(take, tmp_path, "epel", "2026-01-01 00:00:00", id="RLSA-2026:3")
    assert advisories(db).coverage(RPMS, ROCKY, BASE_AND_APPS) == Coverage(datetime(2026, 3, 1, tzinfo=UTC))


def test_the_ids_of_red_hat_are_those_of_its_mirrors(take: Take, db: Path, tmp_path: Path) -> None:
    for repository in ("BaseOS", "rhel-9-for-x86_64-appstream-rpms"):
        rocky(take, tmp_path, repository, id=f"RHSA-2026:{len(repository)}")
    rhel = system(Release(id="rhel", version="9.4"))
    cdn = "https://cdn.example/content/dist/rhel9/9/x86_64/"
    named = tuple(source(f"rhel-9-for-x86_64-{part}-rpms", cdn + part) for part in ("baseos", "appstream"))
    assert advisories(db).coverage(RPMS, rhel, named).uncovered == ()


def test_a_file_that_does_not_tell_its_repository_covers_none(take: Take, db: Path, tmp_path: Path) -> None:
    take(updateinfo(tmp_path / "u", update()))
    found = advisories(db)
    assert found.coverage(RPMS, ROCKY, BASE_AND_APPS).as_of is None


def test_the_same_content_under_its_repositorys_name_is_news(take: Take, db: Path, tmp_path: Path) -> None:
    take(updateinfo(tmp_path / "u", update()))
    rocky(take, tmp_path, "baseos")
    assert advisories(db).coverage(RPMS, ROCKY, of_rocky("baseos")) == Coverage(DATED)


def test_a_quiet_repository_is_as_new_as_its_mirror_says(take: Take, db: Path, tmp_path: Path) -> None:
    folder = tmp_path / "baseos-0123456789abcdef" / "repodata"
    folder.mkdir(parents=True)
    path = updateinfo(folder / "updateinfo.xml", update())
    for day in (20, 25):
        made = int(datetime(2026, 5, day, tzinfo=UTC).timestamp())
        (folder / "repomd.xml").write_text(
            f'<repomd><revision>{made}</revision><location href="repodata/updateinfo.xml"/></repomd>'
        )
        take(path)
        covered = advisories(db).coverage(RPMS, ROCKY, of_rocky("baseos"))
        assert covered.as_of == datetime(2026, 5, day, tzinfo=UTC)


@pytest.mark.parametrize("manager", ["rpm", "apk", "pacman", ""])
def test_packages_of_another_manager_are_not_the_distributions(
    manager: str, take: Take, db: Path, tmp_path: Path
) -> None:
    debian(take, tmp_path)
    unread = advisories(db).coverage(managed(manager), system(), DEBIAN_SOURCES).unread
    assert unread is not None
    assert unread.reason is Reason.CONTRADICTORY
    assert "dpkg" in (unread.detail or "")


def test_an_index_knows_of_which_source_a_package_is(take: Take, db: Path, tmp_path: Path) -> None:
    debian(take, tmp_path)
    other = msgspec.structs.replace(SOME.packages[0], source="nothing", source_version="9")
    found = advisories(db).compare(PackageFacts(manager="dpkg", packages=(other,)), system())
    assert (found.missing, found.undecided) == ((), ("openssl",))


@pytest.mark.parametrize(
    ("id", "address", "uncovered"),
    [
        ("acme-source", "http://acme.example/el9", "acme-source"),
        ("acme-debuginfo", "http://acme.example/el9", "acme-debuginfo"),
        ("source", "http://acme.example/el9", "source"),
        ("acme-pool", "http://acme.example/el9", "acme-pool"),
        ("extras", "http://acme.example/el9/", "acme.example/el9"),
        ("baseos-source", "http://acme.example/el9", "acme.example/el9"),
        ("extras", "", "extras"),
        ("extras", "http://mirror.example.vn/rocky/9/extras", None),
        ("extras-source", "http://mirror.example.vn/rocky/9/extras", None),
    ],
)
def test_no_id_makes_another_makers_repository_silent_or_the_distributions(
    id: str, address: str, uncovered: str | None, take: Take, db: Path, tmp_path: Path
) -> None:
    records = [osv_record(f"RLSA-2026:{n}", ecosystem="Rocky Linux:9") for n in range(SPEAKS_FROM)]
    take(write_json(tmp_path / "a", records))
    rocky(take, tmp_path, "extras")
    covered = advisories(db).coverage(RPMS, ROCKY, (*BASE_AND_APPS, source(id, address)))
    assert covered.uncovered == ((uncovered,) if uncovered else ())


@pytest.mark.parametrize(
    ("path", "repository"),
    [
        ("updateinfo.xml.gz", ""),
        ("AppStream-updateinfo.xml.gz", "appstream"),
        (f"rocky/9/BaseOS/x86_64/os/repodata/{'a' * 64}-updateinfo.xml.gz", "baseos"),
        (f"dnf/extras-0123456789abcdef/repodata/{'b' * 64}-updateinfo.xml.zst", "extras"),
        (
            "raw/SLE-Module-Basesystem15-SP5-Updates/repodata/updateinfo.xml",
            "sle-module-basesystem15-sp5-updates",
        ),
    ],
)
def test_where_an_updateinfo_lies_tells_its_repository(path: str, repository: str) -> None:
    assert repository_of(Path("/mirror") / path) == repository


def test_osv_covers_a_distributions_own_repositories(take: Take, db: Path, tmp_path: Path) -> None:
    take(write_json(tmp_path / "a", [osv_record(f"ALSA-2026:{n}") for n in range(SPEAKS_FROM)]))
    own = tuple(
        source(name, f"https://mirror.example.vn/almalinux/9/{name}")
        for name in ("baseos", "appstream", "crb", "extras", "appstream-debuginfo")
    )
    found = advisories(db)
    assert found.coverage(RPMS, system(ALMA), own) == Coverage(DATED)
    assert found.coverage(RPMS, system(ALMA), (*own, source("epel"))).uncovered == ("epel",)


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
    assert (advisories(db).coverage(RPMS, system(ALMA), BASE_AND_APPS).as_of is not None) is speaks


ALPINE = Release(id="alpine", version="3.20.3")


def alpine(*names: str, branch: str = "v3.20") -> tuple[Repository, ...]:
    return tuple(Repository(address=f"https://dl.example/alpine/{branch}/{name}") for name in names)


def test_of_secdb_each_repository_speaks_for_itself(take: Take, db: Path, tmp_path: Path) -> None:
    packages = [{"pkg": {"name": "other", "secfixes": {"1-r0": ["CVE-2026-1"]}}}]
    take(write_json(tmp_path / "s", {"distroversion": "v3.20", "reponame": "main", "packages": packages}))
    found = advisories(db)
    assert found.coverage(APKS, system(ALPINE), alpine("main")).uncovered == ()
    missing = found.coverage(APKS, system(ALPINE), alpine("main", "community")).uncovered
    assert missing == ("https://dl.example/alpine/v3.20/community",)
    assert found.coverage(APKS, system(ALPINE), alpine("main", branch="edge")).uncovered
    take(
        write_json(tmp_path / "c", {"distroversion": "v3.20", "reponame": "community", "packages": packages})
    )
    assert advisories(db).coverage(APKS, system(ALPINE), alpine("main", "community")).uncovered == ()


def ubuntu_osv(take: Take, folder: Path, paid: int) -> None:
    free = [
        osv_record(f"USN-{n}", ecosystem="Ubuntu:22.04:LTS", package="a", fixed="1-1")
        for n in range(SPEAKS_FROM)
    ]
    take(write_json(folder / "free", free))
    records = [
        osv_record(f"USN-X{n}", ecosystem="Ubuntu:Pro:22.04:LTS", fixed="3.0.15-1", summary="")
        for n in range(paid)
    ]
    take(write_json(folder / "paid", records))


JAMMY_SOURCES = (source("jammy"), source("jammy-security"), source("jammy-updates"))
JAMMY = Release(id="ubuntu", version="22.04", codename="jammy")
WITH_ESM = Release(id="ubuntu", version="22.04", codename="jammy", support="esm")


def test_a_paid_channel_adds_to_its_release(take: Take, db: Path, tmp_path: Path) -> None:
    ubuntu_osv(take, tmp_path, paid=SPEAKS_FROM)
    found = advisories(db)
    assert found.coverage(SOME, system(WITH_ESM), JAMMY_SOURCES) == Coverage(DATED)
    assert [u.fixed for u in found.compare(SOME, system(WITH_ESM)).missing] == ["3.0.15-1"]


def test_who_takes_part_in_a_paid_channel_needs_its_data(take: Take, db: Path, tmp_path: Path) -> None:
    ubuntu_osv(take, tmp_path, paid=1)
    found = advisories(db)
    assert found.coverage(SOME, system(WITH_ESM), JAMMY_SOURCES).uncovered == ("ubuntu 22.04+esm",)
    assert found.coverage(SOME, system(JAMMY), JAMMY_SOURCES).uncovered == ()


def test_what_only_a_paid_channel_mends_is_a_flaw_without_a_fix(take: Take, db: Path, tmp_path: Path) -> None:
    ubuntu_osv(take, tmp_path, paid=1)
    (update,) = advisories(db).compare(SOME, system(JAMMY)).missing
    assert (update.fixed, [flaw.id for flaw in update.flaws]) == ("", ["CVE-2026-0001"])
    assert load_references(db, [JAMMY])[Advisories].compare(SOME, system(JAMMY)).missing == (update,)


def test_extended_support_of_red_hat_is_a_release_of_its_own(take: Take, db: Path, tmp_path: Path) -> None:
    fixes = [
        osv_record(f"RHSA-{n}", ecosystem="Red Hat:enterprise_linux:9", fixed="9-9")
        for n in range(SPEAKS_FROM)
    ]
    take(write_json(tmp_path / "a", fixes))
    eus = system(Release(id="rhel", version="9.2", support="eus"))
    assert advisories(db).coverage(RPMS, eus, ()).as_of is None
    assert advisories(db).compare(packages(), eus).missing == ()


def test_only_the_wanted_releases_are_loaded(take: Take, db: Path, tmp_path: Path) -> None:
    take(suite(tmp_path / "lists", stanza("openssl", "3.0.15-1")))
    found = load_references(db, [ALMA])[Advisories]
    assert isinstance(found, Advisories)
    assert found.coverage(SOME, system(), ()).as_of is None


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
