"""What a country's history costs: judging and scoring it from stored facts, keeping it, asking it, and replaying it.

The fleet is made up: each host has one address, one service and a certificate of its own, and so many in a hundred of
them look otherwise each week. It is held to the ``network`` profile, by the same steps as a scan: judge, lives,
waivers, scores, store. All weeks are recorded; the first few are judged and stored, and then all are replayed.

Goals: 30 seconds for one run on two cores, and 10 minutes for the replay of 52; 500 MB, over all processes; 100 bytes
for an observation that did not change; one second an answer. The load and the cores of the machine are printed too:
beside other work the figures tell little.
"""

import argparse
import contextlib
import os
import random
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from secscan.baseline import load_baseline
from secscan.engine.replay import Sources, replay_history
from secscan.engine.run import Means, judge
from secscan.facts import AddressFacts, PortFacts, PortState, PortStatus
from secscan.inventory import agency_documents, inventory_hash
from secscan.model import (
    AddressTarget,
    Agency,
    Endpoint,
    ExpectedService,
    Host,
    HostTarget,
    Inventory,
    Membership,
    Observation,
    Record,
    Service,
    TlsPolicy,
)
from secscan.registry import find_checks
from secscan.store import RunStart, Store
from secscan.workspace import Workspace, write_new
from tests.factories import chain_facts, issue, tls_facts
from tests.processes import descendants

BEGAN = datetime(2026, 5, 4, 3, tzinfo=UTC)
PROFILE = "network"
TIERS = ("central", "province", "district", "commune")
BATCH = 500
#: Times that each question is asked.
ASKED = 5


def an_inventory(agencies: int, hosts: int) -> Inventory:
    owned = {f"host-{n:05}": f"agency-{n % agencies:03}" for n in range(hosts)}
    return Inventory(
        {
            id: Agency(id, {"en": id.title()}, TIERS[n % len(TIERS)])
            for n in range(agencies)
            for id in [f"agency-{n:03}"]
        },
        {
            id: Host(
                id,
                addresses=(address_of(n),),
                criticality=1 + n % 5,
                services=(ExpectedService(Service(id, "tcp", 443, ""), TlsPolicy.REQUIRED, ""),),
            )
            for n, id in enumerate(owned)
        },
        tuple(Membership(host, agency) for host, agency in owned.items()),
    )


def address_of(n: int) -> str:
    return f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}"


def records(hosts: int, at: datetime, changed: set[int], chains: list[bytes]) -> Iterator[Record]:
    """Four of each host; those of ``changed`` hosts look otherwise than they would."""
    sound, weak = tls_facts(), tls_facts(client_renegotiation=True, fallback_scsv=False)
    for n in range(hosts):
        id, address = f"host-{n:05}", address_of(n)
        endpoint = Endpoint(Service(id, "tcp", 443, ""), address)
        otherwise = n in changed
        listed = (443, 23) if (n % 7 == 0) is not otherwise else (443,)
        ports = tuple(
            PortState(transport="tcp", port=port, status=PortStatus.OPEN) for port in sorted(listed)
        )
        port_facts = PortFacts(
            method="nmap", asked={"tcp": "1-1000"}, ports=ports, rest={"tcp": PortStatus.CLOSED}
        )
        names = AddressFacts(addresses=(address,), by_name={"": (address,)})
        chain = chain_facts(chains[(n + otherwise) % len(chains)])
        yield Observation(HostTarget(id), "names", "addresses", at, names)
        yield Observation(AddressTarget(id, address), "nmap", "ports", at, port_facts)
        yield Observation(endpoint, "sslyze", "tls", at, weak if (n % 5 == 0) is not otherwise else sound)
        yield Observation(endpoint, "sslyze", "chain", at, chain)


