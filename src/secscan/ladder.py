"""The ladder of backups: findings -> the rung a host stands on, and how many hosts stand where. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from secscan.model import Finding, Outcome

#: From this criticality (1 to 5) on a host is critical: those whose rungs leaders are shown first.
CRITICAL_FROM = 4


@dataclass(frozen=True, slots=True)
class Rung:
    """One step. ``is_attested``: what it asks for only people know, at least in part."""

    number: int
    check: str
    is_attested: bool = False


#: From "something makes backups" to "a restore was tested".
RUNGS = (
    Rung(1, "backup.scheduled"),
    Rung(2, "backup.recent"),
    Rung(3, "backup.size-band"),
    Rung(4, "backup.complete"),
    Rung(5, "backup.retention"),
    Rung(6, "backup.off-host"),
    Rung(7, "backup.off-site", is_attested=True),
    Rung(8, "backup.immutable"),
    Rung(9, "backup.encrypted"),
    Rung(10, "backup.integrity-checked"),
    Rung(11, "backup.restore-tested", is_attested=True),
)

RUNG_OF: Mapping[str, int] = {rung.check: rung.number for rung in RUNGS}

# Worst first: a rung is passed when everything that is asked on it is.
_WORST_FIRST = (Outcome.FAIL, Outcome.ERROR, Outcome.UNKNOWN, Outcome.PASS)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a host stands: ``verified`` counts what was not seen as a failure, ``possible`` as a pass.

    0 is the ground. ``outcomes`` are those of the rungs that were judged, by number.
    """

    verified: int
    possible: int
    outcomes: Mapping[int, Outcome]


@dataclass(frozen=True, slots=True)
class Spread:
    """Hosts by the rung they stand on, 0 to 11: as far as was verified, and as far as is possible."""

    hosts: int
    verified: tuple[int, ...]
    possible: tuple[int, ...]

    def reaching(self, rung: int) -> tuple[int, int]:
        """How many stand on this rung or above it: verified, and possibly."""
        return sum(self.verified[rung:]), sum(self.possible[rung:])


def standing(findings: Iterable[Finding]) -> Standing | None:
    """The highest rung with everything below it passed; None for a host on which no rung was judged.

    Rungs that the baseline leaves out, and those that do not apply, are no obstacle and not passed either.
    """
    seen: dict[int, set[Outcome]] = {}
    for finding in findings:
        rung = RUNG_OF.get(finding.check)
        if rung is not None and finding.outcome is not Outcome.NOT_APPLICABLE:
            seen.setdefault(rung, set()).add(finding.outcome)
    if not seen:
        return None
    outcomes = {rung: min(seen[rung], key=_WORST_FIRST.index) for rung in sorted(seen)}
    return Standing(
        verified=_climbed(outcomes, {Outcome.PASS}),
        possible=_climbed(outcomes, {Outcome.PASS, Outcome.UNKNOWN, Outcome.ERROR}),
        outcomes=outcomes,
    )


def spread(standings: Iterable[Standing]) -> Spread:
    """How many hosts stand on each rung."""
    every = list(standings)
    verified, possible = Counter(s.verified for s in every), Counter(s.possible for s in every)
    numbers = range(len(RUNGS) + 1)
    return Spread(
        hosts=len(every),
        verified=tuple(verified[n] for n in numbers),
        possible=tuple(possible[n] for n in numbers),
    )


def _climbed(outcomes: Mapping[int, Outcome], good: Iterable[Outcome]) -> int:
    """``outcomes`` are by rising number."""
    reached = 0
    for rung, outcome in outcomes.items():
        if outcome not in good:
            break
        reached = rung
    return reached
