"""A worker process: reads shards from standard input, writes what it sees to standard output.

Started as ``python -m secscan.engine.worker`` in a process group of its own. It ends, with nmap, sslyze and
everything else it started, when its parent's pipe closes: so nothing outlives a coordinator, however that dies, and
whatever the worker is doing then (see warden.py).
"""

import ctypes
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, NoReturn

from secscan.collection import Collector
from secscan.collection.sweep import SweepSettings
from secscan.collection.tls import TlsCollector, TlsSettings
from secscan.engine.protocol import (
    CollectionSettings,
    Done,
    Failed,
    Login,
    Seen,
    Setup,
    TlsLook,
    ToWorker,
    WireRecord,
    Work,
    line,
    read_to_worker,
    shard_of,
    to_wire,
)
from secscan.engine.shard import Collectors, Shard, absentees, collect_shard
from secscan.engine.streams import claim_stdout
from secscan.facts import Depth
from secscan.facts.ports import port_ranges, ports_in
from secscan.model import Endpoint, Host, HostTarget, Reason, Record, Unobserved
from secscan.scope import Gate, ProbeLog, ScopeError, scope_from_document

#: Bytes of one record's facts: a host with 50,000 packages stays far below it.
MOST_ENCODED = 16 * 1024 * 1024

_PR_SET_PDEATHSIG = 1  # prctl(2)


def main() -> None:
    answers = claim_stdout()
    _end_with_the_coordinator()
    inbox: queue.Queue[ToWorker] = queue.Queue()
    threading.Thread(target=_read_inbox, args=(sys.stdin.buffer, inbox), daemon=True).start()
    setup = inbox.get()
    if not isinstance(setup, Setup):
        raise SystemExit("the first message must be the set-up")
    try:
        _work(setup, inbox, answers)
    except ScopeError as e:
        answers.write(line(Failed(detail=str(e))))
        answers.flush()
        # The coordinator ends us, with everything we started; if we went first, nmap could stay behind.
        threading.Event().wait()


def _work(setup: Setup, inbox: "queue.Queue[ToWorker]", answers: BinaryIO) -> NoReturn:
    """Does shards as they come. Raises ScopeError where nothing may be probed any more."""
    log = ProbeLog(Path(setup.probe_log) if setup.probe_log else None)
    gate = Gate(scope_from_document(setup.scope), log, share=Fraction(*setup.share))
    tls = TlsCollector(tls_settings(setup.settings))
    while True:
        task = inbox.get()
        if isinstance(task, Work):
            _do(task, setup, tls, gate, answers)


def collectors(
    shard: Shard, settings: CollectionSettings, tls: Collector[Endpoint], login: Login | None = None
) -> Collectors:
    """The collectors for a shard. ``tls`` serves all shards: it keeps sslyze imported in a process of its own."""
    from secscan.collection.addresses import AddressCollector
    from secscan.collection.ports import PortCollector, PortSettings
    from secscan.collection.udp_probes import PORTS as UDP_PORTS
    from secscan.engine.service_look import service_look
    from secscan.engine.ssh_look import ssh_look

    ports = PortSettings(
        default_ports=port_list(settings.ports, [h for h in shard.hosts if not h.ports], shard, settings),
        by_host={
            host.id: port_list(host.ports, [host], shard, settings) for host in shard.hosts if host.ports
        },
        version_detection=settings.version_detection,
        deadline=settings.deadline,
        nmap=settings.nmap,
        udp_ports=UDP_PORTS if settings.udp else (),
        zone=settings.zone,
    )
    hosts = {host.id: host for host in shard.hosts}
    located: dict[str, Sequence[str]] = {}
    everyone = Collectors(
        addresses=AddressCollector(hosts),
        ports=PortCollector(ports),
        endpoints=tls,
        inside=_inside(shard, located, login) if login else None,
        located=located,
        second=(ssh_look(settings.deadline), service_look(hosts, deadline=settings.deadline)),
    )
    return _only(settings.only, everyone) if settings.only else everyone


