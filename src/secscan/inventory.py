"""The inventory: one TOML file for each agency becomes the model, and the model a canonical document."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import date
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from secscan.facts.ports import port_ranges, ports_in
from secscan.language import _
from secscan.model import Agency, Contact, ExpectedService, Host, Inventory, Membership, Service, TlsPolicy
from secscan.scope.address import canonical_address
from secscan.scope.name import canonical_name
from secscan.toml_source import (
    ConfigurationError,
    Loc,
    MisfitError,
    Mistake,
    Source,
    in_order,
    nearest,
    parse,
    read_toml,
    shown_path,
    shown_value,
)

T = TypeVar("T")


def load_inventory(folder: Path) -> Inventory:
    """Every agency and host of the ``*.toml`` files in ``folder`` and below it; one file for each agency.

    Raises ConfigurationError with every mistake of every file.
    """
    files = agency_files(folder)
    if not files:
        message = _("there is no inventory here: write one file for each agency, such as {example}")
        message = message.format(example=shown_path(folder / "example.toml"))
        raise ConfigurationError([Mistake(folder, None, "", message)])
    mistakes: list[Mistake] = []
    sources: list[Source] = []
    parsed: list[_File] = []
    for path in files:
        try:
            sources.append(read_toml(path))
            parsed.append(parse(sources[-1], _File))
        except ConfigurationError as error:
            mistakes += error.mistakes
    # What concerns several files is looked for in those with mistakes too, as far as they can be read.
    mistakes += _twice(sources)
    mistakes += _parents(sources, complete=len(sources) == len(files))
    if mistakes:
        raise ConfigurationError(in_order(mistakes))
    return _inventory(
        (_agency(file.agency), [(_host(host), host.since, host.until) for host in file.host])
        for file in parsed
    )


def agency_files(folder: Path) -> list[Path]:
    """The files that make up the inventory, in the order they are read; hidden ones are left out."""
    below = (path for path in folder.rglob("*.toml") if path.is_file())
    return sorted(p for p in below if not any(part.startswith(".") for part in p.relative_to(folder).parts))


# --- Documents --------------------------------------------------------------------------------------------


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
    return _inventory(_from_document(document) for document in every)


def inventory_hash(inventory: Inventory) -> str:
    """The content address of the whole: 32 hexadecimal digits of a SHA-256 over the documents, by agency."""
    encoded = json.dumps(
        agency_documents(inventory), sort_keys=True, ensure_ascii=False, separators=(",", ":")
    )
    return hashlib.sha256(encoded.encode("utf-8")).hexdigest()[:32]


_Member = tuple[Host, date | None, date | None]


def _inventory(parts: Iterable[tuple[Agency, list[_Member]]]) -> Inventory:
    """One order for all inventories, however they were read: by id."""
    agencies: dict[str, Agency] = {}
    hosts: dict[str, Host] = {}
    memberships: list[Membership] = []
    for agency, members in parts:
        agencies[agency.id] = agency
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
            {
                **_fields(host),
                "services": [
                    {**_fields(expected.service), "tls": expected.tls.value, "what": expected.what}
                    for expected in host.services
                ],
            }
            for host in (hosts[id] for id in dict.fromkeys(m.host for m in ordered))
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


def _fields(record: Agency | Contact | Host | Service) -> dict[str, Any]:
    """Its values by name, tuples as arrays; the records inside it are left to the caller."""
    # dataclasses.asdict() copies deeply, which costs ten times as much on ten thousand hosts.
    values = ((field.name, getattr(record, field.name)) for field in fields(record))
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values}


def _from_document(document: Mapping[str, Any]) -> tuple[Agency, list[_Member]]:
    agency = Agency(
        **{
            **document["agency"],
            "names": _by_language(document["agency"]["names"]),
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
        }
    )


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _by_language(names: Mapping[str, str]) -> dict[str, str]:
    # Agency.name() falls back on the first; which one that is must not hang on how the names were kept.
    return dict(sorted(names.items()))


# --- Several files ----------------------------------------------------------------------------------------


def _twice(sources: Sequence[Source]) -> Iterator[Mistake]:
    """Agencies and hosts whose id stands somewhere before."""
    for of_one_kind in (_agency_ids, _host_ids):
        first: dict[str, tuple[Source, Loc]] = {}
        for source in sources:
            for loc, id in of_one_kind(source):
                if id not in first:
                    first[id] = source, loc
                    continue
                before, place = first[id]
                yield source.mistake(
                    loc,
                    _(
                        "the id {id} stands in {file}, line {line} already; an id is unique in the whole inventory"
                    ).format(id=shown_value(id), file=shown_path(before.path), line=before.line_of(place)),
                )


def _parents(sources: Sequence[Source], *, complete: bool) -> Iterator[Mistake]:
    """Parents that don't exist (told only where every file could be read), and agencies above themselves."""
    where = {id: source for source in sources for _loc, id in _agency_ids(source)}
    parents = {
        id: parent
        for id, source in where.items()
        if isinstance(parent := source.data["agency"].get("parent"), str)
    }
    for id, parent in parents.items():
        if parent not in where and complete:
            guess = nearest(parent, where)
            message = _("there is no agency {id}").format(id=shown_value(parent))
            hint = (
                _('did you mean "{guess}"?').format(guess=guess)
                if guess
                else _("write its file, or leave it out")
            )
            yield where[id].mistake(("agency", "parent"), f"{message}; {hint}")
    told: set[str] = set()
    for id in parents:
        above = [id]
        while (parent := parents.get(above[-1], "")) and parent not in above:
            above.append(parent)
        if parent == id and id not in told:
            told.update(above)
            message = _("the parents go in a circle: {circle}").format(circle=" -> ".join([*above, id]))
            yield where[id].mistake(("agency", "parent"), message)


