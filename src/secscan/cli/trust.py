"""secscan trust: shows the keys of hosts, and writes into known_hosts those that the operator vouches for."""

import sys
from collections.abc import Iterable, Iterator, Sequence
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
    from secscan.scope import Gate
    from secscan.workspace import Settings

#: Seconds to look up a name.
_LOOKUP = 10.0


@click.command("trust")
@click.argument("names", metavar="HOST...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Every host that names a credential.")
@click.option("--replace", is_flag=True, help="Take the old keys out where a host shows others.")
@click.option("--yes", "-y", is_flag=True, help="Write without asking: you have compared the fingerprints.")
@options.workspace
@click.pass_context
def command(
    ctx: click.Context,
    names: tuple[str, ...],
    every: bool,
    replace: bool,
    yes: bool,
    workspace: str | None,
) -> None:
    """Show the keys of hosts and, once you have said that they are right, trust them.

    HOST is the id, a name or an address of a host in the inventory, or the address of a jump host. Jump hosts on
    the way are shown first. Nothing vouches for a key but you: compare the fingerprint with what the host says of
    itself on its console (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub).

    Exit codes: 0 all is trusted, 2 something was not, 3 a host could not be asked.
    """
    from datetime import UTC, datetime

    from secscan.cli.parts import open_workspace
    from secscan.scope import Gate, ProbeLog, require_current, utc_now

    if bool(names) is every:
        raise click.UsageError(_("Name the hosts to trust, or give --all."))
    place = open_workspace(workspace)
    settings, inventory = place.load_settings(), place.load_inventory()
    scope = place.load_scope()
    require_current(scope, utc_now(), path=place.scope)
    wanted = (
        _with_credentials(inventory, settings, datetime.now(UTC))
        if every
        else [_wanted(name, inventory, settings) for name in names]
    )
    unseen = refused = 0
    with ProbeLog(place.probe_log) as log:
        gate = Gate(scope, log)
        # A jump host is asked, and trusted, before the hosts behind it: the way to them leads through a login there.
        for step in _in_steps(wanted):
            looks = _look_at(step, gate, place.known_hosts, settings)
            unseen += sum(look.unseen != "" for look in looks)
            refused += _settle(looks, place.known_hosts, replace=replace, yes=yes)
    ctx.exit(USAGE if refused else COVERAGE if unseen else CLEAN)


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


def _wanted(name: str, inventory: "Inventory", settings: "Settings") -> _Stop:
    from secscan.cli.hosts import canonical, find_host, require_host

    host = find_host(name, inventory.hosts)
    if host is None:
        for stop in _jump_hosts(settings.credentials.values()):
            if canonical(name) in stop.destinations:
                return stop
        host = require_host(name, inventory.hosts)
    return _stop(host, settings)


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


def _look_at(stops: Sequence[_Stop], gate: "Gate", known_hosts: Path, settings: "Settings") -> list[_Look]:
    from secscan.collection.ssh import Road

    def look(stop: _Stop) -> _Look:
        return _look(stop, gate, Road(stop.way, settings.credentials, known_hosts))

    with ThreadPoolExecutor(min(settings.ssh_at_once, len(stops))) as threads:
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


def _settle(looks: Sequence[_Look], path: Path, *, replace: bool, yes: bool) -> int:
    """Shows what was seen, and writes what may be written. How many hosts are not trusted for want of a word."""
    from secscan.collection.ssh import parse_known_hosts

    text = _read(path)
    judged = [_judge(look, parse_known_hosts(text)) for look in looks]
    _show(judged)
    changed = [j for j in judged if j.old and not replace]
    fresh = [j for j in judged if (j.new or j.old) and j not in changed]
    left = len(changed) + sum(bool(j.revoked) for j in judged)
    for j in changed:
        message = _(
            "{host} shows other keys than it had. Find out why before you trust it: it was set up anew, or somebody"
            " is in between. If it is right: secscan trust --replace {host}"
        )
        click.echo(message.format(host=j.look.stop.title), err=True)
    if not fresh:
        return left
    if not _confirmed(fresh, yes=yes):
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


def _confirmed(fresh: Sequence[_Judged], *, yes: bool) -> bool:
    if yes:
        return True
    hosts = plural("{n} host", "{n} hosts", len(fresh))
    if not sys.stdin.isatty():
        click.echo(
            _(
                "Keys of {hosts} wait to be trusted, and there is nobody to ask. Compare the fingerprints with those"
                " of the hosts' consoles, then: secscan trust --yes"
            ).format(hosts=hosts),
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
