"""The servers of the distribution that go over to TLS when asked, each with a configuration of its own, on loopback.

No service of the system is touched: a daemon lives in a temporary folder, ends by its process id, and with the lab.
"""

import abc
import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab.authority import Identity
from tests.lab.servers.children import start_child
from tests.lab.servers.listening import LabError, Running, free_port
from tests.lab.servers.tools import MissingToolError, find_tool

#: Seconds for a daemon to listen; MariaDB and PostgreSQL first lay out their files.
_PATIENCE = 40.0

#: What XMPP serves.
DOMAIN = "zoo.example"


@dataclass(frozen=True)
class _Place:
    """Where a daemon lives and listens. ``key`` and ``chain`` are files; both are there even where no TLS is wanted."""

    folder: Path
    address: str
    port: int

    @property
    def key(self) -> Path:
        return self.folder / "key.pem"

    @property
    def chain(self) -> Path:
        return self.folder / "chain.pem"

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, "utf-8")
        return path


@dataclass(frozen=True)
class Daemon(abc.ABC):
    """``identity`` None: set up without TLS. Needs root, as these daemons do to become somebody else."""

    identity: Identity | None

    #: Whom the folder belongs to.
    owner = "root"

    @abc.abstractmethod
    def command(self, place: _Place) -> Sequence[str]:
        """Writes the configuration, and returns what to start in the foreground."""

    def start(self, address: str = "127.0.0.1", port: int = 0) -> Running:
        """Raises LabError where it does not listen in time; its message quotes what the daemon said."""
        port = free_port(address, port)
        with contextlib.ExitStack() as until_started:
            folder = Path(until_started.enter_context(tempfile.TemporaryDirectory(prefix="secscan-lab-")))
            folder.chmod(0o755)
            place = _Place(folder, address, port)
            if self.identity is not None:
                place.chain.write_bytes(self.identity.chain_pem)
                place.key.touch(mode=0o600)
                place.key.write_bytes(self.identity.key_pem)
            said = until_started.enter_context((folder / "said").open("w+b"))
            command = self.command(place)
            if self.owner != "root":
                for path in (folder, *folder.rglob("*")):
                    shutil.chown(path, self.owner)
            process = start_child(as_user(self.owner, command), output=said)
            running = _Running(process, address, port, until_started.pop_all())
        if not _listens(process, address, port):
            words = (folder / "said").read_text("utf-8", "replace")[-2000:]
            running.stop()
            raise LabError(f"{command[0]} did not listen and said: {words}")
        return running


class _Running(Running):
    def __init__(
        self, process: "subprocess.Popen[bytes]", address: str, port: int, files: contextlib.ExitStack
    ) -> None:
        self.address, self.port = address, port
        self._process = process
        self._files = files

    def stop(self) -> None:
        if self._process.returncode is None:
            self._process.terminate()
            try:
                # Longer than others get: killed, these would leave processes of theirs behind.
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._files.close()


def _listens(process: "subprocess.Popen[bytes]", address: str, port: int) -> bool:
    limit = time.monotonic() + _PATIENCE
    while time.monotonic() < limit and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=1):
            return True
        time.sleep(0.02)
    return False


def as_user(name: str, command: Sequence[str]) -> list[str]:
    """The command under another account; its end with the lab has to be asked for again then."""
    if name == "root" or os.geteuid() != 0:
        return list(command)
    account = pwd.getpwnam(name)
    become = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    return [find_tool("setpriv"), *become, "--pdeathsig", "KILL", "--", *command]


@dataclass(frozen=True)
class Postfix(Daemon):
    def command(self, place: _Place) -> Sequence[str]:
        tls = f"smtpd_tls_chain_files = {place.key}, {place.chain}\n" if self.identity else ""
        place.write(
            "main.cf",
            "compatibility_level = 3.6\n"
            f"queue_directory = {place.folder}/queue\n"
            f"data_directory = {place.folder}/data\n"
            "maillog_file = /dev/stdout\n"
            "mynetworks = 127.0.0.0/8\n"
            # Else it asks another of its processes for the users of this machine, before it greets anybody.
            "local_recipient_maps =\n"
            f"smtpd_tls_security_level = {'may' if self.identity else 'none'}\n" + tls,
        )
        place.write(
            "master.cf",
            f"{place.address}:{place.port} inet n - n - - smtpd\n"
            "tlsmgr unix - - n 1000? 1 tlsmgr\n"
            "anvil unix - - n - 1 anvil\n"
            "rewrite unix - - n - - trivial-rewrite\n"
            "postlog unix-dgram n - n - 1 postlogd\n",
        )
        programs = Path("/usr/lib/postfix/sbin")
        find_tool("postfix")
        (place.folder / "queue").mkdir()
        for name in (
            "pid",
            "private",
            "public",
            "active",
            "incoming",
            "maildrop",
            "deferred",
            "defer",
            "bounce",
        ):
            (place.folder / "queue" / name).mkdir()
            shutil.chown(place.folder / "queue" / name, "root" if name == "pid" else "postfix")
        (place.folder / "data").mkdir()
        shutil.chown(place.folder / "data", "postfix")
        return [str(programs / "master"), "-c", str(place.folder), "-d"]


