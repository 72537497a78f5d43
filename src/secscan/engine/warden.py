"""Ends a worker's process group when its coordinator is gone, whatever the worker itself is doing.

A process of its own, in the worker's group: a worker that is stuck in one long call, with Python's lock held, reads no
pipe any more, and what it started (nmap, sslyze) would not end with it. Run as a file, with nothing but the standard
library, so that it starts at once.
"""

import os
import select
import signal


def main() -> None:
    """Waits until nobody holds the other end of standard input; what is in the pipe is left to the worker."""
    poller = select.poll()
    # No event is asked for: that everybody hung up is told all the same (poll(2), POLLHUP).
    poller.register(0, 0)
    poller.poll()
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
