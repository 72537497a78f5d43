"""secscan profiles: show, check, diff."""

from collections.abc import Callable
from pathlib import Path

import pytest

from secscan.baseline import load_baseline
from secscan.registry import find_checks
from tests.cli.conftest import Secscan, as_json

#: The rules of the profile that the workspaces' own extend.
IN_NETWORK = len(load_baseline("network", find_checks()).rules)

OWN = """
name = "own"
titles = {{ en = "Our own" }}
extends = "network"
{}
"""


@pytest.fixture
def own(tmp_path: Path, secscan: Secscan) -> Callable[[str], Path]:
    """A workspace with a profile ``own`` that says this."""
    assert secscan("init", tmp_path / "workspace").returncode == 0

    def write(text: str) -> Path:
        folder = tmp_path / "workspace"
        (folder / "profiles" / "own.toml").write_text(OWN.format(text), "utf-8")
        return folder

    return write


class TestShow:
    def test_a_role_is_shown_as_it_counts(self, secscan: Secscan) -> None:
        shown = as_json(secscan("profiles", "show", "network", "--role", "mail", "--format", "json"))
        (rule,) = [rule for rule in shown["rules"] if rule["check"] == "port.unexpected"]
        assert rule["limits"]["usual"] == [22, 25, 80, 443, 465, 587, 993, 995, 4190]

    def test_a_level_is_shown_as_it_counts(self, secscan: Secscan) -> None:
        shown = as_json(secscan("profiles", "show", "baseline", "--level", "5", "--format", "json"))
        assert shown["deadlines"] == {"known_exploited": 2, "low": 45, "medium": 21, "high": 7, "critical": 3}

    def test_a_tier_and_a_host_are_shown_as_they_count(
        self, secscan: Secscan, own: Callable[[str], Path]
    ) -> None:
        folder = own(
            "[tiers.commune]\ndeadlines = { low = 300, high = 60 }\n[hosts.web-1]\ndeadlines.high = 9"
        )
        shown = as_json(
            secscan(
                "profiles",
                "show",
                "own",
                "--tier",
                "commune",
                "--host",
                "web-1",
                "--format",
                "json",
                "-C",
                folder,
            )
        )
        assert (shown["deadlines"]["low"], shown["deadlines"]["high"]) == (300, 9)

    def test_which_hosts_are_held_to_something_else_is_told(self, secscan: Secscan) -> None:
        assert "roles.mail" in secscan("profiles", "show", "network").stdout

    def test_the_table_says_in_how_many_days_to_mend(self, secscan: Secscan) -> None:
        shown = secscan("profiles", "show", "network").stdout
        assert "days to mend: known_exploited 7, low 180, medium 90, high 30, critical 15" in shown

    def test_a_role_of_which_nothing_is_said_is_named_with_the_nearest(self, secscan: Secscan) -> None:
        done = secscan("profiles", "show", "network", "--role", "mial")
        assert (done.returncode, done.stderr) == (
            0,
            "network says nothing of roles.mial. Did you mean 'mail'?\n",
        )


