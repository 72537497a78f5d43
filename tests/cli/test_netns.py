"""A whole scan, and a whole audit, in a network of their own: no frame leaves for who is out of scope."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from secscan.model import Endpoint, Evidence, Observation, Reason, Unobserved
from secscan.store import Store
from tests.netns import Enclosure, enclosed, missing

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(300)]

ALLOWED = ["10.77.0.0/26", "10.77.0.64/31", "10.77.0.67", "fd77::10/124"]

INSIDE = ["10.77.0.10", "10.77.0.11", "10.77.0.12", "fd77::11"]
OUTSIDE = [
    "10.77.0.200",  # on the same link: even asking who has it would be a packet too many
    "10.78.0.10",  # behind the router
    "10.77.0.66",  # excluded
    "fd78::10",
]

#: What the scanner's resolver knows.
NAMES = {
    "in.vi-du.example": ["10.77.0.11"],
    "out.vi-du.example": ["10.78.0.10"],
    "mixed.vi-du.example": ["10.77.0.12", "10.78.0.10", "fd78::10"],
    "a.secret.vi-du.example": ["10.77.0.10"],
}

SCOPE = """\
owner = "Lab"
expires = 2999-12-31
networks = ["10.77.0.0/25", "fd77::10/124"]
exclude = ["10.77.0.66", "*.secret.vi-du.example"]

[rates]
connections_per_second = 2000
per_host = 1000
"""

#: Host -> its addresses or its name.
HOSTS: dict[str, str] = {
    "in-address": 'addresses = ["10.77.0.10"]',
    "in-six": 'addresses = ["fd77::11"]',
    "in-name": 'names = ["in.vi-du.example"]',
    "mixed-name": 'names = ["mixed.vi-du.example"]',
    "mixed-addresses": 'addresses = ["10.77.0.10", "10.77.0.200"]',
    "out-link": 'addresses = ["10.77.0.200"]',
    "out-routed": 'addresses = ["10.78.0.10"]',
    "out-six": 'addresses = ["fd78::10"]',
    "out-excluded": 'addresses = ["10.77.0.66"]',
    "out-name": 'names = ["out.vi-du.example"]',
    "out-secret": 'names = ["a.secret.vi-du.example"]',
}

OUT = sorted(host for host in HOSTS if host.startswith("out-"))


@pytest.fixture(scope="module")
def permitted() -> None:
    if why := missing():
        pytest.skip(why)


@pytest.fixture
def net(permitted: None) -> Iterator[Enclosure]:
    with enclosed(allowed=ALLOWED, world=INSIDE + OUTSIDE, names=NAMES) as net:
        yield net


def write_workspace(folder: Path) -> None:
    (folder / "inventory").mkdir(parents=True)
    (folder / "secscan.toml").write_text('profile = "network"\n\n[collection]\ndeadline = 10.0\n', "utf-8")
    (folder / "scope.toml").write_text(SCOPE, "utf-8")
    lines = ["[agency]", 'id = "co-quan"', 'names = { en = "Office" }']
    for host, where in HOSTS.items():
        lines += ["", "[[host]]", f'id = "{host}"', where, 'ports = "22,80,443"']
        lines += ["  [[host.service]]", "  port = 443", '  tls = "required"']
    (folder / "inventory" / "co-quan.toml").write_text("\n".join([*lines, ""]), "utf-8")


def run(net: Enclosure, state: Path, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """``secscan`` as the scanner. Its exit code is the caller's to judge."""
    command = ["ip", "netns", "exec", net.scanner, sys.executable, "-m", "secscan", *map(str, arguments)]
    env = {**os.environ, "LANG": "C.UTF-8", "XDG_STATE_HOME": str(state)}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=110)


def evidence_in(folder: Path) -> dict[str, Evidence]:
    with Store.open(folder / "secscan.db") as store:
        return dict(store.evidence(datetime.now(UTC), list(HOSTS)))


# --- A scan -----------------------------------------------------------------------------------------------


class Scanned:
    """What a scan of the whole inventory left: in the store, in the log of probes, and on the wire."""

    def __init__(self, net: Enclosure, folder: Path, *options: str) -> None:
        write_workspace(folder)
        self.done = run(net, folder / "state", "scan", "-C", folder, *options)
        assert self.done.returncode in (1, 3), self.done.stderr
        self.inside = net.inside()
        self.outside = net.outside()
        self.strangers = net.strangers()
        self.evidence = evidence_in(folder)
        every = [f"--outcome={outcome}" for outcome in ("fail", "unknown", "error", "pass")]
        listed = run(net, folder / "state", "findings", "-C", folder, "--format", "json", *every)
        self.findings: list[dict[str, Any]] = json.loads(listed.stdout)["findings"]
        self.log: list[dict[str, Any]] = [
            json.loads(line) for line in (folder / "probes.jsonl").read_text("utf-8").splitlines()
        ]


