"""What a country's pages cost: the scorecards of all agencies, the index and the fleet's pages, in both languages.

The fleet is that of ``bench.history``, with certificates that end on different days, and a year of weekly runs. All
weeks are recorded; the first and the last two are judged, and those between them are scores alone, which wander from
the first's: what a page tells of the past are scores.

Goals: all pages in both languages in 120 seconds on two cores and 500 MB, over all processes; one agency's page in one
second; pages that did not change are left alone. The load and the cores of the machine are printed too: beside other
work the figures tell little.
"""

import argparse
import contextlib
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

from bench.history import BATCH, BEGAN, an_inventory, measuring, records
from secscan.baseline import Baseline, load_baseline
from secscan.engine.background import compared_with_before
from secscan.engine.replay import Sources
from secscan.engine.run import Means, judge
from secscan.engine.stamping import stamp
from secscan.inventory import agency_documents, inventory_hash
from secscan.model import GroupScore, Host, Inventory, Judgement, Range, Record
from secscan.publication import Edition, Issue, publish
from secscan.registry import find_checks
from secscan.store import RunStart, Scores, Store
from secscan.workspace import Workspace, find_workspace, write_new
from tests.factories import issue

LANGUAGES = ("en", "vi")
ROLES = ("portal", "mail", "document-exchange", "database", "video", "")
ZONES = ("wan", "internet", "data-centre")
#: Times that one agency's page is asked for.
ASKED = 5


def a_country(agencies: int, hosts: int) -> Inventory:
    """The fleet of ``bench.history``, with roles, zones and names as offices have them."""
    plain = an_inventory(agencies, hosts)
    return replace(
        plain,
        agencies={
            id: replace(
                agency,
                names={"en": f"Office {n}", "vi": f"Sở Thông tin và Truyền thông {n}"},
                zone=ZONES[n % len(ZONES)],
            )
            for n, (id, agency) in enumerate(plain.agencies.items())
        },
        hosts={id: _with_role(host, n) for n, (id, host) in enumerate(plain.hosts.items())},
    )


def _with_role(host: Host, n: int) -> Host:
    return replace(host, role=ROLES[n % len(ROLES)], zone=ZONES[n % len(ZONES)])


