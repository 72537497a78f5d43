"""Finds processes that outlived what started them: everything orphaned comes home to us."""

import contextlib
import ctypes
import os
import time
from collections.abc import Iterator
from pathlib import Path

#: prctl(2): orphans of our descendants become our children, and not those of init.
PR_SET_CHILD_SUBREAPER = 36


@contextlib.contextmanager
def adopting() -> Iterator[None]:
    """Within the block, every orphan among our descendants becomes a child of ours."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    try:
        yield
    finally:
        prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def descendants(root: int | None = None) -> dict[int, str]:
    """The living processes below ``root`` (default: us), with their command lines. Zombies are dead."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text("utf-8", "replace").rpartition(")")[2].split()
            if fields[0] != "Z":
                parents[int(stat.parent.name)] = int(fields[1])
    below = {root or os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= more
    below.discard(root or os.getpid())
    return {pid: _command(pid) for pid in below}


def survivors(before: dict[int, str], *, within: float = 5.0) -> dict[int, str]:
    """What still lives that did not before, once it is gone or ``within`` seconds have passed."""
    ends = time.monotonic() + within
    while True:
        left = {pid: command for pid, command in descendants().items() if pid not in before}
        if not left or time.monotonic() > ends:
            return left
        time.sleep(0.02)  # Polls for a condition; nothing signals the end of a process that is not our child.


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return (
            Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
        )
    return ""
