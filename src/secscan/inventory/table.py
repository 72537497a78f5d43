"""The inventory as a table, a row a host: what a spreadsheet edits, and how each cell is written in TOML."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from secscan.language import _
from secscan.spreadsheet import guarded, is_spoilt, unguarded
from secscan.toml_source import shown_value

#: Of the agency, the same in all rows of its hosts. They are read where the agency is new.
AGENCY_COLUMNS = ("agency", "agency_name", "tier", "parent")

#: Of the host, each a key of its table, in the order they are written.
LISTS = ("addresses", "names", "dns_zones")
TEXTS = ("role", "zone", "credential", "canary", "ports", "closed")
NUMBERS = ("level", "criticality")
DATES = ("since", "until")
KEYS = (
    *("id", "addresses", "names", "resolve", "role", "zone", "level", "criticality", "credential", "canary"),
    *("ports", "closed", "dns_zones", "since", "until"),
)

#: ``services`` is a line a service; ``backups`` counts them: it takes more than a cell to declare one.
COLUMNS = (*AGENCY_COLUMNS, *KEYS, "services", "backups")

_TRUE = {"yes", "true", "1", "có"}
_FALSE = {"no", "false", "0", "không"}
_SERVICE = re.compile(r"(tcp|udp)/(\d{1,5})((?: (?:tls|names)=\S*)*)(?: what=(.*))?", re.IGNORECASE)


def table_rows(
    agency: Mapping[str, Any], hosts: list[dict[str, Any]], language: str
) -> Iterator[dict[str, str]]:
    """A row for each of ``hosts``, as TOML has them; an agency without any has a row without a host."""
    names = agency["names"]
    of_agency = {
        "agency": agency["id"],
        "agency_name": names.get(language) or next(iter(names.values())),
        "tier": agency.get("tier", ""),
        "parent": agency.get("parent", ""),
    }
    for host in hosts or [{}]:
        row = {**dict.fromkeys(COLUMNS, ""), **of_agency, **cells_of(host)}
        numbers = {*NUMBERS, *DATES, "backups"}
        yield {name: cell if name in numbers else guarded(cell) for name, cell in row.items()}


def cells_of(host: Mapping[str, Any]) -> dict[str, str]:
    """What is written of a host, by column; what is not is empty."""
    cells = {key: _cell(host[key]) if key in host else "" for key in KEYS}
    cells["services"] = "\n".join(service_cell(service) for service in host.get("service", ()))
    cells["backups"] = str(len(host["backup"])) if host.get("backup") else ""
    return cells


def service_cell(service: Mapping[str, Any]) -> str:
    """``tcp/443 tls=required names=a.example,b.example what=The portal``; ``names=`` asks for none."""
    parts = [f"{service.get('transport', 'tcp')}/{service['port']}"]
    if "tls" in service:
        parts.append(f"tls={service['tls']}")
    if "server_names" in service:
        parts.append("names=" + ",".join(service["server_names"]))
    if service.get("what"):
        parts.append(f"what={service['what']}")
    return " ".join(parts)


def value_of(key: str, cell: str, before: Any) -> Any:
    """What TOML is to say for a cell, None for an empty one. ``before`` is what it says now.

    Raises ValueError, in words for the operator, on what can't be meant or a spreadsheet has spoilt.
    """
    if is_spoilt(cell):
        message = _(
            "{value} is what a spreadsheet leaves of a cell that it took for a number; write it again"
        )
        raise ValueError(message.format(value=shown_value(cell)))
    text = unguarded(cell)
    if not text:
        return None
    if key in LISTS:
        return [part for part in re.split(r"[\s,;]+", text) if part]
    if key in NUMBERS:
        found = re.fullmatch(r"(\d+)(?:[.,]0+)?", text)
        if not found:
            raise ValueError(_("{value} is not a whole number").format(value=shown_value(text)))
        return int(found[1])
    if key in DATES:
        return _date(text, before)
    if key == "resolve":
        folded = text.casefold()
        if folded not in _TRUE | _FALSE:
            raise ValueError(_("{value} is neither yes nor no").format(value=shown_value(text)))
        return folded in _TRUE
    return text


def services_of(cell: str) -> list[dict[str, Any]]:
    """The services that a cell declares. Raises ValueError."""
    return [_service(line) for line in unguarded(cell).splitlines() if line.strip()]


def toml_value(value: Any) -> str:
    """A value as TOML 1.0.0 writes it; JSON's escapes are among those that its basic strings know."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case date():
            return value.isoformat()
        case list():
            return f"[{', '.join(map(toml_value, value))}]"
    return json.dumps(value, ensure_ascii=False)


def service_table(service: Mapping[str, Any]) -> str:
    """A service as lines of a file of the inventory."""
    lines = [f"{key} = {toml_value(value)}\n" for key, value in service.items()]
    return "".join(["[[host.service]]\n", *lines])


def _cell(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case list():
            return " ".join(map(str, value))
        case date():
            return value.isoformat()
    return str(value)


def _service(line: str) -> dict[str, Any]:
    found = _SERVICE.fullmatch(line.strip())
    if not found:
        message = _('{value} is not a service; write it as "tcp/443 tls=required names=a.example what=words"')
        raise ValueError(message.format(value=shown_value(line)))
    service: dict[str, Any] = {"port": int(found[2])}
    if found[1].lower() != "tcp":
        service["transport"] = found[1].lower()
    for option in found[3].split():
        name, _equals, value = option.partition("=")
        if name.lower() == "tls":
            service["tls"] = value.lower()
        else:
            service["server_names"] = value.split(",") if value else []
    if found[4]:
        service["what"] = found[4]
    return service


def _date(text: str, before: Any) -> date:
    """A date as a spreadsheet may have written it again. One of two readings counts where it is what was there."""
    found = re.fullmatch(r"(\d{1,4})[-/.](\d{1,2})[-/.](\d{1,4})(?:[ T]0?0:00(?::00)?)?", text)
    readings = set(_readings(*map(int, found.groups()))) if found else set()
    if before in readings:
        return date.fromisoformat(before.isoformat())
    if len(readings) != 1 or (found and not re.search(r"\d{4}", text)):
        message = (
            _("{value} may be two different days; write it as 2026-06-30")
            if readings
            else _("{value} is not a day; write it as 2026-06-30")
        )
        raise ValueError(message.format(value=shown_value(text)))
    return readings.pop()


def _readings(first: int, second: int, third: int) -> Iterator[date]:
    ways = [(first, second, third)] if first > 99 else [(third, second, first), (third, first, second)]
    for year, month, day in ways:
        try:
            yield date(year if year > 99 else 2000 + year, month, day)
        except ValueError:
            continue
