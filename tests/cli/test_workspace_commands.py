"""secscan init, inventory, checks, profiles, doctor, and help."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from secscan.cli import COMMANDS
from tests import without_nmap
from tests.cli.conftest import Secscan, as_json


class TestInit:
    def test_a_new_workspace_has_no_mistakes(self, tmp_path: Path, secscan: Secscan) -> None:
        assert secscan("init", tmp_path / "w").returncode == 0
        done = secscan("inventory", "check", "-C", tmp_path / "w")
        assert done.returncode == 0, done.stderr

    def test_nothing_is_overwritten(self, tmp_path: Path, secscan: Secscan) -> None:
        secscan("init", tmp_path / "w")
        (tmp_path / "w" / "secscan.toml").write_text("# mine\n", "utf-8")
        done = secscan("init", tmp_path / "w")
        assert done.returncode == 2
        assert (tmp_path / "w" / "secscan.toml").read_text("utf-8") == "# mine\n"

    def test_a_command_without_a_workspace_says_how_to_get_one(
        self, tmp_path: Path, secscan: Secscan
    ) -> None:
        done = secscan("scan", cwd=tmp_path)
        assert done.returncode == 2
        assert "secscan init DIR" in done.stderr


class TestInventory:
    def test_every_mistake_is_named_by_file_line_and_key(self, workspace: Path, secscan: Secscan) -> None:
        inventory = workspace / "inventory" / "one.toml"
        text = inventory.read_text("utf-8")
        inventory.write_text(
            text.replace("criticality = 3", "critcality = 3", 1).replace('role = "mail"', "role = 7"), "utf-8"
        )
        scope = workspace / "scope.toml"
        scope.write_text(scope.read_text("utf-8").replace("127.20.0.0/16", "127.20.0.0/99"), "utf-8")
        done = secscan("inventory", "check", "-C", workspace)
        assert done.returncode == 2
        for words in ("one.toml:", "critcality", "'criticality'", "scope.toml:", "127.20.0.0/99", "role"):
            assert words in done.stderr

    def test_a_mistake_in_a_waiver_is_named_too(self, workspace: Path, secscan: Secscan) -> None:
        (workspace / "waivers.toml").write_text('[[waiver]]\ncheck = "tls.*"\nowner = "A"\n', "utf-8")
        done = secscan("inventory", "check", "-C", workspace)
        assert (done.returncode, "waivers.toml:1" in done.stderr) == (2, True), done.stderr

    def test_an_expired_scope_is_a_mistake(self, workspace: Path, secscan: Secscan) -> None:
        scope = workspace / "scope.toml"
        lines = scope.read_text("utf-8").splitlines()
        (line,) = [n for n, text in enumerate(lines) if text.startswith("expires")]
        lines[line] = "expires = 2020-01-01"
        scope.write_text("\n".join(lines), "utf-8")
        done = secscan("inventory", "check", "-C", workspace)
        assert done.returncode == 2
        assert f"scope.toml:{line + 1}:" in done.stderr
        assert "expired" in done.stderr

    def test_list_names_agencies_and_hosts(self, workspace: Path, secscan: Secscan) -> None:
        listed = secscan("inventory", "list", "-C", workspace).stdout
        assert "good-1" in listed
        assert "Agency One" in listed

    def test_names_keep_their_diacritics(self, workspace: Path, secscan: Secscan) -> None:
        assert "Tỉnh Hai" in secscan("--lang", "vi", "inventory", "list", "-C", workspace).stdout


class TestLanguage:
    """--lang, else the workspace's own, else the environment's. The lab's second agency is "Tỉnh Hai" in Vietnamese."""

    @pytest.mark.parametrize(
        ("lang", "setting", "environment", "vietnamese"),
        [
            (None, None, "C.UTF-8", False),
            (None, None, "vi_VN.UTF-8", True),
            (None, "vi", "C.UTF-8", True),
            (None, "en", "vi_VN.UTF-8", False),
            ("en", "vi", "vi_VN.UTF-8", False),
            ("vi", "en", "C.UTF-8", True),
        ],
    )
    def test_who_decides(
        self,
        workspace: Path,
        lang: str | None,
        setting: str | None,
        environment: str,
        vietnamese: bool,
        secscan: Secscan,
    ) -> None:
        settings = workspace / "secscan.toml"
        if setting:
            settings.write_text(f'language = "{setting}"\n' + settings.read_text("utf-8"), "utf-8")
        arguments = ("--lang", lang) if lang else ()
        done = secscan(
            *arguments, "inventory", "list", "-C", workspace, LC_ALL="", LC_MESSAGES="", LANG=environment
        )
        assert ("Tỉnh Hai" in done.stdout) == vietnamese, done.stderr

    def test_one_that_it_does_not_speak_is_a_usage_error(self, secscan: Secscan) -> None:
        assert secscan("--lang", "xx", "checks", "list").returncode == 2