def tls_settings(settings: CollectionSettings) -> TlsSettings:
    return TlsSettings(
        depth=Depth.VERDICT if settings.tls is TlsLook.QUICK else Depth.FULL,
        audit=settings.tls is TlsLook.DEEP,
        deadline=settings.deadline,
        sweep=SweepSettings(deadline=min(settings.deadline, SweepSettings().deadline)),
    )


def _only(kinds: Sequence[str], everyone: Collectors) -> Collectors:
    """Those who look for any of these kinds; nobody is sent out for the others."""
    nobody = absentees(Reason.NOT_ATTEMPTED, "it was not asked for", inside=False)
    return replace(
        everyone,
        ports=everyone.ports if set(everyone.ports.kinds) & set(kinds) else nobody.ports,
        endpoints=everyone.endpoints if set(everyone.endpoints.kinds) & set(kinds) else nobody.endpoints,
        second=tuple(look for look in everyone.second if set(look.collector.kinds) & set(kinds)),
    )


def _inside(shard: Shard, located: Mapping[str, Sequence[str]], login: Login) -> Collector[HostTarget]:
    # Imported where somebody logs in: paramiko takes a fifth of a second.
    from secscan.collection.ssh import SshCollector, SshSettings

    settings = SshSettings(deadline=login.deadline, at_once=login.at_once)
    hosts = {host.id: host for host in shard.hosts}
    return SshCollector(
        hosts, located, login.credentials, login.known_hosts, settings, declared=shard.backups
    )


def port_list(wanted: str, hosts: Sequence[Host], shard: Shard, settings: CollectionSettings) -> str:
    """The ports to ask on ``hosts``: those wanted, and besides those that the baseline has to know, that are
    declared (also those that are to be closed), and that were ever seen open. The hosts share one list, so that one run of nmap takes them all.
    """
    besides = {s.service.port for host in hosts for s in host.services if s.service.transport == "tcp"}
    besides.update(port for host in hosts for port in ports_in(host.closed))
    besides.update(port for host in hosts for port in shard.known_ports.get(host.id, ()))
    return ",".join(filter(None, (wanted, settings.needed_ports, port_ranges(besides))))


def _do(task: Work, setup: Setup, tls: Collector[Endpoint], gate: Gate, answers: BinaryIO) -> None:
    job = shard_of(task)
    for record in collect_shard(job, collectors(job, setup.settings, tls, setup.login), gate):
        answers.write(line(Seen(shard=task.shard, record=on_the_wire(record))))
        answers.flush()
    answers.write(line(Done(shard=task.shard)))
    answers.flush()


def on_the_wire(record: Record) -> WireRecord:
    """The record as it is sent: of facts that are too long, or that can't be written down, why there are none.

    What one host said is no reason for the others of its shard to lose their worker.
    """
    try:
        wire = to_wire(record)
        line(Seen(shard=0, record=wire))
    except Exception as e:  # noqa: BLE001 - whatever it is, it is this one record's alone
        why, detail = Reason.BUG, f"what was seen can't be written down: {type(e).__name__}"
    else:
        if len(bytes(wire.facts)) <= MOST_ENCODED:
            return wire
        why, detail = Reason.TARPIT, f"there is more of it than {MOST_ENCODED // 1024**2} MB"
    return to_wire(Unobserved(record.target, record.collector, record.kind, record.observed_at, why, detail))


def _end_with_the_coordinator() -> None:
    """By two ways that need nothing of this process any more: a warden, and the kernel for the worker alone."""
    # The warden must hold no end of the pipe with our answers: the coordinator sees by it that we are gone.
    subprocess.Popen(
        [sys.executable, "-I", "-S", str(Path(__file__).with_name("warden.py"))],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _read_inbox(stream: BinaryIO, inbox: "queue.Queue[ToWorker]") -> None:
    for text in stream:
        inbox.put(read_to_worker(text))
    # The coordinator is gone. Nothing we started may outlive it, so the whole group goes, ourselves included.
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