def _agency_ids(source: Source) -> Iterator[tuple[Loc, str]]:
    agency = source.data.get("agency")
    if isinstance(agency, dict) and isinstance(id := agency.get("id"), str):
        yield ("agency", "id"), id


def _host_ids(source: Source) -> Iterator[tuple[Loc, str]]:
    hosts = source.data.get("host")
    for i, host in enumerate(hosts if isinstance(hosts, list) else ()):
        if isinstance(host, dict) and isinstance(id := host.get("id"), str):
            yield ("host", i, "id"), id


# --- One file ---------------------------------------------------------------------------------------------


_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,98}[a-z0-9])?")


def _slug(text: str) -> str:
    if _SLUG.fullmatch(text):
        return text
    message = _(
        "{value} is not an id; use up to 100 lower-case ASCII letters, digits, '-', '.' and '_'"
    ).format(value=shown_value(text))
    # What is left of "Bộ Ví Dụ" without its marks; đ has none that could be taken off.
    plain = unicodedata.normalize("NFKD", text.casefold().replace("đ", "d"))
    words = re.sub(r"[^a-z0-9._-]+", "-", "".join(c for c in plain if not unicodedata.combining(c)))[:100]
    guess = words.strip("-._")
    raise ValueError(message + _(', for example "{guess}"').format(guess=guess) if guess else message)


def _visible(text: str) -> str:
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
            message = _("{value} holds a character that can't be seen; write it without")
            raise ValueError(message.format(value=shown_value(text)))
    return text


def _plain_address(text: str) -> str:
    try:
        canonical = canonical_address(text)
    except ValueError as error:
        message = (
            _("{value} is a network; list the addresses of the host")
            if "/" in text
            else _('{value} is not an IP address; names belong in the key "names"')
        )
        raise ValueError(message.format(value=shown_value(text))) from error
    address = ip_address(canonical)
    if address.version == 4 and ":" in text:
        message = _('{value} stands for an IPv4 address; write "{plain}"')
        raise ValueError(message.format(value=shown_value(text), plain=canonical))
    if address.is_multicast or address.is_unspecified or canonical == "255.255.255.255":
        raise ValueError(_("{value} is no address that a host can have").format(value=shown_value(text)))
    return canonical


def _server_name(text: str) -> str:
    return canonical_name(text) if text else ""


def _port_list(text: str) -> str:
    try:
        if not re.fullmatch(r"[0-9,\s-]*", text, re.ASCII):
            raise ValueError(text)
        numbers = ports_in(text)
        if 0 in numbers or (text and not numbers):
            raise ValueError(text)
    except ValueError as error:
        message = _('{value} is not a list of ports; write them as "22,443,8000-8100", from 1 to 65535')
        raise ValueError(message.format(value=shown_value(text))) from error
    return port_ranges(numbers)


