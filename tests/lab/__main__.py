"""``python -m tests.lab FOLDER``: runs the demo's servers, and writes the workspace to scan them into FOLDER."""

import os
import select
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from tests.lab.demo import start_demo
from tests.lab.fleet import write_workspace
from tests.lab.servers import LabError


def main(arguments: list[str]) -> int:
    """Says ``ready FOLDER`` on stdout when all listen; stops when stdin closes, or on SIGINT or SIGTERM."""
    if len(arguments) != 1:
        print("usage: python -m tests.lab FOLDER", file=sys.stderr)
        return 2
    folder = Path(arguments[0])
    # Installed first: a signal while the servers start is then obeyed as soon as they all can be stopped.
    told, tells = os.pipe()
    os.set_blocking(tells, False)
    signal.set_wakeup_fd(tells)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    try:
        with start_demo(datetime.now(UTC)) as fleet:
            write_workspace(folder, fleet)
            for sentence in fleet.stand_ins:
                print(sentence, file=sys.stderr)
            print(f"ready {folder}", flush=True)
            _wait(told)
    except (LabError, OSError) as error:
        print(f"the lab can't start: {error}", file=sys.stderr)
        return 1
    return 0


def _wait(told: int) -> None:
    """Until there is a signal, or nobody is left who could write to stdin.

    select(2) and not epoll, which refuses a stdin that is a file or /dev/null.
    """
    while True:
        ready, _, _ = select.select([told, 0], [], [])
        if told in ready or not os.read(0, 4096):
            return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
