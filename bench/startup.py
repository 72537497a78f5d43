"""How long `secscan --help` takes, beside a Python that does nothing: the median of 15 starts each."""

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

STARTS = 15


def median(command: Sequence[str]) -> float:
    """Seconds of wall time."""
    times = []
    for _ in range(STARTS):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def main() -> None:
    nothing = median([sys.executable, "-c", "pass"])
    rows = [("python -c pass", nothing)]
    for arguments in (["--help"], ["scan", "--help"], ["audit", "--help"], ["--version"]):
        rows.append((f"secscan {' '.join(arguments)}", median([sys.executable, "-m", "secscan", *arguments])))
    for name, seconds in rows:
        print(f"{name:24} {seconds:6.3f} s  {seconds / nothing:5.1f} x python -c pass")


if __name__ == "__main__":
    main()
