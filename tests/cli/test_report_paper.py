"""secscan report --pdf, --sign and --verify, by a store that keeps what was judged."""

import os
import pty
import sqlite3
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest
from pypdf import PdfReader

from secscan.report.paper import provenance_in
from secscan.report.paper.provenance import NAME
from secscan.store import Store
from tests.cli.conftest import Secscan
from tests.cli.judged import a_finding, write_judged
from tests.report.paper.signers import PASSPHRASE, make_office, make_signer

RUNS = [{"a1": [a_finding("a1")], "b1": [a_finding("b1")]}] * 2
AGENCIES = {"one": ["a1"], "two": ["b1"]}
OFFICE = make_office()
SIGNER = make_signer(OFFICE)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, secscan: Secscan) -> tuple[Path, Path]:
    """A workspace, and the signed scorecard of one of its agencies."""
    folder = tmp_path_factory.mktemp("made")
    place = write_judged(folder / "w", RUNS, AGENCIES)
    (place.anchors / "office.pem").write_bytes(OFFICE.pem)
    key = SIGNER.write(folder / "k.p12")
    done = secscan(
        *("report", "-C", place.folder, "--out", folder / "pages", "--agency", "one", "--lang", "vi"),
        *("--pdf", "--sign", key, "--passphrase-env", "SIGNING"),
        SIGNING=PASSPHRASE,
    )
    assert (done.returncode, "Wrote 1 PDF file, signed." in done.stdout) == (0, True), done.stderr
    assert PASSPHRASE not in done.stdout + done.stderr
    return place.folder, folder / "pages" / "agencies" / "one.pdf"


@pytest.fixture
def place(made: tuple[Path, Path], tmp_path: Path) -> Path:
    """The test's own copy of the workspace."""
    import shutil

    return shutil.copytree(made[0], tmp_path / "w")


@pytest.fixture
def scorecard(made: tuple[Path, Path]) -> Path:
    return made[1]


