"""TOML as an operator wrote it: values with their lines, and every mistake in words that say what to do."""

from secscan.toml_source.mistake import (
    ConfigurationError,
    Loc,
    MisfitError,
    Mistake,
    in_order,
    key_path,
    nearest,
    not_one_of,
    shown_path,
    shown_value,
)
from secscan.toml_source.parsing import parse
from secscan.toml_source.source import MAX_BYTES, Source, read_text, read_toml

__all__ = [
    "MAX_BYTES",
    "ConfigurationError",
    "Loc",
    "MisfitError",
    "Mistake",
    "Source",
    "in_order",
    "key_path",
    "nearest",
    "not_one_of",
    "parse",
    "read_text",
    "read_toml",
    "shown_path",
    "shown_value",
]
