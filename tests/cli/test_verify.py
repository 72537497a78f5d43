"""secscan verify: a server is mended, left as it is, or gone, and one finding is looked at again."""

import contextlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Secscan, as_json
from tests.cli.inside import host, login, needs_sshd, write_inside
from tests.lab.authority import Authority
from tests.lab.fleet import LabAgency, LabHost, LabService, start_fleet, write_workspace
from tests.lab.servers import SSH_GREETING, BannerServer, PlainHttpServer, Running, Server, TlsServer
from tests.lab.ssh import Sshd

ADDRESS = "127.20.51.1"


@dataclass
class Place:
    """A scanned workspace of one host with an expired certificate, a good one, and an SSH server nobody declared."""

    folder: Path
    authority: Authority
    servers: dict[str, Server]
    running: dict[str, Running]
    ports: dict[str, int]

    def restart(self, slug: str, server: Server) -> None:
        self.running[slug].stop()
        self.running[slug] = server.start(ADDRESS, self.ports[slug])

    def stop(self) -> None:
        for listening in self.running.values():
            listening.stop()


@pytest.fixture(scope="module")
def scanned_place(tmp_path_factory: pytest.TempPathFactory, secscan: Secscan) -> Place:
    authority = Authority(datetime.now(UTC))
    servers: dict[str, Server] = {
        "expired": TlsServer((authority.expired("a.example"),)),
        "good": TlsServer((authority.good("a.example"),)),
        "hidden": BannerServer(SSH_GREETING),
    }
    services = tuple(
        LabService(slug, 0, server, slug, declared=slug != "hidden") for slug, server in servers.items()
    )
    web = LabHost("web-1", ADDRESS, "portal", services, names=("a.example",))
    agency = LabAgency("one", "central", {"en": "One"}, ("A", "a@one.example"), (web,))
    folder = tmp_path_factory.mktemp("verify")
    with start_fleet(authority, (agency,)) as fleet:
        write_workspace(folder, fleet)
        assert secscan("scan", "-C", folder).returncode == 1
        ports = {slug: fleet.ports["web-1", slug] for slug in servers}
    return Place(folder, authority, servers, {}, ports)


@pytest.fixture
def place(scanned_place: Place, tmp_path: Path) -> Iterator[Place]:
    """The test's own copy; its servers listen where they did when it was scanned."""
    folder = shutil.copytree(scanned_place.folder, tmp_path / "place")
    ports = scanned_place.ports
    running = {slug: server.start(ADDRESS, ports[slug]) for slug, server in scanned_place.servers.items()}
    own = replace(scanned_place, folder=folder, running=running)
    yield own
    own.stop()


def finding(secscan: Secscan, place: Place, check: str, slug: str) -> str:
    found = as_json(secscan("findings", "-C", place.folder, "--check", check, "--format", "json"))
    (id,) = [
        f["id"]
        for f in found["findings"]
        if str(place.ports[slug]) in json.dumps([f["subject"], f["object"]])
    ]
    return str(id)


def probed(place: Place, since: int) -> list[Any]:
    lines = (place.folder / "probes.jsonl").read_text("utf-8").splitlines()[since:]
    return [json.loads(line) for line in lines]


def probes(place: Place) -> int:
    return len((place.folder / "probes.jsonl").read_text("utf-8").splitlines())


def test_what_nobody_mended_is_still_there(place: Place, secscan: Secscan) -> None:
    id = finding(secscan, place, "certificate.expiry", "expired")
    done = secscan("verify", id, "-C", place.folder)
    assert (done.returncode, done.stdout.splitlines()[0]) == (
        1,
        f"Still there: {id}, certificate.expiry on web-1:{place.ports['expired']} (a.example)",
    )


def test_what_was_mended_is_fixed(place: Place, secscan: Secscan) -> None:
    id = finding(secscan, place, "certificate.expiry", "expired")
    place.restart("expired", TlsServer((place.authority.good("a.example"),)))
    done = secscan("verify", id, "-C", place.folder)
    assert (done.returncode, done.stdout.partition(":")[0]) == (0, "Fixed")


def test_only_the_port_of_the_service_is_probed(place: Place, secscan: Secscan) -> None:
    id = finding(secscan, place, "certificate.expiry", "expired")
    before = probes(place)
    secscan("verify", id, "-C", place.folder)
    made = probed(place, before)
    assert made
    assert {(probe["address"], probe["ports"]) for probe in made} == {(ADDRESS, str(place.ports["expired"]))}


def test_nothing_is_stored(place: Place, secscan: Secscan) -> None:
    id = finding(secscan, place, "certificate.expiry", "expired")
    place.restart("expired", TlsServer((place.authority.good("a.example"),)))
    before = secscan("runs", "-C", place.folder).stdout, secscan("findings", "-C", place.folder).stdout
    secscan("verify", id, "-C", place.folder)
    after = secscan("runs", "-C", place.folder).stdout, secscan("findings", "-C", place.folder).stdout
    assert after == before


def test_a_declared_service_that_is_down_could_not_be_told(place: Place, secscan: Secscan) -> None:
    id = finding(secscan, place, "certificate.expiry", "expired")
    place.running["expired"].stop()
    done = secscan("verify", id, "-C", place.folder)
    assert (done.returncode, done.stdout.partition(":")[0]) == (3, "Could not be told")
    assert "closed" in done.stdout


