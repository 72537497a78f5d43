"""What a country's history costs: judging and scoring it from stored facts, keeping it, and asking it.

The fleet is made up: each host has one address and one service, and so many in a hundred of them look otherwise each
week. It is held to the ``network`` profile, by the same steps as a scan: judge, lives, waivers, scores, store. Goals:
30 seconds for one run on two cores, 500 MB, 100 bytes for an observation that did not change, one second an answer.
The load and the cores of the machine are printed too: beside other work the figures tell little.
"""

import argparse
import contextlib
import os
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from secscan.baseline import load_baseline
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
from secscan.workspace import write_new
from tests.factories import chain_facts, issue, tls_facts

BEGAN = datetime(2026, 5, 4, 3, tzinfo=UTC)
PROFILE = "network"
TIERS = ("central", "province", "district", "commune")
BATCH = 500


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
    chains = [issue(f"host-{n}.example.vn").der for n in range(50)]
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
            workers=os.cpu_count() or 1,
        )
        for week in range(arguments.runs):
            at = BEGAN + timedelta(weeks=week)
            now = set(chance.sample(range(arguments.hosts), count)) if week else set()
            changed ^= now
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
            began, cpu = time.perf_counter(), time.process_time()
            judgement = judge(run, inventory, means, at=at + timedelta(hours=1))
            store.finish(run, at + timedelta(hours=1))
            took, busy = time.perf_counter() - began, time.process_time() - cpu
            findings = sum(map(len, judgement.findings.values()))
            del judgement
            print(
                f"run {run}: judged, scored and stored {findings} findings in {took:.1f} s "
                f"({busy:.1f} s of processor), {peak():.0f} MB at most; "
                f"{(recorded - before) / (4 * arguments.hosts):.0f} bytes an observation, "
                f"{(size_of(place.database) - recorded) / 2**20:.1f} MiB for the judgement",
                flush=True,
            )
    for question in (
        ("findings", "--agency", "agency-007"),
        ("findings", "--agency", "agency-007", "--overdue"),
        ("whatif", "agency-007"),
        *((("diff", str(arguments.runs - 1), str(arguments.runs)),) if arguments.runs > 1 else ()),
    ):
        began = time.perf_counter()
        command = [sys.executable, "-m", "secscan", *question, "-C", str(place.folder), "--format", "json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        took = time.perf_counter() - began
        print(f"secscan {' '.join(question)}: {took:.2f} s, {len(done.stdout)} bytes, exit {done.returncode}")
        if done.returncode:
            print(done.stderr)


def size_of(database: Path) -> int:
    """Bytes of the database's pages, those that only its log has yet too."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        ((pages,),) = connection.execute("PRAGMA page_count")
        ((size,),) = connection.execute("PRAGMA page_size")
    return int(pages) * int(size)


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=10_000)
    parser.add_argument("--agencies", type=int, default=700)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--percent", type=int, default=1, help="of the hosts look otherwise each week")
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {', '.join(f'{load:.1f}' for load in os.getloadavg())}")
    with tempfile.TemporaryDirectory(prefix="secscan-bench-") as folder:
        measure(arguments, Path(folder))


if __name__ == "__main__":
    main()
