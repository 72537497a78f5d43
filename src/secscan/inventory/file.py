"""One file of the inventory: an agency and its hosts, as the operator writes them."""

import re
import unicodedata
from collections.abc import Iterator
from datetime import date
from ipaddress import ip_address
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from secscan.facts.ports import port_ranges, ports_in
from secscan.inventory.document import Member
from secscan.language import _
from secscan.model import (
    Agency,
    Canary,
    Contact,
    DeclaredBackup,
    ExpectedService,
    Host,
    RestoreTest,
    Service,
    TlsPolicy,
)
from secscan.scope.address import canonical_address
from secscan.scope.name import canonical_name
from secscan.toml_source import Loc, MisfitError, shown_value

T = TypeVar("T")

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


# What names a backup is handed to the host, as data of the script that looks for it there. The script quotes it; that
# it holds nothing which a shell would read is the second lock.
_BACKUP_NAME = re.compile(r"[A-Za-z0-9/._+@:,=%-]{1,200}")
_BACKUP_PATH = re.compile(r"(?:/|[A-Za-z]:/)[A-Za-z0-9/._+@:,=%*?-]{1,200}")
_UNITS = {
    "B": 1,
    **{unit: 1000**n for n, unit in enumerate(("kB", "MB", "GB", "TB"), start=1)},
    **{unit: 1024**n for n, unit in enumerate(("KiB", "MiB", "GiB", "TiB"), start=1)},
}


def _tool(text: str) -> str:
    if text and not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", text):
        message = _('{value} is not a tool; write its name in lower-case letters, such as "restic"')
        raise ValueError(message.format(value=shown_value(text)))
    return text


def _backup_name(text: str) -> str:
    if text and (not _BACKUP_NAME.fullmatch(text) or text.startswith("-")):
        message = _(
            "{value} is not a name of a backup; use up to 200 ASCII letters, digits and any of /._+@:,=%-, "
            "with no '-' first"
        )
        raise ValueError(message.format(value=shown_value(text)))
    return text


def _backup_path(text: str) -> str:
    if text and (not _BACKUP_PATH.fullmatch(text) or ".." in text.split("/")):
        message = _(
            '{value} is not a path to look for; write it in full, such as "/srv/dumps/*.sql.gz", with ASCII '
            "letters, digits and any of /._+@:,=%-*?, and no '..'"
        )
        raise ValueError(message.format(value=shown_value(text)))
    return text


def _content(text: str) -> str:
    _visible(text)
    if not re.fullmatch(r"(?:/|[A-Za-z]:[/\\]).*|[a-z]+ \S.*", text):
        message = _('{value} is nothing a backup holds; write a full path, "database NAME" or "volume NAME"')
        raise ValueError(message.format(value=shown_value(text)))
    return text.rstrip("/") or "/"


def _hours(value: Any) -> Any:
    return _counted(value, {"h": 1, "d": 24, "w": 168}, _('a length of time; write it as "24h" or "7d"'))


def _days(value: Any) -> Any:
    return _counted(value, {"d": 1, "w": 7}, _('a number of days; write it as "30d" or "8w"'))


def _bytes(value: Any) -> Any:
    return _counted(value, _UNITS, _('a size; write it as "500 MB" or "10 GiB"'))


def _counted(value: Any, units: dict[str, int], expected: str) -> Any:
    """A number with its unit as a number of the smallest one; whatever is no text is left to the type's own check."""
    if not isinstance(value, str):
        return value
    shape = re.fullmatch(r"([0-9]{1,9}) ?([A-Za-z]+)", value)
    if shape is None or shape[2] not in units:
        message = _("{value} is not {expected}").format(value=shown_value(value), expected=expected)
        raise ValueError(message)
    return int(shape[1]) * units[shape[2]]


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
    contact: list[_Contact] = []


class _Service(_Table):
    port: int = Field(ge=1, le=65535)
    transport: Literal["tcp", "udp"] = "tcp"
    server_names: ServerNames | None = None
    tls: Literal["required", "optional", "none"] | None = None
    what: Line = ""


class _RestoreTest(_Table):
    date: date
    by: Words
    evidence: Words


