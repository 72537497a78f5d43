"""secscan db: upgrade, check, prune."""

import re

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
    if chain.complete_since is not None:
        click.echo(
            _("Pruned on purpose: {n} observations from before {since:%Y-%m-%d %H:%M} UTC.").format(
                n=chain.pruned, since=chain.complete_since
            )
        )
    if not wrong:
        click.echo(_("Nothing is wrong with the database: {path}").format(path=place.database))
    ctx.exit(USAGE if wrong else CLEAN)


@command.command("prune")
@click.option(
    "--keep",
    required=True,
    metavar="N(d|r)",
    help="How much stays whole: 400d is the last 400 days, 52r the last 52 runs.",
)
@click.option("--yes", is_flag=True, help="Remove it. Without this, only what would be removed is told.")
@options.workspace
def prune(workspace: str | None, keep: str, yes: bool) -> None:
    """Remove what old runs saw and nothing rests on any more.

    Runs, findings and their lives, scores and the chain of manifests stay whole, and so does the newest evidence about
    everything, however old: no score changes. What goes are observations that newer ones superseded. As of an instant
    before the cut nothing can be judged again afterwards. `secscan db check` tells what was pruned on purpose from what
    is missing. The file does not get smaller: new runs use the room.
    """
    from secscan.cli.parts import open_store, open_workspace
    from secscan.scope import utc_now
    from secscan.store import Store

    days, runs = _kept(keep)
    place = open_workspace(workspace)
    now = utc_now()
    with open_store(place) as store:
        planned = store.would_prune(days=days, runs=runs, now=now)
    if planned is None or not planned.removed:
        click.echo(_("There is nothing to prune: nothing that is superseded is older than that."))
        return
    if yes:
        planned = Store.prune(place.database, planned.before, now)
    count = plural("{n} observation", "{n} observations", planned.observations)
    of_runs = plural("{n} run", "{n} runs", len(planned.removed))
    message = (
        _("Removed {count} of {runs}, all from before {before:%Y-%m-%d %H:%M} UTC.")
        if yes
        else _(
            "This would remove {count} of {runs}, all from before {before:%Y-%m-%d %H:%M} UTC. What was judged stays. "
            "To remove it: the same with --yes"
        )
    )
    click.echo(message.format(count=count, runs=of_runs, before=planned.before))


def _kept(text: str) -> tuple[int | None, int | None]:
    """Days or runs. Raises BadParameter on anything else."""
    found = re.fullmatch(r"([1-9][0-9]{0,4})([dr])", text, re.ASCII)
    if found is None:
        raise click.BadParameter(
            _(
                "{value!r} is neither days nor runs; write 400d to keep 400 days, or 52r to keep 52 runs"
            ).format(value=text),
            param_hint="--keep",
        )
    number = int(found[1])
    return (number, None) if found[2] == "d" else (None, number)
