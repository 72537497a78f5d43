"""The page of exposed services: what the fleet shows to the network and should not, and what is open at all."""

from collections import Counter
from collections.abc import Iterable, Sequence

from secscan.report.text import visible
from secscan.report.views.fleet import Exposure, FleetData
from secscan.report.views.parts import method_view, named
from secscan.report.views.shown_fleet import (
    AgencyPlaces,
    ExposedView,
    ExposureView,
    HostPlace,
    PortView,
)

#: Agencies that are named of each exposure; those with most hosts.
MOST_AGENCIES = 60

#: Places that are named of each agency.
MOST_PLACES = 6

#: Open ports that are told; those that are open on most hosts.
MOST_PORTS = 25

#: Names that hosts give to what answers on one port.
MOST_SERVICES = 3


def exposed_view(data: FleetData) -> ExposedView:
    """The gravest exposure first, then what most hosts show."""
    found: dict[str, dict[str, list[Exposure]]] = {}
    for id, digest in data.digests.items():
        for one in digest.exposures:
            found.setdefault(one.check, {}).setdefault(id, []).append(one)
    views = [
        _exposure(n, check, by_agency, data)
        for n, (check, by_agency) in enumerate(sorted(found.items()), start=1)
    ]
    exposed = {id: {one.host for one in digest.exposures} for id, digest in data.digests.items()}
    ports = _ports(data)
    return ExposedView(
        hosts=sum(len(data.scores[id].members) for id in data.digests),
        exposed_hosts=sum(map(len, exposed.values())),
        exposed_agencies=sum(map(bool, exposed.values())),
        exposures=tuple(sorted(views, key=lambda v: (-v.severity, -v.hosts, v.check))),
        ports=None if ports is None else ports[:MOST_PORTS],
        other_ports=max(0, len(ports or ()) - MOST_PORTS),
        method=method_view(data.baseline, data.stamp, data.tz),
    )


def places_of(
    agency: str, places: Sequence[tuple[str, str]], data: FleetData, *, most: int = MOST_PLACES
) -> AgencyPlaces:
    """Hosts of an agency, each with where on it, some of them by name."""
    ordered = sorted(set(places))
    return AgencyPlaces(
        agency=named(data.agencies[agency]),
        places=tuple(HostPlace(host, place) for host, place in ordered[:most]),
        more=max(0, len(ordered) - most),
        hosts=len({host for host, _ in ordered}),
    )


def most_first(views: Iterable[AgencyPlaces]) -> tuple[AgencyPlaces, ...]:
    return tuple(sorted(views, key=lambda view: (-view.hosts, view.agency.id)))


def _exposure(number: int, check: str, by_agency: dict[str, list[Exposure]], data: FleetData) -> ExposureView:
    told = data.checks.get(check)
    agencies = most_first(
        places_of(id, [(one.host, one.place) for one in of_agency], data)
        for id, of_agency in by_agency.items()
    )
    return ExposureView(
        anchor=f"e{number}",
        check=visible(check),
        claim=told.claim if told else "",
        fix=told.fix if told else "",
        severity=max(one.severity for of_agency in by_agency.values() for one in of_agency),
        hosts=sum(view.hosts for view in agencies),
        agencies=len(agencies),
        by_agency=agencies[:MOST_AGENCIES],
        others=max(0, len(agencies) - MOST_AGENCIES),
    )


def _ports(data: FleetData) -> tuple[PortView, ...] | None:
    """Those that most hosts have open first; None where none were read."""
    hosts: Counter[tuple[str, int]] = Counter()
    agencies: dict[tuple[str, int], set[str]] = {}
    services: dict[tuple[str, int], Counter[str]] = {}
    was_read = False
    for id, digest in data.digests.items():
        if digest.open_ports is None:
            continue
        was_read = True
        for seen, count in digest.open_ports.items():
            port = (seen.transport, seen.port)
            hosts[port] += count
            agencies.setdefault(port, set()).add(id)
            services.setdefault(port, Counter())[seen.service] += count
    if not was_read:
        return None
    return tuple(
        PortView(
            port=f"{transport}/{number}",
            services=_most(services[transport, number]),
            hosts=count,
            agencies=len(agencies[transport, number]),
        )
        for (transport, number), count in sorted(hosts.items(), key=lambda item: (-item[1], item[0]))
    )


def _most(services: Counter[str]) -> tuple[str, ...]:
    """By name where two are as many: the page must not change with the order in which hosts were read."""
    named = sorted(((name, count) for name, count in services.items() if name), key=lambda s: (-s[1], s[0]))
    return tuple(name for name, _ in named[:MOST_SERVICES])
