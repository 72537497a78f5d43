"""Ways to a host and into it: which of its keys counts, jump hosts, agents, prompts, and accounts that go nowhere."""

import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import paramiko
import pytest

from secscan.collection.ssh import (
    Credential,
    Jump,
    SshCollector,
    SshSettings,
    fetch_host_keys,
    known_hosts_lines,
)
from secscan.facts import Gap
from secscan.model import Host, HostTarget, Observation, Reason, Unobserved
from secscan.scope import Gate, ProbeLog, Rates, Scope, scope_of_addresses
from tests.collection.ssh.world import (
    ADDRESS,
    SHUT,
    SMALL,
    WORD,
    World,
    of_key,
    public,
    sign,
    tool,
    wait,
    with_password,
)
from tests.lab.ssh import Account, FakeSshd, Sshd, answer, make_key, reply

TYPES = ("ed25519", "ecdsa", "rsa")


@pytest.fixture(scope="module")
def shut(login: Path) -> Iterator[Sshd]:
    """Has keys of all types, and lets in without running anything."""
    with Sshd(authorized=public(login), options=SHUT, host_keys=TYPES) as running:
        yield running


# --- Host keys --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TYPES)
def test_of_several_keys_the_known_one_is_asked_for(world: World, shut: Sshd, login: Path, kind: str) -> None:
    [line] = [line for line in shut.known_hosts.splitlines() if kind in line]
    world.known_hosts.write_text(line + "\n")
    assert world.gets_in(of_key(shut, login))


def test_one_key_that_is_still_right_is_enough(world: World, login: Path, tmp_path: Path) -> None:
    """It knew an ECDSA key as well, which the host no longer has."""
    with Sshd(authorized=public(login), options=SHUT) as running:
        old = public(make_key(tmp_path / "old", "ecdsa")).split()
        world.known_hosts.write_text(running.known_hosts + f"[{ADDRESS}]:{running.port} {old[0]} {old[1]}\n")
        assert world.gets_in(of_key(running, login))


def test_a_changed_key_of_a_known_type_is_a_change_though_the_host_has_others(
    world: World, shut: Sshd, login: Path, tmp_path: Path
) -> None:
    other = public(make_key(tmp_path / "other", "rsa")).split()
    world.known_hosts.write_text(f"[{ADDRESS}]:{shut.port} {other[0]} {other[1]}\n")
    assert world.refusal(of_key(shut, login))[0] is Reason.HOST_KEY_CHANGED


def test_ipv6_is_known_in_brackets(world: World, login: Path) -> None:
    world.gate = Gate(scope_of_addresses(["::1"]), ProbeLog(None))
    with Sshd(authorized=public(login), options=SHUT, address="::1") as running:
        keys = fetch_host_keys("::1", world.gate, port=running.port)
        assert not isinstance(keys, Gap)
        world.known_hosts.write_text(known_hosts_lines((), keys))
        assert world.known_hosts.read_text().startswith(f"[::1]:{running.port} ssh-ed25519 ")
        assert world.gets_in(of_key(running, login), addresses=("::1",))


# --- Jump hosts -------------------------------------------------------------------------------------------


@pytest.fixture
def chain(login: Path) -> Iterator[tuple[Sshd, Sshd, Sshd]]:
    """Two jump hosts and a host, each a real server with a key of its own."""
    with contextlib.ExitStack() as servers:
        first, second = (servers.enter_context(Sshd(authorized=public(login))) for _ in range(2))
        yield first, second, servers.enter_context(Sshd(authorized=public(login), options=SHUT))


def test_one_jump_host_leads_to_the_next(world: World, login: Path, chain: tuple[Sshd, Sshd, Sshd]) -> None:
    first, second, last = chain
    world.known_hosts.write_text("".join(server.known_hosts for server in chain))
    subprocess.run(
        [tool("ssh-keygen"), "-q", "-H", "-f", str(world.known_hosts)], check=True, capture_output=True
    )
    jumps = (Jump(ADDRESS, first.port), Jump(ADDRESS, second.port))
    assert world.gets_in(of_key(last, login, jump=jumps))
    assert all("Accepted publickey" in server.log for server in chain)


@pytest.mark.parametrize("changed", [0, 1, 2])
def test_a_changed_key_anywhere_on_the_way_ends_it_there(
    world: World, login: Path, chain: tuple[Sshd, Sshd, Sshd], tmp_path: Path, changed: int
) -> None:
    kind, blob = public(make_key(tmp_path / "other")).split()[:2]
    lines = [server.known_hosts for server in chain]
    lines[changed] = f"[{ADDRESS}]:{chain[changed].port} {kind} {blob}\n"
    world.known_hosts.write_text("".join(lines))
    jumps = tuple(Jump(ADDRESS, server.port) for server in chain[:2])
    reason, detail = world.refusal(of_key(chain[2], login, jump=jumps))
    assert reason is Reason.HOST_KEY_CHANGED
    assert f"{ADDRESS}:{chain[changed].port} shows the key" in detail
    assert not any("Accepted" in server.log for server in chain[changed:])


