"""How many hosts a second one core of the scanner sees from the inside, and where its time goes.

One fake sshd (paramiko, in a process of its own) replays the reply of this machine's own script, cut or filled up to
400 packages, to one collector process. What counts is the CPU time of the collector, and the fake sshd's is not counted:
the wall clock of a run on one machine is that of both ends together. bench.ssh_peer measures against ansible.
"""

import argparse
import cProfile
import multiprocessing
import os
import pstats
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import paramiko

from secscan.collection.ssh import Credential, SshCollector, SshSettings
from secscan.collection.ssh.framing import Reply, read_reply
from secscan.collection.ssh.local import run_script
from secscan.collection.ssh.reply import facts_of
from secscan.collection.ssh.shell_script import Run
from secscan.facts import Gap
from secscan.model import Host, HostTarget, Observation
from secscan.scope import Gate, ProbeLog, Rates, Scope, scope_of_addresses
from tests.lab.ssh import FakeSshd, answer, make_key, reply

PACKAGES = 400
MOST_SOCKETS = 30
HOSTS = 400
AT_ONCE = 8
ADDRESS = "127.0.0.1"
GOAL = 80


def captured() -> dict[str, str]:
    """The sections of this machine's reply, with exactly 400 packages."""
    run = Run.new(budget=50)
    said = run_script(run, ("/bin/sh",), deadline=60)
    if isinstance(said, Gap):
        raise SystemExit(f"the script did not run here: {said.detail}")
    found = run.read(*said)
    if isinstance(found, Gap) or not found.has("dpkg"):
        raise SystemExit("this bench needs a Debian or Ubuntu machine")
    lines = [line for line in found.sections["dpkg"].text.splitlines() if line.startswith("ii")][:PACKAGES]
    lines += [f"ii \tfill-{i}\t1.2-{i}\tamd64\tfill\t1.2-{i}" for i in range(PACKAGES - len(lines))]
    sections = {name: f"{s.text}\n={s.status}" for name, s in found.sections.items() if s.status is not None}
    # What else runs on this machine just now is no part of the measurement.
    sockets = sections["sockets"].splitlines()[:MOST_SOCKETS]
    return sections | {"dpkg": "\n".join(lines), "sockets": "\n".join([*sockets, "=0"])}


def serve(sections: dict[str, str], key: Path, authorized: str, port: Connection) -> None:
    server = FakeSshd(
        answer(lambda nonce: reply(sections, nonce)), paramiko.PKey.from_path(key), key=authorized
    )
    with server.start(ADDRESS) as running:
        port.send(running.port)
        port.recv()


def served(
    sections: dict[str, str], folder: Path, servers: int
) -> Iterator[tuple[int, multiprocessing.Process]]:
    host, login = make_key(folder / "host"), make_key(folder / "login")
    for _ in range(servers):
        ours, theirs = multiprocessing.Pipe()
        arguments = (sections, host, login.with_suffix(".pub").read_text(), theirs)
        process = multiprocessing.Process(target=serve, args=arguments, daemon=True)
        process.start()
        yield ours.recv(), process


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--hosts", type=int, default=HOSTS)
    options.add_argument("--at-once", type=int, default=AT_ONCE)
    options.add_argument("--profile", action="store_true", help="show where the collector's time goes")
    chosen = options.parse_args()
    sections = captured()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        [(port, process)] = served(sections, folder, 1)
        kind, blob = (folder / "host.pub").read_text().split()[:2]
        (folder / "known_hosts").write_text(f"[{ADDRESS}]:{port} {kind} {blob}\n")
        hosts = {f"h{i}": Host(f"h{i}", (ADDRESS,), credential="c") for i in range(chosen.hosts)}
        collector = SshCollector(
            hosts,
            {},
            {"c": Credential("c", "scanner", port, key_file=folder / "login")},
            folder / "known_hosts",
            SshSettings(at_once=chosen.at_once),
        )
        gate = Gate(unpaced(), ProbeLog(None))
        list(collector.collect([HostTarget("h0")], gate))  # imports and the key, once
        before, began = cpu(), time.perf_counter()
        theirs = cpu_of(process.pid or 0)
        records = list(collector.collect([HostTarget(host) for host in hosts], gate))
        own, wall = cpu() - before, time.perf_counter() - began
        theirs = cpu_of(process.pid or 0) - theirs
        seen = {r.target for r in records if isinstance(r, Observation) and r.kind == "packages"}
        assert len(seen) == chosen.hosts, f"only {len(seen)} of {chosen.hosts} hosts were seen"
        size = len(reply(sections, "0" * 32))
        print(
            f"{chosen.hosts} hosts, {PACKAGES} packages each, {size / 1024:.0f} KB a reply, {chosen.at_once} at once"
        )
        print(
            f"collector: {own / chosen.hosts * 1000:6.2f} ms of CPU a host: {chosen.hosts / own:5.0f} hosts/s a core"
        )
        print(
            f"fake sshd: {theirs / chosen.hosts * 1000:6.2f} ms of CPU a host: {chosen.hosts / theirs:5.0f} hosts/s"
        )
        print(
            f"together:  {wall / chosen.hosts * 1000:6.2f} ms of wall a host: {chosen.hosts / wall:5.0f} hosts/s"
        )
        print(f"of which reading and judging replies: {parsing(sections):6.2f} ms a host")
        print(
            f"the bottleneck is {'the collector' if own > theirs else 'the fake sshd'}; goal: {GOAL} hosts/s a core"
        )
        if chosen.profile:
            show_profile(collector, gate)
        process.kill()


def unpaced() -> Scope:
    scope = scope_of_addresses([ADDRESS])
    return Scope(scope.owner, scope.expires, scope.networks, rates=Rates(100_000, 100_000))


def parsing(sections: dict[str, str]) -> float:
    """Milliseconds from the bytes of a reply to facts."""
    data, times = reply(sections, "0" * 32), 50
    began = time.process_time()
    for _ in range(times):
        found = read_reply(data, "0" * 32)
        assert isinstance(found, Reply)
        facts_of(found, None)
    return (time.process_time() - began) / times * 1000


def cpu() -> float:
    return time.process_time()


def cpu_of(pid: int) -> float:
    """Seconds of CPU time, user and system, of another process: proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def show_profile(collector: SshCollector, gate: Gate) -> None:
    """Of the threads of the collector alone: paramiko's own threads are seen as waiting."""
    profile = cProfile.Profile()
    for host in range(20):
        profile.enable()
        list(collector.collect([HostTarget(f"h{host}")], gate))
        profile.disable()
    pstats.Stats(profile, stream=sys.stdout).sort_stats("cumulative").print_stats(25)


if __name__ == "__main__":
    main()
