"""Finds nmap through python-nmap, starts it, follows it while it writes, and leaves nothing of it behind."""

import contextlib
import os
import re
import selectors
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import nmap

from secscan.collection.nmap_xml import NmapDocument, NmapHost, bounded

#: Bytes kept of what nmap complains about.
LONGEST_COMPLAINT = 8192

#: nmap -V, and nmap naming its favourite ports, take 30 ms.
PATIENCE = 10.0

#: Read before a run's own options, these would replace, or add to, what was admitted by the gate: nmap puts
#: NMAP_ARGS in place of its whole command line (seen in 7.93).
_MEDDLING = ("NMAP_ARGS", "NMAP_PRIVILEGED", "NMAP_UNPRIVILEGED")


@dataclass(frozen=True, slots=True)
class NmapFound:
    """Where nmap is, and which: ``7.93``."""

    path: str
    version: str


@dataclass(frozen=True, slots=True)
class Scan:
    """What one run of nmap is to do. Addresses are of one family, in canonical text."""

    addresses: tuple[str, ...]
    #: Compressed ranges of TCP ports.
    ports: str
    #: Half-open connections (SYN), which need raw sockets, instead of whole ones.
    syn: bool
    #: Probes a second, at most and, while ports are unanswered, at least.
    most_rate: int
    least_rate: int
    #: Seconds for each host, all of which are scanned at once.
    host_timeout: float
    #: Seconds to wait for each answer when asking open ports who they are; None: don't ask.
    version_wait: float | None = None
    #: How many services to ask at once, 1 to 100.
    services: int = 0

    def options(self, probes: str | None = None) -> list[str]:
        """The command line. ``probes``: a file of service probes to use instead of nmap's own.

        No host is looked up (``-n``), none is pinged first (``-Pn``, ``--disable-arp-ping``), no script is asked
        for. (``-sV`` by itself runs the few scripts of nmap's category *version*; 7.93 has no option against it.)
        """
        options = ["-oX", "-", "-n", "-Pn", "--disable-arp-ping", "--noninteractive"]
        # SYN scans are right on loopback too: measured with 7.93 on 20 addresses of 127.0.0.0/8 and on ::1, all
        # ports, -sS and -sT agree on every port, and -sS takes two thirds of the time.
        options += ["-sS", "--privileged"] if self.syn else ["-sT", "--unprivileged"]
        if ":" in self.addresses[0]:
            options.append("-6")
        options += ["-p", self.ports]
        # Left to itself, nmap slows down where nothing answers: 1000 filtered ports took 201 s, 5 s at a least
        # rate of 500. One retransmission is its rule for a silent port; more only where it sees packets lost.
        options += ["--max-rate", str(self.most_rate), "--min-rate", str(self.least_rate)]
        # A group's quick hosts set nmap's patience with those that have not answered yet, down to 100 ms: too
        # short for one behind a satellite, all of whose ports but one are filtered.
        options += ["--min-rtt-timeout", "500ms"]
        options += ["--max-retries", "2", "--host-timeout", f"{max(1, round(self.host_timeout * 1000))}ms"]
        group = str(len(self.addresses))
        options += ["--min-hostgroup", group, "--max-hostgroup", group]
        if self.version_wait is not None:
            options += ["-sV", "--version-light", "--min-parallelism", str(self.services)]
            if probes is not None:
                options += ["--versiondb", probes]
        return [*options, *self.addresses]


