"""What the commands share: the terminal, the language, and mistakes in an operator's words."""

import os
import sys
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from secscan.language import _, use

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

#: Exit codes of the design.
CLEAN, FINDINGS, USAGE, COVERAGE = 0, 1, 2, 3


def speak(language: str | None) -> None:
    """Uses ``language``, or that of the environment (LC_ALL, LC_MESSAGES, LANG), or English."""
    environment = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    use(language or next(filter(None, environment), "en"))


def out() -> "Console":
    """The terminal for data: standard output. Colour on a terminal only; NO_COLOR is respected."""
    return _console(stderr=False)


def err() -> "Console":
    """The terminal for progress and messages: standard error."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> "Console":
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    # Output that is read by a program is not wrapped at 80 columns.
    width = None if stream.isatty() else int(os.environ.get("COLUMNS", "160"))
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=width, soft_wrap=False)


def table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[int] = ()
) -> "Table":
    """A plain table; ``right`` are the columns of numbers. Cells are text as it is, never markup."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    shown = Table(title=title or None, box=box.SIMPLE, title_justify="left", title_style="bold")
    for i, column in enumerate(columns):
        shown.add_column(column, justify="right" if i in right else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(Text(visible(cell)) for cell in row))
    return shown


def visible(text: str) -> str:
    """Host text for a terminal: no escape sequence, no control or invisible character, line breaks kept."""
    from secscan.report.text import visible as shown

    return "\n".join(shown(line) for line in text.split("\n"))


#: Mistakes that are the operator's to mend, by module. A module that was never imported has raised none.
OPERATORS_MISTAKES = {
    "secscan.registry": ["RegistryError"],
    "secscan.scope": ["ScopeError"],
    "secscan.toml_source": ["ConfigurationError"],
    "secscan.workspace": ["WorkspaceError"],
    "secscan.store": ["StoreError"],
    "secscan.engine.run": ["RunError"],
    "secscan.report.rendering": ["ReportError"],
}


def operators_mistake(error: Exception) -> str | None:
    """The message for a mistake that is the operator's to mend, or None where the error is ours."""
    for module, names in OPERATORS_MISTAKES.items():
        loaded = sys.modules.get(module)
        if loaded is not None and isinstance(error, tuple(getattr(loaded, name) for name in names)):
            return visible(str(error))
    if isinstance(error, OSError):
        return visible(_("{what}: {why}").format(what=error.filename or "", why=error.strerror or error))
    return None


def our_mistake(error: Exception) -> str:
    """The message for what should not have happened. The error may quote a host."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    return _(
        "secscan itself failed: {error} ({file}:{line}). Please report it, with what SECSCAN_DEBUG=1 shows."
    ).format(
        error=visible(f"{type(error).__name__}: {error}"), file=Path(where.filename).name, line=where.lineno
    )
