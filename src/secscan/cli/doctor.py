"""secscan doctor: what is installed, what is missing, and what that costs."""

import os
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

import click

from secscan.cli import options
from secscan.cli.console import CLEAN, USAGE, out, table
from secscan.cli.inventory import counted_parts
from secscan.language import _, plural

#: Distribution -> what it is for, in words of the operator's.
LIBRARIES = {
    "sslyze": "TLS audit",
    "cryptography": "certificates",
    "python-nmap": "starts nmap",
    "sqlmodel": "the store",
    "jinja2": "scorecards",
}


@click.command("doctor")
@options.workspace
@click.pass_context
def command(ctx: click.Context, workspace: str | None) -> None:
    """What is installed, what is missing, and what that costs. Looks at no host."""
    rows = [*_machine(), *_libraries(), *_workspace(workspace)]
    marks = {True: _("ok"), None: _("note"), False: _("missing")}
    shown = [(marks[fine], what, found, cost) for fine, what, found, cost in rows]
    out().print(table("", ["", _("What"), _("Found"), _("What that means")], shown))
    ctx.exit(USAGE if any(fine is False for fine, *_rest in rows) else CLEAN)


_Row = tuple[bool | None, str, str, str]


def _machine() -> Iterator[_Row]:
    from secscan.cli.parts import cost_without_nmap
    from secscan.collection.ports import find_nmap

    python = ".".join(map(str, sys.version_info[:3]))
    yield True, "Python", python, ""
    nmap = find_nmap()
    if nmap is None:
        yield None, "nmap", _("not found"), cost_without_nmap()
    elif os.geteuid() != 0:
        cost = _("works; without root it connects to every port instead of sending single packets")
        yield True, "nmap", nmap.version, cost
    else:
        yield True, "nmap", nmap.version, ""


def _libraries() -> Iterator[_Row]:
    for name, purpose in LIBRARIES.items():
        try:
            yield True, name, version(name), ""
        except PackageNotFoundError:
            yield False, name, _("not found"), _("needed for: {purpose}").format(purpose=_(purpose))


def _workspace(folder: str | None) -> Iterator[_Row]:
    from datetime import UTC, datetime

    from secscan.inventory import load_inventory
    from secscan.scope import load_scope
    from secscan.toml_source import ConfigurationError
    from secscan.workspace import around

    place = around(folder)
    if place is None:
        yield None, _("workspace"), _("none here"), _("audits need none; for scans: secscan init DIR")
        return
    yield True, _("workspace"), str(place.folder), ""
    try:
        inventory = load_inventory(place.inventory)
    except ConfigurationError as e:
        count = plural("{n} mistake", "{n} mistakes", len(e.mistakes))
        yield False, _("inventory"), count, _("see: secscan inventory check")
    else:
        yield True, _("inventory"), counted_parts(inventory), ""
    try:
        scope = load_scope(place.scope)
    except ConfigurationError as e:
        count = plural("{n} mistake", "{n} mistakes", len(e.mistakes))
        yield False, _("scope"), count, str(e.mistakes[0])
    else:
        valid = not scope.expired(datetime.now(UTC))
        until = str(scope.expires)
        cost = "" if valid else _("nothing is scanned under an expired scope: renew it in scope.toml")
        yield valid, _("scope, valid until"), until, cost
