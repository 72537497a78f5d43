"""One scanner as the tests of logging in use it: its known_hosts and credentials, and what it gets of a host."""

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import paramiko
import pytest

from secscan.collection.ssh import Credential, SshCollector, SshSettings
from secscan.collection.ssh.reply import KINDS
from secscan.model import Host, HostTarget, Observation, Reason, Record, Unobserved
from secscan.scope import Gate
from tests.lab.servers.listening import LabError
from tests.lab.servers.tools import MissingToolError
from tests.lab.ssh import Sshd, find_sshd

ADDRESS = "127.0.0.1"
WORD = "correct horse battery staple"
#: A host that says little: Debian with one package.
SMALL = {
    "release": "ID=debian\nVERSION_ID=12\nPRETTY_NAME=x",
    "uname": "Linux\n6.1.0-1-amd64\nx86_64",
    "dpkg": "ii \tbash\t5.2-1\tamd64\tbash\t5.2-1",
}
#: Lets in and runs nothing: whoever gets UNREADABLE was logged in, and it takes no time.
SHUT = "ForceCommand /bin/true\n"


class World:
    def __init__(self, folder: Path, gate: Gate) -> None:
        self.folder, self.gate = folder, gate
        self.known_hosts = folder / "known_hosts"

    def know(self, port: int, key: paramiko.PKey, *, address: str = ADDRESS) -> None:
        with self.known_hosts.open("a") as file:
            file.write(f"[{address}]:{port} {key.get_name()} {key.get_base64()}\n")

    def ask(
        self,
        credential: Credential,
        *more: Credential,
        deadline: float = 20.0,
        addresses: tuple[str, ...] = (ADDRESS,),
    ) -> list[Record]:
        """Records of every kind that a reply gives; how the login itself went is another kind's matter."""
        collector = SshCollector(
            {"web1": Host("web1", addresses, credential=credential.name)},
            {},
            {c.name: c for c in (credential, *more)},
            self.known_hosts,
            SshSettings(deadline=deadline),
            environment={"PASSWORD": WORD, "WRONG": "wrong"},
            keyring=lambda service, user: WORD if service == "lab" else None,
        )
        records = list(collector.collect([HostTarget("web1")], self.gate))
        assert sorted(record.kind for record in records) == sorted(collector.kinds)
        return [record for record in records if record.kind in KINDS]

    def refusal(
        self,
        credential: Credential,
        *more: Credential,
        deadline: float = 20.0,
        addresses: tuple[str, ...] = (ADDRESS,),
    ) -> tuple[Reason, str]:
        """Why nothing at all was seen."""
        records = self.ask(credential, *more, deadline=deadline, addresses=addresses)
        unseen = {(r.reason, r.detail) for r in records if isinstance(r, Unobserved)}
        seen = [record.kind for record in records if isinstance(record, Observation)]
        assert (len(unseen), seen) == (1, [])
        return unseen.pop()

    def gets_in(
        self, credential: Credential, *more: Credential, addresses: tuple[str, ...] = (ADDRESS,)
    ) -> bool:
        """Whether a host that is SHUT lets in."""
        reason, detail = self.refusal(credential, *more, addresses=addresses)
        return reason is Reason.UNREADABLE and "ran no script" in detail

    def seen(self, credential: Credential, *more: Credential, kind: str = "packages") -> Record:
        return next(record for record in self.ask(credential, *more) if record.kind == kind)


def needs_sshd() -> None:
    try:
        find_sshd()
    except MissingToolError as e:
        pytest.skip(str(e))


def with_password(port: int, **changes: object) -> Credential:
    return Credential("c", "scanner", **{"port": port, "password_env": "PASSWORD", **changes})  # type: ignore[arg-type] # any


def account() -> str:
    return pwd.getpwuid(os.getuid()).pw_name


def of_key(sshd: Sshd, key: Path, **changes: object) -> Credential:
    return Credential("c", account(), **{"port": sshd.port, "key_file": key, **changes})  # type: ignore[arg-type] # any


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (package openssh-client)")
    return found


def public(key: Path) -> str:
    return Path(f"{key}.pub").read_text()


def sign(authority: Path, key: Path, *options: str) -> None:
    """Makes the certificate of a key, beside it."""
    command = [tool("ssh-keygen"), "-q", "-s", str(authority), "-I", "lab", "-n", account(), *options]
    subprocess.run([*command, f"{key}.pub"], check=True)


def wait(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not condition():
        if time.monotonic() > until:
            raise LabError("waited for 10 s")
        time.sleep(0.02)