def measure(arguments: argparse.Namespace, folder: Path) -> None:
    chance = random.Random(1)
    place = write_new(folder / "w", today=datetime.now(UTC).date())
    checks = find_checks()
    baseline = load_baseline(PROFILE, checks)
    inventory = an_inventory(arguments.agencies, arguments.hosts)
    chains = [issue(f"host-{n}.example.vn").der for n in range(arguments.hosts + 1)]
    count = max(1, arguments.hosts * arguments.percent // 100)
    changed: set[int] = set()
    print(
        f"{arguments.hosts} hosts, {arguments.agencies} agencies, {len(baseline.rules)} rules; 4 facts a host"
    )
    with Store.open(place.database, create=True) as store:
        means = Means(
            store=store,
            checks=checks,
            baseline=baseline,
            scope=place.load_scope(),
            probe_log=None,
            workers=arguments.processes,
        )
        for week in range(arguments.runs):
            at = BEGAN + timedelta(weeks=week)
            changed ^= set(chance.sample(range(arguments.hosts), count)) if week else set()
            before = size_of(place.database)
            run = store.begin_run(
                RunStart(
                    started_at=at,
                    plan={},
                    inventory=agency_documents(inventory),
                    inventory_hash=inventory_hash(inventory),
                    profile=PROFILE,
                    profile_hash=baseline.hash,
                )
            )
            batch: list[Record] = []
            for record in records(arguments.hosts, at, changed, chains):
                batch.append(record)
                if len(batch) == BATCH:
                    store.record(run, batch)
                    batch = []
            store.record(run, batch)
            recorded = size_of(place.database)
            said = f"run {run}: {(recorded - before) / (4 * arguments.hosts):.0f} bytes an observation"
            if week < arguments.judged:
                with measuring() as cost:
                    judge(run, inventory, means, at=at + timedelta(hours=1))
                store.finish(run, at + timedelta(hours=1))
                grown = (size_of(place.database) - recorded) / 2**20
                said += f"; judged, scored and stored in {cost}, {grown:.1f} MiB for the judgement"
            print(said, flush=True)
    del means, inventory
    # Answers are asked for as an operator does, each of a process of its own.
    ask(arguments, place)
    with Store.open(place.database) as store, measuring() as cost:
        instants = [BEGAN + timedelta(weeks=week, hours=1) for week in range(arguments.runs)]
        history = replay_history(
            store, instants, baseline=baseline, sources=Sources(), processes=arguments.processes
        )
        for judgement in history:
            print(f"replayed {judgement.stamp.at:%Y-%m-%d}", end="\r", file=sys.stderr)
    print(f"replayed {arguments.runs} runs in {cost}: {cost.wall / arguments.runs:.1f} s each")


def ask(arguments: argparse.Namespace, place: Workspace) -> None:
    for question in (
        ("findings", "--agency", "agency-007"),
        ("findings", "--agency", "agency-007", "--overdue"),
        ("whatif", "agency-007"),
        *((("diff", str(arguments.judged - 1), str(arguments.judged)),) if arguments.judged > 1 else ()),
    ):
        command = [sys.executable, "-m", "secscan", *question, "-C", str(place.folder), "--format", "json"]
        times, answers = [], []
        for _ in range(ASKED):
            began = time.perf_counter()
            answers.append(subprocess.run(command, capture_output=True, text=True, check=False))
            times.append(time.perf_counter() - began)
        done = answers[-1]
        print(
            f"secscan {' '.join(question)}: {statistics.median(times):.2f} s (median of {ASKED}; "
            f"{min(times):.2f} to {max(times):.2f}), {len(done.stdout)} bytes, exit {done.returncode}"
        )
        if done.returncode:
            print(done.stderr)


@dataclass(slots=True)
class Cost:
    """Seconds of wall and of processor, and the most memory, in MB, that this process and its children had at once."""

    wall: float = 0.0
    processor: float = 0.0
    memory: float = 0.0

    def __str__(self) -> str:
        return f"{self.wall:.1f} s ({self.processor:.1f} s of processor), {self.memory:.0f} MB at most"


@contextlib.contextmanager
def measuring() -> Iterator[Cost]:
    cost = Cost()
    ended = threading.Event()
    used = threading.Thread(target=_watch_memory, args=(cost, ended))
    used.start()
    began, busy = time.perf_counter(), _processor()
    try:
        yield cost
    finally:
        cost.wall, cost.processor = time.perf_counter() - began, _processor() - busy
        ended.set()
        used.join()


def _watch_memory(cost: Cost, ended: threading.Event) -> None:
    while not ended.wait(0.25):
        pids = [os.getpid(), *descendants()]
        cost.memory = max(cost.memory, sum(map(_share_of_memory, pids)) / 1024)


def _share_of_memory(pid: int) -> int:
    """KiB, of which pages that several processes share count in parts; nothing of a process that has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text("utf-8").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def _processor() -> float:
    """Of this process, and of its children that have ended."""
    usages = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def size_of(database: Path) -> int:
    """Bytes of the database's pages, those that only its log has yet too."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        ((pages,),) = connection.execute("PRAGMA page_count")
        ((size,),) = connection.execute("PRAGMA page_size")
    return int(pages) * int(size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=10_000)
    parser.add_argument("--agencies", type=int, default=700)
    parser.add_argument("--runs", type=int, default=52, help="weeks that are recorded, and replayed")
    parser.add_argument("--judged", type=int, default=2, help="weeks that are judged and stored before that")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--percent", type=int, default=1, help="of the hosts look otherwise each week")
    parser.add_argument("--keep", type=Path, help="an empty folder for the workspace, which is left there")
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {', '.join(f'{load:.1f}' for load in os.getloadavg())}")
    with contextlib.ExitStack() as stack:
        folder = arguments.keep
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="secscan-bench-")))
        measure(arguments, folder)


if __name__ == "__main__":
    main()
