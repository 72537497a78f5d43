"""Everything that is shown can be translated: in a language of other letters no English sentence is left over."""

import html
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from secscan.cli import COMMANDS
from tests.cli.pseudo_language import english, pseudo, write_package
from tests.lab.fleet import RunningFleet, write_workspace

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

#: What is English in every language, and why.
STAYS = {
    # What servers said, and what the tests call them.
    "plain HTTP",
    "secscan lab",
    "secscan lab issuing authority",
    "Agency One",
    "Province Two",
    # What is typed: commands, options and names of arguments.
    "secscan why",
    "secscan scan",
    "secscan show",
    "secscan report",
    "secscan audit",
    "secscan findings",
    "secscan trust",
    "secscan verify",
    # Domains by the names that profiles and options have for them.
    "tls, certificates, ports",
    "tls, certificates, ports, patches, backups",
    # A baseline's title in Vietnamese: words that need no marks.
    "trung gian",
    # A page tells browsers what it is like.
    "light dark",
}

#: Commands and how they are made to fail, in the workspace of the small fleet.
COMMAND_LINES = (
    "doctor",
    "inventory check",
    "inventory list",
    "scan",
    "runs",
    "show",
    "findings",
    "certs",
    "why one",
    "whatif one",
    "score",
    "waivers",
    "diff 1 1",
    "feeds status",
    "profiles list",
    "profiles check network",
    "profiles diff network baseline",
    "checks explain port.new",
    "db check",
    "report --out pages",
    "letter --dry-run",
    "scan --agency x",
    "nonsense",
    "show --nonsense",
    "report",
    "audit a/b",
    "findings --severity x",
    "trust good-1",
)

#: Runs one command after the other in one process: most of the time of a command goes into its imports.
DRIVER = """
import json, sys
from secscan.cli import main
for line in json.loads(sys.argv[1]):
    print("\\n$", line, flush=True)
    print("\\n$", line, file=sys.stderr, flush=True)
    try:
        main(["--lang", "vi", *line.split()])
    except SystemExit:
        sys.stdout.flush()
"""


@dataclass(frozen=True)
class Spoken:
    """What the commands said, by command line, and the text of the pages that they wrote."""

    commands: dict[str, str]
    pages: str


def run(folder: Path, lines: list[str], state: Path) -> dict[str, str]:
    """What each command line says on standard output and standard error together."""
    package = state / "package"
    if not package.exists():
        package.mkdir()
        write_package(package)
    env = {
        **os.environ,
        "PYTHONPATH": str(package),
        "LANG": "C.UTF-8",
        "COLUMNS": "250",
        "XDG_STATE_HOME": str(state),
    }
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, json.dumps(lines)],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=250,
    )
    said = dict.fromkeys(lines, "")
    for stream in (done.stdout, done.stderr):
        for part in stream.split("\n$ ")[1:]:
            line, _, text = part.partition("\n")
            said[line] += text
    return said


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def spoken(fleet: RunningFleet, state: Path, tmp_path_factory: pytest.TempPathFactory) -> Spoken:
    folder = tmp_path_factory.mktemp("workspace")
    write_workspace(folder, fleet)
    said = run(folder, list(COMMAND_LINES), state)
    pages = sorted((folder / "pages").rglob("*.html"))
    assert {"index.html", "one.html", "two.html"} <= {page.name for page in pages}, said["report --out pages"]
    return Spoken(said, "\n".join(page.read_text("utf-8") for page in pages))


@pytest.fixture(scope="module")
def helped(state: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    lines = ["--help", *(f"{name} --help" for name in COMMANDS)]
    return run(tmp_path_factory.mktemp("nowhere"), lines, state)


def left_over(text: str) -> Iterator[str]:
    return (phrase for phrase in english(text) if phrase not in STAYS)


def in_sentences(page: str) -> str:
    """The text of a page and what its attributes tell a reader, one a line."""
    page = re.sub(r"<(style|script)\b.*?</\1>", "", page, flags=re.DOTALL)
    attributes = re.findall(r'(?:title|aria-label|alt|placeholder)="([^"]*)"', page)
    return html.unescape("\n".join([re.sub(r"<[^>]+>", "\n", page), *attributes]))


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("a {name!r:>4} b", "а {name!r:>4} б"),
        ("%(n)s hosts", "%(n)s зотут"),
        ("<b>no</b>", "<b>но</b>"),
        ("{{x}}", "{{ч}}"),
    ],
)
def test_only_words_are_said_in_other_letters(message: str, said: str) -> None:
    assert pseudo(message) == said


@pytest.mark.parametrize("line", COMMAND_LINES)
def test_a_command_leaves_no_english_sentence(spoken: Spoken, line: str) -> None:
    assert list(left_over(spoken.commands[line])) == []


@pytest.mark.parametrize("line", COMMAND_LINES)
def test_a_command_says_something(spoken: Spoken, line: str) -> None:
    assert re.search("[а-я]{3}", spoken.commands[line])


def test_pages_leave_no_english_sentence(spoken: Spoken) -> None:
    assert sorted(set(left_over(in_sentences(spoken.pages)))) == []


@pytest.mark.parametrize("line", ["--help", *(f"{name} --help" for name in COMMANDS)])
def test_help_leaves_no_english_sentence(helped: dict[str, str], line: str) -> None:
    # Options and their values are typed as they are, commands too.
    assert list(left_over(re.sub(r"(?m)^.*secscan.*$|\[[a-z|-]+\]", "", helped[line]))) == []
