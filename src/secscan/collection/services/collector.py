"""Speaks to an endpoint in the protocol it was recognised by."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

from secscan.collection.services.asking import ask
from secscan.collection.services.conversation import Place
from secscan.collection.services.recognition import Recognised
from secscan.facts import ServiceFacts, Spoken
from secscan.model import Endpoint, Host, Observation, Record, Unobserved
from secscan.scope import Gate, Refused, utc_now

#: Seconds for one connection, and no more than a quarter of the deadline: SMB takes two, zones more.
PATIENCE = 4.0


class ServiceCollector:
    """Yields ``ServiceFacts`` of each endpoint; those that speak none of the protocols get them without a packet.

    ``recognised`` says what an endpoint speaks. ``hosts``, by id, name the zones that a name server is asked for.
    ``deadline``: seconds one endpoint may take. Threads may share it.
    """

    name = "services"
    kinds: tuple[str, ...] = (ServiceFacts.kind,)

    def __init__(
        self,
        hosts: Mapping[str, Host],
        recognised: Callable[[Endpoint], Recognised],
        *,
        deadline: float = 60.0,
    ) -> None:
        self._hosts = hosts
        self._recognised = recognised
        self._timeout = min(PATIENCE, deadline / 4)
        self._guard = threading.Lock()
        #: Virtual hosts share a server, which is asked once for all of them.
        self._said: dict[tuple[str, str, int, Recognised], ServiceFacts] = {}

    def collect(self, targets: Sequence[Endpoint], gate: Gate) -> Iterator[Record]:
        """Raises ProbeLogError."""
        for target in targets:
            recognised = self._recognised(target)
            if recognised.protocol is Spoken.NONE or target.service.transport != "tcp":
                yield _observed(target, ServiceFacts(how=recognised.how))
                continue
            try:
                facts = self._ask(target, recognised, gate)
            except Refused as refused:
                yield Unobserved(
                    target,
                    self.name,
                    ServiceFacts.kind,
                    utc_now(),
                    refused.refusal.reason,
                    refused.refusal.detail,
                )
            else:
                yield _observed(target, facts)

    def _ask(self, target: Endpoint, recognised: Recognised, gate: Gate) -> ServiceFacts:
        """Raises Refused."""
        server = target.host, target.address, target.service.port, recognised
        with self._guard:
            said = self._said.get(server)
        if said is None:
            host = self._hosts.get(target.host)
            place = Place(
                target.address,
                target.service.port,
                name=target.service.server_name,
                tls=recognised.tls,
                timeout=self._timeout,
            )
            said = ask(place, recognised, gate, zones=host.dns_zones if host else ())
            with self._guard:
                self._said[server] = said
        return said


def _observed(endpoint: Endpoint, facts: ServiceFacts) -> Record:
    return Observation(endpoint, ServiceCollector.name, ServiceFacts.kind, utc_now(), facts)
