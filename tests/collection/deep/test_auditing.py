"""Audits as a collector has them made: within a deadline, the scope, and processes that leave nothing behind."""

import contextlib
import dataclasses
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from secscan.collection.deep import Auditor, Nursery, Question
from secscan.facts import Gap, TlsAuditFacts
from secscan.model import Endpoint, Observation, Reason, Record, Service, Unobserved
from secscan.scope import Gate, ProbeLog, scope_of_addresses, utc_now
from tests.collection.audit_processes import audit_processes, parent_of, the_only, wait_for
from tests.lab.authority import Authority
from tests.lab.servers import DrippingServer, Running, StallingServer, TlsServer

ADDRESS = "127.77.6.1"
AUTHORITY = Authority(utc_now())
GOOD = AUTHORITY.good("a.example")
RSA = AUTHORITY.good("a.example", key="rsa-2048")
SLOW = DrippingServer(in_handshake=True, interval=0.2)


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    with contextlib.closing(Nursery()) as made:
        yield made


@pytest.fixture
def processes() -> Callable[[], set[int]]:
    """Says which processes for audits there are, beside those that there were before the test."""
    before = audit_processes(os.getpid())
    return lambda: audit_processes(os.getpid()) - before


def auditor(nursery: Nursery, deadline: float = 20.0, patience: float = 5.0) -> Auditor:
    gate = Gate(scope_of_addresses([ADDRESS]), ProbeLog(None))
    return Auditor(nursery, gate, deadline=deadline, patience=patience)


def ask(auditor: Auditor, running: Running) -> Record:
    endpoint = Endpoint(Service("web1", "tcp", running.port, "a.example"), running.address)
    return auditor.audit(
        Question(
            endpoint=endpoint, address=running.address, server_name="a.example", starttls="", at=utc_now()
        )
    )


def succeeds(auditor: Auditor) -> bool:
    with TlsServer((GOOD,)).start(ADDRESS) as running:
        return isinstance(ask(auditor, running), Observation)


def test_an_audit_is_killed_at_its_deadline(nursery: Nursery, processes: Callable[[], set[int]]) -> None:
    with SLOW.start(ADDRESS) as running:
        record = ask(auditor(nursery, deadline=3), running)
        the_only(processes, seconds=1)
    assert isinstance(record, Unobserved)
    assert "ended at its deadline of 3 s" in record.detail


def test_a_server_that_stalls_is_not_tried_until_the_deadline(nursery: Nursery) -> None:
    made = auditor(nursery, deadline=60, patience=1)
    assert succeeds(made)
    with StallingServer(GOOD).start(ADDRESS) as running:
        began = time.monotonic()
        record = ask(made, running)
        assert time.monotonic() - began < 6
    assert isinstance(record, Unobserved)
    assert "silent for 1 s in every handshake" in record.detail


def test_stopping_ends_an_audit_and_lets_no_other_begin(
    nursery: Nursery, processes: Callable[[], set[int]]
) -> None:
    made = auditor(nursery)
    with SLOW.start(ADDRESS) as slow, ThreadPoolExecutor() as threads:
        asked = threads.submit(ask, made, slow)
        wait_for(lambda: len(processes()) == 2, "the audit is under way")
        made.stop()
        assert isinstance(asked.result(), Unobserved)
        the_only(processes)
        assert isinstance(ask(made, slow), Unobserved)
        the_only(processes)


def test_a_killed_parent_leaves_no_process() -> None:
    with SLOW.start(ADDRESS) as slow:
        parent = subprocess.Popen([sys.executable, "-c", _PARENT, slow.address, str(slow.port)])
        try:
            wait_for(lambda: len(audit_processes(parent.pid)) == 2, "the audit is under way")
            left = audit_processes(parent.pid)
        finally:
            parent.kill()
            parent.wait()
        wait_for(lambda: all(parent_of(process) is None for process in left), "every process is gone")


_PARENT = """
import sys
from secscan.collection.deep import Auditor, Nursery, Question
from secscan.model import Endpoint, Service
from secscan.scope import Gate, ProbeLog, scope_of_addresses, utc_now
address, port = sys.argv[1], int(sys.argv[2])
gate = Gate(scope_of_addresses([address]), ProbeLog(None))
endpoint = Endpoint(Service("web1", "tcp", port), address)
question = Question(endpoint=endpoint, address=address, server_name="", starttls="", at=utc_now())
Auditor(Nursery(), gate, deadline=60.0).audit(question)
"""


def test_an_audit_that_crashes_costs_no_more_than_itself(
    nursery: Nursery, processes: Callable[[], set[int]]
) -> None:
    made = auditor(nursery)
    with SLOW.start(ADDRESS) as slow, ThreadPoolExecutor() as threads:
        crashed = threads.submit(ask, made, slow)
        wait_for(lambda: len(processes()) == 2, "the audit is under way")
        [audit] = [process for process in processes() if parent_of(process) in processes()]
        os.kill(audit, signal.SIGSEGV)
        record = crashed.result()
        assert isinstance(record, Unobserved)
        assert record.reason is Reason.UNREADABLE
        before = the_only(processes)
        assert succeeds(made)
        assert the_only(processes) == before


def test_the_process_that_audits_come_from_is_replaced(
    nursery: Nursery, processes: Callable[[], set[int]]
) -> None:
    made = auditor(nursery)
    assert succeeds(made)
    os.kill(the_only(processes), signal.SIGKILL)
    wait_for(lambda: not processes(), "it is gone")
    assert succeeds(made)


def test_audits_see_nothing_of_our_environment(
    monkeypatch: pytest.MonkeyPatch, nursery: Nursery, processes: Callable[[], set[int]]
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    monkeypatch.setenv("SECSCAN_DB_PASSWORD", "secret")
    assert succeeds(auditor(nursery))
    process = the_only(processes)
    environment = Path(f"/proc/{process}/environ").read_bytes()
    folder = Path(f"/proc/{process}/cwd").readlink()
    limits = Path(f"/proc/{process}/limits").read_text("ascii")
    names = {entry.partition(b"=")[0] for entry in environment.split(b"\0") if entry}
    assert names <= {b"PATH", b"LANG", b"LC_CTYPE"}
    assert folder == Path("/")
    assert re.search(r"Max core file size +0 +0 ", limits)
    assert not re.search(r"Max address space +unlimited", limits)


def test_an_audit_ends_when_the_scope_does(nursery: Nursery) -> None:
    calls = count()

    def clock() -> datetime:
        # The audit's first turn is let through.
        return utc_now() if next(calls) < 2 else utc_now() + timedelta(days=3)

    scope = dataclasses.replace(scope_of_addresses([ADDRESS]), expires=date.today() + timedelta(days=1))  # noqa: DTZ011
    made = Auditor(nursery, Gate(scope, ProbeLog(None), clock=clock), deadline=20.0)
    with TlsServer((RSA,), ciphers="ALL", weak=True).start(ADDRESS) as running:
        record = ask(made, running)
    if isinstance(record, Unobserved):
        assert record.reason is Reason.OUT_OF_SCOPE
    else:
        assert isinstance(record.facts, TlsAuditFacts)
        fields = map(record.facts.__getattribute__, record.facts.__struct_fields__)
        assert Reason.OUT_OF_SCOPE in [value.reason for value in fields if isinstance(value, Gap)]
