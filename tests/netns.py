"""A network of the test's own: whatever leaves the scanner's namespace is counted, by where it goes.

Two namespaces, joined by one cable. Commands run in the first, where the far end is the way to everywhere; the
second answers at every address of the world, so that nothing fails for want of somebody to talk to. The count is
made where the cable ends, of whole frames, so raw sockets and ARP are in it too. Needs root, iproute2 and nftables.

    with enclosed(allowed=["10.77.0.0/25"], world=["10.77.0.10", "10.78.0.10"]) as net:
        net.run(["secscan", "scan", "-C", folder])
        assert net.strangers() == {}
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_network
from pathlib import Path
from typing import Any

#: Both ends of the cable; the far one is the router.
OWN = ("10.77.0.1", "fd77::1")
ROUTER = ("10.77.0.2", "fd77::2")
LINK = ("10.77.0.0/24", "fd77::/64")


def missing() -> str:
    """What keeps this from working here, in words for a skip; empty where nothing does."""
    for tool, package in (("ip", "iproute2"), ("nft", "nftables")):
        if shutil.which(tool) is None:
            return f"the package {package} is missing"
    if os.geteuid() != 0:
        return "network namespaces need root"
    name = f"secscan-try-{os.getpid()}"
    try:
        _run("ip", "netns", "add", name)
    except RuntimeError as error:
        return f"network namespaces are not permitted here: {error}"
    _run("ip", "netns", "del", name)
    return ""


@dataclass(frozen=True)
class Enclosure:
    """``scanner`` and ``world`` name the two namespaces."""

    scanner: str
    world: str

    def run(self, command: Sequence[str | Path], **options: Any) -> "subprocess.CompletedProcess[str]":
        """Runs a command as the scanner; its loopback is its own, and names are those of ``enclosed``."""
        enter = ["ip", "netns", "exec", self.scanner]
        return subprocess.run([*enter, *map(str, command)], text=True, check=True, **options)

    def inside(self) -> int:
        """The packets that went to allowed addresses."""
        return self._counted("inside")

    def outside(self) -> int:
        """The frames that went anywhere else: packets, and asking the link for such an address."""
        return self._counted("outside")

    def strangers(self) -> dict[str, int]:
        """Who was talked to outside of the allowed addresses: an IP address, or ``arp`` and the one asked for."""
        found: dict[str, int] = {}
        for name, shown in (("strangers4", ""), ("strangers6", ""), ("asked4", "arp ")):
            for element in self._listed("set", name).get("elem", ()):
                entry = element["elem"]
                found[shown + entry["val"]] = entry["counter"]["packets"]
        return found

    def _counted(self, name: str) -> int:
        return int(self._listed("counter", name)["packets"])

    def _listed(self, kind: str, name: str) -> dict[str, Any]:
        shown = _run("ip", "netns", "exec", self.world, "nft", "-j", "list", kind, "netdev", "watch", name)
        [*_metainfo, entry] = json.loads(shown)["nftables"]
        found: dict[str, Any] = entry[kind]
        return found


@contextmanager
def enclosed(
    *,
    allowed: Sequence[str],
    world: Sequence[str],
    names: Mapping[str, Sequence[str]] | None = None,
    port: int = 443,
) -> Iterator[Enclosure]:
    """``allowed`` networks are not strangers; at each address in ``world`` somebody listens on ``port``.

    ``names`` is what the scanner's resolver knows, and all it knows. Everything is taken down at the end.
    """
    net = Enclosure(f"secscan-in-{os.getpid()}", f"secscan-out-{os.getpid()}")
    settings = Path("/etc/netns") / net.scanner
    try:
        _lay_cable(net, world)
        _run("ip", "netns", "exec", net.world, "nft", "-f", "-", input=_watch(allowed))
        settings.mkdir(parents=True)
        lines = ["127.0.0.1 localhost", "::1 localhost"]
        lines += [f"{address} {name}" for name, addresses in (names or {}).items() for address in addresses]
        (settings / "hosts").write_text("\n".join([*lines, ""]), "utf-8")
        (settings / "resolv.conf").write_text("nameserver 127.0.0.1\n", "utf-8")
        with _listening(net, world, port):
            yield net
    finally:
        shutil.rmtree(settings, ignore_errors=True)
        for name in (net.scanner, net.world):
            if (Path("/run/netns") / name).exists():
                _run("ip", "netns", "del", name)


def _lay_cable(net: Enclosure, world: Sequence[str]) -> None:
    for name in (net.scanner, net.world):
        _run("ip", "netns", "add", name)
        _run("ip", "-n", name, "link", "set", "lo", "up")
    _run(
        "ip",
        "-n",
        net.scanner,
        "link",
        "add",
        "wire",
        "type",
        "veth",
        "peer",
        "name",
        "wire",
        "netns",
        net.world,
    )
    for name, ends in ((net.scanner, OWN), (net.world, ROUTER)):
        for end, link in zip(ends, LINK, strict=True):
            _add_address(name, f"{end}/{ip_network(link).prefixlen}")
        # No link-local address: the kernel would announce it at a moment of its own.
        _run("ip", "-n", name, "link", "set", "wire", "addrgenmode", "none", "up")
    for address in world:
        _add_address(net.world, address)
    for router in ROUTER:
        _run("ip", "-n", net.scanner, "route", "add", "default", "via", router)


def _add_address(name: str, address: str) -> None:
    # Without duplicate address detection an IPv6 address can be used at once.
    nodad = ["nodad"] if ":" in address else []
    _run("ip", "-n", name, "address", "add", address, "dev", "wire", *nodad)


def _watch(allowed: Sequence[str]) -> str:
    """Rules at the far end of the cable, for every frame that comes out of it."""
    plain = [n for n in allowed if ":" not in n]
    other = [n for n in allowed if ":" in n]
    # To find a neighbour, IPv6 asks a group that its address gives (RFC 4291, 2.7.1): allowed for who is allowed.
    hosts = [*OWN, *ROUTER, *(str(host) for n in other for host in ip_network(n))]
    groups = sorted({_solicited(host) for host in hosts if ":" in host})
    return f"""
        table netdev watch {{
            set allowed4 {{ type ipv4_addr; flags interval; auto-merge; {_elements([*plain, ROUTER[0]])} }}
            set allowed6 {{ type ipv6_addr; flags interval; auto-merge; {_elements([*other, ROUTER[1]])} }}
            set groups {{ type ipv6_addr; {_elements([*groups, "ff02::1", "ff02::2", "ff02::16"])} }}
            set strangers4 {{ type ipv4_addr; size 65535; flags dynamic; counter; }}
            set strangers6 {{ type ipv6_addr; size 65535; flags dynamic; counter; }}
            set asked4 {{ type ipv4_addr; size 65535; flags dynamic; counter; }}
            counter inside {{ }}
            counter outside {{ }}
            chain wire {{
                type filter hook ingress device "wire" priority 0; policy accept;
                ether type ip ip daddr @allowed4 counter name inside accept
                ether type ip6 ip6 daddr @allowed6 counter name inside accept
                ether type arp arp daddr ip @allowed4 accept
                ether type ip6 ip6 daddr @groups accept
                counter name outside
                ether type ip update @strangers4 {{ ip daddr }}
                ether type ip6 update @strangers6 {{ ip6 daddr }}
                ether type arp update @asked4 {{ arp daddr ip }}
            }}
        }}
    """


def _elements(members: Sequence[str]) -> str:
    return f"elements = {{ {', '.join(members)} }};" if members else ""


def _solicited(address: str) -> str:
    return str(IPv6Address(int(IPv6Address("ff02::1:ff00:0")) | int(IPv6Address(address)) & 0xFFFFFF))


@contextmanager
def _listening(net: Enclosure, world: Sequence[str], port: int) -> Iterator[None]:
    command = ["ip", "netns", "exec", net.world, sys.executable, "-c", _LISTENER, str(port), *world]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        if server.stdout.readline() != b"ready\n":
            raise RuntimeError("the listeners of the world did not start")
        yield
    finally:
        server.stdin.close()
        server.wait(10)


#: Accepts and hangs up, everywhere, until its input ends.
_LISTENER = """
import selectors, socket, sys
ready = selectors.DefaultSelector()
for address in sys.argv[2:]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    ready.register(socket.create_server((address, int(sys.argv[1])), family=family), selectors.EVENT_READ)
ready.register(sys.stdin, selectors.EVENT_READ)
print("ready", flush=True)
while True:
    for key, _ in ready.select():
        if key.fileobj is sys.stdin:
            sys.exit()
        key.fileobj.accept()[0].close()
"""


def _run(*command: str, input: str | None = None) -> str:
    done = subprocess.run(command, input=input, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
