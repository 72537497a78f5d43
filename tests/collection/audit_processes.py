"""The processes that audits are made in, as the kernel shows them."""

import time
from collections.abc import Callable
from pathlib import Path


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"not within {seconds:g} s: {what}"
        time.sleep(0.01)


def parent_of(process: int) -> int | None:
    """None where there is no such process any more."""
    try:
        # The name, in parentheses, may hold anything; the state and the parent come after it.
        state, parent = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in "ZX" else int(parent)


def children_of(process: int) -> set[int]:
    return {
        int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and parent_of(int(p.name)) == process
    }


def audit_processes(parent: int) -> set[int]:
    """The nurseries that are children of a process, and the audits that are children of those."""
    nurseries = {
        child
        for child in children_of(parent)
        if b"secscan.collection.deep.process" in Path(f"/proc/{child}/cmdline").read_bytes()
    }
    return nurseries.union(*map(children_of, nurseries))


def the_only(processes: Callable[[], set[int]], seconds: float = 10.0) -> int:
    """The process that audits come from, once all audits are gone."""
    wait_for(lambda: len(processes()) == 1, "one process is left", seconds)
    [process] = processes()
    return process
