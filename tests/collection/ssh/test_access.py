"""The least-privilege set-up: exactly the readings the script makes through sudo, and nothing that can be bent."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from secscan.collection.ssh.access import ROOT_READINGS, AccessError, authorized_key, explain_access
from secscan.collection.ssh.shell_script import script_text
from secscan.model import Host

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAA scanner@centre"
HOST = Host("web1", ("192.0.2.1",))


def test_a_key_is_restricted_to_its_source() -> None:
    assert authorized_key(KEY, sources=["192.0.2.9", "2001:db8::/64"]) == (
        f'restrict,from="192.0.2.9,2001:db8::/64" {KEY}'
    )


@pytest.mark.parametrize(
    "key", ["", "x", 'ssh-ed25519 AAAA "x"', "ssh-ed25519 AAAA\nssh-rsa BBBB", 'command="id" x']
)
def test_what_is_no_public_key_is_refused(key: str) -> None:
    with pytest.raises(AccessError):
        authorized_key(key)


@pytest.mark.parametrize("source", ['1"', "a,b", "x y", "10.0.0.1\n"])
def test_what_is_no_source_is_refused(source: str) -> None:
    with pytest.raises(AccessError):
        authorized_key(KEY, sources=[source])


@pytest.mark.parametrize("account", ["", "-x", "a b", "a;b", "ROOT", "a\n"])
def test_what_is_no_account_is_refused(account: str) -> None:
    with pytest.raises(AccessError):
        explain_access(HOST, account)


def test_sudo_is_given_for_what_the_script_asks_and_nothing_else() -> None:
    """By the last words of each command: the script's own calls, with its variables filled in."""
    asked = set(
        re.findall(r"as_root (?:[0-9]+|\"\$seconds\") ([a-z].*?)(?= >/dev/null| \||;|$)", script_text(), re.M)
    )
    asked |= {
        f"{tool} -q --cacheonly {arguments}"
        for tool in ("dnf", "yum")
        for arguments in re.findall(r"^ +rpm_tool ([a-z].*)$", script_text(), re.M)
    }
    # What is asked folder by folder is tried with sudo itself, in tests/collection/ssh/backups.
    asked = {command for command in asked if "$" not in command and not command.startswith("lvs ")}
    given = {command.rpartition("bin/")[2] for reading in ROOT_READINGS for command in reading.commands}
    assert given == asked


def test_without_sudo_there_is_no_line_of_it() -> None:
    assert "NOPASSWD" not in explain_access(HOST, "secscan", sudo=False)


def test_sudo_understands_the_lines(tmp_path: Path) -> None:
    visudo = shutil.which("visudo", path="/usr/sbin:/usr/bin")
    if visudo is None:
        pytest.skip("visudo is not installed (package sudo)")
    text = explain_access(HOST, "secscan", public_key=KEY)
    lines = [line for line in text.splitlines() if "NOPASSWD" in line]
    (tmp_path / "sudoers").write_text("\n".join(lines) + "\n")
    subprocess.run([visudo, "-c", "-f", str(tmp_path / "sudoers")], check=True, capture_output=True)
