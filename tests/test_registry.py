"""Finding checks and kinds: real distributions and folders, written to disk and imported."""

import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from textwrap import dedent

import pytest

from secscan.baseline.schema import RuleTable
from secscan.facts import BUILT_IN
from secscan.registry import RULE_KEYS, RegistryError, checks_version, find_checks, find_kinds

HEAD = """
from collections.abc import Iterator
from secscan.check import Limits, Verdict, check, passed
from secscan.facts import PortFacts
from secscan.model import Observation, Severity
"""

_number = count()


def a_check(id: str, function: str = "property", limits: str = "") -> str:
    return HEAD + dedent(f'''
        {limits or "class Nothing(Limits): pass"}

        @check("{id}", severity=Severity.LOW)
        def {function}(seen: Observation[PortFacts]{", limits: Set" if limits else ""}) -> Iterator[Verdict]:
            """It is as it should be.

            Why: It is a test.

            Fix: Mend it.
            """
            yield passed("It is.")
        ''')


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Lays a distribution on the path, as an installer would: its modules and its entry points."""

    def lay(files: dict[str, str], group: str = "secscan.checks", value: str = "{module}") -> str:
        module = f"acme_{next(_number)}"
        site = tmp_path / module
        for name, text in files.items():
            file = site / name.format(module=module)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text.format(module=module) if "{module}" in text else text, encoding="utf-8")
        info = site / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{group}]\nacme = {value.format(module=module)}\n")
        monkeypatch.syspath_prepend(str(site))
        return module

    return lay


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    def write(**files: str) -> Path:
        checks = tmp_path / f"checks-{next(_number)}"
        checks.mkdir()
        for name, text in files.items():
            (checks / f"{name}.py").write_text(text, encoding="utf-8")
        return checks

    return write


def own(checks: dict[str, object]) -> list[str]:
    return [id for id in checks if id.startswith("acme.")]


# --- The built-in checks ------------------------------------------------------------------------------


def test_the_built_in_checks_are_found_by_their_entry_point() -> None:
    assert "port.database" in find_checks()


def test_checks_are_ordered_by_id() -> None:
    assert list(find_checks()) == sorted(find_checks())


def test_a_check_is_known_by_its_id() -> None:
    assert all(check.id == id for id, check in find_checks().items())


# --- Distributions ------------------------------------------------------------------------------------


def test_an_entry_point_can_name_a_module(install: Callable[..., str]) -> None:
    install({"{module}.py": a_check("acme.one")})
    assert own(find_checks()) == ["acme.one"]


def test_every_module_of_a_package_is_searched_at_any_depth(install: Callable[..., str]) -> None:
    install(
        {
            "{module}/__init__.py": a_check("acme.top"),
            "{module}/first.py": a_check("acme.first"),
            "{module}/deep/__init__.py": "",
            "{module}/deep/second.py": a_check("acme.second"),
        }
    )
    assert own(find_checks()) == ["acme.first", "acme.second", "acme.top"]


def test_a_check_that_another_module_imports_is_one_check(install: Callable[..., str]) -> None:
    install(
        {
            "{module}/__init__.py": "from {module}.first import property",
            "{module}/first.py": a_check("acme.first"),
        }
    )
    assert own(find_checks()) == ["acme.first"]


def test_two_checks_of_one_id_are_refused_with_both_places(install: Callable[..., str]) -> None:
    module = install(
        {
            "{module}/__init__.py": "",
            "{module}/first.py": a_check("acme.same"),
            "{module}/second.py": a_check("acme.same", "other"),
        }
    )
    with pytest.raises(
        RegistryError, match=rf"'acme\.same': {module}\.first\.property .*{module}\.second\.other"
    ):
        find_checks()


def test_a_built_in_check_cannot_be_replaced(install: Callable[..., str]) -> None:
    install({"{module}.py": a_check("port.database")})
    with pytest.raises(RegistryError, match=r"two checks have the id 'port\.database'"):
        find_checks()


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("import no_such_module", "No module named 'no_such_module'"),
        ("def (", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
        (a_check("Acme.Bad"), r"check 'Acme\.Bad' .*must read family\.some-property"),
        (a_check("acme.bad").replace("Why:", "Because:"), r"check 'acme\.bad' .*'Why: \.\.\.'"),
        (a_check("acme.bad").replace("[PortFacts]", "[int]").replace("seen:", "x: int, seen:"), "'x'"),
    ],
    ids=["import", "syntax", "exception", "id", "docstring", "annotation"],
)
def test_a_broken_module_is_refused_with_its_distribution_and_the_mistake(
    install: Callable[..., str], text: str, mistake: str
) -> None:
    module = install({"{module}.py": text})
    with pytest.raises(RegistryError, match=rf"^distribution {module}, entry point 'acme': .*{mistake}"):
        find_checks()


def test_a_limit_named_like_what_every_rule_has_is_refused(install: Callable[..., str]) -> None:
    install({"{module}.py": a_check("acme.one", limits="class Set(Limits):\n            enabled: int = 1")})
    with pytest.raises(RegistryError, match=r"'acme\.one' has a limit named 'enabled'"):
        find_checks()


def test_the_names_that_limits_cannot_have_are_those_a_profile_gives_every_rule() -> None:
    assert set(RuleTable.model_fields) == RULE_KEYS


OWN_FACTS = """
from typing import ClassVar
from secscan.facts import Facts
from secscan.model import Level

class Facts_(Facts, frozen=True, kw_only=True):
    kind: ClassVar[str] = "acme"
    level: ClassVar[Level] = Level.HOST
