"""What the documentation shows as a profile is one."""

import re
import textwrap
from pathlib import Path

import pytest

from secscan.baseline import load_baseline, profile
from secscan.registry import find_checks

ROOT = Path(__file__).parents[2]


def _in_docstring() -> str:
    text = profile.__doc__ or ""
    return textwrap.dedent(text[text.index("    name = ") : text.index("A table is overridden")])


def _in_docs() -> str:
    text = (ROOT / "docs" / "profiles.md").read_text("utf-8")
    return str(re.findall(r"```toml\n(.*?)```", text, re.DOTALL)[-1])


@pytest.mark.parametrize(("name", "text"), [("our-own", _in_docstring()), ("ours", _in_docs())])
def test_an_example_loads(tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / f"{name}.toml"
    file.write_text(text, "utf-8")
    assert load_baseline(str(file), find_checks()).name == name
