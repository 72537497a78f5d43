"""Child processes that end when this process does, however it ends."""

import functools
import os
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO

from tests.lab.servers.tools import find_tool


def start_child(
    arguments: Sequence[str],
    *,
    descriptors: Sequence[int] = (),
    output: "int | IO[bytes]" = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Starts a program that inherits ``descriptors`` and writes stdout and stderr to ``output``.

    The kernel kills it when the lab dies (PR_SET_PDEATHSIG, prctl(2)); setpriv(1) asks for that, because
    ``preexec_fn`` is not safe in a process that has threads. If the lab died before setpriv could ask, the
    shell sees that its parent is another, and does not go on.
    """
    guarded = [
        *(find_tool("setpriv"), "--pdeathsig", "KILL", "--"),
        *("/bin/sh", "-c", '[ "$PPID" = "$0" ] && exec "$@"', str(os.getpid())),
        *arguments,
    ]

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            guarded,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=tuple(descriptors),
        )

    return _long_lived_thread(os.getpid()).submit(start).result()


def end_child(process: "subprocess.Popen[bytes]") -> None:
    """Asks it to end, insists after half a second, and reaps it."""
    process.terminate()
    try:
        process.wait(timeout=0.5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@functools.cache
def _long_lived_thread(process: int) -> ThreadPoolExecutor:
    """For the kernel a child's parent is the *thread* that started it, so one must stay for as long as we do.

    One for each process, because threads are not inherited over a fork.
    """
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="lab children")
