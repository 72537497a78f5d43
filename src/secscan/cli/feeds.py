"""secscan feeds: import, status, bundle, key."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from secscan.cli import options
from secscan.cli.console import CLEAN, USAGE, err, out, table, visible, write
from secscan.language import _, plural

if TYPE_CHECKING:
    from secscan.baseline import Baseline
    from secscan.feeds.importing import Imported
    from secscan.feeds.status import FeedStatus
    from secscan.workspace import Workspace

_FILE = click.Path(path_type=Path)


@click.group("feeds")
def command() -> None:
    """Bring in advisories and other reference data, and carry them over an air gap."""


@command.command("import")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=_FILE)
@click.option(
    "--key",
    "keys",
    metavar="PUBKEY",
    multiple=True,
    type=_FILE,
    help="The public key of whoever made a bundle; repeatable. Bundles of others are refused.",
)
@click.option(
    "--shrink",
    is_flag=True,
    help="Also take a file that has far fewer entries than what is here; else it counts as cut short.",
)
@options.workspace
@click.pass_context
def import_(
    ctx: click.Context, files: tuple[Path, ...], keys: tuple[Path, ...], shrink: bool, workspace: str | None
) -> None:
    """Take in files, and what is of use in folders: /var/lib/apt/lists, OSV, updateinfo, KEV, EPSS, bundles and more.

    They go into the workspace; where there is none, into a place of your own that secscan audit reads.

    Each is taken in whole or not at all. Older data never replaces newer, and what was there is kept as it was
    then. Killed in the middle, it is simply begun again: what was finished is not read twice.

    Exit codes: 0 all was read, 2 a file was not.
    """
    from datetime import UTC

    from secscan.cli.parts import workspace_around
    from secscan.feeds.bundle import load_public_key
    from secscan.feeds.importing import Refused, import_files

    database = _database(workspace_around(workspace))
    database.parent.mkdir(parents=True, exist_ok=True)
    trusted = [load_public_key(key) for key in keys]
    outcomes: dict[str, int] = {}
    with _busy():
        for result in import_files(database, files, datetime.now(UTC), trusted, shrink=shrink):
            if isinstance(result, Refused):
                outcomes["refused"] = outcomes.get("refused", 0) + 1
                click.echo(visible(str(result.error)), err=True)
                continue
            outcomes[result.outcome.value] = outcomes.get(result.outcome.value, 0) + 1
            click.echo(visible(_told(result)), err=True)
    if not outcomes:
        click.echo(
            _("Nothing of use was found in: {files}").format(files=", ".join(map(str, files))), err=True
        )
        ctx.exit(USAGE)
    click.echo(_counted(outcomes))
    ctx.exit(USAGE if "refused" in outcomes else CLEAN)


def _database(place: "Workspace | None") -> Path:
    """That of the workspace, else the user's own."""
    from secscan.cli.parts import feeds_database

    return place.feeds if place is not None else feeds_database(None)


@contextlib.contextmanager
def _busy() -> Iterator[None]:
    """On a terminal, something that moves: a file of advisories may take a minute."""
    console = err()
    with console.status(_("importing")) if console.is_terminal else contextlib.nullcontext():
        yield


def _told(result: "Imported") -> str:
    """What became of one file, in a line."""
    from secscan.feeds.importing import Outcome

    match result.outcome:
        case Outcome.UNCHANGED:
            return _("{file}: is here already").format(file=result.file)
        case Outcome.OLDER:
            return _("{file}: is older than what is here; nothing was taken").format(file=result.file)
    added, changed, removed = (
        sum(getattr(feed, name) for feed in result.feeds) for name in ("added", "changed", "removed")
    )
    if len(result.feeds) == 1:
        what, as_of = str(result.feeds[0].feed), f"{result.feeds[0].as_of.date()}"
    else:
        what = plural("{n} feed", "{n} feeds", len(result.feeds))
        days = sorted(feed.as_of.date() for feed in result.feeds)
        as_of = f"{days[0]} – {days[-1]}" if days[0] != days[-1] else f"{days[0]}"
    line = _("{file}: {what} of {date}: entries: {added} new, {changed} changed, {removed} gone").format(
        file=result.file, what=what, date=as_of, added=added, changed=changed, removed=removed
    )
    if result.left_out:
        why = ", ".join(f"{count} {reason}" for reason, count in list(result.left_out.items())[:3])
        line += "; " + _("left out: {why}").format(why=why)
    return line


def _counted(outcomes: Mapping[str, int]) -> str:
    words = {
        "imported": _("imported: {n}"),
        "unchanged": _("here already: {n}"),
        "older": _("older than what is here: {n}"),
        "refused": _("not read: {n}"),
    }
    return ", ".join(words[name].format(n=outcomes[name]) for name in words if name in outcomes)


@command.command("status")
@options.workspace
@options.profile
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
def status(workspace: str | None, profile: str | None, form: str) -> None:
    """Every feed: of when it is, how many entries it has, and whether the profile still goes by it."""
    from datetime import UTC

    from secscan.cli.parts import workspace_around
    from secscan.feeds import status as feeds

    place = workspace_around(workspace)
    limits = limits_of(_baseline(place, profile))
    found = feeds.status(_database(place), datetime.now(UTC))
    if form == "json":
        write(json.dumps([_document(feed, limits) for feed in found], ensure_ascii=False, indent=2) + "\n")
        return
    if not found:
        click.echo(_("Nothing was imported yet. Bring files and run: secscan feeds import FILE"), err=True)
        return
    out().print(
        table(
            "",
            [_("Feed"), _("Of"), _("Days old"), _("At most"), "", _("Entries"), _("Imported"), _("From")],
            [_row(feed, limits) for feed in found],
            right=[2, 3, 5],
        )
    )


