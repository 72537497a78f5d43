"""secscan inventory: check, list, move, export, import."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from secscan.cli import options
from secscan.cli.console import out, table, write
from secscan.language import _, in_use, plural

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime

    from secscan.baseline import Baseline
    from secscan.inventory import Edit
    from secscan.model import Inventory
    from secscan.toml_source import Mistake
    from secscan.workspace import Authorities, Workspace


#: More hosts than this are counted, not named.
MOST_NAMED = 20


@click.group("inventory")
def command() -> None:
    """Check, list and change the inventory."""


@command.command("check")
@options.workspace
def check(workspace: str | None) -> None:
    """Name every mistake in the workspace by file, line and key; exit with 2 where there is one."""
    from secscan.cli.parts import find_all_checks, open_workspace
    from secscan.scope import require_current, utc_now
    from secscan.toml_source import ConfigurationError, Mistake
    from secscan.workspace import places_unknown

    place = open_workspace(workspace)
    mistakes: list[Mistake] = []
    counted = ""
    inventory: Inventory | None = None
    anchors: Authorities | None = None
    baseline: Baseline | None = None
    for part in ("settings", "scope", "inventory", "waivers", "anchors", "profile"):
        try:
            match part:
                case "settings":
                    place.load_settings()
                case "scope":
                    require_current(place.load_scope(), utc_now(), path=place.scope)
                case "inventory":
                    inventory = place.load_inventory()
                    counted = counted_parts(inventory)
                case "waivers":
                    place.load_waivers(utc_now().date())
                case "anchors":
                    anchors = place.load_anchors()
                case _:
                    from secscan.baseline import load_baseline

                    checks = find_all_checks(None, place)
                    baseline = load_baseline(place.load_settings().profile, checks, folder=place.profiles)
        except ConfigurationError as e:
            mistakes += [mistake for mistake in e.mistakes if mistake not in mistakes]
    if inventory is not None and anchors is not None:
        zones = {a.zone for a in inventory.agencies.values()} | {h.zone for h in inventory.hosts.values()}
        mistakes += places_unknown(place.anchors, anchors, zones=zones, agencies=inventory.agencies)
    if inventory is not None:
        mistakes += _unknown_names(place, baseline)
    if mistakes:
        raise ConfigurationError(mistakes)
    click.echo(_("No mistake found: {counted}.").format(counted=counted))


def _unknown_names(place: "Workspace", baseline: "Baseline | None") -> "Iterator[Mistake]":
    """Roles that the profile does not have, whose hosts would be held to what all are, and logins that secscan.toml
    does not have, with which nobody would ever log in: most are misspelt.

    A profile without any role means none of them.
    """
    from secscan.inventory.folder import agency_files
    from secscan.toml_source import ConfigurationError, nearest, read_toml, shown_value

    roles = [name for kind, name in baseline.overlays.parts if kind == "roles"] if baseline else []
    try:
        logins: Collection[str] | None = place.load_settings().credentials
    except ConfigurationError:
        logins = None  # Which there are, is told once the settings can be read.
    for path in agency_files(place.inventory):
        source = read_toml(path)
        for i, host in enumerate(source.data.get("host", ())):
            role, login = host.get("role", ""), host.get("credential", "")
            if role and roles and role not in roles:
                message = _(
                    "the profile {profile} has no role {role}; write one that it has, or, to hold its hosts to what all are, add "
                    "to a profile of your own: roles.{name}.apply = []"
                ).format(profile=baseline.name if baseline else "", role=shown_value(role), name=role)
                yield source.mistake(("host", i, "role"), message + _guess(nearest(role, roles)))
            if login and logins is not None and login not in logins:
                message = _("secscan.toml has no table of the name {name} in [credentials]").format(
                    name=shown_value(login)
                )
                yield source.mistake(("host", i, "credential"), message + _guess(nearest(login, logins)))


def _guess(near: str | None) -> str:
    return _('; did you mean "{guess}"?').format(guess=near) if near else ""


def counted_parts(inventory: "Inventory") -> str:
    """How many agencies and hosts there are, in words."""
    agencies = plural("{n} agency", "{n} agencies", len(inventory.agencies))
    return f"{agencies}, {plural('{n} host', '{n} hosts', len(inventory.hosts))}"


@command.command("list")
@options.workspace
@options.agencies
def list_hosts(workspace: str | None, agencies: tuple[str, ...]) -> None:
    """Every agency and its hosts, as of today."""
    from datetime import UTC, datetime

    from secscan.cli.parts import open_workspace

    inventory = open_workspace(workspace).load_inventory()
    today = datetime.now(UTC).date()
    rows = []
    for agency in inventory.agencies.values():
        if agencies and agency.id not in agencies:
            continue
        for host in inventory.hosts_of(agency.id, today):
            where = ", ".join((*host.addresses, *host.names))
            services = ", ".join(str(port) for port in sorted({s.service.port for s in host.services}))
            rows.append((agency.id, agency.name(in_use()), host.id, where, host.role, services))
    columns = [_("Agency"), _("Name"), _("Host"), _("Where"), _("Role"), _("Services")]
    out().print(table("", columns, rows))


@command.command("move")
@click.argument("id")
@options.workspace
@click.option("--to", metavar="AGENCY", help="The agency a host is moved to, or an agency becomes part of.")
@click.option("--top", is_flag=True, help="The agency is part of no other any more.")
@click.option(
    "--merge-into", metavar="AGENCY", help="The agency that takes in all hosts of this one, which ends."
)
@click.option(
    "--name", "names", multiple=True, metavar="LANG=NAME", help="What the agency is called now; repeatable."
)
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The first day that hosts are of the other agency, today or before; default: today.",
)
@click.option("--write", "--yes", "write_now", is_flag=True, help="Write the files; else it is only shown.")
def move(
    id: str,
    workspace: str | None,
    to: str | None,
    top: bool,
    merge_into: str | None,
    names: tuple[str, ...],
    since: "datetime | None",
    write_now: bool,
) -> None:
    """Rename the agency ID, move the host or agency ID, or merge the agency ID into another.

    What it does to the files is shown as a diff, and done with --write; comments stay. Ids are kept, because they
    carry the history: findings go with their host, and what was judged before stays as it was.
    """
    from secscan.cli.parts import open_workspace
    from secscan.inventory import merge_agencies, move_agency, move_host, rename_agency, write_edits
    from secscan.scope import utc_now

    if sum((to is not None, top, merge_into is not None, bool(names))) != 1:
        raise click.UsageError(_("Say what is to become of it: one of --to, --top, --merge-into and --name."))
    place = open_workspace(workspace)
    today = utc_now().date()
    day = since.date() if since else today
    if day > today:
        # Until then a host would be nobody's, and nobody would look at it.
        raise click.UsageError(_("{day} is still to come; move it then.").format(day=day.isoformat()))
    if names:
        edits = rename_agency(place.inventory, id, _names(names))
    elif merge_into is not None:
        edits = merge_agencies(place.inventory, id, merge_into, day)
    elif to is not None and id in place.load_inventory().hosts:
        edits = move_host(place.inventory, id, to, day)
    else:
        edits = move_agency(place.inventory, id, to)
    if not edits:
        click.echo(_("The inventory says so already."))
        return
    for edit in edits:
        _print_edit(edit)
    if not write_now:
        click.echo(_("Nothing was written yet: --write does it."), err=True)
        return
    write_edits(edits)
    click.echo(plural("{n} file written.", "{n} files written.", len(edits)), err=True)


@command.command("export")
@options.workspace
@options.agencies
def export(workspace: str | None, agencies: tuple[str, ...]) -> None:
    """Every host as CSV for a spreadsheet, on standard output: a row a host, to be edited and imported again.

    A cell that a spreadsheet would take for a formula, a number or a date is led by an apostrophe; leave it there, or
    take it off. Backups are counted, not listed: they are declared in the agency's file.
    """
    from secscan.cli.parts import open_workspace, with_children
    from secscan.inventory import inventory_rows
    from secscan.inventory.table import COLUMNS
    from secscan.spreadsheet import plain_lines

    place = open_workspace(workspace)
    chosen = with_children(place.load_inventory(), agencies)
    write(plain_lines(COLUMNS, inventory_rows(place.inventory, chosen)))


@command.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@options.workspace
@click.option("--write", "--yes", "write_now", is_flag=True, help="Write the files; else it is only shown.")
def import_(file: Path, workspace: str | None, write_now: bool) -> None:
    """Bring the CSV in FILE into the inventory, as a spreadsheet or secscan inventory export wrote it.

    What it does to the files is shown as a diff, and done with --write; comments stay. Hosts that FILE does not name
    stay as they are, and so does what FILE has no column for; an empty cell takes the key away. A host of no agency yet
    is added, and so is an agency that has a name.
    """
    from secscan.cli.parts import open_workspace
    from secscan.inventory import import_table, write_edits

    place = open_workspace(workspace)
    brought = import_table(place.inventory, file)
    for edit in brought.edits:
        _print_edit(edit)
    if brought.absent:
        said = plural(
            "{n} host is not in the table, and stays: {ids}",
            "{n} hosts are not in the table, and stay: {ids}",
            len(brought.absent),
        )
        ids = ", ".join(brought.absent[:MOST_NAMED]) + (", …" if len(brought.absent) > MOST_NAMED else "")
        click.echo(said.format(ids=ids), err=True)
    if not brought.edits:
        click.echo(_("The inventory says so already."))
        return
    if not write_now:
        click.echo(_("Nothing was written yet: --write does it."), err=True)
        return
    write_edits(brought.edits)
    click.echo(plural("{n} file written.", "{n} files written.", len(brought.edits)), err=True)


def _names(given: tuple[str, ...]) -> dict[str, str]:
    names = {}
    for one in given:
        language, equals, name = one.partition("=")
        if not (language and equals and name):
            raise click.UsageError(
                _("{value} is not a name; write it as vi=NAME or en=NAME.").format(value=repr(one))
            )
        names[language] = name
    return names


def _print_edit(edit: "Edit") -> None:
    import difflib

    from secscan.report.text import visible

    after = edit.after or ""
    lines = difflib.unified_diff(
        edit.before.splitlines(),
        after.splitlines(),
        str(edit.path),
        str(edit.path) if edit.after is not None else "/dev/null",
        lineterm="",
    )
    for line in lines:
        click.echo(visible(line, limit=1_000))
