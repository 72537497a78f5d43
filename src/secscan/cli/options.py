"""Options that several commands share. Imports click alone, so that ``--help`` stays quick."""

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
