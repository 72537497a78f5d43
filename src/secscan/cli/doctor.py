"""secscan doctor: what is installed, what is missing, and what that costs."""

import os
import stat
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from secscan.cli import options
from secscan.cli.console import CLEAN, USAGE, out, table
from secscan.cli.inventory import counted_parts
from secscan.language import _, plural

if TYPE_CHECKING:
    from secscan.credential import Credential
    from secscan.model import Inventory
    from secscan.workspace import Settings, Workspace

#: Distribution -> what it is for, in words of the operator's.
LIBRARIES = {
    "sslyze": "deep TLS audit",
    "cryptography": "certificates",
    "python-nmap": "starts nmap",
    "sqlmodel": "the store",
    "jinja2": "scorecards",
    "paramiko": "looking from the inside (SSH)",
}


@click.command("doctor")
@options.workspace
@click.pass_context
def command(ctx: click.Context, workspace: str | None) -> None:
    """What is installed, what is missing, and what that costs. Looks at no host."""
    from secscan.cli.parts import workspace_around

    place = workspace_around(workspace)
    rows = [*_machine(), *_libraries(), *_workspace(place)]
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


def _workspace(place: "Workspace | None") -> Iterator[_Row]:
    from datetime import UTC, datetime

    from secscan.inventory import load_inventory
    from secscan.scope import load_scope
    from secscan.toml_source import ConfigurationError

    if place is None:
        yield None, _("workspace"), _("none here"), _("audits need none; for scans: secscan init DIR")
        return
    yield True, _("workspace"), str(place.folder), ""
    inventory: Inventory | None = None
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
    try:
        settings = place.load_settings()
    except ConfigurationError as e:
        count = plural("{n} mistake", "{n} mistakes", len(e.mistakes))
        yield False, _("settings"), count, str(e.mistakes[0])
        return
    yield from _feeds(place)
    for credential in settings.credentials.values():
        yield from _credential(credential)
    if inventory is not None:
        yield from _logins(place, settings, inventory)


# --- Looking from the inside --------------------------------------------------------------------------------


def _feeds(place: "Workspace") -> Iterator[_Row]:
    from datetime import UTC, datetime

    from secscan.baseline import load_baseline
    from secscan.cli.feeds import is_stale, limit_of, limits_of
    from secscan.cli.parts import find_all_checks
    from secscan.feeds.errors import FeedError
    from secscan.feeds.status import status
    from secscan.toml_source import ConfigurationError

    try:
        feeds = status(place.feeds, datetime.now(UTC))
    except FeedError as e:
        yield False, _("feeds"), _("can't be read"), str(e)
        return
    if not feeds:
        cost = _("what hosts lack is unknown until you bring files and run: secscan feeds import FILE")
        yield None, _("feeds"), _("none"), cost
        return
    try:
        checks = find_all_checks(None, place)
        limits = limits_of(load_baseline(place.load_settings().profile, checks, folder=place.profiles))
    except ConfigurationError as e:
        yield False, _("profile"), plural("{n} mistake", "{n} mistakes", len(e.mistakes)), str(e.mistakes[0])
        limits = {}
    stale = [feed for feed in feeds if is_stale(feed, limits)]
    # A release's own index is old by nature: the date to be told is of what an age limit holds for.
    aging = [feed for feed in feeds if limit_of(feed, limits) is not None] or feeds
    found = _("{count}, the oldest of {date}").format(
        count=len(feeds), date=min(feed.as_of for feed in aging).date()
    )
    cost = plural(
        "{n} is older than the profile allows, and what needs it is unknown; see: secscan feeds status",
        "{n} are older than the profile allows, and what needs them is unknown; see: secscan feeds status",
        len(stale),
    )
    yield None if stale else True, _("feeds"), found, cost if stale else ""


