"""nmap as a process: what it is told, and that SYN and whole connections find the same."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from secscan.collection.nmap_process import (
    Nmap,
    NmapFound,
    NmapRun,
    Scan,
    favourite_ports,
    find_nmap,
    follow,
    hurried_probes,
    may_send_raw,
)
from secscan.collection.nmap_xml import NmapHost, statuses
from secscan.facts.ports import PortStatus, port_ranges
from tests.collection.listeners import closed_port, filtered_port, open_port

needs_nmap = pytest.mark.skipif(find_nmap() is None, reason="the package nmap is missing")

ADDRESS = "127.83.0.1"


def scan(*addresses: str, ports: str = "1-10", syn: bool = False, version_wait: float | None = None) -> Scan:
    return Scan(
        addresses=addresses,
        ports=ports,
        syn=syn,
        most_rate=1000,
        least_rate=10,
        host_timeout=9.5,
        version_wait=version_wait,
        services=5,
    )


def option(options: list[str], name: str) -> str:
    return options[options.index(name) + 1]


class TestCommandLine:
    def test_no_host_is_looked_up_or_pinged_and_no_script_asked_for(self) -> None:
        options = scan(ADDRESS).options()
        assert {"-n", "-Pn", "--disable-arp-ping", "--noninteractive"} <= set(options)
        assert not [o for o in options if o.startswith(("--script", "-sC", "-A", "-O"))]

    def test_rates_and_times_are_ours(self) -> None:
        options = scan(ADDRESS).options()
        names = ("--max-rate", "--min-rate", "--host-timeout")
        assert [option(options, name) for name in names] == ["1000", "10", "9500ms"]

    def test_all_hosts_are_one_group(self) -> None:
        options = scan("127.0.0.1", "127.0.0.2", "127.0.0.3").options()
        assert (option(options, "--min-hostgroup"), option(options, "--max-hostgroup")) == ("3", "3")

    @pytest.mark.parametrize(("address", "six"), [("127.0.0.1", False), ("::1", True)])
    def test_ipv6_is_said(self, address: str, six: bool) -> None:
        assert ("-6" in scan(address).options()) is six

    @pytest.mark.parametrize(
        ("syn", "said"), [(True, {"-sS", "--privileged"}), (False, {"-sT", "--unprivileged"})]
    )
    def test_the_kind_of_scan_does_not_hang_on_nmaps_guess(self, syn: bool, said: set[str]) -> None:
        kinds = {"-sS", "-sT", "--privileged", "--unprivileged"}
        assert kinds & set(scan(ADDRESS, syn=syn).options()) == said

    @pytest.mark.parametrize(("wait", "asked"), [(None, False), (1.0, True)])
    def test_versions_are_asked_for_if_wanted(self, wait: float | None, asked: bool) -> None:
        assert ("-sV" in scan(ADDRESS, version_wait=wait).options()) is asked


class TestProbes:
    @pytest.fixture
    def own(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("NMAPDIR", str(tmp_path))
        return tmp_path / "nmap-service-probes"

    def test_every_probe_waits_as_long_as_it_is_told(self, own: Path) -> None:
        own.write_bytes(
            b"Probe TCP NULL q||\ntotalwaitms 6000\nmatch x m|\xff|\nProbe TCP Get q|GET|\nports 80\n"
        )
        assert hurried_probes("/nowhere/nmap", 1.5) == (
            b"Probe TCP NULL q||\ntotalwaitms 1500\nmatch x m|\xff|\nProbe TCP Get q|GET|\ntotalwaitms 1500\nports 80\n"
        )

    @pytest.mark.parametrize(("wait", "said"), [(0.001, b"100"), (1e6, b"300000")])
    def test_the_wait_stays_within_what_nmap_takes(self, own: Path, wait: float, said: bytes) -> None:
        own.write_bytes(b"Probe TCP NULL q||\n")
        assert hurried_probes("/nowhere/nmap", wait) == b"Probe TCP NULL q||\ntotalwaitms %s\n" % said

    def test_where_there_are_none_nmap_has_to_do_without_hurry(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NMAPDIR", str(tmp_path))
        monkeypatch.setenv("HOME", str(tmp_path))
        assert hurried_probes(str(tmp_path / "bin" / "nmap"), 1.0) is None

    @needs_nmap
    def test_nmaps_own_are_found(self) -> None:
        found = find_nmap()
        assert found is not None
        probes = hurried_probes(found.path, 1.0)
        assert probes is not None
        assert probes.count(b"\ntotalwaitms 1000\n") > 100


@needs_nmap
class TestScans:
    @pytest.mark.parametrize("syn", [pytest.param(True, marks=pytest.mark.root), False])
    def test_syn_and_connect_find_the_same_on_loopback(self, syn: bool) -> None:
        if syn and not may_send_raw():
            pytest.skip("raw sockets need root")
        with open_port(ADDRESS) as a, closed_port(ADDRESS) as b, filtered_port(ADDRESS) as c:
            ports = frozenset({a, b, c})
            run = Nmap().start(scan(ADDRESS, ports=port_ranges(ports), syn=syn), deadline=10)
            [host, end] = [event for _, event in follow(iter([run]), at_once=1)]
        assert end is None
        assert isinstance(host, NmapHost)
        listed, groups = statuses(host, "tcp", ports)
        assert groups == ()
        assert {s.port: s.status for s in listed} == {
            a: PortStatus.OPEN,
            b: PortStatus.CLOSED,
            c: PortStatus.FILTERED,
        }

    def test_a_run_is_started_when_there_is_room_for_it(self) -> None:
        started = 0

        def runs() -> Iterator[NmapRun]:
            nonlocal started
            nmap = Nmap()
            for n in range(1, 4):
                started += 1
                yield nmap.start(scan(f"127.83.0.{n}"), deadline=10)

        order = []
        for run, host in follow(runs(), at_once=1):
            order.append((run.scan.addresses[0], host is None, started))
        assert order == [(f"127.83.0.{n}", end, n) for n in (1, 2, 3) for end in (False, True)]

    def test_nothing_of_it_stays_open(self) -> None:
        nmap = Nmap()
        before = set(Path("/proc/self/fd").iterdir())
        list(follow(iter([nmap.start(scan(ADDRESS, version_wait=1.0), deadline=10)]), at_once=1))
        assert set(Path("/proc/self/fd").iterdir()) == before

    def test_nmap_names_its_favourite_ports(self) -> None:
        found = find_nmap()
        assert found is not None
        assert {22, 80, 443} < favourite_ports(found.path, 20)
        assert len(favourite_ports(found.path, 20)) == 20


class TestWithout:
    def test_a_program_that_is_not_there_names_no_ports(self, tmp_path: Path) -> None:
        assert favourite_ports(str(tmp_path / "nmap"), 20) == frozenset()

    def test_variables_that_change_what_nmap_does_are_dropped_before_it_is_asked_anything(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        program = tmp_path / "nmap"
        program.write_text('#!/bin/sh\necho "Nmap version 7.93${NMAP_ARGS} ( https://nmap.org )"\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        monkeypatch.setenv("NMAP_ARGS", "-changed")
        assert find_nmap() == NmapFound(str(program), "7.93")

    @pytest.mark.root
    def test_root_without_the_capability_may_not_send_raw(self) -> None:
        if os.geteuid() != 0:
            pytest.skip("dropping capabilities needs root")
        less = ["setpriv", "--bounding-set", "-net_raw", "--inh-caps", "-net_raw"]
        ask = "from secscan.collection.nmap_process import may_send_raw; print(may_send_raw())"
        done = subprocess.run([*less, sys.executable, "-c", ask], capture_output=True, text=True, check=True)
        assert done.stdout == "False\n"
