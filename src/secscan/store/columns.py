"""How values that SQL has no portable type for are kept in columns: exactly, and the same on every database."""

import json
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Dialect, Text
from sqlalchemy.types import TypeDecorator

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

#: Opens a text that is kept as a JSON string, because no database would take it as it is.
ESCAPE = "\x1a"


class Instant(TypeDecorator[datetime]):
    """An aware datetime as microseconds since 1970 in UTC: what was recorded is read back exactly."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> int | None:
        return None if value is None else microseconds(value)

    def process_result_value(self, value: int | None, _dialect: Dialect) -> datetime | None:
        return None if value is None else instant(value)


class HostText(TypeDecorator[str]):
    """Text that may quote a host, and so may hold what PostgreSQL (NUL) or UTF-8 (half a surrogate) refuses."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> str | None:
        return None if value is None else storable(value)

    def process_result_value(self, value: str | None, _dialect: Dialect) -> str | None:
        return None if value is None else as_written(value)


class Json(TypeDecorator[Any]):
    """Canonical JSON text: equal values give equal text. Tuples are read back as lists."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, _dialect: Dialect) -> str | None:
        return None if value is None else json_text(value)

    def process_result_value(self, value: str | None, _dialect: Dialect) -> Any:
        return None if value is None else from_json_text(value)


class Exact(TypeDecorator[Fraction]):
    """A fraction as ``numerator/denominator``: scores are rounded only when they are shown."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Fraction | None, _dialect: Dialect) -> str | None:
        return None if value is None else f"{value.numerator}/{value.denominator}"

    def process_result_value(self, value: str | None, _dialect: Dialect) -> Fraction | None:
        return None if value is None else Fraction(value)


def microseconds(at: datetime) -> int:
    """Raises ValueError on a datetime without a time zone: which instant it means can't be told."""
    if at.tzinfo is None:
        raise ValueError(f"{at.isoformat()} has no time zone; the store takes aware datetimes only")
    return (at - EPOCH) // MICROSECOND


def instant(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)


def storable(text: str) -> str:
    """The text itself wherever a database takes it, which is nearly always."""
    if "\0" not in text and not text.startswith(ESCAPE):
        if text.isascii():
            return text
        try:
            text.encode()
        except UnicodeEncodeError:
            pass
        else:
            return text
    return ESCAPE + json.dumps(text)


def as_written(stored: str) -> str:
    """The inverse of ``storable``."""
    if stored.startswith(ESCAPE):
        return str(json.loads(stored[1:]))
    return stored


def json_text(value: Any) -> str:
    try:
        return msgspec.json.encode(value, order="sorted").decode()
    except UnicodeEncodeError:
        # Half a surrogate, which the slower encoder escapes.
        return json.dumps(value, sort_keys=True, separators=(",", ":"))


def from_json_text(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return json.loads(text)
