"""Logging in and asking: a real sshd, jump hosts, keys and passwords, and hosts that mean no good."""

import logging
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import paramiko
import pytest

from secscan.collection.ssh import (
    Credential,
    CredentialError,
    Jump,
    SshCollector,
    add_known_hosts,
    fetch_host_keys,
    known_hosts_lines,
)
from secscan.facts import Gap, PackageFacts, SystemFacts
from secscan.model import Host, HostTarget, Observation, Reason, Unobserved
from secscan.scope import Gate, ProbeLog, scope_of_addresses
from tests.collection.ssh.world import (
    ADDRESS,
    SMALL,
    WORD,
    World,
    of_key,
    sign,
    tool,
    wait,
    with_password,
)
from tests.lab.servers.listening import Listener
from tests.lab.ssh import FakeSshd, Sshd, answer, make_key, nonce_of, read_input, reply

# --- A real sshd ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sshd(login: Path) -> Iterator[Sshd]:
    with Sshd(authorized=login.with_suffix(".pub").read_text(), host_keys=("ed25519", "rsa")) as running:
        yield running


@pytest.mark.slow
def test_a_real_host_is_seen_whole(world: World, sshd: Sshd, login: Path) -> None:
    world.known_hosts.write_text(sshd.known_hosts)
    records = world.ask(of_key(sshd, login), deadline=60)
    assert all(isinstance(record, Observation) for record in records), records
    system = next(r.facts for r in records if isinstance(r, Observation) and r.kind == "system")
    assert isinstance(system, SystemFacts)
    assert system.kernel == os.uname().release
    assert system.clock_offset == 0


@pytest.mark.slow
def test_start_up_scripts_that_print_change_nothing(world: World, login: Path, tmp_path: Path) -> None:
    noisy = tmp_path / "noisy"
    noisy.write_text(
        "#!/bin/sh\necho 'Welcome!'; echo oops >&2; printf '\\n0123456789abcdef begin 1 1 0\\n'\n"
        'eval "$SSH_ORIGINAL_COMMAND" <&0; echo bye\n'
    )
    with Sshd(
        authorized=login.with_suffix(".pub").read_text(), options=f"ForceCommand /bin/sh {noisy}\n"
    ) as running:
        world.known_hosts.write_text(running.known_hosts)
        assert isinstance(world.seen(of_key(running, login)), Observation)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("/nonexistent/sh", Reason.TOOL_MISSING),
        ("/usr/sbin/nologin", Reason.UNREADABLE),
        ("/bin/true", Reason.UNREADABLE),
        ("/bin/cat", Reason.UNREADABLE),
        ("kill -9 $PPID", Reason.MALFORMED),
    ],
)
def test_an_account_that_runs_no_script(world: World, login: Path, command: str, reason: Reason) -> None:
    with Sshd(
        authorized=login.with_suffix(".pub").read_text(), options=f"ForceCommand {command}\n"
    ) as running:
        world.known_hosts.write_text(running.known_hosts)
        assert world.refusal(of_key(running, login))[0] is reason


def test_a_host_that_is_not_known_is_not_even_asked(world: World, sshd: Sshd, login: Path) -> None:
    before = sshd.log
    reason, detail = world.refusal(of_key(sshd, login))
    assert reason is Reason.NOT_ATTEMPTED
    assert f"secscan trust {ADDRESS}" in detail
    assert sshd.log == before


def test_a_changed_key_is_said_to_be_changed_and_no_login_is_tried(
    world: World, sshd: Sshd, login: Path, tmp_path: Path
) -> None:
    other = make_key(tmp_path / "other")
    kind, blob = other.with_suffix(".pub").read_text().split()[:2]
    world.known_hosts.write_text(f"[{ADDRESS}]:{sshd.port} {kind} {blob}\n")
    before = sshd.log.count("Accepted")
    reason, detail = world.refusal(of_key(sshd, login))
    assert reason is Reason.HOST_KEY_CHANGED
    assert "SHA256:" in detail
    assert sshd.log.count("Accepted") == before


