"""waivers.toml: reading it, and adding to it without touching what is there."""

import re
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from secscan.language import _
from secscan.model import Waiver
from secscan.toml_source import ConfigurationError, MisfitError, Source, in_order, parse, read_text, read_toml
from secscan.toml_source import shown_value as shown

#: The longest that leave may be given for, counted from the day the file is read.
LONGEST = timedelta(days=365)

PATTERNS = ("agency", "role", "check", "object")


def load_waivers(path: Path, *, today: date) -> tuple[Waiver, ...]:
    """The waivers in the file, in its order, those that have run out too; a file that is not there has none.

    Raises ConfigurationError with every mistake, by line and key.
    """
    if not path.exists():
        return ()
    return _waivers(read_toml(path), today)


def add_waiver(path: Path, waiver: Waiver, *, today: date) -> None:
    """Writes one more waiver at the end of the file; what stands before stays as it is, letter by letter.

    Raises ConfigurationError where the file, or the waiver, has a mistake; nothing is written then.
    """
    before = read_toml(path).text if path.exists() else _HEAD
    begun = before if not before or before.endswith("\n") else before + "\n"
    added = f"\n[[waiver]]\n{_written(waiver)}"
    _waivers(read_text(begun + added, path), today)
    is_new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        file.write((begun if is_new else begun[len(before) :]) + added)


def _waivers(source: Source, today: date) -> tuple[Waiver, ...]:
    file = parse(source, WaiversFile)
    latest = today + LONGEST
    mistakes = [
        source.mistake(
            ("waiver", i, "expires"),
            _("{date} is more than {days} days ahead; leave is given until {latest} at the latest").format(
                date=table.expires.isoformat(), days=LONGEST.days, latest=latest.isoformat()
            ),
        )
        for i, table in enumerate(file.waiver)
        if table.expires > latest
    ]
    waivers = [_waiver(table, source.line_of(("waiver", i))) for i, table in enumerate(file.waiver)]
    seen: dict[str, Waiver] = {}
    for i, waiver in enumerate(waivers):
        first = seen.setdefault(waiver.key, waiver)
        if first is not waiver:
            message = _("says the same as the waiver in line {line}; keep one").format(line=first.line)
            mistakes.append(source.mistake(("waiver", i), message))
    if mistakes:
        raise ConfigurationError(in_order(mistakes))
    return tuple(waivers)


def _waiver(table: "_Waiver", line: int | None) -> Waiver:
    return Waiver(**{name: getattr(table, name) for name in type(table).model_fields}, line=line)


def _finding(text: str) -> str:
    if text and not re.fullmatch(r"F-[A-Z2-7]{10}", text):
        message = _("{value} is not the id of a finding; they are listed by: secscan findings")
        raise ValueError(message.format(value=shown(text)))
    return text


def _words(text: str) -> str:
    if not text.strip():
        raise ValueError(_("is empty; say it in words"))
    return text


Words = Annotated[str, Field(max_length=1000), AfterValidator(_words)]
Pattern = Annotated[str, Field(min_length=1, max_length=300)]


class _Waiver(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    finding: Annotated[str, AfterValidator(_finding)] = ""
    agency: Pattern = ""
    role: Pattern = ""
    check: Pattern = ""
    object: Pattern = ""
    reason: Words
    owner: Words
    approver: Words
    expires: date
    approved_by: Literal["", "agency", "central"] = ""
    evidence: str = Field(default="", pattern=r"^([0-9a-f]{16})?$")

    @model_validator(mode="after")
    def _says_what(self) -> "_Waiver":
        given = [name for name in PATTERNS if getattr(self, name)]
        if self.finding and given:
            message = _("stands beside a finding, which is named exactly; leave one of the two out")
            raise MisfitError(*(((name,), message) for name in given))
        if not self.finding and not given:
            raise MisfitError(
                ((), _("waives nothing; name a finding, or patterns: agency, role, check, object"))
            )
        if self.evidence and not self.finding:
            raise MisfitError((("evidence",), _("is of one finding; it has no place beside patterns")))
        if self.owner.strip().casefold() == self.approver.strip().casefold():
            raise MisfitError((("approver",), _("is the owner; another person has to approve")))
        return self


class WaiversFile(BaseModel):
    """The file, key by key."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    waiver: list[_Waiver] = []


# --- Writing ------------------------------------------------------------------------------------------------

_HEAD = """\
# Failures that are left as they are for a while, by whose leave and until when. One table for each; see:
# secscan waivers
"""

_KEYS: Sequence[str] = (
    "finding",
    *PATTERNS,
    "reason",
    "owner",
    "approver",
    "expires",
    "approved_by",
    "evidence",
)


def _written(waiver: Waiver) -> str:
    values = ((key, getattr(waiver, key)) for key in _KEYS)
    return "".join(f"{key} = {_toml(value)}\n" for key, value in values if value)


def _toml(value: str | date) -> str:
    """A basic string, or a date (TOML 1.0.0, "String")."""
    if isinstance(value, date):
        return value.isoformat()
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return (
        '"' + "".join(escapes.get(c) or (c if c.isprintable() else f"\\U{ord(c):08X}") for c in value) + '"'
    )
