"""Which protocol to speak to a port, if any: by what it said of itself, and only else by its number."""

from collections.abc import Iterable
from dataclasses import dataclass

from secscan.facts import ServiceIdentity, Spoken

#: How an identity is known by what was said.
_BY_ANSWER = frozenset({"probe", "banner", "tls"})
#: nmap's names for having heard something and learned nothing.
_SAYS_NOTHING = frozenset({"", "unknown", "tcpwrapped", "ssl", "tls"})
_HTTP = frozenset({"http", "https", "http-alt", "https-alt"})


@dataclass(frozen=True, slots=True)
class Recognised:
    """What a port is to be spoken to in. NONE with an empty ``how``: nobody knows what it speaks."""

    protocol: Spoken
    how: str = ""
    tls: bool = False


@dataclass(frozen=True, slots=True)
class _Known:
    """nmap's service names, parts of its product names (lower case; 7.93), and the usual ports (IANA, vendors)."""

    protocol: Spoken
    names: frozenset[str] = frozenset()
    products: tuple[str, ...] = ()
    ports: frozenset[int] = frozenset()
    #: It is spoken over HTTP: an answer in HTTP with no product to it speaks for it on its own ports.
    over_http: bool = False


_KNOWN = (
    _Known(Spoken.REDIS, frozenset({"redis"}), ("redis key-value", "valkey"), frozenset({6379})),
    _Known(Spoken.MEMCACHED, frozenset({"memcached", "memcache"}), ("memcached",), frozenset({11211})),
    _Known(
        Spoken.ELASTICSEARCH,
        frozenset({"elasticsearch"}),
        ("elasticsearch rest", "opensearch rest"),
        frozenset({9200}),
        over_http=True,
    ),
    _Known(Spoken.DOCKER, frozenset({"docker"}), ("docker",), frozenset({2375, 2376}), over_http=True),
    _Known(Spoken.MONGODB, frozenset({"mongodb", "mongod"}), ("mongodb",), frozenset({27017})),
    _Known(Spoken.SMB, frozenset({"microsoft-ds", "netbios-ssn"}), ("samba smbd",), frozenset({139, 445})),
    _Known(Spoken.DNS, frozenset({"domain"}), (), frozenset({53})),
    _Known(Spoken.VNC, frozenset({"vnc"}), (), frozenset({5900, 5901})),
)

#: What first contact recognises (secscan.facts.Absent) and is none of these, or may be more than one of them.
_VAGUE = frozenset({"", "tls", "http"})
_HEARD = {"redis": Spoken.REDIS, "memcached": Spoken.MEMCACHED, "vnc": Spoken.VNC}

#: Elasticsearch between its nodes, and the pages that others show of it, are not its API.
_NOT_THESE = ("binary api", "kibana")


def recognise(port: int, identity: ServiceIdentity | None, protocol: str = "") -> Recognised:
    """What to speak to ``port``: by what first contact recognised, by what the port scan says, else by its number."""
    if protocol not in _VAGUE:
        return Recognised(_HEARD.get(protocol, Spoken.NONE), "banner")
    if identity is not None and _said_something(identity):
        known = _by_answer(identity, port)
        return Recognised(known.protocol if known else Spoken.NONE, identity.how, identity.tls)
    by_number = next((k for k in _KNOWN if port in k.ports), None)
    if by_number is None or (protocol == "http" and not by_number.over_http):
        return Recognised(Spoken.NONE, "banner" if protocol == "http" else "")
    inside_tls = protocol == "tls" or (identity is not None and (identity.tls or identity.how == "tls"))
    return Recognised(by_number.protocol, "port", inside_tls)


def _by_answer(identity: ServiceIdentity, port: int, known: Iterable[_Known] = _KNOWN) -> _Known | None:
    product = identity.product.casefold()
    if any(part in product for part in _NOT_THESE):
        return None
    for one in known:
        if identity.name in one.names or any(part in product for part in one.products):
            return one
        if one.over_http and port in one.ports and identity.name in _HTTP and not product:
            return one
    return None


def _said_something(identity: ServiceIdentity) -> bool:
    if identity.how not in _BY_ANSWER:
        return False
    return identity.name not in _SAYS_NOTHING or bool(identity.product)
