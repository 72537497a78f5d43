"""Hosts as an operator names them on the command line: by id, by name, or by address."""

import difflib
from collections.abc import Mapping

import click

from secscan.language import _
from secscan.model import Host


def find_host(text: str, hosts: Mapping[str, Host]) -> Host | None:
    """The host that ``text`` names: its id, else one of its names or addresses, in any spelling.

    Raises click.UsageError where several have that name or address.
    """
    if text in hosts:
        return hosts[text]
    wanted = canonical(text)
    found = [
        host for host in hosts.values() if wanted in {canonical(w) for w in (*host.names, *host.addresses)}
    ]
    if len(found) > 1:
        raise click.UsageError(
            _("Several hosts of the inventory are called {name}: {hosts}. Give the id of one.").format(
                name=text, hosts=", ".join(host.id for host in found)
            )
        )
    return found[0] if found else None


def require_host(text: str, hosts: Mapping[str, Host]) -> Host:
    """As find_host, for a host that must be there. Raises click.UsageError, naming the nearest."""
    host = find_host(text, hosts)
    if host is None:
        known = [*hosts, *(name for each in hosts.values() for name in (*each.names, *each.addresses))]
        near = difflib.get_close_matches(text, known, 1)
        hint = _(" Did you mean {near!r}?").format(near=near[0]) if near else ""
        raise click.UsageError(
            _("There is no host {name!r} in the inventory.").format(name=text)
            + hint
            + " "
            + _("See: secscan inventory list")
        )
    return host


def canonical(text: str) -> str:
    """An address or a name in its one spelling; what is neither as it is."""
    from secscan.scope import canonical_address, canonical_name

    for spelling in (canonical_address, canonical_name):
        try:
            return spelling(text)
        except ValueError:
            continue
    return text
