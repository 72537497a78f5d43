"""The distribution's own backup tools, collected by the script itself: every state tells what was written by hand."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from secscan.collection.ssh import Credential, SshCollector, SshSettings
from secscan.collection.ssh.access import escaped
from secscan.collection.ssh.local import run_script
from secscan.collection.ssh.shell_script import Run, backup_commands
from secscan.facts import Gap, encode
from secscan.facts.backups import BackupFacts
from secscan.model import Host, HostTarget, Observation
from secscan.scope import Gate, ProbeLog, scope_of_addresses
from tests.lab.backups import STATES, Lab, State, available, by_name, differences, entering, run_in
from tests.lab.ssh import Sshd, make_key

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(bool(available()), reason=available() or "there"),
    pytest.mark.xdist_group("backups"),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    return Lab(tmp_path_factory.mktemp("backups"))


def collected(lab: Lab, state: State) -> BackupFacts:
    facts = lab.collect(state)["backups"]
    assert isinstance(facts, BackupFacts), facts
    return facts


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_a_host_tells_what_it_is_known_to_have(lab: Lab, state: State) -> None:
    facts = collected(lab, state)
    wrong = [sentence for expected in state.expected for sentence in differences(expected, facts)]
    assert not wrong
    assert set(state.unread) <= {unread.what for unread in facts.unread}
    # Every secret of the lab says so in its name, or is the passphrase of all.
    assert b"never-to-be-sent" not in encode(facts)


@pytest.mark.parametrize(
    "shell", [("busybox", "ash"), ("bash", "--posix"), ("mksh",), ("ksh",)], ids=lambda shell: shell[0]
)
def test_every_shell_tells_the_same(lab: Lab, shell: tuple[str, ...]) -> None:
    state = by_name("restic good")
    assert lab.collect(state, shell=shell)["backups"] == collected(lab, state)


def test_nothing_secret_leaves_the_host(lab: Lab) -> None:
    for name in ("borgmatic good", "postgres good", "duplicity good", "restic by a script"):
        answer = run_script(Run.new(budget=60), entering(lab.build(by_name(name)), "/bin/sh"), deadline=100)
        assert not isinstance(answer, Gap)
        assert b"never-to-be-sent" not in answer[0]


def test_over_a_real_sshd_the_inventory_s_patterns_are_asked_for(lab: Lab, tmp_path: Path) -> None:
    """OpenSSH's own server, whose sessions are in the host's namespaces by way of a forced command."""
    place = lab.build(by_name("dumps good"))
    login = make_key(tmp_path / "login")
    enter = tmp_path / "enter"
    words = " ".join(f"'{word}'" for word in entering(place, "/bin/sh", "-s"))
    enter.write_text(f"#!/bin/sh\nexec {words}\n")
    enter.chmod(0o755)
    key = login.with_suffix(".pub").read_text()
    sshd = Sshd(authorized=f'command="{enter}" {key}')
    try:
        (tmp_path / "known_hosts").write_text(sshd.known_hosts)
        collector = SshCollector(
            {"db1": Host("db1", ("127.0.0.1",), credential="c")},
            {},
            {"c": Credential("c", "root", sshd.port, key_file=login)},
            tmp_path / "known_hosts",
            SshSettings(deadline=60),
            declared={"db1": ("/mnt/disk/dumps/*.sql.gz",)},
        )
        gate = Gate(scope_of_addresses(["127.0.0.1"]), ProbeLog(None))
        records = [r for r in collector.collect([HostTarget("db1")], gate) if r.kind == "backups"]
    finally:
        sshd.stop()
    [record] = records
    assert isinstance(record, Observation), record
    [expected] = by_name("dumps good").expected
    assert differences(expected, record.facts) == []


def test_sudo_allows_exactly_what_the_script_asks_for(lab: Lab, tmp_path: Path) -> None:
    state = by_name("postgres good")
    place = lab.build(state)
    closed = State("postgres closed", "", (), made_from=state.name, account=65534)
    built = lab.folder / "postgres-closed"
    subprocess.run(["cp", "-a", str(place), str(built)], check=True)  # noqa: S607 - coreutils
    lines = "\n".join(
        "nobody ALL=(root) NOPASSWD: " + escaped(command)
        for folder in ("/mnt/disk/barman", "/mnt/disk/pgbackrest")
        for command in backup_commands(folder)
    )
    run_in(
        built,
        f"chmod 700 /mnt/disk/barman /mnt/disk/pgbackrest\ncat >/etc/sudoers.d/lab <<'E'\n{lines}\nE\n"
        "chmod 440 /etc/sudoers.d/lab; visudo -c -q\n",
    )
    lab._built[closed.name] = built
    without, facts = lab.collect(closed)["backups"], lab.collect(closed, sudo=True)["backups"]
    assert isinstance(facts, BackupFacts)
    assert isinstance(without, BackupFacts)
    assert {u.what for u in without.unread} >= {"/mnt/disk/barman", "/mnt/disk/pgbackrest"}
    [barman] = [b for b in facts.backups if b.tool == "barman"]  # type: ignore[union-attr] # or the test fails
    assert not isinstance(barman.runs, Gap)
    assert len(barman.runs) == 1
