"""Audits in processes of their own: sslyze brings OpenSSL 1.0.2, long without repairs, to meet hostile servers.

One process, the nursery, imports sslyze and then only waits. For each audit it forks: the child has all of
sslyze at the price of a fork, sees one server, and is gone. So a hanging audit is ended without harm to any
other, several overlap cheaply, and no server can leave anything behind for the audit of the next.
The nursery is a session of its own with a bare environment, no inherited descriptors, and limits; it ends, and
all its children with it, when this process ends.
"""

import contextlib
import ctypes
import gc
import ipaddress
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import msgspec

from secscan.collection.deep.findings import Ended, Finding, Message, Turn
from secscan.facts import Gap
from secscan.model import Reason

#: An audit says some 10 KB, and 100 KB with long chains; one that says more than this is out of its mind.
MOST_BYTES = 4 * 1024 * 1024

#: What a process may take. sslyze and its threads need some 100 MB of address space and 60 files.
_MEMORY = 2 * 1024**3
_FILES = 256
_FILE_SIZE = 1024 * 1024

#: Connections that are admitted at once, when an audit has used up those it was given.
CONNECTIONS_A_TURN = 40

#: prctl(2), from <linux/prctl.h>.
_PR_SET_PDEATHSIG = 1

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


class AuditRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One audit. ``server_name`` as it goes over the wire, or empty; ``patience``: seconds without an answer.

    ``robot_alone``: nothing is asked but ROBOT, of a server that is known to accept RSA key exchange.

    ``connections`` it may make before it must ask for its turn; ``concurrency`` of them at once.
    ``lifetime``: seconds after which the kernel ends it, whatever it does.
    """

    address: str
    port: int
    server_name: str = ""
    starttls: str = ""
    patience: float = 5.0
    concurrency: int = 5
    connections: int = CONNECTIONS_A_TURN
    lifetime: float = 600.0
    robot_alone: bool = False


class AuditUnavailable(Exception):  # noqa: N818 - an answer, not an error of anybody's
    """The nursery could not be started; the message says why."""


class Audit:
    """An audit that is running. Ends with its ``with`` block, at the latest."""

    def __init__(self, channel: socket.socket, nursery: "Nursery") -> None:
        self._channel = channel
        self._nursery = nursery
        self._handle: int | None = None
        self._killed = False
        self._lock = threading.Lock()

    def messages(self, deadline: Callable[[], float]) -> Iterator[Message]:
        """What it says until it has ended. ``deadline``: the instant of ``time.monotonic()`` to wait for at most.

        Raises TimeoutError at the deadline. An end that was not its own is an ``Ended`` with a gap.
        """
        for line in self._lines(deadline):
            try:
                message = _decoder.decode(line)
            except msgspec.MsgspecError as error:
                yield Ended(gap=Gap(Reason.UNPARSED, f"the audit said what makes no sense: {error}"[:200]))
                return
            yield message
            if isinstance(message, Ended):
                return
        complaint = self._nursery.complaint() if self._handle is None else None
        if complaint is not None:
            yield Ended(gap=Gap(Reason.TOOL_MISSING, complaint))
        else:
            detail = "the audit process ended before its time: it crashed, or met one of its limits"
            yield Ended(gap=Gap(Reason.UNREADABLE, detail))

    def grant(self) -> None:
        """Lets it make the connections it asked for."""
        with contextlib.suppress(OSError):
            self._channel.sendall(b"+")

    def kill(self) -> None:
        """Ends the process at once, from any thread. A second call does nothing."""
        with self._lock:
            self._killed = True
            if self._handle is not None:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self._handle, signal.SIGKILL)
        # A process that has not been forked yet ends when it finds nobody there to listen.
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> "Audit":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._channel.close()
        with self._lock:
            handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def _lines(self, deadline: Callable[[], float]) -> Iterator[bytes]:
        buffer = b""
        said = 0
        while said <= MOST_BYTES:
            left = deadline() - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._channel.settimeout(left)
            try:
                more, handles, _, _ = socket.recv_fds(self._channel, 64 * 1024, 1)
            except ConnectionError:
                return
            for handle in handles:
                self._adopt(handle)
            if not more:
                return
            said += len(more)
            *lines, buffer = (buffer + more).split(b"\n")
            # The handle of the process rides on an empty line, as it can't travel without a byte.
            yield from filter(None, lines)

    def _adopt(self, handle: int) -> None:
        with self._lock:
            self._handle = handle
            if self._killed:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)


class Nursery:
    """Where audits are started. Starts its process when the first one is asked for. Threads may share it.

    ``python`` is the interpreter of that process.
    """

    def __init__(self, python: str = sys.executable) -> None:
        self._python = python
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._errors: IO[bytes] | None = None
        self._end: weakref.finalize[Any, Any] | None = None

    def start(self, request: AuditRequest) -> Audit:
        """Raises AuditUnavailable."""
        with self._lock:
            control = self._control
            if control is None or self._process is None or self._process.poll() is not None:
                self._finish()
                control = self._launch()
            ours, theirs = socket.socketpair()
            with theirs:
                try:
                    socket.send_fds(control, [_encoder.encode(request)], [theirs.fileno()])
                except OSError:
                    ours.close()
                    raise AuditUnavailable(self._last_words()) from None
            return Audit(ours, self)

    def complaint(self) -> str | None:
        """Why there can be no audits, if the process that starts them has ended by itself."""
        with self._lock:
            # Its end shows on the audit's channel a moment before the process is gone.
            if self._process is None:
                return None
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.2)
            return self._last_words() if self._process.returncode is not None else None

    def close(self) -> None:
        """Ends the process and every audit. ``start`` would start another."""
        with self._lock:
            self._finish()

    def _launch(self) -> socket.socket:
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        errors = os.fdopen(os.memfd_create("sslyze's complaints"), "w+b")
        with theirs:
            try:
                process = subprocess.Popen(
                    # -I: neither the folder it starts in nor the environment adds modules.
                    [self._python, "-I", "-m", __name__],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    cwd="/",
                    env={"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"},
                    start_new_session=True,
                )
            except OSError as error:
                control.close()
                errors.close()
                raise AuditUnavailable(f"sslyze's process could not be started: {error.strerror}") from error
        self._process, self._control, self._errors = process, control, errors
        self._end = weakref.finalize(self, _end, process)
        return control

    def _finish(self) -> None:
        if self._end is not None:
            self._end()
        if self._control is not None:
            self._control.close()
        if self._errors is not None:
            self._errors.close()
        self._process = self._control = self._errors = self._end = None

    def _last_words(self) -> str:
        said = b""
        if self._errors is not None:
            self._errors.seek(0)
            said = self._errors.read(_FILE_SIZE)
        last = said.decode("utf-8", "replace").strip().rpartition("\n")[2][:200]
        return f"sslyze's process could not be started: {last or 'it ended without a word'}"


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()


# --- The nursery's process ----------------------------------------------------------------------------------


def main() -> None:
    """Imports sslyze, then forks for each request that comes over standard input, until that is closed."""
    _limit()
    # The kernel reaps the children: nobody asks how they ended.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    nursery = os.getpid()
    control = socket.socket(fileno=os.dup(0))
    # A child that outlived this process by a moment would hold standard input open.
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    from secscan.collection.deep import audit  # Takes half a second; only this process pays for it.

    audit.warm_up()
    # What lives until now is shared with every child; the collector would touch, and so copy, all of it.
    gc.collect()
    gc.freeze()
    while True:
        request, handles, _, _ = socket.recv_fds(control, 64 * 1024, 1)
        if not request or not handles:
            # The parent has closed its end, or is gone; the audits go with this process.
            return
        if os.fork() == 0:
            control.close()
            try:
                _run(
                    msgspec.json.decode(request, type=AuditRequest),
                    socket.socket(fileno=handles[0]),
                    audit.audit,
                    nursery,
                )
            finally:
                # Not exit(): threads that hang in a handshake would be waited for.
                os._exit(0)
        for handle in handles:
            os.close(handle)


def _limit() -> None:
    for kind, most in (
        (resource.RLIMIT_AS, _MEMORY),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, _FILE_SIZE),
        (resource.RLIMIT_NOFILE, _FILES),
    ):
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))


Auditor = Callable[[AuditRequest, Callable[[Finding], None]], Gap | None]


def _run(request: AuditRequest, channel: socket.socket, audit: Auditor, nursery: int) -> None:
    """One audit in a process of its own, from its first word to its last. ``nursery`` is its parent's number."""
    # Both end the process even while it is stuck inside OpenSSL: the default action of SIGALRM, and the signal that
    # the kernel sends when the nursery is gone.
    signal.setitimer(signal.ITIMER_REAL, request.lifetime)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != nursery:
        return
    socket.send_fds(channel, [b"\n"], [os.pidfd_open(os.getpid())])
    guard = Guard(request, channel)
    sys.addaudithook(guard)
    gap = audit(request, guard.tell)
    guard.tell(Ended(volatile={"connections": str(guard.used)}, gap=gap))