@pytest.fixture(scope="module", params=[(), ("--no-nmap",)], ids=["nmap", "no-nmap"])
def scanned(
    permitted: None, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Scanned:
    with enclosed(allowed=ALLOWED, world=INSIDE + OUTSIDE, names=NAMES) as net:
        return Scanned(net, tmp_path_factory.mktemp("netns") / "workspace", *request.param)


def test_a_scan_sends_no_stranger_a_frame(scanned: Scanned) -> None:
    assert scanned.inside > 0
    assert scanned.strangers == {}
    assert scanned.outside == 0


@pytest.mark.parametrize("host", OUT)
def test_what_is_out_of_scope_is_said_to_be(scanned: Scanned, host: str) -> None:
    records = scanned.evidence[host].newest.values()
    unseen = [record for record in records if isinstance(record, Unobserved)]
    assert {record.reason for record in unseen} == {Reason.OUT_OF_SCOPE}
    assert not [r for r in records if isinstance(r, Observation) and r.kind != "addresses"]


@pytest.mark.parametrize("host", OUT)
def test_what_is_out_of_scope_is_judged_unknown_for_that_reason(scanned: Scanned, host: str) -> None:
    judged = [finding for finding in scanned.findings if finding["subject"]["id"] == host]
    assert {(f["outcome"], f["reason"]) for f in judged} == {("unknown", "out-of-scope")}
    assert {"tls", "certificate", "port"} <= {f["check"].partition(".")[0] for f in judged}


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("in-address", "10.77.0.10"),
        ("in-six", "fd77::11"),
        ("in-name", "10.77.0.11"),
        ("mixed-name", "10.77.0.12"),
        ("mixed-addresses", "10.77.0.10"),
    ],
)
def test_what_is_in_scope_is_looked_at(scanned: Scanned, host: str, address: str) -> None:
    seen = [r for r in scanned.evidence[host].newest.values() if r.kind == "ports"]
    asked = [r for r in seen if isinstance(r, Observation)]
    assert [r.target.key for r in asked] == [f"{host} {address}"]
    assert [state.port for state in asked[0].facts.open()] == [443]


@pytest.mark.parametrize("host", ["mixed-name", "mixed-addresses"])
def test_of_a_host_that_is_partly_in_scope_the_rest_is_said_to_be_out(scanned: Scanned, host: str) -> None:
    out = [
        record
        for record in scanned.evidence[host].newest.values()
        if isinstance(record, Unobserved) and record.reason is Reason.OUT_OF_SCOPE
    ]
    assert {r.target.address for r in out if isinstance(r.target, Endpoint)} <= {
        "10.77.0.200",
        "10.78.0.10",
        "fd78::10",
    }
    assert out


def test_the_log_admits_only_who_is_in_scope(scanned: Scanned) -> None:
    admitted = {line["address"] for line in scanned.log if line["verdict"] == "admitted"}
    assert admitted == set(INSIDE)


def test_a_scan_that_was_not_fenced_would_be_counted(net: Enclosure, tmp_path: Path) -> None:
    write_workspace(tmp_path)
    scope = tmp_path / "scope.toml"
    scope.write_text(SCOPE.replace('"10.77.0.0/25"', '"10.77.0.0/25", "10.78.0.10"'), "utf-8")
    run(net, tmp_path / "state", "scan", "-C", tmp_path)
    assert set(net.strangers()) == {"10.78.0.10"}


# --- An audit ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("--no-nmap",)], ids=["nmap", "no-nmap"])
@pytest.mark.parametrize("target", ["10.77.0.10", "10.77.0.10:443", "fd77::11", "in.vi-du.example"])
def test_an_audit_touches_what_it_is_given_alone(
    permitted: None, tmp_path: Path, target: str, options: tuple[str, ...]
) -> None:
    address = NAMES.get(target, [target.removesuffix(":443")])[0]
    with enclosed(allowed=[address], world=INSIDE + OUTSIDE, names=NAMES) as net:
        done = run(net, tmp_path, "audit", target, "--format", "json", *options)
        assert done.returncode in (1, 3), done.stderr
        assert net.inside() > 0
        assert net.strangers() == {}
        assert net.outside() == 0


def test_an_audit_with_a_scope_stays_in_it(net: Enclosure, tmp_path: Path) -> None:
    (tmp_path / "scope.toml").write_text(SCOPE, "utf-8")
    options = ("--scope", tmp_path / "scope.toml", "--format", "json")
    done = run(net, tmp_path, "audit", "10.77.0.200", "10.78.0.10", "out.vi-du.example", *options)
    said = {(finding["outcome"], finding["reason"]) for finding in json.loads(done.stdout)["findings"]}
    # That a host's addresses agree can't be asked of hosts that have but one.
    assert said - {("not-applicable", None)} == {("unknown", "out-of-scope")}
    assert net.inside() == 0
    assert net.strangers() == {}
    assert net.outside() == 0
