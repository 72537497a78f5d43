"""Edits of the inventory: what is said afterwards, what stays as it was written, and what can't be done."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest

from secscan.inventory import (
    Edit,
    MoveError,
    load_inventory,
    merge_agencies,
    move_agency,
    move_host,
    rename_agency,
    write_edits,
)

DAY = date(2026, 11, 1)

ONE = """\
# The first, kept by Lan.
[agency]
id = "one"
names = { en = "One", vi = "Một" }  # as of the decree
tier = "province"

# The mail gateway; call before a restart.
[[host]]
id = "mail-1"
addresses = ["192.0.2.1"]
since = 2020-01-01  # with the building

[[host.service]]
port = 25

# The portal.
[[host]]
id = "web-1"
names = ["www.example.vn"]
[[host.service]]
port = 443
what = '''
[[host]]'''
"""
TWO = """\
[agency]
id = "two"
parent = "one"  # since 2019
[agency.names]
en = "Two"

[[host]]
id = "db-1"
addresses = ["192.0.2.9"]"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {
        "one": ONE,
        "two": TWO,
        "three": '[agency]\nid = "three"\nnames.en = "Three"\n',
    }.items():
        (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
    return tmp_path


def by_file(edits: tuple[Edit, ...]) -> Mapping[str, str | None]:
    return {edit.path.stem: edit.after for edit in edits}


def test_a_host_goes_with_its_services_and_what_is_said_above_it(folder: Path) -> None:
    texts = by_file(move_host(folder, "mail-1", "two", DAY))
    block = ONE[ONE.index("# The mail") : ONE.index("# The portal")]
    assert texts["one"] == ONE.replace(block, "")
    moved = block.rstrip("\n").replace("2020-01-01", "2026-11-01")
    assert texts["two"] == f"{TWO}\n\n{moved}\n"


def test_a_host_that_had_no_first_day_is_given_one(folder: Path) -> None:
    write_edits(move_host(folder, "web-1", "two", DAY))
    inventory = load_inventory(folder)
    (membership,) = [m for m in inventory.memberships if m.host == "web-1"]
    assert (membership.agency, membership.since) == ("two", DAY)


def test_nothing_is_written_before_it_is_asked_for(folder: Path) -> None:
    move_host(folder, "web-1", "two", DAY)
    assert (folder / "one.toml").read_text() == ONE


@pytest.mark.parametrize(
    ("agency", "parent", "old", "new"),
    [
        ("two", "three", 'parent = "one"  # since 2019', 'parent = "three"  # since 2019'),
        ("two", None, 'parent = "one"  # since 2019\n', ""),
        ("one", "three", 'id = "one"\n', 'id = "one"\nparent = "three"\n'),
    ],
)
def test_an_agency_moves_under_another(
    folder: Path, agency: str, parent: str | None, old: str, new: str
) -> None:
    before = {"one": ONE, "two": TWO}[agency]
    assert by_file(move_agency(folder, agency, parent)) == {agency: before.replace(old, new)}


@pytest.mark.parametrize(
    ("agency", "names", "old", "new"),
    [
        ("one", {"en": 'First "A"'}, 'en = "One"', 'en = "First \\"A\\""'),
        ("one", {"fr": "Une"}, 'en = "One"', 'en = "One", fr = "Une"'),
        ("two", {"en": "Second"}, 'en = "Two"', 'en = "Second"'),
        ("two", {"vi": "Hai"}, 'en = "Two"\n', 'en = "Two"\nvi = "Hai"\n'),
    ],
)
def test_an_agency_is_renamed_and_keeps_its_id(
    folder: Path, agency: str, names: dict[str, str], old: str, new: str
) -> None:
    before = {"one": ONE, "two": TWO}[agency]
    assert by_file(rename_agency(folder, agency, names)) == {agency: before.replace(old, new)}


def test_a_merged_agency_leaves_its_hosts_and_children_to_the_other(folder: Path) -> None:
    write_edits(merge_agencies(folder, "one", "three", DAY))
    inventory = load_inventory(folder)
    assert sorted(inventory.agencies) == ["three", "two"]
    assert inventory.agencies["two"].parent == "three"
    assert [host.id for host in inventory.hosts_of("three", DAY)] == ["mail-1", "web-1"]
    assert "# The mail gateway; call before a restart." in (folder / "three.toml").read_text()


def test_a_child_may_take_in_what_it_was_part_of(folder: Path) -> None:
    write_edits(merge_agencies(folder, "one", "two", DAY))
    assert load_inventory(folder).agencies["two"].parent is None


def test_what_is_written_otherwise_is_left_alone(folder: Path) -> None:
    inline = '[agency]\nid = "four"\nnames = {en = "Four"}\n'
    (folder / "four.toml").write_text('host = [{id = "x-1", names = ["x.example.vn"]}]\n' + inline)
    with pytest.raises(MoveError, match="by hand"):
        move_host(folder, "x-1", "two", DAY)


@pytest.mark.parametrize(
    ("host", "to", "words"),
    [
        ("web-2", "two", "There is no host 'web-2'.*Did you mean 'web-1'"),
        ("web-1", "twoo", "There is no agency 'twoo'.*Did you mean 'two'"),
        ("web-1", "one", "is of one already"),
    ],
)
def test_what_can_not_be_moved(folder: Path, host: str, to: str, words: str) -> None:
    with pytest.raises(MoveError, match=words):
        move_host(folder, host, to, DAY)


def test_no_agency_becomes_part_of_what_is_below_it(folder: Path) -> None:
    with pytest.raises(MoveError, match="in a circle"):
        move_agency(folder, "one", "two")
