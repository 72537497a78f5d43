"""TLS on one fleet of loopback servers: secscan's sweep against sslyze's Scanner and nmap's scripts, in one run.

    python -m bench.tls                     # 200 targets: targets per second, connections, ratios
    python -m bench.tls --targets 10000     # one look at so many: memory, descriptors, and whether any is lost

Root is needed: all of it runs in a network namespace of its own, where nothing else can be reached and where the
kernel counts the connections that the servers took. The servers are nginx in eight configurations, each target an
address of its own with port 443 (a port on which nmap's scripts run without version detection), and a few of
``openssl s_server``. Each scanner is a process of its own, started and imported before the clock is; ours are as
many processes as a scan has workers, one per core. What is compared is taken with the scanners' default settings
and concurrency, on the same targets, one scanner after the other.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.scan import pss
from tests.lab.authority import Authority
from tests.processes import descendants

#: ssl_protocols, ssl_ciphers, which keys, and what else.
KINDS = (
    ("TLSv1.2 TLSv1.3", "ECDHE+AESGCM:ECDHE+CHACHA20", ("ec",), ""),
    ("TLSv1.2 TLSv1.3", "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES", ("ec", "rsa"), ""),
    ("TLSv1.3", "ECDHE+AESGCM", ("ec",), ""),
    ("TLSv1.2", "ECDHE+AESGCM", ("rsa",), "ssl_prefer_server_ciphers on;"),
    ("TLSv1 TLSv1.1 TLSv1.2", "ALL:@SECLEVEL=0", ("rsa",), ""),
    ("TLSv1.2 TLSv1.3", "EECDH+AESGCM:EDH+AESGCM", ("rsa",), "ssl_dhparam {dh};"),
    ("TLSv1.2", "AES128-SHA:AES256-GCM-SHA384", ("rsa",), ""),
    ("TLSv1.2 TLSv1.3", "ECDHE+AESGCM", ("ec",), "ssl_verify_client optional_no_ca;"),
)

WITH_RSA_EXCHANGE = (KINDS[4], KINDS[6])

#: openssl s_server serves one connection at a time; the last targets of a fleet are such.
S_SERVERS = 4

DEPTHS = ("verdict", "full", "scan")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--targets", type=int, default=200)
    options.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options.add_argument(
        "--without", nargs="*", default=[], help="leave out: sslyze, nmap, verdict, full, scan"
    )
    options.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options.add_argument("--part", nargs=3, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.part:
        scanner, first, last = chosen.part[0], int(chosen.part[1]), int(chosen.part[2])
        _part(scanner, addresses(chosen.targets)[first:last])
    elif not chosen.inside:
        arguments = [
            program("unshare"),
            "--net",
            "--",
            sys.executable,
            "-m",
            "bench.tls",
            "--inside",
            *sys.argv[1:],
        ]
        raise SystemExit(subprocess.call(arguments))
    else:
        subprocess.run([program("ip"), "link", "set", "lo", "up"], check=True)
        if chosen.targets > MOST_COMPARED:
            large(chosen.targets, chosen.processes)
        else:
            compare(chosen.targets, chosen.processes, chosen.without)


# --- Side by side -----------------------------------------------------------------------------------------

MOST_COMPARED = 1000


def addresses(count: int) -> list[str]:
    return [f"127.60.{n // 250}.{1 + n % 250}" for n in range(count)]


def compare(count: int, processes: int, without: Sequence[str]) -> None:
    speeds: dict[str, float] = {}
    with fleet(addresses(count)):
        for scanner in (*DEPTHS, "nmap", "sslyze"):
            if scanner in without:
                continue
            taken_before = accepted()
            run = nmap if scanner == "nmap" else in_processes
            seconds, seen, cpu = run(scanner, count, processes if scanner in DEPTHS else 1)
            speeds[scanner] = count / seconds
            row = {
                "scanner": scanner,
                "targets": count,
                "seen": seen,
                "seconds": round(seconds, 2),
                "targets_per_second": round(speeds[scanner], 2),
                "cpu_ms_per_target": round(cpu * 1000 / count, 1),
                "connections_per_target": round((accepted() - taken_before) / count, 1),
            }
            print(json.dumps(row), flush=True)
    for depth in DEPTHS:
        for peer in ("sslyze", "nmap"):
            if depth in speeds and peer in speeds:
                print(
                    json.dumps({"ratio": f"{depth}/{peer}", "times": round(speeds[depth] / speeds[peer], 1)})
                )


def in_processes(scanner: str, count: int, processes: int) -> tuple[float, int, float]:
    """Seconds from the word go to the last result, how many targets were seen to speak TLS, and processor seconds.

    Audits by sslyze in processes of their own are not in the last.
    """
    bounds = [count * n // processes for n in range(processes + 1)]
    parts = [
        subprocess.Popen(
            [sys.executable, "-m", "bench.tls", "--targets", str(count), "--part", scanner, str(a), str(b)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for a, b in pairwise(bounds)
    ]
    for part in parts:
        assert part.stdout is not None
        assert part.stdout.readline() == b"ready\n"
    began = time.monotonic()
    for part in parts:
        assert part.stdin is not None
        part.stdin.write(b"go\n")
        part.stdin.flush()
    said = [part.communicate()[0].split() for part in parts]
    seconds = time.monotonic() - began
    return seconds, sum(int(seen) for seen, _ in said), sum(float(cpu) for _, cpu in said)


def _part(scanner: str, targets: Sequence[str]) -> None:
    """What one process of a scanner does."""
    run = _sslyze(targets) if scanner == "sslyze" else _secscan(scanner, targets)
    print("ready", flush=True)
    sys.stdin.readline()
    before = time.process_time()
    seen = sum(run)
    print(seen, time.process_time() - before, flush=True)
    # sslyze's threads, and ours that wait at the gate, need not be waited for.
    os._exit(0)


def _secscan(depth: str, targets: Sequence[str]) -> Iterator[bool]:
    """``scan`` is what a scan does by default: the verdict sweep, and ROBOT by sslyze where RSA is accepted."""
    from secscan.collection.tls import TlsCollector, TlsSettings
    from secscan.facts import Depth, TlsFacts
    from secscan.model import Endpoint, Observation, Service

    collector = TlsCollector(
        TlsSettings(depth=Depth.FULL if depth == "full" else Depth.VERDICT, robot=depth == "scan")
    )
    endpoints = [Endpoint(Service(f"t{n}", "tcp", 443, "bench.example"), a) for n, a in enumerate(targets)]
    for record in collector.collect(endpoints, unhurried_gate()):
        if record.kind == TlsFacts.kind:
            yield isinstance(record, Observation) and isinstance(record.facts, TlsFacts)


def _sslyze(targets: Sequence[str]) -> Iterator[bool]:
    from sslyze import Scanner, ServerNetworkConfiguration, ServerNetworkLocation, ServerScanRequest
    from sslyze import ServerScanStatusEnum as Status

    requests = [
        ServerScanRequest(
            server_location=ServerNetworkLocation("bench.example", 443, ip_address=address),
            network_configuration=ServerNetworkConfiguration("bench.example"),
        )
        for address in targets
    ]

    def run() -> Iterator[bool]:
        scanner = Scanner()
        scanner.queue_scans(requests)
        for result in scanner.get_results():
            yield result.scan_status is Status.COMPLETED

    return run()


def nmap(_scanner: str, count: int, _processes: int) -> tuple[float, int, float]:
    command = [
        program("nmap"),
        "-n",
        "-Pn",
        "-p443",
        "--script",
        "ssl-enum-ciphers,ssl-cert",
        *addresses(count),
    ]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - began, said.count("ssl-enum-ciphers:"), cpu


def unhurried_gate() -> Any:
    """A gate as it is, with rates that hold nobody up: what is compared is work, not patience."""
    from secscan.scope import Gate, ProbeLog

    return Gate(unhurried_scope(), ProbeLog(None))


def unhurried_scope() -> Any:
    from secscan.scope import scope_of_addresses
    from secscan.scope.contract import Rates

    scope = scope_of_addresses(["127.0.0.1"])
    return dataclasses.replace(scope, networks=("127.0.0.0/8",), rates=Rates(1_000_000, 1_000_000))


# --- One look at very many ----------------------------------------------------------------------------------

PORTS = 40


def large(count: int, processes: int) -> None:
    """Hosts of 40 services each, looked at as a scan does: ports first, then TLS, by worker processes."""
    from secscan.engine.looking import look
    from secscan.engine.protocol import CollectionSettings, Setup
    from secscan.facts import TlsFacts
    from secscan.model import ExpectedService, Host, Observation, Record, Service
    from secscan.scope import scope_document

    ports = range(20000, 20000 + PORTS)
    hosts = [
        Host(
            f"h{n:04}",
            addresses=(f"127.60.{n // 250}.{1 + n % 250}",),
            services=tuple(
                ExpectedService(Service(f"h{n:04}", "tcp", port, "bench.example")) for port in ports
            ),
        )
        for n in range(count // PORTS)
    ]
    seen = {"tls": 0, "else": 0}

    def keep(records: Sequence[Record]) -> None:
        for record in records:
            if record.kind == TlsFacts.kind:
                spoke = isinstance(record, Observation) and isinstance(record.facts, TlsFacts)
                seen["tls" if spoke else "else"] += 1

    settings = CollectionSettings(
        ports=f"{ports.start}-{ports.stop - 1}", nmap=False, version_detection=False
    )
    setup = Setup(scope=scope_document(unhurried_scope()), settings=settings, share=(1, 1), probe_log=None)
    with nginx(everywhere(ports)) as server:
        taken_before = accepted()
        with Watch(leave_out=server.pid) as watch:
            began = time.monotonic()
            look(hosts, setup, workers=processes, record=keep)
            seconds = time.monotonic() - began
    targets = len(hosts) * PORTS
    row = {
        "targets": targets,
        "seen": seen["tls"],
        "not_seen": seen["else"],
        "lost": targets - seen["tls"] - seen["else"],
        "seconds": round(seconds, 1),
        "targets_per_second": round(targets / seconds, 1),
        "connections_per_target": round((accepted() - taken_before) / targets, 1),
        "peak_mib": round(watch.peak / 1024, 1),
        "descriptors_early_and_late": watch.descriptors(),
    }
    print(json.dumps(row))


class Watch:
    """Samples memory (PSS) and open descriptors of this process and all it started, but for one child."""

    def __init__(self, *, leave_out: int) -> None:
        self.peak = 0
        self._left_out = leave_out
        self._open: list[int] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def descriptors(self) -> tuple[int, int]:
        """The most that were open at once in the second quarter of the time, and in the last."""
        quarter = max(1, len(self._open) // 4)
        return max(self._open[quarter : 2 * quarter], default=0), max(self._open[-quarter:], default=0)

    def _watch(self) -> None:
        while not self._ended.wait(0.25):
            own = os.getpid()
            servers = {self._left_out, *descendants(self._left_out)}
            processes = [p for p in (own, *descendants(own)) if p not in servers]
            self.peak = max(self.peak, sum(map(pss, processes)))
            self._open.append(sum(map(_open_files, processes)))


def _open_files(process: int) -> int:
    with contextlib.suppress(OSError):
        return len(os.listdir(f"/proc/{process}/fd"))  # noqa: PTH208 - a hundredth of Path.iterdir's time
    return 0


# --- Servers --------------------------------------------------------------------------------------------------


def program(name: str) -> str:
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found is None:
        raise SystemExit(
            f"{name} is not installed; nmap, nginx, openssl, unshare (util-linux) and ip (iproute2) are needed"
        )
    return found


def accepted() -> int:
    """Connections that were ever taken in this network namespace, by any server."""
    names, values = (
        line.split()
        for line in Path("/proc/net/snmp").read_text("ascii").splitlines()
        if line.startswith("Tcp:")
    )
    return int(dict(zip(names, values, strict=True))["PassiveOpens"])


@contextlib.contextmanager
def fleet(places: Sequence[str]) -> Iterator[None]:
    listens = [(f"{address}:443", n % len(KINDS)) for n, address in enumerate(places[:-S_SERVERS])]
    with nginx(listens), contextlib.ExitStack() as started, tempfile.TemporaryDirectory() as folder:
        key = Path(folder) / "key.pem"
        key.write_bytes(Authority(datetime.now(UTC)).good("bench.example", key="rsa-2048").pem)
        for address in places[-S_SERVERS:]:
            command = [
                "openssl",
                "s_server",
                "-accept",
                f"{address}:443",
                "-cert",
                str(key),
                "-quiet",
                "-www",
            ]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            started.callback(process.wait)
            started.callback(process.kill)
        wait_for(places)
        yield


def everywhere(ports: Sequence[int]) -> list[tuple[str, int]]:
    """One socket for all addresses: harmless in a network namespace that has none but loopback."""
    # Without those that accept RSA key exchange: each costs an audit by sslyze, of which ``scan`` above tells the price.
    quick = [number for number, kind in enumerate(KINDS) if kind not in WITH_RSA_EXCHANGE]
    return [(f"0.0.0.0:{port}", quick[port % len(quick)]) for port in ports]


@contextlib.contextmanager
def nginx(listens: Sequence[tuple[str, int]]) -> Iterator["subprocess.Popen[bytes]"]:
    """One nginx with a server for each place, of one of the kinds."""
    authority = Authority(datetime.now(UTC))
    with tempfile.TemporaryDirectory(prefix="secscan-bench-") as name:
        folder = Path(name)
        for kind, key in (("ec", "ecdsa-256"), ("rsa", "rsa-2048")):
            (folder / kind).write_bytes(authority.good("bench.example", key=key).pem)  # type: ignore[arg-type]
        subprocess.run(
            [program("openssl"), "dhparam", "-out", str(folder / "dh"), "-dsaparam", "2048"],
            check=True,
            capture_output=True,
        )
        temporary = "".join(
            f"{kind}_temp_path {folder}/{kind}_temp;"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        servers = "\n".join(_server(folder, listen, *KINDS[kind]) for listen, kind in listens)
        configuration = folder / "nginx.conf"
        configuration.write_text(
            "daemon off; worker_processes 2; worker_rlimit_nofile 20000; user root;\n"
            f"pid {folder}/pid; events {{ worker_connections 8000; }}\n"
            f"http {{ access_log off; {temporary} ssl_session_cache off; ssl_session_tickets on;\n{servers}\n}}\n"
        )
        process = subprocess.Popen(
            [program("nginx"), "-p", name, "-c", str(configuration), "-e", str(folder / "errors")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for(
                [
                    "127.60.0.1" if p.startswith("0.") else p
                    for p in {listen.partition(":")[0] for listen, _ in listens}
                ],
                int(listens[0][0].partition(":")[2]),
            )
            yield process
        finally:
            process.terminate()
            process.wait()


def _server(folder: Path, listen: str, protocols: str, ciphers: str, keys: Sequence[str], more: str) -> str:
    pairs = "".join(f"ssl_certificate {folder}/{key}; ssl_certificate_key {folder}/{key};" for key in keys)
    return (
        f"server {{ listen {listen} ssl; {pairs} ssl_protocols {protocols}; ssl_ciphers {ciphers}; "
        f'{more.format(dh=folder / "dh")} return 200 "bench"; }}'
    )


def wait_for(places: Sequence[str], port: int = 443) -> None:
    import socket

    until = time.monotonic() + 30
    for place in places:
        while True:
            try:
                socket.create_connection((place, port), timeout=1).close()
                break
            except OSError:
                if time.monotonic() > until:
                    raise SystemExit(f"no server came up at {place}:{port}") from None
                time.sleep(0.05)


if __name__ == "__main__":
    os.environ.setdefault("LANG", "C.UTF-8")
    main()
