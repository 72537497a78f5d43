"""The rung that a real host of the lab stands on, written by hand for each state."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from secscan.facts import BackupFacts
from secscan.model import Outcome
from tests.checks.test_backup import BARE, Case, one, rung
from tests.lab.backups import Lab, available, by_name

LOCKED = "backup.lock-stuck"

pytestmark = pytest.mark.skipif(available() != "", reason=available())


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(Path(tmp_path_factory.mktemp("backups")))


# Verified, and possible. No state declares what must be contained, and none has the four runs of a trend, so that
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
    told = lab.collect(by_name(state))
    parts: list[Any] = [told[kind] for kind in ("backups", "system", "mounts", "schedule")]
    assert rung(Case(*parts, host=BARE, at=datetime.now(UTC), collector="local")) == expected


@pytest.mark.parametrize(("state", "rule"), [("borg locked", LOCKED), ("restic lock held for ever", LOCKED)])
def test_a_lock_is_seen_while_the_last_run_is_still_fresh(lab: Lab, state: str, rule: str) -> None:
    seen = lab.collect(by_name(state))["backups"]
    assert isinstance(seen, BackupFacts)
    assert one(rule, Case(seen, host=BARE, at=datetime.now(UTC), collector="local")).outcome is Outcome.FAIL
