"""secscan inventory: check, list."""

from typing import TYPE_CHECKING

import click

from secscan.cli import options
from secscan.cli.console import out, table
from secscan.language import _, in_use, plural

if TYPE_CHECKING:
    from secscan.model import Inventory


@click.group("inventory")
def command() -> None:
    """Check and list the inventory."""


@command.command("check")
@options.workspace
def check(workspace: str | None) -> None:
    """Name every mistake in the workspace by file, line and key; exit with 2 where there is one."""
    from secscan.cli.parts import find_all_checks, open_workspace
    from secscan.toml_source import ConfigurationError, Mistake

    place = open_workspace(workspace)
    mistakes: list[Mistake] = []
    counted = ""
    for part in ("settings", "scope", "inventory", "anchors", "profile"):
        try:
            match part:
                case "settings":
                    place.load_settings()
                case "scope":
                    place.load_scope()
                case "inventory":
                    inventory = place.load_inventory()
                    counted = counted_parts(inventory)
                case "anchors":
                    place.load_anchors()
                case _:
                    from secscan.baseline import load_baseline

                    checks = find_all_checks(None, place)
                    load_baseline(place.load_settings().profile, checks, folder=place.profiles)
        except ConfigurationError as e:
            mistakes += [mistake for mistake in e.mistakes if mistake not in mistakes]
    if mistakes:
        raise ConfigurationError(mistakes)
    click.echo(_("No mistake found: {counted}.").format(counted=counted))


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
