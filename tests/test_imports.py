"""The layers of the house: what each part of the program may import, read from the source of every module."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

#: Part -> the parts it may see beside itself. Whatever is not here may not be imported; ``""`` is the package itself,
#: which holds the version and nothing else.
MAY_SEE: dict[str, set[str]] = {
    "": set(),
    "model": set(),
    "facts": {"model"},
    "reference": {"facts", "model"},
    "check": {"facts", "model", "reference"},
    "checks": {"check", "facts", "model", "reference"},
    "profiles": set(),
    "reports": set(),
    "language": {"model"},
    "alphabet": set(),
    "credential": {"language"},
    "toml_source": {"language"},
    "scope": {"language", "model", "toml_source"},
    "spreadsheet": {"language", "toml_source"},
    "inventory": {"facts", "language", "model", "scope", "spreadsheet", "toml_source"},
    "registry": {"check", "facts", "model"},
    "baseline": {"check", "facts", "language", "model", "toml_source"},
    "workspace": {
        *("baseline", "credential", "facts", "inventory", "language", "model", "registry", "scope"),
        "toml_source",
    },
    "evaluation": {"baseline", "check", "facts", "model"},
    "ladder": {"model"},
    "scoring": {"baseline", "model"},
    "history": {"baseline", "check", "evaluation", "facts", "model", "scoring"},
    "collection": {"credential", "facts", "language", "model", "scope"},
    "feeds": {"facts", "language", "model", "reference"},
    "store": {"", "facts", "history", "inventory", "language", "model"},
    "report": {
        "",
        "alphabet",
        "baseline",
        "check",
        "facts",
        "history",
        "ladder",
        "language",
        "model",
        "scoring",
        "spreadsheet",
    },
    "engine": {
        "",
        "baseline",
        "check",
        "collection",
        "credential",
        "evaluation",
        "facts",
        "feeds",
        "history",
        "inventory",
        "language",
        "model",
        "reference",
        "registry",
        "scope",
        "scoring",
        "store",
        "toml_source",
        "workspace",
    },
    "publication": {
        *("baseline", "check", "engine", "facts", "history", "inventory", "language", "model", "report"),
        *("scoring", "store"),
    },
    "__main__": {"cli"},
}
MAY_SEE["cli"] = set(MAY_SEE) - {"__main__", "checks"}

#: Judgement takes values and returns values. These parts see no clock, disk, network or database: of everything that
#: is not ours they may import only this.
PURE = {"model", "facts", "reference", "check", "checks", "evaluation", "history", "ladder", "scoring"}
PURE_LIBRARIES = {
    *("abc", "base64", "bisect", "collections", "contextlib", "dataclasses", "datetime", "decimal", "enum"),
    *("fnmatch", "fractions", "functools", "hashlib", "heapq", "inspect", "ipaddress", "itertools", "json"),
    *(
        "math",
        "operator",
        "re",
        "statistics",
        "string",
        "textwrap",
        "types",
        "typing",
        "unicodedata",
        "warnings",
    ),
    *("cryptography", "idna", "msgspec", "pydantic"),
}
IMPURE_CALLS = {"open", "print", "input", "exec", "eval", "__import__", "breakpoint"}
CLOCKS = {"now", "utcnow", "today"}


def modules() -> Iterator[tuple[str, Path]]:
    """Every module of the program under the name it is imported by."""
    for folder, package in (
        (ROOT / "src/secscan", "secscan"),
        (ROOT / "checks", "secscan.checks"),
        (ROOT / "profiles", "secscan.profiles"),
        (ROOT / "reports", "secscan.reports"),
    ):
        for file in sorted(folder.rglob("*.py")):
            # A link to checks/ lies in src/secscan for type checkers; its files are read where they are.
            if folder.name == "secscan" and file.is_relative_to(folder / "checks"):
                continue
            parts = (package, *file.relative_to(folder).with_suffix("").parts)
            yield ".".join(part for part in parts if part != "__init__"), file


def part_of(module: str) -> str:
    """``scope`` for secscan.scope.gate."""
    return module.split(".")[1] if "." in module else ""


def imported(module: str, tree: ast.AST, *, is_package: bool = False) -> Iterator[tuple[int, str]]:
    """Line and full name of all that a module imports, wherever it does so, relative names resolved."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")
            above = above[: len(above) - node.level + is_package] if node.level else []
            source = ".".join([*above, *filter(None, [node.module])])
            if source == "secscan":
                # ``from secscan import store`` is an import of the part, ``from secscan import __version__`` is not.
                for alias in node.names:
                    yield node.lineno, f"secscan.{alias.name}" if alias.name in MAY_SEE else "secscan"
            else:
                yield node.lineno, source


