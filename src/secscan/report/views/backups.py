"""The page of the ladder of backups: how many hosts stand on each rung, by tier."""

from collections import Counter
from collections.abc import Iterable, Sequence

from secscan.ladder import CRITICAL_FROM, RUNGS, Standing
from secscan.report.text import visible
from secscan.report.views.fleet import FleetData, HostRung
from secscan.report.views.parts import ladder_view, method_view, named
from secscan.report.views.shown import LadderView
from secscan.report.views.shown_fleet import BackupsView, GroundRow, RungCells

#: Agencies with hosts on the ground that are named.
MOST_GROUND = 100


def backups_view(data: FleetData) -> BackupsView:
    by_tier: dict[str, list[HostRung]] = {}
    for id, agency in sorted(data.agencies.items()):
        by_tier.setdefault(agency.tier, []).extend(data.digests[id].rungs)
    tiers = {tier: rungs for tier, rungs in by_tier.items() if rungs}
    every = [rung for rungs in tiers.values() for rung in rungs]
    ground = _ground(data)
    return BackupsView(
        columns=tuple((visible(tier), len(rungs)) for tier, rungs in tiers.items()),
        rungs=_cells([every, *tiers.values()]) if every else (),
        ladder=ladder_of(every),
        ground=ground[:MOST_GROUND],
        other_ground=max(0, len(ground) - MOST_GROUND),
        hosts=len(every),
        method=method_view(data.baseline, data.stamp, data.tz),
    )


def ladder_of(rungs: Iterable[HostRung]) -> LadderView | None:
    """The ladder of the critical hosts, or of all where none is critical; None where no rung was judged."""
    return ladder_view((rung.criticality, Standing(rung.verified, rung.possible, {})) for rung in rungs)


def _cells(columns: Sequence[Sequence[HostRung]]) -> tuple[RungCells, ...]:
    """The highest rung first, and the ground below all."""
    verified = [Counter(rung.verified for rung in column) for column in columns]
    possible = [Counter(rung.possible for rung in column) for column in columns]

    def cells(number: int) -> tuple[tuple[int, int], ...]:
        return tuple((v[number], p[number]) for v, p in zip(verified, possible, strict=True))

    rungs = [RungCells(r.number, r.check, r.is_attested, cells(r.number)) for r in reversed(RUNGS)]
    return (*rungs, RungCells(0, "", False, cells(0)))


def _ground(data: FleetData) -> tuple[GroundRow, ...]:
    """The agencies with most critical hosts on no rung first, then those with most hosts there."""
    rows = []
    for id, agency in data.agencies.items():
        rungs = data.digests[id].rungs
        there = [rung for rung in rungs if rung.verified == 0]
        if there:
            rows.append(
                GroundRow(
                    agency=named(agency),
                    hosts=len(rungs),
                    ground=len(there),
                    critical=sum(rung.criticality >= CRITICAL_FROM for rung in there),
                    doubtful=sum(rung.possible > 0 for rung in there),
                )
            )
    return tuple(sorted(rows, key=lambda r: (-r.critical, -r.ground, r.agency.id)))
