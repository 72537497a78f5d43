"""The command line: the only place that prints or exits. Each command is imported when it is asked for."""

import contextlib
import importlib
import os
import sys
from typing import Any

import click

from secscan.language import LANGUAGES

#: Command -> the module that has it, and its one line in ``--help`` (so that help imports nothing heavy).
COMMANDS = {
    "audit": "look at single hosts once, without a workspace",
    "init": "write a new, commented workspace",
    "doctor": "what is installed, what is missing, and what that costs",
    "inventory": "check and list the inventory",
    "trust": "show the SSH keys of hosts, and trust those that are right",
    "explain-access": "what a host has to allow to be looked at from the inside",
    "feeds": "bring in advisories and other reference data, and carry them on",
    "scan": "look at the hosts of the inventory, judge them, store the result",
    "runs": "list the runs in the store",
    "show": "one run: agencies, grades, coverage",
    "findings": "list findings",
    "certs": "when certificates end, one line a renewal",
    "diff": "what changed between two runs",
    "why": "why an agency's score changed, cause by cause",
    "score": "judge what is stored again, by any baseline, as of any day",
    "whatif": "what to fix first, and what each fix gains",
    "waive": "leave a failure as it is until a day",
    "waivers": "what is waived, by whose leave, until when",
    "verify": "look at one finding again: is it fixed?",
    "report": "write the scorecards, as pages and on paper; verify a signed one",
    "letter": "tell each agency's owner what to mend, and by when",
    "checks": "list and explain the checks",
    "profiles": "list and show the baselines",
    "db": "look after the database",
}


#: The exit code of a mistake of ours: EX_SOFTWARE of sysexits.h, so that it is never taken for a finding.
INTERNAL_ERROR = 70


class LazyGroup(click.Group):
    """A group whose commands live in modules of this package, imported when they run."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        if name not in COMMANDS:
            return None
        from secscan.cli.translated import translated

        command: click.Command = importlib.import_module(f"secscan.cli.{name.replace('-', '_')}").command
        return translated(command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            from secscan.language import _

            near = difflib.get_close_matches(args[0], COMMANDS, 1)
            hint = _(" Did you mean {near!r}?").format(near=near[0]) if near else ""
            unknown = _("There is no command {name!r}.").format(name=args[0])
            raise click.UsageError(unknown + hint + _(" See: secscan --help"), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        from secscan.language import _

        with formatter.section(_("Commands")):
            formatter.write_dl([(name, _(about)) for name, about in COMMANDS.items()])


def _version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from secscan import __version__

        click.echo(f"secscan {__version__}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Say the version."
)
@click.option(
    "--lang",
    type=click.Choice(LANGUAGES),
    help="Default: from secscan.toml where there is one, else from LANG.",
)
def program(lang: str | None) -> None:
    """How well each agency's servers are protected, and the proof of it.

    secscan looks only at hosts that you own and name. It reads and never changes, guesses no password, runs
    no exploit.

    Exit codes: 0 clean, 1 findings at or above --fail-on, 2 usage or configuration error, 3 too little was
    seen.
    """


def main(args: list[str] | None = None) -> Any:
    """The entry point of ``secscan``; ends the process with the exit code."""
    from secscan.cli.console import OutputError, prepare_output

    prepare_output()
    try:
        code = _run(args)
        # What is still held back fails here, where it can be told, and not when the interpreter ends.
        sys.stdout.flush()
    except OutputError as e:
        e.silence()
        # The reader of our output is gone (`secscan findings | head`): nothing is wrong, nothing can be said.
        code = 0 if e.reader_is_gone else 2
        if code:
            with contextlib.suppress(OutputError):
                click.echo(str(e), err=True)
    sys.exit(code if isinstance(code, int) else 0)


def _language(args: list[str]) -> str | None:
    """What --lang says, before anything else is read: mistakes and help come in that language too."""
    for at, argument in enumerate(args):
        name, _, value = argument.partition("=")
        if name == "--lang":
            wanted = value or "".join(args[at + 1 : at + 2])
            return wanted if wanted in LANGUAGES else None
        if not argument.startswith("-"):
            break
    return None


def _run(args: list[str] | None) -> Any:
    from secscan.cli.console import OutputError, operators_mistake, our_mistake, speak
    from secscan.cli.translated import translated

    speak(_language(sys.argv[1:] if args is None else args))

    try:
        return translated(program).main(args, prog_name="secscan", standalone_mode=False)
    except click.exceptions.Abort:
        return 130
    except KeyboardInterrupt:
        return 130
    except click.ClickException as e:
        e.show()
        return e.exit_code
    except OutputError:
        raise
    except Exception as e:
        if os.environ.get("SECSCAN_DEBUG"):
            raise
        words = operators_mistake(e)
        click.echo(words or our_mistake(e), err=True)
        return 2 if words else INTERNAL_ERROR
