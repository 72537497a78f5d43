"""--lang and the environment decide what is said to people, and nothing of what programs read."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Secscan

#: What an export says in words; everything else is the same in every language.
PROSE = {"evidence", "claim", "why", "fix"}


def test_help_comes_in_the_language_asked_for(secscan: Secscan) -> None:
    assert "Cách dùng:" in secscan("--lang", "vi", "--help").stdout


def test_the_option_may_be_written_with_a_sign(secscan: Secscan) -> None:
    assert "Cách dùng:" in secscan("--lang=vi", "scan", "--help").stdout


def test_help_comes_in_the_language_of_the_environment(secscan: Secscan) -> None:
    assert "Cách dùng:" in secscan("--help", LANG="vi_VN.UTF-8").stdout


def test_the_option_outdoes_the_environment(secscan: Secscan) -> None:
    assert "Usage:" in secscan("--lang", "en", "--help", LANG="vi_VN.UTF-8", LANGUAGE="vi").stdout


def test_a_mistake_on_the_command_line_is_told_in_the_language(secscan: Secscan) -> None:
    assert "Lỗi: Không có tùy chọn '--x'." in secscan("--lang", "vi", "scan", "--x").stderr


def test_a_language_that_there_is_not_is_refused(secscan: Secscan) -> None:
    done = secscan("--lang", "fr", "runs")
    assert (done.returncode, "'fr' is not one of 'en', 'vi'" in done.stderr) == (2, True)


def test_a_report_may_be_in_another_language_than_the_terminal(
    secscan: Secscan, scanned: Path, tmp_path: Path
) -> None:
    done = secscan("report", "-C", scanned, "--out", tmp_path / "pages", "--lang", "vi")
    assert done.returncode == 0, done.stderr
    assert "Wrote" in done.stdout
    assert '<html lang="vi"' in (tmp_path / "pages" / "index.html").read_text("utf-8")


@pytest.mark.parametrize("command", ["findings", "waivers"])
def test_what_programs_read_is_the_same_in_every_language(
    secscan: Secscan, scanned: Path, command: str
) -> None:
    english, vietnamese = (
        without_prose(
            json.loads(secscan("--lang", language, command, "-C", scanned, "--format", "json").stdout)
        )
        for language in ("en", "vi")
    )
    assert english == vietnamese


def without_prose(document: Any) -> Any:
    match document:
        case dict():
            return {key: without_prose(value) for key, value in document.items() if key not in PROSE}
        case list():
            return [without_prose(value) for value in document]
    return document
