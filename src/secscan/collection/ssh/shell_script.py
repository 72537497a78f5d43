"""The script as it is sent to a host, and what to make of an answer that holds no reply of it."""

import re
import secrets
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


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the script. ``budget``: seconds in which it begins readings; what is late is said to be."""

    nonce: str
    budget: int
    sudo: bool = False

    @classmethod
    def new(cls, *, budget: int, sudo: bool = False) -> "Run":
        return cls(secrets.token_hex(16), budget, sudo)

    @property
    def standard_input(self) -> bytes:
        first = f"nonce={self.nonce} budget={self.budget} limit={MOST_OF_A_READING} sudo={int(self.sudo)}\n"
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


@cache
def script_text() -> str:
    """The script as it is shipped, for whoever installs it on a host as a forced command."""
    return resources.files("secscan.collection.ssh").joinpath("script.sh").read_text(encoding="utf-8")


@cache
def _stripped_script() -> bytes:
    """Without comments and indentation: half the bytes. It has no text that spans lines but one newline."""
    lines = (line.lstrip() for line in script_text().splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("#")).encode("ascii")


def _quote(output: bytes) -> str:
    text = re.sub(r"\s+", " ", output[: 4 * _QUOTED].decode("utf-8", "replace")).strip()
    return f"; it said {text[:_QUOTED]!r}" if text else ""
