"""What servers' certificates have in common: the newest chains of all services -> keys, primes and issuers shared."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import ClassVar

from secscan.engine.batch_gcd import shared_primes
from secscan.evaluation import endpoints, services
from secscan.facts import AddressFacts, Chain, ChainFacts, PortFacts
from secscan.facts.certificate import Certificate, Extensions, PublicKey, read_certificate
from secscan.model import Endpoint, Evidence, Host, Inventory
from secscan.reference import FleetKeys, SeenIssuer

#: Certificates of authorities that one chain adds; in the web's PKI three is rare.
MOST_OF_CHAIN = 5
#: Certificates of one subject that are kept, and all that are: hosts choose what they send.
MOST_OF_SUBJECT = 8
MOST_ISSUERS = 5000
#: Larger ones are left out: real ones have 1 to 3 kB.
MOST_ISSUER_BYTES = 16 * 1024


@dataclass(slots=True)
class _Issuer:
    subject: str
    certificate: bytes
    sent_by: dict[str, str] = field(default_factory=dict)


def current_chains(host: Host, evidence: Evidence) -> Iterator[tuple[Endpoint, datetime, Chain]]:
    """The newest chains that were seen of each service that would be judged, and when.

    Needs addresses, ports and chains (``FleetKeysGatherer.kinds``).
    """
    for service in services(host, evidence):
        for place in endpoints(host, service, evidence):
            seen = evidence.last_seen(place, ChainFacts.kind)
            if seen is not None and isinstance(seen.facts, ChainFacts):
                for chain in seen.facts.chains:
                    yield place, seen.observed_at, chain


class FleetKeysGatherer:
    """Which keys, primes and issuers servers have in common (see ``secscan.engine.gathering``).

    Of each service that is judged the newest chain that was seen counts: that a host can't be reached today does not
    show that it gave up its key.
    """

    makes: ClassVar[type] = FleetKeys
    kinds: ClassVar[tuple[str, ...]] = (AddressFacts.kind, ChainFacts.kind, PortFacts.kind)

    def __init__(self, inventory: Inventory, day: date) -> None:
        self._owner = {m.host: m.agency for m in inventory.memberships if m.covers(day)}
        self._holders: dict[str, set[str]] = {}
        self._moduli: dict[str, int] = {}
        self._issuers: dict[str, _Issuer] = {}

    def see(self, host: Host, evidence: Evidence) -> None:
        for _place, _seen_at, chain in current_chains(host, evidence):
            for position, der in enumerate(chain.certificates[: 1 + MOST_OF_CHAIN]):
                certificate = read_certificate(der)
                if not isinstance(certificate, Certificate):
                    continue
                if position == 0 and isinstance(certificate.key, PublicKey):
                    self._add_key(host, certificate.key)
                if position > 0:
                    self._add_issuer(host, certificate, der)

    def reference(self) -> FleetKeys:
        return FleetKeys(
            holders={
                key: self._by_agency(hosts) for key, hosts in sorted(self._holders.items()) if len(hosts) > 1
            },
            sharing_prime=_sharing_prime(self._moduli),
            issuers=self._known_issuers(),
        )

    def _add_key(self, host: Host, key: PublicKey) -> None:
        if key.sha256 is None:
            return
        self._holders.setdefault(key.sha256, set()).add(host.id)
        if key.modulus is not None:
            self._moduli[key.sha256] = key.modulus

    def _add_issuer(self, host: Host, certificate: Certificate, der: bytes) -> None:
        extensions = certificate.extensions
        if not certificate.subject or len(der) > MOST_ISSUER_BYTES or certificate.self_signed:
            return
        if not isinstance(extensions, Extensions) or not extensions.is_ca:
            return
        issuer = self._issuers.get(certificate.sha256)
        if issuer is None:
            issuer = self._issuers[certificate.sha256] = _Issuer(certificate.subject, der)
            if len(self._issuers) > 2 * MOST_ISSUERS:
                # By digest, and not by who came first: the order of hosts must play no part.
                self._issuers = dict(sorted(self._issuers.items())[:MOST_ISSUERS])
        agency = self._owner[host.id]
        issuer.sent_by[agency] = min(host.id, issuer.sent_by.get(agency, host.id))

    def _by_agency(self, hosts: set[str]) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for host in sorted(hosts):
            found.setdefault(self._owner[host], []).append(host)
        return {agency: tuple(found[agency]) for agency in sorted(found)}

    def _known_issuers(self) -> dict[str, tuple[SeenIssuer, ...]]:
        found: dict[str, list[SeenIssuer]] = {}
        for _digest, issuer in sorted(self._issuers.items())[:MOST_ISSUERS]:
            of_subject = found.setdefault(issuer.subject, [])
            if len(of_subject) < MOST_OF_SUBJECT:
                of_subject.append(SeenIssuer(issuer.certificate, dict(sorted(issuer.sent_by.items()))))
        return {subject: tuple(found[subject]) for subject in sorted(found)}


def _sharing_prime(moduli: dict[str, int]) -> dict[str, int]:
    """At least how many keys share each broken key's prime."""
    divisors = shared_primes(moduli.values())
    sharing = Counter(divisors.values())
    # A key both of whose primes are shared goes by one of them, and may be the only one that goes by it.
    return {key: max(2, sharing[divisors[n]]) for key, n in sorted(moduli.items()) if n in divisors}
