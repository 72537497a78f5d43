"""The contract with the operator: which networks and names, at which times, how fast, whose and until when."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from secscan.language import _
from secscan.model import Reason
from secscan.scope.address import AddressSet, canonical_address
from secscan.scope.name import NameSet, canonical_name
from secscan.toml_source import ConfigurationError, Mistake, read_toml, shown_value

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_MIDNIGHT = time(0)


class ScopeError(Exception):
    """Why nothing at all may be probed: the operator must mend it first."""


class ScopeExpiredError(ScopeError, ConfigurationError):
    """The operator's leave to probe has run out; nothing is started until it is renewed."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a probe is not made. ``detail`` is a plain sentence; reason OUT_OF_SCOPE, OUT_OF_WINDOW or NOT_RESOLVED."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Rates:
    """The most connections that are begun in a second: by all workers together, and to one address."""

    connections_per_second: int = 1000
    per_host: int = 200


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of the day in which probing is allowed, by the clock on the wall of ``zone``.

    ``starts`` is inside, ``ends`` is not. One that ends at or before its start ends on the next day, and
    ``days`` are those on which it starts.
    """

    days: tuple[Day, ...] = DAYS
    starts: time = _MIDNIGHT
    ends: time = _MIDNIGHT
    zone: str = "UTC"

    def covers(self, at: datetime) -> bool:
        local = at.astimezone(_zone(self.zone))
        clock, today = local.time(), DAYS[local.weekday()]
        if self.starts < self.ends:
            return today in self.days and self.starts <= clock < self.ends
        yesterday = DAYS[(local - timedelta(days=1)).weekday()]
        return (today in self.days and self.starts <= clock) or (yesterday in self.days and clock < self.ends)

    def __str__(self) -> str:
        return f"{' '.join(self.days)} {self.starts:%H:%M:%S} to {self.ends:%H:%M:%S} {self.zone}"


@dataclass(frozen=True, slots=True)
class Contacts:
    """Who is contacted in the course of a scan. Being listed here gives no leave to probe them."""

    resolvers: tuple[str, ...] = ()
    ocsp: tuple[str, ...] = ()
    crl: tuple[str, ...] = ()
    broker: tuple[str, ...] = ()
    database: tuple[str, ...] = ()
    mail: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scope:
    """What the operator allows. All addresses, networks and names are in canonical spelling.

    An address must be in ``networks`` and not in ``exclude_networks``. Where a probe is for a name, that must
    not be in ``exclude_names`` and, if there are any ``names``, be among them: names narrow, and never widen
    the networks. ``expires`` is the last day of leave, in ``zone``.
    """

    owner: str
    expires: date
    networks: tuple[str, ...]
    names: tuple[str, ...] = ()
    exclude_networks: tuple[str, ...] = ()
    exclude_names: tuple[str, ...] = ()
    windows: tuple[Window, ...] = ()
    rates: Rates = Rates()
    contact: Contacts = Contacts()
    zone: str = "UTC"

    def expired(self, at: datetime) -> bool:
        return at.astimezone(_zone(self.zone)).date() > self.expires

    # What membership is looked up in is made once for each scope, not once for each probe.

    @cached_property
    def allowed_addresses(self) -> AddressSet:
        return AddressSet(self.networks)

    @cached_property
    def excluded_addresses(self) -> AddressSet:
        return AddressSet(self.exclude_networks)

    @cached_property
    def allowed_names(self) -> NameSet:
        return NameSet(self.names)

    @cached_property
    def excluded_names(self) -> NameSet:
        return NameSet(self.exclude_names)


def judge_address(scope: Scope, address: str, *, name: str = "", at: datetime) -> Refusal | None:
    """Why ``address``, on behalf of ``name``, may not be probed at ``at``; None where it may.

    The address is judged as what it stands for (IPv4-mapped, NAT64). Raises ValueError where ``at`` is naive.
    """
    if at.tzinfo is None:
        raise ValueError("the instant to judge by must have a time zone")
    if scope.expired(at):
        return Refusal(Reason.OUT_OF_SCOPE, f"the scope expired at the end of {scope.expires} ({scope.zone})")
    refusal = judge_name(scope, name) if name else None
    if refusal is not None:
        return refusal
    try:
        plain = canonical_address(address)
    except ValueError:
        return Refusal(Reason.OUT_OF_SCOPE, f"{shown_value(address)} is not an IP address")
    shown = plain if plain == address else f"{shown_value(address)}, which stands for {plain},"
    if plain in scope.excluded_addresses:
        return Refusal(Reason.OUT_OF_SCOPE, f"{shown} is excluded by the scope")
    if plain not in scope.allowed_addresses:
        return Refusal(Reason.OUT_OF_SCOPE, f"{shown} is in no network of the scope")
    if scope.windows and not any(window.covers(at) for window in scope.windows):
        windows = "; ".join(str(window) for window in scope.windows)
        return Refusal(
            Reason.OUT_OF_WINDOW, f"{at:%Y-%m-%d %H:%M:%S %Z} is outside the hours of the scope ({windows})"
        )
    return None


def judge_name(scope: Scope, name: str) -> Refusal | None:
    """Why ``name`` may not be looked up or asked for; None where it may."""
    try:
        canonical = canonical_name(name)
    except ValueError:
        return Refusal(Reason.OUT_OF_SCOPE, f"{shown_value(name)} is not a DNS name")
    if canonical in scope.excluded_names:
        return Refusal(Reason.OUT_OF_SCOPE, f"the name {canonical} is excluded by the scope")
    if scope.names and canonical not in scope.allowed_names:
        return Refusal(Reason.OUT_OF_SCOPE, f"the name {canonical} is not among the names of the scope")
    return None


def require_current(scope: Scope, at: datetime, *, path: Path) -> None:
    """Raises ScopeExpiredError, naming the file ``path``, where the scope has expired at ``at``."""
    if scope.expired(at):
        message = _("the scope expired at the end of {day}; have {owner} renew it before scanning").format(
            day=scope.expires, owner=scope.owner or _("its owner")
        )
        try:
            line = read_toml(path).line_of(("expires",))
        except ConfigurationError:
            line = None
        raise ScopeExpiredError([Mistake(path, line, "expires", message)])


def scope_of_addresses(addresses: Iterable[str], names: Iterable[str] = ()) -> Scope:
    """A scope of exactly these addresses, and, if any are given, only these names of theirs.

    Raises ValueError where one is no address or no name.
    """
    return Scope(
        owner="",
        expires=date.max,
        networks=tuple(dict.fromkeys(canonical_address(address).partition("%")[0] for address in addresses)),
        names=tuple(dict.fromkeys(canonical_name(name) for name in names)),
    )


def scope_document(scope: Scope) -> dict[str, Any]:
    """The scope as plain JSON values, for workers and the plan of a run."""
    document = asdict(scope)
    document["expires"] = scope.expires.isoformat()
    document["windows"] = [
        {**asdict(w), "starts": w.starts.isoformat(), "ends": w.ends.isoformat()} for w in scope.windows
    ]
    return {key: _plain(value) for key, value in document.items()}


def scope_from_document(document: Mapping[str, Any]) -> Scope:
    """The scope whose ``scope_document`` this is."""
    fields: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in document.items()
    }
    fields["expires"] = date.fromisoformat(document["expires"])
    fields["windows"] = tuple(
        Window(tuple(w["days"]), time.fromisoformat(w["starts"]), time.fromisoformat(w["ends"]), w["zone"])
        for w in document["windows"]
    )
    fields["rates"] = Rates(**document["rates"])
    fields["contact"] = Contacts(**{key: tuple(value) for key, value in document["contact"].items()})
    return Scope(**fields)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
