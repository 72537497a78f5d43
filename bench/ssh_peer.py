"""secscan and `ansible -m setup` side by side: the same hosts, the same forks, the same run, over a real sshd.

The hosts are addresses of loopback with one OpenSSH server behind all of them, so their own work is done by this
machine too: it is counted apart, by the CPU time of what the server started. Three rows:

- *ansible*: `ansible all -m setup`, ansible-core's defaults; and with pipelining, which its manual recommends for speed;
- *secscan*: everything the script reads, run by this machine's own shell once for each host;
- *secscan, replayed*: the same, with the host answering from a file what its script said once. On one machine the
  scripts of all hosts fight for the same cores, which those of real hosts don't: this row leaves that out.

Each client runs in a process of its own, whose start counts. ansible-core is installed from PyPI into a folder under
build/, apart from the project's own dependencies, the first time.
"""

import argparse
import contextlib
import json
import os
import platform
import pwd
import resource
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass
from pathlib import Path

from bench.ssh import captured
from secscan.collection.ssh import Credential, SshCollector, SshSettings
from secscan.model import Host, HostTarget, Observation
from secscan.scope import Gate, ProbeLog, Rates, Scope, scope_of_addresses
from tests.lab.ssh import Sshd, make_key, reply

HOSTS, FORKS = 24, 8
GOAL = 10
PEER = Path(__file__).parents[1] / "build" / "bench-ansible"
ZEROS = "0" * 32
#: sshd stops at sixteen sockets.
AT_ONE = 15
FIRST_PORT = 42200


