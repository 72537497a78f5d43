"""Workspaces on running labs, and secscan as a process of its own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.fleet import RunningFleet, write_workspace
from tests.small_fleet import start_small_fleet

Secscan = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def secscan(tmp_path_factory: pytest.TempPathFactory) -> Secscan:
    """Runs ``secscan`` with these arguments; in English, without colour, with a state folder of the tests' own."""
    state = tmp_path_factory.mktemp("state")

    def run(
        *arguments: str | Path, cwd: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "LANG": "C.UTF-8", "COLUMNS": "200", "XDG_STATE_HOME": str(state), **environment}
        command = [sys.executable, "-m", "secscan", *map(str, arguments)]
        return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=110)

    return run


@pytest.fixture(scope="session")
def fleet() -> Iterator[RunningFleet]:
    with start_small_fleet() as running:
        yield running


@pytest.fixture
def workspace(fleet: RunningFleet, tmp_path: Path) -> Path:
    """A workspace that was never scanned."""
    folder = tmp_path / "workspace"
    write_workspace(folder, fleet)
    return folder


@pytest.fixture(scope="session")
def _scanned(fleet: RunningFleet, tmp_path_factory: pytest.TempPathFactory, secscan: Secscan) -> Path:
    folder = tmp_path_factory.mktemp("scanned")
    write_workspace(folder, fleet)
    done = secscan("scan", "-C", folder)
    assert done.returncode == 1, done.stderr
    return folder


@pytest.fixture
def scanned(_scanned: Path, tmp_path: Path) -> Path:
    """A workspace that was scanned once; the test's own copy."""
    return shutil.copytree(_scanned, tmp_path / "scanned")


def as_json(done: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(done.stdout)
