"""secscan inventory check on names that lead nowhere, and what is told of logins that nobody asks for."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from secscan.cli.parts import unasked_inside
from secscan.model import Host
from secscan.registry import find_checks
from secscan.workspace import write_new
from tests.cli.conftest import Secscan
from tests.rules import baseline, telnet


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_new(tmp_path / "w", today=datetime.now(UTC).date())
    return tmp_path / "w"


def a_host(folder: Path, line: str) -> str:
    file = folder / "inventory" / "extra.toml"
    head = '[agency]\nid = "extra"\nnames.en = "Extra"\n[[host]]\nid = "x-1"\naddresses = ["127.0.0.9"]\n'
    file.write_text(head + line + "\n", "utf-8")
    return f"{file.name}:7:"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('role = "portall"', ('has no role "portall"', "roles.portall.apply = []", 'did you mean "portal"?')),
        ('role = "ab"', ('has no role "ab"',)),
        ('credential = "audit"', ('no table of the name "audit" in [credentials]',)),
    ],
)
def test_a_name_that_leads_nowhere_is_a_mistake(
    folder: Path, secscan: Secscan, line: str, words: tuple[str, ...]
) -> None:
    place = a_host(folder, line)
    done = secscan("inventory", "check", "-C", folder)
    assert done.returncode == 2
    assert [word for word in (place, *words) if word not in done.stderr] == [], done.stderr


def test_a_role_that_is_to_have_no_rules_of_its_own_applies_nothing(folder: Path, secscan: Secscan) -> None:
    a_host(folder, 'role = "printer"')
    settings = folder / "secscan.toml"
    text = settings.read_text("utf-8")
    (folder / "profiles").mkdir(exist_ok=True)
    own = 'name = "own"\ntitles = { en = "Own" }\nextends = "baseline"\nroles.printer.apply = []\n'
    (folder / "profiles" / "own.toml").write_text(own, "utf-8")
    settings.write_text(text.replace('profile = "baseline"', 'profile = "own"'), "utf-8")
    assert "own" in settings.read_text("utf-8")
    done = secscan("inventory", "check", "-C", folder)
    assert done.returncode == 0, done.stderr


def test_a_missing_known_hosts_file_is_told_with_the_command_that_makes_it(
    tmp_path: Path, secscan: Secscan
) -> None:
    gone = tmp_path / "gone"
    done = secscan("audit", "127.0.0.9", "--ssh", "me", "--ssh-port", "2222", "--known-hosts", gone)
    assert done.returncode == 2
    told = " ".join(done.stderr.split())
    assert f"secscan trust 127.0.0.9 --known-hosts {gone} --ssh-port 2222" in told.replace("│", ""), told


def test_a_login_that_no_rule_makes_use_of_is_told() -> None:
    hosts = [Host("a", credential="audit"), Host("b")]
    assert unasked_inside(hosts, baseline((telnet,))) == (
        "1 host names a login, and the baseline test asks nothing from the inside"
    )


def test_a_login_that_is_made_use_of_is_not() -> None:
    inside = [check for id, check in find_checks().items() if id == "ssh.host-key"]
    assert unasked_inside([Host("a", credential="audit")], baseline(inside)) == ""
    assert unasked_inside([Host("b")], baseline((telnet,))) == ""