def _credential(credential: "Credential") -> Iterator[_Row]:
    """Whether what a login needs is there. Looks at names, files and their modes, and never at a secret."""
    what = _("login {name}").format(name=credential.name)
    if credential.agent:
        yield _agent(what)
    if credential.key_file is not None:
        yield _key_file(what, credential.key_file)
    if credential.certificate is not None:
        there = credential.certificate.is_file()
        cost = _not_tried() if there else _("there is no such file: the key alone is tried")
        yield there, what, str(credential.certificate), cost
    if credential.password_env:
        there = bool(os.environ.get(credential.password_env))
        cost = _not_tried() if there else _("is not set here; set it where secscan scan is started")
        yield there or None, what, f"${credential.password_env}", cost
    if credential.keyring:
        there = find_spec("keyring") is not None
        cost = _not_tried() if there else _("needs the package keyring; install it")
        yield there, what, _("keyring entry {name}").format(name=credential.keyring), cost


def _agent(what: str) -> _Row:
    address = os.environ.get("SSH_AUTH_SOCK", "")
    try:
        there = bool(address) and stat.S_ISSOCK(Path(address).stat().st_mode)
    except OSError:
        there = False
    if there:
        return True, what, _("SSH agent {socket}").format(socket=address), _not_tried()
    cost = _("SSH_AUTH_SOCK names no agent here; start one, and load the key with ssh-add")
    return None, what, _("no SSH agent"), cost


def _key_file(what: str, path: Path) -> _Row:
    try:
        found = path.stat()
    except OSError as e:
        cost = _("{why}; make one with: ssh-keygen -t ed25519 -f {path}").format(why=e.strerror, path=path)
        return False, what, str(path), cost
    if stat.S_IMODE(found.st_mode) & 0o077:
        return False, what, str(path), _("others may read it: chmod 600 {path}").format(path=path)
    return True, what, str(path), _not_tried()


def _not_tried() -> str:
    """Files and variables are looked at, hosts are not: an account that a host refuses can't be told here."""
    return _("is there; whether hosts let it in was not tried")


def _logins(place: "Workspace", settings: "Settings", inventory: "Inventory") -> Iterator[_Row]:
    """Hosts whose login there is not, and hosts whose key nobody vouched for."""
    hosts = [host for host in inventory.hosts.values() if host.credential]
    lost = [host for host in hosts if host.credential not in settings.credentials]
    if lost:
        cost = _("{host} names {name!r}, and secscan.toml has no table of that name").format(
            host=lost[0].id, name=lost[0].credential
        )
        yield False, _("logins"), plural("{n} host without", "{n} hosts without", len(lost)), cost
    yield from _asked_inside(place, settings, inventory)
    yield from _known_hosts(
        place.known_hosts,
        {host.id: (*host.addresses, *host.names) for host in hosts if host not in lost},
        {host.id: settings.credentials[host.credential].port for host in hosts if host not in lost},
    )


def _asked_inside(place: "Workspace", settings: "Settings", inventory: "Inventory") -> Iterator[_Row]:
    from secscan.baseline import load_baseline
    from secscan.cli.parts import find_all_checks, unasked_inside
    from secscan.toml_source import ConfigurationError

    try:
        baseline = load_baseline(settings.profile, find_all_checks(None, place), folder=place.profiles)
    except ConfigurationError:
        return  # Told where feeds are, and by: secscan inventory check
    if unasked := unasked_inside(inventory.hosts.values(), baseline):
        yield None, _("profile"), baseline.name, unasked


def _known_hosts(
    path: Path, names: Mapping[str, tuple[str, ...]], ports: Mapping[str, int]
) -> Iterator[_Row]:
    from secscan.collection.ssh import known_name, read_known_hosts

    if not names:
        return
    known = read_known_hosts(path)
    strangers = [
        host
        for host, called in names.items()
        if not known.keys_of([known_name(name, ports[host]) for name in called])
    ]
    if path.exists() and path.stat().st_mode & 0o022:
        cost = _("others may write it, and so vouch for any host: chmod 600 {path}").format(path=path)
        yield False, "known_hosts", str(path), cost
    elif strangers:
        found = plural("{n} host is not known", "{n} hosts are not known", len(strangers))
        cost = _("they are not logged in to; look at their keys with: secscan trust --all")
        yield None, "known_hosts", found, cost
    else:
        yield True, "known_hosts", str(path), ""
