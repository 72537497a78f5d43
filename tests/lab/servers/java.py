"""Java as a child process: its own implementation of TLS, and one that still has suites for export."""

import contextlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from tests.lab.authority import Identity
from tests.lab.servers.children import end_child, start_child
from tests.lab.servers.listening import LabError, Running
from tests.lab.servers.memory import file_in_memory, path_of
from tests.lab.servers.tools import find_tool

_PROGRAM = Path(__file__).with_name("Server.java")

#: Java opens no key store without one; the store is in memory only.
_PASSWORD = "secscan"


@dataclass(frozen=True)
class JavaServer:
    """``protocols`` and ``suites`` by Java's names; empty: what it enables by itself.

    With ``weak``, nothing is disabled by its security properties. Takes some 1.5 s of CPU to start.
    """

    identity: Identity
    protocols: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()
    weak: bool = False

    def start(self, address: str = "127.0.0.1", port: int = 0) -> Running:
        leaf, *rest = (x509.load_der_x509_certificate(der) for der in self.identity.certificates)
        store = serialize_key_and_certificates(
            b"server", self.identity.key, leaf, rest, BestAvailableEncryption(_PASSWORD.encode())
        )
        # Nothing is gained by compiling what runs for a minute, nor by many collectors of garbage.
        thrifty = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx64m", "-Xshare:auto"]
        with contextlib.ExitStack() as files:
            keys = files.enter_context(file_in_memory(store))
            process = start_child(
                [
                    *(
                        find_tool("java"),
                        *thrifty,
                        str(_PROGRAM),
                        address,
                        str(port),
                        path_of(keys),
                        _PASSWORD,
                    ),
                    *(",".join(self.protocols), ",".join(self.suites), "weak" if self.weak else "strong"),
                ],
                descriptors=[keys],
                output=subprocess.PIPE,
            )
            return _Java(process, address)


class _Java(Running):
    def __init__(self, process: "subprocess.Popen[bytes]", address: str) -> None:
        assert process.stdout is not None
        self._process = process
        self.address = address
        said = process.stdout.readline()
        if not said.startswith(b"listening "):
            said += process.stdout.read()
            self.stop()
            raise LabError(f"java did not start and said: {said.decode(errors='replace')}")
        self.port = int(said.split()[1])

    def stop(self) -> None:
        if self._process.returncode is None:
            end_child(self._process)
            assert self._process.stdout is not None
            self._process.stdout.close()
