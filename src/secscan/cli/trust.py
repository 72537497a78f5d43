"""secscan trust: shows the keys of hosts, and writes into known_hosts those that the operator vouches for."""

import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from secscan.cli import options
from secscan.cli.console import CLEAN, COVERAGE, USAGE, out, table
from secscan.language import _, plural

if TYPE_CHECKING:
    from datetime import datetime

    from secscan.collection.ssh import HostKey, KnownHosts, Road
    from secscan.collection.ssh.known_hosts import PublicKey
    from secscan.credential import Credential, Jump
    from secscan.model import Host, Inventory
    from secscan.scope import Gate, Scope
    from secscan.workspace import Settings, Workspace

#: Seconds to look up a name.
_LOOKUP = 10.0
#: Hosts that are asked at once where no workspace says how many.
_AT_ONCE = 8


@click.command("trust")
@click.argument("names", metavar="HOST...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Every host that names a credential.")
@click.option("--replace", is_flag=True, help="Take the old keys out where a host shows others.")
@click.option("--yes", "-y", is_flag=True, help="Write without asking: you have compared the fingerprints.")
@click.option(
    "--known-hosts",
    "file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="For audits: write there, and take the HOSTs as they are named; no workspace is needed. Default where there"
    " is no workspace: ~/.ssh/known_hosts.",
)
@click.option(
    "--ssh-port",
    "port",
    type=click.IntRange(1, 65535),
    metavar="PORT",
    help="Where sshd listens; default: as the login or ~/.ssh/config has it, else 22.",
)
@options.workspace
@click.pass_context
def command(
    ctx: click.Context,
    names: tuple[str, ...],
    every: bool,
    replace: bool,
    yes: bool,
    file: Path | None,
    port: int | None,
    workspace: str | None,
) -> None:
    """Show the keys of hosts and, once you have said that they are right, trust them.

    HOST is the id, a name or an address of a host in the inventory, or the address of a jump host. Jump hosts on
    the way are shown first. With --known-hosts, or where there is no workspace, it is a name or an address, and
    nothing but the HOSTs is asked. Nothing vouches for a key but you: compare the fingerprint with what the host says
    of itself on its console (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub).

    Exit codes: 0 all is trusted, 2 something was not, 3 a host could not be asked.
    """
    from secscan.cli.parts import workspace_around
    from secscan.scope import Gate, ProbeLog

    if bool(names) is every:
        raise click.UsageError(_("Name the hosts to trust, or give --all."))
    if file is not None and workspace is not None:
        raise click.UsageError(
            _("--known-hosts is for hosts outside of a workspace; leave out -C, which has a file of its own.")
        )
    place = None if file is not None else workspace_around(workspace)
    if place is None and every:
        raise click.UsageError(_("--all is for the hosts of a workspace; name the HOSTs."))
    asked = _by_name(names, file, port) if place is None else _by_inventory(place, names, port)
    again = _Again(names, workspace, file, port, replace)
    unseen = refused = 0
    with ProbeLog(asked.probe_log) as log:
        gate = Gate(asked.scope, log)
        # A jump host is asked, and trusted, before the hosts behind it: the way to them leads through a login there.
        for step in _in_steps(asked.stops):
            looks = _look_at(step, gate, asked)
            unseen += sum(look.unseen != "" for look in looks)
            refused += _settle(looks, asked.known_hosts, again, yes=yes)
    ctx.exit(USAGE if refused else COVERAGE if unseen else CLEAN)


@dataclass(frozen=True, slots=True)
class _Again:
    """The command line that was given, to be given once more with a word of the operator's."""

    names: tuple[str, ...]
    workspace: str | None
    file: Path | None
    port: int | None
    replace: bool

    def said(self, *words: str, names: Sequence[str] = ()) -> str:
        """What to paste into a shell: with ``words``, for these hosts (none: for those that were named)."""
        line = ["secscan", "trust", *words]
        if self.replace and "--replace" not in words:
            line.append("--replace")
        if self.workspace is not None:
            line += ["-C", self.workspace]
        if self.file is not None:
            line += ["--known-hosts", str(self.file)]
        if self.port is not None:
            line += ["--ssh-port", str(self.port)]
        return shlex.join([*line, *(names or self.names or ("--all",))])


# --- Who is asked -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Stop:
    """A host to be asked for its keys. ``destinations`` are addresses and names that lead to it.

    ``names`` are what it is also known by; ``way`` the jump hosts that lead to it.
    """

    title: str
    destinations: tuple[str, ...]
    names: tuple[str, ...]
    port: int
    way: tuple["Jump", ...]


