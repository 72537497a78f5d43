"""Windows over OpenSSH: one PowerShell script, its reply as JSON in a frame, and the facts of it.

There was no Windows to try it on: script and parser follow Microsoft's documentation of the registry keys and classes
they read, and the replies in the tests are composed, not captured. tools/capture_windows.py takes a real one.
"""

import base64
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from typing import Any

from secscan.collection.ssh.backups.windows import windows_backup_facts
from secscan.collection.ssh.framing import Reply, Section, read_reply
from secscan.collection.ssh.reading import bounded, quoted
from secscan.collection.ssh.reply import KINDS
from secscan.collection.ssh.system import Clock, clock_offset
from secscan.facts import (
    BackupFacts,
    Facts,
    Gap,
    PackageFacts,
    Reading,
    Release,
    SystemFacts,
    UpdateFacts,
)
from secscan.facts.kind import encodable
from secscan.model import Reason

#: The shell behind Windows' sshd may be cmd.exe, which takes no more than 8191 characters, and quotes in its own way:
#: what starts is short and without quotes, and reads the script from its input.
_BOOTSTRAP = "& ([scriptblock]::Create([Console]::In.ReadToEnd()))"
WINDOWS_COMMAND = "powershell.exe -NoProfile -NonInteractive -EncodedCommand " + base64.b64encode(
    _BOOTSTRAP.encode("utf-16-le")
).decode("ascii")

_SECTION = "windows"
_NOT_READ = Gap(Reason.NOT_COLLECTED, "secscan does not read this on Windows yet")
#: What is installed there besides belongs to no package manager, and Windows' own updates are counted as hotfixes.
_NO_PACKAGES = Gap(
    Reason.NOT_COLLECTED,
    "nothing that can be imported says which updates Windows lacks; only what it says itself is judged",
)
_HOTFIX = re.compile(r"KB[0-9]{4,9}")
#: Windows.UpdateServices: 4 downloads and installs by itself (AUOptions); 2 and 3 only say that there is something.
_INSTALLS = 4


@dataclass(frozen=True, slots=True)
class WindowsRun:
    """One run of the PowerShell script."""

    nonce: str

    @classmethod
    def new(cls) -> "WindowsRun":
        return cls(secrets.token_hex(16))

    @property
    def standard_input(self) -> bytes:
        return f"$nonce = '{self.nonce}'\n{windows_script()}".encode("ascii")


def windows_script() -> str:
    return resources.files("secscan.collection.ssh").joinpath("script.ps1").read_text(encoding="utf-8")


def windows_facts(
    run: WindowsRun, output: bytes, status: int | None, clock: Clock | None
) -> Mapping[str, Facts | Gap]:
    """Facts of kinds system, updates and backups; of the others, why there are none."""
    reply = read_reply(output, run.nonce)
    if isinstance(reply, Gap):
        missing = status in (1, 127) and b"powershell" in output.lower()
        gap = Gap(Reason.TOOL_MISSING, "the host has no PowerShell") if missing else reply
        return dict.fromkeys(KINDS, gap)
    said = _said(reply)
    if isinstance(said, Gap):
        return dict.fromkeys(KINDS, said)
    facts: dict[str, Facts | Gap] = dict.fromkeys(KINDS, _NOT_READ)
    facts[PackageFacts.kind] = _NO_PACKAGES
    facts[SystemFacts.kind] = _system(said, reply, clock)
    facts[UpdateFacts.kind] = _updates(said)
    facts[BackupFacts.kind] = windows_backup_facts(said)
    return facts


def _said(reply: Reply) -> dict[str, Any] | Gap:
    section = reply.section(_SECTION)
    if not isinstance(section, Section):
        return section
    try:
        said = _made_encodable(json.loads(section.text))
    except (ValueError, RecursionError):
        return Gap(Reason.UNPARSED, f"windows: not JSON: {quoted(section.text)}")
    return (
        said
        if isinstance(said, dict)
        else Gap(Reason.UNPARSED, f"windows: no object: {quoted(section.text)}")
    )


def _made_encodable(value: Any) -> Any:
    """JSON may name halves of surrogate pairs, that no file and no other process can be told of."""
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, dict):
        return {encodable(key): _made_encodable(inner) for key, inner in value.items()}
    return [_made_encodable(inner) for inner in value] if isinstance(value, list) else value