@dataclass(frozen=True)
class Row:
    """Seconds for all hosts together: by the clock, of the client's CPU, and of the hosts' own."""

    name: str
    wall: float
    client: float
    hosts: float


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--hosts", type=int, default=HOSTS)
    options.add_argument("--forks", type=int, default=FORKS)
    options.add_argument(
        "--quick", action="store_true", help="leave out the row of whole scripts, the slowest"
    )
    options.add_argument("--collect", type=Path, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.collect:
        collect(chosen.collect, chosen.forks)
        return
    addresses = [f"127.0.1.{i}" for i in range(1, chosen.hosts + 1)]
    ansible = find_ansible()
    with tempfile.TemporaryDirectory() as name:
        show(
            measure(Path(name), addresses, chosen.forks, ansible, quick=chosen.quick),
            chosen.hosts,
            chosen.forks,
            ansible,
        )


def find_ansible() -> Path | None:
    """The peer's own folder of programs; None where it can't be had, which is said."""
    programs = PEER / "bin"
    if not (programs / "ansible").exists():
        try:
            venv.create(PEER, with_pip=True, clear=True)
            subprocess.run([programs / "pip", "install", "--quiet", "ansible-core"], check=True)
        except (OSError, subprocess.CalledProcessError) as e:
            print(f"ansible-core can't be installed here ({e}): nothing to compare with")
            return None
    return programs


def measure(
    folder: Path, addresses: list[str], forks: int, ansible: Path | None, *, quick: bool
) -> list[Row]:
    key = make_key(folder / "id")
    authorized = key.with_suffix(".pub").read_text()
    (folder / "reply").write_bytes(reply(captured(), ZEROS))
    (folder / "replay").write_text(
        f'read -r first\nfirst=${{first#nonce=}}\nexec sed -e "s/{ZEROS}/${{first%% *}}/" {folder}/reply\n'
    )
    rows, forks_given = [], str(forks)
    ask = [sys.executable, "-m", "bench.ssh_peer", "--forks", forks_given, "--collect", str(folder)]
    with contextlib.ExitStack() as open_ones:
        servers = serve(folder, authorized, addresses, "LogLevel ERROR\n", open_ones)
        if ansible is not None:
            command = [
                str(ansible / "ansible"),
                "all",
                "-i",
                str(folder / "inventory"),
                "-m",
                "setup",
                "-f",
                forks_given,
            ]
            for name, changes in (("ansible", {}), ("ansible, pipelining", {"ANSIBLE_PIPELINING": "1"})):
                rows.append(timed(name, command, servers, environment(folder, ansible) | changes))
        if not quick:
            rows.append(timed("secscan", ask, servers, dict(os.environ)))
    with contextlib.ExitStack() as open_ones:
        replayed = f"LogLevel ERROR\nForceCommand /bin/sh {folder}/replay\n"
        servers = serve(folder, authorized, addresses, replayed, open_ones)
        rows.append(timed("secscan, replayed", ask, servers, dict(os.environ)))
    return rows


def serve(
    folder: Path, authorized: str, addresses: list[str], options: str, open_ones: contextlib.ExitStack
) -> list[Sshd]:
    """As many servers as it takes: one listens on sixteen addresses at most. Writes who is where, for both clients."""
    servers, places, known = [], {}, ""
    for first in range(0, len(addresses), AT_ONE):
        own = addresses[first : first + AT_ONE]
        port = FIRST_PORT + first
        listen = "".join(f"ListenAddress {address}:{port}\n" for address in own[1:])
        sshd = Sshd(authorized=authorized, address=own[0], port=port, options=listen + options)
        servers.append(open_ones.enter_context(sshd))
        places |= dict.fromkeys(own, port)
        known += "".join(sshd.known_hosts.replace(f"[{own[0]}]", f"[{address}]") for address in own)
    (folder / "known_hosts").write_text(known)
    (folder / "places").write_text(json.dumps(places))
    (folder / "inventory").write_text(
        "".join(
            f"{address} ansible_port={port} ansible_ssh_private_key_file={folder}/id "
            f"ansible_python_interpreter={sys.executable}\n"
            for address, port in places.items()
        )
    )
    return servers


def timed(name: str, command: list[str], servers: list[Sshd], environ: dict[str, str]) -> Row:
    of_hosts, own = cpu_of_children(servers), resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{name} ended with {done.returncode}: {(done.stderr or done.stdout)[-2000:]}")
    client = after.ru_utime + after.ru_stime - own.ru_utime - own.ru_stime
    return Row(name, wall, client, cpu_of_children(servers) - of_hosts)


def cpu_of_children(servers: list[Sshd]) -> float:
    """Seconds of CPU, user and system, of all that servers started and that has ended: proc(5), cutime and cstime."""
    stats = [Path(f"/proc/{sshd.pid}/stat").read_text().rpartition(")")[2].split() for sshd in servers]
    return sum(int(fields[13]) + int(fields[14]) for fields in stats) / os.sysconf("SC_CLK_TCK")


# --- The peer -------------------------------------------------------------------------------------------------


def environment(folder: Path, programs: Path) -> dict[str, str]:
    return {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "ANSIBLE_REMOTE_TMP": str(folder / "remote"),
        # Ended with the run: what stays open to be used again would not be counted.
        "ANSIBLE_SSH_ARGS": f"-o ControlMaster=auto -o ControlPersist=5s -o UserKnownHostsFile={folder}/known_hosts",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(folder / "cp"),
    }


# --- secscan ----------------------------------------------------------------------------------------------------


def collect(folder: Path, forks: int) -> None:
    places = json.loads((folder / "places").read_text())
    hosts = {address: Host(address, (address,), credential=str(port)) for address, port in places.items()}
    user = pwd.getpwuid(os.getuid()).pw_name
    logins = {
        str(port): Credential(str(port), user, port, key_file=folder / "id") for port in places.values()
    }
    collector = SshCollector(hosts, {}, logins, folder / "known_hosts", SshSettings(300.0, forks))
    scope = scope_of_addresses(list(hosts))
    gate = Gate(
        Scope(scope.owner, scope.expires, scope.networks, rates=Rates(100_000, 100_000)), ProbeLog(None)
    )
    records = list(collector.collect([HostTarget(host) for host in hosts], gate))
    seen = {r.target.host for r in records if isinstance(r, Observation) and r.kind == "packages"}
    if len(seen) != len(hosts):
        sys.exit(f"only {len(seen)} of {len(hosts)} hosts were seen: {records[0]}")


def show(rows: list[Row], hosts: int, forks: int, ansible: Path | None) -> None:
    version = ""
    if ansible is not None:
        said = subprocess.run([ansible / "ansible", "--version"], capture_output=True, text=True, check=True)
        version = f"; {said.stdout.splitlines()[0]}"
    load = " ".join(f"{number:.1f}" for number in os.getloadavg())
    print(
        f"{hosts} hosts, {forks} forks; Python {platform.python_version()}{version}; {os.cpu_count()} cores, load {load}"
    )
    print(
        f"{'':24}{'wall s':>9}{'hosts/s':>9}{'client CPU ms/host':>20}{'hosts own CPU ms/host':>23}{'wall x':>8}{'CPU x':>8}"
    )
    for row in rows:
        times = ""
        if ansible is not None:
            times = f"{rows[0].wall / row.wall:8.1f}{rows[0].client / row.client:8.1f}"
        print(
            f"{row.name:24}{row.wall:9.1f}{hosts / row.wall:9.2f}{row.client / hosts * 1000:20.0f}"
            f"{row.hosts / hosts * 1000:23.0f}{times}"
        )
    print(
        f"x: times the hosts of ansible with its defaults, by the clock and by the client's CPU; the goal is {GOAL}"
    )


if __name__ == "__main__":
    main()
