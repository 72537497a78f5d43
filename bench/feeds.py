"""How long feeds take: importing 50,000 advisories, and matching 10,000 hosts of 1,000 packages each.

Advisories and fleets are made up, but shaped like real ones: an advisory is about some ten packages, a package has
up to a dozen versions, a host a thousand packages of the four thousand that its release has, and lacks some hundred updates. Each step runs in processes
of its own, so that its memory can be told.
"""

import argparse
import json
import random
import resource
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import msgspec

from secscan.facts import Package, PackageFacts, Release, SystemFacts, decode, encode, known
from secscan.feeds.importing import Imported, import_files
from secscan.feeds.references import load_references
from secscan.reference import Advisories

AT = datetime(2026, 6, 1, tzinfo=UTC)
NAMES = 4_000
VERSIONS = 12
#: The release under whose advisories the fleet falls; of the others there are as many.
RELEASES = ("AlmaLinux:9", "AlmaLinux:8", "Rocky Linux:9", "Rocky Linux:8")
SYSTEM = SystemFacts(
    family="linux",
    release=Release(id="almalinux", version="9.4"),
    architecture="x86_64",
    kernel="5.14.0-427.13.1.el9_4.x86_64",
)


def version(number: int, step: int) -> str:
    """Of package ``number``, what was newest at the ``step``-th step; every one stops being updated sooner or later."""
    step = min(step, number % (VERSIONS + 1))
    return f"{number % 3}:{1 + number % 9}.{number % 17}.{step}-{1 + step % 4}.el9_{step % 6}"


def write_advisories(path: Path, count: int) -> None:
    chance = random.Random(1)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(count):
            step = 1 + number * (VERSIONS - 1) // count
            affected = [
                {
                    "package": {"ecosystem": RELEASES[number % len(RELEASES)], "name": f"package-{n}"},
                    "ranges": [
                        {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": version(n, step)}]}
                    ],
                }
                for n in chance.sample(range(NAMES), chance.randint(1, 20))
            ]
            record = {
                "id": f"XLSA-2026:{number}",
                "modified": "2026-05-01T00:00:00Z",
                "published": "2026-05-01T00:00:00Z",
                "summary": f"{chance.choice(('Critical', 'Important', 'Moderate', 'Low'))}: an update",
                "details": "What the flaw is, in so many words. " * 40,
                "related": [f"CVE-2026-{chance.randrange(99999):05}" for _ in range(chance.randint(1, 5))],
                "affected": affected,
            }
            archive.writestr(f"{record['id']}.json", json.dumps(record))


def import_all(work: Path) -> int:
    (result,) = import_files(work / "feeds.db", [work / "advisories.zip"], AT)
    assert isinstance(result, Imported), result
    return sum(feed.entries for feed in result.feeds)


def stored_hosts(count: int, packages: int) -> "list[bytes]":
    """Hosts as they lie in the store: the newest of most packages, an older one of some."""
    chance = random.Random(2)
    hosts = []
    for _ in range(count):
        chosen = sorted(chance.sample(range(NAMES), packages))
        # Hosts are at the level of their last update; one package in fifty lags behind it.
        level = VERSIONS - int(chance.expovariate(0.7)) % VERSIONS
        installed = []
        for n in chosen:
            text = version(n, level if chance.random() < 0.98 else chance.randint(0, VERSIONS))
            installed.append(
                Package(
                    name=f"package-{n}",
                    version=text,
                    architecture="x86_64",
                    source=f"source-{n}",
                    source_version=text.partition(":")[2],
                )
            )
        hosts.append(encode(PackageFacts(manager="rpm", packages=tuple(installed))))
    return hosts


_advisories: Advisories


def load(db: Path) -> None:
    global _advisories
    _advisories = load_references(db, [known(SYSTEM.release)])[Advisories]


def match_hosts(batch: Path) -> int:
    """From stored facts to what is missing; answers how many updates."""
    missing = 0
    for encoded in msgspec.msgpack.decode(batch.read_bytes(), type=list[bytes]):
        facts = decode(PackageFacts, PackageFacts.version, encoded)
        assert isinstance(facts, PackageFacts)
        missing += len(_advisories.compare(facts, SYSTEM).missing)
    return missing


def measured(step: Callable[[Path], int], work: Path) -> tuple[int, float, float]:
    """What it answers, seconds of wall time, and MB at most, in a process of its own."""
    began = time.perf_counter()
    answer = step(work)
    return answer, time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def alone(step: Callable[[Path], int], work: Path) -> tuple[int, float, float]:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(measured, step, work).result()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--advisories", type=int, default=50_000)
    parser.add_argument("--hosts", type=int, default=10_000)
    parser.add_argument("--packages", type=int, default=1_000)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        write_advisories(work / "advisories.zip", options.advisories)
        for label in ("import", "import again, unchanged"):
            count, seconds, megabytes = alone(import_all, work)
            print(f"{label:26} {count:9,} entries   {seconds:6.1f} s {megabytes:6.0f} MB")
        size = (work / "feeds.db").stat().st_size / 2**20
        print(f"{'feeds.db':26} {'':25} {size:15.0f} MB")

        batch = 250
        # The fleet is made once and used again: what is measured is matching, not making it up.
        distinct = stored_hosts(min(options.hosts, 2_000), options.packages)
        files = []
        for start in range(0, len(distinct), batch):
            files.append(work / f"hosts-{start}")
            files[-1].write_bytes(msgspec.msgpack.encode(distinct[start : start + batch]))
        batches = [files[i % len(files)] for i in range(options.hosts // batch)]
        began = time.perf_counter()
        with ProcessPoolExecutor(
            options.processes, get_context("spawn"), initializer=load, initargs=(work / "feeds.db",)
        ) as pool:
            missing = sum(pool.map(match_hosts, batches))
        seconds = time.perf_counter() - began
        print(
            f"{'match':26} {options.hosts:9,} hosts     {seconds:6.1f} s   "
            f"{options.hosts / seconds:,.0f} hosts/s on {options.processes} processes, loading included; "
            f"{missing / options.hosts:.0f} updates a host"
        )


if __name__ == "__main__":
    sys.exit(main())