"""


def test_a_check_of_facts_that_nothing_collects_is_refused(install: Callable[..., str]) -> None:
    install({"{module}.py": OWN_FACTS + a_check("acme.one").replace("[PortFacts]", "[Facts_]")})
    with pytest.raises(RegistryError, match=r"'acme\.one' observes facts of kind 'acme'"):
        find_checks()


# --- An operator's folder -----------------------------------------------------------------------------


def test_a_folder_adds_its_checks(folder: Callable[..., Path]) -> None:
    assert own(find_checks(folder=folder(mine=a_check("acme.mine")))) == ["acme.mine"]


def test_without_a_folder_the_working_directory_is_not_searched(
    folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder(mine=a_check("acme.mine")))
    assert own(find_checks()) == []


def test_a_folder_leaves_the_import_path_alone(folder: Callable[..., Path]) -> None:
    before = list(sys.path)
    find_checks(folder=folder(mine=a_check("acme.mine")))
    assert sys.path == before


def test_a_folders_module_takes_no_public_name(folder: Callable[..., Path]) -> None:
    find_checks(folder=folder(acme_public=a_check("acme.mine")))
    assert "acme_public" not in sys.modules


def test_a_file_cannot_take_the_place_of_a_module_it_is_named_like(folder: Callable[..., Path]) -> None:
    find_checks(folder=folder(json=a_check("acme.mine")))
    assert hasattr(sys.modules["json"], "loads")


def test_the_files_of_a_folder_can_share(folder: Callable[..., Path]) -> None:
    checks = find_checks(
        folder=folder(shared="LIMIT = 3", mine="from .shared import LIMIT" + a_check("acme.m"))
    )
    assert own(checks) == ["acme.m"]


def test_a_package_in_a_folder_is_searched(folder: Callable[..., Path]) -> None:
    where = folder()
    (where / "family").mkdir()
    (where / "family" / "__init__.py").write_text("")
    (where / "family" / "one.py").write_text(a_check("acme.one"))
    assert own(find_checks(folder=where)) == ["acme.one"]


def test_an_empty_folder_adds_nothing(folder: Callable[..., Path]) -> None:
    assert own(find_checks(folder=folder())) == []


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="none: not a folder"):
        find_checks(folder=tmp_path / "none")


def test_a_broken_file_is_refused_with_its_path_and_the_mistake(folder: Callable[..., Path]) -> None:
    where = folder(mine="import no_such_module")
    with pytest.raises(
        RegistryError, match=rf"^file {where}/mine\.py: mine can't be imported: ModuleNotFound"
    ):
        find_checks(folder=where)


def test_a_changed_file_is_read_again(folder: Callable[..., Path]) -> None:
    where = folder(mine=a_check("acme.mine"))
    find_checks(folder=where)
    (where / "mine.py").write_text(a_check("acme.changed"))
    assert own(find_checks(folder=where)) == ["acme.changed"]


# --- Kinds of facts -----------------------------------------------------------------------------------


def test_the_built_in_kinds_are_there() -> None:
    assert find_kinds() == BUILT_IN


@pytest.mark.parametrize("value", ["{module}", "{module}:Facts_"])
def test_a_distribution_adds_kinds_by_module_or_by_class(install: Callable[..., str], value: str) -> None:
    install({"{module}.py": OWN_FACTS}, group="secscan.facts", value=value)
    assert find_kinds()["acme"].__name__ == "Facts_"


def test_two_kinds_of_one_name_are_refused(install: Callable[..., str]) -> None:
    install({"{module}.py": OWN_FACTS.replace('"acme"', '"ports"')}, group="secscan.facts")
    with pytest.raises(RegistryError, match=r"two kinds of facts are named 'ports'"):
        find_kinds()


def test_an_entry_point_without_a_kind_is_refused(install: Callable[..., str]) -> None:
    install({"{module}.py": "x = 1"}, group="secscan.facts", value="{module}:x")
    with pytest.raises(RegistryError, match="defines no kind of facts"):
        find_kinds()


def test_a_kind_without_a_level_is_refused(install: Callable[..., str]) -> None:
    text = OWN_FACTS.replace("    level: ClassVar[Level] = Level.HOST\n", "")
    install({"{module}.py": text}, group="secscan.facts")
    with pytest.raises(RegistryError, match="must set the class variables kind and level"):
        find_kinds()


# --- The version of a set of checks -------------------------------------------------------------------


def test_the_version_is_the_same_for_the_same_checks() -> None:
    assert checks_version(find_checks()) == checks_version(find_checks())


def test_the_version_changes_with_a_check_more(folder: Callable[..., Path]) -> None:
    assert checks_version(find_checks(folder=folder(m=a_check("acme.m")))) != checks_version(find_checks())


@pytest.fixture
def versions(folder: Callable[..., Path]) -> Callable[..., str]:
    return lambda **files: checks_version(find_checks(folder=folder(**files)))


def test_the_version_changes_with_the_text_of_a_check(versions: Callable[..., str]) -> None:
    text = a_check("acme.m")
    assert versions(m=text) != versions(m=text.replace("It is.", "It was."))


def test_the_version_changes_with_what_checks_share(versions: Callable[..., str]) -> None:
    text = a_check("acme.m")
    assert versions(m=text, shared="LIMIT = 3") != versions(m=text, shared="LIMIT = 4")


def test_the_version_does_not_hang_on_where_the_folder_is(versions: Callable[..., str]) -> None:
    assert versions(m=a_check("acme.m")) == versions(m=a_check("acme.m"))


def test_the_version_does_not_hang_on_line_ends(versions: Callable[..., str]) -> None:
    text = a_check("acme.m")
    assert versions(m=text) == versions(m=text.replace("\n", "\r\n"))