def breaches(module: str, text: str, *, is_package: bool = False) -> list[str]:
    """What in this module goes against the layers, a sentence each."""
    tree = ast.parse(text)
    part = part_of(module)
    if part not in MAY_SEE:
        return [f"{module}: no layer is known for {part!r}; say in {Path(__file__).name} what it may see"]
    found = []
    for line, name in imported(module, tree, is_package=is_package):
        top = name.split(".")[0]
        if top == "checks":
            found.append(f"{module}:{line}: imports {name}; it is called secscan.{name}")
        elif top == "secscan":
            seen = part_of(name)
            if seen != part and seen not in MAY_SEE[part]:
                found.append(f"{module}:{line}: {part or 'secscan'} may not see {seen or 'secscan'}")
        elif part in PURE and top not in PURE_LIBRARIES:
            found.append(f"{module}:{line}: {part} is pure and may not import {name}")
    if part in PURE:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _is_impure(node.func):
                found.append(
                    f"{module}:{node.lineno}: {part} is pure and may not call {ast.unparse(node.func)}"
                )
    return found


def _is_impure(function: ast.expr) -> bool:
    if isinstance(function, ast.Name):
        return function.id in IMPURE_CALLS
    return isinstance(function, ast.Attribute) and function.attr in CLOCKS


# --- The house ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("module", "file"), list(modules()), ids=lambda v: v if isinstance(v, str) else "")
def test_a_module_sees_only_what_lies_below_it(module: str, file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert breaches(module, text, is_package=file.name == "__init__.py") == []


@pytest.mark.parametrize("folder", ["tests", "tools", "bench"])
def test_nothing_imports_checks_by_the_name_of_its_folder(folder: str) -> None:
    wrong = [
        f"{file.relative_to(ROOT)}:{line}"
        for file in sorted((ROOT / folder).rglob("*.py"))
        for line, name in imported("", ast.parse(file.read_text(encoding="utf-8")))
        if name.split(".")[0] == "checks"
    ]
    assert wrong == []


def test_every_part_is_found() -> None:
    names = {module for module, _file in modules()}
    assert {
        "secscan",
        "secscan.model",
        "secscan.scope.gate",
        "secscan.checks.port",
        "secscan.reports",
    } <= names


def test_the_layers_have_no_way_round() -> None:
    remaining = dict(MAY_SEE)
    while free := [part for part, below in remaining.items() if not below & remaining.keys() - {part}]:
        for part in free:
            del remaining[part]
    assert remaining == {}


# --- The test itself ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("secscan.model", "from secscan.facts import Facts"),
        ("secscan.model", "import secscan"),
        ("secscan.facts.tls", "import secscan.check"),
        ("secscan.check", "from secscan.baseline.rules import Rule"),
        ("secscan.checks.port", "from secscan.scope import Gate"),
        ("secscan.checks.port", "from ..scope import Gate"),
        ("secscan.checks.port", "import socket"),
        ("secscan.checks.port", "import requests"),
        ("secscan.checks.port", "def f():\n    import os"),
        ("secscan.collection.ports", "from secscan.store import Store"),
        ("secscan.collection.ports", "from secscan.check import check"),
        ("secscan.evaluation", "import time"),
        ("secscan.evaluation", "from datetime import datetime\nx = datetime.now()"),
        ("secscan.history", "from secscan.store import Store"),
        ("secscan.history", "x = open('f')"),
        ("secscan.scoring", "import sqlmodel"),
        ("secscan.scoring", "from secscan.collection import Collector"),
        ("secscan.store.runs", "from secscan import collection"),
        ("secscan.report.views.agency", "from secscan.collection.ports import top_ports"),
        ("secscan.registry", "from secscan.engine import run"),
        ("secscan.engine.run", "from secscan.cli import main"),
        ("secscan.cli.audit", "from secscan.checks import port"),
        ("secscan.cli.audit", "from checks import port"),
        ("secscan.engine.run", "import checks.port"),
        ("secscan.somewhere", ""),
    ],
)
def test_a_breach_is_seen(module: str, text: str) -> None:
    assert len(breaches(module, text)) == 1


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("secscan.model", "import enum\nfrom datetime import datetime"),
        ("secscan.facts.tls", "from secscan.facts.kind import Facts\nfrom secscan.model import Level"),
        ("secscan.facts.tls", "from .kind import Facts"),
        ("secscan.checks.port", "from secscan.check import check\nfrom cryptography import x509"),
        ("secscan.checks.port", "from secscan.checks.certificate import slot"),
        ("secscan.collection.ports", "import socket\nfrom secscan.scope import Gate"),
        ("secscan.engine.run", "from secscan import __version__"),
        ("secscan.cli.audit", "from secscan import engine, report"),
    ],
)
def test_what_is_allowed_is_let_through(module: str, text: str) -> None:
    assert breaches(module, text) == []