@dataclass(frozen=True, slots=True)
class _Asked:
    """Whom to ask, within which scope, and where their keys go."""

    stops: tuple[_Stop, ...]
    scope: "Scope"
    known_hosts: Path
    probe_log: Path
    credentials: Mapping[str, "Credential"]
    at_once: int


def _by_inventory(place: "Workspace", names: Sequence[str], port: int | None) -> _Asked:
    """The hosts of a workspace that are named; where none is, all that name a credential."""
    from datetime import UTC, datetime

    from secscan.scope import require_current, utc_now

    settings, inventory = place.load_settings(), place.load_inventory()
    scope = place.load_scope()
    require_current(scope, utc_now(), path=place.scope)
    stops = (
        [_wanted(name, inventory, settings, port) for name in names]
        if names
        else _with_credentials(inventory, settings, datetime.now(UTC))
    )
    return _Asked(
        tuple(stops), scope, place.known_hosts, place.probe_log, settings.credentials, settings.ssh_at_once
    )


def _by_name(names: Sequence[str], file: Path | None, port: int | None) -> _Asked:
    """Hosts as an audit names them. The scope is exactly their addresses, and what their names resolve to now."""
    import contextlib

    from secscan.cli.parts import probe_log
    from secscan.scope import Refused, canonical_address, resolve_addresses, scope_of_addresses

    stops = [_outside(name, port) for name in names]
    addresses: list[str] = []
    for stop in stops:
        for destination in stop.destinations:
            try:
                addresses.append(canonical_address(destination))
            except ValueError:
                # A name that leads nowhere is left out here; the look says so.
                with contextlib.suppress(Refused):
                    addresses += resolve_addresses(destination, timeout=_LOOKUP)
    if file is None:
        file = Path.home() / ".ssh" / "known_hosts"
        file.parent.mkdir(mode=0o700, exist_ok=True)
    return _Asked(tuple(stops), scope_of_addresses(addresses), file, probe_log(), {}, _AT_ONCE)


def _outside(name: str, port: int | None) -> _Stop:
    """A host of no inventory, where ~/.ssh/config says that it is: an audit looks there, too."""
    from secscan.cli.hosts import canonical
    from secscan.collection.ssh import HostOptions, read_options
    from secscan.scope import canonical_address, canonical_name

    home = Path.home()
    config = home / ".ssh" / "config"
    options = read_options(config, name, home=home) if config.exists() else HostOptions()
    if options.jumps:
        raise click.UsageError(
            _(
                "{host} is behind a jump host, as ~/.ssh/config has it; trust it from a workspace whose login names"
                " the jump host, or log in to it once with ssh."
            ).format(host=name)
        )
    place = canonical(options.host_name or name)
    try:
        canonical_address(place)
        called: tuple[str, ...] = ()
    except ValueError:
        try:
            called = (canonical_name(place),)
        except ValueError:
            message = _("{host!r} is neither an address nor a name; give the port with --ssh-port")
            raise click.UsageError(message.format(host=name)) from None
    return _Stop(name, (place,), called, port or options.port or 22, ())


def _with_credentials(inventory: "Inventory", settings: "Settings", now: "datetime") -> list[_Stop]:
    today = {
        host.id: host
        for agency in inventory.agencies
        for host in inventory.hosts_of(agency, now.date())
        if host.credential
    }
    if not today:
        raise click.UsageError(
            _(
                "No host of the inventory names a credential: there is nobody to log in to, and nothing to trust."
            )
        )
    return [_stop(host, settings) for host in today.values()]


def _wanted(name: str, inventory: "Inventory", settings: "Settings", port: int | None) -> _Stop:
    """The host or jump host of that name; ``port`` tells those that share an address apart."""
    from secscan.cli.hosts import canonical, find_host, require_host

    jumps = [
        stop
        for stop in _jump_hosts(settings.credentials.values())
        if canonical(name) in stop.destinations and port in (None, stop.port)
    ]
    if port is not None:
        there = [host for host in inventory.hosts.values() if _is_called(host, name)]
        logins = {host.id: settings.credentials.get(host.credential) for host in there}
        fitting = [host for host in there if (login := logins[host.id]) is not None and login.port == port]
        if fitting:
            # One address and port is one sshd: whichever of its hosts is taken, the keys are the same.
            return _stop(fitting[0], settings)
        if jumps:
            return jumps[0]
        host = require_host(name, inventory.hosts)
        stop = _stop(host, settings)
        raise click.UsageError(
            _("The login of {host} has the port {port}, not {given}; leave out --ssh-port.").format(
                host=host.id, port=stop.port, given=port
            )
        )
    found = find_host(name, inventory.hosts)
    if found is None and jumps:
        return jumps[0]
    return _stop(found or require_host(name, inventory.hosts), settings)


