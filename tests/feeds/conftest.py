"""What several tests of feeds share: a store, files made on the spot, and the corpus of real ones."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from secscan.feeds.importing import Imported, Refused, import_files

#: The instant of every import, unless a test says otherwise.
AT = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)

Take = Callable[..., Imported | Refused]


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "feeds.db"


@pytest.fixture
def take(db: Path) -> Take:
    """Import one file, and answer what became of it."""

    def take(path: Path, at: datetime = AT, **more: object) -> Imported | Refused:
        (result,) = import_files(db, [path], at, **more)  # type: ignore[arg-type]
        return result

    return take


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Feeds as their makers publish them; see CONTRIBUTING.md for where they are looked for."""
    root = Path(__file__).parents[2]
    folder = Path(os.environ.get("SECSCAN_CORPUS", root / "../shared/corpus"))
    if not folder.is_dir():
        pytest.skip(f"no corpus of feeds at {folder}; SECSCAN_CORPUS names another place")
    return folder
