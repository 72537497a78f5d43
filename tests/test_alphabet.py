"""Names stand where a Vietnamese dictionary has them, held against the C library's order for Vietnam."""

import os
import shutil
import subprocess
import unicodedata
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from secscan.alphabet import sort_key

LETTERS = "aăâbcdđeêghiklmnoôơpqrstuưvxy"
TONES = ["", "\u0300", "\u0309", "\u0303", "\u0301", "\u0323"]


def written(letter: str, tone: str, upper: bool) -> str:
    return unicodedata.normalize("NFC", (letter.upper() if upper else letter) + tone)


names = st.lists(
    st.builds(written, st.sampled_from(LETTERS), st.sampled_from(TONES), st.booleans()) | st.just(" ")
).map("".join)

#: Words that glibc and CLDR, whose rules glibc quotes, agree about. glibc has the toneless ă, â, ê, ô, ơ and ư after
#: those with tones, against its own rules, and passes over blanks, so that "m aa" stands before "ma a".
agreed = st.builds(
    lambda letter, tone, upper: written(letter, tone if letter in "aeiouy" else "", upper),
    st.sampled_from(LETTERS),
    st.sampled_from(TONES),
    st.booleans(),
)
words = st.text(agreed, min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a", "ă"),
        ("ă", "â"),
        ("az", "ăa"),
        ("d", "đ"),
        ("dz", "đa"),
        ("e", "ê"),
        ("o", "ô"),
        ("ô", "ơ"),
        ("u", "ư"),
        ("ma", "mà"),
        ("mà", "mả"),
        ("mả", "mã"),
        ("mã", "má"),
        ("má", "mạ"),
        ("mạ", "măng"),
        # A tone counts only where all letters are the same.
        ("hạ", "hải"),
        ("Hà Nam", "Hải Dương"),
        ("hà an", "ha ban"),
        ("a", "A"),
        ("A", "b"),
        ("an", "An"),
        ("phường 2", "phường 10"),
        ("phường 2 a", "phường 2 b"),
        ("2", "a"),
        ("web", "web-1"),
        ("zebra", "яблоко"),
    ],
)
def test_a_name_stands_before_another(first: str, second: str) -> None:
    assert sorted([second, first], key=sort_key) == [first, second]


@given(names)
def test_how_a_letter_is_encoded_makes_no_difference(name: str) -> None:
    assert sort_key(unicodedata.normalize("NFD", name)) == sort_key(unicodedata.normalize("NFC", name))


@given(st.text())
@example("1" * 10_000)
def test_any_text_has_a_place_of_its_own(text: str) -> None:
    assert sort_key(text)[-1] == unicodedata.normalize("NFC", text)


@given(st.lists(st.text(), max_size=5), st.randoms())
def test_the_order_they_come_in_makes_no_difference(texts: list[str], chance: Random) -> None:
    shuffled = chance.sample(texts, len(texts))
    assert [sort_key(t) for t in sorted(shuffled, key=sort_key)] == sorted(map(sort_key, texts))


# --- Held against glibc -----------------------------------------------------------------------------------

Sort = Callable[[list[str]], list[str]]


@pytest.fixture(scope="module")
def glibc_sort(tmp_path_factory: pytest.TempPathFactory) -> Sort:
    """``sort`` under the locale vi_VN.UTF-8, which is made here: few systems have it."""
    localedef, sort = shutil.which("localedef"), shutil.which("sort")
    if localedef is None or sort is None or not Path("/usr/share/i18n/locales/vi_VN").exists():
        pytest.skip("the package locales is not installed")
    folder = tmp_path_factory.mktemp("locales")
    made = folder / "vi_VN.UTF-8"
    subprocess.run([localedef, "-i", "vi_VN", "-f", "UTF-8", str(made)], check=True)
    env = {**os.environ, "LOCPATH": str(folder), "LC_ALL": "vi_VN.UTF-8"}

    def run(lines: list[str]) -> list[str]:
        done = subprocess.run(
            [sort], input="\n".join(lines) + "\n", env=env, capture_output=True, text=True, check=True
        )
        return done.stdout.splitlines()

    return run


@settings(max_examples=5, deadline=None, phases=[Phase.generate])
@given(st.lists(words, min_size=200, max_size=200, unique=True))
def test_words_stand_as_in_glibc(glibc_sort: Sort, lines: list[str]) -> None:
    assert sorted(lines, key=sort_key) == glibc_sort(lines)


def test_every_letter_stands_as_in_glibc(glibc_sort: Sort) -> None:
    lines = [case for letter in "aăâbcdđeêfghijklmnoôơpqrstuưvwxyz" for case in (letter, letter.upper())]
    assert sorted(lines, key=sort_key) == glibc_sort(lines)


def test_numbers_stand_by_value_which_glibc_does_not_do(glibc_sort: Sort) -> None:
    lines = ["xã 2", "xã 10"]
    assert sorted(lines, key=sort_key) == lines
    assert glibc_sort(lines) == lines[::-1]