def test_a_host_that_lost_its_known_type_of_key_has_changed(
    world: World, sshd: Sshd, login: Path, host_key: paramiko.PKey
) -> None:
    world.know(sshd.port, host_key)  # an ECDSA key, which it does not have
    assert world.refusal(of_key(sshd, login))[0] is Reason.HOST_KEY_CHANGED


def test_a_revoked_key_counts_as_changed(world: World, sshd: Sshd, login: Path) -> None:
    lines = sshd.known_hosts
    world.known_hosts.write_text(lines + "".join(f"@revoked {line}\n" for line in lines.splitlines()))
    assert world.refusal(of_key(sshd, login))[0] is Reason.HOST_KEY_CHANGED


@pytest.mark.slow
def test_hashed_names_are_found(world: World, sshd: Sshd, login: Path) -> None:
    world.known_hosts.write_text(sshd.known_hosts)
    hashing = [tool("ssh-keygen"), "-q", "-H", "-f", str(world.known_hosts)]
    subprocess.run(hashing, check=True, capture_output=True)
    assert ADDRESS not in world.known_hosts.read_text()
    assert isinstance(world.seen(of_key(sshd, login)), Observation)


def test_a_key_that_is_not_authorized_does_not_get_in(world: World, sshd: Sshd, tmp_path: Path) -> None:
    world.known_hosts.write_text(sshd.known_hosts)
    stranger = make_key(tmp_path / "stranger")
    reason, detail = world.refusal(of_key(sshd, stranger))
    assert reason is Reason.AUTH_FAILED
    assert str(stranger) in detail


@pytest.mark.slow
def test_a_key_with_a_passphrase_is_opened_by_the_secret(
    world: World, sshd: Sshd, login: Path, tmp_path: Path
) -> None:
    locked = make_key(tmp_path / "locked", passphrase=WORD)
    with Sshd(authorized=locked.with_suffix(".pub").read_text()) as running:
        world.known_hosts.write_text(running.known_hosts)
        assert isinstance(world.seen(of_key(running, locked, password_env="PASSWORD")), Observation)


@pytest.mark.parametrize("secret", [{}, {"password_env": "WRONG"}])
def test_a_key_that_can_not_be_opened_needs_credentials(
    world: World, sshd: Sshd, tmp_path: Path, secret: dict[str, str]
) -> None:
    world.known_hosts.write_text(sshd.known_hosts)
    reason, detail = world.refusal(of_key(sshd, make_key(tmp_path / "locked", passphrase=WORD), **secret))
    assert reason is Reason.NEEDS_CREDENTIALS
    assert "wrong" not in detail


@pytest.mark.slow
def test_a_certificate_beside_the_key_lets_in(world: World, login: Path, tmp_path: Path) -> None:
    authority, key = make_key(tmp_path / "ca"), make_key(tmp_path / "user")
    sign(authority, key)
    with Sshd(options=f"TrustedUserCAKeys {authority}.pub\n") as running:
        world.known_hosts.write_text(running.known_hosts)
        assert isinstance(world.seen(of_key(running, key)), Observation)


@pytest.mark.slow
def test_an_agent_lets_in(
    world: World, sshd: Sshd, login: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "agent"
    agent = subprocess.Popen([tool("ssh-agent"), "-D", "-a", str(place)], stdout=subprocess.DEVNULL)
    try:
        wait(place.exists)
        environment = {**os.environ, "SSH_AUTH_SOCK": str(place)}
        subprocess.run([tool("ssh-add"), "-q", str(login)], env=environment, check=True)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(place))
        world.known_hosts.write_text(sshd.known_hosts)
        assert isinstance(world.seen(of_key(sshd, login, key_file=None, agent=True)), Observation)
    finally:
        agent.kill()
        agent.wait()


@pytest.mark.slow
def test_a_jump_host_leads_on(world: World, sshd: Sshd, login: Path, host_key: paramiko.PKey) -> None:
    jump = FakeSshd(answer(lambda _: b""), host_key, password=WORD, forward=True)
    with jump.start() as running:
        world.known_hosts.write_text(sshd.known_hosts)
        world.know(running.port, host_key)
        way = Credential("way", "jumper", password_env="PASSWORD")
        record = world.seen(of_key(sshd, login, jump=(Jump(ADDRESS, running.port, "way"),)), way)
        assert isinstance(record, Observation)


