"""What the signature of a PDF is worth: whether it holds, covers the whole file, and whose it is."""

import enum
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Any

from secscan.language import _
from secscan.report.paper.provenance import MOST_BYTES, NAME, Provenance, provenance_in
from secscan.report.paper.trouble import PaperError, missing
from secscan.report.text import visible

#: A scorecard of 200 hosts has some megabytes; what is read whole, from anybody, has a limit.
MOST_PDF = 64 * 1024 * 1024


#: What a certificate that names purposes must be for, one of these: documents (RFC 9336), mail, or what Microsoft and
#: Adobe call documents. Authorities in ca/ certify servers too, and a server's key must not sign for an office.
PURPOSES = frozenset(
    {
        "1.3.6.1.5.5.7.3.36",
        "any_extended_key_usage",
        "email_protection",
        "microsoft_document_signing",
        "adobe_authentic_documents_trust",
    }
)


class Standing(enum.Enum):
    """What came of one question. UNCHECKED: there was nothing to hold it against."""

    HOLDS = enum.auto()
    FAILS = enum.auto()
    UNCHECKED = enum.auto()


@dataclass(frozen=True, slots=True)
class Answer:
    """One question about a PDF, answered in a sentence fit to be shown."""

    standing: Standing
    sentence: str


@dataclass(frozen=True, slots=True)
class Examined:
    """What a PDF alone tells. ``source`` is what it says it rests on; None where it says nothing that can be read."""

    answers: tuple[Answer, ...]
    source: Provenance | None


def examine(document: bytes, anchors: Sequence[bytes], lists: Sequence[bytes], at: datetime) -> Examined:
    """Holds the signature against ``anchors`` (certificates, DER) as of ``at``. Nothing is fetched.

    Without anchors, whose it is stays unchecked. ``lists`` are lists of revoked certificates, DER. Raises PaperError
    on what is no PDF, and where pyHanko is missing.
    """
    reader = _reader(document)
    try:
        answers = tuple(_answers(reader, anchors, lists, at))
        source = _source(reader)
    except _broken() as e:
        # A file that was cut or patched by hand may be inconsistent anywhere.
        answers, source = (_fails(_("The file is damaged or was changed: {problem}"), e),), None
    return Examined(answers, source)


def _reader(document: bytes) -> Any:
    try:
        from pyhanko.pdf_utils.reader import PdfFileReader
    except ImportError as e:
        raise missing(e) from e
    logging.getLogger("pyhanko").setLevel(logging.CRITICAL)
    if not document.startswith(b"%PDF-"):
        raise PaperError(_("this is no PDF file"))
    try:
        return PdfFileReader(BytesIO(document))
    except _broken() as e:
        raise PaperError(
            _("this PDF file can't be read: it is cut short or damaged ({problem})").format(
                problem=visible(e, limit=120)
            )
        ) from e


def _broken() -> tuple[type[Exception], ...]:
    """What reading a PDF of anybody's making may end in. pyHanko promises no one error."""
    from pyhanko.pdf_utils.misc import PdfError
    from pyhanko.sign.general import CMSExtractionError, UnacceptableSignerError
    from pyhanko.sign.validation.errors import SignatureValidationError

    return (
        PdfError,
        CMSExtractionError,
        SignatureValidationError,
        UnacceptableSignerError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RecursionError,
        OSError,
        AssertionError,
        NotImplementedError,
        OverflowError,
    )


def _answers(reader: Any, anchors: Sequence[bytes], lists: Sequence[bytes], at: datetime) -> Iterator[Answer]:
    found = reader.embedded_signatures
    if not found:
        yield Answer(Standing.FAILS, _("The file is not signed."))
        return
    if len(found) > 1:
        # Whose words are which part then is a question that this command does not answer.
        yield Answer(
            Standing.FAILS,
            _("The file has {n} signatures; secscan signs once, and nothing may follow.").format(
                n=len(found)
            ),
        )
        return
    (signature,) = found
    status = _status(signature, anchors, (), at)
    whole = _wholeness(status)
    yield whole
    # Of a signature that is of another file, whose it is says nothing of this one.
    if whole.standing is Standing.HOLDS:
        # Without a list of its own a certificate is not distrusted; with one, pyHanko looks into it only when told to
        # require one.
        revoked = bool(lists) and _status(signature, anchors, lists, at).revoked
        yield from _signer(status, signature.signer_cert, anchors=anchors, at=at, revoked=revoked)


