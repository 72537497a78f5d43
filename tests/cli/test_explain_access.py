"""secscan explain-access: what it prints is what a real sshd and a real account need, and no more."""

import subprocess
from pathlib import Path

import pytest

from secscan.collection.ssh.shell_script import script_text
from tests.cli.conftest import Secscan
from tests.cli.inside import account, host, login, needs_sshd, write_inside
from tests.lab.ssh import Sshd

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAA scanner"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    needs_sshd()
    hosts = host("web1", "192.0.2.1", names="web1.example") + host("web2", "192.0.2.2", credential="")
    return write_inside(tmp_path / "w", hosts, login("audit", 22, user="scanner"))


def test_the_account_and_the_key_are_those_of_the_login(place: Path, secscan: Secscan) -> None:
    done = secscan("explain-access", "web1", "-C", place)
    assert done.returncode == 0, done.stderr
    assert "useradd --system --create-home --shell /bin/sh --password '*' scanner" in done.stdout
    assert f"\nrestrict {(place / 'id.pub').read_text()}" in done.stdout
    assert "NOPASSWD" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("name", ["web1.example", "192.0.2.1"])
def test_a_host_is_known_by_its_names(place: Path, name: str, secscan: Secscan) -> None:
    assert secscan("explain-access", name, "-C", place).stdout.startswith("# web1:")


def test_account_key_and_source_may_be_named(place: Path, tmp_path: Path, secscan: Secscan) -> None:
    (tmp_path / "other.pub").write_text(KEY + "\n")
    done = secscan(
        *("explain-access", "web1", "-C", place, "--account", "other", "--key", tmp_path / "other.pub"),
        *("--from", "192.0.2.9", "--from", "2001:db8::/64"),
    )
    assert f'\nrestrict,from="192.0.2.9,2001:db8::/64" {KEY}\n' in done.stdout
    assert "--password '*' other\n" in done.stdout


def test_without_a_key_it_says_that_the_one_shown_is_an_example(place: Path, secscan: Secscan) -> None:
    done = secscan("explain-access", "web2", "-C", place)
    assert done.returncode == 0
    assert "--password '*' secscan\n" in done.stdout
    assert "ssh-keygen" in done.stderr


def test_it_needs_no_workspace(tmp_path: Path, secscan: Secscan) -> None:
    done = secscan("explain-access", "web1.example", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("# web1.example:")


def test_the_script_is_printed_as_it_is_run(tmp_path: Path, secscan: Secscan) -> None:
    done = secscan("explain-access", "--script", cwd=tmp_path)
    assert done.stdout == script_text()
    assert subprocess.run(["/bin/sh", "-n"], input=done.stdout, text=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Name the host"),
        (["web3"], "Did you mean"),
        (["web1", "--account", "Root;"], "is not the name of an account"),
        (["web1", "--from", "here"], "is not an address or network"),
        (["web1", "--key", "id"], "is not a public key"),
    ],
)
def test_a_mistake_says_what_to_do(place: Path, arguments: list[str], words: str, secscan: Secscan) -> None:
    done = secscan("explain-access", *arguments, "-C", place, cwd=place)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert "PRIVATE" not in done.stdout + done.stderr


def test_two_hosts_of_one_name_are_told_apart_by_id(tmp_path: Path, secscan: Secscan) -> None:
    hosts = host("a", "192.0.2.1", names="x.example") + host("b", "192.0.2.2", names="x.example")
    place = write_inside(tmp_path / "w", hosts, login("audit", 22))
    done = secscan("explain-access", "x.example", "-C", place)
    assert done.returncode == 2
    assert "a, b" in done.stderr


def test_jump_hosts_lead_on_to_the_next_and_run_nothing(tmp_path: Path, secscan: Secscan) -> None:
    logins = login("audit", 2222, jump='{ address = "192.0.2.8" }, { address = "2001:db8::9", port = 2200 }')
    place = write_inside(tmp_path / "w", host("web1", "192.0.2.1"), logins)
    shown = secscan("explain-access", "web1", "-C", place, "--from", "192.0.2.9").stdout
    first, second = (line for line in shown.splitlines() if "permitopen" in line and line[0] != "#")
    assert first.startswith(
        'restrict,port-forwarding,permitopen="[2001:db8::9]:2200",from="192.0.2.9",command="/bin/false" '
    )
    assert second.startswith('restrict,port-forwarding,permitopen="192.0.2.1:2222",command="/bin/false" ')
    assert shown.index(first) < shown.index(second) < shown.index("# web1:")


def test_a_host_set_up_so_lets_in_and_opens_nothing_else(tmp_path: Path, secscan: Secscan) -> None:
    """The line as printed, in authorized_keys of a real sshd: the shell runs, forwarding does not."""
    needs_sshd()
    place = write_inside(tmp_path / "w", host("web1", "127.0.0.1"), login("audit", 22))
    printed = secscan("explain-access", "web1", "-C", place, "--from", "127.0.0.1").stdout
    line = next(line for line in printed.splitlines() if line.startswith("restrict"))
    with Sshd(authorized=f"{line}\n") as running:
        (place / "known_hosts").write_text(running.known_hosts)
        options = [
            *("-F", "none", "-p", str(running.port), "-i", str(place / "id"), "-o", "IdentitiesOnly=yes"),
            *("-o", f"UserKnownHostsFile={place}/known_hosts", "-o", "BatchMode=yes"),
        ]
        ssh = ["/usr/bin/ssh", *options]
        there = f"{account()}@127.0.0.1"
        said = subprocess.run([*ssh, there, "echo in"], capture_output=True, text=True, check=False)
        on = subprocess.run(
            [*ssh, "-W", f"127.0.0.1:{running.port}", there],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    assert said.stdout == "in\n"
    assert on.returncode != 0
    assert "prohibited" in on.stderr
