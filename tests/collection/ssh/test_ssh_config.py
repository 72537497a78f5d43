"""~/.ssh/config: five keywords are honoured, what runs commands is refused, and nothing is run to find out."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secscan.collection.ssh.ssh_config import HostOptions, SshConfigError, read_options


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".ssh").mkdir()
    return tmp_path


def read(home: Path, text: str, host: str = "web1") -> HostOptions:
    path = home / ".ssh/config"
    path.write_text(text)
    return read_options(path, host, home=home)


def test_the_five_keywords_are_honoured(home: Path) -> None:
    assert read(
        home,
        "Host web*\n  HostName %h.example\n  Port=2222\n  User scanner\n"
        '  IdentityFile ~/.ssh/a\n  IdentityFile "%d/my key"\n  ProxyJump jump1,me@jump2:2200\n',
    ) == HostOptions(
        "web1.example",
        2222,
        "scanner",
        (home / ".ssh/a", home / "my key"),
        ("jump1", "me@jump2:2200"),
    )


def test_a_file_that_is_not_there_says_nothing(home: Path) -> None:
    assert read_options(home / "none", "web1") == HostOptions()


def test_the_first_value_counts(home: Path) -> None:
    assert read(home, "Host web1\nPort 1\nHost *\nPort 2\nUser u\n") == HostOptions(port=1, user="u")


@pytest.mark.parametrize(
    ("line", "applies"),
    [
        ("Host web1", True),
        ("Host WEB1", True),
        ("Host web?", True),
        ("Host other", False),
        ("Host * !web1", False),
        ("Host a web1", True),
        ("Match all", True),
        ("Match host web1", True),
        ("Match host other", False),
        ("Match !host web1", False),
        ("Match originalhost w* user nobody-here", False),
        ("Match final all", False),
    ],
)
def test_blocks_hold_for_whom_they_name(home: Path, line: str, applies: bool) -> None:
    assert read(home, f"{line}\n Port 7\n").port == (7 if applies else 0)


@pytest.mark.parametrize(
    "line",
    [
        "ProxyCommand nc %h %p",
        "ProxyCommand sh -c 'oops",
        "LocalCommand id",
        "PermitLocalCommand yes",
        "KnownHostsCommand /bin/x",
        "RemoteCommand id",
        "PKCS11Provider /lib/x.so",
        "SecurityKeyProvider /lib/x.so",
        "ForwardAgent yes",
        "ProxyUseFdpass yes",
        "proxycommand=id",
        "IdentityFile %C",
        "Port 0",
        "Port 70000",
        "Port x",
        "HostName",
        'User "a',
        "???",
    ],
)
def test_what_runs_a_command_or_is_wrong_is_refused_with_its_line(home: Path, line: str) -> None:
    with pytest.raises(SshConfigError) as caught:
        read(home, f"# first\n{line}\n")
    assert str(caught.value).startswith(f"{home}/.ssh/config:2: ")


def test_what_would_run_a_command_for_another_host_is_left_alone(home: Path) -> None:
    assert read(home, "Host forge\nProxyCommand nc\nHost web1\nPort 3\n").port == 3


@pytest.mark.parametrize(
    "line", ["ProxyCommand none", "ForwardAgent no", "ControlPath none", "Compression yes"]
)
def test_what_is_turned_off_or_harmless_passes(home: Path, line: str) -> None:
    assert read(home, f"{line}\nPort 9\n").port == 9


def test_match_exec_is_refused_and_not_run(home: Path, tmp_path: Path) -> None:
    with pytest.raises(SshConfigError, match="exec"):
        read(home, f'Match exec "touch {tmp_path}/ran"\n Port 1\n')
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("criterion", ["localnetwork 10.0.0.0/8", "tagged x", "host"])
def test_a_match_that_can_not_be_told_is_refused(home: Path, criterion: str) -> None:
    with pytest.raises(SshConfigError):
        read(home, f"Match {criterion}\n Port 1\n")


def test_included_files_are_read_under_the_same_rules(home: Path) -> None:
    (home / ".ssh/conf.d").mkdir()
    (home / ".ssh/conf.d/1").write_text("Host web1\nPort 5\n")
    assert read(home, "Include conf.d/*\nHost *\nPort 6\n").port == 5
    (home / ".ssh/conf.d/1").write_text("ProxyCommand id\n")
    with pytest.raises(SshConfigError, match=r"conf\.d/1:1"):
        read(home, "Include conf.d/*\n")


def test_an_include_of_another_host_is_not_read(home: Path) -> None:
    (home / ".ssh/x").write_text("ProxyCommand id\n")
    assert read(home, "Host other\n Include x\nHost web1\n Port 4\n").port == 4


def test_files_that_include_themselves_are_refused(home: Path) -> None:
    with pytest.raises(SshConfigError, match="deep"):
        read(home, "Include config\n")


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    home = tmp_path_factory.mktemp("home")
    (home / "config").write_text(text, encoding="utf-8", errors="surrogatepass")
    with contextlib.suppress(SshConfigError):
        read_options(home / "config", "web1", home=home)
