"""Patterns of what is left out, and what lies within what."""

import pytest

from secscan.checks._backup_places import exclusion_of, is_covered, is_like, is_within


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("abc", "abc", True),
        ("abc", "a*c", True),
        ("abc", "a?c", True),
        ("abc", "*", True),
        ("", "*", True),
        ("", "", True),
        ("abc", "", False),
        ("abc", "a*d", False),
        ("aXbXc", "a*b*c", True),
        ("ab", "a**b", True),
    ],
)
def test_patterns(text: str, pattern: str, expected: bool) -> None:
    assert is_like(text, pattern) is expected


def test_a_hostile_pattern_takes_no_time() -> None:
    assert not is_like("a" * 400, "a*" * 200 + "b")


@pytest.mark.parametrize(
    ("path", "folder", "expected"),
    [("/a/b", "/a", True), ("/ab", "/a", False), ("/a", "/a/", True), ("/a", "/", True), ("/", "/a", False)],
)
def test_what_lies_within(path: str, folder: str, expected: bool) -> None:
    assert is_within(path, folder) is expected


def test_a_prefix_covers_what_begins_with_it() -> None:
    assert is_covered("database portal", ("database *",))
    assert not is_covered("volume x", ("database *",))


def test_an_anchored_pattern_leaves_out_its_own_folder_alone() -> None:
    assert exclusion_of("/srv/data", ("/var/data", "/srv/data/tmp", "*.tmp")) is None
