"""Local worker processes: shards in, records out, whatever happens to a worker."""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import IO

import msgspec

from secscan.engine.protocol import (
    LONGEST_LINE,
    Done,
    Failed,
    FromWorker,
    ProtocolError,
    Seen,
    Setup,
    from_wire,
    line,
    read_from_worker,
    work,
)
from secscan.engine.shard import Shard, absentees, collect_shard
from secscan.facts import BUILT_IN, FactKindError, Facts
from secscan.model import Reason, Record
from secscan.scope import Gate, ProbeLog, ScopeError, scope_from_document

#: A host is tried again this often after the worker that had it died; then it is given up as our bug.
MOST_LOSSES = 2

#: A second line of defence behind the collectors' own deadlines: a worker that says nothing for so many seconds, and
#: a few times the deadline of a target (its ports, who answers there, its TLS), hangs and is ended.
LONGEST_SILENCE = 60.0

#: A name may take this long to be looked up (seconds). A host's names are, one after the other, before it is told of.
LOOKUP = 5.0


@dataclass(frozen=True, slots=True)
class ShardDone:
    """Everything there was to see of these hosts has been yielded."""

    hosts: tuple[str, ...]


def collect(
    shards: Sequence[Shard],
    setup: Setup,
    *,
    workers: int,
    kinds: Mapping[str, type[Facts]] = BUILT_IN,
    longest_silence: float = LONGEST_SILENCE,
) -> Generator[Record | ShardDone, None, None]:
    """Runs the shards in ``workers`` processes and yields what they see, in any order.

    A worker that dies, or has said nothing for too long, is replaced; its shard is split into single hosts and goes
    on where it stopped. A host that was in two lost shards of its own is Unobserved(BUG).
    Closing the generator ends every process, with everything it started. Raises ScopeError where a worker can't
    write the probe log: without it nothing may be probed.
    """
    pending = deque(_Job(shard) for shard in shards)
    inbox: queue.Queue[tuple[_Worker, FromWorker | None]] = queue.Queue()
    crew: list[_Worker] = []
    setup = _shared(setup, max(1, min(workers, len(shards))))
    try:
        while pending or any(worker.job for worker in crew):
            _employ(crew, pending, setup, inbox, workers)
            for worker in crew:
                longest = longest_silence + worker.patience()
                if worker.job and worker.silence() > longest:
                    worker.last_words = f"it had said nothing for {longest:.0f} s"
                    worker.end()
            try:
                worker, message = inbox.get(timeout=1.0)
            except queue.Empty:
                continue
            if worker not in crew:
                continue  # It was let go; what it still had in the pipe is seen again by its successor.
            job = worker.job
            match message:
                case Seen() if job:
                    record = _read(message, kinds)
                    if isinstance(record, str):
                        worker.last_words = record
                        yield from _let_go(worker, crew, pending, setup)
                    else:
                        job.seen.append(record)
                        yield record
                case Done() if job:
                    worker.job = None
                    yield ShardDone(tuple(host.id for host in job.shard.hosts))
                case Failed():
                    raise ScopeError(message.detail)
                case _:
                    yield from _let_go(worker, crew, pending, setup)
    finally:
        for worker in crew:
            worker.end()


@dataclass(slots=True)
class _Job:
    shard: Shard
    losses: int = 0
    seen: list[Record] = field(default_factory=list)


