"""Where hosts are: their declared addresses, and what the resolver says of their names."""

from collections.abc import Iterator, Mapping, Sequence

from secscan.facts import AddressFacts
from secscan.model import Host, HostTarget, Observation, Reason, Record, Unobserved
from secscan.scope import Gate, Refused, canonical_address, utc_now


class AddressCollector:
    """Every address of a host is an endpoint of its services. Asks the system's resolver, never a host.

    Where one of several names does not resolve, the others stand and that name has no address; where
    nothing is left, the host is Unobserved with the first refusal's reason.
    """

    name = "resolver"
    kinds: tuple[str, ...] = (AddressFacts.kind,)

    def __init__(self, hosts: Mapping[str, Host], *, timeout: float = 5.0) -> None:
        """``timeout`` is in seconds, for each name."""
        self._hosts = hosts
        self._timeout = timeout

    def collect(self, targets: Sequence[HostTarget], gate: Gate) -> Iterator[Record]:
        for target in targets:
            yield self._look_up(target, self._hosts[target.host], gate)

    def _look_up(self, target: HostTarget, host: Host, gate: Gate) -> Record:
        by_name: dict[str, tuple[str, ...]] = {}
        refusals: list[Refused] = []
        if host.addresses:
            by_name[""] = tuple(sorted(canonical_address(address) for address in host.addresses))
        for name in host.names if host.resolve else ():
            try:
                by_name[name] = gate.resolve(name, timeout=self._timeout)
            except Refused as e:
                by_name[name] = ()
                refusals.append(e)
        addresses = tuple(sorted({address for found in by_name.values() for address in found}))
        if addresses:
            facts = AddressFacts(addresses=addresses, by_name=by_name)
            return Observation(target, self.name, AddressFacts.kind, utc_now(), facts)
        refusal = refusals[0].refusal if refusals else None
        return Unobserved(
            target,
            self.name,
            AddressFacts.kind,
            utc_now(),
            refusal.reason if refusal else Reason.NOT_RESOLVED,
            refusal.detail if refusal else "the inventory gives neither an address nor a name to look up",
        )