def test_an_undeclared_port_that_is_closed_now_is_fixed(place: Place, secscan: Secscan) -> None:
    id = finding(secscan, place, "port.unexpected", "hidden")
    place.running["hidden"].stop()
    before = probes(place)
    done = secscan("verify", id, "-C", place.folder)
    assert (done.returncode, done.stdout.partition(":")[0]) == (0, "Fixed")
    assert {probe["ports"] for probe in probed(place, before)} == {str(place.ports["hidden"])}


def test_an_undeclared_port_that_is_open_is_still_there(place: Place, secscan: Secscan) -> None:
    id = finding(secscan, place, "port.unexpected", "hidden")
    assert secscan("verify", id, "-C", place.folder).returncode == 1


def test_tls_that_is_required_and_gone_is_still_a_failure(place: Place, secscan: Secscan) -> None:
    id = finding(secscan, place, "certificate.expiry", "expired")
    place.restart("expired", PlainHttpServer())
    done = secscan("verify", id, "-C", place.folder, "--format", "json")
    told = as_json(done)
    assert (done.returncode, told["state"]) == (1, "open")
    assert "TLS is required" in told["said"][0]["evidence"]


def test_a_scan_that_finds_tls_gone_closes_nothing(place: Place, secscan: Secscan) -> None:
    """The inventory says nothing of TLS here; but it was there."""
    file = place.folder / "inventory" / "one.toml"
    file.write_text(file.read_text("utf-8").replace('  tls = "required"\n', ""), "utf-8")
    id = finding(secscan, place, "certificate.expiry", "expired")
    place.restart("expired", PlainHttpServer())
    assert secscan("scan", "-C", place.folder).returncode == 1
    compared = as_json(secscan("diff", "1", "2", "-C", place.folder, "--format", "json"))
    (change,) = [change for change in compared["changes"] if change["finding"] == id]
    assert (change["change"], change["state"]) == ("unverified", "unverified")
    begun = {c["evidence_after"].partition(" on ")[0] for c in compared["changes"] if c["change"] == "new"}
    assert "A certificate was shown here" in begun


def test_what_the_scope_forbids_could_not_be_told(place: Place, secscan: Secscan) -> None:
    id = finding(secscan, place, "certificate.expiry", "expired")
    scope = place.folder / "scope.toml"
    scope.write_text(scope.read_text("utf-8").replace("127.20.0.0/16", "127.20.60.0/24"), "utf-8")
    before = probes(place)
    done = secscan("verify", id, "-C", place.folder)
    assert (done.returncode, done.stdout.partition(":")[0]) == (3, "Could not be told")
    assert {probe["verdict"] for probe in probed(place, before)} <= {"refused"}


def test_an_id_that_nobody_knows_is_a_usage_error(place: Place, secscan: Secscan) -> None:
    done = secscan("verify", "F-AAAAAAAAAA", "-C", place.folder)
    assert done.returncode == 2
    assert "F-AAAAAAAAAA" in done.stderr


def test_a_host_that_left_the_inventory_is_a_usage_error(place: Place, secscan: Secscan) -> None:
    id = finding(secscan, place, "certificate.expiry", "expired")
    file = place.folder / "inventory" / "one.toml"
    file.write_text(file.read_text("utf-8").replace('id = "web-1"', 'id = "web-2"'), "utf-8")
    done = secscan("verify", id, "-C", place.folder)
    assert done.returncode == 2
    assert "web-1, which is in the inventory no more" in done.stderr


def test_what_a_login_shows_is_looked_at_by_a_login_alone(tmp_path: Path, secscan: Secscan) -> None:
    needs_sshd()
    folder = tmp_path / "place"
    write_inside(folder, host("inner", "127.31.5.1"), "", profile="baseline")
    with contextlib.closing(_Sshd(folder)) as sshd:
        (folder / "secscan.toml").write_text('profile = "baseline"\n\n' + login("audit", sshd.port), "utf-8")
        (folder / "known_hosts").write_text(sshd.known_hosts, "utf-8")
        secscan("scan", "-C", folder)
        found = as_json(
            secscan(
                "findings", "-C", folder, "--check", "patch", "--outcome", "unknown", "--outcome", "fail",
                "--format", "json",
            )
        )["findings"]  # fmt: skip
        log = folder / "probes.jsonl"
        before = len(log.read_text("utf-8").splitlines())
        done = secscan("verify", found[0]["id"], "-C", folder)
        made = [json.loads(line) for line in log.read_text("utf-8").splitlines()[before:]]
    assert done.returncode in (1, 3), done.stderr
    assert {probe["ports"] for probe in made} == {str(sshd.port)}


class _Sshd:
    """An sshd on an address of its own that lets the workspace's key in."""

    def __init__(self, folder: Path) -> None:
        self._sshd = Sshd(authorized=(folder / "id.pub").read_text(), address="127.31.5.1")
        self.port, self.known_hosts = self._sshd.port, self._sshd.known_hosts

    def close(self) -> None:
        self._sshd.stop()
