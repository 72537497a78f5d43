"""Files that somebody made to do harm, or that a copy damaged: each is refused, in bounds, and keeps no other out."""

import gzip
import json
import random
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from secscan.feeds.formats.detecting import is_index
from secscan.feeds.importing import Imported, Refused, import_files
from tests.feeds.conftest import AT
from tests.feeds.making import kev, osv_record, stanza, suite, update, updateinfo, write_json

YAML = "---\ndistroversion: v3.20\nreponame: main\npackages:\n  - pkg:\n      name: a\n      secfixes:\n        1-r1:\n          - CVE-2024-1000\n"
EPSS = "#model_version:v1,score_date:{date}\ncve,epss,percentile\nCVE-2024-1000,0.9,0.9\n"
DEEP = b"[" * 200_000

Maker = Callable[[Path], Path]


def of(name: str, content: bytes | str) -> Maker:
    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


def zip_of_a_bad_name(folder: Path) -> Path:
    path = folder / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ab€.json", json.dumps(osv_record()))
    path.write_bytes(path.read_bytes().replace("ab€".encode(), b"ab\xff\xff\xff"))
    return path


def release_of_the_last_year(folder: Path) -> Path:
    index = suite(folder / "s", stanza("a", "1"))
    (release,) = (folder / "s").glob("*InRelease")
    said = release.read_text().replace("Fri, 01 May 2026 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 -1200")
    release.write_text(said)
    return index


def record_of(modified: str) -> Maker:
    return of("x.json", json.dumps(osv_record(modified=modified)))


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(of("debian.json", b'{"cycle":' + DEEP), id="endoflife-deep"),
        pytest.param(
            of("x", b'{"id":"a","modified":"2026-01-01T00:00:00Z","schema_version":"1","z":' + DEEP),
            id="osv-deep",
        ),
        pytest.param(
            of("x", b'{"catalogVersion":"1","dateReleased":"1","vulnerabilities":[],"cveID":' + DEEP),
            id="kev-deep",
        ),
        pytest.param(of("x", b'{"a":{"CVE-2024-1000":{"releases":{},"x":' + DEEP), id="tracker-deep"),
        pytest.param(of("x", b'{"distroversion":"v3.20","reponame":"x","y":' + DEEP), id="secdb-deep"),
        pytest.param(
            of("x", b'{"id":"\xff","modified":"2026-01-01T00:00:00Z","schema_version":"1"}'),
            id="json-no-utf-8",
        ),
        pytest.param(of("x", b"version,codename,series," + b"x" * 200_000 + b"\n1,2,3,4\n"), id="csv-head"),
        pytest.param(record_of("9999-12-31T23:59:59-12:00"), id="osv-year-9999"),
        pytest.param(record_of("0001-01-01T00:00:00+12:00"), id="osv-year-1"),
        pytest.param(
            lambda f: kev(f / "k", "CVE-2024-1", released="9999-12-31T23:59:59-12:00"), id="kev-year-9999"
        ),
        pytest.param(of("e", EPSS.format(date="9999-12-31T23:59:59-1200")), id="epss-year-9999"),
        pytest.param(release_of_the_last_year, id="release-year-9999"),
        pytest.param(
            of("u", '<?xml version="1.0" encoding="x-none"?><updates></updates>'), id="xml-encoding"
        ),
        pytest.param(zip_of_a_bad_name, id="zip-name"),
    ],
)
def test_what_decoders_trip_over_keeps_no_later_file_out(make: Maker, tmp_path: Path) -> None:
    path = make(tmp_path)
    results = list(import_files(tmp_path / "db", [path, kev(tmp_path / "later", "CVE-2026-0001")], AT))
    (taken,) = (r for r in results if isinstance(r, Imported))
    assert taken.file == str(tmp_path / "later")
    assert str(path) in str([r.error for r in results if isinstance(r, Refused)])


def test_digits_that_are_none_are_no_date(tmp_path: Path) -> None:
    (result,) = import_files(tmp_path / "db", [updateinfo(tmp_path / "u", update(updated="²"))], AT)
    assert isinstance(result, Imported)


def test_a_file_whose_name_is_no_utf_8_can_be_taken(tmp_path: Path) -> None:
    sound = kev(tmp_path / "k", "CVE-2026-0001")
    odd = Path(str(tmp_path / "k") + "\udcff")
    sound.rename(odd)
    (result,) = import_files(tmp_path / "db", [odd], AT)
    assert isinstance(result, Imported)


