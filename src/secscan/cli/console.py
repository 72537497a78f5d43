"""What the commands share: the terminal, the language, and mistakes in an operator's words."""

import gettext
import io
import os
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from secscan.language import DOMAIN, LANGUAGES, _, code_of, use

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer
    from rich.console import Console
    from rich.table import Table

#: Exit codes of the design.
CLEAN, FINDINGS, USAGE, COVERAGE = 0, 1, 2, 3


class OutputError(Exception):
    """Standard output or standard error can't be written.

    It is no OSError on purpose: Click and Rich take a broken pipe for theirs and end with 1, the code of a finding,
    and an OSError says nothing of which file failed.
    """

    def __init__(self, descriptor: int, error: OSError) -> None:
        what = _("standard output") if descriptor == 1 else _("standard error")
        super().__init__(_("{what}: {why}").format(what=what, why=error.strerror or error))
        self._descriptor = descriptor
        self.reader_is_gone = isinstance(error, BrokenPipeError)

    def silence(self) -> None:
        """Lets what is still held back go nowhere: the interpreter would fail over it as it ends."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._descriptor)
        os.close(nowhere)


class _Output(io.RawIOBase):
    """A standard stream that raises OutputError."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        return True

    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return os.write(self._descriptor, data)
        except OSError as e:
            raise OutputError(self._descriptor, e) from e


def prepare_output() -> None:
    """Makes the standard streams raise OutputError, and show the number of a letter that their encoding lacks."""
    sys.stdout, sys.stderr = (_prepared(stream) for stream in (sys.stdout, sys.stderr))


def _prepared(stream: TextIO) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Output(stream.fileno())),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
    )


def speak(language: str | None) -> None:
    """Uses ``language``, or that of the environment, or English; click too, which goes by LANGUAGE alone.

    What is started from here on inherits LANGUAGE. Where another program's words are read, LC_ALL=C outdoes it.
    """
    chosen = language or language_of(os.environ)
    use(chosen)
    gettext.bindtextdomain(DOMAIN, str(files("secscan.reports").joinpath("locale")))
    gettext.textdomain(DOMAIN)
    os.environ["LANGUAGE"] = chosen


def language_of(environment: Mapping[str, str]) -> str:
    """The language of LC_ALL, LC_MESSAGES or LANG, whichever is set first; the first of LANGUAGE that is ours before it.

    As gettext does (GNU gettext manual, "The LANGUAGE variable"): where the locale is C or POSIX, LANGUAGE does not
    count, and English it is.
    """
    locales = (environment.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    locale = next(filter(None, locales), "C")
    if locale.partition(".")[0] in ("C", "POSIX"):
        return "en"
    for wanted in (*environment.get("LANGUAGE", "").split(":"), locale):
        if code_of(wanted) in LANGUAGES:
            return code_of(wanted)
    return "en"


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


def write(document: str | Iterable[str]) -> None:
    """Writes CSV, HTML or JSON to standard output: in UTF-8, as they promise, whatever the terminal speaks.

    What is given in pieces is written as it comes.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    for piece in (document,) if isinstance(document, str) else document:
        sys.stdout.write(piece)


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
    "secscan.inventory": ["MoveError"],
    "secscan.store": ["StoreError"],
    "secscan.feeds.errors": ["FeedError"],
    "secscan.credential": ["CredentialError"],
    "secscan.collection.ssh": ["AccessError", "SshConfigError"],
    "secscan.engine.login": ["LoginError"],
    "secscan.engine.targets": ["TargetError"],
    "secscan.engine.run": ["RunError"],
    "secscan.engine.replay": ["ReplayError"],
    "secscan.report.folder": ["ReportError"],
    "secscan.report.paper": ["PaperError"],
}


def operators_mistake(error: Exception) -> str | None:
    """The message for a mistake that is the operator's to mend, or None where the error is ours."""
    for module, names in OPERATORS_MISTAKES.items():
        loaded = sys.modules.get(module)
        if loaded is not None and isinstance(error, tuple(getattr(loaded, name) for name in names)):
            return visible(str(error))
    if isinstance(error, OSError):
        why = error.strerror or str(error)
        return visible(_("{what}: {why}").format(what=error.filename, why=why) if error.filename else why)
    return None


def our_mistake(error: Exception) -> str:
    """The message for what should not have happened. The error may quote a host."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    return _(
        "secscan itself failed: {error} ({file}:{line}). Please report it, with what SECSCAN_DEBUG=1 shows."
    ).format(
        error=visible(f"{type(error).__name__}: {error}"), file=Path(where.filename).name, line=where.lineno
    )
