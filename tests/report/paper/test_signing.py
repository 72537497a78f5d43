import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from secscan.report.paper import PaperError
from secscan.report.paper.signing import KeyFile, TokenKey, key_place, opened
from secscan.report.paper.verifying import Standing, examine
from tests.report.paper.signers import PASSPHRASE, Office, Signer, make_office, make_signer

NOW = datetime.now(UTC)
MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "482615"

needs_token = pytest.mark.skipif(
    not (MODULE.is_file() and shutil.which("softhsm2-util") and shutil.which("pkcs11-tool")),
    reason="needs the packages softhsm2 and opensc",
)


@pytest.fixture(scope="module")
def office() -> Office:
    return make_office()


@pytest.fixture(scope="module")
def signer(office: Office) -> Signer:
    return make_signer(office)


def test_a_pkcs12_file_signs(scorecard: bytes, signer: Signer, tmp_path: Path) -> None:
    with opened(KeyFile(signer.write(tmp_path / "k.p12")), lambda: PASSPHRASE, NOW) as sign:
        answers = examine(sign(scorecard), [signer.office.der], [], NOW).answers
    assert [answer.standing for answer in answers] == [Standing.HOLDS, Standing.HOLDS]


def test_the_signature_is_of_the_kind_that_offices_use(
    scorecard: bytes, signer: Signer, tmp_path: Path
) -> None:
    with opened(KeyFile(signer.write(tmp_path / "k.p12")), lambda: PASSPHRASE, NOW) as sign:
        signed = sign(scorecard)
    assert b"/ETSI.CAdES.detached" in signed
    assert signed.startswith(scorecard)


def test_a_wrong_passphrase_is_told_and_not_shown(signer: Signer, tmp_path: Path) -> None:
    with (
        pytest.raises(PaperError, match="passphrase is wrong") as told,
        opened(KeyFile(signer.write(tmp_path / "k.p12")), lambda: "hunter2", NOW),
    ):
        pass
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize("content", [b"", b"not a key", b"\x30" * 2_000_000])
def test_what_is_no_key_is_told(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "k.p12").write_bytes(content)
    with (
        pytest.raises(PaperError, match=r"k\.p12 can't be used to sign"),
        opened(KeyFile(tmp_path / "k.p12"), lambda: PASSPHRASE, NOW),
    ):
        pass


@pytest.mark.parametrize(("begins", "ends"), [(-30, -1), (1, 30)])
def test_a_certificate_out_of_its_time_does_not_sign(
    office: Office, tmp_path: Path, begins: int, ends: int
) -> None:
    late = make_signer(office, begins=begins, ends=ends)
    with (
        pytest.raises(PaperError, match="nobody could rely on what it signs"),
        opened(KeyFile(late.write(tmp_path / "k.p12")), lambda: PASSPHRASE, NOW),
    ):
        pass


def test_what_is_no_pdf_is_not_signed(signer: Signer, tmp_path: Path) -> None:
    with (
        opened(KeyFile(signer.write(tmp_path / "k.p12")), lambda: PASSPHRASE, NOW) as sign,
        pytest.raises(PaperError, match="can't be signed"),
    ):
        sign(b"<html>")


# --- Names of keys ---------------------------------------------------------------------------------------


def test_a_key_on_a_token_is_named_by_its_uri() -> None:
    uri = "pkcs11:token=V%C4%83n%20ph%C3%B2ng;object=sign?module-path=/usr/lib/x.so"
    assert key_place(uri) == TokenKey(Path("/usr/lib/x.so"), "Văn phòng", "sign")


def test_all_else_is_a_file() -> None:
    assert key_place("keys/a.p12") == KeyFile(Path("keys/a.p12"))


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("pkcs11:token=a;object=b?module-path=/x.so&pin-value=1234", "leave out pin-value"),
        ("pkcs11:token=a;object=b?module-path=/x.so&pin-source=file:/pin", "leave out pin-source"),
        ("pkcs11:token=a;object=b", "missing: module-path; not known: -"),
        ("pkcs11:token=a;obect=b?module-path=/x.so", "missing: object; not known: obect"),
        ("pkcs11:", "missing: token, object, module-path"),
    ],
)
def test_a_uri_that_does_not_name_a_key_is_refused(uri: str, words: str) -> None:
    with pytest.raises(PaperError, match=words) as told:
        key_place(uri)
    assert "1234" not in str(told.value)


def test_a_module_that_is_not_there_is_told() -> None:
    place = TokenKey(Path("/nowhere/token.so"), "a", "b")
    with pytest.raises(PaperError, match="no PKCS#11 module /nowhere"), opened(place, lambda: PIN, NOW):
        pass


# --- A token ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Token:
    place: TokenKey
    office: Office


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory, office: Office) -> Iterator[Token]:
    """SoftHSM with a key that it does not hand out, and its certificate."""
    folder = tmp_path_factory.mktemp("token")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder}/tokens\nlog.level = ERROR\n")
    before = os.environ.get("SOFTHSM2_CONF")
    # The module reads it when it is loaded into this very process.
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
    key, certificate = make_signer(office).write_parts(folder)
    login = ("--pin", PIN)
    for command in (
        ("softhsm2-util", "--init-token", "--free", "--label", "office", "--so-pin", "0000", *login),
        ("softhsm2-util", "--import", key, "--token", "office", "--label", "sign", "--id", "01", *login),
        (
            *("pkcs11-tool", "--module", MODULE, "--token-label", "office", "--login", *login),
            *("--write-object", certificate, "--type", "cert", "--label", "sign", "--id", "01"),
        ),
    ):
        subprocess.run([str(part) for part in command], check=True, capture_output=True)
    yield Token(TokenKey(MODULE, "office", "sign"), office)
    if before is None:
        del os.environ["SOFTHSM2_CONF"]
    else:
        os.environ["SOFTHSM2_CONF"] = before


@needs_token
def test_a_token_signs(scorecard: bytes, token: Token) -> None:
    with opened(token.place, lambda: PIN, NOW) as sign:
        answers = examine(sign(scorecard), [token.office.der], [], NOW).answers
    assert [answer.standing for answer in answers] == [Standing.HOLDS, Standing.HOLDS]


@needs_token
@pytest.mark.parametrize(
    ("place", "pin", "words"),
    [
        (TokenKey(MODULE, "office", "sign"), "999999", "the PIN of the token 'office' is wrong"),
        (TokenKey(MODULE, "offic", "sign"), PIN, "the token 'offic' can't be used"),
        (TokenKey(MODULE, "office", "sing"), PIN, "no single key with a certificate, both labelled 'sing'"),
    ],
)
def test_what_a_token_refuses_is_told(token: Token, place: TokenKey, pin: str, words: str) -> None:
    with pytest.raises(PaperError, match=words) as told, opened(place, lambda: pin, NOW) as sign:
        sign(b"")
    assert pin not in str(told.value)
