"""Jobs for crews: their classes must be found by name in another process."""

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secscan.baseline import Baseline


class UnreadableError(Exception):
    """Can be written by pickle, and not read again."""

    def __init__(self, one: int, other: int) -> None:
        super().__init__(f"{one} and {other}")


class Doing:
    """Does what the task says, and remembers how many it did."""

    def __init__(self, notes: Path | None = None) -> None:
        self.done = 0
        self.notes = notes

    def do(self, task: Any) -> Any:
        self.done += 1
        match task:
            case "fail":
                raise ValueError("this task can't be done")
            case "fail unreadably":
                raise UnreadableError(1, 2)
            case "die":
                os._exit(3)
            case "print":
                print("a library says something")
            case "wait":
                if self.notes:
                    self.notes.write_text("waiting", "utf-8")
                threading.Event().wait()
        return task, self.done

    def close(self) -> None:
        if self.notes:
            self.notes.write_text("closed", "utf-8")


@dataclass(frozen=True)
class Work:
    notes: Path | None = None

    def begin(self) -> Doing:
        return Doing(self.notes)


@dataclass(frozen=True)
class Unready:
    def begin(self) -> Doing:
        raise ValueError("it can't begin")


@dataclass(frozen=True)
class Asking:
    """Asks each check of a baseline for its claim."""

    baseline: Baseline

    def begin(self) -> "Asking":
        return self

    def do(self, task: str) -> list[str]:
        return [rule.check.claim for rule in self.baseline.rules if rule.check.id.startswith(task)]

    def close(self) -> None:
        pass
