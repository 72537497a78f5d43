"""Speaks to every endpoint in the protocol it was recognised by, a few at a time."""

import queue
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from secscan.collection.services.asking import ask
from secscan.collection.services.conversation import Place
from secscan.collection.services.recognition import Recognised
from secscan.facts import ServiceFacts, Spoken
from secscan.model import Endpoint, Host, Observation, Record, Unobserved
from secscan.scope import Gate, Refused, utc_now

#: Seconds for one connection, and no more than a quarter of the deadline: of two for SMB, more for zones.
PATIENCE = 4.0

#: Servers that are spoken to at a time; nearly all of it is waiting.
AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class _Answered:
    """What one server said, for all the virtual hosts it is asked on behalf of."""

    endpoints: tuple[Endpoint, ...]
    facts: ServiceFacts | Refused


class ServiceCollector:
    """Yields ``ServiceFacts`` of each endpoint; those that speak none of the protocols get them without a packet.

    ``recognise`` says what each endpoint speaks. ``hosts``, by id, name the zones that a name server is asked for.
    ``deadline``: seconds one endpoint may take.
    """

    name = "services"
    kinds: tuple[str, ...] = (ServiceFacts.kind,)

    def __init__(
        self,
        hosts: Mapping[str, Host],
        recognise: Callable[[Endpoint], Recognised],
        *,
        deadline: float = 60.0,
    ) -> None:
        self._hosts = hosts
        self._recognise = recognise
        self._timeout = min(PATIENCE, deadline / 4)

    def collect(self, targets: Sequence[Endpoint], gate: Gate) -> Iterator[Record]:
        """Raises ProbeLogError."""
        # Virtual hosts share a server, which is asked once.
        servers: dict[tuple[str, int], list[Endpoint]] = defaultdict(list)
        recognised: dict[tuple[str, int], Recognised] = {}
        for target in targets:
            what = self._recognise(target)
            if what.protocol is Spoken.NONE or target.service.transport != "tcp":
                yield _observed(target, ServiceFacts(how=what.how))
                continue
            place = target.address, target.service.port
            servers[place].append(target)
            recognised[place] = what
        waiting: queue.SimpleQueue[tuple[str, int]] = queue.SimpleQueue()
        for place in servers:
            waiting.put(place)
        answers: queue.SimpleQueue[_Answered | BaseException | None] = queue.SimpleQueue()

        def work() -> None:
            try:
                while True:
                    place = waiting.get_nowait()
                    endpoints = tuple(servers[place])
                    answers.put(_Answered(endpoints, self._ask(endpoints, recognised[place], gate)))
            except queue.Empty:
                answers.put(None)
            except BaseException as error:  # noqa: BLE001 - raised again below, in the caller's thread
                answers.put(error)

        busy = min(AT_ONCE, len(servers))
        for number in range(busy):
            # Daemons: one may wait for its turn at the gate when nobody wants to know any more.
            threading.Thread(target=work, name=f"services {number}", daemon=True).start()
        while busy:
            answer = answers.get()
            if answer is None:
                busy -= 1
            elif isinstance(answer, BaseException):
                raise answer
            else:
                for endpoint in answer.endpoints:
                    yield _record(endpoint, answer.facts)

    def _ask(
        self, endpoints: Sequence[Endpoint], recognised: Recognised, gate: Gate
    ) -> ServiceFacts | Refused:
        first = endpoints[0]
        host = self._hosts.get(first.host)
        place = Place(
            first.address,
            first.service.port,
            name=first.service.server_name,
            tls=recognised.tls,
            timeout=self._timeout,
        )
        try:
            return ask(place, recognised, gate, zones=host.dns_zones if host else ())
        except Refused as refused:
            return refused


def _record(endpoint: Endpoint, said: ServiceFacts | Refused) -> Record:
    if isinstance(said, Refused):
        refusal = said.refusal
        name = ServiceCollector.name
        return Unobserved(endpoint, name, ServiceFacts.kind, utc_now(), refusal.reason, refusal.detail)
    return _observed(endpoint, said)


def _observed(endpoint: Endpoint, facts: ServiceFacts) -> Record:
    return Observation(endpoint, ServiceCollector.name, ServiceFacts.kind, utc_now(), facts)
