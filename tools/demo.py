"""Starts the lab, scans it, and writes scorecards: `make demo`. Leaves no process behind, also after Ctrl-C."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent

#: Exit codes of a scan that went well: clean, findings, too little seen.
WENT_WELL = (0, 1, 3)


def main(folder: Path) -> int:
    if folder.exists():
        if not (folder / "secscan.toml").is_file():
            sys.stderr.write(f"{folder} is no demo of ours; name another folder or remove it\n")
            return 2
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    began = time.monotonic()
    try:
        with lab(folder):
            scanned = secscan("scan", "-C", str(folder))
            if scanned not in WENT_WELL:
                return scanned
            took = time.monotonic() - began
        reported = secscan("report", "-C", str(folder), "--out", str(folder / "report"))
        if reported:
            return reported
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130
    print(f"Scanned in {took:.0f} s. Look again: {' '.join(command('findings', '-C', str(folder)))}")
    print(f"Scorecards: {(folder / 'report' / 'index.html').resolve()}")
    return 0


@contextlib.contextmanager
def lab(folder: Path) -> Iterator[None]:
    """The lab in a process of its own, which ends when the pipe to its standard input closes."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.lab", str(folder)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # Out of the terminal's group: Ctrl-C ends the scan first, and then we end the lab.
        start_new_session=True,
    )
    assert process.stdin is not None  # noqa: S101 - it is a pipe, as asked above
    assert process.stdout is not None  # noqa: S101
    try:
        line = process.stdout.readline()
        if not line.startswith("ready"):
            raise SystemExit(f"the lab did not start: {line.strip()}")
        yield
    finally:
        process.stdin.close()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()


def command(*arguments: str) -> list[str]:
    return ["secscan", *arguments]


def secscan(*arguments: str) -> int:
    """Its exit code. On Ctrl-C it gets the signal too, says how to go on, and is waited for."""
    process = subprocess.Popen([sys.executable, "-m", "secscan", *arguments])
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.wait()
        raise


if __name__ == "__main__":
    # `kill` ends it as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo")))
