"""Nothing that was committed is lost, and nothing is kept in part: killed processes, full disks."""

import contextlib
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from secscan.store import Store
from tests.store.samples import a_start, addresses, later, ports

#: Records a batch.
BATCH = 20

#: Writes batches, and every fifth time a judgement, until it is killed; says which are committed.
WRITER = """
import sys
from secscan.store import Store
from tests.store.samples import a_finding, a_judgement, a_start, addresses, later
with Store.open(sys.argv[1]) as store:
    run = store.begin_run(a_start())
    for n in range(100_000):
        hosts = [f"run-{run}-batch-{n}-host-{i}" for i in range(int(sys.argv[2]))]
        store.record(run, [addresses(host, at=later(run, seconds=n)) for host in hosts])
        if n % 5 == 4:
            findings = {host: [a_finding(host, object=str(n))] for host in hosts}
            store.save_judgement(run, a_judgement(run, findings), {})
        print(n, flush=True)
"""

#: Writes batches until no more go in; says how many did, and what the store had to say then.
FILLER = """
import resource, sys
from secscan.store import Store, StoreError
from tests.store.samples import a_start, addresses
store = Store.open(sys.argv[1])
run = store.begin_run(a_start())
largest = int(sys.argv[3])
if largest:
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
n = 0
try:
    for n in range(100_000):
        store.record(run, [addresses(f"batch-{n}-host-{i}") for i in range(int(sys.argv[2]))])
except StoreError as e:
    print(n, e)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.sqlite"
    Store.open(path, create=True).close()
    return path


def writing(path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, path, str(BATCH)], stdout=subprocess.PIPE, text=True
    )


def batches(store: Store, run: int) -> Counter[int]:
    """How many records of each batch a run has."""
    return Counter(int(target.split("-")[-3]) for target, _kind in store.recorded(run))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_killed_writer_leaves_whole_batches_and_a_sound_database(path: Path) -> None:
    chance = random.Random(20)
    for run in range(1, 21):
        with writing(path) as writer:
            assert writer.stdout is not None
            said = [writer.stdout.readline() for _ in range(chance.randint(1, 12))]
            # Into the middle of whatever it does next.
            with contextlib.suppress(subprocess.TimeoutExpired):
                writer.wait(chance.uniform(0, 0.01))
            writer.send_signal(signal.SIGKILL)
        with Store.open(path) as store:
            assert store.check() == []
            whole = batches(store, run)
            assert set(whole.values()) == {BATCH}
            assert len(whole) >= len(said)
            if len(whole) > 5:
                assert len(list(store.findings(run))) == BATCH


def test_a_run_goes_on_after_its_writer_was_killed(path: Path) -> None:
    with writing(path) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
    with Store.open(path) as store:
        before = len(store.recorded(1))
        store.record(1, [ports(at=later(100))])
        assert len(store.recorded(1)) == before + 1


# --- Full disks ----------------------------------------------------------------------------------------


def fill(path: Path, largest: int = 0) -> tuple[int, str]:
    """How many batches went in, and what was said when no more did; ``largest``: bytes a file may have."""
    command = [sys.executable, "-c", FILLER, str(path), str(BATCH), str(largest)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    number, _, message = said.strip().partition(" ")
    return int(number), message


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = [shutil.which("mount") or "mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small file system needs root")
    yield disk
    subprocess.run([shutil.which("umount") or "umount", str(disk)], check=True)


@pytest.mark.root
def test_a_full_disk_is_said_and_costs_nothing_committed(small_disk: Path) -> None:
    path = small_disk / "a.sqlite"
    Store.open(path, create=True).close()
    committed, message = fill(path)
    assert message.startswith(f"no room left for {path} (0 MB free). Everything recorded before is kept")
    (small_disk / "a.sqlite.lock").unlink()
    with Store.open(path) as store:
        assert store.check() == []
        assert (len(batches(store, 1)), set(batches(store, 1).values())) == (committed, {BATCH})


def test_a_file_that_may_not_grow_is_said_and_costs_nothing_committed(path: Path) -> None:
    committed, message = fill(path, 1_000_000)
    assert "Everything recorded before is kept" in message
    with Store.open(path) as store:
        assert store.check() == []
        assert (len(batches(store, 1)), set(batches(store, 1).values())) == (committed, {BATCH})


def test_a_batch_that_fails_in_its_middle_leaves_nothing(path: Path) -> None:
    with Store.open(path) as store:
        run = store.begin_run(a_start())
        with pytest.raises(ValueError, match="no time zone"):
            store.record(run, [addresses("a"), addresses("b", at=later().replace(tzinfo=None))])
        assert store.recorded(run) == set()
