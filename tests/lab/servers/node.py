"""Node as a child process: its old releases carry OpenSSL as it was in 2014, and its new ones what comes after 3.0."""

import contextlib
import json
import os
import platform
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.lab.authority import Identity
from tests.lab.servers.children import end_child, start_child
from tests.lab.servers.listening import LabError, Running, listen
from tests.lab.servers.memory import file_in_memory, path_of
from tests.lab.servers.tools import MissingToolError

#: What tools/old-nodes fetches: Node's release -> the OpenSSL in it.
OPENSSL_OF = {
    "0.8.28": "1.0.0m",
    "0.10.1": "1.0.1e",
    "0.10.28": "1.0.1g",
    "0.12.2": "1.0.1m",
    "24.9.0": "3.5.3",
}

_PROGRAM = Path(__file__).with_name("server.js")


@dataclass(frozen=True)
class NodeServer:
    """``options`` are those of ``tls.createServer``: ``secureProtocol``, ``ciphers``, ``ecdhCurve``, ...

    ``dh_parameters`` are DER or PEM, as that release takes them.
    """

    release: Literal["0.8.28", "0.10.1", "0.10.28", "0.12.2", "24.9.0"]
    identity: Identity | None
    options: dict[str, object] = field(default_factory=dict)
    dh_parameters: bytes = b""

    def start(self, address: str = "127.0.0.1", port: int = 0) -> Running:
        node = find_node(self.release)
        with contextlib.ExitStack() as files:
            key = files.enter_context(file_in_memory(self.identity.key_pem if self.identity else b""))
            chain = files.enter_context(file_in_memory(self.identity.chain_pem if self.identity else b""))
            dh = files.enter_context(file_in_memory(self.dh_parameters))
            settings = {
                "address": address,
                # The lab promises to be on loopback only, and listen() sees to it.
                "port": port or _free_port(address),
                "key": path_of(key) if self.identity else "",
                "chain": path_of(chain) if self.identity else "",
                "dhparam": path_of(dh) if self.dh_parameters else "",
                "options": self.options,
            }
            process = start_child(
                [str(node), str(_PROGRAM), json.dumps(settings)],
                descriptors=[key, chain, dh],
                output=subprocess.PIPE,
            )
            return _Node(process, address)


class _Node(Running):
    def __init__(self, process: "subprocess.Popen[bytes]", address: str) -> None:
        assert process.stdout is not None
        self._process = process
        self.address = address
        said = process.stdout.readline()
        if not said.startswith(b"listening "):
            said += process.stdout.read()
            self.stop()
            raise LabError(f"node did not start and said: {said.decode(errors='replace')}")
        self.port = int(said.split()[1])

    def stop(self) -> None:
        if self._process.returncode is None:
            end_child(self._process)
            assert self._process.stdout is not None
            self._process.stdout.close()


def find_node(release: str) -> Path:
    """Where tools/old-nodes put this release. Raises MissingToolError."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    node = Path(os.environ.get("SECSCAN_OLD_NODES") or cache / "secscan-old-nodes") / release / "node"
    if not node.is_file():
        machine = "" if platform.machine() == "x86_64" else ", for x86_64 only"
        raise MissingToolError(f"node {release} is not installed (tools/old-nodes fetches it{machine})")
    return node


def _free_port(address: str) -> int:
    with listen(address, 0) as held:
        return int(held.getsockname()[1])
