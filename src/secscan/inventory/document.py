"""The inventory as canonical documents, one for each agency: what a run stores."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from datetime import date
from typing import Any

from secscan.model import (
    Agency,
    Canary,
    Contact,
    DeclaredBackup,
    ExpectedService,
    Host,
    Inventory,
    Membership,
    RestoreTest,
    Service,
    TlsPolicy,
)

#: A host of an agency, since when (inclusive) and until when (exclusive).
Member = tuple[Host, date | None, date | None]


def agency_document(inventory: Inventory, agency_id: str) -> dict[str, Any]:
    """The agency, its hosts and since when they were whose, as plain JSON values in one fixed order.

    Equal agencies give equal documents, so a store keeps one for as long as nothing changes.
    """
    members = [m for m in inventory.memberships if m.agency == agency_id]
    return _document(inventory.agencies[agency_id], members, inventory.hosts)


def agency_documents(inventory: Inventory) -> dict[str, dict[str, Any]]:
    """The documents of all agencies, by id; one pass over the memberships instead of one for each agency."""
    members: dict[str, list[Membership]] = {id: [] for id in sorted(inventory.agencies)}
    for membership in inventory.memberships:
        members[membership.agency].append(membership)
    return {id: _document(inventory.agencies[id], of_it, inventory.hosts) for id, of_it in members.items()}


def inventory_from_documents(
    documents: Mapping[str, Mapping[str, Any]] | Iterable[Mapping[str, Any]],
) -> Inventory:
    """The inventory whose agencies' documents these are; where a mapping is given, its keys play no part."""
    every = documents.values() if isinstance(documents, Mapping) else documents
    return assemble(_from_document(document) for document in every)


def inventory_hash(inventory: Inventory) -> str:
    """The content address of the whole: 32 hexadecimal digits of a SHA-256 over the documents, by agency."""
    encoded = json.dumps(
        agency_documents(inventory), sort_keys=True, ensure_ascii=False, separators=(",", ":")
    )
    return hashlib.sha256(encoded.encode("utf-8")).hexdigest()[:32]


def assemble(parts: Iterable[tuple[Agency, list[Member]]]) -> Inventory:
    """One order for all inventories, however they were read: by id."""
    agencies: dict[str, Agency] = {}
    hosts: dict[str, Host] = {}
    memberships: list[Membership] = []
    for agency, members in parts:
        # Agency.name() falls back on the first; which one that is must not hang on how the names were kept.
        agencies[agency.id] = replace(agency, names=dict(sorted(agency.names.items())))
        for host, since, until in members:
            hosts[host.id] = host
            memberships.append(Membership(host.id, agency.id, since, until))
    return Inventory(
        agencies=dict(sorted(agencies.items())),
        hosts=dict(sorted(hosts.items())),
        memberships=tuple(sorted(memberships, key=lambda m: (m.host, m.since or date.min, m.agency))),
    )


def _document(agency: Agency, members: Iterable[Membership], hosts: Mapping[str, Host]) -> dict[str, Any]:
    ordered = sorted(members, key=lambda m: (m.host, m.since or date.min))
    return {
        "agency": {**_fields(agency), "contacts": [_fields(contact) for contact in agency.contacts]},
        "hosts": [
            _host_document(host) for host in (hosts[id] for id in dict.fromkeys(m.host for m in ordered))
        ],
        "members": [
            {
                "host": m.host,
                "since": m.since.isoformat() if m.since else None,
                "until": m.until.isoformat() if m.until else None,
            }
            for m in ordered
        ],
    }


def _host_document(host: Host) -> dict[str, Any]:
    document = {
        **_fields(host),
        "services": [
            {**_fields(expected.service), "tls": expected.tls.value, "what": expected.what}
            for expected in host.services
        ],
    }
    # A host that declares none is written as before backups could be declared, and keeps its content address.
    del document["backups"]
    # And one that is no canary, as before there were any.
    if host.canary is None:
        del document["canary"]
    # And one that names no zones.
    if not host.dns_zones:
        del document["dns_zones"]
    # And one that declares no port closed, as before it could.
    if not host.closed:
        del document["closed"]
    if host.backups:
        document["backups"] = [
            {
                **_fields(backup),
                "restore_tests": [
                    {**_fields(test), "on": test.on.isoformat()} for test in backup.restore_tests
                ],
            }
            for backup in host.backups
        ]
    return document


def _fields(record: Agency | Contact | Host | Service | DeclaredBackup | RestoreTest) -> dict[str, Any]:
    """Its values by name, tuples as arrays; the records inside it are left to the caller."""
    # dataclasses.asdict() copies deeply, which costs ten times as much on ten thousand hosts.
    values = ((field.name, getattr(record, field.name)) for field in fields(record))
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values}


def _from_document(document: Mapping[str, Any]) -> tuple[Agency, list[Member]]:
    agency = Agency(
        **{
            **document["agency"],
            "contacts": tuple(Contact(**contact) for contact in document["agency"]["contacts"]),
        }
    )
    hosts = {host["id"]: _host_from_document(host) for host in document["hosts"]}
    return agency, [
        (hosts[member["host"]], _day(member["since"]), _day(member["until"]))
        for member in document["members"]
    ]


def _host_from_document(host: Mapping[str, Any]) -> Host:
    services = tuple(
        ExpectedService(
            Service(s["host"], s["transport"], s["port"], s["server_name"]), TlsPolicy(s["tls"]), s["what"]
        )
        for s in host["services"]
    )
    return Host(
        **{
            **host,
            "addresses": tuple(host["addresses"]),
            "names": tuple(host["names"]),
            "services": services,
            "backups": tuple(_backup_from_document(backup) for backup in host.get("backups", ())),
            "canary": Canary(host["canary"]) if "canary" in host else None,
            "dns_zones": tuple(host.get("dns_zones", ())),
        }
    )


def _backup_from_document(backup: Mapping[str, Any]) -> DeclaredBackup:
    tests = tuple(
        RestoreTest(date.fromisoformat(test["on"]), test["by"], test["evidence"])
        for test in backup["restore_tests"]
    )
    return DeclaredBackup(**{**backup, "must_contain": tuple(backup["must_contain"]), "restore_tests": tests})


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
