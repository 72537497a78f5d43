"""What the script on a host wrote -> its readings. Nothing outside a frame is ever taken for one. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from secscan.facts import Gap
from secscan.model import Reason

#: Most frames one reply may have; the script makes some thirty.
MOST_FRAMES = 100

_NONCE = re.compile(r"[0-9a-f]{16,64}")
_HEADER = re.compile(rb"([a-z][a-z-]{0,30}) (0|[1-9][0-9]{0,8})\n")
_BEGIN = re.compile(rb"begin 1 ([0-9]{1,12}) ([0-9]{1,10})\n")
_STATUS = re.compile(rb"(?:\A|\n)=(late|[0-9]{1,3})\Z")
_LONGEST_STATUS = len(b"\n=late")

#: How `timeout` and a kill end a command: GNU, SIGKILL, SIGTERM (busybox).
_TIMED_OUT = frozenset({124, 137, 143})


@dataclass(frozen=True, slots=True)
class Section:
    """One reading as the host gave it. ``status`` is the exit status; None where the output was cut off."""

    text: str
    status: int | None = 0
    late: bool = False

    @property
    def cut(self) -> bool:
        return self.status is None and not self.late


@dataclass(frozen=True, slots=True)
class Reply:
    """The readings of one run. ``at`` is the host's clock (seconds since 1970), ``user`` the account's number.

    ``broken`` says why there may be fewer readings than the host meant to give; None where all came.
    """

    at: int
    user: int
    sections: Mapping[str, Section] = field(default_factory=dict)
    broken: Gap | None = None

    def section(self, name: str) -> Section | Gap:
        """A reading that ran, whole; else why there is none."""
        section = self.sections.get(name)
        if section is None:
            return self.broken or Gap(Reason.NOT_COLLECTED, f"the host has nothing to read {name} from")
        if section.late:
            return Gap(Reason.TIMED_OUT, f"no time was left to read {name}")
        if section.cut:
            return Gap(Reason.UNREADABLE, f"{name}: the output was longer than is read")
        if section.status in _TIMED_OUT:
            return Gap(Reason.TIMED_OUT, f"{name}: the command did not end in time")
        if section.status == 127:
            return Gap(Reason.TOOL_MISSING, f"{name}: the host lacks the command")
        return section

    def output(self, name: str) -> str | Gap:
        """The output of a reading that ended well; else why there is none."""
        section = self.section(name)
        if isinstance(section, Section) and section.status != 0:
            if section.status == 126:
                return Gap(Reason.UNREADABLE, f"{name}: only root can read this")
            return Gap(Reason.UNREADABLE, f"{name}: the command failed with status {section.status}")
        return section if isinstance(section, Gap) else section.text

    def has(self, name: str) -> bool:
        return name in self.sections


def read_reply(data: bytes, nonce: str) -> Reply | Gap:
    """The frames of ``data`` that carry ``nonce``, a run's own secret of 16 to 64 hexadecimal digits.

    A Gap where there is not even the first frame's mark. Reading stops at the first byte that is not as it
    must be: what follows can't be told from what a program on the host printed into the middle.
    Raises ValueError on a nonce that could be guessed.
    """
    if not _NONCE.fullmatch(nonce):
        raise ValueError("the nonce must be 16 to 64 hexadecimal digits")
    mark = b"\n" + nonce.encode("ascii") + b" "
    at = data.find(mark + b"begin ")
    if at < 0:
        return Gap(Reason.MALFORMED, "the script's reply never began")
    begin = _BEGIN.match(data, at + len(mark))
    if begin is None:
        return Gap(Reason.MALFORMED, "the script's reply does not begin as it must")
    sections: dict[str, Section] = {}
    broken = _read_frames(data, begin.end(), mark, sections)
    return Reply(int(begin[1]), int(begin[2]), sections, broken)


def _read_frames(data: bytes, at: int, mark: bytes, sections: dict[str, Section]) -> Gap | None:
    for _ in range(MOST_FRAMES):
        if not data.startswith(mark, at):
            break
        at += len(mark)
        if data.startswith(b"end\n", at):
            return None
        header = _HEADER.match(data, at)
        if header is None:
            break
        body = data[header.end() : header.end() + int(header[2])]
        at = header.end() + int(header[2])
        name = header[1].decode("ascii")
        # Whole, and followed by a frame of ours: else something was printed in between, or the reply broke off.
        if name in sections or not data.startswith(mark, at):
            break
        sections[name] = _section(body)
    if at >= len(data):
        return Gap(Reason.MALFORMED, "the script's reply broke off before its end")
    return Gap(Reason.MALFORMED, "something else was printed into the script's reply")


def _section(body: bytes) -> Section:
    # Only where it can be: a search from the start would look at every line of it.
    ending = _STATUS.search(body, max(0, len(body) - _LONGEST_STATUS))
    text = body[: ending.start() if ending else len(body)].decode("utf-8", "replace")
    if ending is None:
        return Section(text, None)
    if ending[1] == b"late":
        return Section(text, None, late=True)
    return Section(text, int(ending[1]))
