"""known_hosts: hashed, revoked and pattern lines, as ssh-keygen and sshd(8) write and read them."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secscan.collection.ssh.known_hosts import (
    KnownHostsError,
    PublicKey,
    format_known_hosts,
    is_hashed,
    known_name,
    parse_known_hosts,
    without_keys,
)


def key(number: int = 0, kind: str = "ssh-ed25519") -> PublicKey:
    body = len(kind).to_bytes(4, "big") + kind.encode() + bytes([0, 0, 0, 32]) + bytes([number]) * 32
    return PublicKey(kind, body)


@pytest.mark.parametrize(
    ("names", "asked", "known"),
    [
        ("web1", "web1", True),
        ("WEB1", "web1", True),
        ("web1,10.0.0.1", "10.0.0.1", True),
        ("web1", "web2", False),
        ("web1", "[web1]:2222", False),
        ("[web1]:2222", "[web1]:2222", True),
        ("*.example", "a.example", True),
        ("*.example,!b.example", "b.example", False),
        ("web?", "web1", True),
        ("[10.0.0.*]:2222", "[10.0.0.7]:2222", True),
    ],
)
def test_names_are_found_as_sshd_says(names: str, asked: str, known: bool) -> None:
    hosts = parse_known_hosts(f"{names} {key().text} a comment\n")
    assert hosts.keys_of([asked]) == (frozenset({key()}) if known else frozenset())


def test_hashed_names_are_found_and_can_not_be_read() -> None:
    lines = format_known_hosts(["web1", "10.0.0.1"], [key()], hashed=True)
    assert "web1" not in lines
    assert parse_known_hosts(lines).keys_of(["10.0.0.1"]) == {key()}
    assert not parse_known_hosts(lines).keys_of(["web2"])


def test_several_keys_and_names_come_together() -> None:
    hosts = parse_known_hosts(
        format_known_hosts(["a"], [key(1), key(2)]) + format_known_hosts(["b"], [key(3)])
    )
    assert hosts.keys_of(["a", "b"]) == {key(1), key(2), key(3)}


def test_revoked_keys_vouch_for_nobody() -> None:
    hosts = parse_known_hosts(f"@revoked * {key().text}\n")
    assert hosts.revoked == {key()}
    assert not hosts.keys_of(["web1"])


@pytest.mark.parametrize(
    "line",
    [
        "# web1 " + key().text,
        "@cert-authority web1 " + key().text,
        "web1 ssh-ed25519",
        "web1 ssh-ed25519 !!!!",
        "web1 ssh-rsa " + base64.b64encode(key().blob).decode(),
        "|1|bad|bad " + key().text,
        "",
    ],
)
def test_lines_that_vouch_for_nothing_are_left_out(line: str) -> None:
    assert not parse_known_hosts(line).keys_of(["web1"])


@pytest.mark.parametrize(("port", "expected"), [(22, "web1"), (2222, "[web1]:2222")])
def test_the_port_is_part_of_the_name_where_it_is_not_the_usual(port: int, expected: str) -> None:
    assert known_name("Web1", port) == expected


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    parse_known_hosts(text).keys_of(["web1"])


# --- Taking keys away -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"web1 {key(1).text}\n", ""),
        (f"Web1,other {key(1).text} a comment\n", f"other {key(1).text} a comment\n"),
        (f"# web1 {key(1).text}\nweb1 {key(1).text}", f"# web1 {key(1).text}\n"),
        (f"web1 {key(2).text}\n", f"web1 {key(2).text}\n"),
        (f"web2 {key(1).text}\n", f"web2 {key(1).text}\n"),
        (f"@revoked web1 {key(1).text}\n", f"@revoked web1 {key(1).text}\n"),
        (f"*.example {key(1).text}\n", f"*.example {key(1).text}\n"),
        ("web1\n\nweb1 ssh-ed25519 !!!!\n", "web1\n\nweb1 ssh-ed25519 !!!!\n"),
    ],
)
def test_keys_are_taken_from_these_names_alone(before: str, after: str) -> None:
    assert without_keys(before, ["web1"], [key(1)]) == after


def test_keys_are_taken_from_hashed_names() -> None:
    lines = format_known_hosts(["web1", "web2"], [key(1)], hashed=True)
    left = parse_known_hosts(without_keys(lines, ["web1"], [key(1)]))
    assert not left.keys_of(["web1"])
    assert left.keys_of(["web2"]) == {key(1)}


def test_a_pattern_is_left_to_the_operator() -> None:
    with pytest.raises(KnownHostsError, match=r"line 2 gives the key to every name that 'web\*' fits"):
        without_keys(f"\nweb* {key(1).text}\n", ["web1"], [key(1)])


@given(st.text())
def test_any_text_loses_nothing_where_no_key_is_taken(text: str) -> None:
    assert without_keys(text, ["web1"], []) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", False),
        (format_known_hosts(["a"], [key()]), False),
        (format_known_hosts(["a"], [key()], hashed=True), True),
        ("\n# |1|\n", False),
    ],
)
def test_a_file_with_hashed_names_is_told(text: str, expected: bool) -> None:
    assert is_hashed(text) is expected
