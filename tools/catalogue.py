"""Writes docs/checks.md, the catalogue of the built-in checks, from their docstrings and limits; --check compares."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from secscan.check import Check
from secscan.registry import find_checks

CATALOGUE = Path(__file__).parent.parent / "docs" / "checks.md"

HEAD = """# The checks

<!-- Made by `make catalogue` from the docstrings in checks/. Change those, not this. -->

Each check makes one claim about a host or a service. It passes where the claim is true, fails where it is not, and is
unknown where not enough was seen to tell. The limits below are the checks' defaults; a profile can set others, and
`secscan checks explain ID` shows those in force.
"""

FAMILIES = {"certificate": "Certificates", "patch": "Patches", "port": "Ports", "ssh": "SSH", "tls": "TLS"}


def main(arguments: list[str] | None = None) -> int:
    """Exit code 1 where ``--check`` finds another catalogue than it would write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail if the catalogue is out of date"
    )
    parser.add_argument("--file", type=Path, default=CATALOGUE)
    options = parser.parse_args(arguments)
    text = catalogue(check for check in find_checks().values() if check.source.startswith("secscan.checks."))
    if not options.check:
        options.file.parent.mkdir(exist_ok=True)
        options.file.write_text(text, encoding="utf-8")
        return 0
    if options.file.is_file() and options.file.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{options.file} is not what the checks say; run: make catalogue\n")
    return 1


def catalogue(checks: Iterable[Check]) -> str:
    """The whole page, for checks in the order of their ids."""
    families = [
        (family, list(members)) for family, members in groupby(checks, key=lambda check: check.family)
    ]
    lines = [HEAD]
    for family, members in families:
        lines += [f"## {FAMILIES.get(family, family)}", "", "| check | severity | claim |", "|---|---|---|"]
        lines += [f"| [`{c.id}`](#{_anchor(c)}) | {c.severity.word} | {_cell(c.claim)} |" for c in members]
        lines.append("")
    for _family, members in families:
        for check in members:
            lines += _entry(check)
    return "\n".join(lines).rstrip() + "\n"


def _entry(check: Check) -> Iterator[str]:
    yield f"### `{check.id}`"
    yield ""
    yield f"**{_text(check.claim)}** Severity: {check.severity.word}."
    yield ""
    yield f"*Why:* {_text(check.why)}"
    yield ""
    yield f"*Fix:* {_text(check.fix)}"
    yield ""
    if check.limits is not None:
        yield "| limit | default | range | |"
        yield "|---|---|---|---|"
        for name, schema in check.limits.model_json_schema()["properties"].items():
            default = _value(schema.get("default", ""))
            yield f"| `{name}` | {default} | {_range(schema)} | {_cell(schema.get('description', ''))} |"
        yield ""


def _anchor(check: Check) -> str:
    """As GitHub and GitLab make it from the heading."""
    return check.id.replace(".", "")


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case list():
            # A set's order differs from run to run; a page that is compared needs one order.
            return ", ".join(_value(item) for item in sorted(value)) or "none"
        case _:
            return _cell(str(value))


def _range(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(_value(word) for word in schema["enum"])
    if "items" in schema:
        inner = _range(schema["items"])
        return f"each {inner}" if inner else ""
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f"{low} to {high}"
    if low is not None:
        return f"{low} or more"
    return f"{high} or less" if high is not None else ""


def _text(text: str) -> str:
    return text.replace("<", "&lt;").replace("*", r"\*")


def _cell(text: str) -> str:
    return _text(text).replace("|", r"\|")


if __name__ == "__main__":
    sys.exit(main())