def _is_called(host: "Host", name: str) -> bool:
    from secscan.cli.hosts import canonical

    return host.id == name or canonical(name) in {canonical(word) for word in (*host.names, *host.addresses)}


def _stop(host: "Host", settings: "Settings") -> _Stop:
    from secscan.toml_source import nearest

    credential = settings.credentials.get(host.credential)
    if credential is None:
        if not host.credential:
            raise click.UsageError(
                _(
                    "The inventory names no credential for {host}, so nobody would log in there. Set the host's key"
                    ' "credential" to one of secscan.toml.'
                ).format(host=host.id)
            )
        guess = nearest(host.credential, settings.credentials)
        hint = _(" Did you mean {near!r}?").format(near=guess) if guess else ""
        raise click.UsageError(
            _(
                "{host} names the credential {name!r}, and secscan.toml has no table [credentials.{name}]."
            ).format(host=host.id, name=host.credential)
            + hint
        )
    looked_up = host.names if host.resolve else ()
    return _Stop(host.id, (*host.addresses, *looked_up), host.names, credential.port, credential.jump)


def _jump_hosts(credentials: Iterable["Credential"]) -> Iterator[_Stop]:
    for credential in credentials:
        for number, jump in enumerate(credential.jump):
            yield _Stop(jump.address, (jump.address,), (jump.address,), jump.port, credential.jump[:number])


def _in_steps(wanted: Sequence[_Stop]) -> list[list[_Stop]]:
    """Those that are reached at once, those over one jump host, those over two; jump hosts on the way included."""
    steps: dict[int, dict[_Stop, None]] = {}
    for stop in wanted:
        for number, jump in enumerate(stop.way):
            on_the_way = _Stop(jump.address, (jump.address,), (jump.address,), jump.port, stop.way[:number])
            steps.setdefault(number, {})[on_the_way] = None
        steps.setdefault(len(stop.way), {})[stop] = None
    return [list(steps[number]) for number in sorted(steps)]


# --- What they show ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Look:
    """What came of one host. ``unseen`` says why keys of it are missing; ``addresses`` did show theirs."""

    stop: _Stop
    addresses: tuple[str, ...]
    keys: tuple["HostKey", ...]
    #: Addresses that did not answer: what is known of them stands.
    silent: tuple[str, ...]
    unseen: str


def _look_at(stops: Sequence[_Stop], gate: "Gate", asked: _Asked) -> list[_Look]:
    from secscan.collection.ssh import Road

    def look(stop: _Stop) -> _Look:
        return _look(stop, gate, Road(stop.way, asked.credentials, asked.known_hosts))

    with ThreadPoolExecutor(min(asked.at_once, len(stops))) as threads:
        return list(threads.map(look, stops))


def _look(stop: _Stop, gate: "Gate", road: "Road") -> _Look:
    from secscan.collection.ssh import fetch_host_keys
    from secscan.facts import Gap
    from secscan.scope import Refused

    reasons: list[str] = []
    addresses: list[str] = []
    for destination in stop.destinations:
        try:
            addresses += gate.resolve(destination, timeout=_LOOKUP)
        except Refused as e:
            reasons.append(str(e))
    keys: list[HostKey] = []
    shown: list[str] = []
    for address in dict.fromkeys(addresses):
        answer = fetch_host_keys(address, gate, port=stop.port, road=road)
        if isinstance(answer, Gap):
            reasons.append(f"{address}: {answer.detail}")
        else:
            shown.append(address)
            keys += answer
    if not stop.destinations:
        reasons.append(_("the inventory gives neither an address nor a name to look up"))
    silent = tuple(address for address in dict.fromkeys(addresses) if address not in shown)
    return _Look(stop, tuple(shown), tuple(keys), silent, "; ".join(reasons))


# --- What is known of them, and what is written ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Judged:
    """The keys of one host beside those that are known of it."""

    look: _Look
    known: tuple["HostKey", ...]
    new: tuple["HostKey", ...]
    revoked: tuple["HostKey", ...]
    #: Known, and shown no more, where that makes a key that is shown suspect.
    old: tuple["PublicKey", ...]

    @property
    def names(self) -> tuple[str, ...]:
        """What known_hosts calls the host."""
        from secscan.collection.ssh import known_name

        stop = self.look.stop
        return tuple(known_name(name, stop.port) for name in (*stop.names, *self.look.addresses))


