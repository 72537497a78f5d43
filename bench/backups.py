"""What reading backups costs: a backup server with many repositories, hosts of the lab with some, and one without any.

The server is made of files of no worth in a folder: repositories of restic and borg as they look to who has no key, with a
hundred snapshots each. Times are of the script's own part and of its parsers; nothing is asserted.
"""

import argparse
import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path

from secscan.collection.ssh.backups import backup_facts
from secscan.collection.ssh.framing import Reply
from secscan.collection.ssh.operation import mount_facts, schedule_facts
from secscan.collection.ssh.shell_script import Run
from secscan.facts import Gap
from secscan.facts.backups import BackupFacts
from tests.lab.backups import Lab, available, by_name, entering

REPOSITORIES = 1000
SNAPSHOTS = 100
GOAL_SECONDS = 20
GOAL_MEGABYTES = 200
GOAL_PART = 150
LAB_STATES = ("restic good", "borg good", "dumps good")

#: All readings but those on backups, and the mounts and crontabs that these are read with.
_OTHERS = (
    "release",
    "uname",
    "clock",
    "kernels",
    "reboot",
    "dpkg",
    "sockets",
    "firewall",
    "automatic",
    "changed",
)
_OTHERS += ("programs", "apt-origins", "apt-metadata", "apt-settings", "apt-pending", "apt-foreign")


def make_server(root: Path, repositories: int, snapshots: int) -> None:
    now = time.time()
    for number in range(repositories):
        place = root / f"host{number:04}"
        if number % 2:
            for part in ("data/00", "index", "keys", "locks", "snapshots"):
                (place / part).mkdir(parents=True)
            (place / "config").write_bytes(bytes(155))
            for day in range(snapshots):
                file = place / "snapshots" / f"{number:08x}{day:056x}"[::-1]
                file.write_bytes(bytes(200))
                os.utime(file, (now - day * 86400, now - day * 86400))
        else:
            (place / "data" / "0").mkdir(parents=True)
            (place / "README").write_text("This is a Borg Backup repository.\n")
            (place / "config").write_text(f"[repository]\nversion = 1\nappend_only = 0\nid = {number:064x}\n")
            (place / "data" / "0" / "1").write_bytes(b"BORG_SEG" + bytes(8) + b"\0" + bytes(32) + b"\3")
            (place / "index.5").touch()
            (place / "integrity.5").touch()


def script_seconds(
    part: bool, declared: tuple[str, ...] = (), shell: tuple[str, ...] = ("/bin/sh", "-s")
) -> tuple[float, Reply]:
    """Seconds of wall clock for a run with nothing in it but what backups need, with or without their part."""
    made = Run.new(budget=500, declared=declared)
    text = made.standard_input.decode()
    for name in _OTHERS:
        text = "\n".join(":" if line.startswith(f"say {name} ") else line for line in text.split("\n"))
    if not part:
        text = text.replace("\nsecscan_backups\n", "\n")
    began = time.perf_counter()
    done = subprocess.run([*shell], input=text.encode(), capture_output=True, check=True)
    seconds = time.perf_counter() - began
    reply = made.read(done.stdout, 0)
    assert isinstance(reply, Reply)
    return seconds, reply


def measure_lab(times: int) -> None:
    """Hosts as the distribution's own tools leave them; entering one is in both times, and so in no difference."""
    if why := available():
        print(f"hosts of the lab: {why}")
        return
    with tempfile.TemporaryDirectory() as name:
        lab = Lab(Path(name))
        for state in map(by_name, LAB_STATES):
            shell = entering(lab.build(state), "/bin/sh", "-s")
            pairs = [
                (
                    script_seconds(True, state.declared, shell)[0],
                    script_seconds(False, state.declared, shell)[0],
                )
                for _ in range(times)
            ]
            with_part, without = (sorted(t)[len(pairs) // 2] for t in zip(*pairs, strict=True))
            best = min(p[0] for p in pairs) - min(p[1] for p in pairs)
            print(
                f"{state.name}: {(with_part - without) * 1000:.0f} ms more in the median of {times}, "
                f"{best * 1000:.0f} ms between the fastest; goal: {GOAL_PART} ms"
            )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--repositories", type=int, default=REPOSITORIES)
    options.add_argument("--times", type=int, default=7)
    chosen = options.parse_args()
    print(f"load: {Path('/proc/loadavg').read_text().split()[0]}, {os.cpu_count()} cores")
    pairs = [(script_seconds(True)[0], script_seconds(False)[0]) for _ in range(chosen.times)]
    with_part, without = (sorted(times)[len(pairs) // 2] for times in zip(*pairs, strict=True))
    best = min(p[0] for p in pairs) - min(p[1] for p in pairs)
    print(
        f"a host without backups: {(with_part - without) * 1000:.0f} ms more in the median of {chosen.times}, "
        f"{best * 1000:.0f} ms between the fastest; goal: {GOAL_PART} ms"
    )
    measure_lab(chosen.times)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "clients"
        make_server(root, chosen.repositories, SNAPSHOTS)
        seconds, reply = script_seconds(True, (str(root),))
        size = sum(len(section.text) for section in reply.sections.values())
        began = time.perf_counter()
        facts = backup_facts(reply, Gap(), mount_facts(reply), schedule_facts(reply))
        parsing = time.perf_counter() - began
        assert isinstance(facts, BackupFacts)
        assert not isinstance(facts.backups, Gap)
        found = [b for b in facts.backups if b.name.startswith(str(root))]
        runs = sum(len(b.runs) for b in found if not isinstance(b.runs, Gap))
        print(f"{len(found)} of {chosen.repositories} repositories, {runs} runs, {size / 1e6:.1f} MB sent")
        print(f"script: {seconds:.1f} s; parsing: {parsing:.1f} s; goal: {GOAL_SECONDS} s together")
    ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    theirs = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(
        f"memory: {ours:.0f} MB here, {theirs:.0f} MB in the largest program on the host; goal: {GOAL_MEGABYTES} MB"
    )


if __name__ == "__main__":
    main()
