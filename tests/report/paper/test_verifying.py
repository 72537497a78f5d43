import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from secscan.report.paper import PaperError
from secscan.report.paper.pdf import to_pdf
from secscan.report.paper.signing import KeyFile, opened
from secscan.report.paper.verifying import Standing, examine
from tests.report.paper.conftest import SOURCE
from tests.report.paper.signers import (
    PASSPHRASE,
    Office,
    Signer,
    make_office,
    make_server,
    make_signer,
    revoke,
)

NOW = datetime.now(UTC)
HOLDS, FAILS, UNCHECKED = Standing


def signed_by(signer: Signer, document: bytes, folder: Path, at: datetime = NOW) -> bytes:
    with opened(KeyFile(signer.write(folder / "k.p12")), lambda: PASSPHRASE, at) as sign:
        return sign(document)


@pytest.fixture(scope="module")
def office() -> Office:
    return make_office()


@pytest.fixture(scope="module")
def signer(office: Office) -> Signer:
    return make_signer(office)


@pytest.fixture(scope="module")
def signed(scorecard: bytes, signer: Signer, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return signed_by(signer, scorecard, tmp_path_factory.mktemp("key"))


def told(
    document: bytes, office: Office, *, at: datetime = NOW, lists: tuple[bytes, ...] = ()
) -> list[tuple[Standing, str]]:
    return [(a.standing, a.sentence) for a in examine(document, [office.der], lists, at).answers]


def test_signer_and_authority_are_named(signed: bytes, office: Office) -> None:
    assert told(signed, office)[1] == (
        HOLDS,
        "Signed by Nguyễn Thị Ánh, certified by Ban Cơ yếu, which ca/ trusts.",
    )


def test_what_it_rests_on_is_read(signed: bytes, office: Office) -> None:
    assert examine(signed, [office.der], [], NOW).source == SOURCE


def test_without_anchors_the_signer_is_not_checked(signed: bytes) -> None:
    whole, signer = examine(signed, [], [], NOW).answers
    assert (whole.standing, signer.standing) == (HOLDS, UNCHECKED)
    assert "could not be checked" in signer.sentence


def test_a_file_that_is_not_signed_fails(scorecard: bytes, office: Office) -> None:
    assert told(scorecard, office) == [(FAILS, "The file is not signed.")]


def test_one_changed_byte_of_a_page_fails(signed: bytes, office: Office) -> None:
    at = signed.index(b"stream\n", len(signed) // 3) + 20
    changed = signed[:at] + bytes([signed[at] ^ 1]) + signed[at + 1 :]
    ((standing, sentence),) = told(changed, office)
    assert (standing, "was changed" in sentence) == (FAILS, True)


def test_a_changed_title_fails(signed: bytes, office: Office) -> None:
    """The file stays a flawless PDF of the same length."""
    changed = signed.replace(b"/Creator (secscan", b"/Creator (secscam", 1)
    assert changed != signed
    assert told(changed, office)[0][0] is FAILS


@pytest.mark.parametrize("part", [0.2, 0.5, 0.9, 0.999])
def test_a_truncated_file_never_holds(signed: bytes, office: Office, part: float) -> None:
    try:
        standings = [standing for standing, _ in told(signed[: int(len(signed) * part)], office)]
    except PaperError:
        return
    assert FAILS in standings


def test_a_truncated_file_is_told(signed: bytes, office: Office) -> None:
    with pytest.raises(PaperError, match="cut short or damaged"):
        told(signed[: len(signed) // 4], office)


def test_an_incremental_update_fails(signed: bytes, office: Office) -> None:
    """A page drawn anew, as an editor does it: appended, with nothing before it touched."""
    from io import BytesIO

    from pyhanko.pdf_utils.generic import NameObject, pdf_string
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

    writer = IncrementalPdfFileWriter(BytesIO(signed))
    writer.root[NameObject("/Lang")] = pdf_string("xx")
    writer.update_root()
    out = BytesIO()
    writer.write(out)
    (first, *_rest) = told(out.getvalue(), office)
    assert first == (FAILS, "The signature does not cover the whole file: something was added later.")


@pytest.mark.parametrize("appended", [b"\n", b"% more\n", b"\0" * 100])
def test_bytes_behind_the_end_fail(signed: bytes, office: Office, appended: bytes) -> None:
    assert told(signed + appended, office)[0][0] is FAILS


def test_an_unknown_signer_fails(scorecard: bytes, office: Office, tmp_path: Path) -> None:
    stranger = make_signer(make_office("Ban Cơ yếu"))
    whole, (standing, sentence) = told(signed_by(stranger, scorecard, tmp_path), office)
    assert (whole[0], standing) == (HOLDS, FAILS)
    assert "The signer is not known" in sentence


def test_a_signer_who_is_his_own_authority_fails(scorecard: bytes, office: Office, tmp_path: Path) -> None:
    own = make_office("Tự ký")
    himself = Signer(own.certificate, own.key, own)
    assert told(signed_by(himself, scorecard, tmp_path), office)[1][0] is FAILS


def test_a_servers_key_does_not_sign_for_an_office(scorecard: bytes, office: Office, tmp_path: Path) -> None:
    assert told(signed_by(make_server(office), scorecard, tmp_path), office)[1][0] is FAILS


def test_an_expired_signer_fails(scorecard: bytes, office: Office, tmp_path: Path) -> None:
    late = make_signer(office, begins=-60, ends=-30)
    document = signed_by(late, scorecard, tmp_path, at=NOW - timedelta(days=40))
    whole, (standing, sentence) = told(document, office)
    assert (whole[0], standing) == (HOLDS, FAILS)
    assert "nothing proves that this was signed before" in sentence


def test_a_signer_of_the_future_fails(signed: bytes, office: Office) -> None:
    _whole, (standing, sentence) = told(signed, office, at=NOW - timedelta(days=40))
    assert (standing, "is valid from" in sentence) == (FAILS, True)


def test_a_revoked_signer_fails(signed: bytes, signer: Signer, office: Office) -> None:
    _whole, (standing, sentence) = told(signed, office, lists=(revoke(signer),))
    assert (standing, "was revoked" in sentence) == (FAILS, True)


def test_anothers_revocation_changes_nothing(signed: bytes, office: Office) -> None:
    assert told(signed, office, lists=(revoke(make_signer(office)),))[1][0] is HOLDS


def test_the_signature_of_another_document_fails(
    scorecard: bytes, signed: bytes, signer: Signer, office: Office, tmp_path: Path
) -> None:
    """The bytes of one signature in the place of the other's."""
    other = signed_by(
        signer, to_pdf('<html lang="vi"><title>T</title><p>Điểm A</p></html>', SOURCE), tmp_path
    )
    kept, foreign = (re.search(rb"/Contents <([0-9a-fA-F]+)>", document) for document in (other, signed))
    assert kept is not None
    assert foreign is not None
    body = foreign[1][: len(kept[1])].ljust(len(kept[1]), b"0")
    ((standing, sentence),) = told(other.replace(kept[1], body), office)
    assert (standing, "of another one" in sentence) == (FAILS, True)


def test_two_signatures_fail(signed: bytes, signer: Signer, office: Office) -> None:
    from io import BytesIO

    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.sign import signers

    # Countersigned by other means: the certificate forbids it, so the first is only made to look uncertified.
    loose = signers.PdfSignatureMetadata(field_name="another")
    key = signers.SimpleSigner.load_pkcs12_data
    from cryptography.hazmat.primitives.serialization import NoEncryption, pkcs12

    pfx = pkcs12.serialize_key_and_certificates(b"s", signer.key, signer.certificate, None, NoEncryption())
    try:
        out = signers.PdfSigner(loose, signer=key(pfx, other_certs=())).sign_pdf(
            IncrementalPdfFileWriter(BytesIO(signed))
        )
    except signers.pdf_signer.SigningError:  # type: ignore[attr-defined]
        return
    assert told(out.getvalue(), office)[0][0] is FAILS


@pytest.mark.parametrize("document", [b"", b"<html>", b"%PDF-1.7", b"%PDF-1.7\n" + b"\xff" * 5000])
def test_what_is_no_pdf_is_told(document: bytes, office: Office) -> None:
    with pytest.raises(PaperError):
        told(document, office)
