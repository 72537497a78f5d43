"""A whole scan of 10 and of 200 loopback hosts: wall time, CPU, and the peak memory of all processes together.

Each host is an address with one TLS server (TLS 1.2 and 1.3, ECDSA) and one SSH server. Memory is the sum of
the proportional set sizes (PSS) of the coordinator, its workers, nmap and sslyze, sampled ten times a second: what
the scan really takes, with shared pages counted once.
"""

import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.lab.authority import Authority
from tests.lab.fleet import LabAgency, LabHost, LabService, start_fleet, write_workspace
from tests.lab.servers import TlsServer
from tests.lab.servers.modern_ssh import ModernSshServer
from tests.processes import descendants

SIZES = (10, 200)


def main() -> None:
    for size in [int(argument) for argument in sys.argv[1:]] or SIZES:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measure(size, Path(folder))))


def measure(size: int, folder: Path) -> dict[str, float]:
    """Seconds and MiB. The servers run in this process, which is not counted."""
    with start_fleet(Authority(datetime.now(UTC)), [_agency(size)]) as fleet:
        write_workspace(folder, fleet)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.monotonic()
        scan = subprocess.Popen(
            [sys.executable, "-m", "secscan", "scan", "-C", str(folder)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        peak = coordinator = 0
        while scan.poll() is None:
            sizes = {pid: pss(pid) for pid in (scan.pid, *descendants(scan.pid))}
            peak, coordinator = max(peak, sum(sizes.values())), max(coordinator, sizes[scan.pid])
            time.sleep(0.1)
        took = time.monotonic() - began
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "hosts": size,
        "exit": scan.returncode,
        "wall_s": round(took, 1),
        "cpu_s": round(used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime, 1),
        "peak_mib": round(peak / 1024, 1),
        "coordinator_peak_mib": round(coordinator / 1024, 1),
    }


def pss(pid: int) -> int:
    """KiB; 0 for a process that is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def _agency(size: int) -> LabAgency:
    # One certificate for all: making 200 keys is not what is measured.
    identity = Authority(datetime.now(UTC)).good("bench.example")
    services = (
        LabService("web", 8443, TlsServer((identity,)), "web"),
        LabService("ssh", 2222, ModernSshServer(), "ssh", tls="none"),
    )
    hosts = tuple(
        LabHost(f"host-{i:03}", f"127.20.{60 + i // 250}.{1 + i % 250}", "portal", services)
        for i in range(size)
    )
    return LabAgency("bench", "central", {"en": "Bench"}, ("A", "a@bench.example"), hosts)


if __name__ == "__main__":
    os.environ.setdefault("LANG", "C.UTF-8")
    main()
