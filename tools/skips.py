"""Reads pytest's output on standard input and fails on a skip whose reason is not on the written list."""

import re
import sys
from pathlib import Path

SKIP = re.compile(r"^SKIPPED \[\d+\] (?P<what>.*)$")


def main(allowed_file: str) -> int:
    lines = Path(allowed_file).read_text("utf-8").splitlines()
    allowed = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    skipped = [match["what"] for line in sys.stdin if (match := SKIP.match(line))]
    unexpected = [what for what in skipped if not any(reason in what for reason in allowed)]
    for what in unexpected:
        sys.stderr.write(f"skipped, and not on the list of {allowed_file}: {what}\n")
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
