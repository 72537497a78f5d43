"""A crew's answers come in the order of its tasks; its processes end with it, and with whoever started them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from secscan.baseline import load_baseline
from secscan.engine.crew import AHEAD, Crew, CrewError
from secscan.registry import find_checks
from tests.jobs import Asking, Unready, Work
from tests.processes import adopting, descendants, survivors

OWN_CHECK = '''
from collections.abc import Iterator
from secscan.check import Verdict, check, passed
from secscan.facts import PortFacts
from secscan.model import Observation, Severity

@check("own.calm", severity=Severity.LOW)
def calm(seen: Observation[PortFacts]) -> Iterator[Verdict]:
    """All is calm.

    Why: So.

    Fix: So.
    """
    yield passed("So.")
'''


def until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)  # Polls: the other process has no way to tell us.


@pytest.mark.parametrize("size", [0, 1, 3])
def test_answers_come_in_the_order_of_the_tasks(size: int) -> None:
    with Crew(Work(), size) as crew:
        assert [task for task, _done in crew.do(range(7))] == list(range(7))


def test_a_task_finds_the_member_that_had_its_place_before() -> None:
    with Crew(Work(), 2) as crew:
        assert list(crew.do("abc")) == [("a", 1), ("b", 1), ("c", 2)]
        assert list(crew.do("xyz")) == [("x", 3), ("y", 2), ("z", 4)]


def test_every_member_is_told() -> None:
    with Crew(Work(), 2) as crew:
        crew.tell("news")
        assert list(crew.do("ab")) == [("a", 2), ("b", 2)]


def test_tasks_are_not_taken_long_before_their_turn() -> None:
    tasks = count()
    with Crew(Work(), 2) as crew:
        next(crew.do(tasks))
        assert next(tasks) <= AHEAD * 2 + 1


@pytest.mark.parametrize("size", [0, 1])
def test_an_error_comes_back_as_what_it_was_and_the_crew_goes_on(size: int) -> None:
    with Crew(Work(), size) as crew:
        with pytest.raises(ValueError, match="this task can't be done"):
            list(crew.do(["fail"]))
        assert list(crew.do("a")) == [("a", 2)]


def test_an_error_that_can_not_be_sent_is_told_in_words() -> None:
    with Crew(Work(), 1) as crew, pytest.raises(CrewError, match="UnreadableError: 1 and 2"):
        list(crew.do(["fail unreadably"]))


def test_a_job_that_can_not_begin_fails_its_tasks() -> None:
    with Crew(Unready(), 1) as crew, pytest.raises(ValueError, match="it can't begin"):
        list(crew.do("a"))


def test_a_member_that_dies_is_told() -> None:
    with Crew(Work(), 2) as crew, pytest.raises(CrewError, match="exit code 3"):
        list(crew.do(["a", "die"]))


def test_what_a_library_prints_is_no_answer() -> None:
    with Crew(Work(), 1) as crew:
        assert list(crew.do(["print"])) == [("print", 1)]


def test_closing_ends_members_in_the_middle_of_a_task(tmp_path: Path) -> None:
    before = descendants()
    notes = tmp_path / "notes"
    crew = Crew(Work(notes), 2)
    answers = crew.do(["a", "b", "c", "d", "wait", "f"])
    next(answers)
    until(notes.exists)
    crew.close()
    assert survivors(before) == {}


def test_what_is_done_here_is_closed_too(tmp_path: Path) -> None:
    with Crew(Work(tmp_path / "notes"), 0) as crew:
        list(crew.do("a"))
    assert (tmp_path / "notes").read_text("utf-8") == "closed"


def test_members_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    before = descendants()
    notes = tmp_path / "notes"
    program = f"""
from pathlib import Path
from secscan.engine.crew import Crew
from tests.jobs import Work
list(Crew(Work(Path({str(notes)!r})), 2).do(["a", "wait"]))
"""
    with adopting():
        parent = subprocess.Popen([sys.executable, "-c", program])
        until(notes.exists)
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
        assert survivors(before) == {}


def test_checks_arrive_as_themselves() -> None:
    baseline = load_baseline("network", find_checks())
    with Crew(Asking(baseline), 1) as crew:
        assert list(crew.do(["tls."])) == [Asking(baseline).do("tls.")]


def test_the_operators_own_checks_arrive_too(tmp_path: Path) -> None:
    checks, profiles = tmp_path / "checks", tmp_path / "profiles"
    for folder in (checks, profiles):
        folder.mkdir()
    (checks / "calm.py").write_text(OWN_CHECK, "utf-8")
    own = 'name = "own"\ntitles = { en = "Own" }\nextends = "network"\n[domains.ports]\nrules = ["port.*", "own.*"]\n'
    (profiles / "own.toml").write_text(own, "utf-8")
    baseline = load_baseline("own", find_checks(folder=checks), folder=profiles)
    with Crew(Asking(baseline), 1) as crew:
        assert list(crew.do(["own."])) == [["All is calm."]]