def test_what_secscan_made_holds(place: Path, scorecard: Path, secscan: Secscan) -> None:
    done = secscan("report", "--verify", scorecard, "-C", place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Signed by Nguyễn Thị Ánh" in done.stdout
    assert "It shows run 2 of one" in done.stdout
    assert "its manifest is in the store, and the chain is whole" in done.stdout
    assert "nobody changed it" in done.stdout


def test_it_names_the_newest_manifest(place: Path, scorecard: Path) -> None:
    (content,) = PdfReader(BytesIO(scorecard.read_bytes())).attachments[NAME]
    source = provenance_in(content)
    assert source is not None
    with Store.open(place / "secscan.db") as store:
        assert source.manifest == store.chain().newest
        assert store.link_named(source.manifest) == store.link(2)[1]


def test_a_changed_file_does_not_hold(place: Path, scorecard: Path, secscan: Secscan, tmp_path: Path) -> None:
    content = scorecard.read_bytes()
    at = content.index(b"stream\n", len(content) // 3) + 20
    changed = tmp_path / "changed.pdf"
    changed.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    done = secscan("report", "--verify", changed, "-C", place)
    assert (done.returncode, "Do not rely on this file." in done.stdout) == (1, True)


def test_a_store_that_was_changed_is_told(place: Path, scorecard: Path, secscan: Secscan) -> None:
    connection = sqlite3.connect(place / "secscan.db")
    with connection:
        connection.execute("UPDATE finding_state SET outcome = 'pass'")
    connection.close()
    done = secscan("report", "--verify", scorecard, "-C", place)
    assert (done.returncode, "the chain of manifests in the store is broken" in done.stdout) == (1, True)


def test_another_store_does_not_know_it(scorecard: Path, secscan: Secscan, tmp_path: Path) -> None:
    other = write_judged(tmp_path / "other", RUNS[:1], {"one": ["a1"], "two": ["b1"], "three": []})
    (other.anchors / "office.pem").write_bytes(OFFICE.pem)
    done = secscan("report", "--verify", scorecard, "-C", other.folder)
    assert (done.returncode, "the store has no manifest" in done.stdout) == (1, True)


def test_where_nothing_is_to_hold_it_against_it_says_so(
    scorecard: Path, secscan: Secscan, tmp_path: Path
) -> None:
    """Another machine: no workspace, no authorities, no store."""
    done = secscan("report", "--verify", scorecard, cwd=tmp_path)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "✓ The signature fits the file" in done.stdout
    assert "Whether that is so could not be checked" in done.stdout
    assert "there is no database here" in done.stdout


def test_an_authority_that_nobody_trusts_does_not_hold(
    place: Path, scorecard: Path, secscan: Secscan
) -> None:
    (place / "ca" / "office.pem").write_bytes(make_office().pem)
    done = secscan("report", "--verify", scorecard, "-C", place)
    assert (done.returncode, "The signer is not known" in done.stdout) == (1, True)


def test_a_file_of_another_program_is_told(place: Path, secscan: Secscan, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"hello")
    done = secscan("report", "--verify", tmp_path / "a.pdf", "-C", place)
    assert (done.returncode, "this is no PDF file" in done.stderr) == (2, True)


def test_without_a_signature_the_pdf_is_the_same_every_time(
    place: Path, secscan: Secscan, tmp_path: Path
) -> None:
    asked = ("report", "-C", place, "--agency", "one", "--pdf", "--out")
    for folder in ("a", "b"):
        assert secscan(*asked, tmp_path / folder).returncode == 0
    first, second = (tmp_path / folder / "agencies" / "one.pdf" for folder in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (("--out", "x", "--sign", "k.p12"), "give --pdf, too"),
        (("--verify", "secscan.toml", "--pdf"), "--verify writes nothing"),
        ((), "Where to?"),
        (("--out", "x", "--pdf", "--sign", "no.p12", "--passphrase-env", "NOWHERE"), "no.p12"),
        (("--out", "x", "--pdf", "--sign", "pkcs11:token=a;pin-value=9"), "leave out pin-value"),
    ],
)
def test_what_is_asked_wrongly_is_told(
    place: Path, secscan: Secscan, asked: tuple[str, ...], words: str
) -> None:
    done = secscan("report", *asked, cwd=place)
    assert (done.returncode, words in done.stderr) == (2, True), done.stderr
    assert not (place / "x").exists()


def test_a_passphrase_that_is_not_set_is_named(place: Path, secscan: Secscan, tmp_path: Path) -> None:
    key = SIGNER.write(tmp_path / "k.p12")
    done = secscan(
        "report", "-C", place, "--out", tmp_path / "x", "--pdf", "--sign", key, "--passphrase-env", "NOWHERE"
    )
    assert (done.returncode, "the environment variable NOWHERE is not set" in done.stderr) == (2, True)


def test_where_nobody_can_type_it_says_what_to_give(place: Path, tmp_path: Path) -> None:
    key = SIGNER.write(tmp_path / "k.p12")
    command = [
        sys.executable,
        "-m",
        "secscan",
        "report",
        "-C",
        place,
        "--out",
        tmp_path / "x",
        "--pdf",
        "--sign",
        key,
    ]
    done = subprocess.run(
        [str(part) for part in command], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "--passphrase-env" in done.stderr) == (2, True)


def test_a_passphrase_that_is_typed_is_not_shown(place: Path, tmp_path: Path) -> None:
    key = SIGNER.write(tmp_path / "k.p12")
    command = ["report", "-C", place, "--out", tmp_path / "x", "--agency", "one", "--pdf", "--sign", key]
    terminal, end = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "secscan", *map(str, command)],
        stdin=end,
        stdout=subprocess.PIPE,
        stderr=end,
        start_new_session=True,
    ) as running:
        os.close(end)
        shown = b""
        while b"Passphrase" not in shown:
            shown += os.read(terminal, 4096)
        os.write(terminal, f"{PASSPHRASE}\n".encode())
        output = running.stdout.read() if running.stdout else b""
    os.close(terminal)
    assert running.returncode == 0
    assert b"signed." in output
    assert PASSPHRASE.encode() not in shown + output