def test_a_jump_host_that_is_not_known_is_not_asked(
    world: World, login: Path, chain: tuple[Sshd, Sshd, Sshd]
) -> None:
    world.known_hosts.write_text(chain[2].known_hosts)
    reason, detail = world.refusal(of_key(chain[2], login, jump=(Jump(ADDRESS, chain[0].port),)))
    assert reason is Reason.NOT_ATTEMPTED
    assert "secscan trust" in detail


def test_a_jump_host_names_a_credential_that_there_is(world: World, shut: Sshd, login: Path) -> None:
    reason, detail = world.refusal(of_key(shut, login, jump=(Jump(ADDRESS, shut.port, "nobody"),)))
    assert reason is Reason.NEEDS_CREDENTIALS
    assert "'nobody'" in detail


# --- Certificates and agents --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("validity", "reason"), [("+1h", Reason.UNREADABLE), ("-2h:-1h", Reason.AUTH_FAILED)]
)
def test_a_certificate_of_another_name_lets_in_while_it_is_valid(
    world: World, login: Path, tmp_path: Path, validity: str, reason: Reason
) -> None:
    authority, key = make_key(tmp_path / "ca"), make_key(tmp_path / "user")
    sign(authority, key, "-V", validity)
    certificate = (tmp_path / "user-cert.pub").rename(tmp_path / "elsewhere.pub")
    with Sshd(options=f"TrustedUserCAKeys {authority}.pub\n{SHUT}") as running:
        world.known_hosts.write_text(running.known_hosts)
        assert world.refusal(of_key(running, key, certificate=certificate))[0] is reason


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An SSH agent with eight keys that open nothing: more than MaxAuthTries lets through."""
    place = tmp_path / "agent"
    process = subprocess.Popen([tool("ssh-agent"), "-D", "-a", str(place)], stdout=subprocess.DEVNULL)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(place))
    try:
        wait(place.exists)
        for number in range(8):
            add_to_agent(make_key(tmp_path / f"other{number}"))
        yield place
    finally:
        process.kill()
        process.wait()


def add_to_agent(key: Path) -> None:
    subprocess.run([tool("ssh-add"), "-q", str(key)], check=True)


@pytest.mark.usefixtures("agent")
def test_too_many_keys_of_an_agent_end_as_a_failed_login(world: World, shut: Sshd, login: Path) -> None:
    add_to_agent(login)
    world.known_hosts.write_text(shut.known_hosts)
    reason, detail = world.refusal(of_key(shut, login, key_file=None, agent=True))
    assert reason is Reason.AUTH_FAILED
    assert "Too many authentication failures" in detail


@pytest.mark.usefixtures("agent")
def test_the_key_that_is_named_comes_first_of_an_agents_keys(
    world: World, shut: Sshd, login: Path, tmp_path: Path
) -> None:
    """The file itself need not be there: its public half says which key it is."""
    add_to_agent(login)
    (tmp_path / "named.pub").write_text(public(login))
    world.known_hosts.write_text(shut.known_hosts)
    assert world.gets_in(of_key(shut, tmp_path / "named", agent=True))


@pytest.mark.usefixtures("agent")
def test_a_key_file_comes_before_what_an_agent_has_besides(world: World, shut: Sshd, login: Path) -> None:
    world.known_hosts.write_text(shut.known_hosts)
    assert world.gets_in(of_key(shut, login, agent=True))


def test_without_an_agent_there_is_nothing_to_try(
    world: World, shut: Sshd, login: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    world.known_hosts.write_text(shut.known_hosts)
    reason, detail = world.refusal(of_key(shut, login, key_file=None, agent=True))
    assert reason is Reason.NEEDS_CREDENTIALS
    assert "agent" in detail


def test_a_host_that_takes_one_try_only_ends_as_a_failed_login(
    world: World, login: Path, tmp_path: Path
) -> None:
    with Sshd(authorized=public(login), options="MaxAuthTries 1\n") as running:
        world.known_hosts.write_text(running.known_hosts)
        assert world.refusal(of_key(running, make_key(tmp_path / "stranger")))[0] is Reason.AUTH_FAILED


# --- Passwords and prompts ----------------------------------------------------------------------------------

HIDDEN, SHOWN = ("Password: ", False), ("Name: ", True)


def test_a_password_answers_one_hidden_prompt(world: World, host_key: paramiko.PKey) -> None:
    server = FakeSshd(
        answer(lambda nonce: reply(SMALL, nonce)), host_key, password=WORD, prompts=((HIDDEN,), ())
    )
    with server.start() as running:
        world.know(running.port, host_key)
        assert isinstance(world.seen(with_password(running.port)), Observation)
    assert server.answers == [WORD]


@pytest.mark.parametrize(
    ("prompts", "answers"),
    [
        (((HIDDEN,), (("New password: ", False),), (("Retype new password: ", False),)), [WORD]),
        (((HIDDEN,), (("One-time code: ", False),)), [WORD]),
        (((SHOWN,),), []),
        (((HIDDEN, ("Code: ", False)),), []),
    ],
    ids=["expired", "second factor", "shown", "two at once"],
)
def test_what_asks_for_more_than_the_password_does_not_get_it(
    world: World,
    host_key: paramiko.PKey,
    prompts: tuple[tuple[tuple[str, bool], ...], ...],
    answers: list[str],
) -> None:
    server = FakeSshd(answer(lambda nonce: reply(SMALL, nonce)), host_key, password=WORD, prompts=prompts)
    with server.start() as running:
        world.know(running.port, host_key)
        reason, detail = world.refusal(with_password(running.port))
    assert reason is Reason.AUTH_FAILED
    assert prompts[-1 if len(prompts) == 1 else 1][-1][0].strip() in detail
    assert server.answers == answers


def test_a_host_that_wants_a_new_password_gets_none(world: World, host_key: paramiko.PKey) -> None:
    """SSH_MSG_USERAUTH_PASSWD_CHANGEREQ: RFC 4252, 8."""

    def demand(transport: paramiko.Transport) -> None:
        message = paramiko.Message()
        message.add_byte(bytes([60]))
        message.add_string("Your password has expired")
        message.add_string("")
        transport._send_message(message)

    with FakeSshd(answer(lambda _: b""), host_key, password="-", at_login=demand).start() as running:
        world.know(running.port, host_key)
        reason, detail = world.refusal(with_password(running.port))
    assert reason is Reason.AUTH_FAILED
    assert "Your password has expired" in detail


def test_a_host_that_takes_no_more_connections_limits_the_rate(world: World, login: Path) -> None:
    with Sshd(authorized=public(login), options=f"MaxStartups 1:100:1\n{SHUT}") as running:
        world.known_hosts.write_text(running.known_hosts)
        with contextlib.ExitStack() as held:

            def is_let_in() -> bool:
                """Not while the lab's own look, whether it listens, still counts."""
                one = world.gate.connect(ADDRESS, running.port, what="test", timeout=5)
                return held.enter_context(one).recv(4) == b"SSH-"

            wait(is_let_in)
            reason, detail = world.refusal(of_key(running, login))
    assert reason is Reason.RATE_LIMITED
    assert "Exceeded MaxStartups" in detail


