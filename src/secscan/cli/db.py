"""secscan db: upgrade, check."""

import click

from secscan.cli import options
from secscan.cli.console import CLEAN, USAGE
from secscan.language import _, plural


@click.group("db")
def command() -> None:
    """Look after the database."""


@command.command("upgrade")
@options.workspace
def upgrade(workspace: str | None) -> None:
    """Bring the database of an older secscan up to this one."""
    from secscan.cli.parts import open_workspace
    from secscan.store import Store

    place = open_workspace(workspace)
    Store.upgrade(place.database)
    click.echo(_("The database is up to date: {path}").format(path=place.database))


@command.command("check")
@options.workspace
@click.pass_context
def check(ctx: click.Context, workspace: str | None) -> None:
    """Read the whole database and say what is wrong with it; exit with 2 where something is.

    A past that was changed, reordered or cut out is named. Note the hash of the newest manifest somewhere else:
    whoever can write the whole database anew can't be noticed in any other way.
    """
    from secscan.cli.parts import open_store, open_workspace

    place = open_workspace(workspace)
    with open_store(place) as store:
        wrong = store.check()
        chain = store.chain()
    for line in wrong:
        click.echo(line, err=True)
    if chain.unchained:
        said = plural(
            "{n} judgement is older than the chain of manifests: whether it changed can't be told.",
            "{n} judgements are older than the chain of manifests: whether they changed can't be told.",
            chain.unchained,
        )
        click.echo(said)
    if chain.links:
        click.echo(
            _("Chained judgements: {n}. The newest manifest has the hash {hash}").format(
                n=chain.links, hash=chain.newest
            )
        )
    if not wrong:
        click.echo(_("Nothing is wrong with the database: {path}").format(path=place.database))
    ctx.exit(USAGE if wrong else CLEAN)
