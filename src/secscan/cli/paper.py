"""Scorecards on paper for ``secscan report``: PDFs beside the pages, their signatures, and what these are worth."""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from secscan.cli.console import CLEAN, COVERAGE, FINDINGS
from secscan.language import _, speaking
from secscan.report.paper import PaperError, Provenance

if TYPE_CHECKING:
    from secscan.model import Stamp
    from secscan.report.paper.signing import Sign
    from secscan.report.paper.verifying import Answer
    from secscan.store import Store
    from secscan.store.chain import Link
    from secscan.workspace import Workspace


def write_papers(
    pages: Sequence[Path],
    *,
    stamp: "Stamp",
    judged: "tuple[int, Link | None]",
    language: str,
    sign: "Sign | None" = None,
) -> list[Path]:
    """Writes a PDF beside each of the agencies' pages, ``ID.html``, and returns the paths.

    ``judged`` is the judgement that the pages show, and its link in the chain. Raises PaperError.
    """
    from secscan.report.paper.pdf import to_pdf

    judgement, link = judged
    written: list[Path] = []
    with speaking(language):
        for page in pages:
            source = Provenance(
                agency=page.stem,
                run=stamp.run or 0,
                judgement=judgement,
                manifest=link.hash if link else "",
                at=stamp.at,
                baseline=stamp.baseline,
                baseline_hash=stamp.baseline_hash,
                language=language,
                secscan_version=stamp.secscan_version,
            )
            made = to_pdf(page.read_text("utf-8"), source)
            path = page.with_suffix(".pdf")
            _replace(path, sign(made) if sign else made)
            written.append(path)
    return written


@contextlib.contextmanager
def signer(named: str | None, secret_env: str, at: datetime) -> "Iterator[Sign | None]":
    """What signs with the key that ``--sign`` names; None where it names none. Raises PaperError, CredentialError."""
    if named is None:
        yield None
        return
    from secscan.report.paper.signing import key_place, opened

    place = key_place(named)
    with opened(place, lambda: _secret(named, secret_env), at) as sign:
        yield sign


def verify(path: Path, place: "Workspace | None", at: datetime) -> int:
    """Says what the signature of a PDF and the manifest it names are worth; returns the exit code.

    0: all of it holds. 1: something does not. 3: nothing is wrong, and something could not be checked.
    """
    from secscan.report.paper.verifying import MOST_PDF, Standing, examine

    with path.open("rb") as file:
        document = file.read(MOST_PDF + 1)
    if len(document) > MOST_PDF:
        raise PaperError(_("{path} is larger than {limit} MiB").format(path=path, limit=MOST_PDF >> 20))
    authorities = place.load_anchors() if place else None
    try:
        examined = examine(
            document,
            authorities.everywhere if authorities else (),
            authorities.lists if authorities else (),
            at,
        )
    except PaperError as e:
        raise PaperError(f"{path}: {e}") from e
    answers = [*examined.answers, *_manifest(examined.source, place)]
    signs = {Standing.HOLDS: "✓", Standing.FAILS: "✗", Standing.UNCHECKED: "?"}
    for answer in answers:
        click.echo(f"{signs[answer.standing]} {answer.sentence}")
    found = {answer.standing for answer in answers}
    if Standing.FAILS in found:
        click.echo(_("Do not rely on this file."))
        return FINDINGS
    if Standing.UNCHECKED in found:
        click.echo(_("Nothing is wrong as far as it could be checked; not all of it could."))
        return COVERAGE
    click.echo(_("This file is what secscan made, and nobody changed it."))
    return CLEAN


def _manifest(source: Provenance | None, place: "Workspace | None") -> "Iterator[Answer]":
    """Whether the judgement that a PDF names is in the store, and its chain whole."""
    from secscan.report.paper.verifying import Answer, Standing

    if source is None:
        yield Answer(
            Standing.FAILS, _("The file does not say which judgement it shows: secscan did not make it.")
        )
        return
    named = _("run {run} of {agency}, judged on {at:%Y-%m-%d %H:%M} UTC").format(
        run=source.run, agency=_shown(source.agency), at=source.at
    )
    if not source.manifest:
        yield Answer(
            Standing.UNCHECKED,
            _("It shows {named}, which is older than the chain of manifests.").format(named=named),
        )
        return
    if place is None or not place.database.exists():
        yield Answer(
            Standing.UNCHECKED,
            _(
                "It shows {named}, with the manifest {hash}. Whether that is in the store could not be checked: "
                "there is no database here; name its workspace with -C"
            ).format(named=named, hash=_shown(source.manifest)),
        )
        return
    yield from _in_store(source, place, named)


def _in_store(source: Provenance, place: "Workspace", named: str) -> "Iterator[Answer]":
    from secscan.cli.parts import open_store
    from secscan.report.paper.verifying import Answer, Standing

    with open_store(place) as store:
        link = _link(store, source.manifest)
        broken = store.chain_problems() if link else []
    if link is None:
        yield Answer(
            Standing.FAILS,
            _(
                "It shows {named}, and the store has no manifest {hash}: it is of another store, or made up."
            ).format(named=named, hash=_shown(source.manifest)),
        )
    elif (link.judgement, link.run) != (source.judgement, source.run):
        yield Answer(
            Standing.FAILS,
            _("It says that it shows {named}, and its manifest is of another.").format(named=named),
        )
    elif broken:
        first = _("It shows {named}, and the chain of manifests in the store is broken: {problem}")
        yield Answer(Standing.FAILS, first.format(named=named, problem=broken[0]))
    else:
        yield Answer(
            Standing.HOLDS,
            _("It shows {named}; its manifest is in the store, and the chain is whole.").format(named=named),
        )


def _link(store: "Store", manifest: str) -> "Link | None":
    try:
        return store.link_named(manifest)
    except ValueError:
        return None


def _shown(text: str) -> str:
    from secscan.report.text import visible

    return visible(text, limit=80)


def _secret(named: str, variable: str) -> str:
    """The passphrase or PIN: from the environment, or asked for where somebody can answer."""
    from secscan.credential import Credential, find_secret

    if variable:
        login = Credential(name="--sign", user="secscan", password_env=variable)
        return find_secret(login) or ""
    if not sys.stdin.isatty():
        raise PaperError(
            _(
                "--sign needs the passphrase or PIN of {key}, and nobody is here to type it; name the environment "
                "variable that holds it with --passphrase-env"
            ).format(key=named)
        )
    answer: str = click.prompt(_("Passphrase or PIN of {key}").format(key=named), hide_input=True, err=True)
    return answer


def _replace(path: Path, content: bytes) -> None:
    """Writes the file in one step; leaves one alone that already says the same."""
    with contextlib.suppress(FileNotFoundError):
        if path.read_bytes() == content:
            return
    part = path.with_name(f".secscan-part-{path.name}")
    part.write_bytes(content)
    part.replace(path)
