"""The rung that a real host of the lab stands on, written by hand for each state."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.checks.test_backup import BARE, Case, rung
from tests.lab.backups import Lab, available, by_name

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
    ],
)
def test_the_rung_of_a_host(lab: Lab, state: str, expected: tuple[int, int]) -> None:
    told = lab.collect(by_name(state))
    parts = [told[kind] for kind in ("backups", "system", "mounts", "schedule")]
    assert rung(Case(*parts, host=BARE, at=datetime.now(UTC), collector="local")) == expected
