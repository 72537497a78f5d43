"""Workspaces whose hosts are looked at from the inside: a real sshd or two, and a login for each."""

import os
import pwd
from pathlib import Path

import pytest

from tests.lab.servers.tools import MissingToolError
from tests.lab.ssh import find_sshd, make_key


def needs_sshd() -> None:
    """Skips where there is none."""
    try:
        find_sshd()
    except MissingToolError as e:
        pytest.skip(str(e))


def account() -> str:
    return pwd.getpwuid(os.getuid()).pw_name


def host(id: str, address: str, *, names: str = "", credential: str = "audit") -> str:
    lines = ["[[host]]", f'id = "{id}"', f'addresses = ["{address}"]']
    if names:
        lines += [f'names = ["{names}"]', "resolve = false"]
    if credential:
        lines.append(f'credential = "{credential}"')
    return "\n".join(lines) + "\n\n"


def login(name: str, port: int, *, key: str = "id", user: str = "", jump: str = "") -> str:
    table = f'[credentials.{name}]\nuser = "{user or account()}"\nport = {port}\nkey_file = "{key}"\n'
    return table + (f"jump = [{jump}]\n" if jump else "") + "\n"


def write_inside(
    folder: Path, hosts: str, logins: str, *, networks: str = "127.0.0.0/8", profile: str = "network"
) -> Path:
    """A workspace with a key pair ``id`` in it. Answers its folder."""
    (folder / "inventory").mkdir(parents=True)
    (folder / "secscan.toml").write_text(f'profile = "{profile}"\n\n{logins}', "utf-8")
    (folder / "scope.toml").write_text(
        f'owner = "Lab"\nexpires = 9999-12-31\nnetworks = ["{networks}"]\n', "utf-8"
    )
    (folder / "inventory" / "one.toml").write_text(
        f'[agency]\nid = "one"\nnames = {{ en = "One" }}\n\n{hosts}', "utf-8"
    )
    make_key(folder / "id")
    return folder
