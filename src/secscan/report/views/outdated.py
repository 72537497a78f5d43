"""The page of what gets no more updates: systems, and programs that the network shows."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from secscan.report.text import visible
from secscan.report.views.exposed import most_first, places_of
from secscan.report.views.fleet import FleetData, Outdated
from secscan.report.views.parts import method_view
from secscan.report.views.shown_fleet import OutdatedPage, OutdatedView

#: Agencies that are named of each system; those with most hosts.
MOST_AGENCIES = 60

_SYSTEM = "patch.end-of-life"
_SYSTEM_SOON = "patch.end-of-life-soon"


def outdated_page(data: FleetData) -> OutdatedPage:
    """What has ended for longest first."""
    today = data.stamp.at.date()
    systems: dict[tuple[str, date | None], dict[str, list[Outdated]]] = {}
    programs: dict[tuple[str, date | None], dict[str, list[Outdated]]] = {}
    for id, digest in data.digests.items():
        for one in digest.outdated:
            among = systems if one.check in (_SYSTEM, _SYSTEM_SOON) else programs
            among.setdefault((one.what, one.ends), {}).setdefault(id, []).append(one)
    every = [(id, one) for id, digest in data.digests.items() for one in digest.outdated]
    ended = {(id, one.host) for id, one in every if one.check == _SYSTEM}
    soon = {(id, one.host) for id, one in every if one.check == _SYSTEM_SOON} - ended
    asks = any(rule.check.id == _SYSTEM for rule in data.baseline.rules)
    return OutdatedPage(
        hosts=sum(len(data.scores[id].members) for id in data.digests),
        ended_hosts=len(ended),
        soon_hosts=len(soon),
        unknown_hosts=sum(digest.unknown_systems for digest in data.digests.values()) if asks else None,
        systems=_views("s", systems, today, data),
        programs=_views("p", programs, today, data),
        method=method_view(data.baseline, data.stamp, data.tz),
    )


def _views(
    letter: str,
    found: Mapping[tuple[str, date | None], Mapping[str, Sequence[Outdated]]],
    today: date,
    data: FleetData,
) -> tuple[OutdatedView, ...]:
    ordered = sorted(found.items(), key=lambda item: (item[0][1] or date.max, item[0][0]))
    return tuple(
        _view(f"{letter}{n}", what, ends, by_agency, today=today, data=data)
        for n, ((what, ends), by_agency) in enumerate(ordered, start=1)
    )


def _view(
    anchor: str,
    what: str,
    ends: date | None,
    by_agency: Mapping[str, Sequence[Outdated]],
    *,
    today: date,
    data: FleetData,
) -> OutdatedView:
    every: Iterable[Outdated] = (one for of_agency in by_agency.values() for one in of_agency)
    agencies = most_first(
        places_of(id, [(one.host, "") for one in of_agency], data) for id, of_agency in by_agency.items()
    )
    return OutdatedView(
        anchor=anchor,
        check=visible(min(one.check for one in every)),
        what=what,
        ends=ends,
        has_ended=ends is not None and ends < today,
        hosts=sum(view.hosts for view in agencies),
        agencies=len(agencies),
        by_agency=agencies[:MOST_AGENCIES],
        others=max(0, len(agencies) - MOST_AGENCIES),
    )
