"""Processes that share a large piece of work: tasks in, answers out in the order of the tasks.

A member is started as ``python -m secscan.engine.crew_member``, never forked: it holds no handle of its parent's, neither of
the database nor of its lock. It gets no Ctrl-C from the terminal; it ends when its crew is closed, and when its
parent is gone.
"""

import contextlib
import ctypes
import gc
import importlib
import io
import os
import pickle
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import IO, Any, Generic, Protocol, Self, TypeVar

from secscan.check import Check
from secscan.engine.streams import claim_stdout
from secscan.registry import find_checks, folder_of

TaskT = TypeVar("TaskT", contravariant=True)
AnswerT = TypeVar("AnswerT", covariant=True)

#: Tasks a member may be ahead of whoever takes the answers, so that these don't pile up.
AHEAD = 2

#: Objects that are made before a member looks for garbage: a batch of findings is hundreds of thousands, none of it.
GARBAGE = 500_000

_PR_SET_PDEATHSIG = 1  # prctl(2)


class CrewError(RuntimeError):
    """A process of ours ended or failed by our own mistake: says which words were its last."""


class Hand(Protocol[TaskT, AnswerT]):
    """Does tasks, one after the other."""

    def do(self, task: TaskT) -> AnswerT: ...

    def close(self) -> None:
        """Where the work is done in the crew's own process; a member just ends."""


class Job(Protocol[TaskT, AnswerT]):
    """What a crew does. It is pickled once for each member, and so are tasks and answers."""

    def begin(self) -> Hand[TaskT, AnswerT]:
        """Prepares a member for its tasks."""


class Crew(Generic[TaskT, AnswerT]):
    """So many processes that do one job; with none, it is done here.

    Task ``n`` is done by member ``n % size``: whoever keeps to an order of tasks finds the same member again, with
    what it remembers. An exception that a task raises is raised where its answer is taken.
    """

    def __init__(self, job: Job[TaskT, AnswerT], size: int) -> None:
        self._job = job
        self._here: Hand[TaskT, AnswerT] | None = None
        self._members: list[_Member] = []
        try:
            for _ in range(size):
                self._members.append(_Member(job))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends every process, whatever it is doing."""
        if self._here is not None:
            self._here.close()
            self._here = None
        for member in self._members:
            member.end()

    def do(self, tasks: Iterable[TaskT]) -> Iterator[AnswerT]:
        """The answers, in the order of the tasks. Tasks are taken as members get to them."""
        if not self._members:
            yield from map(self._hand().do, tasks)
            return
        waiting: deque[Future[Any]] = deque()
        for n, task in enumerate(tasks):
            waiting.append(self._members[n % len(self._members)].ask(task))
            if len(waiting) > AHEAD * len(self._members):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def tell(self, task: TaskT) -> None:
        """Has every member do this one task, before all that come later."""
        if not self._members:
            self._hand().do(task)
        for answer in [member.ask(task) for member in self._members]:
            answer.result()

    def _hand(self) -> Hand[TaskT, AnswerT]:
        if self._here is None:
            self._here = self._job.begin()
        return self._here


class _Member:
    """One process, and a thread that talks with it."""

    def __init__(self, job: Job[Any, Any]) -> None:
        # What it says on standard error goes to a file without a name: a pipe that nobody reads would block it.
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - end() closes it, with the process
        self._thread = ThreadPoolExecutor(1)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "secscan.engine.crew_member", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            start_new_session=True,
        )
        self._thread.submit(self._send, job)

    def ask(self, task: Any) -> Future[Any]:
        return self._thread.submit(self._answer, task)

    def end(self) -> None:
        """Again, it does nothing."""
        self._process.kill()
        self._thread.shutdown(cancel_futures=True)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._complaints):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()

    def _answer(self, task: Any) -> Any:
        self._send(task)
        try:
            answer = pickle.load(_end(self._process.stdout))  # noqa: S301 - from our own process
        except (EOFError, OSError, pickle.UnpicklingError) as e:
            raise CrewError(
                f"a process of secscan's ended in the middle of its work: {self._last_words()}"
            ) from e
        if isinstance(answer, _Raised):
            raise answer.error
        return answer

    def _send(self, message: Any) -> None:
        stream = _end(self._process.stdin)
        # One that died is told of where its answer is missed.
        with contextlib.suppress(BrokenPipeError):
            stream.write(_packed(message))
            stream.flush()

    def _last_words(self) -> str:
        size = self._complaints.seek(0, os.SEEK_END)
        self._complaints.seek(max(0, size - 2000))
        lines = self._complaints.read().decode("utf-8", "replace").split("\n")
        code = self._process.wait()
        return next((line.strip()[:200] for line in reversed(lines) if line.strip()), f"exit code {code}")


class _Raised:
    def __init__(self, error: BaseException) -> None:
        self.error = error


def _end(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise CrewError("a process of secscan's was started without a pipe")
    return stream


# --- Checks on the wire ----------------------------------------------------------------------------------------


class _Pickler(pickle.Pickler):
    """A check's function is known to its module by the check itself: pickle would not find it by its name."""

    def persistent_id(self, obj: Any) -> Any:
        if not isinstance(obj, Check):
            return None
        return obj.function.__module__, obj.function.__qualname__, folder_of(obj)


class _Unpickler(pickle.Unpickler):
    def persistent_load(self, pid: Any) -> Any:
        module, name, folder = pid
        if folder is not None and module not in sys.modules:
            find_checks(folder=folder)
        return getattr(importlib.import_module(module), name)


def _packed(message: Any) -> bytes:
    packed = io.BytesIO()
    _Pickler(packed, pickle.HIGHEST_PROTOCOL).dump(message)
    return packed.getvalue()


# --- In the member's process -------------------------------------------------------------------------------------


def serve(parent: int) -> None:
    """Does the tasks that come by standard input, until there are no more; ``parent`` is the process to end with."""
    tasks, answers = sys.stdin.buffer, claim_stdout()
    _end_with(parent)
    hand: Hand[Any, Any] | None = None
    with contextlib.suppress(EOFError, BrokenPipeError):
        job: Job[Any, Any] = _Unpickler(tasks).load()
        while True:
            task = _Unpickler(tasks).load()
            try:
                if hand is None:
                    hand = job.begin()
                    # What is there now stays: looking through it for what nobody refers to any more is in vain.
                    gc.freeze()
                    gc.set_threshold(GARBAGE)
                answer = _packed(hand.do(task))
            except Exception as e:  # noqa: BLE001 - whatever it is, it is raised again where the answer is taken
                answer = _raised(e)
            answers.write(answer)
            answers.flush()


def _raised(error: Exception) -> bytes:
    try:
        packed = pickle.dumps(_Raised(error))
        pickle.loads(packed)  # noqa: S301 - our own; some exceptions can be written and not read
    except Exception:  # noqa: BLE001 - an exception may hold anything
        packed = pickle.dumps(_Raised(CrewError(f"{type(error).__name__}: {error}")))
    return packed


def _end_with(parent: int) -> None:
    """At once where the kernel can see to it; else with the task in hand, when nobody takes its answer any more."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            raise SystemExit("the parent is gone")