def _status(signature: Any, anchors: Sequence[bytes], lists: Sequence[bytes], at: datetime) -> Any:
    from asn1crypto import x509
    from pyhanko.sign.validation import validate_pdf_signature
    from pyhanko.sign.validation.settings import KeyUsageConstraints
    from pyhanko_certvalidator import ValidationContext

    context = ValidationContext(
        trust_roots=[x509.Certificate.load(anchor) for anchor in anchors],
        crls=list(lists),
        moment=at,
        allow_fetching=False,
        revocation_mode="require" if lists else "soft-fail",
    )
    usage = KeyUsageConstraints(
        key_usage={"digital_signature", "non_repudiation"},
        match_all_key_usages=False,
    )
    return validate_pdf_signature(signature, context, key_usage_settings=usage)


def _wholeness(status: Any) -> Answer:
    from pyhanko.sign.validation.status import SignatureCoverageLevel

    if not (status.intact and status.valid):
        return Answer(
            Standing.FAILS,
            _(
                "The signature does not fit the file: the file was changed, or the signature is of another one."
            ),
        )
    if status.coverage is not SignatureCoverageLevel.ENTIRE_FILE:
        return Answer(
            Standing.FAILS, _("The signature does not cover the whole file: something was added later.")
        )
    return Answer(
        Standing.HOLDS, _("The signature fits the file and covers all of it: nothing was changed since.")
    )


def _signer(
    status: Any, certificate: Any, *, anchors: Sequence[bytes], at: datetime, revoked: bool
) -> Iterator[Answer]:
    named = {
        "signer": _called(certificate.subject),
        "issuer": _called(certificate.issuer),
        "end": certificate.not_valid_after,
        "begin": certificate.not_valid_before,
    }
    if not anchors:
        yield Answer(
            Standing.UNCHECKED,
            _(
                "It says that {signer} signed, certified by {issuer}. Whether that is so could not be checked: "
                "put the authority's certificate into ca/ of a workspace"
            ).format(**named),
        )
    elif revoked:
        yield Answer(
            Standing.FAILS, _("The certificate of the signer, {signer}, was revoked.").format(**named)
        )
    elif at > certificate.not_valid_after:
        yield Answer(
            Standing.FAILS,
            _(
                "The certificate of the signer, {signer}, ended on {end:%Y-%m-%d}, and nothing proves that this was "
                "signed before."
            ).format(**named),
        )
    elif at < certificate.not_valid_before:
        yield Answer(
            Standing.FAILS,
            _("The certificate of the signer, {signer}, is valid from {begin:%Y-%m-%d} on only.").format(
                **named
            ),
        )
    elif not status.trusted:
        yield Answer(
            Standing.FAILS,
            _(
                "The signer is not known: {signer}, certified by {issuer}; no path leads to an authority in ca/, or "
                "the key may not sign"
            ).format(**named),
        )
    elif not _may_sign(certificate):
        yield Answer(
            Standing.FAILS,
            _(
                "The certificate of the signer, {signer}, is for other purposes than signing documents."
            ).format(**named),
        )
    else:
        yield Answer(
            Standing.HOLDS, _("Signed by {signer}, certified by {issuer}, which ca/ trusts.").format(**named)
        )


def _may_sign(certificate: Any) -> bool:
    """RFC 5280, 4.2.1.12: a certificate that names no purposes is for all. (pyHanko would ask for one to be named.)"""
    purposes = certificate.extended_key_usage_value
    return purposes is None or not PURPOSES.isdisjoint(purposes.native)


def _called(name: Any) -> str:
    common = name.native.get("common_name")
    return visible(common if isinstance(common, str) and common else name.human_friendly, limit=120)


def _source(reader: Any) -> Provenance | None:
    """The one embedded file of our name; what several would say contradicts, or says the same twice."""
    found = [
        stream
        for name, stream in _embedded(_part(_part(reader.root, "/Names", {}), "/EmbeddedFiles", {}))
        if name == NAME
    ]
    return provenance_in(found[0].data) if len(found) == 1 else None


def _embedded(node: Any, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Names and contents below a node of the name tree (ISO 32000-1, 7.9.6); ours has one node."""
    if depth > 4:
        return
    names = _part(node, "/Names", ())
    for i in range(0, min(len(names) - 1, 64), 2):
        specification = names[i + 1]
        stream = specification["/EF"]["/F"]
        if int(_part(stream, "/Length", 0)) <= MOST_BYTES:
            yield str(_part(specification, "/UF", "")), stream
    children = _part(node, "/Kids", ())
    for i in range(min(len(children), 64)):
        yield from _embedded(children[i], depth + 1)


def _part(of: Any, name: str, otherwise: Any) -> Any:
    # get() would give a reference where the part lies elsewhere in the file; an index follows it.
    try:
        return of[name]
    except KeyError:
        return otherwise


def _fails(sentence: str, error: Exception) -> Answer:
    problem = visible(str(error) or type(error).__name__, limit=120)
    return Answer(Standing.FAILS, sentence.format(problem=problem))
