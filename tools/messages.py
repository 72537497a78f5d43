"""Writes reports/locale/secscan.pot from the sources: code, templates, and what checks say of themselves.

With --check it writes nothing and fails where the file is not what it would write, or where a message can't be
extracted because it is put together where it is marked.
"""

import argparse
import ast
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import write_po

from secscan.check import Check
from secscan.registry import find_checks

ROOT = Path(__file__).parent.parent
TEMPLATE = ROOT / "reports/locale/secscan.pot"

#: Function -> which of its arguments are messages, as Babel counts them.
KEYWORDS: dict[str, tuple[int, ...] | None] = {
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
    if not args.check:
        TEMPLATE.parent.mkdir(exist_ok=True)
        TEMPLATE.write_text(made, "utf-8")
        return 0
    if not TEMPLATE.exists() or TEMPLATE.read_text("utf-8") != made:
        print(f"{TEMPLATE.relative_to(ROOT)} is stale: run `make messages`", file=sys.stderr)
        return 1
    return 1 if hidden else 0


def template() -> str:
    """The message template, the same on every machine and every day."""
    catalogue = Catalog(
        project="secscan", version="", copyright_holder="The secscan engineers", charset="utf-8"
    )
    catalogue.header_comment = "# Messages of secscan. Made by tools/messages.py; do not edit."
    for path in _sources(".py"):
        _add(catalogue, path, "python", {})
    for path in _sources(".j2"):
        _add(catalogue, path, "jinja2.ext:babel_extract", TEMPLATE_OPTIONS)
    for check in find_checks().values():
        _add_documentation(catalogue, check)
    written = io.BytesIO()
    # File names without line numbers: moving a line is no change to a message.
    write_po(written, catalogue, width=0, sort_output=True, include_lineno=False)
    lines = written.getvalue().decode().splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(VARIABLE))


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


def _add(catalogue: Catalog, path: Path, method: str, options: dict[str, Any]) -> None:
    name = path.relative_to(ROOT).as_posix()
    with path.open("rb") as file:
        for _line, message, comments, context in extract(method, file, KEYWORDS, ("Translators:",), options):
            catalogue.add(message, None, [(name, 0)], auto_comments=comments, context=context)


def _add_documentation(catalogue: Catalog, check: Check) -> None:
    file = Path(check.function.__code__.co_filename).resolve().relative_to(ROOT).as_posix()
    for part, text in (("claim", check.claim), ("why", check.why), ("fix", check.fix)):
        catalogue.add(text, None, [(file, 0)], auto_comments=[f"{check.id}: {part}"])


if __name__ == "__main__":
    sys.exit(main())