def _language(text: str) -> str:
    if not re.fullmatch(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*", text):
        message = _('{value} is not a language; write it as "vi" or "en"')
        raise ValueError(message.format(value=shown_value(text)))
    return text


def _email(text: str) -> str:
    if text and not re.fullmatch(r"[^@\s]+@[^@\s]+", text):
        raise ValueError(_("{value} is not a mail address").format(value=shown_value(text)))
    return text


def _once(values: list[T]) -> list[T]:
    repeated = [(i, value) for i, value in enumerate(values) if value in values[:i]]
    if repeated:
        message = _("{value} is listed twice; leave one out")
        raise MisfitError(*(((i,), message.format(value=shown_value(value))) for i, value in repeated))
    return values


Slug = Annotated[str, AfterValidator(_slug)]
Line = Annotated[str, Field(max_length=200), AfterValidator(_visible)]
Words = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_visible)]
Addresses = Annotated[list[Annotated[str, AfterValidator(_plain_address)]], AfterValidator(_once)]
Names = Annotated[list[Annotated[str, AfterValidator(canonical_name)]], AfterValidator(_once)]
ServerNames = Annotated[list[Annotated[str, AfterValidator(_server_name)]], AfterValidator(_once)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Contact(_Table):
    name: Words
    email: Annotated[Line, AfterValidator(_email)] = ""
    phone: Line = ""


class _Agency(_Table):
    id: Slug
    names: dict[Annotated[str, AfterValidator(_language)], Words] = Field(min_length=1)
    tier: Line = ""
    parent: Slug | None = None
    zone: Line = ""
    profile: Line = ""
    contact: list[_Contact] = []


class _Service(_Table):
    port: int = Field(ge=1, le=65535)
    transport: Literal["tcp", "udp"] = "tcp"
    server_names: ServerNames | None = None
    tls: Literal["required", "optional", "none"] | None = None
    what: Line = ""


class _Host(_Table):
    id: Slug
    addresses: Addresses = []
    names: Names = []
    resolve: bool = True
    role: Line = ""
    zone: Line = ""
    level: int | None = Field(default=None, ge=1, le=5)
    criticality: int = Field(default=1, ge=1, le=5)
    credential: Line = ""
    ports: Annotated[str, AfterValidator(_port_list)] = ""
    since: date | None = None
    until: date | None = None
    service: list[_Service] = []

    @model_validator(mode="after")
    def _can_be_found_and_told_apart(self) -> "_Host":
        parts: list[tuple[Loc, str]] = []
        if not self.addresses and not self.names:
            parts.append(((), _("the host has neither an address nor a name; give it one of them")))
        elif not self.addresses and not self.resolve:
            message = _("the host has no address, and its names are not to be looked up; give it an address")
            parts.append((("resolve",), message))
        if self.since and self.until and self.until <= self.since:
            message = _("{until} is not after 'since', {since}").format(until=self.until, since=self.since)
            parts.append((("until",), message))
        seen: set[Service] = set()
        for i, service in enumerate(self.service):
            for expected in _services(self, service):
                if expected.service in seen:
                    parts.append((("service", i), _declared_twice(expected.service)))
                seen.add(expected.service)
        if parts:
            raise MisfitError(*parts)
        return self


class _File(_Table):
    agency: _Agency
    host: list[_Host] = []


def _declared_twice(service: Service) -> str:
    place = f"{service.transport}/{service.port}"
    if service.server_name:
        return _("{place} with the server name {name} is declared twice").format(
            place=place, name=service.server_name
        )
    return _("{place} without a server name is declared twice").format(place=place)


def _agency(table: _Agency) -> Agency:
    return Agency(
        id=table.id,
        names=_by_language(table.names),
        tier=table.tier,
        parent=table.parent,
        zone=table.zone,
        contacts=tuple(Contact(c.name, c.email, c.phone) for c in table.contact),
        profile=table.profile,
    )


def _host(table: _Host) -> Host:
    return Host(
        id=table.id,
        addresses=tuple(table.addresses),
        names=tuple(table.names),
        role=table.role,
        zone=table.zone,
        level=table.level,
        criticality=table.criticality,
        credential=table.credential,
        services=tuple(expected for service in table.service for expected in _services(table, service)),
        ports=table.ports,
        resolve=table.resolve,
    )


def _services(host: _Host, table: _Service) -> Iterator[ExpectedService]:
    """One service for each server name: those it declares, else the host's first name, else none."""
    names = (host.names[:1] or [""]) if table.server_names is None else (table.server_names or [""])
    for name in names:
        service = Service(host.id, table.transport, table.port, name)
        yield ExpectedService(service, TlsPolicy(table.tls or TlsPolicy.UNSTATED), table.what)
