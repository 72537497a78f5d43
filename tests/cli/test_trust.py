"""secscan trust: keys are shown before they are written, and written only on the operator's word."""

import json
import os
import pty
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from secscan.collection.ssh.known_hosts import parse_known_hosts
from tests.cli.conftest import Secscan
from tests.cli.inside import host, login, needs_sshd, write_inside
from tests.lab.servers.listening import free_port
from tests.lab.ssh import Sshd, make_key


@pytest.fixture(scope="module")
def sshd() -> Iterator[Sshd]:
    needs_sshd()
    with Sshd(host_keys=("ed25519", "rsa")) as running:
        yield running


@pytest.fixture
def place(sshd: Sshd, tmp_path: Path) -> Path:
    hosts = host("web1", "127.0.0.1", names="web1.example") + host("nobody", "127.0.0.1", credential="")
    return write_inside(tmp_path / "w", hosts, login("audit", sshd.port))


@pytest.fixture
def stranger(tmp_path: Path) -> str:
    """Type and key of a host that is another."""
    return " ".join(make_key(tmp_path / "other").with_suffix(".pub").read_text().split()[:2])


def keygen(*arguments: str) -> str:
    """What ssh-keygen says; it ends with 1 where it finds nothing."""
    tool = shutil.which("ssh-keygen") or "ssh-keygen"
    return subprocess.run([tool, *arguments], capture_output=True, text=True, check=False).stdout


def fingerprints(sshd: Sshd) -> list[str]:
    return [fingerprint(Path(f"{file}.pub")) for file in sshd.key_files]


def fingerprint(public: Path) -> str:
    return keygen("-l", "-f", str(public)).split()[1]


def known(place: Path, sshd: Sshd, name: str = "127.0.0.1") -> int:
    """How many keys of this server OpenSSH finds in the workspace's file."""
    found = keygen("-F", f"[{name}]:{sshd.port}", "-f", str(place / "known_hosts"))
    shown = {" ".join(Path(f"{file}.pub").read_text().split()[:2]) for file in sshd.key_files}
    return sum(" ".join(line.split()[1:3]) in shown for line in found.splitlines() if line and line[0] != "#")


# --- On the operator's word -------------------------------------------------------------------------------


def test_every_key_is_shown_and_then_written(place: Path, sshd: Sshd, secscan: Secscan) -> None:
    done = secscan("trust", "web1", "--yes", "-C", place)
    assert done.returncode == 0, done.stderr
    for shown in (*fingerprints(sshd), "ssh-ed25519", "ssh-rsa", f"127.0.0.1:{sshd.port}"):
        assert shown in done.stdout
    assert known(place, sshd) == 2
    assert known(place, sshd, "web1.example") == 2
    assert stat.S_IMODE((place / "known_hosts").stat().st_mode) == 0o600


def test_without_a_word_and_a_terminal_nothing_is_written(place: Path, sshd: Sshd, secscan: Secscan) -> None:
    done = secscan("trust", "web1", "-C", place)
    assert done.returncode == 2
    assert fingerprints(sshd)[0] in done.stdout
    assert "--yes" in done.stderr
    assert not (place / "known_hosts").exists()


@pytest.mark.parametrize(("word", "code", "count"), [("y", 0, 2), ("n", 2, 0), ("", 2, 0)])
def test_on_a_terminal_it_asks(place: Path, sshd: Sshd, word: str, code: int, count: int) -> None:
    ours, theirs = pty.openpty()
    try:
        os.write(ours, f"{word}\n".encode())
        done = subprocess.run(
            [sys.executable, "-m", "secscan", "trust", "web1", "-C", str(place)],
            stdin=theirs,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "LANG": "C.UTF-8"},
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert "Trust the new keys of 1 host?" in done.stderr
    assert done.returncode == code, done.stderr
    assert known(place, sshd) == count


def test_what_is_trusted_is_not_written_again(place: Path, secscan: Secscan) -> None:
    secscan("trust", "web1", "--yes", "-C", place)
    before = (place / "known_hosts").read_text()
    done = secscan("trust", "web1", "-C", place)
    assert done.returncode == 0, done.stderr
    assert "known" in done.stdout
    assert (place / "known_hosts").read_text() == before


