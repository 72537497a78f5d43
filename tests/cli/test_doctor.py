"""secscan doctor on looking from the inside: what a login needs is there or not, and no secret is ever shown."""

import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.conftest import Secscan
from tests.cli.inside import host, needs_sshd, write_inside
from tests.feeds.making import kev

SECRET = "s3cret-0f-the-0perator"


@pytest.fixture(autouse=True)
def _needs_ssh_keygen() -> None:
    needs_sshd()


def row(text: str, *words: str) -> str:
    """The line of the table with these words, its blanks made one."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    (found,) = [line for line in lines if all(word in line for word in words)]
    return found


def place(tmp_path: Path, login: str, *, profile: str = "baseline", credential: str = "audit") -> Path:
    return write_inside(
        tmp_path / "w",
        host("web1", "192.0.2.1", credential=credential),
        f'[credentials.audit]\nuser = "u"\n{login}\n',
        profile=profile,
    )


def test_a_key_of_its_owner_alone_is_right(tmp_path: Path, secscan: Secscan) -> None:
    done = secscan("doctor", "-C", place(tmp_path, 'key_file = "id"'), COLUMNS="400")
    assert row(done.stdout, "login audit").startswith("ok ")
    assert done.returncode == 0


def test_a_key_that_others_may_read_is_wrong(tmp_path: Path, secscan: Secscan) -> None:
    folder = place(tmp_path, 'key_file = "id"')
    (folder / "id").chmod(0o640)
    done = secscan("doctor", "-C", folder, COLUMNS="400")
    assert f"chmod 600 {folder}/id" in row(done.stdout, "login audit")
    assert done.returncode == 2


@pytest.mark.parametrize("key", ["key_file", "certificate"])
def test_a_file_that_is_not_there_is_wrong(tmp_path: Path, key: str, secscan: Secscan) -> None:
    folder = place(tmp_path, f'{key} = "gone"\n' + ("" if key == "key_file" else 'key_file = "id"\n'))
    done = secscan("doctor", "-C", folder, COLUMNS="400")
    assert row(done.stdout, "gone").startswith("missing login audit")
    assert done.returncode == 2


@pytest.mark.parametrize(("environment", "mark"), [({}, "note"), ({"SECSCAN_P": SECRET}, "ok")])
def test_a_variable_is_set_or_not_and_never_shown(
    tmp_path: Path, environment: dict[str, str], mark: str, secscan: Secscan
) -> None:
    folder = place(tmp_path, 'password_env = "SECSCAN_P"')
    done = secscan("doctor", "-C", folder, COLUMNS="400", **environment)
    assert row(done.stdout, "$SECSCAN_P").startswith(f"{mark} login audit")
    assert SECRET not in done.stdout + done.stderr
    assert done.returncode == 0


def test_an_agent_is_there_or_not(tmp_path: Path, secscan: Secscan) -> None:
    folder = place(tmp_path, "agent = true")
    gone = secscan("doctor", "-C", folder, COLUMNS="400", SSH_AUTH_SOCK=str(tmp_path / "gone"))
    assert row(gone.stdout, "login audit").startswith("note login audit no SSH agent")
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(tmp_path / "agent"))
        there = secscan("doctor", "-C", folder, COLUMNS="400", SSH_AUTH_SOCK=str(tmp_path / "agent"))
    assert row(there.stdout, "login audit").startswith("ok ")


def test_hosts_that_nobody_vouched_for_are_counted(tmp_path: Path, secscan: Secscan) -> None:
    folder = place(tmp_path, 'key_file = "id"')
    done = secscan("doctor", "-C", folder, COLUMNS="400")
    assert row(done.stdout, "known_hosts").startswith("note known_hosts 1 host is not known")
    public = " ".join((folder / "id.pub").read_text().split()[:2])
    (folder / "known_hosts").write_text(f"192.0.2.1 {public}\n")
    done = secscan("doctor", "-C", folder, COLUMNS="400")
    assert row(done.stdout, "known_hosts").startswith("ok ")


def test_known_hosts_that_others_may_write_are_wrong(tmp_path: Path, secscan: Secscan) -> None:
    folder = place(tmp_path, 'key_file = "id"')
    (folder / "known_hosts").touch()
    (folder / "known_hosts").chmod(0o666)
    done = secscan("doctor", "-C", folder, COLUMNS="400")
    assert "chmod 600" in row(done.stdout, "missing known_hosts")
    assert done.returncode == 2


def test_a_host_without_its_login_is_named(tmp_path: Path, secscan: Secscan) -> None:
    folder = place(tmp_path, 'key_file = "id"', credential="audti")
    done = secscan("doctor", "-C", folder, COLUMNS="400")
    assert "web1 names 'audti'" in row(done.stdout, "1 host without")
    assert done.returncode == 2


def test_a_mistake_in_the_settings_is_told_without_the_secret(tmp_path: Path, secscan: Secscan) -> None:
    folder = place(tmp_path, f'key_file = "id"\npassword = "{SECRET}"')
    done = secscan("doctor", "-C", folder, COLUMNS="400")
    assert "a secret never belongs in this file" in done.stdout
    assert SECRET not in done.stdout + done.stderr
    assert done.returncode == 2


@pytest.mark.parametrize(("days", "mark"), [(None, "note"), (1, "ok"), (15, "note")])
def test_feeds_are_fresh_or_not(tmp_path: Path, days: int | None, mark: str, secscan: Secscan) -> None:
    folder = place(tmp_path, 'key_file = "id"')
    if days is not None:
        dated = datetime.now(UTC) - timedelta(days=days)
        file = kev(tmp_path / "k", "CVE-2026-0001", released=dated.strftime("%Y-%m-%dT%H:%M:%S.0000Z"))
        secscan("feeds", "import", file, "-C", folder)
    done = secscan("doctor", "-C", folder, COLUMNS="400")
    line = row(done.stdout, " feeds ", "the oldest of" if days else "none")
    assert line.startswith(f"{mark} feeds")
    assert ("older than the profile allows" in line) is (days == 15)
    assert done.returncode == 0
