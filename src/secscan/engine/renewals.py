"""When certificates end, over the whole fleet: the newest chains of all services -> one renewal each."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from secscan.engine.fleet_keys import FleetKeysGatherer, current_chains
from secscan.facts.certificate import Certificate, Extensions, read_certificate
from secscan.model import Evidence, Host, Inventory, Service

#: The kinds of facts that it takes.
KINDS = FleetKeysGatherer.kinds


@dataclass(frozen=True, slots=True, order=True)
class Use:
    """Where a certificate is served. ``seen_at`` is when it was last seen there, at the address seen longest ago."""

    agency: str
    service: Service
    addresses: tuple[str, ...]
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Renewal:
    """One certificate that has to be renewed once, however many services use it."""

    certificate: Certificate
    #: By agency and service.
    uses: tuple[Use, ...]
    #: On how many hosts of agencies that were not asked for it is, too.
    elsewhere: int

    def left(self, at: datetime) -> timedelta:
        """Until it ends; below zero where it has."""
        return self.certificate.not_after - at

    @property
    def names(self) -> tuple[str, ...]:
        """The names and addresses that it is for."""
        said = self.certificate.extensions
        return (*said.dns_names, *said.ip_addresses) if isinstance(said, Extensions) else ()


@dataclass(slots=True)
class _Found:
    certificate: Certificate
    uses: dict[tuple[str, Service], list[tuple[str, datetime]]] = field(default_factory=dict)
    elsewhere: set[str] = field(default_factory=set)


def renewals(
    inventory: Inventory,
    evidence: Iterable[tuple[str, Evidence]],
    at: datetime,
    *,
    agencies: Collection[str] = (),
) -> tuple[Renewal, ...]:
    """The servers' own certificates, the first to end before all others. Pure.

    Of each service that would be judged the newest chain that was seen counts. ``agencies`` leaves out certificates that
    none of them uses (none named: all are); what other agencies use is counted. What is no certificate has no end, and
    is left out.
    """
    owner = {m.host: m.agency for m in inventory.memberships if m.covers(at.date())}
    wanted = set(agencies) or set(inventory.agencies)
    found: dict[str, _Found] = {}
    for id, seen in evidence:
        if id in owner:
            for certificate, service, address, seen_at in _served(inventory.hosts[id], seen):
                one = found.setdefault(certificate.sha256, _Found(certificate))
                if owner[id] in wanted:
                    one.uses.setdefault((owner[id], service), []).append((address, seen_at))
                else:
                    one.elsewhere.add(id)
    asked = [Renewal(one.certificate, _uses(one), len(one.elsewhere)) for one in found.values() if one.uses]
    return tuple(sorted(asked, key=lambda one: (one.certificate.not_after, one.certificate.sha256)))


def _served(host: Host, evidence: Evidence) -> Iterator[tuple[Certificate, Service, str, datetime]]:
    for place, seen_at, chain in current_chains(host, evidence):
        own = read_certificate(chain.certificates[0]) if chain.certificates else None
        if isinstance(own, Certificate):
            yield own, place.service, place.address, seen_at


def _uses(found: _Found) -> tuple[Use, ...]:
    return tuple(
        Use(agency, service, tuple(sorted({address for address, _ in places})), min(at for _, at in places))
        for (agency, service), places in sorted(found.uses.items())
    )
