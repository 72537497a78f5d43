"""A document as a pydantic model, and every mistake that pydantic found in words an operator uses."""

import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from secscan.language import _
from secscan.toml_source.mistake import (
    ConfigurationError,
    Loc,
    MisfitError,
    in_order,
    nearest,
    not_one_of,
    shown_value,
)
from secscan.toml_source.source import Source

M = TypeVar("M", bound=BaseModel)


def parse(source: Source, model: type[M]) -> M:
    """The file's values as ``model``. Raises ConfigurationError with every mistake, in the order of lines.

    ``model`` should refuse unknown keys (``extra="forbid"``): the nearest known one is then suggested.
    """
    try:
        return model.model_validate(source.data)
    except ValidationError as error:
        mistakes = [
            source.mistake(loc, message)
            for details in error.errors(include_url=False)
            for loc, message in _explained(details, model)
        ]
    raise ConfigurationError(in_order(dict.fromkeys(mistakes)))


def _explained(details: ErrorDetails, model: type[BaseModel]) -> Iterator[tuple[Loc, str]]:
    """What pydantic found, as places in the file and sentences about them."""
    loc: Loc = tuple(part for part in details["loc"] if part != "[key]")
    context = details.get("ctx", {})
    value = details["input"]
    raised = context.get("error")
    match details["type"]:
        case "missing":
            yield loc, _("is missing; it must be given")
        case "extra_forbidden":
            yield loc, _unknown_key(loc, model)
        case "literal_error" | "enum":
            yield loc, not_one_of(value, re.findall(r"'([^']*)'", context["expected"]))
        case "value_error" if isinstance(raised, MisfitError):
            for below, message in raised.parts:
                yield loc + below, message
        case "value_error" | "assertion_error":
            yield loc, str(raised)
        case kind:
            expected = _expected(kind, context) or details["msg"][:1].lower() + details["msg"][1:]
            yield (
                loc,
                _("{value} does not fit here; {expected}").format(
                    value=shown_value(value), expected=expected
                ),
            )


def _expected(kind: str, context: Mapping[str, Any]) -> str:
    """What was expected, in an operator's words, by pydantic's type of error; empty for the rare ones."""
    match kind:
        case "string_type":
            return _("expected a text in quotes")
        case "string_too_short":
            return _("expected at least {min_length} characters").format_map(context)
        case "string_too_long":
            return _("expected at most {max_length} characters").format_map(context)
        case "string_pattern_mismatch":
            return _("expected a text of the form {pattern}").format_map(context)
        case "int_type" | "int_parsing" | "int_from_float":
            return _("expected a whole number")
        case "float_type" | "float_parsing" | "decimal_type" | "decimal_parsing":
            return _("expected a number")
        case "finite_number":
            return _("expected a finite number")
        case "bool_type" | "bool_parsing":
            return _("expected true or false")
        case "greater_than":
            return _("expected more than {gt}").format_map(context)
        case "greater_than_equal":
            return _("expected {ge} or more").format_map(context)
        case "less_than":
            return _("expected less than {lt}").format_map(context)
        case "less_than_equal":
            return _("expected {le} or less").format_map(context)
        case "date_type" | "date_parsing" | "date_from_datetime_parsing":
            return _("expected a date without quotes, such as 2026-01-31")
        case "date_from_datetime_inexact":
            return _("expected a date without a time, such as 2026-01-31")
        case "time_type" | "time_parsing":
            return _("expected a time without quotes, such as 22:00:00")
        case "datetime_type" | "datetime_parsing":
            return _("expected a date with a time, such as 2026-01-31T22:00:00Z")
        case "list_type" | "tuple_type" | "set_type" | "frozen_set_type":
            return _('expected an array, such as ["..."]')
        case "dict_type" | "mapping_type" | "model_type" | "model_attributes_type" | "dataclass_type":
            return _("expected a table")
        case "too_short":
            return _("expected at least {min_length} of them").format_map(context)
        case "too_long":
            return _("expected at most {max_length} of them").format_map(context)
    return ""


def _unknown_key(loc: Loc, model: type[BaseModel]) -> str:
    key = str(loc[-1])
    known = _keys_at(loc[:-1], model)
    guess = nearest(key, known)
    if guess is not None:
        return _("unknown key; did you mean '{guess}'?").format(guess=guess)
    elsewhere = next((where for where in _homes_of(key, model) if where != _shape(loc[:-1])), None)
    if elsewhere == ():
        # TOML's own trap: what follows a [table] belongs to it, whatever was meant.
        return _(
            "unknown key in this table; '{key}' belongs at the top of the file, above every table"
        ).format(key=key)
    if elsewhere is not None:
        return _("unknown key here; '{key}' belongs in the table '{table}'").format(
            key=key, table=".".join(elsewhere)
        )
    return _("unknown key; the keys known here are {known}").format(known=", ".join(known) or _("none"))


def _keys_at(loc: Loc, model: type[BaseModel]) -> list[str]:
    """The keys that may stand in the table at ``loc``."""
    candidates: list[Any] = [model]
    for part in loc:
        candidates = [inner for c in candidates for inner in _step(c, part)]
    return [key for c in candidates for m in _models_in(c) for key in _fields_of(m)]


def _step(annotation: Any, part: str | int) -> Iterator[Any]:
    """What may stand under ``part`` of a value annotated so."""
    for model in _models_in(annotation):
        field = _fields_of(model).get(str(part))
        if field is not None:
            yield field.annotation
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        for option in typing.get_args(annotation):
            yield from () if _models_in(option) else _step(option, part)
    elif origin is typing.Annotated:
        yield from _step(typing.get_args(annotation)[0], part)
    elif isinstance(origin, type) and issubclass(origin, Mapping):
        yield typing.get_args(annotation)[1]
    elif isinstance(origin, type) and issubclass(origin, (list, tuple, Sequence)):
        yield typing.get_args(annotation)[0]


def _models_in(annotation: Any) -> tuple[type[BaseModel], ...]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return (annotation,)
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, typing.Annotated):
        return tuple(m for option in typing.get_args(annotation) for m in _models_in(option))
    return ()


def _fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _homes_of(key: str, model: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The tables, by their names, in which ``key`` may stand; the outermost first."""
    fields = _fields_of(model)
    if key in fields:
        yield above
    if len(above) < 4:  # A model may hold itself; no file of ours is nested deeper.
        for name, field in fields.items():
            for annotation in (field.annotation, *_step(field.annotation, 0)):
                for inner in _models_in(annotation):
                    yield from _homes_of(key, inner, (*above, name))


def _shape(loc: Loc) -> tuple[str, ...]:
    return tuple(part for part in loc if isinstance(part, str))
