"""Looking at hosts without a workspace: what ``audit`` sees, in memory."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from secscan.baseline import Baseline
from secscan.cli.parts import probe_log, tls_look, warn_without_nmap, workers_by_default
from secscan.cli.progress import showing
from secscan.credential import Credential
from secscan.engine.login import Asked, logins
from secscan.engine.looking import look
from secscan.engine.protocol import CollectionSettings, Login, Setup
from secscan.engine.targets import Named, inventory_of
from secscan.facts.ports import port_ranges
from secscan.model import Evidence, HostTarget, Inventory, Record
from secscan.scope import (
    ProbeLog,
    Refused,
    Scope,
    load_scope,
    resolve_addresses,
    scope_document,
    scope_of_addresses,
)


def reach(
    targets: Sequence[Named], asked: Asked | None, *, known_hosts: Path | None, deadline: float
) -> tuple[Inventory, Login | None, frozenset[str]]:
    """The targets as an inventory, how to log in to them (None: nobody does), and the jump hosts on the way."""
    if asked is None:
        return inventory_of(targets), None, frozenset()
    places, credentials, on_the_way = logins(targets, asked)
    login = Login(
        credentials=dict[str, Credential](credentials),
        known_hosts=known_hosts or asked.home / ".ssh" / "known_hosts",
        deadline=deadline,
    )
    return inventory_of(places, log_in=True), login, on_the_way


def asked_of_user(user: str, **options: Any) -> Asked:
    """What was asked for, in the surroundings of whoever asks. ``options`` are those of ``Asked``."""
    home = Path.home()
    config = home / ".ssh" / "config"
    return Asked(
        user=user,
        agent=bool(os.environ.get("SSH_AUTH_SOCK")),
        config=config if config.exists() else None,
        home=home,
        **options,
    )


def collection_settings(
    ports: str | None, baseline: Baseline, *, deadline: float, no_nmap: bool, quick: bool
) -> CollectionSettings:
    return CollectionSettings(
        deadline=deadline,
        ports=ports or "top-1000",
        needed_ports="" if ports else port_ranges(baseline.ports_to_ask()),
        nmap=False if no_nmap else None,
        tls=tls_look(baseline, deep=not quick),
    )


def scope_for(inventory: Inventory, on_the_way: frozenset[str], scope_file: Path | None) -> Scope:
    """The scope of the file; without one exactly the targets named, and the jump hosts that lead to them.

    These are their addresses, and what their names resolve to now.
    """
    if scope_file:
        return load_scope(scope_file)
    addresses = {address for host in inventory.hosts.values() for address in host.addresses}
    for name in {name for host in inventory.hosts.values() for name in host.names} | on_the_way:
        # A name that leads nowhere is left out here; the look says so: Unobserved(NOT_RESOLVED).
        with contextlib.suppress(Refused):
            addresses.update(resolve_addresses(name, timeout=5.0))
    return scope_of_addresses(addresses)


def look_at(
    inventory: Inventory,
    scope: Scope,
    settings: CollectionSettings,
    *,
    login: Login | None,
    workers: int | None,
) -> list[tuple[str, Evidence]]:
    """Everything there is to see of the hosts. Every probe is logged."""
    hosts = tuple(inventory.hosts.values())
    ProbeLog(probe_log()).close()  # Better refused before anything is looked at than in the middle of it.
    # Where every target names its ports, nothing is lost without it.
    if settings.nmap is not False and not all(host.ports for host in hosts):
        warn_without_nmap()
    setup = Setup(
        scope=scope_document(scope), settings=settings, share=(1, 1), probe_log=str(probe_log()), login=login
    )
    records: list[Record] = []
    with showing(hosts) as progress:
        look(
            hosts,
            setup,
            workers=workers or workers_by_default(),
            record=records.extend,
            progress=progress,
        )
    return _evidence(records)


def look_at_this_machine(inventory: Inventory, *, deadline: float) -> list[tuple[str, Evidence]]:
    """What it says of itself. No packet is sent, and so nothing is logged."""
    from secscan.collection.ssh import LocalCollector

    targets = [HostTarget(host) for host in inventory.hosts]
    return _evidence(list(LocalCollector(deadline=deadline).collect(targets)))


def _evidence(records: list[Record]) -> list[tuple[str, Evidence]]:
    by_host: dict[str, dict[Any, Record]] = {}
    for record in records:
        by_host.setdefault(record.target.host, {})[record.target, record.kind] = record
    return [(host, Evidence(newest)) for host, newest in by_host.items()]