def _system(said: dict[str, Any], reply: Reply, clock: Clock | None) -> SystemFacts:
    build, revision = _text(said, "build"), _text(said, "revision")
    release: Reading[Release]
    if isinstance(build, Gap):
        release = build
    else:
        name, version = _text(said, "product"), _text(said, "version")
        release = Release(
            id="windows-server" if _text(said, "type") == "Server" else "windows",
            version=version if isinstance(version, str) else "",
            name=name if isinstance(name, str) else "",
            build=build if isinstance(revision, Gap) else f"{build}.{revision}",
        )
    architecture, kernel = _text(said, "architecture"), _text(said, "kernel")
    return SystemFacts(
        family="windows",
        release=release,
        architecture=architecture if isinstance(architecture, str) else "",
        kernel=kernel if isinstance(kernel, str) else "",
        kernels=_NOT_READ,
        booted_at=_instant(said, "booted"),
        reboot_required=_flag(said, "reboot"),
        reboot_packages=_NOT_READ,
        outdated_programs=_NOT_READ,
        clock_offset=clock_offset(reply, clock),
        clock_synchronised=_flag(said, "synchronised"),
    )


def _updates(said: dict[str, Any]) -> UpdateFacts:
    return UpdateFacts(
        pending=_NOT_READ,
        repositories=_NOT_READ,
        metadata_at=_instant(said, "searched"),
        automatic=_automatic(said),
        changed_at=_instant(said, "installed"),
        hotfixes=_hotfixes(said),
    )


def _automatic(said: dict[str, Any]) -> Reading[bool]:
    """A policy wins over the machine's own setting; without either, Windows installs updates by itself."""
    if said.get("updates-off") is True:
        return False
    options = said.get("options")
    if options is None:
        return Gap(Reason.UNREADABLE, "options: the host does not say")
    if not isinstance(options, int) or isinstance(options, bool):
        return Gap(Reason.UNPARSED, f"options: not understood: {str(options)[:80]!r}")
    # 5 leaves the choice to the machine's administrator, 7 (Server 2016 on) only tells; 0 is "not configured".
    return options in (0, _INSTALLS)


def _hotfixes(said: dict[str, Any]) -> Reading[tuple[str, ...]]:
    found = said.get("hotfixes")
    if isinstance(found, str):
        found = [found]  # PowerShell unwraps a list of one
    if found is None:
        return Gap(Reason.UNREADABLE, "hotfixes: the host does not say")
    if not isinstance(found, list) or len(found) > 5000:
        return Gap(Reason.UNPARSED, f"hotfixes: not understood: {str(found)[:80]!r}")
    wrong = [fix for fix in found if not isinstance(fix, str) or not _HOTFIX.fullmatch(fix)]
    if wrong:
        return Gap(Reason.UNPARSED, f"hotfixes: not understood: {str(wrong[0])[:80]!r}")
    return tuple(sorted(set(found)))


def _text(said: dict[str, Any], key: str) -> Reading[str]:
    value = said.get(key)
    if value is None:
        return Gap(Reason.UNREADABLE, f"{key}: the host does not say")
    if isinstance(value, bool) or not isinstance(value, str | int):
        return Gap(Reason.UNPARSED, f"{key}: not understood: {str(value)[:80]!r}")
    return bounded(str(value)[:1000])


def _flag(said: dict[str, Any], key: str) -> Reading[bool]:
    value = said.get(key)
    if isinstance(value, bool):
        return value
    if value is None:
        return Gap(Reason.UNREADABLE, f"{key}: the host does not say")
    return Gap(Reason.UNPARSED, f"{key}: not understood: {str(value)[:80]!r}")


def _instant(said: dict[str, Any], key: str) -> Reading[datetime]:
    """Seconds since 1970, as the script has reckoned them."""
    value = said.get(key)
    if value is None:
        return Gap(Reason.UNREADABLE, f"{key}: the host does not say")
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 253402300799:
        return Gap(Reason.UNPARSED, f"{key}: not understood: {str(value)[:80]!r}")
    return datetime.fromtimestamp(value, UTC)
