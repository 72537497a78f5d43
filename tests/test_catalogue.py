"""The catalogue of checks: made from what the checks say, and compared by CI."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field

from secscan.check import Limits, Verdict, check, passed
from secscan.facts import PortFacts
from secscan.model import Observation, Severity
from secscan.registry import find_checks
from tools.catalogue import catalogue

ROOT = Path(__file__).parent.parent


class AcmeLimits(Limits):
    days: int = Field(default=30, ge=1, le=90, description="Days that a | may stand.")
    most: int = Field(default=5, ge=0)
    names: frozenset[str] = frozenset({"c", "a", "b"})
    ports: frozenset[int] = frozenset()
    strict: bool = True
    mode: Literal["soft", "hard"] = "soft"


@check("acme.one-thing", severity=Severity.MEDIUM)
def one_thing(seen: Observation[PortFacts], limits: AcmeLimits) -> Iterator[Verdict]:
    """No <script> stands open.

    Why: It is a *test*.

    Fix: Close
    it.
    """
    yield passed("It is closed.")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "tools/catalogue.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "line",
    [
        "## acme",
        "| [`acme.one-thing`](#acmeone-thing) | medium | No &lt;script> stands open. |",
        "### `acme.one-thing`",
        "**No &lt;script> stands open.** Severity: medium.",
        r"*Why:* It is a \*test\*.",
        "*Fix:* Close it.",
        r"| `days` | 30 | 1 to 90 | Days that a \| may stand. |",
        "| `most` | 5 | 0 or more |  |",
        "| `names` | a, b, c |  |  |",
        "| `ports` | none |  |  |",
        "| `strict` | true |  |  |",
        "| `mode` | soft | soft, hard |  |",
    ],
)
def test_a_check_is_written_out(line: str) -> None:
    assert line in catalogue([one_thing]).splitlines()


def test_every_built_in_check_is_in_it() -> None:
    text = catalogue(find_checks().values())
    assert [id for id in find_checks() if f"### `{id}`" not in text] == []


def test_what_is_written_passes_the_comparison(tmp_path: Path) -> None:
    file = tmp_path / "docs" / "checks.md"
    run("--file", str(file))
    assert run("--check", "--file", str(file)).returncode == 0


@pytest.mark.parametrize("content", ["", None], ids=["changed", "missing"])
def test_the_comparison_fails_and_says_what_to_do(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "checks.md"
    if content is not None:
        file.write_text(content)
    result = run("--check", "--file", str(file))
    assert (result.returncode, result.stderr) == (
        1,
        f"{file} is not what the checks say; run: make catalogue\n",
    )


def test_the_comparison_writes_nothing(tmp_path: Path) -> None:
    run("--check", "--file", str(tmp_path / "checks.md"))
    assert list(tmp_path.iterdir()) == []


def test_the_catalogue_in_docs_is_what_the_checks_say() -> None:
    assert run("--check").returncode == 0
