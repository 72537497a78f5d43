"""waivers.toml: what is read, every mistake by line and key, and adding without touching what is there."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secscan.model import Waiver
from secscan.toml_source import ConfigurationError
from secscan.workspace.waivers import add_waiver, load_waivers

TODAY = date(2026, 11, 22)
WAIVER = Waiver(
    "The vendor is late.", "An", "Bình", date(2027, 1, 31), "central", "F-ABCDEFGHIJ", evidence="0" * 16
)

GOOD = """\
# Kept by hand.
[[waiver]]
check = "tls.*"      # all of them
agency = "bo-vi-du"
reason = "r"
owner = "An"
approver = "Bình"
expires = 2027-11-22
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "waivers.toml"
    path.write_text(text, "utf-8")
    return path


def test_a_missing_file_waives_nothing(tmp_path: Path) -> None:
    assert load_waivers(tmp_path / "waivers.toml", today=TODAY) == ()


def test_a_waiver_is_read_with_its_line(tmp_path: Path) -> None:
    (one,) = load_waivers(written(tmp_path, GOOD), today=TODAY)
    assert (one.check, one.agency, one.expires, one.line) == ("tls.*", "bo-vi-du", date(2027, 11, 22), 2)


def test_one_that_has_run_out_is_read_too(tmp_path: Path) -> None:
    assert len(load_waivers(written(tmp_path, GOOD), today=date(2030, 1, 1))) == 1


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "2027-11-22",
            "2027-11-23",
            "waivers.toml:8: waiver[0].expires: 2027-11-23 is more than 365 days ahead",
        ),
        ("2027-11-22", '"2027-11-22"', "waivers.toml:8: waiver[0].expires"),
        ("owner = ", "onwer = ", "waivers.toml:6: waiver[0].onwer"),
        ('reason = "r"\n', "", "waivers.toml:2: waiver[0].reason: is missing"),
        ('reason = "r"', 'reason = " "', "waivers.toml:5: waiver[0].reason: is empty"),
        ('"bo-vi-du"', '""', "waivers.toml:4: waiver[0].agency"),
        ('"Bình"', '"an"', "waivers.toml:7: waiver[0].approver: is the owner"),
        ('check = "tls.*"', 'finding = "F-1"', 'waivers.toml:3: waiver[0].finding: "F-1" is not the id'),
        (
            'check = "tls.*"',
            'finding = "F-ABCDEFGHIJ"',
            "waivers.toml:4: waiver[0].agency: stands beside a finding",
        ),
        (
            'check = "tls.*"      # all of them\nagency = "bo-vi-du"\n',
            "",
            "waivers.toml:2: waiver[0]: waives nothing",
        ),
        ('reason = "r"', 'reason = "r"\napproved_by = "me"', 'waivers.toml:6: waiver[0].approved_by: "me"'),
        ('reason = "r"', 'reason = "r"\nevidence = "0000000000000000"', "waivers.toml:6: waiver[0].evidence"),
        ("[[waiver]]", "[[waivers]]", "waivers.toml:2: waivers"),
    ],
)
def test_a_mistake_is_named_by_file_line_and_key(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in GOOD
    with pytest.raises(ConfigurationError) as refused:
        load_waivers(written(tmp_path, GOOD.replace(old, new)), today=TODAY)
    assert words in str(refused.value)


def test_the_same_waiver_twice_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"waivers\.toml:10: waiver\[1\]: says the same as .* line 2"
    ):
        load_waivers(written(tmp_path, GOOD + "\n" + GOOD.partition("\n")[2]), today=TODAY)


@pytest.mark.parametrize("before", [GOOD, GOOD.rstrip("\n"), "", "# nothing yet", "\ufeff" + GOOD])
def test_adding_keeps_what_is_there(tmp_path: Path, before: str) -> None:
    path = written(tmp_path, before)
    add_waiver(path, WAIVER, today=TODAY)
    assert path.read_text("utf-8").startswith(before)
    assert load_waivers(path, today=TODAY)[-1] == WAIVER


def test_adding_makes_the_file(tmp_path: Path) -> None:
    add_waiver(tmp_path / "waivers.toml", WAIVER, today=TODAY)
    add_waiver(tmp_path / "waivers.toml", replace(WAIVER, reason="r"), today=TODAY)
    assert len(load_waivers(tmp_path / "waivers.toml", today=TODAY)) == 2


@pytest.mark.parametrize(
    "wrong", [replace(WAIVER, expires=TODAY + timedelta(days=366)), replace(WAIVER, reason="")]
)
def test_a_waiver_with_a_mistake_is_not_written(tmp_path: Path, wrong: Waiver) -> None:
    path = written(tmp_path, GOOD)
    with pytest.raises(ConfigurationError):
        add_waiver(path, wrong, today=TODAY)
    assert path.read_text("utf-8") == GOOD


@given(reason=st.text(st.characters(codec="utf-8"), min_size=1, max_size=50).filter(str.strip))
def test_any_words_are_read_back(tmp_path_factory: pytest.TempPathFactory, reason: str) -> None:
    path = tmp_path_factory.mktemp("w") / "waivers.toml"
    add_waiver(path, replace(WAIVER, reason=reason), today=TODAY)
    import unicodedata

    (one,) = load_waivers(path, today=TODAY)
    assert one.reason == unicodedata.normalize("NFC", reason)
