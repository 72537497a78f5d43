"""SSH servers on loopback: OpenSSH itself, and servers that do what no honest one would. Knows nothing of pytest."""

import logging
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import paramiko

from tests.lab.servers.children import end_child, start_child
from tests.lab.servers.listening import Conversation, LabError, Running, ThreadedServer
from tests.lab.servers.tools import MissingToolError

#: What a fake host does once a command is asked for: gets the channel and the command.
Behaviour = Callable[[paramiko.Channel, bytes], None]

#: Seconds until sshd must listen.
_PATIENCE = 10.0


def find_sshd() -> str:
    """sshd wants to be started by its full path. Raises MissingToolError."""
    return _find("sshd", "openssh-server")


def make_key(path: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    """A key pair: ``path`` and ``path``.pub."""
    subprocess.run(
        [
            _find("ssh-keygen", "openssh-client"),
            "-q",
            "-t",
            kind,
            "-N",
            passphrase,
            "-C",
            "lab",
            "-f",
            str(path),
        ],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return path


@dataclass(frozen=True)
class Account:
    """An account of a server's own. ``home`` maps names of files there to their text; ``password`` may be locked.

    ``expired``: the password must be changed at the next login.
    """

    name: str
    shell: str = "/bin/sh"
    home: Mapping[str, str] = field(default_factory=dict)
    password: str = ""
    expired: bool = False


class Sshd(Running):
    """OpenSSH's own server in a folder of its own, for the account that runs the tests.

    ``authorized`` are lines of authorized_keys; ``options`` come first in sshd_config, where the first value counts.
    ``accounts``, for root only, are there for this server alone, in a mount namespace of its own.
    """

    def __init__(
        self,
        *,
        authorized: str = "",
        options: str = "",
        address: str = "127.0.0.1",
        port: int = 0,
        host_keys: tuple[str, ...] = ("ed25519",),
        accounts: tuple[Account, ...] = (),
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="lab-sshd-")
        folder = Path(self._folder.name)
        self.address, self.port = address, port or free_port(address)
        self.key_files = tuple(make_key(folder / f"host_{kind}", kind) for kind in host_keys)
        (folder / "authorized_keys").write_text(authorized)
        (folder / "sshd_config").write_text(
            f"ListenAddress {_in_brackets(address)}:{self.port}\n"
            + "".join(f"HostKey {file}\n" for file in self.key_files)
            + options
            + f"AuthorizedKeysFile {folder}/authorized_keys\n"
            + "StrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\nPrintMotd no\nUseDNS no\n"
            + "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
            # Of this one the last value counts.
            + ("" if "MaxStartups" in options else "MaxStartups 100\n")
        )
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self._log = (folder / "log").open("wb")
        command = [find_sshd(), "-D", "-e", "-f", str(folder / "sshd_config")]
        if accounts:
            command = [*_with_accounts(folder / "accounts", accounts), *command]
        self._process = start_child(command, output=self._log)
        try:
            wait_until_listening(address, self.port, self._process, folder / "log")
        except BaseException:
            self.stop()
            raise

    @property
    def known_hosts(self) -> str:
        """Lines of known_hosts for this server."""
        return "".join(
            f"[{self.address}]:{self.port} {' '.join(Path(f'{file}.pub').read_text().split()[:2])}\n"
            for file in self.key_files
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        return Path(self._log.name).read_text(errors="replace")

    def stop(self) -> None:
        end_child(self._process)
        self._log.close()
        self._folder.cleanup()


@dataclass(frozen=True)
class FakeSshd(ThreadedServer):
    """An SSH server of paramiko's: lets in who it is told to, and behaves as it is told to.

    ``password`` and ``key`` (text of a public key) are what it accepts; without either, nobody gets in.
    ``forward`` makes it a jump host that connects to wherever it is asked to. ``prompts`` are what it asks, one request
    after the other, before it lets anybody in by keyboard-interactive; given any, it takes no password in another way.
    ``at_login`` is called at every attempt to log in, and may do what no server should.
    """

    behaviour: Behaviour
    host_key: paramiko.PKey
    password: str = ""
    key: str = ""
    banner: str = "SSH-2.0-lab"
    forward: bool = False
    prompts: tuple[tuple[tuple[str, bool], ...], ...] = ()
    at_login: Callable[[paramiko.Transport], None] = lambda _transport: None
    #: What was answered to prompts.
    answers: list[str] = field(default_factory=list)

    def conversation(self) -> Conversation:
        return self._converse

    def _converse(self, sock: socket.socket, ending: threading.Event) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport = paramiko.Transport(sock)
        # A client that goes is no news here, and paramiko would tell it on stderr.
        transport.set_log_channel("lab.silent")
        logging.getLogger("lab.silent").disabled = True
        transport.local_version = self.banner
        transport.add_server_key(self.host_key)
        door = _Door(self, transport)
        try:
            transport.start_server(server=door)
            while transport.is_active() and not ending.is_set():
                door.asked.wait(0.05)
                while door.commands:
                    channel, command = door.commands.pop()
                    door.asked.clear()
                    self.behaviour(channel, command)
        except (paramiko.SSHException, EOFError, OSError):
            pass
        finally:
            transport.close()


class _Door(paramiko.ServerInterface):
    def __init__(self, server: FakeSshd, transport: paramiko.Transport) -> None:
        self._server = server
        self._transport = transport
        self.asked = threading.Event()
        self._to_ask: list[tuple[tuple[str, bool], ...]] = []
        self.commands: list[tuple[paramiko.Channel, bytes]] = []

    def check_auth_password(self, username: str, password: str) -> int:
        if self._server.prompts:
            return paramiko.AUTH_FAILED
        self._server.at_login(self._transport)
        good = bool(self._server.password) and password == self._server.password
        return paramiko.AUTH_SUCCESSFUL if good else paramiko.AUTH_FAILED

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        good = key.get_base64() in self._server.key.split()
        return paramiko.AUTH_SUCCESSFUL if good else paramiko.AUTH_FAILED

    def check_auth_interactive(self, username: str, submethods: str) -> int | paramiko.InteractiveQuery:
        self._server.at_login(self._transport)
        self._to_ask = list(self._server.prompts)
        return self._ask()

    def check_auth_interactive_response(self, responses: list[str]) -> int | paramiko.InteractiveQuery:
        self._server.answers.extend(responses)
        return self._ask()

    def _ask(self) -> int | paramiko.InteractiveQuery:
        if self._to_ask:
            return paramiko.InteractiveQuery("", "", *self._to_ask.pop(0))
        good = self._server.password in self._server.answers
        return paramiko.AUTH_SUCCESSFUL if good else paramiko.AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "publickey,keyboard-interactive" if self._server.prompts else "publickey,password"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self.commands.append((channel, command))
        self.asked.set()
        return True

    def check_channel_direct_tcpip_request(
        self, chanid: int, origin: tuple[str, int], destination: tuple[str, int]
    ) -> int:
        if not self._server.forward:
            return paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
        try:
            onward = socket.create_connection(destination, timeout=5)
        except OSError:
            return paramiko.OPEN_FAILED_CONNECT_FAILED
        threading.Thread(target=self._carry, args=(chanid, onward), daemon=True).start()
        return paramiko.OPEN_SUCCEEDED

    def _carry(self, chanid: int, onward: socket.socket) -> None:
        channel = self._transport.accept(5)
        if channel is None or channel.get_id() != chanid:
            onward.close()
            return

        def back() -> None:
            try:
                while data := onward.recv(65536):
                    channel.sendall(data)
            except OSError:
                pass
            channel.close()

        threading.Thread(target=back, daemon=True).start()
        try:
            onward.settimeout(None)
            while data := channel.recv(65536):
                onward.sendall(data)
        except OSError:
            pass
        onward.close()


# --- What fake hosts do -------------------------------------------------------------------------------------


def read_input(channel: paramiko.Channel, most: int = 1_000_000) -> bytes:
    """What the client gives on standard input, to its end."""
    channel.settimeout(5)
    parts = []
    while sum(map(len, parts)) < most and (part := channel.recv(65536)):
        parts.append(part)
    return b"".join(parts)


def nonce_of(standard_input: bytes) -> str:
    found = re.search(rb"nonce ?= ?'?([0-9a-f]+)", standard_input)
    if found is None:
        raise LabError(f"no nonce in {standard_input[:80]!r}")
    return found[1].decode()


def reply(sections: dict[str, str], nonce: str, *, at: int | None = None, user: int = 1000) -> bytes:
    """A reply as the script writes it; each section ends as a command that ended well, unless it says otherwise."""
    out = f"\n{nonce} begin 1 {int(time.time()) if at is None else at} {user}\n".encode()
    for name, text in sections.items():
        body = text.encode("utf-8", "surrogateescape")
        if not re.search(rb"(\A|\n)=(late|cut|\d+)\Z", body):
            body += b"\n=0"
        body = body.removesuffix(b"\n=cut")
        out += f"\n{nonce} {name} {len(body)}\n".encode() + body
    return out + f"\n{nonce} end\n".encode()


def answer(make: Callable[[str], bytes], status: int = 0) -> Behaviour:
    """Reads the script and writes what ``make`` makes of its nonce."""

    def behave(channel: paramiko.Channel, command: bytes) -> None:
        channel.sendall(make(nonce_of(read_input(channel))))
        channel.send_exit_status(status)
        channel.close()

    return behave


def _with_accounts(folder: Path, accounts: tuple[Account, ...]) -> list[str]:
    """What a command is to be run by for the accounts to be there: this machine's own stay, and its files as they are."""
    folder.mkdir(mode=0o755)
    # An account must be able to get to its home.
    folder.parent.chmod(0o755)
    passwd, shadow = Path("/etc/passwd").read_text(), Path("/etc/shadow").read_text()
    for number, account in enumerate(accounts, 61001):
        home = folder / account.name
        home.mkdir(mode=0o755)
        for name, text in account.home.items():
            (home / name).write_text(text)
        for path in (home, *home.iterdir()):
            os.chown(path, number, 65534)
        passwd += f"{account.name}:x:{number}:65534::{home}:{account.shell}\n"
        hashed = _hash(account.password) if account.password else "*"
        # shadow(5): a last change on day 0 means that the password must be changed.
        shadow += f"{account.name}:{hashed}:{0 if account.expired else 20000}:0:99999:7:::\n"
    (folder / "passwd").write_text(passwd)
    (folder / "shadow").write_text(shadow)
    (folder / "shadow").chmod(0o600)
    mount = (
        'mount --bind "$1/passwd" /etc/passwd && mount --bind "$1/shadow" /etc/shadow && shift && exec "$@"'
    )
    return [_find("unshare", "util-linux"), "--mount", "/bin/sh", "-c", mount, "lab", str(folder)]


def _hash(password: str) -> str:
    done = subprocess.run(
        [_find("openssl", "openssl"), "passwd", "-6", "-stdin"],
        input=password,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def _find(tool: str, package: str) -> str:
    found = shutil.which(tool, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        raise MissingToolError(f"{tool} is not installed (package {package})")
    return found


def _in_brackets(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def free_port(address: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def wait_until_listening(address: str, port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection((address, port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise LabError(f"sshd does not listen: {log.read_text(errors='replace')[-500:]}")