def _baseline(place: "Workspace | None", profile: str | None) -> "Baseline":
    """The one named, else the workspace's, else the one that comes along and reads feeds."""
    from secscan.baseline import load_baseline
    from secscan.cli.parts import find_all_checks

    name = profile or (place.load_settings().profile if place else "baseline")
    return load_baseline(name, find_all_checks(None, place), folder=place.profiles if place else None)


def limits_of(baseline: "Baseline") -> Mapping[str, int]:
    """Kind of feed -> the most days that any rule of a baseline lets it be old; kinds that no rule reads are left out.

    Each rule has a limit of its own, so this is the strictest: where it holds, all do.
    """
    from secscan.feeds.model import Kind

    strictest: dict[str, int] = {}
    for rule in baseline.rules:
        for name in ("feed_days", "table_days"):
            days = getattr(rule.limits, name, None)
            if days is not None:
                strictest[name] = min(days, strictest.get(name, days))
    tables = (Kind.END_OF_LIFE, Kind.DISTRO_INFO)
    by_kind = {kind.value: strictest.get("table_days" if kind in tables else "feed_days") for kind in Kind}
    return {kind: days for kind, days in by_kind.items() if days is not None}


def limit_of(feed: "FeedStatus", limits: Mapping[str, int]) -> int | None:
    """The most days that it may be old; None where no verdict goes by its age.

    Of the package indexes that is what security suites have. A release itself is made once a point release, months
    apart: it says only which packages are the distribution's own.
    """
    from secscan.feeds.formats.packages_index import is_security
    from secscan.feeds.model import Kind

    if feed.feed.kind is Kind.PACKAGES and not is_security(feed.feed.part):
        return None
    return limits.get(feed.feed.kind.value)


def is_stale(feed: "FeedStatus", limits: Mapping[str, int]) -> bool:
    """Whether a rule of the baseline no longer goes by it."""
    days = limit_of(feed, limits)
    return days is not None and feed.age > timedelta(days=days)


def _row(feed: "FeedStatus", limits: Mapping[str, int]) -> tuple[str, ...]:
    most = limit_of(feed, limits)
    dated = "" if feed.dated_by == "data" else _(" (the file's date)")
    return (
        str(feed.feed),
        f"{feed.as_of.date()}{dated}",
        str(feed.age.days),
        "-" if most is None else str(most),
        _("too old") if is_stale(feed, limits) else "",
        str(feed.entries),
        str(feed.imported_at.date()),
        Path(feed.file).name,
    )


def _document(feed: "FeedStatus", limits: Mapping[str, int]) -> dict[str, Any]:
    return {
        "kind": feed.feed.kind.value,
        "ecosystem": feed.feed.ecosystem,
        "release": feed.feed.release,
        "part": feed.feed.part,
        "as_of": feed.as_of.isoformat(),
        "dated_by": feed.dated_by.value,
        "age_days": feed.age.days,
        "most_days": limit_of(feed, limits),
        "stale": is_stale(feed, limits),
        "entries": feed.entries,
        "revisions": feed.revisions,
        "imported_at": feed.imported_at.isoformat(),
        "file": feed.file,
        "sha256": feed.sha256,
    }


@command.command("bundle")
@click.argument("target", metavar="OUT", type=_FILE)
@click.option(
    "--key",
    metavar="PRIVATE",
    required=True,
    type=_FILE,
    help="To sign with; make one: secscan feeds key FILE",
)
@click.option("--force", is_flag=True, help="Overwrite OUT where it is there already.")
@options.workspace
def bundle(target: Path, key: Path, force: bool, workspace: str | None) -> None:
    """Write every feed, with its date, into one signed file for the walk across the air gap.

    On the other side: secscan feeds import OUT --key PUBKEY
    """
    from datetime import UTC

    from secscan.cli.parts import workspace_around
    from secscan.feeds.bundle import load_private_key, write_bundle
    from secscan.feeds.errors import FeedError

    if target.exists() and not force:
        raise FeedError(str(target), "", _("is there already; choose another name, or give --force"))
    database = _database(workspace_around(workspace))
    with _busy():
        made = write_bundle(database, target, load_private_key(key), datetime.now(UTC))
    feeds = plural("{n} feed", "{n} feeds", len(made.members))
    oldest = min(member.as_of for member in made.members).date()
    click.echo(
        _("Wrote {file}: {feeds}, the oldest of {date}, signed by the key {fingerprint}.").format(
            file=visible(str(target)), feeds=feeds, date=oldest, fingerprint=made.signer
        )
    )


@command.command("key")
@click.argument("private", metavar="FILE", type=_FILE)
def key(private: Path) -> None:
    """Make a key to sign bundles with: FILE, which stays here, and FILE.pub for the other side."""
    from secscan.feeds.bundle import fingerprint, make_key

    public = private.with_name(private.name + ".pub")
    made = make_key(private, public)
    click.echo(
        _("Wrote {private}, for your eyes alone, and {public}; their fingerprint is {fingerprint}.").format(
            private=visible(str(private)), public=visible(str(public)), fingerprint=fingerprint(made)
        )
    )
