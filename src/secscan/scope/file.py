"""scope.toml, as the operator writes it."""

import re
from datetime import date, time
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from secscan.language import _
from secscan.scope.address import canonical_address, canonical_network
from secscan.scope.contract import DAYS, Contacts, Day, Rates, Scope, Window
from secscan.scope.name import canonical_name, canonical_pattern
from secscan.toml_source import MisfitError, nearest, parse, read_toml, shown_value


def load_scope(path: Path) -> Scope:
    """The scope in a file. Raises ConfigurationError with every mistake in it."""
    file = parse(read_toml(path), ScopeFile)
    return Scope(
        owner=file.owner,
        expires=file.expires,
        networks=tuple(dict.fromkeys(file.networks)),
        names=tuple(dict.fromkeys(file.names)),
        exclude_networks=tuple(dict.fromkeys(e for e in file.exclude if _is_numeric(e))),
        exclude_names=tuple(dict.fromkeys(e for e in file.exclude if not _is_numeric(e))),
        windows=tuple(
            Window(tuple(day for day in DAYS if day in w.days), w.starts, w.ends, w.zone or file.zone)
            for w in file.window
        ),
        rates=Rates(file.rates.connections_per_second, file.rates.per_host),
        contact=Contacts(**{use: tuple(peers) for use, peers in file.contact}),
        zone=file.zone,
    )


def canonical_zone(text: str) -> str:
    """A time zone of the IANA database. Raises ValueError, with the nearest one, where it is none."""
    try:
        return ZoneInfo(text).key
    except (ValueError, OSError, KeyError) as error:
        message = _('{value} is not a time zone; expected a name such as "Asia/Ho_Chi_Minh"').format(
            value=shown_value(text)
        )
        guess = nearest(text, available_timezones())
        if guess is not None:
            message += _('; did you mean "{guess}"?').format(guess=guess)
        raise ValueError(message) from error


def _is_numeric(text: str) -> bool:
    """Whether an exclusion is of addresses; all else is read as a name."""
    return "/" in text or ":" in text or re.fullmatch(r"[0-9.]+", text) is not None


def _canonical_exclusion(text: str) -> str:
    return canonical_network(text) if _is_numeric(text) else canonical_pattern(text)


def _owned_network(text: str) -> str:
    if not _is_numeric(text):
        message = _('{value} is not a network or address; names belong in the key "names"')
        raise ValueError(message.format(value=shown_value(text)))
    canonical = canonical_network(text)
    network = ip_network(canonical)
    if network.prefixlen == 0:
        message = _("{value} is every address there is, which is no scope; list the networks you own")
        raise ValueError(message.format(value=shown_value(text)))
    if network.is_multicast or network.is_unspecified:
        message = _("{value} holds no address that a host can have; list the networks you own")
        raise ValueError(message.format(value=shown_value(text)))
    return canonical


def _canonical_peer(text: str) -> str:
    """An address or a name, with or without a port."""
    try:
        return canonical_address(text)
    except ValueError:
        pass
    match = re.fullmatch(r"(?P<host>\[.*\]|[^:]*)(?::(?P<port>[0-9]{1,5}))?", text)
    if match is None or int(match["port"] or 1) not in range(1, 65536):
        message = _('{value} is not a name or address with or without a port, such as "mail.example:587"')
        raise ValueError(message.format(value=shown_value(text)))
    host = match["host"]
    bracketed = host.startswith("[")
    canonical = f"[{canonical_address(host[1:-1])}]" if bracketed else canonical_name(host)
    return f"{canonical}:{match['port']}" if match["port"] else canonical


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Rates(_Table):
    connections_per_second: int = Field(default=Rates().connections_per_second, ge=1, le=1_000_000)
    per_host: int = Field(default=Rates().per_host, ge=1, le=1_000_000)


class _Window(_Table):
    days: list[Day] = Field(default=list(DAYS), min_length=1)
    starts: time = Field(default=time(0), alias="from")
    ends: time = Field(default=time(0), alias="to")
    zone: Annotated[str, AfterValidator(canonical_zone)] | None = None

    @model_validator(mode="after")
    def _has_a_length(self) -> "_Window":
        if self.starts == self.ends != time(0):
            message = _("the window ends when it starts; leave out 'from' and 'to' for the whole day")
            raise MisfitError((("to",), message))
        return self


Peers = list[Annotated[str, AfterValidator(_canonical_peer)]]


class _Contact(_Table):
    resolvers: Peers = []
    ocsp: Peers = []
    crl: Peers = []
    broker: Peers = []
    database: Peers = []
    mail: Peers = []


class ScopeFile(_Table):
    """The file, key by key."""

    owner: str = Field(min_length=1, max_length=200)
    expires: date
    networks: list[Annotated[str, AfterValidator(_owned_network)]] = Field(min_length=1)
    names: list[Annotated[str, AfterValidator(canonical_pattern)]] = []
    exclude: list[Annotated[str, AfterValidator(_canonical_exclusion)]] = []
    zone: Annotated[str, AfterValidator(canonical_zone)] = "UTC"
    rates: _Rates = _Rates()
    window: list[_Window] = []
    contact: _Contact = _Contact()
