"""Profiles written to files and read again."""

from pathlib import Path

import pytest

from secscan.baseline import Baseline, load_baseline
from secscan.toml_source import ConfigurationError
from tests.baseline.house import CHECKS, HOUSE, Complain, Load


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Writes the profile ``house`` and those given by name; loads ``child``, else the first given, else ``house``."""

    def write_and_load(house: str = HOUSE, **profiles: str) -> Baseline:
        for name, text in {"house": house, **profiles}.items():
            (tmp_path / f"{name.replace('_', '-')}.toml").write_text(text, encoding="utf-8")
        name = "child" if "child" in profiles else next(iter(profiles), "house")
        return load_baseline(name.replace("_", "-"), CHECKS, folder=tmp_path)

    return write_and_load


@pytest.fixture
def mistakes(load: Load) -> Complain:
    """What is wrong with the profiles, each mistake as it is shown, without the folder."""

    def complain(house: str = HOUSE, **profiles: str) -> list[str]:
        with pytest.raises(ConfigurationError) as caught:
            load(house, **profiles)
        return [str(m).rpartition("/")[2] for m in caught.value.mistakes]

    return complain
