"""Agencies, hosts and services of a lab: their description, starting them all, and the workspace to scan them."""

import contextlib
import errno
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal, Self

from tests.lab.authority import Authority
from tests.lab.servers import LabError, MissingToolError, Running, Server, free_port

#: Every host of a lab has its own address in here.
NETWORK = "127.20.0.0/16"

#: Asked on every host besides its own ports, so that a scan can tell what is not there.
WELL_KNOWN = "1-1023"

#: Nothing ever listens here; it is among the ports to scan, so that every host has a closed one.
CLOSED_PORT = 9998


@dataclass(frozen=True)
class LabService:
    """One port. ``slug`` names it within its host; ``port`` is the preferred number, another is taken if it is
    in use. ``server`` None: declared, but nobody listens. ``stand_in`` serves the same where ``server`` is a
    program that is not installed. What is not ``declared`` is listening, but missing from the inventory.
    """

    slug: str
    port: int
    server: Server | None
    what: str
    tls: Literal["required", "optional", "none", "unstated"] = "required"
    server_names: tuple[str, ...] = ()
    declared: bool = True
    stand_in: Server | None = None


@dataclass(frozen=True)
class LabHost:
    id: str
    address: str
    role: str
    services: tuple[LabService, ...]
    names: tuple[str, ...] = ()
    zone: str = "wan"
    criticality: int = 3


@dataclass(frozen=True)
class LabAgency:
    id: str
    tier: str
    names: Mapping[str, str]
    contact: tuple[str, str]
    hosts: tuple[LabHost, ...]
    parent: str = ""
    zone: str = "wan"


@dataclass(frozen=True)
class RunningFleet:
    """What is running: by host and slug the port that was bound, and in words what stands in for what."""

    authority: Authority
    agencies: tuple[LabAgency, ...]
    ports: Mapping[tuple[str, str], int]
    stand_ins: tuple[str, ...]
    _servers: contextlib.ExitStack

    def stop(self) -> None:
        """Ends every server; a second call does nothing."""
        self._servers.close()

    def services(self) -> Iterator[tuple[LabHost, LabService, int]]:
        """Every service with its host and the port it has now."""
        for agency in self.agencies:
            for host in agency.hosts:
                for service in host.services:
                    yield host, service, self.ports[host.id, service.slug]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start_fleet(authority: Authority, agencies: Sequence[LabAgency]) -> RunningFleet:
    """Starts every server, and returns when all listen. Raises LabError, with none left running, if one can't."""
    ports: dict[tuple[str, str], int] = {}
    stand_ins: list[str] = []
    with contextlib.ExitStack() as servers:
        for agency in agencies:
            for host in agency.hosts:
                for service in host.services:
                    where = f"{host.id}/{service.slug}"
                    if service.server is None:
                        ports[host.id, service.slug] = free_port(host.address, service.port)
                        continue
                    try:
                        running = _start(service.server, host.address, service.port)
                    except MissingToolError as missing:
                        if service.stand_in is None:
                            raise LabError(f"{where}: {missing}") from missing
                        stand_ins.append(f"{where}: {missing}; Python serves it instead")
                        running = _start(service.stand_in, host.address, service.port)
                    ports[host.id, service.slug] = servers.enter_context(running).port
        return RunningFleet(authority, tuple(agencies), ports, tuple(stand_ins), servers.pop_all())


def _start(server: Server, address: str, preferred: int) -> Running:
    try:
        return server.start(address, preferred)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return server.start(address)


def write_workspace(folder: Path, fleet: RunningFleet) -> None:
    """Writes everything ``secscan scan`` needs to see this fleet, at the ports it has now, into ``folder``."""
    for part in ("inventory", "ca"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "secscan.toml").write_text(_SETTINGS, "utf-8")
    (folder / "scope.toml").write_text(_scope(fleet), "utf-8")
    (folder / "ca" / "lab-root.pem").write_bytes(fleet.authority.root_pem)
    for agency in fleet.agencies:
        (folder / "inventory" / f"{agency.id}.toml").write_text(_inventory(agency, fleet.ports), "utf-8")


_SETTINGS = """\
profile = "network"

[collection]
deadline = 10.0

[collection.ports]
default = "top-1000"
"""


def _scope(fleet: RunningFleet) -> str:
    return "\n".join(
        [
            'owner = "Lab"',
            f"expires = {(fleet.authority.at + timedelta(days=365)).date().isoformat()}",
            f"networks = [{_quoted(NETWORK)}]",
            "",
            "[rates]",
            "connections_per_second = 40000",
            "per_host = 20000",
            "",
        ]
    )


def _inventory(agency: LabAgency, ports: Mapping[tuple[str, str], int]) -> str:
    name, email = agency.contact
    names = ", ".join(f"{language} = {_quoted(text)}" for language, text in agency.names.items())
    lines = [
        "[agency]",
        f"id = {_quoted(agency.id)}",
        f"tier = {_quoted(agency.tier)}",
        *([f"parent = {_quoted(agency.parent)}"] if agency.parent else []),
        f"zone = {_quoted(agency.zone)}",
        f"names = {{ {names} }}",
        "",
        "[[agency.contact]]",
        f"name = {_quoted(name)}",
        f"email = {_quoted(email)}",
    ]
    for host in agency.hosts:
        asked = sorted({CLOSED_PORT, *(ports[host.id, service.slug] for service in host.services)})
        lines += [
            "",
            "[[host]]",
            f"id = {_quoted(host.id)}",
            f"addresses = [{_quoted(host.address)}]",
            *([f"names = {_list(host.names)}", "resolve = false"] if host.names else []),
            f"role = {_quoted(host.role)}",
            f"zone = {_quoted(host.zone)}",
            f"criticality = {host.criticality}",
            f"ports = {_quoted(','.join([WELL_KNOWN, *map(str, asked)]))}",
        ]
        for service in host.services:
            if not service.declared:
                continue
            lines += [
                "",
                "  [[host.service]]",
                f"  port = {ports[host.id, service.slug]}",
                *([f"  server_names = {_list(service.server_names)}"] if service.server_names else []),
                *([f"  tls = {_quoted(service.tls)}"] if service.tls != "unstated" else []),
                f"  what = {_quoted(service.what)}",
            ]
    return "\n".join([*lines, ""])


def _list(texts: Sequence[str]) -> str:
    return f"[{', '.join(map(_quoted, texts))}]"


def _quoted(text: str) -> str:
    """A TOML basic string; JSON's escapes are TOML's, as long as no DEL is in the text."""
    return json.dumps(text, ensure_ascii=False)
