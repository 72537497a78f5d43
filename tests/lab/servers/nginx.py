"""nginx as a child process: what most of the world's web servers look like to a scanner."""

import contextlib
import socket
import ssl
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.lab.authority import Identity
from tests.lab.servers.children import end_child, start_child
from tests.lab.servers.listening import LabError, Running, free_port
from tests.lab.servers.memory import file_in_memory, path_of
from tests.lab.servers.tools import find_tool

_PATIENCE = 5.0


@dataclass(frozen=True)
class NginxServer:
    """One HTTPS port with virtual hosts by server name; the first answers to unknown names as well.

    ``protocols`` and ``ciphers`` are nginx's ``ssl_protocols`` and ``ssl_ciphers``; ``early_data`` is the 0-RTT
    data of TLS 1.3, which needs session tickets.
    """

    virtual_hosts: tuple[tuple[str, Identity], ...]
    protocols: str = "TLSv1.2 TLSv1.3"
    ciphers: str = "ECDHE+AESGCM:ECDHE+CHACHA20"
    hsts: bool = True
    early_data: bool = False

    def start(self, address: str = "127.0.0.1", port: int = 0) -> Running:
        nginx = find_tool("nginx")
        # nginx knows no port 0, and handing it a socket of ours (as in an upgrade without a pause) makes its
        # single-process mode crash. So somebody could take the port in between; nginx then says so.
        port = free_port(address, port)
        with contextlib.ExitStack() as until_started:
            keys = [
                until_started.enter_context(file_in_memory(identity.pem))
                for _, identity in self.virtual_hosts
            ]
            folder = Path(until_started.enter_context(tempfile.TemporaryDirectory(prefix="secscan-lab-")))
            errors = until_started.enter_context(tempfile.TemporaryFile())
            configuration = folder / "nginx.conf"
            configuration.write_text(self._configuration(folder, address, port, keys), "utf-8")
            process = start_child(
                [nginx, "-p", str(folder), "-c", str(configuration), "-e", "stderr"],
                descriptors=keys,
                output=errors,
            )
            if not _answers(process, address, port):
                end_child(process)
                errors.seek(0)
                raise LabError(f"nginx did not start and said: {errors.read().decode(errors='replace')}")
            # Its folder goes now: it is read and written at the start only, and so none is ever left behind.
            return _Nginx(process, address, port)

    def _configuration(self, folder: Path, address: str, port: int, keys: list[int]) -> str:
        host = f"[{address}]" if ":" in address else address
        temporary = "".join(
            f"{kind}_temp_path {folder}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        early_data = "on" if self.early_data else "off"
        hsts = 'add_header Strict-Transport-Security "max-age=63072000; includeSubDomains" always;'
        servers = "".join(
            f"""
            server {{
                listen {host}:{port} ssl;
                server_name {name};
                ssl_certificate {path_of(key)};
                ssl_certificate_key {path_of(key)};
                {hsts if self.hsts else ""}
                location / {{ return 200 "{name}"; }}
            }}
            """
            for (name, _), key in zip(self.virtual_hosts, keys, strict=True)
        )
        # A single process: a worker of its own would outlive a master that is killed.
        return f"""
            daemon off;
            master_process off;
            pid {folder}/pid;
            error_log stderr;
            events {{ worker_connections 256; }}
            http {{
                access_log off;
                server_tokens off;
                {temporary}
                ssl_protocols {self.protocols};
                ssl_ciphers {self.ciphers};
                ssl_session_tickets {early_data};
                ssl_early_data {early_data};
                {servers}
            }}
        """


class _Nginx(Running):
    def __init__(self, process: "subprocess.Popen[bytes]", address: str, port: int) -> None:
        self.address, self.port = address, port
        self._process = process

    def stop(self) -> None:
        if self._process.returncode is None:
            end_child(self._process)


def _answers(process: "subprocess.Popen[bytes]", address: str, port: int) -> bool:
    """Waits until a TLS handshake succeeds, or nginx has ended, or five seconds are over."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    limit = time.monotonic() + _PATIENCE
    while time.monotonic() < limit:
        with (
            contextlib.suppress(OSError),
            socket.create_connection((address, port), timeout=1) as connection,
            context.wrap_socket(connection),
        ):
            return True
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.01)
            return False
    return False
