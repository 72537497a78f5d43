"""Real feeds, as their makers published them. They are no part of the project; without them these tests are skipped."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from secscan.facts import Package, PackageFacts, Release, Repository, SystemFacts
from secscan.feeds.importing import Imported, Outcome, Refused, import_files
from secscan.feeds.references import load_references
from secscan.feeds.status import FeedStatus, status
from secscan.reference import Advisories, Coverage, EndOfLife, ExploitPrediction, KnownExploited

#: The corpus' files were laid there when the sandbox was made; no feed in it is dated later.
AT = datetime(2100, 1, 1, tzinfo=UTC)


def take_all(db: Path, *paths: Path) -> dict[str, FeedStatus]:
    for result in import_files(db, paths, AT):
        assert isinstance(result, Imported), result.error if isinstance(result, Refused) else result
        assert result.outcome is Outcome.IMPORTED
    return {str(s.feed): s for s in status(db, AT)}


def test_alma(corpus: Path, db: Path) -> None:
    feeds = take_all(db, corpus / "alma9-osv.tar.gz")
    assert feeds["osv almalinux 9"].entries == 1783
    found = load_references(db)[Advisories]
    assert isinstance(found, Advisories)
    alma = SystemFacts(
        family="linux", release=Release(id="almalinux", version="9.4"), architecture="x86_64", kernel=""
    )
    own = tuple(
        Repository(address="https://mirror.example.vn/almalinux", suite=name)
        for name in ("baseos", "appstream")
    )
    none = PackageFacts(manager="rpm", packages=())
    assert found.coverage(none, alma, own) == Coverage(feeds["osv almalinux 9"].as_of)
    # The archive also names packages of EL 8, but far from all of its advisories.
    assert (
        found.coverage(
            none,
            SystemFacts(
                family="linux",
                release=Release(id="almalinux", version="8.9"),
                architecture="x86_64",
                kernel="",
            ),
            own,
        ).as_of
        is None
    )
    old = Package(
        name="openssl-libs",
        version="1:3.0.1-43.el9_0",
        architecture="x86_64",
        source="openssl",
        source_version="3.0.1-43.el9_0",
    )
    new = Package(
        name="bind-libs",
        version="32:9.99-1.el9",
        architecture="x86_64",
        source="bind",
        source_version="9.99-1.el9",
    )
    (update,) = found.compare(PackageFacts(manager="rpm", packages=(new, old)), alma).missing
    assert (update.package, update.installed) == ("openssl", "1:3.0.1-43.el9_0")
    assert "CVE-2023-0286" in {flaw.id for flaw in update.flaws}
    assert all(flaw.severity is not None for flaw in update.flaws)


def test_every_alma_module_says_its_stream(corpus: Path, db: Path) -> None:
    (result,) = import_files(db, [corpus / "alma9-osv.tar.gz"], AT)
    assert isinstance(result, Imported)
    assert result.left_out == {}


def test_kev_is_the_same_in_both_forms(corpus: Path, tmp_path: Path) -> None:
    take_all(tmp_path / "json.db", corpus / "kev.json")
    take_all(tmp_path / "csv.db", corpus / "kev.csv")
    one, other = (load_references(tmp_path / name)[KnownExploited] for name in ("json.db", "csv.db"))
    assert len(one.entries) == 1404
    assert one.entries == other.entries


def test_epss(corpus: Path, db: Path) -> None:
    (path,) = (corpus / "epss").iterdir()
    take_all(db, path)
    prediction = load_references(db)[ExploitPrediction]
    assert prediction.probability["CVE-1999-0003"] == 0.89352
    assert prediction.as_of == datetime(2025, 12, 26, 12, 55, tzinfo=UTC)


def test_debian_tracker(corpus: Path, db: Path) -> None:
    feeds = take_all(db, corpus / "debian-tracker/tracker-json-sample.json")
    sample = json.loads((corpus / "debian-tracker/tracker-json-sample.json").read_text())
    buster = [
        said
        for flaws in sample.values()
        for flaw in flaws.values()
        if (said := flaw["releases"].get("buster"))
        and (said["status"] == "open" or said.get("fixed_version", "0") != "0")
    ]
    assert feeds["debian-tracker debian 10"].entries == len(buster)


def test_secdb(corpus: Path, db: Path) -> None:
    feeds = take_all(db, *sorted((corpus / "alpine/secdb-2020").glob("v3.*/main.yaml")))
    assert feeds["secdb alpine 3.10 main"].entries == 460
    assert len(feeds) == 9


@pytest.mark.parametrize("folder", ["rocky", "ubuntu/vunnel/osv", "ubuntu/vunnel/osv-esm-cases"])
def test_osv_of_others(folder: str, corpus: Path, db: Path) -> None:
    assert take_all(db, corpus / folder)


def test_distro_info(corpus: Path, db: Path) -> None:
    take_all(db, corpus / "debian.csv", corpus / "ubuntu.csv")
    table = load_references(db)[EndOfLife]
    assert table.lifetime(Release(id="debian", version="12")).ends == date(2028, 6, 30)
    assert table.lifetime(Release(id="ubuntu", version="24.04")).extended == date(2036, 4, 29)


def test_endoflife(corpus: Path, db: Path) -> None:
    take_all(
        db,
        *(corpus / "endoflife" / f"{name}.json" for name in ("debian", "rhel", "rocky-linux", "postgresql")),
    )
    table = load_references(db)[EndOfLife]
    assert table.lifetime(Release(id="debian", version="12")).ends == date(2028, 6, 30)
    assert table.lifetime(Release(id="rhel", version="9.4")).extended == date(2036, 5, 31)


def test_the_table_that_comes_along_agrees_with_endoflife(corpus: Path, db: Path, tmp_path: Path) -> None:
    own = load_references(tmp_path / "none.db")[EndOfLife]
    take_all(db, *(corpus / "endoflife" / f"{name}.json" for name in ("debian", "rhel", "rocky-linux")))
    theirs = load_references(db)[EndOfLife]
    for release in (
        *(Release(id="debian", version=v) for v in ("10", "11", "12", "13")),
        *(Release(id=id, version=v) for id in ("rhel", "rocky") for v in ("8", "9", "10")),
    ):
        assert own.lifetime(release).ends == theirs.lifetime(release).ends


def test_what_is_no_feed_is_refused(corpus: Path, db: Path) -> None:
    results = list(
        import_files(db, [corpus / "csaf/icsa-24-235-03.json", corpus / "vulnrichment-sample.json"], AT)
    )
    assert [type(r) for r in results] == [Refused, Refused]