# --- Accounts that go nowhere -------------------------------------------------------------------------------

LOUD = "echo 'Welcome!'\nprintf '\\n0123456789abcdef begin 1 1 0\\n'\nalias cat='echo evil'\ncat() { echo evil; }\n"
ACCOUNTS = (
    Account("lab-bash", "/bin/bash", {".bashrc": LOUD, ".profile": LOUD, ".ssh-rc": LOUD}),
    Account("lab-leaves", "/bin/bash", {".bashrc": "echo 'Maintenance, please come back'; exit 7\n"}),
    Account("lab-nologin", "/usr/sbin/nologin"),
    Account("lab-none", "/nonexistent/shell"),
    Account("lab-expired", expired=True),
    Account("lab-secret", password=WORD),
    Account("lab-stale", password=WORD, expired=True),
)

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture(scope="module")
def people(login: Path) -> Iterator[Sshd]:
    # PATH comes from PAM or from nowhere here, and an account without a password is one that is locked without PAM.
    with Sshd(authorized=public(login), accounts=ACCOUNTS) as running:
        yield running


@pytest.mark.root
@pytest.mark.slow
@as_root
def test_a_start_up_file_that_prints_and_renames_changes_nothing(
    world: World, people: Sshd, login: Path
) -> None:
    world.known_hosts.write_text(people.known_hosts)
    credential = Credential("c", "lab-bash", people.port, key_file=login)
    assert isinstance(world.seen(credential), Observation)