def test_a_jump_host_outside_the_scope_is_not_touched(world: World, sshd: Sshd, login: Path) -> None:
    world.known_hosts.write_text(sshd.known_hosts + sshd.known_hosts.replace(ADDRESS, "127.0.0.2"))
    credential = of_key(sshd, login, jump=(Jump("127.0.0.2", sshd.port),))
    assert world.refusal(credential)[0] is Reason.OUT_OF_SCOPE


def test_what_lies_behind_a_jump_host_is_judged_by_the_scope_too(
    world: World, sshd: Sshd, login: Path, tmp_path: Path
) -> None:
    world.known_hosts.write_text(sshd.known_hosts + sshd.known_hosts.replace(ADDRESS, "127.0.0.2"))
    credential = of_key(sshd, login, jump=(Jump(ADDRESS, sshd.port),))
    records = world.ask(credential, addresses=("127.0.0.2",))
    assert {r.reason for r in records if isinstance(r, Unobserved)} == {Reason.OUT_OF_SCOPE}


def test_a_host_behind_a_jump_host_that_refuses_is_unreachable(
    world: World, login: Path, sshd: Sshd, host_key: paramiko.PKey
) -> None:
    with FakeSshd(answer(lambda _: b""), host_key, password=WORD).start() as running:
        world.known_hosts.write_text(sshd.known_hosts)
        world.know(running.port, host_key)
        way = Credential("way", "jumper", password_env="PASSWORD")
        credential = of_key(sshd, login, jump=(Jump(ADDRESS, running.port, "way"),))
        assert world.refusal(credential, way)[0] is Reason.UNREACHABLE