def build(arguments: argparse.Namespace, folder: Path) -> Workspace:
    """Records and judges the year, or finds that it is there already."""
    with contextlib.suppress(ValueError, OSError):
        return find_workspace(folder / "w")
    chance = random.Random(1)
    making = folder / "making"
    end = BEGAN + timedelta(weeks=arguments.runs)
    place = write_new(making, today=end.date())
    checks = find_checks()
    baseline = load_baseline(arguments.profile, checks)
    inventory = a_country(arguments.agencies, arguments.hosts)
    chains = [
        issue(
            f"host-{n}.example.vn",
            start=BEGAN - timedelta(days=30),
            end=end + timedelta(days=chance.randint(-20, 360)),
        ).der
        for n in range(arguments.hosts + 1)
    ]
    changed: set[int] = set()
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
            some = max(1, arguments.hosts // 100)
            changed ^= set(chance.sample(range(arguments.hosts), some)) if week else set()
            run = store.begin_run(
                RunStart(
                    started_at=at,
                    plan={},
                    inventory=agency_documents(inventory),
                    inventory_hash=inventory_hash(inventory),
                    profile=arguments.profile,
                    profile_hash=baseline.hash,
                )
            )
            for batch in _batches(records(arguments.hosts, at, changed, chains)):
                store.record(run, batch)
            judged_at = at + timedelta(hours=1)
            if week == 0 or week >= arguments.runs - 2:
                judge(run, inventory, means, at=judged_at)
            else:
                stamped = stamp(run=run, at=judged_at, baseline=baseline, inventory=inventory)
                scores = _wandered(store.scores(run - 1), chance)
                with store.saving(run, stamped) as saving:
                    saving.complete(
                        Judgement(stamped, {}, scores.hosts, scores.agencies, scores.tiers, scores.whole),
                        {},
                    )
            store.finish(run, judged_at)
            print(f"run {run} of {arguments.runs}", end="\r", file=sys.stderr, flush=True)
    making.rename(folder / "w")
    return find_workspace(folder / "w")


def _batches(every: Iterator[Record]) -> Iterator[Sequence[Record]]:
    batch: list[Record] = []
    for record in every:
        batch.append(record)
        if len(batch) == BATCH:
            yield batch
            batch = []
    yield batch


def _wandered(scores: Scores, chance: random.Random) -> Scores:
    """One agency in ten scores a little otherwise."""
    moved = chance.sample(sorted(scores.agencies), max(1, len(scores.agencies) // 10))
    return replace(
        scores, agencies={**scores.agencies, **{id: _moved(scores.agencies[id], chance) for id in moved}}
    )


def _moved(score: GroupScore, chance: random.Random) -> GroupScore:
    if score.range is None:
        return score
    verified = min(score.range.possible, max(Fraction(0), score.range.verified + chance.randint(-5, 5)))
    return replace(score, range=Range(verified, score.range.possible))


def measure(arguments: argparse.Namespace, place: Workspace, folder: Path) -> None:
    size = place.database.stat().st_size / 2**20
    print(
        f"{arguments.hosts} hosts, {arguments.agencies} agencies, {arguments.runs} runs; {size:.0f} MiB of store"
    )
    checks = find_checks()
    with Store.open(place.database) as store:
        run = store.newest_judged_run()
        editions = [Edition(language, folder / language) for language in LANGUAGES]

        def baseline_of(name: str) -> Baseline:
            return load_baseline(name, checks, folder=place.profiles)

        for what in ("all pages", "the same again"):
            before = _files(folder)
            with measuring() as cost:
                issue = Issue(
                    run=run,
                    baseline=baseline_of(store.stamp(run).baseline),
                    checks=checks,
                    tz=place.time_zone(),
                    compared=compared_with_before(store, run, baseline_of=baseline_of, sources=Sources()),
                )
                pages = publish(store, issue, editions, processes=arguments.processes)
            after = _files(folder)
            written = sum(before.get(page) != state for page, state in after.items())
            print(
                f"{what} in {len(LANGUAGES)} languages, {len(pages)} pages: {cost}; {written} files written"
            )
    _print_sizes(folder)
    ask(place, folder)


def _files(folder: Path) -> dict[Path, tuple[int, int]]:
    """Inode and time of every page: one that is written again has another inode."""
    pages = (path for path in folder.rglob("*.html"))
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in pages}


def _print_sizes(folder: Path) -> None:
    for language in LANGUAGES:
        top = {path.name: path.stat().st_size for path in (folder / language).glob("*.html")}
        agencies = [path.stat().st_size for path in (folder / language / "agencies").glob("*.html")]
        told = ", ".join(f"{name} {size / 1000:.0f} kB" for name, size in sorted(top.items()))
        print(f"{language}: {told}; scorecards {statistics.median(agencies) / 1000:.0f} kB (median)")


def ask(place: Workspace, folder: Path) -> None:
    """One agency's page is asked for as an operator does, each time of a process of its own."""
    out = folder / "one"
    question = ["report", "-C", str(place.folder), "--agency", "agency-007", "--out", str(out)]
    times = []
    for _ in range(ASKED):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "secscan", *question], capture_output=True, check=True)
        times.append(time.perf_counter() - began)
    print(
        f"secscan report --agency agency-007: {statistics.median(times):.2f} s (median of {ASKED}; "
        f"{min(times):.2f} to {max(times):.2f})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=10_000)
    parser.add_argument("--agencies", type=int, default=700)
    parser.add_argument("--runs", type=int, default=52)
    parser.add_argument("--profile", default="baseline")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument(
        "--keep", type=Path, help="a folder for the store, which is left there and used again"
    )
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {', '.join(f'{load:.1f}' for load in os.getloadavg())}")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="secscan-bench-")))
        kept = arguments.keep or folder
        kept.mkdir(parents=True, exist_ok=True)
        measure(arguments, build(arguments, kept), folder)


if __name__ == "__main__":
    main()