class TestCheck:
    def test_all_that_come_with_secscan_are_sound(self, secscan: Secscan, tmp_path: Path) -> None:
        done = secscan("profiles", "check", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")

    def test_those_of_the_workspace_are_among_them(
        self, secscan: Secscan, own: Callable[[str], Path]
    ) -> None:
        assert f"own: {IN_NETWORK} rules, no mistake" in secscan("profiles", "check", "-C", own("")).stdout

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("carry_dys = 3", "own.toml:5: carry_dys: unknown key; did you mean 'carry_days'?"),
            (
                '[rules."tls.heartbled"]\nseverity = "low"',
                'own.toml:5: rules."tls.heartbled": there is no check "tls.heartbled"; did you mean \'tls.heartbleed\'?',
            ),
            (
                '[roles.mail.rules."certificate.key-strength"]\nrsa_bits = 1024',
                'own.toml:6: roles.mail.rules."certificate.key-strength".rsa_bits: 1024 does not fit here; expected 2048 or more',
            ),
            (
                'roles.mail.apply = ["mial"]',
                "own.toml:5: roles.mail.apply[0]: there is no profile \"mial\"; did you mean 'mail'?",
            ),
        ],
    )
    def test_a_mistake_is_told_with_file_line_and_the_nearest_name(
        self, secscan: Secscan, own: Callable[[str], Path], text: str, expected: str
    ) -> None:
        done = secscan("profiles", "check", "-C", own(text))
        assert (done.returncode, done.stderr.rpartition("profiles/")[2]) == (2, expected + "\n")

    def test_what_is_sound_is_told_beside_it(self, secscan: Secscan, own: Callable[[str], Path]) -> None:
        told = secscan("profiles", "check", "-C", own("x = 3")).stdout
        assert f"network: {IN_NETWORK} rules, no mistake" in told

    def test_a_cycle_is_shown(self, secscan: Secscan, tmp_path: Path) -> None:
        for name, parent in (("one", "two"), ("two", "one")):
            (tmp_path / f"{name}.toml").write_text(
                f'name = "{name}"\nextends = "{parent}"\ntitles.en = "One"\n', "utf-8"
            )
        done = secscan("profiles", "check", tmp_path / "one.toml")
        assert (done.returncode, "one > two > one" in done.stderr) == (2, True)

    def test_only_those_named_are_read(self, secscan: Secscan, own: Callable[[str], Path]) -> None:
        done = secscan("profiles", "check", "network", "-C", own("x = 3"))
        assert (done.returncode, done.stdout) == (0, f"network: {IN_NETWORK} rules, no mistake\n")

    def test_a_host_that_the_inventory_lacks_is_noted(
        self, secscan: Secscan, own: Callable[[str], Path]
    ) -> None:
        done = secscan("profiles", "check", "own", "-C", own("hosts.mail-11.deadlines.low = 9"))
        assert done.returncode == 0
        assert "own speaks of the host 'mail-11', which the inventory does not have." in done.stderr


class TestDiff:
    def test_what_changes_is_told_value_by_value(self, secscan: Secscan, own: Callable[[str], Path]) -> None:
        folder = own('deadlines.low = 60\n[rules."port.count"]\nmost = 12\nseverity = "high"')
        shown = as_json(secscan("profiles", "diff", "network", "own", "--format", "json", "-C", folder))
        told = [
            (d["hosts"], d["place"], d["key"], d["change"], d["before"], d["after"])
            for d in shown["differences"]
        ]
        assert told == [
            ("", "rules", "port.count.severity", "changed", "low", "high"),
            ("", "rules", "port.count.most", "changed", 30, 12),
            ("", "deadlines", "low", "changed", 180, 60),
        ]

    def test_both_are_named_with_their_hashes(self, secscan: Secscan) -> None:
        shown = as_json(secscan("profiles", "diff", "network", "baseline", "--format", "json"))
        assert (shown["before"]["name"], shown["after"]["name"]) == ("network", "baseline")
        assert shown["before"]["hash"] != shown["after"]["hash"]

    def test_rules_that_are_added_are_named(self, secscan: Secscan) -> None:
        shown = as_json(secscan("profiles", "diff", "network", "baseline", "--format", "json"))
        added = [d["key"] for d in shown["differences"] if d["change"] == "added" and d["place"] == "rules"]
        assert "patch.overdue" in added

    def test_a_table_shows_both_sides(self, secscan: Secscan) -> None:
        shown = secscan("profiles", "diff", "baseline", "level-2").stdout.split("\n")
        (line,) = [line.split() for line in shown if "port.count.most" in line]
        assert line == ["all", "port.count.most", "30", "25"]

    def test_one_role_can_be_compared(self, secscan: Secscan) -> None:
        done = secscan("profiles", "diff", "network", "level-5", "--role", "database", "--format", "json")
        hosts = {d["hosts"] for d in as_json(done)["differences"]}
        assert hosts == {""}

    def test_two_that_say_the_same_are_said_to(self, secscan: Secscan) -> None:
        assert (
            secscan("profiles", "diff", "baseline", "level-1").stdout
            == "baseline and level-1 say the same.\n"
        )
