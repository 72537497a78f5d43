"""What ``audit`` is asked to look at: hosts, ports and networks on the command line become an inventory and a scope."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from secscan.facts.ports import ports_in
from secscan.language import _
from secscan.model import Agency, ExpectedService, Host, Inventory, Membership, Service
from secscan.scope import canonical_address, canonical_name

#: More addresses than this want a written scope: a slip in a prefix length must not probe a country.
MOST_ADDRESSES = 256

AGENCY = "audit"


class TargetError(ValueError):
    """A target that can't be read: says which, and how targets are written."""


@dataclass(frozen=True, slots=True)
class Named:
    """One target: an address or a name, and the ports asked for (none: the usual ones).

    ``reached`` is the address or name that ~/.ssh/config gives for it; "" where it gives none.
    """

    host: str
    is_address: bool
    ports: tuple[int, ...] = ()
    reached: str = ""

    @property
    def place(self) -> str:
        return self.reached or self.host


def parse_targets(texts: Sequence[str], *, limit: int | None = MOST_ADDRESSES) -> tuple[Named, ...]:
    """``HOST``, ``HOST:PORT``, ``HOST:PORT,PORT-PORT``, ``ADDRESS``, ``[IPv6]:PORT`` and ``NETWORK/PREFIX``.

    The same host named twice with ports is asked for all of them. Raises TargetError on anything else, and
    where more than ``limit`` addresses are named.
    """
    found: dict[tuple[str, bool], tuple[int, ...]] = {}
    for text in texts:
        for named in _parse(text, limit):
            key = (named.host, named.is_address)
            before = found.get(key)
            # A host that was also named without ports is asked for the usual ones.
            whole = before == () or (before is not None and not named.ports)
            found[key] = () if whole else tuple(sorted({*(before or ()), *named.ports}))
            if limit is not None and len(found) > limit:
                raise TargetError(
                    _(
                        "more than {limit} addresses are named; write a scope.toml that allows them and give it "
                        "with --scope"
                    ).format(limit=limit)
                )
    return tuple(Named(host, is_address, ports) for (host, is_address), ports in found.items())


def inventory_of(targets: Sequence[Named], *, log_in: bool = False) -> Inventory:
    """One agency that owns the targets. A port that was named is expected to be open.

    ``log_in``: each host names a credential, which is called as the host is.
    """
    hosts = {}
    for target in targets:
        server_name = "" if target.is_address else target.place
        hosts[target.host] = Host(
            id=target.host,
            addresses=(target.place,) if target.is_address else (),
            names=() if target.is_address else (target.place,),
            credential=target.host if log_in else "",
            services=tuple(
                ExpectedService(Service(target.host, "tcp", port, server_name)) for port in target.ports
            ),
            ports=",".join(map(str, target.ports)),
        )
    names = {"en": "Audit", "vi": "Kiểm tra một lần"}
    return Inventory(
        agencies={AGENCY: Agency(AGENCY, names)},
        hosts=hosts,
        memberships=tuple(Membership(host, AGENCY) for host in hosts),
    )


def reached_at(target: Named, place: str) -> Named:
    """The target where it really is, as ~/.ssh/config has it. Raises TargetError on what is no host at all."""
    (found,) = _parse(f"[{place}]" if ":" in place else place, None)
    return replace(target, reached=found.host, is_address=found.is_address)


def this_machine(name: str) -> Inventory:
    """An inventory of the machine secscan runs on, which nobody has to reach: it has no address and no name."""
    try:
        id = canonical_name(name)
    except ValueError:
        id = "localhost"
    names = {"en": "Audit", "vi": "Kiểm tra một lần"}
    return Inventory({AGENCY: Agency(AGENCY, names)}, {id: Host(id=id)}, (Membership(id, AGENCY),))


def _parse(text: str, limit: int | None) -> list[Named]:
    if "/" in text:
        return _network(text, limit)
    host, ports = _split_ports(text)
    try:
        return [Named(canonical_address(host), True, ports)]
    except ValueError:
        pass
    try:
        return [Named(canonical_name(host), False, ports)]
    except ValueError:
        raise _unreadable(text) from None


def _network(text: str, limit: int | None) -> list[Named]:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise _unreadable(text) from None
    if network.num_addresses > (limit or 2**20) + 2:
        raise TargetError(
            _(
                "{text} holds {count} addresses; up to {limit} can be named here. Write a "
                "scope.toml that allows them and give it with --scope"
            ).format(text=text, count=network.num_addresses, limit=limit or 2**20)
        )
    return [Named(canonical_address(str(address)), True) for address in network.hosts()]


def _split_ports(text: str) -> tuple[str, tuple[int, ...]]:
    if bracketed := re.fullmatch(r"\[(?P<host>[^\]]+)\](:(?P<ports>.+))?", text):
        return bracketed["host"], _ports(bracketed["ports"], text)
    if text.count(":") > 1:
        return text, ()  # A bare IPv6 address: ports want brackets.
    host, _, ports = text.partition(":")
    return host, _ports(ports or None, text)


def _ports(text: str | None, whole: str) -> tuple[int, ...]:
    if text is None:
        return ()
    try:
        numbers = ports_in(text)
    except ValueError:
        raise _unreadable(whole) from None
    if not numbers or 0 in numbers:
        raise _unreadable(whole)
    return tuple(sorted(numbers))


def _unreadable(text: str) -> TargetError:
    return TargetError(
        _(
            "{text!r} is no target; write HOST, HOST:PORT, ADDRESS, [IPv6]:PORT or NETWORK/PREFIX, "
            "for example www.example.vn, 192.0.2.7:8443 or [2001:db8::1]:443"
        ).format(text=text)
    )
