"""Writes reports/locale/secscan.pot from the sources, and brings every catalogue of a language up to it.

The sources are code, templates, what checks say of themselves, what commands say of themselves, and click. A catalogue
(LANGUAGE/LC_MESSAGES/secscan.po) keeps its translations; a message that is new to it is there without one. Nothing is
guessed, so nothing becomes fuzzy. Entries of messages that are gone stay, as a source of words, while any message
lacks its translation, and go with the last of these. Beside it the compiled catalogue (secscan.mo) is written.

With --check it writes nothing and fails where a file is not what it would write, or where a message can't be
extracted because it is put together where it is marked.
"""

import argparse
import ast
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import click
from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po, write_po

from secscan.check import Check
from secscan.cli import COMMANDS, program
from secscan.cli.translated import paragraphs
from secscan.registry import find_checks

ROOT = Path(__file__).parent.parent
TEMPLATE = ROOT / "reports/locale/secscan.pot"

Keywords: TypeAlias = dict[str, tuple[int, ...] | None]

#: Function -> which of its arguments are messages, as Babel counts them.
KEYWORDS: Keywords = {
    "_": None,
    "mark": None,
    "plural": (1, 2),
    "choose": (1, 2),
    "Text": None,
    "passed": None,
    "failed": None,
    "unknown": (2,),
    "not_applicable": None,
}

#: The same for click, which speaks through gettext on its own.
CLICK_KEYWORDS: Keywords = {"_": None, "ngettext": (1, 2)}

#: The same for templates, whose trans blocks come as calls of gettext's own functions.
TEMPLATE_KEYWORDS: Keywords = {**KEYWORDS, **CLICK_KEYWORDS, "gettext": None}

#: How templates are read; the same as in secscan.report.rendering.
TEMPLATE_OPTIONS = {
    "trimmed": "true",
    "newstyle_gettext": "true",
    "trim_blocks": "true",
    "lstrip_blocks": "true",
    "silent": "false",
}

#: Lines of the head that differ by day and by version of Babel.
VARIABLE = ('"POT-Creation-Date', '"Generated-By')

#: What puts a message together where it is marked: an f-string, a sum, a choice, a call such as ``.format()``.
PUT_TOGETHER = (ast.JoinedStr, ast.BinOp, ast.IfExp, ast.BoolOp, ast.Call)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail where the file is stale; write nothing")
    args = parser.parse_args()
    hidden = list(unextractable())
    for place in hidden:
        print(f"{place}: not a literal message; translate a template and fill in its values", file=sys.stderr)
    made = template()
    stale = [
        path.relative_to(ROOT).as_posix() for path, content in _files(made) if not _is_current(path, content)
    ]
    if not args.check:
        for path, content in _files(made):
            if not _is_current(path, content):
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(content)
        for path in _catalogues():
            print(_balance(path))
        return 0
    for name in stale:
        print(f"{name} is stale: run `make messages`", file=sys.stderr)
    return 1 if hidden or stale else 0


def updated(catalogue: Catalog, template: str) -> Catalog:
    """The catalogue with all messages of the template and no others, its translations kept.

    Obsolete entries are kept while a message lacks its translation: it may be an obsolete one reworded.
    """
    entries = read_po(io.StringIO(template))
    known = {(message.id, message.context): message for message in catalogue if message.id}
    catalogue.update(entries, no_fuzzy_matching=True, update_creation_date=False)
    for message in catalogue:
        # Babel leaves what it finds under the same singular: a message that got another plural is another message.
        before = known.get((message.id, message.context))
        if message.id and before is None:
            message.string = ("",) * catalogue.num_plurals if message.pluralizable else ""
    if not any(untranslated(catalogue)):
        catalogue.obsolete.clear()
    return catalogue


def untranslated(catalogue: Catalog) -> Iterator[str]:
    """The messages that have no translation, or one that is marked as doubtful."""
    for message in catalogue:
        strings = message.string if isinstance(message.string, (tuple, list)) else (message.string,)
        if message.id and (message.fuzzy or not all(strings)):
            yield message.id if isinstance(message.id, str) else message.id[0]


def template() -> str:
    """The message template, the same on every machine and every day."""
    catalogue = Catalog(
        project="secscan", version="", copyright_holder="The secscan engineers", charset="utf-8"
    )
    catalogue.header_comment = "# Messages of secscan. Made by tools/messages.py; do not edit."
    for path in _sources(".py"):
        name = path.relative_to(ROOT).as_posix()
        _add(catalogue, path, name, method="python", keywords=KEYWORDS, options={})
    for path in _sources(".j2"):
        name = path.relative_to(ROOT).as_posix()
        method = "jinja2.ext:babel_extract"
        _add(catalogue, path, name, method=method, keywords=TEMPLATE_KEYWORDS, options=TEMPLATE_OPTIONS)
    # What click says by itself: the words of usage, headings, mistakes.
    for path in sorted(Path(click.__file__).parent.glob("*.py")):
        name = f"click/{path.name}"
        _add(catalogue, path, name, method="python", keywords=CLICK_KEYWORDS, options={})
    for check in find_checks().values():
        _add_documentation(catalogue, check)
    for name, about in COMMANDS.items():
        catalogue.add(about, None, [("src/secscan/cli/__init__.py", 0)], auto_comments=[f"secscan {name}"])
    _add_command(catalogue, program, "secscan")
    return _written(catalogue)


