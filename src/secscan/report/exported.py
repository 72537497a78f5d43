"""A finding with all that exports tell of it, one at a time: a fleet's findings never are in memory together."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from secscan.check import Check
from secscan.history import Aged
from secscan.model import Finding


@dataclass(frozen=True, slots=True)
class Exported:
    """``agency`` is the id of the host's; ``aged`` is None where the finding never failed, or no history is kept."""

    finding: Finding
    check: Check | None = None
    agency: str | None = None
    aged: Aged | None = None


NO_OWNERS: Mapping[str, str] = {}
NOT_AGED: Mapping[str, Aged] = {}


def exported(
    findings: Iterable[Finding],
    checks: Mapping[str, Check],
    *,
    owners: Mapping[str, str] = NO_OWNERS,
    aged: Mapping[str, Aged] = NOT_AGED,
) -> Iterator[Exported]:
    """Each finding with its check, its agency (``owners``, by host) and its life (``aged``, by finding)."""
    for f in findings:
        yield Exported(f, checks.get(f.check), owners.get(f.subject.id), aged.get(f.id))
