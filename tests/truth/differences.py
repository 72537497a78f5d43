"""The table of docs/patch-truth.md: where secscan and Debian's own tools differ, and why."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/patch-truth.md"


@dataclass(frozen=True)
class Difference:
    """``what`` is a pattern of what only ``said_by`` says (``secscan``, or whom it is held against)."""

    host: str
    against: str
    what: str
    said_by: str
    why: str


def explained(host: str, against: str) -> list[Difference]:
    """The rows about one comparison."""
    rows = []
    for line in PAGE.read_text("utf-8").splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 5 and cells[0] in ("bullseye", "bookworm"):
            rows.append(Difference(*cells))
    return [row for row in rows if (row.host, row.against) == (host, against)]


def check(host: str, against: str, ours: Iterable[str], theirs: Iterable[str]) -> None:
    """Fails on a difference that the table does not explain, and on a row that explains none."""
    mine, others = set(ours), set(theirs)
    rows = explained(host, against)
    found = {("secscan", what) for what in mine - others} | {(against, what) for what in others - mine}
    unexplained = {
        (who, what)
        for who, what in found
        if not any(row.said_by == who and fnmatchcase(what, row.what) for row in rows)
    }
    assert not unexplained, (
        f"{len(unexplained)} differences are not in {PAGE.name}: {sorted(unexplained)[:20]}"
    )
    idle = [
        row for row in rows if not any(row.said_by == w and fnmatchcase(what, row.what) for w, what in found)
    ]
    assert not idle, f"rows of {PAGE.name} that explain nothing any more: {idle}"
