"""The look at an SSH server without a login, beside ssh-audit's: seconds, and connections that the server sees.

Both go through the same forwarder, which counts. ssh-audit's rate test is left out: it is made of connections alone.
"""

import json
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from secscan.collection.ssh_surface import SshSurfaceCollector
from secscan.model import Endpoint, Service
from secscan.scope import Gate, ProbeLog, scope_of_addresses
from tests.lab.servers.listening import Listener
from tests.lab.ssh_configurations import configurations

ADDRESS = "127.0.0.1"
SERVERS = ("openssh-default", "openssh-modern", "dropbear-default")
ROUNDS = 5


def main() -> None:
    for configuration in configurations():
        if configuration.name in SERVERS:
            with configuration.start() as server:
                measured = {
                    who: measure(server.port, look)
                    for who, look in (("secscan", by_secscan), ("ssh-audit", by_ssh_audit))
                }
                print(json.dumps({"server": configuration.name, **measured}))


def measure(port: int, look: Callable[[int], None]) -> dict[str, float]:
    """The median of some rounds; the process of ssh-audit is started anew in each, as everybody does."""
    counted: list[int] = []

    def forward(client: socket.socket, _ending: threading.Event) -> None:
        counted.append(1)
        with socket.create_connection((ADDRESS, port)) as server:
            back = threading.Thread(target=_pump, args=(server, client), daemon=True)
            back.start()
            _pump(client, server)
            back.join(5)

    seconds = []
    with Listener(forward, ADDRESS, 0) as running:
        for _ in range(ROUNDS):
            began = time.perf_counter()
            look(running.port)
            seconds.append(time.perf_counter() - began)
    return {"seconds": round(statistics.median(seconds), 2), "connections": len(counted) / ROUNDS}


def by_secscan(port: int) -> None:
    endpoint = Endpoint(Service("bench", "tcp", port), ADDRESS)
    gate = Gate(scope_of_addresses([ADDRESS]), ProbeLog(None))
    list(SshSurfaceCollector(expected={endpoint}).collect([endpoint], gate))


def by_ssh_audit(port: int) -> None:
    command = [
        str(Path(sys.executable).with_name("ssh-audit")),
        "--json",
        "--skip-rate-test",
        f"--port={port}",
    ]
    subprocess.run([*command, ADDRESS], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return


if __name__ == "__main__":
    main()
