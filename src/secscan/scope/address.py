"""Addresses in one spelling, and sets of networks that answer quickly."""

import re
from bisect import bisect_right
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from secscan.language import _

#: IPv6 prefixes whose last 32 bits are an IPv4 address that the packet ends up at. IPv4-mapped: RFC 4291,
#: 2.5.5.2. NAT64: the well-known prefix of RFC 6052 and the local-use one of RFC 8215. An operator may cut
#: the local-use prefix shorter than /96 and so place the IPv4 address elsewhere (RFC 6052, 2.2); whatever is
#: read here is also what is connected to, so a wrong reading may fail, but can't lead out of the scope.
DISGUISES = (
    IPv6Network("::ffff:0:0/96"),
    IPv6Network("64:ff9b::/96"),
    IPv6Network("64:ff9b:1::/48"),
)

_ZONE = re.compile(r"[A-Za-z0-9_.-]{1,15}")  # an interface: IFNAMSIZ leaves 15 characters, or its number


@lru_cache(maxsize=65536)
def canonical_address(text: str) -> str:
    """The one spelling of an address: IPv4-mapped and NAT64 addresses unwrapped, IPv6 as in RFC 5952.

    A zone (``fe80::1%eth0``) is kept on link-local addresses, where it says which link, and dropped elsewhere.
    Raises ValueError where the text is no address.
    """
    address = ip_address(text)
    if isinstance(address, IPv4Address):
        return str(address)
    if address.scope_id is not None and not _ZONE.fullmatch(address.scope_id):
        raise ValueError(f"{text!r} has a zone that names no interface")
    if any(address in disguise for disguise in DISGUISES):
        return str(IPv4Address(int(address) & 0xFFFF_FFFF))
    return str(address) if address.is_link_local else str(IPv6Address(int(address)))


def canonical_network(text: str) -> str:
    """A network of the scope, in one spelling; a single address stands for itself.

    Raises ValueError, in an operator's words, where it is no network, has bits set behind its prefix, or is a
    disguise of IPv4.
    """
    try:
        network = ip_network(text, strict=False)
    except ValueError as error:
        message = _(
            '"{text}" is not a network or address; write it as "192.0.2.0/24", "192.0.2.7" or "2001:db8::/32"'
        )
        raise ValueError(message.format(text=text)) from error
    if "/" in text and str(network.network_address) != str(ip_address(text.partition("/")[0])):
        message = _(
            '"{text}" has bits set behind its prefix; write "{network}", or "{address}" for one address'
        )
        raise ValueError(message.format(text=text, network=network, address=text.partition("/")[0]))
    if isinstance(network, IPv6Network):
        _refuse_disguise(network)
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


class AddressSet:
    """The union of networks. Membership is a bisection over merged ranges: thousands cost a microsecond."""

    def __init__(self, networks: Iterable[str]) -> None:
        ranges: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
        for text in networks:
            network = ip_network(text)
            ranges[network.version].append((int(network.network_address), int(network.broadcast_address)))
        self._firsts: dict[int, list[int]] = {}
        self._lasts: dict[int, list[int]] = {}
        for version, spans in ranges.items():
            merged = _merged(spans)
            self._firsts[version] = [first for first, _last in merged]
            self._lasts[version] = [last for _first, last in merged]

    def __contains__(self, address: str) -> bool:
        """Whether an address in canonical spelling is in one of the networks; its zone plays no part."""
        value: IPv4Address | IPv6Address = ip_address(address)
        number, version = int(value), value.version
        i = bisect_right(self._firsts[version], number) - 1
        return i >= 0 and number <= self._lasts[version][i]


def _refuse_disguise(network: IPv6Network) -> None:
    for disguise in DISGUISES:
        if network.subnet_of(disguise):
            if network.prefixlen <= 96:
                message = _('"{network}" stands for IPv4 addresses; list the IPv4 networks themselves')
                raise ValueError(message.format(network=network))
            plain = IPv4Network((int(network.network_address) & 0xFFFF_FFFF, network.prefixlen - 96))
            message = _('"{network}" stands for IPv4 addresses; write "{plain}"')
            raise ValueError(message.format(network=network, plain=plain))


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(merged[-1][1], last)
        else:
            merged.append((first, last))
    return merged
