"""No packet outside the scope: counted on the wire, in a network namespace."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from secscan.scope import Scope, scope_document
from tests.netns import Enclosure, enclosed, missing

pytestmark = pytest.mark.root

SCOPE = Scope(
    owner="test",
    expires=date.max,
    networks=("10.77.0.0/25", "10.79.0.10", "fd77::10/124"),
    exclude_networks=("10.77.0.66",),
    exclude_names=("*.secret.vi-du.example",),
)

#: The same, less the exclusion, as the wire is watched.
ALLOWED = ["10.77.0.0/26", "10.77.0.64/31", "10.77.0.67", "10.79.0.10", "fd77::10/124"]

INSIDE = ["10.77.0.10", "10.79.0.10", "fd77::11"]
OUTSIDE = [
    "10.77.0.200",  # on the same link: even asking who has it would be a packet too many
    "10.78.0.10",  # behind the router
    "10.77.0.66",  # excluded
    "fd77::2:10",
    "fd78::10",
]

NAMES = {
    "in.vi-du.example": ["10.77.0.10", "fd77::11"],
    "out.vi-du.example": ["10.78.0.10"],
    "mixed.vi-du.example": ["10.77.0.10", "10.78.0.10", "fd78::10"],
    "mapped.vi-du.example": ["::ffff:10.78.0.10"],
    "nat64.vi-du.example": ["64:ff9b::10.78.0.10"],
    "a.secret.vi-du.example": ["10.77.0.10"],
}

#: Stands for a collector: resolves what is a name, and connects to every address there is of it.
PROBE = """
import json, sys
from secscan.scope import Gate, ProbeLog, Refused, scope_from_document
asked = json.load(sys.stdin)
gate = Gate(scope_from_document(asked["scope"]), ProbeLog(None))
seen = {}
for target in asked["targets"]:
    try:
        # Addresses go to the gate as they were written, in all their disguises.
        addresses = gate.resolve(target, timeout=5) if target.endswith(".example") else [target]
    except Refused as refused:
        seen[target] = {"": refused.refusal.reason}
        continue
    seen[target] = {}
    for address in addresses:
        try:
            gate.connect(address, 443, what="test", timeout=5).close()
            seen[target][address] = "connected"
        except Refused as refused:
            seen[target][address] = refused.refusal.reason
        except OSError as error:
            seen[target][address] = str(error)
json.dump(seen, sys.stdout)
"""


@pytest.fixture
def permitted() -> None:
    if why := missing():
        pytest.skip(why)


@pytest.fixture
def net(permitted: None) -> Iterator[Enclosure]:
    with enclosed(allowed=ALLOWED, world=INSIDE + OUTSIDE, names=NAMES) as net:
        yield net


def probe(net: Enclosure, *targets: str) -> dict[str, Any]:
    """What came of each address of each target, through a gate in the scanner's namespace."""
    asked = json.dumps({"scope": scope_document(SCOPE), "targets": targets})
    done = net.run([sys.executable, "-c", PROBE], input=asked, stdout=subprocess.PIPE)
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


@pytest.mark.parametrize("address", OUTSIDE)
def test_what_leaves_the_scope_would_be_counted(net: Enclosure, address: str) -> None:
    connect = "import socket, sys; socket.create_connection((sys.argv[1], 443), 5)"
    net.run([sys.executable, "-c", connect, address])
    assert net.outside() > 0
    assert address in net.strangers()


def test_asking_the_link_for_a_stranger_would_be_counted(net: Enclosure) -> None:
    connect = "import socket, sys; socket.socket().connect_ex((sys.argv[1], 443))"
    net.run([sys.executable, "-c", connect, "10.77.0.201"])
    assert "arp 10.77.0.201" in net.strangers()


def test_addresses_inside_are_connected_to_and_no_others(net: Enclosure) -> None:
    seen = probe(net, *INSIDE, *OUTSIDE)
    assert {target: set(of_it.values()) for target, of_it in seen.items()} == {
        **{address: {"connected"} for address in INSIDE},
        **{address: {"out-of-scope"} for address in OUTSIDE},
    }
    assert net.inside() > 0
    assert net.strangers() == {}
    assert net.outside() == 0


def test_disguised_addresses_lead_nowhere_else(net: Enclosure) -> None:
    disguises = ["::ffff:{}", "64:ff9b::{}", "64:ff9b:1::{}"]
    seen = probe(net, *(d.format(plain) for d in disguises for plain in ("10.77.0.10", "10.78.0.10")))
    assert list(seen.values()) == [
        {disguise.format(plain): said}
        for disguise in disguises
        for plain, said in (("10.77.0.10", "connected"), ("10.78.0.10", "out-of-scope"))
    ]
    assert net.strangers() == {}
    assert net.outside() == 0


def test_names_are_judged_by_where_they_lead(net: Enclosure) -> None:
    assert probe(net, *NAMES) == {
        "in.vi-du.example": {"10.77.0.10": "connected", "fd77::11": "connected"},
        "out.vi-du.example": {"10.78.0.10": "out-of-scope"},
        "mixed.vi-du.example": {
            "10.77.0.10": "connected",
            "10.78.0.10": "out-of-scope",
            "fd78::10": "out-of-scope",
        },
        "mapped.vi-du.example": {"10.78.0.10": "out-of-scope"},
        "nat64.vi-du.example": {"10.78.0.10": "out-of-scope"},
        "a.secret.vi-du.example": {"": "out-of-scope"},
    }
    assert net.strangers() == {}
    assert net.outside() == 0


def test_nothing_is_left_behind(permitted: None) -> None:
    with enclosed(allowed=["10.77.0.10"], world=["10.77.0.10"]) as net:
        names = (net.scanner, net.world)
    assert not any((Path("/run/netns") / name).exists() for name in names)
    assert not (Path("/etc/netns") / names[0]).exists()
