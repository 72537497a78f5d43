"""secscan.toml: which baseline, which language, and how hosts are looked at."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from secscan.credential import Credential
from secscan.facts.ports import port_ranges, ports_in
from secscan.language import _
from secscan.scope import canonical_zone
from secscan.toml_source import parse, read_toml, shown_value
from secscan.workspace.credentials import Credentials, credentials_of


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator set, or the defaults. ``workers`` None: one for each core; ``deadline``: seconds a target.

    ``udp``: whether the short list of UDP ports is asked, too; ``zone``: the network zone that scans look from.

    ``ports`` is ``top-N`` or ranges such as ``22,443,8000-8100``. ``ssh_deadline``: seconds a host may take when it is
    looked at from the inside; ``ssh_at_once``: how many are at a time. ``credentials`` are logins by name, each with
    its jump hosts in the order of the way.
    """

    profile: str = "baseline"
    language: str = "en"
    time_zone: str = "Asia/Ho_Chi_Minh"
    workers: int | None = None
    deadline: float = 60.0
    ports: str = "top-1000"
    version_detection: bool = True
    udp: bool = True
    zone: str = ""
    ssh_deadline: float = 60.0
    ssh_at_once: int = 16
    #: Whether letters tell of a finding halfway to its deadline, too; and how long after it, and again since.
    letters_half: bool = True
    letters_every: timedelta = timedelta(days=7)
    credentials: Mapping[str, Credential] = field(default_factory=dict)


def load_settings(folder: Path) -> Settings:
    """The settings of the workspace ``folder``. Raises ConfigurationError with every mistake."""
    source = read_toml(folder / "secscan.toml")
    file = parse(source, SettingsFile)
    return Settings(
        profile=file.profile,
        language=file.language,
        time_zone=file.time_zone,
        workers=file.collection.workers,
        deadline=file.collection.deadline,
        ports=file.collection.ports.default,
        version_detection=file.collection.ports.version_detection,
        udp=file.collection.ports.udp,
        zone=file.collection.zone,
        ssh_deadline=file.ssh.deadline,
        ssh_at_once=file.ssh.at_once,
        letters_half=file.letters.half,
        letters_every=timedelta(days=file.letters.every_days),
        credentials=credentials_of(file.credentials, source, folder),
    )


def _ports(text: str) -> str:
    try:
        if top := re.fullmatch(r"top-([1-9][0-9]{0,4})", text):
            if int(top[1]) <= 65535:
                return text
        elif re.fullmatch(r"[0-9,\s-]+", text, re.ASCII):
            numbers = ports_in(text)
            if numbers and 0 not in numbers:
                return port_ranges(numbers)
    except ValueError:
        pass
    message = _('{value} is not a list of ports; write "top-1000", or ranges such as "22,443,8000-8100"')
    raise ValueError(message.format(value=shown_value(text)))


_DEFAULT = Settings()


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Ports(_Table):
    default: Annotated[str, AfterValidator(_ports)] = _DEFAULT.ports
    version_detection: bool = _DEFAULT.version_detection
    udp: bool = _DEFAULT.udp


class _Collection(_Table):
    workers: int | None = Field(default=None, ge=1, le=256)
    deadline: float = Field(default=_DEFAULT.deadline, ge=1, le=3600)
    ports: _Ports = _Ports()
    zone: str = Field(default="", max_length=100)


class _Ssh(_Table):
    deadline: float = Field(default=_DEFAULT.ssh_deadline, ge=1, le=3600)
    at_once: int = Field(default=_DEFAULT.ssh_at_once, ge=1, le=256)


class _Letters(_Table):
    half: bool = _DEFAULT.letters_half
    every_days: int = Field(default=_DEFAULT.letters_every.days, ge=1, le=365)


class SettingsFile(_Table):
    """The file, key by key."""

    profile: str = Field(default=_DEFAULT.profile, min_length=1, max_length=200)
    language: Literal["en", "vi"] = "en"
    time_zone: Annotated[str, AfterValidator(canonical_zone)] = _DEFAULT.time_zone
    collection: _Collection = _Collection()
    ssh: _Ssh = _Ssh()
    letters: _Letters = _Letters()
    credentials: Credentials = Field(default_factory=dict)