class TestChecks:
    def test_there_are_as_many_as_promised(self, secscan: Secscan) -> None:
        listed = as_json(secscan("checks", "list", "--format", "json"))
        families = [check["id"].partition(".")[0] for check in listed]
        assert families.count("tls") >= 12
        assert families.count("certificate") >= 8
        assert families.count("port") >= 5

    def test_explain_gives_claim_why_fix_and_limits(self, secscan: Secscan) -> None:
        shown = secscan("checks", "explain", "certificate.expiry").stdout
        assert "Why:" in shown
        assert "Fix:" in shown

    def test_an_unknown_check_is_answered_with_the_nearest(self, secscan: Secscan) -> None:
        done = secscan("checks", "explain", "certificate.expirey")
        assert done.returncode == 2
        assert "certificate.expiry" in done.stderr

    def test_checks_of_ones_own_are_found_and_judge(self, tmp_path: Path, secscan: Secscan) -> None:
        (tmp_path / "mine.py").write_text(
            "from collections.abc import Iterator\n"
            "from secscan.check import Verdict, check, passed\n"
            "from secscan.facts import PortFacts\n"
            "from secscan.model import Observation, Severity\n\n\n"
            '@check("mine.always", severity=Severity.LOW)\n'
            "def always(seen: Observation[PortFacts]) -> Iterator[Verdict]:\n"
            '    """It always passes.\n\n    Why: It is a test.\n\n    Fix: Nothing.\n    """\n'
            '    yield passed("It did.")\n',
            "utf-8",
        )
        assert "mine.always" in secscan("checks", "list", "--checks-dir", tmp_path).stdout


class TestProfiles:
    def test_the_built_in_ones_are_listed(self, secscan: Secscan) -> None:
        listed = secscan("profiles", "list").stdout
        assert "baseline" in listed
        assert "network" in listed

    def test_show_gives_rules_limits_and_numbers(self, secscan: Secscan) -> None:
        shown = as_json(secscan("profiles", "show", "network", "--format", "json"))
        assert shown["meets"] == 80
        assert shown["caps"]["critical"] == 39
        assert {rule["domain"] for rule in shown["rules"]} == {"tls", "certificates", "ports"}

    def test_show_gives_the_cap_of_a_rule(self, secscan: Secscan) -> None:
        shown = as_json(secscan("profiles", "show", "baseline", "--format", "json"))
        caps = {rule["check"]: rule["cap"] for rule in shown["rules"] if rule["cap"] is not None}
        assert caps == {"patch.known-exploited": 20}

    def test_an_unknown_profile_is_an_error(self, secscan: Secscan) -> None:
        done = secscan("profiles", "show", "nettwork")
        assert done.returncode == 2
        assert "network" in done.stderr


class TestDoctor:
    def test_it_says_what_is_installed(self, secscan: Secscan) -> None:
        done = secscan("doctor")
        assert done.returncode == 0
        assert "sslyze" in done.stdout

    @pytest.mark.root
    def test_without_nmap_it_says_what_that_costs(self, tmp_path: Path) -> None:
        if why := without_nmap.missing():
            pytest.skip(why)
        command = without_nmap.without_nmap([sys.executable, "-m", "secscan", "doctor"])
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0
        assert "not found" in done.stdout
        assert "connect scan" in " ".join(done.stdout.split())

    def test_a_workspace_with_mistakes_is_reported(self, workspace: Path, secscan: Secscan) -> None:
        (workspace / "scope.toml").write_text("nonsense = 1\n", "utf-8")
        assert secscan("doctor", "-C", workspace).returncode == 2


class TestHelp:
    @pytest.mark.parametrize("command", sorted(COMMANDS))
    def test_every_command_explains_itself(self, command: str, secscan: Secscan) -> None:
        done = secscan(command, "--help")
        assert done.returncode == 0, done.stderr
        assert "Usage: secscan " + command in done.stdout

    def test_help_imports_nothing_heavy(self, secscan: Secscan) -> None:
        program = "import sys; from secscan.cli import program\n" + (
            "try:\n    program.main(['--help'])\nexcept SystemExit:\n    pass\n"
            "print(sorted(m for m in ('sslyze', 'sqlmodel', 'sqlalchemy', 'alembic', 'pydantic', 'nmap', 'rich', "
            "'cryptography', 'jinja2', 'msgspec') if m in sys.modules))"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert ast.literal_eval(done.stdout.splitlines()[-1]) == []

    def test_a_mistyped_command_is_answered_with_the_nearest(self, secscan: Secscan) -> None:
        done = secscan("scna")
        assert done.returncode == 2
        assert "'scan'" in done.stderr


class TestOurOwnMistakes:
    def test_they_are_no_finding_and_no_traceback(self, tmp_path: Path, secscan: Secscan) -> None:
        """A check that can't even be listed stands in for a bug of ours; what it says is shown, not obeyed."""
        (tmp_path / "sitecustomize.py").write_text(
            "import secscan.registry\n"
            "def broken(**_):\n"
            "    raise ZeroDivisionError('by hand \\x1b[31m')\n"
            "secscan.registry.find_checks = broken\n",
            "utf-8",
        )
        done = secscan("checks", "list", PYTHONPATH=str(tmp_path))
        assert done.returncode == 70
        assert "ZeroDivisionError: by hand" in done.stderr
        assert "\x1b" not in done.stderr
        assert "Traceback" not in done.stderr