@dataclass(frozen=True)
class Dovecot(Daemon):
    """``protocol``: ``imap`` or ``pop3``."""

    protocol: str = "imap"

    def command(self, place: _Place) -> Sequence[str]:
        tls = f"ssl_cert = <{place.chain}\nssl_key = <{place.key}\n" if self.identity else ""
        configuration = place.write(
            "dovecot.conf",
            f"""\
base_dir = {place.folder}/run
state_dir = {place.folder}/state
log_path = {place.folder}/said
protocols = {self.protocol}
listen = {place.address}
ssl = {"yes" if self.identity else "no"}
{tls}
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home=/nonexistent
}}
service {self.protocol}-login {{
  inet_listener {self.protocol} {{
    port = {place.port}
  }}
  inet_listener {self.protocol}s {{
    port = 0
  }}
}}
""",
        )
        return [find_tool("dovecot"), "-F", "-c", str(configuration)]


@dataclass(frozen=True)
class Vsftpd(Daemon):
    def command(self, place: _Place) -> Sequence[str]:
        (place.folder / "empty").mkdir(mode=0o555)
        tls = f"ssl_enable=YES\nrsa_cert_file={place.chain}\nrsa_private_key_file={place.key}\n"
        configuration = place.write(
            "vsftpd.conf",
            f"listen=YES\nlisten_address={place.address}\nlisten_port={place.port}\nbackground=NO\n"
            f"secure_chroot_dir={place.folder}/empty\nlocal_enable=YES\nanonymous_enable=NO\n"
            + (tls if self.identity else "ssl_enable=NO\n"),
        )
        return [find_tool("vsftpd"), str(configuration)]


@dataclass(frozen=True)
class Slapd(Daemon):
    def command(self, place: _Place) -> Sequence[str]:
        tls = (
            f"TLSCertificateFile {place.chain}\nTLSCertificateKeyFile {place.key}\n" if self.identity else ""
        )
        configuration = place.write("slapd.conf", f"pidfile {place.folder}/pid\n{tls}")
        return [
            *(find_tool("slapd"), "-d", "0", "-h", f"ldap://{place.address}:{place.port}"),
            *("-f", str(configuration)),
        ]


@dataclass(frozen=True)
class Prosody(Daemon):
    """``between_servers``: the port for other servers, else that for clients. Serves DOMAIN."""

    between_servers: bool = False
    owner = "prosody"

    def command(self, place: _Place) -> Sequence[str]:
        (place.folder / "data").mkdir()
        clients, servers = ("", str(place.port)) if self.between_servers else (str(place.port), "")
        tls = f'ssl = {{ key = "{place.key}"; certificate = "{place.chain}" }}' if self.identity else ""
        configuration = place.write(
            "prosody.cfg.lua",
            f"""
            pidfile = "{place.folder}/prosody.pid"
            data_path = "{place.folder}/data"
            interfaces = {{ "{place.address}" }}
            c2s_ports = {{ {clients} }}
            s2s_ports = {{ {servers} }}
            c2s_require_encryption = false
            s2s_require_encryption = false
            modules_enabled = {{ "saslauth"; {'"tls";' if self.identity else ""} }}
            modules_disabled = {{ {"" if self.between_servers else '"s2s"'} }}
            log = {{ info = "*console" }}
            {tls}
            VirtualHost "{DOMAIN}"
            """,
        )
        return [find_tool("prosody"), "-F", "--config", str(configuration)]


@dataclass(frozen=True)
class PostgreSql(Daemon):
    """Making its files takes two seconds of CPU."""

    owner = "postgres"

    def command(self, place: _Place) -> Sequence[str]:
        programs = Path("/usr/lib/postgresql/15/bin")
        if not programs.is_dir():
            raise MissingToolError("postgres is not installed (package postgresql-15)")
        shutil.chown(place.folder, self.owner)
        data = place.folder / "data"
        made = subprocess.run(
            as_user(self.owner, [str(programs / "initdb"), "-D", str(data), "-N", "-A", "trust"]),
            capture_output=True,
            text=True,
            check=False,
            cwd=place.folder,
        )
        if made.returncode != 0:
            raise LabError(f"initdb failed and said: {made.stderr[-1000:]}")
        tls = [
            *("-c", f"ssl_cert_file={place.chain}", "-c", f"ssl_key_file={place.key}"),
            *("-c", "ssl=on"),
        ]
        return [
            *(str(programs / "postgres"), "-D", str(data), "-F", "-h", place.address, "-p", str(place.port)),
            *("-k", str(place.folder), *(tls if self.identity else ())),
        ]


@dataclass(frozen=True)
class MariaDb(Daemon):
    owner = "mysql"

    def command(self, place: _Place) -> Sequence[str]:
        (place.folder / "data").mkdir()
        tls = [f"--ssl-cert={place.chain}", f"--ssl-key={place.key}"] if self.identity else ["--skip-ssl"]
        return [
            *(find_tool("mariadbd"), "--no-defaults", f"--datadir={place.folder}/data"),
            *(f"--bind-address={place.address}", f"--port={place.port}", f"--socket={place.folder}/socket"),
            # Nobody ever logs in: without tables of users it need not be installed first.
            *("--skip-grant-tables", "--innodb=OFF", "--default-storage-engine=MyISAM", *tls),
        ]


@dataclass(frozen=True)
class Xrdp(Daemon):
    def command(self, place: _Place) -> Sequence[str]:
        configuration = place.write(
            "xrdp.ini",
            f"""\
[Globals]
ini_version=1
fork=true
port=tcp://{place.address}:{place.port}
security_layer={"tls" if self.identity else "rdp"}
certificate={place.chain}
key_file={place.key}
ssl_protocols=TLSv1.2, TLSv1.3

[Logging]
LogFile={place.folder}/log
LogLevel=INFO
EnableConsole=true
EnableSyslog=false

[Xorg]
name=Xorg
lib=libxup.so
""",
        )
        return [find_tool("xrdp"), "--nodaemon", "--config", str(configuration)]
