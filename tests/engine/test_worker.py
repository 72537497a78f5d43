"""A worker by itself: what it sends, and that it never outlives its coordinator."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest

from secscan.engine.protocol import CollectionSettings, Seen, from_wire, line, read_from_worker
from secscan.engine.shard import Shard
from secscan.engine.worker import MOST_ENCODED, on_the_wire, port_list
from secscan.facts import AccessFacts, Facts, HostKey, PackageFacts, Release, SystemFacts
from secscan.model import ExpectedService, Host, HostTarget, Observation, Reason, Record, Service, Unobserved
from tests.processes import adopting, descendants, survivors

NOW = datetime(2026, 11, 22, tzinfo=UTC)

#: A worker whose main thread is in one call that keeps Python's lock, with a child of its own that ignores pipes.
STUCK = """
import re, subprocess, sys
from secscan.engine import worker
def stuck(*_):
    subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL)
    print("stuck", file=sys.stderr, flush=True)
    re.fullmatch("(a|a)*b", "a" * 60)
worker._work = stuck
worker.main()
"""

#: Starts it as the engine does, gives it a first message, and waits to be killed.
COORDINATOR = """
import subprocess, sys, signal
from secscan.engine.protocol import CollectionSettings, Setup, line
stuck = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
stuck.stdin.write(line(Setup(scope={}, settings=CollectionSettings(), share=(1, 1), probe_log=None)))
stuck.stdin.flush()
stuck.stderr.readline()
print("stuck", flush=True)
signal.pause()
"""


def test_a_worker_stuck_with_python_s_lock_ends_with_its_coordinator_and_so_does_what_it_started() -> None:
    with adopting():
        before = descendants()
        coordinator = subprocess.Popen([sys.executable, "-c", COORDINATOR, STUCK], stdout=subprocess.PIPE)
        with coordinator:
            assert coordinator.stdout is not None
            said, ends = coordinator.stdout.readline(), time.monotonic() + 10
            # A program that has just been started has no command line for a moment.
            while not (started := "sleep 600" in descendants(coordinator.pid).values()):
                if time.monotonic() > ends:
                    break
            coordinator.kill()
        left = survivors(before)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        assert (said, left, started) == (b"stuck\n", {}, True)


def test_ports_that_are_to_be_closed_are_asked_whatever_else_is() -> None:
    host = Host("h", services=(ExpectedService(Service("h", "tcp", 443)),), closed="23,80-81")
    shard = Shard("s", (host,), known_ports={"h": (8443,)})
    asked = port_list("top-100", [host], shard, CollectionSettings(needed_ports="21"))
    assert asked == "top-100,21,23,80-81,443,8443"


def sent(facts: Facts) -> Record:
    record = Observation(HostTarget("h"), "ssh", facts.kind, NOW, facts, {"server": "x\ud800"})
    return from_wire(read_from_worker(line(Seen(shard=1, record=on_the_wire(record)))).record)  # type: ignore[union-attr] # it is Seen


def test_text_that_is_no_unicode_is_made_so() -> None:
    release = Release(id="windows", name="a\ud800b")
    seen = sent(SystemFacts(family="windows", release=release, architecture="x", kernel="k"))
    assert isinstance(seen, Observation)
    assert seen.facts.release.name == "a?b"  # type: ignore[union-attr] # what was put in


def test_facts_without_an_end_are_not_sent() -> None:
    seen = sent(PackageFacts(manager="x" * MOST_ENCODED, packages=()))
    assert isinstance(seen, Unobserved)
    assert seen.reason is Reason.TARPIT


def test_why_nothing_was_seen_is_made_unicode_too() -> None:
    record = Unobserved(HostTarget("h"), "ssh", "system", NOW, Reason.UNPARSED, "\udcff")
    assert on_the_wire(record).detail == "?"


@pytest.mark.parametrize("said", ["plain", "ünïcode"])
def test_other_text_stays_as_it_is(said: str) -> None:
    seen = sent(AccessFacts(host_key=HostKey.CHANGED, said=said))
    assert isinstance(seen, Observation)
    assert seen.facts.said == said  # type: ignore[union-attr] # what was put in
