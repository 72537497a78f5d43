"""secscan report: write the scorecards, as pages and on paper; and tell what a signed one is worth."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from secscan.cli import options
from secscan.language import LANGUAGES, _, in_use, plural, use

if TYPE_CHECKING:
    from secscan.report.paper.signing import Sign


@click.command("report")
@options.workspace
@options.agencies
@click.option(
    "--out", "folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path), help="Where to."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "json", "csv", "sarif", "ocsf"]),
    default="html",
    show_default=True,
    help="Anything but html writes one file per agency, with what is of that agency alone.",
)
@click.option("--lang", "language", type=click.Choice(LANGUAGES), help="Default: the language in use.")
@click.option("--run", type=int, help="The run; default: the newest that was finished.")
@click.option("--pdf", "is_paper", is_flag=True, help="Write each scorecard as PDF, too.")
@click.option(
    "--sign",
    "key",
    metavar="KEY",
    help="Sign the PDFs (PAdES): a PKCS#12 file, or pkcs11:token=LABEL;object=LABEL?module-path=FILE.so",
)
@click.option(
    "--passphrase-env",
    metavar="VARIABLE",
    default="",
    help="The environment variable that holds the key's passphrase or PIN; without it, it is asked for.",
)
@click.option(
    "--verify",
    "signed",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Write nothing: tell whether this PDF is whole, who signed it, and whether its run is in the store.",
)
@click.pass_context
def command(
    ctx: click.Context,
    workspace: str | None,
    agencies: tuple[str, ...],
    folder: Path | None,
    form: str,
    language: str | None,
    run: int | None,
    is_paper: bool,
    key: str | None,
    passphrase_env: str,
    signed: Path | None,
) -> None:
    """Write one HTML scorecard per agency and an index into DIR. Pages that did not change are left alone.

    With --pdf and --sign a scorecard can be filed and handed on. With --verify, the exit code is 0 where everything
    holds, 1 where something does not, and 3 where something could not be checked. Signers are held against the
    authorities in the workspace's ca/.
    """
    from secscan.cli import paper
    from secscan.cli.parts import workspace_around
    from secscan.scope import utc_now

    if signed is not None:
        if folder is not None or is_paper or key is not None:
            raise click.UsageError(_("--verify writes nothing: leave out --out, --pdf and --sign"))
        ctx.exit(paper.verify(signed, workspace_around(workspace), utc_now()))
    if folder is None:
        raise click.UsageError(_("Where to? Give a folder with --out, or a file to look at with --verify"))
    if form != "html":
        if is_paper or key is not None:
            raise click.UsageError(_("--pdf and --sign are for scorecards: leave out --format"))
        _export(workspace, agencies, folder, form=form, language=language, run=run)
        return
    if key is not None and not is_paper:
        raise click.UsageError(_("--sign signs PDF files: give --pdf, too"))
    # Before hours of work: a wrong passphrase is told at once.
    with paper.signer(key, passphrase_env, utc_now()) as sign:
        pages, papers = _write(
            workspace, agencies, folder, language=language, run=run, sign=sign, is_paper=is_paper
        )
    click.echo(_("Wrote the scorecards: {index}").format(index=pages[0]))
    if papers:
        count = plural("{n} PDF file", "{n} PDF files", len(papers))
        told = _("Wrote {count}, signed.") if key is not None else _("Wrote {count}.")
        click.echo(told.format(count=count))


def _write(
    workspace: str | None,
    agencies: tuple[str, ...],
    folder: Path,
    *,
    language: str | None,
    run: int | None,
    sign: "Sign | None",
    is_paper: bool,
) -> tuple[list[Path], list[Path]]:
    """The pages that were written, and the PDFs."""
    from secscan.baseline import load_baseline
    from secscan.cli import paper
    from secscan.cli.parts import (
        find_all_checks,
        open_store,
        open_workspace,
        warn_of_another,
        with_children,
        workers_by_default,
    )
    from secscan.engine.background import compared_with_before
    from secscan.engine.replay import Sources
    from secscan.inventory import inventory_from_documents
    from secscan.publication import Edition, Issue, publish
    from secscan.scope import utc_now

    place = open_workspace(workspace)
    with open_store(place) as store:
        judged = store.newest_judged_run() if run is None else run
        stamp = store.stamp(judged)
        checks = find_all_checks(None, place)
        baseline = load_baseline(stamp.baseline, checks, folder=place.profiles)
        warn_of_another(baseline, stamp)
        chosen = None
        if agencies:
            # Who is below whom is all that is asked; ten thousand hosts are left where they are.
            documents = store.inventory_of(judged).values()
            tree = inventory_from_documents([{**one, "hosts": [], "members": []} for one in documents])
            chosen = with_children(tree, agencies)
        pages = publish(
            store,
            Issue(
                run=judged,
                baseline=baseline,
                checks=checks,
                tz=place.time_zone(),
                waivers={waiver.key: waiver for waiver in place.load_waivers(utc_now().date())},
                compared=compared_with_before(
                    store,
                    judged,
                    baseline_of=lambda name: load_baseline(name, checks, folder=place.profiles),
                    sources=Sources(place.load_anchors(), place.feeds),
                    agencies=chosen,
                ),
            ),
            [Edition(language or in_use(), folder)],
            agencies=chosen,
            processes=workers_by_default(),
        )
        if not is_paper:
            return pages, []
        papers = paper.write_papers(
            [page for page in pages if page.parent.name == "agencies"],
            stamp=stamp,
            judged=store.link(judged),
            language=language or in_use(),
            sign=sign,
        )
    return pages, papers


def _export(
    workspace: str | None,
    agencies: tuple[str, ...],
    folder: Path,
    *,
    form: str,
    language: str | None,
    run: int | None,
) -> None:
    from secscan.cli.exporting import write_exports
    from secscan.cli.listing import read_judged
    from secscan.cli.parts import open_store, open_workspace, with_children
    from secscan.inventory import inventory_from_documents
    from secscan.scope import utc_now

    place = open_workspace(workspace)
    if language is not None:
        use(language)
    waivers = {waiver.key: waiver for waiver in place.load_waivers(utc_now().date())}
    with open_store(place) as store:
        judged = read_judged(store, place, store.newest_judged_run() if run is None else run)
        tree = inventory_from_documents(
            [{**one, "hosts": [], "members": []} for one in judged.documents.values()]
        )
        chosen = with_children(tree, agencies)
        paths = write_exports(store, judged, folder, form=form, agencies=chosen, waivers=waivers)
    click.echo(plural("{n} file written.", "{n} files written.", len(paths)), err=True)