# --- Within bounds --------------------------------------------------------------------------------------

#: So much a process may have; with nothing read, it has some 60 MB of data.
_LIMIT = """
import resource, sys
from datetime import UTC, datetime
from pathlib import Path
from secscan.feeds.importing import import_files
resource.setrlimit(resource.RLIMIT_DATA, (int(sys.argv[1]) << 20,) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
for result in import_files(Path(sys.argv[2]), [Path(sys.argv[3])], datetime(2026, 6, 1, tzinfo=UTC)):
    print(type(result).__name__, getattr(result, "error", ""))
"""


def said_within(megabytes: int, path: Path) -> str:
    """What an import says that is held to so much memory, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", _LIMIT, str(megabytes), str(path.parent / "db"), str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-400:]
    return done.stdout


def packed(path: Path, begin: bytes, block: bytes, times: int, end: bytes = b"") -> Path:
    with gzip.open(path, "wb", 1) as file:
        file.write(begin)
        for _ in range(times):
            file.write(block)
        file.write(end)
    return path


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_yaml_that_is_deep_is_refused_before_it_is_built(opening: str, tmp_path: Path) -> None:
    path = tmp_path / "y"
    path.write_text("---\ndistroversion: v3.20\nreponame: main\npackages:\n  " + opening * 100_000 + "\n")
    assert "is nested deeper than 32 levels" in said_within(256, path)


@pytest.mark.parametrize(
    ("begin", "block"),
    [
        (b"<updates>", b"<a/>" * 250_000),
        (b"<updates><update>", b"<a/>" * 250_000),
        (b"<updates>", b"<a>" * 250_000),
        (b"<updates><update>", b"x" * 1_000_000),
        (b'<updates><a b="', b"x" * 1_000_000),
    ],
    ids=["beside", "within", "deep", "text", "attributes"],
)
def test_xml_without_end_is_refused(begin: bytes, block: bytes, tmp_path: Path) -> None:
    path = packed(tmp_path / "updateinfo.xml", begin, block, 1_100 if b"x" in block[:1] else 60)
    said = said_within(400, path)
    assert "has an update that is larger or deeper" in said or "has too much beside its updates" in said


@pytest.mark.parametrize(
    "type_", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK]
)
def test_a_tar_header_without_end_is_refused(type_: bytes, tmp_path: Path) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = type_, 1 << 30
    path = packed(tmp_path / "x.tar.gz", header.tobuf(tarfile.USTAR_FORMAT), bytes(1 << 20), 1024)
    assert "a header of a kind or size" in said_within(400, path)


def test_long_names_in_a_tar_are_read(tmp_path: Path) -> None:
    content = json.dumps(osv_record()).encode()
    for kind in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        path = tmp_path / f"{kind}.tar"
        with tarfile.open(path, "w", format=kind) as archive:
            member = tarfile.TarInfo("ä" * 120 + ".json")
            member.size = len(content)
            archive.addfile(member, BytesIO(content))
        (result,) = import_files(tmp_path / f"{kind}.db", [path], AT)
        assert isinstance(result, Imported)


def test_a_zip_that_shrank_too_well_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    body = json.dumps(osv_record()).encode() + b" " * (7 << 20)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(10):
            archive.writestr(f"{number}.json", body)
    assert "more than 100 times its size" in said_within(400, path)


def test_a_table_of_ends_of_life_is_small(tmp_path: Path) -> None:
    path = packed(tmp_path / "debian.json", b'[{"cycle":"1","eol":"a"}', b",[]" * 1_000_000, 50, b"]")
    assert "is larger than 4 MiB" in said_within(400, path)


def test_many_small_records_are_taken_one_by_one(tmp_path: Path) -> None:
    record = b',{"id":"a","modified":"2026-01-01T00:00:00Z"}'
    begin = b'[{"id":"a","modified":"2026-01-01T00:00:00Z","affected":[{"ranges":[]}]}'
    path = packed(tmp_path / "x", begin, record * 10_000, 80, b"]")
    assert "holds nothing of use (800001 records about no release" in said_within(205, path)


def test_an_array_of_nothing_is_refused(tmp_path: Path) -> None:
    begin = b'[{"id":"a","modified":"2026-01-01T00:00:00Z","affected":[{"ranges":[]}]}'
    path = packed(tmp_path / "x", begin, b",[]" * 1_000_000, 50, b"]")
    assert "holds too much for one file" in said_within(600, path)


@pytest.mark.parametrize(
    "title", ["+a" * 60_000, "a:" * 60_000, "a" * 120_000, "+" * 120_000, "a+" * 60_000 + ":1"]
)
def test_titles_are_gone_over_once(title: str, tmp_path: Path) -> None:
    records = [osv_record(f"ALSA-2026:{n}", summary=title) for n in range(20)]
    path = write_json(tmp_path / "x", records)
    began = time.process_time()
    list(import_files(tmp_path / "db", [path], AT))
    assert time.process_time() - began < 5


def test_the_beginning_of_an_index_is_gone_over_once() -> None:
    began = time.process_time()
    assert not is_index((b"A: b\n" + b" c\n" * 1000) * 20 + b"nothing\n" * 5)
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("head", "index"),
    [
        (b"Package: a\n", True),
        (b"Description: x\n y\n z\nPackage: a\n", True),
        (b"Package: a b\n", False),
        (b"Package: a", False),
        (b" x\nPackage: a\n", False),
        (b"A: b\n" * 20 + b"Package: a\n", True),
        (b"A: b\n" * 21 + b"Package: a\n", False),
    ],
)
def test_what_begins_like_an_index(head: bytes, index: bool) -> None:
    assert is_index(head) is index


# --- Bytes that fell over -------------------------------------------------------------------------------


def sound_files(folder: Path) -> list[Path]:
    files = [
        write_json(folder / "o.json", osv_record()),
        kev(folder / "k.json", "CVE-2024-1000"),
        updateinfo(folder / "baseos-updateinfo.xml", update()),
        *(suite(folder / packing, stanza("a", "1"), packing=packing) for packing in ("gz", "xz", "lz4")),
        of("e.csv", EPSS.format(date="2026-05-31T00:00:00+0000"))(folder),
        of("y.yaml", YAML)(folder),
        of("debian.json", '[{"cycle":"12","eol":"2028-06-30","extendedSupport":"2030-01-01"}]')(folder),
        of("d.csv", "version,codename,series,created,release,eol\n12,Bookworm,bookworm,,,2026-07-11\n")(
            folder
        ),
        of("t.json", '{"a":{"CVE-2024-1000":{"releases":{"bookworm":{"status":"open"}}}}}')(folder),
    ]
    with zipfile.ZipFile(folder / "z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", json.dumps(osv_record()))
    content = json.dumps(osv_record()).encode()
    with tarfile.open(folder / "t.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        member = tarfile.TarInfo("ä" * 120 + ".json")
        member.size, member.pax_headers = len(content), {"x": "y"}
        tar.addfile(member, BytesIO(content))
    return [*files, folder / "z.zip", folder / "t.tar"]


def damaged(content: bytes, chance: random.Random) -> bytes:
    damaged = bytearray(content)
    for _ in range(chance.choice([1, 1, 2, 4])):
        at = chance.randrange(len(damaged))
        match chance.randrange(5):
            case 0:
                del damaged[at : at + chance.choice([1, 8, 64])]
            case 1:
                damaged[at:at] = bytes([chance.randrange(256)]) * chance.choice([1, 4, 20])
            case _:
                damaged[at] = chance.choice([0, 255, damaged[at] ^ 1 << chance.randrange(8), *b'"9-'])
        damaged = damaged or bytearray(b"x")
    return bytes(damaged)


@pytest.mark.parametrize("seed", range(4))
def test_no_damage_ends_an_import(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    sound = sound_files(tmp_path)
    work = tmp_path / "work"
    work.mkdir()
    copies = []
    for number in range(250):
        original = chance.choice(sound)
        folder = work / str(number)
        folder.mkdir()
        copies.append(folder / original.name)
        copies[-1].write_bytes(damaged(original.read_bytes(), chance))
        for release in original.parent.glob("*InRelease"):
            shutil.copy(release, folder)
    last = kev(tmp_path / "last", "CVE-2026-0001", "CVE-2026-0002", released="2026-05-31T23:00:00Z")
    results = list(import_files(tmp_path / "db", [*copies, last], AT))
    assert len(results) >= len(copies) + 1
    assert any(isinstance(r, Refused) for r in results)
