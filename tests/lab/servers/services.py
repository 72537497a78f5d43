"""Other people's servers as child processes: Redis, memcached, Samba, BIND, vsftpd and PostgreSQL on loopback."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.servers.children import end_child, start_child
from tests.lab.servers.listening import LabError, Running, free_port
from tests.lab.servers.tools import find_tool

#: Seconds until a server must listen.
_PATIENCE = 20.0

#: Writes what the server needs into the folder; gives the command line.
Command = Callable[[Path, str, int], Sequence[str]]


@dataclass(frozen=True)
class Daemon:
    """A program that serves TCP. ``command`` gets a folder of its own, the address and the port."""

    command: Command

    def start(self, address: str = "127.0.0.1", port: int = 0) -> Running:
        """Raises MissingToolError, and LabError where it does not listen in time."""
        port = free_port(address, port)
        folder = Path(tempfile.mkdtemp(prefix="secscan-lab-"))
        with contextlib.ExitStack() as until_started:
            until_started.callback(shutil.rmtree, folder, ignore_errors=True)
            output = until_started.enter_context(tempfile.TemporaryFile())
            process = start_child(self.command(folder, address, port), output=output)
            if not _answers(process, address, port):
                end_child(process)
                output.seek(0)
                said = output.read().decode(errors="replace")[-2000:]
                raise LabError(f"{self.command.__qualname__} did not start and said: {said}")
            until_started.pop_all()
            return _Child(process, folder, address, port)


class _Child(Running):
    def __init__(self, process: "subprocess.Popen[bytes]", folder: Path, address: str, port: int) -> None:
        self.address, self.port = address, port
        self._process, self._folder = process, folder

    def stop(self) -> None:
        if self._process.poll() is None:
            end_child(self._process)
        shutil.rmtree(self._folder, ignore_errors=True)


def redis(*, password: str = "") -> Daemon:
    def command(folder: Path, address: str, port: int) -> Sequence[str]:
        options = ["--bind", address, "--port", str(port), "--dir", str(folder), "--save", ""]
        # Protected mode would refuse clients from elsewhere; on loopback nobody is.
        return [find_tool("redis-server"), *options, *(["--requirepass", password] if password else [])]

    return Daemon(command)


def memcached() -> Daemon:
    def command(folder: Path, address: str, port: int) -> Sequence[str]:
        return [find_tool("memcached"), "-l", address, "-p", str(port), "-U", "0", "-u", "root", "-m", "8"]

    return Daemon(command)


def samba(*, least: str = "SMB2_02", signing: str = "default") -> Daemon:
    """``least`` is the oldest dialect (``NT1`` is SMB 1), ``signing`` smb.conf's ``server signing``."""

    def command(folder: Path, address: str, port: int) -> Sequence[str]:
        configuration = folder / "smb.conf"
        places = ("private dir", "lock directory", "state directory", "cache directory", "pid directory")
        lines = [
            "[global]",
            *(f"{place} = {folder}" for place in (*places, "ncalrpc dir")),
            f"interfaces = {address}/8",
            "bind interfaces only = yes",
            f"smb ports = {port}",
            f"server min protocol = {least}",
            f"server signing = {signing}",
            "disable spoolss = yes",
            "load printers = no",
            f"log file = {folder}/log",
        ]
        configuration.write_text("\n".join([*lines, ""]))
        return [find_tool("smbd"), "--foreground", f"--configfile={configuration}"]

    return Daemon(command)


@dataclass(frozen=True)
class NameServer:
    """BIND with one zone. ``recursion``: it answers for other zones too; ``transfer``: it gives its own to anybody."""

    zone: str
    recursion: bool = False
    transfer: bool = False
    records: tuple[str, ...] = field(default=("www IN A 192.0.2.1",))

    def start(self, address: str = "127.0.0.1", port: int = 0) -> Running:
        """BIND listens on addresses that an interface has, and of loopback's that is one."""
        if address != "127.0.0.1":
            raise LabError(f"BIND can't listen on {address}; give it 127.0.0.1")
        return Daemon(self._command).start(address, port)

    def _command(self, folder: Path, address: str, port: int) -> Sequence[str]:
        zone = folder / "zone"
        soa = "@ IN SOA ns hostmaster 1 3600 600 86400 60"
        zone.write_text("\n".join(["$TTL 60", soa, "@ IN NS ns", f"ns IN A {address}", *self.records, ""]))
        # The root's servers are ours, and nowhere: whatever it is asked, no packet leaves this machine.
        hints = folder / "hints"
        hints.write_text(f". 60 IN NS root.invalid.\nroot.invalid. 60 IN A {address}\n")
        said = {True: "yes", False: "no"}
        to_whom = {True: "any", False: "none"}
        configuration = folder / "named.conf"
        configuration.write_text(
            f"""
options {{
  directory "{folder}"; pid-file none; session-keyfile none; managed-keys-directory "{folder}";
  listen-on port {port} {{ {address}; }}; listen-on-v6 {{ none; }};
  recursion {said[self.recursion]}; allow-recursion {{ {to_whom[self.recursion]}; }};
  allow-query-cache {{ {to_whom[self.recursion]}; }};
  allow-transfer {{ {to_whom[self.transfer]}; }};
  dnssec-validation no; empty-zones-enable no; notify no; querylog no;
}};
controls {{ }};
zone "." {{ type hint; file "{hints}"; }};
zone "{self.zone}" {{ type primary; file "{zone}"; }};
"""
        )
        return [find_tool("named"), "-g", "-n", "1", "-c", str(configuration)]


def vsftpd() -> Daemon:
    def command(folder: Path, address: str, port: int) -> Sequence[str]:
        empty = folder / "empty"
        empty.mkdir()
        configuration = folder / "vsftpd.conf"
        configuration.write_text(
            f"listen=YES\nlisten_address={address}\nlisten_port={port}\nbackground=NO\n"
            f"anonymous_enable=NO\nlocal_enable=NO\nsecure_chroot_dir={empty}\n"
        )
        return [find_tool("vsftpd"), str(configuration)]

    return Daemon(command)


def postgresql() -> Daemon:
    """It refuses to be root, and is the system's own account then."""

    def command(folder: Path, address: str, port: int) -> Sequence[str]:
        as_user: list[str] = []
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(folder, user.pw_uid, user.pw_gid)
            ids = ("--reuid", str(user.pw_uid), "--regid", str(user.pw_gid))
            as_user = [find_tool("setpriv"), *ids, "--clear-groups"]
        data = folder / "data"
        make = [find_tool("initdb"), "-D", str(data), "--auth-local=trust", "--auth-host=reject", "--no-sync"]
        subprocess.run([*as_user, *make], check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        options = ["-c", f"listen_addresses={address}", "-p", str(port), "-k", str(folder)]
        return [*as_user, find_tool("postgres"), "-D", str(data), *options]

    return Daemon(command)


def _answers(process: "subprocess.Popen[bytes]", address: str, port: int) -> bool:
    """Whether it takes connections before its time is up, or ends."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=1):
            return True
        time.sleep(0.02)
    return False
