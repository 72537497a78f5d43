"""secscan explain-access: what a host has to allow, and no more, to be looked at from the inside."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from secscan.cli import options
from secscan.cli.console import visible
from secscan.language import _

if TYPE_CHECKING:
    from secscan.credential import Credential
    from secscan.model import Host
    from secscan.workspace import Settings, Workspace


@click.command("explain-access")
@click.argument("name", metavar="HOST", required=False)
@click.option("--account", metavar="NAME", help="Default: the user of the host's credential, else secscan.")
@click.option(
    "--key",
    "key_file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The public key; default: the .pub beside the credential's key file.",
)
@click.option("--from", "sources", metavar="ADDRESS", multiple=True, help="Where secscan runs; repeatable.")
@click.option("--script", is_flag=True, help="Print the script that is run on hosts, and nothing else.")
@options.workspace
def command(
    name: str | None,
    account: str | None,
    key_file: Path | None,
    sources: tuple[str, ...],
    script: bool,
    workspace: str | None,
) -> None:
    """Print the least-privilege set-up for HOST: the account, its key, and sudo for what needs it.

    Jump hosts on the way come first. Nothing is connected to, and nothing is changed.
    """
    from secscan.cli.parts import workspace_around
    from secscan.collection.ssh import EXAMPLE_KEY, explain_access, script_text

    if script:
        click.echo(script_text(), nl=False)
        return
    if not name:
        raise click.UsageError(_("Name the host, or give --script."))
    place = workspace_around(workspace)
    host, settings = _host(name, place), place.load_settings() if place else None
    credential = settings.credentials.get(host.credential) if settings else None
    parts = []
    if settings and credential:
        parts += list(_jumps(host, credential, settings, sources))
    user = account or (credential.user if credential else "secscan")
    key = key_file.read_text("utf-8", "replace") if key_file else _public_key(credential)
    parts.append(explain_access(host, user, public_key=key or EXAMPLE_KEY, sources=sources))
    # Names of accounts and hosts come from files of the operator's; a terminal is shown them like any other text.
    click.echo("\n".join(visible(part) for part in parts), nl=False)
    if not key:
        click.echo(
            _(
                "\nThe key is an example. Make one with: ssh-keygen -t ed25519 -f FILE, and give FILE.pub to --key"
            ),
            err=True,
        )


def _host(name: str, place: "Workspace | None") -> "Host":
    from secscan.cli.hosts import require_host
    from secscan.model import Host

    # Audits need no workspace, and neither does preparing a host for one.
    return require_host(name, place.load_inventory().hosts) if place else Host(name)


def _jumps(
    host: "Host", credential: "Credential", settings: "Settings", sources: tuple[str, ...]
) -> Iterator[str]:
    """A part for each jump host on the way; each is connected to from the one before."""
    from secscan.collection.ssh import EXAMPLE_KEY, explain_jump

    ends = [(address, credential.port) for address in (host.addresses or host.names)]
    for number, jump in enumerate(credential.jump):
        after = credential.jump[number + 1 : number + 2]
        login = settings.credentials[jump.credential]
        yield explain_jump(
            jump,
            login.user,
            [(next_one.address, next_one.port) for next_one in after] or ends,
            public_key=_public_key(login) or EXAMPLE_KEY,
            sources=sources if number == 0 else (),
        )


def _public_key(credential: "Credential | None") -> str:
    """The line of the .pub file beside a key, or nothing where there is none to be read."""
    if credential is None or credential.key_file is None:
        return ""
    try:
        text = credential.key_file.with_name(credential.key_file.name + ".pub").read_text("utf-8", "replace")
    except OSError:
        return ""
    return text.strip()
