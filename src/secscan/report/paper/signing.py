"""Signing a PDF as PAdES (ETSI EN 319 142-1, level B-B): by a PKCS#12 file, or a key that never leaves its token.

No level above B-B: a time that others vouch for, and proofs of what was not revoked, come over networks.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote

from secscan.language import _
from secscan.report.paper.trouble import PaperError, missing

#: The signature field. There is one, and nothing may be changed after it.
FIELD = "secscan"

#: A file of a key, its certificate and those above it has a few kilobytes.
MOST_BYTES = 1024 * 1024

_SCHEME = "pkcs11:"


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A PKCS#12 file: the key, its certificate, and those above it."""

    path: Path


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A key on a token: smart card, USB token, HSM. ``object`` is the label of the key and of its certificate."""

    module: Path
    token: str
    object: str


#: Where the key is. The passphrase or PIN is no part of it.
KeyPlace: TypeAlias = KeyFile | TokenKey

#: Asked only when it is needed: the passphrase of the file, or the PIN of the token.
Ask: TypeAlias = Callable[[], str]

#: Signs a PDF.
Sign: TypeAlias = Callable[[bytes], bytes]


def key_place(text: str) -> KeyPlace:
    """What ``--sign`` names: a PKCS#12 file, or a key on a token by its PKCS#11 URI (RFC 7512).

    ``pkcs11:token=LABEL;object=LABEL?module-path=/usr/lib/...so``. Raises PaperError where it is neither, and where
    it holds a PIN: that would stay in the shell's history and stand in the list of processes.
    """
    if not text.startswith(_SCHEME):
        return KeyFile(Path(text).expanduser())
    path, _mark, query = text.removeprefix(_SCHEME).partition("?")
    parts = dict(_attributes(path, ";")) | dict(_attributes(query, "&"))
    for secret in ("pin-value", "pin-source"):
        if secret in parts:
            raise PaperError(
                _("--sign: leave out {name}: everybody can read what is on a command line").format(
                    name=secret
                )
            )
    known = ("token", "object", "module-path")
    unknown, lacking = sorted(parts.keys() - set(known)), [name for name in known if not parts.get(name)]
    if unknown or lacking:
        raise PaperError(
            _(
                "--sign: a key on a token is named pkcs11:token=LABEL;object=LABEL?module-path=FILE.so; "
                "missing: {lacking}; not known: {unknown}"
            ).format(lacking=", ".join(lacking) or "-", unknown=", ".join(unknown) or "-")
        )
    return TokenKey(Path(parts["module-path"]), parts["token"], parts["object"])


@contextlib.contextmanager
def opened(place: KeyPlace, secret: Ask, at: datetime) -> Iterator[Sign]:
    """Signs with the key at ``place`` for as long as it is open. Raises PaperError where it can't be used, and where
    its certificate is not valid at ``at``: nobody could rely on the signature.

    The secret is neither kept nor shown; no message holds any of it.
    """
    try:
        from pyhanko.sign import signers
    except ImportError as e:
        raise missing(e) from e
    with contextlib.ExitStack() as stack:
        if isinstance(place, KeyFile):
            signer = _of_file(signers, place, secret)
        else:
            signer = stack.enter_context(_of_token(place, secret))
        _require_valid(signer.signing_cert, at)

        def sign(document: bytes) -> bytes:
            return _signed(document, signer)

        yield sign


def _attributes(text: str, separator: str) -> Iterator[tuple[str, str]]:
    for part in filter(None, text.split(separator)):
        name, _equals, value = part.partition("=")
        yield name, unquote(value)


def _of_file(signers: Any, place: KeyFile, secret: Ask) -> Any:
    with place.path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    signer = None
    # Outside: that nobody gave a passphrase is another mistake than that it is wrong.
    passphrase = secret().encode()
    if len(content) <= MOST_BYTES:
        with contextlib.suppress(ValueError, AttributeError):
            signer = signers.SimpleSigner.load_pkcs12_data(content, other_certs=(), passphrase=passphrase)
    if signer is None or signer.signing_cert is None:
        raise PaperError(
            _(
                "{path} can't be used to sign: it is no PKCS#12 file (.p12, .pfx) with a key and its certificate, or "
                "the passphrase is wrong"
            ).format(path=place.path)
        )
    return signer


@contextlib.contextmanager
def _of_token(place: TokenKey, secret: Ask) -> Iterator[Any]:
    try:
        from pyhanko.config.pkcs11 import TokenCriteria
        from pyhanko.sign.pkcs11 import open_pkcs11_session
    except ImportError as e:
        raise missing(e) from e
    if not place.module.is_file():
        raise PaperError(
            _(
                "there is no PKCS#11 module {path}; give the file that came with the token as module-path"
            ).format(path=place.module)
        )
    try:
        session = open_pkcs11_session(
            str(place.module), token_criteria=TokenCriteria(label=place.token), user_pin=secret()
        )
    except RuntimeError as e:
        raise _no_token(place, e) from e
    with session:
        yield _signer_on(session, place)


def _signer_on(session: Any, place: TokenKey) -> Any:
    from pyhanko.sign.pkcs11 import PKCS11Signer

    label: dict[str, Any] = {"cert_label": place.object, "key_label": place.object}
    # All certificates: those between the signer's and the authority let others build the path.
    signer = PKCS11Signer(session, **label, other_certs_to_pull=None)
    # pyHanko says in words, and in no type of error, that there is none, or more than one.
    try:
        found = signer.signing_cert
    except RuntimeError as e:
        raise _no_key(place) from e
    if found is None:
        raise _no_key(place)
    if found.public_key.algorithm != "ec":
        return signer
    # Many tokens, SoftHSM among them, sign a digest with an elliptic curve, and make none themselves.
    return PKCS11Signer(session, **label, other_certs_to_pull=None, use_raw_mechanism=True)


def _require_valid(certificate: Any, at: datetime) -> None:
    if not certificate.not_valid_before <= at <= certificate.not_valid_after:
        raise PaperError(
            _(
                "the certificate of the key is valid from {begin:%Y-%m-%d} to {end:%Y-%m-%d} only: "
                "nobody could rely on what it signs"
            ).format(begin=certificate.not_valid_before, end=certificate.not_valid_after)
        )


def _no_token(place: TokenKey, error: Exception) -> PaperError:
    import pkcs11

    if isinstance(error, (pkcs11.exceptions.PinIncorrect, pkcs11.exceptions.PinLenRange)):
        return PaperError(_("the PIN of the token {token!r} is wrong").format(token=place.token))
    if isinstance(error, pkcs11.exceptions.PinLocked):
        return PaperError(
            _("the token {token!r} is locked: the PIN was wrong too often").format(token=place.token)
        )
    return PaperError(
        _(
            "the token {token!r} can't be used with {path} ({problem}); see what is there with: pkcs11-tool -L"
        ).format(token=place.token, path=place.module, problem=str(error) or type(error).__name__)
    )


def _no_key(place: TokenKey) -> PaperError:
    return PaperError(
        _("the token {token!r} has no single key with a certificate, both labelled {object!r}").format(
            token=place.token, object=place.object
        )
    )


def _signed(document: bytes, signer: Any) -> bytes:
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.pdf_utils.misc import PdfError
    from pyhanko.sign import fields, signers
    from pyhanko.sign.general import SigningError

    meta = signers.PdfSignatureMetadata(
        field_name=FIELD,
        md_algorithm="sha256",
        subfilter=fields.SigSeedSubFilter.PADES,
        # The author's signature, after which nothing may change: ISO 32000-1, 12.8.2.2.
        certify=True,
        docmdp_permissions=fields.MDPPerm.NO_CHANGES,
    )
    try:
        made = signers.PdfSigner(meta, signer=signer).sign_pdf(IncrementalPdfFileWriter(BytesIO(document)))
    except (PdfError, SigningError, ValueError, RuntimeError) as e:
        raise PaperError(
            _("the PDF can't be signed: {problem}").format(problem=str(e) or type(e).__name__)
        ) from e
    result: bytes = made.getvalue()
    return result
