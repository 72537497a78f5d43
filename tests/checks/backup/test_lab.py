"""The rung that a real host of the lab stands on, written by hand for each state."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from secscan.facts import BackupFacts, Facts, Gap
from secscan.model import Outcome
from tests.checks.backup.case import BARE, Case, one, rung
from tests.lab.backup_login import collected_over_ssh
from tests.lab.backups import STATES, Lab, State, available, by_name, lacking

LOCKED = "backup.lock-stuck"

pytestmark = pytest.mark.skipif(available() != "", reason=available())


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(Path(tmp_path_factory.mktemp("backups")))


def case_of(told: Mapping[str, Facts | Gap], state: State, collector: str = "local") -> Case:
    parts: list[Any] = [told[kind] for kind in ("backups", "system", "mounts", "schedule")]
    host = replace(BARE, backups=state.inventory)
    return Case(*parts, host=host, at=datetime.now(UTC), collector=collector)


def test_every_host_stands_on_the_rung_that_was_written_by_hand(lab: Lab) -> None:
    wrong = []
    for state in STATES:
        if state.expected_rung is None or lacking(state):
            continue
        verified, _ = rung(case_of(lab.collect(state), state))
        if verified != state.expected_rung:
            wrong.append(f"{state.name}: by hand {state.expected_rung}, judged {verified}")
    assert not wrong


def test_most_of_the_lab_was_judged_by_hand() -> None:
    assert [state.name for state in STATES if state.expected_rung is None] == []


@pytest.mark.parametrize(
    "name",
    [
        "restic good",
        "restic seen by an ordinary account",
        "borg stale",
        "dumps not readable",
        "restic on another host",
        "borg on another host",
        "restic deleted",
    ],
)
def test_over_a_real_sshd_the_rung_is_the_same(lab: Lab, tmp_path: Path, name: str) -> None:
    state = by_name(name)
    if lacking(state):
        pytest.skip(lacking(state))
    told = collected_over_ssh(lab, state, tmp_path)
    verified, _ = rung(case_of(told, state, "ssh"))
    assert verified == state.expected_rung


# Verified, and possible. None of these declares what must be contained, and none has the four runs of a trend, so that
# nothing above rung 2 is verified; all lie on the host itself, so that nothing above rung 5 is possible.
@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("restic good", (2, 5)),
        ("restic stale", (1, 1)),
        ("restic unit fails", (1, 1)),
        ("restic behind a link", (2, 5)),
        ("restic copied without times", (1, 5)),
        ("borg good", (2, 5)),
        ("borg stale", (1, 1)),
        ("borg without a log", (1, 5)),
        ("borg in a zone that is not told", (1, 5)),
        # Seven daily and four weekly snapshots reach back 28 days; 30 are expected.
        ("rsnapshot good", (2, 4)),
        ("rsnapshot only rotates", (1, 1)),
        ("rsnapshot broken", (1, 1)),
        ("duplicity touched", (1, 1)),
        ("duplicity without its full", (1, 1)),
    ],
)
def test_the_rung_of_a_host(lab: Lab, state: str, expected: tuple[int, int]) -> None:
    assert rung(case_of(lab.collect(by_name(state)), by_name(state))) == expected


@pytest.mark.parametrize(("state", "rule"), [("borg locked", LOCKED), ("restic lock held for ever", LOCKED)])
def test_a_lock_is_seen_while_the_last_run_is_still_fresh(lab: Lab, state: str, rule: str) -> None:
    seen = lab.collect(by_name(state))["backups"]
    assert isinstance(seen, BackupFacts)
    assert one(rule, Case(seen, host=BARE, at=datetime.now(UTC), collector="local")).outcome is Outcome.FAIL