class _Backup(_Table):
    name: Annotated[str, AfterValidator(_backup_name)] = ""
    tool: Annotated[str, AfterValidator(_tool)] = ""
    path: Annotated[str, AfterValidator(_backup_path)] = ""
    on: Annotated[str, AfterValidator(lambda text: _slug(text) if text else text)] = ""
    must_contain: Annotated[
        list[Annotated[str, Field(max_length=400), AfterValidator(_content)]], AfterValidator(_once)
    ] = []
    recovery_point: Annotated[int, Field(ge=1, le=366 * 24)] | None = None
    minimum_size: Annotated[int, Field(ge=1)] | None = None
    keep: Annotated[int, Field(ge=1, le=36600)] | None = None
    off_site: Line = ""
    immutable: bool | None = None
    restore_test: list[_RestoreTest] = []

    _read_hours = field_validator("recovery_point", mode="before")(_hours)
    _read_bytes = field_validator("minimum_size", mode="before")(_bytes)
    _read_days = field_validator("keep", mode="before")(_days)

    @model_validator(mode="after")
    def _can_be_found(self) -> "_Backup":
        if not (self.name or self.tool or self.path):
            raise MisfitError(
                ((), _("nothing says how to find the backup; give it a tool, a name or a path"))
            )
        return self


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
    canary: Literal["good", "bad"] | None = None
    ports: Annotated[str, AfterValidator(_port_list)] = ""
    dns_zones: Names = []
    closed: Annotated[str, AfterValidator(_port_list)] = ""
    since: date | None = None
    until: date | None = None
    service: list[_Service] = []
    backup: list[_Backup] = []

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
        closed = ports_in(self.closed)
        for i, service in enumerate(self.service):
            if service.transport == "tcp" and service.port in closed:
                message = _(
                    "tcp/{port} is declared as a service, and in 'closed'; leave it out of one of them"
                )
                parts.append((("service", i), message.format(port=service.port)))
        parts += _repeated_backups(self.backup)
        if parts:
            raise MisfitError(*parts)
        return self


class AgencyFile(_Table):
    """A file of the inventory, key by key."""

    agency: _Agency
    host: list[_Host] = []


def _declared_twice(service: Service) -> str:
    place = f"{service.transport}/{service.port}"
    if service.server_name:
        return _("{place} with the server name {name} is declared twice").format(
            place=place, name=service.server_name
        )
    return _("{place} without a server name is declared twice").format(place=place)


def _repeated_backups(tables: list[_Backup]) -> Iterator[tuple[Loc, str]]:
    """Two declarations of one backup would be two findings of one identity."""
    before = set()
    for i, table in enumerate(tables):
        identity = (table.tool, table.name, table.path, table.on)
        if identity in before:
            yield (
                ("backup", i),
                _("the same backup is declared twice; give them different names, or leave one out"),
            )
        before.add(identity)


def agency_of(file: AgencyFile) -> Agency:
    table = file.agency
    return Agency(
        id=table.id,
        names=table.names,
        tier=table.tier,
        parent=table.parent,
        zone=table.zone,
        contacts=tuple(Contact(c.name, c.email, c.phone) for c in table.contact),
    )


def hosts_of(file: AgencyFile) -> list[Member]:
    return [(_host(table), table.since, table.until) for table in file.host]


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
        canary=Canary(table.canary) if table.canary else None,
        services=tuple(expected for service in table.service for expected in _services(table, service)),
        ports=table.ports,
        resolve=table.resolve,
        backups=tuple(_backup(backup) for backup in table.backup),
        dns_zones=tuple(table.dns_zones),
        closed=table.closed,
    )


def _backup(table: _Backup) -> DeclaredBackup:
    return DeclaredBackup(
        name=table.name,
        tool=table.tool,
        path=table.path,
        on=table.on,
        must_contain=tuple(table.must_contain),
        recovery_point_hours=table.recovery_point,
        minimum_bytes=table.minimum_size,
        keep_days=table.keep,
        off_site=table.off_site,
        immutable=table.immutable,
        restore_tests=tuple(
            RestoreTest(test.date, test.by, test.evidence)
            for test in sorted(table.restore_test, key=lambda test: test.date)
        ),
    )


def _services(host: _Host, table: _Service) -> Iterator[ExpectedService]:
    """One service for each server name: those it declares, else the host's first name, else none."""
    names = (host.names[:1] or [""]) if table.server_names is None else (table.server_names or [""])
    for name in names:
        service = Service(host.id, table.transport, table.port, name)
        yield ExpectedService(service, TlsPolicy(table.tls or TlsPolicy.UNSTATED), table.what)