class _Worker:
    """One process, a thread that reads what it says, and the job it has."""

    def __init__(self, setup: Setup, inbox: "queue.Queue[tuple[_Worker, FromWorker | None]]") -> None:
        self.job: _Job | None = None
        self.last_words = ""
        self._heard_at = time.monotonic()
        # What it says on standard error goes to a file without a name: a pipe that nobody reads would block it.
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - end() closes it, with the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "secscan.engine.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if os.environ.get("SECSCAN_DEBUG") else self._complaints,
            # A group of its own: it gets no Ctrl-C from the terminal, and ends whole when we say so.
            start_new_session=True,
        )
        self._settings = setup.settings
        self._login = setup.login
        self._write(line(setup))
        threading.Thread(target=self._read, args=(inbox,), daemon=True).start()

    def give(self, job: _Job) -> None:
        self.job = job
        self._heard_at = time.monotonic()
        self._write(line(work(job.shard)))

    def silence(self) -> float:
        """Seconds since it was given its job, or since its last message arrived, be that read yet or not."""
        return time.monotonic() - self._heard_at

    def patience(self) -> float:
        """Seconds in which its job may well have nothing to say."""
        hosts = self.job.shard.hosts if self.job else ()
        names = max((len(host.names) for host in hosts), default=0)
        outside = 4 * self._settings.deadline + LOOKUP * names
        if self._login is None:
            return outside
        return max(outside, self._login.deadline * (1 + len(hosts) // self._login.at_once) + LOOKUP * names)

    def end(self) -> None:
        """Ends the process and everything it started; returns when it is gone. Again, it does nothing."""
        if self._complaints.closed:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self.last_words = self.last_words or self._read_complaints()
        self._complaints.close()
        if self._process.stdin:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()

    def _read_complaints(self) -> str:
        """The last line on standard error: of a Python that died, its exception."""
        size = self._complaints.seek(0, os.SEEK_END)
        self._complaints.seek(max(0, size - 2000))
        lines = self._complaints.read().decode("utf-8", "replace").split("\n")
        return next((line.strip()[:200] for line in reversed(lines) if line.strip()), "")

    def _write(self, text: bytes) -> None:
        stream = self._process.stdin
        if stream is None:
            return
        try:
            stream.write(text)
            stream.flush()
        except (BrokenPipeError, ValueError):
            pass  # It died: the reading thread says so.

    def _read(self, inbox: "queue.Queue[tuple[_Worker, FromWorker | None]]") -> None:
        stream: IO[bytes] | None = self._process.stdout
        if stream is None:
            return
        try:
            while text := stream.readline(LONGEST_LINE):
                self._heard_at = time.monotonic()
                inbox.put((self, read_from_worker(text)))
        except (ProtocolError, ValueError):
            pass  # A worker that talks nonsense is as good as dead.
        finally:
            inbox.put((self, None))
            stream.close()


def _shared(setup: Setup, workers: int) -> Setup:
    login = setup.login
    if login is not None:
        login = msgspec.structs.replace(login, at_once=max(1, login.at_once // workers))
    return msgspec.structs.replace(setup, share=(1, workers), login=login)


def _employ(
    crew: list[_Worker],
    pending: "deque[_Job]",
    setup: Setup,
    inbox: "queue.Queue[tuple[_Worker, FromWorker | None]]",
    workers: int,
) -> None:
    idle = [worker for worker in crew if worker.job is None]
    while pending:
        if idle:
            worker = idle.pop()
        elif len(crew) < workers:
            worker = _Worker(setup, inbox)
            crew.append(worker)
        else:
            return
        worker.give(pending.popleft())


def _read(message: Seen, kinds: Mapping[str, type[Facts]]) -> Record | str:
    """The record, or why it can't be read."""
    try:
        return from_wire(message.record, kinds)
    except (FactKindError, ValueError, KeyError) as e:
        return f"it sent what can't be read: {e}"[:300]


def _let_go(
    worker: _Worker, crew: list[_Worker], pending: "deque[_Job]", setup: Setup
) -> Iterator[Record | ShardDone]:
    worker.end()
    crew.remove(worker)
    if worker.job:
        yield from _after_loss(worker.job, worker.last_words, pending, setup)


def _after_loss(
    job: _Job, last_words: str, pending: "deque[_Job]", setup: Setup
) -> Iterator[Record | ShardDone]:
    """Goes on host by host, so that the one that kills workers takes no other with it."""
    recorded = (*job.shard.recorded, *job.seen)
    for host in job.shard.hosts:
        mine = tuple(r for r in recorded if r.target.host == host.id)
        alone = replace(job.shard, hosts=(host,), recorded=mine)
        losses = job.losses + (len(job.shard.hosts) == 1)
        if losses < MOST_LOSSES:
            pending.append(_Job(alone, losses))
            continue
        gate = Gate(scope_from_document(setup.scope), ProbeLog(None))
        why = "the worker that looked at this host died twice" + (f": {last_words}" if last_words else "")
        yield from collect_shard(alone, absentees(Reason.BUG, why, inside=setup.login is not None), gate)
        yield ShardDone((host.id,))