def _judge(look: _Look, known: "KnownHosts") -> _Judged:
    from secscan.collection.ssh import known_name

    port = look.stop.port
    by_name = known.keys_of(known_name(name, port) for name in look.stop.names)
    elsewhere = known.keys_of(known_name(address, port) for address in look.silent)
    shown = {key.key for key in look.keys}
    old: set[PublicKey] = set()
    for address in look.addresses:
        here = {key.key for key in look.keys if key.address == address}
        # A name may stand for several addresses with a key each: what is known of the address itself comes first.
        before = known.keys_of([known_name(address, port)]) or by_name
        lost = {key for key in before if key not in shown and key not in elsewhere}
        # A host that still shows one of its keys may well have got one of another type besides; no more than that.
        if lost and ({key.type for key in lost} & {key.type for key in here} or not here & before):
            old |= lost
    trusted = {address: known.keys_of([known_name(address, port)]) | by_name for address in look.addresses}
    unrevoked = [key for key in look.keys if key.key not in known.revoked]
    return _Judged(
        look,
        tuple(key for key in unrevoked if key.key in trusted[key.address]),
        tuple(key for key in unrevoked if key.key not in trusted[key.address]),
        tuple(key for key in look.keys if key.key in known.revoked),
        tuple(sorted(old)),
    )


def _settle(looks: Sequence[_Look], path: Path, again: _Again, *, yes: bool) -> int:
    """Shows what was seen, and writes what may be written. How many hosts are not trusted for want of a word."""
    from secscan.collection.ssh import parse_known_hosts

    text = _read(path)
    judged = [_judge(look, parse_known_hosts(text)) for look in looks]
    _show(judged)
    changed = [j for j in judged if j.old and not again.replace]
    fresh = [j for j in judged if (j.new or j.old) and j not in changed]
    left = len(changed) + sum(bool(j.revoked) for j in judged)
    for j in changed:
        message = _(
            "{host} shows other keys than it had. Find out why before you trust it: it was set up anew, or somebody"
            " is in between. If it is right: {command}"
        )
        title = j.look.stop.title
        click.echo(message.format(host=title, command=again.said("--replace", names=[title])), err=True)
    if not fresh:
        return left
    if not _confirmed(fresh, again, yes=yes):
        click.echo(_("Nothing was written."), err=True)
        return left + len(fresh)
    _write(path, text, fresh)
    count = sum(len(j.new) for j in fresh)
    message = plural("{n} key is now trusted", "{n} keys are now trusted", count)
    click.echo(_("{what}, in {path}.").format(what=message, path=path), err=True)
    return left


def _show(judged: Sequence[_Judged]) -> None:
    rows = []
    for j in judged:
        title, look = j.look.stop.title, j.look
        where = ", ".join(look.addresses)
        rows += [(title, *_cells(key), _("known")) for key in j.known]
        rows += [(title, where, old.type, old.fingerprint, _("was, and is no more")) for old in j.old]
        rows += [(title, *_cells(key), _("other than before") if j.old else _("new")) for key in j.new]
        rows += [(title, *_cells(key), _("revoked in known_hosts: never trusted")) for key in j.revoked]
        if look.unseen:
            rows.append((title, ", ".join(look.silent), "", "", _("not seen: {why}").format(why=look.unseen)))
    columns = [_("Host"), _("Where"), _("Type"), _("Fingerprint"), _("Key")]
    out().print(table("", columns, rows))


def _cells(key: "HostKey") -> tuple[str, str, str]:
    address = f"[{key.address}]" if ":" in key.address else key.address
    return f"{address}:{key.port}", key.key.type, key.key.fingerprint


def _confirmed(fresh: Sequence[_Judged], again: _Again, *, yes: bool) -> bool:
    if yes:
        return True
    hosts = plural("{n} host", "{n} hosts", len(fresh))
    if not sys.stdin.isatty():
        click.echo(
            _(
                "Keys of {hosts} wait to be trusted, and there is nobody to ask. Compare the fingerprints with those"
                " of the hosts' consoles, then: {command}"
            ).format(hosts=hosts, command=again.said("--yes")),
            err=True,
        )
        return False
    return click.confirm(_("Trust the new keys of {hosts}?").format(hosts=hosts), err=True)


def _write(path: Path, text: str, fresh: Sequence[_Judged]) -> None:
    from secscan.collection.ssh import (
        KnownHostsError,
        add_known_hosts,
        is_hashed,
        known_hosts_lines,
        replace_known_hosts,
        without_keys,
    )

    lines = "".join(known_hosts_lines(j.look.stop.names, j.new, hashed=is_hashed(text)) for j in fresh)
    kept = text
    for j in fresh:
        try:
            kept = without_keys(kept, j.names, j.old)
        except KnownHostsError as e:
            raise click.UsageError(
                _(
                    "{path}, line {line}: {pattern} stands for several hosts; take the old key out by hand."
                ).format(path=path, line=e.line, pattern=e.pattern[:80])
            ) from e
    if kept == text:
        add_known_hosts(path, lines)
    else:
        replace_known_hosts(path, kept + ("" if not kept or kept.endswith("\n") else "\n") + lines)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return ""
