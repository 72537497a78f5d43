"""Options that several commands share. Imports click alone, so that ``--help`` stays quick."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

#: Where things are.
workspace = click.option(
    "--workspace",
    "-C",
    "workspace",
    metavar="DIR",
    help="The workspace; default: this folder or one above it.",
)
checks_dir = click.option(
    "--checks-dir", metavar="DIR", type=click.Path(exists=True, file_okay=False), help="Checks of your own."
)

#: What makes the exit code 1 or 3.
fail_on = click.option(
    "--fail-on",
    type=click.Choice(["critical", "high", "medium", "low", "info", "never"]),
    default="high",
    show_default=True,
    help="Exit with 1 where a finding of this severity or graver is open.",
)
coverage = click.option(
    "--min-coverage",
    type=click.FloatRange(0, 100),
    default=None,
    metavar="PERCENT",
    help="Exit with 3 where less than this was seen; default: what the profile calls enough.",
)
profile = click.option(
    "--profile", metavar="NAME", help="The baseline to judge by; see: secscan profiles list"
)
agencies = click.option(
    "--agency", "agencies", multiple=True, metavar="ID", help="Only this agency; repeatable."
)

#: How closely TLS is looked at, where a scan of a fleet is quick about it.
deep = click.option(
    "--deep",
    is_flag=True,
    help="Ask TLS servers about every suite and group, and have sslyze ask them too: some hundred connections to each.",
)

#: Imported reference data, for commands that need no workspace.
feeds = click.option(
    "--feeds",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Imported reference data; default: that of the workspace around this folder, else your own.",
)


def login(command: Callable[..., Any]) -> Callable[..., Any]:
    """How ``--ssh`` logs in. The secret itself is never an option: anybody could read it in the list of processes."""
    for option in reversed(
        (
            click.option(
                "--ssh-port",
                "port",
                type=click.IntRange(1, 65535),
                metavar="PORT",
                help="Default: that of ~/.ssh/config, else 22.",
            ),
            click.option(
                "--identity",
                "-i",
                "key_file",
                metavar="FILE",
                type=click.Path(exists=True, dir_okay=False, path_type=Path),
                help="The private key to log in with.",
            ),
            click.option(
                "--password-env",
                metavar="VARIABLE",
                default="",
                help="The environment variable that holds the password, or the passphrase of the --identity. "
                "A password is never sent to a jump host.",
            ),
            click.option(
                "--jump",
                "jumps",
                metavar="[USER@]HOST[:PORT]",
                multiple=True,
                help="A jump host on the way; repeatable, in their order.",
            ),
            click.option(
                "--sudo", is_flag=True, help="Ask sudo, without a password, for what only root can read."
            ),
            click.option(
                "--known-hosts",
                metavar="FILE",
                type=click.Path(dir_okay=False, path_type=Path),
                help="Whose key is whose; default: ~/.ssh/known_hosts.",
            ),
        )
    ):
        command = option(command)
    return command
