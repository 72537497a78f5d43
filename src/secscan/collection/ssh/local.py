"""The machine secscan runs on, by the same script as every other, without SSH."""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence

from secscan.collection.ssh.connection import MOST_OUTPUT
from secscan.collection.ssh.reply import KINDS, facts_of
from secscan.collection.ssh.shell_script import Run
from secscan.facts import Absent, AccessFacts, Facts, Gap
from secscan.model import HostTarget, Observation, Reason, Record, Target, Unobserved
from secscan.scope import Gate, utc_now


class LocalCollector:
    """Says of each target what this machine is: there should be only one. No packet is sent, the gate not asked."""

    name = "local"
    kinds = (AccessFacts.kind, *KINDS)

    def __init__(
        self,
        *,
        deadline: float = 60.0,
        interpreter: Sequence[str] = ("/bin/sh",),
        declared: Sequence[str] = (),
    ) -> None:
        """``deadline``: seconds for the whole script. ``interpreter`` is what to run it with.

        ``declared``: patterns of files that the inventory says are backups on this machine.
        """
        self._declared = tuple(declared)
        self._deadline = deadline
        self._interpreter = interpreter

    def collect(self, targets: Sequence[Target], gate: Gate | None = None) -> Iterator[Record]:  # noqa: ARG002 - Collector
        for target in targets:
            if isinstance(target, HostTarget):
                yield from self._look(target)

    def _look(self, target: HostTarget) -> Iterator[Record]:
        run = Run.new(budget=max(1, int(self._deadline * 0.7)), declared=self._declared)
        answer = run_script(run, self._interpreter, deadline=self._deadline)
        reply = answer if isinstance(answer, Gap) else run.read(*answer)
        facts: dict[str, Facts | Gap]
        facts = dict.fromkeys(KINDS, reply) if isinstance(reply, Gap) else dict(facts_of(reply, None))
        here = Absent(heard="this is the machine that secscan runs on; nobody logs in")
        yield Observation(target, self.name, AccessFacts.kind, utc_now(), here)
        for kind in KINDS:
            seen = facts[kind]
            if isinstance(seen, Gap):
                yield Unobserved(target, self.name, kind, utc_now(), seen.reason, seen.detail)
            else:
                yield Observation(target, self.name, kind, utc_now(), seen)


def run_script(run: Run, shell: Sequence[str], *, deadline: float) -> tuple[bytes, int] | Gap:
    """Output and exit status of the script under a shell. What it leaves running at its deadline (s) is killed."""
    ends = time.monotonic() + deadline
    try:
        process = subprocess.Popen(
            [*shell, "-s"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as e:
        return Gap(Reason.TOOL_MISSING, f"{shell[0]}: {e.strerror or e}")
    with process:
        assert process.stdin is not None  # noqa: S101 - for the type checker: it is a pipe
        assert process.stdout is not None  # noqa: S101 - the same
        try:
            # A pipe holds 64 KB and the script is smaller, so that this does not wait for the shell.
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(run.standard_input)
                process.stdin.close()
            output = _read(process.stdout.fileno(), ends)
            if isinstance(output, Gap):
                return output
            return output, process.wait(timeout=max(0.1, ends - time.monotonic()))
        except subprocess.TimeoutExpired:
            return _late()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _read(descriptor: int, ends: float) -> bytes | Gap:
    parts: list[bytes] = []
    length = 0
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while True:
            if not selector.select(max(0.0, ends - time.monotonic())):
                return _late()
            part = os.read(descriptor, 65536)
            if not part:
                return b"".join(parts)
            parts.append(part)
            length += len(part)
            if length > MOST_OUTPUT:
                return Gap(Reason.TARPIT, f"the script wrote more than {MOST_OUTPUT // 1024**2} MB")


def _late() -> Gap:
    return Gap(Reason.TIMED_OUT, "the script did not end in time")