def unextractable() -> Iterator[str]:
    """Places that mark a message no catalogue can have. A plain name is not one: it hands on what was marked."""
    for path in _sources(".py"):
        tree = ast.parse(path.read_text("utf-8"))
        keywords = KEYWORDS.keys() - _foreign(tree)
        for node in ast.walk(tree):
            if not (
                isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in keywords
            ):
                continue
            for place in KEYWORDS[node.func.id] or (1,):
                if len(node.args) >= place and isinstance(node.args[place - 1], PUT_TOGETHER):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}"


def _foreign(tree: ast.Module) -> set[str]:
    """Names that a library brings along under the name of one of ours: rich has a Text too."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {
        alias.asname or alias.name
        for node in imports
        for alias in node.names
        if not (node.module or "").startswith("secscan")
    }


def _sources(suffix: str) -> Iterator[Path]:
    for folder in ("src/secscan", "checks", "reports"):
        for path in sorted((ROOT / folder).rglob(f"*{suffix}")):
            # src/secscan/checks is a link to checks/, for type checkers.
            if not (folder == "src/secscan" and path.is_relative_to(ROOT / "src/secscan/checks")):
                yield path


def _files(template: str) -> Iterator[tuple[Path, bytes]]:
    """What there is to be, file by file."""
    yield TEMPLATE, template.encode()
    for path in _catalogues():
        catalogue = updated(_read(path), template)
        yield path, _written(catalogue).encode()
        compiled = io.BytesIO()
        write_mo(compiled, catalogue)
        yield path.with_suffix(".mo"), compiled.getvalue()


def _is_current(path: Path, content: bytes) -> bool:
    if not path.exists():
        return False
    if path.suffix == ".mo":
        # By what it says and not byte by byte: its head names the version of Babel that wrote it.
        return _said(path.read_bytes()) == _said(content)
    return path.read_bytes() == content


def _said(compiled: bytes) -> dict[Any, Any]:
    return {str(message.id): message.string for message in read_mo(io.BytesIO(compiled)) if message.id}


def _catalogues() -> list[Path]:
    return sorted(TEMPLATE.parent.glob(f"*/LC_MESSAGES/{TEMPLATE.stem}.po"))


def _read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=path.parent.parent.name)


def _balance(path: Path) -> str:
    catalogue = _read(path)
    lacking = sum(1 for _message in untranslated(catalogue))
    return (
        f"{path.relative_to(ROOT)}: {len(catalogue)} messages, {lacking} untranslated, "
        f"{len(catalogue.obsolete)} obsolete"
    )


def _written(catalogue: Catalog) -> str:
    written = io.BytesIO()
    # File names without line numbers: moving a line is no change to a message.
    write_po(written, catalogue, width=0, sort_output=True, include_lineno=False)
    lines = written.getvalue().decode().splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(VARIABLE))


def _add(
    catalogue: Catalog, path: Path, name: str, *, method: str, keywords: Keywords, options: dict[str, Any]
) -> None:
    with path.open("rb") as file:
        for _line, message, comments, context in extract(method, file, keywords, ("Translators:",), options):
            catalogue.add(message, None, [(name, 0)], auto_comments=comments, context=context)


def _add_documentation(catalogue: Catalog, check: Check) -> None:
    file = Path(check.function.__code__.co_filename).resolve().relative_to(ROOT).as_posix()
    for part, text in (("claim", check.claim), ("why", check.why), ("fix", check.fix)):
        catalogue.add(text, None, [(file, 0)], auto_comments=[f"{check.id}: {part}"])
    for name, limit in check.limits.model_fields.items() if check.limits is not None else ():
        if limit.description:
            catalogue.add(limit.description, None, [(file, 0)], auto_comments=[f"{check.id}: {name}"])


def _add_command(catalogue: Catalog, command: click.Command, path: str) -> None:
    """What a command and its options say in ``--help``, and the same of the commands below it."""
    file = "src/secscan/cli/__init__.py"
    if command.callback is not None and command is not program:
        file = Path(command.callback.__code__.co_filename).resolve().relative_to(ROOT).as_posix()
    for text in paragraphs(command.help or ""):
        catalogue.add(text, None, [(file, 0)], auto_comments=[path])
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.help:
            comments = [f"{path} {parameter.opts[0]}"]
            catalogue.add(parameter.help, None, [(file, 0)], auto_comments=comments)
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=path)
        for name in command.list_commands(context):
            below = command.commands.get(name) or command.get_command(context, name)
            if below is not None:
                _add_command(catalogue, below, f"{path} {name}")


if __name__ == "__main__":
    sys.exit(main())
