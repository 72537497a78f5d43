"""What commands say of themselves, in the language in use."""

import copy
from collections.abc import Iterator

import click

from secscan.language import _


def translated(command: click.Command) -> click.Command:
    """A copy of the command, and of all commands below it, whose help is in the language in use.

    A copy, so that the next one who asks in another language is not answered in this one.
    """
    made = copy.copy(command)
    made.help = "\n\n".join(map(_, paragraphs(command.help or ""))) or None
    made.params = [_option(parameter) for parameter in command.params]
    if isinstance(made, click.Group):
        made.commands = {name: translated(below) for name, below in made.commands.items()}
    return made


def paragraphs(text: str) -> Iterator[str]:
    """Paragraph by paragraph, each on one line; one that is to keep its lines (``\\b``) as it is."""
    for paragraph in filter(None, (part.strip("\n ") for part in text.split("\n\n"))):
        yield paragraph if paragraph.startswith("\b") else " ".join(paragraph.split())


def _option(parameter: click.Parameter) -> click.Parameter:
    if not isinstance(parameter, click.Option) or not parameter.help:
        return parameter
    made = copy.copy(parameter)
    made.help = _(parameter.help)
    return made
