"""How ``audit --ssh`` logs in: the user named, what ~/.ssh/config says of each host, and where keys usually are."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from secscan.collection.ssh import HostOptions, read_options
from secscan.credential import Credential, Jump
from secscan.engine.targets import Named, reached_at
from secscan.language import _

#: Where ssh-keygen puts keys when nobody tells it otherwise, in the order in which ssh(1) tries them.
USUAL_KEYS = ("id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk")


class LoginError(ValueError):
    """A login that can't be used as it was asked for: says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked for on the command line. ``port`` and ``key_file`` None: as ~/.ssh/config has it.

    ``config`` is None where there is no such file to look at; ``agent``: an SSH agent is running.
    """

    user: str
    port: int | None = None
    key_file: Path | None = None
    password_env: str = ""
    jumps: Sequence[str] = ()
    sudo: bool = False
    agent: bool = False
    config: Path | None = None
    home: Path


def logins(
    targets: Sequence[Named], asked: Asked
) -> tuple[tuple[Named, ...], Mapping[str, Credential], frozenset[str]]:
    """The targets where they really are, a credential for each, named as it is, and the jump hosts on the way.

    Raises LoginError, SshConfigError, TargetError, CredentialError.
    """
    found: dict[str, Credential] = {}
    places: list[Named] = []
    on_the_way: set[str] = set()
    for target in targets:
        options = _options(asked, target.host)
        places.append(reached_at(target, options.host_name) if options.host_name else target)
        written = asked.jumps or options.jumps
        jumps = tuple(_jump(text, target.host, asked, found) for text in written)
        on_the_way.update(jump.address for jump in jumps)
        found[target.host] = _credential(target.host, asked.user, asked.port, options, asked, jumps)
    return tuple(places), found, frozenset(on_the_way)


def _options(asked: Asked, host: str) -> HostOptions:
    return HostOptions() if asked.config is None else read_options(asked.config, host, home=asked.home)


def _jump(text: str, host: str, asked: Asked, found: dict[str, Credential]) -> Jump:
    """``[USER@]HOST[:PORT]``, and what ~/.ssh/config says of that host but not its own jump hosts: ssh(1), -J."""
    shape = re.fullmatch(
        r"(?:ssh://)?(?:(?P<user>[^@\s]+)@)?(?P<host>\[[^\]]+\]|[^:@\s\[\]]+)(?::(?P<port>[0-9]{1,5}))?", text
    )
    if shape is None:
        raise LoginError(
            _("{text!r} is no jump host for {host}; write [USER@]HOST[:PORT]").format(text=text, host=host)
        )
    name = shape["host"].strip("[]")
    options = _options(asked, name)
    login = f"{host} by {text}"
    user = shape["user"] or options.user or asked.user
    port = int(shape["port"]) if shape["port"] else None
    key_file = asked.key_file or _first_there(options.identity_files)
    if asked.password_env and key_file is None:
        # The password is the host's: a jump host that is not what it seems would have it.
        asked = replace(asked, password_env="")
        if not asked.agent and _usual_key(asked) is None:
            raise LoginError(
                _(
                    "the jump host {text!r} needs a key or an SSH agent: the password of --password-env is "
                    "sent to {host} alone; name a key with --identity, or write credentials for both into "
                    "secscan.toml"
                ).format(text=text, host=host)
            )
    found[login] = _credential(login, user, port, options, asked, ())
    return Jump(options.host_name or name, found[login].port, login)


def _credential(
    name: str, user: str, port: int | None, options: HostOptions, asked: Asked, jumps: tuple[Jump, ...]
) -> Credential:
    key_file = asked.key_file or _first_there(options.identity_files) or _usual_key(asked)
    if key_file is None and not asked.agent and not asked.password_env:
        raise LoginError(
            _(
                "there is nothing to log in to {name} with: no SSH agent is running, and there is no key "
                "in {folder}; name a key with --identity, or the variable that holds a password with "
                "--password-env"
            ).format(name=name, folder=asked.home / ".ssh")
        )
    return Credential(
        name=name,
        user=user,
        port=port or options.port or 22,
        key_file=key_file,
        agent=asked.agent,
        password_env=asked.password_env,
        jump=jumps,
        sudo=asked.sudo,
    )


def _first_there(files: Sequence[Path]) -> Path | None:
    return next((file for file in files if file.is_file()), None)


def _usual_key(asked: Asked) -> Path | None:
    # A password that was asked for is the account's, not that of a key which happens to lie around.
    if asked.agent or asked.password_env:
        return None
    return _first_there([asked.home / ".ssh" / name for name in USUAL_KEYS])
