"""Importing: what each format says, what is refused and in which words, and that nothing is ever half taken."""

import json
import os
import sqlite3
import tarfile
import zipfile
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from secscan.feeds.errors import FeedError
from secscan.feeds.importing import SPEAKS_FROM, Imported, Outcome, Refused, import_files
from secscan.feeds.model import (
    Advisory,
    Affected,
    DatedBy,
    Exploited,
    Feed,
    IndexedPackage,
    Kind,
    Likelihoods,
    RatedFlaw,
    Support,
    Value,
)
from secscan.feeds.status import status
from secscan.feeds.storage import open_store
from secscan.model import Severity
from tests.feeds.conftest import AT, Take
from tests.feeds.making import DATED, kev, osv_record, stanza, suite, update, updateinfo, write_json

ALMA = Feed(Kind.OSV, "almalinux", "9")


def values(db: Path, feed: Feed, at: datetime | None = None) -> list[Value]:
    with open_store(db) as store:
        states = [state for state in store.states(at) if state.feed == feed]
        return [value for state in states for _key, value, _dated in store.entries(state, at)]


def feeds(db: Path) -> list[str]:
    return [str(s.feed) for s in status(db, AT)]


def imported(result: Imported | Refused) -> Imported:
    assert isinstance(result, Imported), result
    return result


def refused(result: Imported | Refused) -> str:
    assert isinstance(result, Refused), result
    return str(result.error)


# --- OSV ------------------------------------------------------------------------------------------------


def test_a_record_becomes_an_advisory(take: Take, db: Path, tmp_path: Path) -> None:
    imported(take(write_json(tmp_path / "a.json", osv_record())))
    assert values(db, ALMA) == [
        Advisory(
            id="ALSA-2026:1",
            flaws=(RatedFlaw("CVE-2026-0001", Severity.HIGH, True),),
            affected=(Affected("openssl", "1:3.0.7-25.el9"),),
            published=date(2026, 4, 30),
        )
    ]


def packed_as_json(folder: Path, records: Iterable[dict[str, Any]]) -> Path:
    return write_json(folder / "all", list(records))


def packed_as_folder(folder: Path, records: Iterable[dict[str, Any]]) -> Path:
    for record in records:
        write_json(folder / "checkout" / record["id"], record)
    return folder / "checkout"


def packed_as_zip(folder: Path, records: Iterable[dict[str, Any]]) -> Path:
    with zipfile.ZipFile(folder / "all", "w") as archive:
        for record in records:
            archive.writestr(f"{record['id']}.json", json.dumps(record))
    return folder / "all"


def packed_as_tar(folder: Path, records: Iterable[dict[str, Any]]) -> Path:
    made = packed_as_folder(folder, records)
    with tarfile.open(folder / "all", "w:gz") as archive:
        for file in made.iterdir():
            archive.add(file, f"somewhere/{file.name}.json")
    return folder / "all"


@pytest.mark.parametrize("packed", [packed_as_json, packed_as_folder, packed_as_zip, packed_as_tar])
def test_records_are_the_same_however_they_are_packed(
    packed: Any, take: Take, db: Path, tmp_path: Path
) -> None:
    imported(take(packed(tmp_path, [osv_record("ALSA-2026:1"), osv_record("ALSA-2026:2")])))
    assert [a.id for a in values(db, ALMA) if isinstance(a, Advisory)] == ["ALSA-2026:1", "ALSA-2026:2"]


@pytest.mark.parametrize(
    ("ecosystem", "filed"),
    [
        ("Debian:12", "osv debian 12"),
        ("Ubuntu:22.04:LTS", "osv ubuntu 22.04"),
        ("Ubuntu:25.10", "osv ubuntu 25.10"),
        ("Ubuntu:Pro:18.04:LTS", "osv ubuntu 18.04+esm"),
        ("Alpine:v3.20", "osv alpine 3.20"),
        ("Rocky Linux:8", "osv rocky 8"),
        ("AlmaLinux:10", "osv almalinux 10"),
        ("Red Hat:enterprise_linux:9::appstream", "osv rhel 9"),
        ("Red Hat:rhel_eus:9.2::baseos", "osv rhel 9.2+eus"),
        ("SUSE:Linux Enterprise Server 15 SP5", "osv sles 15.5"),
        ("SUSE:Linux Enterprise Module for Basesystem 15 SP6", "osv sles 15.6"),
        ("openSUSE:Leap 15.6", "osv opensuse-leap 15.6"),
    ],
)
def test_ecosystems_are_filed_by_distribution_and_release(
    ecosystem: str, filed: str, take: Take, db: Path, tmp_path: Path
) -> None:
    imported(take(write_json(tmp_path / "a", osv_record(ecosystem=ecosystem, fixed="1.2-3"))))
    assert feeds(db) == [filed]