@pytest.mark.parametrize("name", ["web1.example", "WEB1.example", "127.0.0.1"])
def test_a_host_is_known_by_its_names(name: str, sshd: Sshd, tmp_path: Path, secscan: Secscan) -> None:
    place = write_inside(
        tmp_path / "w", host("web1", "127.0.0.1", names="web1.example"), login("audit", sshd.port)
    )
    assert secscan("trust", name, "--yes", "-C", place).returncode == 0
    assert known(place, sshd) == 2


def test_all_are_those_that_name_a_login(place: Path, sshd: Sshd, secscan: Secscan) -> None:
    done = secscan("trust", "--all", "--yes", "-C", place)
    assert done.returncode == 0, done.stderr
    assert "nobody" not in done.stdout
    assert known(place, sshd) == 2


def test_a_file_with_hashed_names_goes_on_with_hashed_names(
    place: Path, sshd: Sshd, stranger: str, secscan: Secscan
) -> None:
    (place / "known_hosts").write_text(f"elsewhere {stranger}\n")
    keygen("-q", "-H", "-f", str(place / "known_hosts"))
    assert secscan("trust", "web1", "--yes", "-C", place).returncode == 0
    assert "127.0.0.1" not in (place / "known_hosts").read_text()
    assert known(place, sshd) == 2
    assert known(place, sshd, "web1.example") == 2


# --- Other keys than before -------------------------------------------------------------------------------


def test_a_changed_key_is_not_replaced_unasked(
    place: Path, sshd: Sshd, stranger: str, tmp_path: Path, secscan: Secscan
) -> None:
    (place / "known_hosts").write_text(f"[127.0.0.1]:{sshd.port} {stranger}\n")
    done = secscan("trust", "web1", "--yes", "-C", place)
    assert done.returncode == 2
    assert fingerprint(tmp_path / "other.pub") in done.stdout
    assert fingerprints(sshd)[0] in done.stdout
    assert "--replace" in done.stderr
    assert (place / "known_hosts").read_text() == f"[127.0.0.1]:{sshd.port} {stranger}\n"


@pytest.mark.parametrize("hashed", [False, True])
def test_a_changed_key_is_replaced_on_request(
    place: Path, sshd: Sshd, stranger: str, hashed: bool, secscan: Secscan
) -> None:
    path = place / "known_hosts"
    path.write_text(
        f"# mine\nelsewhere {stranger}\n[127.0.0.1]:{sshd.port} {stranger}\n[web1.example]:{sshd.port} {stranger}\n"
    )
    if hashed:
        keygen("-q", "-H", "-f", str(path))
    done = secscan("trust", "web1", "--yes", "--replace", "-C", place)
    assert done.returncode == 0, done.stderr
    after = parse_known_hosts(path.read_text())
    assert len(after.keys_of(["elsewhere"])) == 1
    assert len(after.keys_of([f"[127.0.0.1]:{sshd.port}", f"[web1.example]:{sshd.port}"])) == 2
    assert known(place, sshd) == 2


def test_one_more_type_of_key_is_no_change(place: Path, sshd: Sshd, secscan: Secscan) -> None:
    (place / "known_hosts").write_text(sshd.known_hosts.splitlines(keepends=True)[0])
    done = secscan("trust", "web1", "--yes", "-C", place)
    assert done.returncode == 0, done.stderr
    assert known(place, sshd) == 2


def test_a_revoked_key_is_never_trusted(place: Path, sshd: Sshd, secscan: Secscan) -> None:
    revoked = "".join(f"@revoked * {' '.join(line.split()[1:])}\n" for line in sshd.known_hosts.splitlines())
    (place / "known_hosts").write_text(revoked)
    done = secscan("trust", "web1", "--yes", "-C", place)
    assert done.returncode == 2
    assert "revoked" in done.stdout
    assert (place / "known_hosts").read_text() == revoked


def test_a_key_under_a_pattern_is_left_to_the_operator(
    place: Path, sshd: Sshd, stranger: str, secscan: Secscan
) -> None:
    (place / "known_hosts").write_text(f"[127.0.0.*]:{sshd.port} {stranger}\n")
    done = secscan("trust", "web1", "--yes", "--replace", "-C", place)
    assert done.returncode == 2
    assert "line 1" in done.stderr
    assert (place / "known_hosts").read_text() == f"[127.0.0.*]:{sshd.port} {stranger}\n"


# --- Who is not asked -------------------------------------------------------------------------------------


