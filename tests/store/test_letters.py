"""What was told when, kept."""

from pathlib import Path

import pytest

from secscan.history.letters import Told
from secscan.store import Store, StoreError
from secscan.store.letters import Letter
from tests.cli.judged import AT, a_finding, write_judged

FAILING = a_finding("a1")
TOLD = Told(FAILING.id, AT, 0)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return write_judged(
        tmp_path / "w", [{"a1": [FAILING], "b1": [a_finding("b1")]}], {"one": ["a1"], "two": ["b1"]}
    ).database


def test_a_letter_is_read_back(database: Path) -> None:
    with Store.open(database) as store:
        store.add_letter(Letter("one", 1, AT, 1), {TOLD}, ["a1"])
    with Store.open(database) as store:
        assert store.letters_to("one") == (Letter("one", 1, AT, 1),)
        assert store.letters_to("two") == ()
        assert store.told_of(["a1"]) == {TOLD}
        assert store.told_of(["b1"]) == set()


def test_the_same_is_never_told_twice(database: Path) -> None:
    with Store.open(database) as store:
        store.add_letter(Letter("one", 1, AT, 1), {TOLD}, ["a1"])
        with pytest.raises(StoreError):
            store.add_letter(Letter("one", 2, AT, 1), {TOLD}, ["a1"])
        assert len(store.letters_to("one")) == 1


@pytest.mark.parametrize("number", [1, 3])
def test_a_number_out_of_turn_is_refused(database: Path, number: int) -> None:
    with Store.open(database) as store:
        store.add_letter(Letter("one", 1, AT, 1), {TOLD}, ["a1"])
        with pytest.raises(StoreError, match="another letter to one was written meanwhile"):
            store.add_letter(Letter("one", number, AT, 1), (), ["a1"])


def test_a_store_with_letters_is_in_order(database: Path) -> None:
    with Store.open(database) as store:
        store.add_letter(Letter("one", 1, AT, 1), {TOLD}, ["a1"])
        assert store.check() == []
