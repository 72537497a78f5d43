"""secscan db prune: what it would remove, what it removes, and what the other commands say afterwards."""

from pathlib import Path

import pytest

from secscan.store import Store
from secscan.workspace import Workspace
from tests.cli.conftest import Secscan, as_json
from tests.cli.judged import a_finding, write_judged
from tests.store.samples import addresses


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three runs, a week apart, that saw the same."""
    findings = {"web-1": [a_finding("web-1")]}
    write_judged(tmp_path / "fleet", [findings] * 3, {"one": ["web-1"]}, seen=[addresses()])
    return tmp_path / "fleet"


def test_without_a_yes_nothing_is_removed(folder: Path, secscan: Secscan) -> None:
    done = secscan("db", "prune", "--keep", "1r", "-C", folder)
    assert (done.returncode, done.stdout) == (
        0,
        "This would remove 1 observation of 1 run, all from before 2026-10-15 12:00 UTC. What was judged stays. To "
        "remove it: the same with --yes\n",
    )
    with Store.open(Workspace(folder).database) as store:
        assert store.complete_since() is None


def test_what_was_removed_is_told_by_check_and_by_what_would_need_it(folder: Path, secscan: Secscan) -> None:
    done = secscan("db", "prune", "--keep", "1r", "--yes", "-C", folder)
    assert (done.returncode, done.stdout) == (
        0,
        "Removed 1 observation of 1 run, all from before 2026-10-15 12:00 UTC.\n",
    )
    checked = secscan("db", "check", "-C", folder)
    assert checked.returncode == 0, checked.stderr
    assert "Pruned on purpose: 1 observations from before 2026-10-15 12:00 UTC." in checked.stdout
    again = secscan("score", "-C", folder, "--as-of", "2026-10-10")
    assert (again.returncode, "was pruned (secscan db prune)" in again.stderr) == (2, True), again.stderr
    history = secscan("score", "-C", folder, "--history", "--format", "json")
    assert [entry["run"] for entry in as_json(history)["history"]] == [3]
    assert "2 runs are left out" in history.stderr
    compared = as_json(secscan("diff", "1", "3", "-C", folder, "--format", "json"))
    assert compared["changes"] == []


def test_what_is_new_is_not_pruned(folder: Path, secscan: Secscan) -> None:
    done = secscan("db", "prune", "--keep", "3r", "--yes", "-C", folder)
    assert (done.returncode, "nothing to prune" in done.stdout) == (0, True)


@pytest.mark.parametrize("keep", ["0d", "52", "-1d", "d", "1y", "100000d"])
def test_what_is_to_be_kept_is_days_or_runs(folder: Path, secscan: Secscan, keep: str) -> None:
    done = secscan("db", "prune", f"--keep={keep}", "-C", folder)
    assert (done.returncode, "write 400d to keep 400 days" in done.stderr.replace("\n", " ")) == (2, True)
