"""secscan init: a new, commented workspace."""

from datetime import UTC, datetime
from pathlib import Path

import click

from secscan.language import _


@click.command("init")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
def command(folder: Path) -> None:
    """Write a new, commented workspace into DIR. Overwrites nothing."""
    from secscan.workspace import write_new

    write_new(folder, today=datetime.now(UTC).date())
    click.echo(_("Wrote a workspace into {folder}.").format(folder=folder))
    click.echo(
        _(
            "Next: name your agencies and hosts in {inventory}, allow their networks in {scope}, then\n"
            "  secscan inventory check -C {folder}\n  secscan scan -C {folder}"
        ).format(inventory=folder / "inventory", scope=folder / "scope.toml", folder=folder)
    )