class Nmap(nmap.PortScanner):  # type: ignore[misc]  # python-nmap has no types
    """python-nmap's scanner: it finds nmap and asks its version. Raises nmap.PortScannerError where there is none.

    Its ``scan()`` isn't used to start nmap but ``start()`` below, for want of four things: a process that can be
    ended when the scan is (``scan()`` keeps it to itself), the output while it is written (it holds the whole
    document, then parses it whole and without bounds, and drops ``extraports``), and an environment without
    NMAP_ARGS.
    """

    def __init__(self) -> None:
        for name in _MEDDLING:
            # For good, and not for the call alone: whoever set it meant another nmap than ours.
            os.environ.pop(name, None)
        super().__init__()
        first = re.search(r"Nmap version (\S+)", self.get_nmap_last_output())
        # python-nmap gives the name it found on the PATH.
        path = shutil.which(self._nmap_path) or str(self._nmap_path)
        self.found = NmapFound(path, bounded(first[1]) if first else "")

    def start(self, scan: Scan, *, deadline: float) -> "NmapRun":
        """Starts ``scan``; ``follow`` ends it ``deadline`` seconds from now. Raises OSError where it can't start."""
        with contextlib.ExitStack() as stack:
            probes = None
            if scan.version_wait is not None and (text := hurried_probes(self.found.path, scan.version_wait)):
                probes = stack.enter_context(_in_memory(text))
            process = subprocess.Popen(
                [self.found.path, *scan.options(f"/dev/fd/{probes}" if probes is not None else None)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                # Messages are shown to operators; they shall not depend on who starts a scan.
                env={**os.environ, "LC_ALL": "C"},
                pass_fds=() if probes is None else (probes,),
                # No session or group of its own: whoever ends our process group ends nmap with it.
                start_new_session=False,
            )
        return NmapRun(scan, process, time.monotonic() + deadline)


class NmapRun:
    """nmap at work. ``document`` grows while ``follow`` reads."""

    def __init__(self, scan: Scan, process: "subprocess.Popen[bytes]", deadline: float) -> None:
        assert process.stdout is not None  # noqa: S101 - it was started with pipes
        assert process.stderr is not None  # noqa: S101
        self.scan = scan
        self.started = time.monotonic()
        self.deadline = deadline
        self.document = NmapDocument(len(scan.addresses))
        #: It was ended because its time was up.
        self.overran = False
        self._process = process
        self._complaint = b""
        self._out, self._err = process.stdout, process.stderr
        self._open = {self._out.fileno(), self._err.fileno()}
        for descriptor in self._open:
            os.set_blocking(descriptor, False)

    @property
    def descriptors(self) -> frozenset[int]:
        """What there is still to be read."""
        return frozenset(self._open)

    @property
    def status(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._process.returncode

    @property
    def killed_by(self) -> str | None:
        """The signal that ended it, if one did."""
        status = self._process.returncode
        return f"signal {-status}" if status is not None and status < 0 else None

    @property
    def complaint(self) -> str:
        """The first line that nmap wrote to standard error, bounded, without control characters."""
        lines = self._complaint.decode("utf-8", "replace").splitlines()
        return _printable(next(filter(None, map(str.strip, lines)), ""))

    def complaint_about(self, address: str) -> str:
        """The first line that names the address."""
        lines = self._complaint.decode("utf-8", "replace").splitlines()
        return _printable(next((line for line in lines if address in line.split()), ""))

    def read(self, descriptor: int) -> tuple[NmapHost, ...]:
        """The hosts that ended in what can be read without waiting."""
        try:
            data = os.read(descriptor, 1 << 16)
        except BlockingIOError:
            return ()
        if not data:
            self._open.discard(descriptor)
        elif descriptor == self._out.fileno():
            return self.document.feed(data)
        elif len(self._complaint) < LONGEST_COMPLAINT:
            self._complaint += data[:LONGEST_COMPLAINT]
        return ()

    def finish(self) -> None:
        """Nothing more is read: waits for an nmap that has closed its output, and ends any other."""
        if not self._open:
            # It is about to exit. What doesn't within a moment is made to.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(max(0.0, min(1.0, self.deadline - time.monotonic())))
        self.document.close()
        self.end()

    def end(self) -> None:
        """Ends nmap and what it may have started, if it still runs, and waits until the system has let go of it."""
        if self._process.poll() is None:
            for victim in (self._process.pid, *_descendants(self._process.pid)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
        self._process.wait()
        self._open.clear()
        self._out.close()
        self._err.close()


def follow(runs: Iterator[NmapRun], *, at_once: int) -> Generator[tuple[NmapRun, NmapHost | None]]:
    """Each host as soon as nmap is done with it, and None when a run has ended; ``at_once`` runs at a time.

    A run is taken from ``runs``, and so started, when there is room for it. A run past its deadline is ended;
    closing this iterator ends all that are left.
    """
    active: dict[NmapRun, None] = {}
    with selectors.DefaultSelector() as selector:
        try:
            while True:
                while len(active) < at_once and (run := next(runs, None)) is not None:
                    active[run] = None
                    for descriptor in run.descriptors:
                        selector.register(descriptor, selectors.EVENT_READ, run)
                if not active:
                    return
                patience = min(run.deadline for run in active) - time.monotonic()
                for key, _ in selector.select(max(0.0, patience)):
                    for host in key.data.read(key.fd):
                        yield key.data, host
                    if key.fd not in key.data.descriptors:
                        selector.unregister(key.fd)
                now = time.monotonic()
                for run in list(active):
                    # Whatever was in its pipe by then has just been read: a pipe holds 64 kB, and so does a read.
                    late = now >= run.deadline
                    if run.descriptors and not run.document.fault and not late:
                        continue
                    for descriptor in run.descriptors:
                        selector.unregister(descriptor)
                    run.overran = bool(run.descriptors) and late
                    run.finish()
                    del active[run]
                    yield run, None
        finally:
            for run in active:
                run.end()


def find_nmap() -> NmapFound | None:
    """The nmap that scans would use, or None."""
    try:
        return Nmap().found
    except nmap.PortScannerError:
        return None


def may_send_raw() -> bool:
    """Whether nmap, started by us, may open raw sockets; it takes root's word for it, and fails without CAP_NET_RAW."""
    # Root may be root of a namespace or container that owns no network; another user's capability reaches the
    # programs it starts only if it is ambient.
    if os.geteuid() != 0 and not _ambient_net_raw():
        return False
    try:
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP).close()
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except OSError:
        return False
    return True


def hurried_probes(path: str, wait: float) -> bytes | None:
    """nmap's service probes with ``wait`` seconds for each answer; None where they can't be found.

    nmap waits 5 to 7.5 s for each: every web server (which waits for the client to speak first) costs 7.6 s,
    with TLS 13.7 s, and a silent port 42 s, all of ``--version-light``. At 2 s it is 3.6, 5.7 and 17 s with the
    same answers from servers that answer at all. There is no option for it, only another file of probes.
    """
    for folder in _data_folders(path):
        with contextlib.suppress(OSError):
            with (folder / "nmap-service-probes").open("rb") as file:
                text = file.read(32 << 20)
            # nmap takes 100 to 300000 ms.
            line = b"totalwaitms %d" % min(300_000, max(100, round(wait * 1000)))
            text = re.sub(rb"(?m)^totalwaitms .*\n", b"", text)
            return re.sub(rb"(?m)^(Probe .*)$", rb"\1\n" + line, text)
    return None


@lru_cache(maxsize=16)
def favourite_ports(path: str, n: int) -> frozenset[int]:
    """nmap's own ``--top-ports`` for TCP: asked with no target, it names them. Empty where it doesn't."""
    command = [path, "-oX", "-", "-n", "--unprivileged", "-sT", "--top-ports", str(n)]
    try:
        answer = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE)
    except (OSError, subprocess.TimeoutExpired):
        return frozenset()
    document = NmapDocument(0)
    document.feed(answer.stdout)
    return document.asked.get("tcp", frozenset())


def _printable(text: str) -> str:
    return bounded("".join(c if c.isprintable() else "�" for c in text))


def _descendants(pid: int) -> list[int]:
    """The processes that ``pid`` started, theirs, and so on (nmap may be a wrapper that starts the real one)."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *_descendants(child)]
    return found


def _ambient_net_raw() -> bool:
    with contextlib.suppress(OSError):
        ambient = re.search(r"^CapAmb:\s*([0-9a-f]+)", Path("/proc/self/status").read_text(), re.MULTILINE)
        return bool(ambient and int(ambient[1], 16) >> 13 & 1)  # CAP_NET_RAW: capability.h
    return False


def _data_folders(path: str) -> Iterator[Path]:
    """Where nmap looks for its data files, in its order (*Customizing Nmap*, nmap reference guide, chapter 14)."""
    if folder := os.environ.get("NMAPDIR"):
        yield Path(folder)
    with contextlib.suppress(RuntimeError):
        yield Path.home() / ".nmap"
    program = Path(path).resolve().parent
    yield program
    yield program.parent / "share" / "nmap"


@contextlib.contextmanager
def _in_memory(content: bytes) -> Iterator[int]:
    """A file without a name: what nmap reads from it is there as long as nmap is, and nobody need delete it."""
    descriptor = os.memfd_create("service-probes")
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        yield descriptor
    finally:
        os.close(descriptor)
