"""Port scans of loopback hosts: ours with nmap beside nmap alone, and our connect scan beside nmap -sT.

``python -m bench.ports [HOSTS]``: so many addresses of 127.0.0.0/8 (1000), the thousand ports that nmap likes best, no
version detection, no UDP, rates that hold nothing up. Each pair runs with the same options, one after the other, in the
same minute; peers go first. Memory is the sum of the proportional set sizes of our process and of what it started, sampled
ten times a second in a run of its own, for a quarter of the hosts and for all.
"""

import dataclasses
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

from bench.scan import pss
from secscan.collection.nmap_process import Nmap, Scan, favourite_ports, may_send_raw
from secscan.collection.nmap_scan import MOST_HOSTS_IN_A_RUN
from secscan.collection.ports import PortCollector, PortSettings
from secscan.facts.ports import port_ranges
from secscan.model import AddressTarget, Observation
from secscan.scope import Gate, ProbeLog, Rates, scope_of_addresses
from tests.processes import descendants

HOSTS = 1000
PORTS = 1000
#: No scan comes near it. A host's is a quarter, so that ours may have four runs of nmap at a time: a scope's usual
#: rates, 1000 and 200, give it five.
RATE = 1_000_000
PER_HOST = RATE // 4
DEADLINE = 600.0


def main() -> None:
    hosts = int(sys.argv[1]) if len(sys.argv) > 1 else HOSTS
    ports = favourite_ports(Nmap().found.path, PORTS)
    syn = may_send_raw()
    kind = "syn" if syn else "connect"
    for n in (hosts // 4, hosts):
        addresses = list(islice(_addresses(), n))
        peer = _timed(lambda a=addresses: _nmap_alone(a, ports, syn=syn))  # type: ignore[misc]
        ours = _timed(lambda a=addresses: _ours(a, ports, nmap=True))  # type: ignore[misc]
        # Watching takes a part of the processor, so it is done in a run of its own.
        with _peak() as peak:
            _ours(addresses, ports, nmap=True)
        _tell(f"nmap {kind}", n, peer=peer, ours=ours, ratio=ours / peer, peak_mib=peak[0])
    few = list(islice(_addresses(), max(1, hosts // 4)))
    peer = _timed(lambda: _nmap_alone(few, ports, syn=False))
    ours = _timed(lambda: _ours(few, ports, nmap=False))
    rate, theirs = len(few) * PORTS / ours, len(few) * PORTS / peer
    _tell("connect", len(few), peer_ports_s=theirs, ours_ports_s=rate, ratio=rate / theirs)
    _tell("plain connects", len(few), ports_s=len(few) * PORTS / _timed(lambda: _plain(few, ports)))


def _tell(what: str, hosts: int, **figures: float) -> None:
    load = os.getloadavg()[0]
    shown = {name: round(value, 2) for name, value in figures.items()}
    print(json.dumps({"what": what, "hosts": hosts, **shown, "load": round(load, 1)}), flush=True)


def _addresses() -> Iterator[str]:
    return (f"127.30.{n // 250}.{1 + n % 250}" for n in range(50_000))


def _timed(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def _nmap_alone(addresses: Sequence[str], ports: frozenset[int], *, syn: bool) -> None:
    """One process for all, told what ours are told, with groups of the same size."""
    scan = Scan(
        addresses=tuple(addresses[:MOST_HOSTS_IN_A_RUN]),
        ports=port_ranges(ports),
        syn=syn,
        most_rate=RATE,
        least_rate=200 * min(len(addresses), MOST_HOSTS_IN_A_RUN),
        host_timeout=DEADLINE,
    )
    options = scan.options()[: -len(scan.addresses)]
    command = [Nmap().found.path, *options, *addresses]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


def _ours(addresses: Sequence[str], ports: frozenset[int], *, nmap: bool) -> None:
    """Facts are counted and let go, as by a worker that sends them on."""
    settings = PortSettings(
        default_ports=port_ranges(ports), version_detection=False, deadline=DEADLINE, nmap=nmap
    )
    scope = scope_of_addresses(addresses)
    gate = Gate(dataclasses.replace(scope, rates=Rates(RATE, PER_HOST)), ProbeLog(None))
    targets = [AddressTarget(f"host-{address}", address) for address in addresses]
    seen = sum(isinstance(r, Observation) for r in PortCollector(settings).collect(targets, gate))
    if seen != len(addresses):
        raise SystemExit(f"{len(addresses) - seen} of {len(addresses)} addresses were not seen")


@contextmanager
def _peak() -> Iterator[list[float]]:
    """The first element is the peak in MiB, once the block has ended."""
    found = [0.0]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            every = (os.getpid(), *descendants(os.getpid()))
            found[0] = max(found[0], sum(pss(pid) for pid in every) / 1024)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def _plain(addresses: Sequence[str], ports: frozenset[int]) -> None:
    """As little as Python can do for a connect scan: one non-blocking connect a port, whose answer is not waited for."""
    for address in addresses:
        for port in ports:
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as one:
                one.connect_ex((address, port))


if __name__ == "__main__":
    main()