def test_all_keys_of_a_host_are_fetched_without_logging_in(sshd: Sshd, gate: Gate) -> None:
    keys = fetch_host_keys(ADDRESS, gate, port=sshd.port)
    assert not isinstance(keys, Gap)
    shown = subprocess.run(
        [tool("ssh-keygen"), "-l", "-f", f"{sshd.key_files[0]}.pub"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()[1]
    assert [key.key.type for key in keys] == ["ssh-ed25519", "ssh-rsa"]
    assert keys[0].key.fingerprint == shown


@pytest.mark.slow
@pytest.mark.parametrize("hashed", [False, True])
def test_what_is_trusted_is_known_from_then_on(
    world: World, sshd: Sshd, login: Path, gate: Gate, hashed: bool
) -> None:
    keys = fetch_host_keys(ADDRESS, gate, port=sshd.port)
    assert not isinstance(keys, Gap)
    world.known_hosts.write_text("# mine")
    add_known_hosts(world.known_hosts, known_hosts_lines((), keys, hashed=hashed))
    assert world.known_hosts.read_text().startswith("# mine\n")
    assert isinstance(world.seen(of_key(sshd, login)), Observation)


def test_keys_of_a_host_that_is_not_there_are_a_gap(gate: Gate) -> None:
    gap = fetch_host_keys(ADDRESS, gate, port=1)
    assert isinstance(gap, Gap)
    assert gap.reason is Reason.REFUSED


# --- Passwords and hosts of our own -----------------------------------------------------------------------


def test_a_password_lets_in(world: World, host_key: paramiko.PKey) -> None:
    with FakeSshd(answer(lambda nonce: reply(SMALL, nonce)), host_key, password=WORD).start() as running:
        world.know(running.port, host_key)
        record = world.seen(with_password(running.port))
        assert isinstance(record, Observation)
        assert isinstance(record.facts, PackageFacts)
        assert [package.name for package in record.facts.packages] == ["bash"]


def test_a_password_of_the_keyring_lets_in(world: World, host_key: paramiko.PKey) -> None:
    with FakeSshd(answer(lambda nonce: reply(SMALL, nonce)), host_key, password=WORD).start() as running:
        world.know(running.port, host_key)
        assert isinstance(
            world.seen(with_password(running.port, password_env="", keyring="lab")), Observation
        )


@pytest.mark.parametrize("source", [{"password_env": "UNSET"}, {"password_env": "", "keyring": "unknown"}])
def test_a_password_that_is_nowhere_needs_credentials(
    world: World, host_key: paramiko.PKey, source: dict[str, str]
) -> None:
    with FakeSshd(answer(lambda nonce: reply(SMALL, nonce)), host_key, password=WORD).start() as running:
        world.know(running.port, host_key)
        assert world.refusal(with_password(running.port, **source))[0] is Reason.NEEDS_CREDENTIALS


def test_a_wrong_password_does_not_get_in_and_is_nowhere_to_be_read(
    world: World, host_key: paramiko.PKey, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with FakeSshd(answer(lambda nonce: reply(SMALL, nonce)), host_key, password="other").start() as running:
        world.know(running.port, host_key)
        reason, detail = world.refusal(with_password(running.port))
        assert reason is Reason.AUTH_FAILED
        assert WORD not in detail
        assert WORD not in caplog.text


def test_no_credential_is_said_to_be_needed(world: World) -> None:
    collector = SshCollector({"web1": Host("web1", (ADDRESS,))}, {}, {}, world.known_hosts)
    records = list(collector.collect([HostTarget("web1")], world.gate))
    assert {r.reason for r in records if isinstance(r, Unobserved)} == {Reason.NEEDS_CREDENTIALS}


def test_the_next_address_is_tried_where_one_refuses(world: World, host_key: paramiko.PKey) -> None:
    world.gate = Gate(scope_of_addresses([ADDRESS, "127.0.0.9"]), ProbeLog(None))
    with FakeSshd(answer(lambda nonce: reply(SMALL, nonce)), host_key, password=WORD).start() as running:
        world.know(running.port, host_key)
        world.know(running.port, host_key, address="127.0.0.9")
        records = world.ask(with_password(running.port), addresses=("127.0.0.9", ADDRESS))
        assert any(isinstance(record, Observation) for record in records)


def test_many_hosts_are_asked_at_once(tmp_path: Path, host_key: paramiko.PKey) -> None:
    """Each answers only once all are there: one after the other, none would ever."""
    together = threading.Barrier(4, timeout=10)

    def behave(channel: paramiko.Channel, command: bytes) -> None:
        together.wait()
        answer(lambda nonce: reply(SMALL, nonce))(channel, command)

    with FakeSshd(behave, host_key, password=WORD).start() as running:
        world = World(tmp_path, Gate(scope_of_addresses([ADDRESS]), ProbeLog(None)))
        world.know(running.port, host_key)
        hosts = {f"h{i}": Host(f"h{i}", (ADDRESS,), credential="c") for i in range(4)}
        collector = SshCollector(
            hosts,
            {},
            {"c": with_password(running.port)},
            world.known_hosts,
            environment={"PASSWORD": WORD},
        )
        records = list(collector.collect([HostTarget(h) for h in hosts], world.gate))
        assert {r.target.host for r in records if isinstance(r, Observation) and r.kind == "packages"} == set(
            hosts
        )


# --- Hosts that mean no good ------------------------------------------------------------------------------


def hang(channel: paramiko.Channel, command: bytes) -> None:
    # Until the client goes; no longer than any test.
    for _ in range(600):
        if not channel.get_transport().is_active():
            return
        time.sleep(0.05)


def close_in_the_middle(channel: paramiko.Channel, command: bytes) -> None:
    whole = reply(SMALL, nonce_of(read_input(channel)))
    channel.sendall(whole[: whole.index(b"dpkg")])
    channel.get_transport().close()


def close_at_once(channel: paramiko.Channel, command: bytes) -> None:
    channel.get_transport().close()


def imitate(channel: paramiko.Channel, command: bytes) -> None:
    """Frames with every nonce but the right one."""
    read_input(channel)
    channel.sendall(b"".join(reply(SMALL, digit * 32) for digit in "0123456789abcdef"))
    channel.send_exit_status(0)
    channel.close()


@pytest.mark.parametrize(
    ("behaviour", "deadline", "reason"),
    [
        (hang, 2.0, Reason.TIMED_OUT),
        (close_at_once, 20.0, Reason.MALFORMED),
        (imitate, 20.0, Reason.UNREADABLE),
    ],
)
def test_a_hostile_host_ends_as_the_right_reason_in_bounded_time_and_memory(
    world: World,
    host_key: paramiko.PKey,
    behaviour: Callable[[paramiko.Channel, bytes], None],
    deadline: float,
    reason: Reason,
) -> None:
    with FakeSshd(behaviour, host_key, password=WORD).start() as running:
        world.know(running.port, host_key)
        assert world.refusal(with_password(running.port), deadline=deadline)[0] is reason


def test_what_came_before_a_host_closed_counts_and_the_rest_is_malformed(
    world: World, host_key: paramiko.PKey
) -> None:
    with FakeSshd(close_in_the_middle, host_key, password=WORD).start() as running:
        world.know(running.port, host_key)
        by_kind = {record.kind: record for record in world.ask(with_password(running.port))}
        packages = by_kind["packages"]
        assert isinstance(packages, Unobserved)
        assert packages.reason is Reason.MALFORMED
        assert isinstance(by_kind["system"], Observation)


def chatter(sock: socket.socket, ending: threading.Event) -> None:
    """Talks before its version, line after line, for ever."""
    try:
        while not ending.is_set():
            sock.sendall(b"Please wait...\r\n" * 64)
    except OSError:
        pass


def one_long_line(sock: socket.socket, ending: threading.Event) -> None:
    try:
        while not ending.is_set():
            sock.sendall(b"x" * 65536)
    except OSError:
        pass


def drip(sock: socket.socket, ending: threading.Event) -> None:
    """A byte now and then, so that no single wait is ever too long."""
    try:
        while not ending.wait(0.2):
            sock.sendall(b"x")
    except OSError:
        pass


def silence(sock: socket.socket, ending: threading.Event) -> None:
    ending.wait(30)


def no_ssh(sock: socket.socket, ending: threading.Event) -> None:
    sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def garbage(sock: socket.socket, ending: threading.Event) -> None:
    sock.sendall(b"SSH-2.0-x\r\n" + bytes(range(256)) * 8)
    ending.wait(5)


@pytest.mark.parametrize(
    ("conversation", "deadline", "reasons"),
    [
        (chatter, 20.0, {Reason.TARPIT, Reason.MALFORMED}),
        (one_long_line, 20.0, {Reason.TARPIT}),
        (drip, 2.0, {Reason.TIMED_OUT}),
        (silence, 2.0, {Reason.TIMED_OUT}),
        (no_ssh, 20.0, {Reason.MALFORMED}),
        (garbage, 20.0, {Reason.MALFORMED}),
    ],
)
def test_what_is_no_ssh_server_ends_in_bounded_time(
    world: World,
    host_key: paramiko.PKey,
    conversation: Callable[[socket.socket, threading.Event], None],
    deadline: float,
    reasons: set[Reason],
) -> None:
    with Listener(conversation, ADDRESS, 0) as running:
        world.know(running.port, host_key)
        began = time.monotonic()
        assert world.refusal(with_password(running.port), deadline=deadline)[0] in reasons
        assert time.monotonic() - began < deadline + 3


def test_no_thread_is_left_behind(world: World, host_key: paramiko.PKey) -> None:
    with FakeSshd(hang, host_key, password=WORD).start() as running:
        world.know(running.port, host_key)
        world.refusal(with_password(running.port), deadline=1.0)
    wait(lambda: not any(isinstance(t, paramiko.Transport) and t.is_alive() for t in threading.enumerate()))


# --- Credentials ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"user": "x"},
        {"user": "-oProxyCommand=id", "agent": True},
        {"user": "a b", "agent": True},
        {"user": "", "agent": True},
        {"user": "x", "agent": True, "port": 0},
        {"user": "x", "agent": True, "jump": (Jump("a", 70000),)},
        {"user": "x", "agent": True, "jump": (Jump("a"),) * 9},
        {"user": "x", "password_env": "A", "keyring": "b"},
        {"user": "x", "agent": True, "certificate": Path("c")},
    ],
)
def test_a_credential_that_can_not_be_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(CredentialError):
        Credential("c", **fields)  # type: ignore[arg-type] # any
