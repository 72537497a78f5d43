"""How to log in to a host: an account and where its key or password is kept. Never the secret itself."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from secscan.language import _

#: Name of an environment variable -> its value. Tests give their own.
Environment = Mapping[str, str]
#: Service and user -> the password a keyring holds, or None.
Keyring = Callable[[str, str], str | None]

#: The longest way to a host: more jump hosts than this are a mistake, or a circle.
MOST_JUMPS = 8

_ACCOUNT = re.compile(r"[A-Za-z0-9_.$@\\-]{1,64}", re.ASCII)


class CredentialError(ValueError):
    """A credential that can't be used as it is written; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Jump:
    """A jump host on the way. ``address`` is an address or a name; ``credential`` names how to log in to it."""

    address: str
    port: int = 22
    credential: str = ""


@dataclass(frozen=True, slots=True)
class Credential:
    """What a credential's name stands for.

    Tried in this order, so far as it is given: the key file (with the certificate beside it, as ``ssh-keygen``
    names it, or ``certificate``), by the SSH agent where that holds it; the agent's other keys; the password. The
    secret, of ``password_env`` or ``keyring``, opens the key file where there is one, and is the account's password where there is none.
    ``sudo`` lets the script ask sudo, without a password, for what only root can read.
    """

    name: str
    user: str
    port: int = 22
    key_file: Path | None = None
    certificate: Path | None = None
    agent: bool = False
    password_env: str = ""
    keyring: str = ""
    jump: tuple[Jump, ...] = ()
    sudo: bool = False

    def __post_init__(self) -> None:
        if not _ACCOUNT.fullmatch(self.user):
            raise CredentialError(
                _("credential {credential!r}: {user!r} is not the name of an account").format(
                    credential=self.name, user=self.user[:64]
                )
            )
        for port in (self.port, *(jump.port for jump in self.jump)):
            if not 0 < port < 65536:
                raise CredentialError(
                    _("credential {credential!r}: a port is 1 to 65535, not {port}").format(
                        credential=self.name, port=port
                    )
                )
        if not (self.agent or self.key_file or self.password_env or self.keyring):
            raise CredentialError(
                _(
                    "credential {credential!r} gives no way to log in; set agent, key_file, password_env or "
                    "keyring"
                ).format(credential=self.name)
            )
        if self.certificate is not None and self.key_file is None:
            raise CredentialError(
                _("credential {credential!r}: certificate needs the key_file it was issued for").format(
                    credential=self.name
                )
            )
        if self.password_env and self.keyring:
            raise CredentialError(
                _("credential {credential!r}: give password_env or keyring, not both").format(
                    credential=self.name
                )
            )
        if len(self.jump) > MOST_JUMPS:
            raise CredentialError(
                _("credential {credential!r}: at most {most} jump hosts, not {count}").format(
                    credential=self.name, most=MOST_JUMPS, count=len(self.jump)
                )
            )


def find_secret(
    credential: Credential, *, environment: Environment | None = None, keyring: Keyring | None = None
) -> str | None:
    """The password or passphrase a credential points to; None where it points to none.

    Raises CredentialError where it points to nothing. The message never holds what was found.
    """
    if credential.password_env:
        secret = (os.environ if environment is None else environment).get(credential.password_env)
        if not secret:
            raise CredentialError(
                _("credential {credential!r}: the environment variable {password_env} is not set").format(
                    credential=credential.name, password_env=credential.password_env
                )
            )
        return secret
    if credential.keyring:
        secret = (keyring or _system_keyring)(credential.keyring, credential.user)
        if not secret:
            raise CredentialError(
                _(
                    "credential {credential!r}: the keyring has no entry {keyring!r} for {user!r}; store it "
                    "with: keyring set {keyring} {user}"
                ).format(credential=credential.name, keyring=credential.keyring, user=credential.user)
            )
        return secret
    return None


def _system_keyring(service: str, user: str) -> str | None:
    # Imported here: finding its backends takes a tenth of a second, and most installations use none.
    try:
        import keyring
        import keyring.errors
    except ImportError:
        raise CredentialError(
            _("reading passwords from a keyring needs the package keyring; install it")
        ) from None
    try:
        secret: str | None = keyring.get_password(service, user)
    except keyring.errors.KeyringError as e:
        raise CredentialError(
            _("the keyring can't be read: {problem}").format(problem=type(e).__name__)
        ) from e
    return secret
