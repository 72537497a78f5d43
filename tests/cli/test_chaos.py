"""A scan that is killed again and again comes to the same findings and scores as one that is left alone."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Secscan, as_json
from tests.processes import adopting, descendants, survivors

KILLS = 20
#: A fixed seed: the moments are spread, and the same each time.
SEED = 20261122


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_scan_resumes_to_the_same_result(workspace: Path, scanned: Path, secscan: Secscan) -> None:
    moments = random.Random(SEED)
    killed = 0
    finished = False
    with adopting():
        before = descendants()
        while killed < KILLS or not finished:
            arguments = (
                ["--resume"]
                if not finished and (workspace / "secscan.db").exists() and begun(workspace)
                else []
            )
            # Once there were enough kills, the last run is left alone.
            patience = moments.uniform(0.3, 5.0) if killed < KILLS else None
            ended = scan_and_kill(workspace, arguments, patience)
            assert survivors(before) == {}
            killed += ended is None
            finished = ended is not None
            assert ended in (None, 1), f"exit code {ended}"
    assert killed >= KILLS
    assert outcome(secscan, workspace) == outcome(secscan, scanned)
    assert secscan("db", "check", "-C", workspace).returncode == 0


def begun(folder: Path) -> bool:
    import sqlite3

    with sqlite3.connect(folder / "secscan.db") as database:
        try:
            newest = database.execute("select state from run order by id desc limit 1").fetchone()
        except sqlite3.OperationalError:
            return False
    return newest is not None and newest[0] != "finished"


def scan_and_kill(folder: Path, arguments: list[str], patience: float | None) -> int | None:
    """The exit code, or None where it had to be killed after ``patience`` seconds. SIGKILL, the whole group."""
    process = subprocess.Popen(
        [sys.executable, "-m", "secscan", "scan", "-C", str(folder), *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return process.wait(patience)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        time.sleep(0)
        return None


def outcome(secscan: Secscan, folder: Path) -> dict[str, Any]:
    """Findings and scores of the newest run, without the instants."""
    document = as_json(secscan("show", "-C", folder, "--format", "json"))
    findings = {
        (f["id"], f["outcome"], f["severity"], f["reason"], f["evidence"]["text"])
        for f in document["findings"]
    }
    return {
        "findings": findings,
        "hosts": document["hosts"],
        "agencies": document["agencies"],
    }
