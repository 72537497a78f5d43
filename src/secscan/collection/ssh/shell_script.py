"""The script as it is sent to a host, and what to make of an answer that holds no reply of it."""

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources

from secscan.collection.ssh.framing import Reply, read_reply
from secscan.facts import Gap
from secscan.model import Reason

#: Bytes of one reading. The database of a host with 10,000 packages has 1 MB.
MOST_OF_A_READING = 4_000_000

#: The shell reads the script from its input: so the nonce is in no list of processes.
COMMAND = "exec /bin/sh -s"

_QUOTED = 200

#: Where the script's own definitions end, and it begins to run.
_START = 'if [ -z "${nonce-}" ]; then\n'

#: What a pattern may be made of: nothing that means anything to a shell but ``*`` and ``?``.
_PATTERN = re.compile(r"/[A-Za-z0-9._/*?+@=:,%-]{1,199}", re.ASCII)
#: So many a host are asked for; an inventory that declares more is refused.
MOST_PATTERNS = 200


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the script. ``budget``: seconds in which it begins readings; what is late is said to be."""

    nonce: str
    budget: int
    sudo: bool = False
    #: Patterns of files that the inventory declares as backups; only those of ``asked_for``.
    declared: tuple[str, ...] = ()

    @classmethod
    def new(cls, *, budget: int, sudo: bool = False, declared: Iterable[str] = ()) -> "Run":
        return cls(secrets.token_hex(16), budget, sudo, asked_for(declared))

    @property
    def standard_input(self) -> bytes:
        first = f"nonce={self.nonce} budget={self.budget} limit={MOST_OF_A_READING} sudo={int(self.sudo)}"
        # A shell takes this as an assignment; behind a forced command it is read as text, quotes and all.
        first += f" declared='{' '.join(self.declared)}'\n"
        return first.encode("ascii") + _stripped_script()

    def read(self, output: bytes, status: int | None) -> Reply | Gap:
        """The reply in what a host wrote; a Gap that says what is to be made of it where there is none."""
        reply = read_reply(output, self.nonce)
        if isinstance(reply, Reply):
            return reply
        said = _quote(output)
        if status == 127:
            return Gap(Reason.TOOL_MISSING, f"the host has no /bin/sh that could run the script{said}")
        if status is None:
            return Gap(Reason.MALFORMED, f"the host closed the connection before the script began{said}")
        if output.strip():
            return Gap(
                Reason.UNREADABLE, f"the account's shell ended with status {status} without the script{said}"
            )
        return Gap(Reason.UNREADABLE, f"the account's shell ended with status {status} and ran no script")


def asked_for(patterns: Iterable[str]) -> tuple[str, ...]:
    """Of declared patterns those that a host can be asked for: absolute, of harmless characters, at most 200."""
    sound = (p for p in patterns if _PATTERN.fullmatch(p) and "/../" not in f"{p}/")
    return tuple(dict.fromkeys(sound))[:MOST_PATTERNS]


def backup_commands(folder: str) -> tuple[str, ...]:
    """What the script asks sudo for, of a folder with backups that the account can't look into."""
    return tuple(
        f"/usr/bin/find {folder} {' '.join(words.split())}"
        for words in re.findall(
            r"^(?:listed|read)_by_root\(\) \{\n    put '(.*?)'\n", script_text(), re.M | re.S
        )
    )


@cache
def script_text() -> str:
    """The script as it is shipped, for whoever installs it on a host as a forced command."""
    folder = resources.files("secscan.collection.ssh")
    script = folder.joinpath("script.sh").read_text(encoding="utf-8")
    # Functions have to be there before the last lines call them.
    before, start, after = script.partition(_START)
    return before + folder.joinpath("backups.sh").read_text(encoding="utf-8") + start + after


@cache
def _stripped_script() -> bytes:
    """Without comments and indentation: half the bytes. Of text that spans lines none minds that."""
    lines = (line.lstrip() for line in script_text().splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("#")).encode("ascii")


def _quote(output: bytes) -> str:
    text = re.sub(r"\s+", " ", output[: 4 * _QUOTED].decode("utf-8", "replace")).strip()
    return f"; it said {text[:_QUOTED]!r}" if text else ""
