"""Writes docs/ssh-truth.md: where secscan and ssh-audit differ over the lab's SSH servers, and why; --check compares.

Run it as ``python -m tools.ssh_truth``: it starts every server of ``tests/lab/ssh_configurations.py``.
"""

import argparse
import sys

from tests.lab.ssh_configurations import configurations
from tests.truth.ssh_audit import PAGE, differences, idle, page, unexplained


def main(arguments: list[str] | None = None) -> int:
    """Exit code 1 where a difference has no reason, a reason no difference, or ``--check`` finds another page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is out of date")
    options = parser.parse_args(arguments)
    found = {one.name: differences(one) for one in configurations()}
    every = set().union(*found.values())
    for difference in unexplained(every):
        names = sorted(name for name, some in found.items() if difference in some)
        sys.stderr.write(
            f"no reason: {difference.said_by} alone says {difference.what!r} of {', '.join(names)}\n"
        )
    for reason in idle(every):
        sys.stderr.write(f"no difference: {reason.said_by} alone says {reason.what!r}\n")
    if unexplained(every) or idle(every):
        return 1
    text = page(found)
    if not options.check:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{PAGE} is not what the servers show; run: python -m tools.ssh_truth\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