class Guard:
    """Sees to it that the audit connects where it was let to, and nowhere else, and as often as it was let to.

    An audit hook can't be removed or bypassed by Python code, and so holds for all of sslyze as it is.
    """

    def __init__(self, request: AuditRequest, channel: socket.socket) -> None:
        self._address = request.address
        self._place = (_plain(request.address), request.port)
        self._channel = channel
        self._telling = threading.Lock()
        self._taking = threading.Lock()
        self._left = request.connections
        self.used = 0

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        match event:
            case "socket.connect":
                self._take_turn(arguments[1])
            case "socket.getaddrinfo" | "socket.gethostbyname" if arguments[0] != self._address:
                raise PermissionError("an audit looks up no names")
            case "subprocess.Popen" | "os.system" | "os.exec" | "os.posix_spawn" | "os.fork":
                raise PermissionError("an audit starts no programs")

    def tell(self, message: Message) -> None:
        with self._telling:
            self._channel.sendall(_encoder.encode(message) + b"\n")

    def _take_turn(self, place: Any) -> None:
        if not isinstance(place, tuple) or (_plain(place[0]), place[1]) != self._place:
            raise PermissionError(f"the audit of {self._place} may not connect to {place!r}")
        with self._taking:
            if self._left == 0:
                self.tell(Turn(connections=CONNECTIONS_A_TURN))
                if self._channel.recv(1) != b"+":
                    raise PermissionError("no more connections were granted")
                self._left = CONNECTIONS_A_TURN
            self._left -= 1
            self.used += 1


def _plain(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    # The zone of a link-local address is a name on the way in, and a number on the way out.
    return ipaddress.ip_address(address.partition("%")[0])


if __name__ == "__main__":
    main()