@pytest.mark.parametrize(
    "ecosystem",
    ["npm", "Debian", "Ubuntu:Pro:FIPS:20.04:LTS", "Alpine", "SUSE:Linux Enterprise Live Patching 15 SP5"],
)
def test_other_ecosystems_are_of_no_use(ecosystem: str, take: Take, tmp_path: Path) -> None:
    assert "holds nothing of use (1 records about no release" in refused(
        take(write_json(tmp_path / "a", osv_record(ecosystem=ecosystem)))
    )


@pytest.mark.parametrize(
    ("record", "flaw"),
    [
        (osv_record(summary="Critical: x"), RatedFlaw("CVE-2026-0001", Severity.CRITICAL, True)),
        (osv_record(summary="x"), RatedFlaw("CVE-2026-0001")),
        (
            osv_record(
                summary="",
                severity=[{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
            ),
            RatedFlaw("CVE-2026-0001", Severity.CRITICAL),
        ),
        (
            osv_record(
                summary="",
                severity=[
                    {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"},
                    {"type": "Ubuntu", "score": "negligible"},
                ],
            ),
            RatedFlaw("CVE-2026-0001", Severity.INFO, True),
        ),
        (osv_record(cves=()), RatedFlaw("ALSA-2026:1", Severity.HIGH, True)),
        (osv_record(upstream=["UBUNTU-CVE-2026-7"]), RatedFlaw("CVE-2026-0001", Severity.HIGH, True)),
    ],
)
def test_how_grave_a_flaw_is(
    record: dict[str, Any], flaw: RatedFlaw, take: Take, db: Path, tmp_path: Path
) -> None:
    imported(take(write_json(tmp_path / "a", record)))
    (advisory,) = values(db, ALMA)
    assert isinstance(advisory, Advisory)
    assert advisory.flaws == (flaw,)


def test_upstream_comes_before_related(take: Take, db: Path, tmp_path: Path) -> None:
    imported(take(write_json(tmp_path / "a", osv_record(upstream=["UBUNTU-CVE-2026-7777"]))))
    (advisory,) = values(db, ALMA)
    assert isinstance(advisory, Advisory)
    assert advisory.cves == ("CVE-2026-7777",)


def test_the_stream_of_a_module_stands_in_the_title(take: Take, db: Path, tmp_path: Path) -> None:
    record = osv_record(
        package="nodejs", fixed="1:18.20.4-1.module_el9", summary="Important: nodejs:18 security update"
    )
    imported(take(write_json(tmp_path / "a", record)))
    (advisory,) = values(db, ALMA)
    assert isinstance(advisory, Advisory)
    assert advisory.affected == (Affected("nodejs", "1:18.20.4-1.module_el9", modules=("nodejs:18",)),)


def test_a_module_whose_stream_is_not_named_is_left_out_and_counted(take: Take, tmp_path: Path) -> None:
    record = osv_record(fixed="1-1.module_el9", summary="Important: nodejs security update")
    assert "1 packages of a module whose stream is not named" in refused(
        take(write_json(tmp_path / "a", record))
    )


def test_what_nobody_has_mended_is_kept_where_distributors_say_so(
    take: Take, db: Path, tmp_path: Path
) -> None:
    imported(
        take(write_json(tmp_path / "a", osv_record("DEBIAN-CVE-2026-1", ecosystem="Debian:12", fixed=None)))
    )
    (advisory,) = values(db, Feed(Kind.OSV, "debian", "12"))
    assert isinstance(advisory, Advisory)
    assert advisory.affected == (Affected("openssl", "", source=True),)
    assert not advisory.named


def test_withdrawing_takes_an_advisory_away(take: Take, db: Path, tmp_path: Path) -> None:
    imported(take(write_json(tmp_path / "a", osv_record())))
    later = osv_record(modified="2026-05-02T00:00:00Z", withdrawn="2026-05-02T00:00:00Z")
    imported(take(write_json(tmp_path / "b", later)))
    assert values(db, ALMA) == []


def test_an_older_record_never_replaces_a_newer_one(take: Take, db: Path, tmp_path: Path) -> None:
    imported(take(write_json(tmp_path / "a", osv_record(fixed="1:3.0.7-25.el9"))))
    older = osv_record(fixed="1:3.0.7-1.el9", modified="2026-04-01T00:00:00Z")
    assert imported(take(write_json(tmp_path / "b", older))).outcome is Outcome.OLDER
    (advisory,) = values(db, ALMA)
    assert isinstance(advisory, Advisory)
    assert advisory.affected[0].fixed == "1:3.0.7-25.el9"


def test_other_records_stay_where_some_are_added(take: Take, db: Path, tmp_path: Path) -> None:
    imported(take(write_json(tmp_path / "a", osv_record("ALSA-2026:1"))))
    imported(take(write_json(tmp_path / "b", osv_record("ALSA-2026:2"))))
    assert len(values(db, ALMA)) == 2


def test_many_records_date_their_release_by_the_newest_of_the_distribution(
    take: Take, db: Path, tmp_path: Path
) -> None:
    records = [osv_record(f"ALSA-2026:{n}") for n in range(SPEAKS_FROM)]
    records.append(osv_record("ALSA-2026:X", ecosystem="AlmaLinux:8", modified="2026-05-20T00:00:00Z"))
    imported(take(packed_as_zip(tmp_path, records)))
    dates = {s.feed.release: s.as_of.date() for s in status(db, AT)}
    assert dates == {"9": date(2026, 5, 20), "8": date(2026, 5, 20)}


def test_few_records_date_their_release_by_themselves(take: Take, db: Path, tmp_path: Path) -> None:
    records = [
        osv_record(),
        osv_record("ALSA-2026:X", ecosystem="AlmaLinux:8", modified="2026-05-20T00:00:00Z"),
    ]
    imported(take(packed_as_zip(tmp_path, records)))
    assert {s.feed.release: s.as_of.date() for s in status(db, AT)} == {
        "9": date(2026, 5, 1),
        "8": date(2026, 5, 20),
    }


def many(count: int, modified: str = "2025-01-01T00:00:00Z", first: int = 1) -> list[dict[str, Any]]:
    return [osv_record(f"ALSA-2025:{n}", modified=modified) for n in range(first, first + count)]


@pytest.mark.parametrize(
    ("then", "known"),
    [
        # One fresh record says nothing of the three hundred.
        (many(1, "2026-05-20T00:00:00Z", first=999), date(2025, 1, 1)),
        # Nor do many that are a part of it alone.
        (many(SPEAKS_FROM, "2026-05-20T00:00:00Z"), date(2025, 1, 1)),
        # Nor one of them, again and again.
        (many(1, "2026-05-20T00:00:00Z") * 300, date(2025, 1, 1)),
        (many(299) + many(1, "2026-05-20T00:00:00Z", first=999), date(2026, 5, 20)),
    ],
)
def test_a_release_is_known_further_only_by_what_goes_through_it(
    then: list[dict[str, Any]], known: date, take: Take, db: Path, tmp_path: Path
) -> None:
    imported(take(write_json(tmp_path / "a", many(300))))
    imported(take(write_json(tmp_path / "b", then)))
    assert [s.as_of.date() for s in status(db, AT)] == [known]


def test_a_fresh_record_that_was_there_first_does_not_date_the_old_ones(
    take: Take, db: Path, tmp_path: Path
) -> None:
    imported(take(write_json(tmp_path / "a", osv_record("ALSA-2026:9"))))
    imported(take(write_json(tmp_path / "b", many(300))))
    assert [s.as_of.date() for s in status(db, AT)] == [date(2025, 1, 1)]


def test_one_fresh_update_does_not_date_a_repository(take: Take, db: Path, tmp_path: Path) -> None:
    old = [update(id=f"RLSA-2025:{n}", updated="2025-01-01 00:00:00") for n in range(300)]
    imported(take(updateinfo(tmp_path / "a", *old)))
    imported(take(updateinfo(tmp_path / "b", update(id="RLSA-2026:9", updated="2026-05-31 00:00:00"))))
    assert [s.as_of.date() for s in status(db, AT)] == [date(2025, 1, 1)]


@pytest.mark.parametrize("published", ["2027-06-02T00:00:00Z", "9999-12-31T00:00:00Z"])
def test_records_that_were_published_a_year_ahead_are_refused(
    published: str, take: Take, tmp_path: Path
) -> None:
    record = osv_record()
    record["published"] = published
    assert "ALSA-2026:1: bears the date" in refused(take(write_json(tmp_path / "a", record)))


def test_a_date_of_a_programs_zero_is_none(take: Take, db: Path, tmp_path: Path) -> None:
    record = osv_record()
    record["published"] = "0001-01-01T00:00:00Z"
    imported(take(write_json(tmp_path / "a", record)))
    (advisory,) = values(db, ALMA)
    assert isinstance(advisory, Advisory)
    assert advisory.published is None


def test_a_damaged_member_is_named_and_nothing_is_taken(take: Take, db: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a", "w") as archive:
        archive.writestr("good.json", json.dumps(osv_record()))
        archive.writestr("bad.json", json.dumps(osv_record("ALSA-2026:2"))[:-20])
    message = refused(take(tmp_path / "a"))
    assert message.startswith(f"{tmp_path / 'a'}: bad.json: is no valid JSON, perhaps cut short")
    assert feeds(db) == []


def test_a_zip_that_was_cut_short_is_refused(take: Take, tmp_path: Path) -> None:
    whole = packed_as_zip(tmp_path, [osv_record()]).read_bytes()
    (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
    assert "is damaged" in refused(take(tmp_path / "cut"))


def test_a_tar_that_was_cut_short_is_refused(take: Take, db: Path, tmp_path: Path) -> None:
    whole = packed_as_tar(tmp_path, [osv_record(f"ALSA-2026:{n}") for n in range(200)]).read_bytes()
    (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
    assert "ends in the middle" in refused(take(tmp_path / "cut"))
    assert feeds(db) == []


# --- Package indexes --------------------------------------------------------------------------------------

SECURITY = Feed(Kind.PACKAGES, "debian", "12", "bookworm-security main amd64")


@pytest.mark.parametrize("packing", ["", "gz", "xz", "lz4"])
def test_an_index_is_of_the_suite_whose_release_file_lists_it(
    packing: str, take: Take, db: Path, tmp_path: Path
) -> None:
    index = suite(
        tmp_path / "lists",
        stanza("libssl3", "3.0.15-1~deb12u1", source="openssl"),
        stanza("linux-image-amd64", "6.1.140-1", source="linux-signed-amd64 (6.1.140+1)"),
        packing=packing,
    )
    (result,) = imported(take(index)).feeds
    assert (result.feed, result.as_of, result.dated_by) == (SECURITY, DATED, DatedBy.DATA)
    assert values(db, SECURITY) == [
        IndexedPackage("libssl3", "3.0.15-1~deb12u1", "amd64", "openssl", "3.0.15-1~deb12u1"),
        IndexedPackage("linux-image-amd64", "6.1.140-1", "amd64", "linux-signed-amd64", "6.1.140+1"),
    ]


def test_a_folder_of_lists_is_read_whole(take: Take, db: Path, tmp_path: Path) -> None:
    folder = tmp_path / "lists"
    suite(folder, stanza("a", "1"))
    suite(folder, stanza("a", "2"), codename="bookworm", label="Debian")
    (folder / "lock").write_text("")
    results = list(import_files(db, [folder], AT))
    assert [imported(r).outcome for r in results] == [Outcome.IMPORTED] * 2
    assert feeds(db) == [
        "packages debian 12 bookworm main amd64",
        "packages debian 12 bookworm-security main amd64",
    ]


def test_an_index_without_its_release_file_is_refused(take: Take, tmp_path: Path) -> None:
    index = suite(tmp_path / "lists", stanza("a", "1"))
    alone = tmp_path / "Packages"
    alone.write_bytes(index.read_bytes())
    assert "import it together with the InRelease file" in refused(take(alone))


def test_an_index_that_was_changed_is_refused(take: Take, tmp_path: Path) -> None:
    index = suite(tmp_path / "lists", stanza("a", "1"))
    index.write_bytes(index.read_bytes().replace(b"Version: 1", b"Version: 2"))
    assert "no Release file that was found lists this index" in refused(take(index))


def test_an_older_index_changes_nothing(take: Take, db: Path, tmp_path: Path) -> None:
    imported(take(suite(tmp_path / "new", stanza("a", "2"))))
    old = suite(tmp_path / "old", stanza("a", "1"), dated=DATED - timedelta(days=1))
    assert imported(take(old)).outcome is Outcome.OLDER
    assert [v.version for v in values(db, SECURITY) if isinstance(v, IndexedPackage)] == ["2"]


def test_the_same_index_of_a_later_date_is_known_until_then(take: Take, db: Path, tmp_path: Path) -> None:
    imported(take(suite(tmp_path / "new", stanza("a", "1"))))
    later = DATED + timedelta(days=3)
    assert (
        imported(take(suite(tmp_path / "later", stanza("a", "1"), dated=later))).outcome is Outcome.IMPORTED
    )
    assert [s.as_of for s in status(db, AT)] == [later]


def test_what_a_newer_index_lacks_is_gone_and_still_known_of_then(
    take: Take, db: Path, tmp_path: Path
) -> None:
    imported(take(suite(tmp_path / "one", stanza("a", "1"), stanza("b", "1")), AT))
    later = AT + timedelta(days=1)
    (result,) = imported(
        take(suite(tmp_path / "two", stanza("a", "1"), dated=DATED + timedelta(days=1)), later)
    ).feeds
    assert (result.added, result.changed, result.removed) == (0, 0, 1)
    assert len(values(db, SECURITY)) == 1
    assert len(values(db, SECURITY, AT)) == 2
    assert values(db, SECURITY, AT - timedelta(days=1)) == []


def test_suites_of_strangers_are_refused(take: Take, tmp_path: Path) -> None:
    assert "no Release file" in refused(take(suite(tmp_path / "lists", stanza("a", "1"), origin="Docker")))


# --- updateinfo -------------------------------------------------------------------------------------------

ROCKY = Feed(Kind.UPDATEINFO, "rocky", "9")


def test_an_update_becomes_an_advisory(take: Take, db: Path, tmp_path: Path) -> None:
    imported(take(updateinfo(tmp_path / "u", update())))
    assert values(db, ROCKY) == [
        Advisory(
            id="RLSA-2026:1",
            flaws=(RatedFlaw("CVE-2026-0001", Severity.HIGH, True),),
            affected=(Affected("openssl-libs", "1:3.0.7-25.el9_3"),),
            published=date(2026, 4, 30),
        )
    ]


@pytest.mark.parametrize(
    ("changes", "filed"),
    [
        ({"id": "RHSA-2026:1"}, "updateinfo rhel 9"),
        (
            {
                "id": "ALSA-2026:1",
                "build": "1.module_el8.9.0+1+abc",
                "module": '<module name="php" stream="8.0"/>',
            },
            "updateinfo almalinux 8",
        ),
        ({"id": "ALAS2023-2026-001", "build": "1.amzn2023.0.2"}, "updateinfo amzn 2023"),
        ({"id": "ALAS2-2026-001", "build": "1.amzn2"}, "updateinfo amzn 2"),
        ({"id": "SUSE-SLE-Module-Basesystem-15-SP5-2026-1", "build": "150500.1.1"}, "updateinfo sles 15.5"),
        ({"id": "openSUSE-SLE-15.6-2026-1", "build": "150600.1.1"}, "updateinfo opensuse-leap 15.6"),
        ({"id": "FEDORA-2026-1", "build": "1.fc42"}, "updateinfo fedora 42"),
        ({"id": "ELSA-2026-1", "build": "1.0.1.el8_10"}, "updateinfo ol 8"),
    ],
)
def test_updates_are_filed_by_distribution_and_release(
    changes: dict[str, str], filed: str, take: Take, db: Path, tmp_path: Path
) -> None:
    imported(take(updateinfo(tmp_path / "u", update(**changes))))
    assert feeds(db) == [filed]


def test_the_module_of_an_update_is_kept(take: Take, db: Path, tmp_path: Path) -> None:
    module = '<module name="nodejs" stream="18" version="1" context="x" arch="x86_64"/>'
    imported(take(updateinfo(tmp_path / "u", update(package="nodejs", module=module))))
    (advisory,) = values(db, ROCKY)
    assert isinstance(advisory, Advisory)
    assert advisory.affected[0].modules == ("nodejs:18",)


def test_updates_that_mend_no_flaw_are_left_out(take: Take, db: Path, tmp_path: Path) -> None:
    result = imported(take(updateinfo(tmp_path / "u", update(), update(id="RLBA-2026:2", type="bugfix"))))
    assert result.left_out == {"updates that mend no flaw": 1}
    assert len(values(db, ROCKY)) == 1


def test_xml_that_was_cut_short_names_its_line(take: Take, db: Path, tmp_path: Path) -> None:
    path = updateinfo(tmp_path / "u", update(), update(id="RLSA-2026:2"))
    path.write_text(path.read_text()[:-60])
    message = refused(take(path))
    assert ": line " in message
    assert "is no valid XML" in message
    assert feeds(db) == []


def test_entities_are_refused(take: Take, tmp_path: Path) -> None:
    path = tmp_path / "u"
    path.write_text(
        '<!DOCTYPE x [<!ENTITY a "b">]><updates><update type="security"><id>&a;</id></update></updates>'
    )
    assert "declares XML entities" in refused(take(path))


# --- The others -------------------------------------------------------------------------------------------


def test_the_tracker_tells_fixed_from_open_from_never_affected(take: Take, db: Path, tmp_path: Path) -> None:
    def said(status: str, **more: str) -> dict[str, Any]:
        return {"status": status, "urgency": "high", "repositories": {}, **more}

    tracker = {
        "openssl": {
            "CVE-2026-1": {
                "releases": {"bookworm": said("resolved", fixed_version="3.0.15-1"), "sid": said("open")}
            },
            "CVE-2026-2": {"releases": {"bookworm": said("open")}},
            "CVE-2026-3": {"releases": {"bookworm": said("resolved", fixed_version="0")}},
            "CVE-2026-4": {"releases": {"bookworm": said("undetermined")}},
        }
    }
    imported(take(write_json(tmp_path / "t", tracker)))
    advisories = values(db, Feed(Kind.DEBIAN_TRACKER, "debian", "12"))
    assert [(a.id, a.affected[0].fixed) for a in advisories if isinstance(a, Advisory)] == [
        ("CVE-2026-1", "3.0.15-1"),
        ("CVE-2026-2", ""),
    ]


SECDB = {
    "distroversion": "v3.20",
    "reponame": "main",
    "packages": [
        {"pkg": {"name": "openssl", "secfixes": {"3.3.2-r0": ["CVE-2024-6119 XSA-1"], "0": ["CVE-2024-1"]}}}
    ],
}
SECDB_YAML = """---
distroversion: v3.20
reponame: main
packages:
  - pkg:
      name: openssl
      secfixes:
        3.3.2-r0:
          - CVE-2024-6119 XSA-1
        0:
          - CVE-2024-1
"""


@pytest.mark.parametrize("text", [json.dumps(SECDB), SECDB_YAML])
def test_secdb_says_what_mends_what(text: str, take: Take, db: Path, tmp_path: Path) -> None:
    (tmp_path / "s").write_text(text)
    imported(take(tmp_path / "s"))
    (advisory,) = values(db, Feed(Kind.SECDB, "alpine", "3.20", "main"))
    assert isinstance(advisory, Advisory)
    assert advisory.cves == ("CVE-2024-6119",)
    assert advisory.affected == (Affected("openssl", "3.3.2-r0", source=True),)


def test_yaml_that_refers_to_itself_is_refused(take: Take, tmp_path: Path) -> None:
    (tmp_path / "s").write_text(SECDB_YAML + "other: &a [*a]\n")
    assert "YAML anchors" in refused(take(tmp_path / "s"))


def test_the_catalogue_of_exploited_flaws(take: Take, db: Path, tmp_path: Path) -> None:
    imported(take(kev(tmp_path / "k", "CVE-2026-0001")))
    assert values(db, Feed(Kind.KEV)) == [
        Exploited("CVE-2026-0001", date(2026, 4, 1), date(2026, 4, 22), True)
    ]


def test_the_catalogue_as_a_table_is_dated_by_its_newest_entry(take: Take, db: Path, tmp_path: Path) -> None:
    (tmp_path / "k").write_text(
        "cveID,vendorProject,dateAdded,dueDate,knownRansomwareCampaignUse\n"
        "CVE-2026-0001,x,2026-04-01,2026-04-22,Unknown\nCVE-2026-0002,x,2026-04-03,2026-04-22,Known\n"
    )
    imported(take(tmp_path / "k"))
    assert [s.as_of for s in status(db, AT)] == [datetime(2026, 4, 3, tzinfo=UTC)]


def test_a_catalogue_that_lacks_entries_is_refused(take: Take, tmp_path: Path) -> None:
    path = kev(tmp_path / "k", "CVE-2026-0001", "CVE-2026-0002")
    content = json.loads(path.read_text())
    del content["vulnerabilities"][0]
    assert "is 2, but 1 entries are there" in refused(take(write_json(path, content)))


@pytest.mark.parametrize("due", ["9999-12-31", "2027-06-01", "0001-01-01"])
def test_deadlines_that_cannot_be_are_refused(due: str, take: Take, tmp_path: Path) -> None:
    content = json.loads(kev(tmp_path / "k", "CVE-2026-0001").read_text())
    content["vulnerabilities"][0]["dueDate"] = due
    assert f"CVE-2026-0001: bears the date {due}" in refused(take(write_json(tmp_path / "k", content)))


KEV_HEAD = "cveID,vendorProject,dateAdded,dueDate,knownRansomwareCampaignUse,notes\n"
KEV_ROW = "CVE-2026-0001,x,2026-04-01,2026-04-22,Unknown,n\n"


@pytest.mark.parametrize("cut", ["", ",n", "n", ",Unknown,n"])
def test_a_catalogue_that_was_cut_within_a_row_names_its_line(cut: str, take: Take, tmp_path: Path) -> None:
    (tmp_path / "k").write_text((KEV_HEAD + KEV_ROW * 2)[: -len(cut) - 1])
    assert ": line 3: ends in the middle" in refused(take(tmp_path / "k"))


def test_a_catalogue_with_a_row_short_of_columns_names_its_line(take: Take, tmp_path: Path) -> None:
    (tmp_path / "k").write_text(KEV_HEAD + KEV_ROW + "CVE-2026-0002,x,2026-04-01,2026-04-22\n")
    assert ": line 3: ends in the middle" in refused(take(tmp_path / "k"))


def test_likelihoods_that_were_cut_within_a_row_name_its_line(take: Take, tmp_path: Path) -> None:
    (tmp_path / "e").write_text(
        "#model_version:v1,score_date:2026-05-01T12:55:00Z\ncve,epss,percentile\nCVE-2026-0001,0.5,0.9\nCVE-2026-0002,0.0"
    )
    assert ": line 4: ends in the middle" in refused(take(tmp_path / "e"))


def test_likelihoods(take: Take, db: Path, tmp_path: Path) -> None:
    (tmp_path / "e").write_text(
        "#model_version:v2025.03.14,score_date:2026-05-01T12:55:00Z\ncve,epss,percentile\n"
        "CVE-2026-0001,0.5,0.9\nCVE-2026-1001,7e-05,0.1\n"
    )
    (result,) = imported(take(tmp_path / "e")).feeds
    assert result.as_of == datetime(2026, 5, 1, 12, 55, tzinfo=UTC)
    merged: dict[str, float] = {}
    for value in values(db, Feed(Kind.EPSS)):
        assert isinstance(value, Likelihoods)
        merged |= value.probability
    assert merged == {"CVE-2026-0001": 0.5, "CVE-2026-1001": 7e-05}


@pytest.mark.parametrize("value", ["1.1", "-0.1", "nan", "x", ""])
def test_what_is_no_probability_names_its_line(value: str, take: Take, tmp_path: Path) -> None:
    (tmp_path / "e").write_text(
        f"#model_version:v1,score_date:2026-05-01T12:55:00Z\ncve,epss,percentile\nCVE-2026-0001,{value},1\n"
    )
    assert f"{tmp_path / 'e'}: line 3: {value!r} is no probability" in refused(take(tmp_path / "e"))


END_OF_LIFE = [
    {
        "releases": {"12": {"name": "12", "codename": "Bookworm", "eol": "2026-07-11", "eoes": "2028-06-30"}},
        "versions": {},
    },
    [{"cycle": "12", "codename": "Bookworm", "eol": "2026-07-11", "extendedSupport": "2028-06-30"}],
    {
        "schema_version": "1.2.0",
        "last_modified": "2026-05-01T00:00:00Z",
        "result": {
            "name": "debian",
            "releases": [
                {"name": "12", "codename": "Bookworm", "eolFrom": "2026-07-11", "eoesFrom": "2028-06-30"}
            ],
        },
    },
]


@pytest.mark.parametrize("content", END_OF_LIFE)
def test_ends_of_life_in_every_form(content: Any, take: Take, db: Path, tmp_path: Path) -> None:
    imported(take(write_json(tmp_path / "debian.json", content)))
    assert values(db, Feed(Kind.END_OF_LIFE, part="debian")) == [
        Support("debian", "12", "Debian 12 (bookworm)", date(2028, 6, 30), None)
    ]


def test_distro_info_counts_free_long_term_support(take: Take, db: Path, tmp_path: Path) -> None:
    (tmp_path / "d").write_text(
        "version,codename,series,created,release,eol,eol-lts,eol-elts\n"
        "12,Bookworm,bookworm,2021-08-14,2023-06-10,2026-07-11,2028-06-30,2033-06-30\n,Sid,sid,1993-08-16\n"
    )
    imported(take(tmp_path / "d"))
    assert values(db, Feed(Kind.DISTRO_INFO, part="debian")) == [
        Support("debian", "12", "Debian 12 (bookworm)", date(2028, 6, 30), date(2033, 6, 30))
    ]


# --- Of all ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", [b"", b"hello\n", b"\x00" * 999, b"{}", b"[]", b"<html></html>", b"{" * 9999]
)
def test_what_is_nothing_is_refused_in_words(content: bytes, take: Take, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(content)
    assert "holds nothing that is known here; expected are OSV" in refused(take(tmp_path / "x"))


def test_a_file_that_is_not_there_is_refused_in_words(take: Take, tmp_path: Path) -> None:
    assert refused(take(tmp_path / "x")) == f"{tmp_path / 'x'}: cannot be read: No such file or directory"


def test_what_was_imported_is_known_by_its_content(take: Take, tmp_path: Path) -> None:
    imported(take(kev(tmp_path / "k", "CVE-2026-0001")))
    assert imported(take(kev(tmp_path / "copy", "CVE-2026-0001"))).outcome is Outcome.UNCHANGED


def numbers(count: int) -> list[str]:
    return [f"CVE-2026-{n:04}" for n in range(count)]


@pytest.mark.parametrize(
    ("before", "now", "taken"),
    [(100, 80, True), (100, 79, False), (100, 1, False), (4, 1, True), (5, 1, False), (20, 16, True)],
)
def test_a_feed_that_lost_more_than_a_fifth_was_cut_short(
    before: int, now: int, taken: bool, take: Take, db: Path, tmp_path: Path
) -> None:
    imported(take(kev(tmp_path / "a", *numbers(before))))
    result = take(kev(tmp_path / "b", *numbers(now), released="2026-05-02T00:00:00Z"))
    assert isinstance(result, Imported) == taken
    assert len(values(db, Feed(Kind.KEV))) == (now if taken else before)
    if isinstance(result, Refused):
        assert f"has {now} entries of kev, and {before} are here" in str(result.error)
        assert "--shrink" in str(result.error)


def test_who_asks_for_it_may_shrink_a_feed(take: Take, db: Path, tmp_path: Path) -> None:
    imported(take(kev(tmp_path / "a", *numbers(100))))
    imported(take(kev(tmp_path / "b", *numbers(1), released="2026-05-02T00:00:00Z"), shrink=True))
    assert len(values(db, Feed(Kind.KEV))) == 1


@pytest.mark.parametrize("shrink", [False, True])
def test_nothing_at_all_is_never_taken_for_a_feed(shrink: bool, take: Take, db: Path, tmp_path: Path) -> None:
    imported(take(kev(tmp_path / "a", "CVE-2026-0001")))
    empty = kev(tmp_path / "b", released="2026-05-02T00:00:00Z")
    assert "holds no entry of kev" in refused(take(empty, shrink=shrink))
    assert len(values(db, Feed(Kind.KEV))) == 1


@pytest.mark.parametrize("end", ["packages:\n", "packages:", "  - pkg:\n      name: openssl\n"])
def test_secdb_that_was_cut_short_is_refused(end: str, take: Take, tmp_path: Path) -> None:
    (tmp_path / "s").write_text(SECDB_YAML[: SECDB_YAML.index(end) + len(end)])
    refused(take(tmp_path / "s"))


def test_an_index_whose_every_version_changed_is_taken(take: Take, db: Path, tmp_path: Path) -> None:
    imported(take(suite(tmp_path / "one", *(stanza(f"p{n}", "1") for n in range(50)))))
    later = suite(
        tmp_path / "two", *(stanza(f"p{n}", "2") for n in range(50)), dated=DATED + timedelta(days=1)
    )
    imported(take(later))
    assert len(values(db, SECURITY)) == 50


def test_an_older_catalogue_changes_nothing(take: Take, db: Path, tmp_path: Path) -> None:
    imported(take(kev(tmp_path / "k", "CVE-2026-0001", "CVE-2026-0002")))
    old = kev(tmp_path / "old", "CVE-2026-0001", released="2026-04-01T00:00:00Z")
    assert imported(take(old)).outcome is Outcome.OLDER
    assert len(values(db, Feed(Kind.KEV))) == 2


def test_data_of_the_future_is_refused(take: Take, tmp_path: Path) -> None:
    future = kev(tmp_path / "k", "CVE-2026-0001", released="2027-01-01T00:00:00Z")
    assert "which is in the future" in refused(take(future))


def test_data_without_a_date_has_that_of_its_file(take: Take, db: Path, tmp_path: Path) -> None:
    path = write_json(tmp_path / "s", SECDB)
    dated = datetime(2026, 5, 20, tzinfo=UTC)
    os.utime(path, (dated.timestamp(), dated.timestamp()))
    imported(take(path))
    (state,) = status(db, AT)
    assert (state.as_of, state.dated_by, state.age) == (dated, DatedBy.FILE, AT - dated)


def test_entries_that_stay_the_same_are_stored_once(take: Take, db: Path, tmp_path: Path) -> None:
    imported(take(kev(tmp_path / "a", "CVE-2026-0001")))
    imported(take(kev(tmp_path / "b", "CVE-2026-0001", "CVE-2026-0002", released="2026-05-02T00:00:00Z")))
    with sqlite3.connect(db) as connection:
        assert connection.execute("SELECT count(*) FROM entry").fetchone() == (2,)
    assert [s.revisions for s in status(db, AT)] == [2]


def test_one_bad_file_does_not_keep_the_others_out(db: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.write_text("{")
    results = list(import_files(db, [bad, kev(tmp_path / "k", "CVE-2026-0001")], AT))
    assert [type(r) for r in results] == [Refused, Imported]


def test_a_store_that_is_none_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "feeds.db").write_bytes(b"x" * 5000)
    with pytest.raises(FeedError, match="delete it and import the feeds again"):
        list(import_files(tmp_path / "feeds.db", [tmp_path], AT))


def test_a_store_of_another_layout_is_refused_in_words(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "feeds.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(FeedError, match="has layout 99"):
        list(import_files(tmp_path / "feeds.db", [tmp_path], AT))


def test_nothing_imported_is_no_status_at_all(db: Path) -> None:
    assert status(db, AT) == []
