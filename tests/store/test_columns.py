"""Values survive their columns exactly, in words that every database takes."""

from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite

from secscan.store.columns import (
    Exact,
    as_written,
    from_json_text,
    instant,
    json_text,
    microseconds,
    storable,
)

#: With halves of surrogates and NUL, which hosts do send.
TEXTS = st.text(st.characters())


@given(TEXTS)
def test_any_text_survives(text: str) -> None:
    assert as_written(storable(text)) == text


@given(TEXTS)
def test_any_text_is_stored_in_letters_that_every_database_takes(text: str) -> None:
    stored = storable(text)
    assert "\0" not in stored
    stored.encode()


@pytest.mark.parametrize("text", ["", "plain", "Bộ Y tế", "\x1b[31m", "\u202e"])
def test_ordinary_text_is_stored_as_it_is(text: str) -> None:
    assert storable(text) == text


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | TEXTS, lambda v: st.lists(v) | st.dictionaries(TEXTS, v)
    )
)
def test_any_json_survives_in_letters_that_every_database_takes(value: Any) -> None:
    stored = json_text(value)
    assert "\0" not in stored
    stored.encode()
    assert from_json_text(stored) == value


@given(st.dictionaries(TEXTS, st.integers()))
def test_equal_json_gives_equal_text(value: dict[str, int]) -> None:
    assert json_text(dict(reversed(value.items()))) == json_text(value)


@given(st.datetimes(min_value=datetime(1900, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - Hypothesis adds the zone
def test_any_instant_survives_to_the_microsecond(at: datetime) -> None:
    assert instant(microseconds(at)) == at


def test_an_instant_is_the_same_in_every_zone() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert microseconds(at) == microseconds(at.astimezone(timezone(timedelta(hours=7))))


@given(st.fractions())
def test_any_fraction_survives(value: Fraction) -> None:
    dialect = sqlite.dialect()
    stored = Exact().process_bind_param(value, dialect)
    assert Exact().process_result_value(stored, dialect) == value