@pytest.mark.root
@as_root
@pytest.mark.parametrize(
    ("name", "reason", "said"),
    [
        ("lab-leaves", Reason.UNREADABLE, "Maintenance, please come back"),
        ("lab-nologin", Reason.UNREADABLE, "This account is currently not available"),
        ("lab-none", Reason.AUTH_FAILED, "did not let 'lab-none' in"),
    ],
)
def test_an_account_that_goes_nowhere_says_why(
    world: World, people: Sshd, login: Path, name: str, reason: Reason, said: str
) -> None:
    world.known_hosts.write_text(people.known_hosts)
    seen, detail = world.refusal(Credential("c", name, people.port, key_file=login))
    assert seen is reason, detail
    assert said in detail


@pytest.mark.root
@as_root
def test_an_account_whose_password_has_expired_says_so_to_a_key_as_well(world: World, login: Path) -> None:
    with Sshd(authorized=public(login), options="UsePAM yes\n", accounts=ACCOUNTS) as running:
        world.known_hosts.write_text(running.known_hosts)
        reason, detail = world.refusal(Credential("c", "lab-expired", running.port, key_file=login))
        assert reason is Reason.UNREADABLE, (detail, running.log)
        assert "Your password has expired" in detail


@pytest.mark.root
@as_root
@pytest.mark.parametrize(
    ("name", "reason"), [("lab-secret", Reason.UNREADABLE), ("lab-stale", Reason.AUTH_FAILED)]
)
def test_pam_asks_by_prompts_and_gets_no_new_password(
    world: World, login: Path, name: str, reason: Reason
) -> None:
    options = f"UsePAM yes\nKbdInteractiveAuthentication yes\n{SHUT}"
    with Sshd(options=options, accounts=ACCOUNTS) as running:
        world.known_hosts.write_text(running.known_hosts)
        seen, detail = world.refusal(Credential("c", name, running.port, password_env="PASSWORD"))
        assert seen is reason, (detail, running.log)


def test_an_account_for_files_alone_runs_no_script(world: World, login: Path) -> None:
    with Sshd(authorized=public(login), options="ForceCommand internal-sftp\n") as running:
        world.known_hosts.write_text(running.known_hosts)
        reason, detail = world.refusal(of_key(running, login))
        assert reason is Reason.UNREADABLE, detail


# --- The gate, deadlines and giving up ------------------------------------------------------------------------


def test_every_connection_is_paced_and_written_down_also_those_over_a_jump_host(
    world: World, login: Path, chain: tuple[Sshd, Sshd, Sshd], tmp_path: Path
) -> None:
    first, _second, last = chain
    slept: list[float] = []
    now = [0.0]

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    scope = scope_of_addresses([ADDRESS])
    slow = Scope(scope.owner, scope.expires, scope.networks, rates=Rates(Fraction(1), 1))
    world.gate = Gate(slow, ProbeLog(tmp_path / "probes"), monotonic=lambda: now[0], sleep=sleep)
    world.known_hosts.write_text(first.known_hosts + last.known_hosts)
    assert world.gets_in(of_key(last, login, jump=(Jump(ADDRESS, first.port),)))
    assert len((tmp_path / "probes").read_text().splitlines()) == 2
    assert sum(slept) > 0


def test_hosts_that_are_being_asked_are_hung_up_on_when_nobody_wants_them(
    world: World, host_key: paramiko.PKey
) -> None:
    """One answers and one hangs; the deadline of both is further off than any test waits."""
    gone = threading.Event()
    asked = threading.Event()

    def hang_the_second(channel: paramiko.Channel, command: bytes) -> None:
        if not asked.is_set():
            asked.set()
            wait(lambda: not channel.get_transport().is_active())
            gone.set()
        else:
            answer(lambda nonce: reply(SMALL, nonce))(channel, command)

    with FakeSshd(hang_the_second, host_key, password=WORD).start() as running:
        world.know(running.port, host_key)
        hosts = {name: Host(name, (ADDRESS,), credential="c") for name in ("a", "b")}
        collector = SshCollector(
            hosts,
            {},
            {"c": with_password(running.port)},
            world.known_hosts,
            SshSettings(deadline=3600.0),
            environment={"PASSWORD": WORD},
        )
        records = collector.collect([HostTarget(name) for name in hosts], world.gate)
        assert not isinstance(next(records), Unobserved)
        records.close()
        assert gone.wait(5)


def test_a_login_that_is_never_answered_ends_at_the_deadline(world: World, host_key: paramiko.PKey) -> None:
    ended = threading.Event()
    server = FakeSshd(
        answer(lambda _: b""), host_key, password=WORD, at_login=lambda _: bool(ended.wait(20)) or None
    )
    with server.start() as running:
        world.know(running.port, host_key)
        assert world.refusal(with_password(running.port), deadline=1.5)[0] is Reason.TIMED_OUT
        ended.set()
