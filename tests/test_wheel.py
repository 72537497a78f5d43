"""The wheel, installed on its own outside of the checkout, brings everything along and works from anywhere."""

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lab.fleet import RunningFleet, write_workspace
from tests.small_fleet import start_small_fleet

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[1]

#: What a wheel is made of; a copy is built, so that a build leaves nothing in the checkout, nor finds anything.
SOURCES = ("src", "checks", "profiles", "reports", "pyproject.toml", "README.md", "LICENSE")


@dataclass(frozen=True)
class Installed:
    """A virtual environment that holds the wheel, and no library but those that the lock file for running names."""

    folder: Path
    #: Where commands run: nothing of the checkout is near.
    elsewhere: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def packages(self) -> Path:
        (found,) = self.folder.glob("lib/python3*/site-packages")
        return found

    def secscan(self, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        return self.run([self.folder / "bin" / "secscan", *arguments])

    def says(self, program: str) -> str:
        done = self.run([self.python, "-c", program])
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def run(self, command: list[str | Path]) -> "subprocess.CompletedProcess[str]":
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "VIRTUAL_ENV"))
        }
        env = {**kept, "LANG": "C.UTF-8", "XDG_STATE_HOME": str(self.elsewhere / "state")}
        return subprocess.run(
            [str(part) for part in command],
            cwd=self.elsewhere,
            env=env,
            capture_output=True,
            text=True,
            timeout=110,
        )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sources = tmp_path_factory.mktemp("sources")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, sources / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
            )
        elif (ROOT / name).exists():
            shutil.copy(ROOT / name, sources)
    made = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(made), str(sources))
    (found,) = made.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False, symlinks=True)
    made = Installed(folder, tmp_path_factory.mktemp("elsewhere"))
    for name in re.findall(
        r"(?m)^([A-Za-z0-9._-]+)==", (ROOT / "requirements" / "run.txt").read_text("utf-8")
    ):
        link(name, made.packages)
    pip("--python", str(made.python), "install", "--no-deps", "--no-index", "--no-compile", str(wheel))
    return made


def link(name: str, packages: Path) -> None:
    """Lends a library that is installed here: fast, and without a network."""
    distribution = importlib.metadata.distribution(name)
    entries = {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}
    for entry in entries:
        if not (packages / entry).exists():
            (packages / entry).symlink_to(Path(str(distribution.locate_file(entry))))


def pip(*arguments: str) -> str:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def fleet() -> Iterator[RunningFleet]:
    with start_small_fleet() as running:
        yield running


@pytest.fixture(scope="module")
def bad(fleet: RunningFleet) -> str:
    """A server with an expired certificate."""
    address = next(host.address for host, _service, _port in fleet.services() if host.id == "bad-1")
    return f"{address}:{fleet.ports['bad-1', 'web']}"


# --- Where it comes from ----------------------------------------------------------------------------------


def test_the_locked_libraries_are_all_it_asks_for(installed: Installed) -> None:
    assert "No broken requirements" in pip("--python", str(installed.python), "check")


@pytest.mark.parametrize(
    "module",
    [
        "secscan",
        "secscan.checks",
        "secscan.checks.tls",
        "secscan.engine.worker",
        "secscan.profiles",
        "secscan.reports",
        "secscan.store.migrations",
        "secscan.store.migrations.versions",
    ],
)
def test_it_comes_from_the_wheel(installed: Installed, module: str) -> None:
    place = installed.says(f"import importlib; print(importlib.import_module({module!r}).__file__)")
    assert Path(place).is_relative_to(installed.packages)


def test_the_checkout_is_not_on_its_path(installed: Installed) -> None:
    path = json.loads(installed.says("import json, sys; print(json.dumps(sys.path))"))
    assert not [entry for entry in path if entry and Path(entry).is_relative_to(ROOT)]


def test_every_module_of_the_checkout_is_in_it(installed: Installed) -> None:
    source = {path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src" / "secscan").rglob("*.py")}
    for package in ("checks", "profiles", "reports"):
        source |= {f"secscan/{package}/{path.name}" for path in (ROOT / package).glob("*.py")}
    brought = {
        path.relative_to(installed.packages).as_posix()
        for path in (installed.packages / "secscan").rglob("*.py")
    }
    assert brought == source


def test_profiles_templates_style_and_messages_are_in_it(installed: Installed) -> None:
    data = {
        f"secscan/{path.relative_to(ROOT).as_posix()}"
        for folder in ("profiles", "reports")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".toml", ".j2", ".css", ".js", ".po", ".mo")
    }
    missing = {name for name in data if not (installed.packages / name).is_file()}
    assert data
    assert missing == set()


def test_type_checkers_are_told_that_it_is_typed(installed: Installed) -> None:
    assert (installed.packages / "secscan" / "py.typed").is_file()


# --- What it does -----------------------------------------------------------------------------------------


def test_it_says_its_version(installed: Installed, wheel: Path) -> None:
    assert installed.secscan("--version").stdout.split()[-1] == wheel.name.split("-")[1]


def test_it_runs_as_a_module_too(installed: Installed) -> None:
    assert installed.run([installed.python, "-m", "secscan", "--version"]).returncode == 0


def test_it_finds_its_checks(installed: Installed) -> None:
    listed = json.loads(installed.secscan("checks", "list", "--format", "json").stdout)
    families = {check["id"].partition(".")[0] for check in listed}
    assert families == {"backup", "certificate", "contradiction", "patch", "port", "ssh", "tls"}


def test_it_finds_its_profiles(installed: Installed) -> None:
    listed = installed.secscan("profiles", "list").stdout
    for name in (path.stem for path in (ROOT / "profiles").glob("*.toml")):
        assert name in listed


def test_a_new_workspace_is_without_mistakes(installed: Installed) -> None:
    assert installed.secscan("init", "new").returncode == 0
    checked = installed.secscan("inventory", "check", "-C", "new")
    assert checked.returncode == 0, checked.stderr


def test_an_audit_gives_json(installed: Installed, bad: str) -> None:
    done = installed.secscan("audit", bad, "--format", "json")
    assert done.returncode == 1, done.stderr
    assert ("certificate.expiry", "fail") in verdicts(done)


def test_an_audit_gives_a_page_with_its_style(installed: Installed, bad: str) -> None:
    done = installed.secscan("audit", bad, "--format", "html")
    assert done.returncode == 1, done.stderr
    assert "<style>" in done.stdout
    assert "</html>" in done.stdout


def test_a_scan_makes_a_database_and_a_report(
    installed: Installed, fleet: RunningFleet, tmp_path: Path
) -> None:
    write_workspace(tmp_path, fleet)
    done = installed.secscan("scan", "-C", tmp_path)
    assert done.returncode == 1, done.stderr
    assert installed.secscan("db", "check", "-C", tmp_path).returncode == 0
    assert ("certificate.expiry", "fail") in verdicts(
        installed.secscan("findings", "-C", tmp_path, "--format", "json")
    )
    reported = installed.secscan("report", "-C", tmp_path, "--out", tmp_path / "report")
    assert reported.returncode == 0, reported.stderr
    assert (tmp_path / "report" / "index.html").is_file()


def verdicts(done: "subprocess.CompletedProcess[str]") -> set[tuple[str, str]]:
    document: Any = json.loads(done.stdout)
    return {(finding["check"], finding["outcome"]) for finding in document["findings"]}
