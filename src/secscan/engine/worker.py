"""A worker process: reads shards from standard input, writes what it sees to standard output.

Started as ``python -m secscan.engine.worker`` in a process group of its own. It ends, with nmap, sslyze and
everything else it started, when its parent's pipe closes: so nothing outlives a coordinator, however that dies.
"""

import os
import queue
import signal
import sys
import threading
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from secscan.engine.protocol import (
    CollectionSettings,
    Done,
    Seen,
    Setup,
    ToWorker,
    Work,
    line,
    read_to_worker,
    shard,
    to_wire,
)
from secscan.engine.shard import Collectors, collect_shard
from secscan.model import Host
from secscan.scope import Gate, ProbeLog, scope_from_document


def main() -> None:
    answers = _claim_stdout()
    inbox: queue.Queue[ToWorker] = queue.Queue()
    threading.Thread(target=_read_inbox, args=(sys.stdin.buffer, inbox), daemon=True).start()
    setup = inbox.get()
    if not isinstance(setup, Setup):
        raise SystemExit("the first message must be the set-up")
    log = ProbeLog(Path(setup.probe_log) if setup.probe_log else None)
    gate = Gate(scope_from_document(setup.scope), log, share=Fraction(*setup.share))
    while True:
        task = inbox.get()
        if isinstance(task, Work):
            _do(task, setup.settings, gate, answers)


def collectors(hosts: tuple[Host, ...], settings: CollectionSettings) -> Collectors:
    """The collectors for a shard of these hosts."""
    from secscan.collection.addresses import AddressCollector
    from secscan.collection.ports import PortCollector, PortSettings
    from secscan.collection.tls import TlsCollector, TlsSettings

    by_host = {host.id: host.ports for host in hosts if host.ports}
    ports = PortSettings(
        default_ports=settings.ports,
        by_host=by_host,
        version_detection=settings.version_detection,
        deadline=settings.deadline,
        nmap=settings.nmap,
    )
    return Collectors(
        addresses=AddressCollector({host.id: host for host in hosts}),
        ports=PortCollector(ports),
        endpoints=TlsCollector(TlsSettings(deadline=settings.deadline)),
    )


def _do(task: Work, settings: CollectionSettings, gate: Gate, answers: BinaryIO) -> None:
    for record in collect_shard(shard(task), collectors(task.hosts, settings), gate):
        answers.write(line(Seen(shard=task.shard, record=to_wire(record))))
        answers.flush()
    answers.write(line(Done(shard=task.shard)))
    answers.flush()


def _claim_stdout() -> BinaryIO:
    """Standard output is for messages alone: what any library prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def _read_inbox(stream: BinaryIO, inbox: "queue.Queue[ToWorker]") -> None:
    for text in stream:
        inbox.put(read_to_worker(text))
    # The coordinator is gone. Nothing we started may outlive it, so the whole group goes, ourselves included.
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
