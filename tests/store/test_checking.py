"""`check` finds what a broken disk, a stray hand or a bug of ours has done to the database."""

import sqlite3
from pathlib import Path

import pytest

from secscan.model import Reason
from secscan.store import Store
from secscan.store.migrations import HEAD
from tests.store.samples import a_finding, a_judgement, a_start, addresses, later, missed, ports


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database that holds some of everything."""
    path = tmp_path / "a.sqlite"
    with Store.open(path, create=True) as store:
        for day in range(2):
            run = store.begin_run(a_start(inventory={"ministry": {"x": 1}}))
            many = ports(at=later(day), open=range(1, 400))
            store.record(run, [many, addresses(), missed(kind="tls", reason=Reason.REFUSED, detail="no")])
            finding = a_finding(object=str(day))
            store.save_judgement(run, a_judgement(run, {"web-1": [a_finding(), finding]}), {})
            store.finish(run, later(day))
    return path


def problems(path: Path, *statements: str) -> list[str]:
    """What is wrong after these statements."""
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()
    with Store.open(path) as store:
        return store.check()


def test_a_sound_database_has_no_problem(path: Path) -> None:
    assert problems(path) == []


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE facts SET version = version + 1 WHERE id = 1", "facts 1 (of kind 'ports') changed since"),
        ("UPDATE facts SET body = x'00' WHERE packed", "while decompressing data"),
        ("UPDATE document SET body = x'7b' WHERE id = 1", "document 1 changed since"),
        ("UPDATE phrase SET text = 'yes' WHERE text = 'no'", "changed since it was written"),
        ("UPDATE phrase SET text = char(26) || '{' WHERE text = 'no'", "a row can't be read"),
        ("UPDATE observation SET reason = 'refused' WHERE facts = 1", "the facts 1 and the reason 'refused'"),
        ("UPDATE observation SET reason = 'lazy' WHERE reason IS NOT NULL", "the reason 'lazy'"),
        (
            "UPDATE finding SET object = 'other' WHERE id = 1",
            "is not named for its subject, check and object",
        ),
        ("UPDATE finding SET subject = 'moon/1' WHERE id = 1", "is about 'moon/1', which is no subject"),
        ("UPDATE finding_state SET until = since WHERE finding = 1", "it ends before it begins"),
        (
            "INSERT INTO finding_state SELECT finding, 2, until, outcome, severity, reason, template, "
            "template_values, observed_at, addresses FROM finding_state WHERE finding = 1",
            "it begins while an earlier state still holds",
        ),
        ("UPDATE finding_state SET outcome = 'maybe' WHERE finding = 1", "'maybe' is not a valid Outcome"),
        ("UPDATE finding_state SET severity = 9 WHERE finding = 1", "9 is not a valid Severity"),
        ("UPDATE finding_state SET reason = 'lazy' WHERE finding = 1", "'lazy' is not a valid Reason"),
        ("UPDATE finding_state SET template_values = '{' WHERE finding = 1", "Expecting property name"),
        ("DELETE FROM facts WHERE id = 1", "a row of table 'observation' refers to a row of 'facts'"),
    ],
)
def test_a_problem_is_named(path: Path, statement: str, problem: str) -> None:
    found = problems(path, statement)
    assert found
    # The chain of manifests has its own word for it.
    others = [line for line in found if "changed since it was saved" not in line]
    assert [line for line in others if problem not in line] == []


def test_the_same_problem_is_not_named_a_million_times(path: Path) -> None:
    with Store.open(path) as store:
        run = store.begin_run(a_start())
        store.record(run, [addresses(f"host-{n}", found=[f"192.0.2.{n}"]) for n in range(100)])
    found = problems(path, "UPDATE facts SET version = 7")
    assert (len(found), found[-1]) == (21, "... and maybe more of this kind")


def test_a_file_that_others_can_read_is_named(path: Path) -> None:
    path.chmod(0o644)
    (problem,) = problems(path)
    assert "can be read by others (mode 0644, expected 0600)" in problem


def test_a_damaged_page_is_named(path: Path) -> None:
    connection = sqlite3.connect(path)
    (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'observation'").fetchone()
    connection.close()
    with path.open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xff" * 512)
    assert any("damaged" in problem for problem in problems(path))


def test_the_revision_is_looked_at(path: Path) -> None:
    with Store.open(path) as store:
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("UPDATE alembic_version SET version_num = '0099'")
        connection.close()
        assert store.check() == [f"the database has revision '0099', expected '{HEAD}'"]
