"""``[credentials.NAME]`` of secscan.toml: who logs in, and where the secret is kept, which is never in the file."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from secscan.credential import MOST_JUMPS, Credential, Jump
from secscan.language import _
from secscan.scope import canonical_address, canonical_name
from secscan.toml_source import (
    ConfigurationError,
    Loc,
    MisfitError,
    Mistake,
    Source,
    in_order,
    nearest,
    shown_value,
)

#: Keys under which a secret would be written down. No message about them shows the value.
_SECRETS = re.compile(
    r"(?!.*env).*(password|passphrase|passwd|secret|token).*|pass|pwd|pw|pin|private_key", re.IGNORECASE
)


def credentials_of(
    tables: Mapping[str, "CredentialTable"], source: Source, folder: Path
) -> Mapping[str, Credential]:
    """What the tables of ``source`` stand for; relative paths begin at ``folder``.

    Raises ConfigurationError where a jump host's login is unknown, or the way to a host is a circle or too long.
    """
    mistakes: list[Mistake] = []
    found: dict[str, Credential] = {}
    for name, table in tables.items():
        try:
            found[name] = _credential(name, table, _way(name, tables, ()), folder)
        except MisfitError as error:
            mistakes += [source.mistake(("credentials", *loc), message) for loc, message in error.parts]
    if mistakes:
        raise ConfigurationError(in_order(dict.fromkeys(mistakes)))
    return found


def _credential(name: str, table: "CredentialTable", way: tuple[Jump, ...], folder: Path) -> Credential:
    if len(way) > MOST_JUMPS:
        message = _("the way to a host leads over {count} jump hosts; {limit} are the most").format(
            count=len(way), limit=MOST_JUMPS
        )
        raise MisfitError(((name, "jump"), message))
    return Credential(
        name=name,
        user=table.user,
        port=table.port,
        key_file=_path(name, "key_file", table.key_file, folder),
        certificate=_path(name, "certificate", table.certificate, folder),
        agent=table.agent,
        password_env=table.password_env,
        keyring=table.keyring,
        jump=way,
        sudo=table.sudo,
    )


def _way(name: str, tables: Mapping[str, "CredentialTable"], above: tuple[str, ...]) -> tuple[Jump, ...]:
    """Every jump host on the way, in order: first those on the way to the first one, which its own login names.

    The others are reached from the one before, whatever their logins say; so does ssh(1) with a list for ``-J``.
    """
    way: list[Jump] = []
    for number, jump in enumerate(tables[name].jump):
        login = jump.credential or name
        if login not in tables:
            raise MisfitError(((name, "jump", number, "credential"), _unknown(login, tables)))
        if number == 0 and login != name:
            if login in above:
                circle = " -> ".join((*above[above.index(login) :], name, login))
                message = _("these logins lead over one another in a circle: {circle}").format(circle=circle)
                raise MisfitError(((name, "jump", number, "credential"), message))
            way += _way(login, tables, (*above, name))
        stop = Jump(jump.address, jump.port, login)
        if any((passed.address, passed.port) == (stop.address, stop.port) for passed in way):
            message = _("the way leads over {address} twice; take one out").format(address=stop.address)
            raise MisfitError(((name, "jump", number, "address"), message))
        way.append(stop)
    return tuple(way)


def _unknown(login: str, tables: Mapping[str, Any]) -> str:
    message = _("there is no table [credentials.{name}]").format(name=login)
    guess = nearest(login, tables)
    return message + _("; did you mean '{guess}'?").format(guess=guess) if guess else message


def _path(name: str, key: str, text: str, folder: Path) -> Path | None:
    if not text:
        return None
    try:
        return folder.absolute() / Path(text).expanduser()
    except RuntimeError as error:
        message = _("{value}: this machine has no such account").format(value=shown_value(text))
        raise MisfitError(((name, key), message)) from error


# --- The tables -----------------------------------------------------------------------------------------


def _account(text: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_.$@\\-]{1,64}", text, re.ASCII):
        return text
    # What is here by mistake may be anything, a login with its password among it.
    raise ValueError(_("is not the name of an account; write that alone"))


def _variable(value: Any) -> Any:
    # Small letters are refused because passwords have them: one that was written here must not pass as a name, and
    # be shown wherever the name is.
    if isinstance(value, str) and re.fullmatch(r"[A-Z_][A-Z0-9_]{0,99}", value, re.ASCII):
        return value
    raise ValueError(
        _(
            "is not the name of an environment variable in capitals; write that, such as SECSCAN_PASSWORD, and the"
            " secret into the variable"
        )
    )


def _service(value: Any) -> Any:
    if isinstance(value, str) and 0 < len(value) <= 100 and value.isprintable():
        return value
    raise ValueError(_("is not the name of a service in the keyring; up to 100 characters that can be seen"))


def _file(value: Any) -> Any:
    if isinstance(value, str) and "\n" not in value and "-----BEGIN" not in value:
        return value
    raise ValueError(_("is not the path of a file; keys are never in this one"))


def _destination(text: str) -> str:
    for canonical in (canonical_address, canonical_name):
        try:
            return canonical(text)
        except ValueError:
            continue
    raise ValueError(_("is neither an address nor a name; user and port have keys of their own"))


def _no_secret(value: Any) -> Any:
    """Before anything else is said of a table: what else is said may show values."""
    if not isinstance(value, dict):
        raise ValueError(_("expected a table, such as [credentials.audit]"))
    wrong = [key for key in value if _SECRETS.fullmatch(key)]
    if wrong:
        message = _(
            "a secret never belongs in this file: take it out, change it, and name where it is kept with"
            " password_env, keyring, key_file or agent"
        )
        raise MisfitError(*(((key,), message) for key in wrong))
    return value


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class JumpTable(_Table):
    """A jump host."""

    address: Annotated[str, AfterValidator(_destination)]
    port: int = Field(default=22, ge=1, le=65535)
    credential: str = Field(default="", max_length=100)


class CredentialTable(_Table):
    """One login, key by key."""

    user: Annotated[str, AfterValidator(_account)]
    port: int = Field(default=22, ge=1, le=65535)
    key_file: Annotated[str, BeforeValidator(_file)] = ""
    certificate: Annotated[str, BeforeValidator(_file)] = ""
    agent: bool = False
    password_env: Annotated[str, BeforeValidator(_variable)] = ""
    keyring: Annotated[str, BeforeValidator(_service)] = ""
    sudo: bool = False
    jump: list[Annotated[JumpTable, BeforeValidator(_no_secret)]] = []

    @model_validator(mode="after")
    def _usable(self) -> "CredentialTable":
        parts = list(self._mistakes())
        if parts:
            raise MisfitError(*parts)
        return self

    def _mistakes(self) -> Iterator[tuple[Loc, str]]:
        if not (self.agent or self.key_file or self.password_env or self.keyring):
            yield (), _("gives no way to log in; set agent, key_file, password_env or keyring")
        if self.certificate and not self.key_file:
            yield ("certificate",), _("needs the key_file that it was issued for")
        if self.password_env and self.keyring:
            yield ("keyring",), _("there is password_env as well; keep one")


Credentials = dict[
    Annotated[str, Field(min_length=1, max_length=100)],
    Annotated[CredentialTable, BeforeValidator(_no_secret)],
]