def test_nothing_outside_the_scope_is_asked(sshd: Sshd, tmp_path: Path, secscan: Secscan) -> None:
    place = write_inside(
        tmp_path / "w", host("web1", "127.0.0.1"), login("audit", sshd.port), networks="127.9.0.0/16"
    )
    before = sshd.log
    done = secscan("trust", "web1", "--yes", "-C", place)
    assert done.returncode == 3
    assert "not seen" in done.stdout
    assert sshd.log == before
    (line,) = (place / "probes.jsonl").read_text().splitlines()
    assert json.loads(line)["verdict"] == "refused"


def test_every_connection_is_in_the_log_of_probes(place: Path, sshd: Sshd, secscan: Secscan) -> None:
    secscan("trust", "web1", "--yes", "-C", place)
    probes = [json.loads(line) for line in (place / "probes.jsonl").read_text().splitlines()]
    assert {(p["what"], p["address"], p["ports"]) for p in probes} == {
        ("ssh host key", "127.0.0.1", str(sshd.port))
    }


def test_a_host_that_does_not_answer_is_said_so(tmp_path: Path, secscan: Secscan) -> None:
    place = write_inside(tmp_path / "w", host("web1", "127.0.0.1"), login("audit", free_port("127.0.0.1")))
    done = secscan("trust", "web1", "--yes", "-C", place)
    assert done.returncode == 3
    assert "refused the connection" in done.stdout
    assert not (place / "known_hosts").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Name the hosts"),
        (["web1", "--all"], "Name the hosts"),
        (["web2"], "'web1'"),
        (["nobody"], "names no credential for nobody"),
    ],
)
def test_a_mistake_says_what_to_do(place: Path, arguments: list[str], words: str, secscan: Secscan) -> None:
    done = secscan("trust", *arguments, "-C", place)
    assert done.returncode == 2
    assert words in done.stderr


def test_a_login_that_is_not_there_is_answered_with_the_nearest(
    sshd: Sshd, tmp_path: Path, secscan: Secscan
) -> None:
    place = write_inside(
        tmp_path / "w", host("web1", "127.0.0.1", credential="audti"), login("audit", sshd.port)
    )
    done = secscan("trust", "web1", "-C", place)
    assert done.returncode == 2
    assert "'audit'" in done.stderr


# --- Behind a jump host -----------------------------------------------------------------------------------


@pytest.fixture
def behind(sshd: Sshd, tmp_path: Path, secscan: Secscan) -> Iterator[tuple[Path, Sshd]]:
    """A workspace whose host is behind a jump host that allows what explain-access says, and no more."""
    port = free_port("127.0.0.1")
    jump = f'{{ address = "127.0.0.1", port = {port}, credential = "gateway" }}'
    logins = login("audit", sshd.port, jump=jump) + login("gateway", port)
    place = write_inside(tmp_path / "w", host("web1", "127.0.0.1"), logins)
    allowed = secscan("explain-access", "web1", "-C", place, "--from", "127.0.0.1").stdout
    line = next(line for line in allowed.splitlines() if "permitopen" in line and not line.startswith("#"))
    assert f'permitopen="127.0.0.1:{sshd.port}"' in line
    with Sshd(port=port, authorized=f"{line}\n") as running:
        yield place, running


def test_jump_hosts_are_trusted_first_and_then_led_over(
    behind: tuple[Path, Sshd], sshd: Sshd, secscan: Secscan
) -> None:
    place, jump = behind
    done = secscan("trust", "web1", "--yes", "-C", place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert known(place, jump) == 1
    assert known(place, sshd) == 2
    probes = [json.loads(line)["what"] for line in (place / "probes.jsonl").read_text().splitlines()]
    assert f"ssh host key over 127.0.0.1:{jump.port}" in probes


def test_nobody_logs_in_at_a_jump_host_that_is_not_trusted(
    behind: tuple[Path, Sshd], sshd: Sshd, secscan: Secscan
) -> None:
    place, jump = behind
    done = secscan("trust", "web1", "-C", place)
    assert done.returncode == 2
    assert "Accepted" not in jump.log
    assert fingerprints(sshd)[0] not in done.stdout


def test_a_jump_host_may_be_named_by_its_address(
    behind: tuple[Path, Sshd], tmp_path: Path, secscan: Secscan
) -> None:
    place, jump = behind
    inventory = place / "inventory" / "one.toml"
    inventory.write_text(inventory.read_text().replace("127.0.0.1", "127.0.0.2"))
    assert secscan("trust", "127.0.0.1", "--yes", "-C", place).returncode == 0
    assert known(place, jump) == 1
