"""``openssl s_server`` as a child process, for what Python's ssl module can't serve."""

import contextlib
import re
import subprocess
import threading
from dataclasses import dataclass

from tests.lab.authority import Identity, pem_of
from tests.lab.servers.children import end_child, start_child
from tests.lab.servers.listening import LabError, Running, free_port
from tests.lab.servers.memory import file_in_memory, path_of
from tests.lab.servers.tools import find_tool

_PATIENCE = 5.0


@dataclass(frozen=True)
class OpenSslServer:
    """Answers any GET with a page on the session; serves one connection at a time.

    Without ``identity`` only anonymous suites are left; ``second`` is one with a key of another type. ``staple`` is an
    OCSP response, DER. ``options`` go to ``openssl s_server`` as they are: ``-tls1_2``, ``-cipher``,
    ``-legacy_renegotiation``, ...
    """

    identity: Identity | None
    options: tuple[str, ...] = ()
    staple: bytes = b""
    second: Identity | None = None

    def start(self, address: str = "127.0.0.1", port: int = 0) -> Running:
        port = free_port(address, port) if port else 0
        host = f"[{address}]" if ":" in address else address
        with contextlib.ExitStack() as files:
            descriptors: list[int] = []

            def option(name: str, content: bytes) -> list[str]:
                descriptors.append(files.enter_context(file_in_memory(content)))
                return [name, path_of(descriptors[-1])]

            arguments = [find_tool("openssl"), "s_server", "-accept", f"{host}:{port}", "-www"]
            if self.identity is None:
                arguments.append("-nocert")
            else:
                arguments += option("-key", self.identity.key_pem)
                arguments += option("-cert", pem_of(self.identity.certificates[:1]))
                if len(self.identity.certificates) > 1:
                    arguments += option("-cert_chain", pem_of(self.identity.certificates[1:]))
            if self.second is not None:
                arguments += option("-dkey", self.second.key_pem)
                arguments += option("-dcert", pem_of(self.second.certificates[:1]))
                arguments += option("-dcert_chain", pem_of(self.second.certificates[1:]))
            if self.staple:
                arguments += option("-status_file", self.staple)
            process = start_child(
                [*arguments, *self.options], descriptors=descriptors, output=subprocess.PIPE
            )
            return _OpenSsl(process, address, port)


class _OpenSsl(Running):
    def __init__(self, process: "subprocess.Popen[bytes]", address: str, port: int) -> None:
        self.address, self.port = address, port
        self._process = process
        self._said = b""
        self._listens = False
        self._settled = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._settled.wait(_PATIENCE)
        if not self._listens:
            self.stop()
            raise LabError(f"openssl s_server did not start and said: {self._said.decode(errors='replace')}")

    def stop(self) -> None:
        if self._process.returncode is None:
            end_child(self._process)
            self._reader.join()

    def _read(self) -> None:
        """Waits for the word that it listens, then keeps the pipe empty: a full one would stop the server."""
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                if self._listens:
                    continue
                self._said += line
                # The port follows only where it was left to the kernel.
                if accepting := re.match(rb"ACCEPT(?: .*:(\d+))?$", line):
                    self.port = int(accepting[1] or self.port)
                    self._listens = True
                    self._settled.set()
        self._settled.set()
