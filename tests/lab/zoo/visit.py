"""A look at every exhibit by secscan itself: the sweep, in one event loop."""

import asyncio
import dataclasses

from secscan.collection.hello import SpeaksOther, greet
from secscan.collection.sweep import Depth, SweepSettings, Swept, sweep
from secscan.facts import Absent
from secscan.model import Endpoint, Service
from secscan.scope import Gate, ProbeLog, scope_of_addresses
from tests.lab.zoo.exhibit import NAME, Exhibit, SpeaksNoTls
from tests.lab.zoo.running import RunningZoo

#: Sweeps at a time: what a worker has in hand on a small machine.
_AT_ONCE = 8


def service_of(zoo: RunningZoo, exhibit: Exhibit) -> tuple[Service, str]:
    """Its service, and the address it is at."""
    running = zoo.at[exhibit]
    return Service("zoo", "tcp", running.port, NAME), running.address


def gate_to(zoo: RunningZoo) -> Gate:
    """Lets through to the zoo alone, as fast as anybody likes."""
    scope = scope_of_addresses([running.address for running in zoo.at.values()])
    rates = dataclasses.replace(scope.rates, connections_per_second=40_000, per_host=20_000)
    return Gate(dataclasses.replace(scope, rates=rates), ProbeLog(None))


def sweep_zoo(zoo: RunningZoo, depth: Depth) -> dict[Exhibit, Swept]:
    """What is seen of each. What speaks no TLS is for first contact to say, before any sweep."""
    gate = gate_to(zoo)

    async def look(exhibit: Exhibit, slots: asyncio.Semaphore) -> tuple[Exhibit, Swept]:
        service, address = service_of(zoo, exhibit)
        async with slots:
            if isinstance(exhibit.expected, SpeaksNoTls):
                greeting = await asyncio.to_thread(greet, service, address, gate, server_name=NAME)
                assert isinstance(greeting, SpeaksOther), greeting
                absent = Absent(heard=greeting.heard)
                return exhibit, Swept(absent, absent)
            endpoint = Endpoint(service, address)
            return exhibit, await sweep(endpoint, gate, depth=depth, settings=SweepSettings())

    async def look_at_all() -> dict[Exhibit, Swept]:
        slots = asyncio.Semaphore(_AT_ONCE)
        return dict(await asyncio.gather(*(look(exhibit, slots) for exhibit in zoo.at)))

    return asyncio.run(look_at_all())
