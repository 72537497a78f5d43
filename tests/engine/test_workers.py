"""Worker processes: what they see arrives, and whatever happens to them, every host is accounted for."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest

from secscan.engine.looking import shards_of
from secscan.engine.protocol import CollectionSettings, Setup
from secscan.engine.workers import ShardDone, collect
from secscan.model import Host, Observation, Reason, Record, Unobserved
from secscan.scope import ScopeError, scope_document, scope_of_addresses
from tests.lab.servers import SSH_GREETING, BannerServer
from tests.processes import adopting, descendants, survivors

HOSTS = tuple(Host(f"h{i}", addresses=(f"127.20.70.{i}",), ports="2200-2299") for i in range(1, 5))


@pytest.fixture(scope="module")
def setup() -> Iterator[Setup]:
    """Four hosts with a banner on one port each, and the set-up to look at them."""
    with contextlib.ExitStack() as servers:
        for i, host in enumerate(HOSTS):
            servers.enter_context(BannerServer(SSH_GREETING).start(host.addresses[0], 2222 + i))
        yield Setup(
            scope=scope_document(scope_of_addresses([host.addresses[0] for host in HOSTS])),
            settings=CollectionSettings(deadline=10.0, nmap=False, version_detection=False),
            share=(1, 1),
            probe_log=None,
        )


def run(
    setup: Setup, each: Callable[[Record | ShardDone], None] = lambda _: None, **options: float
) -> list[Record | ShardDone]:
    shards = shards_of(HOSTS, workers=2, known_ports={}, recorded={}, backups={})
    events = []
    with contextlib.closing(collect(shards, setup, workers=2, **options)) as seen:
        for event in seen:
            events.append(event)
            each(event)
    return events


def workers() -> list[int]:
    return [pid for pid, command in descendants().items() if "secscan.engine.worker" in command]


def kill_workers() -> None:
    for pid in workers():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def keys(events: list[Record | ShardDone]) -> set[tuple[str, str]]:
    return {(e.target.key, e.kind) for e in events if not isinstance(e, ShardDone)}


def test_every_host_is_seen_and_done(setup: Setup) -> None:
    events = run(setup)
    assert {host for e in events if isinstance(e, ShardDone) for host in e.hosts} == {h.id for h in HOSTS}
    seen = [e for e in events if isinstance(e, Observation) and e.kind == "ports"]
    assert len(seen) == len(HOSTS)


def test_workers_that_are_killed_once_lose_nothing(setup: Setup) -> None:
    undisturbed = keys(run(setup))
    killed: list[Record | ShardDone] = []

    def once(event: Record | ShardDone) -> None:
        if not killed:
            killed.append(event)
            kill_workers()

    events = run(setup, once)
    assert keys(events) == undisturbed
    assert not [e for e in events if isinstance(e, Unobserved) and e.reason is Reason.BUG]


def test_a_worker_that_hangs_is_ended_and_loses_nothing(setup: Setup) -> None:
    undisturbed = keys(run(setup))
    hung: list[int] = []

    def once(event: Record | ShardDone) -> None:
        if not hung:
            hung.append(workers()[0])
            os.kill(hung[0], signal.SIGSTOP)

    # With a deadline of 2 s that makes 11 s of silence: on a busy machine starting Python takes some of it, too.
    hasty = msgspec.structs.replace(setup, settings=msgspec.structs.replace(setup.settings, deadline=2.0))
    with adopting():
        events = run(hasty, once, longest_silence=3.0)
        assert hung[0] not in descendants()
    assert keys(events) == undisturbed
    assert {host for e in events if isinstance(e, ShardDone) for host in e.hosts} == {h.id for h in HOSTS}


def test_a_host_whose_workers_die_again_and_again_is_a_bug_and_ends(setup: Setup) -> None:
    stop = threading.Event()

    def kill_for_ever() -> None:
        while not stop.wait(0.01):
            kill_workers()

    killer = threading.Thread(target=kill_for_ever)
    killer.start()
    try:
        events = run(setup)
    finally:
        stop.set()
        killer.join()
    lost = {e.target.host for e in events if isinstance(e, Unobserved) and e.reason is Reason.BUG}
    assert lost == {h.id for h in HOSTS}
    assert {host for e in events if isinstance(e, ShardDone) for host in e.hosts} == {h.id for h in HOSTS}


def test_closing_early_leaves_no_process(setup: Setup) -> None:
    with adopting():
        before = descendants()
        shards = shards_of(HOSTS, workers=2, known_ports={}, recorded={}, backups={})
        events = collect(shards, setup, workers=2)
        next(events)
        events.close()
        assert survivors(before) == {}


def test_a_probe_log_that_cant_be_written_ends_it_all(setup: Setup, tmp_path: Path) -> None:
    full = tmp_path / "probes.jsonl"
    full.symlink_to("/dev/full")
    with adopting():
        before = descendants()
        with pytest.raises(ScopeError, match=r"probes\.jsonl can't be written: No space left"):
            run(msgspec.structs.replace(setup, probe_log=str(full)))
        assert survivors(before) == {}


def test_a_probe_log_that_workers_cant_open_ends_it_all(setup: Setup, tmp_path: Path) -> None:
    with pytest.raises(ScopeError, match="can't be opened: Is a directory"):
        run(msgspec.structs.replace(setup, probe_log=str(tmp_path)))


def test_the_rates_are_shared_between_workers() -> None:
    from secscan.scope import Gate, ProbeLog

    scope = scope_of_addresses(["127.0.0.1"])
    whole = Gate(scope, ProbeLog(None)).packets_per_second
    assert Gate(scope, ProbeLog(None), share=Fraction(1, 2)).packets_per_second == whole // 2
